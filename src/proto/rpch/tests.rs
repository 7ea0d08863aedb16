//! Channels joined, banners cut, bodies chunked.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use super::*;
use crate::catalog::Catalog;
use crate::net::Direction::{self, ToClient, ToServer};
use crate::net::{Addr, Endpoint, FlowKey, Side, Transport};
use crate::packet::Chunk;
use crate::proto::drive::Pipe;
use crate::proto::testing::{Recorder, vector, vectors};
use crate::proto::{Shared, http};

mod recycling;

fn shared() -> Shared {
    static BUILTIN: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(Catalog::builtin()));
    Shared {
        catalog: BUILTIN.clone(),
        ..Shared::default()
    }
}

fn flow(client: u8, client_port: u16, server_port: u16) -> (FlowKey, Side) {
    FlowKey::new(
        Endpoint::new(Addr::v4([10, 0, 0, client]), client_port),
        Endpoint::new(Addr::v4([10, 0, 0, 2]), server_port),
        Transport::Tcp,
    )
}

/// One TCP connection of either kind.
enum Either {
    Bare(Box<Decoder>),
    Http(Box<http::Decoder<Bodies>>),
}

struct Connection {
    decoder: Either,
    pipes: [Pipe; 2],
}

impl Connection {
    fn bare(client_port: u16, server_port: u16) -> Self {
        Self::from_proxy(9, client_port, server_port)
    }

    fn from_proxy(proxy: u8, client_port: u16, server_port: u16) -> Self {
        let (key, client) = flow(proxy, client_port, server_port);
        Self::new(Either::Bare(Box::new(Decoder::new(&key, client))))
    }

    fn http(client_port: u16) -> Self {
        let (key, client) = flow(9, client_port, 80);
        let bodies = Bodies::new(&key, client);
        Self::new(Either::Http(Box::new(http::Decoder::new(bodies))))
    }

    fn new(decoder: Either) -> Self {
        Self {
            decoder,
            pipes: Default::default(),
        }
    }

    fn pass(
        &mut self,
        way: Direction,
        chunk: Chunk<'_>,
        shared: &mut Shared,
        out: &mut Recorder,
    ) -> &mut Self {
        let decoder = &mut self.decoder;
        let decode = |c: Chunk<'_>| match decoder {
            Either::Bare(d) => d.chunk(way, c, shared, out),
            Either::Http(d) => d.chunk(way, c, shared, out),
        };
        let pipe = &mut self.pipes[way.index()];
        match chunk {
            Chunk::Data(bytes) => pipe.data(bytes, decode),
            Chunk::Gap(n) => pipe.gap(n, decode),
            Chunk::End => pipe.end(decode),
        }
        self
    }

    fn say(
        &mut self,
        way: Direction,
        bytes: &[u8],
        shared: &mut Shared,
        out: &mut Recorder,
    ) -> &mut Self {
        self.pass(way, Chunk::Data(bytes), shared, out)
    }

    fn end(&mut self, shared: &mut Shared, out: &mut Recorder) {
        for way in [ToServer, ToClient] {
            self.pass(way, Chunk::End, shared, out);
        }
    }
}

fn v(name: &str) -> Vec<u8> {
    vector(name).bytes
}

/// An RPC PDU of this type and call with the given body.
fn pdu(ptype: u8, call_id: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(16 + body.len()).unwrap().to_le_bytes();
    let mut out = vec![5, 0, ptype, 3, 0x10, 0, 0, 0, length[0], length[1], 0, 0];
    out.extend([call_id, 0, 0, 0]);
    out.extend(body);
    out
}

/// bind to EFSRPC (df1941c5-fe89-4e79-bf10-463657acf44d 1.0), NDR.
fn bind() -> Vec<u8> {
    let mut body = vec![0xd0, 0x16, 0xd0, 0x16, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0];
    body.extend([
        0xc5, 0x41, 0x19, 0xdf, 0x89, 0xfe, 0x79, 0x4e, 0xbf, 0x10, 0x46, 0x36, 0x57, 0xac, 0xf4,
        0x4d, 1, 0, 0, 0,
    ]);
    body.extend([
        0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48,
        0x60, 2, 0, 0, 0,
    ]);
    pdu(11, 1, &body)
}

