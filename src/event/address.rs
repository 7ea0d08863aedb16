//! Who has which address: ARP and router advertisements.

use super::schema::declare_event;
use crate::net::{Addr, Mac};

declare_event! {
    /// An ARP message (RFC 826).
    #[derive(Clone, Copy, Debug)]
    "arp" "message"
    pub struct Arp {
        /// request, reply, or unknown-N.
        pub operation: ArpOperation => "opcode" Suricata,
        /// Ethernet address the sender claims.
        pub src_mac: Mac => "src_mac" Suricata,
        /// IPv4 address the sender claims.
        pub src_ip: Addr => "src_ip" Suricata,
        /// Ethernet address of the target, zero in a request.
        pub dest_mac: Mac => "dest_mac" Suricata,
        /// IPv4 address that is asked for, or answered.
        pub dest_ip: Addr => "dest_ip" Suricata,
        /// Source address of the frame; another than src_mac is no honest host's.
        pub frame_mac: Mac => "frame_mac" Rule,
    }
}

crate::wire_code! {
    /// What an ARP message asks or says (RFC 826, IANA ARP parameters).
    pub struct ArpOperation(u16) {
        /// Who has the target's address?
        REQUEST = 1 => "request",
        /// The sender has its address.
        REPLY = 2 => "reply",
    }
}

impl super::schema::AsValue for ArpOperation {
    const KIND: super::ValueKind = super::ValueKind::Text;
    fn as_value(&self) -> super::Value<'_> {
        match self.name() {
            Some(name) => super::Value::Text(crate::wire::Text::Str(name)),
            None => super::Value::Number(self.0.into()),
        }
    }
}

/// A prefix of a router advertisement (RFC 4861 4.6.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prefix {
    /// The prefix.
    pub addr: Addr,
    /// Its bits.
    pub bits: u8,
    /// Hosts make addresses of it (A flag).
    pub autonomous: bool,
    /// Seconds it is valid.
    pub valid: u32,
    /// Seconds its addresses are preferred.
    pub preferred: u32,
}

declare_event! {
    /// An IPv6 router advertisement (RFC 4861 4.2) with its RDNSS option (RFC 8106 5.1).
    #[derive(Clone, Copy, Debug)]
    "ndp" "router_advert"
    pub struct RouterAdvert<'a> {
        /// Hosts are to ask DHCPv6 for addresses (M flag).
        pub managed: bool => "managed" Ours,
        /// Hosts are to ask DHCPv6 for the rest (O flag).
        pub other: bool => "other_config" Ours,
        /// high, medium or low (RFC 4191 2.2).
        pub preference: &'a str => "preference" Ours,
        /// Seconds it is a default router, 0 if it is none.
        pub router_lifetime: u16 => "router_lifetime" Ours,
        /// Source link-layer address option.
        pub router_mac: Mac => "router_mac" Ours,
        /// Source address of the frame.
        pub frame_mac: Mac => "frame_mac" Ours,
        /// Resolvers it tells hosts to use.
        pub dns_servers: &'a [Addr] => "dns_servers" Ours,
        /// Seconds those are valid.
        pub dns_lifetime: Option<u32> => "dns_lifetime" Ours,
        /// Largest packet, of the MTU option.
        pub mtu: Option<u32> => "mtu" Ours,
        ;
        /// Prefixes.
        pub prefixes: &'a [Prefix],
    }
}
