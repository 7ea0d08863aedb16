//! Batches over HTTP(S): Elasticsearch and OpenSearch `_bulk`, Splunk HEC, plain NDJSON.
//!
//! ```text
//! elasticsearch  {"create":{"_index":..,"_id":..}} \n {"@timestamp":..,line..} \n ...    _id is a hash of the line, so
//!                                                                                        a line sent twice is there once
//! splunk_hec     {"time":1795336117.257438,"host":..,"source":"relaywatch","sourcetype":..,"event":{line}} ...
//! http           line \n ...
//! ```
//!
//! A batch has arrived when it is answered with 2xx (and, for `_bulk`, each line with its own). 400, 413 and 422 mean that
//! the receiver does not want these lines; everything else is tried again.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};
use ureq::{Agent, http};

use super::{CONNECT, Link, Receiver, SendError, Sent, TlsFiles, tls};
use crate::output::spool::Batch;
use crate::output::syslog;
use crate::output::types::EventType;

/// What the batches look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Api {
    /// `_bulk`.
    Elasticsearch {
        /// Index or data stream.
        index: String,
    },
    /// HTTP Event Collector.
    Splunk {
        /// As Splunk is to read the lines.
        sourcetype: String,
        /// Of the sensor.
        host: String,
    },
    /// Lines as they are.
    Ndjson,
}

impl Api {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Elasticsearch { .. } => "elasticsearch",
            Self::Splunk { .. } => "splunk_hec",
            Self::Ndjson => "http",
        }
    }

    fn content_type(&self) -> &'static str {
        match self {
            Self::Splunk { .. } => "application/json",
            _ => "application/x-ndjson",
        }
    }

    fn line(&self, to: &mut Vec<u8>, line: &[u8]) {
        match self {
            Self::Elasticsearch { index } => {
                let hash = data_encoding::HEXLOWER
                    .encode(Sha256::digest(line).get(..16).unwrap_or_default());
                // An index has no character that JSON would escape; the configuration sees to that.
                let create =
                    format!("{{\"create\":{{\"_index\":\"{index}\",\"_id\":\"{hash}\"}}}}\n{{");
                to.extend_from_slice(create.as_bytes());
                if let Some(time) = syslog::time(line) {
                    to.extend_from_slice(b"\"@timestamp\":\"");
                    to.extend_from_slice(time);
                    to.extend_from_slice(b"Z\",");
                }
                to.extend_from_slice(line.get(1..).unwrap_or_default());
                to.push(b'\n');
            }
            Self::Splunk { sourcetype, host } => {
                let time = syslog::time(line).and_then(seconds);
                let time = time.map_or(String::new(), |t| format!("\"time\":{t},"));
                let text = |t: &str| serde_json::Value::from(t).to_string();
                let head = format!(
                    "{{{time}\"host\":{},\"source\":\"relaywatch\",\"sourcetype\":{},\"event\":",
                    text(host),
                    text(sourcetype)
                );
                to.extend_from_slice(head.as_bytes());
                to.extend_from_slice(line);
                to.extend_from_slice(b"}\n");
            }
            Self::Ndjson => {
                to.extend_from_slice(line);
                to.push(b'\n');
            }
        }
    }
}

/// Seconds since 1970 with six digits.
fn seconds(time: &[u8]) -> Option<String> {
    let text = format!("{}Z", std::str::from_utf8(time).ok()?);
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(format!("{}.{:06}", at.as_second(), at.subsec_microsecond()))
}

#[derive(Debug)]
pub(super) struct Http {
    url: String,
    api: Api,
    headers_file: Option<PathBuf>,
    gzip: bool,
    lines: usize,
    timeout: Duration,
    tls: TlsFiles,
    agent: Option<(Agent, Vec<(String, String)>)>,
}

impl Http {
    pub(super) fn new(receiver: &Receiver) -> Result<Self, String> {
        let Receiver::Http {
            url,
            api,
            headers_file,
            gzip,
            batch_lines,
            timeout,
            tls,
        } = receiver
        else {
            return Err("this is no HTTP output".to_owned());
        };
        let mut http = Self {
            url: url.clone(),
            api: api.clone(),
            headers_file: headers_file.clone(),
            gzip: *gzip,
            lines: *batch_lines,
            timeout: *timeout,
            tls: tls.clone(),
            agent: None,
        };
        // Files that cannot be used are told at the start, not at the first alert.
        http.agent = Some(http.agent()?);
        Ok(http)
    }

