//! Lines of the three protocols; keeps nothing.

use memchr::memchr;

use crate::event::Carrier;
use crate::net::Direction;

/// Which protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// SMTP.
    Smtp,
    /// IMAP.
    Imap,
    /// POP3.
    Pop3,
}

impl Kind {
    pub(super) fn carrier(self) -> Carrier {
        match self {
            Self::Smtp => Carrier::Smtp,
            Self::Imap => Carrier::Imap,
            Self::Pop3 => Carrier::Pop3,
        }
    }
}

/// The first line without its end, and the bytes it takes with it.
pub(super) fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let lf = memchr(b'\n', bytes)?;
    let text = bytes.get(..lf)?;
    Some((
        text.strip_suffix(b"\r").unwrap_or(text),
        lf.saturating_add(1),
    ))
}

/// Words of a line.
pub(super) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace)
        .filter(|w| !w.is_empty())
}

/// What a client's line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    /// A mechanism whose tokens are read, with the first token if it is there.
    Auth(&'a [u8]),
    /// TLS.
    StartTls,
    /// Something that belongs to the logon, or may come before it.
    Before,
    /// Something that comes after it.
    After,
}

/// Reads a client's line that is no token.
pub(super) fn command(kind: Kind, line: &[u8]) -> Command<'_> {
    let mut words = words(line);
    if kind == Kind::Imap {
        words.next(); // tag
    }
    let verb = words.next().unwrap_or_default();
    let is = |all: &[&str]| {
        all.iter()
            .any(|word| verb.eq_ignore_ascii_case(word.as_bytes()))
    };
    let (auth, before): (&[&str], &[&str]) = match kind {
        Kind::Smtp => (
            &["AUTH"],
            &[
                "EHLO", "HELO", "NOOP", "RSET", "HELP", "QUIT", "XCLIENT", "",
            ],
        ),
        Kind::Imap => (
            &["AUTHENTICATE"],
            &["CAPABILITY", "NOOP", "ID", "LOGIN", "LOGOUT", "ENABLE", ""],
        ),
        Kind::Pop3 => (
            &["AUTH"],
            &[
                "CAPA", "USER", "PASS", "APOP", "UTF8", "LANG", "NOOP", "QUIT", "",
            ],
        ),
    };
    if is(auth) {
        let mechanism = words.next().unwrap_or_default();
        let known = ["NTLM", "GSSAPI", "GSS-SPNEGO"]
            .iter()
            .any(|m| mechanism.eq_ignore_ascii_case(m.as_bytes()));
        if known {
            return Command::Auth(words.next().unwrap_or_default());
        }
        return Command::Before;
    }
    if is(&["STARTTLS", "STLS"]) {
        Command::StartTls
    } else if is(before) {
        Command::Before
    } else {
        Command::After
    }
}

/// What a server's line says while something waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply<'a> {
    /// Go on, with a token.
    Continue(&'a [u8]),
    /// The end, with a code.
    Final { success: bool, code: u32 },
    /// Neither.
    Other,
}

/// Reads a server's line.
pub(super) fn reply(kind: Kind, line: &[u8]) -> Reply<'_> {
    let ended = |success| Reply::Final {
        success,
        code: u32::from(!success),
    };
    match kind {
        Kind::Smtp => {
            let Some((code, rest)) = line.split_first_chunk::<3>() else {
                return Reply::Other;
            };
            let Some(code) = std::str::from_utf8(code).ok().and_then(|c| c.parse().ok()) else {
                return Reply::Other;
            };
            match (code, rest.first()) {
                (334, _) => Reply::Continue(rest.trim_ascii()),
                (_, Some(b'-')) => Reply::Other,
                (200..600, _) => Reply::Final {
                    success: code < 300,
                    code,
                },
                _ => Reply::Other,
            }
        }
        Kind::Pop3 | Kind::Imap => match line {
            [b'+'] => Reply::Continue(&[]),
            [b'+', b' ', token @ ..] => Reply::Continue(token.trim_ascii()),
            [b'+', b'O', b'K', ..] if kind == Kind::Pop3 => ended(true),
            [b'-', b'E', b'R', b'R', ..] if kind == Kind::Pop3 => ended(false),
            [b'*', ..] => Reply::Other,
            _ if kind == Kind::Imap => match words(line).nth(1) {
                Some(b"OK") => ended(true),
                Some(b"NO" | b"BAD") => ended(false),
                _ => Reply::Other,
            },
            _ => Reply::Other,
        },
    }
}

/// Bytes that tell a greeting or a first command.
const GREETING: usize = 48;

/// Which protocol begins like this, and who speaks. `None` while it may be any.
pub(crate) fn begins(kind: Kind, bytes: &[u8]) -> Option<Option<Direction>> {
    let bytes = bytes.get(..GREETING).unwrap_or(bytes);
    let starts = |what: &[u8]| -> Option<bool> {
        let same = bytes
            .iter()
            .zip(what)
            .all(|(a, b)| a.eq_ignore_ascii_case(b));
        match (same, bytes.len() >= what.len()) {
            (false, _) => Some(false),
            (true, true) => Some(true),
            (true, false) => None,
        }
    };
    let (client, server): (&[&[u8]], &[&[u8]]) = match kind {
        Kind::Smtp => (&[b"EHLO ", b"HELO "], &[]),
        Kind::Imap => (&[], &[b"* OK ", b"* PREAUTH "]),
        Kind::Pop3 => (&[], &[b"+OK "]),
    };
    let mut perhaps = false;
    for (all, way) in [(client, Direction::ToServer), (server, Direction::ToClient)] {
        for what in all {
            match starts(what) {
                Some(true) => return Some(Some(way)),
                None => perhaps = true,
                Some(false) => {}
            }
        }
    }
    // FTP greets with 220 as well; SMTP names itself.
    if kind == Kind::Smtp && starts(b"220") != Some(false) {
        let named = bytes.windows(4).any(|w| w.eq_ignore_ascii_case(b"SMTP"));
        if named {
            return Some(Some(Direction::ToClient));
        }
        perhaps |= bytes.len() < GREETING && memchr(b'\n', bytes).is_none();
    }
    if perhaps { None } else { Some(None) }
}
