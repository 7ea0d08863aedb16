//! What the correlator's structures cost, measured where `correlate/bounds.rs` says what they may cost.
//!
//! One kind of sighting after the other fills one structure after the other to its limit and twice over; the
//! bytes that live more afterwards, indexes and free room of tables included, must be no more than what is declared.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use relaywatch::catalog::Catalog;
use relaywatch::correlate::{Correlator, Cost, Declared, Judge, Verdict, costs};
use relaywatch::event::{
    Authenticate, Carrier, Claim, Finding, FlowMeta, Mic, OrderKey, Seen, Sighting, Signature,
    Source,
};
use relaywatch::limits;
use relaywatch::net::{Addr, Direction, Endpoint};
use relaywatch::time::Timestamp;

use super::{ALONE, LIVE};

struct Nobody;

impl Judge for Nobody {
    fn judge(&mut self, _: &Finding, _: &mut Vec<Arc<Signature>>) {}
}

struct Full {
    correlator: Correlator,
    said: Vec<Verdict>,
    number: u64,
    costs: Vec<Cost>,
}

fn host(net: u8, n: usize) -> Addr {
    let [.., b, c, d] = n.to_be_bytes();
    Addr::v4([net, b, c, d])
}

impl Full {
    fn new(share: u64) -> Self {
        let catalog = Arc::new(Catalog::builtin());
        Self {
            correlator: Correlator::new(catalog, &Declared::default()).within(share),
            said: Vec::new(),
            number: 0,
            costs: costs(share),
        }
    }

    /// A millisecond later, from another client to another server.
    fn tell(&mut self, n: usize, direction: Direction, seen: Seen) {
        self.number += 1;
        let ts = Timestamp(1_700_000_000_000_000_000 + self.number * 1_000);
        let sighting = Sighting {
            key: OrderKey {
                number: self.number,
                ..OrderKey::default()
            },
            ts,
            flow: FlowMeta {
                flow_id: n as u64 + 1,
                client: Endpoint::new(host(11, n), 50_000),
                server: Endpoint::new(host(12, n), 445),
                first_ts: ts,
                ..FlowMeta::default()
            },
            direction,
            seen,
        };
        self.correlator
            .sighting(&sighting, &mut Nobody, &mut self.said);
        self.said.clear();
    }

    /// Entries and bytes of some of the structures, as declared.
    fn declared(&self, what: &[&str]) -> (usize, usize) {
        let these = || self.costs.iter().filter(|c| what.contains(&c.what));
        assert_eq!(these().count(), what.len(), "{what:?}");
        let most = these().map(|c| c.entries).max().unwrap();
        (most, these().map(|c| c.entries * c.bytes).sum())
    }

    /// Fills structures; says what they cost and what was declared.
    fn fill(&mut self, what: &[&str], mut tell: impl FnMut(&mut Self, usize)) -> (usize, usize) {
        let (most, declared) = self.declared(what);
        let before = LIVE.load(Ordering::Relaxed);
        for n in 0..2 * most {
            tell(self, n);
        }
        self.said = Vec::new();
        let cost = LIVE.load(Ordering::Relaxed).saturating_sub(before);
        eprintln!(
            "{what:?}: {cost} bytes, declared {declared}, {} each of {most}",
            cost / most
        );
        (cost, declared)
    }
}

fn server_name(n: usize) -> String {
    format!("srv{n:08}.corp.example")
}

fn claim(n: usize, names: Vec<String>) -> Seen {
    Seen::Claim(Box::new(Claim {
        addr: host(12, n),
        names,
        source: Source::Kerberos,
        server: true,
        ..Claim::default()
    }))
}

fn challenge(n: usize) -> Seen {
    Seen::Challenge {
        carrier: Carrier::Http,
        session: 0,
        flags: 0xe289_8215,
        challenge: (n as u64 | 1 << 63).to_be_bytes(),
        nb_computer: format!("SRV{n:08}"),
        dns_computer: server_name(n),
        message_id: 0,
        session_id: n as u64,
    }
}

