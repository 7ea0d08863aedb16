//! Connection-oriented PDUs (C706 12.6.3 and 12.6.4, MS-RPCE 2.2.2): layouts, borrowed and stateless.
//!
//! Every reader takes the whole PDU, because padding is counted from its first byte; integers are in
//! the byte order that this PDU's own header declares.

use crate::wire::{Error, Guid, Reader, Result};
use crate::wire_code;

wire_code! {
    /// PTYPE (C706 12.6.3.1; MS-RPCE 2.2.2.1, MS-RPCH 2.2.3.1).
    pub struct PacketType(u8) {
        Request = 0 => "request",
        Response = 2 => "response",
        Fault = 3 => "fault",
        Bind = 11 => "bind",
        BindAck = 12 => "bind_ack",
        BindNak = 13 => "bind_nak",
        AlterContext = 14 => "alter_context",
        AlterContextResp = 15 => "alter_context_resp",
        Auth3 = 16 => "auth3",
        Shutdown = 17 => "shutdown",
        CoCancel = 18 => "co_cancel",
        Orphaned = 19 => "orphaned",
        Rts = 20 => "rts",
    }
}

wire_code! {
    /// Authentication type (MS-RPCE 2.2.1.1.7).
    pub struct AuthType(u8) {
        None = 0 => "none",
        Spnego = 9 => "spnego",
        Ntlm = 10 => "ntlm",
        Schannel = 14 => "schannel",
        Kerberos = 16 => "kerberos",
        Netlogon = 68 => "netlogon",
        Default = 255 => "default",
    }
}

wire_code! {
    /// Authentication level (MS-RPCE 2.2.1.1.8).
    pub struct AuthLevel(u8) {
        Default = 0 => "default",
        None = 1 => "none",
        Connect = 2 => "connect",
        Call = 3 => "call",
        Packet = 4 => "packet",
        Integrity = 5 => "integrity",
        Privacy = 6 => "privacy",
    }
}

wire_code! {
    /// p_cont_def_result_t (C706 12.6.3.1, MS-RPCE 2.2.2.4).
    pub struct ContextResult(u16) {
        Acceptance = 0 => "acceptance",
        UserRejection = 1 => "user_rejection",
        ProviderRejection = 2 => "provider_rejection",
        NegotiateAck = 3 => "negotiate_ack",
    }
}

wire_code! {
    /// Fault status (C706 appendix E, MS-RPCE 2.2.2.11): the ones that decide something here.
    pub struct FaultStatus(u32) {
        AccessDenied = 0x0000_0005 => "access_denied",
        BadStubData = 0x0000_06f7 => "bad_stub_data",
        ServerUnavailable = 0x0000_06ba => "server_unavailable",
        SecPkgError = 0x0000_0721 => "sec_pkg_error",
        OpRange = 0x1c01_0002 => "nca_s_op_rng_error",
        UnknownInterface = 0x1c01_0003 => "nca_s_unk_if",
        ProtocolError = 0x1c01_000b => "nca_s_proto_error",
        ContextMismatch = 0x1c00_001a => "nca_s_fault_context_mismatch",
    }
}

/// pfc_flags (C706 12.6.3.1).
pub mod flag {
    /// First fragment.
    pub const FIRST: u8 = 0x01;
    /// Last fragment.
    pub const LAST: u8 = 0x02;
    /// No answer is expected.
    pub const MAYBE: u8 = 0x40;
    /// An object UUID follows the opnum.
    pub const OBJECT: u8 = 0x80;
}

/// The NDR transfer syntax, version 2.0.
pub const NDR20: Guid = Guid(0x8a885d04_1ceb_11c9_9fe8_08002b104860);
/// The NDR64 transfer syntax, version 1.0 (MS-RPCE 2.2.5).
pub const NDR64: Guid = Guid(0x71710533_beba_4937_8319_b5dbef9ccc36);

/// A transfer syntax that only carries feature bits (MS-RPCE 2.2.2.14): 6cb71c2c-9812-4540-*.
#[must_use]
pub fn is_feature_negotiation(transfer: Guid) -> bool {
    transfer.0 >> 64 == 0x6cb7_1c2c_9812_4540
}

