//! RW-01 and RW-02: the same authentication on two flows.
//!
//! Every NTLM exchange is remembered for two minutes. Two exchanges with the same ServerChallenge,
//! or the same NT response, on flows with different ends become a [`Candidate`]; it waits until the
//! target answers (at most 500 ms after its newest message) and is then concluded: who relayed
//! whom, or that a device merely passed the connection on (catalogue B.3), or nothing.

mod changed;
mod conclude;
mod exchange;
#[cfg(test)]
mod flood;
mod forwarding;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use super::bounds::{Bounds, Kind};
use super::fair::Fair;
use super::pattern::{Context, Evicted, Pattern};
use super::{Case, Declared, loops_back};
use crate::correlate::Map;
use crate::event::{Authenticate, Knowledge, Seen, Sighting};
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;
use exchange::{Carried, Exchange, Exchanges, Id};
use forwarding::Passers;

/// Challenges that tools use for every client. A rogue server's mark, never a relay's.
const STATIC_CHALLENGES: [[u8; 8]; 3] = [
    [0x41; 8],
    [0xaa; 8],
    [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88],
];

/// True for a challenge that only tools give, to every client.
pub(super) fn is_static(challenge: [u8; 8]) -> bool {
    STATIC_CHALLENGES.contains(&challenge)
}

/// Servers that may show one challenge before it counts as static: a relay has one, and one more
/// for every pivot it goes through.
const MOST_SERVERS_OF_A_CHALLENGE: usize = 4;

/// Exchanges that look like legs of one relay.
#[derive(Debug)]
struct Candidate {
    legs: Vec<Id>,
    deadline: Timestamp,
}

/// State of RW-01 and RW-02.
#[derive(Debug)]
pub(super) struct Relays {
    exchanges: Exchanges,
    /// Exchanges that live, by challenge.
    by_challenge: Map<[u8; 8], Vec<Id>>,
    /// The first exchange that lives with a response.
    by_response: Map<[u8; 16], Id>,
    static_challenges: Fair<[u8; 8], ()>,
    candidates: Map<u64, Candidate>,
    member_of: Map<Id, u64>,
    deadlines: BTreeSet<(Timestamp, u64)>,
    next_candidate: u64,
    forwarders: Vec<Addr>,
    /// Flows with a request for a certificate.
    enrolling: Fair<u64, ()>,
    passers: Passers,
}

impl Relays {
    pub(super) fn new(declared: &Declared) -> Self {
        let incident = Duration::from_secs(limits::INCIDENT_IDLE_SECS);
        Self {
            exchanges: Exchanges::default(),
            by_challenge: Map::default(),
            by_response: Map::default(),
            static_challenges: Fair::new(limits::EXCHANGES, incident),
            candidates: Map::default(),
            member_of: Map::default(),
            deadlines: BTreeSet::new(),
            next_candidate: 0,
            forwarders: declared
                .forwarders
                .iter()
                .map(|ip| Addr::from(*ip))
                .collect(),
            enrolling: Fair::new(
                limits::EXCHANGES,
                Duration::from_secs(2 * limits::RELAY_SECS),
            ),
            passers: Passers::default(),
        }
    }

    /// A server issued a challenge.
    fn challenge(&mut self, s: &Sighting) {
        let Seen::Challenge {
            carrier,
            session,
            challenge,
            message_id,
            session_id,
            ..
        } = &s.seen
        else {
            return;
        };
        if loops_back(&s.flow) {
            return;
        }
        let issued = Carried {
            message_id: *message_id,
            session_id: *session_id,
        };
        let exchange = Exchange::of_challenge(s, *carrier, *session, *challenge, issued);
        let id = self.add(exchange);
        if is_static(*challenge) || self.static_challenges.get(challenge).is_some() {
            return;
        }
        let group = match self.by_challenge.get_mut(challenge) {
            Some(group) => group,
            None => {
                self.by_challenge.insert(*challenge, vec![id]);
                return;
            }
        };
        let seen_before: Vec<&Exchange> = group
            .iter()
            .filter_map(|g| self.exchanges.get(*g))
            .collect();
        let same_server = seen_before
            .iter()
            .any(|e| e.flow.server.addr == s.flow.server.addr);
        let mut servers: Vec<Addr> = seen_before.iter().map(|e| e.flow.server.addr).collect();
        servers.sort_unstable();
        servers.dedup();
        if same_server || servers.len() >= MOST_SERVERS_OF_A_CHALLENGE {
            // One server that repeats itself, or a value everybody uses: no relay.
            let server = s.flow.server.addr;
            self.static_challenges.insert(server, *challenge, (), s.ts);
            return;
        }
        let partner = seen_before
            .iter()
            .rev()
            .find(|e| e.differs_from(&s.flow))
            .map(|e| e.id);
        group.push(id);
        if let Some(partner) = partner {
            self.pair(partner, id, s.ts);
        }
    }

