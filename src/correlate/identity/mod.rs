//! Who is at an address: names with their sources, roles, and whether two addresses are one host.
//!
//! Evidence is weighted, because a relay would otherwise teach the sensor its own alibi: the listener
//! shows the target's challenge, so by NTLM alone it *is* the target. A name that was only heard in
//! NTLM becomes ownership after [`limits::SETTLE_SECS`] without conflict and never takes the place
//! of a claim that is stronger or was there first.
//!
//! - A lease or an accepted ticket does not take a name from a host that has it by either or by DNS.
//! - A DNS server is believed if it is a domain controller, was declared, or answered
//!   [`limits::DNS_CLIENTS`] clients; the last about others only, never about itself.
//! - Another DHCP client at an address ends what the one before was called, but not what DNS, Kerberos or
//!   the operator say of the address.
//! - Names that nobody checks ([`Source::Said`]) are shown and never owned.
//!
//! **Not** here: where evidence comes from (`sensor` turns events into [`Claim`]s), and the store on disk.

mod change;
mod host;
mod names;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

pub(super) use names::Owner;

use super::bounds::{Bounds, Kind};
use super::window::Recent;
use crate::event::{
    Claim, HostRole, HostRoles, IdentityChange, Knowledge, Services, Source, Witness,
};
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;
use crate::wire::Guid;
use change::Changes;
use host::{Heard, Host};
use names::Names;

