//! Tuning as an operator does it: what is suppressed is not written, but counted, and can be shown.

use std::fs;
use std::process::Command;

const CAPTURE: &str = "testdata/captures/relay_smb_http_adcs.pcap";

/// Runs with a configuration; the events, and what was said.
fn run(toml: &str, args: &[&str]) -> (Vec<serde_json::Value>, String, Option<i32>) {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("relaywatch.toml");
    fs::write(&config, toml).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_relaywatch"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["-r", CAPTURE, "-c"])
        .arg(&config)
        .args(args)
        .output()
        .unwrap();
    let lines = String::from_utf8(done.stdout).unwrap();
    let events = lines
        .lines()
        .filter_map(|l| serde_json::from_str(l).ok())
        .collect();
    (
        events,
        String::from_utf8(done.stderr).unwrap(),
        done.status.code(),
    )
}

fn alerts(events: &[serde_json::Value]) -> Vec<&serde_json::Value> {
    events
        .iter()
        .filter(|e| e["event_type"] == "alert")
        .collect()
}

fn suppressed(events: &[serde_json::Value]) -> u64 {
    let stats = events.iter().rfind(|e| e["event_type"] == "stats").unwrap();
    stats["stats"]["detect"]["alerts_suppressed"]
        .as_u64()
        .unwrap_or(0)
}

#[test]
fn suppressed_alerts_are_counted_and_can_be_shown() {
    let (plain, ..) = run("", &[]);
    let all = alerts(&plain);
    assert!(!all.is_empty());
    assert_eq!(suppressed(&plain), 0);
    let detector = all[0]["alert"]["context"]["detector"].as_str().unwrap();
    let of_detector = |e: &&&serde_json::Value| e["alert"]["context"]["detector"] == detector;
    let gone = all.iter().filter(of_detector).count();

    let toml = format!("[[suppress]]\nrule = \"{detector}\"\nreason = \"test\"\n");
    let (quiet, ..) = run(&toml, &[]);
    assert_eq!(alerts(&quiet).iter().filter(of_detector).count(), 0);
    assert!(suppressed(&quiet) >= gone as u64);

    let (shown, ..) = run(&toml, &["--show-suppressed"]);
    let shown = alerts(&shown);
    let marked = shown.iter().filter(of_detector);
    let marked: Vec<_> = marked
        .map(|e| &e["alert"]["context"]["suppressed"])
        .collect();
    assert!(marked.len() >= gone && marked.iter().all(|s| **s == true));
}

/// A rule of the operator's own, on NTLM messages.
const OWN: &str = r"
title: A machine account logs on by NTLM
id: 0c8e7cbb-9b3b-4c8f-8a1e-6f2d9a1b7c55
sid: 1000001
status: test
name: machine_logon
logsource: {product: relaywatch, service: ntlm, category: authenticate}
detection: {s: {username|endswith: $}, condition: s}
level: low
";

fn own(events: &[serde_json::Value]) -> usize {
    let of_own = |e: &&&serde_json::Value| e["alert"]["signature_id"] == 1_000_001;
    alerts(events).iter().filter(of_own).count()
}

/// The account of an event, where it names one, is as good as that of a finding.
#[test]
fn an_event_is_suppressed_by_its_account() {
    let dir = tempfile::tempdir().unwrap();
    let rule = dir.path().join("own_rule_test.yml");
    fs::write(&rule, OWN).unwrap();
    let rule = rule.to_str().unwrap();
    let (plain, said, _) = run("", &["-S", rule]);
    assert!(own(&plain) > 0, "{said}");
    for (account, hidden) in [("SRV1$", true), (r"lab\\srv1$", true), ("FILES1$", false)] {
        let toml = format!("[[suppress]]\naccount = [\"{account}\"]\nreason = \"test\"\n");
        let (tuned, said, _) = run(&toml, &["-S", rule]);
        let want = if hidden { 0 } else { own(&plain) };
        assert_eq!(own(&tuned), want, "{account}: {said}");
        if hidden {
            assert!(suppressed(&tuned) >= own(&plain) as u64);
        }
    }
}

/// Correlation rules count over packet time, whatever the number of workers.
#[test]
fn correlations_are_the_same_for_any_number_of_workers() {
    let dir = tempfile::tempdir().unwrap();
    let rule = dir.path().join("own_correlation_test.yml");
    let correlation = r"
title: Twice within a minute
id: 5d8c3c3a-47e1-4e0c-9c4e-0a4b0f6e2a11
sid: 1000002
status: test
level: medium
correlation:
    type: event_count
    rules: [machine_logon]
    group-by: [username]
    timespan: 1m
    condition: {gte: 2}
";
    fs::write(&rule, format!("{OWN}---{correlation}")).unwrap();
    let of = |workers: &str| -> Vec<(serde_json::Value, serde_json::Value)> {
        let (events, said, _) = run("", &["-S", rule.to_str().unwrap(), "-w", workers]);
        let found: Vec<_> = alerts(&events)
            .iter()
            .filter(|e| e["alert"]["signature_id"] == 1_000_002)
            .map(|e| (e["timestamp"].clone(), e["pcap_cnt"].clone()))
            .collect();
        assert!(!found.is_empty(), "{said}");
        found
    };
    let one = of("1");
    assert_eq!(of("2"), one);
    assert_eq!(of("4"), one);
}

#[test]
fn levels_are_overridden_and_rules_that_are_not_are_errors() {
    let (plain, ..) = run("", &[]);
    let sid = alerts(&plain)[0]["alert"]["signature_id"].clone();
    let (events, ..) = run(&format!("[levels]\n\"{sid}\" = \"informational\"\n"), &[]);
    let of_sid = alerts(&events)
        .into_iter()
        .find(|e| e["alert"]["signature_id"] == sid)
        .unwrap();
    assert_eq!(of_sid["alert"]["severity"], 4);
    assert_eq!(of_sid["alert"]["context"]["level"], "informational");

    let (_, said, code) = run("[[suppress]]\nrule = 4711\n", &[]);
    assert!(said.contains("no rule has the sid 4711"), "{said}");
    assert_eq!(code, Some(2));
}

#[test]
fn the_configuration_is_told_by_the_test_flag() {
    let toml = "[[suppress]]\nrule = \"RW-06\"\nsource = [\"10.0.0.0/8\"]\n";
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("c.toml");
    fs::write(&config, toml).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_relaywatch"))
        .args(["-T", "-c"])
        .arg(&config)
        .output()
        .unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(
        said.contains("suppress       RW-06, from 10.0.0.0/8"),
        "{said}"
    );
}
