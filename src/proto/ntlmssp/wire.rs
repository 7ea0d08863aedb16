//! Layouts of NTLMSSP messages (MS-NLMP 2.2.1). All integers are little-endian, all offsets are
//! counted from the signature.
//!
//! A message describes its payload with *fields*: length u16, allocated length u16, offset u32
//! (2.2.1.x, "...Fields"). They are the sender's claims: every one is checked against the message. A
//! field that points outside reads as empty and the message is marked `damaged`, so that one
//! bad field does not hide the others.

use crate::event::Mic;
use crate::wire::{Error, FileTime, Reader, Result, Text};

/// The eight bytes every message starts with.
pub const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";

/// NegotiateFlags that are looked at (MS-NLMP 2.2.2.5).
pub mod flag {
    /// Strings are UTF-16.
    pub const UNICODE: u32 = 0x0000_0001;
    /// Signatures are wanted.
    pub const SIGN: u32 = 0x0000_0010;
    /// Encryption is wanted.
    pub const SEAL: u32 = 0x0000_0020;
    /// Extended session security: with a 24-byte response, "NTLM2 session response".
    pub const EXTENDED_SESSION_SECURITY: u32 = 0x0008_0000;
    /// The VERSION structure is filled in.
    pub const VERSION: u32 = 0x0200_0000;
}

/// Identifiers of AV pairs (MS-NLMP 2.2.2.1).
pub mod av {
    /// The list ends.
    pub const EOL: u16 = 0;
    /// NetBIOS name of the server.
    pub const NB_COMPUTER_NAME: u16 = 1;
    /// NetBIOS name of its domain.
    pub const NB_DOMAIN_NAME: u16 = 2;
    /// DNS name of the server.
    pub const DNS_COMPUTER_NAME: u16 = 3;
    /// DNS name of its domain.
    pub const DNS_DOMAIN_NAME: u16 = 4;
    /// Flags, u32: 1 constrained, 2 a MIC is present, 4 the SPN came from an untrusted source.
    pub const FLAGS: u16 = 6;
    /// FILETIME of the server.
    pub const TIMESTAMP: u16 = 7;
    /// The SPN the client wanted to talk to.
    pub const TARGET_NAME: u16 = 9;
    /// MD5 of the TLS channel's bindings, or sixteen zeros.
    pub const CHANNEL_BINDINGS: u16 = 10;

    /// Bit of [`FLAGS`]: the AUTHENTICATE has a MIC.
    pub const FLAG_MIC: u32 = 2;
}

/// VERSION (MS-NLMP 2.2.2.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Major version of the operating system.
    pub major: u8,
    /// Minor version.
    pub minor: u8,
    /// Build.
    pub build: u16,
    /// NTLM revision, 15 since Windows Server 2003.
    pub revision: u8,
}

/// One of the three messages.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// Type 1.
    Negotiate(Negotiate<'a>),
    /// Type 2.
    Challenge(Challenge<'a>),
    /// Type 3.
    Authenticate(Authenticate<'a>),
}

/// MessageType of something that begins with the signature.
#[must_use]
pub fn message_type(message: &[u8]) -> Option<u32> {
    let kind = message.strip_prefix(SIGNATURE)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*kind))
}

impl<'a> Message<'a> {
    /// Reads a whole message.
    ///
    /// # Errors
    /// `Short` if the fixed part is not all there, `Malformed` for another signature or type.
    pub fn read(message: &'a [u8]) -> Result<Self> {
        match message_type(message) {
            Some(1) => Negotiate::read(message).map(Self::Negotiate),
            Some(2) => Challenge::read(message).map(Self::Challenge),
            Some(3) => Authenticate::read(message).map(Self::Authenticate),
            Some(_) => Err(Error::Malformed {
                what: "NTLMSSP MessageType",
                why: "neither 1, 2 nor 3",
            }),
            None => Err(Error::Malformed {
                what: "NTLMSSP signature",
                why: "not there",
            }),
        }
    }
}

/// NEGOTIATE (MS-NLMP 2.2.1.1).
///
/// ```text
/// 0 signature  8 type 1  12 flags  16 domain fields  24 workstation fields  [32 version]
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Negotiate<'a> {
    /// NegotiateFlags.
    pub flags: u32,
    /// DomainName, in the client's OEM code page whatever the flags say.
    pub domain: Text<'a>,
    /// Workstation, likewise.
    pub workstation: Text<'a>,
    /// VERSION, if the flags announce it.
    pub version: Option<Version>,
    /// A field points outside the message.
    pub damaged: bool,
}

