//! Kerberos 5 (RFC 4120): tickets asked for, handed out and presented.
//!
//! ```text
//! client ── AS-REQ / TGS-REQ ──► KDC       who asks, for what, in which way       port 88, TCP or UDP
//! client ◄─ AS-REP / TGS-REP ─── KDC       a ticket, or KRB-ERROR
//! client ── AP-REQ ────────────► service   the ticket, in any carrier: SMB, HTTP, LDAP, RPC ...
//! client ◄─ AP-REP ───────────── service
//! ```
//!
//! [`wire`] reads one message, [`Kdc`] the conversation with a KDC, [`Presented`] what a carrier of AP-REQs
//! must remember. Ciphertexts leave only as [`Secret`](crate::event::Secret): equal tickets are told by their
//! keyed hash.
//!
//! Read by hand with [`wire::Tlv`](crate::wire::Tlv): the crates that read Kerberos build owned names and lists
//! for every message, and want whole messages of strict DER.
//!
//! Not read: everything encrypted (client of an AP-REQ, PAC, subkeys), addresses, times, e-data, the inner
//! request of a FAST-armoured one (RFC 6113 5.4.2: its outer fields are shown, which a client may leave empty),
//! PA-PK-AS-REQ (RFC 4556), KRB-SAFE, KRB-PRIV, KRB-CRED, password changes (port 464), IAKERB;
//! in datagrams, which request a KRB-ERROR answers (it does not say, and nothing is kept between them).
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

mod der;
mod kdc;
mod presented;
#[cfg(test)]
pub(super) mod tests;
pub mod wire;

pub use kdc::{Begins, Decoder, Kdc, begins, datagram, is_datagram};
pub use presented::Presented;
