//! Layout of LDAP messages (RFC 4511 4.1.1, definite lengths); keeps nothing.

use crate::limits::{LDAP_LENGTH, LDAP_MESSAGE_BYTES};
use crate::net::Direction;
use crate::wire::{Error, Reader, Result, Tlv, tag};

/// protocolOp tags (RFC 4511 appendix B).
pub(super) mod op {
    pub(crate) const BIND_REQUEST: u8 = 0x60;
    pub(crate) const BIND_RESPONSE: u8 = 0x61;
    pub(crate) const UNBIND_REQUEST: u8 = 0x42;
    pub(crate) const SEARCH_REQUEST: u8 = 0x63;
    pub(crate) const SEARCH_ENTRY: u8 = 0x64;
    pub(crate) const SEARCH_DONE: u8 = 0x65;
    pub(crate) const SEARCH_REFERENCE: u8 = 0x73;
    pub(crate) const MODIFY_REQUEST: u8 = 0x66;
    pub(crate) const MODIFY_RESPONSE: u8 = 0x67;
    pub(crate) const ADD_REQUEST: u8 = 0x68;
    pub(crate) const ADD_RESPONSE: u8 = 0x69;
    pub(crate) const DEL_REQUEST: u8 = 0x4a;
    pub(crate) const DEL_RESPONSE: u8 = 0x6b;
    pub(crate) const MOD_DN_REQUEST: u8 = 0x6c;
    pub(crate) const MOD_DN_RESPONSE: u8 = 0x6d;
    pub(crate) const COMPARE_REQUEST: u8 = 0x6e;
    pub(crate) const COMPARE_RESPONSE: u8 = 0x6f;
    pub(crate) const ABANDON_REQUEST: u8 = 0x50;
    pub(crate) const EXTENDED_REQUEST: u8 = 0x77;
    pub(crate) const EXTENDED_RESPONSE: u8 = 0x78;
    pub(crate) const INTERMEDIATE: u8 = 0x79;
}

/// Which way a protocolOp goes; `None` if there is no such operation.
fn op_direction(code: u8) -> Option<Direction> {
    match code {
        op::BIND_REQUEST
        | op::UNBIND_REQUEST
        | op::SEARCH_REQUEST
        | op::MODIFY_REQUEST
        | op::ADD_REQUEST
        | op::DEL_REQUEST
        | op::MOD_DN_REQUEST
        | op::COMPARE_REQUEST
        | op::ABANDON_REQUEST
        | op::EXTENDED_REQUEST => Some(Direction::ToServer),
        op::BIND_RESPONSE
        | op::SEARCH_ENTRY
        | op::SEARCH_DONE
        | op::SEARCH_REFERENCE
        | op::MODIFY_RESPONSE
        | op::ADD_RESPONSE
        | op::DEL_RESPONSE
        | op::MOD_DN_RESPONSE
        | op::COMPARE_RESPONSE
        | op::EXTENDED_RESPONSE
        | op::INTERMEDIATE => Some(Direction::ToClient),
        _ => None,
    }
}

/// OID of StartTLS (RFC 4511 4.14).
pub(super) const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

/// The head of an LDAPMessage, up to and with the tag of its operation.
///
/// ```text
/// LDAPMessage ::= SEQUENCE { messageID MessageID, protocolOp CHOICE { ... }, controls [0] Controls OPTIONAL }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Bytes of the whole message.
    pub(super) total: usize,
    /// messageID.
    pub(super) id: u32,
    /// Tag of the protocolOp.
    pub(super) op: u8,
    /// Where the protocolOp's contents begin.
    pub(super) contents: usize,
    /// How long they are.
    pub(super) length: usize,
}

impl Head {
    /// Reads the head at the front.
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let mut r = Reader::new(bytes);
        if bytes.first().is_some_and(|b| *b != tag::SEQUENCE) {
            return Err(malformed("not a SEQUENCE"));
        }
        let (_, outer) = Tlv::header(&mut r)?;
        let total = r.at().saturating_add(outer);
        if total > LDAP_LENGTH {
            return Err(malformed("length out of bounds"));
        }
        match Self::inside(&mut r, total) {
            // Inside a message that is framed, too short is malformed.
            Err(Error::Short { need, .. }) if need > total => {
                Err(malformed("shorter than its contents"))
            }
            other => other,
        }
    }

    fn inside(r: &mut Reader<'_>, total: usize) -> Result<Self> {
        let id = match Tlv::header(r)? {
            (tag::INTEGER, n @ 1..=4) => r
                .take(n, "messageID")?
                .iter()
                .fold(0_u32, |id, b| (id << 8) | u32::from(*b)),
            _ => return Err(malformed("no messageID")),
        };
        let (op, length) = Tlv::header(r)?;
        let contents = r.at();
        match total.checked_sub(contents.saturating_add(length)) {
            None => return Err(malformed("operation longer than its message")),
            // Tells a message from bytes that look like one.
            Some(controls) if controls > LDAP_MESSAGE_BYTES => {
                return Err(malformed("controls too long"));
            }
            Some(_) => {}
        }
        Ok(Self {
            total,
            id,
            op,
            contents,
            length,
        })
    }
}

