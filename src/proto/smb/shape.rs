//! What encrypted messages look like from outside (MS-SMB2 2.2.41): the size of the plaintext is in clear, and
//! sizes of single commands tell which they are. One event once the client has sent a few, one whenever it
//! looks as if it opened a named pipe and bound an interface, one at the end.
//!
//! The plaintext is one SMB2 message: header of 64 bytes (2.2.1), CREATE of 56 bytes with the name in UTF-16
//! (2.2.13), WRITE of 48 (2.2.21) or IOCTL of 56 (2.2.31) before the PDU; the PDU is a bind of 28 bytes and 44 a
//! context (C706 12.6.4.3), with a security trailer of 8 and a token where it authenticates.
//! **Not** read: compounded commands, whose sizes add up.

use super::wire::Transform;
use crate::event::{Event, Sink, SmbEncrypted};
use crate::limits::{SMB_ENCRYPTED_SIZES, SMB_SHAPE};
use crate::net::Direction;

/// A CREATE of a name of 4 (`samr`) to 12 characters.
const OPENS: std::ops::RangeInclusive<u32> = 128..=144;
/// A WRITE or IOCTL of a bind of one, two or three contexts without authentication.
const BINDS: [u32; 6] = [184, 192, 228, 236, 272, 280];
/// The same with an NTLM NEGOTIATE (MS-NLMP 2.2.1.1: 32 bytes, or 40 with a version, and names).
const BINDS_AUTHENTICATED: std::ops::RangeInclusive<u32> = 224..=360;

/// Encrypted messages of one connection. Sessions that share one are counted together.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// SessionId of the first message.
    session: u64,
    lanes: [Sizes; 2],
    /// Every nonce of the client so far was of letters.
    letters: bool,
    /// Messages that the last event told of.
    said: u64,
    /// Pipes opened and bound.
    pipes: u64,
    /// Messages of the client since one that fits the opening of a pipe.
    since_open: Option<u8>,
}

/// Messages of one direction.
#[derive(Debug, Default)]
struct Sizes {
    first: [i32; SMB_ENCRYPTED_SIZES],
    count: u64,
}

impl Sizes {
    fn add(&mut self, size: u32) {
        let at = usize::try_from(self.count).unwrap_or(usize::MAX);
        if let Some(to) = self.first.get_mut(at) {
            *to = i32::try_from(size).unwrap_or(i32::MAX);
        }
        self.count = self.count.saturating_add(1);
    }

    fn known(&self) -> &[i32] {
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        self.first.get(..count).unwrap_or(&self.first)
    }
}

impl Shape {
    /// Takes the header of an encrypted message.
    pub(super) fn add(&mut self, direction: Direction, header: &Transform, out: &mut dyn Sink) {
        let [requests, responses] = &mut self.lanes;
        if requests.count == 0 && responses.count == 0 {
            self.session = header.session_id;
        }
        match direction {
            Direction::ToServer => {
                self.letters = header.has_letters() && (self.letters || requests.count == 0);
                requests.add(header.size);
                let count = requests.count;
                let bound = self.binds(header.size);
                if bound {
                    self.pipes = self.pipes.saturating_add(1);
                }
                // After that many, one more says nothing new.
                if bound && self.pipes <= SMB_SHAPE {
                    self.say(direction, true, out);
                } else if count == SMB_SHAPE {
                    self.say(direction, false, out);
                }
            }
            Direction::ToClient => responses.add(header.size),
        }
    }

    /// No more will come.
    pub(super) fn end(&mut self, out: &mut dyn Sink) {
        self.say(Direction::ToServer, false, out);
    }

    /// True if a message of this size from the client binds an interface to a pipe it just opened.
    fn binds(&mut self, size: u32) -> bool {
        if OPENS.contains(&size) && size.is_multiple_of(2) {
            self.since_open = Some(0);
            return false;
        }
        // A query of the pipe's state may come between.
        let Some(since) = self.since_open.filter(|since| *since < 2) else {
            return false;
        };
        let bound = BINDS.contains(&size) || BINDS_AUTHENTICATED.contains(&size);
        self.since_open = (!bound).then(|| since.saturating_add(1));
        bound
    }

