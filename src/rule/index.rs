//! Which rules can match at all: a tree that asks for one field after the other.
//!
//! A rule that demands `opnum: 65` hangs below the value 65 of `opnum` and is not looked at for any
//! other call. What the index lets through is evaluated in full, so it may let through too much and
//! never too little.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hashbrown::{Equivalent, HashMap};

use super::condition::Expr;
use super::detection::Compare;
use super::matcher::{Op, Scratch, Test};
use super::pattern::{Pattern, fold};
use crate::event::{FieldId, Fields, Value};
use crate::wire::Guid;

/// So few rules are evaluated as quickly as told apart.
const FEW: usize = 4;
/// Fields asked one after the other, at most.
const DEPTH: usize = 4;
/// Times that one split may repeat its rules, on average (a rule hangs below each of its values).
const COPIES: usize = 16;

/// The rules of one kind of event, by number.
#[derive(Debug)]
pub(super) struct Index {
    root: Node,
}

#[derive(Debug)]
enum Node {
    Leaf(Vec<u32>),
    Split {
        field: FieldId,
        /// Rules that demand this value.
        by_value: HashMap<Key, Node, foldhash::fast::FixedState>,
        /// Rules that do not mind this field.
        rest: Box<Node>,
    },
}

impl Index {
    /// Arranges rules by what they demand; a rule's number is its place.
    pub(super) fn new<'a>(rules: impl Iterator<Item = &'a Expr<Test>>) -> Self {
        let pins: Vec<Vec<Pin>> = rules.map(pins).collect();
        let all: Vec<u32> = (0..).take(pins.len()).collect();
        Self {
            root: build(all, &pins, &mut Vec::new()),
        }
    }

    /// Leaves the rules worth evaluating in `scratch.candidates`, ascending.
    pub(super) fn candidates(&self, event: &dyn Fields, scratch: &mut Scratch) {
        walk(&self.root, event, scratch);
        scratch.candidates.sort_unstable();
        scratch.candidates.dedup();
    }
}

fn walk(node: &Node, event: &dyn Fields, scratch: &mut Scratch) {
    match node {
        Node::Leaf(rules) => scratch.candidates.extend_from_slice(rules),
        Node::Split {
            field,
            by_value,
            rest,
        } => {
            walk(rest, event, scratch);
            let value = event.field(*field);
            if value.is_absent() {
                return;
            }
            let look = match &value {
                Value::Bool(b) => Look::Bool(*b),
                Value::Number(n) => Look::Number(*n),
                Value::Address(a) => Look::Address(*a),
                Value::Guid(g) => Look::Guid(*g),
                _ => {
                    let mut nth = 0;
                    while let Some(text) = scratch.text(*field, &value, nth) {
                        nth += 1;
                        if let Some(child) = by_value.get(&Look::Text(text)) {
                            walk(child, event, scratch);
                        }
                    }
                    return;
                }
            };
            if let Some(child) = by_value.get(&look) {
                walk(child, event, scratch);
            }
        }
    }
}

fn build(rules: Vec<u32>, pins: &[Vec<Pin>], asked: &mut Vec<FieldId>) -> Node {
    if rules.len() <= FEW || asked.len() >= DEPTH {
        return Node::Leaf(rules);
    }
    let Some(field) = best_field(&rules, pins, asked) else {
        return Node::Leaf(rules);
    };
    let mut by_value: BTreeMap<&Key, Vec<u32>> = BTreeMap::new();
    let mut rest = Vec::new();
    for rule in rules {
        match pin_of(pins, rule, field) {
            Some(pin) => {
                for key in &pin.keys {
                    by_value.entry(key).or_default().push(rule);
                }
            }
            None => rest.push(rule),
        }
    }
    asked.push(field);
    let node = Node::Split {
        field,
        by_value: by_value
            .into_iter()
            .map(|(key, below)| (key.clone(), build(below, pins, asked)))
            .collect(),
        rest: Box::new(build(rest, pins, asked)),
    };
    asked.pop();
    node
}

fn pin_of(pins: &[Vec<Pin>], rule: u32, field: FieldId) -> Option<&Pin> {
    let of_rule = pins.get(rule as usize)?;
    of_rule.iter().find(|p| p.field == field)
}

/// The field that leaves fewest rules to look at in the worst case, if one helps.
fn best_field(rules: &[u32], pins: &[Vec<Pin>], asked: &[FieldId]) -> Option<FieldId> {
    #[derive(Default)]
    struct Count<'a> {
        pinned: usize,
        copies: usize,
        by_value: HashMap<&'a Key, usize, foldhash::fast::FixedState>,
    }
    let mut counts: BTreeMap<FieldId, Count<'_>> = BTreeMap::new();
    for rule in rules {
        for pin in pins.get(*rule as usize).into_iter().flatten() {
            if !asked.contains(&pin.field) {
                let count = counts.entry(pin.field).or_default();
                count.pinned += 1;
                count.copies += pin.keys.len();
                for key in &pin.keys {
                    *count.by_value.entry(key).or_default() += 1;
                }
            }
        }
    }
    counts
        .into_iter()
        .filter(|(_, c)| c.copies <= rules.len().saturating_mul(COPIES))
        .map(|(field, c)| {
            let fullest = c.by_value.values().max().copied().unwrap_or(0);
            (rules.len() - c.pinned + fullest, field)
        })
        .min()
        .filter(|(worst, _)| *worst < rules.len())
        .map(|(_, field)| field)
}

