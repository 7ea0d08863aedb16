//! Layouts of Kerberos messages (RFC 4120 5.4 to 5.9, appendix A), in DER.
//!
//! ```text
//! AP-REQ    ::= [APPLICATION 14] SEQUENCE { pvno [0], msg-type [1], ap-options [2], ticket [3], authenticator [4] }
//! Ticket    ::= [APPLICATION 1]  SEQUENCE { tkt-vno [0], realm [1], sname [2], enc-part [3] }
//! KDC-REQ   ::= [APPLICATION 10 | 12] SEQUENCE { pvno [1], msg-type [2], padata [3], req-body [4] }
//! req-body  ::= SEQUENCE { kdc-options [0], cname [1], realm [2], sname [3], from [4], till [5], rtime [6],
//!                          nonce [7], etype [8], addresses [9], enc-authorization-data [10],
//!                          additional-tickets [11] }
//! KDC-REP   ::= [APPLICATION 11 | 13] SEQUENCE { pvno [0], msg-type [1], padata [2], crealm [3], cname [4],
//!                          ticket [5], enc-part [6] }
//! KRB-ERROR ::= [APPLICATION 30] SEQUENCE { pvno [0], msg-type [1], .., error-code [6], crealm [7], cname [8],
//!                          realm [9], sname [10], e-text [11], e-data [12] }
//! EncryptedData ::= SEQUENCE { etype [0], kvno [1], cipher [2] }
//! PrincipalName ::= SEQUENCE { name-type [0], name-string [1] SEQUENCE OF GeneralString }
//! PA-DATA       ::= SEQUENCE { padata-type [1], padata-value [2] }
//! ```
//!
//! The walk goes straight down and never recurses; what a field of unexpected type holds is passed over.

use super::der::{bits, each_padata, fields, int, sequence};
use crate::event::Secret;
use crate::limits::{KRB_LIST, KRB_NAME_BYTES};
use crate::wire::{Error, Reader, Result, Text, Tlv, tag};
use crate::wire_code;

/// Identifier octets of messages: `[APPLICATION n]`, constructed (5.10).
pub mod message {
    /// Ticket.
    pub const TICKET: u8 = 0x61;
    /// AS-REQ.
    pub const AS_REQ: u8 = 0x6a;
    /// AS-REP.
    pub const AS_REP: u8 = 0x6b;
    /// TGS-REQ.
    pub const TGS_REQ: u8 = 0x6c;
    /// TGS-REP.
    pub const TGS_REP: u8 = 0x6d;
    /// AP-REQ.
    pub const AP_REQ: u8 = 0x6e;
    /// AP-REP.
    pub const AP_REP: u8 = 0x6f;
    /// KRB-ERROR.
    pub const ERROR: u8 = 0x7e;
}

/// Types of pre-authentication data (7.5.2, IANA "Pre-authentication and Typed Data").
pub mod padata {
    /// PA-TGS-REQ: an AP-REQ with the ticket-granting ticket.
    pub const TGS_REQ: i32 = 1;
    /// PA-FX-FAST (RFC 6113 5.4.2): the AP-REQ that armours the request.
    pub const FX_FAST: i32 = 136;
    /// PA-FOR-USER (MS-SFU 2.2.1): S4U2self by name.
    pub const FOR_USER: i32 = 129;
    /// PA-S4U-X509-USER (MS-SFU 2.2.2): S4U2self by name or certificate.
    pub const S4U_X509_USER: i32 = 130;
}

/// CNAME-IN-ADDL-TKT of KDCOptions (MS-SFU 2.2.3): S4U2proxy.
const CNAME_IN_ADDL_TKT: u32 = 0x0002_0000;
/// MUTUAL-REQUIRED of APOptions (5.5.1).
const MUTUAL_REQUIRED: u32 = 0x2000_0000;

