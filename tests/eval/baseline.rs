//! `testdata/eval/baseline.json`: what was accepted last, and what is worse or better now.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Result;
use super::case::{Case, Start};
use super::mutants::Outcome;
use super::score::Judged;

/// Everything accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Baseline {
    /// By [`Case::id`].
    pub(crate) cases: BTreeMap<String, Accepted>,
    /// Benign captures without an alert at medium or higher, by set: only how many.
    pub(crate) silent: BTreeMap<String, usize>,
    /// Of [`LOSSY`] sets, labels expected and found, by set, detector, transport and visibility.
    #[serde(default)]
    pub(crate) cells: BTreeMap<String, (usize, usize)>,
    /// Of [`LOSSY`] sets, cases of an attack with an alert that is untrue, unexplained or of a second incident.
    #[serde(default)]
    pub(crate) doubts: BTreeMap<String, usize>,
    /// Mutants of rules that `testdata/captures` alone kills.
    pub(crate) mutants: BTreeSet<String>,
}

/// Thousands of files made by a program from recordings that differ from lab to lab, some with losses: which of
/// a recording's frames are lost in one is chance, so labels are held to by cell and not by name, and so are doubts of
/// an attack by their number. Alerts in benign ones are held to by name.
const LOSSY: [&str; 1] = ["lab-derived"];
/// Of a cell of such a set, what may be lost from one lab to the next: one in this many, and one more.
const CHANCE: usize = 50;
/// And the variants in IPv6 of one recording (`AS_IPV6` in `testdata/lab/clothes.py`): it has none if by chance a packet
/// in it, such as a name server's answer, only makes sense in IPv4.
const AS_IPV6: usize = 3;
/// For the same reason one in this many files of such a set may be missing, and those of two recordings.
const FILES: usize = 200;
/// Of all cases of such a set, in how many there may be a new doubt: one in this many, and one more.
const DOUBTS: usize = 1000;

/// What was accepted of a case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Accepted {
    /// By label: detector, transport, visibility, and `found` or `missed`, with ` | ` between.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) wrong: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) duplicates: Vec<String>,
    /// Alerts at medium or higher that nothing explains.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) unexplained: Vec<String>,
}

/// What is different.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Changes {
    /// These fail the evaluation.
    pub(crate) worse: Vec<String>,
    pub(crate) better: Vec<String>,
    /// Cases that were not there before.
    pub(crate) new: Vec<String>,
}

impl Accepted {
    pub(crate) fn of(judged: &Judged) -> Self {
        let row = |r: &super::score::Row| {
            let found = if r.found.is_some() { "found" } else { "missed" };
            let words = [&r.detector, &r.transport, r.visibility.name(), found];
            (r.label.clone(), words.join(" | "))
        };
        Self {
            labels: judged.rows.iter().map(row).collect(),
            wrong: judged.wrong.clone(),
            duplicates: judged.duplicates.clone(),
            unexplained: judged.unexplained.clone(),
        }
    }

    fn is_silent(&self) -> bool {
        *self == Self::default()
    }
}

