//! DHCPv6 messages.
//!
//! ```text
//! message   type 1, xid 3, options: code 2, length 2, value                                   RFC 8415 8
//! relayed   type 1 (12 forward, 13 reply), hops 1, link address 16, peer address 16, options  RFC 8415 9
//! IA_NA     IAID 4, T1 4, T2 4, options                                                       RFC 8415 21.4
//! IAADDR    address 16, preferred 4, valid 4, options                                         RFC 8415 21.6
//! ```

use super::List;
use crate::event::Dhcpv6;
use crate::limits::DHCP_RELAYS;
use crate::net::{Addr, Mac};
use crate::proto::dns::wire::{push_name, skip_name};
use crate::wire::{Error, Reader, Result};

/// What was read of one message.
#[derive(Default)]
pub(super) struct Parts<'a> {
    kind: u8,
    xid: u32,
    relayed: bool,
    client_duid: &'a [u8],
    server_duid: &'a [u8],
    addresses: List,
    dns_servers: List,
    times: Option<(u32, u32)>,
    lifetimes: Option<(u32, u32)>,
    status: Option<u16>,
    /// Where in the text the domains end and the client's name begins.
    domains: usize,
}

impl<'a> Parts<'a> {
    pub(super) fn read(&mut self, bytes: &'a [u8], text: &mut String) -> Result<()> {
        let mut bytes = bytes;
        for _ in 0..=DHCP_RELAYS {
            match bytes.first() {
                Some(12 | 13) => {
                    self.relayed = true;
                    bytes = relayed(bytes)?;
                }
                _ => return self.message(bytes, text),
            }
        }
        Err(Error::Malformed {
            what: "relayed message",
            why: "nested too deep",
        })
    }

    fn message(&mut self, bytes: &'a [u8], text: &mut String) -> Result<()> {
        let mut r = Reader::new(bytes).with_order(true);
        let [kind, a, b, c] = r.array("DHCPv6 header")?;
        self.kind = kind;
        self.xid = u32::from_be_bytes([0, a, b, c]);
        let mut fqdn = None;
        while !r.is_empty() {
            let (code, mut value) = option(&mut r)?;
            match code {
                1 => self.client_duid = value.rest(),
                2 => self.server_duid = value.rest(),
                // IA_NA and IA_TA; the latter has no times.
                3 => {
                    value.skip(4, "IA_NA")?;
                    self.times = Some((value.u32("IA_NA")?, value.u32("IA_NA")?));
                    self.association(value)?;
                }
                4 => {
                    value.skip(4, "IA_TA")?;
                    self.association(value)?;
                }
                13 => self.status = Some(value.u16("status")?),
                23 => {
                    while let Ok(addr) = value.array("DNS servers") {
                        self.dns_servers.push(Addr(addr));
                    }
                }
                24 => domains(value.rest(), text)?,
                // Flags 1, then a name (RFC 4704 4).
                39 => {
                    value.skip(1, "client FQDN")?;
                    fqdn = Some(value.rest());
                }
                _ => {}
            }
        }
        self.domains = text.len();
        match fqdn {
            Some(name) if !name.is_empty() => partial_name(name, text),
            _ => Ok(()),
        }
    }

    fn association(&mut self, mut r: Reader<'a>) -> Result<()> {
        while !r.is_empty() {
            let (code, mut value) = option(&mut r)?;
            match code {
                5 => {
                    self.addresses.push(Addr(value.array("IA address")?));
                    let times = (value.u32("IA address")?, value.u32("IA address")?);
                    self.lifetimes = self.lifetimes.or(Some(times));
                }
                13 => self.status = Some(value.u16("status")?),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn event<'e>(&'e self, frame_mac: Mac, text: &'e str) -> Dhcpv6<'e> {
        let (domains, fqdn) = text.split_at_checked(self.domains).unwrap_or(("", ""));
        Dhcpv6 {
            message: name(self.kind),
            xid: self.xid,
            client_duid: self.client_duid,
            server_duid: self.server_duid,
            addresses: self.addresses.get(),
            t1: self.times.map(|(t1, _)| t1),
            t2: self.times.map(|(_, t2)| t2),
            preferred: self.lifetimes.map(|(preferred, _)| preferred),
            valid: self.lifetimes.map(|(_, valid)| valid),
            dns_servers: self.dns_servers.get(),
            domains,
            client_fqdn: fqdn,
            status: self.status,
            relayed: self.relayed,
            frame_mac,
            kind: self.kind,
        }
    }
}

/// Message types (RFC 8415 7.3).
fn name(kind: u8) -> &'static str {
    match kind {
        1 => "solicit",
        2 => "advertise",
        3 => "request",
        4 => "confirm",
        5 => "renew",
        6 => "rebind",
        7 => "reply",
        8 => "release",
        9 => "decline",
        10 => "reconfigure",
        11 => "information-request",
        _ => "",
    }
}

fn option<'a>(r: &mut Reader<'a>) -> Result<(u16, Reader<'a>)> {
    let (code, length) = (r.u16("option")?, r.u16("option")?);
    Ok((code, r.sub(length.into(), "option value")?))
}

/// The message that a relay carries (option 9).
fn relayed(bytes: &[u8]) -> Result<&[u8]> {
    let mut r = Reader::new(bytes).with_order(true);
    r.skip(34, "relay header")?;
    while !r.is_empty() {
        let (code, value) = option(&mut r)?;
        if code == 9 {
            return Ok(value.rest());
        }
    }
    Err(Error::Malformed {
        what: "relayed message",
        why: "is not there",
    })
}

/// Appends names of a list (RFC 3646 4) with commas between them.
fn domains(list: &[u8], text: &mut String) -> Result<()> {
    let mut at = 0;
    while at < list.len() {
        if !text.is_empty() {
            text.push(',');
        }
        push_name(list, at, text)?;
        at = skip_name(list, at)?;
    }
    Ok(())
}

/// Appends a name that may lack its root label.
fn partial_name(name: &[u8], text: &mut String) -> Result<()> {
    let mut whole = [0; 256];
    if let Some(room) = whole.get_mut(..name.len().min(255)) {
        room.copy_from_slice(name.get(..name.len().min(255)).unwrap_or_default());
    }
    push_name(&whole, 0, text)
}
