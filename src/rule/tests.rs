//! The engine as its users see it: YAML in, hits or errors out.

use std::net::IpAddr;
use std::sync::Arc;

use super::{RuleSet, RuleSource, Scratch};
use crate::event::{Fields, Finding, HttpRequest, RpcBind, RpcCall, RpcResult, Signature};
use crate::net::Addr;

/// What fits an event.
pub(super) fn hits(rules: &RuleSet, event: &dyn Fields) -> Vec<Arc<Signature>> {
    let mut hits = Vec::new();
    rules.matches(event, &mut Scratch::new(), &mut hits);
    hits
}

fn source(text: &str) -> RuleSource {
    RuleSource::Text {
        name: "mine.yml".to_owned(),
        text: text.to_owned(),
    }
}

pub(super) fn load(text: &str) -> RuleSet {
    RuleSet::load(&[source(text)]).unwrap_or_else(|e| panic!("{}", shown(&e)))
}

fn shown(errors: &[super::RuleError]) -> String {
    let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
    all.join("\n")
}

/// Every error of a text, as printed.
fn errors(text: &str) -> String {
    shown(&RuleSet::load(&[source(text)]).expect_err("should not load"))
}

/// A rule with this service and detection (YAML, indented by four).
pub(super) fn rule(sid: u32, service: &str, detection: &str) -> String {
    format!(
        "title: Rule {sid}\nsid: {sid}\nlogsource:\n    product: relaywatch\n    service: {service}\n\
         detection:\n{detection}\nlevel: low\n"
    )
}

/// True if a rule with this one selection fits.
fn fits(service: &str, selection: &str, event: &dyn Fields) -> bool {
    let detection = format!("    selection:\n        {selection}\n    condition: selection");
    !hits(&load(&rule(1, service, &detection)), event).is_empty()
}

pub(super) fn finding() -> Finding {
    Finding {
        detector: "RW-06",
        kind: "coercion",
        attacker: Some(Addr::from("10.1.2.3".parse::<IpAddr>().unwrap())),
        method: "EfsRpcOpenFileRaw".to_owned(),
        path: r"\\Host\share\file*.txt".to_owned(),
        user: "Müller".to_owned(),
        interface: "c681d488-d850-11d0-8c52-00c04fd90f7e".parse().ok(),
        opnum: Some(65),
        sealed: true,
        caller_interfaces: 3,
        ..Finding::default()
    }
}

pub(super) fn call() -> RpcCall<'static> {
    RpcCall {
        interface: "12345678-1234-abcd-ef00-0123456789ab".parse().ok(),
        endpoint: "spoolss",
        opnum: 65,
        operation: "RpcRemoteFindFirstPrinterChangeNotificationEx",
        version: "1.0",
        transport: "ncacn_np",
        named_pipe: "spoolss",
        auth_type: None,
        auth_level: Some(6),
        sealed: false,
        stub_len: 100,
        path: None,
        argument: None,
        detail: None,
        zero_credential: None,
        client: None,
        by_endpoint: None,
        ndr64: false,
        call_id: 1,
        fragments: 1,
        object: None,
        method: None,
        path_by_scan: false,
        stub: &[],
        association: 0,
    }
}

