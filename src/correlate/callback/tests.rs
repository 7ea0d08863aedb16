//! Calls and what their victims did next.

use crate::correlate::story::*;
use crate::correlate::{Declared, DeclaredHost};
use crate::event::{Carrier, Finding, HostRole, Seen};
use crate::net::Addr;

/// The attacker calls at 100 ms; the victim logs on at `to` on a connection opened at `opened`.
fn told(declared: &Declared, path: Option<&str>, to: [u8; 4], opened: u64, user: &str) -> Story {
    let mut story = Story::with(declared);
    story.tell(
        100,
        flow(1, ATTACKER, VICTIM, 445),
        efs_call(path, path.is_none(), 1),
    );
    logon(&mut story, 2, to, opened, user);
    story.end(opened + 20_000)
}

fn logon(story: &mut Story, id: u64, to: [u8; 4], opened: u64, user: &str) {
    let mut leg = flow(id, VICTIM, to, 445);
    leg.first_ts = Story::at(opened);
    let mut auth = authentication(Carrier::Smb, 9, 9);
    auth.user = user.to_owned();
    auth.anonymous = user.is_empty();
    story.tell(opened + 5, leg, Seen::Authenticate(Box::new(auth)));
}

fn callback(story: &Story) -> Option<Finding> {
    let mut found = story.findings();
    found.retain(|f| f.detector == "RW-08");
    assert!(found.len() <= 1, "{found:?}");
    found.first().map(|f| Finding::clone(f))
}

#[test]
fn a_named_listener_is_called_back() {
    let story = told(
        &Declared::default(),
        Some("\\\\10.0.0.66\\x\\y"),
        ATTACKER,
        102,
        "SRV$",
    );
    let f = callback(&story).unwrap();
    assert_eq!((f.confidence, f.callback_ms), ("high", Some(2)));
    assert_eq!(f.victim, Some(Addr::v4(VICTIM)));
    assert_eq!(f.listener, Some(Addr::v4(ATTACKER)));
    assert_eq!(f.path_owner, "caller");
}

#[test]
fn what_is_no_callback() {
    let path = Some("\\\\10.0.0.66\\x\\y");
    for (why, path, to, opened, user) in [
        ("another host than the one named", path, OTHER, 102, "SRV$"),
        (
            "a connection from before the call",
            path,
            ATTACKER,
            50,
            "SRV$",
        ),
        ("too late", path, ATTACKER, 10_200, "SRV$"),
        ("a person who works there", path, ATTACKER, 102, "alice"),
        (
            "the path is the server's own",
            Some("\\\\10.0.0.20\\x"),
            ATTACKER,
            102,
            "SRV$",
        ),
        ("a local path", Some("C:\\x\\y"), ATTACKER, 102, "SRV$"),
    ] {
        let story = told(&Declared::default(), path, to, opened, user);
        assert!(callback(&story).is_none(), "{why}");
    }
}

#[test]
fn a_sealed_call_is_joined_by_its_caller_or_by_a_new_listener() {
    let none = Declared::default();
    let to_caller = callback(&told(&none, None, ATTACKER, 102, "SRV$")).unwrap();
    assert_eq!(
        (to_caller.confidence, to_caller.path_owner),
        ("medium", "caller")
    );
    let anonymous = callback(&told(&none, None, ATTACKER, 102, "")).unwrap();
    assert_eq!(
        anonymous.confidence, "medium",
        "the first attempt is often anonymous"
    );
    let to_new = callback(&told(&none, None, OTHER, 102, "SRV$")).unwrap();
    assert_eq!((to_new.confidence, to_new.path_owner), ("low", "other"));
    let dc = Declared {
        hosts: vec![DeclaredHost {
            name: "dc".into(),
            addresses: vec![OTHER.into()],
            roles: HostRole::Dc.into(),
        }],
        ..Declared::default()
    };
    assert!(
        callback(&told(&dc, None, OTHER, 102, "SRV$")).is_none(),
        "every host asks its DC"
    );
}

/// A file server the victim uses every day is no listener of an unreadable call.
#[test]
fn habit_is_no_callback() {
    let mut story = Story::new();
    logon(&mut story, 7, OTHER, 0, "SRV$");
    story.tell(
        60_000,
        flow(1, ATTACKER, VICTIM, 445),
        efs_call(None, true, 1),
    );
    logon(&mut story, 8, OTHER, 60_002, "SRV$");
    assert!(callback(&story.end(90_000)).is_none());
}

