//! One room's life: a picture, and a list that says the same in words.

use maud::{Markup, html};
use serde_json::{Value, json};

use super::rotations::legend;
use super::wording::{Family, moment, reason, words};
use crate::chronicle::{Entry, RoomLife, What};
use crate::observer::{Settings, Violation};
use crate::report::Report;
use crate::units::{grouped, messages, rough_duration};

pub(super) fn section(report: &Report, command: &str) -> Markup {
    let Some(life) = &report.life else {
        return html! {};
    };
    html! {
        section.life aria-labelledby="life-heading" {
            h2 id="life-heading" { "The life of " code { (life.room) } }
            @if life.entries.kept().next().is_none() {
                p.empty { "Nothing happened in this room." }
            } @else {
                p.scripted {
                    "The upper picture has a block for each session: as wide as it was in use, as high as the messages it carried, in the "
                    "colour of why it was made. The dashed line is the limit in force; a session that was replaced for its limit and is "
                    "lower had lost indices to a power cut. Below, in lanes, is what happened and what the kiosk did. "
                    "Each of these stands in the list as well: choose one there (Tab, then the arrow keys, Home, End) or in the "
                    "picture, and the other shows it."
                }
                (left_out(life))
                (legend())
                @if !off(life).is_empty() || life.entries.left_out() > 0 {
                    ul.legend aria-label="Bands" {
                        @if !off(life).is_empty() { li.band { "grey band: the kiosk was off, or asleep" } }
                        @if life.entries.left_out() > 0 { li.band.pale { "paler band: what happened then is left out" } }
                    }
                }
                figure.chart {
                    figcaption id="life-caption" { "Sessions and events of this room, over the whole run." }
                    div.drawing id="life-sessions" data-caption="life-caption" {}
                    div.drawing id="life-lanes" data-caption="life-caption" {}
                }
                h3 id="life-list-heading" { "What happened, in order" }
                (list(life, report))
            }
            p.another { "Another room's life: " code { (command) " --html-room ID" } }
        }
    }
}

fn left_out(life: &RoomLife) -> Markup {
    if life.entries.left_out() == 0 {
        return html! {};
    }
    let kinds: Vec<String> =
        life.left_out.iter().map(|(kind, count)| format!("{} {kind}", grouped(*count))).collect();
    let (first, last) =
        (grouped(life.entries.first().len() as u64), grouped(life.entries.last().count() as u64));
    html! {
        p.note {
            "More happened than is shown here: the first " (first) " entries and the last " (last) " are. The "
            (grouped(life.entries.left_out())) " between them are left out: " (kinds.join(", ")) "."
        }
    }
}

fn list(life: &RoomLife, report: &Report) -> Markup {
    html! {
        ol.entries id="entries" aria-labelledby="life-list-heading" {
            @for shown in in_order(life, report) {
                @match shown {
                    Shown::Entry(entry) => li.{ "lane-" (lane(&entry.what)) } { (at(entry.at_ms)) (in_words(&entry.what)) },
                    Shown::Gap => li.gap { span.time { "…" } "What is left out was here." },
                    Shown::Violation(violation) => li.lane-violations {
                        (at(violation.at_ms))
                        span { strong { "Violation: " (words(violation.kind.name())) } ". " (violation.detail) }
                    },
                }
            }
        }
    }
}

fn at(ms: u64) -> Markup {
    html! { span.time { (moment(ms)) } " " }
}

/// What the list shows.
enum Shown<'l> {
    Entry(&'l Entry),
    /// Here something was left out.
    Gap,
    Violation(&'l Violation),
}

impl Shown<'_> {
    fn at_ms(&self, life: &RoomLife) -> u64 {
        match self {
            Shown::Entry(entry) => entry.at_ms,
            Shown::Gap => life.entries.first().last().map_or(0, |entry| entry.at_ms),
            Shown::Violation(violation) => violation.at_ms,
        }
    }
}

