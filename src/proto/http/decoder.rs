//! One connection: heads and bodies of both directions, requests and their responses.

use super::auth::Auth;
use super::body::{At, FOREVER, HEAD, Half, Step};
use super::detail;
use super::pending::{Credentials, Pending, Queue};
use super::tap::{RequestHead, Tap, Wants};
use super::wire::{
    Begins, Fields, Framing, RequestLine, StatusLine, begins, empty_lines, head_end, line,
};
use crate::event::{Anomaly, Event, HttpRequest, HttpTransaction, Sink};
use crate::limits::HTTP_HEAD_BYTES;
use crate::net::Direction;
use crate::packet::{Chunk, Progress};
use crate::proto::Shared;

/// One HTTP/1 connection, whose bodies `T` may take.
#[derive(Debug, Default)]
pub struct Decoder<T = ()> {
    pub(super) tap: T,
    to_server: Half,
    to_client: Half,
    queue: Queue,
    auth: Auth,
    next_tx: u64,
}

impl<T: Tap> Decoder<T> {
    /// A connection whose bodies are offered to `tap`.
    pub fn new(tap: T) -> Self {
        Self {
            tap,
            to_server: Half::default(),
            to_client: Half::default(),
            queue: Queue::default(),
            auth: Auth::default(),
            next_tx: 0,
        }
    }

    /// Bytes of heap it holds now, itself apart.
    pub fn held(&self) -> usize {
        self.tap
            .held()
            .saturating_add(self.queue.held())
            .saturating_add(self.auth.held())
    }

