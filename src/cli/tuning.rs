//! The parts of the configuration that say what not to hear: `allow`, `suppress`, `threshold`, `levels`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

use super::config::ConfigError;
use crate::correlate::DeclaredHost;
use crate::event::{HostRole, Level, Signature};
use crate::net::Net;
use crate::rule::RuleSet;
use crate::sensor::{RuleRef, Suppress, Threshold, Tuning};

/// `[allow]`: hosts whose doings are known, by address.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Allow {
    print_servers: Vec<IpAddr>,
    backup: Vec<IpAddr>,
    scanners: Vec<IpAddr>,
    admin_hosts: Vec<IpAddr>,
    proxies: Vec<IpAddr>,
}

/// One text or number, or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Rules {
    One(Rule),
    Several(Vec<Rule>),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Rule {
    Sid(u32),
    Name(String),
}

/// `[[suppress]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SuppressEntry {
    rule: Option<Rules>,
    source: Vec<String>,
    destination: Vec<String>,
    account: Vec<String>,
    days: Vec<String>,
    hours: Option<String>,
    /// For whoever reads the file.
    #[allow(dead_code)]
    reason: Option<String>,
}

/// `[[threshold]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ThresholdEntry {
    rule: Rules,
    count: u64,
    seconds: u64,
}

/// Keys of these parts, for suggestions.
pub(super) const KEYS: &[&str] = &[
    "allow",
    "print_servers",
    "backup",
    "scanners",
    "admin_hosts",
    "proxies",
    "suppress",
    "rule",
    "source",
    "destination",
    "account",
    "days",
    "hours",
    "reason",
    "threshold",
    "count",
    "seconds",
    "levels",
];

const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Levels by rule.
pub(super) type Levels = Vec<(RuleRef, Level)>;

impl Allow {
    /// Adds what is said here to what is known of hosts.
    pub(super) fn declare(&self, hosts: &mut Vec<DeclaredHost>, forwarders: &mut Vec<IpAddr>) {
        forwarders.extend(&self.proxies);
        for (addresses, role) in [
            (&self.print_servers, HostRole::Print),
            (&self.backup, HostRole::Admin),
            (&self.scanners, HostRole::Admin),
            (&self.admin_hosts, HostRole::Admin),
        ] {
            for address in addresses {
                match hosts.iter_mut().find(|h| h.addresses.contains(address)) {
                    Some(host) => {
                        let all = HostRole::ALL.into_iter();
                        let had = all.filter(|r| host.roles.has(*r));
                        host.roles = had.chain([role]).collect();
                    }
                    None => hosts.push(DeclaredHost {
                        name: String::new(),
                        addresses: vec![*address],
                        roles: [role].into_iter().collect(),
                    }),
                }
            }
        }
    }
}

/// Reads `suppress` and `threshold`.
pub(super) fn tuning(
    suppress: &[SuppressEntry],
    thresholds: &[ThresholdEntry],
    wrong: &mut ConfigError,
) -> Tuning {
    let mut tuning = Tuning::default();
    for (nth, entry) in suppress.iter().enumerate() {
        let place = format!("suppress entry {}", nth + 1);
        let mut here = ConfigError::default();
        let hours = entry.hours.as_deref().map(|h| hours(&place, h));
        let read = Suppress {
            rules: here
                .take(rules(&place, entry.rule.as_ref()).map_err(|e| e.within("rule")))
                .unwrap_or_default(),
            source: networks(&place, "source", &entry.source, &mut here),
            destination: networks(&place, "destination", &entry.destination, &mut here),
            account: entry.account.iter().map(|a| a.to_lowercase()).collect(),
            days: here
                .take(days(&place, &entry.days).map_err(|e| e.within("days")))
                .unwrap_or_default(),
            hours: here
                .take(hours.transpose().map_err(|e| e.within("hours")))
                .flatten(),
        };
        let done = here.none().and_then(|()| {
            if read == Suppress::default() {
                return Err(ConfigError::new(format!(
                    "{place}: it would suppress everything; say which `rule`, `source`, `destination`, `account`, `days` or `hours`"
                )));
            }
            Ok(read)
        });
        let done = done.map_err(|e| e.within(nth).within("suppress"));
        tuning.suppress.extend(wrong.take(done));
    }
    for (nth, entry) in thresholds.iter().enumerate() {
        let place = format!("threshold entry {}", nth + 1);
        let mut here = ConfigError::default();
        if entry.count < 2 {
            here.add(ConfigError::new(format!("{place}: give `count` from 2")).within("count"));
        }
        if !(1..=86_400).contains(&entry.seconds) {
            here.add(
                ConfigError::new(format!("{place}: give `seconds` from 1 to 86400"))
                    .within("seconds"),
            );
        }
        let rules = rules(&place, Some(&entry.rule)).map_err(|e| e.within("rule"));
        if let Some(rules) = here.take(rules) {
            tuning.thresholds.push(Threshold {
                rules,
                count: entry.count,
                seconds: entry.seconds,
            });
        }
        wrong.add(here.within(nth).within("threshold"));
    }
    tuning
}

