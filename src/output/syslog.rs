//! RFC 5424 messages around EVE lines, and how they are told apart on a connection.
//!
//! ```text
//! <PRI>1 2026-11-22T08:28:37.257438Z HOST relaywatch PID alert - {"timestamp":..}
//! LENGTH SP message                     octet counting on TCP and TLS (RFC 6587 3.4.1, RFC 5425 4.3)
//! message                               one datagram on UDP (RFC 5426 3.1)
//! ```

use super::types::EventType;

/// What is the same in every message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyslogHead {
    /// 0 to 23 (RFC 5424 6.2.1).
    pub facility: u8,
    /// Of the sensor, or `-`.
    pub hostname: String,
    /// Program.
    pub app_name: String,
}

/// Names of facilities in the order of their numbers.
pub const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];

impl SyslogHead {
    /// Appends the message for one line.
    pub(super) fn message(&self, to: &mut Vec<u8>, kind: EventType, line: &[u8]) {
        let pri = u16::from(self.facility) * 8 + u16::from(severity(kind, line));
        to.extend_from_slice(format!("<{pri}>1 ").as_bytes());
        match time(line) {
            Some(time) => {
                to.extend_from_slice(time);
                to.push(b'Z');
            }
            None => to.push(b'-'),
        }
        let pid = std::process::id();
        let head = format!(
            " {} {} {pid} {} - ",
            self.hostname,
            self.app_name,
            kind.name()
        );
        to.extend_from_slice(head.as_bytes());
        to.extend_from_slice(line);
    }

    /// The same with its length in front.
    pub(super) fn counted(&self, to: &mut Vec<u8>, kind: EventType, line: &[u8]) {
        let mut message = Vec::with_capacity(line.len() + 128);
        self.message(&mut message, kind, line);
        to.extend_from_slice(format!("{} ", message.len()).as_bytes());
        to.extend_from_slice(&message);
    }
}

/// This machine's name, as far as a header may have it.
#[must_use]
pub fn hostname() -> String {
    header_text(&rustix::system::uname().nodename().to_string_lossy(), 255)
}

/// A text as HOSTNAME or APP-NAME may be: printable ASCII without spaces, at most `most` of them.
#[must_use]
pub fn header_text(text: &str, most: usize) -> String {
    let kept: String = text
        .chars()
        .filter(char::is_ascii_graphic)
        .take(most)
        .collect();
    if kept.is_empty() {
        "-".to_owned()
    } else {
        kept
    }
}

/// `2026-11-22T08:28:37.257438` of a line, which starts with it.
pub(super) fn time(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"{\"timestamp\":\"")?;
    rest.get(..26)
        .filter(|_| rest.get(26..32) == Some(b"+0000\""))
}

/// RFC 5424 6.2.1: 2 critical, 3 error, 4 warning, 5 notice, 6 informational.
fn severity(kind: EventType, line: &[u8]) -> u8 {
    // A quote inside a JSON text is escaped, so these bytes are the key and nothing else.
    const LEVEL: &[u8] = b"\"level\":\"";
    if !kind.is_urgent() {
        return 6;
    }
    let at = memchr::memmem::find(line, LEVEL).unwrap_or(line.len());
    let level = line
        .get(at.saturating_add(LEVEL.len())..)
        .unwrap_or_default();
    match level.first() {
        Some(b'c') => 2,
        Some(b'h') => 3,
        Some(b'm') => 4,
        Some(b'l') => 5,
        _ => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::samples;

    #[test]
    fn a_message_is_what_rfc_5424_says() {
        let head = SyslogHead {
            facility: 16,
            hostname: "sensor1".to_owned(),
            app_name: "relaywatch".to_owned(),
        };
        let line = br#"{"timestamp":"2026-11-22T08:28:37.257438+0000","event_type":"alert","alert":{"context":{"level":"high"}}}"#;
        let mut message = Vec::new();
        head.counted(&mut message, EventType::Alert, line);
        let text = String::from_utf8(message).unwrap();
        let (length, rest) = text.split_once(' ').unwrap();
        assert_eq!(length.parse::<usize>().unwrap(), rest.len());
        let expected = format!(
            "<131>1 2026-11-22T08:28:37.257438Z sensor1 relaywatch {} alert - {}",
            std::process::id(),
            std::str::from_utf8(line).unwrap()
        );
        assert_eq!(rest, expected);
        assert_eq!(header_text("my host\u{e9}\n", 5), "myhos");
        assert_eq!(header_text(" ", 5), "-");
    }

    #[test]
    fn every_line_has_a_time_and_alerts_have_their_level() {
        for (name, line) in samples::lines() {
            assert!(time(&line).is_some(), "{name}");
        }
        let level = |text: &str| severity(EventType::Incident, text.as_bytes());
        assert_eq!(level(r#"{"incident":{"level":"critical"}}"#), 2);
        assert_eq!(level(r#"{"a":"\"level\":\"critical","level":"low"}"#), 5);
        assert_eq!(level("{}"), 6);
        assert_eq!(severity(EventType::Dns, br#""level":"critical""#), 6);
    }
}