wire_code! {
    /// Encryption type (IANA "Kerberos Encryption Type Numbers"; RFC 3961 8).
    pub struct EType(i32) {
        DES_CBC_CRC = 1 => "des-cbc-crc",
        DES_CBC_MD4 = 2 => "des-cbc-md4",
        DES_CBC_MD5 = 3 => "des-cbc-md5",
        DES3_CBC_MD5 = 5 => "des3-cbc-md5",
        DES3_CBC_SHA1 = 7 => "des3-cbc-sha1",
        DES3_CBC_SHA1_KD = 16 => "des3-cbc-sha1-kd",
        AES128_SHA1 = 17 => "aes128-cts-hmac-sha1-96",
        AES256_SHA1 = 18 => "aes256-cts-hmac-sha1-96",
        AES128_SHA256 = 19 => "aes128-cts-hmac-sha256-128",
        AES256_SHA384 = 20 => "aes256-cts-hmac-sha384-192",
        RC4_HMAC = 23 => "rc4-hmac",
        RC4_HMAC_EXP = 24 => "rc4-hmac-exp",
        CAMELLIA128 = 25 => "camellia128-cts-cmac",
        CAMELLIA256 = 26 => "camellia256-cts-cmac",
    }
}

wire_code! {
    /// error-code (7.5.9; RFC 4556 3.1.3 for 62 and up).
    pub struct ErrorCode(u32) {
        NONE = 0 => "KDC_ERR_NONE",
        NAME_EXP = 1 => "KDC_ERR_NAME_EXP",
        SERVICE_EXP = 2 => "KDC_ERR_SERVICE_EXP",
        BAD_PVNO = 3 => "KDC_ERR_BAD_PVNO",
        C_OLD_MAST_KVNO = 4 => "KDC_ERR_C_OLD_MAST_KVNO",
        S_OLD_MAST_KVNO = 5 => "KDC_ERR_S_OLD_MAST_KVNO",
        C_PRINCIPAL_UNKNOWN = 6 => "KDC_ERR_C_PRINCIPAL_UNKNOWN",
        S_PRINCIPAL_UNKNOWN = 7 => "KDC_ERR_S_PRINCIPAL_UNKNOWN",
        PRINCIPAL_NOT_UNIQUE = 8 => "KDC_ERR_PRINCIPAL_NOT_UNIQUE",
        NULL_KEY = 9 => "KDC_ERR_NULL_KEY",
        CANNOT_POSTDATE = 10 => "KDC_ERR_CANNOT_POSTDATE",
        NEVER_VALID = 11 => "KDC_ERR_NEVER_VALID",
        POLICY = 12 => "KDC_ERR_POLICY",
        BADOPTION = 13 => "KDC_ERR_BADOPTION",
        ETYPE_NOSUPP = 14 => "KDC_ERR_ETYPE_NOSUPP",
        SUMTYPE_NOSUPP = 15 => "KDC_ERR_SUMTYPE_NOSUPP",
        PADATA_TYPE_NOSUPP = 16 => "KDC_ERR_PADATA_TYPE_NOSUPP",
        TRTYPE_NOSUPP = 17 => "KDC_ERR_TRTYPE_NOSUPP",
        CLIENT_REVOKED = 18 => "KDC_ERR_CLIENT_REVOKED",
        SERVICE_REVOKED = 19 => "KDC_ERR_SERVICE_REVOKED",
        TGT_REVOKED = 20 => "KDC_ERR_TGT_REVOKED",
        CLIENT_NOTYET = 21 => "KDC_ERR_CLIENT_NOTYET",
        SERVICE_NOTYET = 22 => "KDC_ERR_SERVICE_NOTYET",
        KEY_EXPIRED = 23 => "KDC_ERR_KEY_EXPIRED",
        PREAUTH_FAILED = 24 => "KDC_ERR_PREAUTH_FAILED",
        PREAUTH_REQUIRED = 25 => "KDC_ERR_PREAUTH_REQUIRED",
        SERVER_NOMATCH = 26 => "KDC_ERR_SERVER_NOMATCH",
        MUST_USE_USER2USER = 27 => "KDC_ERR_MUST_USE_USER2USER",
        PATH_NOT_ACCEPTED = 28 => "KDC_ERR_PATH_NOT_ACCEPTED",
        SVC_UNAVAILABLE = 29 => "KDC_ERR_SVC_UNAVAILABLE",
        AP_BAD_INTEGRITY = 31 => "KRB_AP_ERR_BAD_INTEGRITY",
        AP_TKT_EXPIRED = 32 => "KRB_AP_ERR_TKT_EXPIRED",
        AP_TKT_NYV = 33 => "KRB_AP_ERR_TKT_NYV",
        AP_REPEAT = 34 => "KRB_AP_ERR_REPEAT",
        AP_NOT_US = 35 => "KRB_AP_ERR_NOT_US",
        AP_BADMATCH = 36 => "KRB_AP_ERR_BADMATCH",
        AP_SKEW = 37 => "KRB_AP_ERR_SKEW",
        AP_BADADDR = 38 => "KRB_AP_ERR_BADADDR",
        AP_BADVERSION = 39 => "KRB_AP_ERR_BADVERSION",
        AP_MSG_TYPE = 40 => "KRB_AP_ERR_MSG_TYPE",
        AP_MODIFIED = 41 => "KRB_AP_ERR_MODIFIED",
        AP_BADORDER = 42 => "KRB_AP_ERR_BADORDER",
        AP_BADKEYVER = 44 => "KRB_AP_ERR_BADKEYVER",
        AP_NOKEY = 45 => "KRB_AP_ERR_NOKEY",
        AP_MUT_FAIL = 46 => "KRB_AP_ERR_MUT_FAIL",
        AP_BADDIRECTION = 47 => "KRB_AP_ERR_BADDIRECTION",
        AP_METHOD = 48 => "KRB_AP_ERR_METHOD",
        AP_BADSEQ = 49 => "KRB_AP_ERR_BADSEQ",
        AP_INAPP_CKSUM = 50 => "KRB_AP_ERR_INAPP_CKSUM",
        AP_PATH_NOT_ACCEPTED = 51 => "KRB_AP_PATH_NOT_ACCEPTED",
        RESPONSE_TOO_BIG = 52 => "KRB_ERR_RESPONSE_TOO_BIG",
        GENERIC = 60 => "KRB_ERR_GENERIC",
        FIELD_TOOLONG = 61 => "KRB_ERR_FIELD_TOOLONG",
        CLIENT_NOT_TRUSTED = 62 => "KDC_ERR_CLIENT_NOT_TRUSTED",
        INVALID_SIG = 64 => "KDC_ERR_INVALID_SIG",
        DH_KEY_PARAMETERS = 65 => "KDC_ERR_DH_KEY_PARAMETERS_NOT_ACCEPTED",
        CERTIFICATE_MISMATCH = 66 => "KDC_ERR_CERTIFICATE_MISMATCH",
        AP_NO_TGT = 67 => "KRB_AP_ERR_NO_TGT",
        WRONG_REALM = 68 => "KDC_ERR_WRONG_REALM",
        AP_USER_TO_USER_REQUIRED = 69 => "KRB_AP_ERR_USER_TO_USER_REQUIRED",
        CANT_VERIFY_CERTIFICATE = 70 => "KDC_ERR_CANT_VERIFY_CERTIFICATE",
        INVALID_CERTIFICATE = 71 => "KDC_ERR_INVALID_CERTIFICATE",
        REVOKED_CERTIFICATE = 72 => "KDC_ERR_REVOKED_CERTIFICATE",
        CLIENT_NAME_MISMATCH = 75 => "KDC_ERR_CLIENT_NAME_MISMATCH",
    }
}

