//! Which flow a packet belongs to; how flows come and go.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;

use hashbrown::HashTable;

use super::held::{NO_PAIR, Pairs};
use super::pool::Pool;
use super::record::{Flags, Records, Stage};
use super::stats::FlowStats;
use super::tcp::Connection;
use super::timer::{Linked, Wheel};
use super::{Deliver, Ended};
use crate::net::{FlowKey, Transport};
use crate::packet::{Block, Packet, Tcp};
use crate::time::Timestamp;

/// Packets whose slots and records are touched ahead: enough to overlap the misses of a group,
/// few enough to be in the first cache when their turn comes.
const GROUP: usize = 32;
/// Entries looked at to find the flow idle longest.
const EVICT_LOOKS: usize = 8;
/// Flows made to let go of what they hold after one packet, at most.
const RELIEF: usize = 64;
/// Flows the index has room for from the start.
const INDEX_FLOWS: usize = 64 * 1024;

/// Shares of the memory budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableLimits {
    /// Flows at once. When met, the least useful flow is evicted and counted.
    pub flows: usize,
    /// Bytes of buffers for tails and segments out of order, of all flows. When met, flows that
    /// have not used theirs for long lose it (a gap) and are counted. One packet may overshoot it.
    pub held_bytes: usize,
}

/// A slot of the index: 8 bytes, so that growing it touches no record.
#[derive(Clone, Copy, Debug)]
struct Entry {
    tag: u32,
    id: u32,
}

impl Entry {
    /// Both halves of a 64-bit hash, for what is left of it: the index takes places from the low
    /// bits and tells neighbours apart by the high ones.
    fn hash(tag: u32) -> u64 {
        u64::from(tag) | (u64::from(tag) << 32)
    }
}

/// The flows of one worker, and the state `T` that each carries.
///
/// Pages of records and the index grow with the flows there are. At a million flows growing
/// the index moves 8 MiB once, some ten milliseconds; records never move.
#[derive(Debug)]
pub struct Table<T> {
    limits: TableLimits,
    index: HashTable<Entry>,
    records: Records<T>,
    /// One for each stage, by [`Stage::index`].
    wheels: [Wheel; 4],
    pairs: Pairs,
    pool: Pool,
    stats: FlowStats,
    /// Reused by sweeps: entries to look at, and what is due (when, whose first packet, record).
    looked: Vec<u32>,
    due: BinaryHeap<Reverse<(u64, u64, u32)>>,
}

impl<T: Default> Table<T> {
    /// Bytes that one flow costs, held bytes and what the state allocates apart.
    pub const RECORD_BYTES: usize = Records::<T>::BYTES;

    /// An empty table.
    #[must_use]
    pub fn new(limits: TableLimits) -> Self {
        let limits = TableLimits {
            flows: limits.flows.clamp(1, 1 << 24),
            ..limits
        };
        Self {
            limits,
            index: HashTable::with_capacity(limits.flows.min(INDEX_FLOWS)),
            records: Records::new(),
            wheels: [0; 4].map(Wheel::new),
            pairs: Pairs::default(),
            pool: Pool::new(limits.held_bytes / 4),
            stats: FlowStats::default(),
            looked: Vec::new(),
            due: BinaryHeap::new(),
        }
    }

    /// Counters and gauges.
    #[must_use]
    pub fn stats(&self) -> FlowStats {
        FlowStats {
            active: self.records.len() as u64,
            held_bytes: self.pool.held() as u64,
            record_bytes: self.records.bytes() as u64,
            ..self.stats
        }
    }

    /// One packet, whose payload is `payload`.
    pub fn push(&mut self, packet: &Packet, payload: &[u8], deliver: &mut impl Deliver<T>) {
        self.push_at(None, packet, payload, deliver);
    }

    /// Packets of one block, in order. The same as [`Table::push`] for each, and faster where
    /// there are many flows: a group's slots, then its records, are read in passes of their own,
    /// so that their cache misses overlap.
    pub fn push_batch(&mut self, packets: &[Packet], block: &Block, deliver: &mut impl Deliver<T>) {
        for group in packets.chunks(GROUP) {
            let mut guesses = [None; GROUP];
            for (guess, packet) in guesses.iter_mut().zip(group) {
                *guess = self.guess(packet);
            }
            let mut touched = 0;
            for id in guesses.iter().flatten() {
                if let Some(hot) = self.records.hot(*id) {
                    touched ^= hot.number ^ u64::from(hot.key.a.port);
                }
            }
            for id in guesses.iter().flatten() {
                if self
                    .records
                    .hot(*id)
                    .is_some_and(|hot| hot.stage == Stage::Active)
                    && let Some(warm) = self.records.warm(*id)
                {
                    touched ^= warm.first_number;
                }
            }
            black_box(touched);
            for (guess, packet) in guesses.into_iter().zip(group) {
                self.push_at(guess, packet, block.slice(packet.payload), deliver);
            }
        }
    }

