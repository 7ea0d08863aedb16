//! Messages by their bytes, and what must never happen.

use proptest::prelude::*;

use super::*;
use crate::event::DhcpMessage;
use crate::net::{Endpoint, Mac, Transport};
use crate::packet::Datagram;
use crate::proto::Session;
use crate::proto::testing::Recorder;

/// A DHCPv4 message with these options.
fn v4(op: u8, options: &[u8]) -> Vec<u8> {
    let mut m = vec![op, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, 0x80, 0];
    m.extend([0; 4]); // ciaddr
    m.extend([192, 0, 2, 100]); // yiaddr
    m.extend([192, 0, 2, 66]); // siaddr
    m.extend([0; 4]); // giaddr
    m.extend([2, 0, 0, 0, 0, 9]); // chaddr
    m.resize(236, 0);
    m.extend([99, 130, 83, 99]);
    m.extend(options);
    m
}

#[rustfmt::skip]
const OFFER: &[u8] = &[
    53, 1, 2, // offer
    54, 4, 192, 0, 2, 66, // server
    51, 4, 0, 0, 0, 10, 58, 4, 0, 0, 0, 5, 59, 4, 0, 0, 0, 8, // lease, renewal, rebinding
    0, 0, // pads
    1, 4, 255, 255, 255, 0, 3, 4, 192, 0, 2, 1, 6, 8, 192, 0, 2, 66, 192, 0, 2, 67,
    15, 4, b'l', b'a', b'b', 0, // with the NUL of Windows
    252, 6, b'h', b't', b't', b'p', b':', b'/',
    255, 9, 9, 9, // what is behind the end counts for nothing
];

#[test]
fn an_offer_with_a_proxy() {
    let (mut lists, mut text) = (v4::Lists::default(), String::new());
    let bytes = v4(2, OFFER);
    let m = lists
        .read(&bytes, Mac([2, 0, 0, 0, 0, 0x66]), &mut text)
        .unwrap();
    assert_eq!(
        (m.message, m.request, m.xid),
        (DhcpMessage::OFFER, false, 0x1234_5678)
    );
    assert_eq!(m.client_mac.to_string(), "02:00:00:00:00:09");
    assert_eq!((m.client_ip, m.relay_ip), (None, None));
    assert_eq!(m.assigned_ip, Some(Addr::v4([192, 0, 2, 100])));
    assert_eq!(m.server_id, Some(Addr::v4([192, 0, 2, 66])));
    let times = (m.lease_time, m.renewal_time, m.rebinding_time);
    assert_eq!(times, (Some(10), Some(5), Some(8)));
    assert_eq!(m.dns_servers.len(), 2);
    assert_eq!(m.routers, [Addr::v4([192, 0, 2, 1])]);
    assert_eq!(m.domain.to_string(), "lab");
    assert_eq!(m.proxy_config.to_string(), "http:/");
    assert_eq!(m.frame_mac.to_string(), "02:00:00:00:00:66");
}

#[test]
fn a_request_and_both_spellings_of_the_clients_name() {
    #[rustfmt::skip]
    let options = [
        53, 1, 3, 50, 4, 192, 0, 2, 100, 61, 7, 1, 2, 0, 0, 0, 0, 9,
        12, 4, b'w', b's', b'0', b'1', 55, 3, 1, 3, 252, 60, 4, b'M', b'S', b'F', b'T',
        81, 11, 4, 0, 0, 4, b'w', b's', b'0', b'1', 2, b'a', b'd', // labels, without a root
    ];
    let (mut lists, mut text) = (v4::Lists::default(), String::new());
    let bytes = v4(1, &options);
    let m = lists.read(&bytes, Mac::default(), &mut text).unwrap();
    assert!(m.request);
    assert_eq!(m.requested_ip, Some(Addr::v4([192, 0, 2, 100])));
    assert_eq!(m.client_id, [1, 2, 0, 0, 0, 0, 9]);
    assert_eq!(
        (m.hostname.to_string(), m.vendor_class.to_string()),
        ("ws01".into(), "MSFT".into())
    );
    assert_eq!(
        (m.client_fqdn.to_string(), m.params),
        ("ws01.ad".into(), &[1, 3, 252][..])
    );

    let (mut lists, mut text) = (v4::Lists::default(), String::new());
    let bytes = v4(1, &[81, 7, 0, 0, 0, b'w', b's', b'0', b'1']);
    let m = lists.read(&bytes, Mac::default(), &mut text).unwrap();
    assert_eq!(
        (m.message, m.client_fqdn.to_string()),
        (DhcpMessage::BOOTP, "ws01".into())
    );
}

