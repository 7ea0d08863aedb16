//! Arguments as typed. Nothing here opens a file.

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand};

use super::evidence::EvidenceArgs;
use super::service::{ServiceArgs, Verb};

/// Watches for Windows hosts being coerced into authenticating, and for that authentication being relayed.
///
/// Reads captures (-r) or watches interfaces (-i), and writes alerts, incidents and statistics as
/// EVE JSON lines. It decrypts nothing and sends nothing to the hosts it
/// watches.
#[derive(Clone, Debug, Default, Parser)]
#[command(
    name = "relaywatch",
    version,
    after_help = "Examples:
  relaywatch -r capture.pcapng                 alerts on stdout, a summary on stderr
  relaywatch -r captures/ -o eve.json          every capture of a folder, in order of time
  relaywatch -r capture.pcap --events all      protocol events too
  relaywatch -i eth1 -o /var/log/eve.json      watch a mirror port
  relaywatch -i tap0 -i tap1 -o eve.json       watch both outputs of a TAP
  relaywatch -r capture.pcap posture           what should be hardened
  relaywatch -T -c relaywatch.toml             say what would be done, and stop
  relaywatch status                            how the running sensor is

Exit status: 0 ran, 1 --fail-on-alert and there was one, 2 could not run."
)]
pub struct Args {
    /// What to do instead of replaying or watching
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Replay a capture file, a folder of them, or standard input (-)
    #[arg(
        short = 'r',
        long = "read",
        value_name = "FILE|DIR|-",
        conflicts_with = "interface"
    )]
    pub read: Vec<PathBuf>,

    /// Keep what is known from one capture to the next, as of one long recording
    #[arg(long, requires = "read")]
    pub continuous: bool,

    /// Watch an interface; give it again for another
    #[arg(short = 'i', long, value_name = "IFACE")]
    pub interface: Vec<String>,

    /// Configuration file (TOML)
    #[arg(short = 'c', long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Add a rule file or folder; "none" drops the built-in rules
    #[arg(short = 'S', long = "rules", value_name = "PATH")]
    pub rules: Vec<PathBuf>,

    /// Replace the built-in RPC catalogue's entries by those of a folder
    #[arg(long, value_name = "DIR")]
    pub catalog: Option<PathBuf>,

    /// Where EVE goes: a file, - for stdout (the default), unix:PATH, unix-dgram:PATH, syslog+udp://HOST:PORT,
    /// syslog+tcp://, syslog+tls://, http:// or https://
    #[arg(short = 'o', long = "output", value_name = "DEST")]
    pub output: Vec<String>,

    /// Capture filter
    #[arg(short = 'f', long = "filter", value_name = "BPF")]
    pub filter: Option<String>,

    /// Worker threads
    #[arg(short = 'w', long, value_name = "N")]
    pub workers: Option<usize>,

    /// Event types to write: "all" or a list (default: alert,incident,stats,sensor)
    #[arg(long, value_name = "LIST")]
    pub events: Option<String>,

    /// Check configuration and rules, say what would be done, and stop
    #[arg(short = 'T', long = "test")]
    pub test: bool,

    /// Write alerts that the configuration suppresses as well, marked "suppressed"
    #[arg(long)]
    pub show_suppressed: bool,

    /// Exit with 1 if there was an alert
    #[arg(long)]
    pub fail_on_alert: bool,

    /// Say more on stderr
    #[arg(short = 'v', long, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,

    /// Say only errors on stderr
    #[arg(short = 'q', long)]
    pub quiet: bool,

    /// Memory budget in MiB
    #[arg(long, value_name = "MIB", help_heading = "Tuning")]
    pub memory_mib: Option<u64>,

    /// Seconds of packet time between stats events
    #[arg(long, value_name = "SECS", help_heading = "Tuning")]
    pub stats_interval: Option<u64>,

    /// File with the key that hashes secrets (32 bytes or more, mode 0600)
    #[arg(long, value_name = "FILE", help_heading = "Tuning")]
    pub key_file: Option<PathBuf>,

    /// Address of a proxy or load balancer that passes authentication on
    #[arg(long, value_name = "IP", help_heading = "Tuning")]
    pub forwarder: Vec<std::net::IpAddr>,

    /// A host: its name, its addresses, and what it does, as dc1=10.0.0.1,fd00::1=dc,dns
    #[arg(long, value_name = "NAME=IP[=ROLES]", help_heading = "Tuning")]
    pub host: Vec<String>,

    /// A network of the organisation (default: private addresses)
    #[arg(long, value_name = "NET", help_heading = "Tuning")]
    pub home_net: Vec<String>,

    /// Hours of packet time until what is missing counts in full (default: 24)
    #[arg(long, value_name = "HOURS", help_heading = "Tuning")]
    pub learning_hours: Option<u64>,

    /// Directory that keeps what is known of hosts for the next run; in replay only if given here
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,

    /// VLAN ids tell flows apart (off: mirror ports often tag each direction differently)
    #[arg(long, help_heading = "Tuning")]
    pub vlan_in_flow_key: bool,

    /// Capture buffer of an interface in MiB
    #[arg(long, value_name = "MIB", help_heading = "Tuning")]
    pub ring_mib: Option<u32>,

    /// Milliseconds a capture block waits to be filled
    #[arg(long, value_name = "MS", help_heading = "Tuning")]
    pub timeout_ms: Option<u32>,

    /// Capture threads that share an interface's packets, when one is not enough
    #[arg(long, value_name = "N", help_heading = "Tuning")]
    pub fanout: Option<u16>,

    /// Keep all rights, for debugging
    #[arg(long, help_heading = "Tuning")]
    pub no_sandbox: bool,

    /// Do not see frames that are not for this host
    #[arg(short = 'p', long, help_heading = "Tuning")]
    pub no_promisc: bool,

    #[command(flatten)]
    pub service: ServiceArgs,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub evidence: EvidenceArgs,
}

