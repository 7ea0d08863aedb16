//! A cursor over a stub in NDR or NDR64 (C706 14, MS-RPCE 2.2.4 and 2.2.5). Alignment counts from
//! the stub's first byte; pointers and counts are four bytes in NDR, eight in NDR64.

use crate::wire::{Error, Reader, Result, Utf16};

/// Longest string read, in units. Windows paths end at 32,767.
pub const STRING_UNITS: usize = 32_768;

/// The cursor. Cheap to copy; a copy is a bookmark.
#[derive(Clone, Copy, Debug)]
pub struct Ndr<'a> {
    r: Reader<'a>,
    ndr64: bool,
}

impl<'a> Ndr<'a> {
    /// A cursor at the front of a stub.
    #[must_use]
    pub fn new(stub: &'a [u8], ndr64: bool, big_endian: bool) -> Self {
        Self {
            r: Reader::new(stub).with_order(big_endian),
            ndr64,
        }
    }

    /// Bytes read so far.
    #[must_use]
    pub fn at(&self) -> usize {
        self.r.at()
    }

    /// Bytes not read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.r.rest()
    }

    /// `n` bytes aligned to 4.
    ///
    /// # Errors
    /// `Short` if they are not there.
    pub fn skip4(&mut self, n: usize, what: &'static str) -> Result<()> {
        self.r.align(4, what)?;
        self.r.skip(n, what)
    }

    /// Two bytes.
    ///
    /// # Errors
    /// `Short` if they are not there.
    pub fn u16(&mut self, what: &'static str) -> Result<u16> {
        self.r.align(2, what)?;
        self.r.u16(what)
    }

    /// Four bytes.
    ///
    /// # Errors
    /// `Short` if they are not there.
    pub fn u32(&mut self, what: &'static str) -> Result<u32> {
        self.r.align(4, what)?;
        self.r.u32(what)
    }

    /// An enumeration: two bytes, four in NDR64 (C706 14.2.5, MS-RPCE 2.2.5.1).
    ///
    /// # Errors
    /// `Short` if they are not there.
    pub fn enumeration(&mut self, what: &'static str) -> Result<u32> {
        if self.ndr64 {
            self.u32(what)
        } else {
            self.u16(what).map(u32::from)
        }
    }

    /// A count or referent: four bytes, eight in NDR64.
    ///
    /// # Errors
    /// `Short` if they are not there.
    pub fn word(&mut self, what: &'static str) -> Result<u64> {
        if self.ndr64 {
            self.r.align(8, what)?;
            self.r.u64(what)
        } else {
            self.u32(what).map(u64::from)
        }
    }

    /// Moves to where a structure that holds a pointer begins.
    ///
    /// # Errors
    /// `Short` if the padding is not there.
    pub fn align_pointer(&mut self, what: &'static str) -> Result<()> {
        self.r.align(if self.ndr64 { 8 } else { 4 }, what)
    }

    /// Units of `size` bytes of a conformant varying array: maximum, offset, actual count, units.
    ///
    /// # Errors
    /// `Malformed` if the counts cannot be those of a string, `Short` if it is not all there.
    pub fn varying(&mut self, size: usize, what: &'static str) -> Result<&'a [u8]> {
        let bad = |why| Err(Error::Malformed { what, why });
        let maximum = self.word(what)?;
        let offset = self.word(what)?;
        let actual = self.word(what)?;
        if offset != 0 {
            return bad("the string does not begin at its beginning");
        }
        if actual > maximum {
            return bad("more units than the maximum");
        }
        match usize::try_from(actual) {
            Ok(units) if units <= STRING_UNITS => self.r.take(units.saturating_mul(size), what),
            _ => bad("longer than any path"),
        }
    }

    /// Text of 16-bit units in this stub's byte order.
    #[must_use]
    pub fn utf16(&self, units: &'a [u8]) -> Utf16<'a> {
        Utf16::new(units, self.r.big_endian())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_four_or_eight_bytes_and_aligned() {
        let ndr = [
            1, 0, 0, 0, // u32
            2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, // maximum 2, offset 0, actual 2
            b'h', 0, b'i', 0,
        ];
        let mut n = Ndr::new(&ndr, false, false);
        assert_eq!(n.u32("x"), Ok(1));
        assert_eq!(n.varying(2, "s"), Ok(&b"h\0i\0"[..]));

        let ndr64 = [
            0, 0, 0, 1, 0xbf, 0xbf, 0xbf, 0xbf, // u32, padding
            0, 0, 0, 0, 0, 0, 0, 2, // maximum
            0, 0, 0, 0, 0, 0, 0, 0, // offset
            0, 0, 0, 0, 0, 0, 0, 2, // actual
            b'h', b'i',
        ];
        let mut n = Ndr::new(&ndr64, true, true);
        assert_eq!(n.u32("x"), Ok(1));
        assert_eq!(n.varying(1, "s"), Ok(&b"hi"[..]));
    }

    #[test]
    fn counts_that_lie_are_refused() {
        for counts in [[2u32, 1, 1], [1, 0, 2], [40_000, 0, 40_000], [9, 0, 9]] {
            let bytes: Vec<u8> = counts.iter().flat_map(|c| c.to_le_bytes()).collect();
            assert!(Ndr::new(&bytes, false, false).varying(2, "s").is_err());
        }
    }
}
