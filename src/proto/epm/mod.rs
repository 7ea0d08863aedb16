//! The endpoint mapper (C706 appendix O): which interface listens where.
//!
//! [`wire`] reads `ept_map` requests and the towers of its and `ept_lookup`'s answers; `dcerpc` says them as
//! events; [`Endpoints`] keeps what they teach, and [`Learn`] puts it to use. Nothing learned here ever
//! restricts what is decoded: an interface can be called on every endpoint of its process.
//!
//! Not read: answers of more than 64 KiB, `ept_insert`.

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

mod endpoints;
pub mod wire;

pub use endpoints::{Endpoints, Learn};
