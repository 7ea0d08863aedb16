//! LDAP over TCP and in datagrams (RFC 4511, MS-ADTS 5.1.1): binds, changes, searches, extended operations and their
//! answers.
//!
//! Windows' own Sicily binds (tags 9 to 11, MS-ADTS 5.1.1.1.3) are read: relay tools use them. So is
//! what stands in SASL buffers that are signed and not sealed.
//!
//! Not read: entries of a search, values of attributes, passwords of simple binds and of SASL
//! mechanisms other than `GSS-SPNEGO`, `GSSAPI` and `NTLM`; sealed buffers; a request or response torn
//! between two signed buffers; entries other than `netlogon` in datagrams.
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

mod cldap;
mod decoder;
mod filter;
mod netlogon;
mod operations;
mod sasl;
mod wire;

pub(crate) use cldap::{decode as datagram, probe as datagram_probe};
pub use decoder::Decoder;
pub use operations::Scratch;
pub(crate) use wire::{Begins, begins, begins_sasl};

#[cfg(test)]
mod tests;
