mod fragments;
mod oracle;

use super::*;
use crate::net::{Addr, Endpoint, Transport};

/// Dissects one frame of `link` that was `wire` bytes long.
fn one(link: u16, bytes: &[u8], wire: usize) -> (Option<Packet>, DissectStats, Vec<u8>) {
    let mut dissector = Dissector::new(7, DissectOptions::default());
    let mut spill = Vec::new();
    let frame = FrameRef {
        ts: Timestamp(5),
        start: 0,
        len: bytes.len() as u32,
        wire_len: wire as u32,
        link,
        iface: 2,
    };
    let packet = dissector.frame(bytes, &mut spill, frame, 11);
    (packet, dissector.stats(), spill)
}

fn found(link: u16, bytes: &[u8]) -> Packet {
    let (packet, stats, _) = one(link, bytes, bytes.len());
    packet.unwrap_or_else(|| panic!("{stats:?}"))
}

fn payload(packet: Packet, bytes: &[u8]) -> &[u8] {
    let start = packet.payload.start as usize;
    &bytes[start..start + packet.payload.len as usize]
}

const MACS: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

/// TCP 10.0.0.9:50000 to 10.0.0.2:445, "hello".
const V4_TCP: [u8; 45] = [
    0x45, 0, 0, 45, // version 4, header 20, TOS, total length 45
    0x12, 0x34, 0x40, 0, // id, don't fragment, offset 0
    64, 6, 0, 0, // TTL, TCP, checksum (wrong)
    10, 0, 0, 9, 10, 0, 0, 2, // source, destination
    0xc3, 0x50, 0x01, 0xbd, // ports 50000, 445
    0, 0, 0, 100, 0, 0, 0, 200, // sequence, acknowledgement
    0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0, // header 20, PSH ACK, window, checksum, urgent
    b'h', b'e', b'l', b'l', b'o',
];

/// UDP [2001:db8::1]:5353 to [2001:db8::2]:53, "abc".
const V6_UDP: [u8; 51] = [
    0x60, 0, 0, 0, 0, 11, 17, 64, // version 6, payload length 11, UDP, hop limit
    0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, // source
    0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, // destination
    0x14, 0xe9, 0, 53, 0, 11, 0, 0, // ports 5353, 53, length 11, checksum
    b'a', b'b', b'c',
];

fn ethernet(kind: u16, body: &[u8]) -> Vec<u8> {
    [&MACS, &kind.to_be_bytes()[..], body].concat()
}

#[test]
fn plain_tcp() {
    let frame = ethernet(0x0800, &V4_TCP);
    let p = found(1, &frame);
    let client = Endpoint::new(Addr::v4([10, 0, 0, 9]), 50000);
    let server = Endpoint::new(Addr::v4([10, 0, 0, 2]), 445);
    let (key, side) = FlowKey::new(client, server, Transport::Tcp);
    assert_eq!((p.key, p.side()), (key, side));
    assert_eq!((p.tcp.seq, p.tcp.ack), (100, 200));
    assert!(p.tcp.has(Tcp::ACK) && !p.tcp.has(Tcp::SYN));
    assert_eq!((payload(p, &frame), p.sent), (&b"hello"[..], 5));
    assert_eq!((p.number, p.iface, p.ts), (11, 2, Timestamp(5)));
    let wrapping = Wrapping {
        mac: crate::net::Mac([2, 0, 0, 0, 0, 2]),
        ..Wrapping::default()
    };
    assert_eq!(p.wrapping, wrapping);
}

#[test]
fn plain_udp_over_ipv6() {
    let frame = ethernet(0x86dd, &V6_UDP);
    let p = found(1, &frame);
    assert_eq!(p.key.transport, Transport::Udp);
    assert_eq!(p.key.end(p.side()).to_string(), "[2001:db8::1]:5353");
    assert_eq!(payload(p, &frame), b"abc");
    assert_eq!(p.tcp, Tcp::default());
}

