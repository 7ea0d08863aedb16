//! Packets of incidents: the settings.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Deserialize;

use super::{Config, Failure, complain};
use crate::output::{EvidenceFolder, EvidenceOptions};
use crate::sensor::EvidenceThread;

/// `[evidence]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EvidenceSection {
    /// The folder; without it nothing is kept.
    pub dir: Option<PathBuf>,
    /// Secrets are left in.
    pub raw: bool,
    /// MiB of all files.
    pub max_mib: Option<u64>,
    /// Days a file is kept.
    pub max_days: Option<u64>,
}

/// Keys of the section, for suggestions.
pub(crate) const KEYS: &[&str] = &["evidence", "dir", "raw", "max_mib", "max_days"];

/// Flags of evidence.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Evidence")]
pub struct EvidenceArgs {
    /// Keep the packets of each incident in this folder, as INCIDENT_ID.pcapng (off by default)
    ///
    /// Responses, tickets and passwords in them are overwritten. The folder must be closed to others (0700). In replay only
    /// if given here.
    #[arg(long, value_name = "DIR")]
    pub evidence: Option<PathBuf>,

    /// Leave responses, tickets and passwords in: who can read the files can crack or use them
    #[arg(long)]
    pub evidence_raw: bool,

    /// MiB of all files; beyond it the oldest go (default: 1024)
    #[arg(long, value_name = "MIB")]
    pub evidence_max_mib: Option<u64>,

    /// Days a file is kept (default: 30)
    #[arg(long, value_name = "DAYS")]
    pub evidence_max_days: Option<u64>,
}

/// Lays the flags over the file. A replay keeps evidence only if a flag says so.
pub(crate) fn options(
    file: &EvidenceSection,
    args: &EvidenceArgs,
    live: bool,
) -> Result<Option<EvidenceOptions>, String> {
    let dir = args.evidence.clone().or(file.dir.clone().filter(|_| live));
    let flags =
        args.evidence_raw || args.evidence_max_mib.is_some() || args.evidence_max_days.is_some();
    let Some(dir) = dir else {
        if flags && file.dir.is_none() {
            return Err("--evidence-raw and limits of evidence do nothing without a folder; add --evidence DIR".to_owned());
        }
        return Ok(None);
    };
    let mib = args.evidence_max_mib.or(file.max_mib).unwrap_or(1_024);
    let days = args.evidence_max_days.or(file.max_days).unwrap_or(30);
    for (value, flag, key) in [
        (mib, "--evidence-max-mib", "evidence.max_mib"),
        (days, "--evidence-max-days", "evidence.max_days"),
    ] {
        if !(1..=100_000_000).contains(&value) {
            return Err(format!(
                "{flag} ({key}) is {value}: give a number from 1 to 100000000, or leave evidence off"
            ));
        }
    }
    Ok(Some(EvidenceOptions {
        dir,
        raw: args.evidence_raw || file.raw,
        bytes: mib * 1024 * 1024,
        age: Duration::from_secs(days * 24 * 3600),
    }))
}

/// Opens the folder, if there is to be one: before the sandbox.
pub(super) fn open(config: &Config) -> Result<Option<EvidenceFolder>, Failure> {
    let folder = config.evidence.clone().map(EvidenceFolder::open);
    folder.transpose().map_err(Failure::new)
}

/// Starts to write into it: after the sandbox, as it holds for threads that are started in it.
pub(super) fn start(folder: Option<EvidenceFolder>) -> Result<Option<EvidenceThread>, Failure> {
    let thread = folder.map(|folder| EvidenceThread::start(folder, |trouble| complain(trouble)));
    thread
        .transpose()
        .map_err(|e| Failure::new(format_args!("cannot start a thread: {e}")))
}

/// Waits until all is written.
pub(super) fn finish(thread: Option<EvidenceThread>) {
    if let Some((_, failed @ 1..)) = thread.map(EvidenceThread::finish) {
        complain(&format_args!(
            "evidence could not be written {failed} times; check the space and permissions of --evidence"
        ));
    }
}

/// What `-T` says of it.
pub(crate) fn line(options: Option<&EvidenceOptions>) -> String {
    match options {
        None => "evidence       off".to_owned(),
        Some(o) => format!(
            "evidence       {}, at most {} MiB and {} days, {}",
            o.dir.display(),
            o.bytes / (1024 * 1024),
            o.age.as_secs() / (24 * 3600),
            if o.raw {
                "WITH SECRETS"
            } else {
                "secrets zeroed"
            }
        ),
    }
}

impl Config {
    /// Folder that evidence is written into, if it is kept.
    #[must_use]
    pub fn evidence_dir(&self) -> Option<&Path> {
        self.evidence.as_ref().map(|o| o.dir.as_path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_keeps_nothing_unless_a_flag_says_so() {
        let file = EvidenceSection {
            dir: Some("/e".into()),
            max_mib: Some(5),
            ..EvidenceSection::default()
        };
        let none = EvidenceArgs::default();
        assert_eq!(options(&file, &none, false), Ok(None));
        let live = options(&file, &none, true).unwrap().unwrap();
        assert_eq!((live.bytes, live.raw), (5 * 1024 * 1024, false));
        let args = EvidenceArgs {
            evidence: Some("/f".into()),
            evidence_raw: true,
            evidence_max_mib: Some(0),
            ..EvidenceArgs::default()
        };
        let said = options(&file, &args, false).unwrap_err();
        assert!(said.contains("--evidence-max-mib"), "{said}");
        let alone = EvidenceArgs {
            evidence_raw: true,
            ..EvidenceArgs::default()
        };
        assert!(options(&EvidenceSection::default(), &alone, false).is_err());
    }
}
