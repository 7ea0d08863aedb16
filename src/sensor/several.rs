//! Several captures as one source, in the order of packet time.
//!
//! ```text
//! capture-0 ─► blocks ─┐
//! capture-1 ─► blocks ─┼─► Several::fill: the oldest frame first ─► dispatch
//! capture-2 ─► blocks ─┘
//! ```
//!
//! Each capture has a thread that empties its ring. The two directions of one TAP come on two interfaces, so order across
//! them matters as much as within one: a frame goes on once every other capture has shown a later one, or has said
//! that it has nothing older. Who has been silent for [`SKEW_MILLIS`] is not waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Select, Sender, TryRecvError, bounded};

use super::stats::wall_clock;
use crate::capture::{CaptureError, End, Fill, Source, SourceStats, Watched};
use crate::limits::{BLOCK_BYTES, MERGE_BLOCKS, SKEW_MILLIS, TICK_MILLIS};
use crate::packet::{Block, FrameRef};
use crate::time::Timestamp;

/// How long after an interface went away it is tried again, and again.
const REOPEN: Duration = Duration::from_millis(500);

/// Opens a capture again.
pub type Open = Box<dyn Fn() -> Result<Box<dyn Source>, CaptureError> + Send>;

/// One capture to merge.
pub struct Input {
    /// An open capture.
    pub source: Box<dyn Source>,
    /// Number of its interface ([`FrameRef::iface`]).
    pub iface: u16,
    /// How to open it again when it went away; `None` if that is not permitted.
    pub reopen: Option<Open>,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input")
            .field("name", &self.source.name())
            .field("iface", &self.iface)
            .finish_non_exhaustive()
    }
}

/// What a capture thread says.
enum Said {
    Frames(Block, SourceStats),
    /// Nothing older than this comes any more.
    Settled(Timestamp, SourceStats),
    Notice(String),
    Watched(Vec<Watched>),
    /// Gone for good, or until `Notice` says otherwise.
    Gone(String),
}

/// The captures as one.
#[derive(Debug)]
pub struct Several {
    lanes: Vec<Lane>,
    notices: Vec<String>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    name: String,
}

/// The reading end of one capture.
struct Lane {
    said: Receiver<Said>,
    back: Sender<Block>,
    name: String,
    iface: u16,
    /// Frames not yet passed on, from `next`.
    block: Option<Block>,
    next: usize,
    /// Everything older has come.
    settled: Timestamp,
    stats: SourceStats,
    watched: Vec<Watched>,
    present: bool,
    /// Its thread has ended.
    over: bool,
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane")
            .field("name", &self.name)
            .field("present", &self.present)
            .finish_non_exhaustive()
    }
}

