//! Which frames belong to which open incident.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::ring::Ring;
use crate::event::{FlowMeta, Leg};
use crate::limits;
use crate::net::FlowKey;
use crate::packet::Kept;

/// Frames of one open incident.
#[derive(Debug, Default)]
struct Case {
    /// Bytes kept of each of its flows.
    flows: BTreeMap<FlowKey, usize>,
    /// By number: in order, and each once.
    frames: BTreeMap<u64, Arc<Kept>>,
    bytes: usize,
    /// There are frames that were not written.
    new: bool,
}

impl Case {
    /// False if there is no room.
    fn add(&mut self, frame: &Arc<Kept>) -> bool {
        let cost = frame.cost();
        let Some(of_flow) = self.flows.get_mut(&frame.key) else {
            return true;
        };
        if self.frames.contains_key(&frame.number) {
            return true;
        }
        if self.bytes + cost > limits::EVIDENCE_INCIDENT
            || *of_flow + cost > limits::EVIDENCE_INCIDENT_FLOW
        {
            return false;
        }
        *of_flow += cost;
        self.bytes += cost;
        self.frames.insert(frame.number, Arc::clone(frame));
        self.new = true;
        true
    }
}

/// The ring, and the incidents that took something out of it.
#[derive(Debug)]
pub(super) struct Book {
    ring: Ring,
    cases: BTreeMap<u64, Case>,
    /// Incidents that a flow belongs to.
    followers: HashMap<FlowKey, Vec<u64>>,
    /// Bytes of all cases, and how many there may be. A frame of two incidents counts twice.
    held: usize,
    limit: usize,
    /// Frames of an incident that had no room.
    pub(super) left_out: u64,
}

impl Book {
    /// Half of `bytes` for the ring, half for open incidents.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            ring: Ring::new(bytes / 2),
            cases: BTreeMap::new(),
            followers: HashMap::new(),
            held: 0,
            limit: bytes / 2,
            left_out: 0,
        }
    }

    /// A frame, in order.
    pub(super) fn frame(&mut self, frame: Kept) {
        let frame = Arc::new(frame);
        if let Some(ids) = self.followers.get(&frame.key) {
            for id in ids {
                if let Some(case) = self.cases.get_mut(id) {
                    put(case, &frame, &mut self.held, self.limit, &mut self.left_out);
                }
            }
        }
        self.ring.push(frame);
    }

    /// The flows of an incident as they are known now. True if there are frames of them.
    pub(super) fn legs(&mut self, incident: u64, legs: &[Leg]) -> bool {
        // An alert of a rule on events or of a correlation has none, and may come when its incident is closed.
        if legs.is_empty() {
            return self
                .cases
                .get(&incident)
                .is_some_and(|c| !c.frames.is_empty());
        }
        let case = self.cases.entry(incident).or_default();
        for leg in legs {
            let key = key(&leg.flow);
            if case.flows.contains_key(&key) {
                continue;
            }
            case.flows.insert(key, 0);
            self.followers.entry(key).or_default().push(incident);
            for frame in self.ring.of(&key, leg.flow.first_ts) {
                put(case, frame, &mut self.held, self.limit, &mut self.left_out);
            }
        }
        !case.frames.is_empty()
    }

    /// All frames of an incident, if there are new ones since they were taken last.
    pub(super) fn take(&mut self, incident: u64) -> Option<Vec<Arc<Kept>>> {
        let case = self.cases.get_mut(&incident)?;
        if !std::mem::take(&mut case.new) {
            return None;
        }
        Some(case.frames.values().cloned().collect())
    }

    /// They could not be written now.
    pub(super) fn again(&mut self, incident: u64) {
        if let Some(case) = self.cases.get_mut(&incident) {
            case.new = true;
        }
    }

    /// The incident is over. If it goes on in `into`, so do its frames.
    pub(super) fn close(&mut self, incident: u64, into: u64) {
        let Some(case) = self.cases.remove(&incident) else {
            return;
        };
        self.held -= case.bytes;
        for key in case.flows.keys() {
            if let Some(ids) = self.followers.get_mut(key) {
                ids.retain(|id| *id != incident);
                if ids.is_empty() {
                    self.followers.remove(key);
                }
            }
        }
        if into == 0 {
            return;
        }
        let older = self.cases.entry(into).or_default();
        for key in case.flows.into_keys() {
            older.flows.entry(key).or_insert_with(|| {
                self.followers.entry(key).or_default().push(into);
                0
            });
        }
        for frame in case.frames.values() {
            put(older, frame, &mut self.held, self.limit, &mut self.left_out);
        }
    }
}

