//! Tunnels: what carries whole frames or packets inside, and what is found there.
//!
//! A tunnel is one match arm, which takes its header off and says what follows: under the protocol number of IP, the UDP port or the EtherType that announces it.
//! How deep they may nest is [`TUNNELS`](crate::limits::TUNNELS), counted by the dissector.
//!
//! ```text
//! by IP protocol   4, 41 IP in IP, 6in4    47 GRE: IP, MPLS, Ethernet (NVGRE), ERSPAN I, II, III, PPP (PPTP)    137 MPLS
//! by UDP port      3544 Teredo    4789, 8472 VXLAN    4790 VXLAN-GPE    6081 GENEVE    6635 MPLS
//! by EtherType     0x8847, 0x8848 MPLS    0x8864 PPPoE
//! ```
//! Not read: what is encrypted or compressed (ESP, MPPE), L2TP, GRE with source routes (RFC 1701), checksums, keys and
//! network ids: the same host pair in two virtual networks is one pair.

use super::dissect::Layer;
use super::view::View;
use crate::limits::MPLS_LABELS;

/// Transparent Ethernet bridging (RFC 7637 3.2): a whole frame follows.
const BRIDGED: u16 = 0x6558;

/// A tunnel announced by a protocol number of IP.
pub(super) fn by_protocol(protocol: u8, view: &mut View<'_>) -> Option<Layer> {
    match protocol {
        // IPv4 in IP (RFC 2003), IPv6 in IP (RFC 4213): the packet follows directly.
        4 | 41 => Some(Layer::Ip),
        47 => gre(view),
        // RFC 4023 3.
        137 => mpls(view),
        _ => None,
    }
}

/// A tunnel announced by the UDP port it was sent to, or from; `view` is the payload.
#[inline]
pub(super) fn by_udp_port(from: u16, to: u16, view: &mut View<'_>) -> Option<Layer> {
    match to {
        4789 | 4790 | 8472 | 6081 | 6635 | 3544 => udp(to, view),
        _ if from == 3544 => teredo(view),
        _ => None,
    }
}

#[cold]
fn udp(to: u16, view: &mut View<'_>) -> Option<Layer> {
    match (to, view.bytes) {
        // VXLAN (RFC 7348 5): flags with the I bit, reserved 3 (policy group, if the G bit is set), VNI 3,
        // reserved 1, then an Ethernet frame.
        (4789, [0x08 | 0x88, ..]) => pass(view, 8, Layer::Link(1)),
        // Linux took this port before 4789 was given; what else is sent there has no such reserved bytes.
        (8472, [0x08, 0, 0, 0, _, _, _, 0, ..]) => pass(view, 8, Layer::Link(1)),
        // VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe 3): flags with I and P, reserved 2, next protocol 1.
        (4790, [0x0c, _, _, 1 | 2, ..]) => pass(view, 8, Layer::Ip),
        (4790, [0x0c, _, _, 3, ..]) => pass(view, 8, Layer::Link(1)),
        // GENEVE (RFC 8926 3.4): version 2 bits, length of options in words 6 bits, flags 1, type 2, VNI 3,
        // reserved 1, options.
        (6081, &[words @ 0..=0x3f, _, k0, k1, ..]) => {
            let header = usize::from(words).saturating_mul(4).saturating_add(8);
            pass(view, header, inside(u16::from_be_bytes([k0, k1])))
        }
        // RFC 7510 3.
        (6635, _) => mpls(view),
        (3544, _) => teredo(view),
        _ => None,
    }
}

/// A tunnel announced by an EtherType; `view` is what follows it.
pub(super) fn by_ether_type(kind: u16, view: &mut View<'_>) -> Option<Layer> {
    match (kind, view.bytes) {
        // PPPoE session (RFC 2516): version and type 0x11, code 0, session 2, length 2, PPP protocol 2.
        (0x8864, [0x11, 0, _, _, _, _, 0, 0x21 | 0x57, ..]) => pass(view, 8, Layer::Ip),
        (0x8847 | 0x8848, _) => mpls(view),
        _ => None,
    }
}

fn pass(view: &mut View<'_>, header: usize, layer: Layer) -> Option<Layer> {
    view.pass(header).ok().map(|()| layer)
}

/// What the protocol type of a tunnel announces.
fn inside(kind: u16) -> Layer {
    match kind {
        BRIDGED => Layer::Link(1),
        kind => Layer::Ether(kind),
    }
}

