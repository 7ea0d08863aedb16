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
