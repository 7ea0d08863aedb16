//! Requests whose responses are awaited.

use std::collections::VecDeque;

use crate::event::HttpTransaction;
use crate::limits::{HTTP_PENDING, HTTP_VALUE_BYTES};
use crate::proto::deque_bytes;

/// Requests of one connection that were not answered yet, oldest first. The memory of an answered
/// one is used again.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Pending>,
    /// At most one: clients that do not pipeline have one request open at a time.
    spare: Option<Pending>,
    /// Requests dropped because there were too many; their responses come first.
    forgotten: u64,
}

impl Queue {
    /// Bytes of heap.
    pub(super) fn held(&self) -> usize {
        self.waiting
            .iter()
            .chain(&self.spare)
            .map(|p| p.text.capacity())
            .fold(deque_bytes(&self.waiting), usize::saturating_add)
    }

    /// A place for a new request, empty, and the request that had to give way to it.
    pub(super) fn push(&mut self) -> (Option<Pending>, &mut Pending) {
        let mut gone = None;
        if self.waiting.len() >= HTTP_PENDING {
            gone = self.waiting.pop_front();
            self.forgotten = self.forgotten.saturating_add(1);
        }
        let mut new = self.spare.take().unwrap_or_default();
        new.clear();
        self.waiting.push_back(new);
        let at = self.waiting.len().saturating_sub(1);
        #[allow(clippy::indexing_slicing)] // pushed two lines above
        (gone, &mut self.waiting[at])
    }

    /// The request that the next response answers.
    pub(super) fn answered(&mut self) -> Option<Pending> {
        if self.forgotten > 0 {
            self.forgotten = self.forgotten.saturating_sub(1);
            return None;
        }
        self.waiting.pop_front()
    }

    /// The oldest request, if there is another behind it.
    pub(super) fn overtaken(&mut self) -> Option<Pending> {
        self.forgotten = 0;
        (self.waiting.len() > 1)
            .then(|| self.waiting.pop_front())
            .flatten()
    }

    /// Any request.
    pub(super) fn flush(&mut self) -> Option<Pending> {
        self.waiting.pop_front()
    }

    /// Keeps the memory of a request that is done with.
    pub(super) fn give_back(&mut self, done: Pending) {
        self.spare = Some(done);
    }
}

/// Which credentials a request carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Credentials {
    /// None that we read.
    #[default]
    None,
    /// `Authorization`.
    Origin,
    /// `Proxy-Authorization`.
    Proxy,
}

/// What is kept of a request head.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Method, target, Host and User-Agent, back to back.
    text: String,
    /// Where each ends.
    ends: [usize; 4],
    /// Number in the flow.
    pub(super) tx_id: u64,
    /// `HTTP/1.x`.
    pub(super) protocol: &'static str,
    /// It carries a token.
    pub(super) credentials: Credentials,
    /// Identity of method, target and Host; 0 if not worked out.
    pub(super) session_id: u64,
    /// The tap wants the response's body too.
    pub(super) tap_response: bool,
    /// The tap wants everything that follows, both ways.
    pub(super) tunnel: bool,
}

impl Pending {
    fn clear(&mut self) {
        self.text.clear();
        if self.text.capacity() > HTTP_VALUE_BYTES {
            self.text.shrink_to(HTTP_VALUE_BYTES);
        }
        *self = Self {
            text: std::mem::take(&mut self.text),
            ..Self::default()
        };
    }

    /// Keeps the texts, each cut at [`HTTP_VALUE_BYTES`]; what is no UTF-8 becomes U+FFFD.
    pub(super) fn set(&mut self, parts: [&[u8]; 4]) {
        for (end, part) in self.ends.iter_mut().zip(parts) {
            push_lossy(&mut self.text, part);
            *end = self.text.len();
        }
    }

    fn part(&self, from: usize, to: usize) -> &str {
        self.text.get(from..to).unwrap_or_default()
    }

    pub(super) fn method(&self) -> &str {
        self.part(0, self.ends[0])
    }

    pub(super) fn uri(&self) -> &str {
        self.part(self.ends[0], self.ends[1])
    }

    pub(super) fn host(&self) -> &str {
        self.part(self.ends[1], self.ends[2])
    }

    pub(super) fn user_agent(&self) -> &str {
        self.part(self.ends[2], self.ends[3])
    }

    /// The transaction, without a response.
    pub(super) fn transaction(&self) -> HttpTransaction<'_> {
        HttpTransaction {
            method: self.method(),
            uri: self.uri(),
            host: self.host(),
            user_agent: self.user_agent(),
            protocol: self.protocol,
            status: None,
            content_type: "",
            server: "",
            tx_id: self.tx_id,
            length: None,
        }
    }
}

fn push_lossy(text: &mut String, bytes: &[u8]) {
    let bytes = bytes.get(..HTTP_VALUE_BYTES).unwrap_or(bytes);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
}
