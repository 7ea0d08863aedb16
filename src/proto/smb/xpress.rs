//! Decompression of Plain LZ77, LZ77+Huffman and LZNT1 (MS-XCA 2.4.4, 2.2.4, 2.5.4).
//!
//! Each function appends to what is there, never more than it is told to, and needs no memory of its own but
//! the 1.5 KiB of a Huffman table on the stack. Back references cannot leave what the same call wrote.

use crate::wire::{Error, Reader, Result};

/// Where the bytes go.
#[derive(Debug)]
pub(super) struct Output<'a> {
    bytes: &'a mut Vec<u8>,
    /// Where this payload began.
    base: usize,
    /// Where it has to end.
    end: usize,
}

impl<'a> Output<'a> {
    /// At most `most` bytes behind `bytes`.
    pub(super) fn new(bytes: &'a mut Vec<u8>, most: usize) -> Self {
        let base = bytes.len();
        Self {
            bytes,
            base,
            end: base.saturating_add(most),
        }
    }

    fn left(&self) -> usize {
        self.end.saturating_sub(self.bytes.len())
    }

    /// Bytes as they are; what is too much is cut.
    pub(super) fn literals(&mut self, bytes: &[u8]) {
        self.bytes
            .extend_from_slice(bytes.get(..self.left()).unwrap_or(bytes));
    }

    /// The same byte again and again.
    pub(super) fn repeat(&mut self, byte: u8, times: usize) {
        let times = times.min(self.left());
        self.bytes
            .resize(self.bytes.len().saturating_add(times), byte);
    }

    /// What was written `distance` bytes ago; it may reach into itself.
    fn copy(&mut self, distance: usize, length: usize) -> Result<()> {
        let at = self.bytes.len().checked_sub(distance);
        let at = at
            .filter(|at| *at >= self.base && distance > 0)
            .ok_or(Error::Malformed {
                what: "compressed data",
                why: "refers to before its beginning",
            })?;
        let mut left = length.min(self.left());
        while left > 0 {
            let piece = left.min(self.bytes.len().saturating_sub(at));
            self.bytes.extend_from_within(at..at.saturating_add(piece));
            left = left.saturating_sub(piece);
        }
        Ok(())
    }
}

/// Plain LZ77: 32 flags, then as many literals and pairs of distance and length.
///
/// # Errors
/// `Short` if the output is not full when the data ends, `Malformed` if it makes no sense.
pub(super) fn lz77(bytes: &[u8], out: &mut Output<'_>) -> Result<()> {
    const WHAT: &str = "LZ77 data";
    let mut r = Reader::new(bytes);
    let mut flags = 0_u32;
    let mut count = 0_u32;
    // Two lengths share a byte; the high half waits for the second.
    let mut half: Option<u8> = None;
    while out.left() > 0 {
        if count == 0 {
            flags = r.u32(WHAT)?;
            count = 32;
        }
        count = count.saturating_sub(1);
        let is_pair = flags & 0x8000_0000 != 0;
        flags <<= 1;
        if !is_pair {
            out.literals(&[r.u8(WHAT)?]);
            continue;
        }
        let pair = usize::from(r.u16(WHAT)?);
        let distance = (pair >> 3).saturating_add(1);
        let mut length = pair & 7;
        if length == 7 {
            let more = match half.take() {
                Some(high) => high,
                None => {
                    let two = r.u8(WHAT)?;
                    half = Some(two >> 4);
                    two & 15
                }
            };
            length = usize::from(more);
            if length == 15 {
                length = long_length(&mut r, 15 + 7)?.saturating_add(15);
            }
            length = length.saturating_add(7);
        }
        out.copy(distance, length.saturating_add(3))?;
    }
    Ok(())
}

/// A length that did not fit: a byte, or 255 and two, or two zeros and four. Those of the longer forms count
/// what the shorter ones hold.
fn long_length(r: &mut Reader<'_>, held: usize) -> Result<usize> {
    const WHAT: &str = "LZ77 length";
    let byte = r.u8(WHAT)?;
    if byte != 255 {
        return Ok(byte.into());
    }
    let length = match r.u16(WHAT)? {
        0 => usize::try_from(r.u32(WHAT)?).unwrap_or(usize::MAX),
        length => length.into(),
    };
    length.checked_sub(held).ok_or(Error::Malformed {
        what: WHAT,
        why: "a long form of a short one",
    })
}

