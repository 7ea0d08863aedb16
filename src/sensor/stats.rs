//! Counters of the threads, and the sensor's clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::capture::SourceStats;
use crate::flow::FlowStats;
use crate::limits;
use crate::packet::DissectStats;
use crate::time::Timestamp;

/// The capture thread's counters.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CaptureSnapshot {
    pub(super) packets: u64,
    pub(super) bytes: u64,
    /// Packets lost because a worker's queue was full.
    pub(super) queue_drops: u64,
    /// Time of the newest frame.
    pub(super) last_packet: Option<Timestamp>,
    /// Frames whose time went back.
    pub(super) clamped: u64,
    /// Frames that came after time had gone on without them.
    pub(super) late: u64,
    pub(super) source: SourceStats,
    pub(super) dissect: DissectStats,
}

/// One worker's counters.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WorkerSnapshot {
    pub(super) flow: FlowStats,
    pub(super) events: u64,
    pub(super) anomalies: u64,
    pub(super) panics: u64,
    /// Flows and virtual connections that lost their decoder's state because there was too much.
    pub(super) evicted_decoders: u64,
    pub(super) flows: FlowKinds,
}

/// Flows by what they turned out to be.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FlowKinds {
    pub(super) smb: u64,
    pub(super) dcerpc: u64,
    pub(super) http: u64,
    pub(super) krb5: u64,
    pub(super) krb5_udp: u64,
    pub(super) ldap: u64,
    pub(super) tls: u64,
    pub(super) unknown: u64,
    pub(super) unknown_udp: u64,
}

impl FlowKinds {
    pub(super) fn add(&mut self, other: &Self) {
        self.smb += other.smb;
        self.dcerpc += other.dcerpc;
        self.http += other.http;
        self.krb5 += other.krb5;
        self.krb5_udp += other.krb5_udp;
        self.ldap += other.ldap;
        self.tls += other.tls;
        self.unknown += other.unknown;
        self.unknown_udp += other.unknown_udp;
    }
}

/// The memory budget and its shares, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All of it.
    pub total: u64,
    /// What frames of evidence take of it.
    pub evidence: u64,
}

impl Memory {
    /// A budget of so many MiB.
    #[must_use]
    pub fn mib(mib: u64) -> Self {
        Self {
            total: mib.saturating_mul(1024 * 1024),
            evidence: 0,
        }
    }

    /// The same with the share of evidence set aside.
    #[must_use]
    pub fn with_evidence(self) -> Self {
        Self {
            evidence: self.total / 100 * limits::EVIDENCE_SHARE,
            ..self
        }
    }

    /// Bytes for what `percent` of the budget is set aside for.
    #[must_use]
    pub fn share(self, percent: u64) -> u64 {
        (self.total - self.evidence) / 100 * percent
    }

    /// Bytes that assemblers of one of `workers` workers may hold.
    #[must_use]
    pub fn held(self, workers: usize) -> usize {
        self.per_worker(limits::HELD_SHARE, workers)
    }

    /// Bytes that flow records of one of `workers` workers may take.
    #[must_use]
    pub fn flows(self, workers: usize) -> usize {
        self.per_worker(limits::FLOW_SHARE, workers)
    }

    /// Bytes that decoders of one of `workers` workers may hold.
    #[must_use]
    pub fn decoders(self, workers: usize) -> usize {
        self.per_worker(limits::DECODER_SHARE, workers)
    }

    fn per_worker(self, percent: u64, workers: usize) -> usize {
        let share = self.share(percent) / workers.max(1) as u64;
        usize::try_from(share).unwrap_or(usize::MAX)
    }
}

/// The monotonic clock, for latency and uptime.
#[allow(clippy::disallowed_methods)] // the one clock, see design §2
pub(super) fn now() -> Instant {
    Instant::now()
}

/// The time of day, for idle interfaces and latency.
#[allow(clippy::disallowed_methods)] // the one clock, see design §2
#[must_use]
pub fn wall_clock() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    Timestamp::ZERO.plus(since)
}

/// A seed for hash tables whose keys strangers choose.
pub(super) fn random_seed() -> u64 {
    let mut seed = [0; 8];
    match getrandom::fill(&mut seed) {
        Ok(()) => u64::from_le_bytes(seed),
        // No random device: time is better than a constant.
        Err(_) => wall_clock().0,
    }
}
