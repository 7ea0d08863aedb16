//! Lines that wait for a receiver: in a file of one's own that survives a crash, or in memory.
//!
//! ```text
//! lines   (class, number) -> (event type, line)      class 0: alerts and incidents, class 1: the rest
//! ```
//!
//! Both are a redb database, of a file or of memory, so there is one way of doing things. Numbers grow by one within a
//! class; a class is sent in that order. A line is removed when its receiver has it, in the transaction that takes in
//! the next lines: after a crash at any moment the lines that were not confirmed are there, whole, and at most the last
//! confirmed ones are sent twice. Beyond the limit the oldest of class 1 go first, then the oldest alerts.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redb::backends::InMemoryBackend;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::database::{self, Trouble};
use super::lines::Lines;
use super::types::EventType;

type Key = (u8, u64);
type Value = (&'static str, &'static [u8]);
const LINES: TableDefinition<'static, Key, Value> = TableDefinition::new("lines");

/// Bytes of redb's cache.
const CACHE: usize = 2 * 1024 * 1024;
/// Bytes that a line takes beside its own: key, type, and its share of a page.
const OVERHEAD: u64 = 64;

/// Alerts and incidents.
pub const URGENT: usize = 0;
/// Everything else.
pub const REST: usize = 1;

/// Some lines of one class, in order.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// [`URGENT`] or [`REST`].
    pub class: usize,
    /// Number of the last line.
    pub last: u64,
    /// Lines without their newline.
    pub lines: Vec<(EventType, Vec<u8>)>,
}

/// Lines given up because there was no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// All of them.
    pub lines: u64,
    /// Alerts and incidents among them.
    pub alerts: u64,
}

/// What waits for one output.
#[derive(Debug)]
pub struct Spool {
    /// Where, if it is on disk.
    path: Option<PathBuf>,
    /// Bytes of lines, with what redb adds.
    limit: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    db: Database,
    on_disk: bool,
    classes: [Class; 2],
    /// What the operator should know of a file that was no spool.
    set_aside: Option<String>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Class {
    /// Number of the next line.
    next: u64,
    /// Lines up to this number have arrived.
    confirmed: u64,
    /// Bytes of all lines in the table.
    bytes: u64,
}

impl Class {
    /// Lines that have not arrived: numbers have no gaps.
    fn lines(&self) -> u64 {
        self.next.saturating_sub(1).saturating_sub(self.confirmed)
    }
}

/// What an earlier run left, by class.
fn classes(db: &Database) -> Result<[Class; 2], redb::Error> {
    let mut classes = [Class::default(); 2];
    let write = db.begin_write()?;
    {
        let table = write.open_table(LINES)?;
        for entry in table.iter()? {
            let (key, value) = entry?;
            let (class, number) = key.value();
            if let Some(class) = classes.get_mut(usize::from(class)) {
                if class.next == 0 {
                    class.confirmed = number.saturating_sub(1);
                }
                class.next = number;
                class.bytes += cost(value.value().1);
            }
        }
    }
    write.commit()?;
    for class in &mut classes {
        class.next += 1;
    }
    Ok(classes)
}

/// Any of redb's errors, as text.
fn text(error: impl Into<redb::Error>) -> String {
    error.into().to_string()
}

impl Spool {
    /// A queue in memory of at most `limit` bytes of lines.
    ///
    /// # Errors
    /// If memory cannot be had.
    pub fn memory(limit: u64) -> Result<Self, String> {
        let db = Database::builder()
            .set_cache_size(CACHE)
            .create_with_backend(InMemoryBackend::new())
            .map_err(text)?;
        let classes = classes(&db).map_err(text)?;
        Ok(Self::with(db, classes, None, limit))
    }