/// Reads `levels`.
pub(super) fn levels(entries: &BTreeMap<String, String>, wrong: &mut ConfigError) -> Levels {
    let read = |(rule, level): (&String, &String)| -> Result<(RuleRef, Level), ConfigError> {
        let place = format!("levels.\"{rule}\"");
        let known = Level::ALL.into_iter().find(|l| l.name() == level);
        let level = known.ok_or_else(|| {
            let names: Vec<&str> = Level::ALL.map(Level::name).to_vec();
            let names = names.join(", ");
            ConfigError::new(format!(
                "{place}: unknown level `{level}`; there are: {names}"
            ))
        })?;
        Ok((name(&place, rule)?, level))
    };
    let one = |entry: (&String, &String)| {
        wrong.take(read(entry).map_err(|e| e.within(entry.0).within("levels")))
    };
    entries.iter().filter_map(one).collect()
}

/// Finds entries about rules that do not exist: a typing mistake would otherwise silence nothing.
pub(super) fn check(tuning: &Tuning, levels: &Levels, rules: &RuleSet) -> Result<(), String> {
    let suppress = tuning.suppress.iter().flat_map(|s| &s.rules);
    let thresholds = tuning.thresholds.iter().flat_map(|t| &t.rules);
    let levels = levels.iter().map(|(rule, _)| rule);
    let mut missing = Vec::new();
    for wanted in suppress.chain(thresholds).chain(levels) {
        let fits = |r: &crate::rule::Rule| wanted.is(&r.signature);
        if !rules.rules().any(fits) {
            let what = match wanted {
                RuleRef::Sid(sid) => format!("sid {sid}"),
                RuleRef::Id(id) => format!("id {id}"),
                RuleRef::Detector(name) => format!("detector {name}"),
            };
            missing.push(format!(
                "configuration: no rule has the {what}; `relaywatch rules list` shows those there are"
            ));
        }
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(missing.join("\n"))
    }
}

/// The level that the configuration gives a rule: its own entry counts more than its detector's.
pub(super) fn level(levels: &Levels, rule: &Signature) -> Option<Level> {
    let of = |detector: bool| {
        let kind = move |r: &RuleRef| matches!(r, RuleRef::Detector(_)) == detector;
        let found = levels.iter().find(|(r, _)| kind(r) && r.is(rule));
        found.map(|(_, level)| *level)
    };
    of(false).or_else(|| of(true))
}

fn rules(place: &str, rules: Option<&Rules>) -> Result<Vec<RuleRef>, ConfigError> {
    let one = |rule: &Rule| match rule {
        Rule::Sid(sid) => Ok(RuleRef::Sid(*sid)),
        Rule::Name(text) => name(place, text),
    };
    match rules {
        None => Ok(Vec::new()),
        Some(Rules::One(rule)) => Ok(vec![one(rule)?]),
        Some(Rules::Several(all)) => all.iter().map(one).collect(),
    }
}