fn bind_ack() -> Vec<u8> {
    let mut body = vec![0xd0, 0x16, 0xd0, 0x16, 1, 0, 0, 0, 4, 0];
    body.extend(b"593\0\0\0"); // secondary address, padded
    body.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    body.extend([
        0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48,
        0x60, 2, 0, 0, 0,
    ]);
    pdu(12, 1, &body)
}

fn request(call_id: u8) -> Vec<u8> {
    pdu(0, call_id, &[4, 0, 0, 0, 0, 0, 4, 0, 1, 2, 3, 4])
}

fn response(call_id: u8) -> Vec<u8> {
    pdu(2, call_id, &[4, 0, 0, 0, 0, 0, 0, 0, 0x35, 0, 0, 0])
}

fn chunked(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in bytes.chunks(size) {
        out.extend(format!("{:x}\r\n", piece.len()).bytes());
        out.extend(piece);
        out.extend(b"\r\n");
    }
    out
}

/// Where the RPC events of a run are compared: bind answered, call with interface, result of the call.
fn assert_joined(out: &Recorder) {
    for parts in [
        &["RpcBind(", "accepted: Some(true)", "ncacn_http"][..],
        &["to_server RpcCall(", "df1941c5", "opnum: 4", "ncacn_http"],
        &["to_client RpcResult(", "df1941c5", "status: Some(53)"],
    ] {
        assert_eq!(out.count(parts), 1, "{parts:?}: {:#?}", out.0);
    }
    assert_eq!(out.count(&["Anomaly"]), 0, "{:#?}", out.0);
}

#[test]
fn the_banner_wherever_it_is_cut() {
    let mut server = BANNER.to_vec();
    server.extend(bind_ack());
    for cut in 0..=server.len() {
        for client_first in [false, true] {
            let (mut shared, mut out) = (shared(), Recorder::default());
            let mut c = Connection::bare(50_000, 49_700);
            if client_first {
                c.say(ToServer, &bind(), &mut shared, &mut out);
                c.say(ToClient, &server[..cut], &mut shared, &mut out);
            } else {
                c.say(ToClient, &server[..cut.min(14)], &mut shared, &mut out);
                c.say(ToServer, &bind(), &mut shared, &mut out);
                c.say(ToClient, &server[cut.min(14)..cut], &mut shared, &mut out);
            }
            c.say(ToClient, &server[cut..], &mut shared, &mut out);
            c.say(ToServer, &request(2), &mut shared, &mut out);
            c.say(ToClient, &response(2), &mut shared, &mut out);
            assert_joined(&out);
        }
    }
}

#[test]
fn plain_tcp_has_no_banner() {
    let (mut shared, mut out) = (shared(), Recorder::default());
    let mut c = Connection::bare(50_000, 49_700);
    c.say(ToServer, &bind(), &mut shared, &mut out)
        .say(ToClient, &bind_ack(), &mut shared, &mut out)
        .say(ToServer, &request(2), &mut shared, &mut out);
    assert_eq!(out.count(&["RpcCall(", "ncacn_ip_tcp"]), 1);
    c.end(&mut shared, &mut out);
    assert!(shared.rpch.is_empty());
}

