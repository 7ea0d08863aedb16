//! One conversation of UDP: which protocol, and who is client.
//!
//! A datagram is whole, so a decoder of datagrams is two functions that keep nothing: one says whether
//! it is theirs, by its content and the ports, the other reads it. What a protocol must remember between
//! datagrams goes into [`Shared`], under a limit.
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

use super::dcerpc::cl;
use super::{Shared, arp, dhcp, dns, krb5, ldap, ndp};
use crate::event::Sink;
use crate::limits::{IDENTIFY_DATAGRAMS, IDENTIFY_DATAGRAMS_KNOWN};
use crate::net::{Direction, FlowKey, Side, Transport};
use crate::packet::Datagram;

/// A datagram and where it was met.
#[derive(Clone, Copy, Debug)]
pub struct Met<'a> {
    /// The datagram.
    pub datagram: Datagram<'a>,
    /// Its conversation.
    pub key: &'a FlowKey,
    /// Who sent it.
    pub side: Side,
    /// Which way it goes.
    pub direction: Direction,
}

/// A protocol of datagrams.
struct Protocol {
    /// What carries it.
    transport: Transport,
    /// EVE's `app_proto`.
    app_proto: &'static str,
    /// Ports of its servers, which say who is client.
    ports: &'static [u16],
    /// True if the bytes are of this protocol. Asked of every datagram, so it looks at its head only.
    probe: fn(&[u8], &FlowKey) -> bool,
    /// Reads one.
    decode: fn(&Met<'_>, &mut Shared, &mut dyn Sink),
}

/// Declares the protocols: EVE's `app_proto`, carrier and ports of servers, probe, decoder. Probes are asked in
/// this order.
macro_rules! datagrams {
    ($($app_proto:literal over $transport:ident [$($port:literal),*] if $probe:path => $decode:path;)*) => {
        static PROTOCOLS: &[Protocol] = &[$(
            Protocol {
                transport: Transport::$transport,
                app_proto: $app_proto,
                ports: &[$($port),*],
                probe: $probe,
                decode: $decode,
            },
        )*];
    };
}

datagrams! {
    "dns" over Udp [53] if dns::probe_dns => dns::datagram;
    "mdns" over Udp [5353] if dns::probe_mdns => dns::mdns;
    "llmnr" over Udp [5355] if dns::probe_llmnr => dns::llmnr;
    "nbns" over Udp [137] if dns::probe_nbns => dns::nbns;
    "dhcp" over Udp [67] if dhcp::probe_v4 => dhcp::message_v4;
    "dhcpv6" over Udp [547] if dhcp::probe_v6 => dhcp::message_v6;
    "krb5" over Udp [88] if krb5::is_datagram => krb5::datagram;
    "dcerpc" over Udp [135] if cl::probe => cl::datagram;
    "ldap" over Udp [389] if ldap::datagram_probe => ldap::datagram;
    "arp" over Arp [] if arp::probe => arp::message;
    "ndp" over Icmp6 [] if ndp::probe => ndp::message;
}

/// EVE's `app_proto` of every protocol, with its carrier.
pub(super) fn app_protos() -> impl Iterator<Item = (Transport, &'static str)> {
    PROTOCOLS.iter().map(|p| (p.transport, p.app_proto))
}

/// What a conversation turned out to be. Sits in every flow record, so it is small.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conversation {
    /// Place in the list of protocols and 1, 0 if not known.
    protocol: u8,
    /// Datagrams in a row that fitted no protocol.
    tried: u8,
    client: Option<Side>,
}

impl Conversation {
    /// Takes a datagram that `side` sent. `first` sent the first one. True if no more are wanted.
    pub fn datagram(
        &mut self,
        side: Side,
        first: Side,
        key: &FlowKey,
        datagram: Datagram<'_>,
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> bool {
        let fits = |p: &&Protocol| p.transport == key.transport && (p.probe)(datagram.bytes, key);
        let known = self.known().filter(fits);
        let Some(protocol) = known.or_else(|| PROTOCOLS.iter().find(fits)) else {
            self.tried = self.tried.saturating_add(1);
            let patience = if known_port(key) {
                IDENTIFY_DATAGRAMS_KNOWN
            } else {
                IDENTIFY_DATAGRAMS
            };
            return self.tried >= patience;
        };
        self.tried = 0;
        if known.is_none() {
            self.protocol = place(protocol);
            self.client = Some(client(protocol.ports, key, first));
        }
        let direction = if self.client == Some(side) {
            Direction::ToServer
        } else {
            Direction::ToClient
        };
        let met = Met {
            datagram,
            key,
            side,
            direction,
        };
        (protocol.decode)(&met, shared, out);
        false
    }

    /// Who is client, once the protocol is known.
    #[must_use]
    pub fn client(&self) -> Option<Side> {
        self.client
    }

    /// EVE's `app_proto`: empty while it is not known, `failed` if it is given up.
    #[must_use]
    pub fn app_proto(&self) -> &'static str {
        match self.known() {
            Some(protocol) => protocol.app_proto,
            None if self.tried >= IDENTIFY_DATAGRAMS => "failed",
            None => "",
        }
    }

    fn known(&self) -> Option<&'static Protocol> {
        PROTOCOLS.get(usize::from(self.protocol).checked_sub(1)?)
    }
}

/// The place of a protocol and 1. There are a dozen.
fn place(protocol: &Protocol) -> u8 {
    let at = PROTOCOLS.iter().position(|p| std::ptr::eq(p, protocol));
    at.and_then(|at| u8::try_from(at.saturating_add(1)).ok())
        .unwrap_or(0)
}

/// The one whose peer is on a port of the protocol's servers, else who began.
fn client(ports: &[u16], key: &FlowKey, first: Side) -> Side {
    match (ports.contains(&key.a.port), ports.contains(&key.b.port)) {
        (true, false) => Side::B,
        (false, true) => Side::A,
        _ => first,
    }
}

fn known_port(key: &FlowKey) -> bool {
    let mut ports = PROTOCOLS.iter().flat_map(|p| p.ports);
    ports.any(|port| [key.a.port, key.b.port].contains(port))
}
