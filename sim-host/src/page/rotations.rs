//! When sessions were replaced, and why.

use maud::{Markup, html};
use pawl_core::rotation::RotationReason;
use serde_json::{Value, json};

use super::figure;
use super::wording::{Family, moment, reason};
use crate::report::Report;
use crate::units::{grouped, rough_duration};

pub(super) fn section(report: &Report) -> Markup {
    let interval = rough_duration(report.rotations_over_time.interval_ms);
    html! {
        section aria-labelledby="rotations-heading" {
            h2 id="rotations-heading" { "Rotations over time, by reason" }
            p {
                "A session is replaced before the message that would break a limit, after something that takes a key out of "
                "somebody's hands, or when nobody can tell its age. Of several reasons that hold at once the first counts, in the "
                "order below. Each row has a scale of its own; beside its name stand the sum and the highest bar."
            }
            @if report.sessions == 0 {
                p.empty { "No session was made." }
            } @else {
                (legend())
                (figure("rotations", &format!("Sessions that were made, in intervals of {interval}."), &table(report)))
            }
        }
    }
}

/// What the colours stand for, wherever they are used.
pub(super) fn legend() -> Markup {
    html! {
        ul.legend aria-label="Colours: why a session was made" {
            @for family in Family::ALL { li.{ "family-" (family.name()) } { (family.legend()) } }
        }
    }
}

/// Those reasons that occurred, in their order.
fn reasons(report: &Report) -> impl Iterator<Item = (&'static str, &Vec<u64>)> {
    let counts = &report.rotations_over_time.counts;
    RotationReason::ALL.iter().filter_map(|reason| Some((reason.name(), counts.get(reason.name())?)))
}

fn table(report: &Report) -> Markup {
    let over_time = &report.rotations_over_time;
    let columns: Vec<_> = reasons(report).collect();
    let intervals = columns.first().map_or(0, |(_, counts)| counts.len());
    let some = |interval: &usize| columns.iter().any(|(_, counts)| counts[*interval] > 0);
    html! {
        div.scrolls tabindex="0" role="region" aria-label="Table of rotations over time" {
            table {
                caption {
                    "Sessions made, by reason, in intervals of " (rough_duration(over_time.interval_ms))
                    ". Intervals without any are left out."
                }
                thead {
                    tr {
                        th scope="col" { "from" }
                        @for (name, _) in &columns { th scope="col" .number { (reason(name).1) } }
                    }
                }
                tbody {
                    @for interval in (0..intervals).filter(some) {
                        tr {
                            th scope="row" { (moment(interval as u64 * over_time.interval_ms)) }
                            @for (_, counts) in &columns { td.number { (grouped(counts[interval])) } }
                        }
                    }
                }
                tfoot {
                    tr {
                        th scope="row" { "in all" }
                        @for (_, counts) in &columns { td.number { (grouped(counts.iter().sum())) } }
                    }
                }
            }
        }
    }
}

pub(super) fn data(report: &Report) -> Value {
    let interval_ms = report.rotations_over_time.interval_ms;
    let interval = rough_duration(interval_ms);
    let rows: Vec<Value> = reasons(report)
        .map(|(name, counts)| {
            let (family, label, _) = reason(name);
            let (sum, most) = (counts.iter().sum(), counts.iter().copied().max().unwrap_or(0));
            let sum = grouped(sum);
            let label = format!("{label}: {sum}, at most {} in {interval}", grouped(most));
            json!({ "reason": name, "label": label, "family": family.name(), "counts": counts })
        })
        .collect();
    json!({ "interval_ms": interval_ms, "rows": rows })
}
