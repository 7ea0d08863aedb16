//! Lines of EVE JSON: the common head, and one function an event.
//!
//! ```text
//! {"timestamp":..,"flow_id":..,"event_type":"ntlm","src_ip":..,..,"community_id":..,"ntlm":{..}}\n
//!  └─────────────── Header ────────────────────────────────────────────────────┘ └─ body ─┘
//! ```
//!
//! Every function appends whole lines to a buffer that the caller reuses. Nothing here fails:
//! the types have text keys only, and text from the wire is decoded to characters before serde
//! escapes it. No empty string, array or object is written for something that is not known.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::address;
use super::community::CommunityId;
use super::dns;
use super::ldap;
use super::lines::Lines;
use super::protocol;
use super::types::{EventType, EventTypes};
use crate::event::{
    Alert, Event, Finding, FlowMeta, IdentityChange, Incident, OurFields, PostureReport,
    SensorRecord, StatsRecord,
};
use crate::net::{Addr, Direction, Endpoint};
use crate::time::Timestamp;
use crate::wire::Guid;

/// What every line starts with: when, where, between whom.
#[derive(Clone, Copy, Debug, Default)]
pub struct Header<'a> {
    /// Packet time.
    pub ts: Timestamp,
    /// The flow, for everything that belongs to one.
    pub flow: Option<&'a FlowMeta>,
    /// Interface, live.
    pub in_iface: Option<&'a str>,
    /// Number of the packet in its file, from 1.
    pub pcap_cnt: Option<u64>,
    /// The file, in replay.
    pub pcap_filename: Option<&'a str>,
    /// Who sent what is reported; decides which end is `src`. The client is `src` if unknown.
    pub direction: Option<Direction>,
    /// Number of the transaction in its flow.
    pub tx_id: Option<u64>,
}

/// Writes what a decoder said: one line, two (a call is `dcerpc` and `rpc_call`), or none.
///
/// Not written: [`Event::HttpRequest`] (its transaction is) and [`Event::AuthResult`] (alerts and
/// incidents carry the outcome).
pub fn write_event(buf: &mut Lines, types: EventTypes, header: &Header<'_>, event: &Event<'_>) {
    use EventType as T;
    let mut out = Selected { buf, types, header };
    let transport = header.flow.map(|flow| flow.transport);
    match event {
        Event::RpcBind(e) => {
            out.put(T::Dcerpc, &protocol::rpc_bind(e));
            out.put(T::RpcBind, &OurFields(e));
        }
        Event::RpcCall(e) => {
            // Messages of Windows Search and statements of SQL Server are calls to us, but no DCE/RPC.
            if e.interface.is_none_or(Guid::is_interface) {
                out.put(T::Dcerpc, &protocol::rpc_request(e, transport));
            }
            out.put(T::RpcCall, &OurFields(e));
        }
        Event::RpcResult(e) => {
            if e.interface.is_none_or(Guid::is_interface) {
                out.put(T::Dcerpc, &protocol::rpc_response(e, transport));
            }
            out.put(T::RpcResult, &OurFields(e));
        }
        Event::RpcEndpoint(e) => out.put(T::RpcEndpoint, &OurFields(e)),
        Event::NtlmNegotiate(e) => out.put(T::Ntlm, &protocol::Ntlm::new(e)),
        Event::NtlmChallenge(e) => out.put(T::Ntlm, &protocol::Ntlm::new(e)),
        Event::NtlmAuthenticate(e) => out.put(T::Ntlm, &protocol::Ntlm::new(e)),
        Event::HttpDetail(e) => out.put(T::HttpDetail, &OurFields(e)),
        Event::HttpTransaction(e) => out.put(T::Http, &protocol::http(e)),
        Event::LdapBind(e) => out.put(T::Ldap, &ldap::bind(e)),
        Event::LdapRequest(e) => {
            out.put(T::Ldap, &ldap::request(e));
            out.put(T::LdapOp, &OurFields(e));
        }
        Event::LdapNetlogon(e) => out.put(T::LdapOp, &OurFields(e)),
        Event::LdapResult(e) => {
            out.put(T::Ldap, &ldap::result(e));
            out.put(T::LdapOp, &OurFields(e));
        }
        Event::KrbApReq(e) => out.put(T::Kerberos, &OurFields(e)),
        Event::KrbApResult(e) => out.put(T::Kerberos, &OurFields(e)),
        Event::KrbRequest(e) => out.put(T::Kerberos, &OurFields(e)),
        Event::KrbReply(e) => {
            out.put(T::Krb5, &protocol::krb5(e));
            out.put(T::Kerberos, &OurFields(e));
        }
        Event::SmbNegotiate(e) => out.put(T::Smb, &protocol::smb_negotiate(e)),
        Event::SmbSession(e) => out.put(T::SmbSession, &OurFields(e)),
        Event::SmbNetbios(e) => out.put(T::SmbSession, &OurFields(e)),
        Event::SmbInterfaces(e) => out.put(T::SmbSession, &OurFields(e)),
        Event::SmbEncrypted(e) => out.put(T::SmbSession, &OurFields(e)),
        Event::SmbCommand(e) => out.put(T::Smb, &protocol::smb_command(e)),
        Event::Dns(e) => match e.protocol {
            "mdns" => out.put(T::Mdns, &dns::mdns(e)),
            "llmnr" => out.put(T::Llmnr, &dns::dns(e)),
            "nbns" => out.put(T::Nbns, &dns::dns(e)),
            _ => out.put(T::Dns, &dns::dns(e)),
        },
        Event::Dhcp(e) => {
            out.put(T::Dhcp, &address::dhcp(e));
            out.put(T::DhcpOption, &address::DhcpOptionBody::new(e));
        }
        Event::Dhcpv6(e) => out.put(T::Dhcpv6, &OurFields(e)),
        Event::Arp(e) => out.put(T::Arp, &address::arp(e)),
        Event::RouterAdvert(e) => out.put(T::RouterAdvert, &address::RouterAdvertBody::new(e)),
        Event::TdsLogin(e) => out.put(T::Tds, &OurFields(e)),
        Event::Tls(e) => out.put(T::Tls, &protocol::tls(e)),
        Event::Anomaly(e) => protocol::with_anomaly(e, |body| out.put(T::Anomaly, body)),
        Event::HttpRequest(_) | Event::AuthResult(_) => {}
    }
}

