//! Bodies that are about addresses: Suricata's `arp` and `tunnel`, and `router_advert`.

use serde::Serialize;

use super::eve::Show;
use crate::event::{Arp, ArpOperation, OurFields, Prefix, RouterAdvert};
use crate::net::{Addr, Endpoint, Mac, Outer};

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