/// The victim answers the call after it tried the path: whichever is seen first, one finding.
#[test]
fn the_order_of_answer_and_logon_does_not_matter() {
    for answer_first in [true, false] {
        let mut story = Story::new();
        let rpc = flow(1, ATTACKER, VICTIM, 445);
        story.tell(100, rpc, efs_call(Some("\\\\10.0.0.66\\x"), false, 1));
        let answer = Seen::Answer {
            association: 0,
            call_id: 1,
            fault: None,
            status: Some(0x35),
        };
        if answer_first {
            story.tell(101, rpc, answer);
            logon(&mut story, 2, ATTACKER, 102, "SRV$");
        } else {
            logon(&mut story, 2, ATTACKER, 102, "SRV$");
            story.tell(120, rpc, answer);
        }
        let story = story.end(2_000);
        assert!(callback(&story).is_some(), "{answer_first}");
        assert_eq!(story.findings().len(), 2, "{answer_first}");
    }
}

#[test]
fn a_tier_zero_host_at_a_new_place() {
    let tier0 = Declared {
        hosts: vec![DeclaredHost {
            name: "srv".into(),
            addresses: vec![VICTIM.into()],
            roles: HostRole::Ca.into(),
        }],
        ..Declared::default()
    };
    let outbound = |declared: &Declared, user: &str| {
        let mut story = Story::with(declared);
        logon(&mut story, 1, OTHER, 0, user);
        logon(&mut story, 2, OTHER, 60_000, user);
        let found = story.end(90_000);
        found
            .findings()
            .iter()
            .filter(|f| f.detector == "RW-10")
            .count()
    };
    assert_eq!(outbound(&tier0, "SRV$"), 1, "the second time it is habit");
    assert_eq!(outbound(&tier0, "alice"), 0);
    assert_eq!(outbound(&Declared::default(), "SRV$"), 0);
}

/// A path may name an IPv6 address while the call comes over IPv4: the called host then goes there from its own
/// IPv6 address, and only the account says whose that is.
#[test]
fn a_callback_from_another_address_of_the_called_host() {
    let six = |last: u16| Addr::from(std::net::IpAddr::from([0xfd10, 0, 0, 0, 0, 0, 0, last]));
    let told = |user: &str, order: [u64; 3]| {
        let mut story = Story::new();
        let call = flow(1, ATTACKER, VICTIM, 445);
        let mut named = challenge(Carrier::Smb, 3);
        if let Seen::Challenge { dns_computer, .. } = &mut named {
            "srv.lab.test".clone_into(dns_computer);
        }
        let mut leg = flow(2, VICTIM, ATTACKER, 445);
        leg.client.addr = six(0x20);
        leg.server.addr = six(0x66);
        leg.first_ts = Story::at(102);
        let mut auth = authentication(Carrier::Smb, 9, 9);
        user.clone_into(&mut auth.user);
        story.tell(50, call, named);
        story.tell(
            100,
            call,
            efs_call(Some(r"\\fd10--66.ipv6-literal.net\x"), false, 1),
        );
        let answer = Seen::Answer {
            association: 0,
            call_id: 1,
            fault: None,
            status: Some(0x35),
        };
        let mut rest = [
            (order[0], leg, Seen::Authenticate(Box::new(auth))),
            (order[1], call, answer),
            (
                order[2],
                flow(9, OTHER, TARGET, 80),
                challenge(Carrier::Http, 0x77),
            ),
        ];
        rest.sort_by_key(|(ms, ..)| *ms);
        for (ms, flow, seen) in rest {
            story.tell(ms, flow, seen);
        }
        callback(&story.end(20_000))
    };
    for order in [[105, 110, 900], [110, 105, 900]] {
        let f = told("SRV$", order).unwrap();
        assert_eq!(
            (f.victim, f.listener),
            (Some(Addr::v4(VICTIM)), Some(six(0x66)))
        );
        assert_eq!(f.confidence, "high");
        assert!(told("ELSE$", order).is_none(), "another machine");
        assert!(told("alice", order).is_none(), "a user");
    }
}
