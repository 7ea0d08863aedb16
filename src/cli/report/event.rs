//! What the report reads of EVE lines. Other fields, and other events, are passed over.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error};

use super::text::{List, Text};
use crate::event::Level;

/// What is read of every line, to see whether there is more to read.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Head<'a> {
    #[serde(borrow)]
    pub event_type: Cow<'a, str>,
    /// Suricata's and ours.
    pub timestamp: Moment,
}

/// A line whose object `body` is wanted.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Line {
    pub timestamp: Moment,
    pub pcap_filename: Text,
    pub in_iface: Text,
    pub alert: Option<AlertBody>,
    pub incident: Option<Incident>,
    pub posture: Option<Posture>,
    pub identity: Option<Identity>,
    pub stats: Option<Stats>,
    pub sensor: Option<Sensor>,
}

/// Time of an event, microseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(pub i64);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(d)?;
        let time: jiff::Timestamp = text.parse().map_err(|_| {
            D::Error::custom("a timestamp is not as 2026-11-22T08:28:37.257438+0000")
        })?;
        Ok(Self(time.as_microsecond()))
    }
}

impl Moment {
    fn zoned(self) -> jiff::Zoned {
        jiff::Timestamp::from_microsecond(self.0)
            .unwrap_or_default()
            .to_zoned(jiff::tz::TimeZone::UTC)
    }

    /// As `2026-11-24`.
    pub(super) fn date(self) -> String {
        self.zoned().date().to_string()
    }

    /// As `19:18:04.601`.
    pub(super) fn clock(self) -> String {
        let z = self.zoned();
        format!(
            "{:02}:{:02}:{:02}.{:03}",
            z.hour(),
            z.minute(),
            z.second(),
            z.millisecond()
        )
    }
}

/// As `2026-11-24 19:18:04 UTC`.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let z = self.zoned();
        write!(
            f,
            "{} {:02}:{:02}:{:02} UTC",
            z.date(),
            z.hour(),
            z.minute(),
            z.second()
        )
    }
}

/// Sigma's level by its word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank(pub Level);

impl<'de> Deserialize<'de> for Rank {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let word = Cow::<str>::deserialize(d)?;
        Level::ALL
            .into_iter()
            .find(|l| l.name() == word)
            .map(Self)
            .ok_or_else(|| D::Error::custom("a level is none of Sigma's five"))
    }
}

/// 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id(pub u64);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let digits = Cow::<str>::deserialize(d)?;
        u64::from_str_radix(&digits, 16)
            .map(Self)
            .map_err(|_| D::Error::custom("an id is not 16 hexadecimal digits"))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Incident {
    pub incident_id: Id,
    pub rev: u32,
    pub detectors: List<Text>,
    pub mitre_technique_id: List<Text>,
    pub methods: List<Text>,
    pub level: Rank,
    pub confidence: Text,
    pub outcome: Text,
    pub count: u64,
    pub roles: Roles,
    pub legs: List<Leg>,
    pub first_ts: Moment,
    pub last_ts: Moment,
    pub evidence: List<Text>,
    pub evidence_file: Text,
    pub campaign_id: Option<Id>,
    pub evictions: u64,
    pub merged_into: Option<Id>,
    pub closed: bool,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Roles {
    pub attacker: List<Text>,
    pub victim: List<Text>,
    pub listener: List<Text>,
    pub target: List<Text>,
    pub more: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub(super) struct Leg {
    pub role: Text,
    pub flow_id: u64,
    pub community_id: Text,
    pub src_ip: Text,
    pub src_port: u16,
    pub dest_ip: Text,
    pub dest_port: u16,
    pub app_proto: Text,
    pub first_ts: Moment,
    pub pcap_cnt: u64,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct AlertBody {
    pub gid: u32,
    pub signature_id: u32,
    pub signature: Text,
    pub metadata: Metadata,
    pub references: List<Text>,
    /// Absent in alerts of others.
    pub context: Option<Context>,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Metadata {
    pub mitre_technique_id: List<Text>,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Context {
    pub detector: Text,
    pub level: Rank,
    pub incident_id: Id,
    pub confidence: Text,
    pub outcome: Text,
    pub roles: AlertRoles,
    pub legs: List<Leg>,
    pub rpc: Option<Rpc>,
    pub ntlm: Option<Ntlm>,
    pub krb: Option<Krb>,
    pub evidence: List<Text>,
    pub evidence_file: Text,
    pub gaps: u64,
    pub drops: u64,
    pub suppressed: bool,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct AlertRoles {
    pub attacker: Option<Text>,
    pub victim: Option<Text>,
    pub listener: Option<Text>,
    pub target: Option<Text>,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Rpc {
    pub method: Text,
    pub transport: Text,
    pub sealed: bool,
    pub path: Text,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Ntlm {
    pub user: Text,
    pub domain: Text,
    pub workstation: Text,
    pub target_name: Text,
    pub dns_computer_name: Text,
    pub mic: Text,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Krb {
    pub sname: Text,
    pub realm: Text,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Posture {
    pub kind: Text,
    pub host: Text,
    pub names: List<Text>,
    pub roles: List<Text>,
    pub count: u64,
    pub others: List<Text>,
    pub more: u64,
    pub examples: List<Text>,
    pub last_ts: Moment,
    pub advice: Text,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Identity {
    pub change: Text,
    pub address: Text,
    pub name: Text,
    pub names: List<Text>,
    pub roles: List<Text>,
}

#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Stats {
    pub capture: CaptureStats,
    pub tcp: TcpStats,
    pub detect: DetectStats,
}

#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct CaptureStats {
    pub kernel_packets: u64,
    pub kernel_drops: u64,
    pub kernel_ifdrops: u64,
}

#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct TcpStats {
    pub reassembly_gap: u64,
}

#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct DetectStats {
    pub alerts_suppressed: u64,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Sensor {
    pub version: Text,
    pub queue_drops: u64,
    pub panics: u64,
    pub cut_frames: u64,
    pub evicted: Evicted,
}

/// All that limits evicted, whatever its kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Evicted(pub u64);

impl<'de> Deserialize<'de> for Evicted {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Sum;
        impl<'de> serde::de::Visitor<'de> for Sum {
            type Value = Evicted;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("counters by name")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Evicted, A::Error> {
                let mut sum = 0_u64;
                while let Some((_, count)) = map.next_entry::<serde::de::IgnoredAny, u64>()? {
                    sum = sum.saturating_add(count);
                }
                Ok(Evicted(sum))
            }
        }
        d.deserialize_map(Sum)
    }
}