impl Baseline {
    pub(crate) fn read(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|e| format!("baseline.json: {e}"))
    }

    /// As it is committed: one line a case, so that a diff can be read.
    pub(crate) fn text(&self) -> Result<String> {
        let line = |v: &Accepted| serde_json::to_string(v).map_err(|e| e.to_string());
        let mut cases = Vec::new();
        for (id, accepted) in &self.cases {
            cases.push(format!("    \"{id}\": {}", line(accepted)?));
        }
        let silent = serde_json::to_string(&self.silent).map_err(|e| e.to_string())?;
        let doubts = serde_json::to_string(&self.doubts).map_err(|e| e.to_string())?;
        let cells: Vec<String> = (self.cells.iter())
            .map(|(cell, (e, f))| format!("    \"{cell}\": [{e}, {f}]"))
            .collect();
        let mutants: Vec<String> = self
            .mutants
            .iter()
            .map(|m| format!("    \"{m}\""))
            .collect();
        Ok(format!(
            "{{\n  \"cases\": {{\n{}\n  }},\n  \"silent\": {silent},\n  \"cells\": {{\n{}\n  }},\n  \"doubts\": {doubts},\n  \"mutants\": [\n{}\n  ]\n}}\n",
            cases.join(",\n"),
            cells.join(",\n"),
            mutants.join(",\n")
        ))
    }

    /// What `results` would be accepted as. Sets that are not here keep what they had, and so do the other starts of
    /// what has other addresses this time.
    pub(crate) fn accept(&self, results: &[(Case, Judged)], mutants: &Outcome) -> Self {
        let here: BTreeSet<&str> = results.iter().map(|(c, _)| c.set).collect();
        let varied = varied_starts(results);
        let elsewhere = |id: &str| !here.contains(set(id)) || varied.contains(id);
        let mut new = Self {
            cases: (self.cases.iter())
                .filter(|(id, _)| elsewhere(id))
                .map(|(id, a)| (id.clone(), a.clone()))
                .collect(),
            silent: (self.silent.iter())
                .filter(|(set, _)| !here.contains(set.as_str()))
                .map(|(set, n)| (set.clone(), *n))
                .collect(),
            cells: (self.cells.iter())
                .filter(|(cell, _)| !here.contains(set_of_cell(cell)))
                .map(|(cell, n)| (cell.clone(), *n))
                .collect(),
            doubts: (self.doubts.iter())
                .filter(|(set, _)| !here.contains(set.as_str()))
                .map(|(set, n)| (set.clone(), *n))
                .collect(),
            mutants: mutants.killed_by_testdata.clone(),
        };
        for (case, judged) in results {
            let mut accepted = Accepted::of(judged);
            if LOSSY.contains(&case.set) {
                for words in std::mem::take(&mut accepted.labels).values() {
                    count(case.set, words, &mut new.cells);
                }
                if case.truth.malicious && !accepted.is_silent() {
                    *new.doubts.entry(case.set.to_owned()).or_default() += 1;
                    accepted = Accepted::default();
                }
            }
            if accepted.is_silent() {
                *new.silent.entry(case.set.to_owned()).or_default() += 1;
            } else {
                new.cases.insert(case.id(), accepted);
            }
        }
        new
    }

    /// A mutant that was killed by `testdata/captures`, and still exists, must stay killed.
    pub(crate) fn compare_mutants(&self, now: &Outcome, changes: &mut Changes) {
        for name in self.mutants.difference(&now.killed_by_testdata) {
            if now.survived.contains(name) || now.killed.contains(name) {
                changes
                    .worse
                    .push(format!("testdata kills it no more: {name}"));
            } else {
                changes.new.push(format!("mutant is gone: {name}"));
            }
        }
        let more = now.killed_by_testdata.difference(&self.mutants).count();
        if more > 0 {
            changes
                .better
                .push(format!("{more} more mutants are killed by testdata"));
        }
    }

    /// Compares with what is accepted. Sets of which nothing was run are left out.
    pub(crate) fn compare(&self, results: &[(Case, Judged)]) -> Changes {
        let now = Self::default().accept(results, &Outcome::default());
        let here: BTreeSet<&str> = results.iter().map(|(c, _)| c.set).collect();
        let ids: BTreeSet<String> = results.iter().map(|(c, _)| c.id()).collect();
        let mut changes = Changes::default();
        let varied = varied_starts(results);
        let before = |id: &str| here.contains(set(id)) && !varied.contains(id);
        for (id, old) in self.cases.iter().filter(|(id, _)| before(id)) {
            if !ids.contains(id) {
                changes.worse.push(format!("{id}: was run and is gone"));
                continue;
            }
            let silent = Accepted::default();
            old.against(id, now.cases.get(id).unwrap_or(&silent), &mut changes);
        }
        for (id, new) in &now.cases {
            if self.cases.contains_key(id) {
                continue;
            }
            changes.new.push(id.clone());
            // A new case may be missed: it was just learned of. It may not say what is untrue.
            let labels = new.labels.clone();
            let silent = Accepted {
                labels,
                ..Accepted::default()
            };
            silent.against(id, new, &mut changes);
        }
        for (name, n) in self
            .silent
            .iter()
            .filter(|(set, _)| here.contains(set.as_str()))
        {
            // Those that fell silent or spoke up are told above by name.
            let run = |all: &Self| {
                let benign = all
                    .cases
                    .iter()
                    .filter(|(id, a)| set(id) == name && a.labels.is_empty());
                benign.count() + all.silent.get(name).copied().unwrap_or_default()
            };
            let (old, new) = (run(self), run(&now));
            let chance = if LOSSY.contains(&name.as_str()) {
                old / FILES + 2 * AS_IPV6
            } else {
                0
            };
            if new + chance < old {
                changes.worse.push(format!(
                    "{name}: {new} cases without labels were run, {old} before"
                ));
            } else if new > old {
                changes
                    .new
                    .push(format!("{name}: {} silent cases ({n} before)", new));
            }
        }
        self.cells(&now, &before, &mut changes);
        for (name, n) in &now.doubts {
            let old = self.doubts.get(name).copied().unwrap_or_default();
            let cases = now.silent.get(name).copied().unwrap_or_default() + n;
            if *n > old + cases / DOUBTS + 1 {
                changes.worse.push(format!(
                    "{name}: {n} attacks with untrue, unexplained or double alerts, {old} before"
                ));
            }
        }
        changes
    }

    /// Expected and found by detector, transport and visibility may not shrink; of lossy sets, not by more
    /// than chance.
    fn cells(&self, now: &Self, here: &dyn Fn(&str) -> bool, changes: &mut Changes) {
        let all = |all: &Self| {
            let mut cells: BTreeMap<String, (usize, usize)> = (all.cells.iter())
                .filter(|(cell, _)| here(set_of_cell(cell)))
                .map(|(cell, n)| (cell.clone(), *n))
                .collect();
            for (id, accepted) in all.cases.iter().filter(|(id, _)| here(id)) {
                for words in accepted.labels.values() {
                    count(set(id), words, &mut cells);
                }
            }
            cells
        };
        let (old, new) = (all(self), all(now));
        for (cell, (expected, found)) in old {
            let (e, f) = new.get(&cell).copied().unwrap_or_default();
            let (chance, in_ipv6) = if LOSSY.contains(&set_of_cell(&cell)) {
                (expected / CHANCE + 1, AS_IPV6)
            } else {
                (0, 0)
            };
            // What was not there could not be found.
            let fewer = expected.saturating_sub(e);
            if e + chance + in_ipv6 < expected || f + chance + fewer < found {
                changes.worse.push(format!(
                    "{cell}: {f} found of {e} expected, before {found} of {expected}"
                ));
            }
        }
    }
}

