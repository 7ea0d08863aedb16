//! Makes captures of made-up traffic in memory.
#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

/// A pcap file under construction (microseconds, little-endian, Ethernet).
pub struct Pcap {
    pub bytes: Vec<u8>,
    micros: u64,
}

/// One direction of a TCP conversation.
#[derive(Clone, Copy)]
pub struct Tcp {
    pub src: [u8; 4],
    pub dst: [u8; 4],
    pub sport: u16,
    pub dport: u16,
    pub seq: u32,
    pub ack: u32,
}

pub const SYN: u8 = 0x02;
pub const ACK: u8 = 0x10;
pub const PSH_ACK: u8 = 0x18;

impl Pcap {
    pub fn new() -> Self {
        let mut bytes = Vec::new();
        bytes.extend(0xa1b2_c3d4_u32.to_le_bytes()); // magic, microseconds
        bytes.extend(2_u16.to_le_bytes()); // version 2.4
        bytes.extend(4_u16.to_le_bytes());
        bytes.extend([0; 8]); // thiszone, sigfigs
        bytes.extend(65_535_u32.to_le_bytes()); // snaplen
        bytes.extend(1_u32.to_le_bytes()); // Ethernet
        Self {
            bytes,
            micros: 1_700_000_000_000_000,
        }
    }

    /// Lets time pass.
    pub fn wait(&mut self, micros: u64) {
        self.micros += micros;
    }

    /// Adds a TCP packet; `t.seq` moves on.
    pub fn tcp(&mut self, t: &mut Tcp, flags: u8, payload: &[u8]) {
        let total = 20 + 20 + payload.len();
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00];
        frame.extend([0x45, 0]); // version 4, header of 5 words
        frame.extend(u16::try_from(total).unwrap().to_be_bytes());
        frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0]); // no fragments, TTL 64, TCP, no checksum
        frame.extend(t.src);
        frame.extend(t.dst);
        frame.extend(t.sport.to_be_bytes());
        frame.extend(t.dport.to_be_bytes());
        frame.extend(t.seq.to_be_bytes());
        frame.extend(t.ack.to_be_bytes());
        frame.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        frame.extend(payload);
        self.frame(&frame);
        let syn = u32::from(flags & SYN != 0);
        t.seq = t
            .seq
            .wrapping_add(u32::try_from(payload.len()).unwrap())
            .wrapping_add(syn);
    }

    fn frame(&mut self, frame: &[u8]) {
        self.micros += 10;
        let len = u32::try_from(frame.len()).unwrap().to_le_bytes();
        self.bytes.extend(
            u32::try_from(self.micros / 1_000_000)
                .unwrap()
                .to_le_bytes(),
        );
        self.bytes.extend(
            u32::try_from(self.micros % 1_000_000)
                .unwrap()
                .to_le_bytes(),
        );
        self.bytes.extend(len);
        self.bytes.extend(len);
        self.bytes.extend(frame);
    }
}

/// A DCE/RPC bind of one context (C706 12.6.4.3): interface in wire order, version 1.0, NDR.
pub fn bind(interface: [u8; 16]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend([0xb8, 0x10, 0xb8, 0x10, 0, 0, 0, 0]); // max fragments 4280, no group
    body.extend([1, 0, 0, 0]); // one context element
    body.extend([0, 0, 1, 0]); // id 0, one transfer syntax
    body.extend(interface);
    body.extend(1_u32.to_le_bytes());
    body.extend([
        0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48,
        0x60,
    ]);
    body.extend(2_u32.to_le_bytes());
    pdu(11, 1, &body)
}

/// A DCE/RPC request on context 0.
pub fn request(call_id: u32, opnum: u16, stub: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(u32::try_from(stub.len()).unwrap().to_le_bytes());
    body.extend(0_u16.to_le_bytes());
    body.extend(opnum.to_le_bytes());
    body.extend(stub);
    pdu(0, call_id, &body)
}

/// A DCE/RPC response on context 0.
pub fn response(call_id: u32, stub: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(u32::try_from(stub.len()).unwrap().to_le_bytes());
    body.extend([0, 0, 0, 0]);
    body.extend(stub);
    pdu(2, call_id, &body)
}

/// A request fragment that is not the last.
pub fn unfinished(call_id: u32, opnum: u16, first: bool, stub: &[u8]) -> Vec<u8> {
    let mut fragment = request(call_id, opnum, stub);
    fragment[3] = u8::from(first); // PFC_FIRST_FRAG, no PFC_LAST_FRAG
    fragment
}

