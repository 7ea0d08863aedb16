//! From a frame to a [`Packet`]: takes the layers off one after the other.

use super::defrag::Defrag;
use super::ip::{self, Addrs, Found, Segment};
use super::twice::Twice;
use super::view::View;
use super::{FrameRef, Packet, Span, Wrapping, link};
use crate::limits::TUNNELS;
use crate::net::{Addr, Endpoint, FlowKey, Outer, Transport};
use foldhash::fast::FixedState;
use std::hash::{BuildHasher, Hasher};

/// How frames are taken apart.
#[derive(Clone, Copy, Debug, Default)]
pub struct DissectOptions {
    /// Flows of different VLANs are different flows. Off by default: on a mirror port the two directions of
    /// one connection may carry different tags.
    pub vlan_in_key: bool,
}

/// What was seen, and what was given up and why. Every frame that gives no packet counts in one of
/// `not_ip`, `unknown_link`, `too_short`, `malformed`, `other_transport`, `too_deep`, `duplicates`, or is a fragment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DissectStats {
    /// Frames looked at.
    pub frames: u64,
    /// Packets found.
    pub packets: u64,
    /// Frames that carry something else (spanning tree, LLDP ...).
    pub not_ip: u64,
    /// Frames of a link type that is not read.
    pub unknown_link: u64,
    /// Frames that end inside a header, cut by the capture or by the sender.
    pub too_short: u64,
    /// Frames whose headers contradict themselves.
    pub malformed: u64,
    /// IP packets that are neither TCP, UDP nor a router advertisement.
    pub other_transport: u64,
    /// Packets of more nested tunnels than [`TUNNELS`].
    pub too_deep: u64,
    /// Packets whose payload the capture did not keep whole (snapshot length).
    pub truncated: u64,
    /// Copies that a mirror port made of packets seen just before. They are not shown again.
    pub duplicates: u64,
    /// Tunnels taken off.
    pub tunnels: u64,
    /// Fragments of IP packets.
    pub fragments: u64,
    /// Datagrams put together from fragments.
    pub reassembled: u64,
    /// Incomplete datagrams dropped because their time was up, [`DEFRAG_SECS`](crate::limits::DEFRAG_SECS).
    pub defrag_timeouts: u64,
    /// Incomplete datagrams dropped because a limit was reached, the oldest first.
    pub defrag_evictions: u64,
    /// Fragments that repeat bytes that were there. Mirror ports do that to every packet.
    pub defrag_overlaps: u64,
    /// Fragments that repeat bytes and say something else. The first word stands.
    pub defrag_conflicts: u64,
    /// Fragments that no sender makes: past the end, or past 65,535 bytes, or of an odd length; or cut by the capture.
    pub defrag_bad: u64,
}

/// Why there is no packet in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Miss {
    NotIp,
    Link,
    Short,
    Malformed,
    Transport,
}

/// What a view is to be read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// A frame of this link type.
    Link(u16),
    /// What this EtherType announces.
    Ether(u16),
    /// An IP packet.
    Ip,
    /// An ARP message.
    Arp,
    /// What a protocol number of IP announces.
    Upper(u8),
}

/// Takes frames apart. One per capture thread; it owns the fragments that wait for their fellows.
#[derive(Debug)]
pub struct Dissector {
    options: DissectOptions,
    hash: FixedState,
    defrag: Defrag,
    twice: Twice,
    /// The outermost packet around the last one found.
    outer: Option<Outer>,
    stats: DissectStats,
}

impl Dissector {
    /// A dissector whose hashes depend on `seed`. All capture threads of a sensor share one
    /// seed, so that they agree on the worker; peers must not be able to guess it.
    #[must_use]
    pub fn new(seed: u64, options: DissectOptions) -> Self {
        Self {
            options,
            hash: FixedState::with_seed(seed),
            defrag: Defrag::new(seed),
            twice: Twice::new(),
            outer: None,
            stats: DissectStats::default(),
        }
    }

    /// What was counted since the start.
    #[must_use]
    pub fn stats(&self) -> DissectStats {
        self.stats
    }

