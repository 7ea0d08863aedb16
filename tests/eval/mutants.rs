//! Rules with a condition less: each must change what the evaluation sees.
//!
//! All mutants are loaded beside the rules they were made of and every case runs once. Findings do
//! not depend on rules, so a mutant and its original see the same; where one alerts and the other
//! does not, the condition is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use relaywatch::catalog::Catalog;
use relaywatch::rule::RuleSource;
use serde::Deserialize;

use super::baseline::Changes;
use super::case::Case;
use super::labels::Labels;
use super::reasons::fits;
use super::run::{Said, Sensor};
use super::score::{Judge, Judged};
use super::{Result, each, read, root};

/// First sid of a mutant: outside the range of the built-in rules, so their gid is 2.
const FIRST_SID: u64 = 3_000_000;

/// A shipped rule.
struct Rule {
    /// `coercion/call_names_foreign_host`.
    name: String,
    sid: u64,
    text: String,
}

/// A rule with a condition less.
struct Mutant {
    /// `RULE: selection.field dropped`.
    name: String,
    of: usize,
    sid: u64,
    text: String,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) rules: usize,
    /// Mutants that changed what is seen.
    pub(crate) killed: BTreeSet<String>,
    pub(crate) survived: BTreeSet<String>,
    /// Those that `testdata/captures` alone kills.
    pub(crate) killed_by_testdata: BTreeSet<String>,
}

/// Of mutants that are killed, how many may survive in another lab: one in this many, and one.
const CHANCE: usize = 50;

/// Sets that are always here.
const TESTDATA: [&str; 2] = ["recorded", "derived"];

/// `testdata/eval/mutants.toml`: survivors that are accepted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Nothing can kill them, and why. `*` stands for any text.
    equivalent: BTreeMap<String, String>,
    /// No capture reaches them yet: a debt.
    unreached: Vec<String>,
}

/// Makes and runs every mutant.
pub(crate) fn run(cases: &[Case], results: &[(Case, Judged)], labels: &Labels) -> Result<Outcome> {
    let rules = rules()?;
    let mut mutants = Vec::new();
    for (nth, rule) in rules.iter().enumerate() {
        make(nth, rule, &mut mutants);
    }
    let mut sources = vec![RuleSource::Builtin];
    sources.extend(mutants.iter().map(|m| RuleSource::Text {
        name: m.name.clone(),
        text: m.text.clone(),
    }));
    let sensor = Sensor::new(&sources)?;
    let said = each(cases, |case| sensor.case(case));
    // A case that cannot be run is told by the first run.
    let said: Vec<Said> = said.into_iter().map(Result::unwrap_or_default).collect();
    let everywhere: Vec<usize> = (0..cases.len()).collect();
    let testdata = |n: &usize| cases.get(*n).is_some_and(|c| TESTDATA.contains(&c.set));
    let here: Vec<usize> = everywhere.iter().copied().filter(testdata).collect();
    let judge = Judge {
        labels,
        catalog: Catalog::builtin(),
    };
    let all = Seen {
        said: &said,
        results,
        judge: &judge,
    };
    let (killed, survived) = all.outcome(&rules, &mutants, &everywhere);
    let (killed_by_testdata, _) = all.outcome(&rules, &mutants, &here);
    Ok(Outcome {
        rules: rules.len(),
        killed,
        survived,
        killed_by_testdata,
    })
}

/// What every case said with all mutants loaded.
struct Seen<'a> {
    said: &'a [Said],
    results: &'a [(Case, Judged)],
    judge: &'a Judge<'a>,
}

