//! Layouts of SMB 2 and 3 (MS-SMB2 2.2). Little-endian; all offsets are counted from the header.
//!
//! Every function is given a command from its first header byte on, whole or not: what is missing is
//! `Short` with the number of bytes wanted, so the caller can wait for exactly those.

mod negotiate;

pub use negotiate::*;

use crate::wire::{Error, Reader, Result};
use crate::wire_code;

/// Bytes of the header.
pub const HEADER: usize = 64;

/// The four bytes a message starts with.
pub mod protocol {
    /// SMB 2 and 3, in clear.
    pub const SMB2: [u8; 4] = *b"\xfeSMB";
    /// SMB 1.
    pub const SMB1: [u8; 4] = *b"\xffSMB";
    /// SMB 3, encrypted (2.2.41).
    pub const ENCRYPTED: [u8; 4] = *b"\xfdSMB";
    /// SMB 3.1.1, compressed (2.2.42).
    pub const COMPRESSED: [u8; 4] = *b"\xfcSMB";
}

wire_code! {
    /// Command (2.2.1). Names are Suricata's.
    pub struct Command(u16) {
        /// 2.2.3, 2.2.4.
        NEGOTIATE = 0 => "SMB2_COMMAND_NEGOTIATE_PROTOCOL",
        /// 2.2.5, 2.2.6.
        SESSION_SETUP = 1 => "SMB2_COMMAND_SESSION_SETUP",
        /// 2.2.9, 2.2.10.
        TREE_CONNECT = 3 => "SMB2_COMMAND_TREE_CONNECT",
        /// 2.2.11, 2.2.12.
        TREE_DISCONNECT = 4 => "SMB2_COMMAND_TREE_DISCONNECT",
        /// 2.2.13, 2.2.14.
        CREATE = 5 => "SMB2_COMMAND_CREATE",
        /// 2.2.15, 2.2.16.
        CLOSE = 6 => "SMB2_COMMAND_CLOSE",
        /// 2.2.19, 2.2.20.
        READ = 8 => "SMB2_COMMAND_READ",
        /// 2.2.21, 2.2.22.
        WRITE = 9 => "SMB2_COMMAND_WRITE",
        /// 2.2.31, 2.2.32.
        IOCTL = 11 => "SMB2_COMMAND_IOCTL",
    }
}

wire_code! {
    /// NTSTATUS values that change how a message is read (MS-ERREF 2.3).
    pub struct Status(u32) {
        /// Done.
        SUCCESS = 0 => "STATUS_SUCCESS",
        /// The answer comes later (MS-SMB2 3.3.4.2).
        PENDING = 0x0000_0103 => "STATUS_PENDING",
        /// More data will follow by READ.
        BUFFER_OVERFLOW = 0x8000_0005 => "STATUS_BUFFER_OVERFLOW",
        /// Another SESSION_SETUP is expected; no verdict yet.
        MORE_PROCESSING_REQUIRED = 0xc000_0016 => "STATUS_MORE_PROCESSING_REQUIRED",
    }
}

impl Status {
    /// The answer has the command's own layout and its data.
    #[must_use]
    pub fn has_data(self) -> bool {
        matches!(self, Self::SUCCESS | Self::BUFFER_OVERFLOW)
    }
}

/// Bits of Flags (2.2.1).
pub mod flag {
    /// It is an answer.
    pub const SERVER_TO_REDIR: u32 = 0x1;
    /// TreeId is replaced by AsyncId.
    pub const ASYNC_COMMAND: u32 = 0x2;
    /// The message is signed.
    pub const SIGNED: u32 = 0x8;
    /// Session, tree and file are those of the command before, in the same compound.
    pub const RELATED: u32 = 0x4;
}

/// FSCTL_PIPE_TRANSCEIVE (MS-FSCC 2.3.49): write a message to a pipe and read the answer.
pub const FSCTL_PIPE_TRANSCEIVE: u32 = 0x0011_c017;
/// ShareType of a pipe share (2.2.10).
pub const SHARE_TYPE_PIPE: u8 = 2;
/// SecurityMode: signing is required (2.2.3, 2.2.4, 2.2.5).
pub const SIGNING_REQUIRED: u16 = 0x2;

