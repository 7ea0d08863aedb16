//! A story in words: who did what to whom, and what could not be seen.

use super::event::Leg;
use super::story::{Alert, Story};
use super::text::{List, Text, shorten};

/// Detectors of what was done with a relayed or stolen session.
const ACTIONS: [&str; 5] = ["RW-15", "RW-16", "RW-17", "RW-24", "RW-25"];

/// Hosts by the part they played, completed from the legs where a role is missing.
#[derive(Clone, Debug, Default)]
pub(super) struct Cast {
    pub attacker: List<Text>,
    pub victim: List<Text>,
    pub listener: List<Text>,
    pub target: List<Text>,
}

impl Cast {
    pub(super) fn of(story: &Story) -> Self {
        let roles = &story.incident.roles;
        let mut cast = Self {
            attacker: roles.attacker.clone(),
            victim: roles.victim.clone(),
            listener: roles.listener.clone(),
            target: roles.target.clone(),
        };
        // docs/eve.md, legs: the client is always src.
        for (role, client, server) in [
            ("coercion", &mut cast.attacker, &mut cast.victim),
            ("target", &mut cast.listener, &mut cast.target),
        ] {
            fill(story, role, client, server);
        }
        fill(story, "victim", &mut cast.victim, &mut cast.listener);
        // Who relays counts as an attacker too. Where another host made the call, the listener is shown as such only.
        let listener = cast.listener.kept.first();
        if cast.attacker.kept.iter().any(|a| Some(a) != listener)
            && cast.attacker.kept.first() != listener
        {
            cast.attacker
                .kept
                .retain(|a| !cast.listener.kept.contains(a));
        }
        cast
    }
}

fn fill(story: &Story, role: &str, client: &mut List<Text>, server: &mut List<Text>) {
    for (hosts, end) in [
        (client, (|l| &l.src_ip) as fn(&Leg) -> &Text),
        (server, |l| &l.dest_ip),
    ] {
        if hosts.kept.is_empty() {
            for leg in story.legs(role) {
                let address = end(leg);
                if !address.is_empty() && !hosts.kept.contains(address) {
                    hosts.kept.push(address.clone());
                }
            }
        }
    }
}

/// One host, or one and how many more.
pub(super) fn host(hosts: &List<Text>) -> Option<String> {
    let first = hosts.kept.first()?.short(60);
    Some(match hosts.kept.len() - 1 + hosts.cut {
        0 => first,
        more => format!("{first} and {more} more"),
    })
}

/// The account that authenticated, as `LAB\SRV1$`.
pub(super) fn account(story: &Story) -> Option<String> {
    let ntlm = story
        .alerts
        .iter()
        .filter_map(|a| a.context.ntlm.as_ref())
        .find(|n| !n.user.is_empty())?;
    let user = ntlm.user.short(80);
    Some(if ntlm.domain.is_empty() {
        user
    } else {
        format!("{}\\{user}", ntlm.domain.short(60))
    })
}

/// What the session was used for, if that was seen.
pub(super) fn action(story: &Story) -> Option<&Alert> {
    story
        .alerts
        .iter()
        .filter(|a| ACTIONS.contains(&a.context.detector.raw()))
        .max_by_key(|a| a.context.level)
}

/// Protocol of the first leg of that role, as `smb`.
pub(super) fn protocol(story: &Story, role: &str) -> Option<String> {
    let leg = story.legs(role).next()?;
    Some(if leg.app_proto.is_empty() {
        format!("port {}", leg.dest_port)
    } else {
        leg.app_proto.short(20)
    })
}

/// Coercion methods, as `EfsRpcOpenFileRaw and 2 more`.
pub(super) fn methods(story: &Story) -> Option<String> {
    host(&story.incident.methods)
}

pub(super) fn outcome(word: &str) -> &'static str {
    match word {
        "success" => "It succeeded",
        "failure" => "It was refused",
        "attempt" => "It was tried; no answer was seen",
        _ => "Whether it succeeded was not seen",
    }
}

