//! Whole connections.

use proptest::prelude::*;

use super::*;
use crate::event::Sink;
use crate::net::Direction::{self, ToClient, ToServer};
use crate::packet::Chunk;
use crate::proto::Shared;
use crate::proto::drive::Pipe;
use crate::proto::testing::{Recorder, vector, vectors};

/// Takes the bodies of `TAP` requests, and says what it gets.
#[derive(Debug, Default)]
struct Tapped {
    wants: Wants,
    got: [Vec<u8>; 2],
    said: Vec<String>,
}

impl Tap for Tapped {
    fn wants(&mut self, head: &RequestHead<'_>) -> Wants {
        if head.method == b"TAP" {
            self.wants
        } else {
            Wants::Nothing
        }
    }

    fn body(&mut self, way: Direction, chunk: Chunk<'_>, _: &mut Shared, _: &mut dyn Sink) {
        match chunk {
            Chunk::Data(bytes) => self.got[way.index()].extend_from_slice(bytes),
            Chunk::Gap(n) => self.said.push(format!("{} gap {n}", way.name())),
            Chunk::End => self.said.push(format!("{} end", way.name())),
        }
    }
}

/// One connection under test.
#[derive(Default)]
struct Connection {
    decoder: Decoder<Tapped>,
    pipes: [Pipe; 2],
    shared: Shared,
    out: Recorder,
}

impl Connection {
    fn new(wants: Wants) -> Self {
        let tap = Tapped {
            wants,
            ..Tapped::default()
        };
        Self {
            decoder: Decoder::new(tap),
            ..Self::default()
        }
    }

    fn say(&mut self, way: Direction, bytes: impl AsRef<[u8]>) -> &mut Self {
        let Self {
            decoder,
            pipes,
            shared,
            out,
        } = self;
        pipes[way.index()].data(bytes.as_ref(), |c| decoder.chunk(way, c, shared, out));
        self
    }

    fn lose(&mut self, way: Direction, n: u64) -> &mut Self {
        let Self {
            decoder,
            pipes,
            shared,
            out,
        } = self;
        pipes[way.index()].gap(n, |c| decoder.chunk(way, c, shared, out));
        self
    }

    fn end(&mut self) -> &mut Self {
        for way in [ToServer, ToClient] {
            let Self {
                decoder,
                pipes,
                shared,
                out,
            } = self;
            pipes[way.index()].end(|c| decoder.chunk(way, c, shared, out));
        }
        self
    }

    /// `METHOD uri status` of every transaction.
    fn transactions(&self) -> Vec<String> {
        let field = |line: &str, name: &str| {
            let at = line.find(&format!("{name}: ")).unwrap() + name.len() + 2;
            line[at..]
                .split(',')
                .next()
                .unwrap()
                .trim_matches('"')
                .to_owned()
        };
        self.out
            .0
            .iter()
            .filter(|line| line.contains("HttpTransaction("))
            .map(|line| {
                format!(
                    "{} {} {}",
                    field(line, "method"),
                    field(line, "uri"),
                    field(line, "status")
                )
            })
            .collect()
    }
}

#[test]
fn bodies_are_skipped_by_their_length() {
    let mut c = Connection::new(Wants::Nothing);
    c.say(
        ToServer,
        "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 30\r\n\r\nGET /no HTTP/1.1\r\n\r\n",
    )
    .say(ToServer, "0123456789GET /b HTTP/1.1\r\nHost: h\r\n\r\n")
    .say(
        ToClient,
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
    )
    .lose(ToClient, 1000)
    .say(
        ToClient,
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    )
    .end();
    assert_eq!(c.transactions(), ["POST /a Some(200)", "GET /b Some(304)"]);
    assert_eq!(c.out.count(&["HttpRequest("]), 2);
    assert_eq!(c.out.count(&["Anomaly"]), 0);
}

#[test]
fn responses_without_body_and_until_close() {
    let mut c = Connection::new(Wants::Nothing);
    c.say(
        ToServer,
        "HEAD /a HTTP/1.1\n\nDELETE /b HTTP/1.1\n\nGET /c HTTP/1.0\n\n",
    )
    .say(ToClient, "HTTP/1.1 200 OK\nContent-Length: 99\n\n")
    .say(ToClient, "HTTP/1.1 204 No Content\n\n")
    .say(
        ToClient,
        "HTTP/1.1 200 OK\n\nHTTP/1.1 500 part of the body\n\n",
    )
    .end();
    assert_eq!(
        c.transactions(),
        [
            "HEAD /a Some(200)",
            "DELETE /b Some(204)",
            "GET /c Some(200)"
        ]
    );
}

