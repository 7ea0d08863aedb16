//! What a person reads, and the same as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use super::Result;
use super::baseline::Changes;
use super::case::{Case, Collected};
use super::labels::Labels;
use super::mutants::Outcome;
use super::reasons::Reasons;
use super::run::Level;
use super::score::Judged;

/// Base scenarios, of attacks and of what looks like them, that a detector needs to be believed.
const PROVEN: usize = 3;

/// One line of the table.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    expected: usize,
    run: usize,
    found: usize,
    /// Found, but at low only.
    quiet: usize,
}

/// A detector as a whole.
#[derive(Clone, Debug, Default)]
struct Detector {
    cells: BTreeMap<(String, &'static str), Cell>,
    attacks: BTreeSet<String>,
    benign: BTreeSet<String>,
    false_alarms: usize,
    wrong: usize,
}

/// The report of a run.
pub(crate) struct Report<'a> {
    detectors: BTreeMap<String, Detector>,
    results: &'a [(Case, Judged)],
    collected: &'a Collected,
    mutants: &'a Outcome,
    reasons: &'a Reasons,
}

impl<'a> Report<'a> {
    pub(crate) fn new(
        labels: &Labels,
        results: &'a [(Case, Judged)],
        collected: &'a Collected,
        mutants: &'a Outcome,
        reasons: &'a Reasons,
    ) -> Self {
        let mut detectors: BTreeMap<String, Detector> = labels
            .detectors()
            .into_iter()
            .map(|d| (d, Detector::default()))
            .collect();
        for (case, judged) in results {
            for row in &judged.rows {
                let d = detectors.entry(row.detector.clone()).or_default();
                let cell = d
                    .cells
                    .entry((row.transport.clone(), row.visibility.name()))
                    .or_default();
                cell.expected += 1;
                cell.run += usize::from(!judged.not_run);
                if let Some((_, level)) = &row.found {
                    cell.found += 1;
                    cell.quiet += usize::from(!level.is_loud());
                }
                if !case.truth.derived {
                    d.attacks.insert(case.name.clone());
                }
            }
            for detector in &judged.right {
                if !case.truth.derived {
                    let d = detectors.entry(detector.clone()).or_default();
                    d.attacks.insert(case.name.clone());
                }
            }
            if !case.truth.malicious && !case.truth.derived {
                for detector in &case.truth.looks_like {
                    let d = detectors.entry(detector.clone()).or_default();
                    d.benign.insert(case.name.clone());
                }
            }
            for text in &judged.unexplained {
                let detector = text.split(' ').next().unwrap_or_default();
                if let Some(d) = detectors.get_mut(detector) {
                    d.false_alarms += 1;
                }
            }
            for text in &judged.wrong {
                let detector = text.split(' ').next().unwrap_or_default();
                if let Some(d) = detectors.get_mut(detector) {
                    d.wrong += 1;
                }
            }
        }
        Self {
            detectors,
            results,
            collected,
            mutants,
            reasons,
        }
    }

