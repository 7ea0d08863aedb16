//! What hostile bytes may do to each reader, as one function a reader.
//!
//! Each takes any bytes, panics if something that must hold does not, and is called by a target of
//! `fuzz/` (cargo-fuzz) and by `tests/fuzz_corpus.rs`, which replays seeds and mutations of them.
//! Beyond survival they ask that:
//!
//! - a decoder takes no more than it is shown, and waits for more than it has, but not without bound;
//! - what is kept and what is said is bounded by what came;
//! - another cutting of the same bytes says the same.

#![allow(clippy::missing_panics_doc)] // panicking is what they are for

mod play;

use std::io::Cursor;
use std::sync::{Arc, LazyLock};

use crate::capture::{FileSource, Fill, Source};
use crate::catalog::Catalog;
use crate::event::{Carrier, RpcTransport};
use crate::limits::{BLOCK_BYTES, FRAME_BYTES};
use crate::net::{Addr, Direction, Endpoint, FlowKey, Side, Transport};
use crate::packet::{Block, Datagram, DissectOptions, Dissector, FrameRef};
use crate::proto::{
    Session, Shared, bodies, dcerpc, dns, http, krb5, ldap, mail, ntlmssp, rpch, smb, spnego, tds,
    tls,
};
use crate::rule::{RuleSet, RuleSource};
use crate::time::Timestamp;
use play::{Decode, Flow, Log, Play};

/// Read once: it is the same for every input.
static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(Catalog::builtin()));

/// Ports of servers that a `session` may be on; the last is nobody's.
const PORTS: [u16; 8] = [445, 135, 80, 389, 139, 593, 443, 49_999];

/// How input describes a conversation: a byte that picks the port (low three bits) and whether the
/// beginning was seen (bit 3), then pieces of a kind, a length (big-endian) and that many bytes.
pub mod piece {
    /// Set if the server sent the piece.
    pub const SERVER: u8 = 0x80;
    /// Bytes follow.
    pub const DATA: u8 = 0;
    /// So many bytes are missing.
    pub const GAP: u8 = 1;
    /// The direction is over.
    pub const END: u8 = 2;
}

/// A whole flow: identification and whatever decoder it leads to, both sides, gaps, cut by the input.
pub fn session(bytes: &[u8]) {
    let Some((&head, mut rest)) = bytes.split_first() else {
        return;
    };
    let mut play = Play::new(
        Some(PORTS[usize::from(head & 7)]),
        Flow::new(head & 8 != 0, Session::default()),
    );
    while let &[kind, high, low, ref more @ ..] = rest {
        let way = match kind & piece::SERVER {
            0 => Direction::ToServer,
            _ => Direction::ToClient,
        };
        let n = u16::from_be_bytes([high, low]);
        rest = more;
        match kind & 3 {
            piece::GAP => play.gap(way, u64::from(n)),
            piece::END => play.end(way),
            _ => {
                let (data, more) = rest.split_at(usize::from(n).min(rest.len()));
                rest = more;
                play.data(way, data);
            }
        }
    }
    play.finish(bytes.len());
}

/// One SMB connection.
pub fn smb(bytes: &[u8]) {
    cuts(bytes, smb::Decoder::default);
}

/// One HTTP connection, with RPC in its bodies.
pub fn http(bytes: &[u8]) {
    let (key, client) = key(80);
    cuts(bytes, || {
        http::Decoder::new(bodies::Bodies::new(&key, client))
    });
}

/// One connection to a Kerberos KDC, and the same bytes as a token.
pub fn krb5(bytes: &[u8]) {
    cuts(bytes, krb5::Decoder::default);
    let mut kdc = krb5::Kdc::default();
    let mut out = Log::default();
    let _ = kdc.message(bytes, Direction::ToServer, &mut out);
    assert!(out.0.len() <= 2, "{} events of one message", out.0.len());
    spnego(bytes);
}

/// One LDAP connection.
pub fn ldap(bytes: &[u8]) {
    cuts(bytes, ldap::Decoder::default);
}

/// One connection of DNS.
pub fn dns(bytes: &[u8]) {
    cuts(bytes, || dns::Decoder::new(&key(53).0));
}

