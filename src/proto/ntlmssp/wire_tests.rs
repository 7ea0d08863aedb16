use proptest::prelude::*;

use super::*;
use crate::proto::testing::{vector, vectors};

fn negotiate(message: &[u8]) -> Negotiate<'_> {
    match Message::read(message) {
        Ok(Message::Negotiate(m)) => m,
        other => panic!("{other:?}"),
    }
}

fn challenge(message: &[u8]) -> Challenge<'_> {
    match Message::read(message) {
        Ok(Message::Challenge(m)) => m,
        other => panic!("{other:?}"),
    }
}

fn authenticate(message: &[u8]) -> Authenticate<'_> {
    match Message::read(message) {
        Ok(Message::Authenticate(m)) => m,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_vector_has_its_type() {
    for v in vectors("ntlmssp") {
        assert_eq!(message_type(&v.bytes), v.number("type"), "{}", v.name);
        assert!(Message::read(&v.bytes).is_ok(), "{}", v.name);
    }
}

#[test]
fn negotiate_of_impacket_and_of_windows() {
    let v = vector("ntlmssp_type1_impacket");
    let m = negotiate(&v.bytes);
    assert_eq!(Some(m.flags), v.number("flags"));
    assert_eq!(m.version, None);

    let v = vector("ntlmssp_type1_windows_style");
    let version = negotiate(&v.bytes).version.unwrap();
    let Version {
        major,
        minor,
        build,
        revision,
    } = version;
    assert_eq!(format!("{major}.{minor}.{build}"), v.text("version"));
    assert_eq!(revision, 15);
}

#[test]
fn negotiate_with_oem_names_and_one_that_ends_after_the_flags() {
    let m = b"NTLMSSP\0\
        \x01\0\0\0\
        \x01\x30\0\0\
        \x04\0\x04\0\x24\0\0\0\
        \x04\0\x04\0\x20\0\0\0\
        WKS7CORP"; // type, flags (Unicode: means nothing here), domain at 36, workstation at 32
    let m = negotiate(m);
    assert!(m.domain == "CORP" && m.workstation == "WKS7");
    assert!(!negotiate(b"NTLMSSP\0\x01\0\0\0\x01\x02\0\0").damaged);
}

#[test]
fn challenge_with_its_names() {
    let v = vector("ntlmssp_type2");
    let m = challenge(&v.bytes);
    let hex = data_encoding::HEXLOWER.encode(&m.server_challenge);
    assert_eq!(hex, v.text("server_challenge"));
    assert!(m.target_info.text(av::NB_COMPUTER_NAME) == v.text("nb_computer"));
    assert!(m.target_info.text(av::DNS_COMPUTER_NAME) == v.text("dns_computer"));
    assert!(m.target_name == "CORP");
    assert_eq!(m.version.map(|v| v.build), Some(20348));
}

#[test]
fn challenge_of_an_old_server_has_no_target_info() {
    let m = b"NTLMSSP\0\
        \x02\0\0\0\
        \x03\0\x03\0\x20\0\0\0\
        \x02\x02\0\0\
        12345678\
        OLD"; // target name at 32, OEM; the challenge is the last fixed field
    let m = challenge(m);
    assert_eq!(&m.server_challenge, b"12345678");
    assert!(m.target_name == "OLD");
    assert_eq!(m.target_info.count(), 0);
}

#[test]
fn authenticate_v2_with_mic() {
    let v = vector("ntlmssp_type3_ntlmv2_mic");
    let m = authenticate(&v.bytes);
    assert!(m.user == v.text("user"));
    assert!(m.domain == v.text("domain"));
    assert!(m.workstation == v.text("workstation"));
    assert_eq!(m.response().name(), v.text("ntlm"));
    let pairs = m.blob().unwrap().av_pairs;
    assert!(pairs.text(av::TARGET_NAME) == v.text("target_spn"));
    assert!(pairs.find(av::CHANNEL_BINDINGS).is_some());
    assert!(!pairs.has_channel_bindings(), "sixteen zeros are none");
    assert_eq!(pairs.flags(), av::FLAG_MIC);
    assert_eq!(m.mic_state(pairs.flags()), Mic::Present);
    assert!(!m.anonymous() && !m.damaged);
}

#[test]
fn anonymous_by_the_servers_rule() {
    let v = vector("ntlmssp_type3_anonymous");
    let m = authenticate(&v.bytes);
    assert_eq!(Some(m.anonymous()), v.expect["anonymous"].as_bool());
    assert_eq!(m.response(), Response::None);
    assert_eq!(m.flags, 0xa088_0a05);

    let mut claimed = v.bytes.clone();
    claimed[64] = 1; // the LM response is no longer Z(1)
    assert!(!authenticate(&claimed).anonymous(), "the flag is not asked");
}

#[test]
fn a_promised_mic_that_is_zero_or_cut_out_is_stripped() {
    let mut zeroed = vector("ntlmssp_type3_ntlmv2_mic").bytes;
    zeroed[72..88].fill(0);
    assert_eq!(authenticate(&zeroed).mic_state(av::FLAG_MIC), Mic::Stripped);
    assert_eq!(authenticate(&zeroed).mic_state(0), Mic::Absent);

    // As `ntlmrelayx --remove-mic` does: VERSION and MIC are taken out, the payload moves to 64.
    let whole = vector("ntlmssp_type3_ntlmv2_mic").bytes;
    let mut cut = [&whole[..64], &whole[88..]].concat();
    for field in [12, 20, 28, 36, 44, 52] {
        let offset = u32::from_le_bytes(cut[field + 4..field + 8].try_into().unwrap()) - 24;
        cut[field + 4..field + 8].copy_from_slice(&offset.to_le_bytes());
    }
    let m = authenticate(&cut);
    assert!(m.user == "alice" && m.mic.is_none());
    let flags = m.blob().unwrap().av_pairs.flags();
    assert_eq!(m.mic_state(flags), Mic::Stripped);
    assert_eq!(m.version, None, "the payload stands where VERSION was");
}

/// A type 3 whose fixed part has this many bytes, with user `Bob` and the given responses.
fn type3(fixed: usize, flags: u32, lm: &[u8], nt: &[u8], user: &[u8]) -> Vec<u8> {
    let mut message = b"NTLMSSP\0\x03\0\0\0".to_vec();
    let mut payload: Vec<u8> = Vec::new();
    for field in [lm, nt, &[], user, &[], &[]] {
        let length = u16::try_from(field.len()).unwrap().to_le_bytes();
        let offset = u32::try_from(fixed + payload.len()).unwrap().to_le_bytes();
        message.extend([length, length].concat());
        message.extend(offset);
        payload.extend(field);
    }
    message.extend(flags.to_le_bytes());
    message.resize(fixed, 0);
    message.extend(payload);
    message
}

#[test]
fn very_old_messages_without_flags() {
    for fixed in [52, 60] {
        let oem = type3(fixed, 0, &[1; 24], &[2; 24], b"Bob");
        let m = authenticate(&oem);
        assert!(m.user == "Bob" && m.flags == 0, "{fixed}");
        let unicode = type3(fixed, 0, &[1; 24], &[2; 24], b"B\0o\0b\0");
        assert!(authenticate(&unicode).user == "Bob", "{fixed}");
    }
}

#[test]
fn kinds_of_response() {
    let ess = [&[7; 8][..], &[0; 16]].concat();
    let cases: [(u32, &[u8], &[u8], &str); 7] = [
        (0, &[1; 24], &[2; 24], "v1"),
        (0x0008_0000, &ess, &[2; 24], "v1-ess"),
        (0x0008_0000, &[1; 24], &[2; 24], "v1"),
        (0, &ess, &[2; 24], "v1"),
        (0, &[1; 24], &[], "v1"),
        (0, &[], &[2; 60], "v2"),
        (0, &[], &[], "none"),
    ];
    for (flags, lm, nt, name) in cases {
        let message = type3(64, flags, lm, nt, b"Bob");
        assert_eq!(authenticate(&message).response().name(), name);
    }
}

#[test]
fn encoding_is_what_the_flags_say() {
    let oem = type3(64, 0x0000_0002, &[], &[], b"B\0o");
    assert!(authenticate(&oem).user == "B", "OEM text ends at a zero");
    let unicode = type3(64, flag::UNICODE, &[], &[], b"B\0o\0");
    assert!(authenticate(&unicode).user == "Bo");
}

#[test]
fn av_lists_without_end_and_without_anything() {
    let list = [
        0x01, 0x00, 0x02, 0x00, b'S', 0, // computer name, one letter
        0x06, 0x00, 0x04, 0x00, 2, 0, 0, 0, // flags; no EOL follows
    ];
    let pairs = AvPairs::new(&list);
    assert_eq!(pairs.count(), 2);
    assert_eq!(pairs.flags(), 2);
    assert_eq!(AvPairs::new(&[]).count(), 0);
    let ended = [0, 0, 0, 0, 6, 0, 4, 0, 2, 0, 0, 0];
    assert_eq!(AvPairs::new(&ended).flags(), 0, "nothing follows EOL");
    let overlong = [1, 0, 0xff, 0xff, b'S', 0];
    assert_eq!(AvPairs::new(&overlong).count(), 0);
}

#[test]
fn a_field_that_points_outside_hides_no_other() {
    let mut message = vector("ntlmssp_type3_ntlmv2_mic").bytes;
    message[48..52].fill(0xff); // workstation offset
    let m = authenticate(&message);
    assert!(m.damaged && m.workstation.is_empty());
    assert!(m.user == "alice");
}

#[test]
fn no_secret_is_shown_by_debug() {
    let v = vector("ntlmssp_type3_ntlmv2_mic");
    let m = authenticate(&v.bytes);
    let shown = format!("{m:?} {:?}", m.blob());
    assert!(
        !shown.contains("170, 170") && !shown.contains("alice"),
        "{shown}"
    );
}

#[test]
fn no_prefix_panics() {
    for v in vectors("ntlmssp") {
        for n in 0..v.bytes.len() {
            let _ = Message::read(&v.bytes[..n]).map(|m| format!("{m:?}"));
        }
    }
}

proptest! {
    #[test]
    fn no_flip_panics(which in 0_usize..5, flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = vectors("ntlmssp").swap_remove(which).bytes;
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(Message::Authenticate(m)) = Message::read(&bytes) {
            let pairs = m.blob().map(|b| b.av_pairs.map(|(id, v)| (id, v.len())).collect::<Vec<_>>());
            prop_assert!(pairs.is_none_or(|p| p.len() <= bytes.len()));
        }
    }
}
