//! Where rules come from. The only part of `rule` that touches the file system, and only at start.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::RuleError;

include!(concat!(env!("OUT_DIR"), "/builtin_rules.rs"));

/// Folders one inside the other; a link that leads back to its parent ends here.
const DEPTH: usize = 16;

/// A place that rules are loaded from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleSource {
    /// The rules that are compiled in: `rules/` of this repository.
    Builtin,
    /// A file, or a folder with `.yml` and `.yaml` files at any depth, read in order of their names.
    Path(PathBuf),
    /// Text that is already there, and the name that errors give it.
    Text {
        /// Stands for the file's name.
        name: String,
        /// YAML.
        text: String,
    },
}

/// One file, read.
pub(super) struct File {
    pub(super) name: String,
    pub(super) text: String,
}

/// The texts of documents, cut out of the file at hand.
#[derive(Default)]
pub(super) struct Texts {
    file: Option<usize>,
    /// Where each line of it begins.
    starts: Vec<usize>,
}

impl Texts {
    /// The document that begins at this line, up to the next `---`.
    pub(super) fn document(&mut self, files: &[File], file: usize, line: u32) -> String {
        let text = files.get(file).map_or("", |f| &f.text);
        // Once a file, which may hold ten thousand rules.
        if self.file != Some(file) {
            let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
            self.starts = std::iter::once(0).chain(breaks).collect();
            self.file = Some(file);
        }
        let start = self.starts.get(line.saturating_sub(1) as usize);
        let from = start.and_then(|at| text.get(*at..)).unwrap_or_default();
        let end = from.find("\n---").unwrap_or(from.len());
        from.get(..end).unwrap_or_default().to_owned()
    }
}

/// Reads a source. What cannot be read goes to `errors`.
pub(super) fn read(source: &RuleSource, files: &mut Vec<File>, errors: &mut Vec<RuleError>) {
    match source {
        RuleSource::Builtin => files.extend(BUILTIN_RULES.iter().map(|(name, text)| File {
            name: format!("builtin:{name}"),
            text: (*text).to_owned(),
        })),
        RuleSource::Text { name, text } => files.push(File {
            name: name.clone(),
            text: text.clone(),
        }),
        RuleSource::Path(path) if path.is_dir() => {
            let before = files.len() + errors.len();
            folder(path, DEPTH, files, errors);
            if files.len() + errors.len() == before {
                errors.push(whole(path, "no .yml or .yaml file in this folder"));
            }
        }
        RuleSource::Path(path) => file(path, files, errors),
    }
}

fn folder(path: &Path, depth: usize, files: &mut Vec<File>, errors: &mut Vec<RuleError>) {
    let mut entries: Vec<PathBuf> = match fs::read_dir(path) {
        Ok(entries) => entries.filter_map(|e| Some(e.ok()?.path())).collect(),
        Err(e) => return errors.push(whole(path, &format!("cannot be read: {e}"))),
    };
    entries.sort();
    for entry in entries {
        let hidden = entry
            .file_name()
            .and_then(OsStr::to_str)
            .is_some_and(|n| n.starts_with('.'));
        if hidden {
            continue;
        }
        if entry.is_dir() {
            match depth.checked_sub(1) {
                Some(depth) => folder(&entry, depth, files, errors),
                None => errors.push(whole(&entry, "folders are nested too deeply")),
            }
        } else if is_rule_file(&entry) {
            file(&entry, files, errors);
        }
    }
}

fn is_rule_file(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    extension.eq_ignore_ascii_case("yml") || extension.eq_ignore_ascii_case("yaml")
}

fn file(path: &Path, files: &mut Vec<File>, errors: &mut Vec<RuleError>) {
    let read = fs::read(path).map_err(|e| format!("cannot be read: {e}"));
    let text =
        read.and_then(|b| String::from_utf8(b).map_err(|e| format!("is not UTF-8 text: {e}")));
    match text {
        Ok(text) => files.push(File {
            name: path.display().to_string(),
            text,
        }),
        Err(why) => errors.push(whole(path, &why)),
    }
}

/// An error about a file as a whole.
fn whole(path: &Path, message: &str) -> RuleError {
    RuleError {
        file: path.display().to_string(),
        line: 0,
        column: 0,
        message: message.to_owned(),
        label: String::new(),
        help: Vec::new(),
        source: String::new(),
        width: 0,
    }
}
