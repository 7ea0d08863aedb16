//! Where carriers find tokens: what every mechanism is told beside the bytes.

use crate::event::Carrier;
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
