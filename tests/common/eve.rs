//! Holds lines of EVE to their schemas. Used by golden tests and by `src/output`.

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::Value;

/// Event types that Suricata has too.
const SURICATAS: &[&str] = &[
    "alert", "anomaly", "arp", "dcerpc", "dhcp", "dns", "mdns", "http", "krb5", "ldap", "smb",
    "stats", "tls",
];

/// Our schema, and Suricata's where it is to be had.
pub struct Schemas {
    ours: Validator,
    suricatas: Option<Validator>,
}

impl Schemas {
    /// Reads `docs/eve.schema.json`, and `../shared/reference/suricata-eve-schema.json` (GPL, so
    /// not in the repository) if it is there. Says so if it is not.
    pub fn load() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let suricatas = suricata_schema(root);
        if suricatas.is_none() {
            println!(
                "skipped: reference: ../shared/reference/suricata-eve-schema.json is not here"
            );
        }
        Self {
            ours: compile(&root.join("docs/eve.schema.json")),
            suricatas: suricatas.map(|path| compile(&path)),
        }
    }

    /// Everything wrong with lines of EVE, each with its number and event type.
    pub fn problems(&self, lines: &[u8]) -> Vec<String> {
        let mut problems = Vec::new();
        if !lines.is_empty() && lines.last() != Some(&b'\n') {
            problems.push("the last line has no newline".to_owned());
        }
        let numbered = (1..).zip(lines.split(|b| *b == b'\n'));
        for (number, line) in numbered.filter(|(_, l)| !l.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(value) => self.check(number, &value, &mut problems),
                Err(e) => problems.push(format!("line {number}: not JSON: {e}")),
            }
        }
        problems
    }

    /// Panics with the problems of a file's lines, if there are any.
    #[allow(dead_code)] // one of the two users
    pub fn assert_valid(&self, name: &str, lines: &[u8]) {
        let problems = self.problems(lines);
        assert!(problems.is_empty(), "{name}:\n{}", problems.join("\n"));
    }

    fn check(&self, number: usize, value: &Value, problems: &mut Vec<String>) {
        let kind = value["event_type"].as_str().unwrap_or("?");
        let mut note = |which: &str, validator: &Validator| {
            for error in validator.iter_errors(value) {
                let at = &error.instance_path;
                problems.push(format!("line {number} ({kind}), {which}, at {at}: {error}"));
            }
        };
        note("our schema", &self.ours);
        if let Some(suricatas) = self
            .suricatas
            .as_ref()
            .filter(|_| SURICATAS.contains(&kind))
        {
            note("Suricata's schema", suricatas);
        }
    }
}

/// `../shared` beside the project, or beside the folder of a worktree.
fn suricata_schema(root: &Path) -> Option<PathBuf> {
    ["../shared", "../../shared"]
        .iter()
        .map(|shared| root.join(shared).join("reference/suricata-eve-schema.json"))
        .find(|path| path.is_file())
}

fn compile(path: &Path) -> Validator {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let schema = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    jsonschema::draft202012::new(&schema).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
