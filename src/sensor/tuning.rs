//! What an operator does not want to hear: suppressed and thresholded alerts, still counted.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::correlate::{Case, Verdict};
use crate::event::{Alert, Finding, Signature};
use crate::limits;
use crate::net::Net;
use crate::rule::{RuleSet, Scratch};
use crate::time::Timestamp;

/// Which rules an entry is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleRef {
    /// `sid`.
    Sid(u32),
    /// `id`, lower case.
    Id(String),
    /// `RW-nn`.
    Detector(String),
}

impl RuleRef {
    /// True if the entry is about this rule.
    #[must_use]
    pub fn is(&self, rule: &Signature) -> bool {
        match self {
            Self::Sid(sid) => rule.sid == *sid,
            Self::Id(id) => rule.id.eq_ignore_ascii_case(id),
            Self::Detector(name) => rule.detector == *name,
        }
    }
}

/// Alerts that are not written. What is empty does not matter; the rest must all fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suppress {
    /// The rules.
    pub rules: Vec<RuleRef>,
    /// Who does it: a finding's attacker, an event's client.
    pub source: Vec<Net>,
    /// To whom: a finding's victim, target or listener, an event's server.
    pub destination: Vec<Net>,
    /// User, or `DOMAIN\user`, of a finding, in lower case.
    pub account: Vec<String>,
    /// Days, UTC; bit 0 is Sunday. 0 is every day.
    pub days: u8,
    /// Hours, UTC, from the first up to the second, over midnight if that is less.
    pub hours: Option<(u8, u8)>,
}

/// Alerts that are written only from the `count`-th within `seconds` on, by rule and source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// The rules.
    pub rules: Vec<RuleRef>,
    /// How many it takes.
    pub count: u64,
    /// In which time.
    pub seconds: u64,
}

/// Everything an operator tuned that is decided while the sensor runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tuning {
    /// What is never written.
    pub suppress: Vec<Suppress>,
    /// What is written only when it is often.
    pub thresholds: Vec<Threshold>,
    /// Suppressed alerts are written all the same, marked.
    pub show: bool,
}

/// What an alert is about, for tuning.
struct Subject<'a> {
    rule: &'a Signature,
    source: Option<IpAddr>,
    destination: [Option<IpAddr>; 3],
    user: &'a str,
    domain: &'a str,
    ts: Timestamp,
}

impl<'a> Subject<'a> {
    fn finding(rule: &'a Signature, f: &'a Finding, ts: Timestamp) -> Self {
        Self {
            rule,
            source: f.attacker.map(|a| a.ip()),
            destination: [f.victim, f.target, f.listener].map(|a| a.map(|a| a.ip())),
            user: &f.user,
            domain: &f.domain,
            ts,
        }
    }

    fn event(alert: &'a Alert) -> Self {
        Self {
            rule: &alert.signature,
            source: Some(alert.flow.client.addr.ip()),
            destination: [Some(alert.flow.server.addr.ip()), None, None],
            user: &alert.finding.user,
            domain: &alert.finding.domain,
            ts: alert.ts,
        }
    }
}

impl Suppress {
    fn fits(&self, s: &Subject<'_>) -> bool {
        let within = |all: &[Net], a: &Option<IpAddr>| {
            a.is_some_and(|a| all.iter().any(|net| net.contains(a.into())))
        };
        let account = |wanted: &String| match wanted.split_once('\\') {
            Some((domain, user)) => {
                s.domain.eq_ignore_ascii_case(domain) && s.user.eq_ignore_ascii_case(user)
            }
            None => s.user.eq_ignore_ascii_case(wanted),
        };
        (self.rules.is_empty() || self.rules.iter().any(|r| r.is(s.rule)))
            && (self.source.is_empty() || within(&self.source, &s.source))
            && (self.destination.is_empty()
                || s.destination.iter().any(|a| within(&self.destination, a)))
            && (self.account.is_empty() || self.account.iter().any(account))
            && self.now(s.ts)
    }

    fn now(&self, ts: Timestamp) -> bool {
        let secs = ts.secs();
        // 1970-01-01 was a Thursday.
        let day = (secs / 86_400 + 4) % 7;
        let hour = secs / 3600 % 24;
        let hours = match self
            .hours
            .map(|(from, to)| (u64::from(from), u64::from(to)))
        {
            None => true,
            Some((from, to)) if from < to => (from..to).contains(&hour),
            Some((from, to)) => hour >= from || hour < to,
        };
        (self.days == 0 || self.days & (1 << day) != 0) && hours
    }
}