    /// A queue in `folder`/`name`.redb, with what an earlier run left there.
    ///
    /// # Errors
    /// If the folder or the file cannot be made or read, or another relaywatch has it open. Says what to do. A file that
    /// can be read and is no spool is set aside, never fatal: the sensor must run. The first [`Spool::put`] says so.
    pub fn open(folder: &Path, name: &str, limit: u64) -> Result<Self, String> {
        let cannot = |e: std::io::Error| {
            format!(
                "spool {}: {e}; let relaywatch write there, or choose another folder",
                folder.display()
            )
        };
        let mut builder = std::fs::DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(cannot)?;
        let path = folder.join(file_name(name));
        let opened = match database::open(&path, CACHE, classes) {
            Ok(opened) => opened,
            Err(Trouble::Busy) => {
                return Err(format!(
                    "spool {}: another relaywatch uses it, give each its own folder",
                    path.display()
                ));
            }
            Err(Trouble::Io(e)) => return Err(cannot(e)),
            Err(Trouble::Corrupt(why)) => return Err(format!("spool {}: {why}", path.display())),
        };
        let spool = Self::with(opened.db, opened.content, Some(path), limit);
        spool.state().set_aside = opened.set_aside.map(|aside| {
            format!(
                "spool {}: {}; what waited in it is now {} and not sent",
                folder.display(),
                aside.why,
                aside.path.display()
            )
        });
        Ok(spool)
    }

    fn with(db: Database, classes: [Class; 2], path: Option<PathBuf>, limit: u64) -> Self {
        let state = State {
            db,
            on_disk: path.is_some(),
            classes,
            set_aside: None,
        };
        Self {
            path,
            limit,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What a poisoned lock guards is a database, which is whole at any moment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes lines in and removes what has arrived. When this returns the lines are on disk, if the spool is.
    ///
    /// # Errors
    /// If the disk fails: then these lines, and those to come, are kept in memory, and it is said once.
    pub fn put(&self, lines: &Lines) -> (Dropped, Option<String>) {
        let mut state = self.state();
        let done = state.put(lines, self.limit);
        let result = match done {
            Ok(dropped) => (dropped, state.set_aside.take()),
            Err(why) => {
                let place = self.path.as_deref().unwrap_or(Path::new("memory"));
                let said = format!(
                    "spool {}: {why}; lines are kept in memory until the next start, look at that disk",
                    place.display()
                );
                match state
                    .fall_back()
                    .and_then(|()| state.put(lines, self.limit))
                {
                    Ok(dropped) => (dropped, Some(said)),
                    Err(_) => (lost(lines), Some(said)),
                }
            }
        };
        drop(state);
        self.changed.notify_all();
        result
    }

    /// The next lines of `class` after number `after`: at most so many, and about so many bytes.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn batch(
        &self,
        class: usize,
        after: u64,
        lines: usize,
        bytes: usize,
    ) -> Result<Batch, String> {
        let state = self.state();
        let of = state.classes.get(class).copied().unwrap_or_default();
        let mut batch = Batch {
            class,
            last: after.max(of.confirmed),
            lines: Vec::new(),
        };
        if batch.last + 1 >= of.next {
            return Ok(batch);
        }
        // Reading does not hold up those who write.
        let read = state.db.begin_read().map_err(text)?;
        drop(state);
        let table = read.open_table(LINES).map_err(text)?;
        let key = u8::try_from(class).unwrap_or(u8::MAX);
        let mut taken = 0usize;
        for entry in table
            .range((key, batch.last + 1)..(key + 1, 0))
            .map_err(text)?
        {
            let (key, value) = entry.map_err(text)?;
            let (kind, line) = value.value();
            if batch.lines.len() >= lines || taken > 0 && taken + line.len() > bytes {
                break;
            }
            taken += line.len();
            batch.last = key.value().1;
            let kind = EventType::ALL.into_iter().find(|t| t.name() == kind);
            batch
                .lines
                .push((kind.unwrap_or(EventType::Alert), line.to_vec()));
        }
        Ok(batch)
    }

    /// Lines of `class` up to number `last` have arrived. Returns how many that are more than before.
    pub fn confirm(&self, class: usize, last: u64) -> u64 {
        let mut state = self.state();
        let Some(class) = state.classes.get_mut(class) else {
            return 0;
        };
        let before = class.confirmed;
        class.confirmed = before.max(last);
        let more = class.confirmed - before;
        drop(state);
        self.changed.notify_all();
        more
    }

    /// Numbers up to which lines have arrived, by class.
    #[must_use]
    pub fn confirmed(&self) -> [u64; 2] {
        self.state().classes.map(|class| class.confirmed)
    }

    /// Lines that have not arrived.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.state().classes.iter().map(Class::lines).sum()
    }

    /// Alerts and incidents that have not arrived.
    #[must_use]
    pub fn waiting_alerts(&self) -> u64 {
        self.state().classes[URGENT].lines()
    }

    /// True if it is on disk and survives a crash.
    #[must_use]
    pub fn on_disk(&self) -> bool {
        self.state().on_disk
    }

