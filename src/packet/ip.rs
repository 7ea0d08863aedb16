//! IP, TCP and UDP headers.
//!
//! The plain cases are walked by hand; chains of extension headers go to etherparse, which is also the
//! judge in the tests. A length that the header gets wrong falls back to what was captured; checksums are
//! not looked at, because hosts that offload have them wrong.
//!
//! ```text
//! IPv4  version 4 bits, header length 4, TOS 8, total length 16, id 16, flags 3, offset 13, TTL 8, protocol 8,
//!       checksum 16, source 32, destination 32, options
//! IPv6  version 4 bits, class 8, label 20, payload length 16, next header 8, hop limit 8, source 128, destination 128
//! TCP   source port 16, destination port 16, sequence 32, acknowledgement 32, header length 4, 4, flags 8,
//!       window 16, checksum 16, urgent 16, options
//! UDP   source port 16, destination port 16, length 16, checksum 16
//! ```

use super::Tcp;
use super::decap;
use super::defrag::{Fragment, Key};
use super::dissect::{Layer, Miss};
use super::view::View;
use crate::limits::EXTENSION_HEADERS;
use crate::net::{Addr, Endpoint, Outer, Transport};
use etherparse::{IpAuthHeaderSlice, Ipv6FragmentHeaderSlice, Ipv6RawExtHeaderSlice};

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP6: u8 = 58;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

/// What an IP packet turned out to be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'a> {
    /// A segment or datagram of a flow.
    Segment(Segment<'a>),
    /// A piece of a packet.
    Fragment(Fragment, View<'a>),
    /// A tunnel, and the packet that carries it, if that is IP.
    Inner(Layer, View<'a>, Option<Outer>),
}

/// A TCP segment or UDP datagram; a message that stands for one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub(super) addrs: Addrs,
    pub(super) ports: (u16, u16),
    pub(super) transport: Transport,
    pub(super) tcp: Tcp,
    /// Checksum of TCP or UDP, as sent.
    pub(super) checksum: u16,
    /// Id of the IPv4 packet; 0 if it has none or was put together.
    pub(super) id: u16,
    pub(super) payload: View<'a>,
}

/// Source and destination as numbers, which stay in registers; [`Addr`]s are made of them last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Addrs {
    pub(super) src: u128,
    pub(super) dst: u128,
}

impl Addrs {
    fn v4(src: [u8; 4], dst: [u8; 4]) -> Self {
        let mapped = |b: [u8; 4]| 0xffff_0000_0000 | u128::from(u32::from_be_bytes(b));
        Self {
            src: mapped(src),
            dst: mapped(dst),
        }
    }

    #[cold]
    fn outer(self, protocol: u8, ports: (u16, u16)) -> Outer {
        let end = |addr: u128, port| Endpoint::new(Addr(addr.to_be_bytes()), port);
        Outer {
            src: end(self.src, ports.0),
            dst: end(self.dst, ports.1),
            protocol,
            depth: 1,
        }
    }

    /// Extension headers exist in IPv6 only.
    fn is_v4(self) -> bool {
        self.src >> 32 == 0xffff
    }
}

