//! Our evaluator against `sigma-rust`, on rules and events that chance makes.
//!
//! What is left out, because the two differ there for a reason:
//! - `field: null` for a field that is not there: the specification says it matches; there it does not.
//! - a number in quotes for a field of numbers: matches here, since YAML authors quote freely.
//! - `neq`: unknown there.
//! - `base64` whole: there without padding; and `base64offset` of UTF-16, which it shifts by whole units.
//! - `base64offset` with `all`: there every value must be found at each of its three offsets.
//! - search words: there they must be a whole value; by the specification they are searched for.
//! - `?` behind `*`: there `*?` does not match `?*`, since it does not try again further on.
//! - `fieldref` without `cased`: compares letter case there.

use proptest::prelude::*;
use serde_json::json;

use super::tests::{hits, load, rule};
use crate::event::Finding;

const TEXTS: &[&str] = &["method", "user", "domain", "path"];

/// Text of an event: letters in both cases, what is special in rules, and a letter beyond ASCII.
fn text() -> impl Strategy<Value = String> {
    r"[abABÄä*?\\ /-]{0,6}"
}

/// One `field|modifier: value` of a rule.
fn item() -> impl Strategy<Value = String> {
    let field = proptest::sample::select(TEXTS);
    let modifier = proptest::sample::select(vec![
        "",
        "|contains",
        "|startswith",
        "|endswith",
        "|cased",
        "|contains|cased",
        "|windash",
        "|contains|windash",
        "|base64offset|contains",
    ]);
    let value = r"[abABä*?\\-]{1,4}".prop_filter("ends in a lone backslash", |v| {
        v.chars().rev().take_while(|c| *c == '\\').count() % 2 == 0
    });
    let values = proptest::collection::vec(value, 1..4);
    let textual =
        (field.clone(), modifier, values, any::<bool>()).prop_map(|(f, m, values, all)| {
            let plain = |v: &String| !v.contains(['*', '?', '\\']);
            let starred =
                |v: &String| m.contains("endswith") || m.contains("contains") || v.contains('*');
            let values: Vec<String> = match m {
                _ if values.iter().any(|v| v.contains('?') && starred(v)) => vec!["ab".to_owned()],
                "|base64offset|contains" => {
                    let long = values
                        .iter()
                        .filter(|v| plain(v))
                        .map(|v| format!("abc{v}"));
                    let mut long: Vec<String> = long.collect();
                    long.push("abcab".to_owned());
                    long
                }
                _ => values,
            };
            let all = if all && values.len() > 1 && !m.contains("base64offset") {
                "|all"
            } else {
                ""
            };
            let quoted: Vec<String> = values.iter().map(|v| format!("'{v}'")).collect();
            format!("'{f}{m}{all}': [{}]", quoted.join(", "))
        });
    let other = proptest::sample::select(TEXTS);
    prop_oneof![
        6 => textual,
        1 => (field.clone(), "[abä]{1,2}[.*+]?").prop_map(|(f, re)| format!("'{f}|re': '{re}'")),
        1 => (field.clone(), any::<bool>()).prop_map(|(f, b)| format!("'{f}|exists': {b}")),
        1 => (field, other).prop_map(|(f, o)| format!("'{f}|fieldref|cased': {o}")),
        1 => (proptest::sample::select(vec!["", "|gt", "|gte", "|lt", "|lte"]), 0..5u16)
            .prop_map(|(m, n)| format!("'opnum{m}': {n}")),
        1 => any::<bool>().prop_map(|b| format!("sealed: {b}")),
        1 => proptest::sample::select(vec!["10.0.0.0/8", "10.1.0.0/16", "::/0", "10.1.2.3/32"])
            .prop_map(|net| format!("'attacker|cidr': {net}")),
    ]
}

/// A selection: a map, or a list of maps.
fn selection() -> impl Strategy<Value = String> {
    let map = proptest::collection::vec(item(), 1..4)
        .prop_map(|items: Vec<String>| {
            let mut seen = std::collections::BTreeSet::new();
            let key = |i: &String| i.split(':').next().unwrap_or_default().to_owned();
            let once: Vec<String> = items.into_iter().filter(|i| seen.insert(key(i))).collect();
            once
        })
        .boxed();
    prop_oneof![
        3 => map.clone().prop_map(|m| format!("\n            {}", m.join("\n            "))),
        1 => proptest::collection::vec(map, 1..3).prop_map(|maps| {
            let each = |m: &Vec<String>| format!("\n            - {}", m.join("\n              "));
            maps.iter().map(each).collect::<String>()
        }),
    ]
}

fn condition() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "sel_a and sel_b",
        "sel_a or sel_b and not other",
        "not (sel_a or other)",
        "1 of sel_*",
        "all of sel_* or other",
        "all of them",
        "1 of them and not sel_a",
        "not 1 of sel_*",
    ])
}

fn event() -> impl Strategy<Value = Finding> {
    let names = (text(), text(), text(), text());
    let rest = (
        proptest::option::of(0..5u16),
        any::<bool>(),
        proptest::option::of(proptest::sample::select(vec![
            "10.1.2.3", "10.2.0.1", "fe80::1",
        ])),
        any::<bool>(),
    );
    (names, rest).prop_map(
        |((method, user, domain, path), (opnum, sealed, attacker, encode))| {
            let path = match encode {
                true => data_encoding::BASE64.encode(format!("{path}abcab{user}").as_bytes()),
                false => path,
            };
            Finding {
                method,
                user,
                domain,
                path,
                opnum,
                sealed,
                attacker: attacker.map(|a| a.parse::<std::net::IpAddr>().unwrap().into()),
                ..Finding::default()
            }
        },
    )
}

/// The same event for `sigma-rust`: what is empty is not there.
fn as_json(f: &Finding) -> String {
    let mut map = serde_json::Map::new();
    for (name, value) in [
        ("method", &f.method),
        ("user", &f.user),
        ("domain", &f.domain),
        ("path", &f.path),
    ] {
        if !value.is_empty() {
            map.insert(name.to_owned(), json!(value));
        }
    }
    if let Some(opnum) = f.opnum {
        map.insert("opnum".to_owned(), json!(opnum));
    }
    map.insert("sealed".to_owned(), json!(f.sealed));
    if let Some(attacker) = f.attacker {
        map.insert("attacker".to_owned(), json!(attacker.to_string()));
    }
    serde_json::Value::Object(map).to_string()
}

proptest! {
    // The same rules every time: a new difference of the two is for whoever changes one of them.
    #![proptest_config(ProptestConfig {
        rng_seed: proptest::test_runner::RngSeed::Fixed(24),
        ..ProptestConfig::with_cases(192)
    })]
    #[test]
    fn says_what_sigma_rust_says(
        a in selection(), b in selection(), other in selection(), c in condition(), f in event(),
    ) {
        let detection = format!(
            "    sel_a:{a}\n    sel_b:{b}\n    other:{other}\n    condition: {c}"
        );
        let text = rule(1, "finding", &detection);
        let theirs = sigma_rust::rule_from_yaml(&text).unwrap();
        let event = sigma_rust::event_from_json(&as_json(&f)).unwrap();
        let ours = !hits(&load(&text), &f).is_empty();
        prop_assert_eq!(ours, theirs.is_match(&event), "{}\n{}", text, as_json(&f));
    }
}