/// Decides over alerts, in the correlator thread, over packet time.
#[derive(Debug)]
pub(super) struct Tuner {
    tuning: Arc<Tuning>,
    /// By threshold, rule and source: since when, and how many.
    seen: BTreeMap<(usize, u32, Option<IpAddr>), (Timestamp, u64)>,
    scratch: Scratch,
    hits: Vec<Arc<Signature>>,
    suppressed: u64,
    /// Of these, alerts of events, which the correlator had counted as written.
    unwritten: u64,
}

impl Tuner {
    pub(super) fn new(tuning: Arc<Tuning>) -> Self {
        Self {
            tuning,
            seen: BTreeMap::new(),
            scratch: Scratch::default(),
            hits: Vec::new(),
            suppressed: 0,
            unwritten: 0,
        }
    }

    /// Suppressed alerts are written, marked.
    pub(super) fn shows(&self) -> bool {
        self.tuning.show
    }

    pub(super) fn suppressed(&self) -> u64 {
        self.suppressed
    }

    pub(super) fn unwritten(&self) -> u64 {
        self.unwritten
    }

    /// True if nobody wants to hear that this rule matched the finding.
    pub(super) fn mutes(&self, rule: &Signature, finding: &Finding, now: Timestamp) -> bool {
        !self.is_idle() && self.muted(&Subject::finding(rule, finding, now))
    }

    fn is_idle(&self) -> bool {
        self.tuning.suppress.is_empty() && self.tuning.thresholds.is_empty()
    }

    fn muted(&self, s: &Subject<'_>) -> bool {
        self.tuning.suppress.iter().any(|entry| entry.fits(s)) || self.below(s)
    }

    /// True if a threshold is not reached with this one.
    fn below(&self, s: &Subject<'_>) -> bool {
        (self.tuning.thresholds.iter().enumerate()).any(|(nth, t)| {
            let before = match self.seen.get(&(nth, s.rule.sid, s.source)) {
                Some((since, n)) if s.ts.since(*since) <= Duration::from_secs(t.seconds) => *n,
                _ => 0,
            };
            t.rules.iter().any(|r| r.is(s.rule)) && before + 1 < t.count
        })
    }

    fn count(&mut self, s: &Subject<'_>) {
        for (nth, t) in self.tuning.thresholds.iter().enumerate() {
            if !t.rules.iter().any(|r| r.is(s.rule)) {
                continue;
            }
            let key = (nth, s.rule.sid, s.source);
            if self.seen.len() >= limits::THRESHOLD_SOURCES && !self.seen.contains_key(&key) {
                let oldest = self.seen.iter().min_by_key(|(_, (since, _))| *since);
                if let Some(oldest) = oldest.map(|(key, _)| *key) {
                    self.seen.remove(&oldest);
                }
            }
            let (since, n) = self.seen.entry(key).or_insert((s.ts, 0));
            if s.ts.since(*since) > Duration::from_secs(t.seconds) {
                (*since, *n) = (s.ts, 0);
            }
            *n += 1;
        }
    }

    /// Marks alerts of events nobody wants to hear, and adds those that findings would have been.
    pub(super) fn review(&mut self, rules: &RuleSet, drops: u64, verdicts: &mut Vec<Verdict>) {
        if self.is_idle() || verdicts.is_empty() {
            return;
        }
        let mut added = Vec::new();
        for verdict in verdicts.iter_mut() {
            match verdict {
                // Alerts of findings passed the judge; these are of events and correlations.
                Verdict::Alert(alert) if alert.finding.detector.is_empty() => {
                    let subject = Subject::event(alert);
                    let muted = self.muted(&subject);
                    self.count(&subject);
                    if muted {
                        alert.suppressed = true;
                        self.suppressed += 1;
                        self.unwritten += 1;
                    }
                }
                Verdict::Finding(case, _) => self.finding(rules, drops, case, &mut added),
                _ => {}
            }
        }
        verdicts.extend(added);
    }

