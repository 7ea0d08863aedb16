//! What a running sensor shows of itself: that its threads move, what it counted, what it knows.
//!
//! Nothing here is in a packet's way. A thread counts its own batches in a number of its own; the
//! correlator, which hears every counter anyway, leaves a [`Snapshot`] once a second and never waits for a reader.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::stats::{now, wall_clock};
use crate::event::{Knowledge, Level, SensorRecord, StatsRecord};
use crate::time::Timestamp;

/// Between two snapshots.
const EVERY: Duration = Duration::from_secs(1);

/// Seconds of a day, for "today".
const DAY: u64 = 24 * 60 * 60;

/// What a running sensor shows of itself. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Health {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Somebody may ask. Otherwise nothing is gathered.
    watched: bool,
    threads: Mutex<Vec<(String, Beat)>>,
    latest: Mutex<Option<Arc<Snapshot>>>,
    dump_wanted: AtomicBool,
    dump: Mutex<Option<Dump>>,
}

/// One thread's mark that it goes round.
#[derive(Clone, Debug, Default)]
pub struct Beat(Arc<AtomicU64>);

impl Beat {
    /// Once a batch, or once a wait that brought nothing.
    pub fn beat(&self) {
        // Only this thread writes, so no locked instruction is needed.
        let next = self.0.load(Ordering::Relaxed).wrapping_add(1);
        self.0.store(next, Ordering::Relaxed);
    }
}

/// Every counter at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The sensor's time: that of the newest packet, or of the clock while nothing comes.
    pub ts: Timestamp,
    /// Time of the newest packet.
    pub last_packet: Option<Timestamp>,
    /// Counters that Suricata has names for.
    pub stats: StatsRecord,
    /// The others.
    pub sensor: SensorRecord,
    /// Alerts, as told.
    pub told: Told,
}

/// Alerts that were written.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// By level, since the start.
    pub all: BTreeMap<Level, u64>,
    /// By level, since midnight UTC.
    pub today: BTreeMap<Level, u64>,
    /// The newest.
    pub last: Option<LastAlert>,
    day: u64,
}

/// What is remembered of an alert.
#[derive(Clone, Debug)]
pub struct LastAlert {
    /// Time of its packet.
    pub ts: Timestamp,
    /// Its level.
    pub level: Level,
    /// Title of its rule, and who.
    pub title: String,
}

impl Told {
    pub(super) fn alert(&mut self, ts: Timestamp, level: Level, title: String) {
        self.turn(ts);
        *self.all.entry(level).or_default() += 1;
        *self.today.entry(level).or_default() += 1;
        self.last = Some(LastAlert { ts, level, title });
    }

    /// Begins a new day when there is one.
    pub(super) fn turn(&mut self, now: Timestamp) {
        let day = now.secs() / DAY;
        if day > self.day {
            self.day = day;
            self.today.clear();
        }
    }
}

/// What the correlator knows, for somebody who asks why it said what it said.
#[derive(Clone, Debug, Default)]
pub struct Dump {
    /// When.
    pub ts: Timestamp,
    /// Hosts, names, habits and weaknesses.
    pub known: Knowledge,
    /// Open incidents as EVE lines.
    pub incidents: Vec<u8>,
}

impl Health {
    /// One that somebody may ask.
    #[must_use]
    pub fn watched() -> Self {
        Self {
            inner: Arc::new(Inner {
                watched: true,
                ..Inner::default()
            }),
        }
    }

    /// The mark of the thread `name`. A thread of a later run takes its place.
    #[must_use]
    pub fn thread(&self, name: &str) -> Beat {
        let mut threads = lock(&self.inner.threads);
        let beat = Beat::default();
        threads.retain(|(n, _)| n != name);
        threads.push((name.to_owned(), beat.clone()));
        beat
    }

    /// Every thread and how often it went round. A number that stays is a thread that hangs.
    #[must_use]
    pub fn beats(&self) -> Vec<(String, u64)> {
        let count = |(name, beat): &(String, Beat)| (name.clone(), beat.0.load(Ordering::Relaxed));
        lock(&self.inner.threads).iter().map(count).collect()
    }

