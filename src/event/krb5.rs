//! Kerberos events.

use super::auth::{Carrier, Secret};
use super::schema::declare_event;
use crate::wire::Text;

declare_event! {
    /// A ticket is presented to a service (RFC 4120 5.5.1), in whatever carrier.
    #[derive(Clone, Copy, Debug)]
    "kerberos" "ap_req"
    pub struct KrbApReq<'a> {
        /// `ap_req`.
        pub message: &'static str => "message" Ours,
        /// Carrying protocol.
        pub carrier: Carrier => "carrier" Ours,
        /// Realm that issued the ticket.
        pub realm: Text<'a> => "realm" Ours,
        /// Service the ticket is for.
        pub sname: Text<'a> => "sname" Ours,
        /// Encryption of the ticket, as IANA names it.
        pub ticket_encryption: &'static str => "ticket_encryption" Ours,
        /// Version of the service's key.
        pub kvno: Option<u32> => "kvno" Ours,
        /// Encryption of the authenticator.
        pub authenticator_encryption: &'static str => "authenticator_encryption" Ours,
        /// The client asks the service to prove itself.
        pub mutual: bool => "mutual" Ours,
        /// Keyed hash of the ticket; the worker fills it in.
        pub ticket_id: Option<[u8; 16]> => "ticket_id" Ours,
        /// Keyed hash of ticket and authenticator; the worker fills it in.
        pub ap_req_id: Option<[u8; 16]> => "ap_req_id" Ours,
        ;
        /// Tells exchanges of one flow apart, as in NTLM's events.
        pub session: u64,
        /// Ciphertext of the ticket.
        pub ticket: Secret<'a>,
        /// Ciphertext of the authenticator.
        pub authenticator: Secret<'a>,
        /// Identity of the carrying message's bytes, 0 if unknown.
        pub message_id: u64,
        /// Identity of what a forwarder keeps, 0 if unknown.
        pub session_id: u64,
    }
}

declare_event! {
    /// What came of a ticket that was presented.
    #[derive(Clone, Copy, Debug)]
    "kerberos" "ap_result"
    pub struct KrbApResult {
        /// `ap_result`.
        pub message: &'static str => "message" Ours,
        /// Carrying protocol.
        pub carrier: Carrier => "carrier" Ours,
        /// `accepted`, `refused`, or `fallback`: the exchange went on with NTLM.
        pub outcome: &'static str => "outcome" Ours,
        /// The service proved itself with an AP-REP.
        pub ap_rep: bool => "ap_rep" Ours,
        /// error-code of a KRB-ERROR.
        pub error_code: Option<u32> => "error_code" Ours,
        /// Its name.
        pub error: &'static str => "error" Ours,
        /// The carrier's code: NTSTATUS, HTTP status, LDAP resultCode, RPC fault status.
        pub status: Option<u32> => "status" Ours,
        ;
        /// As in [`KrbApReq`].
        pub session: u64,
    }
}

declare_event! {
    /// A KDC is asked for a ticket (RFC 4120 5.4.1).
    #[derive(Clone, Copy, Debug)]
    "kerberos" "request"
    pub struct KrbRequest<'a> {
        /// `as_req` or `tgs_req`.
        pub message: &'static str => "message" Ours,
        /// Client; not said in a TGS-REQ.
        pub cname: Text<'a> => "cname" Ours,
        /// Realm of the service.
        pub realm: Text<'a> => "realm" Ours,
        /// Service.
        pub sname: Text<'a> => "sname" Ours,
        /// Encryption types the client takes, by number, in its order.
        pub etypes: &'a [i32] => "etypes" Ours,
        /// Types of pre-authentication data, by number.
        pub padata_types: &'a [i32] => "padata_types" Ours,
        /// The user whom S4U2self asks a ticket for.
        pub for_user: Text<'a> => "for_user" Ours,
        /// S4U2proxy: an additional ticket names the client.
        pub s4u2proxy: bool => "s4u2proxy" Ours,
    }
}

declare_event! {
    /// A KDC's answer (RFC 4120 5.4.2, 5.9.1).
    #[derive(Clone, Copy, Debug)]
    "kerberos" "reply"
    pub struct KrbReply<'a> {
        /// `as_rep`, `tgs_rep` or `error`.
        pub message: &'static str => "message" Ours,
        /// What it answers: `as_req` or `tgs_req`.
        pub request: Option<&'static str> => "request" Ours,
        /// Client.
        pub cname: Text<'a> => "cname" Ours,
        /// Realm of the client.
        pub crealm: Text<'a> => "crealm" Ours,
        /// Realm of the service.
        pub realm: Text<'a> => "realm" Ours,
        /// Service.
        pub sname: Text<'a> => "sname" Ours,
        /// Types of pre-authentication data, by number.
        pub padata_types: &'a [i32] => "padata_types" Ours,
        /// Encryption of the part for the client, as IANA names it.
        pub encryption: &'static str => "encryption" Ours,
        /// Encryption of the ticket.
        pub ticket_encryption: &'static str => "ticket_encryption" Ours,
        /// Version of the service's key.
        pub kvno: Option<u32> => "kvno" Ours,
        /// error-code.
        pub error_code: Option<u32> => "error_code" Ours,
        /// Its name.
        pub error: &'static str => "error" Ours,
        /// Keyed hash of the ticket; the worker fills it in.
        pub ticket_id: Option<[u8; 16]> => "ticket_id" Ours,
        ;
        /// Ciphertext of the ticket.
        pub ticket: Secret<'a>,
    }
}
