//! Levels of what comes before a relay. This table is their specification.

use super::shipped::{builtin, verdict};
use crate::event::Finding;

/// Detector, test, carrier, confidence, account or state, level.
#[test]
pub(super) fn precursor_levels() {
    let rules = builtin();
    #[rustfmt::skip]
    let table = [
        // detector, test, carrier, confidence, flags (e explained, l learning, a admin), expected
        ("RW-11", "written",   "ldap",   "high",   "",  "2593110 critical"),
        ("RW-11", "resolved",  "dns",    "high",   "l", "2593110 critical"),
        ("RW-11", "used",      "smb",    "high",   "l", "2593110 critical"),
        ("RW-11", "called",    "dcerpc", "high",   "l", "2593110 critical"),
        ("RW-19", "tool",      "smb",    "high",   "",  "2593190 high"),
        ("RW-19", "challenge", "smb",    "high",   "",  "2593190 high"),          // to a machine account
        ("RW-19", "tool",      "http",   "high",   "e", "2593191 low"),           // the relay is told
        ("RW-19", "challenge", "smb",    "low",    "e", "2593191 low"),
        ("RW-19", "challenge", "smb",    "low",    "",  "2593192 informational"), // cheap storage
        ("RW-20", "names",     "llmnr",  "high",   "l", "2593200 high"),
        ("RW-20", "names",     "nbns",   "high",   "",  "2593200 high"),
        ("RW-20", "wpad",      "mdns",   "high",   "l", "2593200 high"),
        ("RW-20", "relay",     "mdns",   "high",   "l", "2593200 high"),
        ("RW-20", "names",     "mdns",   "high",   "",  "2593201 medium"),        // aliases
        ("RW-20", "logon",     "llmnr",  "medium", "l", "2593202 medium"),
        ("RW-20", "logon",     "mdns",   "medium", "",  "2593202 medium"),
        ("RW-21", "mitm6",     "dhcpv6", "high",   "l", "2593210 critical"),
        ("RW-21", "mitm6",     "dns",    "high",   "",  "2593210 critical"),
        ("RW-21", "dhcp",      "dhcp",   "medium", "",  "2593211 high"),
        ("RW-21", "dhcpv6",    "dhcpv6", "medium", "",  "2593211 high"),
        ("RW-21", "dhcp",      "dhcp",   "medium", "l", "2593212 medium"),
        ("RW-21", "dhcpv6",    "dhcpv6", "medium", "l", "2593212 medium"),
        ("RW-21", "tkey",      "dns",    "medium", "l", "2593213 medium"),
        ("RW-21", "ra",        "ndp",    "medium", "",  "2593214 low"),
        ("RW-21", "rdnss",     "ndp",    "medium", "",  "2593214 low"),
        ("RW-21", "dhcp_second", "dhcp", "medium", "",  "2593214 low"),
        ("RW-21", "ra",        "ndp",    "medium", "l", "2593215 low"),
        ("RW-21", "dhcp_second", "dhcp", "medium", "l", "2593215 low"),           // split scope
        ("RW-21", "wpad",      "http",   "medium", "l", "2593216 low"),
        ("RW-22", "machine",   "http",   "high",   "l", "2593220 high"),
        ("RW-22", "server",    "http",   "high",   "",  "2593221 medium"),
        ("RW-22", "odd_port",  "http",   "low",    "",  "2593222 low"),
        ("RW-22", "machine",   "http",   "high",   "e", "2593222 low"),
        ("RW-23", "efs_wakeup", "dcerpc", "medium", "", "2593230 medium"),
        ("RW-23", "interfaces", "dcerpc", "medium", "", "2593230 medium"),
        ("RW-23", "lookup",    "dcerpc", "medium", "",  "2593230 medium"),
        ("RW-23", "oxid",      "dcerpc", "low",    "",  "2593231 low"),
        ("RW-23", "efs_wakeup", "dcerpc", "medium", "e", "2593231 low"),          // the call is told
        ("RW-23", "interfaces", "dcerpc", "medium", "a", "-"),                    // a declared scanner
        ("RW-23", "oxid",      "dcerpc", "low",    "a", "-"),
    ];
    for (detector, test, carrier, confidence, flags, want) in table {
        let finding = Finding {
            detector,
            kind: match detector {
                "RW-22" => "callback",
                "RW-23" => "recon",
                _ => "poisoning",
            },
            test,
            carrier,
            confidence,
            explained: flags.contains('e'),
            learning: flags.contains('l'),
            attacker_admin: flags.contains('a'),
            ..Finding::default()
        };
        assert_eq!(verdict(&rules, &finding), want, "{finding:?}");
    }
}
