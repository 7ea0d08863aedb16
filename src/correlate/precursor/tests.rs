//! Stories of what comes before a relay.

use crate::correlate::story::{
    ATTACKER, OTHER, Story, TARGET, VICTIM, authentication, challenge, flow,
};
use crate::correlate::{Declared, DeclaredHost};
use crate::event::{Carrier, DhcpTrace, Finding, FlowMeta, HostRole, Seen, Trace};
use crate::limits;
use crate::net::{Addr, Mac};
use crate::wire::Guid;

const GROUP: [u8; 4] = [224, 0, 0, 252];
const EFS: Guid = Guid(0xdf19_41c5_fe89_4e79_bf10_4636_57ac_f44d);
const ACTIVATOR: Guid = Guid(0x0000_01a0_0000_0000_c000_0000_0000_0046);

fn trace(trace: Trace) -> Seen {
    Seen::Trace(Box::new(trace))
}

fn said(story: Story, detector: &str) -> Vec<Finding> {
    let story = story.end(60_000);
    let all = story.findings().into_iter().cloned();
    all.filter(|f| f.detector == detector).collect()
}

fn tests(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|f| f.test).collect()
}

fn logon(user: &str, challenge: u8, response: u8) -> Seen {
    let mut auth = authentication(Carrier::Smb, challenge, response);
    auth.user = user.into();
    Seen::Authenticate(Box::new(auth))
}

/// `asker` asks everybody for `name` and `answerer` says `addr` has it. LLMNR answers go from the
/// answerer to the asker, so the asker is the flow's server here.
fn resolve(
    story: &mut Story,
    ms: u64,
    asker: [u8; 4],
    answerer: [u8; 4],
    addr: [u8; 4],
    name: &str,
) {
    let asked = Trace::Asked {
        protocol: "llmnr",
        name: name.into(),
    };
    story.tell(ms, flow(ms, asker, GROUP, 5355), trace(asked));
    let answer = Trace::Answered {
        protocol: "llmnr",
        name: name.into(),
        addr: Addr::v4(addr),
    };
    story.tell(ms + 1, flow(ms + 1, answerer, asker, 5355), trace(answer));
}

#[test]
fn three_names_of_others_are_poisoning_and_two_are_not() {
    let mut story = Story::new();
    for (ms, name) in [(0, "printer"), (10, "backup")] {
        resolve(&mut story, ms, VICTIM, ATTACKER, ATTACKER, name);
    }
    assert!(said(story, "RW-20").is_empty());
    let mut story = Story::new();
    for (ms, name) in [
        (0, "printer"),
        (10, "backup"),
        (20, "projektor"),
        (30, "more"),
    ] {
        resolve(&mut story, ms, VICTIM, ATTACKER, ATTACKER, name);
    }
    let found = said(story, "RW-20");
    assert_eq!(tests(&found), ["names"], "once");
    assert_eq!(found[0].victim, Some(Addr::v4(VICTIM)));
    assert_eq!(found[0].attacker, Some(Addr::v4(ATTACKER)));
    assert_eq!(found[0].count, 3);
}

#[test]
fn own_names_are_no_poisoning() {
    let mut story = Story::new();
    for (ms, name) in [(0, "printer"), (10, "backup"), (20, "projektor")] {
        let own = Trace::Registered { name: name.into() };
        story.tell(ms, flow(ms, OTHER, [10, 0, 0, 255], 137), trace(own));
        resolve(&mut story, ms + 1, VICTIM, OTHER, OTHER, name);
    }
    assert!(said(story, "RW-20").is_empty());
}

