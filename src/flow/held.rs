//! What one direction of a flow must remember: the unread tail and the segments ahead.

use std::collections::VecDeque;

use super::pool::Pool;
use super::seq::SeqNumber;
use crate::limits::HOLE_SECS;
use crate::time::Timestamp;

/// A run of sequence space: bytes, then bytes that the capture cut off.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    /// Sequence number of the first byte.
    pub(super) seq: SeqNumber,
    /// Bytes that were captured.
    pub(super) bytes: &'a [u8],
    /// Bytes after them that were sent and not captured.
    pub(super) missing: u64,
}

impl<'a> Segment<'a> {
    /// Bytes of sequence space.
    pub(super) fn len(&self) -> u64 {
        wide(self.bytes.len()).saturating_add(self.missing)
    }

    /// The first `at` bytes of sequence space, and the rest.
    pub(super) fn split_at(self, at: u64) -> (Self, Self) {
        let cut = usize::try_from(at)
            .unwrap_or(usize::MAX)
            .min(self.bytes.len());
        let (bytes, rest) = self.bytes.split_at_checked(cut).unwrap_or_default();
        let missing = at.saturating_sub(wide(cut)).min(self.missing);
        let before = Self {
            seq: self.seq,
            bytes,
            missing,
        };
        let after = Self {
            seq: self.seq.plus(before.len()),
            bytes: rest,
            missing: self.missing.saturating_sub(missing),
        };
        (before, after)
    }
}

/// A segment that came before its turn.
#[derive(Debug)]
pub(super) struct Later {
    pub(super) seq: SeqNumber,
    pub(super) bytes: Vec<u8>,
    pub(super) missing: u64,
    /// When it came.
    pub(super) at: Timestamp,
}

impl Later {
    pub(super) fn segment(&self) -> Segment<'_> {
        Segment {
            seq: self.seq,
            bytes: &self.bytes,
            missing: self.missing,
        }
    }
}

/// Bytes not taken by the decoder, in one piece.
#[derive(Debug, Default)]
pub(super) struct Tail {
    buf: Vec<u8>,
    /// Bytes of `buf` already taken; moved out only when room is wanted.
    start: usize,
}

impl Tail {
    pub(super) fn bytes(&self) -> &[u8] {
        self.buf.get(self.start..).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.buf.len().saturating_sub(self.start)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets `n` bytes at the front.
    pub(super) fn consume(&mut self, n: usize) {
        self.start = self.start.saturating_add(n).min(self.buf.len());
    }

    /// Appends `more`. Moves what is there only after as much has been taken, or into a
    /// buffer of a larger size, so a stream of single bytes stays linear.
    pub(super) fn extend(&mut self, more: &[u8], pool: &mut Pool) {
        let room = self.buf.capacity().saturating_sub(self.buf.len());
        if room < more.len() {
            let left = self.len();
            if self.start >= left && room.saturating_add(self.start) >= more.len() {
                self.buf.copy_within(self.start.., 0);
                self.buf.truncate(left);
            } else {
                let mut larger = pool.take(left.saturating_add(more.len()));
                larger.extend_from_slice(self.bytes());
                let old = std::mem::replace(&mut self.buf, larger);
                pool.release(&old);
                pool.give(old);
            }
            self.start = 0;
        }
        self.buf.extend_from_slice(more);
    }

    /// Gives the buffer back.
    pub(super) fn clear(&mut self, pool: &mut Pool) {
        let old = std::mem::take(&mut self.buf);
        self.start = 0;
        if old.capacity() > 0 {
            pool.release(&old);
            pool.give(old);
        }
    }
}

/// The memory of one direction; empty for a flow that comes in order and is read to the end.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Not taken; ends at the cursor. Never over `limits::TAIL_BYTES`, and shorter than `need`.
    pub(super) tail: Tail,
    /// Bytes of `tail` that the decoder has seen and wants to see again.
    pub(super) shown: usize,
    /// Bytes the decoder wants to have before it is called; 0 and 1 mean any.
    pub(super) need: usize,
    /// Later segments, sorted, non-overlapping, each starting after the cursor.
    pub(super) ahead: VecDeque<Later>,
    /// Bytes in `ahead`. Never over `limits::AHEAD_BYTES` between packets.
    pub(super) ahead_bytes: usize,
    /// Where the direction ends, once a FIN came before its turn, and when it came.
    pub(super) fin: Option<(SeqNumber, Timestamp)>,
    /// Furthest byte that the receiver acknowledged while a hole was open.
    pub(super) acked: Option<SeqNumber>,
    /// When the cursor last moved because bytes came, not because a hole was given up.
    pub(super) progress: Timestamp,
}

