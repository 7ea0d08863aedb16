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
        eprintln!("skipped: packaging: there is no systemd-analyze here");
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

/// The dashboard was not loaded in a Grafana here; that it asks for metrics there are, with labels they have, is known.
#[test]
fn the_dashboard_asks_for_metrics_that_there_are() {
    let path = root().join("packaging/grafana/relaywatch.json");
    let dashboard: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    // The handbook's table is compared with what the sensor says in tests/service.rs.
    let table = std::fs::read_to_string(root().join("docs/operate.md")).unwrap();
    let rows: Vec<&str> = table.lines().filter(|l| l.starts_with("| `")).collect();
    let mut ids = std::collections::BTreeSet::new();
    let mut asked = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let place = &panel["gridPos"];
        let right = place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap();
        assert!(right <= 24, "wider than the screen: {panel}");
        for target in panel["targets"].as_array().unwrap() {
            let expr = target["expr"].as_str().unwrap();
            let open = expr.matches(['(', '[', '{']).count();
            assert_eq!(open, expr.matches([')', ']', '}']).count(), "{expr}");
            for (at, _) in expr.match_indices("relaywatch_") {
                let name: String = expr[at + "relaywatch_".len()..]
                    .chars()
                    .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                    .collect();
                let row = rows.iter().find(|row| row.contains(&format!("`{name}`")));
                let row = row.unwrap_or_else(|| panic!("no metric {name}: {expr}"));
                asked += 1;
                let legend = target["legendFormat"].as_str().unwrap();
                let labels = legend.split("{{").skip(1);
                for label in labels.map(|l| l.split("}}").next().unwrap()) {
                    let known = label == "instance" || row.contains(&format!("`{label}`"));
                    assert!(known, "{name} has no label {label}");
                }
            }
        }
    }
    assert!(asked > 20, "only {asked} metrics");
}
