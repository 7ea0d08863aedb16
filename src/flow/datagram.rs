//! One conversation of UDP: every datagram is shown as it comes.

use super::Deliver;
use super::record::{Flags, Stage};
use super::tcp::Connection;
use crate::packet::{Datagram, Packet};

impl<T, D: Deliver<T>> Connection<'_, T, D> {
    /// A datagram of this flow.
    pub(super) fn datagram(&mut self, packet: &Packet, payload: &[u8]) {
        self.stats.udp = self.stats.udp.saturating_add(1);
        let side = packet.side();
        let cursor = self.hot.cursor(side);
        cursor.packets = cursor.packets.saturating_add(1);
        cursor.bytes = cursor.bytes.saturating_add(packet.sent.into());
        self.hot.last = self.hot.last.max(packet.ts);
        self.hot.number = packet.number;
        if self.hot.stage == Stage::Bypassed {
            return;
        }
        match self.hot.initiator() {
            None => self.hot.flags.set(Flags::INITIATOR.of(side)),
            Some(first) if first != side => self.hot.stage = Stage::Active,
            Some(_) => {}
        }
        let missing = packet.sent.saturating_sub(packet.payload.len);
        if missing > 0 {
            self.stats.cut = self.stats.cut.saturating_add(1);
        }
        let datagram = Datagram {
            bytes: payload,
            missing,
            mac: packet.wrapping.mac,
        };
        let info = self.hot.info(self.warm, packet.ts);
        if self
            .to
            .datagram(&info, &mut self.warm.state, side, datagram)
        {
            self.bypass();
        }
    }
}
