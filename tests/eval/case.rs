//! Cases: a capture, and what is true of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::labels::Labels;

/// Roles, in the order in which everything here has them.
pub(crate) const ROLES: [&str; 4] = ["attacker", "victim", "listener", "target"];

/// What the sensor knows before it sees the case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Start {
    /// Nothing.
    #[default]
    Empty,
    /// What an ordinary capture of the same network taught it.
    Warm,
    /// What the operator declared.
    Declared,
}

/// A capture to run.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Where it is from: `recorded`, `derived`, `lab`, `lab-derived`, `shared-lab`, `public`.
    pub(crate) set: &'static str,
    pub(crate) name: String,
    pub(crate) pcap: PathBuf,
    pub(crate) start: Start,
    /// Runs before it, for [`Start::Warm`].
    pub(crate) before: Option<PathBuf>,
    pub(crate) truth: Truth,
}

impl Case {
    /// How the baseline and the report name it.
    pub(crate) fn id(&self) -> String {
        let start = match self.start {
            Start::Empty => "",
            Start::Warm => "+warm",
            Start::Declared => "+declared",
        };
        format!("{}/{}{start}", self.set, self.name)
    }
}

/// A call that coerced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) uuid: String,
    pub(crate) opnum: u64,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) transport: String,
    pub(crate) auth_level: u64,
}

/// What can be seen of the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Visibility {
    /// Interface, operation and path.
    Readable,
    /// Interface and operation.
    Sealed,
    /// Nothing.
    Encrypted,
    /// There is no call.
    #[default]
    None,
}

impl Visibility {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Readable => "readable",
            Self::Sealed => "sealed",
            Self::Encrypted => "encrypted",
            Self::None => "-",
        }
    }
}

/// What is true of a capture.
#[derive(Clone, Debug, Default)]
pub(crate) struct Truth {
    pub(crate) malicious: bool,
    /// Addresses of each role; empty where there is none.
    pub(crate) roles: [Vec<String>; 4],
    /// The role can be told from the file: `also` alone names a host that is not in it.
    pub(crate) told: [bool; 4],
    pub(crate) expect: Vec<String>,
    /// Labels that the file may still show: found they must be right, missed they do not count.
    pub(crate) uncertain: Vec<String>,
    pub(crate) looks_like: Vec<String>,
    /// Detectors that may speak up although nothing malicious is in it, with a reason elsewhere.
    pub(crate) allow: Vec<String>,
    pub(crate) calls: Vec<Call>,
    /// Challenges that were relayed.
    pub(crate) challenges: Vec<String>,
    /// Service names of relayed Kerberos tickets.
    pub(crate) snames: Vec<String>,
    pub(crate) visibility: Visibility,
    /// Made by a program from another capture.
    pub(crate) derived: bool,
    pub(crate) lossy: bool,
    /// Recorded with other addresses, names and ports.
    pub(crate) varied: bool,
    /// What the sensor knows of addresses matters.
    pub(crate) identity: bool,
    /// Incidents an analyst should get.
    pub(crate) stories: usize,
    /// Capture for [`Start::Warm`].
    pub(crate) warm_up: Option<String>,
    /// The file is damaged on purpose.
    pub(crate) damaged: bool,
}

/// Labels whose answer depends on whose address is whose.
const IDENTITY: [&str; 5] = [
    "one-leg:",
    "foreign-machine:",
    "krb-misplaced:",
    "follow-up:",
    "tier0-outbound",
];

impl Truth {
    /// Reads the JSON beside a capture, of this project's lab or of the shared one.
    pub(crate) fn read(json: &Value, labels: &Labels) -> Result<Self, String> {
        let mut truth = Self {
            malicious: json["malicious"] == true,
            looks_like: texts(&json["looks_like"]),
            allow: texts(&json["allow"]),
            calls: list(&json["coercion_events"]).iter().map(call).collect(),
            derived: json["derived_from"].is_string(),
            lossy: json["lossy"] == true,
            varied: json["varied"] == true,
            stories: json["stories"].as_u64().unwrap_or(1) as usize,
            warm_up: json["warm_up"].as_str().map(str::to_owned),
            ..Self::default()
        };
        for ((slot, told), role) in truth.roles.iter_mut().zip(&mut truth.told).zip(ROLES) {
            *slot = texts(&json[role]);
            *told = !slot.is_empty();
            slot.extend(texts(&json["also"][role]));
        }
        for label in texts(&json["expect"]) {
            truth.expect.push(labels.find(&label)?.0);
        }
        for label in texts(&json["uncertain"]) {
            truth.uncertain.push(labels.find(&label)?.0);
        }
        truth.damaged = truth.expect.iter().any(|l| l == "readable-until-damage");
        truth.challenges = list(&json["relay_pairs"])
            .iter()
            .filter_map(|p| Some(p["server_challenge"].as_str()?.to_lowercase()))
            .collect();
        truth.snames = list(&json["kerberos_pairs"])
            .iter()
            .filter_map(|p| Some(p["sname"].as_str()?.to_lowercase()))
            .collect();
        truth.visibility = visibility(json, &truth.calls);
        truth.identity = json["identity"] == true
            || truth
                .expect
                .iter()
                .any(|l| IDENTITY.iter().any(|i| l.starts_with(i)));
        if truth.malicious && truth.expect.is_empty() && truth.uncertain.is_empty() {
            return Err("malicious, but `expect` is empty".to_owned());
        }
        Ok(truth)
    }
}

