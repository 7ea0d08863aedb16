//! relaywatch reading packets from a pipe, as many and as slowly as a test likes. With the rule of [`RULE`] each
//! packet is one alert and one `dns` event, with the packet's number in both.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::synth::{Pcap, question};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const RULE: &str = "title: Each\nsid: 1000001\nlogsource: {product: relaywatch, service: dns}\n\
     detection: {selection: {query|endswith: .example}, condition: selection}\nlevel: high\n";

/// A running relaywatch.
pub(crate) struct Run {
    child: Child,
    input: Option<ChildStdin>,
    said: Receiver<String>,
    sent: u32,
}

impl Run {
    /// Starts it with a configuration in `dir`.
    pub(crate) fn start(dir: &Path, config: &str) -> Self {
        std::fs::write(dir.join("each.yml"), RULE).unwrap();
        std::fs::write(dir.join("relaywatch.toml"), config).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_relaywatch"))
            .current_dir(dir)
            .args("-r - -w 1 -S none -S each.yml -c relaywatch.toml".split(' '))
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (tx, said) = channel();
        let errors = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let _ = tx.send(line);
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

    /// Feeds packets.
    pub(crate) fn packets(&mut self, count: u32) {
        let bytes: Vec<u8> = (self.sent..self.sent + count).flat_map(question).collect();
        self.sent += count;
        // A program that was killed meanwhile reads no more.
        let _ = self.input.as_mut().unwrap().write_all(&bytes);
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let done = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(done.success());
    }

    /// Ends its input, waits, and gives what it said on stderr.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        drop(self.input.take());
        let status = self.child.wait().unwrap();
        (status, self.said.iter().collect::<Vec<_>>().join("\n"))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something holds.
pub(crate) fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Packet numbers of the events of a type, in order. Panics on a line that is not whole.
pub(crate) fn numbers(text: &str, event_type: &str) -> Vec<u64> {
    assert!(text.is_empty() || text.ends_with('\n'), "half a line");
    let events = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a whole line"));
    let of_type = events.filter(|e| e["event_type"] == event_type);
    of_type.map(|e| e["pcap_cnt"].as_u64().unwrap()).collect()
}

/// Every number from 1 to `count`, once and in order.
#[track_caller]
pub(crate) fn all_in_order(numbers: &[u64], count: u64) {
    let wrong = numbers.iter().zip(1..).find(|(is, should)| *is != should);
    assert_eq!(wrong, None, "(is, should be)");
    assert_eq!(numbers.len() as u64, count);
}
