//! RW-03: the client believed it was talking to somebody else (MsvAvTargetName, MS-NLMP 2.2.2.1).
//!
//! The name is inside what the client proved, so a relay cannot change it. Traps (real captures have
//! them, benign): a loopback literal, a name nobody is known to own, a service class that does not
//! fit. The client's own address counts only for the account of another machine.

use super::{Exchange, service_fits};
use crate::correlate::Case;
use crate::correlate::identity::{Owner, machine_name};
use crate::event::{LegRole, Source};
use crate::net::Addr;

pub(super) fn test(e: &Exchange<'_>) -> Option<Case> {
    let (class, host) = split(&e.auth.target_name)?;
    let (named, owner, source) = whose(e, host)?;
    let mut f = e.finding("RW-03");
    f.named = named;
    f.owner = Some(owner);
    f.owner_source = source.map_or("", Source::name);
    f.service_fits = service_fits(class, e.auth.carrier);
    // The host that was named is the one the victim spoke to.
    f.listener = Some(owner);
    if f.victim == Some(owner) {
        return None;
    }
    f.confidence = match (named, source) {
        ("client", _) | (_, None | Some(Source::Ntlm)) => "medium",
        _ => "high",
    };
    let mut evidence = vec![
        format!(
            "the client believed it was talking to {}, which is {owner}, not {}",
            e.auth.target_name,
            e.server()
        ),
        e.sentence(),
    ];
    if f.service_fits == Some(false) {
        evidence.push(format!(
            "the service class {class} is not one of {}",
            e.auth.carrier.name()
        ));
    }
    Some(e.case(LegRole::Target, f, evidence))
}

/// `service/host`, without port or further parts.
fn split(target_name: &str) -> Option<(&str, &str)> {
    let (class, rest) = target_name.split_once('/')?;
    let host = rest.split('/').next().unwrap_or_default();
    let host = match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => {
            name
        }
        _ => host,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty()).then_some((class, host))
}

/// Whose host was named, if it is certainly not the server.
fn whose(e: &Exchange<'_>, host: &str) -> Option<(&'static str, Addr, Option<Source>)> {
    let identity = e.cx.identity;
    if let Ok(literal) = host.parse::<std::net::IpAddr>() {
        let literal = Addr::from(literal);
        if literal.is_loopback() || identity.same_host(literal, e.server()) {
            return None;
        }
        if identity.same_host(literal, e.client()) {
            return foreign_account(e).then_some(("client", literal, None));
        }
        return identity
            .is_known(literal)
            .then_some(("other", literal, None));
    }
    if host.eq_ignore_ascii_case("localhost") || identity.server_is(e.server(), host) {
        return None;
    }
    match identity.owner(e.server(), host, e.s.ts) {
        Owner::Other(owner, source) if identity.same_host(owner, e.client()) => {
            foreign_account(e).then_some(("client", owner, Some(source)))
        }
        Owner::Other(owner, source) => Some(("other", owner, Some(source))),
        Owner::Itself(_) | Owner::Unknown => None,
    }
}

/// The account is a machine's, and the client never called itself by that name.
fn foreign_account(e: &Exchange<'_>) -> bool {
    machine_name(&e.auth.user).is_some_and(|name| !e.cx.identity.host_is(e.client(), &name))
}
