//! Bounded memory of recent things.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use crate::time::Timestamp;

/// A map that forgets: what is older than `keep`, and the oldest when there are more than `most`.
///
/// Nothing ever iterates it in hash order, so its seed cannot reach the output.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    map: HashMap<K, (Timestamp, V)>,
    /// Keys by the time they were last renewed; a key whose time is not the map's is stale.
    order: VecDeque<(Timestamp, K)>,
    most: usize,
    keep: Duration,
    evicted: u64,
}

impl<K: Eq + Hash + Clone, V> Recent<K, V> {
    pub(super) fn new(most: usize, keep: Duration) -> Self {
        Self {
            map: HashMap::new(),
            order: VecDeque::new(),
            most,
            keep,
            evicted: 0,
        }
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
        self.map.insert(key.clone(), (now, value));
        self.order.push_back((now, key));
        // Renewed keys leave stale entries behind; sweep before they outnumber the live ones.
        if self.order.len() > 64 + 2 * self.map.len() {
            let map = &self.map;
            self.order
                .retain(|(at, key)| map.get(key).is_some_and(|(t, _)| t == at));
        }
        gone
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.map.get(key).map(|(_, v)| v)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.map.get_mut(key).map(|(_, v)| v)
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        self.map.remove(key).map(|(_, v)| v)
    }

    /// Forgets what is too old.
    pub(super) fn forget(&mut self, now: Timestamp) {
        while let Some((at, key)) = self.order.front() {
            let stale = self.map.get(key).is_none_or(|(t, _)| t != at);
            if !stale && now.since(*at) <= self.keep {
                break;
            }
            if let Some((_, key)) = self.order.pop_front()
                && !stale
            {
                self.map.remove(&key);
            }
        }
    }

    /// Entries forgotten because there were too many.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    fn pop_oldest(&mut self) -> Option<(K, V)> {
        while let Some((at, key)) = self.order.pop_front() {
            if self.map.get(&key).is_some_and(|(t, _)| *t == at)
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
}
