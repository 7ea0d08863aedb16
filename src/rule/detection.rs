//! Sigma's `detection`: named selections of fields, modifiers and values, before anything is
//! known of the events they are for.

use super::condition::{self, Expr, one_or};
use super::encode::{Base64, Encode, Utf16};
use super::error::{Problem, list};
use super::yaml::{Node, Pos, Yaml};

/// The tests of a rule, joined by its condition.
#[derive(Clone, Debug)]
pub(super) struct Detection {
    /// Every test of every selection, as written.
    pub(super) items: Vec<Item>,
    /// How they are joined; leaves are indices of `items`.
    pub(super) expr: Expr<usize>,
}

/// One line of a selection: `field|modifier: values`.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Empty for search words: any field.
    pub(super) field: String,
    pub(super) at: Pos,
    pub(super) modifiers: Modifiers,
    /// At least one.
    pub(super) values: Vec<Node>,
}

/// What the modifiers of a field come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Modifiers {
    pub(super) how: How,
    /// Every value must fit, not one of them.
    pub(super) all: bool,
    /// Letter case matters.
    pub(super) cased: bool,
    /// None of the values may fit.
    pub(super) neq: bool,
    /// The values name fields of the same event.
    pub(super) fieldref: bool,
    /// What is done to a value before.
    pub(super) encode: Encode,
}

impl Modifiers {
    /// What cannot go together.
    fn check(self, field: &str) -> Result<(), &'static str> {
        let plain = matches!(
            self.how,
            How::Equals | How::Contains | How::StartsWith | How::EndsWith
        );
        let encoded = self.encode != Encode::default();
        if self.encode.utf16.is_some() && self.encode.base64.is_none() {
            Err("`utf16` and `wide` are for `base64`: texts of events are decoded already")
        } else if encoded && !plain {
            Err("`windash` and `base64` are for text, compared whole or in part")
        } else if self.fieldref && (!plain || encoded) {
            Err("`fieldref` goes with `contains`, `startswith`, `endswith`, `cased` and `neq`")
        } else if field.is_empty()
            && !matches!(self.how, How::Equals | How::Contains | How::Regex(_))
        {
            Err(
                "search words in any field are found wherever they stand: only `all`, `cased`, `re`",
            )
        } else {
            Ok(())
        }
    }
}

impl Item {
    /// Every field that an event must have for this line, with its place.
    pub(super) fn needs(&self) -> impl Iterator<Item = (&str, Pos)> {
        let own = (!self.field.is_empty()).then_some((self.field.as_str(), self.at));
        let others = self
            .values
            .iter()
            .filter(|_| self.modifiers.fieldref)
            .filter_map(|v| Some((v.text()?, v.at)));
        own.into_iter().chain(others)
    }
}

/// How a field is compared with a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum How {
    #[default]
    Equals,
    Contains,
    StartsWith,
    EndsWith,
    Regex(Flags),
    Cidr,
    Compare(Compare),
    Exists,
}

/// Flags of a regular expression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    pub(super) ignore_case: bool,
    pub(super) multi_line: bool,
    pub(super) dot_all: bool,
}

/// A comparison of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    Equal,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
}

/// Every modifier we have.
const MODIFIERS: &[&str] = &[
    "contains",
    "startswith",
    "endswith",
    "all",
    "re",
    "i",
    "m",
    "s",
    "cidr",
    "gt",
    "gte",
    "lt",
    "lte",
    "exists",
    "cased",
    "neq",
    "fieldref",
    "windash",
    "base64",
    "base64offset",
    "utf16",
    "utf16le",
    "utf16be",
    "wide",
];

/// Reads the `detection` of a rule. Problems go to `problems`; what is returned then has the lines
/// that could be read, so that they are checked as well.
pub(super) fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Detection> {
    let Yaml::Map(entries) = &node.yaml else {
        let message = format!("`detection` should be a map, not {}", node.kind());
        problems.push(Problem::new(node.at, message));
        return None;
    };
    let mut items = Vec::new();
    let mut selections: Vec<(&str, Expr<usize>)> = Vec::new();
    for (key, value) in entries {
        match key.text() {
            Some("condition") => {}
            Some("timeframe") => problems.push(
                Problem::new(key.at, "`timeframe` is not supported")
                    .help("Sigma replaced it by correlation rules"),
            ),
            Some(name) => {
                let expr = selection(value, &mut items, problems);
                selections.push((name, expr.unwrap_or(Expr::Any(Vec::new()))));
            }
            None => {
                let message = format!("a selection's name should be text, not {}", key.kind());
                problems.push(Problem::new(key.at, message).help("put it in quotes"));
            }
        }
    }
    let expr = match node.entry("condition") {
        Some((key, value)) => joined(key, value, &selections, problems),
        None => {
            problems.push(
                Problem::new(node.at, "`condition` is missing")
                    .help("it says which selections must match, as `condition: selection`"),
            );
            Expr::Any(Vec::new())
        }
    };
    Some(Detection { items, expr })
}

