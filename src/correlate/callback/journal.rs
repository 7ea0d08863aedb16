//! Authentications of the last seconds, by client: bounded per client first, then in all.

use std::collections::VecDeque;
use std::time::Duration;

use super::Outgoing;
use crate::correlate::Map;
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;

/// Every authentication within the window. The oldest of the client gives way, then the oldest of all.
#[derive(Debug)]
pub(super) struct Journal {
    by_client: Map<Addr, VecDeque<(u64, Outgoing)>>,
    /// Their numbers in the order they came; those of a client that gave way are passed over.
    order: VecDeque<(u64, Timestamp, Addr)>,
    next: u64,
    held: usize,
    most: usize,
    evicted: u64,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            by_client: Map::default(),
            order: VecDeque::new(),
            next: 0,
            held: 0,
            most: limits::NAMED_ADDRESSES,
            evicted: 0,
        }
    }
}

impl Journal {
    /// Holds at most so many.
    pub(super) fn limit(&mut self, most: usize) {
        self.most = most;
    }

    /// Those of a client, the oldest first.
    pub(super) fn of(&self, client: Addr) -> impl Iterator<Item = &Outgoing> {
        let own = self.by_client.get(&client).into_iter().flatten();
        own.map(|(_, outgoing)| outgoing)
    }

    pub(super) fn push(&mut self, client: Addr, outgoing: Outgoing, now: Timestamp) {
        let own = self.by_client.entry(client).or_default();
        if own.len() >= limits::CALLBACKS_PER_HOST {
            own.pop_front();
            self.held -= 1;
        }
        own.push_back((self.next, outgoing));
        self.order.push_back((self.next, now, client));
        self.next += 1;
        self.held += 1;
        while self.held > self.most {
            self.evicted += u64::from(self.pop());
        }
        if self.order.len() > 64 + 2 * self.held {
            let all = &self.by_client;
            self.order.retain(|(number, _, client)| {
                let first = all.get(client).and_then(|own| own.front());
                first.is_some_and(|(oldest, _)| oldest <= number)
            });
        }
    }

    /// Forgets what is too old to be a callback.
    pub(super) fn forget(&mut self, now: Timestamp) {
        let window = Duration::from_secs(limits::CALLBACK_SECS);
        while (self.order.front()).is_some_and(|(_, at, _)| now.since(*at) > window) {
            self.pop();
        }
    }

    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Takes the first number; true if it still stood for something.
    fn pop(&mut self) -> bool {
        let Some((number, _, client)) = self.order.pop_front() else {
            return false;
        };
        let Some(own) = self.by_client.get_mut(&client) else {
            return false;
        };
        let there = own.front().is_some_and(|(oldest, _)| *oldest == number);
        if there {
            own.pop_front();
            self.held -= 1;
        }
        if own.is_empty() {
            self.by_client.remove(&client);
        }
        there
    }
}
