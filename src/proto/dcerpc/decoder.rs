//! One association: what its PDUs mean together.

use std::fmt::Write;

use super::Via;
use super::arguments::{self, Arguments};
use super::auth::Security;
use super::calls::{Call, Calls, Piece, Waiting};
use super::contexts::{Context, Contexts};
use super::endpoints;
use super::framing::Framing;
use super::stub::{Encoding, Found, read_path};
use super::wire::{
    self, Bind, BindAck, FaultStatus, Header, PacketType, Pdu, RESPONSE_STUB_AT, RequestHead,
    Syntax, VerificationTrailer, flag,
};
use crate::catalog::{Catalog, Interface};
use crate::event::{Anomaly, Event, RpcCall, RpcResult, Sink};
use crate::limits;
use crate::net::Direction;
use crate::packet::{Chunk, Progress};
use crate::wire::{Error, Guid, Result};

/// One association: presentation contexts, security contexts, calls in flight.
#[derive(Debug, Default)]
pub struct Association {
    /// By [`Direction::index`].
    pub(super) framing: [Framing; 2],
    contexts: Contexts,
    security: Security,
    calls: Calls,
    names: Names,
    /// An endpoint mapper's answer of which not all is there.
    pub(super) answer: endpoints::Parts,
    /// Anomalies reported.
    anomalies: u32,
}

/// Text that events borrow, written anew for each.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) version: String,
    /// The version that `version` says.
    version_of: Option<(u16, u16)>,
    pub(super) operation: String,
    pub(super) path: String,
    arguments: Arguments,
}

impl Names {
    /// Bytes of heap.
    fn held(&self) -> usize {
        self.version
            .capacity()
            .saturating_add(self.operation.capacity())
            .saturating_add(self.path.capacity())
            .saturating_add(self.arguments.held())
    }

    /// `major.minor`. Written once for a run of calls to one interface.
    pub(super) fn version(&mut self, syntax: Option<Syntax>) -> &str {
        let version_of = syntax.map(|s| (s.major, s.minor));
        if self.version_of != version_of {
            self.version_of = version_of;
            self.version.clear();
            if let Some((major, minor)) = version_of {
                // Writing to a String cannot fail.
                let _ = write!(self.version, "{major}.{minor}");
            }
        }
        &self.version
    }
}

/// What one call of the decoder is about.
#[allow(missing_debug_implementations)] // holds the sink
pub(super) struct Cx<'a> {
    pub(super) via: &'a Via<'a>,
    pub(super) direction: Direction,
    pub(super) catalog: &'a Catalog,
    pub(super) out: &'a mut dyn Sink,
}

impl Cx<'_> {
    pub(super) fn event(&mut self, event: &Event<'_>) {
        self.out.event(self.direction, event);
    }
}

impl Association {
    /// One direction of a byte stream that carries PDUs back to back (TCP, RPC over HTTP bodies).
    /// Frames PDUs in place; finds its feet again after a gap.
    pub fn stream(
        &mut self,
        via: &Via<'_>,
        direction: Direction,
        chunk: Chunk<'_>,
        catalog: &Catalog,
        out: &mut dyn Sink,
    ) -> Progress {
        let mut cx = Cx {
            via,
            direction,
            catalog,
            out,
        };
        match chunk {
            Chunk::Data(bytes) => self.frames(&mut cx, bytes),
            Chunk::Gap(_) => {
                self.lose(&mut cx);
                Progress::Took { bytes: 0, need: 0 }
            }
            Chunk::End => {
                self.finish(&mut cx);
                Progress::Took { bytes: 0, need: 0 }
            }
        }
    }

    /// Bytes written to or read from a pipe. PDUs may be split anywhere; what is not whole is kept,
    /// at most [`limits::PIPE_BYTES`].
    pub fn pipe(
        &mut self,
        via: &Via<'_>,
        direction: Direction,
        bytes: &[u8],
        catalog: &Catalog,
        out: &mut dyn Sink,
    ) {
        let mut cx = Cx {
            via,
            direction,
            catalog,
            out,
        };
        self.piped(&mut cx, bytes);
    }

