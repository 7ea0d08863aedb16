//! One of every line, for tests: full ones and the emptiest there can be.

use std::sync::Arc;

use super::*;
use crate::event::*;
use crate::net::{Addr, Direction, Endpoint, Mac, Outer, Transport};
use crate::time::Timestamp;
use crate::wire::{Guid, Text};

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
        gaps: 0,
    }
}

const MAC: Mac = Mac([2, 0, 0, 0, 0, 0x66]);

/// A message with a record of every kind, or one with as little as there can be.
fn dns(protocol: &'static str, full: bool) -> DnsMessage<'static> {
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

fn dhcp() -> Dhcp<'static> {
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

fn dhcpv6() -> Dhcpv6<'static> {
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

fn arp() -> Arp {
    Arp {
        operation: ArpOperation::REPLY,
        src_mac: MAC,
        src_ip: addr(66),
        dest_mac: MAC,
        dest_ip: addr(10),
        frame_mac: MAC,
    }
}

/// A call with everything known.
pub(super) fn rpc_call() -> RpcCall<'static> {
    RpcCall {
        interface: Some(EFSR),
        endpoint: "efs",
        opnum: 0,
        operation: "EfsRpcOpenFileRaw",
        version: "1.0",
        transport: "ncacn_np",
        named_pipe: "lsarpc",
        auth_type: Some(10),
        auth_level: Some(6),
        sealed: false,
        stub_len: 72,
        path: Some(r"\\192.0.2.66\share\x"),
        argument: Some("DC01"),
        detail: Some("DC01$"),
        zero_credential: Some(true),
        client: Some(Addr::v4([192, 0, 2, 77])),
        by_endpoint: Some(true),
        ndr64: true,
        call_id: 2,
        fragments: 1,
        object: None,
        method: None,
        path_by_scan: false,
        stub: b"",
        association: 0,
    }
}

fn rpc_endpoint() -> RpcEndpoint<'static> {
    RpcEndpoint {
        source: "ept_map",
        asked: false,
        interface: Some(EFSR),
        endpoint: "efs",
        version: "1.0",
        transport: "ncacn_ip_tcp",
        port: Some(49_664),
        pipe: Text::Str(r"\pipe\lsass"),
        host: Text::Str("192.0.2.10"),
    }
}

fn rpc_result(fault: Option<u32>) -> RpcResult<'static> {
    RpcResult {
        interface: Some(EFSR),
        endpoint: "efs",
        opnum: 0,
        operation: "EfsRpcOpenFileRaw",
        fault,
        status: Some(0x35),
        sealed: false,
        stub_len: 24,
        call_id: 2,
        fragments: 1,
        association: 0,
    }
}

fn rpc_bind(accepted: Option<bool>) -> RpcBind<'static> {
    RpcBind {
        interface: EFSR,
        version: "1.0",
        endpoint: "efs",
        transport: "ncacn_np",
        named_pipe: "lsarpc",
        accepted,
        auth_type: None,
        auth_level: None,
        call_id: 1,
        major: 1,
        minor: 0,
        ack_result: 0,
    }
}

fn authenticate() -> NtlmAuthenticate<'static> {
    NtlmAuthenticate {
        carrier: Carrier::Smb,
        user: Text::Str("DC01$"),
        domain: Text::Str("LAB"),
        workstation: Text::Str("DC01"),
        anonymous: false,
        response: "v2",
        server_challenge: Some(*b"\x01\x02\x03\x04\x05\x06\x07\x08"),
        flags: 0xe288_8215,
        target_name: Text::Str("cifs/192.0.2.66"),
        nb_computer_name: Text::Str("CA01"),
        dns_computer_name: Text::Str("ca01.lab.example"),
        mic: Mic::Present,
        channel_bindings: false,
        session: 1,
        nt_response: Secret::new(b"never to be seen"),
        message_id: 5,
        session_id: 6,
    }
}

fn challenge() -> NtlmChallenge<'static> {
    NtlmChallenge {
        carrier: Carrier::Http,
        flags: 0xe289_8215,
        server_challenge: *b"\x01\x02\x03\x04\x05\x06\x07\x08",
        target_name: Text::Str("LAB"),
        nb_computer_name: Text::Str("CA01"),
        nb_domain_name: Text::Str("LAB"),
        dns_computer_name: Text::Str("ca01.lab.example"),
        dns_domain_name: Text::Str("lab.example"),
        session: 0,
        server_guid: None,
        message_id: 0,
        session_id: 0,
    }
}

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