/// The common header, 16 bytes.
///
/// ```text
///  0 rpc_vers 5   1 minor   2 PTYPE   3 pfc_flags   4 drep (4)
///  8 frag_length u16   10 auth_length u16   12 call_id u32
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Type.
    pub ptype: PacketType,
    /// pfc_flags.
    pub flags: u8,
    /// The sender's integers are big-endian.
    pub big_endian: bool,
    /// Bytes of the whole PDU.
    pub frag_len: u16,
    /// Bytes of the authentication value, 0 if there is no trailer.
    pub auth_len: u16,
    /// Call id.
    pub call_id: u32,
}

impl Header {
    /// Bytes of the header.
    pub const LEN: usize = 16;
    /// Bytes of sec_trailer before the authentication value.
    pub const TRAILER_LEN: usize = 8;

    /// Reads the header at the front of `bytes`, and refuses what no sender means by one
    /// (the stream heuristic of any port).
    ///
    /// # Errors
    /// `Short` below 16 bytes, even if the bytes that are there cannot be a header: see
    /// [`Header::can_begin`].
    pub fn read(bytes: &[u8]) -> Result<Self> {
        const WHAT: &str = "PDU header";
        let bad = |why| Err(Error::Malformed { what: WHAT, why });
        let mut r = Reader::new(bytes);
        let [version, minor, ptype, flags, drep, float, pad @ ..] = r.array::<8>(WHAT)?;
        if version != 5 || minor > 1 {
            return bad("version is not 5.0 or 5.1");
        }
        if !matches!(ptype, 0 | 2 | 3 | 11..=20) {
            return bad("unknown type");
        }
        if !matches!(drep, 0x00 | 0x01 | 0x10 | 0x11) || float > 3 || pad != [0, 0] {
            return bad("unknown data representation");
        }
        let big_endian = drep & 0x10 == 0;
        let mut r = Reader::new(bytes).with_order(big_endian);
        r.skip(8, WHAT)?;
        let header = Self {
            ptype: PacketType(ptype),
            flags,
            big_endian,
            frag_len: r.u16(WHAT)?,
            auth_len: r.u16(WHAT)?,
            call_id: r.u32(WHAT)?,
        };
        let frag_len = usize::from(header.frag_len);
        if frag_len < Self::LEN {
            return bad("frag_length is shorter than the header");
        }
        Ok(header)
    }

    /// True if `bytes`, 16 or fewer, may be the beginning of a header.
    #[must_use]
    pub fn can_begin(bytes: &[u8]) -> bool {
        bytes.iter().zip(0u8..).all(|(b, at)| match at {
            0 => *b == 5,
            1 => *b <= 1,
            2 => matches!(b, 0 | 2 | 3 | 11..=20),
            4 => matches!(b, 0x00 | 0x01 | 0x10 | 0x11),
            5 => *b <= 3,
            6 | 7 => *b == 0,
            _ => true,
        })
    }

    /// Stricter than [`Header::read`], for searching a header in the middle of other bytes.
    #[must_use]
    pub fn is_plausible(&self) -> bool {
        let auth = usize::from(self.auth_len);
        let room = usize::from(self.frag_len).saturating_sub(Self::LEN);
        auth == 0 || auth.saturating_add(Self::TRAILER_LEN) <= room
    }

    /// First fragment. Binds without the flag are real.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.flags & flag::FIRST != 0
    }

    /// Last fragment.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.flags & flag::LAST != 0
    }
}

/// One framed PDU: its header, its body without padding and trailer, its trailer.
#[derive(Clone, Copy, Debug)]
pub struct Pdu<'a> {
    /// The header.
    pub header: Header,
    /// Everything, `frag_len` bytes.
    pub bytes: &'a [u8],
    /// The security trailer, if there is one that fits.
    pub auth: Option<SecTrailer<'a>>,
    /// Bytes from the front to the end of the body.
    body_end: usize,
}

