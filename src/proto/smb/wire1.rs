//! Layouts of SMB 1 (MS-CIFS 2.2, MS-SMB 2.2). Little-endian; all offsets are counted from the header.
//!
//! ```text
//! header   0 ff 'SMB'  4 command  5 status u32  9 flags  10 flags2 u16  12 PID high  14 security 8
//!          24 TID  26 PID low  28 UID  30 MID
//! block    word count u8, words, byte count u16, bytes
//! AndX     words begin with: next command u8 (0xff: none), reserved, its offset u16
//! ```

use crate::wire::{Error, Reader, Result};
use crate::wire_code;

/// Bytes of the header.
pub const HEADER: usize = 32;

wire_code! {
    /// Command (MS-CIFS 2.2.2.1).
    pub struct Command(u8) {
        /// MS-CIFS 2.2.4.5.
        CLOSE = 0x04 => "SMB1_COMMAND_CLOSE",
        /// MS-CIFS 2.2.4.33.
        TRANSACTION = 0x25 => "SMB1_COMMAND_TRANS",
        /// MS-CIFS 2.2.4.34.
        TRANSACTION_SECONDARY = 0x26 => "SMB1_COMMAND_TRANS_SECONDARY",
        /// MS-CIFS 2.2.4.42.
        READ_ANDX = 0x2e => "SMB1_COMMAND_READ_ANDX",
        /// MS-CIFS 2.2.4.43.
        WRITE_ANDX = 0x2f => "SMB1_COMMAND_WRITE_ANDX",
        /// MS-SMB 2.2.4.5.
        NEGOTIATE = 0x72 => "SMB1_COMMAND_NEGOTIATE_PROTOCOL",
        /// MS-SMB 2.2.4.6.
        SESSION_SETUP_ANDX = 0x73 => "SMB1_COMMAND_SESSION_SETUP_ANDX",
        /// MS-CIFS 2.2.4.54.
        LOGOFF_ANDX = 0x74 => "SMB1_COMMAND_LOGOFF_ANDX",
        /// MS-SMB 2.2.4.7.
        TREE_CONNECT_ANDX = 0x75 => "SMB1_COMMAND_TREE_CONNECT_ANDX",
        /// MS-CIFS 2.2.4.62.
        NT_TRANSACT = 0xa0 => "SMB1_COMMAND_NT_TRANS",
        /// MS-CIFS 2.2.4.63.
        NT_TRANSACT_SECONDARY = 0xa1 => "SMB1_COMMAND_NT_TRANS_SECONDARY",
        /// MS-SMB 2.2.4.9.
        NT_CREATE_ANDX = 0xa2 => "SMB1_COMMAND_NT_CREATE_ANDX",
    }
}

impl Command {
    /// Another command may follow in the same message (MS-CIFS 2.2.3.4).
    #[must_use]
    pub fn is_andx(self) -> bool {
        // 0x24 LOCKING_ANDX, 0x2d OPEN_ANDX.
        matches!(self.0, 0x24 | 0x2d..=0x2f | 0x73..=0x75 | 0xa2)
    }
}

/// Flags: it is an answer.
const FLAG_REPLY: u8 = 0x80;
/// Flags2: the message is signed, or its sender can sign.
const FLAG2_SIGNATURE: u16 = 0x0004;
/// Flags2: signing is required (MS-SMB 2.2.3.1).
const FLAG2_SIGNATURE_REQUIRED: u16 = 0x0010;
/// What stands in place of a signature before there is a key for it (MS-SMB 3.2.4.2.4).
const NO_SIGNATURE: [[u8; 8]; 2] = [[0; 8], *b"BSRSPYL "];
/// Flags2: strings are UTF-16.
const FLAG2_UNICODE: u16 = 0x8000;

