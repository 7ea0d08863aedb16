//! Replay and watch.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::args::{Command, RulesCommand};
use super::service::Service;
use super::summary::Summary;
use super::{
    Args, Config, Failure, check, complain, evidence, explain, inform, inputs, log, outputs,
    posture, report, sandbox, shipped, trial, watch,
};
use crate::capture::{FileSource, Series, Source as _};
use crate::correlate::Declared;
use crate::output::{EventTypes, UnknownType};
use crate::sensor::{self, EvidenceThread, Health, Input, Outlet, Reload, Report, Setup, Store};

/// Does what the arguments ask for. Returns the number of alerts.
pub(super) fn execute(args: &Args) -> Result<u64, Failure> {
    if let Some(Command::Man { dir }) = &args.command {
        shipped::man(dir)?;
        return Ok(0);
    }
    if let Some(Command::Report {
        eve,
        page,
        incidents,
    }) = &args.command
    {
        report::write(eve, page, usize::from(*incidents), args.quiet)?;
        return Ok(0);
    }
    if args.test && args.command.is_none() {
        check::tell(args)?;
        return Ok(0);
    }
    let mut config = Config::from_args(args).map_err(Failure::new)?;
    log::set(config.service.log_format, config.service.log_level);
    if let Some(Command::Rules(RulesCommand::Check { paths })) = &args.command {
        config.rules.extend(paths.iter().cloned());
    }
    if let Some(Command::Rules(RulesCommand::Test { path, capture })) = &args.command {
        trial::run(&config, args, path, capture)?;
        return Ok(0);
    }
    let rules = Arc::new(inputs::rules(&config)?);
    check::warn_of_deprecated(&rules);
    match &args.command {
        Some(Command::Explain { id }) => {
            explain::detector(id, &rules)?;
            return Ok(0);
        }
        Some(Command::Rules(RulesCommand::Show { rule })) => {
            explain::show(rule, &rules)?;
            return Ok(0);
        }
        Some(Command::Rules(RulesCommand::List)) => {
            check::list(&rules);
            return Ok(0);
        }
        Some(Command::Rules(RulesCommand::Check { .. })) => {
            check::count(&rules);
            return Ok(0);
        }
        _ => {}
    }
    let catalog = inputs::catalog(args.catalog.as_deref())?;
    let json = match args.command {
        Some(Command::Posture { json }) => Some(json),
        _ => None,
    };
    let mut events = match &args.events {
        // The list comes at the end, and is all that is asked for.
        _ if json.is_some() => EventTypes::NONE,
        Some(list) => list.parse().map_err(|e: UnknownType| Failure::new(e))?,
        None => EventTypes::default(),
    };
    let outputs = outputs::select(&config, events);
    if json.is_none() {
        events = outputs
            .iter()
            .fold(EventTypes::NONE, |all, (_, of)| all.and(*of));
    }
    let live = !config.interfaces.is_empty();
    let memory = config.memory();
    let keep = match &config.state_dir {
        Some(dir) => {
            let (store, said) = Store::open(dir).map_err(Failure::new)?;
            if let Some(said) = said {
                complain(&said);
            }
            Some(Arc::new(store))
        }
        None => None,
    };
    if let (true, Some(json), Some(store)) = (args.read.is_empty(), json, &keep) {
        let known = store.get().map_err(Failure::new)?;
        posture::tell(&sensor::postures(&catalog, &known), json);
        return Ok(0);
    }
    if json.is_some() && live {
        return Err(Failure::new(
            "posture reads captures (-r) or what a running relaywatch has kept (--state), not an interface",
        ));
    }
    if args.read.is_empty() && !live {
        return Err(Failure::new(
            "nothing to do: give a capture with -r or an interface with -i (see --help)",
        ));
    }
    let folder = evidence::open(&config)?;
    let mut setup = Setup {
        workers: config.workers,
        rules,
        reload: Reload::default(),
        health: if live || config.service.control.is_some() || config.service.metrics.is_some() {
            Health::watched()
        } else {
            Health::default()
        },
        tuning: Arc::new(config.tuning.clone()),
        catalog,
        key: Arc::new(inputs::site_key(&config, live)?),
        declared: Declared {
            forwarders: config.forwarders.clone(),
            hosts: config.hosts.clone(),
            home_nets: config.home_nets.clone(),
            learning: Duration::from_secs(config.learning_hours * 3600),
        },
        events,
        memory,
        stats_interval: Duration::from_secs(config.stats_interval_s),
        live,
        vlan_in_flow_key: config.vlan_in_flow_key,
        evidence: None,
        keep: keep.clone(),
        pcap_filename: None,
    };
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 2, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .map_err(|e| Failure::new(format_args!("cannot watch for signals: {e}")))?;
    }
    // Opened before the outputs: an output file is not touched when there is nothing to write.
    let job = if live {
        Job::Watch(watch::open(
            &config.interfaces,
            args.quiet,
            !config.sandbox,
        )?)
    } else {
        Job::Replay(inputs::captures(&args.read)?)
    };
    let service = Service::bind(&config, setup.reload.clone(), setup.health.clone())?;
    let writers = outputs::open(&outputs)?;
    sandbox::enter(&config, &sandbox::allow(args, &config), live)?;
    let threads = outputs::start(writers, live)?;
    let evidence = evidence::start(folder)?;
    setup.evidence = evidence.as_ref().map(EvidenceThread::evidence);
    let outlet = threads.outlet();
    let running = service.start(outlet.clone())?;
    let mut summary = Summary::new(args.verbose);
    let done = match job {
        Job::Watch(inputs) => watch::run(inputs, &setup, &outlet, &stop, &mut summary),
        Job::Replay(files) => replay(&files, args, &setup, &outlet, &stop, &mut summary),
    };
    drop(running);
    drop(setup);
    evidence::finish(evidence);
    summary.outputs(&threads.finish());
    done?;
    if let Some(store) = keep.filter(|store| store.failed() > 0) {
        complain(&format_args!(
            "what is known of hosts could not be kept {} times; check the space and permissions of --state",
            store.failed()
        ));
    }
    if let Some(json) = json {
        posture::tell(summary.postures(), json);
    } else if !args.quiet && log::is_json() {
        inform(&summary.text().trim_end());
    } else if !args.quiet {
        summary.print();
    }
    Ok(summary.alerts())
}

