//! What makes it a service: signals, the control socket, metrics, and the service manager's watchdog.
//!
//! One thread, which waits for all of these so that nobody else has to:
//!
//! ```text
//! SIGUSR2, SIGHUP ─┐
//! control socket ──┼─► thread "service" ──► Reload (rules), Outlet (reopen), Health (counters, dump)
//! metrics socket ──┤          └───────────► service manager: READY, STATUS, WATCHDOG
//! a second ────────┘
//! ```
//!
//! Sockets are bound by [`Service::bind`], before the sensor gives up its rights.

mod control;
mod metrics;
mod notify;
mod settings;
mod status;
mod watcher;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signal_hook::consts::{SIGHUP, SIGUSR2};

use super::log::LogLevel;
use super::{Config, Failure, inform, inputs, log};
use crate::sensor::{Dump, Health, Outlet, Reload, Snapshot, clocks};

pub(super) use control::Verb;
pub(super) use settings::{
    ControlSection, KEYS, Listen, LogSection, MetricsSection, ServiceArgs, Settings,
};

use control::{AskError, Control, ask};
use metrics::Metrics;
use notify::Notify;
use watcher::Watcher;

/// How long a signal or a client may wait to be seen.
const POLL: Duration = Duration::from_millis(50);

/// Between two looks at the sensor.
const LOOK: Duration = Duration::from_secs(1);

/// Between two words for `systemctl status`.
const TELL: Duration = Duration::from_secs(10);

/// How long the correlator may take for a dump.
const DUMP: Duration = Duration::from_secs(10);

/// Sockets that are open and a thread that is not yet started.
#[derive(Debug)]
pub(super) struct Service {
    config: Config,
    reload: Reload,
    health: Health,
    control: Option<Control>,
    metrics: Option<Metrics>,
    notify: Option<Notify>,
    asked: Arc<AtomicBool>,
    /// SIGHUP came.
    reopen: Arc<AtomicBool>,
    outlet: Option<Outlet>,
    watcher: Watcher,
}

/// The thread. Ends when dropped.
#[derive(Debug)]
pub(super) struct Running {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// Opens what the configuration asks for.
    pub(super) fn bind(config: &Config, reload: Reload, health: Health) -> Result<Self, Failure> {
        let settings = &config.service;
        let asked = Arc::new(AtomicBool::new(false));
        let reopen = Arc::new(AtomicBool::new(false));
        for (signal, flag) in [(SIGUSR2, &asked), (SIGHUP, &reopen)] {
            signal_hook::flag::register(signal, Arc::clone(flag))
                .map_err(|e| Failure::new(format_args!("cannot watch for signals: {e}")))?;
        }
        let control = settings.control.as_deref();
        let metrics = settings.metrics.as_ref();
        Ok(Self {
            control: control
                .map(|path| Control::bind(path, settings.group))
                .transpose()?,
            metrics: metrics
                .map(|listen| Metrics::bind(listen, settings.group))
                .transpose()?,
            notify: Notify::from_env(),
            watcher: Watcher::new(health.clone(), !config.interfaces.is_empty()),
            config: config.clone(),
            reload,
            health,
            asked,
            reopen,
            outlet: None,
        })
    }

    /// Starts to answer. SIGHUP has the files of `outlet` opened again.
    pub(super) fn start(mut self, outlet: Outlet) -> Result<Running, Failure> {
        self.outlet = Some(outlet);
        let stop = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("service".to_owned())
            .spawn(move || self.run(&ends))
            .map_err(|e| Failure::new(format_args!("cannot start a thread: {e}")))?;
        Ok(Running {
            stop,
            thread: Some(thread),
        })
    }

    fn run(&mut self, ends: &AtomicBool) {
        let (mut look, mut told, mut fed) = (Due::new(LOOK), Due::new(TELL), None);
        let mut ready = false;
        while !ends.load(Ordering::Relaxed) {
            std::thread::park_timeout(POLL);
            if self.asked.swap(false, Ordering::Relaxed) {
                // It is on stderr already.
                let _ = self.reload();
            }
            if self.reopen.swap(false, Ordering::Relaxed) {
                self.outlet.iter().for_each(Outlet::reopen);
            }
            if look.is_due() {
                self.watcher.look();
                if self.notify.is_some() && !ready && self.watcher.is_ready() {
                    ready = true;
                    fed = self.notify.as_ref().and_then(Notify::every).map(Due::new);
                    self.tell(Notify::ready);
                }
            }
            if ready && told.is_due() {
                self.tell(Notify::status);
            }
            if let (Some(notify), Some(due)) = (&self.notify, &mut fed)
                && due.is_due()
                && self.watcher.moves(clocks().0)
            {
                notify.alive();
            }
            if let Some(control) = self.control.take() {
                control.serve(&mut |verb| self.answer(verb));
                self.control = Some(control);
            }
            if let Some(metrics) = &self.metrics {
                metrics.serve(&mut || {
                    let snapshot = self.health.latest();
                    let none = || Arc::new(Snapshot::default());
                    let snapshot = snapshot.unwrap_or_else(none);
                    metrics::text(self.watcher.status(), &snapshot)
                });
            }
        }
        if let Some(notify) = &self.notify {
            notify.stopping();
        }
    }

