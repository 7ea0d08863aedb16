//! What a destination that fails costs, and what a file looks like afterwards.

use super::*;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

/// A disk with room for so many bytes, or a pipe.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<DiskState>>);

#[derive(Debug, Default)]
struct DiskState {
    bytes: Vec<u8>,
    room: usize,
    error: Option<ErrorKind>,
    pipe: bool,
}

impl Store for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.0.lock().unwrap();
        let n = bytes.len().min(disk.room);
        if n == 0 {
            return Err(disk.error.unwrap_or(ErrorKind::StorageFull).into());
        }
        disk.bytes.extend_from_slice(&bytes[..n]);
        disk.room -= n;
        Ok(n)
    }

    fn cut(&mut self, bytes: u64) -> bool {
        let mut disk = self.0.lock().unwrap();
        if disk.pipe {
            return false;
        }
        let len = disk.bytes.len() - usize::try_from(bytes).unwrap();
        disk.bytes.truncate(len);
        true
    }
}

fn outlet(room: usize) -> (Disk, Outlet<Disk>) {
    let disk = Disk::default();
    disk.0.lock().unwrap().room = room;
    let counters = Arc::new(OutputCounters::new("standard output", "stdout"));
    (disk.clone(), Outlet::new(counters, disk))
}

/// Lines written, and lines lost.
fn counted<S>(outlet: &Outlet<S>) -> (u64, u64) {
    let c = &outlet.counters;
    (c.sent.load(Relaxed), c.lost.load(Relaxed))
}

fn content(disk: &Disk) -> String {
    String::from_utf8(disk.0.lock().unwrap().bytes.clone()).unwrap()
}

#[test]
fn a_full_disk_costs_lines_but_never_half_of_one() {
    let (disk, mut outlet) = outlet(10);
    let mut trouble = Vec::new();
    for line in ["{\"a\":1}\n", "{\"b\":2}\n", "{\"c\":3}\n"] {
        outlet.line(line.as_bytes(), false);
    }
    outlet.flush(&mut trouble);
    assert_eq!(content(&disk), "{\"a\":1}\n");
    assert_eq!(counted(&outlet), (1, 2));
    assert!(matches!(
        trouble[..],
        [Trouble::Failing { closed: false, .. }]
    ));

    // Still full: counted, not said again.
    outlet.line(b"{\"d\":4}\n", false);
    disk.0.lock().unwrap().room = 0;
    outlet.flush(&mut trouble);
    assert_eq!((counted(&outlet).1, trouble.len()), (3, 1));

    disk.0.lock().unwrap().room = 100;
    outlet.line(b"{\"e\":5}\n", false);
    outlet.flush(&mut trouble);
    assert_eq!(content(&disk), "{\"a\":1}\n{\"e\":5}\n");
    assert_eq!(
        trouble[1].to_string(),
        "standard output: writing again, 3 lines were lost"
    );
}

#[test]
fn a_closed_pipe_is_said_once_and_not_tried_again() {
    let (disk, mut outlet) = outlet(12);
    disk.0.lock().unwrap().pipe = true;
    disk.0.lock().unwrap().error = Some(ErrorKind::BrokenPipe);
    let mut trouble = Vec::new();
    outlet.line(b"{\"a\":1}\n{\"b\":2}\n", false);
    outlet.flush(&mut trouble);
    disk.0.lock().unwrap().room = 100;
    outlet.line(b"{\"c\":3}\n", false);
    outlet.flush(&mut trouble);
    assert_eq!(content(&disk), "{\"a\":1}\n{\"b\"");
    assert_eq!(counted(&outlet), (1, 2));
    assert!(matches!(
        trouble[..],
        [Trouble::Failing { closed: true, .. }]
    ));
}

#[test]
fn half_a_line_on_a_full_stream_ends_it() {
    let (disk, mut outlet) = outlet(3);
    disk.0.lock().unwrap().pipe = true;
    let mut trouble = Vec::new();
    outlet.line(b"{\"a\":1}\n", false);
    outlet.flush(&mut trouble);
    assert_eq!(outlet.state, State::Closed);
}

const NOW: Timestamp = Timestamp(1_795_336_117_257_438_999); // 2026-11-22T08:28:37

fn lines(all: &[&str]) -> Lines {
    let mut lines = Lines::default();
    for line in all {
        lines.push(crate::output::EventType::Alert, line.as_bytes());
    }
    lines
}

fn names(dir: &Path) -> Vec<String> {
    let all = std::fs::read_dir(dir).unwrap();
    let mut all: Vec<String> = all
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    all.sort();
    all
}

