//! Who is asked for by which name, and who says it is: DNS and what took its messages over.

use super::schema::declare_event;
use crate::net::{Addr, Mac};

/// A question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DnsQuestion<'a> {
    /// Name asked for; of NBT-NS without its suffix.
    pub name: &'a str,
    /// Type.
    pub kind: u16,
    /// Class, without the bit that mDNS puts on top (unicast answer wanted).
    pub class: u16,
    /// Last character of a NetBIOS name: what kind of name it is.
    pub suffix: Option<u8>,
}

/// Which part of a message a record is in. Of an update they are prerequisites, updates and additionals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DnsSection {
    /// Answer.
    #[default]
    Answer,
    /// Authority.
    Authority,
    /// Additional.
    Additional,
}

/// Start of a zone (RFC 1035 3.3.13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DnsSoa<'a> {
    /// Primary server.
    pub mname: &'a str,
    /// Mailbox of who is responsible.
    pub rname: &'a str,
    /// Serial number.
    pub serial: u32,
    /// Seconds between refreshes, before a retry, until it expires, and of negative answers.
    pub times: [u32; 4],
}

/// What a record says, as far as we read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DnsData<'a> {
    /// Not read, or none (a deletion of an update).
    #[default]
    Other,
    /// A, AAAA, or an address of a NetBIOS name.
    Address(Addr),
    /// CNAME, DNAME, NS, PTR; algorithm of TKEY and TSIG.
    Name(&'a str),
    /// SRV.
    Service {
        /// Priority.
        priority: u16,
        /// Weight.
        weight: u16,
        /// Port.
        port: u16,
        /// Host.
        target: &'a str,
    },
    /// SOA.
    Soa(DnsSoa<'a>),
    /// TXT, its strings joined.
    Text(&'a str),
}

/// A record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DnsRecord<'a> {
    /// Which part of the message.
    pub section: DnsSection,
    /// Whose record.
    pub name: &'a str,
    /// Type.
    pub kind: u16,
    /// Class, without the bit that mDNS puts on top. In an update 254 is none and 255 any.
    pub class: u16,
    /// Seconds it may be kept.
    pub ttl: u32,
    /// What it says.
    pub data: DnsData<'a>,
    /// Last character of a NetBIOS name.
    pub suffix: Option<u8>,
}

declare_event! {
    /// A message of DNS, mDNS, LLMNR or NBT-NS.
    #[derive(Clone, Copy, Debug)]
    "dns" "message"
    pub struct DnsMessage<'a> {
        /// dns, mdns, llmnr or nbns.
        pub protocol: &'a str => "protocol" Rule,
        /// Name of the first question, else of the first record.
        pub query: &'a str => "query" Rule,
        /// Type of the first question, else of the first record.
        pub qtype_name: &'a str => "qtype_name" Rule,
        /// Data of the answers with commas between them.
        pub answers: &'a str => "answers" Rule,
        /// It is a response.
        pub response: bool => "response" Rule,
        /// query, update, notify ...
        pub opcode_name: &'a str => "opcode_name" Rule,
        /// Name of the result.
        pub rcode_name: &'a str => "rcode_name" Rule,
        /// Smallest time to live of the answers.
        pub ttl: Option<u32> => "ttl" Rule,
        /// Source address of the frame.
        pub frame_mac: Mac => "frame_mac" Rule,
        ;
        /// Id of the transaction.
        pub id: u16,
        /// Flags as on the wire.
        pub flags: u16,
        /// Opcode.
        pub opcode: u8,
        /// Result.
        pub rcode: u8,
        /// Questions; of an update its zone.
        pub questions: &'a [DnsQuestion<'a>],
        /// Records, as many as a limit allows.
        pub records: &'a [DnsRecord<'a>],
        /// Records that were too many.
        pub more: u16,
        /// It carries a signature: TSIG.
        pub signed: bool,
        /// It carries TKEY with a GSS token, which goes to SPNEGO.
        pub gss: bool,
    }
}
