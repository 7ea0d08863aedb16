//! Framing: which bytes are looked at, which are waited for, which are passed over.

use super::commands::{After, Connection, Pdu, Surroundings};
use super::shape::Shape;
use super::tables::Kind;
use super::wire::{self, Header, protocol};
use crate::event::{Event, Sink, SmbNetbios};
use crate::limits::{SMB_LOST_BYTES, TAIL_BYTES};
use crate::net::Direction;
use crate::packet::{Chunk, Progress};
use crate::proto::Shared;
use crate::proto::both::{Both, Once};
use crate::proto::nbss;
use crate::wire::{Error, Reader, Text};

/// One connection.
#[derive(Debug, Default)]
pub struct Decoder {
    lanes: Both<Lane>,
    pub(super) connection: Connection,
    pub(super) opaque: Opaque,
    shape: Shape,
    /// Some message was framed: it is SMB.
    is_smb: bool,
    reported: Reported,
}

/// Messages that cannot be looked into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opaque {
    /// SMB 3 encryption.
    pub encrypted: u64,
    /// SMB 3.1.1 compression that could not be undone.
    pub compressed: u64,
}

/// Anomalies are said once a connection and kind.
#[derive(Debug, Default)]
struct Reported {
    lost: Once,
    malformed: Once,
    unread: Once,
    forgot: Once,
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) place: Place,
    /// Bytes of the message that are not passed yet. Counts only while inside one.
    pub(super) left: usize,
    /// What related commands of a compound inherit.
    pub(super) chain: Chain,
    /// Bytes searched in vain.
    searched: u64,
    seen: bool,
    ended: bool,
}

/// What the next byte of a direction is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Place {
    /// The first of an NBSS header.
    #[default]
    Message,
    /// The first of an SMB2 header.
    Command,
    /// The first of an SMB1 header.
    Legacy,
    /// Data of a pipe in a command too long to wait for.
    Data {
        /// Bytes of data still to come.
        data: usize,
        /// Bytes of the command behind the data.
        behind: usize,
        /// The pipe.
        handle: u32,
        /// Which way it goes, by the command's own flag.
        to: Direction,
    },
    /// Unknown: bytes are missing or made no sense.
    Lost,
}

/// What a related command takes over from the one before (MS-SMB2 3.3.5.2.7.2).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chain {
    pub(super) session: u64,
    pub(super) tree: u32,
    /// Kind of a tree whose connect is in the same compound.
    pub(super) kind: Option<Kind>,
    pub(super) handle: Option<u32>,
    /// Data of a pipe that is waited for: what to tell if it never comes whole.
    pub(super) cut: Option<Cut>,
}

/// Bytes of a [`Cut`].
pub(super) const CUT: usize = 40;

/// The head of a pipe's data: enough of a PDU to say which call it is (C706 12.6.4.9: 24 bytes, and an object UUID).
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) handle: u32,
    pub(super) to: Direction,
    pub(super) head: [u8; CUT],
    /// Bytes of it that are there.
    pub(super) length: usize,
}

/// What to do with the bytes in front.
pub(super) enum Step {
    /// So many are done with; they may reach beyond what is shown.
    Pass(usize),
    /// So many are wanted in one piece.
    Want(usize),
    /// It is no SMB.
    Done,
}

impl Decoder {
    /// Bytes of heap it holds now, itself apart.
    #[must_use]
    pub fn held(&self) -> usize {
        let c = &self.connection;
        c.sessions
            .held()
            .saturating_add(c.trees.held())
            .saturating_add(c.handles.held())
            .saturating_add(c.pending.held())
            .saturating_add(c.partial.held())
    }

