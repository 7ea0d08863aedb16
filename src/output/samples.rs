//! One of every line, for tests: full ones and the emptiest there can be.

mod logons;
mod names;
mod records;
mod rpc;

use std::sync::Arc;

use super::*;
use crate::event::*;
use crate::net::{Addr, Direction, Endpoint, Mac, Outer, Transport};
use crate::time::Timestamp;
use crate::wire::{Guid, Text};

use logons::*;
use names::*;
use records::*;
pub(super) use rpc::rpc_call;
use rpc::*;

const EFSR: Guid = Guid(0xc681d488_d850_11d0_8c52_00c04fd90f7e);

fn addr(last: u8) -> Addr {
    Addr::v4([192, 0, 2, last])
}

fn flow() -> FlowMeta {
    FlowMeta {
        flow_id: 1_234_567_890_123_456,
        client: Endpoint::new(addr(66), 50_001),
        server: Endpoint::new(addr(10), 445),
        transport: Transport::Tcp,
        first_ts: Timestamp::new(1_795_336_000, 1000),
        vlan: [20, 30],
        tunnel: Some(Outer {
            src: Endpoint::new(addr(1), 50_000),
            dst: Endpoint::new(addr(2), 4789),
            protocol: 17,
            depth: 1,
        }),
        iface: 0,
        app_proto: "smb",
        one_way: false,
        gaps: 0,
    }
}

const MAC: Mac = Mac([2, 0, 0, 0, 0, 0x66]);

/// Events without a line.
pub(super) fn silent() -> [Event<'static>; 2] {
    [
        Event::HttpRequest(HttpRequest {
            method: "GET",
            uri: "/",
            host: "",
            user_agent: "",
            via: "",
            forwarded: false,
            credentials: "",
            tx_id: 0,
            authorization: false,
            session_id: 0,
        }),
        Event::AuthResult(AuthResult {
            carrier: Carrier::Smb,
            session: 0,
            success: true,
            code: 0,
        }),
    ]
}

