//! From exchanges that belong together to a finding.

use std::sync::Arc;
use std::time::Duration;

use super::exchange::{Exchange, Moment};
use super::forwarding::{self, Forwarding};
use crate::correlate::{Case, host};
use crate::event::{Authenticate, Carrier, Finding, Leg, LegRole, Mic, NtlmEvidence};
use crate::net::Addr;
use crate::time::Timestamp;

/// Without a host that is server here and client there, the legs must nest within this time.
const NESTED: Duration = Duration::from_secs(2);

/// Which of the legs is the victim's and which the target's.
///
/// Topology decides where it can: nobody relays from the target's server on, and nobody relays to the
/// victim's client. Else the order does: a challenge is seen first where it was made, if it was seen on
/// every leg, and a response first where it was computed.
pub(super) fn roles<'a>(legs: &[&'a Exchange]) -> Option<(&'a Exchange, &'a Exchange)> {
    let comparable = legs.iter().all(|e| e.challenged.is_some());
    let order = |e: &Exchange| {
        let challenged = e.challenged.filter(|_| comparable).map_or(0, |m| m.number);
        let authenticated = e.authenticated.map_or(0, |m| m.number);
        (challenged, u64::MAX - authenticated)
    };
    let leads_on = |e: &Exchange| {
        legs.iter()
            .any(|o| o.id != e.id && o.flow.client.addr == e.flow.server.addr)
    };
    let led_to = |e: &Exchange| {
        legs.iter()
            .any(|o| o.id != e.id && o.flow.server.addr == e.flow.client.addr)
    };
    let target = *legs
        .iter()
        .min_by_key(|e| (!led_to(e), leads_on(e), order(e)))?;
    let victim = *legs
        .iter()
        .filter(|e| e.id != target.id)
        .max_by_key(|e| (!led_to(e), leads_on(e), order(e)))?;
    Some((victim, target))
}

/// The finding of RW-01 or RW-02, if the legs are one.
///
/// `enrolling`: one of the legs asks AD CS for a certificate.
pub(super) fn relay(legs: &[&Exchange], forwarders: &[Addr], enrolling: bool) -> Option<Case> {
    let (victim, target) = roles(legs)?;
    let same_challenge = victim.challenge.is_some() && victim.challenge == target.challenge;
    let hash = |e: &Exchange| e.auth.as_ref().and_then(|a| a.nt_hash);
    let same_response = match (hash(victim), hash(target)) {
        (Some(v), Some(t)) if v != t => return None,
        (Some(_), Some(_)) => true,
        _ => false,
    };
    let inverted = legs.iter().any(|a| {
        legs.iter()
            .any(|b| a.flow.server.addr == b.flow.client.addr)
    });
    if !same_response && !inverted && !nested(victim, target) {
        return None;
    }
    let auth = target.auth.as_deref().or(victim.auth.as_deref());
    let user = auth.map(|a| a.user.clone()).unwrap_or_default();
    let machine_account = user.ends_with('$');
    let content = forwarding::of(victim, target, enrolling);
    let forwarded = content == Forwarding::Passed
        || forwarders.contains(&victim.flow.server.addr)
        || forwarders.contains(&target.flow.client.addr);
    let forwarding_unknown = content == Forwarding::Unknown && !forwarded;
    let finding = Arc::new(Finding {
        detector: if same_challenge { "RW-01" } else { "RW-02" },
        kind: "relay",
        confidence: match (inverted, same_response) {
            _ if forwarding_unknown => "low",
            (true, _) => "high",
            (false, true) => "medium",
            (false, false) => "low",
        },
        outcome: match target.result {
            Some((true, _)) => "success",
            Some((false, _)) => "failure",
            None => "unknown",
        },
        attacker: Some(target.flow.client.addr),
        victim: Some(victim.flow.client.addr),
        listener: Some(victim.flow.server.addr),
        target: Some(target.flow.server.addr),
        victim_protocol: victim.carrier.name(),
        target_protocol: target.carrier.name(),
        forwarded,
        forwarding_unknown,
        inverted,
        user,
        domain: auth.map(|a| a.domain.clone()).unwrap_or_default(),
        machine_account,
        ..Finding::default()
    });
    let ntlm = ntlm_evidence(victim, target, auth);
    let last = legs
        .iter()
        .flat_map(|e| [e.challenged, e.authenticated, e.answered])
        .flatten()
        .max()?;
    Some(Case {
        ts: last.ts,
        pcap_cnt: last.number,
        flow: target.flow,
        legs: shown_legs(legs, victim, target),
        rpc: None,
        ntlm: Some(ntlm),
        evidence: evidence(&finding, victim, target, same_challenge, same_response),
        finding,
    })
}

/// Demotes a relay by a device that is known to pass logons on.
pub(super) fn habitual(case: &mut Case, since: Timestamp) {
    let finding = Arc::make_mut(&mut case.finding);
    finding.forwarded = true;
    finding.forwarding_unknown = false;
    let listener = finding.listener.map(host).unwrap_or_default();
    let target = finding.target.map(host).unwrap_or_default();
    let hours = case.ts.since(since).as_secs() / 3600;
    case.evidence.push(format!(
        "{listener} has passed logons of several users on to {target} for {hours} hours, and nothing else is said of it: a proxy, by habit"
    ));
}

