//! Layouts of DNS messages and of what took them over: names, questions, records.
//!
//! ```text
//! header    id 2, flags 2 (QR, opcode 4, AA, TC, RD, RA, Z 3, RCODE 4), four counts of 2      RFC 1035 4.1.1
//! question  name, type 2, class 2                                                             RFC 1035 4.1.2
//! record    name, type 2, class 2, TTL 4, length 2, data                                      RFC 1035 4.1.3
//! name      labels of length 1 and bytes, ended by 0 or by a pointer 0b11 and 14 bits         RFC 1035 4.1.4
//! ```

use std::fmt::Write;

use crate::limits::{DNS_HOPS, DNS_NAME_BYTES};
use crate::wire::{Error, Reader, Result};

/// Types that are read (RFC 1035 3.2.2, RFC 3596, RFC 2782, RFC 2930, RFC 8945, RFC 1002 4.2.1.3).
pub mod rrtype {
    /// IPv4 address.
    pub const A: u16 = 1;
    /// Name server.
    pub const NS: u16 = 2;
    /// Alias.
    pub const CNAME: u16 = 5;
    /// Start of a zone.
    pub const SOA: u16 = 6;
    /// Name of an address.
    pub const PTR: u16 = 12;
    /// Text.
    pub const TXT: u16 = 16;
    /// IPv6 address.
    pub const AAAA: u16 = 28;
    /// NetBIOS name; elsewhere NIMLOC.
    pub const NB: u16 = 32;
    /// Service. Of NetBIOS, the names of a node.
    pub const SRV: u16 = 33;
    /// Delegation by name.
    pub const DNAME: u16 = 39;
    /// EDNS.
    pub const OPT: u16 = 41;
    /// Key exchange.
    pub const TKEY: u16 = 249;
    /// Signature of a transaction.
    pub const TSIG: u16 = 250;
}

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Id of the transaction.
    pub id: u16,
    /// Flags as on the wire.
    pub flags: u16,
    /// Questions, answers, authorities, additionals. Of an update: zone, prerequisites, updates, additionals.
    pub counts: [u16; 4],
}

impl Header {
    /// Bytes of a header.
    pub const LEN: usize = 12;

    /// Reads one.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let mut r = Reader::new(bytes).with_order(true);
        const WHAT: &str = "DNS header";
        Ok(Self {
            id: r.u16(WHAT)?,
            flags: r.u16(WHAT)?,
            counts: [r.u16(WHAT)?, r.u16(WHAT)?, r.u16(WHAT)?, r.u16(WHAT)?],
        })
    }

    /// QR: it is an answer.
    pub fn response(self) -> bool {
        self.flags & 0x8000 != 0
    }

    /// Opcode.
    pub fn opcode(self) -> u8 {
        u8::try_from((self.flags >> 11) & 0xf).unwrap_or(0)
    }

    /// RCODE.
    pub fn rcode(self) -> u8 {
        u8::try_from(self.flags & 0xf).unwrap_or(0)
    }

    /// Could be a message of this many bytes: a known opcode, something in it, and no more than fits. A question
    /// takes five bytes at least, a record eleven.
    pub fn plausible(self, len: usize) -> bool {
        let [questions, records @ ..] = self.counts;
        let records: usize = records.iter().map(|n| usize::from(*n)).sum();
        let least = usize::from(questions)
            .saturating_mul(5)
            .saturating_add(records.saturating_mul(11))
            .saturating_add(Self::LEN);
        // NetBIOS has opcodes up to 15 (RFC 1002 4.2.1.1): refresh is 8 or 9, registration by many 15.
        let opcode = matches!(self.opcode(), 0..=2 | 4..=9 | 15);
        // A response without anything in it says it failed.
        let empty = least == Self::LEN && !self.response();
        opcode && !empty && least <= len && questions <= 16
    }
}

/// One record, its data as it lies in the message.
#[derive(Clone, Copy, Debug)]
pub struct RawRecord {
    /// Where its name begins.
    pub name: usize,
    /// Type.
    pub kind: u16,
    /// Class; of mDNS the top bit says that older records are to be forgotten.
    pub class: u16,
    /// Seconds.
    pub ttl: u32,
    /// Where its data begins.
    pub data: usize,
    /// Bytes of data.
    pub len: usize,
}

