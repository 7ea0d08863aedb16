//! RW-16: a certificate is asked for over MS-ICPR on a session that protects nothing.
//!
//! From level 4 (packet) on every PDU carries a signature, whose key a relay does not have: such a session is the
//! client's own. Only what lies below is looked at (MS-RPCE 2.2.1.1.8).

use super::desk::{self, AtDesk, Desk, Held, Work};
use crate::correlate::identity::{Owner, machine_name};
use crate::correlate::pattern::Context;
use crate::event::neighbour::ENROLMENT;
use crate::event::{Carrier, Operation, Seen, Sighting};

/// RPC_C_AUTHN_LEVEL_NONE: there is no trailer.
const NONE: u8 = 1;
/// The first level at which every PDU is signed.
const SIGNED: u8 = 4;

/// RW-16.
pub(in crate::correlate) type RpcEnrolment = AtDesk<EnrolmentWork>;

/// What RW-16 reads.
#[derive(Debug, Default)]
pub(in crate::correlate) struct EnrolmentWork;

impl Work for EnrolmentWork {
    fn sighting(desk: &mut Desk, s: &Sighting, cx: &Context<'_>) {
        match &s.seen {
            Seen::Operation(call) if call.interface == ENROLMENT => {
                Self::request(desk, s, call, cx)
            }
            Seen::OperationResult {
                association,
                call_id,
                fault,
                status,
            } => {
                let success = fault.map(|_| false).or(status.map(|code| code == 0));
                let code = format!("{:#010x}", fault.or(*status).unwrap_or_default());
                desk.answer(s, (*association, *call_id), success, &code);
            }
            _ => {}
        }
    }
}

impl EnrolmentWork {
    fn request(desk: &mut Desk, s: &Sighting, call: &Operation, cx: &Context<'_>) {
        let Some(who) = cx.logons.get(s.flow.flow_id) else {
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
        desk.hold(held);
    }
}
