//! Files: selection, rotation by another program and by us, kill -9.

use std::fs::{self, read_to_string};
use std::path::Path;
use std::process::Command;

use super::traffic::{Run, all_in_order, numbers, wait};

/// Lines of every file in `dir` whose name starts with `name`, oldest first.
fn all_of(dir: &Path, name: &str) -> String {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.file_name().unwrap().to_string_lossy().starts_with(name))
        .collect();
    files.sort_by_key(|p| (p.ends_with(name), p.clone()));
    files.iter().map(|p| read_to_string(p).unwrap()).collect()
}

#[test]
fn each_output_gets_what_it_asks_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = Run::start(
        dir.path(),
        "[[output]]\ntype = \"file\"\npath = \"alerts\"\nevents = [\"alert\"]\n\
         [[output]]\ntype = \"file\"\npath = \"dns\"\nevents = \"dns,sensor\"\n\
         [[output]]\ntype = \"file\"\npath = \"usual\"\n",
    );
    run.packets(500);
    let (status, said) = run.end();
    assert!(status.success(), "{said}");
    let read = |name: &str| read_to_string(dir.path().join(name)).unwrap();
    let expected: Vec<u64> = (1..=500).collect();
    assert_eq!(numbers(&read("alerts"), "alert"), expected);
    assert_eq!(read("alerts").lines().count(), 500);
    assert_eq!(numbers(&read("dns"), "dns"), expected);
    assert_eq!(numbers(&read("dns"), "alert"), [0u64; 0]);
    assert_eq!(numbers(&read("usual"), "alert"), expected);
    assert!(read("usual").contains("\"event_type\":\"stats\""));
    assert!(!read("usual").contains("\"event_type\":\"dns\""));
    // Counters by output are in the sensor event.
    let dns = read("dns");
    let sensor = dns
        .lines()
        .find(|l| l.contains("\"event_type\":\"sensor\""));
    let sensor: serde_json::Value = serde_json::from_str(sensor.unwrap()).unwrap();
    let outputs = sensor["sensor"]["outputs"].as_object().unwrap();
    assert_eq!(
        outputs.keys().collect::<Vec<_>>(),
        ["alerts", "dns", "usual"]
    );
    assert_eq!(outputs["alerts"]["lost"], 0);
}

#[test]
fn a_file_that_another_program_rotated_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let eve = dir.path().join("eve.json");
    let mut run = Run::start(
        dir.path(),
        "[[output]]\ntype = \"file\"\npath = \"eve.json\"\nevents = \"alert\"\n",
    );
    let mut sent = 0;
    // As logrotate does it: rename, create, signal; and without the create.
    for create in [true, false, true] {
        run.packets(5_000);
        sent += 5_000;
        wait("something is written", || {
            fs::metadata(&eve).is_ok_and(|m| m.len() > 0)
        });
        fs::rename(&eve, dir.path().join(format!("eve.json.{sent:06}"))).unwrap();
        if create {
            fs::write(&eve, "").unwrap();
        }
        run.signal("-HUP");
    }
    run.packets(5_000);
    let (status, said) = run.end();
    assert!(status.success() && said.contains("20000 packets"), "{said}");
    // Every line once and whole, in order over the files.
    all_in_order(&numbers(&all_of(dir.path(), "eve.json"), "alert"), 20_000);
    assert!(
        fs::read_dir(dir.path()).unwrap().count() >= 5,
        "nothing was rotated"
    );
}

#[test]
fn logrotate_itself() {
    let Ok(version) = Command::new("logrotate").arg("--version").output() else {
        println!("skipped: logrotate: it is not installed");
        return;
    };
    assert!(version.status.success());
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let mut run = Run::start(
        dir.path(),
        "[[output]]\ntype = \"file\"\npath = \"eve.json\"\nevents = \"alert\"\n",
    );
    let pid = run.id();
    fs::write(
        path("rotate.conf"),
        format!(
            "{} {{\n  rotate 9\n  create 0640\n  su root root\n  postrotate\n    kill -HUP {pid}\n  endscript\n}}\n",
            path("eve.json")
        )
        .replace("  su root root\n", if is_root() { "  su root root\n" } else { "" }),
    )
    .unwrap();
    for turn in 1..=3 {
        run.packets(2_000);
        wait("something is written", || {
            fs::metadata(path("eve.json")).is_ok_and(|m| m.len() > 0)
        });
        let done = Command::new("logrotate")
            .args(["--force", "--state", &path("state"), &path("rotate.conf")])
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        wait("it is rotated", || {
            fs::metadata(path(&format!("eve.json.{turn}"))).is_ok()
        });
    }
    run.packets(2_000);
    let (status, said) = run.end();
    assert!(status.success(), "{said}");
    let mut text = String::new();
    for name in ["eve.json.3", "eve.json.2", "eve.json.1", "eve.json"] {
        text.push_str(&read_to_string(path(name)).unwrap());
    }
    all_in_order(&numbers(&text, "alert"), 8_000);
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0)
}

#[test]
fn our_own_rotation_loses_and_cuts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = Run::start(
        dir.path(),
        "[[output]]\ntype = \"file\"\npath = \"eve.json\"\nevents = \"alert\"\nrotate_mib = 1\nkeep = 100\n",
    );
    run.packets(5_000);
    let (status, said) = run.end();
    assert!(status.success(), "{said}");
    let text = all_of(dir.path(), "eve.json");
    let closed = fs::read_dir(dir.path()).unwrap().count() - 3;
    assert!(
        closed >= text.len() / (1 << 20),
        "{closed} files for {} bytes",
        text.len()
    );
    for entry in fs::read_dir(dir.path()).unwrap() {
        assert!(entry.unwrap().metadata().unwrap().len() <= 1 << 20);
    }
    let mut all = numbers(&text, "alert");
    all.sort_unstable(); // names of one second sort by number, not as text
    all_in_order(&all, 5_000);
}

#[test]
fn killed_in_mid_write_no_line_is_half_after_the_restart() {
    let dir = tempfile::tempdir().unwrap();
    let eve = dir.path().join("eve.json");
    let config = "[[output]]\ntype = \"file\"\npath = \"eve.json\"\nevents = \"all\"\n";
    for turn in 0..5u64 {
        let mut run = Run::start(dir.path(), config);
        let before = fs::metadata(&eve).map_or(0, |m| m.len());
        run.packets(10_000);
        wait("it writes", || {
            fs::metadata(&eve).is_ok_and(|m| m.len() > before + turn * 100_000)
        });
        run.signal("-KILL");
        drop(run);
    }
    let (status, _) = Run::start(dir.path(), config).end();
    assert!(status.success());
    let text = read_to_string(&eve).unwrap();
    assert!(!numbers(&text, "dns").is_empty());
}
