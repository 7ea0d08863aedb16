//! One connection: messages, binds and their answers.

use std::collections::VecDeque;

use memchr::memchr;

use super::operations::utf8;
use super::sasl::{self, Found};
use super::wire::{
    Begins, BindRequest, Choice, Head, Response, START_TLS, begins, begins_sasl, op, response_name,
};
use crate::event::{Carrier, Event, LdapBind, LdapResult, SaslLayer, Sink};
use crate::limits::{LDAP_MESSAGE_BYTES, LDAP_PENDING};
use crate::net::Direction;
use crate::packet::{Chunk, Progress};
use crate::proto::both::{Both, anomaly};
use crate::proto::ntlmssp::wire::Message;
use crate::proto::spnego::wire::ntlm_message;
use crate::proto::spnego::{Negotiation, TokenAt};
use crate::proto::{Shared, deque_bytes, identity};
use crate::wire::{Error, tag};

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
    /// By direction.
    halves: Both<Half>,
    /// What protects messages from here on, as the bind agreed or as buffers show.
    layer: SaslLayer,
    /// What the AUTHENTICATE under way asks for.
    asked: SaslLayer,
    /// A buffer was seen: what it showed holds, whatever was agreed.
    shown: bool,
}

/// One direction.
#[derive(Clone, Copy, Debug, Default)]
struct Half {
    /// Framing was lost.
    lost: bool,
    /// Bytes of clear text left in the SASL buffer under way.
    inside: usize,
    /// Bytes behind them.
    after: usize,
    /// Bytes of a message that goes on in the next buffer, which nobody wants to see.
    torn: usize,
}

impl Half {
    /// Takes `n` bytes of a buffer's text; answers with those of the buffer.
    fn take(&mut self, n: usize) -> usize {
        self.inside = self.inside.saturating_sub(n);
        if self.inside > 0 {
            n
        } else {
            n.saturating_add(std::mem::take(&mut self.after))
        }
    }
}

/// What to do with the bytes at the front.
enum Step {
    Took(usize),
    More(usize),
    /// Took this many; another protocol follows.
    Follows(usize),
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
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Progress {
        let bytes = match chunk {
            Chunk::Data(bytes) => bytes,
            Chunk::Gap(_) => {
                *self.half(direction) = Half {
                    lost: true,
                    ..Half::default()
                };
                return Progress::Took { bytes: 0, need: 0 };
            }
            Chunk::End => return Progress::Took { bytes: 0, need: 0 },
        };
        let mut at = 0_usize;
        while let Some(rest @ [_, ..]) = bytes.get(at..) {
            match self.step(direction, rest, shared, out) {
                Step::Took(n) => at = at.saturating_add(n),
                Step::More(need) => return Progress::Took { bytes: at, need },
                Step::Follows(n) => {
                    shared.follows = true;
                    let bytes = at.saturating_add(n).min(bytes.len());
                    return Progress::Took { bytes, need: 0 };
                }
            }
        }
        match u64::try_from(at) {
            Ok(bytes_in_all) if at > bytes.len() => Progress::Skip {
                bytes: bytes_in_all,
            },
            _ => Progress::all(bytes),
        }
    }

    fn half(&mut self, direction: Direction) -> &mut Half {
        self.halves.of(direction)
    }

