//! Outputs: `[[output]]` of the configuration as meant, with every mistake in it told, and the threads that write.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Spanned, Value};

use super::{Config, ConfigError, Failure, complain};
use crate::output::{EventTypes, OutputSpec, Pack, Rotation, Target, UnknownType, Writer};
use crate::sensor::{self, WriterThreads};

/// One `[[output]]` as it stands in the file: every key and value with its place.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Table(Spanned<BTreeMap<Spanned<String>, Spanned<Value>>>);

/// Kinds of outputs and the keys that each takes beside those of all.
const KINDS: &[(&str, &[&str])] = &[
    ("stdout", &[]),
    (
        "file",
        &["path", "rotate_mib", "rotate_hours", "keep", "compress"],
    ),
];
/// Keys of every output.
const COMMON: &[&str] = &["type", "name", "events"];

/// Every key that an output may have.
#[cfg(test)]
pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    let own = KINDS.iter().flat_map(|(_, keys)| keys.iter());
    COMMON.iter().chain(own).copied()
}

/// The outputs of a run: those of the command line, or those of the file, or standard output.
pub(super) fn all(
    args: &[String],
    short: &[String],
    tables: Vec<OutputSpec>,
) -> Result<Vec<OutputSpec>, ConfigError> {
    let mut all: Vec<OutputSpec> = Vec::new();
    let texts = if args.is_empty() { short } else { args };
    for text in texts {
        let spec: OutputSpec = text
            .parse()
            .map_err(|e: crate::output::OpenError| ConfigError::new(e.to_string()))?;
        // What is named twice is written once.
        if !all.contains(&spec) {
            all.push(spec);
        }
    }
    if args.is_empty() {
        all.extend(tables);
    }
    if all.is_empty() {
        all.push(OutputSpec::of(Target::Stdout));
    }
    let (mut names, mut places) = (HashSet::new(), HashSet::new());
    for spec in &all {
        if !places.insert(spec.target.to_string()) {
            return Err(ConfigError::new(format!(
                "outputs: {} is written by two of them; two writers would mix their lines, give each a path of its own",
                spec.target
            )));
        }
        if !names.insert(spec.name.as_str()) {
            return Err(ConfigError::new(format!(
                "outputs: two are called {}; give each a `name` of its own",
                spec.name
            )));
        }
    }
    Ok(all)
}

/// Every output with the event types it gets.
pub(super) fn select(config: &Config, default: EventTypes) -> Vec<(OutputSpec, EventTypes)> {
    let of = |spec: &OutputSpec| spec.events.unwrap_or(default);
    let all = config.outputs.iter();
    // `posture` writes no events at all.
    let none = default == EventTypes::NONE;
    all.map(|spec| (spec.clone(), if none { default } else { of(spec) }))
        .collect()
}

/// Opens every output. Nothing is started yet: threads come after the sandbox.
pub(super) fn open(
    outputs: &[(OutputSpec, EventTypes)],
) -> Result<Vec<(Writer, EventTypes)>, Failure> {
    let mut opened = Vec::new();
    for (spec, events) in outputs {
        let writer = Writer::open(spec, sensor::wall_clock()).map_err(Failure::new)?;
        opened.push((writer, *events));
    }
    Ok(opened)
}

/// Starts a thread for each.
pub(super) fn start(
    opened: Vec<(Writer, EventTypes)>,
    live: bool,
) -> Result<WriterThreads, Failure> {
    WriterThreads::start(opened, live, |trouble| complain(trouble))
        .map_err(|e| Failure::new(format_args!("cannot start a thread: {e}")))
}

/// What `-T` says of them.
pub(super) fn lines(config: &Config) -> Vec<String> {
    let line = |spec: &OutputSpec| {
        let events = match spec.events {
            None => String::new(),
            Some(EventTypes::ALL) => "; all events".to_owned(),
            Some(some) => format!("; events {some}"),
        };
        format!("output         {}{events}", describe(spec))
    };
    config.outputs.iter().map(line).collect()
}

/// Outputs that could not be opened, as far as can be seen without opening them.
pub(super) fn problems(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    for folder in folders(&config.outputs) {
        if !folder.is_dir() {
            problems.push(format!(
                "output: {} is no folder; create it first",
                folder.display()
            ));
        }
    }
    for spec in &config.outputs {
        if let Target::File(path, _) = &spec.target
            && path.is_dir()
        {
            problems.push(format!(
                "output: {} is a folder; name a file in it",
                path.display()
            ));
        }
    }
    problems
}

