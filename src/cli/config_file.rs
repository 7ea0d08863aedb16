//! The configuration file as text: every mistake in it, each with its place and what to do.
//!
//! The parser stops at the first mistake of a shape (an unknown key, a wrong type). So what it stops at is noted,
//! taken out, and the rest is read again.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// Mistakes in the settings, each with what to do about it.
#[derive(Debug, Default)]
pub struct ConfigError {
    all: Vec<Mistake>,
}

#[derive(Debug)]
struct Mistake {
    /// Keys and numbers that lead to the value in the file; empty if it is not from there.
    way: Vec<String>,
    /// Byte of the file.
    at: Option<usize>,
    text: String,
}

impl ConfigError {
    /// One mistake.
    pub(super) fn new(text: String) -> Self {
        Self {
            all: vec![Mistake {
                way: Vec::new(),
                at: None,
                text,
            }],
        }
    }

    /// The same, at byte `at` of the file.
    pub(super) fn at(mut self, at: Option<usize>) -> Self {
        for mistake in &mut self.all {
            mistake.at = at;
        }
        self
    }

    /// The same, `key` further down the way.
    pub(super) fn within(mut self, key: impl ToString) -> Self {
        for mistake in &mut self.all {
            mistake.way.insert(0, key.to_string());
        }
        self
    }

    /// Adds those of another.
    pub(super) fn add(&mut self, other: Self) {
        self.all.extend(other.all);
    }

    /// What went well; what did not is added.
    pub(super) fn take<T>(&mut self, result: Result<T, Self>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(e) => {
                self.add(e);
                None
            }
        }
    }

    /// `Ok` if there is no mistake.
    pub(super) fn none(self) -> Result<(), Self> {
        if self.all.is_empty() {
            Ok(())
        } else {
            Err(self)
        }
    }

    /// Puts the place in the file before every mistake that has one, and them in order.
    pub(super) fn place(&mut self, file: &Text) {
        for mistake in &mut self.all {
            mistake.at = mistake.at.or_else(|| file.find(&mistake.way));
            if let Some(at) = mistake.at {
                let place = place(&file.name, &file.text, Some(at));
                mistake.text.insert_str(0, &place);
            }
        }
        self.all.sort_by_key(|m| (m.at.is_none(), m.at));
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, mistake) in self.all.iter().enumerate() {
            if nth > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&mistake.text)?;
        }
        if self.all.len() > 1 {
            write!(f, "\n{} mistakes in the configuration", self.all.len())?;
        }
        Ok(())
    }
}

/// Mistakes after which nobody reads on.
const MOST: usize = 100;

/// A file's name and text, which is TOML.
#[derive(Debug)]
pub(super) struct Text {
    name: String,
    text: String,
}

