//! DCE/RPC, connection-oriented (C706 chapter 12, MS-RPCE).
//!
//! [`wire`] reads PDUs, [`Association`] keeps what a conversation needs, [`stub`] reads the path
//! out of a coercion call by the layout the catalogue gives, with [`ndr`] as its cursor. `arguments`
//! reads names out of neighbouring calls, [`cl`] what comes in datagrams, `endpoints` what mappers and OXID resolvers answer.
//!
//! Not read: other response stubs except their last four bytes, security tokens other than what `spnego`
//! reads, bind-time features, extended error information, alternate addresses, RTS commands
//! (`proto::rpch` reads those).

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

mod arguments;
mod auth;
mod calls;
pub mod cl;
mod contexts;
mod decoder;
mod endpoints;
mod framing;
pub mod ndr;
pub mod stub;
mod torn;
pub mod wire;

#[cfg(test)]
mod tests;

pub use decoder::Association;

use crate::event::RpcTransport;
use crate::net::Addr;

/// How an association is reached.
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    /// Protocol sequence.
    pub transport: RpcTransport,
    /// Named pipe, lower case, empty if none.
    pub pipe: &'a str,
    /// Tells associations of one flow apart (pipe handle; 0 over TCP).
    pub association: u64,
    /// The client, where a proxy between says who it is.
    pub client: Option<Addr>,
}
