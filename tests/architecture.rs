//! Who may import whom (the house has levels, and siblings are strangers).

use std::path::Path;

/// Level of a top-level module, lowest first.
fn level(module: &str) -> u8 {
    match module {
        "wire" | "net" | "time" | "limits" => 0,
        "packet" | "event" | "catalog" => 1,
        "flow" | "proto" | "rule" | "correlate" => 2,
        "capture" | "output" => 3,
        "sensor" => 4,
        "cli" => 5,
        "fuzzing" => 6,
        other => panic!("{other}: give it a level here"),
    }
}

/// Modules of one level that may know each other all the same.
fn allowed(from: &str, to: &str) -> bool {
    // Vocabulary may use vocabulary; an event may name a method of the catalogue.
    level(from) == 0 && level(to) == 0 || (from, to) == ("event", "catalog")
}

fn files(dir: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Names of top-level modules that a file mentions as `crate::name`.
fn imports(text: &str) -> Vec<String> {
    text.lines()
        .filter(|l| !l.trim_start().starts_with("//"))
        .flat_map(|l| l.match_indices("crate::").map(move |(at, _)| &l[at + 7..]))
        .map(|rest| {
            rest.chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                .collect()
        })
        .filter(|m: &String| !m.is_empty())
        .collect()
}

#[test]
fn nobody_imports_upwards_or_sideways() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    files(&src, &mut all);
    let mut wrong = Vec::new();
    let mut checked = 0;
    for path in all {
        let inside = path.strip_prefix(&src).unwrap();
        let from = inside
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_string_lossy();
        let from = from.trim_end_matches(".rs");
        if from == "lib" || from == "main" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for to in imports(&text) {
            if to == from || to == "wire_code" {
                continue;
            }
            checked += 1;
            if level(&to) >= level(from) && !allowed(from, &to) {
                wrong.push(format!("{}: {from} may not import {to}", inside.display()));
            }
        }
    }
    assert!(checked > 100, "only {checked} imports seen");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Inside `proto`, carriers import what they carry, never the reverse.
#[test]
fn payloads_do_not_know_their_carriers() {
    let rank = |p: &str| match p {
        "ntlmssp" | "krb5" | "epm" | "tls" => 0,
        "spnego" => 1,
        "nbss" => 1,
        "dcerpc" | "http" | "ldap" | "dns" => 2,
        "wsp" => 3,
        "smb" | "rpch" | "tds" | "mail" => 4,
        _ => 5,
    };
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/proto");
    let mut all = Vec::new();
    files(&proto, &mut all);
    let mut wrong = Vec::new();
    for path in all {
        let inside = path.strip_prefix(&proto).unwrap();
        let Some(from) = inside.parent().and_then(|p| p.iter().next()) else {
            continue;
        };
        let from = from.to_string_lossy();
        let text = std::fs::read_to_string(&path).unwrap();
        let code: Vec<&str> = text
            .lines()
            .filter(|l| !l.trim_start().starts_with("//"))
            .collect();
        let text = code.join("\n");
        for (at, _) in text.match_indices("proto::") {
            let to: String = text[at + 7..]
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_')
                .collect();
            let known = !to.is_empty() && proto.join(&to).is_dir();
            if known && to != *from && rank(&to) >= rank(&from) {
                wrong.push(format!("{}: {from} may not import {to}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every decoder says at its door what it does not read.
#[test]
fn decoders_say_what_they_do_not_read() {
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/proto");
    let doors = std::fs::read_dir(&proto)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("mod.rs"))
        .filter(|door| door.exists());
    let (mut seen, mut silent) = (0, Vec::new());
    for door in doors {
        let text = std::fs::read_to_string(&door).unwrap();
        seen += 1;
        if !text.contains("\n//! Not read: ") {
            silent.push(door);
        }
    }
    assert!(seen >= 18, "only {seen} decoders seen");
    assert!(silent.is_empty(), "{silent:?}");
}
