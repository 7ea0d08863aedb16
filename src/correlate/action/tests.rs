//! What is done over a session, with a relay before, after, or without one.

use crate::correlate::story::*;
use crate::correlate::{Declared, DeclaredHost};
use crate::event::neighbour::ENROLMENT;
use crate::event::{
    Carrier, DirectoryWrite, Finding, FlowMeta, HostRole, Operation, SaslLayer, Seen, TicketRequest,
};
use crate::net::Addr;

const KEY: &str = "msds-keycredentiallink";

fn write(message_id: u32, object: &str, attribute: &str) -> DirectoryWrite {
    DirectoryWrite {
        message_id,
        operation: "modify_request".to_owned(),
        object: object.to_owned(),
        attributes: vec![attribute.to_owned()],
        ..DirectoryWrite::default()
    }
}

fn changes(story: &mut Story, ms: u64, leg: FlowMeta, write: DirectoryWrite, code: u32) {
    let message_id = write.message_id;
    story.tell(ms, leg, Seen::DirectoryWrite(Box::new(write)));
    story.tell(ms + 1, leg, Seen::DirectoryResult { message_id, code });
}

/// Logs on from the attacker's address, over LDAP.
fn logs_on(story: &mut Story, user: &str) -> FlowMeta {
    let leg = flow(7, ATTACKER, TARGET, 389);
    let mut auth = authentication(Carrier::Ldap, 9, 9);
    auth.user = user.to_owned();
    story.tell(0, leg, Seen::Authenticate(Box::new(auth)));
    leg
}

fn of(story: &Story, detector: &str) -> Vec<Finding> {
    let found = story.findings().into_iter();
    found.filter(|f| f.detector == detector).cloned().collect()
}

fn victim_is_known() -> Declared {
    Declared {
        hosts: vec![DeclaredHost {
            name: "srv.lab.test".to_owned(),
            addresses: vec![std::net::IpAddr::from(VICTIM)],
            roles: HostRole::File.into(),
        }],
        ..Declared::default()
    }
}

#[test]
fn a_write_over_a_relayed_session_has_its_roles() {
    let mut story = Story::new();
    relay(&mut story, 0, 1, 5, true);
    let leg = flow(2, ATTACKER, TARGET, 389);
    changes(
        &mut story,
        10,
        leg,
        write(4, "CN=SRV,CN=Computers,DC=lab", KEY),
        0,
    );
    let story = story.end(5_000);
    let found = of(&story, "RW-17");
    let [f] = &found[..] else { panic!("{found:?}") };
    assert!(f.relayed);
    assert_eq!(
        (&*f.action, f.outcome),
        ("msDS-KeyCredentialLink", "success")
    );
    assert_eq!(f.object, "CN=SRV,CN=Computers,DC=lab");
    assert_eq!(f.attacker, Some(Addr::v4(ATTACKER)));
    assert_eq!(f.listener, Some(Addr::v4(ATTACKER)));
    assert_eq!(f.victim, Some(Addr::v4(VICTIM)));
    assert_eq!(f.target, Some(Addr::v4(TARGET)));
    assert_eq!(f.user, "SRV$");
}

/// The capture need not show the victim's leg first.
#[test]
fn a_write_before_the_relay_is_concluded_is_told_when_it_is() {
    let mut story = Story::new();
    let (victim, target) = (
        flow(1, VICTIM, ATTACKER, 445),
        flow(2, ATTACKER, TARGET, 389),
    );
    story.tell(0, target, challenge(Carrier::Ldap, 5));
    story.tell(1, target, authenticate(Carrier::Ldap, 5, 5));
    changes(
        &mut story,
        3,
        target,
        write(4, "DC=lab", "ntsecuritydescriptor"),
        0,
    );
    story.tell(2_000, victim, challenge(Carrier::Smb, 5));
    story.tell(2_001, victim, authenticate(Carrier::Smb, 5, 5));
    let story = story.end(9_000);
    let found = of(&story, "RW-17");
    let relayed: Vec<bool> = found.iter().map(|f| f.relayed).collect();
    assert_eq!(
        relayed,
        [false, true],
        "alone first, then with the relay's roles"
    );
    assert!(found.iter().all(|f| f.action == "nTSecurityDescriptor"));
}

