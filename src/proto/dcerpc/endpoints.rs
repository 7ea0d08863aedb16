//! Calls whose answers say who listens where: the endpoint mapper's (C706 appendix O) and the OXID
//! resolver's (MS-DCOM 3.1.2.5.1).

use std::net::Ipv4Addr;

use super::calls::Piece;
use super::decoder::Cx;
use super::ndr::Ndr;
use super::stub::Encoding;
use super::wire::{Header, flag};
use crate::event::{Event, RpcEndpoint};
use crate::limits::STUB_BYTES;
use crate::proto::epm::wire::{self as epm, Floor, Form, Tower};
use crate::wire::{Guid, Reader, Result, Text, Utf16};

/// `IObjectExporter`.
const OXID_RESOLVER: Guid = Guid(0x99fcfec4_5260_101b_bbcb_00aa0021347a);

/// String bindings said of one answer.
const BINDINGS: usize = 16;

/// True if the answer to the call is read.
pub(super) fn has(interface: Guid, opnum: u16) -> bool {
    source(interface, opnum).is_some()
}

/// An answer that comes in several fragments. One at a time: who looks up endpoints waits for the answer.
#[derive(Debug, Default)]
pub(super) struct Parts {
    call_id: u32,
    /// At most [`STUB_BYTES`] of the stub, without a hole.
    stub: Vec<u8>,
    /// It is whole so far.
    good: bool,
}

impl Parts {
    /// Bytes of heap.
    pub(super) fn held(&self) -> usize {
        self.stub.capacity()
    }

    /// A fragment of the answer to a call.
    pub(super) fn add(&mut self, call: Option<(Guid, u16)>, header: &Header, piece: &Piece<'_>) {
        if !call.is_some_and(|(interface, opnum)| has(interface, opnum)) {
            return;
        }
        if header.flags & flag::FIRST != 0 {
            (self.call_id, self.good) = (header.call_id, true);
            self.stub.clear();
        }
        let length = self.stub.len().saturating_add(piece.stub.len());
        self.good &= self.call_id == header.call_id
            && piece.stub.len() == piece.len
            && !piece.sealed
            && length <= STUB_BYTES;
        if self.good {
            self.stub.extend_from_slice(piece.stub);
        }
    }

    /// Bytes are missing somewhere.
    pub(super) fn spoil(&mut self) {
        self.good = false;
    }

    /// The whole stub of the answer whose last fragment was added.
    pub(super) fn whole(&mut self, call_id: u32) -> Option<&[u8]> {
        let good = std::mem::take(&mut self.good) && self.call_id == call_id;
        good.then_some(&*self.stub)
    }
}

fn source(interface: Guid, opnum: u16) -> Option<&'static str> {
    Some(match (interface, opnum) {
        (epm::INTERFACE, 2) => "ept_lookup",
        (epm::INTERFACE, 3) => "ept_map",
        (OXID_RESOLVER, 0) => "ResolveOxid",
        (OXID_RESOLVER, 4) => "ResolveOxid2",
        (OXID_RESOLVER, 5) => "ServerAlive2",
        _ => return None,
    })
}

/// A request.
pub(super) fn asked(cx: &mut Cx<'_>, interface: Guid, opnum: u16, stub: &[u8], encoding: Encoding) {
    if (interface, opnum) != (epm::INTERFACE, 3) {
        return;
    }
    if let Ok(tower) = epm::map_request(stub, form(encoding)) {
        say_tower(cx, "ept_map", true, &tower);
    }
}

/// An answer, whole.
pub(super) fn told(cx: &mut Cx<'_>, interface: Guid, opnum: u16, stub: &[u8], encoding: Encoding) {
    let Some(source) = source(interface, opnum) else {
        return;
    };
    if interface == OXID_RESOLVER {
        // What does not fit says nothing; the bindings before it are said.
        let _ = string_bindings(cx, source, stub, encoding);
        return;
    }
    let towers = match opnum {
        2 => epm::lookup_response(stub, form(encoding)),
        _ => epm::map_response(stub, form(encoding)),
    };
    for tower in towers.into_iter().flatten().flatten() {
        say_tower(cx, source, false, &tower);
    }
}

fn form(encoding: Encoding) -> Form {
    Form {
        ndr64: encoding.ndr64,
        big_endian: encoding.big_endian,
    }
}

