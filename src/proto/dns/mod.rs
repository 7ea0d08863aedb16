//! DNS (RFC 1035) over UDP and TCP, and what took its messages over: multicast DNS (RFC 6762), LLMNR (RFC 4795)
//! and the NetBIOS name service (RFC 1002 4.2). Dynamic updates (RFC 2136) are messages whose zone is the question.
//! The GSS token of TKEY (RFC 3645) goes to SPNEGO.
//!
//! A message is one event, with its questions and the records of all sections. Our own reader and no crate: the four
//! share a layout that crates of DNS read into allocated trees and refuse as a whole when one record is damaged, and
//! none knows NetBIOS names.
//!
//! Not read: data of types other than A, AAAA, CNAME, DNAME, NS, PTR, SRV, SOA, TXT, TKEY, NB; EDNS; signatures;
//! the names in a node status answer; questions and records beyond [`DNS_QUESTIONS`](crate::limits::DNS_QUESTIONS)
//! and [`DNS_RECORDS`](crate::limits::DNS_RECORDS), which are counted; DNS over TLS, HTTPS and QUIC; the NetBIOS
//! datagram service (138). An exchange of NTLM in TKEY over UDP is not joined: its messages have a port each.
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

mod decoder;
mod reader;
pub mod wire;

pub use decoder::Decoder;

use super::Shared;
use super::datagram::Met;
use super::identify::Probe;
use super::spnego::Negotiation;
use crate::event::Sink;
use crate::net::{Direction, FlowKey};
use reader::Kind;
use wire::Header;

/// Ports of multicast DNS, LLMNR and the NetBIOS name service.
const MDNS: u16 = 5353;
const LLMNR: u16 = 5355;
const NBNS: u16 = 137;
const DNS: u16 = 53;

/// What decoders of DNS keep between messages.
#[derive(Debug, Default)]
pub struct Scratch(reader::Text);

/// A message on the port of one of the four.
pub(super) fn probe_dns(bytes: &[u8], key: &FlowKey) -> bool {
    on(key, DNS) && plausible(bytes)
}

/// See [`probe_dns`].
pub(super) fn probe_mdns(bytes: &[u8], key: &FlowKey) -> bool {
    on(key, MDNS) && plausible(bytes)
}

/// See [`probe_dns`].
pub(super) fn probe_llmnr(bytes: &[u8], key: &FlowKey) -> bool {
    on(key, LLMNR) && plausible(bytes)
}

/// See [`probe_dns`].
pub(super) fn probe_nbns(bytes: &[u8], key: &FlowKey) -> bool {
    on(key, NBNS) && plausible(bytes)
}

fn on(key: &FlowKey, port: u16) -> bool {
    key.a.port == port || key.b.port == port
}

fn plausible(bytes: &[u8]) -> bool {
    Header::read(bytes).is_ok_and(|header| header.plausible(bytes.len()))
}

/// DNS or LLMNR over TCP (RFC 1035 4.2.2, RFC 4795 2.5), by port and content.
pub(super) fn probe_tcp(bytes: &[u8], key: &FlowKey) -> Probe {
    const NEED: usize = 14;
    if !on(key, DNS) && !on(key, LLMNR) {
        return Probe::No;
    }
    let Some((&length, rest)) = bytes.split_first_chunk() else {
        return Probe::Perhaps(NEED);
    };
    let length = usize::from(u16::from_be_bytes(length));
    match Header::read(rest) {
        Ok(header) if header.plausible(length) => Probe::Is(Some(if header.response() {
            Direction::ToClient
        } else {
            Direction::ToServer
        })),
        Ok(_) => Probe::No,
        Err(_) if length < Header::LEN => Probe::No,
        Err(_) => Probe::Perhaps(NEED),
    }
}

/// Reads a datagram of DNS.
pub(super) fn datagram(met: &Met<'_>, shared: &mut Shared, out: &mut dyn Sink) {
    read(Kind::Dns, met, shared, out);
}

/// Reads a datagram of multicast DNS.
pub(super) fn mdns(met: &Met<'_>, shared: &mut Shared, out: &mut dyn Sink) {
    read(Kind::Mdns, met, shared, out);
}

/// Reads a datagram of LLMNR.
pub(super) fn llmnr(met: &Met<'_>, shared: &mut Shared, out: &mut dyn Sink) {
    read(Kind::Llmnr, met, shared, out);
}

/// Reads a datagram of the NetBIOS name service.
pub(super) fn nbns(met: &Met<'_>, shared: &mut Shared, out: &mut dyn Sink) {
    read(Kind::Nbns, met, shared, out);
}

fn read(kind: Kind, met: &Met<'_>, shared: &mut Shared, out: &mut dyn Sink) {
    let datagram = met.datagram;
    let text = &mut shared.dns.0;
    let found = reader::message(kind, datagram.bytes, datagram.mac, met.direction, text, out);
    if let Some(token) = found.token {
        Negotiation::default().token(token, &decoder::TOKEN_AT, met.direction, out);
    }
}

#[cfg(test)]
mod tests;
