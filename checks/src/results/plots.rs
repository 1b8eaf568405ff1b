//! The plots: how things grow, both axes logarithmic, so that what is proportional is a straight line.

use plotters::coord::Shift;
use plotters::coord::combinators::BindKeyPoints;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Measured;
use super::simulation::Point;

/// A plot's file, and what it shows.
pub(super) struct Plot {
    pub(super) file: &'static str,
    pub(super) caption: &'static str,
}

/// All plots, in the order of the page.
pub(super) const PLOTS: [Plot; 4] = [
    Plot { file: "lookup.svg", caption: "Lookup and decision, from 1 to 4,096 rooms" },
    Plot { file: "reading.svg", caption: "Reading hostile content, from 64 B to 64 KiB" },
    Plot { file: "simulation_rooms.svg", caption: "Simulating a week, in 1 to 10,000 rooms" },
    Plot { file: "simulation_weeks.svg", caption: "Simulating 1 to 52 weeks, in 100 rooms" },
];

type Series = Vec<(f64, f64)>;

/// A part of a plot, below another one if it has a unit of its own.
struct Panel {
    /// What the vertical axis is for.
    up: &'static str,
    /// By their names.
    series: Vec<(String, Series)>,
}

/// The plots by their files' names, as SVG.
pub(super) fn all(measured: &Measured) -> Result<Vec<(&'static str, String)>, String> {
    let times = |group: &str| -> Series {
        let times = measured.times.by_number(group);
        times.into_iter().map(|(number, time)| (f64::from(number), time.median)).collect()
    };
    let rooms = ["lookup", "lookup_alike", "decide"];
    let names = ["lookup", "lookup, a hostile server's IDs", "clock, lookup, decision"];
    let lookup = rooms.iter().zip(names).map(|(group, name)| (name.to_owned(), times(group))).collect();
    let kinds = hostile_kinds(measured);
    let reading =
        kinds.iter().map(|kind| (kind.replace('_', " "), times(&format!("parse_hostile/{kind}")))).collect();
    let simulated = &measured.simulated;
    let drawn = [
        draw(&PLOTS[0], "rooms", &[Panel { up: "ns", series: lookup }])?,
        draw(&PLOTS[1], "bytes", &[Panel { up: "ns", series: reading }])?,
        draw(&PLOTS[2], "rooms", &simulation(&simulated.rooms))?,
        draw(&PLOTS[3], "weeks", &simulation(&simulated.weeks))?,
    ];
    Ok(PLOTS.iter().map(|plot| plot.file).zip(drawn).collect())
}

/// The kinds of hostile content that were measured.
pub(super) fn hostile_kinds(measured: &Measured) -> Vec<String> {
    let mut kinds: Vec<_> = measured
        .times
        .group("parse_hostile")
        .filter_map(|(name, _)| Some(name.split_once('/')?.0.to_owned()))
        .collect();
    kinds.dedup();
    kinds
}

fn simulation(points: &[Point]) -> [Panel; 2] {
    let panel = |up: &'static str, of: fn(&Point) -> f64| {
        let points = points.iter().map(|point| (f64::from(point.size), of(point))).collect();
        Panel { up, series: vec![(up.to_owned(), points)] }
    };
    [
        panel("time in ms", |point| point.seconds * 1e3),
        panel("memory at its peak in MiB", |point| point.peak_bytes as f64 / f64::from(1 << 20)),
    ]
}

/// On an opaque ground, so that they are read alike on light and dark pages; in colours that are told apart by those who see few.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x00, 0x00, 0x00),
    RGBColor(0x8a, 0x8a, 0x00),
];

const GRID: RGBColor = RGBColor(0xe4, 0xe4, 0xe4);

/// In pixels. Names stand beside what they name, so that they hide nothing.
const WIDTH: u32 = 820;
const NAMES_WIDTH: u32 = 220;
const TITLE_HEIGHT: u32 = 40;
const NAME_HEIGHT: i32 = 22;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw(plot: &Plot, across: &str, panels: &[Panel]) -> Result<String, String> {
    let mut svg = String::new();
    draw_on(&mut svg, plot, across, panels).map_err(|error| format!("{}: {error}", plot.file))?;
    Ok(svg)
}

