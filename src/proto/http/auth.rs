//! Tokens in heads. Authentication belongs to the connection, not to the request: that is how
//! Windows does it (MS-NTHT 1.3), and what a relay needs.

use super::pending::Credentials;
use super::wire::{Fields, tokens};
use crate::event::{Carrier, Sink};
use crate::net::Direction;
use crate::proto::base64::Base64;
use crate::proto::identity;
use crate::proto::spnego::{Negotiation, TokenAt};

/// The authentication of one connection.
#[derive(Debug, Default)]
pub(super) struct Auth {
    negotiation: Negotiation,
    base64: Base64,
    /// Host in lower case.
    host: Vec<u8>,
    /// A token was seen on this connection.
    seen: bool,
}

impl Auth {
    /// Bytes of heap.
    pub(super) fn held(&self) -> usize {
        self.base64.held().saturating_add(self.host.capacity())
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

    /// Identity of what a proxy passes on: method, target and Host in lower case. To a forward proxy the
    /// target is absolute (RFC 9112 3.2.2); what it passes on has the path alone, so that is what counts.
    pub(super) fn session_id(&mut self, method: &[u8], target: &[u8], host: &[u8]) -> u64 {
        self.host.clear();
        self.host.extend_from_slice(host);
        self.host.make_ascii_lowercase();
        identity(&[method, path_of(target, &self.host), &self.host])
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
        let mut at: Option<TokenAt> = None;
        for name in names {
            for text in fields.all(name).flat_map(tokens) {
                let Some(token) = self.base64.decode(text) else {
                    continue;
                };
                // Worked out only if there is a token: hashing a head costs more than reading it.
                let at = at.get_or_insert_with(|| token_at(identity(&[head]), session_id));
                self.negotiation.token(token, at, direction, out);
                self.seen = true;
            }
        }
        self.base64.give_back();
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

/// The path of an absolute target whose authority is the Host; any other target as it is.
fn path_of<'a>(target: &'a [u8], host: &[u8]) -> &'a [u8] {
    let scheme = b"http://";
    let absolute = target
        .split_at_checked(scheme.len())
        .filter(|(s, _)| s.eq_ignore_ascii_case(scheme))
        .and_then(|(_, rest)| rest.split_at_checked(host.len()))
        .filter(|(authority, path)| {
            authority.eq_ignore_ascii_case(host) && path.starts_with(b"/") && !host.is_empty()
        });
    absolute.map_or(target, |(_, path)| path)
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
