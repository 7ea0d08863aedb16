//! What joins, what merges, and what is written.

use super::*;
use crate::correlate::story::{ATTACKER, OTHER, Story, TARGET, VICTIM, flow};
use crate::event::{Claim, Finding, Leg, LegRole, Level, Source};
use crate::wire::Guid;

fn addr(host: [u8; 4]) -> Option<Addr> {
    Some(Addr::v4(host))
}

fn case(ms: u64, victim: Option<Addr>, listener: Option<Addr>) -> Case {
    let flow = flow(ms + 1, [10, 0, 0, 1], [10, 0, 0, 2], 445);
    Case {
        finding: Arc::new(Finding {
            detector: "RW-08",
            kind: "callback",
            confidence: "high",
            outcome: "success",
            victim,
            listener,
            ..Finding::default()
        }),
        ts: Story::at(ms),
        pcap_cnt: ms,
        flow,
        legs: vec![Leg {
            role: LegRole::Victim,
            flow,
            pcap_cnt: ms,
            ts: Story::at(ms),
        }],
        rpc: None,
        ntlm: None,
        evidence: vec![format!("seen at {ms}")],
    }
}

struct Desk {
    incidents: Incidents,
    who: Identity,
    out: Vec<Verdict>,
    evicted: u64,
}

impl Desk {
    fn new() -> Self {
        Self {
            incidents: Incidents::default(),
            who: Identity::new(Duration::ZERO),
            out: Vec::new(),
            evicted: 0,
        }
    }

    fn join(&mut self, case: &Case) -> u64 {
        self.incidents.advance(case.ts, &mut self.out);
        let hits = [Arc::new(Signature {
            sid: 8,
            level: Level::High,
            ..Signature::default()
        })];
        let news = News {
            case,
            hits: &hits,
            loud: true,
            drops: 0,
            evicted: self.evicted,
        };
        self.incidents.join(news, &self.who, &mut self.out).0
    }

    fn end(mut self, ms: u64) -> Vec<Incident> {
        self.incidents.finish(Story::at(ms), &mut self.out);
        let Incidents {
            open,
            by_key,
            newest,
            due,
            idle,
            ..
        } = &self.incidents;
        assert!(open.is_empty() && due.is_empty() && idle.is_empty());
        assert!(
            by_key.is_empty() && newest.is_empty(),
            "{by_key:?} {newest:?}"
        );
        let closed = |v: Verdict| match v {
            Verdict::Incident(i) if i.closed => Some(*i),
            _ => None,
        };
        self.out.into_iter().filter_map(closed).collect()
    }
}

