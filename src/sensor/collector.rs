//! What a worker collects for the next round: lines of protocol events, sightings, and what is counted.

use std::collections::HashMap;
use std::sync::Arc;

use super::actions::done;
use super::claims::Claims;
use super::origin;
use super::queue::{Item, What};
use super::sighting::{keyed, protocol_of, seen};
use super::stats::FlowKinds;
use super::worker::flow_id;
use crate::event::{
    Anomaly, Event, FlowMeta, OrderKey, Seen, Sighting, Signature, Sink, SiteKey, Trace,
};
use crate::flow::FlowInfo;
use crate::net::{Direction, Outer, Side, Transport};
use crate::output::{EventTypes, Header, Lines, write_event};
use crate::rule::{OnFlow, RuleSet, Scratch};

/// Kinds of anomalies counted one by one; the rest only in sum.
const ANOMALY_KINDS: usize = 256;

/// What a worker collects for the next round.
#[derive(Debug)]
pub(super) struct Collector {
    pub(super) rules: Arc<RuleSet>,
    pub(super) key: Arc<SiteKey>,
    pub(super) events: EventTypes,
    pub(super) pcap_filename: Option<String>,
    pub(super) origin: Arc<origin::Shared>,
    pub(super) catalog: Arc<crate::catalog::Catalog>,
    pub(super) claims: Claims,
    pub(super) items: Vec<Item>,
    pub(super) lines: Lines,
    pub(super) scratch: Scratch,
    pub(super) traces: Vec<Trace>,
    pub(super) hits: Vec<Arc<Signature>>,
    pub(super) anomalies: HashMap<Anomaly, u64>,
    pub(super) anomalies_changed: bool,
    pub(super) events_seen: u64,
    pub(super) anomalies_seen: u64,
    pub(super) flows: FlowKinds,
    /// Number of the last packet of the round, while timeouts are handled.
    pub(super) expiring: Option<u64>,
    /// Items of this round so far.
    pub(super) index: u32,
}

impl Collector {
    /// Where the next item belongs. A worker makes the items of one packet, or of one flow's
    /// timeout, in order, so counting through the round keeps them so.
    pub(super) fn next_key(&mut self, info: &FlowInfo, flow_id: u64) -> OrderKey {
        self.index = self.index.saturating_add(1);
        OrderKey {
            number: self.expiring.unwrap_or(info.last_number),
            expired: if self.expiring.is_some() { flow_id } else { 0 },
            index: self.index,
        }
    }

    /// A flow turned out to be something.
    pub(super) fn identified(&mut self, app_proto: &'static str, transport: Transport) {
        let count = match app_proto {
            "smb" => &mut self.flows.smb,
            "dcerpc" => &mut self.flows.dcerpc,
            "http" => &mut self.flows.http,
            "krb5" if transport == Transport::Udp => &mut self.flows.krb5_udp,
            "krb5" => &mut self.flows.krb5,
            "ldap" => &mut self.flows.ldap,
            "tls" => &mut self.flows.tls,
            "" => return,
            _ if transport != Transport::Tcp => &mut self.flows.unknown_udp,
            _ => &mut self.flows.unknown,
        };
        *count += 1;
    }

    pub(super) fn sighting(
        &mut self,
        info: &FlowInfo,
        flow: FlowMeta,
        direction: Direction,
        seen: Seen,
    ) {
        let key = self.next_key(info, flow.flow_id);
        let sighting = Sighting {
            key,
            ts: info.at,
            flow,
            direction,
            seen,
        };
        self.items.push(Item {
            key,
            what: What::Sighting(Box::new(sighting)),
        });
    }

    pub(super) fn count_anomaly(&mut self, anomaly: &Anomaly) {
        self.anomalies_seen += 1;
        if let Some(n) = self.anomalies.get_mut(anomaly) {
            *n += 1;
            self.anomalies_changed = true;
        } else if self.anomalies.len() < ANOMALY_KINDS {
            self.anomalies.insert(*anomaly, 1);
            self.anomalies_changed = true;
        }
    }

