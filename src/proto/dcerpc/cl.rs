//! The connectionless header, 80 bytes (C706 12.5.2.1). Modern Windows rarely listens for it, so
//! only the header is read: it names the interface in every datagram.

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
}
