//! Whole connections.

use proptest::prelude::*;

use super::*;
use crate::net::Direction::{self, ToClient, ToServer};
use crate::proto::Shared;
use crate::proto::drive::Pipe;
use crate::proto::testing::{Recorder, vector, vectors};

#[derive(Default)]
struct Connection {
    decoder: Decoder,
    pipes: [Pipe; 2],
    shared: Shared,
    out: Recorder,
}

impl Connection {
    fn say(&mut self, way: Direction, bytes: &[u8]) -> &mut Self {
        let Self {
            decoder,
            pipes,
            shared,
            out,
        } = self;
        pipes[way.index()].data(bytes, |c| decoder.chunk(way, c, shared, out));
        self
    }

    fn lose(&mut self, way: Direction, n: u64) -> &mut Self {
        let Self {
            decoder,
            pipes,
            shared,
            out,
        } = self;
        pipes[way.index()].gap(n, |c| decoder.chunk(way, c, shared, out));
        self
    }
}

fn v(name: &str) -> Vec<u8> {
    vector(name).bytes
}

/// A TLV with the long length of Active Directory.
fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![tag, 0x84];
    out.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
    out.extend(value);
    out
}

fn message(id: u8, op: u8, contents: &[u8]) -> Vec<u8> {
    let mut inner = vec![0x02, 0x01, id];
    inner.extend(tlv(op, contents));
    tlv(0x30, &inner)
}

/// BindResponse with resultCode, matchedDN, diagnosticMessage and serverSaslCreds.
fn response(id: u8, code: u8, matched_dn: &[u8], text: &[u8], credentials: &[u8]) -> Vec<u8> {
    let mut contents = vec![0x0a, 0x01, code];
    contents.extend(tlv(0x04, matched_dn));
    contents.extend(tlv(0x04, text));
    if !credentials.is_empty() {
        contents.extend(tlv(0x87, credentials));
    }
    message(id, 0x61, &contents)
}

fn sasl(id: u8, mechanism: &[u8], credentials: &[u8]) -> Vec<u8> {
    let mut choice = tlv(0x04, mechanism);
    choice.extend(tlv(0x04, credentials));
    let mut contents = vec![0x02, 0x01, 0x03, 0x04, 0x00];
    contents.extend(tlv(0xa3, &choice));
    message(id, 0x60, &contents)
}

/// ntlmrelayx's way: discovery, negotiate, response, and a search afterwards.
fn sicily(last: u8) -> Vec<(Direction, Vec<u8>)> {
    vec![
        (ToServer, v("ldap_bind_sicily_discovery")),
        (ToClient, response(1, 0, b"NTLM", b"", b"")),
        (ToServer, v("ldap_bind_sicily_negotiate_type1")),
        (ToClient, response(2, 0, &v("ntlmssp_type2"), b"", b"")),
        (ToServer, v("ldap_bind_sicily_response_type3")),
        (ToClient, response(3, last, b"", b"80090346", b"")),
        (ToServer, message(4, 0x63, &[0x04; 300])),
        (ToClient, message(4, 0x64, &[0x30; 3000])),
        (ToClient, message(4, 0x65, &[0x0a, 1, 0, 4, 0, 4, 0])),
    ]
}

#[test]
fn sicily_from_discovery_to_verdict() {
    for (code, verdict) in [
        (0, "success: true, code: 0"),
        (49, "success: false, code: 49"),
    ] {
        let mut c = Connection::default();
        for (way, bytes) in sicily(code) {
            c.say(way, &bytes);
        }
        for (what, n) in [
            ("LdapBind(", 3),
            ("sicily-discovery", 1),
            ("sicily-negotiate", 1),
            ("sicily-response", 1),
            ("LdapResult(", 3),
            ("NtlmNegotiate(", 1),
            ("NtlmChallenge(", 1),
            ("NtlmAuthenticate(", 1),
            ("AuthResult(", 1),
            (verdict, 1),
            ("80090346", 1),
            ("Anomaly", 0),
        ] {
            assert_eq!(c.out.count(&[what]), n, "{what}: {:#?}", c.out.0);
        }
        assert!(c.pipes[1].kept == 0, "entries are passed over");
    }
}

#[test]
fn sasl_with_its_challenge_and_the_buffers_behind_it() {
    let type3 = v("ntlmssp_type3_ntlmv2_mic");
    let mut c = Connection::default();
    c.say(ToServer, &v("ldap_bind_sasl_gss_spnego_type1"))
        .say(ToClient, &response(1, 14, b"", b"", &v("ntlmssp_type2")))
        .say(ToServer, &sasl(2, b"GSS-SPNEGO", &type3))
        .say(ToClient, &response(2, 0, b"", b"", b""))
        .say(ToServer, &v("ldap_sasl_buffer_ntlm_sealed"))
        .say(ToClient, &v("ldap_sasl_buffer_ntlm_sealed"))
        .say(ToServer, &message(9, 0x42, b""));
    assert_eq!(c.out.count(&["AuthResult("]), 1);
    assert_eq!(c.out.count(&["AuthResult(", "success: true"]), 1);
    assert_eq!(c.out.count(&["LdapBind(", "\"GSS-SPNEGO\""]), 2);
    assert_eq!(c.out.count(&["NtlmChallenge("]), 1);
    assert_eq!(c.out.count(&["Anomaly"]), 0, "{:#?}", c.out.0);
    let whole = sasl(2, b"GSS-SPNEGO", &type3);
    let id = format!("message_id: {}", crate::proto::identity(&[&whole]));
    assert_eq!(c.out.count(&["NtlmAuthenticate(", &id]), 1);
}

