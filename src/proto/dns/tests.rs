//! Messages by their bytes, and what must never happen.

use proptest::prelude::*;

use super::*;
use crate::event::{DnsData, DnsMessage, DnsSection, Event};
use crate::net::{Addr, Endpoint, FlowKey, Mac, Side, Transport};
use crate::packet::{Chunk, Datagram, Progress};
use crate::proto::Session;
use crate::proto::drive::Pipe;
use crate::proto::testing::Recorder;

/// Shows one message to `check`.
fn with(kind: Kind, bytes: &[u8], check: impl FnMut(&DnsMessage<'_>)) {
    struct Check<F>(F, u32);
    impl<F: FnMut(&DnsMessage<'_>)> Sink for Check<F> {
        fn event(&mut self, _: Direction, event: &Event<'_>) {
            match event {
                Event::Dns(message) => (self.0)(message),
                other => panic!("{other:?}"),
            }
            self.1 += 1;
        }
    }
    let mut sink = Check(check, 0);
    let mut text = reader::Text::default();
    let way = Direction::ToServer;
    reader::message(kind, bytes, Mac::default(), way, &mut text, &mut sink);
    assert_eq!(sink.1, 1, "one event a message");
}

/// An answer with a CNAME, an A record and its SOA: dc.lab.example asked for.
#[rustfmt::skip]
const ANSWER: &[u8] = &[
    0x12, 0x34, 0x85, 0x80, // id; response, authoritative, recursion desired and available
    0, 1, 0, 2, 0, 1, 0, 0, // one question, two answers, one authority
    2, b'd', b'c', 3, b'l', b'a', b'b', 7, b'e', b'x', b'a', b'm', b'p', b'l', b'e', 0, // at 12
    0, 1, 0, 1, // A, IN
    0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 30, 0, 6, 3, b's', b'r', b'v', 0xc0, 15, // CNAME srv.lab.example, at 44 its data
    0xc0, 44, 0, 1, 0, 1, 0, 0, 0, 100, 0, 4, 192, 0, 2, 66, // A
    0xc0, 15, 0, 6, 0, 1, 0, 0, 0, 100, 0, 31, // SOA of lab.example
    5, b'm', b'i', b't', b'm', b'6', 0xc0, 15, 0xc0, 82, // mname and rname, the same; 78 is the data
    0, 0, 5, 0x39, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, // serial 1337, times
];

fn answer() -> Vec<u8> {
    let mut bytes = ANSWER.to_vec();
    // The second name of the SOA points at the first.
    let soa = bytes.len() - 30;
    bytes[soa - 1] = 30;
    bytes[soa + 9] = u8::try_from(soa).unwrap();
    bytes
}

#[test]
fn an_answer_with_an_alias_an_address_and_a_zone() {
    with(Kind::Dns, &answer(), |m| {
        assert_eq!((m.protocol, m.id, m.response), ("dns", 0x1234, true));
        assert_eq!((m.query, m.qtype_name), ("dc.lab.example", "A"));
        assert_eq!((m.opcode_name, m.rcode_name), ("query", "NOERROR"));
        assert_eq!(m.answers, "srv.lab.example,192.0.2.66");
        assert_eq!(m.ttl, Some(30), "the smallest of the answers");
        let [alias, address, zone] = m.records else {
            panic!("{:?}", m.records)
        };
        assert_eq!(alias.data, DnsData::Name("srv.lab.example"));
        assert_eq!(address.name, "srv.lab.example");
        let addr = Addr::v4([192, 0, 2, 66]);
        assert_eq!((address.ttl, address.data), (100, DnsData::Address(addr)));
        assert_eq!(zone.section, DnsSection::Authority);
        let DnsData::Soa(soa) = zone.data else {
            panic!("{zone:?}")
        };
        assert_eq!(
            (soa.mname, soa.rname),
            ("mitm6.lab.example", "mitm6.lab.example")
        );
        assert_eq!((soa.serial, soa.times), (1337, [1, 2, 3, 4]));
    });
}

#[test]
fn a_dynamic_update_with_a_signature() {
    // RFC 2136 2: zone lab.example SOA; no prerequisite; delete A of x, add A of x; TSIG.
    #[rustfmt::skip]
    let update = [
        0, 7, 0x28, 0, 0, 1, 0, 0, 0, 2, 0, 1, // opcode 5
        3, b'l', b'a', b'b', 0, 0, 6, 0, 1, // zone at 12
        1, b'x', 0xc0, 12, 0, 1, 0, 255, 0, 0, 0, 0, 0, 0, // class any, no data: delete
        1, b'x', 0xc0, 12, 0, 1, 0, 1, 0, 0, 4, 0xb0, 0, 4, 192, 0, 2, 66, // TTL 1200
        0, 0, 250, 0, 255, 0, 0, 0, 0, 0, 10, // TSIG of the root
        8, b'g', b's', b's', b'-', b't', b's', b'i', b'g', 0,
    ];
    with(Kind::Dns, &update, |m| {
        assert_eq!(
            (m.opcode_name, m.query, m.qtype_name),
            ("update", "lab", "SOA")
        );
        assert!(m.signed && !m.gss);
        let [delete, add, tsig] = m.records else {
            panic!("{:?}", m.records)
        };
        assert_eq!((delete.class, delete.data), (255, DnsData::Other));
        assert_eq!((add.name, add.class, add.ttl), ("x.lab", 1, 1200));
        assert_eq!(add.section, DnsSection::Authority);
        assert_eq!(tsig.data, DnsData::Name("gss-tsig"));
    });
}

/// A TKEY query (RFC 3645 3.1) whose key is `token`.
fn tkey(token: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    bytes.extend(b"\x01k\0\0\xf9\0\xff"); // k, TKEY, any
    bytes.extend(b"\xc0\x0c\0\xf9\0\xff\0\0\0\0"); // the same in the additionals
    let data = [
        &b"\x08gss-tsig\0"[..],
        &[0; 8],       // inception, expiration
        &[0, 3, 0, 0], // GSS-API negotiation, no error
        &u16::try_from(token.len()).unwrap().to_be_bytes(),
        token,
        &[0, 0], // other
    ]
    .concat();
    bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    bytes.extend(data);
    bytes
}

fn key(client: u16, server: u16, transport: Transport) -> (FlowKey, Side) {
    FlowKey::new(
        Endpoint::new(Addr::v4([10, 0, 0, 9]), client),
        Endpoint::new(Addr::v4([10, 0, 0, 2]), server),
        transport,
    )
}

/// A session over TCP that is shown the messages, each with its length, in pieces of `piece` bytes.
fn over_tcp(messages: &[(Direction, Vec<u8>)], piece: usize) -> Recorder {
    let (key, client) = key(50_000, 53, Transport::Tcp);
    let (mut session, mut shared) = (Session::default(), Shared::default());
    let mut out = Recorder::default();
    let mut pipes = [Pipe::default(), Pipe::default()];
    for (way, message) in messages {
        let length = u16::try_from(message.len()).unwrap().to_be_bytes();
        let side = match way {
            Direction::ToServer => client,
            Direction::ToClient => client.other(),
        };
        for part in [&length[..], message].concat().chunks(piece) {
            pipes[way.index()].data(part, |chunk| {
                session.chunk(side, Some(client), &key, chunk, &mut shared, &mut out)
            });
        }
    }
    out
}

#[test]
fn the_token_of_tkey_goes_to_spnego() {
    // MS-NLMP 2.2.1.1: NEGOTIATE with flags and nothing else.
    let mut ntlm = b"NTLMSSP\0\x01\0\0\0\x07\x82\x08\xa2".to_vec();
    ntlm.resize(40, 0);
    let out = over_tcp(&[(Direction::ToServer, tkey(&ntlm))], 3);
    assert_eq!(out.count(&["to_server", "Dns(", "gss: true"]), 1, "{out:?}");
    assert_eq!(
        out.count(&["to_server", "NtlmNegotiate", "carrier: Dns"]),
        1
    );
}

/// A dynamic update begins with a ticket for the DNS server (MS-DNSP, RFC 3645 3.1): the same over UDP and TCP.
#[test]
fn the_ticket_of_tkey_is_seen_over_both() {
    let ticket = crate::proto::testing::vector("spnego_ap_req_cifs").bytes;
    let message = tkey(&ticket);
    for (out, over) in [
        (
            over_tcp(&[(Direction::ToServer, message.clone())], 7),
            "TCP",
        ),
        (datagram(50_000, 53, &message).0, "UDP"),
    ] {
        let parts = ["to_server", "KrbApReq", "carrier: Dns", "sname: \"cifs/"];
        assert_eq!(out.count(&parts), 1, "{over}: {out:#?}");
        assert_eq!(out.count(&["Dns(", "gss: true"]), 1, "{over}");
        assert_eq!(out.count(&["Anomaly"]), 0, "{over}");
    }
}

#[test]
fn any_cut_of_a_tcp_stream_says_the_same() {
    let messages = [
        (Direction::ToServer, tkey(b"token")),
        (Direction::ToClient, answer()),
        (Direction::ToServer, tkey(b"")),
    ];
    let whole = over_tcp(&messages, usize::MAX);
    assert_eq!(whole.0.len(), 3, "{whole:?}");
    for piece in 1..60 {
        assert_eq!(over_tcp(&messages, piece), whole, "pieces of {piece}");
    }
}

#[test]
fn after_a_gap_the_next_segment_is_tried() {
    let (key, client) = key(50_000, 53, Transport::Tcp);
    let mut decoder = Decoder::new(&key);
    let (mut shared, mut out) = (Shared::default(), Recorder::default());
    assert_eq!(client, Side::B);
    let way = Direction::ToServer;
    decoder.chunk(way, Chunk::Gap(7), &mut shared, &mut out);
    let junk = Chunk::Data(&[0xff; 40]);
    let answer = decoder.chunk(way, junk, &mut shared, &mut out);
    assert_eq!(answer, Progress::Skip { bytes: 40 });
    let message = tkey(b"x");
    let framed = [
        &u16::try_from(message.len()).unwrap().to_be_bytes()[..],
        &message,
    ]
    .concat();
    decoder.chunk(way, Chunk::Data(&framed), &mut shared, &mut out);
    assert_eq!(out.count(&["Dns("]), 1);
    let answer = decoder.chunk(way, junk, &mut shared, &mut out);
    assert_eq!(answer, Progress::Done, "nothing was lost since");
}

/// A datagram as a conversation shows it.
fn datagram(from: u16, to: u16, bytes: &[u8]) -> (Recorder, &'static str) {
    let (key, side) = key(from, to, Transport::Udp);
    let (mut session, mut shared) = (Session::default(), Shared::default());
    let mut out = Recorder::default();
    let datagram = Datagram {
        bytes,
        missing: 0,
        mac: Mac([2, 0, 0, 0, 0, 9]),
    };
    session.datagram(side, side, &key, datagram, &mut shared, &mut out);
    (out, session.app_proto())
}

#[test]
fn the_port_says_which_of_the_four() {
    // NBT-NS: 10.0.0.9 answers for FRED<20> (RFC 1002 4.2.13), flags 0x8500, TTL 165, NB flags 0.
    #[rustfmt::skip]
    let nbns = [
        &[0, 5, 0x85, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0x20][..],
        b"EGFCEFEECACACACACACACACACACACACA",
        &[0, 0, 32, 0, 1, 0, 0, 0, 165, 0, 6, 0, 0, 10, 0, 0, 9],
    ].concat();
    let (out, app_proto) = datagram(137, 137, &nbns);
    assert_eq!(app_proto, "nbns");
    let parts = [
        "\"FRED\"",
        "NB",
        "10.0.0.9",
        "ttl: 165",
        "suffix: Some(32)",
        "02:00:00:00:00:09",
    ];
    assert_eq!(out.count(&parts), 1, "{out:?}");
    for (port, app_proto) in [(53, "dns"), (5353, "mdns"), (5355, "llmnr")] {
        let (out, said) = datagram(port, 50_000, &answer());
        assert_eq!(said, app_proto);
        assert_eq!(out.count(&["to_client", app_proto, "dc.lab.example"]), 1);
    }
    assert_eq!(datagram(50_000, 50_001, &answer()).1, "");
    assert_eq!(datagram(50_000, 53, b"no DNS at all").1, "");
}

#[test]
fn damaged_records_are_an_anomaly_and_what_was_before_is_said() {
    let mut damaged = answer();
    let soa = damaged.len() - 31;
    damaged[soa] = 0xff; // longer than the message
    let (out, _) = datagram(53, 50_000, &damaged);
    assert_eq!(out.count(&["Dns(", "192.0.2.66"]), 1, "{out:?}");
    assert_eq!(out.count(&["Anomaly", "record data"]), 1, "{out:?}");
}

proptest! {
    #[test]
    fn nothing_panics_and_every_message_is_one_event_at_most(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        cut in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut message = answer();
        for (at, value) in damage {
            let at = at.index(message.len());
            message[at] = value;
        }
        message.truncate(cut.index(message.len() + 1));
        for kind in [Kind::Dns, Kind::Mdns, Kind::Llmnr, Kind::Nbns] {
            for bytes in [&bytes, &message] {
                let mut out = Recorder::default();
                let mut text = reader::Text::default();
                let way = Direction::ToServer;
                reader::message(kind, bytes, Mac::default(), way, &mut text, &mut out);
                prop_assert!(out.count(&["Dns("]) <= 1 && out.0.len() <= 2);
            }
        }
    }
}