/// The selections as the condition, or each condition of a list, joins them.
fn joined(
    key: &Node,
    value: &Node,
    selections: &[(&str, Expr<usize>)],
    problems: &mut Vec<Problem>,
) -> Expr<usize> {
    let names: Vec<&str> = selections.iter().map(|(name, _)| *name).collect();
    let conditions = match &value.yaml {
        Yaml::List(several) => several.as_slice(),
        _ => std::slice::from_ref(value),
    };
    let mut parts = Vec::new();
    for condition in conditions {
        let Some(text) = condition.text() else {
            let message = format!("`condition` should be text, not {}", condition.kind());
            problems.push(Problem::new(condition.at, message));
            continue;
        };
        match condition::parse(text, inner(condition, text), &names) {
            Ok(expr) => parts.push(expr),
            Err(problem) => problems.push(problem),
        }
    }
    if conditions.is_empty() {
        problems.push(Problem::new(key.at, "`condition` is empty"));
    }
    one_or(parts, Expr::Any).map(&mut |index: &usize| {
        selections
            .get(*index)
            .map_or(Expr::Any(Vec::new()), |(_, expr)| expr.clone())
    })
}

/// Where the text of a scalar begins: behind its quote, if it has one.
fn inner(node: &Node, text: &str) -> Pos {
    let chars = text.chars().count();
    let quoted = usize::from(node.at.width as usize == chars + 2);
    node.at.inside(quoted, chars)
}

fn selection(
    node: &Node,
    items: &mut Vec<Item>,
    problems: &mut Vec<Problem>,
) -> Option<Expr<usize>> {
    match &node.yaml {
        Yaml::Map(entries) if !entries.is_empty() => {
            let mut parts = Vec::new();
            for (key, value) in entries {
                if let Some(item) = item(key, value, problems) {
                    parts.push(Expr::Is(items.len()));
                    items.push(item);
                }
            }
            (parts.len() == entries.len()).then(|| one_or(parts, Expr::All))
        }
        Yaml::List(all) if !all.is_empty() => {
            let words = |n: &Node| !matches!(n.yaml, Yaml::Map(_) | Yaml::List(_));
            if all.iter().all(words) {
                return Some(keywords(node, all, items));
            }
            let mut parts = Vec::new();
            for one in all {
                if !matches!(one.yaml, Yaml::Map(_)) {
                    problems.push(
                        Problem::new(one.at, "a search word among maps of fields")
                            .help("a list has either; give the words a selection of their own"),
                    );
                    return None;
                }
                parts.extend(selection(one, items, problems));
            }
            (parts.len() == all.len()).then(|| one_or(parts, Expr::Any))
        }
        Yaml::Map(_) | Yaml::List(_) => {
            problems.push(Problem::new(node.at, "a selection may not be empty"));
            None
        }
        Yaml::Str(_) => Some(keywords(node, std::slice::from_ref(node), items)),
        _ => {
            let message = format!(
                "a selection should be a map of fields, a list of such maps, or search words, not {}",
                node.kind()
            );
            problems.push(Problem::new(node.at, message));
            None
        }
    }
}

/// Words, one of which must stand in any field.
fn keywords(node: &Node, words: &[Node], items: &mut Vec<Item>) -> Expr<usize> {
    items.push(Item {
        field: String::new(),
        at: node.at,
        modifiers: Modifiers::default(),
        values: words.to_vec(),
    });
    Expr::Is(items.len() - 1)
}

