//! Binds a detection to the events it is for: names become field numbers, values become tests.

use std::net::IpAddr;

use regex::RegexBuilder;

use super::condition::{Expr, one_or};
use super::detection::{Compare, Detection, How, Item};
use super::error::{Problem, list};
use super::matcher::{Network, Op, Test};
use super::pattern::{Pattern, Place};
use super::yaml::{Node, Yaml};
use crate::event::{EventSchema, FieldDef, FieldId, ValueKind};
use crate::wire::Guid;

/// Bytes that one compiled regular expression may take.
const REGEX_BYTES: usize = 1 << 20;

/// An event's declaration, and the detection as tests of its fields.
pub(super) type Bound = (&'static EventSchema, Expr<Test>);

/// Compiles the detection for every one of the `schemas` that has all its fields.
pub(super) fn bind(
    detection: &Detection,
    schemas: &[&'static EventSchema],
    problems: &mut Vec<Problem>,
) -> Vec<Bound> {
    let before = problems.len();
    for item in &detection.items {
        let known = schemas.iter().find_map(|s| field(s, &item.field));
        match known {
            None => problems.push(unknown_field(item, schemas)),
            Some((id, def)) => {
                if let Err(several) = tests(item, id, def) {
                    problems.extend(several);
                }
            }
        }
    }
    if problems.len() > before {
        return Vec::new();
    }
    let fits = |s: &&&'static EventSchema| missing(detection, s).next().is_none();
    let bound: Vec<Bound> = schemas
        .iter()
        .filter(fits)
        .filter_map(|schema| Some((*schema, compile(detection, schema, problems)?)))
        .collect();
    if bound.is_empty() && problems.len() == before {
        problems.push(no_event_has_all(detection, schemas));
    }
    bound
}

fn field(schema: &EventSchema, name: &str) -> Option<(FieldId, &'static FieldDef)> {
    let id = schema.field(name)?;
    Some((id, schema.fields.get(usize::from(id))?))
}

fn missing<'a>(
    detection: &'a Detection,
    schema: &'a EventSchema,
) -> impl Iterator<Item = &'a Item> {
    detection
        .items
        .iter()
        .filter(|i| schema.field(&i.field).is_none())
}

fn compile(
    detection: &Detection,
    schema: &EventSchema,
    problems: &mut Vec<Problem>,
) -> Option<Expr<Test>> {
    let before = problems.len();
    let mut compiled = Vec::with_capacity(detection.items.len());
    for item in &detection.items {
        // Only reached for schemas that have every field.
        let (id, def) = field(schema, &item.field)?;
        match tests(item, id, def) {
            Ok(expr) => compiled.push(expr),
            // A field of the same name and another kind than in the schema looked at first.
            Err(several) => problems.extend(several),
        }
    }
    (problems.len() == before).then(|| {
        detection.expr.map(&mut |index: &usize| {
            compiled
                .get(*index)
                .cloned()
                .unwrap_or(Expr::Any(Vec::new()))
        })
    })
}

/// `dce_rpc call`, or `finding` where the two names are one.
fn title(schema: &EventSchema) -> String {
    if schema.service == schema.name {
        schema.name.to_owned()
    } else {
        format!("{} {}", schema.service, schema.name)
    }
}

