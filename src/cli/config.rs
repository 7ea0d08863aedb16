//! Settings as meant: the configuration file with the arguments on top, checked.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::args::Args;
use super::tuning;
use crate::correlate::DeclaredHost;
use crate::event::{HostRole, Level};
use crate::sensor::{RuleRef, Tuning};

/// The configuration file. Unknown keys are errors.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    /// Devices that pass authentication on.
    pub forwarders: Vec<IpAddr>,
    /// Hosts by name, with what is known of them.
    pub hosts: BTreeMap<String, Host>,
    /// Interfaces to watch.
    pub interfaces: Vec<Interface>,
    /// Worker threads.
    pub workers: Option<usize>,
    /// VLAN ids tell flows apart.
    pub vlan_in_flow_key: bool,
    /// Bounds.
    pub limits: Limits,
    /// Where EVE goes.
    pub outputs: Vec<String>,
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
}

/// `[hosts.NAME]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Host {
    /// All of its addresses.
    addresses: Vec<IpAddr>,
    /// What it does, by the names of [`HostRole`]; `forwarder` is one that passes connections on.
    #[serde(default)]
    roles: Vec<String>,
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
}

fn default_ring() -> u32 {
    64
}

fn default_timeout() -> u32 {
    5
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
    "addresses",
    "roles",
    "interfaces",
    "workers",
    "vlan_in_flow_key",
    "limits",
    "outputs",
    "rules",
    "key_file",
    "stats_interval_s",
    "name",
    "ring_mib",
    "timeout_ms",
    "bpf",
    "memory_mib",
    "show_suppressed",
];

/// Role of a host that passes connections on.
const FORWARDER: &str = "forwarder";

/// Least memory the sensor can work with, MiB.
const LEAST_MEMORY: u64 = 64;

/// Settings that cannot be used, with what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }
}

/// What the file and the arguments come to.
#[derive(Clone, Debug)]
pub struct Config {
    /// Devices that pass authentication on.
    pub forwarders: Vec<IpAddr>,
    /// Hosts that the operator knows.
    pub hosts: Vec<DeclaredHost>,
    /// Interfaces to watch; empty in replay.
    pub interfaces: Vec<Interface>,
    /// Worker threads, at least 1.
    pub workers: usize,
    /// VLAN ids tell flows apart.
    pub vlan_in_flow_key: bool,
    /// Memory budget, MiB.
    pub memory_mib: u64,
    /// Where EVE goes.
    pub outputs: Vec<String>,
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
    /// Levels of rules, other than theirs.
    pub levels: Vec<(RuleRef, Level)>,
}

impl Config {
    /// Reads the file that the arguments name and lays the arguments over it.
    ///
    /// # Errors
    /// If the file cannot be read or a value cannot be used.
    pub fn from_args(args: &Args) -> Result<Self, ConfigError> {
        let file = match &args.config {
            Some(path) => read(path)?,
            None => File::default(),
        };
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
                        .unwrap_or(Interface {
                            name: name.clone(),
                            ring_mib: default_ring(),
                            timeout_ms: default_timeout(),
                            bpf: None,
                        })
                })
                .collect();
        }
        if !args.read.is_empty() {
            interfaces.clear();
        }
        for interface in &mut interfaces {
            interface.ring_mib = args.ring_mib.unwrap_or(interface.ring_mib);
            interface.timeout_ms = args.timeout_ms.unwrap_or(interface.timeout_ms);
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
        let mut hosts = declared(&file.hosts, &mut forwarders)?;
        file.allow.declare(&mut hosts, &mut forwarders);
        let mut tuning = tuning::tuning(&file.suppress, &file.threshold)?;
        tuning.show = args.show_suppressed || file.show_suppressed;
        let config = Self {
            forwarders,
            hosts,
            interfaces,
            workers: args
                .workers
                .or(file.workers)
                .unwrap_or_else(default_workers),
            vlan_in_flow_key: args.vlan_in_flow_key || file.vlan_in_flow_key,
            memory_mib: args.memory_mib.unwrap_or(file.limits.memory_mib),
            outputs: if args.output.is_empty() {
                file.outputs
            } else {
                args.output.clone()
            },
            rules,
            builtin_rules,
            key_file: args.key_file.clone().or(file.key_file),
            stats_interval_s: args.stats_interval.or(file.stats_interval_s).unwrap_or(30),
            tuning,
            levels: tuning::levels(&file.levels)?,
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let bad = |text: String| Err(ConfigError(text));
        if !(1..=64).contains(&self.workers) {
            return bad(format!(
                "workers = {}: give 1 to 64, one for each core that decodes",
                self.workers
            ));
        }
        if !(LEAST_MEMORY..=1 << 20).contains(&self.memory_mib) {
            return bad(format!(
                "limits.memory_mib = {}: give {LEAST_MEMORY} or more",
                self.memory_mib
            ));
        }
        if self.stats_interval_s == 0 {
            return bad(
                "stats_interval_s = 0: give the seconds between stats events, 1 or more".to_owned(),
            );
        }
        for i in &self.interfaces {
            if !(1..=1000).contains(&i.timeout_ms) {
                return bad(format!(
                    "interface {}: timeout_ms = {}: give 1 to 1000; 0 would hold alerts back until a block is full",
                    i.name, i.timeout_ms
                ));
            }
            if !(1..=4096).contains(&i.ring_mib) {
                return bad(format!(
                    "interface {}: ring_mib = {}: give 1 to 4096",
                    i.name, i.ring_mib
                ));
            }
        }
        Ok(())
    }
}

