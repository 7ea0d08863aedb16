//! TLS (RFC 8446, RFC 5246): the hellos, and the server's certificate where it travels in clear, that
//! is up to TLS 1.2. One event a connection; then the decoder is done, and the flow with it.
//!
//! The client's fingerprint is JA4 by its public description (the part named JA4, under the BSD
//! licence; nothing of JA4+). No crate that is kept up gives it without a capture engine around it.
//!
//! Not read: everything behind the hellos and the certificate; key exchanges, tickets, alerts; encrypted
//! client hellos; certificates but the first; DTLS, QUIC.
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

mod certificate;
mod decoder;
mod ja4;
mod wire;

pub use decoder::Decoder;

#[cfg(test)]
mod tests;
