//! The correlator thread: rounds in order, findings to rules, lines to the writer.

mod figures;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use hdrhistogram::Histogram;

use super::correlated::RuleCorrelator;
use super::evidence;
use super::health::{Beat, Dump, Health, Snapshot, Told};
use super::origin;
use super::queue::{Round, What};
use super::stats::{CaptureSnapshot, WorkerSnapshot, wall_clock};
use super::store::Keeper;
use super::tuning::Tuner;
use super::{Outlet, REPORTED, Report, Setup};
use crate::correlate::{Correlator, Judge, Verdict};
use crate::event::{Alert, Anomaly, Finding, FlowMeta, Leg, Signature};
use crate::limits;
use crate::output::{EventType, EventTypes, Header, Lines};
use crate::output::{
    write_alert, write_finding, write_identity, write_incident, write_posture, write_sensor,
    write_stats,
};
use crate::rule::{RuleSet, Scratch};
use crate::time::Timestamp;

/// State of the thread.
#[derive(Debug)]
pub(super) struct Join {
    correlator: Correlator,
    judge: RuleJudge,
    correlated: RuleCorrelator,
    events: EventTypes,
    pcap_filename: Option<String>,
    origin: Arc<origin::Shared>,
    key_id: String,
    live: bool,
    budget: u64,
    started: Instant,
    stats_interval: Duration,
    next_stats: Option<Timestamp>,
    first_ts: Option<Timestamp>,
    /// Time that the last round reached.
    until: Timestamp,
    capture: CaptureSnapshot,
    workers: Vec<WorkerSnapshot>,
    anomalies: Vec<BTreeMap<Anomaly, u64>>,
    /// Packet to alert, microseconds.
    latency: Histogram<u64>,
    verdicts: Vec<Verdict>,
    /// Lines of the round.
    out: Lines,
    report: Report,
    store: Keeper,
    evidence: evidence::Keeper,
    health: Health,
    beat: Beat,
    told: Told,
    /// When the last snapshot was left.
    shown: Option<Instant>,
}

/// The rules as the correlator sees them.
#[derive(Debug)]
struct RuleJudge {
    rules: Arc<RuleSet>,
    scratch: Scratch,
    tuner: Tuner,
    now: Timestamp,
}

impl Judge for RuleJudge {
    fn judge(&mut self, finding: &Finding, hits: &mut Vec<Arc<Signature>>) {
        self.rules.matches(finding, &mut self.scratch, hits);
        hits.retain(|s| !self.rules.is_silent(s) && !self.tuner.mutes(s, finding, self.now));
    }
}

impl Join {
    pub(super) fn new(setup: &Setup, origin: Arc<origin::Shared>) -> Self {
        // 1 µs to 100 s at two digits: 16 KiB. The bounds are constants, so this cannot fail; a
        // histogram that could not be made would only cost the latency figures.
        let latency = Histogram::new_with_bounds(1, 100_000_000, 2)
            .or_else(|_| Histogram::new(1))
            .unwrap_or_else(|_| unreachable!("one significant digit is always allowed"));
        let mut correlator = Correlator::new(Arc::clone(&setup.catalog), &setup.declared)
            .within(setup.memory.share(limits::CORRELATE_SHARE));
        if let Some(known) = setup.keep.as_ref().and_then(|store| store.get().ok()) {
            correlator.restore(&known);
        }
        Self {
            correlator,
            store: Keeper::new(setup.keep.clone()),
            evidence: evidence::Keeper::new(
                setup.evidence.clone(),
                setup.memory.evidence,
                setup.live,
            ),
            judge: RuleJudge {
                rules: Arc::clone(&setup.rules),
                scratch: Scratch::default(),
                tuner: Tuner::new(Arc::clone(&setup.tuning)),
                now: Timestamp::ZERO,
            },
            correlated: RuleCorrelator::new(Arc::clone(&setup.rules)),
            events: setup.events,
            pcap_filename: setup.pcap_filename.clone(),
            origin,
            key_id: setup.key.id(),
            live: setup.live,
            budget: setup.memory.total,
            started: super::stats::now(),
            stats_interval: setup.stats_interval,
            next_stats: None,
            first_ts: None,
            until: Timestamp::ZERO,
            capture: CaptureSnapshot::default(),
            workers: vec![WorkerSnapshot::default(); setup.workers],
            anomalies: vec![BTreeMap::new(); setup.workers],
            latency,
            verdicts: Vec::new(),
            out: Lines::default(),
            report: Report::default(),
            health: setup.health.clone(),
            beat: setup.health.thread("correlator"),
            told: Told::default(),
            shown: None,
        }
    }

