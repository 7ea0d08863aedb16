//! Settings as meant: the configuration file with the arguments on top, checked.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::args::Args;
pub use super::config_file::ConfigError;
use super::config_file::Text;
use super::network::{Host, declared, home_nets, host};
use super::{evidence, outputs, service, tuning};
use crate::correlate::DeclaredHost;
use crate::event::Level;
use crate::net::HomeNets;
use crate::output::{EvidenceOptions, OutputSpec, Target};
use crate::sensor::{Memory, RuleRef, Tuning};

/// The configuration file. Unknown keys are errors.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    /// Devices that pass authentication on.
    pub forwarders: Vec<IpAddr>,
    /// Hosts by name, with what is known of them.
    pub hosts: BTreeMap<String, Host>,
    /// Networks of the organisation.
    pub home_nets: Vec<String>,
    /// Hours until what is missing counts in full.
    pub learning_hours: Option<u64>,
    /// Directory for what is known of hosts.
    pub state_dir: Option<PathBuf>,
    /// Interfaces to watch.
    pub interfaces: Vec<Interface>,
    /// Worker threads.
    pub workers: Option<usize>,
    /// VLAN ids tell flows apart.
    pub vlan_in_flow_key: bool,
    /// Bounds.
    pub limits: Limits,
    /// Where EVE goes, in short.
    pub outputs: Vec<String>,
    /// Where EVE goes, with all there is to say.
    pub output: Vec<outputs::Table>,
    /// Rule files and folders.
    pub rules: Vec<PathBuf>,
    /// Key that hashes secrets.
    pub key_file: Option<PathBuf>,
    /// Seconds of packet time between stats events.
    pub stats_interval_s: Option<u64>,
    /// Hosts whose doings are known.
    pub allow: tuning::Allow,
    /// Alerts that are not written.
    pub suppress: Vec<tuning::SuppressEntry>,
    /// Alerts that are written only when there are many.
    pub threshold: Vec<tuning::ThresholdEntry>,
    /// Levels by rule.
    pub levels: BTreeMap<String, String>,
    /// Suppressed alerts are written, marked.
    pub show_suppressed: bool,
    /// Packets of incidents.
    pub evidence: evidence::EvidenceSection,
    /// Rights are given up once everything is open; off for debugging.
    pub sandbox: Option<bool>,
    /// Where it can be asked.
    pub control: service::ControlSection,
    /// Where its metrics are.
    pub metrics: service::MetricsSection,
    /// Messages on stderr.
    pub log: service::LogSection,
}

/// `[[interfaces]]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// Name.
    pub name: String,
    /// Capture buffer, MiB.
    #[serde(default = "default_ring")]
    pub ring_mib: u32,
    /// Milliseconds a block waits to be filled.
    #[serde(default = "default_timeout")]
    pub timeout_ms: u32,
    /// Capture filter.
    #[serde(default)]
    pub bpf: Option<String>,
    /// See frames that are not for this host.
    #[serde(default = "default_promisc")]
    pub promisc: bool,
    /// Capture threads that share the interface's packets.
    #[serde(default = "default_fanout")]
    pub fanout: u16,
}

impl Interface {
    /// The interface with default settings.
    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ring_mib: default_ring(),
            timeout_ms: default_timeout(),
            bpf: None,
            promisc: default_promisc(),
            fanout: default_fanout(),
        }
    }

    /// How it is captured from, for people.
    pub(super) fn how(&self) -> String {
        let each = if self.fanout > 1 {
            format!(", {} captures with such a buffer each", self.fanout)
        } else {
            String::new()
        };
        format!(
            "buffer {} MiB{each}, timeout {} ms, {}promiscuous, filter {}",
            self.ring_mib,
            self.timeout_ms,
            if self.promisc { "" } else { "not " },
            self.bpf.as_deref().unwrap_or("none")
        )
    }
}

fn default_promisc() -> bool {
    true
}

fn default_fanout() -> u16 {
    1
}