/// A principal's name: its parts with `/` between them, in a buffer of its own.
#[derive(Clone, Copy)]
pub struct Name {
    bytes: [u8; KRB_NAME_BYTES],
    len: usize,
}

impl Default for Name {
    fn default() -> Self {
        Self {
            bytes: [0; KRB_NAME_BYTES],
            len: 0,
        }
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.text(), f)
    }
}

impl Name {
    /// As text. Windows writes UTF-8 where the specification asks for ASCII (5.2.1).
    #[must_use]
    pub fn text(&self) -> Text<'_> {
        text(self.bytes.get(..self.len).unwrap_or_default())
    }

    fn push(&mut self, part: &[u8]) {
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        let n = room.len().min(part.len());
        room.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
        self.len = self.len.saturating_add(n);
    }
}

/// A PrincipalName (5.2.2).
#[derive(Clone, Copy, Debug, Default)]
pub struct Principal<'a> {
    /// Contents of name-string.
    strings: &'a [u8],
}

impl<'a> Principal<'a> {
    fn read(name: &'a [u8]) -> Result<Self> {
        let mut this = Self::default();
        fields(name, |number, field| {
            if let (1, tag::SEQUENCE) = (number, field.tag) {
                this.strings = field.value;
            }
            Ok(())
        })?;
        Ok(this)
    }