/// What mitm6 says: ADVERTISE with DUID-LL, T1 200, T2 250, preferred and valid 300, itself as resolver.
#[rustfmt::skip]
const ADVERTISE: &[u8] = &[
    2, 0, 0x12, 0x34, // advertise, xid
    0, 1, 0, 10, 0, 3, 0, 1, 2, 0, 0, 0, 0, 9, // client DUID-LL
    0, 2, 0, 10, 0, 3, 0, 1, 2, 0, 0, 0, 0, 0x66, // server DUID-LL
    0, 23, 0, 16, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x66,
    0, 24, 0, 13, 3, b'l', b'a', b'b', 0, 2, b'a', b'd', 3, b'l', b'a', b'n', 0, // two domains
    0, 3, 0, 40, 0, 0, 0, 1, 0, 0, 0, 200, 0, 0, 0, 250, // IA_NA
    0, 5, 0, 24, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 44, 0, 0, 1, 44,
    0, 39, 0, 6, 0, 4, b'w', b's', b'0', b'1',
];

fn read_v6(bytes: &[u8], check: impl FnOnce(crate::event::Dhcpv6<'_>)) -> crate::wire::Result<()> {
    let (mut parts, mut text) = (v6::Parts::default(), String::new());
    parts.read(bytes, &mut text)?;
    check(parts.event(Mac::default(), &text));
    Ok(())
}

#[test]
fn an_advertisement_plain_and_relayed() {
    let check = |relayed: bool| {
        move |m: crate::event::Dhcpv6<'_>| {
            assert_eq!(
                (m.message, m.xid, m.relayed),
                ("advertise", 0x1234, relayed)
            );
            assert_eq!(m.client_duid, [0, 3, 0, 1, 2, 0, 0, 0, 0, 9]);
            assert_eq!(m.server_duid, [0, 3, 0, 1, 2, 0, 0, 0, 0, 0x66]);
            assert_eq!(m.dns_servers[0].to_string(), "fe80::66");
            assert_eq!(m.addresses[0].to_string(), "fe80::101");
            assert_eq!((m.t1, m.t2), (Some(200), Some(250)));
            assert_eq!((m.preferred, m.valid), (Some(300), Some(300)));
            assert_eq!((m.domains, m.client_fqdn), ("lab,ad.lan", "ws01"));
        }
    };
    read_v6(ADVERTISE, check(false)).unwrap();
    let mut message = ADVERTISE.to_vec();
    for depth in 1..=9 {
        let mut outer = vec![13, depth];
        outer.extend([0; 32]);
        outer.extend([0, 18, 0, 1, b'x']); // interface id
        outer.extend([0, 9]);
        outer.extend(u16::try_from(message.len()).unwrap().to_be_bytes());
        outer.extend(&message);
        message = outer;
        let read = read_v6(&message, check(true));
        assert_eq!(
            read.is_ok(),
            usize::from(depth) <= DHCP_RELAYS_FOR_TEST,
            "{depth}"
        );
    }
}

const DHCP_RELAYS_FOR_TEST: usize = crate::limits::DHCP_RELAYS;

/// A datagram as a conversation shows it.
fn datagram(from: u16, to: u16, bytes: &[u8]) -> (Recorder, &'static str) {
    let addr = |last| Addr::v4([10, 0, 0, last]);
    let (from, to) = (Endpoint::new(addr(9), from), Endpoint::new(addr(2), to));
    let (key, side) = FlowKey::new(from, to, Transport::Udp);
    let (mut session, mut shared) = (Session::default(), Shared::default());
    let mut out = Recorder::default();
    let datagram = Datagram {
        bytes,
        ..Datagram::default()
    };
    session.datagram(side, side, &key, datagram, &mut shared, &mut out);
    (out, session.app_proto())
}

#[test]
fn ports_and_content_say_which() {
    let (out, app_proto) = datagram(67, 68, &v4(2, OFFER));
    assert_eq!(
        (app_proto, out.count(&["to_client Dhcp("])),
        ("dhcp", 1),
        "{out:?}"
    );
    let (out, app_proto) = datagram(68, 67, &v4(1, &[53, 1, 1, 255]));
    assert_eq!((app_proto, out.count(&["to_server Dhcp("])), ("dhcp", 1));
    let (out, app_proto) = datagram(547, 546, ADVERTISE);
    assert_eq!(
        (app_proto, out.count(&["to_client Dhcpv6("])),
        ("dhcpv6", 1)
    );
    assert_eq!(datagram(67, 68, &v4(2, OFFER)[..239]).1, "");
    assert_eq!(datagram(1000, 1001, &v4(2, OFFER)).1, "");
    let (out, _) = datagram(67, 68, &v4(2, &[53, 9, 1]));
    assert_eq!(out.count(&["Anomaly", "option value"]), 1, "{out:?}");
}

proptest! {
    #[test]
    fn nothing_panics_and_every_message_is_one_event(
        options in prop::collection::vec(any::<u8>(), 0..100),
        cut in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut six = ADVERTISE.to_vec();
        for (at, value) in damage {
            let at = at.index(six.len());
            six[at] = value;
        }
        six.truncate(cut.index(six.len() + 1));
        for (ports, bytes) in [((547, 546), six), ((68, 67), v4(1, &options)), ((547, 546), options)] {
            let (out, _) = datagram(ports.0, ports.1, &bytes);
            prop_assert!(out.0.len() <= 1);
        }
    }
}
