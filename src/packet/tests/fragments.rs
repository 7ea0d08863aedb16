use super::*;
use crate::limits::{DEFRAG_BYTES, DEFRAG_DATAGRAMS, DEFRAG_SECS};
use proptest::prelude::*;

/// An IPv4 fragment of UDP between two hosts.
fn v4(id: u16, offset: usize, more: bool, data: &[u8]) -> Vec<u8> {
    let field = (offset / 8) as u16 | u16::from(more) << 13;
    let mut packet = vec![0x45, 0];
    packet.extend((data.len() as u16 + 20).to_be_bytes());
    packet.extend(id.to_be_bytes());
    packet.extend(field.to_be_bytes());
    packet.extend([64, 17, 0, 0, 10, 0, 0, 9, 10, 0, 0, 2]);
    packet.extend(data);
    packet
}

/// An IPv6 fragment of UDP.
fn v6(id: u32, offset: usize, more: bool, data: &[u8]) -> Vec<u8> {
    let mut packet = V6_UDP[..40].to_vec();
    packet[4..6].copy_from_slice(&(data.len() as u16 + 8).to_be_bytes());
    packet[6] = 44;
    packet.extend([17, 0]);
    packet.extend((offset as u16 | u16::from(more)).to_be_bytes());
    packet.extend(id.to_be_bytes());
    packet.extend(data);
    packet
}

/// A UDP datagram with `len` bytes of payload, ports 5353 to 88.
fn datagram(len: usize) -> Vec<u8> {
    let mut udp = vec![0x14, 0xe9, 0, 88];
    udp.extend((len as u16 + 8).to_be_bytes());
    udp.extend([0, 0]);
    udp.extend((0..len).map(|i| (i * 7 + i / 256) as u8));
    udp
}

struct Feed {
    dissector: Dissector,
    block: Block,
    secs: u64,
}

impl Feed {
    fn new() -> Self {
        Self {
            dissector: Dissector::new(7, DissectOptions::default()),
            block: Block::default(),
            secs: 1,
        }
    }

    /// Shows a raw IP packet as the only frame of a new block.
    fn show(&mut self, packet: &[u8]) -> Option<Packet> {
        self.block.clear();
        self.block.bytes.extend(packet);
        let frame = FrameRef {
            ts: Timestamp::new(self.secs, 0),
            start: 0,
            len: packet.len() as u32,
            wire_len: packet.len() as u32,
            link: 101,
            iface: 0,
        };
        let Block { bytes, spill, .. } = &mut self.block;
        self.dissector.frame(bytes, spill, frame, 1)
    }

    fn payload(&self, packet: Packet) -> &[u8] {
        self.block.slice(packet.payload)
    }
}

#[test]
fn any_order_of_fragments() {
    let whole = datagram(5_000);
    // 0..1480, 1480..2960, 2960..4440, 4440..5008
    let cuts = [0, 1480, 2960, 4440, whole.len()];
    let mut orders = vec![vec![]];
    for i in 0..4 {
        orders = orders
            .iter()
            .flat_map(|o: &Vec<usize>| (0..=o.len()).map(|at| [&o[..at], &[i], &o[at..]].concat()))
            .collect();
    }
    assert_eq!(orders.len(), 24);
    let mut feed = Feed::new();
    for (id, order) in orders.into_iter().enumerate() {
        for six in [false, true] {
            let mut got = None;
            for (n, &piece) in order.iter().enumerate() {
                let data = &whole[cuts[piece]..cuts[piece + 1]];
                let (at, more) = (cuts[piece], piece < 3);
                let packet = if six {
                    v6(id as u32, at, more, data)
                } else {
                    v4(id as u16, at, more, data)
                };
                got = feed.show(&packet);
                assert_eq!(got.is_some(), n == 3, "{order:?}");
            }
            let packet = got.unwrap();
            assert!(packet.payload.spilled);
            assert_eq!((packet.key.transport, packet.sent), (Transport::Udp, 5_000));
            assert_eq!(feed.payload(packet), &whole[8..]);
            let ports = [packet.key.a.port, packet.key.b.port];
            assert!(ports.contains(&88) && ports.contains(&5353));
        }
    }
    let stats = feed.dissector.stats();
    assert_eq!((stats.fragments, stats.reassembled), (24 * 2 * 4, 48));
    assert_eq!((stats.defrag_overlaps, stats.defrag_bad), (0, 0));
}

#[test]
fn fragments_are_on_the_worker_of_their_hosts() {
    let whole = datagram(100);
    let mut feed = Feed::new();
    feed.show(&v4(1, 0, true, &whole[..64]));
    let put_together = feed.show(&v4(1, 64, false, &whole[64..])).unwrap();
    assert_eq!(put_together.pair, found(101, &V4_TCP).pair);
}

#[test]
fn the_first_word_stands_and_contradictions_are_counted() {
    let whole = datagram(100);
    let mut feed = Feed::new();
    feed.show(&v4(1, 0, true, &whole[..64]));
    feed.show(&v4(1, 0, true, &whole[..64])); // a mirror port's copy
    feed.show(&v4(1, 32, true, &[0xff; 64])); // repeats 32 bytes and adds 32
    let p = feed.show(&v4(1, 96, false, &whole[96..])).unwrap();
    let mut want = whole[8..].to_vec();
    want[56..88].fill(0xff);
    assert_eq!(feed.payload(p), want);
    let stats = feed.dissector.stats();
    assert_eq!((stats.defrag_overlaps, stats.defrag_conflicts), (2, 1));
}

