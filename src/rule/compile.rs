//! Binds a detection to the events it is for: names become field numbers, values become tests.

use std::net::IpAddr;

use regex::RegexBuilder;

use super::condition::{Expr, one_or};
use super::detection::{Compare, Detection, How, Item};
use super::encode::Encode;
use super::error::{Problem, list};
use super::matcher::{ANY_FIELD, Op, Test};
use super::pattern::{Pattern, Place};
use super::view;
use super::yaml::{Node, Pos, Yaml};
use crate::event::{EventSchema, FieldDef, FieldId, Mark, ValueKind};
use crate::net::Net;
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
        let mut known = true;
        for (name, at) in item.needs() {
            if !schemas.iter().any(|s| field(s, name).is_some()) {
                problems.push(unknown_field(name, at, schemas));
                known = false;
            }
        }
        let first = |s: &&&'static EventSchema| item.needs().all(|(n, _)| field(s, n).is_some());
        if let Some(schema) = schemas.iter().find(first).filter(|_| known)
            && let Err(several) = tests(item, schema)
        {
            problems.extend(several);
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

/// A field of the event, or of the flow it happened on.
pub(super) fn field(schema: &EventSchema, name: &str) -> Option<(FieldId, &'static FieldDef)> {
    match schema.field(name) {
        Some(id) => Some((id, schema.fields.get(usize::from(id))?)),
        None => view::field(schema, name),
    }
}

/// The names of all of them.
pub(super) fn names(schema: &EventSchema) -> impl Iterator<Item = &'static str> + use<> {
    let own: &'static [FieldDef] = schema.fields;
    own.iter().map(|f| f.name).chain(view::names(schema))
}

fn missing<'a>(detection: &'a Detection, schema: &'a EventSchema) -> impl Iterator<Item = &'a str> {
    detection
        .items
        .iter()
        .flat_map(Item::needs)
        .map(|(name, _)| name)
        .filter(|name| field(schema, name).is_none())
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
        match tests(item, schema) {
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

fn unknown_field(name: &str, at: Pos, schemas: &[&'static EventSchema]) -> Problem {
    let names = |s: &&'static EventSchema| names(s);
    let mut problem = Problem::new(at, format!("unknown field `{name}`"));
    for (nth, schema) in schemas.iter().enumerate() {
        let all: Vec<&str> = names(schema).collect();
        let line = format!("{} has: {}", title(schema), all.join(", "));
        problem = if nth == 0 {
            problem.label(line)
        } else {
            problem.help(line)
        };
    }
    problem.suggest(name, schemas.iter().flat_map(names))
}

fn no_event_has_all(detection: &Detection, schemas: &[&'static EventSchema]) -> Problem {
    let at = detection.items.first().map(|i| i.at).unwrap_or_default();
    let service = schemas.first().map_or("", |s| s.service);
    let mut problem = Problem::new(
        at,
        format!("no {service} event has all fields of this rule"),
    );
    for schema in schemas {
        let mut names: Vec<&str> = missing(detection, schema).collect();
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
fn tests(item: &Item, schema: &EventSchema) -> Result<Expr<Test>, Vec<Problem>> {
    let (id, def) = match field(schema, &item.field) {
        Some(known) => known,
        None if item.field.is_empty() => (ANY_FIELD, &KEYWORD),
        // Only asked for events that have it.
        None => return Ok(Expr::Any(Vec::new())),
    };
    let is = |op| Expr::Is(Test { field: id, op });
    // Of each value all spellings, of which one must fit.
    let mut values: Vec<Vec<Op>> = Vec::new();
    let mut problems = Vec::new();
    for value in &item.values {
        let ops: Result<Vec<Op>, Problem> = spellings(item, value)
            .and_then(|all| all.iter().map(|v| op(item, v, def, schema)).collect());
        match ops {
            Ok(ops) => values.push(ops),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let any = |mut ops: Vec<Op>| {
        gather(&mut ops);
        one_or(ops.into_iter().map(is).collect(), Expr::Any)
    };
    let expr = if item.modifiers.all {
        one_or(values.into_iter().map(any).collect(), Expr::All)
    } else {
        any(values.into_iter().flatten().collect())
    };
    Ok(if item.modifiers.neq {
        Expr::Not(Box::new(expr))
    } else {
        expr
    })
}

/// What search words are compared with: every field as text.
static KEYWORD: FieldDef = FieldDef {
    name: "",
    doc: "any field",
    mark: Mark::Rule,
    kind: ValueKind::Text,
};

/// The value as its modifiers have it.
fn spellings(item: &Item, value: &Node) -> Result<Vec<Node>, Problem> {
    let encode = item.modifiers.encode;
    match &value.yaml {
        Yaml::Str(text) if encode != Encode::default() => {
            let spelt = encode.spellings(text);
            let all = spelt.map_err(|why| Problem::new(value.at, why))?;
            let node = |text| Node {
                at: value.at,
                yaml: Yaml::Str(text),
            };
            Ok(all.into_iter().map(node).collect())
        }
        _ => Ok(vec![value.clone()]),
    }
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

fn op(item: &Item, value: &Node, def: &FieldDef, schema: &EventSchema) -> Result<Op, Problem> {
    let m = item.modifiers;
    if m.fieldref {
        return same(item, value, schema);
    }
    if item.field.is_empty() && m.how == How::Equals {
        let place = Place::Anywhere;
        return Ok(pattern(&text(item, value, def)?, place, m.cased));
    }
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
            text.parse::<Net>()
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

/// The value names a field of the same event.
fn same(item: &Item, value: &Node, schema: &EventSchema) -> Result<Op, Problem> {
    let name = value.text().unwrap_or_default();
    let Some((other, _)) = field(schema, name) else {
        return Err(unknown_field(name, value.at, &[]));
    };
    let place = match item.modifiers.how {
        How::Contains => Place::Anywhere,
        How::StartsWith => Place::Start,
        How::EndsWith => Place::End,
        _ => Place::Whole,
    };
    Ok(Op::Same {
        other,
        place,
        cased: item.modifiers.cased,
    })
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