/// An SMB2 WRITE (MS-SMB2 2.2.21) of `data` to a file of tree 1, session 1.
pub fn smb2_write(message_id: u64, file: u64, data: &[u8]) -> Vec<u8> {
    let mut p = vec![0];
    p.extend(&u32::try_from(112 + data.len()).unwrap().to_be_bytes()[1..]); // NBSS
    p.extend(b"\xfeSMB");
    p.extend([64, 0, 0, 0, 0, 0, 0, 0]); // structure size, credit charge, channel sequence
    p.extend([9, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // WRITE, credits, no flags, no next
    p.extend(message_id.to_le_bytes());
    p.extend([0; 4]);
    p.extend(1_u32.to_le_bytes()); // tree
    p.extend(1_u64.to_le_bytes()); // session
    p.extend([0; 16]); // no signature
    p.extend([49, 0, 112, 0]); // structure size, data offset
    p.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
    p.extend([0; 8]); // offset in the file
    p.extend(file.to_le_bytes());
    p.extend(file.to_le_bytes());
    p.extend([0; 16]); // channel, remaining bytes, channel info, flags
    p.extend(data);
    p
}

fn pdu(ptype: u8, call_id: u32, body: &[u8]) -> Vec<u8> {
    let mut p = vec![5, 0, ptype, 3, 0x10, 0, 0, 0];
    p.extend(u16::try_from(16 + body.len()).unwrap().to_le_bytes());
    p.extend([0, 0]);
    p.extend(call_id.to_le_bytes());
    p.extend(body);
    p
}

/// The `n`th DNS question in a frame, as a pcap record of its own (RFC 791, 768, 1035).
pub fn question(n: u32) -> Vec<u8> {
    let id = n.to_be_bytes();
    let mut dns = vec![id[2], id[3], 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]; // recursion desired, one question
    dns.push(7);
    dns.extend_from_slice(format!("n{n:06}").as_bytes());
    dns.extend_from_slice(b"\x07example\x00\x00\x01\x00\x01"); // A, IN
    let mut udp = Vec::new();
    udp.extend_from_slice(&(1024 + (n % 60_000) as u16).to_be_bytes());
    udp.extend_from_slice(&53u16.to_be_bytes());
    udp.extend_from_slice(&(8 + dns.len() as u16).to_be_bytes());
    udp.extend_from_slice(&[0, 0]); // no checksum
    udp.extend_from_slice(&dns);
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
    frame.extend_from_slice(&(20 + udp.len() as u16).to_be_bytes());
    frame.extend_from_slice(&[0, 0, 0, 0, 64, 17, 0, 0]); // UDP; header checksum not looked at
    frame.extend_from_slice(&[192, 0, 2, 10, 192, 0, 2, 53]);
    frame.extend_from_slice(&udp);
    let length = (frame.len() as u32).to_le_bytes();
    let micros = n * 10;
    let mut record = Vec::new();
    record.extend_from_slice(&(1_700_000_000 + micros / 1_000_000).to_le_bytes());
    record.extend_from_slice(&(micros % 1_000_000).to_le_bytes());
    record.extend_from_slice(&length);
    record.extend_from_slice(&length);
    record.extend_from_slice(&frame);
    record
}

/// A frame and its time in microseconds.
pub type Frame = (u64, Vec<u8>);

/// Frames of one of our captures, packed or not: classic pcap, little-endian, microseconds.
pub fn frames(name: &str) -> Vec<Frame> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/captures/");
    let path = format!("{folder}{name}");
    let mut bytes = std::fs::read(path).unwrap();
    if name.ends_with(".zst") {
        bytes = zstd::decode_all(bytes.as_slice()).unwrap();
    }
    assert_eq!(bytes[..4], 0xa1b2_c3d4_u32.to_le_bytes());
    let mut rest = &bytes[24..];
    let mut all = Vec::new();
    while !rest.is_empty() {
        let word = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
        let micros = u64::from(word(0)) * 1_000_000 + u64::from(word(4));
        let end = 16 + word(8) as usize;
        all.push((micros, rest[16..end].to_vec()));
        rest = &rest[end..];
    }
    all
}

/// Writes frames as a capture, in the order of their time.
pub fn write(path: &std::path::Path, mut all: Vec<Frame>) {
    all.sort_by_key(|(micros, _)| *micros);
    let mut file = Pcap::new().bytes;
    for (micros, frame) in all {
        for word in [micros / 1_000_000, micros % 1_000_000] {
            file.extend(u32::try_from(word).unwrap().to_le_bytes());
        }
        for _ in 0..2 {
            file.extend(u32::try_from(frame.len()).unwrap().to_le_bytes());
        }
        file.extend(frame);
    }
    std::fs::write(path, file).unwrap();
}
