//! What hosts let pass that hardened ones would not: the list an administrator works from.
//!
//! One entry a weakness and host, with how often, with whom, and since when. Told once a day of packet time and at the
//! end. Nothing here is an alert: it is what makes a relay possible, not a relay.

use std::collections::BTreeMap;
use std::time::Duration;

use super::bounds::{Bounds, Kind};
use super::fair::Fair;
use super::identity::Identity;
use super::{Verdict, loops_back};
use crate::event::{
    Authenticate, Carrier, Knowledge, Laxity, Posture, PostureReport, Seen, Services, Sighting,
};
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;

/// NTLMSSP_NEGOTIATE_SIGN and NTLMSSP_NEGOTIATE_SEAL (MS-NLMP 2.2.2.5).
const SIGN_OR_SEAL: u32 = 0x30;

/// Kinds of weaknesses with what to do, in the order in which they are worth doing.
const KINDS: &[(&str, &str)] = &[
    (
        "adcs_web_http",
        "Serve certificate enrolment over HTTPS only, with Extended Protection for Authentication, or remove the web role.",
    ),
    (
        "ldap_unsigned",
        "Require LDAP signing on domain controllers (LDAPServerIntegrity = 2) and channel binding on LDAPS.",
    ),
    (
        "smb_unsigned",
        "Require SMB signing on the server (RequireSecuritySignature = 1).",
    ),
    (
        "http_unbound",
        "Serve it over HTTPS with Extended Protection for Authentication, or turn NTLM off there.",
    ),
    (
        "ldap_simple",
        "Let the application bind over LDAPS: its password is readable on the network.",
    ),
    (
        "rpc_exposed",
        "Block ports 135 and 593 from outside the own networks.",
    ),
    (
        "ntlm_v1",
        "Set LmCompatibilityLevel to 5 on the client: NTLMv1 is broken by a brute force of hours.",
    ),
    (
        "ntlm_client",
        "Find out why Kerberos is not used: an address instead of a name, a missing SPN, an old application.",
    ),
    (
        "tier0_clients",
        "Let only those hosts reach tier-0 servers by SMB and NTLM that must.",
    ),
];

/// All weaknesses.
#[derive(Debug)]
pub(super) struct Postures {
    /// By place in [`KINDS`] and host.
    all: BTreeMap<(usize, Addr), Posture>,
    /// NTLM exchanges whose verdict is awaited: flow and session.
    open: Fair<(u64, u64), (&'static str, String)>,
    next: Option<Timestamp>,
    most: usize,
    evicted: u64,
}

impl Default for Postures {
    fn default() -> Self {
        Self {
            all: BTreeMap::new(),
            open: Fair::new(limits::PENDING_FINDINGS, Duration::from_secs(60)),
            next: None,
            most: limits::POSTURES,
            evicted: 0,
        }
    }
}

impl Postures {
    /// How much it may hold.
    pub(super) fn limit(&mut self, bounds: &Bounds) {
        self.open.limit(bounds.most(Kind::Flow));
        self.most = bounds.most(Kind::Posture);
    }

    /// Looks at the next sighting, before identity learns from it.
    pub(super) fn sighting(&mut self, s: &Sighting, identity: &Identity) {
        if loops_back(&s.flow) {
            return;
        }
        let server = s.flow.server.addr;
        match &s.seen {
            Seen::Authenticate(auth) if !auth.anonymous => {
                self.authenticate(s, auth);
                self.tier0(s, identity, auth.carrier.name());
            }
            Seen::AuthResult {
                session, success, ..
            } => {
                let open = self.open.remove(&(s.flow.flow_id, *session));
                if let Some((kind, account)) = open.filter(|_| *success) {
                    self.note(kind, server, s, &account);
                }
            }
            Seen::Lax(Laxity::SmbUnsigned { user }) => self.note("smb_unsigned", server, s, user),
            Seen::Lax(Laxity::LdapSimple { user }) => self.note("ldap_simple", server, s, user),
            Seen::Lax(Laxity::Endpoint { port }) => {
                self.note("rpc_exposed", server, s, &format!("port {port}"));
            }
            Seen::Claim(claim) => {
                if claim.services.any(Services::CA) && s.flow.app_proto == Carrier::Http.name() {
                    self.note("adcs_web_http", server, s, "/certsrv");
                }
                if claim.guid.is_some() {
                    self.tier0(s, identity, Carrier::Smb.name());
                }
            }
            _ => {}
        }
    }