#[test]
fn tunnels_and_upgrades_end_it() {
    for (request, response, follows) in [
        (
            "CONNECT a:443 HTTP/1.1\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            true,
        ),
        (
            "GET /chat HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
            false,
        ),
    ] {
        let mut c = Connection::new(Wants::Nothing);
        c.say(ToServer, request).say(ToClient, response);
        assert_eq!(c.shared.follows, follows, "{request}");
        assert_eq!(c.pipes[1].done, !follows, "{request}");
        assert_eq!(c.transactions().len(), 1);
    }
    let mut c = Connection::new(Wants::Nothing);
    c.say(ToServer, "CONNECT a:443 HTTP/1.1\r\n\r\n")
        .say(ToClient, "HTTP/1.1 407 Auth\r\nContent-Length: 0\r\n\r\n")
        .say(ToServer, "CONNECT a:443 HTTP/1.1\r\n\r\n");
    assert!(!c.pipes[1].done, "refused");
    assert_eq!(c.out.count(&["HttpRequest("]), 2);
}

#[test]
fn chunked_bodies_reach_the_tap_whole() {
    let mut c = Connection::new(Wants::Both);
    c.say(
        ToServer,
        "TAP /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\nGET /next HTTP/1.1\r\n\r\n",
    )
    .say(ToClient, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwxyz")
    .say(ToClient, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnono")
    .end();
    let tap = &c.decoder.tap_for_test();
    assert_eq!(tap.got, [b"abcde".to_vec(), b"wxyz".to_vec()]);
    assert_eq!(tap.said, ["to_server end", "to_client end"]);
    assert_eq!(
        c.transactions(),
        ["TAP /x Some(200)", "GET /next Some(200)"]
    );
}

#[test]
fn a_refused_response_is_not_tapped() {
    let mut c = Connection::new(Wants::Both);
    c.say(ToServer, "TAP /x HTTP/1.1\r\nContent-Length: 2\r\n\r\nab")
        .say(ToClient, "HTTP/1.1 401 No\r\nContent-Length: 4\r\n\r\nhtml");
    assert_eq!(c.decoder.tap_for_test().got, [b"ab".to_vec(), vec![]]);
}

#[test]
fn a_body_that_was_not_sent_is_not_waited_for() {
    let head = "TAP /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 8\r\n\r\n";
    let mut c = Connection::new(Wants::Request);
    c.say(ToServer, head)
        .say(ToClient, "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
        .say(ToServer, head)
        .say(ToClient, "HTTP/1.1 100 Continue\r\n\r\n")
        .say(ToServer, "\x05\x00\x0b\x03abcd")
        .say(ToServer, "GET /y HTTP/1.1\r\n\r\n");
    assert_eq!(c.out.count(&["HttpRequest("]), 3);
    assert_eq!(c.decoder.tap_for_test().got[0], b"\x05\x00\x0b\x03abcd");
}

#[test]
fn a_tunnel_is_everything_behind_the_heads() {
    let mut c = Connection::new(Wants::Tunnel);
    c.say(ToServer, "TAP /x HTTP/1.1\r\n\r\n")
        .say(ToClient, "HTTP/1.1 200 OK\r\n\r\nserver")
        .say(ToServer, "\x05client")
        .lose(ToClient, 3)
        .end();
    let tap = c.decoder.tap_for_test();
    assert_eq!(tap.got, [b"\x05client".to_vec(), b"server".to_vec()]);
    assert_eq!(
        tap.said,
        ["to_client gap 3", "to_server end", "to_client end"]
    );
}

#[test]
fn conflicting_lengths_stop_the_body_and_the_next_request_is_found() {
    let mut c = Connection::new(Wants::Nothing);
    c.say(
        ToServer,
        "POST /a HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd\r\nGET /b HTTP/1.1\r\n\r\n",
    );
    assert_eq!(c.out.count(&["Anomaly", "differently"]), 1);
    assert_eq!(c.out.count(&["HttpRequest("]), 2);
}

#[test]
fn after_a_gap_in_a_head_the_next_start_line_counts() {
    let mut c = Connection::new(Wants::Nothing);
    c.say(ToServer, "GET /a HTTP/1.1\r\nHos")
        .lose(ToServer, 10)
        .say(ToServer, "-agent: x\r\n\r\nGET /b HTTP/1.1\r\n\r\n")
        .say(ToServer, "GET /c HTTP/1.1\r\n\r\n")
        .say(ToClient, "HTTP/1.1 200 OK\r\n")
        .lose(ToClient, 100)
        .say(ToClient, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
        .end();
    // The response to one of them was lost; the one that is there answers the latest.
    assert_eq!(c.transactions(), ["GET /b None", "GET /c Some(404)"]);
}

#[test]
fn what_was_not_answered_is_told_at_the_end() {
    let mut c = Connection::new(Wants::Nothing);
    for n in 0..crate::limits::HTTP_PENDING + 1 {
        c.say(ToServer, format!("GET /{n} HTTP/1.1\r\n\r\n"));
    }
    assert_eq!(c.transactions(), ["GET /0 None"], "one too many");
    c.say(ToClient, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .say(ToClient, "HTTP/1.1 201 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(c.transactions()[1..], ["  Some(200)", "GET /1 Some(201)"]);
    c.end();
    assert_eq!(c.transactions().len(), crate::limits::HTTP_PENDING + 2);
}

#[test]
fn a_head_that_never_ends_is_given_up() {
    let mut c = Connection::new(Wants::Nothing);
    c.say(ToServer, "GET /a HTTP/1.1\r\n");
    for _ in 0..70 {
        c.say(ToServer, [b'x'; 1024]);
    }
    c.say(ToServer, "\r\nGET /b HTTP/1.1\r\n\r\n");
    assert_eq!(c.out.count(&["Anomaly", "too long"]), 1);
    assert_eq!(c.out.count(&["HttpRequest(", "/b"]), 1);
    assert!(c.pipes[0].kept <= crate::limits::HTTP_HEAD_BYTES);
}

#[test]
fn no_credentials_in_events() {
    let mut c = Connection::new(Wants::Nothing);
    c.say(
        ToServer,
        "GET / HTTP/1.1\r\nAuthorization: Basic QUFBOnNlY3JldA==\r\n\r\n",
    )
    .say(
        ToServer,
        "GET / HTTP/1.1\r\nAuthorization: NTLM TlRMTVNTUAABAAAABoIIAA==\r\n\r\n",
    )
    .end();
    assert_eq!(c.out.count(&["QUFB"]) + c.out.count(&["TlRM"]), 0);
    assert_eq!(c.out.count(&["authorization: true"]), 1);
}

/// The exchange of a relay to AD CS, from the vectors' tokens.
fn ntlm_exchange() -> [(Direction, Vec<u8>); 6] {
    let base64 = |name: &str| data_encoding::BASE64.encode(&vector(name).bytes);
    let request = |token: String| {
        format!("GET /certsrv/ HTTP/1.1\r\nHost: CA.corp\r\nAuthorization: NTLM {token}\r\n\r\n")
            .into_bytes()
    };
    let challenge = base64("ntlmssp_type2");
    [
        (
            ToServer,
            b"GET /certsrv/ HTTP/1.1\r\nHost: CA.corp\r\n\r\n".to_vec(),
        ),
        (
            ToClient,
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\nContent-Length: 5\r\n\r\nlogin"
                .to_vec(),
        ),
        (ToServer, request(base64("ntlmssp_type1_windows_style"))),
        (
            ToClient,
            format!(
                "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM {challenge}, Basic realm=\"x\"\r\nContent-Length: 5\r\n\r\nlogin"
            )
            .into_bytes(),
        ),
        (ToServer, request(base64("ntlmssp_type3_ntlmv2_mic"))),
        (
            ToClient,
            b"HTTP/1.1 200 OK\r\nServer: Microsoft-IIS/10.0\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nok"
                .to_vec(),
        ),
    ]
}

#[test]
fn an_ntlm_exchange_with_its_verdict() {
    let mut c = Connection::new(Wants::Nothing);
    for (way, bytes) in ntlm_exchange() {
        c.say(way, bytes);
    }
    c.end();
    for (what, n) in [
        ("NtlmNegotiate(", 1),
        ("NtlmChallenge(", 1),
        ("NtlmAuthenticate(", 1),
        ("AuthResult(", 1),
        ("Anomaly", 0),
    ] {
        assert_eq!(c.out.count(&[what]), n, "{what}: {:#?}", c.out.0);
    }
    assert_eq!(c.out.count(&["AuthResult(", "success: true", "200"]), 1);
    // The same number on the requests and on the authentication.
    let id = crate::proto::identity(&[b"GET", b"/certsrv/", b"ca.corp"]);
    let text = format!("session_id: {id}");
    assert_eq!(c.out.count(&["NtlmAuthenticate(", &text]), 1);
    assert_eq!(c.out.count(&["HttpRequest(", &text]), 2);
}

/// A forward proxy is asked with the absolute form and asks with the path (RFC 9112 3.2.2): one identity.
#[test]
fn what_a_forward_proxy_passes_on_has_one_identity() {
    let id = |target: &str, host: &str| {
        let mut c = Connection::new(Wants::Nothing);
        c.say(
            ToServer,
            format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: NTLM TlRMTVNTUAABAAAAAAAAAA==\r\n\r\n"),
        );
        let said = c.out.0.iter().find(|e| e.contains("HttpRequest(")).unwrap();
        let (_, id) = said.split_once("session_id: ").unwrap();
        id.chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
    };
    let path = id("/app/one", "web.corp");
    assert_ne!(path, "0");
    assert_eq!(id("http://web.corp/app/one", "web.corp"), path);
    assert_eq!(id("HTTP://WEB.corp/app/one", "web.CORP"), path);
    for (target, host) in [
        ("http://other.corp/app/one", "web.corp"),
        ("http://web.corp.evil/app/one", "web.corp"),
        ("http://web.corp/app/two", "web.corp"),
        ("/app/one", "other.corp"),
    ] {
        assert_ne!(id(target, host), path, "{target} {host}");
    }
}

#[test]
fn a_refused_authentication() {
    let mut c = Connection::new(Wants::Nothing);
    for (way, bytes) in ntlm_exchange().into_iter().take(5) {
        c.say(way, bytes);
    }
    c.say(
        ToClient,
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(c.out.count(&["AuthResult(", "success: false", "401"]), 1);
}

#[test]
fn the_vectors() {
    for v in vectors("http") {
        let mut c = Connection::new(Wants::Nothing);
        c.say(ToServer, &v.bytes);
        let length = v.number("content_length").unwrap_or(1_073_741_824);
        assert_eq!(c.out.count(&["HttpRequest(", "RPC_IN_DATA"]), 1);
        assert_eq!(c.out.count(&["Anomaly"]), 0);
        let want = match v.number("ntlm") {
            Some(1) => "NtlmNegotiate(",
            _ => "NtlmAuthenticate(",
        };
        assert_eq!(c.out.count(&[want]), 1, "{}", v.name);
        let text = String::from_utf8_lossy(&v.bytes);
        assert!(text.contains(&format!("Content-Length: {length}\r\n")));
    }
}

#[test]
fn every_prefix_and_every_cut() {
    let exchange = ntlm_exchange();
    let run = |cut: Option<(usize, usize)>| {
        let mut c = Connection::new(Wants::Nothing);
        for (i, (way, bytes)) in exchange.iter().enumerate() {
            match cut {
                Some((message, at)) if message == i => {
                    let (a, b) = bytes.split_at(at.min(bytes.len()));
                    c.say(*way, a).say(*way, b);
                }
                _ => {
                    c.say(*way, bytes);
                }
            }
        }
        c.end();
        c.out
    };
    let whole = run(None);
    for (i, (_, bytes)) in exchange.iter().enumerate() {
        for at in 0..bytes.len() {
            assert_eq!(run(Some((i, at))), whole, "message {i} cut at {at}");
        }
    }
    for (way, bytes) in &exchange {
        for n in 0..bytes.len() {
            Connection::new(Wants::Both).say(*way, &bytes[..n]).end();
        }
    }
}

/// Requests with every kind of body.
const MIXED: &str = "TAP /1 HTTP/1.1\r\nContent-Length: 12\r\n\r\nGET / HTTP/1\
    TAP /2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nA: b\r\n\r\n\
    \r\nPUT /3 HTTP/1.1\nContent-Length: 1\nContent-Length: 2\n\nzz\nnothing here\nGET /4 HTTP/1.1\n\n\
    POST /5 HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabcGET /6 HTTP/1.1\r\n\r\n";

proptest! {
    #[test]
    fn cuts_do_not_change_events(mut cuts in proptest::collection::vec(0..MIXED.len(), 0..8)) {
        cuts.sort_unstable();
        let run = |cuts: &[usize]| {
            let mut c = Connection::new(Wants::Request);
            let mut from = 0;
            for cut in cuts.iter().copied().chain([MIXED.len()]) {
                c.say(ToServer, &MIXED[from..cut]);
                from = cut;
            }
            c.end();
            (c.out, c.decoder.tap_for_test().got.clone())
        };
        let whole = run(&[]);
        prop_assert_eq!(whole.0.count(&["HttpRequest("]), 6);
        prop_assert_eq!(run(&cuts), whole);
    }

    #[test]
    fn rubbish_does_no_harm(
        flips in proptest::collection::vec((0..MIXED.len(), any::<u8>()), 1..12),
        cut in 0..MIXED.len(),
        gap in 0..100_u64,
        way in any::<bool>(),
    ) {
        let mut bytes = MIXED.as_bytes().to_vec();
        for (at, b) in flips {
            bytes[at] = b;
        }
        let way = if way { ToServer } else { ToClient };
        let mut c = Connection::new(Wants::Both);
        c.say(way, &bytes[..cut]).lose(way, gap).say(way, &bytes[cut..]).end();
    }
}

#[test]
fn winrm_and_proxy_discovery() {
    let encrypted = |by: &str| {
        format!(
            "POST /wsman?PSVersion=5.1 HTTP/1.1\r\nHost: s:5985\r\nContent-Length: 4\r\nContent-Type: \
             multipart/encrypted;protocol=\"application/HTTP-{by}-session-encrypted\";boundary=\"Encrypted Boundary\"\r\n\r\nbody"
        )
    };
    let mut c = Connection::new(Wants::Nothing);
    c.say(ToServer, encrypted("SPNEGO"))
        .say(ToServer, encrypted("Kerberos"))
        .say(ToServer, encrypted("CredSSP"))
        .say(
            ToServer,
            "POST /wsman HTTP/1.1\r\nContent-Type: application/soap+xml\r\nContent-Length: 0\r\n\r\n",
        )
        .say(ToServer, "GET /wsman HTTP/1.1\r\n\r\n")
        .say(ToServer, "GET /wpad.dat HTTP/1.1\r\nHost: wpad\r\n\r\n");
    for protection in ["spnego", "kerberos", "credssp", "none"] {
        let said = ["\"winrm\"", &format!("protection: {protection:?}")];
        assert_eq!(c.out.count(&said), 1, "{:#?}", c.out.0);
    }
    assert_eq!(c.out.count(&["HttpDetail { message: \"wpad\""]), 1);
    assert_eq!(c.out.count(&["HttpDetail("]), 5);
}

/// A forward proxy asks for credentials of its own (RFC 9110 11.7): three legs, then the page; and once more.
#[test]
fn a_proxy_authenticates_twice_on_one_connection() {
    let token = |name: &str| data_encoding::BASE64.encode(&vector(name).bytes);
    let (one, two) = (token("ntlmssp_type1_impacket"), token("ntlmssp_type2"));
    let three = token("ntlmssp_type3_ntlmv2_mic");
    let get = |credentials: &str| {
        format!("GET http://site.test/ HTTP/1.1\r\nHost: site.test\r\n{credentials}\r\n")
    };
    let asks = |token: &str| {
        format!("HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM {token}\r\nContent-Length: 0\r\n\r\n")
    };
    let mut c = Connection::new(Wants::Nothing);
    for (n, verdict) in [(1, "200 Yes"), (2, "407 No")] {
        c.say(
            ToServer,
            get(&format!("Proxy-Authorization: NTLM {one}\r\n")),
        )
        .say(ToClient, asks(&two))
        .say(
            ToServer,
            get(&format!("Proxy-Authorization: NTLM {three}\r\n")),
        )
        .say(
            ToClient,
            format!("HTTP/1.1 {verdict}\r\nContent-Length: 0\r\n\r\n"),
        );
        for message in [
            "NtlmNegotiate(",
            "NtlmChallenge(",
            "NtlmAuthenticate(",
            "AuthResult(",
        ] {
            assert_eq!(c.out.count(&[message]), n, "{message} {:#?}", c.out.0);
        }
    }
    assert_eq!(c.out.count(&["credentials: \"proxy\""]), 4);
    assert_eq!(c.out.count(&["AuthResult(", "success: true, code: 200"]), 1);
    assert_eq!(
        c.out.count(&["AuthResult(", "success: false, code: 407"]),
        1
    );
    // Every proof is told with the challenge of its own exchange.
    assert_eq!(
        c.out
            .count(&["NtlmAuthenticate(", "server_challenge: None"]),
        0
    );
}
