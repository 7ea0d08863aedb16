//! The whole sensor on our own captures: golden output, the same for any number of workers, valid,
//! and without a secret.

mod common;

use std::path::PathBuf;

use common::{captures, lines, relaywatch, root, shared};
use serde_json::Value;

fn ours() -> Vec<PathBuf> {
    let all = captures(&root().join("testdata/captures"));
    assert!(all.len() >= 15, "only {} captures", all.len());
    all
}

fn name(path: &std::path::Path) -> String {
    let inside = path.strip_prefix(root().join("testdata/captures")).unwrap();
    inside.to_str().unwrap().replace('/', "__")
}

/// Captures as they were recorded, without those that a program made of them.
fn recorded() -> Vec<PathBuf> {
    let mut all = ours();
    all.retain(|p| !p.to_str().unwrap().contains("/derived/"));
    assert!(all.len() >= 15, "only {} recorded captures", all.len());
    all
}

/// Ground truth of a capture of ours: the file beside it with another ending.
fn truth(path: &std::path::Path) -> Value {
    let mut stem = path.to_owned();
    while stem.extension().is_some() {
        stem.set_extension("");
    }
    let json = stem.with_extension("json");
    let text = std::fs::read(&json).unwrap_or_else(|e| panic!("{}: {e}", json.display()));
    serde_json::from_slice(&text).unwrap()
}

/// Where the expected alerts of a capture are, if it is one of the reviewed selection.
fn snapshot(path: &std::path::Path) -> PathBuf {
    root().join(format!("testdata/golden/{}.snap", name(path)))
}

/// What an analyst gets of each capture: alerts and incidents. That the alerts are right is checked
/// against the ground truth by `tests/eval`; a snapshot shows what else a change does to them.
#[test]
fn golden() {
    let key = key_file();
    let mut compared = 0;
    for path in recorded() {
        // A reviewed selection has a snapshot; an empty file of that name takes a capture into it.
        if !snapshot(&path).exists() {
            continue;
        }
        compared += 1;
        // The path of this checkout and the ephemeral key must not be in a golden file.
        let inside = path.strip_prefix(root()).unwrap();
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_relaywatch"))
            .current_dir(root())
            .args(["-q", "--events", "alert,incident", "--key-file"])
            .arg(&key.1)
            .arg("-r")
            .arg(inside)
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
        let text: Vec<String> = lines(&out.stdout)
            .iter()
            .map(|v| serde_json::to_string_pretty(v).unwrap())
            .collect();
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(root().join("testdata/golden"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name(&path), text.join("\n")));
    }
    assert!(compared >= 23, "only {compared} snapshots");
}

/// Detector and roles of every alert.
fn verdicts(path: &std::path::Path) -> std::collections::BTreeSet<String> {
    let out = relaywatch(&["-q", "--events", "alert", "-r", path.to_str().unwrap()]);
    assert!(out.status.success(), "{}", path.display());
    lines(&out.stdout)
        .iter()
        .map(|a| {
            let c = &a["alert"]["context"];
            format!("{} {} {}", c["detector"], c["level"], c["roles"])
        })
        .collect()
}

/// A capture in other clothes (link type, tags, byte order, fragments, small segments, duplicates,
/// compression) says the same as the one it was made of.
#[test]
fn other_clothes_say_the_same() {
    let mut compared = 0;
    for path in ours() {
        let truth = truth(&path);
        let Some(base) = truth["derived_from"].as_str() else {
            continue;
        };
        let lossy = truth["lossy"] == true;
        // Frames out of order around a handshake hide the start of that flow: other evidence, same story.
        if lossy || name(&path).contains("shuffled") {
            continue;
        }
        compared += 1;
        let base = root().join(format!("testdata/captures/{base}.pcap"));
        assert_eq!(verdicts(&path), verdicts(&base), "{}", path.display());
    }
    assert!(compared >= 14, "only {compared} compared");
}

