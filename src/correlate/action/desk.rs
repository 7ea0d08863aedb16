//! Actions that wait for their answer, and for a relay that explains whose session it is.
//!
//! An action on a relayed session is told with the roles of the relay. It may come before the relay is
//! concluded: it waits as long as the relay detectors do, and is kept for a while after.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::correlate::Case;
use crate::correlate::bounds::Bounds;
use crate::correlate::pattern::{Context, Evicted, Pattern};
use crate::correlate::suspects::Suspicion;
use crate::correlate::window::Recent;
use crate::event::{Authenticate, Finding, HostRole, Leg, LegRole, NtlmEvidence, Sighting};
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;

/// An NTLM authentication, as the actions after it tell it.
#[derive(Clone, Debug)]
pub(in crate::correlate) struct Logon {
    pub(in crate::correlate) user: String,
    pub(in crate::correlate) domain: String,
    pub(in crate::correlate) evidence: NtlmEvidence,
}

impl Logon {
    pub(in crate::correlate) fn of(auth: &Authenticate) -> Self {
        Self {
            user: auth.user.clone(),
            domain: auth.domain.clone(),
            evidence: NtlmEvidence::of(auth),
        }
    }
}

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
    logons: Recent<u64, Logon>,
    waiting: VecDeque<(Timestamp, Held)>,
    /// How many wait, by client.
    sources: BTreeMap<Addr, usize>,
    /// The last ones of a flow that is not suspect so far.
    kept: Recent<u64, VecDeque<Held>>,
    /// Flow or client and server, what, relayed: each is told once.
    told: Recent<(u64, Addr, Addr, String), ()>,
    evicted: u64,
}

impl Default for Desk {
    fn default() -> Self {
        let relay = Duration::from_secs(limits::RELAY_SECS);
        let idle = Duration::from_secs(limits::INCIDENT_IDLE_SECS);
        Self {
            logons: Recent::new(limits::ACTION_SESSIONS, idle),
            waiting: VecDeque::new(),
            sources: BTreeMap::new(),
            kept: Recent::new(limits::INCIDENTS, relay),
            told: Recent::new(limits::INCIDENTS, idle),
            evicted: 0,
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
        Evicted {
            pending: self.desk.evicted(),
            ..Evicted::default()
        }
    }
}

impl Desk {
    pub(in crate::correlate) fn logon(&mut self, s: &Sighting, auth: &Authenticate) {
        if !auth.anonymous {
            self.logons.insert(s.flow.flow_id, Logon::of(auth), s.ts);
        }
    }

    pub(in crate::correlate) fn limit(&mut self, bounds: &Bounds) {
        self.logons.limit(bounds.logons);
    }

    pub(in crate::correlate) fn who(&self, flow_id: u64) -> Option<&Logon> {
        self.logons.get(&flow_id)
    }

    pub(in crate::correlate) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Takes an action. A client with too many waiting loses the new one, not those of others.
    pub(in crate::correlate) fn hold(&mut self, held: Held) {
        let client = held.case.flow.client.addr;
        let mine = self.sources.get(&client).copied().unwrap_or_default();
        if mine >= limits::ACTIONS_PER_SOURCE || self.waiting.len() >= limits::PENDING_FINDINGS {
            self.evicted += 1;
            return;
        }
        self.sources.insert(client, mine + 1);
        let deadline = held
            .case
            .ts
            .plus(Duration::from_millis(limits::ANSWER_MILLIS));
        self.waiting.push_back((deadline, held));
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
        let waiting = self.waiting.iter_mut().map(|(_, held)| held);
        if let Some(held) = waiting.into_iter().find(mine) {
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
        if let Some(suspicion) = cx.suspects.get(flow)
            && let Some(kept) = self.kept.remove(&flow)
        {
            for held in kept {
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
        while let Some((_, held)) = self.waiting.pop_front_if(|(deadline, _)| *deadline <= now) {
            self.settle(held, cx, out);
        }
    }

    pub(in crate::correlate) fn finish(&mut self, cx: &Context<'_>, out: &mut Vec<Case>) {
        while let Some((_, held)) = self.waiting.pop_front() {
            self.settle(held, cx, out);
        }
    }

    fn settle(&mut self, held: Held, cx: &Context<'_>, out: &mut Vec<Case>) {
        let flow = held.case.flow;
        if let Some(left) = self.sources.get_mut(&flow.client.addr) {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.sources.remove(&flow.client.addr);
            }
        }
        if let Some(suspicion) = cx.suspects.get(flow.flow_id) {
            self.tell(joined(suspicion, &held.case), out);
            return;
        }
        if held.alone {
            self.tell(held.case.clone(), out);
        }
        let now = held.case.ts;
        match self.kept.get_mut(&flow.flow_id) {
            Some(kept) => {
                if kept.len() >= limits::ACTIONS_PER_FLOW {
                    kept.pop_front();
                }
                kept.push_back(held);
            }
            None => {
                self.kept.insert(flow.flow_id, VecDeque::from([held]), now);
            }
        }
    }

    /// The same action of the same hosts on the same object is told once, and again if more of it was seen: one that is
    /// said to be harmless must not hide one that is not. On a relayed session once a session.
    fn tell(&mut self, case: Case, out: &mut Vec<Case>) {
        let f = &case.finding;
        let flow = if f.relayed { case.flow.flow_id } else { 0 };
        let (client, server) = (case.flow.client.addr, case.flow.server.addr);
        let what = format!(
            "{}/{}/{}/{}/{}",
            f.action, f.outcome, f.confidence, f.path_owner, f.object
        );
        let key = (flow, client, server, what);
        if self.told.get(&key).is_none() {
            self.told.insert(key, (), case.ts);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::story::{Story, TARGET, flow};

    /// A flood from ever new clients leaves nothing behind once there is no room.
    #[test]
    fn a_client_without_room_is_not_remembered() {
        let mut desk = Desk::default();
        for n in 0..limits::PENDING_FINDINGS as u64 + 100 {
            let [.., b, c, d] = n.to_be_bytes();
            let flow = flow(n + 1, [11, b, c, d], TARGET, 389);
            desk.hold(Held {
                case: Case {
                    finding: Arc::new(Finding::default()),
                    ts: Story::at(0),
                    pcap_cnt: n,
                    flow,
                    legs: Vec::new(),
                    rpc: None,
                    ntlm: None,
                    evidence: Vec::new(),
                },
                answer: (0, 0),
                alone: false,
            });
        }
        assert_eq!(desk.sources.len(), limits::PENDING_FINDINGS);
        assert_eq!(desk.evicted(), 100);
    }
}
