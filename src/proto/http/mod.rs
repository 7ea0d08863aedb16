//! HTTP/1 (RFC 9112) and the credentials that it carries for NTLM and Negotiate (RFC 4559).
//!
//! Heads are read, at most [`limits::HTTP_HEAD_BYTES`](crate::limits::HTTP_HEAD_BYTES) each; bodies
//! are passed over by their length. Who wants bodies gives the decoder a [`Tap`]; RPC over HTTP and certificate
//! enrolment do. Of WinRM the head says whether its body is encrypted, and by what; a `wpad.dat` is pointed at.
//!
//! Not read: bodies, trailers, any other authentication scheme (`Basic` holds a password, so nobody
//! looks at it), HTTP/0.9, what follows an `Upgrade`. What follows a `CONNECT` is identified anew. HTTP/2
//! is recognised by its preface and not read. No value of an
//! `Authorization` field leaves this module but as a token for [`spnego`](super::spnego).
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

mod auth;
mod body;
mod decoder;
mod detail;
mod pending;
mod preface;
mod tap;
mod wire;

pub use decoder::Decoder;
pub(crate) use preface::PREFACE;
pub use preface::Preface;
pub use tap::{RequestHead, Tap, Wants};
pub(crate) use wire::{Begins, begins};

#[cfg(test)]
mod tests;
