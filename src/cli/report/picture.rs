//! Who coerced whom and where it was relayed, as an inline SVG.
//!
//! The attacker's side stands left, those it is done to right; each step is an arrow with a number, from top to
//! bottom in the order in which it happens. A host that plays two parts is one box.

use maud::{Markup, html};

use super::event::Leg;
use super::story::Story;
use super::telling::{self, Cast};
use super::text::{List, Text, shorten};

const WIDTH: u32 = 980;
const BOX: u32 = 300;
/// Height of the lane of one arrow.
const LANE: u32 = 70;
/// Between two boxes of one side.
const GAP: u32 = 16;
const TOP: u32 = 10;
/// Characters that fit beside an arrow, and in a box.
const LABEL: usize = 42;
const LINE: usize = 38;

/// A step: an arrow from one side to the other.
struct Step {
    /// From left to right.
    right: bool,
    /// Which box of the left, and of the right side it touches.
    left_box: usize,
    right_box: usize,
    what: String,
    detail: String,
    /// It was concluded, not captured.
    dashed: bool,
    kind: &'static str,
}

/// A host, or several that play the same part.
struct Actor {
    title: &'static str,
    class: &'static str,
    lines: Vec<String>,
    top: u32,
    height: u32,
}

/// The picture, or nothing if there are not two hosts to draw.
pub(super) fn picture(story: &Story, number: usize) -> Option<Markup> {
    let cast = Cast::of(story);
    let same = |a: &List<Text>, b: &List<Text>| {
        a.kept.is_empty() || b.kept.is_empty() || a.kept.first() == b.kept.first()
    };
    let one_left = same(&cast.attacker, &cast.listener);
    let one_right =
        !cast.target.kept.is_empty() && cast.victim.kept.first() == cast.target.kept.first();
    let listener_box = usize::from(!one_left);
    let target_box = usize::from(!one_right);
    let steps = steps(story, &cast, listener_box, target_box);
    if steps.is_empty() {
        return None;
    }
    let mut left = vec![actor_left(story, &cast, one_left)];
    if !one_left {
        left.push(actor("Listener", "listener", &cast.listener, None));
    }
    let mut right = Vec::new();
    if one_right {
        right.push(actor(
            "Victim and target",
            "victim",
            &cast.victim,
            victim_name(story),
        ));
    } else {
        right.push(actor("Victim", "victim", &cast.victim, victim_name(story)));
        if !cast.target.kept.is_empty() {
            right.push(actor("Target", "target", &cast.target, target_name(story)));
        }
    }
    let lanes = place(&steps, &mut left, &mut right);
    let height = lanes.last().map_or(0, |y| y + LANE / 2) + TOP;
    let ends = left.iter().chain(&right).map(|a| a.top + a.height + TOP);
    let height = ends.fold(height, Ord::max);
    let (title, desc) = (format!("p{number}t"), format!("p{number}d"));
    let labelled = format!("{title} {desc}");
    Some(html! {
        svg.picture viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-labelledby=(labelled)
            xmlns="http://www.w3.org/2000/svg" {
            title id=(title) { "Incident " (number) ": who did what to whom" }
            desc id=(desc) { (described(&steps, &cast)) }
            @for a in &left { (drawn(a, TOP)) }
            @for a in &right { (drawn(a, WIDTH - TOP - BOX)) }
            @for (i, (step, y)) in steps.iter().zip(&lanes).enumerate() { (arrow(step, *y, i + 1)) }
        }
    })
}

