//! `rules test`: rules tried on a capture, with what nearly matched.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::check::print;
use super::{Args, Config, Failure, inputs};
use crate::capture::FileSource;
use crate::correlate::Declared;
use crate::output::EventTypes;
use crate::rule::{RuleSet, RuleSource, Trial};
use crate::sensor::{self, Health, Memory, Reload, Setup, WriterThreads};

/// Near misses shown of one rule.
const SHOWN: usize = 5;

/// Tries the rules and says what came of it.
pub(super) fn run(
    config: &Config,
    args: &Args,
    path: &Path,
    capture: &Path,
) -> Result<(), Failure> {
    let sources = [RuleSource::Path(path.to_owned())];
    let mut rules = RuleSet::load(&sources).map_err(|errors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Failure::new(all.join("\n"))
    })?;
    let trial = Arc::new(Trial::default());
    rules.try_out(Arc::clone(&trial));
    let rules = Arc::new(rules);
    let setup = Setup {
        // One after the other, so that the first example is the first in the capture.
        workers: 1,
        rules: Arc::clone(&rules),
        reload: Reload::default(),
        health: Health::default(),
        tuning: Arc::default(),
        catalog: inputs::catalog(args.catalog.as_deref())?,
        key: Arc::new(inputs::site_key(config, false)?),
        declared: Declared {
            forwarders: config.forwarders.clone(),
            hosts: config.hosts.clone(),
            home_nets: config.home_nets.clone(),
            ..Declared::default()
        },
        events: EventTypes::default(),
        memory: Memory::mib(config.memory_mib),
        stats_interval: Duration::from_secs(config.stats_interval_s),
        live: false,
        vlan_in_flow_key: config.vlan_in_flow_key,
        keep: None,
        evidence: None,
        pcap_filename: None,
    };
    let mut source = FileSource::open(capture).map_err(Failure::new)?;
    let thread = WriterThreads::start(Vec::new(), false, |_| {})
        .map_err(|e| Failure::new(format_args!("cannot start a thread: {e}")))?;
    let outlet = thread.outlet();
    let stop = AtomicBool::new(false);
    let report = sensor::run(&mut source, &setup, &outlet, &stop, &mut |_, _| {})
        .map_err(|e| Failure::new(format_args!("cannot start a thread: {e}")))?;
    drop(outlet);
    // Nothing was to be written.
    let _ = thread.finish();
    tell(&rules, &trial, &report);
    Ok(())
}

fn tell(rules: &RuleSet, trial: &Trial, report: &sensor::Report) {
    let mut lines = Vec::new();
    for s in rules.skipped() {
        lines.push(format!("skipped  {}: {}", s.title, s.reason));
    }
    let correlations: HashSet<&str> = rules
        .rules()
        .filter(|r| r.service == "correlation")
        .map(|r| r.signature.title.as_str())
        .collect();
    for rule in rules.rules() {
        let s = &rule.signature;
        if correlations.contains(s.title.as_str()) {
            let held = report
                .titles
                .iter()
                .filter(|(_, t)| t.starts_with(&s.title));
            lines.push(format!("{}: held {} times", s.title, held.count()));
            continue;
        }
        let of = trial.of(s);
        lines.push(format!(
            "{}: matched {} of {} events of {}",
            s.title, of.matched, of.seen, rule.service
        ));
        if let Some(example) = &of.example {
            lines.push(format!("  matched: {example}"));
        }
        for near in of.nearest(SHOWN) {
            lines.push(format!("  nearly, {} times: {}", near.count, near.example));
            lines.extend(near.failed.iter().map(|why| format!("    but {why}")));
        }
    }
    lines.push(format!(
        "{} packets, {} alerts",
        report.packets,
        report.alerts.values().sum::<u64>()
    ));
    print(&lines);
}
