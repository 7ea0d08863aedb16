//! Capture files: pcap and pcapng, plain, gzip or zstd, by content and not by name.
//!
//! A file is read straight into the block, and the record headers are walked in place; only a
//! record that straddles the end of a block is copied into the next. No mmap: a file that is cut
//! while it is read must not end the process, and pipes cannot be mapped.

mod pcap;
mod pcapng;

#[cfg(test)]
mod tests;

use super::filter::Filters;
use super::{CaptureError, End, Fill, Source, SourceStats, link_name, supported};
use crate::limits::BLOCK_BYTES;
use crate::packet::Block;
use crate::time::Timestamp;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use self::pcap::Pcap;
use self::pcapng::Pcapng;

/// Where a walk stopped, and why.
#[derive(Debug)]
enum Stop {
    /// So many bytes are needed from there on.
    Need(usize),
    /// So many bytes from there on are of no interest, more than the buffer holds.
    Skip(u64),
    /// What is there makes no sense; the reason is for a person.
    Broken(String),
}

/// What walks count and have to say.
#[derive(Debug, Default)]
struct Tally {
    unsupported: u64,
    notices: Vec<String>,
}

impl Tally {
    /// Says once that frames of `link` are left out.
    fn unsupported_link(&mut self, link: u32, interface: Option<&str>) {
        let of = interface.map(|name| format!(" (interface {name})"));
        let notice = format!(
            "frames of link type {}{} are left out: it is not supported",
            link_name(link),
            of.unwrap_or_default()
        );
        if !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
    }
}

#[derive(Debug)]
enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

/// Frames of a capture file, or of anything else that can be read.
pub struct FileSource {
    name: String,
    reader: Box<dyn Read + Send>,
    /// The reader gives less than asked though there is more (decompressors do): ask until the block is full.
    piecewise: bool,
    format: Format,
    /// The start of a record, or of the file, that has been read and not walked.
    carry: Vec<u8>,
    /// Bytes that must be there, `carry` included, before walking makes sense.
    need: usize,
    /// Bytes to pass over before walking goes on.
    skip: u64,
    /// Offset in the file of the first byte of `carry`, or where skipping started.
    offset: u64,
    /// What reading said after the last bytes it gave.
    failed: Option<io::Error>,
    end: Option<End>,
    filters: Option<Filters>,
    tally: Tally,
    /// Notices given out.
    told: usize,
    stats: SourceStats,
}