    /// Tells everything when a day is over.
    pub(super) fn advance(&mut self, now: Timestamp, identity: &Identity, out: &mut Vec<Verdict>) {
        self.open.forget(now);
        let day = Duration::from_secs(limits::POSTURE_SECS);
        let next = *self.next.get_or_insert(now.plus(day));
        if now >= next {
            self.next = Some(now.plus(day));
            self.tell(now, identity, out);
        }
    }

    /// Tells everything.
    pub(super) fn finish(&mut self, now: Timestamp, identity: &Identity, out: &mut Vec<Verdict>) {
        self.tell(now, identity, out);
    }

    pub(super) fn snapshot(&self, to: &mut Knowledge) {
        to.posture = self.all.values().cloned().collect();
    }

    pub(super) fn restore(&mut self, from: &Knowledge) {
        for posture in from.posture.iter().take(self.most) {
            if let Some(kind) = place(&posture.kind) {
                self.all.insert((kind, posture.host), posture.clone());
            }
        }
    }

    /// Weaknesses that there was no room for.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted + self.open.lost()
    }

    fn authenticate(&mut self, s: &Sighting, auth: &Authenticate) {
        let account = format!("{}\\{}", auth.domain, auth.user);
        let client = s.flow.client.addr;
        if auth.version1 {
            self.note("ntlm_v1", client, s, &account);
        } else {
            self.note("ntlm_client", client, s, &account);
        }
        let kind = match auth.carrier {
            Carrier::Ldap if auth.flags & SIGN_OR_SEAL == 0 => "ldap_unsigned",
            // Seen, so it is not inside TLS, and nothing binds it to a channel.
            Carrier::Http if !auth.channel_bindings => "http_unbound",
            _ => return,
        };
        let key = (s.flow.flow_id, auth.session);
        self.open.insert(client, key, (kind, account), s.ts);
    }

    /// Somebody talks to a host whose fall is the domain's.
    fn tier0(&mut self, s: &Sighting, identity: &Identity, how: &str) {
        let server = s.flow.server.addr;
        if identity.roles(server).is_tier0() {
            self.note("tier0_clients", server, s, how);
        }
    }

    /// Counts it for `host`; the other end of the flow is who it was seen with.
    fn note(&mut self, kind: &'static str, host: Addr, s: &Sighting, example: &str) {
        let Some(at) = place(kind) else {
            return;
        };
        let full = self.all.len() >= self.most;
        let posture = match self.all.entry((at, host)) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(_) if full => {
                self.evicted += 1;
                return;
            }
            std::collections::btree_map::Entry::Vacant(new) => new.insert(Posture {
                kind: kind.to_owned(),
                host,
                first_ts: s.ts,
                ..Posture::default()
            }),
        };
        posture.count += 1;
        posture.last_ts = s.ts;
        let ends = [s.flow.client.addr, s.flow.server.addr];
        for other in ends.into_iter().filter(|end| *end != host) {
            if posture.others.contains(&other) {
                continue;
            }
            if posture.others.len() < limits::POSTURE_LIST {
                posture.others.push(other);
            } else {
                // Counted each time it is met: an upper bound, which costs nothing to keep.
                posture.more += 1;
            }
        }
        let room = posture.examples.len() < limits::POSTURE_LIST;
        if room && !example.is_empty() && !posture.examples.iter().any(|e| e == example) {
            let example: String = example.chars().take(limits::POSTURE_CHARS).collect();
            posture.examples.push(example);
        }
    }

    fn tell(&self, now: Timestamp, identity: &Identity, out: &mut Vec<Verdict>) {
        let reports = self.reports(now, identity).into_iter();
        out.extend(reports.map(|r| Verdict::Posture(Box::new(r))));
    }

    /// Everything, by kind and host.
    pub(super) fn reports(&self, now: Timestamp, identity: &Identity) -> Vec<PostureReport> {
        let report = |((kind, host), posture): (&(usize, Addr), &Posture)| PostureReport {
            ts: now,
            posture: posture.clone(),
            names: identity.names(*host),
            roles: identity.roles(*host),
            advice: KINDS.get(*kind).map_or("", |(_, advice)| advice),
        };
        self.all.iter().map(report).collect()
    }
}

fn place(kind: &str) -> Option<usize> {
    KINDS.iter().position(|(name, _)| *name == kind)
}

#[cfg(test)]
#[path = "posture_tests.rs"]
mod tests;