/// The header (MS-CIFS 2.2.3.1).
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// Command.
    pub command: Command,
    /// NTSTATUS, or an old DOS error.
    pub status: u32,
    /// It is an answer.
    pub is_response: bool,
    /// Strings are UTF-16.
    pub unicode: bool,
    /// It has a signature.
    pub signed: bool,
    /// The sender requires signatures.
    pub signing_required: bool,
    /// TID.
    pub tree: u16,
    /// UID.
    pub user: u16,
    /// PIDLow and MID: the answer has the request's.
    pub message: u32,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// `Short` while there are less than 32 bytes.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        const WHAT: &str = "SMB1 header";
        let mut whole = Reader::new(bytes);
        let mut r = whole.sub(HEADER, WHAT)?;
        r.skip(4, WHAT)?;
        let command = Command(r.u8(WHAT)?);
        let status = r.u32(WHAT)?;
        let flags = r.u8(WHAT)?;
        let flags2 = r.u16(WHAT)?;
        r.skip(2, WHAT)?;
        let signature: [u8; 8] = r.array(WHAT)?;
        r.skip(2, WHAT)?;
        let tree = r.u16(WHAT)?;
        let pid = r.u16(WHAT)?;
        let user = r.u16(WHAT)?;
        let mid = r.u16(WHAT)?;
        Ok(Self {
            command,
            status,
            is_response: flags & FLAG_REPLY != 0,
            unicode: flags2 & FLAG2_UNICODE != 0,
            signed: flags2 & FLAG2_SIGNATURE != 0 && !NO_SIGNATURE.contains(&signature),
            signing_required: flags2 & FLAG2_SIGNATURE_REQUIRED != 0,
            tree,
            user,
            message: (u32::from(pid) << 16) | u32::from(mid),
        })
    }
}

/// Parameters and data of one command (MS-CIFS 2.2.3.2, 2.2.3.3).
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// The whole message.
    message: &'a [u8],
    /// Words, as bytes.
    words: &'a [u8],
    /// Bytes.
    pub bytes: &'a [u8],
    /// Where `bytes` begins in the message.
    bytes_at: usize,
}

impl<'a> Block<'a> {
    /// The block at this offset of a whole message.
    ///
    /// # Errors
    /// `Short` if it is not all there.
    pub fn read(message: &'a [u8], at: usize) -> Result<Self> {
        const WHAT: &str = "SMB1 words and bytes";
        let mut r = Reader::new(message);
        r.skip(at, WHAT)?;
        let count = usize::from(r.u8(WHAT)?);
        let words = r.take(count.saturating_mul(2), WHAT)?;
        let bytes = usize::from(r.u16(WHAT)?);
        let bytes_at = r.at();
        // Large answers count modulo 64 KiB (MS-SMB 2.2.4.2.2), so a wrong count is no error.
        let rest = r.rest();
        Ok(Self {
            message,
            words,
            bytes: rest.get(..bytes).unwrap_or(rest),
            bytes_at,
        })
    }

    /// The whole message.
    #[must_use]
    pub fn message(&self) -> &'a [u8] {
        self.message
    }

    /// Number of words.
    #[must_use]
    pub fn count(&self) -> usize {
        self.words.len() / 2
    }

    /// The u16 at this byte of the words.
    ///
    /// # Errors
    /// `Malformed` if the block has fewer.
    pub fn word(&self, at: usize) -> Result<u16> {
        let two = self.words.get(at..).and_then(<[u8]>::first_chunk);
        two.map(|b| u16::from_le_bytes(*b)).ok_or(Error::Malformed {
            what: "SMB1 words",
            why: "too few",
        })
    }

    /// `length` bytes at `at` of the message.
    ///
    /// # Errors
    /// `Malformed` if they are outside.
    pub fn piece(&self, at: usize, length: usize) -> Result<&'a [u8]> {
        let piece = self.message.get(at..at.saturating_add(length));
        piece.ok_or(Error::Malformed {
            what: "SMB1 data",
            why: "outside the message",
        })
    }

    /// Text at this offset of the bytes: UTF-16 is aligned from the header on.
    #[must_use]
    pub fn aligned(&self, at: usize, unicode: bool) -> &'a [u8] {
        let odd = unicode && self.bytes_at.saturating_add(at) % 2 == 1;
        let at = at.saturating_add(usize::from(odd));
        self.bytes.get(at..).unwrap_or_default()
    }

    /// The next command of an AndX chain and where its block is. Offsets must rise, or a chain
    /// could go in circles.
    #[must_use]
    pub fn next(&self) -> Option<(Command, usize)> {
        let command = *self.words.first()?;
        let at = usize::from(self.word(2).ok()?);
        (command != 0xff && at >= self.bytes_at).then_some((Command(command), at))
    }
}

