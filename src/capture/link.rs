//! Whether an interface has its link, and whether it is there at all.
//!
//! A packet socket says that its interface was switched off, not that the cable was pulled; and libpcap asks for the
//! interface by name, so that one deleted and made anew at once looks like the old one to it. The file in
//! sysfs is the interface's own: kept open, it says `ENODEV` once that very interface is gone.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

/// Idle fills between two looks: a quarter of a second on a silent interface.
const EVERY: u32 = 128;

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Down,
    Up,
    Gone,
}

/// The state of one interface, looked at while nothing comes from it.
#[derive(Debug)]
pub(super) struct Link {
    state: File,
    up: bool,
    idle: u32,
}

impl Link {
    /// `None` if the system has no such file: for "any", or if sysfs shows another network namespace.
    pub(super) fn open(name: &str, socket: impl AsFd) -> Option<Self> {
        let dir = std::path::Path::new("/sys/class/net").join(name);
        let theirs = std::fs::read_to_string(dir.join("ifindex")).ok()?;
        let ours = rustix::net::netdevice::name_to_index(socket, name).ok()?;
        if theirs.trim().parse() != Ok(ours) {
            return None;
        }
        let mut link = Self {
            state: File::open(dir.join("operstate")).ok()?,
            up: true,
            idle: 0,
        };
        link.up = link.read() != Some(false);
        Some(link)
    }

    /// True unless it was down when last looked at.
    pub(super) fn is_up(&self) -> bool {
        self.up
    }

    /// To be asked at every idle fill.
    pub(super) fn look(&mut self) -> Option<Change> {
        self.idle += 1;
        if self.idle < EVERY {
            return None;
        }
        self.idle = 0;
        let Some(up) = self.read() else {
            return Some(Change::Gone);
        };
        let was = std::mem::replace(&mut self.up, up);
        match (was, up) {
            (true, false) => Some(Change::Down),
            (false, true) => Some(Change::Up),
            _ => None,
        }
    }

    /// `None` if the interface does not exist any more.
    fn read(&self) -> Option<bool> {
        // The words of RFC 2863's ifOperStatus, as the kernel's Documentation/networking/operstates.rst has them.
        let mut text = [0; 32];
        let n = self.state.read_at(&mut text, 0).ok()?;
        let state = text.get(..n).unwrap_or_default().trim_ascii_end();
        Some(!matches!(
            state,
            b"down" | b"lowerlayerdown" | b"notpresent"
        ))
    }
}
