//! Relay or one connection passed on: what half the evidence may say (design §4, catalogue B.3).

use crate::correlate::Declared;
use crate::correlate::story::*;
use crate::event::{Carrier, Finding, FlowMeta, Seen};

/// A challenge with what its message shows of a forwarder.
fn issued(carrier: Carrier, value: u8, message_id: u64, session_id: u64) -> Seen {
    let mut seen = challenge(carrier, value);
    if let Seen::Challenge {
        message_id: m,
        session_id: s,
        ..
    } = &mut seen
    {
        (*m, *s) = (message_id, session_id);
    }
    seen
}

fn logon(carrier: Carrier, user: &str, value: u8) -> Seen {
    let mut auth = authentication(carrier, value, value);
    user.clone_into(&mut auth.user);
    Seen::Authenticate(Box::new(auth))
}

/// Client to device, and device to server.
fn legs(id: u64) -> (FlowMeta, FlowMeta) {
    (
        flow(id, OTHER, ATTACKER, 80),
        flow(id + 1, ATTACKER, TARGET, 80),
    )
}

/// Both legs' challenges, and the AUTHENTICATE of `user` on the client's leg alone.
fn half(carriers: [Carrier; 2], marks: [(u64, u64); 2], user: Option<&str>) -> Finding {
    let mut story = Story::new();
    let (inside, behind) = legs(1);
    story.tell(0, behind, issued(carriers[1], 0x21, marks[1].0, marks[1].1));
    story.tell(1, inside, issued(carriers[0], 0x21, marks[0].0, marks[0].1));
    if let Some(user) = user {
        story.tell(2, inside, logon(carriers[0], user, 0x21));
    }
    let story = story.end(2_000);
    let found = story.findings();
    assert_eq!(found.len(), 1);
    found[0].clone()
}

/// (passed on, cannot be told)
fn said(f: &Finding) -> (bool, bool) {
    (f.forwarded, f.forwarding_unknown)
}

const PASSED: (bool, bool) = (true, false);
const APART: (bool, bool) = (false, false);
const UNKNOWN: (bool, bool) = (false, true);

#[test]
fn with_one_direction_the_challenges_tell() {
    for (carrier, marks, expect) in [
        // The same session of the same server, or another one.
        (Carrier::Smb, [(0, 7), (0, 7)], PASSED),
        (Carrier::Smb, [(0, 7), (0, 8)], APART),
        // The NEGOTIATE of one leg was missed, so its server is not known.
        (Carrier::Smb, [(0, 0), (0, 8)], UNKNOWN),
        // The same bytes, or others: nothing rewrites LDAP.
        (Carrier::Ldap, [(7, 0), (7, 0)], PASSED),
        (Carrier::Ldap, [(7, 0), (8, 0)], APART),
        // The same bytes behind a TCP balancer, the same request behind a proxy, another request.
        (Carrier::Http, [(7, 0), (7, 0)], PASSED),
        (Carrier::Http, [(7, 3), (8, 3)], PASSED),
        (Carrier::Http, [(7, 3), (8, 4)], APART),
        // Without the requests a proxy's other head says nothing.
        (Carrier::Http, [(7, 0), (8, 0)], UNKNOWN),
        (Carrier::Rpc, [(0, 0), (0, 0)], UNKNOWN),
    ] {
        for user in [None, Some("alice")] {
            let f = half([carrier; 2], marks, user);
            assert_eq!(said(&f), expect, "{carrier:?} {marks:?} {user:?}");
            let confidence = if expect == UNKNOWN { "low" } else { "high" };
            assert_eq!(f.confidence, confidence, "{carrier:?} {marks:?} {user:?}");
        }
    }
}

