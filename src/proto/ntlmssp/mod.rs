//! NTLMSSP (MS-NLMP): the three messages of an exchange, whatever carries them.
//!
//! ```text
//! client ── NEGOTIATE (1) ──► server      what the client can do
//! client ◄─ CHALLENGE (2) ─── server      eight bytes that a relay must pass on
//! client ── AUTHENTICATE (3) ► server     who, and the proof
//! ```
//!
//! [`wire`] reads one message, [`Exchange`] remembers the challenge between them and says the events.
//!
//! Not read: the encrypted session key and the MIC's value (neither can be checked without the
//! user's key), the LM response beyond telling v1 from v1 with extended session security, signatures
//! of later messages (MS-NLMP 2.2.2.9), and the legacy SMB1 form that has no signature at all.
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
pub mod wire;

pub use decoder::Exchange;

pub use super::token::TokenAt;
