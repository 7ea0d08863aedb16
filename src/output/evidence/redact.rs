//! Secrets out of the frames of an incident, whatever segments they are split over.
//!
//! The segments of each direction of a flow are laid side by side by sequence number; secrets are looked for in what
//! is contiguous, and the bytes go back into every segment that has them, repeated ones too. Where bytes before a
//! segment are missing it may be the rest of a secret: it is zeroed whole, and so are those after it up to one that
//! begins a message.

use std::collections::BTreeMap;

use super::secrets::erase;
use crate::packet::{Kept, Tcp};

/// Zeroes secrets in `frames`.
pub(super) fn redact(frames: &mut [Kept]) {
    let mut streams: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (i, frame) in frames.iter_mut().enumerate() {
        if frame.len == 0 {
            continue;
        }
        if frame.is_tcp() {
            streams
                .entry((frame.key, frame.from_a))
                .or_default()
                .push(i);
        } else {
            erase(payload(frame));
        }
    }
    for ((key, from_a), segments) in streams {
        // A SYN says where the stream begins; its own number is one before the first byte.
        let syn = frames
            .iter()
            .find(|f| f.key == key && f.from_a == from_a && f.is_tcp() && f.tcp.has(Tcp::SYN));
        let begin = syn.map(|f| f.tcp.seq.wrapping_add(1));
        stream(frames, &segments, begin);
    }
}

fn payload(frame: &mut Kept) -> &mut [u8] {
    let end = frame.start.saturating_add(frame.len);
    frame.bytes.get_mut(frame.start..end).unwrap_or_default()
}

/// One direction of a flow.
fn stream(frames: &mut [Kept], segments: &[usize], begin: Option<u32>) {
    let seq = |i: &usize| frames.get(*i).map_or(0, |f| f.tcp.seq);
    let base = begin.or(segments.first().map(seq)).unwrap_or(0);
    // Distance from the base, which may be negative: what came before its turn.
    let mut sorted: Vec<(i64, usize)> = segments
        .iter()
        .map(|i| (i64::from(seq(i).wrapping_sub(base).cast_signed()), *i))
        .collect();
    sorted.sort_unstable();
    let mut run = Run::default();
    let mut runs = Vec::new();
    for (at, i) in sorted {
        let Some(bytes) = frames.get(i).map(Kept::payload) else {
            continue;
        };
        if !run.takes(at, i, bytes) {
            let sure = begin.is_some() && at == 0;
            runs.push(std::mem::replace(&mut run, Run::begin(at, i, bytes, sure)));
        }
    }
    runs.push(run);
    for mut run in runs {
        run.clean();
        for (offset, i) in &run.segments {
            if let Some(frame) = frames.get_mut(*i) {
                let to = payload(frame);
                if let Some(from) = run.bytes.get(*offset..offset + to.len()) {
                    to.copy_from_slice(from);
                }
            }
        }
    }
}

/// Bytes without a hole.
#[derive(Debug, Default)]
struct Run {
    start: i64,
    bytes: Vec<u8>,
    /// Where in `bytes` a frame's payload lies.
    segments: Vec<(usize, usize)>,
    /// Nothing before it is missing.
    sure: bool,
}

impl Run {
    fn begin(at: i64, i: usize, bytes: &[u8], sure: bool) -> Self {
        Self {
            start: at,
            bytes: bytes.to_vec(),
            segments: vec![(0, i)],
            sure,
        }
    }

    /// Adds a segment that touches it. One that repeats other bytes than there are is not part of it: it is looked
    /// at alone, as after a hole.
    fn takes(&mut self, at: i64, i: usize, bytes: &[u8]) -> bool {
        let Ok(offset) = usize::try_from(at - self.start) else {
            return false;
        };
        if self.segments.is_empty() || offset > self.bytes.len() {
            return false;
        }
        let known = self.bytes.get(offset..).unwrap_or_default();
        let both = known.len().min(bytes.len());
        if known.get(..both) != bytes.get(..both) {
            return false;
        }
        self.bytes
            .extend_from_slice(bytes.get(both..).unwrap_or_default());
        self.segments.push((offset, i));
        true
    }

    fn clean(&mut self) {
        if !self.sure {
            let known = self
                .segments
                .iter()
                .find(|(offset, _)| begins_message(self.bytes.get(*offset..).unwrap_or_default()));
            let unknown = known.map_or(self.bytes.len(), |(offset, _)| *offset);
            self.bytes.iter_mut().take(unknown).for_each(|b| *b = 0);
        }
        erase(&mut self.bytes);
    }
}

