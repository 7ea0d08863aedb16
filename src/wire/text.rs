//! Text as it stands on the wire: decoded when somebody looks, not before.

use std::fmt::{self, Write};

/// UTF-16 code units as they came, in either byte order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Utf16<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl<'a> Utf16<'a> {
    /// Little-endian units. An odd last byte is dropped.
    #[must_use]
    pub fn le(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            big_endian: false,
        }
    }

    /// Units in the given order. An odd last byte is dropped.
    #[must_use]
    pub fn new(bytes: &'a [u8], big_endian: bool) -> Self {
        Self { bytes, big_endian }
    }

    /// The code units.
    pub fn units(self) -> impl Iterator<Item = u16> + 'a {
        let big = self.big_endian;
        self.bytes.as_chunks::<2>().0.iter().map(move |b| {
            if big {
                u16::from_be_bytes(*b)
            } else {
                u16::from_le_bytes(*b)
            }
        })
    }

    /// The characters up to the first NUL; what is no character becomes U+FFFD.
    pub fn chars(self) -> impl Iterator<Item = char> + 'a {
        char::decode_utf16(self.units().take_while(|u| *u != 0))
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
    }
}

/// Text in one of the encodings met on the wire, borrowed, decoded on demand.
#[derive(Clone, Copy)]
pub enum Text<'a> {
    /// Already Rust text.
    Str(&'a str),
    /// UTF-16 in either order, up to the first NUL.
    Utf16(Utf16<'a>),
    /// Bytes in an unknown 8-bit code page: ASCII is kept, the rest becomes U+FFFD.
    Bytes(&'a [u8]),
}

impl Default for Text<'_> {
    fn default() -> Self {
        Self::Str("")
    }
}

impl<'a> Text<'a> {
    /// UTF-16, little-endian.
    #[must_use]
    pub fn utf16(bytes: &'a [u8]) -> Self {
        Self::Utf16(Utf16::le(bytes))
    }

    /// True if there is not one character.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.with_chars(|chars| chars.next().is_none())
    }

    /// The last character.
    #[must_use]
    pub fn last(self) -> Option<char> {
        self.with_chars(|chars| chars.last())
    }

    /// Appends the text to `buf`.
    pub fn push_to(self, buf: &mut String) {
        self.with_chars(|chars| buf.extend(chars));
    }

    /// Equality that ignores ASCII case.
    #[must_use]
    pub fn eq_ignore_case(self, other: &str) -> bool {
        self.with_chars(|chars| {
            chars
                .map(|c| c.to_ascii_lowercase())
                .eq(other.chars().map(|c| c.to_ascii_lowercase()))
        })
    }

    fn with_chars<R>(self, f: impl FnOnce(&mut dyn Iterator<Item = char>) -> R) -> R {
        match self {
            Self::Str(s) => f(&mut s.chars()),
            Self::Utf16(u) => f(&mut u.chars()),
            Self::Bytes(b) => f(&mut b.iter().take_while(|b| **b != 0).map(|b| {
                if b.is_ascii() {
                    char::from(*b)
                } else {
                    char::REPLACEMENT_CHARACTER
                }
            })),
        }
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(s: &'a str) -> Self {
        Self::Str(s)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_chars(|chars| {
            for c in chars {
                f.write_char(c)?;
            }
            Ok(())
        })
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.with_chars(|a| other.with_chars(|b| a.eq(b)))
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.with_chars(|a| a.eq(other.chars()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf16_stops_at_nul_and_survives_half_a_pair() {
        let bytes = [b'A', 0, 0x3d, 0xd8, b'B', 0, 0, 0, b'C', 0];
        assert_eq!(Text::utf16(&bytes).to_string(), "A\u{fffd}B");
        assert_eq!(
            Text::Utf16(Utf16::new(&[0, b'A', 7], true)).to_string(),
            "A"
        );
    }

    #[test]
    fn encodings_compare_by_character() {
        assert_eq!(Text::utf16(&[b'S', 0, b'$', 0]), Text::Bytes(b"S$"));
        assert!(Text::Bytes(b"Srv$").eq_ignore_case("sRV$"));
        assert_eq!(Text::utf16(&[b'S', 0, b'$', 0]).last(), Some('$'));
        assert!(Text::default().is_empty());
    }
}
