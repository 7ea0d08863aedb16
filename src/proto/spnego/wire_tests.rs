use proptest::prelude::*;

use super::*;
use crate::event::Carrier;
use crate::net::Direction;
use crate::proto::spnego::{Negotiation, TokenAt};
use crate::proto::testing::{Recorder, vector, vectors};

const AT: TokenAt = TokenAt {
    carrier: Carrier::Http,
    session: 7,
    server_guid: None,
    message_id: 0,
    session_id: 0,
};

#[test]
fn every_vector_has_its_message_inside() {
    for v in vectors("spnego") {
        let kind = v.text("inner").strip_prefix("ntlmssp type ").unwrap();
        let kind: u32 = kind.parse().unwrap();
        let inner = ntlm_message(&v.bytes).unwrap();
        assert_eq!(message_type(inner), Some(kind), "{}", v.name);
        assert_eq!(carries_proof(&v.bytes), kind == 3);
    }
}

#[test]
fn first_token_names_its_mechanisms() {
    let v = vector("spnego_negTokenInit_ntlm_type1");
    let token = Token::read(&v.bytes).unwrap();
    assert!(!token.response);
    assert_eq!(token.mechs().collect::<Vec<_>>(), [Mech::Ntlm]);
}

#[test]
fn response_has_a_state_and_a_mechanism() {
    let v = vector("spnego_negTokenResp_ntlm_type2");
    let token = Token::read(&v.bytes).unwrap();
    assert!(token.response);
    assert_eq!(v.number("negState"), Some(1));
    assert_eq!(token.state, Some(NegState::Incomplete));
    assert_eq!(token.supported_mech, Some(Mech::Ntlm));
}

#[test]
fn hint_of_an_smb_server_with_long_lengths() {
    let hint = [
        0x60, 0x84, 0, 0, 0, 0x34, // [APPLICATION 0], length as Active Directory writes it
        0x06, 0x06, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x02, // SPNEGO
        0xa0, 0x2a, 0x30, 0x28, // negTokenInit2
        0xa0, 0x19, 0x30, 0x17, // mechTypes
        0x06, 0x09, 0x2a, 0x86, 0x48, 0x82, 0xf7, 0x12, 1, 2, 2, // Kerberos, Windows 2000's
        0x06, 0x0a, 0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 0x1e, // NEGOEX
        0xa3, 0x0b, 0x30, 0x09, 0xa0, 0x07, 0x1b, 0x05, // negHints, hintName, GeneralString
        b'n', b'o', b't', b'_', b'd',
    ];
    let token = Token::read(&hint).unwrap();
    assert!(token.hints && !token.mech_list_mic);
    assert_eq!(
        token.mechs().collect::<Vec<_>>(),
        [Mech::Kerberos, Mech::NegoEx]
    );
    assert_eq!(ntlm_message(&hint), None);
}

#[test]
fn last_token_has_only_a_state_and_a_mic() {
    let last = [
        0xa1, 0x12, 0x30, 0x10, // negTokenResp
        0xa0, 0x03, 0x0a, 0x01, 0x00, // accept-completed
        0xa3, 0x09, 0x04, 0x07, 1, 2, 3, 4, 5, 6, 7, // mechListMIC
    ];
    let token = Token::read(&last).unwrap();
    assert_eq!(token.state, Some(NegState::Completed));
    assert!(token.mech_list_mic && token.token.is_none());
}

#[test]
fn raw_messages_and_broken_wrappers() {
    let raw = vector("ntlmssp_type2").bytes;
    assert_eq!(ntlm_message(&raw), Some(&raw[..]));
    let mut broken = vector("spnego_negTokenResp_ntlm_type2").bytes;
    broken[2] = 0x7f; // the outer length is wrong now
    assert!(Token::read(&broken).is_err());
    assert_eq!(
        ntlm_message(&broken),
        Some(&raw[..]),
        "found by its signature"
    );
    assert_eq!(ntlm_message(b"\x60\x03\x06\x01\x2a kerberos"), None);
}

#[test]
fn an_exchange_and_another_on_the_same_connection() {
    let one = vector("spnego_negTokenInit_ntlm_type1").bytes;
    let two = vector("spnego_negTokenResp_ntlm_type2").bytes;
    let three = vector("spnego_negTokenResp_ntlm_type3").bytes;
    let mut out = Recorder::default();
    let mut exchange = Negotiation::default();
    let (c2s, s2c) = (Direction::ToServer, Direction::ToClient);
    exchange.result(&AT, true, 200, s2c, &mut out);
    assert!(out.0.is_empty(), "no verdict before an AUTHENTICATE");

    exchange.token(&one, &AT, c2s, &mut out);
    exchange.token(&two, &AT, s2c, &mut out);
    exchange.token(&three, &AT, c2s, &mut out);
    exchange.result(&AT, false, 401, s2c, &mut out);
    exchange.result(&AT, false, 401, s2c, &mut out);
    assert_eq!(out.0.len(), 4, "{:#?}", out.0);
    let challenge = "server_challenge: Some([1, 35, 69, 103, 137, 171, 205, 239])";
    assert_eq!(
        out.count(&["to_server NtlmAuthenticate", challenge, "mic: Present"]),
        1
    );
    assert_eq!(
        out.count(&["to_client AuthResult", "success: false, code: 401"]),
        1
    );

    // The second exchange lost its challenge: it must not inherit the first one's.
    exchange.token(&three, &AT, c2s, &mut out);
    assert_eq!(
        out.count(&["NtlmAuthenticate", "server_challenge: None"]),
        1
    );
    exchange.token(&one, &AT, c2s, &mut out);
    exchange.result(&AT, true, 200, s2c, &mut out);
    assert_eq!(out.count(&["AuthResult"]), 1, "a new NEGOTIATE starts over");
}

#[test]
fn a_cut_message_is_an_anomaly() {
    let mut out = Recorder::default();
    let cut = &vector("ntlmssp_type2").bytes[..20];
    Negotiation::default().token(cut, &AT, Direction::ToClient, &mut out);
    assert_eq!(out.count(&["Anomaly", "\"http\"", "too short"]), 1);
}

#[test]
fn no_prefix_panics() {
    for v in vectors("spnego") {
        for n in 0..v.bytes.len() {
            let mut out = Recorder::default();
            Negotiation::default().token(&v.bytes[..n], &AT, Direction::ToServer, &mut out);
        }
    }
}

proptest! {
    #[test]
    fn no_flip_panics(which in 0_usize..3, flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = vectors("spnego").swap_remove(which).bytes;
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let mut out = Recorder::default();
        Negotiation::default().token(&bytes, &AT, Direction::ToServer, &mut out);
        prop_assert!(out.0.len() <= 2);
    }
}
