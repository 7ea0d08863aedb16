//! One connection, until its logon is over.

use super::statement;
use super::wire::{
    Begins, Encryption, HEADER, Login, PacketType, ReplyToken, ReplyTokens, begins, encryption,
    login, sspi,
};
use crate::event::{Carrier, Event, RpcCall, Sink, TdsLogin};
use crate::limits::{TDS_MESSAGE_BYTES, TDS_STATEMENT_BYTES};
use crate::net::Direction;
use crate::packet::{Chunk, Progress};
use crate::proto::both::{Both, anomaly};
use crate::proto::spnego::{Negotiation, TokenAt};
use crate::proto::{Shared, identity, tls};
use crate::wire::{Error, Guid};

/// One TDS connection.
#[derive(Debug, Default)]
pub struct Decoder {
    negotiation: Negotiation,
    halves: Both<Half>,
    /// What the ends said of encryption: client, server.
    encryption: [Option<Encryption>; 2],
    /// TLS inside PRELOGIN packets.
    tls: Option<Box<tls::Decoder>>,
    /// A logon was reported.
    said: bool,
    /// The server accepted a logon: statements follow.
    accepted: bool,
    /// Statements that were told.
    statements: u32,
}

/// One direction.
#[derive(Debug, Default)]
struct Half {
    /// A message of several packets, as far as it came.
    message: Vec<u8>,
    /// The rest of the message under way is not looked at.
    skip: bool,
    /// Framing was lost.
    lost: bool,
}

/// What to do with the bytes at the front.
enum Step {
    /// May reach beyond what is shown.
    Took(usize),
    More(usize),
    Done,
}

