//! PDUs of one TCP connection, RTS among them: RTS stays here, the rest goes to an association.

use super::virt::Key;
use super::wire::{Front, Rts};
use crate::event::{Anomaly, Event, RpcTransport, Sink};
use crate::net::{Direction, FlowKey, Side};
use crate::packet::{Chunk, Progress};
use crate::proto::Shared;
use crate::proto::dcerpc::{Association, Via};
use crate::proto::epm::Learn;

/// What a proxy writes where a PDU should be: `HTTP/1.0 503 RPC Error: 6ba`.
const ERROR_TEXT: &[u8] = b"HTTP/1.";

/// The RPC side of one TCP connection.
#[derive(Debug)]
pub(super) struct Stream {
    flow: FlowKey,
    client: Side,
    /// On the leg between client and proxy.
    http: bool,
    pub(super) transport: RpcTransport,
    /// Used until a cookie is seen, which for most connections is for ever.
    own: Association,
    /// The virtual connection this is a channel of, and the direction of the PDUs it carries: the
    /// other direction has RTS PDUs only, so what is missing there is no loss to the association.
    channel: Option<(Key, Option<Direction>)>,
    /// The association wants no more.
    done: bool,
}

impl Stream {
    pub(super) fn new(flow: FlowKey, client: Side, http: bool, transport: RpcTransport) -> Self {
        Self {
            flow,
            client,
            http,
            transport,
            own: Association::default(),
            channel: None,
            done: false,
        }
    }

    /// Bytes of heap; a virtual connection's are counted there.
    pub(super) fn held(&self) -> usize {
        self.own.held()
    }

    /// Takes the next piece of one direction, as a decoder does.
    pub(super) fn chunk(
        &mut self,
        direction: Direction,
        chunk: Chunk<'_>,
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Progress {
        if self.done {
            return Progress::Done;
        }
        let progress = match chunk {
            Chunk::Data(bytes) => self.data(direction, bytes, shared, out),
            other => self.pass(direction, other, shared, out),
        };
        self.done = progress == Progress::Done;
        progress
    }

    /// The TCP connection is over.
    pub(super) fn close(&mut self, shared: &mut Shared, out: &mut dyn Sink) {
        if let Some((key, _)) = self.channel.take() {
            self.leave(&key, shared, out);
        }
        self.done = true;
    }

    fn leave(&self, key: &Key, shared: &mut Shared, out: &mut dyn Sink) {
        let Shared { catalog, rpch, .. } = shared;
        let Some(mut last) = rpch.leave(key) else {
            return;
        };
        let via = Via {
            client: last.client,
            ..self.via(last.id)
        };
        for direction in [Direction::ToServer, Direction::ToClient] {
            last.association
                .stream(&via, direction, Chunk::End, catalog, out);
        }
    }

    fn via(&self, association: u64) -> Via<'static> {
        Via {
            transport: self.transport,
            pipe: "",
            association,
            client: None,
        }
    }

    fn data(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Progress {
        let mut rest = bytes;
        loop {
            let bytes = bytes.len().saturating_sub(rest.len());
            if rest.is_empty() {
                return Progress::Took { bytes, need: 0 };
            }
            match Front::of(rest) {
                Front::Rts(n) => match rest.split_at_checked(n) {
                    Some((pdu, after)) => {
                        self.rts(direction, pdu, shared, out);
                        rest = after;
                        continue;
                    }
                    None => return Progress::Took { bytes, need: n },
                },
                Front::Short(need) => return Progress::Took { bytes, need },
                Front::Pdu(_) | Front::Other => {}
            }
            if direction == Direction::ToClient {
                if rest.starts_with(ERROR_TEXT) {
                    anomaly(direction, "HTTP text instead of a PDU", out);
                    return Progress::Done;
                }
                if ERROR_TEXT.starts_with(rest) {
                    let need = ERROR_TEXT.len();
                    return Progress::Took { bytes, need };
                }
            }
            let run = rest.get(..run(rest)).unwrap_or(rest);
            let last = run.len() == rest.len();
            let taken = match self.pass(direction, Chunk::Data(run), shared, out) {
                Progress::Done => return Progress::Done,
                Progress::Took { bytes: n, need } if last => {
                    return Progress::Took {
                        bytes: bytes.saturating_add(n),
                        need,
                    };
                }
                Progress::Skip { bytes: n } if last => {
                    let before = u64::try_from(bytes).unwrap_or(u64::MAX);
                    return Progress::Skip {
                        bytes: before.saturating_add(n),
                    };
                }
                // Whole PDUs and no others: an association in step has taken them all.
                Progress::Took { .. } | Progress::Skip { .. } => run.len(),
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    fn rts(&mut self, direction: Direction, pdu: &[u8], shared: &mut Shared, out: &mut dyn Sink) {
        self.transport = RpcTransport::Http;
        let rts = match Rts::read(pdu) {
            Ok(rts) => rts,
            Err(error) => {
                let anomaly = Anomaly::new("dcerpc", error);
                return out.event(direction, &Event::Anomaly(anomaly));
            }
        };
        let Some(cookie) = rts.virtual_connection() else {
            return;
        };
        let key = Key::new(&self.flow, self.client, self.http, *cookie);
        match self.channel.replace((key, rts.bears())) {
            Some((before, _)) if before == key => {}
            before => {
                shared.rpch.join(&key);
                if let Some((before, _)) = before {
                    self.leave(&before, shared, out);
                }
            }
        }
        // On the other leg the client itself is seen.
        if let Some(client) = rts.client_address().filter(|_| !self.http) {
            shared.rpch.name_client(&key, client);
        }
    }

    /// Hands a piece without RTS PDUs to the association.
    fn pass(
        &mut self,
        direction: Direction,
        chunk: Chunk<'_>,
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Progress {
        let Shared {
            catalog,
            rpch,
            endpoints,
            ..
        } = shared;
        let out = &mut Learn {
            flow: &self.flow,
            endpoints,
            catalog,
            out,
        };
        let transport = self.transport;
        let via = |association| Via {
            transport,
            pipe: "",
            association,
            client: None,
        };
        match &self.channel {
            Some((key, bears)) => {
                // It goes on in other TCP connections; `close` ends it with the last one.
                let ends_here = chunk == Chunk::End;
                if ends_here || bears.is_some_and(|way| way != direction) {
                    return match chunk {
                        Chunk::Data(bytes) => Progress::all(bytes),
                        _ => Progress::Took { bytes: 0, need: 0 },
                    };
                }
                let virt = rpch.get(key);
                let via = Via {
                    client: virt.client,
                    ..via(virt.id)
                };
                let progress = virt
                    .association
                    .stream(&via, direction, chunk, catalog, out);
                rpch.settle(key);
                progress
            }
            None => self.own.stream(&via(0), direction, chunk, catalog, out),
        }
    }
}

/// Bytes up to what is no PDU for an association; all if that begins at once.
fn run(bytes: &[u8]) -> usize {
    let mut at = 0_usize;
    while let Some(rest @ [_, ..]) = bytes.get(at..) {
        match Front::of(rest) {
            Front::Pdu(n) => at = at.saturating_add(n),
            Front::Rts(_) | Front::Short(_) | Front::Other if at > 0 => return at,
            Front::Rts(_) | Front::Short(_) | Front::Other => break,
        }
    }
    bytes.len()
}

fn anomaly(direction: Direction, why: &'static str, out: &mut dyn Sink) {
    let anomaly = Anomaly {
        protocol: "dcerpc",
        what: "RPC over HTTP",
        why,
    };
    out.event(direction, &Event::Anomaly(anomaly));
}
