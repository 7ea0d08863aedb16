//! Looks at the sensor once a second and says how it is.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::status::{
    Alerts, Interface, LastAlert, Latency, Memory, Output, Packets, Problem, Reload, Rules, Status,
    Thread, duration,
};
use crate::event::Level;
use crate::sensor::{Health, Snapshot, clocks};

/// A thread that has not moved for so long hangs. The watchdog is not fed then.
pub(super) const STUCK: Duration = Duration::from_secs(10);

/// A mirror port that shows nothing for so long is no mirror port.
const SILENT: Duration = Duration::from_secs(60);

/// Rates are taken over so many samples.
const RATE: usize = 10;

/// Samples kept: one a second of the last minute, and the one before.
const SAMPLES: usize = 61;

/// Per cent of bytes missing from which on the mirror is to blame.
const GAPS: f64 = 1.0;

/// Counters of one moment.
#[derive(Clone, Debug, Default)]
struct Sample {
    at: Option<Instant>,
    packets: u64,
    bytes: u64,
    drops: [u64; 3],
    gap_bytes: u64,
    evicted: u64,
    lost: u64,
    /// Packets and bytes.
    interfaces: Vec<(u64, u64)>,
}

/// Something that should move, and when it last did.
#[derive(Debug)]
struct Mark {
    name: String,
    count: u64,
    moved: Option<Instant>,
    seen: Instant,
}

impl Mark {
    fn put(all: &mut Vec<Self>, name: &str, count: u64, now: Instant) {
        match all.iter_mut().find(|m| m.name == name) {
            Some(mark) if mark.count == count => {}
            Some(mark) => {
                mark.count = count;
                mark.moved = Some(now);
            }
            None => all.push(Self {
                name: name.to_owned(),
                count,
                moved: (count > 0).then_some(now),
                seen: now,
            }),
        }
    }

    /// How long it has not moved, or since when it is known.
    fn still(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.moved.unwrap_or(self.seen))
    }
}

/// What is remembered between two looks.
#[derive(Debug)]
pub(super) struct Watcher {
    health: Health,
    started: Instant,
    threads: Vec<Mark>,
    interfaces: Vec<Mark>,
    samples: VecDeque<Sample>,
    /// Watching, not reading a pipe, which may rest.
    live: bool,
    /// The last reload.
    pub(super) reload: Option<Reload>,
    /// Kept open: a sandbox may not let it be opened later.
    proc_status: Option<File>,
}

impl Watcher {
    pub(super) fn new(health: Health, live: bool) -> Self {
        Self {
            health,
            started: clocks().0,
            threads: Vec::new(),
            interfaces: Vec::new(),
            samples: VecDeque::new(),
            live,
            reload: None,
            proc_status: File::open("/proc/self/status").ok(),
        }
    }

    /// Looks. To be called once a second.
    pub(super) fn look(&mut self) {
        let now = clocks().0;
        for (name, count) in self.health.beats() {
            Mark::put(&mut self.threads, &name, count, now);
        }
        let Some(snapshot) = self.health.latest() else {
            return;
        };
        let interfaces = interfaces(&snapshot);
        for i in &interfaces {
            Mark::put(&mut self.interfaces, &i.name, i.packets, now);
        }
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        let (stats, sensor) = (&snapshot.stats, &snapshot.sensor);
        self.samples.push_back(Sample {
            at: Some(now),
            packets: stats.decoder.pkts,
            bytes: stats.decoder.bytes,
            drops: drops(&snapshot),
            gap_bytes: sensor.gap_bytes,
            evicted: sensor.evicted.values().sum(),
            lost: outputs(&snapshot).iter().map(|o| o.lost).sum(),
            interfaces: {
                let all = sensor.interfaces.iter();
                all.map(|i| (i.packets, i.bytes)).collect()
            },
        });
    }

    /// True once packets can be seen.
    pub(super) fn is_ready(&self) -> bool {
        self.health.latest().is_some()
    }

