//! A worker: packets to flows to decoders, events to rules, what survives to the correlator.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crossbeam_channel::Sender;

use super::claims::Claims;
use super::collector::{Collector, FlowSink};
use super::decoders::Decoders;
use super::evidence::{copies, is_told};
use super::origin;
use super::queue::{Batch, Lane, Round, Used};
use super::stats::{FlowKinds, WorkerSnapshot};
use super::{Beat, Setup};
use crate::event::identity;
use crate::flow::{Deliver, Ended, FlowInfo, Table, TableLimits};
use crate::limits;
use crate::net::{Outer, Side};
use crate::output::Lines;
use crate::packet::{Block, Chunk, Datagram, Kept, Packet, Progress};
use crate::proto::rpch::VirtualConnections;
use crate::proto::{Session, Shared};
use crate::rule::Scratch;
use crate::time::Timestamp;

/// What a flow carries.
#[derive(Debug, Default)]
struct FlowState {
    session: Session,
    /// 0 until it is needed.
    flow_id: u64,
    /// What its first packet was carried in.
    tunnel: Option<Box<Outer>>,
    /// What it counts for in [`Decoders::held`].
    held: u32,
    /// Sides that ended.
    ended: [bool; 2],
}

/// One worker thread's state.
#[derive(Debug)]
pub(super) struct Worker {
    table: Table<FlowState>,
    shared: Shared,
    collector: Collector,
    decoders: Decoders,
    stats: WorkerSnapshot,
    /// Frames are copied for evidence.
    evidence: bool,
}

impl Worker {
    pub(super) fn new(setup: &Setup, origin: Arc<origin::Shared>) -> Self {
        let decoders = setup.memory.decoders(setup.workers);
        Self {
            table: Table::new(TableLimits {
                flows: setup.memory.flows(setup.workers) / Table::<FlowState>::RECORD_BYTES,
                held_bytes: setup.memory.held(setup.workers),
            }),
            shared: Shared {
                catalog: Arc::clone(&setup.catalog),
                rpch: VirtualConnections::new(decoders / 4),
                dns: crate::proto::dns::Scratch::default(),
                ..Shared::default()
            },
            decoders: Decoders {
                held: 0,
                limit: decoders - decoders / 4,
                evicted: 0,
            },
            collector: Collector {
                rules: Arc::clone(&setup.rules),
                key: Arc::clone(&setup.key),
                events: setup.events,
                pcap_filename: setup.pcap_filename.clone(),
                origin,
                catalog: Arc::clone(&setup.catalog),
                claims: Claims::new(setup.declared.home_nets.clone()),
                items: Vec::new(),
                lines: Lines::default(),
                scratch: Scratch::default(),
                traces: Vec::new(),
                hits: Vec::new(),
                anomalies: HashMap::new(),
                anomalies_changed: false,
                events_seen: 0,
                anomalies_seen: 0,
                flows: FlowKinds::default(),
                expiring: None,
                index: 0,
            },
            stats: WorkerSnapshot::default(),
            evidence: setup.evidence.is_some(),
        }
    }

    /// Answers batches with rounds until the last.
    pub(super) fn run(mut self, lane: &Lane, rounds: &Sender<Round>, beat: &Beat) {
        for batch in &lane.batches {
            beat.beat();
            let last = batch.last;
            let (round, used) = self.batch(batch);
            // Full or gone: the capture thread makes new buffers then.
            let _ = lane.used.try_send(used);
            if rounds.send(round).is_err() || last {
                break;
            }
        }
    }

