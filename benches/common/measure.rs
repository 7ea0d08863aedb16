//! Runs something several times and says what it cost.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Cost of several runs.
#[derive(Clone, Debug, Default)]
pub struct Cost {
    /// CPU time of each run, all threads, user and system; sorted.
    pub cpu: Vec<Duration>,
    /// Time on the wall of each run; sorted.
    pub wall: Vec<Duration>,
}

impl Cost {
    /// The least CPU time: the run that other programs disturbed least.
    pub fn min(&self) -> Duration {
        self.cpu.first().copied().unwrap_or_default()
    }

    /// The middle one.
    pub fn median(&self) -> Duration {
        self.cpu
            .get(self.cpu.len() / 2)
            .copied()
            .unwrap_or_default()
    }

    /// The least time on the wall.
    pub fn wall_min(&self) -> Duration {
        self.wall.first().copied().unwrap_or_default()
    }
}

/// CPU time of this process so far.
pub fn cpu_now() -> Duration {
    let t = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(t.tv_sec).unwrap_or_default(),
        u32::try_from(t.tv_nsec).unwrap_or_default(),
    )
}

/// Runs `work` once to warm the page cache, then `runs` times. Returns its last result too.
#[allow(clippy::disallowed_methods)] // measuring is what this is for
pub fn measure<R>(runs: usize, mut work: impl FnMut() -> R) -> (Cost, R) {
    let mut last = work();
    let mut cost = Cost::default();
    for _ in 0..runs {
        let (cpu, wall) = (cpu_now(), Instant::now());
        last = work();
        cost.wall.push(wall.elapsed());
        cost.cpu.push(cpu_now().saturating_sub(cpu));
    }
    cost.cpu.sort();
    cost.wall.sort();
    (cost, last)
}

/// Nanoseconds a packet.
pub fn per_packet(cost: Duration, packets: u64) -> f64 {
    cost.as_nanos() as f64 / packets.max(1) as f64
}

/// Gigabits a second that one core would do.
pub fn gbit_per_s(cost: Duration, bytes: u64) -> f64 {
    bytes as f64 * 8.0 / cost.as_nanos().max(1) as f64
}

/// The captures to run on: arguments, else `RELAYWATCH_BENCH_PCAP` (several with `:` between).
pub fn captures() -> Vec<PathBuf> {
    let args = arguments().1;
    if !args.is_empty() {
        return args;
    }
    let var = std::env::var_os("RELAYWATCH_BENCH_PCAP").unwrap_or_default();
    std::env::split_paths(&var)
        .filter(|p| !p.as_os_str().is_empty())
        .collect()
}

/// `--runs N`, else `RELAYWATCH_BENCH_RUNS`, else 7.
pub fn runs() -> usize {
    let var = std::env::var("RELAYWATCH_BENCH_RUNS").ok();
    let given = arguments().0.or(var).and_then(|n| n.parse().ok());
    given.unwrap_or(7).max(1)
}

/// The value of `--runs`, and what is no flag. `cargo bench` adds flags of its own.
fn arguments() -> (Option<String>, Vec<PathBuf>) {
    let (mut runs, mut paths) = (None, Vec::new());
    let mut args = std::env::args_os().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--runs" {
            runs = args.next().map(|n| n.to_string_lossy().into_owned());
        } else if !arg.to_string_lossy().starts_with("--") {
            paths.push(arg.into());
        }
    }
    (runs, paths)
}

/// Processor and kernel, for the line above a table.
pub fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|l| l.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, name)| name);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{cores} x {model}, Linux {}", kernel.trim())
}
