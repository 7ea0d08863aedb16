use super::*;
use crate::limits::FRAME_BYTES;
use proptest::prelude::*;
use std::io::Write;
use std::path::PathBuf;

/// A frame as read: time in nanoseconds, bytes, length on the wire, link type, interface.
type Seen = (u64, Vec<u8>, u32, u16, u16);

fn open(bytes: &[u8]) -> Result<FileSource, CaptureError> {
    FileSource::from_reader("test", Box::new(Cursor::new(bytes.to_vec())))
}

fn drain(source: &mut FileSource) -> (Vec<Seen>, End) {
    let mut seen = Vec::new();
    let mut block = Block::default();
    loop {
        match source.fill(&mut block) {
            Fill::Frames => seen.extend(block.frames.iter().map(|f| {
                let start = f.start as usize;
                let bytes = block.bytes[start..start + f.len as usize].to_vec();
                (f.ts.0, bytes, f.wire_len, f.link, f.iface)
            })),
            Fill::Idle => panic!("a file is never idle"),
            Fill::End(end) => {
                assert_eq!(source.fill(&mut block), Fill::End(end.clone()));
                return (seen, end);
            }
        }
    }
}

fn read(bytes: &[u8]) -> (Vec<Seen>, End) {
    drain(&mut open(bytes).unwrap())
}

/// Numbers in a chosen byte order.
#[derive(Clone, Copy)]
struct Order(bool);

impl Order {
    fn u16(self, v: u16) -> [u8; 2] {
        if self.0 {
            v.to_be_bytes()
        } else {
            v.to_le_bytes()
        }
    }
    fn u32(self, v: u32) -> [u8; 4] {
        if self.0 {
            v.to_be_bytes()
        } else {
            v.to_le_bytes()
        }
    }
    fn u64(self, v: u64) -> [u8; 8] {
        if self.0 {
            v.to_be_bytes()
        } else {
            v.to_le_bytes()
        }
    }
}

fn pcap_file(o: Order, magic: u32, link: u32, records: &[(u32, u32, &[u8], u32)]) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(o.u32(magic));
    file.extend([o.u16(2), o.u16(4)].concat()); // version 2.4
    file.extend([0; 8]); // reserved
    file.extend(o.u32(65_535)); // snaplen
    file.extend(o.u32(link));
    for (secs, part, bytes, wire) in records {
        file.extend(o.u32(*secs));
        file.extend(o.u32(*part));
        file.extend(o.u32(bytes.len() as u32));
        file.extend(o.u32(*wire));
        if magic == 0xa1b2_cd34 {
            file.extend([0xee; 8]); // interface, protocol, packet type, padding
        }
        file.extend(*bytes);
    }
    file
}

fn ng_block(o: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let len = body.len().next_multiple_of(4) + 12;
    let mut block = [o.u32(kind), o.u32(len as u32)].concat();
    block.extend(body);
    block.resize(len - 4, 0);
    block.extend(o.u32(len as u32));
    block
}

fn ng_option(o: Order, code: u16, value: &[u8]) -> Vec<u8> {
    let mut option = [o.u16(code), o.u16(value.len() as u16)].concat();
    option.extend(value);
    option.resize(option.len().next_multiple_of(4), 0);
    option
}

fn ng_section(o: Order) -> Vec<u8> {
    let mut body = o.u32(0x1a2b_3c4d).to_vec();
    body.extend([o.u16(1), o.u16(0)].concat()); // version 1.0
    body.extend([0xff; 8]); // section length: not told
    ng_block(o, 0x0a0d_0d0a, &body)
}

fn ng_interface(o: Order, link: u16, snaplen: u32, options: &[Vec<u8>]) -> Vec<u8> {
    let mut body = [o.u16(link), o.u16(0)].concat();
    body.extend(o.u32(snaplen));
    body.extend(options.concat());
    if !options.is_empty() {
        body.extend([0; 4]); // end of options
    }
    ng_block(o, 1, &body)
}

fn ng_packet(o: Order, iface: u32, time: u64, bytes: &[u8], wire: u32) -> Vec<u8> {
    let mut body = o.u32(iface).to_vec();
    body.extend(o.u32((time >> 32) as u32));
    body.extend(o.u32(time as u32));
    body.extend(o.u32(bytes.len() as u32));
    body.extend(o.u32(wire));
    body.extend(bytes);
    ng_block(o, 6, &body)
}