/// `2593060`, a UUID, or `RW-06`.
pub(super) fn name(place: &str, text: &str) -> Result<RuleRef, ConfigError> {
    if let Ok(sid) = text.parse() {
        return Ok(RuleRef::Sid(sid));
    }
    let number = text.strip_prefix("RW-");
    if number.is_some_and(|n| n.len() == 2 && n.bytes().all(|b| b.is_ascii_digit())) {
        return Ok(RuleRef::Detector(text.to_owned()));
    }
    if text.parse::<crate::wire::Guid>().is_ok() {
        return Ok(RuleRef::Id(text.to_lowercase()));
    }
    Err(ConfigError::new(format!(
        "{place}: `{text}` is no rule; give a sid as 2593060, an id (UUID), or a detector as RW-06"
    )))
}

fn networks(place: &str, key: &str, all: &[String], wrong: &mut ConfigError) -> Vec<Net> {
    let one = |(nth, text): (usize, &String)| {
        let read = text.parse::<Net>().map_err(|why| {
            ConfigError::new(format!(
                "{place}: {key} `{text}`: {why}; give 10.0.0.5 or 10.0.0.0/24"
            ))
            .within(nth)
            .within(key)
        });
        wrong.take(read)
    };
    all.iter().enumerate().filter_map(one).collect()
}

fn days(place: &str, all: &[String]) -> Result<u8, ConfigError> {
    let mut bits = 0;
    for day in all {
        let at = DAYS.iter().position(|d| *d == day.as_str());
        let at = at.ok_or_else(|| {
            let names = DAYS.join(", ");
            ConfigError::new(format!("{place}: unknown day `{day}`; there are: {names}"))
        })?;
        bits |= 1 << at;
    }
    Ok(bits)
}

/// `22-06`: from the first hour on, up to the second.
fn hours(place: &str, text: &str) -> Result<(u8, u8), ConfigError> {
    let read = text.split_once('-').and_then(|(from, to)| {
        let from = from.trim().parse().ok().filter(|h| *h < 24)?;
        let to = to.trim().parse().ok().filter(|h| *h <= 24)?;
        (from != to).then_some((from, to))
    });
    read.ok_or_else(|| {
        ConfigError::new(format!(
            "{place}: hours `{text}`: give two hours of UTC, as 22-06 or 8-18"
        ))
    })
}

/// What `-T` says of it.
pub(super) fn lines(tuning: &Tuning, levels: &Levels) -> Vec<String> {
    let names = |rules: &[RuleRef]| {
        let one = |r: &RuleRef| match r {
            RuleRef::Sid(sid) => sid.to_string(),
            RuleRef::Id(text) | RuleRef::Detector(text) => text.clone(),
        };
        let all: Vec<String> = rules.iter().map(one).collect();
        if all.is_empty() {
            "any rule".to_owned()
        } else {
            all.join(", ")
        }
    };
    let mut lines = Vec::new();
    for s in &tuning.suppress {
        let mut line = format!("suppress       {}", names(&s.rules));
        for (what, nets) in [("from", &s.source), ("to", &s.destination)] {
            if !nets.is_empty() {
                let all: Vec<String> = nets.iter().map(ToString::to_string).collect();
                line.push_str(&format!(", {what} {}", all.join(" or ")));
            }
        }
        if !s.account.is_empty() {
            line.push_str(&format!(", account {}", s.account.join(" or ")));
        }
        if s.days != 0 {
            let days = (0..).zip(DAYS).filter(|(n, _)| s.days & (1 << n) != 0);
            let days: Vec<&str> = days.map(|(_, day)| day).collect();
            line.push_str(&format!(", on {}", days.join(" ")));
        }
        if let Some((from, to)) = s.hours {
            line.push_str(&format!(", {from:02}-{to:02} h UTC"));
        }
        lines.push(line);
    }
    for t in &tuning.thresholds {
        lines.push(format!(
            "threshold      {}: from {} within {} s on, by source",
            names(&t.rules),
            t.count,
            t.seconds
        ));
    }
    for (rule, level) in levels {
        lines.push(format!(
            "level          {}: {level}",
            names(std::slice::from_ref(rule))
        ));
    }
    lines
}
