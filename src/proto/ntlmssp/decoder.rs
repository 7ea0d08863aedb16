//! What an exchange must remember from one message to the next: eight bytes and one bit.

use super::wire::{Authenticate, Challenge, Message, Negotiate, av};
use crate::event::{
    Anomaly, AuthResult, Event, NtlmAuthenticate, NtlmChallenge, NtlmNegotiate, Secret, Sink,
};
use crate::net::Direction;
use crate::proto::token::TokenAt;
use crate::wire::{Error, Text};

/// One NTLM exchange, or several one after the other. Responses are never kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exchange {
    /// ServerChallenge of the exchange under way. `None` before type 2, after the verdict, and when
    /// that direction is not captured.
    challenge: Option<[u8; 8]>,
    /// An AUTHENTICATE went and its verdict did not come yet.
    awaits_result: bool,
}

impl Exchange {
    /// Takes a whole message that begins with the signature.
    pub fn message(
        &mut self,
        message: &[u8],
        at: &TokenAt,
        direction: Direction,
        out: &mut dyn Sink,
    ) {
        let damaged = match Message::read(message) {
            Ok(Message::Negotiate(m)) => self.negotiate(&m, at, direction, out),
            Ok(Message::Challenge(m)) => self.challenge(&m, at, direction, out),
            Ok(Message::Authenticate(m)) => self.authenticate(&m, at, direction, out),
            Err(error) => {
                let anomaly = Anomaly::new(at.carrier.name(), error);
                return out.event(direction, &Event::Anomaly(anomaly));
            }
        };
        if damaged {
            let error = Error::Malformed {
                what: "NTLMSSP fields",
                why: "point outside the message",
            };
            let anomaly = Anomaly::new(at.carrier.name(), error);
            out.event(direction, &Event::Anomaly(anomaly));
        }
    }

    /// Takes a proof that stands in its carrier without a message around it, and the challenge it answers.
    pub fn proof(
        &mut self,
        proof: &Authenticate<'_>,
        challenge: Option<[u8; 8]>,
        at: &TokenAt,
        direction: Direction,
        out: &mut dyn Sink,
    ) {
        self.challenge = challenge;
        self.authenticate(proof, at, direction, out);
    }

    /// The carrier's verdict: said once for each AUTHENTICATE.
    pub fn result(
        &mut self,
        at: &TokenAt,
        success: bool,
        code: u32,
        direction: Direction,
        out: &mut dyn Sink,
    ) {
        if !self.awaits_result {
            return;
        }
        // The challenge is used up: a later AUTHENTICATE without its own type 2 must not inherit it.
        *self = Self::default();
        let result = AuthResult {
            carrier: at.carrier,
            session: at.session,
            success,
            code,
        };
        out.event(direction, &Event::AuthResult(result));
    }

    fn negotiate(
        &mut self,
        message: &Negotiate<'_>,
        at: &TokenAt,
        direction: Direction,
        out: &mut dyn Sink,
    ) -> bool {
        *self = Self::default();
        let event = NtlmNegotiate {
            carrier: at.carrier,
            flags: message.flags,
            domain: message.domain,
            workstation: message.workstation,
            session: at.session,
        };
        out.event(direction, &Event::NtlmNegotiate(event));
        message.damaged
    }

    fn challenge(
        &mut self,
        message: &Challenge<'_>,
        at: &TokenAt,
        direction: Direction,
        out: &mut dyn Sink,
    ) -> bool {
        *self = Self {
            challenge: Some(message.server_challenge),
            awaits_result: false,
        };
        let info = message.target_info;
        let event = NtlmChallenge {
            carrier: at.carrier,
            flags: message.flags,
            server_challenge: message.server_challenge,
            target_name: message.target_name,
            nb_computer_name: info.text(av::NB_COMPUTER_NAME),
            nb_domain_name: info.text(av::NB_DOMAIN_NAME),
            dns_computer_name: info.text(av::DNS_COMPUTER_NAME),
            dns_domain_name: info.text(av::DNS_DOMAIN_NAME),
            session: at.session,
            server_guid: at.server_guid,
            message_id: at.message_id,
            session_id: at.session_id,
        };
        out.event(direction, &Event::NtlmChallenge(event));
        message.damaged
    }

    fn authenticate(
        &mut self,
        message: &Authenticate<'_>,
        at: &TokenAt,
        direction: Direction,
        out: &mut dyn Sink,
    ) -> bool {
        self.awaits_result = true;
        let pairs = message.blob().map(|blob| blob.av_pairs);
        let name = |id| pairs.map_or_else(Text::default, |p| p.text(id));
        let event = NtlmAuthenticate {
            carrier: at.carrier,
            user: message.user,
            domain: message.domain,
            workstation: message.workstation,
            anonymous: message.anonymous(),
            response: message.response().name(),
            server_challenge: self.challenge,
            flags: message.flags,
            target_name: name(av::TARGET_NAME),
            nb_computer_name: name(av::NB_COMPUTER_NAME),
            dns_computer_name: name(av::DNS_COMPUTER_NAME),
            mic: message.mic_state(pairs.map_or(0, super::wire::AvPairs::flags)),
            channel_bindings: pairs.is_some_and(super::wire::AvPairs::has_channel_bindings),
            session: at.session,
            nt_response: Secret::new(message.nt),
            message_id: at.message_id,
            session_id: at.session_id,
        };
        out.event(direction, &Event::NtlmAuthenticate(event));
        message.damaged
    }
}
