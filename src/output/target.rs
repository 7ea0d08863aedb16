//! Where EVE can go, as meant, and why it cannot.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::rotate::Rotation;
use super::types::EventTypes;

/// One output: where to, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputSpec {
    /// As counters and messages call it.
    pub name: String,
    /// Which event types; those of the run if it does not say.
    pub events: Option<EventTypes>,
    /// Where to.
    pub target: Target,
}

impl OutputSpec {
    /// A file that is appended to and never rotated.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::of(Target::File(path.into(), None))
    }

    /// An output that is called as its target.
    #[must_use]
    pub fn of(target: Target) -> Self {
        Self {
            name: target.to_string(),
            events: None,
            target,
        }
    }
}

/// As typed after `-o`.
impl FromStr for OutputSpec {
    type Err = OpenError;

    fn from_str(text: &str) -> Result<Self, OpenError> {
        text.parse().map(Self::of)
    }
}

/// A place for lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `-`
    Stdout,
    /// A path. Appended to, created with mode 0640.
    File(PathBuf, Option<Rotation>),
}

impl Target {
    /// One word for the kind, as `type` of the configuration.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::File(..) => "file",
        }
    }
}

impl FromStr for Target {
    type Err = OpenError;

    fn from_str(text: &str) -> Result<Self, OpenError> {
        let scheme = |s: &str| {
            text.get(..s.len())
                .is_some_and(|t| t.eq_ignore_ascii_case(s))
        };
        let later = ["unix:", "syslog:", "syslog+", "tcp:", "udp:", "tls:"];
        if later.into_iter().any(scheme) {
            return Err(OpenError {
                what: text.to_owned(),
                why: "sockets and syslog come with a later version".to_owned(),
                remedy: "write to a file and let the log shipper read it, or pipe standard output",
            });
        }
        match text {
            "" => Err(OpenError {
                what: "-o".to_owned(),
                why: "the destination is empty".to_owned(),
                remedy: "give a path, or - for standard output",
            }),
            "-" => Ok(Self::Stdout),
            path => Ok(Self::File(path.into(), None)),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("standard output"),
            Self::File(path, _) => write!(f, "{}", path.display()),
        }
    }
}

/// An output that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot write EVE to {what}: {why}; {remedy}")]
pub struct OpenError {
    what: String,
    why: String,
    remedy: &'static str,
}

impl OpenError {
    pub(super) fn stdout(error: &io::Error) -> Self {
        Self {
            what: Target::Stdout.to_string(),
            why: error.to_string(),
            remedy: "name a file with -o",
        }
    }

    pub(super) fn file(path: &Path, error: &io::Error) -> Self {
        let remedy = match error.kind() {
            ErrorKind::NotFound => "create its folder first",
            ErrorKind::PermissionDenied => {
                "let the user that relaywatch runs as write there, or choose another path with -o"
            }
            ErrorKind::IsADirectory => "name a file in it, for example eve.json",
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room on that disk",
            ErrorKind::ReadOnlyFilesystem => "choose a path on a disk that can be written",
            _ => "choose another path with -o",
        };
        Self {
            what: path.display().to_string(),
            why: error.to_string(),
            remedy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Writer;

    #[test]
    fn errors_name_the_thing_the_cause_and_the_remedy() {
        let open = |text: &str| {
            let spec: OutputSpec = text.parse()?;
            Writer::open(&spec, crate::time::Timestamp::ZERO)
        };
        let said = |text: &str| open(text).unwrap_err().to_string();
        assert_eq!(
            said("unix:/run/eve.sock"),
            "cannot write EVE to unix:/run/eve.sock: sockets and syslog come with a later version; \
             write to a file and let the log shipper read it, or pipe standard output"
        );
        assert!(said("syslog://10.0.0.1").contains("later version"));
        assert!(said("/nowhere/eve.json").contains("create its folder first"));
        assert!(said("").contains("the destination is empty"));
        let dir = tempfile::tempdir().unwrap();
        let error = said(&dir.path().display().to_string());
        assert!(error.contains("name a file in it"), "{error}");
        assert_eq!("-".parse(), Ok(Target::Stdout));
    }
}
