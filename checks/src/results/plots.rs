//! The plots: how things grow, both axes logarithmic, so that what is proportional is a straight line.

use plotters::prelude::*;

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

/// The plots by their files' names, as SVG.
pub(super) fn all(measured: &Measured) -> Result<Vec<(&'static str, String)>, String> {
    let times = |group: &str| -> Series {
        let times = measured.times.by_number(group);
        times.into_iter().map(|(number, time)| (f64::from(number), time.median)).collect()
    };
    let rooms = ["lookup", "lookup_alike", "decide"];
    let names = ["lookup", "lookup, IDs that a hostile server chose", "clock, lookup and decision"];
    let lookup = rooms.iter().zip(names).map(|(group, name)| (name.to_owned(), times(group))).collect();
    let kinds = hostile_kinds(measured);
    let reading =
        kinds.iter().map(|kind| (kind.replace('_', " "), times(&format!("parse_hostile/{kind}")))).collect();
    let simulated = &measured.simulated;
    let drawn = [
        draw(&PLOTS[0], "rooms", "ns", lookup)?,
        draw(&PLOTS[1], "bytes", "ns", reading)?,
        draw(&PLOTS[2], "rooms", "ms and MiB", simulation(&simulated.rooms))?,
        draw(&PLOTS[3], "weeks", "ms and MiB", simulation(&simulated.weeks))?,
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

fn simulation(points: &[Point]) -> Vec<(String, Series)> {
    let series =
        |of: fn(&Point) -> f64| points.iter().map(|point| (f64::from(point.size), of(point))).collect();
    vec![
        ("time in ms".to_owned(), series(|point| point.seconds * 1e3)),
        (
            "memory at its peak in MiB".to_owned(),
            series(|point| point.peak_bytes as f64 / f64::from(1 << 20)),
        ),
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

fn draw(plot: &Plot, across: &str, up: &str, series: Vec<(String, Series)>) -> Result<String, String> {
    let mut svg = String::new();
    draw_on(&mut svg, plot, across, up, series).map_err(|error| format!("{}: {error}", plot.file))?;
    Ok(svg)
}

fn draw_on(
    svg: &mut String,
    plot: &Plot,
    across: &str,
    up: &str,
    series: Vec<(String, Series)>,
) -> Result<(), Box<dyn std::error::Error>> {
    let points = || series.iter().flat_map(|(_, points)| points);
    let least = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(f64::INFINITY, f64::min);
    let most = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(0.0, f64::max);
    let ground = SVGBackend::with_string(svg, (760, 440)).into_drawing_area();
    ground.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&ground)
        .caption(plot.caption, ("sans-serif", 20))
        .margin(16)
        .margin_right(40)
        .x_label_area_size(44)
        .y_label_area_size(72)
        .build_cartesian_2d(
            (least(|point| point.0)..most(|point| point.0)).log_scale(),
            (least(|point| point.1) / 1.5..most(|point| point.1) * 1.5).log_scale(),
        )?;
    let number = |value: &f64| match value {
        ..1.0 => format!("{value}"),
        _ => super::whole(*value),
    };
    chart
        .configure_mesh()
        .x_desc(across)
        .y_desc(up)
        .x_label_formatter(&number)
        .y_label_formatter(&number)
        .label_style(("sans-serif", 14))
        .light_line_style(RGBColor(0xf0, 0xf0, 0xf0))
        .bold_line_style(RGBColor(0xd8, 0xd8, 0xd8))
        .draw()?;
    for ((name, points), colour) in series.iter().zip(COLOURS.iter().cycle()) {
        let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2)).point_size(3);
        chart
            .draw_series(line)?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.9))
        .border_style(RGBColor(0xd8, 0xd8, 0xd8))
        .label_font(("sans-serif", 14))
        .draw()?;
    ground.present()?;
    Ok(())
}
