//! What a running sensor answers when asked how it is, and how a person reads it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// The whole answer. Field names are public: see docs/operate.md.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    /// `healthy` or `degraded`.
    pub health: String,
    /// What is wrong, the worst first; empty if healthy.
    pub problems: Vec<Problem>,
    pub version: String,
    pub pid: u32,
    /// Seconds since the start.
    pub uptime_s: u64,
    pub interfaces: Vec<Interface>,
    pub packets: Packets,
    pub threads: Vec<Thread>,
    pub memory: Memory,
    pub flows: u64,
    pub alerts: Alerts,
    pub incidents: u64,
    pub outputs: Vec<Output>,
    pub rules: Rules,
    /// The last reload, if there was one.
    pub reload: Option<Reload>,
    pub latency: Option<Latency>,
}

/// Something that somebody should do something about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Problem {
    pub what: String,
    pub remedy: String,
}

/// An interface that is watched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Interface {
    pub name: String,
    /// It is there and has its link.
    pub up: bool,
    /// Over the last ten seconds.
    pub packets_per_s: f64,
    /// Over the last ten seconds, bytes as captured.
    pub bits_per_s: f64,
    pub packets: u64,
    pub kernel_drops: u64,
    pub interface_drops: u64,
    /// Seconds since a packet came, as closely as a second; absent if none ever did.
    pub last_packet_s_ago: Option<u64>,
}

/// All interfaces together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Packets {
    pub seen: u64,
    pub bytes: u64,
    pub per_s: f64,
    pub kernel_drops: u64,
    pub interface_drops: u64,
    /// Lost between capture and a worker.
    pub queue_drops: u64,
    /// All three, in the last minute.
    pub drops_last_minute: u64,
    /// Bytes missing in TCP streams.
    pub gap_bytes: u64,
    /// Share of bytes missing in the last minute, per cent.
    pub gap_percent_last_minute: f64,
    /// Things forgotten because a limit was met, in the last minute.
    pub evictions_last_minute: u64,
    /// Panics caught.
    pub internal_errors: u64,
}

/// A thread that must move.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Thread {
    pub name: String,
    /// Seconds since it last went round.
    pub still_s: u64,
}

/// Bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Memory {
    /// What the process has resident, capture rings included; absent where it cannot be read.
    pub resident: Option<u64>,
    /// Flow records.
    pub flows: u64,
    /// Segments that wait for their turn.
    pub held: u64,
    /// `limits.memory_mib`.
    pub budget: u64,
}

/// Alerts by level.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Alerts {
    /// Since midnight UTC.
    pub today: BTreeMap<String, u64>,
    pub since_start: BTreeMap<String, u64>,
    pub suppressed: u64,
    pub last: Option<LastAlert>,
}

/// The newest alert.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastAlert {
    pub timestamp: String,
    pub level: String,
    pub title: String,
}

/// Where EVE goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Output {
    pub name: String,
    /// Lines written, or acknowledged where the receiver does so.
    pub written: u64,
    pub lost: u64,
    /// Lines that wait.
    pub waiting: u64,
    /// Why it takes none at the moment.
    pub failing: Option<String>,
}

/// Rules in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rules {
    pub loaded: u64,
    pub skipped: u64,
}

/// What came of reading the rules again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reload {
    pub timestamp: String,
    pub ok: bool,
    pub said: String,
}

/// Packet to alert, microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub p50_us: u64,
    pub p99_us: u64,
}

/// Names of levels, worst first.
const LEVELS: [&str; 5] = ["critical", "high", "medium", "low", "informational"];

impl Status {
    pub(crate) const HEALTHY: &'static str = "healthy";
    pub(crate) const DEGRADED: &'static str = "degraded";

    pub(crate) fn is_healthy(&self) -> bool {
        self.health == Self::HEALTHY
    }

