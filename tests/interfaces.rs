//! Interfaces that this test makes itself, in a network namespace of its own: several at once, links that go
//! and come back, interfaces that go for good.
//!
//! Needs root and iproute2; says `skipped: interfaces` and passes without.

#![allow(clippy::disallowed_methods)] // a test may look at a clock and start a thread

mod common;

use std::fs::File;
use std::io::Read;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{lines, of_type, replay, root};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

/// A network namespace; gone with the value.
struct Space(String);

impl Space {
    /// With pairs of interfaces `NAME` and `NAMEp`, both up. `None` where that is not possible.
    fn new(what: &str, pairs: &[&str]) -> Option<Self> {
        let space = Self(format!("rwt-{what}-{}", std::process::id()));
        if !rustix::process::geteuid().is_root() || !ip(&["netns", "add", &space.0]) {
            println!("skipped: interfaces: needs root and iproute2");
            return None;
        }
        for name in pairs {
            space.pair(name);
        }
        Some(space)
    }

    fn pair(&self, name: &str) {
        let peer = format!("{name}p");
        assert!(self.ip(&["link", "add", name, "type", "veth", "peer", "name", &peer]));
        for end in [name, &peer] {
            // No router solicitations: what is seen is what this test sends.
            assert!(self.ip(&["link", "set", end, "addrgenmode", "none"]));
            assert!(self.ip(&["link", "set", end, "up"]));
        }
    }

    fn ip(&self, args: &[&str]) -> bool {
        let mut all = vec!["-n", &self.0];
        all.extend(args);
        ip(&all)
    }

    /// The sensor on these interfaces, once it watches them.
    fn sensor(&self, dir: &Path, args: &[&str]) -> Sensor {
        let mut all = vec!["netns", "exec", &self.0, env!("CARGO_BIN_EXE_relaywatch")];
        let (out, err) = (dir.join("eve.json"), dir.join("stderr"));
        all.extend(["-o", out.to_str().unwrap(), "--stats-interval", "1"]);
        all.extend(["--events", "all", "--ring-mib", "4"]);
        all.extend(args);
        let child = Command::new("ip")
            .args(all)
            .stderr(File::create(&err).unwrap())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut sensor = Sensor { child, out, err };
        sensor.until(|s| s.out.exists());
        sensor
    }

    /// Sends frames out of interfaces of the namespace.
    fn sender(&self, interface: &str) -> pcap::Capture<pcap::Active> {
        let (space, interface) = (self.0.clone(), interface.to_owned());
        // Only this thread goes there; its socket stays there.
        let there = std::thread::spawn(move || {
            let space = File::open(Path::new("/run/netns").join(space)).unwrap();
            move_into_link_name_space(
                std::os::fd::AsFd::as_fd(&space),
                Some(LinkNameSpaceType::Network),
            )
            .unwrap();
            pcap::Capture::from_device(interface.as_str())
                .unwrap()
                .open()
                .unwrap()
        });
        there.join().unwrap()
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        ip(&["netns", "del", &self.0]);
    }
}

fn ip(args: &[&str]) -> bool {
    Command::new("ip")
        .args(args)
        .status()
        .is_ok_and(|s| s.success())
}

struct Sensor {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Sensor {
    fn said(&self) -> String {
        std::fs::read_to_string(&self.err).unwrap()
    }

