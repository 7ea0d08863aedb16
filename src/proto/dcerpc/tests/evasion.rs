//! What a caller may do so that its call is not recognised, and is all the same.

use super::behaviour::{EFS, ack_as, bind_as, request};
use super::play;
use crate::limits::RPC_CONTEXTS;
use crate::net::Direction::{self, ToClient, ToServer};

const OTHER: [u8; 20] = [
    0xc8, 0x4f, 0x32, 0x4b, 0x70, 0x16, 0xd3, 0x01, 0x12, 0x78, 0x5a, 0x47, 0xbf, 0x6e, 0xe1, 0x88,
    3, 0, 0, 0,
];

/// EFSRPC is bound as context 0, `between` happens, then context 0 opnum 0 is called.
fn is_recognised(between: &[(Direction, Vec<u8>)]) -> bool {
    let bind = bind_as(11, 1, &[(0, EFS)], None);
    let ack = ack_as(12, 1, &[(0, 0)], None);
    let call = request(3, 9_999, 0, 0, &[0; 24]);
    let mut pieces = vec![(ToServer, &bind[..]), (ToClient, &ack[..])];
    pieces.extend(between.iter().map(|(way, bytes)| (*way, &bytes[..])));
    pieces.push((ToServer, &call[..]));
    let log = play(&pieces);
    log.iter()
        .any(|line| line.contains(" call ") && line.contains("EfsRpcOpenFileRaw"))
}

#[test]
fn a_refused_offer_does_not_undo_the_bind() {
    assert!(is_recognised(&[]));
    for interface in [EFS, OTHER] {
        let alter = bind_as(14, 2, &[(0, interface)], None);
        // Provider rejection: proposed transfer syntaxes not supported.
        let refusal = ack_as(15, 2, &[(2, 2)], None);
        assert!(
            is_recognised(&[(ToServer, alter.clone()), (ToClient, refusal)]),
            "refused by an answer"
        );
        assert!(is_recognised(&[(ToServer, alter)]), "not answered yet");
    }
}

#[test]
fn an_accepted_offer_takes_the_place_of_the_bind() {
    let alter = bind_as(14, 2, &[(0, OTHER)], None);
    let yes = ack_as(15, 2, &[(0, 0)], None);
    assert!(!is_recognised(&[(ToServer, alter), (ToClient, yes)]));
}

#[test]
fn a_flood_of_contexts_does_not_push_the_bind_out() {
    let mut offers = Vec::new();
    for n in 1..=u16::try_from(RPC_CONTEXTS + 64).unwrap() {
        let call_id = u32::from(n) + 1;
        offers.push((ToServer, bind_as(14, call_id, &[(n, OTHER)], None)));
    }
    assert!(is_recognised(&offers), "offers alone");
    let unknown = [7; 20];
    let mut accepted = Vec::new();
    for n in 1..=u16::try_from(RPC_CONTEXTS + 64).unwrap() {
        let call_id = u32::from(n) + 1;
        accepted.push((ToServer, bind_as(14, call_id, &[(n, unknown)], None)));
        accepted.push((ToClient, ack_as(15, call_id, &[(0, 0)], None)));
    }
    assert!(is_recognised(&accepted), "accepted, of no interest");
    // 12345778-1234-abcd-ef00-0123456789ac: known, and nothing in it coerces.
    let samr = [
        0x78, 0x57, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0x00, 0x01, 0x23, 0x45, 0x67, 0x89,
        0xac, 1, 0, 0, 0,
    ];
    let mut harmless = Vec::new();
    for n in 1..=u16::try_from(RPC_CONTEXTS + 64).unwrap() {
        let call_id = u32::from(n) + 1;
        harmless.push((ToServer, bind_as(14, call_id, &[(n, samr)], None)));
        harmless.push((ToClient, ack_as(15, call_id, &[(0, 0)], None)));
    }
    assert!(is_recognised(&harmless), "accepted, known, harmless");
}
