//! One story per victim and listener: which alerts it has told, and how it stands.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use std::sync::Arc;

use super::window::Recent;
use super::{Case, Verdict};
use crate::event::{Incident, Leg, Roles, Signature, identity};
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;

/// An incident is written at most this often while it changes.
const WRITE_EVERY: Duration = Duration::from_secs(1);

/// Victim and, where known, listener.
type Key = (Addr, Option<Addr>);

/// An open incident.
#[derive(Debug)]
struct Open {
    view: Incident,
    key: Key,
    told: BTreeSet<u32>,
    detectors: BTreeSet<String>,
    techniques: BTreeSet<String>,
    /// Changed since it was last written.
    dirty: bool,
    written: Option<Timestamp>,
}

/// Every open incident.
#[derive(Debug)]
pub(super) struct Incidents {
    open: BTreeMap<u64, Open>,
    by_key: Recent<Key, u64>,
    /// When each incident is next looked at: to be written or closed.
    due: BTreeSet<(Timestamp, u64)>,
    opened: u64,
    evicted: u64,
}

impl Default for Incidents {
    fn default() -> Self {
        Self {
            open: BTreeMap::new(),
            by_key: Recent::new(
                2 * limits::INCIDENTS,
                Duration::from_secs(limits::INCIDENT_SECS),
            ),
            due: BTreeSet::new(),
            opened: 0,
            evicted: 0,
        }
    }
}

impl Incidents {
    /// Adds a case that rules matched. If it is `loud`, writes the alerts nobody has heard yet and says how
    /// many, and the incident's id; if not, another case says it better.
    pub(super) fn join(
        &mut self,
        case: &Case,
        hits: &[Arc<Signature>],
        loud: bool,
        drops: u64,
        out: &mut Vec<Verdict>,
    ) -> (u64, u64) {
        // A leg that shows no victim tells its story by the host in the middle.
        let f = &case.finding;
        let Some(victim) = f.victim.or(f.listener).or(f.attacker) else {
            return (0, 0);
        };
        let id = self.find_or_open(victim, case, out);
        let Some(incident) = self.open.get_mut(&id) else {
            return (0, 0);
        };
        incident.add(case, hits);
        let mut told = 0;
        for signature in hits {
            if incident.told.insert(signature.sid) && loud {
                told += 1;
                let alert = case.alert(signature, id, drops);
                out.push(Verdict::Alert(Box::new(alert)));
            }
        }
        self.due.insert((incident.next_write(), id));
        (told, id)
    }

    /// Writes what has changed and is due, closes what is idle.
    pub(super) fn advance(&mut self, now: Timestamp, out: &mut Vec<Verdict>) {
        while let Some(&(when, id)) = self.due.first() {
            if when > now {
                break;
            }
            self.due.pop_first();
            let Some(incident) = self.open.get_mut(&id) else {
                continue;
            };
            if incident.dirty && incident.next_write() <= when {
                incident.write(when, out);
            }
            let end = incident.end();
            if end <= now {
                self.close(id, end, out);
            } else {
                self.due.insert((end, id));
            }
        }
    }

    /// Closes everything.
    pub(super) fn finish(&mut self, now: Timestamp, out: &mut Vec<Verdict>) {
        let mut ids: Vec<(Timestamp, u64)> = self
            .open
            .values()
            .map(|o| (o.view.first_ts, o.view.incident_id))
            .collect();
        ids.sort_unstable();
        for (_, id) in ids {
            self.close(id, now, out);
        }
    }

    pub(super) fn opened(&self) -> u64 {
        self.opened
    }

    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// The incident a case belongs to. A call whose listener could not be read belongs to any open
    /// story of its victim; what names a listener later gives that story its name.
    fn find_or_open(&mut self, victim: Addr, case: &Case, out: &mut Vec<Verdict>) -> u64 {
        let listener = case.finding.listener;
        let exact = self.by_key.get(&(victim, listener)).copied();
        if let Some(id) = exact.filter(|id| self.open.contains_key(id)) {
            return id;
        }
        let other = match listener {
            Some(_) => self.by_key.get(&(victim, None)).copied(),
            None => self.newest_of(victim),
        };
        if let Some(id) = other
            && let Some(open) = self.open.get_mut(&id)
        {
            if listener.is_some() {
                self.by_key.remove(&(victim, None));
                open.key = (victim, listener);
            }
            self.by_key.insert((victim, listener), id, case.ts);
            return id;
        }
        if self.open.len() >= limits::INCIDENTS {
            let idlest = self.open.values().min_by_key(|o| o.view.last_ts);
            if let Some(id) = idlest.map(|o| o.view.incident_id) {
                self.evicted += 1;
                self.close(id, case.ts, out);
            }
        }
        let id = identity(&[
            b"incident",
            &victim.0,
            &listener.unwrap_or_default().0,
            &case.first_ts().0.to_be_bytes(),
        ]);
        self.opened += 1;
        self.by_key.insert((victim, listener), id, case.ts);
        self.open
            .insert(id, Open::new(id, (victim, listener), case));
        id
    }

