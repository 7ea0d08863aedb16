//! The yardstick: what any sensor of this kind has to do, and nothing else.
//!
//! ```text
//! read 256 KiB ─► record walk ─► Ethernet/VLAN/IP/TCP ─► hash ─► groups of 32: slot, record ─► class,
//! sequence check, PDU walk by length, skip by sequence, NTLMSSP search in what is not passed over
//! ```
//!
//! It uses nothing of the sensor, so that it stays the same while the sensor changes. It keeps no
//! bytes: a PDU header that two segments share is lost and the walk finds its feet at the next
//! segment that begins with one. No checksums, no fragments, no tunnels, no out-of-order segments,
//! no events. Only classic pcap with Ethernet. One thread.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use memchr::memmem::Finder;

/// Bytes read at once: stays in a core's L2 cache.
const CHUNK: usize = 256 * 1024;
/// Packets looked up together, so that cache misses overlap.
const GROUP: usize = 32;
/// Largest record accepted.
const RECORD: usize = 512 * 1024;

/// What a run saw. Enough to notice that a change made it do less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames.
    pub packets: u64,
    /// Their captured bytes.
    pub bytes: u64,
    /// Flows, TCP and UDP.
    pub flows: u64,
    /// PDU headers of SMB, DCE/RPC and LDAP.
    pub pdus: u64,
    /// Payload bytes passed over inside PDUs.
    pub skipped: u64,
    /// Packets of flows that nobody looks at.
    pub bypassed: u64,
    /// Segments with an NTLMSSP signature.
    pub ntlm: u64,
    /// Holes.
    pub gaps: u64,
}

/// Reads a pcap from its first byte to its last.
pub fn run(path: &Path) -> io::Result<Counts> {
    let mut file = File::open(path)?;
    let mut head = [0; 24];
    file.read_exact(&mut head)?;
    let big = match head[..4] {
        [0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1] => false,
        [0xa1, 0xb2, 0xc3, 0xd4] | [0xa1, 0xb2, 0x3c, 0x4d] => true,
        _ => return Err(io::Error::other("not a classic pcap file")),
    };
    let number = |b: [u8; 4]| {
        if big {
            u32::from_be_bytes(b)
        } else {
            u32::from_le_bytes(b)
        }
    };
    if number([head[20], head[21], head[22], head[23]]) & 0xffff != 1 {
        return Err(io::Error::other("the link type is not Ethernet"));
    }

    let mut engine = Engine::new();
    let mut buf = vec![0; CHUNK + RECORD];
    let mut kept = 0;
    loop {
        let n = file.read(&mut buf[kept..kept + CHUNK])?;
        let end = kept + n;
        let mut at = 0;
        while let Some(record) = buf[..end].get(at..at + 16) {
            let len = number([record[8], record[9], record[10], record[11]]) as usize;
            if len > RECORD - 16 {
                return Err(io::Error::other("a record is larger than 512 KiB"));
            }
            if at + 16 + len > end {
                break;
            }
            let secs = number([record[0], record[1], record[2], record[3]]);
            engine.frame(&buf[..end], at + 16, len, secs);
            at += 16 + len;
        }
        // The group must not outlive the bytes it points into.
        engine.work(&buf[..end]);
        buf.copy_within(at..end, 0);
        kept = end - at;
        if n == 0 {
            return Ok(engine.counts());
        }
    }
}

/// One packet of a group: where its payload lies and whose it is.
#[derive(Clone, Copy, Default)]
struct Item {
    key: [u64; 5],
    hash: u64,
    start: usize,
    len: usize,
    seq: u32,
    secs: u32,
    flags: u8,
    tcp: bool,
    v6: bool,
    from_a: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Class {
    #[default]
    Unknown,
    Smb,
    Rpc,
    Ldap,
    Bypassed,
}

/// A flow: 64 bytes beside its key.
#[derive(Clone, Copy, Default)]
struct Flow<K> {
    key: K,
    last: u32,
    class: Class,
    /// Per direction: the next sequence number is known.
    known: [bool; 2],
    next: [u32; 2],
    /// Per direction: where the next PDU begins, if the walk has its feet.
    pdu: [u32; 2],
    walking: [bool; 2],
}

struct Engine {
    v4: Table<u128>,
    v6: Table<[u64; 5]>,
    group: Vec<Item>,
    found: Vec<usize>,
    ntlmssp: Finder<'static>,
    counts: Counts,
}

impl Engine {
    fn new() -> Self {
        Self {
            v4: Table::new(),
            v6: Table::new(),
            group: Vec::with_capacity(GROUP),
            found: vec![0; GROUP],
            ntlmssp: Finder::new(b"NTLMSSP\0"),
            counts: Counts::default(),
        }
    }

