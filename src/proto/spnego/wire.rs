//! Layouts of SPNEGO tokens (RFC 4178 4.2, MS-SPNG 2.2.1), in DER or, from Active Directory, BER with
//! long lengths.
//!
//! ```text
//! GSS-API InitialContextToken ::= [APPLICATION 0] { OID 1.3.6.1.5.5.2, NegotiationToken }
//! NegotiationToken ::= CHOICE { negTokenInit [0], negTokenResp [1] }
//! NegTokenInit  ::= SEQUENCE { mechTypes [0] SEQUENCE OF OID, reqFlags [1], mechToken [2] OCTET STRING,
//!                              mechListMIC [3] OCTET STRING }
//! NegTokenInit2 ::= the same with negHints [3] SEQUENCE and mechListMIC [4]       -- MS-SPNG 2.2.1
//! NegTokenResp  ::= SEQUENCE { negState [0] ENUMERATED, supportedMech [1] OID,
//!                              responseToken [2] OCTET STRING, mechListMIC [3] OCTET STRING }
//! ```
//!
//! The walk goes straight down, six levels at most, and never recurses: nothing in a token can make it deeper.

use crate::proto::krb5;
use crate::proto::ntlmssp::wire::{SIGNATURE, message_type};
use crate::wire::{Error, Reader, Result, Tlv, tag};

/// `[APPLICATION 0]`, constructed: a GSS-API initial token (RFC 2743 3.1).
const INITIAL: u8 = 0x60;
/// Context tags, constructed.
const CONTEXT_0: u8 = 0xa0;
const CONTEXT_1: u8 = 0xa1;
const CONTEXT_2: u8 = 0xa2;
const CONTEXT_3: u8 = 0xa3;
const CONTEXT_4: u8 = 0xa4;
/// 1.3.6.1.5.5.2.
const SPNEGO_OID: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x02];

/// A security mechanism, by its object identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mech {
    /// 1.3.6.1.4.1.311.2.2.10.
    Ntlm,
    /// 1.2.840.113554.1.2.2, or 1.2.840.48018.1.2.2 as Windows 2000 misspelt it.
    Kerberos,
    /// 1.3.6.1.4.1.311.2.2.30 (MS-NEGOEX).
    NegoEx,
    /// Something else.
    Other,
}

impl Mech {
    /// From the contents of an OBJECT IDENTIFIER.
    #[must_use]
    pub fn from_oid(oid: &[u8]) -> Self {
        match oid {
            [0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 0x0a] => Self::Ntlm,
            [0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 0x1e] => Self::NegoEx,
            oid if krb5::wire::is_mechanism(oid) => Self::Kerberos,
            _ => Self::Other,
        }
    }
}

/// negState (RFC 4178 4.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NegState {
    /// accept-completed.
    Completed,
    /// accept-incomplete.
    Incomplete,
    /// reject.
    Reject,
    /// request-mic.
    RequestMic,
    /// Not of the specification.
    Other(u8),
}

/// A SPNEGO token of either kind; what it does not have is `None` or empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Token<'a> {
    /// It is a NegTokenResp, which all tokens but the first are, both ways.
    pub response: bool,
    /// Contents of mechTypes, see [`Token::mechs`].
    mech_types: &'a [u8],
    /// negState.
    pub state: Option<NegState>,
    /// supportedMech.
    pub supported_mech: Option<Mech>,
    /// mechToken or responseToken.
    pub(crate) token: Option<&'a [u8]>,
    /// negHints is there: a server speaks first (MS-SPNG 2.2.1).
    pub hints: bool,
    /// mechListMIC is there.
    pub mech_list_mic: bool,
}

