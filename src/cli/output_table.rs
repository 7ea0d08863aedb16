//! `[[output]]` of the configuration as meant, with every mistake in it told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use toml::{Spanned, Value};

use super::ConfigError;
use super::outputs::MIB;
use crate::limits;
use crate::output::{
    self, Api, EventTypes, FACILITIES, OutputSpec, Pack, Receiver, Remote, Rotation, SyslogHead,
    SyslogOver, Target, TlsFiles, UnknownType, header_text, hostname,
};

/// One `[[output]]` as it stands in the file: every key and value with its place.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Table(Spanned<BTreeMap<Spanned<String>, Spanned<Value>>>);

/// Keys of every output to a receiver.
const QUEUE: &[&str] = &["queue_mib", "spool", "spool_mib"];
/// Keys of outputs that may use TLS.
const TLS: &[&str] = &["ca_file", "cert_file", "key_file"];
/// Keys of outputs over HTTP.
const HTTP: &[&str] = &["url", "headers_file", "gzip", "batch_lines", "timeout_s"];
const SYSLOG: &[&str] = &[
    "address",
    "transport",
    "facility",
    "hostname",
    "app_name",
    "server_name",
];

/// Kinds of outputs and the keys that each takes beside those of all.
const KINDS: &[(&str, &[&[&str]])] = &[
    ("stdout", &[]),
    (
        "file",
        &[&["path", "rotate_mib", "rotate_hours", "keep", "compress"]],
    ),
    ("unix_stream", &[&["path"], QUEUE]),
    ("unix_datagram", &[&["path"], QUEUE]),
    ("syslog", &[SYSLOG, TLS, QUEUE]),
    ("elasticsearch", &[&["index"], HTTP, TLS, QUEUE]),
    (
        "splunk_hec",
        &[&["sourcetype", "hostname"], HTTP, TLS, QUEUE],
    ),
    ("http", &[HTTP, TLS, QUEUE]),
];
/// Keys of every output.
const COMMON: &[&str] = &["type", "name", "events"];

