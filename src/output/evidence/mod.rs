//! Packets of incidents, as files that an analyst opens in Wireshark.
//!
//! A file an incident, `INCIDENT_ID.pcapng`, written anew whenever there is more of it and put in place by renaming, so
//! that it is whole at any time. The folder is 0700, files are 0600; unless the operator wants them raw, secrets are
//! zeroed ([`redact`]). The oldest files go when there are too many bytes, or when they are too old.

mod pcapng;
mod redact;
mod secrets;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::packet::Kept;

/// What is kept, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceOptions {
    /// The folder.
    pub dir: PathBuf,
    /// Secrets are left in.
    pub raw: bool,
    /// Bytes of all files. Beyond it the oldest go.
    pub bytes: u64,
    /// Age of a file beyond which it goes.
    pub age: Duration,
}

/// The folder, open.
#[derive(Debug)]
pub struct EvidenceFolder {
    options: EvidenceOptions,
    /// Files of ours by name: size, and when they were written last.
    files: BTreeMap<String, (u64, SystemTime)>,
}

/// Why the folder cannot be used, or a file not be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct EvidenceError {
    path: PathBuf,
    problem: String,
}

/// Name of an incident's file.
#[must_use]
pub fn evidence_name(incident_id: u64) -> String {
    format!("{incident_id:016x}.pcapng")
}

/// True if a file of that name is one of ours, finished or not.
fn is_ours(name: &str) -> bool {
    let id = name.strip_suffix(".pcapng").or(name.strip_suffix(".tmp"));
    id.is_some_and(|id| id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()))
}

impl EvidenceFolder {
    /// Makes the folder if it is missing, and looks at what is in it.
    ///
    /// # Errors
    /// If it cannot be made, read or written, or others can look into it.
    pub fn open(options: EvidenceOptions) -> Result<Self, EvidenceError> {
        let dir = options.dir.clone();
        let failed = |what: &str, e: &io::Error| EvidenceError {
            path: dir.clone(),
            problem: format!(
                "cannot {what} the evidence folder: {e}; check the path and its permissions"
            ),
        };
        if !dir.is_dir() {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o700);
            builder.create(&dir).map_err(|e| failed("make", &e))?;
        }
        let mode = fs::metadata(&dir)
            .map_err(|e| failed("read", &e))?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            return Err(EvidenceError {
                path: dir.clone(),
                problem: format!(
                    "others can look into the evidence folder; run `chmod 700 {}`",
                    dir.display()
                ),
            });
        }
        let mut folder = Self {
            files: BTreeMap::new(),
            options,
        };
        folder.look().map_err(|e| failed("read", &e))?;
        let probe = folder.options.dir.join("0000000000000000.tmp");
        create(&probe).map_err(|e| failed("write into", &e))?;
        let _ = fs::remove_file(&probe);
        Ok(folder)
    }

    fn look(&mut self) -> io::Result<()> {
        self.files.clear();
        for entry in fs::read_dir(&self.options.dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !is_ours(&name) {
                continue;
            }
            // Half a file of a run that was killed.
            if name.ends_with(".tmp") {
                let _ = fs::remove_file(entry.path());
                continue;
            }
            let meta = entry.metadata()?;
            self.files.insert(name, (meta.len(), meta.modified()?));
        }
        Ok(())
    }

    /// Writes the file of an incident anew. `now` is the time of day, for the age of files.
    ///
    /// # Errors
    /// If it cannot be written. The one before stays.
    pub fn write(
        &mut self,
        incident_id: u64,
        frames: Vec<Kept>,
        now: SystemTime,
    ) -> Result<(), EvidenceError> {
        let mut frames = frames;
        let mut comment = format!("relaywatch incident {incident_id:016x}");
        if self.options.raw {
            comment.push_str("; as captured, with responses and tickets");
        } else {
            redact::redact(&mut frames);
            comment.push_str(
                "; responses, tickets and passwords are overwritten, checksums are not adjusted",
            );
        }
        let bytes = pcapng::file(&frames, &comment);
        let name = evidence_name(incident_id);
        let path = self.options.dir.join(&name);
        let temporary = self.options.dir.join(format!("{incident_id:016x}.tmp"));
        let put = create(&temporary)
            .and_then(|mut file| file.write_all(&bytes))
            .and_then(|()| fs::rename(&temporary, &path));
        if let Err(e) = put {
            let _ = fs::remove_file(&temporary);
            return Err(EvidenceError {
                path,
                problem: format!(
                    "cannot write evidence: {e}; check the space and permissions of the folder"
                ),
            });
        }
        self.files.insert(name, (bytes.len() as u64, now));
        self.retire(now);
        Ok(())
    }

    /// Removes what is too old, then the oldest until the rest fits.
    pub fn retire(&mut self, now: SystemTime) {
        let mut by_age: Vec<(SystemTime, String, u64)> = self
            .files
            .iter()
            .map(|(name, (size, at))| (*at, name.clone(), *size))
            .collect();
        by_age.sort();
        let mut total: u64 = by_age.iter().map(|(.., size)| size).sum();
        for (at, name, size) in by_age {
            let old = now
                .duration_since(at)
                .is_ok_and(|age| age > self.options.age);
            if !old && total <= self.options.bytes {
                break;
            }
            // One that is gone already is gone.
            let _ = fs::remove_file(self.options.dir.join(&name));
            self.files.remove(&name);
            total -= size;
        }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.options.dir
    }
}

