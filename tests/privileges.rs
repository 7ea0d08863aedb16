//! What the program may do once it watches: one forbidden act of each class, and what must go on working.
//!
//! The acts are tried in a process of their own: this test starts itself again with an act's name in the environment,
//! once free, where the act must succeed (else its refusal would prove nothing), and once in the sandbox.
#![allow(clippy::disallowed_methods)] // a program under test is watched by a clock

mod common;

use std::fs;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::root;
use relaywatch::sensor::sandbox::{self, Allow};
use rustix::io::Errno;

const ACT: &str = "RELAYWATCH_TEST_ACT";
const DIR: &str = "RELAYWATCH_TEST_DIR";
const PORT: &str = "RELAYWATCH_TEST_PORT";
const HELD: &str = "RELAYWATCH_TEST_HELD";

/// What an act came to: nothing, or the number of the error.
type Outcome = Result<(), i32>;

fn number(e: &std::io::Error) -> i32 {
    e.raw_os_error().unwrap_or(-1)
}

/// Tries one act in this process.
fn act(name: &str, dir: &Path, port: u16) -> Outcome {
    let io = |r: std::io::Result<()>| r.map_err(|e| number(&e));
    let errno = |r: nix::Result<()>| r.map_err(|e| e as i32);
    let socket = |family, kind| {
        let opened = rustix::net::socket(family, kind, None);
        opened.map(drop).map_err(Errno::raw_os_error)
    };
    match name {
        "run a program" => io(Command::new("/bin/true").status().map(drop)),
        "run an open file" => {
            let file = fs::File::open("/bin/true").map_err(|e| number(&e))?;
            errno(nix::unistd::fexecve(file, &[c"true"], &[] as &[&std::ffi::CStr]).map(drop))
        }
        // There is none of that number: that the kernel looked for it says that it would have obeyed.
        "trace a process" => match nix::sys::ptrace::attach(nix::unistd::Pid::from_raw(i32::MAX)) {
            Err(nix::errno::Errno::ESRCH) => Ok(()),
            other => errno(other),
        },
        "read another process" => {
            let mut byte = [0];
            let remote = nix::sys::uio::RemoteIoVec {
                base: byte.as_ptr() as usize,
                len: 0,
            };
            let local = &mut [std::io::IoSliceMut::new(&mut byte)];
            let read = nix::sys::uio::process_vm_readv(nix::unistd::getpid(), local, &[remote]);
            errno(read.map(drop))
        }
        "open a packet socket" => socket(
            rustix::net::AddressFamily::PACKET,
            rustix::net::SocketType::RAW,
        ),
        "connect" => io(TcpStream::connect(("127.0.0.1", port)).map(drop)),
        "send without a connection" => io(UdpSocket::bind("127.0.0.1:0")
            .and_then(|s| s.send_to(b"x", ("127.0.0.1", port)))
            .map(drop)),
        "connect to a unix socket" => {
            io(UnixDatagram::unbound().and_then(|s| s.connect(dir.join("in/socket"))))
        }
        "write elsewhere" => io(fs::write(dir.join("out/new"), b"x")),
        "change a file elsewhere" => io(fs::OpenOptions::new()
            .append(true)
            .open(dir.join("out/old"))
            .map(drop)),
        "remove a file elsewhere" => io(fs::remove_file(dir.join("out/doomed"))),
        "read elsewhere" => io(fs::read(dir.join("out/old")).map(drop)),
        "list a folder elsewhere" => io(fs::read_dir(dir.join("out")).map(drop)),
        "write where rules are" => io(fs::write(dir.join("rules/new"), b"x")),
        "open a file again" => io(
            fs::rename(dir.join("in/eve.json"), dir.join("in/eve.json.1"))
                .and_then(|()| fs::write(dir.join("in/eve.json"), b"x"))
                .and_then(|()| fs::remove_file(dir.join("in/eve.json.1"))),
        ),
        "read rules again" => io(fs::read_dir(dir.join("rules"))
            .and_then(|_| fs::read(dir.join("rules/old")))
            .map(drop)),
        "start a thread" => io(std::thread::Builder::new()
            .spawn(|| ())
            .map(|t| t.join().unwrap())),
        other => panic!("no such act: {other}"),
    }
}

