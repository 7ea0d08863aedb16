//! The command line: [`args`] as typed, [`config`] as meant, then replay, watch or check.

mod args;
mod check;
mod config;
mod config_file;
mod environment;
mod evidence;
mod explain;
mod inputs;
mod log;
mod network;
mod output_table;
mod outputs;
mod posture;
mod report;
mod run;
mod sandbox;
mod service;
mod shipped;
mod summary;
mod trial;
mod tuning;
mod watch;

use std::fmt::Display;
use std::process::ExitCode;

use clap::Parser;

use args::Command;
use log::LogLevel;

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
    log::set(args.service.log_format.unwrap_or_default(), LogLevel::Info);
    match &args.command {
        Some(Command::Status { json, socket }) => {
            return asking(&args, socket.as_deref(), |path| {
                service::print_status(path, *json)
            });
        }
        Some(Command::Control { verb, socket }) => {
            return asking(&args, socket.as_deref(), |path| {
                service::print_answer(path, *verb)
            });
        }
        Some(Command::Completions { shell }) => {
            shipped::completions(*shell);
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    match run::execute(&args) {
        Ok(alerts) if args.fail_on_alert && alerts > 0 => ExitCode::from(1),
        Ok(_) => ExitCode::SUCCESS,
        Err(failure) => {
            log::say(LogLevel::Error, &failure.to_string());
            ExitCode::from(2)
        }
    }
}

/// Asks a running sensor, at the socket given, or the configuration's, or where a service has it.
fn asking(
    args: &Args,
    given: Option<&std::path::Path>,
    ask: impl FnOnce(&std::path::Path) -> ExitCode,
) -> ExitCode {
    if let Some(path) = given {
        return ask(path);
    }
    match Config::from_args(args) {
        Ok(config) => ask(&config.service.ask),
        Err(e) => {
            log::say(LogLevel::Error, &e.to_string());
            ExitCode::from(2)
        }
    }
}

/// Something is wrong and it goes on.
fn complain(what: &dyn Display) {
    log::say(LogLevel::Warning, &what.to_string());
}

/// Something went as it should.
fn inform(what: &dyn Display) {
    log::say(LogLevel::Info, &what.to_string());
}

/// A panic is a bug of ours. Its text might quote packet bytes, so only the place is told.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(
            || "unknown place".to_owned(),
            |l| format!("{}:{}", l.file(), l.line()),
        );
        log::say(
            LogLevel::Error,
            &format!(
                "internal error at {place}; the flow is dropped and counted, please report it"
            ),
        );
    }));
}
