//! Text patterns: Sigma's wildcards, made into the cheapest test that does the same.

use memchr::memmem::Finder;

/// A compiled text test. Letter case is the caller's business: both sides as they are, or both
/// through [`fold`].
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    /// The whole text.
    Equals(Box<str>),
    /// Its beginning.
    Starts(Box<str>),
    /// Its end.
    Ends(Box<str>),
    /// Anywhere in it.
    Contains(Box<Finder<'static>>),
    /// Anything at all.
    Any,
    /// Wildcards in other places.
    Glob(Box<[Piece]>),
}

/// A piece of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// This character.
    Char(char),
    /// `?`: any one character.
    One,
    /// `*`: any number of characters.
    Many,
}

/// Where in the text a value must stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Whole,
    Start,
    End,
    Anywhere,
}

/// Splits a Sigma value at its wildcards.
///
/// A backslash takes the meaning from `*`, `?` and `\` and is itself anywhere else, so that paths
/// can be written as they are: `\\srv\share`, `C:\dir\\*`.
pub(super) fn pieces(value: &str) -> Vec<Piece> {
    let mut out = Vec::with_capacity(value.len());
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(match c {
            '*' => Piece::Many,
            '?' => Piece::One,
            '\\' => match chars.next_if(|n| matches!(n, '*' | '?' | '\\')) {
                Some(escaped) => Piece::Char(escaped),
                None => Piece::Char('\\'),
            },
            other => Piece::Char(other),
        });
    }
    out
}

/// The text of pieces that have no wildcard.
pub(super) fn literal(pieces: &[Piece]) -> Option<String> {
    pieces
        .iter()
        .map(|p| match p {
            Piece::Char(c) => Some(*c),
            _ => None,
        })
        .collect()
}

/// Lower case, character by character: no allocation, and the same for rules and events.
pub(super) fn fold(c: char) -> impl Iterator<Item = char> {
    c.to_lowercase()
}

impl Pattern {
    /// Compiles a value. With `folded`, texts are expected through [`fold`].
    pub(super) fn new(value: &str, place: Place, folded: bool) -> Self {
        let mut all = Vec::new();
        if matches!(place, Place::End | Place::Anywhere) {
            all.push(Piece::Many);
        }
        all.extend(pieces(value));
        if matches!(place, Place::Start | Place::Anywhere) {
            all.push(Piece::Many);
        }
        all.dedup_by(|a, b| *a == Piece::Many && *b == Piece::Many);
        if folded {
            all = all
                .into_iter()
                .flat_map(|p| {
                    let (wild, chars) = match p {
                        Piece::Char(c) => (None, Some(fold(c).map(Piece::Char))),
                        other => (Some(other), None),
                    };
                    wild.into_iter().chain(chars.into_iter().flatten())
                })
                .collect();
        }
        let (head, tail) = (
            all.first() == Some(&Piece::Many),
            all.len() > 1 && all.last() == Some(&Piece::Many),
        );
        let middle = all
            .get(usize::from(head)..all.len() - usize::from(tail))
            .unwrap_or_default();
        match (head, literal(middle), tail) {
            (true, Some(text), _) if text.is_empty() => Self::Any,
            (false, Some(text), false) => Self::Equals(text.into()),
            (false, Some(text), true) => Self::Starts(text.into()),
            (true, Some(text), false) => Self::Ends(text.into()),
            (true, Some(text), true) => {
                Self::Contains(Box::new(Finder::new(text.as_bytes()).into_owned()))
            }
            (_, None, _) => Self::Glob(all.into()),
        }
    }

    /// True if the text fits.
    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Equals(want) => text == &**want,
            Self::Starts(want) => text.starts_with(&**want),
            Self::Ends(want) => text.ends_with(&**want),
            Self::Contains(finder) => finder.find(text.as_bytes()).is_some(),
            Self::Any => true,
            Self::Glob(pieces) => glob(pieces, text),
        }
    }
}

/// Matches without recursion: after a mismatch only the newest `*` takes one character more, so
/// the cost is at most pattern times text, whatever a peer sends.
fn glob(pieces: &[Piece], text: &str) -> bool {
    let mut rest = text.chars();
    let mut at = 0;
    // Where to go on after a mismatch: behind the star, and the text that it has not taken.
    let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        let piece = pieces.get(at).copied();
        if piece == Some(Piece::Many) {
            at += 1;
            retry = Some((at, rest.clone()));
            continue;
        }
        let mut after = rest.clone();
        let fits = match (piece, after.next()) {
            (None, None) => return true,
            (Some(Piece::One), Some(_)) => true,
            (Some(Piece::Char(want)), Some(c)) => want == c,
            (Some(_), None) => return false,
            _ => false,
        };
        if fits {
            at += 1;
            rest = after;
        } else if let Some((behind, untaken)) = &mut retry {
            if untaken.next().is_none() {
                return false;
            }
            at = *behind;
            rest = untaken.clone();
        } else {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fits(value: &str, text: &str) -> bool {
        Pattern::new(value, Place::Whole, false).matches(text)
    }

    #[test]
    fn wildcards_and_their_escapes() {
        for (value, text, want) in [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("*b*", "abc", true),
            ("*", "", true),
            ("**", "x", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("?", "ä", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b?c", "axbxbyc", true),
            ("*?", "", false),
            ("a*b", "a-b-c", false),
            (r"\*", "*", true),
            (r"\*", "x", false),
            (r"\?x", "?x", true),
            (r"\\*", r"\anything", true),
            (r"\\*", "anything", false),
            (r"\\\*", r"\*", true),
            (r"\\\*", r"\x", false),
            (r"C:\dir\file", r"C:\dir\file", true),
            (r"C:\\dir", r"C:\dir", true),
            (r"\\\\srv\x", r"\\srv\x", true),
            (r"dir\", r"dir\", true),
        ] {
            assert_eq!(fits(value, text), want, "{value} on {text}");
        }
    }

    #[test]
    fn places_and_case() {
        let p = |v, place| Pattern::new(v, place, true);
        assert!(p("ÄB", Place::Start).matches("äbc"));
        assert!(p("BC", Place::End).matches("abc"));
        assert!(p("B", Place::Anywhere).matches("abc"));
        assert!(p("b*d", Place::Anywhere).matches("abcde"));
        assert!(!p("b*d", Place::Start).matches("abcde"));
        assert!(matches!(p("B", Place::Anywhere), Pattern::Contains(_)));
        assert!(matches!(p("*b*", Place::Whole), Pattern::Contains(_)));
        assert!(matches!(p("***", Place::Whole), Pattern::Any));
    }

    /// The definition, slow and plain.
    fn reference(pieces: &[Piece], text: &[char]) -> bool {
        match (pieces.split_first(), text.split_first()) {
            (None, None) => true,
            (None, Some(_)) => false,
            (Some((Piece::Many, more)), t) => {
                reference(more, text) || t.is_some_and(|(_, t)| reference(pieces, t))
            }
            (Some((Piece::One, more)), Some((_, t))) => reference(more, t),
            (Some((Piece::Char(c), more)), Some((x, t))) => c == x && reference(more, t),
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn any_pattern_equals_the_definition(value in r"[ab*?\\]{0,8}", text in r"[ab*\\]{0,8}") {
            let chars: Vec<char> = text.chars().collect();
            prop_assert_eq!(fits(&value, &text), reference(&pieces(&value), &chars));
        }
    }
}
