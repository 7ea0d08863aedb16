//! YAML as a tree that remembers where everything stands, so that every error can point.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Location, Spanned};

/// Line and column, from 1; 0 if unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pos {
    pub(super) line: u32,
    pub(super) column: u32,
    /// Characters the thing is long, at least 1.
    pub(super) width: u32,
}

impl Pos {
    fn new(at: Location) -> Self {
        let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            line: number(at.line()),
            column: number(at.column()),
            width: number(at.span().len()).max(1),
        }
    }

    /// The same place, `by` characters to the right, `width` characters long.
    pub(super) fn inside(self, by: usize, width: usize) -> Self {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            line: self.line,
            column: self.column.saturating_add(number(by)),
            width: number(width).max(1),
        }
    }
}

/// One node of the tree.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: Pos,
    pub(super) yaml: Yaml,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Yaml {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.yaml == other.yaml
    }
}

impl Node {
    /// The text, if it is text.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.yaml {
            Yaml::Str(s) => Some(s),
            _ => None,
        }
    }

    /// The entry of a map.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, value)| value)
    }

    /// The entry of a map, with its key.
    pub(super) fn entry(&self, key: &str) -> Option<&(Node, Node)> {
        match &self.yaml {
            Yaml::Map(entries) => entries.iter().find(|(k, _)| k.text() == Some(key)),
            _ => None,
        }
    }

    /// Calls `found` with every key, at any depth, that its map already has.
    pub(super) fn duplicates(&self, found: &mut impl FnMut(&Node)) {
        match &self.yaml {
            Yaml::Map(entries) => {
                let mut seen = std::collections::HashSet::new();
                for (key, value) in entries {
                    if key.text().is_some_and(|k| !seen.insert(k)) {
                        found(key);
                    }
                    value.duplicates(found);
                }
            }
            Yaml::List(list) => list.iter().for_each(|n| n.duplicates(found)),
            _ => {}
        }
    }

    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self.yaml {
            Yaml::Null => "null",
            Yaml::Bool(_) => "a yes or no",
            Yaml::Int(_) | Yaml::Float(_) => "a number",
            Yaml::Str(_) => "text",
            Yaml::List(_) => "a list",
            Yaml::Map(_) => "a map",
        }
    }
}

/// Reads every document of a file.
pub(super) fn documents(text: &str) -> Result<Vec<Node>, (Pos, String)> {
    let options = serde_saphyr::options! {
        // Reported by `duplicates`, all of them.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        with_snippet: false,
        // A file with some ten thousand rules is unusual, not hostile.
        budget: serde_saphyr::budget! {
            max_documents: 1 << 17,
            max_nodes: 1 << 24,
            max_events: 1 << 25,
        },
    };
    serde_saphyr::from_multiple_with_options::<Node>(text, options).map_err(|e| {
        let at = e.location().map(Pos::new).unwrap_or_default();
        let said = e.to_string();
        let message = said
            .rfind(" at line ")
            .and_then(|end| said.get(..end))
            .unwrap_or(&said);
        (at, format!("not YAML: {message}"))
    })
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let Spanned {
            value, referenced, ..
        } = Spanned::<Yaml>::deserialize(d)?;
        Ok(Self {
            at: Pos::new(referenced),
            yaml: value,
        })
    }
}

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(YamlVisitor)
    }
}

struct YamlVisitor;

impl<'de> Visitor<'de> for YamlVisitor {
    type Value = Yaml;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Yaml, E> {
        Ok(Yaml::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Yaml, E> {
        Ok(Yaml::Int(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Yaml, E> {
        Ok(Yaml::Int(v.into()))
    }

    fn visit_i128<E>(self, v: i128) -> Result<Yaml, E> {
        Ok(Yaml::Int(v))
    }

    fn visit_u128<E: serde::de::Error>(self, v: u128) -> Result<Yaml, E> {
        let int = i128::try_from(v).map_err(|_| E::custom("number too large"))?;
        Ok(Yaml::Int(int))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Yaml, E> {
        Ok(Yaml::Float(v))
    }

    fn visit_str<E>(self, v: &str) -> Result<Yaml, E> {
        Ok(Yaml::Str(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Yaml, E> {
        Ok(Yaml::Str(v))
    }

    fn visit_unit<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_none<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Yaml, D::Error> {
        d.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Yaml, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = seq.next_element()? {
            list.push(node);
        }
        Ok(Yaml::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Yaml, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Yaml::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Node {
        documents(text).unwrap().remove(0)
    }

    #[test]
    fn nodes_know_their_place() {
        let doc = one("title: Hällo\nsel:\n  opnum|contains:\n    - 5\n    - 'a b'\n    - \"7\"\n");
        let (key, value) = doc.get("sel").unwrap().entry("opnum|contains").unwrap();
        assert_eq!((key.at.line, key.at.column, key.at.width), (3, 3, 14));
        let Yaml::List(list) = &value.yaml else {
            panic!("{value:?}");
        };
        let values: Vec<_> = list.iter().map(|n| (n.yaml.clone(), n.at.line)).collect();
        assert_eq!(
            values,
            [
                (Yaml::Int(5), 4),
                (Yaml::Str("a b".into()), 5),
                (Yaml::Str("7".into()), 6)
            ]
        );
    }

    #[test]
    fn several_documents_and_none() {
        assert_eq!(
            documents("a: 1\n---\nb: 2\n---\n# nothing\n")
                .unwrap()
                .len(),
            2
        );
        assert!(documents("").unwrap().is_empty());
    }

    #[test]
    fn every_duplicate_key_is_found_and_bad_yaml_has_a_place() {
        let doc = one("a: 1\na: 2\nb:\n  - c: 1\n    c: 2\n");
        let mut lines = Vec::new();
        doc.duplicates(&mut |key| lines.push(key.at.line));
        assert_eq!(lines, [2, 5]);
        let (at, message) = documents("title: x: y\n").unwrap_err();
        assert_eq!((at.line, at.column), (1, 9));
        assert_eq!(
            message,
            "not YAML: mapping values are not allowed in this context"
        );
    }
}