    /// A client answered a challenge.
    fn authenticate(&mut self, s: &Sighting, auth: &Authenticate) {
        if loops_back(&s.flow) {
            return;
        }
        let id = match self.exchanges.open(s.flow.flow_id, auth.session) {
            Some(id) => id,
            None => self.add(Exchange::of_authenticate(s, auth)),
        };
        self.exchanges.authenticated(id, s, auth);
        if let Some(hash) = auth.nt_hash {
            match self.by_response.get(&hash).copied() {
                Some(first) if first != id => {
                    let differs = self
                        .exchanges
                        .get(first)
                        .is_some_and(|e| e.differs_in_an_end(&s.flow));
                    if differs {
                        self.pair(first, id, s.ts);
                    }
                }
                Some(_) => {}
                None => {
                    self.by_response.insert(hash, id);
                }
            }
        }
        self.postpone(id, s.ts);
    }

    /// The carrier said whether it accepts.
    fn result(
        &mut self,
        s: &Sighting,
        session: u64,
        success: bool,
        code: u32,
        out: &mut Vec<Case>,
    ) {
        let Some(id) = self.exchanges.latest(s.flow.flow_id, session) else {
            return;
        };
        let Some(exchange) = self.exchanges.get_mut(id) else {
            return;
        };
        exchange.answered(s, success, code);
        if let Some(&candidate) = self.member_of.get(&id)
            && self.is_target(candidate, id)
        {
            self.conclude(candidate, out);
        }
    }

    fn add(&mut self, exchange: Exchange) -> Id {
        let (id, gone) = self.exchanges.add(exchange);
        for gone in gone {
            self.let_go(&gone);
        }
        id
    }

    /// Takes an exchange that is forgotten out of what points at it.
    fn let_go(&mut self, gone: &Exchange) {
        self.member_of.remove(&gone.id);
        if let Some(challenge) = gone.challenge
            && let Some(group) = self.by_challenge.get_mut(&challenge)
        {
            group.retain(|id| *id != gone.id);
            if group.is_empty() {
                self.by_challenge.remove(&challenge);
            }
        }
        if let Some(hash) = gone.auth.as_ref().and_then(|a| a.nt_hash)
            && self.by_response.get(&hash) == Some(&gone.id)
        {
            self.by_response.remove(&hash);
        }
    }

    /// Puts two exchanges into one candidate, joining those they are in already.
    fn pair(&mut self, one: Id, two: Id, now: Timestamp) {
        let found = self
            .member_of
            .get(&one)
            .or(self.member_of.get(&two))
            .copied();
        let number = found.unwrap_or_else(|| {
            self.next_candidate += 1;
            self.next_candidate
        });
        let candidate = self.candidates.entry(number).or_insert(Candidate {
            legs: Vec::new(),
            deadline: now,
        });
        for id in [one, two] {
            if !candidate.legs.contains(&id) && candidate.legs.len() < limits::INCIDENT_LIST {
                candidate.legs.push(id);
                self.member_of.insert(id, number);
            }
        }
        self.postpone(one, now);
    }

    /// Gives the candidate that `id` is in another 500 ms.
    fn postpone(&mut self, id: Id, now: Timestamp) {
        let Some(&number) = self.member_of.get(&id) else {
            return;
        };
        if let Some(candidate) = self.candidates.get_mut(&number) {
            self.deadlines.remove(&(candidate.deadline, number));
            candidate.deadline = now.plus(Duration::from_millis(limits::ANSWER_MILLIS));
            self.deadlines.insert((candidate.deadline, number));
        }
    }