/// Values one of which a field must have for `expr` to be true.
struct Pin {
    field: FieldId,
    keys: Vec<Key>,
}

/// A value that an index can look up.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key {
    Bool(bool),
    Number(u64),
    Address(IpAddr),
    Guid(Guid),
    /// In lower case.
    Text(Box<str>),
}

/// A [`Key`] that borrows its text: hashes alike, so the variants stand in the same order.
#[derive(Clone, Copy, Hash)]
enum Look<'a> {
    Bool(bool),
    Number(u64),
    Address(IpAddr),
    Guid(Guid),
    Text(&'a str),
}

impl Equivalent<Key> for Look<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        match (self, key) {
            (Self::Bool(a), Key::Bool(b)) => a == b,
            (Self::Number(a), Key::Number(b)) => a == b,
            (Self::Address(a), Key::Address(b)) => a == b,
            (Self::Guid(a), Key::Guid(b)) => a == b,
            (Self::Text(a), Key::Text(b)) => *a == &**b,
            _ => false,
        }
    }
}

/// More values than this make a field no help in telling rules apart.
const PIN_KEYS: usize = 1024;

/// Every field that `expr` pins, each at most once, sorted.
fn pins(expr: &Expr<Test>) -> Vec<Pin> {
    match expr {
        Expr::Is(test) => keys(&test.op)
            .map(|keys| {
                let field = test.field;
                Pin { field, keys }
            })
            .into_iter()
            .collect(),
        Expr::Not(_) => Vec::new(),
        Expr::All(parts) => {
            let mut all: Vec<Pin> = parts.iter().flat_map(pins).collect();
            // The shortest list of a field tells most.
            all.sort_by_key(|p| (p.field, p.keys.len()));
            all.dedup_by_key(|p| p.field);
            all
        }
        Expr::Any(parts) => {
            let mut parts = parts.iter().map(pins);
            let Some(mut common) = parts.next() else {
                return Vec::new();
            };
            for other in parts {
                common.retain_mut(|pin| {
                    let same = other.iter().find(|o| o.field == pin.field);
                    pin.keys
                        .extend(same.into_iter().flat_map(|o| o.keys.iter().cloned()));
                    same.is_some()
                });
            }
            for pin in &mut common {
                pin.keys.sort_unstable();
                pin.keys.dedup();
            }
            common.retain(|p| p.keys.len() <= PIN_KEYS);
            common
        }
    }
}

