//! A conversation shown to a decoder as the flow table shows it, and what it answers watched.

use std::sync::Arc;

use super::{CATALOG, key};
use crate::event::{Event, Sink};
use crate::limits::TAIL_BYTES;
use crate::net::{Direction, FlowKey, Side};
use crate::packet::{Chunk, Progress};
use crate::proto::{Session, Shared, bodies, dns, http, krb5, ldap, mail, rpch, smb, tds, tls};

/// Events as text, so that two runs compare.
#[derive(Debug, Default)]
pub(super) struct Log(pub(super) Vec<String>);

impl Log {
    /// The shortest thing that says something is a head of a few bytes.
    pub(super) fn bounded(&self, came: usize) {
        let most = came / 2 + 64;
        assert!(
            self.0.len() <= most,
            "{} events of {came} bytes",
            self.0.len()
        );
    }
}

impl Sink for Log {
    fn event(&mut self, direction: Direction, event: &Event<'_>) {
        let way = direction.name();
        self.0.push(match event {
            // What is said to be wrong with nonsense may depend on how much of it was there.
            Event::Anomaly(anomaly) => format!("{way} anomaly {}", anomaly.protocol),
            event => format!("{way} {event:?}"),
        });
    }
}

/// Something that chunks are shown to.
pub(super) trait Decode {
    fn decode(
        &mut self,
        way: Direction,
        chunk: Chunk<'_>,
        shared: &mut Shared,
        out: &mut Log,
    ) -> Progress;

    /// The port of the server, for what depends on it.
    fn on_port(&mut self, _port: u16) {}
}

macro_rules! decode {
    ($($decoder:ty),*) => {$(
        impl Decode for $decoder {
            fn decode(
                &mut self,
                way: Direction,
                chunk: Chunk<'_>,
                shared: &mut Shared,
                out: &mut Log,
            ) -> Progress {
                self.chunk(way, chunk, shared, out)
            }
        }
    )*};
}

decode!(
    mail::Decoder,
    tds::Decoder,
    tls::Decoder,
    smb::Decoder,
    dns::Decoder,
    krb5::Decoder,
    ldap::Decoder,
    rpch::Decoder,
    http::Decoder<bodies::Bodies>
);

/// A session and the flow it belongs to.
pub(super) struct Flow {
    key: FlowKey,
    client: Side,
    initiator: Option<Side>,
    session: Session,
}

impl Flow {
    pub(super) fn new(from_start: bool, session: Session) -> Self {
        let (key, client) = key(445);
        Self {
            key,
            client,
            initiator: from_start.then_some(client),
            session,
        }
    }
}

impl Decode for Flow {
    fn decode(
        &mut self,
        way: Direction,
        chunk: Chunk<'_>,
        shared: &mut Shared,
        out: &mut Log,
    ) -> Progress {
        let side = match way {
            Direction::ToServer => self.client,
            Direction::ToClient => self.client.other(),
        };
        self.session
            .chunk(side, self.initiator, &self.key, chunk, shared, out)
    }

    fn on_port(&mut self, port: u16) {
        let seen = self.initiator.is_some();
        (self.key, self.client) = key(port);
        self.initiator = seen.then_some(self.client);
    }
}

/// One direction as `flow` shows it: keeps what is not taken, heeds `need` and `Skip`.
#[derive(Default)]
struct Way {
    tail: Vec<u8>,
    need: usize,
    skip: u64,
    ended: bool,
}

/// Shows a conversation to a decoder and watches what it answers.
pub(super) struct Play<D> {
    decoder: D,
    ways: [Way; 2],
    done: bool,
    shared: Shared,
    out: Log,
}

impl<D: Decode> Play<D> {
    pub(super) fn new(port: Option<u16>, mut decoder: D) -> Self {
        if let Some(port) = port {
            decoder.on_port(port);
        }
        Self {
            decoder,
            ways: Default::default(),
            done: false,
            shared: Shared {
                catalog: Arc::clone(&CATALOG),
                ..Shared::default()
            },
            out: Log::default(),
        }
    }

    pub(super) fn data(&mut self, direction: Direction, bytes: &[u8]) {
        let way = &mut self.ways[direction.index()];
        let pass = usize::try_from(way.skip)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        way.skip -= pass as u64;
        let bytes = &bytes[pass..];
        if bytes.is_empty() || self.done || way.ended {
            return;
        }
        way.tail.extend_from_slice(bytes);
        if way.tail.len() < way.need {
            return;
        }
        let shown = way.tail.len();
        let chunk = Chunk::Data(&way.tail);
        match self
            .decoder
            .decode(direction, chunk, &mut self.shared, &mut self.out)
        {
            Progress::Took { bytes, need } => {
                assert!(bytes <= shown, "took {bytes} of {shown}");
                way.tail.drain(..bytes);
                way.need = need;
                let left = way.tail.len();
                assert!(
                    left == 0 || need <= 1 || need > left,
                    "asks for {need} and has {left}"
                );
                if left > 0 && need.max(left + 1) > TAIL_BYTES {
                    self.gap(direction, 0);
                }
            }
            Progress::Skip { bytes } => {
                assert!(bytes > 0, "skips nothing");
                way.skip = bytes.saturating_sub(shown as u64);
                let here = usize::try_from(bytes).unwrap_or(usize::MAX).min(shown);
                way.tail.drain(..here);
                way.need = 0;
            }
            Progress::Done => self.done = true,
        }
    }

    /// Loses `missing` bytes, and those that were shown and not taken.
    pub(super) fn gap(&mut self, direction: Direction, missing: u64) {
        let way = &mut self.ways[direction.index()];
        let pass = way.skip.min(missing);
        way.skip -= pass;
        let lost = missing - pass + way.tail.len() as u64;
        if lost == 0 || self.done || way.ended {
            return;
        }
        way.tail.clear();
        way.need = 0;
        let chunk = Chunk::Gap(lost);
        let progress = self
            .decoder
            .decode(direction, chunk, &mut self.shared, &mut self.out);
        self.done = progress == Progress::Done;
    }

    pub(super) fn end(&mut self, direction: Direction) {
        let way = &mut self.ways[direction.index()];
        if self.done || std::mem::replace(&mut way.ended, true) {
            return;
        }
        if !way.tail.is_empty() {
            way.ended = false;
            self.gap(direction, 0);
            self.ways[direction.index()].ended = true;
        }
        let progress = self
            .decoder
            .decode(direction, Chunk::End, &mut self.shared, &mut self.out);
        self.done |= progress == Progress::Done;
    }

    /// Ends both directions; what was said.
    pub(super) fn finish(mut self, came: usize) -> Vec<String> {
        self.end(Direction::ToServer);
        self.end(Direction::ToClient);
        self.out.bounded(came);
        self.out.0
    }
}