/// Symbols of a table: literals, then pairs by their length and the size of their distance.
const SYMBOLS: usize = 512;
/// Bits of the longest code.
const LONGEST: usize = 15;
/// Bytes that one table serves.
const BLOCK: usize = 65_536;

/// LZ77+Huffman: blocks of 64 KiB, each with a table of code lengths in front.
///
/// # Errors
/// As [`lz77`].
pub(super) fn huffman(bytes: &[u8], out: &mut Output<'_>) -> Result<()> {
    const WHAT: &str = "LZ77+Huffman data";
    let mut r = Reader::new(bytes);
    while out.left() > 0 {
        let table = Table::read(r.take(SYMBOLS / 2, WHAT)?)?;
        let end = out.left().saturating_sub(BLOCK);
        let mut bits = Bits::new(r)?;
        while out.left() > end {
            let symbol = usize::from(table.symbol(&mut bits)?);
            let Some(pair) = symbol.checked_sub(256) else {
                out.literals(&[u8::try_from(symbol).unwrap_or(0)]);
                continue;
            };
            let mut length = pair & 15;
            if length == 15 {
                length = long_length(&mut bits.r, 15)?.saturating_add(15);
            }
            let size = pair >> 4;
            let distance = bits.take(size)?.saturating_add(power(size));
            out.copy(distance, length.saturating_add(3))?;
        }
        r = bits.r;
    }
    Ok(())
}

/// A canonical code: symbols in the order of their codes, and how many have each length.
struct Table {
    symbols: [u16; SYMBOLS],
    counts: [u16; LONGEST + 1],
}

impl Table {
    /// Four bits a symbol, low half first: the length of its code.
    fn read(lengths: &[u8]) -> Result<Self> {
        let mut table = Self {
            symbols: [0; SYMBOLS],
            counts: [0; LONGEST + 1],
        };
        let nibbles = || {
            lengths
                .iter()
                .flat_map(|b| [b & 15, b >> 4])
                .map(usize::from)
        };
        for length in nibbles() {
            if let Some(count) = table.counts.get_mut(length) {
                *count = count.saturating_add(1);
            }
        }
        // Symbols without a code have no place.
        let [none, ..] = &mut table.counts;
        *none = 0;
        let mut places = [0_usize; LONGEST + 1];
        let mut place = 0_usize;
        let mut room = power(LONGEST);
        for (length, (count, at)) in table.counts.iter().zip(&mut places).enumerate() {
            let count = usize::from(*count);
            *at = place;
            place = place.saturating_add(count);
            let taken = power(LONGEST.saturating_sub(length)).saturating_mul(count);
            room = room.checked_sub(taken).ok_or(Self::UNFIT)?;
        }
        for (symbol, length) in (0..).zip(nibbles()).filter(|(_, length)| *length > 0) {
            if let Some(at) = places.get_mut(length)
                && let Some(free) = table.symbols.get_mut(*at)
            {
                *free = symbol;
                *at = at.saturating_add(1);
            }
        }
        if room == 0 {
            Ok(table)
        } else {
            Err(Self::UNFIT)
        }
    }

    const UNFIT: Error = Error::Malformed {
        what: "Huffman table",
        why: "is no complete code",
    };

    fn symbol(&self, bits: &mut Bits<'_>) -> Result<u16> {
        // `code` counts from the first code of its length, `first` symbols have shorter ones.
        let mut code = 0_usize;
        let mut first = 0_usize;
        for count in self.counts.iter().skip(1) {
            let count = usize::from(*count);
            code = (code << 1) | bits.take(1)?;
            if code < count {
                let symbol = self.symbols.get(first.saturating_add(code));
                return symbol.copied().ok_or(Self::UNFIT);
            }
            code = code.saturating_sub(count);
            first = first.saturating_add(count);
        }
        Err(Self::UNFIT)
    }
}

/// Bits of 16-bit words, highest first. Two words are always read ahead: bytes of long lengths lie behind them.
struct Bits<'a> {
    r: Reader<'a>,
    /// Those at hand, left-aligned.
    held: u32,
    /// How many of them, less 16.
    extra: i32,
}

impl<'a> Bits<'a> {
    fn new(mut r: Reader<'a>) -> Result<Self> {
        const WHAT: &str = "LZ77+Huffman bits";
        let high = u32::from(r.u16(WHAT)?);
        let low = u32::from(r.u16(WHAT)?);
        Ok(Self {
            r,
            held: (high << 16) | low,
            extra: 16,
        })
    }

