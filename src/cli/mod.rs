//! The command line: [`args`] as typed, [`config`] as meant, then replay, watch or check.

mod args;
mod check;
mod config;
mod explain;
mod inputs;
mod posture;
mod reload;
mod run;
mod summary;
mod trial;
mod tuning;
mod watch;

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

pub use args::Args;
pub use config::{Config, ConfigError};

/// What goes wrong before or while the sensor runs, in one message for a person.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failure(String);

impl Failure {
    fn new(text: impl Display) -> Self {
        Self(text.to_string())
    }
}

/// Runs the program with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    quiet_panics();
    // clap prints help and usage errors itself; a usage error exits with 2.
    let args = Args::parse();
    match run::execute(&args) {
        Ok(alerts) if args.fail_on_alert && alerts > 0 => ExitCode::from(1),
        Ok(_) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure);
            ExitCode::from(2)
        }
    }
}

/// One message on stderr, with the program's name.
fn complain(what: &dyn Display) {
    // If stderr is gone there is nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "relaywatch: {what}");
}

/// A panic is a bug of ours. Its text might quote packet bytes, so only the place is told.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(
            || "unknown place".to_owned(),
            |l| format!("{}:{}", l.file(), l.line()),
        );
        complain(&format_args!(
            "internal error at {place}; the flow is dropped and counted, please report it"
        ));
    }));
}
