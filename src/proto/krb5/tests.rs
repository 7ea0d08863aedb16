use proptest::prelude::*;

use super::wire::{ApReq, EType, KdcReq, KrbError, gss, message};
use super::{Begins, Decoder, Presented, begins};
use crate::event::Carrier;
use crate::net::Direction::{self, ToClient, ToServer};
use crate::net::{Addr, Endpoint, FlowKey, Transport};
use crate::packet::{Chunk, Datagram, Progress};
use crate::proto::testing::{Recorder, vectors};
use crate::proto::token::TokenAt;
use crate::proto::{Session, Shared};

/// An element, in the long form where it must be.
pub(in crate::proto) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let inside = parts.concat();
    let mut all = vec![tag];
    match inside.len() {
        n @ 0..0x80 => all.push(u8::try_from(n).unwrap()),
        n => {
            all.push(0x82);
            all.extend(u16::try_from(n).unwrap().to_be_bytes());
        }
    }
    all.extend(inside);
    all
}

/// AP-REQ of 99 bytes, written out (RFC 4120 5.5.1).
pub(in crate::proto) const AP_REQ: &[u8] = &[
    0x6e, 0x61, 0x30, 0x5f, // [APPLICATION 14], SEQUENCE
    0xa0, 0x03, 0x02, 0x01, 5, // pvno
    0xa1, 0x03, 0x02, 0x01, 14, // msg-type
    0xa2, 0x07, 0x03, 0x05, 0, 0x20, 0, 0, 0, // ap-options: mutual-required
    0xa3, 0x34, 0x61, 0x32, 0x30, 0x30, // ticket: [APPLICATION 1], SEQUENCE
    0xa0, 0x03, 0x02, 0x01, 5, // tkt-vno
    0xa1, 0x05, 0x1b, 0x03, b'L', b'A', b'B', // realm
    0xa2, 0x12, 0x30, 0x10, // sname
    0xa0, 0x03, 0x02, 0x01, 2, // NT-SRV-INST
    0xa1, 0x09, 0x30, 0x07, 0x1b, 0x02, b'f', b's', 0x1b, 0x01, b'x', // fs/x
    0xa3, 0x0e, 0x30, 0x0c, // enc-part
    0xa0, 0x03, 0x02, 0x01, 18, // etype aes256
    0xa2, 0x05, 0x04, 0x03, 0xde, 0xad, 0x01, // cipher, no kvno
    0xa4, 0x14, 0x30, 0x12, // authenticator
    0xa0, 0x03, 0x02, 0x01, 23, // etype rc4
    0xa2, 0x0b, 0x04, 0x09, 1, 2, 3, 4, 5, 6, 7, 8, 9, // cipher
];

pub(in crate::proto) const KRB5: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 1, 2, 2];

/// As a token of the krb5 mechanism (RFC 4121 4.1).
pub(in crate::proto) fn gss_token(id: u8, inner: &[u8]) -> Vec<u8> {
    tlv(0x60, &[&tlv(6, &[KRB5]), &[id, 0], inner])
}

/// KRB-ERROR with this code (5.9.1).
pub(in crate::proto) fn error(code: u8) -> Vec<u8> {
    let fields = [
        vec![0xa0, 0x03, 0x02, 0x01, 5],       // pvno
        vec![0xa1, 0x03, 0x02, 0x01, 30],      // msg-type
        vec![0xa5, 0x03, 0x02, 0x01, 9],       // susec
        vec![0xa6, 0x03, 0x02, 0x01, code],    // error-code
        tlv(0xa9, &[&tlv(0x1b, &[b"LAB"])]),   // realm
        principal(0xaa, &[b"krbtgt", b"LAB"]), // sname
        tlv(0xac, &[&tlv(4, &[b"0\x03e-d"])]), // e-data, not read
    ];
    tlv(0x7e, &[&tlv(0x30, &[&fields.concat()])])
}

fn principal(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let strings: Vec<Vec<u8>> = parts.iter().map(|p| tlv(0x1b, &[p])).collect();
    let strings = tlv(0xa1, &[&tlv(0x30, &[&strings.concat()])]);
    tlv(tag, &[&tlv(0x30, &[&[0xa0, 3, 2, 1, 1], &strings])])
}

