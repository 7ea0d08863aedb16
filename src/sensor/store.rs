//! What is known of hosts, kept across restarts in a file of one's own: `identity.redb` in the state directory.
//!
//! ```text
//! meta      version, since                        names     "name address" -> NameRecord
//! hosts     address       -> HostRecord           habits    "client server" -> HabitRecord
//! passers   "listener target" -> PasserRecord     posture   "kind host" -> Posture
//! ```
//!
//! Values are JSON. A copy of everything is laid over the tables in one transaction, and only rows that differ
//! are written, so a crash at any moment leaves the last copy or the one before. A file that cannot be read is
//! renamed and told, never fatal. No secret is in it: names, addresses and times.

use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Sender, TrySendError};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event::{HabitRecord, HostRecord, Knowledge, NameRecord, PasserRecord};
use crate::limits;
use crate::output::database::{self, Opened, SetAside, Trouble};
use crate::time::Timestamp;

type Table = TableDefinition<'static, &'static str, &'static [u8]>;

const META: Table = Table::new("meta");
const HOSTS: Table = Table::new("hosts");
const NAMES: Table = Table::new("names");
const HABITS: Table = Table::new("habits");
const PASSERS: Table = Table::new("passers");
const POSTURE: Table = Table::new("posture");
/// Of the records. Another one is set aside like a corrupt one.
const VERSION: &[u8] = b"1";
/// Bytes of cache; the file of a large network has some ten MiB.
const CACHE: usize = 4 * 1024 * 1024;

/// Why there is no store, with what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(String);

/// The open file.
#[derive(Debug)]
pub struct Store {
    db: Database,
    failed: AtomicU64,
}

impl Store {
    /// Opens or makes the store in `dir` and reads it. The text says what had to be set aside.
    ///
    /// # Errors
    /// If the directory or a new file in it cannot be made, or another relaywatch has it open.
    pub fn open(dir: &Path) -> Result<(Self, Option<String>), StoreError> {
        let fail = |what: &str, e: &dyn std::fmt::Display| {
            StoreError(format!(
                "{}: {what}: {e}; check --state, it takes a directory that relaywatch may write to",
                dir.display()
            ))
        };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|e| fail("cannot make the state directory", &e))?;
        let path = dir.join("identity.redb");
        match database::open(&path, CACHE, read) {
            Ok(Opened { db, set_aside, .. }) => {
                let said = set_aside.map(|SetAside { why, path: aside }| {
                    format!(
                        "{}: cannot be read ({why}); it is now {}, and learning begins anew",
                        path.display(),
                        aside.display()
                    )
                });
                Ok((Self::new(db), said))
            }
            Err(Trouble::Busy) => Err(StoreError(format!(
                "{}: another relaywatch uses it; give each its own --state",
                path.display()
            ))),
            Err(Trouble::Io(e)) => Err(fail("cannot open identity.redb", &e)),
            Err(Trouble::Corrupt(why)) => Err(fail("cannot make identity.redb", &why)),
        }
    }

    fn new(db: Database) -> Self {
        Self {
            db,
            failed: AtomicU64::new(0),
        }
    }

    /// What is kept.
    ///
    /// # Errors
    /// If it cannot be read any more.
    pub fn get(&self) -> Result<Knowledge, StoreError> {
        read(&self.db).map_err(|e| StoreError(format!("the state cannot be read: {e}")))
    }

    /// Makes `known` what is kept.
    ///
    /// # Errors
    /// If it cannot be written; what was kept before is still there.
    pub fn put(&self, known: &Knowledge) -> Result<(), StoreError> {
        self.write(known)
            .map_err(|e| StoreError(format!("the state could not be kept: {e}")))
    }

    /// Copies that could not be written.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    fn write(&self, known: &Knowledge) -> Result<(), redb::Error> {
        let tx = self.db.begin_write()?;
        {
            let mut meta = tx.open_table(META)?;
            meta.insert("version", VERSION)?;
            let since = known.since.map_or(0, |ts| ts.0).to_be_bytes();
            meta.insert("since", since.as_slice())?;
        }
        lay(
            &tx,
            HOSTS,
            known.hosts.iter().map(|h| (h.addr.to_string(), h)),
        )?;
        let name = |n: &NameRecord| format!("{} {}", n.name, n.addr);
        lay(&tx, NAMES, known.names.iter().map(|n| (name(n), n)))?;
        let pair = |h: &HabitRecord| format!("{} {}", h.client, h.server);
        lay(&tx, HABITS, known.habits.iter().map(|h| (pair(h), h)))?;
        let through = |p: &PasserRecord| format!("{} {}", p.listener, p.target);
        let passers = known.passers.iter();
        lay(&tx, PASSERS, passers.map(|p| (through(p), p)))?;
        let kind = |p: &crate::event::Posture| format!("{} {}", p.kind, p.host);
        lay(&tx, POSTURE, known.posture.iter().map(|p| (kind(p), p)))?;
        tx.commit()?;
        Ok(())
    }
}

