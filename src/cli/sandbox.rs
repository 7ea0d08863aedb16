//! What the sandbox has to leave, by the configuration.

use std::path::{Path, PathBuf};

use super::service::Listen;
use super::{Args, Config, Failure, complain, inform};
use crate::output::Target;
use crate::sensor::sandbox::{self, Allow};

/// Enters the sandbox, or says that there is none. Before any thread is started, after everything is open.
pub(super) fn enter(config: &Config, allow: &Allow, live: bool) -> Result<(), Failure> {
    if !config.sandbox {
        if live {
            complain(
                &"sandbox = false: keeps its rights, may read and write all that its user may",
            );
        }
        return Ok(());
    }
    for lacking in sandbox::enter(allow).map_err(Failure::new)? {
        // A replay that a person looks at need not be told every time.
        if live {
            complain(&lacking);
        }
    }
    if live {
        inform(&format_args!("sandbox: {}", tell(allow)));
    }
    Ok(())
}

/// The sandbox in a sentence.
pub(super) fn tell(allow: &Allow) -> String {
    let list = |all: &[PathBuf]| {
        let all: Vec<String> = all.iter().map(|p| p.display().to_string()).collect();
        if all.is_empty() {
            "nothing".to_owned()
        } else {
            all.join(" ")
        }
    };
    format!(
        "no capability, no program, no packet socket, {}; writes {}; reads {}",
        if allow.connect {
            "connections for outputs"
        } else {
            "no connection"
        },
        list(&allow.write),
        list(&allow.read)
    )
}

/// What is needed once everything is open: to open files again, read rules again, clean up.
pub(super) fn allow(args: &Args, config: &Config) -> Allow {
    let mut allow = Allow::default();
    for output in &config.outputs {
        match &output.target {
            Target::Stdout => {}
            Target::File(path, _) => allow.write.push(place(path)),
        }
    }
    allow.write.extend(config.state_dir.clone());
    allow
        .write
        .extend(config.evidence_dir().map(Path::to_owned));
    // Their sockets are removed at the end.
    allow
        .write
        .extend(config.service.control.as_deref().map(folder));
    if let Some(Listen::Unix(path)) = &config.service.metrics {
        allow.write.push(folder(path));
    }
    let rules = config.rules.iter();
    allow.read.extend(rules.map(|path| readable(path)));
    allow.read.extend(args.config.as_deref().map(folder));
    allow.read.extend(args.catalog.clone());
    allow
        .read
        .extend(args.read.iter().filter(|p| *p != Path::new("-")).cloned());
    for all in [&mut allow.write, &mut allow.read] {
        all.sort();
        all.dedup();
    }
    allow
}

/// Where a file is made anew when it is rotated: its folder. What is no regular file (a device, a pipe) is not rotated.
fn place(path: &Path) -> PathBuf {
    if path.metadata().is_ok_and(|m| !m.is_file()) {
        return path.to_owned();
    }
    folder(path)
}

/// An editor puts a new file in the place of the old one, so the folder it is.
fn readable(path: &Path) -> PathBuf {
    if path.is_dir() {
        path.to_owned()
    } else {
        folder(path)
    }
}

fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