/// A message and how far it was read.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Message<'a> {
    /// A message behind its header.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: Header::LEN,
        }
    }

    /// All of it.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The next question: where its name begins, type, class.
    pub fn question(&mut self) -> Result<(usize, u16, u16)> {
        let name = self.at;
        let mut r = self.after(skip_name(self.bytes, name)?)?;
        let (kind, class) = (r.u16("question")?, r.u16("question")?);
        self.at = self.bytes.len().saturating_sub(r.left());
        Ok((name, kind, class))
    }

    /// The next record.
    pub fn record(&mut self) -> Result<RawRecord> {
        const WHAT: &str = "resource record";
        let name = self.at;
        let mut r = self.after(skip_name(self.bytes, name)?)?;
        let (kind, class) = (r.u16(WHAT)?, r.u16(WHAT)?);
        let ttl = r.u32(WHAT)?;
        let len = usize::from(r.u16(WHAT)?);
        let data = self.bytes.len().saturating_sub(r.left());
        r.skip(len, "record data")?;
        self.at = data.saturating_add(len);
        Ok(RawRecord {
            name,
            kind,
            class,
            ttl,
            data,
            len,
        })
    }

    /// A reader over the data of a record.
    pub fn data(&self, record: &RawRecord) -> Reader<'a> {
        let end = record.data.saturating_add(record.len);
        let data = self.bytes.get(record.data..end).unwrap_or_default();
        Reader::new(data).with_order(true)
    }

    fn after(&self, at: usize) -> Result<Reader<'a>> {
        let rest = self.bytes.get(at..).ok_or(Error::Short {
            what: "DNS name",
            need: at,
        })?;
        Ok(Reader::new(rest).with_order(true))
    }
}

/// Where what follows a name begins.
pub fn skip_name(bytes: &[u8], mut at: usize) -> Result<usize> {
    loop {
        let length = *bytes.get(at).ok_or(Error::Short {
            what: "DNS name",
            need: at.saturating_add(1),
        })?;
        at = match length {
            0 => return Ok(at.saturating_add(1)),
            0xc0.. => return Ok(at.saturating_add(2)),
            1..=0x3f => at.saturating_add(1).saturating_add(length.into()),
            _ => return Err(bad_name("label type is reserved")),
        };
    }
}

/// Appends the name at `at` as text, without the dot at its end; the root is `.`. Dots and backslashes inside
/// labels, control characters and bytes over 126 that are no UTF-8 are written `\DDD` (RFC 4343 2.1).
pub fn push_name(bytes: &[u8], at: usize, text: &mut String) -> Result<()> {
    let start = text.len();
    each_label(bytes, at, |label| {
        if text.len() > start {
            text.push('.');
        }
        push_label(label, text);
    })?;
    if text.len() == start {
        text.push('.');
    }
    Ok(())
}

/// Calls `each` with the labels of the name at `at`, pointers followed.
pub fn each_label(bytes: &[u8], mut at: usize, mut each: impl FnMut(&[u8])) -> Result<()> {
    let (mut total, mut hops) = (0_usize, 0_usize);
    loop {
        let length = *bytes.get(at).ok_or(Error::Short {
            what: "DNS name",
            need: at.saturating_add(1),
        })?;
        let body = at.saturating_add(1);
        match length {
            0 => return Ok(()),
            1..=0x3f => {
                let end = body.saturating_add(length.into());
                let label = bytes.get(body..end).ok_or(Error::Short {
                    what: "DNS label",
                    need: end,
                })?;
                total = total.saturating_add(label.len()).saturating_add(1);
                if total > DNS_NAME_BYTES {
                    return Err(bad_name("longer than a name may be"));
                }
                each(label);
                at = end;
            }
            0xc0.. => {
                let low = *bytes.get(body).ok_or(Error::Short {
                    what: "DNS name",
                    need: body.saturating_add(1),
                })?;
                let target = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                hops = hops.saturating_add(1);
                // Backwards only: forwards nobody points, and backwards it must end.
                if target >= at || hops > DNS_HOPS {
                    return Err(bad_name("pointer leads nowhere"));
                }
                at = target;
            }
            _ => return Err(bad_name("label type is reserved")),
        }
    }
}

fn bad_name(why: &'static str) -> Error {
    Error::Malformed {
        what: "DNS name",
        why,
    }
}

/// Appends a label, or another text of DNS.
pub fn push_label(label: &[u8], text: &mut String) {
    for piece in label.utf8_chunks() {
        for c in piece.valid().chars() {
            match c {
                '.' | '\\' => {
                    text.push('\\');
                    text.push(c);
                }
                c if c.is_control() => push_escaped(u32::from(c), text),
                c => text.push(c),
            }
        }
        for byte in piece.invalid() {
            push_escaped((*byte).into(), text);
        }
    }
}

