//! `-T`: what would be done.

use std::io::Write;

use super::{Args, Config, Failure, complain, environment, evidence, outputs, tuning};
use crate::capture::Interface;
use crate::correlate::costs;
use crate::limits;
use crate::rule::RuleSet;
use crate::sensor::Memory;
use crate::sensor::sandbox::Allow;

/// Tells rules, bounds, memory and interfaces on stdout, or every mistake there is.
pub(super) fn tell(args: &Args) -> Result<(), Failure> {
    let (config, file, mut wrong) = Config::lenient(args).map_err(Failure::new)?;
    let found = environment::look(args, &config, file.as_ref(), &mut wrong);
    if let Some(file) = &file {
        wrong.place(file);
    }
    wrong.none().map_err(Failure::new)?;
    let (config, memory) = (&config, config.memory());
    if let Some(rules) = &found.rules {
        warn_of_deprecated(rules);
        let allow = super::sandbox::allow(args, config);
        lines(args, config, rules, memory, &allow, &found.interfaces);
    }
    Ok(())
}

fn lines(
    args: &Args,
    config: &Config,
    rules: &RuleSet,
    memory: Memory,
    allow: &Allow,
    interfaces: &[(usize, Interface)],
) {
    let mut lines = vec![format!("relaywatch {}", env!("CARGO_PKG_VERSION"))];
    lines.push(match &args.config {
        Some(path) => format!("configuration  {}", path.display()),
        None => "configuration  none, defaults".to_owned(),
    });
    lines.push(format!(
        "rules          {} loaded, {} skipped",
        rules.rules().len(),
        rules.skipped().len()
    ));
    for s in rules.skipped() {
        lines.push(format!(
            "  skipped      {} ({}): {}",
            s.title, s.file, s.reason
        ));
    }
    lines.push(format!(
        "workers        {} and {} capture, one correlator thread, one for each output",
        config.workers,
        match config.interfaces.iter().map(|i| u32::from(i.fanout)).sum() {
            0 | 1 => "one".to_owned(),
            // One a capture, and one that puts their packets in order.
            n => format!("{n} + 1"),
        }
    ));
    lines.extend(outputs::lines(config));
    lines.push(evidence::line(config.evidence.as_ref()));
    lines.push(if config.sandbox {
        format!("sandbox        {}", super::sandbox::tell(allow))
    } else {
        "sandbox        OFF".to_owned()
    });
    lines.extend(tuning::lines(&config.tuning, &config.levels));
    network_lines(&mut lines, config);
    memory_lines(&mut lines, config, memory);
    lines.push(format!(
        "limits         at most, whatever the budget: {} exchanges ({} a client), {} incidents, {} waiting detections",
        limits::EXCHANGES,
        limits::EXCHANGES_PER_SOURCE,
        limits::INCIDENTS,
        limits::PENDING_FINDINGS
    ));
    lines.push(format!(
        "               {} addresses with {} names each ({} MiB if all are full), {} habits, {} weaknesses",
        limits::NAMED_ADDRESSES,
        limits::NAMES_PER_ADDRESS,
        limits::NAMED_ADDRESSES as u64 * limits::HOST_BYTES / (1024 * 1024),
        limits::HABITS,
        limits::POSTURES
    ));
    for (nth, state) in interfaces {
        let Some(wanted) = config.interfaces.get(*nth) else {
            continue;
        };
        lines.push(format!(
            "interface      {}: {}{}; {}",
            wanted.name,
            if state.up { "up" } else { "DOWN" },
            if state.running { ", link" } else { ", NO LINK" },
            wanted.how()
        ));
    }
    print(&lines);
}

