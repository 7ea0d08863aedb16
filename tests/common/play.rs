//! One connection played to a session, as the flow table would show it.

use std::sync::{Arc, LazyLock};

use relaywatch::catalog::Catalog;
use relaywatch::event::{Event, Sink};
use relaywatch::limits::TAIL_BYTES;
use relaywatch::net::{Addr, Direction, Endpoint, FlowKey, Side, Transport};
use relaywatch::packet::{Chunk, Progress};
use relaywatch::proto::{Session, Shared};

static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(Catalog::builtin()));

/// Writes down what it hears.
#[derive(Default)]
pub struct Heard {
    /// Events that are no complaints.
    pub sense: usize,
    /// Events.
    pub all: usize,
    /// Their text, with the direction, of those that are no complaints.
    pub said: Vec<String>,
}

impl Sink for Heard {
    fn event(&mut self, way: Direction, event: &Event<'_>) {
        self.all += 1;
        if !matches!(event, Event::Anomaly(_)) {
            self.sense += 1;
            self.said.push(format!("{} {event:?}", way.name()));
        }
    }
}

/// One direction, as the flow table shows it.
#[derive(Default)]
struct Way {
    tail: Vec<u8>,
    need: usize,
    skip: u64,
}

/// One connection.
pub struct Play {
    /// What it turned out to be.
    pub session: Session,
    key: FlowKey,
    client: Side,
    ways: [Way; 2],
    shared: Shared,
    /// What it said.
    pub heard: Heard,
    /// Nothing more is wanted of it.
    pub done: bool,
    /// Most bytes that it held.
    pub most: usize,
}

impl Play {
    /// A connection to this port.
    pub fn new(port: u16) -> Self {
        let client = Endpoint::new(Addr::v4([10, 0, 0, 9]), 50_000);
        let server = Endpoint::new(Addr::v4([10, 0, 0, 2]), port);
        let (key, client) = FlowKey::new(client, server, Transport::Tcp);
        Self {
            session: Session::default(),
            key,
            client,
            ways: Default::default(),
            shared: Shared {
                catalog: Arc::clone(&CATALOG),
                ..Shared::default()
            },
            heard: Heard::default(),
            done: false,
            most: 0,
        }
    }

    fn show(&mut self, way: usize, gap: Option<u64>) -> Progress {
        let (side, bytes) = match way {
            0 => (self.client, &self.ways[0].tail),
            _ => (self.client.other(), &self.ways[1].tail),
        };
        let chunk = gap.map_or(Chunk::Data(bytes), Chunk::Gap);
        let first = Some(self.client);
        let progress = self.session.chunk(
            side,
            first,
            &self.key,
            chunk,
            &mut self.shared,
            &mut self.heard,
        );
        self.most = self.most.max(self.session.held());
        progress
    }

    /// Says `bytes` one way: 0 is to the server.
    pub fn data(&mut self, way: usize, mut bytes: &[u8]) {
        let over = usize::try_from(self.ways[way].skip)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        self.ways[way].skip -= over as u64;
        bytes = &bytes[over..];
        self.ways[way].tail.extend_from_slice(bytes);
        if self.done || bytes.is_empty() || self.ways[way].tail.len() < self.ways[way].need {
            return;
        }
        let progress = self.show(way, None);
        let at = &mut self.ways[way];
        match progress {
            Progress::Took { bytes, need } => {
                assert!(bytes <= at.tail.len(), "took more than was shown");
                at.tail.drain(..bytes);
                at.need = need;
                if need > TAIL_BYTES {
                    // The flow table does not keep so much: it is a hole.
                    self.gap(way, 0);
                }
            }
            Progress::Skip { bytes } => {
                at.skip = bytes.saturating_sub(at.tail.len() as u64);
                at.tail.clear();
                at.need = 0;
            }
            Progress::Done => self.done = true,
        }
    }

    /// Both directions end.
    pub fn end(&mut self) {
        for side in [self.client, self.client.other()] {
            let (first, out) = (Some(self.client), &mut self.heard);
            self.session
                .chunk(side, first, &self.key, Chunk::End, &mut self.shared, out);
        }
    }

    /// Loses what was kept of one way, and `missing` bytes more.
    pub fn gap(&mut self, way: usize, missing: u64) {
        let at = &mut self.ways[way];
        let lost = missing + at.tail.len() as u64;
        at.tail.clear();
        (at.need, at.skip) = (0, 0);
        if !self.done {
            self.done = self.show(way, Some(lost.max(1))) == Progress::Done;
        }
    }
}