    fn counts(&self) -> Counts {
        Counts {
            flows: (self.v4.flows.len() + self.v6.flows.len()) as u64,
            ..self.counts
        }
    }

    fn frame(&mut self, buf: &[u8], start: usize, len: usize, secs: u32) {
        self.counts.packets += 1;
        self.counts.bytes += len as u64;
        if let Some(mut item) = parse(&buf[start..start + len]) {
            item.start += start;
            item.secs = secs;
            self.group.push(item);
            if self.group.len() == GROUP {
                self.work(buf);
            }
        }
    }

    /// Three passes: the slots, the records, the work. The loads of a pass do not wait for each
    /// other, so their cache misses overlap.
    fn work(&mut self, buf: &[u8]) {
        let mut seen = 0;
        for item in &self.group {
            seen ^= if item.v6 {
                self.v6.touch(item.hash)
            } else {
                self.v4.touch(item.hash)
            };
        }
        std::hint::black_box(seen);
        for (item, found) in self.group.iter().zip(&mut self.found) {
            *found = if item.v6 {
                self.v6.find(item.key, item.hash)
            } else {
                self.v4.find(short(&item.key), item.hash)
            };
        }
        for (item, found) in self.group.iter().zip(&self.found) {
            let payload = &buf[item.start..item.start + item.len];
            if item.v6 {
                let flow = &mut self.v6.flows[*found];
                segment(flow, item, payload, &self.ntlmssp, &mut self.counts);
            } else {
                let flow = &mut self.v4.flows[*found];
                segment(flow, item, payload, &self.ntlmssp, &mut self.counts);
            }
        }
        self.group.clear();
    }
}

/// Both IPv4 addresses, both ports and the protocol.
fn short(key: &[u64; 5]) -> u128 {
    u128::from(key[0]) << 64 | u128::from(key[4])
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;

fn segment<K>(
    flow: &mut Flow<K>,
    item: &Item,
    payload: &[u8],
    ntlmssp: &Finder<'_>,
    counts: &mut Counts,
) {
    flow.last = item.secs;
    if !item.tcp {
        return;
    }
    let way = usize::from(item.from_a);
    if item.flags & SYN != 0 {
        flow.known[way] = true;
        flow.next[way] = item.seq.wrapping_add(1);
        flow.pdu[way] = flow.next[way];
        flow.walking[way] = true;
        return;
    }
    if flow.class == Class::Bypassed {
        counts.bypassed += 1;
        return;
    }
    if payload.is_empty() {
        return;
    }
    let end = item.seq.wrapping_add(item.len as u32);
    if flow.known[way] {
        let ahead = item.seq.wrapping_sub(flow.next[way]).cast_signed();
        if ahead < 0 && end.wrapping_sub(flow.next[way]).cast_signed() <= 0 {
            return; // seen before
        }
        if ahead > 0 {
            counts.gaps += 1;
            // A hole inside a PDU that is passed over does no harm.
            if flow.pdu[way].wrapping_sub(item.seq).cast_signed() < 0 {
                flow.walking[way] = false;
            }
        }
    }
    flow.known[way] = true;
    flow.next[way] = end;
    if item.flags & (FIN | RST) != 0 {
        flow.walking[way] = false;
    }
    if flow.class == Class::Unknown {
        flow.class = classify(payload);
        if flow.class == Class::Bypassed {
            return;
        }
    }
    if !flow.walking[way] {
        if header(flow.class, payload).is_none() {
            return;
        }
        flow.walking[way] = true;
        flow.pdu[way] = item.seq;
    }
    // Bytes of this segment that belong to a PDU whose header was seen before.
    let passed = flow.pdu[way].wrapping_sub(item.seq) as usize;
    if passed >= payload.len() {
        counts.skipped += payload.len() as u64;
        return;
    }
    if ntlmssp.find(payload).is_some() {
        counts.ntlm += 1;
    }
    let mut at = passed;
    while at < payload.len() {
        let Some(len) = header(flow.class, &payload[at..]) else {
            flow.walking[way] = false;
            return;
        };
        counts.pdus += 1;
        at += len;
    }
    flow.pdu[way] = item.seq.wrapping_add(at as u32);
}

/// Which protocol? First bytes decide. HTTP and TLS are not followed here.
fn classify(b: &[u8]) -> Class {
    match *b {
        [0, _, _, _, 0xfc..=0xff, b'S', b'M', b'B', ..] => Class::Smb,
        [5, 0 | 1, 0..=19, ..] if b.len() >= 16 => Class::Rpc,
        [0x30, 0x84, ..]
        | [0x30, _, 2, ..]
        | [0x30, 0x81, _, 2, ..]
        | [0x30, 0x82, _, _, 2, ..] => Class::Ldap,
        _ => Class::Bypassed,
    }
}

/// Length of the PDU that begins here, header included.
fn header(class: Class, b: &[u8]) -> Option<usize> {
    match (class, b) {
        (Class::Smb, [0, x, y, z, rest @ ..]) => {
            let len = u32::from_be_bytes([0, *x, *y, *z]) as usize;
            // Session id, command and message id are what a decoder reads of every command.
            if let [0xfe, b'S', b'M', b'B', ..] = rest {
                std::hint::black_box((rest.get(12..14), rest.get(24..48)));
            }
            Some(len + 4)
        }
        (Class::Rpc, [5, 0 | 1, _, _, drep, _, _, _, l0, l1, ..]) => {
            let len = [*l0, *l1];
            let len = if drep & 0x10 != 0 {
                u16::from_le_bytes(len)
            } else {
                u16::from_be_bytes(len)
            };
            Some(usize::from(len)).filter(|len| *len >= 16)
        }
        (Class::Ldap, [0x30, short, ..]) if *short < 0x80 => Some(usize::from(*short) + 2),
        (Class::Ldap, [0x30, 0x81, a, ..]) => Some(usize::from(*a) + 3),
        (Class::Ldap, [0x30, 0x82, a, b, ..]) => {
            Some(usize::from(u16::from_be_bytes([*a, *b])) + 4)
        }
        (Class::Ldap, [0x30, 0x84, a, b, c, d, ..]) => {
            Some(u32::from_be_bytes([*a, *b, *c, *d]) as usize + 6).filter(|len| *len < 1 << 24)
        }
        _ => None,
    }
}

fn be16(b: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*b.get(at)?, *b.get(at + 1)?]))
}

