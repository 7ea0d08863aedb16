//! Runs the sensor, in this process, on a fresh state each time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use relaywatch::capture::FileSource;
use relaywatch::catalog::Catalog;
use relaywatch::correlate::Declared;
use relaywatch::event::SiteKey;
use relaywatch::output::{Destination, EventType, EventTypes, Writer};
use relaywatch::rule::{RuleSet, RuleSource};
use relaywatch::sensor::{self, Memory, Setup, WriterThread};
use serde_json::Value;

/// An alert, as far as the score needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Alert {
    pub(crate) gid: u64,
    pub(crate) sid: u64,
    pub(crate) detector: String,
    pub(crate) level: Level,
    pub(crate) incident: String,
    pub(crate) frame: u64,
    /// By [`super::case::ROLES`].
    pub(crate) roles: [Option<String>; 4],
    pub(crate) rpc: Option<Rpc>,
    pub(crate) challenge: Option<String>,
    pub(crate) sname: Option<String>,
    /// Protocols of the victim's and the target's leg.
    pub(crate) legs: (Option<String>, Option<String>),
}

/// The call that an alert names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rpc {
    pub(crate) uuid: String,
    pub(crate) opnum: u64,
    pub(crate) method: String,
    pub(crate) path: Option<String>,
    pub(crate) path_host: Option<String>,
}

/// Sigma's levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    #[default]
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

impl Level {
    pub(crate) const ALL: [Self; 5] = [
        Self::Informational,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::Critical,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Somebody is woken.
    pub(crate) fn is_loud(self) -> bool {
        self >= Self::Medium
    }
}

/// What a run said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) alerts: Vec<Alert>,
    pub(crate) panics: u64,
    /// The file could not be read to its end.
    pub(crate) broken: Option<String>,
}

/// The sensor, ready to be run many times.
pub(crate) struct Sensor {
    setup: Setup,
}

impl Sensor {
    pub(crate) fn new(rules: &[RuleSource]) -> Result<Self, String> {
        let rules = RuleSet::load(rules).map_err(|all| {
            let all: Vec<String> = all.iter().map(ToString::to_string).collect();
            all.join("\n")
        })?;
        Ok(Self {
            setup: Setup {
                workers: 1,
                rules: Arc::new(rules),
                catalog: Arc::new(Catalog::builtin()),
                key: Arc::new(SiteKey::new(&[7; 32])),
                declared: Declared::default(),
                events: EventTypes::NONE.with(EventType::Alert),
                memory: Memory::mib(512),
                stats_interval: Duration::from_secs(30),
                live: false,
                vlan_in_flow_key: false,
                pcap_filename: None,
            },
        })
    }

    /// Replays `pcap`.
    pub(crate) fn run(&self, pcap: &Path, declared: &Declared) -> Result<Said, String> {
        let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", pcap.display());
        let setup = Setup {
            declared: declared.clone(),
            ..self.setup.clone()
        };
        let out = tempfile::NamedTempFile::new().map_err(|e| fail(&e))?;
        let destination = Destination::File(out.path().to_owned());
        let writer = Writer::open(&[destination]).map_err(|e| fail(&e))?;
        let thread = WriterThread::start(writer, |trouble| eprintln!("eval: {trouble}"))
            .map_err(|e| fail(&e))?;
        let mut source = FileSource::open(pcap).map_err(|e| fail(&e))?;
        let stop = AtomicBool::new(false);
        let report = sensor::run(&mut source, &setup, &thread.outlet(), &stop, &mut |_| {})
            .map_err(|e| fail(&e))?;
        let lost = thread.finish().map_or(1, |writer| writer.lost());
        if lost > 0 {
            return Err(fail(&format_args!("{lost} lines were not written")));
        }
        let text = std::fs::read(out.path()).map_err(|e| fail(&e))?;
        Ok(Said {
            alerts: alerts(&text).map_err(|e| fail(&e))?,
            panics: report.panics,
            broken: report.broken,
        })
    }
}

fn alerts(lines: &[u8]) -> Result<Vec<Alert>, String> {
    lines
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            let value: Value = serde_json::from_slice(line).map_err(|e| e.to_string())?;
            alert(&value)
        })
        .collect()
}

/// Reads one alert. A field that is not where it should be is an error, not an empty alert.
pub(crate) fn alert(value: &Value) -> Result<Alert, String> {
    let context = &value["alert"]["context"];
    let text = |v: &Value| v.as_str().map(str::to_owned);
    let level = Level::ALL
        .into_iter()
        .find(|l| context["level"] == l.name())
        .ok_or_else(|| format!("an alert without a level: {value}"))?;
    let mut roles: [Option<String>; 4] = Default::default();
    for (slot, role) in roles.iter_mut().zip(super::case::ROLES) {
        *slot = text(&context["roles"][role]);
    }
    let leg = |role: &str| {
        let legs = context["legs"].as_array()?;
        text(&legs.iter().find(|l| l["role"] == role)?["app_proto"])
    };
    let rpc = context["rpc"].is_object().then(|| Rpc {
        uuid: text(&context["rpc"]["interface"]).unwrap_or_default(),
        opnum: context["rpc"]["opnum"].as_u64().unwrap_or(u64::MAX),
        method: text(&context["rpc"]["method"]).unwrap_or_default(),
        path: text(&context["rpc"]["path"]),
        path_host: text(&context["rpc"]["path_host"]),
    });
    Ok(Alert {
        gid: value["alert"]["gid"]
            .as_u64()
            .ok_or("an alert without a gid")?,
        sid: value["alert"]["signature_id"]
            .as_u64()
            .ok_or("an alert without a sid")?,
        detector: text(&context["detector"]).unwrap_or_default(),
        level,
        incident: text(&context["incident_id"]).unwrap_or_default(),
        frame: value["pcap_cnt"].as_u64().unwrap_or_default(),
        roles,
        rpc,
        challenge: text(&context["ntlm"]["server_challenge"]).map(|c| c.to_lowercase()),
        sname: text(&context["krb"]["sname"]).map(|s| s.to_lowercase()),
        legs: (leg("victim"), leg("target")),
    })
}

impl Sensor {
    /// Runs a case as it says.
    pub(crate) fn case(&self, case: &super::case::Case) -> Result<Said, String> {
        let said = self.run(&case.pcap, &Declared::default())?;
        match (&said.broken, case.truth.damaged) {
            (None, true) => Err(format!("{}: the damage was not reported", case.id())),
            _ => Ok(said),
        }
    }
}
