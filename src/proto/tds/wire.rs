//! Packet headers and SSPI tokens (MS-TDS 2.2.3.1, 2.2.6.4, 2.2.6.8).
//!
//! ```text
//! 0 type u8  1 status u8 (1: end of message)  2 length u16, header included  4 SPID u16
//! 6 packet id u8  7 window u8                                               -- big-endian
//! ```

use crate::wire::{Error, Reader, Result};
use crate::wire_code;

wire_code! {
    /// Type of a packet (MS-TDS 2.2.3.1.1).
    pub struct PacketType(u8) {
        /// LOGIN7, with the first SSPI token.
        LOGIN7 = 0x10 => "login7",
        /// A later SSPI token.
        SSPI = 0x11 => "sspi",
        /// PRELOGIN.
        PRELOGIN = 0x12 => "prelogin",
        /// What the server answers.
        REPLY = 0x04 => "reply",
    }
}

/// Bytes of a packet header.
pub const HEADER: usize = 8;

/// One packet of a message.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Type.
    pub kind: PacketType,
    /// The message ends with this packet.
    pub last: bool,
    /// What follows the header.
    pub data: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a whole packet.
    ///
    /// # Errors
    /// `Short` while it is incomplete, `Malformed` if its length leaves no room for the header.
    pub fn read(r: &mut Reader<'a>) -> Result<Self> {
        let [kind, status, high, low, ..] = r.array::<HEADER>("TDS packet header")?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some(data) = length.checked_sub(HEADER) else {
            return Err(Error::Malformed {
                what: "TDS packet length",
                why: "shorter than its header",
            });
        };
        Ok(Self {
            kind: PacketType(kind),
            last: status & 1 != 0,
            data: r.take(data, "TDS packet")?,
        })
    }
}

/// The SSPI token of a whole client message, empty if it has none.
///
/// ```text
/// LOGIN7 (MS-TDS 2.2.6.4), little-endian: 78 ibSSPI u16  80 cbSSPI u16  90 cbSSPILong u32
/// ```
///
/// # Errors
/// `Short` if the message ends before its fixed part or its token.
pub fn sspi(kind: PacketType, message: &[u8]) -> Result<&[u8]> {
    match kind {
        PacketType::SSPI => Ok(message),
        PacketType::LOGIN7 => {
            let mut fixed = Reader::new(message);
            fixed.skip(78, "TDS LOGIN7")?;
            let offset = fixed.u16("TDS ibSSPI")?;
            let mut length = u32::from(fixed.u16("TDS cbSSPI")?);
            if length == 0xffff {
                fixed.skip(8, "TDS LOGIN7")?;
                length = match fixed.u32("TDS cbSSPILong")? {
                    0 => length,
                    long => long,
                };
            }
            let mut r = Reader::new(message);
            if length > 0 {
                r.skip(offset.into(), "TDS SSPI token")?;
            }
            r.take(
                usize::try_from(length).unwrap_or(usize::MAX),
                "TDS SSPI token",
            )
        }
        _ => Ok(&[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::ntlmssp::wire::{Message, message_type};
    use crate::proto::testing::vector;

    #[test]
    fn the_vector_carries_type_3() {
        let v = vector("tds_sspi_message_type3");
        let packet = Packet::read(&mut Reader::new(&v.bytes)).unwrap();
        assert_eq!((packet.kind, packet.last), (PacketType::SSPI, true));
        let token = sspi(packet.kind, packet.data).unwrap();
        assert_eq!(message_type(token), v.number("ntlm"));
        assert!(matches!(
            Message::read(token),
            Ok(Message::Authenticate(m)) if m.user == "alice"
        ));
    }

    #[test]
    fn every_prefix_is_short() {
        let v = vector("tds_sspi_message_type3");
        for n in 0..v.bytes.len() {
            let got = Packet::read(&mut Reader::new(&v.bytes[..n]));
            assert!(matches!(got, Err(Error::Short { .. })), "{n}");
        }
    }

    #[test]
    fn login7_points_to_its_token() {
        let mut login = vec![0; 94];
        login[78] = 94; // ibSSPI
        login[80] = 3; // cbSSPI
        login.extend(b"NTL");
        assert_eq!(sspi(PacketType::LOGIN7, &login), Ok(&b"NTL"[..]));
        login[80..82].fill(0xff); // cbSSPI: see the long one
        login[92] = 1; // cbSSPILong 65,536, more than there is
        assert!(sspi(PacketType::LOGIN7, &login).is_err());
    }
}
