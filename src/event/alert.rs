//! What leaves the correlator: alerts and incidents, owned, ready to be written.

use std::fmt;
use std::sync::Arc;

use super::{Authenticate, Finding, Mic, Ticket};
use crate::net::{Addr, Endpoint, Outer, Transport};
use crate::time::Timestamp;

/// Sigma's levels, lowest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Context, not an alarm.
    #[default]
    Informational,
    /// Worth a look when something else is wrong.
    Low,
    /// Worth a look today.
    Medium,
    /// Worth a look now.
    High,
    /// Somebody is inside.
    Critical,
}

impl Level {
    /// Every level, lowest first.
    pub const ALL: [Self; 5] = [
        Self::Informational,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::Critical,
    ];

    /// Sigma's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Suricata's `alert.severity`: 1 critical and high, 2 medium, 3 low, 4 informational.
    #[must_use]
    pub fn severity(self) -> u8 {
        match self {
            Self::Critical | Self::High => 1,
            Self::Medium => 2,
            Self::Low => 3,
            Self::Informational => 4,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an alert says of the rule that made it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    /// 1 for ours, 2 for rules without a sid of ours.
    pub gid: u32,
    /// Stable number.
    pub sid: u32,
    /// Revision.
    pub rev: u32,
    /// Sigma `title`.
    pub title: String,
    /// Sigma `id` (UUID).
    pub id: String,
    /// Suricata `category`.
    pub category: String,
    /// Sigma `level`.
    pub level: Level,
    /// `RW-nn`, empty if the rule names none.
    pub detector: String,
    /// `attack.` tags as technique ids (`T1187`).
    pub techniques: Vec<String>,
    /// `attack.` tags as tactic names (`credential_access`).
    pub tactics: Vec<String>,
    /// Sigma `references`.
    pub references: Vec<String>,
    /// Sigma `falsepositives`.
    pub false_positives: Vec<String>,
}

/// A flow as everything after the worker knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowMeta {
    /// Unseeded hash of the key and the first packet's time, 51 bits.
    pub flow_id: u64,
    /// The client.
    pub client: Endpoint,
    /// The server.
    pub server: Endpoint,
    /// TCP or UDP.
    pub transport: Transport,
    /// Time of the first packet.
    pub first_ts: Timestamp,
    /// VLAN ids, outermost first; 0 ends the list.
    pub vlan: [u16; 2],
    /// What carries its packets, if that is a tunnel over IP: that of the first one.
    pub tunnel: Option<Outer>,
    /// Interface number.
    pub iface: u16,
    /// Protocol, EVE's `app_proto`; empty if unknown.
    pub app_proto: &'static str,
    /// Gaps in the flow so far.
    pub gaps: u32,
    /// The client sent something, and no byte of the server was seen so far.
    pub one_way: bool,
}

/// What a flow was in an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LegRole {
    /// What came before: a name answered, a server that is none, a look around.
    Precursor,
    /// Attacker to victim: the call.
    Coercion,
    /// Victim to listener: the authentication.
    Victim,
    /// Relay to target: the same authentication again.
    Target,
    /// What was done with it.
    Action,
}

impl LegRole {
    /// As written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Precursor => "precursor",
            Self::Coercion => "coercion",
            Self::Victim => "victim",
            Self::Target => "target",
            Self::Action => "action",
        }
    }
}

/// One flow of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Its part.
    pub role: LegRole,
    /// The flow.
    pub flow: FlowMeta,
    /// Number of the packet that mattered.
    pub pcap_cnt: u64,
    /// Its time.
    pub ts: Timestamp,
}

/// The call of a coercion, as shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RpcEvidence {
    /// Interface UUID as text.
    pub interface: String,
    /// `major.minor`.
    pub version: String,
    /// Operation number.
    pub opnum: u16,
    /// Operation name.
    pub method: String,
    /// Protocol sequence.
    pub transport: String,
    /// Authentication type.
    pub auth_type: Option<u8>,
    /// Authentication level.
    pub auth_level: Option<u8>,
    /// The stub is ciphertext.
    pub sealed: bool,
    /// Bytes of stub.
    pub stub_len: u32,
    /// Path in the call, if it could be read.
    pub path: Option<String>,
    /// Its host.
    pub path_host: Option<String>,
}

/// The authentication of a relay, as shown. No response, no proof: only a keyed hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NtlmEvidence {
    /// ServerChallenge.
    pub server_challenge: Option<[u8; 8]>,
    /// UserName.
    pub user: String,
    /// DomainName.
    pub domain: String,
    /// Workstation.
    pub workstation: String,
    /// MsvAvTargetName.
    pub target_name: String,
    /// MsvAvDnsComputerName.
    pub dns_computer_name: String,
    /// `absent`, `present`, `stripped`; empty if no AUTHENTICATE was seen.
    pub mic: &'static str,
    /// HMAC-SHA256 of the NT response under the site key, 128 bits.
    pub nt_hash_id: Option<[u8; 16]>,
}

