//! SMB events.

use super::schema::declare_event;
use crate::net::Addr;
use crate::wire::{Guid, Text};

declare_event! {
    /// The server's answer to a negotiate.
    #[derive(Clone, Copy, Debug)]
    "smb" "negotiate"
    pub struct SmbNegotiate {
        /// Dialect revision, 0x0311 for SMB 3.1.1; 1 stands for NT LM 0.12.
        pub dialect: u16 => "dialect" Suricata,
        /// The server requires signing.
        pub signing_required: bool => "signing_required" Rule,
        /// The server's GUID.
        pub server_guid: Option<Guid> => "server_guid" Suricata,
        /// The client's GUID.
        pub client_guid: Option<Guid> => "client_guid" Suricata,
    }
}

declare_event! {
    /// A session was set up or refused, with what protects it (MS-SMB2 3.3.5.5).
    #[derive(Clone, Copy, Debug)]
    "smb" "session"
    pub struct SmbSession<'a> {
        /// `session`.
        pub message: &'static str => "message" Ours,
        /// Dialect, `3.1.1` for one; absent if the negotiate was not seen.
        pub dialect: &'static str => "dialect_name" Ours,
        /// SessionId.
        pub session_id: u64 => "session_id" Ours,
        /// `accepted` or `refused`.
        pub outcome: &'static str => "outcome" Ours,
        /// NTSTATUS of the verdict.
        pub status: u32 => "status" Ours,
        /// `ntlm` or `kerberos`, if the client's proof was seen.
        pub mechanism: &'static str => "mechanism" Ours,
        /// User, of NTLM.
        pub user: Text<'a> => "username" Ours,
        /// Domain, of NTLM.
        pub domain: Text<'a> => "domainname" Ours,
        /// Service that the Kerberos ticket is for.
        pub sname: Text<'a> => "sname" Ours,
        /// The server took the client for a guest.
        pub guest: bool => "guest" Ours,
        /// Nobody: a null session.
        pub null_session: bool => "null_session" Ours,
        /// A session of another connection is bound to this one (multichannel).
        pub binding: bool => "binding" Ours,
        /// The client requires signing.
        pub client_signing_required: bool => "client_signing_required" Ours,
        /// The server requires signing; absent if the negotiate was not seen.
        pub server_signing_required: Option<bool> => "server_signing_required" Ours,
        /// The server signed its verdict, so signing is in use.
        pub signed: bool => "signed" Ours,
        /// Both sides can encrypt; absent if the negotiate was not seen.
        pub encryption_offered: Option<bool> => "encryption_offered" Ours,
        /// The server requires encryption of this session.
        pub encryption_required: bool => "encryption_required" Ours,
        /// Cipher the server chose.
        pub cipher: &'static str => "cipher" Ours,
        /// Signing algorithm the server chose.
        pub signing_algorithm: &'static str => "signing_algorithm" Ours,
        /// Name that the client connects to, by its negotiate context.
        pub netname: Text<'a> => "netname" Ours,
        /// The client's GUID.
        pub client_guid: Option<Guid> => "client_guid" Ours,
        /// The server's GUID.
        pub server_guid: Option<Guid> => "server_guid" Ours,
    }
}

declare_event! {
    /// A NetBIOS session was asked for (RFC 1002 4.3.2): whom the client means, and what it calls itself.
    #[derive(Clone, Copy, Debug)]
    "smb" "netbios"
    pub struct SmbNetbios<'a> {
        /// `netbios`.
        pub message: &'static str => "message" Ours,
        /// The name of the server that is asked for, `*SMBSERVER` for any.
        pub called: Text<'a> => "called_name" Ours,
        /// The client's own name.
        pub calling: Text<'a> => "calling_name" Ours,
    }
}

declare_event! {
    /// The addresses that a server says it has (MS-SMB2 2.2.32.5), so that clients can use several at once.
    #[derive(Clone, Copy, Debug)]
    "smb" "interfaces"
    pub struct SmbInterfaces<'a> {
        /// `interfaces`.
        pub message: &'static str => "message" Ours,
        /// SessionId of who asked.
        pub session_id: u64 => "session_id" Ours,
        /// The addresses, at most sixteen.
        pub addresses: &'a [Addr] => "addresses" Ours,
    }
}

declare_event! {
    /// What encrypted messages look like from outside (MS-SMB2 2.2.41): their plaintext sizes are in clear.
    #[derive(Clone, Copy, Debug)]
    "smb" "encrypted"
    pub struct SmbEncrypted<'a> {
        /// `encrypted`.
        pub message: &'static str => "message" Ours,
        /// SessionId of the first message.
        pub session_id: u64 => "session_id" Ours,
        /// Encrypted messages from the client so far.
        pub requests: u64 => "requests" Ours,
        /// Encrypted messages from the server so far.
        pub responses: u64 => "responses" Ours,
        /// OriginalMessageSize of the client's first ones.
        pub request_sizes: &'a [i32] => "request_sizes" Ours,
        /// OriginalMessageSize of the server's first ones.
        pub response_sizes: &'a [i32] => "response_sizes" Ours,
        /// The client's nonces are letters and zeros, as those of impacket are.
        pub letter_nonces: bool => "letter_nonces" Ours,
        /// Times that the client's sizes were those of a named pipe being opened and bound.
        pub pipes: u64 => "pipes" Ours,
        ;
        /// This tells of such a moment, not of the count or the end.
        pub pipe_now: bool,
    }
}

declare_event! {
    /// A command that opens something, with its answer.
    #[derive(Clone, Copy, Debug)]
    "smb" "command"
    pub struct SmbCommand<'a> {
        /// `SMB2_COMMAND_SESSION_SETUP`, `SMB1_COMMAND_NT_CREATE_ANDX` ..., as Suricata spells them.
        pub command: &'a str => "command" Suricata,
        /// NTSTATUS of the answer; absent if it was not seen.
        pub status: Option<u32> => "status_code" Suricata,
        /// Share of a tree connect.
        pub share: Text<'a> => "share" Suricata,
        /// File or pipe of a create.
        pub filename: Text<'a> => "filename" Suricata,
        /// The file is a named pipe.
        pub is_pipe: bool => "is_pipe" Rule,
        ;
        /// SessionId.
        pub session_id: u64,
        /// TreeId.
        pub tree_id: u32,
        /// MessageId.
        pub message_id: u64,
        /// Dialect revision, 0 if the negotiate was not seen.
        pub dialect: u16,
    }
}
