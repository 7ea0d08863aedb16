//! The hand walk against etherparse, on real frames and on damaged ones.

use super::*;
use etherparse::{LaxNetSlice, LaxSlicedPacket, TransportSlice, ether_type};
use proptest::prelude::*;
use std::net::IpAddr;

/// What both are asked for.
#[derive(Debug, PartialEq)]
struct Answer {
    from: (IpAddr, u16),
    to: (IpAddr, u16),
    tcp: Option<(u32, u32, u8)>,
    payload: Vec<u8>,
}

/// etherparse's answer; `Err` if it says nothing about such frames.
fn theirs(link: u16, bytes: &[u8]) -> Result<Option<Answer>, &'static str> {
    let sliced = match link {
        1 => LaxSlicedPacket::from_ethernet(bytes).ok(),
        101 | 12 | 14 | 228 | 229 => LaxSlicedPacket::from_ip(bytes).ok(),
        0 | 108 if bytes.len() >= 4 => match (bytes[0].max(bytes[3]), &bytes[1..3]) {
            (2 | 10 | 23 | 24 | 28 | 30, [0, 0]) => LaxSlicedPacket::from_ip(&bytes[4..]).ok(),
            _ => return Err("family"),
        },
        113 if bytes.len() >= 16 => {
            let kind = u16::from_be_bytes([bytes[14], bytes[15]]);
            Some(LaxSlicedPacket::from_ether_type(kind.into(), &bytes[16..]))
        }
        276 if bytes.len() >= 20 => {
            let kind = u16::from_be_bytes([bytes[0], bytes[1]]);
            Some(LaxSlicedPacket::from_ether_type(kind.into(), &bytes[20..]))
        }
        _ => None,
    };
    let Some(sliced) = sliced else {
        return Ok(None);
    };
    if let Some(ether) = sliced.ether_payload()
        && sliced.net.is_none()
        && ether.ether_type != ether_type::ARP
        && (ether.ether_type.0 <= 1500
            || matches!(
                ether.ether_type.0,
                0x9200 | 0x8100 | 0x88a8 | 0x9100 | 0x88e5 | 0x8864 | 0x8847 | 0x8848
            ))
    {
        return Err("SNAP, a fourth tag, QinQ of another kind, PPPoE, MPLS");
    }
    let ip = match &sliced.net {
        Some(LaxNetSlice::Ipv4(v4)) => {
            let h = v4.header();
            Some((
                IpAddr::from(h.source_addr()),
                IpAddr::from(h.destination_addr()),
                v4.payload(),
            ))
        }
        Some(LaxNetSlice::Ipv6(v6)) => {
            let h = v6.header();
            Some((
                IpAddr::from(h.source_addr()),
                IpAddr::from(h.destination_addr()),
                v6.payload(),
            ))
        }
        _ => None,
    };
    let Some((src, dst, ip_payload)) = ip else {
        return Ok(None);
    };
    if ip_payload.fragmented {
        return Err("a fragment");
    }
    if matches!(ip_payload.ip_number.0, 4 | 41 | 47 | 137) {
        return Err("a tunnel");
    }
    Ok(match &sliced.transport {
        Some(TransportSlice::Tcp(t)) => Some(Answer {
            from: (src, t.source_port()),
            to: (dst, t.destination_port()),
            tcp: Some((
                t.sequence_number(),
                t.acknowledgment_number(),
                t.header_slice()[13],
            )),
            payload: t.payload().to_vec(),
        }),
        Some(TransportSlice::Udp(u))
            if u.source_port() == 3544
                || matches!(
                    u.destination_port(),
                    3544 | 4789 | 4790 | 6081 | 6635 | 8472
                ) =>
        {
            return Err("a tunnel");
        }
        Some(TransportSlice::Udp(u)) => Some(Answer {
            from: (src, u.source_port()),
            to: (dst, u.destination_port()),
            tcp: None,
            payload: u.payload().to_vec(),
        }),
        _ => None,
    })
}

/// The dissector's answer, and how many bytes of payload it says were sent.
fn ours(link: u16, bytes: &[u8], wire: usize) -> (Option<(Answer, u32)>, DissectStats) {
    let (packet, stats, spill) = one(link, bytes, wire);
    assert!(spill.is_empty(), "one frame completes no datagram");
    // Theirs is asked for TCP and UDP only.
    let packet = packet.filter(|p| p.key.transport.has_ports());
    let answer = packet.map(|p| {
        let end = |side| {
            let e = p.key.end(side);
            // The raw bytes: a mapped address on the wire stays one here.
            let ip = if e.addr.is_v4() && is_v6(link, bytes) {
                IpAddr::from(e.addr.0)
            } else {
                e.addr.ip()
            };
            (ip, e.port)
        };
        assert!(p.payload.len <= p.sent);
        let answer = Answer {
            from: end(p.side()),
            to: end(p.side().other()),
            tcp: (p.key.transport == Transport::Tcp).then_some((p.tcp.seq, p.tcp.ack, p.tcp.flags)),
            payload: payload(p, bytes).to_vec(),
        };
        (answer, p.sent)
    });
    (answer, stats)
}

