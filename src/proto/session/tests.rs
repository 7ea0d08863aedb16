//! Flows from their first byte.

mod whole;

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::limits::{IDENTIFY_BYTES, IDENTIFY_CHUNKS_KNOWN};
use crate::net::{Addr, Endpoint, Transport};
use crate::proto::drive::Pipe;
use crate::proto::testing::{Recorder, vector, vectors};

struct Flow {
    session: Session,
    key: FlowKey,
    /// Client by the ports of the test.
    client: Side,
    initiator: Option<Side>,
    pipes: [Pipe; 2],
    shared: Shared,
    out: Recorder,
}

impl Flow {
    /// From the beginning, or picked up in the middle.
    fn new(server_port: u16, seen_from_start: bool) -> Self {
        let (key, client) = FlowKey::new(
            Endpoint::new(Addr::v4([10, 0, 0, 9]), 50_000),
            Endpoint::new(Addr::v4([10, 0, 0, 2]), server_port),
            Transport::Tcp,
        );
        Self {
            session: Session::default(),
            key,
            client,
            initiator: seen_from_start.then_some(client),
            pipes: Default::default(),
            shared: Shared::default(),
            out: Recorder::default(),
        }
    }

    fn say(&mut self, way: Direction, bytes: &[u8]) -> &mut Self {
        let side = match way {
            Direction::ToServer => self.client,
            Direction::ToClient => self.client.other(),
        };
        let Self {
            session,
            key,
            initiator,
            pipes,
            shared,
            out,
            ..
        } = self;
        pipes[way.index()].data(bytes, |chunk| {
            session.chunk(side, *initiator, key, chunk, shared, out)
        });
        self
    }
}

use Direction::{ToClient, ToServer};

const ODD_PORT: u16 = 49_999;

/// SMB2 header with NBSS prefix: command NEGOTIATE, these flags.
fn smb2(flags: u8) -> Vec<u8> {
    let mut bytes = vec![
        0, 0, 0, 100, 0xfe, b'S', b'M', b'B', 64, 0, 0, 0, 0, 0, 0, 0,
    ];
    bytes.extend([0, 0, 1, 0, flags, 0, 0, 0]);
    bytes.resize(104, 0);
    bytes
}

/// First bytes of either end of each protocol.
fn firsts() -> Vec<(&'static str, Direction, Vec<u8>)> {
    let rpc = |ptype: u8| {
        let mut pdu = vec![5, 0, ptype, 3, 0x10, 0, 0, 0, 24, 0, 0, 0, 1, 0, 0, 0];
        pdu.resize(24, 0);
        pdu
    };
    let mut smb1 = vec![0, 0, 0, 40, 0xff, b'S', b'M', b'B', 0x72, 0, 0, 0, 0, 0x18];
    smb1.resize(44, 0);
    let mut smb1_reply = smb1.clone();
    smb1_reply[13] = 0x98;
    vec![
        ("smb", ToServer, smb2(0)),
        ("smb", ToClient, smb2(1)),
        ("smb", ToServer, smb1),
        ("smb", ToClient, smb1_reply),
        ("smb", ToServer, vec![0x81, 0, 0, 0x44, 0x20, b'E', b'N']),
        ("dcerpc", ToServer, rpc(11)),
        ("dcerpc", ToClient, rpc(12)),
        ("dcerpc", ToServer, rpc(0)),
        ("dcerpc", ToClient, rpc(2)),
        ("dcerpc", ToClient, b"ncacn_http/1.0".to_vec()),
        (
            "dcerpc",
            ToServer,
            vector("rts_CONN_A2_proxy_to_server").bytes,
        ),
        (
            "dcerpc",
            ToServer,
            vector("rts_CONN_B2_proxy_to_server").bytes,
        ),
        ("dcerpc", ToClient, vector("rts_CONN_C1_or_C2").bytes),
        ("http", ToServer, b"PROPFIND /x HTTP/1.1\r\n\r\n".to_vec()),
        (
            "http",
            ToServer,
            b"CCM_POST /ccm_system/request HTTP/1.1\r\n\r\n".to_vec(),
        ),
        (
            "http",
            ToServer,
            vector("rpch_v2_impacket_IN_first_request").bytes,
        ),
        (
            "http",
            ToClient,
            b"HTTP/1.1 401 Unauthorized\r\n\r\n".to_vec(),
        ),
        (
            "ldap",
            ToServer,
            vector("ldap_bind_sasl_gss_spnego_type1").bytes,
        ),
        ("ldap", ToServer, vector("ldap_bind_sicily_discovery").bytes),
        (
            "ldap",
            ToClient,
            vec![0x30, 0x0c, 2, 1, 1, 0x61, 7, 10, 1, 0, 4, 0, 4, 0],
        ),
        ("tls", ToServer, vec![0x16, 3, 1, 0, 0xc8, 1, 0, 0, 0xc4]),
        ("tls", ToClient, vec![0x16, 3, 3, 0, 0x60, 2, 0, 0, 0x5c]),
        ("tls", ToServer, vec![0x17, 3, 3, 0, 0x60, 0x99]),
    ]
}