fn describe(spec: &OutputSpec) -> String {
    let to = spec.target.to_string();
    let mut text = spec.target.kind().to_owned();
    if spec.name != to {
        text.push_str(&format!(" {}", spec.name));
    }
    if spec.target != Target::Stdout {
        text.push_str(&format!(": {to}"));
    }
    if let Target::File(_, Some(r)) = &spec.target {
        let size = r.bytes.map(|b| format!("{} MiB", b / MIB));
        let time = r.hours.map(|h| format!("{h} h"));
        let when: Vec<String> = size.into_iter().chain(time).collect();
        let pack = Pack::ALL.iter().find(|(_, p)| *p == r.pack);
        text.push_str(&format!(
            "; rotated at {}, {} kept, compression {}",
            when.join(" or "),
            r.keep,
            pack.map_or("none", |(name, _)| name)
        ));
    }
    text
}

const MIB: u64 = 1024 * 1024;

/// Folders that outputs write in, for a sandbox.
pub(super) fn folders(outputs: &[OutputSpec]) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for spec in outputs {
        if let Target::File(path, _) = &spec.target {
            let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
            all.push(folder.unwrap_or(Path::new(".")).to_owned());
        }
    }
    all.sort();
    all.dedup();
    all
}

/// The tables of the file as meant; every mistake of every one in one message.
pub(super) fn read(tables: &[Table]) -> Result<Vec<OutputSpec>, ConfigError> {
    let mut mistakes = Vec::new();
    let mut specs = Vec::new();
    for (n, table) in tables.iter().enumerate() {
        let mut reader = Reader {
            table,
            mistakes: Vec::new(),
        };
        let spec = reader.output();
        mistakes.append(&mut reader.mistakes);
        match spec {
            Some(spec) => specs.push(spec),
            None if mistakes.is_empty() => {
                mistakes.push((0, format!("output {}: unusable", n + 1)))
            }
            None => {}
        }
    }
    if mistakes.is_empty() {
        return Ok(specs);
    }
    mistakes.sort();
    let mut wrong = ConfigError::default();
    for (at, what) in mistakes {
        wrong.add(ConfigError::new(what).at(Some(at)));
    }
    Err(wrong)
}

/// Takes one table apart and notes what is wrong with it.
struct Reader<'a> {
    table: &'a Table,
    /// Where in the file, and what is wrong there.
    mistakes: Vec<(usize, String)>,
}

