//! Stories told in sightings.

use super::story::*;
use super::*;
use crate::event::{Carrier, LegRole, Level};

#[test]
fn a_relay_is_told_as_soon_as_the_target_answers() {
    let mut story = Story::new();
    relay(&mut story, 0, 1, 0x21, true);
    let alerts = story.alerts();
    assert_eq!(alerts.len(), 1, "before any deadline");
    let f = &alerts[0].finding;
    assert_eq!(
        (f.detector, f.outcome, f.confidence),
        ("RW-01", "success", "high")
    );
    assert_eq!(f.attacker, Some(Addr::v4(ATTACKER)));
    assert_eq!(f.victim, Some(Addr::v4(VICTIM)));
    assert_eq!(f.listener, Some(Addr::v4(ATTACKER)));
    assert_eq!(f.target, Some(Addr::v4(TARGET)));
    assert_eq!((f.victim_protocol, f.target_protocol), ("smb", "ldap"));
    assert!(f.inverted && !f.forwarded && f.machine_account);
}

#[test]
fn three_relays_of_one_pair_are_one_alert_and_one_incident_with_a_count() {
    let mut story = Story::new();
    for n in 0..3 {
        relay(
            &mut story,
            u64::from(n) * 1_000,
            u64::from(n) * 10 + 1,
            0x21 + n,
            n == 2,
        );
    }
    let story = story.end(5_000);
    assert_eq!(story.alerts().len(), 1);
    let closed = story.closed();
    assert_eq!(closed.len(), 1);
    assert_eq!((closed[0].count, closed[0].outcome), (3, "success"));
    assert_eq!(closed[0].roles.target, [Addr::v4(TARGET)]);
}

#[test]
fn without_an_answer_it_is_told_after_half_a_second() {
    let mut story = Story::new();
    let victim = flow(1, VICTIM, ATTACKER, 445);
    let target = flow(2, ATTACKER, TARGET, 80);
    story.tell(0, target, challenge(Carrier::Http, 0x21));
    story.tell(1, victim, challenge(Carrier::Smb, 0x21));
    story.tell(
        500,
        flow(9, OTHER, TARGET, 80),
        challenge(Carrier::Http, 0x77),
    );
    assert_eq!(story.alerts().len(), 0, "499 ms after the newest evidence");
    story.tell(
        501,
        flow(9, OTHER, TARGET, 80),
        challenge(Carrier::Http, 0x78),
    );
    assert_eq!(story.alerts().len(), 1);
    assert_eq!(story.alerts()[0].finding.outcome, "unknown");
}

#[test]
fn the_same_response_is_a_relay_even_if_no_challenge_was_seen() {
    let mut story = Story::new();
    let victim = flow(1, VICTIM, ATTACKER, 445);
    let target = flow(2, ATTACKER, TARGET, 445);
    story.tell(0, victim, authenticate(Carrier::Smb, 0, 9));
    story.tell(1, target, authenticate(Carrier::Smb, 0, 9));
    story.tell(2, target, result(Carrier::Smb, false));
    let f = story.findings();
    assert_eq!(f.len(), 1);
    // `challenge: Some([0; 8])` stands in both, so take it as the same challenge.
    assert_eq!(
        (f[0].outcome, f[0].victim),
        ("failure", Some(Addr::v4(VICTIM)))
    );
}

#[test]
fn one_server_that_repeats_its_challenge_is_no_relay() {
    let mut story = Story::new();
    for (id, client) in [(1, VICTIM), (2, OTHER), (3, TARGET)] {
        let f = flow(id, client, ATTACKER, 445);
        story.tell(id, f, challenge(Carrier::Smb, 0x33));
        story.tell(
            id,
            f,
            authenticate(Carrier::Smb, 0x33, u8::try_from(id).unwrap()),
        );
    }
    let story = story.end(2_000);
    assert!(story.findings().iter().all(|f| f.kind != "relay"));
}

