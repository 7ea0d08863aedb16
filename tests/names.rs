//! Names that the shared captures hold, as we read them and as tshark does: DNS, multicast DNS, LLMNR, NBT-NS, DHCP and
//! TLS. Needs tshark and the captures of `../shared`; says so and passes where they are not.
//!
//! Where we differ, a row of `testdata/names.toml` must say by how much and why; a row that is no longer true fails as well.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use common::{replay, root, shared};
use serde::Deserialize;
use serde_json::Value;

/// Protocol and name, to how often it was seen.
type Counts = BTreeMap<(String, String), u64>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    reason: Vec<Reason>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    why: String,
    differs: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    file: String,
    protocol: String,
    name: String,
    ours: u64,
    tshark: u64,
}

/// Protocols in the manifest whose captures are read.
const PROTOCOLS: [&str; 6] = ["dns", "mdns", "llmnr", "nbns", "dhcp", "tls"];

/// Between the values of one field.
const BETWEEN: char = '\u{1f}';

#[test]
fn names_are_those_that_tshark_reads() {
    let Some(manifest) = shared("captures/public/MANIFEST.json") else {
        return;
    };
    let folder = manifest.parent().expect("a folder");
    let text = std::fs::read_to_string(&manifest).expect("readable");
    let files: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let has_names = |file: &&Value| {
        let all = file["protocols"].as_array().expect("a list");
        all.iter()
            .any(|p| PROTOCOLS.contains(&p.as_str().unwrap_or_default()))
    };
    let paths: Vec<&str> = files
        .iter()
        .filter(has_names)
        .map(|file| file["path"].as_str().expect("a path"))
        .collect();
    let both = |name: &&str| {
        let path = folder.join(name);
        Some(((*name).to_owned(), ours(&path), tsharks(&path)?))
    };
    // Two at a time: tshark takes its time.
    let (one, two) = paths.split_at(paths.len() / 2);
    let both: Option<Vec<_>> = std::thread::scope(|scope| {
        let other = scope.spawn(|| two.iter().map(both).collect::<Option<Vec<_>>>());
        let mut all: Vec<_> = one.iter().map(both).collect::<Option<_>>()?;
        all.extend(other.join().expect("no panic")?);
        Some(all)
    });
    let Some(both) = both else {
        return println!("skipped: tshark: it is not here");
    };
    let (mut found, mut names, read) = (BTreeMap::new(), 0, both.len());
    for (name, ours, theirs) in both {
        names += ours.values().sum::<u64>();
        for key in ours.keys().chain(theirs.keys()) {
            let count = |of: &Counts| of.get(key).copied().unwrap_or_default();
            if count(&ours) != count(&theirs) {
                let (protocol, name_) = key.clone();
                found.insert(
                    (name.to_owned(), protocol, name_),
                    (count(&ours), count(&theirs)),
                );
            }
        }
    }
    println!("{read} files, {names} names, {} differences", found.len());
    assert!(names > 3_000, "only {names} names");

    let table = std::fs::read_to_string(root().join("testdata/names.toml")).expect("readable");
    let table: Table = toml::from_str(&table).expect("a table of reasons");
    let mut problems = Vec::new();
    for reason in table.reason {
        assert!(!reason.why.is_empty(), "a reason has a reason");
        for row in reason.differs {
            let key = (row.file, row.protocol, row.name);
            match found.remove(&key) {
                Some(counts) if counts == (row.ours, row.tshark) => {}
                other => problems.push(format!("{key:?} is {other:?} now")),
            }
        }
    }
    for (key, (ours, theirs)) in found {
        problems.push(format!(
            "not explained: {key:?}: {ours} of ours, {theirs} of tshark's"
        ));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn add(counts: &mut Counts, protocol: &str, name: &str) {
    let name = name.to_lowercase();
    let key = (protocol.to_owned(), name.trim_end_matches('.').to_owned());
    *counts.entry(key).or_default() += 1;
}

/// Of NetBIOS names the letters count: how what cannot be printed is written is a matter of taste.
fn letters(name: &str) -> String {
    let mut letters = String::new();
    let mut left = name;
    while let Some(c) = left.chars().next() {
        left = &left[c.len_utf8()..];
        match c {
            '<' => left = left.split_once('>').map_or("", |(_, rest)| rest),
            '\\' => left = left.get(3..).unwrap_or_default(),
            c => letters.push(c),
        }
    }
    letters.trim().to_owned()
}

fn ours(capture: &Path) -> Counts {
    let mut counts = Counts::new();
    for line in replay(capture, &["--events", "dns,mdns,llmnr,nbns,dhcp,tls"]) {
        let kind = line["event_type"].as_str().expect("text");
        let body = &line[kind];
        match kind {
            "dhcp" | "tls" => {
                let name = body["hostname"].as_str().or(body["sni"].as_str());
                name.iter().for_each(|name| add(&mut counts, kind, name));
            }
            // tshark has one field for the names of questions and records.
            "nbns" => {
                for section in ["queries", "answers", "authorities", "additionals"] {
                    for entry in body[section].as_array().into_iter().flatten() {
                        let name = entry["rrname"].as_str().unwrap_or_default();
                        add(&mut counts, kind, &letters(name));
                    }
                }
            }
            _ => {
                for question in body["queries"].as_array().into_iter().flatten() {
                    let name = question["rrname"].as_str().unwrap_or_default();
                    add(&mut counts, kind, name);
                }
            }
        }
    }
    counts
}

fn tsharks(capture: &Path) -> Option<Counts> {
    const FIELDS: [&str; 5] = [
        "frame.protocols",
        "dns.qry.name",
        "nbns.name",
        "dhcp.option.hostname",
        "tls.handshake.extensions_server_name",
    ];
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(capture);
    // Packets quoted in errors are not met by us, nor is QUIC.
    tshark.args([
        "-Y",
        "(dns || mdns || llmnr || nbns || dhcp || tls.handshake.type == 1) && !icmp && !icmpv6 && !quic",
        "-T",
        "fields",
        "-E",
        &format!("aggregator={BETWEEN}"),
    ]);
    FIELDS.iter().for_each(|field| {
        tshark.args(["-e", field]);
    });
    let out = tshark.output().ok()?;
    let mut counts = Counts::new();
    for line in String::from_utf8_lossy(&out.stdout).lines() {
        let mut columns = line.split('\t');
        let mut next = || columns.next().unwrap_or_default();
        let protocols: Vec<&str> = next().split(':').collect();
        let of_dns = ["mdns", "llmnr", "dns"]
            .into_iter()
            .find(|p| protocols.contains(p));
        let kinds = [of_dns.unwrap_or("dns"), "nbns", "dhcp", "tls"];
        for kind in kinds {
            for name in next().split(BETWEEN).filter(|name| !name.is_empty()) {
                match (kind, name) {
                    // `NAME<20> (Server service)`
                    ("nbns", name) => {
                        let name = name.rsplit_once(" (").map_or(name, |(name, _)| name);
                        add(&mut counts, kind, &letters(name));
                    }
                    (kind, "<Root>") => add(&mut counts, kind, ""),
                    (kind, name) => add(&mut counts, kind, name),
                }
            }
        }
    }
    Some(counts)
}