fn malformed(why: &'static str) -> Error {
    Error::Malformed {
        what: "LDAPMessage",
        why,
    }
}

/// Whether bytes begin an LDAP stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begins {
    /// A message that goes this way.
    Message(Direction),
    /// A SASL buffer, which may go either way.
    Buffer,
    /// One of these, if this many bytes show it.
    Perhaps(usize),
    /// No.
    Nothing,
}

/// Whether bytes begin an LDAPMessage.
pub(crate) fn begins(bytes: &[u8]) -> Begins {
    match Head::read(bytes) {
        Ok(head) => op_direction(head.op).map_or(Begins::Nothing, Begins::Message),
        Err(Error::Short { need, .. }) => Begins::Perhaps(need),
        Err(Error::Malformed { .. }) => Begins::Nothing,
    }
}

/// Whether bytes begin a SASL buffer (RFC 4422 3.7) with a token that AD uses: an NTLM signature
/// (MS-NLMP 2.2.2.9, version 1), or a Kerberos token with or without its frame (RFC 4121 4.2.6.2,
/// RFC 2743 3.1).
pub(crate) fn begins_sasl(bytes: &[u8]) -> Begins {
    const NEED: usize = 8;
    let version_or_token = |token: &[u8]| {
        [&[1, 0, 0, 0][..], &[5, 4], &[5, 5], &[0x60]]
            .iter()
            .any(|want| want.iter().zip(token).all(|(a, b)| a == b))
    };
    match bytes {
        [0, _, _, _, token @ ..] if version_or_token(token) => match sasl_length(bytes) {
            Some(n) if n < 16 => Begins::Nothing,
            _ if bytes.len() < NEED => Begins::Perhaps(NEED),
            _ => Begins::Buffer,
        },
        [] | [0] | [0, _] | [0, _, _] => Begins::Perhaps(NEED),
        _ => Begins::Nothing,
    }
}

/// Length of the token in a SASL buffer: four bytes, big-endian.
pub(super) fn sasl_length(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_be_bytes(*bytes.first_chunk()?);
    usize::try_from(length).ok()
}

/// ```text
/// BindRequest ::= [APPLICATION 0] SEQUENCE {              -- RFC 4511 4.2
///     version INTEGER (1..127), name LDAPDN, authentication AuthenticationChoice }
/// ```
#[derive(Clone, Copy, Debug)]
pub(super) struct BindRequest<'a> {
    pub(super) version: u32,
    pub(super) name: &'a [u8],
    pub(super) choice: Choice<'a>,
}

/// ```text
/// AuthenticationChoice ::= CHOICE {
///     simple [0] OCTET STRING, sasl [3] SaslCredentials,  -- RFC 4511 4.2
///     sicilyPackageDiscovery [9], sicilyNegotiate [10],   -- MS-ADTS 5.1.1.1.3
///     sicilyResponse [11] OCTET STRING }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice<'a> {
    /// The password is not kept.
    Simple,
    /// Credentials are empty if there are none.
    Sasl {
        mechanism: &'a str,
        credentials: &'a [u8],
    },
    SicilyDiscovery,
    SicilyNegotiate(&'a [u8]),
    SicilyResponse(&'a [u8]),
    Other,
}

impl<'a> BindRequest<'a> {
    /// Reads the contents of the operation.
    pub(super) fn read(contents: &'a [u8]) -> Result<Self> {
        let mut r = Reader::new(contents);
        let version = Tlv::read(&mut r)?;
        let name = Tlv::expect(&mut r, tag::OCTET_STRING, "bind name")?;
        let choice = Tlv::read(&mut r)?;
        let choice = match choice.tag {
            0x80 => Choice::Simple,
            0xa3 => {
                let mut r = choice.inside();
                let mechanism = Tlv::expect(&mut r, tag::OCTET_STRING, "SASL mechanism")?;
                let credentials = if r.is_empty() {
                    &[]
                } else {
                    Tlv::expect(&mut r, tag::OCTET_STRING, "SASL credentials")?
                };
                Choice::Sasl {
                    mechanism: std::str::from_utf8(mechanism).unwrap_or("unknown"),
                    credentials,
                }
            }
            0x89 => Choice::SicilyDiscovery,
            0x8a => Choice::SicilyNegotiate(choice.value),
            0x8b => Choice::SicilyResponse(choice.value),
            _ => Choice::Other,
        };
        Ok(Self {
            version: u32::try_from(version.uint()?).unwrap_or(u32::MAX),
            name,
            choice,
        })
    }
}

/// ```text
/// LDAPResult ::= SEQUENCE { resultCode ENUMERATED, matchedDN LDAPDN, diagnosticMessage LDAPString,
///     referral [3] Referral OPTIONAL }                    -- RFC 4511 4.1.9
/// BindResponse     adds serverSaslCreds [7] OCTET STRING OPTIONAL
/// ExtendedResponse adds responseName [10] LDAPOID OPTIONAL, responseValue [11] OPTIONAL
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Response<'a> {
    pub(super) code: u32,
    /// In Sicily the server's token stands here.
    pub(super) matched_dn: &'a [u8],
    pub(super) message: &'a [u8],
    pub(super) credentials: &'a [u8],
    pub(super) name: &'a [u8],
}

