//! The newer format (draft-ietf-opsawg-pcapng): a row of blocks.
//!
//! ```text
//! block:   type u32, length u32, body, length u32            the length counts all of it, a multiple of 4
//! section  0x0a0d0d0a: byte order 0x1a2b3c4d, major u16, minor u16, section length u64, options
//! interface         1: link type u16, reserved u16, snaplen u32, options
//! packet, obsolete  2: interface u16, drops u16, time u64, captured u32, wire u32, bytes, options
//! packet, simple    3: wire u32, bytes
//! statistics        5: interface u32, time u64, options
//! packet            6: interface u32, time u64, captured u32, wire u32, bytes, options
//! option:  code u16, length u16, value, padded to 4
//! ```
//! A section has its own byte order and its own list of interfaces. Not read: names, secrets, journals,
//! custom blocks (they are passed over), comments, and the frame check sequence length.

use super::{Stop, Tally};
use crate::limits::FRAME_BYTES;
use crate::packet::FrameRef;
use crate::time::Timestamp;
use crate::wire::{Error, Reader, Result};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET_OBSOLETE: u32 = 2;
const PACKET_SIMPLE: u32 = 3;
const STATISTICS: u32 = 5;
const PACKET: u32 = 6;

/// Longest block that is read whole, bytes: the largest frame and two comments of the longest kind.
const BLOCK: u32 = FRAME_BYTES as u32 + 128 * 1024;
/// Longest interface name kept, bytes (Windows device names have about 50).
const NAME: usize = 256;

/// What is known of a file so far.
#[derive(Debug, Default)]
pub(super) struct Pcapng {
    big_endian: bool,
    /// Interfaces of all sections so far, in file order.
    interfaces: Vec<Interface>,
    /// Where those of this section start.
    section: usize,
    /// Time of the last frame; a simple packet block has none of its own.
    last: Timestamp,
}

#[derive(Debug)]
struct Interface {
    name: Option<String>,
    /// `None` if frames of this link type are not read.
    link: Option<u16>,
    snaplen: u32,
    unit: Unit,
    /// Seconds to add to every time.
    offset: i64,
    drops: u64,
    ifdrops: u64,
}

/// What one unit of time is.
#[derive(Clone, Copy, Debug)]
enum Unit {
    /// So many nanoseconds.
    Nanos(u64),
    /// So small a part of a nanosecond.
    PerNano(u64),
    /// 2^-n seconds.
    Binary(u32),
}

impl Pcapng {
    /// True if a file that starts with `magic` is of this format.
    pub(super) fn is(magic: [u8; 4]) -> bool {
        u32::from_be_bytes(magic) == SECTION
    }

    /// The name of an interface, counted over all sections.
    pub(super) fn interface_name(&self, iface: u16) -> Option<&str> {
        self.interfaces.get(usize::from(iface))?.name.as_deref()
    }

    /// Frames that the capture that wrote the file says were dropped: by the kernel, by the interface.
    pub(super) fn drops(&self) -> (u64, u64) {
        self.interfaces.iter().fold((0, 0), |(os, hw), i| {
            (os.saturating_add(i.drops), hw.saturating_add(i.ifdrops))
        })
    }

