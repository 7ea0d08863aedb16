//! Calls in flight: fragments put together, and calls that wait for their answer.

use super::wire::{AuthLevel, AuthType, Header, RequestHead, flag};
use crate::limits;
use crate::net::Direction;
use crate::proto::vec_bytes;
use crate::wire::Guid;

/// One fragment's part of a stub.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    /// The bytes there are.
    pub(super) stub: &'a [u8],
    /// The bytes there were.
    pub(super) len: usize,
    pub(super) auth: Option<(AuthType, AuthLevel)>,
    pub(super) sealed: bool,
}

/// What is known of a call besides its stub.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) call_id: u32,
    pub(super) context_id: u16,
    pub(super) opnum: u16,
    pub(super) object: Option<Guid>,
    pub(super) big_endian: bool,
    pub(super) auth: Option<(AuthType, AuthLevel)>,
    pub(super) sealed: bool,
    /// Bytes of stub, all fragments.
    pub(super) stub_len: u32,
    pub(super) fragments: u32,
    /// No byte of the stub is missing so far.
    pub(super) whole: bool,
    /// No answer is expected.
    maybe: bool,
}

impl Call {
    /// From a first fragment.
    pub(super) fn new(header: &Header, head: &RequestHead, piece: &Piece<'_>) -> Self {
        Self {
            call_id: header.call_id,
            context_id: head.context_id,
            opnum: head.opnum,
            object: head.object,
            big_endian: header.big_endian,
            auth: piece.auth,
            sealed: piece.sealed,
            stub_len: piece.len.try_into().unwrap_or(u32::MAX),
            fragments: 1,
            whole: piece.stub.len() == piece.len,
            maybe: header.flags & flag::MAYBE != 0,
        }
    }
}

/// A call whose last fragment has not come.
#[derive(Debug)]
pub(super) struct Partial {
    direction: Direction,
    pub(super) call: Call,
    /// The stub's head, at most [`limits::STUB_BYTES`] and never beyond a hole.
    pub(super) stub: Vec<u8>,
}

/// A call whose answer has not come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    direction: Direction,
    call_id: u32,
    pub(super) interface: Option<Guid>,
    pub(super) opnum: u16,
    /// Transfer syntax is NDR64.
    pub(super) ndr64: bool,
    /// Of the answer: bytes of stub, fragments, any of it sealed.
    pub(super) answer_len: u32,
    pub(super) fragments: u32,
    pub(super) sealed: bool,
    /// The last bytes of the answer's stub, right-aligned, and how many they are.
    tail: [u8; 4],
    tail_len: usize,
}

impl Waiting {
    /// The last four bytes of a readable answer: the return value of most calls.
    pub(super) fn status(&self, big_endian: bool) -> Option<u32> {
        (!self.sealed && self.tail_len == 4).then(|| {
            if big_endian {
                u32::from_be_bytes(self.tail)
            } else {
                u32::from_le_bytes(self.tail)
            }
        })
    }

    fn push(&mut self, piece: &Piece<'_>) {
        let len = piece.len.try_into().unwrap_or(u32::MAX);
        self.answer_len = self.answer_len.saturating_add(len);
        self.fragments = self.fragments.saturating_add(1);
        self.sealed |= piece.sealed;
        if piece.stub.len() < piece.len {
            self.tail_len = 0;
        }
        let last = piece.stub.len().saturating_sub(4);
        for byte in piece.stub.get(last..).unwrap_or_default() {
            let [_, a, b, c] = self.tail;
            self.tail = [a, b, c, *byte];
            self.tail_len = self.tail_len.saturating_add(1).min(4);
        }
    }
}

/// All calls in flight of an association.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// At most [`limits::RPC_CALLS`], oldest first.
    partial: Vec<Partial>,
    /// At most [`limits::RPC_CALLS`], oldest first.
    waiting: Vec<Waiting>,
    /// Bytes in `partial`. At most [`limits::RPC_PARTIAL_BYTES`].
    held: usize,
    /// An emptied buffer for the next partial call.
    spare: Vec<u8>,
    /// Anything was seen from the server.
    answered: bool,
}

impl Calls {
    pub(super) fn note_answer(&mut self) {
        self.answered = true;
    }

    pub(super) fn answered(&self) -> bool {
        self.answered
    }

    /// Bytes of heap.
    pub(super) fn held(&self) -> usize {
        self.partial
            .iter()
            .map(|p| p.stub.capacity())
            .fold(self.spare.capacity(), usize::saturating_add)
            .saturating_add(vec_bytes(&self.partial))
            .saturating_add(vec_bytes(&self.waiting))
    }

    /// Frees the buffer kept for the next call.
    pub(super) fn forget_spare(&mut self) {
        self.spare = Vec::new();
    }