    /// The next `n` bits, at most 15.
    fn take(&mut self, n: usize) -> Result<usize> {
        let n = u32::try_from(n.min(LONGEST)).unwrap_or(0);
        let taken = self.held.checked_shr(u32::BITS.saturating_sub(n));
        self.held <<= n;
        self.extra = self.extra.saturating_sub_unsigned(n);
        if self.extra < 0 {
            let word = self.r.u16("LZ77+Huffman bits")?;
            self.held |= u32::from(word) << self.extra.unsigned_abs();
            self.extra = self.extra.saturating_add(16);
        }
        Ok(usize::try_from(taken.unwrap_or(0)).unwrap_or(0))
    }
}

/// LZNT1: chunks of at most 4 KiB, each compressed or not.
///
/// # Errors
/// As [`lz77`].
pub(super) fn lznt1(bytes: &[u8], out: &mut Output<'_>) -> Result<()> {
    const WHAT: &str = "LZNT1 data";
    let mut r = Reader::new(bytes);
    while out.left() > 0 {
        let header = r.u16(WHAT)?;
        let length = usize::from(header & 0x0fff).saturating_add(1);
        // The last chunk may be cut, when no more than the head is wanted.
        let rest = r.rest();
        let chunk = rest.get(..length).unwrap_or(rest);
        r.skip(chunk.len(), WHAT)?;
        if header & 0x8000 != 0 {
            lznt1_chunk(chunk, out)?;
        } else {
            out.literals(chunk);
        }
        if chunk.is_empty() {
            return Err(Error::Short {
                what: WHAT,
                need: length,
            });
        }
    }
    Ok(())
}

/// Eight flags, lowest first, then as many literals and pairs. How a pair is divided depends on how much of the
/// chunk is written.
fn lznt1_chunk(chunk: &[u8], out: &mut Output<'_>) -> Result<()> {
    const WHAT: &str = "LZNT1 chunk";
    let mut r = Reader::new(chunk);
    let begin = out.bytes.len();
    let mut inside = Output {
        end: out.end.min(begin.saturating_add(4096)),
        base: begin,
        bytes: &mut *out.bytes,
    };
    while !r.rest().is_empty() && inside.left() > 0 {
        let flags = r.u8(WHAT)?;
        for bit in 0..8 {
            if r.rest().is_empty() || inside.left() == 0 {
                break;
            }
            if flags & (1 << bit) == 0 {
                inside.literals(&[r.u8(WHAT)?]);
                continue;
            }
            let pair = usize::from(r.u16(WHAT)?);
            let written = inside.bytes.len().saturating_sub(begin);
            // Bits of the distance: as many as reach back to the beginning, four to twelve.
            let size = written.max(1).next_power_of_two().ilog2().clamp(4, 12);
            let shift = 16_u32.saturating_sub(size);
            let length = pair & 1_usize.unbounded_shl(shift).saturating_sub(1);
            let distance = pair.unbounded_shr(shift).saturating_add(1);
            inside.copy(distance, length.saturating_add(3))?;
        }
    }
    Ok(())
}