impl FileSource {
    /// Opens the file at `path`; `-` is the standard input.
    ///
    /// # Errors
    /// [`CaptureError`] if it cannot be read, is empty or is no capture.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        if path == Path::new("-") {
            return Self::from_reader("-", Box::new(io::stdin()));
        }
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Self::from_reader(name, Box::new(file)),
            Err(cause) => Err(CaptureError::Unreadable { name, cause }),
        }
    }

    /// Reads a capture from `reader`; `name` is what messages call it.
    ///
    /// # Errors
    /// [`CaptureError`] if it cannot be read, is empty or is no capture.
    pub fn from_reader(
        name: impl Into<String>,
        mut reader: Box<dyn Read + Send>,
    ) -> Result<Self, CaptureError> {
        let name = name.into();
        let unreadable = |cause| CaptureError::Unreadable {
            name: name.clone(),
            cause,
        };
        let mut head = Vec::new();
        read_up_to(&mut reader, &mut head, 4).map_err(unreadable)?;
        let mut piecewise = false;
        if let Some(decoder) = Decoder::of(&head) {
            let packed = Cursor::new(std::mem::take(&mut head)).chain(reader);
            reader = decoder.wrap(packed).map_err(unreadable)?;
            piecewise = true;
            read_up_to(&mut reader, &mut head, 4).map_err(unreadable)?;
        }
        let Some(&magic) = head.first_chunk::<4>() else {
            return Err(if head.is_empty() {
                CaptureError::Empty { name }
            } else {
                not_a_capture(name, &head)
            });
        };
        let mut tally = Tally::default();
        let format = if Pcap::is(magic) {
            read_up_to(&mut reader, &mut head, pcap::HEADER).map_err(unreadable)?;
            let read = match head.first_chunk() {
                Some(header) => Pcap::read(header),
                None => Err(format!(
                    "only {} of {} bytes of the file header are there",
                    head.len(),
                    pcap::HEADER
                )),
            };
            let (format, link) = match read {
                Ok(read) => read,
                Err(why) => return Err(CaptureError::Damaged { name, why }),
            };
            if known(link).is_none() {
                tally.unsupported_link(link, None);
            }
            Format::Pcap(format)
        } else if Pcapng::is(magic) {
            Format::Pcapng(Self::first_section(&name, &mut reader, &mut head)?)
        } else {
            return Err(not_a_capture(name, &head));
        };
        let (carry, offset) = match format {
            Format::Pcap(_) => (Vec::new(), pcap::HEADER as u64),
            Format::Pcapng(_) => (head, 0),
        };
        Ok(Self {
            name,
            reader,
            piecewise,
            format,
            carry,
            need: 0,
            skip: 0,
            offset,
            failed: None,
            end: None,
            filters: None,
            tally,
            told: 0,
            stats: SourceStats::default(),
        })
    }

    /// Checks that a section header is there; it stays in `head` and is walked like any block.
    fn first_section(
        name: &str,
        reader: &mut Box<dyn Read + Send>,
        head: &mut Vec<u8>,
    ) -> Result<Pcapng, CaptureError> {
        // Type, length, byte order, version, section length, length: 28 bytes at least.
        read_up_to(reader, head, 28).map_err(|cause| CaptureError::Unreadable {
            name: name.to_owned(),
            cause,
        })?;
        let damaged = |why: String| CaptureError::Damaged {
            name: name.to_owned(),
            why,
        };
        if head.len() < 28 {
            return Err(damaged(format!(
                "only {} of 28 bytes of the section header are there",
                head.len()
            )));
        }
        let mut trial = Pcapng::default();
        match trial.walk(head, 0, &mut Vec::new(), &mut Tally::default()) {
            (0, Stop::Broken(why)) => Err(damaged(why)),
            _ => Ok(Pcapng::default()),
        }
    }

    /// Lets only frames through that match `bpf` (pcap-filter syntax).
    ///
    /// # Errors
    /// [`CaptureError::Filter`] with libpcap's message.
    pub fn set_filter(&mut self, bpf: &str) -> Result<(), CaptureError> {
        self.filters = Some(Filters::new(bpf)?);
        Ok(())
    }

    /// Reads once, or until `room` is full where the reader gives less than there is.
    fn read(&mut self, room: &mut [u8]) -> usize {
        let mut have = 0;
        while let Some(free) = room.get_mut(have..).filter(|free| !free.is_empty()) {
            match self.reader.read(free) {
                Ok(0) => break,
                Ok(n) => have += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => {
                    self.failed = Some(e);
                    break;
                }
            }
            if !self.piecewise {
                break;
            }
        }
        have
    }

    /// No more bytes: `left` of them have not been walked.
    fn finish(&mut self, left: usize) -> Fill {
        let end = if let Some(e) = self.failed.take() {
            self.broke(format!("reading failed: {e}"))
        } else if self.skip > 0 {
            self.broke(format!(
                "the file ends inside a block; {} more bytes were announced",
                self.skip
            ))
        } else if left > 0 {
            self.broke(format!(
                "the file ends inside a record: {left} bytes of it are there, {} are needed",
                self.need
            ))
        } else {
            End::Finished
        };
        self.end(end)
    }

    fn broke(&self, reason: String) -> End {
        End::Broke {
            offset: Some(self.offset),
            reason,
        }
    }

    fn end(&mut self, end: End) -> Fill {
        self.end = Some(end.clone());
        Fill::End(end)
    }

    /// Takes out the frames that the filter does not let through, and counts.
    fn deliver(&mut self, block: &mut Block) {
        let Block { bytes, frames, .. } = block;
        let before = frames.len();
        self.stats.kernel_packets += before as u64;
        if let Some(filters) = &mut self.filters {
            let notices = &mut self.tally.notices;
            frames.retain(|frame| {
                let start = frame.start as usize;
                let frame_bytes = bytes.get(start..start + frame.len as usize);
                frame_bytes.is_some_and(|b| filters.matches(frame.link, b, notices))
            });
        }
        self.stats.frames += frames.len() as u64;
        self.stats.filtered += (before - frames.len()) as u64;
        self.stats.bytes += frames.iter().map(|f| u64::from(f.len)).sum::<u64>();
    }
}

