//! RW-16: a certificate is asked for over MS-ICPR on a session that protects nothing.
//!
//! From level 4 (packet) on every PDU carries a signature, whose key a relay does not have: such a session is the
//! client's own. Only what lies below is looked at (MS-RPCE 2.2.1.1.8).

use super::desk::{self, Desk, Held};
use crate::correlate::Case;
use crate::correlate::bounds::Bounds;
use crate::correlate::identity::{Owner, machine_name};
use crate::correlate::pattern::{Context, Evicted, Pattern};
use crate::event::neighbour::ENROLMENT;
use crate::event::{Carrier, Operation, Seen, Sighting};
use crate::time::Timestamp;

/// RPC_C_AUTHN_LEVEL_NONE: there is no trailer.
const NONE: u8 = 1;
/// The first level at which every PDU is signed.
const SIGNED: u8 = 4;

/// State of RW-16.
#[derive(Debug, Default)]
pub(in crate::correlate) struct RpcEnrolment(Desk);

impl Pattern for RpcEnrolment {
    fn sighting(&mut self, s: &Sighting, cx: &Context<'_>, _: &mut Vec<Case>) {
        match &s.seen {
            Seen::Authenticate(auth) if matches!(auth.carrier, Carrier::Rpc | Carrier::Smb) => {
                self.0.logon(s, auth);
            }
            Seen::Operation(call) if call.interface == ENROLMENT => self.request(s, call, cx),
            Seen::OperationResult {
                association,
                call_id,
                fault,
                status,
            } => {
                let success = fault.map(|_| false).or(status.map(|code| code == 0));
                let code = format!("{:#010x}", fault.or(*status).unwrap_or_default());
                self.0.answer(s, (*association, *call_id), success, &code);
            }
            _ => {}
        }
    }

    fn concluded(&mut self, case: &Case, cx: &Context<'_>, out: &mut Vec<Case>) {
        self.0.concluded(case, cx, out);
    }

    fn advance(&mut self, now: Timestamp, cx: &Context<'_>, out: &mut Vec<Case>) {
        self.0.advance(now, cx, out);
    }

    fn finish(&mut self, _: Timestamp, cx: &Context<'_>, out: &mut Vec<Case>) {
        self.0.finish(cx, out);
    }

    fn limit(&mut self, bounds: &Bounds) {
        self.0.limit(bounds);
    }

    fn evicted(&self) -> Evicted {
        Evicted {
            pending: self.0.evicted(),
            ..Evicted::default()
        }
    }
}

impl RpcEnrolment {
    fn request(&mut self, s: &Sighting, call: &Operation, cx: &Context<'_>) {
        let Some(who) = self.0.who(s.flow.flow_id) else {
            return;
        };
        let level = call.auth_level.unwrap_or(NONE);
        let mut f = desk::finding("RW-16", s, Some(who), cx);
        f.action = "enrolment".to_owned();
        f.object = call.argument.clone();
        f.detail = call.detail.clone();
        f.interface = Some(call.interface);
        f.opnum = Some(call.opnum);
        f.method = call.name.clone();
        f.transport = call.transport;
        f.named_pipe = call.named_pipe.clone();
        f.sealed = call.sealed;
        f.auth_level = Some(level);
        f.target = Some(s.flow.server.addr);
        f.target_protocol = Carrier::Rpc.name();
        if let Some(name) = machine_name(&who.user) {
            match cx.identity.owner(s.flow.client.addr, &name, s.ts) {
                Owner::Itself(_) => f.named = "client",
                Owner::Other(owner, source) => {
                    f.named = "other";
                    f.victim = Some(owner);
                    f.owner = Some(owner);
                    f.owner_source = source.name();
                    f.victim_tier0 = cx.identity.roles(owner).is_tier0();
                }
                Owner::Unknown => f.named = "unknown",
            }
        }
        let mut evidence = vec![format!(
            "{}\\{} asked {} for a certificate over RPC at authentication level {level}",
            who.domain, who.user, s.flow.server.addr
        )];
        if !call.detail.is_empty() {
            evidence.push(format!("attributes of the request: {}", call.detail));
        }
        // Over a pipe the SMB session may protect what RPC does not.
        let alone = call.auth_level.is_some_and(|l| l < SIGNED) && f.named != "client";
        let held = Held {
            case: desk::case(s, f, Some(who), evidence),
            answer: (call.association, call.call_id),
            alone,
        };
        self.0.hold(held);
    }
}