    /// Ends what is due at `now`, which is packet time: flows that nothing came for, and holes
    /// that nothing filled. In order of the moment at which it was due, then of the flows' first
    /// packets. Costs what falls due, not what there is.
    pub fn expire(&mut self, now: Timestamp, deliver: &mut impl Deliver<T>) {
        let tick = now.secs();
        for wheel in &mut self.wheels {
            wheel.advance(&mut self.records, tick, &mut self.looked);
        }
        while let Some(id) = self.looked.pop() {
            // Back at once: should a decoder panic below, no flow stays out of its wheel.
            self.link(id);
            self.queue(id, tick);
        }
        while let Some(Reverse((when, first, id))) = self.due.pop() {
            let same = self.records.warm(id).map(|warm| warm.first_number) == Some(first);
            let there = self.records.hot(id).is_some_and(super::record::Hot::live);
            if same && there && !self.timed_out(id, when, deliver) {
                self.relink(id);
                self.queue(id, tick);
            }
        }
    }

    /// The input is over at `now`: what is held is shown with gaps, and all flows end, in the
    /// order of their first packets.
    pub fn finish(&mut self, now: Timestamp, deliver: &mut impl Deliver<T>) {
        self.expire(now, deliver);
        let mut all: Vec<(u64, u32)> = self.records.live().map(|(id, n)| (n, id)).collect();
        all.sort_unstable();
        for (_, id) in all {
            self.remove(id, now, Ended::Finished, deliver);
        }
    }

    /// Drops the flow of `packet` and its state without showing anything to anybody: what to do
    /// with a flow whose decoder panicked. Its state is returned.
    pub fn forget(&mut self, packet: &Packet) -> Option<T> {
        let id = self.find(packet)?;
        self.stats.forgotten = self.stats.forgotten.saturating_add(1);
        self.free(id)
    }

    /// The state of the flow of `packet`, if there is one.
    #[must_use]
    pub fn state(&mut self, packet: &Packet) -> Option<&T> {
        let id = self.find(packet)?;
        self.records.get_mut(id).map(|(_, warm)| &warm.state)
    }

    /// Gives up the flow that is looked at, for what its state holds: the one that has been idle
    /// longest, more or less. False if there is none.
    pub fn give_up_idle(&mut self, now: Timestamp, deliver: &mut impl Deliver<T>) -> bool {
        self.evict(&[Stage::Active], now, deliver)
    }

    fn push_at(
        &mut self,
        guess: Option<u32>,
        packet: &Packet,
        payload: &[u8],
        to: &mut impl Deliver<T>,
    ) {
        self.stats.packets = self.stats.packets.saturating_add(1);
        let guess = guess.filter(|id| self.is(*id, &packet.key));
        let there = match guess.or_else(|| self.find(packet)) {
            Some(id) => (!self.over(id, packet, to)).then_some(id),
            None => None,
        };
        let Some(id) = there.or_else(|| self.open(packet, to)) else {
            self.stats.strays = self.stats.strays.saturating_add(1);
            return;
        };
        let Some(mut connection) = self.connection(id, to) else {
            return;
        };
        match packet.key.transport {
            Transport::Tcp => connection.packet(packet, payload),
            Transport::Udp | Transport::Icmp6 | Transport::Arp => {
                connection.datagram(packet, payload);
            }
        }
        if connection.hot.pair != NO_PAIR
            || usize::from(connection.hot.links.wheel) != connection.hot.stage.index()
        {
            self.relink(id);
            self.relieve(packet.ts, to);
        }
    }

    /// True if the flow is over before `packet`, which then belongs to another; it is removed.
    #[inline]
    fn over(&mut self, id: u32, packet: &Packet, to: &mut impl Deliver<T>) -> bool {
        let Some(hot) = self.records.hot(id) else {
            return true;
        };
        let tick = packet.ts.secs();
        if (hot.pair != NO_PAIR || hot.deadline() <= tick) && self.timed_out(id, tick, to) {
            return true;
        }
        if packet.tcp.has(Tcp::SYN)
            && self
                .connection(id, to)
                .is_some_and(|mut c| c.replaced_by(packet))
        {
            self.stats.reused = self.stats.reused.saturating_add(1);
            self.remove(id, packet.ts, Ended::Reused, to);
            return true;
        }
        false
    }

