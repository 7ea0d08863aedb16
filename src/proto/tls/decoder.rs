//! One connection: two hellos and perhaps a certificate.

use super::certificate::{Certificate, push_line};
use super::ja4::ja4;
use super::wire::{
    HEADER, Hello, content, first_certificate, handshake, message, record, version_name,
};
use crate::event::{Anomaly, Event, Sink, TlsHandshake, Words};
use crate::limits::TLS_HANDSHAKE_BYTES;
use crate::net::Direction;
use crate::packet::{Chunk, Progress};
use crate::proto::Shared;
use crate::wire::{Error, Reader};

/// One TLS connection.
#[derive(Debug, Default)]
pub struct Decoder {
    /// What the connection was before, as EVE's `app_proto`.
    from: &'static str,
    /// By direction: the beginning of a handshake message that goes on in the next record.
    partial: [Vec<u8>; 2],
    client: Option<Box<Client>>,
    server: Option<Server>,
    certificate: Option<Box<Certificate>>,
    said: bool,
}

/// What a ClientHello says.
#[derive(Debug)]
struct Client {
    server_name: String,
    /// A line each.
    alpn: String,
    ja4: String,
}

/// What a ServerHello says.
#[derive(Debug)]
struct Server {
    alpn: String,
    version: u16,
}

/// What to do after a record or a message.
enum Step {
    Took(usize),
    More(usize),
    Done,
}

impl Decoder {
    /// A connection that was something else before, as after StartTLS.
    #[must_use]
    pub fn after(from: &'static str) -> Self {
        Self {
            from,
            ..Self::default()
        }
    }

    /// Bytes of heap it holds now, itself apart.
    #[must_use]
    pub fn held(&self) -> usize {
        let partial = self.partial.iter().map(Vec::capacity).sum::<usize>();
        let client = self.client.as_ref().map_or(0, |c| {
            size_of::<Client>()
                .saturating_add(c.server_name.capacity())
                .saturating_add(c.alpn.capacity())
                .saturating_add(c.ja4.capacity())
        });
        let certificate = self.certificate.as_ref().map_or(0, |c| {
            size_of::<Certificate>()
                .saturating_add(c.subject.capacity())
                .saturating_add(c.issuer.capacity())
                .saturating_add(c.names.capacity())
                .saturating_add(c.fingerprint.capacity())
        });
        partial.saturating_add(client).saturating_add(certificate)
    }

