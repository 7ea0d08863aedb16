//! Connectionless DCE/RPC over UDP (C706 chapter 12.5): every datagram names its interface, so none needs
//! another to be understood. A request in several fragments is put together ([`torn`](super::torn)) and said with its
//! last one, or with its first if that has the path.
//!
//! Not read: fragments of requests behind one that is missing or out of order, and of answers after the first; verifiers of `auth_type` other than 0, whose stubs count as
//! sealed; pings, acknowledgements and cancels.

use super::arguments::Arguments;
use super::decoder::{Names, operation_name, some};
use super::stub::{Encoding, Found, read_path};
use super::torn::{Stub, Torn};
use super::wire::Syntax;
use crate::event::{Anomaly, Event, RpcCall, RpcResult, Sink};
use crate::net::FlowKey;
use crate::proto::Shared;
use crate::proto::datagram::Met;
use crate::wire::{Error, Guid, Reader, Result};

/// A datagram's header.
#[derive(Clone, Copy, Debug)]
pub struct ClHeader<'a> {
    /// PTYPE; the numbers are those of [`super::wire::PacketType`] and a few more.
    pub ptype: u8,
    /// flags1: 0x02 last fragment, 0x04 fragment, 0x20 idempotent.
    pub flags: u8,
    /// The sender's integers are big-endian.
    pub big_endian: bool,
    /// Object UUID, nil if none.
    pub object: Guid,
    /// Interface UUID.
    pub interface: Guid,
    /// Interface version, major in the low half.
    pub version: u32,
    /// Activity UUID: one conversation.
    pub activity: Guid,
    /// Sequence number: one call.
    pub sequence: u32,
    /// Operation number.
    pub opnum: u16,
    /// Fragment number.
    pub fragment: u16,
    /// Authentication protocol; if not 0, a verifier follows the body.
    pub auth_type: u8,
    /// Body, as long as the header says.
    pub body: &'a [u8],
}

impl<'a> ClHeader<'a> {
    /// Reads one datagram.
    ///
    /// # Errors
    /// `Malformed` if it is not version 4, `Short` if it ends before its body does.
    pub fn read(datagram: &'a [u8]) -> Result<Self> {
        const WHAT: &str = "connectionless header";
        let [version, ptype, flags, _flags2, drep, ..] = Reader::new(datagram).array::<8>(WHAT)?;
        if version != 4 {
            return Err(Error::Malformed {
                what: WHAT,
                why: "version is not 4",
            });
        }
        let big_endian = drep & 0x10 == 0;
        let mut r = Reader::new(datagram).with_order(big_endian);
        r.skip(8, WHAT)?;
        let object = r.guid(WHAT)?;
        let interface = r.guid(WHAT)?;
        let activity = r.guid(WHAT)?;
        r.skip(4, "server_boot")?;
        let version = r.u32(WHAT)?;
        let sequence = r.u32(WHAT)?;
        let opnum = r.u16(WHAT)?;
        r.skip(4, "hints")?;
        let len = r.u16("body length")?;
        let fragment = r.u16(WHAT)?;
        let auth_type = r.u8(WHAT)?;
        r.skip(1, "serial_lo")?;
        Ok(Self {
            ptype,
            flags,
            big_endian,
            object,
            interface,
            version,
            activity,
            sequence,
            opnum,
            fragment,
            auth_type,
            body: r.take(len.into(), "body")?,
        })
    }

    /// The first fragment, and no other follows.
    fn is_whole(&self) -> bool {
        self.fragment == 0 && (self.flags & FRAGMENT == 0 || self.flags & LAST != 0)
    }

    fn syntax(&self) -> Syntax {
        let [a, b, c, d] = self.version.to_le_bytes();
        Syntax {
            uuid: self.interface,
            major: u16::from_le_bytes([a, b]),
            minor: u16::from_le_bytes([c, d]),
        }
    }
}

/// True if a datagram begins like one: version, type, data representation, a body that fits, an interface.
#[must_use]
pub fn probe(datagram: &[u8], _: &FlowKey) -> bool {
    let &[4, ptype, _, _, drep, float, 0, ..] = datagram else {
        return false;
    };
    ptype <= MOST
        && matches!(drep, 0x00 | 0x01 | 0x10 | 0x11)
        && float <= 3
        && ClHeader::read(datagram).is_ok_and(|header| !header.interface.is_nil())
}

/// The last PDU type, `cancel_ack` (C706 12.6.2).
const MOST: u8 = 10;

/// The protocol sequence.
const TRANSPORT: &str = "ncadg_ip_udp";

