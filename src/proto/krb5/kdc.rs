//! Conversations with a KDC: AS and TGS exchanges over TCP and UDP.

use super::presented::presented;
use super::wire::{self, ErrorCode, KdcRep, KdcReq, KrbError, message};
use crate::event::{Anomaly, Carrier, Event, KrbReply, KrbRequest, Secret, Sink};
use crate::limits::TAIL_BYTES;
use crate::net::{Direction, FlowKey};
use crate::packet::{Chunk, Progress};
use crate::proto::Shared;
use crate::proto::datagram::Met;
use crate::proto::token::TokenAt;
use crate::wire::{Error, Reader, Result, Tlv};

/// What is remembered between messages: a KRB-ERROR does not say what it answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kdc {
    asked: Option<&'static str>,
}

impl Kdc {
    /// Takes one whole message.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn message(
        &mut self,
        bytes: &[u8],
        direction: Direction,
        out: &mut dyn Sink,
    ) -> Result<()> {
        let tlv = Tlv::read(&mut Reader::new(bytes))?;
        match tlv.tag {
            message::AS_REQ => self.request("as_req", tlv.value, direction, out),
            message::TGS_REQ => self.request("tgs_req", tlv.value, direction, out),
            message::AS_REP => self.reply("as_rep", "as_req", tlv.value, direction, out),
            message::TGS_REP => self.reply("tgs_rep", "tgs_req", tlv.value, direction, out),
            message::ERROR => self.error(tlv.value, direction, out),
            _ => Err(Error::Malformed {
                what: "Kerberos message",
                why: "none that a KDC takes or sends",
            }),
        }
    }

    fn request(
        &mut self,
        kind: &'static str,
        contents: &[u8],
        direction: Direction,
        out: &mut dyn Sink,
    ) -> Result<()> {
        let request = KdcReq::read(contents)?;
        self.asked = Some(kind);
        let (cname, sname) = (request.cname.name(), request.sname.name());
        let for_user = request.for_user.unwrap_or_default().name();
        let event = KrbRequest {
            message: kind,
            cname: cname.text(),
            realm: wire::text(request.realm),
            sname: sname.text(),
            etypes: request.etypes.get(),
            padata_types: request.padata.get(),
            for_user: for_user.text(),
            s4u2proxy: request.s4u2proxy,
        };
        out.event(direction, &Event::KrbRequest(event));
        if let Some(inner) = &request.ap_req {
            let at = TokenAt {
                carrier: Carrier::Kerberos,
                session: 0,
                server_guid: None,
                message_id: 0,
                session_id: 0,
            };
            presented(inner, &at, direction, out);
        }
        Ok(())
    }

    fn reply(
        &mut self,
        kind: &'static str,
        request: &'static str,
        contents: &[u8],
        direction: Direction,
        out: &mut dyn Sink,
    ) -> Result<()> {
        let reply = KdcRep::read(contents)?;
        self.asked = None;
        let ticket = &reply.ticket;
        let (cname, sname) = (reply.cname.name(), ticket.sname.name());
        let event = KrbReply {
            message: kind,
            request: Some(request),
            cname: cname.text(),
            crealm: wire::text(reply.crealm),
            realm: wire::text(ticket.realm),
            sname: sname.text(),
            padata_types: reply.padata.get(),
            encryption: reply.etype.name().unwrap_or("other"),
            ticket_encryption: ticket.enc_part.etype.name().unwrap_or("other"),
            kvno: ticket.enc_part.kvno,
            error_code: None,
            error: "",
            ticket_id: None,
            ticket: ticket.enc_part.cipher,
        };
        out.event(direction, &Event::KrbReply(event));
        Ok(())
    }

    fn error(&mut self, contents: &[u8], direction: Direction, out: &mut dyn Sink) -> Result<()> {
        let error = KrbError::read(contents)?;
        let (cname, sname) = (error.cname.name(), error.sname.name());
        let event = KrbReply {
            message: "error",
            request: self.asked.take(),
            cname: cname.text(),
            crealm: wire::text(error.crealm),
            realm: wire::text(error.realm),
            sname: sname.text(),
            padata_types: &[],
            encryption: "",
            ticket_encryption: "",
            kvno: None,
            error_code: Some(error.code.0),
            error: ErrorCode::name(error.code).unwrap_or_default(),
            ticket_id: None,
            ticket: Secret::default(),
        };
        out.event(direction, &Event::KrbReply(event));
        Ok(())
    }
}

/// One TCP connection to a KDC (RFC 4120 7.2.2): every message has its length in front, u32, big-endian.
#[derive(Debug, Default)]
pub struct Decoder {
    kdc: Kdc,
    /// Bytes are missing: where the next message begins is unknown, per direction.
    lost: [bool; 2],
    /// Anomalies are said once a connection.
    reported: bool,
}

/// What the front of a stream or datagram says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    /// A message, this way.
    Message(Direction),
    /// More bytes are wanted.
    Perhaps(usize),
    /// It is none.
    Nothing,
}

/// Bytes that show a message for what it is: length, identifier and length octets, SEQUENCE.
const HEAD: usize = 16;