/// One sentence or two.
pub(super) fn in_short(story: &Story) -> String {
    let cast = Cast::of(story);
    let someone = |hosts| host(hosts).unwrap_or_else(|| "an unknown host".to_owned());
    let (victim, listener) = (someone(&cast.victim), someone(&cast.listener));
    let coerced = story.legs("coercion").next().is_some() || methods(story).is_some();
    let came = story.legs("victim").next().is_some();
    let relayed = story.legs("target").next().is_some();
    let mut text = String::new();
    if coerced {
        let with = methods(story).unwrap_or_else(|| "which call is not known".to_owned());
        text = format!("{} called {victim} ({with})", someone(&cast.attacker));
        if came {
            text += &format!(", which then authenticated to {listener}");
        }
    } else if came && !cast.listener.kept.is_empty() {
        text = format!("{victim} authenticated to {listener}");
    }
    if relayed {
        if text.is_empty() {
            text = format!("An authentication of {victim} was used by {listener}");
        }
        let over = protocol(story, "target").map_or_else(String::new, |p| format!(" over {p}"));
        let who = account(story).map_or_else(String::new, |a| format!(" as {a}"));
        text += &format!("; that was relayed to {}{over}{who}", someone(&cast.target));
    }
    let lead = story.lead().map(|a| a.signature.short(160));
    match (action(story).or(story.lead()), text.is_empty()) {
        (_, true) => {
            let what = lead.unwrap_or_else(|| "An incident without alerts in this log".to_owned());
            let by = host(&cast.attacker).map_or_else(String::new, |a| format!(", by {a}"));
            text = format!("{what}{by}");
            if let Some(victim) = host(&cast.victim) {
                text += &format!(", victim {victim}");
            }
        }
        (Some(alert), false) if action(story).is_some() => {
            text += &format!(". Then: {}", alert.signature.short(160));
        }
        _ => {}
    }
    format!("{text}. {}.", outcome(story.incident.outcome.raw()))
}

/// As `smb to ldap`, of a relay.
pub(super) fn protocols(story: &Story) -> Option<String> {
    let to = protocol(story, "target")?;
    Some(match protocol(story, "victim") {
        Some(from) => format!("{from} to {to}"),
        None => format!("to {to}"),
    })
}

/// A heading of a few words.
pub(super) fn heading(story: &Story) -> String {
    let by_rule = story.lead().map(|a| a.signature.short(120));
    by_rule.unwrap_or_else(|| shorten("Incident without alerts in this log", 120))
}

/// What the sensor could not see of it, one sentence each. An analyst must know what is missing.
pub(super) fn unseen(story: &Story) -> Vec<String> {
    let mut all = Vec::new();
    let mut add = |condition: bool, text: String| {
        if condition {
            all.push(text);
        }
    };
    let cast = Cast::of(story);
    let contexts = || story.alerts.iter().map(|a| &a.context);
    let sealed = contexts().any(|c| {
        c.rpc
            .as_ref()
            .is_some_and(|r| r.sealed && r.path.is_empty())
    });
    add(
        sealed,
        "The arguments of a call are ciphertext: which host it named is concluded from what the victim did next."
            .to_owned(),
    );
    let named = story
        .alerts
        .iter()
        .any(|a| a.context.detector.raw() == "RW-08");
    add(
        named && story.incident.methods.kept.is_empty(),
        "The call was inside SMB encryption: that there was one is concluded from sizes and times."
            .to_owned(),
    );
    let gaps = contexts().map(|c| c.gaps).max().unwrap_or(0);
    add(
        gaps > 0,
        format!("{gaps} gaps in its flows: bytes are missing, and legs may be."),
    );
    let drops = contexts().map(|c| c.drops).max().unwrap_or(0);
    add(
        drops > 0,
        format!("The sensor had lost {drops} packets by then: legs may be missing."),
    );
    let evicted = story.incident.evictions;
    add(
        evicted > 0,
        format!(
            "{evicted} pieces of state were forgotten because a limit was met; confidence is lower for it."
        ),
    );
    let coerced = story.legs("coercion").next().is_some();
    let came = story.legs("victim").next().is_some();
    let relayed = story.legs("target").next().is_some();
    add(
        coerced && !came,
        "No authentication of the victim was seen. It may have gone where this sensor does not look.".to_owned(),
    );
    add(
        came && !relayed,
        "No relay was seen. Over TLS, or off the mirror port, it would not be: look at what the listener did next."
            .to_owned(),
    );
    add(
        relayed && !came,
        "The victim's own connection to the listener was not seen.".to_owned(),
    );
    add(
        (came || relayed) && !coerced,
        "What led the victim there was not seen: a call, a poisoned name, a link in a document."
            .to_owned(),
    );
    add(
        cast.attacker.kept.is_empty(),
        "Who the attacker is, is not known.".to_owned(),
    );
    add(
        matches!(story.incident.outcome.raw(), "" | "unknown"),
        "No answer was seen that says whether it succeeded.".to_owned(),
    );
    add(
        story.told && !story.incident.closed,
        "The incident was still open at the end of this log: there may be more.".to_owned(),
    );
    add(
        !story.told,
        "The log has its alerts only, not the incident: write `incident` events for all legs and evidence.".to_owned(),
    );
    add(
        story.incident.roles.more > 0 || story.more_alerts > 0,
        format!(
            "{} hosts and flows, and {} alerts, had no room here.",
            story.incident.roles.more, story.more_alerts
        ),
    );
    all
}
