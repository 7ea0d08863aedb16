//! RW-19: a server that takes authentications and is no Windows host: it repeats its challenge, or shows the
//! constants of a tool.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Waiting, case, finding, tells_of_listener};
use crate::correlate::Case;
use crate::correlate::bounds::{Bounds, Kind};
use crate::correlate::loops_back;
use crate::correlate::pattern::{Context, Evicted, Pattern};
use crate::correlate::told::Told;
use crate::correlate::window::Recent;
use crate::event::{Authenticate, LegRole, Seen, Sighting, Trace};
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;

/// Challenges remembered of a server: who repeats one gives it to everybody, or to one of the next few.
const CHALLENGES: usize = 8;

/// The first exchange with a challenge.
#[derive(Debug)]
struct First {
    flow: u64,
    response: [u8; 16],
    count: u64,
}

/// State of RW-19.
#[derive(Debug)]
pub(in crate::correlate) struct RogueServer {
    /// By server, so that one server cannot push out others: its last challenges, the newest last.
    challenges: Recent<Addr, VecDeque<([u8; 8], First)>>,
    /// Tool and field by server.
    tools: Recent<Addr, (String, String)>,
    /// Hosts that poisoned names or addresses, or that a coercion leads to.
    suspects: Recent<Addr, ()>,
    /// Responses that were told: behind a forwarder the same one reaches a second server.
    heard: Told,
    /// Servers told: true if surely.
    told: Recent<Addr, bool>,
    waiting: Waiting,
}

impl Default for RogueServer {
    fn default() -> Self {
        let idle = Duration::from_secs(limits::INCIDENT_IDLE_SECS);
        Self {
            challenges: Recent::new(limits::PRECURSORS, idle),
            tools: Recent::new(limits::PRECURSORS, idle),
            suspects: Recent::new(limits::INCIDENTS, idle),
            heard: Told::new(Duration::from_secs(limits::RELAY_SECS)),
            told: Recent::new(limits::INCIDENTS, idle),
            waiting: Waiting::new(Duration::from_secs(limits::EXPLAIN_SECS)),
        }
    }
}

impl Pattern for RogueServer {
    fn sighting(&mut self, s: &Sighting, cx: &Context<'_>, _: &mut Vec<Case>) {
        if loops_back(&s.flow) {
            return;
        }
        match &s.seen {
            Seen::Trace(trace) => {
                if let Trace::Tool { tool, field } = trace.as_ref() {
                    let shown = (tool.clone(), field.clone());
                    self.tools.insert(s.flow.server.addr, shown, s.ts);
                }
            }
            Seen::Authenticate(auth) if !auth.anonymous => self.authenticate(s, auth, cx),
            _ => {}
        }
    }

    fn concluded(&mut self, case: &Case, _: &Context<'_>, _: &mut Vec<Case>) {
        let f = &case.finding;
        if tells_of_listener(f) {
            self.waiting.explain(f.listener, case.ts);
        }
        if matches!(f.detector, "RW-06" | "RW-08" | "RW-20" | "RW-21")
            && let Some(listener) = f.listener.or(f.attacker)
        {
            self.suspects.insert(listener, (), case.ts);
        }
    }

    fn advance(&mut self, now: Timestamp, _: &Context<'_>, out: &mut Vec<Case>) {
        self.waiting.conclude(Some(now), |f| f.listener, out);
    }

    fn finish(&mut self, _: Timestamp, _: &Context<'_>, out: &mut Vec<Case>) {
        self.waiting.conclude(None, |f| f.listener, out);
    }

    fn limit(&mut self, bounds: &Bounds) {
        self.challenges.limit(bounds.most(Kind::Server));
        self.tools.limit(bounds.most(Kind::Told));
        self.suspects.limit(bounds.most(Kind::Told));
        self.heard.limit(bounds);
        self.told.limit(bounds.most(Kind::Told));
        self.waiting.limit(bounds);
    }

    fn evicted(&self) -> Evicted {
        let tables = Evicted {
            exchanges: self.challenges.evicted(),
            known: self.tools.evicted() + self.suspects.evicted() + self.told.evicted(),
            ..Evicted::default()
        };
        tables + self.waiting.evicted() + self.heard.evicted()
    }
}

impl RogueServer {
    fn authenticate(&mut self, s: &Sighting, auth: &Authenticate, cx: &Context<'_>) {
        let (client, server) = (s.flow.client.addr, s.flow.server.addr);
        let count = self.repeats(s, auth);
        let tool = self.tools.get(&server).cloned();
        let machine = auth.user.ends_with('$');
        let sure =
            tool.is_some() || (count > 1 && (machine || self.suspects.get(&server).is_some()));
        if (count < 2 && tool.is_none()) || self.told.get(&server).is_some_and(|was| *was || !sure)
        {
            return;
        }
        if let Some(response) = auth.nt_hash
            && !self.heard.first(server, response, s.ts)
        {
            return;
        }
        self.told.insert(server, sure, s.ts);
        let test = if tool.is_some() { "tool" } else { "challenge" };
        let mut f = finding("RW-19", "poisoning", test, s, cx);
        f.confidence = if sure { "high" } else { "low" };
        f.listener = Some(server);
        f.victim = Some(client);
        f.carrier = auth.carrier.name();
        f.count = count;
        f.user = auth.user.clone();
        f.domain = auth.domain.clone();
        f.machine_account = machine;
        let mut evidence = vec![format!(
            "{client} authenticated as {}\\{} at {} ({})",
            auth.domain, auth.user, s.flow.server, f.carrier
        )];
        if count > 1 {
            evidence.push(format!("{server} gave the same challenge {count} times"));
        }
        if let Some((tool, field)) = tool {
            evidence.push(format!("its {field} is that of {tool}"));
            f.tool = tool;
        }
        self.waiting.push(case(f, LegRole::Victim, s, cx, evidence));
    }

    /// How often the server gave this challenge, in exchanges that are not copies of one another: behind
    /// NAT one exchange passes the sensor twice, with the same response.
    fn repeats(&mut self, s: &Sighting, auth: &Authenticate) -> u64 {
        let (Some(challenge), Some(response)) = (auth.challenge, auth.nt_hash) else {
            return 0;
        };
        let server = s.flow.server.addr;
        if self.challenges.get(&server).is_none() {
            self.challenges.insert(server, VecDeque::new(), s.ts);
        } else {
            self.challenges.renew(&server, s.ts);
        }
        let Some(own) = self.challenges.get_mut(&server) else {
            return 0;
        };
        let Some((_, first)) = own.iter_mut().find(|(c, _)| *c == challenge) else {
            let first = First {
                flow: s.flow.flow_id,
                response,
                count: 1,
            };
            if own.len() >= CHALLENGES {
                own.pop_front();
            }
            own.push_back((challenge, first));
            return 1;
        };
        if first.flow != s.flow.flow_id && first.response != response {
            first.count += 1;
            first.flow = s.flow.flow_id;
            first.response = response;
        }
        first.count
    }
}
