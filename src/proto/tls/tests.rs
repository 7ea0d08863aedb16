//! Whole handshakes.

use proptest::prelude::*;

use super::Decoder;
use crate::net::Direction::{self, ToClient, ToServer};
use crate::proto::testing;

type Connection = testing::Connection<Decoder>;

fn sized(bytes: &[u8], octets: usize) -> Vec<u8> {
    let mut out = bytes.len().to_be_bytes()[8 - octets..].to_vec();
    out.extend(bytes);
    out
}

fn extension(kind: u16, contents: &[u8]) -> Vec<u8> {
    let mut out = kind.to_be_bytes().to_vec();
    out.extend(sized(contents, 2));
    out
}

fn words(all: &[u16]) -> Vec<u8> {
    all.iter().flat_map(|w| w.to_be_bytes()).collect()
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend(sized(body, 3));
    out
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind, 3, 3];
    out.extend(sized(body, 2));
    out
}

/// The hello that JA4's public description works through (Chrome), and its fingerprint.
const JA4: &str = "t13d1516h2_8daaf6152771_e5627efa2ab1";

fn client_hello() -> Vec<u8> {
    let mut body = vec![3, 3]; // legacy_version
    body.extend([7; 32]); // random
    body.extend(sized(&[9; 32], 1)); // session id
    body.extend(sized(
        &words(&[
            0x3a3a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013,
            0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
        ]),
        2,
    ));
    body.extend([1, 0]); // compression
    let mut name = vec![0];
    name.extend(sized(b"dc01.lab.example", 2));
    let algorithms = words(&[
        0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601,
    ]);
    let mut extensions = extension(0x5a5a, &[]); // GREASE
    extensions.extend(extension(0, &sized(&name, 2)));
    extensions.extend(extension(16, &sized(b"\x02h2\x08http/1.1", 2)));
    extensions.extend(extension(13, &sized(&algorithms, 2)));
    extensions.extend(extension(43, &sized(&words(&[0x6a6a, 0x0304, 0x0303]), 1)));
    for kind in [
        0x17, 0xff01, 0x0a, 0x0b, 0x23, 0x05, 0x12, 0x33, 0x2d, 0x1b, 0x4469, 0x15,
    ] {
        extensions.extend(extension(kind, &[]));
    }
    body.extend(sized(&extensions, 2));
    handshake(1, &body)
}

fn server_hello(extensions: &[u8]) -> Vec<u8> {
    let mut body = vec![3, 3]; // legacy_version
    body.extend([8; 32]); // random
    body.push(0); // session id
    body.extend([0xc0, 0x2f, 0]); // suite, compression
    body.extend(sized(extensions, 2));
    handshake(2, &body)
}

/// A self-signed certificate: CN=dc01.lab.example, DNS names dc01.lab.example and lab.example.
const CERTIFICATE: &[u8] = include_bytes!("../../../testdata/vectors/certificate.der");

fn certificate() -> Vec<u8> {
    handshake(11, &sized(&sized(CERTIFICATE, 3), 3))
}

/// TLS 1.2 with messages in records of their own, and one torn over two.
fn session() -> Vec<(Direction, Vec<u8>)> {
    let hello = client_hello();
    let certificate = certificate();
    let (a, b) = certificate.split_at(100);
    vec![
        (ToServer, record(0x16, &hello[..60])),
        (ToServer, record(0x16, &hello[60..])),
        (
            ToClient,
            record(
                0x16,
                &[&server_hello(&extension(16, b"\x00\x03\x02h2"))[..], a].concat(),
            ),
        ),
        (ToClient, record(0x16, b)),
        (ToClient, record(0x16, &handshake(14, b""))),
        (ToServer, record(0x14, &[1])),
    ]
}

#[test]
fn tls_1_2_shows_names_and_certificate() {
    let mut c = Connection::default();
    for (way, bytes) in session() {
        c.say(way, &bytes);
    }
    assert_eq!(c.out.0.len(), 1, "{:#?}", c.out.0);
    for part in [
        "server_name: \"dc01.lab.example\"",
        "version: \"TLS 1.2\"",
        "client_alpns: Words(\"h2\\nhttp/1.1\")",
        "server_alpns: Words(\"h2\")",
        &format!("ja4: \"{JA4}\""),
        "subject: \"CN=dc01.lab.example\"",
        "names: Words(\"dc01.lab.example\\nlab.example\")",
    ] {
        assert_eq!(c.out.count(&[part]), 1, "{part}: {:#?}", c.out.0);
    }
    assert!(c.pipes[1].done);
}

#[test]
fn tls_1_3_ends_with_the_servers_hello() {
    let mut c = Connection::default();
    c.say(ToServer, &record(0x16, &client_hello()));
    assert!(c.out.0.is_empty(), "not yet");
    c.say(
        ToClient,
        &record(0x16, &server_hello(&extension(43, &[3, 4]))),
    );
    assert_eq!(c.out.count(&["version: \"TLS 1.3\"", "subject: \"\""]), 1);
}

#[test]
fn one_direction_is_enough() {
    let mut c = Connection::default();
    c.say(ToServer, &record(0x16, &client_hello()))
        .lose(ToClient, 4000);
    assert_eq!(c.out.count(&["dc01.lab.example", "version: \"\""]), 1);
    let mut c = Connection::default();
    for (_, bytes) in session().iter().filter(|(way, _)| *way == ToClient) {
        c.say(ToClient, bytes);
    }
    assert_eq!(c.out.count(&["subject: \"CN=dc01", "ja4: \"\""]), 1);
}

#[test]
fn what_is_no_handshake_ends_it() {
    for bytes in [
        &[0x17, 3, 3, 0, 1, 9][..],
        b"GET / HTTP/1.1\r\n",
        &[0x16, 3, 3, 0xff, 0xff],
    ] {
        let mut c = Connection::default();
        c.say(ToClient, bytes);
        assert!(c.pipes[1].done);
        assert_eq!(c.out.count(&["Tls("]), 0);
    }
    // A message that never ends, in many records.
    let mut c = Connection::default();
    c.say(ToServer, &record(0x16, &[1, 0xff, 0xff, 0xff]));
    for _ in 0..100 {
        c.say(ToServer, &record(0x16, &[0; 1000]));
    }
    assert!(c.pipes[0].done);
    assert_eq!(c.out.count(&["Anomaly", "too long"]), 1);
}

#[test]
fn every_cut() {
    let all = session();
    let run = |cut: (usize, usize)| {
        let mut c = Connection::default();
        for (i, (way, bytes)) in all.iter().enumerate() {
            let (a, b) = bytes.split_at(if i == cut.0 { cut.1 } else { 0 });
            c.say(*way, a).say(*way, b);
        }
        c.out
    };
    let whole = run((0, 0));
    assert_eq!(whole.0.len(), 1);
    for (i, (_, bytes)) in all.iter().enumerate() {
        for at in 1..bytes.len() {
            assert_eq!(run((i, at)), whole, "record {i} cut at {at}");
        }
    }
}

proptest! {
    #[test]
    fn rubbish_does_no_harm(
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..10),
    ) {
        let mut c = Connection::default();
        for (way, mut bytes) in session() {
            for (at, b) in &flips {
                *at.get_mut(&mut bytes) = *b;
            }
            c.say(way, &bytes);
        }
        prop_assert!(c.out.0.len() <= 4);
    }
}