#[test]
fn both_directions_have_the_same_hashes_and_seeds_differ() {
    let there = found(101, &V4_TCP);
    let mut back = V4_TCP;
    back[12..20].rotate_left(4);
    back[20..24].rotate_left(2);
    let back = found(101, &back);
    assert_eq!(
        (there.key, there.hash, there.pair),
        (back.key, back.hash, back.pair)
    );
    assert_ne!(there.from_a, back.from_a);
    let mut other_port = V4_TCP;
    other_port[21] ^= 1;
    let other = found(101, &other_port);
    assert_eq!(there.pair, other.pair, "the pair is hosts only");
    assert_ne!(there.hash, other.hash);
    let mut seeded = Dissector::new(8, DissectOptions::default());
    let frame = FrameRef {
        len: 45,
        wire_len: 45,
        link: 101,
        ..FrameRef::default()
    };
    let p = seeded.frame(&V4_TCP, &mut Vec::new(), frame, 1).unwrap();
    assert_ne!((p.hash, p.pair), (there.hash, there.pair));
}

#[test]
fn every_link_type() {
    let sll = [
        0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, // sent by us, Ethernet, address
        8, 0, // IPv4
    ];
    let sll2 = [
        8, 0, 0, 0, 0, 0, 0, 7, // IPv4, reserved, interface 7
        0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0, // Ethernet, sent by us, address
    ];
    let snap = [&MACS[..], &[0, 53, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0]].concat();
    let links: [(u16, &[u8]); 11] = [
        (1, &snap),
        (0, &[2, 0, 0, 0]),
        (0, &[0, 0, 0, 2]),
        (108, &[0, 0, 0, 2]),
        (101, &[]),
        (12, &[]),
        (14, &[]),
        (228, &[]),
        (229, &[]),
        (113, &sll),
        (276, &sll2),
    ];
    for (link, head) in links {
        let frame = [head, &V4_TCP].concat();
        let p = found(link, &frame);
        assert_eq!(payload(p, &frame), b"hello", "{link}");
    }
    for family in [10, 23, 24, 28, 30] {
        let frame = [&[family, 0, 0, 0][..], &V6_UDP].concat();
        assert_eq!(payload(found(0, &frame), &frame), b"abc");
    }
    assert_eq!(one(105, &V4_TCP, 45).1.unknown_link, 1);
    assert_eq!(one(0, &[7, 0, 0, 0, 0], 5).1.not_ip, 1);
}

#[test]
fn vlan_tags_up_to_four() {
    let tags = [
        [0x88, 0xa8, 0x60, 100],
        [0x81, 0x00, 0xe0, 0], // a priority, no VLAN
        [0x91, 0x00, 0x0f, 0xff],
        [0x92, 0x00, 0x00, 7],
        [0x81, 0x00, 0x00, 8],
    ];
    for n in 1..=5 {
        let mut frame = MACS.to_vec();
        frame.extend(tags[..n].concat());
        frame.extend([8, 0]);
        frame.extend(V4_TCP);
        let (p, stats, _) = one(1, &frame, frame.len());
        if n == 5 {
            assert_eq!((p.is_none(), stats.not_ip), (true, 1));
            continue;
        }
        let p = p.unwrap();
        assert_eq!(payload(p, &frame), b"hello");
        let want = [[100, 0], [100, 0], [100, 4095], [100, 4095]];
        assert_eq!(p.wrapping.vlan, want[n - 1]);
        assert_eq!(p.key.vlan, 0);
    }
    let frame = [&MACS[..], &[0x81, 0, 0, 9, 8, 0], &V4_TCP].concat();
    let mut by_vlan = Dissector::new(7, DissectOptions { vlan_in_key: true });
    let len = frame.len() as u32;
    let frame_ref = FrameRef {
        len,
        wire_len: len,
        link: 1,
        ..FrameRef::default()
    };
    let p = by_vlan
        .frame(&frame, &mut Vec::new(), frame_ref, 1)
        .unwrap();
    assert_eq!(p.key.vlan, 9);
    assert_ne!(p.hash, found(1, &frame).hash);
    assert_eq!(p.pair, found(1, &frame).pair);
}

