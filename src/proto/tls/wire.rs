//! Records and hellos (RFC 8446 4 and 5); keeps nothing.
//!
//! ```text
//! record:    0 type u8  1 version u16  3 length u16            big-endian
//! handshake: 0 type u8  1 length u24
//! ```

use crate::wire::{Error, Reader, Result};

/// Bytes of a record's header.
pub(super) const HEADER: usize = 5;

/// Record types.
pub(super) mod content {
    pub(crate) const HANDSHAKE: u8 = 0x16;
}

/// Handshake types.
pub(super) mod handshake {
    pub(crate) const CLIENT_HELLO: u8 = 1;
    pub(crate) const SERVER_HELLO: u8 = 2;
    pub(crate) const CERTIFICATE: u8 = 11;
    pub(crate) const SERVER_HELLO_DONE: u8 = 14;
}

/// Type and length of the record at the front.
pub(super) fn record(bytes: &[u8]) -> Result<(u8, usize)> {
    let mut r = Reader::new(bytes).with_order(true);
    let [kind, major, _] = r.array("TLS record")?;
    let length = usize::from(r.u16("TLS record")?);
    // A record holds 2^14 bytes at most, and 256 more when protected.
    if major != 3 || !(0x14..=0x18).contains(&kind) || length > 0x4100 {
        return Err(Error::Malformed {
            what: "TLS record",
            why: "no such type, version or length",
        });
    }
    Ok((kind, length))
}

/// A handshake message, whole.
pub(super) fn message<'a>(r: &mut Reader<'a>) -> Result<(u8, &'a [u8])> {
    let [kind, high, middle, low] = r.array("TLS handshake")?;
    let length = u32::from_be_bytes([0, high, middle, low]);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    Ok((kind, r.take(length, "TLS handshake")?))
}

/// ClientHello or ServerHello: they differ in the lists.
///
/// ```text
/// version u16  random 32  session_id <0..32>  cipher_suites <2..2^16-2>, or one u16
/// compression_methods <1..2^8-1>, or one u8   extensions <0..2^16-1>
/// ```
#[derive(Clone, Copy, Debug)]
pub(super) struct Hello<'a> {
    pub(super) version: u16,
    /// Suites, two bytes each.
    pub(super) ciphers: &'a [u8],
    extensions: &'a [u8],
}

impl<'a> Hello<'a> {
    pub(super) fn read(body: &'a [u8], client: bool) -> Result<Self> {
        let mut r = Reader::new(body).with_order(true);
        let version = r.u16("TLS version")?;
        r.skip(32, "TLS random")?;
        let n = r.u8("TLS session id")?;
        r.skip(n.into(), "TLS session id")?;
        let n = if client {
            usize::from(r.u16("TLS cipher suites")?)
        } else {
            2
        };
        let ciphers = r.take(n, "TLS cipher suites")?;
        let n = if client { r.u8("TLS compression")? } else { 1 };
        r.skip(n.into(), "TLS compression")?;
        let extensions = if r.is_empty() {
            &[]
        } else {
            let n = r.u16("TLS extensions")?;
            r.take(n.into(), "TLS extensions")?
        };
        Ok(Self {
            version,
            ciphers,
            extensions,
        })
    }

    /// Type and contents of each extension, as far as they are whole.
    pub(super) fn extensions(&self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let mut r = Reader::new(self.extensions).with_order(true);
        std::iter::from_fn(move || {
            let kind = r.u16("extension").ok()?;
            let n = r.u16("extension").ok()?;
            Some((kind, r.take(n.into(), "extension").ok()?))
        })
    }

    pub(super) fn extension(&self, wanted: u16) -> Option<&'a [u8]> {
        self.extensions()
            .find(|(kind, _)| *kind == wanted)
            .map(|(_, contents)| contents)
    }

    /// The host of server_name (RFC 6066 3).
    pub(super) fn server_name(&self) -> Option<&'a [u8]> {
        let mut r = Reader::new(self.extension(0)?).with_order(true);
        r.skip(2, "list").ok()?;
        if r.u8("name type").ok()? != 0 {
            return None;
        }
        let n = r.u16("name").ok()?;
        r.take(n.into(), "name").ok()
    }

    /// Protocols of ALPN (RFC 7301 3.1).
    pub(super) fn alpn(&self) -> impl Iterator<Item = &'a [u8]> {
        let list = self.extension(16).and_then(|b| b.get(2..));
        let mut r = Reader::new(list.unwrap_or_default());
        std::iter::from_fn(move || {
            let n = r.u8("protocol").ok()?;
            r.take(n.into(), "protocol").ok()
        })
    }

    /// The version agreed or the highest offered: supported_versions (RFC 8446 4.2.1) if it is there.
    pub(super) fn best_version(&self) -> u16 {
        let listed = self.extension(43).unwrap_or_default();
        // A list with its length in a client's hello, one version in a server's.
        let listed = match listed {
            [_, _] => listed,
            [_, rest @ ..] => rest,
            [] => return self.version,
        };
        pairs(listed)
            .filter(|v| !is_grease(*v))
            .max()
            .unwrap_or(self.version)
    }
}

/// Big-endian numbers.
pub(super) fn pairs(bytes: &[u8]) -> impl Iterator<Item = u16> {
    bytes
        .as_chunks::<2>()
        .0
        .iter()
        .map(|b| u16::from_be_bytes(*b))
}

/// Values that mean nothing (RFC 8701).
pub(super) fn is_grease(value: u16) -> bool {
    let [high, low] = value.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

/// The first certificate of a Certificate message of TLS 1.2 (RFC 5246 7.4.2): lists of u24 lengths.
pub(super) fn first_certificate(body: &[u8]) -> Result<&[u8]> {
    let mut r = Reader::new(body);
    r.skip(3, "TLS certificates")?;
    let [high, middle, low] = r.array("TLS certificate")?;
    let length = u32::from_be_bytes([0, high, middle, low]);
    r.take(
        usize::try_from(length).unwrap_or(usize::MAX),
        "TLS certificate",
    )
}

/// Suricata's name of a version.
pub(super) fn version_name(version: u16) -> &'static str {
    match version {
        0x0300 => "SSLv3",
        0x0301 => "TLSv1",
        0x0302 => "TLS 1.1",
        0x0303 => "TLS 1.2",
        0x0304 => "TLS 1.3",
        _ => "UNDETERMINED",
    }
}
