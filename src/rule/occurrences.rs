//! Correlation rules at work: what occurred lately, by group, over packet time.
//!
//! A count that more of the same cannot undo (`gte`, `gt`, and the temporal ones) is told as soon as
//! it holds, over a window that slides; then the group is quiet until nothing occurred for one
//! timespan, so that a burst is one alert. Any other count (`lt`, `eq`, ...) is told when the window
//! that its first occurrence opened is over; one that the capture's end cuts short is not judged. What lacks a field of `group-by`, or the field whose
//! values are counted, is not counted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::RuleSet;
use super::correlation::{Bounds, Kind};
use crate::event::{FlowMeta, Signature};
use crate::limits;
use crate::time::Timestamp;

/// Gid and sid of a rule.
pub(super) type RuleKey = (u32, u32);

/// A correlation, ready to count.
#[derive(Clone, Debug)]
pub(super) struct Correlation {
    pub(super) signature: Arc<Signature>,
    pub(super) kind: Kind,
    pub(super) timespan: Duration,
    pub(super) bounds: Bounds,
    /// The rules it is about, in their order.
    pub(super) inputs: Vec<Input>,
    /// Names of the grouping fields.
    pub(super) group_by: Vec<String>,
    /// The field whose values are counted.
    pub(super) field: String,
}

/// One rule of a correlation. Numbers are places among what is captured of that rule's events.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) rule: RuleKey,
    pub(super) title: String,
    pub(super) group: Vec<usize>,
    pub(super) value: Option<usize>,
}

/// A rule matched something.
#[derive(Clone, Copy, Debug)]
pub struct Occurrence<'a> {
    /// The rule.
    pub signature: &'a Signature,
    /// What [`RuleSet::capture`] said of the event.
    pub captured: &'a [String],
    /// When.
    pub ts: Timestamp,
    /// Where.
    pub flow: FlowMeta,
    /// Number of the packet.
    pub pcap_cnt: u64,
    /// Its incident, 0 if it has none.
    pub incident_id: u64,
}

/// A correlation that holds.
#[derive(Clone, Debug)]
pub struct Correlated {
    /// The correlation rule.
    pub signature: Arc<Signature>,
    /// When it came to hold.
    pub ts: Timestamp,
    /// The flow of the latest occurrence.
    pub flow: FlowMeta,
    /// Number of its packet.
    pub pcap_cnt: u64,
    /// The incident of all occurrences, 0 if they have several or none.
    pub incident_id: u64,
    /// One plain sentence each.
    pub evidence: Vec<String>,
}

/// Occurrences of every correlation rule of a set.
#[derive(Debug, Default)]
pub struct Occurrences {
    /// By the correlation's gid and sid, so that a new set of rules finds what it knew.
    states: BTreeMap<RuleKey, State>,
    evicted: u64,
}

/// Groups of one correlation.
#[derive(Debug, Default)]
struct State {
    groups: BTreeMap<Vec<String>, Group>,
    /// Groups by when they are looked at next: when their window is over.
    due: BTreeSet<(Timestamp, Vec<String>)>,
    /// Occurrences of all groups.
    held: usize,
}

#[derive(Debug, Default)]
struct Group {
    seen: VecDeque<Seen>,
    due: Timestamp,
    /// Told, and not quiet since.
    told: bool,
}

#[derive(Clone, Debug)]
struct Seen {
    ts: Timestamp,
    /// Which of the rules.
    input: usize,
    value: String,
    flow: FlowMeta,
    pcap_cnt: u64,
    incident_id: u64,
}

impl Occurrences {
    /// Takes what a rule matched, in capture order.
    pub fn add(&mut self, rules: &RuleSet, what: &Occurrence<'_>, out: &mut Vec<Correlated>) {
        let key = (what.signature.gid, what.signature.sid);
        for (nth, correlation) in rules.correlations.iter().enumerate() {
            let of_rule = |(_, i): &(usize, &Input)| i.rule == key;
            let Some((input, wanted)) = correlation.inputs.iter().enumerate().find(of_rule) else {
                continue;
            };
            let text = |at: &usize| what.captured.get(*at).filter(|t| !t.is_empty()).cloned();
            let group: Option<Vec<String>> = wanted.group.iter().map(text).collect();
            let value = wanted.value.map_or(Some(String::new()), |at| text(&at));
            let (Some(group), Some(value)) = (group, value) else {
                continue;
            };
            let seen = Seen {
                ts: what.ts,
                input,
                value,
                flow: what.flow,
                pcap_cnt: what.pcap_cnt,
                incident_id: what.incident_id,
            };
            self.advance_one(rules, nth, what.ts, out);
            let state = self.states.entry(correlation.key()).or_default();
            self.evicted += state.add(correlation, group, seen, out);
        }
    }

    /// Tells the time: windows that are over are judged.
    pub fn advance(&mut self, rules: &RuleSet, now: Timestamp, out: &mut Vec<Correlated>) {
        for nth in 0..rules.correlations.len() {
            self.advance_one(rules, nth, now, out);
        }
    }

    /// Forgets what no rule of this set counts.
    pub fn keep_of(&mut self, rules: &RuleSet) {
        let known: BTreeSet<RuleKey> = rules.correlations.iter().map(Correlation::key).collect();
        self.states.retain(|key, _| known.contains(key));
    }

