//! Who is believed.

use super::*;
use crate::event::Source;

const A: Addr = Addr([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 10]);
const L: Addr = Addr([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 66]);

fn at(secs: u64) -> Timestamp {
    Timestamp::new(1_000_000 + secs, 0)
}

fn claim(addr: Addr, name: &str, source: Source) -> Claim {
    Claim {
        addr,
        names: vec![name.to_owned()],
        source,
        server: true,
        ..Claim::default()
    }
}

fn identity() -> Identity {
    Identity::new(Duration::from_secs(24 * 3600))
}

#[test]
fn ntlm_owns_after_two_quiet_minutes() {
    let mut id = identity();
    id.learn(&claim(A, "dc1.lab.test", Source::Ntlm), at(0));
    assert_eq!(id.owner(A, "dc1", at(119)), Owner::Unknown);
    assert_eq!(id.owner(A, "dc1", at(120)), Owner::Itself(Source::Ntlm));
    assert_eq!(
        id.owner(L, "dc1.lab.test", at(120)),
        Owner::Other(A, Source::Ntlm)
    );
    assert_eq!(
        id.owner(L, "dc1.other.test", at(120)),
        Owner::Unknown,
        "another domain's"
    );
}

/// The relay shows the target's challenge: it may say so for hours and never becomes the target.
#[test]
fn a_relay_cannot_teach_its_alibi() {
    let mut id = identity();
    id.learn(&claim(A, "dc1.lab.test", Source::Ntlm), at(0));
    for s in 130..1000 {
        id.learn(&claim(L, "dc1.lab.test", Source::Ntlm), at(s));
    }
    assert_eq!(
        id.owner(L, "dc1.lab.test", at(2000)),
        Owner::Other(A, Source::Ntlm)
    );
    assert_eq!(
        id.owner(A, "dc1.lab.test", at(2000)),
        Owner::Itself(Source::Ntlm)
    );
}

/// Both begin within two minutes: nobody is believed until something stronger speaks.
#[test]
fn a_contested_name_belongs_to_nobody_until_better_evidence() {
    let mut id = identity();
    id.learn(&claim(L, "dc1", Source::Ntlm), at(0));
    id.learn(&claim(A, "dc1", Source::Ntlm), at(1));
    assert_eq!(id.owner(A, "dc1", at(500)), Owner::Unknown);
    assert_eq!(id.owner(L, "dc1", at(500)), Owner::Unknown);
    id.learn(&claim(A, "dc1.lab.test", Source::Dns), at(501));
    assert_eq!(id.owner(A, "dc1", at(502)), Owner::Itself(Source::Dns));
    assert_eq!(id.owner(L, "dc1", at(502)), Owner::Other(A, Source::Dns));
}

#[test]
fn stronger_evidence_displaces_a_settled_ntlm_claim() {
    let mut id = identity();
    id.learn(&claim(L, "srv", Source::Ntlm), at(0));
    assert_eq!(id.owner(L, "srv", at(200)), Owner::Itself(Source::Ntlm));
    id.learn(&claim(A, "srv", Source::Dhcp), at(201));
    assert_eq!(id.owner(L, "srv", at(202)), Owner::Other(A, Source::Dhcp));
}

#[test]
fn two_addresses_with_one_server_guid_are_one_host() {
    let mut id = identity();
    let guid = Guid::default();
    for addr in [A, L] {
        let claim = Claim {
            addr,
            guid: Some(guid),
            source: Source::Smb,
            ..Claim::default()
        };
        id.learn(&claim, at(0));
    }
    id.learn(&claim(A, "srv", Source::Ntlm), at(0));
    assert_eq!(id.owner(L, "srv", at(200)), Owner::Itself(Source::Ntlm));
}

#[test]
fn short_and_full_names_are_one_host_but_two_domains_are_not() {
    let mut id = identity();
    id.learn(&claim(A, "srv.lab.test", Source::Ntlm), at(0));
    assert!(id.server_is(A, "SRV"));
    assert!(!id.server_is(A, "srv.evil.test"));
    assert!(!id.host_is(L, "srv"));
}

