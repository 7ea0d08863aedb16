//! Lines on their way from the correlator to the thread of one output.
//!
//! Bounded in bytes. Live, nobody waits: what has no room is lost and counted, protocol events first; alerts and
//! incidents may take as much again. In replay the correlator waits, unless the output takes nothing at all.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::counters::OutputCounters;
use super::lines::Lines;
use super::types::EventTypes;

/// How often a replay that waits looks whether it still should.
const LOOK: Duration = Duration::from_millis(100);

/// The queue in front of one output.
#[derive(Debug)]
pub struct Mailbox {
    inbox: Mutex<Inbox>,
    filled: Condvar,
    room: Condvar,
    /// Bytes.
    limit: usize,
    /// Set while a reopen is asked for.
    reopen: AtomicBool,
}

#[derive(Debug, Default)]
struct Inbox {
    lines: Lines,
    closed: bool,
}

/// What the output's thread is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Files should be opened again.
    pub reopen: bool,
    /// Nothing more will come.
    pub closed: bool,
}

impl Mailbox {
    /// One that holds `limit` bytes, and alerts and incidents up to twice that.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            inbox: Mutex::default(),
            filled: Condvar::new(),
            room: Condvar::new(),
            limit,
            reopen: AtomicBool::new(false),
        }
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        // Nothing in here panics halfway, so what a poisoned lock guards is whole.
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the lines of the selected types in. `wait` for room, or lose what has none.
    pub fn put(&self, lines: &Lines, select: EventTypes, wait: bool, counters: &OutputCounters) {
        let mut inbox = self.inbox();
        while wait && inbox.lines.bytes().len() >= self.limit && !counters.failing.load(Relaxed) {
            let waited = self.room.wait_timeout(inbox, LOOK);
            inbox = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let room = wait && !counters.failing.load(Relaxed);
        if lines.all_of(select) && (room || inbox.lines.bytes().len() < self.limit) {
            inbox.lines.append_all(lines);
        } else {
            for (kind, line) in lines.iter().filter(|(kind, _)| select.has(*kind)) {
                let urgent = kind.is_urgent();
                let limit = self.limit.saturating_mul(if urgent { 2 } else { 1 });
                if room || inbox.lines.bytes().len() < limit {
                    inbox.lines.add(kind, line);
                } else {
                    counters.lose(1, u64::from(urgent));
                }
            }
        }
        if !inbox.lines.is_empty() {
            self.filled.notify_one();
        }
    }

    /// Takes all there is into `into`, which must be empty. Waits at most `at_most` for something to do.
    pub fn take(&self, into: &mut Lines, at_most: Duration) -> Told {
        let mut inbox = self.inbox();
        if inbox.lines.is_empty() && !inbox.closed && !self.reopen.load(Relaxed) {
            let waited = self.filled.wait_timeout(inbox, at_most);
            inbox = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        std::mem::swap(&mut inbox.lines, into);
        self.room.notify_all();
        Told {
            reopen: self.reopen.swap(false, Relaxed),
            closed: inbox.closed,
        }
    }

    /// Says that nothing more will come.
    pub fn close(&self) {
        self.inbox().closed = true;
        self.filled.notify_all();
    }

    /// Asks for files to be opened again.
    pub fn reopen(&self) {
        // Under the lock, so that it does not fall between a look and a wait.
        let _inbox = self.inbox();
        self.reopen.store(true, Relaxed);
        self.filled.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::EventType;

    fn lines(kind: EventType, n: usize) -> Lines {
        let mut lines = Lines::default();
        (0..n).for_each(|_| lines.push(kind, &[b'x'; 9]));
        lines
    }

    #[test]
    fn without_room_protocol_events_are_lost_before_alerts() {
        let counters = OutputCounters::new("a", "file");
        let mailbox = Mailbox::new(100);
        let all = EventTypes::ALL;
        mailbox.put(&lines(EventType::Dns, 10), all, false, &counters);
        mailbox.put(&lines(EventType::Dns, 5), all, false, &counters);
        assert_eq!(counters.lost.load(Relaxed), 5);
        mailbox.put(&lines(EventType::Alert, 12), all, false, &counters);
        assert_eq!(counters.lost.load(Relaxed), 7);
        assert_eq!(counters.lost_alerts.load(Relaxed), 2);
        let mut got = Lines::default();
        let told = mailbox.take(&mut got, Duration::ZERO);
        assert_eq!((got.len(), told.closed, told.reopen), (20, false, false));
    }

    #[test]
    fn only_what_is_selected_goes_in() {
        let counters = OutputCounters::default();
        let mailbox = Mailbox::new(100);
        let mut both = lines(EventType::Dns, 1);
        both.push(EventType::Alert, b"{}");
        mailbox.put(&both, "alert".parse().unwrap(), true, &counters);
        mailbox.put(&lines(EventType::Dns, 1), EventTypes::NONE, true, &counters);
        mailbox.reopen();
        mailbox.close();
        let mut got = Lines::default();
        let told = mailbox.take(&mut got, Duration::from_secs(60));
        assert_eq!(
            (got.bytes(), told.closed, told.reopen),
            (&b"{}\n"[..], true, true)
        );
        assert!(!mailbox.take(&mut Lines::default(), Duration::ZERO).reopen);
    }

    #[test]
    fn a_replay_waits_for_room_but_not_for_an_output_that_takes_nothing() {
        let counters = OutputCounters::default();
        let mailbox = Mailbox::new(10);
        let dns = lines(EventType::Dns, 1);
        mailbox.put(&dns, EventTypes::ALL, true, &counters);
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| mailbox.put(&dns, EventTypes::ALL, true, &counters));
            let mut got = Lines::default();
            while got.is_empty() {
                mailbox.take(&mut got, Duration::from_millis(50));
            }
            waits.join().unwrap();
        });
        counters.failing.store(true, Relaxed);
        mailbox.put(&dns, EventTypes::ALL, true, &counters);
        assert_eq!(counters.lost.load(Relaxed), 1);
    }
}