/// Eight thousand hosts that say their names do not push out what one said before them, with the default budget.
#[test]
fn own_names_are_kept_in_a_large_network() {
    let mut story = Story::new();
    let share = (512 << 20) / 100 * limits::CORRELATE_SHARE;
    let all = std::mem::replace(&mut story.correlator, Story::new().correlator);
    story.correlator = all.within(share);
    let names = ["printer", "backup", "projektor"];
    let mut registers = |host: [u8; 4], name: &str| {
        let own = Trace::Registered { name: name.into() };
        story.tell(1, flow(1, host, [10, 0, 0, 255], 137), trace(own));
    };
    for name in names {
        registers(OTHER, name);
    }
    for n in 0..8_000_u32 {
        let [.., c, d] = n.to_be_bytes();
        registers([11, 0, c, d], &format!("host{n}"));
    }
    for (ms, name) in (10..).zip(names) {
        resolve(&mut story, ms, VICTIM, OTHER, OTHER, name);
    }
    assert!(said(story, "RW-20").is_empty());
}

#[test]
fn wpad_is_nobodys_own() {
    let mut story = Story::new();
    resolve(&mut story, 0, VICTIM, ATTACKER, ATTACKER, "wpad");
    assert_eq!(tests(&said(story, "RW-20")), ["wpad"]);
}

#[test]
fn a_logon_after_one_answer_counts_unless_the_server_has_the_name() {
    let at_attacker = flow(90, VICTIM, ATTACKER, 445);
    let mut story = Story::new();
    resolve(&mut story, 0, VICTIM, ATTACKER, ATTACKER, "printer");
    story.tell(50, at_attacker, logon("alice", 1, 1));
    assert_eq!(tests(&said(story, "RW-20")), ["logon"]);

    let mut story = Story::new();
    resolve(&mut story, 0, VICTIM, ATTACKER, ATTACKER, "printer");
    let challenge = Seen::Challenge {
        carrier: Carrier::Smb,
        session: 0,
        flags: 0,
        challenge: [1; 8],
        nb_computer: "PRINTER".into(),
        dns_computer: String::new(),
        message_id: 0,
        session_id: 0,
    };
    story.tell(40, at_attacker, challenge);
    story.tell(50, at_attacker, logon("alice", 1, 1));
    assert!(said(story, "RW-20").is_empty());
}

#[test]
fn a_static_challenge_is_worth_what_it_catches() {
    let repeated = |user: &str, responses: [u8; 2], flows: [FlowMeta; 2]| {
        let mut story = Story::new();
        for (n, flow) in flows.into_iter().enumerate() {
            story.tell(n as u64 * 1000, flow, logon(user, 7, responses[n]));
        }
        let found = said(story, "RW-19");
        found.iter().map(|f| f.confidence).collect::<Vec<_>>()
    };
    let two = [flow(1, VICTIM, OTHER, 445), flow(2, TARGET, OTHER, 445)];
    assert_eq!(repeated("alice", [1, 2], two), ["low"]);
    assert_eq!(repeated("SRV$", [1, 2], two), ["high"]);
    // The same response on both sides of NAT is one exchange.
    assert!(repeated("alice", [1, 1], two).is_empty());
    // Two attempts in one connection.
    let one = [two[0], two[0]];
    assert!(repeated("alice", [1, 2], one).is_empty());
}

#[test]
fn a_tool_is_told_at_the_first_logon_and_not_before() {
    let at_tool = flow(1, VICTIM, ATTACKER, 445);
    let tool = || {
        trace(Trace::Tool {
            tool: "responder".into(),
            field: "ntlm.challenge".into(),
        })
    };
    let mut story = Story::new();
    story.tell(0, at_tool, tool());
    assert!(said(story, "RW-19").is_empty());
    let mut story = Story::new();
    story.tell(0, at_tool, tool());
    story.tell(1, at_tool, logon("alice", 1, 1));
    let found = said(story, "RW-19");
    assert_eq!(tests(&found), ["tool"]);
    assert_eq!(
        (found[0].tool.as_str(), found[0].explained),
        ("responder", false)
    );
}

