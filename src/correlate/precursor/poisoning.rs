//! RW-20: LLMNR, NBT-NS or mDNS answered by a host for names that are not its own.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{case, ends, finding, unicast};
use crate::correlate::Case;
use crate::correlate::bounds::{Bounds, Kind};
use crate::correlate::fair::Fair;
use crate::correlate::pattern::{Context, Evicted, Pattern};
use crate::correlate::pending::Pending;
use crate::correlate::window::Recent;
use crate::event::{LegRole, Seen, Sighting, Trace};
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;

/// Names that are not the answering host's own before it is told.
const NAMES: usize = 3;

/// Who asked for a name last.
#[derive(Debug)]
struct Asked {
    by: Addr,
    /// Asked of everybody, not of one server.
    group: bool,
    ts: Timestamp,
}

/// A host that answers for others.
#[derive(Debug, Default)]
struct Answers {
    names: BTreeSet<String>,
    protocols: BTreeSet<&'static str>,
    /// The asker whom it answered first.
    asker: Option<Addr>,
    listener: Option<Addr>,
}

/// An answer that an authentication may follow.
#[derive(Clone, Debug)]
struct Led {
    poisoner: Addr,
    name: String,
    protocol: &'static str,
    sighting: Sighting,
}

/// State of RW-20.
#[derive(Debug)]
pub(in crate::correlate) struct Poisoning {
    asked: Fair<(&'static str, String), Asked>,
    /// Names that hosts registered, or answered for with their own address and unasked.
    own: Fair<(Addr, String), ()>,
    answers: Recent<Addr, Answers>,
    /// By asker and where the answer leads.
    led: Fair<(Addr, Addr), Led>,
    /// Poisoners told: 1 by a logon, 2 by names or a relay.
    told: Recent<Addr, u8>,
    /// Logons, until it is known whether they were relayed.
    logons: Pending<Case>,
}

impl Default for Poisoning {
    fn default() -> Self {
        let idle = Duration::from_secs(limits::INCIDENT_IDLE_SECS);
        Self {
            asked: Fair::new(limits::PRECURSORS, Duration::from_secs(60)),
            own: Fair::new(
                limits::NAMED_ADDRESSES,
                Duration::from_secs(limits::IDENTITY_SECS),
            ),
            answers: Recent::new(limits::PRECURSORS, idle),
            led: Fair::new(limits::PRECURSORS, Duration::from_secs(120)),
            told: Recent::new(limits::INCIDENTS, idle),
            logons: Pending::new(Duration::from_secs(limits::EXPLAIN_SECS)),
        }
    }
}

impl Pattern for Poisoning {
    fn sighting(&mut self, s: &Sighting, cx: &Context<'_>, out: &mut Vec<Case>) {
        let (source, dest) = ends(s);
        match &s.seen {
            Seen::Trace(trace) => match trace.as_ref() {
                Trace::Asked { protocol, name } => {
                    let asked = Asked {
                        by: source,
                        group: unicast(dest).is_none(),
                        ts: s.ts,
                    };
                    let key = (*protocol, name.clone());
                    self.asked.insert(source, key, asked, s.ts);
                }
                Trace::Registered { name } => {
                    self.own.insert(source, (source, name.clone()), (), s.ts);
                }
                Trace::Answered {
                    protocol,
                    name,
                    addr,
                } => self.answered(protocol, name, *addr, s, cx, out),
                _ => {}
            },
            Seen::Authenticate(auth) if !auth.anonymous => {
                let pair = (s.flow.client.addr, s.flow.server.addr);
                if let Some(led) = self.led.get(&pair).cloned()
                    && !cx.identity.server_is(pair.1, &led.name)
                {
                    self.tell("logon", pair, &led, s.ts, cx, out);
                }
            }
            _ => {}
        }
    }

    fn concluded(&mut self, case: &Case, cx: &Context<'_>, out: &mut Vec<Case>) {
        let f = &case.finding;
        let relay = matches!(f.detector, "RW-01" | "RW-02" | "RW-13") && !f.forwarded;
        if let (true, Some(victim), Some(listener)) = (relay, f.victim, f.listener)
            && let Some(led) = self.led.get(&(victim, listener)).cloned()
        {
            self.tell("relay", (victim, listener), &led, case.ts, cx, out);
        }
    }

    fn advance(&mut self, now: Timestamp, _: &Context<'_>, out: &mut Vec<Case>) {
        while let Some(case) = self.logons.pop(Some(now)) {
            out.push(case);
        }
    }

    fn finish(&mut self, _: Timestamp, _: &Context<'_>, out: &mut Vec<Case>) {
        while let Some(case) = self.logons.pop(None) {
            out.push(case);
        }
    }

    fn evicted(&self) -> Evicted {
        Evicted {
            pending: self.answers.evicted()
                + self.asked.evicted()
                + self.led.evicted()
                + self.logons.evicted(),
            known: self.own.evicted() + self.told.evicted(),
            own: self.asked.gave_way() + self.own.gave_way() + self.led.gave_way(),
            ..Evicted::default()
        }
    }

