//! Where secrets lie in bytes of a stream, whatever carries them.
//!
//! Found by their own shape and not by the protocol around them, so that a carrier nobody decodes is no way around:
//!
//! | What | Zeroed |
//! |---|---|
//! | NTLMSSP AUTHENTICATE (MS-NLMP 2.2.1.3), raw or in base64 | LM and NT response, session key, integrity code |
//! | SMB 1 session setup without extended security (MS-CIFS 2.2.4.53.1) | both passwords |
//! | Kerberos EncryptedData (RFC 4120 5.2.9): tickets, authenticators, encrypted timestamps, answers of a KDC | the cipher |
//! | HTTP `Authorization` of other schemes | the value, by `x` |
//! | LDAP simple bind (RFC 4511 4.2) | the password |

use std::ops::Range;

use data_encoding::BASE64;
use memchr::memmem;

use crate::wire::{Reader, Tlv};

/// Least characters of base64 that can hold a secret: an AUTHENTICATE has at least 64 bytes.
const LEAST_BASE64: usize = 40;

/// Overwrites every secret that begins in `bytes`. What of it lies beyond their end is not there to be overwritten.
pub(super) fn erase(bytes: &mut [u8]) {
    let mut spans = raw(bytes);
    spans.extend(smb1_logon(bytes));
    spans.extend(simple_bind(bytes));
    for span in spans {
        if let Some(secret) = clipped(bytes, span) {
            secret.fill(0);
        }
    }
    for span in authorizations(bytes) {
        if let Some(secret) = clipped(bytes, span) {
            secret.fill(b'x');
        }
    }
    base64(bytes);
}

/// The part of `span` that is in `bytes`.
fn clipped(bytes: &mut [u8], span: Range<usize>) -> Option<&mut [u8]> {
    let end = span.end.min(bytes.len());
    bytes.get_mut(span.start..end)
}

/// Secrets that stand as they are.
fn raw(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut spans = authenticate(bytes);
    spans.extend(encrypted_data(bytes));
    spans
}

fn le16(bytes: &[u8], at: usize) -> Option<usize> {
    let field = bytes.get(at..at.checked_add(2)?)?;
    Some(usize::from(u16::from_le_bytes([
        *field.first()?,
        *field.get(1)?,
    ])))
}

fn le32(bytes: &[u8], at: usize) -> Option<usize> {
    let field: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(field)).ok()
}

/// MS-NLMP 2.2.1.3: fields of length (2), room (2) and offset (4): LM response at 12, NT response at 20, domain at
/// 28, user at 36, workstation at 44, session key at 52; flags at 60, version at 64, MIC at 72 to 88 if the first
/// field begins no earlier.
fn authenticate(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    for at in memmem::find_iter(bytes, b"NTLMSSP\0\x03\0\0\0") {
        let field = |place: usize| {
            let len = le16(bytes, at + place)?;
            let offset = le32(bytes, at + place + 4)?;
            (len > 0 && (64..=0xffff).contains(&offset)).then_some((offset, len))
        };
        let mut first = usize::MAX;
        for (place, secret) in [
            (12, true),
            (20, true),
            (28, false),
            (36, false),
            (44, false),
            (52, true),
        ] {
            let Some((offset, len)) = field(place) else {
                continue;
            };
            first = first.min(offset);
            if secret {
                spans.push(at + offset..at + offset + len);
            }
        }
        if first >= 88 {
            spans.push(at + 72..at + 88);
        }
    }
    spans
}

/// An element of this tag at `at`: where its value begins, and where it ends.
fn der(bytes: &[u8], at: usize, tag: u8) -> Option<(usize, usize)> {
    if *bytes.get(at)? != tag {
        return None;
    }
    let mut r = Reader::new(bytes.get(at..)?);
    let (_, len) = Tlv::header(&mut r).ok()?;
    let start = at + r.at();
    Some((start, start.saturating_add(len)))
}

/// `SEQUENCE { [0] INTEGER etype, [1] INTEGER kvno OPTIONAL, [2] OCTET STRING cipher }`.
fn encrypted_data(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut from = 0;
    for at in memchr::memchr_iter(0xa0, bytes) {
        // What lies in a cipher that was found is none.
        if at < from {
            continue;
        }
        if let Some(cipher) = cipher(bytes, at) {
            from = cipher.end;
            spans.push(cipher);
        }
    }
    spans
}

fn cipher(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let integer = |at, tag| {
        let (start, end) = der(bytes, at, tag)?;
        let (digits, inner) = der(bytes, start, 0x02)?;
        (inner == end && (1..=5).contains(&(inner - digits))).then_some(end)
    };
    let mut next = integer(at, 0xa0)?;
    if let Some(end) = integer(next, 0xa1) {
        next = end;
    }
    let (start, end) = der(bytes, next, 0xa2)?;
    let (cipher, inner) = der(bytes, start, 0x04)?;
    (inner == end && inner - cipher >= 8).then_some(cipher..inner)
}

