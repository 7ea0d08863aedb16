//! Changes to tell, within a rate.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::correlate::bounds::{Bounds, Kind};
use crate::correlate::window::Recent;
use crate::event::IdentityChange;
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;

/// What changed and was not handed over yet, and what to look at again.
#[derive(Debug)]
pub(super) struct Changes {
    waiting: Vec<IdentityChange>,
    /// When time alone may change a claim: about one entry a claim.
    due: BTreeSet<(Timestamp, Addr, String)>,
    /// Entries of `due` at most.
    most: usize,
    /// Changes of an address within its minute.
    told: Recent<Addr, (Timestamp, u32)>,
    /// All changes of this minute.
    minute: (Timestamp, u32),
    suppressed: u64,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            waiting: Vec::new(),
            due: BTreeSet::new(),
            most: limits::NAMED_ADDRESSES,
            told: Recent::new(limits::LEASES_ASKED, MINUTE),
            minute: (Timestamp::ZERO, 0),
            suppressed: 0,
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);

impl Changes {
    /// Looks again at no more claims than `names`.
    pub(super) fn limit(&mut self, names: usize, bounds: &Bounds) {
        self.most = names;
        self.told.limit(bounds.most(Kind::Told));
    }

    /// Tells it, if there is room; else it is counted in the next one that is told.
    pub(super) fn tell(&mut self, mut change: IdentityChange) {
        let now = change.ts;
        self.told.forget(now);
        let (since, n) = match self.told.get(&change.address) {
            Some((since, n)) if now.since(*since) < MINUTE => (*since, *n),
            _ => (now, 0),
        };
        if now.since(self.minute.0) >= MINUTE {
            self.minute = (now, 0);
        }
        if n >= limits::CHANGES_PER_ADDRESS || self.minute.1 >= limits::CHANGES_PER_MINUTE {
            self.suppressed += 1;
            return;
        }
        self.told.insert(change.address, (since, n + 1), now);
        self.minute.1 += 1;
        change.suppressed = std::mem::take(&mut self.suppressed);
        self.waiting.push(change);
    }

    /// The claim of `addr` to `name` may change at that time.
    pub(super) fn look_again(&mut self, at: Timestamp, addr: Addr, name: &str) {
        // Beyond the limit expiry and settling are not told; ownership itself never rests on this.
        if self.due.len() < self.most {
            self.due.insert((at, addr, name.to_owned()));
        }
    }

    /// The next claim to look at, if its time has come.
    pub(super) fn due(&mut self, now: Timestamp) -> Option<(Addr, String)> {
        if self.due.first()?.0 > now {
            return None;
        }
        let (_, addr, name) = self.due.pop_first()?;
        Some((addr, name))
    }

    pub(super) fn drain(&mut self) -> std::vec::Drain<'_, IdentityChange> {
        self.waiting.drain(..)
    }
}
