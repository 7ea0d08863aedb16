//! BER/DER tag-length-value, definite lengths (X.690 8.1): enough for SPNEGO and LDAP.
//!
//! Not read: indefinite lengths, tag numbers over 30.

use super::{Error, Reader, Result};

/// Tags that several protocols use.
pub mod tag {
    /// BOOLEAN.
    pub const BOOLEAN: u8 = 0x01;
    /// INTEGER.
    pub const INTEGER: u8 = 0x02;
    /// OCTET STRING.
    pub const OCTET_STRING: u8 = 0x04;
    /// OBJECT IDENTIFIER.
    pub const OID: u8 = 0x06;
    /// ENUMERATED.
    pub const ENUMERATED: u8 = 0x0a;
    /// SEQUENCE, constructed.
    pub const SEQUENCE: u8 = 0x30;
    /// SET, constructed.
    pub const SET: u8 = 0x31;
}

/// One tag-length-value.
#[derive(Clone, Copy, Debug)]
pub struct Tlv<'a> {
    /// Identifier octet.
    pub tag: u8,
    /// Contents octets.
    pub value: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// Reads the identifier and length octets: `(tag, length of the contents)`.
    ///
    /// # Errors
    /// `Short` while they are incomplete; `Malformed` for forms that are not read.
    pub fn header(r: &mut Reader<'_>) -> Result<(u8, usize)> {
        let tag = r.u8("BER tag")?;
        if tag & 0x1f == 0x1f {
            return Err(Error::Malformed {
                what: "BER tag",
                why: "tag number over 30",
            });
        }
        let first = r.u8("BER length")?;
        if first < 0x80 {
            return Ok((tag, usize::from(first)));
        }
        let octets = usize::from(first & 0x7f);
        if octets == 0 || octets > 4 {
            return Err(Error::Malformed {
                what: "BER length",
                why: "indefinite or over four octets",
            });
        }
        let mut length = 0_usize;
        for byte in r.take(octets, "BER length")? {
            length = (length << 8) | usize::from(*byte);
        }
        Ok((tag, length))
    }

    /// Reads a whole element.
    ///
    /// # Errors
    /// `Short` if the contents are not all there, `Malformed` as [`Tlv::header`].
    pub fn read(r: &mut Reader<'a>) -> Result<Self> {
        let (tag, length) = Self::header(r)?;
        Ok(Self {
            tag,
            value: r.take(length, "BER contents")?,
        })
    }

    /// Reads a whole element that must have this tag.
    ///
    /// # Errors
    /// As [`Tlv::read`]; `Malformed` if the tag is another.
    pub fn expect(r: &mut Reader<'a>, tag: u8, what: &'static str) -> Result<&'a [u8]> {
        let tlv = Self::read(r)?;
        if tlv.tag == tag {
            Ok(tlv.value)
        } else {
            Err(Error::Malformed {
                what,
                why: "unexpected tag",
            })
        }
    }

    /// A reader over the contents.
    #[must_use]
    pub fn inside(&self) -> Reader<'a> {
        Reader::new(self.value)
    }

    /// The contents as a non-negative integer of at most eight octets.
    ///
    /// # Errors
    /// `Malformed` if empty or longer.
    pub fn uint(&self) -> Result<u64> {
        if self.value.is_empty() || self.value.len() > 8 {
            return Err(Error::Malformed {
                what: "BER integer",
                why: "empty or over eight octets",
            });
        }
        Ok(self
            .value
            .iter()
            .fold(0_u64, |n, b| (n << 8) | u64::from(*b)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lengths_as_active_directory_writes_them() {
        let bytes = [0x30, 0x84, 0, 0, 0, 2, 0x05, 0x00, 0xff];
        let mut r = Reader::new(&bytes);
        let tlv = Tlv::read(&mut r).unwrap();
        assert_eq!((tlv.tag, tlv.value), (tag::SEQUENCE, &[5, 0][..]));
        assert_eq!(r.rest(), [0xff]);
    }

    #[test]
    fn every_prefix_is_short_not_malformed() {
        let bytes = [0x30, 0x82, 0, 3, 1, 2, 3];
        for n in 0..bytes.len() {
            let got = Tlv::read(&mut Reader::new(&bytes[..n]));
            assert!(matches!(got, Err(Error::Short { .. })), "{n}: {got:?}");
        }
    }

    #[test]
    fn indefinite_length_is_refused() {
        let got = Tlv::read(&mut Reader::new(&[0x30, 0x80, 0, 0]));
        assert!(matches!(got, Err(Error::Malformed { .. })));
    }
}
