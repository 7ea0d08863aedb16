//! The one place that sees every flow: joins sightings into findings, and findings into incidents.
//!
//! Sightings come in capture order, whatever the number of workers. A detector turns them into a
//! [`Finding`]; a [`Judge`] (the rules, which this module does not know) says what that is worth;
//! [`incident`] keeps one story per victim and listener. Time is the packets' own.

mod case;
mod coercion;
mod incident;
mod names;
mod relay;
#[cfg(test)]
mod tests;
mod window;

use std::net::IpAddr;
use std::sync::Arc;

use crate::catalog::Catalog;
use crate::event::{Alert, Finding, FlowMeta, Incident, Seen, Sighting, Signature};
use crate::net::Addr;
use crate::time::Timestamp;

pub use case::Case;
use coercion::Coercion;
use incident::Incidents;
use names::Names;
use relay::Relays;

/// Says which rules match a finding. Implemented over the rule set, outside.
pub trait Judge {
    /// Appends the signatures of the rules that match.
    fn judge(&mut self, finding: &Finding, hits: &mut Vec<Arc<Signature>>);
}

/// What the correlator hands on.
#[derive(Debug)]
pub enum Verdict {
    /// A detector's conclusion, before rules.
    Finding(Box<Case>),
    /// A rule matched and the incident had not heard of it yet.
    Alert(Box<Alert>),
    /// An incident changed or closed.
    Incident(Box<Incident>),
}

/// What an operator told the sensor about the network.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// Devices that pass connections on: proxies, load balancers.
    pub forwarders: Vec<IpAddr>,
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
    /// Detections closed early because a limit was met.
    pub pending_evicted: u64,
    /// Incidents closed because a limit was met.
    pub incidents_evicted: u64,
}

/// All cross-flow state.
#[derive(Debug)]
pub struct Correlator {
    names: Names,
    relays: Relays,
    coercion: Coercion,
    incidents: Incidents,
    counters: Counters,
    /// Packets lost by the sensor so far, shown in alerts.
    drops: u64,
    cases: Vec<Case>,
    hits: Vec<Arc<Signature>>,
}

impl Correlator {
    /// An empty one.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>, declared: &Declared) -> Self {
        Self {
            names: Names::default(),
            relays: Relays::new(declared),
            coercion: Coercion::new(catalog),
            incidents: Incidents::default(),
            counters: Counters::default(),
            drops: 0,
            cases: Vec::new(),
            hits: Vec::new(),
        }
    }

    /// Takes the next sighting in capture order.
    pub fn sighting(&mut self, s: &Sighting, judge: &mut dyn Judge, out: &mut Vec<Verdict>) {
        self.counters.sightings += 1;
        self.advance(s.ts, judge, out);
        match &s.seen {
            Seen::Challenge {
                nb_computer,
                dns_computer,
                ..
            } => {
                self.names
                    .learn(s.flow.server.addr, [nb_computer, dns_computer], s.ts);
                self.coercion.callback(s);
                self.relays.challenge(s);
            }
            Seen::Authenticate(auth) => {
                self.names
                    .learn_client(s.flow.client.addr, &auth.workstation, s.ts);
                self.relays.authenticate(s, auth);
            }
            Seen::AuthResult {
                session,
                success,
                code,
                ..
            } => self
                .relays
                .result(s, *session, *success, *code, &mut self.cases),
            Seen::Call(call) => self.coercion.call(s, call, &mut self.cases, &self.names),
            Seen::Answer { .. } => self.coercion.answer(s, &mut self.cases, &self.names),
            Seen::Request { method, uri } => {
                self.relays.request(s, method, uri, &mut self.cases);
            }
            Seen::RuleHit(signature) => {
                let case = Case::of_event(s);
                let alert = case.alert(signature, 0, self.drops);
                self.counters.alerts += 1;
                out.push(Verdict::Alert(Box::new(alert)));
            }
        }
        self.settle(judge, out);
    }

    /// Tells the time: what waited for an answer until now is concluded, idle incidents close.
    pub fn advance(&mut self, now: Timestamp, judge: &mut dyn Judge, out: &mut Vec<Verdict>) {
        self.relays.advance(now, &mut self.cases);
        self.coercion.advance(now, &mut self.cases, &self.names);
        self.settle(judge, out);
        self.incidents.advance(now, out);
    }

    /// The end of the capture: everything open is concluded and written.
    pub fn finish(&mut self, now: Timestamp, judge: &mut dyn Judge, out: &mut Vec<Verdict>) {
        self.relays.finish(now, &mut self.cases);
        self.coercion.finish(now, &mut self.cases, &self.names);
        self.settle(judge, out);
        self.incidents.finish(now, out);
    }

    /// Packets the sensor has lost so far.
    pub fn set_drops(&mut self, drops: u64) {
        self.drops = drops;
    }

    /// Counters.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            exchanges_evicted: self.relays.evicted(),
            pending_evicted: self.coercion.evicted(),
            incidents_evicted: self.incidents.evicted(),
            incidents: self.incidents.opened(),
            ..self.counters
        }
    }

    /// Judges the cases that were just concluded and tells their incidents.
    fn settle(&mut self, judge: &mut dyn Judge, out: &mut Vec<Verdict>) {
        for case in self.cases.drain(..) {
            self.counters.findings += 1;
            self.hits.clear();
            judge.judge(&case.finding, &mut self.hits);
            if !self.hits.is_empty() {
                let told = self.incidents.join(&case, &self.hits, self.drops, out);
                self.counters.alerts += told;
                self.counters.repeats += u64::from(told == 0);
            }
            out.push(Verdict::Finding(Box::new(case)));
        }
    }
}

/// True if the flow's ends are the same host: seen on a mirrored loopback, never a relay.
fn loops_back(flow: &FlowMeta) -> bool {
    flow.client.addr == flow.server.addr || flow.client.addr.is_loopback()
}

/// An address as evidence sentences name it.
fn host(addr: Addr) -> String {
    addr.to_string()
}
