//! The SASL layer behind a bind that agreed on signing or sealing (RFC 4513 5.2.1.6): where the
//! clear text stands in a buffer, if it is clear; keeps nothing.
//!
//! ```text
//! 0 length u32, big-endian  4 token                                        -- RFC 4422 3.7
//! NTLM (MS-NLMP 2.2.2.9.1):      0 version u32 = 1  4 checksum 8  12 seqnum u32  16 text
//! Kerberos (RFC 4121 4.2.6.2):   0 05 04  2 flags  3 ff  4 EC u16  6 RRC u16  8 SND_SEQ u64
//!                                16 text and checksum of EC bytes, rotated right by RRC
//! Kerberos, RC4 (RFC 4757 7.3):  0 60 len 06 09 OID 02 01  SGN_ALG u16  SEAL_ALG u16  ffff
//!                                SND_SEQ 8  SGN_CKSUM 8  confounder 8  text  pad 1
//! ```
//!
//! Not read: text that RRC tears in two (nobody rotates so), the older DES tokens.

use super::wire::{Begins, begins, sasl_length};
use crate::event::SaslLayer;
use crate::net::Direction;
use crate::wire::{Reader, Result};

/// Bytes of a token that tell what it is: the longest header before the text is that of RC4.
const HEADER: usize = 48;
/// Bytes of a message's head that tell it from ciphertext.
const HEAD: usize = 20;
/// The mechanism of Kerberos (RFC 4121 4.1), as an OBJECT IDENTIFIER.
const KRB5: &[u8] = &[
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02,
];

/// A buffer whose beginning was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Buffer {
    /// Bytes of the whole buffer, its length field included.
    pub(super) total: usize,
    /// Bytes before the text.
    pub(super) before: usize,
    /// Bytes behind it.
    pub(super) after: usize,
    /// Sealed if the text is not clear.
    pub(super) layer: SaslLayer,
}

/// What the front of a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A buffer.
    Buffer(Buffer),
    /// It takes so many bytes to tell.
    More(usize),
}

/// Reads the beginning of a buffer. `known` decides where the token does not: in the middle of a
/// message that began in an earlier buffer, signed NTLM looks like sealed.
pub(super) fn buffer(bytes: &[u8], direction: Direction, known: Option<SaslLayer>) -> Found {
    let Some(length) = sasl_length(bytes) else {
        return Found::More(4);
    };
    let total = length.saturating_add(4);
    let enough = total.min(4_usize.saturating_add(HEADER).saturating_add(HEAD));
    let Some(front) = bytes.get(4..enough) else {
        return Found::More(enough);
    };
    let clear = |before: usize, after: usize| Buffer {
        total,
        before: before.saturating_add(4),
        after,
        layer: SaslLayer::Signed,
    };
    let sealed = Buffer {
        total,
        before: total,
        after: 0,
        layer: SaslLayer::Sealed,
    };
    let found = match front {
        // The signature says nothing about sealing: the text has to.
        [1, 0, 0, 0, ..] => match (front.get(16..), known) {
            (Some(text), _) if is_message(text, direction) => clear(16, 0),
            (Some(_), Some(SaslLayer::Signed)) => clear(16, 0),
            _ => sealed,
        },
        [5, 4, flags, 0xff, ..] if flags & 2 == 0 => rotated(front, length)
            .ok()
            .flatten()
            .map_or(sealed, |(before, after)| clear(before, after)),
        [0x60, ..] => rc4(front)
            .ok()
            .flatten()
            .map_or(sealed, |before| clear(before, 1)),
        // A mechanism without a header of its own.
        _ if is_message(front, direction) => clear(0, 0),
        _ => sealed,
    };
    let room = found.before.saturating_add(found.after) <= total;
    Found::Buffer(if room { found } else { sealed })
}

fn is_message(bytes: &[u8], direction: Direction) -> bool {
    begins(bytes) == Begins::Message(direction)
}

/// Bytes before and behind the text of an RFC 4121 token that is not sealed.
fn rotated(token: &[u8], length: usize) -> Result<Option<(usize, usize)>> {
    let mut r = Reader::new(token).with_order(true);
    r.skip(4, "Kerberos wrap token")?;
    let extra = usize::from(r.u16("EC")?);
    let rotated = usize::from(r.u16("RRC")?);
    let room = length.saturating_sub(16);
    Ok((rotated <= extra && extra <= room)
        .then(|| (rotated.saturating_add(16), extra.saturating_sub(rotated))))
}

