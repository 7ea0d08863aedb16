//! Correlation rules: what they count, over packet time, and what they may not be.

use super::tests::{finding, load, rule};
use super::{Correlated, Occurrence, Occurrences, RuleSet, RuleSource};
use crate::event::{Finding, FlowMeta};
use crate::limits;
use crate::time::Timestamp;

/// Two rules on findings and a correlation of them.
fn set(kind: &str, rest: &str) -> String {
    let one = |sid, name: &str, method: &str| {
        let s = format!("    s:\n        method: {method}\n    condition: s");
        format!("name: {name}\n{}", rule(sid, "finding", &s))
    };
    format!(
        "{}---\n{}---\ntitle: Both\nsid: 3\ncorrelation:\n    type: {kind}\n{rest}\nlevel: high\n",
        one(1, "call", "Call"),
        one(2, "answer", "Answer")
    )
}

/// Shows findings (second, method, attacker's last byte, user) to the rules; seconds and evidence of what holds.
fn told(text: &str, findings: &[(u64, &str, u8, &str)]) -> Vec<(u64, Vec<String>)> {
    let rules = load(text);
    let mut occurrences = Occurrences::default();
    let mut out = Vec::new();
    for (second, method, attacker, user) in findings {
        let f = Finding {
            method: (*method).to_owned(),
            attacker: Some(crate::net::Addr::v4([10, 0, 0, *attacker])),
            user: (*user).to_owned(),
            ..finding()
        };
        show(&rules, &mut occurrences, &f, *second, &mut out);
    }
    occurrences.advance(&rules, Timestamp::new(100_000, 0), &mut out);
    out.into_iter().map(|c| (c.ts.secs(), c.evidence)).collect()
}

fn show(
    rules: &RuleSet,
    to: &mut Occurrences,
    f: &Finding,
    second: u64,
    out: &mut Vec<Correlated>,
) {
    for signature in super::tests::hits(rules, f) {
        let Some(captured) = rules.capture(&signature, f) else {
            continue;
        };
        let what = Occurrence {
            signature: &signature,
            captured: &captured,
            ts: Timestamp::new(second, 0),
            flow: FlowMeta::default(),
            pcap_cnt: second,
            incident_id: 7,
        };
        to.add(rules, &what, out);
    }
}

const BY_ATTACKER: &str = "    rules: [call]\n    group-by: [attacker]\n    timespan: 10s\n";

#[test]
fn events_are_counted_by_group_in_a_sliding_window() {
    let text = set(
        "event_count",
        &format!("{BY_ATTACKER}    condition: {{gte: 3}}"),
    );
    // Three within ten seconds, of one attacker only; the fourth and fifth are the same burst.
    let said = told(
        &text,
        &[
            (0, "Call", 1, ""),
            (1, "Call", 2, ""),
            (8, "Call", 1, ""),
            (9, "Answer", 1, ""),
            (12, "Call", 1, ""),
            (15, "Call", 1, ""),
            (16, "Call", 1, ""),
            (17, "Call", 1, ""),
            // Quiet for more than ten seconds, then again.
            (40, "Call", 1, ""),
            (41, "Call", 1, ""),
            (42, "Call", 1, ""),
        ],
    );
    let seconds: Vec<u64> = said.iter().map(|s| s.0).collect();
    assert_eq!(seconds, [15, 42]);
    assert_eq!(
        said[0].1,
        ["3 × “Rule 1” within 7.0 s", "all with attacker 10.0.0.1"]
    );
}

#[test]
fn counts_that_more_could_undo_wait_for_the_end_of_the_window() {
    for (condition, want) in [
        ("{lt: 3}", vec![110_u64]),
        ("{eq: 3}", vec![10]),
        ("{neq: 3}", vec![110]),
        ("{gte: 2, lte: 3}", vec![10]),
        ("{gt: 2}", vec![2]),
    ] {
        let text = set(
            "event_count",
            &format!("{BY_ATTACKER}    condition: {condition}"),
        );
        let said = told(
            &text,
            &[
                (0, "Call", 1, ""),
                (1, "Call", 1, ""),
                (2, "Call", 1, ""),
                (100, "Call", 1, ""),
            ],
        );
        let seconds: Vec<u64> = said.iter().map(|s| s.0).collect();
        assert_eq!(seconds, want, "{condition}");
    }
}

#[test]
fn values_are_counted_once_each() {
    let text = set(
        "value_count",
        "    rules: [call]\n    timespan: 1m\n    condition: {field: user, gte: 3}",
    );
    let said = told(
        &text,
        &[
            (0, "Call", 1, "a"),
            (1, "Call", 1, "a"),
            (2, "Call", 1, "b"),
            (3, "Call", 1, ""),
            (4, "Call", 2, "b"),
            (5, "Call", 1, "c"),
        ],
    );
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].0, 5);
    assert_eq!(said[0].1[1], "3 values of user: a, b, c");
}

