//! Why a rule did not match: every event is shown to every rule for it, and what failed is kept.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use super::condition::Expr;
use super::detection::Compare;
use super::matcher::{ANY_FIELD, Op, Scratch, Test};
use super::pattern::Pattern;
use crate::event::{Fields, Finding, Signature, Value};

/// Different near misses kept of one rule; those that miss most go first.
const NEAR: usize = 64;
/// Findings that may be shown again.
const LATELY: usize = 4;
/// Characters shown of one value.
const SHOWN: usize = 60;

/// What rules did on a capture.
#[derive(Debug, Default)]
pub struct Trial {
    by_rule: Mutex<BTreeMap<(u32, u32), Tried>>,
}

/// What one rule did.
#[derive(Clone, Debug, Default)]
pub struct Tried {
    /// Events of the kinds it is for.
    pub seen: u64,
    /// Of these, those it matched.
    pub matched: u64,
    /// The first that it matched.
    pub example: Option<String>,
    near: BTreeMap<(usize, Vec<String>), (u64, String)>,
    /// Where the last findings lie: the correlator shows each several times.
    lately: VecDeque<usize>,
}

/// Events that failed the same conditions.
#[derive(Clone, Debug)]
pub struct Near {
    /// What failed, and how it was.
    pub failed: Vec<String>,
    /// How many events.
    pub count: u64,
    /// The first of them.
    pub example: String,
}

impl Trial {
    /// What the rule did.
    #[must_use]
    pub fn of(&self, rule: &Signature) -> Tried {
        let all = self.by_rule.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&(rule.gid, rule.sid)).cloned().unwrap_or_default()
    }

    pub(super) fn note(
        &self,
        rule: &Signature,
        expr: &Expr<Test>,
        event: &dyn Fields,
        scratch: &mut Scratch,
    ) {
        let failed = failed(expr, event, scratch);
        let mut all = self.by_rule.lock().unwrap_or_else(PoisonError::into_inner);
        let tried = all.entry((rule.gid, rule.sid)).or_default();
        if event.schema().name == Finding::SCHEMA.name {
            let at = std::ptr::from_ref(event).addr();
            if tried.lately.contains(&at) {
                return;
            }
            tried.lately.push_back(at);
            if tried.lately.len() > LATELY {
                tried.lately.pop_front();
            }
        }
        tried.seen += 1;
        let Some(failed) = failed else {
            tried.matched += 1;
            tried.example.get_or_insert_with(|| shown(event));
            return;
        };
        // Nothing fits: that is not near.
        if failed.len() >= parts(expr) && parts(expr) > 1 {
            return;
        }
        let near = tried.near.entry((failed.len(), failed));
        near.or_insert_with(|| (0, shown(event))).0 += 1;
        if tried.near.len() > NEAR {
            tried.near.pop_last();
        }
    }
}

impl Tried {
    /// The nearest misses: fewest conditions failed, then most events.
    #[must_use]
    pub fn nearest(&self, most: usize) -> Vec<Near> {
        let mut all: Vec<_> = self.near.iter().collect();
        all.sort_by_key(|((failed, _), (count, _))| (*failed, std::cmp::Reverse(*count)));
        let near =
            |((_, failed), (count, example)): (&(usize, Vec<String>), &(u64, String))| Near {
                failed: failed.clone(),
                count: *count,
                example: example.clone(),
            };
        all.into_iter().take(most).map(near).collect()
    }
}

/// Conditions that all have to hold.
fn parts(expr: &Expr<Test>) -> usize {
    match expr {
        Expr::All(parts) => parts.iter().map(self::parts).sum(),
        _ => 1,
    }
}

/// What keeps the expression from holding; `None` if it holds.
fn failed(expr: &Expr<Test>, event: &dyn Fields, scratch: &mut Scratch) -> Option<Vec<String>> {
    match expr {
        Expr::Is(test) if test.matches(event, scratch) => None,
        Expr::Is(test) => Some(vec![said(test, event)]),
        Expr::All(parts) => {
            let all: Vec<String> = parts
                .iter()
                .filter_map(|p| failed(p, event, scratch))
                .flatten()
                .collect();
            (!all.is_empty()).then_some(all)
        }
        Expr::Any(parts) => {
            let mut best: Option<Vec<String>> = None;
            for part in parts {
                let of_part = failed(part, event, scratch)?;
                if best.as_ref().is_none_or(|b| of_part.len() < b.len()) {
                    best = Some(of_part);
                }
            }
            Some(best.unwrap_or_else(|| vec!["no selection is left".to_owned()]))
        }
        Expr::Not(part) => match failed(part, event, scratch) {
            Some(_) => None,
            None => Some(vec![format!(
                "`not` excludes it: {}",
                holds(part, event, scratch)
            )]),
        },
    }
}

