//! Messages of SMB 3.1.1 inside compression (MS-SMB2 2.2.42), as far as a pipe or a logon may be in them.
//!
//! ```text
//! unchained   0 fc 'SMB'  4 original size u32  8 algorithm u16  10 flags u16 0  12 offset u32
//!             16 so many bytes as they are, then the compressed ones, of that original size
//! chained     0 fc 'SMB'  4 original size of all u32, then payloads:
//!             0 algorithm u16  2 flags u16 (first: 1)  4 length u32  [8 original size u32: not of NONE, Pattern_V1]
//! Pattern_V1  0 byte  1 reserved 3  4 repetitions u32
//! ```

use super::decoder::{Chain, Decoder, Place, Step};
use super::tables::Kind;
use super::wire::{Command, HEADER, Header};
use super::xpress::{self, Output};
use crate::event::Sink;
use crate::limits::{SMB_PLAIN_BYTES, SMB_PLAIN_FEW, SMB_PLAIN_RATIO};
use crate::net::Direction;
use crate::proto::Shared;
use crate::proto::nbss;
use crate::wire::{Error, Reader, Result};

/// SMB2_COMPRESSION_FLAG_CHAINED; flags stand at the same place in both forms.
const FLAG_CHAINED: u16 = 1;

/// Bytes that hold the header of the command inside: both headers, a Huffman table, and 64 bytes however
/// badly they compress.
const LOOK: usize = 512;

/// CompressionAlgorithms (2.2.3.1.3).
mod algorithm {
    pub(super) const NONE: u16 = 0;
    pub(super) const LZNT1: u16 = 1;
    pub(super) const LZ77: u16 = 2;
    pub(super) const LZ77_HUFFMAN: u16 = 3;
    pub(super) const PATTERN_V1: u16 = 4;
}

