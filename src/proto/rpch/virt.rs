//! Virtual connections: one association, two TCP connections.

use hashbrown::HashMap;

use crate::limits::RPCH_CONNECTIONS;
use crate::net::{Addr, FlowKey};
use crate::proto::dcerpc::Association;
use crate::proto::identity;

/// What tells virtual connections apart.
///
/// Client and proxy use the same cookie as proxy and server do, and both legs may be seen: without
/// hosts and leg every PDU would count twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    hosts: (Addr, Addr),
    http: bool,
    cookie: [u8; 16],
}

impl Key {
    /// The virtual connection of that cookie between the hosts of that flow; `http` on the leg
    /// between client and proxy.
    pub(super) fn new(flow: &FlowKey, http: bool, cookie: [u8; 16]) -> Self {
        // A FlowKey orders by address, then port: the same hosts in any two flows between them.
        Self {
            hosts: (flow.a.addr, flow.b.addr),
            http,
            cookie,
        }
    }
}

#[derive(Debug)]
pub(super) struct Virtual {
    pub(super) association: Association,
    /// `Via::association`.
    pub(super) id: u64,
    /// TCP connections in it.
    channels: u32,
    /// When it was used last, by [`VirtualConnections::clock`].
    used: u64,
}

/// Virtual connections by cookie: one RPC association whose directions are two TCP connections.
/// At most [`RPCH_CONNECTIONS`]; beyond it the one unused longest is forgotten.
#[derive(Debug, Default)]
pub struct VirtualConnections {
    all: HashMap<Key, Virtual, foldhash::fast::RandomState>,
    clock: u64,
}

impl VirtualConnections {
    /// A TCP connection turned out to be a channel of this virtual connection.
    pub(super) fn join(&mut self, key: &Key) {
        let entry = self.get(key);
        entry.channels = entry.channels.saturating_add(1);
    }

    /// A TCP connection is over; with the last one goes the virtual connection, which is returned.
    pub(super) fn leave(&mut self, key: &Key) -> Option<Virtual> {
        let entry = self.all.get_mut(key)?;
        entry.channels = entry.channels.saturating_sub(1);
        if entry.channels == 0 {
            self.all.remove(key)
        } else {
            None
        }
    }

    /// The virtual connection; a new one if it was forgotten.
    pub(super) fn get(&mut self, key: &Key) -> &mut Virtual {
        self.clock = self.clock.wrapping_add(1);
        if self.all.len() >= RPCH_CONNECTIONS && !self.all.contains_key(key) {
            self.forget();
        }
        let entry = self.all.entry(*key).or_insert_with(|| Virtual {
            association: Association::default(),
            id: identity(&[&key.cookie]),
            channels: 0,
            used: 0,
        });
        entry.used = self.clock;
        entry
    }

    fn forget(&mut self) {
        let oldest = self.all.iter().min_by_key(|(_, v)| v.used);
        if let Some(key) = oldest.map(|(key, _)| *key) {
            self.all.remove(&key);
        }
    }

    /// Number of virtual connections.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> Key {
        let mut cookie = [0; 16];
        cookie[..4].copy_from_slice(&n.to_le_bytes());
        Key::new(&FlowKey::default(), true, cookie)
    }

    #[test]
    fn the_one_unused_longest_is_forgotten() {
        let mut all = VirtualConnections::default();
        let limit = u32::try_from(RPCH_CONNECTIONS).unwrap();
        (0..limit).for_each(|n| all.join(&key(n)));
        all.get(&key(0));
        all.join(&key(limit));
        assert_eq!(all.len(), RPCH_CONNECTIONS);
        assert!(all.all.contains_key(&key(0)), "used");
        assert!(!all.all.contains_key(&key(1)), "unused");
    }

    #[test]
    fn it_lives_as_long_as_a_channel() {
        let mut all = VirtualConnections::default();
        all.join(&key(1));
        all.join(&key(1));
        all.leave(&key(1));
        assert_eq!(all.len(), 1);
        all.leave(&key(1));
        assert!(all.is_empty());
    }
}