fn logons_and_hellos() -> [(&'static str, Event<'static>); 4] {
    let tls = TlsHandshake {
        server_name: "ca01.lab.example",
        version: "TLS 1.2",
        client_alpns: Words::new("h2\nhttp/1.1"),
        server_alpns: Words::new("h2"),
        ja4: "t13d1516h2_8daaf6152771_e5627efa2ab1",
        subject: "CN=ca01.lab.example",
        issuer: "CN=lab-CA",
        names: Words::new("ca01.lab.example\nca01"),
        fingerprint: "01:23",
        from_proto: "ldap",
    };
    let hello = TlsHandshake {
        server_name: "",
        version: "",
        client_alpns: Words::default(),
        server_alpns: Words::default(),
        subject: "",
        issuer: "",
        names: Words::default(),
        fingerprint: "",
        from_proto: "",
        ..tls
    };
    let tds = TdsLogin {
        user: Text::Str("sa"),
        host: Text::Str("WS01"),
        app: Text::Str("tool"),
        server: Text::Str("sql01"),
        library: Text::Str("ODBC"),
        database: Text::Str("master"),
        integrated: Some(false),
        client_encryption: "not_supported",
        server_encryption: "off",
        hidden: None,
    };
    let hidden = TdsLogin {
        hidden: Some(true),
        ..TdsLogin::default()
    };
    [
        ("tls", Event::Tls(tls)),
        ("tls, hello only", Event::Tls(hello)),
        ("tds", Event::TdsLogin(tds)),
        ("tds, hidden", Event::TdsLogin(hidden)),
    ]
}

/// A full request and an empty one of every operation.
fn ldap_requests() -> impl Iterator<Item = LdapRequest<'static>> {
    let full = LdapRequest {
        operation: "",
        message_id: 8,
        object: Text::Str("CN=DC01,OU=Domain Controllers,DC=lab,DC=example"),
        attributes: Words::new("msDS-KeyCredentialLink\nmember"),
        changes: Words::new("replace\nadd"),
        value_count: Some(2),
        value_bytes: Some(828),
        object_class: Words::new("top\ncomputer"),
        new_rdn: Text::Str("CN=x"),
        new_superior: Text::Str("DC=lab,DC=example"),
        scope: "subtree",
        filter: "(objectClass=pKIEnrollmentService)",
        name: "1.3.6.1.4.1.1466.20037",
        marshalled_target: Some(true),
        sasl_layer: SaslLayer::Signed,
        abandoned: Some(7),
        scope_code: 2,
        delete_old_rdn: true,
    };
    let empty = LdapRequest {
        message_id: 9,
        object: Text::default(),
        attributes: Words::default(),
        changes: Words::default(),
        value_count: None,
        value_bytes: None,
        object_class: Words::default(),
        new_rdn: Text::default(),
        new_superior: Text::default(),
        scope: "",
        filter: "",
        name: "",
        marshalled_target: None,
        sasl_layer: SaslLayer::None,
        abandoned: None,
        ..full
    };
    let of = move |operation| [full, empty].map(|e| LdapRequest { operation, ..e });
    [
        "modify_request",
        "add_request",
        "del_request",
        "mod_dn_request",
        "compare_request",
        "search_request",
        "extended_request",
        "abandon_request",
        "unbind_request",
    ]
    .into_iter()
    .flat_map(of)
}

fn krb_reply() -> KrbReply<'static> {
    KrbReply {
        message: "as_rep",
        request: Some("as_req"),
        cname: Text::Str("alice"),
        crealm: Text::Str("LAB.EXAMPLE"),
        realm: Text::Str("LAB.EXAMPLE"),
        sname: Text::Str("krbtgt/LAB.EXAMPLE"),
        padata_types: &[19],
        encryption: "aes256-cts-hmac-sha1-96",
        ticket_encryption: "rc4-hmac",
        kvno: Some(2),
        error_code: None,
        error: "",
        ticket_id: Some([3; 16]),
        ticket: Secret::new(b"never to be seen"),
    }
}

fn finding() -> Finding {
    Finding {
        detector: "RW-06",
        kind: "coercion",
        confidence: "high",
        outcome: "attempt",
        attacker: Some(addr(66)),
        victim: Some(addr(10)),
        family: "efsr".to_owned(),
        method_id: "efsr-0".to_owned(),
        interface: Some(EFSR),
        opnum: Some(0),
        path: r"\\192.0.2.66\share\x".to_owned(),
        ..Finding::default()
    }
}

fn legs() -> Vec<Leg> {
    let leg = |role, pcap_cnt| Leg {
        role,
        flow: flow(),
        pcap_cnt,
        ts: flow().first_ts,
    };
    let mut unknown = leg(LegRole::Action, 0);
    unknown.flow.app_proto = "";
    vec![
        leg(LegRole::Coercion, 10),
        leg(LegRole::Victim, 20),
        leg(LegRole::Target, 30),
        unknown,
    ]
}

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|s| (*s).to_owned()).collect()
}