#[test]
fn legs_between_proxy_and_server_are_joined() {
    let (mut shared, mut out) = (shared(), Recorder::default());
    let (mut to, mut from) = (
        Connection::bare(50_001, 6001),
        Connection::bare(50_002, 6001),
    );
    for leg in [&mut to, &mut from] {
        leg.say(ToClient, BANNER, &mut shared, &mut out);
    }
    from.say(
        ToServer,
        &v("rts_CONN_A2_proxy_to_server"),
        &mut shared,
        &mut out,
    )
    .say(ToClient, &v("rts_CONN_C1_or_C2"), &mut shared, &mut out);
    let mut first = v("rts_CONN_B2_proxy_to_server");
    first.extend(bind());
    to.say(ToServer, &first, &mut shared, &mut out);
    assert_eq!(shared.rpch.len(), 1);
    from.say(ToClient, &bind_ack(), &mut shared, &mut out);
    // RTS between PDUs, and lost bytes where only RTS can be.
    let mut more = v("rts_FlowControlAckWithDestination");
    more.extend(request(2));
    more.extend(v("rts_Ping"));
    to.say(ToServer, &more, &mut shared, &mut out).pass(
        ToClient,
        Chunk::Gap(48),
        &mut shared,
        &mut out,
    );
    from.say(ToClient, &response(2), &mut shared, &mut out);
    assert_joined(&out);
    to.end(&mut shared, &mut out);
    assert_eq!(shared.rpch.len(), 1);
    from.end(&mut shared, &mut out);
    assert!(shared.rpch.is_empty());
}

const IN: &str = "RPC_IN_DATA /rpc/rpcproxy.dll?FILES01:593 HTTP/1.1\r\nHost: p\r\nContent-Length: 1073741824\r\n\r\n";
const OUT: &str =
    "RPC_OUT_DATA /rpc/rpcproxy.dll?FILES01:593 HTTP/1.1\r\nHost: p\r\nContent-Length: 76\r\n\r\n";

/// The server's side of the OUT channel, with its transfer coding.
fn out_response(chunk: usize) -> Vec<u8> {
    let mut body = v("rts_CONN_A3");
    body.extend(v("rts_CONN_C1_or_C2"));
    body.extend(bind_ack());
    let head = if chunk == 0 {
        "HTTP/1.1 200 Success\r\nContent-Type: application/rpc\r\nContent-Length: 1073741824\r\n\r\n"
    } else {
        "HTTP/1.1 200 Success\r\nTransfer-Encoding: chunked\r\n\r\n"
    };
    let mut all = head.as_bytes().to_vec();
    all.extend(if chunk == 0 {
        body
    } else {
        chunked(&body, chunk)
    });
    all
}

/// Both channels between client and proxy; pieces of `piece` bytes.
fn proxied(chunk: usize, piece: usize) -> (Recorder, Shared) {
    let (mut shared, mut out) = (shared(), Recorder::default());
    let (mut to, mut from) = (Connection::http(50_001), Connection::http(50_002));
    let mut say = |c: &mut Connection, way, bytes: &[u8], shared: &mut Shared| {
        for part in bytes.chunks(piece) {
            c.say(way, part, shared, &mut out);
        }
    };
    let mut a1 = OUT.as_bytes().to_vec();
    a1.extend(v("rts_CONN_A1"));
    say(&mut from, ToServer, &a1, &mut shared);
    let mut b1 = IN.as_bytes().to_vec();
    b1.extend(v("rts_CONN_B1"));
    b1.extend(bind());
    say(&mut to, ToServer, &b1, &mut shared);
    say(&mut from, ToClient, &out_response(chunk), &mut shared);
    let mut more = v("rts_Ping");
    more.extend(request(2));
    say(&mut to, ToServer, &more, &mut shared);
    let answer = if chunk == 0 {
        response(2)
    } else {
        chunked(&response(2), chunk)
    };
    say(&mut from, ToClient, &answer, &mut shared);
    to.end(&mut shared, &mut out);
    from.end(&mut shared, &mut out);
    (out, shared)
}

#[test]
fn channels_between_client_and_proxy_are_joined() {
    let (whole, shared) = proxied(0, usize::MAX);
    assert_joined(&whole);
    assert!(shared.rpch.is_empty());
    let rpc = |r: &Recorder| -> Vec<String> {
        r.0.iter().filter(|e| e.contains("Rpc")).cloned().collect()
    };
    for chunk in [0, 1, 7, 16, 33, 1000] {
        for piece in [1, 2, 13, 100] {
            let (got, _) = proxied(chunk, piece);
            assert_eq!(
                rpc(&got),
                rpc(&whole),
                "chunks of {chunk} in pieces of {piece}"
            );
        }
    }
}

