//! What a table did, as numbers.

/// Counters of one [`Table`](super::Table). All but `active`, `held_bytes` and `record_bytes` only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowStats {
    /// Packets pushed.
    pub packets: u64,
    /// UDP datagrams.
    pub udp: u64,
    /// Conversations of UDP opened.
    pub udp_flows: u64,
    /// Packets without a flow that do not open one: bare ACK, FIN or RST.
    pub strays: u64,
    /// Flows opened.
    pub opened: u64,
    /// TCP flows opened by data, without their handshake.
    pub midstream: u64,
    /// Flows in the table now.
    pub active: u64,
    /// Flows that ended by FIN on both sides or by RST.
    pub closed: u64,
    /// Flows whose decoder wants no more.
    pub bypassed: u64,
    /// Flows removed because nothing came for too long (closed ones are removed so, too).
    pub expired: u64,
    /// TCP flows removed by timeout that never saw more than a handshake.
    pub syn_only: u64,
    /// Flows replaced by a new connection between the same endpoints.
    pub reused: u64,
    /// Handshake-only flows removed because the table was full.
    pub evicted_new: u64,
    /// Closed flows removed because the table was full.
    pub evicted_closed: u64,
    /// Bypassed flows removed because the table was full.
    pub evicted_bypassed: u64,
    /// Decoded flows removed because the table was full.
    pub evicted_active: u64,
    /// Flows that lost what was held for them because too much was held in all.
    pub evicted_held: u64,
    /// Flows removed by [`Table::forget`](super::Table::forget).
    pub forgotten: u64,
    /// Gaps shown to decoders.
    pub gaps: u64,
    /// Bytes in them.
    pub gap_bytes: u64,
    /// Segments that came before their turn and were held.
    pub out_of_order: u64,
    /// Segments that brought nothing new.
    pub retransmissions: u64,
    /// Keepalives: one byte, or none, just before what is expected.
    pub keepalives: u64,
    /// Segments that repeated bytes and brought new ones.
    pub overlaps: u64,
    /// Repeats of held bytes that said something else. The first to come was shown.
    pub conflicts: u64,
    /// Holes given up because nothing filled them in time.
    pub hole_timeouts: u64,
    /// Holes given up because too much was held behind them.
    pub hole_limits: u64,
    /// Holes given up because the receiver acknowledged what is missing.
    pub hole_acked: u64,
    /// Frames that the capture cut.
    pub cut: u64,
    /// Times a decoder asked for more bytes than a tail may have.
    pub need_refused: u64,
    /// Packets of flows already closed.
    pub late: u64,
    /// SYN for another connection in the middle of a live one.
    pub syn_inside: u64,
    /// RST with a sequence number that cannot belong to the connection.
    pub rst_ignored: u64,
    /// Bytes of buffers that hold segments and tails now.
    pub held_bytes: u64,
    /// Bytes of flow records allocated now.
    pub record_bytes: u64,
}

impl FlowStats {
    /// Adds what another table counted.
    pub fn add(&mut self, other: &Self) {
        for (to, from) in [
            (&mut self.packets, other.packets),
            (&mut self.udp, other.udp),
            (&mut self.udp_flows, other.udp_flows),
            (&mut self.strays, other.strays),
            (&mut self.opened, other.opened),
            (&mut self.midstream, other.midstream),
            (&mut self.active, other.active),
            (&mut self.closed, other.closed),
            (&mut self.bypassed, other.bypassed),
            (&mut self.expired, other.expired),
            (&mut self.syn_only, other.syn_only),
            (&mut self.reused, other.reused),
            (&mut self.evicted_new, other.evicted_new),
            (&mut self.evicted_closed, other.evicted_closed),
            (&mut self.evicted_bypassed, other.evicted_bypassed),
            (&mut self.evicted_active, other.evicted_active),
            (&mut self.evicted_held, other.evicted_held),
            (&mut self.forgotten, other.forgotten),
            (&mut self.gaps, other.gaps),
            (&mut self.gap_bytes, other.gap_bytes),
            (&mut self.out_of_order, other.out_of_order),
            (&mut self.retransmissions, other.retransmissions),
            (&mut self.keepalives, other.keepalives),
            (&mut self.overlaps, other.overlaps),
            (&mut self.conflicts, other.conflicts),
            (&mut self.hole_timeouts, other.hole_timeouts),
            (&mut self.hole_limits, other.hole_limits),
            (&mut self.hole_acked, other.hole_acked),
            (&mut self.cut, other.cut),
            (&mut self.need_refused, other.need_refused),
            (&mut self.late, other.late),
            (&mut self.syn_inside, other.syn_inside),
            (&mut self.rst_ignored, other.rst_ignored),
            (&mut self.held_bytes, other.held_bytes),
            (&mut self.record_bytes, other.record_bytes),
        ] {
            *to = to.saturating_add(from);
        }
    }

    /// Flows removed because the table was full.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted_new
            .saturating_add(self.evicted_closed)
            .saturating_add(self.evicted_bypassed)
            .saturating_add(self.evicted_active)
    }
}
