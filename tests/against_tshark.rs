//! What the decoders read of real traffic, held against tshark's reading of it. Needs tshark and the
//! captures of `../shared`; says so and passes where they are not.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{captures, lines, relaywatch};

/// Captures whose manifest names one of these protocols.
fn with_protocols(wanted: &[&str]) -> Option<Vec<PathBuf>> {
    let public = common::shared("captures/public")?;
    let text = std::fs::read(public.join("MANIFEST.json")).ok()?;
    let all: Vec<serde_json::Value> = serde_json::from_slice(&text).unwrap();
    let mut found: Vec<PathBuf> = all
        .iter()
        .filter(|entry| {
            let has = |p: &serde_json::Value| wanted.contains(&p.as_str().unwrap_or_default());
            entry["protocols"].as_array().unwrap().iter().any(has)
        })
        .map(|entry| public.join(entry["path"].as_str().unwrap()))
        .filter(|path| path.is_file())
        .collect();
    if let Some(lab) = common::shared("captures/lab") {
        found.extend(captures(&lab).into_iter().filter(|p| {
            let name = p.file_name().unwrap().to_str().unwrap();
            wanted.contains(&"ldap") && name.contains("ldap") && !name.starts_with("d_")
        }));
    }
    Some(found)
}

/// The values of a field, packet by packet, each counted.
fn tshark(path: &Path, filter: &str, field: &str) -> Option<BTreeMap<String, usize>> {
    let out = Command::new("tshark")
        .args([
            "-r",
            path.to_str()?,
            "-Y",
            filter,
            "-T",
            "fields",
            "-e",
            field,
        ])
        .output()
        .ok()?;
    let mut counts = BTreeMap::new();
    for value in String::from_utf8_lossy(&out.stdout)
        .split(['\n', ','])
        .map(str::trim)
        .filter(|v| !v.is_empty())
    {
        *counts.entry(value.to_owned()).or_default() += 1;
    }
    Some(counts)
}

fn skipped(why: &str) {
    println!("skipped: {why}");
}

/// protocolOp choices that we report, by tshark's number.
const LDAP_OPERATIONS: [(&str, &str); 18] = [
    ("0", "bind_request"),
    ("1", "bind_response"),
    ("2", "unbind_request"),
    ("3", "search_request"),
    ("5", "search_result_done"),
    ("6", "modify_request"),
    ("7", "modify_response"),
    ("8", "add_request"),
    ("9", "add_response"),
    ("10", "del_request"),
    ("11", "del_response"),
    ("12", "mod_dn_request"),
    ("13", "mod_dn_response"),
    ("14", "compare_request"),
    ("15", "compare_response"),
    ("16", "abandon_request"),
    ("23", "extended_request"),
    ("24", "extended_response"),
];

/// Operations of LDAP over TCP, signed buffers included, as many as tshark counts.
#[test]
fn ldap_operations() {
    let Some(paths) = with_protocols(&["ldap"]) else {
        return skipped("reference: ../shared/captures is not here");
    };
    let mut differences = Vec::new();
    let mut total = 0;
    for path in paths {
        let Some(theirs) = tshark(&path, "ldap && tcp", "ldap.protocolOp") else {
            return skipped("tshark: it is not here");
        };
        let out = relaywatch(&["-q", "--events", "ldap", "-r", path.to_str().unwrap()]);
        let mut ours: BTreeMap<String, usize> = BTreeMap::new();
        for line in lines(&out.stdout).iter().filter(|l| l["proto"] == "TCP") {
            let ldap = &line["ldap"];
            let operation = [&ldap["request"], &ldap["responses"][0]]
                .iter()
                .find_map(|o| o["operation"].as_str().map(str::to_owned))
                .unwrap();
            *ours.entry(operation).or_default() += 1;
        }
        for (number, name) in LDAP_OPERATIONS {
            let theirs = theirs.get(number).copied().unwrap_or_default();
            let ours = ours.get(name).copied().unwrap_or_default();
            total += ours;
            if ours != theirs {
                let file = path.file_name().unwrap().to_str().unwrap();
                differences.push(format!("{file}: {name}: {ours}, tshark {theirs}"));
            }
        }
    }
    println!("{total} operations");
    assert!(total > 200, "only {total} operations");
    let differences: Vec<&str> = differences.iter().map(String::as_str).collect();
    assert_eq!(differences, LDAP_EXPLAINED, "{differences:#?}");
}

/// Server names of TLS over TCP, as often as tshark sees them.
#[test]
fn tls_server_names() {
    let Some(paths) = with_protocols(&["tls"]) else {
        return skipped("reference: ../shared/captures is not here");
    };
    let mut differences = Vec::new();
    let mut total = 0;
    for path in paths {
        let Some(theirs) = tshark(&path, "tls && tcp", "tls.handshake.extensions_server_name")
        else {
            return skipped("tshark: it is not here");
        };
        let out = relaywatch(&["-q", "--events", "tls", "-r", path.to_str().unwrap()]);
        let mut ours: BTreeMap<String, usize> = BTreeMap::new();
        for line in &lines(&out.stdout) {
            if let Some(name) = line["tls"]["sni"].as_str() {
                *ours.entry(name.to_owned()).or_default() += 1;
            }
        }
        total += ours.values().sum::<usize>();
        let file = path.file_name().unwrap().to_str().unwrap();
        let names: std::collections::BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
        for name in names {
            let (ours, theirs) = (ours.get(name), theirs.get(name));
            if ours != theirs {
                differences.push(format!("{file}: {name}: {ours:?}, tshark {theirs:?}"));
            }
        }
    }
    println!("{total} names");
    assert!(total > 30, "only {total} names");
    let differences: Vec<&str> = differences.iter().map(String::as_str).collect();
    assert_eq!(differences, TLS_EXPLAINED, "{differences:#?}");
}

