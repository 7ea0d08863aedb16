//! Any bytes, in both directions, cut anywhere, with holes: every decoder of streams keeps within its memory, takes no more
//! than it is shown, and goes on or stops.

mod common;

use std::collections::BTreeSet;

use common::play::Play;
use common::{synth, vector};
use proptest::prelude::*;
use relaywatch::net::Transport;
use relaywatch::proto::Session;

/// A decoder: the port of its servers, and a message that it is known by and says something of, now and later.
struct Kind {
    name: &'static str,
    port: u16,
    known_by: Vec<u8>,
    /// What its server says first.
    greeting: &'static [u8],
}

fn kinds() -> Vec<Kind> {
    let samr = [
        0x78, 0x57, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0x00, 0x01, 0x23, 0x45, 0x67, 0x89,
        0xac,
    ];
    let hello = b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03\
        0123456789abcdef0123456789abcdef\x00\x00\x02\x13\x01\x01\x00";
    let dns = b"\x00\x1a\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03dc1\x04test\x00\x00\x01\x00\x01";
    let tds = vector("tds_sspi_message_type3");
    let kind = |name, port, known_by: &[u8]| Kind {
        name,
        port,
        known_by: known_by.to_vec(),
        greeting: b"",
    };
    let greeted = |kind, greeting| Kind { greeting, ..kind };
    vec![
        kind("smb", 445, &vector("smb2_session_setup_spnego_type1")),
        kind("smb1", 139, &vector("smb1_session_setup_andx_spnego_type1")),
        kind(
            "dcerpc",
            49_664,
            &[synth::bind(samr), synth::request(1, 5, &[1; 30])].concat(),
        ),
        kind("http", 80, b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"),
        kind("ldap", 389, &vector("ldap_bind_sasl_gss_spnego_type1")),
        kind("krb5", 88, &vector("krb5_as_req_timestamp")),
        kind("tds", 1433, &tds),
        kind(
            "smtp",
            25,
            b"EHLO client\r\nAUTH NTLM TlRMTVNTUAABAAAANYKI4AAAAAAAAAAAAAAAAAAAAAA=\r\n",
        ),
        greeted(
            kind(
                "imap",
                143,
                b"a CAPABILITY\r\nb AUTHENTICATE NTLM TlRMTVNTUAABAAAANYKI4AAAAAAAAAAAAAAAAAAAAAA=\r\n",
            ),
            b"* OK IMAP4rev1 ready\r\n",
        ),
        greeted(
            kind(
                "pop3",
                110,
                b"CAPA\r\nAUTH NTLM TlRMTVNTUAABAAAANYKI4AAAAAAAAAAAAAAAAAAAAAA=\r\n",
            ),
            b"+OK POP3 ready\r\n",
        ),
        kind("http2", 80, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        kind("tls", 443, hello),
        kind("dns", 53, dns),
    ]
}

/// A connection that is known for what it is.
fn open(kind: &Kind) -> Play {
    let mut play = Play::new(kind.port);
    play.data(1, kind.greeting);
    play.data(0, &kind.known_by);
    play
}

/// What one decoder may hold: the pipes of an SMB connection are the most.
const MOST: usize = 1 << 20;

#[derive(Clone, Debug)]
enum Piece {
    /// Bytes that nobody meant.
    Any(Vec<u8>),
    /// The message it is known by, damaged in places.
    Damaged(Vec<(proptest::sample::Index, u8)>),
    /// A hole of so many bytes.
    Gap(u16),
}

fn pieces() -> impl Strategy<Value = Vec<(bool, Piece)>> {
    let index = any::<proptest::sample::Index>();
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(Piece::Any),
        proptest::collection::vec((index, any::<u8>()), 0..6).prop_map(Piece::Damaged),
        (1..5000_u16).prop_map(Piece::Gap),
    ];
    proptest::collection::vec((any::<bool>(), piece), 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn any_bytes_in_any_cut(pieces in pieces(), size in 1_usize..200) {
        for kind in kinds() {
            let mut play = open(&kind);
            let came = |p: &(bool, Piece)| match &p.1 {
                Piece::Any(bytes) => bytes.len(),
                Piece::Damaged(_) => kind.known_by.len(),
                Piece::Gap(_) => 0,
            };
            let bytes: usize = pieces.iter().map(came).sum::<usize>() + kind.known_by.len();
            for (from_server, piece) in &pieces {
                let way = usize::from(*from_server);
                match piece {
                    Piece::Any(bytes) => bytes.chunks(size).for_each(|b| play.data(way, b)),
                    Piece::Damaged(changes) => {
                        let mut message = kind.known_by.clone();
                        for (at, b) in changes {
                            *at.get_mut(&mut message) ^= *b;
                        }
                        message.chunks(size).for_each(|b| play.data(way, b));
                    }
                    Piece::Gap(n) => play.gap(way, (*n).into()),
                }
            }
            prop_assert!(play.most <= MOST, "{}: holds {}", kind.name, play.most);
            prop_assert!(play.heard.all <= bytes / 2 + 64, "{}: says {}", kind.name, play.heard.all);
        }
    }
}

#[test]
fn every_protocol_over_tcp_is_here() {
    let here: BTreeSet<_> = kinds()
        .iter()
        .map(|kind| open(kind).session.app_proto())
        .collect();
    let over_tcp = Session::app_protos().filter(|(transport, _)| *transport == Transport::Tcp);
    assert_eq!(here, over_tcp.map(|(_, name)| name).collect());
}

/// A decoder that knows its protocol finds its feet again behind a hole, however large what came before was.
#[test]
fn behind_a_hole_it_goes_on_or_has_stopped() {
    for kind in kinds() {
        let mut clean = open(&kind);
        clean.end();
        assert!(
            clean.heard.sense > 0 || kind.name == "http2" && clean.done,
            "{}: says nothing",
            kind.name
        );
        let mut play = open(&kind);
        for way in [0, 1] {
            for n in 0..400_u32 {
                let rubbish = n.wrapping_mul(2_654_435_761).to_le_bytes().repeat(64);
                play.data(way, &rubbish);
            }
        }
        assert!(play.most <= MOST, "{}: holds {}", kind.name, play.most);
        play.gap(0, 1000);
        play.gap(1, 1000);
        let before = play.heard.sense;
        play.data(0, &kind.known_by);
        play.end();
        let over = play.done || matches!(play.session, Session::Over { .. });
        assert!(
            over || play.heard.sense > before,
            "{}: neither reads nor stops",
            kind.name
        );
    }
}
