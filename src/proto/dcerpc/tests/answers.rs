//! Answers of the endpoint mapper in several fragments.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::net::Direction::{self, ToClient, ToServer};
use crate::net::{Addr, Endpoint, FlowKey, Transport};
use crate::packet::Chunk;
use crate::proto::testing::{Recorder, vector};
use crate::proto::{Session, Shared};

fn say(pieces: &[(Direction, Vec<u8>)]) -> Recorder {
    let (key, client) = FlowKey::new(
        Endpoint::new(Addr::v4([10, 0, 0, 9]), 50_000),
        Endpoint::new(Addr::v4([10, 0, 0, 2]), 135),
        Transport::Tcp,
    );
    let mut shared = Shared {
        catalog: Arc::new(Catalog::builtin()),
        ..Shared::default()
    };
    let (mut session, mut out) = (Session::default(), Recorder::default());
    for (way, bytes) in pieces {
        let side = match way {
            ToServer => client,
            ToClient => client.other(),
        };
        let chunk = match bytes[..] {
            [] => Chunk::Gap(9),
            _ => Chunk::Data(bytes),
        };
        session.chunk(side, Some(client), &key, chunk, &mut shared, &mut out);
    }
    out
}

/// The vector's answer, its stub in fragments of this size, with the flags of C706 12.6.3.1.
fn fragments(size: usize) -> Vec<(Direction, Vec<u8>)> {
    let whole = vector("ept_map_response_2_towers").bytes;
    let (head, stub) = whole.split_at(24);
    let last = stub.len().div_ceil(size) - 1;
    let fragment = |(n, piece): (usize, &[u8])| {
        let mut pdu = head.to_vec();
        pdu[3] = u8::from(n == 0) | if n == last { 2 } else { 0 };
        pdu.extend(piece);
        let length = u16::try_from(pdu.len()).unwrap();
        pdu[8..10].copy_from_slice(&length.to_le_bytes());
        (ToClient, pdu)
    };
    stub.chunks(size).enumerate().map(fragment).collect()
}

fn asked() -> Vec<(Direction, Vec<u8>)> {
    // The endpoint mapper is e1af8308-5d1f-11c9-91a4-08002b14a0fa, version 3.
    let mut bind = vector("bind_efsrpc_ndr32").bytes;
    bind[32..48].copy_from_slice(&[
        0x08, 0x83, 0xaf, 0xe1, 0x1f, 0x5d, 0xc9, 0x11, 0x91, 0xa4, 0x08, 0x00, 0x2b, 0x14, 0xa0,
        0xfa,
    ]);
    bind[48] = 3;
    vec![
        (ToServer, bind),
        (ToServer, vector("ept_map_request_tcp").bytes),
    ]
}

#[test]
fn towers_are_told_however_the_answer_is_cut() {
    let told = |size| {
        let out = say(&[asked(), fragments(size)].concat());
        let towers = |line: &&String| line.contains("RpcEndpoint(") && line.contains("to_client");
        out.0.iter().filter(towers).cloned().collect::<Vec<_>>()
    };
    let whole = told(usize::MAX);
    assert_eq!(whole.len(), 2, "{whole:#?}");
    for size in [1, 8, 100, 200] {
        assert_eq!(told(size), whole, "{size}");
    }
}

#[test]
fn an_answer_with_a_hole_tells_nothing() {
    let mut all = [asked(), fragments(200)].concat();
    assert_eq!(all.len(), 4, "two fragments");
    // A hole between them, of which the stub has no trace.
    all.insert(3, (ToClient, Vec::new()));
    let out = say(&all);
    assert_eq!(out.count(&["to_client RpcEndpoint("]), 0, "{:#?}", out.0);
}
