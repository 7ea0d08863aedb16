//! `--continuous`: a recording cut into files says what the whole one says.

mod common;

use std::path::{Path, PathBuf};

use common::{lines, of_type, relaywatch, root};
use serde_json::Value;

/// The records of a pcap file (little-endian, with a header of 24 bytes), each with its header.
fn records(bytes: &[u8]) -> Vec<&[u8]> {
    let mut rest = &bytes[24..];
    let mut all = Vec::new();
    while let Some(len) = rest.get(8..12) {
        let len = u32::from_le_bytes(len.try_into().unwrap()) as usize;
        let (record, after) = rest.split_at(16 + len);
        all.push(record);
        rest = after;
    }
    all
}

/// Cuts a capture of ours behind `frames` frames.
fn cut(dir: &Path, frames: usize) -> [PathBuf; 2] {
    let whole = std::fs::read(root().join("testdata/captures/relay_smb_ldap.pcap")).unwrap();
    let all = records(&whole);
    assert_eq!(all.len(), 344, "as tshark counts");
    let (one, two) = all.split_at(frames);
    [("a.pcap", one), ("b.pcap", two)].map(|(name, part)| {
        let path = dir.join(name);
        std::fs::write(&path, [&whole[..24], &part.concat()].concat()).unwrap();
        path
    })
}

fn alerts(args: &[&str]) -> Vec<Value> {
    let out = relaywatch(args);
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let events = lines(&out.stdout);
    of_type(&events, "alert").into_iter().cloned().collect()
}

fn verdicts(alerts: &[Value]) -> Vec<String> {
    let said = |a: &Value| {
        format!(
            "{} {}",
            a["alert"]["signature_id"], a["alert"]["context"]["roles"]
        )
    };
    alerts.iter().map(said).collect()
}

#[test]
fn a_relay_across_two_files_is_seen_with_continuous_only() {
    let dir = tempfile::tempdir().unwrap();
    let whole = root().join("testdata/captures/relay_smb_ldap.pcap");
    let whole = alerts(&["-q", "-r", whole.to_str().unwrap()]);
    assert_eq!(whole.len(), 2, "call and relay");
    // By tshark the target gives its challenge in frame 54, the relay hands it on in 55; the answers are 56 and 57.
    let [a, b] = cut(dir.path(), 54);
    let (a, b) = (a.to_str().unwrap(), b.to_str().unwrap());

    let joined = alerts(&["-q", "--continuous", "-r", a, "-r", b]);
    assert_eq!(verdicts(&joined), verdicts(&whole));
    assert_eq!(joined[0]["pcap_cnt"], 4, "frame 58, counted in its file");
    assert_eq!(joined[0]["pcap_filename"], b);
    let legs = &joined[0]["alert"]["context"]["legs"];
    assert_eq!(
        (&legs[0]["pcap_cnt"], &legs[1]["pcap_cnt"]),
        (&2.into(), &3.into())
    );

    let folder = dir.path().to_str().unwrap();
    assert_eq!(
        verdicts(&alerts(&["-q", "--continuous", "-r", folder])),
        verdicts(&whole)
    );
    let apart = alerts(&["-q", "-r", a, "-r", b]);
    assert_ne!(
        verdicts(&apart),
        verdicts(&whole),
        "state is per file without it"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_passed_over_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = cut(dir.path(), 100);
    let bad = dir.path().join("bad.pcap");
    std::fs::write(&bad, b"no capture at all").unwrap();
    let args = ["-q", "--continuous", "-r"];
    let files = [
        a.to_str().unwrap(),
        "-r",
        bad.to_str().unwrap(),
        "-r",
        b.to_str().unwrap(),
    ];
    let out = relaywatch(&[&args[..], &files[..]].concat());
    assert!(out.status.success());
    assert!(String::from_utf8_lossy(&out.stderr).contains("bad.pcap"));
    assert_eq!(of_type(&lines(&out.stdout), "alert").len(), 2);
}