fn default_ring() -> u32 {
    64
}

fn default_timeout() -> u32 {
    1
}

/// `[limits]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Limits {
    /// Memory budget, MiB. All other limits are shares of it or constants.
    pub memory_mib: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_mib: 512 }
    }
}

/// Every key of the file, for suggestions.
const KEYS: &[&str] = &[
    "forwarders",
    "hosts",
    "home_nets",
    "learning_hours",
    "state_dir",
    "addresses",
    "roles",
    "interfaces",
    "workers",
    "vlan_in_flow_key",
    "limits",
    "outputs",
    "output",
    "rules",
    "key_file",
    "stats_interval_s",
    "name",
    "ring_mib",
    "timeout_ms",
    "bpf",
    "promisc",
    "fanout",
    "memory_mib",
    "show_suppressed",
    "sandbox",
];

/// Least memory the sensor can work with, MiB.
const LEAST_MEMORY: u64 = 64;

/// What the file and the arguments come to.
#[derive(Clone, Debug)]
pub struct Config {
    /// Devices that pass authentication on.
    pub forwarders: Vec<IpAddr>,
    /// Hosts that the operator knows.
    pub hosts: Vec<DeclaredHost>,
    /// Networks of the organisation.
    pub home_nets: HomeNets,
    /// Hours until what is missing counts in full.
    pub learning_hours: u64,
    /// Directory for what is known of hosts.
    pub state_dir: Option<PathBuf>,
    /// Interfaces to watch; empty in replay.
    pub interfaces: Vec<Interface>,
    /// Worker threads, at least 1.
    pub workers: usize,
    /// VLAN ids tell flows apart.
    pub vlan_in_flow_key: bool,
    /// Memory budget, MiB.
    pub memory_mib: u64,
    /// Where EVE goes: at least one.
    pub outputs: Vec<OutputSpec>,
    /// Rule files and folders to add.
    pub rules: Vec<PathBuf>,
    /// Load the built-in rules.
    pub builtin_rules: bool,
    /// Key that hashes secrets.
    pub key_file: Option<PathBuf>,
    /// Seconds of packet time between stats events.
    pub stats_interval_s: u64,
    /// What the operator does not want to hear.
    pub tuning: Tuning,
    /// Rights are given up once everything is open.
    pub sandbox: bool,
    /// Levels of rules, other than theirs.
    pub levels: Vec<(RuleRef, Level)>,
    /// Where it can be asked, and how it speaks.
    pub service: service::Settings,
    /// Where packets of incidents are kept, if they are.
    pub evidence: Option<EvidenceOptions>,
}

impl Config {
    /// Reads the file that the arguments name and lays the arguments over it.
    ///
    /// # Errors
    /// If the file cannot be read, or with every value that cannot be used.
    pub fn from_args(args: &Args) -> Result<Self, ConfigError> {
        let (config, text, mut wrong) = Self::lenient(args)?;
        if let Some(text) = &text {
            wrong.place(text);
        }
        wrong.none()?;
        Ok(config)
    }

    /// The settings as far as they can be understood, the file, and every mistake, not yet placed.
    ///
    /// # Errors
    /// If the file cannot be read or is no TOML.
    pub(super) fn lenient(args: &Args) -> Result<(Self, Option<Text>, ConfigError), ConfigError> {
        let text = args.config.as_deref().map(Text::read).transpose()?;
        let mut wrong = ConfigError::default();
        let file: File = match &text {
            Some(text) => text.meant(&suggestion, &mut wrong),
            None => File::default(),
        };
        let tables = wrong.take(outputs::read(&file.output));
        let config = Self::meant(file, tables.unwrap_or_default(), args, &mut wrong);
        Ok((config, text, wrong))
    }