/// MS-CIFS 2.2.4.53.1: header 32, WordCount 13, lengths of the passwords at words 7 and 8, ByteCount, the passwords.
fn smb1_logon(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    for at in memmem::find_iter(bytes, b"\xffSMB\x73") {
        if bytes.get(at + 32) != Some(&13) {
            continue;
        }
        if let (Some(lm), Some(nt)) = (le16(bytes, at + 47), le16(bytes, at + 49)) {
            spans.push(at + 61..at + 61 + lm + nt);
        }
    }
    spans
}

/// RFC 4511 4.2: `[APPLICATION 0] { INTEGER version, OCTET STRING name, [0] password }`.
fn simple_bind(bytes: &[u8]) -> Vec<Range<usize>> {
    let password = |at| {
        let (start, _) = der(bytes, at, 0x60)?;
        let (_, version) = der(bytes, start, 0x02)?;
        let (_, name) = der(bytes, version, 0x04)?;
        let (secret, end) = der(bytes, name, 0x80)?;
        (end > secret).then_some(secret..end)
    };
    memchr::memchr_iter(0x60, bytes)
        .filter_map(password)
        .collect()
}

/// Values of `Authorization` and `Proxy-Authorization` whose scheme is neither NTLM nor Negotiate.
fn authorizations(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    for colon in memchr::memchr_iter(b':', bytes) {
        let name = b"authorization";
        let Some(from) = colon.checked_sub(name.len()) else {
            continue;
        };
        if !bytes
            .get(from..colon)
            .is_some_and(|n| n.eq_ignore_ascii_case(name))
        {
            continue;
        }
        let rest = bytes.get(colon + 1..).unwrap_or_default();
        let line = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        let value = rest.get(..line).unwrap_or_default();
        let is_blank = |b: &u8| matches!(b, b' ' | b'\t');
        let blank = value.iter().take_while(|b| is_blank(b)).count();
        let word = value.get(blank..).unwrap_or_default();
        let scheme = word.iter().take_while(|b| !is_blank(b)).count();
        let named = word.get(..scheme).unwrap_or_default();
        // A word alone is no scheme but the secret itself.
        let scheme = if scheme == word.len() { 0 } else { scheme };
        if !named.eq_ignore_ascii_case(b"ntlm") && !named.eq_ignore_ascii_case(b"negotiate") {
            spans.push(colon + 1 + blank + scheme..colon + 1 + line);
        }
    }
    spans
}

/// The same in base64, as HTTP and mail carry it. Only what holds a secret is changed.
fn base64(bytes: &mut [u8]) {
    let mut at = 0;
    while at < bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        let len = rest.iter().take_while(|b| is_base64(**b)).count();
        if len >= LEAST_BASE64 {
            // Where the text before it is of the same letters, its groups may begin at any of four places.
            for shift in 0..4 {
                if let Some(text) = bytes.get_mut(at + shift..at + len) {
                    erase_base64(text);
                }
            }
        }
        at += len.max(1);
    }
}

fn is_base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')
}

