//! `testdata/vectors`: PDUs and stubs with what a decoder must make of them.

use serde::Deserialize;
use serde_json::Value;

use super::super::cl::ClHeader;
use super::super::stub::{Encoding, Found, read_path};
use super::super::wire::{self, AuthType, Bind, BindAck, ContextResult, Pdu, RequestHead};
use super::{CATALOG, Player, play, play_pipe};
use crate::net::Direction::{self, ToClient, ToServer};
use crate::proto::epm;
use crate::wire::Guid;

#[derive(Deserialize)]
struct Vector {
    name: String,
    layer: String,
    hex: String,
    expect: Value,
}

impl Vector {
    fn bytes(&self) -> Vec<u8> {
        data_encoding::HEXLOWER.decode(self.hex.as_bytes()).unwrap()
    }
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../../../../testdata/vectors/vectors.json")).unwrap()
}

fn vector(name: &str) -> Vec<u8> {
    vectors().iter().find(|v| v.name == name).unwrap().bytes()
}

#[derive(Deserialize)]
struct Stub {
    method: String,
    syntax: String,
    hex: String,
    expect: String,
}

fn stubs() -> Vec<Stub> {
    serde_json::from_str(include_str!("../../../../testdata/vectors/stubs.json")).unwrap()
}

#[test]
fn none_is_missing() {
    assert_eq!(vectors().len(), 56);
    assert_eq!(stubs().len(), 107);
    let of = |layer| vectors().iter().filter(|v| v.layer == layer).count();
    assert_eq!((of("dcerpc-co"), of("epm"), of("dcerpc-cl")), (14, 3, 1));
}

#[test]
fn every_stub_gives_its_path() {
    let catalog = &*CATALOG;
    let methods = catalog.methods();
    for stub in stubs() {
        let (_, method) = methods.iter().find(|(_, m)| m.id == stub.method).unwrap();
        let bytes = data_encoding::HEXLOWER.decode(stub.hex.as_bytes()).unwrap();
        let encoding = Encoding {
            ndr64: stub.syntax == "ndr64",
            big_endian: false,
        };
        let mut path = String::new();
        let found = read_path(method, &bytes, encoding, &mut path);
        let what = format!("{} {}", stub.method, stub.syntax);
        assert_eq!(found, Some(Found::Layout), "{what}");
        assert_eq!(path, stub.expect, "{what}");
        let host = method.path_host(&path).host;
        let literal = stub.expect.contains("192.0.2.66").then_some("192.0.2.66");
        assert!(
            literal.is_none() || host.as_deref() == literal,
            "{what}: {host:?}"
        );
        // No prefix of it panics, and none that fits gives another path.
        for cut in 0..bytes.len() {
            if read_path(method, &bytes[..cut], encoding, &mut path) == Some(Found::Layout) {
                assert!(
                    stub.expect.starts_with(&path),
                    "{what} cut at {cut}: {path}"
                );
            }
        }
    }
}

/// A bind to `interface` on context 0 and its acceptance, so that a lone request has a context.
fn bound(interface: &str, ndr64: bool) -> [(Direction, Vec<u8>); 2] {
    let mut bind = vector("bind_efsrpc_ndr32");
    let mut ack = vector("bind_ack_ndr64_chosen");
    let uuid: Guid = interface.parse().unwrap();
    let b = uuid.0.to_be_bytes();
    let le = [
        b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13],
        b[14], b[15],
    ];
    bind[32..48].copy_from_slice(&le);
    bind[12] = 2; // the call id of the answer
    // The answer's first result becomes the second one: accepted, with NDR64.
    let (accepted, ndr) = (ack[68..92].to_vec(), bind[52..72].to_vec());
    ack[44..68].copy_from_slice(&accepted);
    if !ndr64 {
        ack[48..68].copy_from_slice(&ndr);
    }
    ack[40] = 1;
    [(ToServer, bind), (ToClient, ack)]
}

fn borrowed(pieces: &[(Direction, Vec<u8>)]) -> Vec<(Direction, &[u8])> {
    pieces.iter().map(|(d, b)| (*d, &**b)).collect()
}

const EFS: &str = "c681d488-d850-11d0-8c52-00c04fd90f7e";
const SPOOLSS: &str = "12345678-1234-abcd-ef00-0123456789ab";