/// SMB2_FILEID (2.2.14.1): persistent and volatile part.
pub type FileId = [u8; 16];
/// Stands for the file of the command before (3.3.5.2.7.2).
pub const FILE_OF_PREVIOUS: FileId = [0xff; 16];

/// The header (2.2.1).
///
/// ```text
/// 0 fe 'SMB'  4 size 64  6 credit charge  8 status  12 command  14 credits  16 flags
/// 20 next command  24 message id u64  32 process id, 36 tree id | 32 async id u64
/// 40 session id u64  48 signature 16
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// Status; in requests a channel sequence.
    pub status: Status,
    /// Command.
    pub command: Command,
    /// Flags.
    pub flags: u32,
    /// Where the next command of a compound begins; 0: this is the last.
    pub next: usize,
    /// MessageId: the answer has the request's.
    pub message_id: u64,
    /// TreeId; `None` if the header has an AsyncId in its place.
    pub tree_id: Option<u32>,
    /// SessionId.
    pub session_id: u64,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// `Short` while there are less than 64 bytes, `Malformed` if it is none.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        const WHAT: &str = "SMB2 header";
        let Some(header) = bytes.first_chunk::<HEADER>() else {
            return Err(Error::Short {
                what: WHAT,
                need: HEADER,
            });
        };
        let mut r = Reader::new(header);
        let id: [u8; 4] = r.array(WHAT)?;
        if id != protocol::SMB2 || r.u16(WHAT)? != 64 {
            return Err(Error::Malformed {
                what: WHAT,
                why: "wrong protocol id or structure size",
            });
        }
        r.skip(2, WHAT)?;
        let status = Status(r.u32(WHAT)?);
        let command = Command(r.u16(WHAT)?);
        r.skip(2, WHAT)?;
        let flags = r.u32(WHAT)?;
        let next = r.u32(WHAT)?;
        let message_id = r.u64(WHAT)?;
        r.skip(4, WHAT)?;
        let tree_id = r.u32(WHAT)?;
        let session_id = r.u64(WHAT)?;
        Ok(Self {
            status,
            command,
            flags,
            next: usize::try_from(next).unwrap_or(usize::MAX),
            message_id,
            tree_id: (flags & flag::ASYNC_COMMAND == 0).then_some(tree_id),
            session_id,
        })
    }

    /// It is an answer.
    #[must_use]
    pub fn is_response(&self) -> bool {
        self.flags & flag::SERVER_TO_REDIR != 0
    }

    /// It continues the command before.
    #[must_use]
    pub fn is_related(&self) -> bool {
        self.flags & flag::RELATED != 0
    }

    /// Bytes of this command within what is left of the message (3.3.5.2.7): the next header must be
    /// aligned, behind this one and inside.
    ///
    /// # Errors
    /// `Malformed` if it is not.
    pub fn length(&self, left: usize) -> Result<usize> {
        match self.next {
            0 => Ok(left),
            next if next >= HEADER && next < left && next.is_multiple_of(8) => Ok(next),
            _ => Err(Error::Malformed {
                what: "SMB2 NextCommand",
                why: "unaligned or outside the message",
            }),
        }
    }
}

/// A piece of a command: a name, a token, data of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins.
    pub at: usize,
    /// Its bytes.
    pub length: usize,
}

impl Piece {
    fn new(at: u32, length: u32) -> Self {
        Self {
            at: usize::try_from(at).unwrap_or(usize::MAX),
            length: usize::try_from(length).unwrap_or(usize::MAX),
        }
    }

    /// Where it ends.
    #[must_use]
    pub fn end(self) -> usize {
        self.at.saturating_add(self.length)
    }

    /// Its bytes.
    ///
    /// # Errors
    /// `Short` if they are not all shown, `Malformed` if they overlap the header.
    pub fn of<'a>(self, command: &'a [u8], what: &'static str) -> Result<&'a [u8]> {
        if self.length == 0 {
            return Ok(&[]);
        }
        if self.at < HEADER {
            return Err(Error::Malformed {
                what,
                why: "overlaps the header",
            });
        }
        command.get(self.at..self.end()).ok_or(Error::Short {
            what,
            need: self.end(),
        })
    }