/// The target's exchange encloses the victim's within two seconds, for the same user.
fn nested(victim: &Exchange, target: &Exchange) -> bool {
    let user = |e: &Exchange| e.auth.as_ref().map(|a| a.user.to_lowercase());
    let (Some(tc), Some(vc), Some(va), Some(ta)) = (
        target.challenged,
        victim.challenged,
        victim.authenticated,
        target.authenticated,
    ) else {
        return false;
    };
    user(victim).is_some_and(|u| !u.is_empty() && user(target) == Some(u))
        && [tc, vc, va, ta].is_sorted_by_key(|m| m.number)
        && ta.ts.since(tc.ts) <= NESTED
}

fn ntlm_evidence(
    victim: &Exchange,
    target: &Exchange,
    auth: Option<&Authenticate>,
) -> NtlmEvidence {
    let said = auth.map(NtlmEvidence::of).unwrap_or_default();
    NtlmEvidence {
        server_challenge: target
            .challenge
            .or(victim.challenge)
            .or(said.server_challenge),
        ..said
    }
}

/// Victim's leg first, pivots between, the target's last.
fn shown_legs(legs: &[&Exchange], victim: &Exchange, target: &Exchange) -> Vec<Leg> {
    let leg = |e: &Exchange, role| {
        let at = e.authenticated.or(e.challenged).unwrap_or(Moment {
            number: 0,
            ts: e.flow.first_ts,
        });
        Leg {
            role,
            flow: e.flow,
            pcap_cnt: at.number,
            ts: at.ts,
        }
    };
    let mut shown = vec![leg(victim, LegRole::Victim)];
    shown.extend(
        legs.iter()
            .filter(|e| e.id != victim.id && e.id != target.id)
            .map(|e| leg(e, LegRole::Victim)),
    );
    shown.push(leg(target, LegRole::Target));
    shown
}

fn evidence(
    f: &Finding,
    victim: &Exchange,
    target: &Exchange,
    same_challenge: bool,
    same_response: bool,
) -> Vec<String> {
    let mut lines = Vec::new();
    let ends = |e: &Exchange| {
        format!(
            "{} -> {} ({})",
            host(e.flow.client.addr),
            e.flow.server,
            e.carrier.name()
        )
    };
    if same_challenge && let Some(challenge) = target.challenge {
        let hex = data_encoding::HEXLOWER.encode(&challenge);
        let order = match (target.challenged, victim.challenged) {
            (Some(t), Some(v)) if t.number <= v.number => {
                format!(
                    ", first on the target's leg, {} later on the victim's",
                    millis(v.ts.since(t.ts))
                )
            }
            _ => String::new(),
        };
        lines.push(format!(
            "the NTLM challenge {hex} was issued on {} and on {}{order}",
            ends(target),
            ends(victim)
        ));
    }
    if same_response {
        lines.push(format!(
            "the same NTLM response of {}\\{} went over {} and over {}",
            f.domain,
            f.user,
            ends(victim),
            ends(target)
        ));
    }
    if f.inverted {
        lines.push(format!(
            "{} is server to {} and client of {}",
            host(target.flow.client.addr),
            host(victim.flow.client.addr),
            host(target.flow.server.addr)
        ));
    } else {
        lines.push(
            "no host is server on one leg and client on the other: a pivot, a second address, or chance"
                .to_owned(),
        );
    }
    if f.forwarded {
        lines.push(
            "both legs carry the same session, or a declared forwarder is between them: one connection passed on"
                .to_owned(),
        );
    }
    if f.forwarding_unknown {
        let unseen = match (&victim.auth, &target.auth) {
            (None, None) => "no AUTHENTICATE was seen on either leg",
            (None, _) => "the AUTHENTICATE was not seen on the victim's leg",
            _ => "the AUTHENTICATE was not seen on the target's leg",
        };
        lines.push(format!(
            "{unseen}, so it may also be one connection that a proxy, a load balancer or address translation passed on"
        ));
    }
    if let Some(a) = target.auth.as_ref().or(victim.auth.as_ref()) {
        if !a.target_name.is_empty() {
            lines.push(format!(
                "the client believed it was talking to {}",
                a.target_name
            ));
        }
        if a.mic == Mic::Stripped {
            lines.push("the message integrity code was promised and is missing".to_owned());
        }
    } else if !f.forwarding_unknown {
        lines.push("no AUTHENTICATE was seen on either leg".to_owned());
    }
    match target.result {
        Some((true, _)) => lines.push(format!("{} accepted it", host(target.flow.server.addr))),
        Some((false, code)) => lines.push(format!(
            "{} refused it with {}",
            host(target.flow.server.addr),
            code_text(target.carrier, code)
        )),
        None => lines.push(format!(
            "no answer of {} was seen within 500 ms",
            host(target.flow.server.addr)
        )),
    }
    lines
}

fn code_text(carrier: Carrier, code: u32) -> String {
    match carrier {
        Carrier::Smb | Carrier::Rpc => format!("status {code:#010x}"),
        Carrier::Http => format!("HTTP status {code}"),
        Carrier::Ldap => format!("LDAP result {code}"),
        Carrier::Dns => format!("DNS result {code}"),
        Carrier::Kerberos => format!("Kerberos error {code}"),
        Carrier::Tds => format!("SQL Server error {code}"),
        Carrier::Smtp => format!("SMTP reply {code}"),
        Carrier::Imap | Carrier::Pop3 => "a refusal".to_owned(),
    }
}

fn millis(d: Duration) -> String {
    let us = d.as_micros();
    format!("{}.{} ms", us / 1000, us % 1000 / 100)
}
