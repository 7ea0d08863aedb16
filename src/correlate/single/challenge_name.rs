//! RW-04: the challenge names a host that is known at another address (MsvAvDnsComputerName).
//!
//! Seen on the victim's leg: the listener hands on the target's challenge, names and all.

use super::Exchange;
use crate::correlate::Case;
use crate::correlate::identity::Owner;
use crate::event::{Carrier, LegRole, Source};

pub(super) fn test(e: &Exchange<'_>) -> Option<Case> {
    let name = e.before.challenger.as_str();
    if name.is_empty() {
        return None;
    }
    let Owner::Other(owner, source) = e.cx.identity.owner(e.server(), name, e.s.ts) else {
        return None;
    };
    // A client that talks to its own name at another address: a relay back to the client is RW-12's.
    let mut f = e.finding("RW-04");
    f.victim = Some(e.client());
    f.listener = Some(e.server());
    f.attacker = Some(e.server());
    f.target = Some(owner);
    f.victim_protocol = e.auth.carrier.name();
    f.target_protocol = "";
    f.named = if owner == e.client() {
        "client"
    } else {
        "other"
    };
    f.owner = Some(owner);
    f.owner_source = source.name();
    let roles = |addr| e.cx.identity.roles(addr);
    f.victim_tier0 = roles(e.client()).is_tier0();
    f.target_tier0 = roles(owner).is_tier0();
    f.attacker_admin = roles(e.server()).has(crate::event::HostRole::Admin);
    // Web servers hide behind proxies that pass their challenges on; file servers do not.
    f.confidence = match (source, e.auth.carrier) {
        (Source::Ntlm, Carrier::Http) => "low",
        (Source::Ntlm, _) | (_, Carrier::Http) => "medium",
        _ => "high",
    };
    let evidence = vec![
        format!(
            "{} issued a challenge in the name of {name}, which is {owner} (known by {})",
            e.s.flow.server,
            source.name()
        ),
        e.sentence(),
    ];
    Some(e.case(LegRole::Victim, f, evidence))
}
