//! What is done over an authenticated session, as it leaves the worker: owned, small, rare.

use super::ldap::SaslLayer;
use crate::wire::Guid;

/// An LDAP request that changes the directory.
#[derive(Clone, Debug, Default)]
pub struct DirectoryWrite {
    /// messageID.
    pub message_id: u32,
    /// As `modify_request`, `add_request`.
    pub operation: String,
    /// Distinguished name of the object.
    pub object: String,
    /// Attributes changed or added, lower case.
    pub attributes: Vec<String>,
    /// Classes of a new object, lower case.
    pub classes: Vec<String>,
    /// What protects the session.
    pub layer: SaslLayer,
}

/// A call of an interface whose abuse has a name.
#[derive(Clone, Debug, Default)]
pub struct Operation {
    /// Interface.
    pub interface: Guid,
    /// Operation number.
    pub opnum: u16,
    /// Operation name.
    pub name: String,
    /// Protocol sequence.
    pub transport: &'static str,
    /// Named pipe.
    pub named_pipe: String,
    /// As in the event.
    pub association: u64,
    /// C706 call id.
    pub call_id: u32,
    /// Authentication type.
    pub auth_type: Option<u8>,
    /// Authentication level.
    pub auth_level: Option<u8>,
    /// The stub is ciphertext.
    pub sealed: bool,
    /// What the call is about, where it is read.
    pub argument: String,
    /// More about it.
    pub detail: String,
    /// Netlogon: the challenge or credential is all zero.
    pub zero_credential: bool,
}

/// A request to a KDC that shows a certificate, or asks for a ticket in another's name.
#[derive(Clone, Debug, Default)]
pub struct TicketRequest {
    /// Client of an AS-REQ, or the service of an S4U2self request: whose key is used.
    pub account: String,
    /// Its realm.
    pub realm: String,
    /// The user whom S4U2self asks a ticket for; empty for a logon with a certificate.
    pub for_user: String,
}
