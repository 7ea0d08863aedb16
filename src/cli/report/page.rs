//! The page: a summary, a chapter an incident, hosts, posture, runbooks, what the sensor could not see.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::chapter::{self, chapter};
use super::event::Posture;
use super::runbook;
use super::story::{Collected, Story};
use super::telling::{self, Cast};
use super::text::{List, Text};
use crate::cli::posture::title as posture_title;
use crate::event::Level;

const STYLE: &str = include_str!("style.css");

/// Nothing may run, be fetched or be sent, whatever a log says. The style above is the only exception.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Weaknesses shown of one kind.
const HOSTS_A_KIND: usize = 50;

pub(super) fn page(
    all: &Collected,
    stories: &[Story],
    most: usize,
    skipped: u64,
    logs: &[PathBuf],
) -> String {
    let shown = stories.get(..most).unwrap_or(stories);
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { "relaywatch report: " (counted(stories.len(), "incident")) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#incidents" { "Skip to the incidents" }
                (top(all, stories, logs))
                main {
                    (summary(stories, shown.len()))
                    (health(all, skipped, stories.len() - shown.len()))
                    section #incidents aria-label="Incidents" {
                        @for (i, story) in shown.iter().enumerate() {
                            (chapter(story, i + 1, all))
                        }
                    }
                    (hosts(all, shown))
                    (postures(all))
                    (runbooks(shown))
                }
                footer {
                    p {
                        "Made by relaywatch " (env!("CARGO_PKG_VERSION"))
                        ". Times are UTC. The page is one file, has no scripts and needs no network."
                    }
                }
            }
        }
    };
    markup.into_string()
}

/// As `1 incident`, `2 incidents`.
pub(super) fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

pub(super) fn badge(level: Level) -> Markup {
    html! { span class=(format!("badge {}", level.name())) { (level.name()) } }
}

fn top(all: &Collected, stories: &[Story], logs: &[PathBuf]) -> Markup {
    let names: Vec<Text> = logs
        .iter()
        .map(|p| Text::new(&p.display().to_string()))
        .collect();
    html! {
        header {
            h1 {
                @match stories.first() {
                    None => { "No incidents" }
                    Some(worst) => { (counted(stories.len(), "incident")) ", the worst " (worst.level().name()) }
                }
            }
            p {
                @if let (Some(first), Some(last)) = (all.first, all.last) {
                    "Events from " (first) " to " (last) ". "
                }
                "Logs: " (chapter::joined(&names)) "."
            }
            @if !all.sources.is_empty() {
                p {
                    "Seen on: " (chapter::joined(&all.sources.iter().cloned().collect::<Vec<_>>()))
                    @if all.more_sources { " and others" }
                    "."
                }
            }
        }
    }
}

