//! RW-25: what a relay has yielded is used, or prepared.
//!
//! A certificate or a key credential that was won is used in a logon with a certificate (RFC 4556), a delegation
//! right in S4U2self (MS-SFU 3.1.5.1.1): for a machine's account, from an address that is not that machine's, or by
//! a host of a relay's story within a day. A name put into the directory's DNS prepares a relay, so it is told when
//! that comes.

use std::sync::Arc;
use std::time::Duration;

use super::desk;
use crate::correlate::Case;
use crate::correlate::bounds::{Bounds, Kind};
use crate::correlate::identity::{Owner, machine_name};
use crate::correlate::logons::Logon;
use crate::correlate::pattern::{Context, Evicted, Pattern};
use crate::correlate::suspects::Suspicion;
use crate::correlate::told::Told;
use crate::correlate::window::Recent;
use crate::event::neighbour::DNS_SERVER;
use crate::event::{Carrier, Finding, Seen, Sighting, TicketRequest};
use crate::limits;
use crate::net::Addr;

/// State of RW-25.
#[derive(Debug)]
pub(in crate::correlate) struct FollowUps {
    /// Hosts that relayed, with their story.
    parties: Recent<Addr, Suspicion>,
    /// Names that a host put into DNS, before its story.
    names: Recent<Addr, Case>,
    /// Client, what, account: told once.
    told: Told,
}

impl Default for FollowUps {
    fn default() -> Self {
        let day = Duration::from_secs(limits::FOLLOW_UP_SECS);
        let idle = Duration::from_secs(limits::INCIDENT_IDLE_SECS);
        Self {
            parties: Recent::new(limits::INCIDENTS, day),
            names: Recent::new(limits::INCIDENTS, day),
            told: Told::new(idle),
        }
    }
}

impl Pattern for FollowUps {
    fn limit(&mut self, bounds: &Bounds) {
        self.parties.limit(bounds.most(Kind::Story));
        self.names.limit(bounds.most(Kind::Story));
        self.told.limit(bounds);
    }

    fn evicted(&self) -> Evicted {
        let stories = Evicted {
            pending: self.parties.evicted() + self.names.evicted(),
            ..Evicted::default()
        };
        stories + self.told.evicted()
    }

    fn sighting(&mut self, s: &Sighting, cx: &Context<'_>, out: &mut Vec<Case>) {
        match &s.seen {
            Seen::TicketRequest(request) => self.ticket(s, request, cx, out),
            Seen::DirectoryWrite(write)
                if write.operation == "add_request"
                    && write.classes.iter().any(|c| c == "dnsnode") =>
            {
                let who = cx.logons.get(s.flow.flow_id);
                self.name(s, &write.object, who, who.is_some(), cx, out);
            }
            Seen::NameUpdate { name } => {
                // A host that registers itself is no news.
                let owner = cx.identity.owner(s.flow.client.addr, name, s.ts);
                if !matches!(owner, Owner::Itself(_)) {
                    self.name(s, name, None, false, cx, out);
                }
            }
            Seen::Operation(call) if call.interface == DNS_SERVER => {
                let name = format!("{} {}", call.argument, call.detail);
                self.name(s, name.trim(), None, false, cx, out);
            }
            _ => {}
        }
    }

    fn concluded(&mut self, case: &Case, _: &Context<'_>, out: &mut Vec<Case>) {
        let f = &case.finding;
        if !is_story(f) {
            return;
        }
        let suspicion = Suspicion {
            finding: Arc::clone(f),
            legs: case.legs.clone(),
            ntlm: case.ntlm.clone(),
            ts: case.ts,
        };
        for party in [f.attacker, f.listener].into_iter().flatten() {
            if let Some(before) = self.names.remove(&party) {
                let mut joined = desk::joined(&suspicion, &before);
                joined.ts = case.ts;
                self.tell(joined, out);
            }
            if self.parties.get(&party).is_none() {
                self.parties.insert(party, suspicion.clone(), case.ts);
            }
        }
    }
}

