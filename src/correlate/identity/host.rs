//! What an address has shown of itself, believed or not.

use super::names::same_name;
use crate::event::{HostRecord, HostRoles, Services, Source};
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;
use crate::wire::Guid;

/// One address.
#[derive(Clone, Debug, Default)]
pub(super) struct Host {
    shown: Vec<Shown>,
    /// What it was seen to answer for.
    pub(super) services: Services,
    pub(super) guid: Option<Guid>,
    /// Addresses it says it has.
    pub(super) interfaces: Vec<Addr>,
    /// Whom the address is leased to.
    pub(super) client: Option<u64>,
}

/// What became of a name that was heard.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is kept.
    Kept,
    /// It is kept, and this one had to go for it.
    InsteadOf(String),
    /// There was no room.
    NoRoom,
}

/// A name it was heard under.
#[derive(Clone, Debug)]
struct Shown {
    name: String,
    source: Source,
    /// As a server.
    server: bool,
    /// As a client.
    client: bool,
}

impl Host {
    /// It was heard under `name`. When the list is full, the weakest source that is not stronger gives way:
    /// a host that claims thousands of names pushes out its own only.
    pub(super) fn said(&mut self, name: &str, source: Source, server: bool) -> Heard {
        if let Some(known) = self.shown.iter_mut().find(|s| s.name == name) {
            known.source = known.source.max(source);
            known.server |= server;
            known.client |= !server;
            return Heard::Kept;
        }
        let new = Shown {
            name: name.to_owned(),
            source,
            server,
            client: !server,
        };
        if self.shown.len() < limits::NAMES_PER_ADDRESS {
            self.shown.push(new);
            return Heard::Kept;
        }
        let weakest = self.shown.iter_mut().min_by_key(|s| s.source);
        match weakest.filter(|w| w.source < source) {
            Some(weakest) => Heard::InsteadOf(std::mem::replace(weakest, new).name),
            None => Heard::NoRoom,
        }
    }

    /// Another host has the address now: forgets what the one before showed, but for what does not come
    /// with a lease. Returns the names it was heard under.
    pub(super) fn leave(&mut self) -> Vec<String> {
        let (stays, gone) = std::mem::take(&mut self.shown)
            .into_iter()
            .partition(|s| !temporary(s.source));
        self.shown = stays;
        self.guid = None;
        self.interfaces.clear();
        self.services = Services::default();
        let gone: Vec<Shown> = gone;
        gone.into_iter().map(|s| s.name).collect()
    }

    /// Everything it is.
    pub(super) fn roles(&self) -> HostRoles {
        self.services.roles()
    }

    /// True if both called themselves something as servers, and nothing the same.
    pub(super) fn differs(&self, other: &Self) -> bool {
        let own = |h: &Self| -> Vec<String> {
            let own = h
                .shown
                .iter()
                .filter(|s| s.server && s.source == Source::Ntlm);
            own.map(|s| s.name.clone()).collect()
        };
        let (mine, theirs) = (own(self), own(other));
        !mine.is_empty()
            && !theirs.is_empty()
            && !mine.iter().any(|m| theirs.iter().any(|t| same_name(m, t)))
    }

    /// For the store.
    pub(super) fn record(&self, addr: Addr, last: Timestamp) -> HostRecord {
        let shown = self.shown.iter().filter(|s| s.source != Source::Declared);
        HostRecord {
            addr,
            shown: shown
                .map(|s| (s.name.clone(), s.source, s.server, s.client))
                .collect(),
            services: self.services.0,
            guid: self.guid.map(|g| ((g.0 >> 64) as u64, g.0 as u64)),
            client: self.client,
            last,
        }
    }

    /// Lays what the store has over what is declared.
    pub(super) fn restore(&mut self, record: &HostRecord) {
        for (name, source, server, client) in &record.shown {
            if *source != Source::Declared {
                for (part, is) in [(true, server), (false, client)] {
                    if *is {
                        self.said(name, *source, part);
                    }
                }
            }
        }
        self.services = self.services.with(Services(record.services));
        let whole = |(high, low): (u64, u64)| Guid(u128::from(high) << 64 | u128::from(low));
        self.guid = record.guid.map(whole);
        self.client = record.client;
    }

    /// True if it was heard under `name` in that part.
    pub(super) fn shown(&self, name: &str, server: bool) -> bool {
        self.shown
            .iter()
            .any(|s| (if server { s.server } else { s.client }) && same_name(&s.name, name))
    }

    /// Names it was heard under, longest first so that full names come before short ones.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let mut all: Vec<&str> = self.shown.iter().map(|s| s.name.as_str()).collect();
        all.sort_unstable_by_key(|n| (std::cmp::Reverse(n.len()), *n));
        all.into_iter()
    }
}

/// Evidence that ends when the address is leased to another host. What DNS, Kerberos and the operator say
/// does not: a forged lease must not make the sensor forget who a server is.
pub(super) fn temporary(source: Source) -> bool {
    matches!(
        source,
        Source::Said | Source::Ntlm | Source::Smb | Source::Dhcp
    )
}
