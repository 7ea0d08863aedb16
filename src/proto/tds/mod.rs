//! Tabular Data Stream (MS-TDS): where NTLM stands in the logon of SQL Server.
//!
//! PRELOGIN says who wants encryption, LOGIN7 who logs on from where, tokens of SSPI what NTLM says,
//! LOGINACK or ERROR how it ended. TLS inside PRELOGIN packets is read as [`tls`](super::tls) is. After the logon
//! statements in clear are searched for procedures that look at a path (`statement`), which are told as calls; everything
//! else is passed over by its length.
//!
//! Not read: passwords; what is in TLS (with encryption for the logon alone only LOGIN7 is, the
//! rest of NTLM is in clear); statements behind their first 64 KiB, and what they answer; FEDAUTH; TDS 8, which begins
//! with TLS.
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
mod statement;
pub mod wire;

pub use decoder::Decoder;
pub(crate) use wire::{Begins, begins};

#[cfg(test)]
mod tests;
