//! The whole sensor on our own captures: golden output, the same for any number of workers, valid,
//! and without a secret.

mod common;

use std::path::PathBuf;

use common::{captures, lines, relaywatch, root};
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

/// What an analyst gets of each capture: alerts and incidents. Each snapshot was read line by line
/// against the capture's ground truth (`testdata/captures/*.json`).
#[test]
fn golden() {
    for path in ours() {
        // The path of this checkout and the ephemeral key must not be in a golden file.
        let inside = path.strip_prefix(root()).unwrap();
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_relaywatch"))
            .current_dir(root())
            .args(["-q", "--events", "alert,incident", "--key-file"])
            .arg(key_file().1)
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
    let events = "alert,incident,stats,finding,rpc_call,ntlm,dcerpc,smb,http,ldap,anomaly";
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

/// Replay is byte-identical for 1, 2 and 4 workers, as long as no limit is reached.
#[test]
fn any_number_of_workers_writes_the_same() {
    let mut all = ours();
    if let Some(dir) = common::shared("captures/lab") {
        all.extend(captures(&dir).into_iter().step_by(5));
    }
    if let Some(dir) = common::shared("captures/public") {
        all.extend(captures(&dir).into_iter().step_by(10));
    }
    for path in all {
        let one = everything(&path, "1");
        for value in lines(&one) {
            let flow = &value["stats"]["flow"];
            assert!(
                flow["evicted"].as_u64().unwrap_or(0) == 0,
                "{}",
                path.display()
            );
        }
        for n in ["2", "4"] {
            assert!(
                one == everything(&path, n),
                "{}: {n} workers differ",
                path.display()
            );
        }
    }
}

/// Passwords, hashes, responses and proofs of the lab never leave the sensor.
#[test]
fn no_secret_in_any_output() {
    let mut checked = 0;
    for path in ours() {
        let mut stem = path.clone();
        while stem.extension().is_some() {
            stem.set_extension("");
        }
        let Ok(json) = std::fs::read(stem.with_extension("json")) else {
            continue;
        };
        let truth: Value = serde_json::from_slice(&json).unwrap();
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
