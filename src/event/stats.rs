//! What the sensor counts about itself.
//!
//! Two nouns, because replay must be repeatable. A [`StatsRecord`] depends on packets alone and
//! carries Suricata's names; it is the same for any number of workers. A [`SensorRecord`] says
//! what depends on the machine: clocks, queues, memory, keys. Counters run from the start.

use crate::time::Timestamp;

/// Counters that depend on packets alone. Field names are Suricata's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatsRecord {
    /// Seconds from the first packet to this record, in packet time.
    pub uptime: u64,
    /// What the capture delivered and lost.
    pub capture: CaptureStats,
    /// What the frames held.
    pub decoder: DecoderStats,
    /// Flows.
    pub flow: FlowStats,
    /// TCP reassembly.
    pub tcp: TcpStats,
    /// IP reassembly, IPv4.
    pub defrag_ipv4: DefragStats,
    /// IP reassembly, IPv6.
    pub defrag_ipv6: DefragStats,
    /// Datagrams dropped because too many were open.
    pub defrag_max_trackers_reached: u64,
    /// Flows and transactions by protocol.
    pub app: AppStats,
    /// Alerts and rules.
    pub detect: DetectStats,
}

/// What the capture delivered. For files `kernel_packets` is the number of records read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaptureStats {
    /// Packets the kernel handed over.
    pub kernel_packets: u64,
    /// Packets the kernel had no room for.
    pub kernel_drops: u64,
    /// Packets the interface dropped.
    pub kernel_ifdrops: u64,
}

/// What the frames held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecoderStats {
    /// Frames.
    pub pkts: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Frames whose headers make no sense.
    pub invalid: u64,
    /// Ethernet frames.
    pub ethernet: u64,
    /// Frames of an EtherType that is not followed.
    pub unknown_ethertype: u64,
    /// IPv4 packets, inner ones included.
    pub ipv4: u64,
    /// IPv6 packets, inner ones included.
    pub ipv6: u64,
    /// TCP segments.
    pub tcp: u64,
    /// UDP datagrams.
    pub udp: u64,
    /// Frames with one VLAN tag.
    pub vlan: u64,
    /// Frames with two.
    pub vlan_qinq: u64,
    /// GRE packets taken off.
    pub gre: u64,
    /// VXLAN packets taken off.
    pub vxlan: u64,
    /// Largest frame, bytes.
    pub max_pkt_size: u64,
}

/// Flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowStats {
    /// Flows seen.
    pub total: u64,
    /// Of them TCP.
    pub tcp: u64,
    /// Of them UDP.
    pub udp: u64,
    /// Flows in the table now.
    pub active: u64,
}

/// TCP reassembly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpStats {
    /// Connections whose start was seen.
    pub sessions: u64,
    /// Connections met in the middle.
    pub midstream_pickups: u64,
    /// SYN segments.
    pub syn: u64,
    /// SYN+ACK segments.
    pub synack: u64,
    /// RST segments.
    pub rst: u64,
    /// Segments that repeat bytes seen before.
    pub overlap: u64,
    /// Holes that were never filled.
    pub reassembly_gap: u64,
    /// Segments not held because a limit was met.
    pub segment_memcap_drop: u64,
}

/// IP fragments of one version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DefragStats {
    /// Fragments seen.
    pub fragments: u64,
    /// Datagrams put together.
    pub reassembled: u64,
    /// Datagrams given up after [`crate::limits::DEFRAG_SECS`].
    pub timeouts: u64,
}

/// Counts by application protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppStats {
    /// Flows in which the protocol was found.
    pub flow: AppCounts,
    /// Transactions: RPC calls, SMB commands, HTTP requests, LDAP operations.
    pub tx: AppCounts,
    /// Anomalies its decoder reported.
    pub error: AppCounts,
    /// TCP flows in which none was found.
    pub failed_tcp: u64,
}

/// One number a protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppCounts {
    /// DCE/RPC over TCP, and inside RPC over HTTP.
    pub dcerpc_tcp: u64,
    /// HTTP/1.
    pub http: u64,
    /// LDAP over TCP.
    pub ldap_tcp: u64,
    /// SMB, all versions.
    pub smb: u64,
    /// TLS.
    pub tls: u64,
}

/// Alerts and rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DetectStats {
    /// Alerts written.
    pub alert: u64,
    /// Alerts that `suppress` or `allow` kept back.
    pub alerts_suppressed: u64,
    /// Rules in use.
    pub rules_loaded: u64,
    /// Rules that could not be loaded.
    pub rules_failed: u64,
    /// Rules whose events the sensor does not have.
    pub rules_skipped: u64,
}

/// What depends on the machine and on this run. Written as our own `sensor` event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SensorRecord {
    /// Seconds since the start, by the clock.
    pub uptime: u64,
    /// Version of the program.
    pub version: &'static str,
    /// Name of the key under which secrets are hashed; changes when the key does. Empty without one.
    pub key_id: String,
    /// Worker threads.
    pub workers: u64,
    /// Time of the newest packet.
    pub newest_packet: Option<Timestamp>,
    /// Packets lost between capture and worker because a queue was full.
    pub queue_drops: u64,
    /// Packets whose time went backwards in their source, and was held.
    pub clock_steps: u64,
    /// Sightings that came after the watermark had passed them.
    pub late: u64,
    /// Panics on a packet that were caught: each is a bug.
    pub panics: u64,
    /// Things forgotten because a limit of `limits.rs` was met, by kind.
    pub evicted: Vec<(&'static str, u64)>,
    /// Anomalies by kind.
    pub decode_errors: Vec<(&'static str, u64)>,
    /// Findings of native detectors by detector, repeats included.
    pub findings: Vec<(&'static str, u64)>,
    /// Findings kept back by `allow` or `suppress`, by reason.
    pub suppressed: Vec<(&'static str, u64)>,
    /// Incidents opened.
    pub incidents: u64,
    /// Incidents open now.
    pub incidents_active: u64,
    /// Share of packets that the ten busiest host pairs have, percent.
    pub busiest_pairs_percent: Option<u8>,
    /// Bytes held by assemblers, decoders and the correlator, and the budget.
    pub memory: MemoryStats,
    /// Lines written and lost.
    pub output: OutputStats,
    /// Packet to line, if it was sampled.
    pub latency: Option<Latency>,
}

/// Bytes in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// Flow records and decoder state.
    pub flows: u64,
    /// Bytes waiting for the bytes before them.
    pub held: u64,
    /// The correlator.
    pub correlate: u64,
    /// `limits.memory_mib` in bytes.
    pub budget: u64,
}

/// What the writer did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputStats {
    /// Lines written, per destination, summed.
    pub lines: u64,
    /// Lines lost because a destination was full or closed.
    pub lost: u64,
}

/// Time from a packet's arrival to the line it caused, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// Samples.
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
