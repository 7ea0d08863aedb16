//! A search filter as text (RFC 4515), bounded in length and depth; keeps nothing.
//!
//! Values of attributes that hold secrets are left out, as `…`.

use crate::limits::{LDAP_FILTER_DEPTH, LDAP_TEXT_BYTES};
use crate::wire::{Reader, Tlv};

/// Attributes whose values nobody should see: passwords (MS-ADA1, MS-ADA3, MS-ADTS).
const SECRETS: [&str; 7] = [
    "userPassword",
    "unicodePwd",
    "dBCSPwd",
    "ms-Mcs-AdmPwd",
    "msLAPS-Password",
    "msLAPS-EncryptedPassword",
    "msDS-ManagedPassword",
];

/// Appends the filter at the front of `r`; what does not fit or is broken ends with `…`.
pub(super) fn push(r: &mut Reader<'_>, out: &mut String) {
    if one(r, out, LDAP_FILTER_DEPTH).is_none() {
        out.push('…');
    }
}

/// ```text
/// Filter ::= CHOICE { and [0] SET OF, or [1] SET OF, not [2], equalityMatch [3], substrings [4],
///     greaterOrEqual [5], lessOrEqual [6], present [7], approxMatch [8], extensibleMatch [9] }
/// ```                                                               -- RFC 4511 4.5.1
fn one(r: &mut Reader<'_>, out: &mut String, depth: usize) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    if out.len() >= LDAP_TEXT_BYTES {
        return None;
    }
    let tlv = Tlv::read(r).ok()?;
    let mut inside = tlv.inside();
    out.push('(');
    match tlv.tag {
        0xa0..=0xa2 => {
            out.push(match tlv.tag {
                0xa0 => '&',
                0xa1 => '|',
                _ => '!',
            });
            while !inside.is_empty() {
                one(&mut inside, out, depth)?;
            }
        }
        0xa3 | 0xa5 | 0xa6 | 0xa8 => {
            let name = Tlv::read(&mut inside).ok()?.value;
            let value = Tlv::read(&mut inside).ok()?.value;
            escaped(name, out);
            out.push_str(match tlv.tag {
                0xa5 => ">=",
                0xa6 => "<=",
                0xa8 => "~=",
                _ => "=",
            });
            self::value(name, value, out);
        }
        0xa4 => substrings(&mut inside, out)?,
        0x87 => {
            escaped(tlv.value, out);
            out.push_str("=*");
        }
        0xa9 => extensible(&mut inside, out)?,
        _ => return None,
    }
    out.push(')');
    Some(())
}

/// `SEQUENCE { type, SEQUENCE OF CHOICE { initial [0], any [1], final [2] } }`.
fn substrings(r: &mut Reader<'_>, out: &mut String) -> Option<()> {
    let name = Tlv::read(r).ok()?.value;
    let mut pieces = Tlv::read(r).ok()?.inside();
    escaped(name, out);
    out.push('=');
    let mut star = false;
    while !pieces.is_empty() {
        let piece = Tlv::read(&mut pieces).ok()?;
        if piece.tag != 0x80 && !star {
            out.push('*');
        }
        value(name, piece.value, out);
        star = piece.tag != 0x82;
        if star {
            out.push('*');
        }
    }
    Some(())
}

/// `SEQUENCE { matchingRule [1], type [2], matchValue [3], dnAttributes [4] }`.
fn extensible(r: &mut Reader<'_>, out: &mut String) -> Option<()> {
    let (mut rule, mut name, mut text): (&[u8], &[u8], &[u8]) = (&[], &[], &[]);
    let mut dn = false;
    while !r.is_empty() {
        let tlv = Tlv::read(r).ok()?;
        match tlv.tag {
            0x81 => rule = tlv.value,
            0x82 => name = tlv.value,
            0x83 => text = tlv.value,
            0x84 => dn = tlv.value.iter().any(|b| *b != 0),
            _ => {}
        }
    }
    escaped(name, out);
    if dn {
        out.push_str(":dn");
    }
    if !rule.is_empty() {
        out.push(':');
        escaped(rule, out);
    }
    out.push_str(":=");
    value(name, text, out);
    Some(())
}

