//! Events become stories: one an incident, followed through its revisions to the last state.
//!
//! Memory does not grow with the log: of stories the [`STORIES`] worst are kept, and each is bounded by the lists
//! and texts it is made of.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::event::{
    AlertBody, Context, Id, Identity, Incident, Leg, Line, Moment, Posture, Sensor, Stats,
};
use super::text::{List, Text};
use crate::event::Level;

/// Stories kept while reading; up to twice as many between two clearings.
const STORIES: usize = 2_000;
/// Bytes of the lines whose content is kept, between two clearings; after one, half of it.
const KEPT: usize = 64 * 1024 * 1024;
/// Alerts kept of one story. A full chain is 1 to 4 alerts.
const ALERTS: usize = 32;
/// Weaknesses kept.
const POSTURES: usize = 1_000;
/// Addresses whose names and roles are kept.
const HOSTS: usize = 8_192;
/// Sources named: captures and interfaces.
const SOURCES: usize = 64;

/// An alert of a story.
#[derive(Clone, Debug)]
pub(super) struct Alert {
    pub ts: Moment,
    pub sid: u32,
    pub signature: Text,
    pub techniques: List<Text>,
    pub references: List<Text>,
    pub context: Context,
}

/// One incident with its alerts.
#[derive(Clone, Debug, Default)]
pub(super) struct Story {
    pub id: Id,
    /// Its last state. Made up from the alerts if the log has no `incident` events.
    pub incident: Incident,
    /// There was an `incident` event.
    pub told: bool,
    pub alerts: Vec<Alert>,
    pub more_alerts: usize,
    pub source: Text,
    /// Incidents that turned out to be part of this one.
    pub absorbed: Vec<Id>,
    /// Bytes of the lines that its state and its alerts are from.
    size: (usize, usize),
}

impl Story {
    pub(super) fn level(&self) -> Level {
        let alerts = self.alerts.iter().map(|a| a.context.level);
        alerts.fold(self.incident.level, Ord::max).0
    }

    pub(super) fn first(&self) -> Moment {
        let legs = self.incident.legs.kept.iter().map(|l| l.first_ts);
        legs.filter(|t| t.0 != 0)
            .fold(self.incident.first_ts, Ord::min)
    }

    /// The alert that says most: of the highest level the one told last, which knows most.
    pub(super) fn lead(&self) -> Option<&Alert> {
        self.alerts
            .iter()
            .max_by_key(|a| (a.context.level, a.ts, a.sid))
    }

    pub(super) fn legs(&self, role: &str) -> impl Iterator<Item = &Leg> {
        let legs = self.incident.legs.kept.iter();
        legs.filter(move |l| l.role.raw() == role)
    }

    fn bytes(&self) -> usize {
        self.size.0.saturating_add(self.size.1)
    }

    fn add(&mut self, alert: Alert) {
        let known = self.alerts.iter().any(|a| {
            a.sid == alert.sid && a.ts == alert.ts && a.context.level == alert.context.level
        });
        if known {
            return;
        }
        if self.alerts.len() < ALERTS {
            self.alerts.push(alert);
        } else {
            self.more_alerts += 1;
        }
    }

    /// What is only in alerts: gaps and methods, and all of it where there were no `incident` events.
    fn settle(&mut self) {
        self.alerts.sort_by_key(|a| (a.ts, a.sid));
        let incident = &mut self.incident;
        // The most severe first: its evidence is the strongest.
        let mut by_level: Vec<&Alert> = self.alerts.iter().collect();
        by_level.sort_by_key(|a| std::cmp::Reverse(a.context.level));
        for alert in by_level {
            let c = &alert.context;
            incident.legs.join(&c.legs);
            incident.detectors.join(&one(&c.detector));
            incident.mitre_technique_id.join(&alert.techniques);
            if let Some(rpc) = &c.rpc {
                incident.methods.join(&one(&rpc.method));
            }
            if incident.evidence_file.is_empty() {
                incident.evidence_file = c.evidence_file.clone();
            }
            if self.told {
                continue;
            }
            incident.evidence.join(&c.evidence);
            let roles = &mut incident.roles;
            for (all, one_of) in [
                (&mut roles.attacker, &c.roles.attacker),
                (&mut roles.victim, &c.roles.victim),
                (&mut roles.listener, &c.roles.listener),
                (&mut roles.target, &c.roles.target),
            ] {
                if let Some(address) = one_of {
                    all.join(&one(address));
                }
            }
            incident.level = incident.level.max(c.level);
            for (all, one_of) in [
                (&mut incident.confidence, &c.confidence),
                (&mut incident.outcome, &c.outcome),
            ] {
                if all.is_empty() {
                    all.clone_from(one_of);
                }
            }
            incident.count += 1;
            if incident.first_ts.0 == 0 || alert.ts < incident.first_ts {
                incident.first_ts = alert.ts;
            }
            incident.last_ts = incident.last_ts.max(alert.ts);
        }
    }
}

