//! Forged exchanges in great number do not hide a true one.
//!
//! The time is that of packets: 119 s of a flood, with the limits of a 64 MiB budget so that a flood of
//! many times what fits takes little time here. `benches/correlate.rs` sends 50,000 a second.

use crate::correlate::story::{
    ATTACKER, Story, TARGET, VICTIM, authenticate, challenge, flow, result,
};
use crate::event::{Carrier, FlowMeta, Seen};
use crate::limits;

/// Challenges of the flood.
const FORGED: u32 = 24_000;

fn story() -> Story {
    let mut story = Story::new();
    let share = (64 << 20) / 100 * limits::CORRELATE_SHARE;
    let empty = std::mem::replace(&mut story.correlator, Story::new().correlator);
    story.correlator = empty.within(share);
    story
}

/// Who forges what: client and server of the nth challenge.
type Forger = fn(u32) -> ([u8; 4], [u8; 4]);

fn host(net: u8, n: u32) -> [u8; 4] {
    let [_, b, c, d] = n.to_be_bytes();
    [net, b, c, d]
}

const FORGERS: [(&str, Forger); 4] = [
    ("one client", |n| ([10, 0, 0, 77], host(12, n))),
    ("one server", |n| (host(11, n), [10, 0, 0, 77])),
    ("one pair", |_| ([10, 0, 0, 77], [10, 0, 0, 78])),
    ("10,000 servers", |n| (host(11, n), host(12, n % 10_000))),
];

fn forge(story: &mut Story, from: u64, to: u64, forger: Forger) {
    for n in 0..FORGED {
        let (client, server) = forger(n);
        let mut seen = challenge(Carrier::Smb, 0);
        if let Seen::Challenge { challenge, .. } = &mut seen {
            challenge[..4].copy_from_slice(&n.to_be_bytes());
            challenge[4] = 1;
        }
        let ms = from + (to - from) * u64::from(n) / u64::from(FORGED);
        story.tell(ms, flow(1_000 + u64::from(n), client, server, 445), seen);
    }
}

fn legs() -> (FlowMeta, FlowMeta) {
    (
        flow(1, VICTIM, ATTACKER, 445),
        flow(2, ATTACKER, TARGET, 389),
    )
}

#[test]
fn a_complete_exchange_of_a_quiet_source_survives() {
    for (name, forger) in FORGERS {
        let mut story = story();
        let (victim, target) = legs();
        story.tell(0, victim, challenge(Carrier::Smb, 0x21));
        story.tell(1, victim, authenticate(Carrier::Smb, 0x21, 5));
        forge(&mut story, 2, 119_000, forger);
        story.tell(119_001, target, challenge(Carrier::Ldap, 0x21));
        story.tell(119_002, target, authenticate(Carrier::Ldap, 0x21, 5));
        story.tell(119_003, target, result(Carrier::Ldap, true));
        assert!(
            story.correlator.counters().exchanges_evicted > 10_000,
            "{name}"
        );
        let found = story.findings();
        let relays: Vec<_> = found.iter().filter(|f| f.kind == "relay").collect();
        assert_eq!(relays.len(), 1, "{name}");
        assert_eq!(
            (relays[0].detector, relays[0].outcome),
            ("RW-01", "success"),
            "{name}"
        );
        let story = story.end(125_000);
        let incident = &story.closed()[0];
        assert!(
            incident.evictions > 10_000 && incident.confidence == "medium",
            "{name}"
        );
    }
}

/// One source spoils only what is its own: even a challenge without an answer survives beside it.
#[test]
fn one_source_pays_for_itself() {
    for (name, forger) in FORGERS.into_iter().take(3) {
        let mut story = story();
        let (victim, target) = legs();
        story.tell(0, target, challenge(Carrier::Ldap, 0x21));
        forge(&mut story, 1, 60_000, forger);
        story.tell(60_001, victim, challenge(Carrier::Smb, 0x21));
        story.tell(60_002, victim, authenticate(Carrier::Smb, 0x21, 5));
        story.tell(60_003, target, authenticate(Carrier::Ldap, 0x21, 5));
        story.tell(60_004, target, result(Carrier::Ldap, true));
        let found = story.findings();
        assert!(found.iter().any(|f| f.detector == "RW-01"), "{name}");
    }
}
