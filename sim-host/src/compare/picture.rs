//! The comparison as a picture: what each choice costs against what can be read with one leaked session, as an SVG file.
//!
//! Two plots share the cost: one against messages, one against time. A line joins the choices of one period. Further down is
//! cheaper, further left exposes less.

use std::fmt::Write;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::table::{figure, time};
use super::{Comparison, Outcome};
use crate::scenario::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::units::{grouped, rough_duration};

const SIZE: (u32, u32) = (1_000, 560);
const LEFT: std::ops::Range<i32> = 80..500;
const RIGHT: std::ops::Range<i32> = 545..925;
/// From the bottom to the top.
#[expect(clippy::reversed_empty_ranges, reason = "pixels are counted from the top")]
const HEIGHT: std::ops::Range<i32> = 440..105;

const PAPER: RGBColor = RGBColor(255, 255, 255);
const INK: RGBColor = RGBColor(0x24, 0x29, 0x2f);
const LINES: RGBColor = RGBColor(0xd8, 0xde, 0xe4);
const FRONT: RGBColor = RGBColor(0xc9, 0xd1, 0xd9);

/// By period, the shortest first. Each can be told from white paper and from black.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0xc2, 0x4d, 0x8e),
    RGBColor(0xc9, 0x5d, 0x2b),
    RGBColor(0x8a, 0x7d, 0x12),
    RGBColor(0x25, 0x8a, 0x5b),
    RGBColor(0x2b, 0x7f, 0xc4),
    RGBColor(0x82, 0x65, 0xd6),
];

