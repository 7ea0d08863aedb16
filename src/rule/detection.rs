//! Sigma's `detection`: named selections of fields, modifiers and values, before anything is
//! known of the events they are for.

use super::condition::{self, Expr, one_or};
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
            let mut parts = Vec::new();
            for one in all {
                if !matches!(one.yaml, Yaml::Map(_)) {
                    problems.push(
                        Problem::new(one.at, "search words without a field are not supported")
                            .help("name the field, as `- path|contains: word`"),
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
        _ => {
            let message = format!(
                "a selection should be a map of fields or a list of such maps, not {}",
                node.kind()
            );
            problems.push(Problem::new(node.at, message));
            None
        }
    }
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
    if field.is_empty() {
        problems.push(
            Problem::new(key.at, "a field's name is missing")
                .help("search words without a field are not supported"),
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
