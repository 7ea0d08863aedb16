//! Outputs against receivers that are slow, gone, back again, and files that somebody moves away.
#![allow(clippy::disallowed_methods)] // receivers are threads, and a program under test is watched with a clock

mod files;
mod receivers;
mod sockets;
#[path = "../common/synth.rs"]
mod synth;
mod traffic;