#[test]
fn padding_is_trimmed_and_offloaded_lengths_come_from_the_frame() {
    let mut padded = ethernet(0x0800, &V4_TCP);
    padded.extend([0xee; 9]);
    assert_eq!(payload(found(1, &padded), &padded), b"hello");

    let mut offload = V4_TCP;
    offload[2..4].fill(0); // total length
    assert_eq!(payload(found(101, &offload), &offload), b"hello");

    let mut jumbo = V6_UDP;
    jumbo[4..6].fill(0); // IPv6 payload length
    jumbo[44..46].fill(0); // UDP length
    assert_eq!(payload(found(101, &jumbo), &jumbo), b"abc");

    let mut short_udp = V6_UDP;
    short_udp[45] = 10; // one byte less than IP carries
    assert_eq!(payload(found(101, &short_udp), &short_udp), b"ab");
}

#[test]
fn frames_cut_by_the_capture_keep_what_is_there() {
    let frame = ethernet(0x0800, &V4_TCP);
    for captured in 0..frame.len() {
        let (p, stats, _) = one(1, &frame[..captured], frame.len());
        match p {
            Some(p) => {
                assert_eq!((p.payload.len as usize, p.sent), (captured - 54, 5));
                assert_eq!(stats.truncated, 1);
            }
            None => {
                assert!(captured < 54);
                assert_eq!(stats.too_short, 1);
            }
        }
    }
    // Cut inside TCP options: the fields are there, the payload is known to be missing.
    let mut options = V4_TCP.to_vec();
    options[3] = 45 + 12;
    options[32] = 0x80;
    options.splice(40..40, [1; 12]);
    let (p, _, _) = one(101, &options[..44], 57);
    let p = p.unwrap();
    assert_eq!((p.payload.len, p.sent, p.tcp.seq), (0, 5, 100));
}

#[test]
fn headers_that_contradict_themselves_are_counted() {
    let mut ihl = V4_TCP;
    ihl[0] = 0x44;
    assert_eq!(one(101, &ihl, 45).1.malformed, 1);
    let mut doff = V4_TCP;
    doff[32] = 0x40;
    assert_eq!(one(101, &doff, 45).1.malformed, 1);
    let mut long = V4_TCP;
    long[32] = 0xf0; // header of 60 in a segment of 25
    assert_eq!(one(101, &long, 45).1.malformed, 1);
    let mut icmp = V4_TCP;
    icmp[9] = 1;
    assert_eq!(one(101, &icmp, 45).1.other_transport, 1);
    assert_eq!(one(1, &ethernet(0x0806, &[0; 28]), 42).1.not_ip, 1);
    assert_eq!(one(1, &ethernet(0x88cc, &[0; 28]), 42).1.not_ip, 1);
    assert_eq!(one(101, &[0x99; 60], 60).1.malformed, 1);
}

#[test]
fn ipv6_extension_headers_are_passed_over() {
    let chain = [
        60, 0, 1, 4, 0, 0, 0, 0, // hop by hop, padded; next: destination options
        43, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // 16 bytes; next: routing
        44, 0, 0, 0, 0, 0, 0, 0, // next: fragment
        51, 0, 0, 0, 0, 0, 0, 9, // a fragment that is all of it; next: authentication
        17, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, // SPI, sequence; next: UDP
    ];
    let mut packet = V6_UDP.to_vec();
    packet[6] = 0;
    packet[5] += chain.len() as u8;
    packet.splice(40..40, chain);
    assert_eq!(payload(found(101, &packet), &packet), b"abc");

    // Hop by hop may only come first.
    packet[40] = 0;
    assert_eq!(one(101, &packet, packet.len()).1.malformed, 1);

    // A chain without an end.
    let mut endless = V6_UDP[..40].to_vec();
    endless[6] = 60;
    endless.extend([60, 0, 0, 0, 0, 0, 0, 0].repeat(200));
    endless[4..6].copy_from_slice(&1600_u16.to_be_bytes());
    assert_eq!(one(101, &endless, endless.len()).1.malformed, 1);
}

