//! Where EVE can go, as meant, and why it cannot.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::link::{Api, Receiver, Remote, SyslogOver, TlsFiles};
use super::rotate::Rotation;
use super::syslog::{SyslogHead, hostname};
use super::types::EventTypes;
use crate::limits;

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
    /// A receiver over a socket.
    Remote(Box<Remote>),
}

impl Target {
    /// One word for the kind, as `type` of the configuration.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::File(..) => "file",
            Self::Remote(remote) => remote.receiver.kind(),
        }
    }
}

impl FromStr for Target {
    type Err = OpenError;

    fn from_str(text: &str) -> Result<Self, OpenError> {
        let wrong = |why: &str, remedy| OpenError {
            what: text.to_owned(),
            why: why.to_owned(),
            remedy,
        };
        let to = |receiver| {
            Ok(Self::Remote(Box::new(Remote {
                receiver,
                queue_bytes: limits::OUTPUT_QUEUE_BYTES,
                spool: None,
            })))
        };
        let socket = |path: &str| match path {
            "" => Err(wrong(
                "the path of the socket is missing",
                "write it as unix:/run/siem.sock",
            )),
            path => Ok(PathBuf::from(path)),
        };
        if let Some(path) = text.strip_prefix("unix:") {
            return to(Receiver::UnixStream(socket(path)?));
        }
        if let Some(path) = text.strip_prefix("unix-dgram:") {
            return to(Receiver::UnixDatagram(socket(path)?));
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            let carrier = match scheme {
                "syslog" | "syslog+udp" => SyslogOver::Udp,
                "syslog+tcp" => SyslogOver::Tcp,
                "syslog+tls" => SyslogOver::Tls,
                "http" | "https" => {
                    return to(Receiver::Http {
                        url: text.to_owned(),
                        api: Api::Ndjson,
                        headers_file: None,
                        gzip: false,
                        batch_lines: limits::HTTP_LINES,
                        timeout: Duration::from_secs(limits::HTTP_SECS),
                        tls: TlsFiles::default(),
                    });
                }
                _ => {
                    return Err(wrong(
                        "there is no such kind of output",
                        "there are unix:, unix-dgram:, syslog+udp://, syslog+tcp://, syslog+tls://, http:// and https://",
                    ));
                }
            };
            let address = address(rest, carrier).ok_or_else(|| {
                wrong(
                    "this is no address",
                    "write it as syslog+tcp://siem.example:514",
                )
            })?;
            return to(Receiver::Syslog {
                carrier,
                address,
                head: SyslogHead {
                    facility: 16,
                    hostname: hostname(),
                    app_name: "relaywatch".to_owned(),
                },
                tls: TlsFiles::default(),
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

/// `host[:port]` with the port that syslog has over `carrier`. None if it is neither.
#[must_use]
pub fn address(text: &str, carrier: SyslogOver) -> Option<String> {
    let usual = match carrier {
        SyslogOver::Udp | SyslogOver::Tcp => 514,
        SyslogOver::Tls => 6514,
    };
    let text = text.strip_suffix('/').unwrap_or(text);
    let strange = |c: char| !(c.is_ascii_alphanumeric() || ".:-_[]%".contains(c));
    if text.is_empty() || text.contains(strange) {
        return None;
    }
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Some(format!("[{text}]:{usual}"));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !text.ends_with(']') => {
            port.parse::<u16>().ok().filter(|p| *p != 0)?;
            Some(text.to_owned())
        }
        Some(_) if !text.ends_with(']') => None,
        _ => Some(format!("{text}:{usual}")),
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("standard output"),
            Self::File(path, _) => write!(f, "{}", path.display()),
            Self::Remote(remote) => write!(f, "{}", remote.receiver),
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
        assert!(said("unix:").contains("write it as unix:/run/siem.sock"));
        assert!(
            said("redis://10.0.0.1").contains("there is no such kind of output; there are unix:")
        );
        assert!(said("syslog+tcp://a b").contains("this is no address"));
        assert!(said("/nowhere/eve.json").contains("create its folder first"));
        assert!(said("").contains("the destination is empty"));
        let dir = tempfile::tempdir().unwrap();
        let error = said(&dir.path().display().to_string());
        assert!(error.contains("name a file in it"), "{error}");
        assert_eq!("-".parse(), Ok(Target::Stdout));
        let address = |text: &str| address(text, SyslogOver::Tls);
        for (text, expected) in [
            ("siem", Some("siem:6514")),
            ("10.0.0.1:601/", Some("10.0.0.1:601")),
            ("fd00::1", Some("[fd00::1]:6514")),
            ("[fd00::1]", Some("[fd00::1]:6514")),
            ("[fd00::1]:99", Some("[fd00::1]:99")),
            ("siem:x", None),
            ("siem:0", None),
            (":5", None),
            ("", None),
        ] {
            assert_eq!(address(text).as_deref(), expected, "{text}");
        }
    }
}