fn erase_base64(text: &mut [u8]) {
    // The last group may be short, of a padded text or of one that was cut: filled up it decodes.
    let mut whole = text.to_vec();
    whole.resize(whole.len().next_multiple_of(4), b'A');
    let Ok(mut decoded) = BASE64.decode(&whole) else {
        return;
    };
    let spans = raw(&decoded);
    if spans.is_empty() {
        return;
    }
    for span in spans {
        if let Some(secret) = clipped(&mut decoded, span) {
            secret.fill(0);
        }
    }
    let again = BASE64.encode(&decoded);
    for (to, from) in text.iter_mut().zip(again.bytes()) {
        *to = from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An AUTHENTICATE with a MIC, a response of 24 and one of 60 bytes, the user `ab`, a key of 16.
    fn message() -> (Vec<u8>, Vec<Range<usize>>) {
        let mut m = b"NTLMSSP\0\x03\0\0\0".to_vec();
        for (len, offset) in [
            (24_u16, 90_u32),
            (60, 114),
            (0, 88),
            (2, 88),
            (0, 88),
            (16, 174),
        ] {
            m.extend(len.to_le_bytes());
            m.extend(len.to_le_bytes());
            m.extend(offset.to_le_bytes());
        }
        m.resize(72, 1);
        m.resize(88, 0xee); // MIC
        m.extend(b"ab");
        m.resize(190, 0xee);
        (m, vec![72..88, 90..190])
    }

    fn check(before: &[u8], after: &[u8], secrets: &[Range<usize>]) {
        for (i, (b, a)) in before.iter().zip(after).enumerate() {
            let secret = secrets.iter().any(|s| s.contains(&i));
            assert_eq!(*a, if secret { 0 } else { *b }, "byte {i}");
        }
    }

    #[test]
    fn responses_are_zeroed_and_names_stay() {
        let (message, secrets) = message();
        let mut stream = b"before ".to_vec();
        stream.extend(&message);
        stream.extend(b" after");
        let mut clean = stream.clone();
        erase(&mut clean);
        let at: Vec<_> = secrets.iter().map(|s| s.start + 7..s.end + 7).collect();
        check(&stream, &clean, &at);
        assert!(clean.windows(2).any(|w| w == b"ab"));
    }

    #[test]
    fn base64_is_zeroed_wherever_its_groups_begin() {
        let (message, secrets) = message();
        for glue in ["", "x", "xy", "xyz"] {
            let head = format!("GET / HTTP/1.1\r\nAuthorization: NTLM {glue}");
            let mut text =
                format!("{head}{}\r\nHost: a\r\n\r\n", BASE64.encode(&message)).into_bytes();
            let before = text.len();
            erase(&mut text);
            assert_eq!(text.len(), before);
            let line = String::from_utf8(text).unwrap();
            let token = line
                .strip_prefix(&head)
                .unwrap()
                .split('\r')
                .next()
                .unwrap();
            check(
                &message,
                &BASE64.decode(token.as_bytes()).unwrap(),
                &secrets,
            );
            assert!(line.ends_with("\r\nHost: a\r\n\r\n"));
        }
    }

    #[test]
    fn every_cipher_of_kerberos_is_zeroed() {
        // EncryptedData: etype 18, kvno 2, 16 bytes; then etype 23 without kvno, length in two bytes.
        let mut stream = vec![
            0x30, 0x1f, 0xa0, 3, 2, 1, 18, 0xa1, 3, 2, 1, 2, 0xa2, 18, 4, 16,
        ];
        stream.extend([0xee; 16]);
        stream.extend([
            0x30, 0x81, 0x8f, 0xa0, 3, 2, 1, 23, 0xa2, 0x81, 0x83, 4, 0x81, 0x80,
        ]);
        let second = stream.len();
        stream.extend([0xee; 128]);
        let mut clean = stream.clone();
        erase(&mut clean);
        check(&stream, &clean, &[16..32, second..second + 128]);
    }

    #[test]
    fn passwords_of_old_protocols_are_overwritten() {
        let mut smb = b"\xffSMB\x73".to_vec();
        smb.resize(32, 0);
        smb.push(13);
        smb.extend([0; 14]);
        smb.extend([2, 0, 3, 0]); // lengths of the passwords
        smb.resize(61, 0);
        smb.extend(b"LMNTRuser");
        erase(&mut smb);
        assert!(smb.ends_with(b"\0\0\0\0\0user"));
        let mut bind = b"\x30\x13\x02\x01\x01\x60\x0e\x02\x01\x03\x04\x03cn=\x80\x04pass".to_vec();
        erase(&mut bind);
        assert!(bind.ends_with(b"cn=\x80\x04\0\0\0\0"));
        // As Windows writes it: every length in four octets (X.690 8.1.3.5).
        let mut bind = b"\x60\x84\0\0\0\x12\x02\x01\x03\x04\x03cn=\x80\x84\0\0\0\x04pass".to_vec();
        erase(&mut bind);
        assert!(bind.ends_with(b"cn=\x80\x84\0\0\0\x04\0\0\0\0"));
        let mut http =
            b"GET / HTTP/1.1\r\nAUTHORIZATION: Basic YTpi\r\nX: authorization\r\n".to_vec();
        erase(&mut http);
        assert_eq!(
            http,
            b"GET / HTTP/1.1\r\nAUTHORIZATION: Basicxxxxx\r\nX: authorization\r\n"
        );
        for (before, after) in [
            ("Authorization: token\r\n", "Authorization: xxxxx\r\n"),
            (
                "Authorization: Basic\tYTpi\r\n",
                "Authorization: Basicxxxxx\r\n",
            ),
            ("Authorization: NTLM\r\n", "Authorization: NTLM\r\n"),
        ] {
            let mut http = before.as_bytes().to_vec();
            erase(&mut http);
            assert_eq!(String::from_utf8(http).unwrap(), after);
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(mut bytes: Vec<u8>, tag in 0_usize..5) {
            let heads: [&[u8]; 5] = [b"NTLMSSP\0\x03\0\0\0", b"\xffSMB\x73", b"\xa0\x03\x02\x01", b"`\x80", b"authorization:"];
            bytes.splice(0..0, heads[tag].iter().copied());
            let len = bytes.len();
            erase(&mut bytes);
            proptest::prop_assert_eq!(bytes.len(), len);
        }
    }
}
