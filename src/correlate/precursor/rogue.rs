//! RW-21: a host that makes itself resolver, router or proxy: DHCP, DHCPv6, router advertisements, DNS, WPAD.

use std::time::Duration;

use super::{case, ends, finding, unicast};
use crate::correlate::Case;
use crate::correlate::bounds::{Bounds, Kind};
use crate::correlate::fair::Fair;
use crate::correlate::pattern::{Context, Evicted, Pattern};
use crate::correlate::pending::Pending;
use crate::correlate::window::Recent;
use crate::event::{DhcpTrace, HostRole, LegRole, Seen, Sighting, Trace};
use crate::limits;
use crate::net::{Addr, Mac};
use crate::time::Timestamp;

/// Within this time all servers answer a client.
const ROUND: Duration = Duration::from_secs(2);
/// Servers remembered of one transaction.
const SERVERS: usize = 4;

/// A DHCP server that answered a transaction.
#[derive(Clone, Debug)]
struct Offer {
    by: Addr,
    said: DhcpTrace,
    sighting: Sighting,
}

/// State of RW-21.
#[derive(Debug)]
pub(in crate::correlate) struct Rogue {
    /// The servers that answered a transaction of a client.
    offers: Fair<(Mac, u32), Vec<Offer>>,
    /// Transactions that several answered, until all have.
    rounds: Pending<(Mac, u32)>,
    /// DHCP servers, by when they were first heard.
    servers: Recent<Addr, Timestamp>,
    /// Hosts that are routers: they advertised a lifetime.
    routers: Recent<Addr, ()>,
    /// Hosts that advertised DHCPv6 without being routers.
    calling: Recent<Addr, ()>,
    /// Hosts that poison names or addresses.
    suspects: Recent<Addr, ()>,
    told: Recent<(Addr, &'static str), ()>,
}

impl Default for Rogue {
    fn default() -> Self {
        let idle = Duration::from_secs(limits::INCIDENT_IDLE_SECS);
        let week = Duration::from_secs(limits::IDENTITY_SECS);
        Self {
            offers: Fair::new(limits::PRECURSORS, Duration::from_secs(60)),
            rounds: Pending::new(ROUND),
            servers: Recent::new(limits::PRECURSORS, week),
            routers: Recent::new(limits::PRECURSORS, week),
            calling: Recent::new(limits::PRECURSORS, idle),
            suspects: Recent::new(limits::INCIDENTS, idle),
            told: Recent::new(limits::INCIDENTS, idle),
        }
    }
}

impl Pattern for Rogue {
    fn sighting(&mut self, s: &Sighting, cx: &Context<'_>, out: &mut Vec<Case>) {
        let Seen::Trace(trace) = &s.seen else {
            return;
        };
        let (source, dest) = ends(s);
        match trace.as_ref() {
            Trace::Dhcp(said) => self.dhcp(said, s),
            Trace::Dhcpv6 {
                dns_is_self,
                constants,
                ..
            } => {
                let router = self.routers.get(&source).is_some();
                let sure = *constants && *dns_is_self && !router;
                if sure || (*dns_is_self && !router) {
                    let test = if sure { "mitm6" } else { "dhcpv6" };
                    let mut why = vec![format!(
                        "{source} gave {dest} an address by DHCPv6 and itself as resolver, and is no router"
                    )];
                    if sure {
                        why.push(
                            "T1 200, T2 250 and lifetime 300 are constants of mitm6".to_owned(),
                        );
                    }
                    if self.calling.get(&source).is_some() {
                        why.push(format!(
                            "{source} sent hosts to DHCPv6 by router advertisements"
                        ));
                    }
                    self.tell(test, (source, unicast(dest)), "dhcpv6", why, s, cx, out);
                }
            }
            Trace::Router {
                lifetime,
                managed,
                dns,
            } => {
                if *lifetime > 0 {
                    // Another router gives resolvers where there was one.
                    if *dns && self.routers.get(&source).is_none() && self.known_routers() {
                        let why = vec![format!("{source} is a new router and gives resolvers")];
                        self.tell("rdnss", (source, unicast(dest)), "ndp", why, s, cx, out);
                    }
                    self.routers.insert(source, (), s.ts);
                } else if *managed && self.routers.get(&source).is_none() {
                    self.calling.insert(source, (), s.ts);
                    let why = vec![format!(
                        "{source} sends hosts to DHCPv6 (M and O) and is no router (lifetime 0)"
                    )];
                    self.tell("ra", (source, unicast(dest)), "ndp", why, s, cx, out);
                }
            }
            Trace::RogueSoa => {
                let why = vec![format!("{source} answers DNS with the SOA record of mitm6")];
                self.tell("mitm6", (source, unicast(dest)), "dns", why, s, cx, out);
            }
            // 5 is REFUSED (RFC 1035 4.1.1): who cannot read the ticket cannot answer.
            Trace::Tkey {
                response: true,
                rcode: 5,
            } => {
                let roles = cx.identity.roles(source);
                if !roles.has(HostRole::Dc) && !roles.has(HostRole::Dns) {
                    let why = vec![format!(
                        "{dest} gave {source} a ticket for a DNS server, and {source} refused to go on"
                    )];
                    self.tell("tkey", (source, Some(dest)), "dns", why, s, cx, out);
                }
            }
            Trace::Wpad if self.suspects.get(&s.flow.server.addr).is_some() => {
                let (client, server) = (s.flow.client.addr, s.flow.server.addr);
                let why = vec![format!("{client} fetched wpad.dat from {server}")];
                self.tell("wpad", (server, Some(client)), "http", why, s, cx, out);
            }
            _ => {}
        }
    }

