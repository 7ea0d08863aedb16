//! Running the program and reading what it wrote.
#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

#[allow(unreachable_pub)]
pub mod eve;
#[allow(unreachable_pub)]
pub mod play;
#[allow(unreachable_pub)]
pub mod report;
pub mod synth;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The project's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reference material beside the checkout, if it is there; says so if not.
pub fn shared(part: &str) -> Option<PathBuf> {
    let path = root().join("../shared").join(part);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: reference: ../shared/{part} is not here");
    None
}

/// Runs the program.
pub fn relaywatch(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_relaywatch"))
        .args(args)
        .output()
        .expect("the program starts")
}

/// Replays a capture and parses every line; the run must succeed.
pub fn replay(capture: &Path, args: &[&str]) -> Vec<Value> {
    let mut all = vec!["-q", "-r", capture.to_str().expect("UTF-8 path")];
    all.extend(args);
    let out = relaywatch(&all);
    assert!(
        out.status.success(),
        "{}: {}",
        capture.display(),
        String::from_utf8_lossy(&out.stderr)
    );
    lines(&out.stdout)
}

/// Parses NDJSON.
pub fn lines(bytes: &[u8]) -> Vec<Value> {
    bytes
        .split(|b| *b == b'\n')
        .filter(|l| !l.is_empty())
        .map(|l| {
            serde_json::from_slice(l)
                .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(l)))
        })
        .collect()
}

/// Events of one type.
pub fn of_type<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|e| e["event_type"] == kind).collect()
}

/// Alerts at medium or higher.
pub fn loud(events: &[Value]) -> Vec<&Value> {
    of_type(events, "alert")
        .into_iter()
        .filter(|a| {
            let level = &a["alert"]["context"]["level"];
            level == "medium" || level == "high" || level == "critical"
        })
        .collect()
}

/// Every capture below a folder, sorted.
pub fn captures(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).expect("readable folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_string_lossy().contains(".pcap")
                || path.extension().is_some_and(|e| e == "cap")
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The bytes of an annotated PDU of `testdata/vectors/vectors.json`.
pub fn vector(name: &str) -> Vec<u8> {
    let path = root().join("testdata/vectors/vectors.json");
    let text = std::fs::read_to_string(path).expect("the vectors are in the repository");
    let all: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let found = all.iter().find(|v| v["name"] == name).expect("a vector");
    let hex = found["hex"].as_str().expect("hex");
    data_encoding::HEXLOWER
        .decode(hex.as_bytes())
        .expect("hex digits")
}