    fn agent(&self) -> Result<(Agent, Vec<(String, String)>), String> {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("relaywatch/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(self.timeout));
        if self.url.starts_with("https:") {
            let authorities = tls::authorities(&self.tls)?;
            let authorities = authorities
                .iter()
                .map(|c| Certificate::from_der(c).to_owned());
            let own = match tls::own(&self.tls)? {
                None => None,
                Some((chain, _)) => {
                    let path = self.tls.key.as_deref().unwrap_or(Path::new(""));
                    let key = std::fs::read(path).map_err(|e| e.to_string())?;
                    let key = PrivateKey::from_pem(&key).map_err(|e| format!("key_file: {e}"))?;
                    let chain: Vec<_> = chain
                        .iter()
                        .map(|c| Certificate::from_der(c).to_owned())
                        .collect();
                    Some(ClientCert::new_with_certs(&chain, key))
                }
            };
            config = config.tls_config(
                TlsConfig::builder()
                    .root_certs(RootCerts::from(authorities))
                    .client_cert(own)
                    .unversioned_rustls_crypto_provider(tls::provider())
                    .build(),
            );
        }
        let headers = match &self.headers_file {
            Some(path) => headers(path)?,
            None => Vec::new(),
        };
        Ok((config.build().new_agent(), headers))
    }

    fn body(&self, batch: &Batch) -> std::io::Result<Vec<u8>> {
        let mut body = Vec::new();
        for (_, line) in &batch.lines {
            self.api.line(&mut body, line);
        }
        if !self.gzip {
            return Ok(body);
        }
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&body)?;
        packer.finish()
    }
}

impl Link for Http {
    fn batch(&self) -> (usize, usize) {
        (self.lines, 4 * 1024 * 1024)
    }

    fn send(&mut self, batch: &Batch, _give_up: &AtomicBool) -> Result<Sent, SendError> {
        let later = |e: &dyn std::fmt::Display| SendError::Later(e.to_string());
        if self.agent.is_none() {
            // Again, because a token may have been replaced.
            self.agent = Some(self.agent().map_err(|e| later(&e))?);
        }
        let body = self.body(batch).map_err(|e| later(&e))?;
        let Some((agent, headers)) = &self.agent else {
            return Err(later(&"not connected"));
        };
        let mut request = agent
            .post(&self.url)
            .header("content-type", self.api.content_type());
        if self.gzip {
            request = request.header("content-encoding", "gzip");
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut answer = request.send(&body[..]).map_err(|e| later(&e))?;
        let status = answer.status();
        let reading = answer.body_mut().with_config().limit(ANSWER).read_to_vec();
        let said = reading.map_err(|e| later(&e))?;
        if !status.is_success() {
            let text = format!("HTTP {}: {}", status.as_u16(), excerpt(&said));
            return Err(match status.as_u16() {
                400 | 413 | 422 => SendError::Refused(text),
                401 | 403 => SendError::Later(format!("{text}; look at headers_file")),
                300..400 => {
                    SendError::Later(format!("{text}; give the address that it redirects to"))
                }
                _ => SendError::Later(text),
            });
        }
        match self.api {
            Api::Elasticsearch { .. } => bulk_answer(&said, batch),
            _ => Ok(Sent::default()),
        }
    }

    fn close(&mut self) {
        self.agent = None;
    }
}

/// Bytes of an answer that are read.
const ANSWER: u64 = 16 * 1024 * 1024;

/// The start of what a receiver said, as one line.
fn excerpt(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said.get(..said.len().min(400)).unwrap_or_default());
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars()
        .map(plain)
        .take(200)
        .collect::<String>()
        .trim()
        .to_owned()
}

#[derive(Deserialize)]
struct Bulk {
    errors: bool,
    #[serde(default)]
    items: Vec<BulkItem>,
}

#[derive(Deserialize)]
struct BulkItem {
    create: BulkLine,
}

#[derive(Deserialize)]
struct BulkLine {
    status: u16,
    #[serde(default)]
    error: serde_json::Value,
}

/// What became of each line. 409: it is there already, from an attempt whose answer was lost.
fn bulk_answer(said: &[u8], batch: &Batch) -> Result<Sent, SendError> {
    let bulk: Bulk = serde_json::from_slice(said)
        .map_err(|e| SendError::Later(format!("this is no answer of _bulk: {e}; look at url")))?;
    if !bulk.errors {
        return Ok(Sent::default());
    }
    if bulk.items.len() != batch.lines.len() {
        let (is, should) = (bulk.items.len(), batch.lines.len());
        return Err(SendError::Later(format!("{is} answers to {should} lines")));
    }
    let mut sent = Sent::default();
    for (item, (kind, _)) in bulk.items.iter().zip(&batch.lines) {
        let line = &item.create;
        match line.status {
            200..300 | 409 => {}
            // The ids make it harmless to send the others again.
            429 | 500.. => {
                let text = format!(
                    "_bulk {}: {}",
                    line.status,
                    excerpt(line.error.to_string().as_bytes())
                );
                return Err(SendError::Later(text));
            }
            status => reject(
                &mut sent,
                *kind,
                format!(
                    "_bulk {status}: {}",
                    excerpt(line.error.to_string().as_bytes())
                ),
            ),
        }
    }
    Ok(sent)
}

fn reject(sent: &mut Sent, kind: EventType, why: String) {
    sent.rejected += 1;
    sent.rejected_alerts += u64::from(kind.is_urgent());
    sent.why = Some(why);
}

