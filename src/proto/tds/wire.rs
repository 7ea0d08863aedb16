//! Packet headers and SSPI tokens (MS-TDS 2.2.3.1, 2.2.6.4, 2.2.6.8).
//!
//! ```text
//! 0 type u8  1 status u8 (1: end of message)  2 length u16, header included  4 SPID u16
//! 6 packet id u8  7 window u8                                               -- big-endian
//! ```

use crate::net::Direction;
use crate::wire::{Error, Reader, Result, Text};
use crate::wire_code;

wire_code! {
    /// Type of a packet (MS-TDS 2.2.3.1.1).
    pub struct PacketType(u8) {
        /// Statements as text.
        BATCH = 0x01 => "batch",
        /// A call of a procedure.
        RPC = 0x03 => "rpc",
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

/// What an end says of encryption (MS-TDS 2.2.6.5, option 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encryption(u8);

impl Encryption {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            0 => "off",
            1 => "on",
            2 => "not_supported",
            3 => "required",
            _ => "unknown",
        }
    }

    /// More than the logon is to be encrypted.
    #[must_use]
    pub fn everything(self) -> bool {
        matches!(self.0, 1 | 3)
    }
}

/// The encryption option of a PRELOGIN message.
///
/// ```text
/// options: 0 token u8 (255 ends)  1 offset u16  3 length u16      -- big-endian
/// ```
///
/// # Errors
/// `Short` if the list has no end.
pub fn encryption(message: &[u8]) -> Result<Option<Encryption>> {
    const ENCRYPTION: u8 = 1;
    const END: u8 = 0xff;
    let mut r = Reader::new(message).with_order(true);
    loop {
        let token = r.u8("TDS PRELOGIN option")?;
        if token == END {
            return Ok(None);
        }
        let offset = r.u16("TDS PRELOGIN option")?;
        r.skip(2, "TDS PRELOGIN option")?;
        if token == ENCRYPTION {
            let at = usize::from(offset);
            return Ok(message.get(at).copied().map(Encryption));
        }
    }
}

/// Names of a LOGIN7 message. The password is not looked at.
///
/// ```text
/// LOGIN7 (MS-TDS 2.2.6.4), little-endian: 25 OptionFlags2 (80: fIntSecurity)
/// 36 host  40 user  44 password  48 app  52 server  60 library  68 database: offset u16, characters u16
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// Client's name.
    pub host: Text<'a>,
    /// SQL user.
    pub user: Text<'a>,
    /// Program.
    pub app: Text<'a>,
    /// Server, as the client calls it.
    pub server: Text<'a>,
    /// Library.
    pub library: Text<'a>,
    /// Database.
    pub database: Text<'a>,
    /// Windows authenticates.
    pub integrated: Option<bool>,
}

/// Reads a whole LOGIN7 message.
///
/// # Errors
/// `Short` if the message ends before its fixed part or a name.
pub fn login(message: &[u8]) -> Result<Login<'_>> {
    let text = |at: usize| -> Result<Text<'_>> {
        let mut r = Reader::new(message);
        r.skip(at, "TDS LOGIN7")?;
        let offset = usize::from(r.u16("TDS LOGIN7")?);
        // At most 128 characters each (MS-TDS 2.2.6.4).
        let length = usize::from(r.u16("TDS LOGIN7")?).min(128).saturating_mul(2);
        if length == 0 {
            return Ok(Text::default());
        }
        let mut r = Reader::new(message);
        r.skip(offset, "TDS LOGIN7 name")?;
        Ok(Text::utf16(r.take(length, "TDS LOGIN7 name")?))
    };
    Ok(Login {
        host: text(36)?,
        user: text(40)?,
        app: text(48)?,
        server: text(52)?,
        library: text(60)?,
        database: text(68)?,
        integrated: message.get(25).map(|flags| flags & 0x80 != 0),
    })
}

