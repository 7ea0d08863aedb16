//! What survives the worker: owned, small, rare.

use std::sync::Arc;

use super::{
    Carrier, Claim, DirectoryWrite, FlowMeta, Mic, Operation, Signature, TicketRequest, Trace,
};
use crate::net::{Addr, Direction};
use crate::time::Timestamp;
use crate::wire::Guid;

/// Total order of everything that leaves the workers, the same for any number of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderKey {
    /// Number of the packet in its source.
    pub number: u64,
    /// 0 for what a packet caused; the flow's id for what its timeout caused after that packet.
    pub expired: u64,
    /// Position among the events of that packet.
    pub index: u32,
}

/// An event that the correlator needs.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// Where it belongs in time.
    pub key: OrderKey,
    /// Packet time.
    pub ts: Timestamp,
    /// The flow.
    pub flow: FlowMeta,
    /// Which way.
    pub direction: Direction,
    /// What was seen.
    pub seen: Seen,
}

/// What a sighting is of.
#[derive(Clone, Debug)]
pub enum Seen {
    /// NTLM NEGOTIATE.
    Negotiate {
        /// Protocol.
        carrier: Carrier,
        /// Exchange within the flow.
        session: u64,
        /// NegotiateFlags.
        flags: u32,
        /// Workstation the client supplied, as sent.
        workstation: String,
    },
    /// NTLM CHALLENGE.
    Challenge {
        /// Protocol.
        carrier: Carrier,
        /// Exchange within the flow.
        session: u64,
        /// NegotiateFlags.
        flags: u32,
        /// ServerChallenge.
        challenge: [u8; 8],
        /// MsvAvNbComputerName, lower case.
        nb_computer: String,
        /// MsvAvDnsComputerName, lower case.
        dns_computer: String,
        /// Identity of the carrying message's bytes, 0 if unknown.
        message_id: u64,
        /// Identity of what a forwarder keeps, 0 if unknown.
        session_id: u64,
    },
    /// NTLM AUTHENTICATE.
    Authenticate(Box<Authenticate>),
    /// The verdict on it.
    AuthResult {
        /// Protocol.
        carrier: Carrier,
        /// Exchange within the flow.
        session: u64,
        /// Accepted.
        success: bool,
        /// The carrier's code.
        code: u32,
    },
    /// A call that the catalogue knows as coercion.
    Call(Box<Call>),
    /// An answer to such a call.
    Answer {
        /// As in the call.
        association: u64,
        /// C706 call id.
        call_id: u32,
        /// Fault status.
        fault: Option<u32>,
        /// Return value, if readable.
        status: Option<u32>,
    },
    /// By the sizes of its encrypted messages, a client opened a named pipe and bound an interface.
    EncryptedPipe {
        /// The client's nonces are letters, as those of impacket are.
        letter_nonces: bool,
    },
    /// A ticket was presented to a service.
    Ticket(Box<Ticket>),
    /// What came of it.
    TicketResult {
        /// Exchange within the flow.
        session: u64,
        /// Accepted; absent if the exchange merely went on.
        success: Option<bool>,
        /// KRB-ERROR's code, or else the carrier's.
        code: Option<u32>,
    },
    /// A KDC gave the client a ticket.
    Granted {
        /// Keyed hash of the ticket.
        ticket_id: [u8; 16],
        /// Client's name in it.
        cname: String,
        /// By an AS-REP, not a TGS-REP.
        initial: bool,
    },
    /// An HTTP request for certificate enrolment.
    Request {
        /// Method.
        method: String,
        /// Request target.
        uri: String,
    },
    /// An LDAP request that changes the directory.
    DirectoryWrite(Box<DirectoryWrite>),
    /// The answer to one.
    DirectoryResult {
        /// messageID.
        message_id: u32,
        /// resultCode.
        code: u32,
    },
    /// A call of an interface whose abuse has a name.
    Operation(Box<Operation>),
    /// The answer to one.
    OperationResult {
        /// As in the call.
        association: u64,
        /// C706 call id.
        call_id: u32,
        /// Fault status.
        fault: Option<u32>,
        /// Return value, if readable.
        status: Option<u32>,
    },
    /// A ticket for replication between domain controllers was shown (MS-DRSR 2.2.3.2).
    ReplicationTicket,
    /// A KDC is asked with a certificate, or in another's name.
    TicketRequest(Box<TicketRequest>),
    /// A dynamic update of DNS (RFC 2136) sets a name.
    NameUpdate {
        /// The name, lower case.
        name: String,
    },
    /// A sign of what may come before an attack.
    Trace(Box<Trace>),
    /// Evidence of who is at an address.
    Claim(Box<Claim>),
    /// Something that should be configured otherwise, seen at the flow's server.
    Lax(Laxity),
    /// A rule on protocol events matched.
    RuleHit {
        /// The rule.
        signature: Arc<Signature>,
        /// What correlation rules need of the event; `None` if none is about the rule.
        captured: Option<Box<[String]>>,
        /// User and domain that the event names, for the operator's exceptions; empty if it names none.
        account: [String; 2],
    },
}

