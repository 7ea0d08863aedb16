//! What native detectors conclude; rules turn it into alerts.

use std::sync::Arc;

use super::KrbEvidence;
use super::schema::declare_event;
use crate::net::Addr;
use crate::wire::Guid;

declare_event! {
    /// A detector's conclusion. Owned: it may wait for an answer before rules see it.
    #[derive(Clone, Debug, Default)]
    "finding" "finding"
    pub struct Finding {
        /// `RW-01` to `RW-25`.
        pub detector: &'static str => "detector" Ours,
        /// `relay`, `coercion`, `callback`, `action`, `recon`, `poisoning` or `identity`: also the Sigma service that selects it.
        pub kind: &'static str => "kind" Ours,
        /// `high`, `medium` or `low`.
        pub confidence: &'static str => "confidence" Ours,
        /// `success`, `failure`, `attempt` or `unknown`.
        pub outcome: &'static str => "outcome" Ours,
        /// Host that issued the call or relays.
        pub attacker: Option<Addr> => "attacker" Ours,
        /// Host made to authenticate.
        pub victim: Option<Addr> => "victim" Ours,
        /// Host the victim authenticates to.
        pub listener: Option<Addr> => "listener" Ours,
        /// Host the authentication is relayed to.
        pub target: Option<Addr> => "target" Ours,
        /// Coercion: method family, as `efsr`, `rprn`, `dfsnm`.
        pub family: String => "family" Ours,
        /// Coercion: method id of the catalogue, as `efsr-0`.
        pub method_id: String => "method_id" Ours,
        /// Coercion: name of the call.
        pub method: String => "method" Ours,
        /// Coercion: A proven for any user, B privileged or also normal, C candidate.
        pub tier: &'static str => "tier" Ours,
        /// Coercion: interface UUID.
        pub interface: Option<Guid> => "interface" Ours,
        /// Coercion: operation number.
        pub opnum: Option<u16> => "opnum" Ours,
        /// Coercion: protocol sequence.
        pub transport: &'static str => "transport" Ours,
        /// Coercion: named pipe.
        pub named_pipe: String => "named_pipe" Ours,
        /// Coercion: the stub is ciphertext.
        pub sealed: bool => "sealed" Ours,
        /// Coercion: the path or host in the call.
        pub path: String => "path" Ours,
        /// Coercion: the host in that path, lower case.
        pub path_host: String => "path_host" Ours,
        /// Coercion: the host is an address literal.
        pub path_host_literal: bool => "path_host_literal" Ours,
        /// Coercion: the path makes the victim use WebDAV (`host@port`).
        pub webdav: bool => "webdav" Ours,
        /// Coercion: whose host it is: `caller`, `server`, `other`, `none` (local path), `unknown` (unreadable), or
        /// `unnamed` (a name that may be the server's own, of which nothing was seen).
        pub path_owner: &'static str => "path_owner" Ours,
        /// Coercion: different coercible interfaces the caller used against any host within a minute.
        pub caller_interfaces: u64 => "caller_interfaces" Ours,
        /// Callback: milliseconds from the call to the victim's connection.
        pub callback_ms: Option<u64> => "callback_ms" Ours,
        /// Callback after an encrypted call: what makes it more than chance: `caller` (it goes to the client of the encrypted session), `challenge` (a tool's), `name` (a challenge in another host's name), `relay`, or `none`.
        pub support: &'static str => "support" Ours,
        /// Relay: protocol of the victim's leg.
        pub victim_protocol: &'static str => "victim_protocol" Ours,
        /// Relay: protocol of the target's leg.
        pub target_protocol: &'static str => "target_protocol" Ours,
        /// Which test of the detector it was, where one has several: `local_call`, `same_host`, `supplied_name`; `mic`, `flags`; `server`, `name_server`, `client`; `encrypted`.
        pub test: &'static str => "test" Ours,
        /// Relay: the service the client believed it was talking to (MsvAvTargetName).
        pub target_name: String => "target_name" Ours,
        /// Relay: whose host a name or address in the authentication is: `client`, `server`, `other` or `unknown`.
        pub named: &'static str => "named" Ours,
        /// Relay: the host that owns the name or account, as far as is known.
        pub owner: Option<Addr> => "owner" Ours,
        /// Relay: what that knowledge rests on: `ntlm`, `smb`, `kerberos`, `dns`, `dhcp` or `declared`.
        pub owner_source: &'static str => "owner_source" Ours,
        /// Relay: the service class of the target name fits the protocol; absent where it says nothing.
        pub service_fits: Option<bool> => "service_fits" Ours,
        /// The sensor is still learning who is who: what is missing proves little.
        pub learning: bool => "learning" Ours,
        /// The victim is a domain controller, certificate authority, Exchange or Configuration Manager server.
        pub victim_tier0: bool => "victim_tier0" Ours,
        /// The same of the target.
        pub target_tier0: bool => "target_tier0" Ours,
        /// The attacker's address was declared as that of administrators, backup or scanners.
        pub attacker_admin: bool => "attacker_admin" Ours,
        /// Relay: the two legs look like one connection passed on by a device.
        pub forwarded: bool => "forwarded" Ours,
        /// Relay: too little was seen of both legs to exclude that a device passed one connection on.
        pub forwarding_unknown: bool => "forwarding_unknown" Ours,
        /// Relay: one host is server on one leg and client on the other.
        pub inverted: bool => "inverted" Ours,
        /// Account that authenticated.
        pub user: String => "user" Ours,
        /// Its domain.
        pub domain: String => "domain" Ours,
        /// The account is a machine's (ends in `$`).
        pub machine_account: bool => "machine_account" Ours,
        /// Action: request target of an HTTP request.
        pub uri: String => "uri" Ours,
        /// Action: method of an HTTP request.
        pub http_method: String => "http_method" Ours,
        /// Action: what was done: an LDAP attribute or class, `dcsync`, `dcshadow`, `zerologon`, `printnightmare`, `remote-exec`, `enrolment`, `pkinit`, `s4u`, `adidns`.
        pub action: String => "action" Ours,
        /// Action: what it was done to: a distinguished name, service, task, driver, account.
        pub object: String => "object" Ours,
        /// Action: more about it: command, driver file, certificate attributes.
        pub detail: String => "detail" Ours,
        /// Action: it was done over a relayed session, or by a host of a relay's story.
        pub relayed: bool => "relayed" Ours,
        /// Action: authentication level of the RPC session (MS-RPCE 2.2.1.1.8); 1 is none.
        pub auth_level: Option<u8> => "auth_level" Ours,
        /// Precursor: protocol that shows it, as `llmnr`, `dhcpv6`, `http`.
        pub carrier: &'static str => "carrier" Ours,
        /// Precursor: the name that was answered, written, resolved or asked for.
        pub name: String => "name" Ours,
        /// Precursor: the host that a marshalled name stands for.
        pub decoded_host: String => "decoded_host" Ours,
        /// Precursor: the attack tool whose constants were seen.
        pub tool: String => "tool" Ours,
        /// How many: names, hosts, calls, repeated challenges, or times where one time says nothing.
        pub count: u64 => "count" Ours,
        /// Precursor: a relay, callback or coercion by the same host tells the story.
        pub explained: bool => "explained" Ours,
        ;
        /// It adds to its incident and is no alert of its own: another one tells the story.
        pub quiet: bool,
        /// The ticket, for Kerberos: an alert shows it as `context.krb`.
        pub krb: Option<Arc<KrbEvidence>>,
    }
}
