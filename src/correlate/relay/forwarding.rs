//! Is it one connection that a device passed on? Told from content (catalogue B.3), and from habit.

use std::time::Duration;

use super::exchange::Exchange;
use crate::correlate::bounds::{Bounds, Kind};
use crate::correlate::fair::Fair;
use crate::correlate::window::Recent;
use crate::event::{Carrier, Finding, PasserRecord};
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;

/// What the content of two legs says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forwarding {
    /// One connection, passed on.
    Passed,
    /// Two connections.
    Apart,
    /// The messages that would tell were not seen on both legs.
    Unknown,
}

/// Compares the last messages of both legs; where one was not seen, the challenges.
///
/// `enrolling`: one of the legs asks AD CS for a certificate.
pub(super) fn of(victim: &Exchange, target: &Exchange, enrolling: bool) -> Forwarding {
    if victim.carrier != target.carrier {
        return Forwarding::Apart;
    }
    let same = |a: u64, b: u64| a != 0 && a == b;
    let differ = |a: u64, b: u64| a != 0 && b != 0 && a != b;
    let auths = [&victim.auth, &target.auth];
    let machine_account = auths.iter().any(|a| {
        a.as_ref()
            .is_some_and(|auth| auth.user.trim_end().ends_with('$'))
    });
    // Same method, URI and Host is not enough where a relay is worth most.
    let weak = victim.carrier == Carrier::Http && (machine_account || enrolling);
    if let (Some(v), Some(t)) = (&victim.auth, &target.auth) {
        let passed =
            same(v.message_id, t.message_id) || (same(v.session_id, t.session_id) && !weak);
        return if passed {
            Forwarding::Passed
        } else {
            Forwarding::Apart
        };
    }
    let (v, t) = (victim.issued, target.issued);
    if same(v.message_id, t.message_id) || (same(v.session_id, t.session_id) && !weak) {
        return Forwarding::Passed;
    }
    // A proxy changes the heads of HTTP; nothing between the legs changes the bytes of an LDAP message.
    let apart = differ(v.session_id, t.session_id)
        || (victim.carrier == Carrier::Ldap && differ(v.message_id, t.message_id));
    if apart || machine_account || enrolling || victim.carrier == Carrier::Ldap {
        return Forwarding::Apart;
    }
    Forwarding::Unknown
}

/// Users and time after which a pair of listener and target counts as a device that passes logons on.
const USERS: usize = 3;
const LEARNING: Duration = Duration::from_secs(24 * 3600);
/// A pair that is not seen for so long is forgotten.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a pair has shown.
#[derive(Debug)]
struct Pair {
    first: Timestamp,
    users: Vec<String>,
}

/// Proxies whose content does not give them away, learned: the same listener passes the logons of several
/// users on to the same target for a day, and nothing else is said against it.
///
/// Never where protocols differ, for a machine account, or to a directory, a certificate authority or a file
/// server (catalogue B.3, 4): there a relay is worth most, or content can always tell.
#[derive(Debug)]
pub(super) struct Passers {
    /// By listener and target, on the listener's account.
    pairs: Fair<(Addr, Addr), Pair>,
    /// When something else was last said of a host.
    alarms: Recent<Addr, Timestamp>,
}

impl Default for Passers {
    fn default() -> Self {
        Self {
            pairs: Fair::new(limits::HABITS, KEPT),
            alarms: Recent::new(limits::HABITS, KEPT),
        }
    }
}

impl Passers {
    pub(super) fn limit(&mut self, bounds: &Bounds) {
        self.pairs.limit(bounds.most(Kind::Mark));
        self.alarms.limit(bounds.most(Kind::Mark));
    }

    /// Pairs and alarms that had to go for those of other hosts.
    pub(super) fn evicted(&self) -> u64 {
        self.pairs.evicted() + self.alarms.evicted()
    }

    /// Pairs that gave way to newer ones of their listener.
    pub(super) fn gave_way(&self) -> u64 {
        self.pairs.gave_way()
    }

    /// For the store: pairs whose listener nothing was said of.
    pub(super) fn records(&self) -> impl Iterator<Item = PasserRecord> {
        self.pairs
            .iter()
            .filter(|((listener, _), pair, _)| !self.is_alarmed(*listener, pair.first))
            .map(|((listener, target), pair, last)| PasserRecord {
                listener: *listener,
                target: *target,
                users: pair.users.clone(),
                first: pair.first,
                last,
            })
    }

    /// From the store, oldest first.
    pub(super) fn restore(&mut self, record: &PasserRecord) {
        let pair = Pair {
            first: record.first,
            users: record.users.iter().take(USERS).cloned().collect(),
        };
        let key = (record.listener, record.target);
        self.pairs.insert(record.listener, key, pair, record.last);
    }

    fn is_alarmed(&self, listener: Addr, since: Timestamp) -> bool {
        self.alarms.get(&listener).is_some_and(|at| *at >= since)
    }

    /// Another detector names the host as attacker or listener: what was learned of it counts no more.
    pub(super) fn alarm(&mut self, host: Addr, now: Timestamp) {
        self.alarms.insert(host, now, now);
    }

    /// Learns from a relay that content did not explain, and says since when the pair does that, if it is known
    /// for it.
    pub(super) fn known(
        &mut self,
        f: &Finding,
        enrolling: bool,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let never = f.victim_protocol != f.target_protocol
            || f.machine_account
            || f.user.is_empty()
            || enrolling
            || matches!(f.target_protocol, "ldap" | "smb");
        let (Some(listener), Some(target)) = (f.listener, f.target) else {
            return None;
        };
        if never {
            return None;
        }
        let key = (listener, target);
        let user = format!("{}\\{}", f.domain, f.user).to_lowercase();
        let alarms = &self.alarms;
        let Some(pair) = self.pairs.get_mut(&key) else {
            let pair = Pair {
                first: now,
                users: vec![user],
            };
            self.pairs.insert(listener, key, pair, now);
            return None;
        };
        if alarms.get(&listener).is_some_and(|at| *at >= pair.first) {
            pair.first = now;
            pair.users.clear();
        }
        if pair.users.len() < USERS && !pair.users.contains(&user) {
            pair.users.push(user);
        }
        let first = pair.first;
        let known = pair.users.len() >= USERS && now.since(first) >= LEARNING;
        self.pairs.renew(&key, now);
        known.then_some(first)
    }
}