/// True if a message of a protocol that is followed begins here.
fn begins_message(bytes: &[u8]) -> bool {
    match bytes {
        // SMB over TCP or NetBIOS.
        [0, _, _, _, 0xfd..=0xff, b'S', b'M', b'B', ..] => true,
        // DCE/RPC: version 5, minor version 0 or 1, one of 20 types, known flags.
        [5, 0 | 1, 0..=19, _, 0x10 | 0, 0, 0, 0, ..] => true,
        // Kerberos over TCP: a length below 16 MiB, APPLICATION 10 to 30.
        [0, _, _, _, 0x6a..=0x7e, 0x30 | 0x81..=0x83, ..] => true,
        // LDAP: a sequence that begins with a message id.
        [0x30, 0..=0x7f, 2, 1..=4, ..]
        | [0x30, 0x81, _, 2, 1..=4, ..]
        | [0x30, 0x82, _, _, 2, 1..=4, ..] => true,
        [0x30, 0x84, _, _, _, _, 2, 1..=4, ..] => true,
        // HTTP: a status, or a method, a blank and a target.
        [b'H', b'T', b'T', b'P', b'/', b'1', ..] => true,
        _ => {
            let word = bytes
                .iter()
                .take_while(|b| b.is_ascii_uppercase() || **b == b'_')
                .count();
            (3..=16).contains(&word)
                && matches!(bytes.get(word..word + 2), Some([b' ', b'/' | b'*' | b'h']))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Addr, Endpoint, FlowKey, Transport};
    use proptest::prelude::*;

    /// `GET`, then an AUTHENTICATE whose NT response is all 0xee.
    fn message() -> Vec<u8> {
        let mut m = b"GET / HTTP/1.1\r\n\r\n".to_vec();
        let at = m.len();
        m.extend(b"NTLMSSP\0\x03\0\0\0");
        for (len, offset) in [
            (0_u16, 64_u32),
            (200, 70),
            (0, 64),
            (6, 64),
            (0, 64),
            (0, 64),
        ] {
            m.extend(len.to_le_bytes());
            m.extend(len.to_le_bytes());
            m.extend(offset.to_le_bytes());
        }
        m.resize(at + 64, 1);
        m.extend(b"a\0l\0i\0");
        m.resize(at + 270, 0xee);
        m.extend(b"GET /next HTTP/1.1\r\n\r\n");
        m
    }

    fn frame(number: u64, seq: u32, flags: u8, bytes: &[u8]) -> Kept {
        let end = |n| Endpoint::new(Addr::v4([10, 0, 0, n]), 1000 + u16::from(n));
        let (key, _) = FlowKey::new(end(1), end(2), Transport::Tcp);
        let mut whole = vec![7; 54];
        whole.extend(bytes);
        Kept {
            number,
            ts: crate::time::Timestamp::ZERO,
            key,
            from_a: true,
            tcp: Tcp { seq, ack: 0, flags },
            link: 1,
            wire_len: 0,
            start: 54,
            len: bytes.len(),
            bytes: whole.into(),
        }
    }

    fn has_secret(frames: &[Kept]) -> bool {
        frames.iter().any(|f| f.bytes.contains(&0xee))
    }

    fn cut(message: &[u8], cuts: &[usize], first: u32) -> Vec<Kept> {
        let mut ends: Vec<usize> = cuts.iter().map(|c| c % message.len()).collect();
        ends.extend([0, message.len()]);
        ends.sort_unstable();
        ends.dedup();
        let mut number = 1;
        ends.windows(2)
            .map(|w| {
                number += 1;
                let seq = first.wrapping_add(u32::try_from(w[0]).unwrap());
                frame(number, seq, Tcp::ACK, &message[w[0]..w[1]])
            })
            .collect()
    }

    proptest! {
        /// Any cut, any order, with repeats, any loss: no byte of the response is left, and without loss nothing else
        /// is changed.
        #[test]
        fn however_it_is_cut(
            cuts in prop::collection::vec(0_usize..400, 0..12),
            first: u32,
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
            lost in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
            syn: bool,
        ) {
            let message = message();
            let mut frames = cut(&message, &cuts, first);
            for at in &order {
                let moved = frames.remove(at.index(frames.len()));
                frames.push(moved.clone());
                frames.insert(0, moved);
            }
            let whole = frames.clone();
            if syn {
                frames.insert(0, frame(1, first.wrapping_sub(1), Tcp::SYN, b""));
            }
            let mut clean = frames.clone();
            redact(&mut clean);
            prop_assert!(!has_secret(&clean));
            if syn {
                for (before, after) in frames.iter().zip(&clean) {
                    let same = before.bytes.iter().zip(&after.bytes).all(|(b, a)| b == a || *b == 0xee);
                    prop_assert!(same, "something else was changed");
                }
            }
            let mut rest = whole;
            for at in &lost {
                if !rest.is_empty() {
                    rest.remove(at.index(rest.len()));
                }
            }
            redact(&mut rest);
            prop_assert!(!has_secret(&rest));
        }
    }

    #[test]
    fn a_second_version_of_the_same_bytes_is_looked_at_too() {
        let message = message();
        let other = vec![b'x'; message.len()];
        for versions in [[&other, &message], [&message, &other]] {
            let mut frames = vec![frame(1, 99, Tcp::SYN, b"")];
            frames.push(frame(2, 100, Tcp::ACK, versions[0]));
            frames.push(frame(3, 100, Tcp::ACK, versions[1]));
            redact(&mut frames);
            assert!(!has_secret(&frames));
        }
    }
}