#[test]
fn temporal_wants_all_and_ordered_wants_them_in_order() {
    let rest = "    rules: [call, answer]\n    group-by: [who]\n    timespan: 10s\n    \
                aliases: {who: {call: attacker, answer: attacker}}";
    let events = [
        (0, "Answer", 1, ""),
        (3, "Call", 1, ""),
        (5, "Answer", 2, ""),
    ];
    let seconds = |kind| -> Vec<u64> {
        let said = told(&set(kind, rest), &events);
        said.iter().map(|s| s.0).collect()
    };
    assert_eq!(seconds("temporal"), [3]);
    assert!(seconds("temporal_ordered").is_empty());
    let ordered = told(
        &set("temporal_ordered", rest),
        &[
            (0, "Call", 1, ""),
            (20, "Call", 1, ""),
            (29, "Answer", 1, ""),
        ],
    );
    assert_eq!(ordered[0].0, 29);
    // Ten seconds apart at most.
    let late = [(0, "Call", 1, ""), (11, "Answer", 1, "")];
    assert!(told(&set("temporal", rest), &late).is_empty());
}

#[test]
fn its_rules_are_silent_unless_told_otherwise() {
    for (generate, want) in [("", true), ("    generate: true\n", false)] {
        let rest = format!("{BY_ATTACKER}{generate}    condition: {{gte: 3}}");
        let rules = load(&set("event_count", &rest));
        let silent = |sid| {
            let rule = rules.rules().find(|r| r.signature.sid == sid).unwrap();
            rules.is_silent(&rule.signature)
        };
        assert_eq!(silent(1), want);
        assert!(!silent(2) && !silent(3));
    }
}

#[test]
fn memory_is_bounded_and_what_goes_is_counted() {
    let text = set(
        "value_count",
        "    rules: [call]\n    group-by: [user]\n    timespan: 1d\n    condition: {field: path, gte: 3}",
    );
    let rules = load(&text);
    let mut occurrences = Occurrences::default();
    let groups = limits::CORRELATION_GROUPS as u64;
    for n in 0..groups + 5 {
        let f = Finding {
            method: "Call".to_owned(),
            user: format!("user{n}"),
            ..finding()
        };
        show(&rules, &mut occurrences, &f, n, &mut Vec::new());
    }
    assert_eq!(occurrences.evicted(), 5);
    let of_one = Finding {
        method: "Call".to_owned(),
        user: "user4000".to_owned(),
        ..finding()
    };
    for n in 0..limits::CORRELATION_EVENTS as u64 + 2 {
        show(
            &rules,
            &mut occurrences,
            &of_one,
            groups + n,
            &mut Vec::new(),
        );
    }
    assert_eq!(occurrences.evicted(), 5 + 3);
}

#[test]
fn mistakes_point_and_advise() {
    let errors = |rest: &str| {
        let source = RuleSource::Text {
            name: "mine.yml".to_owned(),
            text: set("event_count", rest),
        };
        let all = RuleSet::load(&[source]).expect_err("should not load");
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        all.join("\n")
    };
    for (rest, want) in [
        (
            "    rules: [cal]\n    timespan: 5m\n    condition: {gte: 1}",
            "no rule has the name or id `cal`",
        ),
        (
            "    rules: [cal]\n    timespan: 5m\n    condition: {gte: 1}",
            "did you mean `call`?",
        ),
        (
            "    rules: [call]\n    group-by: [atacker]\n    timespan: 5m\n    condition: {gte: 1}",
            "did you mean `attacker`?",
        ),
        (
            "    rules: [call]\n    timespan: 5x\n    condition: {gte: 1}",
            "as `30s`, `5m`, `2h`",
        ),
        (
            "    rules: [call]\n    condition: {gte: 1}",
            "`timespan` of the correlation is missing",
        ),
        (
            "    rules: [call]\n    timespan: 5m",
            "`condition` of the correlation is missing",
        ),
        (
            "    rules: [call]\n    timespan: 5m\n    condition: {gte: 5000}",
            "at most 1024 occurrences are remembered",
        ),
        (
            "    rules: [call]\n    timespan: 5m\n    condition: {field: user, gte: 5}",
            "use `value_count`",
        ),
        (
            "    rules: [call]\n    groupby: [user]\n    timespan: 5m\n    condition: {gte: 5}",
            "did you mean `group-by`?",
        ),
    ] {
        assert!(errors(rest).contains(want), "{}", errors(rest));
    }
}
