//! Unix stream sockets, and syslog over TCP and TLS.
//!
//! None of these protocols has the receiver say that it has a message. What can be known is what its machine has:
//! bytes that TCP has not seen acknowledged are counted by the kernel, and a receiver that dies with bytes unread
//! resets the connection at once. So a batch counts as arrived when the other machine has all of it and the connection
//! lived on for [`LINGER`]; what a connection carried that broke earlier is sent again.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use rustls::ClientConnection;

use super::tls::Client;
use super::{CONNECT, LOOK, Link, STALL, SendError, Sent, stalled};
use crate::output::spool::Batch;
use crate::output::syslog::SyslogHead;

/// A reset takes one way through the network: milliseconds in a data centre.
const LINGER: Duration = Duration::from_millis(200);
/// Bytes a unix socket may hold unread: what a reader that is killed while it is behind can lose.
const UNIX_BUFFER: usize = 16 * 1024;

#[derive(Debug)]
pub(super) struct Stream {
    to: To,
    tls: Option<Client>,
    connection: Option<Connection>,
    tables: Option<Arc<Tables>>,
    /// One batch as it goes out.
    buffer: Vec<u8>,
}

#[derive(Debug)]
enum To {
    Unix(PathBuf),
    Tcp(String, SyslogHead),
}

#[derive(Debug)]
struct Connection {
    socket: Counted,
    tls: Option<Box<ClientConnection>>,
}

/// A socket that counts what the kernel took.
#[derive(Debug)]
struct Counted {
    socket: Socket,
    written: u64,
    tables: Option<Arc<Tables>>,
}

/// The kernel's tables of connections, opened at the start: later the sandbox does not let us.
#[derive(Debug)]
struct Tables {
    v4: File,
    v6: File,
}

impl Tables {
    /// None if they cannot be read: then only a connection's living on counts.
    fn open() -> Option<Arc<Self>> {
        let v4 = File::open("/proc/self/net/tcp").ok()?;
        let v6 = File::open("/proc/self/net/tcp6").ok()?;
        Some(Arc::new(Self { v4, v6 }))
    }
}

#[derive(Debug)]
enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    pub(super) fn unix(path: &Path) -> Self {
        Self::to(To::Unix(path.to_owned()), None)
    }

    pub(super) fn tcp(address: &str, head: &SyslogHead, tls: Option<Client>) -> Self {
        Self::to(To::Tcp(address.to_owned(), head.clone()), tls)
    }

    fn to(to: To, tls: Option<Client>) -> Self {
        Self {
            to,
            tls,
            tables: Tables::open(),
            connection: None,
            buffer: Vec::new(),
        }
    }

    fn connect(&self, give_up: &AtomicBool) -> io::Result<Connection> {
        let socket = match &self.to {
            To::Unix(path) => {
                let socket = UnixStream::connect(path)?;
                rustix::net::sockopt::set_socket_send_buffer_size(&socket, UNIX_BUFFER)?;
                socket.set_write_timeout(Some(LOOK))?;
                socket.set_read_timeout(Some(LOOK))?;
                Socket::Unix(socket)
            }
            To::Tcp(address, _) => Socket::Tcp(tcp(address)?),
        };
        let mut connection = Connection {
            socket: Counted {
                socket,
                written: 0,
                tables: self.tables.clone(),
            },
            tls: None,
        };
        if let Some(client) = &self.tls {
            let tls = client.connect().map_err(io::Error::other)?;
            connection.tls = Some(Box::new(tls));
            connection.handshake(give_up)?;
        }
        Ok(connection)
    }
}

fn tcp(address: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for to in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&to, CONNECT) {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                socket.set_write_timeout(Some(LOOK))?;
                socket.set_read_timeout(Some(LOOK))?;
                // A machine that vanished is given up when its acknowledgment is this late.
                let patience = u32::try_from(STALL.as_millis()).unwrap_or(u32::MAX);
                rustix::net::sockopt::set_tcp_user_timeout(&socket, patience)?;
                return Ok(socket);
            }
            Err(e) => last = e,
        }
    }
    Err(last)
}