    /// The same, at most this many bytes of it.
    #[must_use]
    pub fn head(self, length: usize) -> Self {
        Self {
            at: self.at,
            length: self.length.min(length),
        }
    }
}

/// The body at this offset of the command.
fn body<'a>(command: &'a [u8], at: usize, what: &'static str) -> Result<Reader<'a>> {
    let mut r = Reader::new(command);
    r.skip(at, what)?;
    Ok(r)
}

/// Header of an encrypted message (2.2.41).
///
/// ```text
/// 0 fd 'SMB'  4 signature 16  20 nonce 16  36 original size u32  42 flags u16  44 session id u64
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Transform {
    /// Nonce.
    pub nonce: [u8; 16],
    /// OriginalMessageSize: bytes of plaintext.
    pub size: u32,
    /// SessionId.
    pub session_id: u64,
}

/// Bytes of a [`Transform`].
pub const TRANSFORM: usize = 52;

impl Transform {
    /// Reads the header.
    ///
    /// # Errors
    /// `Short`.
    pub fn read(message: &[u8]) -> Result<Self> {
        const WHAT: &str = "SMB2 TRANSFORM_HEADER";
        let mut whole = Reader::new(message);
        let mut r = whole.sub(TRANSFORM, WHAT)?;
        r.skip(20, WHAT)?;
        let nonce = r.array(WHAT)?;
        let size = r.u32(WHAT)?;
        r.skip(4, WHAT)?;
        Ok(Self {
            nonce,
            size,
            session_id: r.u64(WHAT)?,
        })
    }

    /// Eleven letters and zeros: impacket draws its nonces from letters. One in 10^8 of random ones are so.
    #[must_use]
    pub fn has_letters(&self) -> bool {
        let (letters, zeros) = self.nonce.split_at(11);
        letters.iter().all(u8::is_ascii_alphabetic) && zeros.iter().all(|b| *b == 0)
    }
}

/// SMB2_SESSION_FLAG_BINDING of a SESSION_SETUP request (2.2.5).
pub const SETUP_BINDING: u8 = 1;

/// SessionFlags of a SESSION_SETUP response (2.2.6).
pub mod session_flag {
    /// SMB2_SESSION_FLAG_IS_GUEST.
    pub const GUEST: u16 = 1;
    /// SMB2_SESSION_FLAG_IS_NULL.
    pub const NULL: u16 = 2;
    /// SMB2_SESSION_FLAG_ENCRYPT_DATA.
    pub const ENCRYPT: u16 = 4;
}

/// SessionFlags of a SESSION_SETUP response (2.2.6), at 66.
///
/// # Errors
/// `Short`.
pub fn session_flags(command: &[u8]) -> Result<u16> {
    body(command, 66, "SMB2 SESSION_SETUP")?.u16("SMB2 SessionFlags")
}

/// Flags (66, u8), SecurityMode (67, u8) and security buffer (offset 76 u16, length 78 u16) of a
/// SESSION_SETUP request (2.2.5).
///
/// # Errors
/// `Short`.
pub fn session_setup_request(command: &[u8]) -> Result<(u8, u8, Piece)> {
    const WHAT: &str = "SMB2 SESSION_SETUP";
    let mut r = body(command, 66, WHAT)?;
    let flags = r.u8(WHAT)?;
    let mode = r.u8(WHAT)?;
    r.skip(8, WHAT)?;
    let at = r.u16(WHAT)?;
    let length = r.u16(WHAT)?;
    Ok((flags, mode, Piece::new(at.into(), length.into())))
}

/// Security buffer of a SESSION_SETUP response (2.2.6): offset 68 u16, length 70 u16.
///
/// # Errors
/// `Short`.
pub fn session_setup_response(command: &[u8]) -> Result<Piece> {
    const WHAT: &str = "SMB2 SESSION_SETUP";
    short_piece(&mut body(command, 68, WHAT)?, WHAT)
}

/// Path of a TREE_CONNECT request (2.2.9): offset 68 u16, length 70 u16; UTF-16 `\\server\share`.
///
/// # Errors
/// `Short`.
pub fn tree_connect_request(command: &[u8]) -> Result<Piece> {
    const WHAT: &str = "SMB2 TREE_CONNECT";
    short_piece(&mut body(command, 68, WHAT)?, WHAT)
}

