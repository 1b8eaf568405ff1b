//! The summary: the figures that the terminal has too.

use maud::{Markup, html};

use super::wording::words;
use crate::report::{Report, RoomReport};
use crate::scenario::Crypto;
use crate::units::{grouped, messages, rough_duration};

pub(super) fn section(report: &Report) -> Markup {
    html! {
        section aria-labelledby="summary" {
            h2 id="summary" { "Summary" }
            dl.cards {
                @for (name, value, more) in cards(report) {
                    div { dt { (name) } dd { span.figure { (value) } @if !more.is_empty() { span.quiet { (more) } } } }
                }
            }
            (rooms(report))
        }
    }
}

fn cards(report: &Report) -> Vec<(&'static str, String, String)> {
    let encrypted = report.messages - report.plaintext_messages;
    let mut cards = vec![
        (
            "Messages that went out",
            grouped(report.messages),
            format!("{} of them encrypted", grouped(encrypted)),
        ),
        (
            "As plaintext",
            grouped(report.plaintext_messages),
            "to rooms that were not encrypted at the time".to_owned(),
        ),
        ("Blocked", grouped(report.blocked_messages), "messages that did not go out".to_owned()),
        ("Sessions", grouped(report.sessions), shares(report)),
    ];
    if report.crypto == Crypto::Vodozemac.name() {
        cards.push(("Decrypted", grouped(report.decrypted), "messages, by receiving devices".to_owned()));
        cards.push((
            "Not decrypted",
            grouped(report.undecryptable),
            "messages or room keys that a device could not read".to_owned(),
        ));
    }
    cards.push(("Ratchet indices reused", grouped(report.index_reuses), "each would be a fault".to_owned()));
    let restarts: u64 = report.restarts.values().sum();
    if restarts > 0 {
        let kinds = report.restarts.iter().filter(|(_, count)| **count > 0);
        let kinds: Vec<String> =
            kinds.map(|(kind, count)| format!("{} {}", words(kind), grouped(*count))).collect();
        cards.push(("Restarts", grouped(restarts), kinds.join(", ")));
        cards.push((
            "Sessions that went on",
            grouped(report.sessions_resumed),
            format!("after a restart, at a loss of {} ratchet indices", grouped(report.indices_skipped)),
        ));
    }
    if report.sleeps > 0 {
        cards.push(("Sleeps", grouped(report.sleeps), "in which the counter stood still".to_owned()));
    }
    if report.unseen_ms > 0 {
        let more = "hidden by the counter without a trace; sessions may be older by that".to_owned();
        cards.push(("Unseen time", rough_duration(report.unseen_ms), more));
    }
    cards
}

fn shares(report: &Report) -> String {
    let (shared, failed) = (grouped(report.key_shares), grouped(report.failed_key_shares));
    format!("whose keys were shared {shared} times; {failed} shares failed")
}

/// One row a room. The roles are said, since a phone's layout would take them from the elements.
fn rooms(report: &Report) -> Markup {
    /// What they are called, and whether they are of numbers.
    const COLUMNS: [(&str, bool); 6] = [
        ("in force", false),
        ("messages", true),
        ("sessions", true),
        ("reasons to rotate", false),
        ("oldest session", true),
        ("most messages in one", true),
    ];
    html! {
        table.rooms role="table" {
            caption {
                "Rooms: what each asks for and what it got. " i { "In force" }
                " are the limits of a session at the end; no session may be as old as the second or carry more than the first."
            }
            thead role="rowgroup" {
                tr role="row" {
                    th role="columnheader" scope="col" { "room" }
                    @for (column, number) in COLUMNS {
                        th role="columnheader" scope="col" .number[number] { (column) }
                    }
                }
            }
            tbody role="rowgroup" {
                @for room in &report.room_reports {
                    tr role="row" {
                        th role="rowheader" scope="row" {
                            code { (room.room) } @if room.rooms > 1 { " × " (grouped(room.rooms as u64)) }
                            span.quiet { (room.about) }
                        }
                        @for ((column, number), value) in COLUMNS.into_iter().zip(cells(room)) {
                            td role="cell" data-label=(column) .number[number] { (value) }
                        }
                    }
                }
            }
        }
    }
}

fn cells(room: &RoomReport) -> [String; 6] {
    let in_force = match (room.settings, room.block_reason) {
        (Some(settings), _) => {
            format!("{}, {}", messages(settings.messages), rough_duration(settings.period_ms))
        }
        (None, Some(reason)) => format!("blocked: {}", words(reason)),
        (None, None) => "not encrypted".to_owned(),
    };
    let mut sent = grouped(room.messages);
    if room.plaintext_messages > 0 {
        sent.push_str(&format!(" + {} plain", grouped(room.plaintext_messages)));
    }
    if room.blocked_messages > 0 {
        sent.push_str(&format!(" ({} blocked)", grouped(room.blocked_messages)));
    }
    let reasons: Vec<String> =
        room.rotations.iter().map(|(name, count)| format!("{} {}", words(name), grouped(*count))).collect();
    let reasons = if reasons.is_empty() { "–".to_owned() } else { reasons.join(", ") };
    let of_sessions = |value: String| if room.sessions == 0 { "–".to_owned() } else { value };
    [
        in_force,
        sent,
        grouped(room.sessions),
        reasons,
        of_sessions(rough_duration(room.max_session_age_ms)),
        of_sessions(grouped(room.max_messages_per_session)),
    ]
}
