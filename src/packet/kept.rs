//! A frame that outlives its block: a copy, for evidence.

use super::{Block, FrameRef, Packet, Tcp};
use crate::net::{FlowKey, Transport};
use crate::time::Timestamp;

/// One frame as it was captured, with what is needed to put it into its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Number of the frame in its source, from 1.
    pub number: u64,
    /// Capture time.
    pub ts: Timestamp,
    /// The innermost flow, without VLAN.
    pub key: FlowKey,
    /// True if side A of the key sent it.
    pub from_a: bool,
    /// TCP fields; zero for UDP.
    pub tcp: Tcp,
    /// Link type (LINKTYPE_ number of the pcap registry).
    pub link: u16,
    /// Bytes on the wire.
    pub wire_len: u32,
    /// Offset of the payload in `bytes`.
    pub start: usize,
    /// Bytes of payload that were captured.
    pub len: usize,
    /// All that was captured of the frame.
    pub bytes: Box<[u8]>,
}

impl Kept {
    /// Bytes of heap and record, about.
    pub const OVERHEAD: usize = size_of::<Self>().saturating_add(64);

    /// A copy. `None` for a datagram put together from fragments: its frame has only the last of them.
    #[must_use]
    pub fn of(packet: &Packet, frame: &FrameRef, block: &Block) -> Option<Self> {
        if packet.payload.spilled {
            return None;
        }
        let from = frame.start as usize;
        let bytes = block
            .bytes
            .get(from..from.checked_add(frame.len as usize)?)?;
        let len = packet.payload.len as usize;
        let start = match len {
            0 => 0,
            _ => (packet.payload.start as usize).checked_sub(from)?,
        };
        bytes.get(start..start.checked_add(len)?)?;
        let mut key = packet.key;
        key.vlan = 0;
        Some(Self {
            number: packet.number,
            ts: packet.ts,
            key,
            from_a: packet.from_a,
            tcp: packet.tcp,
            link: frame.link,
            wire_len: frame.wire_len,
            start,
            len,
            bytes: bytes.into(),
        })
    }

    /// What it counts for in a memory budget.
    #[must_use]
    pub fn cost(&self) -> usize {
        self.bytes.len().saturating_add(Self::OVERHEAD)
    }

    /// The payload that was captured.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        let end = self.start.saturating_add(self.len);
        self.bytes.get(self.start..end).unwrap_or_default()
    }

    /// True if it is a segment of a TCP stream.
    #[must_use]
    pub fn is_tcp(&self) -> bool {
        self.key.transport == Transport::Tcp
    }
}
