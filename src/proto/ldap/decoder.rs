//! One connection: messages, binds and their answers.

use std::collections::VecDeque;

use memchr::memchr;

use super::wire::{
    Begins, BindRequest, Choice, Head, Response, START_TLS, begins, begins_sasl, extended_name, op,
    sasl_length,
};
use crate::event::{Anomaly, Carrier, Event, LdapBind, LdapResult, Sink};
use crate::limits::{LDAP_MESSAGE_BYTES, LDAP_PENDING};
use crate::net::Direction;
use crate::packet::{Chunk, Progress};
use crate::proto::spnego::{Negotiation, TokenAt};
use crate::proto::{Shared, deque_bytes, identity};
use crate::wire::{Error, Text, tag};

/// resultCode of an answer that asks for the next token (RFC 4511 appendix A).
const SASL_BIND_IN_PROGRESS: u32 = 14;

/// Beginning of a raw NTLMSSP message (MS-NLMP 2.2.1).
const NTLMSSP: &[u8] = b"NTLMSSP\0";

/// What kind of bind waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// No tokens that we read.
    Opaque,
    /// SASL with tokens.
    Sasl,
    /// Sicily, all but its last step: code 0 says "go on".
    SicilyStep,
    /// Sicily's last step.
    SicilyResponse,
}

/// One LDAP connection.
#[derive(Debug, Default)]
pub struct Decoder {
    negotiation: Negotiation,
    /// Binds that were not answered, oldest first; at most [`LDAP_PENDING`].
    binds: VecDeque<(u32, Kind)>,
    /// messageID of a StartTLS request.
    start_tls: Option<u32>,
    /// By direction: framing was lost.
    lost: (bool, bool),
}

/// What to do with the bytes at the front.
enum Step {
    Took(usize),
    More(usize),
    Done,
}

impl Decoder {
    /// Bytes of heap it holds now, itself apart.
    #[must_use]
    pub fn held(&self) -> usize {
        deque_bytes(&self.binds)
    }

