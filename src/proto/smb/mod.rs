//! SMB (MS-SMB2, MS-SMB, MS-CIFS): who sets up a session, which shares and pipes are opened, and what is
//! said on pipes.
//!
//! ```text
//! decoder    NBSS messages and the commands inside: what to look at, what to pass over
//! commands   SMB 2 and 3: session setup → spnego
//! pipes      what is said on pipes → dcerpc, wsp
//! legacy     SMB 1: the same in its words; logon1 how it logs on, transact1 its transactions
//! interfaces   the addresses that a server says it has
//! compressed   what is inside the compression transform; xpress undoes it
//! sessions, tables   bounded state of one connection
//! shape      what encrypted messages look like from outside
//! wire, wire1   layouts
//! ```
//!
//! Bulk is never held: a READ or WRITE of a file costs a look at its header, then the rest is
//! skipped by its length.
//!
//! Not read: file contents and metadata, anything inside encryption (0xFD: sizes and nonces are looked at),
//! compression (0xFC) of more than [`SMB_PLAIN_BYTES`](crate::limits::SMB_PLAIN_BYTES) or by LZ4 (counted, and said
//! once a connection unless it is file data), signatures, compression contexts, handles opened on another connection of the
//! same session (multichannel; their pipe data is recognised as RPC, without the pipe's name). Of SMB 1: file
//! commands (READ, WRITE and OPEN without NT in front among them), CALL_NMPIPE, raw and multiplexed modes, reads and writes
//! on a tree of which neither connect, open of a pipe nor a transaction was seen, logons before `NT LM 0.12` but for their
//! LM response, passwords of shares.
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

mod commands;
mod compressed;
mod decoder;
pub mod interfaces;
mod legacy;
pub mod logon1;
mod pipes;
mod sessions;
mod shape;
mod tables;
pub mod transact1;
pub mod wire;
pub mod wire1;
mod xpress;

pub use decoder::{Decoder, Opaque};