/// GRE (RFC 2784, RFC 2890): flags and version 2, protocol type 2, then as flagged checksum 4, key 4, sequence 4.
/// Version 1 is PPTP (RFC 2637 4.1): length 2, call 2, sequence 4 and acknowledgement 4 as flagged, then PPP.
#[cold]
fn gre(view: &mut View<'_>) -> Option<Layer> {
    const ROUTING: u16 = 0x4000;
    let &[f0, f1, k0, k1] = view.bytes.first_chunk()?;
    let (flags, kind) = (u16::from_be_bytes([f0, f1]), u16::from_be_bytes([k0, k1]));
    let words = |bits: &[u16]| {
        let set = bits.iter().filter(|bit| flags & **bit != 0);
        set.count().saturating_mul(4)
    };
    let sequence = flags & 0x1000 != 0;
    match (flags & 7, kind) {
        _ if flags & ROUTING != 0 => None,
        (0, _) => {
            view.pass(words(&[0x8000, 0x2000, 0x1000]).saturating_add(4))
                .ok()?;
            match (kind, view.bytes) {
                // ERSPAN (draft-foschiano-erspan): type I has no header of its own and no sequence number; type II
                // is version 1 with 8 bytes, type III version 2 with 12, and 8 more if its O bit is set.
                (0x88be, _) if !sequence => Some(Layer::Link(1)),
                (0x88be, [0x10..=0x1f, ..]) => pass(view, 8, Layer::Link(1)),
                (0x22eb | 0x88be, &[0x20..=0x2f, _, _, _, _, _, _, _, _, _, _, last, ..]) => {
                    let header = if last & 1 == 0 { 12 } else { 20 };
                    pass(view, header, Layer::Link(1))
                }
                (0x22eb | 0x88be, _) => None,
                (kind, _) => Some(inside(kind)),
            }
        }
        (1, 0x880b) => {
            view.pass(words(&[0x1000, 0x0080]).saturating_add(8)).ok()?;
            ppp(view)
        }
        _ => None,
    }
}

/// PPP (RFC 1661 2): address and control 0xff 0x03, which may be left out, protocol 1 or 2.
fn ppp(view: &mut View<'_>) -> Option<Layer> {
    if let [0xff, 3, ..] = view.bytes {
        view.pass(2).ok()?;
    }
    match view.bytes {
        [0, 0x21 | 0x57, ..] => pass(view, 2, Layer::Ip),
        [0x21 | 0x57, ..] => pass(view, 1, Layer::Ip),
        _ => None,
    }
}

/// MPLS (RFC 3032 2.1): entries of label 20 bits, class 3, bottom of stack 1, TTL 8.
///
/// Nothing says what follows the last. IP is told by its version and length; else it is an Ethernet frame, in front
/// of which a pseudowire may put a control word that begins with four zero bits (RFC 4448 4.6).
#[cold]
fn mpls(view: &mut View<'_>) -> Option<Layer> {
    for _ in 0..MPLS_LABELS {
        let &[_, _, bottom, _] = view.bytes.first_chunk()?;
        view.pass(4).ok()?;
        if bottom & 1 == 0 {
            continue;
        }
        let sent = view.sent();
        let fits = |header: u32, hi: u8, lo: u8| {
            header.saturating_add(u16::from_be_bytes([hi, lo]).into()) <= sent
        };
        // A station's address may begin like an IP header; its frame has a type, and no checksum.
        let ip = !frame_at(view, 0) || checksum(view.bytes) == 0xffff;
        return match *view.bytes {
            [0x45..=0x4f, _, hi, lo, ..] if ip && fits(0, hi, lo) => Some(Layer::Ip),
            [0x60..=0x6f, _, _, _, hi, lo, ..] if !frame_at(view, 0) && fits(40, hi, lo) => {
                Some(Layer::Ip)
            }
            // The associated channel of a pseudowire (RFC 5085 5.1.1) carries no frame.
            [0x10..=0x1f, ..] if !frame_at(view, 0) => None,
            [0..=0x0f, ..] if frame_at(view, 4) || !frame_at(view, 0) => {
                pass(view, 4, Layer::Link(1))
            }
            _ => Some(Layer::Link(1)),
        };
    }
    None
}

/// Sum in ones' complement over an IPv4 header without options, 0xffff if it is right (RFC 1071 1).
fn checksum(bytes: &[u8]) -> u32 {
    let words = bytes.as_chunks::<2>().0.iter().take(10);
    let sum: u32 = words.map(|w| u32::from(u16::from_be_bytes(*w))).sum();
    (sum & 0xffff).wrapping_add(sum >> 16)
}

/// True if an Ethernet frame that begins at `at` would be of a type we follow.
fn frame_at(view: &View<'_>, at: usize) -> bool {
    let kind = view.bytes.get(at.saturating_add(12)..);
    let kind = kind.and_then(|rest| rest.first_chunk());
    matches!(
        kind.map(|k| u16::from_be_bytes(*k)),
        Some(0x0800 | 0x86dd | 0x0806 | 0x8100 | 0x88a8 | 0x8847 | 0x8864)
    )
}

/// Teredo (RFC 4380 5.1.1): authentication and origin may come in front of the IPv6 packet.
///
/// ```text
/// authentication  0x0001, id length 1, value length 1, id, value, nonce 8, confirmation 1
/// origin          0x0000, port 2, address 4
/// ```
#[cold]
fn teredo(view: &mut View<'_>) -> Option<Layer> {
    if let &[0, 1, id, value, ..] = view.bytes {
        let header = usize::from(id).saturating_add(value.into());
        view.pass(header.saturating_add(13)).ok()?;
    }
    if let [0, 0, ..] = view.bytes {
        view.pass(8).ok()?;
    }
    // What has no next header is a bubble (5.1.1), and shorter than anything of interest.
    matches!(view.bytes, [0x60..=0x6f, ..]).then_some(Layer::Ip)
}
