//! Every annotated PDU through a whole flow: under every cut, with either direction missing, and wrong.
//!
//! A PDU is said on the port of its protocol, after what it needs to be understood. What must hold: another
//! cutting says the same; what one direction says does not need the other; no bytes, in whatever
//! order and however damaged, do more than end in an anomaly or in silence.

use std::sync::Arc;

use super::*;
use crate::catalog::Catalog;
use crate::proto::testing::{Vector, all_vectors};

fn builtin() -> Arc<Catalog> {
    static BUILTIN: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(Catalog::builtin()));
    BUILTIN.clone()
}

impl Flow {
    fn pass(
        &mut self,
        way: Direction,
        piece: impl FnOnce(&mut Pipe, &mut dyn FnMut(Chunk<'_>) -> Progress),
    ) {
        let side = match way {
            ToServer => self.client,
            ToClient => self.client.other(),
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
        let mut decode =
            |chunk: Chunk<'_>| session.chunk(side, *initiator, key, chunk, shared, out);
        piece(&mut pipes[way.index()], &mut decode);
    }

    fn gap(&mut self, way: Direction, bytes: u64) {
        self.pass(way, |pipe, decode| pipe.gap(bytes, decode));
    }

    fn end(&mut self) {
        for way in [ToServer, ToClient] {
            self.pass(way, |pipe, decode| pipe.end(decode));
        }
    }
}

/// Everything that is said of a vector alone, by its layer.
struct Talk {
    name: String,
    port: u16,
    said: Vec<(Direction, Vec<u8>)>,
}

fn talk(vector: &Vector) -> Talk {
    let name = vector.name.as_str();
    let (port, before): (u16, &[(Direction, &str)]) = match vector.layer.as_str() {
        "dcerpc-co" => (
            ODD_PORT,
            match name {
                "bind_ack_ndr64_chosen" => &[(ToServer, "bind_windows_style_3ctx_ntlm_privacy")],
                "fault_access_denied" => &[
                    (ToServer, "bind_efsrpc_ndr32"),
                    (ToServer, "request_EfsRpcOpenFileRaw_ndr32"),
                ],
                n if n.starts_with("request") => &[(ToServer, "bind_efsrpc_ndr32")],
                _ => &[],
            },
        ),
        "epm" => (
            135,
            match name {
                "ept_map_response_2_towers" => &[(ToServer, "ept_map_request_tcp")],
                _ => &[],
            },
        ),
        "rpch" => (6001, &[]),
        "smb1" | "smb2" => (445, &[]),
        "ldap" => (389, &[]),
        "tds" => (1433, &[]),
        "krb5" => (88, &[]),
        "http" | "ntlmssp" | "spnego" | "krb5-token" => (80, &[]),
        // A banner alone, and datagrams, which are no stream: as nonsense on a port.
        _ => (ODD_PORT, &[]),
    };
    let to_client = [
        "ack",
        "fault",
        "response_2",
        "banner",
        "type2",
        "CONN_C",
        "CONN_A3",
        "tgs_rep",
        "preauth_required",
    ];
    let way = if to_client.iter().any(|part| name.contains(part)) {
        ToClient
    } else {
        ToServer
    };
    let mut said: Vec<(Direction, Vec<u8>)> = before
        .iter()
        .map(|(way, name)| (*way, crate::proto::testing::vector(name).bytes))
        .collect();
    said.push((way, carried(vector, way)));
    Talk {
        name: name.to_owned(),
        port,
        said,
    }
}

/// The bytes; those of a token in an HTTP head.
fn carried(vector: &Vector, way: Direction) -> Vec<u8> {
    let scheme = match vector.layer.as_str() {
        "ntlmssp" => "NTLM",
        "spnego" | "krb5-token" => "Negotiate",
        _ => return vector.bytes.clone(),
    };
    let token = data_encoding::BASE64.encode(&vector.bytes);
    match way {
        ToServer => format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: {scheme} {token}\r\n\r\n"),
        ToClient => format!(
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {scheme} {token}\r\nContent-Length: 0\r\n\r\n"
        ),
    }
    .into_bytes()
}

fn talks() -> Vec<Talk> {
    all_vectors().iter().map(talk).collect()
}

fn play<'a>(port: u16, pieces: impl IntoIterator<Item = (Direction, &'a [u8])>) -> Vec<String> {
    let mut flow = Flow::new(port, true);
    flow.shared.catalog = builtin();
    for (way, bytes) in pieces {
        flow.say(way, bytes);
    }
    flow.end();
    flow.out.0
}

fn borrowed(said: &[(Direction, Vec<u8>)]) -> impl Iterator<Item = (Direction, &[u8])> {
    said.iter().map(|(way, bytes)| (*way, bytes.as_slice()))
}

#[test]
fn every_cut_of_every_vector_says_the_same() {
    let talks = talks();
    assert_eq!(talks.len(), 56);
    for talk in talks {
        let whole = play(talk.port, borrowed(&talk.said));
        let (last, before) = talk.said.split_last().unwrap();
        for cut in 1..last.1.len() {
            let (a, b) = last.1.split_at(cut);
            let pieces = borrowed(before).chain([(last.0, a), (last.0, b)]);
            assert_eq!(play(talk.port, pieces), whole, "{} cut at {cut}", talk.name);
        }
        let bytewise = borrowed(&talk.said)
            .flat_map(|(way, bytes)| bytes.chunks(1).map(move |byte| (way, byte)));
        assert_eq!(
            play(talk.port, bytewise),
            whole,
            "{} byte by byte",
            talk.name
        );
    }
}

/// True if a vector may say nothing by itself: a banner, RTS PDUs, ciphertext, what is no stream, what is not ours.
fn may_be_silent(vector: &Vector) -> bool {
    ["tcp", "rpch", "dcerpc-cl", "onc-rpc", "tds"].contains(&vector.layer.as_str())
        || vector.name.starts_with("smb3_")
        || vector.name == "ldap_sasl_buffer_ntlm_sealed"
}

#[test]
fn a_vector_that_is_read_says_something() {
    for vector in all_vectors().iter().filter(|v| !may_be_silent(v)) {
        let talk = talk(vector);
        let heard = play(talk.port, borrowed(&talk.said));
        assert!(!heard.is_empty(), "{}", vector.name);
    }
}

/// Without one direction the other says what it said, or less of it; never more, except that a bind is then
/// not known to be accepted.
#[test]
fn either_direction_alone_says_no_more() {
    for talk in talks() {
        let whole = play(talk.port, borrowed(&talk.said));
        for lost in [ToServer, ToClient] {
            let left = borrowed(&talk.said).filter(|(way, _)| *way != lost);
            for event in play(talk.port, left) {
                // What an answer adds to an event of the other direction.
                let is_open = ["RpcBind(", "RpcCall(", "Anomaly("]
                    .iter()
                    .any(|kind| event.contains(kind));
                assert!(
                    whole.contains(&event) || is_open,
                    "{} without {}: {event}",
                    talk.name,
                    lost.name()
                );
            }
        }
    }
}

/// Cut off anywhere, gone on with anything: no panic, and what is kept and said stays within bounds.
#[test]
fn a_vector_cut_off_and_followed_by_another_does_no_harm() {
    let talks = talks();
    for (at, talk) in talks.iter().enumerate() {
        let other = &talks[(at * 7 + 3) % talks.len()];
        let (last, before) = talk.said.split_last().unwrap();
        for cut in 0..last.1.len() {
            let mut flow = Flow::new(talk.port, cut % 2 == 0);
            for (way, bytes) in borrowed(before) {
                flow.say(way, bytes);
            }
            flow.say(last.0, &last.1[..cut]);
            if cut % 3 == 0 {
                flow.gap(last.0, 5);
            }
            for (way, bytes) in borrowed(&other.said).chain(borrowed(&talk.said)) {
                flow.say(way, bytes);
            }
            flow.end();
            let came = 4 * (last.1.len() + other.said.iter().map(|s| s.1.len()).sum::<usize>());
            assert!(flow.out.0.len() <= came, "{} cut at {cut}", talk.name);
            assert!(flow.session.held() < 1 << 20, "{} cut at {cut}", talk.name);
        }
    }
}
