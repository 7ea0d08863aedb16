//! What decoders say.
//!
//! An [`Event`] is borrowed from the packet it was read from and lives until the worker has
//! matched and written it. One declaration per event ([`declare_event!`]) is at once the struct,
//! the fields a rule may name, and the object that EVE carries.

mod action;
mod address;
mod alert;
mod auth;
mod claim;
mod dns_names;
mod finding;
mod http;
mod identity;
mod known;
mod krb5;
mod ldap;
mod name;
pub mod neighbour;
mod rpc;
mod schema;
mod sighting;
mod smb;
mod stats;
mod tds;
mod tls;
mod trace;

pub use action::{DirectoryWrite, Operation, TicketRequest};
pub use address::{Arp, ArpOperation, Dhcp, DhcpMessage, Dhcpv6, Prefix, RouterAdvert};
pub use alert::{
    Alert, FlowMeta, Incident, KrbEvidence, Leg, LegRole, Level, NtlmEvidence, Roles, RpcEvidence,
    Signature,
};
pub use auth::{AuthResult, Carrier, Mic, NtlmAuthenticate, NtlmChallenge, NtlmNegotiate, Secret};
pub use claim::{Claim, HostRole, Roles as HostRoles, Services, Source, Witness};
pub use dns_names::{dns_opcode, dns_rcode, dns_type};
pub use finding::Finding;
pub use http::{HttpDetail, HttpRequest, HttpTransaction};
pub use identity::{SiteKey, identity};
pub use known::{
    HabitRecord, HostRecord, IdentityChange, Knowledge, NameRecord, PasserRecord, Posture,
    PostureReport,
};
pub use krb5::{KrbApReq, KrbApResult, KrbReply, KrbRequest};
pub use ldap::{LdapBind, LdapNetlogon, LdapRequest, LdapResult, SaslLayer};
pub use name::{DnsData, DnsMessage, DnsQuestion, DnsRecord, DnsSection, DnsSoa};
pub use rpc::{RpcBind, RpcCall, RpcEndpoint, RpcResult, RpcTransport};
pub use schema::{
    EventSchema, FieldDef, FieldId, Fields, Mark, OurFields, Value, ValueKind, Words,
};
pub use sighting::{Authenticate, Call, Laxity, OrderKey, Seen, Sighting, Ticket};
pub use smb::{SmbCommand, SmbEncrypted, SmbInterfaces, SmbNegotiate, SmbNetbios, SmbSession};
pub use stats::{
    AppCounts, AppStats, CaptureStats, DecoderStats, DefragStats, DetectStats, FlowCounts,
    FragmentStats, InterfaceStats, Latency, MemoryStats, SensorRecord, StatsRecord, TcpStats,
};
pub use tds::TdsLogin;
pub use tls::TlsHandshake;
pub use trace::{DhcpTrace, Trace};

use crate::net::Direction;

