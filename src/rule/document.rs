//! One Sigma document: who it is, what it is for, and its detection.

use super::correlation;
use super::detection::{self, Detection};
use super::error::{Problem, list, nearest};
use super::yaml::{Node, Pos, Yaml};
use super::zeek;
use crate::event::{EventSchema, Level, SCHEMAS, Signature};
use crate::wire::Guid;

/// `logsource.product` of rules that are for us.
const PRODUCT: &str = "relaywatch";

/// Services that select findings, by their `kind`.
const KINDS: &[&str] = &[
    "relay",
    "coercion",
    "callback",
    "recon",
    "poisoning",
    "identity",
    "action",
];

/// Keys of a rule that mean something here or in Sigma. Others are the author's own.
const KEYS: &[&str] = &[
    "title",
    "id",
    "related",
    "name",
    "taxonomy",
    "status",
    "description",
    "license",
    "author",
    "references",
    "date",
    "modified",
    "logsource",
    "detection",
    "correlation",
    "fields",
    "falsepositives",
    "level",
    "tags",
    "scope",
    "sid",
    "rev",
    "detector",
];

const STATUS: &[&str] = &[
    "stable",
    "test",
    "experimental",
    "deprecated",
    "unsupported",
];

/// A document that is not ours to run, or not any more.
pub(super) struct Skip {
    pub(super) title: String,
    pub(super) reason: String,
}

/// A document that is a rule for us. Incomplete if it has problems.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) at: Pos,
    /// Without `gid`, and `sid` 0 if the rule has none.
    pub(super) signature: Signature,
    pub(super) status: String,
    pub(super) id: Option<(Guid, Pos)>,
    pub(super) sid: Option<(u32, Pos)>,
    /// Rules that this one takes the place of (`related`, type `obsoletes`).
    pub(super) obsoletes: Vec<Guid>,
    /// As written, for lists.
    pub(super) service: String,
    /// The `kind` of finding that it selects.
    pub(super) kind: Option<&'static str>,
    /// The events that it may be for.
    pub(super) schemas: Vec<&'static EventSchema>,
    pub(super) detection: Option<Detection>,
    /// Sigma `name`, by which correlations refer to it.
    pub(super) name: String,
    /// It has this instead of a log source and a detection.
    pub(super) correlation: Option<correlation::Draft>,
}

/// What a document turned out to be.
pub(super) enum Document {
    Rule(Box<Draft>),
    Skipped(Skip),
}

/// Reads one document. Problems go to `problems`.
pub(super) fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Document> {
    let Yaml::Map(entries) = &node.yaml else {
        let message = format!("a rule should be a map, not {}", node.kind());
        problems.push(Problem::new(node.at, message));
        return None;
    };
    let title = node.get("title").and_then(Node::text).unwrap_or_default();
    if let Some(reason) = foreign(node) {
        let title = title.to_owned();
        return Some(Document::Skipped(Skip { title, reason }));
    }
    node.duplicates(&mut |key| {
        let message = format!("`{}` stands here twice", key.text().unwrap_or_default());
        problems.push(Problem::new(key.at, message));
    });
    for (key, _) in entries {
        check_key(node, key, problems);
    }
    let mut draft = Draft {
        at: node.at,
        ..Draft::default()
    };
    header(node, &mut draft, problems);
    if let Some(correlation) = node.get("correlation") {
        draft.service = "correlation".to_owned();
        draft.correlation = Some(correlation::read(correlation, problems));
        return Some(Document::Rule(Box::new(draft)));
    }
    let log = zeek_log(node);
    match log {
        Some(log) => of_zeek(log, &mut draft),
        None => logsource(node, &mut draft, problems),
    }
    match node.get("detection") {
        Some(d) => draft.detection = detection::read(d, problems),
        None => problems.push(Problem::new(node.at, "`detection` is missing")),
    }
    if let (Some(log), Some(detection)) = (log, &mut draft.detection)
        && let Err(reason) = zeek::translate(log, detection)
    {
        let title = title.to_owned();
        return Some(Document::Skipped(Skip { title, reason }));
    }
    Some(Document::Rule(Box::new(draft)))
}

/// The log that a rule for Zeek is about.
fn zeek_log(node: &Node) -> Option<&'static zeek::Log> {
    let source = node.get("logsource")?;
    let word = |key| source.get(key).and_then(Node::text);
    if word("product") != Some(zeek::PRODUCT) {
        return None;
    }
    zeek::log(word("service")).ok()
}

fn of_zeek(log: &zeek::Log, draft: &mut Draft) {
    draft.service = format!("{} {}", zeek::PRODUCT, log.name);
    let event = |s: &&&'static EventSchema| (s.service, s.name) == log.event;
    draft.schemas = SCHEMAS.iter().filter(event).copied().collect();
}

