//! Stories told in sightings, for tests of patterns.

use std::sync::Arc;

use super::*;
use crate::event::{Authenticate, Call, Carrier, Level, Mic, OrderKey};
use crate::net::{Direction, Endpoint};
use crate::wire::Guid;

pub(super) const ATTACKER: [u8; 4] = [10, 0, 0, 66];
pub(super) const VICTIM: [u8; 4] = [10, 0, 0, 20];
pub(super) const TARGET: [u8; 4] = [10, 0, 0, 10];
pub(super) const OTHER: [u8; 4] = [10, 0, 0, 50];

/// Every finding is worth a look, at a level that depends on its detector alone.
pub(super) struct Everything(Vec<Arc<Signature>>);

impl Everything {
    pub(super) fn new() -> Self {
        let rule = |sid, detector: &str, level| {
            Arc::new(Signature {
                sid,
                detector: detector.to_owned(),
                level,
                ..Signature::default()
            })
        };
        Self(vec![
            rule(1, "RW-01", Level::Critical),
            rule(2, "RW-02", Level::Critical),
            rule(6, "RW-06", Level::High),
            rule(7, "RW-07", Level::Medium),
            rule(8, "RW-08", Level::High),
            rule(9, "RW-09", Level::Critical),
            rule(15, "RW-15", Level::Critical),
        ])
    }
}

impl Judge for Everything {
    fn judge(&mut self, finding: &Finding, hits: &mut Vec<Arc<Signature>>) {
        let matches = |s: &&Arc<Signature>| s.detector == finding.detector;
        hits.extend(self.0.iter().filter(matches).cloned());
    }
}

/// Tells a story in milliseconds and keeps what the correlator says.
pub(super) struct Story {
    pub(super) correlator: Correlator,
    pub(super) judge: Everything,
    pub(super) said: Vec<Verdict>,
    pub(super) number: u64,
}

impl Story {
    pub(super) fn new() -> Self {
        Self::with(&Declared::default())
    }

    pub(super) fn with(declared: &Declared) -> Self {
        Self {
            correlator: Correlator::new(Arc::new(Catalog::builtin()), declared),
            judge: Everything::new(),
            said: Vec::new(),
            number: 0,
        }
    }

    pub(super) fn at(ms: u64) -> Timestamp {
        Timestamp(1_000_000_000_000 + ms * 1_000_000)
    }

    pub(super) fn tell(&mut self, ms: u64, flow: FlowMeta, seen: Seen) {
        self.number += 1;
        let sighting = Sighting {
            key: OrderKey {
                number: self.number,
                ..OrderKey::default()
            },
            ts: Self::at(ms),
            flow,
            direction: Direction::ToServer,
            seen,
        };
        self.correlator
            .sighting(&sighting, &mut self.judge, &mut self.said);
    }

    pub(super) fn end(mut self, ms: u64) -> Self {
        let Self {
            correlator,
            judge,
            said,
            ..
        } = &mut self;
        correlator.advance(Self::at(ms), judge, said);
        correlator.finish(Self::at(ms), judge, said);
        self
    }

    pub(super) fn alerts(&self) -> Vec<&Alert> {
        self.said
            .iter()
            .filter_map(|v| match v {
                Verdict::Alert(a) => Some(a.as_ref()),
                _ => None,
            })
            .collect()
    }

    pub(super) fn findings(&self) -> Vec<&Finding> {
        self.said
            .iter()
            .filter_map(|v| match v {
                Verdict::Finding(c, _) => Some(c.finding.as_ref()),
                _ => None,
            })
            .collect()
    }

    pub(super) fn closed(&self) -> Vec<&Incident> {
        self.said
            .iter()
            .filter_map(|v| match v {
                Verdict::Incident(i) if i.closed => Some(i.as_ref()),
                _ => None,
            })
            .collect()
    }
}

pub(super) fn flow(id: u64, client: [u8; 4], server: [u8; 4], port: u16) -> FlowMeta {
    FlowMeta {
        flow_id: id,
        client: Endpoint::new(Addr::v4(client), 50_000),
        server: Endpoint::new(Addr::v4(server), port),
        first_ts: Story::at(0),
        ..FlowMeta::default()
    }
}

pub(super) fn challenge(carrier: Carrier, value: u8) -> Seen {
    Seen::Challenge {
        carrier,
        session: 0,
        flags: 0,
        challenge: [value; 8],
        nb_computer: "DC".into(),
        dns_computer: "dc.lab.test".into(),
        message_id: 0,
        session_id: 0,
    }
}

pub(super) fn authenticate(carrier: Carrier, value: u8, response: u8) -> Seen {
    Seen::Authenticate(Box::new(authentication(carrier, value, response)))
}

pub(super) fn authentication(carrier: Carrier, value: u8, response: u8) -> Authenticate {
    Authenticate {
        anonymous: false,
        flags: 0,
        carrier,
        session: 0,
        challenge: Some([value; 8]),
        nt_hash: Some([response; 16]),
        user: "SRV$".into(),
        domain: "LAB".into(),
        workstation: String::new(),
        target_name: String::new(),
        dns_computer: String::new(),
        mic: Mic::Present,
        version1: false,
        channel_bindings: false,
        message_id: 0,
        session_id: 0,
    }
}

pub(super) fn result(carrier: Carrier, success: bool) -> Seen {
    Seen::AuthResult {
        carrier,
        session: 0,
        success,
        code: 0,
    }
}

/// The usual relay: target's challenge first, victim's response first, target answers.
pub(super) fn relay(story: &mut Story, ms: u64, id: u64, value: u8, success: bool) {
    let victim = flow(id, VICTIM, ATTACKER, 445);
    let target = flow(id + 1, ATTACKER, TARGET, 389);
    story.tell(ms, target, challenge(Carrier::Ldap, value));
    story.tell(ms + 1, victim, challenge(Carrier::Smb, value));
    story.tell(ms + 2, victim, authenticate(Carrier::Smb, value, value));
    story.tell(ms + 3, target, authenticate(Carrier::Ldap, value, value));
    story.tell(ms + 4, target, result(Carrier::Ldap, success));
}

/// EfsRpcOpenFileRaw over lsarpc (MS-EFSR 1.9, 3.1.4.2.1).
pub(super) fn efs_call(path: Option<&str>, sealed: bool, call_id: u32) -> Seen {
    Seen::Call(Box::new(Call {
        interface: Guid(0xc681_d488_d850_11d0_8c52_00c0_4fd9_0f7e),
        version: "1.0".into(),
        opnum: 0,
        transport: "ncacn_np",
        named_pipe: "lsarpc".into(),
        association: 0,
        call_id,
        auth_type: None,
        auth_level: None,
        sealed,
        stub_len: 60,
        path: path.map(str::to_owned),
        path_by_scan: false,
        client: None,
    }))
}