#[test]
fn it_is_small() {
    assert!(size_of::<Session>() <= 32, "{}", size_of::<Session>());
    assert!(size_of::<Unknown>() <= 4);
}

#[test]
fn the_first_bytes_of_either_end_tell_protocol_and_client() {
    for (name, way, bytes) in firsts() {
        // Both ports say nothing; only the bytes can tell who is client.
        for swap in [false, true] {
            let mut f = Flow::new(ODD_PORT, false);
            if swap {
                f.client = f.client.other();
            }
            f.say(way, &bytes);
            assert_eq!(f.session.app_proto(), name, "{bytes:02x?}");
            let told = (name, bytes[0]) != ("tls", 0x17);
            if told {
                assert_eq!(f.session.client(), Some(f.client), "{name} {bytes:02x?}");
            }
        }
    }
}

#[test]
fn who_opened_it_is_client_whatever_the_bytes_say() {
    let mut f = Flow::new(445, true);
    f.say(ToServer, &smb2(1));
    assert_eq!(f.session.client(), Some(f.client));
}

#[test]
fn every_cut_waits() {
    for (name, way, bytes) in firsts() {
        for cut in 1..bytes.len() {
            let mut f = Flow::new(ODD_PORT, true);
            f.say(way, &bytes[..cut]);
            assert!(
                ["", name].contains(&f.session.app_proto()),
                "{name} cut at {cut}: {}",
                f.session.app_proto()
            );
            f.say(way, &bytes[cut..]);
            assert_eq!(f.session.app_proto(), name, "cut at {cut}");
        }
    }
}

#[test]
fn one_direction_tells_for_both() {
    let mut f = Flow::new(ODD_PORT, true);
    let server = b"ncacn_";
    f.say(ToClient, server);
    assert_eq!(f.session.app_proto(), "");
    f.say(ToServer, &firsts()[7].2);
    assert_eq!(f.session.app_proto(), "dcerpc");
    f.say(ToClient, b"http/1.0");
    assert_eq!(f.out.count(&["Anomaly"]), 0, "{:?}", f.out.0);
}

#[test]
fn what_fits_nothing_is_given_up() {
    let mut f = Flow::new(ODD_PORT, true);
    f.say(ToClient, b"220 ftp ready\r\n");
    assert_eq!(f.session.app_proto(), "");
    f.say(ToServer, b"USER there\r\n");
    assert_eq!(f.session.app_proto(), "failed");
    assert!(f.pipes[0].done);

    let mut slow = Flow::new(ODD_PORT, true);
    for _ in 0..IDENTIFY_BYTES + 2 {
        slow.say(ToServer, b"a");
    }
    assert_eq!(slow.session.app_proto(), "failed");
}

#[test]
fn the_middle_of_bulk_gets_patience() {
    for (port, chunks) in [(ODD_PORT, 7), (445, IDENTIFY_CHUNKS_KNOWN - 1)] {
        let mut f = Flow::new(port, false);
        for _ in 0..chunks {
            f.say(ToServer, &[0xee; 1460]);
        }
        f.say(ToServer, &smb2(0));
        assert_eq!(f.session.app_proto(), "smb", "port {port}");
    }
    let mut f = Flow::new(ODD_PORT, false);
    for _ in 0..8 {
        f.say(ToServer, &[0xee; 1460]);
    }
    assert_eq!(f.session.app_proto(), "failed");
}