fn put(case: &mut Case, frame: &Arc<Kept>, held: &mut usize, limit: usize, left_out: &mut u64) {
    let before = case.bytes;
    if *held + frame.cost() > limit || !case.add(frame) {
        *left_out += 1;
    }
    *held += case.bytes - before;
}

/// The key that frames of the flow have.
fn key(flow: &FlowMeta) -> FlowKey {
    FlowKey::new(flow.client, flow.server, flow.transport).0
}

#[cfg(test)]
mod tests {
    use super::super::ring::tests::frame;
    use super::*;
    use crate::event::LegRole;
    use crate::time::Timestamp;

    fn leg(flow: u8, since: u64) -> Leg {
        let key = frame(flow, 0, 0).key;
        Leg {
            role: LegRole::Coercion,
            flow: FlowMeta {
                client: key.b,
                server: key.a,
                transport: key.transport,
                first_ts: Timestamp(since),
                ..FlowMeta::default()
            },
            pcap_cnt: 0,
            ts: Timestamp::ZERO,
        }
    }

    fn send(book: &mut Book, flow: u8, number: u64) {
        book.frame(Arc::unwrap_or_clone(frame(flow, number, 100)));
    }

    fn taken(book: &mut Book, incident: u64) -> Option<Vec<u64>> {
        let frames = book.take(incident)?;
        Some(frames.iter().map(|f| f.number).collect())
    }

    #[test]
    fn frames_from_before_and_after_the_incident() {
        let mut book = Book::new(1 << 20);
        for n in 1..=6 {
            send(&mut book, u8::try_from(n % 2).unwrap() + 1, n);
        }
        assert!(book.legs(9, &[leg(1, 3)]));
        assert_eq!(taken(&mut book, 9), Some(vec![4, 6]));
        assert_eq!(taken(&mut book, 9), None);
        send(&mut book, 1, 7);
        send(&mut book, 2, 8);
        assert!(book.legs(9, &[leg(1, 3), leg(2, 0)]));
        assert_eq!(taken(&mut book, 9), Some(vec![1, 3, 4, 5, 6, 7, 8]));
        book.close(9, 0);
        send(&mut book, 1, 9);
        assert_eq!((taken(&mut book, 9), book.held), (None, 0));
        assert!(book.followers.is_empty());
    }

    #[test]
    fn a_merged_incident_brings_its_frames_along() {
        let mut book = Book::new(1 << 20);
        send(&mut book, 1, 1);
        send(&mut book, 2, 2);
        assert!(book.legs(8, &[leg(1, 0)]));
        assert!(book.legs(9, &[leg(2, 0)]));
        book.close(9, 8);
        send(&mut book, 2, 3);
        assert_eq!(taken(&mut book, 8), Some(vec![1, 2, 3]));
        book.close(8, 0);
        assert_eq!(book.held, 0);
    }

    #[test]
    fn incidents_are_bounded_and_what_has_no_room_is_counted() {
        let mut book = Book::new(100_000);
        for id in 1..=3 {
            book.legs(id, &[leg(1, 0)]);
        }
        for n in 1..=1_000 {
            send(&mut book, 1, n);
            assert!(book.held <= 50_000);
        }
        assert!(book.left_out > 2_000, "{}", book.left_out);
        let one = frame(1, 1, 100).cost();
        assert_eq!(book.held, 50_000 / one * one);
    }
}
