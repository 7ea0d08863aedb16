//! What the shipped rules say of which finding. This table is the specification of their levels.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::tests::hits;
use super::{RuleSet, RuleSource};
use crate::event::Finding;

pub(super) fn builtin() -> RuleSet {
    RuleSet::load(&[RuleSource::Builtin]).unwrap_or_else(|errors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        panic!("{}", all.join("\n\n"))
    })
}

thread_local! {
    /// What [`verdict`] has seen in this thread.
    pub(super) static SEEN: RefCell<BTreeSet<u32>> = const { RefCell::new(BTreeSet::new()) };
}

/// `sid level` of the only hit, or `-`.
pub(super) fn verdict(rules: &RuleSet, finding: &Finding) -> String {
    let hits = hits(rules, finding);
    assert!(hits.len() <= 1, "{finding:?} fits {hits:?}");
    match hits.first() {
        Some(s) => {
            SEEN.with_borrow_mut(|seen| seen.insert(s.sid));
            format!("{} {}", s.sid, s.level)
        }
        None => "-".to_owned(),
    }
}

#[derive(Clone, Copy)]
struct Coercion {
    family: &'static str,
    opnum: u16,
    tier: &'static str,
    /// `caller`, `other` ...; `+ip` for an address literal, `+dav` for WebDAV.
    path: &'static str,
    interfaces: u64,
    outcome: &'static str,
}

impl Coercion {
    fn finding(self) -> Finding {
        let (owner, form) = self.path.split_once('+').unwrap_or((self.path, ""));
        let (owner, sealed) = match owner {
            "sealed" => ("unknown", true),
            "unread" => ("unknown", false),
            other => (other, false),
        };
        let owner = ["caller", "server", "other", "none", "unknown", "unnamed"]
            .into_iter()
            .find(|o| *o == owner)
            .unwrap();
        Finding {
            kind: "coercion",
            detector: if sealed { "RW-07" } else { "RW-06" },
            confidence: if sealed { "medium" } else { "high" },
            outcome: self.outcome,
            family: self.family.to_owned(),
            method_id: format!("{}-{}", self.family, self.opnum),
            tier: self.tier,
            opnum: Some(self.opnum),
            sealed,
            path_owner: owner,
            path_host_literal: form == "ip",
            webdav: form == "dav",
            caller_interfaces: self.interfaces,
            ..Finding::default()
        }
    }
}