/// Two sections, two interfaces each with link types and clocks of their own, all kinds of packet block.
fn ng_file(o: Order) -> Vec<u8> {
    let nano = ng_option(o, 9, &[9]);
    let name = |n: &str| ng_option(o, 2, n.as_bytes());
    let mut file = ng_section(o);
    file.extend(ng_interface(o, 1, 0, &[name("eth7")]));
    file.extend(ng_interface(o, 101, 3, &[name("tun0"), nano]));
    file.extend(ng_packet(o, 0, 1_000_001, b"abcde", 5));
    file.extend(ng_block(o, 0xbad, &[0; 40])); // custom
    file.extend(ng_packet(o, 1, 2_000_000_001, b"xyz", 1500));
    let mut old = [o.u16(0), o.u16(9)].concat(); // interface 0, 9 drops
    old.extend(o.u64(0)[..4].to_vec());
    old.extend(o.u32(7));
    old.extend([o.u32(2), o.u32(2)].concat());
    old.extend(b"ob");
    file.extend(ng_block(o, 2, &old));
    let mut statistics = o.u32(0).to_vec();
    statistics.extend([0; 8]); // time
    statistics.extend(ng_option(o, 5, &o.u64(11)));
    statistics.extend(ng_option(o, 7, &o.u64(22)));
    file.extend(ng_block(o, 5, &statistics));
    file.extend(ng_section(o));
    let binary = ng_option(o, 9, &[0x80 | 10]); // 1/1024 s
    let shift = ng_option(o, 14, &o.u64(100));
    file.extend(ng_interface(o, 113, 4, &[name("any"), binary, shift]));
    file.extend(ng_packet(o, 0, 512, b"bin", 3));
    file.extend(ng_block(o, 3, &[&o.u32(9)[..], b"simple789"].concat()));
    file
}

fn ng_frames() -> Vec<Seen> {
    vec![
        (1_000_001_000, b"abcde".to_vec(), 5, 1, 0),
        (2_000_000_001, b"xyz".to_vec(), 1500, 101, 1),
        (7_000, b"ob".to_vec(), 2, 1, 0),
        (100_500_000_000, b"bin".to_vec(), 3, 113, 2),
        (100_500_000_000, b"simp".to_vec(), 9, 113, 2),
    ]
}

#[test]
fn pcap_in_every_magic() {
    for big in [false, true] {
        for (magic, unit) in [(0xa1b2_c3d4, 1_000), (0xa1b2_3c4d, 1), (0xa1b2_cd34, 1_000)] {
            let records = [
                (5, 17, &b"hello"[..], 5),
                (6, 18, b"cut", 60),
                (7, 0, b"", 0),
            ];
            // The upper bits of the link type: a frame check sequence of 4 bytes.
            let file = pcap_file(Order(big), magic, 0x2400_0001, &records);
            let (seen, end) = read(&file);
            let want = vec![
                (5_000_000_000 + 17 * unit, b"hello".to_vec(), 5, 1, 0),
                (6_000_000_000 + 18 * unit, b"cut".to_vec(), 60, 1, 0),
                (7_000_000_000, vec![], 0, 1, 0),
            ];
            assert_eq!((seen, end), (want, End::Finished), "{magic:x} {big}");
        }
    }
}

#[test]
fn pcapng_in_both_orders() {
    for big in [false, true] {
        let mut source = open(&ng_file(Order(big))).unwrap();
        let (seen, end) = drain(&mut source);
        assert_eq!((seen, end), (ng_frames(), End::Finished));
        assert_eq!(source.iface_name(0), Some("eth7"));
        assert_eq!(source.iface_name(1), Some("tun0"));
        assert_eq!(source.iface_name(2), Some("any"));
        assert_eq!(source.iface_name(3), None);
        let stats = source.stats();
        assert_eq!((stats.frames, stats.bytes), (5, 17));
        assert_eq!((stats.kernel_ifdrops, stats.kernel_drops), (11, 22));
    }
}

#[test]
fn sections_may_differ_in_byte_order() {
    let file = [ng_file(Order(true)), ng_file(Order(false))].concat();
    let (seen, end) = read(&file);
    assert_eq!(end, End::Finished);
    assert_eq!(seen.len(), 10);
    assert_eq!(seen[5].1, b"abcde");
    assert_eq!(seen[5].4, 3, "interfaces are counted over all sections");
}

