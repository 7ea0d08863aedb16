//! The one place that sees every flow: joins sightings into findings, and findings into incidents.
//!
//! Sightings come in capture order, whatever the number of workers. A detector turns them into a
//! [`Finding`]; a [`Judge`] (the rules, which this module does not know) says what that is worth;
//! [`incident`] keeps one story per victim and listener. Time is the packets' own.

mod action;
mod bounds;
mod callback;
mod case;
mod chain;
mod coercion;
mod fair;
mod identity;
mod incident;
mod journal;
mod logons;
mod neighbour;
mod pattern;
mod pending;
mod posture;
mod precursor;
mod relay;
mod single;
#[cfg(test)]
mod story;
mod suspects;
#[cfg(test)]
mod tests;
mod ticket;
mod told;
mod window;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::catalog::Catalog;
use crate::event::{
    Alert, Claim, Finding, FlowMeta, HostRoles, IdentityChange, Incident, Knowledge, Level,
    PostureReport, Seen, Sighting, Signature, Source,
};
use crate::net::{Addr, Direction, HomeNets};
use crate::time::Timestamp;

use action::{FollowUps, LdapWrites, RpcEnrolment, WebEnrolment};
use bounds::Bounds;
pub use bounds::{Cost, costs};
use callback::Callbacks;
pub use case::Case;
use chain::Chains;
use coercion::Coercion;
use identity::Identity;
use incident::{Incidents, News};
use logons::Logons;
use neighbour::Neighbours;
use pattern::{Context, Evicted, Pattern};
use posture::Postures;
use relay::Relays;
use single::Singles;
use suspects::Suspects;
use ticket::Tickets;

/// Says which rules match a finding. Implemented over the rule set, outside.
pub trait Judge {
    /// Appends the signatures of the rules that match.
    fn judge(&mut self, finding: &Finding, hits: &mut Vec<Arc<Signature>>);
}

/// What the correlator hands on.
#[derive(Debug)]
pub enum Verdict {
    /// A detector's conclusion, before rules, and its incident: 0 if no rule matched.
    Finding(Box<Case>, u64),
    /// A rule matched and the incident had not heard of it yet.
    Alert(Box<Alert>),
    /// An incident changed or closed.
    Incident(Box<Incident>),
    /// Who is who changed.
    Identity(Box<IdentityChange>),
    /// A host has a weakness: told once a day, and at the end.
    Posture(Box<PostureReport>),
}

/// Keys come off the wire: the seed is this process's own, so that nobody can make them fall together.
type Map<K, V> = std::collections::HashMap<K, V, foldhash::quality::RandomState>;

/// What an operator told the sensor about the network.
#[derive(Clone, Debug)]
pub struct Declared {
    /// Devices that pass connections on: proxies, load balancers.
    pub forwarders: Vec<IpAddr>,
    /// Hosts with their addresses and roles.
    pub hosts: Vec<DeclaredHost>,
    /// Networks of the organisation.
    pub home_nets: HomeNets,
    /// Packet time from the first packet on during which what is *missing* counts less.
    pub learning: Duration,
}

/// A host that the operator knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeclaredHost {
    /// Its name, short or full.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// What it does.
    pub roles: HostRoles,
}

impl Default for Declared {
    fn default() -> Self {
        Self {
            forwarders: Vec::new(),
            hosts: Vec::new(),
            home_nets: HomeNets::default(),
            learning: Duration::from_secs(24 * 3600),
        }
    }
}

/// Counters of the correlator, for `sensor` events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Sightings taken.
    pub sightings: u64,
    /// Findings made.
    pub findings: u64,
    /// Alerts written.
    pub alerts: u64,
    /// Findings that repeated something already told.
    pub repeats: u64,
    /// Incidents opened.
    pub incidents: u64,
    /// Exchanges forgotten because a limit was met.
    pub exchanges_evicted: u64,
    /// Detections, calls and actions forgotten or left out because a limit was met.
    pub pending_evicted: u64,
    /// What hosts lost of their own because they did more than is kept of one host; others lost nothing by it.
    pub gave_way: u64,
    /// Names, addresses, habits and what was told, forgotten because a limit was met.
    pub identities_evicted: u64,
    /// Addresses known.
    pub identities: u64,
    /// Weaknesses of hosts that there was no room for.
    pub postures_evicted: u64,
    /// Incidents closed because a limit was met.
    pub incidents_evicted: u64,
}