    /// Walks the blocks of `bytes` from `at` on, as far as they are whole.
    pub(super) fn walk(
        &mut self,
        bytes: &[u8],
        mut at: usize,
        frames: &mut Vec<FrameRef>,
        tally: &mut Tally,
    ) -> (usize, Stop) {
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let Some(&[kind, length, third]) = rest.as_chunks::<4>().0.first_chunk() else {
                return (at, Stop::Need(12));
            };
            // The section header's type reads the same both ways; its third word tells the order.
            if u32::from_be_bytes(kind) == SECTION {
                match (u32::from_be_bytes(third), u32::from_le_bytes(third)) {
                    (0x1a2b_3c4d, _) => self.big_endian = true,
                    (_, 0x1a2b_3c4d) => self.big_endian = false,
                    _ => {
                        let why = "a section header without its byte order mark";
                        return (at, Stop::Broken(why.to_owned()));
                    }
                }
            }
            let (kind, length) = (self.word(kind), self.word(length));
            if length < 12 || length % 4 != 0 {
                let why = format!("a block of type {kind} claims an impossible length, {length}");
                return (at, Stop::Broken(why));
            }
            if !matches!(
                kind,
                SECTION | INTERFACE | PACKET_OBSOLETE | PACKET_SIMPLE | STATISTICS | PACKET
            ) {
                if length as usize > rest.len() {
                    return (at, Stop::Skip(length.into()));
                }
                at += length as usize;
                continue;
            }
            if length > BLOCK {
                let why = format!(
                    "a block of type {kind} claims {length} bytes, more than {BLOCK}; the rest cannot be trusted"
                );
                return (at, Stop::Broken(why));
            }
            let Some(block) = rest.get(..length as usize) else {
                return (at, Stop::Need(length as usize));
            };
            let again = block.last_chunk::<4>().copied().unwrap_or_default();
            if self.word(again) != length {
                let why = format!(
                    "a block of type {kind} gives its length as {length} at its start and as {} at its end",
                    self.word(again)
                );
                return (at, Stop::Broken(why));
            }
            let body = block.get(8..block.len() - 4).unwrap_or_default();
            match self.block(kind, body, at + 8, tally) {
                Ok(Some(frame)) => {
                    self.last = frame.ts;
                    frames.push(frame);
                }
                Ok(None) => {}
                Err(e) => {
                    let why = format!("a block of type {kind} is damaged: {e}");
                    return (at, Stop::Broken(why));
                }
            }
            at += length as usize;
        }
    }

    /// Reads one block whose body starts at `at` of the buffer.
    fn block(
        &mut self,
        kind: u32,
        body: &[u8],
        at: usize,
        tally: &mut Tally,
    ) -> Result<Option<FrameRef>> {
        let mut r = Reader::new(body).with_order(self.big_endian);
        match kind {
            SECTION => {
                r.skip(4, "byte order mark")?;
                let major = r.u16("version")?;
                if major != 1 {
                    return Err(Error::Malformed {
                        what: "section header",
                        why: "its version is not 1",
                    });
                }
                self.section = self.interfaces.len();
                Ok(None)
            }
            INTERFACE => self.interface(&mut r, tally).map(|()| None),
            STATISTICS => self.statistics(&mut r).map(|()| None),
            PACKET => {
                let iface = r.u32("interface")?;
                self.packet(iface, &mut r, at, tally)
            }
            PACKET_OBSOLETE => {
                let iface = r.u16("interface")?;
                r.skip(2, "drops")?;
                self.packet(iface.into(), &mut r, at, tally)
            }
            _ => self.simple(&mut r, at, tally),
        }
    }

    fn interface(&mut self, r: &mut Reader<'_>, tally: &mut Tally) -> Result<()> {
        let link = u32::from(r.u16("link type")?);
        r.skip(2, "reserved")?;
        let mut interface = Interface {
            name: None,
            link: super::known(link),
            snaplen: r.u32("snaplen")?,
            unit: Unit::Nanos(1_000),
            offset: 0,
            drops: 0,
            ifdrops: 0,
        };
        let big_endian = self.big_endian;
        options(r, |code, value| match (code, value) {
            (2, name) => {
                let name = name.get(..NAME).unwrap_or(name);
                let name = String::from_utf8_lossy(name);
                interface.name = Some(name.trim_end_matches('\0').to_owned());
            }
            (9, &[resolution]) => interface.unit = Unit::of(resolution),
            (14, value) => interface.offset = long(big_endian, value).cast_signed(),
            _ => {}
        })?;
        if interface.link.is_none() {
            tally.unsupported_link(link, interface.name.as_deref());
        }
        if u16::try_from(self.interfaces.len()).is_err() {
            return Err(Error::Malformed {
                what: "interface description",
                why: "the file describes more than 65,536 interfaces",
            });
        }
        self.interfaces.push(interface);
        Ok(())
    }

    fn statistics(&mut self, r: &mut Reader<'_>) -> Result<()> {
        let iface = r.u32("interface")?;
        r.skip(8, "time")?;
        let big_endian = self.big_endian;
        let Some((_, interface)) = self.find(iface) else {
            return Ok(());
        };
        // Totals since the start of the capture, so the last block of an interface counts.
        options(r, |code, value| match code {
            5 => interface.ifdrops = long(big_endian, value),
            7 => interface.drops = long(big_endian, value),
            _ => {}
        })
    }

    fn packet(
        &mut self,
        iface: u32,
        r: &mut Reader<'_>,
        at: usize,
        tally: &mut Tally,
    ) -> Result<Option<FrameRef>> {
        let (high, low) = (r.u32("time")?, r.u32("time")?);
        let (len, wire) = (r.u32("captured length")?, r.u32("length")?);
        if len as usize > FRAME_BYTES {
            return Err(Error::Malformed {
                what: "packet",
                why: "it claims more bytes than a frame can have",
            });
        }
        let start = at + r.at();
        r.skip(len as usize, "packet bytes")?;
        let Some((iface, interface)) = self.find(iface) else {
            return Err(Error::Malformed {
                what: "packet",
                why: "its interface is not described",
            });
        };
        let Some(link) = interface.link else {
            tally.unsupported += 1;
            return Ok(None);
        };
        let time = u64::from(high) << 32 | u64::from(low);
        Ok(Some(FrameRef {
            ts: interface.time(time),
            start: super::offset(start),
            len,
            wire_len: wire.max(len),
            link,
            iface,
        }))
    }

    fn simple(
        &mut self,
        r: &mut Reader<'_>,
        at: usize,
        tally: &mut Tally,
    ) -> Result<Option<FrameRef>> {
        let wire = r.u32("length")?;
        let ts = self.last;
        let Some((iface, interface)) = self.find(0) else {
            return Err(Error::Malformed {
                what: "packet",
                why: "its interface is not described",
            });
        };
        let Some(link) = interface.link else {
            tally.unsupported += 1;
            return Ok(None);
        };
        let mut len = wire.min(u32::try_from(r.left()).unwrap_or(u32::MAX));
        if interface.snaplen != 0 {
            len = len.min(interface.snaplen);
        }
        if len as usize > FRAME_BYTES {
            return Err(Error::Malformed {
                what: "packet",
                why: "it claims more bytes than a frame can have",
            });
        }
        Ok(Some(FrameRef {
            ts,
            start: super::offset(at + r.at()),
            len,
            wire_len: wire,
            link,
            iface,
        }))
    }

    /// An interface by its number in this section; the number returned counts over all sections.
    fn find(&mut self, iface: u32) -> Option<(u16, &mut Interface)> {
        let index = self.section.checked_add(iface as usize)?;
        let interface = self.interfaces.get_mut(index)?;
        Some((u16::try_from(index).ok()?, interface))
    }

    fn word(&self, b: [u8; 4]) -> u32 {
        if self.big_endian {
            u32::from_be_bytes(b)
        } else {
            u32::from_le_bytes(b)
        }
    }
}

