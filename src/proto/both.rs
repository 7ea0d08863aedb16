//! What decoders of streams have in common: something for each direction, and complaints.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

use crate::event::{Anomaly, Event, Sink};
use crate::net::Direction;
use crate::wire::Error;

/// One for each direction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Both<T> {
    to_server: T,
    to_client: T,
}

impl<T> Both<T> {
    /// The one of this direction.
    pub(crate) fn of(&mut self, direction: Direction) -> &mut T {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }

    /// Both.
    pub(crate) fn each(&self) -> [&T; 2] {
        [&self.to_server, &self.to_client]
    }
}

/// A complaint that is made once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Once(bool);

impl Once {
    /// Complains, if it is the first time.
    pub(crate) fn say(
        &mut self,
        protocol: &'static str,
        direction: Direction,
        error: Error,
        out: &mut dyn Sink,
    ) {
        if !std::mem::replace(&mut self.0, true) {
            anomaly(protocol, direction, error, out);
        }
    }
}

/// Says that bytes do not fit their protocol.
pub(crate) fn anomaly(
    protocol: &'static str,
    direction: Direction,
    error: Error,
    out: &mut dyn Sink,
) {
    let anomaly = Anomaly::new(protocol, error);
    out.event(direction, &Event::Anomaly(anomaly));
}