/// The conversation around a vector that is a call: a bind before it, unless it has its own or
/// says itself what it calls.
fn conversation(vector: &Vector) -> Vec<(Direction, Vec<u8>)> {
    let name = &*vector.name;
    let context_1 = || {
        // Windows' bind, whose second context is the one accepted.
        let bind = self::vector("bind_windows_style_3ctx_ntlm_privacy");
        vec![
            (ToServer, bind),
            (ToClient, self::vector("bind_ack_ndr64_chosen")),
        ]
    };
    let mut pieces = match name {
        "request_EfsRpcOpenFileRaw_ndr64" => context_1(),
        n if n.starts_with("request_object") => bound(SPOOLSS, false).to_vec(),
        n if n.contains("verification") => vec![],
        n if n.starts_with("request") => bound(EFS, false).to_vec(),
        n if n.starts_with("ept") => bound("e1af8308-5d1f-11c9-91a4-08002b14a0fa", false).to_vec(),
        "fault_access_denied" => {
            let mut pieces = bound(EFS, false).to_vec();
            pieces.push((ToServer, self::vector("request_EfsRpcOpenFileRaw_ndr32")));
            pieces
        }
        _ => vec![],
    };
    let to_client = name.contains("ack") || name.contains("fault") || name.contains("response");
    let direction = if to_client { ToClient } else { ToServer };
    pieces.push((direction, vector.bytes()));
    pieces
}

fn ours() -> Vec<Vector> {
    let layers = ["dcerpc-co", "epm"];
    let all = vectors().into_iter();
    all.filter(|v| layers.contains(&&*v.layer)).collect()
}

#[test]
fn every_pdu_gives_what_it_should() {
    for vector in ours() {
        let (name, expect) = (&*vector.name, &vector.expect);
        let bytes = vector.bytes();
        let log = play(&borrowed(&conversation(&vector)));
        let said = |part: &str| {
            assert!(
                log.iter().any(|l| l.contains(part)),
                "{name}: no {part} in {log:#?}"
            );
        };
        assert!(
            !log.iter().any(|l| l.contains("anomaly")),
            "{name}: {log:#?}"
        );

        for (key, value) in expect.as_object().unwrap() {
            let number = value.as_u64().unwrap_or_default();
            let text = value.as_str().unwrap_or_default();
            let pdu = Pdu::read(&bytes).unwrap();
            match &**key {
                "iface" => said(text),
                "opnum" => said(&format!("op={number} ")),
                "unc" => said(&format!("path={:?}", Some(text))),
                "stub_visible" => said(&format!("sealed={}", !value.as_bool().unwrap())),
                "stub_len_net" => said(&format!("len={number} ")),
                "stub_hex" => said(&format!("len={} ", text.len() / 2)),
                "status" => said(&format!("fault=Some({number})")),
                "ntlm" => {
                    let token = pdu.auth.unwrap();
                    assert_eq!(token.auth_type, AuthType::Ntlm);
                    assert_eq!(u64::from(token.value[8]), number, "{name}");
                }
                "auth_type" => said(&format!("auth=Some({number})/")),
                "auth_level" => said(&format!("/Some({number})")),
                "ctx" | "adds_ctx" => {
                    let offers = Bind::read(&pdu).unwrap().offers();
                    let ids: Vec<u64> = offers.map(|o| o.unwrap().id.into()).collect();
                    assert_eq!(ids, [number], "{name}");
                }
                "ctxs" => {
                    let offers: Vec<_> = Bind::read(&pdu)
                        .unwrap()
                        .offers()
                        .map(Result::unwrap)
                        .collect();
                    assert_eq!(offers.len() as u64, number);
                    assert_eq!(
                        offers
                            .iter()
                            .map(|o| (o.only_ndr64, o.features_only))
                            .collect::<Vec<_>>(),
                        [(false, false), (true, false), (false, true)]
                    );
                }
                "accepted_ctx" => {
                    let answers: Vec<_> = BindAck::read(&pdu).unwrap().answers().collect();
                    let at = answers
                        .iter()
                        .position(|a| a.result == ContextResult::Acceptance);
                    assert_eq!(at.map(|at| at as u64), Some(number));
                    assert_eq!(answers[2].result, ContextResult::NegotiateAck);
                }
                "transfer" if text == "NDR64" && name.starts_with("bind_ack") => {
                    let answers: Vec<_> = BindAck::read(&pdu).unwrap().answers().collect();
                    assert_eq!(answers[1].transfer.uuid, wire::NDR64);
                }
                "transfer" if name.starts_with("bind") => {
                    let offer = Bind::read(&pdu).unwrap().offers().next().unwrap().unwrap();
                    assert_eq!(offer.only_ndr64, text == "NDR64");
                }
                "transfer" => said(&format!("ndr64={}", text == "NDR64")),
                "asks_for" => {
                    let head = RequestHead::read(&pdu.header, &bytes).unwrap();
                    let tower = epm::wire::map_request(
                        wire::stub(&pdu, head.stub_at),
                        epm::wire::Form::default(),
                    )
                    .unwrap();
                    assert_eq!(tower.interface.to_string(), text);
                }
                "learned" => {
                    let towers =
                        epm::wire::map_response(wire::stub(&pdu, 24), epm::wire::Form::default())
                            .unwrap()
                            .collect::<crate::wire::Result<Vec<_>>>()
                            .unwrap();
                    let learned: Vec<Value> = towers
                        .iter()
                        .map(|t| {
                            serde_json::json!({
                                "iface": t.interface.to_string(), "proto": t.protocol.to_string(),
                                "port": t.port, "ip": t.address.unwrap().to_string(),
                            })
                        })
                        .collect();
                    assert_eq!(&Value::from(learned), value);
                }
                other => panic!("{name}: {other} is not checked"),
            }
        }
    }
}

