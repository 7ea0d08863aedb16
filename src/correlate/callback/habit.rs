//! Where a host authenticates as a matter of habit.

use std::time::Duration;

use crate::correlate::fair::Fair;
use crate::event::HabitRecord;
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;

/// Pairs of client and server, with the first time; bounded by client first.
#[derive(Debug)]
pub(super) struct Habits(Fair<(Addr, Addr), Timestamp>);

impl Default for Habits {
    fn default() -> Self {
        Self(Fair::new(
            limits::HABITS,
            Duration::from_secs(limits::HABIT_SECS),
        ))
    }
}

impl Habits {
    /// Holds at most so many.
    pub(super) fn limit(&mut self, most: usize) {
        self.0.limit(most);
    }

    /// True if the client never authenticated there before a connection that began at `since`.
    pub(super) fn is_new(&self, client: Addr, server: Addr, since: Timestamp) -> bool {
        let settled = Duration::from_secs(limits::CALLBACK_SECS);
        self.0
            .get(&(client, server))
            // A callback comes in several connections, all of them new.
            .is_none_or(|first| since.since(*first) <= settled)
    }

    /// The client authenticates there.
    pub(super) fn note(&mut self, client: Addr, server: Addr, now: Timestamp) {
        let key = (client, server);
        if self.0.get(&key).is_some() {
            self.0.renew(&key, now);
        } else {
            self.0.insert(client, key, now, now);
        }
    }

    /// Pairs that had to go although they were in use.
    pub(super) fn evicted(&self) -> u64 {
        self.0.evicted()
    }

    /// Pairs that gave way to newer ones of their client.
    pub(super) fn gave_way(&self) -> u64 {
        self.0.gave_way()
    }

    /// For the store.
    pub(super) fn records(&self) -> impl Iterator<Item = HabitRecord> {
        let all = self.0.iter();
        all.map(|((client, server), first, last)| HabitRecord {
            client: *client,
            server: *server,
            first: *first,
            last,
        })
    }

    /// From the store, oldest first.
    pub(super) fn restore(&mut self, record: &HabitRecord) {
        let key = (record.client, record.server);
        self.0.insert(record.client, key, record.first, record.last);
    }
}
