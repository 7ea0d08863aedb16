//! Attacks by RPC that have a name, and what looks like them.

use crate::correlate::story::*;
use crate::correlate::{Declared, DeclaredHost};
use crate::event::neighbour::{DRSUAPI, NETLOGON, PRINT, SERVICES};
use crate::event::{Finding, HostRole, Operation, Seen};
use crate::net::Addr;
use crate::wire::Guid;

fn call(interface: Guid, opnum: u16) -> Operation {
    Operation {
        interface,
        opnum,
        ..Operation::default()
    }
}

fn told(call: Operation) -> Seen {
    Seen::Operation(Box::new(call))
}

fn of(story: &Story) -> Vec<Finding> {
    let found = story.findings().into_iter();
    found.filter(|f| f.detector == "RW-24").cloned().collect()
}

fn declared(addr: [u8; 4], role: HostRole) -> Declared {
    Declared {
        hosts: vec![DeclaredHost {
            name: "dc2.lab.test".to_owned(),
            addresses: vec![std::net::IpAddr::from(addr)],
            roles: role.into(),
        }],
        ..Declared::default()
    }
}

#[test]
fn replication_is_for_domain_controllers() {
    let leg = flow(1, ATTACKER, TARGET, 49_152);
    for (opnum, action) in [(3, "dcsync"), (5, "dcshadow"), (17, "dcshadow")] {
        let mut story = Story::new();
        story.tell(0, leg, told(call(DRSUAPI, opnum)));
        let found = of(&story.end(1_000));
        assert_eq!(found.len(), 1);
        assert_eq!((&*found[0].action, found[0].confidence), (action, "high"));
        assert_eq!(found[0].attacker, Some(Addr::v4(ATTACKER)));
        assert_eq!(found[0].victim, Some(Addr::v4(TARGET)));
    }
    let mut story = Story::new();
    story.tell(0, leg, Seen::ReplicationTicket);
    story.tell(1, leg, told(call(DRSUAPI, 3)));
    assert_eq!(of(&story.end(1_000))[0].confidence, "low");

    let mut story = Story::with(&declared(ATTACKER, HostRole::Dc));
    story.tell(0, leg, told(call(DRSUAPI, 3)));
    assert!(of(&story.end(1_000)).is_empty());
}

/// MS-NRPC 3.5.4.4: 4 is ReqChallenge, 26 Authenticate3.
fn tries(story: &mut Story, from: u64, count: u64, every_ms: u64) {
    for n in 0..count {
        let leg = flow(n + 1, ATTACKER, TARGET, 49_152);
        for (id, opnum) in [(1, 4), (2, 26)] {
            let mut c = call(NETLOGON, opnum);
            (c.call_id, c.zero_credential) = (id, true);
            story.tell(from + n * every_ms, leg, told(c));
        }
    }
}

#[test]
fn ten_zero_credentials_in_a_minute() {
    for (count, every_ms, want) in [(9, 10, 0), (10, 10, 1), (200, 10, 1), (20, 10_000, 0)] {
        let mut story = Story::new();
        tries(&mut story, 0, count, every_ms);
        let found = of(&story.end(500_000));
        assert_eq!(found.len(), want, "{count} every {every_ms} ms");
        assert!(
            found
                .iter()
                .all(|f| f.outcome == "attempt" && f.count == 10)
        );
    }
}

#[test]
fn the_zero_credential_that_is_taken() {
    let mut story = Story::new();
    tries(&mut story, 0, 3, 10);
    let result = |call_id, status| Seen::OperationResult {
        association: 0,
        call_id,
        fault: None,
        status: Some(status),
    };
    let leg = flow(3, ATTACKER, TARGET, 49_152);
    // The challenge is always answered with success; STATUS_ACCESS_DENIED is a refusal.
    story.tell(40, leg, result(1, 0));
    story.tell(41, leg, result(2, 0xc000_0022));
    story.tell(42, leg, result(2, 0));
    let found = of(&story.end(1_000));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].outcome, found[0].count), ("success", 3));
}

fn driver(path: &str) -> Option<&'static str> {
    let mut story = Story::with(&declared(TARGET, HostRole::Print));
    let mut c = call(PRINT, 89);
    c.detail = path.to_owned();
    story.tell(0, flow(1, ATTACKER, TARGET, 445), told(c));
    of(&story.end(1_000)).first().map(|f| f.path_owner)
}

#[test]
fn drivers_from_the_servers_own_disk_or_share_are_ordinary() {
    for path in [
        r"C:\Windows\System32\spool\drivers\x64\3\unidrv.dll",
        r"\\dc2\print$\x64\unidrv.dll",
        r"\\DC2.lab.test\print$\x64\unidrv.dll",
        r"\\10.0.0.10\print$\x64\unidrv.dll",
        r"\\?\C:\drivers\x.dll",
    ] {
        assert_eq!(driver(path), None, "{path}");
    }
    for (path, owner) in [
        (r"\\10.0.0.66\share\x.dll", "caller"),
        (r"\\?\UNC\10.0.0.66\share\x.dll", "caller"),
        (r"//10.0.0.66/share/x.dll", "caller"),
        (r"\\elsewhere\share\x.dll", "other"),
        (
            r"C:\Windows\System32\spool\DRIVERS\x64\3\old\1\x.dll",
            "none",
        ),
        ("", "unknown"),
    ] {
        assert_eq!(driver(path), Some(owner), "{path}");
    }
}

#[test]
fn a_service_made_over_a_relayed_session_is_more_than_administration() {
    let mut story = Story::new();
    let leg = flow(9, OTHER, TARGET, 445);
    story.tell(0, leg, told(call(SERVICES, 12)));
    relay(&mut story, 1_000, 1, 5, true);
    story.tell(
        1_010,
        flow(2, ATTACKER, TARGET, 389),
        told(call(SERVICES, 12)),
    );
    let found = of(&story.end(5_000));
    let said: Vec<_> = found.iter().map(|f| (f.relayed, f.victim)).collect();
    assert_eq!(
        said,
        [
            (false, Some(Addr::v4(TARGET))),
            (true, Some(Addr::v4(VICTIM)))
        ]
    );
}