    /// Takes the next piece of one direction.
    pub fn chunk(
        &mut self,
        direction: Direction,
        chunk: Chunk<'_>,
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Progress {
        match chunk {
            Chunk::Data(bytes) => return self.data(direction, bytes, shared, out),
            Chunk::Gap(bytes) => self.gap(direction, bytes, shared, out),
            Chunk::End => self.end(direction, shared, out),
        }
        Progress::Took { bytes: 0, need: 0 }
    }

    #[cfg(test)]
    pub(super) fn tap_for_test(&self) -> &T {
        &self.tap
    }

    pub(super) fn half(&mut self, direction: Direction) -> &mut Half {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }

    fn data(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Progress {
        let mut rest = bytes;
        loop {
            let taken = bytes.len().saturating_sub(rest.len());
            if rest.is_empty() {
                return Progress::all(bytes);
            }
            match self.step(direction, rest, shared, out) {
                Step::Took(n) => rest = rest.get(n..).unwrap_or_default(),
                Step::More(need) => return Progress::Took { bytes: taken, need },
                Step::Skip(n) => match usize::try_from(n).ok().and_then(|n| rest.get(n..)) {
                    Some(after) => rest = after,
                    None => {
                        let taken = u64::try_from(taken).unwrap_or(FOREVER);
                        return Progress::Skip {
                            bytes: taken.saturating_add(n),
                        };
                    }
                },
                Step::Follows(n) => {
                    self.flush(out);
                    shared.follows = true;
                    return Progress::Took {
                        bytes: taken.saturating_add(n).min(bytes.len()),
                        need: 0,
                    };
                }
                Step::Done => {
                    self.flush(out);
                    return Progress::Done;
                }
            }
        }
    }

    fn step(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Step {
        match self.half(direction).at {
            At::Head { searched } => self.head(direction, bytes, searched, shared, out),
            At::Either { framing } => match begins(bytes) {
                Begins::Perhaps => Step::More(bytes.len().saturating_add(1)),
                Begins::Request => {
                    self.tap_end(direction, shared, out);
                    self.half(direction).at = HEAD;
                    Step::Took(0)
                }
                Begins::Response | Begins::Nothing => {
                    self.enter(direction, framing, shared, out);
                    Step::Took(0)
                }
            },
            At::Lost { line_start } => self.search(direction, bytes, line_start),
            at => self.body_step(direction, at, bytes, shared, out),
        }
    }

    fn head(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        searched: usize,
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Step {
        if searched == 0 {
            let empty = empty_lines(bytes);
            if empty > 0 {
                return Step::Took(empty);
            }
        }
        let why = match head_end(bytes, searched) {
            Some(end) if end <= HTTP_HEAD_BYTES => {
                let head = bytes.get(..end).unwrap_or_default();
                let step = match direction {
                    Direction::ToServer => self.request(head, shared, out),
                    Direction::ToClient => self.response(head, shared, out),
                };
                match step {
                    Some(step) => return step,
                    None => "no start line",
                }
            }
            None if bytes.len() < HTTP_HEAD_BYTES => {
                // What cannot become a head is not waited for.
                if begins(bytes) != Begins::Nothing {
                    self.half(direction).at = At::Head {
                        searched: bytes.len(),
                    };
                    return Step::More(bytes.len().saturating_add(1));
                }
                "no start line"
            }
            _ => "too long",
        };
        anomaly(direction, "head", why, out);
        self.lose(direction, shared, out);
        // Past the line that disappointed, or it would be found again.
        let n = line(bytes).map_or(bytes.len(), |(_, n)| n);
        if line(bytes).is_none() {
            self.half(direction).at = At::Lost { line_start: false };
        }
        Step::Took(n)
    }

    /// A whole request head; `None` if its first line is no request line.
    fn request(&mut self, head: &[u8], shared: &mut Shared, out: &mut dyn Sink) -> Option<Step> {
        let (first, fields) = Fields::of(head);
        let request = RequestLine::read(first)?;
        let direction = Direction::ToServer;
        let host = fields.get(b"Host").unwrap_or_default();
        let user_agent = fields.get(b"User-Agent").unwrap_or_default();
        let credentials = self.auth.credentials(fields);
        let session_id = if self.auth.seen() {
            self.auth.session_id(request.method, request.target, host)
        } else {
            0
        };

        let framing = Framing::of(fields, Framing::Length(0));
        let wants = self.tap.wants(&RequestHead {
            method: request.method,
            target: request.target,
            content_length: match framing {
                Framing::Length(n) => Some(n),
                _ => None,
            },
        });

        let (gone, pending) = self.queue.push();
        pending.set([request.method, request.target, host, user_agent]);
        pending.tx_id = self.next_tx;
        pending.protocol = protocol(request.minor);
        pending.credentials = credentials;
        pending.session_id = session_id;
        pending.tap_response = wants == Wants::Both;
        pending.tunnel = wants == Wants::Tunnel;
        self.next_tx = self.next_tx.wrapping_add(1);
        out.event(
            direction,
            &Event::HttpRequest(HttpRequest {
                method: pending.method(),
                // Whole, if it can be shown: a rule has to see behind any amount of padding.
                uri: std::str::from_utf8(request.target).unwrap_or(pending.uri()),
                host: pending.host(),
                user_agent: pending.user_agent(),
                via: text(fields, b"Via"),
                forwarded: [&b"X-Forwarded-For"[..], b"Forwarded"]
                    .iter()
                    .any(|name| fields.get(name).is_some()),
                credentials: match credentials {
                    Credentials::None => "",
                    Credentials::Origin => "origin",
                    Credentials::Proxy => "proxy",
                },
                tx_id: pending.tx_id,
                authorization: credentials != Credentials::None,
                session_id,
            }),
        );
        if let Some(detail) = detail::of(request.method, request.target, fields) {
            out.event(direction, &Event::HttpDetail(detail));
        }
        if let Some(gone) = gone {
            self.unanswered(gone, out);
        }
        if credentials != Credentials::None {
            self.auth.tokens(head, fields, session_id, direction, out);
        }

        let framing = if wants == Wants::Tunnel {
            Framing::UntilClose
        } else {
            framing
        };
        let half = &mut self.to_server;
        half.tapped = wants != Wants::Nothing;
        half.found_again = false;
        let expects = fields
            .all(b"Expect")
            .any(|v| v.eq_ignore_ascii_case(b"100-continue"));
        if (expects || wants == Wants::Tunnel) && framing != Framing::Length(0) {
            half.at = At::Either { framing };
        } else {
            self.enter(direction, framing, shared, out);
        }
        Some(Step::Took(head.len()))
    }

    /// A whole response head; `None` if its first line is no status line.
    fn response(&mut self, head: &[u8], shared: &mut Shared, out: &mut dyn Sink) -> Option<Step> {
        let (first, fields) = Fields::of(head);
        let StatusLine { status, minor } = StatusLine::read(first)?;
        let direction = Direction::ToClient;
        if (100..200).contains(&status) && status != 101 {
            self.to_client.at = HEAD;
            return Some(Step::Took(head.len()));
        }
        if std::mem::take(&mut self.to_client.found_again) {
            // Responses may be lost. NTLM clients do not pipeline, so this one answers the latest.
            while let Some(passed) = self.queue.overtaken() {
                self.unanswered(passed, out);
            }
        }
        let pending = self.queue.answered();

        let session_id = pending.as_ref().map_or(0, |p| p.session_id);
        // The verdict first: a refusal may bring the next challenge along.
        let sent = pending
            .as_ref()
            .map_or(Credentials::None, |p| p.credentials);
        self.auth.result(sent, status, out);
        self.auth.tokens(head, fields, session_id, direction, out);

        let framing = Framing::of(fields, Framing::UntilClose);
        let mut transaction = match &pending {
            Some(pending) => pending.transaction(),
            None => HttpTransaction {
                method: "",
                uri: "",
                host: "",
                user_agent: "",
                protocol: protocol(minor),
                status: None,
                content_type: "",
                server: "",
                tx_id: self.next_tx,
                length: None,
            },
        };
        transaction.status = Some(status);
        transaction.content_type = text(fields, b"Content-Type");
        transaction.server = text(fields, b"Server");
        transaction.length = match framing {
            Framing::Length(n) => Some(n),
            _ => None,
        };
        let is = |method| transaction.method == method;
        let success = (200..300).contains(&status);
        let framing = if is("HEAD") || matches!(status, 204 | 304) {
            Framing::Length(0)
        } else {
            framing
        };
        let tunnel = success && is("CONNECT");
        out.event(direction, &Event::HttpTransaction(transaction));
        if tunnel {
            return Some(Step::Follows(head.len()));
        }
        if status == 101 {
            return Some(Step::Done);
        }

        let mut framing = framing;
        self.to_client.tapped = false;
        match pending {
            Some(pending) => {
                if success && pending.tunnel {
                    framing = Framing::UntilClose;
                }
                self.to_client.tapped = success && (pending.tap_response || pending.tunnel);
                self.queue.give_back(pending);
            }
            None => self.next_tx = self.next_tx.wrapping_add(1),
        }
        self.enter(direction, framing, shared, out);
        Some(Step::Took(head.len()))
    }

    fn end(&mut self, direction: Direction, shared: &mut Shared, out: &mut dyn Sink) {
        self.tap_end(direction, shared, out);
        self.tap.closed(direction, shared, out);
        self.half(direction).ended = true;
        if self.to_client.ended {
            self.flush(out);
        }
    }

    /// Reports what will not be answered any more.
    fn flush(&mut self, out: &mut dyn Sink) {
        while let Some(pending) = self.queue.flush() {
            self.unanswered(pending, out);
        }
    }

    fn unanswered(&mut self, pending: Pending, out: &mut dyn Sink) {
        let event = Event::HttpTransaction(pending.transaction());
        out.event(Direction::ToServer, &event);
        self.queue.give_back(pending);
    }
}

/// A field's value, empty if there is none or it is no text.
fn text<'a>(fields: Fields<'a>, name: &[u8]) -> &'a str {
    let value = fields.get(name).unwrap_or_default();
    std::str::from_utf8(value).unwrap_or_default()
}

fn protocol(minor: u8) -> &'static str {
    match minor {
        b'0' => "HTTP/1.0",
        b'1' => "HTTP/1.1",
        _ => "HTTP/1.x",
    }
}

pub(super) fn anomaly(
    direction: Direction,
    what: &'static str,
    why: &'static str,
    out: &mut dyn Sink,
) {
    let anomaly = Anomaly {
        protocol: "http",
        what,
        why,
    };
    out.event(direction, &Event::Anomaly(anomaly));
}