impl<'a> Token<'a> {
    /// Reads a whole token.
    ///
    /// # Errors
    /// `Short` if an element claims more than there is, `Malformed` if it is not SPNEGO.
    pub fn read(token: &'a [u8]) -> Result<Self> {
        let mut outer = Tlv::read(&mut Reader::new(token))?;
        if outer.tag == INITIAL {
            let mut r = outer.inside();
            if Tlv::expect(&mut r, tag::OID, "GSS-API mechanism")? != SPNEGO_OID {
                return Err(Error::Malformed {
                    what: "GSS-API mechanism",
                    why: "not SPNEGO",
                });
            }
            outer = Tlv::read(&mut r)?;
        }
        let response = match outer.tag {
            CONTEXT_0 => false,
            CONTEXT_1 => true,
            _ => {
                return Err(Error::Malformed {
                    what: "NegotiationToken",
                    why: "neither NegTokenInit nor NegTokenResp",
                });
            }
        };
        let fields = Tlv::expect(&mut outer.inside(), tag::SEQUENCE, "NegotiationToken")?;
        let mut this = Self {
            response,
            ..Self::default()
        };
        let mut r = Reader::new(fields);
        while !r.is_empty() {
            let field = Tlv::read(&mut r)?;
            this.field(field.tag, Tlv::read(&mut field.inside())?);
        }
        Ok(this)
    }

    /// Takes one field. Fields of unexpected types are passed over.
    fn field(&mut self, context: u8, inner: Tlv<'a>) {
        match (self.response, context, inner.tag) {
            (false, CONTEXT_0, tag::SEQUENCE) => self.mech_types = inner.value,
            (true, CONTEXT_0, tag::ENUMERATED) => {
                self.state = inner.value.first().map(|state| match state {
                    0 => NegState::Completed,
                    1 => NegState::Incomplete,
                    2 => NegState::Reject,
                    3 => NegState::RequestMic,
                    other => NegState::Other(*other),
                });
            }
            (true, CONTEXT_1, tag::OID) => self.supported_mech = Some(Mech::from_oid(inner.value)),
            (_, CONTEXT_2, tag::OCTET_STRING) => self.token = Some(inner.value),
            (false, CONTEXT_3, tag::SEQUENCE) => self.hints = true,
            (_, CONTEXT_3 | CONTEXT_4, tag::OCTET_STRING) => self.mech_list_mic = true,
            _ => {}
        }
    }

    /// mechTypes in the client's order of preference; the first is the one a mechToken belongs to.
    pub fn mechs(&self) -> impl Iterator<Item = Mech> + use<'a> {
        let mut r = Reader::new(self.mech_types);
        std::iter::from_fn(move || Tlv::expect(&mut r, tag::OID, "mechType").ok())
            .map(Mech::from_oid)
    }
}

/// The NTLM message in a token: the token itself, the one SPNEGO wraps, or, where the wrapper cannot be
/// read or wraps something unknown, whatever begins with the signature.
#[must_use]
pub fn ntlm_message(token: &[u8]) -> Option<&[u8]> {
    if token.starts_with(SIGNATURE) {
        return Some(token);
    }
    match Token::read(token) {
        Ok(Token {
            token: Some(inner), ..
        }) if inner.starts_with(SIGNATURE) => Some(inner),
        // A wrapper without a token has nothing to say.
        Ok(Token { token: None, .. }) => None,
        Ok(_) | Err(_) => {
            let at = memchr::memmem::find(token, SIGNATURE)?;
            token.get(at..)
        }
    }
}

/// What SPNEGO wraps, or the token itself if it is no wrapper.
#[must_use]
pub fn inner(token: &[u8]) -> &[u8] {
    match Token::read(token) {
        Ok(wrapper) => wrapper.token.unwrap_or_default(),
        Err(_) => token,
    }
}

/// True if the token carries what proves who the client is: an NTLM AUTHENTICATE or a Kerberos AP-REQ.
#[must_use]
pub fn carries_proof(token: &[u8]) -> bool {
    match krb5::wire::gss(inner(token)) {
        Some(found) => found.is_ok_and(|m| m.tag == krb5::wire::message::AP_REQ),
        None => ntlm_message(token).and_then(message_type) == Some(3),
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