#[test]
fn every_modifier_and_kind_of_value() {
    let f = finding();
    for (selection, want) in [
        ("method: EfsRpcOpenFileRaw", true),
        ("method: efsrpcopenfileraw", true),
        ("method|cased: efsrpcopenfileraw", false),
        ("method|cased: EfsRpcOpenFileRaw", true),
        ("method: Efs*Raw", true),
        ("method: Efs?Raw", false),
        ("method|startswith: efs", true),
        ("method|endswith: raw", true),
        ("method|contains: open", true),
        ("method|contains|cased: open", false),
        ("method|contains: shut", false),
        ("method|contains: [shut, open]", true),
        ("method|contains|all: [file, open]", true),
        ("method|contains|all: [file, shut]", false),
        ("method|neq: Other", true),
        ("method|neq: [Other, EfsRpcOpenFileRaw]", false),
        ("method: [a, b, c, d, efsrpcOPENfileraw]", true),
        ("method: [a, b, c, d, e]", false),
        ("method|re: '^Efs.*Raw$'", true),
        ("method|re: '^efs'", false),
        ("method|re|i: '^efs'", true),
        ("user: MÜLLER", true),
        ("user|startswith: mü", true),
        (r"path: '\\\\host\share\file\*.txt'", true),
        (r"path|startswith: '\\\\HOST\'", true),
        (r"path|endswith: '\file\*.txt'", true),
        (r"path|endswith: '\?.txt'", false),
        ("attacker: 10.1.2.3", true),
        ("attacker: '::ffff:10.1.2.3'", true),
        ("attacker: 10.1.2.4", false),
        ("attacker: 10.1.*", true),
        ("attacker|cidr: 10.0.0.0/8", true),
        ("attacker|cidr: [192.168.0.0/16, fe80::/10]", false),
        ("attacker|startswith: '10.'", true),
        ("interface: C681D488-D850-11D0-8C52-00C04FD90F7E", true),
        ("interface: df1941c5-fe89-4e79-bf10-463657acf44d", false),
        ("interface|startswith: c681", true),
        ("opnum: 65", true),
        ("opnum: '65'", true),
        ("opnum: '0x41'", true),
        ("opnum: 0x41", true),
        ("opnum: [1, 62, 65]", true),
        ("opnum|gt: 65", false),
        ("opnum|gte: 65", true),
        ("opnum|lt: 66", true),
        ("opnum|lte: 64", false),
        ("sealed: true", true),
        ("sealed: 'false'", false),
        ("domain: null", true),
        ("domain: ''", true),
        ("domain|exists: false", true),
        ("domain: '*'", false),
        ("user: '*'", true),
        ("user|exists: true", true),
        ("user: null", false),
        ("victim: null", true),
        ("victim: 10.1.2.3", false),
        ("victim|neq: 10.1.2.3", true),
        ("domain: [null, corp]", true),
    ] {
        assert_eq!(fits("finding", selection, &f), want, "{selection}");
    }
}

#[test]
fn maps_are_and_and_lists_are_or() {
    let f = finding();
    for (detection, want) in [
        (
            "    s:\n        opnum: 65\n        sealed: true\n    condition: s",
            true,
        ),
        (
            "    s:\n        opnum: 65\n        sealed: false\n    condition: s",
            false,
        ),
        (
            "    s:\n        - opnum: 1\n        - sealed: true\n    condition: s",
            true,
        ),
        (
            "    s:\n        - opnum: 1\n          sealed: true\n        - user: x\n    condition: s",
            false,
        ),
        (
            "    a: {opnum: 1}\n    b: {sealed: true}\n    condition: [a, b]",
            true,
        ),
        (
            "    a: {opnum: 1}\n    b: {sealed: true}\n    condition: not a and b",
            true,
        ),
        (
            "    f_a: {opnum: 1}\n    f_b: {sealed: true}\n    condition: all of f_*",
            false,
        ),
        (
            "    f_a: {opnum: 1}\n    f_b: {sealed: true}\n    condition: 1 of them",
            true,
        ),
    ] {
        let is = !hits(&load(&rule(1, "finding", detection)), &f).is_empty();
        assert_eq!(is, want, "{detection}");
    }
}

#[test]
fn services_select_events() {
    let f = finding();
    assert!(fits("coercion", "opnum: 65", &f));
    assert!(!fits("relay", "opnum: 65", &f));
    assert!(!fits("dce_rpc", "opnum: 65", &f));
    assert!(fits("dce_rpc", "opnum: 65", &call()));
    // Calls have a path, binds and results do not.
    let rules = load(&rule(
        1,
        "dce_rpc",
        "    s: {opnum: 65, path: null}\n    condition: s",
    ));
    assert!(rules.is_interesting(RpcCall::SCHEMA));
    assert!(!rules.is_interesting(RpcResult::SCHEMA));
    assert!(!rules.is_interesting(RpcBind::SCHEMA));
    assert!(!rules.is_interesting(HttpRequest::SCHEMA));
    // Calls and results both have an opnum; a category chooses.
    let text = rule(1, "dce_rpc", "    s: {opnum: 65}\n    condition: s");
    assert!(load(&text).is_interesting(RpcResult::SCHEMA));
    let text = text.replace("dce_rpc", "dce_rpc\n    category: call");
    assert!(!load(&text).is_interesting(RpcResult::SCHEMA));
    assert!(!hits(&load(&text), &call()).is_empty());
}