#[test]
fn the_connectionless_header_gives_what_it_should() {
    let all = vectors();
    let vector = all.iter().find(|v| v.layer == "dcerpc-cl").unwrap();
    let bytes = vector.bytes();
    let header = ClHeader::read(&bytes).unwrap();
    assert_eq!(
        header.interface.to_string(),
        vector.expect["iface"].as_str().unwrap()
    );
    assert_eq!(
        u64::from(header.opnum),
        vector.expect["opnum"].as_u64().unwrap()
    );
    assert_eq!(header.body.len(), 56);
    for cut in 0..bytes.len() {
        assert!(ClHeader::read(&bytes[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn any_cut_gives_the_same_events() {
    for vector in ours() {
        let pieces = conversation(&vector);
        let pieces = borrowed(&pieces);
        let whole = play(&pieces);
        let (last, before) = pieces.split_last().unwrap();
        for cut in 1..last.1.len() {
            let (a, b) = last.1.split_at(cut);
            let mut cut_pieces = before.to_vec();
            cut_pieces.extend([(last.0, a), (last.0, b)]);
            assert_eq!(play(&cut_pieces), whole, "{} cut at {cut}", vector.name);
        }
        for size in [1, 2, 3, 7, 16, 17, 1 << 20] {
            assert_eq!(
                play_pipe(&pieces, size),
                whole,
                "{} by {size} through a pipe",
                vector.name
            );
        }
        let bytewise: Vec<_> = pieces
            .iter()
            .flat_map(|(d, b)| b.chunks(1).map(move |c| (*d, c)))
            .collect();
        assert_eq!(play(&bytewise), whole, "{} byte by byte", vector.name);
    }
}

#[test]
fn prefixes_and_flipped_bytes_do_no_harm() {
    let mut seed = 0x2545_f491_4f6c_dd1du64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed >> 32).unwrap()
    };
    for vector in ours() {
        let pieces = conversation(&vector);
        let (last, before) = pieces.split_last().unwrap();
        let feed = |bytes: &[u8]| {
            let mut player = Player::new();
            for (direction, bytes) in before {
                player.send(*direction, bytes);
            }
            for direction in [last.0, last.0.reverse()] {
                player.send(direction, bytes);
            }
            player.gap(last.0, 1);
            player.send(last.0, &last.1);
            player.end();
        };
        for cut in 0..last.1.len() {
            feed(&last.1[..cut]);
        }
        for _ in 0..200 {
            let mut bytes = last.1.clone();
            for _ in 0..=random() % 4 {
                let at = random() % bytes.len();
                bytes[at] = u8::try_from(random() % 256).unwrap();
            }
            feed(&bytes);
        }
    }
}