    fn find(&self, direction: Direction, call_id: u32) -> Option<usize> {
        self.partial
            .iter()
            .position(|p| p.call.call_id == call_id && p.direction == direction)
    }

    pub(super) fn partial(&self, direction: Direction, call_id: u32) -> Option<&Call> {
        let at = self.find(direction, call_id)?;
        self.partial.get(at).map(|p| &p.call)
    }

    /// Takes a call out, finished or not. Give its buffer back.
    pub(super) fn take(&mut self, direction: Direction, call_id: u32) -> Option<Partial> {
        let at = self.find(direction, call_id)?;
        Some(self.take_at(at))
    }

    pub(super) fn take_any(&mut self, direction: Direction) -> Option<Partial> {
        let at = self.partial.iter().position(|p| p.direction == direction)?;
        Some(self.take_at(at))
    }

    /// Takes the oldest call out if there are too many for one more.
    pub(super) fn make_room(&mut self) -> Option<Partial> {
        (self.partial.len() >= limits::RPC_CALLS).then(|| self.take_at(0))
    }

    fn take_at(&mut self, at: usize) -> Partial {
        let taken = self.partial.remove(at);
        self.held = self.held.saturating_sub(taken.stub.len());
        taken
    }

    pub(super) fn give_back(&mut self, mut stub: Vec<u8>) {
        if stub.capacity() > self.spare.capacity() && stub.capacity() <= limits::STUB_BYTES {
            stub.clear();
            self.spare = stub;
        }
    }

    /// A first fragment that is not the last.
    pub(super) fn begin(&mut self, direction: Direction, call: Call, piece: &Piece<'_>) {
        let mut partial = Partial {
            direction,
            call,
            stub: std::mem::take(&mut self.spare),
        };
        partial.keep(piece, &mut self.held);
        self.partial.push(partial);
    }

    /// A later fragment. `None` if the first was not seen, else whether it repeats what that one says.
    pub(super) fn extend(
        &mut self,
        direction: Direction,
        header: &Header,
        head: &RequestHead,
        piece: &Piece<'_>,
    ) -> Option<bool> {
        let at = self.find(direction, header.call_id)?;
        let partial = self.partial.get_mut(at)?;
        let call = &mut partial.call;
        let len = piece.len.try_into().unwrap_or(u32::MAX);
        call.stub_len = call.stub_len.saturating_add(len);
        call.fragments = call.fragments.saturating_add(1);
        call.sealed |= piece.sealed;
        let same = (call.context_id, call.opnum) == (head.context_id, head.opnum);
        if call.whole {
            partial.keep(piece, &mut self.held);
        }
        Some(same)
    }

    /// Remembers a call for its answer. A call of the same id was answered unseen.
    pub(super) fn await_answer(
        &mut self,
        direction: Direction,
        call: &Call,
        interface: Option<Guid>,
        ndr64: bool,
    ) {
        self.waiting
            .retain(|w| w.call_id != call.call_id || w.direction != direction);
        if call.maybe {
            return;
        }
        if self.waiting.len() >= limits::RPC_CALLS {
            self.waiting.remove(0);
        }
        self.waiting.push(Waiting {
            direction,
            call_id: call.call_id,
            interface,
            opnum: call.opnum,
            ndr64,
            answer_len: 0,
            fragments: 0,
            sealed: false,
            tail: [0; 4],
            tail_len: 0,
        });
    }

    fn find_waiting(&self, asked: Direction, call_id: u32) -> Option<usize> {
        self.waiting
            .iter()
            .position(|w| w.call_id == call_id && w.direction == asked)
    }

    pub(super) fn waiting(&self, asked: Direction, call_id: u32) -> Option<&Waiting> {
        self.waiting.get(self.find_waiting(asked, call_id)?)
    }

    pub(super) fn take_waiting(&mut self, asked: Direction, call_id: u32) -> Option<Waiting> {
        let at = self.find_waiting(asked, call_id)?;
        Some(self.waiting.remove(at))
    }

    /// One fragment of an answer; the call, once it was the last.
    pub(super) fn answer(
        &mut self,
        asked: Direction,
        header: &Header,
        piece: &Piece<'_>,
    ) -> Option<Waiting> {
        let at = self.find_waiting(asked, header.call_id)?;
        self.waiting.get_mut(at)?.push(piece);
        header.is_last().then(|| self.waiting.remove(at))
    }
}

impl Partial {
    /// Keeps a piece as far as the limits let it.
    fn keep(&mut self, piece: &Piece<'_>, held: &mut usize) {
        let room = limits::STUB_BYTES
            .saturating_sub(self.stub.len())
            .min(limits::RPC_PARTIAL_BYTES.saturating_sub(*held));
        let kept = piece.stub.get(..room).unwrap_or(piece.stub);
        self.stub.extend_from_slice(kept);
        *held = held.saturating_add(kept.len());
        self.call.whole &= kept.len() == piece.len;
    }
}
