//! RW-08: a host that was just made to, authenticates. RW-10: a host of tier 0 does so for the first time.
//!
//! The callback begins milliseconds after the call and may be over before the call is answered, so
//! calls and authentications are both remembered for [`limits::CALLBACK_SECS`] and joined whichever
//! comes second. Who the victim used before is remembered for [`limits::HABIT_SECS`]: a file server it
//! visits every morning is no listener. Calls inside SMB3 encryption: [`encrypted`].

mod encrypted;
mod habit;
mod join;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use super::bounds::{Bounds, Kind};
use super::fair::Fair;
use super::journal::Journal;
use super::pattern::{Context, Evicted, Pattern};
use super::told::Told;
use super::{Case, loops_back};
use crate::event::{
    Authenticate, Finding, FlowMeta, HostRole, Knowledge, Leg, LegRole, NtlmEvidence, Seen,
    Sighting,
};
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;
use encrypted::Encrypted;
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
    /// A call to the client had no answer yet, so whose callback it is was left open.
    open: bool,
}

/// State of RW-08 and RW-10.
#[derive(Debug)]
pub(super) struct Callbacks {
    /// When calls came that are not concluded yet, by the host that was called.
    asked: Journal<Timestamp>,
    /// Calls that were concluded, by the host that was called.
    calls: Journal<Case>,
    /// Authentications, by client.
    outgoing: Journal<Outgoing>,
    /// The host that was last called with an address literal, by that address; on the caller's account.
    named: Fair<Addr, Addr>,
    /// The client that last authenticated as a machine over IPv6, by server: a host that is called at its
    /// IPv4 address may come from another one.
    towards: Fair<Addr, Addr>,
    habits: Habits,
    encrypted: Encrypted,
    /// Victim's flow and family of the call: each is told once.
    told: Told,
}

impl Default for Callbacks {
    fn default() -> Self {
        let window = Duration::from_secs(limits::CALLBACK_SECS);
        Self {
            asked: Journal::new(limits::PRECURSORS, limits::CALLBACKS_PER_HOST, window),
            calls: Journal::new(limits::PENDING_FINDINGS, limits::CALLBACKS_PER_HOST, window),
            outgoing: Journal::new(limits::NAMED_ADDRESSES, limits::CALLBACKS_PER_HOST, window),
            named: Fair::new(limits::PENDING_FINDINGS, window),
            towards: Fair::new(limits::PENDING_FINDINGS, window),
            habits: Habits::default(),
            encrypted: Encrypted::default(),
            told: Told::new(2 * window),
        }
    }
}

impl Pattern for Callbacks {
    fn sighting(&mut self, s: &Sighting, cx: &Context<'_>, out: &mut Vec<Case>) {
        if loops_back(&s.flow) {
            return;
        }
        match &s.seen {
            Seen::Call(_) => self.asked.push(s.flow.server.addr, s.ts, s.ts),
            Seen::EncryptedPipe { letter_nonces } => self.encrypted.pipe(s, *letter_nonces),
            Seen::Authenticate(auth) => self.authenticate(s, auth, cx, out),
            _ => {}
        }
    }

    fn concluded(&mut self, case: &Case, cx: &Context<'_>, out: &mut Vec<Case>) {
        if case.finding.kind != "coercion" {
            out.extend(self.encrypted.concluded(case));
            return;
        }
        let Some(victim) = case.finding.victim else {
            return;
        };
        let first = case.first_ts();
        self.asked.take(victim, |at| *at == first);
        let literal = case
            .finding
            .listener
            .filter(|_| case.finding.path_host_literal);
        if let Some(literal) = literal {
            let caller = case.flow.client.addr;
            self.named.insert(caller, literal, victim, case.ts);
        }
        let other = literal.and_then(|l| self.towards.get(&l)).copied();
        let other = other
            .into_iter()
            .flat_map(|client| self.outgoing.of(client));
        let moved = other.filter(|o| join::from_another_address(o, victim, cx));
        let own = self.outgoing.of(victim);
        for outgoing in own.chain(moved) {
            let found = join::callback(case, outgoing, cx).or_else(|| {
                // It was not this call, so it may have been one before.
                let mut earlier = self.calls.of(victim).rev().filter(|_| outgoing.open);
                earlier.find_map(|call| join::callback(call, outgoing, cx))
            });
            out.extend(found);
        }
        self.calls.push(victim, case.clone(), case.ts);
        self.tell_once(out, case.ts);
    }

