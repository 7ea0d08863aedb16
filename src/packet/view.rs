//! What is left of a frame while its layers are taken off.

use super::Span;
use super::dissect::Miss;

/// Bytes at hand, where they lie, and how many more the sender sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    /// What was captured of this layer.
    pub(super) bytes: &'a [u8],
    /// Where `bytes` start in the block, or in its spill; which of the two the dissector knows. (A flag here
    /// would cost more than all header reading: views are copied at every step, and the padding with them.)
    pub(super) start: u32,
    /// Bytes of this layer that follow and were not captured.
    pub(super) cut: u32,
}

impl<'a> View<'a> {
    /// The view of `span`, which lies in `from`.
    pub(super) fn of(from: &'a [u8], span: Span, cut: u32) -> Option<Self> {
        let bytes = from.get(span.start as usize..)?.get(..span.len as usize)?;
        Some(Self {
            bytes,
            start: span.start,
            cut,
        })
    }

    /// Where the bytes lie.
    pub(super) fn span(self, spilled: bool) -> Span {
        Span {
            start: self.start,
            len: self.len(),
            spilled,
        }
    }

    /// Bytes at hand. A block is far smaller than 4 GiB.
    fn len(self) -> u32 {
        u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)
    }

    /// Bytes the sender sent of this layer.
    pub(super) fn sent(self) -> u32 {
        self.len().saturating_add(self.cut)
    }

    /// Without the first `n` bytes; `None` if they are not all at hand.
    pub(super) fn skip(self, n: usize) -> Option<Self> {
        Some(Self {
            bytes: self.bytes.get(n..)?,
            start: self.start.saturating_add(u32::try_from(n).ok()?),
            ..self
        })
    }

    /// Takes the first `n` bytes off; [`Miss::Short`] if they are not all at hand.
    ///
    /// In place, where [`skip`](Self::skip) returns: a view inside a `Result` is copied in pieces that do not fit
    /// each other, and reading it back waits for the stores, 10 ns a layer.
    #[inline]
    pub(super) fn pass(&mut self, n: usize) -> Result<(), Miss> {
        let rest = self.bytes.get(n..).ok_or(Miss::Short)?;
        self.bytes = rest;
        self.start = self
            .start
            .saturating_add(u32::try_from(n).unwrap_or(u32::MAX));
        Ok(())
    }

    /// Without the first `n` bytes, even if the capture cut some of them; `None` if they were not sent.
    pub(super) fn skip_sent(self, n: usize) -> Option<Self> {
        if let Some(rest) = self.skip(n) {
            return Some(rest);
        }
        let cut = self.sent().checked_sub(u32::try_from(n).ok()?)?;
        Some(Self {
            bytes: &[],
            start: self.start.saturating_add(self.len()),
            cut,
        })
    }

    /// The first `n` bytes as sent: trims padding, and knows what is missing.
    pub(super) fn keep(self, n: usize) -> Self {
        match self.bytes.get(..n) {
            Some(bytes) => Self {
                bytes,
                cut: 0,
                start: self.start,
            },
            None => Self {
                cut: u32::try_from(n)
                    .unwrap_or(u32::MAX)
                    .saturating_sub(self.len()),
                ..self
            },
        }
    }
}
