//! Bounded memory of recent things, of which no source may have more than its share.

use std::collections::VecDeque;
use std::hash::Hash;
use std::time::Duration;

use super::window::Recent;
use crate::net::Addr;
use crate::time::Timestamp;

/// Part of all entries that one source may have: one in this many.
const SHARE: usize = 16;

/// [`Recent`], bounded by source first: who has its share gives up its own oldest for each new one, and takes nothing from
/// others. Constant time each, amortised: a key is queued once and taken out once.
#[derive(Debug)]
pub(super) struct Fair<K, V> {
    all: Recent<K, (Addr, V)>,
    /// Keys of each source, oldest first. Those that are gone from `all` are in front, and there only for age: what
    /// goes for want of room leaves its queue as well, so there are never more than twice as many as entries.
    own: Recent<Addr, VecDeque<K>>,
    share: usize,
    evicted: u64,
}

impl<K: Eq + Hash + Clone, V> Fair<K, V> {
    pub(super) fn new(most: usize, keep: Duration) -> Self {
        Self {
            all: Recent::new(most, keep),
            own: Recent::new(most, keep),
            share: (most / SHARE).max(1),
            evicted: 0,
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.all.get(key).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.all.get_mut(key).map(|(_, value)| value)
    }

    /// Puts what is not there yet in, on the account of `source`.
    pub(super) fn insert(&mut self, source: Addr, key: K, value: V, now: Timestamp) {
        self.all.forget(now);
        self.settle(source);
        let mut own = self.own.remove(&source).unwrap_or_default();
        if own.len() >= self.share
            && let Some(oldest) = own.pop_front()
        {
            self.all.remove(&oldest);
            self.evicted += 1;
        }
        own.push_back(key.clone());
        self.own.insert(source, own, now);
        if let Some((_, (other, _))) = self.all.insert(key, (source, value), now) {
            self.settle(other);
        }
    }

    /// Takes what is gone out of a source's queue, and gives back the room.
    fn settle(&mut self, source: Addr) {
        let Some(own) = self.own.get_mut(&source) else {
            return;
        };
        while own.front().is_some_and(|k| self.all.get(k).is_none()) {
            own.pop_front();
        }
        if own.is_empty() {
            self.own.remove(&source);
        } else if own.capacity() > 4 * own.len().max(16) {
            own.shrink_to(2 * own.len());
        }
    }

    /// Entries that had to go although they were not old.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted + self.all.evicted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp(ms * 1_000_000)
    }

    fn host(n: u32) -> Addr {
        let [_, b, c, d] = n.to_be_bytes();
        Addr::v4([11, b, c, d])
    }

    #[test]
    fn a_source_pays_for_itself_first() {
        let mut fair = Fair::new(160, Duration::from_secs(60));
        let (quiet, loud) = (Addr::v4([10, 0, 0, 1]), Addr::v4([10, 0, 0, 2]));
        fair.insert(quiet, 0, "quiet", at(0));
        for n in 1..=5_000 {
            fair.insert(loud, n, "loud", at(u64::from(n)));
        }
        assert_eq!(fair.get(&0), Some(&"quiet"));
        assert_eq!((fair.get(&4_990), fair.get(&4_991)), (None, Some(&"loud")));
        assert_eq!(fair.evicted(), 4_990);
        assert_eq!(fair.all.len(), 11);
        // Many sources reach the bound of all, and the oldest goes.
        for n in 0..1_000_u32 {
            fair.insert(host(n), 10_000 + n, "many", at(6_000));
        }
        assert_eq!((fair.get(&0), fair.all.len()), (None, 160));
        // What is old is no account of anybody's.
        fair.insert(quiet, 1, "late", at(200_000));
        assert_eq!((fair.all.len(), fair.own.len()), (1, 1));
    }

    /// Source after source fills its share; what went from the map must not stay in the queues.
    #[test]
    fn queues_are_bounded_like_the_entries() {
        let mut fair = Fair::new(1_600, Duration::from_secs(60));
        for n in 0..1_000 {
            for key in 0..100 {
                fair.insert(host(n), (n, key), (), at(u64::from(n)));
            }
        }
        let queued = |fair: &Fair<(u32, u32), ()>| {
            let all = fair
                .own
                .iter()
                .map(|(_, own, _)| (own.len(), own.capacity()));
            all.fold((0, 0), |(n, room), (len, cap)| (n + len, room + cap))
        };
        assert_eq!(fair.all.len(), 1_600);
        let (keys, room) = queued(&fair);
        assert_eq!(keys, 1_600);
        assert!(room <= 4 * 1_600, "{room}");
        // All of them old, and one source goes on.
        fair.insert(host(999), (0, 0), (), at(61_500));
        let (keys, _) = queued(&fair);
        assert_eq!((keys, fair.all.len()), (1, 1));
    }
}
