//! Small receivers that can be slow, die and come back.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What a receiver does, read and written by the test.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Bodies of messages as they came.
    pub(crate) got: Mutex<Vec<String>>,
    /// Milliseconds between two messages.
    pub(crate) slowness: AtomicU64,
    /// It closes everything and ends.
    stop: AtomicBool,
    /// Messages after which it dies, reading no more; 0 is never.
    pub(crate) die_after: AtomicU64,
    /// HTTP status of every answer; 0 is 200.
    pub(crate) status: AtomicU64,
    /// Headers of the last request.
    pub(crate) headers: Mutex<String>,
    /// Requests.
    pub(crate) requests: AtomicU64,
}

impl Shared {
    /// False when it is time to die.
    fn take(&self, message: &str) -> bool {
        let mut got = self.got.lock().unwrap();
        let most = self.die_after.load(Relaxed);
        if most > 0 && got.len() as u64 >= most || self.stop.load(Relaxed) {
            self.stop.store(true, Relaxed);
            return false;
        }
        got.push(message.to_owned());
        drop(got);
        let wait = self.slowness.load(Relaxed);
        if wait > 0 {
            std::thread::sleep(Duration::from_millis(wait));
        }
        true
    }

    /// So that another receiver can go on with it.
    pub(crate) fn revive(&self) {
        self.stop.store(false, Relaxed);
    }

    pub(crate) fn len(&self) -> usize {
        self.got.lock().unwrap().len()
    }

    /// All EVE lines, each as JSON.
    pub(crate) fn events(&self) -> Vec<serde_json::Value> {
        let got = self.got.lock().unwrap();
        let json = |m: &String| serde_json::from_str(m).expect("a whole line");
        got.iter().map(json).collect()
    }
}

/// A running receiver. Dies when dropped.
pub(crate) struct Receiver {
    pub(crate) shared: Arc<Shared>,
    pub(crate) address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    pub(crate) fn wait_for_death(&mut self) {
        let _ = self.thread.take().unwrap().join();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// How messages stand in a stream.
pub(crate) type Framing = fn(&mut dyn BufRead) -> Option<String>;

/// One line of NDJSON.
pub(crate) fn line(from: &mut dyn BufRead) -> Option<String> {
    let mut line = String::new();
    // What has no newline was cut by the end of the connection, and is no message.
    (from.read_line(&mut line).ok()? > 0 && line.ends_with('\n'))
        .then(|| line.trim_end().to_owned())
}

/// RFC 6587 3.4.1: `LENGTH SP message`. Gives MSG of RFC 5424, after checking what stands before it.
pub(crate) fn counted(from: &mut dyn BufRead) -> Option<String> {
    let mut length = Vec::new();
    from.read_until(b' ', &mut length).ok()?;
    let length: usize = std::str::from_utf8(&length)
        .ok()?
        .strip_suffix(' ')?
        .parse()
        .ok()?;
    let mut message = vec![0; length];
    from.read_exact(&mut message).ok()?;
    Some(msg(&String::from_utf8(message).unwrap()))
}

/// MSG of `<PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID - MSG`.
pub(crate) fn msg(message: &str) -> String {
    let parts: Vec<&str> = message.splitn(8, ' ').collect();
    assert!(
        parts[0].starts_with('<') && parts[0].ends_with(">1"),
        "{message}"
    );
    assert_eq!((parts[3], parts[6]), ("relaywatch", "-"), "{message}");
    parts[7].to_owned()
}

/// A TCP receiver at `at` (port 0: any), with TLS if there is a configuration.
pub(crate) fn tcp(
    at: &str,
    shared: Arc<Shared>,
    framing: Framing,
    tls: Option<Arc<rustls::ServerConfig>>,
) -> Receiver {
    listen(at, shared, tls, move |stream, shared| {
        serve(&mut BufReader::with_capacity(512, stream), shared, framing);
    })
}

/// A TCP listener at `at` that answers one connection after the other, with TLS if there is a configuration.
fn listen(
    at: &str,
    shared: Arc<Shared>,
    tls: Option<Arc<rustls::ServerConfig>>,
    answer: impl Fn(&mut dyn Stream, &Shared) + Send + 'static,
) -> Receiver {
    let listener = bind(at);
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let end = Arc::clone(&shared);
    let thread = std::thread::spawn(move || {
        while !end.stop.load(Relaxed) {
            let Ok((socket, _)) = listener.accept() else {
                std::thread::sleep(Duration::from_millis(10));
                continue;
            };
            socket.set_nonblocking(false).unwrap();
            socket
                .set_read_timeout(Some(Duration::from_millis(100)))
                .unwrap();
            let mut socket = Patient {
                socket,
                shared: Arc::clone(&end),
            };
            match &tls {
                None => answer(&mut socket, &end),
                Some(config) => {
                    let tls = rustls::ServerConnection::new(Arc::clone(config)).unwrap();
                    answer(&mut rustls::StreamOwned::new(tls, socket), &end);
                }
            }
        }
    });
    Receiver {
        shared,
        address,
        thread: Some(thread),
    }
}

/// A connection, in clear or in TLS.
trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

/// A port that was just in use may need a moment.
fn bind(at: &str) -> TcpListener {
    for _ in 0..200 {
        if let Ok(listener) = TcpListener::bind(at) {
            return listener;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{at} cannot be bound");
}

fn serve(from: &mut dyn BufRead, shared: &Shared, framing: Framing) {
    while let Some(message) = framing(from) {
        if !shared.take(&message) {
            return;
        }
    }
}

/// A socket that waits for bytes until the receiver is to die.
#[derive(Debug)]
struct Patient<S> {
    socket: S,
    shared: Arc<Shared>,
}

impl<S: Read> Read for Patient<S> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        loop {
            match self.socket.read(buf) {
                Err(e)
                    if e.kind() == std::io::ErrorKind::WouldBlock
                        && !self.shared.stop.load(Relaxed) => {}
                other => return other,
            }
        }
    }
}

impl<S: Write> Write for Patient<S> {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.socket.write(buf)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.socket.flush()
    }
}

pub(crate) fn unix_stream(path: &Path, shared: Arc<Shared>) -> Receiver {
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).unwrap();
    listener.set_nonblocking(true).unwrap();
    let end = Arc::clone(&shared);
    let thread = std::thread::spawn(move || {
        while !end.stop.load(Relaxed) {
            let Ok((socket, _)) = listener.accept() else {
                std::thread::sleep(Duration::from_millis(10));
                continue;
            };
            socket.set_nonblocking(false).unwrap();
            socket
                .set_read_timeout(Some(Duration::from_millis(100)))
                .unwrap();
            let socket = Patient {
                socket,
                shared: Arc::clone(&end),
            };
            serve(&mut BufReader::with_capacity(512, socket), &end, line);
        }
    });
    Receiver {
        shared,
        address: ([0, 0, 0, 0], 0).into(),
        thread: Some(thread),
    }
}

