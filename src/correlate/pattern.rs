//! What every cross-flow pattern is, and what it may look at.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;

use super::Case;
use super::bounds::Bounds;
use super::identity::Identity;
use super::logons::Logons;
use super::suspects::Suspects;
use crate::catalog::Catalog;
use crate::event::{Knowledge, Sighting};
use crate::time::Timestamp;

/// Knowledge that patterns share and do not change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    /// Methods, interfaces, tools.
    pub(super) catalog: &'a Catalog,
    /// Who is at which address, before the sighting that is being looked at was learned from.
    pub(super) identity: &'a Identity,
    /// Flows that a detector has already spoken of.
    pub(super) suspects: &'a Suspects,
    /// Whose session each flow is.
    pub(super) logons: &'a Logons,
}

/// One cross-flow pattern: its state and what it concludes.
///
/// Sightings come in capture order. A pattern that waits for an answer concludes in
/// [`advance`](Pattern::advance); nothing in it may depend on the order of a hash map.
pub(super) trait Pattern: fmt::Debug + Send {
    /// Takes the next sighting.
    fn sighting(&mut self, s: &Sighting, cx: &Context<'_>, out: &mut Vec<Case>);

    /// Hears what another pattern, or itself, concluded.
    fn concluded(&mut self, _case: &Case, _cx: &Context<'_>, _out: &mut Vec<Case>) {}

    /// Concludes what has waited long enough.
    fn advance(&mut self, _now: Timestamp, _cx: &Context<'_>, _out: &mut Vec<Case>) {}

    /// The end of the capture: concludes everything that waits.
    fn finish(&mut self, _now: Timestamp, _cx: &Context<'_>, _out: &mut Vec<Case>) {}

    /// How much it may hold; said once, before the first sighting.
    fn limit(&mut self, _bounds: &Bounds) {}

    /// Adds what of its state is worth keeping across a restart.
    fn snapshot(&self, _to: &mut Knowledge) {}

    /// Takes up what an earlier run knew.
    fn restore(&mut self, _from: &Knowledge) {}

    /// What was forgotten because a limit was met.
    fn evicted(&self) -> Evicted {
        Evicted::default()
    }
}

/// State that patterns forgot because a limit was met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Evicted {
    /// Authentication exchanges.
    pub(super) exchanges: u64,
    /// Detections, and what they may yet turn to.
    pub(super) pending: u64,
    /// What is known of hosts, and what was told: they are new again, and it may be told again.
    pub(super) known: u64,
    /// What hosts lost of their own.
    pub(super) own: u64,
}

impl Add for Evicted {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            exchanges: self.exchanges + more.exchanges,
            pending: self.pending + more.pending,
            known: self.known + more.known,
            own: self.own + more.own,
        }
    }
}

impl Sum for Evicted {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}
