//! The classic format (draft-ietf-opsawg-pcap).
//!
//! ```text
//! file:    magic u32, major u16, minor u16, reserved u32, reserved u32, snaplen u32, link type u32
//! record:  seconds u32, fraction u32, captured length u32, length on the wire u32, bytes
//! ```
//! Everything is in the byte order of the machine that wrote it, which the magic tells. Not
//! read: the snapshot length (a record says its own), and the frame check sequence bits of the link type.

use super::{Stop, Tally};
use crate::limits::FRAME_BYTES;
use crate::packet::FrameRef;
use crate::time::Timestamp;

/// Bytes of the file header.
pub(super) const HEADER: usize = 24;

/// A file header that has been understood.
#[derive(Debug)]
pub(super) struct Pcap {
    big_endian: bool,
    /// Nanoseconds of one unit of a record's fraction.
    fraction: u64,
    /// Bytes of a record header: 16, or 24 in Kuznetzov's variant.
    head: usize,
    /// Link type of all frames; `None` if frames of it are not read.
    link: Option<u16>,
}

impl Pcap {
    /// True if a file that starts with `magic` is of this format.
    pub(super) fn is(magic: [u8; 4]) -> bool {
        Self::of(magic).is_some()
    }

    fn of(magic: [u8; 4]) -> Option<(bool, u64, usize)> {
        match (u32::from_be_bytes(magic), u32::from_le_bytes(magic)) {
            (0xa1b2_c3d4, _) => Some((true, 1_000, 16)),
            (_, 0xa1b2_c3d4) => Some((false, 1_000, 16)),
            (0xa1b2_3c4d, _) => Some((true, 1, 16)),
            (_, 0xa1b2_3c4d) => Some((false, 1, 16)),
            // Kuznetzov's: eight more bytes a record (interface, protocol, packet type).
            (0xa1b2_cd34, _) => Some((true, 1_000, 24)),
            (_, 0xa1b2_cd34) => Some((false, 1_000, 24)),
            _ => None,
        }
    }

    /// Reads the file header; the link type is returned beside it. The error is a reason for a person.
    pub(super) fn read(header: &[u8; HEADER]) -> Result<(Self, u32), String> {
        let (words, _) = header.as_chunks::<4>();
        let &[magic, version, _, _, _, link] = words else {
            return Err("the file header is short".to_owned());
        };
        let Some((big_endian, fraction, head)) = Self::of(magic) else {
            return Err("unknown magic".to_owned());
        };
        let [a, b, c, d] = version;
        let (major, minor) = if big_endian {
            (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
        } else {
            (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
        };
        if major != 2 {
            return Err(format!("pcap version {major}.{minor} is not known"));
        }
        // The upper bits say how long a frame check sequence is.
        let link = word(big_endian, link) & 0xffff;
        let pcap = Self {
            big_endian,
            fraction,
            head,
            link: super::known(link),
        };
        Ok((pcap, link))
    }

    /// Walks the records of `bytes` from `at` on, as far as they are whole.
    pub(super) fn walk(
        &self,
        bytes: &[u8],
        mut at: usize,
        frames: &mut Vec<FrameRef>,
        tally: &mut Tally,
    ) -> (usize, Stop) {
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let Some(&[secs, fraction, captured, wire]) = rest.as_chunks::<4>().0.first_chunk()
            else {
                return (at, Stop::Need(self.head));
            };
            let len = word(self.big_endian, captured);
            if len as usize > FRAME_BYTES {
                let why = format!(
                    "a record claims {len} bytes, more than {FRAME_BYTES}; the rest cannot be trusted"
                );
                return (at, Stop::Broken(why));
            }
            let need = self.head + len as usize;
            if rest.len() < need {
                return (at, Stop::Need(need));
            }
            match self.link {
                Some(link) => frames.push(FrameRef {
                    ts: Timestamp::new(
                        word(self.big_endian, secs).into(),
                        u64::from(word(self.big_endian, fraction)) * self.fraction,
                    ),
                    start: super::offset(at + self.head),
                    len,
                    wire_len: word(self.big_endian, wire).max(len),
                    link,
                    iface: 0,
                }),
                None => tally.unsupported += 1,
            }
            at += need;
        }
    }
}

fn word(big_endian: bool, b: [u8; 4]) -> u32 {
    if big_endian {
        u32::from_be_bytes(b)
    } else {
        u32::from_le_bytes(b)
    }
}
