//! Tickets presented to a service, in whatever carrier.

use super::wire::{self, ApReq, ErrorCode, KrbError, message};
use crate::event::{Anomaly, Event, KrbApReq, KrbApResult, Sink};
use crate::net::Direction;
use crate::proto::token::TokenAt;
use crate::wire::Tlv;

/// What a carrier's exchange must remember of the AP-REQ under way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Presented {
    /// An AP-REQ went and its verdict did not come yet.
    awaits_result: bool,
    /// An AP-REP came.
    ap_rep: bool,
    /// A KRB-ERROR came.
    error: Option<ErrorCode>,
}

impl Presented {
    /// Takes the message of a token, as [`wire::gss`] found it.
    pub fn message(
        &mut self,
        found: crate::wire::Result<Tlv<'_>>,
        at: &TokenAt,
        direction: Direction,
        out: &mut dyn Sink,
    ) {
        let read = found.and_then(|tlv| {
            match tlv.tag {
                message::AP_REQ => {
                    let request = ApReq::read(tlv.value)?;
                    *self = Self {
                        awaits_result: true,
                        ..Self::default()
                    };
                    presented(&request, at, direction, out);
                }
                // Both ways: DCE style has the client answer with one of its own (MS-KILE 3.4.5.1).
                message::AP_REP => self.ap_rep |= direction == Direction::ToClient,
                message::ERROR => self.error = Some(KrbError::read(tlv.value)?.code),
                _ => {}
            }
            Ok(())
        });
        if let Err(error) = read {
            let anomaly = Anomaly::new(at.carrier.name(), error);
            out.event(direction, &Event::Anomaly(anomaly));
        }
    }

    /// The exchange goes on with another mechanism: the server did not want the ticket.
    pub fn abandoned(&mut self, at: &TokenAt, direction: Direction, out: &mut dyn Sink) {
        self.conclude("fallback", None, at, direction, out);
    }

    /// The carrier's verdict: said once for each AP-REQ.
    pub fn result(
        &mut self,
        at: &TokenAt,
        success: bool,
        code: u32,
        direction: Direction,
        out: &mut dyn Sink,
    ) {
        let outcome = if success { "accepted" } else { "refused" };
        self.conclude(outcome, Some(code), at, direction, out);
    }

    fn conclude(
        &mut self,
        outcome: &'static str,
        code: Option<u32>,
        at: &TokenAt,
        direction: Direction,
        out: &mut dyn Sink,
    ) {
        let this = std::mem::take(self);
        if !this.awaits_result {
            return;
        }
        let event = KrbApResult {
            message: "ap_result",
            carrier: at.carrier,
            outcome,
            ap_rep: this.ap_rep,
            error_code: this.error.map(|e| e.0),
            error: this.error.and_then(ErrorCode::name).unwrap_or_default(),
            status: code,
            session: at.session,
        };
        out.event(direction, &Event::KrbApResult(event));
    }
}

/// Says an AP-REQ.
pub(super) fn presented(
    request: &ApReq<'_>,
    at: &TokenAt,
    direction: Direction,
    out: &mut dyn Sink,
) {
    let ticket = &request.ticket;
    let name = ticket.sname.name();
    let event = KrbApReq {
        message: "ap_req",
        carrier: at.carrier,
        realm: wire::text(ticket.realm),
        sname: name.text(),
        ticket_encryption: ticket.enc_part.etype.name().unwrap_or("other"),
        kvno: ticket.enc_part.kvno,
        authenticator_encryption: request.authenticator.etype.name().unwrap_or("other"),
        mutual: request.mutual,
        ticket_id: None,
        ap_req_id: None,
        session: at.session,
        ticket: ticket.enc_part.cipher,
        authenticator: request.authenticator.cipher,
        message_id: at.message_id,
        session_id: at.session_id,
    };
    out.event(direction, &Event::KrbApReq(event));
}