enum Job {
    Watch(Vec<Input>),
    Replay(Vec<PathBuf>),
}

fn replay(
    files: &[PathBuf],
    args: &Args,
    setup: &Setup,
    outlet: &Outlet,
    stop: &AtomicBool,
    summary: &mut Summary,
) -> Result<(), Failure> {
    if args.continuous {
        let mut source =
            Series::open(files.iter().cloned(), args.filter.as_deref()).map_err(Failure::new)?;
        let mut hear = |_, said: Option<String>| {
            if let Some(said) = said {
                complain(&said);
            }
        };
        let report =
            sensor::run(&mut source, setup, outlet, stop, &mut hear).map_err(cannot_start)?;
        if let Some(broken) = &report.broken {
            complain(&format_args!("{}: {broken}", source.name()));
        }
        summary.add(&report);
        return Ok(());
    }
    let progress = progress(args, files.len());
    let mut last_error = None;
    for path in files {
        if stop.load(std::sync::atomic::Ordering::Relaxed) {
            break;
        }
        progress.set_message(path.display().to_string());
        match replay_one(path, args, setup, outlet, stop, &progress) {
            Ok(report) => {
                if let Some(broken) = &report.broken {
                    progress.suspend(|| complain(&format_args!("{}: {broken}", path.display())));
                }
                summary.add(&report);
            }
            Err(failure) => {
                // Of several captures the readable ones are worth having.
                if files.len() > 1 {
                    progress.suspend(|| complain(&failure));
                }
                last_error = Some(failure);
            }
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    match last_error {
        Some(failure) if files.len() == 1 || summary.files() == 0 => Err(failure),
        _ => Ok(()),
    }
}

fn replay_one(
    path: &Path,
    args: &Args,
    setup: &Setup,
    outlet: &Outlet,
    stop: &AtomicBool,
    progress: &ProgressBar,
) -> Result<Report, Failure> {
    let mut source = FileSource::open(path).map_err(Failure::new)?;
    if let Some(bpf) = &args.filter {
        source.set_filter(bpf).map_err(Failure::new)?;
    }
    let setup = Setup {
        pcap_filename: Some(path.display().to_string()),
        ..setup.clone()
    };
    let mut hear = |packets: u64, said: Option<String>| {
        progress.set_prefix(packets.to_string());
        if let Some(said) = said {
            progress.suspend(|| complain(&said));
        }
    };
    sensor::run(&mut source, &setup, outlet, stop, &mut hear).map_err(cannot_start)
}

fn cannot_start(e: std::io::Error) -> Failure {
    Failure::new(format_args!("cannot start a thread: {e}"))
}

/// A line that tells how far the replay is, on terminals only.
fn progress(args: &Args, files: usize) -> ProgressBar {
    if args.quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(files as u64);
    if let Ok(style) = ProgressStyle::with_template(
        "{spinner} file {pos}/{len}, {prefix} packets  {wide_msg} {elapsed}",
    ) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
