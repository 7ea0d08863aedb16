//! Sigma correlation rules, as written: which rules, grouped by what, how often, in which time.
//!
//! Specification: sigma-correlation-rules-specification 2.1. Read are `event_count`, `value_count`,
//! `temporal` and `temporal_ordered` over rules of events and findings; **not** correlations of
//! correlations, nor `value_sum`, `value_avg`, `value_percentile`.

use std::time::Duration;

use super::error::{Problem, list};
use super::yaml::{Node, Pos, Yaml};

/// How occurrences are judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// Their number.
    #[default]
    EventCount,
    /// The number of different values of a field.
    ValueCount,
    /// Every rule occurs.
    Temporal,
    /// Every rule occurs, in the order they are written in.
    Ordered,
}

const KINDS: &[(&str, Kind)] = &[
    ("event_count", Kind::EventCount),
    ("value_count", Kind::ValueCount),
    ("temporal", Kind::Temporal),
    ("temporal_ordered", Kind::Ordered),
];

/// Which counts are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) least: u64,
    pub(super) most: u64,
    pub(super) not: Option<u64>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            least: 0,
            most: u64::MAX,
            not: None,
        }
    }
}

impl Bounds {
    pub(super) fn hold(self, n: u64) -> bool {
        (self.least..=self.most).contains(&n) && self.not != Some(n)
    }

    /// More of the same cannot undo it, so it is known as soon as it holds.
    pub(super) fn is_rising(self) -> bool {
        self.most == u64::MAX && self.not.is_none()
    }
}

/// A name that stands for a field, with its place.
pub(super) type Named = (String, Pos);

/// A correlation as written.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) kind: Kind,
    /// Names or ids of the rules.
    pub(super) rules: Vec<Named>,
    pub(super) group_by: Vec<Named>,
    /// Alias, rule, field.
    pub(super) aliases: Vec<(String, String, Named)>,
    pub(super) timespan: Duration,
    pub(super) bounds: Bounds,
    /// The field whose values are counted.
    pub(super) field: Option<Named>,
    /// The rules that it is about alert by themselves as well.
    pub(super) generate: bool,
}

const KEYS: &[&str] = &[
    "type",
    "rules",
    "group-by",
    "timespan",
    "condition",
    "aliases",
    "generate",
];

/// Reads `correlation`. Problems go to `problems`.
pub(super) fn read(node: &Node, problems: &mut Vec<Problem>) -> Draft {
    let mut draft = Draft::default();
    let Yaml::Map(entries) = &node.yaml else {
        let message = format!("`correlation` should be a map, not {}", node.kind());
        problems.push(Problem::new(node.at, message));
        return draft;
    };
    for (key, _) in entries {
        let word = key.text().unwrap_or_default();
        if !KEYS.contains(&word) {
            problems.push(
                Problem::new(key.at, format!("unknown key `{word}` of a correlation"))
                    .label(format!("there are: {}", list(KEYS.iter().copied())))
                    .suggest(word, KEYS.iter().copied()),
            );
        }
    }
    match node.get("type").map(|n| (n, n.text().unwrap_or_default())) {
        None => problems.push(Problem::new(
            node.at,
            "`type` of the correlation is missing",
        )),
        Some((at, word)) => match KINDS.iter().find(|(name, _)| *name == word) {
            Some((_, kind)) => draft.kind = *kind,
            None => problems.push(
                Problem::new(at.at, format!("unknown type of correlation `{word}`"))
                    .label(format!("there are: {}", list(KINDS.iter().map(|k| k.0))))
                    .suggest(word, KINDS.iter().map(|k| k.0)),
            ),
        },
    }
    draft.rules = names(node, "rules", problems);
    if draft.rules.is_empty() {
        problems.push(
            Problem::new(node.at, "`rules` of the correlation is missing")
                .help("a list of names (`name:`) or ids of rules"),
        );
    }
    draft.group_by = names(node, "group-by", problems);
    draft.aliases = aliases(node, problems);
    draft.timespan = timespan(node, problems);
    condition(node, &mut draft, problems);
    if let Some(generate) = node.get("generate") {
        match generate.yaml {
            Yaml::Bool(b) => draft.generate = b,
            _ => problems.push(Problem::new(
                generate.at,
                "`generate` should be true or false",
            )),
        }
    }
    draft
}

/// Texts of a list, or one text.
fn names(node: &Node, key: &str, problems: &mut Vec<Problem>) -> Vec<Named> {
    let all = match node.get(key).map(|n| (n, &n.yaml)) {
        None => return Vec::new(),
        Some((_, Yaml::List(all))) => all.as_slice(),
        Some((one, _)) => std::slice::from_ref(one),
    };
    let mut out = Vec::new();
    for one in all {
        match one.text() {
            Some(text) => out.push((text.to_owned(), one.at)),
            None => {
                let message = format!("`{key}` should hold text, not {}", one.kind());
                problems.push(Problem::new(one.at, message));
            }
        }
    }
    out
}