    /// Groups and occurrences forgotten because a limit was met.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn advance_one(
        &mut self,
        rules: &RuleSet,
        nth: usize,
        now: Timestamp,
        out: &mut Vec<Correlated>,
    ) {
        if let Some(correlation) = rules.correlations.get(nth)
            && let Some(state) = self.states.get_mut(&correlation.key())
        {
            state.advance(correlation, now, out);
        }
    }
}

impl State {
    /// Says how much had to be forgotten.
    fn add(
        &mut self,
        correlation: &Correlation,
        key: Vec<String>,
        seen: Seen,
        out: &mut Vec<Correlated>,
    ) -> u64 {
        let mut evicted = 0;
        let full = self.held >= limits::CORRELATION_OCCURRENCES
            || self.groups.len() >= limits::CORRELATION_GROUPS && !self.groups.contains_key(&key);
        if full
            && let Some((_, oldest)) = self.due.pop_first()
            && let Some(group) = self.groups.remove(&oldest)
        {
            self.held -= group.seen.len();
            evicted += 1;
        }
        let now = seen.ts;
        let rising = correlation.is_rising();
        let group = self.groups.entry(key.clone()).or_default();
        let opened = group.seen.is_empty() && !group.told;
        let before = group.seen.len();
        if group.told {
            group.seen.clear();
        }
        group.seen.push_back(seen);
        if rising {
            let fresh = |s: &Seen| now.since(s.ts) <= correlation.timespan;
            while group.seen.front().is_some_and(|s| !fresh(s)) {
                group.seen.pop_front();
            }
        }
        if group.seen.len() > limits::CORRELATION_EVENTS {
            group.seen.pop_front();
            evicted += 1;
        }
        self.held = self.held + group.seen.len() - before;
        if rising && !group.told && correlation.holds(&group.seen) {
            out.extend(correlation.told(&key, &group.seen, now));
            group.told = true;
        }
        // A sliding window is over one timespan after its newest occurrence, another after its first.
        if rising || opened {
            self.due.remove(&(group.due, key.clone()));
            group.due = now.plus(correlation.timespan);
            self.due.insert((group.due, key));
        }
        evicted
    }

    fn advance(&mut self, correlation: &Correlation, now: Timestamp, out: &mut Vec<Correlated>) {
        while let Some((when, _)) = self.due.first()
            && *when < now
            && let Some((when, key)) = self.due.pop_first()
        {
            let Some(group) = self.groups.remove(&key) else {
                continue;
            };
            self.held -= group.seen.len();
            if !correlation.is_rising() && correlation.holds(&group.seen) {
                out.extend(correlation.told(&key, &group.seen, when));
            }
        }
    }
}

impl Correlation {
    pub(super) fn key(&self) -> RuleKey {
        (self.signature.gid, self.signature.sid)
    }

    fn is_rising(&self) -> bool {
        matches!(self.kind, Kind::Temporal | Kind::Ordered) || self.bounds.is_rising()
    }

    fn holds(&self, seen: &VecDeque<Seen>) -> bool {
        match self.kind {
            Kind::EventCount => self.bounds.hold(seen.len() as u64),
            Kind::ValueCount => {
                let values: BTreeSet<&str> = seen.iter().map(|s| s.value.as_str()).collect();
                self.bounds.hold(values.len() as u64)
            }
            Kind::Temporal => {
                let kinds: BTreeSet<usize> = seen.iter().map(|s| s.input).collect();
                kinds.len() == self.inputs.len()
            }
            Kind::Ordered => {
                let mut next = 0;
                for s in seen {
                    next += usize::from(s.input == next);
                }
                next == self.inputs.len()
            }
        }
    }

    fn told(&self, key: &[String], seen: &VecDeque<Seen>, ts: Timestamp) -> Option<Correlated> {
        let newest = seen.back()?;
        let first = seen.front()?;
        let same = seen.iter().all(|s| s.incident_id == newest.incident_id);
        let over = newest.ts.since(first.ts).as_secs_f64();
        let mut evidence = Vec::new();
        for (nth, input) in self.inputs.iter().enumerate() {
            let times = seen.iter().filter(|s| s.input == nth).count();
            if times > 0 {
                evidence.push(format!("{times} × “{}” within {over:.1} s", input.title));
            }
        }
        if self.kind == Kind::ValueCount {
            let values: BTreeSet<&str> = seen.iter().map(|s| s.value.as_str()).collect();
            let some: Vec<&str> = values.iter().copied().take(limits::INCIDENT_LIST).collect();
            evidence.push(format!(
                "{} values of {}: {}{}",
                values.len(),
                self.field,
                some.join(", "),
                if some.len() < values.len() {
                    ", …"
                } else {
                    ""
                }
            ));
        }
        for (name, value) in self.group_by.iter().zip(key) {
            evidence.push(format!("all with {name} {value}"));
        }
        Some(Correlated {
            signature: Arc::clone(&self.signature),
            ts,
            flow: newest.flow,
            pcap_cnt: newest.pcap_cnt,
            incident_id: if same { newest.incident_id } else { 0 },
            evidence,
        })
    }
}