#[test]
fn an_answer_belongs_to_its_request() {
    let mut story = Story::new();
    let leg = logs_on(&mut story, "alice");
    for (id, attribute) in [(1, KEY), (2, "member")] {
        let write = write(id, "CN=x,DC=lab", attribute);
        story.tell(1, leg, Seen::DirectoryWrite(Box::new(write)));
    }
    story.tell(
        2,
        leg,
        Seen::DirectoryResult {
            message_id: 2,
            code: 0,
        },
    );
    story.tell(
        3,
        leg,
        Seen::DirectoryResult {
            message_id: 1,
            code: 50,
        },
    );
    let found = of(&story.end(2_000), "RW-17");
    let said: Vec<_> = found.iter().map(|f| (&*f.action, f.outcome)).collect();
    assert_eq!(
        said,
        [("msDS-KeyCredentialLink", "failure"), ("member", "success")]
    );
}

#[test]
fn signed_sessions_other_attributes_and_sessions_without_ntlm_are_silent() {
    let mut story = Story::new();
    let leg = logs_on(&mut story, "alice");
    let mut signed = write(1, "CN=x,DC=lab", KEY);
    signed.layer = SaslLayer::Signed;
    changes(&mut story, 1, leg, signed, 0);
    changes(
        &mut story,
        3,
        leg,
        write(2, "CN=x,DC=lab", "description"),
        0,
    );
    // A simple bind or Kerberos: there is no AUTHENTICATE.
    let other = flow(8, OTHER, TARGET, 389);
    changes(&mut story, 5, other, write(3, "CN=x,DC=lab", KEY), 0);
    assert!(of(&story.end(2_000), "RW-17").is_empty());
}

#[test]
fn a_machine_writes_its_own_object() {
    for (user, declared, want) in [
        ("SRV$", Declared::default(), Some(("", "medium"))), // nobody is known to be SRV
        ("SRV$", victim_is_known(), Some(("other", "high"))),
        ("alice", Declared::default(), Some(("", "high"))),
    ] {
        let mut story = Story::with(&declared);
        let leg = logs_on(&mut story, user);
        changes(
            &mut story,
            1,
            leg,
            write(1, "CN=SRV,CN=Computers,DC=lab", KEY),
            0,
        );
        let story = story.end(2_000);
        let found = of(&story, "RW-17");
        let alone = found.first().map(|f| (f.named, f.confidence));
        // From another's address it is RW-05, and so a suspect session.
        if declared.hosts.is_empty() {
            assert_eq!(alone, want, "{user}");
        } else {
            assert!(
                found
                    .iter()
                    .all(|f| f.relayed && f.victim == Some(Addr::v4(VICTIM)))
            );
            assert_eq!(found.len(), 1);
        }
    }
    // And from its own.
    let mut declared = victim_is_known();
    declared.hosts[0].addresses = vec![std::net::IpAddr::from(ATTACKER)];
    let mut story = Story::with(&declared);
    let leg = logs_on(&mut story, "SRV$");
    changes(
        &mut story,
        1,
        leg,
        write(1, "CN=SRV,CN=Computers,DC=lab", KEY),
        0,
    );
    assert!(of(&story.end(2_000), "RW-17").is_empty());
}

#[test]
fn one_client_cannot_fill_the_room_of_others() {
    let mut story = Story::new();
    let leg = logs_on(&mut story, "alice");
    for id in 0..10_000 {
        let write = write(id, "CN=x,DC=lab", "member");
        story.tell(1, leg, Seen::DirectoryWrite(Box::new(write)));
    }
    let other = flow(8, OTHER, TARGET, 389);
    story.tell(2, other, authenticate(Carrier::Ldap, 3, 3));
    changes(&mut story, 3, other, write(1, "CN=x,DC=lab", KEY), 0);
    let counters = story.correlator.counters();
    let share = crate::limits::PENDING_FINDINGS as u64 / 8;
    assert_eq!(counters.pending_evicted, 10_000 - share);
    let found = of(&story.end(2_000), "RW-17");
    let said: Vec<_> = found.iter().map(|f| &*f.action).collect();
    assert_eq!(said, ["member", "msDS-KeyCredentialLink"], "each once");
}

