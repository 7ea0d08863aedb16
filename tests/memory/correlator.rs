//! What the correlator's structures cost, measured where `correlate/bounds.rs` says what they may cost.
//!
//! One kind of sighting after the other fills one structure after the other to its limit and over it; the
//! bytes that live more afterwards, indexes and free room of tables included, must be no more than
//! what is declared for all that was filled so far.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use relaywatch::catalog::Catalog;
use relaywatch::correlate::{Correlator, Cost, Declared, Judge, Verdict, costs};
use relaywatch::event::{
    Authenticate, Call, Carrier, Claim, DirectoryWrite, Finding, FlowMeta, Mic, Operation,
    OrderKey, Seen, Sighting, Signature, Source, Ticket, Trace,
};
use relaywatch::limits;
use relaywatch::net::{Addr, Direction, Endpoint};
use relaywatch::time::Timestamp;

use super::{ALONE, LIVE};

/// Finds everything worth an alert, so that incidents fill as well.
struct Everybody(Arc<Signature>);

impl Judge for Everybody {
    fn judge(&mut self, _: &Finding, hits: &mut Vec<Arc<Signature>>) {
        hits.push(Arc::clone(&self.0));
    }
}

struct Full {
    correlator: Correlator,
    judge: Everybody,
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
            judge: Everybody(Arc::default()),
            said: Vec::new(),
            number: 0,
            costs: costs(share),
        }
    }

    /// A microsecond later, from another client to another server.
    fn tell(&mut self, n: usize, direction: Direction, seen: Seen) {
        self.between(n, host(11, n), host(12, n), direction, seen);
    }

    /// The same between two hosts.
    fn between(&mut self, flow: usize, client: Addr, server: Addr, way: Direction, seen: Seen) {
        self.number += 1;
        let ts = Timestamp(1_700_000_000_000_000_000 + self.number * 1_000);
        let sighting = Sighting {
            key: OrderKey {
                number: self.number,
                ..OrderKey::default()
            },
            ts,
            flow: FlowMeta {
                flow_id: flow as u64 + 1,
                client: Endpoint::new(client, 50_000),
                server: Endpoint::new(server, 445),
                first_ts: ts,
                ..FlowMeta::default()
            },
            direction: way,
            seen,
        };
        self.correlator
            .sighting(&sighting, &mut self.judge, &mut self.said);
        self.said.clear();
    }

    /// Fills so many tables of each kind; says what they cost and what was declared for them.
    fn fill(
        &mut self,
        what: &[(&str, usize)],
        mut tell: impl FnMut(&mut Self, usize),
    ) -> (usize, usize) {
        let mut declared = 0;
        let mut most = 0;
        for (what, copies) in what {
            let cost = self.costs.iter().find(|c| c.what == *what).expect(what);
            assert!(*copies <= cost.copies, "{what}");
            declared += cost.entries * cost.bytes * copies;
            most = most.max(cost.entries);
        }
        let before = LIVE.load(Ordering::Relaxed);
        for n in 0..most + most / 4 {
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

fn hash(n: usize) -> [u8; 16] {
    let mut hash = [7; 16];
    hash[..8].copy_from_slice(&n.to_be_bytes());
    hash
}

fn ticket(n: usize) -> Seen {
    Seen::Ticket(Box::new(Ticket {
        carrier: Carrier::Smb,
        session: 1,
        realm: "CORP.EXAMPLE".into(),
        sname: format!("cifs/{}", server_name(n)),
        etype: "aes256-cts-hmac-sha1-96",
        ticket_id: hash(n),
        ap_req_id: hash(n),
        message_id: 1,
        session_id: 1,
    }))
}

/// EfsRpcOpenFileRaw (MS-EFSR 3.1.4.2.1) with a path to a third host.
fn call(n: usize) -> Seen {
    Seen::Call(Box::new(Call {
        interface: "c681d488-d850-11d0-8c52-00c04fd90f7e".parse().unwrap(),
        version: "1.0".into(),
        opnum: 0,
        transport: "ncacn_np",
        named_pipe: "lsarpc".into(),
        association: 1,
        call_id: u32::try_from(n).unwrap(),
        auth_type: None,
        auth_level: None,
        sealed: false,
        stub_len: 100,
        path: Some(format!(r"\\listener{n:08}.corp.example\share\file.txt")),
        path_by_scan: false,
        client: None,
    }))
}

/// IDL_DRSGetNCChanges (MS-DRSR 4.1.10).
fn operation(n: usize) -> Seen {
    Seen::Operation(Box::new(Operation {
        interface: "e3514235-4b06-11d1-ab04-00c04fc2dcd2".parse().unwrap(),
        opnum: 3,
        name: "IDL_DRSGetNCChanges".into(),
        transport: "ncacn_ip_tcp",
        call_id: u32::try_from(n).unwrap(),
        argument: format!("CN=firstname.lastname{n:06},CN=Users,DC=corp,DC=example"),
        ..Operation::default()
    }))
}

fn write(n: usize) -> Seen {
    Seen::DirectoryWrite(Box::new(DirectoryWrite {
        operation: "modify_request".into(),
        object: format!("CN=SRV{n:08},CN=Computers,DC=corp,DC=example"),
        attributes: vec!["msds-keycredentiallink".into()],
        message_id: u32::try_from(n).unwrap(),
        ..DirectoryWrite::default()
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
        let (asks, answers) = (Direction::ToServer, Direction::ToClient);
        let mut wrong = Vec::new();
        // What comes later may cost in a table that was filled before: hosts learn names. So it is the sums that count.
        let mut sums = (0, 0);
        let mut check = |what: &str, (cost, declared): (usize, usize)| {
            sums = (sums.0 + cost, sums.1 + declared);
            if sums.0 > sums.1 {
                wrong.push(format!("{mib} MiB, {what}: {} of {} bytes", sums.0, sums.1));
            }
            // Much less than declared would mean that nothing was filled, and nothing measured.
            if cost * 4 < declared {
                wrong.push(format!(
                    "{mib} MiB, {what}: only {cost} of {declared} bytes"
                ));
            }
        };
        // Addresses and names first, so that what comes after only replaces them.
        let cost = full.fill(&[("addresses", 1), ("names", 1)], |f, n| {
            let short = format!("srv{n:08}");
            let seen = claim(n, vec![server_name(n), short]);
            f.between(n, host(11, 0), host(12, n), answers, seen);
        });
        check("addresses and names", cost);
        let cost = full.fill(&[("begun exchanges", 1)], |f, n| {
            let seen = Seen::Negotiate {
                carrier: Carrier::Smb,
                session: 0,
                flags: 0xe208_8297,
                workstation: format!("WORKST{n:08}"),
            };
            f.tell(n, asks, seen);
        });
        check("begun exchanges", cost);
        let callbacks = [
            ("pairs that authenticated", 1),
            ("authentications of the last seconds", 1),
        ];
        let cost = full.fill(&callbacks, |f, n| {
            f.tell(n, asks, authenticate(n, Carrier::Http, true, false));
        });
        check("authentications", cost);
        let cost = full.fill(
            &[("tickets", 3), ("marks of flows and names", 1)],
            |f, n| {
                let seen = Seen::Granted {
                    ticket_id: hash(n),
                    cname: format!("firstname.lastname{n:06}"),
                    initial: false,
                };
                f.tell(n, answers, seen);
                // Of each two only one is accepted.
                f.tell(2 * n, asks, ticket(2 * n));
                let seen = Seen::TicketResult {
                    session: 1,
                    success: Some(true),
                    code: None,
                };
                f.tell(2 * n, answers, seen);
                f.tell(2 * n + 1, asks, ticket(2 * n + 1));
            },
        );
        check("tickets", cost);
        // Of each server more challenges than are kept. Who uses NTLM is a weakness as well.
        let exchanges = [
            ("NTLM exchanges", 1),
            ("marks of challenges and pairs", 1),
            ("servers with their challenges", 1),
            ("weaknesses", 1),
        ];
        let cost = full.fill(&exchanges, |f, n| {
            f.tell(n, answers, challenge(n));
            for more in 0..10 {
                let mut seen = authenticate(n, Carrier::Http, false, true);
                if let Seen::Authenticate(auth) = &mut seen {
                    auth.challenge = Some((more << 32 | n as u64).to_be_bytes());
                }
                f.tell(n, asks, seen);
            }
        });
        check("exchanges and servers", cost);
        let cost = full.fill(&[("accounts of sessions", 1)], |f, n| {
            f.tell(n, asks, authenticate(n, Carrier::Smb, false, false));
        });
        check("logons", cost);
        // The listener n of the victim n passes its authentication on to a server.
        let relays = [
            ("stories", 4),
            ("flows that a relay explains", 1),
            ("what was told", 2),
            ("incidents", 1),
        ];
        let cost = full.fill(&relays, |f, n| {
            let (victim, listener, target) = (host(13, n), host(14, n), host(15, n));
            let (first, second) = (1_000_000 + 2 * n, 1_000_001 + 2 * n);
            f.between(second, listener, target, answers, challenge(n << 8));
            f.between(first, victim, listener, answers, challenge(n << 8));
            let auth = || authenticate(n << 8, Carrier::Smb, false, true);
            f.between(first, victim, listener, asks, auth());
            f.between(second, listener, target, asks, auth());
            let seen = Seen::AuthResult {
                carrier: Carrier::Smb,
                session: 0,
                success: true,
                code: 0,
            };
            f.between(second, listener, target, answers, seen);
        });
        check("relays", cost);
        // A call waits, and is remembered when it is answered. Every incident has more than its lists hold.
        let calls = [
            ("calls and actions", 2),
            ("what was told", 1),
            ("incidents", 1),
        ];
        let cost = full.fill(&calls, |f, n| {
            let (caller, called) = (host(11, n), host(12, n));
            for more in 0..2 * limits::INCIDENT_LIST {
                let (flow, call_id) = (n * 1_000 + more, 1_000 * n + more);
                f.between(flow, caller, called, asks, call(call_id));
                let seen = Seen::Answer {
                    association: 1,
                    call_id: u32::try_from(call_id).unwrap(),
                    fault: None,
                    status: Some(53),
                };
                f.between(flow, caller, called, answers, seen);
            }
            f.tell(n, asks, call(1_000 * n));
        });
        check("calls", cost);
        let actions = [("findings that wait", 3), ("what was told", 2)];
        let cost = full.fill(&actions, |f, n| {
            f.tell(n, asks, operation(n));
            f.tell(n, asks, authenticate(n, Carrier::Ldap, false, false));
            f.tell(n, asks, write(n));
        });
        check("actions", cost);
        let cost = full.fill(&[("hosts that look around", 1)], |f, n| {
            for server in 0..2 * limits::RECON_LIST {
                let flow = n * 100 + server;
                for trace in [Trace::Lookup, Trace::Management, Trace::Alive] {
                    let seen = Seen::Trace(Box::new(trace));
                    f.between(flow, host(16, n), host(17, server), asks, seen);
                }
            }
        });
        check("recon", cost);
        let poisoned = [
            ("poisoned names, leases and requests", 1),
            ("marks of flows and names", 3),
        ];
        let cost = full.fill(&poisoned, |f, n| {
            let name = format!("name{n:08}");
            let seen = Trace::Asked {
                protocol: "llmnr",
                name: name.clone(),
            };
            f.between(
                n,
                host(18, n),
                host(224, 1),
                asks,
                Seen::Trace(Box::new(seen)),
            );
            let seen = Trace::Registered { name: name.clone() };
            f.between(
                n,
                host(19, n),
                host(20, n),
                asks,
                Seen::Trace(Box::new(seen)),
            );
            let seen = Trace::Answered {
                protocol: "llmnr",
                name,
                addr: host(21, n),
            };
            f.between(
                n,
                host(18, n),
                host(21, n),
                answers,
                Seen::Trace(Box::new(seen)),
            );
        });
        check("poisoning", cost);
        let all = LIVE.load(Ordering::Relaxed) - start;
        eprintln!("{mib} MiB: {all} bytes in all, {empty} of them empty, share {share}");
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(all as u64 <= share, "{mib} MiB: {all} of {share} bytes");
    }
}
