//! What an association makes of whole conversations.

use super::{Player, play, play_pipe};
use crate::net::Direction::{self, ToClient, ToServer};

pub(super) const EFS: [u8; 20] = [
    0x88, 0xd4, 0x81, 0xc6, 0x50, 0xd8, 0xd0, 0x11, 0x8c, 0x52, 0x00, 0xc0, 0x4f, 0xd9, 0x0f, 0x7e,
    1, 0, 0, 0,
];
const SRVSVC: [u8; 20] = [
    0xc8, 0x4f, 0x32, 0x4b, 0x70, 0x16, 0xd3, 0x01, 0x12, 0x78, 0x5a, 0x47, 0xbf, 0x6e, 0xe1, 0x88,
    3, 0, 0, 0,
];
const NDR: [u8; 20] = [
    0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60,
    2, 0, 0, 0,
];

/// A PDU around a body; `auth` is type, level, context id and value.
pub(super) fn pdu(
    ptype: u8,
    flags: u8,
    call_id: u32,
    body: &[u8],
    auth: Option<(u8, u8, u32, &[u8])>,
) -> Vec<u8> {
    let mut tail = Vec::new();
    if let Some((auth_type, level, id, value)) = auth {
        tail.extend([auth_type, level, 0, 0]);
        tail.extend(id.to_le_bytes());
        tail.extend(value);
    }
    let frag_len = u16::try_from(16 + body.len() + tail.len()).unwrap();
    let auth_len = auth.map_or(0, |(.., value)| u16::try_from(value.len()).unwrap());
    let mut out = vec![5, 0, ptype, flags, 0x10, 0, 0, 0];
    out.extend(frag_len.to_le_bytes());
    out.extend(auth_len.to_le_bytes());
    out.extend(call_id.to_le_bytes());
    out.extend(body);
    out.extend(tail);
    out
}

fn bind(call_id: u32, offers: &[(u16, [u8; 20])]) -> Vec<u8> {
    bind_as(11, call_id, offers, None)
}

pub(super) fn bind_as(
    ptype: u8,
    call_id: u32,
    offers: &[(u16, [u8; 20])],
    auth: Option<(u8, u8, u32, &[u8])>,
) -> Vec<u8> {
    let mut body = vec![
        0xb8,
        0x10,
        0xb8,
        0x10,
        0,
        0,
        0,
        0,
        u8::try_from(offers.len()).unwrap(),
        0,
        0,
        0,
    ];
    for (id, interface) in offers {
        body.extend(id.to_le_bytes());
        body.extend([1, 0]);
        body.extend(interface);
        body.extend(NDR);
    }
    pdu(ptype, 3, call_id, &body, auth)
}

fn ack(call_id: u32, results: &[(u16, u16)]) -> Vec<u8> {
    ack_as(12, call_id, results, None)
}

pub(super) fn ack_as(
    ptype: u8,
    call_id: u32,
    results: &[(u16, u16)],
    auth: Option<(u8, u8, u32, &[u8])>,
) -> Vec<u8> {
    // Secondary address "135" and its NUL end at 30; two bytes of padding from the PDU's start.
    let mut body = vec![
        0xb8, 0x10, 0xb8, 0x10, 1, 0, 0, 0, 4, 0, b'1', b'3', b'5', 0, 0, 0,
    ];
    body.extend([u8::try_from(results.len()).unwrap(), 0, 0, 0]);
    for (result, reason) in results {
        body.extend(result.to_le_bytes());
        body.extend(reason.to_le_bytes());
        body.extend(NDR);
    }
    pdu(ptype, 3, call_id, &body, auth)
}

pub(super) fn request(flags: u8, call_id: u32, context: u16, opnum: u16, stub: &[u8]) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend(context.to_le_bytes());
    body.extend(opnum.to_le_bytes());
    body.extend(stub);
    pdu(0, flags, call_id, &body, None)
}

pub(super) fn response(flags: u8, call_id: u32, stub: &[u8]) -> Vec<u8> {
    let mut body = vec![0; 8];
    body.extend(stub);
    pdu(2, flags, call_id, &body, None)
}

