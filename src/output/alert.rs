//! Bodies of `alert` and `incident`.
//!
//! Everything of ours in an alert is in `alert.context`, which Suricata's schema leaves free.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::community::CommunityId;
use super::eve::{FLOW_ID_BITS, Hex16, Show};
use super::evidence::evidence_name;
use crate::event::{
    Alert, Finding, Incident, KrbEvidence, Leg, NtlmEvidence, Roles, RpcEvidence, Signature,
};
use crate::net::Addr;
use crate::time::Timestamp;

/// Suricata's `alert`.
#[derive(Serialize)]
pub(super) struct AlertBody<'a> {
    action: &'static str,
    gid: u32,
    signature_id: u32,
    rev: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    signature: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    category: &'a str,
    severity: u8,
    metadata: Metadata<'a>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    references: &'a [String],
    context: Context<'a>,
}

/// Arrays of strings, in the spelling of the Emerging Threats rules.
#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    mitre_technique_id: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    mitre_tactic_name: &'a [String],
    signature_severity: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    sigma_id: Option<[&'a str; 1]>,
}

/// Ours.
#[derive(Serialize)]
struct Context<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    detector: &'a str,
    level: &'static str,
    incident_id: Show<Hex16>,
    alert_id: Show<Hex16>,
    #[serde(skip_serializing_if = "str::is_empty")]
    confidence: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    outcome: &'static str,
    #[serde(skip_serializing_if = "AlertRoles::is_empty")]
    roles: AlertRoles,
    #[serde(skip_serializing_if = "Legs::is_empty")]
    legs: Legs<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rpc: Option<Rpc<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ntlm: Option<Ntlm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    krb: Option<Krb<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    evidence: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runbook: Option<String>,
    gaps: u32,
    drops: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    suppressed: bool,
}

pub(super) fn alert_body(alert: &Alert) -> AlertBody<'_> {
    let Signature {
        gid,
        sid,
        rev,
        ref title,
        ref id,
        ref category,
        level,
        ref detector,
        ref techniques,
        ref tactics,
        ref references,
        false_positives: _, // for `relaywatch explain`
    } = *alert.signature;
    let finding: &Finding = &alert.finding;
    let detector = match detector.as_str() {
        "" => finding.detector,
        named => named,
    };
    AlertBody {
        action: "allowed",
        gid,
        signature_id: sid,
        rev,
        signature: title,
        category,
        severity: level.severity(),
        metadata: Metadata {
            mitre_technique_id: techniques,
            mitre_tactic_name: tactics,
            signature_severity: [level.name()],
            sigma_id: Some([id.as_str()]).filter(|_| !id.is_empty()),
        },
        references,
        context: Context {
            detector,
            level: level.name(),
            incident_id: Show(Hex16(alert.incident_id)),
            alert_id: Show(Hex16(alert.alert_id)),
            confidence: finding.confidence,
            outcome: finding.outcome,
            roles: AlertRoles::new(finding),
            legs: Legs(&alert.legs),
            rpc: alert.rpc.as_ref().map(rpc),
            ntlm: alert.ntlm.as_ref().map(ntlm).filter(|n| !n.is_empty()),
            krb: finding.krb.as_deref().map(krb),
            evidence: &alert.evidence,
            evidence_file: file(alert.evidence_file, alert.incident_id),
            runbook: runbook(detector),
            gaps: alert.gaps,
            drops: alert.drops,
            suppressed: alert.suppressed,
        },
    }
}

/// Name of the incident's file in the evidence folder, if there is one.
fn file(there: bool, incident_id: u64) -> Option<String> {
    there.then(|| evidence_name(incident_id))
}

/// The chapter of the handbook that says what to do. Detectors of the operator's own rules have none.
fn runbook(detector: &str) -> Option<String> {
    let number: u8 = detector.strip_prefix("RW-")?.parse().ok()?;
    (1..=25)
        .contains(&number)
        .then(|| format!("docs/detectors.md#{}", detector.to_ascii_lowercase()))
}

/// One host a role.
#[derive(Serialize)]
struct AlertRoles {
    #[serde(skip_serializing_if = "Option::is_none")]
    attacker: Option<Show<Addr>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    victim: Option<Show<Addr>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listener: Option<Show<Addr>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Show<Addr>>,
}

impl AlertRoles {
    fn new(finding: &Finding) -> Self {
        Self {
            attacker: finding.attacker.map(Show),
            victim: finding.victim.map(Show),
            listener: finding.listener.map(Show),
            target: finding.target.map(Show),
        }
    }

    fn is_empty(&self) -> bool {
        self.attacker.is_none()
            && self.victim.is_none()
            && self.listener.is_none()
            && self.target.is_none()
    }
}

/// An array of legs.
struct Legs<'a>(&'a [Leg]);

impl Legs<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Legs<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.0.iter().map(LegBody))
    }
}

struct LegBody<'a>(&'a Leg);

impl Serialize for LegBody<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let Leg {
            role,
            flow,
            pcap_cnt,
            ts: _,
        } = self.0;
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("role", role.name())?;
        map.serialize_entry("flow_id", &(flow.flow_id & FLOW_ID_BITS))?;
        map.serialize_entry("community_id", CommunityId::new(flow).as_str())?;
        map.serialize_entry("src_ip", &Show(flow.client.addr))?;
        map.serialize_entry("src_port", &flow.client.port)?;
        map.serialize_entry("dest_ip", &Show(flow.server.addr))?;
        map.serialize_entry("dest_port", &flow.server.port)?;
        if !flow.app_proto.is_empty() {
            map.serialize_entry("app_proto", flow.app_proto)?;
        }
        map.serialize_entry("first_ts", &Show(flow.first_ts))?;
        if *pcap_cnt != 0 {
            map.serialize_entry("pcap_cnt", pcap_cnt)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Rpc<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    interface: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    version: &'a str,
    opnum: u16,
    #[serde(skip_serializing_if = "str::is_empty")]
    method: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    transport: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_type: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_level: Option<u8>,
    sealed: bool,
    stub_len: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_host: Option<&'a str>,
}