fn steps(story: &Story, cast: &Cast, listener_box: usize, target_box: usize) -> Vec<Step> {
    let mut all = Vec::new();
    let leg = |role| story.legs(role).next();
    let (coercion, victim, target) = (leg("coercion"), leg("victim"), leg("target"));
    if coercion.is_some() || !story.incident.methods.kept.is_empty() {
        let what = telling::methods(story).unwrap_or_else(|| "call inside encryption".to_owned());
        all.push(Step {
            right: true,
            left_box: 0,
            right_box: 0,
            what: format!("coercion: {what}"),
            detail: over(coercion, calls(story, "coercion")),
            dashed: coercion.is_none(),
            kind: "coercion",
        });
    }
    let known = !cast.victim.kept.is_empty() && !cast.listener.kept.is_empty();
    if victim.is_some() || (target.is_some() && known) {
        let who = telling::account(story).map_or_else(String::new, |a| format!(" as {a}"));
        all.push(Step {
            right: false,
            left_box: listener_box,
            right_box: 0,
            what: format!("authenticates{who}"),
            detail: match victim {
                Some(_) => over(victim, calls(story, "victim")),
                None => "this connection was not seen".to_owned(),
            },
            dashed: victim.is_none(),
            kind: "victim",
        });
    }
    if target.is_some() {
        all.push(Step {
            right: true,
            left_box: listener_box,
            right_box: target_box,
            what: "relays that authentication".to_owned(),
            detail: over(target, calls(story, "target")),
            dashed: false,
            kind: "relay",
        });
    }
    if let Some(action) = leg("action") {
        // Without a target the action is what was done to the victim.
        let on_target = !cast.target.kept.is_empty();
        all.push(Step {
            right: true,
            left_box: if on_target { listener_box } else { 0 },
            right_box: if on_target { target_box } else { 0 },
            what: telling::action(story)
                .or(story.lead())
                .map_or_else(|| "uses it".to_owned(), |a| a.signature.plain()),
            detail: format!(
                "{} {}",
                action.dest_ip.short(40),
                over(Some(action), calls(story, "action"))
            ),
            dashed: false,
            kind: "action",
        });
    }
    if all.is_empty() && !cast.attacker.kept.is_empty() && !cast.victim.kept.is_empty() {
        all.push(Step {
            right: true,
            left_box: 0,
            right_box: 0,
            what: telling::heading(story),
            detail: String::new(),
            dashed: true,
            kind: "action",
        });
    }
    all
}

fn calls(story: &Story, role: &str) -> usize {
    story.legs(role).count()
}

/// As `smb, port 445, 3 connections`.
fn over(leg: Option<&Leg>, connections: usize) -> String {
    let Some(leg) = leg else {
        return String::new();
    };
    let mut text = format!("port {}", leg.dest_port);
    if !leg.app_proto.is_empty() {
        text = format!("{}, {text}", leg.app_proto.short(20));
    }
    if connections > 1 {
        text += &format!(", {connections} connections");
    }
    text
}

fn victim_name(story: &Story) -> Option<String> {
    telling::account(story).map(|a| format!("account {a}"))
}

/// The server that issued the relayed challenge is the target (docs/eve.md, `context.ntlm`).
fn target_name(story: &Story) -> Option<String> {
    story.legs("target").next()?;
    let ntlm = story.alerts.iter().filter_map(|a| a.context.ntlm.as_ref());
    let name = ntlm.map(|n| &n.dns_computer_name).find(|n| !n.is_empty())?;
    Some(format!("calls itself {}", name.short(60)))
}

fn actor_left(story: &Story, cast: &Cast, one: bool) -> Actor {
    match (cast.attacker.kept.is_empty(), one) {
        (true, _) if story.legs("coercion").next().is_none() => {
            actor("Listener", "listener", &cast.listener, None)
        }
        (_, true) if !cast.listener.kept.is_empty() => {
            actor("Attacker and listener", "attacker", &cast.attacker, None)
        }
        _ => actor("Attacker", "attacker", &cast.attacker, None),
    }
}

fn actor(
    title: &'static str,
    class: &'static str,
    hosts: &List<Text>,
    name: Option<String>,
) -> Actor {
    let mut lines: Vec<String> = hosts
        .kept
        .iter()
        .take(2)
        .map(|h| h.short(LINE + 10))
        .collect();
    let more = hosts.kept.len() + hosts.cut - lines.len();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    if lines.is_empty() {
        lines.push("not known".to_owned());
    }
    lines.extend(name.map(|n| shorten(&n, LINE)));
    Actor {
        title,
        class,
        lines,
        top: TOP,
        height: LANE,
    }
}

