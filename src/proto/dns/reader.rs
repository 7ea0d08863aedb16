//! One message to one event.

use std::fmt::Write;

use super::wire::{Header, Message, RawRecord, push_label, push_name, push_netbios_name, rrtype};
use crate::event::{Anomaly, DnsData, DnsMessage, DnsQuestion, DnsRecord, DnsSection, DnsSoa};
use crate::event::{Event, Sink, dns_opcode, dns_rcode, dns_type};
use crate::limits::{DNS_QUESTIONS, DNS_RECORDS, DNS_TEXT_BYTES};
use crate::net::{Addr, Direction, Mac};
use crate::wire::{Reader, Result};

/// Which protocol a message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// DNS, RFC 1035.
    Dns,
    /// Multicast DNS, RFC 6762.
    Mdns,
    /// LLMNR, RFC 4795.
    Llmnr,
    /// NetBIOS name service, RFC 1002.
    Nbns,
}

impl Kind {
    /// EVE's `app_proto`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Mdns => "mdns",
            Self::Llmnr => "llmnr",
            Self::Nbns => "nbns",
        }
    }
}

/// Bytes of text in [`Text`].
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: usize,
    end: usize,
}

/// The text of one message, reused for the next.
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    /// What `write` appends. Nothing once there is too much.
    fn add(&mut self, write: impl FnOnce(&mut String) -> Result<()>) -> Result<Span> {
        let start = self.0.len();
        if start < DNS_TEXT_BYTES {
            write(&mut self.0)?;
        }
        Ok(Span {
            start,
            end: self.0.len(),
        })
    }

    fn get(&self, span: Span) -> &str {
        self.0.get(span.start..span.end).unwrap_or_default()
    }
}

/// Data of a record with its texts as spans.
#[derive(Clone, Copy, Debug, Default)]
enum Data {
    #[default]
    Other,
    Address(Addr),
    Name(Span),
    Service([u16; 3], Span),
    Soa(Span, Span, [u32; 5]),
    Text(Span),
}

#[derive(Clone, Copy, Debug, Default)]
struct Question {
    name: Span,
    kind: u16,
    class: u16,
    suffix: Option<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Record {
    section: DnsSection,
    head: Question,
    ttl: u32,
    data: Data,
}

/// What was read of a message besides its event.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found<'a> {
    /// Token of a TKEY record in GSS mode (RFC 3645 3.1).
    pub(super) token: Option<&'a [u8]>,
}

/// Reads a message and says what is in it. What is behind a damaged record is not read.
pub(super) fn message<'a>(
    kind: Kind,
    bytes: &'a [u8],
    frame_mac: Mac,
    direction: Direction,
    text: &mut Text,
    out: &mut dyn Sink,
) -> Found<'a> {
    text.0.clear();
    let header = match Header::read(bytes) {
        Ok(header) => header,
        Err(error) => {
            out.event(direction, &Event::Anomaly(Anomaly::new(kind.name(), error)));
            return Found::default();
        }
    };
    let mut parts = Parts {
        kind,
        message: Message::new(bytes),
        questions: [Question::default(); DNS_QUESTIONS],
        asked: 0,
        records: [Record::default(); DNS_RECORDS],
        kept: 0,
        more: 0,
        signed: false,
        token: None,
    };
    let read = parts.read(header, text);
    let answers = parts.answers(text);
    parts.say(header, answers, frame_mac, direction, text, out);
    if let Err(error) = read {
        out.event(direction, &Event::Anomaly(Anomaly::new(kind.name(), error)));
    }
    Found { token: parts.token }
}