    fn advance(&mut self, now: Timestamp, _: &Context<'_>, out: &mut Vec<Case>) {
        self.encrypted.advance(now, out);
        self.asked.forget(now);
        self.calls.forget(now);
        self.named.forget(now);
        self.towards.forget(now);
        self.outgoing.forget(now);
    }

    fn limit(&mut self, bounds: &Bounds) {
        self.outgoing.limit(bounds.most(Kind::Outgoing));
        self.habits.limit(bounds.most(Kind::Habit));
        self.asked.limit(bounds.most(Kind::Flow));
        self.calls.limit(bounds.most(Kind::Kept));
        self.named.limit(bounds.most(Kind::Told));
        self.towards.limit(bounds.most(Kind::Told));
        self.told.limit(bounds);
        self.encrypted.limit(bounds);
    }

    fn finish(&mut self, _: Timestamp, _: &Context<'_>, out: &mut Vec<Case>) {
        self.encrypted.finish(out);
    }

    fn snapshot(&self, to: &mut Knowledge) {
        to.habits = self.habits.records().collect();
    }

    fn restore(&mut self, from: &Knowledge) {
        for record in &from.habits {
            self.habits.restore(record);
        }
    }

    fn evicted(&self) -> Evicted {
        let tables = Evicted {
            pending: self.asked.evicted()
                + self.calls.evicted()
                + self.outgoing.evicted()
                + self.encrypted.evicted(),
            known: self.habits.evicted() + self.named.evicted() + self.towards.evicted(),
            own: self.asked.gave_way()
                + self.calls.gave_way()
                + self.outgoing.gave_way()
                + self.encrypted.gave_way()
                + self.habits.gave_way()
                + self.named.gave_way()
                + self.towards.gave_way(),
            ..Evicted::default()
        };
        tables + self.told.evicted()
    }
}

impl Callbacks {
    fn authenticate(
        &mut self,
        s: &Sighting,
        auth: &Authenticate,
        cx: &Context<'_>,
        out: &mut Vec<Case>,
    ) {
        let (client, server) = (s.flow.client.addr, s.flow.server.addr);
        let outgoing = Outgoing {
            flow: s.flow,
            pcap_cnt: s.key.number,
            ts: s.ts,
            auth: auth.clone(),
            new: self.habits.is_new(client, server, s.flow.first_ts),
            open: self.asked.of(client).any(|at| *at <= s.flow.first_ts),
        };
        self.habits.note(client, server, s.ts);
        if !server.is_v4() && auth.user.ends_with('$') {
            self.towards.insert(client, server, client, s.ts);
        }
        if !outgoing.open {
            let called = self.named.get(&server).copied();
            let called = called.filter(|victim| join::from_another_address(&outgoing, *victim, cx));
            let calls = self.calls.of(called.unwrap_or(client));
            out.extend(
                calls
                    .rev()
                    .find_map(|call| join::callback(call, &outgoing, cx)),
            );
        }
        out.extend(self.encrypted.authenticate(&outgoing, cx));
        out.extend(tier0(&outgoing, cx));
        self.outgoing.push(client, outgoing, s.ts);
        self.tell_once(out, s.ts);
    }

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
            let key = (leg.flow.flow_id, &case.finding.family);
            told.first(leg.flow.server.addr, key, now)
        });
    }
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
