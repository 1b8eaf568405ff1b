//! The report as a page for people: one HTML file that needs no network and no server.
//!
//! The figures, the violations and every chart's data are plain HTML, made here; [`maud`] escapes whatever is put into it, for
//! room IDs and contents may come from a hostile server. The charts are drawn in the browser by Observable Plot, which is
//! in the file too ([`document`]). A content security policy lets no other script run and nothing be loaded.
//!
//! The page of a seed is the same on every machine: it does not say how long the run took.

mod figures;
mod life;
mod limits;
mod rotations;
mod violations;
mod wear;

pub mod document;
mod wording;

use maud::{Markup, html};
use serde_json::json;

use self::document::Document;
use crate::report::Report;
use crate::scenario::{Crypto, DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Scenario};
use crate::units::{grouped, rough_duration};

/// What draws the charts of this page.
const CHARTS: &str = include_str!("page/charts.js");

/// What a page is made of.
#[derive(Clone, Copy, Debug)]
pub struct Page<'p> {
    /// What was run.
    pub scenario: &'p Scenario,
    /// What came of it.
    pub report: &'p Report,
    /// The command that makes this page again, for people who want another one.
    pub command: &'p str,
}

impl Page<'_> {
    /// The page as HTML.
    #[must_use]
    pub fn to_html(&self) -> String {
        let Page { scenario, report, command } = *self;
        let title =
            format!("{}: {} simulated by pawl-sim", report.scenario, rough_duration(report.simulated_ms));
        let body = html! {
            header {
                p.eyebrow { "pawl-sim report" }
                h1 { (report.scenario) }
                p.lead { (scenario.about) }
                p.quiet { (run_in_words(report)) }
            }
            main id="main" tabindex="-1" {
                p.unscripted.note { "The charts are drawn by JavaScript, which is off here. The tables below have the same figures." }
                (violations::section(report, command))
                (figures::section(report))
                (rotations::section(report))
                (limits::section(report))
                (life::section(report, command))
                (wear::section(report))
            }
            footer {
                h2 { "This page" }
                p { "It was made by " code { (command) } " and is the same for the same seed. It needs no network." }
                p {
                    "Messages, sessions and violations are what an observer saw that shares no code with what it judges. Charts "
                    "are drawn by Observable Plot and D3, whose licence (ISC) is in this file."
                }
            }
        };
        let data = json!({
            "unit": Unit::of(report.simulated_ms).to_json(),
            "duration_ms": report.simulated_ms,
            "rotations": rotations::data(report),
            "limits": limits::data(report),
            "life": life::data(report),
            "wear": wear::data(report),
        });
        Document { title: &title, body, data: &data, charts: CHARTS }.to_html()
    }
}

fn run_in_words(report: &Report) -> String {
    let rooms = if report.rooms == 1 { "room" } else { "rooms" };
    let depth = match report.crypto {
        name if name == Crypto::Vodozemac.name() => {
            "every message really encrypted, and decrypted by every receiving device"
        }
        _ => "decisions only: nothing was encrypted, and nobody received",
    };
    let simulated = rough_duration(report.simulated_ms);
    let (count, seed) = (grouped(report.rooms as u64), report.seed);
    format!("{simulated} of virtual time, {count} {rooms}, seed {seed}; {depth}.")
}

/// What a chart's time axis counts in.
struct Unit {
    name: &'static str,
    ms: u64,
}

impl Unit {
    fn of(duration_ms: u64) -> Self {
        let units = [("days", DAY_MS), ("hours", HOUR_MS), ("minutes", MINUTE_MS), ("seconds", SECOND_MS)];
        let fits = |(_, ms): &(_, u64)| duration_ms >= 3 * ms;
        let (name, ms) = units.into_iter().find(fits).unwrap_or(("milliseconds", 1));
        Unit { name, ms }
    }

    fn to_json(&self) -> serde_json::Value {
        json!({ "name": self.name, "ms": self.ms })
    }
}

/// A chart: what it shows in a sentence, the place where it is drawn, and the same as a table.
fn figure(id: &str, caption: &str, table: &Markup) -> Markup {
    html! {
        figure.chart {
            figcaption id={ (id) "-caption" } { (caption) }
            div.drawing id=(id) data-caption={ (id) "-caption" } {}
            details open {
                summary { "The same as a table" }
                (table)
            }
        }
    }
}