struct Parts<'a> {
    kind: Kind,
    message: Message<'a>,
    questions: [Question; DNS_QUESTIONS],
    asked: usize,
    records: [Record; DNS_RECORDS],
    kept: usize,
    more: u16,
    signed: bool,
    token: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    fn read(&mut self, header: Header, text: &mut Text) -> Result<()> {
        let [questions, answers, authorities, additionals] = header.counts;
        for _ in 0..questions {
            let (name, kind, class) = self.message.question()?;
            let (name, suffix) = self.name(name, text)?;
            let class = class & self.class_bits();
            if let Some(free) = self.questions.get_mut(self.asked) {
                *free = Question {
                    name,
                    kind,
                    class,
                    suffix,
                };
                self.asked = self.asked.saturating_add(1);
            }
        }
        for (section, count) in [
            (DnsSection::Answer, answers),
            (DnsSection::Authority, authorities),
            (DnsSection::Additional, additionals),
        ] {
            for _ in 0..count {
                let raw = self.message.record()?;
                self.record(section, &raw, text)?;
            }
        }
        Ok(())
    }

    /// The top bit of a class is a flag in mDNS (RFC 6762 10.2, 5.4).
    fn class_bits(&self) -> u16 {
        match self.kind {
            Kind::Mdns => 0x7fff,
            _ => 0xffff,
        }
    }

    fn name(&self, at: usize, text: &mut Text) -> Result<(Span, Option<u8>)> {
        let bytes = self.message.bytes();
        let mut suffix = None;
        let name = text.add(|text| {
            match self.kind {
                Kind::Nbns => suffix = push_netbios_name(bytes, at, text)?,
                _ => push_name(bytes, at, text)?,
            }
            Ok(())
        })?;
        Ok((name, suffix))
    }

    fn record(&mut self, section: DnsSection, raw: &RawRecord, text: &mut Text) -> Result<()> {
        match raw.kind {
            // Its class and TTL are sizes and flags.
            rrtype::OPT => return Ok(()),
            rrtype::TSIG => self.signed = true,
            rrtype::TKEY => self.token = self.token.or(self.gss(raw)?),
            _ => {}
        }
        if self.kept == DNS_RECORDS {
            self.more = self.more.saturating_add(1);
            return Ok(());
        }
        let (name, suffix) = self.name(raw.name, text)?;
        let record = Record {
            section,
            head: Question {
                name,
                kind: raw.kind,
                class: raw.class & self.class_bits(),
                suffix,
            },
            ttl: raw.ttl,
            data: self.data(raw, text)?,
        };
        if let Some(free) = self.records.get_mut(self.kept) {
            *free = record;
            self.kept = self.kept.saturating_add(1);
        }
        Ok(())
    }

    fn data(&self, raw: &RawRecord, text: &mut Text) -> Result<Data> {
        let bytes = self.message.bytes();
        let mut r = self.message.data(raw);
        let mut name_at = |at: usize| text.add(|text| push_name(bytes, at, text));
        Ok(match raw.kind {
            // A deletion of an update (RFC 2136 2.5).
            _ if raw.len == 0 => Data::Other,
            rrtype::A => Data::Address(Addr::v4(r.array("A")?)),
            rrtype::AAAA => Data::Address(Addr(r.array("AAAA")?)),
            // NB_FLAGS 2, address 4, once an address (RFC 1002 4.2.2.1); the first is read.
            rrtype::NB if self.kind == Kind::Nbns => {
                r.skip(2, "NB")?;
                Data::Address(Addr::v4(r.array("NB")?))
            }
            rrtype::SRV if self.kind == Kind::Nbns => Data::Other,
            rrtype::CNAME | rrtype::NS | rrtype::PTR | rrtype::DNAME => {
                Data::Name(name_at(raw.data)?)
            }
            rrtype::TKEY | rrtype::TSIG => Data::Name(name_at(raw.data)?),
            rrtype::SRV => {
                let numbers = [r.u16("SRV")?, r.u16("SRV")?, r.u16("SRV")?];
                Data::Service(numbers, name_at(raw.data.saturating_add(6))?)
            }
            rrtype::SOA => {
                let mname = name_at(raw.data)?;
                let second = super::wire::skip_name(bytes, raw.data)?;
                let rname = name_at(second)?;
                let third = super::wire::skip_name(bytes, second)?;
                r.skip(third.saturating_sub(raw.data), "SOA")?;
                let mut numbers = [0; 5];
                for number in &mut numbers {
                    *number = r.u32("SOA")?;
                }
                Data::Soa(mname, rname, numbers)
            }
            rrtype::TXT => Data::Text(text.add(|text| texts(&mut r, text))?),
            _ => Data::Other,
        })
    }

    /// The token of TKEY (RFC 2930 2): algorithm, inception 4, expiration 4, mode 2 (3 is GSS), error 2, key size 2,
    /// key, other size 2, other.
    fn gss(&self, raw: &RawRecord) -> Result<Option<&'a [u8]>> {
        const WHAT: &str = "TKEY";
        let mut r = self.message.data(raw);
        if r.is_empty() {
            return Ok(None);
        }
        let after = super::wire::skip_name(self.message.bytes(), raw.data)?;
        r.skip(after.saturating_sub(raw.data).saturating_add(8), WHAT)?;
        let mode = r.u16(WHAT)?;
        r.skip(2, WHAT)?;
        let size = r.u16(WHAT)?;
        let key = r.take(size.into(), "TKEY key")?;
        Ok((mode == 3 && !key.is_empty()).then_some(key))
    }

    /// The data of the answers, with commas between them.
    fn answers(&self, text: &mut Text) -> Span {
        let start = text.0.len();
        let records = self.records.get(..self.kept).unwrap_or_default();
        for record in records {
            if record.section != DnsSection::Answer || text.0.len() >= DNS_TEXT_BYTES {
                continue;
            }
            let comma = if text.0.len() > start { "," } else { "" };
            // Writing to a String cannot fail.
            let _ = match record.data {
                Data::Other => Ok(()),
                Data::Address(addr) => write!(text.0, "{comma}{addr}"),
                Data::Name(span)
                | Data::Text(span)
                | Data::Service(_, span)
                | Data::Soa(span, ..) => {
                    text.0.push_str(comma);
                    text.0.extend_from_within(span.start..span.end);
                    Ok(())
                }
            };
        }
        Span {
            start,
            end: text.0.len(),
        }
    }

    fn say(
        &self,
        header: Header,
        answers: Span,
        frame_mac: Mac,
        direction: Direction,
        text: &Text,
        out: &mut dyn Sink,
    ) {
        let netbios = self.kind == Kind::Nbns;
        let mut questions = [DnsQuestion::default(); DNS_QUESTIONS];
        for (to, from) in questions.iter_mut().zip(&self.questions) {
            *to = DnsQuestion {
                name: text.get(from.name),
                kind: from.kind,
                class: from.class,
                suffix: from.suffix,
            };
        }
        let mut records = [DnsRecord::default(); DNS_RECORDS];
        for (to, from) in records.iter_mut().zip(&self.records).take(self.kept) {
            *to = DnsRecord {
                section: from.section,
                name: text.get(from.head.name),
                kind: from.head.kind,
                class: from.head.class,
                ttl: from.ttl,
                data: show(from.data, text),
                suffix: from.head.suffix,
            };
        }
        let questions = questions.get(..self.asked).unwrap_or_default();
        let records = records.get(..self.kept).unwrap_or_default();
        let of_answers = records.iter().filter(|r| r.section == DnsSection::Answer);
        let (query, qtype) = match (questions.first(), records.first()) {
            (Some(question), _) => (question.name, question.kind),
            (None, Some(record)) => (record.name, record.kind),
            (None, None) => ("", 0),
        };
        let event = DnsMessage {
            protocol: self.kind.name(),
            query,
            qtype_name: dns_type(qtype, netbios),
            answers: text.get(answers),
            response: header.response(),
            opcode_name: dns_opcode(header.opcode(), netbios),
            rcode_name: dns_rcode(header.rcode()),
            ttl: of_answers.map(|r| r.ttl).min(),
            frame_mac,
            id: header.id,
            flags: header.flags,
            opcode: header.opcode(),
            rcode: header.rcode(),
            questions,
            records,
            more: self.more,
            signed: self.signed,
            gss: self.token.is_some(),
        };
        out.event(direction, &Event::Dns(event));
    }
}

fn show(data: Data, text: &Text) -> DnsData<'_> {
    match data {
        Data::Other => DnsData::Other,
        Data::Address(addr) => DnsData::Address(addr),
        Data::Name(span) => DnsData::Name(text.get(span)),
        Data::Text(span) => DnsData::Text(text.get(span)),
        Data::Service([priority, weight, port], span) => DnsData::Service {
            priority,
            weight,
            port,
            target: text.get(span),
        },
        Data::Soa(mname, rname, [serial, times @ ..]) => DnsData::Soa(DnsSoa {
            mname: text.get(mname),
            rname: text.get(rname),
            serial,
            times,
        }),
    }
}

/// Character strings of length 1 and bytes (RFC 1035 3.3), joined.
fn texts(r: &mut Reader<'_>, text: &mut String) -> Result<()> {
    while !r.is_empty() {
        let length = r.u8("TXT")?;
        push_label(r.take(length.into(), "TXT")?, text);
    }
    Ok(())
}
