//! Bodies of `identity` and `posture`.

use serde::{Serialize, Serializer};

use super::eve::Show;
use crate::event::{HostRoles, IdentityChange, PostureReport, Source};
use crate::net::Addr;
use crate::time::Timestamp;

/// Our `identity`: who is who changed.
#[derive(Serialize)]
pub(super) struct IdentityBody<'a> {
    change: &'static str,
    address: Show<Addr>,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    names: &'a [String],
    #[serde(skip_serializing_if = "RoleNames::is_empty")]
    roles: RoleNames,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Show<Timestamp>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<Show<Addr>>,
    learning: bool,
    #[serde(skip_serializing_if = "is_zero")]
    suppressed: u64,
}

pub(super) fn identity_body(c: &IdentityChange) -> IdentityBody<'_> {
    IdentityBody {
        change: c.change,
        address: Show(c.address),
        name: &c.name,
        names: &c.names,
        roles: RoleNames(c.roles),
        source: c.source.map(Source::name),
        since: c.since.map(Show),
        previous: c.previous.map(Show),
        learning: c.learning,
        suppressed: c.suppressed,
    }
}

/// Our `posture`: a weakness of a host.
#[derive(Serialize)]
pub(super) struct PostureBody<'a> {
    kind: &'a str,
    host: Show<Addr>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    names: &'a [String],
    #[serde(skip_serializing_if = "RoleNames::is_empty")]
    roles: RoleNames,
    count: u64,
    #[serde(skip_serializing_if = "Addrs::is_empty")]
    others: Addrs<'a>,
    #[serde(skip_serializing_if = "is_zero")]
    more: u64,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    examples: &'a [String],
    first_ts: Show<Timestamp>,
    last_ts: Show<Timestamp>,
    #[serde(skip_serializing_if = "str::is_empty")]
    advice: &'static str,
}

pub(super) fn posture_body(r: &PostureReport) -> PostureBody<'_> {
    let p = &r.posture;
    PostureBody {
        kind: &p.kind,
        host: Show(p.host),
        names: &r.names,
        roles: RoleNames(r.roles),
        count: p.count,
        others: Addrs(&p.others),
        more: p.more,
        examples: &p.examples,
        first_ts: Show(p.first_ts),
        last_ts: Show(p.last_ts),
        advice: r.advice,
    }
}

/// `["dc","dns"]`.
struct RoleNames(HostRoles);

impl RoleNames {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for RoleNames {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.0.names())
    }
}

struct Addrs<'a>(&'a [Addr]);

impl Addrs<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Addrs<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.0.iter().map(|a| Show(*a)))
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks for a reference
fn is_zero(n: &u64) -> bool {
    *n == 0
}
