//! Which protocol? The first bytes decide; a port is only a hint where bytes are not enough.
//!
//! Every probe looks at the front of one direction and gives the same answer however much more
//! there is, so that the way a stream is cut does not matter.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

use super::http;
use super::krb5;
use super::ldap;
use super::mail;
use super::rpch::{BANNER, Rts};
use super::tds::{self, Begins as TdsBegins};
use crate::limits::IDENTIFY_BYTES;
use crate::net::{Direction, FlowKey, Side};

/// What a probe says of the bytes at the front of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// It is this protocol, and goes this way if that shows.
    Is(Option<Direction>),
    /// It may be, if this many bytes show it.
    Perhaps(usize),
    /// It is not.
    No,
}

/// Ports that servers of the protocols we read are found on, which earns a flow patience.
const KNOWN_PORTS: &[u16] = &[
    53, 80, 88, 135, 139, 389, 445, 593, 3128, 3268, 5985, 8080, 6001, 6002, 6004, 25, 110, 143,
    587, 1433,
];

/// Ports of LDAP, where a SASL buffer is believed.
const LDAP_PORTS: [u16; 2] = [389, 3268];

/// True if either end is on a port of a protocol we read.
pub(super) fn known_port(key: &FlowKey) -> bool {
    on_port(key, KNOWN_PORTS)
}

/// Who is server by the ports alone: the one on a known port, else the one on the lower port.
pub(super) fn client_by_port(key: &FlowKey) -> Side {
    let known = |port| KNOWN_PORTS.contains(&port);
    match (known(key.a.port), known(key.b.port)) {
        (true, false) => Side::B,
        (false, true) => Side::A,
        _ if key.a.port < key.b.port => Side::B,
        _ => Side::A,
    }
}

fn on_port(key: &FlowKey, ports: &[u16]) -> bool {
    ports.contains(&key.a.port) || ports.contains(&key.b.port)
}

/// SMB over TCP or NetBIOS (MS-SMB2 2.1, RFC 1002 4.3.1): `00`, a length of three bytes, and one
/// of `fe` SMB 2, `ff` SMB 1, `fd` encrypted, `fc` compressed, before `SMB`; or a session request.
pub(super) fn smb(bytes: &[u8], _: &FlowKey) -> Probe {
    /// NBSS and the part of an SMB header up to its flags.
    const NEED: usize = 24;
    let session = [0x81, 0, 0, 0x44, 0x20];
    if prefix(bytes, &session) {
        return if bytes.len() < session.len() {
            Probe::Perhaps(session.len())
        } else {
            Probe::Is(Some(Direction::ToServer))
        };
    }
    let way = |reply: bool| {
        Probe::Is(Some(if reply {
            Direction::ToClient
        } else {
            Direction::ToServer
        }))
    };
    match bytes {
        [] | [0] | [0, _] | [0, _, _] | [0, _, _, _] => Probe::Perhaps(NEED),
        [0, _, _, _, kind @ 0xfc..=0xff, name @ ..] if prefix(name, b"SMB") => {
            match (kind, bytes.get(13), bytes.get(20)) {
                _ if name.len() < 3 => Probe::Perhaps(NEED),
                (0xfc | 0xfd, ..) => Probe::Is(None),
                // SMB_FLAGS_REPLY (MS-CIFS 2.2.3.1), SMB2_FLAGS_SERVER_TO_REDIR (MS-SMB2 2.2.1.2).
                (0xff, Some(flags), _) => way(flags & 0x80 != 0),
                (0xfe, _, Some(flags)) => way(flags & 1 != 0),
                _ => Probe::Perhaps(NEED),
            }
        }
        _ => Probe::No,
    }
}

/// Connection-oriented DCE/RPC (C706 12.6.3.1, MS-RPCE 2.2.2), or the banner of `ncacn_http`.
pub(super) fn rpc(bytes: &[u8], _: &FlowKey) -> Probe {
    const NEED: usize = 16;
    if prefix(bytes, BANNER) && !bytes.is_empty() {
        return if bytes.len() < BANNER.len() {
            Probe::Perhaps(BANNER.len())
        } else {
            Probe::Is(Some(Direction::ToClient))
        };
    }
    let checks: [fn(u8) -> bool; 8] = [
        |version| version == 5,
        |minor| minor <= 1,
        |ptype| matches!(ptype, 0 | 2 | 3 | 11..=20),
        |_flags| true,
        |drep| matches!(drep, 0x00 | 0x01 | 0x10 | 0x11),
        |float| float <= 3,
        |reserved| reserved == 0,
        |reserved| reserved == 0,
    ];
    if !checks.iter().zip(bytes).all(|(check, b)| check(*b)) {
        return Probe::No;
    }
    let [
        _,
        _,
        ptype,
        _,
        drep,
        _,
        _,
        _,
        f0,
        f1,
        a0,
        a1,
        _,
        _,
        _,
        _,
        ..,
    ] = bytes
    else {
        return Probe::Perhaps(NEED);
    };
    let (frag, auth) = if drep >> 4 == 1 {
        (
            u16::from_le_bytes([*f0, *f1]),
            u16::from_le_bytes([*a0, *a1]),
        )
    } else {
        (
            u16::from_be_bytes([*f0, *f1]),
            u16::from_be_bytes([*a0, *a1]),
        )
    };
    // 16 bytes of header, and 8 before an auth_value.
    let room = auth == 0 || u32::from(auth).saturating_add(24) <= u32::from(frag);
    if frag < 16 || !room {
        return Probe::No;
    }
    match ptype {
        0 | 11 | 14 | 16 | 18 | 19 => Probe::Is(Some(Direction::ToServer)),
        2 | 3 | 12 | 13 | 15 | 17 => Probe::Is(Some(Direction::ToClient)),
        _ => match bytes.get(..usize::from(frag)) {
            Some(pdu) => Probe::Is(Rts::read(pdu).ok().and_then(|rts| rts.direction())),
            // The largest RTS PDU but one with padding has 140 bytes.
            None if frag <= 140 => Probe::Perhaps(frag.into()),
            None => Probe::No,
        },
    }
}

