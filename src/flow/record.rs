//! The record of a flow: a hot part of two cache lines, and the rest.

use super::assembler::Cursor;
use super::held::NO_PAIR;
use super::seq::SeqNumber;
use super::timer::{Linked, Links};
use crate::limits::{
    FLOW_BYPASSED_SECS, FLOW_CLOSED_SECS, FLOW_NEW_SECS, FLOW_SECS, FLOW_UDP_SECS,
};
use crate::net::{FlowKey, Side, Transport};
use crate::packet::Wrapping;
use crate::time::Timestamp;

/// How far a flow has come. Each stage has its own timeout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// No more than SYN and SYN/ACK; of UDP, nothing from the other side.
    #[default]
    New,
    /// Handshake complete, or data seen; of UDP, an answer.
    Active,
    /// The decoder wants no more.
    Bypassed,
    /// Both sides have ended; remembered so that late segments do not open it again.
    Closed,
}

impl Stage {
    /// All, in the order in which a full table gives them up.
    pub(super) const TO_EVICT: [Self; 4] = [Self::New, Self::Closed, Self::Bypassed, Self::Active];

    pub(super) fn index(self) -> usize {
        match self {
            Self::New => 0,
            Self::Active => 1,
            Self::Bypassed => 2,
            Self::Closed => 3,
        }
    }

    fn timeout(self, transport: Transport) -> u64 {
        match self {
            Self::New => FLOW_NEW_SECS,
            Self::Active if transport != Transport::Tcp => FLOW_UDP_SECS,
            Self::Active => FLOW_SECS,
            Self::Bypassed => FLOW_BYPASSED_SECS,
            Self::Closed => FLOW_CLOSED_SECS,
        }
    }
}

/// What is known of a flow besides its bytes.
#[derive(Clone, Copy, Debug)]
pub struct FlowInfo {
    /// Who talks to whom.
    pub key: FlowKey,
    /// Time of the first packet.
    pub first_ts: Timestamp,
    /// Number of the first packet.
    pub first_number: u64,
    /// Time of the last packet so far (of the closing one, once closed).
    pub last_ts: Timestamp,
    /// Number of that packet.
    pub last_number: u64,
    /// When this chunk is shown: time of the packet that brought it, or the second at which
    /// the sensor stopped waiting. Depends on nothing but this flow's packets.
    pub at: Timestamp,
    /// Side that sent the SYN, or received the SYN/ACK; none for a flow picked up mid-stream.
    /// Of UDP, the side that sent the first datagram.
    pub initiator: Option<Side>,
    /// What the first packet was wrapped in.
    pub wrapping: Wrapping,
    /// Interface of the first packet.
    pub iface: u16,
    /// How far it has come.
    pub stage: Stage,
    /// Gaps shown so far, both directions.
    pub gaps: u32,
    /// Bytes in them.
    pub gap_bytes: u64,
    /// Packets sent by side A and by side B.
    pub packets: [u32; 2],
    /// Payload bytes sent by side A and by side B, repeats included.
    pub bytes: [u64; 2],
}

impl FlowInfo {
    /// Payload bytes that one side sent.
    #[must_use]
    pub fn sent(&self, side: Side) -> u64 {
        let [a, b] = self.bytes;
        match side {
            Side::A => a,
            Side::B => b,
        }
    }

    /// True if some bytes of this flow were never seen.
    #[must_use]
    pub fn lossy(&self) -> bool {
        self.gaps > 0
    }
}

/// Yes-or-no facts of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags(u16);

impl Flags {
    /// The record is in use.
    pub(super) const LIVE: Self = Self(1 << 0);
    /// Side A, and by shift side B, ...
    const SIDES: u16 = 8;
    /// ... has a place in sequence space,
    pub(super) const OPEN: Self = Self(1 << 1);
    /// ... has ended,
    pub(super) const ENDED: Self = Self(1 << 2);
    /// ... has an initial sequence number,
    pub(super) const ISN: Self = Self(1 << 3);
    /// ... opened the connection,
    pub(super) const INITIATOR: Self = Self(1 << 4);
    /// ... sent one byte that may have been a keepalive.
    pub(super) const HINT: Self = Self(1 << 5);

    pub(super) fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    pub(super) fn of(self, side: Side) -> Self {
        match side {
            Side::A => self,
            Side::B => Self(self.0 << Self::SIDES),
        }
    }

    pub(super) fn set(&mut self, flag: Self) {
        self.0 |= flag.0;
    }
}

/// What every packet of a flow touches.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Hot {
    pub(super) key: FlowKey,
    /// Hash of `key` as the index knows it.
    pub(super) tag: u32,
    /// Memory of its directions, if they need any.
    pub(super) pair: u32,
    pub(super) last: Timestamp,
    pub(super) number: u64,
    pub(super) cursors: [Cursor; 2],
    pub(super) links: Links,
    pub(super) flags: Flags,
    pub(super) stage: Stage,
}

const _: () = assert!(size_of::<Hot>() == 128);

impl Default for Hot {
    fn default() -> Self {
        Self {
            key: FlowKey::default(),
            tag: 0,
            pair: NO_PAIR,
            last: Timestamp::ZERO,
            number: 0,
            cursors: [Cursor::default(); 2],
            links: Links::default(),
            flags: Flags::default(),
            stage: Stage::New,
        }
    }
}

impl Hot {
    pub(super) fn cursor(&mut self, side: Side) -> &mut Cursor {
        let [a, b] = &mut self.cursors;
        match side {
            Side::A => a,
            Side::B => b,
        }
    }

