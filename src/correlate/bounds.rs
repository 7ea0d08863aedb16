//! How much each structure may hold: shares of the correlator's part of the memory budget.

/// Structures of one kind as `relaywatch -T` prints them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// What they hold.
    pub what: &'static str,
    /// Entries of each at most.
    pub entries: usize,
    /// Structures of that kind.
    pub copies: usize,
    /// Bytes of one entry when the structure is full, heap and indexes included.
    pub bytes: usize,
}

impl Cost {
    /// Bytes of all of them when they are full.
    #[must_use]
    pub fn total(&self) -> usize {
        self.entries * self.copies * self.bytes
    }
}

/// What structures of one kind may take.
#[derive(Clone, Copy, Debug)]
struct Share {
    what: &'static str,
    /// Of the correlator's bytes.
    percent: u64,
    copies: usize,
    bytes: usize,
    /// Entries of each, however large the budget is.
    most: usize,
}

const fn share(
    what: &'static str,
    percent: u64,
    copies: usize,
    bytes: usize,
    most: usize,
) -> Share {
    Share {
        what,
        percent,
        copies,
        bytes,
        most,
    }
}

/// Percent, tables, bytes of an entry, entries at most. `tests/memory/correlator.rs` measures that none costs more.
#[rustfmt::skip]
mod shares {
    use super::{Share, share};
    use crate::limits;

    pub(super) const EXCHANGE:  Share = share("NTLM exchanges",                       18,  1, 1_700, limits::EXCHANGES);
    pub(super) const BEFORE:    Share = share("begun exchanges",                       4,  1,   350, limits::EXCHANGES);
    pub(super) const TICKET:    Share = share("tickets",                              10,  3,   850, limits::EXCHANGES);
    pub(super) const HOST:      Share = share("addresses",                             7,  1,   900, limits::NAMED_ADDRESSES);
    pub(super) const NAME:      Share = share("names",                                 8,  1, 1_100, limits::NAMED_ADDRESSES);
    pub(super) const OWN:       Share = share("names that hosts gave themselves",      2,  1,   300, limits::NAMED_ADDRESSES);
    pub(super) const HABIT:     Share = share("pairs that authenticated",              5,  1,   450, limits::HABITS);
    pub(super) const OUTGOING:  Share = share("authentications of the last seconds",   3,  1, 1_700, limits::NAMED_ADDRESSES);
    pub(super) const LOGON:     Share = share("accounts of sessions",                  3,  1,   700, limits::ACTION_SESSIONS);
    pub(super) const SERVER:    Share = share("servers with their challenges",         2,  1,   700, limits::PRECURSORS);
    pub(super) const SCOUT:     Share = share("hosts that look around",                2,  1, 3_900, limits::PRECURSORS);
    pub(super) const WAITING:   Share = share("findings that wait",                    8, 13, 2_500, limits::PENDING_FINDINGS);
    pub(super) const KEPT:      Share = share("calls and actions",                     7,  6, 2_300, limits::PENDING_FINDINGS);
    pub(super) const STORY:     Share = share("stories",                               3,  5, 2_500, limits::INCIDENTS);
    pub(super) const EXPLAINED: Share = share("flows that a relay explains",           2,  1,   700, limits::EXCHANGES);
    pub(super) const INCIDENT:  Share = share("incidents",                             5,  1, 8_000, limits::INCIDENTS);
    pub(super) const POSTURE:   Share = share("weaknesses",                            4,  1, 1_100, limits::POSTURES);
    pub(super) const LED:       Share = share("poisoned names, leases and requests",   1,  3, 1_200, limits::PRECURSORS);
    pub(super) const FLOW:      Share = share("marks of flows and names",              3, 13,   400, limits::PRECURSORS);
    pub(super) const TOLD:      Share = share("what was told",                         2, 28,   200, limits::PENDING_FINDINGS);
    pub(super) const MARK:      Share = share("marks of challenges and pairs",         1,  3,   200, limits::EXCHANGES);
}
use shares::*;

