//! How much each structure may hold: shares of the correlator's part of the memory budget.

use crate::limits;

/// One structure as `relaywatch -T` prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// What it holds.
    pub what: &'static str,
    /// Entries at most.
    pub entries: usize,
    /// Bytes of one when the structure is full, heap and indexes included.
    pub bytes: usize,
}

/// Entries at most, of each structure that hosts on the wire can fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// NTLM exchanges.
    pub(super) exchanges: usize,
    /// What exchanges said before their AUTHENTICATE.
    pub(super) before: usize,
    /// Addresses with what they showed.
    pub(super) hosts: usize,
    /// Names with who claims them.
    pub(super) names: usize,
    /// Pairs of client and server.
    pub(super) habits: usize,
    /// Authentications that may be callbacks.
    pub(super) outgoing: usize,
    /// Small marks: static challenges, explained flows.
    pub(super) small: usize,
    /// Sessions whose account is remembered, by each of the detectors of actions.
    pub(super) logons: usize,
    /// Servers with their last challenges.
    pub(super) servers: usize,
}

/// Share of the correlator's bytes in percent, bytes of an entry, and entries at most however large the
/// budget is. `tests/memory/correlator.rs` measures that no structure costs more.
const EXCHANGE: (u64, usize, usize) = (26, 2_400, limits::EXCHANGES);
const BEFORE: (u64, usize, usize) = (5, 300, limits::EXCHANGES);
const HOST: (u64, usize, usize) = (12, 900, limits::NAMED_ADDRESSES);
const NAME: (u64, usize, usize) = (18, 1_100, limits::NAMED_ADDRESSES);
const HABIT: (u64, usize, usize) = (9, 300, limits::HABITS);
const OUTGOING: (u64, usize, usize) = (9, 1_400, limits::NAMED_ADDRESSES);
const SMALL: (u64, usize, usize) = (4, 500, limits::EXCHANGES);
const LOGON: (u64, usize, usize) = (12, 2_800, limits::ACTION_SESSIONS);
const SERVER: (u64, usize, usize) = (4, 700, limits::PRECURSORS);

impl Bounds {
    /// Those of a correlator that may use `bytes`.
    pub(super) fn of(bytes: u64) -> Self {
        let most = |(share, each, most): (u64, usize, usize)| {
            let entries = (bytes / 100).saturating_mul(share) / each as u64;
            usize::try_from(entries).unwrap_or(most).clamp(64, most)
        };
        Self {
            exchanges: most(EXCHANGE),
            before: most(BEFORE),
            hosts: most(HOST),
            names: most(NAME),
            habits: most(HABIT),
            outgoing: most(OUTGOING),
            small: most(SMALL),
            logons: most(LOGON),
            servers: most(SERVER),
        }
    }
}

/// What each structure costs when it is full, of a correlator that may use `bytes`.
#[must_use]
pub fn costs(bytes: u64) -> Vec<Cost> {
    let b = Bounds::of(bytes);
    [
        ("NTLM exchanges", b.exchanges, EXCHANGE),
        ("begun exchanges", b.before, BEFORE),
        ("addresses", b.hosts, HOST),
        ("names", b.names, NAME),
        ("pairs that authenticated", b.habits, HABIT),
        ("authentications of the last seconds", b.outgoing, OUTGOING),
        ("marks of challenges and flows", b.small, SMALL),
        ("accounts of sessions", b.logons, LOGON),
        ("servers with their challenges", b.servers, SERVER),
    ]
    .into_iter()
    .map(|(what, entries, (_, bytes, _))| Cost {
        what,
        entries,
        bytes,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is printed fits what was given, and no structure is without room.
    #[test]
    fn shares_fit() {
        for mib in [6_u64, 51, 400] {
            let all = costs(mib << 20);
            let sum: usize = all.iter().map(|c| c.entries * c.bytes).sum();
            assert!(sum as u64 <= mib << 20, "{mib} MiB: {sum}");
            assert!(all.iter().all(|c| c.entries > 250), "{mib} MiB: {all:?}");
        }
    }
}
