//! Packets that a mirror port shows twice: once where they come in and once where they go out.
//!
//! The copy of a routed packet has another TTL, and so another header checksum, other stations and perhaps another
//! VLAN. The same are addresses, ports, the id of the IP packet, the checksum of TCP or UDP with everything that it
//! covers, and the length. A retransmission has another id, and where there is none (IPv6) mostly another
//! timestamp option; that of a segment with neither, within the window, is taken for a copy and is no loss: its
//! bytes were there. The same id and checksum are also what a loop in the network sends.
//!
//! Of a datagram its first eight bytes count too.
//!
//! A datagram without an id (all of IPv6) is taken for a copy only if it goes to one host: multicast DNS says the same
//! twice within milliseconds, and who asks one server again waits longer than [`TWICE_MILLIS`].
//!
//! Not recognised: datagrams over IPv6 to many hosts, or without a checksum; copies of packets that were put together from fragments; copies through a NAT, which are another flow; copies in another VLAN if VLANs are in the flow key.

use crate::limits::{TWICE_MILLIS, TWICE_SLOTS};
use crate::time::Timestamp;

/// Fingerprints of the last packets, each in the only place it may be in. A place that is taken over forgets: then a
/// copy is a packet like any other, which reassembly knows how to take.
#[derive(Debug)]
pub(super) struct Twice {
    slots: Box<[Slot]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    print: u64,
    at: Timestamp,
}

impl Twice {
    pub(super) fn new() -> Self {
        Self {
            slots: vec![Slot::default(); TWICE_SLOTS].into_boxed_slice(),
        }
    }

    /// True if a packet of this fingerprint came not long before `at`.
    #[inline]
    pub(super) fn seen(&mut self, print: u64, at: Timestamp) -> bool {
        // The top 12 bits, one place each.
        const { assert!(TWICE_SLOTS == 1 << 12) };
        let place = usize::try_from(print >> 52).unwrap_or(0);
        let Some(slot) = self.slots.get_mut(place) else {
            return false;
        };
        let window = TWICE_MILLIS.saturating_mul(1_000_000);
        if slot.print == print && at.0.saturating_sub(slot.at.0) <= window && at >= slot.at {
            return true;
        }
        *slot = Slot { print, at };
        false
    }
}
