//! Tickets and who shows them where.

use crate::correlate::story::*;
use crate::correlate::{Declared, DeclaredHost};
use crate::event::{Carrier, Finding, FlowMeta, HostRole, Seen, Ticket};
use crate::net::Addr;

const KDC: [u8; 4] = [10, 0, 0, 5];

fn shown(carrier: Carrier, sname: &str, ap_req: u8) -> Seen {
    Seen::Ticket(Box::new(ticket(carrier, sname, ap_req)))
}

fn ticket(carrier: Carrier, sname: &str, ap_req: u8) -> Ticket {
    Ticket {
        carrier,
        session: 0,
        realm: "LAB.TEST".into(),
        sname: sname.into(),
        etype: "aes256-cts-hmac-sha1-96",
        ticket_id: [1; 16],
        ap_req_id: [ap_req; 16],
        message_id: 0,
        session_id: 0,
    }
}

fn granted(story: &mut Story, ms: u64, client: [u8; 4], initial: bool) {
    let seen = Seen::Granted {
        ticket_id: [1; 16],
        cname: "alice".into(),
        initial,
    };
    story.tell(ms, flow(90, client, KDC, 88), seen);
}

fn answered(story: &mut Story, ms: u64, flow: FlowMeta, success: bool) {
    let seen = Seen::TicketResult {
        session: 0,
        success: Some(success),
        code: None,
    };
    story.tell(ms, flow, seen);
}

/// Declared hosts do not need to be learned.
fn known() -> Declared {
    let host = |name: &str, address: [u8; 4], role: HostRole| DeclaredHost {
        name: name.into(),
        addresses: vec![address.into()],
        roles: role.into(),
    };
    Declared {
        hosts: vec![
            host("files.lab.test", TARGET, HostRole::File),
            host("evil.lab.test", ATTACKER, HostRole::Workstation),
        ],
        ..Declared::default()
    }
}

fn found(story: Story) -> Vec<Finding> {
    let story = story.end(60_000);
    let all = story.findings();
    all.into_iter().cloned().collect()
}

fn brief(findings: &[Finding]) -> Vec<(&'static str, &'static str, &'static str)> {
    findings
        .iter()
        .map(|f| (f.detector, f.test, f.confidence))
        .collect()
}

#[test]
fn an_ap_req_that_is_handed_on() {
    for (success, want) in [(true, "success"), (false, "failure")] {
        let mut story = Story::new();
        let target = flow(2, ATTACKER, TARGET, 389);
        story.tell(
            10,
            flow(1, VICTIM, ATTACKER, 445),
            shown(Carrier::Smb, "cifs/files", 7),
        );
        story.tell(12, target, shown(Carrier::Ldap, "cifs/files", 7));
        answered(&mut story, 14, target, success);
        let all = found(story);
        assert_eq!(brief(&all), [("RW-13", "", "high")]);
        let f = &all[0];
        assert_eq!((f.outcome, f.inverted, f.forwarded), (want, true, false));
        assert_eq!(f.victim, Some(Addr::v4(VICTIM)));
        assert_eq!(
            (f.listener, f.attacker),
            (f.attacker, Some(Addr::v4(ATTACKER)))
        );
        assert_eq!(f.target, Some(Addr::v4(TARGET)));
        assert_eq!((f.victim_protocol, f.target_protocol), ("smb", "ldap"));
    }
}

/// The mirror port shows the target's leg first: topology decides.
#[test]
fn the_legs_may_come_in_either_order() {
    let mut story = Story::new();
    story.tell(
        10,
        flow(2, ATTACKER, TARGET, 445),
        shown(Carrier::Smb, "cifs/files", 7),
    );
    story.tell(
        11,
        flow(1, VICTIM, ATTACKER, 445),
        shown(Carrier::Smb, "cifs/files", 7),
    );
    let all = found(story);
    assert_eq!(all[0].victim, Some(Addr::v4(VICTIM)));
    assert_eq!(all[0].target, Some(Addr::v4(TARGET)));
}

