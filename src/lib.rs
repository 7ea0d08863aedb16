//! relaywatch: a passive sensor for coerced Windows authentication and its relay.
//!
//! A frame enters at [`capture`] and leaves as a line of JSON at [`output`]:
//!
//! ```text
//!  capture    packet       flow          proto        rule          correlate    output
//!  Frame ───► Packet ════► Chunk ──────► Event ─────► Sighting ════► Alert ════► EVE line
//!  └─ capture thread ─┘    └─────────── worker ──────────────┘      correlator   writer
//! ```
//!
//! Below [`sensor`] nothing starts a thread, reads a clock or opens a file.

pub mod capture;
pub mod packet;

pub mod flow;
pub mod proto;

pub mod event;
pub mod rule;

pub mod correlate;
pub mod output;

pub mod cli;
pub mod sensor;

pub mod catalog;
pub mod limits;
pub mod net;
pub mod time;
pub mod wire;

#[doc(hidden)]
pub mod fuzzing;