fn say_tower(cx: &mut Cx<'_>, source: &'static str, asked: bool, tower: &Tower<'_>) {
    let mut version = Digits::default();
    let mut host = Digits::default();
    let pipe = tower.pipe.split(|b| *b == 0).next().unwrap_or_default();
    let event = RpcEndpoint {
        source,
        asked,
        interface: Some(tower.interface),
        endpoint: cx
            .catalog
            .interface(tower.interface)
            .map_or("", |i| &i.endpoint),
        version: version.write(format_args!("{}.{}", tower.major, tower.minor)),
        transport: tower.protocol.name().unwrap_or_default(),
        port: Some(tower.port).filter(|port| *port != 0),
        pipe: Text::Str(std::str::from_utf8(pipe).unwrap_or_default()),
        host: match tower.address {
            Some(address) if address != Ipv4Addr::UNSPECIFIED => {
                Text::Str(host.write(format_args!("{address}")))
            }
            _ => Text::Str(""),
        },
    };
    cx.out.event(cx.direction, &Event::RpcEndpoint(event));
}

/// ```text
/// ServerAlive2 only: COMVERSION major u16, minor u16
/// pointer, conformance, DUALSTRINGARRAY: wNumEntries u16, wSecurityOffset u16,
/// { wTowerId u16, aNetworkAddr UTF-16 with NUL } each, 0, then security bindings
/// ```
fn string_bindings(
    cx: &mut Cx<'_>,
    source: &'static str,
    stub: &[u8],
    encoding: Encoding,
) -> Result<()> {
    let big_endian = encoding.big_endian;
    let mut n = Ndr::new(stub, encoding.ndr64, big_endian);
    if source == "ServerAlive2" {
        n.u32("COMVERSION")?;
    }
    if n.word("bindings pointer")? == 0 {
        return Ok(());
    }
    n.word("conformance")?;
    let mut r = Reader::new(n.rest()).with_order(big_endian);
    r.skip(4, "wNumEntries, wSecurityOffset")?;
    for _ in 0..BINDINGS {
        let tower = r.u16("wTowerId")?;
        if tower == 0 {
            break;
        }
        let rest = r.rest();
        let mut units = 0_usize;
        while r.u16("aNetworkAddr")? != 0 {
            units = units.saturating_add(1);
        }
        let bytes = rest.get(..units.saturating_mul(2)).unwrap_or_default();
        let (host, port) = host_and_port(bytes, big_endian);
        let event = RpcEndpoint {
            source,
            asked: false,
            interface: None,
            endpoint: "",
            version: "",
            transport: u8::try_from(tower)
                .ok()
                .and_then(|t| Floor(t).name())
                .unwrap_or_default(),
            port,
            pipe: Text::Str(""),
            host: Text::Utf16(host),
        };
        cx.out.event(cx.direction, &Event::RpcEndpoint(event));
    }
    Ok(())
}

/// `host[port]` or `host`.
fn host_and_port(bytes: &[u8], big_endian: bool) -> (Utf16<'_>, Option<u16>) {
    let text = Utf16::new(bytes, big_endian);
    let bracket = text.units().position(|unit| unit == u16::from(b'['));
    let Some(at) = bracket else {
        return (text, None);
    };
    let digits = text
        .units()
        .skip(at.saturating_add(1))
        .take_while(|unit| *unit != u16::from(b']'));
    let mut port = Some(0_u16);
    for unit in digits {
        let digit = char::from_u32(unit.into()).and_then(|c| c.to_digit(10));
        let digit = digit.and_then(|d| u16::try_from(d).ok());
        port = match (port, digit) {
            (Some(p), Some(d)) => p.checked_mul(10).and_then(|p| p.checked_add(d)),
            _ => None,
        };
    }
    let host = bytes.get(..at.saturating_mul(2)).unwrap_or_default();
    (Utf16::new(host, big_endian), port)
}

/// A short text on the stack.
#[derive(Default)]
struct Digits {
    bytes: [u8; 16],
    len: usize,
}

impl Digits {
    fn write(&mut self, args: std::fmt::Arguments<'_>) -> &str {
        // It has room for every address and version; what had none would be cut.
        let _ = std::fmt::write(self, args);
        let text = self.bytes.get(..self.len).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }
}

impl std::fmt::Write for Digits {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for byte in text.bytes() {
            *self.bytes.get_mut(self.len).ok_or(std::fmt::Error)? = byte;
            self.len = self.len.saturating_add(1);
        }
        Ok(())
    }
}
