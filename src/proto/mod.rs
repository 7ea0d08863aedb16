//! Bytes to events; one folder a protocol: `wire.rs` reads layouts and keeps nothing,
//! `decoder.rs` keeps what a conversation needs.
//!
//! Carriers import what they carry, never the reverse:
//! `http, ldap, smb, dcerpc → spnego → ntlmssp, krb5`; `smb → nbss, dcerpc, wsp`; `rpch → http, dcerpc`.

pub mod arp;
pub(crate) mod base64;
pub mod bodies;
pub(crate) mod both;
pub mod datagram;
pub mod dcerpc;
pub mod dhcp;
pub mod dns;
pub mod enrolment;
pub mod epm;
pub mod http;
pub mod identify;
pub mod krb5;
pub mod ldap;
pub mod mail;
pub mod nbss;
pub mod ndp;
pub mod ntlmssp;
pub mod rpch;
pub mod session;
pub mod smb;
pub mod spnego;
pub mod tds;
pub mod tls;
pub mod token;
pub mod wsp;

#[cfg(test)]
pub(crate) mod drive;
#[cfg(test)]
pub(crate) mod testing;

pub use session::Session;

use crate::catalog::Catalog;

/// What decoders of one worker share.
#[derive(Debug, Default)]
pub struct Shared {
    /// Interfaces, operations, stub layouts.
    pub catalog: std::sync::Arc<Catalog>,
    /// Virtual connections of RPC over HTTP, whose two directions are two flows.
    pub rpch: rpch::VirtualConnections,
    /// The same for names in DHCP.
    pub dhcp: dhcp::Scratch,
    /// Memory for the text of DNS messages, reused.
    pub dns: dns::Scratch,
    /// Set by a decoder whose connection turns into another protocol behind the bytes it took
    /// (STARTTLS, CONNECT); taken back by [`Session`].
    pub follows: bool,
    /// Dynamic endpoints that endpoint mappers told.
    pub endpoints: epm::Endpoints,
    /// Room for the texts of one connectionless call.
    pub cl: dcerpc::cl::Scratch,
    /// Room for the texts of one LDAP request.
    pub ldap: ldap::Scratch,
    /// Room for one message of SMB that came compressed.
    pub plain: Vec<u8>,
}

pub use crate::event::identity;

/// Bytes of heap behind a vector, what its elements point to apart.
pub(crate) fn vec_bytes<T>(all: &Vec<T>) -> usize {
    all.capacity().saturating_mul(size_of::<T>())
}

/// The same for a queue.
pub(crate) fn deque_bytes<T>(all: &std::collections::VecDeque<T>) -> usize {
    all.capacity().saturating_mul(size_of::<T>())
}
