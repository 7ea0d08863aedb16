//! One connection, until its logon is over.

use super::wire::{Command, Kind, Reply, command, line, reply};
use crate::event::{Anomaly, Event, Sink};
use crate::limits::MAIL_LINE_BYTES;
use crate::net::Direction;
use crate::packet::{Chunk, Progress};
use crate::proto::base64::Base64;
use crate::proto::spnego::{Negotiation, TokenAt};
use crate::proto::{Shared, identity};

/// What the server's next line answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Awaits {
    /// Nothing of interest.
    #[default]
    Nothing,
    /// Tokens go to and fro.
    Auth,
    /// The answer to STARTTLS.
    Tls,
}

/// One mail connection.
#[derive(Debug)]
pub struct Decoder {
    kind: Kind,
    negotiation: Negotiation,
    base64: Base64,
    awaits: Awaits,
    /// By direction: in the middle of a line that is passed over.
    lost: [bool; 2],
}

impl Decoder {
    /// A connection of that protocol.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            negotiation: Negotiation::default(),
            base64: Base64::default(),
            awaits: Awaits::default(),
            lost: [false; 2],
        }
    }

    /// Bytes of heap it holds now, itself apart.
    #[must_use]
    pub fn held(&self) -> usize {
        self.base64.held()
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
                *self.lost(direction) = true;
                return Progress::Took { bytes: 0, need: 0 };
            }
            Chunk::End => return Progress::Took { bytes: 0, need: 0 },
        };
        let mut at = 0_usize;
        while let Some(rest @ [_, ..]) = bytes.get(at..) {
            let Some((text, n)) = line(rest) else {
                if *self.lost(direction) {
                    return Progress::all(bytes);
                }
                if rest.len() < MAIL_LINE_BYTES {
                    let need = rest.len().saturating_add(1);
                    return Progress::Took { bytes: at, need };
                }
                *self.lost(direction) = true;
                let anomaly = Anomaly {
                    protocol: self.kind.carrier().name(),
                    what: "line",
                    why: "too long to be read",
                };
                out.event(direction, &Event::Anomaly(anomaly));
                return Progress::all(bytes);
            };
            at = at.saturating_add(n);
            if std::mem::take(self.lost(direction)) || text.len() > MAIL_LINE_BYTES {
                continue;
            }
            let over = match direction {
                Direction::ToServer => self.client(text, out),
                Direction::ToClient => self.server(text, shared, out),
            };
            if over {
                return Progress::Done;
            }
            if shared.follows {
                return Progress::Took { bytes: at, need: 0 };
            }
        }
        Progress::all(bytes)
    }

    fn lost(&mut self, direction: Direction) -> &mut bool {
        let [to_server, to_client] = &mut self.lost;
        match direction {
            Direction::ToServer => to_server,
            Direction::ToClient => to_client,
        }
    }

    /// True if nothing of interest follows.
    fn client(&mut self, text: &[u8], out: &mut dyn Sink) -> bool {
        // Base64 has no blank; a command with one says that the answer that ended the logon is missing.
        if self.awaits == Awaits::Auth && !text.contains(&b' ') {
            self.token(text, text, Direction::ToServer, out);
            return false;
        }
        match command(self.kind, text) {
            Command::Auth(token) => {
                self.awaits = Awaits::Auth;
                self.token(text, token, Direction::ToServer, out);
            }
            Command::StartTls => self.awaits = Awaits::Tls,
            Command::Before => self.awaits = Awaits::Nothing,
            Command::After => return true,
        }
        false
    }

    /// True if nothing of interest follows.
    fn server(&mut self, text: &[u8], shared: &mut Shared, out: &mut dyn Sink) -> bool {
        if self.awaits == Awaits::Nothing {
            return false;
        }
        match (reply(self.kind, text), self.awaits) {
            (Reply::Continue(token), Awaits::Auth) => {
                self.token(text, token, Direction::ToClient, out);
                false
            }
            (Reply::Final { success, code }, Awaits::Auth) => {
                self.awaits = Awaits::Nothing;
                let at = self.token_at(0);
                self.negotiation
                    .result(&at, success, code, Direction::ToClient, out);
                success
            }
            (Reply::Final { success, .. }, _) => {
                self.awaits = Awaits::Nothing;
                shared.follows = success;
                false
            }
            _ => false,
        }
    }

    fn token(&mut self, text: &[u8], token: &[u8], direction: Direction, out: &mut dyn Sink) {
        let at = self.token_at(identity(&[text]));
        if let Some(token) = self.base64.decode(token) {
            self.negotiation.token(token, &at, direction, out);
        }
        self.base64.give_back();
    }

    fn token_at(&self, message_id: u64) -> TokenAt {
        TokenAt {
            carrier: self.kind.carrier(),
            session: 0,
            server_guid: None,
            message_id,
            session_id: 0,
        }
    }
}