impl Decoder {
    /// At a compressed message, `bytes` behind its NBSS header.
    pub(super) fn compressed(
        &mut self,
        direction: Direction,
        (bytes, length): (&[u8], usize),
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Step {
        let whole = Step::Pass(length.saturating_add(nbss::wire::HEADER));
        let message = bytes.get(..length).unwrap_or(bytes);
        let look = length.min(LOOK);
        if message.len() < look {
            return Step::Want(look.saturating_add(nbss::wire::HEADER));
        }
        let mut plain = std::mem::take(&mut shared.plain);
        let mut read = unpack(message, HEADER, &mut plain);
        if read.is_ok() && Header::read(&plain).is_ok_and(|header| self.is_bulk(&header)) {
            shared.plain = plain;
            return whole;
        }
        let most = length.saturating_mul(SMB_PLAIN_RATIO).max(SMB_PLAIN_FEW);
        let most = most.min(SMB_PLAIN_BYTES);
        if read.is_ok_and(|size| size <= most) && length <= SMB_PLAIN_BYTES {
            if message.len() < length {
                shared.plain = plain;
                return Step::Want(length.saturating_add(nbss::wire::HEADER));
            }
            read = unpack(message, SMB_PLAIN_BYTES, &mut plain);
        } else if read.is_ok() {
            read = Err(TOO_LARGE);
        }
        match read {
            Ok(_) => self.uncompressed(direction, &plain, shared, out),
            Err(error) => {
                let opaque = &mut self.opaque.compressed;
                *opaque = opaque.saturating_add(1);
                self.unread(direction, error, out);
            }
        }
        shared.plain = plain;
        whole
    }

    /// A message as if it had come in clear.
    fn uncompressed(
        &mut self,
        direction: Direction,
        plain: &[u8],
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) {
        let lane = self.lane(direction);
        lane.left = plain.len();
        lane.chain = Chain::default();
        let mut rest = plain;
        while !rest.is_empty() {
            match self.command(direction, rest, shared, out) {
                Step::Pass(n) => rest = rest.get(n..).unwrap_or_default(),
                // Everything is shown, so nobody can want more.
                Step::Want(_) | Step::Done => break,
            }
        }
        let lane = self.lane(direction);
        lane.left = 0;
        lane.place = Place::Message;
    }

    /// File data, which nobody looks at.
    fn is_bulk(&self, header: &Header) -> bool {
        let connection = &self.connection;
        let of_files = |tree| connection.trees.kind(header.session_id, tree) == Kind::Other;
        header.next == 0
            && matches!(header.command, Command::READ | Command::WRITE)
            && match header.tree_id {
                Some(tree) => of_files(tree),
                // An answer that comes later: of interest only if its request was.
                None => {
                    header.is_response() && connection.pending.peek(header.message_id).is_none()
                }
            }
    }
}

const TOO_LARGE: Error = Error::Malformed {
    what: "SMB2 compressed message",
    why: "is too large to be looked into",
};

/// Puts the first `most` bytes of what is in a message into `plain`; gives the size it says that it has.
///
/// Of a message that is shown in part, the bytes that are there may do.
fn unpack(message: &[u8], most: usize, plain: &mut Vec<u8>) -> Result<usize> {
    const WHAT: &str = "SMB2 COMPRESSION_TRANSFORM_HEADER";
    plain.clear();
    let mut r = Reader::new(message);
    r.skip(4, WHAT)?;
    let size = r.u32(WHAT)?;
    let mut look = Reader::new(r.rest());
    let kind = look.u16(WHAT)?;
    let flags = look.u16(WHAT)?;
    let mut total = usize::try_from(size).unwrap_or(usize::MAX);
    if flags & FLAG_CHAINED != 0 {
        while plain.len() < total.min(most) {
            payload(&mut r, total.min(most), plain)?;
        }
    } else {
        let offset = usize::try_from(look.u32(WHAT)?).unwrap_or(usize::MAX);
        total = total.saturating_add(offset);
        let rest = look.rest();
        let (clear, rest) = rest.split_at_checked(offset).unwrap_or((rest, &[]));
        Output::new(plain, total.min(most)).literals(clear);
        let left = total.min(most).saturating_sub(plain.len());
        if left > 0 {
            decompress(kind, rest, &mut Output::new(plain, left))?;
        }
    }
    Ok(total)
}

/// One payload of a chain.
fn payload(r: &mut Reader<'_>, most: usize, plain: &mut Vec<u8>) -> Result<()> {
    const WHAT: &str = "SMB2_COMPRESSION_CHAINED_PAYLOAD_HEADER";
    let kind = r.u16(WHAT)?;
    r.skip(2, WHAT)?;
    let mut length = usize::try_from(r.u32(WHAT)?).unwrap_or(usize::MAX);
    let left = most.saturating_sub(plain.len());
    let size = match kind {
        algorithm::NONE => length,
        algorithm::PATTERN_V1 => left,
        _ => {
            length = length.checked_sub(4).ok_or(Error::Malformed {
                what: WHAT,
                why: "is longer than its payload",
            })?;
            usize::try_from(r.u32(WHAT)?).unwrap_or(usize::MAX)
        }
    };
    let rest = r.rest();
    let data = rest.get(..length).unwrap_or(rest);
    let before = plain.len();
    decompress(kind, data, &mut Output::new(plain, size.min(left)))?;
    if data.len() < length && plain.len() < most {
        return Err(Error::Short {
            what: WHAT,
            need: length,
        });
    }
    // Else a chain of nothing would go on for as long as it likes.
    if plain.len() == before {
        return Err(Error::Malformed {
            what: WHAT,
            why: "is empty",
        });
    }
    r.skip(data.len(), WHAT)
}

fn decompress(kind: u16, data: &[u8], out: &mut Output<'_>) -> Result<()> {
    match kind {
        algorithm::NONE => out.literals(data),
        algorithm::LZNT1 => xpress::lznt1(data, out)?,
        algorithm::LZ77 => xpress::lz77(data, out)?,
        algorithm::LZ77_HUFFMAN => xpress::huffman(data, out)?,
        algorithm::PATTERN_V1 => {
            const WHAT: &str = "SMB2_COMPRESSION_PATTERN_PAYLOAD_V1";
            let mut r = Reader::new(data);
            let byte = r.u8(WHAT)?;
            r.skip(3, WHAT)?;
            out.repeat(byte, usize::try_from(r.u32(WHAT)?).unwrap_or(usize::MAX));
        }
        _ => {
            return Err(Error::Malformed {
                what: "SMB2 CompressionAlgorithm",
                why: "is not read",
            });
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "compressed_tests.rs"]
mod tests;
