//! SPNEGO (RFC 4178, MS-SPNG): the wrapper around NTLM and Kerberos tokens.
//!
//! [`wire`] walks the wrapper, [`Negotiation`] hands the message inside to [`ntlmssp`](super::ntlmssp) or
//! [`krb5`](super::krb5).
//!
//! Not read: NEGOEX, request flags, hints and the
//! value of mechListMIC.
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
#[cfg(test)]
mod kerberos_tests;
pub mod wire;

pub use decoder::Negotiation;

pub use super::ntlmssp::TokenAt;