#[test]
fn fragments_no_sender_makes_are_refused() {
    let mut feed = Feed::new();
    for bad in [
        v4(1, 65_528, false, &[0; 100]), // past 65,535
        v4(1, 0, true, &[0; 13]),        // not a multiple of 8
        v4(1, 0, true, &[]),
    ] {
        assert!(feed.show(&bad).is_none());
    }
    assert_eq!(feed.dissector.stats().defrag_bad, 3);
    feed.show(&v4(2, 80, false, &[0; 10]));
    feed.show(&v4(2, 88, true, &[0; 16])); // past the end
    feed.show(&v4(2, 96, false, &[0; 8])); // another end
    feed.show(&v4(2, 64, false, &[0; 8])); // an end before what is there
    assert_eq!(feed.dissector.stats().defrag_bad, 6);
    // A fragment that the capture cut cannot be used.
    let cut = v4(3, 0, true, &[0; 64]);
    assert!(feed.show(&cut[..60]).is_none());
    assert_eq!(feed.dissector.stats().defrag_bad, 7);
}

#[test]
fn old_fragments_go() {
    let whole = datagram(100);
    let mut feed = Feed::new();
    feed.show(&v4(1, 0, true, &whole[..64]));
    feed.secs += DEFRAG_SECS;
    feed.show(&v4(2, 0, true, &whole[..64]));
    feed.secs += 1;
    assert!(feed.show(&v4(1, 64, false, &whole[64..])).is_none());
    assert!(feed.show(&v4(2, 64, false, &whole[64..])).is_some());
    assert_eq!(feed.dissector.stats().defrag_timeouts, 1);
}

#[test]
fn the_pool_is_bounded_and_the_oldest_goes_first() {
    let whole = datagram(100);
    let mut feed = Feed::new();
    for id in 0..=DEFRAG_DATAGRAMS {
        feed.show(&v4(id as u16, 0, true, &whole[..64]));
    }
    assert_eq!(feed.dissector.stats().defrag_evictions, 1);
    assert!(feed.show(&v4(0, 64, false, &whole[64..])).is_none());
    assert!(feed.show(&v4(9, 64, false, &whole[64..])).is_some());

    // Large ones: bytes run out before datagrams do, and what comes after works as before.
    let mut feed = Feed::new();
    let large = vec![7; 60_000];
    for id in 0..500 {
        feed.show(&v4(id, 8, true, &large));
    }
    let kept = DEFRAG_BYTES / 60_000;
    assert!(feed.dissector.stats().defrag_evictions >= 500 - kept as u64 - 1);
    assert!(feed.show(&v4(499, 60_008, false, &[1])).is_none());
    let mut udp = datagram(60_001 + 8 - 16);
    udp.truncate(8);
    assert!(feed.show(&v4(499, 0, true, &udp)).is_some());
}

#[test]
fn a_tunnel_in_fragments_is_opened_after_them() {
    let mut outer = v4(5, 0, true, &V4_TCP[..24]);
    outer[9] = 4;
    let mut feed = Feed::new();
    assert!(feed.show(&outer).is_none());
    let mut rest = v4(5, 24, false, &V4_TCP[24..]);
    rest[9] = 4;
    let p = feed.show(&rest).unwrap();
    assert_eq!(feed.payload(p), b"hello");
    assert_eq!(p.wrapping.tunnels, 1);
    assert_eq!(p.key, found(101, &V4_TCP).key);
}

/// One byte at a time, as the rules are written.
#[derive(Default)]
struct Reference {
    bytes: Vec<Option<u8>>,
    total: Option<usize>,
}

impl Reference {
    fn add(&mut self, at: usize, more: bool, data: &[u8]) -> Option<Vec<u8>> {
        let end = at + data.len();
        let refused = data.is_empty()
            || more && !data.len().is_multiple_of(8)
            || self
                .total
                .is_some_and(|total| end > total || !more && end != total)
            || !more && end < self.bytes.len();
        if refused {
            return None;
        }
        if !more {
            self.total = Some(end);
        }
        self.bytes.resize(self.bytes.len().max(end), None);
        for (i, byte) in data.iter().enumerate() {
            self.bytes[at + i].get_or_insert(*byte);
        }
        if self.total != Some(self.bytes.len()) {
            return None;
        }
        let whole: Option<Vec<u8>> = self.bytes.iter().copied().collect();
        if whole.is_some() {
            *self = Self::default();
        }
        whole
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Random pieces, overlapping, repeated, contradicting, with a wrong end now and then.
    #[test]
    fn fragments_equal_the_reference(
        pieces in prop::collection::vec((0_usize..40, 1_usize..12, any::<bool>(), any::<u8>()), 1..60),
        scale in prop::sample::select(vec![8_usize, 64, 512]),
    ) {
        let mut feed = Feed::new();
        let mut reference = Reference::default();
        for (at, len, last, fill) in pieces {
            // The end of the datagram is at 40 steps; the last piece ends at an odd byte.
            // One that is first and last is no fragment.
            let at = if last { at.max(1) } else { at } * scale;
            let end = if last { 40 * scale - 3 } else { (at + len * scale).min(40 * scale - 8) };
            let Some(len) = end.checked_sub(at).filter(|len| *len > 0) else {
                continue;
            };
            let mut data = vec![fill; len];
            if at == 0 && len >= 8 {
                data[..8].copy_from_slice(&[0x14, 0xe9, 0, 88, 0, 0, 0, 0]);
            }
            let packet = feed.show(&v4(1, at, !last, &data));
            let want = reference.add(at, !last, &data);
            match (packet, want) {
                (Some(packet), Some(want)) => prop_assert_eq!(feed.payload(packet), &want[8..]),
                (None, None) => {}
                (packet, want) => prop_assert!(false, "{:?} {:?}", packet, want),
            }
        }
    }
}
