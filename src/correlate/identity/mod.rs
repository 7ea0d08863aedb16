//! Who is at an address: names with their sources, roles, and whether two addresses are one host.
//!
//! Evidence is weighted, because a relay would otherwise teach the sensor its own alibi: the listener
//! shows the target's challenge, so by NTLM alone it *is* the target. A name that was only heard in
//! NTLM becomes ownership after [`limits::SETTLE_SECS`] without conflict and never takes the place
//! of a claim that is stronger or was there first.
//!
//! **Not** here: where evidence comes from (`sensor` turns events into [`Claim`]s), and the store on disk.

mod host;
mod names;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub(super) use names::Owner;

use super::bounds::Bounds;
use super::window::Recent;
use crate::event::{Claim, HostRoles};
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;
use crate::wire::Guid;
use host::Host;
use names::Names;

/// Everything that is known of hosts.
#[derive(Debug)]
pub(super) struct Identity {
    hosts: Recent<Addr, Host>,
    names: Names,
    guids: Recent<Guid, Vec<Addr>>,
    /// First packet's time: confidence is lower while the sensor learns.
    since: Option<Timestamp>,
    learning: Duration,
}

impl Identity {
    /// Knows nothing. What is concluded within `learning` of the first packet counts less.
    pub(super) fn new(learning: Duration) -> Self {
        let keep = Duration::from_secs(limits::IDENTITY_SECS);
        Self {
            hosts: Recent::new(limits::NAMED_ADDRESSES, keep),
            names: Names::new(keep),
            guids: Recent::new(limits::NAMED_ADDRESSES, keep),
            since: None,
            learning,
        }
    }

    /// Learns from one piece of evidence.
    pub(super) fn learn(&mut self, claim: &Claim, now: Timestamp) {
        self.seen(claim.addr, now);
        if claim.addr.is_loopback() {
            return;
        }
        for name in &claim.names {
            if let Some(host) = self.hosts.get_mut(&claim.addr) {
                host.said(name, claim.source, claim.server);
            }
            self.names.claim(claim.addr, name, claim, now);
        }
        if let Some(host) = self.hosts.get_mut(&claim.addr) {
            host.roles = host.roles.with(claim.roles);
        }
        if let Some(guid) = claim.guid {
            self.guid(claim.addr, guid, now);
        }
    }

    /// Learns what the operator declared: it holds for good, and before the first packet.
    pub(super) fn declare(&mut self, claim: &Claim) {
        self.learn(claim, Timestamp::ZERO);
        self.since = None;
    }

    /// The address takes part in the traffic.
    pub(super) fn seen(&mut self, addr: Addr, now: Timestamp) {
        self.since.get_or_insert(now);
        if self.hosts.get(&addr).is_none() {
            self.hosts.insert(addr, Host::default(), now);
        } else {
            self.hosts.renew(&addr, now);
        }
    }

    /// True if traffic of the address was seen, or it was declared.
    pub(super) fn is_known(&self, addr: Addr) -> bool {
        self.hosts.get(&addr).is_some()
    }

    /// Who owns `name`, as far as it concerns the host at `addr`.
    pub(super) fn owner(&self, addr: Addr, name: &str, now: Timestamp) -> Owner {
        match self.names.owner(addr, name, now) {
            Owner::Other(other, source) if self.same_host(addr, other) => Owner::Itself(source),
            found => found,
        }
    }

    /// Addresses that own `name`, in order.
    pub(super) fn addresses(&self, name: &str, now: Timestamp) -> Vec<Addr> {
        self.names.addresses(name, now)
    }

    /// True if the server at `addr` has shown the name, believed or not.
    pub(super) fn server_is(&self, addr: Addr, name: &str) -> bool {
        self.hosts
            .get(&addr)
            .is_some_and(|host| host.shown(name, true))
    }

    /// True if the host at `addr` has shown the name, as client or server, believed or not. Only ever
    /// makes a finding milder.
    pub(super) fn host_is(&self, addr: Addr, name: &str) -> bool {
        self.hosts
            .get(&addr)
            .is_some_and(|host| host.shown(name, true) || host.shown(name, false))
    }

    /// True if two addresses are known to be one host's: the same ServerGuid, or one name that both
    /// own by evidence better than NTLM.
    pub(super) fn same_host(&self, a: Addr, b: Addr) -> bool {
        if a == b {
            return true;
        }
        let guid = |addr| self.hosts.get(&addr).and_then(|h| h.guid);
        if let (Some(x), Some(y)) = (guid(a), guid(b))
            && x == y
        {
            return true;
        }
        self.hosts
            .get(&a)
            .is_some_and(|host| host.names().any(|n| self.names.shared(n, a, b)))
    }

    /// Every address known to be the same host's as `addr`, which comes first; the others in order.
    pub(super) fn same_hosts(&self, addr: Addr) -> Vec<Addr> {
        let mut others = Vec::new();
        if let Some(host) = self.hosts.get(&addr) {
            let twins = host.guid.and_then(|guid| self.guids.get(&guid));
            others.extend(twins.into_iter().flatten().copied());
            for name in host.names() {
                others.extend(self.names.sharers(name, addr));
            }
        }
        others.retain(|other| self.same_host(addr, *other) && *other != addr);
        others.sort_unstable();
        others.dedup();
        others.insert(0, addr);
        others
    }

    /// How much it may hold; said once, before the first claim.
    pub(super) fn limit(&mut self, bounds: &Bounds) {
        self.hosts.limit(bounds.hosts);
        self.guids.limit(bounds.hosts);
        self.names.limit(bounds.names);
    }

    /// Roles the host plays.
    pub(super) fn roles(&self, addr: Addr) -> HostRoles {
        self.hosts.get(&addr).map(|h| h.roles).unwrap_or_default()
    }

    /// True while too little was seen to trust what is missing.
    pub(super) fn is_learning(&self, now: Timestamp) -> bool {
        self.since
            .is_none_or(|since| now.since(since) < self.learning)
    }

    /// Claims forgotten because there were too many.
    pub(super) fn evicted(&self) -> u64 {
        self.hosts.evicted() + self.names.evicted()
    }

    fn guid(&mut self, addr: Addr, guid: Guid, now: Timestamp) {
        if let Some(host) = self.hosts.get_mut(&addr) {
            host.guid = Some(guid);
        }
        match self.guids.get_mut(&guid) {
            Some(all) => {
                if !all.contains(&addr) && all.len() < limits::NAMES_PER_ADDRESS {
                    all.push(addr);
                }
            }
            None => {
                self.guids.insert(guid, vec![addr], now);
            }
        }
    }
}

/// The account's host name, if it is a machine's: `SRV1$` is `srv1`.
pub(super) fn machine_name(user: &str) -> Option<String> {
    let name = user.strip_suffix('$')?;
    (!name.is_empty()).then(|| name.to_ascii_lowercase())
}
