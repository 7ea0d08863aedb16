//! From TOML, as a person writes it, to the catalogue, as the decoder uses it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;

use super::{
    Catalog, Class, ELEMENTS, Element, Interface, Method, Operation, PathForm, Step, Tier,
    ToolTrait,
};
use crate::wire::Guid;

/// The files that are compiled in.
const BUILTIN: [(&str, &str); 12] = [
    ("core.toml", include_str!("../../rules/catalog/core.toml")),
    ("efs.toml", include_str!("../../rules/catalog/efs.toml")),
    ("print.toml", include_str!("../../rules/catalog/print.toml")),
    ("files.toml", include_str!("../../rules/catalog/files.toml")),
    (
        "system.toml",
        include_str!("../../rules/catalog/system.toml"),
    ),
    (
        "naming.toml",
        include_str!("../../rules/catalog/naming.toml"),
    ),
    (
        "accounts.toml",
        include_str!("../../rules/catalog/accounts.toml"),
    ),
    (
        "directory.toml",
        include_str!("../../rules/catalog/directory.toml"),
    ),
    ("dcom.toml", include_str!("../../rules/catalog/dcom.toml")),
    ("tools.toml", include_str!("../../rules/catalog/tools.toml")),
    (
        "databases.toml",
        include_str!("../../rules/catalog/databases.toml"),
    ),
    (
        "search.toml",
        include_str!("../../rules/catalog/search.toml"),
    ),
];

/// Something wrong with a catalogue file: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogError {
    /// The file or folder.
    pub file: String,
    /// What is wrong, and where in the file.
    pub cause: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.file, self.cause, self.remedy)
    }
}

impl std::error::Error for CatalogError {}

impl Catalog {
    /// The knowledge that is compiled in. Parsed at each call: keep the result.
    #[must_use]
    pub fn builtin() -> Self {
        let mut catalog = Self::default();
        // A test holds that there are no errors.
        catalog.add(&BUILTIN);
        catalog
    }

    /// The compiled-in knowledge with the `*.toml` files of a folder on top, in order of their names.
    /// An interface or method that is there already is overridden.
    ///
    /// # Errors
    /// Everything that is wrong with the folder's files, not only the first.
    pub fn load(dir: &Path) -> Result<Self, Vec<CatalogError>> {
        let unreadable = |path: &Path, e: std::io::Error| CatalogError {
            file: path.display().to_string(),
            cause: format!("cannot be read: {e}"),
            remedy: "check that it exists and that relaywatch may read it".into(),
        };
        let mut errors = Vec::new();
        let mut files = Vec::new();
        let entries = std::fs::read_dir(dir).map_err(|e| vec![unreadable(dir, e)])?;
        for entry in entries {
            let path = match entry {
                Ok(entry) => entry.path(),
                Err(e) => {
                    errors.push(unreadable(dir, e));
                    continue;
                }
            };
            if path.extension().is_some_and(|e| e == "toml") {
                match std::fs::read_to_string(&path) {
                    Ok(text) => files.push((path.display().to_string(), text)),
                    Err(e) => errors.push(unreadable(&path, e)),
                }
            }
        }
        files.sort();
        let named: Vec<(&str, &str)> = files.iter().map(|(n, t)| (&**n, &**t)).collect();
        let mut catalog = Self::builtin();
        errors.extend(catalog.add(&named));
        if errors.is_empty() {
            Ok(catalog)
        } else {
            Err(errors)
        }
    }