#[test]
fn what_is_no_relay_of_a_ticket() {
    let told = |second: FlowMeta, ap_req: u8, carrier: Carrier| {
        let mut story = Story::new();
        story.tell(
            10,
            flow(1, VICTIM, ATTACKER, 445),
            shown(carrier, "cifs/files", 7),
        );
        story.tell(12, second, shown(carrier, "cifs/files", ap_req));
        brief(&found(story))
    };
    let on = flow(2, ATTACKER, TARGET, 445);
    assert_eq!(told(on, 8, Carrier::Smb), [], "a fresh authenticator");
    let again = flow(2, VICTIM, TARGET, 445);
    assert_eq!(
        told(again, 7, Carrier::Smb),
        [],
        "the client tries elsewhere"
    );
    assert_eq!(told(on, 7, Carrier::Kerberos), [], "a proxy of a KDC");
    assert_eq!(
        told(on, 7, Carrier::Smb),
        [("RW-13", "", "high")],
        "the relay itself"
    );
}

#[test]
fn a_device_that_passes_the_session_on() {
    let told = |message_id: u64, session_id: u64, cname: &str, carrier: Carrier| {
        let mut story = Story::new();
        let seen = Seen::Granted {
            ticket_id: [1; 16],
            cname: cname.into(),
            initial: false,
        };
        story.tell(1, flow(90, VICTIM, KDC, 88), seen);
        for (id, client, server) in [(1, VICTIM, OTHER), (2, OTHER, TARGET)] {
            let mut t = ticket(carrier, "http/web", 7);
            (t.message_id, t.session_id) = (message_id, session_id);
            story.tell(
                10 + id,
                flow(id, client, server, 80),
                Seen::Ticket(Box::new(t)),
            );
        }
        let all = found(story);
        let relayed = all
            .iter()
            .find(|f| f.detector == "RW-13")
            .unwrap()
            .forwarded;
        // What a device passes on is no ticket at the wrong place either.
        assert_eq!(all.iter().any(|f| f.detector == "RW-14"), !relayed);
        relayed
    };
    assert!(told(5, 0, "alice", Carrier::Smb), "the same bytes");
    assert!(told(0, 5, "alice", Carrier::Http), "the same request");
    assert!(
        !told(0, 5, "SRV$", Carrier::Http),
        "not enough for a machine"
    );
    assert!(!told(0, 0, "alice", Carrier::Http));
}

#[test]
fn a_ticket_for_another_host() {
    let at = |server: [u8; 4], sname: &str| {
        let mut story = Story::with(&known());
        story.tell(
            10,
            flow(1, VICTIM, server, 445),
            shown(Carrier::Smb, sname, 7),
        );
        brief(&found(story))
    };
    for sname in [
        "cifs/files.lab.test",
        "cifs/files",
        "CIFS/FILES.lab.test:445/lab",
    ] {
        assert_eq!(
            at(ATTACKER, sname),
            [("RW-14", "server", "high")],
            "{sname}"
        );
        assert_eq!(at(TARGET, sname), [], "{sname}");
    }
    for (why, sname) in [
        ("an alias nobody is known by", "cifs/share.lab.test"),
        ("a user's service", "alice"),
        ("the KDC's own", "krbtgt/files.lab.test"),
        ("no host", "cifs/"),
    ] {
        assert_eq!(at(ATTACKER, sname), [], "{why}");
    }
}

#[test]
fn a_ticket_of_another_client() {
    let told = |initial: bool, carrier: Carrier, to: [u8; 4]| {
        let mut story = Story::new();
        granted(&mut story, 1, VICTIM, initial);
        story.tell(
            10,
            flow(1, VICTIM, TARGET, 445),
            shown(carrier, "cifs/x", 7),
        );
        story.tell(20, flow(2, ATTACKER, to, 445), shown(carrier, "cifs/x", 8));
        found(story)
    };
    let all = told(false, Carrier::Smb, TARGET);
    assert_eq!(brief(&all), [("RW-14", "client", "medium")]);
    assert_eq!(all[0].victim, Some(Addr::v4(VICTIM)));
    assert_eq!(all[0].attacker, Some(Addr::v4(ATTACKER)));
    assert_eq!(all[0].target, Some(Addr::v4(TARGET)));
    let initial = told(true, Carrier::Kerberos, KDC);
    assert_eq!(brief(&initial), [("RW-14", "client", "medium")]);
    assert_eq!(initial[0].target, None, "a KDC is not what it is for");
    let delegated = told(false, Carrier::Kerberos, KDC);
    assert_eq!(brief(&delegated), [("RW-14", "client", "low")]);
}

