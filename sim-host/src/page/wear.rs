//! What storing cost the flash.

use maud::{Markup, html};
use serde_json::{Value, json};

use super::figure;
use crate::report::{Report, Wear};
use crate::units::{grouped, messages};

/// What a measure is called, and where it is found.
type Measure = (&'static str, fn(&Wear) -> u64);

/// What is measured, in the order of the columns.
const MEASURES: [Measure; 3] = [
    ("records stored", |wear| wear.records_per_1000_messages),
    ("words written", |wear| wear.words_written_per_1000_messages),
    ("words erased", |wear| wear.words_erased_per_1000_messages),
];

pub(super) fn section(report: &Report) -> Markup {
    html! {
        section aria-labelledby="wear-heading" {
            h2 id="wear-heading" { "Wear of the flash" }
            @if report.wear.is_empty() {
                p.empty {
                    "Nothing was measured: sessions were not stored, or were of a kind that encrypts nothing and takes next to no "
                    "room."
                }
            } @else {
                p {
                    "A session is stored ahead of itself, so that a power cut cannot make an index be used twice. The further "
                    "ahead, the less often; and the more of a session's limit is lost in a power cut. Figures are for 1,000 messages."
                }
                (figure("wear", "What 1,000 messages cost the flash, by how far ahead sessions are stored; this run's in blue.", &table(report)))
            }
        }
    }
}

fn table(report: &Report) -> Markup {
    html! {
        table {
            caption { "For 1,000 messages." }
            thead {
                tr {
                    th scope="col" { "sessions stored ahead by" }
                    @for (name, _) in MEASURES { th.number scope="col" { (name) } }
                }
            }
            tbody {
                @for wear in &report.wear {
                    tr {
                        th scope="row" { (messages(wear.reserve.into())) }
                        @for (_, measure) in MEASURES { td.number { (grouped(measure(wear))) } }
                    }
                }
            }
        }
    }
}

pub(super) fn data(report: &Report) -> Value {
    let bar = |wear: &Wear, name, value: u64| {
        let chosen = wear.reserve == report.reserve;
        json!({ "ahead": messages(wear.reserve.into()), "measure": name, "value": value, "text": grouped(value), "chosen": chosen })
    };
    let bars = MEASURES
        .iter()
        .flat_map(|(name, measure)| report.wear.iter().map(move |wear| bar(wear, *name, measure(wear))));
    Value::Array(bars.collect())
}