/// The security trailer (MS-RPCE 2.2.2.11), read from the PDU's end.
///
/// ```text
///  0 auth_type u8   1 auth_level u8   2 auth_pad_length u8   3 reserved   4 auth_context_id u32   8 auth_value
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SecTrailer<'a> {
    /// Security provider.
    pub auth_type: AuthType,
    /// Protection of this PDU.
    pub level: AuthLevel,
    /// Which security context of the connection.
    pub context_id: u32,
    /// Token, or signature.
    pub value: &'a [u8],
}

impl<'a> Pdu<'a> {
    /// Splits a framed PDU. A trailer that does not fit is left out, not the PDU.
    ///
    /// # Errors
    /// `Short` if `bytes` is less than the header says.
    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        let header = Header::read(bytes)?;
        let frag_len = usize::from(header.frag_len);
        let bytes = Reader::new(bytes).take(frag_len, "PDU")?;
        let trailer = Self::trailer(&header, bytes).ok().flatten();
        Ok(Self {
            header,
            bytes,
            auth: trailer.map(|(trailer, _)| trailer),
            body_end: trailer.map_or(frag_len, |(_, body_end)| body_end),
        })
    }

    fn trailer(header: &Header, bytes: &'a [u8]) -> Result<Option<(SecTrailer<'a>, usize)>> {
        if header.auth_len == 0 || !header.is_plausible() {
            return Ok(None);
        }
        let auth_len = usize::from(header.auth_len);
        let at = bytes
            .len()
            .saturating_sub(auth_len.saturating_add(Header::TRAILER_LEN));
        let mut r = Reader::new(bytes).with_order(header.big_endian);
        r.skip(at, "sec_trailer")?;
        let auth_type = AuthType(r.u8("auth_type")?);
        let level = AuthLevel(r.u8("auth_level")?);
        let pad = usize::from(r.u8("auth_pad_length")?);
        r.skip(1, "auth_reserved")?;
        let trailer = SecTrailer {
            auth_type,
            level,
            context_id: r.u32("auth_context_id")?,
            value: r.take(auth_len, "auth_value")?,
        };
        // Padding that reaches into the header is a lie; then there is no body.
        let body_end = at.saturating_sub(pad).max(Header::LEN);
        Ok(Some((trailer, body_end)))
    }

    /// A reader over header and body, standing after the header.
    ///
    /// # Errors
    /// `Short` never happens for a PDU that was read.
    pub fn body(&self) -> Result<Reader<'a>> {
        let body = self.bytes.get(..self.body_end).unwrap_or_default();
        let mut r = Reader::new(body).with_order(self.header.big_endian);
        r.skip(Header::LEN, "PDU header")?;
        Ok(r)
    }

    /// The stub is ciphertext: level 6, and a signature that says so.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.auth.is_some_and(|a| a.level == AuthLevel::Privacy)
    }
}

/// p_syntax_id_t: a UUID and a version whose low half is the major number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Syntax {
    /// UUID.
    pub uuid: Guid,
    /// Major version.
    pub major: u16,
    /// Minor version.
    pub minor: u16,
}

impl Syntax {
    fn read(r: &mut Reader<'_>) -> Result<Self> {
        let uuid = r.guid("p_syntax_id")?;
        let version = r.u32("if_version")?;
        let [m1, m0, j1, j0] = version.to_be_bytes();
        Ok(Self {
            uuid,
            major: u16::from_be_bytes([j1, j0]),
            minor: u16::from_be_bytes([m1, m0]),
        })
    }
}

/// bind and alter_context.
///
/// ```text
/// 16 max_xmit_frag u16  18 max_recv_frag u16  20 assoc_group_id u32  24 n_context_elem u8  25 reserved (3)
/// 28 { p_cont_id u16, n_transfer_syn u8, reserved u8, abstract_syntax (20), transfer_syntax (20) each }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Bind<'a> {
    /// Largest fragment the client sends.
    pub max_xmit: u16,
    /// Largest fragment the client takes.
    pub max_recv: u16,
    /// Association group.
    pub group: u32,
    elements: Reader<'a>,
    count: u8,
}

/// One offered presentation context.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// p_cont_id.
    pub id: u16,
    /// Interface.
    pub interface: Syntax,
    /// NDR64 is the only data syntax offered: what the server must have taken if its answer is not seen.
    pub only_ndr64: bool,
    /// Nothing but feature bits is offered: no interface is bound by this.
    pub features_only: bool,
}