/// A new file that only its owner can read.
fn create(path: &Path) -> io::Result<fs::File> {
    // A link put there by somebody else is not followed.
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(dir: &Path) -> EvidenceOptions {
        EvidenceOptions {
            dir: dir.to_owned(),
            raw: false,
            bytes: 1_000,
            age: Duration::from_secs(100),
        }
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut all: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        all.sort();
        all
    }

    #[test]
    fn nobody_else_can_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("a/evidence");
        let mut folder = EvidenceFolder::open(options(&inner)).unwrap();
        folder.write(7, Vec::new(), SystemTime::UNIX_EPOCH).unwrap();
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&inner), 0o700);
        assert_eq!(mode(&inner.join("0000000000000007.pcapng")), 0o600);
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o750)).unwrap();
        let said = EvidenceFolder::open(options(&inner))
            .unwrap_err()
            .to_string();
        assert!(said.contains("chmod 700"), "{said}");
    }

    #[test]
    fn the_oldest_go_and_what_is_not_ours_stays() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("e");
        let mut folder = EvidenceFolder::open(options(&dir)).unwrap();
        fs::write(dir.join("notes.txt"), [0; 5_000]).unwrap();
        fs::write(dir.join("0123456789abcdef.tmp"), "half").unwrap();
        let at = |secs| SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
        for id in 1..=40_u64 {
            folder.write(id, Vec::new(), at(id)).unwrap();
        }
        let size: u64 = fs::metadata(dir.join("0000000000000028.pcapng"))
            .unwrap()
            .len();
        let fit = usize::try_from(1_000 / size).unwrap();
        assert!(fit >= 2, "a file has {size} bytes");
        let mut expect: Vec<String> = (41 - fit as u64..=40).map(evidence_name).collect();
        expect.extend(["0123456789abcdef.tmp".to_owned(), "notes.txt".to_owned()]);
        expect.sort();
        assert_eq!(names(&dir), expect);
        folder.retire(at(140));
        assert_eq!(
            names(&dir),
            [
                "0000000000000028.pcapng",
                "0123456789abcdef.tmp",
                "notes.txt"
            ]
        );
        // The next run clears half files away.
        drop(EvidenceFolder::open(options(&dir)).unwrap());
        assert_eq!(names(&dir), ["0000000000000028.pcapng", "notes.txt"]);
    }
}
