//! A running sensor that is asked how it is, told to do things, and watched by a service manager.
#![allow(clippy::disallowed_methods)] // a program under test is watched by a clock

mod common;

use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{relaywatch, root};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

/// A sensor that reads a pipe, which does not end before [`Sensor::stop`].
struct Sensor {
    child: Child,
    input: Option<ChildStdin>,
    socket: PathBuf,
}

impl Sensor {
    fn start(dir: &Path, more: &[&str]) -> Self {
        let socket = dir.join("control.sock");
        let mut child = Command::new(env!("CARGO_BIN_EXE_relaywatch"))
            .args([
                "-r",
                "-",
                "-w",
                "2",
                "--events",
                "alert",
                "--control-socket",
            ])
            .arg(&socket)
            .arg("-o")
            .arg(dir.join("eve.json"))
            .args(more)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let sensor = Self {
            child,
            input,
            socket,
        };
        wait_for(|| sensor.socket.exists().then_some(()));
        sensor
    }

    fn ask(&self, args: &[&str]) -> Output {
        let mut all = args.to_vec();
        all.extend(["--socket", self.socket.to_str().unwrap()]);
        relaywatch(&all)
    }

    fn send(&mut self, bytes: &[u8]) {
        self.input.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// Ends the input and gives what was said on stderr.
    fn stop(mut self) -> String {
        drop(self.input.take());
        let out = self.child.wait_with_output().unwrap();
        assert!(out.status.success());
        String::from_utf8(out.stderr).unwrap()
    }
}

fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "it did not happen");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn json(out: &Output) -> Value {
    serde_json::from_slice(&out.stdout).unwrap_or_else(|_| {
        panic!(
            "{}{}",
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        )
    })
}

/// What Prometheus would get over a unix socket.
fn scrape(path: &Path) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
    body.to_owned()
}

