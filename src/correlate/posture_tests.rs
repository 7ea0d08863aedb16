//! One line a weakness and host.

use super::*;
use crate::correlate::story::{ATTACKER, TARGET, VICTIM, authentication, flow};
use crate::event::OrderKey;
use crate::net::Direction;

fn sight(postures: &mut Postures, n: u64, seen: Seen) {
    let s = Sighting {
        key: OrderKey::default(),
        ts: Timestamp::new(n, 0),
        flow: flow(n, VICTIM, TARGET, 80),
        direction: Direction::ToServer,
        seen,
    };
    postures.sighting(&s, &Identity::new(Duration::from_secs(1)));
}

#[test]
fn a_bind_counts_when_it_was_accepted() {
    let mut p = Postures::default();
    for (n, success) in [(1, false), (2, true), (3, true)] {
        let mut auth = authentication(Carrier::Ldap, 1, 1);
        auth.flags = 0;
        sight(&mut p, n, Seen::Authenticate(Box::new(auth.clone())));
        let result = Seen::AuthResult {
            carrier: Carrier::Ldap,
            session: auth.session,
            success,
            code: 0,
        };
        sight(&mut p, n, result);
    }
    let identity = Identity::new(Duration::from_secs(1));
    let all = p.reports(Timestamp::ZERO, &identity);
    let said: Vec<(&str, Addr, u64)> = all
        .iter()
        .map(|r| (r.posture.kind.as_str(), r.posture.host, r.posture.count))
        .collect();
    assert_eq!(
        said,
        [
            ("ldap_unsigned", Addr::v4(TARGET), 2),
            ("ntlm_client", Addr::v4(VICTIM), 3),
        ]
    );
}

#[test]
fn it_is_told_once_a_day_and_survives_a_restart() {
    let mut p = Postures::default();
    let identity = Identity::new(Duration::from_secs(1));
    let simple = || {
        Seen::Lax(Laxity::LdapSimple {
            user: "cn=app".into(),
        })
    };
    sight(&mut p, 1, simple());
    sight(&mut p, 2, simple());
    let mut out = Vec::new();
    for hour in 0..49 {
        p.advance(Timestamp::new(hour * 3600, 0), &identity, &mut out);
    }
    assert_eq!(out.len(), 2);
    let mut known = Knowledge::default();
    p.snapshot(&mut known);
    let mut again = Postures::default();
    again.restore(&known);
    sight(&mut again, 3, simple());
    let all = again.reports(Timestamp::ZERO, &identity);
    assert_eq!((all.len(), all[0].posture.count), (1, 3));
    assert_eq!(all[0].posture.examples, ["cn=app"]);
    assert_ne!(all[0].posture.host, Addr::v4(ATTACKER));
}
