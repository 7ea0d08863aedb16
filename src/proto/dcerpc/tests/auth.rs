//! Tokens in security trailers, and what the server's next word says of them.

use super::super::wire::Pdu;
use super::behaviour::{EFS, ack_as, bind_as, fault, pdu, request, response};
use super::{play, play_pipe};
use crate::net::Direction::{self, ToClient, ToServer};

fn token(name: &str) -> Vec<u8> {
    let text = include_str!("../../../../testdata/vectors/vectors.json");
    let all: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
    let vector = all.iter().find(|v| v["name"] == name).unwrap();
    data_encoding::HEXLOWER
        .decode(vector["hex"].as_str().unwrap().as_bytes())
        .unwrap()
}

fn log(pieces: &[(Direction, Vec<u8>)]) -> Vec<String> {
    let pieces: Vec<_> = pieces.iter().map(|(d, b)| (*d, &**b)).collect();
    let log = play(&pieces);
    assert_eq!(play_pipe(&pieces, 11), log);
    log
}

fn has(log: &[String], parts: &[&str]) -> usize {
    log.iter()
        .filter(|l| parts.iter().all(|p| l.contains(p)))
        .count()
}

/// bind with type 1 and its answer with type 2, in security context `id`.
fn challenged(auth_type: u8, id: u32) -> Vec<(Direction, Vec<u8>)> {
    let (one, two) = match auth_type {
        9 => (
            token("spnego_negTokenInit_ntlm_type1"),
            token("spnego_negTokenResp_ntlm_type2"),
        ),
        _ => (token("ntlmssp_type1_impacket"), token("ntlmssp_type2")),
    };
    vec![
        (
            ToServer,
            bind_as(11, 1, &[(0, EFS)], Some((auth_type, 2, id, &one))),
        ),
        (
            ToClient,
            ack_as(12, 1, &[(0, 0)], Some((auth_type, 2, id, &two))),
        ),
    ]
}

#[test]
fn an_auth3_is_decided_by_the_first_answer() {
    let three = token("ntlmssp_type3_ntlmv2_mic");
    let auth3 = pdu(16, 3, 1, b"    ", Some((10, 2, 7, &three)));
    let mut pieces = challenged(10, 7);
    pieces.push((ToServer, auth3));
    pieces.push((ToServer, request(3, 2, 0, 0, &[])));
    let start = pieces.clone();

    pieces.push((ToClient, response(3, 2, &[0; 4])));
    let good = log(&pieces);
    assert_eq!(
        has(&good, &["NtlmNegotiate", "carrier: Rpc", "session: 7"]),
        1,
        "{good:#?}"
    );
    assert_eq!(has(&good, &["NtlmChallenge", "session: 7"]), 1);
    assert_eq!(has(&good, &["NtlmAuthenticate", "session: 7", "alice"]), 1);
    assert_eq!(has(&good, &["NtlmAuthenticate", "message_id: 0,"]), 0);
    assert_eq!(has(&good, &["AuthResult", "success: true", "code: 0"]), 1);

    for (status, parts) in [
        (5, ["success: false", "code: 5"]),
        (0x1c01_0002, ["success: true", "code: 0"]),
    ] {
        let mut pieces = start.clone();
        pieces.push((ToClient, fault(2, status)));
        pieces.push((ToClient, fault(3, 5)));
        let got = log(&pieces);
        assert_eq!(has(&got, &["AuthResult"]), 1, "{got:#?}");
        assert_eq!(has(&got, &parts), 1, "{got:#?}");
    }
}

#[test]
fn an_alter_context_is_decided_by_its_own_answer() {
    let three = token("spnego_negTokenResp_ntlm_type3");
    let mut pieces = challenged(9, 0x1357f);
    pieces.push((
        ToServer,
        bind_as(14, 1, &[(0, EFS)], Some((9, 2, 0x1357f, &three))),
    ));
    let start = pieces.clone();
    let done = [0xa1, 0x07, 0x30, 0x05, 0xa0, 0x03, 0x0a, 0x01, 0x00]; // accept-completed
    pieces.push((
        ToClient,
        ack_as(15, 1, &[(0, 0)], Some((9, 2, 0x1357f, &done))),
    ));
    let good = log(&pieces);
    assert_eq!(has(&good, &["NtlmAuthenticate", "alice"]), 1, "{good:#?}");
    assert_eq!(has(&good, &["AuthResult", "success: true"]), 1, "{good:#?}");
    assert_eq!(
        has(&good, &["bind c681d488"]),
        1,
        "offered again is no news"
    );

    let mut pieces = start;
    pieces.push((ToClient, fault(1, 5)));
    let bad = log(&pieces);
    assert_eq!(
        has(&bad, &["AuthResult", "success: false", "code: 5"]),
        1,
        "{bad:#?}"
    );
}

#[test]
fn security_contexts_of_one_connection_are_kept_apart() {
    let (one, two, three) = (
        token("ntlmssp_type1_impacket"),
        token("ntlmssp_type2"),
        token("ntlmssp_type3_ntlmv2_mic"),
    );
    let mut pieces = challenged(10, 7);
    pieces.push((
        ToServer,
        bind_as(14, 2, &[(0, EFS)], Some((10, 2, 8, &one))),
    ));
    pieces.push((ToClient, ack_as(15, 2, &[(0, 0)], Some((10, 2, 8, &two)))));
    pieces.push((ToServer, pdu(16, 3, 2, b"    ", Some((10, 2, 8, &three)))));
    pieces.push((ToServer, pdu(16, 3, 2, b"    ", Some((10, 2, 7, &three)))));
    let signed = |id| pdu(2, 3, 5, &[0; 12], Some((10, 2, id, &[1; 16])));
    pieces.push((ToClient, signed(8)));
    pieces.push((ToClient, signed(7)));
    let got = log(&pieces);
    for id in [7, 8] {
        assert_eq!(
            has(&got, &["NtlmAuthenticate", &format!("session: {id}")]),
            1,
            "{got:#?}"
        );
        assert_eq!(
            has(
                &got,
                &["AuthResult", &format!("session: {id}"), "success: true"]
            ),
            1
        );
    }
    let whole = pdu(16, 3, 2, b"    ", Some((10, 2, 8, &three)));
    assert!(Pdu::read(&whole).unwrap().auth.is_some());
}
