//! RW-09: the whole chain. A host was coerced, came, and what it said was relayed on.
//!
//! Nothing new is seen here: it joins what RW-08 and the relay detectors concluded, on victim and listener.

use std::sync::Arc;
use std::time::Duration;

use super::Case;
use super::bounds::{Bounds, Kind};
use super::fair::Fair;
use super::pattern::{Context, Evicted, Pattern};
use super::told::Told;
use crate::event::Finding;
use crate::limits;
use crate::net::Addr;

/// Victim and listener.
type Pair = (Addr, Addr);

/// State of RW-09.
#[derive(Debug)]
pub(super) struct Chains {
    /// By listener, like the relays.
    callbacks: Fair<Pair, Case>,
    relays: Fair<Pair, Case>,
    /// Pairs with their target: each is told once.
    told: Told,
}

impl Default for Chains {
    fn default() -> Self {
        let idle = Duration::from_secs(limits::INCIDENT_IDLE_SECS);
        Self {
            callbacks: Fair::new(limits::INCIDENTS, idle),
            relays: Fair::new(limits::INCIDENTS, idle),
            told: Told::new(idle),
        }
    }
}

impl Pattern for Chains {
    fn limit(&mut self, bounds: &Bounds) {
        self.callbacks.limit(bounds.most(Kind::Story));
        self.relays.limit(bounds.most(Kind::Story));
        self.told.limit(bounds);
    }

    fn evicted(&self) -> Evicted {
        let stories = Evicted {
            pending: self.callbacks.evicted() + self.relays.evicted(),
            own: self.callbacks.gave_way() + self.relays.gave_way(),
            ..Evicted::default()
        };
        stories + self.told.evicted()
    }

    fn sighting(&mut self, _: &crate::event::Sighting, _: &Context<'_>, _: &mut Vec<Case>) {}

    fn concluded(&mut self, case: &Case, _: &Context<'_>, out: &mut Vec<Case>) {
        let f = &case.finding;
        let (Some(victim), Some(listener)) = (f.victim, f.listener) else {
            return;
        };
        let pair = (victim, listener);
        let relay = f.kind == "relay" && !f.forwarded && f.target.is_some();
        let chain = if f.detector == "RW-08" {
            self.callbacks.insert(listener, pair, case.clone(), case.ts);
            self.relays.get(&pair).map(|relay| join(case, relay))
        } else if relay && matches!(f.detector, "RW-01" | "RW-02" | "RW-03" | "RW-05" | "RW-13") {
            self.relays.insert(listener, pair, case.clone(), case.ts);
            self.callbacks
                .get(&pair)
                .map(|callback| join(callback, case))
        } else {
            None
        };
        if let Some(chain) = chain {
            let key = (pair, chain.finding.target);
            if self.told.first(listener, key, chain.ts) {
                out.push(chain);
            }
        }
    }
}

fn join(callback: &Case, relay: &Case) -> Case {
    let (c, r) = (&callback.finding, &relay.finding);
    let finding = Finding {
        detector: "RW-09",
        kind: "relay",
        attacker: c.attacker,
        victim_tier0: c.victim_tier0 || r.victim_tier0,
        family: c.family.clone(),
        method_id: c.method_id.clone(),
        method: c.method.clone(),
        tier: c.tier,
        interface: c.interface,
        opnum: c.opnum,
        transport: c.transport,
        named_pipe: c.named_pipe.clone(),
        sealed: c.sealed,
        path: c.path.clone(),
        path_host: c.path_host.clone(),
        path_host_literal: c.path_host_literal,
        webdav: c.webdav,
        path_owner: c.path_owner,
        caller_interfaces: c.caller_interfaces,
        callback_ms: c.callback_ms,
        // No proxy coerces: what the relay alone could not tell, the callback does.
        forwarding_unknown: false,
        confidence: if r.forwarding_unknown {
            "medium"
        } else {
            r.confidence
        },
        ..Finding::clone(r)
    };
    let text = |addr: Option<Addr>| addr.map(|a| a.to_string()).unwrap_or_default();
    let mut evidence = vec![format!(
        "{} coerced {} with {}, {} authenticated to {}, and that was relayed to {} over {}",
        text(c.attacker),
        text(c.victim),
        c.method,
        text(c.victim),
        text(c.listener),
        text(r.target),
        r.target_protocol
    )];
    evidence.extend(relay.evidence.iter().take(2).cloned());
    evidence.extend(callback.evidence.iter().take(2).cloned());
    let mut legs = callback.legs.clone();
    for leg in &relay.legs {
        let same =
            |l: &&crate::event::Leg| l.flow.flow_id == leg.flow.flow_id && l.role == leg.role;
        if !legs.iter().any(|l| same(&l)) {
            legs.push(*leg);
        }
    }
    Case {
        finding: Arc::new(finding),
        ts: relay.ts.max(callback.ts),
        pcap_cnt: relay.pcap_cnt,
        flow: relay.flow,
        legs,
        rpc: callback.rpc.clone(),
        ntlm: relay.ntlm.clone(),
        evidence,
    }
}
