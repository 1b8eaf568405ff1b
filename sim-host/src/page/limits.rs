//! How much of their limits sessions used.

use maud::{Markup, html};
use serde_json::{Value, json};

use super::figure;
use super::wording::percent;
use crate::observer::Used;
use crate::report::Report;
use crate::units::{grouped, rough_duration};

pub(super) fn section(report: &Report) -> Markup {
    let used = &report.limit_use;
    let excused = used.age.over > 0 && report.is_clean();
    let beyond = if excused {
        ", as far as it can know: what stands to the right of the line is older by time that its clock hid."
    } else {
        ": nothing may stand to the right of the line."
    };
    html! {
        section aria-labelledby="limits-heading" {
            h2 id="limits-heading" { "Sessions against their limits" }
            p {
                "Rooms have limits of their own, so each session is measured by those that were in force at its last message: "
                "100 % is the limit, the dashed line. A session may carry exactly as many messages as its limit, and must be "
                "younger than its period" (beyond) " What ends far to the left ended for another reason than that limit, or had "
                "not ended yet."
            }
            @if sum(&used.messages) == 0 {
                p.empty { "No session carried a message." }
            } @else {
                @if excused {
                    p {
                        "The sessions beyond their period are no violation: the counter hid "
                        (rough_duration(report.unseen_ms)) " of true time, by which the device could not know them to be older."
                    }
                }
                div.side-by-side {
                    (figure("limit-messages", "Messages a session carried, as a share of its limit.", &table(&used.messages)))
                    (figure("limit-age", "Age of a session at its last message, as a share of its period.", &table(&used.age)))
                }
            }
        }
    }
}

fn sum(used: &Used) -> u64 {
    used.twentieths.iter().sum::<u64>() + used.over
}

fn table(used: &Used) -> Markup {
    let all = sum(used);
    html! {
        table {
            caption { "Sessions by how much of the limit they used." }
            thead {
                tr {
                    th scope="col" { "used of the limit" }
                    th.number scope="col" { "sessions" }
                    th.number scope="col" { "share" }
                }
            }
            tbody {
                @for (place, count) in used.twentieths.iter().enumerate() {
                    tr {
                        th scope="row" { (place * 5) " to " (place * 5 + 5) " %" }
                        td.number { (grouped(*count)) }
                        td.number { (percent(*count, all)) }
                    }
                }
                tr {
                    th scope="row" { "beyond it" }
                    td.number { (grouped(used.over)) }
                    td.number { (percent(used.over, all)) }
                }
            }
        }
    }
}

pub(super) fn data(report: &Report) -> Value {
    let bars = |used: &Used| json!({ "twentieths": used.twentieths, "over": used.over });
    json!({ "messages": bars(&report.limit_use.messages), "age": bars(&report.limit_use.age) })
}