#[test]
fn one_channel_alone_still_shows_the_calls() {
    let (mut shared, mut out) = (shared(), Recorder::default());
    let mut c = Connection::http(50_001);
    let mut bytes = IN.as_bytes().to_vec();
    bytes.extend(v("rts_CONN_B1"));
    bytes.extend(bind());
    bytes.extend(request(2));
    c.say(ToServer, &bytes, &mut shared, &mut out);
    c.end(&mut shared, &mut out);
    assert_eq!(out.count(&["RpcCall(", "df1941c5", "opnum: 4"]), 1);
    assert_eq!(out.count(&["RpcBind(", "accepted: None"]), 1);
}

#[test]
fn the_same_cookie_on_both_legs_counts_once() {
    let (mut shared, mut out) = (shared(), Recorder::default());
    let (mut client, mut server) = (Connection::http(50_001), Connection::bare(50_002, 593));
    let mut bytes = IN.as_bytes().to_vec();
    bytes.extend(v("rts_CONN_B1"));
    client.say(ToServer, &bytes, &mut shared, &mut out);
    server.say(
        ToServer,
        &v("rts_CONN_B2_proxy_to_server"),
        &mut shared,
        &mut out,
    );
    assert_eq!(shared.rpch.len(), 2);
}

#[test]
fn an_echo_is_no_channel() {
    let (mut shared, mut out) = (shared(), Recorder::default());
    let mut c = Connection::http(50_001);
    c.say(
        ToServer,
        b"RPC_IN_DATA /rpc/rpcproxy.dll HTTP/1.1\r\nContent-Length: 4\r\n\r\nABCD",
        &mut shared,
        &mut out,
    );
    c.end(&mut shared, &mut out);
    assert!(shared.rpch.is_empty());
    assert_eq!(out.count(&["Anomaly"]), 0);
}

#[test]
fn an_error_text_among_pdus_ends_the_stream() {
    for cut in 0..10 {
        let (mut shared, mut out) = (shared(), Recorder::default());
        let mut c = Connection::http(50_002);
        c.say(ToServer, OUT.as_bytes(), &mut shared, &mut out).say(
            ToServer,
            &v("rts_CONN_A1"),
            &mut shared,
            &mut out,
        );
        let mut bytes = out_response(0);
        let at = bytes.len() + cut;
        bytes.extend(b"HTTP/1.0 503 RPC Error: 6ba\r\n\r\n");
        c.say(ToClient, &bytes[..at], &mut shared, &mut out).say(
            ToClient,
            &bytes[at..],
            &mut shared,
            &mut out,
        );
        assert_eq!(out.count(&["Anomaly", "HTTP text"]), 1, "cut {cut}");
    }
}

#[test]
fn a_tunnel_of_version_1() {
    let (mut shared, mut out) = (shared(), Recorder::default());
    let mut c = Connection::http(50_001);
    c.say(
        ToServer,
        b"RPC_CONNECT files01:593 HTTP/1.1\r\n\r\n",
        &mut shared,
        &mut out,
    )
    .say(ToClient, b"HTTP/1.1 200 OK\r\n\r\n", &mut shared, &mut out)
    .say(ToServer, &bind(), &mut shared, &mut out)
    .say(ToClient, &bind_ack(), &mut shared, &mut out)
    .say(ToServer, &request(2), &mut shared, &mut out)
    .say(ToClient, &response(2), &mut shared, &mut out);
    assert_joined(&out);
}

