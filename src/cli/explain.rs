//! `explain` and `rules show`: what the handbook and the rules say.

use super::check::print;
use super::{Failure, tuning};
use crate::rule::{Rule, RuleSet};
use crate::sensor::RuleRef;

/// The handbook of detectors, with a section `## RW-nn` each.
const HANDBOOK: &str = include_str!("../../docs/detectors.md");

/// Prints the detector's section, and its rules.
pub(super) fn detector(id: &str, rules: &RuleSet) -> Result<(), Failure> {
    let id = id.to_uppercase();
    let its: Vec<&Rule> = rules
        .rules()
        .filter(|r| r.signature.detector == id)
        .collect();
    let mut lines: Vec<String> = Vec::new();
    match section(&id) {
        Some(text) => lines.extend(text.lines().map(str::to_owned)),
        None if !its.is_empty() => lines.push(format!("## {id}: not in the handbook yet\n")),
        None => {
            let names: Vec<&str> = sections().collect();
            return Err(Failure::new(format_args!(
                "no detector `{id}`; there are: {}",
                names.join(", ")
            )));
        }
    }
    lines.push(format!(
        "Its rules ({}; `relaywatch rules show SID`):",
        its.len()
    ));
    for rule in its {
        let s = &rule.signature;
        lines.push(format!("  {}  {:<13}  {}", s.sid, s.level.name(), s.title));
    }
    print(&lines);
    Ok(())
}

/// Prints a rule as written, or all of a detector.
pub(super) fn show(wanted: &str, rules: &RuleSet) -> Result<(), Failure> {
    let wanted = tuning::name("rules show", wanted).map_err(Failure::new)?;
    let its: Vec<&Rule> = rules.rules().filter(|r| wanted.is(&r.signature)).collect();
    if its.is_empty() {
        let help = match wanted {
            RuleRef::Detector(_) => "`relaywatch explain` names the detectors",
            _ => "`relaywatch rules list` shows those there are",
        };
        return Err(Failure::new(format_args!("no rule has that; {help}")));
    }
    let mut lines = Vec::new();
    for rule in its {
        let s = &rule.signature;
        lines.push(format!("# {}, line {}", rule.file, rule.line));
        lines.push(format!(
            "# alerts: gid {}, sid {}, level {}",
            s.gid, s.sid, s.level
        ));
        lines.push(rule.text.trim_end().to_owned());
        lines.push("---".to_owned());
    }
    lines.pop();
    print(&lines);
    Ok(())
}

/// Names of all sections.
pub(super) fn sections() -> impl Iterator<Item = &'static str> {
    HANDBOOK
        .lines()
        .filter_map(|l| l.strip_prefix("## "))
        .filter(|l| l.starts_with("RW-"))
        .map(|l| l.get(..5).unwrap_or(l))
}

pub(super) fn section(id: &str) -> Option<&'static str> {
    sections().find(|name| *name == id)?;
    let heading = format!("\n## {id}");
    let start = HANDBOOK.find(&heading).map(|at| at + 1)?;
    let text = HANDBOOK.get(start..)?;
    let after = text.get(3..)?.find("\n## ").map_or(text.len(), |at| at + 4);
    text.get(..after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::RuleSource;

    #[test]
    fn every_section_of_the_handbook_is_found_whole() {
        assert!(sections().count() >= 5);
        for id in sections() {
            let text = section(id).unwrap();
            assert!(
                text.starts_with(&format!("## {id}")) && text.len() > 200,
                "{id}"
            );
            assert!(!text.get(3..).unwrap().contains("\n## "), "{id}");
        }
        assert!(section("RW-99").is_none() && section("").is_none());
    }

    #[test]
    fn rules_are_kept_as_written() {
        let rules = RuleSet::load(&[RuleSource::Builtin]).unwrap();
        for rule in rules.rules() {
            assert!(rule.text.starts_with("title: "), "{}", rule.text);
            assert!(rule.text.contains("level: "), "{}", rule.text);
        }
    }
}
