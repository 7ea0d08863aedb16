//! RW-05: a machine's account is used from an address that is not that machine's.

use super::Exchange;
use crate::correlate::Case;
use crate::correlate::identity::{Owner, machine_name};
use crate::event::{LegRole, Source};

pub(super) fn test(e: &Exchange<'_>) -> Option<Case> {
    let name = machine_name(&e.auth.user)?;
    let Owner::Other(owner, source) = e.cx.identity.owner(e.client(), &name, e.s.ts) else {
        return None;
    };
    if owner == e.server() {
        // The account of the server itself: a reflection, or one host with two addresses.
        return None;
    }
    let mut f = e.finding("RW-05");
    f.victim = Some(owner);
    f.victim_tier0 = e.cx.identity.roles(owner).is_tier0();
    f.named = "other";
    f.owner = Some(owner);
    f.owner_source = source.name();
    f.confidence = if source == Source::Ntlm {
        "medium"
    } else {
        "high"
    };
    let evidence = vec![
        e.sentence(),
        format!(
            "that account belongs to {owner} (known by {}), not to {}",
            source.name(),
            e.client()
        ),
    ];
    Some(e.case(LegRole::Target, f, evidence))
}