    pub(super) fn live(&self) -> bool {
        self.flags.has(Flags::LIVE)
    }

    pub(super) fn open(&self, side: Side) -> bool {
        self.flags.has(Flags::OPEN.of(side))
    }

    pub(super) fn ended(&self, side: Side) -> bool {
        self.flags.has(Flags::ENDED.of(side))
    }

    /// Second of packet time from which on the flow is over. Whole seconds, so that it is the
    /// same moment for who comes by with a packet and for who sweeps.
    pub(super) fn deadline(&self) -> u64 {
        self.last
            .secs()
            .saturating_add(self.stage.timeout(self.key.transport))
            .saturating_add(1)
    }

    pub(super) fn initiator(&self) -> Option<Side> {
        [Side::A, Side::B]
            .into_iter()
            .find(|side| self.flags.has(Flags::INITIATOR.of(*side)))
    }

    pub(super) fn info<T>(&self, warm: &Warm<T>, at: Timestamp) -> FlowInfo {
        let [a, b] = &self.cursors;
        FlowInfo {
            key: self.key,
            first_ts: warm.first_ts,
            first_number: warm.first_number,
            last_ts: self.last,
            last_number: self.number,
            at,
            initiator: self.initiator(),
            wrapping: warm.wrapping,
            iface: warm.iface,
            stage: self.stage,
            gaps: warm.gaps,
            gap_bytes: warm.gap_bytes,
            packets: [a.packets, b.packets],
            bytes: [a.bytes, b.bytes],
        }
    }
}

/// What only delivered packets touch.
#[derive(Debug, Default)]
pub(super) struct Warm<T> {
    pub(super) first_ts: Timestamp,
    pub(super) first_number: u64,
    pub(super) gap_bytes: u64,
    pub(super) gaps: u32,
    /// Initial sequence numbers, A and B, where [`Flags::ISN`] is set.
    pub(super) isn: [SeqNumber; 2],
    /// A SYN in the middle of the connection: who sent it, and its sequence number.
    pub(super) other_syn: Option<(Side, SeqNumber)>,
    pub(super) wrapping: Wrapping,
    pub(super) iface: u16,
    pub(super) state: T,
}

/// Records in pages, so that a larger table moves nothing.
#[derive(Debug)]
pub(super) struct Records<T> {
    hot: Vec<Vec<Hot>>,
    warm: Vec<Vec<Warm<T>>>,
    free: Vec<u32>,
    len: usize,
}

/// Records in a page.
const PAGE: usize = 1024;

impl<T: Default> Records<T> {
    /// Bytes of one record with its entry in the index.
    pub(super) const BYTES: usize = size_of::<Hot>()
        .saturating_add(size_of::<Warm<T>>())
        .saturating_add(24);

    pub(super) fn new() -> Self {
        Self {
            hot: Vec::new(),
            warm: Vec::new(),
            free: Vec::new(),
            len: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes allocated, the index apart.
    pub(super) fn bytes(&self) -> usize {
        self.hot
            .len()
            .saturating_mul(PAGE)
            .saturating_mul(Self::BYTES)
    }

    pub(super) fn hot(&self, id: u32) -> Option<&Hot> {
        let (page, at) = place(id);
        self.hot.get(page)?.get(at)
    }

    pub(super) fn warm(&self, id: u32) -> Option<&Warm<T>> {
        let (page, at) = place(id);
        self.warm.get(page)?.get(at)
    }

    pub(super) fn get_mut(&mut self, id: u32) -> Option<(&mut Hot, &mut Warm<T>)> {
        let (page, at) = place(id);
        let hot = self.hot.get_mut(page)?.get_mut(at)?;
        let warm = self.warm.get_mut(page)?.get_mut(at)?;
        Some((hot, warm))
    }

    /// A fresh record.
    pub(super) fn take(&mut self) -> u32 {
        self.len = self.len.saturating_add(1);
        if let Some(id) = self.free.pop() {
            return id;
        }
        if self.hot.last().is_none_or(|page| page.len() == PAGE) {
            self.hot.push(Vec::with_capacity(PAGE));
            self.warm.push(Vec::with_capacity(PAGE));
        }
        let before = self.hot.len().saturating_sub(1).saturating_mul(PAGE);
        let (Some(hot), Some(warm)) = (self.hot.last_mut(), self.warm.last_mut()) else {
            return u32::MAX;
        };
        let id = before.saturating_add(hot.len());
        hot.push(Hot::default());
        warm.push(Warm::default());
        u32::try_from(id).unwrap_or(u32::MAX)
    }

    /// Empties a record, whose state is returned, and keeps it for another flow.
    pub(super) fn give(&mut self, id: u32) -> Option<T> {
        let (hot, warm) = self.get_mut(id)?;
        *hot = Hot::default();
        let state = std::mem::take(warm).state;
        self.free.push(id);
        self.len = self.len.saturating_sub(1);
        Some(state)
    }

    /// Records in use.
    pub(super) fn live(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        let hot = self.hot.iter().flatten();
        let warm = self.warm.iter().flatten();
        (0_u32..)
            .zip(hot.zip(warm))
            .filter(|(_, (hot, _))| hot.live())
            .map(|(id, (_, warm))| (id, warm.first_number))
    }
}

impl<T: Default> Linked for Records<T> {
    fn links(&mut self, id: u32) -> Option<&mut Links> {
        let (page, at) = place(id);
        Some(&mut self.hot.get_mut(page)?.get_mut(at)?.links)
    }
}

fn place(id: u32) -> (usize, usize) {
    let id = id as usize;
    (id / PAGE, id % PAGE)
}
