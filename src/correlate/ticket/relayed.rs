//! RW-13: one AP-REQ, two flows.

use super::{Grant, Shown, to_kdc};
use crate::correlate::Case;
use crate::correlate::pattern::Context;
use crate::event::{Carrier, LegRole};

/// The finding and the other flow's id, if the second showing is not the first client's own.
pub(super) fn test(
    first: &Shown,
    second: &Shown,
    grant: Option<&Grant>,
    cx: &Context<'_>,
) -> Option<(Case, u64)> {
    // A client may try the same message at another address of its server. A TGS-REQ is of no use to
    // others: its AP-REQ is bound to the request, and the answer is for the client's key (RFC 4120 7.2).
    if to_kdc(first) || to_kdc(second) || cx.identity.same_host(first.client(), second.client()) {
        return None;
    }
    // Order decides, unless the mirror port delivered the second leg first.
    let swapped = second.server() == first.client();
    let (victim, target) = if swapped {
        (second, first)
    } else {
        (first, second)
    };
    let inverted = victim.server() == target.client();
    let mut f = target.finding("RW-13", grant, cx);
    f.attacker = Some(target.client());
    f.victim = Some(victim.client());
    f.listener = Some(victim.server());
    f.target = Some(target.server());
    f.victim_protocol = victim.ticket.carrier.name();
    f.target_protocol = target.ticket.carrier.name();
    f.inverted = inverted;
    f.forwarded = forwarded(victim, target, f.machine_account);
    f.confidence = if inverted { "high" } else { "medium" };
    let roles = |addr| cx.identity.roles(addr);
    f.victim_tier0 = roles(victim.client()).is_tier0();
    f.target_tier0 = roles(target.server()).is_tier0();
    let later = second.ts.since(first.ts).as_micros();
    let mut evidence = vec![
        format!(
            "the same AP-REQ for {} went over {} -> {} ({}) and, {}.{} ms later, over {} -> {} ({})",
            target.ticket.sname,
            first.client(),
            first.flow.server,
            first.ticket.carrier.name(),
            later / 1000,
            later % 1000 / 100,
            second.client(),
            second.flow.server,
            second.ticket.carrier.name()
        ),
        "its authenticator is made for one use (RFC 4120 5.5.1), so it was handed on".to_owned(),
    ];
    evidence.push(if inverted {
        format!(
            "{} is server to {} and client of {}",
            target.client(),
            victim.client(),
            target.server()
        )
    } else {
        "no host is server on one leg and client on the other: a pivot, a second address, or a copy"
            .to_owned()
    });
    if f.forwarded {
        evidence.push("both legs carry the same session: one connection passed on".to_owned());
    }
    let legs = vec![victim.leg(LegRole::Victim), target.leg(LegRole::Target)];
    let mut case = target.case(f, legs, evidence);
    case.ts = second.ts;
    Some((case, first.flow.flow_id))
}

/// One connection passed on by a device, told from content (catalogue B.3).
fn forwarded(victim: &Shown, target: &Shown, machine_account: bool) -> bool {
    let (v, t) = (&victim.ticket, &target.ticket);
    let same = |a: u64, b: u64| a != 0 && a == b;
    if v.carrier != t.carrier {
        return false;
    }
    let weak = v.carrier == Carrier::Http && machine_account;
    same(v.message_id, t.message_id) || same(v.session_id, t.session_id) && !weak
}
