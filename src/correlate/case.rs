//! A finding with what it rests on.

use std::sync::Arc;

use crate::event::{
    Alert, Finding, FlowMeta, Leg, NtlmEvidence, RpcEvidence, Seen, Sighting, Signature, identity,
};
use crate::time::Timestamp;

/// A finding, its flows and its reasons.
#[derive(Clone, Debug)]
pub struct Case {
    /// What rules see.
    pub finding: Arc<Finding>,
    /// When it was concluded: time of the answer, or of giving up on it.
    pub ts: Timestamp,
    /// Number of the packet that shows it best: the call, the relayed response, the request.
    pub pcap_cnt: u64,
    /// The flow it is reported on.
    pub flow: FlowMeta,
    /// The flows it rests on.
    pub legs: Vec<Leg>,
    /// The call, for coercion.
    pub rpc: Option<RpcEvidence>,
    /// The authentication, for relay.
    pub ntlm: Option<NtlmEvidence>,
    /// One plain sentence each, the strongest first.
    pub evidence: Vec<String>,
}

impl Case {
    /// The case of a rule that matched one protocol event.
    #[must_use]
    pub fn of_event(s: &Sighting) -> Self {
        let [user, domain] = match &s.seen {
            Seen::RuleHit { account, .. } => account.clone(),
            _ => Default::default(),
        };
        Self {
            finding: Arc::new(Finding {
                user,
                domain,
                ..Finding::default()
            }),
            ts: s.ts,
            pcap_cnt: s.key.number,
            flow: s.flow,
            legs: Vec::new(),
            rpc: None,
            ntlm: None,
            evidence: Vec::new(),
        }
    }

    /// True if this says all that `other` says and more: the callback of a call, the chain of a
    /// callback, the reflection of a relay.
    pub(super) fn holds(&self, other: &Self) -> bool {
        let pair = (self.finding.detector, other.finding.detector);
        let more = matches!(
            pair,
            ("RW-08", "RW-06" | "RW-07") | ("RW-09", "RW-08") | ("RW-12", "RW-01" | "RW-02")
        );
        more && other.legs.iter().all(|leg| self.legs.contains(leg))
    }

    /// Time of its first evidence.
    pub(super) fn first_ts(&self) -> Timestamp {
        self.legs.iter().map(|leg| leg.ts).min().unwrap_or(self.ts)
    }

    /// The alert that `signature` makes of it. `incident_id` 0 is none.
    #[must_use]
    pub fn alert(&self, signature: &Arc<Signature>, incident_id: u64, drops: u64) -> Alert {
        let level = signature.level.name();
        Alert {
            ts: self.ts,
            pcap_cnt: self.pcap_cnt,
            flow: self.flow,
            signature: Arc::clone(signature),
            finding: Arc::clone(&self.finding),
            legs: self.legs.clone(),
            rpc: self.rpc.clone(),
            ntlm: self.ntlm.clone(),
            evidence: self.evidence.clone(),
            evidence_file: false,
            incident_id,
            alert_id: identity(&[
                b"alert",
                &signature.sid.to_be_bytes(),
                &incident_id.to_be_bytes(),
                level.as_bytes(),
                // Without an incident every match is its own alert.
                &if incident_id == 0 { self.pcap_cnt } else { 0 }.to_be_bytes(),
            ]),
            gaps: self
                .legs
                .iter()
                .map(|leg| leg.flow.gaps)
                .fold(0, u32::saturating_add),
            drops,
            suppressed: false,
        }
    }
}
