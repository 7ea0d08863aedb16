//! DCE/RPC, connection-oriented (C706, MS-RPCE).

use crate::catalog::Catalog;
use crate::event::{RpcTransport, Sink};
use crate::net::Direction;
use crate::packet::{Chunk, Progress};

/// How an association is reached.
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    /// Protocol sequence.
    pub transport: RpcTransport,
    /// Named pipe, lower case, empty if none.
    pub pipe: &'a str,
    /// Tells associations of one flow apart (pipe handle; 0 over TCP).
    pub association: u64,
}

/// One association: presentation contexts, security contexts, calls in flight.
#[derive(Debug, Default)]
pub struct Association {}

impl Association {
    /// One direction of a byte stream that carries PDUs back to back (TCP, RPC over HTTP bodies).
    /// Frames PDUs in place; finds its feet again after a gap.
    pub fn stream(
        &mut self,
        _via: &Via<'_>,
        _direction: Direction,
        _chunk: Chunk<'_>,
        _catalog: &Catalog,
        _out: &mut dyn Sink,
    ) -> Progress {
        Progress::Done
    }

    /// Bytes written to or read from a pipe. PDUs may be split anywhere; what is not whole is kept,
    /// at most [`crate::limits::PIPE_BYTES`].
    pub fn pipe(
        &mut self,
        _via: &Via<'_>,
        _direction: Direction,
        _bytes: &[u8],
        _catalog: &Catalog,
        _out: &mut dyn Sink,
    ) {
    }
}