#[test]
fn files_are_appended_to_private_and_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("eve.json");
    let mut writer = Writer::open(&OutputSpec::file(&path), NOW).unwrap();
    writer.lines(&lines(&["{}"]), NOW);
    assert_eq!(writer.counters().sent.load(Relaxed), 0);
    writer.flush();
    assert_eq!(counted(&writer.outlet), (1, 0));
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o137, 0, "{mode:o}");

    // Somebody else rotated: the name is given to a new file, which may or may not be there already.
    for there in [false, true] {
        std::fs::rename(&path, dir.path().join("eve.json.1")).unwrap();
        if there {
            std::fs::write(&path, "").unwrap();
        }
        writer.reopen(NOW);
        writer.lines(&lines(&["{}"]), NOW);
        writer.flush();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}\n");
    }
    assert!(writer.take_trouble().is_empty());

    // A folder that is gone: the old file is written on, and it is said.
    std::fs::rename(dir.path(), dir.path().with_extension("moved")).unwrap();
    writer.reopen(NOW);
    writer.lines(&lines(&["{}"]), NOW);
    writer.flush();
    let moved = dir.path().with_extension("moved").join("eve.json");
    assert_eq!(std::fs::read_to_string(moved).unwrap(), "{}\n{}\n");
    let said = writer.take_trouble()[0].to_string();
    assert!(said.ends_with("the file of before is written on"), "{said}");
    std::fs::rename(dir.path().with_extension("moved"), dir.path()).unwrap();
}

#[test]
fn half_a_line_of_a_crash_goes_and_what_is_not_ours_stays() {
    let line = "{\"timestamp\":\"2026-11-22T08:28:37.257438+0000\"}";
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("eve.json");
    for cut in 0..=line.len() {
        std::fs::write(&path, format!("{line}\n{}", &line[..cut])).unwrap();
        drop(Writer::open(&OutputSpec::file(&path), NOW).unwrap());
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            format!("{line}\n"),
            "{cut}"
        );
    }
    std::fs::write(&path, &line[..9]).unwrap();
    drop(Writer::open(&OutputSpec::file(&path), NOW).unwrap());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    std::fs::write(&path, "some notes").unwrap();
    drop(Writer::open(&OutputSpec::file(&path), NOW).unwrap());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "some notes\n");
}

fn rotating(path: &Path, bytes: Option<u64>, hours: Option<u64>) -> OutputSpec {
    OutputSpec::of(Target::File(
        path.to_owned(),
        Some(Rotation {
            bytes,
            hours,
            keep: 9,
            pack: rotate::Pack::None,
        }),
    ))
}

#[test]
fn a_full_file_is_closed_between_two_lines() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("eve.json");
    std::fs::write(&path, "{\"before\":1}\n").unwrap();
    let mut writer = Writer::open(&rotating(&path, Some(20), None), NOW).unwrap();
    writer.lines(
        &lines(&[
            "{1}",
            "{2}",
            "{a line that is longer than the file may be}",
            "{3}",
        ]),
        NOW,
    );
    writer.flush();
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    let closed = "eve.json.20261122T082837Z";
    assert_eq!(names(dir.path()).len(), 4);
    assert_eq!(read(closed), "{\"before\":1}\n{1}\n");
    assert_eq!(read(&format!("{closed}-1")), "{2}\n");
    assert!(read(&format!("{closed}-2")).starts_with("{a line"));
    assert_eq!(read("eve.json"), "{3}\n");
    assert!(writer.take_closed() && !writer.take_closed());
    assert_eq!(counted(&writer.outlet), (4, 0));
}

#[test]
fn a_file_is_closed_when_its_day_is_over_even_if_nothing_ran_at_midnight() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("eve.json");
    std::fs::write(&path, "{}\n").unwrap();
    let yesterday = UNIX_EPOCH + Duration::from_secs(NOW.secs() - 86_400);
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(yesterday)
        .unwrap();
    let mut writer = Writer::open(&rotating(&path, None, Some(24)), NOW).unwrap();
    writer.tick(NOW);
    assert_eq!(names(dir.path()), ["eve.json", "eve.json.20261122T082837Z"]);
    // Nothing to close in an empty file, however often it is asked.
    let later = NOW.plus(Duration::from_secs(2 * 86_400));
    writer.tick(later);
    writer.tick(NOW.plus(Duration::from_secs(3 * 86_400)));
    assert_eq!(names(dir.path()).len(), 2);
}

#[test]
fn a_rotation_leaves_the_file_of_another_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("eve.json");
    let mut writer = Writer::open(&rotating(&path, Some(4), None), NOW).unwrap();
    writer.lines(&lines(&["{1}"]), NOW);
    writer.flush();
    std::fs::rename(&path, dir.path().join("eve.json.1")).unwrap();
    std::fs::write(&path, "").unwrap();
    writer.lines(&lines(&["{2}"]), NOW);
    writer.flush();
    assert_eq!(names(dir.path()), ["eve.json", "eve.json.1"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{2}\n");
}

#[test]
fn a_full_device_is_survived() {
    let mut writer = Writer::open(&OutputSpec::file("/dev/full"), NOW).unwrap();
    let many = lines(&vec!["x"; BUFFER_BYTES + 1]);
    writer.lines(&many, NOW);
    writer.flush();
    let counters = writer.counters();
    assert_eq!(counters.lost.load(Relaxed), BUFFER_BYTES as u64 + 1);
    assert_eq!(counters.lost_alerts.load(Relaxed), BUFFER_BYTES as u64 + 1);
    let [told] = &writer.take_trouble()[..] else {
        panic!("said other than once")
    };
    assert!(told.to_string().starts_with("/dev/full: No space left"));
}
