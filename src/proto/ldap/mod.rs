//! LDAP over TCP (RFC 4511, MS-ADTS 5.1.1): binds and their answers.
//!
//! Messages are framed by length; all but binds and extended operations are passed over without
//! looking. Windows' own Sicily binds (tags 9 to 11, MS-ADTS 5.1.1.1.3) are read: relay tools use them.
//!
//! Not read: searches, entries, modifications; passwords of simple binds and of SASL mechanisms other
//! than `GSS-SPNEGO`, `GSSAPI` and `NTLM`; what is inside a SASL buffer, signed or sealed; LDAP behind TLS;
//! connectionless LDAP.
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

mod decoder;
mod wire;

pub use decoder::Decoder;
pub(crate) use wire::{Begins, begins, begins_sasl};

#[cfg(test)]
mod tests;
