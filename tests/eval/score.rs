//! Judges what the sensor said of a case.

use std::collections::{BTreeMap, BTreeSet};

use relaywatch::catalog::Catalog;
use relaywatch::wire::Guid;

use super::case::{Case, ROLES, Truth, Visibility};
use super::labels::{Entry, Labels};
use super::run::{Alert, Level, Rpc, Said};

/// One label of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) label: String,
    /// The detector that it is counted for.
    pub(crate) detector: String,
    pub(crate) transport: String,
    pub(crate) visibility: Visibility,
    /// Who found it, and how loudly.
    pub(crate) found: Option<(String, Level)>,
    /// Why it counts as missed.
    pub(crate) why: String,
}

/// What a case came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Judged {
    /// The sensor could not be run on it.
    pub(crate) not_run: bool,
    pub(crate) rows: Vec<Row>,
    /// Alerts for a label of the case that say something untrue.
    pub(crate) wrong: Vec<String>,
    /// More than one incident for one story, or one alert twice.
    pub(crate) duplicates: Vec<String>,
    /// Alerts at medium or higher that no label explains; in a benign case, false alarms.
    pub(crate) unexplained: Vec<String>,
    /// Alerts by level.
    pub(crate) levels: BTreeMap<Level, usize>,
    /// Detectors that were right.
    pub(crate) right: BTreeSet<String>,
}

/// Judges alerts against the truth.
pub(crate) struct Judge<'a> {
    pub(crate) labels: &'a Labels,
    pub(crate) catalog: Catalog,
}

impl Judge<'_> {
    pub(crate) fn case(&self, case: &Case, said: &Said) -> Judged {
        let truth = &case.truth;
        let mut judged = Judged::default();
        let mut explained = vec![false; said.alerts.len()];
        for alert in &said.alerts {
            *judged.levels.entry(alert.level).or_default() += 1;
        }
        let expected = truth.expect.iter().map(|label| (label, true));
        let uncertain = truth.uncertain.iter().map(|label| (label, false));
        for (label, demanded) in expected.chain(uncertain) {
            let rows = judged.rows.len();
            // Labels were looked up when the truth was read.
            if let Ok((_, entry)) = self.labels.find(label)
                && !entry.detectors.is_empty()
            {
                self.label(truth, label, entry, said, &mut judged, &mut explained);
            }
            if !demanded {
                judged.rows.truncate(rows);
            }
        }
        for (alert, explained) in said.alerts.iter().zip(&explained) {
            if !explained {
                judged.wrong.extend(untrue(truth, alert));
            }
            let allowed = truth.allow.contains(&alert.detector);
            if alert.level.is_loud() && !explained && !allowed {
                judged.unexplained.push(short(alert));
            }
        }
        judged.wrong.sort();
        judged.wrong.dedup();
        judged.unexplained.sort();
        duplicates(truth, &said.alerts, &mut judged.duplicates);
        if said.panics > 0 {
            judged.unexplained.push(format!("{} panics", said.panics));
        }
        judged
    }

    fn label(
        &self,
        truth: &Truth,
        label: &str,
        entry: &Entry,
        said: &Said,
        judged: &mut Judged,
        explained: &mut [bool],
    ) {
        let family = label
            .strip_prefix("coercion:")
            .filter(|family| *family != "callback");
        let mut best: Option<(String, Level)> = None;
        let mut why = Vec::new();
        for (alert, explained) in said.alerts.iter().zip(explained) {
            let other_family = family
                .zip(alert.rpc.as_ref())
                .is_some_and(|(family, rpc)| self.family(rpc).is_none_or(|f| f != family));
            let answers = entry.detectors.contains(&alert.detector);
            if !(answers || entry.explains.contains(&alert.detector))
                || other_family
                || of_another_relay(truth, label, alert)
            {
                continue;
            }
            *explained = true;
            let mut wrong = errors(truth, label, entry, alert);
            if !answers {
                // What speaks of it as well need not say everything, but what it says must be so.
                wrong.retain(|w| !w.starts_with("no "));
            }
            if wrong.is_empty() {
                judged.right.insert(alert.detector.clone());
                // A device that passes connections on is no attack found.
                if answers
                    && alert.level > Level::Informational
                    && best.as_ref().is_none_or(|(_, level)| alert.level > *level)
                {
                    best = Some((alert.detector.clone(), alert.level));
                }
            } else {
                let text = format!("{}: {}", short(alert), wrong.join(", "));
                why.push(text.clone());
                judged.wrong.push(text);
            }
        }
        if why.is_empty() {
            why.push(format!("no alert of {}", entry.detectors.join("/")));
        }
        judged.rows.push(Row {
            label: label.to_owned(),
            detector: counted_for(label, entry, truth),
            transport: transport(label, truth),
            visibility: if label.starts_with("coercion:") {
                truth.visibility
            } else {
                Visibility::None
            },
            why: if best.is_some() {
                String::new()
            } else {
                why.join("; ")
            },
            found: best,
        });
    }

    /// The family of a call by the catalogue.
    fn family(&self, rpc: &Rpc) -> Option<&str> {
        let uuid: Guid = rpc.uuid.parse().ok()?;
        let opnum = u16::try_from(rpc.opnum).ok()?;
        Some(&self.catalog.method(uuid, opnum)?.family)
    }
}

