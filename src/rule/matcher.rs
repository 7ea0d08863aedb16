//! One compiled test: a field, and what its value must be.

use std::fmt::Write;
use std::net::IpAddr;

use regex::Regex;

use super::condition::Expr;
use super::detection::Compare;
use super::pattern::{Pattern, Place, fold};
use super::view;
use crate::event::{FieldId, Fields, Value};
use crate::net::{Addr, Net};
use crate::wire::Guid;

/// Stands for every field of the event, for search words.
pub(super) const ANY_FIELD: FieldId = FieldId::MAX;

/// A test of one field.
#[derive(Clone, Debug)]
pub(super) struct Test {
    pub(super) field: FieldId,
    pub(super) op: Op,
}

/// What the field's value must be. An absent value fits [`Op::Absent`] and nothing else.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// Not there, or empty.
    Absent,
    /// There.
    Present,
    Bool(bool),
    Number(Compare, u64),
    Address(IpAddr),
    Network(Net),
    /// Text in its own letter case.
    Cased(Pattern),
    /// Text in lower case.
    Folded(Pattern),
    /// One of these texts, in lower case, sorted.
    OneOf(Box<[Box<str>]>),
    /// A GUID, or its text.
    Guid(Guid, Box<str>),
    Regex(Box<Regex>),
    /// A text that another field of the event has, too.
    Same {
        other: FieldId,
        place: Place,
        cased: bool,
    },
}

/// The texts of one field of the event at hand.
#[derive(Debug, Default)]
struct Texts {
    /// The event they are of.
    event: u64,
    buf: String,
    /// Where each text ends in `buf`.
    ends: Vec<usize>,
}

impl Texts {
    fn any(&self, fits: impl Fn(&str) -> bool) -> bool {
        let mut start = 0;
        self.ends.iter().any(|&end| {
            let text = self.buf.get(start..end).unwrap_or_default();
            start = end;
            fits(text)
        })
    }

    fn fill(&mut self, event: u64, value: &Value<'_>) {
        self.event = event;
        self.buf.clear();
        self.ends.clear();
        let mut add = |text: &str| {
            self.buf.push_str(text);
            self.ends.push(self.buf.len());
        };
        match value {
            Value::Texts(all) => all.iter().for_each(|text| add(text)),
            Value::Words(words) => words.iter().for_each(add),
            Value::Numbers(all) => {
                for number in *all {
                    // Writing to a String cannot fail.
                    let _ = write!(self.buf, "{number}");
                    self.ends.push(self.buf.len());
                }
            }
            _ => {
                value.push_to(&mut self.buf);
                self.ends.push(self.buf.len());
            }
        }
    }

    fn fold_from(&mut self, from: &Self) {
        self.event = from.event;
        self.buf.clear();
        self.ends.clear();
        let mut start = 0;
        for &end in &from.ends {
            let text = from.buf.get(start..end).unwrap_or_default();
            start = end;
            self.buf.extend(text.chars().flat_map(fold));
            self.ends.push(self.buf.len());
        }
    }
}

/// Room that matching needs and keeps: every text is decoded once an event and lowered once,
/// however many rules look at it, and nothing is allocated once the buffers have grown.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Number of the event at hand, from 1.
    event: u64,
    as_is: Vec<Texts>,
    folded: Vec<Texts>,
    /// Rules that the index let through.
    pub(super) candidates: Vec<u32>,
    /// Rules looked at since the beginning, whatever came of it.
    pub(super) evaluated: u64,
}

impl Scratch {
    /// Room that grows with use.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the texts of the event before.
    pub(super) fn next_event(&mut self, fields: usize) {
        self.event += 1;
        self.candidates.clear();
        if self.as_is.len() < fields {
            self.as_is.resize_with(fields, Texts::default);
            self.folded.resize_with(fields, Texts::default);
        }
    }

    fn as_is(&mut self, field: FieldId, value: &Value<'_>) -> Option<&Texts> {
        let texts = self.as_is.get_mut(usize::from(field))?;
        if texts.event != self.event {
            texts.fill(self.event, value);
        }
        Some(texts)
    }

    fn folded(&mut self, field: FieldId, value: &Value<'_>) -> Option<&Texts> {
        self.as_is(field, value)?;
        let from = self.as_is.get(usize::from(field))?;
        let texts = self.folded.get_mut(usize::from(field))?;
        if texts.event != self.event {
            texts.fold_from(from);
        }
        Some(texts)
    }

