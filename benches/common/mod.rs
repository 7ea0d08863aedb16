//! What benchmarks share.
#![allow(dead_code, unreachable_pub)] // a module of each benchmark, which uses its part

pub mod measure;
pub mod skeleton;