#[test]
fn times_of_any_resolution() {
    for (resolution, units, nanos) in [
        (0, 3, 3_000_000_000),
        (6, 3, 3_000),
        (9, 3, 3),
        (12, 3_999, 3),
        (127, u64::MAX - 1, 0),
        (0x80, 2, 2_000_000_000),
        (0x80 | 32, 1 << 31, 500_000_000),
        (0xff, u64::MAX, 0),
    ] {
        let o = Order(false);
        let mut file = ng_section(o);
        file.extend(ng_interface(o, 1, 0, &[ng_option(o, 9, &[resolution])]));
        file.extend(ng_packet(o, 0, units, b"", 0));
        assert_eq!(read(&file).0[0].0, nanos, "{resolution}");
    }
}

fn samples() -> Vec<Vec<u8>> {
    let records = [
        (1, 2, &b"first"[..], 5),
        (1, 3, b"", 0),
        (1, 4, b"third one", 80),
    ];
    let mut samples = Vec::new();
    for big in [false, true] {
        for magic in [0xa1b2_c3d4, 0xa1b2_3c4d, 0xa1b2_cd34] {
            samples.push(pcap_file(Order(big), magic, 1, &records));
        }
        samples.push(ng_file(Order(big)));
    }
    samples
}

#[test]
fn a_file_cut_anywhere_gives_a_prefix_and_says_where() {
    for file in samples() {
        let (whole, _) = read(&file);
        for cut in 0..file.len() {
            let mut source = match open(&file[..cut]) {
                Ok(source) => source,
                Err(e) => {
                    assert!(cut < 28, "{e}");
                    assert_eq!(matches!(e, CaptureError::Empty { .. }), cut == 0);
                    continue;
                }
            };
            let (seen, end) = drain(&mut source);
            assert_eq!(seen, whole[..seen.len()]);
            if let End::Broke { offset, reason } = end {
                assert!(offset.unwrap() <= cut as u64, "{reason}");
                assert!(reason.starts_with("the file ends inside a"), "{reason}");
            }
        }
    }
}

#[test]
fn compressed_files_are_told_by_content_and_may_be_cut() {
    let frame = [0x5a; 1000];
    let records: Vec<_> = (0..1_000).map(|i| (i, 0, &frame[..], 1000)).collect();
    let plain = pcap_file(Order(false), 0xa1b2_c3d4, 1, &records);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&plain[..500_000]).unwrap();
    let mut gz = gz.finish().unwrap();
    let mut second = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    second.write_all(&plain[500_000..]).unwrap();
    gz.extend(second.finish().unwrap());
    let zst = zstd::encode_all(&plain[..], 1).unwrap();
    for packed in [gz, zst] {
        let (seen, end) = read(&packed);
        assert_eq!((seen.len(), &end), (1_000, &End::Finished));
        // A compressor as small as this one leaves little to cut between.
        let (seen, end) = read(&packed[..packed.len() - 3]);
        assert!(seen.len() <= 1_000);
        assert!(matches!(end, End::Broke { .. }), "{end}");
    }
}

#[test]
fn large_records_cross_blocks() {
    let big: Vec<u8> = (0..FRAME_BYTES).map(|i| i as u8).collect();
    let records = [
        (1, 0, &big[..100_000], 100_000),
        (2, 0, &big[..200_000], 200_000),
        (3, 0, &big[..], FRAME_BYTES as u32),
        (4, 0, &big[..3], 3),
    ];
    let file = pcap_file(Order(false), 0xa1b2_c3d4, 1, &records);
    let (seen, end) = read(&file);
    assert_eq!(end, End::Finished);
    let lens: Vec<_> = seen.iter().map(|s| s.1.len()).collect();
    assert_eq!(lens, [100_000, 200_000, FRAME_BYTES, 3]);
    assert_eq!(seen[2].1, big);
}

#[test]
fn an_absurd_record_ends_the_file_after_what_came_before() {
    let mut file = pcap_file(Order(false), 0xa1b2_c3d4, 1, &[(1, 0, b"ok", 2)]);
    let at = file.len() as u64;
    file.extend([0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0]);
    file.extend([0; 100]);
    let (seen, end) = read(&file);
    assert_eq!(seen.len(), 1);
    match end {
        End::Broke { offset, reason } => {
            assert_eq!(offset, Some(at));
            assert!(reason.contains("claims 2147483647 bytes"), "{reason}");
        }
        End::Finished => panic!(),
    }
}