fn pa_data(kind: &[u8], value: &[u8]) -> Vec<u8> {
    tlv(
        0x30,
        &[
            &tlv(0xa1, &[&tlv(2, &[kind])]),
            &tlv(0xa2, &[&tlv(4, &[value])]),
        ],
    )
}

/// KDC-REQ (5.4.1) with these options, padata and, in an AS-REQ, client.
fn kdc_req(tag: u8, options: [u8; 4], padata: &[Vec<u8>], cname: Option<&[u8]>) -> Vec<u8> {
    let body = [
        tlv(0xa0, &[&tlv(3, &[&[0], &options])]), // kdc-options
        cname.map_or(Vec::new(), |name| principal(0xa1, &[name])),
        tlv(0xa2, &[&tlv(0x1b, &[b"LAB"])]),             // realm
        principal(0xa3, &[b"cifs", b"fs.lab"]),          // sname
        tlv(0xa5, &[&tlv(0x18, &[b"20370913024805Z"])]), // till
        vec![0xa7, 0x06, 0x02, 0x04, 0x7f, 0, 0, 1],     // nonce
        // etype: 18, 17, 23, -135 as Windows says it
        vec![
            0xa8, 0x0f, 0x30, 0x0d, 2, 1, 18, 2, 1, 17, 2, 1, 23, 2, 2, 0xff, 0x79,
        ],
    ];
    let fields = [
        vec![0xa1, 0x03, 0x02, 0x01, 5],
        vec![0xa2, 0x03, 0x02, 0x01, tag - 0x60],
        match padata {
            [] => Vec::new(),
            some => tlv(0xa3, &[&tlv(0x30, &[&some.concat()])]),
        },
        tlv(0xa4, &[&tlv(0x30, &[&body.concat()])]),
    ];
    tlv(tag, &[&tlv(0x30, &[&fields.concat()])])
}

/// KDC-REP (5.4.2) with the ticket of [`AP_REQ`].
fn kdc_rep(tag: u8) -> Vec<u8> {
    let ticket = &AP_REQ[25..77];
    assert_eq!(ticket[0], message::TICKET);
    let fields = [
        vec![0xa0, 0x03, 0x02, 0x01, 5],
        vec![0xa1, 0x03, 0x02, 0x01, tag - 0x60],
        tlv(0xa2, &[&tlv(0x30, &[&pa_data(&[19], b"salt")])]),
        tlv(0xa3, &[&tlv(0x1b, &[b"LAB"])]),     // crealm
        principal(0xa4, &["jürgen".as_bytes()]), // cname
        tlv(0xa5, &[ticket]),
        // enc-part: etype 18, kvno of a read-only domain controller, cipher
        vec![
            0xa6, 0x16, 0x30, 0x14, 0xa0, 3, 2, 1, 18, 0xa1, 7, 2, 5, 0, 0xff, 0xff, 0, 1, 0xa2, 4,
            4, 2, 7, 7,
        ],
    ];
    tlv(tag, &[&tlv(0x30, &[&fields.concat()])])
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut all = u32::try_from(message.len()).unwrap().to_be_bytes().to_vec();
    all.extend(message);
    all
}

pub(in crate::proto) const AT: TokenAt = TokenAt {
    carrier: Carrier::Smb,
    session: 7,
    server_guid: None,
    message_id: 3,
    session_id: 4,
};

#[test]
fn an_ap_req_as_it_stands() {
    let req = ApReq::read(&AP_REQ[2..]).unwrap();
    assert!(req.mutual);
    assert_eq!(req.ticket.realm, b"LAB");
    assert_eq!(req.ticket.sname.name().text().to_string(), "fs/x");
    let ticket = req.ticket.enc_part;
    assert_eq!((ticket.etype, ticket.kvno), (EType::AES256_SHA1, None));
    assert_eq!(ticket.cipher.reveal_for_hashing(), [0xde, 0xad, 1]);
    assert_eq!(req.authenticator.etype, EType::RC4_HMAC);
    assert_eq!(req.authenticator.cipher.len(), 9);
    assert!(!format!("{req:?}").contains("222"), "no ciphertext in text");
}