    /// Takes the next piece of one direction.
    pub fn chunk(
        &mut self,
        direction: Direction,
        chunk: Chunk<'_>,
        _shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Progress {
        let bytes = match chunk {
            Chunk::Data(bytes) => bytes,
            // What is missing may be the hello; there is no second one.
            Chunk::Gap(_) | Chunk::End => {
                self.say(out);
                return Progress::Done;
            }
        };
        let mut at = 0_usize;
        while let Some(rest @ [_, ..]) = bytes.get(at..) {
            match self.step(direction, rest, out) {
                Step::Took(n) => at = at.saturating_add(n),
                Step::More(need) => return Progress::Took { bytes: at, need },
                Step::Done => {
                    self.say(out);
                    return Progress::Done;
                }
            }
        }
        Progress::all(bytes)
    }

    fn step(&mut self, direction: Direction, bytes: &[u8], out: &mut dyn Sink) -> Step {
        let (kind, length) = match record(bytes) {
            Ok(found) => found,
            Err(Error::Short { need, .. }) => return Step::More(need),
            Err(error) => return give_up(direction, error, out),
        };
        if kind != content::HANDSHAKE {
            // The client goes on with its key exchange; from the server nothing clear follows.
            return match direction {
                Direction::ToClient => Step::Done,
                Direction::ToServer if self.client.is_none() => Step::Done,
                Direction::ToServer => Step::Took(HEADER.saturating_add(length)),
            };
        }
        let total = HEADER.saturating_add(length);
        let Some(body) = bytes.get(HEADER..total) else {
            return Step::More(total);
        };
        match self.handshake(direction, body) {
            Ok(true) => Step::Done,
            Ok(false) => Step::Took(total),
            Err(error) => give_up(direction, error, out),
        }
    }

    /// Messages of one record; true if nothing of interest follows.
    fn handshake(&mut self, direction: Direction, body: &[u8]) -> Result<bool, Error> {
        let [to_server, to_client] = &mut self.partial;
        let kept = match direction {
            Direction::ToServer => to_server,
            Direction::ToClient => to_client,
        };
        let mut all = std::mem::take(kept);
        let text = if all.is_empty() {
            body
        } else {
            all.extend_from_slice(body);
            &all
        };
        let mut r = Reader::new(text);
        let mut done = false;
        while !r.is_empty() && !done {
            let mut next = r;
            let Ok((kind, message)) = message(&mut next) else {
                break;
            };
            r = next;
            done = self.message(direction, kind, message)?;
        }
        if done || r.is_empty() {
            return Ok(done);
        }
        // Behind its first flight a client's handshake is ciphertext.
        if direction == Direction::ToServer && self.client.is_some() {
            return Ok(false);
        }
        if r.left() > TLS_HANDSHAKE_BYTES {
            return Err(Error::Malformed {
                what: "TLS handshake",
                why: "message too long to be read",
            });
        }
        // Not copied again for every record that a message is spread over.
        let rest = if r.at() == 0 && !all.is_empty() {
            all
        } else {
            r.rest().to_vec()
        };
        let [to_server, to_client] = &mut self.partial;
        match direction {
            Direction::ToServer => *to_server = rest,
            Direction::ToClient => *to_client = rest,
        }
        Ok(false)
    }

    fn message(&mut self, direction: Direction, kind: u8, body: &[u8]) -> Result<bool, Error> {
        match (direction, kind) {
            (Direction::ToServer, handshake::CLIENT_HELLO) if self.client.is_none() => {
                let hello = Hello::read(body, true)?;
                self.client = Some(Box::new(client(&hello)));
                Ok(false)
            }
            (Direction::ToClient, handshake::SERVER_HELLO) => {
                let hello = Hello::read(body, false)?;
                let server = Server {
                    alpn: lines(hello.alpn()),
                    version: hello.best_version(),
                };
                let last = server.version >= 0x0304;
                self.server = Some(server);
                Ok(last)
            }
            (Direction::ToClient, handshake::CERTIFICATE) => {
                self.certificate = Certificate::read(first_certificate(body)?).map(Box::new);
                Ok(true)
            }
            (Direction::ToClient, handshake::SERVER_HELLO_DONE) => Ok(true),
            _ => Ok(false),
        }
    }

    /// Says what is known, once, if a hello was seen.
    fn say(&mut self, out: &mut dyn Sink) {
        if std::mem::replace(&mut self.said, true)
            || (self.client.is_none() && self.server.is_none())
        {
            return;
        }
        let client = self.client.as_deref();
        let server = self.server.as_ref();
        let certificate = self.certificate.as_deref();
        let event = TlsHandshake {
            server_name: client.map_or("", |c| &c.server_name),
            version: server.map_or("", |s| version_name(s.version)),
            client_alpns: Words::new(client.map_or("", |c| &c.alpn)),
            server_alpns: Words::new(server.map_or("", |s| &s.alpn)),
            ja4: client.map_or("", |c| &c.ja4),
            subject: certificate.map_or("", |c| &c.subject),
            issuer: certificate.map_or("", |c| &c.issuer),
            names: Words::new(certificate.map_or("", |c| &c.names)),
            fingerprint: certificate.map_or("", |c| &c.fingerprint),
            from_proto: self.from,
        };
        out.event(Direction::ToServer, &Event::Tls(event));
    }
}

fn client(hello: &Hello<'_>) -> Client {
    let mut server_name = String::new();
    if let Some(name) = hello.server_name() {
        push_line(&String::from_utf8_lossy(name), &mut server_name);
    }
    Client {
        server_name,
        alpn: lines(hello.alpn()),
        ja4: ja4(hello),
    }
}

fn lines<'a>(all: impl Iterator<Item = &'a [u8]>) -> String {
    let mut out = String::new();
    for one in all {
        push_line(&String::from_utf8_lossy(one), &mut out);
    }
    out
}

fn give_up(direction: Direction, error: Error, out: &mut dyn Sink) -> Step {
    out.event(direction, &Event::Anomaly(Anomaly::new("tls", error)));
    Step::Done
}
