//! Where a direction is, and its way through bodies.

use super::decoder::{Decoder, anomaly};
use super::tap::Tap;
use super::wire::{Begins, Framing, begins, chunk_size, line};
use crate::event::Sink;
use crate::limits::HTTP_LINE_BYTES;
use crate::net::Direction;
use crate::packet::Chunk;
use crate::proto::Shared;

/// Stands for "until the connection closes" where a number is needed, and caps what a peer claims.
pub(super) const FOREVER: u64 = 1 << 62;

/// Where one direction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// In a head, of which this many bytes were searched for its end.
    Head { searched: usize },
    /// Behind a head that said `Expect: 100-continue`: the body follows, or after a refusal the
    /// next head (RFC 9110 10.1.1).
    Either { framing: Framing },
    /// In a body with this much left.
    Length { left: u64 },
    /// In a body that ends with the connection.
    UntilClose,
    /// Before the size of a chunk.
    ChunkSize,
    /// In the data of a chunk.
    ChunkData { left: u64 },
    /// Behind the data of a chunk, before its line end.
    ChunkEnd,
    /// In the trailer section.
    Trailers,
    /// Anywhere: the next line that is a start line begins a head.
    Lost { line_start: bool },
}

pub(super) const HEAD: At = At::Head { searched: 0 };

/// One direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Half {
    pub(super) at: At,
    /// The body goes to the tap.
    pub(super) tapped: bool,
    /// Messages may be missing before the next head.
    pub(super) found_again: bool,
    pub(super) ended: bool,
}

impl Default for Half {
    fn default() -> Self {
        Self {
            at: HEAD,
            tapped: false,
            found_again: false,
            ended: false,
        }
    }
}

/// What a step did with the bytes at the front.
pub(super) enum Step {
    /// Took this many; the state may have changed too.
    Took(usize),
    /// Needs this many to go on.
    More(usize),
    /// Passes over this many, here or still to come.
    Skip(u64),
    /// Took this many; another protocol follows.
    Follows(usize),
    /// Nothing of interest follows in either direction.
    Done,
}