/// Where a relay is worth most, and where nothing is passed on, doubt does not lower it.
#[test]
fn doubt_does_not_help_machine_accounts_or_other_protocols() {
    let unknown = [(7, 0), (8, 0)];
    let f = half([Carrier::Http; 2], unknown, Some("SRV$"));
    assert_eq!((said(&f), f.confidence), (APART, "high"));
    let f = half([Carrier::Smb, Carrier::Http], [(0, 0); 2], None);
    assert_eq!((said(&f), f.confidence), (APART, "high"));
    let f = half([Carrier::Ldap; 2], [(0, 0); 2], None);
    assert_eq!((said(&f), f.confidence), (APART, "high"));
    // The same request, but the account is a machine's.
    let f = half([Carrier::Http; 2], [(7, 3), (8, 3)], Some("SRV$"));
    assert_eq!(said(&f), APART);
}

#[test]
fn doubt_is_told() {
    let mut story = Story::new();
    let (inside, behind) = legs(1);
    story.tell(0, behind, issued(Carrier::Http, 0x21, 7, 0));
    story.tell(1, inside, issued(Carrier::Http, 0x21, 8, 0));
    let story = story.end(2_000);
    let alerts = story.alerts();
    let text = alerts[0].evidence.join("\n");
    assert!(
        text.contains("no AUTHENTICATE was seen on either leg"),
        "{text}"
    );
    assert!(text.contains("a load balancer"), "{text}");
}

/// One whole exchange through a web proxy that changes the request, so that content does not tell.
fn through(story: &mut Story, ms: u64, id: u64, user: &str, uri: Option<&str>) {
    let (inside, behind) = legs(id);
    let value = u8::try_from(id % 200).unwrap() + 1;
    if let Some(uri) = uri {
        let request = Seen::Request {
            method: "GET".into(),
            uri: uri.into(),
        };
        story.tell(ms, behind, request);
    }
    story.tell(ms, behind, issued(Carrier::Http, value, 1, 3));
    story.tell(ms + 1, inside, issued(Carrier::Http, value, 2, 4));
    for (n, leg) in [inside, behind].into_iter().enumerate() {
        let n = n as u64;
        let mut auth = authentication(Carrier::Http, value, value);
        user.clone_into(&mut auth.user);
        auth.message_id = 10 + n;
        auth.session_id = if uri.is_some() { 20 } else { 20 + n };
        story.tell(ms + 2 + n, leg, Seen::Authenticate(Box::new(auth)));
    }
    story.tell(ms + 4, behind, result(Carrier::Http, true));
}

/// AD CS is excepted from the comparison of requests (design §4), in clear words and by bytes alone not.
#[test]
fn the_same_request_is_not_enough_for_certificate_enrolment() {
    for uri in [
        "/certsrv/certfnsh.asp",
        "/LAB-CA_CES_Kerberos/service.svc/CES",
    ] {
        let mut story = Story::new();
        through(&mut story, 0, 1, "alice", Some(uri));
        assert!(!story.findings()[0].forwarded, "{uri}");
    }
}

const HOUR: u64 = 3_600_000;

/// What is said of the last logon of several, one every so many hours.
fn habit(users: &[&str], hours: u64, uri: Option<&str>, alarm: bool) -> Finding {
    let mut story = Story::with(&Declared::default());
    for (n, user) in users.iter().enumerate() {
        let n = n as u64;
        through(&mut story, n * hours * HOUR, 1 + n * 2, user, uri);
        if alarm && n == 1 {
            // The device coerces somebody: another alarm.
            story.tell(
                HOUR,
                flow(90, ATTACKER, VICTIM, 445),
                efs_call(None, true, 1),
            );
        }
    }
    let relays: Vec<_> = story
        .findings()
        .into_iter()
        .filter(|f| f.detector == "RW-01")
        .cloned()
        .collect();
    assert_eq!(relays.len(), users.len());
    assert!(!relays[0].forwarded, "not from the first packet on");
    relays[relays.len() - 1].clone()
}

/// Catalogue B.3, 4: three users and 24 hours, no other alarm; never for machine accounts or AD CS.
#[test]
fn a_pair_that_passes_logons_on_for_a_day_is_a_proxy() {
    let four = ["alice", "bob", "carol", "alice"];
    assert!(habit(&four, 8, None, false).forwarded);
    assert!(!habit(&four, 7, None, false).forwarded, "21 hours");
    assert!(!habit(&["alice", "bob", "alice", "bob"], 8, None, false).forwarded);
    assert!(!habit(&["alice", "bob", "carol", "SRV$"], 8, None, false).forwarded);
    assert!(!habit(&four, 8, Some("/certsrv/certfnsh.asp"), false).forwarded);
    assert!(!habit(&four, 8, None, true).forwarded, "it coerces");
}

