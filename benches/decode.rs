//! Nanoseconds a PDU of every decoder, on the annotated PDUs of `testdata/vectors/vectors.json`. Fails if a
//! protocol that a flow may turn out to be is in no line.
//!
//! ```text
//! cargo bench --bench decode            # long enough to trust
//! cargo bench --bench decode -- --quick # that it runs
//! ```

mod common;

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Duration;

use common::measure;
use relaywatch::event::{Event, Sink};
use relaywatch::net::{Addr, Direction, Endpoint, FlowKey, Transport};
use relaywatch::packet::{Chunk, Datagram, Progress};
use relaywatch::proto::{Session, Shared};

/// Counts events and keeps nothing.
struct Counting(u64);

impl Sink for Counting {
    fn event(&mut self, _: Direction, event: &Event<'_>) {
        black_box(event);
        self.0 += 1;
    }
}

/// A conversation: what the client and the server say in turn, repeated.
struct Talk {
    name: &'static str,
    port: u16,
    /// Said once.
    open: Vec<(Direction, Vec<u8>)>,
    /// Said over and over; one PDU each.
    round: Vec<(Direction, Vec<u8>)>,
}

fn main() {
    let quick = std::env::args().any(|a| a == "--quick");
    let rounds: u64 = if quick { 200 } else { 200_000 };
    println!("{}", measure::machine());
    println!("decoder | PDUs | ns/PDU | events/PDU");
    let mut missing: BTreeSet<_> = Session::app_protos().map(|(_, name)| name).collect();
    let mut line = |name: &str, run: &dyn Fn() -> (u64, u64, &'static str)| {
        let (cost, (pdus, events, app_proto)) = measure::measure(if quick { 1 } else { 5 }, run);
        missing.remove(app_proto);
        println!(
            "{name} | {pdus} | {:.1} | {:.2}",
            measure::per_packet(cost.min(), pdus),
            share(events, pdus),
        );
    };
    for talk in talks() {
        line(talk.name, &|| play(&talk, rounds));
    }
    for (name, port, bytes) in hellos() {
        line(name, &|| begin(port, bytes, rounds));
    }
    for (name, transport, port, bytes) in datagrams() {
        line(name, &|| show(transport, port, &bytes, rounds));
    }
    assert!(missing.is_empty(), "decoders without a line: {missing:?}");
}

/// Protocols of which the beginning is read and nothing else.
fn hellos() -> Vec<(&'static str, u16, &'static [u8])> {
    let hello = b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03\
        0123456789abcdef0123456789abcdef\x00\x00\x02\x13\x01\x01\x00";
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    vec![
        ("tls: a connection with its ClientHello", 443, hello),
        ("http2: a connection with its preface", 80, preface),
    ]
}

/// Opens a connection with these bytes, over and over: connections, events, what it was taken for.
fn begin(port: u16, bytes: &[u8], rounds: u64) -> (u64, u64, &'static str) {
    let client = Endpoint::new(Addr::v4([10, 0, 0, 1]), 50_000);
    let server = Endpoint::new(Addr::v4([10, 0, 0, 2]), port);
    let (key, side) = FlowKey::new(client, server, Transport::Tcp);
    let mut shared = Shared::default();
    let (mut sink, mut app_proto) = (Counting(0), "");
    for _ in 0..rounds {
        let mut session = Session::default();
        for chunk in [Chunk::Data(bytes), Chunk::End] {
            session.chunk(side, Some(side), &key, chunk, &mut shared, &mut sink);
        }
        app_proto = session.app_proto();
    }
    (rounds, sink.0, app_proto)
}

/// Shows a datagram to one conversation over and over: datagrams, events, what it was taken for.
fn show(transport: Transport, port: u16, bytes: &[u8], rounds: u64) -> (u64, u64, &'static str) {
    let client = Endpoint::new(Addr::v4([10, 0, 0, 1]), port);
    let server = Endpoint::new(Addr::v4([10, 0, 0, 2]), port);
    let (key, side) = FlowKey::new(client, server, transport);
    let (mut session, mut shared) = (Session::default(), Shared::default());
    let mut sink = Counting(0);
    let datagram = Datagram {
        bytes,
        ..Datagram::default()
    };
    for _ in 0..rounds {
        session.datagram(side, side, &key, datagram, &mut shared, &mut sink);
    }
    (rounds, sink.0, session.app_proto())
}