    /// Bytes of this direction of a pipe were missed. (A stream says so by `Chunk::Gap`.)
    pub fn pipe_gap(
        &mut self,
        via: &Via<'_>,
        direction: Direction,
        catalog: &Catalog,
        out: &mut dyn Sink,
    ) {
        let mut cx = Cx {
            via,
            direction,
            catalog,
            out,
        };
        self.lose(&mut cx);
    }

    /// The pipe is closed: what is unfinished is reported. (A stream says so by `Chunk::End`.)
    pub fn pipe_end(&mut self, via: &Via<'_>, catalog: &Catalog, out: &mut dyn Sink) {
        for direction in [Direction::ToServer, Direction::ToClient] {
            let mut cx = Cx {
                via,
                direction,
                catalog,
                out: &mut *out,
            };
            self.finish(&mut cx);
        }
    }

    /// Bytes of heap it holds now, itself apart.
    #[must_use]
    pub fn held(&self) -> usize {
        let [to_server, to_client] = &self.framing;
        [
            to_server.held(),
            to_client.held(),
            self.contexts.held(),
            self.security.held(),
            self.calls.held(),
            self.names.held(),
            self.answer.held(),
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }

    /// Too much is held: calls that miss fragments are reported with what there is, and what is kept
    /// of PDUs that are not whole is dropped. Contexts stay.
    pub fn pipe_shed(&mut self, via: &Via<'_>, catalog: &Catalog, out: &mut dyn Sink) {
        self.pipe_end(via, catalog, out);
        self.framing.iter_mut().for_each(Framing::forget_held);
        self.calls.forget_spare();
    }

    /// Nothing more comes this way: calls that miss fragments are reported with what there is, and so
    /// are binds once no answer can come.
    fn finish(&mut self, cx: &mut Cx<'_>) {
        self.lose(cx);
        while let Some(call) = self.calls.take_any(cx.direction) {
            self.report_call(cx, call.call, &call.stub);
            self.calls.give_back(call.stub);
        }
        let answers_over = cx.direction == Direction::ToClient || !self.calls.answered();
        if answers_over {
            self.contexts.report_unanswered(cx, &mut self.names);
        }
    }

    pub(super) fn anomaly(&mut self, cx: &mut Cx<'_>, error: Error) {
        self.anomalies = self.anomalies.saturating_add(1);
        if self.anomalies <= limits::RPC_FAILURES {
            cx.event(&Event::Anomaly(Anomaly::new("dcerpc", error)));
        }
    }

    /// True if a request or response this long can be passed over after its head.
    pub(super) fn is_dull(&self, cx: &Cx<'_>, header: &Header, head: &RequestHead) -> bool {
        let dull = |interface: Guid, opnum: u16| {
            cx.catalog.method(interface, opnum).is_none() && !arguments::has(interface, opnum)
        };
        match header.ptype {
            PacketType::Request if header.is_first() => self
                .contexts
                .get(head.context_id)
                .is_some_and(|c| dull(c.interface.uuid, head.opnum)),
            PacketType::Request => {
                self.calls
                    .partial(cx.direction, header.call_id)
                    .is_none_or(|call| match self.contexts.get(call.context_id) {
                        Some(c) => dull(c.interface.uuid, call.opnum),
                        None => false,
                    })
            }
            PacketType::Response => self
                .calls
                .waiting(cx.direction.reverse(), header.call_id)
                .and_then(|w| w.interface.map(|interface| (interface, w.opnum)))
                .is_none_or(|(interface, opnum)| {
                    cx.catalog.method(interface, opnum).is_none()
                        && !endpoints::has(interface, opnum)
                }),
            _ => false,
        }
    }

    /// A request or response of which only the head is there.
    pub(super) fn head_only(&mut self, cx: &mut Cx<'_>, header: &Header, head: &RequestHead) {
        let auth_len = match usize::from(header.auth_len) {
            0 => 0,
            n => n.saturating_add(Header::TRAILER_LEN),
        };
        let around = usize::from(head.stub_at).saturating_add(auth_len);
        let len = usize::from(header.frag_len).saturating_sub(around);
        let auth = self.security.current();
        let piece = Piece {
            stub: &[],
            len,
            auth,
            sealed: header.auth_len != 0
                && auth.is_some_and(|(_, level)| level == wire::AuthLevel::Privacy),
        };
        if header.ptype == PacketType::Request {
            self.request(cx, header, head, &piece);
        } else {
            self.security.verdict(cx, None, None);
            self.response(cx, header, &piece);
        }
    }

    /// A whole PDU.
    pub(super) fn pdu(&mut self, cx: &mut Cx<'_>, bytes: &[u8]) {
        let read = Pdu::read(bytes).and_then(|pdu| self.read(cx, &pdu));
        if let Err(error) = read {
            // Inside a framed PDU, too short is wrong.
            self.anomaly(cx, error);
        }
    }

    fn read(&mut self, cx: &mut Cx<'_>, pdu: &Pdu<'_>) -> Result<()> {
        let header = &pdu.header;
        match header.ptype {
            PacketType::Bind | PacketType::AlterContext => {
                let bind = Bind::read(pdu)?;
                self.security.token(cx, pdu);
                self.contexts
                    .forget_call(cx, header.call_id, &mut self.names);
                let auth = pdu.auth.map(|a| (a.auth_type, a.level));
                for (position, offer) in (0u8..).zip(bind.offers()) {
                    self.contexts.offer(
                        cx,
                        header.call_id,
                        position,
                        offer?,
                        auth,
                        &mut self.names,
                    );
                }
            }
            PacketType::BindAck | PacketType::AlterContextResp => {
                let ack = BindAck::read(pdu)?;
                self.calls.note_answer();
                self.contexts
                    .answer(cx, header.call_id, ack.answers(), &mut self.names);
                self.security.token(cx, pdu);
                self.security
                    .verdict(cx, pdu.auth.map(|a| a.context_id), None);
            }
            PacketType::BindNak => {
                let reason = wire::bind_nak_reason(pdu)?;
                self.calls.note_answer();
                self.contexts.refuse(cx, header.call_id, &mut self.names);
                self.security.verdict(cx, None, Some(reason.into()));
            }
            PacketType::Auth3 => self.security.token(cx, pdu),
            PacketType::Request => {
                let head = RequestHead::read(header, pdu.bytes)?;
                let stub = wire::stub(pdu, head.stub_at);
                let auth = pdu.auth.map(|a| (a.auth_type, a.level));
                let piece = Piece {
                    stub,
                    len: stub.len(),
                    auth: auth.or(self.security.current()),
                    sealed: pdu.is_sealed(),
                };
                self.request(cx, header, &head, &piece);
            }
            PacketType::Response => {
                self.security
                    .verdict(cx, pdu.auth.map(|a| a.context_id), None);
                let stub = wire::stub(pdu, RESPONSE_STUB_AT);
                let piece = Piece {
                    stub,
                    len: stub.len(),
                    auth: None,
                    sealed: pdu.is_sealed(),
                };
                self.response(cx, header, &piece);
            }
            PacketType::Fault => {
                let status = wire::fault_status(pdu)?;
                let refused =
                    matches!(status, FaultStatus::AccessDenied | FaultStatus::SecPkgError);
                let context = pdu.auth.map(|a| a.context_id);
                self.security
                    .verdict(cx, context, refused.then_some(status.0));
                self.fault(cx, header, status);
            }
            PacketType::Orphaned => {
                if let Some(call) = self.calls.take(cx.direction, header.call_id) {
                    self.calls.give_back(call.stub);
                }
            }
            // shutdown, co_cancel and RTS change nothing that is kept, fragments in flight included.
            _ => {}
        }
        Ok(())
    }

    /// One fragment of a request.
    pub(super) fn request(
        &mut self,
        cx: &mut Cx<'_>,
        header: &Header,
        head: &RequestHead,
        piece: &Piece<'_>,
    ) {
        self.contexts.report_unanswered(cx, &mut self.names);
        let fresh = || Call::new(header, head, piece);
        if header.is_first() {
            // A first fragment discards an older partial call of the same id.
            if let Some(old) = self.calls.take(cx.direction, header.call_id) {
                self.calls.give_back(old.stub);
            }
            if header.is_last() {
                let call = fresh();
                self.report_call(cx, call, piece.stub);
                return;
            }
            if let Some(oldest) = self.calls.make_room() {
                self.report_call(cx, oldest.call, &oldest.stub);
                self.calls.give_back(oldest.stub);
            }
            self.calls.begin(cx.direction, fresh(), piece);
            return;
        }
        match self.calls.extend(cx.direction, header, head, piece) {
            Some(true) => {}
            Some(false) => self.anomaly(
                cx,
                Error::Malformed {
                    what: "fragment",
                    why: "context or opnum is not the first fragment's",
                },
            ),
            // The first fragment was missed. Later ones repeat what it said, except the stub.
            None => {
                if !header.is_last() {
                    return;
                }
                let mut call = fresh();
                call.whole = false;
                self.report_call(cx, call, &[]);
                return;
            }
        }
        if header.is_last()
            && let Some(done) = self.calls.take(cx.direction, header.call_id)
        {
            self.report_call(cx, done.call, &done.stub);
            self.calls.give_back(done.stub);
        }
    }

    fn report_call(&mut self, cx: &mut Cx<'_>, call: Call, stub: &[u8]) {
        let stub = if call.sealed { &[] } else { stub };
        let context = self.contexts.get(call.context_id).or_else(|| {
            // Bind missed: a readable call may say itself what it is.
            let said = VerificationTrailer::find(stub, call.big_endian)?;
            let (interface, transfer) = said.pcontext?;
            let context = Context {
                id: call.context_id,
                interface,
                ndr64: transfer.uuid == wire::NDR64,
                accepted: true,
            };
            self.contexts.set(context, cx.catalog);
            Some(context)
        });
        self.names.version(context.map(|c| c.interface));
        let Names {
            version,
            operation: unknown,
            path,
            arguments,
            ..
        } = &mut self.names;
        let known = context.and_then(|c| cx.catalog.interface(c.interface.uuid));
        let method = known.and_then(|i| i.method(call.opnum));
        let ndr64 = context.is_some_and(|c| c.ndr64);
        let encoding = Encoding {
            ndr64,
            big_endian: call.big_endian,
        };
        let found = match method {
            Some(method) if !call.sealed => read_path(method, stub, encoding, path),
            _ => None,
        };
        let interface = context.map(|c| c.interface.uuid);
        self.calls
            .await_answer(cx.direction, &call, interface, ndr64);
        arguments.read(interface, call.opnum, stub, encoding);
        cx.event(&Event::RpcCall(RpcCall {
            interface: context.map(|c| c.interface.uuid),
            endpoint: known.map_or("", |i| &i.endpoint),
            opnum: call.opnum,
            operation: operation_name(known, call.opnum, unknown),
            version,
            transport: cx.via.transport.name(),
            named_pipe: cx.via.pipe,
            auth_type: call.auth.map(|(auth_type, _)| auth_type.0),
            auth_level: call.auth.map(|(_, level)| level.0),
            sealed: call.sealed,
            stub_len: call.stub_len,
            path: match found {
                // Of a stub with a hole, what was not found may have been lost.
                Some(Found::Nothing) if !call.whole => None,
                _ => found.map(|_| &**path),
            },
            argument: some(&arguments.subject),
            detail: some(&arguments.detail),
            zero_credential: arguments.zero_credential,
            client: cx.via.client,
            by_endpoint: None,
            ndr64,
            call_id: call.call_id,
            fragments: call.fragments,
            object: call.object,
            method,
            path_by_scan: found == Some(Found::Scan),
            stub,
            association: cx.via.association,
        }));
        if let Some(interface) = interface {
            endpoints::asked(cx, interface, call.opnum, stub, encoding);
        }
    }

    /// One fragment of a response.
    fn response(&mut self, cx: &mut Cx<'_>, header: &Header, piece: &Piece<'_>) {
        self.calls.note_answer();
        self.finish_unended(cx, header.call_id);
        let asked = cx.direction.reverse();
        if header.flags & (flag::FIRST | flag::LAST) != flag::FIRST | flag::LAST {
            let call = self.calls.waiting(asked, header.call_id);
            let call = call.and_then(|w| Some((w.interface?, w.opnum)));
            self.answer.add(call, header, piece);
        }
        if let Some(done) = self.calls.answer(asked, header, piece) {
            let answer = Answered {
                fault: None,
                status: done.status(header.big_endian),
            };
            self.report_result(cx, header.call_id, &done, &answer);
            let stub = match done.fragments {
                1 => Some(piece.stub),
                _ => self.answer.whole(header.call_id),
            };
            if let (Some(stub), false, Some(interface)) = (stub, done.sealed, done.interface) {
                let encoding = Encoding {
                    ndr64: done.ndr64,
                    big_endian: header.big_endian,
                };
                endpoints::told(cx, interface, done.opnum, stub, encoding);
            }
        }
    }

    fn fault(&mut self, cx: &mut Cx<'_>, header: &Header, status: FaultStatus) {
        self.calls.note_answer();
        self.finish_unended(cx, header.call_id);
        let asked = cx.direction.reverse();
        if let Some(mut done) = self.calls.take_waiting(asked, header.call_id) {
            done.fragments = 1;
            let answer = Answered {
                fault: Some(status.0),
                status: None,
            };
            self.report_result(cx, header.call_id, &done, &answer);
        }
    }

    /// An answer proves that the call was whole, even if its last fragment was not seen.
    fn finish_unended(&mut self, cx: &mut Cx<'_>, call_id: u32) {
        let asked = cx.direction.reverse();
        if let Some(call) = self.calls.take(asked, call_id) {
            let mut then = Cx {
                via: cx.via,
                direction: asked,
                catalog: cx.catalog,
                out: &mut *cx.out,
            };
            self.report_call(&mut then, call.call, &call.stub);
            self.calls.give_back(call.stub);
        }
    }

    fn report_result(&mut self, cx: &mut Cx<'_>, call_id: u32, of: &Waiting, answer: &Answered) {
        let known = of.interface.and_then(|uuid| cx.catalog.interface(uuid));
        let result = RpcResult {
            interface: of.interface,
            endpoint: known.map_or("", |i| &i.endpoint),
            opnum: of.opnum,
            operation: operation_name(known, of.opnum, &mut self.names.operation),
            fault: answer.fault,
            status: answer.status,
            sealed: of.sealed,
            stub_len: of.answer_len,
            call_id,
            fragments: of.fragments,
            association: cx.via.association,
        };
        cx.event(&Event::RpcResult(result));
    }
}

/// Text, if there is any.
pub(super) fn some(text: &str) -> Option<&str> {
    Some(text).filter(|t| !t.is_empty())
}

/// What an answer says.
struct Answered {
    fault: Option<u32>,
    status: Option<u32>,
}

/// The catalogue's name of an operation, or `unknown-N` written to `unknown`.
pub(super) fn operation_name<'a>(
    known: Option<&'a Interface>,
    opnum: u16,
    unknown: &'a mut String,
) -> &'a str {
    if let Some(name) = known.and_then(|i| i.operation(opnum)) {
        return name;
    }
    unknown.clear();
    // Writing to a String cannot fail.
    let _ = write!(unknown, "unknown-{opnum}");
    unknown
}