fn item(key: &Node, value: &Node, problems: &mut Vec<Problem>) -> Option<Item> {
    let Some(text) = key.text() else {
        let message = format!("a field's name should be text, not {}", key.kind());
        problems.push(Problem::new(key.at, message));
        return None;
    };
    let start = inner(key, text);
    let mut words = text.split('|');
    let field = words.next().unwrap_or_default();
    let at = start.inside(0, field.chars().count());
    let mut offset = field.chars().count() + 1;
    let mut modifiers = Modifiers::default();
    let mut how: Option<(How, &str)> = None;
    let mut fine = true;
    for word in words {
        let width = word.chars().count();
        let here = start.inside(offset, width);
        offset += width + 1;
        if let Err(problem) = modifier(word, here, &mut modifiers, &mut how) {
            problems.push(problem);
            fine = false;
        }
    }
    if field.is_empty() && !text.starts_with('|') {
        problems.push(
            Problem::new(key.at, "a field's name is missing")
                .help("for words in any field write a list, or `'|all':` with one"),
        );
        return None;
    }
    let values = match &value.yaml {
        Yaml::List(several) => several.clone(),
        _ => vec![value.clone()],
    };
    if values.is_empty() {
        problems.push(Problem::new(value.at, "this list of values is empty"));
        return None;
    }
    for v in &values {
        if matches!(v.yaml, Yaml::List(_) | Yaml::Map(_)) {
            let message = format!("a value should be text or a number, not {}", v.kind());
            problems.push(Problem::new(v.at, message));
            fine = false;
        }
    }
    if let Err(message) = modifiers.check(field) {
        problems.push(Problem::new(start.inside(0, text.chars().count()), message));
        fine = false;
    }
    if modifiers.fieldref {
        for v in values.iter().filter(|v| v.text().is_none()) {
            problems.push(Problem::new(v.at, "`fieldref` needs the name of a field"));
            fine = false;
        }
    }
    if modifiers.all && values.len() == 1 {
        problems.push(
            Problem::new(at, "`all` needs a list of values").help("drop it for a single value"),
        );
        fine = false;
    }
    fine.then(|| Item {
        field: field.to_owned(),
        at,
        modifiers,
        values,
    })
}

fn modifier<'a>(
    word: &'a str,
    at: Pos,
    to: &mut Modifiers,
    how: &mut Option<(How, &'a str)>,
) -> Result<(), Problem> {
    let new = match word {
        "contains" => How::Contains,
        "startswith" => How::StartsWith,
        "endswith" => How::EndsWith,
        "re" => How::Regex(Flags::default()),
        "cidr" => How::Cidr,
        "gt" => How::Compare(Compare::Greater),
        "gte" => How::Compare(Compare::GreaterEqual),
        "lt" => How::Compare(Compare::Less),
        "lte" => How::Compare(Compare::LessEqual),
        "exists" => How::Exists,
        "all" => {
            to.all = true;
            return Ok(());
        }
        "cased" => {
            to.cased = true;
            return Ok(());
        }
        "neq" => {
            to.neq = true;
            return Ok(());
        }
        "fieldref" => {
            to.fieldref = true;
            return Ok(());
        }
        "windash" => {
            to.encode.windash = true;
            return Ok(());
        }
        "utf16" | "utf16le" | "utf16be" | "wide" => {
            to.encode.utf16 = Some(match word {
                "utf16be" => Utf16::Big,
                "utf16" => Utf16::Marked,
                _ => Utf16::Little,
            });
            return Ok(());
        }
        "base64" | "base64offset" => {
            to.encode.base64 = Some(match word {
                "base64" => Base64::Whole,
                _ => Base64::Offset,
            });
            return Ok(());
        }
        "expand" => {
            return Err(Problem::new(at, "`expand` (placeholders) is not supported")
                .help("write the values out; lists of hosts belong in the configuration"));
        }
        "minute" | "hour" | "day" | "week" | "month" | "year" => {
            let message = format!("`{word}` is a part of a date, and no field holds one");
            return Err(Problem::new(at, message).help(
                "for rules that rest at times use `suppress` with `hours` in the configuration",
            ));
        }
        "i" | "m" | "s" => {
            let How::Regex(flags) = &mut to.how else {
                let message = format!("`{word}` is a flag of `re` and must follow it");
                return Err(Problem::new(at, message));
            };
            match word {
                "i" => flags.ignore_case = true,
                "m" => flags.multi_line = true,
                _ => flags.dot_all = true,
            }
            return Ok(());
        }
        other => {
            return Err(Problem::new(at, format!("unknown modifier `{other}`"))
                .label(format!("there are: {}", list(MODIFIERS.iter().copied())))
                .suggest(other, MODIFIERS.iter().copied()));
        }
    };
    if let Some((_, first)) = how {
        let message = format!("`{first}` and `{word}` do not go together");
        return Err(Problem::new(at, message));
    }
    *how = Some((new, word));
    to.how = new;
    Ok(())
}
