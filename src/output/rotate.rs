//! Rotation of our own: a file that is full, or of yesterday, gets its end as a name and makes room.
//!
//! ```text
//! eve.json                                  written now
//! eve.json.20261126T010203Z                 closed then; gets packed if that is asked for
//! eve.json.20261125T000000Z-2.gz            the third of that second, packed
//! eve.json.20261126T010203Z.gz.part         being packed; begun anew after a crash
//! ```

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::time::Timestamp;

/// When a file is closed, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// At so many bytes.
    pub bytes: Option<u64>,
    /// At every multiple of so many hours since 1970: 24 is midnight UTC.
    pub hours: Option<u64>,
    /// Closed files that are kept; the oldest go.
    pub keep: usize,
    /// How closed files are packed.
    pub pack: Pack,
}

/// How closed files are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pack {
    /// Not at all.
    #[default]
    None,
    /// `.gz`
    Gzip,
    /// `.zst`
    Zstd,
}

impl Pack {
    /// Every way, by its name in the configuration.
    pub const ALL: [(&'static str, Self); 3] = [
        ("none", Self::None),
        ("gzip", Self::Gzip),
        ("zstd", Self::Zstd),
    ];

    fn ending(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }
}

impl Rotation {
    /// Number of the period that `now` is in.
    pub(super) fn period(&self, now: Timestamp) -> u64 {
        let secs = self.hours.map_or(0, |h| h.saturating_mul(3600));
        now.secs().checked_div(secs).unwrap_or(0)
    }
}

/// A free name for the file at `path` that is closed at `now`.
pub(super) fn closed_name(path: &Path, now: Timestamp) -> PathBuf {
    let at = i64::try_from(now.secs()).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_second(at).unwrap_or_default();
    let base = with(path, &format!(".{}", time.strftime("%Y%m%dT%H%M%SZ")));
    let free = |p: &PathBuf| {
        let endings = Pack::ALL.map(|(_, pack)| pack.ending());
        endings.into_iter().all(|e| !with(p, e).exists())
    };
    (0..1000u32)
        .map(|n| match n {
            0 => base.clone(),
            n => with(&base, &format!("-{n}")),
        })
        .find(free)
        .unwrap_or(base)
}

fn with(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Packs what is closed, removes what is too much, and what a crash left half packed.
///
/// # Errors
/// The first thing that went wrong; the rest is done all the same.
pub fn tidy(path: &Path, rotation: &Rotation) -> io::Result<()> {
    let mut done = Ok(());
    let mut closed = Vec::new();
    for (key, name) in closed_files(path)? {
        if name.extension().is_some_and(|e| e == "part") {
            done = done.and(std::fs::remove_file(name));
        } else {
            closed.push((key, name));
        }
    }
    closed.sort();
    let too_many = closed.len().saturating_sub(rotation.keep);
    for (_, name) in closed.drain(..too_many) {
        done = done.and(std::fs::remove_file(name));
    }
    for (_, name) in closed {
        let packed = name.extension().is_some_and(|e| e == "gz" || e == "zst");
        if !packed && rotation.pack != Pack::None {
            done = done.and(pack(&name, rotation.pack));
        }
    }
    done
}

/// Closed files of `path` with what they sort by: time, then number.
fn closed_files(path: &Path) -> io::Result<Vec<((String, u32), PathBuf)>> {
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    let Some(own) = path.file_name().map(|n| n.to_string_lossy().into_owned()) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let rest = name.to_string_lossy();
        let rest = rest.strip_prefix(&own).and_then(|r| r.strip_prefix('.'));
        if let Some(key) = rest.and_then(closed_key) {
            found.push((key, entry.path()));
        }
    }
    Ok(found)
}

/// `20261126T010203Z[-N][.gz|.zst][.part]`; nothing else is ours to remove.
fn closed_key(rest: &str) -> Option<(String, u32)> {
    let rest = rest.strip_suffix(".part").unwrap_or(rest);
    let rest = rest
        .strip_suffix(".gz")
        .or_else(|| rest.strip_suffix(".zst"))
        .unwrap_or(rest);
    let (time, number) = match rest.split_once('-') {
        Some((time, number)) => (time, number.parse().ok()?),
        None => (rest, 0),
    };
    let shape = |(at, byte): (usize, u8)| match at {
        8 => byte == b'T',
        15 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    (time.len() == 16 && time.bytes().enumerate().all(shape)).then(|| (time.to_owned(), number))
}

/// Packs one file beside itself and removes it when all of that is on disk.
fn pack(path: &Path, pack: Pack) -> io::Result<()> {
    let to = with(path, pack.ending());
    let part = with(&to, ".part");
    let mut from = File::open(path)?;
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o640);
    let file = file.open(&part)?;
    let file = match pack {
        Pack::None => return Ok(()),
        Pack::Gzip => {
            let mut packer = flate2::write::GzEncoder::new(file, flate2::Compression::default());
            io::copy(&mut from, &mut packer)?;
            packer.finish()?
        }
        Pack::Zstd => {
            let mut packer = zstd::Encoder::new(file, zstd::DEFAULT_COMPRESSION_LEVEL)?;
            io::copy(&mut from, &mut packer)?;
            packer.finish()?
        }
    };
    let mut file = file;
    file.flush()?;
    file.sync_all()?;
    std::fs::rename(&part, &to)?;
    std::fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_336_117_257_438_999); // 2026-11-22T08:28:37