impl Held {
    /// True if there is nothing to remember.
    pub(super) fn is_empty(&self) -> bool {
        self.need <= 1 && self.tail.is_empty() && !self.waits()
    }

    /// True if something later has come and the cursor waits for bytes before it.
    pub(super) fn waits(&self) -> bool {
        !self.ahead.is_empty() || self.fin.is_some()
    }

    /// Second of packet time at which the hole at the cursor is given up.
    ///
    /// Counted from the moment it was known and nothing filled it: data that go on in
    /// order behind a segment somebody made up do not turn that segment into a gap.
    pub(super) fn hole_due(&self) -> Option<u64> {
        let seen = match (self.ahead.front(), self.fin) {
            (Some(later), _) => later.at,
            (None, Some((_, at))) => at,
            (None, None) => return None,
        };
        let since = seen.max(self.progress).secs();
        Some(since.saturating_add(HOLE_SECS).saturating_add(1))
    }

    /// Puts `segment` at `index` of the segments ahead.
    pub(super) fn insert(
        &mut self,
        index: usize,
        segment: Segment<'_>,
        at: Timestamp,
        pool: &mut Pool,
    ) {
        let mut bytes = pool.take(segment.bytes.len());
        bytes.extend_from_slice(segment.bytes);
        self.ahead_bytes = self.ahead_bytes.saturating_add(bytes.len());
        if self.ahead.len() == self.ahead.capacity() {
            let mut larger = pool.queue(self.ahead.len().saturating_add(1));
            larger.append(&mut self.ahead);
            pool.give_queue(std::mem::replace(&mut self.ahead, larger));
        }
        self.ahead.insert(
            index,
            Later {
                seq: segment.seq,
                bytes,
                missing: segment.missing,
                at,
            },
        );
    }

    /// Takes the first segment ahead; its bytes are no longer accounted.
    pub(super) fn pop(&mut self, pool: &mut Pool) -> Option<Later> {
        let later = self.ahead.pop_front()?;
        self.ahead_bytes = self.ahead_bytes.saturating_sub(later.bytes.len());
        pool.release(&later.bytes);
        if self.ahead.is_empty() {
            pool.give_queue(std::mem::take(&mut self.ahead));
        }
        Some(later)
    }

    /// Back to nothing.
    pub(super) fn clear(&mut self, pool: &mut Pool) {
        while let Some(later) = self.pop(pool) {
            pool.give(later.bytes);
        }
        self.tail.clear(pool);
        *self = Self::default();
    }
}

/// Both directions of one flow, and whose they are.
#[derive(Debug, Default)]
pub(super) struct Pair {
    pub(super) sides: [Held; 2],
    /// Record of the flow.
    pub(super) owner: u32,
    /// Used since the clock hand came by.
    pub(super) used: bool,
    /// Where in [`Pairs::in_use`] it stands.
    place: usize,
}

impl Pair {
    /// Accounted for every pair besides its buffers and queues.
    const BYTES: usize = size_of::<Self>();

    /// Both directions' memories, A first.
    pub(super) fn side(&mut self, index: usize) -> &mut Held {
        let [a, b] = &mut self.sides;
        if index == 0 { a } else { b }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sides.iter().all(Held::is_empty)
    }

    /// The earliest moment a hole of either direction is given up, and the direction.
    pub(super) fn hole_due(&self) -> Option<(u64, usize)> {
        let [a, b] = &self.sides;
        let a = a.hole_due().map(|due| (due, 0));
        let b = b.hole_due().map(|due| (due, 1));
        match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

/// Index that stands for no pair.
pub(super) const NO_PAIR: u32 = u32::MAX;

/// All pairs of a table: few flows need one at a time.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    pairs: Vec<Pair>,
    free: Vec<u32>,
    /// Pairs that belong to a flow, in no order.
    in_use: Vec<u32>,
    /// Where the search for something to give up goes on.
    hand: usize,
}

impl Pairs {
    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Pair> {
        self.pairs.get_mut(id as usize)
    }

