//! Signals while the sensor runs. SIGUSR2: the rules are read again. SIGHUP: output files are opened again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGUSR2};

use super::{Config, Failure, complain, inputs};
use crate::sensor::{Outlet, Reload};

/// How long a signal may wait to be seen.
const POLL: Duration = Duration::from_millis(100);

/// A thread that waits for the signals, beside those that must not wait. Ends when dropped.
pub(super) struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) fn start(config: Config, to: Reload, outlet: Outlet) -> Result<Self, Failure> {
        let asked = Arc::new(AtomicBool::new(false));
        let reopen = Arc::new(AtomicBool::new(false));
        for (signal, flag) in [(SIGUSR2, &asked), (SIGHUP, &reopen)] {
            signal_hook::flag::register(signal, Arc::clone(flag))
                .map_err(|e| Failure::new(format_args!("cannot watch for signals: {e}")))?;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("reload".to_owned())
            .spawn(move || {
                while !ends.load(Ordering::Relaxed) {
                    std::thread::park_timeout(POLL);
                    if reopen.swap(false, Ordering::Relaxed) {
                        outlet.reopen();
                    }
                    if asked.swap(false, Ordering::Relaxed) {
                        reload(&config, &to);
                    }
                }
            })
            .map_err(|e| Failure::new(format_args!("cannot start a thread: {e}")))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}

/// A set with an error changes nothing.
fn reload(config: &Config, to: &Reload) {
    match inputs::rules(config) {
        Ok(rules) => {
            complain(&format_args!(
                "rules read again: {} loaded, {} skipped",
                rules.rules().len(),
                rules.skipped().len()
            ));
            to.put(Arc::new(rules));
        }
        Err(failure) => complain(&format_args!("{failure}; the rules stay as they are")),
    }
}
