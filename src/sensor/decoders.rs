//! How much the decoders of one worker may remember.

use crate::limits;

/// Memory of the decoders of one worker's flows.
#[derive(Debug)]
pub(super) struct Decoders {
    /// Bytes they hold.
    pub(super) held: usize,
    /// Bytes they may hold.
    pub(super) limit: usize,
    /// Flows that lost theirs.
    pub(super) evicted: u64,
}

impl Decoders {
    /// A flow's decoder holds `now`.
    pub(super) fn settle(&mut self, of_flow: &mut u32, now: usize) {
        let now = u32::try_from(now).unwrap_or(u32::MAX);
        let before = std::mem::replace(of_flow, now);
        self.held = self
            .held
            .saturating_sub(before as usize)
            .saturating_add(now as usize);
    }

    pub(super) fn full(&self) -> bool {
        self.held > self.limit
    }

    /// More than one flow may hold while there is too much.
    pub(super) fn greedy(&self, held: usize) -> bool {
        held > limits::DECODER_FAIR_BYTES.max(self.limit / 1024)
    }
}
