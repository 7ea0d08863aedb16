//! What the sensor counts about itself.
//!
//! Two nouns, because replay must be repeatable. A [`StatsRecord`] depends on packets alone and has
//! Suricata's names; it is the same for any number of workers. A [`SensorRecord`] says what depends
//! on the machine or has no name there. Counters run from the start of the source. Their shape
//! is the shape of the EVE object.

use std::collections::BTreeMap;

use serde::Serialize;

/// EVE `stats`: counters that depend on packets alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StatsRecord {
    /// Seconds from the first packet to this record, in packet time.
    pub uptime: u64,
    /// What the capture delivered and lost.
    pub capture: CaptureStats,
    /// What the frames held.
    pub decoder: DecoderStats,
    /// Flows.
    pub flow: FlowCounts,
    /// TCP reassembly.
    pub tcp: TcpStats,
    /// IP reassembly.
    pub defrag: DefragStats,
    /// What flows turned out to be.
    pub app_layer: AppStats,
    /// Alerts.
    pub detect: DetectStats,
}

/// What the capture delivered. For files `kernel_packets` is the number of records read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CaptureStats {
    /// Packets the kernel handed over.
    pub kernel_packets: u64,
    /// Packets the kernel had no room for.
    pub kernel_drops: u64,
    /// Packets the interface dropped.
    pub kernel_ifdrops: u64,
}

/// What the frames held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DecoderStats {
    /// Frames.
    pub pkts: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Frames whose headers make no sense.
    pub invalid: u64,
    /// Frames that carry no IP.
    pub unknown_ethertype: u64,
    /// TCP segments.
    pub tcp: u64,
    /// UDP datagrams.
    pub udp: u64,
}

/// Flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FlowCounts {
    /// Flows seen.
    pub total: u64,
    /// TCP connections among them.
    pub tcp: u64,
    /// Conversations of UDP among them.
    pub udp: u64,
    /// Flows in the table now.
    pub active: u64,
}

/// TCP reassembly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TcpStats {
    /// Connections met in the middle.
    pub midstream_pickups: u64,
    /// Segments that repeat bytes seen before.
    pub overlap: u64,
    /// Holes that were never filled.
    pub reassembly_gap: u64,
    /// Times that held segments were dropped because a limit was met.
    pub segment_memcap_drop: u64,
}

/// What one interface counted since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InterfaceStats {
    /// Its name.
    pub name: String,
    /// It is there and has its link.
    pub up: bool,
    /// Frames fetched.
    pub packets: u64,
    /// Their bytes as captured.
    pub bytes: u64,
    /// Frames the kernel saw for us, those it dropped included.
    pub kernel_packets: u64,
    /// Frames dropped because they were not fetched in time.
    pub kernel_drops: u64,
    /// Frames dropped by the interface or its driver.
    pub kernel_ifdrops: u64,
}

/// IP fragments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DefragStats {
    /// Datagrams dropped because too many were open.
    pub max_trackers_reached: u64,
}

/// What flows turned out to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AppStats {
    /// Flows by protocol.
    pub flow: AppCounts,
}

/// One number a protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AppCounts {
    /// DCE/RPC over TCP.
    pub dcerpc_tcp: u64,
    /// HTTP/1, RPC over HTTP included.
    pub http: u64,
    /// Kerberos over TCP.
    pub krb5_tcp: u64,
    /// Kerberos over UDP.
    pub krb5_udp: u64,
    /// LDAP over TCP.
    pub ldap_tcp: u64,
    /// SMB, all versions.
    pub smb: u64,
    /// TLS: seen, not read.
    pub tls: u64,
    /// TCP that is nothing we know.
    pub failed_tcp: u64,
    /// UDP that is nothing we know.
    pub failed_udp: u64,
}

/// Alerts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DetectStats {
    /// Alerts written.
    pub alert: u64,
    /// Alerts that the configuration suppresses.
    #[serde(skip_serializing_if = "is_zero")]
    pub alerts_suppressed: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde calls it so
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// EVE `sensor`: what depends on the machine and on this run, and what Suricata has no name for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SensorRecord {
    /// Version of the program.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub version: &'static str,
    /// Name of the key under which secrets are hashed; changes when the key does.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key_id: String,
    /// Worker threads.
    pub workers: u64,
    /// Seconds since the start, by the clock.
    pub uptime: u64,
    /// Rules in use.
    pub rules_loaded: u64,
    /// Rules whose events the sensor does not have.
    pub rules_skipped: u64,
    /// Packets lost between capture and worker because a queue was full.
    pub queue_drops: u64,
    /// Packets whose time went backwards in their source, and was held.
    pub clock_steps: u64,
    /// Packets of an interface that came after time had gone on without them, and were given that time.
    pub late: u64,
    /// What each interface counted; none in replay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<InterfaceStats>,
    /// Panics that were caught: each is a bug.
    pub panics: u64,
    /// Events of decoders.
    pub events: u64,
    /// Events that reached the correlator.
    pub sightings: u64,
    /// Findings of native detectors, repeats included.
    pub findings: u64,
    /// Findings that told an incident nothing new.
    pub repeats: u64,
    /// What hosts lost of their own by doing more than is kept of one host.
    pub gave_way: u64,
    /// Incidents opened.
    pub incidents: u64,
    /// Bytes missing in TCP streams.
    pub gap_bytes: u64,
    /// TCP segments that came before their turn.
    pub out_of_order: u64,
    /// Copies that a mirror port made of packets seen just before.
    pub duplicates: u64,
    /// Frames that the capture cut short.
    pub cut_frames: u64,
    /// Frames of link types that are not read.
    pub unsupported_links: u64,
    /// IP fragments.
    pub fragments: FragmentStats,
    /// Things forgotten because a limit of `limits.rs` was met, by kind.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub evicted: BTreeMap<&'static str, u64>,
    /// Anomalies by kind.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub decode_errors: BTreeMap<String, u64>,
    /// Bytes in use.
    pub memory: MemoryStats,
    /// What became of the lines, by output.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, BTreeMap<&'static str, u64>>,
    /// Time to alert, from the packet that decided it or the end of its wait, if there was an alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
}

/// IP fragments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FragmentStats {
    /// Fragments seen.
    pub seen: u64,
    /// Datagrams put together.
    pub reassembled: u64,
    /// Datagrams given up after [`crate::limits::DEFRAG_SECS`].
    pub timeouts: u64,
}

/// Bytes in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MemoryStats {
    /// Flow records.
    pub flows: u64,
    /// Bytes waiting for the bytes before them.
    pub held: u64,
    /// `limits.memory_mib` in bytes.
    pub budget: u64,
}

/// Time from a packet's arrival to the alert it caused, microseconds. In replay, from when its
/// block was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// Alerts measured.
    pub samples: u64,
    /// Median.
    pub p50_us: u64,
    /// 99 of 100.
    pub p99_us: u64,
    /// 999 of 1,000.
    pub p999_us: u64,
    /// The slowest.
    pub max_us: u64,
}
