//! Which addresses own a name.

use std::time::Duration;

use crate::correlate::window::Recent;
use crate::event::{Claim, NameRecord, Source};
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;

/// Who owns a name, as one address sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The address itself.
    Itself(Source),
    /// Another one, and not this one.
    Other(Addr, Source),
    /// Nobody is known to.
    Unknown,
}

/// One address's claim to a name.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) addr: Addr,
    /// The name in full, if it was heard so.
    pub(super) name: String,
    pub(super) source: Source,
    pub(super) first: Timestamp,
    last: Timestamp,
    pub(super) until: Timestamp,
    /// Somebody else said the same while it was not settled, or it is somebody else's.
    pub(super) contested: bool,
    /// It was told that it owns the name, or that it does not.
    pub(super) told: Option<bool>,
    /// When it will be looked at again.
    pub(super) due: Option<Timestamp>,
}

impl Held {
    pub(super) fn lives(&self, now: Timestamp) -> bool {
        self.until > now
    }

    fn settled(&self, now: Timestamp) -> bool {
        now.since(self.first) >= Duration::from_secs(limits::SETTLE_SECS)
    }

    /// It counts as ownership.
    pub(super) fn owns(&self, now: Timestamp) -> bool {
        self.lives(now)
            && !self.contested
            && (self.source.weight() > Source::Ntlm.weight() || self.settled(now))
    }

    /// When that may change by itself.
    pub(super) fn next(&self, now: Timestamp) -> Timestamp {
        let settles = self.first.plus(Duration::from_secs(limits::SETTLE_SECS));
        if settles > now && self.until > settles {
            settles
        } else {
            self.until
        }
    }
}

/// Claims by the host part of a name.
#[derive(Debug)]
pub(super) struct Names {
    held: Recent<String, Vec<Held>>,
    keep: Duration,
}

impl Names {
    pub(super) fn new(keep: Duration) -> Self {
        Self {
            held: Recent::new(limits::NAMED_ADDRESSES, keep),
            keep,
        }
    }

    /// Holds at most so many names.
    pub(super) fn limit(&mut self, most: usize) {
        self.held.limit(most);
    }

    /// Other addresses that hold the name by evidence better than NTLM, if `addr` does.
    pub(super) fn sharers(&self, name: &str, addr: Addr) -> Vec<Addr> {
        let strong = || self.all(name).filter(|h| h.source > Source::Smb);
        if strong().any(|h| h.addr == addr) {
            strong().map(|h| h.addr).filter(|a| *a != addr).collect()
        } else {
            Vec::new()
        }
    }

    /// `addr` is said to be `name`.
    pub(super) fn claim(&mut self, addr: Addr, name: &str, claim: &Claim, now: Timestamp) {
        let key = host_part(name);
        if key.is_empty() || name.parse::<std::net::IpAddr>().is_ok() {
            return;
        }
        let until = match claim.ttl {
            0 => now.plus(self.keep),
            ttl => now.plus(Duration::from_secs(u64::from(ttl.max(limits::NAME_SECS)))),
        };
        let mut new = Held {
            addr,
            name: name.to_owned(),
            source: claim.source,
            first: now,
            last: now,
            until,
            contested: false,
            told: None,
            due: None,
        };
        let Some(all) = self.held.get_mut(&key) else {
            self.held.insert(key, vec![new], now);
            return;
        };
        all.retain(|h| h.lives(now));
        let own = |h: &Held| h.addr == addr && same_name(&h.name, name);
        if let Some(mine) = all.iter_mut().find(|h| own(h)) {
            mine.last = now;
            mine.until = mine.until.max(until);
            mine.source = mine.source.max(claim.source);
            if name.len() > mine.name.len() {
                name.clone_into(&mut mine.name);
            }
            new = mine.clone();
        } else if all.len() < limits::NAMES_PER_ADDRESS {
            all.push(new.clone());
        } else {
            // Full: the weakest and newest gives way, never the one that was there first.
            let weakest = all
                .iter_mut()
                .max_by_key(|h| (std::cmp::Reverse(h.source.weight()), h.first));
            match weakest {
                Some(w) if w.source.weight() < new.source.weight() => *w = new.clone(),
                _ => return,
            }
        }
        settle(all, &new, now);
        self.held.renew(&key, now);
    }

    /// What was said of the address with a lease, or by itself, holds no longer.
    pub(super) fn release(&mut self, addr: Addr, name: &str) {
        if let Some(all) = self.held.get_mut(&host_part(name)) {
            all.retain(|h| {
                h.addr != addr || !same_name(&h.name, name) || !super::host::temporary(h.source)
            });
        }
    }

