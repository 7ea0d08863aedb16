//! Zerologon (CVE-2020-1472): a credential of eight zero bytes is tried until it happens to be right.

use std::time::Duration;

use crate::correlate::Case;
use crate::correlate::action::desk;
use crate::correlate::bounds::{Bounds, Kind};
use crate::correlate::fair::Fair;
use crate::correlate::pattern::Context;
use crate::event::{Operation, Sighting};
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;

/// Opnum of NetrServerReqChallenge (MS-NRPC 3.5.4.4.1).
const CHALLENGE: u16 = 4;

/// What one client tried at one server.
#[derive(Debug, Default)]
struct Tries {
    since: Timestamp,
    /// Challenges and credentials, each all zero.
    challenges: u64,
    credentials: u64,
    told: bool,
    succeeded: bool,
    /// The last credential: its flow and what its answer is recognised by.
    asked: Option<(u64, (u64, u32))>,
    last: Option<Case>,
}

/// Counts by client and server.
#[derive(Debug)]
pub(super) struct ZeroLogons(Fair<(Addr, Addr), Tries>);

impl Default for ZeroLogons {
    fn default() -> Self {
        let keep = Duration::from_secs(limits::INCIDENT_IDLE_SECS);
        Self(Fair::new(limits::ZERO_CREDENTIALS, keep))
    }
}

impl ZeroLogons {
    pub(super) fn limit(&mut self, bounds: &Bounds) {
        self.0.limit(bounds.most(Kind::Kept));
    }

    pub(super) fn gave_way(&self) -> u64 {
        self.0.gave_way()
    }

    pub(super) fn evicted(&self) -> u64 {
        self.0.evicted()
    }

    /// An all-zero challenge or credential.
    pub(super) fn call(
        &mut self,
        s: &Sighting,
        call: &Operation,
        cx: &Context<'_>,
        out: &mut Vec<Case>,
    ) {
        let pair = (s.flow.client.addr, s.flow.server.addr);
        if self.0.get(&pair).is_none() {
            let tries = Tries {
                since: s.ts,
                ..Tries::default()
            };
            self.0.insert(pair.0, pair, tries, s.ts);
        }
        let Some(tries) = self.0.get_mut(&pair) else {
            return;
        };
        if !tries.told && s.ts.since(tries.since) > Duration::from_secs(limits::ZERO_SECS) {
            *tries = Tries {
                since: s.ts,
                ..Tries::default()
            };
        }
        if call.opnum == CHALLENGE {
            tries.challenges += 1;
        } else {
            tries.credentials += 1;
            tries.asked = Some((s.flow.flow_id, (call.association, call.call_id)));
        }
        let count = tries.challenges.max(tries.credentials);
        let mut f = desk::finding("RW-24", s, None, cx);
        f.victim = Some(pair.1);
        f.victim_tier0 = std::mem::take(&mut f.target_tier0);
        super::of_call(&mut f, call);
        f.action = "zerologon".to_owned();
        f.outcome = "attempt";
        f.count = count;
        let evidence = vec![format!(
            "{} tried {count} credentials of zeros at {} in {:.1} s",
            pair.0,
            pair.1,
            s.ts.since(tries.since).as_secs_f32()
        )];
        let case = desk::case(s, f, None, evidence);
        if count >= limits::ZERO_TRIES && !tries.told {
            tries.told = true;
            out.push(case.clone());
        }
        tries.last = Some(case);
    }

    /// The answer to a credential: taken by chance, the attacker is the machine.
    pub(super) fn result(
        &mut self,
        s: &Sighting,
        answer: (u64, u32),
        status: Option<u32>,
        out: &mut Vec<Case>,
    ) {
        let pair = (s.flow.client.addr, s.flow.server.addr);
        let Some(tries) = self.0.get_mut(&pair) else {
            return;
        };
        if tries.asked != Some((s.flow.flow_id, answer)) || status != Some(0) || tries.succeeded {
            return;
        }
        if let Some(mut case) = tries.last.clone() {
            tries.succeeded = true;
            tries.told = true;
            let f = std::sync::Arc::make_mut(&mut case.finding);
            f.outcome = "success";
            case.ts = s.ts;
            case.evidence.insert(
                0,
                format!("{} accepted a credential of zeros", s.flow.server.addr),
            );
            out.push(case);
        }
    }
}
