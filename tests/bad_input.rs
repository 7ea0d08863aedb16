//! Bad input: one clear line that names the thing, the cause and the remedy; the right exit status;
//! never a panic, never half a line.

mod common;

use std::io::Read;
use std::process::{Command, Stdio};

use common::{lines, relaywatch, root};

const GOOD: &str = "testdata/captures/relay_smb_http_adcs.pcap";

fn capture() -> Vec<u8> {
    std::fs::read(root().join(GOOD)).unwrap()
}

fn temp(name: &str, bytes: &[u8]) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (dir, path)
}

fn run(args: &[&str]) -> (i32, String, String) {
    let out = relaywatch(args);
    let text = |b: &[u8]| String::from_utf8(b.to_vec()).expect("UTF-8");
    (
        out.status.code().expect("not killed"),
        text(&out.stdout),
        text(&out.stderr),
    )
}

/// Exit 2, nothing on stdout, stderr contains all of `parts`.
fn refused(args: &[&str], parts: &[&str]) {
    let (code, out, err) = run(args);
    assert_eq!(code, 2, "{args:?}: {err}");
    assert!(out.is_empty(), "{args:?}: {out}");
    for part in parts {
        assert!(err.contains(part), "{args:?}: no {part:?} in: {err}");
    }
    assert!(!err.contains("panicked"), "{err}");
}

#[test]
fn a_truncated_capture_is_read_as_far_as_it_goes() {
    let whole = capture();
    let (_dir, path) = temp("cut.pcap", &whole[..whole.len() / 2 + 7]);
    let (code, out, err) = run(&["-r", &path]);
    assert_eq!(code, 0, "{err}");
    let broke: Vec<_> = err.lines().filter(|l| l.contains("cut.pcap")).collect();
    assert_eq!(broke.len(), 1, "one line says where it broke: {err}");
    assert!(broke[0].contains("byte"), "{err}");
    let stats = lines(out.as_bytes());
    let stats = common::of_type(&stats, "stats");
    let packets = stats.last().unwrap()["stats"]["decoder"]["pkts"]
        .as_u64()
        .unwrap();
    assert!(packets > 10, "{packets}");
}

#[test]
fn a_corrupt_record_ends_the_file_with_a_count() {
    let mut bytes = capture();
    let at = bytes.len() / 2;
    bytes[at..at + 4096].fill(0xff);
    let (_dir, path) = temp("corrupt.pcap", &bytes);
    let (code, _, err) = run(&["-r", &path]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("corrupt.pcap"), "{err}");
    assert!(err.contains("packets"), "{err}");
}

#[test]
fn what_is_no_capture_is_refused() {
    let (_dir, path) = temp("notes.txt", b"this is not a capture, not at all, really");
    refused(&["-r", &path], &["notes.txt", "pcap"]);
    let (_dir, path) = temp("empty.pcap", b"");
    refused(&["-r", &path], &["empty.pcap"]);
    refused(
        &["-r", "/nonexistent/x.pcap"],
        &["/nonexistent/x.pcap", "No such file"],
    );
}

#[test]
fn missing_interface_bad_filter_bad_rule_bad_config() {
    refused(&["-i", "nope0"], &["nope0"]);
    let good = root().join(GOOD);
    let good = good.to_str().unwrap();
    refused(&["-r", good, "-f", "tcp prot 445"], &["tcp prot 445"]);
    let (_dir, rule) = temp("bad.yml", b"title: x\nlogsource: {product: relaywatch, service: nonsense}\ndetection: {s: {a: 1}, condition: s}\n");
    refused(&["-r", good, "-S", &rule], &["bad.yml", "nonsense"]);
    let (_dir, config) = temp("c.toml", b"wokers = 2\n");
    refused(
        &["-r", good, "-c", &config],
        &["c.toml", "wokers", "workers"],
    );
    refused(&["-r", good, "--events", "alrt"], &["alrt", "alert"]);
    refused(
        &["-r", good, "-o", "/nonexistent/eve.json"],
        &["/nonexistent/eve.json"],
    );
    refused(&[], &["nothing to do"]);
}

#[test]
fn a_full_disk_is_said_once_and_counted() {
    let good = root().join(GOOD);
    let (code, out, err) = run(&[
        "-r",
        good.to_str().unwrap(),
        "-o",
        "/dev/full",
        "--events",
        "all",
    ]);
    assert_eq!(code, 0, "{err}");
    assert!(out.is_empty());
    assert_eq!(err.matches("/dev/full").count(), 1, "{err}");
    assert!(err.contains("lines not written"), "{err}");
}