    fn concluded(&mut self, case: &Case, _: &Context<'_>, _: &mut Vec<Case>) {
        let f = &case.finding;
        if matches!(f.detector, "RW-20" | "RW-21") {
            for who in [f.attacker, f.listener].into_iter().flatten() {
                self.suspects.insert(who, (), case.ts);
            }
        }
    }

    fn advance(&mut self, now: Timestamp, cx: &Context<'_>, out: &mut Vec<Case>) {
        while let Some(key) = self.rounds.pop(Some(now)) {
            self.round(key, cx, out);
        }
    }

    fn finish(&mut self, _: Timestamp, cx: &Context<'_>, out: &mut Vec<Case>) {
        while let Some(key) = self.rounds.pop(None) {
            self.round(key, cx, out);
        }
    }

    fn evicted(&self) -> Evicted {
        Evicted {
            pending: self.offers.evicted() + self.rounds.evicted() + self.servers.evicted(),
            known: self.routers.evicted()
                + self.calling.evicted()
                + self.suspects.evicted()
                + self.told.evicted(),
            own: self.offers.gave_way(),
            ..Evicted::default()
        }
    }

    fn limit(&mut self, bounds: &Bounds) {
        self.offers.limit(bounds.most(Kind::Led));
        self.rounds.limit(bounds.most(Kind::Waiting));
        self.servers.limit(bounds.most(Kind::Flow));
        self.routers.limit(bounds.most(Kind::Told));
        self.calling.limit(bounds.most(Kind::Told));
        self.suspects.limit(bounds.most(Kind::Told));
        self.told.limit(bounds.most(Kind::Told));
    }
}

impl Rogue {
    fn known_routers(&self) -> bool {
        !self.routers.is_empty()
    }