    /// Waits, ten seconds at most, until something is so.
    fn until(&mut self, so: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !so(self) {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() || so(self), "{ended:?}: {}", self.said());
            assert!(begun.elapsed().as_secs() < 10, "{}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn until_said(&mut self, text: &str) {
        self.until(|s| s.said().contains(text));
    }

    fn events(&self) -> Vec<Value> {
        let mut all = Vec::new();
        let mut file = File::open(&self.out).unwrap();
        file.read_to_end(&mut all).unwrap();
        // The last line may be half written.
        let whole = all.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        lines(&all[..whole])
    }

    /// Frames seen on all interfaces, as the newest event says.
    fn packets(&self) -> u64 {
        let events = self.events();
        let newest = of_type(&events, "stats").last().cloned().cloned();
        newest.map_or(0, |e| e["stats"]["decoder"]["pkts"].as_u64().unwrap())
    }

    fn stop(mut self) -> (Option<i32>, Vec<Value>) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        let status = self.child.wait().unwrap();
        let events = self.events();
        (status.code(), events)
    }
}

impl Drop for Sensor {
    fn drop(&mut self) {
        // Of a test that failed; otherwise it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A recorded relay: coercion, both legs, and what was done with it.
fn relay() -> PathBuf {
    root().join("testdata/captures/relay_smb_http_adcs.pcap")
}

fn frames(capture: &Path) -> Vec<Vec<u8>> {
    let mut file = pcap::Capture::from_file(capture).unwrap();
    let mut all = Vec::new();
    while let Ok(packet) = file.next_packet() {
        all.push(packet.data.to_vec());
    }
    assert!(all.len() > 20, "{}", all.len());
    all
}

/// Signatures of alerts, sorted.
fn signatures(events: &[Value]) -> Vec<u64> {
    let mut all: Vec<u64> = of_type(events, "alert")
        .iter()
        .map(|e| e["alert"]["signature_id"].as_u64().unwrap())
        .collect();
    all.sort_unstable();
    all
}

/// Source before destination: as a TAP has it, one direction an output.
fn forward(frame: &[u8]) -> bool {
    let addr = |at: usize| Ipv4Addr::from(<[u8; 4]>::try_from(&frame[at..at + 4]).unwrap());
    // Ethernet, IPv4.
    frame[12..14] != [8, 0] || addr(26) < addr(30)
}

fn of_interface<'e>(events: &'e [Value], name: &str) -> &'e Value {
    let sensor = of_type(events, "sensor").last().cloned().unwrap();
    let all = sensor["sensor"]["interfaces"].as_array().unwrap();
    all.iter().find(|i| i["name"] == name).unwrap()
}

#[test]
fn a_relay_is_seen_over_both_outputs_of_a_tap() {
    let Some(space) = Space::new("tap", &["tap0", "tap1"]) else {
        return;
    };
    let expected = signatures(&replay(&relay(), &["--events", "alert"]));
    assert!(expected.len() >= 2, "{expected:?}");
    let dir = tempfile::tempdir().unwrap();
    let mut sensor = space.sensor(dir.path(), &["-i", "tap0", "-i", "tap1", "-w", "2"]);
    let mut out = [space.sender("tap0p"), space.sender("tap1p")];
    let frames = frames(&relay());
    for frame in &frames {
        // No pause: the two directions are microseconds apart, and in other blocks of other rings.
        out[usize::from(forward(frame))]
            .sendpacket(frame.as_slice())
            .unwrap();
    }
    sensor.until(|s| s.packets() >= frames.len() as u64);
    let (code, events) = sensor.stop();
    assert_eq!(code, Some(0));
    assert_eq!(signatures(&events), expected);
    let last = of_type(&events, "sensor").last().cloned().unwrap();
    let counted = &last["sensor"];
    assert_eq!(counted["out_of_order"], 0, "{counted}");
    assert_eq!(counted["gap_bytes"], 0, "{counted}");
    assert_eq!(counted["late"], 0, "{counted}");
    let sent = |one: bool| frames.iter().filter(|f| forward(f) == one).count();
    assert_eq!(of_interface(&events, "tap0")["packets"], sent(false));
    assert_eq!(of_interface(&events, "tap1")["packets"], sent(true));
    for name in ["tap0", "tap1"] {
        let on_it = events.iter().any(|e| e["in_iface"] == name);
        assert!(on_it, "no event of {name}");
        assert_eq!(of_interface(&events, name)["up"], true);
    }
}

#[test]
fn captures_that_share_an_interface_see_what_one_would() {
    let Some(space) = Space::new("fan", &["fan0"]) else {
        return;
    };
    let expected = signatures(&replay(&relay(), &["--events", "alert"]));
    let dir = tempfile::tempdir().unwrap();
    let mut sensor = space.sensor(dir.path(), &["-i", "fan0", "--fanout", "3"]);
    let mut out = space.sender("fan0p");
    let frames = frames(&relay());
    for frame in &frames {
        out.sendpacket(frame.as_slice()).unwrap();
    }
    sensor.until(|s| s.packets() >= frames.len() as u64);
    let (code, events) = sensor.stop();
    assert_eq!(code, Some(0));
    assert_eq!(signatures(&events), expected);
    let fan = of_interface(&events, "fan0");
    assert_eq!(fan["packets"], frames.len(), "each once");
    let last = of_type(&events, "sensor").last().cloned().unwrap();
    assert_eq!(last["sensor"]["out_of_order"], 0);
    assert_eq!(last["sensor"]["late"], 0);
}

#[test]
fn a_link_that_comes_back_is_captured_from_again() {
    let Some(space) = Space::new("link", &["lnk0"]) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let mut sensor = space.sensor(dir.path(), &["-i", "lnk0"]);
    let mut out = space.sender("lnk0p");
    let frame = frames(&relay()).swap_remove(0);
    out.sendpacket(frame.as_slice()).unwrap();
    sensor.until(|s| s.packets() == 1);
    // The cable, then the administrator.
    assert!(space.ip(&["link", "set", "lnk0p", "down"]));
    sensor.until_said("lnk0: no link");
    assert!(space.ip(&["link", "set", "lnk0p", "up"]));
    sensor.until_said("lnk0: the link is back");
    // The old socket tells of the pulled cable first.
    let mut out = space.sender("lnk0p");
    out.sendpacket(frame.as_slice()).unwrap();
    sensor.until(|s| s.packets() == 2);
    assert!(space.ip(&["link", "set", "lnk0", "down"]));
    sensor.until(|s| s.said().matches("lnk0: no link").count() == 2);
    assert!(space.ip(&["link", "set", "lnk0", "up"]));
    sensor.until(|s| s.said().matches("lnk0: the link is back").count() == 2);
    let mut out = space.sender("lnk0p");
    out.sendpacket(frame.as_slice()).unwrap();
    sensor.until(|s| s.packets() == 3);
    assert_eq!(sensor.stop().0, Some(0));
}

#[test]
fn the_others_go_on_and_without_any_it_ends_with_2() {
    let Some(space) = Space::new("gone", &["gon0", "gon1"]) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let mut sensor = space.sensor(dir.path(), &["-i", "gon0", "-i", "gon1"]);
    let frame = frames(&relay()).swap_remove(0);
    assert!(space.ip(&["link", "del", "gon0"]));
    sensor.until_said("gon0: capturing stopped");
    sensor.until_said("the others go on");
    let mut out = space.sender("gon1p");
    out.sendpacket(frame.as_slice()).unwrap();
    sensor.until(|s| s.packets() == 1);
    let events = sensor.events();
    assert_eq!(of_interface(&events, "gon1")["up"], true);
    sensor.until(|s| of_interface(&s.events(), "gon0")["up"] == false);
    assert!(space.ip(&["link", "del", "gon1"]));
    let status = sensor.child.wait().unwrap();
    let said = sensor.said();
    assert_eq!(status.code(), Some(2), "{said}");
    assert_eq!(said.matches("gon0: capturing stopped").count(), 1, "{said}");
    assert!(said.contains("gon1: capturing stopped"), "{said}");
    assert!(said.contains("no interface is left"), "{said}");
}

#[test]
fn an_interface_made_anew_is_opened_again_if_rights_were_kept() {
    for (kept, flags) in [(true, &["--no-sandbox"][..]), (false, &[])] {
        let Some(space) = Space::new(if kept { "new" } else { "old" }, &["new0", "new1"]) else {
            return;
        };
        let dir = tempfile::tempdir().unwrap();
        let mut args = vec!["-i", "new0", "-i", "new1"];
        args.extend(flags);
        let mut sensor = space.sensor(dir.path(), &args);
        assert!(space.ip(&["link", "del", "new0"]));
        sensor.until_said("new0: capturing stopped");
        space.pair("new0");
        if kept {
            sensor.until_said("new0: it is back");
        } else {
            // Long enough for three tries.
            std::thread::sleep(Duration::from_millis(1_600));
            assert!(!sensor.said().contains("it is back"), "{}", sensor.said());
        }
        let frame = frames(&relay()).swap_remove(0);
        for peer in ["new0p", "new1p"] {
            space.sender(peer).sendpacket(frame.as_slice()).unwrap();
        }
        let seen = if kept { 2 } else { 1 };
        sensor.until(|s| s.packets() == seen);
        assert_eq!(sensor.stop().0, Some(0));
    }
}