/// Room for the texts of one call.
#[derive(Debug, Default)]
pub struct Scratch {
    names: Names,
    arguments: Arguments,
    torn: Torn,
}

/// Reads one datagram of a conversation.
pub fn datagram(met: &Met<'_>, shared: &mut Shared, out: &mut dyn Sink) {
    let header = match ClHeader::read(met.datagram.bytes) {
        Ok(header) => header,
        Err(error) => {
            return out.event(
                met.direction,
                &Event::Anomaly(Anomaly::new("dcerpc", error)),
            );
        }
    };
    match header.ptype {
        REQUEST if !header.is_whole() => {
            fragment(met, &header, shared, out);
        }
        REQUEST => {
            let whole = Stub {
                bytes: header.body,
                fragments: 1,
                whole: true,
            };
            call(met, &header, &whole, shared, out);
        }
        RESPONSE if header.fragment == 0 => result(met, &header, None, shared, out),
        FAULT | REJECT => {
            let mut r = Reader::new(header.body).with_order(header.big_endian);
            // A body that is too short says no status; that it is a fault is said all the same.
            let status = r.u32("fault status").unwrap_or_default();
            result(met, &header, Some(status), shared, out);
        }
        _ => {}
    }
}

const REQUEST: u8 = 0;
const RESPONSE: u8 = 2;
const FAULT: u8 = 3;
const REJECT: u8 = 6;

/// flags1: the datagram is a fragment, and not the last.
const FRAGMENT: u8 = 0x04;
/// flags1: the last fragment.
const LAST: u8 = 0x02;

/// A fragment of a request: the first one says the call if it has the path, else the last one does.
fn fragment(met: &Met<'_>, header: &ClHeader<'_>, shared: &mut Shared, out: &mut dyn Sink) {
    // Taken out, so that its bytes can be shown while the rest of the room is used.
    let mut torn = std::mem::take(&mut shared.cl.torn);
    if torn.add(met.key, header) {
        let anomaly = Anomaly {
            protocol: "dcerpc",
            what: "connectionless call",
            why: "more calls in fragments at once than are kept",
        };
        out.event(met.direction, &Event::Anomaly(anomaly));
    }
    let last = header.flags & LAST != 0;
    if let Some(stub) = torn.unsaid(met.key, header, last)
        && (last || header.fragment == 0 && has_path(header, shared))
    {
        call(met, header, &stub, shared, out);
        torn.said(met.key, header);
    }
    shared.cl.torn = torn;
}

/// The first fragment alone has the whole path.
fn has_path(header: &ClHeader<'_>, shared: &mut Shared) -> bool {
    let Shared { catalog, cl, .. } = shared;
    let encoding = Encoding {
        ndr64: false,
        big_endian: header.big_endian,
    };
    let method = catalog
        .interface(header.interface)
        .and_then(|i| i.method(header.opnum));
    let found = method
        .filter(|_| header.auth_type == 0)
        .and_then(|method| read_path(method, header.body, encoding, &mut cl.names.path));
    // One that was searched for may go on in the next fragment.
    found == Some(Found::Layout)
}

fn call(
    met: &Met<'_>,
    header: &ClHeader<'_>,
    whole: &Stub<'_>,
    shared: &mut Shared,
    out: &mut dyn Sink,
) {
    let Shared { catalog, cl, .. } = shared;
    let sealed = header.auth_type != 0;
    let stub = if sealed { &[] } else { whole.bytes };
    let encoding = Encoding {
        ndr64: false,
        big_endian: header.big_endian,
    };
    let known = catalog.interface(header.interface);
    let method = known.and_then(|i| i.method(header.opnum));
    cl.arguments
        .read(Some(header.interface), header.opnum, stub, encoding);
    cl.names.version(Some(header.syntax()));
    let Names {
        version,
        operation,
        path,
        ..
    } = &mut cl.names;
    let found = match method {
        Some(method) if !sealed => read_path(method, stub, encoding, path),
        _ => None,
    };
    // Of a part, only what stands where the layout says is whole.
    let found = found.filter(|found| whole.whole || *found == Found::Layout);
    let call = RpcCall {
        interface: Some(header.interface),
        endpoint: known.map_or("", |i| &i.endpoint),
        opnum: header.opnum,
        operation: operation_name(known, header.opnum, operation),
        version,
        transport: TRANSPORT,
        named_pipe: "",
        auth_type: Some(header.auth_type).filter(|auth_type| *auth_type != 0),
        auth_level: None,
        sealed,
        stub_len: whole.bytes.len().try_into().unwrap_or(u32::MAX),
        path: found.map(|_| &**path),
        argument: some(&cl.arguments.subject),
        detail: some(&cl.arguments.detail),
        zero_credential: cl.arguments.zero_credential,
        client: None,
        by_endpoint: None,
        ndr64: false,
        call_id: header.sequence,
        fragments: whole.fragments,
        object: Some(header.object).filter(|object| !object.is_nil()),
        method,
        path_by_scan: found == Some(Found::Scan),
        stub,
        association: 0,
    };
    out.event(met.direction, &Event::RpcCall(call));
}