fn is_v6(link: u16, bytes: &[u8]) -> bool {
    let head = match link {
        1 => bytes.get(12..14),
        _ => None,
    };
    head == Some(&[0x86, 0xdd])
}

/// Compares; says whether etherparse had an answer.
fn agree(link: u16, bytes: &[u8], wire: usize) -> bool {
    let (mine, stats) = ours(link, bytes, wire);
    let Ok(other) = theirs(link, bytes) else {
        return false;
    };
    match (mine, other) {
        (None, None) => false,
        (Some((mine, _)), Some(other)) => {
            assert_eq!(mine, other, "link {link}: {bytes:02x?}");
            true
        }
        // A TCP header cut inside its options: we know where the payload would have been.
        (Some((mine, sent)), None) => {
            assert!(
                mine.tcp.is_some() && mine.payload.is_empty(),
                "{bytes:02x?}"
            );
            assert!(sent > 0 || stats.truncated == 0);
            false
        }
        (None, Some(other)) => panic!("link {link}: only etherparse found {other:?} {stats:?}"),
    }
}

#[test]
fn agrees_with_etherparse_on_real_captures() {
    fn walk(dir: &std::path::Path, each: &mut impl FnMut(&std::path::Path)) {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, each);
            } else {
                each(&path);
            }
        }
    }
    let (mut frames, mut agreed) = (0, 0);
    walk(
        std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/captures")),
        &mut |path| {
            let Ok(mut file) = pcap::Capture::from_file(path) else {
                return;
            };
            // libpcap's own numbers differ for raw IP only.
            let link = match file.get_datalink().0 {
                12 => 101,
                other => other as u16,
            };
            while let Ok(packet) = file.next_packet() {
                frames += 1;
                agreed += usize::from(agree(link, packet.data, packet.header.len as usize));
            }
        },
    );
    if frames == 0 {
        println!("skipped: reference: ../shared/captures is not here");
        return;
    }
    println!("{agreed} of {frames} frames carry TCP or UDP by both readings");
    assert!(agreed * 10 > frames * 9, "{agreed} of {frames}");
}

/// Frames that look real: tags, options, extension headers, padding.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let tags = prop::collection::vec((0_usize..3, any::<u16>()), 0..4);
    let body = prop::collection::vec(any::<u8>(), 0..80);
    let parts = (
        tags,
        any::<bool>(),
        any::<bool>(),
        0_u8..4,
        body,
        0_usize..12,
        0_usize..4,
    );
    parts.prop_map(|(tags, v6, udp, options, body, padding, chain)| {
        let mut transport = vec![0xc3, 0x50, 0x01, 0xbd];
        if udp {
            transport.extend((body.len() as u16 + 8).to_be_bytes());
            transport.extend([0, 0]);
        } else {
            transport.extend([1, 2, 3, 4, 5, 6, 7, 8]);
            transport.extend([(5 + options) << 4, 0x18, 1, 1, 0, 0, 0, 0]);
            transport.resize(20 + 4 * usize::from(options), 1);
        }
        transport.extend(&body);
        let mut protocol = if udp { 17 } else { 6 };
        let mut frame = MACS.to_vec();
        for (kind, id) in tags {
            frame.extend([0x8100_u16, 0x88a8, 0x9100][kind].to_be_bytes());
            frame.extend(id.to_be_bytes());
        }
        if v6 {
            for kind in [60, 43, 0].into_iter().take(chain) {
                transport.splice(0..0, [protocol, 0, 1, 4, 0, 0, 0, 0]);
                protocol = kind;
            }
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend((transport.len() as u16).to_be_bytes());
            frame.extend([protocol, 64]);
            frame.extend(&V6_UDP[8..40]);
        } else {
            frame.extend([8, 0, 0x45 + options, 0]);
            let total = transport.len() + 20 + 4 * usize::from(options);
            frame.extend((total as u16).to_be_bytes());
            frame.extend([0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 9, 10, 0, 0, 2]);
            frame.resize(frame.len() + 4 * usize::from(options), 1);
        }
        frame.extend(transport);
        frame.resize(frame.len() + padding, 0xee);
        frame
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn agrees_with_etherparse_on_made_frames(frame in frame()) {
        prop_assert!(agree(1, &frame, frame.len()));
    }

    #[test]
    fn agrees_with_etherparse_on_damaged_frames(
        frame in frame(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        link in prop::sample::select(vec![1_u16, 1, 1, 0, 101, 108, 113, 276]),
    ) {
        let mut frame = frame;
        for (at, value) in damage {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        agree(link, &frame, frame.len());
        let cut = cut.index(frame.len());
        agree(link, &frame[..cut], frame.len());
        if frame.len() > 14 {
            agree(101, &frame[14..], frame.len() - 14);
        }
    }
}