    fn finding(&mut self, rules: &RuleSet, drops: u64, case: &Case, added: &mut Vec<Verdict>) {
        let mut hits = std::mem::take(&mut self.hits);
        hits.clear();
        rules.matches(&*case.finding, &mut self.scratch, &mut hits);
        for rule in hits.iter().filter(|r| !rules.is_silent(r)) {
            let subject = Subject::finding(rule, &case.finding, case.ts);
            if self.muted(&subject) {
                self.suppressed += 1;
                let mut alert = case.alert(rule, 0, drops);
                alert.suppressed = true;
                added.push(Verdict::Alert(Box::new(alert)));
            }
            self.count(&subject);
        }
        self.hits = hits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(sid: u32) -> Arc<Signature> {
        Arc::new(Signature {
            sid,
            detector: "RW-06".to_owned(),
            ..Signature::default()
        })
    }

    fn finding() -> Finding {
        Finding {
            detector: "RW-06",
            attacker: Some(crate::net::Addr::v4([10, 0, 0, 5])),
            victim: Some(crate::net::Addr::v4([10, 0, 1, 7])),
            user: "Backup".to_owned(),
            domain: "LAB".to_owned(),
            ..Finding::default()
        }
    }

    /// Friday, 2026-11-27, 23:30:00 UTC.
    const FRIDAY: Timestamp = Timestamp(1_795_822_200_000_000_000);

    #[test]
    fn everything_an_entry_says_must_fit() {
        let net = |text: &str| vec![text.parse().unwrap()];
        let fits =
            |entry: Suppress| entry.fits(&Subject::finding(&signature(7), &finding(), FRIDAY));
        let any = Suppress::default;
        for (entry, want) in [
            (
                Suppress {
                    rules: vec![RuleRef::Sid(7)],
                    ..any()
                },
                true,
            ),
            (
                Suppress {
                    rules: vec![RuleRef::Sid(8)],
                    ..any()
                },
                false,
            ),
            (
                Suppress {
                    rules: vec![RuleRef::Detector("RW-06".into())],
                    ..any()
                },
                true,
            ),
            (
                Suppress {
                    source: net("10.0.0.0/24"),
                    ..any()
                },
                true,
            ),
            (
                Suppress {
                    source: net("10.0.1.0/24"),
                    ..any()
                },
                false,
            ),
            (
                Suppress {
                    destination: net("10.0.1.7"),
                    ..any()
                },
                true,
            ),
            (
                Suppress {
                    account: vec!["backup".into()],
                    ..any()
                },
                true,
            ),
            (
                Suppress {
                    account: vec![r"lab\backup".into()],
                    ..any()
                },
                true,
            ),
            (
                Suppress {
                    account: vec![r"other\backup".into()],
                    ..any()
                },
                false,
            ),
            (
                Suppress {
                    days: 1 << 5,
                    ..any()
                },
                true,
            ),
            (
                Suppress {
                    days: 1 << 6,
                    ..any()
                },
                false,
            ),
            (
                Suppress {
                    hours: Some((22, 6)),
                    ..any()
                },
                true,
            ),
            (
                Suppress {
                    hours: Some((6, 22)),
                    ..any()
                },
                false,
            ),
            (
                Suppress {
                    hours: Some((23, 24)),
                    ..any()
                },
                true,
            ),
            (
                Suppress {
                    source: net("10.0.0.5"),
                    account: vec!["other".into()],
                    ..any()
                },
                false,
            ),
        ] {
            assert_eq!(fits(entry.clone()), want, "{entry:?}");
        }
    }

    #[test]
    fn a_threshold_lets_the_nth_of_a_source_through() {
        let threshold = Threshold {
            rules: vec![RuleRef::Sid(7)],
            count: 3,
            seconds: 60,
        };
        let mut tuner = Tuner::new(Arc::new(Tuning {
            thresholds: vec![threshold],
            ..Tuning::default()
        }));
        let mut muted = Vec::new();
        let (rule, f) = (signature(7), finding());
        for second in [0, 10, 20, 30, 100, 110] {
            let now = FRIDAY.plus(Duration::from_secs(second));
            muted.push(tuner.mutes(&rule, &f, now));
            tuner.count(&Subject::finding(&rule, &f, now));
        }
        assert_eq!(muted, [true, true, false, false, true, true]);
        assert!(!tuner.mutes(&signature(8), &f, FRIDAY));
    }
}