#[test]
fn a_closed_pipe_is_no_panic() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_relaywatch"))
        .args(["-r", root().join(GOOD).to_str().unwrap(), "--events", "all"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Read a little and hang up.
    let mut first = [0; 16];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let out = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{err}");
    assert!(
        !err.contains("panicked") && !err.contains("internal error"),
        "{err}"
    );
}

#[test]
fn every_line_of_an_output_file_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let eve = dir.path().join("eve.json");
    let (code, _, err) = run(&[
        "-q",
        "-r",
        root().join(GOOD).to_str().unwrap(),
        "-o",
        eve.to_str().unwrap(),
        "--events",
        "all",
    ]);
    assert_eq!(code, 0, "{err}");
    let bytes = std::fs::read(&eve).unwrap();
    assert_eq!(bytes.last(), Some(&b'\n'));
    assert!(lines(&bytes).len() > 10);
}

#[test]
fn fail_on_alert_says_so_with_its_exit_status() {
    let good = root().join(GOOD);
    let (code, _, _) = run(&["-q", "--fail-on-alert", "-r", good.to_str().unwrap()]);
    assert_eq!(code, 1);
}

#[test]
fn standard_input_is_a_capture_too() {
    let file = std::fs::File::open(root().join(GOOD)).unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_relaywatch"))
        .args(["-q", "-r", "-", "--events", "alert"])
        .stdin(file)
        .output()
        .unwrap();
    assert!(out.status.success());
    assert!(!lines(&out.stdout).is_empty());
}

#[test]
fn check_tells_rules_bounds_and_memory() {
    let (code, out, err) = run(&["-T"]);
    assert_eq!(code, 0, "{err}");
    for part in ["rules", "loaded", "memory", "512 MiB", "limits"] {
        assert!(out.contains(part), "no {part:?} in: {out}");
    }
    refused_on_check(&["-T", "-i", "nope0"]);
}

/// What the configuration names and this system has not is told beside what is wrong in the file.
#[test]
fn check_tells_every_mistake_of_file_and_system_with_its_line() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(at("key"), [7; 32]).unwrap();
    std::fs::set_permissions(at("key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(at("state"), "no folder").unwrap();
    std::fs::write(at("bad.yml"), "title: x\n").unwrap();
    let toml = format!(
        "wokers = 1\nrules = [\n  \"{}\",\n  \"{}\"]\nkey_file = \"{}\"\nstate_dir = \"{}\"\n\
         outputs = [\"/nowhere/eve.json\"]\n[control]\nsocket = \"/nowhere/c.sock\"\n\
         [[interfaces]]\nname = \"nope0\"\nbpf = \"port banana\"\n\
         [[output]]\ntype = \"file\"\npath = \"/nosuch/eve.json\"\n[evidence]\ndir = \"{}\"\n",
        at("bad.yml"),
        at("missing.yml"),
        at("key"),
        at("state"),
        at("state"),
    );
    std::fs::write(at("c.toml"), toml).unwrap();
    let (code, out, err) = run(&["-T", "-c", &at("c.toml")]);
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    let of_file = |rest: &str| format!("{}:{rest}", at("c.toml"));
    for expect in [
        of_file("1:1: unknown key `wokers`, did you mean `workers`?"),
        of_file("4:3: rules: "),
        of_file("5:1: "),
        of_file("6:1: state_dir: "),
        of_file("9:1: control.socket: /nowhere is no folder"),
        of_file("11:1: nope0: no such interface"),
        of_file("12:1: interface nope0: "),
        of_file("7:12: output: /nowhere is no folder"),
        of_file("15:1: output: /nosuch is no folder"),
        of_file("17:1: evidence.dir: "),
        format!("{}:", at("bad.yml")),
    ] {
        let found = err
            .lines()
            .filter(|line| line.trim_start_matches("relaywatch: ").starts_with(&expect));
        assert_ne!(found.count(), 0, "{expect} is not in:\n{err}");
    }
    assert!(err.contains("run `chmod 600"), "{err}");
    assert!(err.contains("port banana"), "{err}");
}

fn refused_on_check(args: &[&str]) {
    let (code, _, err) = run(args);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("nope0"), "{err}");
}
