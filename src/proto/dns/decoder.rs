//! DNS over TCP: messages with their length in front (RFC 1035 4.2.2).

use super::reader::{self, Kind};
use super::wire::Header;
use super::{LLMNR, on};
use crate::event::{Anomaly, Carrier, Event, Sink};
use crate::net::{Direction, FlowKey, Mac};
use crate::packet::{Chunk, Progress};
use crate::proto::Shared;
use crate::proto::spnego::{Negotiation, TokenAt};

/// Where a token of TKEY is met.
pub(super) const TOKEN_AT: TokenAt = TokenAt {
    carrier: Carrier::Dns,
    session: 0,
    server_guid: None,
    message_id: 0,
    session_id: 0,
};

/// One connection.
#[derive(Debug)]
pub struct Decoder {
    kind: Kind,
    negotiation: Negotiation,
    /// Bytes are missing, by direction: a message is believed only if its header is plausible.
    lost: [bool; 2],
}

impl Decoder {
    /// A decoder for the connection `key`.
    #[must_use]
    pub fn new(key: &FlowKey) -> Self {
        Self {
            kind: if on(key, LLMNR) {
                Kind::Llmnr
            } else {
                Kind::Dns
            },
            negotiation: Negotiation::default(),
            lost: [false; 2],
        }
    }

    /// Bytes of heap it holds now, itself apart.
    #[must_use]
    pub fn held(&self) -> usize {
        0
    }

    /// Takes the next piece of one direction.
    pub fn chunk(
        &mut self,
        direction: Direction,
        chunk: Chunk<'_>,
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Progress {
        let bytes = match chunk {
            Chunk::Data(bytes) => bytes,
            Chunk::Gap(_) => {
                if let Some(lost) = self.lost.get_mut(direction.index()) {
                    *lost = true;
                }
                return Progress::Took { bytes: 0, need: 0 };
            }
            Chunk::End => return Progress::Took { bytes: 0, need: 0 },
        };
        let mut rest = bytes;
        while let Some((&length, body)) = rest.split_first_chunk() {
            let length = usize::from(u16::from_be_bytes(length));
            let plausible = Header::read(body).map(|header| header.plausible(length));
            if plausible == Ok(false) || length < Header::LEN {
                return self.stray(direction, rest.len(), out);
            }
            let Some(message) = body.get(..length) else {
                let taken = bytes.len().saturating_sub(rest.len());
                // The header first: what it says must not depend on how much of the message is there.
                let wanted = match plausible {
                    Ok(_) => length,
                    Err(_) => Header::LEN,
                };
                return Progress::Took {
                    bytes: taken,
                    need: wanted.saturating_add(2),
                };
            };
            let text = &mut shared.dns.0;
            let found = reader::message(self.kind, message, Mac::default(), direction, text, out);
            if let Some(token) = found.token {
                self.negotiation.token(token, &TOKEN_AT, direction, out);
            }
            if let Some(lost) = self.lost.get_mut(direction.index()) {
                *lost = false;
            }
            rest = body.get(length..).unwrap_or_default();
        }
        Progress::Took {
            bytes: bytes.len().saturating_sub(rest.len()),
            need: 2,
        }
    }

    /// Bytes that begin no message. After a gap the next segment probably begins one; else nothing does.
    fn stray(&self, direction: Direction, bytes: usize, out: &mut dyn Sink) -> Progress {
        if self.lost.get(direction.index()) == Some(&true) {
            let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            return Progress::Skip { bytes };
        }
        let anomaly = Anomaly {
            protocol: self.kind.name(),
            what: "message over TCP",
            why: "header makes no sense",
        };
        out.event(direction, &Event::Anomaly(anomaly));
        Progress::Done
    }
}
