//! Sigma rules, compiled into tests of event fields.
//!
//! ```text
//! source ──► yaml ──► document ──► detection + condition ──► compile ──► index
//! files      tree     header       items, and how joined     per event    which can match
//! ```
//!
//! A rule is bound at load to every kind of event that has all its fields; a field that no event
//! has is an error with its place, never a rule that silently does not fire. One engine serves the
//! worker (protocol events) and the correlator (findings): both call [`RuleSet::matches`].
//!
//! Rules for Zeek's logs are read through a field map ([`zeek`]). Of Sigma this is **not** here: filters
//! (listed as skipped), placeholders (`expand`) and the parts of a date.

mod compile;
mod condition;
mod correlation;
mod detection;
mod document;
mod encode;
mod error;
mod index;
mod link;
mod matcher;
mod occurrences;
mod pattern;
mod source;
mod trial;
mod view;
mod yaml;
mod zeek;

#[cfg(test)]
mod correlation_tests;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod shipped;
#[cfg(test)]
mod shipped_actions;
#[cfg(test)]
mod shipped_all;
#[cfg(test)]
mod shipped_precursor;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod zeek_tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

pub use error::RuleError;
pub use matcher::Scratch;
pub use occurrences::{Correlated, Occurrence, Occurrences};
pub use source::RuleSource;
pub use trial::{Near, Trial, Tried};
pub use view::OnFlow;

use crate::event::{EventSchema, Fields, Finding, Level, Signature};
use crate::wire::Guid;
use compile::Bound;
use condition::Expr;
use document::{Document, Draft};
use error::Problem;
use index::Index;
use link::{Linker, Links};
use matcher::{Op, Test};
use occurrences::Correlation;
use pattern::{Pattern, Place};
use source::File;
use yaml::Pos;

/// Sids of the built-in rules. A published one never changes its meaning.
pub const SIDS: std::ops::RangeInclusive<u32> = 2_593_000..=2_593_999;

/// A rule that is loaded.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What its alerts say of it.
    pub signature: Arc<Signature>,
    /// Sigma `logsource.service`.
    pub service: String,
    /// Sigma `status`, empty if it has none.
    pub status: String,
    /// Where it is from.
    pub file: String,
    /// Line it begins at.
    pub line: u32,
    /// The document as written.
    pub text: String,
}

/// A document that is no rule for us. Not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Sigma `title`, empty if it has none.
    pub title: String,
    /// Why.
    pub reason: String,
    /// Where it is from.
    pub file: String,
    /// Line it begins at.
    pub line: u32,
    /// Its own status takes it out, which whoever loads it may not know.
    pub deprecated: bool,
}

/// Rules, ready to be matched. Immutable, so threads share one.
pub struct RuleSet {
    rules: Vec<Rule>,
    skipped: Vec<Skipped>,
    /// Only kinds of events that some rule is for.
    by_event: Vec<EventRules>,
    correlations: Vec<Correlation>,
    /// What correlations need of the events that their rules match.
    links: Links,
    /// Every rule says why it does not match.
    trial: Option<Arc<Trial>>,
}

/// The rules for one kind of event.
struct EventRules {
    schema: &'static EventSchema,
    compiled: Vec<(Arc<Signature>, Expr<Test>)>,
    index: Index,
}

impl fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RuleSet({} rules, {} skipped)",
            self.rules.len(),
            self.skipped.len()
        )
    }
}

impl RuleSet {
    /// Loads rules from `sources`, in that order.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with any of them.
    pub fn load(sources: &[RuleSource]) -> Result<Self, Vec<RuleError>> {
        Self::load_with(sources, &|_| None)
    }