#[test]
fn the_vectors() {
    for vector in vectors("rpch") {
        let rts = Rts::read(&vector.bytes).unwrap();
        let name = rts.name().unwrap_or_default();
        let want = vector.text("pdu").split('|').next().unwrap();
        assert_eq!(name, want);
        if !vector.text("vc_cookie").is_empty() {
            let cookie = data_encoding::HEXLOWER.encode(rts.virtual_connection().unwrap());
            assert_eq!(cookie, vector.text("vc_cookie"));
        }
        if !vector.text("real_client").is_empty() {
            let client = rts.client_address().unwrap().to_string();
            assert_eq!(client, vector.text("real_client"));
        }
        let (mut shared, mut out) = (shared(), Recorder::default());
        for cut in 0..vector.bytes.len() {
            let (a, b) = vector.bytes.split_at(cut);
            let mut c = Connection::bare(50_000, 593);
            c.say(ToServer, a, &mut shared, &mut out)
                .say(ToServer, b, &mut shared, &mut out)
                .end(&mut shared, &mut out);
            assert!(shared.rpch.is_empty(), "{} cut at {cut}", vector.name);
        }
        assert!(out.0.is_empty(), "{}: {:?}", vector.name, out.0);
    }
    // The second request of a real client: RTS and bind behind the head.
    let second = v("rpch_v2_IN_second_request_with_body");
    let (mut shared, mut out) = (shared(), Recorder::default());
    Connection::http(50_001)
        .say(ToServer, &second, &mut shared, &mut out)
        .end(&mut shared, &mut out);
    let uri = "rpcproxy.dll?FILES01:593";
    assert_eq!(out.count(&["HttpRequest(", uri]), 1);
    assert_eq!(out.count(&["RpcBind(", "accepted: None", "ncacn_http"]), 1);
}

#[test]
fn tails_are_bounded() {
    let (mut shared, mut out) = (shared(), Recorder::default());
    let mut c = Connection::http(50_001);
    c.say(ToServer, IN.as_bytes(), &mut shared, &mut out);
    let large = pdu(0, 2, &vec![7; 65_000]);
    for piece in large.chunks(1000).chain([&request(3)[..]]) {
        c.say(ToServer, piece, &mut shared, &mut out);
    }
    assert_eq!(out.count(&["RpcCall("]), 2);
    assert_eq!(c.pipes[0].kept, 0, "HTTP takes all of a body");
}

proptest! {
    #[test]
    fn rubbish_does_no_harm(
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..10),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 2),
        gap in 0..50_u64,
        http in any::<bool>(),
    ) {
        let mut bytes = if http { out_response(9) } else { BANNER.to_vec() };
        bytes.extend(v("rts_CONN_B2_proxy_to_server"));
        bytes.extend(bind());
        bytes.extend(request(2));
        for (at, b) in &flips {
            *at.get_mut(&mut bytes) = *b;
        }
        let (mut shared, mut out) = (shared(), Recorder::default());
        let mut c = if http { Connection::http(1) } else { Connection::bare(1, 2) };
        c.say(ToServer, OUT.as_bytes(), &mut shared, &mut out);
        let (a, b) = bytes.split_at(cuts[0].index(bytes.len()));
        for way in [ToClient, ToServer] {
            c.say(way, a, &mut shared, &mut out)
                .pass(way, Chunk::Gap(gap), &mut shared, &mut out)
                .say(way, b, &mut shared, &mut out);
        }
        c.end(&mut shared, &mut out);
    }
}

/// The bind, for another interface.
fn bind_to(interface: [u8; 16]) -> Vec<u8> {
    let mut bytes = bind();
    bytes[32..48].copy_from_slice(&interface);
    bytes
}

/// e1af8308-5d1f-11c9-91a4-08002b14a0fa
const MAPPER: [u8; 16] = [
    0x08, 0x83, 0xaf, 0xe1, 0x1f, 0x5d, 0xc9, 0x11, 0x91, 0xa4, 0x08, 0x00, 0x2b, 0x14, 0xa0, 0xfa,
];

