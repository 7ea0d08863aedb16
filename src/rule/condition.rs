//! Sigma's `condition`: selections joined by and, or, not, and `1 of`.

use super::error::{Problem, list};
use super::pattern::{Pattern, Place};
use super::yaml::Pos;

/// A condition, or a part of it. Leaves are selections first and tests once compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expr<T> {
    All(Vec<Expr<T>>),
    Any(Vec<Expr<T>>),
    Not(Box<Expr<T>>),
    Is(T),
}

impl<T> Expr<T> {
    /// The same shape with other leaves.
    pub(super) fn map<U>(&self, leaf: &mut impl FnMut(&T) -> Expr<U>) -> Expr<U> {
        match self {
            Self::All(parts) => Expr::All(parts.iter().map(|p| p.map(leaf)).collect()),
            Self::Any(parts) => Expr::Any(parts.iter().map(|p| p.map(leaf)).collect()),
            Self::Not(part) => Expr::Not(Box::new(part.map(leaf))),
            Self::Is(t) => leaf(t),
        }
    }

    /// Its value, given that of the leaves.
    pub(super) fn eval(&self, leaf: &mut impl FnMut(&T) -> bool) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|p| p.eval(leaf)),
            Self::Any(parts) => parts.iter().any(|p| p.eval(leaf)),
            Self::Not(part) => !part.eval(leaf),
            Self::Is(t) => leaf(t),
        }
    }
}

/// Parentheses and `not` one inside the other: far more than a person writes, far less than the
/// stack holds.
const DEPTH: usize = 64;

/// Parses a condition over selections of these names; leaves are their indices.
///
/// ```text
/// or    ::= and ("or" and)*
/// and   ::= not ("and" not)*
/// not   ::= "not" not | "(" or ")" | ("1" | "any" | "all") "of" ("them" | PATTERN) | NAME
/// ```
pub(super) fn parse(text: &str, at: Pos, names: &[&str]) -> Result<Expr<usize>, Problem> {
    let tokens = tokens(text, at);
    let end = at.inside(text.chars().count(), 1);
    let mut parser = Parser {
        tokens: &tokens,
        next: 0,
        end,
        names,
    };
    if let Some(pipe) = tokens.iter().find(|t| t.word == "|") {
        return Err(
            Problem::new(pipe.at, "aggregation in a condition is not supported")
                .help("Sigma replaced it by correlation rules"),
        );
    }
    let expr = parser.or(0)?;
    match parser.peek() {
        None => Ok(expr),
        Some(")") => Err(Problem::new(
            parser.at(),
            "this parenthesis was never opened",
        )),
        Some(word) => {
            let message = format!("`and` or `or` is missing before `{word}`");
            Err(Problem::new(parser.at(), message))
        }
    }
}

struct Token<'a> {
    word: &'a str,
    at: Pos,
}

/// Words, and each parenthesis and bar alone.
fn tokens(text: &str, at: Pos) -> Vec<Token<'_>> {
    let mut out: Vec<Token<'_>> = Vec::new();
    let mut start: Option<(usize, usize)> = None;
    let ends = text
        .char_indices()
        .chain(std::iter::once((text.len(), ' ')));
    for (nth, (byte, c)) in ends.enumerate() {
        let alone = matches!(c, '(' | ')' | '|');
        if alone || c.is_whitespace() {
            if let Some((first, from)) = start.take() {
                let word = text.get(first..byte).unwrap_or_default();
                let at = at.inside(from, nth - from);
                out.push(Token { word, at });
            }
            if alone {
                let word = text.get(byte..byte + 1).unwrap_or_default();
                let at = at.inside(nth, 1);
                out.push(Token { word, at });
            }
        } else if start.is_none() {
            start = Some((byte, nth));
        }
    }
    out
}