fn events() -> Vec<(&'static str, Event<'static>)> {
    let http = HttpTransaction {
        method: "POST",
        uri: "/certsrv/certfnsh.asp",
        host: "ca01.lab.example",
        user_agent: "Mozilla/5.0",
        protocol: "HTTP/1.1",
        status: Some(401),
        content_type: "text/html",
        server: "Microsoft-IIS/10.0",
        tx_id: 0,
        length: Some(1293),
    };
    let bind = |mechanism| LdapBind {
        version: 3,
        name: Text::default(),
        mechanism,
        message_id: 7,
    };
    let command = SmbCommand {
        command: "SMB2_COMMAND_CREATE",
        status: Some(0xc000_0022),
        share: Text::default(),
        filename: Text::Str("lsarpc"),
        is_pipe: true,
        session_id: 0x0000_2c00_0000_0011,
        tree_id: 1,
        message_id: 5,
        dialect: 0x0311,
    };
    let mut events = vec![
        ("bind", Event::RpcBind(rpc_bind(Some(true)))),
        ("bind, no answer", Event::RpcBind(rpc_bind(None))),
        ("call", Event::RpcCall(rpc_call())),
        (
            "call, bind not seen",
            Event::RpcCall(RpcCall {
                interface: None,
                endpoint: "",
                version: "",
                named_pipe: "",
                path: None,
                auth_type: None,
                auth_level: None,
                ..rpc_call()
            }),
        ),
        ("result", Event::RpcResult(rpc_result(None))),
        ("fault", Event::RpcResult(rpc_result(Some(5)))),
        ("endpoint", Event::RpcEndpoint(rpc_endpoint())),
        (
            "negotiate",
            Event::NtlmNegotiate(NtlmNegotiate {
                carrier: Carrier::Rpc,
                flags: 0xe208_8297,
                domain: Text::Str("LAB"),
                workstation: Text::Str("DC01"),
                session: 0,
            }),
        ),
        ("challenge", Event::NtlmChallenge(challenge())),
        ("authenticate", Event::NtlmAuthenticate(authenticate())),
        (
            "certificate enrolment over HTTP",
            Event::HttpDetail(HttpDetail {
                message: "enrolment",
                template: "DomainController",
                attributes: "CertificateTemplate:DomainController; SAN:upn=x@lab.test",
                protection: "",
            }),
        ),
        (
            "winrm",
            Event::HttpDetail(HttpDetail {
                message: "winrm",
                protection: "spnego",
                ..HttpDetail::default()
            }),
        ),
        ("http", Event::HttpTransaction(http)),
        (
            "http, no answer",
            Event::HttpTransaction(HttpTransaction {
                status: None,
                length: None,
                ..http
            }),
        ),
        ("ldap bind", Event::LdapBind(bind("GSS-SPNEGO"))),
        ("ldap simple bind", Event::LdapBind(bind("simple"))),
        (
            "ldap result",
            Event::LdapResult(LdapResult {
                operation: "bind_response",
                code: 49,
                message: Text::Str("80090308: LdapErr: DSID-0C090569"),
                message_id: 7,
                name: "",
                sasl_layer: SaslLayer::None,
            }),
        ),
        (
            "krb ap_req",
            Event::KrbApReq(KrbApReq {
                message: "ap_req",
                carrier: Carrier::Smb,
                realm: Text::Str("LAB.EXAMPLE"),
                sname: Text::Str("cifs/dc01.lab.example"),
                ticket_encryption: "aes256-cts-hmac-sha1-96",
                kvno: Some(3),
                authenticator_encryption: "aes256-cts-hmac-sha1-96",
                mutual: true,
                ticket_id: Some([1; 16]),
                ap_req_id: Some([2; 16]),
                session: 0,
                ticket: Secret::new(b"never to be seen"),
                authenticator: Secret::new(b"never to be seen"),
                message_id: 0,
                session_id: 0,
            }),
        ),
        (
            "krb ap_result",
            Event::KrbApResult(KrbApResult {
                message: "ap_result",
                carrier: Carrier::Smb,
                outcome: "refused",
                ap_rep: false,
                error_code: Some(37),
                error: "KRB_AP_ERR_SKEW",
                status: Some(0xc000_006d),
                session: 0,
            }),
        ),
        (
            "krb request",
            Event::KrbRequest(KrbRequest {
                message: "tgs_req",
                cname: Text::default(),
                realm: Text::Str("LAB.EXAMPLE"),
                sname: Text::Str("cifs/dc01.lab.example"),
                etypes: &[18, 17, -133],
                padata_types: &[1, 129],
                for_user: Text::Str("alice"),
                s4u2proxy: false,
            }),
        ),
        ("krb reply", Event::KrbReply(krb_reply())),
        (
            "krb error",
            Event::KrbReply(KrbReply {
                message: "error",
                padata_types: &[],
                encryption: "",
                ticket_encryption: "",
                kvno: None,
                error_code: Some(25),
                error: "KDC_ERR_PREAUTH_REQUIRED",
                ticket_id: None,
                ticket: Secret::default(),
                ..krb_reply()
            }),
        ),
        (
            "smb negotiate",
            Event::SmbNegotiate(SmbNegotiate {
                dialect: 0x0311,
                signing_required: true,
                server_guid: Some(EFSR),
                client_guid: Some(EFSR),
            }),
        ),
        (
            "smb session",
            Event::SmbSession(SmbSession {
                message: "session",
                dialect: "3.1.1",
                session_id: 0x4000_0000_0001,
                outcome: "accepted",
                status: 0,
                mechanism: "ntlm",
                user: Text::Str("alice"),
                domain: Text::Str("LAB"),
                sname: Text::default(),
                guest: false,
                null_session: false,
                binding: false,
                client_signing_required: false,
                server_signing_required: Some(true),
                signed: true,
                encryption_offered: Some(true),
                encryption_required: false,
                cipher: "aes-128-gcm",
                signing_algorithm: "aes-gmac",
                netname: Text::Str("dc01"),
                client_guid: Some(EFSR),
                server_guid: Some(EFSR),
            }),
        ),
        (
            "smb encrypted",
            Event::SmbEncrypted(SmbEncrypted {
                message: "encrypted",
                session_id: 0x4000_0000_0001,
                requests: 6,
                responses: 6,
                request_sizes: &[106, 132, 184, 113, 208, 113],
                response_sizes: &[80, 152, 80, 148, 80, 108],
                letter_nonces: true,
                pipes: 1,
                pipe_now: false,
            }),
        ),
        (
            "netbios session",
            Event::SmbNetbios(SmbNetbios {
                message: "netbios",
                called: Text::Str("FILES01"),
                calling: Text::Str("PC7"),
            }),
        ),
        (
            "smb interfaces",
            Event::SmbInterfaces(SmbInterfaces {
                message: "interfaces",
                session_id: 0x2c00_0000_0011,
                addresses: &[Addr([0xfe; 16])],
            }),
        ),
        (
            "smb 1 negotiate",
            Event::SmbNegotiate(SmbNegotiate {
                dialect: 1,
                signing_required: false,
                server_guid: None,
                client_guid: None,
            }),
        ),
        ("smb create", Event::SmbCommand(command)),
        (
            "smb tree connect",
            Event::SmbCommand(SmbCommand {
                command: "SMB2_COMMAND_TREE_CONNECT",
                status: None,
                share: Text::Str(r"\\dc01\IPC$"),
                filename: Text::default(),
                dialect: 0,
                ..command
            }),
        ),
        ("dns", Event::Dns(dns("dns", true))),
        ("dns request", Event::Dns(dns("dns", false))),
        ("mdns", Event::Dns(dns("mdns", true))),
        ("mdns request", Event::Dns(dns("mdns", false))),
        ("llmnr", Event::Dns(dns("llmnr", true))),
        ("nbns", Event::Dns(dns("nbns", true))),
        ("dhcp", Event::Dhcp(dhcp())),
        (
            "bare dhcp",
            Event::Dhcp(Dhcp {
                message: DhcpMessage::BOOTP,
                client_mac: Mac::default(),
                client_ip: None,
                assigned_ip: None,
                next_server_ip: None,
                relay_ip: None,
                requested_ip: None,
                hostname: Text::default(),
                lease_time: None,
                routers: &[],
                dns_servers: &[],
                vendor_class: Text::default(),
                server_id: None,
                client_fqdn: Text::default(),
                domain: Text::default(),
                proxy_config: Text::default(),
                frame_mac: Mac::default(),
                client_id: &[1],
                renewal_time: None,
                rebinding_time: None,
                subnet_mask: None,
                params: &[],
                ..dhcp()
            }),
        ),
        ("dhcpv6", Event::Dhcpv6(dhcpv6())),
        (
            "bare dhcpv6",
            Event::Dhcpv6(Dhcpv6 {
                message: "",
                client_duid: &[],
                server_duid: &[],
                addresses: &[],
                t1: None,
                t2: None,
                preferred: None,
                valid: None,
                dns_servers: &[],
                domains: "",
                client_fqdn: "",
                status: None,
                frame_mac: Mac::default(),
                ..dhcpv6()
            }),
        ),
        ("arp", Event::Arp(arp())),
        (
            "bare arp",
            Event::Arp(Arp {
                operation: ArpOperation(9),
                dest_mac: Mac::default(),
                ..arp()
            }),
        ),
        (
            "router advertisement",
            Event::RouterAdvert(RouterAdvert {
                managed: true,
                other: true,
                preference: "high",
                router_lifetime: 1800,
                router_mac: MAC,
                frame_mac: MAC,
                dns_servers: &[Addr([0xfe; 16])],
                dns_lifetime: Some(30),
                mtu: Some(1500),
                prefixes: &[Prefix {
                    addr: Addr([0x20; 16]),
                    bits: 64,
                    autonomous: true,
                    valid: 300,
                    preferred: 120,
                }],
            }),
        ),
        (
            "bare router advertisement",
            Event::RouterAdvert(RouterAdvert {
                managed: false,
                other: false,
                preference: "medium",
                router_lifetime: 0,
                router_mac: Mac::default(),
                frame_mac: Mac::default(),
                dns_servers: &[],
                dns_lifetime: None,
                mtu: None,
                prefixes: &[],
            }),
        ),
        (
            "anomaly",
            Event::Anomaly(Anomaly {
                protocol: "smb",
                what: "NTLM CHALLENGE",
                why: "target info runs past the end",
            }),
        ),
    ];
    events.extend(logons_and_hellos());
    events.push((
        "ldap netlogon",
        Event::LdapNetlogon(LdapNetlogon {
            operation: "search_result_entry",
            message_id: 1,
            forest: "lab.example",
            dns_domain: "lab.example",
            dns_host: "dc01.lab.example",
            nb_domain: "LAB",
            nb_computer: "DC01",
            site: "Default-First-Site-Name",
            client_site: "Default-First-Site-Name",
            ds_flags: 0x33fd,
            sasl_layer: SaslLayer::None,
        }),
    ));
    events.extend(ldap_requests().map(|e| ("ldap request", Event::LdapRequest(e))));
    for operation in [
        "search_result_done",
        "modify_response",
        "add_response",
        "del_response",
        "mod_dn_response",
        "compare_response",
        "extended_response",
    ] {
        let result = LdapResult {
            operation,
            message_id: 8,
            code: 0,
            message: Text::default(),
            name: "",
            sasl_layer: SaslLayer::Signed,
        };
        events.push(("ldap response", Event::LdapResult(result)));
    }
    events
}

