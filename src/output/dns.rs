//! Bodies of DNS and what took its messages over: Suricata's `dns` (version 3) and `mdns`, our `llmnr` and `nbns`.

use std::fmt::{self, Display};

use serde::Serialize;

use super::eve::Show;
use crate::event::{
    DnsData, DnsMessage, DnsQuestion, DnsRecord, DnsSection, DnsSoa, dns_rcode, dns_type,
};

/// Suricata's `dns`. `llmnr` and `nbns` have the same fields.
#[derive(Serialize)]
pub(super) struct Dns<'a> {
    version: u8,
    #[serde(rename = "type")]
    kind: &'static str,
    id: u16,
    flags: Show<Hex>,
    #[serde(skip_serializing_if = "is_false")]
    aa: bool,
    #[serde(skip_serializing_if = "is_false")]
    tc: bool,
    #[serde(skip_serializing_if = "is_false")]
    rd: bool,
    #[serde(skip_serializing_if = "is_false")]
    ra: bool,
    opcode: u8,
    rcode: Show<Named>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    queries: Vec<Query<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    answers: Vec<Record<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authorities: Vec<Record<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    additionals: Vec<Record<'a>>,
}

#[derive(Serialize)]
struct Query<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    rrname: &'a str,
    rrtype: Show<Named>,
}

#[derive(Serialize)]
struct Record<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    rrname: &'a str,
    rrtype: Show<Named>,
    ttl: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    rdata: Option<Show<Rdata<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    soa: Option<Soa<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    srv: Option<Srv<'a>>,
}

#[derive(Serialize)]
struct Soa<'a> {
    mname: &'a str,
    rname: &'a str,
    serial: u32,
    refresh: u32,
    retry: u32,
    expire: u32,
    minimum: u32,
}

#[derive(Serialize)]
struct Srv<'a> {
    priority: u16,
    weight: u16,
    port: u16,
    name: &'a str,
}

fn is_false(b: &bool) -> bool {
    !b
}

/// Flags as Suricata writes them: hexadecimal without a prefix.
struct Hex(u16);

impl Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// A name, or the number.
struct Named(&'static str, u16);

impl Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => write!(f, "{}", self.1),
            name => f.write_str(name),
        }
    }
}

/// What a record says, where that is one value.
struct Rdata<'a>(DnsData<'a>);

impl Display for Rdata<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            DnsData::Address(addr) => write!(f, "{addr}"),
            DnsData::Name(text) | DnsData::Text(text) => f.write_str(text),
            DnsData::Other | DnsData::Service { .. } | DnsData::Soa(_) => Ok(()),
        }
    }
}

fn rdata(data: DnsData<'_>) -> Option<Show<Rdata<'_>>> {
    match data {
        DnsData::Address(_) => Some(Show(Rdata(data))),
        DnsData::Name(text) | DnsData::Text(text) if !text.is_empty() => Some(Show(Rdata(data))),
        _ => None,
    }
}

pub(super) fn dns<'a>(e: &DnsMessage<'a>) -> Dns<'a> {
    let netbios = e.protocol == "nbns";
    let query = |q: &DnsQuestion<'a>| Query {
        rrname: q.name,
        rrtype: Show(Named(dns_type(q.kind, netbios), q.kind)),
    };
    let records = |section: DnsSection, with_parts: bool| {
        let of_section = e.records.iter().filter(|r| r.section == section);
        let body = |r| record(r, netbios, with_parts);
        of_section.map(body).collect::<Vec<_>>()
    };
    Dns {
        version: 3,
        kind: if e.response { "response" } else { "request" },
        id: e.id,
        flags: Show(Hex(e.flags)),
        aa: e.flags & 0x0400 != 0,
        tc: e.flags & 0x0200 != 0,
        rd: e.flags & 0x0100 != 0,
        ra: e.flags & 0x0080 != 0,
        opcode: e.opcode,
        rcode: Show(Named(dns_rcode(e.rcode), e.rcode.into())),
        queries: e.questions.iter().map(query).collect(),
        answers: records(DnsSection::Answer, true),
        authorities: records(DnsSection::Authority, true),
        additionals: records(DnsSection::Additional, false),
    }
}

/// Suricata's schema has `soa` in answers and authorities, `srv` in answers.
fn record<'a>(r: &DnsRecord<'a>, netbios: bool, with_parts: bool) -> Record<'a> {
    let soa = |s: DnsSoa<'a>| {
        let [refresh, retry, expire, minimum] = s.times;
        Soa {
            mname: s.mname,
            rname: s.rname,
            serial: s.serial,
            refresh,
            retry,
            expire,
            minimum,
        }
    };
    Record {
        rrname: r.name,
        rrtype: Show(Named(dns_type(r.kind, netbios), r.kind)),
        ttl: r.ttl,
        rdata: rdata(r.data),
        soa: match r.data {
            DnsData::Soa(s) if with_parts => Some(soa(s)),
            _ => None,
        },
        srv: match r.data {
            DnsData::Service {
                priority,
                weight,
                port,
                target,
            } if with_parts && r.section == DnsSection::Answer => Some(Srv {
                priority,
                weight,
                port,
                name: target,
            }),
            _ => None,
        },
    }
}

/// Suricata's `mdns`, which has names, and data of PTR and TXT only.
#[derive(Serialize)]
pub(super) struct Mdns<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: u16,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<&'static str>,
    opcode: u8,
    rcode: u8,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    queries: Vec<Query<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    answers: Vec<MdnsRecord<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authorities: Vec<MdnsRecord<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    additionals: Vec<MdnsRecord<'a>>,
}

#[derive(Serialize)]
struct MdnsRecord<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    rrname: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ptr: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    txt: Option<[&'a str; 1]>,
}

pub(super) fn mdns<'a>(e: &DnsMessage<'a>) -> Mdns<'a> {
    const FLAGS: [(u16, &str); 7] = [
        (0x0400, "aa"),
        (0x0200, "tc"),
        (0x0100, "rd"),
        (0x0080, "ra"),
        (0x0040, "z"),
        (0x0020, "ad"),
        (0x0010, "cd"),
    ];
    let records = |section: DnsSection| {
        let of_section = e.records.iter().filter(|r| r.section == section);
        let body = |r: &DnsRecord<'a>| MdnsRecord {
            rrname: r.name,
            ptr: match r.data {
                DnsData::Name(name) if section != DnsSection::Authority => Some(name),
                _ => None,
            },
            txt: match r.data {
                DnsData::Text(text) if section != DnsSection::Authority && !text.is_empty() => {
                    Some([text])
                }
                _ => None,
            },
        };
        of_section.map(body).collect::<Vec<_>>()
    };
    let query = |q: &DnsQuestion<'a>| Query {
        rrname: q.name,
        rrtype: Show(Named(dns_type(q.kind, false), q.kind)),
    };
    let set = FLAGS.iter().filter(|(bit, _)| e.flags & bit != 0);
    Mdns {
        kind: if e.response { "response" } else { "request" },
        id: e.id,
        flags: set.map(|(_, name)| *name).collect(),
        opcode: e.opcode,
        rcode: e.rcode,
        queries: e.questions.iter().map(query).collect(),
        answers: records(DnsSection::Answer),
        authorities: records(DnsSection::Authority),
        additionals: records(DnsSection::Additional),
    }
}
