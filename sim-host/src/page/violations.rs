//! Whether anything went wrong, first of all.

use maud::{Markup, html};

use super::wording::{moment, words};
use crate::cause::ShrunkTrace;
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
            ul { @for (kind, count) in &report.violation_counts { li { (grouped(*count)) " × " (words(kind.name())) } } }
            div.scrolls tabindex="0" role="region" aria-label="List of violations" {
                ol.violations { @for violation in shown { li { (in_words(violation)) } } }
            }
            @for shrunk in &report.traces { (trace(shrunk)) }
            @for kind in report.violation_counts.keys().filter(|kind| report.traces.iter().all(|trace| trace.kind != **kind)) {
                p { "No trace was found that shows " (words(kind.name())) "." }
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

/// How to see a violation again.
fn trace(trace: &ShrunkTrace) -> Markup {
    let kind = words(trace.kind.name());
    html! {
        details.trace {
            summary { "The shortest trace found that shows " (kind) ": " (lines_of(trace.lines.len())) }
            p { "Save it as a file and replay it with " code { "pawl-sim trace --judge FILE" } "." }
            pre tabindex="0" aria-label={ "Trace that shows " (kind) } { code { (trace) } }
        }
    }
}

fn lines_of(lines: usize) -> String {
    if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") }
}

fn in_words(violation: &Violation) -> Markup {
    html! {
        strong { (words(violation.kind.name())) } ", step " (grouped(violation.step)) ", at " (moment(violation.at_ms)) " in "
        code { (violation.room) } ": "
        (violation.detail)
    }
}