/// The hosts as the correlator takes them; those that pass connections on join `forwarders`.
fn declared(
    hosts: &BTreeMap<String, Host>,
    forwarders: &mut Vec<IpAddr>,
) -> Result<Vec<DeclaredHost>, ConfigError> {
    let mut all = Vec::new();
    let mut owners: BTreeMap<IpAddr, &str> = BTreeMap::new();
    for (name, host) in hosts {
        if host.addresses.is_empty() {
            return Err(ConfigError(format!(
                "hosts.{name}: no address; give `addresses = [\"10.0.0.5\"]`"
            )));
        }
        for address in &host.addresses {
            if let Some(other) = owners.insert(*address, name) {
                return Err(ConfigError(format!(
                    "hosts.{name}: {address} is also of hosts.{other}; an address has one owner"
                )));
            }
        }
        let mut roles = Vec::new();
        for role in &host.roles {
            if role == FORWARDER {
                forwarders.extend(&host.addresses);
            } else if let Some(known) = HostRole::ALL.into_iter().find(|r| r.name() == role) {
                roles.push(known);
            } else {
                let names: Vec<&str> = HostRole::ALL.into_iter().map(HostRole::name).collect();
                return Err(ConfigError(format!(
                    "hosts.{name}: unknown role `{role}`; there are: {}, {FORWARDER}",
                    names.join(", ")
                )));
            }
        }
        all.push(DeclaredHost {
            name: name.clone(),
            addresses: host.addresses.clone(),
            roles: roles.into_iter().collect(),
        });
    }
    Ok(all)
}

/// One worker a core, leaving one for the capture thread; at least one.
fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get().saturating_sub(1).clamp(1, 8))
}

fn read(path: &Path) -> Result<File, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|e| {
        ConfigError(format!(
            "{}: cannot read the configuration: {e}; check the path given with -c",
            path.display()
        ))
    })?;
    toml::from_str(&text).map_err(|e| {
        let mut said = format!("{}: {e}", path.display());
        if let Some(hint) = suggestion(e.message()) {
            said.push_str(&format!("did you mean `{hint}`?\n"));
        }
        ConfigError(said.trim_end().to_owned())
    })
}

