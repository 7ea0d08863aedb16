//! DCE/RPC events.

use super::schema::declare_event;
use crate::catalog::Method;
use crate::net::Addr;
use crate::wire::{Guid, Text};

/// How a call travels (the protocol sequence, C706 appendix B).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RpcTransport {
    /// Straight over TCP.
    #[default]
    Tcp,
    /// Over an SMB named pipe.
    Pipe,
    /// Behind the `ncacn_http/1.0` banner, or inside RPC over HTTP.
    Http,
}

impl RpcTransport {
    /// The protocol sequence's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "ncacn_ip_tcp",
            Self::Pipe => "ncacn_np",
            Self::Http => "ncacn_http",
        }
    }
}

declare_event! {
    /// One presentation context, offered by the client and answered by the server.
    #[derive(Clone, Copy, Debug)]
    "dce_rpc" "bind"
    pub struct RpcBind<'a> {
        /// Interface UUID.
        pub interface: Guid => "interface" Ours,
        /// Interface version, `major.minor`.
        pub version: &'a str => "version" Ours,
        /// Interface name, as Zeek spells it.
        pub endpoint: &'a str => "endpoint" Ours,
        /// Protocol sequence.
        pub transport: &'a str => "transport" Ours,
        /// Named pipe without `\pipe\`, lower case.
        pub named_pipe: &'a str => "named_pipe" Ours,
        /// The server accepted it; absent if the answer was not seen.
        pub accepted: Option<bool> => "accepted" Ours,
        /// Authentication type of the PDU's trailer (MS-RPCE 2.2.1.1.7).
        pub auth_type: Option<u8> => "auth_type" Ours,
        /// Authentication level of the PDU's trailer (MS-RPCE 2.2.1.1.8).
        pub auth_level: Option<u8> => "auth_level" Ours,
        ;
        /// C706 call id of the bind.
        pub call_id: u32,
        /// Major version.
        pub major: u16,
        /// Minor version.
        pub minor: u16,
        /// p_cont_def_result_t: 0 acceptance, 1 user rejection, 2 provider rejection.
        pub ack_result: u16,
    }
}

declare_event! {
    /// One call, its fragments put together.
    #[derive(Clone, Copy, Debug)]
    "dce_rpc" "call"
    pub struct RpcCall<'a> {
        /// Interface UUID; absent if the bind was not seen.
        pub interface: Option<Guid> => "interface" Ours,
        /// Interface name, as Zeek spells it.
        pub endpoint: &'a str => "endpoint" Ours,
        /// Operation number.
        pub opnum: u16 => "opnum" Ours,
        /// Operation name of the specification, or `unknown-N`.
        pub operation: &'a str => "operation" Ours,
        /// Interface version, `major.minor`.
        pub version: &'a str => "version" Ours,
        /// Protocol sequence.
        pub transport: &'a str => "transport" Ours,
        /// Named pipe without `\pipe\`, lower case.
        pub named_pipe: &'a str => "named_pipe" Ours,
        /// Authentication type (MS-RPCE 2.2.1.1.7).
        pub auth_type: Option<u8> => "auth_type" Ours,
        /// Authentication level (MS-RPCE 2.2.1.1.8).
        pub auth_level: Option<u8> => "auth_level" Ours,
        /// The stub is ciphertext (level 6).
        pub sealed: bool => "sealed" Ours,
        /// Bytes of stub, all fragments, without padding and trailer.
        pub stub_len: u32 => "stub_len" Ours,
        /// Path or host named in the call, if a layout is known and it could be read; empty if it was read
        /// and names nothing.
        pub path: Option<&'a str> => "path" Ours,
        /// What the call is about, where it is read: a computer, service, task, key, account, authority, driver.
        pub argument: Option<&'a str> => "argument" Ours,
        /// More about it: account, command, certificate attributes, driver file.
        pub detail: Option<&'a str> => "detail" Ours,
        /// Netlogon: the client's challenge or credential is all zero.
        pub zero_credential: Option<bool> => "zero_credential" Ours,
        /// The client behind an RPC proxy, as the proxy names it (MS-RPCH 2.2.3.5.12); `src_ip` is the proxy.
        pub client: Option<Addr> => "client_ip" Ours,
        /// The bind was not seen: the interface is what the endpoint mapper said of the port.
        pub by_endpoint: Option<bool> => "by_endpoint" Ours,
        /// Transfer syntax is NDR64.
        pub ndr64: bool => "ndr64" Ours,
        ;
        /// C706 call id.
        pub call_id: u32,
        /// Fragments it came in.
        pub fragments: u32,
        /// Object UUID, if the call has one.
        pub object: Option<Guid>,
        /// The coercion method, if the catalogue has it.
        pub method: Option<&'a Method>,
        /// The path was found by searching the stub, not by its layout.
        pub path_by_scan: bool,
        /// The stub's head, empty if sealed.
        pub stub: &'a [u8],
        /// Groups calls and answers of one association within a flow (pipe handle; 0 over TCP).
        pub association: u64,
    }
}

declare_event! {
    /// The answer to a call: response or fault.
    #[derive(Clone, Copy, Debug)]
    "dce_rpc" "result"
    pub struct RpcResult<'a> {
        /// Interface UUID of the call.
        pub interface: Option<Guid> => "interface" Ours,
        /// Interface name, as Zeek spells it.
        pub endpoint: &'a str => "endpoint" Ours,
        /// Operation number of the call.
        pub opnum: u16 => "opnum" Ours,
        /// Operation name of the call.
        pub operation: &'a str => "operation" Ours,
        /// Fault status (C706 appendix E), if it is a fault.
        pub fault: Option<u32> => "fault" Ours,
        /// Last four bytes of a readable response stub: the return value of most calls.
        pub status: Option<u32> => "status" Ours,
        /// The stub is ciphertext.
        pub sealed: bool => "sealed" Ours,
        /// Bytes of stub.
        pub stub_len: u32 => "stub_len" Ours,
        ;
        /// C706 call id.
        pub call_id: u32,
        /// Fragments it came in.
        pub fragments: u32,
        /// As in the call.
        pub association: u64,
    }
}

declare_event! {
    /// Who listens where: asked of an endpoint mapper or OXID resolver, or said by one.
    #[derive(Clone, Copy, Debug)]
    "dce_rpc" "endpoint"
    pub struct RpcEndpoint<'a> {
        /// The call: `ept_map`, `ept_lookup`, `ResolveOxid`, `ResolveOxid2` or `ServerAlive2`.
        pub source: &'a str => "source" Ours,
        /// True if the client asks for it, false if the server says it.
        pub asked: bool => "asked" Ours,
        /// Interface UUID; absent in string bindings, which name hosts.
        pub interface: Option<Guid> => "interface" Ours,
        /// Interface name, as Zeek spells it.
        pub endpoint: &'a str => "endpoint" Ours,
        /// Interface version, `major.minor`.
        pub version: &'a str => "version" Ours,
        /// Protocol sequence.
        pub transport: &'a str => "transport" Ours,
        /// TCP or UDP port.
        pub port: Option<u16> => "port" Ours,
        /// Named pipe, as said.
        pub pipe: Text<'a> => "pipe" Ours,
        /// Address in a tower, or address or name in a string binding.
        pub host: Text<'a> => "host" Ours,
    }
}
