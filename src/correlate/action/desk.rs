//! Actions that wait for their answer, and for a relay that explains whose session it is.
//!
//! An action on a relayed session is told with the roles of the relay. It may come before the relay is
//! concluded: it waits as long as the relay detectors do, and is kept for a while after.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::correlate::Case;
use crate::correlate::bounds::{Bounds, Kind};
use crate::correlate::journal::Journal;
use crate::correlate::logons::Logon;
use crate::correlate::pattern::{Context, Evicted, Pattern};
use crate::correlate::pending::Pending;
use crate::correlate::suspects::Suspicion;
use crate::correlate::told::Told;
use crate::event::{Finding, HostRole, Leg, LegRole, Sighting};
use crate::limits;
use crate::time::Timestamp;

/// An action that waits.
#[derive(Clone, Debug)]
pub(in crate::correlate) struct Held {
    /// As it is told if nothing explains the session.
    pub(in crate::correlate) case: Case,
    /// What its answer is recognised by, beside the flow.
    pub(in crate::correlate) answer: (u64, u32),
    /// It is worth a finding without a relay.
    pub(in crate::correlate) alone: bool,
}

/// State that every detector of actions has.
#[derive(Debug)]
pub(in crate::correlate) struct Desk {
    waiting: Pending<Held>,
    /// The last ones of each client, on flows that are not suspect so far.
    kept: Journal<Held>,
    /// Flow or client and server, what, relayed: each is told once.
    told: Told,
}

impl Default for Desk {
    fn default() -> Self {
        let relay = Duration::from_secs(limits::RELAY_SECS);
        let idle = Duration::from_secs(limits::INCIDENT_IDLE_SECS);
        let each = limits::ACTIONS_PER_SOURCE;
        Self {
            waiting: Pending::new(Duration::from_millis(limits::ANSWER_MILLIS)),
            kept: Journal::new(limits::PENDING_FINDINGS, each, relay),
            told: Told::new(idle),
        }
    }
}

/// A detector whose state is a desk: what it reads off a sighting is all that is its own.
pub(in crate::correlate) trait Work: fmt::Debug + Default + Send {
    /// Takes the next sighting.
    fn sighting(desk: &mut Desk, s: &Sighting, cx: &Context<'_>);
}

/// Such a detector.
#[derive(Debug, Default)]
pub(in crate::correlate) struct AtDesk<W> {
    desk: Desk,
    work: PhantomData<W>,
}

impl<W: Work> Pattern for AtDesk<W> {
    fn sighting(&mut self, s: &Sighting, cx: &Context<'_>, _: &mut Vec<Case>) {
        W::sighting(&mut self.desk, s, cx);
    }

    fn concluded(&mut self, case: &Case, cx: &Context<'_>, out: &mut Vec<Case>) {
        self.desk.concluded(case, cx, out);
    }

    fn advance(&mut self, now: Timestamp, cx: &Context<'_>, out: &mut Vec<Case>) {
        self.desk.advance(now, cx, out);
    }

    fn finish(&mut self, _: Timestamp, cx: &Context<'_>, out: &mut Vec<Case>) {
        self.desk.finish(cx, out);
    }

    fn limit(&mut self, bounds: &Bounds) {
        self.desk.limit(bounds);
    }

    fn evicted(&self) -> Evicted {
        self.desk.evicted()
    }
}

impl Desk {
    pub(in crate::correlate) fn limit(&mut self, bounds: &Bounds) {
        self.waiting.limit(bounds.most(Kind::Waiting));
        self.kept.limit(bounds.most(Kind::Kept));
        self.told.limit(bounds);
    }

    pub(in crate::correlate) fn evicted(&self) -> Evicted {
        let actions = Evicted {
            pending: self.waiting.evicted() + self.kept.evicted(),
            own: self.kept.gave_way(),
            ..Evicted::default()
        };
        actions + self.told.evicted()
    }

    /// Takes an action. A client with too many waiting loses the new one, not those of others.
    pub(in crate::correlate) fn hold(&mut self, held: Held) {
        let (client, ts) = (held.case.flow.client.addr, held.case.ts);
        self.waiting.push(client, held, ts);
    }

    /// The server answered.
    pub(in crate::correlate) fn answer(
        &mut self,
        s: &Sighting,
        answer: (u64, u32),
        success: Option<bool>,
        code: &str,
    ) {
        let Some(success) = success else { return };
        let mine = |held: &&mut Held| {
            held.case.flow.flow_id == s.flow.flow_id
                && held.answer == answer
                && held.case.finding.outcome == "unknown"
        };
        if let Some(held) = self.waiting.iter_mut().find(mine) {
            let finding = Arc::make_mut(&mut held.case.finding);
            finding.outcome = if success { "success" } else { "failure" };
            let verb = if success { "did it" } else { "refused it" };
            let server = s.flow.server.addr;
            held.case.evidence.push(format!("{server} {verb} ({code})"));
        }
    }

