use super::super::decoder::testkit::*;
use super::*;
use crate::proto::testing::vector;

/// Plain LZ77 of literals alone: 32 flags of zero before every 32 bytes.
fn literals(plain: &[u8]) -> Vec<u8> {
    let groups = plain.chunks(32);
    groups.flat_map(|group| [&[0; 4], group].concat()).collect()
}

/// LZNT1 of chunks that are not compressed.
fn stored(plain: &[u8]) -> Vec<u8> {
    let chunks = plain.chunks(4096);
    let chunk = |c: &[u8]| [&le16(0x3000 | (c.len() - 1))[..], c].concat();
    chunks.flat_map(chunk).collect()
}

/// LZ77+Huffman in which every byte has a code of eight bits, itself.
fn coded(plain: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for block in plain.chunks(65_536) {
        bytes.extend([0x88; 128]);
        bytes.extend([0; 128]);
        let mut words = block.to_vec();
        words.resize(block.len().next_multiple_of(2), 0);
        bytes.extend(
            words
                .as_chunks()
                .0
                .iter()
                .flat_map(|[a, b]: &[u8; 2]| [*b, *a]),
        );
        bytes.extend([0; 4]);
    }
    bytes
}

fn framed(smb: &[u8]) -> Vec<u8> {
    let length = u32::try_from(smb.len()).unwrap().to_be_bytes();
    [&length[..], smb].concat()
}

/// A message of these bytes, unchained.
fn unchained(smb: &[u8], algorithm: u8, clear: usize, pack: Packing) -> Vec<u8> {
    let mut bytes = b"\xfcSMB".to_vec();
    bytes.extend(le32(smb.len() - clear)); // OriginalCompressedSegmentSize
    bytes.extend([algorithm, 0]); // CompressionAlgorithm
    bytes.extend([0, 0]); // Flags: none
    bytes.extend(le32(clear)); // Offset
    bytes.extend(&smb[..clear]);
    bytes.extend(pack(&smb[clear..]));
    framed(&bytes)
}

/// The same as a chain: the header as it is, a run of one byte if there is one, the rest in LZ77.
fn chained(smb: &[u8]) -> Vec<u8> {
    let mut bytes = b"\xfcSMB".to_vec();
    bytes.extend(le32(smb.len())); // OriginalCompressedSegmentSize
    let (head, rest) = smb.split_at(48);
    bytes.extend([0, 0, 1, 0]); // NONE, the first of a chain
    bytes.extend(le32(head.len())); // Length
    bytes.extend(head);
    // The signature: sixteen zeros.
    let (run, rest) = rest.split_at(16);
    assert_eq!(run, [0; 16]);
    bytes.extend([4, 0, 0, 0]); // Pattern_V1
    bytes.extend(le32(8)); // Length
    bytes.extend([0, 0, 0, 0]); // Pattern, reserved
    bytes.extend(le32(16)); // Repetitions
    let packed = literals(rest);
    bytes.extend([2, 0, 0, 0]); // LZ77
    bytes.extend(le32(packed.len() + 4)); // Length, with OriginalPayloadSize
    bytes.extend(le32(rest.len())); // OriginalPayloadSize
    bytes.extend(packed);
    framed(&bytes)
}

/// The conversation, its messages from the tree connect on compressed.
fn packed(pack: impl Fn(&[u8]) -> Vec<u8>) -> Vec<(Direction, Vec<u8>)> {
    let all = conversation().into_iter().enumerate();
    all.map(|(i, (direction, bytes))| match i {
        0..6 => (direction, bytes),
        _ => (direction, pack(&bytes[4..])),
    })
    .collect()
}

type Packing = fn(&[u8]) -> Vec<u8>;

fn packings() -> [Packing; 5] {
    [
        |smb| unchained(smb, 1, 0, stored),
        |smb| unchained(smb, 2, 0, literals),
        |smb| unchained(smb, 2, 64, literals),
        |smb| unchained(smb, 3, 0, coded),
        chained,
    ]
}

