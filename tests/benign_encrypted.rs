//! A thousand encrypted SMB sessions of ordinary clients and servers in one timeline: nothing is said of them.
//!
//! Made of the 32 recorded in `encrypted_sessions` (see testdata/README.md), once for every branch of a larger
//! network: hosts with other addresses, names and ports, servers that give other challenges and get other
//! responses, all of it two seconds later than the branch before and so overlapping it. The domain controller
//! is the same for all. What is encrypted stays as it was recorded: nobody here can read it.
//!
//! The recorded clients open no pipes. So that the detectors have something to be wrong about, in every branch an
//! administrator opens and binds a pipe inside encryption, 300 ms before the server goes to another one by
//! itself: the client's half of `coerce_efsr0_lsarpc_smb3enc`, without what the victim did there.

mod common;

use std::collections::BTreeSet;

use common::synth::{Frame, frames, write};
use common::{loud, of_type, replay};
use serde_json::Value;

/// 33 times 32 sessions.
const BRANCHES: u8 = 33;
const APART_MICROS: u64 = 2_000_000;

/// The hosts' names in a branch, as long as the recorded ones. Clients name servers by address, too.
fn names(branch: u8) -> [(&'static str, String); 7] {
    [
        ("10.10.0.20", format!("10.{}.0.20", 40 + branch)),
        ("10.10.0.21", format!("10.{}.0.21", 40 + branch)),
        ("FILES1", format!("FILE{branch:02}")),
        ("SRV1", format!("S{branch:03}")),
        ("WS1", format!("X{branch:02}")),
        ("WS2", format!("Y{branch:02}")),
        ("WS3", format!("Z{branch:02}")),
    ]
}

fn replace(frame: &mut [u8], old: &[u8], new: &[u8]) {
    assert_eq!(old.len(), new.len());
    let mut at = 0;
    while let Some(found) = frame[at..].windows(old.len()).position(|w| w == old) {
        frame[at + found..at + found + old.len()].copy_from_slice(new);
        at += found + old.len();
    }
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// The frame as it would be in another branch.
fn moved(frame: &[u8], branch: u8) -> Vec<u8> {
    let mut frame = frame.to_vec();
    // Ethernet, then IPv4 (RFC 791 3.1) without options, then TCP (RFC 9293 3.1).
    for at in [26, 30] {
        let host: [u8; 4] = frame[at..at + 4].try_into().unwrap();
        assert_eq!(host[..3], [10, 10, 0]);
        // 10.10.0.10 is the domain controller.
        if host[3] != 10 {
            frame[at + 1] = 40 + branch;
        }
    }
    for at in [34, 36] {
        let port = u16::from_be_bytes([frame[at], frame[at + 1]]);
        // The client's port; 49152 and the like are the domain controller's.
        let dynamic_server = frame[if at == 34 { 29 } else { 33 }] == 10;
        if port > 1_024 && !dynamic_server {
            let other = 10_000 + (u32::from(port) + u32::from(branch) * 997) % 50_000;
            frame[at..at + 2].copy_from_slice(&u16::try_from(other).unwrap().to_be_bytes());
        }
    }
    for (old, new) in names(branch) {
        for (old, new) in [
            (old.to_owned(), new.clone()),
            (old.to_lowercase(), new.to_lowercase()),
        ] {
            replace(&mut frame, &utf16(&old), &utf16(&new));
            // The short ones might be met by chance in what is encrypted.
            if old.len() > 3 {
                replace(&mut frame, old.as_bytes(), new.as_bytes());
            }
        }
    }
    if let Some(at) = frame.windows(8).position(|w| w == b"NTLMSSP\0") {
        let message = &mut frame[at..];
        match message[8] {
            // ServerChallenge (MS-NLMP 2.2.1.2).
            2 => message[24..32].iter_mut().for_each(|b| *b ^= branch),
            // NTProofStr, where NtChallengeResponseFields point (MS-NLMP 2.2.1.3).
            3 => {
                let at = message[24] as usize + 256 * message[25] as usize;
                message[at..at + 16].iter_mut().for_each(|b| *b ^= branch);
            }
            _ => {}
        }
    }
    frame
}

/// True for a frame between two hosts of 10.10.0.0/24.
fn between(frame: &[u8], one: u8, other: u8) -> bool {
    let ends = [frame[29], frame[33]];
    ends == [one, other] || ends == [other, one]
}

/// A thousand sessions.
fn network() -> Vec<Frame> {
    let mut recorded = frames("encrypted_sessions.pcap.zst");
    let goes = recorded.iter().find(|(_, f)| between(f, 20, 21)).unwrap().0;
    let attack = frames("coerce_efsr0_lsarpc_smb3enc.pcap");
    let begin = attack[0].0;
    let caller = attack.into_iter().filter(|(_, f)| {
        let port = |at: usize| u16::from_be_bytes([f[at], f[at + 1]]);
        // The callback has the same hosts, with the server at the other end.
        between(f, 66, 20) && (f[29] == 66) == (port(36) == 445)
    });
    recorded.extend(caller.map(|(ts, f)| (ts - begin + goes - 300_000, f)));
    let mut all = Vec::new();
    for branch in 1..=BRANCHES {
        let later = u64::from(branch) * APART_MICROS;
        all.extend(
            recorded
                .iter()
                .map(|(ts, f)| (ts + later, moved(f, branch))),
        );
    }
    all
}

fn flows(events: &[Value], message: &str) -> BTreeSet<u64> {
    of_type(events, "smb_session")
        .into_iter()
        .filter(|e| e["smb_session"]["message"] == message)
        .map(|e| e["flow_id"].as_u64().unwrap())
        .collect()
}

#[test]
fn a_thousand_encrypted_sessions_raise_no_alert_and_hide_no_attack() {
    let dir = tempfile::tempdir().unwrap();
    let pcap = dir.path().join("network.pcap");
    let benign = network();
    let (first, last) = (benign[0].0, benign[benign.len() - 1].0);
    write(&pcap, benign.clone());
    let events = ["--events", "alert,incident,finding,smb_session,ntlm"];
    let said = replay(&pcap, &events);

    // What it was made of was read: sessions, encrypted traffic in them, and who is who.
    assert!(flows(&said, "session").len() >= 1_000);
    let encrypted = flows(&said, "encrypted");
    assert!(encrypted.len() >= 1_000, "{}", encrypted.len());
    let ntlm = of_type(&said, "ntlm");
    let all = |key: &str| -> BTreeSet<String> {
        let texts = ntlm.iter().filter_map(|e| e["ntlm"][key].as_str());
        texts.map(str::to_owned).collect()
    };
    let servers = all("server_dns_computer_name");
    assert!(servers.contains("file33.lab.example") && servers.contains("s001.lab.example"));
    assert_eq!(servers.len(), 2 * usize::from(BRANCHES) + 1);
    assert!(
        all("username").contains("S033$"),
        "servers log on as themselves"
    );
    assert!(all("server_challenge").len() >= 1_000);

    // In every branch a server went to a new server right after a pipe was bound on it, and that is not enough.
    let tempted = of_type(&said, "finding").into_iter().filter(|e| {
        let f = &e["finding"];
        f["detector"] == "RW-08" && f["test"] == "encrypted" && f["support"] == "none"
    });
    assert!(tempted.count() >= usize::from(BRANCHES));

    let loud_alerts = loud(&said);
    assert!(loud_alerts.is_empty(), "{loud_alerts:#?}");

    // The same day with one coercion inside SMB3 encryption in the middle of it.
    let attack = frames("coerce_efsr0_lsarpc_smb3enc.pcap");
    let middle = first + (last - first) / 2;
    let begin = attack[0].0;
    let mut both = benign;
    both.extend(attack.into_iter().map(|(ts, f)| (ts - begin + middle, f)));
    write(&pcap, both);
    let said = replay(&pcap, &events);
    let loud_alerts = loud(&said);
    assert_eq!(loud_alerts.len(), 1, "{loud_alerts:#?}");
    let told = &loud_alerts[0]["alert"]["context"];
    assert_eq!(told["detector"], "RW-08");
    assert_eq!(told["roles"]["victim"], "10.10.0.20");
}
