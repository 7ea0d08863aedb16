//! NetBIOS session service and direct TCP framing of SMB (RFC 1002 4.3.1, MS-SMB2 2.1).
//!
//! [`wire`] reads the four bytes in front of every message. There is no state.
//!
//! Not read: the called and calling names of a session request, retarget addresses.
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

pub mod wire;
