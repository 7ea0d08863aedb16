//! `relaywatch posture` from packets: every kind of weakness once where it is, and not where it is not.
//!
//! What the recorded captures show is what the lab's scenarios say (`testdata/README.md`); what no free program does any
//! more, or only a network of its own could show, is made here byte by byte.

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use common::synth::{ACK, PSH_ACK, Pcap, SYN, Tcp};
use common::{lines, relaywatch, root};

/// Kind, host, and with whom; the list that an administrator gets.
type Weakness = (String, String, Vec<String>);

fn posture(capture: &Path, more: &[&str]) -> Vec<Weakness> {
    let mut args = vec!["-q", "-r", capture.to_str().unwrap()];
    args.extend(more);
    args.extend(["posture", "--json"]);
    let out = relaywatch(&args);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{said}");
    let text = |v: &serde_json::Value| v.as_str().unwrap_or_default().to_owned();
    lines(&out.stdout)
        .iter()
        .map(|line| {
            let p = &line["posture"];
            let others = p["others"].as_array().into_iter().flatten().map(text);
            (text(&p["kind"]), text(&p["host"]), others.collect())
        })
        .collect()
}

/// Of a committed capture, without those that every use of NTLM is.
fn recorded(name: &str, more: &[&str]) -> Vec<Weakness> {
    let file = root().join(format!("testdata/captures/{name}.pcap"));
    let mut all = posture(&file, more);
    all.retain(|(kind, ..)| kind != "ntlm_client");
    all
}

fn weak(kind: &str, host: &str, others: &[&str]) -> Weakness {
    let others = others.iter().map(|o| (*o).to_owned()).collect();
    (kind.to_owned(), host.to_owned(), others)
}

/// Hosts of the lab.
const DC: &str = "10.10.0.10";
const SRV: &str = "10.10.0.20";
const CA: &str = "10.10.0.30";
const USER: &str = "10.10.0.50";
const ATTACKER: &str = "10.10.0.66";

#[test]
fn ldap_without_signing_and_with() {
    let found = recorded("ldap_ntlm", &[]);
    assert_eq!(found, [weak("ldap_unsigned", DC, &[USER])]);
    // The same relay once to a directory that takes it, and once to one that wants signatures and refuses.
    let kinds = |name| -> BTreeSet<String> {
        let all = recorded(name, &[]).into_iter();
        all.map(|(kind, ..)| kind).collect()
    };
    assert!(kinds("relay_smb_ldap").contains("ldap_unsigned"));
    assert!(!kinds("relay_smb_ldap_signing").contains("ldap_unsigned"));
}

#[test]
fn certificate_enrolment_in_clear() {
    let found = recorded("relay_smb_http_adcs", &[]);
    for weakness in [
        weak("adcs_web_http", CA, &[ATTACKER]),
        weak("http_unbound", CA, &[ATTACKER]),
        weak("tier0_clients", CA, &[ATTACKER]),
        weak("smb_unsigned", SRV, &[ATTACKER]),
    ] {
        assert!(found.contains(&weakness), "{weakness:?} of {found:?}");
    }
    // Through TLS nothing of it is seen, and nothing is said.
    let found = recorded("one_leg_https_adcs", &[]);
    assert!(found.iter().all(|(_, host, _)| host != CA), "{found:?}");
}

#[test]
fn smb_that_wants_signatures_is_no_weakness() {
    // The member server lets clients choose, the domain controller does not.
    let found = recorded("kerberos_only", &[]);
    assert_eq!(found, [weak("smb_unsigned", "10.10.0.21", &[USER])]);
    for (kind, host, _) in recorded("dcsync_pipe", &[]) {
        assert!((kind.as_str(), host.as_str()) != ("smb_unsigned", DC));
    }
}

#[test]
fn rpc_from_outside_only() {
    let exposed = |nets: &[&str]| -> Vec<Weakness> {
        let mut all = recorded("recon_rpcdump", nets);
        all.retain(|(kind, ..)| kind == "rpc_exposed");
        all
    };
    assert_eq!(exposed(&[]), [], "all of the lab is at home");
    let outside = exposed(&["--home-net", "10.10.0.0/26"]);
    assert_eq!(outside.len(), 1, "{outside:?}");
    assert_eq!(outside[0].2, [ATTACKER], "66 is outside of /26");
}

