//! Things that wait for their time, of which no source may have more than its share.

use std::collections::VecDeque;
use std::time::Duration;

use crate::correlate::Map;
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;

/// Part of the room that one source may take: one in this many.
const SHARE: usize = 8;

/// A queue in which everything waits equally long. Without room the new one is left out and counted: what waits
/// already is nearer to its answer.
#[derive(Debug)]
pub(super) struct Pending<T> {
    queue: VecDeque<(Timestamp, Addr, T)>,
    /// How many wait, by source.
    sources: Map<Addr, usize>,
    wait: Duration,
    most: usize,
    left_out: u64,
}

impl<T> Pending<T> {
    pub(super) fn new(wait: Duration) -> Self {
        Self {
            queue: VecDeque::new(),
            sources: Map::default(),
            wait,
            most: limits::PENDING_FINDINGS,
            left_out: 0,
        }
    }

    /// Holds at most so many.
    pub(super) fn limit(&mut self, most: usize) {
        self.most = most;
    }

    /// Lets it wait from `now` on, if there is room.
    pub(super) fn push(&mut self, source: Addr, one: T, now: Timestamp) {
        let mine = self.sources.entry(source).or_default();
        if *mine >= (self.most / SHARE).max(1) || self.queue.len() >= self.most {
            if *mine == 0 {
                self.sources.remove(&source);
            }
            self.left_out += 1;
            return;
        }
        *mine += 1;
        self.queue.push_back((now.plus(self.wait), source, one));
    }

    /// The first that has waited until `now`; without a time, the first.
    pub(super) fn pop(&mut self, now: Option<Timestamp>) -> Option<T> {
        let (_, source, one) = self
            .queue
            .pop_front_if(|(due, ..)| now.is_none_or(|now| *due <= now))?;
        release(&mut self.sources, source);
        Some(one)
    }

    /// Takes out the first for which `which` is true.
    pub(super) fn take(&mut self, which: impl Fn(&T) -> bool) -> Option<T> {
        let at = self.queue.iter().position(|(.., one)| which(one))?;
        let (_, source, one) = self.queue.remove(at)?;
        release(&mut self.sources, source);
        Some(one)
    }

    /// Drops those for which `keep` is false.
    pub(super) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        let sources = &mut self.sources;
        self.queue.retain(|(_, source, one)| {
            let keep = keep(one);
            if !keep {
                release(sources, *source);
            }
            keep
        });
    }

    /// All that wait, the oldest first.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.queue.iter_mut().map(|(.., one)| one)
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Those that found no room.
    pub(super) fn evicted(&self) -> u64 {
        self.left_out
    }
}

fn release(sources: &mut Map<Addr, usize>, source: Addr) {
    if let Some(left) = sources.get_mut(&source) {
        *left -= 1;
        if *left == 0 {
            sources.remove(&source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fair::tests::{at, host};

    #[test]
    fn a_source_has_its_share_and_everything_its_time() {
        let mut pending = Pending::new(Duration::from_millis(500));
        pending.limit(16);
        for n in 1..=3 {
            pending.push(host(1), n, at(n - 1));
        }
        assert_eq!((pending.len(), pending.evicted()), (2, 1), "a share is two");
        pending.push(host(2), 4, at(3));
        assert_eq!(pending.pop(Some(at(499))), None);
        assert_eq!(pending.pop(Some(at(500))), Some(1));
        pending.push(host(1), 5, at(500));
        assert_eq!(pending.take(|n| *n == 4), Some(4));
        pending.retain(|n| *n != 2);
        assert_eq!((pending.pop(None), pending.pop(None)), (Some(5), None));
        assert_eq!((pending.evicted(), pending.sources.len()), (1, 0));
    }

    /// A flood from ever new sources leaves nothing behind once there is no room.
    #[test]
    fn a_source_without_room_is_not_remembered() {
        let mut pending = Pending::new(Duration::from_millis(500));
        pending.limit(100);
        for n in 0..1_000 {
            pending.push(host(n), n, at(0));
        }
        assert_eq!((pending.len(), pending.sources.len()), (100, 100));
        assert_eq!(pending.evicted(), 900);
    }
}
