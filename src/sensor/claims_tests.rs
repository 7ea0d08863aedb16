//! What is evidence, and what is not.

use super::*;
use crate::event::DnsRecord;

#[test]
fn reverse_names_are_addresses() {
    assert_eq!(
        reversed("21.0.10.10.in-addr.arpa."),
        Some(Addr::v4([10, 10, 0, 21]))
    );
    // The example of RFC 3596 2.5.
    let six = "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa";
    let expect: std::net::IpAddr = "4321:0:1:2:3:4:567:89ab".parse().unwrap();
    assert_eq!(reversed(six), Some(Addr::from(expect)));
    for wrong in [
        "0.10.10.in-addr.arpa",
        "1.21.0.10.10.in-addr.arpa",
        "300.0.10.10.in-addr.arpa",
        "b.a.ip6.arpa",
        "lab.test",
    ] {
        assert_eq!(reversed(wrong), None, "{wrong}");
    }
}

#[test]
fn services_partitions_and_addresses_are_no_hosts() {
    for name in ["srv1", "srv1.lab.test", "1srv"] {
        assert!(is_host(name), "{name}");
    }
    for name in [
        "",
        "10.0.0.1",
        "_ldap._tcp.dc._msdcs.lab.test",
        "gc._msdcs.lab.test",
        "*.lab.test",
        "a..b",
        "forestdnszones.lab.test",
    ] {
        assert!(!is_host(name), "{name}");
    }
}

#[test]
fn shares_show_servers() {
    assert_eq!(share("\\\\srv\\data"), Some(Services::SHARE));
    assert_eq!(share("\\\\srv\\print$"), Some(Services::PRINT));
    for none in ["\\\\srv\\IPC$", "\\\\srv\\C$", "\\\\dc\\SYSVOL", ""] {
        assert_eq!(share(none), None, "{none}");
    }
}

/// An alias names its host; an address on the internet, and an answer that is none, teach nothing.
#[test]
fn a_dns_answer_names_hosts_and_their_aliases() {
    let record = |name, kind, data| DnsRecord {
        name,
        kind,
        ttl: 300,
        data,
        ..DnsRecord::default()
    };
    let home = Addr::v4([10, 0, 0, 21]);
    let records = [
        record("intranet.lab.test", 5, DnsData::Name("Web1.lab.test")),
        record("Web1.lab.test", 1, DnsData::Address(home)),
        record(
            "www.example.net",
            1,
            DnsData::Address(Addr::v4([192, 0, 2, 1])),
        ),
    ];
    let message = |rcode| DnsMessage {
        protocol: "dns",
        query: "intranet.lab.test",
        qtype_name: "A",
        answers: "",
        response: true,
        opcode_name: "query",
        rcode_name: "",
        ttl: None,
        frame_mac: crate::net::Mac::default(),
        id: 1,
        flags: 0,
        opcode: 0,
        rcode,
        questions: &[],
        records: &records,
        more: 0,
        signed: false,
        gss: false,
    };
    let mut flow = FlowMeta::default();
    flow.client.addr = Addr::v4([10, 0, 0, 50]);
    flow.server.addr = Addr::v4([10, 0, 0, 1]);
    let mut claims = Claims::default();
    let mut of = |rcode, secs| -> Vec<(Addr, Vec<String>)> {
        let event = Event::Dns(message(rcode));
        let now = Timestamp::new(secs, 0);
        let said = claims.of(&event, Direction::ToClient, &flow, now);
        said.filter_map(|s| match s {
            Seen::Claim(c) if c.source == Source::Dns => Some((c.addr, c.names)),
            _ => None,
        })
        .collect()
    };
    assert_eq!(of(3, 1), []);
    let names = vec!["web1.lab.test".to_owned(), "intranet.lab.test".to_owned()];
    assert_eq!(of(0, 1), [(home, names.clone())]);
    assert_eq!(of(0, 30), [], "said already");
    assert_eq!(of(0, 61), [(home, names)]);
}
