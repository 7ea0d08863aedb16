//! What each host did in the last seconds: bounded per host first, then in all.

use std::collections::VecDeque;
use std::time::Duration;

use crate::correlate::Map;
use crate::net::Addr;
use crate::time::Timestamp;

/// Everything within a window. The oldest of the host gives way, then the oldest of all.
#[derive(Debug)]
pub(super) struct Journal<T> {
    by_host: Map<Addr, VecDeque<(u64, T)>>,
    /// Their numbers in the order they came; those of a host that gave way are passed over.
    order: VecDeque<(u64, Timestamp, Addr)>,
    next: u64,
    held: usize,
    most: usize,
    each: usize,
    keep: Duration,
    evicted: u64,
    gave_way: u64,
}

impl<T> Journal<T> {
    /// At most so many in all, and so many of `each` host, for so long.
    pub(super) fn new(most: usize, each: usize, keep: Duration) -> Self {
        Self {
            by_host: Map::default(),
            order: VecDeque::new(),
            next: 0,
            held: 0,
            most,
            each,
            keep,
            evicted: 0,
            gave_way: 0,
        }
    }

    /// Holds at most so many.
    pub(super) fn limit(&mut self, most: usize) {
        self.most = most;
    }

    /// Those of a host, the oldest first.
    pub(super) fn of(&self, host: Addr) -> impl DoubleEndedIterator<Item = &T> {
        let own = self.by_host.get(&host).into_iter().flatten();
        own.map(|(_, one)| one)
    }

    pub(super) fn push(&mut self, host: Addr, one: T, now: Timestamp) {
        let own = self.by_host.entry(host).or_default();
        if own.len() >= self.each {
            own.pop_front();
            self.held -= 1;
            self.gave_way += 1;
        }
        own.push_back((self.next, one));
        self.order.push_back((self.next, now, host));
        self.next += 1;
        self.held += 1;
        while self.held > self.most {
            self.evicted += u64::from(self.pop());
        }
        if self.order.len() > 64 + 2 * self.held {
            let all = &self.by_host;
            self.order.retain(|(number, _, host)| {
                let first = all.get(host).and_then(|own| own.front());
                first.is_some_and(|(oldest, _)| oldest <= number)
            });
        }
    }

    /// Takes out those of a host that `which` says, the oldest first.
    pub(super) fn take(&mut self, host: Addr, which: impl Fn(&T) -> bool) -> Vec<T> {
        let Some(own) = self.by_host.get_mut(&host) else {
            return Vec::new();
        };
        if !own.iter().any(|(_, one)| which(one)) {
            return Vec::new();
        }
        let (mut taken, mut left) = (Vec::new(), VecDeque::new());
        for (number, one) in own.drain(..) {
            if which(&one) {
                taken.push(one);
            } else {
                left.push_back((number, one));
            }
        }
        self.held -= taken.len();
        if left.is_empty() {
            self.by_host.remove(&host);
        } else {
            *own = left;
        }
        taken
    }

    /// Forgets what is too old.
    pub(super) fn forget(&mut self, now: Timestamp) {
        while (self.order.front()).is_some_and(|(_, at, _)| now.since(*at) > self.keep) {
            self.pop();
        }
    }

    /// Those that had to go for another host's although they were not old.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Those that gave way to newer ones of their host.
    pub(super) fn gave_way(&self) -> u64 {
        self.gave_way
    }

    /// Takes the first number; true if it still stood for something.
    fn pop(&mut self) -> bool {
        let Some((number, _, host)) = self.order.pop_front() else {
            return false;
        };
        let Some(own) = self.by_host.get_mut(&host) else {
            return false;
        };
        let there = own.front().is_some_and(|(oldest, _)| *oldest == number);
        if there {
            own.pop_front();
            self.held -= 1;
        }
        if own.is_empty() {
            self.by_host.remove(&host);
        }
        there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::new(secs, 0)
    }

    #[test]
    fn the_host_gives_way_first_then_the_oldest_of_all() {
        let mut journal = Journal::new(4, 2, Duration::from_secs(10));
        let (loud, quiet) = (Addr::v4([10, 0, 0, 1]), Addr::v4([10, 0, 0, 2]));
        journal.push(quiet, 0, at(0));
        for n in 1..=5 {
            journal.push(loud, n, at(1));
        }
        assert_eq!(journal.of(loud).collect::<Vec<_>>(), [&4, &5]);
        assert_eq!((journal.of(quiet).count(), journal.gave_way()), (1, 3));
        assert_eq!(journal.take(loud, |n| *n == 4), [4]);
        assert_eq!((journal.held, journal.of(loud).next()), (2, Some(&5)));
        for n in 3..6 {
            journal.push(Addr::v4([10, 0, 0, n]), i32::from(n), at(2));
        }
        assert_eq!((journal.of(quiet).count(), journal.held), (0, 4));
        assert_eq!(journal.evicted(), 1);
        journal.forget(at(12));
        assert_eq!((journal.of(loud).count(), journal.held), (0, 3));
        journal.forget(at(13));
        assert_eq!((journal.held, journal.by_host.len()), (0, 0));
    }

    /// Taken from the middle again and again, it keeps no more numbers than it should, and forgets in order.
    #[test]
    fn what_was_taken_leaves_nothing_behind() {
        let mut journal = Journal::new(64, 8, Duration::from_secs(1_000));
        let host = Addr::v4([10, 0, 0, 1]);
        for n in 0..10_000_u64 {
            journal.push(host, n, at(n / 100));
            if n % 2 == 0 {
                assert_eq!(journal.take(host, |m| *m == n), [n]);
            }
        }
        assert_eq!(journal.of(host).count(), 8);
        assert!(journal.order.len() <= 64 + 2 * 8 + 1);
    }
}