fn one(text: &Text) -> List<Text> {
    List {
        kept: vec![text.clone()]
            .into_iter()
            .filter(|t| !t.is_empty())
            .collect(),
        cut: 0,
    }
}

/// What is known of a host beside the incidents.
#[derive(Clone, Debug, Default)]
pub(super) struct Host {
    /// Names it was heard under, whether they are its own or not.
    pub names: BTreeSet<Text>,
    /// Names that others claim too.
    pub contested: BTreeSet<Text>,
    pub roles: List<Text>,
}

/// Counters of all runs in the log.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Health {
    pub known: bool,
    pub packets: u64,
    pub drops: u64,
    pub gaps: u64,
    pub suppressed: u64,
    pub queue_drops: u64,
    pub panics: u64,
    pub cut_frames: u64,
    pub evicted: u64,
}

/// Everything that the page tells.
#[derive(Debug, Default)]
pub(super) struct Collected {
    stories: HashMap<Id, Story>,
    postures: BTreeMap<(Text, Text), Posture>,
    pub hosts: BTreeMap<Text, Host>,
    pub sources: BTreeSet<Text>,
    pub more_sources: bool,
    /// Stories that had to be forgotten, the least severe and oldest first.
    pub forgotten: u64,
    pub more_postures: u64,
    pub first: Option<Moment>,
    pub last: Option<Moment>,
    /// Alerts without our context: of Suricata, or of something else.
    pub foreign: u64,
    pub health: Health,
    run: (Stats, Sensor),
    /// [`Story::bytes`] of all.
    bytes: usize,
}

impl Collected {
    /// Takes the time of any event in.
    pub(super) fn time(&mut self, ts: Moment) {
        self.first = Some(self.first.map_or(ts, |t| t.min(ts)));
        self.last = Some(self.last.map_or(ts, |t| t.max(ts)));
    }

    /// Takes an event in whose line has `bytes`.
    pub(super) fn take(&mut self, line: Line, bytes: usize) {
        let source = if line.pcap_filename.is_empty() {
            line.in_iface
        } else {
            line.pcap_filename
        };
        if !source.is_empty() && !self.sources.contains(&source) {
            if self.sources.len() < SOURCES {
                self.sources.insert(source.clone());
            } else {
                self.more_sources = true;
            }
        }
        if let Some(alert) = line.alert {
            self.alert(line.timestamp, alert, &source, bytes);
        }
        if let Some(incident) = line.incident {
            self.incident(incident, &source, bytes);
        }
        if let Some(posture) = line.posture {
            self.posture(posture);
        }
        if let Some(identity) = line.identity {
            self.identity(&identity);
        }
        if let Some(stats) = line.stats {
            if stats.capture.kernel_packets < self.run.0.capture.kernel_packets {
                self.end_of_run();
            }
            self.run.0 = stats;
            self.health.known = true;
        }
        if let Some(sensor) = line.sensor {
            self.run.1 = sensor;
        }
    }

    /// Counters begin anew: what the run counted is added up.
    pub(super) fn end_of_run(&mut self) {
        let (stats, sensor) = std::mem::take(&mut self.run);
        let h = &mut self.health;
        let c = stats.capture;
        for (sum, count) in [
            (&mut h.packets, c.kernel_packets),
            (
                &mut h.drops,
                c.kernel_drops.saturating_add(c.kernel_ifdrops),
            ),
            (&mut h.gaps, stats.tcp.reassembly_gap),
            (&mut h.suppressed, stats.detect.alerts_suppressed),
            (&mut h.queue_drops, sensor.queue_drops),
            (&mut h.panics, sensor.panics),
            (&mut h.cut_frames, sensor.cut_frames),
            (&mut h.evicted, sensor.evicted.0),
        ] {
            *sum = sum.saturating_add(count);
        }
    }

    fn story(&mut self, id: Id, source: &Text) -> &mut Story {
        let full = self.stories.len() >= 2 * STORIES && !self.stories.contains_key(&id);
        if full || self.bytes > KEPT {
            self.forget();
        }
        self.stories.entry(id).or_insert_with(|| Story {
            id,
            source: source.clone(),
            ..Story::default()
        })
    }

