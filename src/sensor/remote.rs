//! Two threads for an output over a socket: one keeps lines, the other sends them.
//!
//! ```text
//! mailbox ──► keeper ──► Spool ──► sender ──► receiver
//!             (disk)       ▲          │
//!                          └ arrived ◄┘
//! ```
//!
//! So a receiver that takes its time does not keep lines from the disk, and a slow disk does not keep the receiver
//! waiting for what is there. Alerts and incidents are sent before anything else; each class keeps its order. What is
//! not known to have arrived when a connection breaks is sent again, from the first of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::stats::{now, random_seed};
use super::writer::Tell;
use crate::output::{
    Batch, Lines, Link, Mailbox, OutputCounters, REST, SendError, Spool, Trouble, URGENT,
};

/// How long the keeper waits for lines before it looks whether something else is to do.
const TICK: Duration = Duration::from_millis(250);
/// How often the sender looks whether lines arrived.
const LOOK: Duration = Duration::from_millis(20);
/// The first wait after a failure; it doubles up to [`LAST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LAST_WAIT: Duration = Duration::from_secs(30);
/// At the end: how long no line may arrive before the rest stays where it is.
const END_STALL: Duration = Duration::from_secs(3);
/// At the end of a live run: how long in all, so that a service manager does not lose patience.
const END_LIVE: Duration = Duration::from_secs(20);
/// Batches under way at once.
const UNDER_WAY: usize = 1024;

/// An output over a socket, made ready.
#[derive(Debug)]
pub struct RemoteOutput {
    /// How its receiver is spoken to.
    pub link: Box<dyn Link>,
    /// Where its lines wait.
    pub spool: Arc<Spool>,
    /// What becomes of them.
    pub counters: Arc<OutputCounters>,
}

/// Its two threads.
#[derive(Debug)]
pub(super) struct Remote {
    keeper: JoinHandle<()>,
    sender: JoinHandle<()>,
    ending: Arc<Ending>,
    spool: Arc<Spool>,
    counters: Arc<OutputCounters>,
    tell: Tell,
}

#[derive(Debug, Default)]
struct Ending {
    /// Nothing more will come.
    complete: AtomicBool,
    /// What has not arrived by now stays where it is.
    give_up: AtomicBool,
}

impl Remote {
    pub(super) fn start(
        output: RemoteOutput,
        mailbox: Arc<Mailbox>,
        wait: bool,
        tell: Tell,
    ) -> std::io::Result<Self> {
        let ending = Arc::new(Ending::default());
        let RemoteOutput {
            link,
            spool,
            counters,
        } = output;
        let keeper = {
            let (ending, spool, counters) = (
                Arc::clone(&ending),
                Arc::clone(&spool),
                Arc::clone(&counters),
            );
            std::thread::Builder::new()
                .name("spool".to_owned())
                .spawn(move || keep(&mailbox, &spool, &counters, &ending, wait, tell))?
        };
        let sender = Sender {
            link,
            spool: Arc::clone(&spool),
            counters: Arc::clone(&counters),
            ending: Arc::clone(&ending),
            tell,
            sent: spool.confirmed(),
            under_way: VecDeque::new(),
            wait: FIRST_WAIT,
            not_before: now(),
            lines: usize::MAX,
            refusals_told: false,
            refused: 0,
        };
        let sender = std::thread::Builder::new()
            .name("sender".to_owned())
            .spawn(move || sender.run())?;
        Ok(Self {
            keeper,
            sender,
            ending,
            spool,
            counters,
            tell,
        })
    }