fn call(event: &Value) -> Call {
    let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
    let transport = match text("transport").as_str() {
        "np" => "ncacn_np".to_owned(),
        "tcp" => "ncacn_ip_tcp".to_owned(),
        "http" | "rpch" | "rpc_over_http_v2" => "ncacn_http".to_owned(),
        other => other.to_owned(),
    };
    // Messages of Windows Search have no interface; theirs is said as nil, and their number (MS-WSP 2.2.2) as opnum.
    let (uuid, opnum) = match text("method").as_str() {
        "CPMCreateQueryIn" => ("00000000-0000-0000-0000-000000000000".to_owned(), 0xca),
        _ => (
            text("uuid").to_lowercase(),
            event["opnum"].as_u64().unwrap_or(u64::MAX),
        ),
    };
    Call {
        uuid,
        opnum,
        method: text("method"),
        path: text("unc"),
        transport,
        auth_level: event["rpc_auth_level"].as_u64().unwrap_or(1),
    }
}

fn visibility(json: &Value, calls: &[Call]) -> Visibility {
    match (&json["visible_rpc"], &json["visible_path"]) {
        (Value::Bool(false), _) => Visibility::Encrypted,
        (Value::Bool(true), Value::Bool(true)) => Visibility::Readable,
        (Value::Bool(true), Value::Bool(false)) => Visibility::Sealed,
        // The older lab does not say; PKT_PRIVACY (6) hides the stub.
        (Value::Bool(true), _) if calls.iter().any(|c| c.auth_level == 6) => Visibility::Sealed,
        (Value::Bool(true), _) => Visibility::Readable,
        _ => Visibility::None,
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A text, several separated by commas, or a list of texts.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(s) => s
            .split(',')
            .map(|t| t.trim().to_owned())
            .filter(|t| !t.is_empty())
            .collect(),
        Value::Array(all) => all.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// What was found of a place that may hold cases.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub(crate) cases: Vec<Case>,
    /// Why the evaluation cannot be trusted: no truth, unmapped label.
    pub(crate) errors: Vec<String>,
    /// Places that are not here.
    pub(crate) skipped: Vec<String>,
}

impl Collected {
    /// Every capture of a folder (not below it) with its JSON.
    pub(crate) fn folder(&mut self, set: &'static str, dir: &Path, labels: &Labels) {
        let Ok(entries) = std::fs::read_dir(dir) else {
            let shown = super::shown(dir);
            self.skipped.push(format!("{set}: {shown} is not here"));
            return;
        };
        let mut files: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
        files.sort();
        let mut by_stem: BTreeMap<String, (Option<PathBuf>, Option<PathBuf>)> = BTreeMap::new();
        for path in files {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let stem = file.split('.').next().unwrap_or_default().to_owned();
            if file.ends_with(".json") {
                by_stem.entry(stem).or_default().1 = Some(path);
            } else if file.contains(".pcap") {
                by_stem.entry(stem).or_default().0 = Some(path);
            }
        }
        for (name, pair) in by_stem {
            let (Some(pcap), Some(json)) = pair else {
                if pair.0.is_some() {
                    self.errors
                        .push(format!("{set}/{name}: a capture without its JSON"));
                }
                continue;
            };
            let read = std::fs::read(&json)
                .map_err(|e| e.to_string())
                .and_then(|text| serde_json::from_slice(&text).map_err(|e| e.to_string()))
                .and_then(|value: Value| Truth::read(&value, labels));
            match read {
                Ok(truth) => self.cases.push(Case {
                    set,
                    name,
                    pcap,
                    start: Start::Empty,
                    before: None,
                    truth,
                }),
                Err(e) => self.errors.push(format!("{set}/{name}: {e}")),
            }
        }
    }
}
