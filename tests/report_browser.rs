//! The report in a real browser: no script runs, nothing is fetched, hostile text is there to be read.
//!
//! Needs Chromium, so `make ci-full` runs it: `cargo test --test report_browser -- --ignored`.

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use common::relaywatch;
use common::report::{PAYLOADS, hostile};
use common::root;

/// A proxy that keeps the first line of every request and answers none. All that the browser fetches goes there.
struct Ears {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Ears {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let told = Arc::clone(&heard);
        std::thread::Builder::new()
            .spawn(move || {
                for stream in listener.incoming() {
                    let mut stream = stream.unwrap();
                    let mut head = [0; 512];
                    let len = stream.read(&mut head).unwrap_or(0);
                    let text = String::from_utf8_lossy(&head[..len]).into_owned();
                    let line = text.lines().next().unwrap_or_default().to_owned();
                    told.lock().unwrap().push(line);
                    let _ =
                        stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
                }
            })
            .unwrap();
        Self { port, heard }
    }

    /// What was asked of hosts that our payloads name.
    fn heard(&self) -> Vec<String> {
        let all = self.heard.lock().unwrap();
        let ours = all.iter().filter(|line| line.contains("evil.example"));
        ours.cloned().collect()
    }
}

/// The document after scripts had their time, as the browser sees it.
fn dom(page: &Path, ears: &Ears) -> String {
    let profile = tempfile::tempdir().unwrap();
    let out = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--virtual-time-budget=3000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--proxy-server=127.0.0.1:{}", ears.port))
        .arg(format!("file://{}", page.display()))
        .output()
        .expect("chromium starts");
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap()
}

#[test]
#[ignore = "needs chromium; make ci-full runs it"]
fn nothing_runs_and_nothing_is_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let (log, page) = (
        folder.path().join("eve.json"),
        folder.path().join("page.html"),
    );
    let capture = root().join("testdata/captures/relay_smb_http_adcs.pcap");
    let events = common::replay(
        &capture,
        &["--events", "alert,incident,posture,identity,stats,sensor"],
    );
    let mut lines = Vec::new();
    for (i, payload) in PAYLOADS.iter().enumerate() {
        for event in &events {
            let mut event = hostile(event.clone(), payload);
            // An incident a payload.
            for place in ["/incident/incident_id", "/alert/context/incident_id"] {
                if let Some(id) = event.pointer_mut(place) {
                    *id = format!("{:016x}", i + 1).into();
                }
            }
            writeln!(lines, "{event}").unwrap();
        }
    }
    std::fs::write(&log, &lines).unwrap();
    let out = relaywatch(&[
        "report",
        log.to_str().unwrap(),
        "-o",
        page.to_str().unwrap(),
    ]);
    assert!(out.status.success());

    // First what the check is worth: the same payloads without our care do run and do fetch.
    let careless = folder.path().join("careless.html");
    let body = format!(
        "<title>x</title><p>{}</p><p title=\"{}\">",
        PAYLOADS[0], PAYLOADS[1]
    );
    std::fs::write(&careless, body).unwrap();
    let ears = Ears::open();
    let seen = dom(&careless, &ears);
    assert!(seen.contains("<title>OWNED</title>"), "{seen}");
    assert!(
        ears.heard().iter().any(|l| l.contains("/img")),
        "{:?}",
        ears.heard()
    );

    let ears = Ears::open();
    let seen = dom(&page, &ears);
    assert_eq!(ears.heard(), Vec::<String>::new());
    let title = "<title>relaywatch report: 8 incidents</title>";
    assert!(seen.contains(title), "{}", &seen[..2_000.min(seen.len())]);
    for element in ["<script", "<img", "<iframe", "onload=", "<svg onload"] {
        let inside_text = seen.replace("&lt;", "\u{fffd}");
        let found = inside_text.match_indices(element).any(|(at, _)| {
            // An attribute counts only inside a tag.
            element.starts_with('<') || inside_text[..at].rfind('<') > inside_text[..at].rfind('>')
        });
        assert!(!found, "{element} is an element of the document");
    }
    assert_eq!(seen.matches("<article").count(), PAYLOADS.len());
    assert_eq!(seen.matches("<svg").count(), PAYLOADS.len());
    // As text nodes: the browser writes them escaped again.
    assert!(seen.contains("&lt;script&gt;document.title='OWNED'"));
    assert!(seen.contains("&lt;img src=http://evil.example/img onerror="));
    assert!(seen.contains("alice\u{27e8}U+202E\u{27e9}gpj.exe"));
}
