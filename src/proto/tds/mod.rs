//! Tabular Data Stream (MS-TDS): where NTLM stands in the logon of SQL Server.
//!
//! [`wire`] reads packet headers and finds the SSPI tokens. There is no decoder yet.
//!
//! Not read: everything after the logon, and what PRELOGIN moved into TLS.
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