const ALL: &[Share] = &[
    EXCHANGE, BEFORE, TICKET, HOST, NAME, OWN, HABIT, OUTGOING, LOGON, SERVER, SCOUT, WAITING,
    KEPT, STORY, EXPLAINED, INCIDENT, POSTURE, LED, FLOW, TOLD, MARK,
];

/// Entries at most, of each structure that hosts on the wire can fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// NTLM exchanges.
    pub(super) exchanges: usize,
    /// What exchanges said before their AUTHENTICATE.
    pub(super) before: usize,
    /// Tickets that were shown, those of them that were accepted, and those that were given.
    pub(super) tickets: usize,
    /// Addresses with what they showed.
    pub(super) hosts: usize,
    /// Names with who claims them.
    pub(super) names: usize,
    /// Names that hosts gave themselves, by who.
    pub(super) own: usize,
    /// Pairs of client and server.
    pub(super) habits: usize,
    /// Authentications that may be callbacks.
    pub(super) outgoing: usize,
    /// Sessions whose account is remembered.
    pub(super) logons: usize,
    /// Servers with their last challenges.
    pub(super) servers: usize,
    /// Hosts with what they looked for.
    pub(super) scouts: usize,
    /// Findings that wait for an answer or a better explanation, of each detector.
    pub(super) waiting: usize,
    /// Calls and actions that a later finding may turn to.
    pub(super) kept: usize,
    /// Relays and callbacks that a later finding joins.
    pub(super) stories: usize,
    /// Flows that are legs of a relay, or of a connection that a device passed on.
    pub(super) explained: usize,
    /// Incidents that are open.
    pub(super) incidents: usize,
    /// Weaknesses of hosts.
    pub(super) postures: usize,
    /// Poisoned names, leases and web requests, with what they rest on.
    pub(super) led: usize,
    /// Marks of flows and names, bounded by source.
    pub(super) flows: usize,
    /// What was told, so that it is not told again.
    pub(super) told: usize,
    /// Static challenges and pairs of hosts.
    pub(super) marks: usize,
}

impl Share {
    fn entries(&self, bytes: u64) -> usize {
        let each = (self.bytes * self.copies) as u64;
        let entries = (bytes / 100).saturating_mul(self.percent) / each;
        usize::try_from(entries)
            .unwrap_or(self.most)
            .clamp(16, self.most)
    }
}

impl Bounds {
    /// Those of a correlator that may use `bytes`.
    pub(super) fn of(bytes: u64) -> Self {
        let most = |share: Share| share.entries(bytes);
        Self {
            exchanges: most(EXCHANGE),
            before: most(BEFORE),
            tickets: most(TICKET),
            hosts: most(HOST),
            names: most(NAME),
            own: most(OWN),
            habits: most(HABIT),
            outgoing: most(OUTGOING),
            logons: most(LOGON),
            servers: most(SERVER),
            scouts: most(SCOUT),
            waiting: most(WAITING),
            kept: most(KEPT),
            stories: most(STORY),
            explained: most(EXPLAINED),
            incidents: most(INCIDENT),
            postures: most(POSTURE),
            led: most(LED),
            flows: most(FLOW),
            told: most(TOLD),
            marks: most(MARK),
        }
    }
}

/// What the structures cost when they are full, of a correlator that may use `bytes`.
#[must_use]
pub fn costs(bytes: u64) -> Vec<Cost> {
    let cost = |share: &Share| Cost {
        what: share.what,
        entries: share.entries(bytes),
        copies: share.copies,
        bytes: share.bytes,
    };
    ALL.iter().map(cost).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is printed fits what was given, and no structure is without room.
    #[test]
    fn shares_fit() {
        for mib in [10_u64, 82, 640] {
            let all = costs(mib << 20);
            let sum: usize = all.iter().map(Cost::total).sum();
            assert!(sum as u64 <= mib << 20, "{mib} MiB: {sum}");
            assert!(all.iter().all(|c| c.entries > 16), "{mib} MiB: {all:?}");
        }
    }
}
