//! Standard output and files, one writer each.
//!
//! Lines are gathered and written 64 KiB at a time. A destination that fails costs its own lines and nothing else:
//! the loss is counted, the operator is told once, and a file never keeps half a line. A full disk is tried again
//! at every flush; a closed pipe is not. Files can be opened again under their name (somebody else rotated them) and
//! be rotated by size and time ([`super::rotate`]).

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, UNIX_EPOCH};

use super::counters::OutputCounters;
use super::lines::Lines;
use super::rotate::{self, Rotation};
use super::target::{OpenError, OutputSpec, Target};
use crate::time::Timestamp;

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 64 * 1024;
/// How long a rotation that failed is not tried again.
const ROTATE_AGAIN: Duration = Duration::from_secs(60);

/// Something the operator should read, once, on standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// An output began to lose lines.
    Failing {
        /// Which.
        output: String,
        /// Why.
        cause: String,
        /// It will not be tried again.
        closed: bool,
    },
    /// An output takes lines again.
    Recovered {
        /// Which.
        output: String,
        /// Lines it lost since it began to fail.
        lost: u64,
    },
    /// An output goes on, but not as it should.
    Warning {
        /// Which.
        output: String,
        /// What is wrong, and what to do.
        what: String,
    },
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failing {
                output,
                cause,
                closed: true,
            } => write!(
                f,
                "{output}: {cause}; nothing more is written there, lost lines are counted"
            ),
            Self::Failing { output, cause, .. } => write!(
                f,
                "{output}: {cause}; lines are being lost and counted, \
                 writing goes on as soon as it is possible"
            ),
            Self::Recovered { output, lost } => {
                write!(f, "{output}: writing again, {lost} lines were lost")
            }
            Self::Warning { output, what } => write!(f, "{output}: {what}"),
        }
    }
}

/// Standard output or one file.
#[derive(Debug)]
pub struct Writer {
    outlet: Outlet<Box<dyn Store>>,
    path: Option<PathBuf>,
    rotation: Option<Rotation>,
    /// Bytes in the file, as far as it is ours.
    size: u64,
    /// Period of the rotation that the file belongs to.
    period: u64,
    /// No rotation before, because one failed.
    not_before: Timestamp,
    /// A file was closed and may be packed.
    closed: bool,
    trouble: Vec<Trouble>,
}

impl Writer {
    /// Opens it. `now` decides whether the file that is there is of an earlier time.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(spec: &OutputSpec, now: Timestamp) -> Result<Self, OpenError> {
        let (path, rotation) = match &spec.target {
            Target::Stdout | Target::Remote(_) => (None, None),
            Target::File(path, rotation) => (Some(path.clone()), *rotation),
        };
        let store = open(path.as_deref())?;
        let counters = OutputCounters::new(&spec.name, spec.target.kind());
        let mut writer = Self {
            outlet: Outlet::new(Arc::new(counters), store),
            path,
            rotation,
            size: 0,
            period: 0,
            not_before: Timestamp::ZERO,
            closed: false,
            trouble: Vec::new(),
        };
        writer.look(now);
        Ok(writer)
    }

    /// What became of its lines. What is still gathered does not count.
    #[must_use]
    pub fn counters(&self) -> Arc<OutputCounters> {
        Arc::clone(&self.outlet.counters)
    }

    /// Where closed files are, and how many are kept: what [`rotate::tidy`] needs.
    #[must_use]
    pub fn rotation(&self) -> Option<(PathBuf, Rotation)> {
        self.path.clone().zip(self.rotation)
    }

    /// Takes whole lines. `now` is the time of day.
    pub fn lines(&mut self, lines: &Lines, now: Timestamp) {
        let limit = self.rotation.and_then(|r| r.bytes).unwrap_or(u64::MAX);
        for (kind, line) in lines.iter() {
            let held = self.outlet.gathered.len().saturating_add(line.len()) as u64;
            if self.size.saturating_add(held) > limit
                && self.size.saturating_add(held) > line.len() as u64
                && now >= self.not_before
            {
                self.flush();
                self.rotate(now);
            }
            if self.outlet.gathered.len().saturating_add(line.len()) > BUFFER_BYTES {
                self.flush();
            }
            self.outlet.line(line, kind.is_urgent());
        }
    }

    /// Writes what was gathered. Call it when there is nothing else to do, and at the end.
    pub fn flush(&mut self) {
        let written = self.outlet.flush(&mut self.trouble);
        self.size = self.size.saturating_add(written);
    }

    /// Closes a file whose time is over. Call it now and then, after a flush.
    pub fn tick(&mut self, now: Timestamp) {
        let over = self.rotation.is_some_and(|r| r.period(now) != self.period);
        if over && self.size > 0 {
            self.rotate(now);
        } else if let (true, Some(rotation)) = (over, self.rotation) {
            self.period = rotation.period(now);
        }
    }

    /// Opens the file again under its name: somebody else rotated it. A file that cannot be opened keeps being
    /// written under its old name.
    pub fn reopen(&mut self, now: Timestamp) {
        self.flush();
        let Some(path) = self.path.clone() else {
            return;
        };
        match open(Some(&path)) {
            Ok(store) => {
                self.outlet.replace(store);
                self.look(now);
            }
            Err(error) => self.warn(format!("{error}; the file of before is written on")),
        }
    }

    /// True, once, if a file was closed since the last call.
    pub fn take_closed(&mut self) -> bool {
        std::mem::take(&mut self.closed)
    }

    /// What the operator should be told since the last call.
    pub fn take_trouble(&mut self) -> Vec<Trouble> {
        std::mem::take(&mut self.trouble)
    }

    /// Notes size and time of the file that is open.
    fn look(&mut self, now: Timestamp) {
        let (size, modified) = self.outlet.store.state().unwrap_or((0, now));
        let Some(rotation) = self.rotation else {
            return;
        };
        self.size = size;
        self.period = rotation.period(if size > 0 { modified } else { now });
    }

    /// Gives the file its end as a name and begins a new one.
    fn rotate(&mut self, now: Timestamp) {
        let (Some(path), Some(rotation)) = (self.path.clone(), self.rotation) else {
            return;
        };
        if now < self.not_before {
            return;
        }
        // If the name is another file's by now, somebody else rotated: theirs is not ours to rename.
        let ours = std::fs::metadata(&path).is_ok_and(|m| self.outlet.store.is(&m));
        let renamed = match ours {
            true => std::fs::rename(&path, rotate::closed_name(&path, now)),
            false => Ok(()),
        };
        let opened = renamed
            .map_err(|e| format!("cannot be rotated: {e}"))
            .and_then(|()| open(Some(&path)).map_err(|e| e.to_string()));
        match opened {
            Ok(store) => {
                self.outlet.replace(store);
                self.look(now);
                self.period = rotation.period(now);
                self.closed |= ours;
            }
            Err(why) => {
                self.not_before = now.plus(ROTATE_AGAIN);
                self.warn(format!(
                    "{why}; the file of before is written on, let relaywatch write in its folder"
                ));
            }
        }
    }

    fn warn(&mut self, what: String) {
        let output = self.outlet.counters.name.clone();
        let warning = Trouble::Warning { output, what };
        if !self.trouble.contains(&warning) {
            self.trouble.push(warning);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.flush();
    }
}

