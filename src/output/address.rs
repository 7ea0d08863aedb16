//! Bodies of the events that say who has which address: Suricata's `arp`, and `router_advert`.

use serde::Serialize;

use super::eve::Show;
use crate::event::{Arp, ArpOperation, OurFields, Prefix, RouterAdvert};
use crate::net::{Addr, Mac};

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