    fn limit(&mut self, bounds: &Bounds) {
        self.asked.limit(bounds.most(Kind::Flow));
        self.own.limit(bounds.most(Kind::Own));
        self.answers.limit(bounds.most(Kind::Flow));
        self.led.limit(bounds.most(Kind::Led));
        self.told.limit(bounds.most(Kind::Told));
        self.logons.limit(bounds.most(Kind::Waiting));
    }
}

impl Poisoning {
    fn answered(
        &mut self,
        protocol: &'static str,
        name: &str,
        addr: Addr,
        s: &Sighting,
        cx: &Context<'_>,
        out: &mut Vec<Case>,
    ) {
        let (source, dest) = ends(s);
        let asked = self
            .asked
            .get(&(protocol, name.to_owned()))
            .filter(|a| s.ts.since(a.ts) <= Duration::from_secs(3));
        // An answer to everybody that nobody asked for is an announcement (RFC 6762 8.3).
        if protocol == "mdns" && asked.is_none() {
            self.own.insert(source, (source, name.to_owned()), (), s.ts);
            return;
        }
        let asker = match (unicast(dest), asked) {
            (Some(dest), _) => dest,
            (None, Some(asked)) => asked.by,
            (None, None) => return,
        };
        // WINS answers what it is asked itself; a proxy of sleeping hosts answers with their addresses.
        let direct = protocol == "nbns" && asked.is_some_and(|a| !a.group && a.by == asker);
        let for_others = protocol == "mdns" && addr != source;
        if direct || for_others || asker == source || self.owns(source, addr, name, cx) {
            return;
        }
        if self.answers.get(&source).is_none() {
            self.answers.insert(source, Answers::default(), s.ts);
        }
        let Some(answers) = self.answers.get_mut(&source) else {
            return;
        };
        if answers.names.len() < limits::NAMES_PER_ADDRESS {
            answers.names.insert(name.to_owned());
        }
        answers.protocols.insert(protocol);
        let asker_first = *answers.asker.get_or_insert(asker);
        let listener = *answers.listener.get_or_insert(addr);
        let enough = answers.names.len() >= NAMES;
        let led = Led {
            poisoner: source,
            name: name.to_owned(),
            protocol,
            sighting: s.clone(),
        };
        self.led.insert(source, (asker, addr), led.clone(), s.ts);
        if name == "wpad" {
            self.tell("wpad", (asker, addr), &led, s.ts, cx, out);
        } else if enough {
            self.tell("names", (asker_first, listener), &led, s.ts, cx, out);
        }
    }

    /// True if the name belongs to who answers, or to the address in the answer.
    fn owns(&self, source: Addr, addr: Addr, name: &str, cx: &Context<'_>) -> bool {
        [source, addr]
            .into_iter()
            .any(|a| cx.identity.host_is(a, name) || self.own.get(&(a, name.to_owned())).is_some())
            && name != "wpad"
    }

    #[allow(clippy::too_many_arguments)]
    fn tell(
        &mut self,
        test: &'static str,
        (victim, listener): (Addr, Addr),
        led: &Led,
        now: Timestamp,
        cx: &Context<'_>,
        out: &mut Vec<Case>,
    ) {
        let rank = if test == "logon" { 1 } else { 2 };
        let s = &led.sighting;
        if self
            .told
            .get(&led.poisoner)
            .is_some_and(|told| *told >= rank)
        {
            return;
        }
        self.told.insert(led.poisoner, rank, s.ts);
        let mut f = finding("RW-20", "poisoning", test, s, cx);
        f.confidence = if rank == 2 { "high" } else { "medium" };
        f.attacker = Some(led.poisoner);
        f.listener = Some(listener);
        f.victim = Some(victim);
        f.carrier = led.protocol;
        f.name.clone_from(&led.name);
        let answers = self.answers.get(&led.poisoner);
        f.count = answers.map_or(1, |a| a.names.len() as u64);
        let list = |all: Vec<&str>| all.join(", ");
        let names = answers.map(|a| list(a.names.iter().map(String::as_str).collect()));
        let protocols = answers.map(|a| list(a.protocols.iter().copied().collect()));
        let mut evidence = vec![format!(
            "{} answered {victim} that {} is at {listener} ({})",
            led.poisoner,
            names.unwrap_or_default(),
            protocols.unwrap_or_default(),
        )];
        evidence.extend(match test {
            "logon" => Some(format!(
                "{victim} then authenticated at {listener}, which does not call itself {}",
                led.name
            )),
            "relay" => Some(format!("what {victim} said at {listener} was relayed")),
            "wpad" => Some("who has the name wpad sets the proxy of everybody who asks".to_owned()),
            _ => None,
        });
        let told = case(f, LegRole::Precursor, s, cx, evidence);
        if test == "logon" {
            self.logons.push(led.poisoner, told, now);
        } else {
            let poisoner = Some(led.poisoner);
            self.logons.retain(|c| c.finding.attacker != poisoner);
            out.push(told);
        }
    }
}