/// Why a document is none of our rules.
fn foreign(node: &Node) -> Option<String> {
    if node.entry("correlation").is_some() {
        return None;
    }
    if node.entry("filter").is_some() {
        return Some("filters are not supported yet".to_owned());
    }
    let source = node.get("logsource")?;
    let word = |key| source.get(key).and_then(Node::text);
    match word("product") {
        Some(PRODUCT) => None,
        Some(zeek::PRODUCT) => zeek::log(word("service")).err(),
        // A typing mistake would otherwise go unseen.
        Some(p) if nearest(p, [PRODUCT].into_iter()).is_some() => None,
        Some(p) => Some(format!("product `{p}` is not supported")),
        None if word("service").is_some_and(|s| services().any(|k| k == s)) => None,
        None if source.entry("product").is_some() => None,
        None => Some("its log source names no product".to_owned()),
    }
}

fn services() -> impl Iterator<Item = &'static str> {
    let mut names: Vec<&str> = SCHEMAS.iter().map(|s| s.service).collect();
    names.dedup();
    names.into_iter().chain(KINDS.iter().copied())
}

/// Finds mistyped keys: near one of Sigma's or ours, which is not there.
fn check_key(node: &Node, key: &Node, problems: &mut Vec<Problem>) {
    let Some(word) = key.text() else {
        problems.push(Problem::new(key.at, "a key should be text"));
        return;
    };
    if word == "action" {
        problems.push(
            Problem::new(key.at, "`action` (rule collections) is not supported")
                .help("write each rule out, with `---` between them"),
        );
    }
    let near = KEYS
        .iter()
        .copied()
        .filter(|k| strsim::normalized_damerau_levenshtein(k, word) >= 0.75);
    if !KEYS.contains(&word)
        && let Some(meant) = nearest(word, near)
        && node.entry(meant).is_none()
    {
        problems.push(
            Problem::new(key.at, format!("unknown key `{word}`"))
                .help(format!("did you mean `{meant}`?")),
        );
    }
}

fn header(node: &Node, draft: &mut Draft, problems: &mut Vec<Problem>) {
    let signature = &mut draft.signature;
    signature.rev = 1;
    signature.level = Level::Medium;
    match node.get("title") {
        None => problems.push(Problem::new(node.at, "`title` is missing")),
        Some(title) => signature.title = text("title", title, problems),
    }
    if let Some(name) = node.get("name") {
        draft.name = text("name", name, problems);
    }
    if let Some(status) = node.get("status") {
        draft.status = word("status", status, STATUS, problems);
    }
    if let Some(level) = node.get("level") {
        let names = Level::ALL.map(Level::name);
        let name = word("level", level, &names, problems);
        if let Some(level) = Level::ALL.into_iter().find(|l| l.name() == name) {
            signature.level = level;
        }
    }
    if let Some(id) = node.get("id") {
        signature.id = text("id", id, problems).to_lowercase();
        draft.id = uuid("id", id, problems).map(|guid| (guid, id.at));
    }
    if let Some(sid) = node.get("sid") {
        draft.sid = number("sid", sid, problems).map(|n| (n, sid.at));
    }
    if let Some(rev) = node.get("rev") {
        signature.rev = number("rev", rev, problems).unwrap_or(1);
    }
    if node.get("id").is_none() && node.get("sid").is_none() {
        problems.push(
            Problem::new(node.at, "`id` is missing")
                .help("give it a random UUID (`uuidgen`), or a number of your own as `sid`"),
        );
    }
    if let Some(detector) = node.get("detector") {
        signature.detector = text("detector", detector, problems);
    }
    if let Some(references) = node.get("references") {
        signature.references = texts("references", references, problems);
    }
    if let Some(reasons) = node.get("falsepositives") {
        signature.false_positives = texts("falsepositives", reasons, problems);
    }
    for key in ["description", "author"] {
        if let Some(value) = node.get(key) {
            text(key, value, problems);
        }
    }
    for key in ["date", "modified"] {
        if let Some(value) = node.get(key) {
            date(key, value, problems);
        }
    }
    if let Some(tags) = node.get("tags") {
        for tag in texts("tags", tags, problems) {
            attack(&tag, signature);
        }
    }
    if let Some(related) = node.get("related") {
        obsoletes(related, &mut draft.obsoletes, problems);
    }
    signature.category = category(signature.level).to_owned();
}

/// Suricata's classification that goes with a level.
pub(super) fn category(level: Level) -> &'static str {
    match level {
        Level::Critical | Level::High => "Attempted Administrator Privilege Gain",
        Level::Medium => "Potentially Bad Traffic",
        Level::Low | Level::Informational => "Misc activity",
    }
}

/// Sorts an `attack.` tag into techniques (`T1187`) and tactics (`credential_access`).
fn attack(tag: &str, signature: &mut Signature) {
    let Some(name) = tag.strip_prefix("attack.") else {
        return;
    };
    let numbered = |letter: char| {
        name.strip_prefix(letter)
            .is_some_and(|n| n.starts_with(|c: char| c.is_ascii_digit()))
    };
    let to = if numbered('t') {
        Some((&mut signature.techniques, name.to_ascii_uppercase()))
    } else if numbered('s') || numbered('g') {
        // Software and groups have no place in an alert.
        None
    } else {
        Some((&mut signature.tactics, name.replace('-', "_")))
    };
    if let Some((list, name)) = to
        && !list.contains(&name)
    {
        list.push(name);
    }
}

