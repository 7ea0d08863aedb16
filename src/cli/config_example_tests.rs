//! The configuration that packages ship says everything there is, and nothing that is not.

use std::collections::BTreeSet;

use clap::Parser;
use toml::{Table, Value};

use super::*;

const EXAMPLE: &str = include_str!("../../packaging/relaywatch.toml");

/// The file with every setting switched on.
fn uncommented() -> String {
    let on = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => rest.to_owned(),
        _ => line.to_owned(),
    };
    EXAMPLE.lines().map(on).collect::<Vec<_>>().join("\n")
}

fn config(text: &str, args: &[&str]) -> Config {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    std::fs::write(&path, text).unwrap();
    let mut argv = vec!["relaywatch", "-c", path.to_str().unwrap()];
    argv.extend(args);
    Config::from_args(&Args::try_parse_from(argv).unwrap()).unwrap()
}

/// Names of the settings that a table may have, in the words of the parser.
fn known(all: &Table) -> BTreeSet<String> {
    let text = toml::to_string(all).unwrap();
    let said = toml::from_str::<File>(&text).unwrap_err();
    let said = said.message().to_owned();
    let (unknown, expected) = said
        .split_once(", expected ")
        .unwrap_or_else(|| panic!("{said}"));
    assert!(unknown.contains("zz_unknown"), "{said}");
    let names = expected.split('`').skip(1).step_by(2);
    names.map(str::to_owned).collect()
}

/// Every table of the file, by the way to it.
fn tables(of: &Table, way: &[String], found: &mut Vec<Vec<String>>) {
    found.push(way.to_vec());
    for (key, value) in of {
        let mut way = way.to_vec();
        way.push(key.clone());
        match value {
            Value::Table(table) => tables(table, &way, found),
            Value::Array(all) => {
                if let Some(Value::Table(table)) = all.first() {
                    tables(table, &way, found);
                }
            }
            _ => {}
        }
    }
}

fn at<'a>(all: &'a mut Table, way: &[String]) -> &'a mut Table {
    let mut here = all;
    for key in way {
        here = match here.get_mut(key).unwrap() {
            Value::Table(table) => table,
            Value::Array(all) => all[0].as_table_mut().unwrap(),
            other => panic!("{key} is {other}"),
        };
    }
    here
}

#[test]
fn every_setting_is_in_the_example_and_every_setting_of_the_example_is_one() {
    let text = uncommented();
    let file: Table = text.parse().unwrap();
    let mut found = Vec::new();
    tables(&file, &[], &mut found);
    let mut compared = 0;
    for way in found {
        // There the keys are the user's own, or depend on the type of the output.
        if way == ["levels"] || way == ["hosts"] || way == ["output"] {
            continue;
        }
        let mut with_unknown = file.clone();
        let here = at(&mut with_unknown, &way);
        let shown: BTreeSet<String> = here.keys().cloned().collect();
        here.insert("zz_unknown".to_owned(), Value::Integer(1));
        assert_eq!(shown, known(&with_unknown), "in [{}]", way.join("."));
        compared += shown.len();
    }
    assert!(compared > 40, "only {compared} settings");
    // For suggestions.
    let suggested: BTreeSet<&str> = KEYS
        .iter()
        .chain(tuning::KEYS)
        .chain(service::KEYS)
        .chain(evidence::KEYS)
        .copied()
        .collect();
    let mut all = BTreeSet::new();
    let mut found = Vec::new();
    tables(&file, &[], &mut found);
    let own = ["levels", "hosts", "output"];
    for way in found {
        if way.len() == 1 && own.contains(&way[0].as_str()) {
            continue;
        }
        all.extend(at(&mut file.clone(), &way).keys().cloned());
    }
    let all: BTreeSet<&str> = all.iter().map(String::as_str).collect();
    assert_eq!(suggested, all);
    let outputs = file["output"].as_array().unwrap().iter();
    let shown: BTreeSet<&str> = outputs
        .flat_map(|o| o.as_table().unwrap().keys().map(String::as_str))
        .collect();
    assert_eq!(shown, outputs::keys().collect());
}

#[test]
fn what_is_commented_out_is_the_default() {
    let (shown, none) = (config(&uncommented(), &[]), config("", &[]));
    assert_eq!(shown.learning_hours, none.learning_hours);
    assert_eq!(shown.memory_mib, none.memory_mib);
    assert_eq!(shown.stats_interval_s, none.stats_interval_s);
    assert_eq!(shown.vlan_in_flow_key, none.vlan_in_flow_key);
    assert_eq!(shown.home_nets.to_string(), none.home_nets.to_string());
    assert_eq!(shown.builtin_rules, none.builtin_rules);
    assert_eq!(shown.rules, none.rules);
    assert_eq!(shown.forwarders, none.forwarders);
    assert_eq!(shown.tuning.show, none.tuning.show);
    assert_eq!(shown.service.ask, none.service.ask);
    assert_eq!(shown.service.group, none.service.group);
    assert_eq!(shown.service.log_format, none.service.log_format);
    assert_eq!(shown.service.log_level, none.service.log_level);
    let kept = config(
        "[evidence]\ndir = \"/var/lib/relaywatch/evidence\"",
        &["-i", "eth1"],
    );
    assert!(kept.evidence.is_some());
    assert_eq!(shown.evidence, kept.evidence);
    let named = config("", &["-i", "eth1"]);
    let mut interface = shown.interfaces[0].clone();
    interface.bpf = None;
    assert_eq!(interface, named.interfaces[0]);
}

#[test]
fn as_shipped_it_lacks_only_the_interface() {
    let shipped = config(EXAMPLE, &["-i", "eth1"]);
    let place = |path: &Option<PathBuf>| path.clone().unwrap().display().to_string();
    assert_eq!(place(&shipped.state_dir), "/var/lib/relaywatch");
    assert_eq!(place(&shipped.key_file), "/etc/relaywatch/relaywatch.key");
    let all = shipped.outputs.iter();
    let to: Vec<String> = all.map(|o| o.target.to_string()).collect();
    assert_eq!(to, ["/var/log/relaywatch/eve.json"]);
    assert!(config(EXAMPLE, &[]).interfaces.is_empty());
}