    fn say(&mut self, direction: Direction, pipe_now: bool, out: &mut dyn Sink) {
        let [requests, responses] = &self.lanes;
        let all = requests.count.saturating_add(responses.count);
        if all == self.said {
            return;
        }
        self.said = all;
        let event = SmbEncrypted {
            message: "encrypted",
            session_id: self.session,
            requests: requests.count,
            responses: responses.count,
            request_sizes: requests.known(),
            response_sizes: responses.known(),
            letter_nonces: self.letters,
            pipes: self.pipes,
            pipe_now,
        };
        out.event(direction, &Event::SmbEncrypted(event));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::Recorder;

    fn header(size: u32, nonce: [u8; 16]) -> Transform {
        Transform {
            nonce,
            size,
            session_id: 7,
        }
    }

    #[test]
    fn a_few_are_said_at_once_and_the_rest_at_the_end() {
        let (mut shape, mut out) = (Shape::default(), Recorder::default());
        let letters = *b"fWsZJSrVuVN\0\0\0\0\0";
        // An unauthenticated EFSR call by impacket, with its answers.
        for size in [106, 132, 184, 113, 208, 113] {
            shape.add(Direction::ToServer, &header(size, letters), &mut out);
            shape.add(Direction::ToClient, &header(80, [9; 16]), &mut out);
        }
        let pipe = ["requests: 3, responses: 2", "pipes: 1, pipe_now: true"];
        assert_eq!((out.0.len(), out.count(&pipe)), (1, 1), "{:?}", out.0);
        for _ in 0..20 {
            shape.add(Direction::ToServer, &header(88, letters), &mut out);
        }
        let first = [
            "to_server SmbEncrypted",
            "requests: 8, responses: 6",
            "request_sizes: [106, 132, 184, 113, 208, 113, 88, 88]",
            "letter_nonces: true",
        ];
        assert_eq!(out.count(&first), 1, "{:?}", out.0);
        shape.end(&mut out);
        shape.end(&mut out);
        assert_eq!(out.0.len(), 3, "{:?}", out.0);
        let last = ["requests: 26, responses: 6", "pipes: 1, pipe_now: false"];
        assert_eq!(out.count(&last), 1);
    }

    /// Sizes by the layouts above; whether a pipe was bound.
    #[test]
    fn what_looks_like_a_pipe() {
        for (sizes, pipes) in [
            // samr, then a WRITE of a bind with one context.
            (&[128, 184][..], 1),
            // spoolss, a query of its state (MS-SMB2 2.2.37: 64 + 40 + 0 or 1), an IOCTL of two contexts.
            (&[106, 134, 105, 236], 1),
            // lsarpc, a bind with an NTLM NEGOTIATE of 32 bytes.
            (&[106, 132, 224], 1),
            // One connection, two pipes.
            (&[132, 184, 113, 208, 132, 184], 2),
            // A read, a directory query, a write of a file's contents.
            (&[132, 113, 113, 184], 0),
            (&[136, 4208], 0),
            (&[106, 184], 0),
            (&[133, 184], 0),
            (&[], 0),
        ] {
            let (mut shape, mut out) = (Shape::default(), Recorder::default());
            for size in sizes {
                shape.add(Direction::ToServer, &header(*size, [9; 16]), &mut out);
            }
            assert_eq!(shape.pipes, pipes, "{sizes:?}");
            assert_eq!(out.count(&["pipe_now: true"]) as u64, pipes, "{sizes:?}");
        }
    }

    #[test]
    fn pipes_without_end_are_not_told_without_end() {
        let (mut shape, mut out) = (Shape::default(), Recorder::default());
        for _ in 0..100 {
            for size in [132, 184] {
                shape.add(Direction::ToServer, &header(size, [9; 16]), &mut out);
            }
        }
        shape.end(&mut out);
        assert_eq!(out.count(&["pipe_now: true"]) as u64, SMB_SHAPE);
        assert_eq!(out.count(&["pipes: 100, pipe_now: false"]), 1);
    }

    #[test]
    fn one_other_nonce_is_enough() {
        let (mut shape, mut out) = (Shape::default(), Recorder::default());
        let letters = *b"fWsZJSrVuVN\0\0\0\0\0";
        for nonce in [letters, [9; 16], letters] {
            shape.add(Direction::ToServer, &header(u32::MAX, nonce), &mut out);
        }
        shape.end(&mut out);
        let parts = ["letter_nonces: false", "request_sizes: [2147483647, "];
        assert_eq!(out.count(&parts), 1, "{:?}", out.0);
    }
}
