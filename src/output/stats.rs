//! Bodies of `stats` (Suricata's names) and `sensor` (ours).

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::event::{AppCounts, DefragStats, SensorRecord, StatsRecord};

/// A piece of JSON that knows its keys: one table says what is written and in which order.
/// Fields that are empty are left out; zero is not empty.
pub(super) enum Json<'a> {
    Number(u64),
    Text(&'a str),
    Object(&'a [(&'static str, Json<'a>)]),
    Counts(&'a [(&'static str, u64)]),
    List(&'a [Json<'a>]),
    Absent,
}
use Json::{Absent, Counts, List, Number, Object, Text};

impl Json<'_> {
    fn is_empty(&self) -> bool {
        match self {
            Number(_) => false,
            Text(t) => t.is_empty(),
            Object(fields) => fields.iter().all(|(_, v)| v.is_empty()),
            Counts(counts) => counts.is_empty(),
            List(items) => items.is_empty(),
            Absent => true,
        }
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Number(n) => s.serialize_u64(*n),
            Text(t) => s.serialize_str(t),
            List(items) => s.collect_seq(items.iter()),
            Counts(counts) => s.collect_map(counts.iter().copied()),
            Object(fields) => {
                let mut map = s.serialize_map(None)?;
                for (key, value) in fields.iter().filter(|(_, v)| !v.is_empty()) {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
            Absent => s.serialize_none(),
        }
    }
}

