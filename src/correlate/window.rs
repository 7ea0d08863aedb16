//! Bounded memory of recent things.

use std::collections::VecDeque;
use std::hash::Hash;
use std::time::Duration;

use crate::correlate::Map;
use crate::time::Timestamp;

/// A map that forgets: what is older than `keep`, and the oldest when there are more than `most`.
///
/// Nothing ever iterates it in hash order, so its seed cannot reach the output.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    map: Map<K, (u64, V)>,
    /// Keys by when they were last renewed; a key whose serial number is not the map's is stale.
    order: VecDeque<(u64, Timestamp, K)>,
    /// Serial number of the last insertion. The time cannot tell: a capture may stand still.
    serial: u64,
    most: usize,
    keep: Duration,
    evicted: u64,
}

impl<K: Eq + Hash + Clone, V> Recent<K, V> {
    pub(super) fn new(most: usize, keep: Duration) -> Self {
        Self {
            map: Map::default(),
            order: VecDeque::new(),
            serial: 0,
            most,
            keep,
            evicted: 0,
        }
    }

    /// Holds at most so many from now on; to be said before anything is in.
    pub(super) fn limit(&mut self, most: usize) {
        self.most = most;
    }

    /// Puts `value` in; an older one is replaced. Returns what had to go for it.
    pub(super) fn insert(&mut self, key: K, value: V, now: Timestamp) -> Option<(K, V)> {
        self.forget(now);
        let gone = if self.map.len() >= self.most && !self.map.contains_key(&key) {
            self.evicted += 1;
            self.pop_oldest()
        } else {
            None
        };
        self.serial += 1;
        self.map.insert(key.clone(), (self.serial, value));
        self.order.push_back((self.serial, now, key));
        self.sweep();
        gone
    }

    /// Renewed keys leave stale entries behind; they go before they outnumber the live ones.
    fn sweep(&mut self) {
        if self.order.len() > 64 + 2 * self.map.len() {
            let map = &self.map;
            self.order
                .retain(|(n, _, key)| map.get(key).is_some_and(|(m, _)| m == n));
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.map.get(key).map(|(_, v)| v)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.map.get_mut(key).map(|(_, v)| v)
    }

    /// Makes it the newest, if it is there.
    pub(super) fn renew(&mut self, key: &K, now: Timestamp) {
        if let Some(entry) = self.map.get_mut(key) {
            self.serial += 1;
            entry.0 = self.serial;
            self.order.push_back((self.serial, now, key.clone()));
            self.sweep();
        }
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        self.map.remove(key).map(|(_, v)| v)
    }

    /// Forgets what is too old.
    pub(super) fn forget(&mut self, now: Timestamp) {
        while self.pop_old(now).is_some() {}
    }

    /// Takes out the oldest, if it is too old.
    pub(super) fn pop_old(&mut self, now: Timestamp) -> Option<(K, V)> {
        while let Some((serial, at, key)) = self.order.front() {
            let stale = self.map.get(key).is_none_or(|(n, _)| n != serial);
            if !stale && now.since(*at) <= self.keep {
                return None;
            }
            let (.., key) = self.order.pop_front()?;
            if !stale {
                return self.map.remove(&key).map(|(_, value)| (key, value));
            }
        }
        None
    }

    /// Number of the insertion or renewal that an entry is of.
    pub(super) fn serial(&self, key: &K) -> Option<u64> {
        self.map.get(key).map(|(serial, _)| *serial)
    }

    /// Entries at most.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// True if there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Everything, in the order in which it was renewed, with that time.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V, Timestamp)> {
        self.order.iter().filter_map(|(serial, at, key)| {
            let (newest, value) = self.map.get(key)?;
            (newest == serial).then_some((key, value, *at))
        })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    /// Entries forgotten because there were too many.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    fn pop_oldest(&mut self) -> Option<(K, V)> {
        while let Some((serial, _, key)) = self.order.pop_front() {
            if self.map.get(&key).is_some_and(|(n, _)| *n == serial)
                && let Some((_, value)) = self.map.remove(&key)
            {
                return Some((key, value));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::new(secs, 0)
    }

    #[test]
    fn forgets_the_old_and_the_oldest() {
        let mut r = Recent::new(2, Duration::from_secs(10));
        assert!(r.insert("a", 1, at(0)).is_none());
        assert!(r.insert("b", 2, at(1)).is_none());
        assert!(r.insert("a", 3, at(2)).is_none(), "renewed, not added");
        assert_eq!(r.insert("c", 4, at(3)), Some(("b", 2)));
        assert_eq!(r.evicted(), 1);
        r.forget(at(12));
        assert_eq!(r.get(&"a"), Some(&3), "renewed at 2, kept until 12");
        r.forget(at(13));
        assert_eq!((r.get(&"a"), r.get(&"c")), (None, Some(&4)));
    }

    #[test]
    fn renewing_for_ever_does_not_grow_it() {
        let mut r = Recent::new(4, Duration::from_secs(1_000_000));
        for n in 0..10_000 {
            r.insert(n % 3, n, at(n));
        }
        assert!(r.order.len() <= 80, "{}", r.order.len());
    }

    /// After one frame from the future, time is clamped and stands still.
    #[test]
    fn renewing_while_time_stands_still_does_not_grow_it() {
        let mut r = Recent::new(4, Duration::from_secs(1));
        for n in 0..10_000 {
            r.remove(&(n % 3));
            r.insert(n % 3, n, at(7));
        }
        assert!(r.order.len() <= 80, "{}", r.order.len());
    }
}