impl<'a> Bind<'a> {
    /// Reads the fixed part.
    ///
    /// # Errors
    /// `Short` if the body ends before.
    pub fn read(pdu: &Pdu<'a>) -> Result<Self> {
        let mut r = pdu.body()?;
        let max_xmit = r.u16("max_xmit_frag")?;
        let max_recv = r.u16("max_recv_frag")?;
        let group = r.u32("assoc_group_id")?;
        let count = r.u8("n_context_elem")?;
        r.skip(3, "reserved")?;
        Ok(Self {
            max_xmit,
            max_recv,
            group,
            elements: r,
            count,
        })
    }

    /// The offered contexts, up to the first that cannot be read.
    pub fn offers(&self) -> impl Iterator<Item = Result<Offer>> + 'a {
        let mut r = self.elements;
        let mut broken = false;
        (0..self.count).map_while(move |_| {
            if broken {
                return None;
            }
            let offer = Self::offer(&mut r);
            broken = offer.is_err();
            Some(offer)
        })
    }

    fn offer(r: &mut Reader<'a>) -> Result<Offer> {
        let id = r.u16("p_cont_id")?;
        let count = r.u8("n_transfer_syn")?;
        r.skip(1, "reserved")?;
        let interface = Syntax::read(r)?;
        let (mut data, mut ndr64, mut features) = (false, false, false);
        for _ in 0..count {
            let transfer = Syntax::read(r)?.uuid;
            if is_feature_negotiation(transfer) {
                features = true;
            } else if transfer == NDR64 {
                ndr64 = true;
            } else {
                data = true;
            }
        }
        Ok(Offer {
            id,
            interface,
            only_ndr64: ndr64 && !data,
            features_only: features && !data && !ndr64,
        })
    }
}

/// bind_ack and alter_context_resp.
///
/// ```text
/// 16 max_xmit_frag u16  18 max_recv_frag u16  20 assoc_group_id u32  24 sec_addr length u16, text with NUL
///    pad to 4 from the PDU's start  n_results u8, reserved (3), { result u16, reason u16, transfer_syntax (20) }
/// ```
/// The i-th result answers the i-th element of the bind.
#[derive(Clone, Copy, Debug)]
pub struct BindAck<'a> {
    /// Secondary address: port, or `\pipe\name`, with its NUL.
    pub sec_addr: &'a [u8],
    results: Reader<'a>,
    count: u8,
}

/// Answer to one offered context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Taken or not.
    pub result: ContextResult,
    /// Why not: 1 unknown interface, 2 no common transfer syntax; feature bits for `NegotiateAck`.
    pub reason: u16,
    /// The transfer syntax taken.
    pub transfer: Syntax,
}

impl<'a> BindAck<'a> {
    /// Reads up to the results.
    ///
    /// # Errors
    /// `Short` if the body ends before.
    pub fn read(pdu: &Pdu<'a>) -> Result<Self> {
        let mut r = pdu.body()?;
        r.skip(8, "fragment sizes and group")?;
        let len = r.u16("sec_addr length")?;
        let sec_addr = r.take(len.into(), "sec_addr")?;
        r.align(4, "sec_addr padding")?;
        let count = r.u8("n_results")?;
        r.skip(3, "reserved")?;
        Ok(Self {
            sec_addr,
            results: r,
            count,
        })
    }

    /// The results, up to the first that cannot be read.
    pub fn answers(&self) -> impl Iterator<Item = Answer> + 'a {
        let mut r = self.results;
        (0..self.count).map_while(move |_| {
            Some(Answer {
                result: ContextResult(r.u16("result").ok()?),
                reason: r.u16("reason").ok()?,
                transfer: Syntax::read(&mut r).ok()?,
            })
        })
    }
}

/// reject_reason of a bind_nak, at 16.
///
/// # Errors
/// `Short` if the body ends before.
pub fn bind_nak_reason(pdu: &Pdu<'_>) -> Result<u16> {
    pdu.body()?.u16("reject_reason")
}

