//! The chapter of one incident.

use maud::{Markup, PreEscaped, Render, html};

use super::event::{Leg, Moment};
use super::page::{badge, counted};
use super::picture::picture;
use super::runbook;
use super::story::{Collected, Story};
use super::telling::{self, Cast};
use super::text::{List, Text};
use crate::event::Level;

pub(super) fn chapter(story: &Story, number: usize, all: &Collected) -> Markup {
    let unseen = telling::unseen(story);
    let open = story.level() >= Level::Medium;
    html! {
        article id=(format!("i{number}")) {
            details open[open] {
                summary {
                    h2 { (number) ". " (telling::heading(story)) " " (badge(story.level())) }
                }
                p.short { (telling::in_short(story)) }
                @if let Some(svg) = picture(story, number) { figure { (svg) } }
                div.columns {
                    section aria-label="Facts" { h3 { "Facts" } (facts(story)) }
                    section.unseen aria-label="What could not be seen" {
                        h3 { "What could not be seen" }
                        @if unseen.is_empty() { p { "Nothing that the sensor knows of." } }
                        @else { ul { @for line in &unseen { li { (line) } } } }
                    }
                }
                section aria-label="Evidence" { h3 { "Evidence, the strongest first" } (evidence(&story.incident.evidence)) }
                section aria-label="Timeline" { h3 { "Timeline" } (timeline(story)) }
                section aria-label="What to do" { h3 { "What to do" } (runbook_links(story)) }
                section aria-label="Hosts" { h3 { "Hosts" } (hosts(story, all)) }
                section aria-label="Flows" { h3 { "Flows" } (flows(story)) }
            }
        }
    }
}

fn facts(story: &Story) -> Markup {
    let i = &story.incident;
    let rpc = story.alerts.iter().filter_map(|a| a.context.rpc.as_ref());
    let path = rpc.map(|r| &r.path).find(|p| !p.is_empty());
    let ntlm: Vec<_> = story
        .alerts
        .iter()
        .filter_map(|a| a.context.ntlm.as_ref())
        .collect();
    let target_name = ntlm.iter().map(|n| &n.target_name).find(|n| !n.is_empty());
    let mic = ntlm.iter().map(|n| &n.mic).find(|n| !n.is_empty());
    let krb = story.alerts.iter().filter_map(|a| a.context.krb.as_ref());
    let service = krb.map(|k| &k.sname).find(|s| !s.is_empty());
    html! {
        dl {
            dt { "Incident" }
            dd.mono {
                (i.incident_id.max(story.id))
                @if !story.absorbed.is_empty() {
                    ", with " @for (n, id) in story.absorbed.iter().enumerate() { @if n > 0 { ", " } (id) }
                }
            }
            dt { "Confidence" } dd { (or_dash(&i.confidence)) }
            dt { "Outcome" } dd { (or_dash(&i.outcome)) }
            dt { "Seen" } dd { (story.first()) " to " (i.last_ts) ", " (counted(usize::try_from(i.count).unwrap_or(usize::MAX), "finding")) }
            @if let Some(account) = telling::account(story) { dt { "Account" } dd.mono { (account) } }
            @if !i.methods.kept.is_empty() { dt { "Methods" } dd { (list(&i.methods)) } }
            @if let Some(path) = path { dt { "Path in the call" } dd.mono { (path) } }
            @if let Some(name) = target_name { dt { "Client believed in" } dd.mono { (name) } }
            @if let Some(mic) = mic { dt { "Integrity code" } dd { (mic) } }
            @if let Some(service) = service { dt { "Ticket for" } dd.mono { (service) } }
            @if !i.mitre_technique_id.kept.is_empty() { dt { "ATT&CK" } dd { (list(&i.mitre_technique_id)) } }
            @if let Some(campaign) = i.campaign_id { dt { "Campaign" } dd.mono { (campaign) } }
            @if !story.source.is_empty() { dt { "Seen on" } dd.mono { (story.source) } }
            @if !i.evidence_file.is_empty() { dt { "Packets" } dd.mono { (i.evidence_file) } }
        }
    }
}

