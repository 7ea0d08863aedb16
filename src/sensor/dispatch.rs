//! The capture thread: frames to packets to workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Setup;
use super::origin;
use super::queue::{Batch, Lanes};
use super::stats::CaptureSnapshot;
use crate::capture::{End, Fill, Source};
use crate::packet::{Block, DissectOptions, Dissector, Packet};
use crate::rule::RuleSet;
use crate::time::Timestamp;

/// Live, what is older than the newest by less than this came late; by more, a clock was set back.
const LATE: Duration = Duration::from_secs(1);
/// Rounds between two looks at what each interface counted: a quarter of a second when idle, 32 MiB when not.
const WATCHED_ROUNDS: u64 = 128;

/// Reads the source to its end.
pub(super) fn run(
    source: &mut dyn Source,
    setup: &Setup,
    seed: u64,
    lanes: &mut Lanes,
    origin: &Arc<origin::Shared>,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(u64, Option<String>),
) -> End {
    let mut d = Dispatch {
        dissector: Dissector::new(
            seed,
            DissectOptions {
                vlan_in_key: setup.vlan_in_flow_key,
            },
        ),
        batches: (0..setup.workers).map(|_| Vec::new()).collect(),
        capture: CaptureSnapshot::default(),
        now: Timestamp::ZERO,
        live: setup.live,
        round: 0,
        rules: Arc::clone(&setup.rules),
    };
    let beat = setup.health.thread("capture");
    let mut end = None;
    while end.is_none() {
        lanes.reclaim();
        beat.beat();
        let mut block = lanes.block();
        match source.fill(&mut block) {
            Fill::Frames => {}
            Fill::Idle => {
                // Nothing on the wire: time goes on all the same, detections must not wait for it.
                d.now = d.now.max(source.settled(super::stats::wall_clock()));
            }
            Fill::End(how) => end = Some(how),
        }
        if let Some(file) = source.file()
            && let Ok(mut origin) = origin.write()
        {
            origin.begin(d.capture.packets + 1, file);
        }
        let filled = super::stats::now();
        d.dissect(&mut block);
        d.capture.source = source.stats();
        name_ifaces(source, origin, &block);
        if setup.live && (d.round.is_multiple_of(WATCHED_ROUNDS) || end.is_some()) {
            let mut watched = Vec::new();
            source.watched(&mut watched);
            if let Ok(mut origin) = origin.write() {
                origin.watched = watched;
            }
        }
        if end.is_none() && stop.load(Ordering::Relaxed) {
            end = Some(End::Finished);
        }
        d.round += 1;
        if let Some(new) = setup.reload.take() {
            d.rules = new;
        }
        if !d.flush(block, lanes, filled, end.is_some()) {
            break;
        }
        progress(d.capture.packets, source.notice());
    }
    // Workers take batches until the last: if they do not, one has ended before its time.
    end.unwrap_or_else(|| End::Broke {
        offset: None,
        reason: "a thread of the sensor ended before its time, which is a bug; please report it"
            .to_owned(),
    })
}

struct Dispatch {
    dissector: Dissector,
    batches: Vec<Vec<Packet>>,
    capture: CaptureSnapshot,
    /// Time of the newest frame; never goes back.
    now: Timestamp,
    /// Time also goes on without frames.
    live: bool,
    round: u64,
    rules: Arc<RuleSet>,
}

impl Dispatch {
    fn dissect(&mut self, block: &mut Block) {
        let workers = self.batches.len().max(1) as u64;
        let Block {
            bytes,
            frames,
            spill,
            outers,
        } = block;
        for frame in frames.iter() {
            self.capture.packets += 1;
            self.capture.bytes += u64::from(frame.wire_len);
            let mut frame = *frame;
            if frame.ts < self.now {
                if self.live && self.now.since(frame.ts) < LATE {
                    self.capture.late += 1;
                } else {
                    self.capture.clamped += 1;
                }
                frame.ts = self.now;
            }
            self.now = frame.ts;
            let found = self
                .dissector
                .frame(bytes, spill, frame, self.capture.packets);
            if let Some(mut packet) = found {
                if packet.wrapping.tunnels > 0
                    && let Some(outer) = self.dissector.outer()
                {
                    packet.wrapping.outer = Block::add_outer(outers, outer);
                }
                // The high half of a 32-bit hash times n is its share of n: no division.
                let lane = (u64::from(packet.pair) * workers) >> 32;
                if let Some(batch) = self.batches.get_mut(lane as usize) {
                    batch.push(packet);
                }
            }
        }
        if !frames.is_empty() {
            self.capture.last_packet = Some(self.now);
        }
        self.capture.dissect = self.dissector.stats();
    }

    /// Sends every worker its batch of the round. False if one is gone.
    fn flush(&mut self, block: Block, lanes: &mut Lanes, filled: Instant, last: bool) -> bool {
        let block = Arc::new(block);
        let mut alive = true;
        for (lane, packets) in self.batches.iter_mut().enumerate() {
            self.capture.queue_drops = lanes.dropped();
            let batch = Batch {
                round: self.round,
                block: Arc::clone(&block),
                packets: std::mem::replace(packets, lanes.packets()),
                until: self.now,
                number: self.capture.packets,
                capture: self.capture,
                filled,
                rules: Arc::clone(&self.rules),
                last,
            };
            alive &= lanes.send(lane, batch);
        }
        alive
    }
}

/// Remembers the names of interfaces that appear in the block.
fn name_ifaces(source: &dyn Source, origin: &origin::Shared, block: &Block) {
    let most = block.frames.iter().map(|f| f.iface).max();
    let Some(most) = most.map(usize::from) else {
        return;
    };
    let known = origin.read().map_or(usize::MAX, |o| o.ifaces.len());
    if most < known {
        return;
    }
    if let Ok(mut origin) = origin.write() {
        while origin.ifaces.len() <= most {
            let n = u16::try_from(origin.ifaces.len()).unwrap_or(u16::MAX);
            origin
                .ifaces
                .push(source.iface_name(n).unwrap_or_default().to_owned());
        }
    }
}