    /// Merges rounds until every worker has sent its last.
    pub(super) fn run(mut self, rounds: &[Receiver<Round>], outlet: &Outlet) -> Report {
        let mut heads: Vec<Option<Round>> = rounds.iter().map(|rx| rx.recv().ok()).collect();
        // A worker that lost a batch (live, queue full) has no round of that number.
        while let Some(number) = heads.iter().flatten().map(|r| r.round).min() {
            let mut now: Vec<(usize, Round)> = Vec::with_capacity(heads.len());
            for (n, (head, rx)) in heads.iter_mut().zip(rounds).enumerate() {
                if head.as_ref().is_some_and(|r| r.round == number) {
                    let next = |last: bool| if last { None } else { rx.recv().ok() };
                    if let Some(round) = head.take() {
                        *head = next(round.last);
                        now.push((n, round));
                    }
                }
            }
            self.evidence
                .frames(now.iter_mut().map(|(_, r)| std::mem::take(&mut r.frames)));
            self.round(&now, outlet);
        }
        self.report.packets = self.capture.packets;
        self.report.bytes = self.capture.bytes;
        self.report.drops = self.drops();
        self.report.gaps = self.workers.iter().map(|w| w.flow.gap_bytes).sum();
        self.report.latency = self.latency();
        self.report.panics = self.workers.iter().map(|w| w.panics).sum();
        self.report.alerts = self.told.all;
        self.report
    }

    fn round(&mut self, rounds: &[(usize, Round)], outlet: &Outlet) {
        let mut out = std::mem::take(&mut self.out);
        let Some(until) = rounds.iter().map(|(_, r)| r.until).max() else {
            return;
        };
        for (n, round) in rounds {
            self.capture = round.capture;
            if let Some(slot) = self.workers.get_mut(*n) {
                *slot = round.worker;
            }
            if let (Some(kinds), Some(slot)) = (&round.anomalies, self.anomalies.get_mut(*n)) {
                *slot = kinds.iter().copied().collect();
            }
        }
        if let Some((_, round)) = rounds.first()
            && !Arc::ptr_eq(&round.rules, &self.judge.rules)
        {
            self.judge.rules = Arc::clone(&round.rules);
            self.correlated.change(Arc::clone(&round.rules));
        }
        self.correlator.set_drops(self.drops());
        let filled = rounds.iter().map(|(_, r)| r.filled).min();
        let mut items: Vec<_> = rounds
            .iter()
            .flat_map(|(_, r)| r.items.iter().map(move |item| (r, item)))
            .collect();
        items.sort_by_key(|(_, item)| item.key);
        for (round, item) in items {
            match &item.what {
                What::Line { start, end } => {
                    out.append(&round.lines, *start..*end);
                }
                What::Sighting(s) => {
                    self.judge.now = s.ts;
                    if !self.correlated.hears(s, &mut self.verdicts) {
                        self.correlator
                            .sighting(s, &mut self.judge, &mut self.verdicts);
                    }
                    self.tell(s.ts, filled, &mut out);
                }
            }
        }
        let last = rounds.iter().any(|(_, r)| r.last);
        if until > Timestamp::ZERO {
            self.first_ts.get_or_insert(until);
            self.judge.now = until;
            self.correlator
                .advance(until, &mut self.judge, &mut self.verdicts);
            self.correlated.advance(until, &mut self.verdicts);
            // What waited was due after the round before.
            let after = std::mem::replace(&mut self.until, until);
            self.tell(after, filled, &mut out);
        }
        if self.store.is_due(until, last) {
            self.store.put(self.correlator.knowledge(), last);
        }
        if last {
            // The end tells everything once more.
            self.report.postures.clear();
            self.correlator
                .finish(until, &mut self.judge, &mut self.verdicts);
            self.evidence.finish();
            self.tell(until, filled, &mut out);
        }
        self.stats(until, last, outlet, &mut out);
        self.show(until, outlet);
        // Most rounds say nothing: the outputs are not woken for those.
        if !out.is_empty() {
            outlet.send(&out);
            out.clear();
        }
        self.out = out;
    }

    /// Writes what the correlator concluded, which it could not have before `possible`.
    fn tell(&mut self, possible: Timestamp, filled: Option<Instant>, out: &mut Lines) {
        self.correlated.findings(&mut self.verdicts);
        let (rules, drops) = (Arc::clone(&self.judge.rules), self.drops());
        self.judge.tuner.review(&rules, drops, &mut self.verdicts);
        for verdict in std::mem::take(&mut self.verdicts) {
            match verdict {
                Verdict::Finding(case, _) => {
                    if self.events.has(EventType::Finding) {
                        self.header(case.ts, Some(&case.flow), Some(case.pcap_cnt), |h| {
                            write_finding(out, h, &case.finding);
                        });
                    }
                }
                Verdict::Alert(alert) if alert.suppressed && !self.judge.tuner.shows() => {}
                Verdict::Alert(mut alert) => {
                    self.place_legs(&mut alert.legs);
                    if alert.suppressed {
                        self.write_alert(&alert, out);
                        continue;
                    }
                    alert.evidence_file = self.evidence.alert(alert.incident_id, &alert.legs);
                    let level = alert.signature.level;
                    let title = describe(&alert);
                    if self.report.titles.len() < REPORTED {
                        self.report.titles.push((level, title.clone()));
                    }
                    self.told.alert(alert.ts, level, title);
                    self.write_alert(&alert, out);
                    self.record_latency(alert.ts.max(possible), filled);
                }
                Verdict::Identity(change) => {
                    if self.events.has(EventType::Identity) {
                        self.header(change.ts, None, None, |h| write_identity(out, h, &change));
                    }
                }
                Verdict::Posture(report) => {
                    if self.events.has(EventType::Posture) {
                        self.header(report.ts, None, None, |h| write_posture(out, h, &report));
                    }
                    self.report.postures.push(*report);
                }
                Verdict::Incident(mut incident) => {
                    incident.evidence_file = self.evidence.incident(&incident);
                    self.place_legs(&mut incident.legs);
                    if incident.closed && self.report.incidents.len() < REPORTED {
                        self.report.incidents.push(Clone::clone(&incident));
                    }
                    if self.events.has(EventType::Incident) {
                        self.header(incident.ts, None, None, |h| {
                            write_incident(out, h, &incident);
                        });
                    }
                }
            }
        }
    }