impl Source for FileSource {
    fn fill(&mut self, block: &mut Block) -> Fill {
        block.frames.clear();
        block.spill.clear();
        if let Some(end) = &self.end {
            return Fill::End(end.clone());
        }
        let mut room = BLOCK_BYTES.max(self.need);
        let mut have = self.carry.len();
        grow(&mut block.bytes, room.max(have));
        if let Some(front) = block.bytes.get_mut(..have) {
            front.copy_from_slice(&self.carry);
        }
        self.carry.clear();
        loop {
            let free = block.bytes.get_mut(have..room).unwrap_or_default();
            let read = self.read(free);
            // The first bytes of a pcapng file are there already and have not been walked.
            let unseen = have > 0 && self.need == 0;
            if read == 0 && !unseen {
                return self.finish(have);
            }
            have += read;
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(have);
            self.skip -= skipped as u64;
            if self.skip > 0 {
                self.offset += skipped as u64;
                have = 0;
                continue;
            }
            let filled = block.bytes.get(..have).unwrap_or_default();
            let (frames, tally) = (&mut block.frames, &mut self.tally);
            let before = tally.unsupported;
            let (mut at, stop) = match &mut self.format {
                Format::Pcap(pcap) => pcap.walk(filled, skipped, frames, tally),
                Format::Pcapng(pcapng) => pcapng.walk(filled, skipped, frames, tally),
            };
            let progress = !frames.is_empty() || tally.unsupported > before;
            self.offset += at as u64;
            self.need = 0;
            match stop {
                Stop::Need(bytes) => self.need = bytes,
                Stop::Skip(bytes) => {
                    self.skip = bytes - (have - at) as u64;
                    self.offset += (have - at) as u64;
                    at = have;
                }
                Stop::Broken(reason) => {
                    let end = self.broke(reason);
                    if !progress {
                        return self.end(end);
                    }
                    self.end = Some(end);
                }
            }
            if progress {
                let rest = block.bytes.get(at..have).unwrap_or_default();
                self.carry.extend_from_slice(rest);
                self.deliver(block);
                return Fill::Frames;
            }
            // Not one whole record: move what there is to the front and go on.
            block.bytes.copy_within(at..have, 0);
            have -= at;
            room = BLOCK_BYTES.max(self.need);
            grow(&mut block.bytes, room);
        }
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn iface_name(&self, iface: u16) -> Option<&str> {
        match &self.format {
            Format::Pcap(_) => None,
            Format::Pcapng(pcapng) => pcapng.interface_name(iface),
        }
    }

    fn stats(&mut self) -> SourceStats {
        let (drops, ifdrops) = match &self.format {
            Format::Pcap(_) => (0, 0),
            Format::Pcapng(pcapng) => pcapng.drops(),
        };
        SourceStats {
            kernel_packets: self.stats.kernel_packets + self.tally.unsupported,
            unsupported: self.tally.unsupported,
            kernel_drops: drops,
            kernel_ifdrops: ifdrops,
            ..self.stats
        }
    }

    fn notice(&mut self) -> Option<String> {
        let notice = self.tally.notices.get(self.told)?;
        self.told += 1;
        Some(format!("{}: {notice}", self.name))
    }
}

impl fmt::Debug for FileSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSource")
            .field("name", &self.name)
            .field("format", &self.format)
            .field("offset", &self.offset)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// The time of the first frame in the file at `path`, to put files in order; `None` if it has none.
///
/// # Errors
/// [`CaptureError`] if it cannot be read, is empty or is no capture.
pub fn first_timestamp(path: &Path) -> Result<Option<Timestamp>, CaptureError> {
    let mut source = FileSource::open(path)?;
    let mut block = Block::default();
    while source.fill(&mut block) == Fill::Frames {
        if let Some(first) = block.frames.first() {
            return Ok(Some(first.ts));
        }
    }
    Ok(None)
}

/// The link type as a frame carries it, if frames of it can be taken apart.
fn known(link: u32) -> Option<u16> {
    u16::try_from(link).ok().filter(|_| supported(link))
}

/// A position in a block. Blocks are smaller than 4 GiB: `BLOCK_BYTES`, or one record of `FRAME_BYTES`.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn grow(bytes: &mut Vec<u8>, to: usize) {
    if bytes.len() < to {
        bytes.resize(to, 0);
    }
}

/// Reads until `head` has `len` bytes or there are no more.
fn read_up_to(reader: &mut impl Read, head: &mut Vec<u8>, len: usize) -> io::Result<()> {
    let more = len.saturating_sub(head.len()) as u64;
    reader.by_ref().take(more).read_to_end(head).map(drop)
}

/// What `reader` holds, unpacked if its first bytes say gzip or zstd.
pub(crate) fn unpacked(mut reader: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    let mut head = Vec::new();
    read_up_to(&mut reader, &mut head, 4)?;
    let decoder = Decoder::of(&head);
    let whole = Cursor::new(head).chain(reader);
    match decoder {
        Some(decoder) => decoder.wrap(whole),
        None => Ok(Box::new(whole)),
    }
}

#[derive(Clone, Copy, Debug)]
enum Decoder {
    Gzip,
    Zstd,
}

impl Decoder {
    /// By the first bytes (RFC 1952 2.3.1, RFC 8878 3.1.1).
    fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd] => Some(Self::Zstd),
            _ => None,
        }
    }

    fn wrap(self, packed: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
        let packed = BufReader::with_capacity(BLOCK_BYTES / 2, packed);
        Ok(match self {
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
            Self::Zstd => Box::new(zstd::Decoder::with_buffer(packed)?),
        })
    }
}

fn not_a_capture(name: String, head: &[u8]) -> CaptureError {
    let found = match head {
        b"GMBU" => "a Network Monitor capture: convert it with editcap -F pcapng".to_owned(),
        b"snoo" => "a snoop capture: convert it with editcap -F pcapng".to_owned(),
        [0xfd, b'7', b'z', b'X'] => "xz: unpack it first".to_owned(),
        [b'B', b'Z', b'h', _] => "bzip2: unpack it first".to_owned(),
        [b'P', b'K', 3, 4] => "a zip archive: unpack it first".to_owned(),
        head => {
            let hex: Vec<String> = head.iter().take(4).map(|b| format!("{b:02x}")).collect();
            format!("it starts with {}", hex.join(" "))
        }
    };
    CaptureError::NotACapture { name, found }
}
