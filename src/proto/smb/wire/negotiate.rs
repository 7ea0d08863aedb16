//! NEGOTIATE of SMB 2 and 3 with its contexts (MS-SMB2 2.2.3, 2.2.4).

use super::{HEADER, body};
use crate::wire::{Guid, Reader, Result};

/// NEGOTIATE request (2.2.3).
///
/// ```text
/// 66 dialect count u16  68 security mode u16  72 capabilities u32  76 client GUID
/// 92 context offset u32  96 context count u16 (else a start time)  100 dialects u16 each
/// ```
#[derive(Clone, Copy, Debug)]
pub struct NegotiateRequest<'a> {
    /// SecurityMode.
    pub security_mode: u16,
    /// Capabilities.
    pub capabilities: u32,
    /// ClientGuid.
    pub client_guid: Guid,
    /// Contexts; empty unless it offers 3.1.1.
    pub contexts: Contexts<'a>,
}

impl<'a> NegotiateRequest<'a> {
    /// Reads a whole request.
    ///
    /// # Errors
    /// `Short`.
    pub fn read(command: &'a [u8]) -> Result<Self> {
        const WHAT: &str = "SMB2 NEGOTIATE";
        let mut r = body(command, 66, WHAT)?;
        let count = r.u16(WHAT)?;
        let security_mode = r.u16(WHAT)?;
        r.skip(2, WHAT)?;
        let capabilities = r.u32(WHAT)?;
        let client_guid = r.guid("SMB2 ClientGuid")?;
        let at = r.u32(WHAT)?;
        let contexts = r.u16(WHAT)?;
        r.skip(2, WHAT)?;
        let dialects = r.take(usize::from(count).saturating_mul(2), WHAT)?;
        let modern = dialects.as_chunks().0.contains(&SMB_3_1_1.to_le_bytes());
        Ok(Self {
            security_mode,
            capabilities,
            client_guid,
            contexts: if modern {
                Contexts::new(command, at, contexts)
            } else {
                Contexts::default()
            },
        })
    }
}

/// DialectRevision of SMB 3.1.1.
pub const SMB_3_1_1: u16 = 0x0311;

/// A dialect as it is spoken of; empty if unknown.
#[must_use]
pub fn dialect_name(revision: u16) -> &'static str {
    match revision {
        crate::proto::smb::logon1::NT_LM_0_12 => "NT LM 0.12",
        0x0202 => "2.0.2",
        0x0210 => "2.1",
        0x0300 => "3.0",
        0x0302 => "3.0.2",
        SMB_3_1_1 => "3.1.1",
        0x02ff => "2.???",
        _ => "",
    }
}

/// SMB2_GLOBAL_CAP_ENCRYPTION (2.2.3, 2.2.4): SMB 3.0 and 3.0.2 agree on encryption with it.
pub const CAP_ENCRYPTION: u32 = 0x40;

/// Types of negotiate contexts (2.2.3.1).
pub mod context {
    /// SMB2_ENCRYPTION_CAPABILITIES (2.2.3.1.2): count, ciphers.
    pub const ENCRYPTION: u16 = 2;
    /// SMB2_NETNAME_NEGOTIATE_CONTEXT_ID (2.2.3.1.4): UTF-16.
    pub const NETNAME: u16 = 5;
    /// SMB2_SIGNING_CAPABILITIES (2.2.3.1.7): count, algorithms.
    pub const SIGNING: u16 = 8;
}

/// Negotiate contexts (2.2.3.1): type u16, length u16, reserved u32, data; each begins on eight bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Contexts<'a> {
    bytes: &'a [u8],
    left: u16,
}

impl<'a> Contexts<'a> {
    fn new(command: &'a [u8], at: u32, count: u16) -> Self {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        Self {
            bytes: command
                .get(at..)
                .filter(|_| at >= HEADER)
                .unwrap_or_default(),
            left: count,
        }
    }

    /// Data of the first of this type.
    #[must_use]
    pub fn find(mut self, wanted: u16) -> Option<&'a [u8]> {
        self.find_map(|(kind, data)| (kind == wanted).then_some(data))
    }

    /// The first number in a list of algorithms.
    #[must_use]
    pub fn first(self, wanted: u16) -> Option<u16> {
        let mut r = Reader::new(self.find(wanted)?);
        let count = r.u16("SMB2 algorithms").ok()?;
        (count > 0).then(|| r.u16("SMB2 algorithm").ok()).flatten()
    }
}

impl<'a> Iterator for Contexts<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        const WHAT: &str = "SMB2 negotiate context";
        self.left = self.left.checked_sub(1)?;
        let mut r = Reader::new(self.bytes);
        let kind = r.u16(WHAT).ok()?;
        let length = usize::from(r.u16(WHAT).ok()?);
        r.skip(4, WHAT).ok()?;
        let data = r.take(length, WHAT).ok()?;
        let next = length.saturating_add(8).next_multiple_of(8);
        self.bytes = self.bytes.get(next..).unwrap_or_default();
        Some((kind, data))
    }
}

/// Cipher of an encryption context (2.2.3.1.2).
#[must_use]
pub fn cipher_name(cipher: u16) -> &'static str {
    match cipher {
        0 => "none",
        1 => "aes-128-ccm",
        2 => "aes-128-gcm",
        3 => "aes-256-ccm",
        4 => "aes-256-gcm",
        _ => "other",
    }
}

/// Algorithm of a signing context (2.2.3.1.7).
#[must_use]
pub fn signing_name(algorithm: u16) -> &'static str {
    match algorithm {
        0 => "hmac-sha256",
        1 => "aes-cmac",
        2 => "aes-gmac",
        _ => "other",
    }
}

/// NEGOTIATE response (2.2.4).
///
/// ```text
/// 66 security mode u16  68 dialect u16  70 context count u16  72 server GUID  88 capabilities u32
/// 124 context offset u32
/// ```
#[derive(Clone, Copy, Debug)]
pub struct NegotiateResponse<'a> {
    /// SecurityMode.
    pub security_mode: u16,
    /// DialectRevision.
    pub dialect: u16,
    /// ServerGuid.
    pub server_guid: Guid,
    /// Capabilities.
    pub capabilities: u32,
    /// Contexts; empty unless the dialect is 3.1.1.
    pub contexts: Contexts<'a>,
}

impl<'a> NegotiateResponse<'a> {
    /// Reads a whole response.
    ///
    /// # Errors
    /// `Short`.
    pub fn read(command: &'a [u8]) -> Result<Self> {
        const WHAT: &str = "SMB2 NEGOTIATE";
        let mut r = body(command, 66, WHAT)?;
        let security_mode = r.u16("SMB2 SecurityMode")?;
        let dialect = r.u16("SMB2 DialectRevision")?;
        let count = r.u16(WHAT)?;
        let server_guid = r.guid("SMB2 ServerGuid")?;
        let capabilities = r.u32(WHAT)?;
        let contexts = match dialect {
            SMB_3_1_1 => {
                r.skip(32, WHAT)?;
                Contexts::new(command, r.u32(WHAT)?, count)
            }
            _ => Contexts::default(),
        };
        Ok(Self {
            security_mode,
            dialect,
            server_guid,
            capabilities,
            contexts,
        })
    }
}
