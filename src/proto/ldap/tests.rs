//! Whole connections.

use proptest::prelude::*;

use super::*;
use crate::net::Direction::{self, ToClient, ToServer};
use crate::proto::testing::{self, vector, vectors};

type Connection = testing::Connection<Decoder>;

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
        (ToServer, search(4, &[b"cn"])),
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
            ("bind_response", 3),
            ("search_request", 1),
            ("search_result_done", 1),
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
    assert!(!c.shared.follows, "refused");
    c.say(ToClient, &answer(0));
    assert!(c.shared.follows);
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

/// A modify of one attribute with one value, as `pywhisker` and ntlmrelayx send it.
fn shadow_credentials(id: u8) -> Vec<u8> {
    let mut change = vec![0x0a, 0x01, 0x02]; // operation: replace
    let mut attribute = tlv(0x04, b"msDS-KeyCredentialLink"); // type
    attribute.extend(tlv(0x31, &tlv(0x04, b"B:828:never-to-be-seen:CN=DC01"))); // vals
    change.extend(tlv(0x30, &attribute));
    let mut contents = tlv(0x04, b"CN=DC01,DC=lab"); // object
    contents.extend(tlv(0x30, &tlv(0x30, &change))); // changes
    message(id, 0x66, &contents)
}

#[test]
fn changes_name_their_attributes_and_hide_their_values() {
    let attribute = |name: &[u8], values: &[&[u8]]| {
        let values: Vec<u8> = values.iter().flat_map(|v| tlv(0x04, v)).collect();
        tlv(0x30, &[tlv(0x04, name), tlv(0x31, &values)].concat())
    };
    let add = [
        tlv(0x04, b"CN=ABCDEFGH,CN=Computers,DC=lab"), // entry
        tlv(
            0x30,
            &[
                attribute(b"objectClass", &[b"top", b"computer"]),
                attribute(b"unicodePwd", &[b"never-to-be-seen"]),
                attribute(b"dNSHostName", &[b"dc1UWhRCAAAAAbAEAYBAAAA.lab"]),
            ]
            .concat(),
        ),
    ]
    .concat();
    let rename = [
        tlv(0x04, b"CN=a,DC=lab"),       // entry
        tlv(0x04, b"CN=srv1uwhrcaAAAA"), // newrdn, as a resolver spells it
        vec![0x01, 0x01, 0xff],          // deleteoldrdn: TRUE
        tlv(0x80, b"OU=b,DC=lab"),       // newSuperior
    ]
    .concat();
    let compare = [
        tlv(0x04, b"CN=a,DC=lab"),
        tlv(
            0x30,
            &[tlv(0x04, b"userPassword"), tlv(0x04, b"never-to-be-seen")].concat(),
        ),
    ]
    .concat();
    let mut c = Connection::default();
    c.say(ToServer, &shadow_credentials(1))
        .say(ToClient, &message(1, 0x67, &[0x0a, 1, 50, 4, 0, 4, 0]))
        .say(ToServer, &message(2, 0x68, &add))
        .say(ToClient, &message(2, 0x69, &[0x0a, 1, 0, 4, 0, 4, 0]))
        .say(ToServer, &message(3, 0x6c, &rename))
        .say(ToServer, &message(4, 0x4a, b"CN=gone,DC=lab"))
        .say(ToServer, &message(5, 0x6e, &compare))
        .say(ToServer, &message(6, 0x50, &[1, 2]))
        .say(ToServer, &message(7, 0x42, b""));
    for parts in [
        &[
            "modify_request",
            "CN=DC01,DC=lab",
            "Words(\"msDS-KeyCredentialLink\")",
            "Words(\"replace\")",
            "value_bytes: Some(30)",
        ][..],
        &["modify_response", "code: 50"],
        &[
            "add_request",
            "objectClass\\nunicodePwd\\ndNSHostName",
            "Words(\"top\\ncomputer\")",
            "value_count: Some(4)",
            "marshalled_target: Some(true)",
        ],
        &["add_response", "code: 0"],
        &[
            "mod_dn_request",
            "new_rdn: \"CN=srv1uwhrcaAAAA\"",
            "new_superior: \"OU=b,DC=lab\"",
            "marshalled_target: Some(true)",
            "delete_old_rdn: true",
        ],
        &["del_request", "CN=gone,DC=lab", "marshalled_target: None"],
        &["compare_request", "userPassword"],
        &["abandon_request", "abandoned: Some(258)"],
        &["unbind_request", "message_id: 7"],
    ] {
        assert_eq!(c.out.count(parts), 1, "{parts:?}: {:#?}", c.out.0);
    }
    assert_eq!(c.out.count(&["never-to-be-seen"]), 0);
    assert_eq!(c.out.count(&["Anomaly"]), 0);
}

/// Base, scope and filter of a search for certification authorities.
fn search(id: u8, attributes: &[&[u8]]) -> Vec<u8> {
    let equal = [
        tlv(0x04, b"objectClass"),
        tlv(0x04, b"pKIEnrollmentService"),
    ]
    .concat();
    let names: Vec<u8> = attributes.iter().flat_map(|a| tlv(0x04, a)).collect();
    let contents = [
        tlv(0x04, b"CN=Configuration,DC=lab"), // baseObject
        vec![0x0a, 1, 2, 0x0a, 1, 0],          // scope: wholeSubtree, derefAliases: never
        vec![0x02, 1, 0, 0x02, 1, 0],          // sizeLimit, timeLimit
        vec![0x01, 1, 0],                      // typesOnly: FALSE
        tlv(0xa3, &equal),                     // filter
        tlv(0x30, &names),                     // attributes
    ];
    message(id, 0x63, &contents.concat())
}

