//! NTLM exchanges, remembered for a while.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

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

/// One challenge and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub(super) id: Id,
    pub(super) flow: FlowMeta,
    pub(super) carrier: Carrier,
    session: u64,
    pub(super) challenge: Option<[u8; 8]>,
    pub(super) challenged: Option<Moment>,
    pub(super) auth: Option<Authenticate>,
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
    ) -> Self {
        Self {
            challenge: Some(challenge),
            challenged: Some(Moment::of(s)),
            ..Self::new(s, carrier, session)
        }
    }

    pub(super) fn of_authenticate(s: &Sighting, auth: &Authenticate) -> Self {
        Self {
            challenge: auth.challenge,
            ..Self::new(s, auth.carrier, auth.session)
        }
    }

    fn new(s: &Sighting, carrier: Carrier, session: u64) -> Self {
        Self {
            id: 0,
            flow: s.flow,
            carrier,
            session,
            challenge: None,
            challenged: None,
            auth: None,
            authenticated: None,
            result: None,
            answered: None,
            born: s.ts,
        }
    }

    pub(super) fn authenticated(&mut self, s: &Sighting, auth: &Authenticate) {
        self.auth = Some(auth.clone());
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

/// All exchanges of the last [`limits::RELAY_SECS`], bounded per client and in all.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    all: HashMap<Id, Exchange>,
    /// Newest exchange of a flow and session.
    newest: HashMap<(u64, u64), Id>,
    order: VecDeque<Id>,
    by_client: HashMap<Addr, VecDeque<Id>>,
    next: Id,
    evicted: u64,
}

impl Exchanges {
    /// Adds it. Returns its number and those that had to go.
    pub(super) fn add(&mut self, mut exchange: Exchange) -> (Id, Vec<Id>) {
        self.next += 1;
        let id = self.next;
        exchange.id = id;
        let mut gone = Vec::new();
        let own = self.by_client.entry(exchange.flow.client.addr).or_default();
        own.push_back(id);
        if own.len() > limits::EXCHANGES_PER_SOURCE {
            gone.extend(own.front().copied());
        } else if self.all.len() >= limits::EXCHANGES {
            gone.extend(self.order.front().copied());
        }
        for old in &gone {
            self.evicted += 1;
            self.remove(*old);
        }
        self.newest
            .insert((exchange.flow.flow_id, exchange.session), id);
        self.order.push_back(id);
        self.all.insert(id, exchange);
        // Exchanges removed out of turn leave numbers behind.
        if self.order.len() > 64 + 2 * self.all.len() {
            let all = &self.all;
            self.order.retain(|id| all.contains_key(id));
        }
        (id, gone)
    }

    pub(super) fn get(&self, id: Id) -> Option<&Exchange> {
        self.all.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut Exchange> {
        self.all.get_mut(&id)
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
    pub(super) fn forget(&mut self, now: Timestamp) -> Vec<Id> {
        let keep = Duration::from_secs(limits::RELAY_SECS);
        let mut gone = Vec::new();
        while let Some(&id) = self.order.front() {
            if self.get(id).is_some_and(|e| now.since(e.born) <= keep) {
                break;
            }
            self.order.pop_front();
            if self.remove(id) {
                gone.push(id);
            }
        }
        gone
    }

    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    fn remove(&mut self, id: Id) -> bool {
        let Some(e) = self.all.remove(&id) else {
            return false;
        };
        let key = (e.flow.flow_id, e.session);
        if self.newest.get(&key) == Some(&id) {
            self.newest.remove(&key);
        }
        if let Some(own) = self.by_client.get_mut(&e.flow.client.addr) {
            // Exchanges of one client go in the order they came.
            if own.front() == Some(&id) {
                own.pop_front();
            } else {
                own.retain(|other| *other != id);
            }
            if own.is_empty() {
                self.by_client.remove(&e.flow.client.addr);
            }
        }
        true
    }
}
