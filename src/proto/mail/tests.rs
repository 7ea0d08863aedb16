//! Whole logons.

use proptest::prelude::*;

use super::{Decoder, Kind, begins};
use crate::net::Direction::{self, ToClient, ToServer};
use crate::proto::testing::{self, vector};

type Connection = testing::Connection<Decoder>;

fn connection(kind: Kind) -> Connection {
    Connection::of(Decoder::new(kind))
}

fn b64(name: &str) -> String {
    data_encoding::BASE64.encode(&vector(name).bytes)
}

/// A logon with NTLM of each protocol, as MS-SMTPNTLM 4, MS-OXIMAP 4 and MS-OXPOP3 4 show it.
fn logon(kind: Kind, success: bool) -> Vec<(Direction, Vec<u8>)> {
    let (one, two, three) = (
        b64("ntlmssp_type1_impacket"),
        b64("ntlmssp_type2"),
        b64("ntlmssp_type3_ntlmv2_mic"),
    );
    let lines: Vec<(Direction, String)> = match kind {
        Kind::Smtp => vec![
            (ToClient, "220 mx.example ESMTP".into()),
            (ToServer, "EHLO client".into()),
            (ToClient, "250-mx.example\r\n250 AUTH NTLM".into()),
            (ToServer, "AUTH NTLM".into()),
            (ToClient, "334 ntlm supported".into()),
            (ToServer, one),
            (ToClient, format!("334 {two}")),
            (ToServer, three),
            (
                ToClient,
                if success {
                    "235 2.7.0 welcome"
                } else {
                    "535 5.7.3 no"
                }
                .into(),
            ),
            (ToServer, "MAIL FROM:<somebody@example>".into()),
        ],
        Kind::Imap => vec![
            (ToClient, "* OK ready".into()),
            (ToServer, "a1 CAPABILITY".into()),
            (
                ToClient,
                "* CAPABILITY IMAP4rev1 AUTH=NTLM\r\na1 OK done".into(),
            ),
            (ToServer, format!("a2 AUTHENTICATE NTLM {one}")),
            (ToClient, format!("+ {two}")),
            (ToServer, three),
            (
                ToClient,
                if success {
                    "a2 OK welcome"
                } else {
                    "a2 NO sorry"
                }
                .into(),
            ),
            (ToServer, "a3 SELECT inbox".into()),
        ],
        Kind::Pop3 => vec![
            (ToClient, "+OK ready".into()),
            (ToServer, "AUTH NTLM".into()),
            (ToClient, "+".into()),
            (ToServer, one),
            (ToClient, format!("+ {two}")),
            (ToServer, three),
            (
                ToClient,
                if success { "+OK welcome" } else { "-ERR sorry" }.into(),
            ),
            (ToServer, "STAT".into()),
        ],
    };
    lines
        .into_iter()
        .map(|(way, text)| (way, format!("{text}\r\n").into_bytes()))
        .collect()
}

const KINDS: [Kind; 3] = [Kind::Smtp, Kind::Imap, Kind::Pop3];

#[test]
fn ntlm_from_greeting_to_verdict() {
    for kind in KINDS {
        for success in [true, false] {
            let mut c = connection(kind);
            for (way, bytes) in logon(kind, success) {
                c.say(way, &bytes);
            }
            let verdict = format!("success: {success}");
            for (what, n) in [
                ("NtlmNegotiate(", 1),
                ("NtlmChallenge(", 1),
                ("NtlmAuthenticate(", 1),
                ("user: \"alice\"", 1),
                ("AuthResult(", 1),
                (&*verdict, 1),
                ("somebody@example", 0),
                ("Anomaly", 0),
            ] {
                assert_eq!(c.out.count(&[what]), n, "{kind:?} {what}: {:#?}", c.out.0);
            }
            assert!(c.pipes[0].done || c.pipes[1].done, "{kind:?}");
        }
    }
}

#[test]
fn passwords_are_not_looked_at() {
    for (kind, lines) in [
        (
            Kind::Smtp,
            "AUTH PLAIN AGEAaHVudGVyMg==\r\nAUTH LOGIN\r\nYQ==\r\naHVudGVyMg==\r\n",
        ),
        (Kind::Imap, "a LOGIN user hunter2\r\n"),
        (Kind::Pop3, "USER a\r\nPASS hunter2\r\n"),
    ] {
        let mut c = connection(kind);
        c.say(ToServer, lines.as_bytes());
        assert!(c.out.0.is_empty(), "{:#?}", c.out.0);
    }
}

