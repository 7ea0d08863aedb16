//! EVE: one line of JSON per event, as Suricata writes it, for whatever reads Suricata.
//!
//! [`eve`] turns what the sensor says into lines; [`mailbox`] is where the thread of an output finds them;
//! [`writer`] takes them to files and standard output; [`link`] to receivers over sockets, for which they wait in a
//! [`spool`].
//! The format has types of its own, only for writing, so that the sensor's types can change
//! without it. `docs/eve.schema.json` describes every line and a test holds them to it.

pub mod database;
pub mod eve;
pub mod link;
pub mod mailbox;
pub mod rotate;
pub mod spool;
pub mod syslog;
pub mod writer;

mod address;
mod alert;
mod community;
mod counters;
mod dns;
mod evidence;
mod known;
mod ldap;
mod lines;
mod names;
mod protocol;
mod target;
mod types;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod schema_test;

pub use counters::OutputCounters;
pub use eve::{
    Header, write_alert, write_event, write_finding, write_identity, write_incident, write_posture,
    write_sensor, write_stats,
};
pub use evidence::{EvidenceError, EvidenceFolder, EvidenceOptions, evidence_name};
pub use lines::Lines;
pub use link::{Api, Link, Receiver, Remote, SendError, Sent, SyslogOver, TlsFiles};
pub use mailbox::Mailbox;
pub use rotate::{Pack, Rotation};
pub use spool::{Batch, Dropped, REST, Spool, URGENT};
pub use syslog::{FACILITIES, SyslogHead, header_text, hostname};
pub use target::{OpenError, OutputSpec, Target, address};
pub use types::{EventType, EventTypes, UnknownType};
pub use writer::{Trouble, Writer};