    /// Waits while lines still arrive. What is left stays in the spool, or is lost with the memory it is in.
    pub(super) fn finish(self, live: bool) {
        // The mailbox is closed, so this ends as soon as all of it is kept.
        let _ = self.keeper.join();
        let (start, mut progress) = (now(), now());
        let mut waiting = self.spool.waiting();
        while !self.sender.is_finished() {
            std::thread::sleep(LOOK);
            let left = self.spool.waiting();
            if left < waiting {
                (waiting, progress) = (left, now());
            }
            if progress.elapsed() > END_STALL || live && start.elapsed() > END_LIVE {
                self.ending.give_up.store(true, Relaxed);
            }
            // A request that is under way may take longer than anybody wants to wait.
            if progress.elapsed() > 2 * END_STALL {
                break;
            }
        }
        // What arrived need not be sent again by the next run.
        let _ = self.spool.put(&Lines::default());
        let (left, alerts) = (self.spool.waiting(), self.spool.waiting_alerts());
        if left == 0 {
            return;
        }
        let what = if self.spool.on_disk() {
            format!("{left} lines have not arrived and wait in the spool for the next start")
        } else {
            self.counters.lose(left, alerts);
            format!("{left} lines have not arrived and are lost; a spool would have kept them")
        };
        self.counters.waiting.store(0, Relaxed);
        let output = self.counters.name.clone();
        (self.tell)(&Trouble::Warning { output, what });
    }
}

/// The body of the keeper.
fn keep(
    mailbox: &Mailbox,
    spool: &Spool,
    counters: &OutputCounters,
    ending: &Ending,
    wait: bool,
    tell: Tell,
) {
    let mut lines = Lines::default();
    let mut removed = spool.confirmed();
    let put = |lines: &Lines| {
        let (dropped, trouble) = spool.put(lines);
        counters.lose(dropped.lines, dropped.alerts);
        if let Some(what) = trouble {
            let output = counters.name.clone();
            tell(&Trouble::Warning { output, what });
        }
    };
    loop {
        // A replay goes no faster than its receiver, unless there is none.
        while wait && spool.is_full() && !counters.failing.load(Relaxed) {
            spool.wait(TICK);
            put(&lines);
        }
        let told = mailbox.take(&mut lines, TICK);
        let arrived = spool.confirmed();
        if !lines.is_empty() || arrived != removed {
            put(&lines);
            removed = arrived;
        }
        gauge(spool, counters);
        if told.closed && lines.is_empty() {
            ending.complete.store(true, Relaxed);
            break;
        }
        lines.clear();
    }
}

fn gauge(spool: &Spool, counters: &OutputCounters) {
    let waiting = spool.waiting();
    counters.waiting.store(waiting, Relaxed);
    let spooled = if spool.on_disk() { waiting } else { 0 };
    counters.spooled.store(spooled, Relaxed);
}

/// A batch that was handed over and may not have arrived.
#[derive(Debug)]
struct UnderWay {
    class: usize,
    last: u64,
    /// Position in the connection behind it.
    position: u64,
    since: Instant,
}

/// The body of the sender.
struct Sender {
    link: Box<dyn Link>,
    spool: Arc<Spool>,
    counters: Arc<OutputCounters>,
    ending: Arc<Ending>,
    tell: Tell,
    /// Numbers up to which lines were handed over, by class.
    sent: [u64; 2],
    under_way: VecDeque<UnderWay>,
    wait: Duration,
    not_before: Instant,
    /// Lines of the next batch at most: fewer while it is found out which of them is refused.
    lines: usize,
    refusals_told: bool,
    /// Lines of the batch in hand that the receiver did not take.
    refused: u64,
}

impl Sender {
    fn run(mut self) {
        loop {
            let complete = self.ending.complete.load(Relaxed);
            if self.ending.give_up.load(Relaxed) || complete && self.spool.waiting() == 0 {
                break;
            }
            self.settle();
            if self.under_way.len() >= UNDER_WAY || now() < self.not_before || !self.send() {
                self.spool.wait(if self.under_way.is_empty() && !complete {
                    TICK
                } else {
                    LOOK
                });
            }
        }
        self.link.close();
    }

    /// Notes what has arrived.
    fn settle(&mut self) {
        if self.under_way.is_empty() {
            return;
        }
        let settled = match self.link.settled() {
            Ok(settled) => settled,
            Err(e) => return self.broke(&e.to_string()),
        };
        let linger = self.link.linger();
        while let Some(first) = self.under_way.front() {
            if first.position > settled || first.since.elapsed() < linger {
                break;
            }
            self.arrived(first.class, first.last);
            self.under_way.pop_front();
        }
    }

