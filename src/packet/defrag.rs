//! Puts IP fragments together (RFC 791 3.2, RFC 8200 4.5).
//!
//! Bytes are held in pages of one size, and which of them are there in a bitmap of eight-byte units,
//! because every fragment but the last is a multiple of eight. So a datagram costs what it covers, nothing is
//! allocated once the pool has grown, and the pool cannot grow past
//! [`DEFRAG_BYTES`] and [`DEFRAG_DATAGRAMS`]. VLAN tags are not part of the key.
//!
//! Of bytes that come twice the first stand. Hosts disagree here (RFC 5722 drops the datagram,
//! Windows and old Linux keep the first), so every contradiction is counted.

use super::Span;
use super::dissect::{DissectStats, bump};
use super::ip::Addrs;
use crate::limits::{DEFRAG_BYTES, DEFRAG_DATAGRAMS, DEFRAG_SECS};
use crate::time::Timestamp;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::hash::{Hash, Hasher};
use std::time::Duration;

/// Bytes of a page: a common fragment fits into one or two.
const PAGE: usize = 2048;
/// Pages of the longest datagram.
const SPAN: usize = 65_536 / PAGE;
/// Pages of the pool.
const PAGES: usize = DEFRAG_BYTES / PAGE;
/// Bytes of a unit: offsets count in these.
const UNIT: usize = 8;
/// No page, no datagram.
const NONE: u16 = u16::MAX;

/// What fragments of one datagram have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) addrs: Addrs,
    /// Identification: 16 bits in IPv4, 32 in IPv6.
    pub(super) id: u32,
    /// `None` for IPv6, where only the first fragment says what the datagram carries.
    pub(super) protocol: Option<u8>,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(self.addrs.src);
        state.write_u128(self.addrs.dst);
        state.write_u32(self.id);
        state.write_u16(self.protocol.map_or(0x100, u16::from));
    }
}

/// What the headers of a fragment say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fragment {
    pub(super) key: Key,
    /// Where its bytes belong, a multiple of 8.
    pub(super) offset: u16,
    /// More fragments follow.
    pub(super) more: bool,
    /// What the datagram carries, as this fragment says.
    pub(super) protocol: u8,
}

/// The pool.
pub(super) struct Defrag {
    /// Where in `datagrams`.
    index: HashMap<Key, u16, FixedState>,
    datagrams: Vec<Datagram>,
    free_datagrams: Vec<u16>,
    pages: Vec<Page>,
    free_pages: Vec<u16>,
    /// The two ends of the list of datagrams in order of their first fragments.
    oldest: u16,
    newest: u16,
}

struct Datagram {
    key: Key,
    /// When its first fragment came.
    since: Timestamp,
    /// What it carries; known once the fragment at offset 0 has come.
    protocol: u8,
    /// Its length; 0 until the last fragment has come.
    total: usize,
    /// End of what has come.
    highest: usize,
    /// Units that have come.
    units: usize,
    pages: [u16; SPAN],
    older: u16,
    newer: u16,
}

struct Page {
    bytes: [u8; PAGE],
    /// A bit a unit.
    have: [u64; PAGE / UNIT / 64],
}