/// A datagram of every protocol of datagrams: the first byte picks which.
pub fn datagram(bytes: &[u8]) {
    const KINDS: [(Transport, u16); 8] = [
        (Transport::Udp, 53),
        (Transport::Udp, 5353),
        (Transport::Udp, 5355),
        (Transport::Udp, 137),
        (Transport::Udp, 67),
        (Transport::Udp, 547),
        (Transport::Arp, 0),
        (Transport::Icmp6, 0),
    ];
    let Some((&head, body)) = bytes.split_first() else {
        return;
    };
    let (transport, port) = KINDS[usize::from(head & 7)];
    let (key, side) = FlowKey::new(
        Endpoint::new(Addr::v4([10, 0, 0, 9]), port),
        Endpoint::new(Addr::v4([10, 0, 0, 2]), port),
        transport,
    );
    let datagram = Datagram {
        bytes: body,
        ..Datagram::default()
    };
    let mut shared = Shared::default();
    let mut said = || {
        let (mut session, mut out) = (Session::default(), Log::default());
        session.datagram(side, side, &key, datagram, &mut shared, &mut out);
        out
    };
    let (first, again) = (said(), said());
    // A message, what was wrong with it, and what its token says.
    assert!(first.0.len() <= 5, "{} events of a datagram", first.0.len());
    assert_eq!(first.0, again.0, "something was kept");
    let text: usize = first.0.iter().map(String::len).sum();
    assert!(text <= 64 * 1024, "{text} bytes said of {}", body.len());
}

/// One TLS connection.
pub fn tls(bytes: &[u8]) {
    cuts(bytes, tls::Decoder::default);
}

/// One connection to SQL Server.
pub fn tds(bytes: &[u8]) {
    cuts(bytes, tds::Decoder::default);
}

/// One connection of SMTP, IMAP and POP3.
pub fn mail(bytes: &[u8]) {
    for kind in [mail::Kind::Smtp, mail::Kind::Imap, mail::Kind::Pop3] {
        cuts(bytes, || mail::Decoder::new(kind));
    }
}

/// One association over TCP, and the same bytes through a named pipe.
pub fn dcerpc(bytes: &[u8]) {
    let (key, client) = key(135);
    cuts(bytes, || rpch::Decoder::new(&key, client));
    let whole = piped(bytes, bytes.len());
    let cut = piped(bytes, cut_length(bytes));
    same(&whole, &cut);
}

/// A capture file, plain or compressed.
pub fn capture(bytes: &[u8]) {
    let reader = Box::new(Cursor::new(bytes.to_vec()));
    let Ok(mut source) = FileSource::from_reader("fuzz", reader) else {
        return;
    };
    let mut block = Block::default();
    let mut dissector = Dissector::new(1, DissectOptions::default());
    let mut frames = 0_u64;
    // Compressed input may be much longer than it looks.
    for _ in 0..64 {
        let fill = source.fill(&mut block);
        assert!(
            block.bytes.len() <= 2 * (BLOCK_BYTES + FRAME_BYTES),
            "a block of {} bytes",
            block.bytes.len()
        );
        let Block {
            bytes,
            frames: found,
            spill,
            ..
        } = &mut block;
        spill.clear();
        for frame in found.iter() {
            frames += 1;
            let (start, len) = (frame.start as usize, frame.len as usize);
            assert!(bytes.get(start..start + len).is_some(), "a frame outside");
            dissector.frame(bytes, spill, *frame, frames);
        }
        while source.notice().is_some() {}
        if let Fill::End(_) = fill {
            break;
        }
        block.spill.clear();
    }
    assert_eq!(source.stats().frames, frames, "frames are counted");
}

/// A frame of every link type, several times so that fragments meet.
pub fn dissect(bytes: &[u8]) {
    const LINKS: [u16; 11] = [0, 1, 12, 14, 101, 108, 113, 228, 229, 276, 147];
    let Ok(len) = u32::try_from(bytes.len()) else {
        return;
    };
    let mut dissector = Dissector::new(1, DissectOptions { vlan_in_key: true });
    let mut block = Block {
        bytes: bytes.to_vec(),
        ..Block::default()
    };
    let mut number = 0;
    for link in LINKS {
        for cut in [0, 60] {
            number += 1;
            let frame = FrameRef {
                ts: Timestamp(number * 1_000_000),
                start: 0,
                len,
                wire_len: len + cut,
                link,
                iface: 0,
            };
            let Block { bytes, spill, .. } = &mut block;
            let Some(packet) = dissector.frame(bytes, spill, frame, number) else {
                continue;
            };
            let span = packet.payload;
            assert_eq!(block.slice(span).len(), span.len as usize, "outside");
            assert!(packet.sent >= span.len, "captured more than was sent");
            assert!(packet.key.a <= packet.key.b, "the key is not sorted");
        }
    }
    let stats = dissector.stats();
    assert_eq!(stats.frames, number);
    assert!(stats.packets <= number);
    assert!(block.spill.len() <= bytes.len() * LINKS.len() * 2 + 65_535 * LINKS.len());
}