/// A line of every kind, with its name.
pub(super) fn lines() -> Vec<(&'static str, Vec<u8>)> {
    let flow = flow();
    let header = Header {
        ts: Timestamp::new(1_795_336_117, 257_438_999),
        flow: Some(&flow),
        in_iface: Some("eth1"),
        pcap_cnt: Some(44),
        pcap_filename: Some("lab.pcap"),
        direction: Some(Direction::ToServer),
        tx_id: Some(0),
    };
    let bare = Header::default();
    let mut lines = Vec::new();
    let mut add = |name, write: &dyn Fn(&mut Lines)| {
        let mut buf = Lines::default();
        write(&mut buf);
        for (_, line) in buf.iter() {
            lines.push((name, line.to_vec()));
        }
    };
    for (name, event) in events() {
        add(name, &|buf| {
            write_event(buf, EventTypes::ALL, &header, &event)
        });
        add(name, &|buf| {
            write_event(buf, EventTypes::ALL, &bare, &event)
        });
    }
    add("finding", &|buf| write_finding(buf, &header, &finding()));
    add("bare finding", &|buf| {
        write_finding(buf, &bare, &Finding::default());
    });
    add("alert", &|buf| write_alert(buf, &header, &alert()));
    add("bare alert", &|buf| {
        write_alert(buf, &header, &bare_alert())
    });
    add("incident", &|buf| write_incident(buf, &bare, &incident()));
    add("bare incident", &|buf| {
        write_incident(buf, &bare, &Incident::default());
    });
    add("identity", &|buf| {
        write_identity(buf, &bare, &records::identity())
    });
    add("bare identity", &|buf| {
        let least = IdentityChange {
            change: "roles",
            ..IdentityChange::default()
        };
        write_identity(buf, &bare, &least);
    });
    add("posture", &|buf| write_posture(buf, &bare, &posture()));
    add("bare posture", &|buf| {
        let least = Posture {
            kind: "rpc_exposed".to_owned(),
            ..Posture::default()
        };
        let posture = least;
        write_posture(
            buf,
            &bare,
            &PostureReport {
                posture,
                ..PostureReport::default()
            },
        );
    });
    add("stats", &|buf| {
        write_stats(buf, header.ts, &StatsRecord::default());
    });
    add("sensor", &|buf| write_sensor(buf, header.ts, &sensor()));
    add("bare sensor", &|buf| {
        let least = SensorRecord {
            version: "0.1.0",
            key_id: "3f2a".to_owned(),
            ..SensorRecord::default()
        };
        write_sensor(buf, header.ts, &least);
    });
    lines
}