#[test]
fn searches_say_where_what_and_how_it_ended() {
    let mut c = Connection::default();
    c.say(ToServer, &search(1, &[b"dNSHostName", b"cACertificate"]))
        .say(ToClient, &message(1, 0x64, &[0x30; 3000]))
        .say(ToClient, &message(1, 0x65, &[0x0a, 1, 0, 4, 0, 4, 0]));
    let request = [
        "search_request",
        "object: \"CN=Configuration,DC=lab\"",
        "scope: \"subtree\"",
        "filter: \"(objectClass=pKIEnrollmentService)\"",
        "Words(\"dNSHostName\\ncACertificate\")",
        "sasl_layer: None",
    ];
    assert_eq!(c.out.count(&request), 1, "{:#?}", c.out.0);
    assert_eq!(c.out.count(&["search_result_done", "code: 0"]), 1);
    assert_eq!(c.out.0.len(), 2, "entries say nothing");
}

#[test]
fn a_long_list_of_attributes_is_cut() {
    let names: Vec<Vec<u8>> = (0..400)
        .map(|n| format!("attribute{n:09}").into_bytes())
        .collect();
    let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
    let mut c = Connection::default();
    c.say(ToServer, &search(1, &names));
    assert_eq!(c.out.count(&["attribute000000000"]), 1);
    assert_eq!(c.out.count(&["attribute000000200"]), 0);
    assert!(c.out.0[0].len() < 4096, "{}", c.out.0[0].len());
}

/// NTLM's signature and clear text in a SASL buffer (MS-NLMP 2.2.2.9.1).
fn signed(text: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(text.len() + 16)
        .unwrap()
        .to_be_bytes()
        .to_vec();
    out.extend([1, 0, 0, 0]); // version
    out.extend([0xab; 8]); // checksum
    out.extend([0; 4]); // sequence number
    out.extend(text);
    out
}

/// A bind whose AUTHENTICATE has these NegotiateFlags.
fn bind_with(flags: u32) -> Vec<(Direction, Vec<u8>)> {
    let mut type3 = v("ntlmssp_type3_ntlmv2_mic");
    type3[60..64].copy_from_slice(&flags.to_le_bytes());
    vec![
        (ToServer, v("ldap_bind_sasl_gss_spnego_type1")),
        (ToClient, response(1, 14, b"", b"", &v("ntlmssp_type2"))),
        (ToServer, sasl(2, b"GSS-SPNEGO", &type3)),
        (ToClient, response(2, 0, b"", b"", b"")),
    ]
}

/// A signed session: two messages in a buffer, an entry torn over two, a change, its answer.
fn signed_session() -> Vec<(Direction, Vec<u8>)> {
    let entry = message(3, 0x64, &[0x30; 3000]);
    let done = message(3, 0x65, &[0x0a, 1, 0, 4, 0, 4, 0]);
    let mut all = bind_with(0x10);
    all.extend([
        (ToServer, signed(&[search(3, &[]), search(4, &[])].concat())),
        (ToClient, signed(&entry[..2000])),
        (ToClient, signed(&[&entry[2000..], &done].concat())),
        (ToServer, signed(&shadow_credentials(5))),
        (
            ToClient,
            signed(&message(5, 0x67, &[0x0a, 1, 0, 4, 0, 4, 0])),
        ),
    ]);
    all
}

#[test]
fn the_layer_as_agreed_and_as_it_shows() {
    for (flags, layer) in [(0, "None"), (0x10, "Signed"), (0x30, "Sealed")] {
        let mut c = Connection::default();
        for (way, bytes) in bind_with(flags) {
            c.say(way, &bytes);
        }
        let said = format!("sasl_layer: {layer}");
        let result = ["bind_response", "message_id: 2,", &said];
        assert_eq!(c.out.count(&result), 1, "{flags:x}: {:#?}", c.out.0);
    }
    let mut c = Connection::default();
    for (way, bytes) in signed_session() {
        c.say(way, &bytes);
    }
    for (what, n) in [
        ("search_request", 2),
        ("search_result_done", 1),
        ("msDS-KeyCredentialLink", 1),
        ("modify_response", 1),
        ("Anomaly", 0),
    ] {
        assert_eq!(c.out.count(&[what]), n, "{what}: {:#?}", c.out.0);
    }
    assert_eq!(c.out.count(&["LdapRequest(", "sasl_layer: Signed"]), 3);
    assert!(c.pipes[1].kept < 100, "torn entries are passed over");
}

#[test]
fn a_gap_in_a_signed_session_costs_what_was_in_it() {
    let all = signed_session();
    for (way, lost) in [(ToServer, ToClient), (ToClient, ToServer)] {
        let mut c = Connection::default();
        for (from, bytes) in &all {
            if *from == lost {
                c.lose(*from, bytes.len() as u64);
            } else {
                c.say(*from, bytes);
            }
        }
        let seen = ["msDS-KeyCredentialLink", "modify_response"][way.index()];
        assert_eq!(c.out.count(&[seen]), 1, "{:#?}", c.out.0);
        assert_eq!(c.out.count(&["Anomaly"]), 0);
    }
}

#[test]
fn every_cut_of_a_signed_session() {
    let all = signed_session();
    let mut whole = Connection::default();
    for (way, bytes) in &all {
        whole.say(*way, bytes);
    }
    for (i, (_, bytes)) in all.iter().enumerate() {
        for at in 1..bytes.len() {
            let mut c = Connection::default();
            for (j, (way, bytes)) in all.iter().enumerate() {
                let (a, b) = bytes.split_at(if i == j { at } else { 0 });
                c.say(*way, a).say(*way, b);
            }
            assert_eq!(c.out, whole.out, "message {i} cut at {at}");
        }
    }
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
