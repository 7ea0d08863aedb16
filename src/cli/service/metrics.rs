//! Prometheus: the status in numbers, in the OpenMetrics text format, over HTTP to this host.
//!
//! `prometheus-client` writes the format. The HTTP side answers one `GET` a connection and is short
//! because no small server crate is kept up; it reads nothing but the first line.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::super::Failure;
use super::control;
use super::settings::Listen;
use super::status::Status;
use crate::sensor::Snapshot;

/// A client that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Bytes of a request that are read.
const LONGEST: usize = 8 * 1024;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The listening end.
#[derive(Debug)]
pub(super) enum Metrics {
    Unix(UnixListener, PathBuf),
    Tcp(TcpListener),
}

impl Metrics {
    pub(super) fn bind(listen: &Listen, group: bool) -> Result<Self, Failure> {
        match listen {
            Listen::Unix(path) => {
                let listener = control::bind(path, group, "the socket for metrics")?;
                Ok(Self::Unix(listener, path.clone()))
            }
            Listen::Tcp(address) => TcpListener::bind(address)
                .and_then(|l| l.set_nonblocking(true).map(|()| Self::Tcp(l)))
                .map_err(|e| {
                    Failure::new(format_args!(
                        "{address}: cannot listen for metrics: {e}; choose another port with --metrics"
                    ))
                }),
        }
    }

    /// Answers one client, if there is one.
    pub(super) fn serve(&self, answer: &mut dyn FnMut() -> String) {
        // A client that goes away has nothing to be told.
        let _ = match self {
            Self::Unix(listener, _) => listener.accept().and_then(|(s, _)| unix(s, answer)),
            Self::Tcp(listener) => listener.accept().and_then(|(s, _)| tcp(s, answer)),
        };
    }
}

impl Drop for Metrics {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // It may be gone already, with the service's directory.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn unix(stream: UnixStream, answer: &mut dyn FnMut() -> String) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    talk(stream, answer)
}

fn tcp(stream: TcpStream, answer: &mut dyn FnMut() -> String) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    talk(stream, answer)
}

