//! Finished lines with what each of them is, so that an output can choose without reading JSON.

use std::ops::Range;

use super::types::{EventType, EventTypes};

/// Whole lines of EVE, each with its newline and its type.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    bytes: Vec<u8>,
    /// Type and end of every line, in order.
    ends: Vec<(EventType, usize)>,
}

impl Lines {
    /// Appends one line that `write` makes, or nothing if it says false.
    pub(super) fn write(&mut self, kind: EventType, write: impl FnOnce(&mut Vec<u8>) -> bool) {
        let start = self.bytes.len();
        if write(&mut self.bytes) {
            self.bytes.push(b'\n');
            self.ends.push((kind, self.bytes.len()));
        } else {
            self.bytes.truncate(start);
        }
    }

    /// Appends one line, given without its newline.
    pub fn push(&mut self, kind: EventType, line: &[u8]) {
        self.write(kind, |bytes| {
            bytes.extend_from_slice(line);
            true
        });
    }

    /// Appends some lines of another.
    pub fn append(&mut self, from: &Self, lines: Range<usize>) {
        let before = lines.start.checked_sub(1);
        let mut start = before.and_then(|n| from.ends.get(n)).map_or(0, |l| l.1);
        for (kind, end) in from.ends.get(lines).unwrap_or_default() {
            self.add(*kind, from.bytes.get(start..*end).unwrap_or_default());
            start = *end;
        }
    }

    /// Appends one line that has its newline.
    pub(super) fn add(&mut self, kind: EventType, line: &[u8]) {
        self.bytes.extend_from_slice(line);
        self.ends.push((kind, self.bytes.len()));
    }

    /// Lines with their types, each with its newline.
    pub fn iter(&self) -> impl Iterator<Item = (EventType, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        self.ends
            .iter()
            .zip(starts)
            .map(|((kind, end), start)| (*kind, self.bytes.get(start..*end).unwrap_or_default()))
    }

    /// Number of lines.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All lines as they are written.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets the lines and keeps the room.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Bytes that stay allocated.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// True if every line's type is selected.
    pub(super) fn all_of(&self, types: EventTypes) -> bool {
        self.ends.iter().all(|(kind, _)| types.has(*kind))
    }

    /// Appends everything of another.
    pub(super) fn append_all(&mut self, from: &Self) {
        let base = self.bytes.len();
        self.bytes.extend_from_slice(&from.bytes);
        let moved = from.ends.iter();
        self.ends
            .extend(moved.map(|(kind, end)| (*kind, base.saturating_add(*end))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_type_and_their_place() {
        let mut a = Lines::default();
        a.push(EventType::Alert, b"{1}");
        a.push(EventType::Dns, b"{2}");
        a.write(EventType::Dns, |bytes| {
            bytes.extend_from_slice(b"half a li");
            false
        });
        let mut b = Lines::default();
        b.push(EventType::Stats, b"{0}");
        b.append(&a, 1..2);
        b.append_all(&a);
        let seen: Vec<_> = b.iter().collect();
        assert_eq!(
            seen,
            [
                (EventType::Stats, &b"{0}\n"[..]),
                (EventType::Dns, b"{2}\n"),
                (EventType::Alert, b"{1}\n"),
                (EventType::Dns, b"{2}\n"),
            ]
        );
        assert_eq!(b.bytes(), b"{0}\n{2}\n{1}\n{2}\n");
        assert!(a.all_of(EventTypes::ALL) && !a.all_of("alert".parse().unwrap()));
        b.clear();
        assert!(b.is_empty() && b.iter().next().is_none());
    }
}
