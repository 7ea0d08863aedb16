//! Every public capture against what tshark made of it.
//!
//! `../shared/captures/public/MANIFEST.json` says, per file, which DCE/RPC operations were requested
//! how often and which NTLM messages went where, as tshark 4.0.17 read them. Where we differ, a row
//! of `testdata/conformance.toml` must say by how much and why. A row that is no longer true fails
//! as well.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{replay, root, shared};
use serde::Deserialize;
use serde_json::Value;

/// What is counted, to how often it was seen.
type Counts = BTreeMap<String, u64>;

/// File and item, to what we and tshark count.
type Differences = BTreeMap<(String, String), (u64, u64)>;

/// `testdata/conformance.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    reason: Vec<Reason>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    name: String,
    why: String,
    differs: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    file: String,
    item: String,
    ours: u64,
    tshark: u64,
}

#[test]
fn public_captures_read_as_tshark_reads_them() {
    let Some(manifest) = shared("captures/public/MANIFEST.json") else {
        return;
    };
    let folder = manifest.parent().expect("a folder");
    let text = std::fs::read_to_string(&manifest).expect("readable");
    let files: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    assert_eq!(files.len(), 297, "the manifest is the one we know");

    let found = compare_all(folder, &files);
    let different: std::collections::BTreeSet<&str> =
        found.keys().map(|(file, _)| file.as_str()).collect();
    println!(
        "{} files, {} equal, {} different",
        files.len(),
        files.len() - different.len(),
        different.len()
    );

    let (mut problems, mut explained) = (Vec::new(), Differences::new());
    for (reason, row) in explanations() {
        let Row {
            file,
            item,
            ours,
            tshark,
        } = row;
        let key = (file, item);
        if found.get(&key) != Some(&(ours, tshark)) {
            let now = found.get(&key);
            problems.push(format!(
                "{reason}: {key:?} is {now:?} now, not {ours} of ours and {tshark} of tshark's"
            ));
        }
        if explained.insert(key.clone(), (ours, tshark)).is_some() {
            problems.push(format!("{reason}: {key:?} is explained twice"));
        }
    }
    for (key, (ours, tshark)) in &found {
        if !explained.contains_key(key) {
            problems.push(format!(
                "not explained: {key:?}: {ours} of ours, {tshark} of tshark's"
            ));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The committed rows, each with the name of its reason.
fn explanations() -> Vec<(String, Row)> {
    let path = root().join("testdata/conformance.toml");
    let text = std::fs::read_to_string(path).expect("readable");
    let table: Table = toml::from_str(&text).expect("a table of reasons");
    let rows = |reason: Reason| {
        assert!(
            !reason.why.is_empty(),
            "{}: a reason has a reason",
            reason.name
        );
        let name = reason.name;
        let named = move |row| (name.clone(), row);
        reason.differs.into_iter().map(named)
    };
    table.reason.into_iter().flat_map(rows).collect()
}

/// Replays every file, two at a time, and keeps what differs.
fn compare_all(folder: &Path, files: &[Value]) -> Differences {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Differences::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let name = file["path"].as_str().expect("a path");
                    let differences = compare(&folder.join(name), file);
                    let named = |(item, counts)| ((name.to_owned(), item), counts);
                    let mut found = found.lock().expect("no thread panicked");
                    found.extend(differences.into_iter().map(named));
                }
            });
        }
    });
    found.into_inner().expect("no thread panicked")
}

fn compare(capture: &Path, file: &Value) -> BTreeMap<String, (u64, u64)> {
    let mut both: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (item, n) in ours(capture) {
        both.entry(item).or_default().0 = n;
    }
    for (item, n) in tsharks(file) {
        both.entry(item).or_default().1 = n;
    }
    both.retain(|_, (ours, tshark)| ours != tshark);
    both
}

fn add(counts: &mut Counts, item: String, n: u64) {
    *counts.entry(item).or_default() += n;
}

fn rpc_item(interface: &Value, opnum: &Value) -> String {
    format!("rpc {} {opnum}", interface.as_str().unwrap_or("-"))
}

/// What we read. tshark counts the PDUs of a call, so fragments are what is counted here.
fn ours(capture: &Path) -> Counts {
    let mut counts = Counts::new();
    for line in replay(capture, &["--events", "dcerpc,ntlm"]) {
        if line["event_type"] == "ntlm" {
            let text = |key: &str| line[key].as_str().expect("text").to_owned();
            let (number, challenge) = match line["ntlm"]["message"].as_str() {
                Some("negotiate") => (1, ""),
                Some("challenge") => (2, line["ntlm"]["server_challenge"].as_str().expect("8")),
                _ => (3, ""),
            };
            let item = format!(
                "ntlm {number} {}:{} > {}:{} {challenge}",
                text("src_ip"),
                line["src_port"],
                text("dest_ip"),
                line["dest_port"]
            );
            add(&mut counts, item.trim_end().to_owned(), 1);
            continue;
        }
        let call = &line["dcerpc"];
        if call["request"] == "REQUEST" {
            let item = rpc_item(&call["interfaces"][0]["uuid"], &call["req"]["opnum"]);
            let fragments = call["req"]["frag_cnt"].as_u64().expect("a number");
            add(&mut counts, item, fragments);
        }
    }
    counts
}

/// What tshark read.
fn tsharks(file: &Value) -> Counts {
    let mut counts = Counts::new();
    for call in file["dcerpc"].as_array().expect("a list") {
        let n = call["count"].as_u64().expect("a number");
        add(&mut counts, rpc_item(&call["iface"], &call["opnum"]), n);
    }
    for message in file["ntlm"].as_array().expect("a list") {
        let text = |key: &str| message[key].as_str().unwrap_or_default();
        let item = format!(
            "ntlm {} {} > {} {}",
            message["msg"],
            text("src"),
            text("dst"),
            text("challenge")
        );
        add(&mut counts, item.trim_end().to_owned(), 1);
    }
    counts
}