#[test]
pub(super) fn coercion_levels() {
    let rules = builtin();
    #[rustfmt::skip]
    let table = [
        // family, opnum, tier, path, interfaces, outcome, expected                    why
        // Proven methods, path read.
        ("efsr",   0, "A", "other+ip",  1, "success", "2593060 high"),          // PetitPotam
        ("efsr",   0, "A", "caller+ip", 1, "unknown", "2593060 high"),          // the listener is the caller
        ("efsr",   4, "A", "caller",    1, "success", "2593060 high"),          // by name
        ("efsr",  21, "A", "other+dav", 5, "attempt", "2593060 high"),
        ("dfsnm", 13, "A", "other",     1, "success", "2593060 high"),          // DFSCoerce
        ("dfsnm", 12, "A", "caller+ip", 2, "unknown", "2593060 high"),
        ("fsrvp",  8, "A", "other",     1, "unknown", "2593060 high"),          // ShadowCoerce
        ("srvs",  74, "A", "other+ip",  1, "unknown", "2593060 high"),
        ("efsr",   0, "A", "other+ip",  1, "failure", "2593061 medium"),        // patched
        ("dfsnm", 13, "A", "caller",    3, "failure", "2593061 medium"),
        ("srvs",  74, "A", "caller+ip", 1, "failure", "2593061 medium"),
        // Their normal use: the called server itself, or a local path.
        ("efsr",   0, "A", "server",    1, "success", "-"),                     // file on the share it calls
        ("efsr",   0, "A", "none",      1, "success", "-"),
        ("efsr",   0, "A", "server",    9, "failure", "-"),
        ("dfsnm", 12, "A", "server",    1, "success", "-"),                     // DFS administration
        ("dfsnm",  1, "A", "server+ip", 1, "success", "-"),
        ("fsrvp",  8, "A", "server",    1, "success", "-"),                     // backup server
        ("even",   9, "A", "none",      1, "success", "-"),                     // event log saved to disk
        ("dhcpm", 44, "B", "none",      1, "success", "-"),                     // nightly backup
        ("efsr",  18, "C", "server",    1, "success", "-"),
        // Event log: LOCAL SERVICE answers.
        ("even",   9, "A", "other+ip",  1, "success", "2593062 medium"),
        ("even",   9, "A", "caller",    7, "unknown", "2593062 medium"),
        ("even",   9, "A", "other+ip",  1, "failure", "2593062 medium"),
        ("even",   1, "C", "caller+ip", 1, "unknown", "2593062 medium"),
        // Printing.
        ("rprn",  65, "A", "caller",    0, "success", "2593065 low"),           // office printing
        ("rprn",  65, "A", "caller",    1, "success", "2593065 low"),
        ("rprn",  62, "A", "caller",    1, "unknown", "2593065 low"),
        ("rprn",  65, "A", "caller",    1, "failure", "2593065 low"),           // client's port 445 is closed
        ("rprn",  65, "A", "caller+ip", 1, "success", "2593064 medium"),
        ("rprn",  65, "A", "caller+dav",1, "success", "2593064 medium"),
        ("rprn",  65, "A", "caller",    2, "success", "2593064 medium"),
        ("rprn",  65, "A", "caller+ip", 2, "success", "2593063 high"),
        ("rprn",  65, "A", "caller+dav",3, "success", "2593063 high"),
        ("rprn",  65, "A", "other",     1, "success", "2593063 high"),          // SpoolSample to a third host
        ("rprn",  62, "A", "other+ip",  1, "unknown", "2593063 high"),
        ("rprn",  65, "A", "other+ip",  4, "failure", "2593061 medium"),
        ("rprn",  65, "A", "caller+ip", 2, "failure", "2593061 medium"),
        ("rprn",  65, "A", "caller+ip", 1, "failure", "2593064 medium"),
        ("rprn",  65, "A", "server",    1, "success", "-"),
        ("rprn",  65, "A", "none",      1, "success", "-"),                     // no name given
        ("rprn",   1, "B", "other",     1, "success", "2593067 informational"), // alias of the print server
        ("rprn",  69, "B", "caller",    1, "success", "2593067 informational"),
        ("par",    0, "B", "other",     9, "failure", "2593067 informational"),
        ("rprn",   1, "B", "other+ip",  1, "success", "2593066 low"),           // cluster address
        ("rprn",  69, "B", "caller+ip", 9, "success", "2593066 low"),
        ("par",    0, "B", "other+dav", 1, "success", "2593066 low"),
        ("rprn",   1, "B", "server",    1, "success", "-"),
        ("par",    0, "B", "server+ip", 1, "success", "-"),
        // Privileged or also normal, and candidates.
        ("dhcpm", 44, "B", "other",     1, "success", "2593068 medium"),
        ("raiw",   3, "B", "caller+ip", 1, "unknown", "2593068 medium"),
        ("dnsp",   0, "B", "other+ip",  1, "unknown", "2593068 medium"),
        ("rrp",   20, "B", "caller",    1, "failure", "2593068 medium"),
        ("tsch",   1, "B", "other",     1, "unknown", "2593068 medium"),
        ("coma",   3, "B", "other+ip",  1, "unknown", "2593068 medium"),
        ("dcom",   4, "A", "other+ip",  1, "unknown", "2593068 medium"),
        ("dcom",   4, "A", "caller+ip", 1, "failure", "2593068 medium"),
        ("dcom",   4, "A", "none",      1, "success", "-"),                     // ordinary activation
        ("efsr",  18, "C", "other",     1, "unknown", "2593069 medium"),
        ("dfsnm", 15, "C", "caller+ip", 1, "failure", "2593069 medium"),
        ("fsrvp", 10, "C", "other",     1, "unknown", "2593069 medium"),
        // One direction only.
        ("dfsnm", 12, "A", "unnamed",   1, "unknown", "2593560 low"),
        ("efsr",   0, "A", "unnamed",   2, "unknown", "2593560 low"),
        ("dhcpm", 44, "B", "unnamed",   1, "unknown", "2593560 low"),
        ("even",   9, "A", "unnamed",   5, "unknown", "2593560 low"),
        ("efsr",   0, "A", "unnamed",   3, "unknown", "2593071 high"),
        // Sealed.
        ("efsr",   0, "A", "sealed",    1, "unknown", "2593070 medium"),
        ("efsr",   4, "A", "sealed",    2, "failure", "2593070 medium"),        // both EFS interfaces tried
        ("dfsnm", 13, "A", "sealed",    1, "unknown", "2593070 medium"),
        ("fsrvp",  8, "A", "sealed",    1, "success", "2593070 medium"),
        ("srvs",  74, "A", "sealed",    1, "unknown", "2593070 medium"),
        ("efsr",   0, "A", "unread",    1, "unknown", "2593070 medium"),        // damaged stub
        ("efsr",   0, "A", "sealed",    3, "unknown", "2593071 high"),          // every method in turn
        ("dfsnm", 13, "A", "sealed",    5, "failure", "2593071 high"),
        ("even",   9, "A", "sealed",    1, "unknown", "2593072 low"),
        ("even",   1, "C", "sealed",    9, "unknown", "2593072 low"),
        ("rprn",  65, "A", "sealed",    1, "unknown", "2593073 informational"), // Windows 11 prints
        ("rprn",  65, "A", "sealed",    2, "success", "2593073 informational"),
        ("rprn",  62, "A", "sealed",    3, "unknown", "2593074 low"),
        ("rprn",   1, "B", "sealed",    1, "success", "-"),                     // every print client
        ("rprn",  69, "B", "sealed",    9, "success", "-"),
        ("par",    0, "B", "sealed",    1, "success", "-"),
        ("dcom",   4, "A", "sealed",    1, "success", "-"),                     // every WMI console
        ("tsch",   1, "B", "sealed",    1, "success", "2593075 informational"),
        ("rrp",   20, "B", "sealed",    1, "failure", "2593075 informational"),
        ("dnsp",   0, "B", "unread",    1, "success", "-"),                     // plain, and no path found
        ("efsr",  18, "C", "sealed",    1, "unknown", "2593075 informational"),
    ];
    let wrong: Vec<String> = table
        .into_iter()
        .filter_map(|(family, opnum, tier, path, interfaces, outcome, want)| {
            let case = Coercion {
                family,
                opnum,
                tier,
                path,
                interfaces,
                outcome,
            };
            let is = verdict(&rules, &case.finding());
            (is != want).then(|| {
                format!("{family}-{opnum} {path} x{interfaces} {outcome}: {is}, not {want}")
            })
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    // The server went to the caller at once, which prints and coerces alike.
    for owner in ["unread", "sealed"] {
        for (interfaces, want) in [(1, "2593076 low"), (2, "2593076 low")] {
            let case = Coercion {
                family: "rprn",
                opnum: 65,
                tier: "A",
                path: owner,
                interfaces,
                outcome: "success",
            };
            let finding = Finding {
                listener: Some(crate::net::Addr::v4([10, 0, 0, 9])),
                ..case.finding()
            };
            assert_eq!(verdict(&rules, &finding), want, "{finding:?}");
        }
    }
}

#[test]
pub(super) fn relay_levels() {
    let rules = builtin();
    #[rustfmt::skip]
    let table = [
        // target, machine, inverted, forwarded, confidence, outcome, RW-01, RW-02 is ten more
        ("ldap",   true,  true,  false, "high",   "success", 10, "critical"),      // DC01$ to LDAP
        ("smb",    true,  true,  false, "high",   "unknown", 10, "critical"),
        ("http",   false, true,  false, "high",   "success", 10, "critical"),      // a user to AD CS
        ("dcerpc", false, true,  false, "medium", "attempt", 10, "critical"),
        ("smb",    false, true,  false, "high",   "success", 11, "high"),
        ("mssql",  false, true,  false, "medium", "unknown", 11, "high"),
        ("ldap",   true,  false, false, "high",   "success", 11, "high"),          // through two machines
        ("ldap",   true,  true,  false, "high",   "failure", 12, "high"),          // channel binding
        ("smb",    false, true,  false, "high",   "failure", 13, "medium"),        // signing required
        ("ldap",   true,  false, false, "medium", "failure", 13, "medium"),
        ("ldap",   true,  false, false, "low",    "success", 14, "medium"),        // nests in time only
        ("smb",    false, true,  false, "low",    "unknown", 14, "medium"),
        ("smb",    false, false, false, "low",    "failure", 15, "low"),
        ("http",   false, true,  true,  "high",   "success", 16, "informational"), // reverse proxy
        ("smb",    true,  false, true,  "low",    "failure", 16, "informational"), // address translation
    ];
    for (target_protocol, machine_account, inverted, forwarded, confidence, outcome, sid, level) in
        table
    {
        for (detector, base) in [("RW-01", 2_593_000), ("RW-02", 2_593_010)] {
            let finding = Finding {
                kind: "relay",
                detector,
                confidence,
                outcome,
                victim_protocol: "smb",
                target_protocol,
                machine_account,
                inverted,
                forwarded,
                ..Finding::default()
            };
            let want = format!("{} {level}", base + sid);
            assert_eq!(verdict(&rules, &finding), want, "{finding:?}");
        }
    }
    // Too little of the legs was seen to tell a relay from a device that passes connections on.
    for inverted in [true, false] {
        let finding = Finding {
            kind: "relay",
            detector: "RW-01",
            confidence: "low",
            inverted,
            forwarding_unknown: true,
            outcome: "unknown",
            target_protocol: "smb",
            ..Finding::default()
        };
        assert_eq!(verdict(&rules, &finding), "2593017 low", "{finding:?}");
    }
}

#[test]
pub(super) fn web_enrolment_levels() {
    let rules = builtin();
    #[rustfmt::skip]
    let table = [
        ("/certsrv/certfnsh.asp", true,  "high",   "success", "2593150 critical"),
        ("/CertSrv/certnew.cer?ReqID=7", false, "medium", "unknown", "2593150 critical"),
        ("/certsrv/certfnsh.asp", true,  "high",   "failure", "2593151 low"),
        ("/certsrv/certfnsh.asp", true,  "low",    "success", "2593152 low"),  // no relay seen
        ("/certsrv/",             true,  "low",    "failure", "2593152 low"),
        ("/certsrv/",             false, "low",    "success", "-"),            // a person with a browser
        ("/certsrvx/",            true,  "high",   "success", "-"),
    ];
    for (uri, machine_account, confidence, outcome, want) in table {
        let finding = Finding {
            kind: "action",
            detector: "RW-15",
            confidence,
            outcome,
            machine_account,
            uri: uri.to_owned(),
            http_method: "POST".to_owned(),
            ..Finding::default()
        };
        assert_eq!(verdict(&rules, &finding), want, "{finding:?}");
    }
}

#[test]
pub(super) fn one_leg_levels() {
    let rules = builtin();
    let base = Finding {
        kind: "relay",
        confidence: "high",
        outcome: "success",
        victim_protocol: "smb",
        target_protocol: "ldap",
        named: "other",
        owner_source: "dns",
        ..Finding::default()
    };
    let of = |detector, change: &dyn Fn(&mut Finding)| {
        let mut f = base.clone();
        f.detector = detector;
        change(&mut f);
        f
    };
    let learning = |f: &mut Finding| f.learning = true;
    let declared = |f: &mut Finding| (f.learning, f.owner_source) = (true, "declared");
    let refused = |f: &mut Finding| f.outcome = "failure";
    let unsure = |f: &mut Finding| (f.confidence, f.owner_source) = ("medium", "ntlm");
    let web = |f: &mut Finding| (f.confidence, f.victim_protocol) = ("low", "http");
    let web_machine = |f: &mut Finding| {
        web(f);
        f.machine_account = true;
    };
    let client_machine = |f: &mut Finding| (f.named, f.machine_account) = ("client", true);
    let tier0 = |f: &mut Finding| f.victim_tier0 = true;
    #[rustfmt::skip]
    let table = [
        (of("RW-03", &|_| ()),        "2593030 high"),
        (of("RW-03", &declared),      "2593030 high"),
        (of("RW-03", &learning),      "2593031 medium"),
        (of("RW-03", &refused),       "2593031 medium"),
        (of("RW-03", &unsure),        "2593031 medium"),
        (of("RW-03", &client_machine),"2593032 medium"),
        (of("RW-04", &|_| ()),        "2593040 high"),
        (of("RW-04", &declared),      "2593040 high"),
        (of("RW-04", &learning),      "2593041 medium"),
        (of("RW-04", &refused),       "2593041 medium"),
        (of("RW-04", &unsure),        "2593041 medium"),
        (of("RW-04", &web_machine),   "2593041 medium"),
        (of("RW-04", &web),           "2593042 informational"),   // a reverse proxy
        (of("RW-05", &|_| ()),        "2593051 high"),
        (of("RW-05", &tier0),         "2593050 critical"),
        (of("RW-05", &declared),      "2593051 high"),
        (of("RW-05", &learning),      "2593052 medium"),
        (of("RW-05", &refused),       "2593052 medium"),
        (of("RW-05", &unsure),        "2593052 medium"),
        (of("RW-12", &|f| f.test = "same_host"), "2593120 critical"),
        (of("RW-12", &|f| (f.test, f.outcome) = ("same_host", "failure")), "2593121 high"),
        (of("RW-12", &|f| (f.test, f.confidence) = ("same_host", "low")), "2593121 high"),
        (of("RW-12", &|f| (f.test, f.confidence, f.forwarding_unknown) = ("same_host", "low", true)), "2593124 low"),
        (of("RW-12", &|f| f.test = "local_call"), "2593122 high"),
        (of("RW-12", &|f| f.test = "own_account"), "2593123 medium"),
        (of("RW-09", &|_| ()),        "2593090 critical"),
        (of("RW-09", &refused),       "2593091 high"),
        (of("RW-09", &|f| f.confidence = "low"), "2593091 high"),
        (of("RW-18", &|f| f.test = "mic"), "2593180 high"),
        (of("RW-18", &|f| (f.test, f.confidence) = ("mic", "medium")), "2593181 medium"),
        (of("RW-18", &|f| (f.test, f.confidence) = ("flags", "low")), "2593182 informational"),
        (of("RW-18", &|f| f.test = "flags"), "2593183 low"),
    ];
    for (finding, want) in table {
        assert_eq!(verdict(&rules, &finding), want, "{finding:?}");
    }
}

#[test]
pub(super) fn callback_levels() {
    let rules = builtin();
    #[rustfmt::skip]
    let table = [
        // family, tier, path owner, confidence, interfaces, tier 0, expected
        ("efsr",  "A", "caller",    "high",   1, true,  "2593080 critical"),
        ("dfsnm", "A", "other+ip",  "medium", 1, true,  "2593080 critical"),
        ("efsr",  "A", "caller+ip", "high",   1, false, "2593081 high"),
        ("efsr",  "A", "caller",    "medium", 1, false, "2593081 high"),           // sealed, to the caller
        ("fsrvp", "A", "other",     "high",   1, false, "2593081 high"),
        ("efsr",  "A", "other",     "low",    1, true,  "2593082 medium"),         // sealed, to a new host
        ("rprn",  "A", "other",     "high",   1, false, "2593083 high"),
        ("rprn",  "A", "caller+ip", "high",   2, false, "2593083 high"),
        ("rprn",  "A", "caller+ip", "high",   1, true,  "2593083 high"),
        ("rprn",  "A", "caller+ip", "high",   1, false, "2593084 medium"),
        ("rprn",  "A", "caller",    "high",   2, false, "2593084 medium"),
        ("rprn",  "A", "caller",    "medium", 1, true,  "2593084 medium"),
        ("rprn",  "A", "caller",    "high",   1, false, "2593085 low"),            // office printing
        ("par",   "B", "caller",    "medium", 1, false, "2593085 low"),
        ("rprn",  "A", "other",     "low",    1, false, "2593086 informational"),
        ("even",  "A", "other+ip",  "high",   1, false, "2593087 medium"),
        ("even",  "C", "caller",    "medium", 1, true,  "2593087 medium"),
        ("rrp",   "B", "other",     "high",   1, false, "2593088 medium"),         // a hive saved to a share
        ("tsch",  "B", "other",     "low",    1, false, "2593089 informational"),
        ("dhcpm", "B", "caller",    "medium", 1, true,  "2593089 informational"),
    ];
    for (family, tier, path, confidence, caller_interfaces, victim_tier0, want) in table {
        let (path_owner, form) = path.split_once('+').unwrap_or((path, ""));
        let finding = Finding {
            kind: "callback",
            detector: "RW-08",
            confidence,
            family: family.to_owned(),
            tier,
            path_owner: if path_owner == "caller" {
                "caller"
            } else {
                "other"
            },
            path_host_literal: form == "ip",
            caller_interfaces,
            victim_tier0,
            ..Finding::default()
        };
        assert_eq!(verdict(&rules, &finding), want, "{finding:?}");
    }
    for (support, victim_tier0, machine_account, learning, want) in [
        ("caller", false, true, false, "2593581 medium"),
        ("caller", true, true, false, "2593580 high"),
        ("caller", true, true, true, "2593581 medium"),
        ("caller", true, false, false, "2593581 medium"),
        ("challenge", true, true, false, "2593580 high"),
        ("challenge", false, true, true, "2593581 medium"),
        ("name", false, true, false, "2593581 medium"),
        ("relay", true, true, false, "2593580 high"),
        ("none", false, true, false, "2593582 informational"),
        ("none", true, true, false, "2593582 informational"),
    ] {
        for confidence in ["low", "medium", "high"] {
            let finding = Finding {
                kind: "callback",
                detector: "RW-08",
                test: "encrypted",
                confidence,
                support,
                victim_tier0,
                machine_account,
                learning,
                path_owner: "unknown",
                ..Finding::default()
            };
            assert_eq!(verdict(&rules, &finding), want, "{finding:?}");
        }
    }
}

#[test]
pub(super) fn levels_of_kerberos() {
    let rules = builtin();
    for (inverted, forwarded, outcome, want) in [
        (true, false, "success", "2593130 critical"),
        (true, false, "unknown", "2593130 critical"),
        (true, false, "failure", "2593131 high"),
        (false, false, "success", "2593132 high"),
        (false, false, "failure", "2593132 high"),
        (true, true, "success", "2593133 informational"),
        (false, true, "failure", "2593133 informational"),
    ] {
        let finding = Finding {
            kind: "relay",
            detector: "RW-13",
            confidence: "high",
            inverted,
            forwarded,
            outcome,
            ..Finding::default()
        };
        assert_eq!(verdict(&rules, &finding), want, "{finding:?}");
    }
    for (test, confidence, learning, want) in [
        ("server", "high", false, "2593140 high"),
        ("server", "high", true, "2593141 medium"),
        ("server", "medium", false, "2593141 medium"),
        ("client", "medium", false, "2593142 medium"),
        ("client", "medium", true, "2593142 medium"),
        ("client", "low", false, "2593143 low"),
        ("name_server", "low", false, "2593144 low"),
    ] {
        let finding = Finding {
            kind: "relay",
            detector: "RW-14",
            test,
            confidence,
            learning,
            ..Finding::default()
        };
        assert_eq!(verdict(&rules, &finding), want, "{finding:?}");
    }
}

#[test]
pub(super) fn levels_of_tier_zero_outbound() {
    let rules = builtin();
    for (learning, want) in [(false, "2593100 medium"), (true, "2593101 informational")] {
        let finding = Finding {
            kind: "callback",
            detector: "RW-10",
            learning,
            ..Finding::default()
        };
        assert_eq!(verdict(&rules, &finding), want);
    }
}

/// Every finding that could be made of these values fits one rule at most, and a path that is not
/// the server's own is never passed over without a reason above.
#[test]
fn one_finding_one_alert() {
    let rules = builtin();
    let methods = [
        ("efsr", 0, "A"),
        ("efsr", 18, "C"),
        ("dfsnm", 13, "A"),
        ("fsrvp", 8, "A"),
        ("srvs", 74, "A"),
        ("srvs", 9, "C"),
        ("even", 9, "A"),
        ("even", 1, "C"),
        ("rprn", 65, "A"),
        ("rprn", 62, "A"),
        ("rprn", 1, "B"),
        ("rprn", 70, "B"),
        ("rprn", 71, "C"),
        ("par", 0, "B"),
        ("par", 3, "C"),
        ("tsch", 1, "B"),
        ("dcom", 4, "A"),
        ("dcom", 0, "B"),
        ("new", 1, "A"),
        ("new", 2, "B"),
        ("new", 3, "C"),
    ];
    let mut looked_at = 0;
    for (family, opnum, tier) in methods {
        for owner in ["caller", "other", "server", "none", "unread", "sealed"] {
            for form in ["", "+ip", "+dav"] {
                for interfaces in [0, 1, 2, 3, 9] {
                    for outcome in ["success", "failure", "attempt", "unknown"] {
                        let path = format!("{owner}{form}");
                        let case = Coercion {
                            family,
                            opnum,
                            tier,
                            path: path.leak(),
                            interfaces,
                            outcome,
                        };
                        let said = verdict(&rules, &case.finding());
                        looked_at += 1;
                        match owner {
                            "caller" | "other" => assert_ne!(said, "-", "{family} {owner}{form}"),
                            "server" | "none" => assert_eq!(said, "-", "{family} {owner}{form}"),
                            _ => {}
                        }
                    }
                }
            }
        }
    }
    assert_eq!(looked_at, 21 * 6 * 3 * 5 * 4);
}
