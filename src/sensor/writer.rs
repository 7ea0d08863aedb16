//! The writer thread: finished lines to their destinations.

use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::output::{Trouble, Writer};

/// Buffers of lines waiting to be written.
const BUFFERS: usize = 64;

/// Where the correlator puts finished lines. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outlet {
    full: Sender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
}

impl Outlet {
    /// An empty buffer.
    #[must_use]
    pub fn buffer(&self) -> Vec<u8> {
        self.empty.try_recv().unwrap_or_default()
    }

    /// Hands whole lines over. Waits if the writer is far behind.
    pub fn send(&self, lines: Vec<u8>) {
        // The writer outlives every run; if it is gone there is nowhere to write.
        let _ = self.full.send(lines);
    }
}

/// The thread that writes.
#[derive(Debug)]
pub struct WriterThread {
    outlet: Outlet,
    handle: JoinHandle<Writer>,
}

impl WriterThread {
    /// Starts it. `tell` hears what the operator should know of a destination, each thing once.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start(mut writer: Writer, tell: fn(&Trouble)) -> std::io::Result<Self> {
        let (full, work) = bounded::<Vec<u8>>(BUFFERS);
        let (back, empty) = bounded(BUFFERS);
        let handle = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || {
                for mut lines in work {
                    for line in lines.split_inclusive(|b| *b == b'\n') {
                        writer.line(line);
                    }
                    writer.flush();
                    writer.take_trouble().iter().for_each(tell);
                    lines.clear();
                    let _ = back.try_send(lines);
                }
                writer
            })?;
        Ok(Self {
            outlet: Outlet { full, empty },
            handle,
        })
    }

    /// A handle for a run.
    #[must_use]
    pub fn outlet(&self) -> Outlet {
        self.outlet.clone()
    }

    /// Waits until everything is written and gives the writer back, for its counters.
    #[must_use]
    pub fn finish(self) -> Option<Writer> {
        drop(self.outlet);
        self.handle.join().ok()
    }
}
