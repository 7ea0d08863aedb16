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
