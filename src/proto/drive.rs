//! Tests: a flow small enough to see through, and a sink that remembers.

use crate::event::{Event, Sink};
use crate::net::Direction;
use crate::packet::{Chunk, Progress};

/// Remembers events as text.
#[derive(Debug, Default)]
pub(crate) struct Recorder(pub(crate) Vec<String>);

impl Sink for Recorder {
    fn event(&mut self, direction: Direction, event: &Event<'_>) {
        self.0.push(format!("{} {event:?}", direction.name()));
    }
}

impl Recorder {
    /// The number of events whose text contains `what`.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.0.iter().filter(|e| e.contains(what)).count()
    }
}

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

/// The bytes of a vector of the reference.
pub(crate) fn vector(name: &str) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/vectors/vectors.json");
    let text = std::fs::read_to_string(path).unwrap();
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    let one = all["vectors"]
        .as_array()
        .unwrap()
        .iter()
        .find(|v| v["name"] == name)
        .unwrap_or_else(|| panic!("no vector {name}"));
    let hex = one["hex"].as_str().unwrap();
    data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()
}