fn logsource(node: &Node, draft: &mut Draft, problems: &mut Vec<Problem>) {
    let Some(source) = node.get("logsource") else {
        problems.push(
            Problem::new(node.at, "`logsource` is missing")
                .help("as `logsource: {product: relaywatch, service: dce_rpc}`"),
        );
        return;
    };
    match source.entry("product") {
        Some((_, product)) if product.text() == Some(PRODUCT) => {}
        other => {
            let (at, message) = match other {
                Some((_, product)) => (product.at, "unknown product"),
                None => (source.at, "`product` is missing"),
            };
            let help = "rules for this sensor have `product: relaywatch`";
            problems.push(Problem::new(at, message).help(help));
        }
    }
    let Some(service) = source.get("service") else {
        let known: Vec<&str> = services().collect();
        problems.push(
            Problem::new(source.at, "`service` is missing")
                .label(format!("there are: {}", list(known.into_iter()))),
        );
        return;
    };
    let known: Vec<&'static str> = services().collect();
    draft.service = word("service", service, &known, problems);
    draft.kind = KINDS.iter().copied().find(|k| *k == draft.service);
    let wanted = draft.kind.map_or(draft.service.as_str(), |_| "finding");
    let of_service: Vec<&'static EventSchema> = SCHEMAS
        .iter()
        .copied()
        .filter(|s| s.service == wanted)
        .collect();
    draft.schemas = match source.get("category") {
        None => of_service,
        Some(category) => {
            let names: Vec<&str> = of_service.iter().map(|s| s.name).collect();
            let name = word("category", category, &names, problems);
            of_service.into_iter().filter(|s| s.name == name).collect()
        }
    };
}

fn text(key: &str, node: &Node, problems: &mut Vec<Problem>) -> String {
    match node.text() {
        Some(s) if !s.trim().is_empty() => s.trim().to_owned(),
        Some(_) => {
            problems.push(Problem::new(node.at, format!("`{key}` is empty")));
            String::new()
        }
        None => {
            let message = format!("`{key}` should be text, not {}", node.kind());
            problems.push(Problem::new(node.at, message).help("put it in quotes"));
            String::new()
        }
    }
}

fn texts(key: &str, node: &Node, problems: &mut Vec<Problem>) -> Vec<String> {
    match &node.yaml {
        Yaml::Null => Vec::new(),
        Yaml::List(all) => all.iter().map(|n| text(key, n, problems)).collect(),
        _ => vec![text(key, node, problems)],
    }
}

/// Text that must be one of `known`; empty if it is not.
fn word(key: &str, node: &Node, known: &[&str], problems: &mut Vec<Problem>) -> String {
    let is = text(key, node, problems);
    if is.is_empty() || known.contains(&is.as_str()) {
        return is;
    }
    problems.push(
        Problem::new(node.at, format!("unknown {key} `{is}`"))
            .label(format!("there are: {}", list(known.iter().copied())))
            .suggest(&is, known.iter().copied()),
    );
    String::new()
}

fn number(key: &str, node: &Node, problems: &mut Vec<Problem>) -> Option<u32> {
    let read = match &node.yaml {
        Yaml::Int(n) => u32::try_from(*n).ok().filter(|n| *n > 0),
        _ => None,
    };
    if read.is_none() {
        let message = format!("`{key}` should be a whole number from 1 to {}", u32::MAX);
        problems.push(Problem::new(node.at, message));
    }
    read
}

fn uuid(key: &str, node: &Node, problems: &mut Vec<Problem>) -> Option<Guid> {
    let read = node.text().and_then(|t| t.trim().parse().ok());
    if read.is_none() {
        problems.push(
            Problem::new(node.at, format!("`{key}` is no UUID"))
                .help("make one with `uuidgen`, as 2f1b7a1c-0d9e-4b52-9c3a-6f6d0e1a2b3c"),
        );
    }
    read
}

/// `YYYY-MM-DD`, or with slashes as older rules have it.
fn date(key: &str, node: &Node, problems: &mut Vec<Problem>) {
    let fits = node.text().is_some_and(|t| {
        t.len() == 10
            && t.bytes().enumerate().all(|(i, b)| match i {
                4 | 7 => matches!(b, b'-' | b'/'),
                _ => b.is_ascii_digit(),
            })
    });
    if !fits {
        problems.push(
            Problem::new(node.at, format!("`{key}` is no date")).help("write it as 2026-11-24"),
        );
    }
}

fn obsoletes(related: &Node, to: &mut Vec<Guid>, problems: &mut Vec<Problem>) {
    let Yaml::List(all) = &related.yaml else {
        problems.push(
            Problem::new(related.at, "`related` should be a list")
                .help("of maps with `id` and `type`"),
        );
        return;
    };
    for one in all {
        let kind = one.get("type").and_then(Node::text);
        match one.get("id") {
            Some(id) => {
                let guid = uuid("id", id, problems);
                if kind == Some("obsoletes") {
                    to.extend(guid);
                }
            }
            None => problems.push(Problem::new(one.at, "`id` is missing")),
        }
    }
}
