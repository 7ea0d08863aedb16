//! Base64 as it stands in text protocols.

use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};

/// As lenient as servers are: padding, blanks and left-over bits do not matter.
static BASE64: LazyLock<Option<Encoding>> = LazyLock::new(|| {
    let mut spec = Specification::new();
    spec.symbols
        .push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    spec.ignore.push_str("= \t\r\n");
    spec.check_trailing_bits = false;
    spec.encoding().ok()
});

/// Bytes whose memory is kept for the next token.
const KEEP: usize = 4096;

/// Decodes, and keeps its room.
#[derive(Debug, Default)]
pub(crate) struct Base64 {
    decoded: Vec<u8>,
}

impl Base64 {
    /// Bytes of heap.
    pub(crate) fn held(&self) -> usize {
        self.decoded.capacity()
    }

    /// Lets go of the memory of a long token.
    pub(crate) fn give_back(&mut self) {
        if self.decoded.capacity() > KEEP {
            self.decoded = Vec::new();
        }
    }

    /// The bytes of `text` up to where it stops being Base64; `None` if there are none.
    pub(crate) fn decode(&mut self, text: &[u8]) -> Option<&[u8]> {
        let base64 = BASE64.as_ref()?;
        let room = base64.decode_len(text.len()).ok()?;
        self.decoded.clear();
        self.decoded.resize(room, 0);
        let read = match base64.decode_mut(text, &mut self.decoded) {
            Ok(n) => n,
            Err(partial) => partial.written,
        };
        self.decoded.get(..read).filter(|b| !b.is_empty())
    }
}
