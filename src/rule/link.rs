//! Which correlation is about which rules, and what of an event it needs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::compile;
use super::correlation::{self, Kind, Named};
use super::document;
use super::error::{Problem, list};
use super::occurrences::{Correlation, Input, RuleKey};
use crate::event::{EventSchema, FieldId, Fields, Signature};
use crate::limits;

/// What correlations need, by rule.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// Names of the fields to copy of what a rule matches.
    wanted: HashMap<RuleKey, Vec<String>>,
    silent: HashSet<RuleKey>,
}

impl Links {
    pub(super) fn capture(&self, of: &Signature, event: &dyn Fields) -> Option<Box<[String]>> {
        let wanted = self.wanted.get(&(of.gid, of.sid))?;
        let schema = event.schema();
        let text = |name: &String| {
            let mut text = String::new();
            let field: Option<FieldId> = compile::field(schema, name).map(|(id, _)| id);
            if let Some(id) = field {
                event.field(id).push_to(&mut text);
            }
            let mut end = text.len().min(limits::CORRELATION_VALUE_BYTES);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            text
        };
        Some(wanted.iter().map(text).collect())
    }

    pub(super) fn is_silent(&self, of: &Signature) -> bool {
        self.silent.contains(&(of.gid, of.sid))
    }
}

/// A rule that correlations may name.
struct Known {
    signature: Arc<Signature>,
    name: String,
    schemas: Vec<&'static EventSchema>,
}

/// Builds the links.
#[derive(Default)]
pub(super) struct Linker {
    known: Vec<Known>,
    correlations: Vec<Correlation>,
    wanted: HashMap<RuleKey, Vec<String>>,
    /// Rules of correlations that do not want them to alert, and of those that do.
    muted: HashSet<RuleKey>,
    loud: HashSet<RuleKey>,
}

impl Linker {
    pub(super) fn rule(
        &mut self,
        draft: &document::Draft,
        signature: &Arc<Signature>,
        schemas: Vec<&'static EventSchema>,
    ) {
        self.known.push(Known {
            signature: Arc::clone(signature),
            name: draft.name.clone(),
            schemas,
        });
    }

    pub(super) fn correlation(
        &mut self,
        signature: Arc<Signature>,
        draft: &correlation::Draft,
        problems: &mut Vec<Problem>,
    ) {
        let most = limits::CORRELATION_EVENTS as u64;
        if draft.bounds.least > most
            && let Some((_, at)) = draft.rules.first()
        {
            problems.push(Problem::new(
                *at,
                format!("at most {most} occurrences are remembered"),
            ));
        }
        let mut inputs = Vec::new();
        for (name, at) in &draft.rules {
            let Some(known) = self.find(name) else {
                problems.push(self.unknown(name, *at));
                continue;
            };
            let rule = (known.signature.gid, known.signature.sid);
            let title = known.signature.title.clone();
            let schemas = known.schemas.clone();
            let mut group = Vec::new();
            let fields = draft.group_by.iter().chain(&draft.field);
            let mut places = Vec::new();
            for wanted in fields {
                let (field, at) = alias(draft, name, wanted);
                if let Some(schema) = schemas.iter().find(|s| compile::field(s, field).is_none()) {
                    problems.push(no_field(field, at, &title, schema));
                    continue;
                }
                let copied = self.wanted.entry(rule).or_default();
                let place = copied.iter().position(|f| f == field).unwrap_or_else(|| {
                    copied.push(field.to_owned());
                    copied.len() - 1
                });
                places.push(place);
            }
            group.extend(places.iter().take(draft.group_by.len()));
            let value = (draft.kind == Kind::ValueCount)
                .then(|| places.get(draft.group_by.len()).copied())
                .flatten();
            self.wanted.entry(rule).or_default();
            // A built-in rule goes on alerting: nothing of one's own may silence it by the way.
            if draft.generate || rule.0 == 1 {
                self.loud.insert(rule);
            } else {
                self.muted.insert(rule);
            }
            inputs.push(Input {
                rule,
                title,
                group,
                value,
            });
        }
        self.correlations.push(Correlation {
            signature,
            kind: draft.kind,
            timespan: draft.timespan,
            bounds: draft.bounds,
            inputs,
            group_by: draft
                .group_by
                .iter()
                .map(|(name, _)| name.clone())
                .collect(),
            field: draft
                .field
                .as_ref()
                .map_or(String::new(), |(name, _)| name.clone()),
        });
    }

    pub(super) fn finish(self) -> (Vec<Correlation>, Links) {
        let silent = self.muted.difference(&self.loud).copied().collect();
        let links = Links {
            wanted: self.wanted,
            silent,
        };
        (self.correlations, links)
    }

    fn find(&self, name: &str) -> Option<&Known> {
        let fits = |k: &&Known| k.name == name || k.signature.id.eq_ignore_ascii_case(name);
        self.known.iter().find(|k| !name.is_empty() && fits(k))
    }

    fn unknown(&self, name: &str, at: super::yaml::Pos) -> Problem {
        let names = || {
            self.known
                .iter()
                .map(|k| k.name.as_str())
                .filter(|n| !n.is_empty())
        };
        let problem = Problem::new(at, format!("no rule has the name or id `{name}`")).help(
            "rules of events and findings can be correlated, in any file, by `name:` or `id:`",
        );
        match names().next() {
            Some(_) => problem
                .label(format!("there are: {}", list(names())))
                .suggest(name, names()),
            None => problem,
        }
    }
}

/// The field that a name stands for in this rule.
fn alias<'a>(
    draft: &'a correlation::Draft,
    rule: &str,
    wanted: &'a Named,
) -> (&'a str, super::yaml::Pos) {
    let meant = |(name, of, _): &&(String, String, Named)| *name == wanted.0 && of == rule;
    let found = draft.aliases.iter().find(meant);
    let (name, at) = found.map_or(wanted, |(_, _, field)| field);
    (name, *at)
}

fn no_field(field: &str, at: super::yaml::Pos, rule: &str, schema: &EventSchema) -> Problem {
    let names = || compile::names(schema);
    Problem::new(at, format!("unknown field `{field}` of “{rule}”"))
        .label(format!("there are: {}", list(names())))
        .suggest(field, names())
        .help("name it for each rule under `aliases` if they spell it differently")
}
