//! What must hold on real traffic, beyond what `tests/eval` scores (detector, roles, call, challenge,
//! silence): counts, outcomes, and what no alert may mention. The captures are not ours to ship: they are looked for in
//! `../shared/captures`, and without them each test says that it was skipped.

mod common;

use common::{loud, of_type, replay, shared};
use serde_json::Value;
use std::path::PathBuf;

fn public(name: &str) -> Option<PathBuf> {
    shared(&format!("captures/public/{name}"))
}

fn context(alert: &Value) -> &Value {
    &alert["alert"]["context"]
}

fn detector<'a>(alerts: &[&'a Value], detector: &str) -> Vec<&'a Value> {
    alerts
        .iter()
        .copied()
        .filter(|a| context(a)["detector"] == detector)
        .collect()
}

#[test]
fn reaper_is_exactly_one_relay() {
    let Some(path) = public("luckystars0612__Sherlock-HTB/Reaper__ntlmrelay.pcapng") else {
        return;
    };
    let events = replay(&path, &[]);
    let alerts = of_type(&events, "alert");
    let relays = detector(&alerts, "RW-01");
    assert_eq!(relays.len(), 1, "{alerts:#?}");
    let c = context(relays[0]);
    assert_eq!(c["ntlm"]["server_challenge"], "8e8b6a05f4d0160f");
    assert_eq!(c["roles"]["victim"], "172.17.79.136");
    assert_eq!(c["roles"]["listener"], "172.17.79.135");
    assert_eq!(c["roles"]["target"], "172.17.79.129");
    let legs = c["legs"].as_array().unwrap();
    assert!(legs.iter().all(|l| l["app_proto"] == "smb"), "{legs:?}");
    // The victim asked for a misspelt host by LLMNR and mDNS, and the relay answered.
    let poisoning = detector(&alerts, "RW-20");
    assert_eq!(poisoning.len(), 1, "{alerts:#?}");
    assert_eq!(context(poisoning[0])["roles"]["victim"], "172.17.79.136");
    assert_eq!(context(poisoning[0])["roles"]["attacker"], "172.17.79.135");
    assert_eq!(loud(&events).len(), 2, "nothing else: {alerts:#?}");
    let text = events.iter().map(Value::to_string).collect::<String>();
    assert!(
        !text.contains("4141414141414141"),
        "the static challenge is no relay"
    );
}

#[test]
fn unpatched_dc_is_efs_rpc_open_file_raw_and_nothing_else() {
    let Some(path) = public("corelight__PetitPotam/UnPatchedDCOpenFileRaw.pcapng") else {
        return;
    };
    let events = replay(&path, &[]);
    let alerts = of_type(&events, "alert");
    // The callback was over before the call was answered: one alert tells both.
    let calls = detector(&alerts, "RW-08");
    assert_eq!(calls.len(), 1, "{alerts:#?}");
    let c = context(calls[0]);
    assert_eq!(c["rpc"]["method"], "EfsRpcOpenFileRaw");
    assert_eq!(c["rpc"]["path"], r"\\192.168.0.15\test\Settings.ini");
    assert_eq!(
        c["rpc"]["interface"],
        "c681d488-d850-11d0-8c52-00c04fd90f7e"
    );
    // The replication between the two domain controllers is not an alarm.
    for alert in &alerts {
        let family = context(alert)["rpc"]["interface"]
            .as_str()
            .unwrap_or_default();
        assert_ne!(family, "e3514235-4b06-11d1-ab04-00c04fc2dcd2");
    }
}

#[test]
fn srvsvc_74_is_an_attempt_that_failed() {
    let Some(path) = public("corelight__CVE-2022-30216/unsuccessful.pcap") else {
        return;
    };
    let events = replay(&path, &[]);
    let alerts = of_type(&events, "alert");
    let calls: Vec<_> = alerts
        .iter()
        .filter(|a| context(a)["rpc"]["opnum"] == 74)
        .collect();
    assert_eq!(calls.len(), 1, "{alerts:#?}");
    assert_eq!(context(calls[0])["outcome"], "failure");
}

#[test]
fn one_challenge_of_many_servers_is_no_relay() {
    for name in [
        "unit_tests__pcaps__smb.pcap",
        "unit_tests__pcaps__emix.pcap",
    ] {
        let Some(path) = public(&format!("cisco__mercury/{name}")) else {
            return;
        };
        let events = replay(&path, &[]);
        let alerts = of_type(&events, "alert");
        assert!(detector(&alerts, "RW-01").is_empty(), "{alerts:#?}");
        assert!(detector(&alerts, "RW-02").is_empty(), "{alerts:#?}");
    }
}

/// Ground truth of a lab capture.
fn truth(name: &str) -> Option<(PathBuf, Value)> {
    let pcap = shared(&format!("captures/lab/{name}.pcap"))?;
    let json = std::fs::read(pcap.with_extension("json")).unwrap();
    Some((pcap, serde_json::from_slice(&json).unwrap()))
}