/// A token of the server's answer to a logon (MS-TDS 2.2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyToken<'a> {
    /// SSPI: the server's token.
    Sspi(&'a [u8]),
    /// ERROR, with its number.
    Error(u32),
    /// LOGINACK.
    LoginAck,
    /// Another.
    Other,
}

/// The tokens of an answer, up to the first whose length is not known.
#[derive(Clone, Copy, Debug)]
pub struct ReplyTokens<'a>(Reader<'a>);

impl<'a> ReplyTokens<'a> {
    /// Of a whole message.
    #[must_use]
    pub fn new(message: &'a [u8]) -> Self {
        Self(Reader::new(message))
    }

    fn read(&mut self) -> Result<Option<ReplyToken<'a>>> {
        const WHAT: &str = "TDS token";
        let r = &mut self.0;
        let kind = r.u8(WHAT)?;
        let length = match kind {
            // SSPI, ERROR, INFO, LOGINACK, ENVCHANGE
            0xed | 0xaa | 0xab | 0xad | 0xe3 => usize::from(r.u16(WHAT)?),
            // FEDAUTHINFO, SESSIONSTATE
            0xee | 0xe4 => usize::try_from(r.u32(WHAT)?).unwrap_or(usize::MAX),
            // DONE, DONEPROC, DONEINPROC since TDS 7.2
            0xfd..=0xff => 12,
            _ => return Ok(None),
        };
        let data = r.take(length, WHAT)?;
        Ok(Some(match kind {
            0xed => ReplyToken::Sspi(data),
            0xaa => ReplyToken::Error(Reader::new(data).u32(WHAT)?),
            0xad => ReplyToken::LoginAck,
            _ => ReplyToken::Other,
        }))
    }
}

impl<'a> Iterator for ReplyTokens<'a> {
    type Item = ReplyToken<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().ok().flatten()
    }
}

/// Whether bytes begin a packet of a logon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begins {
    /// One that goes this way.
    Packet(Direction),
    /// Perhaps, if this many bytes show it.
    Perhaps(usize),
    /// No.
    Nothing,
}

/// Whether bytes begin a packet of a logon: its header, and what stands at the front of each kind.
pub(crate) fn begins(bytes: &[u8]) -> Begins {
    const NEED: usize = 19;
    let header: [fn(u8) -> bool; HEADER] = [
        |kind| matches!(kind, 0x04 | 0x10..=0x12),
        |status| status <= 1,
        |_| true,
        |_| true,
        |_| true,
        |_| true,
        |_| true,
        |window| window == 0,
    ];
    if !header.iter().zip(bytes).all(|(fits, b)| fits(*b)) {
        return Begins::Nothing;
    }
    let Some((&[kind, _, high, low, ..], data)) = bytes.split_first_chunk::<HEADER>() else {
        return Begins::Perhaps(NEED);
    };
    if usize::from(u16::from_be_bytes([high, low])) < NEED {
        return Begins::Nothing;
    }
    let Some(front) = data.first_chunk::<11>() else {
        return Begins::Perhaps(NEED);
    };
    let token = |bytes: &[u8]| {
        bytes.starts_with(b"NTLMSSP") || matches!(bytes.first(), Some(0x60 | 0xa1 | 0xa0))
    };
    // Option 0, the version, which has six bytes.
    let options = matches!(front, [0, _, _, 0, 6, ..]);
    let way = match (PacketType(kind), front) {
        (PacketType::PRELOGIN, _) if options => Direction::ToServer,
        (PacketType::REPLY, _) if options => Direction::ToClient,
        // TDSVersion, 7x in its highest byte.
        (PacketType::LOGIN7, [_, _, _, _, _, _, _, 0x70..=0x7f, ..]) => Direction::ToServer,
        (PacketType::SSPI, front) if token(front) => Direction::ToServer,
        (PacketType::REPLY, [0xed, _, _, rest @ ..]) if token(rest) => Direction::ToClient,
        _ => return Begins::Nothing,
    };
    Begins::Packet(way)
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