    /// The name, of which [`KRB_NAME_BYTES`] are kept.
    #[must_use]
    pub fn name(self) -> Name {
        let mut name = Name::default();
        let mut r = Reader::new(self.strings);
        let mut first = true;
        while let Ok(part) = Tlv::read(&mut r) {
            if !std::mem::take(&mut first) {
                name.push(b"/");
            }
            name.push(part.value);
        }
        name
    }
}

/// Numbers of a list, at most [`KRB_LIST`] of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbers {
    all: [i32; KRB_LIST],
    len: usize,
}

impl Numbers {
    /// The numbers.
    #[must_use]
    pub fn get(&self) -> &[i32] {
        self.all.get(..self.len).unwrap_or_default()
    }

    fn push(&mut self, number: i32) {
        if let Some(to) = self.all.get_mut(self.len) {
            *to = number;
            self.len = self.len.saturating_add(1);
        }
    }
}

/// EncryptedData (5.2.9).
#[derive(Clone, Copy, Debug, Default)]
pub struct Encrypted<'a> {
    /// Encryption type.
    pub etype: EType,
    /// Version of the key.
    pub kvno: Option<u32>,
    /// The ciphertext.
    pub cipher: Secret<'a>,
}

impl<'a> Encrypted<'a> {
    fn read(sequence: &'a [u8]) -> Result<Self> {
        let mut this = Self::default();
        fields(sequence, |number, field| {
            match (number, field.tag) {
                (0, tag::INTEGER) => this.etype = EType(int(field.value)?),
                // Windows writes kvnos with the number of an RODC in the upper half, which may look negative.
                (1, tag::INTEGER) => this.kvno = Some(int(field.value)?.cast_unsigned()),
                (2, tag::OCTET_STRING) => this.cipher = Secret::new(field.value),
                _ => {}
            }
            Ok(())
        })?;
        Ok(this)
    }
}

/// Ticket (5.3).
#[derive(Clone, Copy, Debug, Default)]
pub struct Ticket<'a> {
    /// Realm that issued it.
    pub realm: &'a [u8],
    /// Service it is for.
    pub sname: Principal<'a>,
    /// What only the service can read.
    pub enc_part: Encrypted<'a>,
}