    /// One screen.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |head: &str, rest: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{head:<12} {rest}");
        };
        line(
            "relaywatch",
            &format!(
                "{} {}, up {}, pid {}",
                self.version,
                self.health.to_uppercase(),
                duration(self.uptime_s),
                self.pid
            ),
        );
        for i in &self.interfaces {
            let ago = match i.last_packet_s_ago {
                None => "no packet yet".to_owned(),
                Some(0 | 1) => "packets now".to_owned(),
                Some(s) => format!("last packet {} ago", duration(s)),
            };
            line(
                "interface",
                &format!(
                    "{}: {}, {} packets/s, {:.1} Mbit/s, {ago}, {} dropped",
                    i.name,
                    if i.up { "up" } else { "DOWN" },
                    thousands(round(i.packets_per_s)),
                    i.bits_per_s / 1e6,
                    thousands(i.kernel_drops + i.interface_drops)
                ),
            );
        }
        let p = &self.packets;
        line("packets", &format!("{} seen", thousands(p.seen)));
        line(
            "dropped",
            &format!(
                "{} by the kernel, {} by interfaces, {} by full queues; {} in the last minute",
                thousands(p.kernel_drops),
                thousands(p.interface_drops),
                thousands(p.queue_drops),
                thousands(p.drops_last_minute)
            ),
        );
        line(
            "gaps",
            &format!(
                "{} bytes missing in TCP streams; {:.2} % in the last minute",
                thousands(p.gap_bytes),
                p.gap_percent_last_minute
            ),
        );
        line("threads", &threads(&self.threads));
        let m = &self.memory;
        let resident = m
            .resident
            .map_or(String::new(), |b| format!("; {} resident", mib(b)));
        line(
            "memory",
            &format!(
                "{} in {} flows, {} held, of {}{resident}",
                mib(m.flows),
                thousands(self.flows),
                mib(m.held),
                mib(m.budget)
            ),
        );
        line(
            "alerts",
            &format!(
                "today {}; since the start {}",
                levels(&self.alerts.today),
                levels(&self.alerts.since_start)
            ),
        );
        if let Some(last) = &self.alerts.last {
            line(
                "last alert",
                &format!("{} {}: {}", last.timestamp, last.level, last.title),
            );
        }
        for o in &self.outputs {
            let mut said = format!("{}: {} lines", o.name, thousands(o.written));
            if o.waiting > 0 {
                said.push_str(&format!(", {} waiting", thousands(o.waiting)));
            }
            said.push_str(&format!(", {} lost", thousands(o.lost)));
            if let Some(why) = &o.failing {
                said.push_str(&format!("; FAILING: {why}"));
            }
            line("output", &said);
        }
        line(
            "rules",
            &format!(
                "{} loaded, {} skipped",
                self.rules.loaded, self.rules.skipped
            ),
        );
        if let Some(r) = &self.reload {
            let how = if r.ok { "" } else { "FAILED: " };
            // The first line of many errors is enough here.
            let said = r.said.lines().next().unwrap_or_default();
            line("reloaded", &format!("{} {how}{said}", r.timestamp));
        }
        if let Some(l) = &self.latency {
            line(
                "latency",
                &format!(
                    "packet to alert {:.1} ms (p50), {:.1} ms (p99)",
                    l.p50_us as f64 / 1000.0,
                    l.p99_us as f64 / 1000.0
                ),
            );
        }
        for problem in &self.problems {
            let _ = writeln!(text, "\n! {}\n  {}", problem.what, problem.remedy);
        }
        text
    }
}

/// `capture, worker-0, correlator: all move`
fn threads(all: &[Thread]) -> String {
    let still: Vec<String> = all
        .iter()
        .filter(|t| t.still_s >= super::watcher::STUCK.as_secs())
        .map(|t| format!("{} has not moved for {}", t.name, duration(t.still_s)))
        .collect();
    if still.is_empty() {
        let names: Vec<&str> = all.iter().map(|t| t.name.as_str()).collect();
        format!("{}: all move", names.join(", "))
    } else {
        still.join("; ")
    }
}

fn levels(alerts: &BTreeMap<String, u64>) -> String {
    let known = LEVELS.iter().filter_map(|level| {
        let n = alerts.get(*level).filter(|n| **n > 0)?;
        Some(format!("{n} {level}"))
    });
    let all: Vec<String> = known.collect();
    if all.is_empty() {
        "none".to_owned()
    } else {
        all.join(", ")
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1024.0 * 1024.0))
}

