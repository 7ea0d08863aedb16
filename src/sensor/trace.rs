//! From borrowed events to traces: what may come before a relay.
//!
//! Filtered here, because names are frequent: of DNS only what carries a marshalled target, TKEY or a tool's
//! SOA leaves the worker; of LLMNR, NBT-NS and mDNS only questions for, and answers with, addresses of hosts;
//! of DHCP only servers; of RPC binds only the interfaces that recon is told by.

use crate::catalog::Catalog;
use crate::event::{
    Dhcp, DhcpMessage, DhcpTrace, Dhcpv6, DnsData, DnsMessage, DnsSection, Event, HttpRequest,
    RpcCall, Trace,
};
use crate::net::Addr;
use crate::wire::Guid;

/// Endpoint mapper (C706 appendix O).
const EPM: Guid = Guid(0xe1af_8308_5d1f_11c9_91a4_0800_2b14_a0fa);
/// Remote management (C706 appendix Q).
const MGMT: Guid = Guid(0xafa8_bd80_7d8a_11c9_bef4_0800_2b10_2989);
/// IObjectExporter (MS-DCOM 1.9).
const OXID: Guid = Guid(0x99fc_fec4_5260_101b_bbcb_00aa_0021_347a);
/// IRemoteSCMActivator (MS-DCOM 1.9).
const ACTIVATOR: Guid = Guid(0x0000_01a0_0000_0000_c000_0000_0000_0046);
/// EFSRPC over its own pipe (MS-EFSR 1.9).
const EFS: Guid = Guid(0xdf19_41c5_fe89_4e79_bf10_4636_57ac_f44d);

/// Hands every trace of an event to `out`.
pub(super) fn traces(catalog: &Catalog, source: Addr, event: &Event<'_>, out: &mut Vec<Trace>) {
    let mut tool = |field: &str, value: &str| {
        if let Some(found) = catalog.tool(field, value) {
            out.push(Trace::Tool {
                tool: found.tool.clone(),
                field: field.to_owned(),
            });
        }
    };
    match event {
        Event::Dns(e) => names(e, out),
        Event::Dhcp(e) => out.extend(dhcp(e, source)),
        Event::Dhcpv6(e) => out.extend(dhcpv6(e, source)),
        Event::RouterAdvert(e) => out.push(Trace::Router {
            lifetime: e.router_lifetime,
            managed: e.managed && e.other,
            dns: !e.dns_servers.is_empty(),
        }),
        Event::RpcBind(e) => {
            let interface = catalog.interface(e.interface);
            if e.interface == ACTIVATOR || interface.is_some_and(|i| !i.methods.is_empty()) {
                out.push(Trace::Bind {
                    interface: e.interface,
                    pipe: e.named_pipe.to_owned(),
                });
            }
        }
        Event::RpcCall(e) => out.extend(call(e)),
        Event::RpcEndpoint(e) if e.asked && e.interface == Some(EFS) => {
            out.push(Trace::Mapped(EFS));
        }
        Event::HttpRequest(e) => out.extend(request(e)),
        Event::HttpTransaction(e) if !e.server.is_empty() => tool("http.server", e.server),
        Event::SmbNegotiate(e) => {
            if let Some(guid) = e.server_guid {
                tool("smb.server_guid", &guid.to_string());
            }
        }
        Event::NtlmChallenge(e) => {
            let hex: String = e
                .server_challenge
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect();
            tool("ntlm.challenge", &hex);
        }
        Event::SmbCommand(e) => marshalled("smb", &e.share.to_string(), out),
        Event::KrbRequest(e) => marshalled("kerberos", &e.sname.to_string(), out),
        Event::KrbApReq(e) => marshalled("kerberos", &e.sname.to_string(), out),
        Event::LdapRequest(e) if e.marshalled_target == Some(true) => {
            let object = e.object.to_string();
            let name = if is_marshalled(&object) {
                object
            } else {
                e.new_rdn.to_string()
            };
            marshalled("ldap", &name, out);
        }
        _ => {}
    }
}

/// `UWhRCA` is the base64 of the head of a CREDENTIAL_TARGET_INFORMATION as `CredMarshalTargetInfo` writes
/// it, `BAAAA` its end. Resolvers fold case, so the case says nothing.
fn is_marshalled(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower
        .find("1uwhrca")
        .and_then(|at| lower.get(at + 7..))
        .is_some_and(|rest| rest.contains("baaaa"))
}

fn marshalled(carrier: &'static str, name: &str, out: &mut Vec<Trace>) {
    if is_marshalled(name) {
        out.push(Trace::Marshalled {
            carrier,
            name: name.to_owned(),
            answer: None,
        });
    }
}

fn names(e: &DnsMessage<'_>, out: &mut Vec<Trace>) {
    let protocol = match e.protocol {
        "llmnr" => "llmnr",
        "nbns" => "nbns",
        "mdns" => "mdns",
        _ => {
            dns(e, out);
            return;
        }
    };
    let netbios = protocol == "nbns";
    // NetBIOS: workstation and server names; groups and browsers are answered by whoever plays the part.
    let is_host = |suffix: Option<u8>| !netbios || matches!(suffix, Some(0x00 | 0x20));
    if e.response {
        for r in e.records {
            if let DnsData::Address(addr) = r.data
                && r.section == DnsSection::Answer
                && is_host(r.suffix)
                && let Some(name) = host_label(r.name)
            {
                out.push(Trace::Answered {
                    protocol,
                    name,
                    addr,
                });
            }
        }
        return;
    }
    // Registrations of NetBIOS, and probes of mDNS (RFC 6762 8.1), bring the record they are about.
    let own = e.records.iter().filter(|r| {
        matches!(r.data, DnsData::Address(_)) && (!netbios || matches!(e.opcode, 5 | 8 | 9 | 15))
    });
    let before = out.len();
    out.extend(
        own.filter_map(|r| host_label(r.name))
            .map(|name| Trace::Registered { name }),
    );
    if out.len() == before && e.opcode == 0 {
        let asked = e
            .questions
            .iter()
            .filter(|q| matches!((q.kind, netbios), (1 | 28 | 255, false) | (32, true)));
        out.extend(
            asked
                .filter(|q| is_host(q.suffix))
                .filter_map(|q| host_label(q.name))
                .map(|name| Trace::Asked { protocol, name }),
        );
    }
}

