//! `relaywatch report`: a page for people, made of EVE lines.
//!
//! [`lines`] reads, [`event`] is what is read of a line, [`story`] merges it by incident, [`telling`] says it in
//! words, [`picture`] draws it, [`page`] is the HTML. Every text from a log is a [`text::Text`]: cut to a length,
//! escaped by the template, with invisible characters named. The page has no script, and its policy allows none.

mod chapter;
mod event;
mod lines;
mod page;
mod picture;
mod runbook;
mod story;
mod telling;
mod text;

use std::io::Write;
use std::path::{Path, PathBuf};

use self::event::{Head, Line};
use self::lines::{Lines, Next};
use self::story::Collected;
use super::{Failure, complain, inform};

/// Broken lines told one by one; the others are only counted.
const TOLD: u64 = 5;

/// Lines that are not in the report.
#[derive(Debug, Default)]
struct Skipped {
    broken: u64,
    /// The last line of a file that somebody still writes.
    half: u64,
}

/// Reads the logs and writes the page.
///
/// # Errors
/// If a log cannot be read or has no EVE in it, or the page cannot be written.
pub(super) fn write(
    logs: &[PathBuf],
    page: &Path,
    incidents: usize,
    quiet: bool,
) -> Result<(), Failure> {
    let mut all = Collected::default();
    let mut skipped = Skipped::default();
    for log in logs {
        if log == page && page != Path::new("-") {
            return Err(Failure::new(format_args!(
                "{}: is a log and the page to write; give the page another name",
                log.display()
            )));
        }
        read(log, &mut all, &mut skipped)?;
    }
    if skipped.broken > TOLD {
        complain(&format_args!(
            "{} lines in all are left out",
            skipped.broken
        ));
    }
    let stories = all.stories();
    let count = stories.len();
    let html = page::page(
        &all,
        &stories,
        incidents,
        skipped.broken + skipped.half,
        logs,
    );
    let name = page.display();
    let written = if page == Path::new("-") {
        std::io::stdout().lock().write_all(html.as_bytes())
    } else {
        std::fs::write(page, html.as_bytes())
    };
    written.map_err(|e| {
        Failure::new(format_args!(
            "{name}: cannot write the page: {e}; check the folder, its permissions and space"
        ))
    })?;
    if !quiet && page != Path::new("-") {
        let many = if count == 1 { "" } else { "s" };
        inform(&format_args!("{name}: {count} incident{many}"));
    }
    Ok(())
}

/// Reads one log. A broken line is told with its place and left out: at three in the morning the rest is worth
/// having. A log without a single event is a mistake.
fn read(log: &Path, all: &mut Collected, skipped: &mut Skipped) -> Result<(), Failure> {
    let mut lines = Lines::open(log)?;
    let mut events = 0_u64;
    let mut first_error = None;
    loop {
        let problem = match lines.next()? {
            Next::End => break,
            Next::TooLong => "the line is longer than 4 MiB".to_owned(),
            Next::Line([], _) => continue,
            Next::Line(bytes, ended) => match take(bytes, all) {
                Ok(()) => {
                    events += 1;
                    continue;
                }
                Err(e) if !ended && e.is_eof() && events > 0 => {
                    skipped.half += 1;
                    continue;
                }
                Err(e) => why(&e),
            },
        };
        skipped.broken += 1;
        let told = format!("{}: {problem}; the line is left out", lines.place());
        if events == 0 {
            first_error.get_or_insert(told);
        } else if skipped.broken <= TOLD {
            complain(&told);
        }
        if events == 0 && skipped.broken >= 1_000 {
            break;
        }
    }
    all.end_of_run();
    match (events, first_error) {
        (0, Some(error)) => Err(Failure::new(format_args!(
            "{error}\n{}: no EVE event in it; give what relaywatch wrote, one JSON object a line",
            log.display()
        ))),
        (0, None) => Err(Failure::new(format_args!(
            "{}: the log is empty; if nothing happened there is at least a `stats` event",
            log.display()
        ))),
        (_, Some(error)) => {
            complain(&error);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Without serde's own place, which counts lines in the one line.
fn why(e: &serde_json::Error) -> String {
    let text = e.to_string();
    let cause = text.rsplit_once(" at line ").map_or(&*text, |(c, _)| c);
    // The text may quote the line, which anybody may have written.
    let plain = text::Text::new(cause).short(160);
    format!("column {}: {plain}", e.column())
}

fn take(bytes: &[u8], all: &mut Collected) -> Result<(), serde_json::Error> {
    let head: Head<'_> = serde_json::from_slice(bytes)?;
    all.time(head.timestamp);
    if matches!(
        &*head.event_type,
        "alert" | "incident" | "posture" | "identity" | "stats" | "sensor"
    ) {
        let line: Line = serde_json::from_slice(bytes)?;
        all.take(line, bytes.len());
    }
    Ok(())
}
