//! Bodies of protocol events: Suricata's objects, and `ntlm`.
//!
//! Field names and types are Suricata's; its schema is closed, so nothing else may be in them.
//! Suricata writes one record a transaction; here the request and the answer are a line each,
//! at the time of their own packet.

use std::fmt::Display;

use serde::Serialize;

use super::eve::Show;
use super::names::{self, Named, Snake};
use crate::event::{
    Anomaly, Fields, HttpTransaction, KrbReply, OurFields, RpcBind, RpcCall, RpcResult, SmbCommand,
    SmbNegotiate, TlsHandshake, Words,
};
use crate::net::Transport;
use crate::wire::{Guid, Text};

/// Text, if there is any.
pub(super) fn some(text: &str) -> Option<&str> {
    Some(text).filter(|t| !t.is_empty())
}

pub(super) fn some_text(text: Text<'_>) -> Option<Show<Text<'_>>> {
    Some(Show(text)).filter(|t| !t.0.is_empty())
}

/// Suricata's `dcerpc`.
#[derive(Serialize, Default)]
pub(super) struct Dcerpc<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    req: Option<Request>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    res: Option<Response>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interfaces: Option<[Interface<'a>; 1]>,
    call_id: u32,
    rpc_version: &'static str,
}

#[derive(Serialize)]
struct Request {
    opnum: u16,
    frag_cnt: u32,
    stub_data_size: u32,
}

#[derive(Serialize)]
struct Response {
    frag_cnt: u32,
    stub_data_size: u32,
}

#[derive(Serialize)]
struct Interface<'a> {
    uuid: Show<Guid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ack_result: Option<u16>,
}

/// The only version there is with connections (C706 12.6.3.1).
const RPC_VERSION: &str = "5.0";
/// The version of datagrams (C706 12.5.2.1).
const DATAGRAM_VERSION: &str = "4.0";

fn version(transport: Option<Transport>) -> &'static str {
    match transport {
        Some(Transport::Udp) => DATAGRAM_VERSION,
        _ => RPC_VERSION,
    }
}

pub(super) fn rpc_bind<'a>(e: &RpcBind<'a>) -> Dcerpc<'a> {
    Dcerpc {
        request: Some("BIND"),
        response: Some(match e.accepted {
            Some(_) => "BINDACK",
            None => "UNREPLIED",
        }),
        interfaces: Some([Interface {
            uuid: Show(e.interface),
            version: some(e.version),
            ack_result: e.accepted.map(|_| e.ack_result),
        }]),
        call_id: e.call_id,
        rpc_version: RPC_VERSION,
        ..Dcerpc::default()
    }
}

pub(super) fn rpc_request<'a>(e: &RpcCall<'a>, transport: Option<Transport>) -> Dcerpc<'a> {
    Dcerpc {
        request: Some("REQUEST"),
        req: Some(Request {
            opnum: e.opnum,
            frag_cnt: e.fragments,
            stub_data_size: e.stub_len,
        }),
        interfaces: e.interface.map(|uuid| {
            [Interface {
                uuid: Show(uuid),
                version: some(e.version),
                ack_result: None,
            }]
        }),
        call_id: e.call_id,
        rpc_version: version(transport),
        ..Dcerpc::default()
    }
}

pub(super) fn rpc_response(e: &RpcResult<'_>, transport: Option<Transport>) -> Dcerpc<'static> {
    let fault = e.fault.is_some();
    Dcerpc {
        response: Some(if fault { "FAULT" } else { "RESPONSE" }),
        res: (!fault).then_some(Response {
            frag_cnt: e.fragments,
            stub_data_size: e.stub_len,
        }),
        call_id: e.call_id,
        rpc_version: version(transport),
        ..Dcerpc::default()
    }
}

/// Our `ntlm`: which message, and its fields.
#[derive(Serialize)]
pub(super) struct Ntlm<'a> {
    message: &'static str,
    #[serde(flatten)]
    fields: OurFields<'a>,
}

impl<'a> Ntlm<'a> {
    pub(super) fn new(event: &'a dyn Fields) -> Self {
        Self {
            message: event.schema().name,
            fields: OurFields(event),
        }
    }
}

/// Suricata's `http`.
#[derive(Serialize)]
pub(super) struct Http<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
}

pub(super) fn http<'a>(e: &HttpTransaction<'a>) -> Http<'a> {
    Http {
        hostname: some(e.host),
        url: some(e.uri),
        http_user_agent: some(e.user_agent),
        http_content_type: some(e.content_type),
        http_method: some(e.method),
        protocol: some(e.protocol),
        status: e.status,
        length: e.length,
    }
}

/// Suricata's `krb5`: one line for each answer of a KDC.
#[derive(Serialize, Default)]
pub(super) struct Krb5<'a> {
    msg_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_request: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<Show<Named>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cname: Option<Show<Text<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    realm: Option<Show<Text<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sname: Option<Show<Text<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption: Option<Show<Constant<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weak_encryption: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket_encryption: Option<Show<Constant<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket_weak_encryption: Option<bool>,
}

