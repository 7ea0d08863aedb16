//! Tests: a flow small enough to see through.

use crate::packet::{Chunk, Progress};

/// One direction as `flow` would show it: keeps what is not taken, heeds `need` and `Skip`.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    tail: Vec<u8>,
    need: usize,
    skip: u64,
    /// The decoder wants no more.
    pub(crate) done: bool,
    /// The most bytes that were kept.
    pub(crate) kept: usize,
}

impl Pipe {
    /// Brings bytes.
    pub(crate) fn data(&mut self, bytes: &[u8], decode: impl FnOnce(Chunk<'_>) -> Progress) {
        let pass = usize::try_from(self.skip).unwrap().min(bytes.len());
        self.skip -= pass as u64;
        let bytes = &bytes[pass..];
        if bytes.is_empty() || self.done {
            return;
        }
        self.tail.extend_from_slice(bytes);
        if self.tail.len() < self.need {
            return;
        }
        match decode(Chunk::Data(&self.tail)) {
            Progress::Took { bytes, need } => {
                assert!(bytes <= self.tail.len(), "took more than was shown");
                self.tail.drain(..bytes);
                assert!(
                    self.tail.is_empty() || need <= 1 || need > self.tail.len(),
                    "asks for {need} and has {}",
                    self.tail.len()
                );
                self.need = need;
            }
            Progress::Skip { bytes } => {
                self.skip = bytes.saturating_sub(self.tail.len() as u64);
                let here = usize::try_from(bytes).unwrap().min(self.tail.len());
                self.tail.drain(..here);
                self.need = 0;
            }
            Progress::Done => self.done = true,
        }
        self.kept = self.kept.max(self.tail.len());
    }

    /// Loses bytes.
    pub(crate) fn gap(&mut self, bytes: u64, decode: impl FnOnce(Chunk<'_>) -> Progress) {
        let pass = self.skip.min(bytes);
        self.skip -= pass;
        if bytes > pass && !self.done {
            self.tail.clear();
            self.need = 0;
            self.done = decode(Chunk::Gap(bytes - pass)) == Progress::Done;
        }
    }

    /// Ends.
    pub(crate) fn end(&mut self, decode: impl FnOnce(Chunk<'_>) -> Progress) {
        if !self.done {
            decode(Chunk::End);
        }
    }
}
