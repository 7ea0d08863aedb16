//! What the ideal skeleton of this sensor costs on this machine: the unit of every other benchmark.
//!
//! ```text
//! cargo bench --bench floor -- mix.pcap
//! RELAYWATCH_BENCH_PCAP=mix.pcap RELAYWATCH_BENCH_RUNS=7 cargo bench --bench floor
//! ```

mod common;

use common::{measure, skeleton};

fn main() {
    let captures = measure::captures();
    if captures.is_empty() {
        println!("floor: skipped, name a pcap: cargo bench --bench floor -- FILE");
        return;
    }
    let runs = measure::runs();
    println!(
        "{}; one thread, CPU time of {runs} runs",
        measure::machine()
    );
    println!("capture | packets | bytes | ns/packet min | median | Gbit/s | wall ns/packet min");
    for path in captures {
        let (cost, result) = measure::measure(runs, || skeleton::run(&path));
        match result {
            Ok(counts) => {
                println!(
                    "{} | {} | {} | {:.1} | {:.1} | {:.1} | {:.1}",
                    path.display(),
                    counts.packets,
                    counts.bytes,
                    measure::per_packet(cost.min(), counts.packets),
                    measure::per_packet(cost.median(), counts.packets),
                    measure::gbit_per_s(cost.min(), counts.bytes),
                    measure::per_packet(cost.wall_min(), counts.packets),
                );
                println!("  {counts:?}");
            }
            Err(error) => {
                eprintln!("floor: {}: {error}", path.display());
                std::process::exit(2);
            }
        }
    }
}