impl<'a> Response<'a> {
    /// Reads the contents of the operation.
    pub(super) fn read(contents: &'a [u8]) -> Result<Self> {
        let mut r = Reader::new(contents);
        let code = Tlv::read(&mut r)?;
        let mut response = Self {
            code: u32::try_from(code.uint()?).unwrap_or(u32::MAX),
            matched_dn: Tlv::expect(&mut r, tag::OCTET_STRING, "matchedDN")?,
            message: Tlv::expect(&mut r, tag::OCTET_STRING, "diagnosticMessage")?,
            ..Self::default()
        };
        while !r.is_empty() {
            let tlv = Tlv::read(&mut r)?;
            match tlv.tag {
                0x87 => response.credentials = tlv.value,
                0x8a => response.name = tlv.value,
                _ => {}
            }
        }
        Ok(response)
    }
}

/// Suricata's name of a response that has an LDAPResult.
pub(super) fn response_name(code: u8) -> Option<&'static str> {
    Some(match code {
        op::BIND_RESPONSE => "bind_response",
        op::SEARCH_DONE => "search_result_done",
        op::MODIFY_RESPONSE => "modify_response",
        op::ADD_RESPONSE => "add_response",
        op::DEL_RESPONSE => "del_response",
        op::MOD_DN_RESPONSE => "mod_dn_response",
        op::COMPARE_RESPONSE => "compare_response",
        op::EXTENDED_RESPONSE => "extended_response",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_with_the_lengths_of_active_directory() {
        let bytes = [
            0x30, 0x84, 0x00, 0x00, 0x00, 0x10, // LDAPMessage, 16 bytes
            0x02, 0x01, 0x07, // messageID 7
            0x61, 0x84, 0x00, 0x00, 0x00, 0x07, // BindResponse, 7 bytes
            0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00, // success
        ];
        let head = Head {
            total: 22,
            id: 7,
            op: op::BIND_RESPONSE,
            contents: 15,
            length: 7,
        };
        assert_eq!(Head::read(&bytes), Ok(head));
        for n in 0..head.contents {
            assert!(
                matches!(Head::read(&bytes[..n]), Err(Error::Short { .. })),
                "{n}"
            );
        }
        assert_eq!(begins(&bytes), Begins::Message(Direction::ToClient));
    }

    #[test]
    fn what_cannot_be_a_message() {
        for bytes in [
            &[0x30, 0x02, 0x02, 0x01, 0x01, 0x42, 0x00][..], // shorter than its contents
            &[0x30, 0x05, 0x02, 0x01, 0x01, 0x42, 0x09],     // operation longer than the message
            &[0x30, 0x80, 0x02, 0x01, 0x01, 0x42, 0x00],     // indefinite length
            &[0x30, 0x26, 0x02, 0x01, 0x01, 0x04, 0x06],     // SNMP: an OCTET STRING follows
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x02],     // four GiB
            &[0x31, 0x05, 0x02, 0x01, 0x01, 0x42, 0x00],     // no SEQUENCE
        ] {
            assert_eq!(begins(bytes), Begins::Nothing, "{bytes:02x?}");
        }
    }

    #[test]
    fn sasl_buffers() {
        let ntlm = [0, 0, 0, 0x20, 1, 0, 0, 0, 0x99];
        assert_eq!(begins_sasl(&ntlm), Begins::Buffer);
        assert_eq!(begins_sasl(&ntlm[..5]), Begins::Perhaps(8));
        let krb5 = [0, 0, 1, 0, 5, 4, 6, 0xff];
        assert_eq!(begins_sasl(&krb5), Begins::Buffer);
        let smb = [0, 0, 0, 0x80, 0xfe, b'S', b'M', b'B'];
        assert_eq!(begins_sasl(&smb), Begins::Nothing);
    }
}
