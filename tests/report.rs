//! `relaywatch report`: the page says what the ground truth says, and nothing a log holds can do anything in it.

mod common;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::report::{PAYLOADS, hostile};
use common::{relaywatch, root};
use regex::Regex;
use serde_json::{Value, json};

const EVENTS: &str = "alert,incident,posture,identity,stats,sensor";

/// EVE of a capture of ours.
fn eve(capture: &str, events: &str) -> Vec<u8> {
    let folder = root().join("testdata/captures");
    let path = ["pcap", "pcap.zst"].map(|e| folder.join(format!("{capture}.{e}")));
    let path = path.iter().find(|p| p.exists()).expect("a capture of ours");
    let out = relaywatch(&["-q", "--events", events, "-r", path.to_str().unwrap()]);
    assert!(out.status.success(), "{capture}");
    out.stdout
}

fn truth(capture: &str) -> Value {
    let path = root().join(format!("testdata/captures/{capture}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A folder with logs, and the page made of them.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn run(&self, logs: &[&Path]) -> Output {
        let mut args = vec!["report".to_owned()];
        args.extend(logs.iter().map(|p| p.display().to_string()));
        args.push("-o".to_owned());
        args.push(self.0.path().join("page.html").display().to_string());
        relaywatch(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The page; the run must succeed.
    fn page(&self, logs: &[&Path]) -> String {
        let out = self.run(logs);
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{said}");
        std::fs::read_to_string(self.0.path().join("page.html")).unwrap()
    }
}

fn page_of(log: &[u8]) -> String {
    let desk = Desk::new();
    let log = desk.put("eve.json", log);
    desk.page(&[&log])
}

/// Title and first address of each box of the first picture, and the labels of its arrows.
fn picture(page: &str) -> (Vec<(String, String)>, Vec<String>) {
    let svg = page.split("<svg").nth(1).expect("a picture");
    let svg = svg.split("</svg>").next().unwrap();
    let boxes = Regex::new(
        r#"<text class="role"[^>]*>([^<]*)</text><text class="host"[^>]*>([^<]*)</text>"#,
    );
    let steps = Regex::new(r#"<text class="what"[^>]*>([^<]*)</text>"#).unwrap();
    let boxes = boxes.unwrap();
    let boxes = boxes.captures_iter(svg);
    (
        boxes.map(|c| (c[1].to_owned(), c[2].to_owned())).collect(),
        steps.captures_iter(svg).map(|c| c[1].to_owned()).collect(),
    )
}

/// Who stands in which box, what the arrows say, and the path, against what the scenario's own journals say.
#[test]
fn the_page_tells_what_the_ground_truth_tells() {
    let cases = [
        "petitpotam_pipe_clear",
        "petitpotam_tcp",
        "dfscoerce",
        "relay_smb_http_adcs",
        "relay_smb_ldap",
        "relay_smb_smb",
        "chain_four_hosts_adcs",
        "chain_four_hosts_smb",
        "chain_rbcd",
    ];
    for case in cases {
        let truth = truth(case);
        let role = |name: &str| truth[name].as_str().map(str::to_owned);
        let page = page_of(&eve(case, EVENTS));
        let (boxes, steps) = picture(&page);
        let named = |title: &str| {
            boxes.iter().any(|(t, _)| t == title).then(|| {
                let its = boxes.iter().find(|(t, _)| t == title);
                its.map(|(_, host)| host.clone()).unwrap()
            })
        };
        assert_eq!(named("Victim"), role("victim"), "{case}: {boxes:?}");
        assert_eq!(named("Target"), role("target"), "{case}: {boxes:?}");
        if role("attacker") == role("listener") {
            assert_eq!(
                named("Attacker and listener"),
                role("attacker"),
                "{case}: {boxes:?}"
            );
        } else {
            assert_eq!(named("Attacker"), role("attacker"), "{case}: {boxes:?}");
            assert_eq!(named("Listener"), role("listener"), "{case}: {boxes:?}");
        }
        let call = &truth["coercion_events"][0];
        let method = call["method"].as_str().unwrap();
        let first = format!("1. coercion: {method}");
        assert_eq!(
            steps[0],
            first.chars().take(42).collect::<String>(),
            "{case}: {steps:?}"
        );
        assert!(
            steps[1].starts_with("2. authenticates as LAB\\SRV1$"),
            "{case}: {steps:?}"
        );
        let relayed = steps
            .iter()
            .any(|s| s.contains("relays that authentication"));
        assert_eq!(relayed, role("target").is_some(), "{case}: {steps:?}");
        assert!(page.contains(&format!(">{method}<")), "{case}");
        if truth["visible_path"] == true {
            let path = call["unc"].as_str().unwrap();
            let wanted = format!("<dt>Path in the call</dt><dd class=\"mono\"><bdi>{path}</bdi>");
            assert!(page.contains(&wanted), "{case}: {path}");
        } else {
            assert!(
                page.contains("The arguments of a call are ciphertext"),
                "{case}"
            );
        }
    }
}

/// All that an incident's chapter has to have.
#[test]
fn a_chapter_is_whole() {
    let log = eve("relay_smb_http_adcs", EVENTS);
    let page = page_of(&log);
    let incidents: BTreeSet<String> = common::lines(&log)
        .iter()
        .filter_map(|e| e["incident"]["incident_id"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(incidents.len(), 1);
    assert_eq!(
        page.matches("<article").count(),
        1,
        "revisions are one chapter"
    );
    let last = common::lines(&log);
    let last = last
        .iter()
        .rev()
        .find(|e| e["event_type"] == "incident")
        .unwrap();
    for sentence in last["incident"]["evidence"].as_array().unwrap() {
        let shown = sentence.as_str().unwrap().replace("->", "-&gt;");
        assert!(
            page.contains(&format!("<li><bdi>{shown}</bdi></li>")),
            "{shown}"
        );
    }
    for detector in last["incident"]["detectors"].as_array().unwrap() {
        let id = detector.as_str().unwrap().to_lowercase();
        assert!(page.contains(&format!("id=\"{id}\"")), "no runbook {id}");
        assert!(page.contains(&format!("href=\"#{id}\"")), "no link to {id}");
    }
    for part in [
        "<h3>Timeline</h3>",
        "Confidence</dt><dd><bdi>high",
        "What could not be seen",
        "certutil -revoke SERIAL",
        "Affected hosts",
        "Certificate enrolment over HTTP",
        "role=\"img\"",
        "<desc id=",
        "lang=\"en\"",
    ] {
        assert!(page.contains(part), "{part}");
    }
    // It stands alone.
    for foreign in [
        "<script", "<link", "<img", "<iframe", "src=", "@import", "url(",
    ] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert!(page.contains("Content-Security-Policy\" content=\"default-src 'none'"));
}

/// Every text of every event replaced by an attack: the page has only our own elements and attributes.
#[test]
fn hostile_texts_are_text() {
    let ours = [
        "!DOCTYPE", "html", "head", "meta", "title", "style", "body", "a", "header", "h1", "h2",
        "h3", "p", "main", "section", "span", "div", "table", "thead", "tbody", "tr", "th", "td",
        "article", "details", "summary", "figure", "svg", "desc", "g", "rect", "text", "line",
        "polygon", "dl", "dt", "dd", "ul", "ol", "li", "b", "bdi", "code", "strong", "em",
        "footer",
    ];
    let tag = Regex::new(r"<(/?)([^\s>/]+)([^>]*)>").unwrap();
    let attribute = Regex::new(r#"\s([a-zA-Z:-]+)(?:="([^"]*)")?"#).unwrap();
    for payload in PAYLOADS {
        let mut log = Vec::new();
        for event in common::lines(&eve("relay_smb_http_adcs", EVENTS)) {
            let line = serde_json::to_string(&hostile(event, payload)).unwrap();
            writeln!(log, "{line}").unwrap();
        }
        let page = page_of(&log);
        assert!(page.len() < 2_000_000, "{} bytes", page.len());
        let (style, rest) = (
            page.find("<style>").unwrap(),
            page.find("</style>").unwrap(),
        );
        assert!(style < rest && page.matches("<style").count() == 1);
        for found in tag.captures_iter(&page[rest..]) {
            assert!(ours.contains(&&found[2]), "{payload:.40}: <{}>", &found[2]);
            for a in attribute.captures_iter(&found[3]) {
                let (name, value) = (&a[1], a.get(2).map_or("", |v| v.as_str()));
                assert!(
                    !name.starts_with("on") && name != "src" && name != "style",
                    "{payload:.40}: {name}"
                );
                assert!(
                    name != "href" || value.starts_with('#'),
                    "{payload:.40}: {value}"
                );
            }
        }
        for hidden in [
            '\u{202e}', '\u{200b}', '\u{7}', '\u{0}', '\u{1b}', '\u{feff}',
        ] {
            assert!(!page.contains(hidden), "{payload:.40}: {hidden:?}");
        }
    }
    // They are there to be read.
    let event = json!({"timestamp": "2026-11-24T19:18:04.601385+0000", "event_type": "incident",
        "incident": {"incident_id": "97dcac6f2b52507c", "level": "high", "evidence": [PAYLOADS[0], PAYLOADS[3]]}});
    let page = page_of(format!("{event}\n").as_bytes());
    assert!(page.contains("&lt;script&gt;"), "{page}");
    assert!(page.contains("\u{27e8}U+202E\u{27e9}"), "{page}");
}

fn incident(id: u64, rev: u32, level: &str, more: Value) -> String {
    let mut body = json!({"incident_id": format!("{id:016x}"), "rev": rev, "level": level, "count": 1,
        "first_ts": "2026-11-24T19:18:04.000000+0000", "last_ts": "2026-11-24T19:18:05.000000+0000", "closed": false});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    let event = json!({"timestamp": "2026-11-24T19:18:05.000000+0000", "event_type": "incident", "incident": body});
    format!("{event}\n")
}

/// The highest revision counts, wherever it stands; what was merged is told once, where it went.
#[test]
fn revisions_and_mergers_are_followed() {
    let log = [
        incident(
            1,
            3,
            "critical",
            json!({"evidence": ["the last word"], "closed": true}),
        ),
        incident(1, 2, "low", json!({"evidence": ["an older word"]})),
        incident(2, 1, "high", json!({"evidence": ["of the younger"]})),
        incident(
            2,
            2,
            "high",
            json!({"evidence": ["of the younger"], "merged_into": "0000000000000001", "closed": true}),
        ),
        incident(3, 1, "medium", json!({"merged_into": "0000000000000009"})),
    ];
    let page = page_of(log.concat().as_bytes());
    assert_eq!(page.matches("<article").count(), 2);
    assert!(page.contains("the last word") && !page.contains("an older word"));
    assert!(
        page.contains("0000000000000001, with 0000000000000002"),
        "{page}"
    );
    // Two that merged into each other cannot be; both are told rather than none.
    let circle = [
        incident(1, 1, "high", json!({"merged_into": "0000000000000002"})),
        incident(2, 1, "high", json!({"merged_into": "0000000000000001"})),
    ];
    assert_eq!(
        page_of(circle.concat().as_bytes())
            .matches("<article")
            .count(),
        2
    );
}

/// Alerts alone make a chapter too, and the page says what is missing.
#[test]
fn alerts_without_incidents_are_told() {
    let page = page_of(&eve("relay_smb_ldap", "alert"));
    assert_eq!(page.matches("<article").count(), 1);
    let (boxes, _) = picture(&page);
    assert!(
        boxes.contains(&("Target".to_owned(), "10.10.0.10".to_owned())),
        "{boxes:?}"
    );
    assert!(page.contains("The log has its alerts only"));
    assert!(page.contains("whether packets were lost is not known"));
}

/// Plain, gzip, zstd, several at once and standard input are the same.
#[test]
fn logs_are_read_however_they_come() {
    let log = eve("relay_smb_ldap", EVENTS);
    let half = log.len() / 2
        + log[log.len() / 2..]
            .iter()
            .position(|b| *b == b'\n')
            .unwrap()
        + 1;
    let desk = Desk::new();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&log[..half]).unwrap();
    let first = desk.put("eve.json.1.gz", &gz.finish().unwrap());
    let second = desk.put("eve.json.zst", &zstd::encode_all(&log[half..], 1).unwrap());
    let body = |page: &str| page.split("<main>").nth(1).unwrap().to_owned();
    let plain = body(&page_of(&log));
    assert_eq!(body(&desk.page(&[&first, &second])), plain);
    let mut child = Command::new(env!("CARGO_BIN_EXE_relaywatch"))
        .args(["report", "-", "-o", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&log).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success());
    assert_eq!(body(&String::from_utf8(out.stdout).unwrap()), plain);
}

/// Broken lines are told with their place and left out; a log that is none is refused.
#[test]
fn bad_input_is_told_with_its_place() {
    let desk = Desk::new();
    let mut log = eve("relay_smb_ldap", "alert,incident,stats").to_vec();
    let lines = log.iter().filter(|b| **b == b'\n').count();
    log.extend(b"{\"event_type\":\"alert\",\"timestamp\":7}\n[1]\n");
    log.extend(incident(5, 1, "dreadful", json!({})).bytes());
    log.extend(b"{\"timestamp\":\"2026-11-24T19:18:05.000000+0000\",\"event_ty");
    let path = desk.put("eve.json", &log);
    let out = desk.run(&[&path]);
    assert_eq!(out.status.code(), Some(0));
    let said = String::from_utf8(out.stderr).unwrap();
    for line in lines + 1..=lines + 3 {
        assert!(
            said.contains(&format!("eve.json:{line}: column ")),
            "{said}"
        );
    }
    assert!(said.contains("a level is none of Sigma's five"), "{said}");
    // The last line is only half written: somebody is at it.
    assert!(
        !said.contains(&format!("eve.json:{}:", lines + 4)),
        "{said}"
    );
    let page = std::fs::read_to_string(desk.0.path().join("page.html")).unwrap();
    assert!(
        page.contains("4 lines of the logs could not be read"),
        "{page}"
    );

    for (name, bytes, told) in [
        ("empty.json", &b""[..], "the log is empty"),
        ("list.csv", b"a,b,c\n1,2,3\n", "list.csv:1: column 1"),
        ("x.json.gz", b"\x1f\x8b\x08\x00\x00", "cannot read"),
    ] {
        let path = desk.put(name, bytes);
        let out = desk.run(&[&path]);
        let said = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(2), "{name}: {said}");
        assert!(said.contains(told), "{name}: {said}");
    }
    let absent = desk.0.path().join("absent.json");
    assert_eq!(desk.run(&[&absent]).status.code(), Some(2));
    let out = desk.run(&[desk.0.path()]);
    assert!(
        String::from_utf8(out.stderr)
            .unwrap()
            .contains("is a folder")
    );
    let same = desk.put("page.html", b"{}");
    let out = desk.run(&[&same]);
    assert_eq!(
        (out.status.code(), std::fs::read(&same).unwrap()),
        (Some(2), b"{}".to_vec())
    );
}

/// A log of very many incidents does not take memory with it, and the worst are kept.
#[test]
fn memory_does_not_grow_with_the_log() {
    let mut child = Command::new("bash")
        // 160 MiB of address space: the 200 MB of evidence below do not fit.
        .args([
            "-c",
            "ulimit -v 163840; exec \"$0\" report - -o -",
            env!("CARGO_BIN_EXE_relaywatch"),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = std::io::BufWriter::new(child.stdin.take().unwrap());
    let reader = std::thread::Builder::new()
        .spawn(move || child.wait_with_output().unwrap())
        .unwrap();
    let evidence = vec!["x".repeat(500); 16];
    let cut = "y".repeat(1_500);
    for id in 1..=25_000_u64 {
        let line = if id == 77 {
            incident(id, 1, "critical", json!({ "evidence": [cut] }))
        } else {
            incident(id, 1, "low", json!({ "evidence": evidence }))
        };
        stdin.write_all(line.as_bytes()).unwrap();
    }
    drop(stdin);
    let out = reader.join().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{said}");
    let page = String::from_utf8(out.stdout).unwrap();
    assert_eq!(page.matches("<article").count(), 200);
    assert!(
        page.contains("<dd class=\"mono\">000000000000004d"),
        "the worst is kept"
    );
    assert!(page.contains("less severe incidents had no room while reading"));
    assert!(page.contains("less severe incidents are left out of this page"));
    assert!(page.contains("[900 more characters]"));
}