/// ShareType of a TREE_CONNECT response (2.2.10), at 66.
///
/// # Errors
/// `Short`.
pub fn tree_connect_response(command: &[u8]) -> Result<u8> {
    body(command, 66, "SMB2 TREE_CONNECT")?.u8("SMB2 ShareType")
}

/// Name of a CREATE request (2.2.13): offset 108 u16, length 110 u16; UTF-16.
///
/// # Errors
/// `Short`.
pub fn create_request(command: &[u8]) -> Result<Piece> {
    const WHAT: &str = "SMB2 CREATE";
    short_piece(&mut body(command, 108, WHAT)?, WHAT)
}

/// FileId of a CREATE response (2.2.14), at 128.
///
/// # Errors
/// `Short`.
pub fn create_response(command: &[u8]) -> Result<FileId> {
    body(command, 128, "SMB2 CREATE")?.array("SMB2 FileId")
}

/// FileId of a CLOSE request (2.2.15), at 72.
///
/// # Errors
/// `Short`.
pub fn close_request(command: &[u8]) -> Result<FileId> {
    body(command, 72, "SMB2 CLOSE")?.array("SMB2 FileId")
}

/// FileId of a READ request (2.2.19), at 80.
///
/// # Errors
/// `Short`.
pub fn read_request(command: &[u8]) -> Result<FileId> {
    body(command, 80, "SMB2 READ")?.array("SMB2 FileId")
}

/// Data of a READ response (2.2.20): offset 66 u8, length 68 u32.
///
/// # Errors
/// `Short`.
pub fn read_response(command: &[u8]) -> Result<Piece> {
    const WHAT: &str = "SMB2 READ";
    let mut r = body(command, 66, WHAT)?;
    let at = r.u8(WHAT)?;
    r.skip(1, WHAT)?;
    Ok(Piece::new(at.into(), r.u32(WHAT)?))
}

/// FileId (80) and data (offset 66 u16, length 68 u32) of a WRITE request (2.2.21).
///
/// # Errors
/// `Short`.
pub fn write_request(command: &[u8]) -> Result<(FileId, Piece)> {
    const WHAT: &str = "SMB2 WRITE";
    let mut r = body(command, 66, WHAT)?;
    let at = r.u16(WHAT)?;
    let length = r.u32(WHAT)?;
    r.skip(8, WHAT)?;
    Ok((r.array("SMB2 FileId")?, Piece::new(at.into(), length)))
}

/// What an IOCTL carries one way.
#[derive(Clone, Copy, Debug)]
pub struct Ioctl {
    /// CtlCode, at 68.
    pub code: u32,
    /// FileId, at 72.
    pub file: FileId,
    /// Input of a request, output of a response.
    pub data: Piece,
}

impl Ioctl {
    /// CtlCode alone, of either way: most IOCTLs are of no interest.
    ///
    /// # Errors
    /// `Short`.
    pub fn code(command: &[u8]) -> Result<u32> {
        body(command, 68, "SMB2 IOCTL")?.u32("SMB2 CtlCode")
    }

    /// Request (2.2.31): input offset 88 u32, count 92 u32.
    ///
    /// # Errors
    /// `Short`.
    pub fn request(command: &[u8]) -> Result<Self> {
        Self::read(command, 0)
    }

    /// Response (2.2.32): output offset 96 u32, count 100 u32.
    ///
    /// # Errors
    /// `Short`.
    pub fn response(command: &[u8]) -> Result<Self> {
        Self::read(command, 8)
    }

    fn read(command: &[u8], between: usize) -> Result<Self> {
        const WHAT: &str = "SMB2 IOCTL";
        let mut r = body(command, 68, WHAT)?;
        let code = r.u32(WHAT)?;
        let file = r.array(WHAT)?;
        r.skip(between, WHAT)?;
        let at = r.u32(WHAT)?;
        let data = Piece::new(at, r.u32(WHAT)?);
        Ok(Self { code, file, data })
    }
}

fn short_piece(r: &mut Reader<'_>, what: &'static str) -> Result<Piece> {
    let at = r.u16(what)?;
    let length = r.u16(what)?;
    Ok(Piece::new(at.into(), length.into()))
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