fn round(n: f64) -> u64 {
    // Rates are far below 2^53 and never negative.
    n.round() as u64
}

/// `1,234,567`
fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `3 d 4 h`, `4 h 5 min`, `5 min 6 s`, `6 s`
pub(super) fn duration(s: u64) -> String {
    let (days, hours, minutes) = (s / 86_400, s / 3600 % 24, s / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{s} s"),
        (0, 0, m) => format!("{m} min {} s", s % 60),
        (0, h, m) => format!("{h} h {m} min"),
        (d, h, _) => format!("{d} d {h} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        Status {
            health: Status::DEGRADED.to_owned(),
            problems: vec![Problem {
                what: "eth1: it is down".to_owned(),
                remedy: "check its cable".to_owned(),
            }],
            version: "1.2.3".to_owned(),
            pid: 7,
            uptime_s: 93_784,
            interfaces: vec![Interface {
                name: "eth1".to_owned(),
                packets_per_s: 1234.4,
                bits_per_s: 9_876_543.0,
                kernel_drops: 3,
                interface_drops: 1,
                last_packet_s_ago: Some(75),
                ..Interface::default()
            }],
            packets: Packets {
                seen: 1_234_567,
                kernel_drops: 3,
                interface_drops: 1,
                queue_drops: 2,
                drops_last_minute: 1,
                gap_bytes: 999,
                gap_percent_last_minute: 0.5,
                ..Packets::default()
            },
            threads: vec![
                Thread {
                    name: "capture".to_owned(),
                    still_s: 0,
                },
                Thread {
                    name: "worker-0".to_owned(),
                    still_s: 61,
                },
            ],
            memory: Memory {
                resident: Some(200 << 20),
                flows: 5 << 20,
                held: 1 << 19,
                budget: 512 << 20,
            },
            flows: 1_000,
            alerts: Alerts {
                today: [("high".to_owned(), 2), ("critical".to_owned(), 1)].into(),
                ..Alerts::default()
            },
            outputs: vec![Output {
                name: "eve.json".to_owned(),
                written: 5,
                lost: 1,
                waiting: 2,
                failing: Some("no space".to_owned()),
            }],
            rules: Rules {
                loaded: 90,
                skipped: 1,
            },
            reload: Some(Reload {
                timestamp: "T".to_owned(),
                ok: false,
                said: "a.yml: bad\n1 error in rules".to_owned(),
            }),
            ..Status::default()
        }
    }

    #[test]
    fn a_person_reads_one_screen_and_what_to_do() {
        let expect = "\
relaywatch   1.2.3 DEGRADED, up 1 d 2 h, pid 7
interface    eth1: DOWN, 1,234 packets/s, 9.9 Mbit/s, last packet 1 min 15 s ago, 4 dropped
packets      1,234,567 seen
dropped      3 by the kernel, 1 by interfaces, 2 by full queues; 1 in the last minute
gaps         999 bytes missing in TCP streams; 0.50 % in the last minute
threads      worker-0 has not moved for 1 min 1 s
memory       5.0 MiB in 1,000 flows, 0.5 MiB held, of 512.0 MiB; 200.0 MiB resident
alerts       today 1 critical, 2 high; since the start none
output       eve.json: 5 lines, 2 waiting, 1 lost; FAILING: no space
rules        90 loaded, 1 skipped
reloaded     T FAILED: a.yml: bad

! eth1: it is down
  check its cable
";
        assert_eq!(status().text(), expect);
    }

    #[test]
    fn what_is_sent_is_what_is_read() {
        let json = serde_json::to_string(&status()).unwrap();
        assert_eq!(serde_json::from_str::<Status>(&json).unwrap(), status());
        // An older or newer sensor than the program that asks.
        let other: Status = serde_json::from_str(r#"{"health":"healthy","new":1}"#).unwrap();
        assert!(other.is_healthy());
    }

    #[test]
    fn numbers_as_people_write_them() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(thousands(12_345_678), "12,345,678");
        assert_eq!(duration(59), "59 s");
        assert_eq!(duration(3_660), "1 h 1 min");
    }
}