/// What a request says before its stub.
///
/// ```text
/// 16 alloc_hint u32  20 p_cont_id u16  22 opnum u16  [24 object UUID (16), if pfc_flags has 0x80]  stub
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// Presentation context.
    pub context_id: u16,
    /// Operation number.
    pub opnum: u16,
    /// Object UUID.
    pub object: Option<Guid>,
    /// Offset of the stub: 24 or 40.
    pub stub_at: u16,
}

impl RequestHead {
    /// Reads it from the front of a PDU, of which no more need be there.
    ///
    /// # Errors
    /// `Short` if `bytes` ends before the stub.
    pub fn read(header: &Header, bytes: &[u8]) -> Result<Self> {
        let mut r = Reader::new(bytes).with_order(header.big_endian);
        r.skip(Header::LEN, "PDU header")?;
        r.skip(4, "alloc_hint")?;
        let context_id = r.u16("p_cont_id")?;
        let opnum = r.u16("opnum")?;
        let object = if header.flags & flag::OBJECT != 0 {
            Some(r.guid("object UUID")?)
        } else {
            None
        };
        Ok(Self {
            context_id,
            opnum,
            object,
            stub_at: if object.is_some() { 40 } else { 24 },
        })
    }
}

/// The stub of a request or response, without padding and security trailer.
#[must_use]
pub fn stub<'a>(pdu: &Pdu<'a>, stub_at: u16) -> &'a [u8] {
    pdu.bytes
        .get(usize::from(stub_at)..pdu.body_end)
        .unwrap_or_default()
}

/// Offset of the stub in a response.
pub const RESPONSE_STUB_AT: u16 = 24;

/// The status of a fault.
///
/// ```text
/// 16 alloc_hint u32  20 p_cont_id u16  22 cancel_count u8  23 flags u8  24 status u32  28 reserved u32
/// ```
///
/// # Errors
/// `Short` if the body ends before.
pub fn fault_status(pdu: &Pdu<'_>) -> Result<FaultStatus> {
    let mut r = pdu.body()?;
    r.skip(8, "alloc_hint, p_cont_id, cancel_count")?;
    Ok(FaultStatus(r.u32("fault status")?))
}

/// The verification trailer (MS-RPCE 2.2.2.13): what the client believes the call is. The last
/// fragment of a request may carry it behind the stub.
///
/// ```text
///  8a e3 13 71 02 f4 36 71   { command u16, length u16, value } each, 0x4000 marks the last
///  1 bitmask   2 pcontext: interface (20), transfer syntax (20)   3 header2
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerificationTrailer {
    /// Bytes of stub before it, with alignment.
    pub at: usize,
    /// Interface and transfer syntax of the call.
    pub pcontext: Option<(Syntax, Syntax)>,
}

impl VerificationTrailer {
    const SIGNATURE: [u8; 8] = [0x8a, 0xe3, 0x13, 0x71, 0x02, 0xf4, 0x36, 0x71];
    /// Three known commands and as many unknown ones fit well in this.
    const SEARCHED: usize = 256;

    /// Searches the end of a readable stub.
    #[must_use]
    pub fn find(stub: &[u8], big_endian: bool) -> Option<Self> {
        let from = stub.len().saturating_sub(Self::SEARCHED);
        let tail = stub.get(from..)?;
        let at = memchr::memmem::rfind(tail, &Self::SIGNATURE)?;
        let mut r = Reader::new(tail).with_order(big_endian);
        r.skip(at.saturating_add(8), "signature").ok()?;
        Some(Self {
            at: from.saturating_add(at),
            pcontext: Self::pcontext(r).ok().flatten(),
        })
    }

    fn pcontext(mut r: Reader<'_>) -> Result<Option<(Syntax, Syntax)>> {
        loop {
            let command = r.u16("command")?;
            let len = r.u16("length")?;
            let mut value = r.sub(len.into(), "value")?;
            if command & 0x3fff == 2 {
                let interface = Syntax::read(&mut value)?;
                return Ok(Some((interface, Syntax::read(&mut value)?)));
            }
            if command & 0x4000 != 0 {
                return Ok(None);
            }
        }
    }
}
