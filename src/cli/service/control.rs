//! The control socket: one word a line in, one line of JSON out, then the connection ends.
//!
//! ```text
//! > status
//! < {"ok":true,"status":{...}}
//! > relaod
//! < {"ok":false,"error":"unknown command `relaod`, did you mean `reload`? there are: ..."}
//! ```
//!
//! Who may open the socket may ask: it has mode 0600, or 0660 if its group may ask too.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::super::Failure;
use super::status::Status;

/// A client that takes longer to ask, or to take a part of the answer, is not waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a client waits. A dump of a large network takes a while.
const CLIENT_PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of a question.
const LONGEST: u64 = 256;

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Verb {
    /// How it is: as "relaywatch status --json"
    Status,
    /// Every counter
    Stats,
    /// Open output files again, after they were renamed
    Reopen,
    /// Read the rules again
    Reload,
    /// What is known of hosts, and the open incidents
    Dump,
}

impl Verb {
    const ALL: [(&'static str, Self); 5] = [
        ("status", Self::Status),
        ("stats", Self::Stats),
        ("reopen", Self::Reopen),
        ("reload", Self::Reload),
        ("dump", Self::Dump),
    ];

    fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, verb)| *verb == self);
        found.map_or("", |(name, _)| name)
    }

    fn parse(text: &str) -> Result<Self, String> {
        if let Some((_, verb)) = Self::ALL.iter().find(|(name, _)| *name == text) {
            return Ok(*verb);
        }
        let names: Vec<&str> = Self::ALL.iter().map(|(name, _)| *name).collect();
        let near = names
            .iter()
            .map(|known| (strsim::damerau_levenshtein(text, known), known))
            .min()
            .filter(|(distance, _)| *distance <= 2)
            .map_or(String::new(), |(_, known)| {
                format!(", did you mean `{known}`?")
            });
        Err(format!(
            "unknown command `{}`{near} there are: {}",
            text.escape_default(),
            names.join(", ")
        ))
    }
}

/// The socket of a running sensor.
#[derive(Debug)]
pub(super) struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Control {
    pub(super) fn bind(path: &Path, group: bool) -> Result<Self, Failure> {
        Ok(Self {
            listener: bind(path, group, "the control socket")?,
            path: path.to_owned(),
        })
    }

    /// Answers one client, if there is one.
    pub(super) fn serve(&self, answer: &mut dyn FnMut(Verb) -> Result<Value, String>) {
        let Ok((stream, _)) = self.listener.accept() else {
            return;
        };
        // A client that goes away has nothing to be told.
        let _ = talk(stream, answer);
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // It may be gone already, with the service's directory.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Binds a unix socket that is ours alone, or our group's too. One that a crash left behind is replaced.
pub(super) fn bind(path: &Path, group: bool, what: &str) -> Result<UnixListener, Failure> {
    let shown = path.display();
    let fail = |e: &dyn std::fmt::Display, remedy: &str| {
        Failure::new(format_args!("{shown}: cannot open {what}: {e}; {remedy}"))
    };
    if let Ok(meta) = std::fs::symlink_metadata(path) {
        if !meta.file_type().is_socket() {
            return Err(fail(
                &"there is something else of that name",
                "choose another path",
            ));
        }
        if UnixStream::connect(path).is_ok() {
            return Err(fail(
                &"another relaywatch answers there",
                "stop it, or choose another path",
            ));
        }
        std::fs::remove_file(path)
            .map_err(|e| fail(&e, "remove what a crash left there, or choose another path"))?;
    }
    let listener = UnixListener::bind(path).map_err(|e| {
        let remedy = match e.kind() {
            ErrorKind::NotFound => "make its folder first (a service has RuntimeDirectory=)",
            ErrorKind::PermissionDenied => "choose a folder that this user may write to",
            _ => "choose another path; it takes at most 107 bytes",
        };
        fail(&e, remedy)
    })?;
    let mode = if group { 0o660 } else { 0o600 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .and_then(|()| listener.set_nonblocking(true))
        .map_err(|e| fail(&e, "choose another path"))?;
    // Whoever came before the mode was set is sent away.
    while listener.accept().is_ok() {}
    Ok(listener)
}

fn talk(
    stream: UnixStream,
    answer: &mut dyn FnMut(Verb) -> Result<Value, String>,
) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut asked = String::new();
    BufReader::new((&stream).take(LONGEST)).read_line(&mut asked)?;
    let reply = match Verb::parse(asked.trim()).and_then(&mut *answer) {
        Ok(mut value) => {
            if let Some(object) = value.as_object_mut() {
                object.insert("ok".to_owned(), true.into());
            }
            value
        }
        Err(error) => serde_json::json!({"ok": false, "error": error}),
    };
    let mut line = reply.to_string();
    line.push('\n');
    (&stream).write_all(line.as_bytes())
}

/// Why a sensor did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// Nobody there.
    #[error("{0}")]
    Unreachable(String),
    /// It did not do it.
    #[error("{0}")]
    Refused(String),
}

/// Asks the sensor behind a socket. The answer lacks `ok`.
pub(crate) fn ask(path: &Path, verb: Verb) -> Result<Value, AskError> {
    let shown = path.display();
    let reply = exchange(path, verb).map_err(|e| {
        let remedy = match e.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                "no relaywatch runs, or it has another control socket: give it with --socket, or with -c the sensor's configuration (`systemctl status relaywatch`)"
            }
            ErrorKind::PermissionDenied => {
                "ask as root or as the sensor's user, or let its group ask: group = true in [control]"
            }
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                "it took the question and does not answer: it hangs, or is busy with somebody else's; try again, then look at its log"
            }
            _ => "is that the control socket of a relaywatch?",
        };
        AskError::Unreachable(format!("{shown}: cannot ask the sensor: {e}; {remedy}"))
    })?;
    let mut value: Value = serde_json::from_slice(&reply).map_err(|_| {
        AskError::Unreachable(format!(
            "{shown}: what answers is no relaywatch, or its answer was cut short"
        ))
    })?;
    let object = value.as_object_mut();
    let ok = object.and_then(|o| o.remove("ok"));
    if ok == Some(Value::Bool(true)) {
        return Ok(value);
    }
    let error = value["error"].as_str().unwrap_or("it gives no reason");
    Err(AskError::Refused(error.to_owned()))
}

