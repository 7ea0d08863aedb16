//! Towers (C706 appendix L) and the stubs of `ept_map` and `ept_lookup` that carry them, in NDR.

use std::net::Ipv4Addr;

use crate::wire::{Error, Guid, Reader, Result};
use crate::wire_code;

/// The interface.
pub const INTERFACE: Guid = Guid(0xe1af8308_5d1f_11c9_91a4_08002b14a0fa);

wire_code! {
    /// Protocol identifier of a tower floor (C706 appendix I).
    pub struct Floor(u8) {
        Tcp = 0x07 => "ncacn_ip_tcp",
        Udp = 0x08 => "ncadg_ip_udp",
        Ip = 0x09 => "ip",
        Connectionless = 0x0a => "ncadg",
        ConnectionOriented = 0x0b => "ncacn",
        Uuid = 0x0d => "uuid",
        Pipe = 0x0f => "ncacn_np",
        Lrpc = 0x10 => "ncalrpc",
        NetBios = 0x11 => "netbios",
        Http = 0x1f => "ncacn_http",
    }
}

/// A protocol tower, as far as it says who listens where.
///
/// ```text
/// floor_count u16, { lhs_len u16, lhs, rhs_len u16, rhs } each; little-endian, unaligned
/// 1 interface: 0d UUID major u16 | minor u16     2 transfer syntax, the same
/// 3 RPC protocol     4 port u16 big-endian, or pipe name     5 IPv4 address
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tower<'a> {
    /// Interface.
    pub interface: Guid,
    /// Its major version.
    pub major: u16,
    /// Minor version.
    pub minor: u16,
    /// Floor 4.
    pub protocol: Floor,
    /// TCP or UDP port, 0 in requests.
    pub port: u16,
    /// Pipe name, with its NUL.
    pub pipe: &'a [u8],
    /// Address, unspecified if it is the responder's own.
    pub address: Option<Ipv4Addr>,
}

impl<'a> Tower<'a> {
    /// Reads tower octets.
    ///
    /// # Errors
    /// `Short` if a floor reaches beyond the end, `Malformed` without an interface floor.
    pub fn read(octets: &'a [u8]) -> Result<Self> {
        let mut r = Reader::new(octets);
        let mut tower = Self::default();
        let mut has_interface = false;
        for at in 0..r.u16("floor_count")? {
            let len = r.u16("floor lhs length")?;
            let mut lhs = r.sub(len.into(), "floor lhs")?;
            let len = r.u16("floor rhs length")?;
            let rhs = r.take(len.into(), "floor rhs")?;
            let floor = Floor(lhs.u8("floor protocol")?);
            match floor {
                Floor::Uuid if at == 0 => {
                    tower.interface = lhs.guid("interface")?;
                    tower.major = lhs.u16("interface version")?;
                    tower.minor = rhs.first_chunk().map_or(0, |b| u16::from_le_bytes(*b));
                    has_interface = true;
                }
                Floor::Tcp | Floor::Udp | Floor::Http => {
                    tower.protocol = floor;
                    tower.port = rhs.first_chunk().map_or(0, |b| u16::from_be_bytes(*b));
                }
                Floor::Pipe => {
                    tower.protocol = floor;
                    tower.pipe = rhs;
                }
                Floor::Ip => tower.address = rhs.first_chunk().map(|b| Ipv4Addr::from(*b)),
                _ => {}
            }
        }
        if has_interface {
            Ok(tower)
        } else {
            Err(Error::Malformed {
                what: "tower",
                why: "its first floor is no interface",
            })
        }
    }
}

/// How a stub is written: NDR, or NDR64 with words of eight bytes (MS-RPCE 2.2.5); Windows speaks NDR64.
#[derive(Clone, Copy, Debug, Default)]
pub struct Form {
    /// NDR64.
    pub ndr64: bool,
    /// Integers are big-endian.
    pub big_endian: bool,
}

impl Form {
    fn word(self, r: &mut Reader<'_>, what: &'static str) -> Result<u64> {
        if self.ndr64 {
            r.align(8, what)?;
            r.u64(what)
        } else {
            r.align(4, what)?;
            r.u32(what).map(u64::from)
        }
    }

    /// Conformance, `tower_length` u32, octets.
    fn twr_t<'a>(self, r: &mut Reader<'a>) -> Result<Tower<'a>> {
        self.word(r, "tower conformance")?;
        let len = r.u32("tower_length")?;
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        Tower::read(r.take(len, "tower")?)
    }

    /// Elements of a conformant varying array of at most `most`: maximum, offset, actual.
    fn actual(self, r: &mut Reader<'_>, most: u64) -> Result<u64> {
        self.word(r, "maximum")?;
        self.word(r, "offset")?;
        match self.word(r, "actual")? {
            n if n <= most => Ok(n),
            _ => Err(Error::Malformed {
                what: "towers",
                why: "more than any answer has",
            }),
        }
    }
}

/// The tower an `ept_map` request asks for.
///
/// ```text
/// object pointer [UUID (16)]   map_tower pointer, twr_t   entry_handle (20)   max_towers u32
/// twr_t: conformance, tower_length u32, octets; pointers and counts of four bytes, eight in NDR64
/// ```
///
/// # Errors
/// `Short` or `Malformed` if the stub is not of this form.
pub fn map_request(stub: &[u8], form: Form) -> Result<Tower<'_>> {
    let mut r = Reader::new(stub).with_order(form.big_endian);
    if form.word(&mut r, "object pointer")? != 0 {
        r.skip(16, "object")?;
    }
    if form.word(&mut r, "map_tower pointer")? == 0 {
        return Err(Error::Malformed {
            what: "map_tower",
            why: "null",
        });
    }
    form.twr_t(&mut r)
}