/// A relay tool that shows a user on the web another host's challenge: that is told as nothing, so it must not make the
/// tool's constant quiet. Over SMB, the same is told loudly.
#[test]
fn another_hosts_challenge_on_the_web_hides_no_tool() {
    for (carrier, port, explained) in [(Carrier::Http, 80, false), (Carrier::Smb, 445, true)] {
        let mut story = Story::with(&Declared {
            hosts: vec![DeclaredHost {
                name: "dc.lab.test".into(),
                addresses: vec![TARGET.into()],
                roles: HostRole::Dc.into(),
            }],
            ..Declared::default()
        });
        let at = flow(1, VICTIM, ATTACKER, port);
        let tool = Trace::Tool {
            tool: "impacket ntlmrelayx".into(),
            field: "http.server".into(),
        };
        story.tell(0, at, trace(tool));
        story.tell(1, at, challenge(carrier, 1)); // names dc.lab.test
        let mut auth = authentication(carrier, 1, 1);
        auth.user = "alice".into();
        story.tell(2, at, Seen::Authenticate(Box::new(auth)));
        let story = story.end(60_000);
        let found = story.findings();
        assert!(found.iter().any(|f| f.detector == "RW-04"), "{carrier:?}");
        let tool = found.iter().find(|f| f.detector == "RW-19").unwrap();
        assert_eq!(tool.explained, explained, "{carrier:?}");
    }
}

#[test]
fn webdav_with_a_machine_account_and_not_with_a_users() {
    for (user, expected) in [("SRV$", &["machine"][..]), ("alice", &[])] {
        let mut story = Story::new();
        let at = flow(1, VICTIM, ATTACKER, 80);
        let host = "10.0.0.66".to_owned();
        story.tell(0, at, trace(Trace::WebDav { host }));
        let mut auth = authentication(Carrier::Http, 1, 1);
        auth.user = user.into();
        story.tell(1, at, Seen::Authenticate(Box::new(auth)));
        assert_eq!(tests(&said(story, "RW-22")), expected, "{user}");
    }
}

fn offer(server: [u8; 4], points_to_itself: bool) -> Seen {
    trace(Trace::Dhcp(DhcpTrace {
        xid: 7,
        client: Mac([2, 0, 0, 0, 0, 1]),
        server: Some(Addr::v4(server)),
        assigned: Some(Addr::v4(VICTIM)),
        points_to_itself,
        ..DhcpTrace::default()
    }))
}

#[test]
fn two_dhcp_servers_for_one_request() {
    let tell = |second_ms, itself| {
        let mut story = Story::new();
        story.tell(0, flow(1, VICTIM, OTHER, 67), offer(OTHER, false));
        story.tell(
            second_ms,
            flow(2, VICTIM, ATTACKER, 67),
            offer(ATTACKER, itself),
        );
        said(story, "RW-21")
    };
    let found = tell(5, true);
    assert_eq!(tests(&found), ["dhcp"]);
    assert_eq!(found[0].attacker, Some(Addr::v4(ATTACKER)));
    assert!(
        tell(5, false).is_empty(),
        "nobody knows who is the newcomer"
    );
    assert!(tell(3_000, true).is_empty(), "the first server is gone");
}

/// Two servers of a split scope, one of which is the resolver that both give.
#[test]
fn a_resolver_that_the_other_server_names_too() {
    let gives = |server, resolver: [u8; 4]| {
        let Seen::Trace(mut trace) = offer(server, server == resolver) else {
            unreachable!()
        };
        if let Trace::Dhcp(said) = trace.as_mut() {
            said.resolvers = vec![Addr::v4(resolver)];
        }
        Seen::Trace(trace)
    };
    let tell = |other: [u8; 4]| {
        let mut story = Story::new();
        story.tell(0, flow(1, VICTIM, OTHER, 67), gives(OTHER, other));
        story.tell(5, flow(2, VICTIM, ATTACKER, 67), gives(ATTACKER, ATTACKER));
        tests(&said(story, "RW-21"))
    };
    assert!(tell(ATTACKER).is_empty());
    assert_eq!(tell([10, 0, 0, 53]), ["dhcp"]);
}