struct Selected<'a> {
    buf: &'a mut Lines,
    types: EventTypes,
    header: &'a Header<'a>,
}

impl Selected<'_> {
    fn put(&mut self, kind: EventType, body: &impl Serialize) {
        if self.types.has(kind) {
            line(self.buf, self.header, kind, body);
        }
    }
}

/// Writes what a native detector concluded.
pub fn write_finding(buf: &mut Lines, header: &Header<'_>, finding: &Finding) {
    line(buf, header, EventType::Finding, &OurFields(finding));
}

/// Writes an alert. `header.flow` is normally the alert's own flow.
pub fn write_alert(buf: &mut Lines, header: &Header<'_>, alert: &Alert) {
    line(
        buf,
        header,
        EventType::Alert,
        &super::alert::alert_body(alert),
    );
}

/// Writes the state of an incident.
pub fn write_incident(buf: &mut Lines, header: &Header<'_>, incident: &Incident) {
    line(
        buf,
        header,
        EventType::Incident,
        &super::alert::incident_body(incident),
    );
}

/// Writes that who is who changed.
pub fn write_identity(buf: &mut Lines, header: &Header<'_>, change: &IdentityChange) {
    let body = super::known::identity_body(change);
    line(buf, header, EventType::Identity, &body);
}

/// Writes a weakness of a host.
pub fn write_posture(buf: &mut Lines, header: &Header<'_>, report: &PostureReport) {
    let body = super::known::posture_body(report);
    line(buf, header, EventType::Posture, &body);
}

/// Writes the counters that depend on packets alone.
pub fn write_stats(buf: &mut Lines, ts: Timestamp, record: &StatsRecord) {
    let header = Header {
        ts,
        ..Header::default()
    };
    line(buf, &header, EventType::Stats, record);
}

/// Writes what depends on the machine.
pub fn write_sensor(buf: &mut Lines, ts: Timestamp, record: &SensorRecord) {
    let header = Header {
        ts,
        ..Header::default()
    };
    line(buf, &header, EventType::Sensor, record);
}

/// Appends one whole line.
fn line<B: Serialize + ?Sized>(
    buf: &mut Lines,
    header: &Header<'_>,
    event_type: EventType,
    body: &B,
) {
    let record = Record {
        header,
        event_type,
        body,
    };
    // Cannot fail: writing to a Vec succeeds and all keys are text. If it did: never half a line.
    buf.write(event_type, |bytes| {
        serde_json::to_writer(bytes, &record).is_ok()
    });
}