fn keys(op: &Op) -> Option<Vec<Key>> {
    let folded = |text: &str| Key::Text(text.chars().flat_map(fold).collect::<String>().into());
    Some(match op {
        Op::Bool(b) => vec![Key::Bool(*b)],
        Op::Number(Compare::Equal, n) => vec![Key::Number(*n)],
        Op::Address(a) => vec![Key::Address(*a)],
        Op::Folded(Pattern::Equals(text)) => vec![Key::Text(text.clone())],
        Op::Cased(Pattern::Equals(text)) => vec![folded(text)],
        Op::Guid(guid, text) => vec![Key::Guid(*guid), Key::Text(text.clone())],
        Op::OneOf(all) if all.len() * 2 <= PIN_KEYS => {
            let guids = all.iter().filter_map(|t| t.parse().ok().map(Key::Guid));
            guids
                .chain(all.iter().map(|t| Key::Text(t.clone())))
                .collect()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{call, finding, hits, load, rule};
    use super::super::{RuleSet, Scratch};
    use crate::event::{Fields, Finding, RpcCall};
    use crate::net::Addr;
    use proptest::prelude::*;

    /// Rules evaluated for one event.
    fn evaluated(rules: &RuleSet, event: &dyn Fields) -> u64 {
        let mut scratch = Scratch::new();
        rules.matches(event, &mut scratch, &mut Vec::new());
        scratch.evaluated
    }

    #[test]
    fn work_does_not_grow_with_rules_that_cannot_match() {
        let many = |count: u32, detection: fn(u32) -> String| {
            let all: Vec<String> = (1..=count)
                .map(|n| {
                    rule(n, "dce_rpc", &detection(n))
                        .replace("dce_rpc", "dce_rpc\n    category: call")
                })
                .collect();
            load(&all.join("---\n"))
        };
        // An interface and an opnum each; a hundred share an interface.
        let by_call: fn(u32) -> String = |n| {
            format!(
                "    s:\n        interface: 12345678-1234-abcd-ef00-{:012x}\n        opnum: {}\n    condition: s",
                n / 100,
                n % 100
            )
        };
        // Endpoint and a list, with an exception.
        let by_name: fn(u32) -> String = |n| {
            format!(
                "    s:\n        endpoint: iface{n}\n        operation: [one, two]\n    but: {{sealed: true}}\n    \
             condition: s and not but"
            )
        };
        let event = RpcCall {
            interface: "12345678-1234-abcd-ef00-000000000000".parse().ok(),
            opnum: 5,
            endpoint: "iface5",
            operation: "one",
            ..call()
        };
        for detection in [by_call, by_name] {
            let (few, lots) = (many(10, detection), many(10_000, detection));
            for rules in [&few, &lots] {
                let sids: Vec<u32> = hits(rules, &event).iter().map(|s| s.sid).collect();
                assert_eq!(sids, [5]);
            }
            let (few, lots) = (evaluated(&few, &event), evaluated(&lots, &event));
            assert!(lots <= few.max(4), "{few} of 10, {lots} of 10,000");
        }
    }

    #[test]
    fn nothing_is_evaluated_for_other_events() {
        let rules = load(&rule(1, "dce_rpc", "    s: {opnum: 65}\n    condition: s"));
        assert_eq!(evaluated(&rules, &finding()), 0);
    }

    /// A random detection over few fields and values, so that rules and events meet.
    fn detections() -> impl Strategy<Value = String> {
        let item = prop_oneof![
            (0..4u8).prop_map(|n| format!("opnum: {n}")),
            prop::collection::vec(0..4u8, 1..4).prop_map(|n| format!("opnum: {n:?}")),
            (0..4u8).prop_map(|n| format!("opnum|gt: {n}")),
            "[abAB]{1,2}".prop_map(|t| format!("family: '{t}'")),
            "[ab*?]{1,3}".prop_map(|t| format!("family: '{t}'")),
            "[abA]{1}".prop_map(|t| format!("family|contains|cased: '{t}'")),
            "[ab]{1}".prop_map(|t| format!("family|cased: '{t}'")),
            prop::collection::vec("[ab]{1,2}", 5..7)
                .prop_map(|t| format!("method: [{}]", t.join(", "))),
            any::<bool>().prop_map(|b| format!("sealed: {b}")),
            Just("method: null".to_owned()),
            Just("interface: c681d488-d850-11d0-8c52-00c04fd90f7e".to_owned()),
            Just("attacker: 10.0.0.1".to_owned()),
            Just("attacker|neq: 10.0.0.1".to_owned()),
        ];
        // A map if true, and a list of maps if not.
        let selection = (prop::collection::vec(item, 1..4), any::<bool>());
        let conditions = prop::sample::select(vec![
            "a",
            "a and b",
            "a or b",
            "a and not b",
            "not a",
            "(a or b) and c",
            "a or b and c",
            "1 of them",
            "all of them",
        ]);
        (prop::array::uniform3(selection), conditions).prop_map(|(selections, condition)| {
            let mut out = String::new();
            for (name, (items, all)) in ["a", "b", "c"].iter().zip(selections) {
                out.push_str(&format!("    {name}:\n"));
                let mut keys = Vec::new();
                for item in items {
                    let key = item.split(':').next().map(str::to_owned);
                    if all && keys.contains(&key) {
                        continue;
                    }
                    keys.push(key);
                    let dash = if all { "" } else { "- " };
                    out.push_str(&format!("        {dash}{item}\n"));
                }
            }
            out + &format!("    condition: {condition}")
        })
    }

    fn findings() -> impl Strategy<Value = Finding> {
        (
            prop::option::of(0..4u16),
            prop::sample::select(vec!["", "a", "b", "ab", "AB", "Ba"]),
            "[ab]{0,2}",
            any::<bool>(),
            any::<bool>(),
            any::<bool>(),
        )
            .prop_map(|(opnum, family, method, sealed, known, local)| Finding {
                kind: "coercion",
                opnum,
                family: family.to_owned(),
                method,
                sealed,
                interface: known
                    .then(|| "c681d488-d850-11d0-8c52-00c04fd90f7e".parse().ok())
                    .flatten(),
                attacker: local.then(|| Addr::v4([10, 0, 0, 1])),
                ..Finding::default()
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn index_equals_looking_at_every_rule(
            detections in prop::collection::vec(detections(), 1..24),
            findings in prop::collection::vec(findings(), 1..12),
        ) {
            let texts: Vec<String> = (1..)
                .zip(&detections)
                .map(|(sid, d)| rule(sid, "coercion", d))
                .collect();
            let together = load(&texts.join("---\n"));
            let alone: Vec<RuleSet> = texts.iter().map(|t| load(t)).collect();
            let mut scratch = Scratch::new();
            for finding in &findings {
                let mut by_index = Vec::new();
                together.matches(finding, &mut scratch, &mut by_index);
                let by_index: Vec<u32> = by_index.iter().map(|s| s.sid).collect();
                let one_by_one: Vec<u32> = alone
                    .iter()
                    .flat_map(|r| hits(r, finding))
                    .map(|s| s.sid)
                    .collect();
                prop_assert_eq!(by_index, one_by_one);
            }
        }
    }
}