/// The KDC's answer is seen on both sides of the translation, with one ticket.
#[test]
fn address_translation_shows_one_ticket_for_two_clients() {
    let mut story = Story::new();
    granted(&mut story, 1, OTHER, true);
    granted(&mut story, 1, VICTIM, true);
    for (ms, client) in [(10, VICTIM), (20, OTHER)] {
        let ap_req = u8::try_from(ms).unwrap();
        story.tell(
            ms,
            flow(ms, client, TARGET, 445),
            shown(Carrier::Smb, "cifs/x", ap_req),
        );
    }
    assert_eq!(brief(&found(story)), []);
}

#[test]
fn a_secure_update_at_an_unknown_name_server() {
    let told = |server: [u8; 4]| {
        let mut story = Story::new();
        granted(&mut story, 1, VICTIM, false);
        story.tell(
            10,
            flow(1, VICTIM, server, 53),
            shown(Carrier::Dns, "DNS/dc1.lab.test", 7),
        );
        brief(&found(story))
    };
    assert_eq!(told(ATTACKER), [("RW-14", "name_server", "low")]);
    assert_eq!(told(KDC), [], "the domain controller that gave it");
}

/// Forged tickets of one client, many times what is kept, push out its own and not what another one showed.
#[test]
fn a_flood_of_one_client_hides_no_relay() {
    let mut story = Story::new();
    let (victim, target) = (
        flow(1, VICTIM, ATTACKER, 445),
        flow(2, ATTACKER, TARGET, 389),
    );
    story.tell(0, victim, shown(Carrier::Smb, "cifs/files.lab.test", 1));
    for n in 0..100_000_u32 {
        let mut forged = ticket(Carrier::Smb, "cifs/x", 0);
        forged.ap_req_id[..4].copy_from_slice(&n.to_be_bytes());
        forged.ap_req_id[15] = 7;
        let flood = flow(1_000 + u64::from(n), OTHER, TARGET, 445);
        story.tell(
            1 + u64::from(n) / 1_000,
            flood,
            Seen::Ticket(Box::new(forged)),
        );
    }
    story.tell(200, target, shown(Carrier::Ldap, "cifs/files.lab.test", 1));
    answered(&mut story, 201, target, true);
    assert!(story.correlator.counters().exchanges_evicted > 90_000);
    let found = found(story);
    let relays = found.iter().filter(|f| f.detector == "RW-13").count();
    assert_eq!(relays, 1);
}

/// Forged tickets of ten thousand clients, many times what is kept: what a server accepted is kept for its time.
#[test]
fn a_flood_of_many_clients_hides_no_accepted_ticket() {
    let mut story = Story::new();
    let (victim, target) = (
        flow(1, VICTIM, ATTACKER, 445),
        flow(2, ATTACKER, TARGET, 389),
    );
    story.tell(0, victim, shown(Carrier::Smb, "cifs/files.lab.test", 1));
    answered(&mut story, 1, victim, true);
    for n in 0..200_000_u32 {
        let mut forged = ticket(Carrier::Smb, "cifs/x", 0);
        forged.ap_req_id[..4].copy_from_slice(&n.to_be_bytes());
        forged.ap_req_id[15] = 7;
        let [.., c, d] = (n % 10_000).to_be_bytes();
        let flood = flow(1_000 + u64::from(n), [11, 0, c, d], TARGET, 445);
        let seen = Seen::Ticket(Box::new(forged));
        story.tell(2 + u64::from(n) / 2, flood, seen);
    }
    story.tell(
        119_000,
        target,
        shown(Carrier::Ldap, "cifs/files.lab.test", 1),
    );
    answered(&mut story, 119_001, target, true);
    assert!(story.correlator.counters().exchanges_evicted > 100_000);
    let found = found(story);
    let relays = found.iter().filter(|f| f.detector == "RW-13").count();
    assert_eq!(relays, 1);
}
