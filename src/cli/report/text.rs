//! Text that somebody on the wire may have chosen: cut to a length, and shown so that it can do nothing.

use std::fmt::{self, Write as _};

use maud::{Escaper, Render};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// Characters kept of one text. Evidence of the sensor's own is shorter.
const KEPT: usize = 600;

/// Items kept of one list. The sensor writes at most 16.
const ITEMS: usize = 32;

/// A text of an EVE line, cut to [`KEPT`] characters. The rest is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Text {
    kept: Box<str>,
    cut: usize,
}

impl Text {
    pub(super) fn new(text: &str) -> Self {
        // A text has at least as many bytes as characters.
        let end = if text.len() > KEPT {
            text.char_indices().nth(KEPT)
        } else {
            None
        };
        let (kept, rest) = text.split_at(end.map_or(text.len(), |(at, _)| at));
        Self {
            kept: kept.into(),
            cut: rest.chars().count(),
        }
    }

    /// As it came, up to the cut. For comparing, not for showing.
    pub(super) fn raw(&self) -> &str {
        &self.kept
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// As it may be shown: what is invisible or moves other text is named instead.
    pub(super) fn plain(&self) -> String {
        let mut out = String::with_capacity(self.kept.len());
        for c in self.kept.chars() {
            if is_hidden(c) {
                // Writing to a String cannot fail.
                let _ = write!(out, "\u{27e8}U+{:04X}\u{27e9}", u32::from(c));
            } else {
                out.push(c);
            }
        }
        if self.cut > 0 {
            let _ = write!(out, "\u{2026} [{} more characters]", self.cut);
        }
        out
    }

    /// The same in at most `most` characters, for sentences and pictures. What is written from right to left is
    /// set apart (UAX #9, FSI and PDI), so that it does not turn the words around it.
    pub(super) fn short(&self, most: usize) -> String {
        let text = shorten(&self.plain(), most);
        if text.chars().any(is_right_to_left) {
            return format!("\u{2068}{text}\u{2069}");
        }
        text
    }
}

/// `text` in at most `most` characters, with an ellipsis if it is longer.
pub(super) fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(most.saturating_sub(1)).collect();
    out.push('\u{2026}');
    out
}

/// Controls, and characters without a shape of their own that hide text or change its order: bidirectional
/// controls, joiners and spaces of no width, line and paragraph separators, tags (Unicode 15, chapter 23).
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0x00ad | 0x034f | 0x061c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f
            | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f
            | 0xfeff | 0xffa0 | 0xfff9..=0xfffb | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

/// Blocks of scripts that are written from right to left, Hebrew to Arabic Extended and the historic ones.
fn is_right_to_left(c: char) -> bool {
    matches!(u32::from(c), 0x0590..=0x08ff | 0xfb1d..=0xfdff | 0xfe70..=0xfefe | 0x10800..=0x10fff | 0x1e800..=0x1efff)
}

/// Escaped, and set apart from the direction of the text around it.
impl Render for Text {
    fn render_to(&self, w: &mut String) {
        w.push_str("<bdi>");
        let _ = Escaper::new(w).write_str(&self.plain());
        w.push_str("</bdi>");
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Cut;
        impl Visitor<'_> for Cut {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text::new(text))
            }
        }
        d.deserialize_str(Cut)
    }
}

/// A list of an EVE line, cut to [`ITEMS`]. The rest is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct List<T> {
    pub kept: Vec<T>,
    pub cut: usize,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self {
            kept: Vec::new(),
            cut: 0,
        }
    }
}

impl<T: PartialEq + Clone> List<T> {
    /// Adds what is not there yet.
    pub(super) fn join(&mut self, other: &Self) {
        self.cut = self.cut.max(other.cut);
        for item in &other.kept {
            if !self.kept.contains(item) {
                if self.kept.len() < ITEMS {
                    self.kept.push(item.clone());
                } else {
                    self.cut = self.cut.saturating_add(1);
                }
            }
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Cut<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Cut<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<T>, A::Error> {
                let mut list = List::default();
                while let Some(item) = seq.next_element()? {
                    if list.kept.len() < ITEMS {
                        list.kept.push(item);
                    } else {
                        list.cut = list.cut.saturating_add(1);
                    }
                }
                Ok(list)
            }
        }
        d.deserialize_seq(Cut(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hides_and_nothing_is_markup() {
        let text = Text::new("<b>\"'&\u{202e}gpj\u{7}\u{200b}");
        assert_eq!(
            text.render().into_string(),
            "<bdi>&lt;b&gt;&quot;'&amp;\u{27e8}U+202E\u{27e9}gpj\u{27e8}U+0007\u{27e9}\u{27e8}U+200B\u{27e9}</bdi>"
        );
    }

    #[test]
    fn long_texts_and_lists_are_cut_and_the_rest_is_counted() {
        let long = Text::new(&"\u{e4}".repeat(100_000));
        assert!(long.plain().ends_with("[99400 more characters]"));
        assert!(long.plain().chars().count() < KEPT + 40);
        assert_eq!(long.short(5).chars().count(), 5);
        let list: List<u32> = serde_json::from_str(&format!("[{}1]", "1,".repeat(99))).unwrap();
        assert_eq!((list.kept.len(), list.cut), (ITEMS, 100 - ITEMS));
    }
}
