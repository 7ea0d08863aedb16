//! Tokens in heads. Authentication belongs to the connection, not to the request: that is how
//! Windows does it (MS-NTHT 1.3), and what a relay needs.

use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};

use super::pending::Credentials;
use super::wire::{Fields, tokens};
use crate::event::{Carrier, Sink};
use crate::net::Direction;
use crate::proto::identity;
use crate::proto::spnego::{Negotiation, TokenAt};

/// Base64 as lenient as servers are: padding, blanks and left-over bits do not matter.
static BASE64: LazyLock<Option<Encoding>> = LazyLock::new(|| {
    let mut spec = Specification::new();
    spec.symbols
        .push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    spec.ignore.push_str("= \t\r\n");
    spec.check_trailing_bits = false;
    spec.encoding().ok()
});

/// Bytes of decoded token whose memory is kept for the next one.
const KEEP: usize = 4096;

/// The authentication of one connection.
#[derive(Debug, Default)]
pub(super) struct Auth {
    negotiation: Negotiation,
    /// The token being handed down.
    token: Vec<u8>,
    /// A token was seen on this connection.
    seen: bool,
}

impl Auth {
    /// Bytes of heap.
    pub(super) fn held(&self) -> usize {
        self.token.capacity()
    }

    /// True once a token was seen.
    pub(super) fn seen(&self) -> bool {
        self.seen
    }

    /// Which credentials a request head has.
    pub(super) fn credentials(&mut self, fields: Fields<'_>) -> Credentials {
        let has = |name: &[u8]| fields.all(name).any(|v| tokens(v).next().is_some());
        let found = if has(b"Authorization") {
            Credentials::Origin
        } else if has(b"Proxy-Authorization") {
            Credentials::Proxy
        } else {
            return Credentials::None;
        };
        self.seen = true;
        found
    }

    /// Identity of what a reverse proxy passes on: method, target and Host in lower case.
    pub(super) fn session_id(&mut self, method: &[u8], target: &[u8], host: &[u8]) -> u64 {
        self.token.clear();
        self.token.extend_from_slice(host);
        self.token.make_ascii_lowercase();
        identity(&[method, target, &self.token])
    }

    /// Hands down every token of a head.
    pub(super) fn tokens(
        &mut self,
        head: &[u8],
        fields: Fields<'_>,
        session_id: u64,
        direction: Direction,
        out: &mut dyn Sink,
    ) {
        let names: [&[u8]; 2] = match direction {
            Direction::ToServer => [b"Authorization", b"Proxy-Authorization"],
            Direction::ToClient => [b"WWW-Authenticate", b"Proxy-Authenticate"],
        };
        let Some(base64) = BASE64.as_ref() else {
            return;
        };
        let mut at: Option<TokenAt> = None;
        for name in names {
            for text in fields.all(name).flat_map(tokens) {
                let Ok(room) = base64.decode_len(text.len()) else {
                    continue;
                };
                self.token.clear();
                self.token.resize(room, 0);
                let read = match base64.decode_mut(text, &mut self.token) {
                    Ok(n) => n,
                    Err(partial) => partial.written,
                };
                self.token.truncate(read);
                if read == 0 {
                    continue;
                }
                // Worked out only if there is a token: hashing a head costs more than reading it.
                let at = at.get_or_insert_with(|| token_at(identity(&[head]), session_id));
                self.negotiation.token(&self.token, at, direction, out);
                self.seen = true;
            }
        }
        if self.token.capacity() > KEEP {
            self.token = Vec::new();
        }
    }

    /// The verdict that a response gives on the credentials of its request. Whether they were the
    /// last of an exchange, [`Negotiation`] knows.
    pub(super) fn result(&mut self, sent: Credentials, status: u16, out: &mut dyn Sink) {
        let success = match (sent, status) {
            (Credentials::None, _) => return,
            (Credentials::Origin, 401) | (Credentials::Proxy, 407) => false,
            // A proxy's refusal says nothing about what was meant for the server behind it.
            (Credentials::Origin, 407) => return,
            _ => true,
        };
        let at = token_at(0, 0);
        let direction = Direction::ToClient;
        self.negotiation
            .result(&at, success, status.into(), direction, out);
    }
}

fn token_at(message_id: u64, session_id: u64) -> TokenAt {
    TokenAt {
        carrier: Carrier::Http,
        session: 0,
        server_guid: None,
        message_id,
        session_id,
    }
}