#[test]
fn status_metrics_reload_and_dump_of_a_running_sensor() {
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("mine.yml");
    let rule = "title: Mine\nsid: 1000001\nlogsource: {product: relaywatch, service: dns}\n\
                detection: {selection: {query: x.example}, condition: selection}\nlevel: low\n";
    std::fs::write(&rules, rule).unwrap();
    let metrics = dir.path().join("metrics.sock");
    let listen = format!("unix:{}", metrics.display());
    let more = ["-S", rules.to_str().unwrap(), "--metrics", &listen];
    let mut sensor = Sensor::start(dir.path(), &more);

    // A recorded relay: 1 coercion, its callback, the relay to AD CS over HTTP. Its end waits, so that
    // what came before is looked at while the sensor runs.
    let path = root().join("testdata/captures/relay_smb_http_adcs.pcap");
    let capture = std::fs::read(path).unwrap();
    let (most, end) = capture.split_at(capture.len() - 2_000);
    sensor.send(most);
    std::thread::sleep(Duration::from_millis(1_200));
    sensor.send(end);
    let status = wait_for(|| {
        let out = sensor.ask(&["status", "--json"]);
        let status = json(&out);
        let seen = status["packets"]["seen"].as_u64() > Some(0);
        seen.then_some(status)
    });
    assert_eq!(status["health"], "healthy", "{status:#}");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["pid"], sensor.child.id());
    let threads = status["threads"].as_array().unwrap();
    let mut names: Vec<&str> = threads
        .iter()
        .map(|t| t["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["capture", "correlator", "worker-0", "worker-1"]);
    assert!(status["memory"]["resident"].as_u64() > Some(1 << 20));
    assert_eq!(status["memory"]["budget"], 512 << 20);

    let text = sensor.ask(&["status"]);
    assert_eq!(text.status.code(), Some(0));
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.starts_with("relaywatch   0."), "{text}");
    assert!(text.contains(" HEALTHY, up "), "{text}");

    let stats = json(&sensor.ask(&["control", "stats"]));
    let seen = stats["stats"]["decoder"]["pkts"].as_u64();
    assert!(seen > Some(0), "{stats:#}");
    assert_eq!(stats["sensor"]["workers"], 2);

    let body = scrape(&metrics);
    let value = |name: &str| -> f64 {
        let line = body.lines().find(|l| l.starts_with(&format!("{name} ")));
        let line = line.unwrap_or_else(|| panic!("no {name} in\n{body}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(value("relaywatch_healthy"), 1.0);
    assert!(value("relaywatch_packets_total") > 0.0);
    assert!(body.ends_with("# EOF\n"));

    let done = sensor.ask(&["control", "reload"]);
    assert!(done.status.success());
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(said.starts_with("rules read again: "), "{said}");
    std::fs::write(&rules, rule.replace("query", "qery")).unwrap();
    let refused = sensor.ask(&["control", "reload"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("did you mean `query`?"), "{said}");
    let text = sensor.ask(&["status"]);
    assert_eq!(text.status.code(), Some(1), "degraded");
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains(" DEGRADED, "), "{text}");
    assert!(text.contains("! the last reload failed"), "{text}");
    assert!(scrape(&metrics).contains("\nrelaywatch_reload_ok 0.0\n"));

    let socket = sensor.socket.clone();
    let said = sensor.stop();
    assert!(said.contains("rules read again"), "{said}");
    assert!(said.contains("the rules stay as they are"), "{said}");
    assert!(!socket.exists() && !metrics.exists());
    let gone = relaywatch(&["status", "--socket", socket.to_str().unwrap()]);
    assert_eq!(gone.status.code(), Some(2));
    let said = String::from_utf8(gone.stderr).unwrap();
    assert!(said.contains("no relaywatch runs"), "{said}");
}

/// Needs the right to capture; says so and passes without it.
#[test]
fn a_service_manager_is_told_that_it_is_ready_and_alive() {
    let dir = tempfile::tempdir().unwrap();
    let manager = UnixDatagram::bind(dir.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_relaywatch"))
        .args(["-i", "lo", "--log-format", "json", "-o"])
        .arg(dir.path().join("eve.json"))
        .env("NOTIFY_SOCKET", dir.path().join("notify"))
        .env("WATCHDOG_USEC", "900000")
        .env("RUNTIME_DIRECTORY", dir.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut words = Vec::new();
    let mut hear = |child: &mut Child| -> Option<Vec<String>> {
        let mut buffer = [0; 512];
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        let n = manager.recv(&mut buffer).unwrap();
        words.push(String::from_utf8(buffer[..n].to_vec()).unwrap());
        Some(words.clone())
    };
    std::thread::sleep(Duration::from_millis(1_000));
    if hear(&mut child).is_none() {
        let out = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(2), "{said}");
        eprintln!("skipped: live: may not capture here: {said}");
        return;
    }
    let said = wait_for(|| hear(&mut child).filter(|all| all.len() >= 4));
    assert!(said[0].starts_with("READY=1\nSTATUS="), "{said:?}");
    let alive = said.iter().filter(|word| *word == "WATCHDOG=1").count();
    assert!(alive >= 2, "{said:?}");

    // Where systemd puts it, without a word of configuration.
    let socket = dir.path().join("control.sock");
    let ask = |args: &[&str]| {
        let mut all = args.to_vec();
        all.extend(["--socket", socket.to_str().unwrap()]);
        relaywatch(&all)
    };
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let status = wait_for(|| {
        udp.send_to(b"x", udp.local_addr().unwrap()).unwrap();
        let status = json(&ask(&["status", "--json"]));
        let seen = status["interfaces"][0]["packets"].as_u64() > Some(0);
        seen.then_some(status)
    });
    let lo = &status["interfaces"][0];
    assert_eq!((&lo["name"], &lo["up"]), (&"lo".into(), &true.into()));
    assert!(lo["last_packet_s_ago"].as_u64() < Some(30), "{status:#}");

    let dump = json(&ask(&["control", "dump"]));
    assert!(dump["hosts"].is_array() && dump["incidents"].is_array());

    Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success());
    for line in String::from_utf8(out.stderr).unwrap().lines() {
        let message: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert!(message["level"].is_string() && message["message"].is_string());
    }
    let mut last = String::new();
    let mut buffer = [0; 512];
    while last != "STOPPING=1" {
        let n = manager.recv(&mut buffer).unwrap();
        last = String::from_utf8(buffer[..n].to_vec()).unwrap();
    }
}
