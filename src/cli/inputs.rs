//! What to read: captures in order, the key, the rules.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Config, Failure, complain, tuning};
use crate::capture::first_timestamp;
use crate::catalog::Catalog;
use crate::event::SiteKey;
use crate::rule::{RuleSet, RuleSource};

/// Endings of files that a folder given with `-r` is searched for.
const ENDINGS: &[&str] = &["pcap", "pcapng", "cap"];

/// The captures to replay: files as given, folders opened and put in order of their first packet.
pub(super) fn captures(given: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut all = Vec::new();
    for path in given {
        if path.as_os_str() != "-" && path.is_dir() {
            let mut found = Vec::new();
            walk(path, &mut found)?;
            if found.is_empty() {
                return Err(Failure::new(format_args!(
                    "{}: no capture in this folder; looked for *.pcap, *.pcapng, *.cap, also .gz and .zst",
                    path.display()
                )));
            }
            // Files without a readable first packet go last, by name; their own error comes then.
            found.sort_by_cached_key(|p| {
                let first = first_timestamp(p).ok().flatten();
                (first.is_none(), first, p.clone())
            });
            all.extend(found);
        } else {
            all.push(path.clone());
        }
    }
    Ok(all)
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let cannot = |e: std::io::Error| {
        Failure::new(format_args!(
            "{}: cannot read the folder: {e}; check the path and its permissions",
            dir.display()
        ))
    };
    for entry in std::fs::read_dir(dir).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if path.is_dir() {
            walk(&path, found)?;
        } else if is_capture(&path) {
            found.push(path);
        }
    }
    Ok(())
}

fn is_capture(path: &Path) -> bool {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_ascii_lowercase();
    let name = name
        .strip_suffix(".gz")
        .or_else(|| name.strip_suffix(".zst"))
        .unwrap_or(&name);
    ENDINGS
        .iter()
        .any(|e| name.strip_suffix(e).is_some_and(|n| n.ends_with('.')))
}

/// The site key from its file, or an ephemeral one with a warning.
pub(super) fn site_key(config: &Config, live: bool) -> Result<SiteKey, Failure> {
    let Some(path) = &config.key_file else {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|e| {
            Failure::new(format_args!(
                "no random bytes for a key: {e}; give a key file with --key-file"
            ))
        })?;
        if live {
            complain(
                &"no key file: keyed hashes of this run cannot be compared with others; make one with `head -c 32 /dev/urandom` and give it with --key-file",
            );
        }
        return Ok(SiteKey::new(&key));
    };
    let name = path.display();
    let cannot = |e| Failure::new(format_args!("{name}: cannot read the key file: {e}"));
    let meta = std::fs::metadata(path).map_err(cannot)?;
    if meta.permissions().mode() & 0o077 != 0 {
        return Err(Failure::new(format_args!(
            "{name}: others can read the key file; run `chmod 600 {name}`"
        )));
    }
    let bytes = std::fs::read(path).map_err(cannot)?;
    let Some(key) = bytes.first_chunk::<32>() else {
        return Err(Failure::new(format_args!(
            "{name}: {} bytes are too few for a key; make one with `head -c 32 /dev/urandom`",
            bytes.len()
        )));
    };
    Ok(SiteKey::new(key))
}

/// The rules that are asked for; every error of every rule in one message.
pub(super) fn rules(config: &Config) -> Result<RuleSet, Failure> {
    let mut sources = Vec::new();
    if config.builtin_rules {
        sources.push(RuleSource::Builtin);
    }
    sources.extend(config.rules.iter().cloned().map(RuleSource::Path));
    let level = |rule: &_| tuning::level(&config.levels, rule);
    let rules = RuleSet::load_with(&sources, &level).map_err(|errors| {
        let mut text = String::new();
        for error in &errors {
            text.push_str(&format!("{error}\n"));
        }
        let many = if errors.len() == 1 { "" } else { "s" };
        text.push_str(&format!("{} error{many} in rules", errors.len()));
        Failure(text)
    })?;
    tuning::check(&config.tuning, &config.levels, &rules).map_err(Failure)?;
    Ok(rules)
}

/// The RPC catalogue, with a folder's entries over the built-in ones.
pub(super) fn catalog(folder: Option<&Path>) -> Result<Arc<Catalog>, Failure> {
    let Some(folder) = folder else {
        return Ok(Arc::new(Catalog::builtin()));
    };
    Catalog::load(folder).map(Arc::new).map_err(|errors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Failure(all.join("\n"))
    })
}