    /// What carried the packet that [`Dissector::frame`] returned last, if it came through a tunnel over IP.
    #[must_use]
    pub fn outer(&self) -> Option<Outer> {
        self.outer
    }

    /// The packet in `frame`, which lies in `bytes` ([`Block::bytes`](super::Block)). A packet that this frame's
    /// fragment completes is appended to `spill` ([`Block::spill`](super::Block)).
    ///
    /// `number` becomes [`Packet::number`]. Neither that nor the time is looked at, but for the age of fragments.
    #[inline]
    pub fn frame(
        &mut self,
        bytes: &[u8],
        spill: &mut Vec<u8>,
        frame: FrameRef,
        number: u64,
    ) -> Option<Packet> {
        bump(&mut self.stats.frames);
        let mut wrapping = Wrapping::default();
        let mut layer = Layer::Link(frame.link);
        let mut span = Span {
            start: frame.start,
            len: frame.len,
            spilled: false,
        };
        let mut cut = frame.wire_len.saturating_sub(frame.len);
        // The hosts of a datagram that was put together.
        let mut addrs = Addrs::default();
        for _ in 0..=TUNNELS {
            let from = if span.spilled {
                spill.as_slice()
            } else {
                bytes
            };
            let found = match View::of(from, span, cut) {
                Some(view) => open(layer, addrs, view, &mut wrapping),
                None => Err(Miss::Short),
            };
            match found {
                Ok(Found::Segment(segment)) => {
                    let payload = segment.payload.span(span.spilled);
                    return self.packet(segment, payload, wrapping, frame, number);
                }
                Ok(Found::Inner(inner, view, outer)) => {
                    if wrapping.tunnels == 0 {
                        self.outer = None;
                    }
                    self.around(outer);
                    bump(&mut self.stats.tunnels);
                    wrapping.tunnels = wrapping.tunnels.saturating_add(1);
                    (layer, span, cut) = (inner, view.span(span.spilled), view.cut);
                }
                Ok(Found::Fragment(fragment, view)) => {
                    bump(&mut self.stats.fragments);
                    if view.cut > 0 {
                        bump(&mut self.stats.defrag_bad);
                        return None;
                    }
                    let stats = &mut self.stats;
                    let whole = self.defrag.add(fragment, view.bytes, frame.ts, stats)?;
                    bump(&mut stats.reassembled);
                    let protocol;
                    (protocol, span) = self.defrag.take(whole, spill)?;
                    (layer, addrs, cut) = (Layer::Upper(protocol), fragment.key.addrs, 0);
                }
                Err(miss) => {
                    self.miss(miss);
                    return None;
                }
            }
        }
        bump(&mut self.stats.too_deep);
        None
    }

    #[inline]
    fn packet(
        &mut self,
        segment: Segment<'_>,
        span: Span,
        wrapping: Wrapping,
        frame: FrameRef,
        number: u64,
    ) -> Option<Packet> {
        let Segment {
            addrs,
            ports,
            transport,
            tcp,
            checksum,
            id,
            payload,
        } = segment;
        let (mut key, from_a) = key(addrs, ports, transport);
        if self.options.vlan_in_key {
            // The innermost of the tags: the network the hosts are in.
            let [outer, inner] = wrapping.vlan;
            key.vlan = if inner != 0 { inner } else { outer };
        }
        // One pass: the hash of the two addresses, and going on from there that of the flow.
        let mut hasher = self.hash.build_hasher();
        hasher.write_u128(addrs.src.min(addrs.dst));
        hasher.write_u128(addrs.src.max(addrs.dst));
        let pair = hasher.finish();
        let ports = u64::from(key.a.port) << 48 | u64::from(key.b.port) << 32;
        let rest = u64::from(key.vlan) << 8 | u64::from(transport.number());
        hasher.write_u64(ports | rest);
        let hash = hasher.finish();
        // The id of IPv4 tells what is said twice from a copy; a TCP segment with data has its place and checksum.
        // Where a datagram has no id, only many at once are told the same twice on purpose (mDNS). Of what was put
        // together the id is gone.
        let telling = id != 0
            || checksum != 0
                && match transport {
                    Transport::Tcp => payload.sent() > 0,
                    _ => is_one_host(addrs.dst),
                };
        if telling && transport.has_ports() && !span.spilled {
            hasher.write_u64(match transport {
                Transport::Tcp => u64::from(tcp.seq) << 32 | u64::from(tcp.ack),
                // Streams of datagrams of one size have few checksums.
                _ => u64::from_be_bytes(payload.bytes.first_chunk().copied().unwrap_or_default()),
            });
            let number = u64::from(id) << 48 | u64::from(checksum) << 32;
            let rest = u64::from(tcp.flags) << 24 | u64::from(from_a) << 23;
            hasher.write_u64(number | rest | u64::from(payload.sent()));
            if self.twice.seen(hasher.finish(), frame.ts) {
                bump(&mut self.stats.duplicates);
                return None;
            }
        }
        bump(&mut self.stats.packets);
        if payload.cut > 0 {
            bump(&mut self.stats.truncated);
        }
        Some(Packet {
            ts: frame.ts,
            number,
            hash,
            pair: u32::try_from(pair >> 32).unwrap_or_default(),
            key,
            from_a,
            tcp,
            payload: span,
            sent: payload.sent(),
            wrapping,
            iface: frame.iface,
        })
    }