    fn legs(&self, number: u64) -> Vec<&Exchange> {
        self.candidates
            .get(&number)
            .map(|c| {
                c.legs
                    .iter()
                    .filter_map(|id| self.exchanges.get(*id))
                    .collect()
            })
            .unwrap_or_default()
    }

    /// True if `id` is the leg towards the target, as far as can be told now.
    fn is_target(&self, number: u64, id: Id) -> bool {
        let legs = self.legs(number);
        conclude::roles(&legs).is_some_and(|(_, target)| target.id == id)
    }

    fn conclude(&mut self, number: u64, out: &mut Vec<Case>) {
        let legs = self.legs(number);
        let enrolling = legs
            .iter()
            .any(|leg| self.enrolling.get(&leg.flow.flow_id).is_some());
        let mut found = conclude::relay(&legs, &self.forwarders, enrolling);
        let changed = found
            .as_ref()
            .and_then(|relay| changed::flags(&legs, relay));
        if let Some(case) = &mut found
            && !case.finding.forwarded
            && let Some(since) = self.passers.known(&case.finding, enrolling, case.ts)
        {
            conclude::habitual(case, since);
        }
        if let Some(candidate) = self.candidates.remove(&number) {
            self.deadlines.remove(&(candidate.deadline, number));
            for id in candidate.legs {
                self.member_of.remove(&id);
            }
        }
        out.extend(found);
        out.extend(changed);
    }
}

impl Pattern for Relays {
    fn sighting(&mut self, s: &Sighting, _: &Context<'_>, out: &mut Vec<Case>) {
        match &s.seen {
            Seen::Challenge { .. } => self.challenge(s),
            Seen::Authenticate(auth) if !auth.anonymous => self.authenticate(s, auth),
            Seen::AuthResult {
                session,
                success,
                code,
                ..
            } => self.result(s, *session, *success, *code, out),
            Seen::Request { .. } => {
                let client = s.flow.client.addr;
                self.enrolling.insert(client, s.flow.flow_id, (), s.ts);
            }
            _ => {}
        }
    }

    fn concluded(&mut self, case: &Case, _: &Context<'_>, _: &mut Vec<Case>) {
        let f = &case.finding;
        let other = !matches!(f.detector, "RW-01" | "RW-02") && !f.forwarded;
        if other && !f.quiet && f.confidence != "low" {
            for host in [f.attacker, f.listener].into_iter().flatten() {
                self.passers.alarm(host, case.ts);
            }
        }
    }

    fn advance(&mut self, now: Timestamp, _: &Context<'_>, out: &mut Vec<Case>) {
        while let Some(&(deadline, candidate)) = self.deadlines.first() {
            if deadline > now {
                break;
            }
            self.conclude(candidate, out);
        }
        for gone in self.exchanges.forget(now) {
            self.let_go(&gone);
        }
    }

    fn finish(&mut self, _: Timestamp, _: &Context<'_>, out: &mut Vec<Case>) {
        while let Some(&(_, candidate)) = self.deadlines.first() {
            self.conclude(candidate, out);
        }
    }

    fn snapshot(&self, to: &mut Knowledge) {
        to.passers = self.passers.records().collect();
    }

    fn restore(&mut self, from: &Knowledge) {
        for record in &from.passers {
            self.passers.restore(record);
        }
    }

    fn limit(&mut self, bounds: &Bounds) {
        self.exchanges.limit(bounds.most(Kind::Exchange));
        self.static_challenges.limit(bounds.most(Kind::Mark));
        self.enrolling.limit(bounds.most(Kind::Flow));
        self.passers.limit(bounds);
    }

    fn evicted(&self) -> Evicted {
        Evicted {
            exchanges: self.exchanges.evicted(),
            pending: self.enrolling.evicted(),
            known: self.static_challenges.evicted() + self.passers.evicted(),
            own: self.enrolling.gave_way()
                + self.static_challenges.gave_way()
                + self.passers.gave_way(),
        }
    }
}
