//! One story per victim and listener: which alerts it has told, and how it stands.
//!
//! A finding names the victim, the listener, or both. One of the two alone joins the newest story of that
//! host; a finding with both joins what each of them began, and stories that turn out to be one are
//! merged: the older survives. A host with several addresses is one host.

mod losses;
mod open;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::bounds::{Bounds, Kind};
use super::identity::Identity;
use super::{Case, Verdict};
use crate::event::{Incident, Signature, identity};
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;
use losses::Losses;
use open::Open;

/// An incident is written at most this often while it changes.
const WRITE_EVERY: Duration = Duration::from_secs(1);

/// Victim and listener, as far as they are known; one of them always is.
type Key = (Option<Addr>, Option<Addr>);

/// What a case brings from outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct News<'a> {
    pub(super) case: &'a Case,
    /// The rules that match.
    pub(super) hits: &'a [Arc<Signature>],
    /// If not, another case says it better.
    pub(super) loud: bool,
    /// Packets lost so far.
    pub(super) drops: u64,
    /// State evicted so far.
    pub(super) evicted: u64,
}

/// Every open incident.
#[derive(Debug)]
pub(super) struct Incidents {
    open: BTreeMap<u64, Open>,
    by_key: BTreeMap<Key, u64>,
    /// The incident that a victim (`true`) or listener was last heard of in.
    newest: BTreeMap<(bool, Addr), u64>,
    /// When each incident is next looked at: to be written or closed.
    due: BTreeSet<(Timestamp, u64)>,
    /// By the time of the newest evidence.
    idle: BTreeSet<(Timestamp, u64)>,
    losses: Losses,
    opened: u64,
    most: usize,
    evicted: u64,
}

impl Default for Incidents {
    fn default() -> Self {
        Self {
            open: BTreeMap::new(),
            by_key: BTreeMap::new(),
            newest: BTreeMap::new(),
            due: BTreeSet::new(),
            idle: BTreeSet::new(),
            losses: Losses::default(),
            opened: 0,
            most: limits::INCIDENTS,
            evicted: 0,
        }
    }
}

impl Incidents {
    /// How many may be open.
    pub(super) fn limit(&mut self, bounds: &Bounds) {
        self.most = bounds.most(Kind::Incident);
    }

    /// Adds a case that rules matched. Writes the alerts nobody has heard yet and says how many, and
    /// the incident's id.
    pub(super) fn join(
        &mut self,
        news: News<'_>,
        who: &Identity,
        out: &mut Vec<Verdict>,
    ) -> (u64, u64) {
        let case = news.case;
        self.losses.note(news.evicted, case.ts);
        let Some(id) = self.find_or_open(case, who, out) else {
            return (0, 0);
        };
        let Some(incident) = self.open.get_mut(&id) else {
            return (0, 0);
        };
        self.idle.remove(&(incident.view.last_ts, id));
        incident.add(case, news.hits);
        incident.lost(news.evicted);
        self.idle.insert((incident.view.last_ts, id));
        let mut told = 0;
        for signature in news.hits {
            if incident.told.insert(signature.sid) && news.loud {
                told += 1;
                let alert = case.alert(signature, id, news.drops);
                out.push(Verdict::Alert(Box::new(alert)));
            }
        }
        let next = incident.next_write().min(incident.due);
        self.schedule(id, next);
        (told, id)
    }