#[test]
fn known_static_challenges_are_no_relay() {
    let mut story = Story::new();
    story.tell(
        0,
        flow(1, VICTIM, ATTACKER, 445),
        challenge(Carrier::Smb, 0x41),
    );
    story.tell(
        1,
        flow(2, ATTACKER, TARGET, 445),
        challenge(Carrier::Smb, 0x41),
    );
    assert!(story.end(2_000).findings().is_empty());
}

#[test]
fn one_challenge_of_many_servers_without_inversion_is_no_relay() {
    let mut story = Story::new();
    for n in 0..22_u8 {
        let id = u64::from(n) + 1;
        let f = flow(id, [10, 1, 0, n], [10, 2, 0, n], 445);
        story.tell(id, f, challenge(Carrier::Smb, 0x55));
        story.tell(id, f, authenticate(Carrier::Smb, 0x55, n));
    }
    assert!(story.end(3_000).findings().is_empty());
}

#[test]
fn different_responses_to_one_challenge_are_no_relay() {
    let mut story = Story::new();
    let victim = flow(1, VICTIM, ATTACKER, 445);
    let target = flow(2, ATTACKER, TARGET, 445);
    story.tell(0, target, challenge(Carrier::Smb, 0x21));
    story.tell(1, victim, challenge(Carrier::Smb, 0x21));
    story.tell(2, victim, authenticate(Carrier::Smb, 0x21, 1));
    story.tell(3, target, authenticate(Carrier::Smb, 0x21, 2));
    assert!(story.end(2_000).findings().is_empty());
}

#[test]
fn a_mirrored_loopback_is_no_relay() {
    let mut story = Story::new();
    story.tell(
        0,
        flow(1, TARGET, TARGET, 445),
        challenge(Carrier::Smb, 0x21),
    );
    story.tell(
        1,
        flow(2, VICTIM, ATTACKER, 445),
        challenge(Carrier::Smb, 0x21),
    );
    assert!(story.end(2_000).findings().is_empty());
}

fn forwarded(
    same_message: bool,
    same_session: bool,
    user: &str,
    carriers: [Carrier; 2],
) -> Finding {
    let mut story = Story::new();
    let inside = flow(1, OTHER, ATTACKER, 80);
    let behind = flow(2, ATTACKER, TARGET, 80);
    story.tell(0, behind, challenge(carriers[1], 0x21));
    story.tell(1, inside, challenge(carriers[0], 0x21));
    for (n, (f, carrier)) in [(inside, carriers[0]), (behind, carriers[1])]
        .into_iter()
        .enumerate()
    {
        let Seen::Authenticate(mut auth) = authenticate(carrier, 0x21, 5) else {
            unreachable!("that is what it makes");
        };
        auth.user = user.to_owned();
        auth.message_id = if same_message { 7 } else { 7 + n as u64 };
        auth.session_id = if same_session { 8 } else { 8 + n as u64 };
        story.tell(2 + n as u64, f, Seen::Authenticate(auth));
    }
    let story = story.end(2_000);
    let found = story.findings();
    assert_eq!(found.len(), 1);
    found[0].clone()
}

#[test]
fn forwarding_is_told_from_content() {
    let http = [Carrier::Http; 2];
    assert!(
        forwarded(true, false, "alice", http).forwarded,
        "NAT or a TCP proxy"
    );
    assert!(
        forwarded(false, true, "alice", http).forwarded,
        "a reverse proxy"
    );
    assert!(!forwarded(false, false, "alice", http).forwarded);
    assert!(
        !forwarded(false, true, "SRV$", http).forwarded,
        "not for machine accounts"
    );
    assert!(
        !forwarded(true, true, "alice", [Carrier::Smb, Carrier::Http]).forwarded,
        "never between protocols"
    );
}

#[test]
fn a_declared_forwarder_forwards() {
    let mut story = Story::with(&Declared {
        forwarders: vec![Addr::v4(ATTACKER).ip()],
        ..Declared::default()
    });
    relay(&mut story, 0, 1, 0x21, true);
    assert!(story.findings()[0].forwarded);
}

