//! SPNEGO (RFC 4178, MS-SPNG): the wrapper around NTLM and Kerberos tokens.

use crate::event::{Carrier, Sink};
use crate::net::Direction;
use crate::wire::Guid;

/// Where a token was found.
#[derive(Clone, Copy, Debug)]
pub struct TokenAt {
    /// The carrying protocol.
    pub carrier: Carrier,
    /// Tells exchanges of one flow apart (SMB SessionId, RPC auth_context_id, else 0).
    pub session: u64,
    /// The SMB server's GUID, if the carrier has one.
    pub server_guid: Option<Guid>,
    /// Identity of the carrying message's bytes, 0 if unknown ([`crate::proto::identity`]).
    pub message_id: u64,
    /// Identity of what a forwarder keeps, 0 if unknown.
    pub session_id: u64,
}

/// One authentication exchange of a carrier: takes tokens as they come, raw NTLMSSP or SPNEGO.
#[derive(Debug, Default)]
pub struct Negotiation {}

impl Negotiation {
    /// Takes a token.
    pub fn token(
        &mut self,
        _token: &[u8],
        _at: &TokenAt,
        _direction: Direction,
        _out: &mut dyn Sink,
    ) {
    }

    /// The carrier's verdict. Reported once, and only if an AUTHENTICATE went before.
    pub fn result(
        &mut self,
        _at: &TokenAt,
        _success: bool,
        _code: u32,
        _direction: Direction,
        _out: &mut dyn Sink,
    ) {
    }
}