fn push_escaped(value: u32, text: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(text, "\\{value:03}");
}

/// Appends a NetBIOS name (RFC 1001 14.1): 32 letters A to P, a half byte each, are 15 characters padded with
/// blanks and a suffix, which is returned; the labels behind are its scope. A name that is not encoded so is
/// written as it is.
pub fn push_netbios_name(bytes: &[u8], at: usize, text: &mut String) -> Result<Option<u8>> {
    let start = text.len();
    let mut suffix = None;
    let mut first = true;
    each_label(bytes, at, |label| {
        if std::mem::take(&mut first)
            && let Some((name, last)) = netbios(label)
        {
            suffix = Some(last);
            let end = name.iter().rposition(|b| *b != b' ' && *b != 0);
            let name = name.get(..=end.unwrap_or(0)).unwrap_or_default();
            // A wildcard is an asterisk and zeros (RFC 1002 4.2.17).
            push_label(name, text);
            return;
        }
        if text.len() > start {
            text.push('.');
        }
        push_label(label, text);
    })?;
    Ok(suffix)
}

/// The 15 characters and the suffix that 32 letters stand for.
fn netbios(label: &[u8]) -> Option<([u8; 15], u8)> {
    let label: &[u8; 32] = label.try_into().ok()?;
    let mut name = [0; 16];
    for (to, pair) in name.iter_mut().zip(label.as_chunks::<2>().0) {
        let [high, low] = pair.map(|b| b.wrapping_sub(b'A'));
        if high > 15 || low > 15 {
            return None;
        }
        *to = high << 4 | low;
    }
    let (suffix, name) = name.split_last()?;
    Some((name.first_chunk().copied()?, *suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(bytes: &[u8], at: usize) -> Result<String> {
        let mut text = String::new();
        push_name(bytes, at, &mut text).map(|()| text)
    }

    #[test]
    fn names_of_rfc_1035() {
        // RFC 1035 4.1.4: F.ISI.ARPA at 20, FOO and a pointer to it at 40, ARPA by pointer at 64, the root at 92.
        let mut message = vec![0; 20];
        message.extend(b"\x01F\x03ISI\x04ARPA\0");
        message.resize(40, 0);
        message.extend(b"\x03FOO\xc0\x14");
        message.resize(64, 0);
        message.extend(b"\xc0\x1a");
        message.resize(93, 0);
        assert_eq!(name(&message, 20).unwrap(), "F.ISI.ARPA");
        assert_eq!(name(&message, 40).unwrap(), "FOO.F.ISI.ARPA");
        assert_eq!(name(&message, 64).unwrap(), "ARPA");
        assert_eq!(name(&message, 92).unwrap(), ".");
        assert_eq!(skip_name(&message, 20), Ok(32));
        assert_eq!(skip_name(&message, 40), Ok(46));
    }

    #[test]
    fn names_that_do_not_end() {
        assert!(name(b"\xc0\x00", 0).is_err(), "points at itself");
        assert!(name(b"\x01a\xc0\x00", 0).is_err(), "a loop");
        assert!(name(b"\xc0\x02\x00", 0).is_err(), "forwards");
        assert!(name(b"\x40", 0).is_err(), "reserved");
        assert!(name(b"\x05ab", 0).is_err(), "cut");
        let long = [&[63; 64][..]; 5].concat();
        assert!(name(&long, 0).is_err(), "longer than 255 bytes");
        assert_eq!(name(b"\x03a.b\x02\xff\n\0", 0).unwrap(), r"a\.b.\255\010");
        assert_eq!(name("\x05w\u{f6}rd\0".as_bytes(), 0).unwrap(), "w\u{f6}rd");
    }

    #[test]
    fn netbios_names_of_rfc_1001() {
        // RFC 1001 14.1: "FRED", padded to 16 with blanks, and a scope.
        let mut message = b"\x20EGFCEFEECACACACACACACACACACACACA".to_vec();
        message.extend(b"\x07NETBIOS\x03COM\0");
        let mut text = String::new();
        let suffix = push_netbios_name(&message, 0, &mut text).unwrap();
        assert_eq!((text.as_str(), suffix), ("FRED.NETBIOS.COM", Some(0x20)));
        // "*" and zeros: the wildcard of a node status request.
        let star = b"\x20CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\0";
        text.clear();
        assert_eq!(push_netbios_name(star, 0, &mut text), Ok(Some(0)));
        assert_eq!(text, "*");
    }
}