fn exchange(path: &Path, verb: Verb) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(CLIENT_PATIENCE))?;
    stream.set_write_timeout(Some(CLIENT_PATIENCE))?;
    stream.write_all(format!("{}\n", verb.name()).as_bytes())?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    Ok(reply)
}

/// The status in a sensor's answer.
pub(crate) fn status(answer: Value) -> Result<Status, AskError> {
    let status = answer.get("status").cloned().unwrap_or_default();
    serde_json::from_value(status).map_err(|e| {
        AskError::Unreachable(format!(
            "the sensor's status cannot be read ({e}); it is of another version, ask with its own program"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn serve_one(control: &Control, mut answer: impl FnMut(Verb) -> Result<Value, String>) {
        let mut served = false;
        while !served {
            control.serve(&mut |verb| {
                served = true;
                answer(verb)
            });
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_question_is_answered_and_an_unanswered_one_is_explained() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.sock");
        let e = ask(&path, Verb::Status).unwrap_err().to_string();
        assert!(e.contains("no relaywatch runs"), "{e}");

        let control = Control::bind(&path, false).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        thread::scope(|s| {
            let asked = s.spawn(|| ask(&path, Verb::Stats).unwrap());
            serve_one(&control, |verb| {
                assert_eq!(verb, Verb::Stats);
                Ok(serde_json::json!({"n": 5}))
            });
            assert_eq!(asked.join().unwrap(), serde_json::json!({"n": 5}));
            let asked = s.spawn(|| ask(&path, Verb::Reload).unwrap_err());
            serve_one(&control, |_| Err("no".to_owned()));
            assert!(matches!(asked.join().unwrap(), AskError::Refused(e) if e == "no"));
        });

        let e = Control::bind(&path, false).unwrap_err().to_string();
        assert!(e.contains("another relaywatch answers there"), "{e}");
        drop(control);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_crash_left_is_replaced_and_what_is_no_socket_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.sock");
        drop(UnixListener::bind(&path).unwrap());
        let control = Control::bind(&path, true).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        drop(control);
        std::fs::write(&path, "precious").unwrap();
        let e = Control::bind(&path, true).unwrap_err().to_string();
        assert!(e.contains("something else of that name"), "{e}");
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
        let e = Control::bind(Path::new("/nowhere/x"), true).unwrap_err();
        assert!(e.to_string().contains("make its folder first"), "{e}");
    }

    #[test]
    fn nonsense_and_silence_do_no_harm() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.sock");
        let control = Control::bind(&path, false).unwrap();
        let mut never = |_| -> Result<Value, String> { panic!("nothing was asked") };
        for bytes in [&b"relaod\n"[..], &[0xff; 4096], b""] {
            let mut client = UnixStream::connect(&path).unwrap();
            client.write_all(bytes).unwrap();
            client.shutdown(std::net::Shutdown::Write).unwrap();
            control.serve(&mut never);
            let mut reply = String::new();
            // What was sent beyond the longest question is a reset to the client.
            let _ = client.read_to_string(&mut reply);
            if bytes == b"relaod\n" {
                let reply: Value = serde_json::from_str(&reply).unwrap();
                let error = reply["error"].as_str().unwrap();
                assert!(error.contains("did you mean `reload`?"), "{error}");
            }
        }
        // One that says nothing costs a second, not the sensor.
        let _silent = UnixStream::connect(&path).unwrap();
        control.serve(&mut never);
    }
}
