//! RW-23: somebody looks which hosts can be coerced.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Waiting, case, finding};
use crate::catalog::Tier;
use crate::correlate::Case;
use crate::correlate::bounds::{Bounds, Kind};
use crate::correlate::pattern::{Context, Evicted, Pattern};
use crate::correlate::window::Recent;
use crate::event::{Finding, LegRole, Seen, Sighting, Trace, identity};
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;
use crate::wire::Guid;

/// All counts are within this time.
const WINDOW: Duration = Duration::from_secs(60);
/// Listings of an endpoint mapper, coercible interfaces, hosts.
const LOOKUPS: usize = 20;
const INTERFACES: usize = 5;
const HOSTS: usize = 5;
/// IRemoteSCMActivator (MS-DCOM 1.9): what a client of DCOM goes on with.
const ACTIVATOR: Guid = Guid(0x0000_01a0_0000_0000_c000_0000_0000_0046);

/// What one host did lately, per kind the last few.
#[derive(Debug, Default)]
struct Doings {
    lookups: VecDeque<(Timestamp, Addr)>,
    binds: VecDeque<(Timestamp, (Guid, u64))>,
    managed: VecDeque<(Timestamp, Addr)>,
    alive: VecDeque<(Timestamp, Addr)>,
    activated: VecDeque<(Timestamp, Addr)>,
}

/// Adds `what` and says how many different ones there were within the window.
fn distinct<T: Copy + PartialEq>(
    list: &mut VecDeque<(Timestamp, T)>,
    now: Timestamp,
    what: T,
) -> usize {
    list.retain(|(at, known)| now.since(*at) <= WINDOW && *known != what);
    push(list, now, what);
    list.len()
}

fn push<T>(list: &mut VecDeque<(Timestamp, T)>, now: Timestamp, what: T) {
    if list.len() >= limits::RECON_LIST {
        list.pop_front();
    }
    list.push_back((now, what));
}

/// State of RW-23.
#[derive(Debug)]
pub(in crate::correlate) struct Recon {
    sources: Recent<Addr, Doings>,
    told: Recent<(Addr, &'static str), bool>,
    waiting: Waiting,
}

impl Default for Recon {
    fn default() -> Self {
        let idle = Duration::from_secs(limits::INCIDENT_IDLE_SECS);
        Self {
            sources: Recent::new(limits::PRECURSORS, idle),
            told: Recent::new(limits::INCIDENTS, idle),
            waiting: Waiting::new(Duration::from_secs(limits::EXPLAIN_SECS)),
        }
    }
}

impl Pattern for Recon {
    fn sighting(&mut self, s: &Sighting, cx: &Context<'_>, _: &mut Vec<Case>) {
        let Seen::Trace(trace) = &s.seen else {
            return;
        };
        let (client, server) = (s.flow.client.addr, s.flow.server.addr);
        let (test, count, many, sentence) = {
            let Some(doings) = self.doings(trace, client, s.ts) else {
                return;
            };
            match trace.as_ref() {
                Trace::Mapped(_) => (
                    "efs_wakeup",
                    1,
                    true,
                    "asked the endpoint mapper for EFS, which starts the service".to_owned(),
                ),
                Trace::Lookup => {
                    doings.lookups.retain(|(at, _)| s.ts.since(*at) <= WINDOW);
                    push(&mut doings.lookups, s.ts, server);
                    let n = doings.lookups.len();
                    (
                        "lookup",
                        n,
                        n >= LOOKUPS,
                        format!("listed all endpoints, {n} calls in a minute"),
                    )
                }
                Trace::Management => {
                    let n = distinct(&mut doings.managed, s.ts, server);
                    (
                        "management",
                        n,
                        n >= HOSTS,
                        format!("asked {n} hosts for their RPC interfaces"),
                    )
                }
                Trace::Alive => {
                    let n = distinct(&mut doings.alive, s.ts, server);
                    (
                        "oxid",
                        n,
                        n >= HOSTS,
                        format!("asked {n} hosts for their addresses (ServerAlive)"),
                    )
                }
                Trace::Bind {
                    interface: ACTIVATOR,
                    ..
                } => {
                    push(&mut doings.activated, s.ts, server);
                    self.activates(client, server);
                    return;
                }
                Trace::Bind { interface, pipe } => {
                    let coercible = cx
                        .catalog
                        .interface(*interface)
                        .is_some_and(|i| i.methods.values().any(|m| m.tier == Tier::A));
                    if !coercible {
                        return;
                    }
                    // One interface over several pipes is as much of a search as several interfaces.
                    let pipe = identity(&[pipe.as_bytes()]);
                    let n = distinct(&mut doings.binds, s.ts, (*interface, pipe));
                    if n < INTERFACES {
                        return;
                    }
                    (
                        "interfaces",
                        n,
                        true,
                        format!("bound {n} coercible interfaces and pipes in a minute"),
                    )
                }
                _ => return,
            }
        };
        // A client of DCOM asks too, and goes on with an activation.
        let activated = self
            .sources
            .get(&client)
            .is_some_and(|d| d.activated.iter().any(|(_, host)| *host == server));
        if test == "oxid" && !many && activated {
            return;
        }
        if self
            .told
            .get(&(client, test))
            .is_some_and(|was| *was || !many)
        {
            return;
        }
        self.told.insert((client, test), many, s.ts);
        let mut f = finding("RW-23", "recon", test, s, cx);
        f.confidence = if many { "medium" } else { "low" };
        f.attacker = Some(client);
        f.victim = Some(server);
        f.count = count as u64;
        f.carrier = "dcerpc";
        let evidence = vec![format!("{client} {sentence}; last of {server}")];
        self.waiting
            .push(case(f, LegRole::Precursor, s, cx, evidence));
    }