fn open(path: Option<&Path>) -> Result<Box<dyn Store>, OpenError> {
    match path {
        // Not `io::stdout()`: it writes at every newline.
        None => match io::stdout().as_fd().try_clone_to_owned() {
            Ok(fd) => Ok(Box::new(Stream(File::from(fd)))),
            Err(error) => Err(OpenError::stdout(&error)),
        },
        Some(path) => open_file(path).map_err(|e| OpenError::file(path, &e)),
    }
}

fn open_file(path: &Path) -> io::Result<Box<dyn Store>> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o640);
    let regular = std::fs::metadata(path).map_or(true, |m| m.is_file());
    if !regular {
        // A device or a named pipe.
        return Ok(Box::new(Stream(options.open(path)?)));
    }
    let mut file = options.read(true).open(path)?;
    end_last_line(&mut file)?;
    Ok(Box::new(Regular(file)))
}

/// What every line of ours starts with.
const START: &[u8] = b"{\"timestamp\":\"";
/// Bytes at the end of a file that are searched for the last newline: more than a line has.
const TAIL: u64 = 4 * 1024 * 1024;

/// Removes the half line of ours that a crash or a power cut left at the end. What is not ours is ended
/// instead, so that our lines do not become part of it.
fn end_last_line(file: &mut File) -> io::Result<()> {
    let len = file.metadata()?.len();
    let from = len.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    let whole = memchr::memrchr(b'\n', &tail).map_or(0, |at| at + 1);
    let half = tail.get(whole..).unwrap_or_default();
    if half.is_empty() {
        return Ok(());
    }
    let compared = half.len().min(START.len());
    if half.get(..compared) == START.get(..compared) {
        file.set_len(from.saturating_add(whole as u64))
    } else {
        file.write_all(b"\n")
    }
}

/// Something that takes bytes and may be able to give the last of them back.
trait Store: fmt::Debug + Send {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Removes the last `bytes` that were written. False if that cannot be done.
    fn cut(&mut self, bytes: u64) -> bool;
    /// Bytes in it and when they were last changed, if it is a file.
    fn state(&self) -> Option<(u64, Timestamp)> {
        None
    }
    /// True if it is the file that `meta` is of.
    fn is(&self, _meta: &std::fs::Metadata) -> bool {
        false
    }
}

impl Store for Box<dyn Store> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (**self).write(bytes)
    }
    fn cut(&mut self, bytes: u64) -> bool {
        (**self).cut(bytes)
    }
    fn state(&self) -> Option<(u64, Timestamp)> {
        (**self).state()
    }
    fn is(&self, meta: &std::fs::Metadata) -> bool {
        (**self).is(meta)
    }
}

