//! SMB events.

use super::schema::declare_event;
use crate::wire::{Guid, Text};

declare_event! {
    /// The server's answer to a negotiate.
    #[derive(Clone, Copy, Debug)]
    "smb" "negotiate"
    pub struct SmbNegotiate {
        /// Dialect revision, 0x0311 for SMB 3.1.1.
        pub dialect: u16 => "dialect" Suricata,
        /// The server requires signing.
        pub signing_required: bool => "signing_required" Rule,
        /// The server's GUID.
        pub server_guid: Guid => "server_guid" Suricata,
        /// The client's GUID.
        pub client_guid: Option<Guid> => "client_guid" Suricata,
    }
}

declare_event! {
    /// A command that opens something, with its answer.
    #[derive(Clone, Copy, Debug)]
    "smb" "command"
    pub struct SmbCommand<'a> {
        /// `SMB2_COMMAND_SESSION_SETUP`, `.._TREE_CONNECT`, `.._CREATE`, as Suricata spells them.
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
