//! From borrowed events to owned sightings: what survives the worker.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::event::{
    Authenticate, Call, Carrier, Event, Fields, NtlmAuthenticate, RpcCall, RpcResult, Seen,
    Signature, SiteKey, Ticket, Value,
};

/// EVE's `app_proto` for an event whose flow is not identified yet.
pub(super) fn protocol_of(event: &Event<'_>) -> &'static str {
    match event {
        Event::RpcBind(_) | Event::RpcCall(_) | Event::RpcResult(_) | Event::RpcEndpoint(_) => {
            "dcerpc"
        }
        Event::NtlmNegotiate(e) => e.carrier.name(),
        Event::NtlmChallenge(e) => e.carrier.name(),
        Event::NtlmAuthenticate(e) => e.carrier.name(),
        Event::AuthResult(e) => e.carrier.name(),
        Event::HttpRequest(_) | Event::HttpDetail(_) | Event::HttpTransaction(_) => {
            Carrier::Http.name()
        }
        Event::LdapBind(_)
        | Event::LdapRequest(_)
        | Event::LdapNetlogon(_)
        | Event::LdapResult(_) => Carrier::Ldap.name(),
        Event::Dns(e) => match e.protocol {
            "mdns" => "mdns",
            "llmnr" => "llmnr",
            "nbns" => "nbns",
            _ => "dns",
        },
        Event::Dhcp(_) => "dhcp",
        Event::Dhcpv6(_) => "dhcpv6",
        Event::Arp(_) => "arp",
        Event::RouterAdvert(_) => "ndp",
        Event::KrbApReq(e) => e.carrier.name(),
        Event::KrbApResult(e) => e.carrier.name(),
        Event::KrbRequest(_) | Event::KrbReply(_) => Carrier::Kerberos.name(),
        Event::SmbNegotiate(_)
        | Event::SmbSession(_)
        | Event::SmbEncrypted(_)
        | Event::SmbNetbios(_)
        | Event::SmbInterfaces(_)
        | Event::SmbCommand(_) => Carrier::Smb.name(),
        Event::TdsLogin(_) => Carrier::Tds.name(),
        Event::Tls(_) => "tls",
        Event::Anomaly(a) => a.protocol,
    }
}

/// An event with its keyed hashes filled in, if it is one that has any: decoders have no key.
pub(super) fn keyed<'a>(key: &SiteKey, event: &Event<'a>) -> Option<Event<'a>> {
    match *event {
        Event::KrbApReq(mut e) => {
            e.ticket_id = Some(key.hash(e.ticket));
            e.ap_req_id = Some(key.hash_both(e.ticket, e.authenticator));
            Some(Event::KrbApReq(e))
        }
        Event::KrbReply(mut e) if !e.ticket.is_empty() => {
            e.ticket_id = Some(key.hash(e.ticket));
            Some(Event::KrbReply(e))
        }
        _ => None,
    }
}

/// The owned form of an event that the correlator needs.
pub(super) fn seen(key: &SiteKey, catalog: &Catalog, event: &Event<'_>) -> Option<Seen> {
    match event {
        Event::NtlmNegotiate(e) => Some(Seen::Negotiate {
            carrier: e.carrier,
            session: e.session,
            flags: e.flags,
            workstation: e.workstation.to_string(),
        }),
        Event::NtlmChallenge(e) => Some(Seen::Challenge {
            carrier: e.carrier,
            session: e.session,
            flags: e.flags,
            challenge: e.server_challenge,
            nb_computer: e.nb_computer_name.to_string(),
            dns_computer: e.dns_computer_name.to_string(),
            message_id: e.message_id,
            session_id: e.session_id,
        }),
        Event::NtlmAuthenticate(e) => Some(authenticate(key, e)),
        Event::AuthResult(e) => Some(Seen::AuthResult {
            carrier: e.carrier,
            session: e.session,
            success: e.success,
            code: e.code,
        }),
        Event::RpcCall(e) => call(e),
        Event::RpcResult(e) => answer(catalog, e),
        Event::SmbEncrypted(e) if e.pipe_now => Some(Seen::EncryptedPipe {
            letter_nonces: e.letter_nonces,
        }),
        Event::KrbApReq(e) => Some(Seen::Ticket(Box::new(Ticket {
            carrier: e.carrier,
            session: e.session,
            realm: e.realm.to_string(),
            sname: e.sname.to_string(),
            etype: e.ticket_encryption,
            ticket_id: e.ticket_id.unwrap_or_else(|| key.hash(e.ticket)),
            ap_req_id: e
                .ap_req_id
                .unwrap_or_else(|| key.hash_both(e.ticket, e.authenticator)),
            message_id: e.message_id,
            session_id: e.session_id,
        }))),
        Event::KrbApResult(e) => Some(Seen::TicketResult {
            session: e.session,
            success: match e.outcome {
                "accepted" => Some(true),
                "refused" => Some(false),
                _ => None,
            },
            code: e.error_code.or(e.status),
        }),
        Event::KrbReply(e) if !e.ticket.is_empty() => Some(Seen::Granted {
            ticket_id: e.ticket_id.unwrap_or_else(|| key.hash(e.ticket)),
            cname: e.cname.to_string(),
            initial: e.message == "as_rep",
        }),
        Event::HttpRequest(e) if is_enrolment(e.uri) || is_enrolment_service(e.uri) => {
            Some(Seen::Request {
                method: e.method.to_owned(),
                uri: e.uri.to_owned(),
            })
        }
        _ => None,
    }
}

