//! Where lines go: standard output and files, several at once.
//!
//! Lines are gathered and written 64 KiB at a time. A destination that fails costs its own lines
//! and nothing else: the loss is counted, the operator is told once, and a file never keeps half
//! a line. A full disk is tried again at every flush; a closed pipe is not.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

pub use super::destination::{Destination, OpenError};

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 64 * 1024;

/// Something the operator should read, once, on standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A destination began to lose lines.
    Failing {
        /// Which.
        destination: Destination,
        /// Why.
        cause: String,
        /// It will not be tried again.
        closed: bool,
    },
    /// A destination takes lines again.
    Recovered {
        /// Which.
        destination: Destination,
        /// Lines it lost since it began to fail.
        lost: u64,
    },
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failing {
                destination,
                cause,
                closed: true,
            } => write!(
                f,
                "{destination}: {cause}; nothing more is written there, lost lines are counted"
            ),
            Self::Failing {
                destination, cause, ..
            } => write!(
                f,
                "{destination}: {cause}; lines are being lost and counted, \
                 writing goes on as soon as it is possible"
            ),
            Self::Recovered { destination, lost } => {
                write!(f, "{destination}: writing again, {lost} lines were lost")
            }
        }
    }
}

/// Every destination of a run.
#[derive(Debug, Default)]
pub struct Writer {
    outlets: Vec<Outlet<Box<dyn Store>>>,
    trouble: Vec<Trouble>,
}

impl Writer {
    /// Opens every destination; fails on the first that cannot be opened. A destination that is
    /// named twice is written once.
    pub fn open(destinations: &[Destination]) -> Result<Self, OpenError> {
        let mut writer = Self::default();
        for destination in destinations {
            if writer.outlets.iter().any(|o| o.name == *destination) {
                continue;
            }
            let store = open(destination)?;
            writer.outlets.push(Outlet::new(destination.clone(), store));
        }
        Ok(writer)
    }

    /// Takes one or more whole lines, each with its newline.
    pub fn line(&mut self, lines: &[u8]) {
        for outlet in &mut self.outlets {
            outlet.line(lines, &mut self.trouble);
        }
    }

    /// Writes what was gathered. Call it when there is nothing else to do, and at the end.
    pub fn flush(&mut self) {
        for outlet in &mut self.outlets {
            outlet.flush(&mut self.trouble);
        }
    }

    /// Opens files again under their names, for log rotation. A file that cannot be opened keeps
    /// being written under its old name.
    pub fn reopen(&mut self) -> Result<(), OpenError> {
        let mut first_error = Ok(());
        self.flush();
        for outlet in &mut self.outlets {
            if outlet.name == Destination::Stdout {
                continue;
            }
            match open(&outlet.name) {
                Ok(store) => outlet.replace(store),
                Err(error) => first_error = first_error.and(Err(error)),
            }
        }
        first_error
    }

    /// What the operator should be told since the last call.
    pub fn take_trouble(&mut self) -> Vec<Trouble> {
        std::mem::take(&mut self.trouble)
    }

    /// Lines written, summed over destinations. What is still gathered does not count.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.outlets.iter().map(|o| o.written).sum()
    }

    /// Lines lost, summed over destinations.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.outlets.iter().map(|o| o.lost).sum()
    }

    /// True if no destination will ever take a line again, so that a replay may stop.
    #[must_use]
    pub fn all_closed(&self) -> bool {
        !self.outlets.is_empty() && self.outlets.iter().all(|o| o.state == State::Closed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.flush();
    }
}

fn open(destination: &Destination) -> Result<Box<dyn Store>, OpenError> {
    match destination {
        // Not `io::stdout()`: it writes at every newline.
        Destination::Stdout => match io::stdout().as_fd().try_clone_to_owned() {
            Ok(fd) => Ok(Box::new(Stream(File::from(fd)))),
            Err(error) => Err(OpenError::stdout(&error)),
        },
        Destination::File(path) => open_file(path).map_err(|e| OpenError::file(path, &e)),
    }
}

fn open_file(path: &Path) -> io::Result<Box<dyn Store>> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o640);
    let regular = std::fs::metadata(path).map_or(true, |m| m.is_file());
    if !regular {
        // A device or a named pipe.
        return Ok(Box::new(Stream(options.open(path)?)));
    }
    let mut file = options.read(true).open(path)?;
    end_last_line(&mut file)?;
    Ok(Box::new(Regular(file)))
}