struct Record<'a, B: ?Sized> {
    header: &'a Header<'a>,
    event_type: EventType,
    body: &'a B,
}

impl<B: Serialize + ?Sized> Serialize for Record<'_, B> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let header = self.header;
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("timestamp", &Show(header.ts))?;
        if let Some(flow) = header.flow {
            map.serialize_entry("flow_id", &(flow.flow_id & FLOW_ID_BITS))?;
        }
        optional(&mut map, "in_iface", header.in_iface)?;
        optional(&mut map, "pcap_cnt", header.pcap_cnt)?;
        optional(&mut map, "pcap_filename", header.pcap_filename)?;
        map.serialize_entry("event_type", self.event_type.name())?;
        if let Some(flow) = header.flow {
            let vlan = vlan_ids(&flow.vlan);
            if !vlan.is_empty() {
                map.serialize_entry("vlan", vlan)?;
            }
            if let Some(outer) = &flow.tunnel {
                map.serialize_entry("tunnel", &address::Tunnel::new(outer))?;
            }
            let (src, dest) = match header.direction {
                None | Some(Direction::ToServer) => (flow.client, flow.server),
                Some(Direction::ToClient) => (flow.server, flow.client),
            };
            let ports = flow.transport.has_ports();
            let Endpoint { addr, port } = src;
            map.serialize_entry("src_ip", &Show(addr))?;
            optional(&mut map, "src_port", ports.then_some(port))?;
            let Endpoint { addr, port } = dest;
            map.serialize_entry("dest_ip", &Show(addr))?;
            optional(&mut map, "dest_port", ports.then_some(port))?;
            map.serialize_entry("proto", flow.transport.name())?;
            if let Some(direction) = header.direction {
                map.serialize_entry("direction", direction.name())?;
            }
            if !flow.app_proto.is_empty() {
                map.serialize_entry("app_proto", flow.app_proto)?;
            }
            if ports {
                map.serialize_entry("community_id", CommunityId::new(flow).as_str())?;
            }
        }
        optional(&mut map, "tx_id", header.tx_id)?;
        map.serialize_entry(self.event_type.name(), self.body)?;
        if let (EventType::Alert, Some(flow)) = (self.event_type, header.flow) {
            map.serialize_entry("flow", &FlowBody::new(flow))?;
        }
        map.end()
    }
}

/// What readers in JavaScript can hold exactly, less two bits that Suricata keeps for itself.
pub(super) const FLOW_ID_BITS: u64 = (1 << 51) - 1;

/// The `flow` object of an alert: when it began, and client and server whoever sent.
#[derive(Serialize)]
struct FlowBody {
    start: Show<Timestamp>,
    src_ip: Show<Addr>,
    src_port: u16,
    dest_ip: Show<Addr>,
    dest_port: u16,
}

impl FlowBody {
    fn new(flow: &FlowMeta) -> Self {
        Self {
            start: Show(flow.first_ts),
            src_ip: Show(flow.client.addr),
            src_port: flow.client.port,
            dest_ip: Show(flow.server.addr),
            dest_port: flow.server.port,
        }
    }
}

fn optional<M: SerializeMap, T: Serialize>(
    map: &mut M,
    key: &'static str,
    value: Option<T>,
) -> Result<(), M::Error> {
    match value {
        Some(value) => map.serialize_entry(key, &value),
        None => Ok(()),
    }
}

fn vlan_ids(ids: &[u16]) -> &[u16] {
    let count = ids.iter().take_while(|id| **id != 0).count();
    ids.get(..count).unwrap_or_default()
}

/// Serialises a value as it prints, without a `String` between.
#[derive(Clone, Copy)]
pub(super) struct Show<T>(pub(super) T);

impl<T: std::fmt::Display> Serialize for Show<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0)
    }
}

/// A number as 16 hexadecimal digits: ids of 64 bits, which JSON readers would round.
#[derive(Clone, Copy)]
pub(super) struct Hex16(pub(super) u64);

