//! RW-12: an authentication that comes back to the host it is of.

use std::sync::Arc;

use super::Exchange;
use crate::correlate::Case;
use crate::correlate::identity::{Owner, machine_name};
use crate::correlate::pattern::Context;
use crate::event::{Finding, LegRole};

/// NTLMSSP "local call": server and client are one host (MS-NLMP 2.2.2.5 lists the bit as r7; Windows
/// sets it in a CHALLENGE it means for itself).
const LOCAL_CALL: u32 = 0x0000_4000;

/// One leg: a server that takes another host for itself, or its own account from elsewhere.
pub(super) fn test(e: &Exchange<'_>) -> Option<Case> {
    let identity = e.cx.identity;
    if identity.same_host(e.client(), e.server()) {
        return None;
    }
    let local = e
        .before
        .challenge_flags
        .is_some_and(|f| f & LOCAL_CALL != 0);
    let own_account = machine_name(&e.auth.user)
        .is_some_and(|name| matches!(identity.owner(e.server(), &name, e.s.ts), Owner::Itself(_)));
    if !local && !own_account {
        return None;
    }
    let mut f = e.finding("RW-12");
    f.test = if local { "local_call" } else { "own_account" };
    f.victim = Some(e.server());
    f.victim_tier0 = f.target_tier0;
    f.confidence = if local { "high" } else { "medium" };
    let mut evidence = Vec::new();
    if local {
        evidence.push(format!(
            "{} answered {} with a challenge for a local call: it takes the client for itself",
            e.server(),
            e.client()
        ));
    }
    if own_account {
        evidence.push(format!(
            "{} is the account of {} itself",
            e.auth.user,
            e.server()
        ));
    }
    evidence.push(e.sentence());
    Some(e.case(LegRole::Target, f, evidence))
}

/// Both legs: the victim is the target.
pub(super) fn of_relay(case: &Case, cx: &Context<'_>) -> Option<Case> {
    let relay = &case.finding;
    let (victim, target) = (relay.victim?, relay.target?);
    if relay.forwarded || !cx.identity.same_host(victim, target) {
        return None;
    }
    let finding = Finding {
        detector: "RW-12",
        test: "same_host",
        confidence: relay.confidence,
        ..Finding::clone(relay)
    };
    let mut evidence = vec![format!(
        "the authentication of {victim} was relayed back to {target}, which is the same host"
    )];
    evidence.extend(case.evidence.iter().cloned());
    Some(Case {
        finding: Arc::new(finding),
        evidence,
        ..case.clone()
    })
}
