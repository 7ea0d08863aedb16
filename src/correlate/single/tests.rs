//! One leg is enough, or is no evidence.

use std::net::IpAddr;

use crate::correlate::story::*;
use crate::correlate::{Declared, DeclaredHost};
use crate::event::{Carrier, Claim, Finding, HostRole, Mic, Seen, Source};
use crate::net::Addr;

fn ip(addr: [u8; 4]) -> IpAddr {
    IpAddr::from(addr)
}

/// The victim and the target are declared, so nothing has to be learned.
fn declared() -> Declared {
    let host = |name: &str, addr, roles: HostRole| DeclaredHost {
        name: name.to_owned(),
        addresses: vec![ip(addr)],
        roles: roles.into(),
    };
    Declared {
        hosts: vec![
            host("srv.lab.test", VICTIM, HostRole::File),
            host("dc.lab.test", TARGET, HostRole::Dc),
        ],
        ..Declared::default()
    }
}

/// An authentication as `user` to `target_name`, over LDAP, from the attacker to the target.
fn target_leg(story: &mut Story, user: &str, target_name: &str) {
    let leg = flow(1, ATTACKER, TARGET, 389);
    let mut auth = authentication(Carrier::Ldap, 1, 1);
    auth.user = user.to_owned();
    auth.target_name = target_name.to_owned();
    story.tell(0, leg, challenge(Carrier::Ldap, 1));
    story.tell(1, leg, Seen::Authenticate(Box::new(auth)));
}

fn said(story: &Story) -> Vec<(&'static str, &'static str, &'static str)> {
    let short = |f: &&Finding| (f.detector, f.named, f.confidence);
    story.findings().iter().map(short).collect()
}

#[test]
fn a_name_of_another_host_is_a_relay() {
    let mut story = Story::with(&declared());
    target_leg(&mut story, "alice", "cifs/srv.lab.test");
    let story = story.end(2_000);
    assert_eq!(said(&story), [("RW-03", "other", "high")]);
    let f = story.findings()[0];
    assert_eq!(f.listener, Some(Addr::v4(VICTIM)), "whom alice spoke to");
    assert_eq!(f.attacker, Some(Addr::v4(ATTACKER)));
    assert_eq!(f.target, Some(Addr::v4(TARGET)));
    assert_eq!(f.service_fits, Some(false), "cifs on LDAP");
}

/// Design 4: none of these is evidence.
#[test]
fn the_traps_of_the_target_name_are_silent() {
    for name in [
        "",
        "cifs/",
        "dc",
        "cifs/127.0.0.1",
        "host/127.0.0.1",
        "cifs/localhost",
        "cifs/10.0.0.10", // the server itself
        "cifs/dc",        // so too, by name
        "ldap/dc.lab.test/LAB",
        "cifs/192.0.2.77", // an address nobody has seen
        "cifs/unknown",    // a name nobody owns
        "MSSQLSvc/unknown.lab:1433",
        "host/dc.lab.test", // the service class alone
        "http/dc.lab.test",
        "cifs/10.0.0.66", // the client's own address, for a user
    ] {
        let mut story = Story::with(&declared());
        target_leg(&mut story, "alice", name);
        let story = story.end(2_000);
        assert!(story.findings().is_empty(), "{name}: {:?}", said(&story));
    }
}

#[test]
fn a_literal_counts_once_its_host_is_seen() {
    let mut story = Story::with(&declared());
    story.tell(0, flow(9, OTHER, TARGET, 445), challenge(Carrier::Smb, 7));
    target_leg(&mut story, "alice", "cifs/10.0.0.50");
    assert_eq!(said(&story.end(2_000)), [("RW-03", "other", "medium")]);
}

#[test]
fn a_foreign_machine_account_meant_for_its_sender() {
    let mut story = Story::with(&Declared::default());
    target_leg(&mut story, "SRV$", "cifs/10.0.0.66");
    assert_eq!(said(&story.end(2_000)), [("RW-03", "client", "medium")]);
    // The machine itself, behind a name of its own.
    let mut story = Story::with(&Declared {
        hosts: vec![DeclaredHost {
            name: "srv".into(),
            addresses: vec![ip(ATTACKER)],
            ..DeclaredHost::default()
        }],
        ..Declared::default()
    });
    target_leg(&mut story, "SRV$", "cifs/10.0.0.66");
    assert!(story.end(2_000).findings().is_empty());
}

#[test]
fn a_machine_account_from_a_foreign_host() {
    let mut story = Story::with(&declared());
    target_leg(&mut story, "SRV$", "");
    story.tell(
        2,
        flow(1, ATTACKER, TARGET, 389),
        result(Carrier::Ldap, false),
    );
    let story = story.end(2_000);
    assert_eq!(said(&story), [("RW-05", "other", "high")]);
    let f = story.findings()[0];
    assert_eq!((f.victim, f.outcome), (Some(Addr::v4(VICTIM)), "failure"));
    assert!(f.target_tier0 && !f.victim_tier0);
}