/// Every key that an output may have.
#[cfg(test)]
pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    let own = KINDS
        .iter()
        .flat_map(|(_, keys)| keys.iter().copied().flatten());
    COMMON.iter().chain(own).copied()
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
            // It may hold a password.
            Some(_) if key == "url" => format!("output: url: {what}"),
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
        if !self.has(key) {
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
        if !self.has("type") {
            let names: Vec<&str> = KINDS.iter().map(|(k, _)| *k).collect();
            self.mistake(
                "type",
                format_args!("`type` is missing; there are: {}", names.join(", ")),
            );
            return None;
        }
        let kind = self.choice("type", &kinds)?;
        let (kind, groups) = KINDS.get(kind)?;
        let keys = groups.concat();
        let name = self.string("name");
        let events = self.events();
        let target = self.target(kind);
        self.strangers(kind, &keys);
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
            "stdout" => Some(Target::Stdout),
            _ => {
                let receiver = self.receiver(kind);
                let queue = self.number("queue_mib", 1, 4096);
                let room = self.number("spool_mib", 1, 1 << 20);
                let spool = self.string("spool");
                if spool.is_none() && self.has("spool_mib") {
                    self.mistake("spool_mib", "there is no spool; give its folder, for example spool = \"/var/lib/relaywatch/spool\"");
                }
                if spool.is_some() && self.has("queue_mib") {
                    self.mistake(
                        "queue_mib",
                        "lines wait in the spool, not in memory; remove it, or give spool_mib",
                    );
                }
                Some(Target::Remote(Box::new(Remote {
                    receiver: receiver?,
                    queue_bytes: queue.map_or(limits::OUTPUT_QUEUE_BYTES, |n| n * MIB),
                    spool: spool.map(|folder| {
                        (folder.into(), room.map_or(limits::SPOOL_BYTES, |n| n * MIB))
                    }),
                })))
            }
        }
    }

    fn receiver(&mut self, kind: &str) -> Option<Receiver> {
        match kind {
            "unix_stream" | "unix_datagram" => {
                let path = PathBuf::from(self.needed("path", "\"/run/siem.sock\"")?);
                Some(match kind {
                    "unix_stream" => Receiver::UnixStream(path),
                    _ => Receiver::UnixDatagram(path),
                })
            }
            "syslog" => self.syslog(),
            _ => self.http(kind),
        }
    }

    fn syslog(&mut self) -> Option<Receiver> {
        let carriers = [
            ("udp", SyslogOver::Udp),
            ("tcp", SyslogOver::Tcp),
            ("tls", SyslogOver::Tls),
        ];
        let text = self.needed("address", "\"siem.example:6514\"");
        let carrier = if self.has("transport") {
            self.choice("transport", &carriers)
        } else {
            Some(SyslogOver::Tcp)
        };
        let facilities: Vec<(&'static str, u8)> = FACILITIES.into_iter().zip(0..).collect();
        let facility = match self.has("facility") {
            true => self.choice("facility", &facilities),
            false => Some(16),
        };
        let tls = self.tls();
        if carrier.is_some_and(|c| c != SyslogOver::Tls) {
            for key in ["ca_file", "cert_file", "key_file", "server_name"] {
                if self.has(key) {
                    self.mistake(
                        key,
                        "that is for transport = \"tls\"; give that too, or remove it",
                    );
                }
            }
        }
        let (text, carrier, facility) = (text?, carrier?, facility?);
        let Some(address) = output::address(&text, carrier) else {
            self.mistake(
                "address",
                "give a host and a port, as siem.example:6514 or [fd00::1]:6514",
            );
            return None;
        };
        let head = SyslogHead {
            facility,
            hostname: self
                .string("hostname")
                .map_or_else(hostname, |h| header_text(&h, 255)),
            app_name: self
                .string("app_name")
                .map_or("relaywatch".to_owned(), |n| header_text(&n, 48)),
        };
        Some(Receiver::Syslog {
            carrier,
            address,
            head,
            tls,
        })
    }

    fn http(&mut self, kind: &str) -> Option<Receiver> {
        let example = match kind {
            "elasticsearch" => "\"https://elastic.example:9200/_bulk\"",
            "splunk_hec" => "\"https://splunk.example:8088/services/collector/event\"",
            _ => "\"https://collector.example/eve\"",
        };
        let url = self.needed("url", example);
        if let Some(url) = &url {
            let rest = url
                .strip_prefix("https://")
                .or_else(|| url.strip_prefix("http://"));
            match rest {
                None | Some("") => self.mistake(
                    "url",
                    format_args!("give a whole address, for example {example}"),
                ),
                Some(rest)
                    if rest
                        .split('/')
                        .next()
                        .is_some_and(|host| host.contains('@')) =>
                {
                    self.mistake(
                        "url",
                        "a password does not belong in an address; give it in headers_file",
                    );
                }
                Some(_) => {}
            }
        }
        let api = match kind {
            "elasticsearch" => {
                let index = match self.has("index") {
                    true => self.string("index")?,
                    false => "relaywatch".to_owned(),
                };
                let strange =
                    |c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c));
                if index.contains(strange) || index.starts_with(['-', '_', '.']) {
                    self.mistake(
                        "index",
                        "an index has lower-case letters, digits, - _ and . in its name",
                    );
                }
                Api::Elasticsearch { index }
            }
            "splunk_hec" => Api::Splunk {
                sourcetype: self
                    .string("sourcetype")
                    .unwrap_or_else(|| "suricata".to_owned()),
                host: self.string("hostname").unwrap_or_else(hostname),
            },
            _ => Api::Ndjson,
        };
        let lines = self.number("batch_lines", 1, 10_000);
        let seconds = self
            .number("timeout_s", 1, 600)
            .unwrap_or(limits::HTTP_SECS);
        Some(Receiver::Http {
            url: url?,
            api,
            headers_file: self.string("headers_file").map(PathBuf::from),
            gzip: self.flag("gzip"),
            batch_lines: lines.map_or(limits::HTTP_LINES, |n| {
                usize::try_from(n).unwrap_or(usize::MAX)
            }),
            timeout: Duration::from_secs(seconds),
            tls: self.tls(),
        })
    }

    fn tls(&mut self) -> TlsFiles {
        let files = TlsFiles {
            ca: self.string("ca_file").map(PathBuf::from),
            cert: self.string("cert_file").map(PathBuf::from),
            key: self.string("key_file").map(PathBuf::from),
            name: self.string("server_name"),
        };
        for (one, other) in [("cert_file", "key_file"), ("key_file", "cert_file")] {
            if self.has(one) && !self.has(other) {
                self.mistake(one, format_args!("it goes with {other}; give both or none"));
            }
        }
        files
    }

    fn has(&self, key: &str) -> bool {
        self.table.0.get_ref().contains_key(key)
    }

    fn flag(&mut self, key: &'static str) -> bool {
        match self.value(key) {
            None => false,
            Some(Value::Boolean(on)) => on,
            Some(_) => {
                self.mistake(key, "give true or false");
                false
            }
        }
    }

    fn rotation(&mut self) -> Option<Rotation> {
        let bytes = self.number("rotate_mib", 1, 1 << 20).map(|n| n * MIB);
        let hours = self.number("rotate_hours", 1, 24 * 366);
        let keep = self.number("keep", 1, 100_000);
        let pack = self.choice("compress", &Pack::ALL);
        if bytes.is_none() && hours.is_none() {
            for key in ["keep", "compress"] {
                if self.has(key) {
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
            let of = KINDS
                .iter()
                .find(|(_, groups)| groups.iter().any(|keys| keys.contains(&key)));
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
