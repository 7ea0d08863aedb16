//! Address translation seen on both sides: every packet of a leg is there twice, from another address. A relay beside it is
//! one incident, with the hosts that took part; the copies alone are nothing that is told above informational.

mod common;

use std::net::Ipv4Addr;

use common::synth::{frames, write};
use common::{of_type, replay};
use serde_json::Value;

/// What the gateway shows for the host behind it.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(10, 10, 9, 1);
const VICTIM: Ipv4Addr = Ipv4Addr::new(10, 10, 0, 20);
const LISTENER: Ipv4Addr = Ipv4Addr::new(10, 10, 0, 66);
const CA: Ipv4Addr = Ipv4Addr::new(10, 10, 0, 30);

/// The frame behind the gateway, if it is between the two: `inside` is translated, port and all, and the frame comes from
/// another card. True if `inside` sent it.
fn translated(frame: &[u8], inside: Ipv4Addr, other: Ipv4Addr) -> Option<(bool, Vec<u8>)> {
    let addresses = frame.get(26..34)?;
    let sent = addresses == [inside.octets(), other.octets()].concat();
    let got = addresses == [other.octets(), inside.octets()].concat();
    if frame[12..14] != [8, 0] || !(sent || got) {
        return None;
    }
    let mut copy = frame.to_vec();
    let (address, port) = if sent { (26, 34) } else { (30, 36) };
    copy[address..address + 4].copy_from_slice(&OUTSIDE.octets());
    copy[port] ^= 0x10; // the header has no options
    copy[22] -= 1; // TTL
    copy[11] ^= 0x55;
    Some((sent, copy))
}

/// The committed relay with one leg seen on both sides of a gateway, as a capture of its own.
fn behind_a_gateway(inside: Ipv4Addr, other: Ipv4Addr) -> tempfile::NamedTempFile {
    let mut all = Vec::new();
    for (time, frame) in frames("relay_smb_http_adcs.pcap") {
        if let Some((sent, copy)) = translated(&frame, inside, other) {
            // What comes from behind the gateway is seen inside first.
            all.push((if sent { time + 30 } else { time - 30 }, copy));
        }
        all.push((time, frame));
    }
    let file = tempfile::Builder::new()
        .suffix(".pcap")
        .tempfile()
        .expect("a file");
    write(file.path(), all);
    file
}

/// Closed incidents, loudest first.
fn incidents(events: &[Value]) -> Vec<Value> {
    let rank = |i: &Value| {
        ["critical", "high", "medium", "low", "informational"]
            .iter()
            .position(|level| i["level"] == *level)
    };
    let mut closed: Vec<Value> = of_type(events, "incident")
        .into_iter()
        .map(|e| e["incident"].clone())
        .filter(|i| i["closed"] == true)
        .collect();
    closed.sort_by_key(rank);
    closed
}

fn assert_the_relay(incident: &Value, victims: &[Ipv4Addr]) {
    assert_eq!(incident["level"], "critical", "{incident:#}");
    let role = |name: &str| incident["roles"][name].clone();
    let list = |addrs: &[Ipv4Addr]| serde_json::json!(addrs);
    assert_eq!(role("victim"), list(victims));
    assert_eq!(role("listener"), list(&[LISTENER]));
    assert_eq!(role("target"), list(&[CA]));
}

#[test]
fn the_victim_behind_a_gateway() {
    let file = behind_a_gateway(VICTIM, LISTENER);
    let events = replay(file.path(), &["--events", "alert,incident"]);
    let all = incidents(&events);
    assert_the_relay(&all[0], &[VICTIM, OUTSIDE]);
    // The pair of copies: said, and no more than that.
    assert_eq!(all.len(), 2, "{all:#?}");
    assert_eq!(all[1]["level"], "informational");
}

#[test]
fn the_target_behind_a_gateway() {
    let file = behind_a_gateway(LISTENER, CA);
    let events = replay(file.path(), &["--events", "alert,incident"]);
    let all = incidents(&events);
    assert_the_relay(&all[0], &[VICTIM]);
    // The copied enrolment is one by a machine account from an address that nobody knows: low, as it would be alone.
    assert!(all[1..].iter().all(|i| i["level"] == "low"), "{all:#?}");
    assert!(all.len() <= 2, "{all:#?}");
}