    /// Gives up the holes due at `tick`, and the whole flow if that is due.
    fn timed_out(&mut self, id: u32, tick: u64, to: &mut impl Deliver<T>) -> bool {
        if let Some(mut connection) = self.connection(id, to)
            && connection.hot.pair != NO_PAIR
        {
            connection.overdue(tick);
        }
        let Some(hot) = self.records.hot(id) else {
            return true;
        };
        let deadline = hot.deadline();
        if deadline > tick {
            return false;
        }
        if hot.stage == Stage::New && hot.key.transport == Transport::Tcp {
            self.stats.syn_only = self.stats.syn_only.saturating_add(1);
        }
        self.stats.expired = self.stats.expired.saturating_add(1);
        self.remove(id, Timestamp::new(deadline, 0), Ended::Timeout, to);
        true
    }

    /// A new flow for `packet`, unless it only belongs to one that is gone.
    fn open(&mut self, packet: &Packet, to: &mut impl Deliver<T>) -> Option<u32> {
        let transport = packet.key.transport;
        let tcp = transport == Transport::Tcp;
        let syn = packet.tcp.has(Tcp::SYN);
        let empty = packet.sent == 0 && packet.payload.len == 0;
        if packet.tcp.has(Tcp::RST) || (tcp && !syn && empty) {
            return None;
        }
        if self.records.len() == 0 {
            // The wheels are empty, so their clock may jump to the packet's.
            let start = packet.ts.secs().saturating_sub(1);
            self.wheels.iter_mut().for_each(|wheel| wheel.start(start));
        }
        if self.records.len() >= self.limits.flows {
            self.evict(&Stage::TO_EVICT, packet.ts, to);
        }
        let tag = tag(packet.hash);
        let id = self.records.take();
        let (hot, warm) = self.records.get_mut(id)?;
        hot.key = packet.key;
        hot.tag = tag;
        hot.last = packet.ts;
        hot.number = packet.number;
        hot.flags.set(Flags::LIVE);
        warm.first_ts = packet.ts;
        warm.first_number = packet.number;
        warm.wrapping = packet.wrapping;
        warm.iface = packet.iface;
        to.opened(packet, &mut warm.state);
        self.index
            .insert_unique(Entry::hash(tag), Entry { tag, id }, |e| Entry::hash(e.tag));
        self.link(id);
        self.stats.opened = self.stats.opened.saturating_add(1);
        if !tcp {
            let counter = match transport {
                Transport::Udp => &mut self.stats.udp_flows,
                _ => &mut self.stats.other_flows,
            };
            *counter = counter.saturating_add(1);
        } else if !syn {
            self.stats.midstream = self.stats.midstream.saturating_add(1);
        }
        Some(id)
    }

    /// Makes room for one flow: handshakes first, then closed, bypassed and idle flows. The
    /// one to go is that which its wheel would look at first; a few that turn out to be busy
    /// are passed over.
    fn evict(&mut self, stages: &[Stage], now: Timestamp, to: &mut impl Deliver<T>) -> bool {
        for stage in stages {
            for look in 1..=EVICT_LOOKS {
                let Some(wheel) = self.wheels.get(stage.index()) else {
                    return false;
                };
                let Some(id) = wheel.first() else { break };
                let Some(hot) = self.records.hot(id) else {
                    return false;
                };
                if look < EVICT_LOOKS && hot.deadline() > wheel.due(&hot.links) {
                    self.unlink(id);
                    self.link(id);
                    continue;
                }
                let counter = match stage {
                    Stage::New => &mut self.stats.evicted_new,
                    Stage::Closed => &mut self.stats.evicted_closed,
                    Stage::Bypassed => &mut self.stats.evicted_bypassed,
                    Stage::Active => &mut self.stats.evicted_active,
                };
                *counter = counter.saturating_add(1);
                self.remove(id, now, Ended::Evicted, to);
                return true;
            }
        }
        false
    }

    /// While more is held than may be, flows that have not used theirs for long lose it.
    fn relieve(&mut self, now: Timestamp, to: &mut impl Deliver<T>) {
        for _ in 0..RELIEF {
            if self.pool.held() <= self.limits.held_bytes {
                return;
            }
            let Some(id) = self.pairs.idle(EVICT_LOOKS) else {
                return;
            };
            if let Some(mut connection) = self.connection(id, to) {
                connection.drop_held(now);
            }
            self.relink(id);
        }
    }

