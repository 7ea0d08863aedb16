//! One open story: what it has heard and how it is written.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Key, WRITE_EVERY};
use crate::correlate::{Case, Verdict};
use crate::event::{Incident, Leg, Roles, Signature, identity};
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;

/// An open incident.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) view: Incident,
    pub(super) key: Key,
    /// The listener of the key is only the attacker, and no victim is known yet.
    pub(super) attacker_alone: bool,
    pub(super) told: BTreeSet<u32>,
    pub(super) detectors: BTreeSet<String>,
    pub(super) techniques: BTreeSet<String>,
    /// Hosts and legs that the lists had no room for.
    pub(super) left_out: BTreeSet<u64>,
    /// Of the strongest evidence, before evictions are counted.
    pub(super) confidence: &'static str,
    /// The outcome is that of something with a target. What became of the call before it says nothing of that.
    pub(super) of_target: bool,
    /// State evicted before its window.
    pub(super) evicted_before: u64,
    /// Changed since it was last written.
    pub(super) dirty: bool,
    pub(super) written: Option<Timestamp>,
    /// Its entry in the list of what is due.
    pub(super) due: Timestamp,
}

impl Open {
    pub(super) fn new(id: u64, key: Key, case: &Case) -> Self {
        Self {
            view: Incident {
                incident_id: id,
                confidence: "low",
                outcome: "unknown",
                first_ts: case.first_ts(),
                last_ts: case.ts,
                ..Incident::default()
            },
            key,
            attacker_alone: false,
            told: BTreeSet::new(),
            detectors: BTreeSet::new(),
            techniques: BTreeSet::new(),
            left_out: BTreeSet::new(),
            confidence: "low",
            of_target: false,
            evicted_before: 0,
            dirty: false,
            written: None,
            due: case.ts,
        }
    }

    pub(super) fn add(&mut self, case: &Case, hits: &[Arc<Signature>]) {
        let f = &case.finding;
        let view = &mut self.view;
        let level = hits.iter().map(|s| s.level).max().unwrap_or_default();
        let stronger = view.count == 0 || level > view.level;
        view.level = view.level.max(level);
        view.count += 1;
        view.first_ts = view.first_ts.min(case.first_ts());
        view.last_ts = view.last_ts.max(case.ts);
        self.confidence = better(&CONFIDENCE, self.confidence, f.confidence);
        self.became(f.outcome, f.target.is_some());
        self.detectors.insert(f.detector.to_owned());
        let methods = &mut self.view.methods;
        if !f.method.is_empty()
            && !methods.contains(&f.method)
            && methods.len() < limits::INCIDENT_LIST
        {
            methods.push(f.method.clone());
        }
        self.techniques
            .extend(hits.iter().flat_map(|s| s.techniques.iter().cloned()));
        for (role, who) in [f.attacker, f.victim, f.listener, f.target]
            .into_iter()
            .enumerate()
        {
            self.meet(role, who);
        }
        for leg in &case.legs {
            self.lead(leg);
        }
        self.arrange();
        if self.view.campaign_id == 0
            && let Some(a) = f.attacker
        {
            self.view.campaign_id = identity(&[b"campaign", &a.0]);
        }
        merge_evidence(&mut self.view.evidence, &case.evidence, stronger);
        self.dirty = true;
    }

    /// The best outcome of what was done to a target; without one, of the call and the callback.
    fn became(&mut self, outcome: &'static str, of_target: bool) {
        let view = &mut self.view;
        match (self.of_target, of_target) {
            (false, true) => view.outcome = outcome,
            (true, false) => {}
            _ => view.outcome = better(&OUTCOMES, view.outcome, outcome),
        }
        self.of_target |= of_target;
    }

    /// Takes over what another incident knows.
    pub(super) fn absorb(&mut self, other: &Self) {
        let view = &mut self.view;
        let stronger = other.view.level > view.level;
        view.level = view.level.max(other.view.level);
        view.count += other.view.count;
        view.first_ts = view.first_ts.min(other.view.first_ts);
        view.last_ts = view.last_ts.max(other.view.last_ts);
        if view.campaign_id == 0 {
            view.campaign_id = other.view.campaign_id;
        }
        merge_evidence(&mut view.evidence, &other.view.evidence, stronger);
        self.became(other.view.outcome, other.of_target);
        self.confidence = better(&CONFIDENCE, self.confidence, other.confidence);
        self.evicted_before = self.evicted_before.min(other.evicted_before);
        self.told.extend(&other.told);
        self.detectors.extend(other.detectors.iter().cloned());
        self.techniques.extend(other.techniques.iter().cloned());
        for method in &other.view.methods {
            let methods = &mut self.view.methods;
            if !methods.contains(method) && methods.len() < limits::INCIDENT_LIST {
                methods.push(method.clone());
            }
        }
        let Roles {
            attacker,
            victim,
            listener,
            target,
        } = &other.view.roles;
        for (role, list) in [attacker, victim, listener, target].into_iter().enumerate() {
            for who in list {
                self.meet(role, Some(*who));
            }
        }
        for leg in &other.view.legs {
            self.lead(leg);
        }
        for one in &other.left_out {
            self.leave_out(*one);
        }
        self.arrange();
        self.dirty = true;
    }

