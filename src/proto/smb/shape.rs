//! What encrypted messages look like from outside (MS-SMB2 2.2.41): the size of the plaintext is in clear, and
//! sizes of single commands tell which they are. One event once the client has sent a few, one at the end.

use super::wire::Transform;
use crate::event::{Event, Sink, SmbEncrypted};
use crate::limits::{SMB_ENCRYPTED_SIZES, SMB_SHAPE};
use crate::net::Direction;

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
                if requests.count == SMB_SHAPE {
                    self.say(direction, out);
                }
            }
            Direction::ToClient => responses.add(header.size),
        }
    }

    /// No more will come.
    pub(super) fn end(&mut self, out: &mut dyn Sink) {
        self.say(Direction::ToServer, out);
    }

    fn say(&mut self, direction: Direction, out: &mut dyn Sink) {
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
        assert!(out.0.is_empty());
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
        assert_eq!(out.0.len(), 2, "{:?}", out.0);
        assert_eq!(out.count(&["requests: 26, responses: 6"]), 1);
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