#[test]
fn damaged_tokens_are_anomalies() {
    let mut no_ticket = AP_REQ.to_vec();
    no_ticket[24] = 0x62; // [APPLICATION 2]
    let wrong_id = gss_token(2, AP_REQ);
    for bytes in [&AP_REQ[..40], &no_ticket, &wrong_id] {
        let mut out = Recorder::default();
        let found = gss(bytes).unwrap();
        Presented::default().message(found, &AT, ToServer, &mut out);
        assert_eq!(out.count(&["Anomaly"]), 1, "{:?}", out.0);
        assert_eq!(out.0.len(), 1);
    }
}

#[test]
fn requests_of_every_kind() {
    let for_user = tlv(0x30, &[&principal(0xa0, &[b"alice"])]);
    let by_certificate = tlv(
        0x30,
        &[&tlv(0xa0, &[&tlv(0x30, &[&principal(0xa1, &[b"bob"])])])],
    );
    let fast = tlv(
        0xa0,
        &[&tlv(
            0x30,
            &[&tlv(
                0xa0,
                &[&tlv(
                    0x30,
                    &[&[0xa0, 3, 2, 1, 1], &tlv(0xa1, &[&tlv(4, &[AP_REQ])])],
                )],
            )],
        )],
    );
    let none = [0; 4];
    let read = |bytes: &[u8]| {
        let inside = bytes[if bytes[1] == 0x82 { 4 } else { 2 }..].to_vec();
        let inside: &'static [u8] = inside.leak();
        KdcReq::read(inside).unwrap()
    };

    let plain = read(&kdc_req(message::AS_REQ, none, &[], Some(b"alice")));
    assert_eq!(plain.cname.name().text().to_string(), "alice");
    assert_eq!(plain.sname.name().text().to_string(), "cifs/fs.lab");
    assert_eq!(plain.etypes.get(), [18, 17, 23, -135]);
    assert_eq!(plain.padata.get(), [0; 0]);
    assert!(plain.ap_req.is_none() && !plain.s4u2proxy);

    let timestamp = pa_data(&[2], b"anything");
    let armoured = pa_data(&[0, 136], &fast);
    let fast = read(&kdc_req(
        message::AS_REQ,
        none,
        &[timestamp, armoured],
        None,
    ));
    assert_eq!(fast.padata.get(), [2, 136]);
    assert_eq!(fast.ap_req.unwrap().ticket.realm, b"LAB");

    let ticket = pa_data(&[1], AP_REQ);
    let s4u = pa_data(&[0, 129], &for_user);
    let s4u = read(&kdc_req(
        message::TGS_REQ,
        none,
        &[ticket.clone(), s4u],
        None,
    ));
    assert_eq!(s4u.for_user.unwrap().name().text().to_string(), "alice");
    assert!(s4u.ap_req.unwrap().mutual);

    let s4u = pa_data(&[0, 130], &by_certificate);
    let proxy = read(&kdc_req(
        message::TGS_REQ,
        [0, 2, 0, 0],
        &[ticket, s4u],
        None,
    ));
    assert_eq!(proxy.for_user.unwrap().name().text().to_string(), "bob");
    assert!(proxy.s4u2proxy);
}

#[test]
fn numbers_over_the_limit_are_left_out() {
    let many = vec![pa_data(&[2], b""); crate::limits::KRB_LIST + 9];
    let bytes = kdc_req(message::AS_REQ, [0; 4], &many, None);
    let got = KdcReq::read(&bytes[4..]).unwrap();
    assert_eq!(got.padata.get().len(), crate::limits::KRB_LIST);
    let bytes = kdc_req(message::AS_REQ, [0; 4], &[], Some(&[b'x'; 600]));
    let got = KdcReq::read(&bytes[4..]).unwrap();
    let name = got.cname.name().text().to_string();
    assert_eq!(name.len(), crate::limits::KRB_NAME_BYTES);
}

#[test]
fn an_error_names_what_went_wrong() {
    let bytes = error(25);
    let got = KrbError::read(&bytes[2..]).unwrap();
    assert_eq!(got.code.name(), Some("KDC_ERR_PREAUTH_REQUIRED"));
    assert_eq!(got.sname.name().text().to_string(), "krbtgt/LAB");
}