impl Text {
    /// Reads and parses the file.
    ///
    /// # Errors
    /// If it cannot be read, or with every place where it is no TOML.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|e| {
            ConfigError::new(format!(
                "{name}: cannot read the configuration: {e}; check the path given with -c"
            ))
        })?;
        let (_, mut errors) = DeTable::parse_recoverable(&text);
        errors.sort_by_key(|e| e.span().map(|span| span.start));
        let mut wrong = ConfigError::default();
        for e in errors {
            let place = place(&name, &text, e.span().map(|s| s.start));
            let said = e.message().replace('\n', ", ");
            wrong.add(ConfigError::new(format!(
                "{place}{said}; this is no TOML: a setting is written as key = value, a text in quotes, a list in [ ]"
            )));
        }
        wrong.none()?;
        Ok(Self { name, text })
    }

    /// What the file means as far as it can be understood; the rest goes to `wrong`.
    pub(super) fn meant<T: DeserializeOwned + Default>(
        &self,
        near: &dyn Fn(&str) -> Option<&'static str>,
        wrong: &mut ConfigError,
    ) -> T {
        let (mut table, _) = DeTable::parse_recoverable(&self.text);
        for _ in 0..MOST {
            let e = match T::deserialize(toml::Deserializer::from(table.clone())) {
                Ok(meant) => return meant,
                Err(e) => e,
            };
            let span = e.span();
            let key = span
                .as_ref()
                .and_then(|span| take_out(table.get_mut(), span));
            let said = explain(e.message(), key.as_deref(), near);
            wrong.add(ConfigError::new(said).at(span.map(|s| s.start)));
            if key.is_none() {
                break;
            }
        }
        T::default()
    }

    /// Which entry of the list `key` is `value`.
    pub(super) fn entry(&self, key: &str, value: &str) -> Option<usize> {
        let (all, _) = DeTable::parse_recoverable(&self.text);
        let list = all.get_ref().get(key)?.get_ref().as_array()?;
        list.iter()
            .position(|v| v.get_ref().as_str() == Some(value))
    }

    /// Which table of the list `key` has `value` under `name`.
    pub(super) fn nth(&self, key: &str, name: &str, value: &str) -> Option<usize> {
        let (all, _) = DeTable::parse_recoverable(&self.text);
        let list = all.get_ref().get(key)?.get_ref().as_array()?;
        list.iter().position(|table| {
            let found = table.get_ref().as_table().and_then(|t| t.get(name));
            found.and_then(|v| v.get_ref().as_str()) == Some(value)
        })
    }

    /// Byte of the value that a way of keys and numbers leads to.
    fn find(&self, way: &[String]) -> Option<usize> {
        let (all, _) = DeTable::parse_recoverable(&self.text);
        let mut at = None;
        let mut here: Option<&DeValue<'_>> = None;
        for step in way {
            let table = match here {
                None => Some(all.get_ref()),
                Some(value) => value.as_table(),
            };
            let found = if let Some(table) = table {
                table
                    .iter()
                    .find(|(key, _)| key.get_ref() == step)
                    .map(|(key, value)| (key.span().start, value))
            } else {
                let nth = step.parse::<usize>().ok();
                let all = here.and_then(DeValue::as_array);
                let value = nth.zip(all).and_then(|(nth, all)| all.get(nth));
                value.map(|value| (value.span().start, value))
            };
            // What is missing is told where it should be.
            let Some((start, value)) = found else { break };
            at = Some(start);
            here = Some(value.get_ref());
        }
        at
    }
}

/// `FILE:LINE:COLUMN: `, both from 1.
fn place(name: &str, text: &str, at: Option<usize>) -> String {
    let before = at.and_then(|at| text.get(..at));
    match before {
        Some(before) => {
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
            format!("{name}:{line}:{column}: ")
        }
        None => format!("{name}: "),
    }
}

/// Removes the smallest thing that a mistake's place covers or lies in, and names its key.
fn take_out(table: &mut DeTable<'_>, span: &Range<usize>) -> Option<String> {
    let mut best = None;
    search(table, &mut Vec::new(), span, &mut best);
    let (_, way) = best?;
    let (last, first) = way.split_last()?;
    let mut here = Here::Table(table);
    let mut name = String::new();
    for step in first {
        here = here.step(step, &mut name)?;
    }
    match (here, last) {
        (Here::Table(table), Step::Key(key)) => {
            let found = table.keys().find(|k| k.get_ref() == key)?.clone();
            table.remove(&found);
            Some(key.clone())
        }
        (Here::Array(all), Step::Nth(nth)) => {
            let others = all.iter().enumerate().filter(|(n, _)| n != nth);
            *all = others.map(|(_, value)| value.clone()).collect();
            Some(name)
        }
        _ => None,
    }
}

#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Nth(usize),
}

enum Here<'a, 'i> {
    Table(&'a mut DeTable<'i>),
    Array(&'a mut DeArray<'i>),
}