fn unknown_field(item: &Item, schemas: &[&'static EventSchema]) -> Problem {
    let names = |s: &&'static EventSchema| s.fields.iter().map(|f| f.name);
    let mut problem = Problem::new(item.at, format!("unknown field `{}`", item.field));
    for (nth, schema) in schemas.iter().enumerate() {
        let all: Vec<&str> = names(schema).collect();
        let line = format!("{} has: {}", title(schema), all.join(", "));
        problem = if nth == 0 {
            problem.label(line)
        } else {
            problem.help(line)
        };
    }
    problem.suggest(&item.field, schemas.iter().flat_map(names))
}

fn no_event_has_all(detection: &Detection, schemas: &[&'static EventSchema]) -> Problem {
    let at = detection.items.first().map(|i| i.at).unwrap_or_default();
    let service = schemas.first().map_or("", |s| s.service);
    let mut problem = Problem::new(
        at,
        format!("no {service} event has all fields of this rule"),
    );
    for schema in schemas {
        let mut names: Vec<&str> = missing(detection, schema)
            .map(|i| i.field.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        problem = problem.help(format!(
            "{} has no {}",
            title(schema),
            list(names.into_iter())
        ));
    }
    problem
}

/// One line of a selection as tests.
fn tests(item: &Item, id: FieldId, def: &FieldDef) -> Result<Expr<Test>, Vec<Problem>> {
    let mut parts = Vec::new();
    let mut problems = Vec::new();
    for value in &item.values {
        match op(item, value, def) {
            Ok(op) => parts.push(op),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let join = if item.modifiers.all {
        Expr::All
    } else {
        gather(&mut parts);
        Expr::Any
    };
    let is = |op| Expr::Is(Test { field: id, op });
    let expr = one_or(parts.into_iter().map(is).collect(), join);
    Ok(if item.modifiers.neq {
        Expr::Not(Box::new(expr))
    } else {
        expr
    })
}

/// Makes one lookup of many equalities.
fn gather(ops: &mut Vec<Op>) {
    let plain = |op: &Op| matches!(op, Op::Folded(Pattern::Equals(_)) | Op::Guid(..));
    if ops.iter().filter(|op| plain(op)).count() < 4 {
        return;
    }
    let mut texts: Vec<Box<str>> = Vec::new();
    ops.retain(|op| match op {
        Op::Folded(Pattern::Equals(text)) | Op::Guid(_, text) => {
            texts.push(text.clone());
            false
        }
        _ => true,
    });
    texts.sort_unstable();
    texts.dedup();
    ops.push(Op::OneOf(texts.into()));
}

/// Why a value does not go with a field.
fn misfit(item: &Item, value: &Node, def: &FieldDef, should: &str) -> Problem {
    let shown = match &value.yaml {
        Yaml::Str(s) => format!("`{s}`"),
        Yaml::Bool(b) => format!("`{b}`"),
        Yaml::Int(n) => format!("`{n}`"),
        Yaml::Float(n) => format!("`{n}`"),
        _ => value.kind().to_owned(),
    };
    let message = format!("{shown} does not fit `{}`", item.field);
    Problem::new(value.at, message).label(should).help(format!(
        "`{}`: {}",
        def.name,
        def.doc.trim()
    ))
}

fn op(item: &Item, value: &Node, def: &FieldDef) -> Result<Op, Problem> {
    let m = item.modifiers;
    let textual = |what: &str| match def.kind {
        ValueKind::Text | ValueKind::Address => Ok(()),
        ValueKind::Number => Err(wrong_modifier(item, what, "a number")
            .help("use the number itself, or `gt`, `gte`, `lt`, `lte`")),
        ValueKind::Bool => {
            Err(wrong_modifier(item, what, "true or false").help("use `true` or `false`"))
        }
    };
    if m.cased && matches!(m.how, How::Regex(_)) {
        return Err(Problem::new(item.at, "`cased` and `re` do not go together")
            .help("regular expressions mind letter case unless they have the flag `i`: `re|i`"));
    }
    match m.how {
        How::Exists => match value.yaml {
            Yaml::Bool(true) => Ok(Op::Present),
            Yaml::Bool(false) => Ok(Op::Absent),
            _ => {
                let message = format!("`exists` needs true or false, not {}", value.kind());
                Err(Problem::new(value.at, message))
            }
        },
        How::Compare(compare) => {
            if def.kind != ValueKind::Number {
                return Err(Problem::new(
                    item.at,
                    format!("`{}` is no number and cannot be compared", item.field),
                )
                .help(format!("`{}`: {}", def.name, def.doc.trim())));
            }
            Ok(Op::Number(compare, number(item, value, def)?))
        }
        How::Cidr => {
            textual("cidr")?;
            let text = text(item, value, def)?;
            Network::parse(&text)
                .map(Op::Network)
                .map_err(|why| misfit(item, value, def, why).help("as `10.0.0.0/8`"))
        }
        How::Regex(flags) => {
            textual("re")?;
            let text = text(item, value, def)?;
            RegexBuilder::new(&text)
                .case_insensitive(flags.ignore_case)
                .multi_line(flags.multi_line)
                .dot_matches_new_line(flags.dot_all)
                .size_limit(REGEX_BYTES)
                .build()
                .map(|regex| Op::Regex(Box::new(regex)))
                .map_err(|e| bad_regex(value, &e))
        }
        How::Contains => {
            textual("contains")?;
            Ok(pattern(&text(item, value, def)?, Place::Anywhere, m.cased))
        }
        How::StartsWith => {
            textual("startswith")?;
            Ok(pattern(&text(item, value, def)?, Place::Start, m.cased))
        }
        How::EndsWith => {
            textual("endswith")?;
            Ok(pattern(&text(item, value, def)?, Place::End, m.cased))
        }
        How::Equals => equals(item, value, def),
    }
}

fn equals(item: &Item, value: &Node, def: &FieldDef) -> Result<Op, Problem> {
    match &value.yaml {
        Yaml::Null => return Ok(Op::Absent),
        Yaml::Str(s) if s.is_empty() => return Ok(Op::Absent),
        Yaml::Str(s) if !s.is_empty() && s.chars().all(|c| c == '*') => return Ok(Op::Present),
        _ => {}
    }
    match def.kind {
        ValueKind::Bool => match &value.yaml {
            Yaml::Bool(b) => Ok(Op::Bool(*b)),
            Yaml::Str(s) if s.eq_ignore_ascii_case("true") => Ok(Op::Bool(true)),
            Yaml::Str(s) if s.eq_ignore_ascii_case("false") => Ok(Op::Bool(false)),
            _ => Err(misfit(item, value, def, "should be true or false")),
        },
        ValueKind::Number => Ok(Op::Number(Compare::Equal, number(item, value, def)?)),
        ValueKind::Address => {
            let text = text(item, value, def)?;
            if let Ok(address) = text.parse::<IpAddr>() {
                Ok(Op::Address(address.to_canonical()))
            } else if text.contains(['*', '?']) {
                Ok(pattern(&text, Place::Whole, item.modifiers.cased))
            } else if text.contains('/') {
                let problem = misfit(item, value, def, "a network, not an address");
                Err(problem.help(format!("use `{}|cidr`", item.field)))
            } else {
                Err(misfit(item, value, def, "should be an address"))
            }
        }
        ValueKind::Text => {
            let text = text(item, value, def)?;
            if let Ok(guid) = text.parse::<Guid>() {
                return Ok(Op::Guid(guid, guid.to_string().into()));
            }
            Ok(pattern(&text, Place::Whole, item.modifiers.cased))
        }
    }
}

fn pattern(text: &str, place: Place, cased: bool) -> Op {
    let compiled = Pattern::new(text, place, !cased);
    if cased {
        Op::Cased(compiled)
    } else {
        Op::Folded(compiled)
    }
}

/// The value as text, where a number may stand for its digits.
fn text(item: &Item, value: &Node, def: &FieldDef) -> Result<String, Problem> {
    match &value.yaml {
        Yaml::Str(s) => Ok(s.clone()),
        Yaml::Int(n) => Ok(n.to_string()),
        Yaml::Float(_) => Err(misfit(item, value, def, "put it in quotes")),
        _ => Err(misfit(item, value, def, "should be text").help("put it in quotes")),
    }
}

/// The value as a number, where text may hold it: `5`, `'5'`, `'0x5'`.
fn number(item: &Item, value: &Node, def: &FieldDef) -> Result<u64, Problem> {
    let read = match &value.yaml {
        Yaml::Int(n) => u64::try_from(*n).ok(),
        Yaml::Str(s) => match s.strip_prefix("0x").or_else(|| s.strip_prefix("0X")) {
            Some(hex) if !hex.starts_with('+') => u64::from_str_radix(hex, 16).ok(),
            _ => s.parse().ok(),
        },
        _ => None,
    };
    read.ok_or_else(|| misfit(item, value, def, "should be a whole number, 0 or more"))
}

fn wrong_modifier(item: &Item, modifier: &str, kind: &str) -> Problem {
    let message = format!("`{modifier}` is for text, and `{}` is {kind}", item.field);
    Problem::new(item.at, message)
}

/// The last line of what `regex` says names the cause; the lines before draw it.
fn bad_regex(value: &Node, error: &regex::Error) -> Problem {
    let said = error.to_string();
    let why = said.lines().last().unwrap_or_default();
    let why = why.strip_prefix("error: ").unwrap_or(why);
    Problem::new(value.at, format!("not a regular expression: {why}"))
        .help("look-around and back-references are not supported")
}
