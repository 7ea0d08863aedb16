//! What holds for every shipped rule.

use super::shipped::{SEEN, builtin};
use super::{SIDS, shipped, shipped_actions, shipped_precursor};
use crate::event::Level;

/// Every shipped rule fires in a row of a table of levels, each of which says what it should say. That it
/// fires in real traffic, and in no benign one, is for the evaluation to show.
#[test]
fn every_rule_fires() {
    shipped::coercion_levels();
    shipped::relay_levels();
    shipped::web_enrolment_levels();
    shipped::one_leg_levels();
    shipped::callback_levels();
    shipped::levels_of_kerberos();
    shipped::levels_of_tier_zero_outbound();
    shipped_actions::directory_write_levels();
    shipped_actions::rpc_enrolment_levels();
    shipped_actions::neighbour_levels();
    shipped_actions::follow_up_levels();
    shipped_precursor::precursor_levels();
    let seen = SEEN.take();
    let rules = builtin();
    let silent: Vec<&str> = (rules.rules().map(|r| &r.signature))
        .filter(|s| !seen.contains(&s.sid))
        .map(|s| s.title.as_str())
        .collect();
    assert!(silent.is_empty(), "no table makes these fire: {silent:#?}");
}

#[test]
fn shipped_rules_are_complete() {
    let rules = builtin();
    assert_eq!(rules.skipped().len(), 0);
    assert!(rules.rules().len() >= 33);
    for rule in rules.rules() {
        let s = &rule.signature;
        let who = &rule.file;
        let name = who.rsplit('/').next().unwrap();
        assert!((10..=90).contains(&name.len()), "{who}");
        assert!(
            name.bytes()
                .all(|b| b.is_ascii_lowercase() || matches!(b, b'0'..=b'9' | b'_' | b'.')),
            "{who}"
        );
        assert_eq!((s.gid, SIDS.contains(&s.sid)), (1, true), "{who}");
        assert!(s.rev >= 1 && s.id.len() == 36, "{who}");
        assert_eq!(s.detector.len(), 5, "{who}");
        // The sid says which detector it belongs to; 500 higher is a second ten of the same.
        assert_eq!(
            format!("RW-{:02}", (s.sid - SIDS.start()) % 500 / 10),
            s.detector
        );
        assert!(!s.techniques.is_empty() && !s.tactics.is_empty(), "{who}");
        assert!(
            !s.references.is_empty() && !s.false_positives.is_empty(),
            "{who}"
        );
        assert!(!s.category.is_empty() && !rule.status.is_empty(), "{who}");
        assert!(s.title.chars().count() <= 256, "{who}");
    }
    assert_eq!(Level::ALL.len(), 5);
}