#[test]
fn the_endpoint_mapper_names_a_flow_whose_bind_was_missed() {
    let (mut shared, mut out) = (shared(), Recorder::default());
    let mut mapper = Connection::bare(50_000, 135);
    mapper
        .say(ToServer, &bind_to(MAPPER), &mut shared, &mut out)
        .say(ToClient, &bind_ack(), &mut shared, &mut out)
        .say(ToServer, &v("ept_map_request_tcp"), &mut shared, &mut out)
        .say(
            ToClient,
            &v("ept_map_response_2_towers"),
            &mut shared,
            &mut out,
        );
    let asked = &["RpcEndpoint", "asked: true", "c681d488"];
    assert_eq!(out.count(asked), 1, "{:#?}", out.0);
    let told = &["RpcEndpoint", "asked: false", "port: Some(49664)"];
    assert_eq!(out.count(told), 1);

    // To the port it told, and to one it did not.
    for (port, known) in [(49_664, 1), (49_665, 0)] {
        let mut out = Recorder::default();
        let mut later = Connection::bare(50_001, port);
        later.say(ToServer, &request(7), &mut shared, &mut out).say(
            ToClient,
            &response(7),
            &mut shared,
            &mut out,
        );
        let call = &[
            "RpcCall(",
            "c681d488",
            "opnum: 4",
            "by_endpoint: Some(true)",
        ];
        assert_eq!(out.count(call), known, "{port}");
        assert_eq!(out.count(&["RpcCall("]), 1);
        assert_eq!(out.count(&["RpcResult(", "c681d488"]), known);
    }
    // A bind that was seen is what counts.
    let mut out = Recorder::default();
    Connection::bare(50_002, 49_664)
        .say(ToServer, &bind(), &mut shared, &mut out)
        .say(ToClient, &bind_ack(), &mut shared, &mut out)
        .say(ToServer, &request(7), &mut shared, &mut out);
    assert_eq!(out.count(&["RpcCall(", "df1941c5", "by_endpoint: None"]), 1);
}

/// `ServerAlive2` (MS-DCOM 3.1.2.5.1.6): COMVERSION 5.7, pointer, conformance, array of 2 bindings.
#[test]
fn an_oxid_resolver_says_its_hosts_names_and_ports() {
    let resolver = [
        0xc4, 0xfe, 0xfc, 0x99, 0x60, 0x52, 0x1b, 0x10, 0xbb, 0xcb, 0x00, 0xaa, 0x00, 0x21, 0x34,
        0x7a,
    ];
    let mut stub = vec![
        5, 0, 7, 0, // COMVERSION
        0, 0, 2, 0, // pointer
        9, 0, 0, 0, // conformance
        9, 0, 8, 0, // wNumEntries, wSecurityOffset
    ];
    for (tower, host) in [(7_u16, "DC01"), (7, "192.0.2.1[135]")] {
        stub.extend(tower.to_le_bytes());
        host.encode_utf16()
            .chain([0])
            .for_each(|unit| stub.extend(unit.to_le_bytes()));
    }
    stub.extend([0; 8]); // end of bindings, no security, status
    let (mut shared, mut out) = (shared(), Recorder::default());
    let mut head = vec![0; 8]; // alloc_hint, context, cancel count
    head.extend(&stub);
    Connection::bare(50_000, 135)
        .say(ToServer, &bind_to(resolver), &mut shared, &mut out)
        .say(ToClient, &bind_ack(), &mut shared, &mut out)
        .say(
            ToServer,
            &pdu(0, 2, &[0, 0, 0, 0, 0, 0, 5, 0]),
            &mut shared,
            &mut out,
        )
        .say(ToClient, &pdu(2, 2, &head), &mut shared, &mut out);
    assert_eq!(
        out.count(&["RpcEndpoint", "ServerAlive2", "ncacn_ip_tcp"]),
        2,
        "{:#?}",
        out.0
    );
    assert_eq!(out.count(&["RpcEndpoint", "port: Some(135)"]), 1);
}