/// HTTP/1: `method SP target SP HTTP/1.`, any method; or a status line.
pub(super) fn http(bytes: &[u8], _: &FlowKey) -> Probe {
    match http::begins(bytes) {
        http::Begins::Request => Probe::Is(Some(Direction::ToServer)),
        http::Begins::Response => Probe::Is(Some(Direction::ToClient)),
        http::Begins::Perhaps => Probe::Perhaps(bytes.len().saturating_add(1)),
        http::Begins::Nothing => Probe::No,
    }
}

/// HTTP/2: the client's preface (RFC 9113 3.4).
pub(super) fn http2(bytes: &[u8], _: &FlowKey) -> Probe {
    if !prefix(bytes, http::PREFACE) {
        Probe::No
    } else if bytes.len() < http::PREFACE.len() {
        Probe::Perhaps(http::PREFACE.len())
    } else {
        Probe::Is(Some(Direction::ToServer))
    }
}

/// LDAP: a message whose lengths fit each other; on its ports, a SASL buffer.
pub(super) fn ldap(bytes: &[u8], key: &FlowKey) -> Probe {
    let probe = |begins| match begins {
        ldap::Begins::Message(way) => Probe::Is(Some(way)),
        ldap::Begins::Buffer => Probe::Is(None),
        ldap::Begins::Perhaps(need) => Probe::Perhaps(need),
        ldap::Begins::Nothing => Probe::No,
    };
    match probe(ldap::begins(bytes)) {
        Probe::No if on_port(key, &LDAP_PORTS) => probe(ldap::begins_sasl(bytes)),
        other => other,
    }
}

/// Kerberos over TCP (RFC 4120 7.2.2): a length, and a message of a KDC that fills it.
pub(super) fn krb5(bytes: &[u8], _: &FlowKey) -> Probe {
    match krb5::begins(bytes) {
        krb5::Begins::Message(way) => Probe::Is(Some(way)),
        krb5::Begins::Perhaps(need) => Probe::Perhaps(need),
        krb5::Begins::Nothing => Probe::No,
    }
}

/// TDS: a packet of a logon (MS-TDS 2.2.3.1).
pub(super) fn tds(bytes: &[u8], _: &FlowKey) -> Probe {
    match tds::begins(bytes) {
        TdsBegins::Packet(way) => Probe::Is(Some(way)),
        TdsBegins::Perhaps(need) => Probe::Perhaps(need),
        TdsBegins::Nothing => Probe::No,
    }
}

/// SMTP: a greeting that names it, or a client's first command.
pub(super) fn smtp(bytes: &[u8], _: &FlowKey) -> Probe {
    mail(mail::Kind::Smtp, bytes)
}

/// IMAP: a greeting.
pub(super) fn imap(bytes: &[u8], _: &FlowKey) -> Probe {
    mail(mail::Kind::Imap, bytes)
}

/// POP3: a greeting.
pub(super) fn pop3(bytes: &[u8], _: &FlowKey) -> Probe {
    mail(mail::Kind::Pop3, bytes)
}

fn mail(kind: mail::Kind, bytes: &[u8]) -> Probe {
    match mail::begins(kind, bytes) {
        Some(Some(way)) => Probe::Is(Some(way)),
        Some(None) => Probe::No,
        None => Probe::Perhaps(bytes.len().saturating_add(1)),
    }
}

/// TLS (RFC 8446 5.1): a record that can begin a flow, or application data in its middle.
pub(super) fn tls(bytes: &[u8], _: &FlowKey) -> Probe {
    let [kind, 3, minor, a, b, first, ..] = bytes else {
        return match bytes {
            [] | [0x14..=0x17] | [0x14..=0x17, 3] | [0x14..=0x17, 3, 0..=4, ..] => {
                Probe::Perhaps(6)
            }
            _ => Probe::No,
        };
    };
    // A record holds 2^14 bytes at most, and 256 more when protected.
    let length = u16::from_be_bytes([*a, *b]);
    if *minor > 4 || length == 0 || length > 0x4100 {
        return Probe::No;
    }
    match (kind, first) {
        (0x16, 1) => Probe::Is(Some(Direction::ToServer)),
        (0x16, 2) => Probe::Is(Some(Direction::ToClient)),
        (0x14..=0x17, _) => Probe::Is(None),
        _ => Probe::No,
    }
}

/// Bytes that a probe may ask for.
pub(super) const MOST: usize = if IDENTIFY_BYTES > 140 {
    IDENTIFY_BYTES
} else {
    140
};

/// True if one is a prefix of the other.
fn prefix(bytes: &[u8], want: &[u8]) -> bool {
    bytes.iter().zip(want).all(|(a, b)| a == b)
}