    pub(super) fn get(&self, id: u32) -> Option<&Pair> {
        self.pairs.get(id as usize)
    }

    /// An empty pair for the flow `owner`.
    pub(super) fn take(&mut self, owner: u32, pool: &mut Pool) -> u32 {
        pool.charge(Pair::BYTES);
        let id = self.free.pop().unwrap_or_else(|| {
            self.pairs.push(Pair::default());
            u32::try_from(self.pairs.len().saturating_sub(1)).unwrap_or(NO_PAIR)
        });
        if let Some(pair) = self.pairs.get_mut(id as usize) {
            pair.owner = owner;
            pair.used = true;
            pair.place = self.in_use.len();
            self.in_use.push(id);
        }
        id
    }

    /// Empties the pair and keeps it for another flow.
    pub(super) fn give(&mut self, id: u32, pool: &mut Pool) {
        let Some(pair) = self.pairs.get_mut(id as usize) else {
            return;
        };
        let place = pair.place;
        if self.in_use.get(place) != Some(&id) {
            return;
        }
        for held in &mut pair.sides {
            held.clear(pool);
        }
        self.in_use.swap_remove(place);
        if let Some(&moved) = self.in_use.get(place)
            && let Some(pair) = self.pairs.get_mut(moved as usize)
        {
            pair.place = place;
        }
        pool.discharge(Pair::BYTES);
        self.free.push(id);
    }

    /// The flow whose pair has not been used for long: one turn of the clock hand, at most
    /// `looks` steps and then whoever is there.
    pub(super) fn idle(&mut self, looks: usize) -> Option<u32> {
        let mut last = None;
        for _ in 0..looks {
            self.hand = self.hand.saturating_add(1);
            if self.hand >= self.in_use.len() {
                self.hand = 0;
            }
            let id = *self.in_use.get(self.hand)?;
            let pair = self.pairs.get_mut(id as usize)?;
            last = Some(pair.owner);
            if !std::mem::take(&mut pair.used) {
                break;
            }
        }
        last
    }
}

/// A length as a distance in sequence space.
pub(super) fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_split_anywhere() {
        let segment = Segment {
            seq: SeqNumber::new(10),
            bytes: b"abcd",
            missing: 3,
        };
        for at in 0..=7 {
            let (before, after) = segment.split_at(at);
            assert_eq!(before.len(), at);
            assert_eq!(after.len(), 7 - at);
            assert_eq!(after.seq, SeqNumber::new(10).plus(at));
            assert_eq!([before.bytes, after.bytes].concat(), b"abcd");
        }
    }

    #[test]
    fn a_tail_moves_little() {
        let mut pool = Pool::new(1 << 20);
        let mut tail = Tail::default();
        let mut sent = Vec::new();
        let mut read = Vec::new();
        for i in 0..100_000_u32 {
            let byte = i.to_le_bytes()[0];
            tail.extend(&[byte], &mut pool);
            sent.push(byte);
            if tail.len() > 300 {
                read.push(tail.bytes()[0]);
                tail.consume(1);
            }
        }
        read.extend_from_slice(tail.bytes());
        assert_eq!(read, sent);
        tail.clear(&mut pool);
        assert_eq!(pool.held(), 0);
    }

    #[test]
    fn pairs_are_accounted_and_come_back() {
        let mut pool = Pool::new(1 << 20);
        let mut pairs = Pairs::default();
        let first = pairs.take(7, &mut pool);
        let held = pairs.get_mut(first).unwrap().side(1);
        for i in 0..100_u32 {
            let segment = Segment {
                seq: SeqNumber::new(i * 10),
                bytes: b"x",
                missing: 0,
            };
            held.insert(held.ahead.len(), segment, Timestamp::ZERO, &mut pool);
        }
        assert!(pool.held() > 100 * 256);
        assert_eq!(pairs.idle(8), Some(7));
        pairs.give(first, &mut pool);
        pairs.give(first, &mut pool);
        assert_eq!(pool.held(), 0);
        assert_eq!(pairs.idle(8), None);
        assert_eq!(pairs.take(9, &mut pool), first);
    }
}