fn result(
    met: &Met<'_>,
    header: &ClHeader<'_>,
    fault: Option<u32>,
    shared: &mut Shared,
    out: &mut dyn Sink,
) {
    let Shared { catalog, cl, .. } = shared;
    let known = catalog.interface(header.interface);
    let sealed = header.auth_type != 0;
    let is_whole = header.flags & FRAGMENT == 0;
    let tail = header.body.last_chunk().copied();
    let status = tail.filter(|_| fault.is_none() && is_whole && !sealed);
    let result = RpcResult {
        interface: Some(header.interface),
        endpoint: known.map_or("", |i| &i.endpoint),
        opnum: header.opnum,
        operation: operation_name(known, header.opnum, &mut cl.names.operation),
        fault,
        status: status.map(|tail| match header.big_endian {
            true => u32::from_be_bytes(tail),
            false => u32::from_le_bytes(tail),
        }),
        sealed,
        stub_len: header.body.len().try_into().unwrap_or(u32::MAX),
        call_id: header.sequence,
        fragments: 1,
        association: 0,
    };
    out.event(met.direction, &Event::RpcResult(result));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::net::Direction::{self, ToClient, ToServer};
    use crate::net::{Addr, Endpoint, Transport};
    use crate::packet::Datagram;
    use crate::proto::Session;
    use crate::proto::testing::{Recorder, vector};

    fn say(pieces: &[(Direction, &[u8])]) -> Recorder {
        let (key, client) = FlowKey::new(
            Endpoint::new(Addr::v4([10, 0, 0, 9]), 50_000),
            Endpoint::new(Addr::v4([10, 0, 0, 2]), 49_664),
            Transport::Udp,
        );
        let mut shared = Shared {
            catalog: std::sync::Arc::new(Catalog::builtin()),
            ..Shared::default()
        };
        let (mut session, mut out) = (Session::default(), Recorder::default());
        for (way, bytes) in pieces {
            let side = match way {
                ToServer => client,
                ToClient => client.other(),
            };
            let datagram = Datagram {
                bytes,
                ..Datagram::default()
            };
            session.datagram(side, client, &key, datagram, &mut shared, &mut out);
        }
        out
    }

    #[test]
    fn a_request_is_a_call_with_its_path() {
        let request = vector("cl_request_header_80_bytes").bytes;
        let out = say(&[(ToServer, &request)]);
        assert_eq!(out.0.len(), 1, "{:#?}", out.0);
        assert_eq!(out.count(&["RpcCall(", "ncadg_ip_udp", "opnum: 0"]), 1);
        let mut answer = request.clone();
        answer[1] = RESPONSE;
        answer[74..76].copy_from_slice(&4_u16.to_le_bytes()); // body length
        answer.truncate(80);
        answer.extend([5, 0, 0, 0]);
        let out = say(&[(ToServer, &request), (ToClient, &answer)]);
        assert_eq!(out.count(&["to_client RpcResult(", "status: Some(5)"]), 1);
        answer[1] = FAULT;
        let out = say(&[(ToServer, &request), (ToClient, &answer)]);
        assert_eq!(out.count(&["to_client RpcResult(", "fault: Some(5)"]), 1);
    }

    #[test]
    fn a_datagram_cut_anywhere_says_nothing_and_does_no_harm() {
        let request = vector("cl_request_header_80_bytes").bytes;
        for cut in 0..request.len() {
            assert!(say(&[(ToServer, &request[..cut])]).0.is_empty(), "{cut}");
        }
        let mut later = request.clone();
        later[78 - 2] = 1; // fragment number
        assert!(say(&[(ToServer, &later)]).0.is_empty());
    }

    /// The request in fragments of `size` bytes of stub (C706 12.5.2: flags1 fragment 4 and last 2, fragnum).
    fn torn(size: usize) -> Vec<Vec<u8>> {
        let request = vector("cl_request_header_80_bytes").bytes;
        let (header, stub) = request.split_at(80);
        let count = stub.len().div_ceil(size);
        let piece = |(n, body): (usize, &[u8])| {
            let mut datagram = header.to_vec();
            datagram[2] |= if n + 1 == count {
                FRAGMENT | LAST
            } else {
                FRAGMENT
            };
            datagram[74..76].copy_from_slice(&u16::try_from(body.len()).unwrap().to_le_bytes());
            datagram[76..78].copy_from_slice(&u16::try_from(n).unwrap().to_le_bytes());
            datagram.extend(body);
            datagram
        };
        stub.chunks(size).enumerate().map(piece).collect()
    }

    fn say_all(pieces: &[Vec<u8>]) -> Recorder {
        say(&pieces.iter().map(|p| (ToServer, &**p)).collect::<Vec<_>>())
    }

    #[test]
    fn a_request_in_fragments_is_one_call_with_its_path() {
        let whole = say(&[(ToServer, &vector("cl_request_header_80_bytes").bytes)]);
        assert_eq!(whole.count(&["RpcCall(", "path: Some(", "10.0.0.66"]), 1);
        for size in 1..=56 {
            let pieces = torn(size);
            let out = say_all(&pieces);
            assert_eq!(out.0.len(), 1, "{size}: {:#?}", out.0);
            assert_eq!(
                out.count(&["RpcCall(", "opnum: 0", "10.0.0.66"]),
                1,
                "{size}"
            );
            if size == 56 {
                continue; // one fragment, which is the last: kept nowhere
            }
            // Sent again, as a client does that misses the acknowledgement.
            let twice: Vec<Vec<u8>> = pieces.iter().flat_map(|p| [p.clone(), p.clone()]).collect();
            let out = say_all(&twice);
            assert_eq!(out.count(&["RpcCall("]), 1, "{size}");
        }
    }

    /// What is missing is not made up: the call is said without a path.
    #[test]
    fn a_request_with_a_lost_fragment_has_no_path() {
        let pieces = torn(16);
        for lost in 0..pieces.len() - 1 {
            let mut some = pieces.clone();
            some.remove(lost);
            let out = say_all(&some);
            assert_eq!(
                out.count(&["RpcCall(", "opnum: 0", "path: None"]),
                1,
                "{lost}: {:#?}",
                out.0
            );
            assert_eq!(out.0.len(), 1);
            some.push(pieces[pieces.len() - 1].clone());
            assert_eq!(say_all(&some).0.len(), 1, "the last one again");
        }
        assert!(say_all(&pieces[..2]).0.is_empty(), "no server runs it");
    }

    /// Whoever sends a fragment with the same activity from elsewhere, as the last one or out of order, changes nothing.
    #[test]
    fn fragments_of_another_conversation_are_others() {
        let pieces = torn(16);
        let mut torn = Torn::default();
        let flow = |port| {
            let ends = [(9, port), (2, 49_664)];
            let [a, b] = ends.map(|(host, port)| Endpoint::new(Addr::v4([10, 0, 0, host]), port));
            FlowKey::new(a, b, Transport::Udp).0
        };
        let (mine, other) = (flow(50_000), flow(50_001));
        let headers: Vec<_> = pieces.iter().map(|p| ClHeader::read(p).unwrap()).collect();
        torn.add(&mine, &headers[0]);
        torn.add(&other, &headers[3]);
        torn.said(&other, &headers[3]);
        for header in &headers[1..] {
            torn.add(&mine, header);
        }
        let stub = torn.unsaid(&mine, &headers[3], true).unwrap();
        assert_eq!(
            (stub.bytes.len(), stub.fragments, stub.whole),
            (56, 4, true)
        );
    }

    #[test]
    fn calls_that_never_end_are_bounded_and_told() {
        let first = torn(16).swap_remove(0);
        let many: Vec<Vec<u8>> = (0..2 * crate::limits::CL_CALLS)
            .map(|n| {
                let mut other = first.clone();
                other[40..42].copy_from_slice(&u16::try_from(n).unwrap().to_le_bytes()); // activity
                other
            })
            .collect();
        let out = say_all(&many);
        assert_eq!(
            out.count(&["Anomaly", "more calls in fragments"]),
            crate::limits::CL_CALLS
        );
    }

    proptest::proptest! {
        #[test]
        fn anything_is_survived(mut bytes in proptest::collection::vec(proptest::num::u8::ANY, 80..300), ptype in 0..=MOST) {
            bytes[..8].copy_from_slice(&[4, ptype, 0, 0, 0x10, 0, 0, 0]);
            let body = u16::try_from(bytes.len() - 80).unwrap();
            bytes[74..76].copy_from_slice(&body.to_le_bytes());
            proptest::prop_assert!(say(&[(ToServer, &bytes)]).0.len() <= 1);
        }
    }
}
