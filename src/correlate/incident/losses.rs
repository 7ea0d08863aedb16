//! How much state limits evicted, and when.

use std::collections::VecDeque;
use std::time::Duration;

use crate::limits;
use crate::time::Timestamp;

/// The total of evictions over the last [`limits::RELAY_SECS`], a sample a second.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// When the total was first that high.
    samples: VecDeque<(Timestamp, u64)>,
    /// The total before the first sample.
    base: u64,
    total: u64,
}

impl Losses {
    /// So many until now.
    pub(super) fn note(&mut self, total: u64, now: Timestamp) {
        if total > self.total {
            self.total = total;
            match self.samples.back_mut() {
                Some((at, known)) if now.since(*at) < Duration::from_secs(1) => *known = total,
                _ => self.samples.push_back((now, total)),
            }
        }
        let keep = Duration::from_secs(2 * limits::RELAY_SECS);
        while let Some((_, known)) = self.samples.pop_front_if(|(at, _)| now.since(*at) > keep) {
            self.base = known;
        }
    }

    /// So many until `window` before `ts`.
    pub(super) fn before(&self, ts: Timestamp, window: Duration) -> u64 {
        self.samples
            .iter()
            .take_while(|(at, _)| ts.since(*at) > window)
            .last()
            .map_or(self.base, |(_, known)| *known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_evicted_before_a_window_does_not_count() {
        let at = |secs| Timestamp::new(secs, 0);
        let window = Duration::from_secs(120);
        let mut losses = Losses::default();
        losses.note(5, at(1_000));
        losses.note(9, at(1_100));
        assert_eq!(losses.before(at(1_110), window), 0);
        assert_eq!(losses.before(at(1_121), window), 5);
        assert_eq!(losses.before(at(1_300), window), 9);
        losses.note(9, at(2_000));
        assert_eq!(losses.before(at(2_000), window), 9, "forgotten, not lost");
    }
}