/// The room's entries with its violations, in the order of time.
fn in_order<'l>(life: &'l RoomLife, report: &'l Report) -> Vec<Shown<'l>> {
    let mut all: Vec<Shown<'l>> = life.entries.first().iter().map(Shown::Entry).collect();
    if life.entries.left_out() > 0 {
        all.push(Shown::Gap);
    }
    all.extend(life.entries.last().map(Shown::Entry));
    all.extend(
        report.violations.iter().filter(|violation| violation.room == life.room).map(Shown::Violation),
    );
    all.sort_by_key(|shown| shown.at_ms(life));
    all
}

/// The lane of the picture that an entry stands in.
fn lane(what: &What) -> &'static str {
    match what {
        What::Encryption { .. } | What::HistoryVisibility { .. } => "settings",
        What::Leave { .. }
        | What::Join { .. }
        | What::Member { .. }
        | What::DeviceRemoved { .. }
        | What::RequestRotation { .. }
        | What::ResetSettings { .. }
        | What::Forget => "people",
        What::Rotation { .. } => "sessions",
        What::ShareBegins
        | What::ShareSucceeds { .. }
        | What::ShareFails { .. }
        | What::ShareLost
        | What::KeyForNewcomer => "shares",
        What::NotSent { .. } | What::Plaintext { .. } => "unencrypted",
        What::Off { .. } | What::On | What::Asleep | What::Awake { .. } => "device",
    }
}

/// The lanes, from above, and what each is called.
const LANES: [(&str, &str); 7] = [
    ("settings", "settings of the room"),
    ("people", "people and devices"),
    ("sessions", "new sessions, by reason"),
    ("shares", "room keys (○ again, ✕ failed or lost)"),
    ("unencrypted", "plaintext ○, messages kept back ✕"),
    ("device", "the kiosk (✕ off or asleep)"),
    ("violations", "violations"),
];

/// How a mark is drawn: `full`, `open`, `cross`, or not at all.
fn mark(what: &What) -> &'static str {
    match what {
        What::ShareBegins | What::Plaintext { .. } => "open",
        What::ShareFails { .. }
        | What::ShareLost
        | What::NotSent { .. }
        | What::Off { .. }
        | What::Asleep => "cross",
        What::On | What::Awake { .. } => "none",
        _ => "full",
    }
}

fn family(what: &What) -> Option<&'static str> {
    match what {
        What::Rotation { reason: name, .. } => Some(reason(name).0.name()),
        What::Leave { .. } | What::DeviceRemoved { .. } | What::RequestRotation { .. } => {
            Some(Family::Event.name())
        }
        _ => None,
    }
}

fn in_words(what: &What) -> Markup {
    let again = |again: &bool| if *again { " Told again." } else { "" };
    html! {
        span {
            @match what {
                What::Encryption { content, cut, again: told_again, in_force } => {
                    strong { "m.room.encryption" } ". " (settings_in_words(*in_force)) (again(told_again)) " "
                    code.content { (content) @if *cut { "…" } }
                }
                What::HistoryVisibility { value, again: told_again } => {
                    strong { "m.room.history_visibility" } " is " code { (value) } "." (again(told_again))
                }
                What::Leave { again: told_again } => { strong { "Somebody left" } "." (again(told_again)) }
                What::Join { again: told_again } => { strong { "Somebody joined" } "." (again(told_again)) }
                What::Member { membership, previous, limited, again: told_again } => {
                    strong { "Somebody is now " code { (membership) } } ", "
                    @match previous {
                        Some(previous) => { "and was " code { (previous) } },
                        None => { "and the kiosk does not know what they were" },
                    }
                    "." @if *limited { " The sync left out events before it." } (again(told_again))
                }
                What::DeviceRemoved { again: told_again } => { strong { "A device was removed" } "." (again(told_again)) }
                What::RequestRotation { again: told_again } => {
                    strong { "The owner asked for a new session" } "." (again(told_again))
                }
                What::ResetSettings { again: told_again } => {
                    strong { "The owner reset the settings" } ": the next usable ones are taken as the first were." (again(told_again))
                }
                What::Forget => { strong { "The kiosk left the room and forgot it" } "." }
                What::Rotation { reason: name, before } => {
                    @let (family, label, why) = reason(name);
                    strong { "New session" } ": " span.{ "reason family-" (family.name()) } { (label) } ", for " (why) ". "
                    @if let Some(before) = before {
                        "The one before carried " (messages(before.messages)) " in " (rough_duration(before.age_ms)) ". "
                    }
                    "Its key is being shared."
                }
                What::ShareBegins => { strong { "The key is being shared again" } "." }
                What::ShareSucceeds { took_ms } => { strong { "Key shared" } ", after " (rough_duration(*took_ms)) "." }
                What::ShareFails { took_ms } => {
                    strong { "Sharing the key failed" } ", after " (rough_duration(*took_ms)) ". Nothing goes out until it succeeds."
                }
                What::ShareLost => { strong { "A share was lost" } ": the kiosk stopped in the midst of it." }
                What::KeyForNewcomer => { strong { "Key given to the newcomer" } ", from its current index on." }
                What::NotSent { reason, count, until_ms } => {
                    strong { (messages(*count)) " did not go out" } ": " (words(reason)) "." (until(*count, *until_ms))
                }
                What::Plaintext { count, until_ms } => {
                    strong { (messages(*count)) " went out as plaintext" } ", for the room was not encrypted." (until(*count, *until_ms))
                }
                What::Off { kind } => { strong { "The kiosk went off" } ": " (words(kind)) "." }
                What::On => { strong { "The kiosk is on again" } "." }
                What::Asleep => { strong { "The kiosk fell asleep" } "." }
                What::Awake { known: true } => { strong { "It woke up" } ", and knows for how long it slept." }
                What::Awake { known: false } => { strong { "It woke up" } ", and does not know for how long it slept." }
            }
        }
    }
}