    /// One line for the service manager.
    fn tell(&self, how: fn(&Notify, &str)) {
        let Some(notify) = &self.notify else { return };
        let s = self.watcher.status();
        let first = s.problems.first().map(|p| format!(": {}", p.what));
        let text = format!(
            "{}, {:.0} packets/s, {} dropped in the last minute{}",
            s.health,
            s.packets.per_s,
            s.packets.drops_last_minute,
            first.unwrap_or_default()
        );
        how(notify, &text);
    }

    fn answer(&mut self, verb: Verb) -> Result<Value, String> {
        match verb {
            Verb::Status => Ok(json!({"status": self.watcher.status()})),
            Verb::Stats => {
                let latest = self.health.latest();
                let s = latest.ok_or("the sensor has only just started; ask again in a second")?;
                Ok(json!({
                    "timestamp": s.ts.to_string(),
                    "stats": s.stats,
                    "sensor": s.sensor,
                }))
            }
            Verb::Reload => self.reload().map(|said| json!({"said": said})),
            Verb::Reopen => {
                self.outlet.iter().for_each(Outlet::reopen);
                Ok(json!({"said": "output files are opened again"}))
            }
            Verb::Dump => self.dump(),
        }
    }

    /// Reads the rules again. A set with an error changes nothing.
    fn reload(&mut self) -> Result<String, String> {
        let result = match inputs::rules(&self.config) {
            Ok(rules) => {
                let said = format!(
                    "rules read again: {} loaded, {} skipped",
                    rules.rules().len(),
                    rules.skipped().len()
                );
                inform(&said);
                self.reload.put(Arc::new(rules));
                Ok(said)
            }
            Err(failure) => {
                let said = format!("{failure}; the rules stay as they are");
                super::complain(&said);
                Err(said)
            }
        };
        let (Ok(said) | Err(said)) = &result;
        self.watcher.reload = Some(status::Reload {
            timestamp: clocks().1.to_string(),
            ok: result.is_ok(),
            said: said.clone(),
        });
        result
    }

    fn dump(&self) -> Result<Value, String> {
        self.health.ask_dump();
        let (start, _) = clocks();
        while start.elapsed() < DUMP {
            if let Some(dump) = self.health.dumped() {
                return Ok(dumped(&dump));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(format!(
            "the correlator made no dump within {} s; see `threads` in the status",
            DUMP.as_secs()
        ))
    }
}

fn dumped(dump: &Dump) -> Value {
    let lines = dump.incidents.split(|b| *b == b'\n');
    let incidents = lines.filter_map(|line| serde_json::from_slice(line).ok());
    let known = &dump.known;
    json!({
        "timestamp": dump.ts.to_string(),
        "since": known.since.map(|t| t.to_string()),
        "hosts": known.hosts,
        "names": known.names,
        "habits": known.habits,
        "passers": known.passers,
        "posture": known.posture,
        "incidents": incidents.collect::<Vec<Value>>(),
    })
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}

/// Something to do every so often.
#[derive(Debug)]
struct Due {
    every: Duration,
    last: Option<Instant>,
}

impl Due {
    fn new(every: Duration) -> Self {
        Self { every, last: None }
    }

    fn is_due(&mut self) -> bool {
        let now = clocks().0;
        let due = self
            .last
            .is_none_or(|last| now.saturating_duration_since(last) >= self.every);
        if due {
            self.last = Some(now);
        }
        due
    }
}

/// `relaywatch status`: 0 healthy, 1 degraded, 2 not reachable.
pub(super) fn print_status(socket: &Path, json: bool) -> ExitCode {
    let answer = ask(socket, Verb::Status).and_then(|answer| {
        let printed = answer.get("status").map(Value::to_string);
        control::status(answer).map(|status| (status, printed.unwrap_or_default()))
    });
    match answer {
        Ok((status, printed)) => {
            let text = if json { printed + "\n" } else { status.text() };
            super::check::print_text(&text);
            ExitCode::from(u8::from(!status.is_healthy()))
        }
        Err(e) => {
            log::say(LogLevel::Error, &e.to_string());
            ExitCode::from(2)
        }
    }
}

/// `relaywatch control VERB`: 0 done, 1 refused, 2 not reachable.
pub(super) fn print_answer(socket: &Path, verb: Verb) -> ExitCode {
    match ask(socket, verb) {
        Ok(answer) => {
            let text = match answer.get("said").and_then(Value::as_str) {
                Some(said) => format!("{said}\n"),
                None => format!("{answer}\n"),
            };
            super::check::print_text(&text);
            ExitCode::SUCCESS
        }
        Err(e) => {
            log::say(LogLevel::Error, &e.to_string());
            ExitCode::from(if matches!(e, AskError::Refused(_)) {
                1
            } else {
                2
            })
        }
    }
}