impl<T: Tap> Decoder<T> {
    /// A step inside a body.
    pub(super) fn body_step(
        &mut self,
        direction: Direction,
        at: At,
        bytes: &[u8],
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Step {
        match at {
            At::Length { left } => {
                if !self.half(direction).tapped {
                    self.half(direction).at = HEAD;
                    return Step::Skip(left);
                }
                let (piece, left) = split(bytes, left);
                self.body(direction, piece, shared, out);
                if left == 0 {
                    self.tap_end(direction, shared, out);
                    self.half(direction).at = HEAD;
                } else {
                    self.half(direction).at = At::Length { left };
                }
                Step::Took(piece.len())
            }
            At::UntilClose => {
                if !self.half(direction).tapped {
                    return Step::Skip(FOREVER);
                }
                self.body(direction, bytes, shared, out);
                Step::Took(bytes.len())
            }
            At::ChunkSize => {
                self.in_line(direction, bytes, shared, out, |text| {
                    match chunk_size(text)? {
                        0 => Some(At::Trailers),
                        n => Some(At::ChunkData {
                            left: n.min(FOREVER),
                        }),
                    }
                })
            }
            At::ChunkData { left } => {
                if !self.half(direction).tapped {
                    self.half(direction).at = At::ChunkEnd;
                    return Step::Skip(left);
                }
                let (piece, left) = split(bytes, left);
                self.body(direction, piece, shared, out);
                self.half(direction).at = if left == 0 {
                    At::ChunkEnd
                } else {
                    At::ChunkData { left }
                };
                Step::Took(piece.len())
            }
            At::ChunkEnd => self.in_line(direction, bytes, shared, out, |text| {
                text.is_empty().then_some(At::ChunkSize)
            }),
            At::Trailers => {
                let step = self.in_line(direction, bytes, shared, out, |text| {
                    Some(if text.is_empty() { HEAD } else { At::Trailers })
                });
                if self.half(direction).at == HEAD {
                    self.tap_end(direction, shared, out);
                }
                step
            }
            // No body: `step` does not come here with these.
            At::Head { .. } | At::Either { .. } | At::Lost { .. } => Step::Took(bytes.len()),
        }
    }

    /// Reads one line inside a chunked body; `next` says where that leads, or that it is wrong.
    pub(super) fn in_line(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        shared: &mut Shared,
        out: &mut dyn Sink,
        next: impl FnOnce(&[u8]) -> Option<At>,
    ) -> Step {
        let why = match line(bytes) {
            Some((text, n)) if n <= HTTP_LINE_BYTES => match next(text) {
                Some(at) => {
                    self.half(direction).at = at;
                    return Step::Took(n);
                }
                None => "not as chunked transfer coding has it",
            },
            None if bytes.len() < HTTP_LINE_BYTES => {
                return Step::More(bytes.len().saturating_add(1));
            }
            _ => "too long",
        };
        anomaly(direction, "line of a chunked body", why, out);
        self.lose(direction, shared, out);
        Step::Took(0)
    }

    /// Looks for a start line at the beginning of a line.
    pub(super) fn search(&mut self, direction: Direction, bytes: &[u8], line_start: bool) -> Step {
        let want = match direction {
            Direction::ToServer => Begins::Request,
            Direction::ToClient => Begins::Response,
        };
        let mut at = 0_usize;
        let mut line_start = line_start;
        while let Some(rest @ [_, ..]) = bytes.get(at..) {
            if line_start {
                match begins(rest) {
                    found if found == want => {
                        let half = self.half(direction);
                        half.at = HEAD;
                        half.found_again = true;
                        return Step::Took(at);
                    }
                    Begins::Perhaps => {
                        self.half(direction).at = At::Lost { line_start };
                        return if at > 0 {
                            Step::Took(at)
                        } else {
                            Step::More(rest.len().saturating_add(1))
                        };
                    }
                    _ => {}
                }
            }
            line_start = match line(rest) {
                Some((_, n)) => {
                    at = at.saturating_add(n);
                    true
                }
                None => {
                    at = bytes.len();
                    false
                }
            };
        }
        self.half(direction).at = At::Lost { line_start };
        Step::Took(bytes.len())
    }

    /// Goes from a head into its body.
    pub(super) fn enter(
        &mut self,
        direction: Direction,
        framing: Framing,
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) {
        let at = match framing {
            Framing::Length(0) => HEAD,
            Framing::Length(n) => At::Length {
                left: n.min(FOREVER),
            },
            Framing::Chunked => At::ChunkSize,
            Framing::UntilClose => At::UntilClose,
            Framing::Unknown(why) => {
                anomaly(direction, "length of a body", why, out);
                return self.lose(direction, shared, out);
            }
        };
        self.half(direction).at = at;
        if at == HEAD {
            self.tap_end(direction, shared, out);
        }
    }

    pub(super) fn body(
        &mut self,
        direction: Direction,
        piece: &[u8],
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) {
        self.tap.body(direction, Chunk::Data(piece), shared, out);
    }

    /// Ends a tapped body.
    pub(super) fn tap_end(
        &mut self,
        direction: Direction,
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) {
        if std::mem::take(&mut self.half(direction).tapped) {
            self.tap.body(direction, Chunk::End, shared, out);
        }
    }

    /// Framing is gone.
    pub(super) fn lose(&mut self, direction: Direction, shared: &mut Shared, out: &mut dyn Sink) {
        self.tap_end(direction, shared, out);
        self.half(direction).at = At::Lost { line_start: true };
    }

    pub(super) fn gap(
        &mut self,
        direction: Direction,
        bytes: u64,
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) {
        if let At::Either { framing } = self.half(direction).at {
            self.enter(direction, framing, shared, out);
        }
        let half = self.half(direction);
        let (left, then) = match half.at {
            At::Length { left } => (left, HEAD),
            At::ChunkData { left } => (left, At::ChunkEnd),
            At::UntilClose => (u64::MAX, At::UntilClose),
            _ => return self.lose(direction, shared, out),
        };
        half.at = match (half.at, left.checked_sub(bytes)) {
            (_, None) => return self.lose(direction, shared, out),
            (At::UntilClose, _) => At::UntilClose,
            (_, Some(0)) => then,
            (At::Length { .. }, Some(left)) => At::Length { left },
            (_, Some(left)) => At::ChunkData { left },
        };
        if half.tapped {
            self.tap.body(direction, Chunk::Gap(bytes), shared, out);
        }
        if self.half(direction).at == HEAD {
            self.tap_end(direction, shared, out);
        }
    }
}

/// The part of `bytes` that belongs to a body, and what is left of that body.
fn split(bytes: &[u8], left: u64) -> (&[u8], u64) {
    let piece = usize::try_from(left)
        .ok()
        .and_then(|n| bytes.get(..n))
        .unwrap_or(bytes);
    let len = u64::try_from(piece.len()).unwrap_or(u64::MAX);
    (piece, left.saturating_sub(len))
}