impl<'a> Negotiate<'a> {
    /// Reads a whole message. Old clients stop after the flags.
    ///
    /// # Errors
    /// `Short` if the flags are not all there.
    pub fn read(message: &'a [u8]) -> Result<Self> {
        let mut fields = Fields::new(message);
        let mut r = after_type(message)?;
        let flags = r.u32("NTLM NEGOTIATE flags")?;
        let domain = fields.at_optional(&mut r);
        let workstation = fields.at_optional(&mut r);
        Ok(Self {
            flags,
            domain: Text::Bytes(domain),
            workstation: Text::Bytes(workstation),
            version: version(&mut r, flags, fields.lowest),
            damaged: fields.damaged,
        })
    }
}

/// CHALLENGE (MS-NLMP 2.2.1.2).
///
/// ```text
/// 0 signature  8 type 2  12 target name fields  20 flags  24 challenge  32 reserved
/// 40 target info fields  [48 version]  payload
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Challenge<'a> {
    /// NegotiateFlags.
    pub flags: u32,
    /// ServerChallenge.
    pub server_challenge: [u8; 8],
    /// TargetName: domain or server.
    pub target_name: Text<'a>,
    /// TargetInfo.
    pub target_info: AvPairs<'a>,
    /// VERSION, if the flags announce it.
    pub version: Option<Version>,
    /// A field points outside the message.
    pub damaged: bool,
}

impl<'a> Challenge<'a> {
    /// Reads a whole message. Old servers stop after the challenge.
    ///
    /// # Errors
    /// `Short` if the challenge is not all there.
    pub fn read(message: &'a [u8]) -> Result<Self> {
        let mut fields = Fields::new(message);
        let mut r = after_type(message)?;
        let target_name = fields.at(&mut r, "NTLM CHALLENGE TargetName")?;
        let flags = r.u32("NTLM CHALLENGE flags")?;
        let server_challenge = r.array("NTLM ServerChallenge")?;
        // A payload that starts before the target info fields means that there are none.
        let mut target_info = &[][..];
        if fields.lowest >= 48 && r.skip(8, "NTLM CHALLENGE reserved").is_ok() {
            target_info = fields.at_optional(&mut r);
        }
        Ok(Self {
            flags,
            server_challenge,
            target_name: text(target_name, flags & flag::UNICODE != 0),
            target_info: AvPairs::new(target_info),
            version: version(&mut r, flags, fields.lowest),
            damaged: fields.damaged,
        })
    }
}

/// How the password was proven (MS-NLMP 2.2.2.3 to 2.2.2.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// No response: anonymous, or none at all.
    None,
    /// NTLMv1 or LM alone: 24 bytes made of the server's challenge.
    V1,
    /// NTLMv1 with extended session security: 24 bytes made of both challenges.
    V1Ess,
    /// NTLMv2: a 16-byte proof and the blob it protects.
    V2,
}

impl Response {
    /// The event's spelling.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::V1 => "v1",
            Self::V1Ess => "v1-ess",
            Self::V2 => "v2",
        }
    }
}

/// AUTHENTICATE (MS-NLMP 2.2.1.3).
///
/// ```text
/// 0 signature  8 type 3  12 LM fields  20 NT fields  28 domain fields  36 user fields
/// 44 workstation fields  52 session key fields  60 flags  [64 version]  [72 MIC 16]  payload
/// ```
///
/// Very old clients stop at 52 or 60. Where the payload begins tells what is there.
#[derive(Clone, Copy)]
pub struct Authenticate<'a> {
    /// NegotiateFlags; 0 if the message is too old to have them.
    pub flags: u32,
    /// DomainName.
    pub domain: Text<'a>,
    /// UserName.
    pub user: Text<'a>,
    /// Workstation.
    pub workstation: Text<'a>,
    /// LmChallengeResponse. Never shown.
    pub(crate) lm: &'a [u8],
    /// NtChallengeResponse. Never shown.
    pub(crate) nt: &'a [u8],
    /// VERSION, if the flags announce it.
    pub version: Option<Version>,
    /// The sixteen bytes where a MIC would be, if the payload leaves room for it.
    pub(crate) mic: Option<&'a [u8; 16]>,
    /// A field points outside the message.
    pub damaged: bool,
}

impl std::fmt::Debug for Authenticate<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticate")
            .field("flags", &self.flags)
            .field("response", &self.response())
            .finish_non_exhaustive()
    }
}