/// Lays rows over a table: what differs is written, what is not among them goes.
fn lay<'a, T: Serialize + 'a>(
    tx: &redb::WriteTransaction,
    table: Table,
    rows: impl Iterator<Item = (String, &'a T)>,
) -> Result<(), redb::Error> {
    let mut table = tx.open_table(table)?;
    let mut all = BTreeMap::new();
    for (key, row) in rows {
        // Records have text keys and plain values only: this cannot fail.
        if let Ok(bytes) = serde_json::to_vec(row) {
            all.insert(key, bytes);
        }
    }
    table.retain(|key, _| all.contains_key(key))?;
    for (key, bytes) in &all {
        let same = table
            .get(key.as_str())?
            .is_some_and(|old| old.value() == bytes.as_slice());
        if !same {
            table.insert(key.as_str(), bytes.as_slice())?;
        }
    }
    Ok(())
}

fn read(db: &Database) -> Result<Knowledge, redb::Error> {
    let tx = db.begin_read()?;
    let meta = match tx.open_table(META) {
        Ok(meta) => meta,
        // Just made.
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Knowledge::default()),
        Err(e) => return Err(e.into()),
    };
    let version = meta.get("version")?;
    if version.is_none_or(|v| v.value() != VERSION) {
        return Err(redb::Error::Corrupted("of another version".to_owned()));
    }
    let since = meta
        .get("since")?
        .map(|v| v.value().try_into().map(u64::from_be_bytes));
    let since = match since {
        Some(Ok(0)) | None => None,
        Some(Ok(n)) => Some(Timestamp(n)),
        Some(Err(_)) => return Err(redb::Error::Corrupted("time of learning".to_owned())),
    };
    // Oldest first: the correlator forgets in this order.
    let mut hosts: Vec<HostRecord> = rows(&tx, HOSTS, limits::NAMED_ADDRESSES)?;
    hosts.sort_by_key(|h| (h.last, h.addr));
    let most = limits::NAMED_ADDRESSES * limits::NAMES_PER_ADDRESS;
    let mut names: Vec<NameRecord> = rows(&tx, NAMES, most)?;
    names.sort_by_key(|n| (n.last, n.addr));
    let mut habits: Vec<HabitRecord> = rows(&tx, HABITS, limits::HABITS)?;
    habits.sort_by_key(|h| (h.last, h.client, h.server));
    let mut passers: Vec<PasserRecord> = rows(&tx, PASSERS, limits::HABITS)?;
    passers.sort_by_key(|p| (p.last, p.listener, p.target));
    Ok(Knowledge {
        since,
        hosts,
        names,
        habits,
        passers,
        posture: rows(&tx, POSTURE, limits::POSTURES)?,
    })
}

fn rows<T: DeserializeOwned>(
    tx: &redb::ReadTransaction,
    table: Table,
    most: usize,
) -> Result<Vec<T>, redb::Error> {
    let table = match tx.open_table(table) {
        Ok(table) => table,
        // Of a version before there was such knowledge.
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        Err(e) => return Err(e.into()),
    };
    let mut all = Vec::new();
    for row in table.iter()?.take(most) {
        let (key, value) = row?;
        let row = serde_json::from_slice(value.value())
            .map_err(|e| redb::Error::Corrupted(format!("{}: {e}", key.value())))?;
        all.push(row);
    }
    Ok(all)
}

/// Hands copies to a thread that writes them, so that the correlator never waits for a disk.
#[derive(Debug)]
pub(super) struct Keeper {
    copies: Option<Sender<Knowledge>>,
    thread: Option<JoinHandle<()>>,
    next: Option<Timestamp>,
}

impl Keeper {
    pub(super) fn new(store: Option<Arc<Store>>) -> Self {
        let mut keeper = Self {
            copies: None,
            thread: None,
            next: None,
        };
        if let Some(store) = store {
            let (tx, rx) = crossbeam_channel::bounded::<Knowledge>(1);
            let work = move || {
                for known in rx {
                    if store.put(&known).is_err() {
                        store.failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            };
            let thread = std::thread::Builder::new()
                .name("store".to_owned())
                .spawn(work);
            // Without a thread nothing is kept; the run itself is worth more.
            keeper.thread = thread.ok();
            keeper.copies = keeper.thread.is_some().then_some(tx);
        }
        keeper
    }

    /// True when it is time for a copy.
    pub(super) fn is_due(&mut self, now: Timestamp, last: bool) -> bool {
        if self.copies.is_none() {
            return false;
        }
        let step = Duration::from_secs(limits::STORE_SECS);
        let next = *self.next.get_or_insert(now.plus(step));
        if now >= next {
            self.next = Some(now.plus(step));
            return true;
        }
        last
    }

    /// Takes a copy. A disk that is slower than a minute a copy loses some, never the last.
    pub(super) fn put(&mut self, known: Knowledge, last: bool) {
        let Some(copies) = &self.copies else {
            return;
        };
        if last {
            let _ = copies.send(known);
            self.copies = None;
            if let Some(thread) = self.thread.take() {
                let _ = thread.join();
            }
        } else if let Err(TrySendError::Disconnected(_)) = copies.try_send(known) {
            self.copies = None;
        }
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