    /// True if more lines would push others out.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let bytes: u64 = self.state().classes.iter().map(|class| class.bytes).sum();
        bytes >= self.limit / 10 * 9
    }

    /// Waits until something changes, at most so long.
    pub fn wait(&self, at_most: Duration) {
        let state = self.state();
        // Woken early or not, the caller looks again.
        drop(self.changed.wait_timeout(state, at_most));
    }
}

impl State {
    fn put(&mut self, lines: &Lines, limit: u64) -> Result<Dropped, String> {
        let mut classes = self.classes;
        let mut dropped = Dropped::default();
        let write = self.db.begin_write().map_err(text)?;
        {
            let mut table = write.open_table(LINES).map_err(text)?;
            for (key, class) in (0u8..).zip(&mut classes) {
                let gone = (key, 0)..=(key, class.confirmed);
                let arrived = table.extract_from_if(gone, |_, _| true).map_err(text)?;
                for entry in arrived {
                    let (_, value) = entry.map_err(text)?;
                    class.bytes = class.bytes.saturating_sub(cost(value.value().1));
                }
            }
            for (kind, line) in lines.iter() {
                let urgent = kind.is_urgent();
                let (key, class) = if urgent { (0u8, URGENT) } else { (1, REST) };
                let line = line.strip_suffix(b"\n").unwrap_or(line);
                let class = &mut classes[class];
                table
                    .insert((key, class.next), (kind.name(), line))
                    .map_err(text)?;
                class.next += 1;
                class.bytes += cost(line);
            }
            // The oldest of the rest first, alerts only when there is nothing else.
            for (key, class) in [(1u8, REST), (0, URGENT)] {
                while classes.iter().map(|c| c.bytes).sum::<u64>() > limit {
                    let first = {
                        let mut all = table.range((key, 0)..(key + 1, 0)).map_err(text)?;
                        match all.next() {
                            Some(entry) => {
                                let (key, value) = entry.map_err(text)?;
                                Some((key.value(), cost(value.value().1)))
                            }
                            None => None,
                        }
                    };
                    let Some((number, bytes)) = first else { break };
                    table.remove(number).map_err(text)?;
                    let class = &mut classes[class];
                    class.bytes = class.bytes.saturating_sub(bytes);
                    class.confirmed = class.confirmed.max(number.1);
                    dropped.lines += 1;
                    dropped.alerts += u64::from(key == 0);
                }
            }
        }
        write.commit().map_err(text)?;
        self.classes = classes;
        Ok(dropped)
    }

    /// Goes on in memory. What is on disk stays there for the next start.
    fn fall_back(&mut self) -> Result<(), String> {
        self.db = Database::builder()
            .set_cache_size(CACHE)
            .create_with_backend(InMemoryBackend::new())
            .map_err(text)?;
        self.on_disk = false;
        for class in &mut self.classes {
            class.confirmed = class.next.saturating_sub(1);
            class.bytes = 0;
        }
        Ok(())
    }
}

fn cost(line: &[u8]) -> u64 {
    line.len() as u64 + OVERHEAD
}

fn lost(lines: &Lines) -> Dropped {
    let alerts = lines.iter().filter(|(kind, _)| kind.is_urgent()).count();
    Dropped {
        lines: lines.len() as u64,
        alerts: alerts as u64,
    }
}

