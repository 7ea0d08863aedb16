//! What an address has shown of itself, believed or not.

use super::names::same_name;
use crate::event::{HostRoles, Source};
use crate::limits;
use crate::wire::Guid;

/// One address.
#[derive(Clone, Debug, Default)]
pub(super) struct Host {
    shown: Vec<Shown>,
    pub(super) roles: HostRoles,
    pub(super) guid: Option<Guid>,
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
    /// It was heard under `name`. When the list is full, the weakest source that is not stronger gives way.
    pub(super) fn said(&mut self, name: &str, source: Source, server: bool) {
        if let Some(known) = self.shown.iter_mut().find(|s| s.name == name) {
            known.source = known.source.max(source);
            known.server |= server;
            known.client |= !server;
            return;
        }
        let new = Shown {
            name: name.to_owned(),
            source,
            server,
            client: !server,
        };
        if self.shown.len() < limits::NAMES_PER_ADDRESS {
            self.shown.push(new);
            return;
        }
        let weakest = self.shown.iter_mut().min_by_key(|s| s.source);
        if let Some(weakest) = weakest.filter(|w| w.source < source) {
            *weakest = new;
        }
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