/// One datagram a decoder.
fn datagrams() -> Vec<(&'static str, Transport, u16, Vec<u8>)> {
    let name = b"\x04dc01\x03lab\x07example\x00\x00\x01\x00\x01";
    let record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x04\xc0\x00\x02\x42";
    let head = [0, 7, 0x85, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
    let answer = [&head[..], name, record].concat();
    let mut offer = vec![2, 1, 6, 0];
    offer.resize(236, 0);
    offer.extend([
        99, 130, 83, 99, 53, 1, 2, 54, 4, 192, 0, 2, 66, 6, 4, 192, 0, 2, 66, 255,
    ]);
    let mut advertise = vec![2, 0, 0x12, 0x34, 0, 23, 0, 16];
    advertise.extend([0xfe; 16]);
    let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 2];
    arp.extend([2; 20]);
    let mut advert = vec![134, 0, 0, 0, 64, 0xc0];
    advert.resize(16, 0);
    advert.extend([1, 1, 2, 0, 0, 0, 0, 66]);
    vec![
        ("dns answer", Transport::Udp, 53, answer.clone()),
        ("mdns answer", Transport::Udp, 5353, answer.clone()),
        ("llmnr answer", Transport::Udp, 5355, answer.clone()),
        ("nbns answer", Transport::Udp, 137, answer),
        ("dhcp offer", Transport::Udp, 67, offer),
        ("dhcpv6 advertise", Transport::Udp, 547, advertise),
        ("arp reply", Transport::Arp, 0, arp),
        ("router advertisement", Transport::Icmp6, 0, advert),
        (
            "dcerpc call without a connection",
            Transport::Udp,
            49_664,
            Vectors::load().bytes("cl_request_header_80_bytes"),
        ),
        (
            "krb5 AS-REQ",
            Transport::Udp,
            88,
            // Over UDP it has no length in front (RFC 4120 7.2.1).
            Vectors::load().bytes("krb5_as_req_timestamp").split_off(4),
        ),
        (
            "ldap: a search in a datagram",
            Transport::Udp,
            389,
            // LDAPMessage 1, base search of the root for `netlogon`, filter `(objectClass=*)`.
            b"\x30\x2f\x02\x01\x01\x63\x2a\x04\x00\x0a\x01\x00\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00\
                \x87\x0bobjectClass\x30\x0a\x04\x08netlogon"
                .to_vec(),
        ),
        ("udp, given up", Transport::Udp, 50_000, vec![0x40; 1200]),
    ]
}

fn share(events: u64, pdus: u64) -> f64 {
    Duration::from_nanos(events).as_secs_f64() / Duration::from_nanos(pdus).as_secs_f64()
}

/// Plays a conversation through a fresh session: PDUs, events, what it was taken for.
fn play(talk: &Talk, rounds: u64) -> (u64, u64, &'static str) {
    let client = Endpoint::new(Addr::v4([10, 0, 0, 1]), 50_000);
    let server = Endpoint::new(Addr::v4([10, 0, 0, 2]), talk.port);
    let (key, side) = FlowKey::new(client, server, Transport::Tcp);
    let mut session = Session::default();
    let mut shared = Shared {
        catalog: std::sync::Arc::new(relaywatch::catalog::Catalog::builtin()),
        ..Shared::default()
    };
    let mut sink = Counting(0);
    let mut say = |direction: Direction, bytes: &[u8]| {
        let from = match direction {
            Direction::ToServer => side,
            Direction::ToClient => side.other(),
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            match session.chunk(
                from,
                Some(side),
                &key,
                Chunk::Data(rest),
                &mut shared,
                &mut sink,
            ) {
                Progress::Took { bytes: 0, .. } | Progress::Done => break,
                Progress::Took { bytes, .. } => rest = rest.get(bytes..).unwrap_or_default(),
                Progress::Skip { bytes } => {
                    rest = rest
                        .get(usize::try_from(bytes).unwrap_or(usize::MAX)..)
                        .unwrap_or_default();
                }
            }
        }
    };
    for (direction, bytes) in &talk.open {
        say(*direction, bytes);
    }
    let mut pdus = 0;
    for _ in 0..rounds {
        for (direction, bytes) in &talk.round {
            say(*direction, bytes);
            pdus += 1;
        }
    }
    (pdus, sink.0, session.app_proto())
}

