//! The header of a session packet.
//!
//! ```text
//! port 445 (MS-SMB2 2.1)     0: zero   1: length, 24 bits, big-endian
//! port 139 (RFC 1002 4.3.1)  0: type   1: flags, bit 0 extends the length   2: length, 16 bits, big-endian
//! ```
//!
//! Seven flag bits of port 139 are reserved and zero, so a message reads the same both ways and the port
//! need not be known. 24 bits also are the cap: no message is over 16 MiB.

use crate::wire::{Error, Reader, Result};

/// Bytes of the header.
pub const HEADER: usize = 4;

/// Types of session packets (RFC 1002 4.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 0x00: carries a message; the only type on port 445.
    Message,
    /// 0x81.
    Request,
    /// 0x82.
    Positive,
    /// 0x83.
    Negative,
    /// 0x84.
    Retarget,
    /// 0x85.
    KeepAlive,
}

/// The header of a session packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Type.
    pub kind: Kind,
    /// Bytes that follow the header.
    pub length: usize,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// `Short` while there are less than four bytes, `Malformed` for an unknown type.
    pub fn read(r: &mut Reader<'_>) -> Result<Self> {
        let [kind, flags, high, low] = r.array("NBSS header")?;
        let kind = match kind {
            0x00 => Kind::Message,
            0x81 => Kind::Request,
            0x82 => Kind::Positive,
            0x83 => Kind::Negative,
            0x84 => Kind::Retarget,
            0x85 => Kind::KeepAlive,
            _ => {
                return Err(Error::Malformed {
                    what: "NBSS type",
                    why: "unknown",
                });
            }
        };
        let extension = if kind == Kind::Message {
            flags
        } else {
            flags & 1
        };
        let length = (usize::from(extension) << 16) | (usize::from(high) << 8) | usize::from(low);
        Ok(Self { kind, length })
    }
}

/// Bytes of a session request's names: each a length of 32, 32 letters and a zero.
pub const NAMES: usize = 68;

/// The two names of a session request (RFC 1002 4.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// Whom the client asks for.
    pub called: Name,
    /// What it calls itself.
    pub calling: Name,
}

impl Names {
    /// Reads what follows the header of a [`Kind::Request`].
    ///
    /// # Errors
    /// `Short`; `Malformed` if the names are not encoded as RFC 1001 14.1 says.
    pub fn read(r: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            called: Name::read(r)?,
            calling: Name::read(r)?,
        })
    }
}

/// A NetBIOS name: fifteen bytes of text, padded with blanks, and a suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name([u8; 16]);

impl Name {
    /// Each half of a byte is a letter from A to P (RFC 1001 14.1).
    fn read(r: &mut Reader<'_>) -> Result<Self> {
        const WHAT: &str = "NetBIOS name";
        let [length, letters @ .., end]: [u8; 34] = r.array(WHAT)?;
        let mut name = [0; 16];
        let mut fits = length == 32 && end == 0;
        for (byte, pair) in name.iter_mut().zip(letters.as_chunks::<2>().0) {
            let [high, low] = pair.map(|letter| letter.wrapping_sub(b'A'));
            fits &= high < 16 && low < 16;
            *byte = (high << 4) | (low & 15);
        }
        if fits {
            Ok(Self(name))
        } else {
            Err(Error::Malformed {
                what: WHAT,
                why: "wrongly encoded",
            })
        }
    }

    /// The text, without what pads it and without the suffix.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        let [text @ .., _suffix] = &self.0;
        text.trim_ascii_end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_session_request() {
        // Sent by Samba 4.17 to port 139; tshark: called 127.0.0.1<20>, calling OLDSRV<00>.
        let request = b"\x81\0\0\x44\
            \x20DBDCDHCODACODACODBCACACACACACACA\0\
            \x20EPEMEEFDFCFGCACACACACACACACACAAA\0";
        let mut r = Reader::new(request);
        assert_eq!(Header::read(&mut r).unwrap().length, NAMES);
        let names = Names::read(&mut r).unwrap();
        assert_eq!(names.called.text(), b"127.0.0.1");
        assert_eq!(names.calling.text(), b"OLDSRV");
        for cut in 4..request.len() {
            let got = Names::read(&mut Reader::new(&request[4..cut]));
            assert!(matches!(got, Err(Error::Short { .. })), "{cut}");
        }
        for (at, bad) in [(4, 31), (5, b'Q'), (37, 1), (50, b'@')] {
            let mut wrong = *request;
            wrong[at] = bad;
            let got = Names::read(&mut Reader::new(&wrong[4..]));
            assert!(matches!(got, Err(Error::Malformed { .. })), "{at}");
        }
    }

    fn read(bytes: &[u8]) -> Result<Header> {
        Header::read(&mut Reader::new(bytes))
    }

    #[test]
    fn lengths_of_both_ports() {
        let bulk = [
            0x00, // session message
            0x10, 0x00, 0x50, // 1 MiB + 80: 24 bits, only on port 445
        ];
        let netbios = [
            0x00, // session message
            0x01, // flags: length extension
            0x00, 0x10, // length 16, with the extension 65,552
        ];
        let request = [
            0x81, // session request
            0xfe, // reserved flags set by a stranger, no extension
            0x00, 0x44, // two encoded names
        ];
        let kind = Kind::Message;
        let length = 0x10_0050;
        assert_eq!(read(&bulk), Ok(Header { kind, length }));
        let length = 65_552;
        assert_eq!(read(&netbios), Ok(Header { kind, length }));
        let kind = Kind::Request;
        let length = 0x44;
        assert_eq!(read(&request), Ok(Header { kind, length }));
    }

    #[test]
    fn short_and_unknown() {
        for n in 0..HEADER {
            let got = read(&[0x85, 0, 0, 0][..n]);
            assert!(matches!(got, Err(Error::Short { need: 4, .. })), "{n}");
        }
        assert!(matches!(
            read(b"HTTP"),
            Err(Error::Malformed { why: "unknown", .. })
        ));
    }
}