#[test]
fn lab_coercion_is_named_on_the_right_victim() {
    let Some(dir) = shared("captures/lab") else {
        return;
    };
    let mut seen = 0;
    let mut wrong = Vec::new();
    for path in common::captures(&dir) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let wanted = name.starts_with("efs_np_")
            || name.starts_with("efs_tcp_")
            || name == "efs_ncacn_http_593"
            || name == "efs_rpc_over_http_v2"
            || name.starts_with("coerce_");
        let (_, truth) = truth(&name).unwrap();
        if !wanted || truth["visible_rpc"] != true {
            continue;
        }
        seen += 1;
        let events = replay(&path, &[]);
        let alerts = of_type(&events, "alert");
        let calls: Vec<_> = alerts
            .iter()
            .filter(|a| context(a)["rpc"].is_object())
            .collect();
        let expected = truth["coercion_events"].as_array().unwrap();
        let found = calls.iter().any(|a| {
            let c = context(a);
            expected.iter().any(|e| {
                let sealed = e["rpc_auth_level"] == 6;
                e["method"] == c["rpc"]["method"]
                    && c["roles"]["victim"] == truth["victim"]
                    && (sealed || e["unc"] == c["rpc"]["path"])
            })
        });
        if !found {
            wrong.push(format!("{name}: expected {expected:.400?}, got {calls:#?}"));
        }
        let mut sids: Vec<_> = calls
            .iter()
            .map(|a| a["alert"]["signature_id"].to_string())
            .collect();
        let before = sids.len();
        sids.sort();
        sids.dedup();
        if before != sids.len() {
            wrong.push(format!(
                "{name}: a burst of calls is one alert, got {before}"
            ));
        }
        let count: u64 = of_type(&events, "incident")
            .iter()
            .filter_map(|i| i["incident"]["count"].as_u64())
            .max()
            .unwrap_or(0);
        if count < expected.len() as u64 {
            wrong.push(format!(
                "{name}: {count} counted of {} calls",
                expected.len()
            ));
        }
    }
    assert!(seen >= 20, "only {seen} captures");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn lab_relays_have_the_right_roles() {
    for name in [
        "chain_petitpotam_smb_ldap_ok",
        "chain_petitpotam_smb_adcs_esc8",
        "relay_http_smb",
        "relay_http_adcs",
    ] {
        let Some((path, truth)) = truth(name) else {
            return;
        };
        let events = replay(&path, &[]);
        let alerts = of_type(&events, "alert");
        let relays = detector(&alerts, "RW-01");
        assert_eq!(relays.len(), 1, "{name}: {alerts:#?}");
        let c = context(relays[0]);
        for role in ["victim", "listener", "target"] {
            assert_eq!(c["roles"][role], truth[role], "{name}: {role}");
        }
        let pairs = truth["relay_pairs"].as_array().unwrap();
        assert!(
            pairs
                .iter()
                .any(|p| p["server_challenge"] == c["ntlm"]["server_challenge"]),
            "{name}: {}",
            c["ntlm"]
        );
        let web = detector(&alerts, "RW-15");
        let adcs = name.contains("adcs");
        assert_eq!(
            web.len(),
            usize::from(adcs),
            "{name}: enrolment: {alerts:#?}"
        );
        let ids: std::collections::BTreeSet<_> = loud(&events)
            .iter()
            .map(|a| context(a)["incident_id"].to_string())
            .collect();
        assert_eq!(ids.len(), 1, "{name}: one story: {alerts:#?}");
    }
}

/// Design §4: what looks like a print client that asks for notification is low, even with the
/// callback. Here the call is sealed, so not even its path could raise it.
#[test]
fn printerbug_level_is_earned() {
    let Some((path, truth)) = truth("coerce_printerbug") else {
        return;
    };
    assert_eq!(truth["coercion_events"][0]["rpc_auth_level"], 6);
    let events = replay(&path, &[]);
    let alerts = of_type(&events, "alert");
    // The callback says all that the call does.
    let said: Vec<String> = alerts
        .iter()
        .map(|a| format!("{} {}", context(a)["detector"], context(a)["level"]))
        .collect();
    assert_eq!(said, [r#""RW-08" "low""#], "{alerts:#?}");
}

/// Every other capture runs to its end: no panic, no error exit but for what cannot be read at all,
/// and within 250 MiB of address space, so under 200 MiB of memory.
#[test]
fn every_capture_runs_to_its_end() {
    let Some(dir) = shared("captures") else {
        return;
    };
    let mut seen = 0;
    for path in common::captures(&dir) {
        seen += 1;
        let out = std::process::Command::new("sh")
            .arg("-c")
            .arg("ulimit -v 256000; exec \"$0\" -q -w 2 --events sensor -r \"$1\"")
            .arg(env!("CARGO_BIN_EXE_relaywatch"))
            .arg(&path)
            // glibc reserves 64 MiB of addresses for each thread that allocates, used or not.
            .env("MALLOC_ARENA_MAX", "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(0), "{}: {said}", path.display());
        assert!(
            !said.contains("internal error"),
            "{}: {said}",
            path.display()
        );
        let events = common::lines(&out.stdout);
        let sensor = of_type(&events, "sensor");
        assert_eq!(
            sensor.last().unwrap()["sensor"]["panics"],
            0,
            "{}",
            path.display()
        );
    }
    assert!(seen > 300, "only {seen} captures");
}