/// Something a decoder read.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A presentation context was offered and answered.
    RpcBind(RpcBind<'a>),
    /// A remote procedure was called.
    RpcCall(RpcCall<'a>),
    /// A remote procedure answered or failed.
    RpcResult(RpcResult<'a>),
    /// An endpoint was asked for or told.
    RpcEndpoint(RpcEndpoint<'a>),
    /// NTLM type 1.
    NtlmNegotiate(NtlmNegotiate<'a>),
    /// NTLM type 2.
    NtlmChallenge(NtlmChallenge<'a>),
    /// NTLM type 3.
    NtlmAuthenticate(NtlmAuthenticate<'a>),
    /// The carrier's verdict on an authentication.
    AuthResult(AuthResult),
    /// An HTTP request head.
    HttpRequest(HttpRequest<'a>),
    /// What is special about an HTTP request.
    HttpDetail(HttpDetail<'a>),
    /// An HTTP request with its response, or without if none was seen.
    HttpTransaction(HttpTransaction<'a>),
    /// An LDAP bind request.
    LdapBind(LdapBind<'a>),
    /// Another LDAP request.
    LdapRequest(LdapRequest<'a>),
    /// A domain controller says who it is.
    LdapNetlogon(LdapNetlogon<'a>),
    /// An LDAP response.
    LdapResult(LdapResult<'a>),
    /// A Kerberos ticket was presented.
    KrbApReq(KrbApReq<'a>),
    /// What came of it.
    KrbApResult(KrbApResult),
    /// A KDC was asked for a ticket.
    KrbRequest(KrbRequest<'a>),
    /// A KDC answered.
    KrbReply(KrbReply<'a>),
    /// An SMB dialect was agreed.
    SmbNegotiate(SmbNegotiate),
    /// An SMB session was set up or refused.
    SmbSession(SmbSession<'a>),
    /// A NetBIOS session for SMB was asked for.
    SmbNetbios(SmbNetbios<'a>),
    /// An SMB server told its addresses.
    SmbInterfaces(SmbInterfaces<'a>),
    /// What encrypted SMB looks like.
    SmbEncrypted(SmbEncrypted<'a>),
    /// An SMB command of interest was answered.
    SmbCommand(SmbCommand<'a>),
    /// A message of DNS, mDNS, LLMNR or NBT-NS.
    Dns(DnsMessage<'a>),
    /// A DHCPv4 message.
    Dhcp(Dhcp<'a>),
    /// A DHCPv6 message.
    Dhcpv6(Dhcpv6<'a>),
    /// An ARP message.
    Arp(Arp),
    /// An IPv6 router advertisement.
    RouterAdvert(RouterAdvert<'a>),
    /// A logon to SQL Server.
    TdsLogin(TdsLogin<'a>),
    /// The clear part of a TLS handshake.
    Tls(TlsHandshake<'a>),
    /// Bytes that do not fit their protocol.
    Anomaly(Anomaly),
}

/// Bytes that do not fit their protocol. Never an error: the decoder goes on or gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Anomaly {
    /// The protocol, as EVE's `app_proto`.
    pub protocol: &'static str,
    /// What was being read.
    pub what: &'static str,
    /// What is wrong.
    pub why: &'static str,
}

impl Anomaly {
    /// An anomaly from an error of `wire`.
    #[must_use]
    pub fn new(protocol: &'static str, error: crate::wire::Error) -> Self {
        Self {
            protocol,
            what: error.what(),
            why: error.why(),
        }
    }
}

/// Where decoders put their events. The worker behind it knows the flow, the packet and the time.
pub trait Sink {
    /// Takes one event that happened in `direction`.
    fn event(&mut self, direction: Direction, event: &Event<'_>);
}

/// Fields of an event by its kind, for rules and for EVE.
impl Event<'_> {
    /// The event as a bag of fields, if rules can see it.
    #[must_use]
    pub fn fields(&self) -> Option<&dyn Fields> {
        match self {
            Self::RpcBind(e) => Some(e),
            Self::RpcCall(e) => Some(e),
            Self::RpcResult(e) => Some(e),
            Self::RpcEndpoint(e) => Some(e),
            Self::NtlmNegotiate(e) => Some(e),
            Self::NtlmChallenge(e) => Some(e),
            Self::NtlmAuthenticate(e) => Some(e),
            Self::HttpRequest(e) => Some(e),
            Self::HttpDetail(e) => Some(e),
            Self::HttpTransaction(e) => Some(e),
            Self::LdapBind(e) => Some(e),
            Self::LdapRequest(e) => Some(e),
            Self::LdapNetlogon(e) => Some(e),
            Self::LdapResult(e) => Some(e),
            Self::KrbApReq(e) => Some(e),
            Self::KrbApResult(e) => Some(e),
            Self::KrbRequest(e) => Some(e),
            Self::KrbReply(e) => Some(e),
            Self::SmbNegotiate(e) => Some(e),
            Self::SmbSession(e) => Some(e),
            Self::SmbNetbios(e) => Some(e),
            Self::SmbInterfaces(e) => Some(e),
            Self::SmbEncrypted(e) => Some(e),
            Self::SmbCommand(e) => Some(e),
            Self::Dns(e) => Some(e),
            Self::Dhcp(e) => Some(e),
            Self::Dhcpv6(e) => Some(e),
            Self::Arp(e) => Some(e),
            Self::RouterAdvert(e) => Some(e),
            Self::TdsLogin(e) => Some(e),
            Self::Tls(e) => Some(e),
            Self::AuthResult(_) | Self::Anomaly(_) => None,
        }
    }
}

/// Every event that rules can name.
pub static SCHEMAS: &[&EventSchema] = &[
    RpcBind::SCHEMA,
    RpcCall::SCHEMA,
    RpcResult::SCHEMA,
    RpcEndpoint::SCHEMA,
    NtlmNegotiate::SCHEMA,
    NtlmChallenge::SCHEMA,
    NtlmAuthenticate::SCHEMA,
    HttpRequest::SCHEMA,
    HttpDetail::SCHEMA,
    HttpTransaction::SCHEMA,
    LdapBind::SCHEMA,
    LdapRequest::SCHEMA,
    LdapNetlogon::SCHEMA,
    LdapResult::SCHEMA,
    KrbApReq::SCHEMA,
    KrbApResult::SCHEMA,
    KrbRequest::SCHEMA,
    KrbReply::SCHEMA,
    SmbNegotiate::SCHEMA,
    SmbSession::SCHEMA,
    SmbNetbios::SCHEMA,
    SmbInterfaces::SCHEMA,
    SmbEncrypted::SCHEMA,
    SmbCommand::SCHEMA,
    DnsMessage::SCHEMA,
    Dhcp::SCHEMA,
    Dhcpv6::SCHEMA,
    Arp::SCHEMA,
    RouterAdvert::SCHEMA,
    TdsLogin::SCHEMA,
    TlsHandshake::SCHEMA,
    Finding::SCHEMA,
];
