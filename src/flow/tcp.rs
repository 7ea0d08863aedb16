//! One TCP connection: what SYN, FIN, RST and ACK mean for its two directions.

use std::ops::ControlFlow::{self, Break, Continue};

use super::answer::Answer;
use super::assembler::{Assembler, Because, Show};
use super::held::{NO_PAIR, Pairs, Segment, wide};
use super::pool::Pool;
use super::record::{Flags, Hot, Stage, Warm};
use super::seq::SeqNumber;
use super::stats::FlowStats;
use super::{Deliver, Ended};
use crate::limits::FLOW_REUSE_SECS;
use crate::net::{Side, Transport};
use crate::packet::{Chunk, Packet, Tcp};
use crate::time::Timestamp;

/// Largest TCP window (RFC 7323 2.3); a RST further away is not of this connection.
const WINDOW: i64 = 1 << 30;

/// One flow at work, with what it borrows from its table.
pub(super) struct Connection<'t, T, D> {
    pub(super) id: u32,
    pub(super) hot: &'t mut Hot,
    pub(super) warm: &'t mut Warm<T>,
    pub(super) pairs: &'t mut Pairs,
    pub(super) pool: &'t mut Pool,
    pub(super) stats: &'t mut FlowStats,
    pub(super) to: &'t mut D,
}