#[test]
fn damaged_pcapng_blocks_end_the_file() {
    let o = Order(false);
    let head = [ng_section(o), ng_interface(o, 1, 0, &[])].concat();
    let mut long_packet = ng_packet(o, 0, 1, b"four", 4);
    long_packet[20..24].copy_from_slice(&500_u32.to_le_bytes()); // captured length
    let mut lengths = ng_packet(o, 0, 1, b"four", 4);
    *lengths.last_mut().unwrap() = 9;
    for (tail, word) in [
        (long_packet, "damaged"),
        (lengths, "at its end"),
        (ng_packet(o, 1, 1, b"four", 4), "not described"),
        (
            [o.u32(6), o.u32(13), o.u32(0)].concat(),
            "impossible length",
        ),
        ([o.u32(6), o.u32(0x7fff_fff0), o.u32(0)].concat(), "claims"),
    ] {
        let file = [head.clone(), ng_packet(o, 0, 1, b"good", 4), tail].concat();
        let (seen, end) = read(&file);
        assert_eq!(seen.len(), 1);
        assert!(end.to_string().contains(word), "{end}");
    }
}

#[test]
fn long_blocks_of_other_kinds_are_passed_over() {
    let o = Order(true);
    let mut file = [ng_section(o), ng_interface(o, 1, 0, &[])].concat();
    file.extend(ng_packet(o, 0, 1, b"before", 6));
    file.extend(ng_block(o, 10, &vec![0xab; 3_000_000]));
    file.extend(ng_packet(o, 0, 2, b"after", 5));
    let (seen, end) = read(&file);
    assert_eq!((seen.len(), end), (2, End::Finished));
    assert_eq!(seen[1].1, b"after");
    let (seen, end) = read(&file[..2_000_000]);
    assert_eq!(seen.len(), 1);
    assert!(end.to_string().contains("ends inside a block"), "{end}");
}

#[test]
fn unsupported_link_types_are_counted_and_told_once() {
    let file = pcap_file(
        Order(false),
        0xa1b2_c3d4,
        105,
        &[(1, 0, &b"wifi"[..], 4); 3],
    );
    let mut source = open(&file).unwrap();
    assert_eq!(drain(&mut source), (vec![], End::Finished));
    assert_eq!(source.stats().unsupported, 3);
    let notice = source.notice().unwrap();
    assert!(notice.contains("105 (IEEE802_11)"), "{notice}");
    assert_eq!(source.notice(), None);

    let o = Order(false);
    let mut file = [
        ng_section(o),
        ng_interface(o, 105, 0, &[]),
        ng_interface(o, 1, 0, &[]),
    ]
    .concat();
    file.extend(ng_packet(o, 0, 1, b"wifi", 4));
    file.extend(ng_packet(o, 1, 1, b"wire", 4));
    let mut source = open(&file).unwrap();
    let (seen, _) = drain(&mut source);
    assert_eq!((seen.len(), seen[0].4), (1, 1));
    assert_eq!(source.stats().unsupported, 1);
    assert!(source.notice().is_some());
}

#[test]
fn what_is_no_capture_is_refused_with_a_reason() {
    let message = |bytes: &[u8]| open(bytes).unwrap_err().to_string();
    assert!(message(b"").contains("the file is empty"));
    assert!(message(b"\xd4\xc3").contains("not a capture file"));
    assert!(message(b"{\"a\":1}").contains("it starts with 7b 22 61 22"));
    assert!(message(b"GMBU....").contains("editcap"));
    assert!(message(&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0]).contains("6 of 24 bytes"));
    let mut other = pcap_file(Order(false), 0xa1b2_c3d4, 1, &[]);
    other[4] = 9;
    assert!(message(&other).contains("pcap version 9.4"));
    let e = FileSource::open(Path::new("/nonexistent/x.pcap")).unwrap_err();
    assert!(
        e.to_string()
            .starts_with("/nonexistent/x.pcap: No such file"),
        "{e}"
    );
}