    /// Writes what has changed and is due, closes what is idle.
    pub(super) fn advance(&mut self, now: Timestamp, out: &mut Vec<Verdict>) {
        while let Some(&(when, id)) = self.due.first() {
            if when > now {
                break;
            }
            let Some(incident) = self.open.get_mut(&id) else {
                self.due.pop_first();
                continue;
            };
            if incident.dirty && incident.next_write() <= when {
                incident.write(when, out);
            }
            let end = incident.end();
            if end <= now {
                self.close(id, end, out);
            } else {
                let next = if incident.dirty {
                    incident.next_write()
                } else {
                    end
                };
                self.schedule(id, next.max(when.plus(Duration::from_nanos(1))));
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

    pub(super) fn open(&self) -> impl Iterator<Item = &Incident> {
        self.open.values().map(|open| &open.view)
    }

    pub(super) fn opened(&self) -> u64 {
        self.opened
    }

    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    fn schedule(&mut self, id: u64, when: Timestamp) {
        if let Some(incident) = self.open.get_mut(&id) {
            self.due.remove(&(incident.due, id));
            incident.due = when;
            self.due.insert((when, id));
        }
    }

    /// The incident a case belongs to. None if it names nobody.
    fn find_or_open(&mut self, case: &Case, who: &Identity, out: &mut Vec<Verdict>) -> Option<u64> {
        let f = &case.finding;
        // A leg that shows no victim tells its story by the host in the middle, an action by who did it.
        let by = f.victim.is_none() || f.kind == "action";
        let listener = f.listener.or(f.attacker.filter(|_| by));
        let key = (f.victim, listener);
        if key == (None, None) {
            return None;
        }
        let alone = f.victim.is_none() && f.listener.is_none();
        let began = self.began_by(case, key, who);
        let id = match self.find(key, began, who, case.ts, out) {
            Some(id) => id,
            None => self.start(key, case, out),
        };
        if let Some(open) = self.open.get_mut(&id) {
            open.attacker_alone = alone && (open.attacker_alone || open.view.count == 0);
        }
        self.remember(key, id);
        Some(id)
    }

    /// A story without a place of its own in what the key finds: what an attacker did before anybody was his
    /// victim, or the story of the listener that a quiet finding adds to.
    fn began_by(&self, case: &Case, key: Key, who: &Identity) -> Option<u64> {
        let f = &case.finding;
        let newest = |host: Addr, fits: &dyn Fn(&Open) -> bool| {
            let all = who.same_hosts(host);
            let ids = all.iter().filter_map(|a| self.newest.get(&(false, *a)));
            ids.filter_map(|id| self.open.get(id))
                .filter(|open| fits(open))
                .max_by_key(|o| (o.view.last_ts, o.view.incident_id))
                .map(|o| o.view.incident_id)
        };
        let before = f.attacker.filter(|_| key.0.is_some());
        before
            .and_then(|attacker| newest(attacker, &|open| open.attacker_alone))
            .or_else(|| {
                let adds = f.quiet.then_some(f.listener)?;
                newest(adds?, &|_| true)
            })
    }

    /// The story that the key belongs to, or `began` if it is not among them; several that it shows to be one are merged.
    fn find(
        &mut self,
        key: Key,
        began: Option<u64>,
        who: &Identity,
        now: Timestamp,
        out: &mut Vec<Verdict>,
    ) -> Option<u64> {
        let all = |host: Option<Addr>| host.map(|a| who.same_hosts(a)).unwrap_or_default();
        let (victims, listeners) = (all(key.0), all(key.1));
        let mut found = BTreeSet::from_iter(began);
        let mut newest = BTreeSet::new();
        match key {
            (Some(_), Some(_)) => {
                for v in &victims {
                    for l in &listeners {
                        found.extend(self.by_key.get(&(Some(*v), Some(*l))));
                    }
                    found.extend(self.by_key.get(&(Some(*v), None)));
                }
                for l in &listeners {
                    found.extend(self.by_key.get(&(None, Some(*l))));
                }
            }
            _ => {
                newest.extend(victims.iter().filter_map(|v| self.newest.get(&(true, *v))));
                newest.extend(
                    listeners
                        .iter()
                        .filter_map(|l| self.newest.get(&(false, *l))),
                );
            }
        }
        let last = newest
            .into_iter()
            .filter_map(|id| self.open.get(id))
            .max_by_key(|o| (o.view.last_ts, o.view.incident_id))
            .map(|o| o.view.incident_id);
        found.extend(last);
        let mut ids: Vec<(Timestamp, u64)> = found
            .into_iter()
            .filter_map(|id| self.open.get(&id))
            .map(|o| (o.view.first_ts, o.view.incident_id))
            .collect();
        ids.sort_unstable();
        let mut ids = ids.into_iter().map(|(_, id)| id);
        let survivor = ids.next()?;
        for other in ids {
            self.merge(survivor, other, now, out);
        }
        self.complete(survivor, key);
        Some(survivor)
    }

    /// What names the other one of victim and listener gives the story its name.
    fn complete(&mut self, id: u64, key: Key) {
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        // Who stood in for the listener gives way to it.
        let listener = open
            .key
            .1
            .filter(|_| !open.attacker_alone || key.0.is_none());
        let full = (open.key.0.or(key.0), listener.or(key.1));
        if full != open.key {
            if self.by_key.get(&open.key) == Some(&id) {
                self.by_key.remove(&open.key);
            }
            open.key = full;
            self.by_key.entry(full).or_insert(id);
        }
    }

    /// Who was heard of in which story last.
    fn remember(&mut self, key: Key, id: u64) {
        let Some(known) = self.open.get(&id).map(|o| o.key) else {
            return;
        };
        for (victim, listener) in [known, key] {
            if let Some(v) = victim {
                self.newest.insert((true, v), id);
            }
            if let Some(l) = listener {
                self.newest.insert((false, l), id);
            }
        }
        // A story whose lists are full leaves something behind when it closes.
        let most = 8 * self.most;
        let open = &self.open;
        if self.newest.len() > most {
            self.newest.retain(|_, id| open.contains_key(id));
        }
        if self.by_key.len() > most {
            self.by_key.retain(|_, id| open.contains_key(id));
        }
    }

    fn start(&mut self, key: Key, case: &Case, out: &mut Vec<Verdict>) -> u64 {
        if self.open.len() >= self.most
            && let Some(&(_, id)) = self.idle.first()
        {
            self.evicted += 1;
            self.close(id, case.ts, out);
        }
        let first = case.first_ts();
        let id = identity(&[
            b"incident",
            &key.0.or(key.1).unwrap_or_default().0,
            &case.finding.listener.unwrap_or_default().0,
            &first.0.to_be_bytes(),
        ]);
        self.opened += 1;
        self.by_key.insert(key, id);
        let mut open = Open::new(id, key, case);
        let window = Duration::from_secs(limits::RELAY_SECS);
        open.evicted_before = self.losses.before(first, window);
        self.idle.insert((open.view.last_ts, id));
        self.due.insert((open.due, id));
        self.open.insert(id, open);
        id
    }

    /// `other` turned out to be part of `survivor`.
    fn merge(&mut self, survivor: u64, other: u64, now: Timestamp, out: &mut Vec<Verdict>) {
        let Some(mut other) = self.take(other) else {
            return;
        };
        let Some(open) = self.open.get_mut(&survivor) else {
            return;
        };
        self.idle.remove(&(open.view.last_ts, survivor));
        open.absorb(&other);
        self.idle.insert((open.view.last_ts, survivor));
        let key = other.key;
        other.view.merged_into = survivor;
        other.view.closed = true;
        other.write(now, out);
        self.complete(survivor, key);
        self.remember(key, survivor);
        // What the other one was found by leads on.
        if key.0.is_some() && key.1.is_some() {
            self.by_key.entry(key).or_insert(survivor);
        }
    }

    fn close(&mut self, id: u64, when: Timestamp, out: &mut Vec<Verdict>) {
        if let Some(mut incident) = self.take(id) {
            incident.view.closed = true;
            incident.write(when, out);
        }
    }

    /// Takes an incident out of everything that points at it.
    fn take(&mut self, id: u64) -> Option<Open> {
        let incident = self.open.remove(&id)?;
        self.due.remove(&(incident.due, id));
        self.idle.remove(&(incident.view.last_ts, id));
        let roles = &incident.view.roles;
        let (mut victims, mut listeners): (Vec<_>, Vec<_>) = (
            roles.victim.iter().copied().map(Some).collect(),
            (roles.listener.iter().chain(&roles.attacker).copied())
                .map(Some)
                .collect(),
        );
        victims.extend([None, incident.key.0]);
        listeners.extend([None, incident.key.1]);
        for v in &victims {
            for l in &listeners {
                if self.by_key.get(&(*v, *l)) == Some(&id) {
                    self.by_key.remove(&(*v, *l));
                }
            }
        }
        for (side, hosts) in [(true, victims), (false, listeners)] {
            for host in hosts.into_iter().flatten() {
                if self.newest.get(&(side, host)) == Some(&id) {
                    self.newest.remove(&(side, host));
                }
            }
        }
        Some(incident)
    }
}
