//! The file: pcapng (draft-ietf-opsawg-pcapng), one section, an interface a link type, times in nanoseconds.

use crate::packet::Kept;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const COMMENT: u16 = 1;
const APPLICATION: u16 = 4;
const RESOLUTION: u16 = 9;

/// A whole file of `frames`, in their order; `comment` is shown in Wireshark's file properties.
pub(super) fn file(frames: &[Kept], comment: &str) -> Vec<u8> {
    let mut out = Vec::new();
    // Byte-order magic, version 1.0, length of the section not given.
    let mut body = Vec::new();
    body.extend(0x1a2b_3c4d_u32.to_le_bytes());
    body.extend(1_u16.to_le_bytes());
    body.extend(0_u16.to_le_bytes());
    body.extend((-1_i64).to_le_bytes());
    option(&mut body, COMMENT, comment.as_bytes());
    let us = concat!("relaywatch ", env!("CARGO_PKG_VERSION"));
    option(&mut body, APPLICATION, us.as_bytes());
    option(&mut body, 0, &[]);
    block(&mut out, SECTION, &body);
    let mut links: Vec<u16> = Vec::new();
    for frame in frames {
        if !links.contains(&frame.link) {
            links.push(frame.link);
            body.clear();
            body.extend(frame.link.to_le_bytes());
            body.extend(0_u16.to_le_bytes());
            // No snap length.
            body.extend(0_u32.to_le_bytes());
            option(&mut body, RESOLUTION, &[9]);
            option(&mut body, 0, &[]);
            block(&mut out, INTERFACE, &body);
        }
    }
    for frame in frames {
        let interface = links.iter().position(|l| *l == frame.link).unwrap_or(0);
        body.clear();
        body.extend(short(interface).to_le_bytes());
        let [high, low] = [frame.ts.0 >> 32, frame.ts.0 & 0xffff_ffff];
        for half in [high, low] {
            body.extend(u32::try_from(half).unwrap_or(0).to_le_bytes());
        }
        body.extend(short(frame.bytes.len()).to_le_bytes());
        body.extend(frame.wire_len.max(short(frame.bytes.len())).to_le_bytes());
        padded(&mut body, &frame.bytes);
        block(&mut out, PACKET, &body);
    }
    out
}

fn short(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Type, length, body, length again.
fn block(out: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let len = short(body.len() + 12);
    out.extend(kind.to_le_bytes());
    out.extend(len.to_le_bytes());
    out.extend_from_slice(body);
    out.extend(len.to_le_bytes());
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend(u16::try_from(value.len()).unwrap_or(0).to_le_bytes());
    padded(body, value);
}

/// To a multiple of 32 bits.
fn padded(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend_from_slice(bytes);
    body.resize(body.len().next_multiple_of(4), 0);
}