/// Two to this power.
fn power(n: usize) -> usize {
    u32::try_from(n)
        .ok()
        .and_then(|n| 1_usize.checked_shl(n))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Algorithm = fn(&[u8], &mut Output<'_>) -> Result<()>;

    fn run(algorithm: Algorithm, bytes: &[u8], size: usize) -> Result<Vec<u8>> {
        let mut plain = Vec::new();
        algorithm(bytes, &mut Output::new(&mut plain, size))?;
        Ok(plain)
    }

    /// Whole, at every head, with a byte missing, and behind something else.
    fn check(algorithm: Algorithm, bytes: &[u8], plain: &[u8]) {
        assert_eq!(run(algorithm, bytes, plain.len()).unwrap(), plain);
        for size in 0..plain.len() {
            assert_eq!(run(algorithm, bytes, size).unwrap(), plain[..size]);
        }
        let mut all = b"before".to_vec();
        algorithm(bytes, &mut Output::new(&mut all, plain.len())).unwrap();
        assert_eq!(all, [b"before", plain].concat());
    }

    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

    /// MS-XCA 3.1, both examples.
    #[test]
    fn plain_lz77_of_the_specification() {
        // 26 literals; the six flags that are left are set.
        let literals = [&[0x3f, 0, 0, 0][..], ALPHABET].concat();
        check(lz77, &literals, ALPHABET);
        let pairs = [
            0xff, 0xff, 0xff, 0x1f, // three literals, then pairs
            b'a', b'b', b'c', //
            0x17, 0x00, // distance 3, length 7: more
            0x0f, // low half 15: more
            0xff, // 255: more
            0x26, 0x01, // 294, from which 22 are taken: 294 + 3 in all
        ];
        check(lz77, &pairs, &b"abc".repeat(100));
    }

    /// MS-XCA 3.2, the first example.
    #[test]
    fn huffman_of_the_specification() {
        let mut bytes = vec![0; 256];
        // a to l and so on have five bits, the last five bits of the alphabet four, and so has the end.
        bytes[48] = 0x50;
        bytes[49..59].fill(0x55);
        bytes[59..62].copy_from_slice(&[0x45, 0x44, 0x04]);
        bytes[128] = 0x04;
        bytes.extend([
            0xd8, 0x52, 0x3e, 0xd7, 0x94, 0x11, 0x5b, 0xe9, 0x19, 0x5f, 0xf9, 0xd6, 0x7c, 0xdf,
            0x8d, 0x04, 0, 0, 0, 0,
        ]);
        check(huffman, &bytes, ALPHABET);
    }

    /// MS-XCA 3.3.
    #[test]
    fn lznt1_of_the_specification() {
        let bytes = [
            0x38, 0xb0, 0x88, 0x46, 0x23, 0x20, 0x00, 0x20, 0x47, 0x20, 0x41, 0x00, 0x10, 0xa2,
            0x47, 0x01, 0xa0, 0x45, 0x20, 0x44, 0x00, 0x08, 0x45, 0x01, 0x50, 0x79, 0x00, 0xc0,
            0x45, 0x20, 0x05, 0x24, 0x13, 0x88, 0x05, 0xb4, 0x02, 0x4a, 0x44, 0xef, 0x03, 0x58,
            0x02, 0x8c, 0x09, 0x16, 0x01, 0x48, 0x45, 0x00, 0xbe, 0x00, 0x9e, 0x00, 0x04, 0x01,
            0x18, 0x90, 0x00,
        ];
        let plain =
            b"F# F# G A A G F# E D D E F# F# E E F# F# G A A G F# E D D E F# E D D E E F# D E F# \
                      G F# D E F# G F# E D E A F# F# G A A G F# E D D E F# E D D\0";
        assert_eq!(plain.len(), 142);
        check(lznt1, &bytes, plain);
        let stored = [
            0x02, 0x30, // not compressed, 3 bytes
            1, 2, 3, //
        ];
        check(lznt1, &stored, &[1, 2, 3]);
    }

    #[test]
    fn what_makes_no_sense() {
        let before = [
            0xff, 0xff, 0xff, 0x7f, // a literal, then pairs
            b'a', 0x08, 0x00, // distance 2, and one byte is written
        ];
        assert!(matches!(
            run(lz77, &before, 9),
            Err(Error::Malformed { .. })
        ));
        assert!(matches!(
            run(lz77, &[0, 0, 0, 0, 1], 2),
            Err(Error::Short { .. })
        ));
        // Two symbols of one bit fill the code; three are too many, one too few.
        for (lengths, ok) in [(0x11, true), (0x01, false)] {
            let mut bytes = vec![0; 264];
            bytes[0] = lengths;
            assert_eq!(run(huffman, &bytes, 4).is_ok(), ok);
            bytes[1] = 1;
            assert!(run(huffman, &bytes, 4).is_err() == ok);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_written_past_the_end(bytes in prop::collection::vec(any::<u8>(), 0..600), size in 0_usize..5000) {
            for algorithm in [lz77, huffman, lznt1] as [Algorithm; 3] {
                let mut plain = Vec::new();
                let got = algorithm(&bytes, &mut Output::new(&mut plain, size));
                prop_assert!(plain.len() <= size);
                prop_assert!(got.is_err() || plain.len() == size);
            }
        }

        /// A table of one's own: every byte has eight bits, so its code is itself.
        #[test]
        fn huffman_of_bytes_alone(plain in prop::collection::vec(any::<u8>(), 1..400)) {
            let mut bytes = vec![0x88; 128];
            bytes.resize(256, 0);
            let mut words = plain.clone();
            words.resize(plain.len().next_multiple_of(2), 0);
            bytes.extend(words.as_chunks().0.iter().flat_map(|[a, b]: &[u8; 2]| [*b, *a]));
            bytes.extend([0; 4]);
            prop_assert_eq!(run(huffman, &bytes, plain.len()).unwrap(), plain);
        }
    }
}