#[test]
fn a_filter_leaves_out_and_counts() {
    let mut tcp = [0; 54];
    tcp[12] = 8;
    tcp[14] = 0x45;
    tcp[23] = 6;
    let mut udp = tcp;
    udp[23] = 17;
    let records = [
        (1, 0, &tcp[..], 54),
        (2, 0, &udp[..], 54),
        (3, 0, &tcp[..], 54),
    ];
    let mut source = open(&pcap_file(Order(false), 0xa1b2_c3d4, 1, &records)).unwrap();
    source.set_filter("udp").unwrap();
    let (seen, _) = drain(&mut source);
    assert_eq!((seen.len(), seen[0].0), (1, 2_000_000_000));
    let stats = source.stats();
    assert_eq!(
        (stats.frames, stats.filtered, stats.kernel_packets),
        (1, 2, 3)
    );
    assert!(source.set_filter("banana split").is_err());
}

#[test]
fn first_times_order_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.pcap");
    let file = pcap_file(Order(false), 0xa1b2_c3d4, 1, &[(9, 1, b"x", 1)]);
    std::fs::write(&path, file).unwrap();
    assert_eq!(
        first_timestamp(&path).unwrap(),
        Some(Timestamp(9_000_001_000))
    );
    std::fs::write(&path, pcap_file(Order(false), 0xa1b2_c3d4, 1, &[])).unwrap();
    assert_eq!(first_timestamp(&path).unwrap(), None);
}

/// Gives a few bytes at a time, as a pipe may.
struct Dribble(Cursor<Vec<u8>>, usize);

impl Read for Dribble {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = buf.len().min(self.1);
        self.0.read(&mut buf[..n])
    }
}

proptest! {
    #[test]
    fn reading_in_pieces_changes_nothing(piece in 1_usize..50, which in 0_usize..8) {
        let file = samples().swap_remove(which);
        let whole = read(&file);
        let dribble = Dribble(Cursor::new(file), piece);
        let mut source = FileSource::from_reader("pieces", Box::new(dribble)).unwrap();
        prop_assert_eq!(drain(&mut source), whole);
    }

    #[test]
    fn damage_never_panics(
        which in 0_usize..8,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut file = samples().swap_remove(which);
        for (at, value) in damage {
            let at = at.index(file.len());
            file[at] = value;
        }
        if let Ok(mut source) = open(&file) {
            drain(&mut source);
        }
    }
}

pub(super) fn captures() -> Vec<PathBuf> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let ext = path.extension().and_then(|e| e.to_str());
            if path.is_dir() {
                walk(&path, found);
            } else if matches!(ext, Some("pcap" | "pcapng" | "cap")) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/captures")),
        &mut found,
    );
    found.sort();
    if found.is_empty() {
        println!("skipped: no ../shared/captures");
    }
    found
}

/// libpcap reads the same frames from every capture there is.
#[test]
fn agrees_with_libpcap_on_real_captures() {
    for path in captures() {
        let theirs = ::pcap::Capture::from_file_with_precision(&path, ::pcap::Precision::Nano);
        let (mut theirs, mut ours) = match (theirs, FileSource::open(&path)) {
            (Ok(theirs), Ok(ours)) => (theirs, ours),
            (Err(_), Err(_)) => continue,
            (Err(e), Ok(_)) => {
                // libpcap takes one link type and one snapshot length a file only.
                println!("{}: only we open it ({e})", path.display());
                continue;
            }
            (Ok(_), Err(e)) => panic!("{e}"),
        };
        let (seen, end) = drain(&mut ours);
        let mut n = 0;
        let broke = loop {
            match theirs.next_packet() {
                Ok(packet) => {
                    let Some(mine) = seen.get(n) else {
                        panic!("{}: frame {n} is missing: {end}", path.display());
                    };
                    let ts = packet.header.ts;
                    assert_eq!(mine.0, ts.tv_sec as u64 * 1_000_000_000 + ts.tv_usec as u64);
                    // libpcap cuts frames that are longer than the file's snapshot length.
                    assert!(
                        mine.1.starts_with(packet.data),
                        "{} frame {n}",
                        path.display()
                    );
                    assert_eq!(mine.2, packet.header.len.max(packet.header.caplen));
                    n += 1;
                }
                Err(::pcap::Error::NoMorePackets) => break None,
                Err(e) => break Some(e),
            }
        };
        match broke {
            None => {
                assert_eq!(n, seen.len(), "{}", path.display());
                assert_eq!(end, End::Finished, "{}", path.display());
            }
            Some(e) => println!("{}: libpcap: {e}; we: {end}", path.display()),
        }
    }
}
