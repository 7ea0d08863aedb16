//! Towers (C706 appendix L) and the two stubs of `ept_map` that carry them, in NDR.

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

/// The tower an `ept_map` request asks for.
///
/// ```text
/// object pointer u32 [UUID (16)]   map_tower pointer u32, twr_t   entry_handle (20)   max_towers u32
/// twr_t: conformance u32, tower_length u32, octets
/// ```
///
/// # Errors
/// `Short` or `Malformed` if the stub is not of this form; NDR64 is not.
pub fn map_request(stub: &[u8], big_endian: bool) -> Result<Tower<'_>> {
    let mut r = Reader::new(stub).with_order(big_endian);
    if r.u32("object pointer")? != 0 {
        r.skip(16, "object")?;
    }
    if r.u32("map_tower pointer")? == 0 {
        return Err(Error::Malformed {
            what: "map_tower",
            why: "null",
        });
    }
    twr_t(&mut r)
}

/// The towers of an `ept_map` response, at most 64.
///
/// ```text
/// entry_handle (20)  num_towers u32  maximum u32  offset u32  actual u32  pointer u32 each  twr_t each, aligned to 4  status u32
/// ```
///
/// # Errors
/// `Short` or `Malformed` if the stub is not of this form; NDR64 is not.
pub fn map_response(stub: &[u8], big_endian: bool) -> Result<Vec<Tower<'_>>> {
    let mut r = Reader::new(stub).with_order(big_endian);
    r.skip(20, "entry_handle")?;
    r.skip(12, "num_towers, maximum, offset")?;
    let actual = r.u32("actual")?;
    if actual > 64 {
        return Err(Error::Malformed {
            what: "towers",
            why: "more than any answer has",
        });
    }
    let mut present = 0u32;
    for _ in 0..actual {
        present = present.saturating_add(u32::from(r.u32("tower pointer")? != 0));
    }
    (0..present)
        .map(|_| {
            r.align(4, "tower")?;
            twr_t(&mut r)
        })
        .collect()
}

fn twr_t<'a>(r: &mut Reader<'a>) -> Result<Tower<'a>> {
    r.skip(4, "tower conformance")?;
    let len = r.u32("tower_length")?;
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    Tower::read(r.take(len, "tower")?)
}
