//! One direction: segments in any order become chunks in order.
//!
//! Knows sequence numbers and bytes, not packets, flows or protocols. What is always there
//! is the [`Cursor`]; the [`Held`] memory is only borrowed while something must be kept.

use std::ops::ControlFlow::{self, Break, Continue};

use super::answer::Answer;
use super::held::{Held, Segment, wide};
use super::pool::Pool;
use super::seq::SeqNumber;
use super::stats::FlowStats;
use crate::limits::{AHEAD_BYTES, AHEAD_SEGMENTS, HOLE_ACKED_SEGMENTS};
use crate::packet::{Chunk, Progress};
use crate::time::Timestamp;

/// The decoder, as a direction sees it.
pub(super) type Show<'s> = dyn FnMut(Chunk<'_>) -> Progress + 's;

/// Where a direction stands.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct Cursor {
    /// Next byte neither shown, held in the tail, nor passed over. All before it is settled.
    pub(super) next: SeqNumber,
    /// Packets seen.
    pub(super) packets: u32,
    /// Bytes from `next` on that the decoder does not want to see. Not bounded by 2^32:
    /// `next` moves through it as packets come.
    pub(super) skip: u64,
    /// Payload bytes sent, repeats included.
    pub(super) bytes: u64,
}

impl Cursor {
    /// Moves over `n` bytes to be skipped.
    pub(super) fn pass(&mut self, n: u64) {
        self.next = self.next.plus(n);
        self.skip = self.skip.saturating_sub(n);
    }

    /// Moves over `n` bytes that are settled.
    pub(super) fn settle(&mut self, n: usize) {
        self.next = self.next.plus(wide(n));
    }
}

/// Why a hole is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Because {
    /// Nothing filled it for `HOLE_SECS`.
    Time,
    /// Too much is held behind it.
    Limit,
    /// The receiver has it, so we missed it.
    Acked,
    /// The direction is over.
    End,
}

/// One direction at work. `Break` means that the decoder is done with the whole flow.
#[derive(Debug)]
pub(super) struct Assembler<'a> {
    pub(super) cursor: &'a mut Cursor,
    pub(super) held: &'a mut Held,
    pub(super) pool: &'a mut Pool,
    pub(super) stats: &'a mut FlowStats,
}

