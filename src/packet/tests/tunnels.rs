//! Every tunnel around the same TCP segment.

use super::*;
use crate::net::Outer;

/// A frame of it.
fn inner_frame() -> Vec<u8> {
    ethernet(0x0800, &V4_TCP)
}

/// 10.0.0.9 to 10.0.0.77, of `protocol`.
fn v4(protocol: u8, body: &[u8]) -> Vec<u8> {
    let mut outer = V4_TCP[..20].to_vec();
    outer[9] = protocol;
    outer[19] = 77;
    outer[2..4].copy_from_slice(&(body.len() as u16 + 20).to_be_bytes());
    outer.extend(body);
    outer
}

fn udp(from: u16, to: u16, body: &[u8]) -> Vec<u8> {
    let mut datagram = [from.to_be_bytes(), to.to_be_bytes()].concat();
    datagram.extend((body.len() as u16 + 8).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(body);
    v4(17, &datagram)
}

/// Taken off, it is the same segment as without; cut anywhere, it is nothing else.
fn carries(packet: &[u8]) {
    carries_of(101, packet);
}

fn carries_of(link: u16, packet: &[u8]) {
    let p = found(link, packet);
    assert_eq!(p.key, found(101, &V4_TCP).key);
    assert_eq!(payload(p, packet), b"hello");
    for cut in 0..packet.len() {
        let (p, stats, _) = one(link, &packet[..cut], packet.len());
        if let Some(p) = p {
            let same = p.key == found(101, &V4_TCP).key;
            assert!(same || stats.tunnels == 0, "{cut}: {p:?}");
        }
    }
}

#[test]
fn gre_with_every_option() {
    carries(&v4(47, &[&[0, 0, 8, 0], &V4_TCP[..]].concat()));
    // Checksum and reserved, key, sequence.
    let full = [0xb0, 0, 8, 0, 1, 2, 0, 0, 0, 0, 0, 7, 0, 0, 0, 9];
    carries(&v4(47, &[&full, &V4_TCP[..]].concat()));
    // NVGRE: key of VSID and flow id, a frame.
    let nvgre = [0x20, 0, 0x65, 0x58, 0, 0, 5, 1];
    carries(&v4(47, &[&nvgre, &inner_frame()[..]].concat()));
    // MPLS in GRE.
    let mpls = [0, 0, 0x88, 0x47, 0, 1, 0x01, 64];
    carries(&v4(47, &[&mpls, &V4_TCP[..]].concat()));
    // PPTP: key, sequence and acknowledgement; length and call id; PPP with and without its first bytes.
    let pptp = [0x30, 0x81, 0x88, 0x0b, 0, 47, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2];
    carries(&v4(47, &[&pptp, &[0xff, 3, 0, 0x21][..], &V4_TCP].concat()));
    carries(&v4(47, &[&pptp, &[0x21][..], &V4_TCP].concat()));
    // Encrypted PPP (MPPE) and source routes are not followed.
    for dark in [
        [&pptp, &[0, 0xfd][..], &V4_TCP].concat(),
        [&[0x40, 0, 8, 0], &V4_TCP[..]].concat(),
    ] {
        let packet = v4(47, &dark);
        assert_eq!(one(101, &packet, packet.len()).1.other_transport, 1);
    }
}

#[test]
fn erspan_of_all_types() {
    let frame = inner_frame();
    carries(&v4(47, &[&[0, 0, 0x88, 0xbe], &frame[..]].concat()));
    let two = [
        0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, // sequence
        0x10, 5, 0, 1, 0, 0, 0, 0, // version 1, VLAN 5, session 1, index
    ];
    carries(&v4(47, &[&two, &frame[..]].concat()));
    let mut three = vec![
        0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, // sequence
        0x20, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, // version 2, ..., timestamp, group, flags
    ];
    carries(&v4(47, &[&three, &frame[..]].concat()));
    *three.last_mut().unwrap() = 1; // platform specific header follows
    carries(&v4(47, &[&three, &[0; 8][..], &frame].concat()));
}

#[test]
fn vxlan_geneve_and_mpls_over_udp() {
    let frame = inner_frame();
    for vxlan in [[8, 0, 0, 0, 0, 0, 42, 0], [0x88, 0, 0, 9, 0, 0, 42, 0]] {
        carries(&udp(50_000, 4789, &[&vxlan, &frame[..]].concat()));
    }
    carries(&udp(
        1,
        8472,
        &[&[8, 0, 0, 0, 0, 0, 42, 0], &frame[..]].concat(),
    ));
    carries(&udp(
        1,
        4790,
        &[&[12, 0, 0, 3, 0, 0, 42, 0], &frame[..]].concat(),
    ));
    carries(&udp(
        1,
        4790,
        &[&[12, 0, 0, 1, 0, 0, 42, 0], &V4_TCP[..]].concat(),
    ));
    // GENEVE with two words of options.
    let geneve = [2, 0, 0x65, 0x58, 0, 0, 42, 0, 1, 2, 3, 1, 9, 9, 9, 9];
    carries(&udp(1, 6081, &[&geneve, &frame[..]].concat()));
    carries(&udp(
        1,
        6081,
        &[&[0, 0, 8, 0, 0, 0, 42, 0], &V4_TCP[..]].concat(),
    ));
    carries(&udp(1, 6635, &[&[0, 1, 0x01, 64], &V4_TCP[..]].concat()));
    // Not flagged as VXLAN: a datagram like any other.
    let other = udp(1, 4789, &[0; 60]);
    assert_eq!(found(101, &other).key.transport, Transport::Udp);
}

#[test]
fn mpls_with_and_without_control_word() {
    let frame = inner_frame();
    let labels = [0, 1, 0x00, 64, 0, 2, 0x01, 64]; // two, the second at the bottom
    let word = [0, 0, 0, 7];
    for kind in [0x8847, 0x8848] {
        carries_of(1, &ethernet(kind, &[&labels, &V4_TCP[..]].concat()));
        carries_of(1, &ethernet(kind, &[&labels, &frame[..]].concat()));
        carries_of(1, &ethernet(kind, &[&labels[..], &word, &frame].concat()));
    }
    // A station whose address begins like IPv4, and one that begins like a control word.
    let mut odd = frame.clone();
    odd[0] = 0x45;
    carries_of(1, &ethernet(0x8847, &[&labels, &odd[..]].concat()));
    odd[0] = 0;
    carries_of(1, &ethernet(0x8847, &[&labels, &odd[..]].concat()));
    carries_of(1, &ethernet(0x8847, &[&labels[..], &word, &odd].concat()));
    carries(&v4(137, &[&labels, &V4_TCP[..]].concat()));
    let endless = ethernet(0x8847, &[0; 400]);
    assert_eq!(one(1, &endless, endless.len()).1.not_ip, 1);
}

#[test]
fn ipv6_in_ipv4_and_teredo() {
    let mut six = V6_UDP[..40].to_vec();
    six[6] = 4;
    six[5] = V4_TCP.len() as u8;
    six.extend(V4_TCP);
    carries(&v4(41, &six));
    carries(&udp(50_000, 3544, &six));
    carries(&udp(3544, 50_000, &six));
    let origin = [0, 0, 0x3c, 0xaf, 0xf5, 0xff, 0xff, 0xf6];
    let mut auth = vec![0, 1, 1, 2, 9, 8, 8]; // one byte of id, two of value
    auth.extend([7; 8]);
    auth.push(0);
    carries(&udp(3544, 50_000, &[&origin, &six[..]].concat()));
    carries(&udp(3544, 50_000, &[&auth, &six[..]].concat()));
    carries(&udp(3544, 50_000, &[&auth, &origin[..], &six].concat()));
    let other = udp(3544, 50_000, b"something else");
    assert_eq!(found(101, &other).key.transport, Transport::Udp);
}

#[test]
fn the_outermost_packet_is_said_with_the_depth() {
    let deep = v4(
        4,
        &udp(
            50_000,
            4789,
            &[&[8, 0, 0, 0, 0, 0, 42, 0], &inner_frame()[..]].concat(),
        ),
    );
    let mut dissector = Dissector::new(7, DissectOptions::default());
    let mut frame = |bytes: &[u8]| {
        let len = bytes.len() as u32;
        let frame = FrameRef {
            len,
            wire_len: len,
            link: 101,
            ..FrameRef::default()
        };
        dissector.frame(bytes, &mut Vec::new(), frame, 1).unwrap();
        dissector.outer()
    };
    let outer = Outer {
        src: Endpoint::new(Addr::v4([10, 0, 0, 9]), 0),
        dst: Endpoint::new(Addr::v4([10, 0, 0, 77]), 0),
        protocol: 4,
        depth: 2,
    };
    assert_eq!(frame(&deep), Some(outer));
    // The same segment again would be a copy.
    let mut segment = inner_frame();
    segment[14 + 5] = 9;
    let single = udp(
        50_000,
        4789,
        &[&[8, 0, 0, 0, 0, 0, 42, 0], &segment[..]].concat(),
    );
    let said = frame(&single).unwrap();
    assert_eq!((said.protocol, said.depth), (17, 1));
    assert_eq!((said.src.port, said.dst.port), (50_000, 4789));

    let mut block = Block::default();
    let first = Block::add_outer(&mut block.outers, outer);
    assert_eq!(Block::add_outer(&mut block.outers, outer), first);
    let other = Block::add_outer(&mut block.outers, said);
    let of = |outer| Wrapping {
        outer,
        ..Wrapping::default()
    };
    assert_eq!(block.outer(of(first)), Some(outer));
    assert_eq!(block.outer(of(other)), Some(said));
    assert_eq!(block.outer(of(0)), None);
}