impl Several {
    /// Starts a thread for each capture.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn start(inputs: Vec<Input>) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (mut lanes, mut threads, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for (n, input) in inputs.into_iter().enumerate() {
            let (tell, said) = bounded(MERGE_BLOCKS);
            let (back, spare) = bounded(MERGE_BLOCKS + 2);
            let name = input.source.name().to_owned();
            if !names.contains(&name) {
                names.push(name.clone());
            }
            lanes.push(Lane {
                said,
                back,
                name,
                iface: input.iface,
                block: None,
                next: 0,
                settled: Timestamp::ZERO,
                stats: SourceStats::default(),
                watched: Vec::new(),
                present: true,
                over: false,
            });
            let reader = Reader {
                tell,
                spare,
                stop: Arc::clone(&stop),
            };
            let thread = std::thread::Builder::new()
                .name(format!("capture-{n}"))
                .spawn(move || reader.run(input))?;
            threads.push(thread);
        }
        Ok(Self {
            lanes,
            notices: Vec::new(),
            stop,
            threads,
            name: names.join(", "),
        })
    }

    /// Hears what the captures have said, until each has a frame to show or nothing more to say.
    fn hear(&mut self) {
        let mut gone = Vec::new();
        for lane in &mut self.lanes {
            while lane.block.is_none() && !lane.over {
                match lane.said.try_recv() {
                    Ok(Said::Frames(block, stats)) => {
                        lane.present = true;
                        lane.stats = stats;
                        lane.take(block);
                    }
                    Ok(Said::Settled(until, stats)) => {
                        lane.present = true;
                        lane.stats = stats;
                        lane.settled = lane.settled.max(until);
                    }
                    Ok(Said::Notice(text)) => self.notices.push(text),
                    Ok(Said::Watched(watched)) => lane.watched = watched,
                    Ok(Said::Gone(why)) => {
                        lane.present = false;
                        gone.push(why);
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => {
                        lane.over = true;
                        lane.present = false;
                    }
                }
            }
        }
        for why in gone {
            if self.lanes.iter().any(|lane| lane.present) {
                self.notices.push(format!("{why}; the others go on"));
            } else {
                self.notices.push(why);
            }
        }
    }

    /// Nothing older than this can be on its way, seen from `now`; what is shown is ready.
    fn horizon(&self, now: Timestamp) -> Timestamp {
        let patience = now.minus(Duration::from_millis(SKEW_MILLIS));
        self.lanes
            .iter()
            .filter(|lane| lane.present && lane.block.is_none())
            .map(|lane| lane.settled.max(patience))
            .min()
            .unwrap_or(Timestamp(u64::MAX))
    }

    /// Moves frames to `into`, the oldest first, as far as order is certain.
    fn merge(&mut self, into: &mut Block, now: Timestamp) {
        while into.bytes.len() < BLOCK_BYTES {
            let horizon = self.horizon(now);
            // The oldest frame shown, and how far its lane may go on before another's turn.
            let (mut first, mut bound) = (None, horizon);
            for (n, lane) in self.lanes.iter().enumerate() {
                let Some(ts) = lane.shows() else { continue };
                match first {
                    Some((_, oldest)) if oldest <= ts => bound = bound.min(ts),
                    Some((_, oldest)) => {
                        bound = bound.min(oldest);
                        first = Some((n, ts));
                    }
                    None => first = Some((n, ts)),
                }
            }
            let Some((n, oldest)) = first else { return };
            if oldest > horizon {
                return;
            }
            if let Some(lane) = self.lanes.get_mut(n) {
                lane.pass(into, bound);
            }
            if self.lanes.get(n).is_some_and(|lane| lane.block.is_none()) {
                self.hear();
            }
        }
    }

    /// Waits until a capture that has nothing to show says something, a tick at most.
    fn wait(&self) {
        let mut any = Select::new();
        let mut waits = false;
        for lane in self.lanes.iter().filter(|l| l.block.is_none() && !l.over) {
            any.recv(&lane.said);
            waits = true;
        }
        if waits {
            // What it is will be seen.
            let _ = any.ready_timeout(Duration::from_millis(TICK_MILLIS.unsigned_abs()));
        }
    }
}

impl Lane {
    fn take(&mut self, block: Block) {
        self.next = 0;
        if let Some(last) = block.frames.last() {
            self.settled = self.settled.max(last.ts);
            self.block = Some(block);
        } else {
            let _ = self.back.try_send(block);
        }
    }

    /// Time of the frame whose turn it is.
    fn shows(&self) -> Option<Timestamp> {
        let frame = self.block.as_ref()?.frames.get(self.next)?;
        Some(frame.ts)
    }

    /// Moves its frames up to `bound` to `into`, one at least.
    fn pass(&mut self, into: &mut Block, bound: Timestamp) {
        let Some(block) = &self.block else { return };
        let mut passed = 0;
        for frame in block.frames.iter().skip(self.next) {
            let full = into.bytes.len() >= BLOCK_BYTES;
            if passed > 0 && (full || frame.ts > bound) {
                break;
            }
            let start = frame.start as usize;
            let bytes = block.bytes.get(start..start + frame.len as usize);
            into.frames.push(FrameRef {
                start: u32::try_from(into.bytes.len()).unwrap_or(u32::MAX),
                ..*frame
            });
            into.bytes.extend_from_slice(bytes.unwrap_or_default());
            passed += 1;
        }
        self.next += passed;
        if self.next >= block.frames.len()
            && let Some(block) = self.block.take()
        {
            // Full: the capture makes a new one then.
            let _ = self.back.try_send(block);
        }
    }
}