    /// Remembers the outermost packet and counts those inside it.
    #[cold]
    fn around(&mut self, outer: Option<Outer>) {
        match (&mut self.outer, outer) {
            (Some(known), Some(_)) => known.depth = known.depth.saturating_add(1),
            (known @ None, found) => *known = found,
            (Some(_), None) => {}
        }
    }

    #[cold]
    fn miss(&mut self, miss: Miss) {
        bump(match miss {
            Miss::NotIp => &mut self.stats.not_ip,
            Miss::Link => &mut self.stats.unknown_link,
            Miss::Short => &mut self.stats.too_short,
            Miss::Malformed => &mut self.stats.malformed,
            Miss::Transport => &mut self.stats.other_transport,
        });
    }
}

/// Takes layers off until there is a flow, a fragment or a tunnel.
#[inline]
fn open<'a>(
    layer: Layer,
    addrs: Addrs,
    view: View<'a>,
    wrapping: &mut Wrapping,
) -> Result<Found<'a>, Miss> {
    let (mut layer, mut view) = (layer, view);
    if let Layer::Link(kind) = layer {
        layer = link::open(kind, &mut view, wrapping)?;
    }
    if let Layer::Ether(kind) = layer {
        layer = link::ether(kind, &mut view, wrapping)?;
    }
    match layer {
        Layer::Ip => ip::packet(view),
        Layer::Arp => ip::arp(view),
        Layer::Upper(protocol) => ip::upper(protocol, addrs, view),
        // A tunnel between tags and IP that carries frames.
        Layer::Link(_) | Layer::Ether(_) => Ok(Found::Inner(layer, view, None)),
    }
}

/// Not multicast (RFC 4291 2.7, RFC 5771) and not the broadcast to all. The broadcast of a network cannot be told.
#[inline]
fn is_one_host(addr: u128) -> bool {
    const V4: u128 = 0xffff_0000_0000;
    addr >> 120 != 0xff && !(addr >> 28 == V4 >> 28 | 0xe || addr >> 28 == V4 >> 28 | 0xf)
}

/// [`FlowKey::new`] on addresses that are numbers still: comparing those is two instructions, and bytes a call.
#[inline]
fn key(addrs: Addrs, ports: (u16, u16), transport: Transport) -> (FlowKey, bool) {
    let end = |addr: u128, port| Endpoint::new(Addr(addr.to_be_bytes()), port);
    let (src, dst) = (end(addrs.src, ports.0), end(addrs.dst, ports.1));
    let from_a = (addrs.src, ports.0) <= (addrs.dst, ports.1);
    let (a, b) = if from_a { (src, dst) } else { (dst, src) };
    let key = FlowKey {
        a,
        b,
        transport,
        vlan: 0,
    };
    (key, from_a)
}

#[inline]
pub(super) fn bump(counter: &mut u64) {
    *counter = counter.wrapping_add(1);
}