#[test]
fn a_pivot_between_listener_and_relay_keeps_the_roles() {
    let mut story = Story::new();
    // The victim talks to a pivot, the pivot to the relay, the relay to the target.
    let target = flow(1, ATTACKER, TARGET, 80);
    let middle = flow(2, OTHER, ATTACKER, 445);
    let victim = flow(3, VICTIM, OTHER, 445);
    for (n, f) in [target, middle, victim].into_iter().enumerate() {
        story.tell(n as u64, f, challenge(Carrier::Smb, 0x21));
    }
    for (n, f) in [victim, middle, target].into_iter().enumerate() {
        story.tell(3 + n as u64, f, authenticate(Carrier::Smb, 0x21, 4));
    }
    story.tell(6, target, result(Carrier::Smb, true));
    let found = story.findings();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].victim, Some(Addr::v4(VICTIM)));
    assert_eq!(found[0].listener, Some(Addr::v4(OTHER)));
    assert_eq!(found[0].attacker, Some(Addr::v4(ATTACKER)));
    assert_eq!(found[0].target, Some(Addr::v4(TARGET)));
}

fn answer(call_id: u32, fault: Option<u32>, status: Option<u32>) -> Seen {
    Seen::Answer {
        association: 0,
        call_id,
        fault,
        status,
    }
}

#[test]
fn two_hundred_calls_are_one_alert_with_a_count() {
    let mut story = Story::new();
    let f = flow(1, ATTACKER, VICTIM, 445);
    for n in 0..200 {
        story.tell(
            u64::from(n) * 20,
            f,
            efs_call(Some(r"\\10.0.0.66\x\y"), false, n),
        );
        story.tell(u64::from(n) * 20 + 10, f, answer(n, None, Some(0x35)));
    }
    let story = story.end(10_000);
    assert_eq!(story.alerts().len(), 1);
    assert_eq!(story.alerts()[0].finding.outcome, "success");
    assert_eq!(story.alerts()[0].finding.path_owner, "caller");
    assert_eq!(story.closed()[0].count, 200);
}

#[test]
fn the_answer_tells_the_outcome() {
    for (fault, status, expect) in [
        (None, Some(0x35), "success"),
        (None, Some(5), "failure"),
        (Some(5), None, "failure"),
        (None, None, "unknown"),
        (None, Some(0x1234), "attempt"),
    ] {
        let mut story = Story::new();
        let f = flow(1, ATTACKER, VICTIM, 445);
        story.tell(0, f, efs_call(Some(r"\\10.0.0.66\x"), false, 1));
        story.tell(1, f, answer(1, fault, status));
        assert_eq!(story.findings()[0].outcome, expect);
    }
}

#[test]
fn whose_host_the_path_names() {
    for (path, owner, listener) in [
        (r"\\10.0.0.66\x", "caller", Some(ATTACKER)),
        (r"\\10.0.0.20\x", "server", Some(VICTIM)),
        (r"\\10.0.0.99\x", "other", Some([10, 0, 0, 99])),
        (r"\\elsewhere\x", "other", None),
        (r"C:\windows\x", "none", None),
    ] {
        let mut story = Story::new();
        story.tell(
            0,
            flow(1, ATTACKER, VICTIM, 445),
            efs_call(Some(path), false, 1),
        );
        let story = story.end(2_000);
        let f = story.findings()[0];
        assert_eq!(f.path_owner, owner, "{path}");
        assert_eq!(f.listener, listener.map(Addr::v4), "{path}");
    }
}

#[test]
fn a_sealed_call_joins_the_relay_that_follows() {
    let mut story = Story::new();
    story.tell(0, flow(5, ATTACKER, VICTIM, 445), efs_call(None, true, 1));
    story.tell(
        600,
        flow(9, OTHER, TARGET, 80),
        challenge(Carrier::Http, 0x77),
    );
    relay(&mut story, 700, 20, 0x21, true);
    let story = story.end(3_000);
    let sids: Vec<u32> = story.alerts().iter().map(|a| a.signature.sid).collect();
    assert_eq!(sids, [7, 8, 1, 9]);
    let closed = story.closed();
    assert_eq!(closed.len(), 1, "one story");
    assert_eq!(closed[0].detectors, ["RW-01", "RW-07", "RW-08", "RW-09"]);
    assert_eq!(closed[0].level, Level::Critical);
    assert_eq!(closed[0].legs.len(), 3);
    assert_eq!(story.alerts()[0].incident_id, story.alerts()[1].incident_id);
}

