//! Windows Search (MS-WSP): messages on the pipe `MsFteWds`, which are no RPC.
//!
//! ```text
//! header (2.2.2): _msg u32  _status u32  _ulChecksum u32  _ulReserved2 u32, then the body
//! ```
//!
//! A query whose scope is `file:////L/x` makes the search service look there, as its machine account.
//! A message is said as a call: its interface is the nil UUID, its opnum the message's number, its
//! call id too, for answers come in order and repeat the number. Pipes are told by their name, and if the open was
//! missed by the checksum of 2.2.2, which chance does not get right.
//!
//! Not read: the restriction's tree (2.2.1.17; its text is searched), scopes after the first that names
//! a host, bodies beyond [`TAIL_BYTES`](crate::limits::TAIL_BYTES), rows and other answers except
//! their status, messages cut into several writes (the pipe is one of messages).

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

use crate::catalog::{Catalog, names_host};
use crate::event::{Event, RpcCall, RpcResult, Sink};
use crate::net::Direction;
use crate::proto::dcerpc::Via;
use crate::proto::dcerpc::stub::scan_unc;
use crate::wire::{Guid, Reader, Utf16};

/// The pipe, as handles keep names.
pub const PIPE: &str = "msftewds";
/// Bytes of the header.
pub const HEADER: usize = 16;
/// Messages of the specification (2.2.2): `CPMConnectIn` to `CPMSetScopePrioritizationOut`.
const MESSAGES: std::ops::RangeInclusive<u32> = 0xc8..=0xf6;
/// `CPMCreateQueryIn`, and `CPMCreateQueryOut` in answers.
const CREATE_QUERY: u16 = 0xca;
/// What the sum of the body is mixed with (3.2.4).
const CHECKSUM_XOR: u32 = 0x5953_3959;
/// Characters of a scope that are kept. Hosts come first, so nothing of use is behind them.
const SCOPE_CHARS: usize = 4096;

/// A message's header.
#[derive(Clone, Copy, Debug)]
struct Header {
    number: u16,
    status: u32,
    checksum: u32,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader::new(bytes);
        let number = r.u32("_msg").ok().filter(|n| MESSAGES.contains(n))?;
        let status = r.u32("_status").ok()?;
        let checksum = r.u32("_ulChecksum").ok()?;
        r.u32("_ulReserved2").ok()?;
        Some(Self {
            number: u16::try_from(number).ok()?,
            status,
            checksum,
        })
    }
}

/// True if what begins like `head` can be a message: a question carries no status.
#[must_use]
pub fn may_be(head: &[u8], direction: Direction) -> bool {
    Header::read(head).is_some_and(|h| direction == Direction::ToClient || h.status == 0)
}

/// One message, as much of it as may be waited for; `length` is all of it.
pub fn message(
    via: &Via<'_>,
    direction: Direction,
    (bytes, length): (&[u8], usize),
    catalog: &Catalog,
    out: &mut dyn Sink,
) {
    let Some(header) = Header::read(bytes) else {
        return;
    };
    let body = bytes.get(HEADER..).unwrap_or_default();
    if via.pipe != PIPE && !is_summed(&header, body) {
        return;
    }
    let Some(known) = catalog.interface(Guid::NIL) else {
        return;
    };
    // The rest of a search is bulk.
    let Some(operation) = known.operation(header.number) else {
        return;
    };
    let length = length.saturating_sub(HEADER);
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    if direction == Direction::ToClient {
        let result = RpcResult {
            interface: Some(Guid::NIL),
            endpoint: &known.endpoint,
            opnum: header.number,
            operation,
            fault: None,
            status: Some(header.status),
            sealed: false,
            stub_len: length,
            call_id: header.number.into(),
            fragments: 1,
            association: via.association,
        };
        out.event(direction, &Event::RpcResult(result));
        return;
    }
    let method = known.method(header.number);
    // Allocates for a scope only.
    let mut path = String::new();
    let by_scan = header.number == CREATE_QUERY && scope(body, &mut path);
    let call = RpcCall {
        interface: Some(Guid::NIL),
        endpoint: &known.endpoint,
        opnum: header.number,
        operation,
        version: "",
        transport: via.transport.name(),
        named_pipe: if via.pipe.is_empty() { PIPE } else { via.pipe },
        auth_type: None,
        auth_level: None,
        sealed: false,
        stub_len: length,
        path: method.map(|_| &*path),
        argument: None,
        detail: None,
        zero_credential: None,
        client: None,
        by_endpoint: None,
        ndr64: false,
        call_id: header.number.into(),
        fragments: 1,
        object: None,
        method,
        path_by_scan: by_scan,
        stub: body,
        association: via.association,
    };
    out.event(direction, &Event::RpcCall(call));
}

/// `_ulChecksum` of 3.2.4: the body's words added up, mixed, less the number.
fn is_summed(header: &Header, body: &[u8]) -> bool {
    let (words, _) = body.as_chunks::<4>();
    let sum = words
        .iter()
        .fold(0u32, |sum, w| sum.wrapping_add(u32::from_le_bytes(*w)));
    header.checksum == (sum ^ CHECKSUM_XOR).wrapping_sub(header.number.into())
}

/// The first `file:` URL in a query that names a host, or else the first such UNC path.
fn scope(body: &[u8], path: &mut String) -> bool {
    // A colon is rare; what stands before it decides.
    let colons = memchr::memmem::find_iter(body, b":\0").take(64);
    for colon in colons {
        let Some(start) = colon.checked_sub(8) else {
            continue;
        };
        let units = body.get(start..).unwrap_or_default();
        let mut chars = Utf16::le(units).chars();
        let is_file = "file".chars().all(|c| {
            chars
                .next()
                .is_some_and(|found| found.eq_ignore_ascii_case(&c))
        });
        if !is_file {
            continue;
        }
        path.clear();
        let printable = |c: &char| !c.is_control() && *c != char::REPLACEMENT_CHARACTER;
        let chars = Utf16::le(units).chars();
        path.extend(chars.take(SCOPE_CHARS).take_while(printable));
        if names_host(path, crate::catalog::PathForm::Unc) {
            return true;
        }
    }
    path.clear();
    scan_unc(body, path)
}

#[cfg(test)]
mod tests;