#[test]
fn a_dhcp_lease_ends() {
    let mut id = identity();
    let lease = Claim {
        ttl: 3600,
        ..claim(A, "pc1", Source::Dhcp)
    };
    id.learn(&lease, at(0));
    assert_eq!(id.owner(A, "pc1", at(3599)), Owner::Itself(Source::Dhcp));
    assert_eq!(id.owner(A, "pc1", at(3601)), Owner::Unknown);
}

const DC: Addr = Addr([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1]);

fn serves(addr: Addr, services: Services) -> Claim {
    Claim {
        addr,
        services,
        ..Claim::default()
    }
}

fn told(addr: Addr, name: &str, server: Addr, client: u8) -> Claim {
    Claim {
        witness: Some(Witness {
            server,
            client: Addr::v4([10, 0, 1, client]),
        }),
        ..claim(addr, name, Source::Dns)
    }
}

fn changes(id: &mut Identity) -> Vec<(&'static str, Addr, String)> {
    id.changes()
        .map(|c| (c.change, c.address, c.name))
        .collect()
}

/// One forged answer makes no domain controller, and neither does an LDAP server of a tool.
#[test]
fn a_domain_controller_takes_two_services() {
    let mut id = identity();
    id.learn(&serves(L, Services::LDAP.with(Services::DNS)), at(0));
    id.learn(&serves(A, Services::NETLOGON), at(0));
    assert!(id.roles(L).is_empty() && id.roles(A).is_empty());
    id.learn(&serves(A, Services::KDC), at(1));
    assert!(id.roles(A).has(HostRole::Dc) && id.roles(A).is_tier0());
    assert_eq!(changes(&mut id), [("roles", A, String::new())]);
}

/// A rogue resolver may answer everybody, and still does not make itself a server by it.
#[test]
fn a_dns_server_is_believed_when_it_is_known() {
    let mut id = identity();
    for client in 0..9 {
        id.learn(&told(L, "files1.lab.test", L, client), at(0));
    }
    assert_eq!(id.owner(L, "files1", at(1)), Owner::Unknown);
    id.learn(&told(A, "files1.lab.test", DC, 1), at(2));
    assert_eq!(id.owner(A, "files1", at(3)), Owner::Unknown, "asked by one");
    for client in 2..4 {
        id.learn(&told(A, "files1.lab.test", DC, client), at(4));
    }
    assert_eq!(id.owner(A, "files1", at(5)), Owner::Itself(Source::Dns));
    let mut id = identity();
    id.learn(&serves(DC, Services::KDC.with(Services::LDAP)), at(0));
    id.learn(&told(DC, "dc1.lab.test", DC, 1), at(0));
    assert_eq!(id.owner(DC, "dc1", at(1)), Owner::Itself(Source::Dns));
}

/// The relay's service accepts the ticket as well: the name stays where it was.
#[test]
fn an_accepted_ticket_takes_no_name_from_its_owner() {
    let mut id = identity();
    id.learn(&claim(A, "files1.lab.test", Source::Kerberos), at(0));
    id.learn(&claim(L, "files1.lab.test", Source::Kerberos), at(1));
    assert_eq!(
        id.owner(L, "files1", at(9)),
        Owner::Other(A, Source::Kerberos)
    );
    let names = |s: &str| s.to_owned();
    let expect = [
        ("new", A, names("files1.lab.test")),
        ("contested", L, names("files1.lab.test")),
    ];
    assert_eq!(changes(&mut id), expect);
}

#[test]
fn another_client_at_the_address_ends_the_names_of_the_one_before() {
    let mut id = identity();
    let lease = |client, name: &str| Claim {
        client: Some(client),
        ..claim(A, name, Source::Dhcp)
    };
    let asked = Claim {
        addr: Addr::default(),
        ..lease(1, "pc1")
    };
    id.learn(&asked, at(0));
    let ack = Claim {
        names: Vec::new(),
        ..lease(1, "")
    };
    id.learn(&ack, at(0));
    assert_eq!(
        id.owner(A, "pc1", at(1)),
        Owner::Itself(Source::Dhcp),
        "its request said so"
    );
    id.learn(&claim(A, "static.lab.test", Source::Kerberos), at(1));
    id.learn(&lease(2, "pc2"), at(2));
    assert_eq!(id.owner(A, "pc1", at(3)), Owner::Unknown);
    assert_eq!(id.owner(A, "pc2", at(3)), Owner::Itself(Source::Dhcp));
    assert_eq!(
        id.owner(A, "static", at(3)),
        Owner::Itself(Source::Kerberos)
    );
    let told = changes(&mut id);
    assert!(told.contains(&("expired", A, "pc1".to_owned())), "{told:?}");
}