    /// Lays the arguments over the file. What cannot be used is left out and told.
    fn meant(file: File, tables: Vec<OutputSpec>, args: &Args, wrong: &mut ConfigError) -> Self {
        let names = file.interfaces.iter();
        let in_file: Vec<String> = names.map(|i| i.name.clone()).collect();
        let mut interfaces = file.interfaces;
        if !args.interface.is_empty() {
            interfaces = args
                .interface
                .iter()
                .map(|name| {
                    interfaces
                        .iter()
                        .find(|i| i.name == *name)
                        .cloned()
                        .unwrap_or_else(|| Interface::named(name))
                })
                .collect();
        }
        if !args.read.is_empty() {
            interfaces.clear();
        }
        for interface in &mut interfaces {
            interface.ring_mib = args.ring_mib.unwrap_or(interface.ring_mib);
            interface.timeout_ms = args.timeout_ms.unwrap_or(interface.timeout_ms);
            interface.fanout = args.fanout.unwrap_or(interface.fanout);
            interface.promisc &= !args.no_promisc;
            if args.filter.is_some() {
                interface.bpf.clone_from(&args.filter);
            }
        }
        let mut rules = file.rules;
        rules.extend(args.rules.iter().cloned());
        let none = Path::new("none");
        let builtin_rules = !rules.iter().any(|r| r == none);
        rules.retain(|r| r != none);
        let mut forwarders = file.forwarders;
        forwarders.extend(&args.forwarder);
        let mut named = file.hosts;
        for text in &args.host {
            named.extend(wrong.take(host(text)));
        }
        let mut hosts = declared(&named, &mut forwarders, wrong);
        let nets = if args.home_net.is_empty() {
            &file.home_nets
        } else {
            &args.home_net
        };
        let live = !interfaces.is_empty();
        file.allow.declare(&mut hosts, &mut forwarders);
        let mut tuning = tuning::tuning(&file.suppress, &file.threshold, wrong);
        tuning.show = args.show_suppressed || file.show_suppressed;
        let config = Self {
            forwarders,
            hosts,
            home_nets: home_nets(nets, wrong),
            learning_hours: args.learning_hours.or(file.learning_hours).unwrap_or(24),
            // What is known of the live network is no business of a replay, unless it is asked for.
            state_dir: args.state.clone().or(file.state_dir.filter(|_| live)),
            interfaces,
            workers: args
                .workers
                .or(file.workers)
                .unwrap_or_else(default_workers),
            vlan_in_flow_key: args.vlan_in_flow_key || file.vlan_in_flow_key,
            memory_mib: args.memory_mib.unwrap_or(file.limits.memory_mib),
            outputs: wrong
                .take(outputs::all(&args.output, &file.outputs, tables))
                .unwrap_or_default(),
            rules,
            builtin_rules,
            key_file: args.key_file.clone().or(file.key_file),
            stats_interval_s: args.stats_interval.or(file.stats_interval_s).unwrap_or(30),
            tuning,
            sandbox: file.sandbox.unwrap_or(true) && !args.no_sandbox,
            levels: tuning::levels(&file.levels, wrong),
            evidence: wrong
                .take(evidence::options(&file.evidence, &args.evidence, live).map_err(in_evidence))
                .flatten(),
            service: wrong
                .take(service::Settings::new(
                    file.control,
                    file.metrics,
                    file.log,
                    &args.service,
                    args.quiet,
                    live,
                ))
                .unwrap_or_default(),
        };
        config.check(args, &in_file, wrong);
        config
    }

    /// The memory budget and its shares.
    pub(super) fn memory(&self) -> Memory {
        let all = Memory::mib(self.memory_mib);
        match self.evidence {
            Some(_) => all.with_evidence(),
            None => all,
        }
    }

    /// True if an output connects over the network: it resolves names, and opens sockets again and again.
    #[must_use]
    pub fn needs_network(&self) -> bool {
        let network =
            |o: &OutputSpec| matches!(&o.target, Target::Remote(r) if r.receiver.is_network());
        self.outputs.iter().any(network)
    }

