//! Layout of HTTP/1 messages (RFC 9112); keeps nothing.
//!
//! Liberal on purpose: a bare LF ends a line, field names are compared without case, a line that
//! is no field is passed over, a folded line belongs to the field above it. What a server or a
//! client accepts, a sensor has to read.

use memchr::memchr;

use crate::limits::IDENTIFY_BYTES;

/// Where the head ends that begins at the front: the byte after its empty line.
/// `from` bytes were searched before in vain.
pub(super) fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from.saturating_sub(2);
    loop {
        let rest = bytes.get(at..)?;
        let lf = at.saturating_add(memchr(b'\n', rest)?);
        let next = lf.saturating_add(1);
        match bytes.get(next..)? {
            [b'\n', ..] => return Some(next.saturating_add(1)),
            [b'\r', b'\n', ..] => return Some(next.saturating_add(2)),
            _ => at = next,
        }
    }
}

/// The first line without its end, and the bytes it takes with it.
pub(super) fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let lf = memchr(b'\n', bytes)?;
    let text = bytes.get(..lf).unwrap_or_default();
    Some((
        text.strip_suffix(b"\r").unwrap_or(text),
        lf.saturating_add(1),
    ))
}

/// Bytes of empty lines at the front, which may precede a request (RFC 9112 2.2).
pub(super) fn empty_lines(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take_while(|b| matches!(b, b'\r' | b'\n'))
        .count()
}

/// A character of a token (RFC 9110 5.6.2).
fn is_tchar(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// `method SP request-target SP HTTP-version` (RFC 9112 3).
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestLine<'a> {
    pub(super) method: &'a [u8],
    pub(super) target: &'a [u8],
    /// The digit after `HTTP/1.`.
    pub(super) minor: u8,
}

impl<'a> RequestLine<'a> {
    pub(super) fn read(line: &'a [u8]) -> Option<Self> {
        let (method, rest) = split_space(line)?;
        if method.is_empty() || method.len() > METHOD_BYTES || !method.iter().all(|b| is_tchar(*b))
        {
            return None;
        }
        let version = rest.iter().rposition(|b| *b == b' ')?;
        let (target, version) = rest.split_at_checked(version)?;
        let [minor] = version.strip_prefix(b" HTTP/1.")? else {
            return None;
        };
        Some(Self {
            method,
            target: target.trim_ascii(),
            minor: *minor,
        })
        .filter(|line| !line.target.iter().any(is_wrong))
    }
}

/// Bytes that no server takes in a request line. DEL is not among them: some do.
fn is_wrong(byte: &u8) -> bool {
    *byte < b' ' && !matches!(*byte, b'\t' | b'\r')
}

/// `HTTP-version SP status-code SP [reason-phrase]` (RFC 9112 4).
#[derive(Clone, Copy, Debug)]
pub(super) struct StatusLine {
    pub(super) status: u16,
    /// The digit after `HTTP/1.`.
    pub(super) minor: u8,
}

impl StatusLine {
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        let [minor, b' ', code @ ..] = line.strip_prefix(b"HTTP/1.")? else {
            return None;
        };
        let (code, after) = code.split_first_chunk::<3>()?;
        if !matches!(after.first(), None | Some(b' ' | b'\r')) {
            return None;
        }
        let status = std::str::from_utf8(code).ok()?.parse::<u16>().ok()?;
        (100..=999).contains(&status).then_some(Self {
            status,
            minor: *minor,
        })
    }
}

/// Longest method that is taken for one, bytes. The longest in use is `SUBSCRIPTIONS`.
const METHOD_BYTES: usize = 32;

/// Whether bytes begin an HTTP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begins {
    /// A request line.
    Request,
    /// A status line.
    Response,
    /// One of these, if more follows.
    Perhaps,
    /// No.
    Nothing,
}