    /// The same with other levels than the rules have, where `level` says one.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with any of them.
    pub fn load_with(
        sources: &[RuleSource],
        level: &dyn Fn(&Signature) -> Option<Level>,
    ) -> Result<Self, Vec<RuleError>> {
        let mut loader = Loader::default();
        for source in sources {
            source::read(source, &mut loader.files, &mut loader.errors);
        }
        loader.documents();
        loader.retire();
        loader.number();
        for (_, draft) in &mut loader.drafts {
            if let Some(level) = level(&draft.signature) {
                draft.signature.level = level;
                document::category(level).clone_into(&mut draft.signature.category);
            }
        }
        loader.finish()
    }

    /// Appends the signatures of the rules that `event` fits to `hits`, in the order of loading.
    pub fn matches(
        &self,
        event: &dyn Fields,
        scratch: &mut Scratch,
        hits: &mut Vec<Arc<Signature>>,
    ) {
        let schema = event.schema();
        let Some(rules) = self.of(schema) else {
            return;
        };
        scratch.next_event(schema.fields.len() + view::FIELDS);
        if let Some(trial) = &self.trial {
            for (signature, expr) in &rules.compiled {
                trial.note(signature, expr, event, scratch);
            }
        }
        rules.index.candidates(event, scratch);
        let candidates = std::mem::take(&mut scratch.candidates);
        for &nth in &candidates {
            if let Some((signature, expr)) = rules.compiled.get(nth as usize) {
                scratch.evaluated += 1;
                if matcher::matches(expr, event, scratch) {
                    hits.push(Arc::clone(signature));
                }
            }
        }
        scratch.candidates = candidates;
    }

    /// From now on leaves in `trial` what every rule made of every event. Slow.
    pub fn try_out(&mut self, trial: Arc<Trial>) {
        self.trial = Some(trial);
    }

    /// What correlations need to know of an event that this rule matched; nothing if none is about it.
    #[must_use]
    pub fn capture(&self, signature: &Signature, event: &dyn Fields) -> Option<Box<[String]>> {
        self.links.capture(signature, event)
    }

    /// True if the rule is there for correlations only: its matches are no alerts.
    #[must_use]
    pub fn is_silent(&self, signature: &Signature) -> bool {
        self.links.is_silent(signature)
    }

    /// True if there are correlations.
    #[must_use]
    pub fn correlates(&self) -> bool {
        !self.correlations.is_empty()
    }

    /// True if some rule is for events of this kind; if not, `matches` need not be called.
    #[must_use]
    pub fn is_interesting(&self, schema: &EventSchema) -> bool {
        self.of(schema).is_some()
    }

    /// The loaded rules, in the order of loading.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = &Rule> {
        self.rules.iter()
    }

    /// The documents that were passed over.
    pub fn skipped(&self) -> impl ExactSizeIterator<Item = &Skipped> {
        self.skipped.iter()
    }

    fn of(&self, schema: &EventSchema) -> Option<&EventRules> {
        // A promoted constant may have several addresses.
        self.by_event.iter().find(|r| {
            std::ptr::eq(r.schema, schema)
                || (r.schema.name == schema.name && r.schema.service == schema.service)
        })
    }
}

/// A set of rules on its way.
#[derive(Default)]
struct Loader {
    files: Vec<File>,
    errors: Vec<RuleError>,
    skipped: Vec<Skipped>,
    /// Rules, with the number of their file.
    drafts: Vec<(usize, Draft)>,
}

impl Loader {
    fn documents(&mut self) {
        for (nth, file) in self.files.iter().enumerate() {
            let documents = match yaml::documents(&file.text) {
                Ok(documents) => documents,
                Err((at, message)) => {
                    let error = Problem::new(at, message).within(&file.name, &file.text);
                    self.errors.push(error);
                    continue;
                }
            };
            for node in &documents {
                let mut problems = Vec::new();
                match document::read(node, &mut problems) {
                    Some(Document::Rule(draft)) => self.drafts.push((nth, *draft)),
                    Some(Document::Skipped(skip)) => self.skipped.push(Skipped {
                        title: skip.title,
                        reason: skip.reason,
                        file: file.name.clone(),
                        line: node.at.line,
                        deprecated: false,
                    }),
                    None => {}
                }
                problems.sort_by_key(|p| p.at);
                let errors = problems
                    .into_iter()
                    .map(|p| p.within(&file.name, &file.text));
                self.errors.extend(errors);
            }
        }
    }