impl NtlmEvidence {
    /// What an AUTHENTICATE shows.
    #[must_use]
    pub fn of(auth: &Authenticate) -> Self {
        Self {
            server_challenge: auth.challenge,
            user: auth.user.clone(),
            domain: auth.domain.clone(),
            workstation: auth.workstation.clone(),
            target_name: auth.target_name.clone(),
            dns_computer_name: auth.dns_computer.clone(),
            mic: match auth.mic {
                Mic::Absent => "absent",
                Mic::Present => "present",
                Mic::Stripped => "stripped",
            },
            nt_hash_id: auth.nt_hash,
        }
    }
}

/// The ticket of a Kerberos finding, as shown: no ticket, only keyed hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KrbEvidence {
    /// Realm that issued the ticket.
    pub realm: String,
    /// Service it is for.
    pub sname: String,
    /// Encryption of the ticket, as IANA names it.
    pub etype: &'static str,
    /// HMAC-SHA256 of the ticket under the site key, 128 bits.
    pub ticket_id: [u8; 16],
    /// The same of ticket and authenticator.
    pub ap_req_id: [u8; 16],
}

impl KrbEvidence {
    /// What an AP-REQ shows.
    #[must_use]
    pub fn of(ticket: &Ticket) -> Self {
        Self {
            realm: ticket.realm.clone(),
            sname: ticket.sname.clone(),
            etype: ticket.etype,
            ticket_id: ticket.ticket_id,
            ap_req_id: ticket.ap_req_id,
        }
    }
}

/// Roles of an incident. More than one host may play the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Issues the call or relays.
    pub attacker: Vec<Addr>,
    /// Made to authenticate.
    pub victim: Vec<Addr>,
    /// Authenticated to.
    pub listener: Vec<Addr>,
    /// Relayed to.
    pub target: Vec<Addr>,
}

/// One alert.
#[derive(Clone, Debug)]
pub struct Alert {
    /// When it was concluded: time of the answer, or of giving up on it.
    pub ts: Timestamp,
    /// Number of the packet that shows it best: the call, the relayed response, the request.
    pub pcap_cnt: u64,
    /// The flow it is reported on.
    pub flow: FlowMeta,
    /// The rule.
    pub signature: Arc<Signature>,
    /// What the detector found.
    pub finding: Arc<Finding>,
    /// The flows it rests on.
    pub legs: Vec<Leg>,
    /// The call, for coercion.
    pub rpc: Option<RpcEvidence>,
    /// The authentication, for relay.
    pub ntlm: Option<NtlmEvidence>,
    /// One plain sentence each, the strongest first.
    pub evidence: Vec<String>,
    /// The incident it belongs to.
    pub incident_id: u64,
    /// Hash of sid, incident and level.
    pub alert_id: u64,
    /// Gaps in its legs.
    pub gaps: u32,
    /// Packets the sensor had lost by then.
    pub drops: u64,
    /// The operator does not want to hear it.
    pub suppressed: bool,
    /// The packets of its incident are kept in a file.
    pub evidence_file: bool,
}

/// The state of an incident when it is written.
#[derive(Clone, Debug, Default)]
pub struct Incident {
    /// When this is written.
    pub ts: Timestamp,
    /// Fixed at creation.
    pub incident_id: u64,
    /// 1, 2, 3 ... each time it is written.
    pub rev: u32,
    /// `RW-nn` of everything that joined it, sorted.
    pub detectors: Vec<String>,
    /// ATT&CK techniques of the rules that fired, sorted.
    pub techniques: Vec<String>,
    /// Coercion methods, in the order they were seen, at most 16.
    pub methods: Vec<String>,
    /// Highest level so far.
    pub level: Level,
    /// `high`, `medium`, `low`: of the strongest evidence.
    pub confidence: &'static str,
    /// `success`, `failure`, `attempt`, `unknown`.
    pub outcome: &'static str,
    /// Findings that joined, repeats included.
    pub count: u64,
    /// Who.
    pub roles: Roles,
    /// Hosts left out of the roles because a list was full.
    pub more: u64,
    /// Flows.
    pub legs: Vec<Leg>,
    /// Time of the first evidence.
    pub first_ts: Timestamp,
    /// Time of the newest evidence.
    pub last_ts: Timestamp,
    /// One plain sentence each, the strongest first.
    pub evidence: Vec<String>,
    /// Groups incidents by attacker; 0 if there is none.
    pub campaign_id: u64,
    /// State that limits evicted in the two minutes before it and while it grew: what it lacks may be there.
    pub evictions: u64,
    /// The older incident that this one turned out to be part of; 0 if it is its own.
    pub merged_into: u64,
    /// No more will follow.
    pub closed: bool,
    /// Its packets are kept in a file.
    pub evidence_file: bool,
}