    /// Adds files (name, text) to what is known; returns what is wrong with them.
    pub fn add(&mut self, files: &[(&str, &str)]) -> Vec<CatalogError> {
        let mut loader = Loader {
            catalog: self,
            keys: BTreeMap::new(),
            file: "",
            errors: Vec::new(),
        };
        let mut parsed = Vec::new();
        for (name, text) in files {
            match toml::from_str::<File>(text) {
                Ok(file) => parsed.push((*name, file)),
                Err(e) => {
                    let text = e.to_string();
                    loader.file = name;
                    loader.error(
                        text.trim_end().to_owned(),
                        "correct it; the form is explained at the top of rules/catalog/efs.toml",
                    );
                }
            }
        }
        // Interfaces of every file first: methods name them by key.
        for (name, file) in &mut parsed {
            loader.file = name;
            for interface in std::mem::take(&mut file.interface) {
                loader.interface(interface);
            }
        }
        for (name, file) in parsed {
            loader.file = name;
            loader.catalog.tools.extend(file.traits);
            for method in file.method {
                loader.method(method);
            }
        }
        loader.errors
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    interface: Vec<InterfaceEntry>,
    #[serde(default)]
    method: Vec<MethodEntry>,
    #[serde(default, rename = "trait")]
    traits: Vec<ToolTrait>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InterfaceEntry {
    uuid: String,
    key: Option<String>,
    endpoint: Option<String>,
    protocol: Option<String>,
    version: Option<String>,
    #[serde(default)]
    pipes: Vec<String>,
    #[serde(default)]
    operations: BTreeMap<String, Name>,
}

/// `"Name"`, or `["Name", "Zeek's name"]`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Name {
    One(String),
    Two([String; 2]),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MethodEntry {
    id: String,
    name: String,
    tier: String,
    #[serde(default)]
    calls: Vec<String>,
    clsid: Option<String>,
    #[serde(default)]
    layout: Vec<String>,
    form: Option<String>,
    severity: Option<String>,
    #[serde(default)]
    tried: Vec<u32>,
    #[serde(default)]
    refused: Vec<u32>,
}

struct Loader<'a> {
    catalog: &'a mut Catalog,
    /// Short names of the interfaces of these files.
    keys: BTreeMap<String, Guid>,
    file: &'a str,
    errors: Vec<CatalogError>,
}

impl Loader<'_> {
    fn error(&mut self, cause: String, remedy: &str) {
        self.errors.push(CatalogError {
            file: self.file.to_owned(),
            cause,
            remedy: remedy.to_owned(),
        });
    }

    fn interface(&mut self, entry: InterfaceEntry) {
        let Ok(uuid) = entry.uuid.parse::<Guid>() else {
            self.error(
                format!("interface: {:?} is no UUID", entry.uuid),
                "write it as c681d488-d850-11d0-8c52-00c04fd90f7e",
            );
            return;
        };
        let known = self.catalog.interfaces.contains_key(&uuid);
        if !known && (entry.endpoint.is_none() || entry.protocol.is_none()) {
            self.error(
                format!("interface {uuid} is new and has no endpoint or no protocol"),
                "give it both, as endpoint = \"efsrpc\" and protocol = \"MS-EFSR\"",
            );
            return;
        }
        let mut operations = Vec::new();
        for (number, name) in entry.operations {
            let Ok(opnum) = number.parse::<u16>() else {
                self.error(
                    format!("interface {uuid}: {number:?} is no operation number"),
                    "write a decimal number from 0 to 65535 before the =",
                );
                continue;
            };
            let operation = match name {
                Name::One(name) => Operation { name, zeek: None },
                Name::Two([name, zeek]) => Operation {
                    name,
                    zeek: Some(zeek),
                },
            };
            operations.push((opnum, operation));
        }
        let key = entry.key.or_else(|| entry.endpoint.clone());
        if let Some(key) = key
            && let Some(other) = self.keys.insert(key.clone(), uuid)
            && other != uuid
        {
            self.error(
                format!("interfaces {other} and {uuid} have the same key {key:?}"),
                "give one of them another key = \"...\"; methods name interfaces by it",
            );
        }
        let interface = self
            .catalog
            .interfaces
            .entry(uuid)
            .or_insert_with(|| Interface {
                uuid,
                ..Interface::default()
            });
        if let Some(endpoint) = entry.endpoint {
            interface.endpoint = endpoint;
        }
        if let Some(protocol) = entry.protocol {
            interface.protocol = protocol;
        }
        if let Some(version) = entry.version {
            interface.version = version;
        }
        if !entry.pipes.is_empty() {
            interface.pipes = entry.pipes.iter().map(|p| p.to_lowercase()).collect();
        }
        interface.operations.extend(operations);
    }

    fn method(&mut self, entry: MethodEntry) {
        let id = entry.id.clone();
        let Some(tier) = [Tier::A, Tier::B, Tier::C]
            .into_iter()
            .find(|t| t.name() == entry.tier)
        else {
            self.error(
                format!("method {id}: tier {:?}", entry.tier),
                "use \"A\", \"B\" or \"C\"",
            );
            return;
        };
        let form_name = entry.form.as_deref().unwrap_or("unc");
        let Some(form) = PathForm::from_name(form_name) else {
            self.error(
                format!("method {id}: form {form_name:?}"),
                "use \"unc\", \"host\", \"text\" or \"binding\"",
            );
            return;
        };
        let Some(layout) = self.layout(&id, &entry.layout) else {
            return;
        };
        let family = id.rsplit_once('-').map_or(&*id, |(f, _)| f).to_owned();
        let method = Method {
            id,
            family,
            name: entry.name,
            opnum: 0,
            tier,
            severity: entry.severity.unwrap_or_else(|| "medium".into()),
            layout,
            form,
            tried: entry.tried,
            refused: entry.refused,
        };
        if entry.calls.is_empty() == entry.clsid.is_none() {
            self.error(
                format!("method {}: needs calls or a clsid, one of them", method.id),
                "write calls = [\"KEY OPNUM\"], KEY being an interface's key, endpoint or UUID",
            );
            return;
        }
        if let Some(clsid) = entry.clsid {
            self.class(&clsid, &method);
        }
        for call in &entry.calls {
            self.call(call, &method);
        }
    }