fn rpc(e: &RpcEvidence) -> Rpc<'_> {
    Rpc {
        interface: &e.interface,
        version: &e.version,
        opnum: e.opnum,
        method: &e.method,
        transport: &e.transport,
        auth_type: e.auth_type,
        auth_level: e.auth_level,
        sealed: e.sealed,
        stub_len: e.stub_len,
        path: e.path.as_deref().filter(|p| !p.is_empty()),
        path_host: e.path_host.as_deref().filter(|p| !p.is_empty()),
    }
}

#[derive(Serialize)]
struct Ntlm<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    server_challenge: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    user: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    domain: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    workstation: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    target_name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    dns_computer_name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    mic: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    nt_hash_id: Option<String>,
}

fn ntlm(e: &NtlmEvidence) -> Ntlm<'_> {
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    Ntlm {
        server_challenge: e.server_challenge.map(|c| hex(&c)),
        user: &e.user,
        domain: &e.domain,
        workstation: &e.workstation,
        target_name: &e.target_name,
        dns_computer_name: &e.dns_computer_name,
        mic: e.mic,
        nt_hash_id: e.nt_hash_id.map(|h| hex(&h)),
    }
}

impl Ntlm<'_> {
    fn is_empty(&self) -> bool {
        let texts = [
            self.user,
            self.domain,
            self.workstation,
            self.target_name,
            self.dns_computer_name,
            self.mic,
        ];
        self.server_challenge.is_none()
            && self.nt_hash_id.is_none()
            && texts.iter().all(|t| t.is_empty())
    }
}

#[derive(Serialize)]
struct Krb<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    sname: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    realm: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    etype: &'a str,
    ticket_id: String,
    ap_req_id: String,
}

fn krb(e: &KrbEvidence) -> Krb<'_> {
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    Krb {
        sname: &e.sname,
        realm: &e.realm,
        etype: e.etype,
        ticket_id: hex(&e.ticket_id),
        ap_req_id: hex(&e.ap_req_id),
    }
}

/// Our `incident`.
#[derive(Serialize)]
pub(super) struct IncidentBody<'a> {
    incident_id: Show<Hex16>,
    rev: u32,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    detectors: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    mitre_technique_id: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    methods: &'a [String],
    level: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    confidence: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    outcome: &'static str,
    count: u64,
    #[serde(skip_serializing_if = "IncidentRoles::is_empty")]
    roles: IncidentRoles<'a>,
    #[serde(skip_serializing_if = "Legs::is_empty")]
    legs: Legs<'a>,
    first_ts: Show<Timestamp>,
    last_ts: Show<Timestamp>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    evidence: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    campaign_id: Option<Show<Hex16>>,
    #[serde(skip_serializing_if = "is_zero")]
    evictions: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    merged_into: Option<Show<Hex16>>,
    closed: bool,
}

pub(super) fn incident_body(i: &Incident) -> IncidentBody<'_> {
    IncidentBody {
        incident_id: Show(Hex16(i.incident_id)),
        rev: i.rev,
        detectors: &i.detectors,
        mitre_technique_id: &i.techniques,
        methods: &i.methods,
        level: i.level.name(),
        confidence: i.confidence,
        outcome: i.outcome,
        count: i.count,
        roles: IncidentRoles {
            roles: &i.roles,
            more: i.more,
        },
        legs: Legs(&i.legs),
        first_ts: Show(i.first_ts),
        last_ts: Show(i.last_ts),
        evidence: &i.evidence,
        evidence_file: file(i.evidence_file, i.incident_id),
        campaign_id: Some(i.campaign_id)
            .filter(|id| *id != 0)
            .map(|id| Show(Hex16(id))),
        evictions: i.evictions,
        merged_into: Some(i.merged_into)
            .filter(|id| *id != 0)
            .map(|id| Show(Hex16(id))),
        closed: i.closed,
    }
}

// What serde calls takes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Several hosts a role, and how many had no room.
struct IncidentRoles<'a> {
    roles: &'a Roles,
    more: u64,
}

impl<'a> IncidentRoles<'a> {
    fn named(&self) -> [(&'static str, &'a [Addr]); 4] {
        [
            ("attacker", &self.roles.attacker),
            ("victim", &self.roles.victim),
            ("listener", &self.roles.listener),
            ("target", &self.roles.target),
        ]
    }

    fn is_empty(&self) -> bool {
        self.more == 0 && self.named().iter().all(|(_, hosts)| hosts.is_empty())
    }
}

impl Serialize for IncidentRoles<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        for (name, hosts) in self.named() {
            if !hosts.is_empty() {
                map.serialize_entry(name, &Hosts(hosts))?;
            }
        }
        if self.more != 0 {
            map.serialize_entry("more", &self.more)?;
        }
        map.end()
    }
}

struct Hosts<'a>(&'a [Addr]);

impl Serialize for Hosts<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.0.iter().map(|a| Show(*a)))
    }
}
