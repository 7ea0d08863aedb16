//! A redb file of one's own. One that cannot be read is set aside and told, never fatal: the sensor must run.

use std::fs::{OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use redb::Database;
use redb::backends::FileBackend;

/// Why there is none.
#[derive(Debug)]
pub enum Trouble {
    /// Another process has it.
    Busy,
    /// The system says no.
    Io(std::io::Error),
    /// The content cannot be understood.
    Corrupt(String),
}

impl From<redb::Error> for Trouble {
    fn from(e: redb::Error) -> Self {
        let is_damage = |e: &std::io::Error| {
            matches!(e.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof)
        };
        match e {
            redb::Error::DatabaseAlreadyOpen => Self::Busy,
            redb::Error::Io(e) if !is_damage(&e) => Self::Io(e),
            other => Self::Corrupt(other.to_string()),
        }
    }
}

/// A file that could not be read.
#[derive(Clone, Debug)]
pub struct SetAside {
    /// What is wrong with it.
    pub why: String,
    /// Its name now.
    pub path: PathBuf,
}

/// An open file.
#[derive(Debug)]
pub struct Opened<T> {
    /// The database.
    pub db: Database,
    /// What was read from it.
    pub content: T,
    /// The file that was there before, if it could not be read.
    pub set_aside: Option<SetAside>,
}

/// Opens or makes the file at `path`, with `cache` bytes of cache, and reads all of it once, so that what is damaged is
/// found now.
///
/// # Errors
/// [`Trouble`]; `Corrupt` only if a new file could not be read either.
pub fn open<T>(
    path: &Path,
    cache: usize,
    read: impl Fn(&Database) -> Result<T, redb::Error>,
) -> Result<Opened<T>, Trouble> {
    let opened = |(db, content), set_aside| Opened {
        db,
        content,
        set_aside,
    };
    match attempt(path, cache, &read) {
        Err(Trouble::Corrupt(why)) => {
            let aside = aside(path);
            std::fs::rename(path, &aside).map_err(Trouble::Io)?;
            let set_aside = SetAside { why, path: aside };
            Ok(opened(attempt(path, cache, &read)?, Some(set_aside)))
        }
        done => Ok(opened(done?, None)),
    }
}

fn attempt<T>(
    path: &Path,
    cache: usize,
    read: &impl Fn(&Database) -> Result<T, redb::Error>,
) -> Result<(Database, T), Trouble> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(Trouble::Io)?;
    // An older file may be wider open.
    file.set_permissions(Permissions::from_mode(0o600))
        .map_err(Trouble::Io)?;
    // A damaged file may trip an assertion of the library; that is one more way to be corrupt.
    let all = std::panic::AssertUnwindSafe(|| -> Result<(Database, T), redb::Error> {
        let backend = FileBackend::new(file)?;
        let db = Database::builder()
            .set_cache_size(cache)
            .create_with_backend(backend)?;
        let content = read(&db)?;
        Ok((db, content))
    });
    match std::panic::catch_unwind(all) {
        Ok(done) => Ok(done?),
        Err(_) => Err(Trouble::Corrupt("damaged".to_owned())),
    }
}

/// A name beside `path` that nothing has yet; the last of ten is used again.
fn aside(path: &Path) -> PathBuf {
    let named = |n: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(if n == 0 {
            ".corrupt".to_owned()
        } else {
            format!(".corrupt.{n}")
        });
        PathBuf::from(name)
    };
    (0..9)
        .map(named)
        .find(|p| !p.exists())
        .unwrap_or_else(|| named(9))
}