/// What a host does to itself must not hide what it does to others after it.
#[test]
fn a_write_to_another_object_is_told_after_one_to_its_own() {
    let objects = |writes: &[&str]| {
        let mut story = Story::new();
        let leg = logs_on(&mut story, "SRV$");
        for (n, object) in (1..).zip(writes) {
            changes(
                &mut story,
                u64::from(n) * 2_000,
                leg,
                write(n, object, KEY),
                0,
            );
        }
        let story = story.end(60_000);
        let found = of(&story, "RW-17");
        found.iter().map(|f| f.object.clone()).collect::<Vec<_>>()
    };
    let (own, other) = ("CN=SRV,CN=Computers,DC=lab", "CN=DC1,OU=DCs,DC=lab");
    assert_eq!(objects(&[own, other]), [own, other]);
    assert_eq!(objects(&[other, other]), [other]);
}

fn enrols(auth_level: Option<u8>) -> Vec<Finding> {
    let mut story = Story::new();
    let leg = flow(3, OTHER, TARGET, 49_152);
    let mut auth = authentication(Carrier::Rpc, 3, 3);
    auth.user = "alice".to_owned();
    story.tell(0, leg, Seen::Authenticate(Box::new(auth)));
    let call = Operation {
        interface: ENROLMENT,
        auth_level,
        call_id: 2,
        ..Operation::default()
    };
    story.tell(1, leg, Seen::Operation(Box::new(call)));
    let result = Seen::OperationResult {
        association: 0,
        call_id: 2,
        fault: None,
        status: Some(0),
    };
    story.tell(2, leg, result);
    of(&story.end(2_000), "RW-16")
}

#[test]
fn enrolment_that_is_signed_or_sealed_is_the_clients_own() {
    for level in 1..4 {
        let found = enrols(Some(level));
        assert_eq!(found.len(), 1, "{level}");
        assert_eq!(
            (found[0].auth_level, found[0].outcome),
            (Some(level), "success")
        );
    }
    for level in [None, Some(4), Some(5), Some(6)] {
        assert!(enrols(level).is_empty(), "{level:?}");
    }
}

fn asks(account: &str, for_user: &str) -> Seen {
    Seen::TicketRequest(Box::new(TicketRequest {
        account: account.to_owned(),
        realm: "LAB.TEST".to_owned(),
        for_user: for_user.to_owned(),
    }))
}

#[test]
fn a_relays_host_logs_on_with_what_it_won() {
    let mut story = Story::new();
    relay(&mut story, 0, 1, 5, true);
    story.tell(60_000, flow(9, ATTACKER, TARGET, 88), asks("SRV$", ""));
    story.tell(60_001, flow(10, OTHER, TARGET, 88), asks("alice", ""));
    let story = story.end(70_000);
    let found = of(&story, "RW-25");
    let [f] = &found[..] else { panic!("{found:?}") };
    assert!(f.relayed);
    assert_eq!((&*f.action, &*f.user), ("pkinit", "SRV$"));
    assert_eq!(f.victim, Some(Addr::v4(VICTIM)));
}

#[test]
fn a_machines_ticket_is_asked_for_by_another() {
    for (client, want) in [(ATTACKER, Some("other")), (VICTIM, None)] {
        let mut story = Story::with(&victim_is_known());
        story.tell(
            0,
            flow(1, client, TARGET, 88),
            asks("SRV$", "Administrator"),
        );
        let story = story.end(1_000);
        let found = of(&story, "RW-25");
        assert_eq!(found.first().map(|f| f.named), want);
        assert!(found.iter().all(|f| f.action == "s4u" && !f.relayed));
    }
}

#[test]
fn a_name_in_dns_is_told_with_the_relay_it_prepared() {
    let mut story = Story::new();
    let name = "evil.lab.test".to_owned();
    story.tell(0, flow(20, ATTACKER, TARGET, 53), Seen::NameUpdate { name });
    let name = "other.lab.test".to_owned();
    story.tell(1, flow(21, OTHER, TARGET, 53), Seen::NameUpdate { name });
    relay(&mut story, 60_000, 1, 5, true);
    let story = story.end(70_000);
    let found = of(&story, "RW-25");
    let said: Vec<_> = found.iter().map(|f| (&*f.object, f.relayed)).collect();
    assert_eq!(said, [("evil.lab.test", true)]);
}
