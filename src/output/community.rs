//! Community ID version 1, seed 0: the same flow has the same id in Zeek, Suricata and here.

use sha1::{Digest, Sha1};

use crate::event::FlowMeta;
use crate::net::{Addr, Endpoint, Transport};

/// `1:` and the base64 of 20 bytes.
const LEN: usize = 2 + 28;

/// A Community ID, ready to be written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct CommunityId([u8; LEN]);

impl CommunityId {
    /// The id of a flow, whichever end is the client.
    ///
    /// ```text
    /// "1:" base64(sha1(seed u16 | lower address | higher address | proto u8 | 0 u8 | port u16 | port u16))
    /// ```
    /// Numbers are in network order, the lower endpoint first by address, then port. IPv4
    /// addresses count with four bytes.
    pub(super) fn new(flow: &FlowMeta) -> Self {
        let (low, high) = if before(flow.client, flow.server) {
            (flow.client, flow.server)
        } else {
            (flow.server, flow.client)
        };
        let mut hash = Sha1::new();
        hash.update([0, 0]);
        update(&mut hash, low.addr);
        update(&mut hash, high.addr);
        hash.update([Transport::number(flow.transport), 0]);
        hash.update(low.port.to_be_bytes());
        hash.update(high.port.to_be_bytes());

        let mut text = *b"1:0000000000000000000000000000";
        if let Some(room) = text.get_mut(2..) {
            data_encoding::BASE64.encode_mut(hash.finalize().as_slice(), room);
        }
        Self(text)
    }

    /// As written.
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn before(a: Endpoint, b: Endpoint) -> bool {
    // Both ends of a flow are of one family, so the mapped form orders like the short one.
    (a.addr.0, a.port) <= (b.addr.0, b.port)
}

fn update(hash: &mut Sha1, addr: Addr) {
    match addr.ip() {
        std::net::IpAddr::V4(v4) => hash.update(v4.octets()),
        std::net::IpAddr::V6(v6) => hash.update(v6.octets()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(client: &str, cport: u16, server: &str, sport: u16, transport: Transport) -> String {
        let end = |ip: &str, port| {
            Endpoint::new(Addr::from(ip.parse::<std::net::IpAddr>().unwrap()), port)
        };
        let flow = FlowMeta {
            client: end(client, cport),
            server: end(server, sport),
            transport,
            ..FlowMeta::default()
        };
        CommunityId::new(&flow).as_str().to_owned()
    }

    /// Zeek's own vectors (`testing/btest`, `community_id_v1`), and one IPv6 vector computed from
    /// the specification's text with Python's hashlib.
    #[test]
    fn agrees_with_published_vectors() {
        use Transport::{Tcp, Udp};
        let tcp = "1:wCb3OG7yAFWelaUydu0D+125CLM=";
        assert_eq!(id("1.2.3.4", 1122, "5.6.7.8", 3344, Tcp), tcp);
        assert_eq!(id("5.6.7.8", 3344, "1.2.3.4", 1122, Tcp), tcp);
        let udp = "1:0Mu9InQx6z4ZiCZM/7HXi2WMhOg=";
        assert_eq!(id("1.2.3.4", 1122, "5.6.7.8", 3344, Udp), udp);
        assert_eq!(
            id("128.232.110.120", 34855, "66.35.250.204", 80, Tcp),
            "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
        );
        assert_eq!(
            id(
                "2001:470:e5bf:dead:4957:2174:e82c:4887",
                63943,
                "2607:f8b0:400c:c03::1a",
                25,
                Tcp
            ),
            "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="
        );
    }
}