    /// A flow became suspect: what was done on it is told now.
    pub(in crate::correlate) fn concluded(
        &mut self,
        case: &Case,
        cx: &Context<'_>,
        out: &mut Vec<Case>,
    ) {
        let flow = case.flow.flow_id;
        if let Some(suspicion) = cx.suspects.get(flow) {
            let of_flow = |held: &Held| held.case.flow.flow_id == flow;
            for held in self.kept.take(case.flow.client.addr, of_flow) {
                self.tell(joined(suspicion, &held.case), out);
            }
        }
    }

    pub(in crate::correlate) fn advance(
        &mut self,
        now: Timestamp,
        cx: &Context<'_>,
        out: &mut Vec<Case>,
    ) {
        while let Some(held) = self.waiting.pop(Some(now)) {
            self.settle(held, cx, out);
        }
        self.kept.forget(now);
    }

    pub(in crate::correlate) fn finish(&mut self, cx: &Context<'_>, out: &mut Vec<Case>) {
        while let Some(held) = self.waiting.pop(None) {
            self.settle(held, cx, out);
        }
    }

    fn settle(&mut self, held: Held, cx: &Context<'_>, out: &mut Vec<Case>) {
        let flow = held.case.flow;
        if let Some(suspicion) = cx.suspects.get(flow.flow_id) {
            self.tell(joined(suspicion, &held.case), out);
            return;
        }
        if held.alone {
            self.tell(held.case.clone(), out);
        }
        let now = held.case.ts;
        self.kept.push(flow.client.addr, held, now);
    }

    /// The same action of the same hosts on the same object is told once, and again if more of it was seen: one that is
    /// said to be harmless must not hide one that is not. On a relayed session once a session.
    fn tell(&mut self, case: Case, out: &mut Vec<Case>) {
        let f = &case.finding;
        let flow = if f.relayed { case.flow.flow_id } else { 0 };
        let (client, server) = (case.flow.client.addr, case.flow.server.addr);
        let what = (&f.action, f.outcome, f.confidence, f.path_owner, &f.object);
        let key = (flow, client, server, what);
        if self.told.first(client, key, case.ts) {
            out.push(case);
        }
    }
}

/// The part of a finding that is the same for every action: who did it, and what is known of them.
pub(in crate::correlate) fn finding(
    detector: &'static str,
    s: &Sighting,
    who: Option<&Logon>,
    cx: &Context<'_>,
) -> Finding {
    let client = s.flow.client.addr;
    let user = who.map(|w| w.user.clone()).unwrap_or_default();
    Finding {
        detector,
        kind: "action",
        confidence: "high",
        outcome: "unknown",
        attacker: Some(client),
        machine_account: user.ends_with('$'),
        domain: who.map(|w| w.domain.clone()).unwrap_or_default(),
        user,
        learning: cx.identity.is_learning(s.ts),
        target_tier0: cx.identity.roles(s.flow.server.addr).is_tier0(),
        attacker_admin: cx.identity.roles(client).has(HostRole::Admin),
        ..Finding::default()
    }
}

/// The case of an action.
pub(in crate::correlate) fn case(
    s: &Sighting,
    finding: Finding,
    who: Option<&Logon>,
    evidence: Vec<String>,
) -> Case {
    Case {
        finding: Arc::new(finding),
        ts: s.ts,
        pcap_cnt: s.key.number,
        flow: s.flow,
        legs: vec![Leg {
            role: LegRole::Action,
            flow: s.flow,
            pcap_cnt: s.key.number,
            ts: s.ts,
        }],
        rpc: None,
        ntlm: who.map(|w| w.evidence.clone()),
        evidence,
    }
}

/// The action with the roles of the relay it was done through.
pub(in crate::correlate) fn joined(suspicion: &Suspicion, action: &Case) -> Case {
    let (relay, done) = (&suspicion.finding, &action.finding);
    let finding = Finding {
        attacker: relay.attacker,
        victim: relay.victim,
        listener: relay.listener,
        target: relay.target,
        victim_protocol: relay.victim_protocol,
        target_protocol: relay.target_protocol,
        target_name: relay.target_name.clone(),
        user: relay.user.clone(),
        domain: relay.domain.clone(),
        machine_account: relay.machine_account,
        victim_tier0: relay.victim_tier0,
        target_tier0: relay.target_tier0,
        confidence: relay.confidence,
        relayed: true,
        outcome: match (done.outcome, relay.outcome) {
            ("unknown", "failure") => "failure",
            (known, _) => known,
        },
        ..Finding::clone(done)
    };
    let mut legs = suspicion.legs.clone();
    legs.extend(&action.legs);
    let mut evidence = action.evidence.clone();
    evidence.push(format!(
        "the session was authenticated by {}, whose authentication was relayed ({})",
        relay.user, relay.detector
    ));
    Case {
        finding: Arc::new(finding),
        ts: action.ts.max(suspicion.ts),
        legs,
        ntlm: suspicion.ntlm.clone(),
        evidence,
        ..action.clone()
    }
}