#[derive(Debug)]
struct Regular(File);

impl Store for Regular {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn cut(&mut self, bytes: u64) -> bool {
        // From the file's end as it is now: a rotation may have emptied it meanwhile.
        let len = self.0.metadata().map(|m| m.len());
        len.is_ok_and(|len| self.0.set_len(len.saturating_sub(bytes)).is_ok())
    }

    fn state(&self) -> Option<(u64, Timestamp)> {
        let meta = self.0.metadata().ok()?;
        let since = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some((meta.len(), Timestamp::ZERO.plus(since)))
    }

    fn is(&self, meta: &std::fs::Metadata) -> bool {
        let own = self.0.metadata();
        own.is_ok_and(|own| (own.dev(), own.ino()) == (meta.dev(), meta.ino()))
    }
}

/// A pipe, a terminal, a device: what went out is gone.
#[derive(Debug)]
struct Stream(File);

impl Store for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn cut(&mut self, _bytes: u64) -> bool {
        false
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Good,
    /// Loses lines, tried again at every flush. `since` is `lost` when it began.
    Failing {
        since: u64,
    },
    /// Never tried again.
    Closed,
}

/// One destination with what it has not written yet.
#[derive(Debug)]
struct Outlet<S> {
    counters: Arc<OutputCounters>,
    store: S,
    /// Whole lines, never over [`BUFFER_BYTES`] unless one line is longer.
    gathered: Vec<u8>,
    /// Where the alerts and incidents among them end.
    urgent: Vec<usize>,
    state: State,
}

impl<S: Store> Outlet<S> {
    fn new(counters: Arc<OutputCounters>, store: S) -> Self {
        Self {
            counters,
            store,
            gathered: Vec::new(),
            urgent: Vec::new(),
            state: State::Good,
        }
    }

    fn line(&mut self, line: &[u8], urgent: bool) {
        if self.state == State::Closed {
            self.counters.lose(1, u64::from(urgent));
            return;
        }
        self.gathered.extend_from_slice(line);
        if urgent {
            self.urgent.push(self.gathered.len());
        }
    }

    /// Writes what there is. Returns the bytes that are in the file now and were not before.
    fn flush(&mut self, trouble: &mut Vec<Trouble>) -> u64 {
        if self.gathered.is_empty() {
            return 0;
        }
        let (sent, outcome) = self.send();
        let whole = memchr::memrchr(b'\n', head(&self.gathered, sent)).map_or(0, |at| at + 1);
        let kept_half = sent > whole && !self.store.cut((sent - whole) as u64);

        let written = count_lines(head(&self.gathered, whole));
        let lost = count_lines(&self.gathered).saturating_sub(written);
        let lost_alerts = self.urgent.iter().filter(|end| **end > whole).count();
        let before = self.counters.lost.load(Relaxed);
        self.counters.sent.fetch_add(written, Relaxed);
        self.counters.lose(lost, lost_alerts as u64);
        self.gathered.clear();
        self.urgent.clear();

        let Err(error) = outcome else {
            if let State::Failing { since } = self.state {
                self.state = State::Good;
                self.counters.failing.store(false, Relaxed);
                trouble.push(Trouble::Recovered {
                    output: self.counters.name.clone(),
                    lost: before.saturating_sub(since),
                });
            }
            return whole as u64;
        };
        // After half a line on a pipe anything more would be read as part of it.
        let closed = kept_half || error.kind() == ErrorKind::BrokenPipe;
        let first = self.state == State::Good;
        self.state = match (closed, self.state) {
            (true, _) => State::Closed,
            (false, State::Good) => State::Failing { since: before },
            (false, state) => state,
        };
        self.counters.failing.store(true, Relaxed);
        if first || closed {
            trouble.push(Trouble::Failing {
                output: self.counters.name.clone(),
                cause: error.to_string(),
                closed,
            });
        }
        whole as u64
    }

    /// Writes until all is out or an error. Returns the bytes that are out.
    fn send(&mut self) -> (usize, io::Result<()>) {
        let mut sent = 0;
        while let Some(rest) = self.gathered.get(sent..).filter(|r| !r.is_empty()) {
            match self.store.write(rest) {
                Ok(0) => return (sent, Err(ErrorKind::WriteZero.into())),
                Ok(n) => sent = sent.saturating_add(n),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                // Somebody made our standard output non-blocking: wait as a blocking one would.
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(e) => return (sent, Err(e)),
            }
        }
        (sent, Ok(()))
    }
}

impl Outlet<Box<dyn Store>> {
    fn replace(&mut self, store: Box<dyn Store>) {
        self.store = store;
        if self.state == State::Closed {
            self.state = State::Failing {
                since: self.counters.lost.load(Relaxed),
            };
        }
    }
}

fn head(bytes: &[u8], len: usize) -> &[u8] {
    bytes.get(..len).unwrap_or(bytes)
}

fn count_lines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
