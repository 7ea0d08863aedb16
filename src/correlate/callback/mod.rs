//! RW-08: a host that was just made to, authenticates. RW-10: a host of tier 0 does so for the first time.
//!
//! The callback begins milliseconds after the call and may be over before the call is answered, so
//! calls and authentications are both remembered for [`limits::CALLBACK_SECS`] and joined whichever
//! comes second. Who the victim used before is remembered for [`limits::HABIT_SECS`]: a file server it
//! visits every morning is no listener.

mod habit;
mod join;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::pattern::{Context, Evicted, Pattern};
use super::window::Recent;
use super::{Case, loops_back};
use crate::event::{
    Authenticate, Finding, FlowMeta, HostRole, Leg, LegRole, NtlmEvidence, Seen, Sighting,
};
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;
use habit::Habits;

/// An authentication of a host, that may turn out to be a callback.
#[derive(Clone, Debug)]
struct Outgoing {
    flow: FlowMeta,
    pcap_cnt: u64,
    ts: Timestamp,
    auth: Authenticate,
    /// The client never went there before this connection.
    new: bool,
}

/// State of RW-08 and RW-10.
#[derive(Debug)]
pub(super) struct Callbacks {
    /// Calls that were concluded, by the host that was called.
    calls: Recent<Addr, VecDeque<Case>>,
    /// Authentications, by client.
    outgoing: Recent<Addr, VecDeque<Outgoing>>,
    habits: Habits,
    /// Victim's flow and family of the call: each is told once.
    told: Recent<(u64, String), ()>,
}

impl Default for Callbacks {
    fn default() -> Self {
        let window = Duration::from_secs(limits::CALLBACK_SECS);
        Self {
            calls: Recent::new(limits::PENDING_FINDINGS, window),
            outgoing: Recent::new(limits::NAMED_ADDRESSES, window),
            habits: Habits::default(),
            told: Recent::new(limits::PENDING_FINDINGS, 2 * window),
        }
    }
}

impl Pattern for Callbacks {
    fn sighting(&mut self, s: &Sighting, cx: &Context<'_>, out: &mut Vec<Case>) {
        let Seen::Authenticate(auth) = &s.seen else {
            return;
        };
        if loops_back(&s.flow) {
            return;
        }
        let client = s.flow.client.addr;
        let outgoing = Outgoing {
            flow: s.flow,
            pcap_cnt: s.key.number,
            ts: s.ts,
            auth: Authenticate::clone(auth),
            new: self
                .habits
                .is_new(client, s.flow.server.addr, s.flow.first_ts),
        };
        self.habits.note(client, s.flow.server.addr, s.ts);
        for call in self.calls.get(&client).into_iter().flatten().rev() {
            out.extend(join::callback(call, &outgoing, cx));
        }
        out.extend(tier0(&outgoing, cx));
        let mut all = self.outgoing.remove(&client).unwrap_or_default();
        push(&mut all, outgoing);
        self.outgoing.insert(client, all, s.ts);
        self.tell_once(out, s.ts);
    }

    fn concluded(&mut self, case: &Case, cx: &Context<'_>, out: &mut Vec<Case>) {
        if case.finding.kind != "coercion" {
            return;
        }
        let Some(victim) = case.finding.victim else {
            return;
        };
        for outgoing in self.outgoing.get(&victim).into_iter().flatten() {
            out.extend(join::callback(case, outgoing, cx));
        }
        let mut all = self.calls.remove(&victim).unwrap_or_default();
        push(&mut all, case.clone());
        self.calls.insert(victim, all, case.ts);
        self.tell_once(out, case.ts);
    }

    fn advance(&mut self, now: Timestamp, _: &Context<'_>, _: &mut Vec<Case>) {
        self.calls.forget(now);
        self.outgoing.forget(now);
    }

    fn evicted(&self) -> Evicted {
        Evicted {
            pending: self.calls.evicted(),
            ..Evicted::default()
        }
    }
}

impl Callbacks {
    /// Drops what was told of the same connection and family already.
    fn tell_once(&mut self, out: &mut Vec<Case>, now: Timestamp) {
        let told = &mut self.told;
        out.retain(|case| {
            if case.finding.detector != "RW-08" {
                return true;
            }
            let victim = case.legs.iter().find(|leg| leg.role == LegRole::Victim);
            let Some(leg) = victim else {
                return true;
            };
            let key = (leg.flow.flow_id, case.finding.family.clone());
            let first = told.get(&key).is_none();
            if first {
                told.insert(key, (), now);
            }
            first
        });
    }
}

/// Keeps the newest.
fn push<T>(all: &mut VecDeque<T>, one: T) {
    if all.len() >= limits::CALLBACKS_PER_HOST {
        all.pop_front();
    }
    all.push_back(one);
}

/// RW-10. What a domain controller or certificate authority connects to is short and stable.
fn tier0(o: &Outgoing, cx: &Context<'_>) -> Option<Case> {
    let (client, server) = (o.flow.client.addr, o.flow.server.addr);
    let (roles, there) = (cx.identity.roles(client), cx.identity.roles(server));
    let expected = [HostRole::Dc, HostRole::Dns, HostRole::Update];
    if !o.new
        || !roles.is_tier0()
        || !(o.auth.anonymous || o.auth.user.ends_with('$'))
        || expected.into_iter().any(|role| there.has(role))
    {
        return None;
    }
    let learning = cx.identity.is_learning(o.ts);
    let finding = Finding {
        detector: "RW-10",
        kind: "callback",
        confidence: if learning { "low" } else { "medium" },
        outcome: "unknown",
        victim: Some(client),
        listener: Some(server),
        victim_protocol: o.auth.carrier.name(),
        user: o.auth.user.clone(),
        domain: o.auth.domain.clone(),
        machine_account: o.auth.user.ends_with('$'),
        victim_tier0: true,
        learning,
        ..Finding::default()
    };
    let evidence = vec![format!(
        "{client} ({}) authenticated as {} at {} ({}), where it was not seen before",
        roles.names().collect::<Vec<_>>().join(", "),
        account(&o.auth),
        o.flow.server,
        o.auth.carrier.name()
    )];
    Some(Case {
        finding: Arc::new(finding),
        ts: o.ts,
        pcap_cnt: o.pcap_cnt,
        flow: o.flow,
        legs: vec![o.leg()],
        rpc: None,
        ntlm: Some(NtlmEvidence::of(&o.auth)),
        evidence,
    })
}

impl Outgoing {
    fn leg(&self) -> Leg {
        Leg {
            role: LegRole::Victim,
            flow: self.flow,
            pcap_cnt: self.pcap_cnt,
            ts: self.ts,
        }
    }
}

fn account(auth: &Authenticate) -> String {
    if auth.anonymous {
        "nobody (anonymous)".to_owned()
    } else {
        format!("{}\\{}", auth.domain, auth.user)
    }
}
