//! NTLM and the outcome of authentication, whatever carries it.

use std::fmt;

use super::schema::{AsValue, Value, ValueKind, declare_event};
use crate::wire::{Guid, Text};

/// The protocol that carries a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Carrier {
    /// SMB session setup.
    Smb,
    /// HTTP Authorization and WWW-Authenticate.
    Http,
    /// LDAP bind.
    Ldap,
    /// DCE/RPC security trailer.
    Rpc,
    /// TKEY record.
    Dns,
    /// A request to a Kerberos KDC.
    Kerberos,
    /// TDS logon.
    Tds,
    /// SMTP AUTH.
    Smtp,
    /// IMAP AUTHENTICATE.
    Imap,
    /// POP3 AUTH.
    Pop3,
}

impl Carrier {
    /// EVE's `app_proto`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Smb => "smb",
            Self::Http => "http",
            Self::Ldap => "ldap",
            Self::Rpc => "dcerpc",
            Self::Dns => "dns",
            Self::Kerberos => "krb5",
            Self::Tds => "tds",
            Self::Smtp => "smtp",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
        }
    }
}

impl AsValue for Carrier {
    const KIND: ValueKind = ValueKind::Text;
    fn as_value(&self) -> Value<'_> {
        Value::Text(Text::Str(self.name()))
    }
}

/// Bytes that must never be shown: responses, proofs. Only a keyed hash of them leaves the sensor.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Secret<'a>(&'a [u8]);

impl<'a> Secret<'a> {
    /// Wraps the bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes, for hashing and nothing else.
    #[must_use]
    pub fn reveal_for_hashing(self) -> &'a [u8] {
        self.0
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} secret bytes>", self.0.len())
    }
}

/// State of the message integrity code of an AUTHENTICATE (MS-NLMP 2.2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mic {
    /// Not there and not promised.
    Absent,
    /// There.
    Present,
    /// The NTLMv2 blob promises it (MsvAvFlags 0x2) and it is missing or all zero: taken out on the way.
    Stripped,
}

impl AsValue for Mic {
    const KIND: ValueKind = ValueKind::Text;
    fn as_value(&self) -> Value<'_> {
        Value::Text(Text::Str(match self {
            Self::Absent => "absent",
            Self::Present => "present",
            Self::Stripped => "stripped",
        }))
    }
}

declare_event! {
    /// NTLM NEGOTIATE, type 1 (MS-NLMP 2.2.1.1).
    #[derive(Clone, Copy, Debug)]
    "ntlm" "negotiate"
    pub struct NtlmNegotiate<'a> {
        /// Carrying protocol.
        pub carrier: Carrier => "carrier" Ours,
        /// NegotiateFlags.
        pub flags: u32 => "negotiate_flags" Ours,
        /// Domain the client supplied.
        pub domain: Text<'a> => "domainname" Ours,
        /// Workstation the client supplied.
        pub workstation: Text<'a> => "hostname" Ours,
        ;
        /// Tells exchanges of one flow apart (SMB SessionId, RPC auth_context_id, else 0).
        pub session: u64,
    }
}

declare_event! {
    /// NTLM CHALLENGE, type 2 (MS-NLMP 2.2.1.2).
    #[derive(Clone, Copy, Debug)]
    "ntlm" "challenge"
    pub struct NtlmChallenge<'a> {
        /// Carrying protocol.
        pub carrier: Carrier => "carrier" Ours,
        /// NegotiateFlags.
        pub flags: u32 => "negotiate_flags" Ours,
        /// ServerChallenge, eight bytes.
        pub server_challenge: [u8; 8] => "server_challenge" Ours,
        /// TargetName.
        pub target_name: Text<'a> => "target_name" Ours,
        /// MsvAvNbComputerName.
        pub nb_computer_name: Text<'a> => "server_nb_computer_name" Ours,
        /// MsvAvNbDomainName.
        pub nb_domain_name: Text<'a> => "server_nb_domain_name" Ours,
        /// MsvAvDnsComputerName.
        pub dns_computer_name: Text<'a> => "server_dns_computer_name" Ours,
        /// MsvAvDnsDomainName.
        pub dns_domain_name: Text<'a> => "server_dns_domain_name" Ours,
        ;
        /// As in [`NtlmNegotiate`].
        pub session: u64,
        /// The SMB server's GUID, where the carrier has one.
        pub server_guid: Option<Guid>,
        /// Identity of the carrying message's bytes, 0 if unknown.
        pub message_id: u64,
        /// Identity of what a forwarder keeps, 0 if unknown.
        pub session_id: u64,
    }
}

declare_event! {
    /// NTLM AUTHENTICATE, type 3 (MS-NLMP 2.2.1.3).
    #[derive(Clone, Copy, Debug)]
    "ntlm" "authenticate"
    pub struct NtlmAuthenticate<'a> {
        /// Carrying protocol.
        pub carrier: Carrier => "carrier" Ours,
        /// UserName.
        pub user: Text<'a> => "username" Ours,
        /// DomainName.
        pub domain: Text<'a> => "domainname" Ours,
        /// Workstation.
        pub workstation: Text<'a> => "hostname" Ours,
        /// No user, no response.
        pub anonymous: bool => "anonymous" Ours,
        /// `v1`, `v1-ess`, `v2` or `none`.
        pub response: &'a str => "response" Ours,
        /// The CHALLENGE of the same exchange, if it was seen.
        pub server_challenge: Option<[u8; 8]> => "server_challenge" Ours,
        /// NegotiateFlags.
        pub flags: u32 => "negotiate_flags" Ours,
        /// MsvAvTargetName of the NTLMv2 blob: the SPN the client believed it was talking to.
        pub target_name: Text<'a> => "target_name" Ours,
        /// MsvAvNbComputerName of the NTLMv2 blob: the server that issued the challenge.
        pub nb_computer_name: Text<'a> => "server_nb_computer_name" Ours,
        /// MsvAvDnsComputerName of the NTLMv2 blob.
        pub dns_computer_name: Text<'a> => "server_dns_computer_name" Ours,
        /// Message integrity code: `absent`, `present` or `stripped`.
        pub mic: Mic => "mic" Ours,
        /// MsvAvChannelBindings is there and not zero.
        pub channel_bindings: bool => "channel_bindings" Ours,
        ;
        /// As in [`NtlmNegotiate`].
        pub session: u64,
        /// The whole NtChallengeResponse.
        pub nt_response: Secret<'a>,
        /// Identity of the carrying message's bytes: equal on both sides of NAT or a TCP proxy. 0 if unknown.
        pub message_id: u64,
        /// Identity of what a forwarder keeps: SMB SessionId and ServerGuid; HTTP method, URI and Host. 0 if unknown.
        pub session_id: u64,
    }
}

/// How an authentication ended, by the carrier's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthResult {
    /// Carrying protocol.
    pub carrier: Carrier,
    /// As in [`NtlmNegotiate`].
    pub session: u64,
    /// Accepted.
    pub success: bool,
    /// The carrier's code: NTSTATUS, HTTP status, LDAP resultCode, RPC fault status.
    pub code: u32,
}
