//! What is known of hosts: told as it changes, and kept across restarts.

use serde::{Deserialize, Serialize};

use super::{HostRoles, Source};
use crate::net::Addr;
use crate::time::Timestamp;

/// A change in who is who.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentityChange {
    /// When.
    pub ts: Timestamp,
    /// `new`, `moved`, `contested`, `expired` or `roles`.
    pub change: &'static str,
    /// The host it is about.
    pub address: Addr,
    /// The name that changed hands; empty if only roles did.
    pub name: String,
    /// Every name the host was heard under.
    pub names: Vec<String>,
    /// Everything it is.
    pub roles: HostRoles,
    /// Where the evidence comes from.
    pub source: Option<Source>,
    /// Since when the host has said so, or has been said to be it.
    pub since: Option<Timestamp>,
    /// Who owned the name before, or owns it against this claim.
    pub previous: Option<Addr>,
    /// The sensor is still learning.
    pub learning: bool,
    /// Changes that were left out before this one, because there were too many.
    pub suppressed: u64,
}

/// Something that a host should be configured not to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posture {
    /// Which weakness.
    pub kind: String,
    /// Host it is about.
    #[serde(with = "addr")]
    pub host: Addr,
    /// Times seen.
    pub count: u64,
    /// Other ends, at most as many as a limit allows.
    #[serde(with = "addrs")]
    pub others: Vec<Addr>,
    /// Other ends that had no room.
    pub more: u64,
    /// Accounts, shares or paths it was seen with.
    pub examples: Vec<String>,
    /// First time.
    #[serde(with = "time")]
    pub first_ts: Timestamp,
    /// Last time.
    #[serde(with = "time")]
    pub last_ts: Timestamp,
}

/// A weakness, told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PostureReport {
    /// When it is told.
    pub ts: Timestamp,
    /// The weakness.
    pub posture: Posture,
    /// Names the host was heard under.
    pub names: Vec<String>,
    /// What it is.
    pub roles: HostRoles,
    /// What to do about it.
    pub advice: &'static str,
}

/// Everything that outlives a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Knowledge {
    /// Time of the first packet ever: when learning began.
    pub since: Option<Timestamp>,
    /// Addresses.
    pub hosts: Vec<HostRecord>,
    /// Claims to names.
    pub names: Vec<NameRecord>,
    /// Who authenticates where.
    pub habits: Vec<HabitRecord>,
    /// Devices that pass logons on.
    pub passers: Vec<PasserRecord>,
    /// Weaknesses.
    pub posture: Vec<Posture>,
}

/// An address and what it has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRecord {
    /// The address.
    #[serde(with = "addr")]
    pub addr: Addr,
    /// Names, where from, and whether heard as server and as client.
    pub shown: Vec<(String, Source, bool, bool)>,
    /// Services seen.
    pub services: u16,
    /// SMB ServerGuid, its halves.
    pub guid: Option<(u64, u64)>,
    /// DHCP client.
    pub client: Option<u64>,
    /// Last time its traffic was seen.
    #[serde(with = "time")]
    pub last: Timestamp,
}

/// A claim to a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameRecord {
    /// Who claims it.
    #[serde(with = "addr")]
    pub addr: Addr,
    /// The name.
    pub name: String,
    /// Where from.
    pub source: Source,
    /// First time.
    #[serde(with = "time")]
    pub first: Timestamp,
    /// Last time.
    #[serde(with = "time")]
    pub last: Timestamp,
    /// When it ends.
    #[serde(with = "time")]
    pub until: Timestamp,
    /// Others claim it too.
    pub contested: bool,
}

/// A device that passes the logons of others on to a server, and is learned for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasserRecord {
    /// The device.
    #[serde(with = "addr")]
    pub listener: Addr,
    /// The server behind it.
    #[serde(with = "addr")]
    pub target: Addr,
    /// The first accounts whose logons it passed on.
    pub users: Vec<String>,
    /// First time.
    #[serde(with = "time")]
    pub first: Timestamp,
    /// Last time.
    #[serde(with = "time")]
    pub last: Timestamp,
}

/// A client that authenticates at a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HabitRecord {
    /// Who.
    #[serde(with = "addr")]
    pub client: Addr,
    /// Where.
    #[serde(with = "addr")]
    pub server: Addr,
    /// First time.
    #[serde(with = "time")]
    pub first: Timestamp,
    /// Last time.
    #[serde(with = "time")]
    pub last: Timestamp,
}

/// An address as text.
mod addr {
    use std::net::IpAddr;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::net::Addr;

    pub(super) fn serialize<S: Serializer>(addr: &Addr, s: S) -> Result<S::Ok, S::Error> {
        addr.ip().serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Addr, D::Error> {
        IpAddr::deserialize(d).map(Addr::from)
    }
}

/// A list of them.
mod addrs {
    use std::net::IpAddr;

    use serde::{Deserialize, Deserializer, Serializer};

    use crate::net::Addr;

    pub(super) fn serialize<S: Serializer>(all: &[Addr], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(all.iter().map(|a| a.ip()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Addr>, D::Error> {
        Vec::<IpAddr>::deserialize(d).map(|all| all.into_iter().map(Addr::from).collect())
    }
}

/// Nanoseconds since 1970.
mod time {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::time::Timestamp;

    pub(super) fn serialize<S: Serializer>(ts: &Timestamp, s: S) -> Result<S::Ok, S::Error> {
        ts.0.serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Timestamp, D::Error> {
        u64::deserialize(d).map(Timestamp)
    }
}