/// A rule's match, with the account that the event names.
pub(super) fn hit(
    signature: Arc<Signature>,
    captured: Option<Box<[String]>>,
    event: &dyn Fields,
) -> Seen {
    let account = ["username", "domainname"].map(|name| {
        let value = event.schema().field(name).map(|id| event.field(id));
        match value {
            Some(Value::Text(text)) => text.to_string(),
            _ => String::new(),
        }
    });
    Seen::RuleHit {
        signature,
        captured,
        account,
    }
}

fn authenticate(key: &SiteKey, e: &NtlmAuthenticate<'_>) -> Seen {
    // Up to 24 bytes it is an NTLMv1 response: too little to be the same by anything but a relay or
    // a static challenge, which only the challenge itself can tell apart (design §4).
    let nt_hash = (e.nt_response.len() > 24).then(|| key.hash(e.nt_response));
    Seen::Authenticate(Box::new(Authenticate {
        carrier: e.carrier,
        session: e.session,
        challenge: e.server_challenge,
        nt_hash,
        anonymous: e.anonymous,
        flags: e.flags,
        user: e.user.to_string(),
        domain: e.domain.to_string(),
        workstation: e.workstation.to_string(),
        target_name: e.target_name.to_string(),
        dns_computer: e.dns_computer_name.to_string(),
        mic: e.mic,
        version1: e.response.starts_with("v1"),
        channel_bindings: e.channel_bindings,
        message_id: e.message_id,
        session_id: e.session_id,
    }))
}

fn call(e: &RpcCall<'_>) -> Option<Seen> {
    e.method?;
    Some(Seen::Call(Box::new(Call {
        interface: e.interface?,
        version: e.version.to_owned(),
        opnum: e.opnum,
        transport: match e.transport {
            "ncacn_np" => "ncacn_np",
            "ncacn_http" => "ncacn_http",
            "tds" => "tds",
            _ => "ncacn_ip_tcp",
        },
        named_pipe: e.named_pipe.to_owned(),
        association: e.association,
        call_id: e.call_id,
        auth_type: e.auth_type,
        auth_level: e.auth_level,
        sealed: e.sealed,
        stub_len: e.stub_len,
        path: e.path.map(str::to_owned),
        path_by_scan: e.path_by_scan,
        client: e.client,
    })))
}

fn answer(catalog: &Catalog, e: &RpcResult<'_>) -> Option<Seen> {
    catalog.method(e.interface?, e.opnum)?;
    Some(Seen::Answer {
        association: e.association,
        call_id: e.call_id,
        fault: e.fault,
        status: e.status.filter(|_| !e.sealed),
    })
}

/// Web enrolment of AD CS lives under /certsrv/ (MS-WCCE is its RPC twin; the pages are not
/// specified). IIS takes it in any case, after any number of slashes, and percent-encoded.
pub(super) fn is_enrolment(uri: &str) -> bool {
    let path = match uri.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)),
        None => Some(uri),
    };
    let Some(path) = path.filter(|p| p.starts_with('/')) else {
        return false;
    };
    let mut left = path.trim_start_matches('/').bytes();
    b"certsrv".iter().all(|wanted| {
        let byte = match left.next() {
            Some(b'%') => {
                let mut digit = || left.next().and_then(|b| char::from(b).to_digit(16));
                digit().zip(digit()).map(|(high, low)| high * 16 + low)
            }
            byte => byte.map(u32::from),
        };
        byte.and_then(char::from_u32)
            .is_some_and(|c| c.eq_ignore_ascii_case(&char::from(*wanted)))
    })
}

/// The policy and enrolment web services (MS-XCEP 2.1, MS-WSTEP 2.1; the names of their folders are those that AD CS
/// gives them).
fn is_enrolment_service(uri: &str) -> bool {
    let has = |part: &[u8]| {
        uri.as_bytes()
            .windows(part.len())
            .any(|w| w.eq_ignore_ascii_case(part))
    };
    has(b"/service.svc") && (has(b"/ADPolicyProvider_CEP_") || has(b"_CES_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enrolment_services() {
        for uri in [
            "/ADPolicyProvider_CEP_Kerberos/service.svc/CEP",
            "/lab-CA_CES_Kerberos/service.svc/CES",
            "/lab-ca_ces_usernamepassword/SERVICE.svc",
        ] {
            assert!(is_enrolment_service(uri), "{uri}");
        }
        for uri in ["/", "/service.svc", "/x_CES_y/", "/y/service.svc?_CE_"] {
            assert!(!is_enrolment_service(uri), "{uri}");
        }
    }

    #[test]
    fn enrolment_pages_however_they_are_spelt() {
        for uri in [
            "/certsrv/certfnsh.asp",
            "/CertSrv",
            "//certsrv/",
            "/%63ertsr%76/certrqxt.asp",
            "http://ca.lab.example/certsrv/",
        ] {
            assert!(is_enrolment(uri), "{uri}");
        }
        for uri in [
            "/",
            "*",
            "",
            "certsrv",
            "/certs",
            "/x/certsrv",
            "/%",
            "/%zz",
            "http://certsrv",
        ] {
            assert!(!is_enrolment(uri), "{uri}");
        }
    }
}