/// The host's part of a name that is one label, or one under `local`; services and reverse names are none.
fn host_label(name: &str) -> Option<String> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let label = name.strip_suffix(".local").unwrap_or(&name);
    let plain = !label.is_empty() && !label.contains('.') && !label.starts_with('_');
    plain.then(|| label.to_owned())
}

fn dns(e: &DnsMessage<'_>, out: &mut Vec<Trace>) {
    let carrier = if e.opcode == 5 { "dns-update" } else { "dns" };
    let name = std::iter::once(e.query)
        .chain(e.questions.iter().map(|q| q.name))
        .chain(e.records.iter().map(|r| r.name))
        .find(|name| name.len() > 20 && is_marshalled(name));
    if let Some(name) = name {
        let answer = e.records.iter().find_map(|r| match r.data {
            DnsData::Address(addr) if is_marshalled(r.name) => Some(addr),
            _ => None,
        });
        out.push(Trace::Marshalled {
            carrier,
            name: name.to_owned(),
            answer,
        });
    }
    let mitm6 = |r: &crate::event::DnsRecord<'_>| match r.data {
        DnsData::Soa(soa) => soa.rname.trim_end_matches('.') == "mitm6",
        _ => false,
    };
    if e.response && e.records.iter().any(mitm6) {
        out.push(Trace::RogueSoa);
    }
    let tkey = e.questions.iter().any(|q| q.kind == 249);
    if tkey && (e.gss || e.response) {
        out.push(Trace::Tkey {
            response: e.response,
            rcode: e.rcode,
        });
    }
}

fn dhcp(e: &Dhcp<'_>, source: Addr) -> Option<Trace> {
    let speaks = matches!(
        e.message,
        DhcpMessage::OFFER | DhcpMessage::ACK | DhcpMessage::NAK
    );
    if e.request || !speaks {
        return None;
    }
    let server = e.server_id.unwrap_or(source);
    let proxy = e.proxy_config.to_string();
    Some(Trace::Dhcp(DhcpTrace {
        xid: e.xid,
        client: e.client_mac,
        server: Some(server),
        assigned: e.assigned_ip,
        nak: e.message == DhcpMessage::NAK,
        points_to_itself: e.dns_servers.contains(&server) || proxy.contains(&server.to_string()),
        resolvers: e.dns_servers.iter().take(3).copied().collect(),
        proxy: !proxy.is_empty(),
    }))
}

fn dhcpv6(e: &Dhcpv6<'_>, source: Addr) -> Option<Trace> {
    // ADVERTISE and REPLY (RFC 8415 7.3). Behind a relay agent the source says nothing.
    let speaks = matches!(e.kind, 2 | 7) && !e.relayed;
    speaks.then(|| Trace::Dhcpv6 {
        dns_is_self: e.dns_servers.contains(&source),
        constants: (e.t1, e.t2) == (Some(200), Some(250)),
        mac: e.frame_mac,
    })
}

fn call(e: &RpcCall<'_>) -> Option<Trace> {
    match (e.interface?, e.opnum) {
        (EPM, 2) => Some(Trace::Lookup),
        (MGMT, 0) => Some(Trace::Management),
        (OXID, 3 | 5) => Some(Trace::Alive),
        _ => None,
    }
}

fn request(e: &HttpRequest<'_>) -> Option<Trace> {
    if e.user_agent.starts_with("Microsoft-WebDAV-MiniRedir") {
        return Some(Trace::WebDav {
            host: e.host.to_ascii_lowercase(),
        });
    }
    let path = e.uri.split(['?', '#']).next().unwrap_or_default();
    path.to_ascii_lowercase()
        .ends_with("/wpad.dat")
        .then_some(Trace::Wpad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marshalled_targets_in_any_case_and_nothing_like_them() {
        for name in [
            "srv11UWhRCAAAAAAAAAAAAAAAAAAAAAAAAAAAAwbEAYBAAAA.lab.example",
            "srv11uwhrcaaaaaaaaaaaaaaaaaaaaaaaaaaaawbeaybaaaa.lab.example",
            "cifs/localhost1UWhRCAAAAAAAAAAAAAAAAAAAAAAAAAAAAwbEAYBAAAA",
        ] {
            assert!(is_marshalled(name), "{name}");
        }
        for name in [
            "",
            "uwhrca.lab.example",
            "baaaa1uwhrca.lab.example",
            "dGhpcyBpcyByYW5kb20gYmFzZTY0AAAABAAAA.lab.example",
        ] {
            assert!(!is_marshalled(name), "{name}");
        }
    }

    #[test]
    fn names_of_hosts_and_no_others() {
        assert_eq!(host_label("WPAD").as_deref(), Some("wpad"));
        assert_eq!(
            host_label("Printer-2F.local.").as_deref(),
            Some("printer-2f")
        );
        for name in ["", "_http._tcp.local", "50.0.10.10.in-addr.arpa", "a.b"] {
            assert_eq!(host_label(name), None, "{name}");
        }
    }
}