#[test]
fn every_vector_reads_as_it_says() {
    for v in vectors("krb5") {
        let way = match begins(&v.bytes) {
            Begins::Message(way) => way,
            other => panic!("{}: {other:?}", v.name),
        };
        let out = play(&[(way, v.bytes.clone())], usize::MAX);
        let mut parts = vec![format!("message: {:?}", v.text("message"))];
        for key in ["cname", "sname", "for_user"] {
            if !v.text(key).is_empty() {
                parts.push(format!("{key}: {:?}", v.text(key)));
            }
        }
        if v.expect["padata"].is_array() {
            let list = v.expect["padata"].to_string().replace(',', ", ");
            parts.push(format!("padata_types: {list}"));
        }
        if let Some(code) = v.number("error_code") {
            parts.push(format!("error_code: Some({code})"));
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        assert_eq!(out.count(&parts), 1, "{}: {:#?}", v.name, out.0);
    }
}

/// A conversation: the client asks, is refused, asks again; a second ticket on the same connection.
fn conversation() -> Vec<(Direction, Vec<u8>)> {
    vec![
        (
            ToServer,
            framed(&kdc_req(message::AS_REQ, [0; 4], &[], Some(b"alice"))),
        ),
        (ToClient, framed(&error(25))),
        (
            ToServer,
            framed(&kdc_req(
                message::AS_REQ,
                [0; 4],
                &[pa_data(&[2], b"proof")],
                Some(b"alice"),
            )),
        ),
        (ToClient, framed(&kdc_rep(message::AS_REP))),
        (
            ToServer,
            framed(&kdc_req(
                message::TGS_REQ,
                [0; 4],
                &[pa_data(&[1], AP_REQ)],
                None,
            )),
        ),
        (ToClient, framed(&kdc_rep(message::TGS_REP))),
    ]
}

fn play(messages: &[(Direction, Vec<u8>)], piece: usize) -> Recorder {
    let mut decoder = Decoder::default();
    let (mut shared, mut out) = (Shared::default(), Recorder::default());
    let mut kept = [Vec::new(), Vec::new()];
    let mut need = [0, 0];
    for (direction, bytes) in messages {
        let i = direction.index();
        for piece in bytes.chunks(piece) {
            kept[i].extend(piece);
            if kept[i].len() < need[i] {
                continue;
            }
            match decoder.chunk(*direction, Chunk::Data(&kept[i]), &mut shared, &mut out) {
                Progress::Took { bytes, need: n } => {
                    kept[i].drain(..bytes);
                    assert!(n.max(1) > kept[i].len(), "would be asked again for nothing");
                    need[i] = n;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    out
}

#[test]
fn a_conversation_with_a_kdc() {
    let out = play(&conversation(), usize::MAX);
    assert_eq!(out.0.len(), 7, "{:#?}", out.0);
    let asked = [
        "to_server KrbRequest",
        "\"as_req\"",
        "cname: \"alice\"",
        "etypes: [18, 17, 23, -135]",
    ];
    assert_eq!(out.count(&asked), 2);
    let refused = [
        "to_client KrbReply",
        "\"error\"",
        "request: Some(\"as_req\")",
        "error_code: Some(25)",
    ];
    assert_eq!(out.count(&refused), 1);
    for (rep, req) in [("\"as_rep\"", "\"as_req\""), ("\"tgs_rep\"", "\"tgs_req\"")] {
        let parts = [
            "to_client KrbReply",
            rep,
            req,
            "cname: \"jürgen\"",
            "sname: \"fs/x\"",
            "kvno: None",
            "ticket: <3 secret bytes>",
        ];
        assert_eq!(out.count(&parts), 1, "{:#?}", out.0);
    }
    assert_eq!(out.count(&["KrbApReq", "carrier: Kerberos"]), 1);
}

#[test]
fn one_direction_is_enough() {
    for way in [ToServer, ToClient] {
        let half: Vec<_> = conversation()
            .into_iter()
            .filter(|(d, _)| *d == way)
            .collect();
        let out = play(&half, 7);
        let whole = play(&conversation(), usize::MAX);
        let name = way.name();
        assert_eq!(out.count(&[name]), whole.count(&[name]));
    }
    let errors = play(&conversation()[1..2], usize::MAX);
    assert_eq!(
        errors.count(&["request: None"]),
        1,
        "nobody was seen asking"
    );
}

/// The same messages as datagrams, without the length in front (RFC 4120 7.2.1), through a session.
#[test]
fn a_kdc_over_udp() {
    let client = Endpoint::new(Addr::v4([10, 0, 0, 9]), 50_000);
    let kdc = Endpoint::new(Addr::v4([10, 0, 0, 2]), 88);
    let (key, side) = FlowKey::new(client, kdc, Transport::Udp);
    let (mut session, mut shared) = (Session::default(), Shared::default());
    let mut out = Recorder::default();
    for (way, bytes) in conversation() {
        let from = if way == ToServer { side } else { side.other() };
        let datagram = Datagram {
            bytes: &bytes[4..],
            ..Datagram::default()
        };
        let over = session.datagram(from, side, &key, datagram, &mut shared, &mut out);
        assert!(!over);
    }
    assert_eq!(session.app_proto(), "krb5");
    let over_tcp = play(&conversation(), usize::MAX);
    assert_eq!(out.0.len(), over_tcp.0.len());
    for (parts, n) in [
        (
            &["to_server KrbRequest", "\"as_req\"", "cname: \"alice\""][..],
            2,
        ),
        (
            &[
                "to_client KrbReply",
                "\"error\"",
                "request: None",
                "error_code: Some(25)",
            ],
            1,
        ),
        (
            &[
                "to_client KrbReply",
                "\"tgs_rep\"",
                "sname: \"fs/x\"",
                "ticket: <3 secret bytes>",
            ],
            1,
        ),
        (&["to_server KrbApReq", "carrier: Kerberos"], 1),
    ] {
        assert_eq!(out.count(parts), n, "{parts:?}: {:#?}", out.0);
    }
    // Cut short: said, and the next one is read.
    let (_, asked) = &conversation()[0];
    let mut out = Recorder::default();
    for bytes in [&asked[4..40], &asked[4..]] {
        let datagram = Datagram {
            bytes,
            ..Datagram::default()
        };
        session.datagram(side, side, &key, datagram, &mut shared, &mut out);
    }
    assert_eq!(out.count(&["KrbRequest"]), 1);
}

#[test]
fn it_finds_its_feet_after_a_gap() {
    let mut decoder = Decoder::default();
    let (mut shared, mut out) = (Shared::default(), Recorder::default());
    let talk = conversation();
    let mut say = |chunk| decoder.chunk(ToServer, chunk, &mut shared, &mut out);
    say(Chunk::Data(&talk[0].1[..30]));
    say(Chunk::Gap(9));
    say(Chunk::Data(&talk[0].1[40..]));
    say(Chunk::Data(&talk[2].1));
    assert_eq!(out.count(&["KrbRequest"]), 1, "{:?}", out.0);
    assert_eq!(out.count(&["Anomaly"]), 0);
}

#[test]
fn beginnings() {
    let (request, answer) = (&conversation()[0].1, &conversation()[1].1);
    assert_eq!(begins(request), Begins::Message(ToServer));
    assert_eq!(begins(answer), Begins::Message(ToClient));
    for n in 0..6 {
        assert!(matches!(begins(&request[..n]), Begins::Perhaps(_)), "{n}");
    }
    // NBSS has zeros and a length too; so has a SASL buffer. Neither has a Kerberos tag in it.
    assert_eq!(begins(b"\0\0\0\x54\xfeSMB@\0"), Begins::Nothing);
    assert_eq!(begins(&[0, 0, 0, 9, 0x6a, 0x09, 0x30, 7]), Begins::Nothing);
}

proptest! {
    #[test]
    fn any_cut_says_the_same(piece in 1_usize..200) {
        prop_assert_eq!(play(&conversation(), piece), play(&conversation(), usize::MAX));
    }

    #[test]
    fn no_flip_panics(which in 0_usize..6, flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let (way, mut bytes) = conversation().swap_remove(which);
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let (mut decoder, mut shared, mut out) = (Decoder::default(), Shared::default(), Recorder::default());
        decoder.chunk(way, Chunk::Data(&bytes), &mut shared, &mut out);
        prop_assert!(out.0.len() <= 4);
    }
}
