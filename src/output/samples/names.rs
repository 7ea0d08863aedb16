//! Names and addresses.

use super::*;

/// A message with a record of every kind, or one with as little as there can be.
pub(super) fn dns(protocol: &'static str, full: bool) -> DnsMessage<'static> {
    const fn record(section: DnsSection, kind: u16, data: DnsData<'static>) -> DnsRecord<'static> {
        DnsRecord {
            section,
            name: "lab.example",
            kind,
            class: 1,
            ttl: 30,
            data,
            suffix: None,
        }
    }
    const SOA: DnsData<'static> = DnsData::Soa(DnsSoa {
        mname: "ns.lab.example",
        rname: "mitm6",
        serial: 1337,
        times: [1, 2, 3, 4],
    });
    const SRV: DnsData<'static> = DnsData::Service {
        priority: 0,
        weight: 100,
        port: 389,
        target: "dc01.lab.example",
    };
    static RECORDS: [DnsRecord<'static>; 9] = [
        record(DnsSection::Answer, 1, DnsData::Address(Addr([1; 16]))),
        record(DnsSection::Answer, 33, SRV),
        record(DnsSection::Answer, 6, SOA),
        record(DnsSection::Answer, 16, DnsData::Text("v=1")),
        record(DnsSection::Answer, 12, DnsData::Name("dc01.lab.example")),
        record(DnsSection::Authority, 6, SOA),
        record(DnsSection::Authority, 999, DnsData::Other),
        record(DnsSection::Additional, 33, SRV),
        record(DnsSection::Additional, 16, DnsData::Text("v=1")),
    ];
    DnsMessage {
        protocol,
        query: "lab.example",
        qtype_name: "A",
        answers: "192.0.2.66",
        response: full,
        opcode_name: "query",
        rcode_name: "NOERROR",
        ttl: Some(30),
        frame_mac: MAC,
        id: 7,
        flags: if full { 0xffff } else { 0 },
        opcode: 0,
        rcode: 0,
        questions: if full {
            &[DnsQuestion {
                name: "lab.example",
                kind: 1,
                class: 1,
                suffix: None,
            }]
        } else {
            &[]
        },
        records: if full { &RECORDS } else { &[] },
        more: 0,
        signed: false,
        gss: false,
    }
}

const SERVERS: &[Addr] = &[Addr([0xfe; 16])];

pub(super) fn dhcp() -> Dhcp<'static> {
    Dhcp {
        message: DhcpMessage::OFFER,
        client_mac: MAC,
        client_ip: Some(addr(9)),
        assigned_ip: Some(addr(9)),
        next_server_ip: Some(addr(1)),
        relay_ip: Some(addr(2)),
        requested_ip: Some(addr(9)),
        hostname: Text::Str("ws01"),
        lease_time: Some(10),
        routers: SERVERS,
        dns_servers: SERVERS,
        vendor_class: Text::Str("MSFT 5.0"),
        server_id: Some(addr(66)),
        client_fqdn: Text::Str("ws01.lab.example"),
        domain: Text::Str("lab.example"),
        proxy_config: Text::Str("http://192.0.2.66/wpad.dat"),
        frame_mac: MAC,
        request: false,
        xid: 7,
        client_id: &[1, 2, 0, 0, 0, 0, 9],
        renewal_time: Some(5),
        rebinding_time: Some(8),
        subnet_mask: Some(addr(0)),
        params: &[1, 3, 6, 252],
    }
}

pub(super) fn dhcpv6() -> Dhcpv6<'static> {
    Dhcpv6 {
        message: "advertise",
        xid: 7,
        client_duid: &[0, 3, 0, 1],
        server_duid: &[0, 3, 0, 1],
        addresses: SERVERS,
        t1: Some(200),
        t2: Some(250),
        preferred: Some(300),
        valid: Some(300),
        dns_servers: SERVERS,
        domains: "lab.example",
        client_fqdn: "ws01.lab.example",
        status: Some(0),
        relayed: true,
        frame_mac: MAC,
        kind: 2,
    }
}

pub(super) fn arp() -> Arp {
    Arp {
        operation: ArpOperation::REPLY,
        src_mac: MAC,
        src_ip: addr(66),
        dest_mac: MAC,
        dest_ip: addr(10),
        frame_mac: MAC,
    }
}
