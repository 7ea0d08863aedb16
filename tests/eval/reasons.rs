//! `testdata/eval/missed.toml`: why labels are missed.

use serde::Deserialize;

use super::Result;
use super::case::{Case, Start};
use super::score::{Judged, Row};

/// One reason and what it is for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    name: String,
    why: String,
    labels: Vec<String>,
    scenarios: Vec<String>,
    #[serde(default)]
    starts: Vec<String>,
    #[serde(default)]
    clothes: Vec<String>,
}

/// All of them, in the order of the file: the first that fits counts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reasons {
    reason: Vec<Reason>,
}

/// A case's scenario and, of a variant, what was done to it.
fn scenario(case: &Case) -> (&str, &str) {
    match case.name.rsplit_once('-') {
        Some((scenario, clothes)) if case.truth.derived && case.set != "shared-lab" => {
            (scenario, clothes)
        }
        _ => (&case.name, ""),
    }
}

fn start(case: &Case) -> &'static str {
    match case.start {
        Start::Empty => "empty",
        Start::Warm => "warm",
        Start::Declared => "declared",
    }
}

impl Reason {
    fn of_case(&self, case: &Case, pattern: &str) -> bool {
        let (scenario, clothes) = scenario(case);
        fits(pattern, scenario)
            && (self.starts.is_empty() || self.starts.iter().any(|s| s == start(case)))
            && (self.clothes.is_empty() || self.clothes.iter().any(|c| c == clothes))
    }

    fn covers(&self, case: &Case, label: &str) -> bool {
        self.labels.iter().any(|l| fits(l, label))
            && self.scenarios.iter().any(|s| self.of_case(case, s))
    }

    /// Its scenarios that were run, have such a label, and miss none.
    fn stale<'a>(&'a self, results: &'a [(Case, Judged)]) -> impl Iterator<Item = String> + 'a {
        // Which frames a damaged variant has is chance.
        let scenarios = if self.clothes.is_empty() {
            &self.scenarios[..]
        } else {
            &[]
        };
        let is_found = |scenario: &&String| {
            let of_case = |(case, _): &&(Case, Judged)| self.of_case(case, scenario);
            let rows: Vec<&Row> = results
                .iter()
                .filter(of_case)
                .flat_map(|(_, judged)| &judged.rows)
                .filter(|row| self.labels.iter().any(|l| fits(l, &row.label)))
                .collect();
            !rows.is_empty() && rows.iter().all(|row| row.found.is_some())
        };
        let said = |scenario: &String| format!("missed.toml, {}: {scenario} is found", self.name);
        scenarios.iter().filter(is_found).map(said)
    }
}

impl Reasons {
    /// # Errors
    /// What is wrong with the table, or which reason says nothing.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let table: Self = toml::from_str(text).map_err(|e| format!("missed.toml: {e}"))?;
        for reason in &table.reason {
            if reason.why.trim().is_empty() || reason.name.is_empty() {
                return Err(format!("missed.toml, {}: give the reason", reason.name));
            }
            let known = ["empty", "warm", "declared"];
            if let Some(other) = reason.starts.iter().find(|s| !known.contains(&s.as_str())) {
                return Err(format!("missed.toml, {}: no start {other}", reason.name));
            }
        }
        Ok(table)
    }

    /// The name of the reason for a missed label.
    pub(crate) fn of(&self, case: &Case, label: &str) -> Option<&str> {
        let reason = self.reason.iter().find(|r| r.covers(case, label))?;
        Some(&reason.name)
    }

    /// Name and text of each.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.reason.iter().map(|r| (&*r.name, r.why.trim()))
    }

    /// Missed labels without a reason, and reasons for what is found.
    pub(crate) fn problems(&self, results: &[(Case, Judged)]) -> Vec<String> {
        let mut problems = Vec::new();
        for (case, judged) in results {
            let missed = judged.rows.iter().filter(|row| row.found.is_none());
            for row in missed.filter(|row| self.of(case, &row.label).is_none()) {
                problems.push(format!(
                    "missed without a reason: {}: {}",
                    case.id(),
                    row.label
                ));
            }
        }
        problems.extend(self.reason.iter().flat_map(|r| r.stale(results)));
        problems
    }
}

/// True if `name` is `pattern`, in which `*` stands for any text.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices()
                .map(|(at, _)| at)
                .chain([rest.len()])
                .any(|at| fits(after, &rest[at..]))
        }),
    }
}