/// `Name: value` lines; empty ones and those that start with `#` do not count.
fn headers(path: &Path) -> Result<Vec<(String, String)>, String> {
    let name = path.display();
    let cannot = |e: std::io::Error| format!("headers_file {name}: {e}");
    let meta = std::fs::metadata(path).map_err(cannot)?;
    if meta.permissions().mode() & 0o077 != 0 {
        return Err(format!(
            "headers_file {name}: others can read it; run `chmod 600 {name}`"
        ));
    }
    let text = std::fs::read_to_string(path).map_err(cannot)?;
    let mut all = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // The line itself is a secret and not shown.
        let wrong = || {
            format!(
                "headers_file {name}:{}: write it as `Authorization: ApiKey ...`",
                n + 1
            )
        };
        let (key, value) = line.split_once(':').ok_or_else(wrong)?;
        let (key, value) = (key.trim(), value.trim());
        let usable = http::HeaderName::from_bytes(key.as_bytes()).is_ok()
            && http::HeaderValue::from_str(value).is_ok();
        if !usable {
            return Err(wrong());
        }
        all.push((key.to_owned(), value.to_owned()));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = br#"{"timestamp":"2026-11-22T08:28:37.257438+0000","event_type":"alert"}"#;

    fn line(api: &Api) -> String {
        let mut body = Vec::new();
        api.line(&mut body, LINE);
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn lines_are_wrapped_as_each_receiver_wants_them() {
        let elastic = line(&Api::Elasticsearch {
            index: "relaywatch".to_owned(),
        });
        let (action, document) = elastic.split_once('\n').unwrap();
        let action: serde_json::Value = serde_json::from_str(action).unwrap();
        assert_eq!(action["create"]["_index"], "relaywatch");
        // printf '%s' LINE | sha256sum
        assert_eq!(action["create"]["_id"], "a2e14251a2402f1019c64ba97c934157");
        let document: serde_json::Value = serde_json::from_str(document).unwrap();
        assert_eq!(document["@timestamp"], "2026-11-22T08:28:37.257438Z");
        assert_eq!(document["event_type"], "alert");
        let splunk = line(&Api::Splunk {
            sourcetype: "suricata".to_owned(),
            host: "a\"b".to_owned(),
        });
        let splunk: serde_json::Value = serde_json::from_str(&splunk).unwrap();
        // date -u -d 2026-11-22T08:28:37 +%s
        assert_eq!(splunk["time"].to_string(), "1795336117.257438");
        assert_eq!(
            (&splunk["host"], &splunk["sourcetype"]),
            (&"a\"b".into(), &"suricata".into())
        );
        assert_eq!(splunk["event"]["event_type"], "alert");
        assert_eq!(line(&Api::Ndjson).as_bytes(), [LINE, b"\n"].concat());
    }

    #[test]
    fn each_line_of_a_bulk_has_its_own_answer() {
        let mut batch = Batch::default();
        for kind in [EventType::Alert, EventType::Dns] {
            batch.lines.push((kind, LINE.to_vec()));
        }
        let answer = |one: u16, two: u16| {
            let text = format!(
                r#"{{"took":3,"errors":true,"items":[{{"create":{{"_id":"x","status":{one},"error":{{"type":"t","reason":"r"}}}}}},{{"create":{{"status":{two}}}}}]}}"#
            );
            bulk_answer(text.as_bytes(), &batch)
        };
        assert_eq!(answer(201, 409), Ok(Sent::default()));
        let sent = answer(400, 201).unwrap();
        assert_eq!((sent.rejected, sent.rejected_alerts), (1, 1));
        assert_eq!(sent.why.unwrap(), r#"_bulk 400: {"reason":"r","type":"t"}"#);
        assert!(matches!(answer(201, 429), Err(SendError::Later(_))));
        assert!(matches!(answer(400, 503), Err(SendError::Later(_))));
        assert_eq!(
            bulk_answer(br#"{"errors":false,"items":[]}"#, &batch),
            Ok(Sent::default())
        );
        assert!(bulk_answer(b"<html>", &batch).is_err());
    }

    #[test]
    fn secrets_stand_in_a_file_that_others_cannot_read_and_are_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("h");
        let write = |text: &str, mode: u32| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            headers(&path)
        };
        let good = write("# for the SIEM\n\nAuthorization: Splunk a:b\n", 0o600).unwrap();
        assert_eq!(
            good,
            [("Authorization".to_owned(), "Splunk a:b".to_owned())]
        );
        let open = write("Authorization: s3cret", 0o640).unwrap_err();
        assert!(open.contains("chmod 600"), "{open}");
        for wrong in ["s3cret", "A B: s3cret", "A: s3cret\u{1}"] {
            let said = write(wrong, 0o600).unwrap_err();
            assert!(
                said.contains(":1: write it as") && !said.contains("s3cret"),
                "{said}"
            );
        }
    }
}
