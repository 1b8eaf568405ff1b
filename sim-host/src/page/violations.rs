//! Whether anything went wrong, first of all.

use maud::{Markup, html};

use super::wording::{moment, words};
use crate::observer::Violation;
use crate::report::Report;
use crate::units::grouped;

/// How many violations the page shows in full.
const SHOWN: usize = 100;

pub(super) fn section(report: &Report, command: &str) -> Markup {
    if report.is_clean() {
        return html! {
            section.verdict.good aria-labelledby="verdict" {
                h2 id="verdict" { span.mark aria-hidden="true" { "✓" } " No violation" }
                p {
                    "The observer judged every message: no plaintext after encryption, no session beyond its limits, no ratchet "
                    "index used twice, none sent while the room was blocked."
                }
            }
        };
    }
    let count = report.violation_count;
    let shown = report.violations.iter().take(SHOWN);
    html! {
        section.verdict.bad aria-labelledby="verdict" {
            h2 id="verdict" {
                span.mark aria-hidden="true" { "✕" } " "
                (grouped(count)) @if count == 1 { " violation" } @else { " violations" }
            }
            p { "The device did what it must not do:" }
            ul { @for (kind, count) in by_kind(report) { li { (grouped(count)) " × " (words(&kind)) } } }
            div.scrolls tabindex="0" role="region" aria-label="List of violations" {
                ol.violations { @for violation in shown { li { (in_words(violation)) } } }
            }
            @if count > SHOWN as u64 {
                p {
                    (grouped(count - report.violations.len().min(SHOWN) as u64)) " more are not shown; "
                    code { (command) " --json FILE" } " lists up to 1,000."
                }
            }
        }
    }
}

/// The kinds of those that are listed, and how many there are of each.
fn by_kind(report: &Report) -> Vec<(String, u64)> {
    let mut kinds: Vec<(String, u64)> = Vec::new();
    for violation in &report.violations {
        let kind = kind_of(violation);
        match kinds.iter_mut().find(|(name, _)| *name == kind) {
            Some((_, count)) => *count += 1,
            None => kinds.push((kind, 1)),
        }
    }
    kinds
}

pub(super) fn kind_of(violation: &Violation) -> String {
    serde_json::to_value(violation.kind)
        .ok()
        .and_then(|kind| Some(kind.as_str()?.to_owned()))
        .unwrap_or_default()
}

fn in_words(violation: &Violation) -> Markup {
    html! {
        strong { (words(&kind_of(violation))) } " at " (moment(violation.at_ms)) " in " code { (violation.room) } ": "
        (violation.detail)
    }
}