#[test]
fn compression_hides_nothing() {
    let clear = play(&conversation(), usize::MAX);
    assert!(!clear.pipes().is_empty());
    for (n, pack) in packings().into_iter().enumerate() {
        for size in [1, 3, 64, 100, usize::MAX] {
            let got = play(&packed(pack), size);
            assert_eq!(got.out, clear.out, "{n} in {size}");
            assert_eq!(got.pipes(), clear.pipes(), "{n} in {size}");
            assert_eq!(got.decoder.opaque().compressed, 0);
        }
    }
}

#[test]
fn one_direction_is_lost() {
    for lost in [C2S, S2C] {
        let one = |all: Vec<(Direction, Vec<u8>)>| -> Vec<_> {
            all.into_iter().filter(|(d, _)| *d != lost).collect()
        };
        let clear = play(&one(conversation()), usize::MAX);
        for pack in packings() {
            let got = play(&one(packed(pack)), 7);
            assert_eq!(got.out, clear.out);
            assert_eq!(got.pipes(), clear.pipes());
        }
    }
}

#[test]
fn file_data_is_passed_over() {
    let mut all = logon(r"\\10.0.0.1\data", 1);
    let bulk = command(9, 0, 0, 5, TREE, &write_request(FILE, &vec![5; 1 << 20]));
    all.push((C2S, unchained(&bulk, 2, 64, literals)));
    let got = play(&all, 1460);
    assert!(got.skipped > 1 << 20);
    assert_eq!(got.decoder.opaque().compressed, 0);
    assert_eq!(got.out.count(&["Anomaly"]), 0);
}

#[test]
fn what_cannot_be_read_is_said_once() {
    let mut all = logon(r"\\10.0.0.1\IPC$", 2);
    let small = command(9, 0, 0, 5, TREE, &write_request(FILE, &bind()));
    let large = command(9, 0, 0, 5, TREE, &write_request(FILE, &vec![5; 70_000]));
    all.extend([
        // LZ4, which is not read.
        (C2S, unchained(&small, 5, 0, literals)),
        (C2S, unchained(&large, 2, 64, literals)),
        // The payload ends too early.
        (
            C2S,
            unchained(&small, 2, 64, |rest| literals(rest)[..20].to_vec()),
        ),
        // The vector's payload stops before the size it claims.
        (C2S, vector("smb3_compression_transform_unchained").bytes),
        (C2S, message(&[small])),
    ]);
    for size in [1, 1460, usize::MAX] {
        let got = play(&all, size);
        assert_eq!(got.decoder.opaque().compressed, 4);
        assert_eq!(got.out.count(&["Anomaly", "is not read"]), 1);
        assert_eq!(got.pipes(), [("", C2S, &bind()[..])]);
    }
}

/// One byte sixty thousand times, in a message of a hundred: a packet of such ones would cost megabytes.
#[test]
fn a_bomb_is_not_unpacked() {
    let head = command(11, 0, 0, 5, TREE, &[]);
    let mut bytes = b"\xfcSMB".to_vec();
    bytes.extend(le32(60_000)); // OriginalCompressedSegmentSize
    bytes.extend([0, 0, 1, 0]); // NONE, the first of a chain
    bytes.extend(le32(head.len())); // Length
    bytes.extend(&head);
    bytes.extend([4, 0, 0, 0]); // Pattern_V1
    bytes.extend(le32(8)); // Length
    bytes.extend([0, 0, 0, 0]); // Pattern, reserved
    bytes.extend(le32(60_000 - head.len())); // Repetitions
    let got = play(&[(C2S, framed(&bytes))], usize::MAX);
    assert_eq!(got.decoder.opaque().compressed, 1);
    assert_eq!(got.out.count(&["Anomaly", "too large"]), 1);
    assert!(got.shared.plain.capacity() < 1024);
}

#[test]
fn a_chain_of_nothing_ends() {
    let mut bytes = b"\xfcSMB".to_vec();
    bytes.extend(le32(64)); // OriginalCompressedSegmentSize
    for _ in 0..100 {
        bytes.extend([0, 0, 1, 0, 0, 0, 0, 0]); // NONE, length 0
    }
    assert!(unpack(&bytes, 64, &mut Vec::new()).is_err());
}