impl Reader<'_> {
    /// Notes a mistake in the value of `key`, or in the table if it has no such key.
    fn mistake(&mut self, key: &str, what: impl std::fmt::Display) {
        let found = self.table.0.get_ref().get_key_value(key);
        let at = found.map_or(self.table.0.span().start, |(k, _)| k.span().start);
        let text = match found {
            Some((_, value)) => format!("output: {key} = {}: {what}", value.get_ref()),
            None => format!("output: {what}"),
        };
        self.mistakes.push((at, text));
    }

    fn value(&mut self, key: &'static str) -> Option<Value> {
        self.table.0.get_ref().get(key).map(|v| v.get_ref().clone())
    }

    fn string(&mut self, key: &'static str) -> Option<String> {
        match self.value(key)? {
            Value::String(text) if !text.is_empty() => Some(text),
            _ => {
                self.mistake(key, "give a text in quotes");
                None
            }
        }
    }

    fn needed(&mut self, key: &'static str, example: &str) -> Option<String> {
        if !self.table.0.get_ref().contains_key(key) {
            self.mistake(
                key,
                format_args!("`{key}` is missing; give for example {key} = {example}"),
            );
        }
        self.string(key)
    }

    fn number(&mut self, key: &'static str, least: u64, most: u64) -> Option<u64> {
        match self.value(key)? {
            Value::Integer(n) if u64::try_from(n).is_ok_and(|n| (least..=most).contains(&n)) => {
                u64::try_from(n).ok()
            }
            _ => {
                self.mistake(key, format_args!("give a number from {least} to {most}"));
                None
            }
        }
    }

    /// One of some words.
    fn choice<T: Copy>(&mut self, key: &'static str, all: &[(&'static str, T)]) -> Option<T> {
        let text = self.string(key)?;
        let found = all.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
            let hint = near(&text, names.iter().copied());
            self.mistake(key, format_args!("{hint}there are: {}", names.join(", ")));
        }
        found.map(|(_, value)| *value)
    }

    /// `"all"`, `"alert,incident"` or `["alert", "incident"]`.
    fn events(&mut self) -> Option<EventTypes> {
        let list = match self.value("events")? {
            Value::String(text) => text,
            Value::Array(all) if all.iter().all(Value::is_str) => {
                let names: Vec<&str> = all.iter().filter_map(Value::as_str).collect();
                names.join(",")
            }
            _ => {
                self.mistake(
                    "events",
                    "give a list as [\"alert\", \"incident\"], or \"all\"",
                );
                return None;
            }
        };
        match list.parse() {
            Ok(types) => Some(types),
            Err(e) => {
                let e: UnknownType = e;
                self.mistake("events", e);
                None
            }
        }
    }

    fn output(&mut self) -> Option<OutputSpec> {
        let kinds: Vec<(&'static str, usize)> = KINDS
            .iter()
            .enumerate()
            .map(|(n, (k, _))| (*k, n))
            .collect();
        if !self.table.0.get_ref().contains_key("type") {
            let names: Vec<&str> = KINDS.iter().map(|(k, _)| *k).collect();
            self.mistake(
                "type",
                format_args!("`type` is missing; there are: {}", names.join(", ")),
            );
            return None;
        }
        let (kind, keys) = *KINDS.get(self.choice("type", &kinds)?)?;
        let name = self.string("name");
        let events = self.events();
        let target = self.target(kind);
        self.strangers(kind, keys);
        let target = target?;
        Some(OutputSpec {
            name: name.unwrap_or_else(|| target.to_string()),
            events,
            target,
        })
    }

    fn target(&mut self, kind: &str) -> Option<Target> {
        match kind {
            "file" => {
                let path = self.needed("path", "\"/var/log/relaywatch/eve.json\"");
                let rotation = self.rotation();
                Some(Target::File(path?.into(), rotation))
            }
            _ => Some(Target::Stdout),
        }
    }

    fn rotation(&mut self) -> Option<Rotation> {
        let bytes = self.number("rotate_mib", 1, 1 << 20).map(|n| n * MIB);
        let hours = self.number("rotate_hours", 1, 24 * 366);
        let keep = self.number("keep", 1, 100_000);
        let pack = self.choice("compress", &Pack::ALL);
        if bytes.is_none() && hours.is_none() {
            for key in ["keep", "compress"] {
                if self.table.0.get_ref().contains_key(key) {
                    self.mistake(
                        key,
                        "nothing is rotated; give rotate_mib or rotate_hours too",
                    );
                }
            }
            return None;
        }
        Some(Rotation {
            bytes,
            hours,
            keep: keep.map_or(7, |n| usize::try_from(n).unwrap_or(usize::MAX)),
            pack: pack.unwrap_or_default(),
        })
    }

    /// Keys that this kind does not take.
    fn strangers(&mut self, kind: &str, keys: &[&str]) {
        let known = |key: &str| COMMON.contains(&key) || keys.contains(&key);
        let table = self.table;
        for key in table.0.get_ref().keys().map(|k| k.get_ref().as_str()) {
            if known(key) {
                continue;
            }
            let of = KINDS.iter().find(|(_, keys)| keys.contains(&key));
            let why = match of {
                Some((other, _)) => {
                    format!("that is a key of type \"{other}\", not of \"{kind}\"; remove it")
                }
                None => {
                    let all = COMMON.iter().chain(keys).copied();
                    let hint = near(key, all);
                    let all: Vec<&str> = COMMON.iter().chain(keys).copied().collect();
                    format!("unknown key; {hint}type \"{kind}\" has: {}", all.join(", "))
                }
            };
            self.mistake(key, why);
        }
    }
}

/// `did you mean ...? ` if one of `all` is near.
fn near<'a>(text: &str, all: impl Iterator<Item = &'a str>) -> String {
    all.map(|known| (strsim::damerau_levenshtein(text, known), known))
        .min()
        .filter(|(distance, _)| *distance <= 3)
        .map_or(String::new(), |(_, known)| {
            format!("did you mean `{known}`? ")
        })
}
