//! What a person reads on stderr when it is over.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::event::{Incident, Level, PostureReport};
use crate::net::Addr;
use crate::output::OutputCounters;
use crate::sensor::Report;

/// Incidents told one by one unless -v asks for all.
const SHOWN: usize = 5;

/// Collects reports and prints a few lines.
#[derive(Debug, Default)]
pub(super) struct Summary {
    verbose: u8,
    files: u64,
    total: Report,
    lost_lines: u64,
}

impl Summary {
    pub(super) fn new(verbose: u8) -> Self {
        Self {
            verbose,
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, report: &Report) {
        self.files += 1;
        let t = &mut self.total;
        t.packets += report.packets;
        t.bytes += report.bytes;
        t.drops += report.drops;
        t.gaps += report.gaps;
        t.panics += report.panics;
        for (level, n) in &report.alerts {
            *t.alerts.entry(*level).or_default() += n;
        }
        t.postures.extend(report.postures.iter().cloned());
        t.titles.extend(report.titles.iter().cloned());
        t.incidents.extend(report.incidents.iter().cloned());
    }

    pub(super) fn outputs(&mut self, counters: &[Arc<OutputCounters>]) {
        let lost = |c: &Arc<OutputCounters>| c.lost.load(Relaxed) + c.rejected.load(Relaxed);
        self.lost_lines = counters.iter().map(lost).sum();
    }

    pub(super) fn files(&self) -> u64 {
        self.files
    }

    pub(super) fn alerts(&self) -> u64 {
        self.total.alerts.values().sum()
    }

    /// Weaknesses of hosts. Of several captures, each has its own.
    pub(super) fn postures(&self) -> &[PostureReport] {
        &self.total.postures
    }

    pub(super) fn print(&self) {
        let _ = std::io::stderr().lock().write_all(self.text().as_bytes());
    }

    pub(super) fn text(&self) -> String {
        let t = &self.total;
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{} packets, {} from {} source{}{}",
            t.packets,
            bytes(t.bytes),
            self.files,
            if self.files == 1 { "" } else { "s" },
            missed(t, self.lost_lines),
        );
        let _ = writeln!(text, "{}", alerts_line(&t.alerts));
        let mut incidents: Vec<&Incident> = t.incidents.iter().collect();
        incidents.sort_by_key(|i| (std::cmp::Reverse(i.level), i.first_ts));
        let shown = if self.verbose > 0 {
            incidents.len()
        } else {
            SHOWN
        };
        for incident in incidents.iter().take(shown) {
            let _ = writeln!(text, "{}", incident_line(incident));
        }
        if incidents.len() > shown {
            let _ = writeln!(
                text,
                "... and {} more incidents (-v shows all)",
                incidents.len() - shown
            );
        }
        text
    }
}

fn alerts_line(alerts: &BTreeMap<Level, u64>) -> String {
    if alerts.is_empty() {
        return "no alerts".to_owned();
    }
    let by_level: Vec<String> = alerts
        .iter()
        .rev()
        .map(|(level, n)| format!("{n} {level}"))
        .collect();
    format!("alerts: {}", by_level.join(", "))
}

/// `critical: 10.0.0.5 coerced 10.0.0.2, which authenticated to 10.0.0.5 and was relayed to 10.0.0.1 (success, 3 times)`
fn incident_line(i: &Incident) -> String {
    let list = |all: &[Addr]| {
        let names: Vec<String> = all.iter().take(3).map(ToString::to_string).collect();
        let more = if all.len() > 3 { " ..." } else { "" };
        format!("{}{more}", names.join(", "))
    };
    let r = &i.roles;
    let roles = [
        ("victim", &r.victim),
        ("attacker", &r.attacker),
        ("listener", &r.listener),
        ("relayed to", &r.target),
    ];
    let roles = roles.iter().filter(|(_, who)| !who.is_empty());
    let roles: Vec<String> = roles
        .map(|(word, who)| format!("{word} {}", list(who)))
        .collect();
    let mut text = format!("{}: {}", i.level, roles.join(", "));
    text.push_str(&format!(
        " ({}, outcome {}, {} finding{})",
        i.detectors.join(" "),
        i.outcome,
        i.count,
        if i.count == 1 { "" } else { "s" }
    ));
    text
}

fn missed(t: &Report, lost_lines: u64) -> String {
    let mut text = String::new();
    for (n, what) in [
        (t.drops, "packets dropped"),
        (t.gaps, "bytes missing in streams"),
        (t.panics, "internal errors"),
        (lost_lines, "lines not written"),
    ] {
        if n > 0 {
            text.push_str(&format!(", {n} {what}"));
        }
    }
    text
}

fn bytes(n: u64) -> String {
    indicatif::BinaryBytes(n).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Roles;

    #[test]
    fn tells_the_story_in_three_lines() {
        let mut s = Summary::new(0);
        s.add(&Report {
            packets: 12,
            bytes: 2048,
            alerts: BTreeMap::from([(Level::Critical, 1), (Level::High, 2)]),
            incidents: vec![Incident {
                level: Level::Critical,
                detectors: vec!["RW-01".into(), "RW-06".into()],
                outcome: "success",
                count: 3,
                roles: Roles {
                    attacker: vec![Addr::v4([10, 0, 0, 6])],
                    victim: vec![Addr::v4([10, 0, 0, 2])],
                    listener: vec![Addr::v4([10, 0, 0, 6])],
                    target: vec![Addr::v4([10, 0, 0, 1])],
                },
                ..Incident::default()
            }],
            ..Report::default()
        });
        assert_eq!(
            s.text(),
            "12 packets, 2.00 KiB from 1 source\n\
             alerts: 1 critical, 2 high\n\
             critical: victim 10.0.0.2, attacker 10.0.0.6, listener 10.0.0.6, relayed to 10.0.0.1 \
             (RW-01 RW-06, outcome success, 3 findings)\n"
        );
    }

    #[test]
    fn says_what_was_missed() {
        let mut s = Summary::new(0);
        s.add(&Report {
            drops: 3,
            gaps: 9,
            ..Report::default()
        });
        assert_eq!(
            s.text(),
            "0 packets, 0 B from 1 source, 3 packets dropped, 9 bytes missing in streams\nno alerts\n"
        );
    }
}
