//! The synthetic mix of traffic with labelled incidents, if its generator and python3 are here.

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use common::{lines, of_type, relaywatch};
use serde_json::Value;

/// Bytes of a small mix: a few seconds of traffic around its incidents.
const BYTES: &str = "3000000";
const INCIDENTS: &str = "14";

/// Writes capture and labels; false if the generator does not run here.
fn mix(dir: &Path, seed: u32, same_actors: bool) -> Option<(String, Value)> {
    let tool = common::shared("tools/mkmix.py")?;
    let (pcap, labels) = (dir.join("mix.pcap"), dir.join("mix.json"));
    let mut python = Command::new("python3");
    python
        .arg(tool)
        .args([
            "--bytes",
            BYTES,
            "--incidents",
            INCIDENTS,
            "--seed",
            &seed.to_string(),
        ])
        .arg("--out")
        .arg(&pcap)
        .arg("--labels")
        .arg(&labels)
        .stdout(std::process::Stdio::null());
    if same_actors {
        python.arg("--same-actors");
    }
    let Ok(status) = python.status() else {
        eprintln!("skipped: mkmix: python3 is not here");
        return None;
    };
    assert!(status.success());
    let labels = serde_json::from_slice(&std::fs::read(labels).unwrap()).unwrap();
    Some((pcap.to_str().unwrap().to_owned(), labels))
}

/// Incidents as they closed, and alerts of medium or higher.
fn replay(pcap: &str) -> (Vec<Value>, Vec<Value>) {
    let out = relaywatch(&["-q", "--events", "alert,incident", "-r", pcap]);
    assert!(out.status.success());
    let all = lines(&out.stdout);
    let closed = of_type(&all, "incident")
        .into_iter()
        .map(|e| e["incident"].clone())
        .filter(|i| i["closed"] == true && is_loud(i));
    let loud = of_type(&all, "alert")
        .into_iter()
        .map(|a| a["alert"]["context"].clone())
        .filter(is_loud);
    (closed.collect(), loud.collect())
}

/// Nothing beside the labels may be at medium or higher; the mix asks for replication as if it were nothing.
fn is_loud(said: &Value) -> bool {
    ["medium", "high", "critical"]
        .iter()
        .any(|l| said["level"] == *l)
}

fn set(value: &Value) -> BTreeSet<String> {
    let texts = value.as_array().into_iter().flatten();
    texts.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn text(label: &Value, key: &str) -> String {
    label[key].as_str().unwrap().to_owned()
}

/// The method's name is the second word of the label's technique, if the technique names one.
fn method(label: &Value) -> Option<String> {
    let technique = text(label, "technique");
    let name = technique.split(' ').nth(1)?.to_owned();
    (name.len() > 6).then_some(name)
}

#[test]
fn every_label_is_one_incident() {
    let dir = tempfile::tempdir().unwrap();
    for seed in 1..=2 {
        let Some((pcap, labels)) = mix(dir.path(), seed, false) else {
            return;
        };
        let (incidents, loud) = replay(&pcap);
        let labels = labels["incidents"].as_array().unwrap();
        assert_eq!((labels.len(), incidents.len()), (14, 14), "seed {seed}");
        let mut ids = BTreeSet::new();
        for label in labels {
            let victim = text(label, "victim");
            let mine = |i: &&Value| set(&i["roles"]["victim"]).contains(&victim);
            let found: Vec<&Value> = incidents.iter().filter(mine).collect();
            assert_eq!(found.len(), 1, "seed {seed}: {label}");
            let incident = found[0];
            for role in ["victim", "listener", "target"] {
                let one = BTreeSet::from([text(label, role)]);
                assert_eq!(set(&incident["roles"][role]), one, "seed {seed}: {label}");
            }
            // Who calls and who relays: one host, or the caller and the listener.
            let attackers = BTreeSet::from([text(label, "attacker"), text(label, "listener")]);
            assert_eq!(
                set(&incident["roles"]["attacker"]),
                attackers,
                "seed {seed}: {label}"
            );
            if let Some(name) = method(label) {
                assert_eq!(set(&incident["methods"]), BTreeSet::from([name]));
            }
            ids.insert(text(incident, "incident_id"));
        }
        for alert in loud {
            assert!(
                ids.contains(alert["incident_id"].as_str().unwrap_or_default()),
                "{alert}"
            );
        }
    }
}

#[test]
fn the_same_actors_are_one_incident_with_everything() {
    let dir = tempfile::tempdir().unwrap();
    let Some((pcap, labels)) = mix(dir.path(), 3, true) else {
        return;
    };
    let (incidents, loud) = replay(&pcap);
    assert_eq!(incidents.len(), 1);
    let incident = &incidents[0];
    let labels = labels["incidents"].as_array().unwrap();
    for (role, listed) in [
        ("victim", &incident["roles"]["victim"]),
        ("listener", &incident["roles"]["listener"]),
        ("attacker", &incident["roles"]["attacker"]),
        ("target", &incident["roles"]["target"]),
    ] {
        let expected: BTreeSet<String> = labels.iter().map(|l| text(l, role)).collect();
        assert_eq!(set(listed), expected, "{role}");
    }
    let methods: BTreeSet<String> = labels.iter().filter_map(method).collect();
    assert!(methods.len() >= 5, "{methods:?}");
    assert!(
        set(&incident["methods"]).is_superset(&methods),
        "{incident}"
    );
    assert!(loud.len() <= 6, "{} alerts", loud.len());
    assert!(
        loud.iter()
            .all(|a| a["incident_id"] == incident["incident_id"])
    );
}