impl<T, D: Deliver<T>> Connection<'_, T, D> {
    /// A packet of this flow.
    #[inline]
    pub(super) fn packet(&mut self, packet: &Packet, payload: &[u8]) {
        let sent = u64::from(packet.sent).max(wide(payload.len()));
        let side = packet.side();
        let cursor = self.hot.cursor(side);
        cursor.packets = cursor.packets.saturating_add(1);
        cursor.bytes = cursor.bytes.saturating_add(sent);
        if self.hot.stage == Stage::Closed {
            // `last` stays: a connection that goes on behind a forged RST is picked up again.
            self.stats.late = self.stats.late.saturating_add(1);
            return;
        }
        self.hot.last = self.hot.last.max(packet.ts);
        self.hot.number = packet.number;
        let flagged = packet.tcp.has(Tcp::SYN | Tcp::FIN | Tcp::RST);
        if self.hot.stage == Stage::Bypassed && !flagged {
            return;
        }
        let plain = !flagged
            && self.hot.stage == Stage::Active
            && self.hot.pair == NO_PAIR
            && sent == wide(payload.len())
            && self.hot.open(side)
            && !self.hot.ended(side);
        if !(plain && self.plain(packet, side, payload)) {
            self.unusual(packet, side, payload, sent);
        }
    }

    /// A plain segment in turn, or inside what is passed over. False if it is neither.
    #[inline]
    fn plain(&mut self, packet: &Packet, side: Side, payload: &[u8]) -> bool {
        let cursor = self.hot.cursor(side);
        let off = SeqNumber::new(packet.tcp.seq).since(cursor.next);
        if payload.is_empty() {
            return off == 0;
        }
        if cursor.skip > 0 {
            let end = u64::try_from(off).map(|off| off.saturating_add(wide(payload.len())));
            return match end {
                Ok(end) if end <= cursor.skip => {
                    cursor.pass(end);
                    true
                }
                _ => false,
            };
        }
        if off != 0 {
            return false;
        }
        let info = self.hot.info(self.warm, packet.ts);
        let mut rest = payload;
        while !rest.is_empty() {
            let state = &mut self.warm.state;
            let progress = self.to.chunk(&info, state, side, Chunk::Data(rest));
            let cursor = self.hot.cursor(side);
            match Answer::read(progress, rest.len()) {
                Answer::Again { taken } => {
                    cursor.settle(taken);
                    rest = rest.get(taken..).unwrap_or_default();
                }
                Answer::Skip { beyond } => {
                    cursor.settle(rest.len());
                    cursor.skip = beyond;
                    return true;
                }
                Answer::Keep { taken, need } => {
                    cursor.settle(taken);
                    let left = rest.get(taken..).unwrap_or_default();
                    self.work(side, packet.ts, |a, _| {
                        a.keep(left, need);
                        Continue(())
                    });
                    return true;
                }
                Answer::TooMuch { .. } => {
                    cursor.settle(rest.len());
                    self.work(side, packet.ts, |a, show| a.refuse(show));
                    return true;
                }
                Answer::Done => {
                    self.bypass();
                    return true;
                }
            }
        }
        true
    }

    #[inline(never)]
    fn unusual(&mut self, packet: &Packet, side: Side, payload: &[u8], sent: u64) {
        let tcp = packet.tcp;
        if tcp.has(Tcp::SYN) {
            self.syn(side, tcp);
        } else if self.hot.stage == Stage::New && !tcp.has(Tcp::RST) {
            self.hot.stage = Stage::Active;
        }
        if sent > wide(payload.len()) {
            self.stats.cut = self.stats.cut.saturating_add(1);
        }
        if self.hot.pair != NO_PAIR && tcp.has(Tcp::ACK) {
            self.acked(side.other(), SeqNumber::new(tcp.ack), packet.ts);
        }
        let syn = u64::from(tcp.has(Tcp::SYN));
        let segment = Segment {
            seq: SeqNumber::new(tcp.seq).plus(syn),
            bytes: payload,
            missing: sent.saturating_sub(wide(payload.len())),
        };
        if tcp.has(Tcp::RST) {
            // Bytes in a RST are words about it, not part of the stream (RFC 9293 3.5.3).
            self.rst(side, segment.seq, packet.ts);
            return;
        }
        let end = segment.seq.plus(sent);
        if self.hot.stage == Stage::Bypassed {
            if tcp.has(Tcp::FIN) {
                self.end(side);
            }
            return;
        }
        let keepalive =
            !self.hot.open(side) && !tcp.has(Tcp::FIN) && self.maybe_keepalive(side, segment);
        if self.hot.ended(side) || keepalive {
            return;
        }
        if sent > 0 {
            if syn == 1 && self.hot.stage == Stage::New {
                self.hot.stage = Stage::Active;
            }
            self.open(side, segment.seq);
            self.work(side, packet.ts, |a, show| {
                a.segment(segment, packet.ts, show)
            });
        } else if self.hot.open(side) && end.since(self.hot.cursor(side).next) == -1 {
            self.stats.keepalives = self.stats.keepalives.saturating_add(1);
        }
        let listening = matches!(self.hot.stage, Stage::New | Stage::Active);
        if tcp.has(Tcp::FIN) && listening && !self.hot.ended(side) {
            self.open(side, end);
            self.work(side, packet.ts, |a, _| {
                a.fin(end, packet.ts);
                Continue(())
            });
        }
    }

    /// True if `packet`, a SYN or a SYN/ACK, belongs to another connection than this one, and
    /// that one takes its place. Remembers a SYN that may yet do so.
    pub(super) fn replaced_by(&mut self, packet: &Packet) -> bool {
        let side = packet.side();
        let isn = SeqNumber::new(packet.tcp.seq);
        let known = self.isn(side);
        if known == Some(isn) {
            return false;
        }
        if packet.tcp.has(Tcp::ACK) {
            let client = SeqNumber::new(packet.tcp.ack).minus(1);
            let closed = self.hot.stage == Stage::Closed && known.is_some();
            return closed || self.warm.other_syn == Some((side.other(), client));
        }
        if known.is_none() && self.hot.open(side) {
            // Perhaps our own SYN, late: it is ours if it fits right before what was read.
            let behind = self.hot.cursor(side).next.since(isn.plus(1));
            if (0..1 << 20).contains(&behind) {
                return false;
            }
        }
        let idle = packet.ts.since(self.hot.last).as_secs() >= FLOW_REUSE_SECS;
        let settled = matches!(self.hot.stage, Stage::New | Stage::Closed);
        if (settled && known.is_some())
            || self.hot.stage == Stage::Closed
            || self.hot.ended(side)
            || idle
        {
            return true;
        }
        if self.hot.open(side) {
            self.warm.other_syn = Some((side, isn));
            self.stats.syn_inside = self.stats.syn_inside.saturating_add(1);
        }
        false
    }

    /// Gives up holes that are due before the second `tick` is over, each at its own time.
    pub(super) fn overdue(&mut self, tick: u64) {
        let mut at = 0;
        while let Some((due, index)) = self.pairs.get(self.hot.pair).and_then(|p| p.hole_due()) {
            if due > tick {
                break;
            }
            at = due.max(at);
            let side = if index == 0 { Side::A } else { Side::B };
            self.work(side, Timestamp::new(at, 0), |a, show| {
                a.give_up(Because::Time, show)
            });
        }
    }

    /// The flow leaves the table: shows what is held, the end of both sides, and says so.
    pub(super) fn leave(&mut self, at: Timestamp, why: Ended) {
        let (stage, closed) = (self.hot.stage, self.stats.closed);
        if self.hot.key.transport == Transport::Tcp {
            self.end_both(at);
        }
        // Ended by us, not by its sides.
        self.hot.stage = stage;
        self.stats.closed = closed;
        let info = self.hot.info(self.warm, at);
        self.to.ended(&info, &mut self.warm.state, why);
    }

    /// Shows or gives up everything held.
    pub(super) fn drop_held(&mut self, at: Timestamp) {
        for side in [Side::A, Side::B] {
            if self.hot.pair != NO_PAIR {
                self.work(side, at, |a, show| {
                    a.flush(show)?;
                    a.drop_tail(show)
                });
            }
        }
        self.free_pair();
        self.stats.evicted_held = self.stats.evicted_held.saturating_add(1);
    }

    fn isn(&self, side: Side) -> Option<SeqNumber> {
        let [a, b] = self.warm.isn;
        let isn = match side {
            Side::A => a,
            Side::B => b,
        };
        self.hot.flags.has(Flags::ISN.of(side)).then_some(isn)
    }

    fn syn(&mut self, side: Side, tcp: Tcp) {
        let isn = SeqNumber::new(tcp.seq);
        let initiator = if tcp.has(Tcp::ACK) {
            side.other()
        } else {
            side
        };
        if self.warm.other_syn == Some((side, isn)) {
            return;
        }
        if self.hot.initiator().is_none() {
            self.hot.flags.set(Flags::INITIATOR.of(initiator));
        }
        self.begin(side, isn);
        if tcp.has(Tcp::ACK) {
            self.begin(initiator, SeqNumber::new(tcp.ack).minus(1));
        }
    }

    /// `side` starts with the sequence number `isn`.
    fn begin(&mut self, side: Side, isn: SeqNumber) {
        if self.hot.open(side) {
            return;
        }
        let [a, b] = &mut self.warm.isn;
        *(match side {
            Side::A => a,
            Side::B => b,
        }) = isn;
        self.hot.flags.set(Flags::ISN.of(side));
        self.open(side, isn.plus(1));
    }

    /// `side` starts at `seq`, if it has not started.
    fn open(&mut self, side: Side, seq: SeqNumber) {
        if !self.hot.open(side) {
            self.hot.flags.set(Flags::OPEN.of(side));
            self.hot.cursor(side).next = seq;
        }
    }

    /// The first thing seen of a direction picked up mid-stream is one byte: a keepalive repeats
    /// the last byte sent, which would put every PDU after it off by one. Believed at the second.
    fn maybe_keepalive(&mut self, side: Side, segment: Segment<'_>) -> bool {
        if segment.len() != 1 || self.isn(side).is_some() {
            return false;
        }
        let cursor = self.hot.cursor(side);
        let follows = segment.seq == cursor.next;
        cursor.next = segment.seq.plus(1);
        let hinted = self.hot.flags.has(Flags::HINT.of(side));
        self.hot.flags.set(Flags::HINT.of(side));
        if hinted && follows {
            return false;
        }
        self.stats.keepalives = self.stats.keepalives.saturating_add(1);
        true
    }

    /// The other end of `side` has everything before `ack`.
    fn acked(&mut self, side: Side, ack: SeqNumber, at: Timestamp) {
        let waits = self
            .pairs
            .get_mut(self.hot.pair)
            .is_some_and(|pair| pair.side(index(side)).waits());
        if waits {
            self.work(side, at, |a, show| a.acked(ack, show));
        }
    }

    fn rst(&mut self, side: Side, seq: SeqNumber, at: Timestamp) {
        let off = seq.since(self.hot.cursor(side).next);
        if self.hot.open(side) && off.abs() > WINDOW {
            self.stats.rst_ignored = self.stats.rst_ignored.saturating_add(1);
            return;
        }
        self.end_both(at);
        self.close();
    }

    fn end_both(&mut self, at: Timestamp) {
        for side in [Side::A, Side::B] {
            let listening = matches!(self.hot.stage, Stage::New | Stage::Active);
            if !listening || self.hot.ended(side) {
                continue;
            }
            if self.hot.pair != NO_PAIR {
                self.work(side, at, |a, show| a.flush(show));
            }
            let listening = matches!(self.hot.stage, Stage::New | Stage::Active);
            if listening && !self.hot.ended(side) {
                self.show_end(side, at);
            }
        }
        self.free_pair();
    }

    fn show_end(&mut self, side: Side, at: Timestamp) {
        let info = self.hot.info(self.warm, at);
        self.to.chunk(&info, &mut self.warm.state, side, Chunk::End);
        self.end(side);
    }

    fn end(&mut self, side: Side) {
        self.hot.flags.set(Flags::ENDED.of(side));
        if let Some(pair) = self.pairs.get_mut(self.hot.pair) {
            pair.side(index(side)).clear(self.pool);
        }
        if self.hot.ended(side.other()) {
            self.close();
        }
    }

    fn close(&mut self) {
        if self.hot.stage != Stage::Closed {
            self.hot.stage = Stage::Closed;
            self.stats.closed = self.stats.closed.saturating_add(1);
        }
        self.free_pair();
    }

    pub(super) fn bypass(&mut self) {
        self.hot.stage = Stage::Bypassed;
        self.stats.bypassed = self.stats.bypassed.saturating_add(1);
        self.free_pair();
    }

    fn free_pair(&mut self) {
        let pair = std::mem::replace(&mut self.hot.pair, NO_PAIR);
        if pair != NO_PAIR {
            self.pairs.give(pair, self.pool);
        }
    }

    /// Lets the assembler of `side` do something, and draws the consequences.
    fn work(
        &mut self,
        side: Side,
        at: Timestamp,
        what: impl FnOnce(&mut Assembler<'_>, &mut Show<'_>) -> ControlFlow<()>,
    ) {
        if self.hot.pair == NO_PAIR {
            self.hot.pair = self.pairs.take(self.id, self.pool);
        }
        let Some(pair) = self.pairs.get_mut(self.hot.pair) else {
            return;
        };
        pair.used = true;
        let mut info = self.hot.info(self.warm, at);
        let state = &mut self.warm.state;
        let to = &mut *self.to;
        let before = info.gaps;
        let bytes_before = info.gap_bytes;
        let mut show = |chunk: Chunk<'_>| {
            if let Chunk::Gap(n) = chunk {
                info.gaps = info.gaps.saturating_add(1);
                info.gap_bytes = info.gap_bytes.saturating_add(n);
            }
            to.chunk(&info, state, side, chunk)
        };
        let mut assembler = Assembler {
            cursor: self.hot.cursor(side),
            held: pair.side(index(side)),
            pool: self.pool,
            stats: self.stats,
        };
        let flow = what(&mut assembler, &mut show);
        let finished = assembler.finished();
        let gaps = info.gaps.saturating_sub(before);
        let gap_bytes = info.gap_bytes.saturating_sub(bytes_before);
        self.warm.gaps = info.gaps;
        self.warm.gap_bytes = info.gap_bytes;
        self.stats.gaps = self.stats.gaps.saturating_add(gaps.into());
        self.stats.gap_bytes = self.stats.gap_bytes.saturating_add(gap_bytes);
        if flow == Break(()) {
            self.bypass();
        } else if finished {
            let info = self.hot.info(self.warm, at);
            let state = &mut self.warm.state;
            let answer = self.to.chunk(&info, state, side, Chunk::End);
            self.end(side);
            if answer == crate::packet::Progress::Done && self.hot.stage != Stage::Closed {
                self.bypass();
            }
        }
        if self
            .pairs
            .get(self.hot.pair)
            .is_some_and(super::held::Pair::is_empty)
        {
            self.free_pair();
        }
    }
}

fn index(side: Side) -> usize {
    match side {
        Side::A => 0,
        Side::B => 1,
    }
}
