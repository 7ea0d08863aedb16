//! Tunnels: what carries whole frames or packets inside, and what is found there.
//!
//! A tunnel is one match arm, which takes its header off and says what follows: under the protocol number of IP, the UDP port or the EtherType that announces it.
//! How deep they may nest is [`TUNNELS`](crate::limits::TUNNELS), counted by the dissector.

use super::dissect::Layer;
use super::view::View;

/// A tunnel announced by a protocol number of IP.
pub(super) fn by_protocol(protocol: u8, _view: &mut View<'_>) -> Option<Layer> {
    match protocol {
        // IPv4 in IP (RFC 2003), IPv6 in IP (RFC 4213): the packet follows directly.
        4 | 41 => Some(Layer::Ip),
        _ => None,
    }
}

/// A tunnel announced by the UDP port it was sent to; `view` is the payload.
pub(super) fn by_udp_port(port: u16, view: &mut View<'_>) -> Option<Layer> {
    match (port, view.bytes) {
        // VXLAN (RFC 7348 5): flags with the I bit, reserved 3, VNI 3, reserved 1, then an Ethernet frame.
        (4789, [0x08, ..]) => view.pass(8).ok().map(|()| Layer::Link(1)),
        _ => None,
    }
}

/// A tunnel announced by an EtherType; `view` is what follows it.
pub(super) fn by_ether_type(kind: u16, view: &mut View<'_>) -> Option<Layer> {
    match (kind, view.bytes) {
        // PPPoE session (RFC 2516): version and type 0x11, code 0, session 2, length 2, PPP protocol 2.
        (0x8864, [0x11, 0, _, _, _, _, 0, 0x21 | 0x57, ..]) => {
            view.pass(8).ok().map(|()| Layer::Ip)
        }
        _ => None,
    }
}