    /// `Took` may go beyond the bytes shown.
    fn step(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Step {
        let half = *self.half(direction);
        if half.lost {
            return self.search(direction, bytes);
        }
        if half.inside > 0 {
            return self.inside(direction, bytes, shared, out);
        }
        match bytes {
            [0, ..] => self.buffer(direction, bytes),
            [tag::SEQUENCE, ..] => match Head::read(bytes) {
                Ok(head) => self.message(direction, bytes, &head, shared, out),
                Err(Error::Short { need, .. }) => Step::More(need),
                Err(error) => self.lose(direction, error, out),
            },
            // TLS after all; the StartTLS was not seen.
            [0x16, 3, ..] => Step::Follows(0),
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

    /// Opens a SASL buffer, or passes over a sealed one.
    fn buffer(&mut self, direction: Direction, bytes: &[u8]) -> Step {
        let known = self.shown.then_some(self.layer);
        let found = match sasl::buffer(bytes, direction, known) {
            Found::More(need) => return Step::More(need),
            Found::Buffer(found) => found,
        };
        // Signed once stays signed: a torn message looks like ciphertext.
        if !(self.shown && self.layer == SaslLayer::Signed) {
            self.layer = found.layer;
        }
        self.shown = true;
        let inside = found
            .total
            .saturating_sub(found.before)
            .saturating_sub(found.after);
        let half = self.half(direction);
        if inside == 0 {
            half.torn = 0;
            return Step::Took(found.total);
        }
        half.inside = inside;
        half.after = found.after;
        Step::Took(found.before)
    }

    /// A message in the clear text of a buffer.
    fn inside(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Step {
        let half = self.half(direction);
        if half.torn > 0 {
            let n = half.torn.min(half.inside);
            half.torn = half.torn.saturating_sub(n);
            return Step::Took(half.take(n));
        }
        let text = bytes.get(..half.inside).unwrap_or(bytes);
        let whole = text.len() == half.inside;
        match Head::read(text) {
            Ok(head) if head.total > half.inside => {
                half.torn = head.total.saturating_sub(half.inside);
                Step::Took(half.take(half.inside))
            }
            Ok(head) => match self.message(direction, text, &head, shared, out) {
                Step::Took(n) => Step::Took(self.half(direction).take(n)),
                other => other,
            },
            Err(Error::Short { need, .. }) if !whole && need <= half.inside => Step::More(need),
            // The end of a message, of which the beginning was not seen; or a head torn in two.
            Err(_) => Step::Took(half.take(half.inside)),
        }
    }

    fn lose(&mut self, direction: Direction, error: Error, out: &mut dyn Sink) -> Step {
        anomaly("ldap", direction, error, out);
        self.half(direction).lost = true;
        // The byte that disappointed; the search goes on behind it.
        Step::Took(1)
    }

    /// Looks for a message of this direction anywhere, for a SASL buffer at the front.
    fn search(&mut self, direction: Direction, bytes: &[u8]) -> Step {
        match begins_sasl(bytes) {
            Begins::Buffer => {
                self.half(direction).lost = false;
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
                    self.half(direction).lost = false;
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
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Step {
        let whole = match (direction, head.op) {
            (Direction::ToServer, op::BIND_REQUEST) => true,
            (Direction::ToServer, _) => false,
            (Direction::ToClient, code) if response_name(code).is_some() => true,
            // Entries and references, which are bulk.
            (Direction::ToClient, _) => return Step::Took(head.total),
        };
        if whole && head.total > LDAP_MESSAGE_BYTES {
            let error = Error::Malformed {
                what: "bind or response",
                why: "too long to be read",
            };
            anomaly("ldap", direction, error, out);
            return Step::Took(head.total);
        }
        let wanted = head.total.min(LDAP_MESSAGE_BYTES);
        let Some(message) = bytes.get(..wanted) else {
            return Step::More(wanted);
        };
        let end = head.contents.saturating_add(head.length).min(wanted);
        let contents = message.get(head.contents..end).unwrap_or_default();
        let read = match (direction, head.op) {
            (Direction::ToServer, op::BIND_REQUEST) => BindRequest::read(contents)
                .map(|bind| self.bind(message, head.id, &bind, out))
                .map(|()| false),
            (Direction::ToServer, _) => self.request(head, contents, shared, out).map(|()| false),
            (Direction::ToClient, op::BIND_RESPONSE) => Response::read(contents)
                .map(|response| self.bind_response(message, head.id, &response, out))
                .map(|()| false),
            (Direction::ToClient, _) => Response::read(contents).map(|response| {
                self.response(head, &response, out);
                head.op == op::EXTENDED_RESPONSE
                    && response.code == 0
                    && (self.start_tls == Some(head.id) || response.name == START_TLS)
            }),
        };
        match read {
            Ok(true) => Step::Follows(head.total),
            Ok(false) => Step::Took(head.total),
            Err(error) => {
                anomaly("ldap", direction, error, out);
                Step::Took(head.total)
            }
        }
    }

    fn request(
        &mut self,
        head: &Head,
        contents: &[u8],
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Result<(), Error> {
        let request = shared.ldap.read(head.op, head.id, contents, self.layer)?;
        if request.name.as_bytes() == START_TLS {
            self.start_tls = Some(head.id);
        }
        out.event(Direction::ToServer, &Event::LdapRequest(request));
        Ok(())
    }

    fn response(&mut self, head: &Head, response: &Response<'_>, out: &mut dyn Sink) {
        let result = LdapResult {
            operation: response_name(head.op).unwrap_or_default(),
            message_id: head.id,
            code: response.code,
            message: utf8(response.message),
            name: std::str::from_utf8(response.name).unwrap_or_default(),
            sasl_layer: self.layer,
        };
        out.event(Direction::ToClient, &Event::LdapResult(result));
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
                name: utf8(bind.name),
                mechanism,
                message_id: id,
            }),
        );
        self.asked = asked(token).unwrap_or(self.asked);
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
        let asked = self.binds.iter().position(|(asked, _)| *asked == id);
        let kind = asked
            .and_then(|at| self.binds.remove(at))
            .map(|(_, kind)| kind);
        // A bind ends the layer of the one before, at its success (RFC 4513 5.2.1.6).
        if response.code == 0 && kind != Some(Kind::SicilyStep) {
            self.layer = std::mem::take(&mut self.asked);
            self.shown = false;
        }
        let result = LdapResult {
            operation: "bind_response",
            message_id: id,
            code: response.code,
            message: utf8(response.message),
            name: "",
            sasl_layer: self.layer,
        };
        out.event(direction, &Event::LdapResult(result));
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

/// The layer that an AUTHENTICATE asks for (MS-NLMP 2.2.2.5, MS-ADTS 5.1.1.1); `None` if it is none.
fn asked(token: &[u8]) -> Option<SaslLayer> {
    const SIGN: u32 = 0x10;
    const SEAL: u32 = 0x20;
    match Message::read(ntlm_message(token)?) {
        Ok(Message::Authenticate(m)) => Some(match m.flags {
            flags if flags & SEAL != 0 => SaslLayer::Sealed,
            flags if flags & SIGN != 0 => SaslLayer::Signed,
            _ => SaslLayer::None,
        }),
        _ => None,
    }
}
