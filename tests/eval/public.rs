//! Captures that others made: `MANIFEST.json` beside them, and `testdata/eval/public.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::case::{Call, Case, Collected, Start, Truth, Visibility};
use super::labels::Labels;
use super::{Result, read};

/// The committed table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    allow: BTreeMap<String, Allowed>,
    file: Vec<Expected>,
    amend: Vec<Amendment>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Allowed {
    detectors: Vec<String>,
    reason: String,
}

/// A label that the JSON of a case leaves out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Amendment {
    case: String,
    expect: Vec<String>,
    reason: String,
}

/// What is true of one file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    path: String,
    /// First eight digits: enough to notice another file under that name.
    sha256: String,
    expect: Vec<String>,
    attacker: Option<String>,
    victim: Option<String>,
    listener: Option<String>,
    target: Option<String>,
    #[serde(default)]
    also: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    relayed: Vec<String>,
    call: Option<Called>,
    #[serde(default)]
    visibility: String,
    #[serde(default)]
    allow: Vec<String>,
    reason: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Called {
    uuid: String,
    opnum: u64,
    method: String,
    path: String,
    transport: String,
}

impl Table {
    pub(crate) fn read(text: &str) -> Result<Self> {
        let table: Self = toml::from_str(text).map_err(|e| format!("public.toml: {e}"))?;
        let reasons = (table.allow.values().map(|a| &a.reason))
            .chain(table.file.iter().map(|f| &f.reason))
            .chain(table.amend.iter().map(|a| &a.reason));
        if reasons.into_iter().any(String::is_empty) {
            return Err("public.toml: an entry without a reason".to_owned());
        }
        Ok(table)
    }

    /// Adds the labels that are known to be missing.
    pub(crate) fn amend(&self, cases: &mut [Case], labels: &Labels) -> Result<()> {
        for amendment in &self.amend {
            for case in cases.iter_mut().filter(|c| c.id() == amendment.case) {
                for label in &amendment.expect {
                    case.truth.expect.push(labels.find(label)?.0);
                }
            }
        }
        Ok(())
    }

    /// Every file of the manifest becomes a case.
    pub(crate) fn collect(&self, dir: &Path, labels: &Labels, all: &mut Collected) {
        let manifest = dir.join("MANIFEST.json");
        if !manifest.exists() {
            let shown = super::shown(dir);
            all.skipped.push(format!("public: {shown} is not here"));
            return;
        }
        if let Err(e) = self.manifest(&manifest, dir, labels, all) {
            all.errors.push(format!("public: {e}"));
        }
    }

    fn manifest(&self, at: &Path, dir: &Path, labels: &Labels, all: &mut Collected) -> Result<()> {
        let manifest: Value = serde_json::from_str(&read(at)?).map_err(|e| e.to_string())?;
        let entries = manifest.as_array().ok_or("MANIFEST.json is no list")?;
        let mut used = 0;
        for entry in entries {
            let path = entry["path"].as_str().ok_or("an entry without a path")?;
            let classes: Vec<&str> = (entry["verdict"]["classes"].as_array())
                .ok_or_else(|| format!("{path}: no verdict"))?
                .iter()
                .filter_map(Value::as_str)
                .collect();
            let known = self.file.iter().find(|f| f.path == path);
            let truth = match known {
                Some(known) => {
                    used += 1;
                    let hash = entry["sha256"].as_str().unwrap_or_default();
                    if !hash.starts_with(&known.sha256) {
                        return Err(format!("{path}: not the file that public.toml is about"));
                    }
                    known.truth(labels)?
                }
                None => self.benign(path, &entry["verdict"], &classes)?,
            };
            all.cases.push(Case {
                set: "public",
                name: path.to_owned(),
                pcap: dir.join(path),
                start: Start::Empty,
                before: None,
                truth,
            });
        }
        if used < self.file.len() {
            return Err(format!(
                "{used} of {} files of public.toml are here",
                self.file.len()
            ));
        }
        Ok(())
    }

    /// A file of which nothing is expected. One that the manifest calls an attack in scope needs an entry.
    fn benign(&self, path: &str, verdict: &Value, classes: &[&str]) -> Result<Truth> {
        if verdict["coercion"] == true || verdict["ntlm_relay"] == true {
            return Err(format!(
                "{path}: an attack by the manifest, but not in public.toml"
            ));
        }
        let mut truth = Truth {
            stories: 1,
            ..Truth::default()
        };
        for class in classes {
            match self.allow.get(*class) {
                Some(allowed) => truth.allow.extend(allowed.detectors.iter().cloned()),
                None if matches!(*class, "none" | "benign_hard_negative" | "synthetic") => {}
                None => return Err(format!("{path}: class {class} is not in public.toml")),
            }
        }
        Ok(truth)
    }
}

impl Expected {
    fn truth(&self, labels: &Labels) -> Result<Truth> {
        let mut truth = Truth {
            malicious: true,
            allow: self.allow.clone(),
            challenges: self.relayed.clone(),
            stories: 1,
            ..Truth::default()
        };
        let roles = [&self.attacker, &self.victim, &self.listener, &self.target];
        for ((slot, role), name) in truth.roles.iter_mut().zip(roles).zip(super::case::ROLES) {
            slot.extend(role.iter().cloned());
            slot.extend(self.also.get(name).into_iter().flatten().cloned());
        }
        for label in &self.expect {
            truth.expect.push(labels.find(label)?.0);
        }
        truth.visibility = match self.visibility.as_str() {
            "readable" => Visibility::Readable,
            "sealed" => Visibility::Sealed,
            "encrypted" => Visibility::Encrypted,
            "" => Visibility::None,
            other => return Err(format!("{}: visibility {other}", self.path)),
        };
        truth.calls.extend(self.call.as_ref().map(|c| Call {
            uuid: c.uuid.clone(),
            opnum: c.opnum,
            method: c.method.clone(),
            path: c.path.clone(),
            transport: c.transport.clone(),
            auth_level: 1,
        }));
        Ok(truth)
    }
}
