//! Tells systemd that the sensor is ready and moves (sd_notify(3), Type=notify and WatchdogSec=).
//!
//! A datagram with a word in it. The crates for this open a socket for every word, which the
//! sandbox does not permit; here it is opened and connected once, before that.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The service manager's socket.
#[derive(Debug)]
pub(super) struct Notify {
    socket: UnixDatagram,
    /// How often it wants to hear that all is well.
    watchdog: Option<Duration>,
}

impl Notify {
    /// `None` if nobody wants to be told, or nobody is there.
    pub(super) fn from_env() -> Option<Self> {
        let path = std::env::var_os("NOTIFY_SOCKET")?;
        let number = |name: &str| -> Option<u64> { std::env::var(name).ok()?.parse().ok() };
        // WATCHDOG_PID says whom it is meant for, if it says so.
        let mine = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|us| mine && *us > 0);
        Self::connect(path.as_bytes(), watchdog.map(Duration::from_micros))
    }

    fn connect(path: &[u8], watchdog: Option<Duration>) -> Option<Self> {
        let address = match path.strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path)),
        };
        let socket = UnixDatagram::unbound().ok()?;
        socket.connect_addr(&address.ok()?).ok()?;
        socket.set_nonblocking(true).ok()?;
        Some(Self { socket, watchdog })
    }

    /// How often [`Notify::alive`] is due: three times before patience ends.
    pub(super) fn every(&self) -> Option<Duration> {
        self.watchdog.map(|patience| patience / 3)
    }

    /// Packets can be seen.
    pub(super) fn ready(&self, said: &str) {
        self.send(&format!("READY=1\nSTATUS={said}"));
    }

    /// For `systemctl status`.
    pub(super) fn status(&self, said: &str) {
        self.send(&format!("STATUS={said}"));
    }

    /// Every thread moves.
    pub(super) fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// It ends, on purpose.
    pub(super) fn stopping(&self) {
        self.send("STOPPING=1");
    }

    fn send(&self, text: &str) {
        // If the manager does not listen there is nobody else to tell.
        let _ = self.socket.send(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_arrive_over_paths_and_abstract_names() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let name = format!("relaywatch-test-{}", std::process::id());
        let by_name = SocketAddr::from_abstract_name(&name).unwrap();
        for (manager, address) in [
            (
                UnixDatagram::bind(&path).unwrap(),
                path.to_str().unwrap().to_owned(),
            ),
            (
                UnixDatagram::bind_addr(&by_name).unwrap(),
                format!("@{name}"),
            ),
        ] {
            let minute = Duration::from_secs(60);
            let notify = Notify::connect(address.as_bytes(), Some(minute)).unwrap();
            assert_eq!(notify.every(), Some(minute / 3));
            notify.ready("watching");
            notify.alive();
            let mut buffer = [0; 64];
            let n = manager.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..n], b"READY=1\nSTATUS=watching");
            let n = manager.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..n], b"WATCHDOG=1");
        }
        assert!(Notify::connect(b"/nowhere/notify", None).is_none());
    }
}
