//! Who talks to whom: addresses, endpoints, flow keys, directions.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 or IPv6 address in 16 bytes; IPv4 is stored as `::ffff:a.b.c.d`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Addr(pub [u8; 16]);

impl Addr {
    /// From four bytes.
    #[must_use]
    pub fn v4(b: [u8; 4]) -> Self {
        let [a, b, c, d] = b;
        Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d])
    }

    /// The standard library's form; mapped addresses become IPv4.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        Ipv6Addr::from(self.0).to_canonical()
    }

    /// True for IPv4.
    #[must_use]
    pub fn is_v4(self) -> bool {
        matches!(self.0, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ..])
    }

    /// True for 127.0.0.0/8 and ::1.
    #[must_use]
    pub fn is_loopback(self) -> bool {
        self.ip().is_loopback()
    }
}

impl From<IpAddr> for Addr {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(v4) => Self::v4(Ipv4Addr::octets(&v4)),
            IpAddr::V6(v6) => Self(v6.octets()),
        }
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ip())
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// An address and a port.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Endpoint {
    /// Address.
    pub addr: Addr,
    /// TCP or UDP port.
    pub port: u16,
}

impl Endpoint {
    /// An endpoint.
    #[must_use]
    pub fn new(addr: Addr, port: u16) -> Self {
        Self { addr, port }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.addr.is_v4() {
            write!(f, "{}:{}", self.addr, self.port)
        } else {
            write!(f, "[{}]:{}", self.addr, self.port)
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// IP protocol numbers the sensor follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Transport {
    /// TCP, protocol 6.
    #[default]
    Tcp,
    /// UDP, protocol 17.
    Udp,
    /// ICMPv6, protocol 58; it has no ports. Only router advertisements are followed.
    Icmp6,
    /// ARP, which is beside IP; it has no ports.
    Arp,
}

impl Transport {
    /// Suricata's `proto` value.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Icmp6 => "IPv6-ICMP",
            Self::Arp => "ARP",
        }
    }

    /// True if its endpoints have ports.
    #[must_use]
    pub fn has_ports(self) -> bool {
        matches!(self, Self::Tcp | Self::Udp)
    }

    /// IP protocol number; of ARP, which has none, 255 (reserved, RFC 5237).
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Icmp6 => 58,
            Self::Arp => 255,
        }
    }
}

/// The outermost packet that carried another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outer {
    /// Who sent it; port 0 if it has none.
    pub src: Endpoint,
    /// Whom it was sent to.
    pub dst: Endpoint,
    /// IP protocol number of the tunnel, 17 for those over UDP.
    pub protocol: u8,
    /// Packets around the innermost.
    pub depth: u8,
}

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// True if it is not known, or nobody's.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == [0; 6]
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// One of the two ends of a flow, by the order of endpoints in its [`FlowKey`].
/// Says nothing about who is client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The lower endpoint.
    A,
    /// The higher endpoint.
    B,
}

impl Side {
    /// The other end.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// A conversation, the same whichever end sent the packet: `a <= b`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct FlowKey {
    /// The lower endpoint.
    pub a: Endpoint,
    /// The higher endpoint.
    pub b: Endpoint,
    /// TCP or UDP.
    pub transport: Transport,
    /// VLAN id, 0 unless the configuration puts VLANs into the key.
    pub vlan: u16,
}

impl FlowKey {
    /// The key of a packet from `src` to `dst`, and which side sent it.
    #[must_use]
    pub fn new(src: Endpoint, dst: Endpoint, transport: Transport) -> (Self, Side) {
        let (a, b, side) = if src <= dst {
            (src, dst, Side::A)
        } else {
            (dst, src, Side::B)
        };
        let key = Self {
            a,
            b,
            transport,
            vlan: 0,
        };
        (key, side)
    }

    /// The endpoint on `side`.
    #[must_use]
    pub fn end(&self, side: Side) -> Endpoint {
        match side {
            Side::A => self.a,
            Side::B => self.b,
        }
    }
}

/// Which way bytes go once it is known who is client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client.
    ToServer,
    /// From the server.
    ToClient,
}

impl Direction {
    /// The other way.
    #[must_use]
    pub fn reverse(self) -> Self {
        match self {
            Self::ToServer => Self::ToClient,
            Self::ToClient => Self::ToServer,
        }
    }

    /// 0 to the server, 1 to the client: for arrays of two.
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::ToServer => 0,
            Self::ToClient => 1,
        }
    }

    /// Suricata's `direction` value.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ToServer => "to_server",
            Self::ToClient => "to_client",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_the_same_both_ways() {
        let c = Endpoint::new(Addr::v4([10, 0, 0, 9]), 50000);
        let s = Endpoint::new(Addr::v4([10, 0, 0, 2]), 445);
        let (there, from_c) = FlowKey::new(c, s, Transport::Tcp);
        let (back, from_s) = FlowKey::new(s, c, Transport::Tcp);
        assert_eq!(there, back);
        assert_eq!(from_c, from_s.other());
        assert_eq!(there.end(from_c), c);
        assert_eq!(s.to_string(), "10.0.0.2:445");
    }
}
