//! Was the truth there before the detector that it judges? What git says, for information.

use std::collections::BTreeMap;
use std::process::Command;

use super::case::Case;
use super::score::Judged;
use super::{read, root};

/// The commit that added a file: its place in history, oldest first, and how people see it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Added {
    nth: usize,
    shown: String,
}

/// One line a detector that has rules: when its truth came, and when its rules.
pub(crate) fn lines(results: &[(Case, Judged)]) -> Vec<String> {
    let Some(added) = added() else {
        return vec!["no git here: not told".to_owned()];
    };
    let mut rules: BTreeMap<String, Vec<Added>> = BTreeMap::new();
    for (file, commit) in added.iter().filter(|(file, _)| file.ends_with(".yml")) {
        // A rule that was added and is gone by now judges nothing.
        let text = read(&root().join(file)).unwrap_or_default();
        if let Some(detector) = text.lines().find_map(|l| l.strip_prefix("detector: ")) {
            rules
                .entry(detector.to_owned())
                .or_default()
                .push(commit.clone());
        }
    }
    let mut truths: BTreeMap<&str, Vec<Added>> = BTreeMap::new();
    for (case, judged) in results.iter().filter(|(c, _)| c.set == "recorded") {
        let file = format!("testdata/captures/{}.json", case.name);
        let Some(commit) = added.get(&file) else {
            continue;
        };
        let labels = judged.rows.iter().map(|r| r.detector.as_str());
        for detector in labels.chain(case.truth.looks_like.iter().map(String::as_str)) {
            truths.entry(detector).or_default().push(commit.clone());
        }
    }
    let mut lines = Vec::new();
    for (detector, rules) in &rules {
        let Some(first_rule) = rules.iter().min() else {
            continue;
        };
        let truths = truths
            .get(detector.as_str())
            .map(Vec::as_slice)
            .unwrap_or_default();
        let before = truths.iter().filter(|t| *t < first_rule).count();
        let first = truths.iter().min().map_or("never", |t| t.shown.as_str());
        lines.push(format!(
            "{detector}  first rule {}, first truth {first}; {before} of {} truths came before",
            first_rule.shown,
            truths.len()
        ));
    }
    lines
}

/// When each file below `rules` and `testdata/captures` was added first.
fn added() -> Option<BTreeMap<String, Added>> {
    let out = Command::new("git")
        .current_dir(root())
        .args([
            "log",
            "--topo-order",
            "--reverse",
            "--diff-filter=A",
            "--name-only",
        ])
        .args(["--format=commit %h %cs", "--", "rules", "testdata/captures"])
        .output()
        .ok()
        .filter(|out| out.status.success())?;
    let text = String::from_utf8(out.stdout).ok()?;
    let mut all = BTreeMap::new();
    let mut commit = Added {
        nth: 0,
        shown: String::new(),
    };
    for line in text.lines().filter(|l| !l.is_empty()) {
        match line.strip_prefix("commit ") {
            Some(shown) => {
                commit = Added {
                    nth: commit.nth + 1,
                    shown: shown.to_owned(),
                };
            }
            None => {
                all.entry(line.to_owned()).or_insert_with(|| commit.clone());
            }
        }
    }
    (!all.is_empty()).then_some(all)
}
