//! Windows Search over SMB: with and without the open, under every cut.

use super::testkit::{
    C2S, FILE, Player, RESPONSE, S2C, TREE, command, create_request, create_response,
    ioctl_request, ioctl_response, logon, message, read_request, read_response, utf16,
    write_request,
};
use crate::catalog::Catalog;

type Messages = Vec<(crate::net::Direction, Vec<u8>)>;

/// As [`super::testkit::play`], with what the sensor knows.
fn play(messages: &Messages, size: usize) -> Player {
    let mut player = Player::default();
    player.shared.catalog = std::sync::Arc::new(Catalog::builtin());
    for (direction, bytes) in messages {
        for piece in bytes.chunks(size) {
            player.data(*direction, piece);
        }
    }
    player.end()
}

/// CPMCreateQueryIn (MS-WSP 2.2.2): number, status, checksum, reserved; a body that is a scope only.
fn query() -> Vec<u8> {
    let mut scope = utf16("file:////evil/x");
    scope.extend([0, 0]);
    let (words, rest) = scope.as_chunks::<4>();
    assert!(rest.is_empty());
    let sum = words.iter().fold(0u32, |sum, word| {
        sum.wrapping_add(u32::from_le_bytes(*word))
    });
    let mut bytes = vec![0xca, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend((sum ^ 0x5953_3959).wrapping_sub(0xca).to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(scope);
    bytes
}

/// CPMCreateQueryOut with status 0x80070005.
const REFUSED: [u8; 16] = *b"\xca\0\0\0\x05\0\x07\x80\0\0\0\0\0\0\0\0";

/// A logon, the open, and a query in a WRITE with its answer in a READ.
fn search() -> Messages {
    let mut all = logon(r"\\10.0.0.1\IPC$", 2);
    let open = create_request("MsFteWds");
    all.push((C2S, message(&[command(5, 0, 0, 5, TREE, &open)])));
    let opened = create_response(FILE);
    all.push((S2C, message(&[command(5, RESPONSE, 0, 5, TREE, &opened)])));
    all.extend(asked());
    all
}

fn asked() -> Messages {
    let write = write_request(FILE, &query());
    let read = read_request(FILE);
    let answer = read_response(&REFUSED);
    vec![
        (C2S, message(&[command(9, 0, 0, 6, TREE, &write)])),
        (C2S, message(&[command(8, 0, 0, 7, TREE, &read)])),
        (S2C, message(&[command(8, RESPONSE, 0, 7, TREE, &answer)])),
    ]
}

const CALL: [&str; 3] = [
    "to_server RpcCall",
    "operation: \"CPMCreateQueryIn\"",
    "path: Some(\"file:////evil/x\")",
];
const RESULT: [&str; 3] = [
    "to_client RpcResult",
    "opnum: 202",
    "status: Some(2147942405)",
];

#[test]
fn a_query_and_its_answer_however_it_is_cut() {
    let whole = play(&search(), usize::MAX);
    assert_eq!(whole.out.count(&CALL), 1, "{:#?}", whole.out.0);
    assert_eq!(whole.out.count(&RESULT), 1, "{:#?}", whole.out.0);
    assert_eq!(whole.out.count(&["Anomaly"]), 0, "{:#?}", whole.out.0);
    for size in [1, 2, 3, 7, 64, 116, 130] {
        assert_eq!(play(&search(), size).out, whole.out, "{size}");
    }
}

#[test]
fn without_the_open() {
    let got = play(&asked(), usize::MAX);
    assert_eq!(got.out.count(&CALL), 1, "{:#?}", got.out.0);
}

#[test]
fn in_a_transceive() {
    let mut all = search();
    all.truncate(all.len() - 3);
    let ask = ioctl_request(FILE, &query());
    let answer = ioctl_response(FILE, &REFUSED);
    all.push((C2S, message(&[command(11, 0, 0, 6, TREE, &ask)])));
    all.push((S2C, message(&[command(11, RESPONSE, 0, 6, TREE, &answer)])));
    let got = play(&all, usize::MAX);
    assert_eq!(got.out.count(&CALL), 1, "{:#?}", got.out.0);
    assert_eq!(got.out.count(&RESULT), 1, "{:#?}", got.out.0);
}