    fn batch(&mut self, batch: Batch) -> (Round, Used) {
        let Batch {
            round,
            block,
            mut packets,
            until,
            number,
            capture,
            filled,
            rules,
            last,
        } = batch;
        if !Arc::ptr_eq(&rules, &self.collector.rules) {
            self.collector.rules = Arc::clone(&rules);
        }
        self.packets(&block, &packets);
        let frames = if self.evidence {
            self.copies(&block, &packets, number)
        } else {
            Vec::new()
        };
        self.collector.expiring = Some(number);
        self.expire(until, last);
        self.collector.expiring = None;
        packets.clear();
        let used = Used {
            packets,
            block: Arc::into_inner(block),
        };
        self.stats.flow = self.table.stats();
        self.stats.evicted_decoders = self.decoders.evicted + self.shared.rpch.evicted();
        self.stats.events = self.collector.events_seen;
        self.stats.anomalies = self.collector.anomalies_seen;
        self.stats.flows = self.collector.flows;
        self.collector.index = 0;
        let collector = &mut self.collector;
        let mut items = std::mem::take(&mut collector.items);
        items.sort_by_key(|item| item.key);
        let changed = std::mem::take(&mut collector.anomalies_changed);
        let round = Round {
            round,
            until,
            items,
            lines: std::mem::take(&mut collector.lines),
            frames,
            capture,
            worker: self.stats,
            anomalies: changed.then(|| collector.anomalies.iter().map(|(k, n)| (*k, *n)).collect()),
            filled,
            rules,
            last,
        };
        (round, used)
    }

    /// Frames of flows that may become evidence. Looked at after the batch, when it is known what they are.
    fn copies(&mut self, block: &Block, packets: &[Packet], number: u64) -> Vec<Kept> {
        let table = &mut self.table;
        copies(block, packets, number, |packet| {
            let state = table.state(packet);
            state.is_none_or(|state| is_told(state.session.app_proto()))
        })
    }

    /// Feeds the packets to their flows. A panic is a bug of ours: it costs that flow and is counted.
    fn packets(&mut self, block: &Block, packets: &[Packet]) {
        let mut rest = packets;
        while !rest.is_empty() {
            let group = rest.get(..limits::DECODER_PACKETS).unwrap_or(rest);
            let before = self.table.stats().packets;
            let fed = self.guarded(Some(block), |table, to| table.push_batch(group, block, to));
            let done = if fed.is_some() {
                group.len()
            } else {
                let done = self.table.stats().packets.saturating_sub(before).max(1);
                usize::try_from(done).unwrap_or(usize::MAX).min(group.len())
            };
            let (fed_now, unfed) = rest.split_at(done);
            if let (None, Some(packet)) = (fed, fed_now.last())
                && let Some(mut state) = self.table.forget(packet)
            {
                self.decoders.settle(&mut state.held, 0);
            }
            if self.decoders.full()
                && let Some(packet) = fed_now.last()
            {
                self.relieve(packet.ts);
            }
            rest = unfed;
        }
    }

    /// Gives up idle flows until their decoders hold no more than they may.
    #[cold]
    fn relieve(&mut self, now: Timestamp) {
        while self.decoders.full() {
            let before = self.decoders.held;
            let gone = self.guarded(None, |table, to| table.give_up_idle(now, to));
            if gone != Some(true) {
                break;
            }
            self.decoders.evicted += u64::from(self.decoders.held < before);
        }
    }

    /// `None` if it panicked.
    fn guarded<R>(
        &mut self,
        block: Option<&Block>,
        run: impl FnOnce(&mut Table<FlowState>, &mut Decoding<'_>) -> R,
    ) -> Option<R> {
        let Self {
            table,
            shared,
            collector,
            decoders,
            stats,
            evidence: _,
        } = self;
        let mut to = Decoding {
            shared,
            collector,
            decoders,
            block,
        };
        let done = catch_unwind(AssertUnwindSafe(|| run(table, &mut to)));
        stats.panics += u64::from(done.is_err());
        done.ok()
    }

    /// Ends what has been silent too long; at the end of the capture, everything.
    fn expire(&mut self, now: Timestamp, last: bool) {
        self.guarded(None, |table, to| {
            if last {
                table.finish(now, to);
            } else {
                table.expire(now, to);
            }
        });
    }
}

/// Shows chunks to the decoder of their flow.
struct Decoding<'w> {
    shared: &'w mut Shared,
    collector: &'w mut Collector,
    decoders: &'w mut Decoders,
    /// Where the packets lie, while there are any.
    block: Option<&'w Block>,
}

