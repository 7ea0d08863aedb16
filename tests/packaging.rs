//! The service unit, as systemd reads and judges it. Says so and passes where there is no systemd.

mod common;

use std::process::Command;

use common::root;

/// Exposure that `systemd-analyze security` may find, in tenths: below 2 is its best mark but one.
const EXPOSURE: &str = "20";

fn unit() -> String {
    let path = root().join("packaging/systemd/relaywatch.service");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_unit_is_right_and_tight() {
    if Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("skipped: there is no systemd-analyze here");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("relaywatch.service");
    // The program has to be where the unit says.
    let built = env!("CARGO_BIN_EXE_relaywatch");
    std::fs::write(&path, unit().replace("/usr/bin/relaywatch", built)).unwrap();
    let analyze = |args: &[&str]| {
        let out = Command::new("systemd-analyze")
            .args(args)
            .arg(&path)
            .output()
            .unwrap();
        let said = [out.stdout, out.stderr].concat();
        (
            out.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    };
    let (right, said) = analyze(&["verify", "--man=no"]);
    assert!(right && said.is_empty(), "{said}");
    let threshold = format!("--threshold={EXPOSURE}");
    let (tight, said) = analyze(&["security", "--offline=true", "--no-pager", &threshold]);
    assert!(tight, "{said}");

    // That both can say no.
    let loose = unit()
        .replace("/usr/bin/relaywatch", built)
        .replace("CapabilityBoundingSet=CAP_NET_RAW\n", "")
        .replace("ProtectSystem=strict\n", "ProtectSistem=strict\n");
    std::fs::write(&path, loose).unwrap();
    let (_, said) = analyze(&["verify", "--man=no"]);
    assert!(said.contains("ProtectSistem"), "{said}");
    let (tight, said) = analyze(&["security", "--offline=true", "--no-pager", &threshold]);
    assert!(!tight, "{said}");
}

#[test]
fn memory_is_limited_to_twice_the_budget() {
    // limits.memory_mib is 512 if nobody says otherwise.
    assert!(unit().lines().any(|l| l == "MemoryMax=1G"));
}
