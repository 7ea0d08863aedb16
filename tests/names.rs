//! DNS, DHCP, ARP and router advertisements of every public capture against what tshark counts.
//!
//! `testdata/names.tsv` has a line a capture: frames by tshark 4.0 of `arp dhcp dhcpv6 dns llmnr mdns nbns` and of
//! ICMPv6 type 134. A line that is not equal says in its last column what we count, and why.

mod common;

use common::{replay, root, shared};

const KINDS: [&str; 8] = [
    "arp",
    "dhcp",
    "dhcpv6",
    "dns",
    "llmnr",
    "mdns",
    "nbns",
    "router_advert",
];

#[test]
fn public_captures_hold_as_many_messages_as_tshark_counts() {
    let Some(folder) = shared("captures/public") else {
        return;
    };
    let table = std::fs::read_to_string(root().join("testdata/names.tsv")).expect("a table");
    let lines: Vec<&str> = table.lines().filter(|l| !l.starts_with('#')).collect();
    let mut problems = Vec::new();
    let mut sum = [0; 8];
    for line in &lines {
        let mut columns = line.split('\t');
        let file = columns.next().expect("a file");
        let tshark: Vec<u64> = columns
            .by_ref()
            .take(8)
            .map(|n| n.parse().expect("a number"))
            .collect();
        let events = replay(&folder.join(file), &["--events", &KINDS.join(",")]);
        let ours: Vec<u64> = KINDS
            .iter()
            .map(|kind| events.iter().filter(|e| e["event_type"] == *kind).count() as u64)
            .collect();
        for (sum, n) in sum.iter_mut().zip(&ours) {
            *sum += n;
        }
        // "1,2,...: reason", if we differ.
        let known = columns.next().and_then(|c| c.split_once(": "));
        let expected = match known {
            Some((counts, why)) => {
                assert!(!why.is_empty(), "{file}: a difference has a reason");
                let parse = |n: &str| n.parse().expect("a number");
                counts.split(',').map(parse).collect()
            }
            None => tshark.clone(),
        };
        if ours != expected {
            problems.push(format!("{file}: ours {ours:?}, tshark's {tshark:?}"));
        }
    }
    println!("{} captures, {KINDS:?}: {sum:?}", lines.len());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