    pub(crate) fn print(&self, changes: &Changes) {
        println!("\n== unproven: fewer than {PROVEN} attack or {PROVEN} benign base scenarios");
        let unproven: Vec<_> = self
            .detectors
            .iter()
            .filter(|(_, d)| !d.is_proven())
            .collect();
        for (name, d) in &unproven {
            println!(
                "  {name}  {} attack, {} benign look-alikes",
                d.attacks.len(),
                d.benign.len()
            );
        }
        if unproven.is_empty() {
            println!("  none");
        }
        println!("\n== detectors");
        println!(
            "  {:<8}{:<31}{:<11}{:>8}{:>6}{:>7}{:>8}{:>8}   {:>6}{:>13}",
            "",
            "transport",
            "visible",
            "expected",
            "run",
            "found",
            "missed",
            "at low",
            "untrue",
            "false alarms"
        );
        for (name, d) in &self.detectors {
            let total = d.total();
            if total.expected + d.false_alarms + d.wrong == 0 {
                continue;
            }
            let line = |first: &str, transport: &str, visible: &str, c: Cell| {
                format!(
                    "  {first:<8}{transport:<31}{visible:<11}{:>8}{:>6}{:>7}{:>8}{:>8}",
                    c.expected,
                    c.run,
                    c.found,
                    c.expected - c.found,
                    c.quiet
                )
            };
            println!(
                "{}   {:>6}{:>13}",
                line(name, "all", "", total),
                d.wrong,
                d.false_alarms
            );
            for ((transport, visible), cell) in &d.cells {
                println!("{}", line("", &clipped(transport), visible, *cell));
            }
        }
        self.print_sets();
        self.print_cases();
        let m = self.mutants;
        println!(
            "\n== mutants: {} rules with a condition less, or removed",
            m.rules
        );
        println!(
            "  {} change what is seen ({} by testdata alone), {} do not",
            m.killed.len(),
            m.killed_by_testdata.len(),
            m.survived.len()
        );
        println!("\n== which came first, by git (captures of testdata only)");
        for line in super::provenance::lines(self.results) {
            println!("  {line}");
        }
        for (title, lines) in [
            ("new since the baseline", &changes.new),
            ("better than the baseline", &changes.better),
            ("WORSE than the baseline", &changes.worse),
        ] {
            if !lines.is_empty() {
                println!("\n== {title}");
                lines.iter().for_each(|l| println!("  {l}"));
            }
        }
        println!();
        for skipped in &self.collected.skipped {
            println!("skipped: {skipped}");
        }
    }

    fn print_sets(&self) {
        println!("\n== captures");
        println!(
            "  {:<12}{:>7}{:>8}{:>7}{:>8}{:>8}{:>9}{:>11}   alerts in benign ones",
            "", "attack", "labels", "found", "missed", "benign", "untrue", "duplicates"
        );
        let sets: BTreeSet<&str> = self.results.iter().map(|(c, _)| c.set).collect();
        for set in sets {
            let all: Vec<_> = self.results.iter().filter(|(c, _)| c.set == set).collect();
            let attacks = all.iter().filter(|(c, _)| c.truth.malicious).count();
            let rows: Vec<_> = all.iter().flat_map(|(_, j)| &j.rows).collect();
            let found = rows.iter().filter(|r| r.found.is_some()).count();
            let mut levels: BTreeMap<Level, usize> = BTreeMap::new();
            for (_, judged) in all.iter().filter(|(c, _)| !c.truth.malicious) {
                for (level, n) in &judged.levels {
                    *levels.entry(*level).or_default() += n;
                }
            }
            let levels: Vec<String> = levels
                .iter()
                .rev()
                .map(|(l, n)| format!("{n} {}", l.name()))
                .collect();
            println!(
                "  {set:<12}{attacks:>7}{:>8}{found:>7}{:>8}{:>8}{:>9}{:>11}   {}",
                rows.len(),
                rows.len() - found,
                all.len() - attacks,
                all.iter().map(|(_, j)| j.wrong.len()).sum::<usize>(),
                all.iter().map(|(_, j)| j.duplicates.len()).sum::<usize>(),
                if levels.is_empty() {
                    "none".to_owned()
                } else {
                    levels.join(", ")
                }
            );
        }
    }

    fn print_cases(&self) {
        println!("\n== missed, with the name of the reason");
        self.each(|case, j| {
            j.rows
                .iter()
                .filter(|r| r.found.is_none())
                .map(|r| {
                    let reason = self.reasons.of(case, &r.label).unwrap_or("no reason");
                    format!("{} [{reason}]: {}", r.label, r.why)
                })
                .collect()
        });
        println!("\n== the reasons (testdata/eval/missed.toml)");
        for (name, why) in self.reasons.all() {
            println!("  {name}: {}", why.replace('\n', " "));
        }
        println!("\n== untrue: an alert for a label of the case that says what is not so");
        self.each(|_, j| j.wrong.clone());
        println!("\n== duplicates");
        self.each(|_, j| j.duplicates.clone());
        println!("\n== alerts at medium or higher that no label explains");
        self.each(|_, j| j.unexplained.clone());
    }