/// One conversation a decoder, from the vectors.
fn talks() -> Vec<Talk> {
    use Direction::{ToClient, ToServer};
    let v = Vectors::load();
    // A READ of bulk data: header of 64 bytes, then 64 KiB nobody wants to see.
    let bulk = smb2_read_response(65_536);
    vec![
        Talk {
            name: "dcerpc: EfsRpcOpenFileRaw (decoded)",
            port: 49_664,
            open: vec![(ToServer, v.bytes("bind_efsrpc_ndr32"))],
            round: vec![(ToServer, v.bytes("request_EfsRpcOpenFileRaw_ndr32"))],
        },
        Talk {
            name: "dcerpc: sealed request",
            port: 49_664,
            open: vec![(ToServer, v.bytes("bind_efsrpc_ndr32"))],
            round: vec![(ToServer, v.bytes("request_efs_ntlm_pkt_privacy"))],
        },
        Talk {
            name: "dcerpc: ept_map request",
            port: 135,
            open: Vec::new(),
            round: vec![(ToServer, v.bytes("ept_map_request_tcp"))],
        },
        Talk {
            name: "dcerpc: auth3 with NTLM type 3",
            port: 49_664,
            open: vec![(ToServer, v.bytes("bind_efsrpc_ndr32"))],
            round: vec![(ToServer, v.bytes("auth3_ntlm_type3"))],
        },
        Talk {
            name: "rpch: RTS flow control",
            port: 6001,
            open: Vec::new(),
            round: vec![(ToServer, v.bytes("rts_FlowControlAckWithDestination"))],
        },
        Talk {
            name: "smb1: TransactNmPipe with a call",
            port: 445,
            open: Vec::new(),
            round: vec![(ToServer, v.bytes("smb1_trans_TransactNmPipe_efs"))],
        },
        Talk {
            name: "smb2: session setup with NTLM type 1",
            port: 445,
            open: Vec::new(),
            round: vec![(ToServer, v.bytes("smb2_session_setup_spnego_type1"))],
        },
        Talk {
            name: "smb2: create of a pipe",
            port: 445,
            open: Vec::new(),
            round: vec![(ToServer, v.bytes("smb2_create_pipe_lsarpc"))],
        },
        Talk {
            name: "smb2: pipe transceive with a call",
            port: 445,
            open: Vec::new(),
            round: vec![(ToServer, v.bytes("smb2_ioctl_pipe_transceive_efs"))],
        },
        Talk {
            name: "smb2: READ of 64 KiB, skipped",
            port: 445,
            open: vec![(ToServer, v.bytes("smb2_create_pipe_lsarpc"))],
            round: vec![(ToClient, bulk)],
        },
        Talk {
            name: "smb3: encrypted, skipped",
            port: 445,
            open: vec![(ToServer, v.bytes("smb2_session_setup_spnego_type1"))],
            round: vec![(ToServer, v.bytes("smb3_transform_header"))],
        },
        Talk {
            name: "smb3: compressed pipe transceive with a call",
            port: 445,
            open: vec![(ToServer, v.bytes("smb2_session_setup_spnego_type1"))],
            round: vec![(
                ToServer,
                compressed(&v.bytes("smb2_ioctl_pipe_transceive_efs")),
            )],
        },
        Talk {
            name: "ldap: SASL bind with NTLM type 1",
            port: 389,
            open: Vec::new(),
            round: vec![(ToServer, v.bytes("ldap_bind_sasl_gss_spnego_type1"))],
        },
        Talk {
            name: "ldap: Sicily bind with NTLM type 3",
            port: 389,
            open: Vec::new(),
            round: vec![(ToServer, v.bytes("ldap_bind_sicily_response_type3"))],
        },
        Talk {
            name: "smb2: session setup with an AP-REQ",
            port: 445,
            open: Vec::new(),
            round: vec![(ToServer, session_setup(&v.bytes("spnego_ap_req_cifs")))],
        },
        Talk {
            name: "krb5: AS-REQ and TGS-REQ with their AP-REQ",
            port: 88,
            open: Vec::new(),
            round: vec![
                (ToServer, v.bytes("krb5_as_req_timestamp")),
                (ToServer, v.bytes("krb5_tgs_req_for_user")),
            ],
        },
        Talk {
            name: "krb5: TGS-REP and KRB-ERROR",
            port: 88,
            open: Vec::new(),
            round: vec![
                (ToClient, v.bytes("krb5_tgs_rep")),
                (ToClient, v.bytes("krb5_error_preauth_required")),
            ],
        },
        Talk {
            name: "ldap: modify of an attribute and its answer",
            port: 389,
            open: Vec::new(),
            round: vec![
                (ToServer, LDAP_MODIFY.to_vec()),
                (ToClient, b"\x30\x0c\x02\x01\x05\x67\x07\x0a\x01\x00\x04\x00\x04\x00".to_vec()),
            ],
        },
        Talk {
            name: "tds: SSPI message with NTLM type 3",
            port: 1433,
            open: Vec::new(),
            round: vec![(ToServer, v.bytes("tds_sspi_message_type3"))],
        },
        Talk {
            name: "smtp: a command before the logon",
            port: 25,
            open: vec![(ToServer, b"EHLO client\r\n".to_vec())],
            round: vec![(ToServer, b"NOOP\r\n".to_vec())],
        },
        Talk {
            name: "imap: a command before the logon",
            port: 143,
            open: vec![(ToClient, b"* OK IMAP4rev1 ready\r\n".to_vec())],
            round: vec![(ToServer, b"a NOOP\r\n".to_vec())],
        },
        Talk {
            name: "pop3: a command before the logon",
            port: 110,
            open: vec![(ToClient, b"+OK POP3 ready\r\n".to_vec())],
            round: vec![(ToServer, b"NOOP\r\n".to_vec())],
        },
        Talk {
            name: "dns over tcp: a question",
            port: 53,
            open: Vec::new(),
            round: vec![(
                ToServer,
                b"\x00\x1a\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03dc1\x04test\x00\x00\x01\x00\x01".to_vec(),
            )],
        },
        Talk {
            name: "http: request and response without body",
            port: 80,
            open: Vec::new(),
            round: vec![
                (ToServer, b"GET /index.html HTTP/1.1\r\nHost: www.example\r\nUser-Agent: x\r\nAccept: */*\r\n\r\n".to_vec()),
                (ToClient, b"HTTP/1.1 200 OK\r\nServer: y\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n".to_vec()),
            ],
        },
    ]
}

