//! What is done over sessions: events that change the directory, run calls whose abuse has a name, or ask
//! for tickets with a certificate or for others, as sightings.

use crate::event::neighbour::{DRSUAPI, is_neighbour};
use crate::event::{
    Carrier, DirectoryWrite, DnsData, DnsMessage, DnsSection, Event, KrbApReq, KrbRequest,
    LdapRequest, Operation, RpcCall, RpcResult, Seen, TicketRequest,
};

/// PA-PK-AS-REQ and its old number (RFC 4556 3.1.2, 3.1.3 and appendix C).
const CERTIFICATE: [i32; 2] = [16, 14];
/// Opcode of a dynamic update (RFC 2136 1.3).
const UPDATE: u8 = 5;

/// The owned form of an event that tells what was done, if it does.
pub(super) fn done(event: &Event<'_>) -> Option<Seen> {
    match event {
        Event::LdapRequest(e) => directory_write(e),
        Event::LdapResult(e) if is_write(e.operation) => Some(Seen::DirectoryResult {
            message_id: e.message_id,
            code: e.code,
        }),
        Event::RpcCall(e) => operation(e),
        Event::RpcResult(e) => result(e),
        Event::KrbApReq(e) => replication_ticket(e),
        Event::KrbRequest(e) => ticket(e),
        Event::Dns(e) => name_update(e),
        _ => None,
    }
}

/// Requests that change the directory (RFC 4511 4.6 to 4.9), and their answers.
fn is_write(operation: &str) -> bool {
    ["modify_", "add_", "del_", "mod_dn_"]
        .iter()
        .any(|kind| operation.starts_with(kind))
}

fn directory_write(e: &LdapRequest<'_>) -> Option<Seen> {
    if !is_write(e.operation) {
        return None;
    }
    let lower =
        |words: crate::event::Words<'_>| words.iter().map(str::to_ascii_lowercase).collect();
    Some(Seen::DirectoryWrite(Box::new(DirectoryWrite {
        message_id: e.message_id,
        operation: e.operation.to_owned(),
        object: e.object.to_string(),
        attributes: lower(e.attributes),
        classes: lower(e.object_class),
        layer: e.sasl_layer,
    })))
}

fn operation(e: &RpcCall<'_>) -> Option<Seen> {
    let interface = e.interface?;
    let zero_credential = e.zero_credential == Some(true);
    if !is_neighbour(interface, e.opnum, zero_credential) {
        return None;
    }
    let text = |t: Option<&str>| t.unwrap_or_default().to_owned();
    Some(Seen::Operation(Box::new(Operation {
        interface,
        opnum: e.opnum,
        name: e.operation.to_owned(),
        transport: match e.transport {
            "ncacn_np" => "ncacn_np",
            "ncacn_http" => "ncacn_http",
            _ => "ncacn_ip_tcp",
        },
        named_pipe: e.named_pipe.to_owned(),
        association: e.association,
        call_id: e.call_id,
        auth_type: e.auth_type,
        auth_level: e.auth_level,
        sealed: e.sealed,
        argument: text(e.argument),
        detail: text(e.detail),
        zero_credential,
    })))
}

/// Answers of Netlogon are of interest where the call was; which calls those were, the correlator knows.
fn result(e: &RpcResult<'_>) -> Option<Seen> {
    is_neighbour(e.interface?, e.opnum, true).then(|| Seen::OperationResult {
        association: e.association,
        call_id: e.call_id,
        fault: e.fault,
        status: e.status.filter(|_| !e.sealed),
    })
}

/// Domain controllers ask each other by a service name that begins with the interface (MS-DRSR 2.2.3.2).
fn replication_ticket(e: &KrbApReq<'_>) -> Option<Seen> {
    if e.carrier != Carrier::Rpc {
        return None;
    }
    let sname = e.sname.to_string();
    let class = sname.split('/').next().unwrap_or_default();
    class
        .eq_ignore_ascii_case(&DRSUAPI.to_string())
        .then_some(Seen::ReplicationTicket)
}

fn ticket(e: &KrbRequest<'_>) -> Option<Seen> {
    let for_user = e.for_user.to_string();
    let account = if !for_user.is_empty() {
        e.sname.to_string()
    } else if e.padata_types.iter().any(|t| CERTIFICATE.contains(t)) {
        e.cname.to_string()
    } else {
        return None;
    };
    // An enterprise name carries its realm along (RFC 6806 5).
    let account = account.split('@').next().unwrap_or_default().to_owned();
    Some(Seen::TicketRequest(Box::new(TicketRequest {
        account,
        realm: e.realm.to_string(),
        for_user,
    })))
}

/// An address that an update adds (RFC 2136 2.5.1) for a host other than the one that asks for it.
fn name_update(e: &DnsMessage<'_>) -> Option<Seen> {
    if e.opcode != UPDATE || e.response {
        return None;
    }
    let record = e
        .records
        .iter()
        .find(|r| r.section == DnsSection::Authority && matches!(r.data, DnsData::Address(_)))?;
    Some(Seen::NameUpdate {
        name: record.name.to_ascii_lowercase(),
    })
}
