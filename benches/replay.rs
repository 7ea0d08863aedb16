//! The whole sensor on a capture, beside the ideal skeleton in the same run.
//!
//! ```text
//! cargo bench --bench replay -- mix.pcap
//! RELAYWATCH_BENCH_RUNS=3 cargo bench --bench replay -- mix.pcap
//! ```
//!
//! CPU is that of all threads. The ratio to the floor is the result; nanoseconds on another
//! machine, or in another minute, are not comparable.

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use common::{measure, skeleton};
use relaywatch::capture::FileSource;
use relaywatch::catalog::Catalog;
use relaywatch::correlate::Declared;
use relaywatch::event::SiteKey;
use relaywatch::output::EventTypes;
use relaywatch::rule::{RuleSet, RuleSource};
use relaywatch::sensor::{Memory, Report, Setup, WriterThreads, run};

fn main() {
    let captures = measure::captures();
    if captures.is_empty() {
        println!("replay: skipped, name a pcap: cargo bench --bench replay -- FILE");
        return;
    }
    let runs = measure::runs();
    println!("{}; CPU of all threads, {runs} runs", measure::machine());
    println!(
        "capture | workers | packets | Mpackets/s | Gbit/s | CPU ns/packet min | median | x floor | peak RSS MiB | alert latency p50 p99 us"
    );
    for path in captures {
        let (floor, counts) = measure::measure(runs, || skeleton::run(&path));
        let Ok(counts) = counts else {
            eprintln!(
                "replay: {}: the skeleton reads plain pcap only",
                path.display()
            );
            std::process::exit(2);
        };
        let floor_ns = measure::per_packet(floor.min(), counts.packets);
        println!(
            "{} | floor | {} | - | - | {floor_ns:.1} | - | 1.00 | - | -",
            path.display(),
            counts.packets
        );
        for workers in [1, 2] {
            one(&path, workers, runs, floor_ns);
        }
    }
}

fn one(path: &Path, workers: usize, runs: usize, floor_ns: f64) {
    let setup = setup(workers);
    let (cost, report) = measure::measure(runs, || sensor(path, &setup));
    let ns = measure::per_packet(cost.min(), report.packets);
    let wall = measure::per_packet(cost.wall_min(), report.packets);
    println!(
        "{} | {workers} | {} | {:.2} | {:.1} | {ns:.1} | {:.1} | {:.2} | {} | {} {}",
        path.display(),
        report.packets,
        1_000.0 / wall,
        measure::gbit_per_s(cost.wall_min(), report.bytes),
        measure::per_packet(cost.median(), report.packets),
        ns / floor_ns,
        peak_rss_mib(),
        report.latency.p50_us,
        report.latency.p99_us,
    );
    let alerts: Vec<String> = report
        .alerts
        .iter()
        .map(|(l, n)| format!("{n} {l}"))
        .collect();
    println!("  alerts: {}", alerts.join(", "));
}

fn sensor(path: &Path, setup: &Setup) -> Report {
    let mut source = FileSource::open(path).expect("a capture");
    let thread = WriterThreads::start(Vec::new(), false, |_| ()).expect("no thread");
    let outlet = thread.outlet();
    let report = run(
        &mut source,
        setup,
        &outlet,
        &AtomicBool::new(false),
        &mut |_, _| {},
    )
    .expect("threads");
    drop(outlet);
    let _ = thread.finish();
    report
}

fn setup(workers: usize) -> Setup {
    Setup {
        workers,
        rules: Arc::new(RuleSet::load(&[RuleSource::Builtin]).expect("shipped rules load")),
        reload: relaywatch::sensor::Reload::default(),
        health: relaywatch::sensor::Health::default(),
        tuning: Arc::default(),
        catalog: Arc::new(Catalog::builtin()),
        key: Arc::new(SiteKey::new(&[1; 32])),
        declared: Declared::default(),
        events: EventTypes::default(),
        memory: Memory::mib(512),
        stats_interval: Duration::from_secs(30),
        live: false,
        vlan_in_flow_key: false,
        keep: None,
        evidence: None,
        pcap_filename: None,
    }
}

/// Largest resident set of this process so far, from the kernel.
fn peak_rss_mib() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .unwrap_or_default()
        .lines()
        .find_map(|l| l.strip_prefix("VmHWM:"))
        .and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |kib| kib / 1024)
}