/// Without a challenge it is no evidence of a server that repeats its own.
fn authenticate(n: usize, carrier: Carrier, anonymous: bool, challenged: bool) -> Seen {
    let mut hash = [0; 16];
    hash[..8].copy_from_slice(&n.to_be_bytes());
    Seen::Authenticate(Box::new(Authenticate {
        carrier,
        session: 0,
        challenge: challenged.then_some((n as u64 | 1 << 63).to_be_bytes()),
        nt_hash: Some(hash),
        anonymous,
        flags: 0xe288_8215,
        user: format!("firstname.lastname{n:06}"),
        domain: "CORPORATION".into(),
        workstation: format!("WORKST{n:08}"),
        target_name: format!("cifs/{}", server_name(n)),
        dns_computer: server_name(n),
        mic: Mic::Present,
        message_id: n as u64,
        session_id: n as u64,
        channel_bindings: false,
        version1: false,
    }))
}

/// With the smallest budget that is sensible and with the default one.
#[test]
fn the_correlators_structures_cost_no_more_than_declared() {
    let _alone = ALONE.lock().unwrap();
    for mib in [64_u64, 512] {
        let share = (mib << 20) / 100 * limits::CORRELATE_SHARE;
        let start = LIVE.load(Ordering::Relaxed);
        let mut full = Full::new(share);
        let empty = LIVE.load(Ordering::Relaxed) - start;
        let server = Direction::ToClient;
        let mut wrong = Vec::new();
        let mut check = |what: &str, (cost, declared): (usize, usize)| {
            // Much less than declared would mean that nothing was filled, and nothing measured.
            if cost > declared || cost * 4 < declared {
                wrong.push(format!("{mib} MiB, {what}: {cost} of {declared} bytes"));
            }
        };
        // Addresses and names first, so that what comes after only replaces them.
        let cost = full.fill(&["addresses", "names"], |f, n| {
            let short = format!("srv{n:08}");
            f.tell(n, server, claim(n, vec![server_name(n), short]));
        });
        check("addresses and names", cost);
        let cost = full.fill(&["begun exchanges"], |f, n| {
            let seen = Seen::Negotiate {
                carrier: Carrier::Smb,
                session: 0,
                flags: 0xe208_8297,
                workstation: format!("WORKST{n:08}"),
            };
            f.tell(n, Direction::ToServer, seen);
        });
        check("begun exchanges", cost);
        let callbacks = [
            "pairs that authenticated",
            "authentications of the last seconds",
        ];
        let cost = full.fill(&callbacks, |f, n| {
            f.tell(
                n,
                Direction::ToServer,
                authenticate(n, Carrier::Http, true, false),
            );
        });
        check("authentications", cost);
        // Of each server more challenges than are kept.
        let exchanges = [
            "NTLM exchanges",
            "marks of challenges and flows",
            "servers with their challenges",
        ];
        let cost = full.fill(&exchanges, |f, n| {
            f.tell(n, server, challenge(n));
            for more in 0..10 {
                let mut seen = authenticate(n, Carrier::Http, false, true);
                if let Seen::Authenticate(auth) = &mut seen {
                    auth.challenge = Some((more << 32 | n as u64).to_be_bytes());
                }
                f.tell(n, Direction::ToServer, seen);
            }
        });
        check("exchanges and servers", cost);
        let cost = full.fill(&["accounts of sessions"], |f, n| {
            f.tell(
                n,
                Direction::ToServer,
                authenticate(n, Carrier::Smb, false, false),
            );
        });
        check("logons", cost);
        let all = LIVE.load(Ordering::Relaxed) - start;
        eprintln!("{mib} MiB: {all} bytes in all, {empty} of them empty, share {share}");
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(all as u64 <= share, "{mib} MiB: {all} of {share} bytes");
    }
}
