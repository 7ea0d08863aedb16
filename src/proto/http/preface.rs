//! HTTP/2 by its preface: recognised, not read.

use crate::event::Sink;
use crate::net::Direction;
use crate::packet::{Chunk, Progress};
use crate::proto::Shared;

/// What a client sends first (RFC 9113 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection of which nothing is read.
#[derive(Debug, Default)]
pub struct Preface;

impl Preface {
    /// Bytes of heap it holds: none.
    #[must_use]
    pub fn held(&self) -> usize {
        0
    }

    /// Wants nothing.
    pub fn chunk(
        &mut self,
        _: Direction,
        _: Chunk<'_>,
        _: &mut Shared,
        _: &mut dyn Sink,
    ) -> Progress {
        Progress::Done
    }
}