    fn newest_of(&self, victim: Addr) -> Option<u64> {
        self.open
            .values()
            .filter(|o| o.key.0 == victim)
            .max_by_key(|o| (o.view.last_ts, o.view.incident_id))
            .map(|o| o.view.incident_id)
    }

    fn close(&mut self, id: u64, when: Timestamp, out: &mut Vec<Verdict>) {
        let Some(mut incident) = self.open.remove(&id) else {
            return;
        };
        if self.by_key.get(&incident.key) == Some(&id) {
            self.by_key.remove(&incident.key);
        }
        incident.view.closed = true;
        incident.write(when, out);
    }
}

impl Open {
    fn new(id: u64, key: Key, case: &Case) -> Self {
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
            told: BTreeSet::new(),
            detectors: BTreeSet::new(),
            techniques: BTreeSet::new(),
            dirty: false,
            written: None,
        }
    }

    fn add(&mut self, case: &Case, hits: &[Arc<Signature>]) {
        let f = &case.finding;
        let view = &mut self.view;
        let level = hits.iter().map(|s| s.level).max().unwrap_or_default();
        let stronger = view.count == 0 || level > view.level;
        view.level = view.level.max(level);
        view.count += 1;
        view.first_ts = view.first_ts.min(case.first_ts());
        view.last_ts = view.last_ts.max(case.ts);
        view.confidence = better(&["low", "medium", "high"], view.confidence, f.confidence);
        view.outcome = better(
            &["unknown", "failure", "attempt", "success"],
            view.outcome,
            f.outcome,
        );
        self.detectors.insert(f.detector.to_owned());
        self.techniques
            .extend(hits.iter().flat_map(|s| s.techniques.iter().cloned()));
        let Roles {
            attacker,
            victim,
            listener,
            target,
        } = &mut view.roles;
        for (list, who) in [
            (attacker, f.attacker),
            (victim, f.victim),
            (listener, f.listener),
            (target, f.target),
        ] {
            view.more += add_once(list, who);
        }
        if view.campaign_id == 0
            && let Some(a) = f.attacker
        {
            view.campaign_id = identity(&[b"campaign", &a.0]);
        }
        for leg in &case.legs {
            let same = |l: &Leg| l.flow.flow_id == leg.flow.flow_id && l.role == leg.role;
            if !view.legs.iter().any(same) {
                if view.legs.len() < limits::INCIDENT_LIST {
                    view.legs.push(*leg);
                } else {
                    view.more += 1;
                }
            }
        }
        view.legs
            .sort_by_key(|leg| (leg.role, leg.ts, leg.flow.flow_id));
        merge_evidence(&mut view.evidence, &case.evidence, stronger);
        self.dirty = true;
    }

    fn next_write(&self) -> Timestamp {
        match self.written {
            Some(at) => at.plus(WRITE_EVERY),
            None => self.view.last_ts,
        }
    }

    fn end(&self) -> Timestamp {
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

    fn write(&mut self, when: Timestamp, out: &mut Vec<Verdict>) {
        self.view.ts = when;
        self.view.rev += 1;
        self.view.detectors = self.detectors.iter().cloned().collect();
        self.view.techniques = self.techniques.iter().cloned().collect();
        self.dirty = false;
        self.written = Some(when);
        out.push(Verdict::Incident(Box::new(self.view.clone())));
    }
}

/// Whichever word stands later in `order`.
fn better(order: &[&'static str], old: &'static str, new: &'static str) -> &'static str {
    let rank = |w: &str| order.iter().position(|o| *o == w);
    if rank(new) > rank(old) { new } else { old }
}

/// Adds a host to a list of at most [`limits::INCIDENT_LIST`]; 1 if there was no room.
fn add_once(list: &mut Vec<Addr>, who: Option<Addr>) -> u64 {
    match who {
        Some(addr) if !list.contains(&addr) => {
            if list.len() < limits::INCIDENT_LIST {
                list.push(addr);
                list.sort_unstable();
                0
            } else {
                1
            }
        }
        _ => 0,
    }
}

/// New sentences go behind the old ones, or in front if they are stronger.
fn merge_evidence(have: &mut Vec<String>, new: &[String], stronger: bool) {
    let fresh: Vec<String> = new.iter().filter(|n| !have.contains(n)).cloned().collect();
    let at = if stronger { 0 } else { have.len() };
    have.splice(at..at, fresh);
    have.truncate(limits::INCIDENT_LIST);
}