    /// True unless a thread hangs at time `now`.
    pub(super) fn moves(&self, now: Instant) -> bool {
        !self.live || self.threads.iter().all(|t| t.still(now) < STUCK)
    }

    /// How it is.
    pub(super) fn status(&self) -> Status {
        let now = clocks().0;
        let snapshot = self
            .health
            .latest()
            .unwrap_or_else(|| Arc::new(Snapshot::default()));
        let mut status = self.counters(&snapshot, now);
        status.problems = self.problems(&status, &snapshot, now);
        status.health = if status.problems.is_empty() {
            Status::HEALTHY
        } else {
            Status::DEGRADED
        }
        .to_owned();
        status
    }

    fn counters(&self, snapshot: &Snapshot, now: Instant) -> Status {
        let (stats, sensor, told) = (&snapshot.stats, &snapshot.sensor, &snapshot.told);
        let newest = self.samples.back().cloned().unwrap_or_default();
        let oldest = self.samples.front().cloned().unwrap_or_default();
        let recent = self.samples.iter().rev().nth(RATE).unwrap_or(&oldest);
        let [kernel_drops, interface_drops, queue_drops] = drops(snapshot);
        let mut interfaces = interfaces(snapshot);
        for (n, i) in interfaces.iter_mut().enumerate() {
            let mark = self.interfaces.iter().find(|m| m.name == i.name);
            let moved = mark.and_then(|m| m.moved);
            i.last_packet_s_ago = moved.map(|at| now.saturating_duration_since(at).as_secs());
            let of = |s: &Sample| s.interfaces.get(n).copied().unwrap_or_default();
            i.packets_per_s = rate(recent, &newest, |s| of(s).0);
            i.bits_per_s = 8.0 * rate(recent, &newest, |s| of(s).1);
        }
        let grew = |of: fn(&Sample) -> u64| of(&newest).saturating_sub(of(&oldest));
        let (bytes, gaps) = (grew(|s| s.bytes), grew(|s| s.gap_bytes));
        let by_level = |map: &std::collections::BTreeMap<Level, u64>| {
            map.iter()
                .map(|(level, n)| (level.name().to_owned(), *n))
                .collect()
        };
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_s: now.saturating_duration_since(self.started).as_secs(),
            packets: Packets {
                seen: stats.decoder.pkts,
                bytes: stats.decoder.bytes,
                per_s: rate(recent, &newest, |s| s.packets),
                kernel_drops,
                interface_drops,
                queue_drops,
                drops_last_minute: grew(|s| s.drops.iter().sum()),
                gap_bytes: sensor.gap_bytes,
                gap_percent_last_minute: if gaps == 0 {
                    0.0
                } else {
                    100.0 * gaps as f64 / (gaps + bytes) as f64
                },
                evictions_last_minute: grew(|s| s.evicted),
                internal_errors: sensor.panics,
            },
            threads: self
                .threads
                .iter()
                .map(|t| Thread {
                    name: t.name.clone(),
                    still_s: t.still(now).as_secs(),
                })
                .collect(),
            memory: Memory {
                resident: self.resident(),
                flows: sensor.memory.flows,
                held: sensor.memory.held,
                budget: sensor.memory.budget,
            },
            flows: stats.flow.active,
            alerts: Alerts {
                today: by_level(&told.today),
                since_start: by_level(&told.all),
                suppressed: stats.detect.alerts_suppressed,
                last: told.last.as_ref().map(|l| LastAlert {
                    timestamp: l.ts.to_string(),
                    level: l.level.name().to_owned(),
                    title: l.title.clone(),
                }),
            },
            incidents: sensor.incidents,
            outputs: outputs(snapshot),
            rules: Rules {
                loaded: sensor.rules_loaded,
                skipped: sensor.rules_skipped,
            },
            reload: self.reload.clone(),
            latency: sensor.latency.as_ref().map(|l| Latency {
                p50_us: l.p50_us,
                p99_us: l.p99_us,
            }),
            interfaces,
            ..Status::default()
        }
    }

    /// What is wrong, the worst first.
    fn problems(&self, s: &Status, snapshot: &Snapshot, now: Instant) -> Vec<Problem> {
        let mut all = Vec::new();
        let mut add = |what: String, remedy: &str| {
            all.push(Problem {
                what,
                remedy: remedy.to_owned(),
            });
        };
        let hangs = |t: &&Thread| self.live && t.still_s >= STUCK.as_secs();
        for thread in s.threads.iter().filter(hangs) {
            add(
                format!(
                    "{} has not moved for {}",
                    thread.name,
                    duration(thread.still_s)
                ),
                "as a service it is restarted by its watchdog; if it happens again, please report it with `relaywatch control dump`",
            );
        }
        for i in &s.interfaces {
            let mark = self.interfaces.iter().find(|m| m.name == i.name);
            if !i.up {
                add(
                    format!("{}: it is down or gone", i.name),
                    "check the cable and the mirror session, then `ip link set dev NAME up`; capturing goes on by itself",
                );
            } else if mark.is_some_and(|m| m.still(now) >= SILENT) {
                let since = mark.map_or(0, |m| m.still(now).as_secs());
                add(
                    format!("{}: no packet for {}", i.name, duration(since)),
                    "check that the mirror session is on and shows both directions (`tcpdump -ni NAME -c 10`), and the capture filter",
                );
            }
        }
        for output in &s.outputs {
            if let Some(why) = &output.failing {
                add(
                    format!("{}: {why}", output.name),
                    "alerts may be missing there; make room or bring the receiver back, writing goes on by itself",
                );
            }
        }
        let lost = |s: &Sample| s.lost;
        let (front, back) = (self.samples.front(), self.samples.back());
        let lost = back.map_or(0, lost).saturating_sub(front.map_or(0, lost));
        if lost > 0 {
            add(
                format!("{lost} lines were not written in the last minute"),
                "see the outputs above and the log",
            );
        }
        let p = &s.packets;
        if p.drops_last_minute > 0 {
            add(
                format!(
                    "{} packets were dropped in the last minute",
                    p.drops_last_minute
                ),
                "by the kernel: a larger ring_mib, or a bpf that leaves out bulk; by full queues: more workers; by the interface: its driver's ring (`ethtool -G`)",
            );
        }
        if p.gap_percent_last_minute >= GAPS {
            add(
                format!(
                    "{:.1} % of bytes were missing in TCP streams in the last minute",
                    p.gap_percent_last_minute
                ),
                "packets are lost before the sensor: the mirror port is too full, or one direction is missing",
            );
        }
        if p.evictions_last_minute > 0 {
            let kinds = &snapshot.sensor.evicted;
            let most = kinds.iter().max_by_key(|(_, n)| **n);
            add(
                format!(
                    "a limit was met {} times in the last minute, most often so far: {}",
                    p.evictions_last_minute,
                    most.map_or("", |(kind, _)| kind)
                ),
                "raise limits.memory_mib, or look for somebody who floods the network",
            );
        }
        if let Some(reload) = s.reload.as_ref().filter(|r| !r.ok) {
            add(
                format!("the last reload failed at {}", reload.timestamp),
                "`relaywatch -T -c FILE` names every error; the rules from before are still in use",
            );
        }
        if p.internal_errors > 0 {
            add(
                format!("{} internal errors", p.internal_errors),
                "each is a bug and cost one flow; please report the place that the log names",
            );
        }
        all
    }

    /// proc(5), status: `VmRSS:    1234 kB`.
    fn resident(&self) -> Option<u64> {
        let mut text = [0; 4096];
        let n = self.proc_status.as_ref()?.read_at(&mut text, 0).ok()?;
        let text = std::str::from_utf8(text.get(..n)?).ok()?;
        let line = text.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
        let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kib * 1024)
    }
}

