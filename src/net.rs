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

/// A network: an address and how many of its bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    addr: Addr,
    /// Of the 128 of [`Addr`]'s form.
    bits: u8,
}

impl Net {
    /// True if `addr` is in it. A network of IPv6 has no IPv4 address, however short its prefix.
    #[must_use]
    pub fn contains(&self, addr: Addr) -> bool {
        if self.addr.is_v4() != addr.is_v4() {
            return false;
        }
        let (mine, other) = (
            u128::from_be_bytes(self.addr.0),
            u128::from_be_bytes(addr.0),
        );
        let mask = u128::MAX.checked_shl(u32::from(128_u8.saturating_sub(self.bits)));
        (mine ^ other) & mask.unwrap_or(0) == 0
    }
}

/// `10.0.0.0/8`, or a single address.
impl std::str::FromStr for Net {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (addr, bits) = match text.split_once('/') {
            Some((addr, bits)) => (addr, Some(bits)),
            None => (text, None),
        };
        let ip: IpAddr = addr.parse().map_err(|_| "not an address")?;
        let most: u8 = if ip.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().map_err(|_| "the prefix length is no number")?,
            None => most,
        };
        if bits > most {
            return Err("the prefix length does not fit the address");
        }
        Ok(Self {
            addr: Addr::from(ip),
            bits: bits.saturating_add(128_u8.saturating_sub(most)),
        })
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = if self.addr.is_v4() {
            self.bits.saturating_sub(96)
        } else {
            self.bits
        };
        write!(f, "{}/{bits}", self.addr)
    }
}

/// Networks of the organisation. None given: the private ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HomeNets(Vec<Net>);

impl HomeNets {
    /// The networks given.
    #[must_use]
    pub fn new(nets: Vec<Net>) -> Self {
        Self(nets)
    }

    /// True if `addr` is in one of them; without any, if it is private (RFC 1918, RFC 4193), link-local,
    /// or loopback.
    #[must_use]
    pub fn contains(&self, addr: Addr) -> bool {
        if !self.0.is_empty() {
            return self.0.iter().any(|net| net.contains(addr));
        }
        match addr.ip() {
            IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || v4.is_loopback(),
            IpAddr::V6(v6) => {
                v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback()
            }
        }
    }
}

impl fmt::Display for HomeNets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("private networks");
        }
        let all: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&all.join(", "))
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

    #[test]
    fn home_is_what_was_given_or_else_private() {
        let net = |t: &str| t.parse::<Net>();
        let given = HomeNets::new(vec![
            net("192.0.2.0/25").unwrap(),
            net("2001:db8::/32").unwrap(),
        ]);
        let ip = |t: &str| Addr::from(t.parse::<IpAddr>().unwrap());
        assert!(given.contains(ip("192.0.2.127")) && given.contains(ip("2001:db8:1::1")));
        assert!(!given.contains(ip("192.0.2.128")) && !given.contains(ip("10.0.0.1")));
        assert!(!given.contains(ip("2001:db9::1")));
        assert_eq!(given.to_string(), "192.0.2.0/25, 2001:db8::/32");
        let none = HomeNets::default();
        assert!(none.contains(ip("172.31.0.1")) && none.contains(ip("fd10::20")));
        assert!(!none.contains(ip("172.32.0.1")) && !none.contains(ip("2001:db8::1")));
        assert!(net("0.0.0.0/0").unwrap().contains(ip("203.0.113.9")));
        assert!(!net("0.0.0.0/0").unwrap().contains(ip("2001:db8::1")));
        for wrong in ["10.0.0.0/33", "10.0.0/8", "x", "10.0.0.0/-1", "::/129"] {
            assert!(net(wrong).is_err(), "{wrong}");
        }
    }
}