    /// Two servers that answer one transaction within two seconds. Servers that share a scope do not:
    /// failover decides who answers; split scopes do, and are told quietly.
    fn dhcp(&mut self, said: &DhcpTrace, s: &Sighting) {
        let Some(server) = said.server else {
            return;
        };
        if self.servers.get(&server).is_none() {
            self.servers.insert(server, s.ts, s.ts);
        }
        let key = (said.client, said.xid);
        let fresh = |o: &Vec<Offer>| o.last().is_some_and(|o| s.ts.since(o.sighting.ts) <= ROUND);
        if !self.offers.get(&key).is_some_and(fresh) {
            self.offers.insert(server, key, Vec::new(), s.ts);
        }
        let Some(offers) = self.offers.get_mut(&key) else {
            return;
        };
        if let Some(offer) = offers.iter_mut().find(|o| o.by == server) {
            offer.said.proxy |= said.proxy;
            offer.said.points_to_itself |= said.points_to_itself;
            if offer.said.resolvers.is_empty() {
                // A refusal may come first, and gives none.
                offer.said.resolvers.clone_from(&said.resolvers);
            }
        } else if offers.len() < SERVERS {
            offers.push(Offer {
                by: server,
                said: said.clone(),
                sighting: s.clone(),
            });
            if offers.len() == 2 {
                self.rounds.push(server, key, s.ts);
            }
        }
    }

    /// All answers of the round are there: whose was it?
    fn round(&mut self, key: (Mac, u32), cx: &Context<'_>, out: &mut Vec<Case>) {
        let Some(mut offers) = self.offers.remove(&key) else {
            return;
        };
        // A resolver whom the other server names as well did not make itself one.
        let named = |o: &Offer, by: Addr| o.by != by && o.said.resolvers.contains(&by);
        let agreed: Vec<Addr> = (offers.iter().map(|o| o.by))
            .filter(|by| offers.iter().any(|o| named(o, *by)))
            .collect();
        for offer in offers
            .iter_mut()
            .filter(|o| !o.said.proxy && agreed.contains(&o.by))
        {
            offer.said.points_to_itself = false;
        }
        offers.sort_by_key(|offer| self.blame(offer));
        let (Some(a), Some(b)) = (offers.pop(), offers.pop()) else {
            return;
        };
        let worse = |f: fn(&DhcpTrace) -> bool| f(&a.said) && !f(&b.said);
        let sure = worse(|d| d.proxy) || worse(|d| d.points_to_itself);
        for server in [a.by, b.by] {
            self.suspects.insert(server, (), a.sighting.ts);
        }
        // Who is the newcomer cannot be told if both were first heard now and say the same.
        let first = |o: &Offer| self.servers.get(&o.by).copied().unwrap_or_default();
        if !sure && first(&a).since(first(&b)) <= ROUND {
            return;
        }
        let test = if sure { "dhcp" } else { "dhcp_second" };
        let mut why = vec![format!(
            "{} and {} both answered one DHCP request of {}",
            a.by, b.by, a.said.client
        )];
        if a.said.points_to_itself {
            why.push(format!("{} makes itself resolver or proxy", a.by));
        }
        if a.said.proxy {
            why.push(format!("{} gives proxy settings (option 252)", a.by));
        }
        let client = a.said.assigned.and_then(unicast);
        self.tell(test, (a.by, client), "dhcp", why, &a.sighting, cx, out);
    }

    /// How much speaks against a server; of two newcomers the later one.
    fn blame(&self, offer: &Offer) -> (bool, bool, u64) {
        let first = self.servers.get(&offer.by).map_or(0, |ts| ts.0);
        (offer.said.proxy, offer.said.points_to_itself, first)
    }

    #[allow(clippy::too_many_arguments)]
    fn tell(
        &mut self,
        test: &'static str,
        (rogue, victim): (Addr, Option<Addr>),
        carrier: &'static str,
        evidence: Vec<String>,
        s: &Sighting,
        cx: &Context<'_>,
        out: &mut Vec<Case>,
    ) {
        let surely = self.told.get(&(rogue, "mitm6")).is_some();
        if self.told.get(&(rogue, test)).is_some() || (surely && test != "wpad") {
            return;
        }
        self.told.insert((rogue, test), (), s.ts);
        let mut f = finding("RW-21", "poisoning", test, s, cx);
        f.confidence = if test == "mitm6" { "high" } else { "medium" };
        f.attacker = Some(rogue);
        f.listener = Some(rogue);
        f.victim = victim;
        f.carrier = carrier;
        if test == "mitm6" {
            f.tool = "mitm6".to_owned();
        }
        out.push(case(f, LegRole::Precursor, s, cx, evidence));
    }
}
