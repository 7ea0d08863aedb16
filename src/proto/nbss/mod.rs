//! NetBIOS session service and direct TCP framing of SMB (RFC 1002 4.3.1, MS-SMB2 2.1).
//!
//! [`wire`] reads the four bytes in front of every message, and the names of a session request. There is no state.
//!
//! Not read: scopes behind names, retarget addresses (RFC 1002 4.3.5), which NetBIOS of Windows does not use.
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
