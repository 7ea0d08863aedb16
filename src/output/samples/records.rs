//! What is no protocol: findings, alerts, incidents, who is who.

use super::*;

pub(super) fn finding() -> Finding {
    Finding {
        detector: "RW-06",
        kind: "coercion",
        confidence: "high",
        outcome: "attempt",
        attacker: Some(addr(66)),
        victim: Some(addr(10)),
        family: "efsr".to_owned(),
        method_id: "efsr-0".to_owned(),
        interface: Some(EFSR),
        opnum: Some(0),
        path: r"\\192.0.2.66\share\x".to_owned(),
        ..Finding::default()
    }
}

pub(super) fn legs() -> Vec<Leg> {
    let leg = |role, pcap_cnt| Leg {
        role,
        flow: flow(),
        pcap_cnt,
        ts: flow().first_ts,
    };
    let mut unknown = leg(LegRole::Action, 0);
    unknown.flow.app_proto = "";
    vec![
        leg(LegRole::Coercion, 10),
        leg(LegRole::Victim, 20),
        leg(LegRole::Target, 30),
        unknown,
    ]
}

pub(super) fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|s| (*s).to_owned()).collect()
}

pub(super) fn alert() -> Alert {
    Alert {
        ts: flow().first_ts,
        pcap_cnt: 44,
        flow: flow(),
        signature: Arc::new(Signature {
            gid: 1,
            sid: 2_593_001,
            rev: 1,
            title: "Sample".to_owned(),
            id: "7f1c9f6e-0000-4000-8000-000000000000".to_owned(),
            category: "Credential Access".to_owned(),
            level: Level::High,
            detector: "RW-06".to_owned(),
            techniques: texts(&["T1187"]),
            tactics: texts(&["credential_access"]),
            references: texts(&["https://example.com/"]),
            false_positives: Vec::new(),
        }),
        finding: Arc::new(finding()),
        legs: legs(),
        rpc: Some(RpcEvidence {
            interface: EFSR.to_string(),
            version: "1.0".to_owned(),
            opnum: 0,
            method: "EfsRpcOpenFileRaw".to_owned(),
            transport: "ncacn_np".to_owned(),
            auth_type: Some(10),
            auth_level: Some(6),
            sealed: true,
            stub_len: 72,
            path: Some(r"\\192.0.2.66\share\x".to_owned()),
            path_host: Some("192.0.2.66".to_owned()),
        }),
        ntlm: Some(NtlmEvidence {
            server_challenge: Some([1; 8]),
            user: "DC01$".to_owned(),
            domain: "LAB".to_owned(),
            workstation: "DC01".to_owned(),
            target_name: "cifs/192.0.2.66".to_owned(),
            dns_computer_name: "ca01.lab.example".to_owned(),
            mic: "present",
            nt_hash_id: Some([2; 16]),
        }),
        evidence: texts(&["192.0.2.66 called EfsRpcOpenFileRaw on 192.0.2.10."]),
        incident_id: 0x00ff_0000_0000_0001,
        alert_id: 2,
        gaps: 0,
        drops: 0,
        suppressed: true,
        evidence_file: true,
    }
}

/// The least an alert can say.
pub(super) fn bare_alert() -> Alert {
    Alert {
        signature: Arc::new(Signature {
            gid: 2,
            ..Signature::default()
        }),
        finding: Arc::new(Finding::default()),
        legs: Vec::new(),
        rpc: None,
        ntlm: Some(NtlmEvidence::default()),
        evidence: Vec::new(),
        suppressed: false,
        evidence_file: false,
        ..alert()
    }
}

pub(super) fn incident() -> Incident {
    Incident {
        ts: flow().first_ts,
        incident_id: 0x00ff_0000_0000_0001,
        rev: 3,
        detectors: texts(&["RW-01", "RW-06"]),
        techniques: texts(&["T1187", "T1557.001"]),
        methods: texts(&["EfsRpcOpenFileRaw"]),
        level: Level::Critical,
        confidence: "high",
        outcome: "success",
        count: 5,
        roles: Roles {
            attacker: vec![addr(66)],
            victim: vec![addr(10), addr(11)],
            listener: vec![addr(66)],
            target: vec![addr(20)],
        },
        more: 2,
        legs: legs(),
        first_ts: flow().first_ts,
        last_ts: flow().first_ts,
        evidence: texts(&["One sentence."]),
        campaign_id: 9,
        evictions: 4,
        merged_into: 7,
        closed: true,
        evidence_file: true,
    }
}

pub(super) fn identity() -> IdentityChange {
    IdentityChange {
        ts: flow().first_ts,
        change: "moved",
        address: addr(21),
        name: "files1.lab.example".to_owned(),
        names: texts(&["files1.lab.example", "files1"]),
        roles: HostRole::File.into(),
        source: Some(Source::Dhcp),
        since: Some(flow().first_ts),
        previous: Some(addr(20)),
        learning: true,
        suppressed: 3,
    }
}

pub(super) fn posture() -> PostureReport {
    PostureReport {
        ts: flow().first_ts,
        posture: Posture {
            kind: "smb_unsigned".to_owned(),
            host: addr(21),
            count: 9,
            others: vec![addr(50), addr(51)],
            more: 1,
            examples: texts(&["LAB\\\\alice"]),
            first_ts: flow().first_ts,
            last_ts: flow().first_ts,
        },
        names: texts(&["files1.lab.example"]),
        roles: HostRole::File.into(),
        advice: "Require SMB signing.",
    }
}

pub(super) fn sensor() -> SensorRecord {
    SensorRecord {
        outputs: [("siem".to_owned(), OutputCounters::default().all().into())].into(),
        uptime: 60,
        version: "0.1.0",
        key_id: "3f2a".to_owned(),
        workers: 2,
        evicted: [("exchanges", 3)].into(),
        decode_errors: [("smb: header: too short".to_owned(), 1)].into(),
        interfaces: vec![InterfaceStats {
            name: "eth1".to_owned(),
            up: true,
            ..InterfaceStats::default()
        }],
        latency: Some(Latency {
            samples: 10,
            ..Latency::default()
        }),
        ..SensorRecord::default()
    }
}