/// Bytes before the text of an RFC 4757 token that is not sealed.
fn rc4(token: &[u8]) -> Result<Option<usize>> {
    let mut r = Reader::new(token);
    crate::wire::Tlv::header(&mut r)?;
    let found = r.take(KRB5.len(), "mechanism")? == KRB5
        && r.u16("TOK_ID")? == 0x0102
        && r.u16("SGN_ALG")? == 0x11
        && r.u16("SEAL_ALG")? == 0xffff;
    // Filler, sequence number, checksum, confounder.
    Ok(found.then(|| r.at().saturating_add(2 + 8 + 8 + 8)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An unbind request: SEQUENCE, messageID 9, [APPLICATION 2] NULL.
    const UNBIND: [u8; 7] = [0x30, 0x05, 0x02, 0x01, 0x09, 0x42, 0x00];

    fn framed(token: &[u8]) -> Vec<u8> {
        let mut out = u32::try_from(token.len()).unwrap().to_be_bytes().to_vec();
        out.extend(token);
        out
    }

    fn text(token: &[u8], known: Option<SaslLayer>) -> Option<Vec<u8>> {
        let bytes = framed(token);
        for n in 0..bytes.len().min(4) {
            assert_eq!(
                buffer(&bytes[..n], Direction::ToServer, known),
                Found::More(4)
            );
        }
        let Found::Buffer(found) = buffer(&bytes, Direction::ToServer, known) else {
            panic!("needs more than there is");
        };
        assert_eq!(found.total, bytes.len());
        (found.layer == SaslLayer::Signed)
            .then(|| bytes[found.before..found.total - found.after].to_vec())
    }

    #[test]
    fn ntlm_signed_and_sealed() {
        let mut token = vec![1, 0, 0, 0]; // version
        token.extend([0xaa; 8]); // checksum
        token.extend([3, 0, 0, 0]); // sequence number
        token.extend(UNBIND);
        assert_eq!(text(&token, None).unwrap(), UNBIND);
        token[16..].fill(0x77);
        assert_eq!(text(&token, None), None, "ciphertext");
        let middle = text(&token, Some(SaslLayer::Signed)).unwrap();
        assert_eq!(middle, [0x77; 7], "the middle of a message");
        assert_eq!(text(&token, Some(SaslLayer::Sealed)), None);
    }

    #[test]
    fn kerberos_with_its_checksum_on_either_end() {
        let head = |flags: u8, ec: u8, rrc: u8| {
            let mut head = vec![5, 4, flags, 0xff, 0, ec, 0, rrc];
            head.extend([0; 8]); // SND_SEQ
            head
        };
        let mut behind = head(1, 12, 0);
        behind.extend(UNBIND);
        behind.extend([0xcc; 12]);
        assert_eq!(text(&behind, None).unwrap(), UNBIND);
        let mut before = head(1, 12, 12);
        before.extend([0xcc; 12]);
        before.extend(UNBIND);
        assert_eq!(text(&before, None).unwrap(), UNBIND);
        before[2] = 3; // sealed
        assert_eq!(text(&before, None), None);
        let torn = [&head(1, 12, 14)[..], &[0xcc; 19]].concat();
        assert_eq!(text(&torn, None), None);
        let short = [&head(1, 200, 0)[..], &UNBIND].concat();
        assert_eq!(text(&short, None), None, "EC beyond the token");
    }

    #[test]
    fn kerberos_with_rc4() {
        let mut token = vec![0x60, 0x33];
        token.extend(KRB5);
        token.extend([2, 1]); // TOK_ID of a wrap token
        token.extend([0x11, 0, 0xff, 0xff, 0xff, 0xff]); // HMAC, no sealing, filler
        token.extend([0; 24]); // SND_SEQ, SGN_CKSUM, confounder
        token.extend(UNBIND);
        token.push(1); // pad
        assert_eq!(text(&token, None).unwrap(), UNBIND);
        token[17] = 0x10; // SEAL_ALG RC4
        token[18] = 0;
        assert_eq!(text(&token, None), None);
    }

    #[test]
    fn a_length_that_is_a_lie_stays_inside() {
        let Found::Buffer(found) = buffer(&[0, 0, 0, 2, 5, 4], Direction::ToServer, None) else {
            panic!("needs more");
        };
        assert_eq!((found.total, found.layer), (6, SaslLayer::Sealed));
    }
}