/// Everything that is known of hosts.
#[derive(Debug)]
pub(super) struct Identity {
    hosts: Recent<Addr, Host>,
    names: Names,
    /// What the operator declared. It never expires and is asked first.
    declared: Names,
    declared_roles: BTreeMap<Addr, HostRoles>,
    /// Declared names by address: whose two addresses are is asked of every finding.
    declared_names: BTreeMap<Addr, Vec<String>>,
    guids: Recent<Guid, Vec<Addr>>,
    /// Names that DHCP clients asked for.
    asked: Recent<u64, Vec<String>>,
    /// The address that each DHCP client has.
    leases: Recent<u64, Addr>,
    /// Clients of DNS servers that are not known.
    resolvers: Recent<Addr, Vec<Addr>>,
    changes: Changes,
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
            declared: Names::new(Duration::MAX),
            declared_roles: BTreeMap::new(),
            declared_names: BTreeMap::new(),
            guids: Recent::new(limits::NAMED_ADDRESSES, keep),
            asked: Recent::new(limits::LEASES_ASKED, Duration::from_secs(60)),
            leases: Recent::new(limits::NAMED_ADDRESSES, keep),
            resolvers: Recent::new(limits::LEASES_ASKED, keep),
            changes: Changes::default(),
            since: None,
            learning,
        }
    }

    /// Learns from one piece of evidence.
    pub(super) fn learn(&mut self, claim: &Claim, now: Timestamp) {
        if claim.addr == Addr::default() {
            if let (Some(client), false) = (claim.client, claim.names.is_empty()) {
                self.asked.insert(client, claim.names.clone(), now);
            }
            return;
        }
        if claim.addr.is_loopback() || claim.witness.is_some_and(|w| !self.believes(claim, w, now))
        {
            return;
        }
        if claim.witness.is_none() && claim.source != Source::Dhcp {
            self.seen(claim.addr, now);
        } else if self.hosts.get(&claim.addr).is_none() {
            // Named by others: that is no sign of life, but it is known.
            self.hosts.insert(claim.addr, Host::default(), now);
        }
        let leased = claim
            .client
            .map(|client| self.lease(claim.addr, client, now));
        for name in claim.names.iter().chain(leased.iter().flatten()) {
            self.name(name, claim, now);
        }
        self.role(claim, now);
        if let Some(guid) = claim.guid {
            self.guid(claim.addr, guid, now);
        }
        if let (Some(host), false) = (self.hosts.get_mut(&claim.addr), claim.interfaces.is_empty())
        {
            host.interfaces.clone_from(&claim.interfaces);
        }
    }

    fn name(&mut self, name: &str, claim: &Claim, now: Timestamp) {
        let addr = claim.addr;
        let Some(host) = self.hosts.get_mut(&addr) else {
            return;
        };
        match host.said(name, claim.source, claim.server) {
            Heard::NoRoom => return,
            Heard::InsteadOf(other) => self.names.release(addr, &other),
            Heard::Kept => {}
        }
        // Whose a declared name is, is no question.
        let declared = self.declared.owner(addr, name, now) != Owner::Unknown;
        if claim.source == Source::Said || declared {
            return;
        }
        let before = match self.names.owner(addr, name, now) {
            Owner::Other(other, _) => Some(other),
            _ => None,
        };
        self.names.claim(addr, name, claim, now);
        self.news(addr, name, before, now);
    }

    /// Tells what became of a claim, and remembers to look again when time alone may change it.
    fn news(&mut self, addr: Addr, name: &str, before: Option<Addr>, now: Timestamp) {
        let Some(held) = self.names.held(addr, name) else {
            return;
        };
        let next = held.next(now);
        if held.due.is_none_or(|due| next < due) {
            held.due = Some(next);
            self.changes.look_again(next, addr, &held.name);
        }
        let owns = held.owns(now);
        if held.told == Some(owns) || (!owns && !held.contested) {
            return;
        }
        held.told = Some(owns);
        let (name, source, since) = (held.name.clone(), held.source, held.first);
        let stays = |other| self.names.addresses(&name, now).contains(&other);
        let before = before.filter(|other| !owns || !stays(*other));
        let change = match (owns, before) {
            (false, _) => "contested",
            (true, Some(_)) => "moved",
            (true, None) => "new",
        };
        let previous = before.or_else(|| {
            let others = self.names.all(&name).filter(|h| h.addr != addr);
            others.map(|h| h.addr).min().filter(|_| !owns)
        });
        let change = IdentityChange {
            change,
            name,
            source: Some(source),
            since: Some(since),
            previous,
            ..self.change(addr, now)
        };
        self.changes.tell(change);
    }

    /// What every change says of the host.
    fn change(&self, addr: Addr, now: Timestamp) -> IdentityChange {
        IdentityChange {
            ts: now,
            address: addr,
            names: self.names(addr),
            roles: self.roles(addr),
            learning: self.is_learning(now),
            ..IdentityChange::default()
        }
    }

    fn role(&mut self, claim: &Claim, now: Timestamp) {
        let Some(host) = self.hosts.get_mut(&claim.addr) else {
            return;
        };
        let before = host.roles();
        host.services = host.services.with(claim.services);
        let after = host.roles();
        if after != before {
            let change = IdentityChange {
                change: "roles",
                ..self.change(claim.addr, now)
            };
            self.changes.tell(change);
        }
    }

    /// The address belongs to `client` now: what another client was called there ends, and what this one was
    /// called at its address before. Returns the names it asked for.
    fn lease(&mut self, addr: Addr, client: u64, now: Timestamp) -> Vec<String> {
        let other = self
            .hosts
            .get_mut(&addr)
            .and_then(|h| h.client.replace(client));
        if other.is_some_and(|other| other != client) {
            self.leave(addr, now);
        }
        let earlier = self.leases.get(&client).copied();
        self.leases.insert(client, addr, now);
        if let Some(earlier) = earlier.filter(|e| *e != addr)
            && self.hosts.get(&earlier).and_then(|h| h.client) == Some(client)
        {
            self.leave(earlier, now);
        }
        self.asked.remove(&client).unwrap_or_default()
    }

    /// Nobody is at the address any more. A server of tier 0 does not go because somebody was leased its address.
    fn leave(&mut self, addr: Addr, now: Timestamp) {
        let Some(host) = self.hosts.get_mut(&addr) else {
            return;
        };
        let declared = self.declared_roles.get(&addr).copied().unwrap_or_default();
        if host.roles().with(declared).is_tier0() {
            return;
        }
        for name in host.leave() {
            let owned = self
                .names
                .held(addr, &name)
                .is_some_and(|h| h.told == Some(true));
            self.names.release(addr, &name);
            if owned {
                let change = IdentityChange {
                    change: "expired",
                    name,
                    source: Some(Source::Dhcp),
                    ..self.change(addr, now)
                };
                self.changes.tell(change);
            }
        }
    }

    /// True if the DNS server may say so.
    fn believes(&mut self, claim: &Claim, witness: Witness, now: Timestamp) -> bool {
        let roles = self.roles(witness.server);
        if roles.has(HostRole::Dc) || roles.has(HostRole::Dns) {
            return true;
        }
        // That it answers DNS it says of itself, by answering.
        if claim.services == Services::DNS {
            return true;
        }
        let clients = match self.resolvers.get_mut(&witness.server) {
            Some(clients) => clients,
            None => {
                self.resolvers.insert(witness.server, Vec::new(), now);
                match self.resolvers.get_mut(&witness.server) {
                    Some(clients) => clients,
                    None => return false,
                }
            }
        };
        if !clients.contains(&witness.client) && clients.len() < limits::DNS_CLIENTS {
            clients.push(witness.client);
        }
        clients.len() >= limits::DNS_CLIENTS
            && claim.addr != witness.server
            && claim.services == Services::default()
    }

    /// Time alone changes things: NTLM names settle, leases end.
    pub(super) fn advance(&mut self, now: Timestamp) {
        while let Some((addr, name)) = self.changes.due(now) {
            let Some(held) = self.names.held(addr, &name) else {
                continue;
            };
            held.due = None;
            if held.lives(now) {
                self.news(addr, &name, None, now);
            } else if held.told == Some(true) {
                let (source, since) = (held.source, held.first);
                // Told once; the claim itself goes when the name is next spoken of.
                held.told = Some(false);
                let change = IdentityChange {
                    change: "expired",
                    name,
                    source: Some(source),
                    since: Some(since),
                    ..self.change(addr, now)
                };
                self.changes.tell(change);
            }
        }
    }

    /// Hands over what changed since the last time.
    pub(super) fn changes(&mut self) -> std::vec::Drain<'_, IdentityChange> {
        self.changes.drain()
    }

    /// Everything worth keeping across a restart. What the operator declared is not: it may change.
    pub(super) fn snapshot(&self, to: &mut Knowledge) {
        to.since = self.since;
        let hosts = self.hosts.iter();
        to.hosts = hosts.map(|(addr, h, last)| h.record(*addr, last)).collect();
        to.names = self.names.records().collect();
    }

    /// Takes up what was known before. What is declared comes first and stays.
    pub(super) fn restore(&mut self, from: &Knowledge) {
        self.since = from.since;
        for record in &from.hosts {
            let mut host = self.hosts.remove(&record.addr).unwrap_or_default();
            host.restore(record);
            if let Some(guid) = host.guid {
                self.guid(record.addr, guid, record.last);
            }
            self.hosts.insert(record.addr, host, record.last);
        }
        for record in &from.names {
            self.names.restore(record);
            self.changes
                .look_again(record.until, record.addr, &record.name);
        }
    }

    /// Learns what the operator declared: it holds for good, and before the first packet.
    pub(super) fn declare(&mut self, claim: &Claim) {
        for name in &claim.names {
            let own = self.declared_names.entry(claim.addr).or_default();
            own.push(name.to_ascii_lowercase());
            self.declared
                .claim(claim.addr, name, claim, Timestamp::ZERO);
        }
        let roles = self.declared_roles.entry(claim.addr).or_default();
        *roles = roles.with(claim.roles);
    }

    fn is_declared(&self, addr: Addr, name: &str) -> bool {
        matches!(
            self.declared.owner(addr, name, Timestamp::ZERO),
            Owner::Itself(_)
        )
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
        self.hosts.get(&addr).is_some() || self.declared_roles.contains_key(&addr)
    }

    /// Who owns `name`, as far as it concerns the host at `addr`.
    pub(super) fn owner(&self, addr: Addr, name: &str, now: Timestamp) -> Owner {
        let declared = self.declared.owner(addr, name, now);
        let found = match declared {
            Owner::Unknown => self.names.owner(addr, name, now),
            known => known,
        };
        match found {
            Owner::Other(other, source) if self.same_host(addr, other) => Owner::Itself(source),
            found => found,
        }
    }

    /// Addresses that own `name`, in order.
    pub(super) fn addresses(&self, name: &str, now: Timestamp) -> Vec<Addr> {
        let declared = self.declared.addresses(name, now);
        if declared.is_empty() {
            self.names.addresses(name, now)
        } else {
            declared
        }
    }

    /// True if the server at `addr` has shown the name, believed or not.
    pub(super) fn server_is(&self, addr: Addr, name: &str) -> bool {
        self.hosts
            .get(&addr)
            .is_some_and(|host| host.shown(name, true))
            || self.is_declared(addr, name)
    }

    /// True if the host at `addr` has shown the name, as client or server, believed or not. Only ever
    /// makes a finding milder.
    pub(super) fn host_is(&self, addr: Addr, name: &str) -> bool {
        self.hosts
            .get(&addr)
            .is_some_and(|host| host.shown(name, true) || host.shown(name, false))
            || self.is_declared(addr, name)
    }

    /// True if no name of the host at `addr` is known, from whatever source.
    pub(super) fn is_nameless(&self, addr: Addr) -> bool {
        let shown = self
            .hosts
            .get(&addr)
            .is_some_and(|h| h.names().next().is_some());
        !shown && !self.declared_names.contains_key(&addr)
    }

    /// True if two addresses are known to be one host's: the same ServerGuid, each says over SMB that it has the
    /// other, or one name that both own by evidence better than NTLM.
    pub(super) fn same_host(&self, a: Addr, b: Addr) -> bool {
        if a == b {
            return true;
        }
        let declared = |addr| self.declared_names.get(&addr);
        if let (Some(x), Some(y)) = (declared(a), declared(b))
            && x.iter().any(|name| y.contains(name))
        {
            return true;
        }
        let guid = |addr| self.hosts.get(&addr).and_then(|h| h.guid);
        if let (Some(x), Some(y)) = (guid(a), guid(b))
            && x == y
        {
            return true;
        }
        let (Some(x), Some(y)) = (self.hosts.get(&a), self.hosts.get(&b)) else {
            return false;
        };
        if x.interfaces.contains(&b) && y.interfaces.contains(&a) {
            return true;
        }
        // A name may stand for several hosts: the domain's for its controllers, a service's for a farm.
        !x.differs(y) && x.names().any(|n| self.names.shared(n, a, b))
    }

    /// Every address known to be the same host's as `addr`, which comes first; the others in order.
    pub(super) fn same_hosts(&self, addr: Addr) -> Vec<Addr> {
        let mut others = Vec::new();
        if let Some(host) = self.hosts.get(&addr) {
            let twins = host.guid.and_then(|guid| self.guids.get(&guid));
            others.extend(twins.into_iter().flatten().copied());
            others.extend(&host.interfaces);
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
        let (hosts, names) = (bounds.most(Kind::Host), bounds.most(Kind::Name));
        self.hosts.limit(hosts);
        self.guids.limit(hosts);
        self.leases.limit(hosts);
        self.names.limit(names);
        self.changes.limit(names, bounds);
        self.asked.limit(bounds.most(Kind::Told));
        self.resolvers.limit(bounds.most(Kind::Told));
    }

    /// Roles the host plays.
    pub(super) fn roles(&self, addr: Addr) -> HostRoles {
        let seen = self.hosts.get(&addr).map(Host::roles).unwrap_or_default();
        let declared = self.declared_roles.get(&addr).copied();
        seen.with(declared.unwrap_or_default())
    }

    /// True while too little was seen to trust what is missing.
    pub(super) fn is_learning(&self, now: Timestamp) -> bool {
        self.since
            .is_none_or(|since| now.since(since) < self.learning)
    }

    /// What the sensor calls the host: every name it was heard under.
    pub(super) fn names(&self, addr: Addr) -> Vec<String> {
        let seen = self.hosts.get(&addr).map(|h| h.names().map(str::to_owned));
        seen.map(Iterator::collect).unwrap_or_default()
    }

    /// Addresses known.
    pub(super) fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Claims forgotten because there were too many.
    pub(super) fn evicted(&self) -> u64 {
        self.hosts.evicted()
            + self.names.evicted()
            + self.guids.evicted()
            + self.leases.evicted()
            + self.asked.evicted()
            + self.resolvers.evicted()
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