/// Looks at the front of a stream: a length, and a message that fills it.
#[must_use]
pub fn begins(bytes: &[u8]) -> Begins {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
        return match bytes {
            [] | [0, ..] => Begins::Perhaps(HEAD),
            _ => Begins::Nothing,
        };
    };
    let length = u32::from_be_bytes(*length);
    if length > 0x00ff_ffff {
        return Begins::Nothing;
    }
    match begins_datagram(rest, usize::try_from(length).unwrap_or(usize::MAX)) {
        Begins::Perhaps(_) => Begins::Perhaps(HEAD),
        other => other,
    }
}

/// True if a datagram is a message of a KDC (RFC 4120 7.2.1).
#[must_use]
pub fn is_datagram(bytes: &[u8], _: &FlowKey) -> bool {
    matches!(begins_datagram(bytes, bytes.len()), Begins::Message(_))
}

/// Reads a datagram. What an error answers is not known: nothing is kept between datagrams.
pub fn datagram(met: &Met<'_>, _: &mut Shared, out: &mut dyn Sink) {
    let read = Kdc::default().message(met.datagram.bytes, met.direction, out);
    if let Err(error) = read {
        out.event(met.direction, &Event::Anomaly(Anomaly::new("krb5", error)));
    }
}

/// Looks at the front of a message of this length.
fn begins_datagram(bytes: &[u8], length: usize) -> Begins {
    let Some(first) = bytes.first() else {
        return Begins::Perhaps(HEAD);
    };
    let way = match *first {
        message::AS_REQ | message::TGS_REQ => Direction::ToServer,
        message::AS_REP | message::TGS_REP | message::ERROR => Direction::ToClient,
        _ => return Begins::Nothing,
    };
    let mut r = Reader::new(bytes);
    match Tlv::header(&mut r) {
        Ok((_, inner)) if r.at().saturating_add(inner) == length => match r.rest().first() {
            Some(&crate::wire::tag::SEQUENCE) => Begins::Message(way),
            Some(_) => Begins::Nothing,
            None => Begins::Perhaps(HEAD),
        },
        Ok(_) | Err(Error::Malformed { .. }) => Begins::Nothing,
        Err(Error::Short { .. }) => Begins::Perhaps(HEAD),
    }
}

impl Decoder {
    /// Bytes of heap it holds now, itself apart.
    #[must_use]
    pub fn held(&self) -> usize {
        0
    }

    /// Takes the next piece of one direction.
    pub fn chunk(
        &mut self,
        direction: Direction,
        chunk: Chunk<'_>,
        _: &mut Shared,
        out: &mut dyn Sink,
    ) -> Progress {
        let bytes = match chunk {
            Chunk::Data(bytes) => bytes,
            Chunk::Gap(_) => {
                *self.lost(direction) = true;
                return Progress::all(&[]);
            }
            Chunk::End => return Progress::all(&[]),
        };
        let mut at = 0_usize;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::Took { bytes: at, need: 1 };
            }
            if *self.lost(direction) {
                // Messages start segments: a client waits for its answer.
                match begins(rest) {
                    Begins::Message(_) => *self.lost(direction) = false,
                    Begins::Perhaps(need) => return Progress::Took { bytes: at, need },
                    Begins::Nothing => return Progress::all(bytes),
                }
            }
            let Some((length, rest)) = rest.split_first_chunk::<4>() else {
                return Progress::Took { bytes: at, need: 4 };
            };
            let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
            let whole = length.saturating_add(4);
            match begins_datagram(rest, length) {
                Begins::Perhaps(need) if rest.len() < length.min(need) => {
                    let need = need.min(length).saturating_add(4);
                    return Progress::Took { bytes: at, need };
                }
                Begins::Message(_) if whole <= TAIL_BYTES => {}
                Begins::Message(_) => {
                    self.report(direction, TOO_LONG, out);
                    let bytes = (at as u64).saturating_add(whole as u64);
                    return Progress::Skip { bytes };
                }
                _ => {
                    self.report(direction, NO_MESSAGE, out);
                    *self.lost(direction) = true;
                    return Progress::all(bytes);
                }
            }
            let Some(message) = rest.get(..length) else {
                return Progress::Took {
                    bytes: at,
                    need: whole,
                };
            };
            if let Err(error) = self.kdc.message(message, direction, out) {
                self.report(direction, error, out);
            }
            at = at.saturating_add(whole);
        }
    }

    fn lost(&mut self, direction: Direction) -> &mut bool {
        let [to_server, to_client] = &mut self.lost;
        match direction {
            Direction::ToServer => to_server,
            Direction::ToClient => to_client,
        }
    }

    fn report(&mut self, direction: Direction, error: Error, out: &mut dyn Sink) {
        if !std::mem::replace(&mut self.reported, true) {
            out.event(direction, &Event::Anomaly(Anomaly::new("krb5", error)));
        }
    }
}

const TOO_LONG: Error = Error::Malformed {
    what: "Kerberos message",
    why: "too long to be read",
};
const NO_MESSAGE: Error = Error::Malformed {
    what: "Kerberos message",
    why: "length and identifier do not fit",
};