impl Seen<'_> {
    /// Mutants that `cases` kill, and those that they do not.
    fn outcome(
        &self,
        rules: &[Rule],
        mutants: &[Mutant],
        cases: &[usize],
    ) -> (BTreeSet<String>, BTreeSet<String>) {
        // Incidents in which each sid alerted.
        let mut told: BTreeMap<u64, BTreeSet<(usize, &str)>> = BTreeMap::new();
        for &nth in cases {
            for alert in self.said.get(nth).into_iter().flat_map(|s| &s.alerts) {
                told.entry(alert.sid)
                    .or_default()
                    .insert((nth, alert.incident.as_str()));
            }
        }
        let none = BTreeSet::new();
        let (mut killed, mut survived) = (BTreeSet::new(), BTreeSet::new());
        for (nth, rule) in rules.iter().enumerate() {
            let original = told.get(&rule.sid).unwrap_or(&none);
            let removed = format!("{}: removed", rule.name);
            if original
                .iter()
                .any(|(case, _)| self.needed(rule.sid, *case))
            {
                killed.insert(removed);
            } else {
                survived.insert(removed);
            }
            for mutant in mutants.iter().filter(|m| m.of == nth) {
                if told.get(&mutant.sid).unwrap_or(&none) != original {
                    killed.insert(mutant.name.clone());
                } else if !original.is_empty() {
                    survived.insert(mutant.name.clone());
                }
                // Of a rule that never alerts, what it needs cannot be told: it is listed once, as removed.
            }
        }
        (killed, survived)
    }

    /// Without the alerts of `sid`, a label is lost or found less loudly, or a quiet alert is gone.
    fn needed(&self, sid: u64, nth: usize) -> bool {
        let (Some(said), Some((case, judged))) = (self.said.get(nth), self.results.get(nth)) else {
            return false;
        };
        let mut without = said.clone();
        without.alerts.retain(|a| a.gid == 1 && a.sid != sid);
        let quiet = said
            .alerts
            .iter()
            .any(|a| a.sid == sid && !a.level.is_loud());
        let found = |j: &Judged| j.rows.iter().map(|r| r.found.clone()).collect::<Vec<_>>();
        quiet || found(&self.judge.case(case, &without)) != found(judged)
    }
}

impl Outcome {
    /// Writes survivors into `mutants.toml` and takes out what is killed or gone by now.
    pub(crate) fn accept(&self) -> Result<()> {
        let path = root().join("testdata/eval/mutants.toml");
        let text = read(&path)?;
        let (open, needless) = self.check()?;
        let fail = || "mutants.toml: `unreached = [` to `]` is not where it should be".to_owned();
        let (head, rest) = text.split_once("unreached = [\n").ok_or_else(fail)?;
        let (list, tail) = rest.split_once("]\n").ok_or_else(fail)?;
        let mut lines: BTreeSet<String> = list
            .lines()
            .map(|l| l.trim().trim_end_matches(',').trim_matches('"').to_owned())
            .filter(|l| !needless.contains(l))
            .collect();
        lines.extend(open);
        let lines: Vec<String> = lines.iter().map(|l| format!("    \"{l}\",\n")).collect();
        let text = format!("{head}unreached = [\n{}]\n{tail}", lines.concat());
        std::fs::write(&path, text).map_err(|e| e.to_string())
    }

    /// Tells the survivors that nobody accepted. What testdata kills is held to by name; what only the lab kills hangs on
    /// which frames its variants lose and which recordings have other addresses, so of all that are killed one in
    /// [`CHANCE`], and one, may survive.
    pub(crate) fn survivors(&self, open: &[String], changes: &mut Changes) {
        let list = if open.len() > self.killed.len() / CHANCE + 1 {
            &mut changes.worse
        } else {
            &mut changes.new
        };
        list.extend(
            open.iter()
                .map(|m| format!("survives, not in mutants.toml: {m}")),
        );
    }

    /// Survivors that nobody accepted, and accepted ones that are killed or gone by now.
    pub(crate) fn check(&self) -> Result<(Vec<String>, Vec<String>)> {
        let text = read(&root().join("testdata/eval/mutants.toml"))?;
        let table: Table = toml::from_str(&text).map_err(|e| format!("mutants.toml: {e}"))?;
        if let Some((name, _)) = table
            .equivalent
            .iter()
            .find(|(_, why)| why.trim().is_empty())
        {
            return Err(format!("mutants.toml: {name}: give the reason"));
        }
        let patterns = || table.equivalent.keys().chain(&table.unreached);
        let accepted = |name: &str| patterns().any(|p| fits(p, name));
        let open = self.survived.iter().filter(|m| !accepted(m)).cloned();
        let needless = patterns().filter(|p| !self.survived.iter().any(|s| fits(p, s)));
        Ok((open.collect(), needless.cloned().collect()))
    }
}

/// Every rule of `rules/`.
fn rules() -> Result<Vec<Rule>> {
    let dir = root().join("rules");
    let mut files = Vec::new();
    below(&dir, &mut files);
    files.sort();
    let mut all = Vec::new();
    for path in files {
        let text = read(&path)?;
        let inside = path.strip_prefix(&dir).unwrap_or(&path).with_extension("");
        let sid = text
            .lines()
            .find_map(|l| l.strip_prefix("sid: ")?.trim().parse().ok());
        // Without a detection there is nothing to take away: a correlation rule.
        if let Some(sid) = sid.filter(|_| text.contains("\ndetection:\n")) {
            all.push(Rule {
                name: inside.display().to_string(),
                sid,
                text,
            });
        }
    }
    Ok(all)
}