    fn arrived(&mut self, class: usize, last: u64) {
        let lines = self.spool.confirm(class, last);
        let taken = lines.saturating_sub(std::mem::take(&mut self.refused));
        self.counters.sent.fetch_add(taken, Relaxed);
        gauge(&self.spool, &self.counters);
        if self.counters.failing.swap(false, Relaxed) {
            let lost = 0;
            let output = self.counters.name.clone();
            (self.tell)(&Trouble::Recovered { output, lost });
        }
        self.wait = FIRST_WAIT;
    }

    /// Hands the next batch over, alerts and incidents first. False if there is nothing to do now.
    fn send(&mut self) -> bool {
        let (lines, bytes) = self.link.batch();
        let lines = lines.min(self.lines);
        let mut batch = Batch::default();
        for class in [URGENT, REST] {
            let after = self.sent.get(class).copied().unwrap_or_default();
            match self.spool.batch(class, after, lines, bytes) {
                Ok(found) => batch = found,
                Err(e) => {
                    self.broke(&e);
                    return false;
                }
            }
            if !batch.lines.is_empty() {
                break;
            }
        }
        if batch.lines.is_empty() {
            return false;
        }
        match self.link.send(&batch, &self.ending.give_up) {
            Ok(sent) => {
                self.rejected(sent.rejected, sent.rejected_alerts, sent.why);
                self.handed_over(&batch);
                self.lines = self.lines.saturating_mul(2);
                true
            }
            Err(SendError::Later(why)) => {
                self.broke(&why);
                false
            }
            // Alone it is the one; among others it is looked for.
            Err(SendError::Refused(why)) => {
                if let [(kind, _)] = batch.lines.as_slice() {
                    self.rejected(1, u64::from(kind.is_urgent()), Some(why));
                    self.handed_over(&batch);
                } else {
                    self.lines = batch.lines.len() / 2;
                }
                true
            }
        }
    }

    fn handed_over(&mut self, batch: &Batch) {
        if let Some(sent) = self.sent.get_mut(batch.class) {
            *sent = batch.last;
        }
        if self.link.linger().is_zero() {
            return self.arrived(batch.class, batch.last);
        }
        self.under_way.push_back(UnderWay {
            class: batch.class,
            last: batch.last,
            position: self.link.position(),
            since: now(),
        });
    }

    /// Lines that the receiver will never take must not stand in the way of the others.
    fn rejected(&mut self, lines: u64, alerts: u64, why: Option<String>) {
        let Some(why) = why.filter(|_| lines > 0) else {
            return;
        };
        self.counters.rejected.fetch_add(lines, Relaxed);
        self.counters.lost_alerts.fetch_add(alerts, Relaxed);
        self.refused += lines;
        if !self.refusals_told {
            self.refusals_told = true;
            let output = self.counters.name.clone();
            let what = format!(
                "the receiver does not take a line: {why}; such lines are counted as rejected"
            );
            (self.tell)(&Trouble::Warning { output, what });
        }
    }

    /// The connection is of no use any more: what has not arrived is sent again, after a while.
    fn broke(&mut self, why: &str) {
        self.link.close();
        self.under_way.clear();
        self.sent = self.spool.confirmed();
        self.counters.retries.fetch_add(1, Relaxed);
        if !self.counters.failing.swap(true, Relaxed) {
            let output = self.counters.name.clone();
            let what = format!("{why}; lines wait and it is tried again");
            (self.tell)(&Trouble::Warning { output, what });
        }
        // Several sensors whose receiver comes back should not all knock at once.
        let spread = u32::try_from(random_seed() % 50).unwrap_or(0);
        self.not_before = now() + self.wait + self.wait * spread / 100;
        self.wait = (self.wait * 2).min(LAST_WAIT);
    }
}