fn be32(b: &[u8], at: usize) -> Option<u32> {
    b.get(at..)?.first_chunk().map(|c| u32::from_be_bytes(*c))
}

fn be64(b: &[u8], at: usize) -> Option<u64> {
    b.get(at..)?.first_chunk().map(|c| u64::from_be_bytes(*c))
}

/// Ethernet, up to three VLAN tags, IPv4 or IPv6 with its usual extensions, TCP or UDP.
fn parse(frame: &[u8]) -> Option<Item> {
    let mut at = 12;
    let mut kind = be16(frame, at)?;
    for _ in 0..3 {
        if matches!(kind, 0x8100 | 0x88a8 | 0x9100) {
            at += 4;
            kind = be16(frame, at)?;
        }
    }
    at += 2;
    let ip = frame.get(at..)?;
    let (protocol, source, dest, l4, total, v6) = match kind {
        0x0800 => {
            let first = *ip.first()?;
            if first >> 4 != 4 || be16(ip, 6)? & 0x3fff != 0 {
                return None;
            }
            let source = [0, u64::from(be32(ip, 12)?)];
            let dest = [0, u64::from(be32(ip, 16)?)];
            let l4 = usize::from(first & 15) * 4;
            (
                *ip.get(9)?,
                source,
                dest,
                l4,
                usize::from(be16(ip, 2)?),
                false,
            )
        }
        0x86dd => {
            let source = [be64(ip, 8)?, be64(ip, 16)?];
            let dest = [be64(ip, 24)?, be64(ip, 32)?];
            let mut next = *ip.get(6)?;
            let mut l4 = 40;
            while matches!(next, 0 | 43 | 60) {
                next = *ip.get(l4)?;
                l4 += (usize::from(*ip.get(l4 + 1)?) + 1) * 8;
            }
            (next, source, dest, l4, usize::from(be16(ip, 4)?) + 40, true)
        }
        _ => return None,
    };
    let total = total.min(ip.len());
    let segment = ip.get(l4..total)?;
    let (sport, dport) = (be16(segment, 0)?, be16(segment, 2)?);
    let tcp = protocol == 6;
    let head = match protocol {
        6 => usize::from(*segment.get(12)? >> 4) * 4,
        17 => 8,
        _ => return None,
    };
    let len = segment.len().checked_sub(head)?;
    let from_a = (source, sport) <= (dest, dport);
    let (low, high, lport, hport) = if from_a {
        (source, dest, sport, dport)
    } else {
        (dest, source, dport, sport)
    };
    let ports = u64::from(lport) << 32 | u64::from(hport) << 16 | u64::from(protocol);
    let key = if v6 {
        [low[0], low[1], high[0], high[1], ports]
    } else {
        [low[1] << 32 | high[1], 0, 0, 0, ports]
    };
    let mut hash = fold(
        key[0] ^ 0x243f_6a88_85a3_08d3,
        ports ^ 0x1319_8a2e_0370_7344,
    );
    if v6 {
        hash = fold(hash ^ key[1], key[2] ^ 0xa409_3822_299f_31d0);
        hash = fold(hash ^ key[3], 0x082e_fa98_ec4e_6c89);
    }
    Some(Item {
        key,
        hash,
        start: at + l4 + head,
        len,
        seq: if tcp { be32(segment, 4)? } else { 0 },
        secs: 0,
        flags: if tcp { *segment.get(13)? } else { 0 },
        tcp,
        v6,
        from_a,
    })
}

