//! NTLM exchanges, remembered for a while.

use std::collections::VecDeque;
use std::time::Duration;

use crate::correlate::Map;
use crate::event::{Authenticate, Carrier, FlowMeta, Sighting};
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;

/// Number of an exchange, in the order they were seen.
pub(super) type Id = u64;

/// When something was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    pub(super) number: u64,
    pub(super) ts: Timestamp,
}

impl Moment {
    fn of(s: &Sighting) -> Self {
        Self {
            number: s.key.number,
            ts: s.ts,
        }
    }
}

/// What tells a message that was passed on from one that was made anew; 0 if unknown.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Carried {
    pub(super) message_id: u64,
    pub(super) session_id: u64,
}

/// One challenge and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub(super) id: Id,
    pub(super) flow: FlowMeta,
    pub(super) carrier: Carrier,
    session: u64,
    pub(super) challenge: Option<[u8; 8]>,
    pub(super) challenged: Option<Moment>,
    /// Of the message that brought the challenge.
    pub(super) issued: Carried,
    /// Apart, so that a challenge without one is small.
    pub(super) auth: Option<Box<Authenticate>>,
    pub(super) authenticated: Option<Moment>,
    /// Accepted, and the carrier's code.
    pub(super) result: Option<(bool, u32)>,
    pub(super) answered: Option<Moment>,
    born: Timestamp,
}

impl Exchange {
    pub(super) fn of_challenge(
        s: &Sighting,
        carrier: Carrier,
        session: u64,
        challenge: [u8; 8],
        issued: Carried,
    ) -> Self {
        Self {
            challenge: Some(challenge),
            challenged: Some(Moment::of(s)),
            issued,
            ..Self::new(s, carrier, session)
        }
    }

    pub(super) fn of_authenticate(s: &Sighting, auth: &Authenticate) -> Self {
        let mut exchange = Self {
            challenge: auth.challenge,
            ..Self::new(s, auth.carrier, auth.session)
        };
        exchange.authenticated(s, auth);
        exchange
    }

    fn new(s: &Sighting, carrier: Carrier, session: u64) -> Self {
        Self {
            id: 0,
            flow: s.flow,
            carrier,
            session,
            challenge: None,
            challenged: None,
            issued: Carried::default(),
            auth: None,
            authenticated: None,
            result: None,
            answered: None,
            born: s.ts,
        }
    }

    fn authenticated(&mut self, s: &Sighting, auth: &Authenticate) {
        self.auth = Some(Box::new(auth.clone()));
        self.authenticated = Some(Moment::of(s));
        self.flow.gaps = s.flow.gaps;
    }

    pub(super) fn answered(&mut self, s: &Sighting, success: bool, code: u32) {
        self.result = Some((success, code));
        self.answered = Some(Moment::of(s));
        self.flow.gaps = s.flow.gaps;
    }

    /// Both ends are other hosts.
    pub(super) fn differs_from(&self, other: &FlowMeta) -> bool {
        self.flow.client.addr != other.client.addr && self.flow.server.addr != other.server.addr
    }

    /// At least one end is another host.
    pub(super) fn differs_in_an_end(&self, other: &FlowMeta) -> bool {
        self.flow.client.addr != other.client.addr || self.flow.server.addr != other.server.addr
    }
}

/// All exchanges of the last [`limits::RELAY_SECS`], bounded per host first, then in all.
///
/// Whoever must make room gives up its oldest challenge that nobody answered, then its oldest exchange: an
/// answered one is worth more than any number of forged challenges. Every number is queued at most twice in
/// each queue it is in and taken out once, so eviction is O(1) amortised.
#[derive(Debug)]
pub(super) struct Exchanges {
    /// Boxed, so that free room of the table is small.
    all: Map<Id, Box<Exchange>>,
    /// Newest exchange of a flow and session.
    newest: Map<(u64, u64), Id>,
    /// In the order they were born.
    order: VecDeque<Id>,
    /// Those without AUTHENTICATE; answered ones are passed over.
    lone: VecDeque<Id>,
    /// What each client takes part in.
    by_client: Map<Addr, Own>,
    /// What each server asked without an answer. Its answered exchanges are its clients' affair: a domain
    /// controller has many.
    by_server: Map<Addr, Own>,
    most: usize,
    next: Id,
    evicted: u64,
}

/// Exchanges of one host. Numbers that stand for nothing any more are passed over.
#[derive(Debug, Default)]
struct Own {
    /// Exchanges that live.
    live: usize,
    all: VecDeque<Id>,
    lone: VecDeque<Id>,
}

impl Own {
    fn add(&mut self, id: Id, lone: bool) {
        self.live += 1;
        self.all.push_back(id);
        if lone {
            self.lone.push_back(id);
        }
    }

    /// What is forgotten leaves numbers behind; they go before they outnumber the rest.
    fn sweep(&mut self, all: &Map<Id, Box<Exchange>>) {
        let most = 8 + 2 * self.live;
        if self.all.len() > most {
            self.all.retain(|id| all.contains_key(id));
        }
        if self.lone.len() > most {
            self.lone.retain(|id| is_lone(all, *id));
        }
    }
}

fn is_lone(all: &Map<Id, Box<Exchange>>, id: Id) -> bool {
    all.get(&id).is_some_and(|e| e.auth.is_none())
}

/// The oldest without AUTHENTICATE in a queue, taken out of it.
fn pop_lone(queue: &mut VecDeque<Id>, all: &Map<Id, Box<Exchange>>) -> Option<Id> {
    while let Some(id) = queue.pop_front() {
        if is_lone(all, id) {
            return Some(id);
        }
    }
    None
}