fn aliases(node: &Node, problems: &mut Vec<Problem>) -> Vec<(String, String, Named)> {
    let mut out = Vec::new();
    let Some(node) = node.get("aliases") else {
        return out;
    };
    let help = "as `aliases: {who: {rule_a: src_ip, rule_b: dest_ip}}`";
    let Yaml::Map(all) = &node.yaml else {
        problems.push(Problem::new(node.at, "`aliases` should be a map").help(help));
        return out;
    };
    for (alias, fields) in all {
        let Yaml::Map(by_rule) = &fields.yaml else {
            problems.push(Problem::new(fields.at, "an alias should be a map").help(help));
            continue;
        };
        for (rule, field) in by_rule {
            match (alias.text(), rule.text(), field.text()) {
                (Some(alias), Some(rule), Some(name)) => out.push((
                    alias.to_owned(),
                    rule.to_owned(),
                    (name.to_owned(), field.at),
                )),
                _ => problems.push(Problem::new(rule.at, "an alias is made of names").help(help)),
            }
        }
    }
    out
}

/// `30s`, `5m`, `2h`, `1d`.
fn timespan(node: &Node, problems: &mut Vec<Problem>) -> Duration {
    let Some(node) = node.get("timespan") else {
        problems.push(Problem::new(
            node.at,
            "`timespan` of the correlation is missing",
        ));
        return Duration::ZERO;
    };
    let text = node.text().unwrap_or_default();
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => 0,
    };
    let digits = text.get(..text.len().saturating_sub(1)).unwrap_or_default();
    let number: u64 = digits.parse().unwrap_or(0);
    let seconds = number.saturating_mul(unit);
    if seconds == 0 || seconds > 30 * 86_400 {
        problems.push(
            Problem::new(node.at, "`timespan` should be a time of at most 30 days")
                .help("as `30s`, `5m`, `2h` or `1d`"),
        );
        return Duration::ZERO;
    }
    Duration::from_secs(seconds)
}

fn condition(node: &Node, draft: &mut Draft, problems: &mut Vec<Problem>) {
    let ordered = matches!(draft.kind, Kind::Temporal | Kind::Ordered);
    let Some(condition) = node.get("condition") else {
        if !ordered {
            problems.push(
                Problem::new(node.at, "`condition` of the correlation is missing")
                    .help("as `condition: {gte: 10}`"),
            );
        }
        return;
    };
    if ordered {
        problems.push(
            Problem::new(condition.at, "a temporal correlation has no `condition`")
                .help("it holds when each of its rules occurred within the time"),
        );
        return;
    }
    let Yaml::Map(entries) = &condition.yaml else {
        let message = format!("`condition` should be a map, not {}", condition.kind());
        problems.push(Problem::new(condition.at, message).help("as `condition: {gte: 10}`"));
        return;
    };
    let bounds = &mut draft.bounds;
    let mut any = false;
    for (key, value) in entries {
        let word = key.text().unwrap_or_default();
        if word == "field" {
            draft.field = value.text().map(|t| (t.to_owned(), value.at));
            continue;
        }
        let n = match &value.yaml {
            Yaml::Int(n) => u64::try_from(*n).ok(),
            _ => None,
        };
        let Some(n) = n else {
            problems.push(Problem::new(
                value.at,
                "should be a whole number, 0 or more",
            ));
            continue;
        };
        any = true;
        match word {
            "gte" => bounds.least = n,
            "gt" => bounds.least = n.saturating_add(1),
            "lte" => bounds.most = n,
            "lt" if n > 0 => bounds.most = n - 1,
            "eq" => (bounds.least, bounds.most) = (n, n),
            "neq" => bounds.not = Some(n),
            _ => problems.push(
                Problem::new(key.at, format!("`{word}: {n}` is no condition")).help(
                    "there are: gte, gt, lte, lt (from 1), eq, neq, and `field` of value_count",
                ),
            ),
        }
    }
    if !any {
        problems.push(Problem::new(condition.at, "a count is missing").help("as `gte: 10`"));
    }
    match (draft.kind, &draft.field) {
        (Kind::ValueCount, None) => problems.push(
            Problem::new(
                condition.at,
                "`field` is missing: whose values are counted?",
            )
            .help("as `condition: {field: dest_ip, gte: 10}`"),
        ),
        (Kind::EventCount, Some((_, at))) => problems
            .push(Problem::new(*at, "`event_count` counts no field").help("use `value_count`")),
        _ => {}
    }
}