/// All cross-flow state.
#[derive(Debug)]
pub struct Correlator {
    catalog: Arc<Catalog>,
    identity: Identity,
    suspects: Suspects,
    logons: Logons,
    /// In the order in which they look at a sighting.
    patterns: Vec<Box<dyn Pattern>>,
    incidents: Incidents,
    postures: Postures,
    counters: Counters,
    /// Packets lost by the sensor so far, shown in alerts.
    drops: u64,
    cases: Vec<Case>,
    settled: Vec<Case>,
    hits: Vec<Arc<Signature>>,
}

impl Correlator {
    /// An empty one.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>, declared: &Declared) -> Self {
        Self {
            catalog,
            identity: declared_identity(declared),
            suspects: Suspects::default(),
            logons: Logons::default(),
            patterns: vec![
                Box::new(Relays::new(declared)),
                Box::new(Singles::new(declared)),
                Box::new(Tickets::new(declared)),
                Box::new(WebEnrolment::default()),
                Box::new(RpcEnrolment::default()),
                Box::new(LdapWrites::default()),
                Box::new(Neighbours::default()),
                Box::new(FollowUps::default()),
                Box::new(Coercion::default()),
                Box::new(Callbacks::default()),
                Box::new(Chains::default()),
                Box::new(precursor::Marshalled::default()),
                Box::new(precursor::Poisoning::default()),
                Box::new(precursor::Rogue::default()),
                Box::new(precursor::RogueServer::default()),
                Box::new(precursor::WebDav::default()),
                Box::new(precursor::Recon::default()),
            ],
            incidents: Incidents::default(),
            postures: Postures::default(),
            counters: Counters::default(),
            drops: 0,
            cases: Vec::new(),
            settled: Vec::new(),
            hits: Vec::new(),
        }
    }

    /// Uses at most about so many bytes. To be said before the first sighting.
    #[must_use]
    pub fn within(mut self, bytes: u64) -> Self {
        self.limit(&Bounds::of(bytes));
        self
    }

    fn limit(&mut self, bounds: &Bounds) {
        self.identity.limit(bounds);
        self.postures.limit(bounds);
        self.suspects.limit(bounds);
        self.logons.limit(bounds);
        self.incidents.limit(bounds);
        for pattern in &mut self.patterns {
            pattern.limit(bounds);
        }
    }

    /// Takes the next sighting in capture order.
    pub fn sighting(&mut self, s: &Sighting, judge: &mut dyn Judge, out: &mut Vec<Verdict>) {
        self.counters.sightings += 1;
        self.advance(s.ts, judge, out);
        if let Seen::RuleHit { signature, .. } = &s.seen {
            let case = Case::of_event(s);
            let alert = case.alert(signature, 0, self.drops);
            self.counters.alerts += 1;
            out.push(Verdict::Alert(Box::new(alert)));
            return;
        }
        self.logons.note(s);
        self.each(|pattern, cx, cases| pattern.sighting(s, cx, cases));
        self.postures.sighting(s, &self.identity);
        self.learn(s);
        self.settle(judge, out);
        self.changes(out);
    }

    fn changes(&mut self, out: &mut Vec<Verdict>) {
        let changes = self.identity.changes();
        out.extend(changes.map(|c| Verdict::Identity(Box::new(c))));
    }

    /// Everything worth keeping across a restart.
    #[must_use]
    pub fn knowledge(&self) -> Knowledge {
        let mut all = Knowledge::default();
        self.identity.snapshot(&mut all);
        self.postures.snapshot(&mut all);
        for pattern in &self.patterns {
            pattern.snapshot(&mut all);
        }
        all
    }

    /// Takes up what an earlier run knew. Before the first sighting.
    pub fn restore(&mut self, known: &Knowledge) {
        self.identity.restore(known);
        self.postures.restore(known);
        for pattern in &mut self.patterns {
            pattern.restore(known);
        }
    }

    /// Tells the time: what waited for an answer until now is concluded, idle incidents close.
    pub fn advance(&mut self, now: Timestamp, judge: &mut dyn Judge, out: &mut Vec<Verdict>) {
        // One after the other: what an earlier pattern concludes may explain what a later one waits for.
        for at in 0..self.patterns.len() {
            self.one(at, |pattern, cx, cases| pattern.advance(now, cx, cases));
            self.settle(judge, out);
        }
        self.incidents.advance(now, out);
        self.identity.advance(now);
        self.changes(out);
        self.postures.advance(now, &self.identity, out);
    }

    /// The end of the capture: everything open is concluded and written.
    pub fn finish(&mut self, now: Timestamp, judge: &mut dyn Judge, out: &mut Vec<Verdict>) {
        for at in 0..self.patterns.len() {
            self.one(at, |pattern, cx, cases| pattern.finish(now, cx, cases));
            self.settle(judge, out);
        }
        self.incidents.finish(now, out);
        self.postures.finish(now, &self.identity, out);
    }

    /// Weaknesses of hosts, in the order in which they are worth mending.
    #[must_use]
    pub fn postures(&self) -> Vec<PostureReport> {
        self.postures.reports(Timestamp::ZERO, &self.identity)
    }

    /// Incidents that are open now.
    pub fn open_incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.open()
    }

    /// Packets the sensor has lost so far.
    pub fn set_drops(&mut self, drops: u64) {
        self.drops = drops;
    }

    /// Counters.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let gone = self.evicted();
        Counters {
            exchanges_evicted: gone.exchanges,
            pending_evicted: gone.pending,
            gave_way: gone.own,
            identities_evicted: self.identity.evicted() + gone.known,
            identities: self.identity.len() as u64,
            postures_evicted: self.postures.evicted(),
            incidents_evicted: self.incidents.evicted(),
            incidents: self.incidents.opened(),
            ..self.counters
        }
    }

    fn evicted(&self) -> Evicted {
        let all: Evicted = self.patterns.iter().map(|p| p.evicted()).sum();
        let shared = Evicted {
            pending: self.suspects.evicted() + self.logons.evicted(),
            own: self.suspects.gave_way() + self.logons.gave_way(),
            ..Evicted::default()
        };
        all + shared
    }

    /// State that was evicted so far and that findings may miss.
    fn lost(&self) -> u64 {
        let gone = self.evicted();
        gone.exchanges + gone.pending + self.identity.evicted()
    }

    fn each(&mut self, mut run: impl FnMut(&mut dyn Pattern, &Context<'_>, &mut Vec<Case>)) {
        for at in 0..self.patterns.len() {
            self.one(at, &mut run);
        }
    }

    fn one(&mut self, at: usize, run: impl FnOnce(&mut dyn Pattern, &Context<'_>, &mut Vec<Case>)) {
        let cx = Context {
            catalog: &self.catalog,
            identity: &self.identity,
            suspects: &self.suspects,
            logons: &self.logons,
        };
        if let Some(pattern) = self.patterns.get_mut(at) {
            run(pattern.as_mut(), &cx, &mut self.cases);
        }
    }

    /// Judges the cases that were just concluded and tells their incidents. A pattern may conclude more
    /// from what it hears; it hears every case once, and of each it made itself as well.
    ///
    /// A call whose callback is concluded from it is told with the callback, not beside it, if that is
    /// at least as loud.
    fn settle(&mut self, judge: &mut dyn Judge, out: &mut Vec<Verdict>) {
        if self.cases.is_empty() {
            return;
        }
        let mut held_back = Vec::new();
        while !self.cases.is_empty() {
            let mut settled = std::mem::take(&mut self.settled);
            std::mem::swap(&mut settled, &mut self.cases);
            for case in &settled {
                self.suspects.note(case);
            }
            for case in settled.drain(..) {
                let before = self.cases.len();
                self.each(|pattern, cx, cases| pattern.concluded(&case, cx, cases));
                let level = self.judge(&case, judge);
                let holder = self
                    .cases
                    .iter()
                    .skip(before)
                    .find(|c| c.holds(&case))
                    .cloned();
                if holder.is_some_and(|h| {
                    level > Some(Level::Informational) && self.judge(&h, judge) >= level
                }) {
                    held_back.push(case);
                } else {
                    self.judge(&case, judge);
                    let loud = !case.finding.quiet;
                    self.tell(case, loud, out);
                }
            }
            self.settled = settled;
        }
        for case in held_back {
            self.judge(&case, judge);
            self.tell(case, false, out);
        }
    }

    /// Leaves the rules that match in `hits`, and says the highest level.
    fn judge(&mut self, case: &Case, judge: &mut dyn Judge) -> Option<Level> {
        self.hits.clear();
        judge.judge(&case.finding, &mut self.hits);
        self.hits.iter().map(|s| s.level).max()
    }

    /// Adds the case to its incident, and alerts if it is `loud`.
    fn tell(&mut self, case: Case, loud: bool, out: &mut Vec<Verdict>) {
        self.counters.findings += 1;
        let mut incident_id = 0;
        if !self.hits.is_empty() {
            let news = News {
                case: &case,
                hits: &self.hits,
                loud,
                drops: self.drops,
                evicted: self.lost(),
            };
            let told;
            (told, incident_id) = self.incidents.join(news, &self.identity, out);
            self.counters.alerts += told;
            self.counters.repeats += u64::from(told == 0);
        }
        out.push(Verdict::Finding(Box::new(case), incident_id));
    }

    /// Remembers who said to be whom.
    fn learn(&mut self, s: &Sighting) {
        let (client, server) = (s.flow.client.addr, s.flow.server.addr);
        // A client may call an address where nobody is; what answers is there.
        self.identity.seen(client, s.ts);
        if s.direction == Direction::ToClient {
            self.identity.seen(server, s.ts);
        }
        let mut ntlm = |addr, names: Vec<String>, server| {
            let claim = Claim {
                addr,
                names,
                source: Source::Ntlm,
                server,
                ..Claim::default()
            };
            self.identity.learn(&claim, s.ts);
        };
        match &s.seen {
            Seen::Challenge {
                nb_computer,
                dns_computer,
                ..
            } => ntlm(server, named([dns_computer, nb_computer]), true),
            Seen::Authenticate(auth) => {
                let machine = identity::machine_name(&auth.user).unwrap_or_default();
                ntlm(client, named([&auth.workstation, &machine]), false);
            }
            Seen::Claim(claim) => self.identity.learn(claim, s.ts),
            _ => {}
        }
    }
}

/// Names as claims carry them: lower case, without backslashes, none empty.
fn named(names: [&str; 2]) -> Vec<String> {
    names
        .into_iter()
        .map(|name| name.trim_matches('\\').to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .collect()
}

/// What the operator declared, known before the first packet.
fn declared_identity(declared: &Declared) -> Identity {
    let mut identity = Identity::new(declared.learning);
    for host in &declared.hosts {
        for address in &host.addresses {
            let claim = Claim {
                addr: Addr::from(*address),
                names: named([&host.name, ""]),
                source: Source::Declared,
                server: true,
                roles: host.roles,
                ..Claim::default()
            };
            identity.declare(&claim);
        }
    }
    identity
}

/// True if the flow's ends are the same host: seen on a mirrored loopback, never a relay.
fn loops_back(flow: &FlowMeta) -> bool {
    flow.client.addr == flow.server.addr || flow.client.addr.is_loopback()
}

/// An address as evidence sentences name it.
fn host(addr: Addr) -> String {
    addr.to_string()
}
