//! RW-03, RW-04, RW-05, RW-12 and RW-18: a relay of which one leg is enough.
//!
//! They work when the other leg is inside TLS or passes another switch, so each rests on what one
//! exchange says against what is known of hosts ([`Identity`](super::identity::Identity)), and each
//! looks *before* the exchange is learned from. A finding waits 500 ms: when both legs turn up, the
//! relay itself is told (RW-01, RW-02), or the device that passed the connection on explains it.

mod account;
mod challenge_name;
mod reflection;
mod tampering;
mod target_name;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use super::bounds::{Bounds, Kind};
use super::fair::Fair;
use super::identity::machine_name;
use super::pattern::{Context, Evicted, Pattern};
use super::pending::Pending;
use super::{Case, Declared, loops_back};
use crate::event::{Authenticate, Carrier, Finding, Leg, LegRole, NtlmEvidence, Seen, Sighting};
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;

/// What an exchange said before its AUTHENTICATE.
#[derive(Clone, Debug, Default)]
struct Before {
    negotiate_flags: Option<u32>,
    challenge_flags: Option<u32>,
    /// MsvAvDnsComputerName, or else the NetBIOS name: whose challenge it was.
    challenger: String,
}

/// A conclusion that waits whether something better explains it.
#[derive(Debug)]
struct Waiting {
    session: u64,
    case: Case,
}

/// State of the detectors of one leg.
#[derive(Debug)]
pub(super) struct Singles {
    before: Fair<(u64, u64), Before>,
    waiting: Pending<Waiting>,
    /// Flows that are legs of a relay seen whole, or of a connection that a device passed on.
    explained: Fair<u64, Arc<Finding>>,
    forwarders: Vec<Addr>,
}

impl Singles {
    pub(super) fn new(declared: &Declared) -> Self {
        let window = Duration::from_secs(limits::RELAY_SECS);
        Self {
            before: Fair::new(limits::EXCHANGES, window),
            waiting: Pending::new(Duration::from_millis(limits::ANSWER_MILLIS)),
            explained: Fair::new(limits::EXCHANGES, window),
            forwarders: declared
                .forwarders
                .iter()
                .map(|ip| Addr::from(*ip))
                .collect(),
        }
    }

    fn authenticate(&mut self, s: &Sighting, auth: &Authenticate, cx: &Context<'_>) {
        let before = self
            .before
            .get(&(s.flow.flow_id, auth.session))
            .cloned()
            .unwrap_or_default();
        let exchange = Exchange {
            s,
            auth,
            before: &before,
            cx,
        };
        let found = [
            target_name::test(&exchange),
            challenge_name::test(&exchange),
            account::test(&exchange),
            tampering::test(&exchange),
            reflection::test(&exchange),
        ];
        for case in found.into_iter().flatten() {
            let session = auth.session;
            let waiting = Waiting { session, case };
            self.waiting.push(s.flow.client.addr, waiting, s.ts);
        }
    }

    /// The target said whether it takes the authentication.
    fn result(&mut self, s: &Sighting, session: u64, success: bool) {
        let outcome = if success { "success" } else { "failure" };
        let mine = |w: &&mut Waiting| {
            w.case.flow.flow_id == s.flow.flow_id
                && w.session == session
                && w.case.finding.outcome == "unknown"
        };
        for waiting in self.waiting.iter_mut().filter(mine) {
            let finding = Arc::make_mut(&mut waiting.case.finding);
            finding.outcome = outcome;
            let server = s.flow.server.addr;
            let verb = if success { "accepted" } else { "refused" };
            waiting.case.evidence.push(format!("{server} {verb} it"));
        }
    }

    fn conclude(&self, waiting: Waiting, out: &mut Vec<Case>) {
        let flow = waiting.case.flow.flow_id;
        let mut case = waiting.case;
        if let Some(relay) = self.explained.get(&flow) {
            // What a missing code and reflection add is not said by the relay itself; flags are compared there.
            let pair = (case.finding.detector, case.finding.test);
            let says_all = matches!(pair, ("RW-03" | "RW-04" | "RW-05", _) | ("RW-18", "flags"));
            // A relay that may be no relay does not tell the story.
            if relay.forwarded || (says_all && !relay.forwarding_unknown) {
                return;
            }
            let finding = Arc::make_mut(&mut case.finding);
            finding.attacker = relay.attacker;
            finding.victim = relay.victim;
            finding.victim_tier0 = relay.victim_tier0;
            finding.listener = relay.listener;
            finding.target = relay.target;
            finding.victim_protocol = relay.victim_protocol;
            finding.target_protocol = relay.target_protocol;
        }
        out.push(case);
    }
}

impl Pattern for Singles {
    fn sighting(&mut self, s: &Sighting, cx: &Context<'_>, _: &mut Vec<Case>) {
        if loops_back(&s.flow)
            || self.forwarders.contains(&s.flow.client.addr)
            || self.forwarders.contains(&s.flow.server.addr)
        {
            return;
        }
        match &s.seen {
            Seen::Negotiate { session, flags, .. } => {
                let before = Before {
                    negotiate_flags: Some(*flags),
                    ..Before::default()
                };
                let key = (s.flow.flow_id, *session);
                self.before.insert(s.flow.client.addr, key, before, s.ts);
            }
            Seen::Challenge {
                session,
                flags,
                nb_computer,
                dns_computer,
                ..
            } => {
                let key = (s.flow.flow_id, *session);
                // An SMB session id is known from the server's first answer on.
                let first = self
                    .before
                    .remove(&key)
                    .or_else(|| self.before.remove(&(key.0, 0)));
                let full = Some(dns_computer).filter(|n| !n.is_empty());
                let before = Before {
                    challenge_flags: Some(*flags),
                    challenger: full.unwrap_or(nb_computer).to_ascii_lowercase(),
                    ..first.unwrap_or_default()
                };
                self.before.insert(s.flow.client.addr, key, before, s.ts);
            }
            Seen::Authenticate(auth) if !auth.anonymous => self.authenticate(s, auth, cx),
            Seen::AuthResult {
                session, success, ..
            } => self.result(s, *session, *success),
            _ => {}
        }
    }

