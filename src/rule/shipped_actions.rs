//! What the shipped rules say of actions: RW-16, RW-17, RW-24, RW-25. This table is the specification of their
//! levels.

use super::shipped::{builtin, verdict};
use crate::event::Finding;

fn of(detector: &'static str, action: &str, change: impl Fn(&mut Finding)) -> Finding {
    let mut f = Finding {
        kind: "action",
        detector,
        confidence: "high",
        outcome: "success",
        action: action.to_owned(),
        ..Finding::default()
    };
    change(&mut f);
    f
}

fn check(table: &[(Finding, &str)]) {
    let rules = builtin();
    for (finding, want) in table {
        assert_eq!(verdict(&rules, finding), *want, "{finding:?}");
    }
}

#[test]
pub(super) fn directory_write_levels() {
    let key = "msDS-KeyCredentialLink";
    let relayed = |f: &mut Finding| f.relayed = true;
    let relay_refused = |f: &mut Finding| (f.relayed, f.outcome) = (true, "failure");
    let refused = |f: &mut Finding| f.outcome = "failure";
    let unanswered = |f: &mut Finding| f.outcome = "unknown";
    let own = |f: &mut Finding| f.confidence = "medium";
    let admin = |f: &mut Finding| f.attacker_admin = true;
    let nothing = |_: &mut Finding| ();
    let as_is = |action, change: &dyn Fn(&mut Finding)| of("RW-17", action, change);
    check(&[
        (as_is(key, &relayed), "2593170 critical"),
        (as_is("nTSecurityDescriptor", &relayed), "2593170 critical"),
        (as_is("computer", &relayed), "2593170 critical"),
        (as_is("dnsnode", &relayed), "2593171 high"),
        (as_is("other", &relayed), "2593171 high"),
        (as_is(key, &relay_refused), "2593172 high"),
        (as_is("other", &relay_refused), "2593172 high"),
        (as_is(key, &nothing), "2593173 high"),
        (as_is(key, &unanswered), "2593173 high"),
        (as_is(key, &refused), "2593174 medium"),
        (as_is(key, &own), "2593174 medium"),
        (as_is(key, &admin), "-"),
        (as_is("dnsnode", &nothing), "2593175 medium"),
        (as_is("computer", &nothing), "2593175 medium"),
        (as_is("computer", &refused), "2593176 low"),
        (as_is("user", &nothing), "2593176 low"), // provisioning
        (as_is("member", &refused), "2593176 low"),
        (as_is("member", &admin), "-"),
    ]);
}

#[test]
pub(super) fn rpc_enrolment_levels() {
    let foreign =
        |f: &mut Finding| (f.named, f.owner_source, f.machine_account) = ("other", "dns", true);
    let as_is = |change: &dyn Fn(&mut Finding)| of("RW-16", "enrolment", change);
    check(&[
        (as_is(&|f| f.relayed = true), "2593160 critical"),
        (
            as_is(&|f| (f.relayed, f.outcome) = (true, "unknown")),
            "2593160 critical",
        ),
        (
            as_is(&|f| (f.relayed, f.outcome) = (true, "failure")),
            "2593161 high",
        ),
        (as_is(&foreign), "2593162 critical"),
        (
            as_is(&|f| {
                foreign(f);
                (f.learning, f.owner_source) = (true, "declared");
            }),
            "2593162 critical",
        ),
        (
            as_is(&|f| {
                foreign(f);
                f.learning = true;
            }),
            "2593163 high",
        ),
        (as_is(&|_| ()), "2593163 high"),
        (as_is(&|f| f.outcome = "failure"), "2593164 medium"),
        (
            as_is(&|f| {
                foreign(f);
                f.outcome = "failure";
            }),
            "2593164 medium",
        ),
    ]);
}

#[test]
pub(super) fn neighbour_levels() {
    let as_is = |action, change: &dyn Fn(&mut Finding)| of("RW-24", action, change);
    let nothing = |_: &mut Finding| ();
    let learning = |f: &mut Finding| f.learning = true;
    let refused = |f: &mut Finding| f.outcome = "failure";
    let as_controller = |f: &mut Finding| f.confidence = "low";
    let admin = |f: &mut Finding| f.attacker_admin = true;
    let relayed = |f: &mut Finding| (f.relayed, f.learning) = (true, true);
    let from = |owner: &'static str, literal: bool| {
        move |f: &mut Finding| (f.path_owner, f.path_host_literal) = (owner, literal)
    };
    check(&[
        (as_is("dcsync", &nothing), "2593240 critical"),
        (as_is("dcshadow", &nothing), "2593240 critical"),
        (as_is("dcsync", &relayed), "2593240 critical"),
        (as_is("dcsync", &learning), "2593242 low"),
        (as_is("dcsync", &refused), "2593241 medium"),
        (as_is("dcsync", &as_controller), "2593242 low"),
        (as_is("dcsync", &admin), "-"),
        (
            as_is("zerologon", &|f| f.outcome = "attempt"),
            "2593243 critical",
        ),
        (as_is("zerologon", &nothing), "2593244 critical"),
        (
            as_is("printnightmare", &from("caller", false)),
            "2593245 high",
        ),
        (
            as_is("printnightmare", &from("other", true)),
            "2593245 high",
        ),
        (
            as_is("printnightmare", &from("none", false)),
            "2593245 high",
        ),
        (
            as_is("printnightmare", &from("other", false)),
            "2593246 medium",
        ),
        (
            as_is("printnightmare", &from("unknown", false)),
            "2593247 low",
        ),
        (as_is("printnightmare", &admin), "-"),
        (
            as_is("remote-exec", &|f| f.relayed = true),
            "2593248 critical",
        ),
        (as_is("remote-exec", &as_controller), "2593249 low"), // administration
        (as_is("remote-exec", &admin), "-"),
    ]);
}

#[test]
pub(super) fn follow_up_levels() {
    let as_is = |action, change: &dyn Fn(&mut Finding)| of("RW-25", action, change);
    let foreign = |f: &mut Finding| (f.named, f.owner_source) = ("other", "dns");
    check(&[
        (as_is("pkinit", &|f| f.relayed = true), "2593250 critical"),
        (
            as_is("adidns", &|f| (f.relayed, f.confidence) = (true, "medium")),
            "2593250 critical",
        ),
        (as_is("pkinit", &foreign), "2593251 high"),
        (
            as_is("s4u", &|f| {
                (f.named, f.owner_source, f.learning) = ("other", "declared", true)
            }),
            "2593251 high",
        ),
        (
            as_is("pkinit", &|f| {
                (f.named, f.owner_source, f.learning) = ("other", "dns", true)
            }),
            "2593252 medium",
        ),
        (
            as_is("pkinit", &|f| (f.named, f.owner_source) = ("other", "ntlm")),
            "2593252 medium",
        ),
        (
            as_is("pkinit", &|f| (f.named, f.confidence) = ("unknown", "low")),
            "2593253 low",
        ),
        (as_is("adidns", &|f| f.confidence = "low"), "2593253 low"),
    ]);
}