    /// True if a text of `field` has one of `other` at that place.
    fn same(
        &mut self,
        field: FieldId,
        value: &Value<'_>,
        other: FieldId,
        second: &Value<'_>,
        place: Place,
        cased: bool,
    ) -> bool {
        self.folded(field, value);
        self.folded(other, second);
        let all = if cased { &self.as_is } else { &self.folded };
        let texts = |id: FieldId| all.get(usize::from(id));
        let (Some(left), Some(right)) = (texts(field), texts(other)) else {
            return false;
        };
        left.any(|a| {
            right.any(|b| match place {
                Place::Whole => a == b,
                Place::Start => a.starts_with(b),
                Place::End => a.ends_with(b),
                Place::Anywhere => memchr::memmem::find(a.as_bytes(), b.as_bytes()).is_some(),
            })
        })
    }

    /// The `nth` lower-case text of a field.
    pub(super) fn text(&mut self, field: FieldId, value: &Value<'_>, nth: usize) -> Option<&str> {
        let texts = self.folded(field, value)?;
        let end = *texts.ends.get(nth)?;
        let start = nth.checked_sub(1).and_then(|n| texts.ends.get(n)).copied();
        texts.buf.get(start.unwrap_or(0)..end)
    }
}

impl Test {
    /// True if the event's field has such a value.
    pub(super) fn matches(&self, event: &dyn Fields, scratch: &mut Scratch) -> bool {
        if self.field == ANY_FIELD {
            let fields = event.schema().fields.len() + view::FIELDS;
            return (0..).take(fields).any(|id| self.fits(id, event, scratch));
        }
        self.fits(self.field, event, scratch)
    }

    fn fits(&self, field: FieldId, event: &dyn Fields, scratch: &mut Scratch) -> bool {
        let value = event.field(field);
        if value.is_absent() {
            return matches!(self.op, Op::Absent);
        }
        match (&self.op, &value) {
            (Op::Absent, _) => false,
            (Op::Present, _) => true,
            (Op::Bool(want), Value::Bool(b)) => want == b,
            (Op::Number(compare, want), Value::Number(n)) => compare.holds(*n, *want),
            (Op::Address(want), Value::Address(a)) => want == a,
            (Op::Network(net), Value::Address(a)) => net.contains(Addr::from(*a)),
            (Op::Network(net), _) => as_is(field, &value, scratch, |t| {
                t.parse::<IpAddr>()
                    .is_ok_and(|address| net.contains(address.into()))
            }),
            (
                Op::Same {
                    other,
                    place,
                    cased,
                },
                _,
            ) => {
                let second = event.field(*other);
                !second.is_absent() && scratch.same(field, &value, *other, &second, *place, *cased)
            }
            (Op::Guid(want, _), Value::Guid(g)) => want == g,
            (Op::Guid(_, text), _) => folded(field, &value, scratch, |t| t == &**text),
            (Op::Cased(pattern), _) => as_is(field, &value, scratch, |t| pattern.matches(t)),
            (Op::Regex(regex), _) => as_is(field, &value, scratch, |t| regex.is_match(t)),
            (Op::Folded(pattern), _) => folded(field, &value, scratch, |t| pattern.matches(t)),
            (Op::OneOf(all), _) => folded(field, &value, scratch, |t| {
                all.binary_search_by(|one| (**one).cmp(t)).is_ok()
            }),
            _ => false,
        }
    }
}

fn as_is(
    field: FieldId,
    value: &Value<'_>,
    scratch: &mut Scratch,
    fits: impl Fn(&str) -> bool,
) -> bool {
    scratch
        .as_is(field, value)
        .is_some_and(|texts| texts.any(fits))
}

fn folded(
    field: FieldId,
    value: &Value<'_>,
    scratch: &mut Scratch,
    fits: impl Fn(&str) -> bool,
) -> bool {
    scratch
        .folded(field, value)
        .is_some_and(|texts| texts.any(fits))
}

impl Compare {
    fn holds(self, n: u64, than: u64) -> bool {
        match self {
            Self::Equal => n == than,
            Self::Greater => n > than,
            Self::GreaterEqual => n >= than,
            Self::Less => n < than,
            Self::LessEqual => n <= than,
        }
    }
}

/// True if the event fits the whole expression.
pub(super) fn matches(expr: &Expr<Test>, event: &dyn Fields, scratch: &mut Scratch) -> bool {
    expr.eval(&mut |test| test.matches(event, scratch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        for (net, address, want) in [
            ("10.0.0.0/8", "10.9.8.7", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "11.0.0.1", true),
            ("0.0.0.0/0", "::1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("fe80::/10", "fe80::1", true),
            ("fe80::/10", "fec0::1", false),
        ] {
            let network = net.parse::<Net>().unwrap();
            assert_eq!(
                network.contains(address.parse::<IpAddr>().unwrap().into()),
                want,
                "{net}"
            );
        }
        for bad in ["", "10.0.0/8", "10.0.0.0/33", "::/129", "10.0.0.0/-1"] {
            assert!(bad.parse::<Net>().is_err(), "{bad}");
        }
    }
}