/// What makes the expression hold.
fn holds(expr: &Expr<Test>, event: &dyn Fields, scratch: &mut Scratch) -> String {
    match expr {
        Expr::Is(test) => {
            let (name, value) = value(test, event);
            format!("{name} is {value}")
        }
        Expr::All(parts) => {
            let all: Vec<String> = parts.iter().map(|p| holds(p, event, scratch)).collect();
            all.join(", ")
        }
        Expr::Any(parts) => parts
            .iter()
            .find(|p| failed(p, event, scratch).is_none())
            .map_or(String::new(), |p| holds(p, event, scratch)),
        Expr::Not(_) => "another `not` holds".to_owned(),
    }
}

fn said(test: &Test, event: &dyn Fields) -> String {
    let (name, value) = value(test, event);
    format!("{name} is {value}, not {}", wanted(&test.op))
}

fn value(test: &Test, event: &dyn Fields) -> (&'static str, String) {
    if test.field == ANY_FIELD {
        return ("no field", "so".to_owned());
    }
    let schema = event.schema();
    let own = schema.fields.get(usize::from(test.field)).map(|f| f.name);
    let name = own.or_else(|| {
        let at = usize::from(test.field).checked_sub(schema.fields.len())?;
        super::view::names(schema).nth(at)
    });
    (name.unwrap_or_default(), text(&event.field(test.field)))
}

fn text(value: &Value<'_>) -> String {
    if value.is_absent() {
        return "absent".to_owned();
    }
    let mut text = String::new();
    value.push_to(&mut text);
    cut(&text)
}

fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("`{short}`")
}

fn wanted(op: &Op) -> String {
    let pattern = |p: &Pattern| match p {
        Pattern::Equals(text) => cut(text),
        Pattern::Starts(text) => format!("starting with {}", cut(text)),
        Pattern::Ends(text) => format!("ending in {}", cut(text)),
        Pattern::Contains(finder) => {
            format!(
                "with {} in it",
                cut(&String::from_utf8_lossy(finder.needle()))
            )
        }
        Pattern::Any => "anything".to_owned(),
        Pattern::Glob(_) => "as the pattern has it".to_owned(),
    };
    match op {
        Op::Absent => "absent".to_owned(),
        Op::Present => "there".to_owned(),
        Op::Bool(b) => b.to_string(),
        Op::Number(compare, n) => match compare {
            Compare::Equal => n.to_string(),
            Compare::Greater => format!("over {n}"),
            Compare::GreaterEqual => format!("{n} or more"),
            Compare::Less => format!("under {n}"),
            Compare::LessEqual => format!("{n} or less"),
        },
        Op::Address(a) => a.to_string(),
        Op::Network(net) => format!("in {net}"),
        Op::Cased(p) | Op::Folded(p) => pattern(p),
        Op::OneOf(all) => {
            let some: Vec<String> = all.iter().take(4).map(|t| cut(t)).collect();
            let more = if all.len() > some.len() { ", …" } else { "" };
            format!("one of {}{more}", some.join(", "))
        }
        Op::Guid(guid, _) => guid.to_string(),
        Op::Regex(regex) => format!("matching {}", cut(regex.as_str())),
        Op::Same { .. } => "the same as the other field".to_owned(),
    }
}

/// The fields of an event that are there.
fn shown(event: &dyn Fields) -> String {
    let schema = event.schema();
    let names = schema.fields.iter().map(|f| f.name);
    let all: Vec<String> = (0..)
        .zip(names.chain(super::view::names(schema)))
        .filter_map(|(id, name)| {
            let value = event.field(id);
            let plain = matches!(value, Value::Bool(false));
            (!value.is_absent() && !plain).then(|| format!("{name}={}", text(&value)))
        })
        .collect();
    format!("{} {}", schema.name, all.join(" "))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tests::{call, finding, hits, load, rule};
    use super::*;

    #[test]
    fn what_nearly_matched_says_why_not() {
        let detection = "    sel:\n        opnum: 65\n        endpoint: efsrpc\n        transport: ncacn_np\n    \
                         own:\n        stub_len|lt: 200\n    condition: sel and not own";
        let mut rules = load(&rule(1, "dce_rpc", detection));
        let trial = Arc::new(Trial::default());
        rules.try_out(Arc::clone(&trial));
        assert!(hits(&rules, &call()).is_empty());
        hits(&rules, &finding());
        let tried = trial.of(&rules.rules().next().unwrap().signature);
        assert_eq!((tried.seen, tried.matched), (1, 0));
        let near = tried.nearest(5);
        assert_eq!(near[0].count, 1);
        assert_eq!(
            near[0].failed,
            [
                "endpoint is `spoolss`, not `efsrpc`",
                "`not` excludes it: stub_len is `100`"
            ]
        );
        assert!(
            near[0].example.starts_with("call interface=`12345678-"),
            "{}",
            near[0].example
        );
    }
}