/// Gives each arrow its height and each box its place. A box spans the lanes of its arrows.
fn place(steps: &[Step], left: &mut [Actor], right: &mut [Actor]) -> Vec<u32> {
    let mut lanes = Vec::new();
    let mut top = TOP;
    let mut boxes = (0, 0);
    for step in steps {
        // A new box on either side begins below the one before.
        let next = (step.left_box.max(boxes.0), step.right_box.max(boxes.1));
        if !lanes.is_empty() && next != boxes {
            let above = [(&*left, boxes.0), (&*right, boxes.1)];
            let least = above.map(|(side, i)| side.get(i).map_or(0, |a| a.top + tall(a)));
            top = least.into_iter().fold(top, Ord::max) + GAP;
        }
        boxes = next;
        for (side, i) in [(&mut *left, step.left_box), (&mut *right, step.right_box)] {
            if let Some(actor) = side.get_mut(i)
                && (actor.top == TOP && i > 0 || lanes.is_empty())
            {
                actor.top = top;
            }
        }
        lanes.push(top + LANE / 2);
        for (side, i) in [(&mut *left, step.left_box), (&mut *right, step.right_box)] {
            if let Some(actor) = side.get_mut(i) {
                actor.height = (top + LANE).saturating_sub(actor.top);
            }
        }
        top += LANE;
    }
    for actor in left.iter_mut().chain(right.iter_mut()) {
        actor.height = actor.height.max(tall(actor));
    }
    lanes
}

/// Least height of a box with all its lines.
fn tall(actor: &Actor) -> u32 {
    34 + 19 * u32::try_from(actor.lines.len()).unwrap_or(0)
}

fn drawn(a: &Actor, x: u32) -> Markup {
    let lines = u32::try_from(a.lines.len()).unwrap_or(0);
    let first = a.top + (a.height.saturating_sub(19 * lines + 10)) / 2 + 14;
    html! {
        g class=(format!("actor {}", a.class)) {
            rect x=(x) y=(a.top) width=(BOX) height=(a.height) rx="8" {}
            text.role x=(x + BOX / 2) y=(first) text-anchor="middle" { (a.title) }
            @for (i, line) in (1..).zip(&a.lines) {
                text.host x=(x + BOX / 2) y=(first + 19 * i) text-anchor="middle" { (line) }
            }
        }
    }
}

fn arrow(step: &Step, y: u32, number: usize) -> Markup {
    let (near, far) = (TOP + BOX + 6, WIDTH - TOP - BOX - 6);
    let (from, to, head) = if step.right {
        (
            near,
            far - 10,
            format!(
                "{},{} {},{} {},{}",
                far,
                y,
                far - 12,
                y - 6,
                far - 12,
                y + 6
            ),
        )
    } else {
        (
            far,
            near + 10,
            format!(
                "{},{} {},{} {},{}",
                near,
                y,
                near + 12,
                y - 6,
                near + 12,
                y + 6
            ),
        )
    };
    let class = if step.dashed { "step dashed" } else { "step" };
    html! {
        g class=(format!("{class} {}", step.kind)) {
            title { (number) ". " (step.what) " (" (step.detail) ")" }
            line x1=(from) y1=(y) x2=(to) y2=(y) {}
            polygon points=(head) {}
            text.what x=(WIDTH / 2) y=(y - 9) text-anchor="middle" {
                (number) ". " (shorten(&step.what, LABEL - 3))
            }
            text.detail x=(WIDTH / 2) y=(y + 19) text-anchor="middle" { (shorten(&step.detail, LABEL)) }
        }
    }
}

/// The picture in words, for those who cannot see it.
fn described(steps: &[Step], cast: &Cast) -> String {
    let name = |hosts| telling::host(hosts).unwrap_or_else(|| "unknown".to_owned());
    let mut text = format!(
        "Attacker {}, victim {}, listener {}, target {}.",
        name(&cast.attacker),
        name(&cast.victim),
        name(&cast.listener),
        name(&cast.target)
    );
    for (i, step) in (1..).zip(steps) {
        let who = if step.right {
            "the attacker's side"
        } else {
            "the victim"
        };
        text += &format!(" {i}. {who}: {} ({}).", step.what, step.detail);
    }
    text
}