    /// Takes the next piece of one direction.
    pub fn chunk(
        &mut self,
        direction: Direction,
        chunk: Chunk<'_>,
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Progress {
        let bytes = match chunk {
            Chunk::Data(bytes) => bytes,
            Chunk::Gap(_) => {
                self.missed(direction, shared, out);
                self.lose(direction, GAP, out);
                return Progress::all(&[]);
            }
            Chunk::End => {
                self.end(direction, out);
                return Progress::all(&[]);
            }
        };
        self.lane(direction).seen = true;
        let mut at = 0_usize;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::Took { bytes: at, need: 1 };
            }
            match self.step(direction, rest, shared, out) {
                Step::Pass(n) => {
                    at = at.saturating_add(n);
                    if at > bytes.len() {
                        return Progress::Skip { bytes: at as u64 };
                    }
                }
                Step::Want(need) => return Progress::Took { bytes: at, need },
                Step::Done => return Progress::Done,
            }
        }
    }

    /// Messages that could not be looked into.
    #[must_use]
    pub fn opaque(&self) -> Opaque {
        self.opaque
    }

    /// What pipes were given, for tests.
    #[cfg(test)]
    pub(super) fn tap(&self) -> &[(String, Direction, Vec<u8>)] {
        &self.connection.tap
    }

    pub(super) fn lane(&mut self, direction: Direction) -> &mut Lane {
        self.lanes.of(direction)
    }

    fn step(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Step {
        match self.lane(direction).place {
            Place::Message => self.message(direction, bytes, shared, out),
            Place::Command => self.command(direction, bytes, shared, out),
            Place::Legacy => self.legacy(direction, bytes, shared, out),
            Place::Data {
                data,
                behind,
                handle,
                to,
            } => {
                let piece = bytes.get(..data).unwrap_or(bytes);
                self.connection
                    .stream(handle, to, piece, &shared.catalog, out);
                let data = data.saturating_sub(piece.len());
                if data > 0 {
                    self.lane(direction).place = Place::Data {
                        data,
                        behind,
                        handle,
                        to,
                    };
                    return Step::Pass(piece.len());
                }
                let passed = piece.len().saturating_add(behind);
                self.passed(direction, behind);
                Step::Pass(passed)
            }
            Place::Lost => self.search(direction, bytes),
        }
    }

    /// At an NBSS header.
    fn message(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Step {
        let mut r = Reader::new(bytes);
        let header = match nbss::wire::Header::read(&mut r) {
            Ok(header) => header,
            Err(Error::Short { need, .. }) => return Step::Want(need),
            Err(error) => return self.lose(direction, error, out),
        };
        let whole = header.length.saturating_add(nbss::wire::HEADER);
        if header.kind == nbss::wire::Kind::Request && header.length == nbss::wire::NAMES {
            return self.netbios(direction, bytes, r, out);
        }
        if header.kind != nbss::wire::Kind::Message || header.length == 0 {
            return Step::Pass(whole);
        }
        let id: [u8; 4] = match r.array("SMB protocol id") {
            // What lies behind a message that is too short for it is another's.
            _ if header.length < 4 => return self.lose(direction, NO_SMB, out),
            Ok(id) => id,
            Err(Error::Short { need, .. }) => return Step::Want(need),
            Err(error) => return self.lose(direction, error, out),
        };
        let place = match id {
            protocol::SMB2 if header.length >= wire::HEADER => Place::Command,
            protocol::SMB1 if header.length >= super::wire1::HEADER => Place::Legacy,
            protocol::ENCRYPTED => {
                self.is_smb = true;
                let message = bytes.get(nbss::wire::HEADER..).unwrap_or_default();
                match wire::Transform::read(message) {
                    Ok(header) => self.shape.add(direction, &header, out),
                    Err(_) if message.len() < header.length.min(wire::TRANSFORM) => {
                        return Step::Want(nbss::wire::HEADER.saturating_add(wire::TRANSFORM));
                    }
                    Err(error) => self.malformed(direction, error, out),
                }
                self.opaque.encrypted = self.opaque.encrypted.saturating_add(1);
                return Step::Pass(whole);
            }
            protocol::COMPRESSED => {
                self.is_smb = true;
                let message = bytes.get(nbss::wire::HEADER..).unwrap_or_default();
                return self.compressed(direction, (message, header.length), shared, out);
            }
            _ => return self.lose(direction, NO_SMB, out),
        };
        self.is_smb = true;
        let lane = self.lane(direction);
        lane.place = place;
        lane.left = header.length;
        lane.chain = Chain::default();
        Step::Pass(nbss::wire::HEADER)
    }

    /// At a session request, behind its header.
    fn netbios(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        mut r: Reader<'_>,
        out: &mut dyn Sink,
    ) -> Step {
        let whole = nbss::wire::HEADER.saturating_add(nbss::wire::NAMES);
        match nbss::wire::Names::read(&mut r) {
            Ok(names) => {
                let event = SmbNetbios {
                    message: "netbios",
                    called: Text::Bytes(names.called.text()),
                    calling: Text::Bytes(names.calling.text()),
                };
                out.event(direction, &Event::SmbNetbios(event));
            }
            Err(_) if bytes.len() < whole => return Step::Want(whole),
            Err(error) => self.malformed(direction, error, out),
        }
        Step::Pass(whole)
    }

    /// At an SMB2 header.
    pub(super) fn command(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Step {
        let left = self.lane(direction).left;
        let header = match Header::read(bytes) {
            Ok(header) => header,
            Err(Error::Short { need, .. }) if need <= left => return Step::Want(need),
            Err(error) => return self.give_up_message(direction, error, out),
        };
        let length = header.length(left).unwrap_or_else(|error| {
            self.malformed(direction, error, out);
            left
        });
        let lane = self.lanes.of(direction);
        if !header.is_related() {
            lane.chain = Chain {
                session: header.session_id,
                tree: header.tree_id.unwrap_or(0),
                ..Chain::default()
            };
        }
        let pdu = Pdu {
            header,
            bytes: bytes.get(..length).unwrap_or(bytes),
            length,
        };
        let mut around = Surroundings {
            chain: &mut lane.chain,
            catalog: &shared.catalog,
            out,
        };
        let after = if header.is_response() {
            self.connection.response(&pdu, &mut around)
        } else {
            self.connection.request(&pdu, &mut around)
        };
        if self.connection.handles.forgot {
            self.reported.forgot.say("smb", direction, FORGOT, out);
        }
        match after {
            Ok(After::Done) => {
                self.passed(direction, length);
                Step::Pass(length)
            }
            Ok(After::Stream {
                handle,
                data,
                direction: to,
            }) => {
                let behind = length.saturating_sub(data.end());
                let lane = self.lane(direction);
                lane.left = lane.left.saturating_sub(length.saturating_sub(behind));
                lane.place = Place::Data {
                    data: data.length,
                    behind,
                    handle,
                    to,
                };
                Step::Pass(data.at)
            }
            Err(Error::Short { need, .. })
                if bytes.len() < need && need <= length.min(TAIL_BYTES) =>
            {
                Step::Want(need)
            }
            Err(error) => {
                self.malformed(direction, error, out);
                self.passed(direction, length);
                Step::Pass(length)
            }
        }
    }

    /// At an SMB1 header.
    fn legacy(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Step {
        let length = self.lane(direction).left;
        let shown = bytes.get(..length).unwrap_or(bytes);
        let mut chain = Chain::default();
        let mut around = Surroundings {
            chain: &mut chain,
            catalog: &shared.catalog,
            out,
        };
        match self.connection.legacy(shown, length, &mut around) {
            Ok(()) => {}
            Err(Error::Short { need, .. })
                if shown.len() < need && need <= length.min(TAIL_BYTES) =>
            {
                return Step::Want(need);
            }
            Err(error) => self.malformed(direction, error, out),
        }
        self.passed(direction, length);
        Step::Pass(length)
    }

    /// Some bytes of the message are done with.
    fn passed(&mut self, direction: Direction, bytes: usize) {
        let lane = self.lane(direction);
        lane.left = lane.left.saturating_sub(bytes);
        lane.place = if lane.left == 0 {
            Place::Message
        } else {
            Place::Command
        };
    }

    /// The message makes no sense, but its length is known.
    fn give_up_message(&mut self, direction: Direction, error: Error, out: &mut dyn Sink) -> Step {
        self.malformed(direction, error, out);
        let left = self.lane(direction).left;
        self.passed(direction, left);
        Step::Pass(left)
    }

    fn malformed(&mut self, direction: Direction, error: Error, out: &mut dyn Sink) {
        self.reported.malformed.say("smb", direction, error, out);
    }

    /// What a message hides stays unknown.
    pub(super) fn unread(&mut self, direction: Direction, error: Error, out: &mut dyn Sink) {
        self.reported.unread.say("smb", direction, error, out);
    }

    /// Bytes are missing in the middle of something: what was shown of a pipe's data is all there is.
    fn missed(&mut self, direction: Direction, shared: &mut Shared, out: &mut dyn Sink) {
        let lane = self.lanes.of(direction);
        let (handle, to) = match (lane.place, lane.chain.cut.take()) {
            (Place::Command, Some(cut)) => {
                self.connection.begun(&cut, &shared.catalog, out);
                (cut.handle, cut.to)
            }
            (Place::Data { handle, to, .. }, _) => (handle, to),
            _ => return,
        };
        self.connection.gap(handle, to, &shared.catalog, out);
    }

    /// It is unknown where the next message begins; not here.
    fn lose(&mut self, direction: Direction, error: Error, out: &mut dyn Sink) -> Step {
        self.lane(direction).place = Place::Lost;
        self.reported.lost.say("smb", direction, error, out);
        Step::Pass(1)
    }

    /// Looks for the next message.
    fn search(&mut self, direction: Direction, bytes: &[u8]) -> Step {
        let (at, found) = find_message(bytes);
        let is_smb = self.is_smb;
        let lane = self.lane(direction);
        lane.searched = lane.searched.saturating_add(at as u64);
        if found {
            lane.place = Place::Message;
            lane.searched = 0;
            return Step::Pass(at);
        }
        if !is_smb && lane.searched > SMB_LOST_BYTES {
            return Step::Done;
        }
        match at {
            0 => Step::Want(bytes.len().saturating_add(1)),
            at => Step::Pass(at),
        }
    }

    fn end(&mut self, direction: Direction, out: &mut dyn Sink) {
        self.lane(direction).ended = true;
        // Answers may still come from the other side, if it ever spoke.
        let other = self.lane(direction.reverse());
        if other.ended || !other.seen {
            self.connection.end(out);
            self.shape.end(out);
        }
    }
}

const GAP: Error = Error::Malformed {
    what: "SMB stream",
    why: "bytes are missing",
};

const FORGOT: Error = Error::Malformed {
    what: "SMB pipes",
    why: "are too many: one that carried RPC is forgotten",
};

const NO_SMB: Error = Error::Malformed {
    what: "NBSS message",
    why: "no SMB inside",
};

/// Bytes that tell a message's beginning: NBSS header, protocol id, StructureSize of SMB2.
const BEGINNING: usize = 10;

/// Where a message begins, or else where one may begin once more bytes are there.
fn find_message(bytes: &[u8]) -> (usize, bool) {
    for s in memchr::memmem::find_iter(bytes, b"SMB") {
        let Some(at) = s.checked_sub(5) else {
            continue;
        };
        let candidate = bytes.get(at..).unwrap_or_default();
        let [0, l2, l1, l0, id @ 0xfc..=0xff, b'S', b'M', b'B', rest @ ..] = candidate else {
            continue;
        };
        let least = match id {
            0xfe => wire::HEADER,
            _ => super::wire1::HEADER,
        };
        let long_enough = *l2 != 0 || *l1 != 0 || usize::from(*l0) >= least;
        match (id, rest) {
            (0xfe, [64, 0, ..]) | (0xfc | 0xfd | 0xff, _) if long_enough => return (at, true),
            (0xfe, [] | [64]) if long_enough => return (at, false),
            _ => {}
        }
    }
    let tail = BEGINNING.saturating_sub(1).min(bytes.len());
    (bytes.len().saturating_sub(tail), false)
}

#[cfg(test)]
#[path = "legacy_tests.rs"]
mod legacy_tests;
#[cfg(test)]
#[path = "search_tests.rs"]
mod search_tests;
#[cfg(test)]
#[path = "testkit.rs"]
pub(in crate::proto::smb) mod testkit;
#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