    /// Ends a flow and takes it out of the table.
    fn remove(&mut self, id: u32, at: Timestamp, why: Ended, to: &mut impl Deliver<T>) {
        if let Some(mut connection) = self.connection(id, to) {
            connection.leave(at, why);
        }
        self.free(id);
    }

    fn free(&mut self, id: u32) -> Option<T> {
        self.unlink(id);
        let hot = self.records.hot(id)?;
        self.pairs.give(hot.pair, &mut self.pool);
        if let Ok(entry) = self
            .index
            .find_entry(Entry::hash(hot.tag), |entry| entry.id == id)
        {
            entry.remove();
        }
        self.records.give(id)
    }

    fn connection<'t, D>(&'t mut self, id: u32, to: &'t mut D) -> Option<Connection<'t, T, D>> {
        let (hot, warm) = self.records.get_mut(id)?;
        Some(Connection {
            id,
            hot,
            warm,
            pairs: &mut self.pairs,
            pool: &mut self.pool,
            stats: &mut self.stats,
            to,
        })
    }

    #[inline]
    fn is(&self, id: u32, key: &FlowKey) -> bool {
        self.records
            .hot(id)
            .is_some_and(|hot| hot.key == *key && hot.live())
    }

    #[inline]
    fn find(&self, packet: &Packet) -> Option<u32> {
        let tag = tag(packet.hash);
        self.index
            .find(Entry::hash(tag), |entry| {
                entry.tag == tag && self.is(entry.id, &packet.key)
            })
            .map(|entry| entry.id)
    }

    /// The record that is probably the flow's, without looking at it.
    #[inline]
    fn guess(&self, packet: &Packet) -> Option<u32> {
        let tag = tag(packet.hash);
        self.index
            .find(Entry::hash(tag), |entry| entry.tag == tag)
            .map(|entry| entry.id)
    }

    /// When the flow next wants to be looked at, and the number of its first packet.
    fn next_look(&self, id: u32) -> Option<(u64, u64)> {
        let hot = self.records.hot(id)?;
        let hole = self.pairs.get(hot.pair).and_then(|pair| pair.hole_due());
        let when = hole.map_or(u64::MAX, |(due, _)| due).min(hot.deadline());
        Some((when, self.records.warm(id)?.first_number))
    }

    /// Lets a sweep up to `tick` come to a flow if it is due.
    fn queue(&mut self, id: u32, tick: u64) {
        if let Some((when, first)) = self.next_look(id)
            && when <= tick
        {
            self.due.push(Reverse((when, first, id)));
        }
    }

    /// Puts a flow that is in no wheel into that of its stage.
    fn link(&mut self, id: u32) {
        let Some((when, _)) = self.next_look(id) else {
            return;
        };
        let Some(stage) = self.records.hot(id).map(|hot| hot.stage.index()) else {
            return;
        };
        if let Some(links) = self.records.links(id) {
            links.wheel = u8::try_from(stage).unwrap_or(0);
        }
        if let Some(wheel) = self.wheels.get_mut(stage) {
            wheel.insert(&mut self.records, id, when);
        }
    }

    fn unlink(&mut self, id: u32) {
        let Some(links) = self.records.hot(id).map(|hot| hot.links) else {
            return;
        };
        if links.linked()
            && let Some(wheel) = self.wheels.get_mut(usize::from(links.wheel))
        {
            wheel.remove(&mut self.records, id);
        }
    }

    /// Moves a flow that wants to be looked at sooner than it would be, or by another wheel.
    fn relink(&mut self, id: u32) {
        let Some(hot) = self.records.hot(id).filter(|hot| hot.live()) else {
            return;
        };
        let (links, stage) = (hot.links, hot.stage.index());
        let in_time = links.linked()
            && usize::from(links.wheel) == stage
            && self.wheels.get(stage).is_some_and(|wheel| {
                let when = self.next_look(id).map_or(u64::MAX, |(when, _)| when);
                wheel.due(&links) <= when
            });
        if !in_time {
            self.unlink(id);
            self.link(id);
        }
    }
}

#[cfg(test)]
impl<T: Default> Table<T> {
    pub(super) fn find_for_test(&self, packet: &Packet) -> Option<u32> {
        self.find(packet)
    }
}

/// What the index keeps of a hash.
fn tag(hash: u64) -> u32 {
    ((hash ^ (hash >> 32)) & 0xffff_ffff) as u32
}