#[test]
fn header_becomes_the_signature() {
    let text = "\
title: Something
id: 5D8C3C3A-47E1-4E0C-9C4E-0A4B0F6E2A11
status: test
references: https://example.org
date: 2026-11-24
tags: [attack.credential-access, attack.t1557.001, attack.s0154, cve.2021-1]
logsource: {product: relaywatch, service: relay}
detection: {s: {inverted: true}, condition: s}
falsepositives: [None]
level: high
detector: RW-01
";
    let rules = load(text);
    let rule = rules.rules().next().unwrap();
    let s = &rule.signature;
    assert_eq!(
        (s.gid, s.rev, s.level.name(), s.level.severity()),
        (2, 1, "high", 1)
    );
    // Published numbers must never move.
    assert_eq!(s.sid, 219_595_446);
    assert_eq!(s.id, "5d8c3c3a-47e1-4e0c-9c4e-0a4b0f6e2a11");
    assert_eq!(s.techniques, ["T1557.001"]);
    assert_eq!(s.tactics, ["credential_access"]);
    assert_eq!(s.references, ["https://example.org"]);
    assert_eq!(s.detector, "RW-01");
    assert_eq!(
        (rule.file.as_str(), rule.line, rule.service.as_str()),
        ("mine.yml", 1, "relay")
    );
    let with_sid = |sid: u32| load(&format!("{text}sid: {sid}\n")).rules[0].signature.gid;
    assert_eq!((with_sid(2_593_999), with_sid(2_594_000)), (1, 2));
}

#[test]
fn what_is_not_for_us_is_skipped_with_its_reason() {
    let text = "\
title: Zeek rule
id: 5d8c3c3a-47e1-4e0c-9c4e-0a4b0f6e2a11
logsource: {product: zeek, service: dns}
detection: {s: {query|contains: x, Z: 0}, condition: s}
---
title: Zeek log
logsource: {product: zeek, service: rdp}
detection: {s: {cookie: x}, condition: s}
---
title: Windows rule
logsource: {product: windows, service: security}
detection: {s: {EventID: 4624}, condition: s}
---
title: Proxy rule
logsource: {category: proxy}
---
title: Except
filter: {rules: [x]}
---
title: Old
sid: 1
status: deprecated
logsource: {product: relaywatch, service: relay}
detection: {s: {inverted: true}, condition: s}
";
    let rules = load(text);
    let skipped: Vec<_> = rules
        .skipped()
        .map(|s| format!("{} {}: {}", s.line, s.title, s.reason))
        .collect();
    assert_eq!(
        skipped,
        [
            "1 Zeek rule: nothing here is like `Z` of Zeek's log `dns`",
            "6 Zeek log: no event here is like Zeek's log `rdp`",
            "10 Windows rule: product `windows` is not supported",
            "14 Proxy rule: its log source names no product",
            "17 Except: filters are not supported yet",
            "20 Old: its status is deprecated",
        ]
    );
    assert_eq!(rules.rules().len(), 0);
}

/// The way to re-rate a rule: a copy with an id of its own that obsoletes it, and keeps its sid.
#[test]
fn a_rule_takes_the_place_of_another() {
    let old = "\
title: Old
id: 5d8c3c3a-47e1-4e0c-9c4e-0a4b0f6e2a11
sid: 7
logsource: {product: relaywatch, service: coercion}
detection: {s: {opnum: 65}, condition: s}
level: low
";
    let new = "\
title: New
id: 0c8e7cbb-9b3b-4c8f-8a1e-6f2d9a1b7c55
related: [{id: 5d8c3c3a-47e1-4e0c-9c4e-0a4b0f6e2a11, type: obsoletes}]
sid: 7
logsource: {product: relaywatch, service: coercion}
detection: {s: {opnum: 65}, condition: s}
level: high
";
    for (first, second) in [(old, new), (new, old)] {
        let rules = RuleSet::load(&[source(first), source(second)]).unwrap();
        let said: Vec<_> = hits(&rules, &finding())
            .iter()
            .map(|s| (s.sid, s.title.clone()))
            .collect();
        assert_eq!(said, [(7, "New".to_owned())]);
        let skipped = rules.skipped().next().unwrap();
        assert_eq!(skipped.reason, "obsoleted by `New` (mine.yml)");
    }
    // Deprecated itself, it mutes.
    let mute = new.replace("level: high", "level: high\nstatus: deprecated");
    let rules = RuleSet::load(&[source(old), source(&mute)]).unwrap();
    assert!(hits(&rules, &finding()).is_empty());
    assert_eq!(rules.skipped().len(), 2);
}

