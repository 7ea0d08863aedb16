//! Sigma correlation rules in the correlator thread: hits and findings in, alerts out.

use std::sync::Arc;

use crate::correlate::{Case, Verdict};
use crate::event::{Finding, Seen, Sighting, Signature};
use crate::rule::{Correlated, Occurrence, Occurrences, RuleSet, Scratch};
use crate::time::Timestamp;

/// Occurrences, with what they are counted by.
#[derive(Debug)]
pub(super) struct RuleCorrelator {
    rules: Arc<RuleSet>,
    occurrences: Occurrences,
    scratch: Scratch,
    hits: Vec<Arc<Signature>>,
    found: Vec<Correlated>,
    alerts: u64,
}

impl RuleCorrelator {
    pub(super) fn new(rules: Arc<RuleSet>) -> Self {
        Self {
            rules,
            occurrences: Occurrences::default(),
            scratch: Scratch::default(),
            hits: Vec::new(),
            found: Vec::new(),
            alerts: 0,
        }
    }

    /// Goes on with other rules; what those still count is kept.
    pub(super) fn change(&mut self, rules: Arc<RuleSet>) {
        self.rules = rules;
        self.occurrences.keep_of(&self.rules);
    }

    /// Counts a rule's hit. True if that was all it is there for.
    pub(super) fn hears(&mut self, s: &Sighting, out: &mut Vec<Verdict>) -> bool {
        let Seen::RuleHit {
            signature,
            captured: Some(captured),
            ..
        } = &s.seen
        else {
            return false;
        };
        let what = Occurrence {
            signature,
            captured,
            ts: s.ts,
            flow: s.flow,
            pcap_cnt: s.key.number,
            incident_id: 0,
        };
        self.occurrences.add(&self.rules, &what, &mut self.found);
        self.tell(out);
        self.rules.is_silent(signature)
    }

    /// Counts the findings among the verdicts; what they come to stands behind them.
    pub(super) fn findings(&mut self, verdicts: &mut Vec<Verdict>) {
        if !self.rules.correlates() || verdicts.is_empty() {
            return;
        }
        for verdict in verdicts.iter() {
            let Verdict::Finding(case, incident_id) = verdict else {
                continue;
            };
            let finding: &Finding = &case.finding;
            self.hits.clear();
            self.rules
                .matches(finding, &mut self.scratch, &mut self.hits);
            for signature in &self.hits {
                if let Some(captured) = self.rules.capture(signature, finding) {
                    let what = Occurrence {
                        signature,
                        captured: &captured,
                        ts: case.ts,
                        flow: case.flow,
                        pcap_cnt: case.pcap_cnt,
                        incident_id: *incident_id,
                    };
                    self.occurrences.add(&self.rules, &what, &mut self.found);
                }
            }
        }
        self.tell(verdicts);
    }

    /// Tells the time.
    pub(super) fn advance(&mut self, now: Timestamp, out: &mut Vec<Verdict>) {
        if self.rules.correlates() {
            self.occurrences.advance(&self.rules, now, &mut self.found);
            self.tell(out);
        }
    }

    pub(super) fn evicted(&self) -> u64 {
        self.occurrences.evicted()
    }

    pub(super) fn alerts(&self) -> u64 {
        self.alerts
    }

    fn tell(&mut self, out: &mut Vec<Verdict>) {
        for c in self.found.drain(..) {
            let case = Case {
                finding: Arc::new(Finding::default()),
                ts: c.ts,
                pcap_cnt: c.pcap_cnt,
                flow: c.flow,
                legs: Vec::new(),
                rpc: None,
                ntlm: None,
                evidence: c.evidence,
            };
            self.alerts += 1;
            let alert = case.alert(&c.signature, c.incident_id, 0);
            out.push(Verdict::Alert(Box::new(alert)));
        }
    }
}