/// Differences, and why.
const TLS_EXPLAINED: [&str; 0] = [];

/// Answers of domain controllers to pings for `netlogon`: as many as tshark sees, with the names that it
/// reads. It reads the value only where the attribute is spelt in lower case, so names may be fewer.
#[test]
fn netlogon_answers() {
    let Some(paths) = with_protocols(&["cldap"]) else {
        return skipped("reference: ../shared/captures is not here");
    };
    let mut total = 0;
    for path in paths {
        let entries = "cldap && ldap.protocolOp == 4";
        let (Some(names), Some(types)) = (
            tshark(&path, entries, "mscldap.hostname"),
            tshark(&path, entries, "ldap.type"),
        ) else {
            return skipped("tshark: it is not here");
        };
        let answers: usize = types
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("netlogon"))
            .map(|(_, n)| n)
            .sum();
        let out = relaywatch(&["-q", "--events", "ldap_op", "-r", path.to_str().unwrap()]);
        let mut ours: BTreeMap<String, usize> = BTreeMap::new();
        for line in &lines(&out.stdout) {
            if let Some(name) = line["ldap_op"]["dns_host"].as_str() {
                *ours.entry(name.to_owned()).or_default() += 1;
            }
        }
        assert_eq!(ours.values().sum::<usize>(), answers, "{}", path.display());
        for (name, n) in names {
            assert!(ours.get(&name) >= Some(&n), "{}: {name}", path.display());
        }
        total += answers;
    }
    println!("{total} answers");
}

/// Logons to SQL Server, as many as tshark sees.
#[test]
fn tds_logons() {
    let Some(paths) = with_protocols(&["tds"]) else {
        return skipped("reference: ../shared/captures is not here");
    };
    let mut total = 0;
    for path in paths {
        let Some(theirs) = tshark(&path, "tds.type == 16", "tds.type") else {
            return skipped("tshark: it is not here");
        };
        let out = relaywatch(&["-q", "--events", "tds", "-r", path.to_str().unwrap()]);
        let ours = lines(&out.stdout)
            .iter()
            .filter(|l| l["tds"]["hidden"].is_null())
            .count();
        let theirs: usize = theirs.values().sum();
        assert_eq!(ours, theirs, "{}", path.display());
        total += ours;
    }
    println!("{total} logons");
}

/// Differences, and why.
const LDAP_EXPLAINED: [&str; 16] = [
    // Signed Kerberos buffers of sessions that were bound before the capture began: tshark needs the
    // bind to read them, the token itself says all there is to know.
    "PatchedDCAuthenticatedTryWithRpcEncryptFileSrv.pcapng: search_request: 1, tshark 0",
    "PatchedDCAuthenticatedTryWithRpcEncryptFileSrv.pcapng: search_result_done: 1, tshark 0",
    "PatchedDCAuthenticatedTryWithRpcOpenFileRawUsingEFSRPCNamePipeInsteadOfLSARPC.pcapng: search_request: 1, tshark 0",
    "PatchedDCAuthenticatedTryWithRpcOpenFileRawUsingEFSRPCNamePipeInsteadOfLSARPC.pcapng: search_result_done: 1, tshark 0",
    "UnPatchedDCOpenFileRaw.pcapng: search_request: 1, tshark 0",
    "UnPatchedDCOpenFileRaw.pcapng: search_result_done: 1, tshark 0",
    "CredAccess__DCShadow_add_primarygroupid_512_to_std_account.pcapng: unbind_request: 1, tshark 0",
    "CredAccess__DCShadow_add_primarygroupid_512_to_std_account.pcapng: search_request: 13, tshark 0",
    "CredAccess__DCShadow_add_primarygroupid_512_to_std_account.pcapng: search_result_done: 13, tshark 0",
    "CredAccess__DCShadow_add_primarygroupid_512_to_std_account.pcapng: modify_request: 2, tshark 0",
    "CredAccess__DCShadow_add_primarygroupid_512_to_std_account.pcapng: modify_response: 2, tshark 0",
    "CredAccess__DCShadow_add_primarygroupid_512_to_std_account.pcapng: add_request: 1, tshark 0",
    "CredAccess__DCShadow_add_primarygroupid_512_to_std_account.pcapng: add_response: 1, tshark 0",
    "CredAccess__DCShadow_add_primarygroupid_512_to_std_account.pcapng: del_request: 2, tshark 0",
    "CredAccess__DCShadow_add_primarygroupid_512_to_std_account.pcapng: del_response: 2, tshark 0",
    // Put together by hand from single packets of several connections: one of them has no place in
    // the sequence of the first and tshark calls it a retransmission.
    "Tests__Packet++Test__PacketExamples__ldap.pcapng: del_response: 2, tshark 1",
];
