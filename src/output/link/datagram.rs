//! Unix datagrams and syslog over UDP. A unix socket says when its reader is gone or slow; UDP says nothing unless
//! the host answers that nobody listens.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::{LOOK, Link, SendError, Sent, stalled};
use crate::output::spool::Batch;
use crate::output::syslog::SyslogHead;

#[derive(Debug)]
pub(super) struct Datagrams {
    to: To,
    socket: Option<Socket>,
    /// One message.
    buffer: Vec<u8>,
}

#[derive(Debug)]
enum To {
    Unix(PathBuf),
    Udp(String, SyslogHead),
}

#[derive(Debug)]
enum Socket {
    Unix(UnixDatagram),
    Udp(UdpSocket),
}

impl Datagrams {
    pub(super) fn unix(path: &Path) -> Self {
        Self::to(To::Unix(path.to_owned()))
    }

    pub(super) fn udp(address: &str, head: &SyslogHead) -> Self {
        Self::to(To::Udp(address.to_owned(), head.clone()))
    }

    fn to(to: To) -> Self {
        Self {
            to,
            socket: None,
            buffer: Vec::new(),
        }
    }

    fn connect(&self) -> io::Result<Socket> {
        match &self.to {
            To::Unix(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(path)?;
                socket.set_write_timeout(Some(LOOK))?;
                Ok(Socket::Unix(socket))
            }
            To::Udp(address, _) => {
                let mut last = ErrorKind::NotFound.into();
                for to in address.to_socket_addrs()? {
                    let from: SocketAddr = match to {
                        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
                    };
                    match UdpSocket::bind(from).and_then(|s| s.connect(to).map(|()| s)) {
                        Ok(socket) => return Ok(Socket::Udp(socket)),
                        Err(e) => last = e,
                    }
                }
                Err(last)
            }
        }
    }

    /// Sends the buffer as one datagram. False if it is larger than a datagram may be.
    fn send_one(&self, give_up: &AtomicBool) -> io::Result<bool> {
        let mut looks = 0;
        loop {
            let sent = match &self.socket {
                Some(Socket::Unix(socket)) => socket.send(&self.buffer),
                Some(Socket::Udp(socket)) => socket.send(&self.buffer),
                None => Err(ErrorKind::NotConnected.into()),
            };
            match sent {
                Ok(_) => return Ok(true),
                Err(e) if e.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error()) => {
                    return Ok(false);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    looks += 1;
                    if stalled(looks) || give_up.load(Relaxed) {
                        return Err(io::Error::new(
                            ErrorKind::TimedOut,
                            "the reader takes nothing",
                        ));
                    }
                }
                Err(e) => return Err(e),
            }
        }
    }
}

impl Link for Datagrams {
    fn batch(&self) -> (usize, usize) {
        // A datagram that fails has those before it sent again, so not many at once.
        (16, 64 * 1024)
    }

    fn send(&mut self, batch: &Batch, give_up: &AtomicBool) -> Result<Sent, SendError> {
        let later = |e: io::Error| SendError::Later(e.to_string());
        if self.socket.is_none() {
            self.socket = Some(self.connect().map_err(later)?);
        }
        let mut sent = Sent::default();
        for (kind, line) in &batch.lines {
            self.buffer.clear();
            match &self.to {
                To::Unix(_) => self.buffer.extend_from_slice(line),
                To::Udp(_, head) => head.message(&mut self.buffer, *kind, line),
            }
            if !self.send_one(give_up).map_err(later)? {
                sent.rejected += 1;
                sent.rejected_alerts += u64::from(kind.is_urgent());
                sent.why = Some(format!(
                    "{} bytes are too many for a datagram",
                    self.buffer.len()
                ));
            }
        }
        Ok(sent)
    }

    fn close(&mut self) {
        self.socket = None;
    }
}
