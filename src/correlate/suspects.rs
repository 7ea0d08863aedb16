//! Flows that a detector has spoken of, so that what follows on them joins the story.

use std::sync::Arc;
use std::time::Duration;

use super::Case;
use super::bounds::{Bounds, Kind};
use super::fair::Fair;
use crate::event::{Finding, Leg, NtlmEvidence};
use crate::limits;
use crate::time::Timestamp;

/// What is known of a flow that carries an authentication which is not its client's own.
#[derive(Clone, Debug)]
pub(super) struct Suspicion {
    /// The finding: roles, account, protocols.
    pub(super) finding: Arc<Finding>,
    /// Its flows.
    pub(super) legs: Vec<Leg>,
    /// Its authentication.
    pub(super) ntlm: Option<NtlmEvidence>,
    /// When it was concluded.
    pub(super) ts: Timestamp,
}

/// By flow id of the target's leg, on the account of who connected.
#[derive(Debug)]
pub(super) struct Suspects(Fair<u64, Suspicion>);

impl Default for Suspects {
    fn default() -> Self {
        Self(Fair::new(
            limits::INCIDENTS,
            Duration::from_secs(limits::INCIDENT_IDLE_SECS),
        ))
    }
}

impl Suspects {
    /// How much it may hold.
    pub(super) fn limit(&mut self, bounds: &Bounds) {
        self.0.limit(bounds.most(Kind::Story));
    }

    /// Stories that had to go although they were not old.
    pub(super) fn evicted(&self) -> u64 {
        self.0.evicted()
    }

    /// Those that gave way to newer ones of their client.
    pub(super) fn gave_way(&self) -> u64 {
        self.0.gave_way()
    }

    /// Remembers the flow of a case about an authentication. The first one stays: it is the one whose
    /// legs were seen.
    pub(super) fn note(&mut self, case: &Case) {
        let f = &case.finding;
        // A ticket at a place that was not foreseen (RW-14) is no relay: the client may only have asked elsewhere.
        if f.kind != "relay"
            || f.detector == "RW-14"
            || f.forwarded
            || f.forwarding_unknown
            || self.0.get(&case.flow.flow_id).is_some()
        {
            return;
        }
        let suspicion = Suspicion {
            finding: Arc::clone(f),
            legs: case.legs.clone(),
            ntlm: case.ntlm.clone(),
            ts: case.ts,
        };
        let client = case.flow.client.addr;
        self.0.insert(client, case.flow.flow_id, suspicion, case.ts);
    }

    /// What is known of the flow.
    pub(super) fn get(&self, flow_id: u64) -> Option<&Suspicion> {
        self.0.get(&flow_id)
    }
}