    fn class(&mut self, clsid: &str, method: &Method) {
        let Ok(clsid) = clsid.parse::<Guid>() else {
            self.error(
                format!("method {}: clsid {clsid:?} is no UUID", method.id),
                "write it as 03837546-098b-11d8-9414-505054503030",
            );
            return;
        };
        let classes = &mut self.catalog.classes;
        classes.retain(|c| c.id != method.id);
        classes.push(Class {
            clsid,
            id: method.id.clone(),
            family: method.family.clone(),
            name: method.name.clone(),
            tier: method.tier,
        });
        classes.sort_by(|a, b| a.id.cmp(&b.id));
    }

    /// `KEY OPNUM` or `UUID OPNUM`.
    fn call(&mut self, call: &str, method: &Method) {
        let parsed = call.split_once(' ').and_then(|(key, opnum)| {
            let uuid = self
                .keys
                .get(key)
                .copied()
                .or_else(|| self.builtin_key(key))?;
            Some((uuid, opnum.trim().parse::<u16>().ok()?))
        });
        let interface =
            parsed.and_then(|(uuid, opnum)| Some((self.catalog.interfaces.get_mut(&uuid)?, opnum)));
        let Some((interface, opnum)) = interface else {
            self.error(
                format!(
                    "method {}: call {call:?} names no known interface and number",
                    method.id
                ),
                "write \"KEY OPNUM\", KEY being the key, endpoint or UUID of an [[interface]]",
            );
            return;
        };
        let operation = interface.operations.entry(opnum).or_default();
        if operation.name.is_empty() {
            operation.name.clone_from(&method.name);
        }
        let method = Method {
            opnum,
            ..method.clone()
        };
        interface.methods.insert(opnum, method);
    }

    /// A UUID, or the endpoint of exactly one interface that was there before these files.
    fn builtin_key(&self, key: &str) -> Option<Guid> {
        if let Ok(uuid) = key.parse() {
            return Some(uuid);
        }
        let mut all = self
            .catalog
            .interfaces
            .values()
            .filter(|i| i.endpoint == key);
        let first = all.next()?;
        all.next().is_none().then_some(first.uuid)
    }