/// The detector that a miss is counted against.
fn counted_for(label: &str, entry: &Entry, truth: &Truth) -> String {
    let nth = match (label.split_once(':'), truth.visibility) {
        (Some(("coercion", family)), visibility) if family != "callback" => match visibility {
            Visibility::Readable | Visibility::None => 0,
            Visibility::Sealed => 1,
            Visibility::Encrypted => 2,
        },
        _ => 0,
    };
    let detectors = &entry.detectors;
    detectors
        .get(nth)
        .or(detectors.first())
        .cloned()
        .unwrap_or_default()
}

fn transport(label: &str, truth: &Truth) -> String {
    let called = truth.calls.first().map(|c| c.transport.as_str());
    match label.split_once(':') {
        Some(("coercion", _)) => called.unwrap_or("-").to_owned(),
        Some((_, detail)) => detail.to_owned(),
        None => "-".to_owned(),
    }
}

/// What an alert says that is not so, and what it should say and does not.
fn errors(truth: &Truth, label: &str, entry: &Entry, alert: &Alert) -> Vec<String> {
    let mut wrong = Vec::new();
    let roles = truth.roles.iter().zip(truth.told).zip(ROLES);
    for (said, ((known, told), role)) in alert.roles.iter().zip(roles) {
        let required = entry.roles.iter().any(|r| r == role);
        let [attackers, _, listeners, _] = &truth.roles;
        let relays = !label.starts_with("coercion:");
        match said {
            // To a relay alert the attacker is the host that relays, which need not be the caller.
            Some(said) if role == "attacker" && relays && listeners.contains(said) => {}
            // Who relays has listened, also where that leg is not in the file.
            Some(said) if role == "listener" && known.is_empty() && attackers.contains(said) => {}
            Some(said) if !known.contains(said) => {
                let truth = if known.is_empty() {
                    "nobody".to_owned()
                } else {
                    known.join("/")
                };
                wrong.push(format!("{role} {said} is {truth}"));
            }
            None if required && told => wrong.push(format!("no {role}")),
            _ => {}
        }
    }
    if entry.roles.iter().any(|r| r == "any") && alert.roles.iter().all(Option::is_none) {
        wrong.push("no role".to_owned());
    }
    if label.starts_with("coercion:") && !truth.calls.is_empty() {
        call_errors(truth, alert.rpc.as_ref(), &mut wrong);
    }
    if label.starts_with("relay:") && !truth.challenges.is_empty() {
        match &alert.challenge {
            Some(c) if !truth.challenges.contains(c) => {
                wrong.push(format!("challenge {c} was not relayed"));
            }
            // Not every derived capture still has the challenge.
            None if !truth.lossy => wrong.push("no challenge".to_owned()),
            _ => {}
        }
        leg_errors(label, alert, &mut wrong);
    }
    if label.starts_with("relay-one-way:") {
        leg_errors(label, alert, &mut wrong);
    }
    if label.starts_with("krb-relay:")
        && let Some(sname) = &alert.sname
        && !truth.snames.is_empty()
        && !truth.snames.contains(sname)
    {
        wrong.push(format!("service name {sname} was not relayed"));
    }
    wrong
}

/// What an alert that answers no label of the case, or is of a benign case, says against the truth.
fn untrue(truth: &Truth, alert: &Alert) -> Option<String> {
    let mut wrong = Vec::new();
    // A machine account at /certsrv without relay evidence names the client, not the victim.
    let lone = alert.detector == "RW-15" && alert.level == Level::Low;
    if truth.malicious && !lone {
        for ((said, known), role) in alert.roles.iter().zip(&truth.roles).zip(ROLES) {
            if let Some(said) = said
                && !known.is_empty()
                && !known.contains(said)
            {
                wrong.push(format!("{role} {said} is {}", known.join("/")));
            }
        }
    }
    if alert.rpc.is_some() && !truth.calls.is_empty() {
        call_errors(truth, alert.rpc.as_ref(), &mut wrong);
    }
    (!wrong.is_empty()).then(|| format!("{}: {}", short(alert), wrong.join(", ")))
}

