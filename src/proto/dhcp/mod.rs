//! DHCP for IPv4 (RFC 2131, options of RFC 2132) and IPv6 (RFC 8415): who gives out addresses, resolvers, proxies.
//!
//! Our own reader and no crate: options are type, length and value, and the crates there are copy each into a tree.
//!
//! Not read: options other than those of the events; options in the fields of file and server name (option 52);
//! prefix delegation, reconfiguration, authentication; the relay agent's own options but the message it carries.
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

mod v4;
mod v6;

use super::Shared;
use super::datagram::Met;
use crate::event::{Anomaly, Event, Sink};
use crate::limits::DHCP_LIST;
use crate::net::{Addr, FlowKey};

/// Ports of servers and clients, DHCPv4 and DHCPv6.
const V4: [u16; 2] = [67, 68];
const V6: [u16; 2] = [546, 547];

/// Addresses of one option.
#[derive(Clone, Copy, Debug, Default)]
struct List {
    all: [Addr; DHCP_LIST],
    len: usize,
}

impl List {
    fn push(&mut self, addr: Addr) {
        if let Some(free) = self.all.get_mut(self.len) {
            *free = addr;
            self.len = self.len.saturating_add(1);
        }
    }

    fn get(&self) -> &[Addr] {
        self.all.get(..self.len).unwrap_or_default()
    }
}

fn on(key: &FlowKey, ports: [u16; 2]) -> bool {
    ports.contains(&key.a.port) || ports.contains(&key.b.port)
}

/// DHCPv4, or BOOTP: operation 1 or 2, a hardware type, and the cookie of options (RFC 2131 3).
pub(super) fn probe_v4(bytes: &[u8], key: &FlowKey) -> bool {
    on(key, V4) && matches!(bytes, [1 | 2, ..]) && bytes.get(236..240) == Some(&v4::COOKIE)
}

/// DHCPv6: a known message type on its ports.
pub(super) fn probe_v6(bytes: &[u8], key: &FlowKey) -> bool {
    on(key, V6) && matches!(bytes, [1..=13, _, _, _, ..])
}

/// Reads a message of DHCPv4.
pub(super) fn message_v4(met: &Met<'_>, shared: &mut Shared, out: &mut dyn Sink) {
    let mut lists = v4::Lists::default();
    let text = &mut shared.dhcp.0;
    text.clear();
    let event = match lists.read(met.datagram.bytes, met.datagram.mac, text) {
        Ok(message) => Event::Dhcp(message),
        Err(error) => Event::Anomaly(Anomaly::new("dhcp", error)),
    };
    out.event(met.direction, &event);
}

/// Reads a message of DHCPv6.
pub(super) fn message_v6(met: &Met<'_>, shared: &mut Shared, out: &mut dyn Sink) {
    let mut parts = v6::Parts::default();
    let text = &mut shared.dhcp.0;
    text.clear();
    let read = parts.read(met.datagram.bytes, text);
    match read {
        Ok(()) => out.event(
            met.direction,
            &Event::Dhcpv6(parts.event(met.datagram.mac, text)),
        ),
        Err(error) => {
            let anomaly = Anomaly::new("dhcpv6", error);
            out.event(met.direction, &Event::Anomaly(anomaly));
        }
    }
}

/// Memory for names, reused.
#[derive(Debug, Default)]
pub struct Scratch(String);
#[cfg(test)]
mod tests;