fn draw_on(svg: &mut String, plot: &Plot, across: &str, panels: &[Panel]) -> Drawn {
    let height = if panels.len() > 1 { 560 } else { 400 };
    let ground = SVGBackend::with_string(svg, (WIDTH, TITLE_HEIGHT + height)).into_drawing_area();
    ground.fill(&WHITE)?;
    let below = ground.margin(12, 0, 0, 0).titled(plot.caption, ("sans-serif", 20))?;
    for (area, panel) in below.split_evenly((panels.len(), 1)).iter().zip(panels) {
        if panel.series.len() > 1 {
            let (left, right) = area.split_horizontally(WIDTH - NAMES_WIDTH);
            draw_panel(&left, across, panel)?;
            draw_names(&right, panel)?;
        } else {
            draw_panel(area, across, panel)?;
        }
    }
    ground.present()?;
    Ok(())
}

/// Each with its colour.
fn coloured(panel: &Panel) -> impl Iterator<Item = (&(String, Series), &RGBColor)> {
    panel.series.iter().zip(COLOURS.iter().cycle())
}

fn draw_panel(area: &Area<'_>, across: &str, panel: &Panel) -> Drawn {
    let points = || panel.series.iter().flat_map(|(_, points)| points);
    let least = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(f64::INFINITY, f64::min);
    let most = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(0.0, f64::max);
    let sizes = least(|point| point.0)..most(|point| point.0);
    let values = least(|point| point.1) / 1.5..most(|point| point.1) * 1.5;
    let marks = marks(values.start, values.end);
    let mut measured: Vec<_> = points().map(|point| point.0).collect();
    measured.sort_by(f64::total_cmp);
    measured.dedup();
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .margin_right(36)
        .x_label_area_size(44)
        .y_label_area_size(76)
        .build_cartesian_2d(
            sizes.log_scale().with_key_points(measured),
            values.log_scale().with_key_points(marks),
        )?;
    let number = |value: &f64| match value {
        ..1.0 => format!("{value}"),
        _ => super::whole(*value),
    };
    chart
        .configure_mesh()
        .x_desc(across)
        .y_desc(panel.up)
        .x_label_formatter(&number)
        .y_label_formatter(&number)
        .label_style(("sans-serif", 14))
        .bold_line_style(GRID)
        .draw()?;
    for ((_, points), colour) in coloured(panel) {
        chart.draw_series(
            LineSeries::new(points.iter().copied(), colour.filled().stroke_width(2)).point_size(3),
        )?;
    }
    Ok(())
}

/// The names, in the order in which their lines end.
fn draw_names(area: &Area<'_>, panel: &Panel) -> Drawn {
    let end = |points: &Series| points.last().map_or(0.0, |point| point.1);
    let mut lines: Vec<_> = coloured(panel).collect();
    lines.sort_by(|((_, one), _), ((_, other), _)| end(other).total_cmp(&end(one)));
    let text = ("sans-serif", 14).into_text_style(area).pos(Pos::new(HPos::Left, VPos::Center));
    for (y, ((name, _), colour)) in (1..).map(|number| number * NAME_HEIGHT).zip(lines) {
        area.draw(&PathElement::new([(0, y), (18, y)], colour.stroke_width(2)))?;
        area.draw(&Text::new(name.as_str(), (26, y), text.clone()))?;
    }
    Ok(())
}

/// The marks of a logarithmic axis: powers of ten, and twice and five times those where there would be few.
fn marks(from: f64, to: f64) -> Vec<f64> {
    let within: &[f64] = if to / from > 1e3 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let powers = (-3..=12).map(|exponent| 10_f64.powi(exponent));
    let marks = powers.flat_map(|power| within.iter().map(move |factor| factor * power));
    marks.filter(|mark| (from..=to).contains(mark)).collect()
}

#[cfg(test)]
mod tests {
    use super::marks;

    #[test]
    fn an_axis_has_marks_whether_it_is_long_or_short() {
        assert_eq!(marks(25.0, 300_000.0), [100.0, 1e3, 1e4, 1e5]);
        assert_eq!(marks(4.0, 10.5), [5.0, 10.0]);
        assert_eq!(marks(22.0, 2_200.0), [50.0, 100.0, 200.0, 500.0, 1e3, 2e3]);
    }
}