/// Not a test of its own: what the tests below start again as another process.
#[test]
fn the_process_that_acts() {
    let Ok(name) = std::env::var(ACT) else { return };
    let dir = PathBuf::from(std::env::var(DIR).unwrap());
    let port = std::env::var(PORT).unwrap().parse().unwrap();
    let held = std::env::var(HELD).unwrap();
    let mut lacking = Vec::new();
    if held != "free" {
        let allow = Allow {
            write: vec![dir.join("in")],
            read: vec![dir.join("rules")],
            connect: held == "connects",
        };
        lacking = sandbox::enter(&allow).unwrap();
        let left = rustix::thread::capabilities(None).unwrap();
        assert!(left.effective.is_empty() && left.permitted.is_empty());
    }
    let outcome = act(&name, &dir, port);
    // Told by the exit status: the harness has standard output.
    let code = match outcome {
        _ if !lacking.is_empty() => 254,
        Ok(()) => 0,
        Err(number) => number,
    };
    std::process::exit(code);
}

/// Tries an act in a process of its own. `None`: this system cannot restrict files.
fn tried(name: &str, held: &str) -> Option<Outcome> {
    let dir = tempfile::tempdir().unwrap();
    for (file, text) in [
        ("in/eve.json", "x"),
        ("out/old", "x"),
        ("out/doomed", "x"),
        ("rules/old", "x"),
    ] {
        fs::create_dir_all(dir.path().join(file).parent().unwrap()).unwrap();
        fs::write(dir.path().join(file), text).unwrap();
    }
    let _unix = UnixDatagram::bind(dir.path().join("in/socket")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_that_acts", "--nocapture"])
        .env(ACT, name)
        .env(DIR, dir.path())
        .env(PORT, listener.local_addr().unwrap().port().to_string())
        .env(HELD, held)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    match status.code() {
        Some(254) => None,
        Some(0) => Some(Ok(())),
        Some(code) => Some(Err(code)),
        None => panic!("{name}, {held}: {status}"),
    }
}

const EACCES: i32 = 13;

#[test]
fn one_act_of_each_class_is_refused() {
    for name in [
        "run a program",
        "run an open file",
        "trace a process",
        "read another process",
        "open a packet socket",
        "connect",
        "send without a connection",
        "connect to a unix socket",
        "write elsewhere",
        "change a file elsewhere",
        "remove a file elsewhere",
        "read elsewhere",
        "list a folder elsewhere",
        "write where rules are",
    ] {
        match tried(name, "free") {
            Some(Ok(())) => {}
            Some(Err(1)) if name == "open a packet socket" => {
                println!("skipped: privileges: {name}: needs the right to capture");
                continue;
            }
            other => panic!("{name}: {other:?} without the sandbox, so its refusal proves nothing"),
        }
        match tried(name, "held") {
            Some(outcome) => assert_eq!(outcome, Err(EACCES), "{name}"),
            None => return println!("skipped: privileges: this kernel has no Landlock"),
        }
    }
}

#[test]
fn what_is_needed_goes_on() {
    for (name, held) in [
        ("open a file again", "held"),
        ("read rules again", "held"),
        ("start a thread", "held"),
        ("connect", "connects"),
        ("connect to a unix socket", "connects"),
        ("send without a connection", "connects"),
    ] {
        match tried(name, held) {
            Some(outcome) => assert_eq!(outcome, Ok(()), "{name}"),
            None => return println!("skipped: privileges: this kernel has no Landlock"),
        }
    }
    for (name, refused) in [("run a program", EACCES), ("open a packet socket", EACCES)] {
        assert_eq!(tried(name, "connects"), Some(Err(refused)), "{name}");
    }
}

/// A sensor that watches the loopback; `None` if that is not permitted here.
fn watching(dir: &Path, more: &[&str]) -> Option<Child> {
    let out = dir.join("log/eve.json");
    fs::create_dir_all(out.parent().unwrap()).unwrap();
    fs::create_dir_all(dir.join("rules")).unwrap();
    let rule = root().join("rules/coercion");
    let some = fs::read_dir(rule).unwrap().next().unwrap().unwrap().path();
    fs::copy(some, dir.join("rules/one.yml")).unwrap();
    let mut sensor = Command::new(env!("CARGO_BIN_EXE_relaywatch"))
        .args(["-i", "lo", "-S", "none", "-S"])
        .arg(dir.join("rules"))
        .arg("-o")
        .arg(&out)
        .args(more)
        .stderr(fs::File::create(dir.join("stderr")).unwrap())
        .spawn()
        .unwrap();
    until(|| out.exists() || sensor.try_wait().unwrap().is_some());
    std::thread::sleep(Duration::from_millis(300));
    if sensor.try_wait().unwrap().is_some() {
        println!("skipped: privileges: {}", said(dir));
        assert!(said(dir).contains("not permitted"));
        return None;
    }
    Some(sensor)
}

fn said(dir: &Path) -> String {
    fs::read_to_string(dir.join("stderr")).unwrap()
}

fn until(mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed().as_secs() < 20, "it did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(sensor: &Child, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_child(sensor), signal).unwrap();
}

/// The value of a line of every thread's `status`.
fn of_every_thread(sensor: &Child, field: &str) -> Vec<String> {
    let tasks = format!("/proc/{}/task", sensor.id());
    let of = |task: fs::DirEntry| {
        let status = fs::read_to_string(task.path().join("status")).unwrap();
        let line = status.lines().find(|l| l.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    let all: Vec<String> = fs::read_dir(tasks)
        .unwrap()
        .map(|t| of(t.unwrap()))
        .collect();
    assert!(all.len() >= 4, "{}", all.len());
    all
}

#[test]
fn no_thread_of_a_running_sensor_keeps_a_right_and_it_reads_rules_again() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut sensor) = watching(dir.path(), &[]) else {
        return;
    };
    for set in ["CapEff:", "CapPrm:", "CapInh:", "CapAmb:"] {
        for held in of_every_thread(&sensor, set) {
            assert_eq!(held, "0000000000000000", "{set}");
        }
    }
    for (field, value) in [("NoNewPrivs:", "1"), ("Seccomp:", "2")] {
        for held in of_every_thread(&sensor, field) {
            assert_eq!(held, value, "{field}");
        }
    }
    assert!(said(dir.path()).contains("sandbox: no capability"));
    // A new file in the place of the old one, as editors do it.
    let rules = dir.path().join("rules");
    fs::copy(rules.join("one.yml"), rules.join("new")).unwrap();
    fs::rename(rules.join("new"), rules.join("one.yml")).unwrap();
    signal(&sensor, rustix::process::Signal::USR2);
    until(|| said(dir.path()).contains("rules read again: 1 loaded"));
    // As logrotate does it.
    let out = dir.path().join("log/eve.json");
    fs::rename(&out, dir.path().join("log/eve.json.1")).unwrap();
    signal(&sensor, rustix::process::Signal::HUP);
    until(|| out.exists());
    signal(&sensor, rustix::process::Signal::INT);
    assert_eq!(
        sensor.wait().unwrap().code(),
        Some(0),
        "{}",
        said(dir.path())
    );
    let last = fs::read_to_string(&out).unwrap();
    assert!(last.contains("\"event_type\":\"stats\""), "{last}");
}

#[test]
fn without_the_sandbox_it_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("relaywatch.toml");
    fs::write(&config, "sandbox = false\n").unwrap();
    let Some(mut sensor) = watching(dir.path(), &["-c", config.to_str().unwrap()]) else {
        return;
    };
    assert!(said(dir.path()).contains("sandbox = false: keeps its rights"));
    assert_eq!(of_every_thread(&sensor, "Seccomp:").first().unwrap(), "0");
    signal(&sensor, rustix::process::Signal::INT);
    assert_eq!(sensor.wait().unwrap().code(), Some(0));
}
