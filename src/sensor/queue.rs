//! What crosses threads: batches to the workers, rounds to the correlator, buffers back.
//!
//! The capture thread ends every block with one [`Batch`] for every worker, empty ones included; a
//! worker answers each with one [`Round`] of the same number. The correlator waits for a round from
//! every worker before it looks at any, so it sees everything in capture order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, bounded};

use super::stats::{CaptureSnapshot, WorkerSnapshot};
use crate::event::{Anomaly, OrderKey, Sighting};
use crate::limits;
use crate::output::Lines;
use crate::packet::{Block, Kept, Packet};
use crate::rule::RuleSet;
use crate::time::Timestamp;

/// Packets of one block for one worker.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) round: u64,
    pub(super) block: Arc<Block>,
    pub(super) packets: Vec<Packet>,
    /// Everything up to this time and packet number has been sent.
    pub(super) until: Timestamp,
    pub(super) number: u64,
    pub(super) capture: CaptureSnapshot,
    /// When the block was filled, for latency.
    pub(super) filled: Instant,
    /// The rules from this batch on: the same for all workers, so that a change is in no packet's way.
    pub(super) rules: Arc<RuleSet>,
    /// The capture is over.
    pub(super) last: bool,
}

/// What a worker made of one batch.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) round: u64,
    pub(super) until: Timestamp,
    pub(super) items: Vec<Item>,
    /// Finished EVE lines; items point into it.
    pub(super) lines: Lines,
    /// Frames that may become evidence; none unless that is kept.
    pub(super) frames: Vec<Kept>,
    pub(super) capture: CaptureSnapshot,
    pub(super) worker: WorkerSnapshot,
    /// Anomalies so far by kind; only if they changed.
    pub(super) anomalies: Option<Vec<(Anomaly, u64)>>,
    pub(super) filled: Instant,
    /// Those of the batch.
    pub(super) rules: Arc<RuleSet>,
    pub(super) last: bool,
}

/// One thing in a round.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) key: OrderKey,
    pub(super) what: What,
}

/// A line that is ready, or something for the correlator.
#[derive(Debug)]
pub(super) enum What {
    /// Number `start..end` of the round's lines.
    Line {
        start: usize,
        end: usize,
    },
    Sighting(Box<Sighting>),
}

/// Buffers on their way back to the capture thread.
#[derive(Debug)]
pub(super) struct Used {
    pub(super) packets: Vec<Packet>,
    pub(super) block: Option<Block>,
}

/// The capture thread's end of the queues to the workers.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: Vec<Sender<Batch>>,
    used: Receiver<Used>,
    spare_packets: Vec<Vec<Packet>>,
    spare_blocks: Vec<Block>,
    /// Wait for a full queue as long as it takes (replay), or a while (live).
    wait: bool,
    dropped: u64,
}

/// A worker's end.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) batches: Receiver<Batch>,
    pub(super) used: Sender<Used>,
}

/// Queues for `workers` workers.
pub(super) fn lanes(workers: usize, wait: bool) -> (Lanes, Vec<Lane>) {
    let (used_tx, used) = bounded(workers * (limits::QUEUE_BATCHES + 2));
    let mut senders = Vec::new();
    let mut ends = Vec::new();
    for _ in 0..workers {
        let (tx, batches) = bounded(limits::QUEUE_BATCHES);
        senders.push(tx);
        ends.push(Lane {
            batches,
            used: used_tx.clone(),
        });
    }
    let lanes = Lanes {
        lanes: senders,
        used,
        spare_packets: Vec::new(),
        spare_blocks: Vec::new(),
        wait,
        dropped: 0,
    };
    (lanes, ends)
}

/// How long the capture thread waits for a full queue, live. A worker takes a batch in a millisecond. One that does not
/// in this time holds up everybody, for the correlator waits for its round; what is dropped meanwhile is counted.
const PATIENCE: Duration = Duration::from_millis(limits::QUEUE_MILLIS);

impl Lanes {
    /// Takes back what the workers are done with.
    pub(super) fn reclaim(&mut self) {
        while let Ok(used) = self.used.try_recv() {
            if used.packets.capacity() > 0 {
                self.spare_packets.push(used.packets);
            }
            self.spare_blocks.extend(used.block);
        }
    }

    pub(super) fn block(&mut self) -> Block {
        self.spare_blocks.pop().unwrap_or_default()
    }

    pub(super) fn packets(&mut self) -> Vec<Packet> {
        self.spare_packets.pop().unwrap_or_default()
    }

    /// Hands a batch to worker `lane`. Live, a queue that stays full loses the batch's packets, counted.
    /// False if the worker is gone.
    pub(super) fn send(&mut self, lane: usize, batch: Batch) -> bool {
        let Some(tx) = self.lanes.get(lane) else {
            return false;
        };
        if self.wait || batch.last {
            return tx.send(batch).is_ok();
        }
        // The kernel's ring holds far more than a queue: it is better to let that fill than to drop at once.
        match tx.send_timeout(batch, PATIENCE) {
            Ok(()) => true,
            Err(SendTimeoutError::Timeout(batch)) => {
                self.dropped += batch.packets.len() as u64;
                let mut packets = batch.packets;
                packets.clear();
                self.spare_packets.push(packets);
                true
            }
            Err(SendTimeoutError::Disconnected(_)) => false,
        }
    }

    /// Packets lost because a queue was full.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sensor::stats::now;

    fn batch() -> Batch {
        Batch {
            round: 1,
            block: Arc::new(Block::default()),
            packets: Vec::new(),
            until: Timestamp::ZERO,
            number: 0,
            capture: CaptureSnapshot::default(),
            filled: now(),
            rules: Arc::new(RuleSet::load(&[]).unwrap()),
            last: false,
        }
    }

    #[test]
    fn a_full_queue_is_waited_for_and_a_stuck_one_is_not() {
        let (mut lanes, mut ends) = lanes(1, false);
        for _ in 0..limits::QUEUE_BATCHES {
            assert!(lanes.send(0, batch()));
        }
        // Stuck.
        let began = now();
        assert!(lanes.send(0, batch()));
        assert!(began.elapsed() >= PATIENCE);
        assert_eq!(
            lanes.lanes[0].len(),
            limits::QUEUE_BATCHES,
            "it was dropped"
        );
        // Slow: there is room in time.
        let end = ends.pop().unwrap();
        let slow = std::thread::Builder::new()
            .spawn(move || {
                end.batches.recv().unwrap();
                end
            })
            .unwrap();
        assert!(lanes.send(0, batch()));
        let end = slow.join().unwrap();
        assert_eq!(end.batches.len(), limits::QUEUE_BATCHES);
        drop(end);
        assert!(!lanes.send(0, batch()), "the worker is gone");
    }
}
