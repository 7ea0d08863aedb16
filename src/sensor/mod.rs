//! Threads, queues and the only clock.
//!
//! ```text
//! capture thread: fill a block, dissect its frames, one batch a worker      dispatch.rs
//! worker threads: flows, decoders, rules on events                          worker.rs
//! correlator:     rounds in order, findings, incidents, stats               join.rs
//! writer:         lines to where they belong, a thread an output           writer.rs
//! evidence:       packets of incidents to files, if that is asked for       evidence/
//! ```

mod actions;
mod claims;
mod collector;
mod correlated;
mod decoders;
mod dispatch;
mod evidence;
mod health;
mod join;
mod origin;
mod queue;
mod reload;
mod remote;
pub mod sandbox;
mod several;
mod sighting;
mod stats;
mod store;
mod trace;
mod tuning;
mod worker;
mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::capture::{End, Source};
use crate::catalog::Catalog;
use crate::correlate::{Correlator, Declared};
use crate::event::{Incident, Knowledge, Latency, Level, PostureReport, SiteKey};
use crate::output::EventTypes;
use crate::rule::RuleSet;

pub use evidence::{Evidence, EvidenceThread};
pub use health::{Beat, Dump, Health, LastAlert, Snapshot, Told, clocks};
pub use reload::Reload;
pub use remote::RemoteOutput;
pub use several::{Input, Open, Several};
pub use stats::{Memory, wall_clock};
pub use store::{Store, StoreError};
pub use tuning::{RuleRef, Suppress, Threshold, Tuning};
pub use writer::{Outlet, Output, Tell, WriterThreads};

/// Everything a run needs besides its source.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Worker threads.
    pub workers: usize,
    /// Compiled rules.
    pub rules: Arc<RuleSet>,
    /// Where new rules come from while it runs.
    pub reload: Reload,
    /// What it shows of itself while it runs.
    pub health: Health,
    /// What the operator does not want to hear.
    pub tuning: Arc<Tuning>,
    /// Interfaces and methods.
    pub catalog: Arc<Catalog>,
    /// Keys the hashes of secrets.
    pub key: Arc<SiteKey>,
    /// What the operator told about the network.
    pub declared: Declared,
    /// Which event types are written.
    pub events: EventTypes,
    /// Memory budget.
    pub memory: Memory,
    /// Packet time between `stats` events.
    pub stats_interval: Duration,
    /// Live capture: drop instead of wait.
    pub live: bool,
    /// VLAN ids tell flows apart.
    pub vlan_in_flow_key: bool,
    /// Where packets of incidents go, if they are kept.
    pub evidence: Option<Evidence>,
    /// Where what an earlier run knew is, and what is known is kept for the next.
    pub keep: Option<Arc<Store>>,
    /// Name of the capture file for `pcap_filename`, if it is one.
    pub pcap_filename: Option<String>,
}

/// What a run came to, for people.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Frames read.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Packets lost by the kernel or by full queues.
    pub drops: u64,
    /// Bytes of TCP streams that were missing.
    pub gaps: u64,
    /// Alerts by level.
    pub alerts: BTreeMap<Level, u64>,
    /// Title of every alert's rule, with its level, in order; at most 64.
    pub titles: Vec<(Level, String)>,
    /// Incidents as they closed, at most 64.
    pub incidents: Vec<Incident>,
    /// Weaknesses of hosts, as told last.
    pub postures: Vec<PostureReport>,
    /// Time from a packet to the alert it caused.
    pub latency: Latency,
    /// Panics caught: bugs of ours.
    pub panics: u64,
    /// How the source ended, if it did not end cleanly.
    pub broken: Option<String>,
}

/// Weaknesses of hosts as a store has them.
#[must_use]
pub fn postures(catalog: &Arc<Catalog>, known: &Knowledge) -> Vec<PostureReport> {
    let mut correlator = Correlator::new(Arc::clone(catalog), &Declared::default());
    correlator.restore(known);
    correlator.postures()
}

/// Alerts and incidents a [`Report`] remembers one by one.
const REPORTED: usize = 64;

/// Runs one source to its end, or until `stop` is set.
///
/// `progress` hears the number of packets read so far after every block, and what the operator should know.
///
/// # Errors
/// If a thread cannot be started.
pub fn run(
    source: &mut dyn Source,
    setup: &Setup,
    outlet: &Outlet,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(u64, Option<String>),
) -> std::io::Result<Report> {
    let seed = stats::random_seed();
    let (mut lanes, ends) = queue::lanes(setup.workers, !setup.live);
    let origin = Arc::new(origin::Shared::default());
    std::thread::scope(|scope| {
        let mut rounds = Vec::new();
        for (n, lane) in ends.into_iter().enumerate() {
            let (tx, rx) = crossbeam_channel::bounded(crate::limits::QUEUE_BATCHES);
            rounds.push(rx);
            let worker = worker::Worker::new(setup, Arc::clone(&origin));
            let name = format!("worker-{n}");
            let beat = setup.health.thread(&name);
            std::thread::Builder::new()
                .name(name)
                .spawn_scoped(scope, move || worker.run(&lane, &tx, &beat))?;
        }
        let join = join::Join::new(setup, Arc::clone(&origin));
        let joined = std::thread::Builder::new()
            .name("correlator".to_owned())
            .spawn_scoped(scope, move || join.run(&rounds, outlet))?;
        let end = dispatch::run(source, setup, seed, &mut lanes, &origin, stop, progress);
        drop(lanes);
        let mut report = joined.join().unwrap_or_default();
        if let End::Broke { .. } = &end {
            report.broken = Some(end.to_string());
        }
        Ok(report)
    })
}