/// A SESSION_SETUP request (MS-SMB2 2.2.5) with this token.
fn session_setup(token: &[u8]) -> Vec<u8> {
    let mut m = b"\xfeSMB\x40\0".to_vec(); // protocol id, header size
    m.extend([0; 6]); // credit charge, channel sequence
    m.extend([1, 0, 1, 0]); // SESSION_SETUP, one credit
    m.extend([0; 48]); // flags, next command, ids, signature
    m.extend([25, 0, 0, 1]); // structure size, flags, signing enabled
    m.extend([0; 8]); // capabilities, channel
    m.extend([88, 0]); // where the token is
    m.extend(u16::try_from(token.len()).expect("fits").to_le_bytes());
    m.extend([0; 8]); // previous session
    m.extend(token);
    let mut all = u32::try_from(m.len()).expect("fits").to_be_bytes().to_vec();
    all.extend(m);
    all
}
/// LDAPMessage 5, modify of `cn=a`: replace `member` by one value.
const LDAP_MODIFY: &[u8] = b"\x30\x22\x02\x01\x05\x66\x1d\x04\x04cn=a\x30\x15\x30\x13\
    \x0a\x01\x02\x30\x0e\x04\x06member\x31\x04\x04\x02xy";

/// The same message inside SMB 3.1.1 compression: unchained, Plain LZ77 of literals alone.
fn compressed(message: &[u8]) -> Vec<u8> {
    let smb = message.get(4..).expect("an NBSS header");
    let mut m = b"\xfcSMB".to_vec();
    m.extend(u32::try_from(smb.len()).expect("fits").to_le_bytes());
    m.extend([2, 0, 0, 0, 0, 0, 0, 0]); // algorithm, flags, offset
    for group in smb.chunks(32) {
        m.extend([0; 4]);
        m.extend(group);
    }
    let mut all = u32::try_from(m.len()).expect("fits").to_be_bytes().to_vec();
    all.extend(m);
    all
}

fn smb2_read_response(data: usize) -> Vec<u8> {
    let length = 64 + 16 + data;
    let mut m = vec![0];
    m.extend(
        u32::try_from(length)
            .expect("fits")
            .to_be_bytes()
            .get(1..)
            .expect("three bytes"),
    );
    m.extend([0xfe, b'S', b'M', b'B', 64, 0]); // protocol id, header size
    m.extend([0; 6]); // credit charge, status
    m.extend([8, 0, 1, 0, 1, 0, 0, 0]); // READ, one credit, response
    m.extend([0; 44]); // next command, ids, signature
    m.extend([17, 0, 80, 0]); // structure size, data offset
    m.extend(u32::try_from(data).expect("fits").to_le_bytes());
    m.extend([0; 8]);
    m.resize(4 + length, 0x5a);
    m
}

struct Vectors(serde_json::Value);

impl Vectors {
    fn load() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/vectors/vectors.json");
        let text = std::fs::read_to_string(path).expect("the vectors are in the repository");
        Self(serde_json::from_str(&text).expect("JSON"))
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        let all = self.0.as_array().expect("a list");
        let found = all
            .iter()
            .find(|v| v["name"] == name)
            .unwrap_or_else(|| panic!("no vector {name}"));
        let hex = found["hex"].as_str().expect("hex");
        data_encoding::HEXLOWER
            .decode(hex.as_bytes())
            .expect("hex digits")
    }
}