    pub(super) fn owner(&self, addr: Addr, name: &str, now: Timestamp) -> Owner {
        let mut other: Option<&Held> = None;
        for held in self.all(name).filter(|h| h.owns(now)) {
            if held.addr == addr {
                return Owner::Itself(held.source);
            }
            let better =
                |o: &Held| (held.source.weight(), o.first) > (o.source.weight(), held.first);
            if other.is_none_or(better) {
                other = Some(held);
            }
        }
        other.map_or(Owner::Unknown, |h| Owner::Other(h.addr, h.source))
    }

    /// Owners in order of their addresses.
    pub(super) fn addresses(&self, name: &str, now: Timestamp) -> Vec<Addr> {
        let mut all: Vec<Addr> = self
            .all(name)
            .filter(|h| h.owns(now))
            .map(|h| h.addr)
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Both hold the name by evidence better than NTLM.
    pub(super) fn shared(&self, name: &str, a: Addr, b: Addr) -> bool {
        let holds = |addr| {
            self.all(name)
                .any(|h| h.addr == addr && h.source > Source::Smb && !h.contested)
        };
        holds(a) && holds(b)
    }

    pub(super) fn evicted(&self) -> u64 {
        self.held.evicted()
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &Held> {
        self.held
            .get(&host_part(name))
            .into_iter()
            .flatten()
            .filter(move |h| same_name(&h.name, name))
    }

    /// The address's own claim.
    pub(super) fn held(&mut self, addr: Addr, name: &str) -> Option<&mut Held> {
        let all = self.held.get_mut(&host_part(name))?;
        all.iter_mut()
            .find(|h| h.addr == addr && same_name(&h.name, name))
    }

    /// For the store: everything but what the operator declared, which may have changed by then.
    pub(super) fn records(&self) -> impl Iterator<Item = NameRecord> {
        let all = self.held.iter().flat_map(|(_, all, _)| all);
        all.filter(|h| h.source != Source::Declared)
            .map(|h| NameRecord {
                addr: h.addr,
                name: h.name.clone(),
                source: h.source,
                first: h.first,
                last: h.last,
                until: h.until,
                contested: h.contested,
            })
    }

    /// From the store.
    pub(super) fn restore(&mut self, record: &NameRecord) {
        let key = host_part(&record.name);
        let held = Held {
            addr: record.addr,
            name: record.name.clone(),
            source: record.source,
            first: record.first,
            last: record.last,
            until: record.until,
            contested: record.contested,
            told: Some(!record.contested),
            due: Some(record.until),
        };
        match self.held.get_mut(&key) {
            Some(all) => {
                let there = |h: &Held| h.addr == held.addr && same_name(&h.name, &held.name);
                if all.len() < limits::NAMES_PER_ADDRESS && !all.iter().any(there) {
                    all.push(held);
                }
            }
            None => {
                self.held.insert(key, vec![held], record.last);
            }
        }
    }
}

/// A new or renewed claim meets those of other addresses.
///
/// - A stronger one displaces weaker ones, whatever it is.
/// - An NTLM claim beside anybody else's is contested, unless it was settled first.
/// - A lease, or a ticket that was accepted, is no proof against DNS, a ticket or a lease that is there
///   already: who relays can have both. DNS may give one name to several addresses.
fn settle(all: &mut [Held], new: &Held, now: Timestamp) {
    let rivals = |h: &Held| h.addr != new.addr && same_name(&h.name, &new.name);
    let strongest = all.iter().filter(|h| rivals(h)).map(|h| h.source).max();
    let Some(strongest) = strongest else {
        return;
    };
    if new.source.weight() == Source::Ntlm.weight() {
        let earlier = all
            .iter()
            .filter(|h| rivals(h))
            .any(|h| h.first <= new.first);
        for h in all.iter_mut() {
            let me = h.addr == new.addr && same_name(&h.name, &new.name);
            let settled = h.settled(new.last) && !h.contested;
            if me {
                h.contested |= earlier || strongest > Source::Ntlm;
            } else if rivals(h) && h.source.weight() == Source::Ntlm.weight() && !settled {
                h.contested = true;
            }
        }
        return;
    }
    let earlier = |h: &Held| {
        let beats = match new.source {
            Source::Kerberos | Source::Dhcp => h.source.weight() >= new.source.weight(),
            _ => h.source.weight() > new.source.weight(),
        };
        rivals(h) && beats && h.owns(now)
    };
    let contested = all
        .iter()
        .any(|h| earlier(h) && (h.first <= new.first || h.source.weight() > new.source.weight()));
    for h in all.iter_mut() {
        if h.addr == new.addr && same_name(&h.name, &new.name) {
            h.contested = contested;
        } else if rivals(h) && h.source.weight() < new.source.weight() && !contested {
            h.contested = true;
        }
    }
}

/// The first label, lower case: what NetBIOS and DNS names have in common.
fn host_part(name: &str) -> String {
    name.split('.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase()
}

/// Whole names are equal, or one is short and equals the other's host part.
pub(super) fn same_name(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
        || ((!a.contains('.') || !b.contains('.')) && host_part(a) == host_part(b))
}
