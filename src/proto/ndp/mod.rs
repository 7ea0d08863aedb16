//! IPv6 router advertisements (RFC 4861 4.2): who says it is a router, and which resolvers to use.
//!
//! ```text
//! type 1 (134), code 1 (0), checksum 2, hop limit 1, flags 1 (M, O, H, preference 2 bits), router lifetime 2,
//! reachable time 4, retransmission timer 4, options: type 1, length 1 in units of eight bytes, body
//!   1 source link-layer address   6 bytes
//!   3 prefix      bits 1, flags 1 (L, A), valid 4, preferred 4, reserved 4, prefix 16        (4.6.2)
//!   5 MTU         reserved 2, MTU 4
//!  25 RDNSS       reserved 2, lifetime 4, addresses 16 each                         (RFC 8106 5.1)
//! ```
//! Not read: other neighbour discovery, the DNS search list (option 31), routes (24), SEND. The checksum and the
//! hop limit of 255 that a receiver asks for are not looked at.
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
use crate::event::{Anomaly, Event, Prefix, RouterAdvert, Sink};
use crate::limits::RA_LIST;
use crate::net::{Addr, FlowKey, Mac};
use crate::wire::{Error, Reader, Result};

/// A router advertisement; nothing else of ICMPv6 comes here.
pub(super) fn probe(bytes: &[u8], _: &FlowKey) -> bool {
    bytes.first() == Some(&134)
}

/// Reads an advertisement.
pub(super) fn message(met: &Met<'_>, _: &mut Shared, out: &mut dyn Sink) {
    let mut lists = Lists::default();
    let event = match lists.read(met.datagram.bytes, met.datagram.mac) {
        Ok(advert) => Event::RouterAdvert(advert),
        Err(error) => Event::Anomaly(Anomaly::new("ndp", error)),
    };
    out.event(met.direction, &event);
}

/// Room for what an advertisement may list.
#[derive(Default)]
struct Lists {
    prefixes: [Prefix; RA_LIST],
    servers: [Addr; RA_LIST],
}

impl Lists {
    fn read(&mut self, bytes: &[u8], frame_mac: Mac) -> Result<RouterAdvert<'_>> {
        const WHAT: &str = "router advertisement";
        let mut r = Reader::new(bytes).with_order(true);
        r.skip(5, WHAT)?;
        let flags = r.u8(WHAT)?;
        let router_lifetime = r.u16(WHAT)?;
        r.skip(8, WHAT)?;
        let (mut router_mac, mut mtu, mut dns_lifetime) = (Mac::default(), None, None);
        let (mut prefixes, mut servers) = (0_usize, 0_usize);
        while !r.is_empty() {
            let [kind, units] = r.array("option")?;
            // RFC 4861 4.6: an option of length 0 ends the reading of the packet.
            let length =
                usize::from(units)
                    .saturating_mul(8)
                    .checked_sub(2)
                    .ok_or(Error::Malformed {
                        what: "option",
                        why: "length is 0",
                    })?;
            let mut body = r.sub(length, "option")?;
            match kind {
                1 => router_mac = Mac(body.array("source link-layer address")?),
                3 => {
                    let prefix = prefix(&mut body)?;
                    if let Some(free) = self.prefixes.get_mut(prefixes) {
                        *free = prefix;
                        prefixes = prefixes.saturating_add(1);
                    }
                }
                5 => {
                    body.skip(2, "MTU")?;
                    mtu = Some(body.u32("MTU")?);
                }
                25 => {
                    body.skip(2, "RDNSS")?;
                    dns_lifetime = Some(body.u32("RDNSS")?);
                    while let Ok(addr) = body.array("RDNSS") {
                        if let Some(free) = self.servers.get_mut(servers) {
                            *free = Addr(addr);
                            servers = servers.saturating_add(1);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(RouterAdvert {
            managed: flags & 0x80 != 0,
            other: flags & 0x40 != 0,
            preference: match (flags >> 3) & 3 {
                1 => "high",
                3 => "low",
                // The value 2 is reserved and to be taken for medium (RFC 4191 2.2).
                _ => "medium",
            },
            router_lifetime,
            router_mac,
            frame_mac,
            dns_servers: self.servers.get(..servers).unwrap_or_default(),
            dns_lifetime,
            mtu,
            prefixes: self.prefixes.get(..prefixes).unwrap_or_default(),
        })
    }
}

fn prefix(body: &mut Reader<'_>) -> Result<Prefix> {
    const WHAT: &str = "prefix information";
    let [bits, flags] = body.array(WHAT)?;
    let (valid, preferred) = (body.u32(WHAT)?, body.u32(WHAT)?);
    body.skip(4, WHAT)?;
    Ok(Prefix {
        addr: Addr(body.array(WHAT)?),
        bits,
        autonomous: flags & 0x40 != 0,
        valid,
        preferred,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rustfmt::skip]
    const ADVERT: [u8; 16 + 8 + 8 + 32 + 24] = [
        134, 0, 0x12, 0x34, // type, code, checksum
        64, 0xc8, 0, 0, // hop limit; M, O, preference high; no default router
        0, 0, 0, 0, 0, 0, 0, 0, // timers
        1, 1, 2, 0, 0, 0, 0, 0x66, // source link-layer address
        5, 1, 0, 0, 0, 0, 5, 0xdc, // MTU 1500
        3, 4, 64, 0xc0, // prefix of 64 bits, on link, autonomous
        0, 0, 1, 0x2c, 0, 0, 0, 0x78, 0, 0, 0, 0, // valid 300, preferred 120
        0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        25, 3, 0, 0, 0, 0, 0, 30, // RDNSS, lifetime 30
        0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x66,
    ];

    #[test]
    fn an_advertisement_with_everything() {
        let mut lists = Lists::default();
        let ra = lists.read(&ADVERT, Mac([2, 0, 0, 0, 0, 0x66])).unwrap();
        assert!(ra.managed && ra.other);
        assert_eq!((ra.preference, ra.router_lifetime), ("high", 0));
        assert_eq!(ra.router_mac, ra.frame_mac);
        assert_eq!((ra.mtu, ra.dns_lifetime), (Some(1500), Some(30)));
        assert_eq!(ra.dns_servers.len(), 1);
        assert_eq!(ra.dns_servers[0].to_string(), "fe80::66");
        let prefix = ra.prefixes[0];
        assert_eq!(prefix.addr.to_string(), "2001:db8::");
        assert_eq!((prefix.bits, prefix.autonomous), (64, true));
        assert_eq!((prefix.valid, prefix.preferred), (300, 120));
    }

    #[test]
    fn lists_are_bounded_and_cuts_are_errors() {
        let mut many = ADVERT[..16].to_vec();
        for _ in 0..RA_LIST + 5 {
            many.extend_from_slice(&ADVERT[32..]);
        }
        let mut lists = Lists::default();
        let ra = lists.read(&many, Mac::default()).unwrap();
        assert_eq!(
            (ra.prefixes.len(), ra.dns_servers.len()),
            (RA_LIST, RA_LIST)
        );
        for cut in 0..ADVERT.len() {
            let whole_options = [16, 24, 32, 64].contains(&cut);
            let read = Lists::default()
                .read(&ADVERT[..cut], Mac::default())
                .is_ok();
            assert_eq!(read, whole_options, "{cut}");
        }
        let mut endless = ADVERT;
        endless[17] = 0;
        assert!(Lists::default().read(&endless, Mac::default()).is_err());
    }
}