/// Whether bytes begin an HTTP/1 message. Looks at [`IDENTIFY_BYTES`] at most, so that the answer
/// never depends on how much more there is.
pub(crate) fn begins(bytes: &[u8]) -> Begins {
    let bytes = bytes.get(..IDENTIFY_BYTES).unwrap_or(bytes);
    let version = b"HTTP/1.";
    let same = version.iter().zip(bytes).all(|(a, b)| a == b);
    if same {
        return match line(bytes) {
            Some((line, _)) if StatusLine::read(line).is_some() => Begins::Response,
            Some(_) => Begins::Nothing,
            None if bytes.len() < version.len().saturating_add(6) => Begins::Perhaps,
            None if StatusLine::read(bytes).is_some() => Begins::Response,
            None => Begins::Nothing,
        };
    }
    if let Some((line, _)) = line(bytes) {
        return match RequestLine::read(line) {
            Some(_) => Begins::Request,
            None => Begins::Nothing,
        };
    }
    let method = bytes.iter().take_while(|b| is_tchar(**b)).count();
    if method > METHOD_BYTES || (method == 0 && !bytes.is_empty()) {
        return Begins::Nothing;
    }
    let target = match bytes.get(method..) {
        None | Some([]) => return Begins::Perhaps,
        Some([b' ', target @ ..]) => target,
        Some(_) => return Begins::Nothing,
    };
    if target.iter().any(is_wrong) {
        return Begins::Nothing;
    }
    if bytes.len() < IDENTIFY_BYTES {
        return Begins::Perhaps;
    }
    // A long target: its beginning has to be one of the four forms (RFC 9112 3.2). Spaces before and
    // in it are let through, as they are in a short one: what a server tolerates hides nothing here.
    let target = target.trim_ascii_start();
    let form = target.starts_with(b"/")
        || target.starts_with(b"*")
        || target
            .get(..4)
            .is_some_and(|s| s.eq_ignore_ascii_case(b"http"))
        || bytes.starts_with(b"CONNECT ");
    if form {
        Begins::Request
    } else {
        Begins::Nothing
    }
}

/// The fields of a head, start line left out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The start line and the fields of a whole head.
    pub(super) fn of(head: &'a [u8]) -> (&'a [u8], Self) {
        match line(head) {
            Some((first, n)) => (
                first,
                Self {
                    rest: head.get(n..).unwrap_or_default(),
                },
            ),
            None => (head, Self { rest: &[] }),
        }
    }

    /// The value of the first field of that name.
    pub(super) fn get(self, name: &[u8]) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// The values of all fields of that name.
    pub(super) fn all(self, name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
        self.filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

impl<'a> Iterator for Fields<'a> {
    /// Name and value, blanks around both taken off. A folded value keeps its line ends.
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (_, mut end) = line(self.rest)?;
            // obs-fold (RFC 9112 5.2): the field goes on while lines begin with a blank.
            while let Some(tail @ [b' ' | b'\t', ..]) = self.rest.get(end..) {
                end = end.saturating_add(line(tail).map_or(tail.len(), |(_, n)| n));
            }
            let (field, rest) = self.rest.split_at_checked(end)?;
            self.rest = rest;
            if let Some(colon) = memchr(b':', field) {
                let (name, value) = field.split_at_checked(colon)?;
                let value = value.strip_prefix(b":").unwrap_or_default();
                return Some((name.trim_ascii(), value.trim_ascii()));
            }
        }
    }
}

fn split_space(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr(b' ', bytes)?;
    Some((bytes.get(..at)?, bytes.get(at.saturating_add(1)..)?))
}

/// How long a body is (RFC 9112 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// This many bytes.
    Length(u64),
    /// Chunked transfer coding.
    Chunked,
    /// Until the connection closes.
    UntilClose,
    /// It cannot be known; the reason.
    Unknown(&'static str),
}