fn summary(stories: &[Story], shown: usize) -> Markup {
    let count = |level: Level| stories.iter().filter(|s| s.level() == level).count();
    html! {
        section aria-label="Summary" {
            h2 { "Summary" }
            p.levels {
                @for level in Level::ALL.into_iter().rev() {
                    span.level { (badge(level)) " " (count(level)) }
                }
            }
            @if stories.is_empty() {
                p { "Nothing in these logs raised an alert. See below whether the sensor saw the traffic." }
            } @else {
                div.wide {
                    table {
                        thead { tr {
                            th scope="col" { "Incident" } th scope="col" { "Level" } th scope="col" { "Begins (UTC)" }
                            th scope="col" { "Attacker" } th scope="col" { "Victim" } th scope="col" { "Target" }
                            th scope="col" { "What" } th scope="col" { "Outcome" }
                        } }
                        tbody {
                            @for (i, story) in stories.iter().take(shown).enumerate() {
                                (row(story, i + 1))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn row(story: &Story, number: usize) -> Markup {
    let cast = Cast::of(story);
    let cell = |hosts: &List<Text>| telling::host(hosts).unwrap_or_else(|| "\u{2013}".to_owned());
    let first = story.first();
    html! {
        tr {
            td { a href=(format!("#i{number}")) { (number) } }
            td { (badge(story.level())) }
            td.when { (first.date()) " " (first.clock()) }
            td.address { (cell(&cast.attacker)) }
            td.address { (cell(&cast.victim)) }
            td.address { (cell(&cast.target)) }
            td.what {
                (telling::heading(story))
                @if let Some(how) = telling::protocols(story) { ", " (how) }
            }
            td { (story.incident.outcome) }
        }
    }
}

/// Whether the logs can be trusted to be whole.
fn health(all: &Collected, skipped: u64, left_out: usize) -> Markup {
    let h = &all.health;
    let mut said: Vec<String> = Vec::new();
    let mut add = |n: u64, text: &str| {
        if n > 0 {
            said.push(format!("{n} {text}"));
        }
    };
    add(
        left_out as u64,
        "less severe incidents are left out of this page; --incidents shows more.",
    );
    add(
        all.forgotten,
        "less severe incidents had no room while reading and are left out.",
    );
    add(
        skipped,
        "lines of the logs could not be read and are left out.",
    );
    add(
        h.drops,
        "packets were lost before the sensor saw them (kernel or interface).",
    );
    add(
        h.queue_drops,
        "packets were lost inside the sensor: it was too slow.",
    );
    add(h.gaps, "gaps in TCP streams: bytes the sensor did not see.");
    add(
        h.cut_frames,
        "frames were cut short by the capture (snap length).",
    );
    add(
        h.evicted,
        "pieces of state were forgotten because a limit was met.",
    );
    add(
        h.panics,
        "internal errors, each of which dropped a flow; please report them.",
    );
    add(
        h.suppressed,
        "alerts are suppressed by the configuration and not in the logs.",
    );
    add(
        all.foreign,
        "alerts of other programs are in the logs and not told here.",
    );
    html! {
        section aria-label="What the sensor could not see" {
            h2 { "What the sensor could not see" }
            @if !h.known {
                p { "The logs have no " code { "stats" } " events: whether packets were lost is not known." }
            } @else if said.is_empty() {
                p { "Of " (h.packets) " packets none was lost, and no stream has a gap." }
            } @else {
                p { "The sensor was handed " (h.packets) " packets." }
            }
            @if !said.is_empty() {
                ul { @for line in &said { li { (line) } } }
            }
            p.note {
                "It sees what its mirror port sees. A leg inside TLS, on another segment, or between two hosts behind one "
                "switch port is not in any of this."
            }
        }
    }
}

/// Every host of the incidents shown, with its parts.
fn hosts(all: &Collected, shown: &[Story]) -> Markup {
    let mut parts: BTreeMap<Text, BTreeMap<&str, BTreeSet<usize>>> = BTreeMap::new();
    for (number, story) in (1..).zip(shown) {
        let cast = Cast::of(story);
        for (part, hosts) in [
            ("attacker", &cast.attacker),
            ("victim", &cast.victim),
            ("listener", &cast.listener),
            ("target", &cast.target),
        ] {
            for host in &hosts.kept {
                let its = parts.entry(host.clone()).or_default();
                its.entry(part).or_default().insert(number);
            }
        }
    }
    if parts.is_empty() {
        return html! {};
    }
    let mut sorted: Vec<_> = parts.into_iter().collect();
    // By number, not by letter, where they are addresses.
    sorted.sort_by_cached_key(|(host, _)| {
        let address = host.raw().parse::<std::net::IpAddr>().ok();
        (address.is_none(), address, host.clone())
    });
    html! {
        section #hosts aria-label="Affected hosts" {
            h2 { "Affected hosts" }
            p.note {
                "Names are those the host was heard under. A relay speaks under the names of its victim and target, so a "
                "name marked " b { "contested" } " says nothing about whose it is."
            }
            div.wide { table {
                thead { tr {
                    th scope="col" { "Address" } th scope="col" { "Heard as" } th scope="col" { "Is" }
                    th scope="col" { "Part in incidents" } th scope="col" { "Posture" }
                } }
                tbody { @for (host, its) in &sorted {
                    tr {
                        td.mono { (host) }
                        td { (chapter::names(all, host)) }
                        td { @if let Some(known) = all.hosts.get(host) { (chapter::joined(&known.roles.kept)) } }
                        td { @for (part, numbers) in its {
                            span.part { (part) " of " (numbered(numbers)) }
                        } }
                        td { @for p in all.postures().filter(|p| p.host == *host) {
                            span.part { (PostureTitle(&p.kind)) }
                        } }
                    }
                } }
            } }
        }
    }
}

fn numbered(numbers: &BTreeSet<usize>) -> Markup {
    let first: Vec<usize> = numbers.iter().copied().take(8).collect();
    html! {
        @for (i, n) in first.iter().enumerate() {
            @if i > 0 { ", " }
            a href=(format!("#i{n}")) { (n) }
        }
        @if numbers.len() > first.len() { " and " (numbers.len() - first.len()) " more" }
    }
}

fn postures(all: &Collected) -> Markup {
    let mut kinds: BTreeMap<&Text, Vec<&Posture>> = BTreeMap::new();
    for p in all.postures() {
        kinds.entry(&p.kind).or_default().push(p);
    }
    html! {
        section #posture aria-label="Posture" {
            h2 { "Posture: what let it happen" }
            @if kinds.is_empty() {
                p { "The logs have no " code { "posture" } " events. Add them with " code { "--events" } "." }
            }
            @for (kind, hosts) in &kinds {
                h3 { (PostureTitle(kind)) }
                @if let Some(first) = hosts.first() { p { (first.advice) } }
                div.wide { table {
                    thead { tr {
                        th scope="col" { "Host" } th scope="col" { "Heard as" } th scope="col" { "Times" }
                        th scope="col" { "With" } th scope="col" { "Examples" }
                    } }
                    tbody { @for p in hosts.iter().take(HOSTS_A_KIND) { tr {
                        td.mono { (p.host) }
                        td { (chapter::names(all, &p.host)) }
                        td.num { (p.count) }
                        td.mono { (chapter::joined(&p.others.kept)) @if p.more > 0 { " \u{2026}" } }
                        td { (chapter::joined(&p.examples.kept)) }
                    } } }
                } }
                @if hosts.len() > HOSTS_A_KIND { p.note { "And " (hosts.len() - HOSTS_A_KIND) " more hosts." } }
            }
            @if all.more_postures > 0 { p.note { (all.more_postures) " more weaknesses had no room." } }
        }
    }
}

/// A title of ours, or the kind as the log says it.
struct PostureTitle<'a>(&'a Text);

impl maud::Render for PostureTitle<'_> {
    fn render_to(&self, w: &mut String) {
        let title = posture_title(self.0.raw());
        if title == self.0.raw() {
            self.0.render_to(w);
        } else {
            title.render_to(w);
        }
    }
}

/// The handbook's section of every detector that spoke.
fn runbooks(shown: &[Story]) -> Markup {
    let ids: BTreeSet<&str> = shown
        .iter()
        .flat_map(|s| s.incident.detectors.kept.iter())
        .map(Text::raw)
        .collect();
    let books: Vec<_> = ids.into_iter().filter_map(runbook::of).collect();
    if books.is_empty() {
        return html! {};
    }
    html! {
        section #runbooks aria-label="Runbooks" {
            h2 { "Runbooks" }
            p.note {
                "The same as " code { "relaywatch explain RW-01" } ". A section that another one refers to and that is not "
                "here is in the handbook."
            }
            @for book in &books {
                details.runbook open id=(book.id.to_lowercase()) {
                    summary { h3 { (book.id) " " (book.name) } }
                    (PreEscaped(&book.html))
                }
            }
        }
    }
}
