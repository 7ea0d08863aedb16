//! What was told, so that it is not told again.

use std::hash::{BuildHasher, Hash};
use std::time::Duration;

use super::bounds::{Bounds, Kind};
use super::fair::Fair;
use super::pattern::Evicted;
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;

/// Part of all that one host may have: one in this many. More than elsewhere, because who attacks is told of often.
const SHARE: usize = 4;

/// What was told, on the account of the host that made it be told. What had to go is told again if it comes again.
///
/// Keys are kept as hashes under this process's own seed: two that fall together by chance cost one of them its
/// telling, once in 2^64, and nobody can choose them.
#[derive(Debug)]
pub(super) struct Told {
    keys: Fair<u64, ()>,
    seed: foldhash::quality::RandomState,
}

impl Told {
    /// Remembers for so long.
    pub(super) fn new(keep: Duration) -> Self {
        Self {
            keys: Fair::new(limits::PENDING_FINDINGS, keep).shared_by(SHARE),
            seed: foldhash::quality::RandomState::default(),
        }
    }

    /// How much it may hold.
    pub(super) fn limit(&mut self, bounds: &Bounds) {
        self.keys.limit(bounds.most(Kind::Told));
    }

    /// True if it was not told before; from now on it was.
    pub(super) fn first(&mut self, source: Addr, key: impl Hash, now: Timestamp) -> bool {
        let key = self.seed.hash_one(key);
        self.keys.forget(now);
        let first = self.keys.get(&key).is_none();
        if first {
            self.keys.insert(source, key, (), now);
        }
        first
    }

    /// What was forgotten because a limit was met.
    pub(super) fn evicted(&self) -> Evicted {
        Evicted {
            known: self.keys.evicted(),
            own: self.keys.gave_way(),
            ..Evicted::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fair::tests::{at, host};

    /// A host that makes everything be told forgets its own; what was told of another stays told, for its time.
    #[test]
    fn each_is_told_once_whatever_others_do() {
        let mut told = Told::new(Duration::from_secs(60));
        told.limit(&Bounds::of(1 << 20));
        assert!(told.first(host(1), 0, at(0)));
        for n in 1..10_000 {
            assert!(told.first(host(2), n, at(1)));
        }
        assert!(!told.first(host(1), 0, at(2)));
        assert!(!told.first(host(2), 9_999, at(2)));
        assert!(told.first(host(2), 1, at(2)), "gave way");
        assert!(told.first(host(1), 0, at(60_001)), "too long ago");
        let Evicted { known, own, .. } = told.evicted();
        assert_eq!(known, 0);
        assert!(own > 9_000, "{own}");
    }
}
