//! The endpoint mapper (C706 appendix O): which interface listens where.
//!
//! Only layouts so far ([`wire`]): `ept_map` requests and responses and the towers in them. Not read:
//! NDR64 forms, `ept_lookup` responses. Nothing learned here ever restricts what is decoded: an interface
//! can be called on every endpoint of its process.

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