    /// `in_file` are the names of the file's interfaces in its order.
    fn check(&self, args: &Args, in_file: &[String], wrong: &mut ConfigError) {
        // A value of a flag has no place in the file.
        let mut bad = |flag: bool, way: &[&str], text: String| {
            let one = ConfigError::new(text);
            let way = if flag { &[] } else { way };
            wrong.add(way.iter().rev().fold(one, |e, key| e.within(key)));
        };
        if !(1..=64).contains(&self.workers) {
            bad(
                args.workers.is_some(),
                &["workers"],
                format!(
                    "workers = {}: give 1 to 64, one for each core that decodes",
                    self.workers
                ),
            );
        }
        if !(LEAST_MEMORY..=1 << 20).contains(&self.memory_mib) {
            bad(
                args.memory_mib.is_some(),
                &["limits", "memory_mib"],
                format!(
                    "limits.memory_mib = {}: give {LEAST_MEMORY} or more, 1048576 at most",
                    self.memory_mib
                ),
            );
        }
        if self.stats_interval_s == 0 {
            bad(
                args.stats_interval.is_some(),
                &["stats_interval_s"],
                "stats_interval_s = 0: give the seconds between stats events, 1 or more".to_owned(),
            );
        }
        if self.learning_hours > 24 * 365 {
            bad(
                args.learning_hours.is_some(),
                &["learning_hours"],
                format!(
                    "learning_hours = {}: give 0 to 8760; 24 is usual",
                    self.learning_hours
                ),
            );
        }
        for (n, i) in self.interfaces.iter().enumerate() {
            let place = in_file.iter().rposition(|name| *name == i.name);
            let nth = place.map(|n| n.to_string()).unwrap_or_default();
            let mut bad = |flag: bool, key: &str, text: String| {
                let text = format!("interface {}: {text}", i.name);
                bad(
                    flag || place.is_none(),
                    &["interfaces", nth.as_str(), key],
                    text,
                );
            };
            let earlier = self.interfaces.iter().take(n);
            if earlier.clone().any(|other| other.name == i.name) {
                bad(
                    !args.interface.is_empty(),
                    "name",
                    "given twice; everything on it would be seen twice; for several capture threads set fanout".to_owned(),
                );
            }
            if !(1..=16).contains(&i.fanout) {
                bad(
                    args.fanout.is_some(),
                    "fanout",
                    format!("fanout = {}: give 1 to 16 capture threads", i.fanout),
                );
            }
            if !(1..=1000).contains(&i.timeout_ms) {
                bad(
                    args.timeout_ms.is_some(),
                    "timeout_ms",
                    format!(
                        "timeout_ms = {}: give 1 to 1000; 0 would hold alerts back until a block is full",
                        i.timeout_ms
                    ),
                );
            }
            if !(1..=4096).contains(&i.ring_mib) {
                bad(
                    args.ring_mib.is_some(),
                    "ring_mib",
                    format!("ring_mib = {}: give 1 to 4096", i.ring_mib),
                );
            }
        }
    }
}

/// One worker a core, leaving one for the capture thread; at least one.
fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get().saturating_sub(1).clamp(1, 8))
}

/// A mistake in the section of evidence, with its way if it names a key; a flag's value has none in the file.
fn in_evidence(text: String) -> ConfigError {
    let named = ["max_mib", "max_days"]
        .into_iter()
        .rfind(|key| text.contains(&format!("evidence.{key}")));
    let e = ConfigError::new(text);
    match named {
        Some(key) => e.within(key).within("evidence"),
        None => e,
    }
}

/// The key nearest to an unknown one.
fn suggestion(unknown: &str) -> Option<&'static str> {
    let all = KEYS
        .iter()
        .chain(tuning::KEYS)
        .chain(service::KEYS)
        .chain(evidence::KEYS);
    all.map(|key| (strsim::damerau_levenshtein(unknown, key), *key))
        .min()
        .filter(|(distance, _)| *distance <= 3)
        .map(|(_, key)| key)
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "config_example_tests.rs"]
mod example_tests;
