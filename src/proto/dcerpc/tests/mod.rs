//! The association from outside: bytes in, events out.

mod answers;
mod auth;
mod behaviour;
mod evasion;
mod vectors;

use std::fmt::Write;
use std::sync::LazyLock;

use super::{Association, Via};
use crate::catalog::Catalog;
use crate::event::{Event, RpcTransport, Sink};
use crate::net::Direction::{self, ToClient, ToServer};
use crate::packet::{Chunk, Progress};

/// Events as text, one a line, so that whole conversations compare.
#[derive(Default)]
struct Log(Vec<String>);

impl Sink for Log {
    fn event(&mut self, direction: Direction, event: &Event<'_>) {
        let mut line = format!("{} ", direction.name());
        let _ = match event {
            Event::RpcBind(b) => write!(
                line,
                "bind {} {} v{} accepted={:?} auth={:?}/{:?} call={}",
                b.interface,
                b.endpoint,
                b.version,
                b.accepted,
                b.auth_type,
                b.auth_level,
                b.call_id
            ),
            Event::RpcCall(c) => write!(
                line,
                "call {:?} {}.{} op={} auth={:?}/{:?} sealed={} len={} path={:?} scan={} ndr64={} call={} frags={} object={:?} method={:?}",
                c.interface,
                c.endpoint,
                c.operation,
                c.opnum,
                c.auth_type,
                c.auth_level,
                c.sealed,
                c.stub_len,
                c.path,
                c.path_by_scan,
                c.ndr64,
                c.call_id,
                c.fragments,
                c.object,
                c.method.map(|m| &m.id)
            ),
            Event::RpcResult(r) => write!(
                line,
                "result {} op={} fault={:?} status={:?} sealed={} len={} call={} frags={}",
                r.operation,
                r.opnum,
                r.fault,
                r.status,
                r.sealed,
                r.stub_len,
                r.call_id,
                r.fragments
            ),
            Event::Anomaly(a) => write!(line, "anomaly {}: {}", a.what, a.why),
            other => write!(line, "{other:?}"),
        };
        self.0.push(line);
    }
}

/// Parsed once: thousands of conversations are played.
static CATALOG: LazyLock<Catalog> = LazyLock::new(Catalog::builtin);

const VIA: Via<'static> = Via {
    transport: RpcTransport::Tcp,
    pipe: "",
    association: 0,
    client: None,
};

/// Plays one direction as the flow would: what is not taken comes again in front.
struct Player {
    association: Association,
    log: Log,
    tail: [Vec<u8>; 2],
    need: [usize; 2],
    skip: [u64; 2],
    done: bool,
}

impl Player {
    fn new() -> Self {
        Self {
            association: Association::default(),
            log: Log::default(),
            tail: Default::default(),
            need: [0; 2],
            skip: [0; 2],
            done: false,
        }
    }

    fn stream(&mut self, direction: Direction, chunk: Chunk<'_>) -> Progress {
        self.association
            .stream(&VIA, direction, chunk, &CATALOG, &mut self.log)
    }

    fn send(&mut self, direction: Direction, bytes: &[u8]) {
        let i = direction.index();
        let skipped = usize::try_from(self.skip[i]).unwrap().min(bytes.len());
        self.skip[i] -= skipped as u64;
        self.tail[i].extend_from_slice(&bytes[skipped..]);
        if self.done || self.tail[i].is_empty() || self.tail[i].len() < self.need[i] {
            return;
        }
        let shown = std::mem::take(&mut self.tail[i]);
        match self.stream(direction, Chunk::Data(&shown)) {
            Progress::Took { bytes, need } => {
                assert!(bytes <= shown.len());
                let rest = &shown[bytes..];
                assert!(rest.is_empty() || need > rest.len(), "asks for what it has");
                self.tail[i] = rest.to_vec();
                self.need[i] = need;
            }
            Progress::Skip { bytes } => {
                assert!(bytes >= shown.len() as u64);
                self.skip[i] = bytes - shown.len() as u64;
                self.need[i] = 0;
            }
            Progress::Done => self.done = true,
        }
    }

    fn gap(&mut self, direction: Direction, n: u64) {
        self.tail[direction.index()].clear();
        self.need[direction.index()] = 0;
        self.stream(direction, Chunk::Gap(n));
    }

    fn end(&mut self) {
        self.stream(ToServer, Chunk::End);
        self.stream(ToClient, Chunk::End);
    }

    fn log(self) -> Vec<String> {
        self.log.0
    }
}

/// A conversation: pieces of both directions in order.
fn play(pieces: &[(Direction, &[u8])]) -> Vec<String> {
    let mut player = Player::new();
    for (direction, bytes) in pieces {
        player.send(*direction, bytes);
    }
    player.end();
    player.log()
}

/// The same through [`Association::pipe`], every piece cut into parts of `size` bytes.
fn play_pipe(pieces: &[(Direction, &[u8])], size: usize) -> Vec<String> {
    let mut association = Association::default();
    let mut log = Log::default();
    for (direction, bytes) in pieces {
        for part in bytes.chunks(size) {
            association.pipe(&VIA, *direction, part, &CATALOG, &mut log);
        }
    }
    association.pipe_end(&VIA, &CATALOG, &mut log);
    log.0
}