fn or_dash(text: &Text) -> Markup {
    if text.is_empty() {
        html! { "not said" }
    } else {
        text.render()
    }
}

fn list(all: &List<Text>) -> Markup {
    html! {
        (joined(&all.kept))
        @if all.cut > 0 { " and " (all.cut) " more" }
    }
}

/// With commas.
pub(super) fn joined(all: &[Text]) -> Markup {
    html! {
        @for (i, text) in all.iter().enumerate() {
            @if i > 0 { ", " }
            (text)
        }
    }
}

/// Names that `host` was heard under.
pub(super) fn names(all: &Collected, host: &Text) -> Markup {
    let Some(known) = all.hosts.get(host) else {
        return html! {};
    };
    html! {
        @for (i, name) in known.names.iter().enumerate() {
            @if i > 0 { ", " }
            (name)
            @if known.contested.contains(name) { " " b { "(contested)" } }
        }
    }
}

fn evidence(all: &List<Text>) -> Markup {
    html! {
        @if all.kept.is_empty() { p { "The log has none." } }
        @else {
            ol.evidence { @for text in &all.kept { li { (text) } } }
            @if all.cut > 0 { p.note { "And " (all.cut) " more." } }
        }
    }
}

/// What happened when: flows as they began, alerts as they were raised.
fn timeline(story: &Story) -> Markup {
    let mut rows: Vec<(Moment, u8, Markup)> = Vec::new();
    let mut seen: Vec<(u64, &str)> = Vec::new();
    for leg in &story.incident.legs.kept {
        let key = (leg.flow_id, leg.role.raw());
        if leg.first_ts.0 == 0 || seen.contains(&key) {
            continue;
        }
        seen.push(key);
        // An action goes over a connection that is told already, mostly.
        if leg.role.raw() == "action"
            && seen
                .iter()
                .any(|(flow, role)| *flow == leg.flow_id && *role != "action")
        {
            continue;
        }
        rows.push((leg.first_ts, 0, html! {
            span class=(format!("dot {}", class_of(leg))) {} (leg_name(leg)) ": "
            span.mono { (end(&leg.src_ip, leg.src_port)) " \u{2192} " (end(&leg.dest_ip, leg.dest_port)) }
            " " (leg.app_proto)
        }));
    }
    for alert in &story.alerts {
        rows.push((alert.ts, 1, html! {
            (badge(alert.context.level.0)) " " b { (alert.signature) }
            " " span.note { (alert.context.detector) ", sid " (alert.sid) @if alert.context.suppressed { ", suppressed" } }
        }));
    }
    rows.sort_by_key(|(ts, kind, _)| (*ts, *kind));
    let Some(start) = rows.first().map(|r| r.0) else {
        return html! { p { "The log has neither flows nor alerts of it." } };
    };
    html! {
        div.wide { table.timeline {
            thead { tr { th scope="col" { "UTC, " (start.date()) } th scope="col" { "After" } th scope="col" { "What" } } }
            tbody { @for (ts, _, what) in &rows {
                tr {
                    td.num { @if ts.date() != start.date() { (ts.date()) " " } (ts.clock()) }
                    td.num { (after(ts.0 - start.0)) }
                    td { (what) }
                }
            } }
        } }
        @if story.more_alerts > 0 { p.note { "And " (story.more_alerts) " more alerts." } }
    }
}

fn class_of(leg: &Leg) -> &'static str {
    match leg.role.raw() {
        "coercion" => "coercion",
        "victim" => "victim",
        "target" => "relay",
        _ => "action",
    }
}

fn leg_name(leg: &Leg) -> &'static str {
    match leg.role.raw() {
        "coercion" => "Connection of the coercion call",
        "victim" => "Victim connects to the listener",
        "target" => "Connection to the target",
        _ => "Connection of what was done",
    }
}

/// As `+25 ms`.
fn after(micros: i64) -> String {
    match micros {
        0 => "0".to_owned(),
        m if m < 10_000 => format!("+{}.{} ms", m / 1_000, m % 1_000 / 100),
        m if m < 1_000_000 => format!("+{} ms", m / 1_000),
        m if m < 120_000_000 => format!("+{}.{} s", m / 1_000_000, m % 1_000_000 / 100_000),
        m if m < 7_200_000_000 => format!("+{} min", m / 60_000_000),
        m => format!("+{} h", m / 3_600_000_000),
    }
}

