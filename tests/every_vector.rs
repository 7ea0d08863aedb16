//! Every annotated PDU of `testdata/vectors/vectors.json`, through a whole session: under every cut into two, byte by
//! byte, with what the other direction said before lost, and again behind a hole in its own direction.
//!
//! What its decoder must read from it is in that decoder's own tests; here is one thing each, which must stay.

mod common;

use common::play::Play;
use common::vector;
use data_encoding::BASE64;
use relaywatch::event::{Event, Sink};
use relaywatch::net::{Addr, Direction, Endpoint, FlowKey, Transport};
use relaywatch::packet::Datagram;
use relaywatch::proto::{Session, Shared};

/// To the server and to the client, as [`Play`] names them.
const C: usize = 0;
const S: usize = 1;

/// A vector and where it is met.
struct Scene {
    vector: &'static str,
    port: u16,
    /// What was said before it.
    before: Vec<(usize, Vec<u8>)>,
    way: usize,
    bytes: Vec<u8>,
    /// Parts of the one event that it must give; none if nothing may be said of it.
    says: &'static [&'static str],
    /// The same if everything before it is lost.
    alone: &'static [&'static str],
}

fn scene(
    vector_: &'static str,
    port: u16,
    before: &[(usize, Vec<u8>)],
    way: usize,
    says: &'static [&'static str],
) -> Scene {
    Scene {
        vector: vector_,
        port,
        before: before.to_vec(),
        way,
        bytes: vector(vector_),
        says,
        alone: says,
    }
}

/// A token in a field of HTTP: a client's, or a server's.
fn in_http(way: usize, scheme: &str, token: &[u8]) -> Vec<u8> {
    let text = BASE64.encode(token);
    match way {
        C => format!("GET /x HTTP/1.1\r\nHost: h\r\nAuthorization: {scheme} {text}\r\n\r\n"),
        _ => format!(
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {scheme} {text}\r\nContent-Length: 0\r\n\r\n"
        ),
    }
    .into_bytes()
}