impl Source for Several {
    fn fill(&mut self, block: &mut Block) -> Fill {
        block.clear();
        self.hear();
        self.merge(block, wall_clock());
        if block.frames.is_empty() {
            self.wait();
            self.hear();
            self.merge(block, wall_clock());
        }
        if !block.frames.is_empty() {
            Fill::Frames
        } else if self
            .lanes
            .iter()
            .any(|lane| lane.present || lane.block.is_some())
        {
            Fill::Idle
        } else {
            Fill::End(End::Broke {
                offset: None,
                reason: "no interface is left".to_owned(),
            })
        }
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn iface_name(&self, iface: u16) -> Option<&str> {
        let lane = self.lanes.iter().find(|lane| lane.iface == iface)?;
        Some(&lane.name)
    }

    fn stats(&mut self) -> SourceStats {
        let mut all = SourceStats::default();
        for lane in &self.lanes {
            all.add(&lane.stats);
        }
        all
    }

    fn settled(&self, now: Timestamp) -> Timestamp {
        let shown = self.lanes.iter().filter_map(Lane::shows);
        shown.fold(self.horizon(now).min(now), Timestamp::min)
    }

    fn watched(&mut self, all: &mut Vec<Watched>) {
        for lane in &self.lanes {
            for w in &lane.watched {
                Watched::add(all, &w.name, w.up && lane.present, &w.stats);
            }
        }
    }

    fn notice(&mut self) -> Option<String> {
        (!self.notices.is_empty()).then(|| self.notices.remove(0))
    }
}

impl Drop for Several {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Whoever waits to say something hears that nobody listens.
        self.lanes.clear();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// A capture thread.
struct Reader {
    tell: Sender<Said>,
    spare: Receiver<Block>,
    stop: Arc<AtomicBool>,
}

/// Fills between two reports of what the interface counted.
const REPORT: u32 = 64;

impl Reader {
    fn run(&self, input: Input) {
        let Input {
            mut source, reopen, ..
        } = input;
        let name = source.name().to_owned();
        // What earlier captures of this interface counted.
        let mut before = SourceStats::default();
        loop {
            let Some(why) = self.read(source.as_mut(), &before) else {
                return;
            };
            before.add(&source.stats());
            if self.tell.send(Said::Gone(why)).is_err() {
                return;
            }
            let Some(open) = &reopen else { return };
            drop(source);
            source = loop {
                std::thread::sleep(REOPEN);
                if self.stop.load(Ordering::Relaxed) {
                    return;
                }
                match open() {
                    Ok(source) => break source,
                    // Without the right to capture it will not come back, and others say so.
                    Err(CaptureError::NotPermitted { .. }) => return,
                    Err(_) => {}
                }
            };
            let text = format!("{name}: it is back, capturing goes on");
            if self.tell.send(Said::Notice(text)).is_err() {
                return;
            }
        }
    }

    /// Reads until the source ends and says why, or nobody listens any more (`None`).
    fn read(&self, source: &mut dyn Source, before: &SourceStats) -> Option<String> {
        let mut fills = 0_u32;
        loop {
            let mut block = self.spare.try_recv().unwrap_or_default();
            let filled = source.fill(&mut block);
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
            if fills.is_multiple_of(REPORT) {
                let mut watched = Vec::new();
                source.watched(&mut watched);
                for w in &mut watched {
                    w.stats.add(before);
                }
                self.tell.send(Said::Watched(watched)).ok()?;
            }
            fills = fills.wrapping_add(1);
            while let Some(text) = source.notice() {
                self.tell.send(Said::Notice(text)).ok()?;
            }
            let mut stats = source.stats();
            stats.add(before);
            match filled {
                Fill::Frames => self.tell.send(Said::Frames(block, stats)).ok()?,
                Fill::Idle => {
                    let until = source.settled(wall_clock());
                    // If the queue is full, what is in it says enough.
                    let _ = self.tell.try_send(Said::Settled(until, stats));
                }
                Fill::End(end) => return Some(end.to_string()),
            }
        }
    }
}

#[cfg(test)]
#[path = "several_tests.rs"]
mod tests;