impl Interface {
    fn time(&self, units: u64) -> Timestamp {
        let nanos = self.unit.nanos(units);
        let shift = self.offset.unsigned_abs().saturating_mul(1_000_000_000);
        Timestamp(if self.offset < 0 {
            nanos.saturating_sub(shift)
        } else {
            nanos.saturating_add(shift)
        })
    }
}

impl Unit {
    /// From `if_tsresol`: 10^-n seconds, or 2^-n with the high bit.
    fn of(resolution: u8) -> Self {
        let n = u32::from(resolution & 0x7f);
        if resolution & 0x80 != 0 {
            Self::Binary(n)
        } else if n <= 9 {
            Self::Nanos(10_u64.pow(9 - n))
        } else {
            Self::PerNano(10_u64.saturating_pow(n - 9))
        }
    }

    fn nanos(self, units: u64) -> u64 {
        match self {
            Self::Nanos(n) => units.saturating_mul(n),
            Self::PerNano(n) => units / n,
            Self::Binary(n) => {
                let nanos = (u128::from(units) * 1_000_000_000).unbounded_shr(n);
                u64::try_from(nanos).unwrap_or(u64::MAX)
            }
        }
    }
}

/// Shows every option up to the end mark.
fn options(r: &mut Reader<'_>, mut each: impl FnMut(u16, &[u8])) -> Result<()> {
    while !r.is_empty() {
        let (code, len) = (r.u16("option code")?, r.u16("option length")?);
        if code == 0 {
            break;
        }
        each(code, r.take(len.into(), "option value")?);
        r.align(4, "option padding")?;
    }
    Ok(())
}

/// Eight bytes as a number; 0 if there are not eight.
fn long(big_endian: bool, value: &[u8]) -> u64 {
    match (<[u8; 8]>::try_from(value), big_endian) {
        (Ok(b), true) => u64::from_be_bytes(b),
        (Ok(b), false) => u64::from_le_bytes(b),
        (Err(_), _) => 0,
    }
}