/// The same of every wrapping of the other lab's recordings that loses nothing, where they are: GRE, ERSPAN, mirror
/// trailers, fragments, link types, copies.
#[test]
fn wrappings_of_another_lab_say_the_same() {
    const LOSSY: [&str; 3] = ["loss5", "only_s2c", "snap256"];
    let Some(folder) = shared("captures/lab") else {
        return;
    };
    let mut compared = std::collections::BTreeSet::new();
    for path in captures(&folder) {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let parts = stem.strip_prefix("d_").and_then(|n| n.split_once("__"));
        let Some((base, wrapping)) = parts.filter(|(_, w)| !LOSSY.contains(w)) else {
            continue;
        };
        let base = folder.join(format!("{base}.pcap"));
        assert_eq!(verdicts(&path), verdicts(&base), "{}", path.display());
        compared.insert(wrapping.to_owned());
    }
    assert!(compared.len() >= 12, "only {compared:?}");
}

fn key_file() -> (tempfile::TempDir, PathBuf) {
    use std::os::unix::fs::PermissionsExt;
    // Kept for the life of the test process: the directory is leaked on purpose.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    std::fs::write(&path, [7; 32]).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let kept = dir.keep();
    (tempfile::tempdir().unwrap(), kept.join("key"))
}

fn everything(path: &std::path::Path, workers: &str) -> Vec<u8> {
    let events =
        "alert,incident,stats,finding,rpc_call,ntlm,dcerpc,smb,http,ldap,ldap_op,tds,tls,anomaly";
    let key = key_file().1;
    let out = relaywatch(&[
        "-q",
        "-w",
        workers,
        "--events",
        events,
        "--key-file",
        key.to_str().unwrap(),
        "-r",
        path.to_str().unwrap(),
    ]);
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    out.stdout
}

/// The promise of equal output holds while no limit is reached, so none may be here.
fn assert_nothing_was_forgotten(path: &std::path::Path) {
    let out = relaywatch(&["-q", "--events", "sensor", "-r", path.to_str().unwrap()]);
    let events = lines(&out.stdout);
    let last = common::of_type(&events, "sensor").pop().unwrap();
    let evicted = last["sensor"]["evicted"].as_object().unwrap();
    assert!(evicted.len() >= 6, "the kinds are listed: {evicted:?}");
    for (kind, n) in evicted {
        assert_eq!(n, 0, "{}: {kind}", path.display());
    }
}

/// Replay is byte-identical for 1, 2 and 4 workers, as long as no limit is reached.
#[test]
fn any_number_of_workers_writes_the_same() {
    // Those with a snapshot, the variants, and every fifth of the rest: each is replayed three times.
    let (mut all, rest): (Vec<_>, Vec<_>) = ours()
        .into_iter()
        .partition(|path| path.to_str().unwrap().contains("/derived/") || snapshot(path).exists());
    all.extend(rest.into_iter().step_by(5));
    if let Some(dir) = common::shared("captures/lab") {
        all.extend(captures(&dir).into_iter().step_by(5));
    }
    if let Some(dir) = common::shared("captures/public") {
        all.extend(captures(&dir).into_iter().step_by(10));
    }
    for path in all {
        let one = everything(&path, "1");
        assert_nothing_was_forgotten(&path);
        for n in ["2", "4"] {
            assert!(
                one == everything(&path, n),
                "{}: {n} workers differ",
                path.display()
            );
        }
    }
}

/// Every line of every type is valid: ours by `docs/eve.schema.json`, Suricata's types by Suricata's too.
#[test]
fn every_line_is_valid() {
    let schemas = common::eve::Schemas::load();
    let mut checked = 0;
    for path in recorded() {
        let out = relaywatch(&["-q", "--events", "all", "-r", path.to_str().unwrap()]);
        checked += lines(&out.stdout).len();
        schemas.assert_valid(&name(&path), &out.stdout);
    }
    assert!(checked > 1_000, "only {checked} lines");
}

/// Passwords, hashes, responses and proofs of the lab never leave the sensor.
#[test]
fn no_secret_in_any_output() {
    let mut checked = 0;
    for path in ours() {
        let truth = truth(&path);
        let Some(secrets) = truth["must_not_appear"].as_array() else {
            continue;
        };
        let out = relaywatch(&["-v", "--events", "all", "-r", path.to_str().unwrap()]);
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        )
        .to_lowercase();
        for secret in secrets.iter().filter_map(Value::as_str) {
            checked += 1;
            assert!(
                !text.contains(&secret.to_lowercase()),
                "{}: a secret of {} characters is in the output",
                path.display(),
                secret.len()
            );
        }
    }
    assert!(checked > 50, "only {checked} secrets looked for");
}
