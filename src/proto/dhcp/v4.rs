//! DHCPv4 messages.
//!
//! ```text
//! op 1, hardware type 1, its length 1, hops 1, xid 4, secs 2, flags 2, ciaddr 4, yiaddr 4, siaddr 4, giaddr 4,
//! chaddr 16, server name 64, file 128, cookie 4 (99, 130, 83, 99), options: type 1, length 1, value
//! ```

use super::List;
use crate::event::{Dhcp, DhcpMessage};
use crate::net::{Addr, Mac};
use crate::proto::dns::wire::push_name;
use crate::wire::{Reader, Result, Text};

/// In front of options (RFC 2131 3).
pub(super) const COOKIE: [u8; 4] = [99, 130, 83, 99];

/// Room for what a message may list.
#[derive(Default)]
pub(super) struct Lists {
    routers: List,
    dns_servers: List,
}

impl Lists {
    pub(super) fn read<'a>(
        &'a mut self,
        bytes: &'a [u8],
        frame_mac: Mac,
        text: &'a mut String,
    ) -> Result<Dhcp<'a>> {
        const WHAT: &str = "DHCP header";
        let mut r = Reader::new(bytes).with_order(true);
        let [op, hardware, length, _hops] = r.array(WHAT)?;
        let xid = r.u32(WHAT)?;
        r.skip(4, WHAT)?;
        let mut address = || Ok(some(r.array(WHAT)?));
        let [client_ip, assigned_ip, next_server_ip, relay_ip] =
            [address()?, address()?, address()?, address()?];
        let chaddr: [u8; 6] = r.array(WHAT)?;
        r.skip(10 + 64 + 128 + 4, WHAT)?;
        let mut event = Dhcp {
            message: DhcpMessage::BOOTP,
            client_mac: match (hardware, length) {
                (1, 6) => Mac(chaddr),
                _ => Mac::default(),
            },
            client_ip,
            assigned_ip,
            next_server_ip,
            relay_ip,
            requested_ip: None,
            hostname: Text::default(),
            lease_time: None,
            routers: &[],
            dns_servers: &[],
            vendor_class: Text::default(),
            server_id: None,
            client_fqdn: Text::default(),
            domain: Text::default(),
            proxy_config: Text::default(),
            frame_mac,
            request: op == 1,
            xid,
            client_id: &[],
            renewal_time: None,
            rebinding_time: None,
            subnet_mask: None,
            params: &[],
        };
        let mut encoded = None;
        loop {
            let kind = match r.u8("option") {
                // The end option may be missing: some clients let the datagram end there.
                Ok(255) | Err(_) => break,
                Ok(0) => continue,
                Ok(kind) => kind,
            };
            let length = r.u8("option length")?;
            let value = r.take(length.into(), "option value")?;
            let mut v = Reader::new(value).with_order(true);
            match kind {
                1 => event.subnet_mask = v.array("subnet mask").ok().map(Addr::v4),
                3 => addresses(v, &mut self.routers),
                6 => addresses(v, &mut self.dns_servers),
                12 => event.hostname = Text::Bytes(value),
                15 => event.domain = Text::Bytes(until_nul(value)),
                50 => event.requested_ip = v.array("requested address").ok().map(Addr::v4),
                51 => event.lease_time = v.u32("lease time").ok(),
                53 => event.message = DhcpMessage(v.u8("message type")?),
                54 => event.server_id = v.array("server identifier").ok().map(Addr::v4),
                55 => event.params = value,
                58 => event.renewal_time = v.u32("renewal time").ok(),
                59 => event.rebinding_time = v.u32("rebinding time").ok(),
                60 => event.vendor_class = Text::Bytes(value),
                61 => event.client_id = value,
                // Flags 1, two results, name: labels if the E bit is set, else ASCII (RFC 4702 2).
                81 => {
                    let [flags, _, _] = v.array("client FQDN")?;
                    if flags & 4 == 0 {
                        event.client_fqdn = Text::Bytes(v.rest());
                    } else {
                        encoded = Some(v.rest());
                    }
                }
                252 => event.proxy_config = Text::Bytes(until_nul(value)),
                _ => {}
            }
        }
        if let Some(name) = encoded.filter(|name| !name.is_empty()) {
            // A name without its root label is a partial one.
            let mut whole = [0; 256];
            if let Some(room) = whole.get_mut(..name.len()) {
                room.copy_from_slice(name);
            }
            push_name(&whole, 0, text)?;
            event.client_fqdn = Text::Str(text);
        }
        event.routers = self.routers.get();
        event.dns_servers = self.dns_servers.get();
        Ok(event)
    }
}

fn some(addr: [u8; 4]) -> Option<Addr> {
    (addr != [0; 4]).then(|| Addr::v4(addr))
}

/// Windows ends text with a NUL, which does not belong to it.
fn until_nul(value: &[u8]) -> &[u8] {
    let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
    value.get(..end).unwrap_or_default()
}

fn addresses(mut value: Reader<'_>, list: &mut List) {
    while let Ok(addr) = value.array("address") {
        list.push(Addr::v4(addr));
    }
}