#[test]
fn passwords_are_not_looked_at() {
    let mut contents = vec![0x02, 0x01, 0x03, 0x04, 0x04];
    contents.extend(b"cn=a");
    contents.extend(tlv(0x80, b"hunter2"));
    let mut c = Connection::default();
    c.say(ToServer, &message(1, 0x60, &contents))
        .say(ToServer, &sasl(2, b"PLAIN", b"\0user\0hunter2"))
        .say(ToClient, &response(1, 49, b"", b"", b""));
    assert_eq!(c.out.count(&["hunter2"]), 0);
    assert_eq!(c.out.count(&["\"simple\"", "cn=a"]), 1);
    assert_eq!(c.out.count(&["\"PLAIN\""]), 1);
    assert_eq!(c.out.count(&["LdapResult(", "code: 49"]), 1);
    assert_eq!(c.out.count(&["AuthResult("]), 0);
}

#[test]
fn start_tls_ends_it() {
    let name = tlv(0x80, b"1.3.6.1.4.1.1466.20037");
    let answer = |code: u8| message(1, 0x78, &[0x0a, 1, code, 4, 0, 4, 0]);
    let mut c = Connection::default();
    c.say(ToServer, &message(1, 0x77, &name));
    c.say(ToClient, &answer(52));
    assert!(!c.pipes[1].done, "refused");
    c.say(ToClient, &answer(0));
    assert!(c.pipes[1].done);
}

#[test]
fn after_a_gap_the_next_message_counts() {
    let mut c = Connection::default();
    let search = message(1, 0x63, &[0x04; 100]);
    let mut tail = vec![0x30, 0x00, 0x30, 0x84, 0x02, 0x01];
    tail.extend(v("ldap_bind_sicily_discovery"));
    c.say(ToServer, &search[..50])
        .lose(ToServer, 40)
        .say(ToServer, &[0x04; 10])
        .lose(ToServer, 1000)
        .say(ToServer, &tail);
    assert_eq!(c.out.count(&["LdapBind("]), 1);
    // Sealed: only the front of a segment can be told.
    let sealed = v("ldap_sasl_buffer_ntlm_sealed");
    c.say(ToClient, &response(1, 0, b"", b"", b""))
        .lose(ToClient, 10)
        .say(ToClient, &sealed)
        .say(ToClient, &response(2, 0, b"", b"", b""));
    assert_eq!(c.out.count(&["LdapResult("]), 2);
    assert_eq!(c.out.count(&["Anomaly"]), 0);
}

#[test]
fn a_bind_that_is_too_long_is_passed_over() {
    let big = sasl(1, b"GSS-SPNEGO", &vec![0x60; 70_000]);
    let mut c = Connection::default();
    for piece in big.chunks(1460) {
        c.say(ToServer, piece);
    }
    c.say(ToServer, &v("ldap_bind_sicily_discovery"));
    assert_eq!(c.out.count(&["Anomaly", "too long"]), 1);
    assert_eq!(c.out.count(&["sicily-discovery"]), 1);
}

#[test]
fn damaged_binds_are_said_once_and_framing_holds() {
    let mut c = Connection::default();
    c.say(ToServer, &message(1, 0x60, &[0x02, 0x01]))
        .say(ToServer, &v("ldap_bind_sicily_discovery"))
        .say(ToServer, b"GET / HTTP/1.1\r\n\r\n")
        .say(ToServer, &v("ldap_bind_sicily_discovery"));
    assert_eq!(c.out.count(&["Anomaly"]), 2);
    assert_eq!(c.out.count(&["LdapBind("]), 2);
}

#[test]
fn the_vectors() {
    for v in vectors("ldap") {
        let mut c = Connection::default();
        c.say(ToServer, &v.bytes);
        let sicily = format!("\"sicily-{}\"", v.text("sicily"));
        let mech = format!("mechanism: \"{}\"", v.text("mech"));
        let ntlm = match v.number("ntlm") {
            Some(1) => "NtlmNegotiate(",
            Some(3) => "NtlmAuthenticate(",
            _ => "",
        };
        if v.expect["sasl_wrapped"] == true {
            assert!(c.out.0.is_empty(), "{}", v.name);
        } else if v.text("mech").is_empty() {
            assert_eq!(c.out.count(&["LdapBind(", &sicily]), 1, "{}", v.name);
        } else {
            assert_eq!(c.out.count(&["LdapBind(", &mech]), 1, "{}", v.name);
        }
        if !ntlm.is_empty() {
            assert_eq!(c.out.count(&[ntlm]), 1, "{}", v.name);
        }
        assert_eq!(c.pipes[0].kept, 0, "{}", v.name);
        for n in 0..v.bytes.len() {
            Connection::default().say(ToServer, &v.bytes[..n]);
        }
    }
}

#[test]
fn every_cut() {
    let all = sicily(0);
    let run = |cut: Option<(usize, usize)>| {
        let mut c = Connection::default();
        for (i, (way, bytes)) in all.iter().enumerate() {
            let at = match cut {
                Some((message, at)) if message == i => at,
                _ => 0,
            };
            let (a, b) = bytes.split_at(at);
            c.say(*way, a).say(*way, b);
        }
        c.out
    };
    let whole = run(None);
    for (i, (_, bytes)) in all.iter().enumerate() {
        for at in 1..bytes.len() {
            assert_eq!(run(Some((i, at))), whole, "message {i} cut at {at}");
        }
    }
}

proptest! {
    #[test]
    fn rubbish_does_no_harm(
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..10),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut c = Connection::default();
        for (way, mut bytes) in sicily(0) {
            for (at, b) in &flips {
                *at.get_mut(&mut bytes) = *b;
            }
            let (a, b) = bytes.split_at(cut.index(bytes.len()));
            c.say(way, a).say(way, b);
        }
    }
}