fn below(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            below(&path, files);
        } else if path.extension().is_some_and(|e| e == "yml") {
            files.push(path);
        }
    }
}

/// A selection of a detection: its name and the lines of each of its items or alternatives.
struct Selection {
    name: String,
    items: Vec<Vec<String>>,
    lines: std::ops::Range<usize>,
}

fn make(nth: usize, rule: &Rule, mutants: &mut Vec<Mutant>) {
    let lines: Vec<&str> = rule.text.lines().collect();
    for selection in selections(&lines) {
        let Some(field) = selection.items.first().and_then(|i| field(i)) else {
            continue;
        };
        let mut add = |what: String, body: Vec<String>| {
            let sid = FIRST_SID + mutants.len() as u64;
            let mut text: Vec<String> = lines.iter().map(|l| (*l).to_owned()).collect();
            text.splice(selection.lines.clone(), body);
            mutants.push(Mutant {
                name: format!("{}: {}{what}", rule.name, selection.name),
                of: nth,
                sid,
                text: renumbered(&text, sid),
            });
        };
        let exists = |value: &str| format!("        - {field}|exists: {value}");
        add(" any".to_owned(), vec![exists("true"), exists("false")]);
        let never = [
            format!("        {field}|exists: true"),
            format!("        {field}|exists|neq: true"),
        ];
        add(" never".to_owned(), never.to_vec());
        if selection.items.len() < 2 {
            continue;
        }
        for (dropped, item) in selection.items.iter().enumerate() {
            let kept = selection
                .items
                .iter()
                .enumerate()
                .filter(|(n, _)| *n != dropped);
            let body = kept.flat_map(|(_, item)| item.clone()).collect();
            add(format!(".{} dropped", field_of(item)), body);
        }
    }
}

/// Reads the block form that all shipped rules have: selections at 4 spaces, items at 8.
fn selections(lines: &[&str]) -> Vec<Selection> {
    let indent = |l: &str| l.len() - l.trim_start().len();
    let mut all: Vec<Selection> = Vec::new();
    let start = lines
        .iter()
        .position(|l| *l == "detection:")
        .unwrap_or(lines.len());
    let mut in_selection = false;
    for (n, line) in lines.iter().enumerate().skip(start + 1) {
        match indent(line) {
            _ if line.trim().is_empty() || line.trim_start().starts_with('#') => {}
            0 => break,
            4 => {
                let name = line.trim().trim_end_matches(':');
                in_selection = line.ends_with(':') && name != "condition";
                if in_selection {
                    all.push(Selection {
                        name: name.to_owned(),
                        items: Vec::new(),
                        lines: n + 1..n + 1,
                    });
                }
            }
            spaces if in_selection => {
                if let Some(selection) = all.last_mut() {
                    selection.lines.end = n + 1;
                    if spaces == 8 {
                        selection.items.push(Vec::new());
                    }
                    if let Some(item) = selection.items.last_mut() {
                        item.push((*line).to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    all
}

/// The field of an item, without modifiers.
fn field(item: &[String]) -> Option<&str> {
    let text = item.first()?.trim().trim_start_matches("- ");
    text.split([':', '|']).next().filter(|f| !f.is_empty())
}

/// All fields of an item, with what tells alternatives of one field apart.
fn field_of(item: &[String]) -> String {
    let first = item
        .first()
        .map_or("", |l| l.trim().trim_start_matches("- "));
    let key = first.split(':').next().unwrap_or_default();
    let value = first.split_once(": ").map_or("", |(_, v)| v);
    if item
        .first()
        .is_some_and(|l| l.trim_start().starts_with("- "))
        && !value.is_empty()
    {
        format!("{key}={value}")
    } else {
        key.to_owned()
    }
}

/// The same rule under a number and an id of its own.
fn renumbered(lines: &[String], sid: u64) -> String {
    let mut text = String::new();
    for line in lines {
        if line.starts_with("id: ") {
            text.push_str(&format!("id: 00000000-0000-4000-8000-{sid:012}"));
        } else if line.starts_with("sid: ") {
            text.push_str(&format!("sid: {sid}"));
        } else {
            text.push_str(line);
        }
        text.push('\n');
    }
    text
}