fn value(name: &[u8], value: &[u8], out: &mut String) {
    if SECRETS
        .iter()
        .any(|s| name.eq_ignore_ascii_case(s.as_bytes()))
    {
        out.push('…');
    } else {
        escaped(value, out);
    }
}

/// Text as it is, what the grammar needs and what does not print as `\xx` (RFC 4515 3).
fn escaped(bytes: &[u8], out: &mut String) {
    let hex = |n: u8| char::from_digit(u32::from(n & 15), 16).unwrap_or('?');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if out.len() >= LDAP_TEXT_BYTES {
                return;
            }
            match c {
                '(' | ')' | '*' | '\\' | '\0'..='\x1f' | '\x7f' => {
                    let byte = u8::try_from(c).unwrap_or(b'?');
                    out.extend(['\\', hex(byte >> 4), hex(byte)]);
                }
                _ => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            if out.len() >= LDAP_TEXT_BYTES {
                return;
            }
            out.extend(['\\', hex(byte >> 4), hex(*byte)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let value = parts.concat();
        let mut out = vec![tag, 0x82]; // a length of two octets
        out.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        out.extend(value);
        out
    }

    fn text(filter: &[u8]) -> String {
        let mut out = String::new();
        push(&mut Reader::new(filter), &mut out);
        out
    }

    fn equal(name: &[u8], value: &[u8]) -> Vec<u8> {
        tlv(0xa3, &[&tlv(4, &[name]), &tlv(4, &[value])])
    }

    #[test]
    fn every_kind_as_rfc_4515_writes_it() {
        let present = tlv(0x87, &[b"objectClass"]);
        let pki = equal(b"objectClass", b"pKIEnrollmentService");
        let not = tlv(0xa2, &[&equal(b"cn", b"a*(b)\\\xff\x00")]);
        let parts = tlv(
            0x30,
            &[
                &tlv(0x80, &[b"a"]),
                &tlv(0x81, &[b"b"]),
                &tlv(0x82, &[b"c"]),
            ],
        );
        let sub = tlv(0xa4, &[&tlv(4, &[b"cn"]), &parts]);
        let tail = tlv(
            0xa4,
            &[&tlv(4, &[b"cn"]), &tlv(0x30, &[&tlv(0x82, &[b"z"])])],
        );
        let bits = tlv(
            0xa9,
            &[
                &tlv(0x81, &[b"1.2.840.113556.1.4.803"]),
                &tlv(0x82, &[b"userAccountControl"]),
                &tlv(0x83, &[b"8192"]),
            ],
        );
        let ge = tlv(0xa5, &[&tlv(4, &[b"uSNChanged"]), &tlv(4, &[b"1"])]);
        let or = tlv(0xa1, &[&not, &sub, &tail, &bits, &ge]);
        assert_eq!(
            text(&tlv(0xa0, &[&present, &pki, &or])),
            "(&(objectClass=*)(objectClass=pKIEnrollmentService)(|(!(cn=a\\2a\\28b\\29\\5c\\ff\\00))\
             (cn=a*b*c)(cn=*z)(userAccountControl:1.2.840.113556.1.4.803:=8192)(uSNChanged>=1)))"
        );
    }

    #[test]
    fn secrets_and_the_bottomless() {
        assert_eq!(text(&equal(b"UNICODEPWD", b"hunter2")), "(UNICODEPWD=…)");
        let mut deep = tlv(0x87, &[b"x"]);
        for _ in 0..60 {
            deep = tlv(0xa2, &[&deep]);
        }
        let text = text(&deep);
        assert!(text.ends_with("(!…"), "{text}");
        assert_eq!(text.matches('!').count(), LDAP_FILTER_DEPTH);
        let long = vec![b'('; 100_000];
        let mut out = String::new();
        escaped(&long, &mut out);
        assert!(out.len() < LDAP_TEXT_BYTES + 8);
    }
}
