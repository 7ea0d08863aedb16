//! Evidence: packets of incidents, kept only if the operator asks for it.
//!
//! ```text
//! worker      copies frames of flows that may matter into its round          [`copies`]
//! correlator  keeps the recent ones, picks those of an incident's legs       ring.rs, book.rs
//! evidence    takes secrets out and writes files, in a thread of its own     [`EvidenceThread`]
//! ```
//!
//! Blocks are recycled, so frames must be copied before it is known whether they matter. The correlator hears of an
//! incident after the fact and knows all legs, so the recent frames are its own: data flows one way, and what is
//! picked depends on the capture alone, not on the number of workers.

mod book;
mod ring;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use crossbeam_channel::{Sender, bounded};

use self::book::Book;
use super::stats::wall_clock;
use crate::event::{Incident, Leg};
use crate::output::{EvidenceError, EvidenceFolder};
use crate::packet::{Block, Kept, Packet};

/// Files waiting to be written. Beyond it a live run writes later, replay waits.
const WAITING: usize = 4;

/// Where the correlator sends frames of an incident.
#[derive(Clone, Debug)]
pub struct Evidence {
    jobs: Sender<Job>,
    told: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    written: AtomicU64,
    failed: AtomicU64,
}

/// One file: all frames of an incident so far.
#[derive(Debug)]
struct Job {
    incident: u64,
    frames: Vec<Arc<Kept>>,
}

/// The thread that writes evidence.
#[derive(Debug)]
pub struct EvidenceThread {
    evidence: Evidence,
    handle: JoinHandle<()>,
}

impl EvidenceThread {
    /// Starts it. `tell` hears of the first file that could not be written, and of the first after one that could.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start(mut folder: EvidenceFolder, tell: fn(&EvidenceError)) -> std::io::Result<Self> {
        let (jobs, work) = bounded::<Job>(WAITING);
        let told = Arc::new(Counts::default());
        let counts = Arc::clone(&told);
        let handle = std::thread::Builder::new()
            .name("evidence".to_owned())
            .spawn(move || {
                folder.retire(now());
                let mut broken = false;
                for job in work {
                    let frames = job.frames.iter().map(|f| Kept::clone(f)).collect();
                    let done = folder.write(job.incident, frames, now());
                    let count = match &done {
                        Ok(()) => &counts.written,
                        Err(_) => &counts.failed,
                    };
                    count.fetch_add(1, Ordering::Relaxed);
                    if let (Err(e), false) = (&done, broken) {
                        tell(e);
                    }
                    broken = done.is_err();
                }
            })?;
        Ok(Self {
            evidence: Evidence { jobs, told },
            handle,
        })
    }

    /// A handle for a run.
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        self.evidence.clone()
    }

    /// Waits until everything is written. How many files were written, and how many could not be.
    #[must_use]
    pub fn finish(self) -> (u64, u64) {
        let Evidence { jobs, told } = self.evidence;
        drop(jobs);
        // A panic there is told by the hook.
        let _ = self.handle.join();
        (
            told.written.load(Ordering::Relaxed),
            told.failed.load(Ordering::Relaxed),
        )
    }
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(wall_clock().0)
}

/// Copies of the frames of `packets` of which `wanted` says that they may matter, for the correlator. `last` is the
/// number of the block's last frame.
pub(super) fn copies(
    block: &Block,
    packets: &[Packet],
    last: u64,
    mut wanted: impl FnMut(&Packet) -> bool,
) -> Vec<Kept> {
    let frames = &block.frames;
    let mut copy = |packet: &Packet| {
        let from_end = usize::try_from(last.checked_sub(packet.number)?).ok()?;
        let frame = frames.get(frames.len().checked_sub(from_end.checked_add(1)?)?)?;
        wanted(packet).then(|| Kept::of(packet, frame, block))?
    };
    packets.iter().filter_map(&mut copy).collect()
}

/// True if a flow of this protocol can be a leg whose packets say something: nobody needs bytes of TLS, or of what
/// is none of the protocols followed. One that is not known yet may become anything.
pub(super) fn is_told(app_proto: &str) -> bool {
    !matches!(app_proto, "tls" | "http2" | "failed" | "quic" | "ssh")
}

/// The correlator's part.
#[derive(Debug)]
pub(super) struct Keeper {
    /// Nothing if there is to be no evidence.
    kept: Option<(Book, Evidence)>,
    /// Packets come, whether or not the disk keeps up.
    live: bool,
}

impl Keeper {
    /// `bytes` for frames in memory.
    pub(super) fn new(evidence: Option<Evidence>, bytes: u64, live: bool) -> Self {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        Self {
            kept: evidence.map(|e| (Book::new(bytes), e)),
            live,
        }
    }

    /// Frames of a round, of all workers.
    pub(super) fn frames(&mut self, rounds: impl Iterator<Item = Vec<Kept>>) {
        let Some((book, _)) = &mut self.kept else {
            return;
        };
        let mut all: Vec<Kept> = rounds.flatten().collect();
        all.sort_by_key(|f| f.number);
        for frame in all {
            book.frame(frame);
        }
    }

    /// An alert is about to be written. True if there is a file for it.
    pub(super) fn alert(&mut self, incident: u64, legs: &[Leg]) -> bool {
        let Some((book, _)) = &mut self.kept else {
            return false;
        };
        let there = book.legs(incident, legs);
        self.write(incident);
        there
    }

    /// An incident is about to be written. True if there is a file for it.
    pub(super) fn incident(&mut self, incident: &Incident) -> bool {
        let Some((book, _)) = &mut self.kept else {
            return false;
        };
        let there = book.legs(incident.incident_id, &incident.legs);
        let sent = self.write(incident.incident_id);
        if incident.closed
            && let Some((book, evidence)) = &mut self.kept
        {
            if !sent {
                evidence.told.failed.fetch_add(1, Ordering::Relaxed);
            }
            book.close(incident.incident_id, incident.merged_into);
        }
        there
    }

    /// No packet comes any more: what is still to be written can be waited for.
    pub(super) fn finish(&mut self) {
        self.live = false;
    }

    /// A live run does not wait for the disk: what is not taken now is tried at the next change, and is a file that
    /// failed if the incident closes first. False if something is left to write.
    fn write(&mut self, incident: u64) -> bool {
        let Some((book, evidence)) = &mut self.kept else {
            return true;
        };
        let Some(frames) = book.take(incident) else {
            return true;
        };
        let job = Job { incident, frames };
        let sent = if self.live {
            evidence.jobs.try_send(job).is_ok()
        } else {
            evidence.jobs.send(job).is_ok()
        };
        if !sent {
            book.again(incident);
        }
        sent
    }

    /// Frames of incidents that had no room.
    pub(super) fn left_out(&self) -> u64 {
        self.kept.as_ref().map_or(0, |(book, _)| book.left_out)
    }
}
