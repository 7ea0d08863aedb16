//! What comes before a relay, in the owned form that the correlator takes.

use crate::net::{Addr, Mac};
use crate::wire::Guid;

/// A small sign of something that may become an attack. Who says it to whom is in the sighting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trace {
    /// A name that carries a marshalled target.
    Marshalled {
        /// Where: `dns`, `dns-update`, `ldap`, `smb` or `kerberos`.
        carrier: &'static str,
        /// The name, as sent.
        name: String,
        /// What it resolves to, of an answer.
        answer: Option<Addr>,
    },
    /// A host is asked for by LLMNR, NBT-NS or mDNS.
    Asked {
        /// `llmnr`, `nbns` or `mdns`.
        protocol: &'static str,
        /// First label, lower case.
        name: String,
    },
    /// Somebody says it has the name.
    Answered {
        /// `llmnr`, `nbns` or `mdns`.
        protocol: &'static str,
        /// First label, lower case.
        name: String,
        /// Address in the answer.
        addr: Addr,
    },
    /// A host registers, or probes for, a name of its own.
    Registered {
        /// First label, lower case.
        name: String,
    },
    /// A DNS server that is no usual one: its answer carries a tool's constants.
    RogueSoa,
    /// TKEY with a GSS token.
    Tkey {
        /// It is the answer.
        response: bool,
        /// Result of an answer.
        rcode: u8,
    },
    /// A DHCPv4 server speaks.
    Dhcp(DhcpTrace),
    /// A DHCPv6 server speaks.
    Dhcpv6 {
        /// Its own address is among the resolvers it gives.
        dns_is_self: bool,
        /// T1 and T2 are those of a tool.
        constants: bool,
        /// Source address of the frame.
        mac: Mac,
    },
    /// A router advertisement.
    Router {
        /// Seconds it is a router.
        lifetime: u16,
        /// M and O flags: hosts are to ask DHCPv6.
        managed: bool,
        /// It gives resolvers.
        dns: bool,
    },
    /// An interface is bound.
    Bind {
        /// Interface.
        interface: Guid,
        /// Named pipe, empty over TCP.
        pipe: String,
    },
    /// The endpoint mapper is asked for an interface.
    Mapped(Guid),
    /// Every endpoint is asked for.
    Lookup,
    /// Interfaces are asked for by C706's management interface.
    Management,
    /// `ServerAlive` or `ServerAlive2`.
    Alive,
    /// A request of Windows' WebDAV client.
    WebDav {
        /// Host header.
        host: String,
    },
    /// `wpad.dat` is fetched.
    Wpad,
    /// The server shows a constant of a tool.
    Tool {
        /// The tool.
        tool: String,
        /// The field that shows it.
        field: String,
    },
}

/// What a DHCPv4 server said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DhcpTrace {
    /// Transaction.
    pub xid: u32,
    /// Client.
    pub client: Mac,
    /// Server identifier, or who sent it.
    pub server: Option<Addr>,
    /// Address the client gets.
    pub assigned: Option<Addr>,
    /// It refuses.
    pub nak: bool,
    /// It makes itself the resolver, or the source of proxy settings.
    pub points_to_itself: bool,
    /// The first resolvers it gives, at most three.
    pub resolvers: Vec<Addr>,
    /// It has option 252.
    pub proxy: bool,
}
