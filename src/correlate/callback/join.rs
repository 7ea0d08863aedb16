//! A call and an authentication that came of it.

use std::sync::Arc;
use std::time::Duration;

use super::{Outgoing, account};
use crate::correlate::Case;
use crate::correlate::identity::{Owner, machine_name};
use crate::correlate::pattern::Context;
use crate::event::{Finding, HostRole, NtlmEvidence};
use crate::limits;
use crate::net::Addr;

/// The finding of RW-08, if the authentication is the call's callback.
pub(super) fn callback(call: &Case, o: &Outgoing, cx: &Context<'_>) -> Option<Case> {
    let f = &call.finding;
    let called = call.first_ts();
    let began = o.flow.first_ts;
    let within = Duration::from_secs(limits::CALLBACK_SECS);
    if began < called || o.ts.since(called) > within {
        return None;
    }
    let (victim, listener) = (o.flow.client.addr, o.flow.server.addr);
    let caller = f.attacker?;
    let fits = fits(f, listener, caller, o, cx)?;
    let host = own_account(o);
    if !host {
        return None;
    }
    let ms = u64::try_from(began.since(called).as_millis()).unwrap_or(u64::MAX);
    let finding = Finding {
        detector: "RW-08",
        kind: "callback",
        confidence: match fits {
            Fits::Named => "high",
            Fits::Caller => "medium",
            Fits::New => "low",
        },
        outcome: "success",
        listener: Some(listener),
        victim_protocol: o.auth.carrier.name(),
        user: o.auth.user.clone(),
        domain: o.auth.domain.clone(),
        machine_account: o.auth.user.ends_with('$'),
        path_owner: match (f.path_owner, listener == caller) {
            ("unknown" | "unnamed", true) => "caller",
            ("unknown" | "unnamed", false) => "other",
            (said, _) => said,
        },
        victim_tier0: cx.identity.roles(victim).is_tier0(),
        learning: cx.identity.is_learning(o.ts),
        attacker_admin: cx.identity.roles(caller).has(HostRole::Admin),
        callback_ms: Some(ms),
        ..Finding::clone(f)
    };
    let mut legs = call.legs.clone();
    legs.push(o.leg());
    let mut evidence = vec![format!(
        "{ms} ms after {caller} called {}, {victim} opened a connection to {} ({}) and authenticated as {}",
        f.method,
        o.flow.server,
        o.auth.carrier.name(),
        account(&o.auth)
    )];
    evidence.push(match fits {
        Fits::Named => format!("{listener} is the host that the call names"),
        Fits::Caller => format!("the call could not be read; {listener} is its caller"),
        Fits::New => format!("the call could not be read; {victim} never used {listener} before"),
    });
    evidence.extend(call.evidence.iter().take(2).cloned());
    Some(Case {
        finding: Arc::new(finding),
        ts: o.ts.max(call.ts),
        pcap_cnt: o.pcap_cnt,
        flow: o.flow,
        legs,
        rpc: call.rpc.clone(),
        ntlm: Some(NtlmEvidence::of(&o.auth)),
        evidence,
    })
}

/// The called host goes to the listener from an address that was not known to be its own: it says so by the
/// account of the name that the called host shows.
pub(super) fn from_another_address(o: &Outgoing, called: Addr, cx: &Context<'_>) -> bool {
    let client = o.flow.client.addr;
    client != called
        && client.is_v4() != called.is_v4()
        && machine_name(&o.auth.user).is_some_and(|name| cx.identity.server_is(called, &name))
}

/// Why the authentication belongs to the call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fits {
    /// The call names the host.
    Named,
    /// The call is unreadable, and the victim goes to the caller.
    Caller,
    /// The call is unreadable, and the victim goes where it never went.
    New,
}

fn fits(f: &Finding, listener: Addr, caller: Addr, o: &Outgoing, cx: &Context<'_>) -> Option<Fits> {
    match f.path_owner {
        "none" | "server" => None,
        "unknown" if f.path.is_empty() => {
            let there = cx.identity.roles(listener);
            let expected = [
                HostRole::Dc,
                HostRole::Dns,
                HostRole::Update,
                HostRole::Print,
            ];
            if listener == caller {
                Some(Fits::Caller)
            } else if o.new && !expected.into_iter().any(|role| there.has(role)) {
                Some(Fits::New)
            } else {
                None
            }
        }
        _ => names(f, listener, o, cx).then_some(Fits::Named),
    }
}

/// True if the path's host is the listener, as far as is known.
fn names(f: &Finding, listener: Addr, o: &Outgoing, cx: &Context<'_>) -> bool {
    if let Ok(literal) = f.path_host.parse::<std::net::IpAddr>() {
        return cx.identity.same_host(Addr::from(literal), listener);
    }
    match cx.identity.owner(listener, &f.path_host, o.ts) {
        Owner::Itself(_) => true,
        Owner::Other(..) => false,
        // A name nobody is known by: the victim resolved it, and went there at once.
        Owner::Unknown => f.listener == Some(listener) || o.new,
    }
}

/// Coerced services log on as the machine, or with nothing at all first.
fn own_account(o: &Outgoing) -> bool {
    o.auth.anonymous || o.auth.user.ends_with('$')
}