/// The towers of an answer, one after the other.
#[derive(Clone, Debug)]
pub struct Towers<'a> {
    r: Reader<'a>,
    form: Form,
    left: u32,
}

impl<'a> Iterator for Towers<'a> {
    type Item = Result<Tower<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let tower = self.form.twr_t(&mut self.r);
        if tower.is_err() {
            self.left = 0;
        }
        Some(tower)
    }
}

/// The towers of an `ept_map` response, at most 64.
///
/// ```text
/// entry_handle (20)  num_towers u32  maximum u32  offset u32  actual u32  pointer u32 each  twr_t each, aligned to 4  status u32
/// ```
///
/// # Errors
/// `Short` or `Malformed` if the stub is not of this form.
pub fn map_response(stub: &[u8], form: Form) -> Result<Towers<'_>> {
    let mut r = Reader::new(stub).with_order(form.big_endian);
    r.skip(20, "entry_handle")?;
    r.skip(4, "num_towers")?;
    let mut left = 0u32;
    for _ in 0..form.actual(&mut r, 64)? {
        left = left.saturating_add(u32::from(form.word(&mut r, "tower pointer")? != 0));
    }
    Ok(Towers { r, form, left })
}

/// The towers of an `ept_lookup` response, at most 500 (what Windows and its tools ask for).
///
/// ```text
/// entry_handle (20)  num_ents u32  maximum u32  offset u32  actual u32
/// { object (16)  tower pointer u32  annotation offset u32, length u32, characters } each, aligned to 4
/// twr_t each, aligned to 4  status u32
/// ```
///
/// # Errors
/// `Short` or `Malformed` if the stub is not of this form.
pub fn lookup_response(stub: &[u8], form: Form) -> Result<Towers<'_>> {
    let mut r = Reader::new(stub).with_order(form.big_endian);
    r.skip(20, "entry_handle")?;
    r.skip(4, "num_ents")?;
    let mut left = 0u32;
    for _ in 0..form.actual(&mut r, 500)? {
        r.align(if form.ndr64 { 8 } else { 4 }, "entry")?;
        r.skip(16, "object")?;
        left = left.saturating_add(u32::from(form.word(&mut r, "tower pointer")? != 0));
        form.word(&mut r, "annotation offset")?;
        let length = form.word(&mut r, "annotation length")?;
        r.skip(usize::try_from(length).unwrap_or(usize::MAX), "annotation")?;
    }
    Ok(Towers { r, form, left })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::vector;

    /// The vectors are NDR; Windows asks and answers in NDR64, so their towers are put into that.
    #[test]
    fn ndr64_reads_as_ndr_does() {
        let ndr64 = Form {
            ndr64: true,
            big_endian: false,
        };
        let request = vector("ept_map_request_tcp").bytes;
        let want = map_request(&request[24..], Form::default()).unwrap();
        let octets = &request[24 + 32..][..75]; // object pointer, UUID, tower pointer, conformance, length
        let mut stub = vec![0; 8]; // object pointer
        stub.extend(2u64.to_le_bytes()); // map_tower pointer
        stub.extend(75u64.to_le_bytes()); // conformance
        stub.extend(75u32.to_le_bytes()); // tower_length
        stub.extend(octets);
        let read = map_request(&stub, ndr64);
        let read_ndr = want.interface;
        assert_eq!(read.map(|t| t.interface), Ok(read_ndr));

        let mut stub = vec![0; 20]; // entry_handle
        stub.extend(1u32.to_le_bytes()); // num_towers
        for word in [4u64, 0, 1, 3] {
            stub.extend(word.to_le_bytes()); // maximum, offset, actual, pointer
        }
        stub.extend(75u64.to_le_bytes());
        stub.extend(75u32.to_le_bytes());
        stub.extend(octets);
        let towers: Vec<_> = map_response(&stub, ndr64).unwrap().collect();
        assert_eq!(towers, [Ok(want)]);
    }

    /// One entry with an annotation of 5 characters, as `ept_lookup` answers.
    #[test]
    fn an_entry_of_a_lookup_has_an_annotation_before_its_tower() {
        let request = vector("ept_map_request_tcp").bytes;
        let octets = &request[24 + 32..][..75];
        let mut stub = vec![0; 20]; // entry_handle
        stub.extend(1u32.to_le_bytes()); // num_ents
        for word in [500u32, 0, 1] {
            stub.extend(word.to_le_bytes()); // maximum, offset, actual
        }
        stub.extend([0; 16]); // object
        for word in [3u32, 0, 5] {
            stub.extend(word.to_le_bytes()); // pointer, annotation offset, length
        }
        stub.extend(b"Name\0\xbf\xbf\xbf");
        stub.extend(75u32.to_le_bytes());
        stub.extend(75u32.to_le_bytes());
        stub.extend(octets);
        let towers: Vec<_> = lookup_response(&stub, Form::default()).unwrap().collect();
        assert_eq!(towers.len(), 1);
        assert_eq!(
            towers[0].map(|t| (t.interface, t.major)),
            Ok((Guid(0xc681d488_d850_11d0_8c52_00c04fd90f7e), 1))
        );
    }
}
