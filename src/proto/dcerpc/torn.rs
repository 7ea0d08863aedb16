//! Requests of connectionless DCE/RPC in several fragments (C706 12.5.2), until the last one is there.
//!
//! A client numbers the fragments of a call and sends them in order; one that is missing is sent again. What comes out of
//! order here was lost on the way to the sensor: the call is said without what its stub would have told.

use std::collections::VecDeque;

use super::cl::ClHeader;
use crate::limits;
use crate::wire::Guid;

/// A stub as far as it is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stub<'a> {
    pub(super) bytes: &'a [u8],
    /// Fragments that it came in.
    pub(super) fragments: u32,
    /// Nothing is missing.
    pub(super) whole: bool,
}

/// A call of which the last fragment has not come.
#[derive(Debug)]
struct Open {
    activity: Guid,
    sequence: u32,
    interface: Guid,
    opnum: u16,
    /// Number of the fragment that comes next.
    next: u16,
    /// It was said, with its first fragment or its last.
    told: bool,
    /// Something is missing, or it is more than is kept.
    holed: bool,
    stub: Vec<u8>,
}

impl Open {
    fn is(&self, header: &ClHeader<'_>) -> bool {
        self.activity == header.activity
            && self.sequence == header.sequence
            && self.interface == header.interface
            && self.opnum == header.opnum
    }
}

/// All calls in fragments, at most [`limits::CL_CALLS`], each with at most [`limits::CL_STUB_BYTES`].
#[derive(Debug, Default)]
pub(super) struct Torn {
    open: VecDeque<Open>,
}

impl Torn {
    /// Its first fragment was there before.
    pub(super) fn knows(&self, header: &ClHeader<'_>) -> bool {
        self.open.iter().any(|o| o.is(header))
    }

    /// The first fragment. True if another call had to go for it, unsaid.
    pub(super) fn begin(&mut self, header: &ClHeader<'_>, told: bool) -> bool {
        let full = self.open.len() >= limits::CL_CALLS;
        let gone = if full { self.open.pop_front() } else { None };
        let mut open = Open {
            activity: header.activity,
            sequence: header.sequence,
            interface: header.interface,
            opnum: header.opnum,
            next: 1,
            told,
            holed: false,
            stub: Vec::new(),
        };
        add(&mut open, header.body);
        self.open.push_back(open);
        gone.is_some_and(|gone| !gone.told)
    }

    /// A later fragment. With the last one, the stub of a call that was not said yet.
    pub(super) fn go_on(&mut self, header: &ClHeader<'_>, last: bool) -> Option<Stub<'_>> {
        let nothing = Stub {
            bytes: &[],
            fragments: 1,
            whole: false,
        };
        let Some(open) = self.open.iter_mut().find(|o| o.is(header)) else {
            return last.then_some(nothing);
        };
        if header.fragment == open.next {
            open.next = open.next.saturating_add(1);
            add(open, header.body);
        } else if header.fragment > open.next {
            open.holed = true;
        }
        let stub = Stub {
            bytes: if open.holed { &[] } else { &open.stub },
            fragments: open.next.into(),
            whole: !open.holed,
        };
        (last && !open.told).then_some(stub)
    }

    /// A call that is over is kept as one that was said: its last fragment may be sent again.
    pub(super) fn end(&mut self, header: &ClHeader<'_>, last: bool) {
        if let Some(open) = self.open.iter_mut().find(|o| last && o.is(header)) {
            open.told = true;
            open.stub = Vec::new();
        }
    }
}

fn add(open: &mut Open, body: &[u8]) {
    if open.stub.len().saturating_add(body.len()) > limits::CL_STUB_BYTES {
        open.holed = true;
    } else if !open.told {
        open.stub.extend_from_slice(body);
    }
}