/// The address was leased to the machine just now: it is its own.
#[test]
fn a_lease_moves_the_account() {
    let findings = |client| {
        let mut story = Story::with(&Declared::default());
        let lease = |addr, client| {
            Seen::Claim(Box::new(Claim {
                addr: Addr::v4(addr),
                names: vec!["srv".into()],
                source: Source::Dhcp,
                client: Some(client),
                ..Claim::default()
            }))
        };
        story.tell(0, flow(8, VICTIM, TARGET, 67), lease(VICTIM, 1));
        story.tell(0, flow(9, ATTACKER, TARGET, 67), lease(ATTACKER, client));
        target_leg(&mut story, "SRV$", "");
        story.end(2_000).findings().len()
    };
    assert_eq!(findings(1), 0);
    // Any host may ask for a lease in the name of another.
    assert_eq!(findings(2), 1);
}

#[test]
fn a_challenge_in_the_name_of_another_host() {
    let mut story = Story::with(&declared());
    let leg = flow(1, VICTIM, ATTACKER, 445);
    story.tell(0, leg, challenge(Carrier::Smb, 1));
    story.tell(1, leg, authenticate(Carrier::Smb, 1, 1));
    let story = story.end(2_000);
    assert_eq!(said(&story), [("RW-04", "other", "high")]);
    let f = story.findings()[0];
    assert_eq!(f.victim, Some(Addr::v4(VICTIM)));
    assert_eq!(f.listener, Some(Addr::v4(ATTACKER)));
    assert_eq!(f.target, Some(Addr::v4(TARGET)), "whose challenge it is");
}

/// With both legs the relay itself is told, and a device that passes it on explains it.
#[test]
fn both_legs_make_one_leg_superfluous() {
    let mut story = Story::with(&declared());
    relay(&mut story, 0, 1, 5, true);
    let story = story.end(2_000);
    let detectors: Vec<&str> = story.findings().iter().map(|f| f.detector).collect();
    assert_eq!(detectors, ["RW-01"]);

    let mut forwarders = declared();
    forwarders.forwarders = vec![ip(ATTACKER)];
    let mut story = Story::with(&forwarders);
    relay(&mut story, 0, 1, 5, true);
    let story = story.end(2_000);
    assert!(story.findings().iter().all(|f| f.forwarded));
}

#[test]
fn a_relay_to_the_victim_itself_is_a_reflection() {
    let mut story = Story::new();
    let (victim, target) = (
        flow(1, VICTIM, ATTACKER, 445),
        flow(2, ATTACKER, VICTIM, 389),
    );
    story.tell(0, target, challenge(Carrier::Ldap, 3));
    story.tell(1, victim, challenge(Carrier::Smb, 3));
    story.tell(2, victim, authenticate(Carrier::Smb, 3, 3));
    story.tell(3, target, authenticate(Carrier::Ldap, 3, 3));
    story.tell(4, target, result(Carrier::Ldap, true));
    let story = story.end(2_000);
    let tests: Vec<_> = story
        .findings()
        .iter()
        .map(|f| (f.detector, f.test))
        .collect();
    assert_eq!(tests, [("RW-01", ""), ("RW-12", "same_host")]);
}

#[test]
fn a_local_call_across_hosts_is_a_reflection_and_on_one_host_is_not() {
    for (client, found) in [(ATTACKER, true), (TARGET, false)] {
        let mut story = Story::new();
        let leg = flow(1, client, TARGET, 445);
        let mut offered = challenge(Carrier::Smb, 1);
        if let Seen::Challenge { flags, .. } = &mut offered {
            *flags = 0x4000;
        }
        story.tell(0, leg, offered);
        story.tell(1, leg, authenticate(Carrier::Smb, 1, 1));
        let said = said(&story.end(2_000));
        assert_eq!(said.contains(&("RW-12", "", "high")), found, "{said:?}");
    }
}

#[test]
fn a_promised_integrity_code_that_is_missing() {
    for (mic, flags, user, want) in [
        (Mic::Stripped, 0xe288_8215, "alice", Some("medium")),
        (Mic::Stripped, 0xe288_8215, "OTHER$", Some("high")),
        (Mic::Stripped, 0x0008_0205, "alice", Some("high")),
        (Mic::Absent, 0x0008_0205, "alice", Some("low")),
        (Mic::Absent, 0xe288_8215, "alice", None),
        (Mic::Present, 0xe288_8215, "OTHER$", None),
    ] {
        let mut story = Story::new();
        let leg = flow(1, OTHER, TARGET, 389);
        let asked = Seen::Negotiate {
            carrier: Carrier::Ldap,
            session: 0,
            flags: 0xe208_8297,
            workstation: String::new(),
        };
        let mut auth = authentication(Carrier::Ldap, 1, 1);
        (auth.mic, auth.flags, auth.user) = (mic, flags, user.to_owned());
        story.tell(0, leg, asked);
        story.tell(1, leg, challenge(Carrier::Ldap, 1));
        story.tell(2, leg, Seen::Authenticate(Box::new(auth)));
        let story = story.end(2_000);
        let said = story.findings().first().map(|f| f.confidence);
        assert_eq!(said, want, "{mic:?} {flags:#x} {user}");
    }
}
