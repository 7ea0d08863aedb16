//! Runs the sensor, in this process, on a fresh state each time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use relaywatch::capture::Series;
use relaywatch::catalog::Catalog;
use relaywatch::correlate::Declared;
use relaywatch::event::SiteKey;
use relaywatch::output::{EventType, EventTypes, OutputSpec, Writer};
use relaywatch::rule::{RuleSet, RuleSource};
use relaywatch::sensor::{self, Memory, Setup, WriterThreads};
use relaywatch::time::Timestamp;
use serde_json::Value;

use super::case::{Case, Start};
use super::start;

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
                reload: relaywatch::sensor::Reload::default(),
                health: relaywatch::sensor::Health::default(),
                tuning: Arc::default(),
                catalog: Arc::new(Catalog::builtin()),
                key: Arc::new(SiteKey::new(&[7; 32])),
                declared: Declared::default(),
                events: EventTypes::NONE.with(EventType::Alert),
                memory: Memory::mib(512),
                stats_interval: Duration::from_secs(30),
                live: false,
                vlan_in_flow_key: false,
                keep: None,
                evidence: None,
                pcap_filename: None,
            },
        })
    }

    /// Replays `pcap`, after `before` if there is such a thing.
    pub(crate) fn run(
        &self,
        pcap: &Path,
        before: Option<&Path>,
        declared: &Declared,
    ) -> Result<Said, String> {
        let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", pcap.display());
        let setup = Setup {
            declared: declared.clone(),
            ..self.setup.clone()
        };
        let out = tempfile::NamedTempFile::new().map_err(|e| fail(&e))?;
        let spec = OutputSpec::file(out.path());
        let writer = Writer::open(&spec, Timestamp::ZERO).map_err(|e| fail(&e))?;
        let outputs = vec![(writer, setup.events)];
        let thread = WriterThreads::start(outputs, false, |trouble| eprintln!("eval: {trouble}"))
            .map_err(|e| fail(&e))?;
        let files = before.into_iter().chain([pcap]).map(Path::to_owned);
        let mut source = Series::open(files, None).map_err(|e| fail(&e))?;
        let stop = AtomicBool::new(false);
        let report = sensor::run(&mut source, &setup, &thread.outlet(), &stop, &mut |_, _| {})
            .map_err(|e| fail(&e))?;
        let lost = thread
            .finish()
            .iter()
            .map(|c| c.lost.load(Relaxed))
            .sum::<u64>();
        if lost > 0 {
            return Err(fail(&format_args!("{lost} lines were not written")));
        }
        let text = std::fs::read(out.path()).map_err(|e| fail(&e))?;
        Ok(Said {
            alerts: alerts(&text, pcap).map_err(|e| fail(&e))?,
            panics: report.panics,
            broken: report.broken,
        })
    }
}

/// The alerts on packets of `pcap`.
fn alerts(lines: &[u8], pcap: &Path) -> Result<Vec<Alert>, String> {
    let mut all = Vec::new();
    for line in lines.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        let value: Value = serde_json::from_slice(line).map_err(|e| e.to_string())?;
        match value["pcap_filename"].as_str() {
            Some(name) if Path::new(name) == pcap => all.push(alert(&value)?),
            Some(_) => {}
            None => return Err("an alert without a file".to_owned()),
        }
    }
    Ok(all)
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
    pub(crate) fn case(&self, case: &Case) -> Result<Said, String> {
        let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
        let before = match &case.before {
            Some(before) => Some(start::shifted(before, &case.pcap, dir.path())?),
            None => None,
        };
        let declared = match case.start {
            Start::Declared => start::declared()?,
            _ => Declared::default(),
        };
        let said = self.run(&case.pcap, before.as_deref(), &declared)?;
        match (&said.broken, case.truth.damaged) {
            (None, true) => Err(format!("{}: the damage was not reported", case.id())),
            _ => Ok(said),
        }
    }
}