/// One conversation of a client at 10.0.0.5 with a server at 10.0.0.9: requests, and answers when empty.
fn conversation(port: u16, turns: &[(Vec<u8>, Vec<u8>)]) -> tempfile::NamedTempFile {
    let mut pcap = Pcap::new();
    let mut client = Tcp {
        src: [10, 0, 0, 5],
        dst: [10, 0, 0, 9],
        sport: 50_000,
        dport: port,
        seq: 1_000,
        ack: 0,
    };
    let mut server = Tcp {
        src: [10, 0, 0, 9],
        dst: [10, 0, 0, 5],
        sport: port,
        dport: 50_000,
        seq: 9_000,
        ack: 1_001,
    };
    pcap.tcp(&mut client, SYN, &[]);
    pcap.tcp(&mut server, SYN | ACK, &[]);
    client.ack = server.seq;
    pcap.tcp(&mut client, ACK, &[]);
    for (request, answer) in turns {
        pcap.tcp(&mut client, PSH_ACK, request);
        server.ack = client.seq;
        pcap.tcp(&mut server, PSH_ACK, answer);
        client.ack = server.seq;
    }
    let file = tempfile::Builder::new().suffix(".pcap").tempfile().unwrap();
    std::fs::write(file.path(), &pcap.bytes).unwrap();
    file
}

/// A BER element with a short length.
fn ber(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
}

/// RFC 4511 4.2: a simple bind, and the answer that takes it.
#[test]
fn a_password_over_ldap() {
    let bind = |name: &[u8], password: &[u8]| {
        let body = [ber(2, &[3]), ber(4, name), ber(0x80, password)].concat();
        ber(0x30, &[ber(2, &[1]), ber(0x60, &body)].concat())
    };
    let result = [ber(10, &[0]), ber(4, b""), ber(4, b"")].concat();
    let taken = ber(0x30, &[ber(2, &[1]), ber(0x61, &result)].concat());
    let file = conversation(389, &[(bind(b"cn=app,dc=lab", b"secret"), taken.clone())]);
    let found = posture(file.path(), &[]);
    assert_eq!(found, [weak("ldap_simple", "10.0.0.9", &["10.0.0.5"])]);
    // Nobody's bind shows no password.
    let file = conversation(389, &[(bind(b"", b""), taken)]);
    assert_eq!(posture(file.path(), &[]), []);
}

/// MS-NLMP 2.2.1.3: an AUTHENTICATE of `LAB\bob` with this NT response and no LM response.
fn authenticate(response: &[u8]) -> Vec<u8> {
    let payload = [b"LABbob".as_slice(), response].concat();
    let field = |len: usize, at: u32| {
        let len = u16::try_from(len).unwrap().to_le_bytes();
        [len, len].concat().into_iter().chain(at.to_le_bytes())
    };
    let start = 64_u32;
    let mut message = b"NTLMSSP\0\x03\0\0\0".to_vec();
    message.extend(field(0, start)); // LM
    message.extend(field(response.len(), start + 6));
    message.extend(field(3, start)); // domain, OEM characters
    message.extend(field(3, start + 3)); // user
    message.extend(field(0, start)); // workstation
    message.extend(field(0, start)); // session key
    message.extend(0x0000_0202_u32.to_le_bytes()); // NTLM, OEM
    message.extend(payload);
    message
}

/// Over HTTP (MS-NTHT): a 24-byte response is NTLMv1's (MS-NLMP 2.2.2.6), a longer one NTLMv2's (2.2.2.8).
#[test]
fn who_still_uses_ntlm_version_1() {
    let request = |response: &[u8]| {
        let token = data_encoding::BASE64.encode(&authenticate(response));
        format!("GET / HTTP/1.1\r\nHost: app\r\nAuthorization: NTLM {token}\r\n\r\n").into_bytes()
    };
    let taken = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec();
    let kinds = |response: &[u8]| -> Vec<Weakness> {
        let file = conversation(80, &[(request(response), taken.clone())]);
        posture(file.path(), &[])
    };
    let unbound = weak("http_unbound", "10.0.0.9", &["10.0.0.5"]);
    let client = |kind| weak(kind, "10.0.0.5", &["10.0.0.9"]);
    assert_eq!(kinds(&[7; 24]), [unbound.clone(), client("ntlm_v1")]);
    // NTProofStr, version 1.1, no target information but its end.
    let mut second = vec![7; 16];
    second.extend([1, 1, 0, 0, 0, 0, 0, 0]);
    second.extend([8; 16]); // time, client challenge
    second.extend([0; 8]); // reserved, MsvAvEOL
    second.extend([0; 4]);
    assert_eq!(kinds(&second), [unbound, client("ntlm_client")]);
}