impl<'a, 'i> Here<'a, 'i> {
    fn step(self, step: &Step, name: &mut String) -> Option<Here<'a, 'i>> {
        let value = match (self, step) {
            (Here::Table(table), Step::Key(key)) => {
                name.clone_from(key);
                let found = table.iter_mut().find(|(k, _)| k.get_ref() == key);
                found.map(|(_, value)| value)?
            }
            (Here::Array(all), Step::Nth(nth)) => all.get_mut(*nth)?,
            _ => return None,
        };
        match value.get_mut() {
            DeValue::Table(table) => Some(Here::Table(table)),
            DeValue::Array(all) => Some(Here::Array(all)),
            _ => None,
        }
    }
}

type Best = Option<(usize, Vec<Step>)>;

/// Finds the shortest key or value that `span` lies in; of two alike, the inner one.
fn search(table: &DeTable<'_>, way: &mut Vec<Step>, span: &Range<usize>, best: &mut Best) {
    for (key, value) in table {
        way.push(Step::Key(key.get_ref().to_string()));
        consider(&key.span(), way, span, best);
        search_value(value, way, span, best);
        way.pop();
    }
}

fn search_value(
    value: &Spanned<DeValue<'_>>,
    way: &mut Vec<Step>,
    span: &Range<usize>,
    best: &mut Best,
) {
    consider(&value.span(), way, span, best);
    match value.get_ref() {
        DeValue::Table(table) => search(table, way, span, best),
        DeValue::Array(all) => {
            for (nth, value) in all.iter().enumerate() {
                way.push(Step::Nth(nth));
                search_value(value, way, span, best);
                way.pop();
            }
        }
        _ => {}
    }
}

fn consider(here: &Range<usize>, way: &[Step], span: &Range<usize>, best: &mut Best) {
    let covers = here.start <= span.start && span.end <= here.end;
    let length = here.end.saturating_sub(here.start);
    if covers
        && best
            .as_ref()
            .is_none_or(|(shortest, _)| length <= *shortest)
    {
        *best = Some((length, way.to_vec()));
    }
}

/// The parser's words for somebody who writes a configuration, with what to do.
fn explain(
    message: &str,
    key: Option<&str>,
    near: &dyn Fn(&str) -> Option<&'static str>,
) -> String {
    let message = message.trim().replace('\n', ", ");
    if let Some(rest) = message.strip_prefix("unknown field `") {
        let unknown = rest.split('`').next().unwrap_or_default();
        let there = rest.split_once("expected ").map_or("", |(_, e)| e);
        let there = there.trim_start_matches("one of ");
        return match near(unknown) {
            Some(known) => format!("unknown key `{unknown}`, did you mean `{known}`?"),
            None => format!("unknown key `{unknown}`; there are: {there}"),
        };
    }
    let key = key.filter(|k| !k.is_empty());
    let name = key.map_or(String::new(), |key| format!("{key}: "));
    if let Some(missing) = message.strip_prefix("missing field ") {
        return format!("{name}{missing} is missing; add it");
    }
    let shape = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))
        .and_then(|rest| rest.split_once(", expected "));
    if let Some((found, expected)) = shape {
        let give = match expected {
            "a boolean" => "true or false",
            "a string" | "string or table" | "path string" => "a text in quotes",
            "a sequence" => "a list, as [\"...\", \"...\"]",
            "a map" => "a section with settings of its own",
            "usize" | "u64" | "u32" | "u16" => "a whole number from 0 on, without quotes",
            other => other,
        };
        return format!("{name}it is {found}; give {give}");
    }
    if message.contains("IP address") {
        return format!("{name}not an IP address; give one as 10.0.0.5 or fd00::5");
    }
    if message.contains("untagged enum") {
        return format!(
            "{name}no rule; give a sid as 2593060, an id (UUID) or a detector as \"RW-06\", or a list of them"
        );
    }
    if let Some((variant, there)) = message
        .strip_prefix("unknown variant ")
        .and_then(|rest| rest.split_once(", expected "))
    {
        let there = there.trim_start_matches("one of ");
        return format!("{name}{variant} is none of those there are: {there}");
    }
    format!("{name}{message}")
}