#[test]
fn starttls_hands_on_unless_refused() {
    for (kind, ask, no, yes) in [
        (Kind::Smtp, "STARTTLS", "454 no", "220 go"),
        (Kind::Imap, "a STARTTLS", "a BAD no", "a OK go"),
        (Kind::Pop3, "STLS", "-ERR no", "+OK go"),
    ] {
        let line = |text: &str| format!("{text}\r\n").into_bytes();
        let mut c = connection(kind);
        c.say(ToServer, &line(ask)).say(ToClient, &line(no));
        assert!(!c.shared.follows);
        c.say(ToServer, &line(ask)).say(ToClient, &line(yes));
        assert!(c.shared.follows, "{kind:?}");
    }
}

#[test]
fn either_direction_alone() {
    for kind in KINDS {
        for (lost, seen) in [(ToServer, 0), (ToClient, 1)] {
            let mut c = connection(kind);
            for (way, bytes) in logon(kind, true) {
                if way == lost {
                    c.lose(way, bytes.len() as u64);
                } else {
                    c.say(way, &bytes);
                }
            }
            // A server's token is only one as the answer to a client's.
            assert_eq!(c.out.count(&["NtlmAuthenticate("]), seen, "{kind:?}");
            assert_eq!(c.out.count(&["Anomaly"]), 0);
        }
    }
}

/// A logon was refused and the refusal lost: the next one is read all the same.
#[test]
fn a_lost_verdict_does_not_hide_the_next_logon() {
    for kind in KINDS {
        let mut c = connection(kind);
        let talk = logon(kind, false);
        let verdict = talk.len() - 2;
        for (i, (way, bytes)) in talk.iter().enumerate().take(verdict + 1) {
            if i == verdict {
                c.lose(*way, bytes.len() as u64);
            } else {
                c.say(*way, bytes);
            }
        }
        // What stands behind a hole may be the rest of a line, so one is passed over.
        c.say(ToClient, b"* 1 EXISTS\r\n");
        let again = logon(kind, true);
        let asks = |(way, text): &(Direction, Vec<u8>)| {
            *way == ToServer && String::from_utf8_lossy(text).contains("AUTH")
        };
        let auth = again.iter().position(asks).expect("a logon");
        for (way, bytes) in &again[auth..] {
            c.say(*way, bytes);
        }
        for (what, n) in [
            ("NtlmNegotiate(", 2),
            ("NtlmAuthenticate(", 2),
            ("success: true", 1),
            ("success: false", 0),
        ] {
            assert_eq!(c.out.count(&[what]), n, "{kind:?} {what}: {:#?}", c.out.0);
        }
    }
}

#[test]
fn endless_lines_are_passed_over() {
    let mut c = connection(Kind::Smtp);
    for _ in 0..40 {
        c.say(ToServer, &[b'x'; 1000]);
    }
    c.say(ToServer, b"\r\nEHLO client\r\n");
    assert_eq!(c.out.count(&["Anomaly", "too long"]), 1);
    assert!(c.pipes[0].kept < 40_000 && !c.pipes[0].done);
}

#[test]
fn first_bytes() {
    for (kind, bytes, way) in [
        (Kind::Smtp, &b"EHLO x\r\n"[..], Some(ToServer)),
        (
            Kind::Smtp,
            b"220 mx.example ESMTP ready\r\n",
            Some(ToClient),
        ),
        (Kind::Smtp, b"220 ftp.example ready\r\n", None),
        (Kind::Imap, b"* OK ready\r\n", Some(ToClient)),
        (Kind::Pop3, b"+OK ready\r\n", Some(ToClient)),
        (Kind::Pop3, b"GET / HTTP/1.1\r\n", None),
    ] {
        assert_eq!(begins(kind, bytes), Some(way), "{bytes:?}");
        for cut in 0..bytes.len() {
            let got = begins(kind, &bytes[..cut]);
            assert!(got.is_none() || got == Some(way), "{:?}", &bytes[..cut]);
        }
    }
}

#[test]
fn every_cut() {
    for kind in KINDS {
        let all = logon(kind, true);
        let run = |cut: (usize, usize)| {
            let mut c = connection(kind);
            for (i, (way, bytes)) in all.iter().enumerate() {
                let (a, b) = bytes.split_at(if i == cut.0 { cut.1 } else { 0 });
                c.say(*way, a).say(*way, b);
            }
            c.out
        };
        let whole = run((0, 0));
        for (i, (_, bytes)) in all.iter().enumerate() {
            for at in 1..bytes.len() {
                assert_eq!(run((i, at)), whole, "{kind:?} line {i} cut at {at}");
            }
        }
    }
}

proptest! {
    #[test]
    fn damage_does_no_harm(
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..10),
    ) {
        for kind in KINDS {
            let mut c = connection(kind);
            for (way, mut bytes) in logon(kind, true) {
                for (at, b) in &flips {
                    *at.get_mut(&mut bytes) = *b;
                }
                c.say(way, &bytes);
            }
        }
    }
}