impl Assembler<'_> {
    /// A segment as it came.
    pub(super) fn segment(
        &mut self,
        segment: Segment<'_>,
        now: Timestamp,
        show: &mut Show<'_>,
    ) -> ControlFlow<()> {
        let off = segment.seq.ahead_of(self.cursor.next);
        if off > self.cursor.skip {
            self.hold(segment, now);
            return self.relieve(show);
        }
        // Loss inside what is passed over is nobody's loss.
        self.cursor.pass(off);
        let Some(segment) = self.unseen(segment) else {
            return Continue(());
        };
        self.held.progress = now;
        self.in_turn(segment, show)?;
        self.drain(show)?;
        self.relieve(show)
    }

    /// The receiver has everything before `ack`.
    pub(super) fn acked(&mut self, ack: SeqNumber, show: &mut Show<'_>) -> ControlFlow<()> {
        if !self.held.waits() {
            return Continue(());
        }
        if self.held.acked.is_none_or(|known| ack.since(known) > 0) {
            self.held.acked = Some(ack);
        }
        self.relieve(show)
    }

    /// A FIN right before `end`.
    pub(super) fn fin(&mut self, end: SeqNumber, now: Timestamp) {
        if self.held.fin.is_none() && end.since(self.cursor.next) >= 0 {
            self.held.fin = Some((end, now));
        }
    }

    /// True if all before the FIN is settled.
    pub(super) fn finished(&self) -> bool {
        self.held
            .fin
            .is_some_and(|(end, _)| end.ahead_of(self.cursor.next) <= self.cursor.skip)
    }

    /// Gives up the hole at the cursor and goes on behind it.
    pub(super) fn give_up(&mut self, because: Because, show: &mut Show<'_>) -> ControlFlow<()> {
        match because {
            Because::Time => self.stats.hole_timeouts = self.stats.hole_timeouts.saturating_add(1),
            Because::Limit => self.stats.hole_limits = self.stats.hole_limits.saturating_add(1),
            Because::Acked => self.stats.hole_acked = self.stats.hole_acked.saturating_add(1),
            Because::End => {}
        }
        let to = match (self.held.ahead.front(), self.held.fin) {
            // What lies behind the FIN is not of this stream.
            (Some(later), Some((end, _))) if end.since(later.seq) <= 0 => end,
            (Some(later), _) => later.seq,
            (None, Some((end, _))) => end,
            (None, None) => return Continue(()),
        };
        self.lose(to.ahead_of(self.cursor.next), show)?;
        self.drain(show)
    }

    /// Shows everything held, with gaps between.
    pub(super) fn flush(&mut self, show: &mut Show<'_>) -> ControlFlow<()> {
        while self.held.waits() && !self.finished() {
            self.give_up(Because::End, show)?;
        }
        Continue(())
    }

    /// Keeps `left`, already shown, until `need` bytes are there.
    pub(super) fn keep(&mut self, left: &[u8], need: usize) {
        self.cursor.settle(left.len());
        self.held.shown = left.len();
        self.held.need = need;
        if !left.is_empty() {
            self.held.tail.extend(left, self.pool);
        }
    }

    /// Bytes at the cursor.
    pub(super) fn feed(&mut self, mut rest: &[u8], show: &mut Show<'_>) -> ControlFlow<()> {
        while !rest.is_empty() {
            if self.cursor.skip > 0 {
                let n = wide(rest.len()).min(self.cursor.skip);
                self.cursor.pass(n);
                rest = after(rest, usize::try_from(n).unwrap_or(usize::MAX));
            } else if self.held.tail.is_empty() && rest.len() >= self.held.need {
                rest = self.in_place(rest, show)?;
            } else {
                rest = self.spanning(rest, show)?;
            }
        }
        Continue(())
    }

    /// Shows `rest` where it lies. What is returned may be shown at once.
    fn in_place<'b>(&mut self, rest: &'b [u8], show: &mut Show<'_>) -> ControlFlow<(), &'b [u8]> {
        self.held.need = 0;
        self.held.shown = 0;
        match Answer::read(show(Chunk::Data(rest)), rest.len()) {
            Answer::Again { taken } => {
                self.cursor.settle(taken);
                return Continue(after(rest, taken));
            }
            Answer::Keep { taken, need } => {
                self.cursor.settle(taken);
                self.keep(after(rest, taken), need);
            }
            Answer::Skip { beyond } => {
                self.cursor.settle(rest.len());
                self.cursor.skip = beyond;
            }
            Answer::TooMuch { .. } => {
                self.cursor.settle(rest.len());
                self.refuse(show)?;
            }
            Answer::Done => return Break(()),
        }
        Continue(&[])
    }

    /// Adds to the tail what the decoder needs, no more, and shows it if that is there.
    fn spanning<'b>(&mut self, bytes: &'b [u8], show: &mut Show<'_>) -> ControlFlow<(), &'b [u8]> {
        let want = self.held.need.saturating_sub(self.held.tail.len()).max(1);
        let (part, rest) = bytes.split_at(want.min(bytes.len()));
        self.held.tail.extend(part, self.pool);
        self.cursor.settle(part.len());
        while self.held.tail.len() >= self.held.need {
            let shown = self.held.tail.len();
            let answer = Answer::read(show(Chunk::Data(self.held.tail.bytes())), shown);
            let (taken, need) = match answer {
                Answer::Again { taken } => (taken, 0),
                Answer::Keep { taken, need } => (taken, need),
                Answer::Skip { beyond } => {
                    self.forget_tail();
                    self.cursor.skip = beyond;
                    break;
                }
                Answer::TooMuch { .. } => {
                    self.refuse(show)?;
                    break;
                }
                Answer::Done => return Break(()),
            };
            let left = shown.saturating_sub(taken);
            self.held.need = need;
            self.held.shown = left;
            if left <= part.len() && taken > 0 {
                // What is left came with this packet: go on where it lies.
                self.held.tail.clear(self.pool);
                self.cursor.next = self.cursor.next.minus(wide(left));
                return Continue(after(bytes, part.len().saturating_sub(left)));
            }
            self.held.tail.consume(taken);
        }
        Continue(rest)
    }

    /// The decoder wants to have more than it may: what it was shown is gone.
    pub(super) fn refuse(&mut self, show: &mut Show<'_>) -> ControlFlow<()> {
        self.stats.need_refused = self.stats.need_refused.saturating_add(1);
        self.forget_tail();
        gap(0, show)
    }

    /// `n` bytes at the cursor will not come.
    fn lose(&mut self, n: u64, show: &mut Show<'_>) -> ControlFlow<()> {
        let passed = n.min(self.cursor.skip);
        self.cursor.pass(passed);
        let lost = n.saturating_sub(passed);
        if lost == 0 {
            return Continue(());
        }
        let unshown = self.held.tail.len().saturating_sub(self.held.shown);
        self.forget_tail();
        self.cursor.next = self.cursor.next.plus(lost);
        gap(lost.saturating_add(wide(unshown)), show)
    }

    /// Gives up what the decoder has not taken.
    pub(super) fn drop_tail(&mut self, show: &mut Show<'_>) -> ControlFlow<()> {
        let unshown = self.held.tail.len().saturating_sub(self.held.shown);
        if self.held.tail.is_empty() {
            return Continue(());
        }
        self.forget_tail();
        gap(wide(unshown), show)
    }

    fn forget_tail(&mut self) {
        self.held.tail.clear(self.pool);
        self.held.shown = 0;
        self.held.need = 0;
    }

    /// What of `segment` lies at or after the cursor; nothing for a repeat.
    fn unseen<'b>(&mut self, segment: Segment<'b>) -> Option<Segment<'b>> {
        let behind = self.cursor.next.ahead_of(segment.seq);
        if behind == 0 {
            return Some(segment);
        }
        if behind < segment.len() {
            self.stats.overlaps = self.stats.overlaps.saturating_add(1);
            return Some(segment.split_at(behind).1);
        }
        if behind == 1 {
            self.stats.keepalives = self.stats.keepalives.saturating_add(1);
        } else {
            self.stats.retransmissions = self.stats.retransmissions.saturating_add(1);
        }
        None
    }

    /// A segment at the cursor. Where it overlaps what is held, the held bytes came first.
    fn in_turn(&mut self, mut segment: Segment<'_>, show: &mut Show<'_>) -> ControlFlow<()> {
        loop {
            let room = self
                .held
                .ahead
                .front()
                .map_or(u64::MAX, |later| later.seq.ahead_of(segment.seq));
            let (before, rest) = segment.split_at(room.min(segment.len()));
            self.play(before, show)?;
            if rest.len() == 0 {
                return Continue(());
            }
            let Some(later) = self.held.pop(self.pool) else {
                return Continue(());
            };
            self.compare(later.segment(), rest);
            segment = rest.split_at(later.segment().len().min(rest.len())).1;
            self.play(later.segment(), show)?;
            self.pool.give(later.bytes);
            if segment.len() == 0 {
                return Continue(());
            }
        }
    }

    /// Goes on with what is held and is now in turn.
    fn drain(&mut self, show: &mut Show<'_>) -> ControlFlow<()> {
        while let Some(later) = self.held.ahead.front() {
            let off = later.seq.ahead_of(self.cursor.next);
            if off > self.cursor.skip {
                return Continue(());
            }
            self.cursor.pass(off);
            let Some(later) = self.held.pop(self.pool) else {
                break;
            };
            let behind = self.cursor.next.ahead_of(later.seq);
            let segment = later.segment();
            self.play(segment.split_at(behind.min(segment.len())).1, show)?;
            self.pool.give(later.bytes);
        }
        self.held.acked = None;
        Continue(())
    }

    /// Shows a segment at the cursor, and what the capture cut off it as a gap.
    fn play(&mut self, segment: Segment<'_>, show: &mut Show<'_>) -> ControlFlow<()> {
        self.feed(segment.bytes, show)?;
        if segment.missing > 0 {
            self.lose(segment.missing, show)?;
        }
        Continue(())
    }

    /// Keeps a segment that lies ahead, without what is there already.
    fn hold(&mut self, mut segment: Segment<'_>, now: Timestamp) {
        let whole = segment.len();
        let mut kept = 0_u64;
        let mut index = self.held.ahead.len();
        while let Some(later) = index.checked_sub(1).and_then(|i| self.held.ahead.get(i)) {
            let end = later.seq.plus(later.segment().len());
            if end.since(segment.seq) <= 0 {
                break;
            }
            index = index.saturating_sub(1);
        }
        while segment.len() > 0 {
            let Some(later) = self.held.ahead.get(index) else {
                kept = kept.saturating_add(segment.len());
                self.held.insert(index, segment, now, self.pool);
                break;
            };
            let room = later.seq.ahead_of(segment.seq).min(segment.len());
            if room > 0 {
                let (before, rest) = segment.split_at(room);
                kept = kept.saturating_add(room);
                self.held.insert(index, before, now, self.pool);
                segment = rest;
            } else {
                let there = later.segment();
                let into = segment.seq.ahead_of(there.seq);
                let there = there.split_at(into.min(there.len())).1;
                let differ = differs(there, segment);
                segment = segment.split_at(there.len().min(segment.len())).1;
                self.stats.conflicts = self.stats.conflicts.saturating_add(u64::from(differ));
            }
            index = index.saturating_add(1);
        }
        let counter = if kept == 0 {
            &mut self.stats.retransmissions
        } else if kept < whole {
            &mut self.stats.overlaps
        } else {
            &mut self.stats.out_of_order
        };
        *counter = counter.saturating_add(1);
    }

    /// Gives up holes while too much is held, or while the receiver has what we miss.
    fn relieve(&mut self, show: &mut Show<'_>) -> ControlFlow<()> {
        while let Some(first) = self.held.ahead.front()
            && !self.finished()
        {
            let acked = self.held.ahead.len() >= HOLE_ACKED_SEGMENTS
                && self.held.acked.is_some_and(|ack| ack.since(first.seq) >= 0);
            let because =
                if self.held.ahead.len() > AHEAD_SEGMENTS || self.held.ahead_bytes > AHEAD_BYTES {
                    Because::Limit
                } else if acked {
                    Because::Acked
                } else {
                    break;
                };
            self.give_up(because, show)?;
        }
        Continue(())
    }

    fn compare(&mut self, there: Segment<'_>, new: Segment<'_>) {
        let differ = u64::from(differs(there, new));
        self.stats.conflicts = self.stats.conflicts.saturating_add(differ);
        self.stats.overlaps = self.stats.overlaps.saturating_add(1);
    }
}

/// True if two segments that begin at the same byte say different things where both have bytes.
fn differs(a: Segment<'_>, b: Segment<'_>) -> bool {
    a.bytes.iter().zip(b.bytes).any(|(a, b)| a != b)
}

fn after(bytes: &[u8], n: usize) -> &[u8] {
    bytes.get(n..).unwrap_or_default()
}

/// Shows a gap; any answer but `Done` is as good as none.
fn gap(n: u64, show: &mut Show<'_>) -> ControlFlow<()> {
    match show(Chunk::Gap(n)) {
        Progress::Done => Break(()),
        _ => Continue(()),
    }
}

#[cfg(test)]
#[path = "assembler_tests.rs"]
mod tests;
