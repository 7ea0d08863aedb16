//! Messages for the operator, in one place: standard error, as text or as JSON lines.
//!
//! There are some twenty of them, none in a packet's way, so this is a function and not a framework.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::sensor::clocks;

/// How bad it is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// It stops, or lost something.
    Error,
    /// Somebody should look.
    Warning,
    /// Good to know.
    #[default]
    Info,
}

/// How messages look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// `relaywatch: message`
    #[default]
    Text,
    /// `{"timestamp":...,"level":...,"message":...}`, one line each
    Json,
}

#[derive(Clone, Copy, Debug)]
struct Log {
    format: LogFormat,
    level: LogLevel,
    /// The journal reads standard error: it takes a line's priority from its beginning.
    journal: bool,
}

/// How it is until [`set`] says otherwise.
const DEFAULT: Log = Log {
    format: LogFormat::Text,
    level: LogLevel::Info,
    journal: false,
};

static LOG: Mutex<Log> = Mutex::new(DEFAULT);

/// Says how messages are to look from now on.
pub(super) fn set(format: LogFormat, level: LogLevel) {
    *LOG.lock().unwrap_or_else(PoisonError::into_inner) = Log {
        format,
        level,
        journal: std::env::var_os("JOURNAL_STREAM").is_some(),
    };
}

fn current() -> Log {
    *LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

/// True if messages are JSON, so that nothing else may be on standard error.
pub(super) fn is_json() -> bool {
    current().format == LogFormat::Json
}

/// One message on standard error.
pub(super) fn say(level: LogLevel, message: &str) {
    let log = current();
    if level > log.level {
        return;
    }
    let text = log.line(level, message);
    // If stderr is gone there is nobody to tell.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

impl Log {
    fn line(&self, level: LogLevel, message: &str) -> String {
        match self.format {
            LogFormat::Json => {
                let (_, now) = clocks();
                let line = serde_json::json!({
                    "timestamp": now.to_string(),
                    "level": level,
                    "message": message,
                });
                format!("{line}\n")
            }
            LogFormat::Text if self.journal => {
                // sd-daemon(3): the priorities of syslog in angle brackets, before every line.
                let priority = match level {
                    LogLevel::Error => 3,
                    LogLevel::Warning => 4,
                    LogLevel::Info => 6,
                };
                let lines = message.lines();
                lines.map(|l| format!("<{priority}>{l}\n")).collect()
            }
            LogFormat::Text => format!("relaywatch: {message}\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_one_line_whatever_the_message() {
        let log = Log {
            format: LogFormat::Json,
            ..DEFAULT
        };
        let line = log.line(LogLevel::Error, "a \"b\"\nc");
        assert_eq!(line.matches('\n').count(), 1);
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&read["level"], &read["message"]),
            (&"error".into(), &"a \"b\"\nc".into())
        );
        assert_eq!(read["timestamp"].as_str().unwrap().len(), 31);
    }

    #[test]
    fn the_journal_is_told_the_priority_of_every_line() {
        let log = Log {
            journal: true,
            ..DEFAULT
        };
        assert_eq!(log.line(LogLevel::Error, "a\nb"), "<3>a\n<3>b\n");
        assert_eq!(log.line(LogLevel::Info, "a"), "<6>a\n");
        assert_eq!(DEFAULT.line(LogLevel::Error, "a"), "relaywatch: a\n");
    }
}