/// The text of a rule file.
pub fn rule(bytes: &[u8]) {
    let source = RuleSource::Text {
        name: "fuzz.yml".to_owned(),
        text: String::from_utf8_lossy(bytes).into_owned(),
    };
    match RuleSet::load(&[source]) {
        Ok(rules) => assert!(rules.rules().len() <= bytes.len()),
        Err(errors) => {
            assert!(!errors.is_empty(), "refused and said nothing");
            for error in errors {
                assert!(error.to_string().contains("fuzz.yml"), "names no file");
            }
        }
    }
}

/// One NTLM message.
pub fn ntlm(bytes: &[u8]) {
    let mut out = Log::default();
    let mut exchange = ntlmssp::Exchange::default();
    for way in [Direction::ToServer, Direction::ToClient] {
        exchange.message(bytes, &TOKEN_AT, way, &mut out);
        exchange.result(&TOKEN_AT, true, 0, way, &mut out);
    }
    assert!(out.0.len() <= 6, "{} events of one message", out.0.len());
}

/// One SPNEGO token.
pub fn spnego(bytes: &[u8]) {
    let mut out = Log::default();
    let mut negotiation = spnego::Negotiation::default();
    if let Some(message) = spnego::wire::ntlm_message(bytes) {
        assert!(message.len() <= bytes.len());
    }
    if let Ok(token) = spnego::wire::Token::read(bytes) {
        assert!(token.mechs().count() <= bytes.len());
    }
    negotiation.token(bytes, &TOKEN_AT, Direction::ToServer, &mut out);
    negotiation.result(&TOKEN_AT, false, 1, Direction::ToClient, &mut out);
    assert!(out.0.len() <= 3, "{} events of one token", out.0.len());
}

const TOKEN_AT: ntlmssp::TokenAt = ntlmssp::TokenAt {
    carrier: Carrier::Http,
    session: 0,
    server_guid: None,
    message_id: 0,
    session_id: 0,
};

/// Plays the first half of `bytes` as the client's and the rest as the server's, whole and in pieces.
///
/// The first byte says where the halves part, the second how long the pieces are.
fn cuts<D: Decode>(bytes: &[u8], new: impl Fn() -> D) {
    let Some((&[part, _], body)) = bytes.split_first_chunk() else {
        return;
    };
    let halves = body.split_at(body.len() * usize::from(part) / 255);
    let say = |piece: usize| {
        let mut play = Play::new(None, new());
        for (way, half) in [
            (Direction::ToServer, halves.0),
            (Direction::ToClient, halves.1),
        ] {
            for piece in half.chunks(piece) {
                play.data(way, piece);
            }
        }
        play.finish(bytes.len())
    };
    let whole = say(usize::MAX);
    let cut = say(cut_length(bytes));
    same(&whole, &cut);
}

/// Another cutting says the same. Once framing is lost a decoder searches, and may take the beginning of
/// a segment for a hint; so this holds unless both were lost.
fn same(whole: &[String], cut: &[String]) {
    let is_anomaly = |line: &&String| line.contains(" anomaly ");
    let lost = |log: &[String]| log.iter().any(|line| is_anomaly(&line));
    if !(lost(whole) && lost(cut)) {
        let said = |log: &[String]| -> Vec<String> {
            let sense = log.iter().filter(|line| !is_anomaly(line));
            sense.cloned().collect()
        };
        assert_eq!(said(whole), said(cut), "another cutting");
    }
}

fn cut_length(bytes: &[u8]) -> usize {
    bytes.get(1).map_or(1, |n| usize::from(*n) + 1)
}

fn piped(bytes: &[u8], piece: usize) -> Vec<String> {
    let via = dcerpc::Via {
        transport: RpcTransport::Pipe,
        pipe: "lsarpc",
        association: 1,
        client: None,
    };
    let mut association = dcerpc::Association::default();
    let mut out = Log::default();
    let body = bytes.get(2..).unwrap_or_default();
    for piece in body.chunks(piece.max(1)) {
        association.pipe(&via, Direction::ToServer, piece, &CATALOG, &mut out);
    }
    association.pipe_gap(&via, Direction::ToServer, &CATALOG, &mut out);
    association.pipe_end(&via, &CATALOG, &mut out);
    out.bounded(bytes.len());
    out.0
}

fn key(port: u16) -> (FlowKey, Side) {
    FlowKey::new(
        Endpoint::new(Addr::v4([10, 0, 0, 9]), 50_000),
        Endpoint::new(Addr::v4([10, 0, 0, 2]), port),
        Transport::Tcp,
    )
}