fn settings_in_words(in_force: Option<Settings>) -> String {
    in_force.map_or_else(
        || "Nothing usable is in force.".to_owned(),
        |settings| {
            let (messages, period) = (messages(settings.messages), rough_duration(settings.period_ms));
            format!("In force: {messages}, {period}.")
        },
    )
}

fn until(count: u64, until_ms: u64) -> String {
    if count > 1 { format!(" The last at {}.", moment(until_ms)) } else { String::new() }
}

pub(super) fn data(report: &Report) -> Value {
    let Some(life) = &report.life else {
        return Value::Null;
    };
    let mark_of = |shown: &Shown<'_>| {
        let at_ms = shown.at_ms(life);
        match shown {
            Shown::Entry(Entry { what, .. }) => {
                json!({ "at": at_ms, "lane": lane(what), "mark": mark(what), "family": family(what) })
            }
            Shown::Violation(_) => {
                json!({ "at": at_ms, "lane": "violations", "mark": "cross", "family": "violation" })
            }
            Shown::Gap => Value::Null,
        }
    };
    let entries: Vec<Value> = in_order(life, report).iter().map(mark_of).collect();
    let sessions = life.sessions.kept().map(|session| {
        json!({
            "from": session.from_ms,
            "until": session.until_ms,
            "messages": session.messages,
            "family": reason(session.reason).0.name(),
        })
    });
    let limits = life
        .limits
        .kept()
        .map(|step| json!({ "at": step.at_ms, "messages": step.settings.map(|settings| settings.messages) }));
    json!({
        "lanes": LANES.map(|(name, label)| json!({ "name": name, "label": label })),
        "entries": entries,
        "sessions": sessions.collect::<Vec<_>>(),
        "limits": limits.collect::<Vec<_>>(),
        "off": off(life),
        "gap": gap(life),
    })
}

/// When the kiosk was off or asleep, as far as the entries tell.
fn off(life: &RoomLife) -> Vec<Value> {
    let mut since = None;
    let mut off = Vec::new();
    for entry in life.entries.kept() {
        match entry.what {
            What::Off { .. } | What::Asleep => since = Some(entry.at_ms),
            What::On | What::Awake { .. } => {
                off.extend(since.take().map(|from| json!({ "from": from, "until": entry.at_ms })));
            }
            _ => {}
        }
    }
    off
}

/// From when to when entries are left out.
fn gap(life: &RoomLife) -> Value {
    let (Some(before), Some(after)) = (life.entries.first().last(), life.entries.last().next()) else {
        return Value::Null;
    };
    if life.entries.left_out() == 0 {
        Value::Null
    } else {
        json!({ "from": before.at_ms, "until": after.at_ms })
    }
}
