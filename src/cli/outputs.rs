//! Outputs: which there are, what `-T` says of them, and the threads that write.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::{Config, ConfigError, Failure, complain};
use crate::output::{EventTypes, OpenError, OutputSpec, Pack, Target};
use crate::sensor::{Output, WriterThreads};

#[cfg(test)]
pub(super) use super::output_table::keys;
pub(super) use super::output_table::{Table, read};

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
            .map_err(|e: OpenError| ConfigError::new(e.to_string()))?;
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
) -> Result<Vec<(Output, EventTypes)>, Failure> {
    let mut opened = Vec::new();
    for (spec, events) in outputs {
        opened.push((Output::open(spec).map_err(Failure)?, *events));
    }
    Ok(opened)
}

/// Starts a thread for each.
pub(super) fn start(
    opened: Vec<(Output, EventTypes)>,
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

/// Outputs that could not be opened, as far as can be seen without opening them, with the path of those to files.
pub(super) fn problems(config: &Config) -> Vec<(Option<String>, String)> {
    let mut problems = Vec::new();
    for spec in &config.outputs {
        let Target::Remote(remote) = &spec.target else {
            continue;
        };
        if let Err(why) = remote.receiver.link() {
            problems.push((None, format!("output {}: {why}", spec.name)));
        }
    }
    for folder in folders(&config.outputs) {
        let is_spool = |o: &OutputSpec| matches!(&o.target, Target::Remote(r) if r.spool.as_ref().is_some_and(|s| s.0 == folder));
        // A spool's folder is made when it is needed.
        if !folder.is_dir() && !config.outputs.iter().any(is_spool) {
            let file = config.outputs.iter().find_map(|o| match &o.target {
                Target::File(path, _) if path.parent() == Some(&folder) => Some(path),
                _ => None,
            });
            problems.push((
                file.map(|path| path.display().to_string()),
                format!("output: {} is no folder; create it first", folder.display()),
            ));
        }
    }
    for spec in &config.outputs {
        if let Target::File(path, _) = &spec.target
            && path.is_dir()
        {
            let path = path.display().to_string();
            let why = format!("output: {path} is a folder; name a file in it");
            problems.push((Some(path), why));
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
    if let Target::Remote(remote) = &spec.target {
        text.push_str(&match &remote.spool {
            Some((folder, bytes)) => {
                format!("; spool of {} MiB in {}", bytes / MIB, folder.display())
            }
            None => format!(
                "; {} MiB in memory, no spool: what has not arrived is lost when relaywatch ends",
                remote.queue_bytes / MIB
            ),
        });
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

pub(super) const MIB: u64 = 1024 * 1024;

/// Folders that outputs write in, for a sandbox.
pub(super) fn folders(outputs: &[OutputSpec]) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for spec in outputs {
        match &spec.target {
            Target::Stdout => {}
            Target::File(path, _) => {
                let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
                all.push(folder.unwrap_or(Path::new(".")).to_owned());
            }
            Target::Remote(remote) => {
                all.extend(remote.spool.iter().map(|(folder, _)| folder.clone()))
            }
        }
    }
    all.sort();
    all.dedup();
    all
}
