//! One thread an output: finished lines to where they belong.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::stats::wall_clock;
use crate::limits;
use crate::output::rotate::{self, Rotation};
use crate::output::{EventTypes, Lines, Mailbox, OutputCounters, Trouble, Writer};

/// How often a file looks whether its time is over.
const TICK: Duration = Duration::from_secs(1);

/// Says what the operator should know of an output, each thing once.
pub type Tell = fn(&Trouble);

/// Where the correlator puts finished lines. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outlet {
    ports: Arc<[Port]>,
    /// Wait for room (replay), or lose and count (live).
    wait: bool,
}

/// The correlator's side of one output.
#[derive(Clone, Debug)]
struct Port {
    select: EventTypes,
    mailbox: Arc<Mailbox>,
    counters: Arc<OutputCounters>,
}

impl Outlet {
    /// Hands lines to every output that wants them. Live this never waits.
    pub fn send(&self, lines: &Lines) {
        for port in self.ports.iter() {
            let (mailbox, counters) = (&port.mailbox, &port.counters);
            mailbox.put(lines, port.select, self.wait, counters);
        }
    }

    /// Has every file opened again under its name.
    pub fn reopen(&self) {
        self.ports.iter().for_each(|port| port.mailbox.reopen());
    }

    /// What became of each output's lines.
    #[must_use]
    pub fn counters(&self) -> Vec<Arc<OutputCounters>> {
        let counters = self.ports.iter().map(|port| Arc::clone(&port.counters));
        counters.collect()
    }
}

/// The threads of all outputs.
#[derive(Debug)]
pub struct WriterThreads {
    outlet: Outlet,
    handles: Vec<JoinHandle<()>>,
}

impl WriterThreads {
    /// Starts a thread for every output, which gets the event types beside it. `live` outputs lose lines for which
    /// there is no room; in replay the sensor waits.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn start(
        outputs: Vec<(Writer, EventTypes)>,
        live: bool,
        tell: Tell,
    ) -> std::io::Result<Self> {
        let mut ports = Vec::new();
        let mut handles = Vec::new();
        for (writer, select) in outputs {
            let port = Port {
                select,
                mailbox: Arc::new(Mailbox::new(limits::MAILBOX_BYTES)),
                counters: writer.counters(),
            };
            let mailbox = Arc::clone(&port.mailbox);
            ports.push(port);
            let packer = match writer.rotation() {
                Some((path, rotation)) => Some(pack(path, rotation, tell)?),
                None => None,
            };
            let handle = std::thread::Builder::new()
                .name("writer".to_owned())
                .spawn(move || write(writer, &mailbox, packer, tell))?;
            handles.push(handle);
        }
        let outlet = Outlet {
            ports: ports.into(),
            wait: !live,
        };
        Ok(Self { outlet, handles })
    }

    /// A handle for a run.
    #[must_use]
    pub fn outlet(&self) -> Outlet {
        self.outlet.clone()
    }

    /// Waits until everything is written and gives the counters.
    #[must_use]
    pub fn finish(self) -> Vec<Arc<OutputCounters>> {
        self.outlet.ports.iter().for_each(|p| p.mailbox.close());
        for handle in self.handles {
            // A writer that broke has counted what it lost so far.
            let _ = handle.join();
        }
        self.outlet.counters()
    }
}

/// The body of a thread that writes a file or standard output.
fn write(mut writer: Writer, mailbox: &Mailbox, packer: Option<Packer>, tell: Tell) {
    let mut lines = Lines::default();
    loop {
        let told = mailbox.take(&mut lines, TICK);
        if told.reopen {
            writer.reopen(wall_clock());
        }
        let over = told.closed && lines.is_empty();
        writer.lines(&lines, wall_clock());
        writer.flush();
        writer.tick(wall_clock());
        writer.take_trouble().iter().for_each(tell);
        if let (true, Some(packer)) = (writer.take_closed(), &packer) {
            // If it is busy it will find this file too.
            let _ = packer.work.try_send(());
        }
        if over {
            break;
        }
        lines.clear();
        if lines.capacity() > 2 * limits::MAILBOX_BYTES {
            // After a flood, give the room back.
            lines = Lines::default();
        }
    }
    if let Some(packer) = packer {
        drop(packer.work);
        let _ = packer.handle.join();
    }
}

/// A thread that packs closed files, so that writing need not wait for it.
struct Packer {
    work: Sender<()>,
    handle: JoinHandle<()>,
}

fn pack(path: PathBuf, rotation: Rotation, tell: Tell) -> std::io::Result<Packer> {
    let (work, asked): (Sender<()>, Receiver<()>) = bounded(1);
    // What an earlier run left to do.
    let _ = work.try_send(());
    let handle = std::thread::Builder::new()
        .name("packer".to_owned())
        .spawn(move || {
            for () in asked {
                if let Err(error) = rotate::tidy(&path, &rotation) {
                    tell(&Trouble::Warning {
                        output: path.display().to_string(),
                        what: format!(
                            "closed files cannot be packed or removed: {error}; look at the space and permissions of their folder"
                        ),
                    });
                }
            }
        })?;
    Ok(Packer { work, handle })
}