impl Defrag {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            index: HashMap::with_hasher(FixedState::with_seed(seed)),
            datagrams: Vec::new(),
            free_datagrams: Vec::new(),
            pages: Vec::new(),
            free_pages: Vec::new(),
            oldest: NONE,
            newest: NONE,
        }
    }

    /// Takes a fragment in. If it completes its datagram, that must be [taken](Self::take) at once.
    pub(super) fn add(
        &mut self,
        fragment: Fragment,
        data: &[u8],
        now: Timestamp,
        stats: &mut DissectStats,
    ) -> Option<Whole> {
        self.expire(now, stats);
        let start = usize::from(fragment.offset);
        let end = start.saturating_add(data.len());
        let odd = fragment.more && !data.len().is_multiple_of(UNIT);
        if data.is_empty() || odd || end > usize::from(u16::MAX) {
            bump(&mut stats.defrag_bad);
            return None;
        }
        let slot = match self.index.get(&fragment.key) {
            Some(slot) => *slot,
            None => self.open(fragment.key, now, stats)?,
        };
        let datagram = self.datagrams.get_mut(usize::from(slot))?;
        let past = datagram.total != 0 && end > datagram.total;
        let other_end = !fragment.more
            && (end < datagram.highest || datagram.total != 0 && datagram.total != end);
        if past || other_end {
            bump(&mut stats.defrag_bad);
            return None;
        }
        if !fragment.more {
            datagram.total = end;
        }
        datagram.highest = datagram.highest.max(end);
        if start == 0 && !self.has_start(slot) {
            self.datagrams.get_mut(usize::from(slot))?.protocol = fragment.protocol;
        }
        self.write(slot, start, data, stats)?;
        let datagram = self.datagrams.get(usize::from(slot))?;
        let whole = datagram.total != 0 && datagram.units == datagram.total.div_ceil(UNIT);
        whole.then_some(Whole(slot))
    }

    /// Appends a whole datagram to `spill`; says what it carries and where it lies.
    pub(super) fn take(&mut self, whole: Whole, spill: &mut Vec<u8>) -> Option<(u8, Span)> {
        let Whole(slot) = whole;
        let datagram = self.datagrams.get(usize::from(slot))?;
        let protocol = datagram.protocol;
        let start = spill.len();
        let mut left = datagram.total;
        for page in datagram.pages {
            let Some(page) = self.pages.get(usize::from(page)).filter(|_| left > 0) else {
                break;
            };
            let bytes = page.bytes.get(..left).unwrap_or(&page.bytes);
            spill.extend_from_slice(bytes);
            left = left.saturating_sub(bytes.len());
        }
        let span = Span {
            start: u32::try_from(start).ok()?,
            len: u32::try_from(spill.len().saturating_sub(start)).ok()?,
            spilled: true,
        };
        self.close(slot);
        Some((protocol, span))
    }

    /// Drops datagrams whose time is up.
    fn expire(&mut self, now: Timestamp, stats: &mut DissectStats) {
        while let Some(oldest) = self.datagrams.get(usize::from(self.oldest)) {
            if now.since(oldest.since) <= Duration::from_secs(DEFRAG_SECS) {
                break;
            }
            bump(&mut stats.defrag_timeouts);
            self.close(self.oldest);
        }
    }

    /// A new datagram at the newest end.
    fn open(&mut self, key: Key, now: Timestamp, stats: &mut DissectStats) -> Option<u16> {
        if self.index.len() >= DEFRAG_DATAGRAMS {
            bump(&mut stats.defrag_evictions);
            self.close(self.oldest);
        }
        let datagram = Datagram {
            key,
            since: now,
            protocol: 0,
            total: 0,
            highest: 0,
            units: 0,
            pages: [NONE; SPAN],
            older: self.newest,
            newer: NONE,
        };
        let slot = match self.free_datagrams.pop() {
            Some(slot) => {
                *self.datagrams.get_mut(usize::from(slot))? = datagram;
                slot
            }
            None => {
                let slot = u16::try_from(self.datagrams.len()).ok()?;
                self.datagrams.push(datagram);
                slot
            }
        };
        match self.datagrams.get_mut(usize::from(self.newest)) {
            Some(newest) => newest.newer = slot,
            None => self.oldest = slot,
        }
        self.newest = slot;
        self.index.insert(key, slot);
        Some(slot)
    }

    /// Forgets a datagram and frees what it held.
    fn close(&mut self, slot: u16) {
        let Some(datagram) = self.datagrams.get(usize::from(slot)) else {
            return;
        };
        let (older, newer) = (datagram.older, datagram.newer);
        self.index.remove(&datagram.key);
        let held = datagram.pages.iter().filter(|page| **page != NONE);
        self.free_pages.extend(held);
        match self.datagrams.get_mut(usize::from(older)) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
        match self.datagrams.get_mut(usize::from(newer)) {
            Some(newer) => newer.older = older,
            None => self.newest = older,
        }
        self.free_datagrams.push(slot);
    }

    /// True if the fragment at offset 0 has come.
    fn has_start(&self, slot: u16) -> bool {
        let first = self.datagrams.get(usize::from(slot)).map(|d| d.pages);
        let first = first.and_then(|[first, ..]| self.pages.get(usize::from(first)));
        first.is_some_and(|page| page.have.first().is_some_and(|word| word & 1 != 0))
    }

    /// Writes `data` where nothing is yet. `None` if there is no room and the datagram itself was the one to go.
    fn write(
        &mut self,
        slot: u16,
        start: usize,
        data: &[u8],
        stats: &mut DissectStats,
    ) -> Option<()> {
        let (mut at, mut data) = (start, data);
        let (mut new, mut overlap, mut conflict) = (0_usize, false, false);
        while !data.is_empty() {
            let (page, from) = (at / PAGE, at % PAGE);
            let (piece, rest) = match data.split_at_checked(PAGE.saturating_sub(from)) {
                Some(split) => split,
                None => (data, [].as_slice()),
            };
            let page = self.page(slot, page, stats)?;
            for (i, unit) in piece.chunks(UNIT).enumerate() {
                match page.put((from / UNIT).saturating_add(i), unit) {
                    Put::New => new = new.saturating_add(1),
                    Put::Same => overlap = true,
                    Put::Other => (overlap, conflict) = (true, true),
                }
            }
            at = at.saturating_add(piece.len());
            data = rest;
        }
        if overlap {
            bump(&mut stats.defrag_overlaps);
        }
        if conflict {
            bump(&mut stats.defrag_conflicts);
        }
        let datagram = self.datagrams.get_mut(usize::from(slot))?;
        datagram.units = datagram.units.saturating_add(new);
        Some(())
    }

    /// Page `n` of a datagram, from the pool if it has none yet.
    fn page(&mut self, slot: u16, n: usize, stats: &mut DissectStats) -> Option<&mut Page> {
        let datagram = self.datagrams.get(usize::from(slot))?;
        let mut page = *datagram.pages.get(n)?;
        if page == NONE {
            page = loop {
                if let Some(free) = self.free_pages.pop() {
                    break free;
                }
                if self.pages.len() < PAGES {
                    let new = u16::try_from(self.pages.len()).ok()?;
                    self.pages.push(Page {
                        bytes: [0; PAGE],
                        have: Default::default(),
                    });
                    break new;
                }
                bump(&mut stats.defrag_evictions);
                let oldest = self.oldest;
                self.close(oldest);
                if oldest == slot {
                    return None;
                }
            };
            self.pages.get_mut(usize::from(page))?.have = Default::default();
            let datagram = self.datagrams.get_mut(usize::from(slot))?;
            *datagram.pages.get_mut(n)? = page;
        }
        self.pages.get_mut(usize::from(page))
    }
}

impl std::fmt::Debug for Defrag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Defrag")
            .field("datagrams", &self.index.len())
            .field("pages", &self.pages.len())
            .finish_non_exhaustive()
    }
}

/// A datagram that has all its bytes, until it is taken.
#[derive(Debug)]
pub(super) struct Whole(u16);

/// What writing a unit came to.
enum Put {
    New,
    Same,
    Other,
}

impl Page {
    /// Writes unit `n`, which may be short if it is the datagram's last, unless it is there.
    fn put(&mut self, n: usize, unit: &[u8]) -> Put {
        let bit = 1_u64 << (n % 64);
        let at = n.saturating_mul(UNIT);
        let place = self.bytes.get_mut(at..at.saturating_add(unit.len()));
        let (Some(word), Some(place)) = (self.have.get_mut(n / 64), place) else {
            return Put::Same;
        };
        if *word & bit != 0 {
            return if place == unit { Put::Same } else { Put::Other };
        }
        *word |= bit;
        place.copy_from_slice(unit);
        Put::New
    }
}
