//! Bytes to PDUs: in place where they lie whole, kept only where a pipe cuts them.

use super::decoder::{Association, Cx};
use super::wire::{Header, PacketType, RESPONSE_STUB_AT, RequestHead};
use crate::limits;
use crate::packet::Progress;
use crate::wire::Error;

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Framing {
    /// A pipe's PDU that is not whole yet. At most [`limits::PIPE_BYTES`].
    held: Vec<u8>,
    /// Bytes `held` must have before it is looked at again.
    need: usize,
    /// Bytes of a pipe to pass over.
    skip: u64,
    /// The next byte need not be a header: search for one.
    lost: bool,
    /// Given up.
    dead: bool,
    /// A request whose head was seen and whose rest was still to come.
    open: Option<(Header, RequestHead)>,
    /// Bytes searched in vain.
    nonsense: usize,
    /// Times framing was lost to bytes that are no PDU.
    failures: u32,
}

enum Frame {
    /// This many bytes are dealt with, some of which may still be to come.
    Past(usize),
    /// This many bytes are needed.
    Need(usize),
    GiveUp,
}

impl Association {
    pub(super) fn frames(&mut self, cx: &mut Cx<'_>, bytes: &[u8]) -> Progress {
        let mut at = 0usize;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::Took { bytes: at, need: 0 };
            }
            match self.frame(cx, rest) {
                Frame::Past(n) => at = at.saturating_add(n),
                Frame::Need(need) => return Progress::Took { bytes: at, need },
                Frame::GiveUp => return Progress::Done,
            }
            if at > bytes.len() {
                return Progress::Skip {
                    bytes: at.try_into().unwrap_or(u64::MAX),
                };
            }
        }
    }

    fn side(&mut self, cx: &Cx<'_>) -> &mut Framing {
        let [to_server, to_client] = &mut self.framing;
        if cx.direction.index() == 0 {
            to_server
        } else {
            to_client
        }
    }

    fn frame(&mut self, cx: &mut Cx<'_>, bytes: &[u8]) -> Frame {
        self.side(cx).open = None;
        if self.side(cx).lost {
            return self.side(cx).search(bytes);
        }
        let header = match Header::read(bytes) {
            Ok(header) => header,
            Err(Error::Short { need, .. }) if Header::can_begin(bytes) => return Frame::Need(need),
            Err(error) => return self.nonsense(cx, error),
        };
        let frag_len = usize::from(header.frag_len);
        if matches!(header.ptype, PacketType::Request | PacketType::Response)
            && (frag_len > limits::RPC_WHOLE_BYTES || bytes.len() < frag_len)
        {
            let head = match header.ptype {
                PacketType::Request => match RequestHead::read(&header, bytes) {
                    Ok(head) => head,
                    Err(Error::Short { need, .. }) if need <= frag_len => return Frame::Need(need),
                    // Too short for a request: the whole of it says so.
                    Err(_) => return self.whole(cx, bytes, frag_len),
                },
                _ => RequestHead {
                    context_id: 0,
                    opnum: 0,
                    object: None,
                    stub_at: RESPONSE_STUB_AT,
                },
            };
            if frag_len > limits::RPC_WHOLE_BYTES && self.is_dull(cx, &header, &head) {
                self.head_only(cx, &header, &head);
                return Frame::Past(frag_len);
            }
            if bytes.len() < frag_len && header.ptype == PacketType::Request {
                self.side(cx).open = Some((header, head));
            }
        }
        self.whole(cx, bytes, frag_len)
    }

    fn whole(&mut self, cx: &mut Cx<'_>, bytes: &[u8], frag_len: usize) -> Frame {
        match bytes.get(..frag_len) {
            Some(pdu) => {
                self.pdu(cx, pdu);
                Frame::Past(frag_len)
            }
            None => Frame::Need(frag_len),
        }
    }

    /// Bytes that are no PDU: said once, then a header is searched.
    fn nonsense(&mut self, cx: &mut Cx<'_>, error: Error) -> Frame {
        let side = self.side(cx);
        side.lost = true;
        side.failures = side.failures.saturating_add(1);
        if side.failures > limits::RPC_FAILURES {
            side.dead = true;
            return Frame::GiveUp;
        }
        self.anomaly(cx, error);
        Frame::Past(0)
    }

    /// Bytes of this direction are missing.
    pub(super) fn lose(&mut self, cx: &mut Cx<'_>) {
        self.answer.spoil();
        let side = self.side(cx);
        side.held.clear();
        side.need = 0;
        side.lost = true;
        if let Some((header, head)) = side.open.take() {
            // The call was made, whatever its stub says.
            self.head_only(cx, &header, &head);
        }
    }

    pub(super) fn piped(&mut self, cx: &mut Cx<'_>, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.side(cx).dead {
            let side = self.side(cx);
            if side.skip > 0 {
                let n = usize::try_from(side.skip)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                side.skip = side.skip.saturating_sub(n as u64);
                bytes = bytes.get(n..).unwrap_or_default();
                continue;
            }
            if side.held.is_empty() {
                let progress = self.frames(cx, bytes);
                let rest = self.side(cx).after(progress, bytes.len());
                let rest = bytes.get(rest..).unwrap_or_default();
                self.side(cx).held.extend_from_slice(rest);
                return;
            }
            // Only as much as is asked for: what follows is framed in place again.
            let wanted = side
                .need
                .max(side.held.len().saturating_add(1))
                .min(limits::PIPE_BYTES);
            let n = wanted.saturating_sub(side.held.len()).min(bytes.len());
            let (now, later) = bytes.split_at_checked(n).unwrap_or((bytes, &[]));
            side.held.extend_from_slice(now);
            bytes = later;
            if side.held.len() < wanted {
                return;
            }
            let mut held = std::mem::take(&mut side.held);
            let progress = self.frames(cx, &held);
            let side = self.side(cx);
            let taken = side.after(progress, held.len());
            held.drain(..taken);
            if !held.is_empty() || held.capacity() <= limits::RPC_WHOLE_BYTES {
                side.held = held;
            }
        }
    }
}

impl Framing {
    /// Bytes of heap.
    pub(super) fn held(&self) -> usize {
        self.held.capacity()
    }

    /// Frees the buffer of a PDU that was given up.
    pub(super) fn forget_held(&mut self) {
        self.held = Vec::new();
    }

    /// Bytes of `len` that are dealt with; keeps what else there is to know.
    fn after(&mut self, progress: Progress, len: usize) -> usize {
        match progress {
            Progress::Took { bytes, need } => {
                self.need = need;
                bytes.min(len)
            }
            Progress::Skip { bytes } => {
                self.need = 0;
                self.skip = bytes.saturating_sub(len as u64);
                len
            }
            Progress::Done => {
                self.dead = true;
                len
            }
        }
    }

    /// Looks for a header anywhere in `bytes`.
    fn search(&mut self, bytes: &[u8]) -> Frame {
        let mut past = bytes.len();
        for at in memchr::memchr_iter(5, bytes) {
            let rest = bytes.get(at..).unwrap_or_default();
            match Header::read(rest) {
                Ok(header) if header.is_plausible() => {
                    self.lost = false;
                    past = at;
                    break;
                }
                Err(Error::Short { need, .. }) if Header::can_begin(rest) => {
                    if at == 0 {
                        return Frame::Need(need);
                    }
                    past = at;
                    break;
                }
                _ => {}
            }
        }
        self.nonsense = self.nonsense.saturating_add(past);
        if self.nonsense > limits::RPC_NONSENSE_BYTES {
            self.dead = true;
            return Frame::GiveUp;
        }
        Frame::Past(past)
    }
}
