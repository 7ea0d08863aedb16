//! Bodies that are about addresses: Suricata's `arp`, `dhcp` and `tunnel`, our `dhcp_option` and `router_advert`.

use serde::Serialize;

use super::eve::Show;
use crate::event::{Arp, ArpOperation, Dhcp, DhcpMessage, OurFields, Prefix, RouterAdvert};
use crate::net::{Addr, Endpoint, Mac, Outer};
use crate::wire::Text;

/// An Ethernet address, if it is one.
pub(super) fn some_mac(mac: Mac) -> Option<Show<Mac>> {
    (!mac.is_zero()).then_some(Show(mac))
}

/// Suricata's `arp`.
#[derive(Serialize)]
pub(super) struct ArpBody {
    hw_type: &'static str,
    proto_type: &'static str,
    opcode: Show<ArpOperation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_mac: Option<Show<Mac>>,
    src_ip: Show<Addr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dest_mac: Option<Show<Mac>>,
    dest_ip: Show<Addr>,
}

pub(super) fn arp(e: &Arp) -> ArpBody {
    ArpBody {
        hw_type: "ethernet",
        proto_type: "ipv4",
        opcode: Show(e.operation),
        src_mac: some_mac(e.src_mac),
        src_ip: Show(e.src_ip),
        dest_mac: some_mac(e.dest_mac),
        dest_ip: Show(e.dest_ip),
    }
}

/// Suricata's `dhcp`.
#[derive(Serialize)]
pub(super) struct DhcpBody<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_mac: Option<Show<Mac>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assigned_ip: Option<Show<Addr>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_ip: Option<Show<Addr>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relay_ip: Option<Show<Addr>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_server_ip: Option<Show<Addr>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dhcp_type: Option<Show<DhcpMessage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<Show<Octets<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<Show<Text<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_ip: Option<Show<Addr>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_time: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    renewal_time: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rebinding_time: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subnet_mask: Option<Show<Addr>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routers: Vec<Show<Addr>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dns_servers: Vec<Show<Addr>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor_class_identifier: Option<Show<Text<'a>>>,
}

/// Bytes with colons between them.
struct Octets<'a>(&'a [u8]);

impl std::fmt::Display for Octets<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().enumerate().try_for_each(|(at, byte)| {
            let colon = if at == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02x}")
        })
    }
}

pub(super) fn dhcp<'a>(e: &Dhcp<'a>) -> DhcpBody<'a> {
    let some = |text: Text<'a>| (!text.is_empty()).then_some(Show(text));
    let list = |all: &[Addr]| all.iter().map(|a| Show(*a)).collect();
    DhcpBody {
        kind: if e.request { "request" } else { "reply" },
        id: e.xid,
        client_mac: some_mac(e.client_mac),
        assigned_ip: e.assigned_ip.map(Show),
        client_ip: e.client_ip.map(Show),
        relay_ip: e.relay_ip.map(Show),
        next_server_ip: e.next_server_ip.map(Show),
        dhcp_type: (e.message != DhcpMessage::BOOTP).then_some(Show(e.message)),
        // Suricata leaves the type in front out.
        client_id: e
            .client_id
            .get(1..)
            .filter(|id| !id.is_empty())
            .map(|id| Show(Octets(id))),
        hostname: some(e.hostname),
        requested_ip: e.requested_ip.map(Show),
        lease_time: e.lease_time,
        renewal_time: e.renewal_time,
        rebinding_time: e.rebinding_time,
        subnet_mask: e.subnet_mask.map(Show),
        routers: list(e.routers),
        dns_servers: list(e.dns_servers),
        vendor_class_identifier: some(e.vendor_class),
    }
}

/// Our `dhcp_option`, joined with `dhcp` by the id.
#[derive(Serialize)]
pub(super) struct DhcpOptionBody<'a> {
    id: u32,
    #[serde(flatten)]
    fields: OurFields<'a>,
}

impl<'a> DhcpOptionBody<'a> {
    pub(super) fn new(e: &'a Dhcp<'a>) -> Self {
        Self {
            id: e.xid,
            fields: OurFields(e),
        }
    }
}

/// Suricata's `tunnel`: the outermost packet.
#[derive(Serialize)]
pub(super) struct Tunnel {
    src_ip: Show<Addr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_port: Option<u16>,
    dest_ip: Show<Addr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dest_port: Option<u16>,
    proto: &'static str,
    depth: u8,
}

impl Tunnel {
    pub(super) fn new(outer: &Outer) -> Self {
        let port = |end: Endpoint| (end.port != 0).then_some(end.port);
        Self {
            src_ip: Show(outer.src.addr),
            src_port: port(outer.src),
            dest_ip: Show(outer.dst.addr),
            dest_port: port(outer.dst),
            // Names of the IANA registry, as Suricata has them.
            proto: match outer.protocol {
                4 => "IPv4",
                17 => "UDP",
                41 => "IPv6",
                47 => "GRE",
                137 => "MPLS-in-IP",
                _ => "unknown",
            },
            depth: outer.depth,
        }
    }
}

/// Our `router_advert`.
#[derive(Serialize)]
pub(super) struct RouterAdvertBody<'a> {
    #[serde(flatten)]
    fields: OurFields<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    prefixes: Vec<PrefixBody>,
}

#[derive(Serialize)]
struct PrefixBody {
    prefix: String,
    autonomous: bool,
    valid: u32,
    preferred: u32,
}

impl<'a> RouterAdvertBody<'a> {
    pub(super) fn new(e: &'a RouterAdvert<'a>) -> Self {
        let body = |p: &Prefix| PrefixBody {
            prefix: format!("{}/{}", p.addr, p.bits),
            autonomous: p.autonomous,
            valid: p.valid,
            preferred: p.preferred,
        };
        Self {
            fields: OurFields(e),
            prefixes: e.prefixes.iter().map(body).collect(),
        }
    }
}