    fn concluded(&mut self, case: &Case, _: &Context<'_>, _: &mut Vec<Case>) {
        if matches!(case.finding.detector, "RW-06" | "RW-07" | "RW-08" | "RW-09") {
            self.waiting.explain(case.finding.attacker, case.ts);
            // A coerced host asks its listener for addresses: it is the victim, and looks for nothing.
            let victim = case.finding.victim;
            self.drop_oxid(|f| f.attacker == victim);
        }
    }

    fn advance(&mut self, now: Timestamp, _: &Context<'_>, out: &mut Vec<Case>) {
        self.waiting.conclude(Some(now), caller, out);
    }

    fn finish(&mut self, _: Timestamp, _: &Context<'_>, out: &mut Vec<Case>) {
        self.waiting.conclude(None, caller, out);
    }

    fn evicted(&self) -> Evicted {
        let tables = Evicted {
            pending: self.sources.evicted(),
            known: self.told.evicted(),
            ..Evicted::default()
        };
        tables + self.waiting.evicted()
    }

    fn limit(&mut self, bounds: &Bounds) {
        self.sources.limit(bounds.most(Kind::Scout));
        self.told.limit(bounds.most(Kind::Told));
        self.waiting.limit(bounds);
    }
}

fn caller(f: &Finding) -> Option<Addr> {
    f.attacker
}

impl Recon {
    /// What the host did, if it did something that counts here.
    fn doings(&mut self, trace: &Trace, client: Addr, now: Timestamp) -> Option<&mut Doings> {
        let counts = matches!(
            trace,
            Trace::Mapped(_)
                | Trace::Lookup
                | Trace::Management
                | Trace::Alive
                | Trace::Bind { .. }
        );
        if !counts {
            return None;
        }
        if self.sources.get(&client).is_none() {
            self.sources.insert(client, Doings::default(), now);
        }
        self.sources.get_mut(&client)
    }

    fn drop_oxid(&mut self, whose: impl Fn(&Finding) -> bool) {
        let weak = |f: &Finding| f.test == "oxid" && f.confidence == "low";
        self.waiting
            .cases
            .retain(|c| !(weak(&c.finding) && whose(&c.finding)));
    }

    /// The question was the beginning of an activation: nothing to tell.
    fn activates(&mut self, client: Addr, server: Addr) {
        let before = self.waiting.cases.len();
        self.drop_oxid(|f| (f.attacker, f.victim) == (Some(client), Some(server)));
        if self.waiting.cases.len() < before {
            self.told.remove(&(client, "oxid"));
        }
    }
}