    /// A host plays a role; lists take [`limits::INCIDENT_LIST`].
    pub(super) fn meet(&mut self, role: usize, who: Option<Addr>) {
        let Some(addr) = who else {
            return;
        };
        let roles = &mut self.view.roles;
        let list = match role {
            0 => &mut roles.attacker,
            1 => &mut roles.victim,
            2 => &mut roles.listener,
            _ => &mut roles.target,
        };
        if list.contains(&addr) {
            return;
        }
        if list.len() < limits::INCIDENT_LIST {
            list.push(addr);
            list.sort_unstable();
        } else {
            let role = (role as u64).to_be_bytes();
            self.leave_out(identity(&[b"role", &role, &addr.0]));
        }
    }

    pub(super) fn lead(&mut self, leg: &Leg) {
        let same = |l: &Leg| l.flow.flow_id == leg.flow.flow_id && l.role == leg.role;
        if self.view.legs.iter().any(same) {
            return;
        }
        if self.view.legs.len() < limits::INCIDENT_LIST {
            self.view.legs.push(*leg);
        } else {
            let role = leg.role.name().as_bytes();
            self.leave_out(identity(&[b"leg", role, &leg.flow.flow_id.to_be_bytes()]));
        }
    }

    pub(super) fn leave_out(&mut self, one: u64) {
        if self.left_out.len() < limits::INCIDENT_MORE && self.left_out.insert(one) {
            self.view.more += 1;
        }
    }

    pub(super) fn arrange(&mut self) {
        self.view
            .legs
            .sort_by_key(|leg| (leg.role, leg.ts, leg.flow.flow_id));
    }

    /// What was evicted while it grew makes it less sure.
    pub(super) fn lost(&mut self, evicted: u64) {
        self.view.evictions = evicted.saturating_sub(self.evicted_before);
        self.view.confidence = match (self.confidence, self.view.evictions) {
            (sure, 0) => sure,
            ("high", _) => "medium",
            _ => "low",
        };
    }

    pub(super) fn next_write(&self) -> Timestamp {
        match self.written {
            Some(at) => at.plus(WRITE_EVERY),
            None => self.view.last_ts,
        }
    }

    pub(super) fn end(&self) -> Timestamp {
        let idle = self
            .view
            .last_ts
            .plus(Duration::from_secs(limits::INCIDENT_IDLE_SECS));
        let most = self
            .view
            .first_ts
            .plus(Duration::from_secs(limits::INCIDENT_SECS));
        idle.min(most)
    }

    pub(super) fn write(&mut self, when: Timestamp, out: &mut Vec<Verdict>) {
        self.view.ts = when;
        self.view.rev += 1;
        self.view.detectors = self.detectors.iter().cloned().collect();
        self.view.techniques = self.techniques.iter().cloned().collect();
        self.dirty = false;
        self.written = Some(when);
        out.push(Verdict::Incident(Box::new(self.view.clone())));
    }
}

/// Weakest first.
const CONFIDENCE: [&str; 3] = ["low", "medium", "high"];
/// What says least first.
const OUTCOMES: [&str; 4] = ["unknown", "failure", "attempt", "success"];

/// Whichever word stands later in `order`.
fn better(order: &[&'static str], old: &'static str, new: &'static str) -> &'static str {
    let rank = |w: &str| order.iter().position(|o| *o == w);
    if rank(new) > rank(old) { new } else { old }
}

/// New sentences go behind the old ones, or in front if they are stronger.
fn merge_evidence(have: &mut Vec<String>, new: &[String], stronger: bool) {
    let fresh: Vec<String> = new.iter().filter(|n| !have.contains(n)).cloned().collect();
    let at = if stronger { 0 } else { have.len() };
    have.splice(at..at, fresh);
    have.truncate(limits::INCIDENT_LIST);
}
