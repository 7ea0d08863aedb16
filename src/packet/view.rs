//! What is left of a frame while its layers are taken off.

use super::Span;

/// Bytes at hand, where they lie, and how many more the sender sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    /// What was captured of this layer.
    pub(super) bytes: &'a [u8],
    /// Where `bytes` start in the block or its spill.
    pub(super) start: u32,
    /// In the spill.
    pub(super) spilled: bool,
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
            spilled: span.spilled,
            cut,
        })
    }

    /// Where the bytes lie.
    pub(super) fn span(self) -> Span {
        Span {
            start: self.start,
            len: self.len(),
            spilled: self.spilled,
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
            ..self
        })
    }

    /// The first `n` bytes as sent: trims padding, and knows what is missing.
    pub(super) fn keep(self, n: usize) -> Self {
        match self.bytes.get(..n) {
            Some(bytes) => Self {
                bytes,
                cut: 0,
                ..self
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