#[test]
fn a_router_may_give_itself_as_resolver() {
    let dhcpv6 = |constants| {
        trace(Trace::Dhcpv6 {
            dns_is_self: true,
            constants,
            mac: Mac::default(),
        })
    };
    let router = |lifetime| {
        trace(Trace::Router {
            lifetime,
            managed: true,
            dns: false,
        })
    };
    let tell = |before: Option<u16>, constants| {
        let mut story = Story::new();
        let from = flow(1, ATTACKER, VICTIM, 546);
        if let Some(lifetime) = before {
            story.tell(0, from, router(lifetime));
        }
        story.tell(1, from, dhcpv6(constants));
        tests(&said(story, "RW-21"))
    };
    assert!(tell(Some(1800), false).is_empty());
    assert!(tell(Some(1800), true).is_empty());
    assert_eq!(tell(None, false), ["dhcpv6"]);
    assert_eq!(tell(Some(0), true), ["ra", "mitm6"]);
}

#[test]
fn looking_around() {
    let calls = |traces: &[(u64, [u8; 4], Trace)]| {
        let mut story = Story::new();
        for (ms, server, t) in traces {
            story.tell(*ms, flow(*ms, ATTACKER, *server, 135), trace(t.clone()));
        }
        let found = said(story, "RW-23");
        found
            .iter()
            .map(|f| (f.test, f.confidence, f.count))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        calls(&[(1, VICTIM, Trace::Mapped(EFS))]),
        [("efs_wakeup", "medium", 1)]
    );
    let many: Vec<_> = (0..20).map(|n| (n + 1, VICTIM, Trace::Lookup)).collect();
    assert_eq!(
        calls(&many),
        [("lookup", "low", 1), ("lookup", "medium", 20)]
    );
    assert_eq!(calls(&[(1, VICTIM, Trace::Alive)]), [("oxid", "low", 1)]);
    let activation = Trace::Bind {
        interface: ACTIVATOR,
        pipe: String::new(),
    };
    assert!(calls(&[(1, VICTIM, Trace::Alive), (50, VICTIM, activation)]).is_empty());
    let pipes = |n| -> Vec<_> {
        let pipes = ["lsarpc", "samr", "netlogon", "lsass", "efsrpc"];
        let bind = |(ms, pipe): (u64, &str)| {
            let interface = EFS;
            let pipe = pipe.to_owned();
            (ms, VICTIM, Trace::Bind { interface, pipe })
        };
        (1..).zip(pipes.into_iter().take(n)).map(bind).collect()
    };
    assert!(calls(&pipes(4)).is_empty());
    assert_eq!(calls(&pipes(5)), [("interfaces", "medium", 5)]);
}

#[test]
fn a_marshalled_name_is_one_story_for_who_wrote_it_and_one_for_who_used_it() {
    let name = "srv11UWhRCAAAAAAAAAAAAAAAAAAAAAAAAAAAAwbEAYBAAAA";
    let marshalled = |carrier, answer| {
        trace(Trace::Marshalled {
            carrier,
            name: name.into(),
            answer,
        })
    };
    let mut story = Story::new();
    story.tell(0, flow(1, ATTACKER, TARGET, 389), marshalled("ldap", None));
    story.tell(
        1,
        flow(2, ATTACKER, TARGET, 53),
        marshalled("dns-update", None),
    );
    story.tell(9, flow(3, VICTIM, ATTACKER, 445), marshalled("smb", None));
    let found = said(story, "RW-11");
    assert_eq!(tests(&found), ["written", "used"]);
    assert_eq!(found[0].attacker, Some(Addr::v4(ATTACKER)));
    assert_eq!(found[1].victim, Some(Addr::v4(VICTIM)));
    assert_eq!(found[1].decoded_host, "srv1");
}

/// One noisy source fills what is kept of it, and no more.
#[test]
fn a_scan_of_everything_stays_small() {
    let mut story = Story::new();
    for n in 0..5_000_u64 {
        let [.., a, b] = n.to_be_bytes();
        let at = flow(n, ATTACKER, [10, 9, a, b], 135);
        story.tell(n, at, trace(Trace::Alive));
        resolve(&mut story, n, VICTIM, ATTACKER, ATTACKER, &format!("h{n}"));
    }
    assert_eq!(said(story, "RW-20").len(), 1);
}