    pub(super) fn write(
        &mut self,
        info: &FlowInfo,
        flow: &FlowMeta,
        direction: Direction,
        event: &Event<'_>,
    ) {
        let start = self.lines.len();
        let origin = self.origin.read();
        let (names, number) = (origin.as_ref().ok(), info.last_number);
        let (file, pcap_cnt) = names.map_or((None, number), |o| o.place(number));
        let header = Header {
            ts: info.at,
            flow: Some(flow),
            in_iface: names.and_then(|o| o.iface(flow.iface)),
            pcap_cnt: Some(pcap_cnt),
            pcap_filename: file.or(self.pcap_filename.as_deref()),
            direction: Some(direction),
            tx_id: None,
        };
        write_event(&mut self.lines, self.events, &header, event);
        drop(origin);
        let end = self.lines.len();
        if end > start {
            let key = self.next_key(info, flow.flow_id);
            self.items.push(Item {
                key,
                what: What::Line { start, end },
            });
        }
    }
}

/// The sink of one flow.
pub(super) struct FlowSink<'w> {
    pub(super) collector: &'w mut Collector,
    pub(super) info: &'w FlowInfo,
    pub(super) flow_id: &'w mut u64,
    pub(super) tunnel: Option<Outer>,
    /// Known once the protocol is.
    pub(super) client: Option<Side>,
    pub(super) side: Side,
    pub(super) app_proto: &'static str,
}

impl FlowSink<'_> {
    pub(super) fn meta(&mut self, direction: Direction, event: &Event<'_>) -> FlowMeta {
        // Before the first chunk was identified, the event itself says who is client.
        let client = self.client.unwrap_or(match direction {
            Direction::ToServer => self.side,
            Direction::ToClient => self.side.other(),
        });
        let app_proto = if self.app_proto.is_empty() {
            protocol_of(event)
        } else {
            self.app_proto
        };
        FlowMeta {
            flow_id: flow_id(self.info, self.flow_id),
            client: self.info.key.end(client),
            server: self.info.key.end(client.other()),
            transport: self.info.key.transport,
            first_ts: self.info.first_ts,
            vlan: self.info.wrapping.vlan,
            tunnel: self.tunnel,
            iface: self.info.iface,
            app_proto,
            gaps: self.info.gaps,
            one_way: self.info.sent(client) > 0 && self.info.sent(client.other()) == 0,
        }
    }
}

impl Sink for FlowSink<'_> {
    fn event(&mut self, direction: Direction, event: &Event<'_>) {
        self.collector.events_seen += 1;
        if let Event::Anomaly(anomaly) = event {
            self.collector.count_anomaly(anomaly);
        }
        let keyed = keyed(&self.collector.key, event);
        let event = keyed.as_ref().unwrap_or(event);
        let wanted = self.collector.events.any_protocol();
        let judged = event
            .fields()
            .filter(|f| self.collector.rules.is_interesting(f.schema()));
        let seen = seen(&self.collector.key, &self.collector.catalog, event);
        let done = done(event);
        let speaks = Claims::may_speak(event);
        let mut traces = std::mem::take(&mut self.collector.traces);
        let source = self.info.key.end(self.side).addr;
        super::trace::traces(&self.collector.catalog, source, event, &mut traces);
        if !wanted
            && judged.is_none()
            && seen.is_none()
            && done.is_none()
            && traces.is_empty()
            && !speaks
        {
            self.collector.traces = traces;
            return;
        }
        let flow = self.meta(direction, event);
        if wanted {
            self.collector.write(self.info, &flow, direction, event);
        }
        if let Some(fields) = judged {
            let Collector {
                rules,
                scratch,
                hits,
                ..
            } = &mut *self.collector;
            let event = OnFlow {
                event: fields,
                flow: &flow,
            };
            hits.clear();
            rules.matches(&event, scratch, hits);
            while let Some(signature) = self.collector.hits.pop() {
                let captured = self.collector.rules.capture(&signature, &event);
                let hit = super::sighting::hit(signature, captured, fields);
                self.collector.sighting(self.info, flow, direction, hit);
            }
        }
        for seen in [seen, done].into_iter().flatten() {
            self.collector.sighting(self.info, flow, direction, seen);
        }
        for trace in traces.drain(..) {
            self.collector
                .sighting(self.info, flow, direction, Seen::Trace(Box::new(trace)));
        }
        self.collector.traces = traces;
        if speaks {
            let mut claims = std::mem::take(&mut self.collector.claims);
            for seen in claims.of(event, direction, &flow, self.info.at) {
                self.collector.sighting(self.info, flow, direction, seen);
            }
            self.collector.claims = claims;
        }
    }
}