/// That the victim called back says nothing of the relay: its own outcome does.
#[test]
fn the_outcome_of_a_relay_is_not_that_of_the_call() {
    let of = |outcomes: &[(&'static str, bool)]| {
        let mut desk = Desk::new();
        for (ms, (outcome, relayed)) in (0..).zip(outcomes) {
            let mut case = case(ms, addr(VICTIM), addr(ATTACKER));
            let f = Arc::make_mut(&mut case.finding);
            f.outcome = outcome;
            f.target = relayed.then(|| addr(TARGET)).flatten();
            desk.join(&case);
        }
        let closed = desk.end(400_000);
        assert_eq!(closed.len(), 1);
        closed[0].outcome
    };
    assert_eq!(of(&[("success", false)]), "success");
    assert_eq!(of(&[("success", false), ("unknown", true)]), "unknown");
    assert_eq!(of(&[("failure", true), ("success", false)]), "failure");
    assert_eq!(of(&[("failure", true), ("success", true)]), "success");
}

#[test]
fn half_known_stories_merge_when_a_finding_shows_that_they_are_one() {
    let mut desk = Desk::new();
    assert_eq!(desk.join(&case(0, addr(VICTIM), None)), 1);
    assert_eq!(
        desk.join(&case(1_500, None, addr(ATTACKER))),
        1,
        "another story"
    );
    assert_eq!(
        desk.join(&case(3_000, addr(VICTIM), addr(ATTACKER))),
        0,
        "both are one, and told"
    );
    assert_eq!(desk.join(&case(4_000, None, addr(ATTACKER))), 0);
    let closed = desk.end(5_000);
    assert_eq!(closed.len(), 2);
    let (gone, kept) = (&closed[0], &closed[1]);
    assert_eq!(gone.merged_into, kept.incident_id);
    assert_eq!((gone.count, gone.first_ts), (1, Story::at(1_500)));
    assert_eq!((kept.merged_into, kept.count), (0, 4));
    assert_eq!(kept.first_ts, Story::at(0), "the older survives");
    assert_eq!(kept.legs.len(), 4);
    assert_eq!(kept.roles.victim, [Addr::v4(VICTIM)]);
    assert_eq!(kept.roles.listener, [Addr::v4(ATTACKER)]);
}

#[test]
fn other_victims_of_one_listener_are_other_stories() {
    let mut desk = Desk::new();
    desk.join(&case(0, addr(VICTIM), addr(ATTACKER)));
    desk.join(&case(1, addr(OTHER), addr(ATTACKER)));
    let closed = desk.end(5_000);
    assert_eq!(closed.len(), 2);
    assert!(closed.iter().all(|i| i.merged_into == 0 && i.count == 1));
}

#[test]
fn two_addresses_of_one_victim_are_one_story() {
    for learned_first in [true, false] {
        let mut desk = Desk::new();
        let learn = |desk: &mut Desk| {
            for host in [VICTIM, OTHER] {
                let claim = Claim {
                    addr: Addr::v4(host),
                    guid: Some(Guid(7)),
                    source: Source::Smb,
                    ..Claim::default()
                };
                desk.who.learn(&claim, Story::at(0));
            }
        };
        if learned_first {
            learn(&mut desk);
        }
        desk.join(&case(0, addr(VICTIM), addr(ATTACKER)));
        desk.join(&case(1, addr(OTHER), addr(ATTACKER)));
        if !learned_first {
            learn(&mut desk);
        }
        desk.join(&case(2, addr(OTHER), addr(ATTACKER)));
        let mut closed = desk.end(5_000);
        let kept = closed.pop().unwrap();
        assert_eq!(kept.count, 3, "{learned_first}");
        assert_eq!(kept.roles.victim, [Addr::v4(VICTIM), Addr::v4(OTHER)]);
        assert_eq!(closed.len(), usize::from(!learned_first));
        assert!(closed.iter().all(|i| i.merged_into == kept.incident_id));
    }
}

#[test]
fn evictions_of_its_window_make_it_less_sure() {
    let mut desk = Desk::new();
    desk.evicted = 3;
    desk.join(&case(0, addr(OTHER), addr(ATTACKER)));
    // Ten minutes later that is history.
    desk.join(&case(500_000, addr(VICTIM), addr(ATTACKER)));
    desk.evicted = 5;
    desk.join(&case(501_000, addr(VICTIM), addr(ATTACKER)));
    desk.join(&case(900_000, addr([10, 0, 0, 99]), addr(ATTACKER)));
    let closed = desk.end(901_000);
    let said: Vec<_> = closed.iter().map(|i| (i.evictions, i.confidence)).collect();
    assert_eq!(said, [(3, "medium"), (2, "medium"), (0, "high")]);
}

/// Written at most once a second, and nothing piles up behind it.
#[test]
fn a_long_story_is_written_once_a_second_and_at_its_end() {
    let mut desk = Desk::new();
    for n in 0..3_000 {
        desk.join(&case(n * 250, addr(VICTIM), addr(ATTACKER)));
        assert_eq!(
            (desk.incidents.due.len(), desk.incidents.idle.len()),
            (1, 1)
        );
    }
    let written: Vec<Timestamp> = desk
        .out
        .iter()
        .filter_map(|v| match v {
            Verdict::Incident(i) => Some(i.ts),
            _ => None,
        })
        .collect();
    assert!((749..=751).contains(&written.len()), "{}", written.len());
    assert!(written.windows(2).all(|w| w[1].since(w[0]) >= WRITE_EVERY));
    let closed = desk.end(751_000);
    assert_eq!((closed.len(), closed[0].count), (1, 3_000));
    assert_eq!(closed[0].legs.len(), limits::INCIDENT_LIST);
    assert_eq!(closed[0].more, limits::INCIDENT_MORE as u64);
}

/// The 25th hour begins another incident.
#[test]
fn nothing_lasts_longer_than_a_day() {
    let mut desk = Desk::new();
    for minute in 0..25 * 12 {
        desk.join(&case(minute * 300_000, addr(VICTIM), addr(ATTACKER)));
    }
    let closed = desk.end(25 * 3_600_000);
    assert_eq!(closed.len(), 2);
    let lasted = closed[0].last_ts.since(closed[0].first_ts);
    assert!(lasted <= Duration::from_secs(limits::INCIDENT_SECS));
}

#[test]
fn the_idlest_gives_way() {
    let mut desk = Desk::new();
    let many = u32::try_from(limits::INCIDENTS).unwrap() + 1;
    for n in 0..many {
        let [.., b, c, d] = n.to_be_bytes();
        desk.join(&case(u64::from(n), addr([11, b, c, d]), addr(ATTACKER)));
        desk.join(&case(u64::from(n), addr([11, 0, 0, 0]), addr(ATTACKER)));
    }
    assert_eq!(desk.incidents.evicted(), 1);
    let closed = desk.end(5_000);
    assert_eq!(closed.len(), limits::INCIDENTS + 1);
    assert_eq!(closed[0].roles.victim, [Addr::v4([11, 0, 0, 1])]);
}

/// What the attacker did before there was a victim: a name added, a directory changed.
fn by(attacker: [u8; 4], ms: u64, victim: Option<Addr>, listener: Option<Addr>) -> Case {
    let mut case = case(ms, victim, listener);
    let f = Arc::make_mut(&mut case.finding);
    f.attacker = addr(attacker);
    f.kind = if victim.is_none() {
        "action"
    } else {
        "coercion"
    };
    case
}

#[test]
fn what_an_attacker_did_before_belongs_to_his_first_victims_story() {
    for listener in [ATTACKER, OTHER] {
        let mut desk = Desk::new();
        desk.join(&by(ATTACKER, 0, None, None));
        desk.join(&by(ATTACKER, 1, addr(VICTIM), None));
        desk.join(&by(ATTACKER, 2, addr(VICTIM), addr(listener)));
        desk.join(&by(ATTACKER, 3, None, None));
        // The next victim is another story.
        desk.join(&by(ATTACKER, 4, addr([10, 0, 0, 99]), addr(listener)));
        let closed = desk.end(5_000);
        assert_eq!(closed.len(), 2, "{listener:?}");
        assert_eq!((closed[0].count, closed[1].count), (4, 1));
        assert_eq!(closed[0].roles.listener, [Addr::v4(listener)]);
        assert!(closed.iter().all(|i| i.merged_into == 0));
    }
}

#[test]
fn a_quiet_finding_adds_to_the_story_of_its_listener() {
    let mut desk = Desk::new();
    desk.join(&case(0, addr(VICTIM), addr(ATTACKER)));
    let mut quiet = case(1, addr(OTHER), addr(ATTACKER));
    Arc::make_mut(&mut quiet.finding).quiet = true;
    desk.join(&quiet);
    let closed = desk.end(5_000);
    assert_eq!((closed.len(), closed[0].count), (1, 2));
}