/// Reads an IP packet of either version.
#[inline]
pub(super) fn packet(view: View<'_>) -> Result<Found<'_>, Miss> {
    match view.bytes.first() {
        Some(0x40..=0x4f) => v4(view),
        Some(0x60..=0x6f) => v6(view),
        Some(_) => Err(Miss::Malformed),
        None => Err(Miss::Short),
    }
}

#[inline]
fn v4(view: View<'_>) -> Result<Found<'_>, Miss> {
    // Five words of four bytes.
    let Some(
        &[
            [first, _, l0, l1],
            [i0, i1, f0, f1],
            [_, protocol, _, _],
            src,
            dst,
        ],
    ) = view.bytes.as_chunks::<4>().0.first_chunk()
    else {
        return Err(Miss::Short);
    };
    let addrs = Addrs::v4(src, dst);
    let header = usize::from(first & 0x0f).saturating_mul(4);
    if header < 20 {
        return Err(Miss::Malformed);
    }
    let mut body = view;
    body.pass(header)?;
    // Total length 0 is segmentation offload; a length less than the header is nonsense. Either way the frame knows.
    let total = usize::from(u16::from_be_bytes([l0, l1]));
    if let Some(len) = total.checked_sub(header) {
        body = body.keep(len);
    }
    let fragment = u16::from_be_bytes([f0, f1]);
    let (offset, more) = ((fragment & 0x1fff).wrapping_mul(8), fragment & 0x2000 != 0);
    if more || offset != 0 {
        let key = Key {
            addrs,
            id: u16::from_be_bytes([i0, i1]).into(),
            protocol: Some(protocol),
        };
        let fragment = Fragment {
            key,
            offset,
            more,
            protocol,
        };
        return Ok(Found::Fragment(fragment, body));
    }
    let found = match protocol {
        TCP => tcp(addrs, body),
        other => upper(other, addrs, body),
    };
    match found {
        Ok(Found::Segment(segment)) => Ok(Found::Segment(Segment {
            id: u16::from_be_bytes([i0, i1]),
            ..segment
        })),
        other => other,
    }
}

#[inline]
fn v6(view: View<'_>) -> Result<Found<'_>, Miss> {
    let Some((&[_, _, _, _, l0, l1, next, _], addrs)) = view.bytes.split_first_chunk::<8>() else {
        return Err(Miss::Short);
    };
    let Some((src, rest)) = addrs.split_first_chunk::<16>() else {
        return Err(Miss::Short);
    };
    let Some(dst) = rest.first_chunk::<16>() else {
        return Err(Miss::Short);
    };
    let addrs = Addrs {
        src: u128::from_be_bytes(*src),
        dst: u128::from_be_bytes(*dst),
    };
    let body = view.skip(40).ok_or(Miss::Short)?;
    // Length 0 is a jumbogram or segmentation offload: the frame knows.
    let body = match usize::from(u16::from_be_bytes([l0, l1])) {
        0 => body,
        len => body.keep(len),
    };
    if next == HOP_BY_HOP {
        return extensions(next, addrs, body);
    }
    upper(next, addrs, body)
}

/// Reads what follows the IP header, or the extension header before it.
pub(super) fn upper(protocol: u8, addrs: Addrs, view: View<'_>) -> Result<Found<'_>, Miss> {
    match protocol {
        TCP => tcp(addrs, view),
        UDP => udp(addrs, view),
        AUTHENTICATION => extensions(protocol, addrs, view),
        ICMP6 => icmp6(addrs, view),
        ROUTING | FRAGMENT | DESTINATION if !addrs.is_v4() => extensions(protocol, addrs, view),
        _ => {
            let mut view = view;
            let layer = decap::by_protocol(protocol, &mut view).ok_or(Miss::Transport)?;
            Ok(Found::Inner(
                layer,
                view,
                Some(addrs.outer(protocol, (0, 0))),
            ))
        }
    }
}

/// Passes over IPv6 extension headers (RFC 8200 4) and authentication headers (RFC 4302), up to a fragment.
#[cold]
fn extensions(first: u8, addrs: Addrs, view: View<'_>) -> Result<Found<'_>, Miss> {
    let (mut next, mut view) = (first, view);
    for round in 0..EXTENSION_HEADERS {
        let length = match next {
            // Only directly after the IPv6 header.
            HOP_BY_HOP if round != 0 => return Err(Miss::Malformed),
            HOP_BY_HOP | ROUTING | DESTINATION if !addrs.is_v4() => {
                let header = Ipv6RawExtHeaderSlice::from_slice(view.bytes);
                let header = header.map_err(|_| Miss::Short)?;
                next = header.next_header().0;
                header.slice().len()
            }
            FRAGMENT if !addrs.is_v4() => {
                let header = Ipv6FragmentHeaderSlice::from_slice(view.bytes);
                let header = header.map_err(|_| Miss::Short)?;
                let rest = view.skip(header.slice().len()).ok_or(Miss::Short)?;
                next = header.next_header().0;
                if header.is_fragmenting_payload() {
                    let key = Key {
                        addrs,
                        id: header.identification(),
                        protocol: None,
                    };
                    let fragment = Fragment {
                        key,
                        offset: header.fragment_offset().value().wrapping_mul(8),
                        more: header.more_fragments(),
                        protocol: next,
                    };
                    return Ok(Found::Fragment(fragment, rest));
                }
                header.slice().len()
            }
            AUTHENTICATION => {
                let header = IpAuthHeaderSlice::from_slice(view.bytes);
                let header = header.map_err(|_| Miss::Malformed)?;
                next = header.next_header().0;
                header.slice().len()
            }
            other => return upper(other, addrs, view),
        };
        view = view.skip(length).ok_or(Miss::Short)?;
    }
    Err(Miss::Malformed)
}

#[inline(always)]
fn tcp(addrs: Addrs, view: View<'_>) -> Result<Found<'_>, Miss> {
    let Some(
        &[
            [s0, s1, d0, d1],
            seq,
            ack,
            [length, flags, ..],
            [c0, c1, ..],
        ],
    ) = view.bytes.as_chunks::<4>().0.first_chunk()
    else {
        return Err(Miss::Short);
    };
    let header = usize::from(length >> 4).saturating_mul(4);
    if header < 20 {
        return Err(Miss::Malformed);
    }
    Ok(Found::Segment(Segment {
        addrs,
        ports: (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1])),
        transport: Transport::Tcp,
        tcp: Tcp {
            seq: u32::from_be_bytes(seq),
            ack: u32::from_be_bytes(ack),
            flags,
        },
        checksum: u16::from_be_bytes([c0, c1]),
        id: 0,
        payload: view.skip_sent(header).ok_or(Miss::Malformed)?,
    }))
}

/// A router advertisement (RFC 4861 4.2), which is type 134; the message is the payload.
fn icmp6(addrs: Addrs, view: View<'_>) -> Result<Found<'_>, Miss> {
    match view.bytes.first() {
        Some(134) => Ok(portless(addrs, Transport::Icmp6, view)),
        _ => Err(Miss::Transport),
    }
}

/// ARP for IPv4 over Ethernet (RFC 826): the message is the payload, its two protocol addresses are the ends.
///
/// `hardware type 2 (1), protocol type 2 (0x0800), lengths 6 and 4, operation 2, sender MAC 6, sender IP 4,
/// target MAC 6, target IP 4`
pub(super) fn arp(view: View<'_>) -> Result<Found<'_>, Miss> {
    let Some(&message) = view.bytes.first_chunk::<28>() else {
        return Err(Miss::Short);
    };
    #[rustfmt::skip]
    let [0, 1, 8, 0, 6, 4, _, _, _, _, _, _, _, _, s0, s1, s2, s3, _, _, _, _, _, _, t0, t1, t2, t3] = message
    else {
        return Err(Miss::NotIp);
    };
    let addrs = Addrs::v4([s0, s1, s2, s3], [t0, t1, t2, t3]);
    Ok(portless(addrs, Transport::Arp, view.keep(28)))
}

fn portless(addrs: Addrs, transport: Transport, payload: View<'_>) -> Found<'_> {
    Found::Segment(Segment {
        addrs,
        ports: (0, 0),
        transport,
        tcp: Tcp::default(),
        checksum: 0,
        id: 0,
        payload,
    })
}

#[inline]
fn udp(addrs: Addrs, view: View<'_>) -> Result<Found<'_>, Miss> {
    let Some(&[s0, s1, d0, d1, l0, l1, c0, c1]) = view.bytes.first_chunk() else {
        return Err(Miss::Short);
    };
    let port = u16::from_be_bytes([d0, d1]);
    let mut payload = view.skip(8).ok_or(Miss::Short)?;
    // Length 0 is offload or a jumbogram; one that IP did not carry is nonsense. IP knows.
    let length = u16::from_be_bytes([l0, l1]);
    if let Some(len) = usize::from(length).checked_sub(8)
        && u32::from(length) <= view.sent()
    {
        payload = payload.keep(len);
    }
    let from = u16::from_be_bytes([s0, s1]);
    if let Some(layer) = decap::by_udp_port(from, port, &mut payload) {
        let outer = addrs.outer(UDP, (from, port));
        return Ok(Found::Inner(layer, payload, Some(outer)));
    }
    Ok(Found::Segment(Segment {
        addrs,
        ports: (from, port),
        transport: Transport::Udp,
        tcp: Tcp::default(),
        checksum: u16::from_be_bytes([c0, c1]),
        id: 0,
        payload,
    }))
}
