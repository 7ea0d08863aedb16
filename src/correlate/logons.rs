//! Who is logged on where: the account of every session, for what is done over it.

use std::time::Duration;

use super::bounds::{Bounds, Kind};
use super::fair::Fair;
use crate::event::{Authenticate, Carrier, NtlmEvidence, Seen, Sighting};
use crate::limits;

/// An NTLM authentication, as the actions after it tell it.
#[derive(Clone, Debug)]
pub(super) struct Logon {
    pub(super) user: String,
    pub(super) domain: String,
    pub(super) evidence: NtlmEvidence,
}

/// The last logon of each flow of those protocols that actions are read from, bounded by client first. Beyond it what is done over a flow is nobody's.
#[derive(Debug)]
pub(super) struct Logons(Fair<u64, Logon>);

impl Default for Logons {
    fn default() -> Self {
        let idle = Duration::from_secs(limits::INCIDENT_IDLE_SECS);
        Self(Fair::new(limits::ACTION_SESSIONS, idle))
    }
}

impl Logons {
    /// How much it may hold.
    pub(super) fn limit(&mut self, bounds: &Bounds) {
        self.0.limit(bounds.most(Kind::Logon));
    }

    /// Notes an authentication, before anybody looks at the sighting.
    pub(super) fn note(&mut self, s: &Sighting) {
        if let Seen::Authenticate(auth) = &s.seen
            && matches!(auth.carrier, Carrier::Ldap | Carrier::Smb | Carrier::Rpc)
            && !auth.anonymous
        {
            let logon = Logon::of(auth);
            let client = s.flow.client.addr;
            self.0.insert(client, s.flow.flow_id, logon, s.ts);
        }
    }

    /// Whose session the flow is.
    pub(super) fn get(&self, flow_id: u64) -> Option<&Logon> {
        self.0.get(&flow_id)
    }

    /// Accounts that gave way to newer ones of their client.
    pub(super) fn gave_way(&self) -> u64 {
        self.0.gave_way()
    }

    /// Accounts that had to go although they were not old.
    pub(super) fn evicted(&self) -> u64 {
        self.0.evicted()
    }
}

impl Logon {
    fn of(auth: &Authenticate) -> Self {
        Self {
            user: auth.user.clone(),
            domain: auth.domain.clone(),
            evidence: NtlmEvidence::of(auth),
        }
    }
}