/// The output's name as a file's.
fn file_name(name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_".contains(c) {
            c
        } else {
            '_'
        }
    };
    format!("{}.redb", name.chars().map(plain).collect::<String>())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn lines(kind: EventType, from: u64, count: u64) -> Lines {
        let mut lines = Lines::default();
        for n in from..from + count {
            lines.push(kind, format!("{{\"n\":{n}}}").as_bytes());
        }
        lines
    }

    fn told(batch: &Batch) -> Vec<String> {
        let text = |(_, line): &(EventType, Vec<u8>)| String::from_utf8(line.clone()).unwrap();
        batch.lines.iter().map(text).collect()
    }

    #[test]
    fn what_was_not_confirmed_is_there_after_a_restart_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), "a b/c", 1 << 20).unwrap();
        assert_eq!(
            spool.put(&lines(EventType::Dns, 0, 3)),
            (Dropped::default(), None)
        );
        let _ = spool.put(&lines(EventType::Alert, 10, 3));
        let first = spool.batch(URGENT, 0, 2, 1 << 20).unwrap();
        assert_eq!(
            (first.last, told(&first)),
            (2, vec![r#"{"n":10}"#.to_owned(), r#"{"n":11}"#.to_owned()])
        );
        assert_eq!(spool.confirm(URGENT, first.last), 2);
        assert_eq!(spool.waiting(), 4);
        let second = Spool::open(dir.path(), "a b/c", 1).unwrap_err();
        assert!(second.contains("another relaywatch uses it"), "{second}");
        // Confirmed, but not yet removed when the crash came: sent twice, never lost.
        drop(spool);
        let spool = Spool::open(dir.path(), "a b/c", 1 << 20).unwrap();
        assert_eq!((spool.waiting(), spool.waiting_alerts()), (6, 3));
        spool.confirm(URGENT, 2);
        let _ = spool.put(&Lines::default());
        drop(spool);
        let spool = Spool::open(dir.path(), "a b/c", 1 << 20).unwrap();
        let left = spool.batch(URGENT, 0, 9, 1 << 20).unwrap();
        assert_eq!(told(&left), [r#"{"n":12}"#]);
        assert_eq!(left.lines[0].0, EventType::Alert);
        let rest = spool.batch(REST, 1, 9, 1).unwrap();
        assert_eq!((rest.last, told(&rest)), (2, vec![r#"{"n":1}"#.to_owned()]));
        // Numbers go on where they were.
        let _ = spool.put(&lines(EventType::Incident, 13, 1));
        assert_eq!(spool.batch(URGENT, 3, 9, 99).unwrap().last, 4);
        let mode = std::fs::metadata(dir.path().join("a_b_c.redb")).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn without_room_the_oldest_protocol_events_go_first_and_alerts_last() {
        let spool = Spool::memory(10 * 72).unwrap();
        let _ = spool.put(&lines(EventType::Alert, 0, 4));
        let (dropped, _) = spool.put(&lines(EventType::Dns, 0, 9));
        assert_eq!(
            dropped,
            Dropped {
                lines: 3,
                alerts: 0
            }
        );
        assert_eq!(told(&spool.batch(REST, 0, 1, 99).unwrap()), [r#"{"n":3}"#]);
        assert!(spool.is_full());
        let (dropped, _) = spool.put(&lines(EventType::Alert, 4, 8));
        assert_eq!(
            dropped,
            Dropped {
                lines: 8,
                alerts: 2
            }
        );
        assert_eq!((spool.waiting(), spool.waiting_alerts()), (10, 10));
        assert_eq!(
            told(&spool.batch(URGENT, 0, 1, 99).unwrap()),
            [r#"{"n":2}"#]
        );
        assert!(!spool.on_disk());
    }

    #[test]
    fn a_file_that_is_no_spool_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("x.redb"), vec![7u8; 9000]).unwrap();
        let spool = Spool::open(dir.path(), "x", 1 << 20).unwrap();
        let (_, said) = spool.put(&lines(EventType::Alert, 0, 1));
        assert!(said.is_some_and(|s| s.contains("x.redb.corrupt and not sent")));
        assert_eq!(spool.put(&lines(EventType::Alert, 1, 1)).1, None);
        assert_eq!(spool.waiting(), 2);
        drop(spool);
        // What was set aside before stays.
        std::fs::write(dir.path().join("x.redb"), vec![8u8; 9000]).unwrap();
        Spool::open(dir.path(), "x", 1 << 20).unwrap();
        for (name, byte) in [("x.redb.corrupt", 7), ("x.redb.corrupt.1", 8)] {
            assert_eq!(std::fs::read(dir.path().join(name)).unwrap(), [byte; 9000]);
        }
    }

    /// The file may be larger than its limit says, but not without bound.
    #[test]
    fn the_file_stays_near_its_limit_however_long_nobody_takes_anything() {
        let dir = tempfile::tempdir().unwrap();
        let limit = 4 << 20;
        let spool = Spool::open(dir.path(), "x", limit).unwrap();
        let mut some = Lines::default();
        (0..2000).for_each(|_| some.push(EventType::Dns, &[b'x'; 700]));
        let mut dropped = 0;
        for _ in 0..20 {
            dropped += spool.put(&some).0.lines;
        }
        assert!(dropped > 30_000, "{dropped}");
        let size = std::fs::metadata(dir.path().join("x.redb")).unwrap().len();
        assert!(size < 5 * limit, "{size}");
    }
}