    /// Leaves a snapshot if a second has gone by since `last`.
    pub(super) fn publish(&self, last: &mut Option<Instant>, make: impl FnOnce() -> Snapshot) {
        if !self.inner.watched {
            return;
        }
        let now = now();
        if last.is_some_and(|at| now.duration_since(at) < EVERY) {
            return;
        }
        // A reader holds it for the copy of a pointer; if it does so now, the next round comes soon.
        if let Ok(mut latest) = self.inner.latest.try_lock() {
            *latest = Some(Arc::new(make()));
            *last = Some(now);
        }
    }

    /// The newest snapshot, at most about a second old while the sensor moves.
    #[must_use]
    pub fn latest(&self) -> Option<Arc<Snapshot>> {
        lock(&self.inner.latest).clone()
    }

    /// Asks for a dump; [`Health::dumped`] has it after the correlator's next round.
    pub fn ask_dump(&self) {
        lock(&self.inner.dump).take();
        self.inner.dump_wanted.store(true, Ordering::Release);
    }

    /// The dump that was asked for, once it is there.
    #[must_use]
    pub fn dumped(&self) -> Option<Dump> {
        lock(&self.inner.dump).take()
    }

    /// Makes the dump that somebody asked for.
    pub(super) fn dump(&self, make: impl FnOnce() -> Dump) {
        // The plain load is all that a round without a question costs.
        if self.inner.dump_wanted.load(Ordering::Relaxed)
            && self.inner.dump_wanted.swap(false, Ordering::Acquire)
        {
            *lock(&self.inner.dump) = Some(make());
        }
    }
}

/// The clocks, for those who show time to people: monotonic, and of the day.
#[must_use]
pub fn clocks() -> (Instant, Timestamp) {
    (now(), wall_clock())
}

fn lock<T>(what: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn today_ends_at_midnight_and_the_sum_does_not() {
        let mut told = Told::default();
        // 2023-11-14T22:13:20Z, and the next day.
        told.alert(
            Timestamp::new(1_700_000_000, 0),
            Level::High,
            "a".to_owned(),
        );
        told.alert(Timestamp::new(1_700_006_399, 0), Level::Low, "b".to_owned());
        assert_eq!(told.today.values().sum::<u64>(), 2);
        told.turn(Timestamp::new(1_700_006_400, 0));
        assert!(told.today.is_empty());
        told.alert(
            Timestamp::new(1_700_006_401, 0),
            Level::High,
            "c".to_owned(),
        );
        assert_eq!(told.today, BTreeMap::from([(Level::High, 1)]));
        assert_eq!(
            told.all,
            BTreeMap::from([(Level::High, 2), (Level::Low, 1)])
        );
        assert_eq!(told.last.map(|l| l.title).as_deref(), Some("c"));
    }

    #[test]
    fn snapshots_are_made_once_a_second_and_only_for_somebody() {
        let (mut last, mut made) = (None, 0);
        let mut publish = |health: &Health, last: &mut Option<Instant>| {
            health.publish(last, || {
                made += 1;
                Snapshot::default()
            });
        };
        let nobody = Health::default();
        publish(&nobody, &mut last);
        assert!(nobody.latest().is_none());
        let health = Health::watched();
        publish(&health, &mut last);
        publish(&health, &mut last);
        assert!(health.latest().is_some());
        let mut long_ago = Some(now() - EVERY);
        publish(&health, &mut long_ago);
        assert_eq!(made, 2);
    }

    #[test]
    fn a_dump_is_made_when_it_is_asked_for() {
        let health = Health::watched();
        health.dump(|| panic!("nobody asked"));
        health.ask_dump();
        assert!(health.dumped().is_none());
        health.dump(Dump::default);
        health.dump(|| panic!("once is enough"));
        assert!(health.dumped().is_some() && health.dumped().is_none());
    }

    #[test]
    fn a_thread_of_a_later_run_takes_the_place_of_the_earlier() {
        let health = Health::watched();
        health.thread("worker-0").beat();
        let beat = health.thread("worker-0");
        beat.beat();
        beat.beat();
        assert_eq!(health.beats(), [("worker-0".to_owned(), 2)]);
    }
}