/// WRITE_ANDX request (MS-CIFS 2.2.4.43.1): FID and data.
///
/// ```text
/// words  4 FID  14 write mode  18 length, high half  20 length, low half  22 data offset
/// ```
///
/// A raw write that starts a message has its length in front.
///
/// # Errors
/// `Malformed`.
pub fn write_request<'a>(block: &Block<'a>) -> Result<(u16, &'a [u8])> {
    let length = (usize::from(block.word(18)?) << 16) | usize::from(block.word(20)?);
    let data = block.piece(block.word(22)?.into(), length)?;
    let raw = block.word(14)? & 0x0c == 0x0c;
    let data = if raw {
        data.get(2..).unwrap_or_default()
    } else {
        data
    };
    Ok((block.word(4)?, data))
}

/// Data of a READ_ANDX response (MS-CIFS 2.2.4.42.2): words 10 data length, 12 data offset.
///
/// # Errors
/// `Malformed`.
pub fn read_response<'a>(block: &Block<'a>) -> Result<&'a [u8]> {
    match block.count() {
        0 => Ok(&[]),
        _ => block.piece(block.word(12)?.into(), block.word(10)?.into()),
    }
}

/// True if a NT_CREATE_ANDX response opened a pipe (MS-CIFS 2.2.4.64.2): word byte 63 `ResourceType` is 1
/// or 2, a pipe of bytes or of messages. An answer without words opened nothing.
///
/// # Errors
/// `Malformed`.
pub fn is_pipe(block: &Block<'_>) -> Result<bool> {
    match block.count() {
        0 => Ok(false),
        _ => Ok(matches!(block.word(63)?, 1 | 2)),
    }
}

/// Security blob of a SESSION_SETUP_ANDX with extended security (MS-SMB 2.2.4.6): length at word
/// byte 14 of a request of 12 words, at 6 of a response of 4. Other counts have none.
///
/// # Errors
/// `Malformed`.
pub fn security_blob<'a>(block: &Block<'a>, is_response: bool) -> Result<Option<&'a [u8]>> {
    let at = match (is_response, block.count()) {
        (false, 12) => 14,
        (true, 4) => 6,
        _ => return Ok(None),
    };
    let length = usize::from(block.word(at)?);
    match block.bytes.get(..length) {
        Some(blob) => Ok(Some(blob)),
        None => Err(Error::Malformed {
            what: "SMB1 security blob",
            why: "outside the message",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::ntlmssp::wire::message_type;
    use crate::proto::smb::transact1::{Portion, Request};
    use crate::proto::spnego::wire::ntlm_message;
    use crate::proto::testing::vector;

    #[test]
    fn transaction_on_a_pipe() {
        let v = vector("smb1_trans_TransactNmPipe_efs");
        let message = &v.bytes[4..];
        let header = Header::read(message).unwrap();
        assert_eq!(header.command, Command::TRANSACTION);
        assert!(!header.is_response && header.unicode);
        assert_eq!((header.tree, header.user), (0x0800, 0x0801));
        let block = Block::read(message, HEADER).unwrap();
        let request = Request::read(header.command, &block).unwrap().unwrap();
        assert_eq!(Some(u32::from(request.fid)), v.number("fid"));
        assert!(request.writes && request.reads);
        let portion = Portion::read(header.command, &block, false).unwrap();
        let data = portion.filter(Portion::is_whole).unwrap().data;
        let opnum = u16::from_le_bytes([data[22], data[23]]);
        assert_eq!(Some(u32::from(opnum)), v.number("opnum"));
        let unc: Vec<u8> = v
            .text("unc")
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert!(data.windows(unc.len()).any(|w| w == unc));
    }

    #[test]
    fn session_setup_with_a_blob() {
        let v = vector("smb1_session_setup_andx_spnego_type1");
        let block = Block::read(&v.bytes[4..], HEADER).unwrap();
        assert_eq!(block.next(), None);
        let blob = security_blob(&block, false).unwrap().unwrap();
        assert_eq!(message_type(ntlm_message(blob).unwrap()), v.number("ntlm"));
    }

    #[test]
    fn a_chain_that_goes_back_ends() {
        let message = [
            2, // words
            0x75, 0, 0, 0, // next command, its offset is before this block
            0, 0, // bytes
        ];
        assert_eq!(Block::read(&message, 0).unwrap().next(), None);
    }
}