    #[test]
    fn names_tell_the_time_and_are_free() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("eve.json");
        let name = |p: &Path| p.file_name().unwrap().to_string_lossy().into_owned();
        let first = closed_name(&path, NOW);
        assert_eq!(name(&first), "eve.json.20261122T082837Z");
        std::fs::write(with(&first, ".gz"), "").unwrap();
        let second = closed_name(&path, NOW);
        assert_eq!(name(&second), "eve.json.20261122T082837Z-1");
        let key = closed_key("20261122T082837Z-1.gz.part");
        assert_eq!(key, Some(("20261122T082837Z".to_owned(), 1)));
        for other in [
            "1",
            "20261122",
            "20261122T082837Z.bak",
            "20261122T08283xZ",
            "20261122T082837Z-x",
        ] {
            assert_eq!(closed_key(other), None, "{other}");
        }
    }

    #[test]
    fn closed_files_are_packed_and_the_oldest_go() {
        for (pack, ending) in [(Pack::Gzip, ".gz"), (Pack::Zstd, ".zst")] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("eve.json");
            for n in 0..12u64 {
                let at = Timestamp(NOW.0 + n / 11 * 1_000_000_000);
                std::fs::write(closed_name(&path, at), format!("{n}\n")).unwrap();
            }
            std::fs::write(with(&path, ".20261122T082837Z-3.gz.part"), "half").unwrap();
            std::fs::write(with(&path, ".old"), "not ours").unwrap();
            let rotation = Rotation {
                bytes: None,
                hours: None,
                keep: 3,
                pack,
            };
            tidy(&path, &rotation).unwrap();
            let mut left: Vec<String> = std::fs::read_dir(dir.path())
                .unwrap()
                .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
                .collect();
            left.sort();
            let packed = |n: &str| format!("eve.json.20261122T0828{n}{ending}");
            let expected = [
                packed("37Z-10"),
                packed("37Z-9"),
                packed("38Z"),
                "eve.json.old".to_owned(),
            ];
            assert_eq!(left, expected);
            let bytes = std::fs::read(dir.path().join(packed("38Z"))).unwrap();
            let text = match pack {
                Pack::Zstd => zstd::decode_all(&bytes[..]).unwrap(),
                _ => {
                    let mut text = Vec::new();
                    io::copy(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut text).unwrap();
                    text
                }
            };
            assert_eq!(text, b"11\n");
        }
    }

    #[test]
    fn periods_begin_at_midnight() {
        let rotation = Rotation {
            bytes: None,
            hours: Some(24),
            keep: 1,
            pack: Pack::None,
        };
        let at = |secs| rotation.period(Timestamp::new(secs, 0));
        let midnight = 1_795_305_600; // 2026-11-22T00:00:00Z
        assert_eq!(at(midnight), at(midnight + 86_399));
        assert_eq!(at(midnight) + 1, at(midnight + 86_400));
        assert_eq!(at(midnight), at(midnight - 1) + 1);
        let never = Rotation {
            hours: None,
            ..rotation
        };
        assert_eq!(never.period(NOW), never.period(Timestamp::ZERO));
    }
}
