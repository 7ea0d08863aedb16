//! Where frames come from: capture files and interfaces.
//!
//! A [`Source`] fills a [`Block`] with bytes and says where the frames lie in them; what
//! the bytes mean is [`packet`](crate::packet)'s business. [`FileSource`] reads pcap and pcapng,
//! plain or compressed, with one `read()` a block and no copy. [`LiveSource`] takes what the kernel
//! has ready from libpcap, at most a block at a time.

#![deny(clippy::indexing_slicing)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

mod error;
mod fanout;
mod file;
mod filter;
mod link;
mod live;
mod series;

pub use error::CaptureError;
pub(crate) use file::unpacked;
pub use file::{FileSource, first_timestamp};
pub use filter::Filter;
pub use live::{Interface, LiveOptions, LiveSource, interface, interfaces};
pub use series::Series;

use crate::packet::Block;
use crate::time::Timestamp;
use std::fmt;

/// Something frames come from.
pub trait Source: Send {
    /// Empties `block` and puts up to about [`BLOCK_BYTES`](crate::limits::BLOCK_BYTES) of frames in it.
    ///
    /// Do not clear a recycled block before: a file is read over the old bytes, because
    /// zeroing a block costs as much as walking it. Only [`Block::frames`] say which bytes count.
    fn fill(&mut self, block: &mut Block) -> Fill;

    /// The file as the operator wrote it, or the interface.
    fn name(&self) -> &str;

    /// The file that the frames of the last block are from, of a source that consists of several.
    fn file(&self) -> Option<&str> {
        None
    }

    /// The name of interface `iface` of a [`FrameRef`](crate::packet::FrameRef), if one is known.
    fn iface_name(&self, iface: u16) -> Option<&str>;

    /// What was counted since the source was opened.
    fn stats(&mut self) -> SourceStats;

    /// At time `now`, with nothing to fetch: frames older than this have all come.
    fn settled(&self, now: Timestamp) -> Timestamp {
        now
    }

    /// Adds the interfaces it watches.
    fn watched(&mut self, _all: &mut Vec<Watched>) {}

    /// The next thing the operator should be told, each once. To be asked after every block.
    fn notice(&mut self) -> Option<String>;
}

/// What [`Source::fill`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fill {
    /// The block holds what came; no frame at all if a filter let none through.
    Frames,
    /// Nothing came within the timeout. Only interfaces say so.
    Idle,
    /// Nothing will come any more.
    End(End),
}

/// Why a source ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything was read.
    Finished,
    /// Something is wrong with the rest. What came before has been delivered.
    Broke {
        /// Where in the file (after decompression), bytes; `None` for an interface.
        offset: Option<u64>,
        /// What is wrong and what to do about it, for a person.
        reason: String,
    },
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished => f.write_str("read to its end"),
            Self::Broke {
                offset: Some(offset),
                reason,
            } => write!(f, "stopped at byte {offset}: {reason}"),
            Self::Broke {
                offset: None,
                reason,
            } => f.write_str(reason),
        }
    }
}

/// What a source counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceStats {
    /// Frames delivered.
    pub frames: u64,
    /// Bytes of delivered frames as captured.
    pub bytes: u64,
    /// Frames not delivered because their link type is not supported.
    pub unsupported: u64,
    /// Frames of a file that its filter did not let through. (The kernel does not count those.)
    pub filtered: u64,
    /// Frames the kernel saw for us, those it dropped included; frames in the file for a file.
    pub kernel_packets: u64,
    /// Frames dropped because we did not fetch them in time; for a pcapng file, what its
    /// statistics blocks say of the capture that wrote it.
    pub kernel_drops: u64,
    /// Frames dropped by the interface or its driver, likewise.
    pub kernel_ifdrops: u64,
}

impl SourceStats {
    /// Adds what another source counted.
    pub fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.unsupported += other.unsupported;
        self.filtered += other.filtered;
        self.kernel_packets += other.kernel_packets;
        self.kernel_drops += other.kernel_drops;
        self.kernel_ifdrops += other.kernel_ifdrops;
    }
}

/// An interface that is watched, by however many captures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Its name.
    pub name: String,
    /// It is there and has its link.
    pub up: bool,
    /// What was counted of it.
    pub stats: SourceStats,
}

impl Watched {
    /// Adds what one capture of interface `name` counted to the others of it.
    pub fn add(all: &mut Vec<Self>, name: &str, up: bool, stats: &SourceStats) {
        match all.iter_mut().find(|w| w.name == name) {
            Some(known) => {
                known.up |= up;
                known.stats.add(stats);
            }
            None => all.push(Self {
                name: name.to_owned(),
                up,
                stats: *stats,
            }),
        }
    }
}

/// True for the link types that [`packet`](crate::packet) can take apart.
fn supported(link: u32) -> bool {
    // LINKTYPE_ numbers: NULL, ETHERNET, RAW (as some BSDs number it, twice), RAW, LOOP,
    // LINUX_SLL, IPV4, IPV6, LINUX_SLL2.
    matches!(link, 0 | 1 | 12 | 14 | 101 | 108 | 113 | 228 | 229 | 276)
}

/// What a link type is called, for messages.
fn link_name(link: u32) -> String {
    // DLT_ and LINKTYPE_ differ in a few numbers only, none of which has a name worth printing here.
    let name = i32::try_from(link)
        .ok()
        .and_then(|link| pcap::Linktype(link).get_name().ok());
    match name {
        Some(name) => format!("{link} ({name})"),
        None => link.to_string(),
    }
}