#[test]
fn a_port_is_a_hint_for_sasl_buffers_and_for_the_client() {
    let sealed = vector("ldap_sasl_buffer_ntlm_sealed").bytes;
    for (port, name) in [(389, "ldap"), (3268, "ldap"), (ODD_PORT, "")] {
        let mut f = Flow::new(port, false);
        f.say(ToClient, &sealed);
        assert_eq!(f.session.app_proto(), name, "port {port}");
        if !name.is_empty() {
            assert_eq!(f.session.client(), Some(f.client));
        }
    }
}

#[test]
fn onc_rpc_is_no_dcerpc() {
    for v in vectors("onc-rpc") {
        assert_eq!(v.expect["dcerpc"], false);
        let mut f = Flow::new(593, true);
        f.say(ToServer, &v.bytes);
        assert_eq!(f.session.app_proto(), "");
        f.say(ToClient, b"ncacn_http/1.0");
        assert_eq!(f.session.app_proto(), "dcerpc", "the banner tells");
    }
}

#[test]
fn tls_in_its_middle_is_over_at_once() {
    let mut f = Flow::new(443, true);
    f.say(ToServer, &[0x17, 3, 3, 0, 0x60, 0x99]);
    assert!(f.pipes[0].done);
    assert_eq!(f.session.client(), Some(f.client));
}

#[test]
fn a_decoder_that_is_done_leaves_its_name() {
    let mut f = Flow::new(ODD_PORT, true);
    f.say(
        ToServer,
        b"GET /chat HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
    )
    .say(ToClient, b"HTTP/1.1 101 Switching Protocols\r\n\r\n");
    assert!(matches!(f.session, Session::Over { .. }));
    assert_eq!(f.session.app_proto(), "http");
    assert_eq!(f.session.client(), Some(f.client));
}

/// What a CONNECT or a STARTTLS leads to is identified anew, even in the same segment.
#[test]
fn a_tunnel_is_identified_anew() {
    let hello = [0x16, 3, 1, 0, 0xc8, 1, 0, 0, 0xc4];
    let start_tls = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
    let granted = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00";
    for (request, answer) in [
        (
            &b"CONNECT a:443 HTTP/1.1\r\n\r\n"[..],
            &b"HTTP/1.1 200 OK\r\n\r\n"[..],
        ),
        (b"EHLO a\r\nSTARTTLS\r\n", b"250 a\r\n220 go\r\n"),
        (start_tls, granted),
    ] {
        // Nobody saw who opened the connection: it stays as the first protocol told.
        let mut f = Flow::new(ODD_PORT, false);
        f.say(ToServer, request).say(ToClient, answer);
        assert!(matches!(f.session, Session::Unknown(_)), "{request:?}");
        f.say(ToServer, &hello);
        assert_eq!(f.session.app_proto(), "tls");
        assert_eq!(f.session.client(), Some(f.client));
    }
    let mut f = Flow::new(ODD_PORT, true);
    f.say(ToServer, b"CONNECT a:25 HTTP/1.1\r\n\r\n")
        .say(ToClient, b"HTTP/1.1 200 OK\r\n\r\n220 mx ESMTP\r\n");
    assert_eq!(f.session.app_proto(), "smtp");
}

proptest! {
    #[test]
    fn rubbish_does_no_harm(
        which in any::<proptest::sample::Index>(),
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        noise in proptest::collection::vec(any::<u8>(), 0..300),
        port in prop_oneof![Just(445), Just(389), Just(ODD_PORT)],
        start in any::<bool>(),
    ) {
        static ALL: LazyLock<Vec<(&str, Direction, Vec<u8>)>> = LazyLock::new(firsts);
        let all = &ALL;
        let (_, way, mut bytes) = all[which.index(all.len())].clone();
        for (at, b) in &flips {
            *at.get_mut(&mut bytes) = *b;
        }
        let mut f = Flow::new(port, start);
        f.say(way, &bytes).say(way, &noise).say(way.reverse(), &noise);
    }
}
