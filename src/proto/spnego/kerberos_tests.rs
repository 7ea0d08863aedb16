//! Kerberos in every wrapping that carriers have.

use super::Negotiation;
use super::wire::carries_proof;
use crate::net::Direction::{ToClient, ToServer};
use crate::proto::krb5::tests::{AP_REQ, AT, KRB5, error, gss_token, tlv};
use crate::proto::krb5::wire::gss;
use crate::proto::testing::{Recorder, vectors};

/// As the first token of SPNEGO, with NTLM as the second choice.
fn spnego_init(token: &[u8]) -> Vec<u8> {
    let ntlm = [0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 0x0a];
    let mechs = tlv(0x30, &[&tlv(6, &[KRB5]), &tlv(6, &[&ntlm])]);
    let token = tlv(0xa2, &[&tlv(4, &[token])]);
    let init = tlv(0x30, &[&tlv(0xa0, &[&mechs]), &token]);
    tlv(
        0x60,
        &[&tlv(6, &[&[0x2b, 6, 1, 5, 5, 2]]), &tlv(0xa0, &[&init])],
    )
}

fn spnego_response(token: &[u8]) -> Vec<u8> {
    let token = tlv(0xa2, &[&tlv(4, &[token])]);
    tlv(0xa1, &[&tlv(0x30, &[&token])])
}

#[test]
fn every_wrapping_leads_to_it() {
    let raw = AP_REQ.to_vec();
    let token = gss_token(1, AP_REQ);
    for carried in [
        raw,
        token.clone(),
        spnego_init(&token),
        spnego_init(AP_REQ),
        spnego_response(&token),
    ] {
        assert!(carries_proof(&carried));
        let mut out = Recorder::default();
        Negotiation::default().token(&carried, &AT, ToServer, &mut out);
        let parts = [
            "to_server KrbApReq",
            "carrier: Smb",
            "realm: \"LAB\"",
            "sname: \"fs/x\"",
            "ticket_encryption: \"aes256-cts-hmac-sha1-96\"",
            "mutual: true",
            "session: 7",
            "ticket: <3 secret bytes>",
            "authenticator: <9 secret bytes>",
            "message_id: 3",
        ];
        assert_eq!(out.count(&parts), 1, "{:?}", out.0);
        assert_eq!(out.0.len(), 1);
    }
    assert!(!carries_proof(&gss_token(3, &error(37))));
    assert!(
        gss(b"\x60\x05\x06\x03\x2b\x06\x01").is_none(),
        "another mechanism"
    );
    assert!(gss(b"NTLMSSP\0").is_none());
}

#[test]
fn what_comes_of_it_is_said_once() {
    let rep = [0x6f, 0x02, 0x30, 0x00]; // AP-REP without what only the client can read
    let mut out = Recorder::default();
    let mut exchange = Negotiation::default();
    exchange.result(&AT, true, 0, ToClient, &mut out);
    assert!(out.0.is_empty(), "no verdict before an AP-REQ");
    exchange.token(&spnego_init(&gss_token(1, AP_REQ)), &AT, ToServer, &mut out);
    exchange.token(
        &spnego_response(&gss_token(2, &rep)),
        &AT,
        ToClient,
        &mut out,
    );
    exchange.result(&AT, true, 0, ToClient, &mut out);
    exchange.result(&AT, true, 0, ToClient, &mut out);
    let accepted = [
        "to_client KrbApResult",
        "\"accepted\"",
        "ap_rep: true",
        "status: Some(0)",
    ];
    assert_eq!(out.count(&accepted), 1, "{:?}", out.0);

    exchange.token(AP_REQ, &AT, ToServer, &mut out);
    exchange.token(
        &spnego_response(&gss_token(3, &error(37))),
        &AT,
        ToClient,
        &mut out,
    );
    exchange.result(&AT, false, 0xc000_006d, ToClient, &mut out);
    let refused = [
        "\"refused\"",
        "ap_rep: false",
        "error_code: Some(37)",
        "KRB_AP_ERR_SKEW",
    ];
    assert_eq!(out.count(&refused), 1, "{:?}", out.0);
    assert_eq!(out.0.len(), 4, "{:?}", out.0);

    exchange.token(AP_REQ, &AT, ToServer, &mut out);
    let ntlm = crate::proto::testing::vector("ntlmssp_type1_impacket").bytes;
    exchange.token(&ntlm, &AT, ToServer, &mut out);
    exchange.result(&AT, true, 0, ToClient, &mut out);
    assert_eq!(
        out.count(&["KrbApResult", "\"fallback\"", "status: None"]),
        1
    );
    assert_eq!(out.count(&["KrbApResult"]), 3);
}

#[test]
fn tokens_of_the_vectors() {
    for v in vectors("krb5-token") {
        let mut out = Recorder::default();
        Negotiation::default().token(&v.bytes, &AT, ToServer, &mut out);
        let parts = [
            format!("realm: {:?}", v.text("realm")),
            format!("sname: {:?}", v.text("sname")),
            format!("kvno: {:?}", v.number("kvno")),
            format!("ticket: <{} secret", v.number("ticket_len").unwrap()),
            format!(
                "authenticator: <{} secret",
                v.number("authenticator_len").unwrap()
            ),
        ];
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        assert_eq!(out.count(&parts), 1, "{}: {:#?}", v.name, out.0);
    }
}
