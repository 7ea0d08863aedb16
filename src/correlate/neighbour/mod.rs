//! RW-24: attacks by RPC that are no coercion but have a name: DCSync, DCShadow, Zerologon, PrintNightmare, and
//! programs run on another host.

mod print;
#[cfg(test)]
mod tests;
mod zerologon;

use super::Case;
use super::action::desk::{self, Desk, Held};
use super::bounds::{Bounds, Kind};
use super::fair::Fair;
use super::pattern::{Context, Evicted, Pattern};
use crate::event::neighbour::{AT, DRSUAPI, NETLOGON, PRINT, PRINT_ASYNC, SERVICES, TASKS};
use crate::event::{Finding, HostRole, Operation, Seen, Sighting};
use crate::limits;
use crate::time::Timestamp;
use std::time::Duration;
use zerologon::ZeroLogons;

/// Opnum of IDL_DRSGetNCChanges (MS-DRSR 4.1.10).
const GET_CHANGES: u16 = 3;

/// State of RW-24.
#[derive(Debug)]
pub(super) struct Neighbours {
    desk: Desk,
    zero: ZeroLogons,
    /// Flows whose client showed a ticket for replication.
    replicas: Fair<u64, ()>,
}

impl Default for Neighbours {
    fn default() -> Self {
        let idle = Duration::from_secs(limits::INCIDENT_IDLE_SECS);
        Self {
            desk: Desk::default(),
            zero: ZeroLogons::default(),
            replicas: Fair::new(limits::ACTION_SESSIONS, idle),
        }
    }
}

impl Pattern for Neighbours {
    fn sighting(&mut self, s: &Sighting, cx: &Context<'_>, out: &mut Vec<Case>) {
        match &s.seen {
            Seen::ReplicationTicket => {
                let client = s.flow.client.addr;
                self.replicas.insert(client, s.flow.flow_id, (), s.ts);
            }
            Seen::Operation(call) if call.interface == NETLOGON => {
                self.zero.call(s, call, cx, out);
            }
            Seen::Operation(call) => self.operation(s, call, cx),
            Seen::OperationResult {
                association,
                call_id,
                fault,
                status,
            } => {
                self.zero.result(s, (*association, *call_id), *status, out);
                // What DRSUAPI, the scheduler and the spooler return is sealed or an HRESULT; zero is success in
                // all of them.
                let success = fault.map(|_| false).or(status.map(|code| code == 0));
                let code = format!("{:#010x}", fault.or(*status).unwrap_or_default());
                self.desk
                    .answer(s, (*association, *call_id), success, &code);
            }
            _ => {}
        }
    }

    fn concluded(&mut self, case: &Case, cx: &Context<'_>, out: &mut Vec<Case>) {
        self.desk.concluded(case, cx, out);
    }

    fn advance(&mut self, now: Timestamp, cx: &Context<'_>, out: &mut Vec<Case>) {
        self.desk.advance(now, cx, out);
    }

    fn finish(&mut self, _: Timestamp, cx: &Context<'_>, out: &mut Vec<Case>) {
        self.desk.finish(cx, out);
    }

    fn limit(&mut self, bounds: &Bounds) {
        self.desk.limit(bounds);
        self.replicas.limit(bounds.most(Kind::Flow));
        self.zero.limit(bounds);
    }

    fn evicted(&self) -> Evicted {
        let desk = self.desk.evicted();
        Evicted {
            pending: desk.pending + self.zero.evicted() + self.replicas.evicted(),
            own: desk.own + self.zero.gave_way() + self.replicas.gave_way(),
            ..desk
        }
    }
}

impl Neighbours {
    fn operation(&mut self, s: &Sighting, call: &Operation, cx: &Context<'_>) {
        let who = cx.logons.get(s.flow.flow_id);
        let mut f = desk::finding("RW-24", s, who, cx);
        f.victim = Some(s.flow.server.addr);
        f.victim_tier0 = std::mem::take(&mut f.target_tier0);
        of_call(&mut f, call);
        let evidence = match call.interface {
            DRSUAPI => self.replication(s, call, cx, &mut f),
            PRINT | PRINT_ASYNC => print::driver(s, call, cx, &mut f),
            SERVICES | AT | TASKS => Some(execution(s, call, &mut f)),
            _ => None,
        };
        if let Some(evidence) = evidence {
            let held = Held {
                case: desk::case(s, f, who, vec![evidence]),
                answer: (call.association, call.call_id),
                alone: true,
            };
            self.desk.hold(held);
        }
    }

    /// Domain controllers replicate with each other, by Kerberos and a service name of their own (MS-DRSR 2.2.3.2).
    /// Who asks without that is no domain controller; who asks with it and is not known as one, perhaps.
    fn replication(
        &self,
        s: &Sighting,
        call: &Operation,
        cx: &Context<'_>,
        f: &mut Finding,
    ) -> Option<String> {
        let client = s.flow.client.addr;
        if cx.identity.roles(client).has(HostRole::Dc) {
            return None;
        }
        let pulls = call.opnum == GET_CHANGES;
        f.action = if pulls { "dcsync" } else { "dcshadow" }.to_owned();
        let as_controller = self.replicas.get(&s.flow.flow_id).is_some();
        if as_controller {
            f.confidence = "low";
        }
        Some(format!(
            "{client}, which is not known as a domain controller, called {} of {}{}",
            call.name,
            s.flow.server.addr,
            if as_controller {
                " with a ticket for replication"
            } else {
                " without the ticket that domain controllers use for it"
            }
        ))
    }
}

fn of_call(f: &mut Finding, call: &Operation) {
    f.object.clone_from(&call.argument);
    f.detail.clone_from(&call.detail);
    f.interface = Some(call.interface);
    f.opnum = Some(call.opnum);
    f.method.clone_from(&call.name);
    f.transport = call.transport;
    f.named_pipe.clone_from(&call.named_pipe);
    f.sealed = call.sealed;
    f.auth_level = call.auth_level;
}

/// Administrators create services and tasks every day: alone it says little, on a relayed session everything.
fn execution(s: &Sighting, call: &Operation, f: &mut Finding) -> String {
    f.action = "remote-exec".to_owned();
    f.confidence = "low";
    let mut text = format!(
        "{} called {} of {}",
        s.flow.client.addr, call.name, s.flow.server.addr
    );
    for part in [&call.argument, &call.detail] {
        if !part.is_empty() {
            text = format!("{text}, {part}");
        }
    }
    text
}