/// Ends the line that a power cut left behind, so that ours do not become part of it.
fn end_last_line(file: &mut File) -> io::Result<()> {
    if file.metadata()?.len() == 0 {
        return Ok(());
    }
    let mut last = [b'\n'];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last != *b"\n" {
        file.write_all(b"\n")?;
    }
    Ok(())
}

/// Something that takes bytes and may be able to give the last of them back.
trait Store: fmt::Debug + Send {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Removes the last `bytes` that were written. False if that cannot be done.
    fn cut(&mut self, bytes: u64) -> bool;
}

impl Store for Box<dyn Store> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (**self).write(bytes)
    }
    fn cut(&mut self, bytes: u64) -> bool {
        (**self).cut(bytes)
    }
}

#[derive(Debug)]
struct Regular(File);

impl Store for Regular {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn cut(&mut self, bytes: u64) -> bool {
        // From the file's end as it is now: a rotation may have emptied it meanwhile.
        let len = self.0.metadata().map(|m| m.len());
        len.is_ok_and(|len| self.0.set_len(len.saturating_sub(bytes)).is_ok())
    }
}

/// A pipe, a terminal, a device: what went out is gone.
#[derive(Debug)]
struct Stream(File);

impl Store for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn cut(&mut self, _bytes: u64) -> bool {
        false
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Good,
    /// Loses lines, tried again at every flush. `since` is `lost` when it began.
    Failing {
        since: u64,
    },
    /// Never tried again.
    Closed,
}

/// One destination with what it has not written yet.
#[derive(Debug)]
struct Outlet<S> {
    name: Destination,
    store: S,
    /// Whole lines, never over [`BUFFER_BYTES`] unless one call brought more.
    gathered: Vec<u8>,
    state: State,
    written: u64,
    lost: u64,
}

impl<S: Store> Outlet<S> {
    fn new(name: Destination, store: S) -> Self {
        Self {
            name,
            store,
            gathered: Vec::new(),
            state: State::Good,
            written: 0,
            lost: 0,
        }
    }

    fn line(&mut self, lines: &[u8], trouble: &mut Vec<Trouble>) {
        if self.state == State::Closed {
            self.lost = self.lost.saturating_add(count_lines(lines));
            return;
        }
        if self.gathered.len().saturating_add(lines.len()) > BUFFER_BYTES {
            self.flush(trouble);
        }
        self.gathered.extend_from_slice(lines);
    }

    fn flush(&mut self, trouble: &mut Vec<Trouble>) {
        if self.gathered.is_empty() {
            return;
        }
        let (sent, outcome) = self.send();
        let whole = memchr::memrchr(b'\n', head(&self.gathered, sent)).map_or(0, |at| at + 1);
        let kept_half = sent > whole && !self.store.cut((sent - whole) as u64);

        let written = count_lines(head(&self.gathered, whole));
        let lost = count_lines(&self.gathered).saturating_sub(written);
        self.written = self.written.saturating_add(written);
        self.lost = self.lost.saturating_add(lost);
        self.gathered.clear();

        let Err(error) = outcome else {
            if let State::Failing { since } = self.state {
                self.state = State::Good;
                trouble.push(Trouble::Recovered {
                    destination: self.name.clone(),
                    lost: self.lost.saturating_sub(since),
                });
            }
            return;
        };
        // After half a line on a pipe anything more would be read as part of it.
        let closed = kept_half || error.kind() == ErrorKind::BrokenPipe;
        let first = self.state == State::Good;
        let since = self.lost.saturating_sub(lost);
        self.state = match (closed, self.state) {
            (true, _) => State::Closed,
            (false, State::Good) => State::Failing { since },
            (false, state) => state,
        };
        if first || closed {
            trouble.push(Trouble::Failing {
                destination: self.name.clone(),
                cause: error.to_string(),
                closed,
            });
        }
    }