/// RFC 9112: a request line, fields that do not matter, an empty line.
fn talk(mut stream: impl Read + Write, answer: &mut dyn FnMut() -> String) -> io::Result<()> {
    let mut head = [0; LONGEST];
    let mut len = 0;
    while let Some(room) = head.get_mut(len..).filter(|room| !room.is_empty()) {
        let n = stream.read(room)?;
        len += n;
        let read = head.get(..len).unwrap_or_default();
        if n == 0 || read.windows(4).any(|w| w == b"\r\n\r\n") {
            break;
        }
    }
    let head = head.get(..len).unwrap_or_default();
    let line = head.split(|b| *b == b'\r').next().unwrap_or_default();
    let mut words = line.split(|b| *b == b' ');
    let (method, path) = (words.next(), words.next().unwrap_or_default());
    let (status, kind, body) = match (method, path) {
        (Some(b"GET"), b"/metrics") => ("200 OK", OPENMETRICS, answer()),
        (Some(b"GET"), _) => (
            "404 Not Found",
            "text/plain",
            "the metrics are at /metrics\n".to_owned(),
        ),
        _ => (
            "405 Method Not Allowed\r\nAllow: GET",
            "text/plain",
            "only GET\n".to_owned(),
        ),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

/// Everything as text.
pub(super) fn text(status: Status, snapshot: &Snapshot) -> String {
    let evicted = snapshot.sensor.evicted.iter();
    let apps = &snapshot.stats.app_layer.flow;
    let mut registry = Registry::with_prefix("relaywatch");
    registry.register_collector(Box::new(Exposed {
        evicted: evicted.map(|(kind, n)| ((*kind).to_owned(), *n)).collect(),
        flows: snapshot.stats.flow.total,
        apps: vec![
            ("smb", apps.smb),
            ("dcerpc", apps.dcerpc_tcp),
            ("http", apps.http),
            ("ldap", apps.ldap_tcp),
            ("krb5", apps.krb5_tcp + apps.krb5_udp),
            ("tls", apps.tls),
            ("unknown", apps.failed_tcp + apps.failed_udp),
        ],
        status,
    }));
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = text::encode(&mut out, &registry);
    out
}

#[derive(Debug)]
struct Exposed {
    status: Status,
    evicted: Vec<(String, u64)>,
    flows: u64,
    apps: Vec<(&'static str, u64)>,
}

/// One label and the number it stands at; no label is an empty name.
type Row<'a, N> = (&'static str, &'a str, N);

impl Collector for Exposed {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let s = &self.status;
        let (p, m) = (&s.packets, &s.memory);
        let seconds = |us: u64| us as f64 / 1e6;
        gauges(
            &mut to,
            "build",
            "The program; always 1",
            &[("version", &s.version, 1.0)],
        )?;
        let one = |n: f64| [("", "", n)];
        let sum = |n: u64| [("", "", n)];
        gauges(
            &mut to,
            "healthy",
            "1 if nothing is wrong, 0 if `relaywatch status` says what",
            &one(f64::from(u8::from(s.is_healthy()))),
        )?;
        gauges(
            &mut to,
            "uptime_seconds",
            "Seconds since the start",
            &one(s.uptime_s as f64),
        )?;

        let each = |of: fn(&super::status::Interface) -> u64| -> Vec<Row<'_, u64>> {
            let all = s.interfaces.iter();
            all.map(|i| ("interface", i.name.as_str(), of(i))).collect()
        };
        let interfaces = s.interfaces.iter();
        let up = interfaces.map(|i| ("interface", i.name.as_str(), f64::from(u8::from(i.up))));
        gauges(
            &mut to,
            "interface_up",
            "1 if the interface is there and has its link",
            &up.collect::<Vec<_>>(),
        )?;
        let silent = s.interfaces.iter().filter_map(|i| {
            let ago = i.last_packet_s_ago?;
            Some(("interface", i.name.as_str(), ago as f64))
        });
        gauges(
            &mut to,
            "interface_silent_seconds",
            "Seconds since a packet came",
            &silent.collect::<Vec<_>>(),
        )?;
        counters(
            &mut to,
            "interface_packets",
            "Packets seen",
            &each(|i| i.packets),
        )?;
        counters(
            &mut to,
            "interface_kernel_drops",
            "Packets the kernel had no room for",
            &each(|i| i.kernel_drops),
        )?;
        counters(
            &mut to,
            "interface_drops",
            "Packets the interface or its driver dropped",
            &each(|i| i.interface_drops),
        )?;

        counters(&mut to, "packets", "Packets seen", &sum(p.seen))?;
        counters(&mut to, "bytes", "Bytes of packets seen", &sum(p.bytes))?;
        counters(
            &mut to,
            "drops",
            "Packets lost before they were looked at, by where",
            &[
                ("where", "kernel", p.kernel_drops),
                ("where", "interface", p.interface_drops),
                ("where", "queue", p.queue_drops),
            ],
        )?;
        counters(
            &mut to,
            "gap_bytes",
            "Bytes missing in TCP streams",
            &sum(p.gap_bytes),
        )?;
        counters(
            &mut to,
            "evictions",
            "Things forgotten because a limit was met, by kind",
            &rows("kind", self.evicted.iter().map(|(k, n)| (k.as_str(), *n))),
        )?;
        counters(
            &mut to,
            "internal_errors",
            "Panics caught: each is a bug",
            &sum(p.internal_errors),
        )?;

        let still = s.threads.iter();
        let still = still.map(|t| ("thread", t.name.as_str(), t.still_s as f64));
        gauges(
            &mut to,
            "thread_still_seconds",
            "Seconds since the thread last went round",
            &still.collect::<Vec<_>>(),
        )?;
        let mut memory = vec![
            ("what", "flows", m.flows as f64),
            ("what", "held", m.held as f64),
            ("what", "budget", m.budget as f64),
        ];
        memory.extend(m.resident.map(|b| ("what", "resident", b as f64)));
        gauges(&mut to, "memory_bytes", "Memory, by what for", &memory)?;
        gauges(
            &mut to,
            "flows_active",
            "Flows in the table",
            &one(s.flows as f64),
        )?;
        counters(&mut to, "flows", "Flows seen", &sum(self.flows))?;
        counters(
            &mut to,
            "flows_by_protocol",
            "Flows by what they turned out to be",
            &rows("protocol", self.apps.iter().copied()),
        )?;

        let levels = crate::event::Level::ALL.map(crate::event::Level::name);
        let alerts = levels.map(|level| {
            let n = s.alerts.since_start.get(level);
            ("level", level, n.copied().unwrap_or_default())
        });
        counters(&mut to, "alerts", "Alerts written, by level", &alerts)?;
        counters(
            &mut to,
            "alerts_suppressed",
            "Alerts that the configuration suppresses",
            &sum(s.alerts.suppressed),
        )?;
        counters(&mut to, "incidents", "Incidents opened", &sum(s.incidents))?;

        let outputs = |of: fn(&super::status::Output) -> u64| -> Vec<Row<'_, u64>> {
            let all = s.outputs.iter();
            all.map(|o| ("output", o.name.as_str(), of(o))).collect()
        };
        counters(
            &mut to,
            "output_lines",
            "Lines written",
            &outputs(|o| o.written),
        )?;
        counters(
            &mut to,
            "output_lost_lines",
            "Lines lost",
            &outputs(|o| o.lost),
        )?;
        let waiting = s.outputs.iter();
        let waiting = waiting.map(|o| ("output", o.name.as_str(), o.waiting as f64));
        gauges(
            &mut to,
            "output_waiting_lines",
            "Lines that wait",
            &waiting.collect::<Vec<_>>(),
        )?;
        let failing = s.outputs.iter().map(|o| {
            let fails = f64::from(u8::from(o.failing.is_some()));
            ("output", o.name.as_str(), fails)
        });
        gauges(
            &mut to,
            "output_failing",
            "1 if it takes no lines at the moment",
            &failing.collect::<Vec<_>>(),
        )?;

        gauges(
            &mut to,
            "rules",
            "Rules, by whether they are in use",
            &[
                ("state", "loaded", s.rules.loaded as f64),
                ("state", "skipped", s.rules.skipped as f64),
            ],
        )?;
        if let Some(reload) = &s.reload {
            gauges(
                &mut to,
                "reload_ok",
                "1 if the last reload went well",
                &one(f64::from(u8::from(reload.ok))),
            )?;
        }
        if let Some(l) = &s.latency {
            gauges(
                &mut to,
                "alert_latency_seconds",
                "From a packet to the alert it caused, by quantile, since the start",
                &[
                    ("quantile", "0.5", seconds(l.p50_us)),
                    ("quantile", "0.99", seconds(l.p99_us)),
                ],
            )?;
        }
        Ok(())
    }
}