impl FollowUps {
    fn ticket(
        &mut self,
        s: &Sighting,
        request: &TicketRequest,
        cx: &Context<'_>,
        out: &mut Vec<Case>,
    ) {
        let client = s.flow.client.addr;
        let machine = machine_name(&request.account);
        let mut f = desk::finding("RW-25", s, None, cx);
        f.action = if request.for_user.is_empty() {
            "pkinit"
        } else {
            "s4u"
        }
        .to_owned();
        f.object = request.account.clone();
        f.detail = request.for_user.clone();
        f.user = request.account.clone();
        f.domain = request.realm.clone();
        f.machine_account = machine.is_some();
        f.target = Some(s.flow.server.addr);
        f.target_protocol = Carrier::Kerberos.name();
        let mut evidence = vec![match f.action.as_str() {
            "pkinit" => format!("{client} logged on as {} with a certificate", f.object),
            _ => format!(
                "{client} asked for a ticket to {} in the name of {}",
                f.object, f.detail
            ),
        }];
        let party = self.parties.get(&client).cloned();
        match machine.map(|name| cx.identity.owner(client, &name, s.ts)) {
            Some(Owner::Other(owner, source)) => {
                f.named = "other";
                f.victim = Some(owner);
                f.owner = Some(owner);
                f.owner_source = source.name();
                f.victim_tier0 = cx.identity.roles(owner).is_tier0();
                evidence.push(format!(
                    "that account belongs to {owner} (known by {})",
                    source.name()
                ));
            }
            // Of its own accord; a party of a story is not made innocent by a name it took.
            Some(Owner::Itself(_)) if party.is_none() => return,
            Some(Owner::Unknown) if party.is_none() => {
                (f.named, f.confidence) = ("unknown", "low");
            }
            // A user's certificate or a front end's delegation, wherever it is used.
            None if party.is_none() => return,
            _ => {}
        }
        let case = desk::case(s, f, None, evidence);
        self.tell(join(party.as_ref(), case), out);
    }

    fn name(
        &mut self,
        s: &Sighting,
        name: &str,
        who: Option<&Logon>,
        alone: bool,
        cx: &Context<'_>,
        out: &mut Vec<Case>,
    ) {
        let client = s.flow.client.addr;
        let mut f = desk::finding("RW-25", s, who, cx);
        f.action = "adidns".to_owned();
        f.object = name.to_owned();
        f.confidence = "low";
        let case = desk::case(s, f, who, vec![format!("{client} put {name} into DNS")]);
        if let Some(party) = self.parties.get(&client).cloned() {
            self.tell(join(Some(&party), case), out);
            return;
        }
        if alone {
            self.tell(case.clone(), out);
        }
        self.names.insert(client, case, s.ts);
    }

    fn tell(&mut self, case: Case, out: &mut Vec<Case>) {
        let f = &case.finding;
        let kind = if f.relayed { "relayed" } else { "alone" };
        let client = case.flow.client.addr;
        let key = (client, kind, &f.action, &f.object);
        if self.told.first(client, key, case.ts) {
            out.push(case);
        }
    }
}

/// A relay, or a host that was made to come by a call no benign software makes.
fn is_story(f: &Finding) -> bool {
    let relay = f.kind == "relay" && !f.forwarded && f.confidence != "low";
    let callback = f.detector == "RW-08"
        && f.confidence == "high"
        && f.tier == "A"
        && !matches!(f.family.as_str(), "rprn" | "par" | "even");
    relay || callback
}

fn join(party: Option<&Suspicion>, case: Case) -> Case {
    match party {
        Some(suspicion) => {
            let mut joined = desk::joined(suspicion, &case);
            let f = Arc::make_mut(&mut joined.finding);
            f.user.clone_from(&case.finding.user);
            f.machine_account = case.finding.machine_account;
            joined
        }
        None => case,
    }
}
