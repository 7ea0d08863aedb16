//! Recent frames of every flow that may become evidence, in a bounded number of bytes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::limits;
use crate::net::FlowKey;
use crate::packet::Kept;
use crate::time::Timestamp;

/// Frames by flow. Beyond its bytes the oldest frame of all goes; of one flow the start is kept and the newest, so
/// that a long transfer pushes out nobody's handshake, not even its own.
#[derive(Debug)]
pub(super) struct Ring {
    flows: HashMap<FlowKey, Recent>,
    /// Every frame in the order it came; it may be gone from its flow.
    order: VecDeque<(FlowKey, u64)>,
    bytes: usize,
    limit: usize,
}

#[derive(Debug, Default)]
struct Recent {
    head: VecDeque<Arc<Kept>>,
    tail: VecDeque<Arc<Kept>>,
    head_bytes: usize,
    tail_bytes: usize,
}

/// Bytes of one entry of [`Ring::order`].
const ENTRY: usize = size_of::<(FlowKey, u64)>();

impl Ring {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            flows: HashMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            limit,
        }
    }

    pub(super) fn push(&mut self, frame: Arc<Kept>) {
        let cost = frame.cost();
        self.bytes += cost + ENTRY;
        self.order.push_back((frame.key, frame.number));
        let flow = self.flows.entry(frame.key).or_default();
        if flow.tail.is_empty() && flow.head_bytes + cost <= limits::EVIDENCE_FLOW_HEAD {
            flow.head_bytes += cost;
            flow.head.push_back(frame);
        } else {
            flow.tail_bytes += cost;
            flow.tail.push_back(frame);
            while flow.tail_bytes > limits::EVIDENCE_FLOW_TAIL
                && let Some(gone) = flow.tail.pop_front()
            {
                flow.tail_bytes -= gone.cost();
                self.bytes -= gone.cost();
            }
        }
        while self.bytes > self.limit
            && let Some((key, number)) = self.order.pop_front()
        {
            self.bytes -= ENTRY;
            self.forget(&key, number);
        }
    }

    /// Drops the frame if it is still there: it is the oldest of its flow then.
    fn forget(&mut self, key: &FlowKey, number: u64) {
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        let (side, held) = match flow.head.front() {
            Some(first) if first.number == number => (&mut flow.head, &mut flow.head_bytes),
            _ => (&mut flow.tail, &mut flow.tail_bytes),
        };
        if side.front().is_some_and(|f| f.number == number)
            && let Some(gone) = side.pop_front()
        {
            *held -= gone.cost();
            self.bytes -= gone.cost();
        }
        if flow.head.is_empty() && flow.tail.is_empty() {
            self.flows.remove(key);
        }
    }

    /// Frames of the flow that came at `since` or later, in order.
    pub(super) fn of(&self, key: &FlowKey, since: Timestamp) -> impl Iterator<Item = &Arc<Kept>> {
        let flow = self.flows.get(key);
        let all = flow.into_iter().flat_map(|f| f.head.iter().chain(&f.tail));
        all.filter(move |f| f.ts >= since)
    }

    #[cfg(test)]
    fn held(&self) -> (usize, usize) {
        (self.flows.len(), self.bytes)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::net::{Addr, Endpoint, Transport};
    use crate::packet::Tcp;

    pub(in crate::sensor::evidence) fn frame(flow: u8, number: u64, len: usize) -> Arc<Kept> {
        let end = |n| Endpoint::new(Addr::v4([10, 0, 0, n]), 445);
        Arc::new(Kept {
            number,
            ts: Timestamp(number),
            key: FlowKey::new(end(flow), end(255), Transport::Tcp).0,
            from_a: true,
            tcp: Tcp::default(),
            link: 1,
            wire_len: 0,
            start: 0,
            len: 0,
            bytes: vec![0; len].into(),
        })
    }

    fn numbers(ring: &Ring, flow: u8) -> Vec<u64> {
        let key = frame(flow, 0, 0).key;
        ring.of(&key, Timestamp::ZERO).map(|f| f.number).collect()
    }

    #[test]
    fn the_oldest_go_when_it_is_full() {
        let cost = frame(1, 1, 1_000).cost() + ENTRY;
        let mut ring = Ring::new(10 * cost);
        for n in 1..=25 {
            ring.push(frame(u8::try_from(n % 3).unwrap(), n, 1_000));
        }
        assert_eq!(numbers(&ring, 0), [18, 21, 24]);
        assert_eq!(numbers(&ring, 1), [16, 19, 22, 25]);
        assert_eq!(numbers(&ring, 2), [17, 20, 23]);
        assert_eq!(ring.held(), (3, 10 * cost));
        let key = frame(1, 0, 0).key;
        let since: Vec<u64> = ring.of(&key, Timestamp(20)).map(|f| f.number).collect();
        assert_eq!(since, [22, 25]);
    }

    #[test]
    fn a_long_flow_keeps_its_start_and_its_end_and_leaves_the_others_alone() {
        let mut ring = Ring::new(16 * 1024 * 1024);
        ring.push(frame(2, 1, 100));
        for n in 2..=20_000 {
            ring.push(frame(1, n, 1_400));
        }
        assert_eq!(numbers(&ring, 2), [1]);
        let all = numbers(&ring, 1);
        assert_eq!((all[0], all[all.len() - 1]), (2, 20_000));
        let (_, bytes) = ring.held();
        let most = limits::EVIDENCE_FLOW_HEAD + limits::EVIDENCE_FLOW_TAIL + 20_001 * ENTRY;
        assert!(bytes < most + 2_000, "{bytes}");
    }

    /// What is counted is what is there, whatever comes: nothing is left when all is pushed out.
    #[test]
    fn bytes_are_counted_right() {
        let mut ring = Ring::new(300_000);
        for n in 1..=50_000_u64 {
            let len = usize::try_from(n * 7919 % 1_500).unwrap();
            ring.push(frame(u8::try_from(n * 31 % 200).unwrap(), n, len));
            assert!(ring.bytes <= ring.limit);
        }
        let frames = ring
            .flows
            .values()
            .flat_map(|f| f.head.iter().chain(&f.tail));
        let there: usize = frames.map(|f| f.cost()).sum();
        assert_eq!(ring.bytes, there + ring.order.len() * ENTRY);
    }
}