/// A name in capitals, `RC4_HMAC` for `rc4-hmac`, as Suricata writes encryption types.
struct Constant<'a>(&'a str);

impl Display for Constant<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use std::fmt::Write;
        self.0.chars().try_for_each(|c| match c {
            '-' => f.write_char('_'),
            c => f.write_char(c.to_ascii_uppercase()),
        })
    }
}

pub(super) fn krb5<'a>(e: &KrbReply<'a>) -> Krb5<'a> {
    let constant = |name| some(name).map(|name| Show(Constant(name)));
    // AES and Camellia are what is left after RFC 6649 and RFC 8429.
    let weak =
        |name| some(name).map(|name| !name.starts_with("aes") && !name.starts_with("camellia"));
    Krb5 {
        msg_type: match e.message {
            "as_rep" => "KRB_AS_REP",
            "tgs_rep" => "KRB_TGS_REP",
            _ => "KRB_ERROR",
        },
        failed_request: e.error_code.and(e.request).map(|request| match request {
            "as_req" => "KRB_AS_REQ",
            _ => "KRB_TGS_REQ",
        }),
        error_code: e
            .error_code
            .map(|code| Show(Named(Some(e.error).filter(|t| !t.is_empty()), code))),
        cname: some_text(e.cname),
        realm: some_text(if e.crealm.is_empty() {
            e.realm
        } else {
            e.crealm
        }),
        sname: some_text(e.sname),
        encryption: constant(e.encryption),
        weak_encryption: weak(e.encryption),
        ticket_encryption: constant(e.ticket_encryption),
        ticket_weak_encryption: weak(e.ticket_encryption),
    }
}

/// Suricata's `smb`.
#[derive(Serialize, Default)]
pub(super) struct Smb<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    dialect: Option<Show<Named>>,
    command: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Show<Named>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<Show<Code>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tree_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<Show<Text<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<Show<Text<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_guid: Option<Show<Guid>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_guid: Option<Show<Guid>>,
}

/// A status code as Suricata writes it, `0xc0000022`.
struct Code(u32);

impl Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

fn dialect(revision: u16) -> Option<Show<Named>> {
    (revision != 0).then(|| Show(Named(names::dialect(revision), revision.into())))
}

pub(super) fn smb_negotiate(e: &SmbNegotiate) -> Smb<'static> {
    Smb {
        dialect: dialect(e.dialect),
        command: if e.dialect == 1 {
            "SMB1_COMMAND_NEGOTIATE_PROTOCOL"
        } else {
            "SMB2_COMMAND_NEGOTIATE_PROTOCOL"
        },
        client_guid: e.client_guid.map(Show),
        server_guid: e.server_guid.map(Show),
        ..Smb::default()
    }
}

pub(super) fn smb_command<'a>(e: &SmbCommand<'a>) -> Smb<'a> {
    Smb {
        dialect: dialect(e.dialect),
        command: e.command,
        status: e.status.map(|s| Show(Named(names::ntstatus(s), s))),
        status_code: e.status.map(|s| Show(Code(s))),
        session_id: Some(e.session_id).filter(|id| *id != 0),
        tree_id: Some(e.tree_id).filter(|id| *id != 0),
        share: some_text(e.share),
        filename: some_text(e.filename),
        client_guid: None,
        server_guid: None,
    }
}

/// Suricata's `tls`.
#[derive(Serialize)]
pub(super) struct Tls<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuerdn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subjectaltname: Option<Words<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sni: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ja4: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_alpns: Option<Words<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_alpns: Option<Words<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_proto: Option<&'a str>,
}

pub(super) fn tls<'a>(e: &TlsHandshake<'a>) -> Tls<'a> {
    let words = |words: Words<'a>| Some(words).filter(|w| !w.is_empty());
    Tls {
        subject: some(e.subject),
        issuerdn: some(e.issuer),
        subjectaltname: words(e.names),
        fingerprint: some(e.fingerprint),
        sni: some(e.server_name),
        version: some(e.version),
        ja4: some(e.ja4),
        client_alpns: words(e.client_alpns),
        server_alpns: words(e.server_alpns),
        from_proto: some(e.from_proto),
    }
}

/// Suricata's `anomaly`.
#[derive(Serialize)]
pub(super) struct AnomalyBody<'a> {
    app_proto: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    layer: &'static str,
    event: Show<Snake<'a>>,
}

/// Calls `put` with the body of an anomaly.
pub(super) fn with_anomaly<R>(e: &Anomaly, put: impl FnOnce(&AnomalyBody<'_>) -> R) -> R {
    put(&AnomalyBody {
        app_proto: e.protocol,
        kind: "applayer",
        layer: "proto_parser",
        event: Show(Snake(&[e.what, e.why])),
    })
}