#[test]
fn authentication_header_and_macsec_in_clear() {
    let ah = [6, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2];
    let mut packet = V4_TCP.to_vec();
    packet[9] = 51;
    packet[3] += ah.len() as u8;
    packet.splice(20..20, ah);
    assert_eq!(payload(found(101, &packet), &packet), b"hello");

    // TCI without E and C, short length 0, packet number; type; IPv4; ICV of 16.
    let mut frame = ethernet(0x88e5, &[0, 0, 0, 0, 0, 1, 8, 0]);
    frame.extend(V4_TCP);
    frame.extend([0xcc; 16]);
    assert_eq!(payload(found(1, &frame), &frame), b"hello");
    frame[14] = 0x0c; // encrypted
    assert_eq!(one(1, &frame, frame.len()).1.not_ip, 1);
}

#[test]
fn arp_and_router_advertisements_are_conversations_without_ports() {
    let arp = [
        0, 1, 8, 0, 6, 4, 0, 1, // Ethernet, IPv4, lengths, request
        2, 0, 0, 0, 0, 2, 192, 0, 2, 66, // sender
        0, 0, 0, 0, 0, 0, 192, 0, 2, 1, // target
    ];
    let frame = ethernet(0x0806, &[&arp[..], &[0; 18]].concat());
    let p = found(1, &frame);
    assert_eq!(p.key.transport, Transport::Arp);
    assert_eq!(p.key.end(p.side()).to_string(), "192.0.2.66:0");
    assert_eq!(p.key.end(p.side().other()).to_string(), "192.0.2.1:0");
    assert_eq!(payload(p, &frame), arp, "without padding");
    for damage in [1, 2, 4, 5] {
        let mut other = frame.clone();
        other[14 + damage] ^= 1;
        assert_eq!(one(1, &other, other.len()).1.not_ip, 1);
    }

    let mut advert = V6_UDP.to_vec();
    advert[6] = 58;
    advert[40] = 134;
    let p = found(101, &advert);
    assert_eq!(p.key.transport, Transport::Icmp6);
    assert_eq!(payload(p, &advert), &advert[40..]);
    advert[40] = 135; // neighbour solicitation
    assert_eq!(one(101, &advert, advert.len()).1.other_transport, 1);
}

#[test]
fn tunnels_are_taken_off_to_a_depth() {
    let wrap = |packet: &[u8]| {
        let mut outer = V4_TCP[..20].to_vec();
        outer[9] = 4;
        outer[19] = 77;
        outer[2..4].copy_from_slice(&(packet.len() as u16 + 20).to_be_bytes());
        outer.extend(packet);
        outer
    };
    let mut packet = V4_TCP.to_vec();
    for depth in 1..=9 {
        packet = wrap(&packet);
        let (p, stats, _) = one(101, &packet, packet.len());
        if depth <= crate::limits::TUNNELS {
            let p = p.unwrap();
            assert_eq!(usize::from(p.wrapping.tunnels), depth);
            assert_eq!(payload(p, &packet), b"hello");
            assert_eq!(p.pair, found(101, &V4_TCP).pair, "innermost hosts");
        } else {
            assert_eq!((p.is_none(), stats.too_deep), (true, 1));
        }
    }
    let mut vxlan = V6_UDP.to_vec();
    let inner = ethernet(0x8100, &[&[0, 5, 8, 0], &V4_TCP[..]].concat());
    vxlan[42..44].copy_from_slice(&4789_u16.to_be_bytes());
    vxlan.truncate(48);
    vxlan.extend([8, 0, 0, 0, 0, 0, 42, 0]);
    vxlan.extend(inner);
    let len = (vxlan.len() - 40) as u16;
    vxlan[4..6].copy_from_slice(&len.to_be_bytes());
    vxlan[44..46].copy_from_slice(&len.to_be_bytes());
    let p = found(101, &vxlan);
    assert_eq!(payload(p, &vxlan), b"hello");
    assert_eq!(
        p.wrapping,
        Wrapping {
            tunnels: 1,
            mac: crate::net::Mac([2, 0, 0, 0, 0, 2]),
            ..Wrapping::default()
        }
    );
    let pppoe = [&[0x11, 0, 0, 1, 0, 47, 0, 0x21], &V4_TCP[..]].concat();
    let pppoe = ethernet(0x8864, &pppoe);
    assert_eq!(payload(found(1, &pppoe), &pppoe), b"hello");
}