    fn layout(&mut self, id: &str, texts: &[String]) -> Option<Vec<Step>> {
        let mut steps = Vec::new();
        for text in texts {
            let (label, name) = text.split_once(": ").unwrap_or(("", text));
            let Some((_, element)) = ELEMENTS.iter().find(|(n, _)| *n == name) else {
                let known: Vec<&str> = ELEMENTS.iter().map(|(n, _)| *n).collect();
                self.error(
                    format!("method {id}: layout step {text:?}"),
                    &format!(
                        "use one of {}, after \"path: \" for the path",
                        known.join(", ")
                    ),
                );
                return None;
            };
            steps.push(Step {
                element: *element,
                path: label == "path",
            });
        }
        let readable = |s: &Step| {
            !matches!(
                s.element,
                Element::Ctx | Element::U32 | Element::Guid | Element::NullPtr | Element::OptPtr
            )
        };
        if !steps.is_empty() && !steps.iter().any(|s| s.path && readable(s)) {
            self.error(
                format!("method {id}: no step of the layout is the path"),
                "put \"path: \" before the string that names the host",
            );
            return None;
        }
        Some(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_builtin_files_have_no_errors() {
        let errors = Catalog::default().add(&BUILTIN);
        assert!(errors.is_empty(), "{errors:#?}");
    }

    #[test]
    fn all_59_methods_are_there_and_found_by_what_the_wire_shows() {
        let catalog = Catalog::builtin();
        let mut ids: Vec<&str> = catalog.methods().iter().map(|(_, m)| &*m.id).collect();
        ids.extend(catalog.classes().iter().map(|c| &*c.id));
        ids.sort_unstable();
        ids.dedup();
        // 55 and the search of Windows, and three procedures of SQL Server.
        assert_eq!(ids.len(), 59, "{ids:?}");

        let efs: Guid = "c681d488-d850-11d0-8c52-00c04fd90f7e".parse().unwrap();
        let method = catalog.method(efs, 4).unwrap();
        assert_eq!((&*method.id, &*method.family), ("efsr-4", "efsr"));
        assert_eq!(method.opnum, 4);
        let dns: Guid = "50abc2a4-574d-40b3-9d66-ee4fd5fba076".parse().unwrap();
        for opnum in [0, 5, 12, 15] {
            assert_eq!(catalog.method(dns, opnum).unwrap().id, "dnsp-0");
        }
        assert!(catalog.method(efs, 1).is_none());
        let class = catalog
            .classes()
            .iter()
            .find(|c| c.id == "dcom-rm-1")
            .unwrap();
        assert_eq!(class.family, "dcom-rm");
    }

    #[test]
    fn rules_for_zeek_find_their_spelling() {
        let catalog = Catalog::builtin();
        let svcctl: Guid = "367abb81-9844-35f1-ad32-98f038001003".parse().unwrap();
        let interface = catalog.interface(svcctl).unwrap();
        assert_eq!(interface.endpoint, "svcctl");
        assert_eq!(interface.operation(12), Some("CreateServiceW"));
        assert_eq!(interface.operations[&12].name, "RCreateServiceW");
        assert_eq!(interface.operation(9999), None);
    }

    #[test]
    fn a_folder_overrides_and_adds() {
        let dir = tempfile::tempdir().unwrap();
        let text = r#"
            [[interface]]
            uuid = "c681d488-d850-11d0-8c52-00c04fd90f7e"
            endpoint = "myefs"
            [[interface]]
            uuid = "11111111-2222-3333-4444-555555555555"
            endpoint = "new"
            protocol = "MS-NEW"
            [[method]]
            id = "new-7"
            name = "NewCall"
            tier = "C"
            calls = ["new 7", "myefs 30"]
            layout = ["u32", "path: ref_wstr"]
            tried = [0x35]
        "#;
        std::fs::write(dir.path().join("mine.toml"), text).unwrap();
        let catalog = Catalog::load(dir.path()).unwrap();
        let efs: Guid = "c681d488-d850-11d0-8c52-00c04fd90f7e".parse().unwrap();
        assert_eq!(catalog.interface(efs).unwrap().endpoint, "myefs");
        assert_eq!(
            catalog.method(efs, 0).unwrap().id,
            "efsr-0",
            "the rest stays"
        );
        assert_eq!(catalog.method(efs, 30).unwrap().id, "new-7");
        let new: Guid = "11111111-2222-3333-4444-555555555555".parse().unwrap();
        assert_eq!(catalog.method(new, 7).unwrap().tried, [0x35]);
        assert_eq!(
            catalog.interface(new).unwrap().operation(7),
            Some("NewCall")
        );
    }

    #[test]
    fn every_error_is_reported_with_file_cause_and_remedy() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.toml"), "[[interface]]\nuuid = 1\n").unwrap();
        let text = r#"
            [[interface]]
            uuid = "nonsense"
            [[interface]]
            uuid = "11111111-2222-3333-4444-555555555555"
            [[method]]
            id = "x-1"
            name = "X"
            tier = "D"
            calls = ["efsrpc 1"]
            [[method]]
            id = "x-2"
            name = "X"
            tier = "A"
            calls = ["nobody 1"]
            [[method]]
            id = "x-3"
            name = "X"
            tier = "A"
            calls = ["srvsvc 1"]
            layout = ["wstr"]
            [[method]]
            id = "x-4"
            name = "X"
            tier = "A"
            [[method]]
            id = "x-5"
            name = "X"
            tier = "A"
            calls = ["srvsvc 1"]
            layout = ["path: u32"]
        "#;
        std::fs::write(dir.path().join("b.toml"), text).unwrap();
        let errors = Catalog::load(dir.path()).unwrap_err();
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 8, "{texts:#?}");
        assert!(
            texts[0].contains("a.toml") && texts[0].contains("line 2"),
            "{}",
            texts[0]
        );
        for (text, part) in texts[1..]
            .iter()
            .zip(["nonsense", "11111111", "x-1", "x-2", "x-3", "x-4", "x-5"])
        {
            assert!(text.contains("b.toml") && text.contains(part), "{text}");
        }
        assert!(Catalog::load(&dir.path().join("none")).is_err());
    }
}