fn alert() -> Alert {
    Alert {
        ts: flow().first_ts,
        pcap_cnt: 44,
        flow: flow(),
        signature: Arc::new(Signature {
            gid: 1,
            sid: 2_593_001,
            rev: 1,
            title: "Sample".to_owned(),
            id: "7f1c9f6e-0000-4000-8000-000000000000".to_owned(),
            category: "Credential Access".to_owned(),
            level: Level::High,
            detector: "RW-06".to_owned(),
            techniques: texts(&["T1187"]),
            tactics: texts(&["credential_access"]),
            references: texts(&["https://example.com/"]),
            false_positives: Vec::new(),
        }),
        finding: Arc::new(finding()),
        legs: legs(),
        rpc: Some(RpcEvidence {
            interface: EFSR.to_string(),
            version: "1.0".to_owned(),
            opnum: 0,
            method: "EfsRpcOpenFileRaw".to_owned(),
            transport: "ncacn_np".to_owned(),
            auth_type: Some(10),
            auth_level: Some(6),
            sealed: true,
            stub_len: 72,
            path: Some(r"\\192.0.2.66\share\x".to_owned()),
            path_host: Some("192.0.2.66".to_owned()),
        }),
        ntlm: Some(NtlmEvidence {
            server_challenge: Some([1; 8]),
            user: "DC01$".to_owned(),
            domain: "LAB".to_owned(),
            workstation: "DC01".to_owned(),
            target_name: "cifs/192.0.2.66".to_owned(),
            dns_computer_name: "ca01.lab.example".to_owned(),
            mic: "present",
            nt_hash_id: Some([2; 16]),
        }),
        evidence: texts(&["192.0.2.66 called EfsRpcOpenFileRaw on 192.0.2.10."]),
        incident_id: 0x00ff_0000_0000_0001,
        alert_id: 2,
        gaps: 0,
        drops: 0,
        suppressed: true,
    }
}

/// The least an alert can say.
fn bare_alert() -> Alert {
    Alert {
        signature: Arc::new(Signature {
            gid: 2,
            ..Signature::default()
        }),
        finding: Arc::new(Finding::default()),
        legs: Vec::new(),
        rpc: None,
        ntlm: Some(NtlmEvidence::default()),
        evidence: Vec::new(),
        suppressed: false,
        ..alert()
    }
}

fn incident() -> Incident {
    Incident {
        ts: flow().first_ts,
        incident_id: 0x00ff_0000_0000_0001,
        rev: 3,
        detectors: texts(&["RW-01", "RW-06"]),
        techniques: texts(&["T1187", "T1557.001"]),
        methods: texts(&["EfsRpcOpenFileRaw"]),
        level: Level::Critical,
        confidence: "high",
        outcome: "success",
        count: 5,
        roles: Roles {
            attacker: vec![addr(66)],
            victim: vec![addr(10), addr(11)],
            listener: vec![addr(66)],
            target: vec![addr(20)],
        },
        more: 2,
        legs: legs(),
        first_ts: flow().first_ts,
        last_ts: flow().first_ts,
        evidence: texts(&["One sentence."]),
        campaign_id: 9,
        evictions: 4,
        merged_into: 7,
        closed: true,
    }
}

fn identity() -> IdentityChange {
    IdentityChange {
        ts: flow().first_ts,
        change: "moved",
        address: addr(21),
        name: "files1.lab.example".to_owned(),
        names: texts(&["files1.lab.example", "files1"]),
        roles: HostRole::File.into(),
        source: Some(Source::Dhcp),
        since: Some(flow().first_ts),
        previous: Some(addr(20)),
        learning: true,
        suppressed: 3,
    }
}

fn posture() -> PostureReport {
    PostureReport {
        ts: flow().first_ts,
        posture: Posture {
            kind: "smb_unsigned".to_owned(),
            host: addr(21),
            count: 9,
            others: vec![addr(50), addr(51)],
            more: 1,
            examples: texts(&["LAB\\\\alice"]),
            first_ts: flow().first_ts,
            last_ts: flow().first_ts,
        },
        names: texts(&["files1.lab.example"]),
        roles: HostRole::File.into(),
        advice: "Require SMB signing.",
    }
}

fn sensor() -> SensorRecord {
    SensorRecord {
        outputs: [("siem".to_owned(), OutputCounters::default().all().into())].into(),
        uptime: 60,
        version: "0.1.0",
        key_id: "3f2a".to_owned(),
        workers: 2,
        evicted: [("exchanges", 3)].into(),
        decode_errors: [("smb: header: too short".to_owned(), 1)].into(),
        interfaces: vec![InterfaceStats {
            name: "eth1".to_owned(),
            up: true,
            ..InterfaceStats::default()
        }],
        latency: Some(Latency {
            samples: 10,
            ..Latency::default()
        }),
        ..SensorRecord::default()
    }
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
    add("identity", &|buf| write_identity(buf, &bare, &identity()));
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