impl<'a> Ticket<'a> {
    fn read(tlv: Tlv<'a>) -> Result<Self> {
        if tlv.tag != message::TICKET {
            return Err(malformed("Kerberos ticket", "unexpected tag"));
        }
        let mut this = Self::default();
        fields(sequence(tlv.value, "Kerberos ticket")?, |number, field| {
            match number {
                1 => this.realm = field.value,
                2 => this.sname = Principal::read(field.value)?,
                3 => this.enc_part = Encrypted::read(field.value)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(this)
    }
}

/// AP-REQ (5.5.1).
#[derive(Clone, Copy, Debug, Default)]
pub struct ApReq<'a> {
    /// The client asks for an AP-REP.
    pub mutual: bool,
    /// The ticket.
    pub ticket: Ticket<'a>,
    /// What proves that the client knows the session key.
    pub authenticator: Encrypted<'a>,
}

impl<'a> ApReq<'a> {
    /// Reads the contents of `[APPLICATION 14]`.
    ///
    /// # Errors
    /// `Malformed` or `Short`.
    pub fn read(contents: &'a [u8]) -> Result<Self> {
        let mut this = Self::default();
        fields(sequence(contents, "AP-REQ")?, |number, field| {
            match number {
                2 => this.mutual = bits(field.value) & MUTUAL_REQUIRED != 0,
                3 => this.ticket = Ticket::read(field)?,
                4 => this.authenticator = Encrypted::read(field.value)?,
                _ => {}
            }
            Ok(())
        })?;
        if this.ticket.enc_part.cipher.is_empty() {
            return Err(malformed("AP-REQ", "no ticket"));
        }
        Ok(this)
    }
}

/// KDC-REQ (5.4.1), with what MS-SFU adds.
#[derive(Clone, Copy, Debug, Default)]
pub struct KdcReq<'a> {
    /// Types of padata, in order.
    pub padata: Numbers,
    /// The AP-REQ of a TGS-REQ, or the one that armours an AS-REQ.
    pub ap_req: Option<ApReq<'a>>,
    /// The user of PA-FOR-USER or PA-S4U-X509-USER.
    pub for_user: Option<Principal<'a>>,
    /// CNAME-IN-ADDL-TKT is set.
    pub s4u2proxy: bool,
    /// Client.
    pub cname: Principal<'a>,
    /// Realm of the service, and of the client in an AS-REQ.
    pub realm: &'a [u8],
    /// Service.
    pub sname: Principal<'a>,
    /// Encryption types in the client's order.
    pub etypes: Numbers,
}

impl<'a> KdcReq<'a> {
    /// Reads the contents of `[APPLICATION 10]` or `[APPLICATION 12]`.
    ///
    /// # Errors
    /// `Malformed` or `Short`.
    pub fn read(contents: &'a [u8]) -> Result<Self> {
        let mut this = Self::default();
        let mut body = None;
        fields(sequence(contents, "KDC-REQ")?, |number, field| {
            match number {
                3 => this.padata(field.value)?,
                4 => body = Some(field.value),
                _ => {}
            }
            Ok(())
        })?;
        let body = body.ok_or(malformed("KDC-REQ", "no body"))?;
        fields(body, |number, field| {
            match number {
                0 => this.s4u2proxy = bits(field.value) & CNAME_IN_ADDL_TKT != 0,
                1 => this.cname = Principal::read(field.value)?,
                2 => this.realm = field.value,
                3 => this.sname = Principal::read(field.value)?,
                8 => {
                    let mut r = Reader::new(field.value);
                    while !r.is_empty() {
                        let etype = Tlv::expect(&mut r, tag::INTEGER, "Kerberos etype")?;
                        this.etypes.push(int(etype)?);
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(this)
    }

    fn padata(&mut self, all: &'a [u8]) -> Result<()> {
        each_padata(all, |kind, value| {
            self.padata.push(kind);
            let mut r = Reader::new(value);
            match kind {
                padata::TGS_REQ if self.ap_req.is_none() => {
                    let inner = Tlv::expect(&mut r, message::AP_REQ, "PA-TGS-REQ")?;
                    self.ap_req = Some(ApReq::read(inner)?);
                }
                // PA-FX-FAST-REQUEST ::= CHOICE { armored-data [0] SEQUENCE { armor [0] KrbFastArmor, .. } }
                // KrbFastArmor ::= SEQUENCE { armor-type [0], armor-value [1] OCTET STRING }
                padata::FX_FAST if self.ap_req.is_none() => {
                    let mut armor = &[][..];
                    fields(value, |_, request| {
                        fields(request.value, |number, field| {
                            if number == 0 {
                                armor = field.value;
                            }
                            Ok(())
                        })
                    })?;
                    fields(armor, |number, field| {
                        if let (1, Some(&message::AP_REQ)) = (number, field.value.first()) {
                            let inner = Tlv::read(&mut field.inside())?;
                            self.ap_req = Some(ApReq::read(inner.value)?);
                        }
                        Ok(())
                    })?;
                }
                // PA-FOR-USER-ENC ::= SEQUENCE { userName [0], userRealm [1], cksum [2], auth-package [3] }
                padata::FOR_USER => fields(sequence(value, "PA-FOR-USER")?, |number, field| {
                    if number == 0 {
                        self.for_user = Some(Principal::read(field.value)?);
                    }
                    Ok(())
                })?,
                // PA-S4U-X509-USER ::= SEQUENCE { user-id [0] S4UUserID { nonce [0], cname [1], .. }, checksum [1] }
                padata::S4U_X509_USER => {
                    let outer = sequence(value, "PA-S4U-X509-USER");
                    // A reply has the same type, and FAST may have it empty.
                    fields(outer.unwrap_or_default(), |number, field| {
                        if number != 0 {
                            return Ok(());
                        }
                        fields(field.value, |number, field| {
                            if number == 1 {
                                self.for_user = Some(Principal::read(field.value)?);
                            }
                            Ok(())
                        })
                    })?;
                }
                _ => {}
            }
            Ok(())
        })
    }
}

/// KDC-REP (5.4.2).
#[derive(Clone, Copy, Debug, Default)]
pub struct KdcRep<'a> {
    /// Types of padata, in order.
    pub padata: Numbers,
    /// Realm of the client.
    pub crealm: &'a [u8],
    /// Client.
    pub cname: Principal<'a>,
    /// The ticket handed out.
    pub ticket: Ticket<'a>,
    /// Encryption of the part for the client.
    pub etype: EType,
}

impl<'a> KdcRep<'a> {
    /// Reads the contents of `[APPLICATION 11]` or `[APPLICATION 13]`.
    ///
    /// # Errors
    /// `Malformed` or `Short`.
    pub fn read(contents: &'a [u8]) -> Result<Self> {
        let mut this = Self::default();
        fields(sequence(contents, "KDC-REP")?, |number, field| {
            match number {
                2 => each_padata(field.value, |kind, _| {
                    this.padata.push(kind);
                    Ok(())
                })?,
                3 => this.crealm = field.value,
                4 => this.cname = Principal::read(field.value)?,
                5 => this.ticket = Ticket::read(field)?,
                6 => this.etype = Encrypted::read(field.value)?.etype,
                _ => {}
            }
            Ok(())
        })?;
        if this.ticket.enc_part.cipher.is_empty() {
            return Err(malformed("KDC-REP", "no ticket"));
        }
        Ok(this)
    }
}

/// KRB-ERROR (5.9.1).
#[derive(Clone, Copy, Debug, Default)]
pub struct KrbError<'a> {
    /// error-code.
    pub code: ErrorCode,
    /// Realm of the client.
    pub crealm: &'a [u8],
    /// Client.
    pub cname: Principal<'a>,
    /// Realm of the service.
    pub realm: &'a [u8],
    /// Service.
    pub sname: Principal<'a>,
}

impl<'a> KrbError<'a> {
    /// Reads the contents of `[APPLICATION 30]`.
    ///
    /// # Errors
    /// `Malformed` or `Short`.
    pub fn read(contents: &'a [u8]) -> Result<Self> {
        let mut this = Self::default();
        fields(sequence(contents, "KRB-ERROR")?, |number, field| {
            match number {
                6 => this.code = ErrorCode(int(field.value)?.cast_unsigned()),
                7 => this.crealm = field.value,
                8 => this.cname = Principal::read(field.value)?,
                9 => this.realm = field.value,
                10 => this.sname = Principal::read(field.value)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(this)
    }
}

/// The Kerberos message in a token of the krb5 mechanism (RFC 4121 4.1): identifier and contents.
///
/// ```text
/// [APPLICATION 0] { OID 1.2.840.113554.1.2.2, TOK_ID u16, message }
/// TOK_ID: 01 00 AP-REQ, 02 00 AP-REP, 03 00 KRB-ERROR
/// ```
///
/// DCE style puts the bare message there (MS-KILE 3.4.5.1), which is taken too. `None` if it is
/// another's token.
#[must_use]
pub fn gss(token: &[u8]) -> Option<Result<Tlv<'_>>> {
    let mut r = Reader::new(token);
    match token.first()? {
        0x60 => {
            let mut r = Tlv::read(&mut r).ok()?.inside();
            let oid = Tlv::expect(&mut r, tag::OID, "GSS-API mechanism").ok()?;
            if !is_mechanism(oid) {
                return None;
            }
            let [kind @ 1..=3, 0] = r.array("Kerberos TOK_ID").ok()? else {
                return None;
            };
            let wanted = match kind {
                1 => message::AP_REQ,
                2 => message::AP_REP,
                _ => message::ERROR,
            };
            Some(Tlv::read(&mut r).and_then(|tlv| {
                if tlv.tag == wanted {
                    Ok(tlv)
                } else {
                    Err(malformed("Kerberos token", "not the message its id names"))
                }
            }))
        }
        &(message::AP_REQ | message::AP_REP | message::ERROR) => Some(Tlv::read(&mut r)),
        _ => None,
    }
}

/// 1.2.840.113554.1.2.2, or 1.2.840.48018.1.2.2 as Windows 2000 misspelt it.
#[must_use]
pub fn is_mechanism(oid: &[u8]) -> bool {
    matches!(oid, [0x2a, 0x86, 0x48, 0x86 | 0x82, 0xf7, 0x12, 1, 2, 2])
}

/// Text of a realm or of one part of a name.
#[must_use]
pub fn text(bytes: &[u8]) -> Text<'_> {
    std::str::from_utf8(bytes).map_or(Text::Bytes(bytes), Text::Str)
}

pub(super) fn malformed(what: &'static str, why: &'static str) -> Error {
    Error::Malformed { what, why }
}
