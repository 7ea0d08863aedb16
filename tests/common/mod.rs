//! What integration tests share: `mod common;`.

pub mod eve;
