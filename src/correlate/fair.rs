//! Bounded memory of recent things, of which no source may have more than its share.

use std::collections::VecDeque;
use std::hash::Hash;
use std::time::Duration;

use super::window::Recent;
use crate::correlate::Map;
use crate::net::Addr;
use crate::time::Timestamp;

/// Part of all entries that one source may have, if nothing else is said: one in this many.
const SHARE: usize = 16;

/// [`Recent`], bounded by source first: who has its share gives up its own oldest for each new one, and takes nothing from
/// others. Constant time each, amortised: a key is queued once an insertion or renewal and taken out once.
#[derive(Debug)]
pub(super) struct Fair<K, V> {
    all: Recent<K, (Addr, V)>,
    own: Map<Addr, Own<K>>,
    /// One source may have one in so many.
    parts: usize,
    gave_way: u64,
}

/// Keys of one source.
#[derive(Debug)]
struct Own<K> {
    /// Those that live.
    live: usize,
    /// Oldest first, with the number of the insertion; one that is not the entry's is stale and passed over.
    order: VecDeque<(u64, K)>,
}

impl<K: Eq + Hash + Clone, V> Fair<K, V> {
    pub(super) fn new(most: usize, keep: Duration) -> Self {
        Self {
            all: Recent::new(most, keep),
            own: Map::default(),
            parts: SHARE,
            gave_way: 0,
        }
    }

    /// One source may have one in `parts` of all entries.
    pub(super) fn shared_by(mut self, parts: usize) -> Self {
        self.parts = parts;
        self
    }

    /// Holds at most so many from now on; to be said before anything is in.
    pub(super) fn limit(&mut self, most: usize) {
        self.all.limit(most);
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.all.get(key).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.all.get_mut(key).map(|(_, value)| value)
    }

    /// Puts it in on the account of `source`; an older one with that key is replaced. Returns what had to go for it.
    pub(super) fn insert(
        &mut self,
        source: Addr,
        key: K,
        value: V,
        now: Timestamp,
    ) -> Option<(K, V)> {
        self.forget(now);
        self.remove(&key);
        let share = (self.all.most() / self.parts).max(1);
        let full = self.own.get(&source).is_some_and(|own| own.live >= share);
        let mut gone = None;
        if full && let Some(oldest) = self.oldest_of(source) {
            gone = self.remove(&oldest).map(|value| (oldest, value));
            self.gave_way += 1;
        }
        if let Some((old, (other, value))) = self.all.insert(key.clone(), (source, value), now) {
            self.settle(other);
            gone = Some((old, value));
        }
        self.queue(source, key, 1);
        gone
    }

    /// Makes it the newest, if it is there.
    pub(super) fn renew(&mut self, key: &K, now: Timestamp) {
        if let Some((source, _)) = self.all.get(key) {
            let source = *source;
            self.all.renew(key, now);
            self.queue(source, key.clone(), 0);
        }
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let (source, value) = self.all.remove(key)?;
        self.settle(source);
        Some(value)
    }

    /// Forgets what is too old.
    pub(super) fn forget(&mut self, now: Timestamp) {
        while let Some((_, (source, _))) = self.all.pop_old(now) {
            self.settle(source);
        }
    }

    /// Everything, in the order in which it was renewed, with that time.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V, Timestamp)> {
        self.all
            .iter()
            .map(|(key, (_, value), at)| (key, value, at))
    }

    /// Entries that had to go for another source's although they were not old.
    pub(super) fn evicted(&self) -> u64 {
        self.all.evicted()
    }

    /// Entries that gave way to newer ones of their source.
    pub(super) fn gave_way(&self) -> u64 {
        self.gave_way
    }

    /// Both.
    pub(super) fn lost(&self) -> u64 {
        self.evicted() + self.gave_way
    }

    /// Puts a key at the end of its source's queue; `more` live ones than before.
    fn queue(&mut self, source: Addr, key: K, more: usize) {
        let Some(serial) = self.all.serial(&key) else {
            return;
        };
        let own = self.own.entry(source).or_insert_with(|| Own {
            live: 0,
            order: VecDeque::with_capacity(1),
        });
        own.live += more;
        own.order.push_back((serial, key));
        own.sweep(&self.all);
    }

    fn oldest_of(&mut self, source: Addr) -> Option<K> {
        let own = self.own.get_mut(&source)?;
        while let Some((serial, key)) = own.order.pop_front() {
            if self.all.serial(&key) == Some(serial) {
                return Some(key);
            }
        }
        None
    }

    /// One of a source's is gone.
    fn settle(&mut self, source: Addr) {
        let Some(own) = self.own.get_mut(&source) else {
            return;
        };
        own.live = own.live.saturating_sub(1);
        if own.live == 0 {
            self.own.remove(&source);
        } else {
            own.sweep(&self.all);
        }
    }
}

impl<K: Eq + Hash + Clone> Own<K> {
    /// What is gone or was renewed leaves keys behind; they go before they outnumber the rest.
    fn sweep<V>(&mut self, all: &Recent<K, V>) {
        if self.order.len() > 8 + 2 * self.live {
            self.order
                .retain(|(serial, key)| all.serial(key) == Some(*serial));
            self.order.shrink_to(2 * self.order.len());
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::correlate) fn at(ms: u64) -> Timestamp {
        Timestamp(ms * 1_000_000)
    }

    pub(in crate::correlate) fn host(n: u32) -> Addr {
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
        assert_eq!((fair.evicted(), fair.gave_way()), (0, 4_990));
        assert_eq!(fair.all.len(), 11);
        // Many sources reach the bound of all, and the oldest goes.
        for n in 0..1_000_u32 {
            fair.insert(host(n), 10_000 + n, "many", at(6_000));
        }
        assert_eq!((fair.get(&0), fair.all.len()), (None, 160));
        assert_eq!(fair.evicted(), 851);
        // What is old is no account of anybody's.
        fair.insert(quiet, 1, "late", at(200_000));
        assert_eq!((fair.all.len(), fair.own.len()), (1, 1));
    }

    /// What was renewed is not its source's oldest, and what was taken out is on nobody's account.
    #[test]
    fn renewing_and_removing_count() {
        let mut fair = Fair::new(48, Duration::from_secs(60));
        let source = host(1);
        for n in 0..3 {
            assert!(fair.insert(source, n, (), at(0)).is_none());
        }
        fair.renew(&0, at(1));
        assert_eq!(fair.insert(source, 3, (), at(1)), Some((1, ())));
        fair.remove(&2);
        assert!(fair.insert(source, 4, (), at(1)).is_none());
        assert!(fair.insert(host(2), 5, (), at(1)).is_none());
        assert_eq!((fair.gave_way(), fair.all.len()), (1, 4));
        for n in 0..10_000 {
            fair.insert(source, n % 3, (), at(2));
            fair.renew(&(n % 3), at(2));
        }
        let own = &fair.own[&source];
        assert!(own.order.len() <= 16, "{own:?}");
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
            let all = fair.own.values().map(|own| &own.order);
            all.fold((0, 0), |(n, room), own| {
                (n + own.len(), room + own.capacity())
            })
        };
        assert_eq!(fair.all.len(), 1_600);
        let (keys, room) = queued(&fair);
        assert!(keys <= 2 * 1_600 + 8 * 16, "{keys}");
        assert!(room <= 4 * 1_600, "{room}");
        // All of them old, and one source goes on.
        fair.insert(host(999), (0, 0), (), at(61_500));
        let (keys, _) = queued(&fair);
        assert_eq!((keys, fair.all.len()), (1, 1));
    }
}
