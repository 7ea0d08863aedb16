//! Layouts of how an SMB 1 connection begins (MS-CIFS 2.2.4.52, 2.2.4.53, 2.2.4.55; MS-SMB 2.2.4.5 to 2.2.4.7).

use super::wire1::Block;
use crate::proto::ntlmssp::wire::Authenticate;
use crate::wire::{Error, Guid, Reader, Result, Text};

/// Stands for the dialect `NT LM 0.12` among DialectRevisions, which begin at 0x0202 (MS-SMB2 2.2.3).
pub const NT_LM_0_12: u16 = 1;

/// SecurityMode: the server requires signing (MS-CIFS 2.2.4.52.2).
const SIGNING_REQUIRED: u16 = 0x08;
/// High half of Capabilities: CAP_EXTENDED_SECURITY (MS-SMB 2.2.4.5.2.1).
const EXTENDED_SECURITY: u16 = 0x8000;

/// NEGOTIATE response of `NT LM 0.12`.
///
/// ```text
/// words  0 dialect index u16  2 security mode u8  19 capabilities u32  33 challenge length u8
/// bytes  with extended security: server GUID 16, token; without: challenge, domain, server
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Negotiated<'a> {
    /// The server requires signing.
    pub signing_required: bool,
    /// The server's GUID, with extended security.
    pub server_guid: Option<Guid>,
    /// The challenge that every response of the connection answers, without extended security.
    pub challenge: Option<[u8; 8]>,
    /// NetBIOS domain, beside a challenge.
    pub domain: Text<'a>,
    /// NetBIOS name of the server, beside a challenge.
    pub server: Text<'a>,
}

impl<'a> Negotiated<'a> {
    /// Reads an answer; `None` if it chose no dialect that is read (other counts of words).
    ///
    /// # Errors
    /// `Malformed`.
    pub fn read(block: &Block<'a>, unicode: bool) -> Result<Option<Self>> {
        // Seventeen words: NT LM 0.12. The index 0xffff chooses nothing.
        if block.count() != 17 || block.word(0)? == 0xffff {
            return Ok(None);
        }
        let mut found = Self {
            signing_required: block.word(2)? & SIGNING_REQUIRED != 0,
            server_guid: None,
            challenge: None,
            domain: Text::default(),
            server: Text::default(),
        };
        if block.word(21)? & EXTENDED_SECURITY != 0 {
            found.server_guid = Some(Reader::new(block.bytes).guid("SMB1 ServerGUID")?);
        } else if block.word(32)? >> 8 == 8 {
            found.challenge = Some(Reader::new(block.bytes).array("SMB1 challenge")?);
            // Behind it without padding, whatever the alignment (MS-CIFS 2.2.4.52.2).
            let mut names = block.bytes.get(8..).unwrap_or_default();
            // Samba writes UTF-16 whatever the flags of the request said.
            let unicode = unicode || names.get(1) == Some(&0);
            found.domain = string(&mut names, unicode);
            found.server = string(&mut names, unicode);
        }
        Ok(Some(found))
    }
}

/// SESSION_SETUP_ANDX request without extended security (MS-CIFS 2.2.4.53.1): the proof stands in it as it is.
///
/// ```text
/// words  14 LM length u16  16 NT length u16         thirteen words
/// bytes  LM response, NT response, [pad], account, domain, native OS, native LAN manager
/// words  14 LM length u16                           ten words: no NT response, texts in OEM
/// ```
///
/// # Errors
/// `Malformed`.
pub fn plain_proof<'a>(block: &Block<'a>, unicode: bool) -> Result<Option<Authenticate<'a>>> {
    const WHAT: &str = "SMB1 session setup";
    let (lm, nt, unicode) = match block.count() {
        13 => (block.word(14)?, block.word(16)?, unicode),
        10 => (block.word(14)?, 0, false),
        _ => return Ok(None),
    };
    let mut r = Reader::new(block.bytes);
    let lm = take(&mut r, lm, WHAT)?;
    let nt = take(&mut r, nt, WHAT)?;
    let mut texts = block.aligned(r.at(), unicode);
    let user = string(&mut texts, unicode);
    let domain = string(&mut texts, unicode);
    Ok(Some(Authenticate {
        flags: 0,
        domain,
        user,
        workstation: Text::default(),
        lm,
        nt,
        version: None,
        mic: None,
        damaged: false,
    }))
}

fn take<'a>(r: &mut Reader<'a>, length: u16, what: &'static str) -> Result<&'a [u8]> {
    r.take(length.into(), what).map_err(|_| Error::Malformed {
        what,
        why: "a response ends outside",
    })
}

/// The session is a guest's: Action of a SESSION_SETUP_ANDX response (MS-CIFS 2.2.4.53.2), bit 0 of the third word.
#[must_use]
pub fn is_guest(block: &Block<'_>) -> bool {
    block.count() >= 3 && block.word(4).is_ok_and(|action| action & 1 != 0)
}

/// Path of a TREE_CONNECT_ANDX request (MS-CIFS 2.2.4.55.1): words 6 password length; bytes: password, [pad], path.
///
/// # Errors
/// `Malformed`.
pub fn share<'a>(block: &Block<'a>, unicode: bool) -> Result<&'a [u8]> {
    let mut texts = block.aligned(block.word(6)?.into(), unicode);
    Ok(terminated(&mut texts, unicode))
}

/// The text up to its zero.
fn string<'a>(texts: &mut &'a [u8], unicode: bool) -> Text<'a> {
    let text = terminated(texts, unicode);
    if unicode {
        Text::utf16(text)
    } else {
        Text::Bytes(text)
    }
}

/// The bytes up to a zero, which is passed; all of them if there is none.
fn terminated<'a>(texts: &mut &'a [u8], unicode: bool) -> &'a [u8] {
    let width = if unicode { 2 } else { 1 };
    let zero = texts
        .chunks_exact(width)
        .position(|unit| unit.iter().all(|b| *b == 0));
    let end = zero.map_or(texts.len(), |units| units.saturating_mul(width));
    let text = texts.get(..end).unwrap_or_default();
    *texts = texts.get(end.saturating_add(width)..).unwrap_or_default();
    text
}