pub(crate) fn unix_datagram(path: &Path, shared: Arc<Shared>) -> Receiver {
    let _ = std::fs::remove_file(path);
    let socket = UnixDatagram::bind(path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let end = Arc::clone(&shared);
    let thread = std::thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        while !end.stop.load(Relaxed) {
            if let Ok(n) = socket.recv(&mut buffer) {
                end.take(std::str::from_utf8(&buffer[..n]).unwrap());
            }
        }
    });
    Receiver {
        shared,
        address: ([0, 0, 0, 0], 0).into(),
        thread: Some(thread),
    }
}

pub(crate) fn udp(shared: Arc<Shared>) -> Receiver {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let address = socket.local_addr().unwrap();
    let end = Arc::clone(&shared);
    let thread = std::thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        while !end.stop.load(Relaxed) {
            if let Ok(n) = socket.recv(&mut buffer) {
                end.take(&msg(std::str::from_utf8(&buffer[..n]).unwrap()));
            }
        }
    });
    Receiver {
        shared,
        address,
        thread: Some(thread),
    }
}

/// An HTTP/1.1 server. `answer` makes the body of the answer out of the lines of the request.
pub(crate) fn http(
    at: &str,
    shared: Arc<Shared>,
    answer: fn(&[&str], u64) -> String,
    tls: Option<Arc<rustls::ServerConfig>>,
) -> Receiver {
    listen(at, shared, tls, move |stream, shared| {
        requests(BufReader::new(stream), shared, answer);
    })
}

fn requests<S: Read + Write>(
    mut from: BufReader<S>,
    shared: &Shared,
    answer: fn(&[&str], u64) -> String,
) {
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if from.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let lower = head.to_ascii_lowercase();
        let (_, length) = lower.split_once("content-length: ").expect("a length");
        let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        if from.read_exact(&mut body).is_err() {
            return;
        }
        if lower.contains("content-encoding: gzip") {
            let mut text = Vec::new();
            flate2::read::GzDecoder::new(&body[..])
                .read_to_end(&mut text)
                .unwrap();
            body = text;
        }
        *shared.headers.lock().unwrap() = head;
        shared.requests.fetch_add(1, Relaxed);
        let body = String::from_utf8(body).unwrap();
        let lines: Vec<&str> = body.lines().collect();
        let status = match shared.status.load(Relaxed) {
            0 => 200,
            status => status,
        };
        if status == 200 && !lines.iter().all(|line| shared.take(line)) {
            // Dead before it answered: the sender cannot know what was taken.
            return;
        }
        let text = answer(&lines, status);
        let answer = format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        );
        if from
            .get_mut()
            .write_all(answer.as_bytes())
            .and_then(|()| from.get_mut().flush())
            .is_err()
        {
            return;
        }
    }
}

/// A collector that answers 400 to every request with `bad` in it, and takes nothing of it.
pub(crate) fn refusing(bad: &'static str) -> Receiver {
    let listener = bind("127.0.0.1:0");
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let shared: Arc<Shared> = Arc::default();
    let end = Arc::clone(&shared);
    let thread = std::thread::spawn(move || {
        while !end.stop.load(Relaxed) {
            let Ok((socket, _)) = listener.accept() else {
                std::thread::sleep(Duration::from_millis(10));
                continue;
            };
            socket.set_nonblocking(false).unwrap();
            socket
                .set_read_timeout(Some(Duration::from_millis(100)))
                .unwrap();
            let mut from = BufReader::new(Patient {
                socket,
                shared: Arc::clone(&end),
            });
            while let Some(body) = body(&mut from) {
                let refused = body.contains(bad);
                if !refused {
                    body.lines().for_each(|line| {
                        end.take(line);
                    });
                }
                let status = if refused { 400 } else { 200 };
                let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
                from.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        }
    });
    Receiver {
        shared,
        address,
        thread: Some(thread),
    }
}

fn body(from: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head).unwrap_or(0) == 0 {
            return None;
        }
    }
    let lower = head.to_ascii_lowercase();
    let (_, length) = lower.split_once("content-length: ")?;
    let mut body = vec![0; length.split("\r\n").next()?.parse().ok()?];
    from.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}
