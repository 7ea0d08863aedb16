//! What a domain controller answers to a ping for `netlogon` (MS-ADTS 6.3.1.9); keeps nothing.
//!
//! ```text
//! NETLOGON_SAM_LOGON_RESPONSE_EX, little-endian:
//! 0 opcode u16 = 23 or 25  2 sbz u16  4 flags u32  8 domain GUID 16
//! 24 forest, domain, host, NetBIOS domain, NetBIOS computer, user, DC site, client site
//! ```
//!
//! Each text is labels as in DNS (RFC 1035 4.1.4), pointers counted from byte 0.
//!
//! Not read: the older answers (opcodes 19 to 21), the user, what follows the sites.

use crate::limits::LDAP_TEXT_BYTES;
use crate::wire::{Error, Reader, Result, Tlv, tag};

/// LOGON_SAM_LOGON_RESPONSE_EX and LOGON_SAM_USER_UNKNOWN_EX (MS-ADTS 6.3.1.3).
const OPCODES: [u16; 2] = [23, 25];
/// Pointers followed in one text.
const POINTERS: usize = 8;

/// The texts of an answer: forest, domain, host, NetBIOS domain, NetBIOS computer, user, DC site,
/// client site. Memory is used again.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) texts: [String; 8],
}

impl Names {
    /// Reads an answer; DS_FLAG bits (MS-ADTS 6.3.1.2).
    pub(super) fn read(&mut self, answer: &[u8]) -> Result<u32> {
        let mut r = Reader::new(answer);
        let opcode = r.u16("netlogon opcode")?;
        if !OPCODES.contains(&opcode) {
            return Err(malformed("opcode that is not read"));
        }
        r.skip(2, "netlogon")?;
        let flags = r.u32("netlogon flags")?;
        r.skip(16, "netlogon domain GUID")?;
        let mut at = r.at();
        for text in &mut self.texts {
            text.clear();
            at = name(answer, at, text)?;
        }
        Ok(flags)
    }
}

/// Reads labels from `at`; where they end.
fn name(answer: &[u8], at: usize, out: &mut String) -> Result<usize> {
    let mut at = at;
    let mut end = None;
    for _ in 0..=POINTERS {
        let mut r = Reader::new(answer);
        r.skip(at, "netlogon name")?;
        loop {
            let length = r.u8("netlogon name")?;
            match length {
                0 => return Ok(end.unwrap_or(r.at())),
                1..=63 => {
                    let label = r.take(length.into(), "netlogon name")?;
                    if out.len() > LDAP_TEXT_BYTES {
                        return Err(malformed("name too long"));
                    }
                    if !out.is_empty() {
                        out.push('.');
                    }
                    let text = String::from_utf8_lossy(label);
                    out.extend(text.chars().map(|c| if c.is_control() { '?' } else { c }));
                }
                0xc0..=0xff => {
                    let low = r.u8("netlogon name")?;
                    end = end.or(Some(r.at()));
                    at = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                    break;
                }
                _ => return Err(malformed("label of no known kind")),
            }
        }
    }
    Err(malformed("pointers without end"))
}

/// The value of the attribute `netlogon` in a SearchResultEntry, if it is there.
///
/// ```text
/// SearchResultEntry ::= [APPLICATION 4] SEQUENCE { objectName, attributes SEQUENCE OF { type, vals SET OF } }
/// ```
pub(super) fn value(entry: &[u8]) -> Result<Option<&[u8]>> {
    let mut r = Reader::new(entry);
    Tlv::expect(&mut r, tag::OCTET_STRING, "objectName")?;
    let mut attributes = Tlv::read(&mut r)?.inside();
    while !attributes.is_empty() {
        let mut attribute = Tlv::read(&mut attributes)?.inside();
        let name = Tlv::expect(&mut attribute, tag::OCTET_STRING, "attribute")?;
        let mut values = Tlv::read(&mut attribute)?.inside();
        if name.eq_ignore_ascii_case(b"netlogon") && !values.is_empty() {
            return Tlv::read(&mut values).map(|tlv| Some(tlv.value));
        }
    }
    Ok(None)
}

fn malformed(why: &'static str) -> Error {
    Error::Malformed {
        what: "netlogon answer",
        why,
    }
}
