//! The channels of RPC over HTTP version 2 as HTTP bodies (MS-RPCH 2.1.2.1).

use super::stream::Stream;
use crate::event::{RpcTransport, Sink};
use crate::limits::TAIL_BYTES;
use crate::net::{Direction, FlowKey, Side};
use crate::packet::{Chunk, Progress};
use crate::proto::Shared;
use crate::proto::http::{RequestHead, Tap, Wants};

/// A body up to this long is an echo, which looks for a proxy, not a channel (MS-RPCH 2.1.2.1.5).
const ECHO_BYTES: u64 = 0x10;

/// Bytes of an empty buffer kept for the next PDU that is cut.
const KEEP: usize = 8 * 1024;

/// Takes the bodies of `RPC_IN_DATA` and `RPC_OUT_DATA`, and the tunnel of `RPC_CONNECT`.
#[derive(Debug)]
pub struct Bodies {
    flow: FlowKey,
    client: Side,
    /// Made when the first body is wanted: most HTTP is no RPC.
    channel: Option<Box<Channel>>,
}

#[derive(Debug)]
struct Channel {
    stream: Stream,
    to_server: Body,
    to_client: Body,
    closed: (bool, bool),
}

/// One body. HTTP's chunks cut PDUs anywhere, so what is not whole is kept here.
#[derive(Debug, Default)]
struct Body {
    /// Begins where the next PDU does. At most [`TAIL_BYTES`].
    tail: Vec<u8>,
    /// Bytes of the tail wanted before it is looked at again.
    need: usize,
    /// Bytes to pass over.
    skip: u64,
}

impl Bodies {
    /// For the connection of that key, which `client` opened.
    #[must_use]
    pub fn new(flow: &FlowKey, client: Side) -> Self {
        Self {
            flow: *flow,
            client,
            channel: None,
        }
    }
}

impl Channel {
    /// Bytes of heap, itself included.
    fn held(&self) -> usize {
        size_of::<Self>()
            .saturating_add(self.stream.held())
            .saturating_add(self.to_server.tail.capacity())
            .saturating_add(self.to_client.tail.capacity())
    }
}

impl Tap for Bodies {
    fn wants(&mut self, head: &RequestHead<'_>) -> Wants {
        let echo = head.content_length.is_some_and(|n| n <= ECHO_BYTES);
        let wants = match head.method {
            b"RPC_CONNECT" => Wants::Tunnel,
            b"RPC_IN_DATA" if !echo => Wants::Request,
            b"RPC_OUT_DATA" if !echo => Wants::Both,
            _ => return Wants::Nothing,
        };
        let (flow, client) = (self.flow, self.client);
        self.channel.get_or_insert_with(|| {
            Box::new(Channel {
                stream: Stream::new(flow, client, true, RpcTransport::Http),
                to_server: Body::default(),
                to_client: Body::default(),
                closed: (false, false),
            })
        });
        wants
    }

    fn body(
        &mut self,
        direction: Direction,
        chunk: Chunk<'_>,
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) {
        let Some(channel) = &mut self.channel else {
            return;
        };
        let body = match direction {
            Direction::ToServer => &mut channel.to_server,
            Direction::ToClient => &mut channel.to_client,
        };
        let stream = &mut channel.stream;
        match chunk {
            Chunk::Data(piece) => body.data(piece, &mut |chunk| {
                stream.chunk(direction, chunk, shared, out)
            }),
            Chunk::Gap(n) => body.gap(n, &mut |chunk| stream.chunk(direction, chunk, shared, out)),
            // The next body goes on in the same virtual connection, at the beginning of a PDU.
            Chunk::End => *body = Body::default(),
        }
    }

    fn held(&self) -> usize {
        self.channel.as_ref().map_or(0, |channel| channel.held())
    }

    fn closed(&mut self, direction: Direction, shared: &mut Shared, out: &mut dyn Sink) {
        if let Some(channel) = &mut self.channel {
            channel.stream.chunk(direction, Chunk::End, shared, out);
            match direction {
                Direction::ToServer => channel.closed.0 = true,
                Direction::ToClient => channel.closed.1 = true,
            }
            if channel.closed == (true, true) {
                channel.stream.close(shared, out);
            }
        }
    }
}

/// Where a body's bytes go.
type Next<'a> = dyn FnMut(Chunk<'_>) -> Progress + 'a;

impl Body {
    fn data(&mut self, piece: &[u8], next: &mut Next<'_>) {
        let mut piece = self.pass_over(piece);
        while !piece.is_empty() {
            if self.tail.is_empty() {
                let n = self.show(piece, next);
                let rest = piece.get(n..).unwrap_or_default();
                let kept = rest.get(..TAIL_BYTES).unwrap_or(rest);
                self.tail.extend_from_slice(kept);
                piece = rest.get(kept.len()..).unwrap_or_default();
                continue;
            }
            // Copy no more than completes the PDU; what follows is read in place.
            let missing = self.need.saturating_sub(self.tail.len()).max(1);
            let (head, rest) = piece
                .split_at_checked(missing)
                .unwrap_or((piece, Default::default()));
            self.tail.extend_from_slice(head);
            piece = rest;
            if self.tail.len() < self.need {
                continue;
            }
            let tail = std::mem::take(&mut self.tail);
            let n = self.show(&tail, next);
            self.tail = tail;
            self.tail.drain(..n.min(self.tail.len()));
            if self.tail.is_empty() && self.tail.capacity() > KEEP {
                self.tail = Vec::new();
            }
            piece = self.pass_over(piece);
            if self.tail.len() >= TAIL_BYTES {
                let lost = u64::try_from(self.tail.len()).unwrap_or(u64::MAX);
                self.tail = Vec::new();
                next(Chunk::Gap(lost));
            }
        }
    }

    /// Shows bytes; the number taken. Sets `need` and `skip`.
    fn show(&mut self, bytes: &[u8], next: &mut Next<'_>) -> usize {
        match next(Chunk::Data(bytes)) {
            Progress::Took { bytes: n, need } => {
                self.need = need;
                n.min(bytes.len())
            }
            Progress::Skip { bytes: n } => {
                let here = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                self.skip = n.saturating_sub(here);
                usize::try_from(n).map_or(bytes.len(), |n| n.min(bytes.len()))
            }
            Progress::Done => bytes.len(),
        }
    }

    fn pass_over<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        let n = usize::try_from(self.skip).map_or(piece.len(), |n| n.min(piece.len()));
        self.skip = self
            .skip
            .saturating_sub(u64::try_from(n).unwrap_or(u64::MAX));
        piece.get(n..).unwrap_or_default()
    }

    fn gap(&mut self, bytes: u64, next: &mut Next<'_>) {
        let seen = self.skip.min(bytes);
        self.skip = self.skip.saturating_sub(seen);
        let lost = bytes.saturating_sub(seen);
        if lost > 0 {
            self.tail.clear();
            next(Chunk::Gap(lost));
        }
    }
}