    fn write_alert(&self, alert: &Alert, out: &mut Lines) {
        if self.events.has(EventType::Alert) {
            self.header(alert.ts, Some(&alert.flow), Some(alert.pcap_cnt), |h| {
                write_alert(out, h, alert);
            });
        }
    }

    /// Packets are counted in their file, in evidence as in lines.
    fn place_legs(&self, legs: &mut [Leg]) {
        if let Ok(origin) = self.origin.read() {
            for leg in legs {
                leg.pcap_cnt = origin.place(leg.pcap_cnt).1;
            }
        }
    }

    fn header(
        &self,
        ts: Timestamp,
        flow: Option<&FlowMeta>,
        pcap_cnt: Option<u64>,
        write: impl FnOnce(&Header<'_>),
    ) {
        let origin = self.origin.read();
        let origin = origin.as_ref().ok();
        let in_iface = origin.zip(flow).and_then(|(o, flow)| o.iface(flow.iface));
        let place = origin.zip(pcap_cnt).map(|(o, number)| o.place(number));
        write(&Header {
            ts,
            flow,
            in_iface,
            pcap_cnt: place.map(|(_, number)| number),
            pcap_filename: place
                .and_then(|(file, _)| file)
                .or(self.pcap_filename.as_deref()),
            direction: flow.map(|_| crate::net::Direction::ToServer),
            tx_id: None,
        });
    }

    /// Live, from the time of the packet that decided it, or from when its wait was over at the earliest; in replay, from
    /// when its block was read.
    fn record_latency(&mut self, ts: Timestamp, filled: Option<Instant>) {
        let took = if self.live {
            wall_clock().since(ts)
        } else {
            filled.map(|at| at.elapsed()).unwrap_or_default()
        };
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.latency.saturating_record(micros.max(1));
    }

    fn drops(&self) -> u64 {
        let source = &self.capture.source;
        source.kernel_drops + source.kernel_ifdrops + self.capture.queue_drops
    }

    /// A `stats` and a `sensor` event when the interval is over, and at the end.
    fn stats(&mut self, until: Timestamp, last: bool, outlet: &Outlet, out: &mut Lines) {
        let due = match self.next_stats {
            Some(at) => until >= at,
            None => {
                self.next_stats = Some(until.plus(self.stats_interval));
                false
            }
        };
        if !due && !last {
            return;
        }
        self.next_stats = Some(until.plus(self.stats_interval));
        if self.events.has(EventType::Stats) {
            write_stats(out, until, &self.stats_record(until));
        }
        if self.events.has(EventType::Sensor) {
            write_sensor(out, until, &self.sensor_record(outlet));
        }
    }

    /// Leaves what somebody may ask for.
    fn show(&mut self, until: Timestamp, outlet: &Outlet) {
        self.beat.beat();
        self.told.turn(until);
        let mut shown = self.shown;
        self.health.publish(&mut shown, || Snapshot {
            ts: until,
            last_packet: self.capture.last_packet,
            stats: self.stats_record(until),
            sensor: self.sensor_record(outlet),
            told: self.told.clone(),
        });
        self.shown = shown;
        self.health.dump(|| {
            let mut incidents = Lines::default();
            for incident in self.correlator.open_incidents() {
                self.header(until, None, None, |h| {
                    write_incident(&mut incidents, h, incident);
                });
            }
            Dump {
                ts: until,
                known: self.correlator.knowledge(),
                incidents: incidents.bytes().to_vec(),
            }
        });
    }
}

/// What the summary says of an alert.
fn describe(alert: &Alert) -> String {
    let f = &alert.finding;
    let who = [
        ("victim", f.victim),
        ("attacker", f.attacker),
        ("target", f.target),
    ];
    let mut text = alert.signature.title.clone();
    for (role, addr) in who {
        if let Some(addr) = addr {
            text.push_str(&format!(", {role} {addr}"));
        }
    }
    text
}