#[test]
fn errors_point_explain_and_advise() {
    let text = "\
title: Wrong in many places
id: 5d8c3c3a
status: testing
level: hihg
sid: -3
date: soon
falsepositive: none
logsource:
    product: relaywatch
    service: coercion
detection:
    selection:
        opnumber: 65
        opnum: sixty
        sealed: maybe
        attacker: 10.0.0.0/8
        listener|cidr: 10.0.0.0/40
        caller_interfaces|contains: 3
        path|gt: 3
        method|re: '(a'
        user|re|cased: a
        tier: true
        domain: [[a]]
    condition: selection
";
    insta::assert_snapshot!("errors_in_fields", errors(text));
    let text = "\
title: More
sid: 4
logsource:
    product: relaywatch
    service: cohersion
detection:
    selection:
        user|contain: x
        path|contains|endswith: y
        host|i: z
        domain|all: x
        domain: y
        domain: z
    words: [a, b]
    nothing: {}
    condition: selecton
---
title: Condition
sid: 5
logsource: {product: relaywatch, service: relay}
detection:
    one: {inverted: true}
    condition: \"one or (won and one\"
---
title: None
logsource: {product: relaywatch, service: dce_rpc}
detection:
    one: {accepted: true, path: x}
    condition: one
---
logsource: {product: relaywach, service: dce_rpc, category: cal}
---
[1, 2]
";
    insta::assert_snapshot!("errors_in_structure", errors(text));
}

#[test]
fn numbers_that_are_taken_are_errors() {
    let one = |id: &str, more: &str| {
        format!(
            "title: T{}\nid: {id}\n{more}logsource: {{product: relaywatch, service: relay}}\n\
             detection: {{s: {{inverted: true}}, condition: s}}\n",
            id.get(..1).unwrap()
        )
    };
    let a = "aaaaaaaa-47e1-4e0c-9c4e-0a4b0f6e2a11";
    let b = "bbbbbbbb-47e1-4e0c-9c4e-0a4b0f6e2a11";
    let text = [
        one(a, ""),
        one(a, "sid: 1\n"),
        one(b, "sid: 7\n"),
        one(&b.replace('b', "c"), "sid: 7\n"),
    ]
    .join("---\n");
    insta::assert_snapshot!("errors_in_numbers", errors(&text));
}

#[test]
fn errors_of_every_file_are_reported_together() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    std::fs::write(dir.path().join("b.yml"), "title: x: y\n").unwrap();
    std::fs::write(dir.path().join("sub/a.yaml"), [0xff, 0xfe]).unwrap();
    std::fs::write(dir.path().join("c.yml"), "title: No source\nsid: 1\n").unwrap();
    std::fs::write(dir.path().join("README.md"), "no rule").unwrap();
    std::fs::write(dir.path().join(".hidden.yml"), "no rule").unwrap();
    let sources = [
        RuleSource::Path(dir.path().join("missing.yml")),
        RuleSource::Path(dir.path().to_owned()),
    ];
    let said = shown(&RuleSet::load(&sources).unwrap_err());
    let said = said.replace(&dir.path().display().to_string(), "rules");
    insta::assert_snapshot!("errors_in_files", said);
    let empty = tempfile::tempdir().unwrap();
    let none = RuleSet::load(&[RuleSource::Path(empty.path().to_owned())]).unwrap_err();
    assert!(none[0].message.starts_with("no .yml"), "{}", none[0]);
}

#[test]
fn folders_are_read_in_order_at_any_depth() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("a")).unwrap();
    for (name, sid) in [("z.yml", 3), ("a/y.yml", 1), ("b.yaml", 2)] {
        let text = rule(sid, "relay", "    s: {inverted: true}\n    condition: s");
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let rules = RuleSet::load(&[RuleSource::Path(dir.path().to_owned())]).unwrap();
    let sids: Vec<u32> = rules.rules().map(|r| r.signature.sid).collect();
    assert_eq!(sids, [1, 2, 3]);
}