/// Of recordings with other addresses, which are others in each lab, the starts that need the lab's own addresses
/// (see `start.rs`): they are not run this time.
fn varied_starts(results: &[(Case, Judged)]) -> BTreeSet<String> {
    let varied = results
        .iter()
        .filter(|(case, _)| case.truth.varied && case.start == Start::Empty);
    let starts = |case: &Case| {
        [Start::Warm, Start::Declared].map(|start| {
            let case = case.clone();
            Case { start, ..case }.id()
        })
    };
    varied.flat_map(|(case, _)| starts(case)).collect()
}

/// Adds a label's words (see [`Accepted::labels`]) to its cell.
fn count(set: &str, words: &str, cells: &mut BTreeMap<String, (usize, usize)>) {
    let (key, found) = words.rsplit_once(" | ").unwrap_or((words, ""));
    let cell = cells.entry(format!("{set} {key}")).or_default();
    cell.0 += 1;
    cell.1 += usize::from(found == "found");
}

/// The set of a cell, `lab RW-01 | smb-ldap | -`.
fn set_of_cell(cell: &str) -> &str {
    cell.split(' ').next().unwrap_or_default()
}

impl Accepted {
    fn against(&self, id: &str, new: &Self, changes: &mut Changes) {
        for (label, old) in &self.labels {
            let found = |words: &String| words.ends_with("| found");
            match new.labels.get(label).map(found) {
                None => changes
                    .worse
                    .push(format!("{id}: {label} is expected no more")),
                Some(now) if now == found(old) => {}
                Some(true) => changes.better.push(format!("{id}: {label} is found")),
                Some(false) => changes
                    .worse
                    .push(format!("{id}: {label} was found and is lost")),
            }
        }
        for (label, words) in &new.labels {
            if self.labels.contains_key(label) {
                continue;
            }
            if words.ends_with("| found") {
                changes.new.push(format!("{id}: {label}"));
            } else {
                changes
                    .worse
                    .push(format!("{id}: {label} is new and missed"));
            }
        }
        let lists = [
            ("untrue", &self.wrong, &new.wrong),
            ("duplicate", &self.duplicates, &new.duplicates),
            ("false alarm", &self.unexplained, &new.unexplained),
        ];
        for (what, old, new) in lists {
            for text in new.iter().filter(|t| !old.contains(t)) {
                changes.worse.push(format!("{id}: {what}: {text}"));
            }
            for text in old.iter().filter(|t| !new.contains(t)) {
                changes.better.push(format!("{id}: no more {what}: {text}"));
            }
        }
    }
}

/// The set of a [`Case::id`].
fn set(id: &str) -> &str {
    id.split('/').next().unwrap_or_default()
}
