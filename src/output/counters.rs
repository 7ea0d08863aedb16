//! What became of each output's lines, for `sensor` events and whoever asks while it runs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// One output's counters. Every field may be read at any time; none goes back but the gauges.
#[derive(Debug, Default)]
pub struct OutputCounters {
    /// Name of the output.
    pub name: String,
    /// Its kind, as `type` of the configuration.
    pub kind: &'static str,
    /// Lines that arrived, as far as the receiver's protocol can tell.
    pub sent: AtomicU64,
    /// Lines given up: no room, a closed pipe, a full disk.
    pub lost: AtomicU64,
    /// Alerts and incidents that were lost, or rejected.
    pub lost_alerts: AtomicU64,
    /// Lines that the receiver does not want, however often it is asked.
    pub rejected: AtomicU64,
    /// Gauge: lines waiting to be sent or to be confirmed, in memory and in the spool.
    pub waiting: AtomicU64,
    /// Gauge: those of them that are in the spool and survive a crash.
    pub spooled: AtomicU64,
    /// Attempts that failed and were made again.
    pub retries: AtomicU64,
    /// Gauge: the output takes no lines at present.
    pub failing: AtomicBool,
}

impl OutputCounters {
    /// All zero.
    #[must_use]
    pub fn new(name: &str, kind: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            ..Self::default()
        }
    }

    /// Every counter and gauge with its name; `failing` is 0 or 1.
    #[must_use]
    pub fn all(&self) -> [(&'static str, u64); 8] {
        [
            ("sent", self.sent.load(Relaxed)),
            ("lost", self.lost.load(Relaxed)),
            ("lost_alerts", self.lost_alerts.load(Relaxed)),
            ("rejected", self.rejected.load(Relaxed)),
            ("waiting", self.waiting.load(Relaxed)),
            ("spooled", self.spooled.load(Relaxed)),
            ("retries", self.retries.load(Relaxed)),
            ("failing", u64::from(self.failing.load(Relaxed))),
        ]
    }

    /// Counts lines that are given up.
    pub fn lose(&self, lines: u64, alerts: u64) {
        self.lost.fetch_add(lines, Relaxed);
        self.lost_alerts.fetch_add(alerts, Relaxed);
    }
}