impl Framing {
    /// As the fields say; `without` is what no field means.
    pub(super) fn of(fields: Fields<'_>, without: Self) -> Self {
        let mut length: Option<u64> = None;
        let mut coding: Option<&[u8]> = None;
        for (name, value) in fields {
            if name.eq_ignore_ascii_case(b"Content-Length") {
                for one in value.split(|b| *b == b',') {
                    let Some(n) = decimal(one.trim_ascii()) else {
                        return Self::Unknown("Content-Length is no number");
                    };
                    if length.is_some_and(|before| before != n) {
                        return Self::Unknown("Content-Length given twice, differently");
                    }
                    length = Some(n);
                }
            } else if name.eq_ignore_ascii_case(b"Transfer-Encoding") {
                coding = value.rsplit(|b| *b == b',').next();
            }
        }
        match (coding, length) {
            (Some(c), None) if c.trim_ascii().eq_ignore_ascii_case(b"chunked") => Self::Chunked,
            (Some(c), _) if c.trim_ascii().eq_ignore_ascii_case(b"identity") => {
                length.map_or(without, Self::Length)
            }
            // One end may believe the one, the other end the other (RFC 9112 11.2).
            (Some(_), Some(_)) => Self::Unknown("Transfer-Encoding beside Content-Length"),
            (Some(_), None) if without == Self::UntilClose => without,
            (Some(_), None) => Self::Unknown("last transfer coding is not chunked"),
            (None, Some(n)) => Self::Length(n),
            (None, None) => without,
        }
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |n, b| {
        let digit = char::from(*b).to_digit(10)?;
        n.checked_mul(10)?.checked_add(digit.into())
    })
}

/// `chunk-size [chunk-ext]` (RFC 9112 7.1).
pub(super) fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|b| *b == b';').next()?.trim_ascii();
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |n, b| {
        let digit = char::from(*b).to_digit(16)?;
        n.checked_mul(16)?.checked_add(digit.into())
    })
}