struct Parser<'a> {
    tokens: &'a [Token<'a>],
    next: usize,
    end: Pos,
    names: &'a [&'a str],
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.next).map(|t| t.word)
    }

    fn at(&self) -> Pos {
        self.tokens.get(self.next).map_or(self.end, |t| t.at)
    }

    fn take(&mut self, keyword: &str) -> bool {
        let fits = self.peek().is_some_and(|w| w.eq_ignore_ascii_case(keyword));
        self.next += usize::from(fits);
        fits
    }

    fn or(&mut self, depth: usize) -> Result<Expr<usize>, Problem> {
        let mut parts = vec![self.and(depth)?];
        while self.take("or") {
            parts.push(self.and(depth)?);
        }
        Ok(one_or(parts, Expr::Any))
    }

    fn and(&mut self, depth: usize) -> Result<Expr<usize>, Problem> {
        let mut parts = vec![self.not(depth)?];
        while self.take("and") {
            parts.push(self.not(depth)?);
        }
        Ok(one_or(parts, Expr::All))
    }

    fn not(&mut self, depth: usize) -> Result<Expr<usize>, Problem> {
        let at = self.at();
        if depth > DEPTH {
            return Err(Problem::new(at, "too deeply nested"));
        }
        if self.take("not") {
            return Ok(Expr::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.take("(") {
            let inner = self.or(depth + 1)?;
            if !self.take(")") {
                return Err(Problem::new(at, "this parenthesis is never closed"));
            }
            return Ok(inner);
        }
        let Some(word) = self.peek() else {
            return Err(Problem::new(
                at,
                "the condition ends where a selection should follow",
            ));
        };
        if matches!(word, ")" | "and" | "or" | "of" | "them") {
            let message = format!("a selection should stand here, not `{word}`");
            return Err(Problem::new(at, message));
        }
        self.next += 1;
        if self.take("of") {
            return self.quantified(word, at);
        }
        match self.names.iter().position(|n| *n == word) {
            Some(index) => Ok(Expr::Is(index)),
            None => Err(self.unknown(word, at)),
        }
    }

    fn quantified(&mut self, count: &str, at: Pos) -> Result<Expr<usize>, Problem> {
        let join = match count {
            "1" | "any" => Expr::Any,
            "all" => Expr::All,
            other => {
                let message = format!("`{other} of` is not Sigma");
                return Err(Problem::new(at, message).help("use `1 of` or `all of`"));
            }
        };
        let at = self.at();
        let Some(word) = self.peek() else {
            let message = "`of` needs `them` or the beginning of selection names, as `sel_*`";
            return Err(Problem::new(at, message));
        };
        self.next += 1;
        // Names that begin with `_` are for use by name only.
        let pattern = match word {
            "them" => Pattern::Any,
            name => Pattern::new(name, Place::Whole, false),
        };
        let parts: Vec<Expr<usize>> = self
            .names
            .iter()
            .enumerate()
            .filter(|(_, n)| !n.starts_with('_') || *n == &word)
            .filter(|(_, n)| pattern.matches(n))
            .map(|(index, _)| Expr::Is(index))
            .collect();
        if parts.is_empty() {
            return Err(self.unknown(word, at));
        }
        Ok(one_or(parts, join))
    }

    fn unknown(&self, word: &str, at: Pos) -> Problem {
        Problem::new(at, format!("no selection is named `{word}`"))
            .label(format!("there are: {}", list(self.names.iter().copied())))
            .suggest(word, self.names.iter().copied())
    }
}

/// A list of one needs no list.
pub(super) fn one_or<T>(mut parts: Vec<Expr<T>>, join: fn(Vec<Expr<T>>) -> Expr<T>) -> Expr<T> {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            join(parts)
        }
        None => join(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["a", "b", "c", "sel_1", "sel_2", "_hidden"];

    /// The parsed condition with every parenthesis written.
    fn shown(text: &str) -> String {
        fn show(e: &Expr<usize>) -> String {
            let join = |parts: &[Expr<usize>], with: &str| {
                let all: Vec<String> = parts.iter().map(show).collect();
                format!("({})", all.join(with))
            };
            match e {
                Expr::All(parts) => join(parts, " & "),
                Expr::Any(parts) => join(parts, " | "),
                Expr::Not(part) => format!("!{}", show(part)),
                Expr::Is(i) => NAMES[*i].to_owned(),
            }
        }
        match parse(text, Pos::default(), NAMES) {
            Ok(e) => show(&e),
            Err(p) => format!("{} @{}", p.message, p.at.column),
        }
    }

    #[test]
    fn not_binds_closer_than_and_closer_than_or() {
        for (text, want) in [
            ("a", "a"),
            ("a or b and c", "(a | (b & c))"),
            ("a and b or c", "((a & b) | c)"),
            ("not a and b", "(!a & b)"),
            ("not (a and b)", "!(a & b)"),
            ("not not a", "!!a"),
            ("(a or b) and not c", "((a | b) & !c)"),
            ("A", "no selection is named `A` @0"),
            ("a AND b OR NOT c", "((a & b) | !c)"),
            ("1 of sel_*", "(sel_1 | sel_2)"),
            ("all of sel_*", "(sel_1 & sel_2)"),
            ("a and 1 of sel_*", "(a & (sel_1 | sel_2))"),
            ("1 of them", "(a | b | c | sel_1 | sel_2)"),
            ("all of them", "(a & b & c & sel_1 & sel_2)"),
            ("any of a*", "a"),
            ("not 1 of sel_*", "!(sel_1 | sel_2)"),
            ("_hidden and a", "(_hidden & a)"),
            ("(a)and(b)", "(a & b)"),
        ] {
            assert_eq!(shown(text), want, "{text}");
        }
    }

    #[test]
    fn mistakes_are_named_and_placed() {
        for (text, want) in [
            ("", "the condition ends where a selection should follow @0"),
            (
                "a and",
                "the condition ends where a selection should follow @5",
            ),
            ("a b", "`and` or `or` is missing before `b` @2"),
            ("(a or b", "this parenthesis is never closed @0"),
            ("a or b)", "this parenthesis was never opened @6"),
            ("or a", "a selection should stand here, not `or` @0"),
            ("a and selx", "no selection is named `selx` @6"),
            ("1 of x*", "no selection is named `x*` @5"),
            ("3 of them", "`3 of` is not Sigma @0"),
            (
                "a | count() > 5",
                "aggregation in a condition is not supported @2",
            ),
        ] {
            assert_eq!(shown(text), want, "{text}");
        }
        let deep = "(".repeat(100_000);
        assert!(shown(&deep).starts_with("too deeply nested"));
    }
}
