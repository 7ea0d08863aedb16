//! A bare TCP stream of PDUs, with or without the banner.

use super::stream::Stream;
use super::wire::BANNER;
use crate::event::{RpcTransport, Sink};
use crate::net::{Direction, FlowKey, Side};
use crate::packet::{Chunk, Progress};
use crate::proto::Shared;

/// The port of the endpoint mapper over `ncacn_http`.
const HTTP_RPC_EPMAP: u16 = 593;

/// One TCP connection that carries PDUs: `ncacn_ip_tcp`, `ncacn_http`, or a leg behind RPC proxies.
#[derive(Debug)]
pub struct Decoder {
    stream: Stream,
    /// The banner may still come. It need not be seen first: packets of the two directions may be
    /// captured out of order.
    banner: bool,
    ended: (bool, bool),
}

impl Decoder {
    /// The connection of that key, which `client` opened.
    #[must_use]
    pub fn new(flow: &FlowKey, client: Side) -> Self {
        let hint = [flow.a.port, flow.b.port].contains(&HTTP_RPC_EPMAP);
        let transport = if hint {
            RpcTransport::Http
        } else {
            RpcTransport::Tcp
        };
        Self {
            stream: Stream::new(*flow, client, false, transport),
            banner: true,
            ended: (false, false),
        }
    }

    /// Bytes of heap it holds now, itself apart.
    #[must_use]
    pub fn held(&self) -> usize {
        self.stream.held()
    }

    /// Takes the next piece of one direction.
    pub fn chunk(
        &mut self,
        direction: Direction,
        chunk: Chunk<'_>,
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Progress {
        if let (true, Direction::ToClient, Chunk::Data(bytes)) = (self.banner, direction, chunk) {
            if let Some(rest) = bytes.strip_prefix(BANNER) {
                self.banner = false;
                self.stream.transport = RpcTransport::Http;
                let progress = self.stream.chunk(direction, Chunk::Data(rest), shared, out);
                return after_banner(progress);
            }
            if BANNER.starts_with(bytes) {
                return Progress::Took {
                    bytes: 0,
                    need: BANNER.len(),
                };
            }
        }
        if direction == Direction::ToClient {
            self.banner = false;
        }
        let progress = self.stream.chunk(direction, chunk, shared, out);
        if chunk == Chunk::End {
            match direction {
                Direction::ToServer => self.ended.0 = true,
                Direction::ToClient => self.ended.1 = true,
            }
        }
        if self.ended == (true, true) || progress == Progress::Done {
            self.stream.close(shared, out);
        }
        progress
    }
}

/// Adds the banner to what was taken behind it.
fn after_banner(progress: Progress) -> Progress {
    match progress {
        Progress::Took { bytes, need } => Progress::Took {
            bytes: bytes.saturating_add(BANNER.len()),
            need,
        },
        Progress::Skip { bytes } => Progress::Skip {
            bytes: bytes.saturating_add(14),
        },
        Progress::Done => Progress::Done,
    }
}