#[test]
fn settling_and_expiry_are_told_when_time_has_come() {
    let mut id = identity();
    id.learn(&claim(A, "srv", Source::Ntlm), at(0));
    id.advance(at(119));
    assert_eq!(changes(&mut id), []);
    id.advance(at(121));
    assert_eq!(changes(&mut id), [("new", A, "srv".to_owned())]);
    id.advance(at(limits::IDENTITY_SECS + 1));
    assert_eq!(changes(&mut id), [("expired", A, "srv".to_owned())]);
}

/// One address's thousands of names push out its own only.
#[test]
fn thousands_of_names_of_one_address_push_out_nobody() {
    let mut id = identity();
    id.learn(&claim(A, "srv", Source::Kerberos), at(0));
    for n in 0..100_000 {
        id.learn(&claim(L, &format!("name{n}"), Source::Kerberos), at(1));
    }
    assert_eq!(id.owner(A, "srv", at(2)), Owner::Itself(Source::Kerberos));
    assert_eq!(id.evicted(), 0);
    let mut known = Knowledge::default();
    id.snapshot(&mut known);
    assert_eq!(known.names.len(), 1 + limits::NAMES_PER_ADDRESS);
    assert!(id.changes().count() <= 1 + limits::CHANGES_PER_ADDRESS as usize);
}

/// Two controllers answer for the domain's name, and are two hosts.
#[test]
fn a_name_of_several_hosts_does_not_make_them_one() {
    let mut id = identity();
    for (addr, own) in [(A, "dc1.lab.test"), (L, "dc2.lab.test")] {
        id.learn(&claim(addr, "lab.test", Source::Dns), at(0));
        id.learn(&claim(addr, own, Source::Ntlm), at(0));
    }
    assert!(!id.same_host(A, L));
    let mut id = identity();
    for addr in [A, L] {
        id.learn(&claim(addr, "srv.lab.test", Source::Dns), at(0));
    }
    assert!(id.same_host(A, L), "one host with two addresses");
}

#[test]
fn what_is_restored_is_what_was_known() {
    let mut id = identity();
    id.learn(&serves(DC, Services::KDC.with(Services::LDAP)), at(0));
    id.learn(&claim(A, "srv.lab.test", Source::Kerberos), at(0));
    id.learn(&claim(L, "old", Source::Ntlm), at(0));
    let mut known = Knowledge::default();
    id.snapshot(&mut known);
    let mut again = identity();
    again.declare(&claim(L, "declared", Source::Declared));
    // 1970 is long ago, and much was learned since.
    again.learn(&claim(A, "x", Source::Ntlm), at(0));
    again.restore(&known);
    assert_eq!(
        again.owner(A, "srv", at(200)),
        Owner::Itself(Source::Kerberos)
    );
    assert_eq!(again.owner(L, "old", at(200)), Owner::Itself(Source::Ntlm));
    assert_eq!(
        again.owner(L, "declared", at(200)),
        Owner::Itself(Source::Declared)
    );
    assert!(again.roles(DC).has(HostRole::Dc));
    assert!(!again.is_learning(at(25 * 3600)) && again.is_learning(at(23 * 3600)));
    let mut twice = Knowledge::default();
    again.snapshot(&mut twice);
    twice.names.retain(|n| n.name != "x");
    assert_eq!(twice.names, known.names, "what was declared is not kept");
}

/// A server may say that it has any address, a domain controller's too. Both have to say so.
#[test]
fn addresses_that_name_each_other_are_one_host() {
    let says = |addr, other| Claim {
        interfaces: vec![addr, other],
        source: Source::Smb,
        ..claim(addr, "srv1", Source::Smb)
    };
    let mut id = identity();
    id.learn(&claim(A, "dc1.lab.test", Source::Dns), at(0));
    id.learn(&says(L, A), at(1));
    assert!(!id.same_host(L, A) && !id.same_host(A, L));
    assert_eq!(id.same_hosts(L), [L]);
    id.learn(&says(A, L), at(2));
    assert!(id.same_host(L, A) && id.same_host(A, L));
    assert_eq!(id.same_hosts(L), [L, A]);
}
