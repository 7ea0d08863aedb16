//! Calls and NTLM.

use super::*;

/// A call with everything known.
pub(in crate::output) fn rpc_call() -> RpcCall<'static> {
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

pub(super) fn rpc_endpoint() -> RpcEndpoint<'static> {
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

pub(super) fn rpc_result(fault: Option<u32>) -> RpcResult<'static> {
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

pub(super) fn rpc_bind(accepted: Option<bool>) -> RpcBind<'static> {
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

pub(super) fn authenticate() -> NtlmAuthenticate<'static> {
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

pub(super) fn challenge() -> NtlmChallenge<'static> {
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
