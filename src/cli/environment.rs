//! What the configuration names and this system has not: found by `-T` together with the mistakes in the file.

use std::path::Path;

use super::config_file::{ConfigError, Text};
use super::{Args, Config, inputs, outputs};
use crate::capture::{Filter, Interface, interface};
use crate::output::EventTypes;
use crate::rule::RuleSet;

/// LINKTYPE_ETHERNET: what a filter is tried for.
const ETHERNET: u16 = 1;

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) rules: Option<RuleSet>,
    /// Those that there are, with their settings' number.
    pub(super) interfaces: Vec<(usize, Interface)>,
}

/// Looks for everything that a run would open; what is missing is added to `wrong`.
pub(super) fn look(
    args: &Args,
    config: &Config,
    file: Option<&Text>,
    wrong: &mut ConfigError,
) -> Found {
    if let Some(Err(e)) = args.events.as_ref().map(|list| list.parse::<EventTypes>()) {
        wrong.add(ConfigError::new(format!("--events: {e}")));
    }
    let rules = rules(config, file, wrong);
    let catalog = inputs::catalog(args.catalog.as_deref());
    wrong.take(catalog.map_err(|e| ConfigError::new(e.to_string())));
    let key = inputs::site_key(config, !config.interfaces.is_empty());
    let key = key.map_err(|e| ConfigError::new(e.to_string()));
    wrong.take(key.map_err(|e| of_file(e, args.key_file.is_none(), &["key_file"])));
    for (path, problem) in outputs::problems(config) {
        let way = path.zip(file).and_then(|(path, file)| {
            let table = file.nth("output", "path", &path);
            let table = table.map(|n| vec!["output".to_owned(), n.to_string(), "path".to_owned()]);
            let listed = || file.entry("outputs", &path);
            table.or_else(|| Some(vec!["outputs".to_owned(), listed()?.to_string()]))
        });
        let way = way.unwrap_or_default();
        let way: Vec<&str> = way.iter().map(String::as_str).collect();
        wrong.add(of_file(ConfigError::new(problem), true, &way));
    }
    if let Some(dir) = config.evidence_dir().filter(|d| d.exists() && !d.is_dir()) {
        let e = ConfigError::new(format!(
            "evidence.dir: {} is no folder; name one, it is made if need be",
            dir.display()
        ));
        wrong.add(of_file(
            e,
            args.evidence.evidence.is_none(),
            &["evidence", "dir"],
        ));
    }
    if let Some(dir) = config
        .state_dir
        .as_deref()
        .filter(|d| d.exists() && !d.is_dir())
    {
        let e = ConfigError::new(format!(
            "state_dir: {} is no folder; name one, it is made if need be",
            dir.display()
        ));
        wrong.add(of_file(e, args.state.is_none(), &["state_dir"]));
    }
    socket(args, config, wrong);
    let mut found = Vec::new();
    for (nth, wanted) in config.interfaces.iter().enumerate() {
        let place = file.and_then(|f| f.nth("interfaces", "name", &wanted.name));
        let nth_there = place.map(|n| n.to_string()).unwrap_or_default();
        let of = |e: ConfigError, flag: bool, key: &str| {
            of_file(
                e,
                place.is_some() && !flag,
                &["interfaces", &nth_there, key],
            )
        };
        match interface(&wanted.name) {
            Ok(state) => found.push((nth, state)),
            Err(e) => {
                let flag = !args.interface.is_empty();
                wrong.add(of(ConfigError::new(e.to_string()), flag, "name"));
            }
        }
        if let Some(Err(e)) = wanted.bpf.as_deref().map(|b| Filter::compile(b, ETHERNET)) {
            let e = ConfigError::new(format!("interface {}: {e}", wanted.name));
            wrong.add(of(e, args.filter.is_some(), "bpf"));
        }
    }
    Found {
        rules,
        interfaces: found,
    }
}

/// The rules, those that are not there left out.
fn rules(config: &Config, file: Option<&Text>, wrong: &mut ConfigError) -> Option<RuleSet> {
    let mut there = config.clone();
    there.rules.retain(|path| match std::fs::metadata(path) {
        Ok(_) => true,
        Err(e) => {
            let shown = path.display();
            let nth = file.and_then(|f| f.entry("rules", &shown.to_string()));
            let e = ConfigError::new(format!(
                "rules: {shown}: {e}; check the path and who may read it, or remove it"
            ));
            let nth_there = nth.map(|n| n.to_string()).unwrap_or_default();
            wrong.add(of_file(e, nth.is_some(), &["rules", &nth_there]));
            false
        }
    });
    let rules = inputs::rules(&there);
    wrong.take(rules.map_err(|e| ConfigError::new(e.to_string())))
}

/// Folders of sockets. Below /run they are made when a service starts.
fn socket(args: &Args, config: &Config, wrong: &mut ConfigError) {
    let Some(path) = &config.service.control else {
        return;
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    if folder.as_os_str().is_empty() || folder.starts_with("/run") || folder.is_dir() {
        return;
    }
    let e = ConfigError::new(format!(
        "control.socket: {} is no folder; make it first, or use one below /run",
        folder.display()
    ));
    let flag = args.service.control_socket.is_some();
    wrong.add(of_file(e, !flag, &["control", "socket"]));
}

/// Gives a mistake its way in the file, if it is from there.
fn of_file(e: ConfigError, is: bool, way: &[&str]) -> ConfigError {
    let way = if is { way } else { &[] };
    way.iter().rev().fold(e, |e, key| e.within(key))
}