fn rows<'a>(label: &'static str, all: impl Iterator<Item = (&'a str, u64)>) -> Vec<Row<'a, u64>> {
    all.map(|(value, n)| (label, value, n)).collect()
}

fn gauges(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: &[Row<'_, f64>],
) -> fmt::Result {
    let metric = |n: &f64| ConstGauge::new(*n);
    family(to, name, help, rows, metric)
}

fn counters(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: &[Row<'_, u64>],
) -> fmt::Result {
    let metric = |n: &u64| ConstCounter::new(*n);
    family(to, name, help, rows, metric)
}

fn family<N, M: EncodeMetric>(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: &[Row<'_, N>],
    metric: impl Fn(&N) -> M,
) -> fmt::Result {
    let Some((_, _, first)) = rows.first() else {
        return Ok(());
    };
    let kind = metric(first).metric_type();
    let mut family = to.encode_descriptor(name, help, None, kind)?;
    for (label, value, n) in rows {
        let labels: Vec<(&str, &str)> = if label.is_empty() {
            Vec::new()
        } else {
            vec![(label, value)]
        };
        metric(n).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client's end and what it gets.
    fn ask(metrics: &Metrics, request: &[u8]) -> String {
        let Metrics::Tcp(listener) = metrics else {
            panic!("not TCP");
        };
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(request).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        metrics.serve(&mut || "relaywatch_x 1\n".to_owned());
        let mut reply = String::new();
        client.read_to_string(&mut reply).unwrap();
        reply
    }

    #[test]
    fn http_is_answered_and_nothing_else() {
        let any = Listen::Tcp("127.0.0.1:0".parse().unwrap());
        let metrics = Metrics::bind(&any, false).unwrap();
        let reply = ask(&metrics, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(reply.starts_with("HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text"));
        assert!(reply.contains("\r\nContent-Length: 15\r\n"));
        assert!(reply.ends_with("\r\n\r\nrelaywatch_x 1\n"));
        assert!(ask(&metrics, b"GET / HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 404 "));
        let post = ask(&metrics, b"POST /metrics HTTP/1.1\r\n\r\n");
        assert!(post.starts_with("HTTP/1.1 405 ") && post.contains("\r\nAllow: GET\r\n"));
        assert!(ask(&metrics, b"\x16\x03\x01").starts_with("HTTP/1.1 405 "));
        assert!(ask(&metrics, b"").starts_with("HTTP/1.1 405 "));
    }

    #[test]
    fn names_with_anything_in_them_stay_one_label() {
        let status = Status {
            version: "1.2".to_owned(),
            health: Status::HEALTHY.to_owned(),
            interfaces: vec![super::super::status::Interface {
                name: "a\"b\\c\nd".to_owned(),
                packets: 7,
                up: true,
                ..Default::default()
            }],
            alerts: super::super::status::Alerts {
                since_start: [("high".to_owned(), 3)].into(),
                ..Default::default()
            },
            ..Status::default()
        };
        let text = text(status, &Snapshot::default());
        for line in [
            // OpenMetrics 1.0: label values escape backslash, quote and line feed.
            r#"relaywatch_interface_packets_total{interface="a\"b\\c\nd"} 7"#,
            "relaywatch_healthy 1.0",
            r#"relaywatch_alerts_total{level="high"} 3"#,
            r#"relaywatch_alerts_total{level="critical"} 0"#,
            "# TYPE relaywatch_alerts counter",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        // Absent, not zero.
        assert!(!text.contains("relaywatch_reload_ok"));
    }

    #[test]
    fn the_handbook_lists_every_metric_and_its_label() {
        let status = Status {
            interfaces: vec![super::super::status::Interface {
                last_packet_s_ago: Some(0),
                ..Default::default()
            }],
            outputs: vec![Default::default()],
            threads: vec![super::super::status::Thread::default()],
            reload: Some(Default::default()),
            latency: Some(Default::default()),
            ..Status::default()
        };
        let mut snapshot = Snapshot::default();
        snapshot.sensor.evicted.insert("flows", 1);
        let text = text(status, &snapshot);
        let mut there = std::collections::BTreeSet::new();
        let handbook = include_str!("../../../docs/operate.md");
        let rows: Vec<&str> = handbook.lines().filter(|l| l.starts_with("| `")).collect();
        for line in text.lines().filter(|l| !l.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            let short = name.strip_prefix("relaywatch_").unwrap();
            let row = rows.iter().find(|row| row.contains(&format!("`{short}`")));
            let row = row.unwrap_or_else(|| panic!("{short} is not in docs/operate.md"));
            if let Some((label, _)) = line.split_once('{').and_then(|(_, l)| l.split_once('=')) {
                let cell = row.split('|').nth(2).unwrap();
                assert!(cell.contains(&format!("`{label}`")), "{line}: {row}");
            }
            there.insert(short.to_owned());
        }
        let table = handbook.split("## Metrics").nth(1).unwrap();
        let table = table.split("## ").next().unwrap();
        let names = table.lines().filter(|l| l.starts_with("| `"));
        let names = names.flat_map(|l| l.split('|').nth(1).unwrap().split('`'));
        for name in names.filter(|n| n.chars().any(char::is_alphabetic)) {
            assert!(there.contains(name), "{name} is no metric");
        }
        assert!(there.len() > 25, "{there:?}");
    }
}