/// What was learned outlives a restart, but not of a host that something else was said of.
#[test]
fn a_learned_proxy_is_known_after_a_restart() {
    for alarm in [false, true] {
        let mut story = Story::new();
        for (n, user) in (0..).zip(["alice", "bob", "carol"]) {
            through(&mut story, n * 8 * HOUR, 1 + n * 2, user, None);
        }
        if alarm {
            let call = efs_call(None, true, 1);
            story.tell(17 * HOUR, flow(90, ATTACKER, VICTIM, 445), call);
            story.tell(
                18 * HOUR,
                flow(91, OTHER, TARGET, 445),
                challenge(Carrier::Smb, 0),
            );
        }
        let known = story.correlator.knowledge();
        assert_eq!(known.passers.len(), usize::from(!alarm));
        let mut again = Story::new();
        again.correlator.restore(&known);
        through(&mut again, 25 * HOUR, 9, "alice", None);
        assert_eq!(again.findings()[0].forwarded, !alarm);
    }
}

/// Protocols that differ, directories and file servers are never learned.
#[test]
fn only_the_web_is_learned() {
    for carriers in [
        [Carrier::Smb, Carrier::Http],
        [Carrier::Smb; 2],
        [Carrier::Ldap; 2],
    ] {
        let mut story = Story::new();
        for n in 0..6_u64 {
            let (inside, behind) = legs(1 + n * 2);
            let value = u8::try_from(n).unwrap() + 1;
            let user = ["alice", "bob", "carol"][usize::try_from(n % 3).unwrap()];
            let ms = n * 8 * HOUR;
            story.tell(ms, behind, challenge(carriers[1], value));
            story.tell(ms + 1, inside, challenge(carriers[0], value));
            story.tell(ms + 2, inside, logon(carriers[0], user, value));
            story.tell(ms + 3, behind, logon(carriers[1], user, value));
            story.tell(ms + 4, behind, result(carriers[1], true));
        }
        let found = story.findings();
        let relays: Vec<_> = found.iter().filter(|f| f.detector == "RW-01").collect();
        assert_eq!(relays.len(), 6, "{carriers:?}");
        assert!(relays.iter().all(|f| !f.forwarded), "{carriers:?}");
    }
}

/// Of one leg only what the client sends, and no host is on both legs: a challenge on one of them says nothing, the
/// response was first where it was computed.
#[test]
fn with_one_challenge_the_responses_tell_the_roles() {
    for challenged in [0, 1] {
        let mut story = Story::new();
        let (victim, relay) = (flow(1, VICTIM, ATTACKER, 80), flow(2, OTHER, TARGET, 445));
        let legs = [(victim, Carrier::Http), (relay, Carrier::Smb)];
        let (leg, carrier) = legs[challenged];
        story.tell(0, leg, challenge(carrier, 3));
        for (ms, (leg, carrier)) in (1..).zip(legs) {
            let mut auth = authentication(carrier, 3, 3);
            auth.challenge = (leg == legs[challenged].0).then_some([3; 8]);
            story.tell(ms, leg, Seen::Authenticate(Box::new(auth)));
        }
        let story = story.end(2_000);
        let found = story.findings();
        let relays: Vec<_> = found
            .iter()
            .map(|f| (f.detector, f.victim, f.listener, f.attacker, f.target))
            .collect();
        let addr = |a| Some(crate::net::Addr::v4(a));
        let roles = (addr(VICTIM), addr(ATTACKER), addr(OTHER), addr(TARGET));
        let (v, l, a, t) = roles;
        assert_eq!(relays, [("RW-02", v, l, a, t)], "challenge of {challenged}");
    }
}