/// Commands that do not look at packets.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Look at rules
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Explain a detector: what it means, how to confirm, contain, and silence it rightly
    Explain {
        /// As RW-06
        id: String,
    },
    /// List what hosts let pass that hardened ones would not (-r and --state go before "posture")
    Posture {
        /// As JSON, one line a weakness, as `posture` events are
        #[arg(long)]
        json: bool,
    },
    /// Make a page for people of what was written: incidents with a picture, evidence, and what to do
    #[command(after_help = "Examples:
  relaywatch report eve.json -o report.html          one log
  relaywatch report eve.json*.zst -o report.html     rotated logs too, plain, gzip or zstd
  relaywatch -r capture.pcap --events alert,incident,stats,sensor,posture,identity -o eve.json
  relaywatch report eve.json -o report.html          a capture, with posture and names of hosts

The page is one file without scripts. It needs no network, and prints.")]
    Report {
        /// EVE JSON lines: files (plain, gzip, zstd), or - for standard input
        #[arg(value_name = "EVE", required = true)]
        eve: Vec<PathBuf>,
        /// The page to write, or - for standard output
        #[arg(short = 'o', long = "output", value_name = "FILE")]
        page: PathBuf,
        /// Incidents told in full, the worst first; of the others only the number is told
        #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=2_000))]
        incidents: u16,
    },
    /// Say how the running sensor is: does it see the traffic, did it miss anything, what to do
    ///
    /// Exit status: 0 healthy, 1 degraded, 2 not reachable.
    Status {
        /// As one line of JSON
        #[arg(long)]
        json: bool,
        /// Its control socket (default: the configuration's, or /run/relaywatch/control.sock)
        #[arg(long, value_name = "PATH")]
        socket: Option<PathBuf>,
    },
    /// Print completions for a shell
    Completions {
        /// Which
        shell: clap_complete::Shell,
    },
    /// Write manual pages into a folder, for packages
    #[command(hide = true)]
    Man {
        /// Folder
        dir: PathBuf,
    },
    /// Tell the running sensor to do something
    ///
    /// Exit status: 0 done, 1 refused, 2 not reachable.
    Control {
        /// What
        verb: Verb,
        /// Its control socket (default: the configuration's, or /run/relaywatch/control.sock)
        #[arg(long, value_name = "PATH")]
        socket: Option<PathBuf>,
    },
}

/// `relaywatch rules ...`
#[derive(Clone, Debug, Subcommand)]
pub enum RulesCommand {
    /// List what is loaded, and what was skipped and why (-S and -c go before "rules")
    List,
    /// Check rule files or folders beside the built-in rules; every error is told
    Check {
        /// Rule file or folder
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Show a rule as written
    Show {
        /// Its sid, id, or detector (then all of that detector's)
        rule: String,
    },
    /// Try rules on a capture: what matched, what nearly did, and which condition failed
    Test {
        /// Rule file or folder
        path: PathBuf,
        /// Capture to try them on
        #[arg(short = 'r', long = "read", value_name = "FILE", required = true)]
        capture: PathBuf,
    },
}
