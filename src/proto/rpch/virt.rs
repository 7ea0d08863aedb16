//! Virtual connections: one association, two TCP connections.

use hashbrown::HashMap;

use crate::limits::RPCH_CONNECTIONS;
use crate::net::{Addr, FlowKey, Side};
use crate::proto::dcerpc::Association;
use crate::proto::identity;

/// What tells virtual connections apart.
///
/// Client and proxy use the same cookie as proxy and server do, and both legs may be seen: without
/// host and leg every PDU would count twice. The two channels, and the ones that replace them, may lead
/// through different proxies: the host is the end of the leg that is no proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    host: Addr,
    http: bool,
    cookie: [u8; 16],
}

impl Key {
    /// The virtual connection of that cookie; `http` on the leg between client and proxy.
    pub(super) fn new(flow: &FlowKey, client: Side, http: bool, cookie: [u8; 16]) -> Self {
        let end = if http { client } else { client.other() };
        Self {
            host: flow.end(end).addr,
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
    /// `Via::client`: the first that a proxy named.
    pub(super) client: Option<Addr>,
    /// TCP connections in it.
    channels: u32,
    /// When it was used last, by [`VirtualConnections::clock`].
    used: u64,
    /// What it counts for in [`VirtualConnections::held`].
    held: usize,
}

/// Bytes of one entry without what its association keeps. Tables of hashes are half empty at worst.
const ENTRY_BYTES: usize = 2 * size_of::<(Key, Virtual)>();

/// Virtual connections by cookie: one RPC association whose directions are two TCP connections.
/// At most [`RPCH_CONNECTIONS`], and as many bytes as it is given; beyond it those unused longest
/// are forgotten.
#[derive(Debug)]
pub struct VirtualConnections {
    all: HashMap<Key, Virtual, foldhash::fast::RandomState>,
    clock: u64,
    /// Bytes of all.
    held: usize,
    limit: usize,
    evicted: u64,
}

impl Default for VirtualConnections {
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

impl VirtualConnections {
    /// None yet; later at most so many bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            all: HashMap::default(),
            clock: 0,
            held: 0,
            limit,
            evicted: 0,
        }
    }

    /// Those forgotten because there were too many, or they held too much.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Its association was shown something: counts anew what it holds.
    pub(super) fn settle(&mut self, key: &Key) {
        if let Some(entry) = self.all.get_mut(key) {
            let held = entry.association.held().saturating_add(ENTRY_BYTES);
            self.held = self.held.saturating_sub(entry.held).saturating_add(held);
            entry.held = held;
        }
        if self.held > self.limit {
            self.relieve();
        }
    }

    /// Forgets those unused longest, an eighth more than is needed, so that it is not needed again at once.
    fn relieve(&mut self) {
        let mut all: Vec<(u64, Key)> = self.all.iter().map(|(key, v)| (v.used, *key)).collect();
        all.sort_unstable_by_key(|(used, _)| *used);
        for (_, key) in all {
            if self.held <= self.limit.saturating_sub(self.limit / 8) {
                break;
            }
            self.evicted = self.evicted.saturating_add(1);
            self.remove(&key);
        }
    }

    fn remove(&mut self, key: &Key) -> Option<Virtual> {
        let gone = self.all.remove(key)?;
        self.held = self.held.saturating_sub(gone.held);
        Some(gone)
    }

    /// A TCP connection turned out to be a channel of this virtual connection.
    pub(super) fn join(&mut self, key: &Key) {
        let entry = self.get(key);
        entry.channels = entry.channels.saturating_add(1);
        self.settle(key);
    }

    /// A proxy says who its client is.
    pub(super) fn name_client(&mut self, key: &Key, client: Addr) {
        self.get(key).client.get_or_insert(client);
    }

    /// A TCP connection is over; with the last one goes the virtual connection, which is returned.
    pub(super) fn leave(&mut self, key: &Key) -> Option<Virtual> {
        let entry = self.all.get_mut(key)?;
        entry.channels = entry.channels.saturating_sub(1);
        if entry.channels == 0 {
            self.remove(key)
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
        let held = &mut self.held;
        let entry = self.all.entry(*key).or_insert_with(|| {
            *held = held.saturating_add(ENTRY_BYTES);
            Virtual {
                association: Association::default(),
                id: identity(&[&key.cookie]),
                client: None,
                channels: 0,
                used: 0,
                held: ENTRY_BYTES,
            }
        });
        entry.used = self.clock;
        entry
    }

    fn forget(&mut self) {
        let oldest = self.all.iter().min_by_key(|(_, v)| v.used);
        if let Some(key) = oldest.map(|(key, _)| *key) {
            self.evicted = self.evicted.saturating_add(1);
            self.remove(&key);
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
        Key::new(&FlowKey::default(), Side::A, true, cookie)
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
    fn bytes_are_bounded() {
        let mut all = VirtualConnections::new(100 * ENTRY_BYTES);
        (0..1_000).for_each(|n| all.join(&key(n)));
        assert!(all.len() <= 100 && all.len() > 80, "{}", all.len());
        assert!(all.all.contains_key(&key(999)), "the youngest stays");
        assert_eq!(all.held, all.len() * ENTRY_BYTES);
        assert_eq!(all.evicted(), 1_000 - all.len() as u64);
        (0..1_000).for_each(|n| drop(all.leave(&key(n))));
        assert_eq!(all.held, 0);
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