fn drops(snapshot: &Snapshot) -> [u64; 3] {
    let capture = &snapshot.stats.capture;
    [
        capture.kernel_drops,
        capture.kernel_ifdrops,
        snapshot.sensor.queue_drops,
    ]
}

fn interfaces(snapshot: &Snapshot) -> Vec<Interface> {
    let all = snapshot.sensor.interfaces.iter();
    all.map(|i| Interface {
        name: i.name.clone(),
        up: i.up,
        packets: i.packets,
        kernel_drops: i.kernel_drops,
        interface_drops: i.kernel_ifdrops,
        ..Interface::default()
    })
    .collect()
}

fn outputs(snapshot: &Snapshot) -> Vec<Output> {
    let one = |(name, counters): (&String, &BTreeMap<&'static str, u64>)| {
        let of = |what| counters.get(what).copied().unwrap_or_default();
        Output {
            name: name.clone(),
            written: of("sent"),
            lost: of("lost") + of("rejected"),
            waiting: of("waiting"),
            failing: (of("failing") > 0).then(|| "it takes no lines, the log says why".to_owned()),
        }
    };
    snapshot.sensor.outputs.iter().map(one).collect()
}

/// Growth a second between two samples.
fn rate(from: &Sample, to: &Sample, of: impl Fn(&Sample) -> u64) -> f64 {
    let (Some(start), Some(end)) = (from.at, to.at) else {
        return 0.0;
    };
    let seconds = end.saturating_duration_since(start).as_secs_f64();
    if seconds <= 0.0 {
        return 0.0;
    }
    of(to).saturating_sub(of(from)) as f64 / seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_stays_is_told_and_the_watchdog_starves() {
        let health = Health::watched();
        let (moves, hangs) = (health.thread("capture"), health.thread("worker-0"));
        let mut watcher = Watcher::new(health, true);
        hangs.beat();
        moves.beat();
        watcher.look();
        let begin = clocks().0;
        let later = begin + STUCK + Duration::from_secs(1);
        // The capture goes on, the worker does not.
        moves.beat();
        for (name, count) in watcher.health.beats() {
            Mark::put(&mut watcher.threads, &name, count, later);
        }
        assert!(watcher.moves(begin));
        assert!(!watcher.moves(later));
        let snapshot = Snapshot::default();
        let status = watcher.counters(&snapshot, later);
        let problems = watcher.problems(&status, &snapshot, later);
        let what: Vec<&str> = problems.iter().map(|p| p.what.as_str()).collect();
        assert_eq!(what, ["worker-0 has not moved for 11 s"]);
        // A pipe may rest.
        watcher.live = false;
        assert!(watcher.moves(later));
        assert!(watcher.problems(&status, &snapshot, later).is_empty());
    }

    #[test]
    fn rates_are_of_the_last_seconds_and_losses_of_the_last_minute() {
        let mut watcher = Watcher::new(Health::watched(), true);
        let begin = clocks().0;
        // 100 packets a second for a minute, then 700.
        let mut packets = 0;
        for second in 0..=60_u32 {
            packets += if second > 50 { 700 } else { 100 };
            watcher.samples.push_back(Sample {
                at: Some(begin + Duration::from_secs(second.into())),
                packets,
                bytes: packets * 10,
                drops: [u64::from(second > 5), 0, 0],
                gap_bytes: u64::from(second > 30) * 1_000,
                ..Sample::default()
            });
        }
        let snapshot = Snapshot::default();
        let status = watcher.counters(&snapshot, begin);
        assert!((status.packets.per_s - 700.0).abs() < 0.001);
        assert_eq!(status.packets.drops_last_minute, 1);
        // 1,000 of 120,000 + 1,000 bytes.
        let percent = status.packets.gap_percent_last_minute;
        assert!((percent - 100.0 / 121.0).abs() < 0.001, "{percent}");
        let problems = watcher.problems(&status, &snapshot, begin);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].what.contains("1 packets were dropped"));
    }

    #[test]
    fn resident_memory_is_read_from_a_file_opened_before() {
        let watcher = Watcher::new(Health::default(), true);
        let first = watcher.resident().unwrap();
        let held = vec![1_u8; 32 << 20];
        let second = watcher.resident().unwrap();
        assert!(
            second > first + (16 << 20),
            "{first} {second} {}",
            held.len()
        );
    }
}