impl std::fmt::Display for Hex16 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Carrier, HttpTransaction, NtlmNegotiate};
    use crate::net::{Addr, Endpoint};
    use crate::output::samples;
    use crate::wire::Text;

    fn parse(line: &[u8]) -> serde_json::Value {
        assert_eq!(line.last(), Some(&b'\n'));
        assert_eq!(memchr::memchr_iter(b'\n', line).count(), 1);
        serde_json::from_slice(line).unwrap()
    }

    #[test]
    fn the_head_is_suricatas_to_the_byte() {
        let flow = FlowMeta {
            flow_id: u64::MAX,
            client: Endpoint::new(Addr::v4([1, 2, 3, 4]), 1122),
            server: Endpoint::new(Addr::v4([5, 6, 7, 8]), 3344),
            vlan: [7, 0],
            app_proto: "smb",
            ..FlowMeta::default()
        };
        let header = Header {
            ts: Timestamp::new(1_795_336_117, 257_438_999),
            flow: Some(&flow),
            pcap_cnt: Some(12),
            direction: Some(Direction::ToClient),
            ..Header::default()
        };
        let event = Event::NtlmNegotiate(NtlmNegotiate {
            carrier: Carrier::Smb,
            flags: 1,
            domain: Text::Bytes(b"A\"\x01\xff"),
            workstation: Text::default(),
            session: 0,
        });
        let mut buf = Lines::default();
        write_event(&mut buf, EventTypes::ALL, &header, &event);
        assert_eq!(
            String::from_utf8(buf.bytes().to_vec()).unwrap(),
            concat!(
                r#"{"timestamp":"2026-11-22T08:28:37.257438+0000","flow_id":2251799813685247,"#,
                r#""pcap_cnt":12,"event_type":"ntlm","vlan":[7],"src_ip":"5.6.7.8","src_port":3344,"#,
                r#""dest_ip":"1.2.3.4","dest_port":1122,"proto":"TCP","direction":"to_client","#,
                r#""app_proto":"smb","community_id":"1:wCb3OG7yAFWelaUydu0D+125CLM=","#,
                r#""ntlm":{"message":"negotiate","carrier":"smb","negotiate_flags":1,"#,
                "\"domainname\":\"A\\\"\\u0001\u{fffd}\"}}\n"
            )
        );
    }

    #[test]
    fn only_selected_types_are_written() {
        let header = Header::default();
        let call = Event::RpcCall(samples::rpc_call());
        let lines = |types: &str| {
            let mut buf = Lines::default();
            write_event(&mut buf, types.parse().unwrap(), &header, &call);
            memchr::memchr_iter(b'\n', buf.bytes()).count()
        };
        assert_eq!(lines("dcerpc,rpc_call"), 2);
        assert_eq!(lines("rpc_call"), 1);
        assert_eq!(lines("alert"), 0);
        assert_eq!(lines("all"), 2);
    }

    #[test]
    fn requests_and_verdicts_have_no_line_of_their_own() {
        let mut buf = Lines::default();
        for event in samples::silent() {
            write_event(&mut buf, EventTypes::ALL, &Header::default(), &event);
        }
        assert!(buf.is_empty());
    }

    #[test]
    fn what_is_not_known_is_not_there() {
        let mut buf = Lines::default();
        let event = Event::HttpTransaction(HttpTransaction {
            method: "GET",
            uri: "/",
            host: "",
            user_agent: "",
            protocol: "",
            status: None,
            content_type: "",
            server: "",
            tx_id: 0,
            length: None,
        });
        write_event(&mut buf, EventTypes::ALL, &Header::default(), &event);
        let value = parse(buf.bytes());
        assert_eq!(
            value.get("http"),
            Some(&serde_json::json!({"http_method": "GET", "url": "/"}))
        );
        assert_eq!(value.as_object().unwrap().len(), 3, "{value}");
    }

    #[test]
    fn no_line_of_any_kind_has_an_empty_array_object_or_string() {
        fn check(path: &str, value: &serde_json::Value) {
            match value {
                serde_json::Value::Object(o) => {
                    assert!(!o.is_empty(), "empty object at {path}");
                    o.iter().for_each(|(k, v)| check(&format!("{path}.{k}"), v));
                }
                serde_json::Value::Array(a) => {
                    assert!(!a.is_empty(), "empty array at {path}");
                    a.iter().for_each(|v| check(path, v));
                }
                serde_json::Value::String(s) => assert!(!s.is_empty(), "empty string at {path}"),
                serde_json::Value::Null => panic!("null at {path}"),
                _ => {}
            }
        }
        for (name, line) in samples::lines() {
            check(name, &parse(&line));
        }
    }
}
