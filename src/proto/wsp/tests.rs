use super::*;
use crate::event::RpcTransport;
use crate::proto::testing::Recorder;

/// `CPMCreateQueryIn` (MS-WSP 2.2.3.4) with one restriction: Scope equals the URL.
fn query(url: &str) -> Vec<u8> {
    let mut body = vec![
        0, 0, 0, 0, // Size, set below
        0, // CColumnSetPresent
        1, // CRestrictionPresent
        1, 1, // CRestrictionArray: count, isPresent
    ];
    body.extend(5u32.to_le_bytes()); // RTProperty
    body.extend(1000u32.to_le_bytes()); // Weight
    body.extend(4u32.to_le_bytes()); // relop PREQ
    body.extend([0; 4]); // padding to 8
    // CFullPropSpec: the storage property set, PRSPEC_PROPID, 22 (Scope)
    body.extend(b"\x30\xf1\x25\xb7\xef\x47\x1a\x10\xa5\xf1\x02\x60\x8c\x9e\xeb\xac");
    body.extend([1, 0, 0, 0, 22, 0, 0, 0]);
    body.extend([0x1f, 0, 0, 0]); // VT_LPWSTR
    let units: Vec<u8> = url
        .encode_utf16()
        .chain([0])
        .flat_map(u16::to_le_bytes)
        .collect();
    body.extend(u32::try_from(units.len() / 2).unwrap().to_le_bytes());
    body.extend(units);
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend(0x409u32.to_le_bytes()); // lcid
    body.extend([0; 4]); // no sort set, no categorization, padding
    let size = u32::try_from(body.len()).unwrap();
    body[..4].copy_from_slice(&size.to_le_bytes());
    // Checksum by hand: words added up, XOR 0x59533959, minus _msg.
    let mut sum = 0u32;
    for word in body.chunks(4) {
        sum = sum.wrapping_add(u32::from_le_bytes(word.try_into().unwrap()));
    }
    let mut bytes = vec![0xca, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend((sum ^ 0x5953_3959).wrapping_sub(0xca).to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(body);
    bytes
}

fn say(pipe: &str, direction: Direction, bytes: &[u8]) -> Recorder {
    let via = Via {
        transport: RpcTransport::Pipe,
        pipe,
        association: 3,
        client: None,
    };
    let mut out = Recorder::default();
    if may_be(bytes, direction) {
        let all = (bytes, bytes.len());
        message(&via, direction, all, &Catalog::builtin(), &mut out);
    }
    out
}

fn path_of(url: &str) -> String {
    let mut path = String::new();
    scope(&query(url)[HEADER..], &mut path);
    path
}

#[test]
fn a_query_is_a_coercion_call() {
    let bytes = query("file:////10.10.0.66/share");
    let out = say(PIPE, Direction::ToServer, &bytes);
    let said = [
        "to_server RpcCall",
        "endpoint: \"MsFteWds\", opnum: 202, operation: \"CPMCreateQueryIn\"",
        "named_pipe: \"msftewds\"",
        "path: Some(\"file:////10.10.0.66/share\")",
        "id: \"wsp-202\"",
        "call_id: 202",
    ];
    assert_eq!(out.count(&said), 1, "{:#?}", out.0);
    assert_eq!(out.0.len(), 1);
}

#[test]
fn the_checksum_by_hand() {
    let body = [0x07, 0x01, 0x01, 0x00]; // one word: 0x00010107
    let sum = (0x0001_0107u32 ^ 0x5953_3959).wrapping_sub(0xc8);
    let header = Header {
        number: 0xc8,
        status: 0,
        checksum: sum,
    };
    assert_eq!(sum, 0x5952_3796);
    assert!(is_summed(&header, &body));
    assert!(!is_summed(&header, &[0x08, 0x01, 0x01, 0x00]));
}

#[test]
fn without_the_open_the_checksum_decides() {
    let bytes = query("file:////evil/x");
    assert_eq!(say("", Direction::ToServer, &bytes).0.len(), 1);
    let mut wrong = bytes.clone();
    wrong[8] ^= 1;
    assert_eq!(say("", Direction::ToServer, &wrong).0.len(), 0);
    assert_eq!(say("spoolss", Direction::ToServer, &wrong).0.len(), 0);
    assert_eq!(say(PIPE, Direction::ToServer, &wrong).0.len(), 1);
}

#[test]
fn answers_give_their_status() {
    // CPMCreateQueryOut: E_ACCESSDENIED, no checksum in answers
    let bytes = *b"\xca\0\0\0\x05\0\x07\x80\0\0\0\0\0\0\0\0";
    let out = say(PIPE, Direction::ToClient, &bytes);
    let said = ["RpcResult", "opnum: 202", "status: Some(2147942405)"];
    assert_eq!(out.count(&said), 1, "{:#?}", out.0);
    // A question has no status.
    assert!(!may_be(&bytes, Direction::ToServer));
    // CPMGetRowsIn (0xcc): bulk.
    let rows = *b"\xcc\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    assert_eq!(say(PIPE, Direction::ToServer, &rows).0.len(), 0);
    assert!(!may_be(
        b"\xf7\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        Direction::ToServer
    ));
    assert!(!may_be(&rows[..15], Direction::ToServer));
}

#[test]
fn scopes_as_they_are_written() {
    assert_eq!(path_of("FILE:////L/x"), "FILE:////L/x");
    assert_eq!(path_of(r"file:\\L\x"), r"file:\\L\x");
    assert_eq!(path_of("file://L/x"), "file://L/x");
    assert_eq!(path_of(r"\\L\x"), r"\\L\x");
    assert_eq!(path_of("file:///C:/Users"), "", "local");
    assert_eq!(path_of("csc:xfile:"), "");
}

#[test]
fn a_cut_query_says_what_is_there() {
    let bytes = query("file:////evil/x");
    for end in 0..bytes.len() {
        let via = Via {
            transport: RpcTransport::Pipe,
            pipe: PIPE,
            association: 0,
            client: None,
        };
        let mut out = Recorder::default();
        let cut = (&bytes[..end], bytes.len());
        message(
            &via,
            Direction::ToServer,
            cut,
            &Catalog::builtin(),
            &mut out,
        );
        assert_eq!(out.0.len(), usize::from(end >= HEADER), "{end}");
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes(mut bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        if bytes.len() > 4 {
            bytes[..4].copy_from_slice(&[0xca, 0, 0, 0]);
        }
        for direction in [Direction::ToServer, Direction::ToClient] {
            assert!(say(PIPE, direction, &bytes).0.len() <= 1);
        }
    }
}
