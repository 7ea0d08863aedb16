//! The link layer: from a frame to the IP packet in it.
//!
//! ```text
//!   1 Ethernet    destination 6, source 6, type 2
//! 113 Linux SLL   packet type 2, hardware type 2, address length 2, address 8, type 2
//! 276 Linux SLL2  type 2, reserved 2, interface 4, hardware type 2, packet type 1, length 1, address 8
//!   0 NULL        address family 4, byte order of the machine that captured
//! 108 LOOP        address family 4, big-endian
//! 101, 12, 14, 228, 229   nothing: an IP packet
//! ```
//! Not read: addresses but the source of Ethernet, and the frame check sequence, which the IP length trims.

use super::dissect::{Layer, Miss};
use super::view::View;
use super::{Wrapping, decap};
use crate::limits::VLAN_TAGS;
use etherparse::{LaxMacsecPayloadSlice, LaxMacsecSlice};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const MACSEC: u16 = 0x88e5;

/// Takes the header of link type `link` off.
#[inline]
pub(super) fn open(link: u16, view: &mut View<'_>, wrapping: &mut Wrapping) -> Result<Layer, Miss> {
    match link {
        1 => {
            let Some(&[_, _, _, _, _, _, m0, m1, m2, m3, m4, m5, a, b]) = view.bytes.first_chunk()
            else {
                return Err(Miss::Short);
            };
            wrapping.mac = [m0, m1, m2, m3, m4, m5];
            view.pass(14)?;
            Ok(Layer::Ether(u16::from_be_bytes([a, b])))
        }
        101 | 12 | 14 | 228 | 229 => Ok(Layer::Ip),
        113 => {
            let Some(&[.., a, b]) = view.bytes.first_chunk::<16>() else {
                return Err(Miss::Short);
            };
            view.pass(16)?;
            Ok(Layer::Ether(u16::from_be_bytes([a, b])))
        }
        276 => {
            let &[a, b, ..] = view.bytes else {
                return Err(Miss::Short);
            };
            view.pass(20)?;
            Ok(Layer::Ether(u16::from_be_bytes([a, b])))
        }
        0 | 108 => {
            let family = *view.bytes.first_chunk::<4>().ok_or(Miss::Short)?;
            view.pass(4)?;
            // One of the two readings has its upper bytes zero. AF_INET is 2 everywhere;
            // AF_INET6 is 10 on Linux, 23 on Windows, 24, 28 and 30 on the BSDs.
            let family = u32::from_be_bytes(family).min(u32::from_le_bytes(family));
            match family {
                2 | 10 | 23 | 24 | 28 | 30 => Ok(Layer::Ip),
                _ => Err(Miss::NotIp),
            }
        }
        _ => Err(Miss::Link),
    }
}

/// Follows an EtherType through VLAN tags, SNAP and MACsec to what it carries.
#[inline]
pub(super) fn ether(
    mut kind: u16,
    view: &mut View<'_>,
    wrapping: &mut Wrapping,
) -> Result<Layer, Miss> {
    // One round more than tags, for what follows the last; SNAP and MACsec use up rounds too.
    for _ in 0..=VLAN_TAGS {
        match kind {
            IPV4 | IPV6 => return Ok(Layer::Ip),
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
                // Priority 3 bits, drop eligible 1, id 12; then the type of what follows.
                let Some(&[a, b, c, d]) = view.bytes.first_chunk() else {
                    return Err(Miss::Short);
                };
                tag(wrapping, u16::from_be_bytes([a, b]) & 0x0fff);
                kind = u16::from_be_bytes([c, d]);
                view.pass(4)?;
            }
            // A length: 802.3. SNAP (RFC 1042) names a type, other LLC carries no IP.
            ..=1500 => {
                let Some(&[0xaa, 0xaa, 3, 0, 0, 0, a, b]) = view.bytes.first_chunk() else {
                    return Err(Miss::NotIp);
                };
                kind = u16::from_be_bytes([a, b]);
                view.pass(8)?;
            }
            MACSEC => kind = macsec(view)?,
            other => return decap::by_ether_type(other, view).ok_or(Miss::NotIp),
        }
    }
    Err(Miss::NotIp)
}

/// IEEE 802.1AE with the payload in clear (integrity only); an encrypted one is not IP to us.
#[cold]
fn macsec(view: &mut View<'_>) -> Result<u16, Miss> {
    let macsec = LaxMacsecSlice::from_slice(view.bytes).map_err(|_| Miss::Short)?;
    match macsec.payload {
        LaxMacsecPayloadSlice::Unmodified(payload) => {
            view.pass(macsec.header.slice().len())?;
            if let Some(short) = macsec.header.expected_payload_len() {
                *view = view.keep(short);
            }
            Ok(payload.ether_type.0)
        }
        LaxMacsecPayloadSlice::Modified { .. } => Err(Miss::NotIp),
    }
}

/// Notes a VLAN id; id 0 is a priority and no VLAN. Tags of frames inside a tunnel are not noted.
fn tag(wrapping: &mut Wrapping, id: u16) {
    if wrapping.tunnels == 0
        && let Some(free) = wrapping.vlan.iter_mut().find(|known| **known == 0)
    {
        *free = id;
    }
}