fn call_errors(truth: &Truth, rpc: Option<&Rpc>, wrong: &mut Vec<String>) {
    let Some(rpc) = rpc else {
        if matches!(truth.visibility, Visibility::Readable | Visibility::Sealed) {
            wrong.push("no call, though it can be read".to_owned());
        }
        return;
    };
    let called: Vec<_> = truth
        .calls
        .iter()
        .filter(|c| c.uuid == rpc.uuid && c.opnum == rpc.opnum)
        .collect();
    if called.is_empty() {
        wrong.push(format!("{} opnum {} was not called", rpc.uuid, rpc.opnum));
    } else if !called.iter().any(|c| c.method == rpc.method) {
        wrong.push(format!("opnum {} is not {}", rpc.opnum, rpc.method));
    }
    match &rpc.path {
        Some(path) => {
            if !called.iter().any(|c| c.path == *path) {
                wrong.push(format!("path {path} was not given"));
            }
            let named = |host: &str| called.iter().any(|c| names(&c.path, host));
            if !rpc.path_host.as_deref().is_some_and(named) {
                let said = rpc.path_host.as_deref().unwrap_or("nobody");
                wrong.push(format!("path host {said} of {path}"));
            }
        }
        None if truth.visibility == Visibility::Readable => {
            wrong.push("no path, though it can be read".to_owned());
        }
        None => {}
    }
}

/// True if `host` is the host part of `path`. Independent of the sensor's own reading: the first
/// part that is a whole word and no prefix of Windows' namespaces.
fn names(path: &str, host: &str) -> bool {
    let path = path.to_lowercase();
    let first = path
        .split(['\\', '/', '[', ']', '@', '"'])
        .find(|part| !matches!(*part, "" | "?" | "??" | "." | "unc" | "file:" | "global"));
    // An IPv6 address as the name that Windows takes for it.
    let literal = first.and_then(|f| f.strip_suffix(".ipv6-literal.net"));
    let literal = literal.map(|l| l.replace('-', ":"));
    literal.as_deref().or(first) == Some(host.to_lowercase().as_str())
}

/// The protocols of the two legs are those that the label names.
fn leg_errors(label: &str, alert: &Alert, wrong: &mut Vec<String>) {
    let Some((from, to)) = legs(label) else {
        return;
    };
    for (leg, said, is) in [
        ("victim", &alert.legs.0, from),
        ("target", &alert.legs.1, to),
    ] {
        if let Some(said) = said
            && said != is
        {
            wrong.push(format!("{leg} leg {said} is {is}"));
        }
    }
}

/// Several targets, several labels: the alert's legs are those of another relay of the case.
fn of_another_relay(truth: &Truth, label: &str, alert: &Alert) -> bool {
    let fits = |label: &str| {
        let mut wrong = Vec::new();
        leg_errors(label, alert, &mut wrong);
        wrong.is_empty()
    };
    let mut relays = truth.expect.iter().filter(|l| l.starts_with("relay:"));
    label.starts_with("relay:") && !fits(label) && relays.any(|l| fits(l))
}

/// The protocols of a label's legs, as EVE's `app_proto` calls what carries them.
fn legs(label: &str) -> Option<(&str, &str)> {
    let (_, legs) = label.split_once(':')?;
    let (from, to) = legs.split_once('-')?;
    let carrier = |name| match name {
        "webdav" | "winrm" => "http",
        "rpc" => "dcerpc",
        "mssql" => "tds",
        other => other,
    };
    Some((carrier(from), carrier(to)))
}

fn duplicates(truth: &Truth, alerts: &[Alert], into: &mut Vec<String>) {
    let loud = alerts.iter().filter(|a| a.level.is_loud());
    let incidents: BTreeSet<&str> = loud
        .filter(|a| !a.incident.is_empty())
        .map(|a| a.incident.as_str())
        .collect();
    if truth.malicious && incidents.len() > truth.stories {
        into.push(format!(
            "{} incidents for {}",
            incidents.len(),
            if truth.stories == 1 {
                "one story".to_owned()
            } else {
                format!("{} stories", truth.stories)
            }
        ));
    }
    let mut told: BTreeMap<(u64, u64, Level, &str), usize> = BTreeMap::new();
    for a in alerts.iter().filter(|a| !a.incident.is_empty()) {
        *told
            .entry((a.gid, a.sid, a.level, &a.incident))
            .or_default() += 1;
    }
    for ((_, sid, _, _), n) in told {
        if n > 1 {
            into.push(format!("sid {sid} alerted {n} times in one incident"));
        }
    }
}

/// An alert in a few words.
pub(crate) fn short(alert: &Alert) -> String {
    format!(
        "{} {} (sid {})",
        alert.detector,
        alert.level.name(),
        alert.sid
    )
}