    /// Keeps the worst stories, of one level the newest.
    fn forget(&mut self) {
        let mut all: Vec<Story> = self.stories.drain().map(|(_, s)| s).collect();
        all.sort_by_key(|s| std::cmp::Reverse((s.level(), s.newest(), s.id)));
        let before = all.len();
        all.truncate(STORIES);
        let mut bytes = 0_usize;
        all.retain(|s| {
            bytes = bytes.saturating_add(s.bytes());
            bytes <= KEPT / 2
        });
        self.forgotten += before.saturating_sub(all.len()) as u64;
        self.bytes = all.iter().map(Story::bytes).sum();
        self.stories.extend(all.into_iter().map(|s| (s.id, s)));
    }

    fn alert(&mut self, ts: Moment, alert: AlertBody, source: &Text, bytes: usize) {
        let Some(context) = alert.context else {
            self.foreign += 1;
            return;
        };
        let story = self.story(context.incident_id, source);
        story.add(Alert {
            ts,
            sid: alert.signature_id,
            signature: alert.signature,
            techniques: alert.metadata.mitre_technique_id,
            references: alert.references,
            context,
        });
        // Of alerts beyond ALERTS nothing is kept.
        if story.more_alerts == 0 {
            story.size.1 = story.size.1.saturating_add(bytes);
            self.bytes = self.bytes.saturating_add(bytes);
        }
    }

    fn incident(&mut self, incident: Incident, source: &Text, bytes: usize) {
        let story = self.story(incident.incident_id, source);
        if !story.told || incident.rev >= story.incident.rev {
            story.incident = incident;
            story.told = true;
            let before = std::mem::replace(&mut story.size.0, bytes);
            self.bytes = self.bytes.saturating_add(bytes).saturating_sub(before);
        }
    }

    fn posture(&mut self, posture: Posture) {
        self.named(&posture.host, &posture.names, &posture.roles);
        let key = (posture.kind.clone(), posture.host.clone());
        let room = self.postures.len() < POSTURES;
        match self.postures.get_mut(&key) {
            Some(known) if known.last_ts <= posture.last_ts => *known = posture,
            Some(_) => {}
            None if room => {
                self.postures.insert(key, posture);
            }
            None => self.more_postures += 1,
        }
    }

    fn identity(&mut self, identity: &Identity) {
        self.named(&identity.address, &identity.names, &identity.roles);
        if identity.change.raw() == "contested"
            && let Some(host) = self.hosts.get_mut(&identity.address)
            && host.contested.len() < 16
        {
            host.contested.insert(identity.name.clone());
        }
    }

    fn named(&mut self, address: &Text, names: &List<Text>, roles: &List<Text>) {
        if self.hosts.len() >= HOSTS && !self.hosts.contains_key(address) {
            return;
        }
        let host = self.hosts.entry(address.clone()).or_default();
        for name in &names.kept {
            if host.names.len() < 16 {
                host.names.insert(name.clone());
            }
        }
        if !roles.kept.is_empty() {
            host.roles = roles.clone();
        }
    }

    pub(super) fn postures(&self) -> impl Iterator<Item = &Posture> {
        self.postures.values()
    }

    /// Every story in its last state, the worst first, of one level the newest first. What was merged into
    /// another is told there.
    pub(super) fn stories(&mut self) -> Vec<Story> {
        self.end_of_run();
        let mut all = std::mem::take(&mut self.stories);
        let mut merged: Vec<(Id, Id)> = all
            .values()
            .filter_map(|s| Some((s.id, survivor(&all, s)?)))
            .collect();
        merged.sort();
        for (from, into) in merged {
            let (Some(gone), true) = (all.remove(&from), all.contains_key(&into)) else {
                continue;
            };
            if let Some(story) = all.get_mut(&into) {
                story.absorbed.push(from);
                story.more_alerts += gone.more_alerts;
                for alert in gone.alerts {
                    story.add(alert);
                }
            }
        }
        let mut stories: Vec<Story> = all.into_values().collect();
        for story in &mut stories {
            story.settle();
        }
        stories.sort_by_key(|s| std::cmp::Reverse((s.level(), s.newest(), s.id)));
        stories
    }
}

impl Story {
    fn newest(&self) -> Moment {
        let alerts = self.alerts.iter().map(|a| a.ts);
        alerts.fold(self.incident.last_ts, Ord::max)
    }
}

/// Where a merged story goes on, if it was merged and that is known: at the end of the chain.
fn survivor(all: &HashMap<Id, Story>, story: &Story) -> Option<Id> {
    let mut at = story;
    // A chain that comes back to itself is no chain of ours.
    for _ in 0..16 {
        match at.incident.merged_into.and_then(|into| all.get(&into)) {
            Some(next) if next.id != story.id => at = next,
            Some(_) => return None,
            None => break,
        }
    }
    Some(at.id).filter(|id| *id != story.id)
}