/// Calls `put` with the body of a `stats` event.
pub(super) fn with_stats(r: &StatsRecord, put: impl FnOnce(&Json<'_>)) {
    let decoder = &r.decoder;
    let errors = by_protocol(&r.app.error).map(|(name, n)| (name, [("parser", n)]));
    put(&Object(&[
        ("uptime", Number(r.uptime)),
        (
            "capture",
            Object(&[
                ("kernel_packets", Number(r.capture.kernel_packets)),
                ("kernel_drops", Number(r.capture.kernel_drops)),
                ("kernel_ifdrops", Number(r.capture.kernel_ifdrops)),
            ]),
        ),
        (
            "decoder",
            Object(&[
                ("pkts", Number(decoder.pkts)),
                ("bytes", Number(decoder.bytes)),
                ("invalid", Number(decoder.invalid)),
                ("ethernet", Number(decoder.ethernet)),
                ("unknown_ethertype", Number(decoder.unknown_ethertype)),
                ("ipv4", Number(decoder.ipv4)),
                ("ipv6", Number(decoder.ipv6)),
                ("tcp", Number(decoder.tcp)),
                ("udp", Number(decoder.udp)),
                ("vlan", Number(decoder.vlan)),
                ("vlan_qinq", Number(decoder.vlan_qinq)),
                ("gre", Number(decoder.gre)),
                ("vxlan", Number(decoder.vxlan)),
                (
                    "avg_pkt_size",
                    Number(decoder.bytes.checked_div(decoder.pkts).unwrap_or(0)),
                ),
                ("max_pkt_size", Number(decoder.max_pkt_size)),
            ]),
        ),
        (
            "flow",
            Object(&[
                ("total", Number(r.flow.total)),
                ("active", Number(r.flow.active)),
                ("tcp", Number(r.flow.tcp)),
                ("udp", Number(r.flow.udp)),
            ]),
        ),
        (
            "tcp",
            Object(&[
                ("sessions", Number(r.tcp.sessions)),
                ("midstream_pickups", Number(r.tcp.midstream_pickups)),
                ("syn", Number(r.tcp.syn)),
                ("synack", Number(r.tcp.synack)),
                ("rst", Number(r.tcp.rst)),
                ("overlap", Number(r.tcp.overlap)),
                ("reassembly_gap", Number(r.tcp.reassembly_gap)),
                ("segment_memcap_drop", Number(r.tcp.segment_memcap_drop)),
            ]),
        ),
        (
            "defrag",
            Object(&[
                ("ipv4", Object(&defrag(&r.defrag_ipv4))),
                ("ipv6", Object(&defrag(&r.defrag_ipv6))),
                (
                    "max_trackers_reached",
                    Number(r.defrag_max_trackers_reached),
                ),
            ]),
        ),
        (
            "app_layer",
            Object(&[
                (
                    "flow",
                    Counts(&{
                        let [a, b, c, d, e] = by_protocol(&r.app.flow);
                        [a, b, c, d, e, ("failed_tcp", r.app.failed_tcp)]
                    }),
                ),
                ("tx", Counts(&by_protocol(&r.app.tx))),
                (
                    "error",
                    Object(&errors.each_ref().map(|(name, n)| (*name, Counts(n)))),
                ),
            ]),
        ),
        (
            "detect",
            Object(&[
                (
                    "engines",
                    List(&[Object(&[
                        ("id", Number(0)),
                        ("rules_loaded", Number(r.detect.rules_loaded)),
                        ("rules_failed", Number(r.detect.rules_failed)),
                        ("rules_skipped", Number(r.detect.rules_skipped)),
                    ])]),
                ),
                ("alert", Number(r.detect.alert)),
                ("alerts_suppressed", Number(r.detect.alerts_suppressed)),
            ]),
        ),
    ]));
}

fn defrag(d: &DefragStats) -> [(&'static str, Json<'static>); 3] {
    [
        ("fragments", Number(d.fragments)),
        ("reassembled", Number(d.reassembled)),
        ("timeouts", Number(d.timeouts)),
    ]
}

fn by_protocol(c: &AppCounts) -> [(&'static str, u64); 5] {
    [
        ("dcerpc_tcp", c.dcerpc_tcp),
        ("http", c.http),
        ("ldap_tcp", c.ldap_tcp),
        ("smb", c.smb),
        ("tls", c.tls),
    ]
}

/// Calls `put` with the body of a `sensor` event.
pub(super) fn with_sensor(r: &SensorRecord, put: impl FnOnce(&Json<'_>)) {
    let newest = r.newest_packet.map(|t| t.to_string()).unwrap_or_default();
    let latency = r.latency.map(|l| {
        [
            ("samples", Number(l.samples)),
            ("p50_us", Number(l.p50_us)),
            ("p99_us", Number(l.p99_us)),
            ("p999_us", Number(l.p999_us)),
            ("max_us", Number(l.max_us)),
        ]
    });
    put(&Object(&[
        ("uptime", Number(r.uptime)),
        ("version", Text(r.version)),
        ("key_id", Text(&r.key_id)),
        ("workers", Number(r.workers)),
        ("newest_packet", Text(&newest)),
        ("queue_drops", Number(r.queue_drops)),
        ("clock_steps", Number(r.clock_steps)),
        ("late", Number(r.late)),
        ("panics", Number(r.panics)),
        ("evicted", Counts(&r.evicted)),
        ("decode_errors", Counts(&r.decode_errors)),
        ("findings", Counts(&r.findings)),
        ("suppressed", Counts(&r.suppressed)),
        ("incidents", Number(r.incidents)),
        ("incidents_active", Number(r.incidents_active)),
        (
            "busiest_pairs_percent",
            r.busiest_pairs_percent.map_or(Absent, |p| Number(p.into())),
        ),
        (
            "memory",
            Object(&[
                ("flows", Number(r.memory.flows)),
                ("held", Number(r.memory.held)),
                ("correlate", Number(r.memory.correlate)),
                ("budget", Number(r.memory.budget)),
            ]),
        ),
        (
            "output",
            Object(&[
                ("lines", Number(r.output.lines)),
                ("lost", Number(r.output.lost)),
            ]),
        ),
        (
            "latency",
            latency.as_ref().map_or(Absent, |fields| Object(fields)),
        ),
    ]));
}
