//! Receivers over sockets: how lines are handed over, and how it is known that they arrived.

mod datagram;
mod http;
mod stream;
mod tls;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::spool::Batch;
use super::syslog::SyslogHead;

pub use http::Api;

/// Where lines go over a socket, and what waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Who takes them.
    pub receiver: Receiver,
    /// Bytes of lines that wait in memory, if there is no spool.
    pub queue_bytes: u64,
    /// Folder of the spool, and bytes of lines in it.
    pub spool: Option<(PathBuf, u64)>,
}

/// Who takes lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// Lines over a unix stream socket.
    UnixStream(PathBuf),
    /// One line a datagram.
    UnixDatagram(PathBuf),
    /// RFC 5424.
    Syslog {
        /// UDP, TCP or TLS.
        carrier: SyslogOver,
        /// `host:port`.
        address: String,
        /// What is the same in every message.
        head: SyslogHead,
        /// For TLS.
        tls: TlsFiles,
    },
    /// Batches over HTTP or HTTPS.
    Http {
        /// Whole, with the path.
        url: String,
        /// What the batches look like.
        api: Api,
        /// File with `Name: value` lines: where secrets stand.
        headers_file: Option<PathBuf>,
        /// Bodies are packed.
        gzip: bool,
        /// Lines in one request.
        batch_lines: usize,
        /// For an answer.
        timeout: Duration,
        /// For HTTPS.
        tls: TlsFiles,
    },
}

/// What carries syslog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyslogOver {
    /// RFC 5426.
    Udp,
    /// RFC 6587, octet counting.
    Tcp,
    /// RFC 5425.
    Tls,
}

/// Files for TLS, all PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Authorities that are believed instead of the system's.
    pub ca: Option<PathBuf>,
    /// Our certificate and those above it.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// Name in the receiver's certificate, if it is not the address.
    pub name: Option<String>,
}

impl TlsFiles {
    /// All that there are.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        [&self.ca, &self.cert, &self.key]
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnixStream(path) => write!(f, "unix:{}", path.display()),
            Self::UnixDatagram(path) => write!(f, "unix-dgram:{}", path.display()),
            Self::Syslog {
                carrier, address, ..
            } => {
                let carrier = match carrier {
                    SyslogOver::Udp => "udp",
                    SyslogOver::Tcp => "tcp",
                    SyslogOver::Tls => "tls",
                };
                write!(f, "syslog+{carrier}://{address}")
            }
            Self::Http { url, .. } => f.write_str(url),
        }
    }
}

impl Receiver {
    /// One word for the kind, as `type` of the configuration.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::UnixStream(_) => "unix_stream",
            Self::UnixDatagram(_) => "unix_datagram",
            Self::Syslog { .. } => "syslog",
            Self::Http { api, .. } => api.kind(),
        }
    }

    /// True if it is reached over the network rather than on this machine's file system.
    #[must_use]
    pub fn is_network(&self) -> bool {
        !matches!(self, Self::UnixStream(_) | Self::UnixDatagram(_))
    }

    /// Files that it reads at the start and again after failures: certificates, a key, headers.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::UnixStream(_) | Self::UnixDatagram(_) => Vec::new(),
            Self::Syslog { tls, .. } => tls.files(),
            Self::Http {
                headers_file, tls, ..
            } => tls
                .files()
                .into_iter()
                .chain(headers_file.clone())
                .collect(),
        }
    }

    /// Reads the files it needs and makes it ready. Nothing is connected yet.
    ///
    /// # Errors
    /// What is wrong with a file or an address, and what to do.
    pub fn link(&self) -> Result<Box<dyn Link>, String> {
        Ok(match self {
            Self::UnixStream(path) => Box::new(stream::Stream::unix(path)),
            Self::UnixDatagram(path) => Box::new(datagram::Datagrams::unix(path)),
            Self::Syslog {
                carrier: SyslogOver::Udp,
                address,
                head,
                ..
            } => Box::new(datagram::Datagrams::udp(address, head)),
            Self::Syslog {
                carrier: SyslogOver::Tcp,
                address,
                head,
                ..
            } => Box::new(stream::Stream::tcp(address, head, None)),
            Self::Syslog {
                address, head, tls, ..
            } => {
                let tls = tls::Client::new(tls, host(address))?;
                Box::new(stream::Stream::tcp(address, head, Some(tls)))
            }
            Self::Http { .. } => Box::new(http::Http::new(self)?),
        })
    }
}

/// `host` of `host:port`, without the brackets of an IPv6 address.
fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

/// How one receiver is spoken to. Lives on a thread of its own and may block, but looks at `give_up` now and then.
pub trait Link: fmt::Debug + Send {
    /// Lines and bytes that a batch should have at most.
    fn batch(&self) -> (usize, usize);

    /// Connects if need be and hands a batch over.
    ///
    /// # Errors
    /// See [`SendError`].
    fn send(&mut self, batch: &Batch, give_up: &AtomicBool) -> Result<Sent, SendError>;

    /// Bytes of this connection that were handed over.
    fn position(&self) -> u64 {
        0
    }

    /// How many of them the other end has. All, where handing over is all there is.
    ///
    /// # Errors
    /// If the connection broke: what is beyond the number of before has to be sent again.
    fn settled(&mut self) -> Result<u64, SendError> {
        Ok(self.position())
    }

    /// How long a connection must have lived on until what it carried counts as arrived.
    fn linger(&self) -> Duration {
        Duration::ZERO
    }

    /// Lets go of the connection.
    fn close(&mut self);
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Lines that the receiver will never take.
    pub rejected: u64,
    /// Alerts and incidents among them.
    pub rejected_alerts: u64,
    /// Why.
    pub why: Option<String>,
}

/// Why a batch is not handed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The receiver is gone, slow, or asks for patience: the same again, later.
    #[error("{0}")]
    Later(String),
    /// The receiver does not want this batch as it is: a smaller one, and a single line never again.
    #[error("{0}")]
    Refused(String),
}

/// How long a blocking call waits before `give_up` is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How long a receiver may take nothing before the connection is given up.
const STALL: Duration = Duration::from_secs(30);
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// Looks that make a stall.
fn stalled(looks: u128) -> bool {
    looks * LOOK.as_millis() >= STALL.as_millis()
}