fn http(name: &'static str, way: usize, scheme: &str, says: &'static [&'static str]) -> Scene {
    let get = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n".to_vec();
    let before: &[(usize, Vec<u8>)] = match way {
        C => &[],
        _ => &[(C, get)],
    };
    let mut scene = scene(name, 80, before, way, says);
    scene.bytes = in_http(way, scheme, &scene.bytes);
    scene
}

/// Without its bind, a call has no interface and no path.
fn unbound(scene: Scene) -> Scene {
    let alone = &["RpcCall(", "interface: None", "opnum: 0", "path: None"];
    Scene { alone, ..scene }
}

fn scenes() -> Vec<Scene> {
    let bind = (C, vector("bind_efsrpc_ndr32"));
    let bound = [bind.clone()];
    let bound_twice = [(C, vector("bind_windows_style_3ctx_ntlm_privacy"))];
    let asked = [bind.clone(), (C, vector("request_EfsRpcOpenFileRaw_ndr32"))];
    let rts = "rts_CONN_A1";
    let smb = [(C, vector("smb2_session_setup_spnego_type1"))];
    let ldap = [(C, vector("ldap_bind_sasl_gss_spnego_type1"))];
    let sicily = [(C, vector("ldap_bind_sicily_discovery"))];
    let mut banner = scene(
        "ncacn_http_banner",
        593,
        &[],
        C,
        &["RpcBind(", "ncacn_http"],
    );
    banner.bytes.extend(bind.1);
    let request = &[
        "RpcCall(",
        "c681d488-d850-11d0-8c52-00c04fd90f7e",
        "opnum: 0",
    ];
    vec![
        banner,
        scene("bind_efsrpc_ndr32", 49_664, &[], C, &["RpcBind("]),
        scene(
            "bind_windows_style_3ctx_ntlm_privacy",
            49_664,
            &[],
            C,
            &["NtlmNegotiate("],
        ),
        Scene {
            alone: &[],
            ..scene(
                "bind_ack_ndr64_chosen",
                49_664,
                &bound_twice,
                S,
                &["RpcBind(", "accepted: Some(true)"],
            )
        },
        unbound(scene(
            "request_EfsRpcOpenFileRaw_ndr32",
            49_664,
            &bound,
            C,
            request,
        )),
        unbound(scene(
            "request_EfsRpcOpenFileRaw_ndr64",
            49_664,
            &bound_twice,
            C,
            request,
        )),
        unbound(scene(
            "request_EfsRpcOpenFileRaw_3_tiny_fragments",
            49_664,
            &bound,
            C,
            request,
        )),
        scene(
            "big_endian_bind_plus_EfsRpcOpenFileRaw",
            49_664,
            &[],
            C,
            request,
        ),
        scene(
            "request_object_uuid_RFFPCNEX_ndr32",
            49_664,
            &bound,
            C,
            &["RpcCall("],
        ),
        Scene {
            alone: &[],
            ..scene(
                "fault_access_denied",
                49_664,
                &asked,
                S,
                &["RpcResult(", "fault: Some("],
            )
        },
        scene(
            "alter_context_to_efsrpc_ctx1",
            49_664,
            &bound,
            C,
            &["RpcBind(", "call_id: 3"],
        ),
        http("ntlmssp_type1_impacket", C, "NTLM", &["NtlmNegotiate("]),
        http(
            "ntlmssp_type1_windows_style",
            C,
            "NTLM",
            &["NtlmNegotiate("],
        ),
        http("ntlmssp_type2", S, "NTLM", &["NtlmChallenge("]),
        http(
            "ntlmssp_type3_ntlmv2_mic",
            C,
            "NTLM",
            &["NtlmAuthenticate("],
        ),
        http("ntlmssp_type3_anonymous", C, "NTLM", &["NtlmAuthenticate("]),
        http(
            "spnego_negTokenInit_ntlm_type1",
            C,
            "Negotiate",
            &["NtlmNegotiate("],
        ),
        http(
            "spnego_negTokenResp_ntlm_type2",
            S,
            "Negotiate",
            &["NtlmChallenge("],
        ),
        http(
            "spnego_negTokenResp_ntlm_type3",
            C,
            "Negotiate",
            &["NtlmAuthenticate("],
        ),
        scene(
            "auth3_ntlm_type3",
            49_664,
            &bound,
            C,
            &["NtlmAuthenticate("],
        ),
        scene(
            "request_efs_ntlm_pkt_privacy",
            49_664,
            &bound,
            C,
            &["RpcCall("],
        ),
        unbound(scene(
            "request_efs_ntlm_pkt_integrity",
            49_664,
            &bound,
            C,
            request,
        )),
        scene(
            "request_with_verification_trailer",
            49_664,
            &bound,
            C,
            &["RpcCall("],
        ),
        scene(rts, 6001, &[], C, &[]),
        scene("rts_CONN_B1", 6001, &[], C, &[]),
        scene("rts_CONN_A2_proxy_to_server", 6001, &[], C, &[]),
        scene("rts_CONN_B2_proxy_to_server", 6001, &[], C, &[]),
        scene("rts_CONN_A3", 6001, &[(C, vector(rts))], S, &[]),
        scene("rts_CONN_C1_or_C2", 6001, &[(C, vector(rts))], S, &[]),
        scene("rts_FlowControlAckWithDestination", 6001, &[], C, &[]),
        scene("rts_Ping", 6001, &[], C, &[]),
        scene(
            "ept_lookup_request_all",
            135,
            &[],
            C,
            &["RpcCall(", "opnum: 2"],
        ),
        scene(
            "ept_map_request_tcp",
            135,
            &[],
            C,
            &["RpcCall(", "opnum: 3"],
        ),
        Scene {
            alone: &[],
            ..scene(
                "ept_map_response_2_towers",
                135,
                &[(C, vector("ept_map_request_tcp"))],
                S,
                &["RpcResult("],
            )
        },
        scene(
            "smb2_session_setup_spnego_type1",
            445,
            &[],
            C,
            &["NtlmNegotiate("],
        ),
        scene(
            "smb2_create_pipe_lsarpc",
            445,
            &[],
            C,
            &["SMB2_COMMAND_CREATE", "lsarpc"],
        ),
        scene(
            "smb2_ioctl_pipe_transceive_efs",
            445,
            &smb,
            C,
            &["RpcCall("],
        ),
        scene(
            "smb3_transform_header",
            445,
            &smb,
            C,
            &["SmbEncrypted(", "request_sizes: [96"],
        ),
        scene("smb3_compression_transform_unchained", 445, &smb, C, &[]),
        scene(
            "ldap_bind_sasl_gss_spnego_type1",
            389,
            &[],
            C,
            &["NtlmNegotiate("],
        ),
        scene(
            "ldap_bind_sicily_discovery",
            389,
            &[],
            C,
            &["LdapBind(", "sicily"],
        ),
        scene(
            "ldap_bind_sicily_negotiate_type1",
            389,
            &sicily,
            C,
            &["NtlmNegotiate("],
        ),
        scene(
            "ldap_bind_sicily_response_type3",
            389,
            &sicily,
            C,
            &["NtlmAuthenticate("],
        ),
        scene("ldap_sasl_buffer_ntlm_sealed", 389, &ldap, C, &[]),
        scene(
            "tds_sspi_message_type3",
            1433,
            &[],
            C,
            &["NtlmAuthenticate("],
        ),
        scene("smb1_trans_TransactNmPipe_efs", 445, &[], C, &["RpcCall("]),
        scene(
            "smb1_session_setup_andx_spnego_type1",
            445,
            &[],
            C,
            &["NtlmNegotiate("],
        ),
        scene("nmap_rpc_grind_onc_null_call", 49_664, &[], C, &[]),
        scene(
            "rpch_v2_impacket_IN_first_request",
            80,
            &[],
            C,
            &["HttpRequest("],
        ),
        scene(
            "rpch_v2_IN_second_request_with_body",
            80,
            &[],
            C,
            &["RpcBind("],
        ),
        http("spnego_ap_req_cifs", C, "Negotiate", &["KrbApReq("]),
        scene("krb5_as_req_timestamp", 88, &[], C, &["KrbRequest("]),
        scene("krb5_tgs_req_for_user", 88, &[], C, &["KrbRequest("]),
        scene("krb5_tgs_rep", 88, &[], S, &["KrbReply("]),
        scene("krb5_error_preauth_required", 88, &[], S, &["KrbReply("]),
    ]
}

/// Everything that was said, in the end.
fn play(scene: &Scene, before: impl Fn(usize) -> bool, pieces: &[&[u8]]) -> Vec<String> {
    let mut play = Play::new(scene.port);
    for (way, bytes) in &scene.before {
        if before(*way) {
            play.data(*way, bytes);
        } else {
            play.gap(*way, bytes.len() as u64);
        }
    }
    for piece in pieces {
        play.data(scene.way, piece);
    }
    play.end();
    play.heard.said
}

/// How often an event with these parts was said.
fn count(said: &[String], parts: &[&str]) -> usize {
    said.iter()
        .filter(|event| parts.iter().all(|part| event.contains(part)))
        .count()
}

/// What must be said once, or nothing more than what was said before.
fn assert_says(scene: &Scene, said: &[String], parts: &[&str], when: &str) {
    if parts.is_empty() {
        let before = play(scene, |_| true, &[]);
        assert!(
            said.iter().all(|event| before.contains(event)),
            "{} {when}: {said:#?}",
            scene.vector
        );
    } else {
        assert_eq!(count(said, parts), 1, "{} {when}: {said:#?}", scene.vector);
    }
}

#[test]
fn every_cut_says_the_same() {
    for scene in scenes() {
        let whole = play(&scene, |_| true, &[&scene.bytes]);
        assert_says(&scene, &whole, scene.says, "whole");
        for at in 1..scene.bytes.len() {
            let (a, b) = scene.bytes.split_at(at);
            let cut = play(&scene, |_| true, &[a, b]);
            assert_eq!(cut, whole, "{} cut at {at}", scene.vector);
        }
        let each: Vec<&[u8]> = scene.bytes.chunks(1).collect();
        let cut = play(&scene, |_| true, &each);
        assert_eq!(cut, whole, "{} byte by byte", scene.vector);
    }
}

#[test]
fn with_the_other_direction_lost() {
    for scene in scenes() {
        let said = play(&scene, |way| way == scene.way, &[&scene.bytes]);
        let opened = scene.before.iter().any(|(way, _)| *way == scene.way);
        let parts = if opened { scene.says } else { scene.alone };
        assert_says(&scene, &said, parts, "with the other direction lost");
    }
}

#[test]
fn with_all_before_it_lost() {
    for scene in scenes() {
        let said = play(&scene, |_| false, &[&scene.bytes]);
        assert_says(&scene, &said, scene.alone, "alone");
    }
}

/// Half of it is lost, and it is said again: the second time it is read.
#[test]
fn behind_a_hole_of_its_own() {
    for scene in scenes() {
        let half = scene.bytes.len() / 2;
        let mut play = Play::new(scene.port);
        for (way, bytes) in &scene.before {
            play.data(*way, bytes);
        }
        play.data(scene.way, &scene.bytes[..half]);
        play.gap(scene.way, (scene.bytes.len() - half) as u64);
        play.data(scene.way, &scene.bytes);
        play.end();
        let said = play.heard.said;
        assert!(
            scene.says.is_empty() || count(&said, scene.says) > 0,
            "{}: {said:#?}",
            scene.vector
        );
    }
}

/// A call without a connection is one datagram: cut short by a snapshot length it is no call, and does no harm.
#[test]
fn the_datagram_at_every_length() {
    #[derive(Default)]
    struct Said(Vec<String>);
    impl Sink for Said {
        fn event(&mut self, way: Direction, event: &Event<'_>) {
            self.0.push(format!("{} {event:?}", way.name()));
        }
    }
    let bytes = vector("cl_request_header_80_bytes");
    let client = Endpoint::new(Addr::v4([10, 0, 0, 9]), 50_000);
    let server = Endpoint::new(Addr::v4([10, 0, 0, 2]), 49_664);
    let (key, side) = FlowKey::new(client, server, Transport::Udp);
    let calls = |length: usize| {
        let (mut session, mut shared) = (Session::default(), Shared::default());
        let mut out = Said::default();
        let datagram = Datagram {
            bytes: &bytes[..length],
            missing: u32::try_from(bytes.len() - length).expect("small"),
            ..Datagram::default()
        };
        session.datagram(side, side, &key, datagram, &mut shared, &mut out);
        count(
            &out.0,
            &[
                "to_server RpcCall(",
                "c681d488-d850-11d0-8c52-00c04fd90f7e",
                "opnum: 0",
            ],
        )
    };
    assert_eq!(calls(bytes.len()), 1);
    for length in 0..80 {
        assert_eq!(calls(length), 0, "{length} bytes");
    }
}

#[test]
fn every_vector_is_here() {
    let text = std::fs::read_to_string(common::root().join("testdata/vectors/vectors.json"))
        .expect("the vectors are in the repository");
    let all: Vec<serde_json::Value> = serde_json::from_str(&text).expect("JSON");
    let mut here: Vec<&str> = scenes().iter().map(|s| s.vector).collect();
    here.push("cl_request_header_80_bytes");
    let names = all.iter().map(|v| v["name"].as_str().expect("a name"));
    let missing: Vec<&str> = names.filter(|name| !here.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
