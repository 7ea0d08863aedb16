//! RW-22: Windows' WebDAV client where nobody sits at a screen. It is how a coerced host comes over HTTP.

use std::time::Duration;

use super::{Waiting, case, finding, tells_of_listener};
use crate::correlate::Case;
use crate::correlate::bounds::{Bounds, Kind};
use crate::correlate::fair::Fair;
use crate::correlate::pattern::{Context, Evicted, Pattern};
use crate::correlate::told::Told;
use crate::event::{Carrier, LegRole, Seen, Sighting, Trace};
use crate::limits;
use crate::time::Timestamp;

/// State of RW-22.
#[derive(Debug)]
pub(in crate::correlate) struct WebDav {
    /// Host header by flow.
    flows: Fair<u64, String>,
    told: Told,
    waiting: Waiting,
}

impl Default for WebDav {
    fn default() -> Self {
        let idle = Duration::from_secs(limits::INCIDENT_IDLE_SECS);
        Self {
            flows: Fair::new(limits::PRECURSORS, idle),
            told: Told::new(idle),
            waiting: Waiting::new(Duration::from_secs(limits::EXPLAIN_SECS)),
        }
    }
}

impl Pattern for WebDav {
    fn sighting(&mut self, s: &Sighting, cx: &Context<'_>, _: &mut Vec<Case>) {
        match &s.seen {
            Seen::Trace(trace) => {
                let Trace::WebDav { host } = trace.as_ref() else {
                    return;
                };
                let client = s.flow.client.addr;
                self.flows
                    .insert(client, s.flow.flow_id, host.clone(), s.ts);
                if cx.identity.roles(s.flow.client.addr).is_tier0() {
                    self.tell("server", host, None, s, cx);
                } else if odd(host, s.flow.server.port) {
                    self.tell("odd_port", host, None, s, cx);
                }
            }
            Seen::Authenticate(auth)
                if auth.carrier == Carrier::Http && auth.user.ends_with('$') =>
            {
                if let Some(host) = self.flows.get(&s.flow.flow_id).cloned() {
                    self.tell("machine", &host, Some((&auth.user, &auth.domain)), s, cx);
                }
            }
            _ => {}
        }
    }

    fn concluded(&mut self, case: &Case, _: &Context<'_>, _: &mut Vec<Case>) {
        if tells_of_listener(&case.finding) {
            self.waiting.explain(case.finding.victim, case.ts);
        }
    }

    fn advance(&mut self, now: Timestamp, _: &Context<'_>, out: &mut Vec<Case>) {
        self.waiting.conclude(Some(now), |f| f.victim, out);
    }

    fn finish(&mut self, _: Timestamp, _: &Context<'_>, out: &mut Vec<Case>) {
        self.waiting.conclude(None, |f| f.victim, out);
    }

    fn evicted(&self) -> Evicted {
        let tables = Evicted {
            pending: self.flows.evicted(),
            own: self.flows.gave_way(),
            ..Evicted::default()
        };
        tables + self.waiting.evicted() + self.told.evicted()
    }

    fn limit(&mut self, bounds: &Bounds) {
        self.flows.limit(bounds.most(Kind::Flow));
        self.told.limit(bounds);
        self.waiting.limit(bounds);
    }
}

impl WebDav {
    fn tell(
        &mut self,
        test: &'static str,
        host: &str,
        account: Option<(&str, &str)>,
        s: &Sighting,
        cx: &Context<'_>,
    ) {
        let pair = (s.flow.client.addr, s.flow.server.addr);
        // The machine account is worth more than what was seen before it.
        if !self.told.first(pair.0, pair, s.ts) && test != "machine" {
            return;
        }
        self.waiting
            .cases
            .retain(|c| (c.finding.victim, c.finding.listener) != (Some(pair.0), Some(pair.1)));
        let mut f = finding("RW-22", "callback", test, s, cx);
        f.victim = Some(pair.0);
        f.listener = Some(pair.1);
        f.attacker = Some(pair.1);
        f.carrier = "http";
        f.webdav = true;
        f.name = host.to_owned();
        f.confidence = if test == "odd_port" { "low" } else { "high" };
        let mut evidence = vec![format!(
            "{} used Windows' WebDAV client at {} (Host: {host})",
            pair.0, s.flow.server
        )];
        if let Some((user, domain)) = account {
            f.user = user.to_owned();
            f.domain = domain.to_owned();
            f.machine_account = true;
            evidence.push(format!(
                "it authenticated as the machine account {domain}\\{user}"
            ));
        }
        self.waiting.push(case(f, LegRole::Victim, s, cx, evidence));
    }
}

/// A name without a dot, on a port that no user types.
fn odd(host: &str, port: u16) -> bool {
    let name = host.split(':').next().unwrap_or_default();
    !matches!(port, 80 | 443) && !name.is_empty() && !name.contains('.') && !host.starts_with('[')
}