/// Shows frames a millisecond apart; which gave a packet.
fn series(frames: &[(u64, Vec<u8>)]) -> (Vec<bool>, DissectStats) {
    let mut dissector = Dissector::new(7, DissectOptions::default());
    let found = frames.iter().map(|(millis, bytes)| {
        let len = bytes.len() as u32;
        let frame = FrameRef {
            ts: Timestamp(millis * 1_000_000),
            len,
            wire_len: len,
            link: 1,
            ..FrameRef::default()
        };
        dissector.frame(bytes, &mut Vec::new(), frame, 1).is_some()
    });
    (found.collect(), dissector.stats())
}

#[test]
fn copies_of_a_mirror_port_are_counted_once() {
    let frame = ethernet(0x0800, &V4_TCP);
    let change = |at: usize, by: u8| {
        let mut other = frame.clone();
        other[at] ^= by;
        other
    };
    let mut tagged = ethernet(0x8100, &[&[0, 5, 8, 0], &V4_TCP[..]].concat());
    tagged[22 + 4] = 63; // one hop less, and so the header checksum
    tagged[24 + 4] ^= 1;
    let (found, stats) = series(&[
        (1, frame.clone()),
        (1, frame.clone()),
        (2, change(6, 9)),       // another station
        (3, tagged.clone()),     // another VLAN, TTL and header checksum
        (4, change(19, 1)),      // another id: a retransmission
        (5, change(14 + 37, 1)), // another TCP checksum: another timestamp
        (6, change(14 + 27, 1)), // another sequence number
    ]);
    assert_eq!(found, [true, false, false, false, true, true, true]);
    assert_eq!((stats.duplicates, stats.packets, stats.frames), (3, 4, 7));

    let (found, _) = series(&[
        (1, frame.clone()),
        (51, frame.clone()), // the copy, at the end of the window
        (52, frame.clone()), // beyond it
        (200, frame.clone()),
    ]);
    assert_eq!(found, [true, false, true, true]);
    // A datagram over IPv6 to one host, and the copy with another hop limit.
    let mut udp = ethernet(0x86dd, &V6_UDP);
    udp[14 + 40 + 6..14 + 40 + 8].copy_from_slice(&[0x12, 0x34]);
    let mut routed = udp.clone();
    routed[14 + 7] -= 1;
    let (found, stats) = series(&[(1, udp.clone()), (2, routed), (60, udp.clone())]);
    assert_eq!((found, stats.duplicates), (vec![true, false, true], 1));
    // To many: nothing tells it from the same said again. Nor does anything without a checksum.
    let mut many = udp.clone();
    many[14 + 24..14 + 26].copy_from_slice(&[0xff, 0x02]);
    let (found, _) = series(&[(1, many.clone()), (2, many)]);
    assert_eq!(found, [true, true]);
    let mut unsummed = udp;
    unsummed[14 + 40 + 6..14 + 40 + 8].fill(0);
    let (found, _) = series(&[(1, unsummed.clone()), (2, unsummed)]);
    assert_eq!(found, [true, true]);
}

#[path = "tunnels.rs"]
mod tunnels;