impl Default for Exchanges {
    fn default() -> Self {
        Self {
            all: Map::default(),
            newest: Map::default(),
            order: VecDeque::new(),
            lone: VecDeque::new(),
            by_client: Map::default(),
            by_server: Map::default(),
            most: limits::EXCHANGES,
            next: 0,
            evicted: 0,
        }
    }
}

impl Exchanges {
    /// Holds at most so many.
    pub(super) fn limit(&mut self, most: usize) {
        self.most = most;
    }

    /// Adds it. Returns its number and those that had to go.
    pub(super) fn add(&mut self, mut exchange: Exchange) -> (Id, Vec<Exchange>) {
        self.next += 1;
        let id = self.next;
        exchange.id = id;
        let (client, server) = (exchange.flow.client.addr, exchange.flow.server.addr);
        let lone = exchange.auth.is_none();
        // A few noisy hosts never fill everything.
        let own_most = limits::EXCHANGES_PER_SOURCE.min(self.most / 8);
        let all = &self.all;
        let mut old = None;
        if let Some(own) = self.by_client.get_mut(&client)
            && own.live >= own_most
        {
            old = pop_lone(&mut own.lone, all).or_else(|| pop_living(&mut own.all, all));
        }
        if let Some(own) = self.by_server.get_mut(&server)
            && lone
            && old.is_none()
            && own.live >= own_most
        {
            old = pop_lone(&mut own.lone, all);
        }
        if old.is_none() && self.all.len() >= self.most {
            old = pop_lone(&mut self.lone, all).or_else(|| pop_living(&mut self.order, all));
        }
        let gone: Vec<Exchange> = old.and_then(|id| self.remove(id)).into_iter().collect();
        self.evicted += gone.len() as u64;
        self.newest
            .insert((exchange.flow.flow_id, exchange.session), id);
        self.order.push_back(id);
        self.all.insert(id, Box::new(exchange));
        self.by_client.entry(client).or_default().add(id, lone);
        if lone {
            self.by_server.entry(server).or_default().add(id, true);
            self.lone.push_back(id);
        }
        self.sweep();
        (id, gone)
    }

    /// Exchanges removed out of turn leave numbers behind.
    fn sweep(&mut self) {
        let most = 64 + 2 * self.all.len();
        let all = &self.all;
        if self.order.len() > most {
            self.order.retain(|id| all.contains_key(id));
        }
        if self.lone.len() > most {
            self.lone.retain(|id| is_lone(all, *id));
        }
    }

    pub(super) fn get(&self, id: Id) -> Option<&Exchange> {
        self.all.get(&id).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut Exchange> {
        self.all.get_mut(&id).map(Box::as_mut)
    }

    /// The AUTHENTICATE of an exchange came.
    pub(super) fn authenticated(&mut self, id: Id, s: &Sighting, auth: &Authenticate) {
        let Some(exchange) = self.all.get_mut(&id) else {
            return;
        };
        let was_lone = exchange.auth.is_none();
        let server = exchange.flow.server.addr;
        exchange.authenticated(s, auth);
        if was_lone {
            self.answered_one_of(server);
        }
    }

    fn answered_one_of(&mut self, server: Addr) {
        let Some(own) = self.by_server.get_mut(&server) else {
            return;
        };
        own.live = own.live.saturating_sub(1);
        if own.live == 0 {
            self.by_server.remove(&server);
        } else {
            own.sweep(&self.all);
        }
    }

    /// The newest exchange of a flow and session.
    pub(super) fn latest(&self, flow_id: u64, session: u64) -> Option<Id> {
        self.newest.get(&(flow_id, session)).copied()
    }

    /// The newest exchange of a flow and session, if it still waits for its AUTHENTICATE.
    pub(super) fn open(&self, flow_id: u64, session: u64) -> Option<Id> {
        let id = self.latest(flow_id, session)?;
        self.get(id).filter(|e| e.auth.is_none()).map(|e| e.id)
    }

    /// Forgets the old ones and says which.
    pub(super) fn forget(&mut self, now: Timestamp) -> Vec<Exchange> {
        let keep = Duration::from_secs(limits::RELAY_SECS);
        let mut gone = Vec::new();
        while let Some(&id) = self.order.front() {
            if self.get(id).is_some_and(|e| now.since(e.born) <= keep) {
                break;
            }
            self.order.pop_front();
            gone.extend(self.remove(id));
        }
        if !gone.is_empty() {
            self.sweep();
        }
        gone
    }

    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    fn remove(&mut self, id: Id) -> Option<Exchange> {
        let e = self.all.remove(&id)?;
        let key = (e.flow.flow_id, e.session);
        if self.newest.get(&key) == Some(&id) {
            self.newest.remove(&key);
        }
        let client = e.flow.client.addr;
        if let Some(own) = self.by_client.get_mut(&client) {
            own.live = own.live.saturating_sub(1);
            if own.live == 0 {
                self.by_client.remove(&client);
            } else {
                own.sweep(&self.all);
            }
        }
        if e.auth.is_none() {
            self.answered_one_of(e.flow.server.addr);
        }
        Some(*e)
    }
}

/// The oldest in a queue that is still there, taken out of it.
fn pop_living(queue: &mut VecDeque<Id>, all: &Map<Id, Box<Exchange>>) -> Option<Id> {
    while let Some(id) = queue.pop_front() {
        if all.contains_key(&id) {
            return Some(id);
        }
    }
    None
}
