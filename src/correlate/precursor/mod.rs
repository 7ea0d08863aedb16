//! What comes before a relay: RW-11 and RW-19 to RW-23.
//!
//! Each is told with the addresses of victim and listener where they are known, so that it joins the incident
//! of the relay that follows. What a relay or a callback already tells is told more quietly (`explained`): a
//! finding that a stronger one may explain waits in [`Waiting`].

mod marshalled;
mod poisoning;
mod recon;
mod rogue;
mod server;
#[cfg(test)]
mod tests;
mod webdav;

pub(super) use marshalled::Marshalled;
pub(super) use poisoning::Poisoning;
pub(super) use recon::Recon;
pub(super) use rogue::Rogue;
pub(super) use server::RogueServer;
pub(super) use webdav::WebDav;

use std::sync::Arc;
use std::time::Duration;

use super::Case;
use super::bounds::{Bounds, Kind};
use super::pattern::{Context, Evicted};
use super::pending::Pending;
use super::window::Recent;
use crate::event::{Finding, HostRole, Leg, LegRole, Sighting};
use crate::limits;
use crate::net::{Addr, Direction};
use crate::time::Timestamp;

/// Who sent what the sighting is of, and to whom.
fn ends(s: &Sighting) -> (Addr, Addr) {
    let (client, server) = (s.flow.client.addr, s.flow.server.addr);
    match s.direction {
        Direction::ToServer => (client, server),
        Direction::ToClient => (server, client),
    }
}

/// An address of one host: neither multicast, broadcast nor none.
fn unicast(addr: Addr) -> Option<Addr> {
    let group = match addr.ip() {
        std::net::IpAddr::V4(ip) => {
            ip.is_multicast() || ip.is_broadcast() || ip.is_unspecified() || ip.octets()[3] == 255
        }
        std::net::IpAddr::V6(ip) => ip.is_multicast() || ip.is_unspecified(),
    };
    (!group).then_some(addr)
}

/// What every finding of this folder has in common.
fn finding(
    detector: &'static str,
    kind: &'static str,
    test: &'static str,
    s: &Sighting,
    cx: &Context<'_>,
) -> Finding {
    Finding {
        detector,
        kind,
        test,
        confidence: "medium",
        outcome: "attempt",
        learning: cx.identity.is_learning(s.ts),
        ..Finding::default()
    }
}

fn case(
    mut finding: Finding,
    role: LegRole,
    s: &Sighting,
    cx: &Context<'_>,
    evidence: Vec<String>,
) -> Case {
    let roles = |addr: Option<Addr>| addr.map(|a| cx.identity.roles(a)).unwrap_or_default();
    finding.victim_tier0 = roles(finding.victim).is_tier0();
    finding.attacker_admin = roles(finding.attacker).has(HostRole::Admin);
    Case {
        finding: Arc::new(finding),
        ts: s.ts,
        pcap_cnt: s.key.number,
        flow: s.flow,
        legs: vec![Leg {
            role,
            flow: s.flow,
            pcap_cnt: s.key.number,
            ts: s.ts,
        }],
        rpc: None,
        ntlm: None,
        evidence,
    }
}

/// Findings that wait whether a relay, a callback or a coercion says it better, oldest first.
#[derive(Debug)]
struct Waiting {
    cases: Pending<Case>,
    /// Hosts that a stronger finding names in the part that this detector asks for.
    explained: Recent<Addr, ()>,
}

impl Waiting {
    fn new(wait: Duration) -> Self {
        let idle = Duration::from_secs(limits::INCIDENT_IDLE_SECS);
        Self {
            cases: Pending::new(wait),
            explained: Recent::new(limits::INCIDENTS, idle),
        }
    }

    fn limit(&mut self, bounds: &Bounds) {
        self.cases.limit(bounds.most(Kind::Waiting));
        self.explained.limit(bounds.most(Kind::Told));
    }

    fn push(&mut self, case: Case) {
        let (client, ts) = (case.flow.client.addr, case.ts);
        self.cases.push(client, case, ts);
    }

    fn evicted(&self) -> Evicted {
        Evicted {
            pending: self.cases.evicted(),
            known: self.explained.evicted(),
            ..Evicted::default()
        }
    }

    fn explain(&mut self, who: Option<Addr>, now: Timestamp) {
        if let Some(who) = who {
            self.explained.insert(who, (), now);
        }
    }

    /// Concludes what has waited until `now`, or everything; `who` says which host explains a finding.
    fn conclude(
        &mut self,
        now: Option<Timestamp>,
        who: fn(&Finding) -> Option<Addr>,
        out: &mut Vec<Case>,
    ) {
        while let Some(mut case) = self.cases.pop(now) {
            let explained = who(&case.finding).is_some_and(|a| self.explained.get(&a).is_some());
            let finding = Arc::make_mut(&mut case.finding);
            finding.explained = explained;
            // Whose tool it is belongs to the story that the relay or callback tells.
            finding.quiet = explained && finding.detector == "RW-19";
            out.push(case);
        }
    }
}

/// Findings that tell of an authentication at a listener. That a web server shows a user another host's challenge is told,
/// if at all, so quietly that it must hide nothing.
fn tells_of_listener(f: &Finding) -> bool {
    let users_web = f.detector == "RW-04" && f.victim_protocol == "http" && !f.machine_account;
    matches!(
        f.detector,
        "RW-01" | "RW-02" | "RW-03" | "RW-04" | "RW-05" | "RW-08" | "RW-09" | "RW-12" | "RW-13"
    ) && !f.forwarded
        && !users_web
}