impl Decoder {
    /// Bytes of heap it holds now, itself apart.
    #[must_use]
    pub fn held(&self) -> usize {
        let messages = self.halves.each().map(|half| half.message.capacity());
        let [to_server, to_client] = messages;
        let tls = self
            .tls
            .as_ref()
            .map_or(0, |t| size_of::<tls::Decoder>().saturating_add(t.held()));
        to_server.saturating_add(to_client).saturating_add(tls)
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
            Chunk::End => {
                if let Some(tls) = &mut self.tls {
                    tls.chunk(direction, Chunk::End, shared, out);
                }
                return Progress::Took { bytes: 0, need: 0 };
            }
        };
        let mut at = 0_usize;
        while let Some(rest @ [_, ..]) = bytes.get(at..) {
            match self.step(direction, rest, shared, out) {
                Step::Took(n) => {
                    at = at.saturating_add(n);
                    if at > bytes.len() {
                        return Progress::Skip { bytes: at as u64 };
                    }
                }
                Step::More(need) => return Progress::Took { bytes: at, need },
                Step::Done => {
                    if let Some(tls) = &mut self.tls {
                        tls.chunk(direction, Chunk::End, shared, out);
                    }
                    return Progress::Done;
                }
            }
        }
        Progress::all(bytes)
    }

    fn half(&mut self, direction: Direction) -> &mut Half {
        self.halves.of(direction)
    }

    fn step(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Step {
        if self.half(direction).lost {
            // A segment that begins with a packet of the logon; anything else is passed over.
            match begins(bytes) {
                Begins::Packet(way) if way == direction => {}
                _ if self.accepted && is_statement(direction, bytes) => {}
                Begins::Perhaps(need) => return Step::More(need),
                _ => return Step::Took(bytes.len()),
            }
            self.half(direction).lost = false;
        }
        match bytes {
            // The logon in TLS records of their own (MS-TDS 2.2.6.5, ENCRYPT_OFF): it is hidden, what
            // follows may not be.
            [0x14..=0x17, 3, ..] => return self.hidden(direction, bytes, out),
            [0x14..=0x17] => return Step::More(2),
            _ => {}
        }
        let Some(&[kind, status, high, low, ..]) = bytes.first_chunk::<HEADER>() else {
            return Step::More(HEADER);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some(data) = length.checked_sub(HEADER) else {
            return lose(direction, "shorter than its header", out);
        };
        let kind = PacketType(kind);
        let known = match direction {
            Direction::ToServer => matches!(
                kind,
                PacketType::PRELOGIN | PacketType::LOGIN7 | PacketType::SSPI
            ),
            Direction::ToClient => matches!(kind, PacketType::REPLY | PacketType::PRELOGIN),
        };
        let last = status & 1 != 0;
        // Statements follow a logon that was accepted, seen or not.
        if self.said && direction == Direction::ToServer && matches!(kind.0, 1 | 3) {
            self.accepted = true;
        }
        if self.accepted {
            let statement = matches!(kind, PacketType::BATCH | PacketType::RPC);
            if direction == Direction::ToClient || !(known || statement) {
                return match kind.0 {
                    1..=0x12 => Step::Took(length),
                    _ => lose(direction, "no such packet", out),
                };
            }
        } else if !known {
            // Statements: the logon is over, as far as it can be seen.
            return match kind.0 {
                1..=0x12 => Step::Done,
                _ => lose(direction, "no such packet", out),
            };
        }
        if self.half(direction).skip && self.accepted {
            self.half(direction).skip = !last;
            return Step::Took(length);
        }
        let Some(body) = bytes.get(HEADER..length) else {
            return Step::More(length);
        };
        let accepted = self.accepted;
        let half = self.half(direction);
        if accepted && half.message.len().saturating_add(data) > TDS_STATEMENT_BYTES {
            // What is there of it is looked at; the rest is bulk.
            let whole = std::mem::take(&mut half.message);
            half.skip = !last;
            let shown = if whole.is_empty() { body } else { &whole };
            self.statement(shown, shared, out);
            return Step::Took(length);
        }
        if half.skip || half.message.len().saturating_add(data) > TDS_MESSAGE_BYTES {
            half.message = Vec::new();
            half.skip = !last;
            return Step::Took(length);
        }
        if !last {
            half.message.extend_from_slice(body);
            return Step::Took(length);
        }
        let mut whole = std::mem::take(&mut half.message);
        let message = if whole.is_empty() {
            body
        } else {
            whole.extend_from_slice(body);
            &whole
        };
        match self.message(direction, kind, message, shared, out) {
            Ok(true) => Step::Done,
            Ok(false) => Step::Took(length),
            Err(error) => {
                anomaly("tds", direction, error, out);
                Step::Took(length)
            }
        }
    }

    /// True if nothing of interest follows.
    fn message(
        &mut self,
        direction: Direction,
        kind: PacketType,
        message: &[u8],
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Result<bool, Error> {
        if let [0x14..=0x17, 3, ..] = message {
            let tls = self
                .tls
                .get_or_insert_with(|| Box::new(tls::Decoder::after("tds")));
            tls.chunk(direction, Chunk::Data(message), shared, out);
            return Ok(false);
        }
        match (direction, kind) {
            (Direction::ToServer, PacketType::BATCH | PacketType::RPC) => {
                self.statement(message, shared, out);
                Ok(false)
            }
            (Direction::ToServer, PacketType::PRELOGIN) => {
                self.encryption = [encryption(message)?, None];
                Ok(false)
            }
            (Direction::ToServer, _) => {
                if kind == PacketType::LOGIN7 {
                    let login = login(message)?;
                    self.login(&login, out);
                }
                let token = sspi(kind, message)?;
                if !token.is_empty() {
                    let at = token_at(message);
                    self.negotiation.token(token, &at, direction, out);
                }
                Ok(false)
            }
            // The answer to PRELOGIN is a list of options, whose first is the version: token 0.
            (Direction::ToClient, _) if message.first() == Some(&0) => {
                let [_, server] = &mut self.encryption;
                *server = encryption(message)?;
                Ok(false)
            }
            (Direction::ToClient, _) => {
                let over = self.reply(message, out);
                let [client, server] = self.encryption;
                let all = |e: Option<Encryption>| e.is_some_and(Encryption::everything);
                Ok(over && (!self.accepted || all(client) || all(server)))
            }
        }
    }

    fn login(&mut self, login: &Login<'_>, out: &mut dyn Sink) {
        self.said = true;
        let [client, server] = self.encryption;
        let event = TdsLogin {
            user: login.user,
            host: login.host,
            app: login.app,
            server: login.server,
            library: login.library,
            database: login.database,
            integrated: login.integrated,
            client_encryption: client.map_or("", Encryption::name),
            server_encryption: server.map_or("", Encryption::name),
            hidden: None,
        };
        out.event(Direction::ToServer, &Event::TdsLogin(event));
    }

    fn reply(&mut self, message: &[u8], out: &mut dyn Sink) -> bool {
        let direction = Direction::ToClient;
        let mut refused = None;
        for token in ReplyTokens::new(message) {
            match token {
                ReplyToken::Sspi(token) => {
                    let at = token_at(message);
                    self.negotiation.token(token, &at, direction, out);
                }
                ReplyToken::Error(number) => refused = refused.or(Some(number)),
                ReplyToken::LoginAck => {
                    self.negotiation
                        .result(&token_at(&[]), true, 0, direction, out);
                    self.accepted = true;
                    return true;
                }
                ReplyToken::Other => {}
            }
        }
        if let Some(number) = refused {
            self.negotiation
                .result(&token_at(&[]), false, number, direction, out);
        }
        refused.is_some()
    }

    /// Statements of a client that is logged on.
    fn statement(&mut self, statement: &[u8], shared: &mut Shared, out: &mut dyn Sink) {
        // Rare, so the text it needs is made for it.
        let mut path = String::new();
        let Some(found) = statement::search(statement, &mut path) else {
            return;
        };
        let Some(known) = shared.catalog.interface(STATEMENTS) else {
            return;
        };
        self.statements = self.statements.wrapping_add(1);
        let call = RpcCall {
            interface: Some(STATEMENTS),
            endpoint: &known.endpoint,
            opnum: found.number,
            operation: known.operation(found.number).unwrap_or_default(),
            version: "",
            transport: "tds",
            named_pipe: "",
            auth_type: None,
            auth_level: None,
            sealed: false,
            stub_len: u32::try_from(statement.len()).unwrap_or(u32::MAX),
            path: Some(&path),
            argument: None,
            detail: None,
            zero_credential: None,
            client: None,
            by_endpoint: None,
            ndr64: false,
            call_id: self.statements,
            fragments: 1,
            object: None,
            // Without a host it makes nobody authenticate.
            method: known.method(found.number).filter(|_| found.path),
            path_by_scan: true,
            stub: &[],
            association: 0,
        };
        out.event(Direction::ToServer, &Event::RpcCall(call));
    }

    /// A TLS record where a packet could be.
    fn hidden(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Step {
        let Some(&[_, _, _, high, low]) = bytes.first_chunk::<5>() else {
            return Step::More(5);
        };
        if direction == Direction::ToServer && !std::mem::replace(&mut self.said, true) {
            let [client, server] = self.encryption;
            let event = TdsLogin {
                client_encryption: client.map_or("", Encryption::name),
                server_encryption: server.map_or("", Encryption::name),
                hidden: Some(true),
                ..TdsLogin::default()
            };
            out.event(direction, &Event::TdsLogin(event));
        }
        let [client, server] = self.encryption;
        // Everything is in TLS unless both ends want it for the logon alone.
        if client.is_some_and(Encryption::everything) || server.is_some_and(Encryption::everything)
        {
            return Step::Done;
        }
        let length = usize::from(u16::from_be_bytes([high, low])).saturating_add(5);
        if bytes.len() < length {
            return Step::More(length);
        }
        Step::Took(length)
    }
}

/// Stands for statements in the catalogue.
const STATEMENTS: Guid = Guid(1);

/// True if a segment begins with a packet of a connection whose logon is over.
fn is_statement(direction: Direction, bytes: &[u8]) -> bool {
    match (direction, bytes) {
        (Direction::ToServer, [1 | 3, status, high, low, _, _, _, 0, ..]) => {
            *status <= 9 && u16::from_be_bytes([*high, *low]) > 8
        }
        _ => false,
    }
}

fn lose(direction: Direction, why: &'static str, out: &mut dyn Sink) -> Step {
    let what = "TDS packet";
    anomaly("tds", direction, Error::Malformed { what, why }, out);
    Step::Done
}

fn token_at(message: &[u8]) -> TokenAt {
    TokenAt {
        carrier: Carrier::Tds,
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
