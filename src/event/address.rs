//! Who has which address: ARP, router advertisements, DHCP.

use super::schema::declare_event;
use crate::net::{Addr, Mac};
use crate::wire::Text;

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
            Some(name) => super::Value::Text(Text::Str(name)),
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

declare_event! {
    /// A DHCPv4 message (RFC 2131) with the options that matter (RFC 2132).
    #[derive(Clone, Copy, Debug)]
    "dhcp" "message"
    pub struct Dhcp<'a> {
        /// discover, offer, request, decline, ack, nak, release, inform, bootp, or unknown-N.
        pub message: DhcpMessage => "dhcp_type" Suricata,
        /// Ethernet address of the client (chaddr).
        pub client_mac: Mac => "client_mac" Suricata,
        /// Address the client has (ciaddr).
        pub client_ip: Option<Addr> => "client_ip" Suricata,
        /// Address the client gets (yiaddr).
        pub assigned_ip: Option<Addr> => "assigned_ip" Suricata,
        /// Next server (siaddr).
        pub next_server_ip: Option<Addr> => "next_server_ip" Suricata,
        /// Relay agent (giaddr).
        pub relay_ip: Option<Addr> => "relay_ip" Suricata,
        /// Address the client asks for (option 50).
        pub requested_ip: Option<Addr> => "requested_ip" Suricata,
        /// Name of the client (option 12).
        pub hostname: Text<'a> => "hostname" Suricata,
        /// Seconds of the lease (option 51).
        pub lease_time: Option<u32> => "lease_time" Suricata,
        /// Routers (option 3).
        pub routers: &'a [Addr] => "routers" Suricata,
        /// Resolvers (option 6).
        pub dns_servers: &'a [Addr] => "dns_servers" Suricata,
        /// What the client says it is (option 60).
        pub vendor_class: Text<'a> => "vendor_class_identifier" Suricata,
        /// Server that speaks, or is chosen (option 54).
        pub server_id: Option<Addr> => "server_id" Ours,
        /// Name of the client in DNS (option 81).
        pub client_fqdn: Text<'a> => "client_fqdn" Ours,
        /// Domain of the network (option 15).
        pub domain: Text<'a> => "domain" Ours,
        /// Proxy configuration, WPAD (option 252).
        pub proxy_config: Text<'a> => "proxy_config" Ours,
        /// Source address of the frame.
        pub frame_mac: Mac => "frame_mac" Ours,
        ;
        /// Sent by a client: op is BOOTREQUEST.
        pub request: bool,
        /// Id of the transaction.
        pub xid: u32,
        /// Client identifier (option 61), its type in front.
        pub client_id: &'a [u8],
        /// Seconds until renewal (option 58).
        pub renewal_time: Option<u32>,
        /// Seconds until rebinding (option 59).
        pub rebinding_time: Option<u32>,
        /// Subnet mask (option 1).
        pub subnet_mask: Option<Addr>,
        /// Options the client asks for (option 55).
        pub params: &'a [u8],
    }
}

crate::wire_code! {
    /// Type of a DHCPv4 message (RFC 2132 9.6).
    pub struct DhcpMessage(u8) {
        /// No type: BOOTP.
        BOOTP = 0 => "bootp",
        /// Is there a server?
        DISCOVER = 1 => "discover",
        /// A server offers.
        OFFER = 2 => "offer",
        /// The client chooses or renews.
        REQUEST = 3 => "request",
        /// The address is taken.
        DECLINE = 4 => "decline",
        /// The server agrees.
        ACK = 5 => "ack",
        /// It does not.
        NAK = 6 => "nak",
        /// The client gives the address back.
        RELEASE = 7 => "release",
        /// The client has an address and wants the rest.
        INFORM = 8 => "inform",
    }
}

impl super::schema::AsValue for DhcpMessage {
    const KIND: super::ValueKind = super::ValueKind::Text;
    fn as_value(&self) -> super::Value<'_> {
        match self.name() {
            Some(name) => super::Value::Text(Text::Str(name)),
            None => super::Value::Number(self.0.into()),
        }
    }
}

declare_event! {
    /// A DHCPv6 message (RFC 8415); of a relayed one, the innermost.
    #[derive(Clone, Copy, Debug)]
    "dhcpv6" "message"
    pub struct Dhcpv6<'a> {
        /// solicit, advertise, request ..., or empty if not known.
        pub message: &'a str => "message" Ours,
        /// Id of the transaction.
        pub xid: u32 => "xid" Ours,
        /// Identifier of the client (option 1), hexadecimal; type 1 LLT, 2 EN, 3 LL, 4 UUID.
        pub client_duid: &'a [u8] => "client_duid" Ours,
        /// Identifier of the server (option 2), hexadecimal.
        pub server_duid: &'a [u8] => "server_duid" Ours,
        /// Addresses given or asked for (option 5 in 3 and 4).
        pub addresses: &'a [Addr] => "addresses" Ours,
        /// Seconds until renewal, T1 (option 3).
        pub t1: Option<u32> => "t1" Ours,
        /// Seconds until rebinding, T2 (option 3).
        pub t2: Option<u32> => "t2" Ours,
        /// Seconds the first address is preferred.
        pub preferred: Option<u32> => "preferred" Ours,
        /// Seconds it is valid.
        pub valid: Option<u32> => "valid" Ours,
        /// Resolvers (option 23).
        pub dns_servers: &'a [Addr] => "dns_servers" Ours,
        /// Domains to search (option 24), with commas between them.
        pub domains: &'a str => "domains" Ours,
        /// Name of the client in DNS (option 39).
        pub client_fqdn: &'a str => "client_fqdn" Ours,
        /// Status (option 13), 0 is success.
        pub status: Option<u16> => "status" Ours,
        /// It came through a relay agent.
        pub relayed: bool => "relayed" Ours,
        /// Source address of the frame.
        pub frame_mac: Mac => "frame_mac" Ours,
        ;
        /// Message type.
        pub kind: u8,
    }
}