impl Connection {
    fn handshake(&mut self, give_up: &AtomicBool) -> io::Result<()> {
        let mut looks = 0;
        while let Some(tls) = self.tls.as_mut().filter(|tls| tls.is_handshaking()) {
            match tls.complete_io(&mut self.socket) {
                Ok(_) => {}
                Err(e) => wait(e, &mut looks, give_up)?,
            }
        }
        Ok(())
    }

    /// Writes all of it, so that the kernel has it.
    fn write(&mut self, bytes: &[u8], give_up: &AtomicBool) -> io::Result<()> {
        let mut looks = 0;
        let mut rest = bytes;
        while !rest.is_empty() || self.tls.as_ref().is_some_and(|tls| tls.wants_write()) {
            let before = self.socket.written;
            let done = match &mut self.tls {
                None => self.socket.write(rest),
                // Takes what has room, and writes what it has.
                Some(tls) => tls.writer().write(rest).and_then(|taken| {
                    while tls.wants_write() {
                        match tls.write_tls(&mut self.socket) {
                            Ok(_) => {}
                            Err(e) if may_wait(&e) => break,
                            Err(e) => return Err(e),
                        }
                    }
                    Ok(taken)
                }),
            };
            match done {
                Ok(taken) => {
                    rest = rest.get(taken..).unwrap_or_default();
                    looks = if self.socket.written > before {
                        0
                    } else {
                        looks + 1
                    };
                    if looks > 0 && (stalled(looks) || give_up.load(Relaxed)) {
                        return Err(too_slow());
                    }
                }
                Err(e) => wait(e, &mut looks, give_up)?,
            }
        }
        Ok(())
    }

    /// Reads what the other end says, which is only that it goes away or does not believe us.
    fn listen(&mut self) -> io::Result<()> {
        let gone = || {
            io::Error::new(
                ErrorKind::ConnectionReset,
                "the receiver closed the connection",
            )
        };
        self.socket.nonblocking(true)?;
        let heard = match &mut self.tls {
            None => match self.socket.read(&mut [0; 512]) {
                Ok(0) => Err(gone()),
                other => other.map(|_| ()),
            },
            Some(tls) => match tls.read_tls(&mut self.socket) {
                Ok(0) => Err(gone()),
                Ok(_) => tls
                    .process_new_packets()
                    .map_err(io::Error::other)
                    .and_then(|state| {
                        // Nobody has anything to say to us; it is not kept.
                        let mut said = vec![0; state.plaintext_bytes_to_read()];
                        let _ = tls.reader().read(&mut said);
                        if state.peer_has_closed() {
                            Err(gone())
                        } else {
                            Ok(())
                        }
                    }),
                Err(e) => Err(e),
            },
        };
        self.socket.nonblocking(false)?;
        match heard {
            Err(e) if may_wait(&e) => Ok(()),
            other => other,
        }
    }
}

impl Link for Stream {
    fn batch(&self) -> (usize, usize) {
        (256, 64 * 1024)
    }

    fn send(&mut self, batch: &Batch, give_up: &AtomicBool) -> Result<Sent, SendError> {
        let later = |e: io::Error| SendError::Later(e.to_string());
        if self.connection.is_none() {
            self.connection = Some(self.connect(give_up).map_err(later)?);
        }
        self.buffer.clear();
        for (kind, line) in &batch.lines {
            match &self.to {
                To::Unix(_) => {
                    self.buffer.extend_from_slice(line);
                    self.buffer.push(b'\n');
                }
                To::Tcp(_, head) => head.counted(&mut self.buffer, *kind, line),
            }
        }
        if let Some(connection) = &mut self.connection {
            connection.listen().map_err(later)?;
            connection.write(&self.buffer, give_up).map_err(later)?;
        }
        Ok(Sent::default())
    }

    fn position(&self) -> u64 {
        let written = |connection: &Connection| connection.socket.written;
        self.connection.as_ref().map_or(0, written)
    }

    fn settled(&mut self) -> Result<u64, SendError> {
        let Some(connection) = &mut self.connection else {
            return Ok(0);
        };
        connection
            .listen()
            .map_err(|e| SendError::Later(e.to_string()))?;
        let written = connection.socket.written;
        let unsent = connection.socket.unacknowledged().unwrap_or(0);
        Ok(written.saturating_sub(unsent))
    }