fn certsrv(uri: &str) -> Seen {
    Seen::Request {
        method: "POST".into(),
        uri: uri.into(),
    }
}

#[test]
fn enrolment_on_the_targets_leg_is_told_once_before_or_after_the_relay_is_known() {
    for early in [true, false] {
        let mut story = Story::new();
        let victim = flow(1, VICTIM, ATTACKER, 445);
        let target = flow(2, ATTACKER, TARGET, 80);
        if early {
            story.tell(0, target, certsrv("/certsrv/certfnsh.asp"));
        }
        story.tell(1, target, challenge(Carrier::Http, 0x21));
        story.tell(2, victim, challenge(Carrier::Smb, 0x21));
        story.tell(3, victim, authenticate(Carrier::Smb, 0x21, 1));
        story.tell(4, target, authenticate(Carrier::Http, 0x21, 1));
        story.tell(5, target, result(Carrier::Http, true));
        story.tell(6, target, certsrv("/certsrv/certfnsh.asp"));
        story.tell(7, target, certsrv("/certsrv/certnew.cer?ReqID=2"));
        let story = story.end(2_000);
        let sids: Vec<u32> = story.alerts().iter().map(|a| a.signature.sid).collect();
        assert_eq!(sids, [1, 15], "early {early}");
        assert_eq!(story.closed().len(), 1);
    }
}

#[test]
fn incidents_close_when_nothing_more_comes() {
    let mut story = Story::new();
    relay(&mut story, 0, 1, 0x21, true);
    let later = 1_000 * limits::INCIDENT_IDLE_SECS + 10;
    story.tell(
        later,
        flow(9, OTHER, TARGET, 80),
        challenge(Carrier::Http, 0x77),
    );
    assert_eq!(story.closed().len(), 1);
    // The same again is a new story, and is told again.
    relay(&mut story, later + 10, 30, 0x22, true);
    assert_eq!(story.alerts().len(), 2);
    assert_ne!(story.alerts()[0].incident_id, story.alerts()[1].incident_id);
}

use crate::limits;

#[test]
fn a_million_challenges_stay_within_the_limits() {
    let mut story = Story::new();
    for n in 0..200_000_u32 {
        let [_, b, c, d] = n.to_be_bytes();
        let f = flow(u64::from(n) + 1, [11, b, c, d], [12, b, c, d], 445);
        let mut seen = challenge(Carrier::Smb, 0);
        if let Seen::Challenge { challenge, .. } = &mut seen {
            challenge[..4].copy_from_slice(&n.to_be_bytes());
            challenge[4] = 1;
        }
        story.tell(u64::from(n / 1_000), f, seen);
    }
    let counters = story.correlator.counters();
    assert_eq!(counters.sightings, 200_000);
    let kept = u64::try_from(limits::EXCHANGES).unwrap();
    assert_eq!(counters.exchanges_evicted, 200_000 - kept);
}

/// The whole chain is told once, with every leg, and takes four alerts at most with the action.
#[test]
fn a_chain_is_one_incident_and_few_alerts() {
    let mut story = Story::new();
    story.tell(
        0,
        flow(9, ATTACKER, VICTIM, 445),
        efs_call(Some("\\\\10.0.0.66\\x"), false, 1),
    );
    relay(&mut story, 2, 1, 5, true);
    let story = story.end(5_000);
    let sids: Vec<&str> = story
        .alerts()
        .iter()
        .map(|a| a.signature.detector.as_str())
        .collect();
    assert_eq!(sids, ["RW-01", "RW-09"], "in the order of their conclusion");
    let incidents = story.closed();
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0].detectors, ["RW-01", "RW-06", "RW-08", "RW-09"]);
    let chain = story.alerts().pop().unwrap().legs.clone();
    let roles: Vec<LegRole> = chain.iter().map(|l| l.role).collect();
    assert_eq!(roles, [LegRole::Coercion, LegRole::Victim, LegRole::Target]);
}