    /// Takes the next piece of one direction.
    pub fn chunk(
        &mut self,
        direction: Direction,
        chunk: Chunk<'_>,
        _shared: &mut Shared,
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
            match self.step(direction, rest, out) {
                Step::Took(n) => at = at.saturating_add(n),
                Step::More(need) => return Progress::Took { bytes: at, need },
                Step::Done => return Progress::Done,
            }
        }
        match u64::try_from(at) {
            Ok(bytes_in_all) if at > bytes.len() => Progress::Skip {
                bytes: bytes_in_all,
            },
            _ => Progress::all(bytes),
        }
    }

    fn lost(&mut self, direction: Direction) -> &mut bool {
        match direction {
            Direction::ToServer => &mut self.lost.0,
            Direction::ToClient => &mut self.lost.1,
        }
    }

    /// `Took` may go beyond the bytes shown.
    fn step(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Step {
        if *self.lost(direction) {
            return self.search(direction, bytes);
        }
        match bytes {
            // A SASL buffer: after a bind that agreed on signing or sealing (RFC 4513 5.2.1.6).
            [0, ..] => match sasl_length(bytes) {
                Some(n) => Step::Took(n.saturating_add(4)),
                None => Step::More(4),
            },
            [tag::SEQUENCE, ..] => match Head::read(bytes) {
                Ok(head) => self.message(direction, bytes, &head, out),
                Err(Error::Short { need, .. }) => Step::More(need),
                Err(error) => self.lose(direction, error, out),
            },
            // TLS after all; the StartTLS was not seen.
            [0x16, 3, ..] => Step::Done,
            [0x16] => Step::More(2),
            _ => {
                let error = Error::Malformed {
                    what: "LDAP stream",
                    why: "neither a message nor a SASL buffer",
                };
                self.lose(direction, error, out)
            }
        }
    }

    fn lose(&mut self, direction: Direction, error: Error, out: &mut dyn Sink) -> Step {
        anomaly(direction, error, out);
        *self.lost(direction) = true;
        // The byte that disappointed; the search goes on behind it.
        Step::Took(1)
    }

    /// Looks for a message of this direction anywhere, for a SASL buffer at the front.
    fn search(&mut self, direction: Direction, bytes: &[u8]) -> Step {
        match begins_sasl(bytes) {
            Begins::Buffer => {
                *self.lost(direction) = false;
                return Step::Took(0);
            }
            Begins::Perhaps(need) => return Step::More(need),
            Begins::Message(_) | Begins::Nothing => {}
        }
        let mut at = 0_usize;
        while let Some(rest) = bytes.get(at..)
            && let Some(n) = memchr(tag::SEQUENCE, rest)
        {
            at = at.saturating_add(n);
            let rest = bytes.get(at..).unwrap_or_default();
            match begins(rest) {
                Begins::Message(way) if way == direction => {
                    *self.lost(direction) = false;
                    return Step::Took(at);
                }
                Begins::Perhaps(need) if at == 0 => return Step::More(need),
                Begins::Perhaps(_) => return Step::Took(at),
                _ => at = at.saturating_add(1),
            }
        }
        Step::Took(bytes.len())
    }

    fn message(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        head: &Head,
        out: &mut dyn Sink,
    ) -> Step {
        let wanted = match direction {
            Direction::ToServer => [op::BIND_REQUEST, op::EXTENDED_REQUEST],
            Direction::ToClient => [op::BIND_RESPONSE, op::EXTENDED_RESPONSE],
        };
        if !wanted.contains(&head.op) {
            return Step::Took(head.total);
        }
        if head.total > LDAP_MESSAGE_BYTES {
            let error = Error::Malformed {
                what: "bind or extended operation",
                why: "too long to be read",
            };
            anomaly(direction, error, out);
            return Step::Took(head.total);
        }
        let Some(message) = bytes.get(..head.total) else {
            return Step::More(head.total);
        };
        let end = head.contents.saturating_add(head.length);
        let contents = message.get(head.contents..end).unwrap_or_default();
        let read = match head.op {
            op::BIND_REQUEST => BindRequest::read(contents)
                .map(|bind| self.bind(message, head.id, &bind, out))
                .map(|()| false),
            op::BIND_RESPONSE => Response::read(contents)
                .map(|response| self.bind_response(message, head.id, &response, out))
                .map(|()| false),
            op::EXTENDED_REQUEST => extended_name(contents)
                .map(|name| {
                    if name == START_TLS {
                        self.start_tls = Some(head.id);
                    }
                })
                .map(|()| false),
            _ => Response::read(contents).map(|response| {
                response.code == 0
                    && (self.start_tls == Some(head.id) || response.name == START_TLS)
            }),
        };
        match read {
            Ok(true) => Step::Done,
            Ok(false) => Step::Took(head.total),
            Err(error) => {
                anomaly(direction, error, out);
                Step::Took(head.total)
            }
        }
    }

    fn bind(&mut self, message: &[u8], id: u32, bind: &BindRequest<'_>, out: &mut dyn Sink) {
        let direction = Direction::ToServer;
        let none: &[u8] = &[];
        let (mechanism, kind, token) = match bind.choice {
            Choice::Simple => ("simple", Kind::Opaque, none),
            Choice::Sasl {
                mechanism,
                credentials,
            } => {
                let known = ["GSS-SPNEGO", "GSSAPI", "NTLM"]
                    .iter()
                    .any(|m| mechanism.eq_ignore_ascii_case(m));
                // Other mechanisms put passwords there.
                if known {
                    (mechanism, Kind::Sasl, credentials)
                } else {
                    (mechanism, Kind::Opaque, none)
                }
            }
            Choice::SicilyDiscovery => ("sicily-discovery", Kind::SicilyStep, none),
            Choice::SicilyNegotiate(token) => ("sicily-negotiate", Kind::SicilyStep, token),
            Choice::SicilyResponse(token) => ("sicily-response", Kind::SicilyResponse, token),
            Choice::Other => ("unknown", Kind::Opaque, none),
        };
        if self.binds.len() >= LDAP_PENDING {
            self.binds.pop_front();
        }
        self.binds.push_back((id, kind));
        out.event(
            direction,
            &Event::LdapBind(LdapBind {
                version: bind.version,
                name: text(bind.name),
                mechanism,
                message_id: id,
            }),
        );
        if is_token(token) {
            let at = token_at(message);
            self.negotiation.token(token, &at, direction, out);
        }
    }

    fn bind_response(
        &mut self,
        message: &[u8],
        id: u32,
        response: &Response<'_>,
        out: &mut dyn Sink,
    ) {
        let direction = Direction::ToClient;
        out.event(
            direction,
            &Event::LdapResult(LdapResult {
                code: response.code,
                message: text(response.message),
                message_id: id,
            }),
        );
        let asked = self.binds.iter().position(|(asked, _)| *asked == id);
        let kind = asked
            .and_then(|at| self.binds.remove(at))
            .map(|(_, kind)| kind);
        if kind == Some(Kind::Opaque) {
            return;
        }
        let sicily = response.matched_dn.starts_with(NTLMSSP);
        let token = if sicily {
            response.matched_dn
        } else {
            response.credentials
        };
        let mut at = None;
        if is_token(token) {
            let at = at.get_or_insert_with(|| token_at(message));
            self.negotiation.token(token, at, direction, out);
        }
        // Sicily answers code 0 to every step that it likes; only a refusal ends it early.
        let goes_on = match kind {
            Some(Kind::SicilyStep) => response.code == 0,
            _ => sicily || response.code == SASL_BIND_IN_PROGRESS,
        };
        if !goes_on {
            let at = at.unwrap_or_else(|| token_at(&[]));
            let success = response.code == 0;
            self.negotiation
                .result(&at, success, response.code, direction, out);
        }
    }
}

/// True for what [`Negotiation`] reads: a GSS token, NTLMSSP, a bare AP-REQ. The last messages of
/// the GSSAPI mechanism are wrapped in a security context (RFC 4752 3.1) and are none.
fn is_token(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(0x60 | 0xa0 | 0xa1 | 0x6e | 0x6f)) || bytes.starts_with(NTLMSSP)
}

fn token_at(message: &[u8]) -> TokenAt {
    TokenAt {
        carrier: Carrier::Ldap,
        session: 0,
        server_guid: None,
        message_id: if message.is_empty() {
            0
        } else {
            identity(&[message])
        },
        session_id: 0,
    }
}

/// LDAP strings are UTF-8 (RFC 4511 4.1.2).
fn text(bytes: &[u8]) -> Text<'_> {
    std::str::from_utf8(bytes).map_or(Text::Bytes(bytes), Text::Str)
}

fn anomaly(direction: Direction, error: Error, out: &mut dyn Sink) {
    out.event(direction, &Event::Anomaly(Anomaly::new("ldap", error)));
}
