//! What the correlator thread knows in numbers: the `stats` and `sensor` events.

use std::collections::BTreeMap;

use super::super::Outlet;
use super::super::stats::FlowKinds;
use super::Join;
use crate::event::{
    AppCounts, AppStats, CaptureStats, DecoderStats, DefragStats, DetectStats, FlowCounts,
    FragmentStats, InterfaceStats, Latency, MemoryStats, SensorRecord, StatsRecord, TcpStats,
};
use crate::flow::FlowStats;
use crate::output::OutputCounters;
use crate::time::Timestamp;

impl Join {
    pub(super) fn stats_record(&self, until: Timestamp) -> StatsRecord {
        let Totals { flow, kinds, .. } = self.totals();
        let source = &self.capture.source;
        let dissect = &self.capture.dissect;
        let uptime = self
            .first_ts
            .map_or(0, |first| until.since(first).as_secs());
        StatsRecord {
            uptime,
            capture: CaptureStats {
                kernel_packets: source.kernel_packets,
                kernel_drops: source.kernel_drops,
                kernel_ifdrops: source.kernel_ifdrops,
            },
            decoder: DecoderStats {
                pkts: self.capture.packets,
                bytes: self.capture.bytes,
                invalid: dissect.too_short + dissect.malformed,
                unknown_ethertype: dissect.not_ip,
                tcp: dissect.packets - flow.udp - flow.other,
                udp: flow.udp,
            },
            flow: FlowCounts {
                total: flow.opened,
                tcp: flow.opened - flow.udp_flows - flow.other_flows,
                udp: flow.udp_flows,
                active: flow.active,
            },
            tcp: TcpStats {
                midstream_pickups: flow.midstream,
                overlap: flow.retransmissions + flow.overlaps,
                reassembly_gap: flow.gaps,
                segment_memcap_drop: flow.evicted_held,
            },
            defrag: DefragStats {
                max_trackers_reached: dissect.defrag_evictions,
            },
            app_layer: AppStats {
                flow: AppCounts {
                    smb: kinds.smb,
                    dcerpc_tcp: kinds.dcerpc,
                    http: kinds.http,
                    krb5_tcp: kinds.krb5,
                    krb5_udp: kinds.krb5_udp,
                    ldap_tcp: kinds.ldap,
                    tls: kinds.tls,
                    failed_tcp: kinds.unknown,
                    failed_udp: kinds.unknown_udp,
                },
            },
            detect: DetectStats {
                alert: (self.correlator.counters().alerts + self.correlated.alerts())
                    .saturating_sub(self.judge.tuner.unwritten()),
                alerts_suppressed: self.judge.tuner.suppressed(),
            },
        }
    }

    pub(super) fn sensor_record(&self, outlet: &Outlet) -> SensorRecord {
        let Totals {
            flow,
            panics,
            evicted_decoders,
            events,
            ..
        } = self.totals();
        let correlator = self.correlator.counters();
        let dissect = &self.capture.dissect;
        SensorRecord {
            version: env!("CARGO_PKG_VERSION"),
            key_id: self.key_id.clone(),
            workers: self.workers.len() as u64,
            uptime: self.started.elapsed().as_secs(),
            rules_loaded: self.judge.rules.rules().len() as u64,
            rules_skipped: self.judge.rules.skipped().len() as u64,
            queue_drops: self.capture.queue_drops,
            clock_steps: self.capture.clamped,
            late: self.capture.late,
            interfaces: self.interfaces(),
            panics,
            events,
            sightings: correlator.sightings,
            findings: correlator.findings,
            repeats: correlator.repeats,
            gave_way: correlator.gave_way,
            incidents: correlator.incidents,
            gap_bytes: flow.gap_bytes,
            out_of_order: flow.out_of_order,
            duplicates: dissect.duplicates,
            cut_frames: dissect.truncated,
            unsupported_links: self.capture.source.unsupported + dissect.unknown_link,
            fragments: FragmentStats {
                seen: dissect.fragments,
                reassembled: dissect.reassembled,
                timeouts: dissect.defrag_timeouts,
            },
            evicted: [
                ("flows", flow.evicted()),
                ("held_segments", flow.evicted_held),
                ("decoders", evicted_decoders),
                ("fragments", dissect.defrag_evictions),
                ("exchanges", correlator.exchanges_evicted),
                ("pending", correlator.pending_evicted),
                ("identities", correlator.identities_evicted),
                ("incidents", correlator.incidents_evicted),
                ("postures", correlator.postures_evicted),
                ("correlations", self.correlated.evicted()),
                ("evidence", self.evidence.left_out()),
            ]
            .into(),
            decode_errors: self.decode_errors(),
            outputs: outputs(outlet),
            memory: MemoryStats {
                flows: flow.record_bytes,
                held: flow.held_bytes,
                budget: self.budget,
            },
            latency: (!self.latency.is_empty()).then(|| self.latency()),
        }
    }

    pub(super) fn interfaces(&self) -> Vec<InterfaceStats> {
        let Ok(origin) = self.origin.read() else {
            return Vec::new();
        };
        let one = |w: &crate::capture::Watched| InterfaceStats {
            name: w.name.clone(),
            up: w.up,
            packets: w.stats.frames,
            bytes: w.stats.bytes,
            kernel_packets: w.stats.kernel_packets,
            kernel_drops: w.stats.kernel_drops,
            kernel_ifdrops: w.stats.kernel_ifdrops,
        };
        origin.watched.iter().map(one).collect()
    }

    pub(super) fn latency(&self) -> Latency {
        let us = |quantile| self.latency.value_at_quantile(quantile);
        Latency {
            samples: self.latency.len(),
            p50_us: us(0.5),
            p99_us: us(0.99),
            p999_us: us(0.999),
            max_us: self.latency.max(),
        }
    }

    /// Anomalies of all workers by protocol and kind.
    pub(super) fn decode_errors(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for (anomaly, n) in self.anomalies.iter().flatten() {
            let kind = format!("{}: {}: {}", anomaly.protocol, anomaly.what, anomaly.why);
            *all.entry(kind).or_default() += *n;
        }
        all
    }

    /// Counters of all workers together.
    fn totals(&self) -> Totals {
        let mut t = Totals::default();
        for w in &self.workers {
            t.panics += w.panics;
            t.evicted_decoders += w.evicted_decoders;
            t.events += w.events;
            t.flow.add(&w.flow);
            t.kinds.add(&w.flows);
        }
        t
    }
}

/// Sums over workers.
#[derive(Debug, Default)]
struct Totals {
    flow: FlowStats,
    kinds: FlowKinds,
    panics: u64,
    evicted_decoders: u64,
    events: u64,
}

/// Counters of every output.
fn outputs(outlet: &Outlet) -> BTreeMap<String, BTreeMap<&'static str, u64>> {
    let one = |c: &OutputCounters| (c.name.clone(), c.all().into());
    outlet.counters().iter().map(|c| one(c)).collect()
}