pub(super) fn fault(call_id: u32, status: u32) -> Vec<u8> {
    let mut body = vec![0; 8];
    body.extend(status.to_le_bytes());
    body.extend([0; 4]);
    pdu(3, 3, call_id, &body, None)
}

/// `\\h\s` as a reference string.
fn path_stub() -> Vec<u8> {
    let mut stub = Vec::new();
    for n in [6u32, 0, 6] {
        stub.extend(n.to_le_bytes());
    }
    stub.extend("\\\\h\\s\0".encode_utf16().flat_map(u16::to_le_bytes));
    stub
}

fn has(log: &[String], part: &str) -> usize {
    log.iter().filter(|l| l.contains(part)).count()
}

fn joined(log: &[String]) -> String {
    log.join("\n")
}

type Piece = (Direction, Vec<u8>);

fn run(pieces: &[Piece]) -> Vec<String> {
    let pieces: Vec<_> = pieces.iter().map(|(d, b)| (*d, &**b)).collect();
    let log = play(&pieces);
    assert_eq!(play_pipe(&pieces, 5), log, "a pipe says the same");
    log
}

#[test]
fn a_coercion_call_and_its_answer() {
    let log = run(&[
        (ToServer, bind(1, &[(0, EFS)])),
        (ToClient, ack(1, &[(0, 0)])),
        (ToServer, request(3, 1, 0, 0, &path_stub())),
        (ToClient, response(3, 1, &[0, 0, 0, 0, 0x35, 0, 0, 0])),
    ]);
    assert_eq!(log.len(), 3, "{log:#?}");
    assert!(
        log[0].starts_with("to_server bind c681d488")
            && log[0].contains("v1.0 accepted=Some(true)")
    );
    assert!(
        log[1].contains(r#"efsrpc.EfsRpcOpenFileRaw op=0"#)
            && log[1].contains(r#"path=Some("\\\\h\\s")"#)
    );
    assert!(log[1].contains(r#"method=Some("efsr-0")"#));
    assert!(
        log[2].starts_with("to_client result EfsRpcOpenFileRaw op=0 fault=None status=Some(53)"),
        "{log:#?}"
    );
}

#[test]
fn the_target_may_hide_among_decoys_or_come_by_alter_context() {
    let decoy = |n: u8| [n; 20];
    let offers: Vec<_> = (0..20)
        .map(|n| (u16::from(n), decoy(n + 1)))
        .chain([(20, EFS)])
        .collect();
    let mut results = vec![(2, 1); 20];
    results.push((0, 0));
    let log = run(&[
        (ToServer, bind(1, &offers)),
        (ToClient, ack(1, &results)),
        (ToServer, request(3, 2, 20, 4, &path_stub())),
    ]);
    assert_eq!(has(&log, "accepted=Some(false)"), 20);
    assert_eq!(has(&log, "EfsRpcEncryptFileSrv"), 1);

    let log = run(&[
        (ToServer, bind(1, &[(0, SRVSVC)])),
        (ToClient, ack(1, &[(0, 0)])),
        (ToServer, bind_as(14, 2, &[(1, EFS)], None)),
        (ToClient, ack_as(15, 2, &[(0, 0)], None)),
        (ToServer, request(3, 3, 1, 0, &path_stub())),
        (ToServer, request(3, 4, 0, 15, &[])),
    ]);
    assert_eq!(
        (has(&log, "EfsRpcOpenFileRaw"), has(&log, "NetrShareEnum")),
        (1, 1)
    );
}

#[test]
fn a_refused_interface_is_reported_and_an_unanswered_one_is_provisional() {
    let log = run(&[
        (ToServer, bind(1, &[(0, EFS)])),
        (ToClient, ack(1, &[(2, 1)])),
    ]);
    assert_eq!(has(&log, "accepted=Some(false)"), 1);

    let log = run(&[
        (ToServer, bind(1, &[(0, EFS)])),
        (ToServer, request(3, 1, 0, 0, &path_stub())),
    ]);
    assert_eq!(has(&log, "accepted=None"), 1, "{log:#?}");
    assert_eq!(has(&log, "EfsRpcOpenFileRaw"), 1);

    let nak = pdu(13, 3, 1, &[8, 0, 0], None);
    let log = run(&[(ToServer, bind(1, &[(0, EFS)])), (ToClient, nak)]);
    assert_eq!(has(&log, "accepted=Some(false)"), 1);
}

#[test]
fn fragments_interleave_and_the_answer_ends_what_was_not_seen_to_end() {
    let stub = path_stub();
    let start = [
        (ToServer, bind(1, &[(0, EFS)])),
        (ToClient, ack(1, &[(0, 0)])),
    ];
    let mut pieces = start.to_vec();
    let rts = pdu(20, 3, 0, &[2, 0, 0, 0], None);
    for (flags, part) in [(1, 0..7), (0, 7..8), (2, 8..stub.len())] {
        pieces.push((ToServer, request(flags, 7, 0, 0, &stub[part.clone()])));
        pieces.push((ToServer, rts.clone()));
        pieces.push((ToServer, request(flags, 8, 0, 4, &stub[part])));
    }
    let log = run(&pieces);
    assert_eq!(has(&log, r#"path=Some("\\\\h\\s")"#), 2, "{log:#?}");
    assert_eq!(has(&log, "frags=3"), 2);

    let mut pieces = start.to_vec();
    pieces.push((ToServer, request(1, 7, 0, 0, &stub)));
    pieces.push((ToClient, fault(7, 5)));
    let log = run(&pieces);
    assert_eq!(has(&log, r#"path=Some("\\\\h\\s")"#), 1);
    assert!(log[2].contains("fault=Some(5)"), "{log:#?}");

    // The first fragment was missed; a mismatch keeps what the first one said.
    let mut pieces = start.to_vec();
    pieces.push((ToServer, request(2, 7, 0, 0, &stub)));
    pieces.push((ToServer, request(1, 8, 0, 0, &stub[..8])));
    pieces.push((ToServer, request(2, 8, 0, 4, &stub[8..])));
    let log = run(&pieces);
    assert_eq!(has(&log, "op=0"), 2, "{}", joined(&log));
    assert_eq!(has(&log, "anomaly fragment"), 1);
    assert_eq!(has(&log, "path=Some"), 1);
}

#[test]
fn answers_are_matched_and_fragmented_answers_keep_their_last_word() {
    let log = run(&[
        (ToServer, bind(1, &[(0, EFS)])),
        (ToClient, ack(1, &[(0, 0)])),
        (ToServer, request(3, 1, 0, 0, &path_stub())),
        (ToServer, request(3, 2, 0, 4, &path_stub())),
        (ToClient, response(3, 2, &[5, 0, 0, 0])),
        (ToClient, response(1, 1, &[1, 2, 3, 0x35])),
        (ToClient, response(2, 1, &[0, 0, 0])),
        (ToClient, response(3, 9, &[9, 9, 9, 9])),
    ]);
    assert_eq!(
        has(
            &log,
            "result EfsRpcEncryptFileSrv op=4 fault=None status=Some(5)"
        ),
        1,
        "{log:#?}"
    );
    assert_eq!(
        has(
            &log,
            "result EfsRpcOpenFileRaw op=0 fault=None status=Some(53)"
        ),
        1
    );
    assert_eq!(has(&log, "result"), 2);
}

#[test]
fn large_calls_of_no_interest_are_passed_over_and_large_ones_of_interest_are_not() {
    let big = vec![0xaa; 9000];
    let mut long = path_stub();
    long.resize(9000, 0);
    let log = run(&[
        (ToServer, bind(1, &[(0, EFS), (1, SRVSVC)])),
        (ToClient, ack(1, &[(0, 0), (0, 0)])),
        (ToServer, request(3, 1, 1, 15, &big)),
        (ToClient, response(3, 1, &big)),
        (ToServer, request(3, 2, 0, 0, &long)),
        (ToClient, response(3, 2, &[0x35, 0, 0, 0])),
        (ToServer, request(3, 3, 1, 15, &[])),
    ]);
    assert_eq!(has(&log, "NetrShareEnum op=15"), 3, "{log:#?}");
    assert_eq!(has(&log, "len=9000"), 3);
    assert_eq!(has(&log, r#"path=Some("\\\\h\\s")"#), 1);
    assert_eq!(has(&log, "status=Some(53)"), 1);
}

#[test]
fn after_a_gap_the_next_pdu_is_found_and_a_cut_call_is_still_a_call() {
    let mut p = Player::new();
    p.send(ToServer, &bind(1, &[(0, EFS)]));
    p.send(ToClient, &ack(1, &[(0, 0)]));
    let call = request(3, 2, 0, 0, &path_stub());
    p.send(ToServer, &call[..40]); // the snapshot length cut it
    p.gap(ToServer, 12);
    let mut rest = vec![0xee; 33];
    rest.extend(request(3, 3, 0, 4, &path_stub()));
    p.send(ToServer, &rest);
    p.end();
    let log = p.log();
    assert_eq!(has(&log, "EfsRpcOpenFileRaw op=0"), 1, "{log:#?}");
    assert_eq!(has(&log, "len=24 path=None"), 1, "{log:#?}");
    assert_eq!(has(&log, "EfsRpcEncryptFileSrv op=4"), 1);
    assert_eq!(has(&log, r#"path=Some("\\\\h\\s")"#), 1);
    assert_eq!(has(&log, "anomaly"), 0);
}

#[test]
fn nonsense_is_said_once_and_then_given_up() {
    let mut p = Player::new();
    p.send(ToServer, &bind(1, &[(0, EFS)]));
    p.send(ToServer, &[0xff; 1000]);
    p.send(ToServer, &request(3, 3, 0, 4, &path_stub()));
    assert_eq!(has(&p.log.0, "anomaly"), 1);
    assert_eq!(has(&p.log.0, "EfsRpcEncryptFileSrv"), 1);
    let noise = vec![0xff; 100_000];
    for _ in 0..4 {
        p.send(ToServer, &noise);
    }
    assert!(p.done);
    assert_eq!(has(&p.log.0, "anomaly"), 2);
}

#[test]
fn calls_without_a_trailer_run_under_the_binds_security() {
    let token = b"NTLMSSP\0\x01\0\0\0";
    let auth = Some((10, 2, 7, &token[..]));
    let log = run(&[
        (ToServer, bind_as(11, 1, &[(0, EFS)], auth)),
        (ToClient, ack_as(12, 1, &[(0, 0)], auth)),
        (ToServer, request(3, 1, 0, 0, &path_stub())),
    ]);
    assert_eq!(has(&log, "auth=Some(10)/Some(2)"), 2, "{log:#?}");
    assert_eq!(has(&log, "sealed=false"), 1);
}

#[test]
fn limits_hold() {
    let mut p = Player::new();
    p.send(ToServer, &bind(1, &[(0, EFS)]));
    p.send(ToClient, &ack(1, &[(0, 0)]));
    let piece = vec![1; 4000];
    for call_id in 0..200 {
        p.send(ToServer, &request(1, call_id, 0, 0, &piece));
        for _ in 0..20 {
            p.send(ToServer, &request(0, call_id, 0, 0, &piece));
        }
    }
    assert_eq!(has(&p.log.0, "call "), 200 - crate::limits::RPC_CALLS);
    p.end();
    assert_eq!(has(&p.log.0, "call "), 200);
    assert_eq!(has(&p.log.0, "len=84000"), 200);

    let offers: Vec<_> = (0..200).map(|id| (id, EFS)).collect();
    let mut p = Player::new();
    for n in 0..10 {
        p.send(ToServer, &bind(n, &offers));
    }
    p.end();
    assert_eq!(has(&p.log.0, "bind "), 2000);
}