impl<'a> Authenticate<'a> {
    /// Reads a whole message.
    ///
    /// # Errors
    /// `Short` if the fields up to the workstation are not all there.
    pub fn read(message: &'a [u8]) -> Result<Self> {
        let mut fields = Fields::new(message);
        let mut r = after_type(message)?;
        let lm = fields.at(&mut r, "NTLM LmChallengeResponse")?;
        let nt = fields.at(&mut r, "NTLM NtChallengeResponse")?;
        let domain = fields.at(&mut r, "NTLM DomainName")?;
        let user = fields.at(&mut r, "NTLM UserName")?;
        let workstation = fields.at(&mut r, "NTLM Workstation")?;
        if fields.lowest >= 60 {
            // The session key; nothing can be done with it.
            fields.at_optional(&mut r);
        }
        let flags = (fields.lowest >= 64)
            .then(|| r.u32("NTLM AUTHENTICATE flags").ok())
            .flatten();
        let version = version(&mut r, flags.unwrap_or(0), fields.lowest);
        let mic = message
            .get(72..)
            .filter(|_| fields.lowest >= 88)
            .and_then(<[u8]>::first_chunk::<16>);
        let unicode = match flags {
            Some(flags) => flags & flag::UNICODE != 0,
            None => looks_like_utf16(user) || looks_like_utf16(domain),
        };
        Ok(Self {
            flags: flags.unwrap_or(0),
            domain: text(domain, unicode),
            user: text(user, unicode),
            workstation: text(workstation, unicode),
            lm,
            nt,
            version,
            mic,
            damaged: fields.damaged,
        })
    }

    /// Anonymous by the rule a server applies (MS-NLMP 3.2.5.1.2): no user, no NT response, no LM
    /// response or a single zero. The flag is not asked: it is the client's claim.
    #[must_use]
    pub fn anonymous(&self) -> bool {
        self.user.is_empty() && self.nt.is_empty() && matches!(self.lm, [] | [0])
    }

    /// Which response this is, from its length and the LM response.
    #[must_use]
    pub fn response(&self) -> Response {
        let ess = self.flags & flag::EXTENDED_SESSION_SECURITY != 0
            && self.lm.len() == 24
            && self
                .lm
                .get(8..)
                .is_some_and(|rest| rest.iter().all(|b| *b == 0));
        match (self.nt.len(), self.lm.len()) {
            (25.., _) => Response::V2,
            (24, _) if ess => Response::V1Ess,
            (24, _) | (0, 24) => Response::V1,
            _ => Response::None,
        }
    }

    /// The NTLMv2 blob, if the response is one.
    #[must_use]
    pub fn blob(&self) -> Option<Blob<'a>> {
        (self.response() == Response::V2)
            .then(|| Blob::read(self.nt).ok())
            .flatten()
    }

    /// What became of the MIC. Its bytes exist if the payload starts at 88 or later; whether there has
    /// to be one is said by MsvAvFlags inside the blob, which the proof protects (MS-NLMP 3.1.5.1.2).
    #[must_use]
    pub fn mic_state(&self, av_flags: u32) -> Mic {
        let there = self.mic.is_some_and(|mic| mic.iter().any(|b| *b != 0));
        match (there, av_flags & av::FLAG_MIC != 0) {
            (true, _) => Mic::Present,
            (false, true) => Mic::Stripped,
            (false, false) => Mic::Absent,
        }
    }
}

/// NTLMv2_RESPONSE with its NTLMv2_CLIENT_CHALLENGE (MS-NLMP 2.2.2.7, 2.2.2.8).
///
/// ```text
/// 0 NTProofStr 16  16 RespType 1  17 HiRespType 1  18 zero 6  24 FILETIME
/// 32 client challenge 8  40 zero 4  44 AV pairs, then four zeros
/// ```
#[derive(Clone, Copy)]
pub struct Blob<'a> {
    /// TimeStamp.
    pub timestamp: FileTime,
    /// AvPairs, copied from the CHALLENGE and added to by the client.
    pub av_pairs: AvPairs<'a>,
}

impl std::fmt::Debug for Blob<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blob")
            .field("timestamp", &self.timestamp)
            .field("av_pairs", &self.av_pairs)
            .finish_non_exhaustive()
    }
}

impl<'a> Blob<'a> {
    /// Reads a whole NT response.
    ///
    /// # Errors
    /// `Short` if the fixed part is not all there, `Malformed` for other response types.
    pub fn read(nt: &'a [u8]) -> Result<Self> {
        let mut r = Reader::new(nt);
        r.skip(16, "NTProofStr")?;
        if r.u16("NTLMv2 RespType")? != 0x0101 {
            return Err(Error::Malformed {
                what: "NTLMv2 RespType",
                why: "not 1",
            });
        }
        r.skip(6, "NTLMv2 reserved")?;
        let timestamp = FileTime(r.u64("NTLMv2 TimeStamp")?);
        r.skip(12, "NTLMv2 ChallengeFromClient and reserved")?;
        Ok(Self {
            timestamp,
            av_pairs: AvPairs::new(r.rest()),
        })
    }
}

