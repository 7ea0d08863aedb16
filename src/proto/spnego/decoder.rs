//! One authentication exchange of a carrier.

use super::TokenAt;
use super::wire;
use crate::event::Sink;
use crate::net::Direction;
use crate::proto::krb5::{self, Presented};
use crate::proto::ntlmssp::Exchange;
use crate::proto::ntlmssp::wire::Authenticate;

/// One authentication exchange of a carrier: takes tokens as they come, raw NTLMSSP, Kerberos or SPNEGO.
/// Several exchanges may follow each other; a new NEGOTIATE or AP-REQ starts over.
#[derive(Clone, Copy, Debug, Default)]
pub struct Negotiation {
    ntlm: Exchange,
    kerberos: Presented,
}

impl Negotiation {
    /// Takes a token. What is neither NTLM nor Kerberos nor a wrapper around them is passed over.
    pub fn token(&mut self, token: &[u8], at: &TokenAt, direction: Direction, out: &mut dyn Sink) {
        if let Some(found) = krb5::wire::gss(wire::inner(token)) {
            self.kerberos.message(found, at, direction, out);
        } else if let Some(message) = wire::ntlm_message(token) {
            self.kerberos.abandoned(at, direction, out);
            self.ntlm.message(message, at, direction, out);
        }
    }

    /// Takes a proof of NTLM that stands alone, and the challenge it answers.
    pub fn proof(
        &mut self,
        proof: &Authenticate<'_>,
        challenge: Option<[u8; 8]>,
        at: &TokenAt,
        direction: Direction,
        out: &mut dyn Sink,
    ) {
        self.ntlm.proof(proof, challenge, at, direction, out);
    }

    /// The carrier's verdict. Reported once, and only if an AUTHENTICATE or AP-REQ went before.
    pub fn result(
        &mut self,
        at: &TokenAt,
        success: bool,
        code: u32,
        direction: Direction,
        out: &mut dyn Sink,
    ) {
        self.ntlm.result(at, success, code, direction, out);
        self.kerberos.result(at, success, code, direction, out);
    }
}