/// `rules list`: one line a rule, then what was skipped.
pub(super) fn list(rules: &RuleSet) {
    let mut lines: Vec<String> = rules
        .rules()
        .map(|r| {
            let s = &r.signature;
            format!(
                "{}:{}  {:<13}  {}  ({})",
                s.gid,
                s.sid,
                s.level.name(),
                s.title,
                r.file
            )
        })
        .collect();
    lines.extend(
        rules
            .skipped()
            .map(|s| format!("skipped  {} ({}): {}", s.title, s.file, s.reason)),
    );
    print(&lines);
}

/// Rules that their own status takes out: whoever loads them may count on them.
pub(super) fn warn_of_deprecated(rules: &RuleSet) {
    for s in rules.skipped().filter(|s| s.deprecated) {
        complain(&format_args!(
            "warning: {}:{}: `{}` does not run: {}; remove it, or set another status to use it",
            s.file, s.line, s.title, s.reason
        ));
    }
}

/// `rules check`: that all is well.
pub(super) fn count(rules: &RuleSet) {
    print(&[format!(
        "{} rules are right, {} skipped",
        rules.rules().len(),
        rules.skipped().len()
    )]);
}

/// Prints whole lines on stdout.
pub(super) fn print_text(text: &str) {
    // If stdout is gone there is nobody to tell.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

pub(super) fn print(lines: &[String]) {
    let mut out = std::io::stdout().lock();
    for line in lines {
        // If stdout is gone there is nobody to tell.
        let _ = writeln!(out, "{line}");
    }
}

/// What the operator told of the network.
fn network_lines(lines: &mut Vec<String>, config: &Config) {
    lines.push(format!("home networks  {}", config.home_nets));
    lines.push(format!(
        "learning       {} hours; state {}",
        config.learning_hours,
        config
            .state_dir
            .as_deref()
            .map_or("is not kept".to_owned(), |dir| format!(
                "in {}",
                dir.display()
            ))
    ));
    let list = |all: &[std::net::IpAddr]| {
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        all.join(", ")
    };
    for host in &config.hosts {
        let roles: Vec<&str> = host.roles.names().collect();
        lines.push(format!(
            "host           {} at {}{}{}",
            host.name,
            list(&host.addresses),
            if roles.is_empty() { "" } else { ": " },
            roles.join(", ")
        ));
    }
    if !config.forwarders.is_empty() {
        lines.push(format!("forwarders     {}", list(&config.forwarders)));
    }
}

/// Every share of the budget, and the sum of them.
fn memory_lines(lines: &mut Vec<String>, config: &Config, memory: Memory) {
    const MIB: u64 = 1024 * 1024;
    let queues = blocks_bytes(config.workers);
    let rest = 100
        - limits::HELD_SHARE
        - limits::FLOW_SHARE
        - limits::DECODER_SHARE
        - limits::CORRELATE_SHARE;
    lines.push(format!("memory         {} MiB budget", memory.total / MIB));
    for (what, bytes) in [
        ("segments and heads held", memory.share(limits::HELD_SHARE)),
        ("flow records", memory.share(limits::FLOW_SHARE)),
        ("decoder state", memory.share(limits::DECODER_SHARE)),
        ("correlator", memory.share(limits::CORRELATE_SHARE)),
        ("blocks, queues, fragments, output", memory.share(rest)),
        ("frames of evidence", memory.evidence),
    ] {
        lines.push(format!("  {:>5} MiB    {what}", bytes / MIB));
    }
    for cost in costs(memory.share(limits::CORRELATE_SHARE)) {
        let tables = match cost.copies {
            1 => String::new(),
            copies => format!(", {copies} tables of that kind"),
        };
        lines.push(format!(
            "  correlator: {} of {} x {} bytes{tables}",
            cost.what, cost.entries, cost.bytes
        ));
    }
    lines.push(format!(
        "  capture blocks take at most {} MiB of the last",
        queues.div_ceil(MIB)
    ));
}

/// Blocks that can be under way at once.
fn blocks_bytes(workers: usize) -> u64 {
    ((limits::QUEUE_BATCHES + 2) * limits::BLOCK_BYTES * workers) as u64
}
