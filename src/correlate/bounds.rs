//! How much each structure may hold: shares of the correlator's part of the memory budget.

use crate::limits;

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

/// Kinds of structures that hosts on the wire can fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// NTLM exchanges.
    Exchange,
    /// What exchanges said before their AUTHENTICATE.
    Before,
    /// Tickets that were shown, those of them that were accepted, and those that were given.
    Ticket,
    /// Addresses with what they showed: ServerGuid and lease as well.
    Host,
    /// Names with who claims them, and when to look at them again.
    Name,
    /// Names that hosts gave themselves, by who.
    Own,
    /// Pairs of client and server.
    Habit,
    /// Authentications that may be callbacks.
    Outgoing,
    /// Sessions whose account is remembered.
    Logon,
    /// Servers with their last challenges.
    Server,
    /// Hosts with what they looked for.
    Scout,
    /// Findings that wait for an answer or a better explanation.
    Waiting,
    /// Calls and actions that a later finding may turn to.
    Kept,
    /// Relays and callbacks that a later finding joins.
    Story,
    /// Flows that are legs of a relay, or of a connection that a device passed on.
    Explained,
    /// Incidents that are open.
    Incident,
    /// Weaknesses of hosts.
    Posture,
    /// Poisoned names, leases and web requests, with what they rest on.
    Led,
    /// Marks of flows and names.
    Flow,
    /// What was told, so that it is not told again, and marks of hosts.
    Told,
    /// Static challenges and pairs of hosts.
    Mark,
}

/// What structures of one kind may take.
#[derive(Clone, Copy, Debug)]
struct Share {
    kind: Kind,
    what: &'static str,
    /// Of the correlator's bytes.
    percent: u64,
    copies: usize,
    bytes: usize,
    /// Entries of each, however large the budget is.
    most: usize,
}

const fn share(
    kind: Kind,
    what: &'static str,
    percent: u64,
    copies: usize,
    bytes: usize,
    most: usize,
) -> Share {
    Share {
        kind,
        what,
        percent,
        copies,
        bytes,
        most,
    }
}

/// Percent, tables, bytes of an entry, entries at most. `tests/memory/correlator.rs` measures that none costs more.
#[rustfmt::skip]
const SHARES: &[Share] = &[
    share(Kind::Exchange,  "NTLM exchanges",                       18,  1, 1_700, limits::EXCHANGES),
    share(Kind::Before,    "begun exchanges",                       4,  1,   350, limits::EXCHANGES),
    share(Kind::Ticket,    "tickets",                              10,  3,   850, limits::EXCHANGES),
    share(Kind::Host,      "addresses",                             7,  1,   900, limits::NAMED_ADDRESSES),
    share(Kind::Name,      "names",                                 8,  1, 1_100, limits::NAMED_ADDRESSES),
    share(Kind::Own,       "names that hosts gave themselves",      2,  1,   300, limits::NAMED_ADDRESSES),
    share(Kind::Habit,     "pairs that authenticated",              5,  1,   450, limits::HABITS),
    share(Kind::Outgoing,  "authentications of the last seconds",   3,  1, 1_700, limits::NAMED_ADDRESSES),
    share(Kind::Logon,     "accounts of sessions",                  3,  1,   700, limits::ACTION_SESSIONS),
    share(Kind::Server,    "servers with their challenges",         2,  1,   700, limits::PRECURSORS),
    share(Kind::Scout,     "hosts that look around",                2,  1, 3_900, limits::PRECURSORS),
    share(Kind::Waiting,   "findings that wait",                    8, 12, 2_500, limits::PENDING_FINDINGS),
    share(Kind::Kept,      "calls and actions",                     7,  7, 2_300, limits::PENDING_FINDINGS),
    share(Kind::Story,     "stories",                               3,  5, 2_500, limits::INCIDENTS),
    share(Kind::Explained, "flows that a relay explains",           2,  1,   700, limits::EXCHANGES),
    share(Kind::Incident,  "incidents",                             5,  1, 8_000, limits::INCIDENTS),
    share(Kind::Posture,   "weaknesses",                            4,  1, 1_100, limits::POSTURES),
    share(Kind::Led,       "poisoned names, leases and requests",   1,  3, 1_200, limits::PRECURSORS),
    share(Kind::Flow,      "marks of flows and names",              3, 12,   400, limits::PRECURSORS),
    share(Kind::Told,      "what was told",                         2, 28,   200, limits::PENDING_FINDINGS),
    share(Kind::Mark,      "marks of challenges and pairs",         1,  3,   200, limits::EXCHANGES),
];

impl Share {
    fn entries(&self, bytes: u64) -> usize {
        let each = (self.bytes * self.copies) as u64;
        let entries = (bytes / 100).saturating_mul(self.percent) / each;
        usize::try_from(entries)
            .unwrap_or(self.most)
            .clamp(16, self.most)
    }
}

/// Entries at most, of each structure.
#[derive(Debug)]
pub(super) struct Bounds {
    bytes: u64,
    #[cfg(test)]
    asked: std::cell::RefCell<Vec<Kind>>,
}

impl Bounds {
    /// Those of a correlator that may use `bytes`.
    pub(super) fn of(bytes: u64) -> Self {
        Self {
            bytes,
            #[cfg(test)]
            asked: std::cell::RefCell::default(),
        }
    }

    /// Entries at most of one structure of that kind; to be asked once for each structure.
    pub(super) fn most(&self, kind: Kind) -> usize {
        #[cfg(test)]
        self.asked.borrow_mut().push(kind);
        let share = SHARES.iter().find(|share| share.kind == kind);
        share.map_or(0, |share| share.entries(self.bytes))
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
    SHARES.iter().map(cost).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalog::Catalog;
    use crate::correlate::{Correlator, Declared};

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

    /// The tables that are declared are those that there are.
    #[test]
    fn every_structure_is_declared() {
        let bounds = Bounds::of(100 << 20);
        let catalog = Arc::new(Catalog::builtin());
        let mut correlator = Correlator::new(catalog, &Declared::default());
        correlator.limit(&bounds);
        let asked = bounds.asked.borrow();
        for share in SHARES {
            let there = asked.iter().filter(|kind| **kind == share.kind).count();
            assert_eq!(there, share.copies, "{}", share.what);
        }
        // A kind without a share would have no room.
        let declared: usize = SHARES.iter().map(|share| share.copies).sum();
        assert_eq!(asked.len(), declared);
        let sum: u64 = SHARES.iter().map(|share| share.percent).sum();
        assert_eq!(sum, 100);
    }
}
