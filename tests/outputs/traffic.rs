//! relaywatch reading packets from a pipe, as many and as slowly as a test likes. With the rule of [`RULE`] each
//! packet is one alert and one `dns` event, with the packet's number in both.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const RULE: &str = "title: Each\nsid: 1000001\nlogsource: {product: relaywatch, service: dns}\n\
     detection: {selection: {query|endswith: .example}, condition: selection}\nlevel: high\n";

/// One DNS question in a frame, as a pcap record (RFC 791, 768, 1035).
fn record(n: u32) -> Vec<u8> {
    let id = n.to_be_bytes();
    let mut dns = vec![id[2], id[3], 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]; // recursion desired, one question
    dns.push(7);
    dns.extend_from_slice(format!("n{n:06}").as_bytes());
    dns.extend_from_slice(b"\x07example\x00\x00\x01\x00\x01"); // A, IN
    let mut udp = Vec::new();
    udp.extend_from_slice(&(1024 + (n % 60_000) as u16).to_be_bytes());
    udp.extend_from_slice(&53u16.to_be_bytes());
    udp.extend_from_slice(&(8 + dns.len() as u16).to_be_bytes());
    udp.extend_from_slice(&[0, 0]); // no checksum
    udp.extend_from_slice(&dns);
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
    frame.extend_from_slice(&(20 + udp.len() as u16).to_be_bytes());
    frame.extend_from_slice(&[0, 0, 0, 0, 64, 17, 0, 0]); // UDP; header checksum not looked at
    frame.extend_from_slice(&[192, 0, 2, 10, 192, 0, 2, 53]);
    frame.extend_from_slice(&udp);
    let length = (frame.len() as u32).to_le_bytes();
    let micros = n * 10;
    let mut record = Vec::new();
    record.extend_from_slice(&(1_700_000_000 + micros / 1_000_000).to_le_bytes());
    record.extend_from_slice(&(micros % 1_000_000).to_le_bytes());
    record.extend_from_slice(&length);
    record.extend_from_slice(&length);
    record.extend_from_slice(&frame);
    record
}

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
        // pcap 2.4, microseconds, Ethernet.
        let mut head = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        head.extend_from_slice(&65_535u32.to_le_bytes());
        head.extend_from_slice(&1u32.to_le_bytes());
        input.as_mut().unwrap().write_all(&head).unwrap();
        Self {
            child,
            input,
            said,
            sent: 0,
        }
    }

    /// Feeds packets.
    pub(crate) fn packets(&mut self, count: u32) {
        let bytes: Vec<u8> = (self.sent..self.sent + count).flat_map(record).collect();
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
