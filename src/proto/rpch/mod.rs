//! RPC over HTTP (MS-RPCH): the `ncacn_http/1.0` banner, and version 2 with its two channels.
//!
//! ```text
//!   client ══ RPC_IN_DATA  ══► in proxy  ── banner, CONN/B2, requests  ──► server
//!   client ◄═ RPC_OUT_DATA ═══ out proxy ◄─ banner, CONN/C1, responses ──  server
//!            HTTP bodies                      bare TCP, also without proxies
//! ```
//!
//! [`Decoder`] reads a bare TCP stream, which is also plain `ncacn_ip_tcp`; [`Bodies`] takes the HTTP
//! bodies. Both take RTS PDUs out and hand the rest to [`dcerpc`](super::dcerpc): to an association of
//! their own, or once a virtual connection cookie was seen, to the one that both channels share. Channels
//! that replace others (`IN_R1`, `IN_R2`, `OUT_R1`, `OUT_R2`) say the cookie again and so join it. The client that
//! CONN/B2 names is told with every call of that leg; it is the proxy's word only.
//!
//! Not read: flow control, keep-alives, channel lifetimes, channel cookies; version 1 beyond its tunnel
//! (`RPC_CONNECT`); RD Gateway's `RDG_*` methods, which are no RPC.
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

mod bare;
mod bodies;
mod stream;
mod virt;
mod wire;

pub use bare::Decoder;
pub use bodies::Bodies;
pub use virt::VirtualConnections;
pub(crate) use wire::{BANNER, Rts};

#[cfg(test)]
mod tests;
