//! RW-14: a ticket at a server that is not the one it is for, or from a client that did not get it.

use super::{Grant, Shown, to_kdc};
use crate::correlate::Case;
use crate::correlate::identity::Owner;
use crate::correlate::pattern::Context;
use crate::event::{Carrier, HostRole, LegRole, Source};
use crate::net::Addr;

/// The server is not the host that the ticket names.
///
/// An address nobody is known to have, and a name nobody is known by, are no evidence: aliases, clusters
/// and balancers have tickets for names of their own. A name that the server showed itself makes it silent.
pub(super) fn server(
    shown: &Shown,
    grant: Option<&Grant>,
    is_kdc: &impl Fn(Addr) -> bool,
    cx: &Context<'_>,
) -> Option<Case> {
    if to_kdc(shown) {
        return None;
    }
    let (_, host) = shown.service()?;
    let server = shown.server();
    let owner = cx.identity.owner(server, host, shown.ts);
    // Nearly every ticket is where it belongs, and costs no more than this.
    match owner {
        Owner::Other(..) if !cx.identity.server_is(server, host) => {}
        Owner::Unknown if shown.ticket.carrier == Carrier::Dns => {}
        _ => return None,
    }
    let mut f = shown.finding("RW-14", grant, cx);
    f.attacker = Some(server);
    f.listener = Some(server);
    f.victim = Some(shown.client());
    f.victim_protocol = shown.ticket.carrier.name();
    f.victim_tier0 = cx.identity.roles(shown.client()).is_tier0();
    let mut evidence = vec![shown.sentence()];
    match owner {
        Owner::Other(owner, source) => {
            f.test = "server";
            f.named = "other";
            f.owner = Some(owner);
            f.owner_source = source.name();
            f.confidence = if source == Source::Ntlm {
                "medium"
            } else {
                "high"
            };
            evidence.push(format!(
                "{host} is {owner} (known by {}), not {server}",
                source.name()
            ));
        }
        // Secure updates go to the domain's own name servers (MS-GSSA 1.3), which are its KDCs as a rule.
        _ => {
            let roles = cx.identity.roles(server);
            let known = roles.has(HostRole::Dc) || roles.has(HostRole::Dns) || is_kdc(server);
            let kdc = grant.map(|g| g.kdc).filter(|_| !known)?;
            f.test = "name_server";
            f.named = "unknown";
            f.confidence = "low";
            evidence.push(format!(
                "{server} is no name server or domain controller that is known; the ticket is of {kdc}"
            ));
        }
    }
    let legs = vec![shown.leg(LegRole::Victim)];
    Some(shown.case(f, legs, evidence))
}

/// The client is not the one that a KDC gave the ticket to.
pub(super) fn client(shown: &Shown, grant: Option<&Grant>, cx: &Context<'_>) -> Option<Case> {
    let grant = grant?;
    let client = shown.client();
    let own = |a: &Addr| cx.identity.same_host(client, *a) || shown.server() == *a;
    if grant.clients.iter().any(own) {
        return None;
    }
    let victim = *grant.clients.first()?;
    let kdc = to_kdc(shown);
    let mut f = shown.finding("RW-14", Some(grant), cx);
    f.test = "client";
    f.attacker = Some(client);
    f.victim = Some(victim);
    // At a KDC the ticket is only changed for another one; whose service it is for is seen then.
    f.target = Some(shown.server()).filter(|_| !kdc);
    f.target_protocol = shown.ticket.carrier.name();
    f.owner = Some(victim);
    f.owner_source = "kerberos";
    f.victim_tier0 = cx.identity.roles(victim).is_tier0();
    f.target_tier0 = cx.identity.roles(shown.server()).is_tier0();
    f.attacker_admin = cx.identity.roles(client).has(HostRole::Admin);
    // Delegation hands a forwarded ticket-granting ticket on, by design.
    let delegated = kdc && !grant.initial;
    // A host has addresses of both families, and asks over one what it uses over the other.
    let other_family = grant.clients.iter().all(|a| a.is_v4() != client.is_v4());
    f.confidence = if delegated || other_family {
        "low"
    } else {
        "medium"
    };
    let mut evidence = vec![
        format!(
            "the ticket for {} was given to {} by {}, and {client} used it",
            shown.ticket.sname, victim, grant.kdc
        ),
        shown.sentence(),
    ];
    if delegated {
        evidence.push(
            "it is a forwarded ticket-granting ticket: unconstrained delegation does this"
                .to_owned(),
        );
    }
    let legs = vec![shown.leg(LegRole::Target)];
    Some(shown.case(f, legs, evidence))
}
