//! Requests of connectionless DCE/RPC in several fragments (C706 12.5.2), until the last one is there.
//!
//! A client numbers the fragments of a call and sends them in order; one that is missing is sent again. What comes out of
//! order here was lost on the way to the sensor: the call is said with the part of its stub that is there.

use std::collections::VecDeque;

use super::cl::ClHeader;
use crate::limits;
use crate::net::FlowKey;
use crate::wire::Guid;

/// A stub as far as it is there, from its beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stub<'a> {
    pub(super) bytes: &'a [u8],
    /// Fragments that it came in.
    pub(super) fragments: u32,
    /// Nothing is missing.
    pub(super) whole: bool,
}

/// A call in fragments. One that is over is kept as said: its last fragment may be sent again.
#[derive(Debug)]
struct Open {
    flow: FlowKey,
    activity: Guid,
    sequence: u32,
    /// Number of the fragment that comes next.
    next: u16,
    said: bool,
    /// Something is missing, or it is more than is kept.
    holed: bool,
    stub: Vec<u8>,
}

/// All calls in fragments, at most [`limits::CL_CALLS`], each with at most [`limits::CL_STUB_BYTES`].
#[derive(Debug, Default)]
pub(super) struct Torn {
    open: VecDeque<Open>,
}

impl Torn {
    fn find(&mut self, flow: &FlowKey, header: &ClHeader<'_>) -> Option<&mut Open> {
        self.open.iter_mut().find(|o| {
            o.flow == *flow && o.activity == header.activity && o.sequence == header.sequence
        })
    }

    /// Takes a fragment. True if another call had to go for its call, unsaid.
    pub(super) fn add(&mut self, flow: &FlowKey, header: &ClHeader<'_>) -> bool {
        if let Some(open) = self.find(flow, header) {
            open.add(header);
            return false;
        }
        let full = self.open.len() >= limits::CL_CALLS;
        let gone = if full { self.open.pop_front() } else { None };
        let mut open = Open {
            flow: *flow,
            activity: header.activity,
            sequence: header.sequence,
            next: 0,
            said: false,
            holed: false,
            stub: Vec::new(),
        };
        open.add(header);
        self.open.push_back(open);
        gone.is_some_and(|gone| !gone.said)
    }

    /// The stub of a call that was not said yet; `last` if this is its last fragment.
    pub(super) fn unsaid(
        &mut self,
        flow: &FlowKey,
        header: &ClHeader<'_>,
        last: bool,
    ) -> Option<Stub<'_>> {
        let open = self.find(flow, header).filter(|o| !o.said)?;
        Some(Stub {
            bytes: &open.stub,
            fragments: open.next.max(1).into(),
            whole: last && !open.holed,
        })
    }

    /// The call was said.
    pub(super) fn said(&mut self, flow: &FlowKey, header: &ClHeader<'_>) {
        if let Some(open) = self.find(flow, header) {
            open.said = true;
            open.stub = Vec::new();
        }
    }
}

impl Open {
    fn add(&mut self, header: &ClHeader<'_>) {
        if self.said || self.holed || header.fragment < self.next {
            return;
        }
        let more = self.stub.len().saturating_add(header.body.len());
        if header.fragment > self.next || more > limits::CL_STUB_BYTES {
            self.holed = true;
            return;
        }
        self.next = self.next.saturating_add(1);
        self.stub.extend_from_slice(header.body);
    }
}
