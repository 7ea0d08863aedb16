//! ARP (RFC 826): who says it has which IPv4 address.
//!
//! ```text
//! hardware type 2 (1 Ethernet), protocol type 2 (0x0800 IPv4), lengths 6 and 4, operation 2,
//! sender MAC 6, sender IP 4, target MAC 6, target IP 4
//! ```
//! Not read: other hardware and protocols, which `packet` already passes over; InARP and RARP are said by number.
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

use super::Shared;
use super::datagram::Met;
use crate::event::{Anomaly, Arp, ArpOperation, Event, Sink};
use crate::net::{Addr, FlowKey, Mac};
use crate::wire::{Reader, Result};

/// ARP has a transport of its own.
pub(super) fn probe(_: &[u8], _: &FlowKey) -> bool {
    true
}

/// Reads a message.
pub(super) fn message(met: &Met<'_>, _: &mut Shared, out: &mut dyn Sink) {
    let event = match read(met.datagram.bytes, met.datagram.mac) {
        Ok(arp) => Event::Arp(arp),
        Err(error) => Event::Anomaly(Anomaly::new("arp", error)),
    };
    out.event(met.direction, &event);
}

fn read(bytes: &[u8], frame_mac: Mac) -> Result<Arp> {
    const WHAT: &str = "ARP message";
    let mut r = Reader::new(bytes).with_order(true);
    r.skip(6, WHAT)?;
    Ok(Arp {
        operation: ArpOperation(r.u16(WHAT)?),
        src_mac: Mac(r.array(WHAT)?),
        src_ip: Addr::v4(r.array(WHAT)?),
        dest_mac: Mac(r.array(WHAT)?),
        dest_ip: Addr::v4(r.array(WHAT)?),
        frame_mac,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reply of 192.0.2.66 that claims to be 192.0.2.1, sent in a frame of another station.
    const REPLY: [u8; 28] = [
        0, 1, 8, 0, 6, 4, // Ethernet, IPv4, lengths
        0, 2, // reply
        2, 0, 0, 0, 0, 0x66, // sender
        192, 0, 2, 1, //
        2, 0, 0, 0, 0, 0x10, // target
        192, 0, 2, 10,
    ];

    #[test]
    fn a_reply() {
        let mac = Mac([2, 0, 0, 0, 0, 0x67]);
        let arp = read(&REPLY, mac).unwrap();
        assert_eq!(arp.operation, ArpOperation::REPLY);
        assert_eq!(arp.src_mac.to_string(), "02:00:00:00:00:66");
        assert_eq!(arp.src_ip.to_string(), "192.0.2.1");
        assert_eq!(arp.dest_mac.to_string(), "02:00:00:00:00:10");
        assert_eq!(arp.dest_ip.to_string(), "192.0.2.10");
        assert_ne!(arp.frame_mac, arp.src_mac);
        for cut in 0..REPLY.len() {
            assert!(read(&REPLY[..cut], mac).is_err());
        }
    }
}