/// On dark paper ink is light. The backend writes colours as attributes, which a style sheet goes before.
const STYLE: &str = "<style>@media (prefers-color-scheme: dark) {
  [fill=\"#FFFFFF\"] { fill: #0D1117 }
  [fill=\"#24292F\"] { fill: #E6EDF3 }
  [stroke=\"#24292F\"] { stroke: #E6EDF3 }
  [stroke=\"#D8DEE4\"] { stroke: #2A3037 }
  [stroke=\"#C9D1D9\"] { stroke: #3D444D }
}</style>
";

type Paper<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Plot<'a> = DrawingArea<SVGBackend<'a>, Cartesian2d<LogCoord<f64>, LogCoord<f64>>>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

impl Comparison {
    /// The SVG file.
    pub(super) fn picture(&self) -> String {
        let mut svg = String::new();
        self.draw(&SVGBackend::with_string(&mut svg, SIZE).into_drawing_area())
            .expect("nothing fails in writing into memory");
        let begin = svg.find('>').map_or(0, |end| end + 1);
        svg.insert_str(
            begin,
            &format!("\n<title>{}</title>\n<desc>{}</desc>\n{STYLE}", self.title(), self.description()),
        );
        svg.insert_str("<svg".len(), " role=\"img\"");
        svg
    }

    fn title(&self) -> String {
        let simulated = rough_duration(self.simulated_ms);
        escaped(&format!("What limits cost and what they expose: {}, {simulated}", self.scenario))
    }

    /// What the picture shows, for those who do not see it.
    fn description(&self) -> String {
        let mut text = String::from(
            "Key shares a day against what can be read with one leaked session, for each choice of limits that is not beaten both on messages and on time: ",
        );
        for one in self.choices.iter().filter(|one| !one.beaten.on_both()) {
            let _ = write!(
                text,
                "{} messages and {}: {} key shares a day, {} messages in the mean, {} at most; ",
                grouped(one.limits.messages.get().into()),
                rough_duration(one.limits.period_ms),
                figure(one.a_day.key_shares),
                figure(one.exposure.mean_messages),
                time(one.time_exposed()),
            );
        }
        escaped(text.trim_end_matches("; "))
    }

    fn draw(&self, paper: &Paper<'_>) -> Drawn {
        paper.fill(&PAPER)?;
        let title = format!("What limits cost and what they expose: {}", self.scenario);
        write_at(paper, &title, (LEFT.start, 32), 22.0, HPos::Left)?;
        let simulated = rough_duration(self.simulated_ms);
        let seeds =
            if self.seeds == 1 { String::new() } else { format!(", {} seeds from it on", self.seeds) };
        let below =
            format!("{} choices, {simulated} simulated, seed {}{seeds}", self.choices.len(), self.seed);
        write_at(paper, &below, (LEFT.start, 55), 15.0, HPos::Left)?;
        write_at(paper, "key shares a day", (LEFT.start - 60, 84), 16.0, HPos::Left)?;
        let cost = Axis::of(self.choices.iter().map(Outcome::cost), &DECADES, decade);
        for side in [MESSAGES, TIME] {
            let middle = i32::midpoint(side.place.start, side.place.end);
            write_at(paper, side.name, (middle, HEIGHT.start + 42), 16.0, HPos::Center)?;
            self.draw_side(paper, &side, &cost)?;
        }
        draw_key(paper)
    }

    fn draw_side(&self, paper: &Paper<'_>, side: &Side, cost: &Axis) -> Drawn {
        let exposure = Axis::of(self.choices.iter().map(side.of), side.ticks, side.shown);
        let plot = paper.apply_coord_spec(Cartesian2d::<LogCoord<f64>, LogCoord<f64>>::new(
            exposure.range().log_scale(),
            cost.range().log_scale(),
            (side.place.clone(), HEIGHT),
        ));
        draw_lines(&plot, &exposure, cost, side.with_cost)?;
        plot.draw(&PathElement::new(self.front(side.of), FRONT.stroke_width(9)))?;
        let mut periods: Vec<u64> = self.choices.iter().map(|one| one.limits.period_ms).collect();
        periods.sort_unstable();
        periods.dedup();
        for (number, &period_ms) in periods.iter().enumerate() {
            let is_drawn = |one: &&Outcome| {
                one.limits.period_ms == period_ms && one.cost() > 0.0 && (side.of)(one) > 0.0
            };
            let choices: Vec<&Outcome> = self.choices.iter().filter(is_drawn).collect();
            draw_period(&plot, side, &choices, COLOURS[number % COLOURS.len()])?;
            if number + 1 == periods.len() {
                for one in choices {
                    let label = grouped(one.limits.messages.get().into());
                    label_at(&plot, side.at(one), side.messages_label, &label, INK)?;
                }
            }
        }
        Ok(())
    }

    /// The choices than which none is lower on both axes, the least exposed first.
    fn front(&self, of: fn(&Outcome) -> f64) -> Vec<(f64, f64)> {
        let mut points: Vec<(f64, f64)> = self.choices.iter().map(|one| (of(one), one.cost())).collect();
        points.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1)));
        let mut cheapest = f64::INFINITY;
        points.retain(|point| {
            let cheaper = point.1 < cheapest && point.0 > 0.0 && point.1 > 0.0;
            if cheaper {
                cheapest = point.1;
            }
            cheaper
        });
        points
    }
}

/// One of the two plots.
struct Side {
    name: &'static str,
    place: std::ops::Range<i32>,
    /// Whether the cost is written beside it.
    with_cost: bool,
    of: fn(&Outcome) -> f64,
    beaten: fn(&Outcome) -> bool,
    ticks: &'static [f64],
    shown: fn(f64) -> String,
    period_label: Label,
    messages_label: Label,
}

/// Where a label is, from its point.
type Label = ((i32, i32), HPos);

const MESSAGES: Side = Side {
    name: "messages readable with one leaked session, mean",
    place: LEFT,
    with_cost: true,
    of: Outcome::messages_exposed,
    beaten: |one| one.beaten.on_messages,
    ticks: &DECADES,
    shown: decade,
    period_label: ((10, -8), HPos::Left),
    messages_label: ((-9, 11), HPos::Right),
};

const TIME: Side = Side {
    name: "time readable with one leaked session, at most",
    place: RIGHT,
    with_cost: false,
    of: drawn_time,
    beaten: |one| one.beaten.on_time,
    ticks: &TIMES,
    shown: |ms| if ms > TIMES[0] { rough_duration(whole(ms)) } else { "≤ 1 s".to_owned() },
    period_label: ((0, 17), HPos::Center),
    messages_label: ((11, 0), HPos::Left),
};

impl Side {
    fn at(&self, one: &Outcome) -> (f64, f64) {
        ((self.of)(one), one.cost())
    }
}

/// At least a second: a session of one message takes no time.
fn drawn_time(one: &Outcome) -> f64 {
    one.time_exposed().max(SECOND_MS as f64)
}

/// The choices of one period. A hollow circle is beaten; a ring is Matrix's defaults.
fn draw_period(plot: &Plot<'_>, side: &Side, choices: &[&Outcome], colour: RGBColor) -> Drawn {
    let points: Vec<_> = choices.iter().map(|one| side.at(one)).collect();
    plot.draw(&PathElement::new(points, colour.stroke_width(2)))?;
    for one in choices {
        if one.matrix_default {
            plot.draw(&Circle::new(side.at(one), 10, INK.stroke_width(2)))?;
        }
        draw_point(plot, side.at(one), (side.beaten)(one), colour)?;
    }
    let Some(last) = choices.last() else {
        return Ok(());
    };
    label_at(plot, side.at(last), side.period_label, &rough_duration(last.limits.period_ms), colour)
}

fn draw_point<C: CoordTranslate>(
    area: &DrawingArea<SVGBackend<'_>, C>,
    at: C::From,
    hollow: bool,
    colour: RGBColor,
) -> Drawn
where
    C::From: Clone,
{
    area.draw(&Circle::new(at.clone(), 5, if hollow { PAPER.filled() } else { colour.filled() }))?;
    area.draw(&Circle::new(at, 5, colour.stroke_width(2)))
}

fn draw_lines(plot: &Plot<'_>, exposure: &Axis, cost: &Axis, with_cost: bool) -> Drawn {
    for &tick in &exposure.ticks {
        let ends = vec![(tick, cost.least), (tick, cost.greatest)];
        plot.draw(&PathElement::new(ends, LINES.stroke_width(1)))?;
        label_at(plot, (tick, cost.least), ((0, 14), HPos::Center), &(exposure.shown)(tick), INK)?;
    }
    for &tick in &cost.ticks {
        let ends = vec![(exposure.least, tick), (exposure.greatest, tick)];
        plot.draw(&PathElement::new(ends, LINES.stroke_width(1)))?;
        if with_cost {
            label_at(plot, (exposure.least, tick), ((-8, 0), HPos::Right), &(cost.shown)(tick), INK)?;
        }
    }
    Ok(())
}

fn draw_key(paper: &Paper<'_>) -> Drawn {
    let grey = COLOURS[4];
    let y = 528;
    draw_point(paper, (90, y), false, grey)?;
    write_at(paper, "no other choice beats it", (102, y), 14.0, HPos::Left)?;
    draw_point(paper, (290, y), true, grey)?;
    write_at(paper, "beaten by another", (302, y), 14.0, HPos::Left)?;
    draw_point(paper, (450, y), false, grey)?;
    paper.draw(&Circle::new((450, y), 10, INK.stroke_width(2)))?;
    write_at(paper, "Matrix's defaults", (467, y), 14.0, HPos::Left)?;
    paper.draw(&PathElement::new(vec![(605, y), (640, y)], FRONT.stroke_width(9)))?;
    write_at(paper, "none is lower and further left", (650, y), 14.0, HPos::Left)?;
    write_at(paper, "colour: period; numbers: messages a session", (RIGHT.end, 84), 14.0, HPos::Right)
}

fn write_at(paper: &Paper<'_>, text: &str, at: (i32, i32), size: f64, side: HPos) -> Drawn {
    let style = ("sans-serif", size).into_font().color(&INK).pos(Pos::new(side, VPos::Center));
    paper.draw(&Text::new(text.to_owned(), at, style))
}

fn label_at(plot: &Plot<'_>, at: (f64, f64), (by, side): Label, text: &str, colour: RGBColor) -> Drawn {
    let style = ("sans-serif", 14.0).into_font().color(&colour).pos(Pos::new(side, VPos::Center));
    plot.draw(&(EmptyElement::at(at) + Text::new(text.to_owned(), by, style)))
}

const DECADES: [f64; 13] = [1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

const TIMES: [f64; 9] = [
    SECOND_MS as f64,
    MINUTE_MS as f64,
    10.0 * MINUTE_MS as f64,
    HOUR_MS as f64,
    6.0 * HOUR_MS as f64,
    DAY_MS as f64,
    7.0 * DAY_MS as f64,
    28.0 * DAY_MS as f64,
    365.0 * DAY_MS as f64,
];

/// A logarithmic axis.
struct Axis {
    least: f64,
    greatest: f64,
    ticks: Vec<f64>,
    shown: fn(f64) -> String,
}

impl Axis {
    /// One that all values are on, those not above 0 left out, with some room to either side.
    fn of(values: impl Iterator<Item = f64>, ticks: &[f64], shown: fn(f64) -> String) -> Self {
        const ROOM: f64 = 1.6;
        let (mut least, mut greatest) = (f64::INFINITY, 0.0_f64);
        for value in values.filter(|value| *value > 0.0) {
            (least, greatest) = (least.min(value / ROOM), greatest.max(value * ROOM));
        }
        if least > greatest {
            (least, greatest) = (0.1, 10.0);
        }
        let ticks = ticks.iter().copied().filter(|tick| (least..=greatest).contains(tick)).collect();
        Axis { least, greatest, ticks, shown }
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.least..self.greatest
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is no less than 0")]
fn whole(ms: f64) -> u64 {
    ms as u64
}

/// `0.01`, `1`, `1,000`.
fn decade(value: f64) -> String {
    if value < 1.0 { value.to_string() } else { grouped(whole(value.round())) }
}

/// Text as XML has it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
