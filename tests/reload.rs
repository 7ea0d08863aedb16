//! SIGUSR2 under load: rules change between two packets, and no packet is lost or seen twice.
#![allow(clippy::disallowed_methods)] // a program under test is watched by a thread and a clock

#[path = "common/synth.rs"]
mod synth;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use synth::{Pcap, question};

/// Packets before and after each change of the rules. 90 bytes each: some blocks of 256 KiB.
const PART: u32 = 10_000;
const PATIENCE: Duration = Duration::from_secs(60);

fn rule(title: &str, field: &str) -> String {
    format!(
        "title: {title}\nsid: 1000001\nlogsource: {{product: relaywatch, service: dns}}\n\
         detection: {{selection: {{{field}|endswith: .example}}, condition: selection}}\nlevel: low\n"
    )
}

struct Run {
    child: Child,
    input: Option<ChildStdin>,
    said: Receiver<String>,
    sent: u32,
}

impl Run {
    fn start(rules: &Path, out: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_relaywatch"))
            .args([
                "-r",
                "-",
                "-w",
                "2",
                "-S",
                "none",
                "--events",
                "alert,stats",
            ])
            .arg("-S")
            .arg(rules)
            .arg("-o")
            .arg(out)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (tx, said) = channel();
        let errors = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                if tx.send(line).is_err() {
                    break;
                }
            }
        });
        let mut input = child.stdin.take();
        input
            .as_mut()
            .unwrap()
            .write_all(&Pcap::new().bytes)
            .unwrap();
        Self {
            child,
            input,
            said,
            sent: 0,
        }
    }

    fn send(&mut self) {
        let bytes: Vec<u8> = (self.sent..self.sent + PART).flat_map(question).collect();
        self.sent += PART;
        self.input.as_mut().unwrap().write_all(&bytes).unwrap();
    }

    /// Asks for a reload and waits for what it says.
    fn reload(&self) -> String {
        let pid = self.child.id().to_string();
        let done = Command::new("kill").args(["-USR2", &pid]).status().unwrap();
        assert!(done.success());
        let mut all = String::new();
        loop {
            let line = self
                .said
                .recv_timeout(PATIENCE)
                .expect("nothing said of the reload");
            all.push_str(&line);
            all.push('\n');
            if line.contains("rules read again") || line.contains("the rules stay") {
                return all;
            }
        }
    }
}

/// Waits until the file has an alert, so that the first rules were at work.
fn wait_for_alerts(out: &Path) {
    let start = Instant::now();
    while !fs::read_to_string(out).is_ok_and(|t| t.contains("\"alert\"")) {
        assert!(start.elapsed() < PATIENCE, "no alert");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn rules_change_between_two_packets() {
    let dir = tempfile::tempdir().unwrap();
    let (rules, out) = (dir.path().join("mine.yml"), dir.path().join("eve.json"));
    fs::write(&rules, rule("Old", "query")).unwrap();
    let mut run = Run::start(&rules, &out);
    run.send();
    wait_for_alerts(&out);

    fs::write(&rules, rule("New", "query")).unwrap();
    let said = run.reload();
    assert!(said.contains("1 loaded"), "{said}");
    run.send();

    fs::write(&rules, rule("Broken", "qery")).unwrap();
    let said = run.reload();
    assert!(said.contains("did you mean `query`?"), "{said}");
    assert!(said.contains("the rules stay as they are"), "{said}");
    run.send();

    drop(run.input.take());
    assert!(run.child.wait().unwrap().success());
    let text = fs::read_to_string(&out).unwrap();
    let mut titles = Vec::new();
    let mut numbers = Vec::new();
    let mut packets = 0;
    for line in text.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        if event["event_type"] == "stats" {
            packets = event["stats"]["decoder"]["pkts"].as_u64().unwrap();
            continue;
        }
        titles.push(event["alert"]["signature"].as_str().unwrap().to_owned());
        numbers.push(event["pcap_cnt"].as_u64().unwrap());
    }
    // Every packet once, in order.
    assert_eq!(packets, u64::from(run.sent));
    assert_eq!(numbers, (1..=u64::from(run.sent)).collect::<Vec<_>>());
    // Old, then new for good, from some packet on.
    titles.dedup();
    assert_eq!(titles, ["Old", "New"]);
}