/// What a host let pass that a hardened one would not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Laxity {
    /// The SMB server does not require signing, and accepted a session.
    SmbUnsigned {
        /// Who was let in.
        user: String,
    },
    /// A password went over LDAP in clear.
    LdapSimple {
        /// The bind's name.
        user: String,
    },
    /// The endpoint mapper, or RPC behind port 593, answered.
    Endpoint {
        /// 135 or 593.
        port: u16,
    },
}

/// The owned form of an NTLM AUTHENTICATE. The response itself does not leave the worker.
#[derive(Clone, Debug)]
pub struct Authenticate {
    /// Protocol.
    pub carrier: Carrier,
    /// Exchange within the flow.
    pub session: u64,
    /// CHALLENGE of the same exchange.
    pub challenge: Option<[u8; 8]>,
    /// Keyed hash of the NT response, if it is over 24 bytes.
    pub nt_hash: Option<[u8; 16]>,
    /// No user, no response.
    pub anonymous: bool,
    /// NegotiateFlags.
    pub flags: u32,
    /// UserName.
    pub user: String,
    /// DomainName.
    pub domain: String,
    /// Workstation.
    pub workstation: String,
    /// MsvAvTargetName.
    pub target_name: String,
    /// MsvAvDnsComputerName.
    pub dns_computer: String,
    /// Message integrity code.
    pub mic: Mic,
    /// The response is NTLMv1's.
    pub version1: bool,
    /// It is bound to a TLS channel.
    pub channel_bindings: bool,
    /// Identity of the carrying message's bytes, 0 if unknown.
    pub message_id: u64,
    /// Identity of what a forwarder keeps, 0 if unknown.
    pub session_id: u64,
}

/// The owned form of a Kerberos AP-REQ. Neither ticket nor authenticator leaves the worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Protocol.
    pub carrier: Carrier,
    /// Exchange within the flow.
    pub session: u64,
    /// Realm that issued the ticket.
    pub realm: String,
    /// Service the ticket is for.
    pub sname: String,
    /// Encryption of the ticket.
    pub etype: &'static str,
    /// Keyed hash of the ticket.
    pub ticket_id: [u8; 16],
    /// Keyed hash of ticket and authenticator.
    pub ap_req_id: [u8; 16],
    /// Identity of the carrying message's bytes, 0 if unknown.
    pub message_id: u64,
    /// Identity of what a forwarder keeps, 0 if unknown.
    pub session_id: u64,
}

/// The owned form of a coercion call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Interface.
    pub interface: Guid,
    /// `major.minor`.
    pub version: String,
    /// Operation number.
    pub opnum: u16,
    /// Protocol sequence.
    pub transport: &'static str,
    /// Named pipe.
    pub named_pipe: String,
    /// As in the event.
    pub association: u64,
    /// C706 call id.
    pub call_id: u32,
    /// Authentication type.
    pub auth_type: Option<u8>,
    /// Authentication level.
    pub auth_level: Option<u8>,
    /// The stub is ciphertext.
    pub sealed: bool,
    /// Bytes of stub.
    pub stub_len: u32,
    /// Path, if it could be read.
    pub path: Option<String>,
    /// The path was found by searching.
    pub path_by_scan: bool,
    /// The client behind a proxy; the flow's client is the proxy then.
    pub client: Option<Addr>,
}
