//! One frame: who, when, which bytes.
//!
//! A [`Block`] holds the bytes of many frames as the capture delivered them; it is filled
//! once and then only shared. A [`Packet`] is what the capture thread found in one frame:
//! the innermost flow and where its payload lies in the block. Packets are `Copy` and
//! small, because they are what crosses the queue; payload is never copied on the way.

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

mod chunk;
mod decap;
mod defrag;
mod dissect;
mod ip;
mod kept;
mod link;
mod twice;
mod view;

#[cfg(test)]
mod tests;

pub use chunk::{Chunk, Datagram, Progress};
pub use dissect::{DissectOptions, DissectStats, Dissector};
pub use kept::Kept;

use crate::net::{FlowKey, Mac, Outer, Side};
use crate::time::Timestamp;

/// Where bytes lie in a [`Block`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Number of bytes.
    pub len: u32,
    /// In [`Block::spill`] (reassembled from fragments) instead of [`Block::bytes`].
    pub spilled: bool,
}

/// One frame as captured, by reference into its block.
#[derive(Clone, Copy, Debug, Default)]
pub struct FrameRef {
    /// When the capture says it came; made monotonic by the dispatcher, not here.
    pub ts: Timestamp,
    /// Offset in [`Block::bytes`].
    pub start: u32,
    /// Bytes captured.
    pub len: u32,
    /// Bytes on the wire; more than `len` if the capture cut the frame.
    pub wire_len: u32,
    /// Link type (LINKTYPE_ number of the pcap registry).
    pub link: u16,
    /// Interface of a pcapng file, or of the live set.
    pub iface: u16,
}

/// Bytes of many frames, filled by a capture, shared with the workers, recycled.
#[derive(Debug, Default)]
pub struct Block {
    /// Bytes as the capture delivered them.
    pub bytes: Vec<u8>,
    /// The frames in them, in capture order.
    pub frames: Vec<FrameRef>,
    /// Datagrams put together from fragments.
    pub spill: Vec<u8>,
    /// Packets around those of the frames, as far as there are any.
    pub outers: Vec<Outer>,
}

impl Block {
    /// The bytes of `span`; empty if it does not lie in the block.
    #[must_use]
    pub fn slice(&self, span: Span) -> &[u8] {
        let from = if span.spilled {
            &self.spill
        } else {
            &self.bytes
        };
        let start = span.start as usize;
        from.get(start..start.saturating_add(span.len as usize))
            .unwrap_or_default()
    }

    /// Remembers what a packet was carried in; what [`Block::outer`] wants to find it again.
    pub fn add_outer(outers: &mut Vec<Outer>, outer: Outer) -> u16 {
        // Neighbours mostly come through the same tunnel.
        if outers.last() != Some(&outer) {
            outers.push(outer);
        }
        u16::try_from(outers.len()).unwrap_or(0)
    }

    /// What a packet of this block was carried in.
    #[must_use]
    pub fn outer(&self, wrapping: Wrapping) -> Option<Outer> {
        let at = usize::from(wrapping.outer).checked_sub(1)?;
        self.outers.get(at).copied()
    }

    /// Empties it and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.frames.clear();
        self.spill.clear();
        self.outers.clear();
    }
}

/// TCP header fields that reassembly needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tcp {
    /// Sequence number of the first payload byte (of the SYN if there is one).
    pub seq: u32,
    /// Acknowledgement number, meaningful if [`Tcp::ACK`] is set.
    pub ack: u32,
    /// Flags as on the wire.
    pub flags: u8,
}

impl Tcp {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Connection start.
    pub const SYN: u8 = 0x02;
    /// Connection reset.
    pub const RST: u8 = 0x04;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 0x10;

    /// True if any of `flags` is set.
    #[must_use]
    pub fn has(self, flags: u8) -> bool {
        self.flags & flags != 0
    }
}

/// The outermost layers that were taken off, as EVE reports them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wrapping {
    /// VLAN ids, outermost first; 0 ends the list.
    pub vlan: [u16; 2],
    /// Tunnels taken off.
    pub tunnels: u8,
    /// Place in [`Block::outers`] and 1; 0 if it was in no IP packet.
    pub outer: u16,
    /// Source address of the innermost Ethernet header; zero if there is none.
    pub mac: Mac,
}

/// What the capture thread found in one frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct Packet {
    /// Capture time, monotonic within the source.
    pub ts: Timestamp,
    /// Number of the frame in its source, from 1 (EVE `pcap_cnt`).
    pub number: u64,
    /// The innermost flow.
    pub key: FlowKey,
    /// Seeded hash of `key`; never reaches output.
    pub hash: u64,
    /// Seeded hash of the two addresses alone, the same both ways: chooses the worker.
    pub pair: u32,
    /// True if side A of the key sent it.
    pub from_a: bool,
    /// TCP fields; zero for UDP.
    pub tcp: Tcp,
    /// Payload that was captured.
    pub payload: Span,
    /// Payload bytes that the sender sent; more than `payload.len` if the frame was cut.
    pub sent: u32,
    /// What the packet was wrapped in.
    pub wrapping: Wrapping,
    /// Interface it came from.
    pub iface: u16,
}

impl Packet {
    /// The side that sent it.
    #[must_use]
    pub fn side(&self) -> Side {
        if self.from_a { Side::A } else { Side::B }
    }
}