    fn linger(&self) -> Duration {
        LINGER
    }

    fn close(&mut self) {
        if let Some(mut connection) = self.connection.take()
            && let Some(tls) = &mut connection.tls
        {
            tls.send_close_notify();
            let _ = tls.write_tls(&mut connection.socket);
        }
    }
}

impl Counted {
    fn nonblocking(&self, on: bool) -> io::Result<()> {
        match &self.socket {
            Socket::Unix(s) => s.set_nonblocking(on),
            Socket::Tcp(s) => s.set_nonblocking(on),
        }
    }

    /// Bytes that the other machine has not acknowledged, as the kernel's table of connections says. None if it
    /// cannot be read: then only the connection's living on counts.
    fn unacknowledged(&self) -> Option<u64> {
        let Socket::Tcp(socket) = &self.socket else {
            return Some(0);
        };
        let inode = rustix::fs::fstat(socket.as_fd()).ok()?.st_ino.to_string();
        let tables = self.tables.as_ref()?;
        let table = match socket.local_addr().ok()?.is_ipv4() {
            true => &tables.v4,
            false => &tables.v6,
        };
        unacknowledged(&read_all(table)?, &inode)
    }
}

/// A table of the kernel is a few hundred bytes a connection.
const TABLE: usize = 4 * 1024 * 1024;

fn read_all(file: &File) -> Option<Vec<u8>> {
    let mut all = vec![0; 64 * 1024];
    let mut len = 0;
    loop {
        let n = file.read_at(all.get_mut(len..)?, len as u64).ok()?;
        len += n;
        if n == 0 {
            all.truncate(len);
            return Some(all);
        }
        if all.len() - len < 4096 {
            if all.len() >= TABLE {
                return None;
            }
            all.resize(all.len() * 2, 0);
        }
    }
}

/// proc(5): `sl local rem st tx_queue:rx_queue tr:tm retrnsmt uid timeout inode`.
fn unacknowledged(table: &[u8], inode: &str) -> Option<u64> {
    let text = std::str::from_utf8(table).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let queues = fields.nth(4)?;
        let queued = u64::from_str_radix(queues.split(':').next()?, 16).ok()?;
        (fields.nth(4)? == inode).then_some(queued)
    })
}

impl Read for Counted {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.socket {
            Socket::Unix(s) => s.read(buf),
            Socket::Tcp(s) => s.read(buf),
        }
    }
}

impl Write for Counted {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = match &mut self.socket {
            Socket::Unix(s) => s.write(buf),
            Socket::Tcp(s) => s.write(buf),
        }?;
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn may_wait(e: &io::Error) -> bool {
    use ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(e.kind(), Interrupted | TimedOut | WouldBlock)
}

/// Patience with a receiver that takes nothing.
fn wait(e: io::Error, looks: &mut u128, give_up: &AtomicBool) -> io::Result<()> {
    if !may_wait(&e) {
        return Err(e);
    }
    *looks += 1;
    if stalled(*looks) || give_up.load(Relaxed) {
        return Err(too_slow());
    }
    Ok(())
}

fn too_slow() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "the receiver takes nothing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_is_read_by_inode() {
        let table = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
   0: 0100007F:C001 0100007F:0202 01 0000A010:00000000 01:00000014 00000000     0        0 4711 2 0 20 4 30 10 -1\n\
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 471 1 0 100 0 0 10 0\n";
        assert_eq!(unacknowledged(table, "4711"), Some(0xa010));
        assert_eq!(unacknowledged(table, "471"), Some(0));
        assert_eq!(unacknowledged(table, "1"), None);
    }

    #[test]
    fn bytes_that_nobody_reads_are_not_acknowledged() {
        #![allow(clippy::disallowed_methods)]
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        socket.set_nonblocking(true).unwrap();
        let (_peer, _) = listener.accept().unwrap();
        let mut written = 0u64;
        while let Ok(n) = socket.write(&[0; 65536]) {
            written += n as u64;
        }
        let counted = Counted {
            socket: Socket::Tcp(socket),
            written,
            tables: Tables::open(),
        };
        // The peer's kernel holds the rest.
        let unread = counted.unacknowledged().unwrap();
        assert!(unread > 0 && unread < written, "{unread} of {written}");
    }
}