    /// Takes out rules that are deprecated, or that another takes the place of.
    fn retire(&mut self) {
        let mut by: HashMap<Guid, (Option<Guid>, String)> = HashMap::new();
        for (file, draft) in &self.drafts {
            for old in &draft.obsoletes {
                let who = format!("`{}` ({})", draft.signature.title, self.name(*file));
                by.insert(*old, (draft.id.map(|(id, _)| id), who));
            }
        }
        let (mut kept, mut skipped) = (Vec::new(), Vec::new());
        for (file, draft) in self.drafts.drain(..) {
            let id = draft.id.map(|(id, _)| id);
            let deprecated = matches!(draft.status.as_str(), "deprecated" | "unsupported");
            let reason = match id.and_then(|id| by.get(&id)) {
                Some((new, who)) if *new != id => Some(format!("obsoleted by {who}")),
                _ if deprecated => Some(format!("its status is {}", draft.status)),
                _ => None,
            };
            match reason {
                None => kept.push((file, draft)),
                Some(reason) => skipped.push(Skipped {
                    title: draft.signature.title,
                    reason,
                    file: self
                        .files
                        .get(file)
                        .map_or(String::new(), |f| f.name.clone()),
                    line: draft.at.line,
                    deprecated,
                }),
            }
        }
        self.drafts = kept;
        self.skipped.extend(skipped);
    }

    /// Gives every rule its numbers, and finds those that are taken.
    fn number(&mut self) {
        let mut ids: HashMap<Guid, String> = HashMap::new();
        let mut sids: HashMap<(u32, u32), String> = HashMap::new();
        let mut errors = Vec::new();
        for (nth, draft) in &mut self.drafts {
            let Some(file) = self.files.get(*nth) else {
                continue;
            };
            let who = format!(
                "`{}` ({}:{})",
                draft.signature.title, file.name, draft.at.line
            );
            let mut fail = |at: Pos, message: String, help: &str| {
                let problem = Problem::new(at, message).help(help);
                errors.push(problem.within(&file.name, &file.text));
            };
            if let Some((id, at)) = draft.id {
                if let Some(first) = ids.get(&id) {
                    let message = format!("id {id} is taken by {first}");
                    let help = "every rule needs an id of its own (`uuidgen`); to take a rule's \
                                place, name it under `related` with `type: obsoletes`";
                    fail(at, message, help);
                    continue;
                }
                ids.insert(id, who.clone());
            }
            let (gid, sid, at) = match (draft.sid, draft.id) {
                (Some((sid, at)), _) if SIDS.contains(&sid) => (1, sid, at),
                (Some((sid, at)), _) => (2, sid, at),
                (None, Some((id, at))) => (2, sid_of(id), at),
                // Already an error.
                (None, None) => continue,
            };
            if let Some(first) = sids.get(&(gid, sid)) {
                let message = match draft.sid {
                    Some(_) => format!("sid {sid} is taken by {first}"),
                    None => format!("the sid made from this id, {sid}, is taken by {first}"),
                };
                fail(at, message, "give this rule another `sid`");
                continue;
            }
            sids.insert((gid, sid), who);
            draft.signature.gid = gid;
            draft.signature.sid = sid;
        }
        self.errors.extend(errors);
    }