    fn concluded(&mut self, case: &Case, cx: &Context<'_>, out: &mut Vec<Case>) {
        if !matches!(case.finding.detector, "RW-01" | "RW-02") {
            return;
        }
        for leg in &case.legs {
            let relay = Arc::clone(&case.finding);
            let client = leg.flow.client.addr;
            self.explained
                .insert(client, leg.flow.flow_id, relay, case.ts);
        }
        out.extend(reflection::of_relay(case, cx));
    }

    fn advance(&mut self, now: Timestamp, _: &Context<'_>, out: &mut Vec<Case>) {
        while let Some(waiting) = self.waiting.pop(Some(now)) {
            self.conclude(waiting, out);
        }
    }

    fn finish(&mut self, _: Timestamp, _: &Context<'_>, out: &mut Vec<Case>) {
        while let Some(waiting) = self.waiting.pop(None) {
            self.conclude(waiting, out);
        }
    }

    fn limit(&mut self, bounds: &Bounds) {
        self.before.limit(bounds.most(Kind::Before));
        self.waiting.limit(bounds.most(Kind::Waiting));
        self.explained.limit(bounds.most(Kind::Explained));
    }

    fn evicted(&self) -> Evicted {
        Evicted {
            pending: self.before.evicted() + self.waiting.evicted() + self.explained.evicted(),
            own: self.before.gave_way() + self.explained.gave_way(),
            ..Evicted::default()
        }
    }
}

/// One AUTHENTICATE with everything a test may look at.
#[derive(Clone, Copy)]
struct Exchange<'a> {
    s: &'a Sighting,
    auth: &'a Authenticate,
    before: &'a Before,
    cx: &'a Context<'a>,
}

impl Exchange<'_> {
    fn client(&self) -> Addr {
        self.s.flow.client.addr
    }

    fn server(&self) -> Addr {
        self.s.flow.server.addr
    }

    /// Addresses of the machine whose account it is; none for a user's or an unknown machine's.
    fn account_addresses(&self) -> Vec<Addr> {
        machine_name(&self.auth.user)
            .map(|name| self.cx.identity.addresses(&name, self.s.ts))
            .unwrap_or_default()
    }

    /// The part of a finding that is the same for every test. Roles are those of a target's leg.
    fn finding(&self, detector: &'static str) -> Finding {
        let (client, server) = (self.client(), self.server());
        let victim = self.account_addresses().first().copied();
        let roles = |addr| self.cx.identity.roles(addr);
        Finding {
            detector,
            kind: "relay",
            confidence: "medium",
            outcome: "unknown",
            attacker: Some(client),
            listener: Some(client),
            target: Some(server),
            victim,
            target_protocol: self.auth.carrier.name(),
            user: self.auth.user.clone(),
            domain: self.auth.domain.clone(),
            machine_account: self.auth.user.ends_with('$'),
            target_name: self.auth.target_name.clone(),
            learning: self.cx.identity.is_learning(self.s.ts),
            victim_tier0: victim.is_some_and(|v| roles(v).is_tier0()),
            target_tier0: roles(server).is_tier0(),
            attacker_admin: roles(client).has(crate::event::HostRole::Admin),
            ..Finding::default()
        }
    }

    fn case(&self, role: LegRole, finding: Finding, evidence: Vec<String>) -> Case {
        let leg = Leg {
            role,
            flow: self.s.flow,
            pcap_cnt: self.s.key.number,
            ts: self.s.ts,
        };
        Case {
            finding: Arc::new(finding),
            ts: self.s.ts,
            pcap_cnt: self.s.key.number,
            flow: self.s.flow,
            legs: vec![leg],
            rpc: None,
            ntlm: Some(NtlmEvidence::of(self.auth)),
            evidence,
        }
    }

    /// Who authenticated where, for evidence.
    fn sentence(&self) -> String {
        format!(
            "{} authenticated as {}\\{} at {} ({})",
            self.client(),
            self.auth.domain,
            self.auth.user,
            self.s.flow.server,
            self.auth.carrier.name()
        )
    }
}

/// Service classes that clients use for a protocol; [MS-NLMP] leaves them to the application. `None` if
/// the class says nothing.
fn service_fits(class: &str, carrier: Carrier) -> Option<bool> {
    let class = class.to_ascii_lowercase();
    let usual: &[&str] = match carrier {
        Carrier::Smb => &["cifs"],
        Carrier::Http => &["http"],
        Carrier::Ldap => &["ldap", "gc"],
        _ => return None,
    };
    // "host" stands for all of them; others are applications' own.
    match class.as_str() {
        "cifs" | "http" | "ldap" | "gc" => Some(usual.contains(&class.as_str())),
        _ => None,
    }
}