/// `10.0.0.1:445` or `[fd00::1]:445`.
fn end(address: &Text, port: u16) -> String {
    let address = address.short(60);
    if address.contains(':') {
        format!("[{address}]:{port}")
    } else {
        format!("{address}:{port}")
    }
}

/// First what stops it, then where to read on.
fn runbook_links(story: &Story) -> Markup {
    // The detectors of the most severe alerts first.
    let mut ids: Vec<(Level, &str)> = Vec::new();
    for id in story.incident.detectors.kept.iter().map(Text::raw) {
        let its = story
            .alerts
            .iter()
            .filter(|a| a.context.detector.raw() == id);
        let level = its.map(|a| a.context.level.0).max();
        ids.push((level.unwrap_or(Level::Informational), id));
    }
    ids.sort_by_key(|(level, id)| (std::cmp::Reverse(*level), *id));
    let books: Vec<_> = ids
        .iter()
        .filter_map(|(level, id)| Some((*level, runbook::of(id)?)))
        .collect();
    let contain: Vec<_> = books
        .iter()
        .filter_map(|(_, b)| Some((b.id, b.contain.as_ref()?)))
        .take(2)
        .collect();
    html! {
        @for (id, text) in &contain {
            div.contain { span.from { (id) } (PreEscaped(text)) }
        }
        @if books.is_empty() { p { "The handbook has no section for it." } }
        @else {
            p {
                "How to confirm, contain and silence it: "
                @for (i, (level, book)) in books.iter().enumerate() {
                    @if i > 0 { ", " }
                    a href=(format!("#{}", book.id.to_lowercase())) { (book.id) " " (book.name) }
                    @if *level > Level::Informational { " (" (level.name()) ")" }
                }
                "."
            }
        }
        @let links = references(story);
        @if !links.is_empty() { p.note { "Read more: " (joined(&links)) } }
    }
}

/// References of the rules, as text: a page that is opened offline should not invite to click.
fn references(story: &Story) -> Vec<Text> {
    let mut all = List::default();
    for alert in &story.alerts {
        all.join(&alert.references);
    }
    all.kept.truncate(8);
    all.kept
}

fn hosts(story: &Story, all: &Collected) -> Markup {
    let cast = Cast::of(story);
    let parts = [
        ("Attacker", &cast.attacker),
        ("Victim", &cast.victim),
        ("Listener", &cast.listener),
        ("Target", &cast.target),
    ];
    html! {
        div.wide { table {
            thead { tr { th scope="col" { "Part" } th scope="col" { "Address" } th scope="col" { "Heard as" } th scope="col" { "Is" } } }
            tbody { @for (part, hosts) in parts { @for host in &hosts.kept { tr {
                td { (part) } td.mono { (host) } td { (names(all, host)) }
                td { @if let Some(known) = all.hosts.get(host) { (joined(&known.roles.kept)) } }
            } } } }
        } }
    }
}

fn flows(story: &Story) -> Markup {
    let legs = &story.incident.legs;
    html! {
        @if legs.kept.is_empty() { p { "The log has none." } } @else {
            div.wide { table {
                thead { tr {
                    th scope="col" { "Part" } th scope="col" { "Client" } th scope="col" { "Server" }
                    th scope="col" { "Protocol" } th scope="col" { "Community ID" } th scope="col" { "Packet" }
                } }
                tbody { @for leg in &legs.kept { tr {
                    td { (leg.role) } td.mono { (end(&leg.src_ip, leg.src_port)) } td.mono { (end(&leg.dest_ip, leg.dest_port)) }
                    td { (leg.app_proto) } td.mono { (leg.community_id) }
                    td.num { @if leg.pcap_cnt > 0 { (leg.pcap_cnt) } }
                } } }
            } }
            @if legs.cut > 0 { p.note { "And " (legs.cut) " more." } }
        }
    }
}
