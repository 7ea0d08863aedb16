//! Where a running sensor can be asked: the settings.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;

use super::super::ConfigError;
use super::super::log::{LogFormat, LogLevel};

/// Where the packaged service has its control socket, and where `relaywatch status` looks.
const CONTROL_SOCKET: &str = "/run/relaywatch/control.sock";

/// The file's sections.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ControlSection {
    /// Path of the socket.
    pub socket: Option<PathBuf>,
    /// The socket's group may ask too.
    pub group: bool,
}

/// `[metrics]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MetricsSection {
    /// `unix:PATH`, or an address and port of this host.
    pub listen: Option<String>,
}

/// `[log]`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogSection {
    /// How messages look.
    pub format: Option<LogFormat>,
    /// Which messages are written.
    pub level: Option<LogLevel>,
}

/// Keys of these sections, for suggestions.
pub(crate) const KEYS: &[&str] = &[
    "control", "socket", "group", "metrics", "listen", "log", "format", "level",
];

/// Flags of a sensor that runs for long.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Service")]
pub struct ServiceArgs {
    /// Control socket, for "relaywatch status" and "relaywatch control"
    #[arg(long, value_name = "PATH")]
    pub control_socket: Option<PathBuf>,

    /// Prometheus metrics, on unix:PATH or an address of this host, as 127.0.0.1:9479
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<String>,

    /// How messages on stderr look
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,

    /// Which messages are written on stderr (-q is "warning")
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,
}

/// Where metrics are to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A unix socket.
    Unix(PathBuf),
    /// A port of the loopback.
    Tcp(SocketAddr),
}

/// What file and flags come to.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Control socket, if there is to be one.
    pub control: Option<PathBuf>,
    /// Where to ask a sensor with this configuration.
    pub ask: PathBuf,
    /// Its group may ask too.
    pub group: bool,
    /// Metrics, if there are to be any.
    pub metrics: Option<Listen>,
    /// How messages look.
    pub log_format: LogFormat,
    /// Which messages are written.
    pub log_level: LogLevel,
}

impl Settings {
    /// Lays the flags over the file. A replay opens sockets only if flags say so.
    pub(crate) fn new(
        control: ControlSection,
        metrics: MetricsSection,
        log: LogSection,
        args: &ServiceArgs,
        quiet: bool,
        live: bool,
    ) -> Result<Self, ConfigError> {
        let socket = control.socket.or_else(|| {
            // Set by systemd for a unit with RuntimeDirectory=.
            let dir = std::env::var_os("RUNTIME_DIRECTORY")?;
            Some(Path::new(&dir).join("control.sock"))
        });
        let listen = metrics.listen.as_deref();
        let listen = listen
            .map(|text| parse(text, "metrics.listen"))
            .transpose()
            .map_err(|e| ConfigError::new(e).within("listen").within("metrics"))?;
        let flag = args.metrics.as_deref();
        let flag = flag
            .map(|text| parse(text, "--metrics"))
            .transpose()
            .map_err(ConfigError::new)?;
        let level = if quiet {
            Some(LogLevel::Warning)
        } else {
            args.log_level.or(log.level)
        };
        let ask = args.control_socket.clone().or(socket.clone());
        Ok(Self {
            ask: ask.unwrap_or_else(|| CONTROL_SOCKET.into()),
            control: args.control_socket.clone().or(socket.filter(|_| live)),
            group: control.group,
            metrics: flag.or(listen.filter(|_| live)),
            log_format: args.log_format.or(log.format).unwrap_or_default(),
            log_level: level.unwrap_or_default(),
        })
    }
}

fn parse(text: &str, what: &str) -> Result<Listen, String> {
    if let Some(path) = text.strip_prefix("unix:").filter(|p| !p.is_empty()) {
        return Ok(Listen::Unix(path.into()));
    }
    let Ok(address) = text.parse::<SocketAddr>() else {
        return Err(format!(
            "{what} = \"{text}\": give an address of the loopback and a port, as 127.0.0.1:9479 or [::1]:9479, or unix:PATH"
        ));
    };
    if !address.ip().is_loopback() {
        return Err(format!(
            "{what} = \"{text}\": metrics are unencrypted and open to whoever reaches them, so they are only for this host; \
             give 127.0.0.1:{} or unix:PATH, and let an agent on this host fetch them",
            address.port()
        ));
    }
    Ok(Listen::Tcp(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_for_this_host_only() {
        let tcp = |text| parse(text, "x").unwrap();
        assert_eq!(
            tcp("127.0.0.1:9479"),
            Listen::Tcp("127.0.0.1:9479".parse().unwrap())
        );
        assert_eq!(tcp("[::1]:1"), Listen::Tcp("[::1]:1".parse().unwrap()));
        assert_eq!(tcp("unix:/run/m"), Listen::Unix("/run/m".into()));
        let no = |text: &str| parse(text, "metrics.listen").unwrap_err();
        assert!(no("0.0.0.0:9479").contains("give 127.0.0.1:9479"));
        assert!(no("[::]:9479").contains("only for this host"));
        assert!(no("192.0.2.1:9479").contains("only for this host"));
        for text in ["", "unix:", "9479", "localhost:9479", "127.0.0.1"] {
            assert!(no(text).contains("as 127.0.0.1:9479"), "{text}");
        }
    }
}