impl Deliver<FlowState> for Decoding<'_> {
    fn chunk(
        &mut self,
        info: &FlowInfo,
        state: &mut FlowState,
        side: Side,
        chunk: Chunk<'_>,
    ) -> Progress {
        let mut progress = self.show(info, state, side, chunk);
        if matches!(chunk, Chunk::End) {
            match side {
                Side::A => state.ended[0] = true,
                Side::B => state.ended[1] = true,
            }
            if state.ended == [true, true] {
                state.session.close();
            }
        }
        let held = state.session.held();
        if held == state.held as usize {
            return progress;
        }
        let grew = held > state.held as usize;
        self.decoders.settle(&mut state.held, held);
        if grew && self.decoders.full() && self.decoders.greedy(held) {
            self.give_up(info, state);
            progress = Progress::Done;
        }
        progress
    }

    fn opened(&mut self, packet: &Packet, state: &mut FlowState) {
        let outer = self.block.and_then(|block| block.outer(packet.wrapping));
        state.tunnel = outer.map(Box::new);
    }

    fn datagram(
        &mut self,
        info: &FlowInfo,
        state: &mut FlowState,
        side: Side,
        datagram: Datagram<'_>,
    ) -> bool {
        let was = state.session.app_proto();
        let mut sink = FlowSink {
            collector: self.collector,
            info,
            flow_id: &mut state.flow_id,
            tunnel: state.tunnel.as_deref().copied(),
            client: state.session.client(),
            side,
            app_proto: was,
        };
        let first = info.initiator.unwrap_or(side);
        let done = state
            .session
            .datagram(side, first, &info.key, datagram, self.shared, &mut sink);
        if was.is_empty() {
            let app_proto = state.session.app_proto();
            self.collector.identified(app_proto, info.key.transport);
        }
        done
    }

    fn ended(&mut self, _: &FlowInfo, state: &mut FlowState, _: Ended) {
        self.decoders.settle(&mut state.held, 0);
    }
}

impl Decoding<'_> {
    fn show(
        &mut self,
        info: &FlowInfo,
        state: &mut FlowState,
        side: Side,
        chunk: Chunk<'_>,
    ) -> Progress {
        let was = state.session.app_proto();
        let mut sink = FlowSink {
            collector: self.collector,
            info,
            flow_id: &mut state.flow_id,
            tunnel: state.tunnel.as_deref().copied(),
            client: state.session.client(),
            side,
            app_proto: was,
        };
        let progress = state.session.chunk(
            side,
            info.initiator,
            &info.key,
            chunk,
            self.shared,
            &mut sink,
        );
        if was.is_empty() {
            let app_proto = state.session.app_proto();
            self.collector.identified(app_proto, info.key.transport);
        }
        progress
    }

    /// The flow loses its decoder; what that has unfinished is reported.
    #[cold]
    fn give_up(&mut self, info: &FlowInfo, state: &mut FlowState) {
        for (side, ended) in [Side::A, Side::B].into_iter().zip(state.ended) {
            if !ended {
                self.show(info, state, side, Chunk::End);
            }
        }
        state.session.close();
        self.decoders.settle(&mut state.held, 0);
        self.decoders.evicted += 1;
    }
}

/// Names a flow: the same in every run, 51 bits so that it survives JavaScript, never 0.
pub(super) fn flow_id(info: &FlowInfo, known: &mut u64) -> u64 {
    if *known == 0 {
        let key = &info.key;
        let id = identity(&[
            &key.a.addr.0,
            &key.a.port.to_be_bytes(),
            &key.b.addr.0,
            &key.b.port.to_be_bytes(),
            &[key.transport.number()],
            &info.first_ts.0.to_be_bytes(),
        ]);
        *known = (id >> 13).max(1);
    }
    *known
}
