//! RW-15: web enrolment of AD CS with an authentication that is not the client's own.

use std::sync::Arc;
use std::time::Duration;

use crate::correlate::Case;
use crate::correlate::bounds::{Bounds, Kind};
use crate::correlate::fair::Fair;
use crate::correlate::identity::{Owner, machine_name};
use crate::correlate::pattern::{Context, Evicted, Pattern};
use crate::correlate::pending::Pending;
use crate::correlate::suspects::Suspicion;
use crate::correlate::told::Told;
use crate::event::{
    Authenticate, Finding, FlowMeta, HostRole, Leg, LegRole, NtlmEvidence, Seen, Sighting,
};
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;

/// An enrolment request on a flow that is not (yet) suspect.
#[derive(Clone, Debug)]
struct Request {
    method: String,
    uri: String,
    flow: FlowMeta,
    ts: Timestamp,
    pcap_cnt: u64,
}

/// State of RW-15.
#[derive(Debug)]
pub(in crate::correlate) struct WebEnrolment {
    requests: Fair<u64, Request>,
    /// Flows that were reported.
    told: Told,
    /// Machine accounts at /certsrv, without relay evidence so far.
    lone: Pending<Case>,
}

impl Default for WebEnrolment {
    fn default() -> Self {
        Self {
            requests: Fair::new(limits::INCIDENTS, Duration::from_secs(limits::RELAY_SECS)),
            told: Told::new(Duration::from_secs(limits::INCIDENT_IDLE_SECS)),
            lone: Pending::new(Duration::from_millis(limits::ANSWER_MILLIS)),
        }
    }
}

impl Pattern for WebEnrolment {
    fn sighting(&mut self, s: &Sighting, cx: &Context<'_>, out: &mut Vec<Case>) {
        match &s.seen {
            Seen::Request { method, uri } => {
                let request = Request {
                    method: method.clone(),
                    uri: uri.clone(),
                    flow: s.flow,
                    ts: s.ts,
                    pcap_cnt: s.key.number,
                };
                match cx.suspects.get(s.flow.flow_id) {
                    Some(suspicion) => self.tell(suspicion, &request, out),
                    None => {
                        let client = s.flow.client.addr;
                        self.requests.insert(client, s.flow.flow_id, request, s.ts);
                    }
                }
            }
            Seen::Authenticate(auth) => self.machine_account(s, auth, cx),
            _ => {}
        }
    }

    fn concluded(&mut self, case: &Case, cx: &Context<'_>, out: &mut Vec<Case>) {
        let flow = case.flow.flow_id;
        if let Some(suspicion) = cx.suspects.get(flow)
            && let Some(request) = self.requests.remove(&flow)
        {
            self.tell(suspicion, &request, out);
        }
    }

    fn advance(&mut self, now: Timestamp, cx: &Context<'_>, out: &mut Vec<Case>) {
        while let Some(lone) = self.lone.pop(Some(now)) {
            settle(lone, cx, out);
        }
    }

    fn finish(&mut self, _: Timestamp, cx: &Context<'_>, out: &mut Vec<Case>) {
        while let Some(lone) = self.lone.pop(None) {
            settle(lone, cx, out);
        }
    }

    fn limit(&mut self, bounds: &Bounds) {
        self.requests.limit(bounds.most(Kind::Led));
        self.told.limit(bounds);
        self.lone.limit(bounds.most(Kind::Waiting));
    }

    fn evicted(&self) -> Evicted {
        let requests = Evicted {
            pending: self.requests.evicted() + self.lone.evicted(),
            own: self.requests.gave_way(),
            ..Evicted::default()
        };
        requests + self.told.evicted()
    }
}

impl WebEnrolment {
    /// Once a flow.
    fn tell(&mut self, suspicion: &Suspicion, request: &Request, out: &mut Vec<Case>) {
        let flow = request.flow.flow_id;
        let client = request.flow.client.addr;
        if self.told.first(client, flow, request.ts) {
            out.push(relayed(suspicion, request));
        }
    }

    /// A machine account at /certsrv that is not known to be elsewhere: weak, so it waits whether a
    /// relay explains it. From its own address it is the machine itself.
    fn machine_account(&mut self, s: &Sighting, auth: &Authenticate, cx: &Context<'_>) {
        let Some(name) = machine_name(&auth.user) else {
            return;
        };
        let owner = cx.identity.owner(s.flow.client.addr, &name, s.ts);
        if matches!(owner, Owner::Itself(_)) {
            return;
        }
        if let Some(request) = self.requests.get(&s.flow.flow_id) {
            let case = lone(s, auth, request, cx);
            self.lone.push(s.flow.client.addr, case, s.ts);
        }
    }
}

impl Request {
    fn leg(&self) -> Leg {
        Leg {
            role: LegRole::Action,
            flow: self.flow,
            pcap_cnt: self.pcap_cnt,
            ts: self.ts,
        }
    }
}

fn settle(lone: Case, cx: &Context<'_>, out: &mut Vec<Case>) {
    if cx.suspects.get(lone.flow.flow_id).is_none() {
        out.push(lone);
    }
}

/// On the target's leg of a relay, or on the one leg of it that was seen.
fn relayed(suspicion: &Suspicion, request: &Request) -> Case {
    let relay = &suspicion.finding;
    let finding = Finding {
        detector: "RW-15",
        kind: "action",
        uri: request.uri.clone(),
        http_method: request.method.clone(),
        ..Finding::clone(relay)
    };
    let mut legs = suspicion.legs.clone();
    legs.push(request.leg());
    let evidence = vec![format!(
        "{} {} was asked of {} with the relayed authentication of {}",
        request.method, request.uri, request.flow.server.addr, relay.user
    )];
    Case {
        finding: Arc::new(finding),
        ts: request.ts.max(suspicion.ts),
        pcap_cnt: request.pcap_cnt,
        flow: request.flow,
        legs,
        rpc: None,
        ntlm: suspicion.ntlm.clone(),
        evidence,
    }
}

/// Without relay evidence.
fn lone(s: &Sighting, auth: &Authenticate, request: &Request, cx: &Context<'_>) -> Case {
    let (client, server): (Addr, Addr) = (s.flow.client.addr, s.flow.server.addr);
    let finding = Finding {
        detector: "RW-15",
        kind: "action",
        confidence: "low",
        outcome: "unknown",
        victim: Some(client),
        target: Some(server),
        target_protocol: auth.carrier.name(),
        user: auth.user.clone(),
        domain: auth.domain.clone(),
        machine_account: true,
        learning: cx.identity.is_learning(s.ts),
        attacker_admin: cx.identity.roles(client).has(HostRole::Admin),
        uri: request.uri.clone(),
        http_method: request.method.clone(),
        ..Finding::default()
    };
    let evidence = vec![
        format!(
            "machine account {} authenticated at {} of {server} from {client}",
            auth.user, request.uri
        ),
        "no relay was seen; which addresses belong to the account is not known".to_owned(),
    ];
    Case {
        finding: Arc::new(finding),
        ts: s.ts,
        pcap_cnt: s.key.number,
        flow: s.flow,
        legs: vec![request.leg()],
        rpc: None,
        ntlm: Some(NtlmEvidence::of(auth)),
        evidence,
    }
}