/// Both halves of the product, folded: good enough for a table that no peer attacks.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ (product >> 64) as u64
}

/// Open addressing over indices: a slot is 32 bits of tag and 32 bits of index + 1.
struct Table<K> {
    slots: Vec<u64>,
    flows: Vec<Flow<K>>,
    mask: usize,
}

impl<K: Copy + Eq + Default> Table<K> {
    fn new() -> Self {
        let size = 1 << 12;
        Self {
            slots: vec![0; size],
            flows: Vec::new(),
            mask: size - 1,
        }
    }

    fn touch(&self, hash: u64) -> u64 {
        self.slots[place(hash) & self.mask]
    }

    /// Index of the flow with this key; a new one if there is none.
    fn find(&mut self, key: K, hash: u64) -> usize {
        let tag = hash & !0xffff_ffff;
        let mut at = place(hash) & self.mask;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                break;
            }
            let index = (slot as u32 - 1) as usize;
            if slot & !0xffff_ffff == tag && self.flows[index].key == key {
                return index;
            }
            at = (at + 1) & self.mask;
        }
        let index = self.flows.len();
        self.flows.push(Flow {
            key,
            ..Flow::default()
        });
        self.slots[at] = tag | (index as u64 + 1);
        if self.flows.len() * 2 > self.slots.len() {
            self.grow();
        }
        index
    }

    /// Four times the slots. The tag holds the place, so no hash is computed again.
    fn grow(&mut self) {
        let size = self.slots.len() * 4;
        let mut slots = vec![0; size];
        let mask = size - 1;
        for slot in self.slots.iter().copied().filter(|s| *s != 0) {
            let mut at = place(slot) & mask;
            while slots[at] != 0 {
                at = (at + 1) & mask;
            }
            slots[at] = slot;
        }
        self.slots = slots;
        self.mask = mask;
    }
}

/// Where a search begins: the high half of a hash, which is the tag of a slot too.
fn place(hash: u64) -> usize {
    (hash >> 32) as usize
}
