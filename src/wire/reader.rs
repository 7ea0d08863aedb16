//! A cursor over a byte slice that only ever hands out checked pieces.

use super::{Error, Guid, Result};

/// A checked cursor. Cheap to copy; a copy is a bookmark.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    all: &'a [u8],
    at: usize,
    /// Multi-byte integers are big-endian (a DCE/RPC sender chooses, C706 14.1).
    big_endian: bool,
}

impl<'a> Reader<'a> {
    /// A little-endian reader over the whole slice.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            all: bytes,
            at: 0,
            big_endian: false,
        }
    }

    /// The same bytes read in the given byte order.
    #[must_use]
    pub fn with_order(mut self, big_endian: bool) -> Self {
        self.big_endian = big_endian;
        self
    }

    /// True if integers are read big-endian.
    #[must_use]
    pub fn big_endian(&self) -> bool {
        self.big_endian
    }

    /// Bytes read so far.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Bytes not read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.all.get(self.at..).unwrap_or_default()
    }

    /// Number of bytes not read yet.
    #[must_use]
    pub fn left(&self) -> usize {
        self.all.len().saturating_sub(self.at)
    }

    /// True if everything has been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.left() == 0
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// `Short` if fewer are left.
    pub fn take(&mut self, n: usize, what: &'static str) -> Result<&'a [u8]> {
        let end = self.at.saturating_add(n);
        match self.all.get(self.at..end) {
            Some(piece) => {
                self.at = end;
                Ok(piece)
            }
            None => Err(Error::Short { what, need: end }),
        }
    }

    /// A reader over the next `n` bytes, which it cannot leave. Offsets start at 0 again.
    ///
    /// # Errors
    /// `Short` if fewer are left.
    pub fn sub(&mut self, n: usize, what: &'static str) -> Result<Reader<'a>> {
        Ok(Reader::new(self.take(n, what)?).with_order(self.big_endian))
    }

    /// Passes over `n` bytes.
    ///
    /// # Errors
    /// `Short` if fewer are left.
    pub fn skip(&mut self, n: usize, what: &'static str) -> Result<()> {
        self.take(n, what).map(drop)
    }

    /// Moves on to the next multiple of `to` (a power of two) from the reader's start.
    ///
    /// # Errors
    /// `Short` if the padding is not there.
    pub fn align(&mut self, to: usize, what: &'static str) -> Result<()> {
        let pad = self.at.wrapping_neg() & to.saturating_sub(1);
        self.skip(pad, what)
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// `Short` if fewer are left.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N]> {
        match self.rest().first_chunk::<N>() {
            Some(array) => {
                self.at = self.at.saturating_add(N);
                Ok(*array)
            }
            None => Err(Error::Short {
                what,
                need: self.at.saturating_add(N),
            }),
        }
    }

    /// One byte.
    ///
    /// # Errors
    /// `Short` at the end.
    pub fn u8(&mut self, what: &'static str) -> Result<u8> {
        self.array::<1>(what).map(|[b]| b)
    }

    /// Two bytes in the reader's order.
    ///
    /// # Errors
    /// `Short` at the end.
    pub fn u16(&mut self, what: &'static str) -> Result<u16> {
        let b = self.array(what)?;
        Ok(if self.big_endian {
            u16::from_be_bytes(b)
        } else {
            u16::from_le_bytes(b)
        })
    }

    /// Four bytes in the reader's order.
    ///
    /// # Errors
    /// `Short` at the end.
    pub fn u32(&mut self, what: &'static str) -> Result<u32> {
        let b = self.array(what)?;
        Ok(if self.big_endian {
            u32::from_be_bytes(b)
        } else {
            u32::from_le_bytes(b)
        })
    }

    /// Eight bytes in the reader's order.
    ///
    /// # Errors
    /// `Short` at the end.
    pub fn u64(&mut self, what: &'static str) -> Result<u64> {
        let b = self.array(what)?;
        Ok(if self.big_endian {
            u64::from_be_bytes(b)
        } else {
            u64::from_le_bytes(b)
        })
    }

    /// Sixteen bytes as a GUID; its first three fields are in the reader's order.
    ///
    /// # Errors
    /// `Short` at the end.
    pub fn guid(&mut self, what: &'static str) -> Result<Guid> {
        let b = self.array::<16>(what)?;
        Ok(if self.big_endian {
            Guid::from_be(b)
        } else {
            Guid::from_le(b)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_says_how_much_is_needed_from_the_start() {
        let mut r = Reader::new(&[1, 2, 3]);
        assert_eq!(r.u16("a"), Ok(0x0201));
        assert_eq!(
            r.u32("length"),
            Err(Error::Short {
                what: "length",
                need: 6
            })
        );
        assert_eq!(r.left(), 1, "a failed read takes nothing");
    }

    #[test]
    fn sub_cannot_leave_its_length_and_keeps_the_order() {
        let mut r = Reader::new(&[0, 1, 0, 2, 9]).with_order(true);
        let mut s = r.sub(4, "s").unwrap();
        assert_eq!((s.u16("x"), s.u16("y")), (Ok(1), Ok(2)));
        assert!(s.u8("z").is_err());
        assert_eq!(r.u8("after"), Ok(9));
    }

    #[test]
    fn align_counts_from_the_start_of_the_reader() {
        let mut r = Reader::new(&[0; 9]);
        r.skip(1, "x").unwrap();
        r.align(4, "pad").unwrap();
        assert_eq!(r.at(), 4);
        r.align(4, "pad").unwrap();
        assert_eq!(r.at(), 4);
        r.skip(1, "x").unwrap();
        r.align(8, "pad").unwrap();
        assert_eq!(r.at(), 8);
    }
}
