//! Many packets to two ordered byte streams.
//!
//! [`Table`] finds the flow of a packet, puts the payload of each direction in order and shows
//! it to whoever decodes, as [`Chunk`]s; the decoder says what it took ([`Progress`]). What comes
//! in order is shown where it lies; copied are only tails that the decoder did not take and
//! segments that came before their turn.
//!
//! ```text
//!  Packet ─► table ─► tcp ─► assembler ─► Chunk
//!            │ whose?  │ SYN FIN RST  │ order
//!            timer     record         held, pool
//! ```
//!
//! It is generic over the state that a flow carries and knows no protocol above TCP and UDP. It has no
//! clock: time is that of packets, and what happens to a flow depends on its own packets alone,
//! as long as no limit is met. Waiting ends at whole seconds, so a sweep ([`Table::expire`])
//! that comes late changes nothing but the moment of the call.
//!
//! Datagrams are shown whole, as they come ([`Deliver::datagram`]); their conversation is known by its
//! two ends alone and over when nothing came for long enough.
//!
//! **Not** done: TCP checksums (wrong on offloading hosts), PAWS and windows.

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

mod answer;
mod assembler;
mod datagram;
mod held;
mod pool;
mod record;
mod seq;
mod stats;
mod table;
mod tcp;
mod timer;

pub use record::{FlowInfo, Stage};
pub use stats::FlowStats;
pub use table::{Table, TableLimits};

use crate::net::Side;
use crate::packet::{Chunk, Datagram, Progress};

/// Who is shown the bytes of flows. A closure that takes chunks will do.
pub trait Deliver<T> {
    /// A piece of one direction of a flow, in order.
    fn chunk(&mut self, flow: &FlowInfo, state: &mut T, side: Side, chunk: Chunk<'_>) -> Progress;

    /// A datagram that `side` sent. True if the decoder wants no more of them.
    fn datagram(
        &mut self,
        flow: &FlowInfo,
        state: &mut T,
        side: Side,
        datagram: Datagram<'_>,
    ) -> bool {
        let _ = (flow, state, side, datagram);
        true
    }

    /// The flow leaves the table; its state is dropped after this.
    fn ended(&mut self, flow: &FlowInfo, state: &mut T, why: Ended) {
        let _ = (flow, state, why);
    }
}

impl<T, F> Deliver<T> for F
where
    F: FnMut(&FlowInfo, &mut T, Side, Chunk<'_>) -> Progress,
{
    fn chunk(&mut self, flow: &FlowInfo, state: &mut T, side: Side, chunk: Chunk<'_>) -> Progress {
        self(flow, state, side, chunk)
    }
}

/// Why a flow left the table. Whether it was closed before is its [`Stage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Nothing came for as long as its stage allows.
    Timeout,
    /// A new connection between the same endpoints.
    Reused,
    /// The table was full.
    Evicted,
    /// The input is over.
    Finished,
}

#[cfg(test)]
mod table_tests;