/// The key nearest to the unknown one that the parser complains about.
fn suggestion(message: &str) -> Option<&'static str> {
    let unknown = message.strip_prefix("unknown field `")?.split('`').next()?;
    let all = KEYS.iter().chain(tuning::KEYS);
    all.map(|key| (strsim::damerau_levenshtein(unknown, key), *key))
        .min()
        .filter(|(distance, _)| *distance <= 3)
        .map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn config(toml: &str, args: &[&str]) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, toml).unwrap();
        let mut argv = vec!["relaywatch", "-c", path.to_str().unwrap()];
        argv.extend(args);
        Config::from_args(&Args::try_parse_from(argv).unwrap())
    }

    #[test]
    fn arguments_win_over_the_file() {
        let toml = "workers = 3\nrules = [\"a\"]\n[limits]\nmemory_mib = 100\n[[interfaces]]\nname = \"eth1\"\nring_mib = 8\n";
        let c = config(toml, &["-w", "2", "-S", "b", "-i", "eth1", "-f", "tcp"]).unwrap();
        assert_eq!((c.workers, c.memory_mib), (2, 100));
        assert_eq!(c.rules, [Path::new("a"), Path::new("b")]);
        let eth1 = &c.interfaces[0];
        assert_eq!((eth1.ring_mib, eth1.bpf.as_deref()), (8, Some("tcp")));
        assert!(c.builtin_rules);
        assert!(!config(toml, &["-S", "none"]).unwrap().builtin_rules);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_a_suggestion() {
        let e = config("# comment\nwokers = 3\n", &[])
            .unwrap_err()
            .to_string();
        assert!(e.contains("line 2"), "{e}");
        assert!(e.contains("unknown field `wokers`"), "{e}");
        assert!(e.ends_with("did you mean `workers`?"), "{e}");
    }

    #[test]
    fn hosts_have_addresses_and_roles() {
        let toml = "forwarders = [\"10.0.0.9\"]\n[hosts.dc1]\naddresses = [\"10.0.0.1\", \"fd00::1\"]\nroles = [\"dc\", \"dns\"]\n[hosts.proxy]\naddresses = [\"10.0.0.8\"]\nroles = [\"forwarder\"]\n";
        let c = config(toml, &[]).unwrap();
        let dc = &c.hosts[0];
        assert_eq!((dc.name.as_str(), dc.addresses.len()), ("dc1", 2));
        assert!(dc.roles.has(HostRole::Dc) && dc.roles.has(HostRole::Dns));
        assert!(!dc.roles.has(HostRole::Ca) && c.hosts[1].roles.is_empty());
        let said: Vec<String> = c.forwarders.iter().map(ToString::to_string).collect();
        assert_eq!(said, ["10.0.0.9", "10.0.0.8"]);
    }

    #[test]
    fn hosts_that_cannot_be_are_named() {
        for (toml, expect) in [
            ("[hosts.a]\naddresses = []", "hosts.a: no address"),
            (
                "[hosts.a]\naddresses = [\"10.0.0.1\"]\nroles = [\"king\"]",
                "hosts.a: unknown role `king`; there are: dc, ca",
            ),
            (
                "[hosts.a]\naddresses = [\"10.0.0.1\"]\n[hosts.b]\naddresses = [\"10.0.0.1\"]",
                "hosts.b: 10.0.0.1 is also of hosts.a",
            ),
            (
                "[hosts.a]\naddreses = [\"10.0.0.1\"]",
                "did you mean `addresses`?",
            ),
        ] {
            let e = config(toml, &[]).unwrap_err().to_string();
            assert!(e.contains(expect), "{e}");
        }
    }

    #[test]
    fn tuning_is_read_as_strictly_as_rules() {
        let toml = "[allow]\nscanners = [\"10.0.0.9\"]\nproxies = [\"10.0.0.8\"]\n[levels]\n\"RW-06\" = \"low\"\n\
             [[suppress]]\nrule = [2593060, \"RW-07\"]\nsource = [\"10.0.0.0/24\"]\naccount = [\"LAB\\\\Backup\"]\n\
             days = [\"sat\", \"sun\"]\nhours = \"22-06\"\nreason = \"backup\"\n\
             [[threshold]]\nrule = \"RW-06\"\ncount = 3\nseconds = 60\n";
        let c = config(toml, &["--show-suppressed"]).unwrap();
        assert!(c.tuning.show && c.hosts[0].roles.has(HostRole::Admin));
        assert_eq!(c.forwarders.len(), 1);
        assert_eq!(
            tuning::lines(&c.tuning, &c.levels),
            [
                "suppress       2593060, RW-07, from 10.0.0.0/24, account lab\\backup, on sun sat, 22-06 h UTC",
                "threshold      RW-06: from 3 within 60 s on, by source",
                "level          RW-06: low",
            ]
        );
        for (toml, expect) in [
            (
                "[[suppress]]\nreason = \"x\"",
                "suppress entry 1: it would suppress everything",
            ),
            ("[[suppress]]\nruel = 5", "did you mean `rule`?"),
            ("[[suppress]]\nrule = \"RW6\"", "`RW6` is no rule"),
            (
                "[[suppress]]\nsource = [\"10.0.0\"]",
                "source `10.0.0`: not an address",
            ),
            (
                "[[suppress]]\ndays = [\"someday\"]",
                "unknown day `someday`; there are: sun, mon",
            ),
            ("[[suppress]]\nhours = \"22\"", "give two hours of UTC"),
            (
                "[[threshold]]\nrule = 5\ncount = 1\nseconds = 5",
                "give `count` from 2",
            ),
            (
                "[levels]\n\"RW-06\" = \"loud\"",
                "unknown level `loud`; there are: informational",
            ),
        ] {
            let e = config(toml, &[]).unwrap_err().to_string();
            assert!(e.contains(expect), "{e}");
        }
    }

    #[test]
    fn values_out_of_range_say_what_to_give() {
        for (toml, expect) in [
            ("workers = 0", "give 1 to 64"),
            ("[limits]\nmemory_mib = 1", "give 64 or more"),
            (
                "[[interfaces]]\nname = \"x\"\ntimeout_ms = 0",
                "hold alerts back",
            ),
        ] {
            let e = config(toml, &[]).unwrap_err().to_string();
            assert!(e.contains(expect), "{e}");
        }
    }
}