    fn finish(mut self) -> Result<RuleSet, Vec<RuleError>> {
        let mut rules = Vec::with_capacity(self.drafts.len());
        let mut by_event: Vec<EventRules> = Vec::new();
        let mut joins = Vec::new();
        let mut linker = Linker::default();
        let mut texts = source::Texts::default();
        for (nth, mut draft) in std::mem::take(&mut self.drafts) {
            let bound = self.bind(nth, &draft);
            let signature = Arc::new(std::mem::take(&mut draft.signature));
            let schemas: Vec<_> = bound.iter().map(|(schema, _)| *schema).collect();
            match draft.correlation.take() {
                Some(join) => joins.push((nth, Arc::clone(&signature), join)),
                None => linker.rule(&draft, &signature, schemas),
            }
            for (schema, expr) in bound {
                let same = |r: &EventRules| {
                    r.schema.name == schema.name && r.schema.service == schema.service
                };
                let at = by_event.iter().position(same).unwrap_or_else(|| {
                    by_event.push(EventRules {
                        schema,
                        compiled: Vec::new(),
                        index: Index::new(std::iter::empty()),
                    });
                    by_event.len() - 1
                });
                if let Some(of_event) = by_event.get_mut(at) {
                    of_event.compiled.push((Arc::clone(&signature), expr));
                }
            }
            rules.push(Rule {
                signature,
                service: draft.service,
                status: draft.status,
                file: self.name(nth).to_owned(),
                line: draft.at.line,
                text: texts.document(&self.files, nth, draft.at.line),
            });
        }
        for (nth, signature, join) in joins {
            let mut problems = Vec::new();
            linker.correlation(signature, &join, &mut problems);
            if let Some(file) = self.files.get(nth) {
                let within = |p: Problem| p.within(&file.name, &file.text);
                self.errors.extend(problems.into_iter().map(within));
            }
        }
        if !self.errors.is_empty() {
            return Err(self.sorted_errors());
        }
        for of_event in &mut by_event {
            of_event.index = Index::new(of_event.compiled.iter().map(|(_, expr)| expr));
        }
        let (correlations, links) = linker.finish();
        Ok(RuleSet {
            rules,
            skipped: self.skipped,
            by_event,
            correlations,
            links,
            trial: None,
        })
    }

    fn sorted_errors(self) -> Vec<RuleError> {
        let names = self.files.iter().map(|f| f.name.as_str());
        let place: HashMap<&str, usize> = names.enumerate().map(|(n, name)| (name, n)).collect();
        let mut errors = self.errors;
        errors.sort_by_key(|e| (place.get(e.file.as_str()).copied(), e.line, e.column));
        errors
    }

    fn bind(&mut self, nth: usize, draft: &Draft) -> Vec<Bound> {
        let (Some(detection), Some(file)) = (&draft.detection, self.files.get(nth)) else {
            return Vec::new();
        };
        // An unknown service is an error already.
        if draft.schemas.is_empty() {
            return Vec::new();
        }
        let mut problems = Vec::new();
        let mut bound = compile::bind(detection, &draft.schemas, &mut problems);
        problems.sort_by_key(|p| p.at);
        let errors = problems
            .into_iter()
            .map(|p| p.within(&file.name, &file.text));
        self.errors.extend(errors);
        if let Some(kind) = draft.kind {
            let field = Finding::SCHEMA.field("kind").unwrap_or_default();
            for (_, expr) in &mut bound {
                let op = Op::Folded(Pattern::new(kind, Place::Whole, true));
                let rest = std::mem::replace(expr, Expr::All(Vec::new()));
                *expr = Expr::All(vec![Expr::Is(Test { field, op }), rest]);
            }
        }
        bound
    }

    fn name(&self, file: usize) -> &str {
        self.files.get(file).map_or("", |f| &f.name)
    }
}

/// The number of a rule that has only a UUID: 31 bits of its SHA-256, never 0.
fn sid_of(id: Guid) -> u32 {
    let hash = Sha256::digest(id.0.to_be_bytes());
    let four = hash.first_chunk::<4>().copied().unwrap_or_default();
    (u32::from_be_bytes(four) >> 1).max(1)
}