    /// Writes until all is out or an error. Returns the bytes that are out.
    fn send(&mut self) -> (usize, io::Result<()>) {
        let mut sent = 0;
        while let Some(rest) = self.gathered.get(sent..).filter(|r| !r.is_empty()) {
            match self.store.write(rest) {
                Ok(0) => return (sent, Err(ErrorKind::WriteZero.into())),
                Ok(n) => sent = sent.saturating_add(n),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                // Somebody made our standard output non-blocking: wait as a blocking one would.
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(e) => return (sent, Err(e)),
            }
        }
        (sent, Ok(()))
    }
}

impl Outlet<Box<dyn Store>> {
    fn replace(&mut self, store: Box<dyn Store>) {
        self.store = store;
        if self.state == State::Closed {
            self.state = State::Failing { since: self.lost };
        }
    }
}

fn head(bytes: &[u8], len: usize) -> &[u8] {
    bytes.get(..len).unwrap_or(bytes)
}

fn count_lines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

#[cfg(test)]
mod tests {
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
        (disk.clone(), Outlet::new(Destination::Stdout, disk))
    }

    fn content(disk: &Disk) -> String {
        String::from_utf8(disk.0.lock().unwrap().bytes.clone()).unwrap()
    }

    #[test]
    fn a_full_disk_costs_lines_but_never_half_of_one() {
        let (disk, mut outlet) = outlet(10);
        let mut trouble = Vec::new();
        for line in ["{\"a\":1}\n", "{\"b\":2}\n", "{\"c\":3}\n"] {
            outlet.line(line.as_bytes(), &mut trouble);
        }
        outlet.flush(&mut trouble);
        assert_eq!(content(&disk), "{\"a\":1}\n");
        assert_eq!((outlet.written, outlet.lost), (1, 2));
        assert!(matches!(
            trouble[..],
            [Trouble::Failing { closed: false, .. }]
        ));

        // Still full: counted, not said again.
        outlet.line(b"{\"d\":4}\n", &mut trouble);
        disk.0.lock().unwrap().room = 0;
        outlet.flush(&mut trouble);
        assert_eq!((outlet.lost, trouble.len()), (3, 1));

        disk.0.lock().unwrap().room = 100;
        outlet.line(b"{\"e\":5}\n", &mut trouble);
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
        outlet.line(b"{\"a\":1}\n{\"b\":2}\n", &mut trouble);
        outlet.flush(&mut trouble);
        disk.0.lock().unwrap().room = 100;
        outlet.line(b"{\"c\":3}\n", &mut trouble);
        outlet.flush(&mut trouble);
        assert_eq!(content(&disk), "{\"a\":1}\n{\"b\"");
        assert_eq!((outlet.written, outlet.lost), (1, 2));
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
        outlet.line(b"{\"a\":1}\n", &mut trouble);
        outlet.flush(&mut trouble);
        assert_eq!(outlet.state, State::Closed);
    }

    #[test]
    fn files_are_appended_to_private_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("eve.json");
        std::fs::write(&path, "{\"cut by a power f").unwrap();
        let other = dir.path().join("other.json");
        let to = |p: &Path| Destination::File(p.to_owned());
        let mut writer = Writer::open(&[to(&path), to(&other), to(&path)]).unwrap();
        writer.line(b"{}\n");
        assert_eq!(writer.written(), 0);
        writer.flush();
        assert_eq!((writer.written(), writer.lost()), (2, 0));
        assert!(!writer.all_closed() && writer.take_trouble().is_empty());
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "{\"cut by a power f\n{}\n"
        );
        let mode = std::fs::metadata(&other).unwrap().permissions().mode();
        assert_eq!(mode & 0o137, 0, "{mode:o}");

        // Rotation: the name is given to a new file.
        std::fs::rename(&other, dir.path().join("other.json.1")).unwrap();
        writer.reopen().unwrap();
        writer.line(b"{}\n");
        drop(writer);
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "{}\n");
    }

    #[test]
    fn a_full_device_is_survived() {
        let mut writer = Writer::open(&["/dev/full".parse().unwrap()]).unwrap();
        writer.line(&b"x\n".repeat(BUFFER_BYTES));
        writer.line(b"x\n");
        writer.flush();
        assert_eq!(writer.lost(), BUFFER_BYTES as u64 + 1);
        let [told] = &writer.take_trouble()[..] else {
            panic!("said other than once")
        };
        assert!(told.to_string().starts_with("/dev/full: No space left"));
    }
}
