//! How another protocol gets at bodies without HTTP knowing it.

use crate::event::Sink;
use crate::net::Direction;
use crate::packet::Chunk;
use crate::proto::Shared;

/// What a [`Tap`] sees of a request before it decides.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// Method.
    pub method: &'a [u8],
    /// Request target.
    pub target: &'a [u8],
    /// Bytes of body announced, if it is a number.
    pub content_length: Option<u64>,
}

/// What a [`Tap`] wants of an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wants {
    /// Nothing.
    #[default]
    Nothing,
    /// The body of the request.
    Request,
    /// The body of the request, and that of the response if its status is 2xx.
    Both,
    /// Everything after the request head to the server, and everything after a 2xx head to the
    /// client, until the connection closes.
    Tunnel,
}

/// Takes bodies, their transfer coding removed.
pub trait Tap {
    /// Asked once for each request.
    fn wants(&mut self, head: &RequestHead<'_>) -> Wants;

    /// The next piece of a body. It is taken as a whole: there is no coming again. `End` follows
    /// the last piece of each body.
    fn body(
        &mut self,
        direction: Direction,
        chunk: Chunk<'_>,
        shared: &mut Shared,
        out: &mut dyn Sink,
    );

    /// Bytes of heap it holds now, itself apart.
    fn held(&self) -> usize {
        0
    }

    /// One direction of the connection is over.
    fn closed(&mut self, _direction: Direction, _shared: &mut Shared, _out: &mut dyn Sink) {}
}

/// Wants nothing.
impl Tap for () {
    fn wants(&mut self, _head: &RequestHead<'_>) -> Wants {
        Wants::Nothing
    }

    fn body(&mut self, _: Direction, _: Chunk<'_>, _: &mut Shared, _: &mut dyn Sink) {}
}