/// The token68 of every `NTLM`, `Negotiate` and `Kerberos` (WinRM) in a field that holds
/// credentials or challenges (RFC 9110 11.6, RFC 4559), Base64 as it stands. Other schemes are not looked at.
pub(super) fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    value
        .split(move |b| {
            if *b == b'"' {
                quoted = !quoted;
            }
            *b == b',' && !quoted
        })
        .filter_map(|part| {
            let part = part.trim_ascii();
            let blank = part.iter().position(u8::is_ascii_whitespace)?;
            let (scheme, token) = part.split_at_checked(blank)?;
            let token = token.trim_ascii();
            let schemes: [&[u8]; 3] = [b"NTLM", b"Negotiate", b"Kerberos"];
            let ours = schemes.iter().any(|s| scheme.eq_ignore_ascii_case(s));
            (ours && !token.is_empty()).then_some(token)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_end_at_an_empty_line_however_it_is_written() {
        for (head, end) in [
            (&b"GET / HTTP/1.1\r\nA: b\r\n\r\nbody"[..], Some(24)),
            (b"GET / HTTP/1.1\nA: b\n\nbody", Some(21)),
            (b"GET / HTTP/1.1\r\nA: b\n\r\nbody", Some(23)),
            (b"GET / HTTP/1.1\r\n\r\n", Some(18)),
            (b"GET / HTTP/1.1\r\nA: b\r\n\r", None),
        ] {
            assert_eq!(head_end(head, 0), end);
            for cut in 0..end.unwrap_or(head.len()) {
                assert_eq!(head_end(&head[..cut], 0), None);
                assert_eq!(head_end(head, cut), end, "searched {cut} before");
            }
        }
    }

    #[test]
    fn start_lines() {
        let r = RequestLine::read(b"RPC_IN_DATA /rpc/rpcproxy.dll?A:593 HTTP/1.1").unwrap();
        assert_eq!(
            (r.method, r.target, r.minor),
            (&b"RPC_IN_DATA"[..], &b"/rpc/rpcproxy.dll?A:593"[..], b'1')
        );
        let spaces = RequestLine::read(b"GET /a b HTTP/1.0").unwrap();
        assert_eq!(spaces.target, b"/a b");
        for bad in ["GET /", "GET / HTTP/2.0", " / HTTP/1.1", "G(T / HTTP/1.1"] {
            assert!(RequestLine::read(bad.as_bytes()).is_none(), "{bad}");
        }
        assert_eq!(StatusLine::read(b"HTTP/1.1 401").unwrap().status, 401);
        assert!(StatusLine::read(b"HTTP/1.1 4011 x").is_none());
        assert!(StatusLine::read(b"HTTP/1.1 abc").is_none());
    }

    #[test]
    fn fields_fold_repeat_and_survive_rubbish() {
        let (_, fields) = Fields::of(
            b"GET / HTTP/1.1\r\nno colon\r\nA: 1\r\n 2\r\nb :3\na: \xff4\r\nLast: x\r\n\r\n",
        );
        let all: Vec<_> = fields.collect();
        assert_eq!(
            all,
            [
                (&b"A"[..], &b"1\r\n 2"[..]),
                (b"b", b"3"),
                (b"a", b"\xff4"),
                (b"Last", b"x")
            ]
        );
        assert_eq!(fields.all(b"a").count(), 2);
    }

    #[test]
    fn lengths() {
        let of = |fields: &str, without| {
            let head = format!("X\r\n{fields}\r\n");
            Framing::of(Fields::of(head.as_bytes()).1, without)
        };
        let none = Framing::Length(0);
        assert_eq!(of("Content-Length: 5\r\n", none), Framing::Length(5));
        assert_eq!(of("Content-Length: 5, 5\r\n", none), Framing::Length(5));
        assert_eq!(
            of("Transfer-Encoding: gzip, Chunked\r\n", none),
            Framing::Chunked
        );
        assert_eq!(of("", Framing::UntilClose), Framing::UntilClose);
        for bad in [
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Content-Length:\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip\r\n",
        ] {
            assert!(matches!(of(bad, none), Framing::Unknown(_)), "{bad}");
        }
        assert_eq!(chunk_size(b"1aF ;name=\"x\""), Some(0x1af));
        assert_eq!(chunk_size(b"ffffffffffffffff0"), None);
        assert_eq!(chunk_size(b""), None);
    }

    #[test]
    fn tokens_among_other_challenges() {
        let value = br#"Negotiate oYH=, NTLM TlRM, Basic realm="a, NTLM zz", Digest x=y"#;
        let got: Vec<_> = tokens(value).collect();
        assert_eq!(got, [&b"oYH="[..], b"TlRM"]);
        assert_eq!(tokens(b"NTLM").count(), 0);
        assert_eq!(tokens(b"Basic TlRM").count(), 0);
        assert_eq!(tokens(b"Kerberos YII=").next(), Some(&b"YII="[..]));
        assert_eq!(tokens(b"ntlm\tAAAA").next(), Some(&b"AAAA"[..]));
    }

    #[test]
    fn the_beginning_tells_however_much_is_there() {
        let spaced = format!("GET  /certsrv/{} x HTTP/1.1\r\n\r\n", "x".repeat(90));
        let long = format!("CCM_POST /{} HTTP/1.1\r\n\r\n", "x".repeat(300));
        for (bytes, want) in [
            (&b"PROPFIND /a HTTP/1.1\r\n"[..], Begins::Request),
            (
                b"RPC_OUT_DATA /rpc/rpcproxy.dll HTTP/1.1\r\n",
                Begins::Request,
            ),
            (b"GET / HTTP/1.0\nx", Begins::Request),
            (long.as_bytes(), Begins::Request),
            // Unusual targets of any length: a cut must not hide them.
            (b"GET /a\x7f\xffb HTTP/1.1\r\n", Begins::Request),
            (b"GET  /a b HTTP/1.1\r\n", Begins::Request),
            (spaced.as_bytes(), Begins::Request),
            (b"GET /a\0b HTTP/1.1\r\n", Begins::Nothing),
            (b"HTTP/1.1 401 Unauthorized\r\n", Begins::Response),
            (b"HTTP/1.0 200\r\n", Begins::Response),
            (b"HTTP/2 200\r\n", Begins::Nothing),
            (b"220 mail ready\r\n", Begins::Nothing),
            (b"\x16\x03\x01\x02\x00", Begins::Nothing),
            (b"EHLO there\r\n", Begins::Nothing),
            (b"PRI * HTTP/2.0\r\n\r\n", Begins::Nothing),
        ] {
            assert_eq!(begins(bytes), want, "{bytes:?}");
            for cut in 0..bytes.len() {
                let got = begins(&bytes[..cut]);
                assert!(
                    got == want || got == Begins::Perhaps,
                    "{:?}: {got:?}",
                    &bytes[..cut]
                );
            }
        }
    }
}