/// A list of AV_PAIR (MS-NLMP 2.2.2.1): id u16, length u16, value. Ends at MsvAvEOL, or, since lists
/// without one and empty ones are met in the wild, at the last whole pair.
#[derive(Clone, Copy)]
pub struct AvPairs<'a> {
    rest: Reader<'a>,
}

impl std::fmt::Debug for AvPairs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.map(|(id, _)| id)).finish()
    }
}

impl<'a> AvPairs<'a> {
    /// The list that starts here.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: Reader::new(bytes),
        }
    }

    /// Value of the first pair with this id.
    #[must_use]
    pub fn find(mut self, id: u16) -> Option<&'a [u8]> {
        Iterator::find(&mut self, |(found, _)| *found == id).map(|(_, value)| value)
    }

    /// Value of the first pair with this id, as text (always UTF-16); empty if there is none.
    #[must_use]
    pub fn text(self, id: u16) -> Text<'a> {
        self.find(id).map(Text::utf16).unwrap_or_default()
    }

    /// MsvAvFlags, 0 if there are none.
    #[must_use]
    pub fn flags(self) -> u32 {
        self.find(av::FLAGS)
            .and_then(|value| value.first_chunk())
            .map_or(0, |value| u32::from_le_bytes(*value))
    }

    /// True if there are channel bindings that are not all zero.
    #[must_use]
    pub fn has_channel_bindings(self) -> bool {
        self.find(av::CHANNEL_BINDINGS)
            .is_some_and(|value| value.iter().any(|b| *b != 0))
    }
}

impl<'a> Iterator for AvPairs<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let id = self.rest.u16("AvId").ok()?;
        let length = self.rest.u16("AvLen").ok()?;
        let value = self.rest.take(length.into(), "AV value");
        match value {
            Ok(value) if id != av::EOL => Some((id, value)),
            _ => {
                self.rest = Reader::new(&[]);
                None
            }
        }
    }
}

/// Follows fields into the payload and remembers where the payload begins.
struct Fields<'a> {
    message: &'a [u8],
    /// The smallest offset of a field that is not empty: the fixed part cannot reach beyond it.
    lowest: usize,
    damaged: bool,
}

impl<'a> Fields<'a> {
    fn new(message: &'a [u8]) -> Self {
        Self {
            message,
            lowest: message.len(),
            damaged: false,
        }
    }

    /// Reads length, allocated length and offset; gives the bytes they mean.
    fn at(&mut self, r: &mut Reader<'_>, what: &'static str) -> Result<&'a [u8]> {
        let mut fields = r.sub(8, what)?;
        let length = usize::from(fields.u16(what)?);
        fields.skip(2, what)?;
        // An offset beyond usize is beyond the message too.
        let offset = usize::try_from(fields.u32(what)?).unwrap_or(usize::MAX);
        if length == 0 {
            return Ok(&[]);
        }
        if let Some(bytes) = self.message.get(offset..offset.saturating_add(length)) {
            self.lowest = self.lowest.min(offset);
            Ok(bytes)
        } else {
            self.damaged = true;
            Ok(&[])
        }
    }

    /// The same where the message may end early.
    fn at_optional(&mut self, r: &mut Reader<'_>) -> &'a [u8] {
        self.at(r, "NTLM fields").unwrap_or_default()
    }
}

fn after_type(message: &[u8]) -> Result<Reader<'_>> {
    let mut r = Reader::new(message);
    r.skip(12, "NTLMSSP signature and type")?;
    Ok(r)
}

/// VERSION at the reader, if it is announced and the payload does not begin before its end.
fn version(r: &mut Reader<'_>, flags: u32, payload: usize) -> Option<Version> {
    let announced = flags & flag::VERSION != 0 && r.at().saturating_add(8) <= payload;
    let [major, minor, b0, b1, _, _, _, revision] =
        announced.then(|| r.array("NTLM VERSION").ok()).flatten()?;
    Some(Version {
        major,
        minor,
        build: u16::from_le_bytes([b0, b1]),
        revision,
    })
}

fn text(bytes: &[u8], unicode: bool) -> Text<'_> {
    if unicode {
        Text::utf16(bytes)
    } else {
        Text::Bytes(bytes)
    }
}

/// For messages so old that they do not say: Latin letters in UTF-16 have a zero in every second byte.
fn looks_like_utf16(bytes: &[u8]) -> bool {
    let (units, odd) = bytes.as_chunks::<2>();
    odd.is_empty() && units.iter().any(|[_, high]| *high == 0)
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