    fn each(&self, lines: impl Fn(&Case, &Judged) -> Vec<String>) {
        let mut none = true;
        for (case, judged) in self.results {
            for line in lines(case, judged) {
                none = false;
                println!("  {}: {line}", case.id());
            }
        }
        if none {
            println!("  none");
        }
    }

    /// The same for programs.
    pub(crate) fn write(&self, path: &Path, changes: &Changes) -> Result<()> {
        let detectors: BTreeMap<&str, Value> = self
            .detectors
            .iter()
            .map(|(name, d)| (name.as_str(), d.json()))
            .collect();
        let cases: BTreeMap<String, Value> = self
            .results
            .iter()
            .map(|(case, j)| (case.id(), case_json(case, j)))
            .collect();
        let all = json!({
            "detectors": detectors,
            "cases": cases,
            "mutants": {"killed": self.mutants.killed, "survived": self.mutants.survived},
            "changes": changes,
            "skipped": self.collected.skipped,
            "errors": self.collected.errors,
        });
        let text = serde_json::to_string_pretty(&all).map_err(|e| e.to_string())?;
        let dir = path.parent().unwrap_or(path);
        std::fs::create_dir_all(dir)
            .and_then(|()| std::fs::write(path, text + "\n"))
            .map_err(|e| format!("{}: {e}", path.display()))
    }
}

fn case_json(case: &Case, judged: &Judged) -> Value {
    let rows: Vec<Value> = judged
        .rows
        .iter()
        .map(|r| {
            json!({
                "label": r.label,
                "counted_for": r.detector,
                "transport": r.transport,
                "visibility": r.visibility.name(),
                "found_by": r.found.as_ref().map(|(d, _)| d),
                "level": r.found.as_ref().map(|(_, l)| l.name()),
                "why_missed": r.why,
            })
        })
        .collect();
    let levels: BTreeMap<&str, usize> = judged.levels.iter().map(|(l, n)| (l.name(), *n)).collect();
    json!({
        "malicious": case.truth.malicious,
        "derived": case.truth.derived,
        "looks_like": case.truth.looks_like,
        "labels": rows,
        "untrue": judged.wrong,
        "duplicates": judged.duplicates,
        "unexplained": judged.unexplained,
        "alerts": levels,
    })
}

/// A name that fits its column.
fn clipped(name: &str) -> String {
    let mut short: String = name.chars().take(29).collect();
    if short.len() < name.len() {
        short.push('…');
    }
    short
}

impl Detector {
    fn is_proven(&self) -> bool {
        self.attacks.len() >= PROVEN && self.benign.len() >= PROVEN
    }

    fn total(&self) -> Cell {
        self.cells.values().fold(Cell::default(), |a, b| Cell {
            expected: a.expected + b.expected,
            run: a.run + b.run,
            found: a.found + b.found,
            quiet: a.quiet + b.quiet,
        })
    }

    fn json(&self) -> Value {
        let cell = |c: &Cell| json!({"expected": c.expected, "run": c.run, "found": c.found, "missed": c.expected - c.found, "found_at_low": c.quiet});
        let cells: Vec<Value> = self
            .cells
            .iter()
            .map(|((transport, visibility), c)| {
                json!({"transport": transport, "visibility": visibility, "count": cell(c)})
            })
            .collect();
        json!({
            "proven": self.is_proven(),
            "attack_base_scenarios": self.attacks,
            "benign_base_scenarios": self.benign,
            "all": cell(&self.total()),
            "by": cells,
            "untrue": self.wrong,
            "false_alarms": self.false_alarms,
        })
    }
}
