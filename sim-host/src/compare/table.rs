//! The comparison for people: a grid a measure, cost on the left and exposure on the right, then the choices worth having.

use std::fmt::Write;

use anstyle::Style;
use comfy_table::{Cell, CellAlignment, Color, Table, presets};
use unicode_width::UnicodeWidthStr;

use super::{Choice, Comparison, Outcome, Spread};
use crate::units::{grouped, rough_duration, verdict};

const HEADING: Style = Style::new().bold();

/// What a grid shows of each choice.
struct Measure {
    title: &'static str,
    of: fn(&Outcome) -> f64,
    shown: fn(f64) -> String,
    heat: &'static Heat,
}

/// Colours of a terminal of 256, from the least to the most, and from which on the text is white.
struct Heat {
    colours: [u8; 8],
    white_from: usize,
}

const BLUE: Heat = Heat { colours: [189, 153, 117, 75, 33, 26, 19, 17], white_from: 4 };
const ORANGE: Heat = Heat { colours: [230, 223, 216, 209, 202, 166, 130, 88], white_from: 5 };

/// How much there is of something, where there is no colour.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

const fn cost(title: &'static str, of: fn(&Outcome) -> f64) -> Measure {
    Measure { title, of, shown: figure, heat: &BLUE }
}

const fn exposure(title: &'static str, of: fn(&Outcome) -> f64, shown: fn(f64) -> String) -> Measure {
    Measure { title, of, shown, heat: &ORANGE }
}

const MEASURES: [[Measure; 2]; 3] = [
    [
        cost("key shares a day", |one| one.a_day.key_shares),
        exposure("messages readable, mean", |one| one.exposure.mean_messages, figure),
    ],
    [
        cost("to-device messages a day", |one| one.a_day.to_device_messages),
        exposure("messages readable, at most", |one| one.exposure.most_messages as f64, count),
    ],
    [
        cost("records stored a day", |one| one.a_day.records_stored),
        exposure("time readable, at most", |one| one.exposure.longest_ms as f64, time),
    ],
];

const WORDS_WRITTEN: Measure = cost("flash words written a day", |one| one.a_day.words_written);

impl Comparison {
    /// The tables, for so many columns, with colour.
    pub(super) fn text(&self, columns: usize) -> String {
        let mut text = self.heading();
        for [cost, exposure] in &MEASURES {
            text.push_str(&side_by_side(&self.grid_of(cost), &self.grid_of(exposure), columns));
        }
        text.push_str(&side_by_side(&self.grid_of(&WORDS_WRITTEN), &self.grid_of_the_beaten(), columns));
        let [for_messages, for_age] =
            [("messages", "new sessions for their messages"), ("age", "new sessions for their age")]
                .map(|(reason, title)| self.grid(title, |one| Cell::new(one.share_of(reason))));
        text.push_str(&side_by_side(&for_messages, &for_age, columns));
        text.push_str(&self.notes());
        let _ =
            writeln!(text, "\n{HEADING}Choices that are not beaten on both, the dearest first{HEADING:#}");
        self.table_of_choices().lines().for_each(|line| text.push_str(&format!("{}\n", line.trim_end())));
        text.push('\n');
        text.push_str(&self.violations_found());
        text
    }

    fn heading(&self) -> String {
        let Comparison { scenario, crypto, seed, seeds, reserve, .. } = self;
        let simulated = rough_duration(self.simulated_ms);
        let depth = if *crypto == "none" { ", without cryptography" } else { "" };
        let messages = grouped(self.choices.iter().map(|one| one.messages).max().unwrap_or_default());
        let count = self.choices.len();
        let (seed, each) = match seeds {
            1 => (format!("seed {seed}"), ""),
            _ => (format!("{seeds} seeds from {seed} on"), ", with all seeds"),
        };
        format!(
            "{scenario}, {simulated} simulated{depth}, {seed}, sessions stored {reserve} ahead: {count} choices of limits,\n\
             {messages} encrypted messages each{each}. Rows are periods, columns the most messages a session.\n"
        )
    }

    fn notes(&self) -> String {
        let mut notes = String::from("\n");
        if self.choices.iter().any(|one| one.matrix_default) {
            notes.push_str("*  Matrix's defaults.\n");
        }
        notes.push_str(
            "Readable is what was encrypted with one leaked session, from its first index on. The mean is over messages:\n\
             with the session of a message picked at random. A choice is beaten on messages (m) by one that shares no\n\
             more keys and lets no more messages be read in the mean, and on time (t) by one that shares no more and\n\
             lets nobody read over a longer time; it is better in one of the two. Sessions that were not new for their\n\
             messages or their age were so for departures, removed devices and restarts, or were a room's first.\n",
        );
        if self.seeds > 1 {
            notes.push_str(
                "Below some figures of the last table: the least and the greatest with one of the seeds.\n",
            );
        }
        let too_long = self.choices.iter().map(|one| one.limits.period_ms);
        if let Some(period_ms) =
            too_long.filter(|period_ms| period_ms.saturating_mul(2) > self.simulated_ms).min()
        {
            let (period, simulated) = (rough_duration(period_ms), rough_duration(self.simulated_ms));
            let _ = writeln!(
                notes,
                "A period of {period} or more does not pass twice in {simulated}: what it costs is not seen in full."
            );
        }
        notes
    }

    // ---- grids ----

    /// A title, and the rows of a table as wide as each other.
    fn grid_of(&self, measure: &Measure) -> Vec<String> {
        let values: Vec<f64> = self.choices.iter().map(measure.of).collect();
        let scale = Scale::of(&values);
        self.grid(measure.title, |one| {
            let value = (measure.of)(one);
            let level = scale.level(value);
            let Heat { colours, white_from } = *measure.heat;
            let ink = if level < white_from { 16 } else { 231 };
            Cell::new(format!("{} {}", (measure.shown)(value), BLOCKS[level]))
                .bg(Color::AnsiValue(colours[level]))
                .fg(Color::AnsiValue(ink))
        })
    }

    fn grid_of_the_beaten(&self) -> Vec<String> {
        self.grid("beaten on messages m, on time t", |one| Cell::new(one.beaten_on()))
    }

    fn grid(&self, title: &str, cell: impl Fn(&Outcome) -> Cell) -> Vec<String> {
        let (messages, periods) = self.axes();
        let mut table = Table::new();
        table.load_style(presets::NOTHING).enforce_styling();
        let header = messages.iter().map(|&count| {
            let default = count == Choice::MATRIX_DEFAULT.messages.get();
            Cell::new(starred(grouped(count.into()), default))
        });
        table.set_header(std::iter::once(Cell::new("")).chain(header));
        for &period_ms in &periods {
            let default = period_ms == Choice::MATRIX_DEFAULT.period_ms;
            let of_period = self.choices.iter().filter(|one| one.limits.period_ms == period_ms);
            let name = Cell::new(starred(rough_duration(period_ms), default));
            table.add_row(std::iter::once(name).chain(of_period.map(&cell)));
        }
        for column in table.column_iter_mut() {
            column.set_cell_alignment(CellAlignment::Right);
            column.set_padding((1, 0));
        }
        let mut lines = vec![format!("{HEADING}{title}{HEADING:#}")];
        lines.extend(table.lines());
        lines
    }

    /// The numbers of messages and the periods that were compared, each once, in their order.
    fn axes(&self) -> (Vec<u32>, Vec<u64>) {
        let mut messages: Vec<u32> = self.choices.iter().map(|one| one.limits.messages.get()).collect();
        let mut periods: Vec<u64> = self.choices.iter().map(|one| one.limits.period_ms).collect();
        messages.dedup();
        periods.sort_unstable();
        periods.dedup();
        (messages, periods)
    }

    // ---- choices ----

    /// Those that are not beaten on both, and Matrix's defaults. Choices of which the same came are one row.
    fn table_of_choices(&self) -> Table {
        let mut shown: Vec<&Outcome> =
            self.choices.iter().filter(|one| !one.beaten.on_both() || one.matrix_default).collect();
        shown.sort_by(|one, other| other.a_day.key_shares.total_cmp(&one.a_day.key_shares));
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header([
            "messages",
            "period",
            "key shares\na day",
            "to-device\na day",
            "records\na day",
            "readable\nmean",
            "readable\nat most",
            "readable\nover",
            "beaten",
        ]);
        while let Some(first) = shown.first().copied() {
            let (same, others) = shown.into_iter().partition(|one| first.came_to_the_same(one));
            shown = others;
            for (messages, period) in self.names(&same) {
                table.add_row(first.row(messages, period));
            }
        }
        for column in table.column_iter_mut() {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    /// What these are called: the one by a range, if they are all that is in it, else each by itself.
    fn names(&self, same: &[&Outcome]) -> Vec<(String, String)> {
        let messages = || same.iter().map(|one| one.limits.messages.get());
        let periods = || same.iter().map(|one| one.limits.period_ms);
        let (Some(fewest), Some(most)) = (messages().min(), messages().max()) else {
            return Vec::new();
        };
        let (Some(shortest), Some(longest)) = (periods().min(), periods().max()) else {
            return Vec::new();
        };
        let in_range = self.choices.iter().filter(|one| {
            (fewest..=most).contains(&one.limits.messages.get())
                && (shortest..=longest).contains(&one.limits.period_ms)
        });
        let holds_default = same.iter().any(|one| one.matrix_default);
        if in_range.count() == same.len() {
            let name = |least: String, greatest: String| {
                if least == greatest { least } else { format!("{least}–{greatest}") }
            };
            let messages = name(grouped(fewest.into()), grouped(most.into()));
            return vec![(
                starred(messages, holds_default),
                name(rough_duration(shortest), rough_duration(longest)),
            )];
        }
        let one_name = |one: &&Outcome| {
            let messages = grouped(one.limits.messages.get().into());
            (starred(messages, one.matrix_default), rough_duration(one.limits.period_ms))
        };
        same.iter().map(one_name).collect()
    }

    fn violations_found(&self) -> String {
        const SHOWN: usize = 10;
        let verdict = verdict(self.is_clean(), self.violation_count);
        if self.is_clean() {
            return format!("{verdict}\n");
        }
        let mut text = format!("{verdict}:\n");
        for violation in self.violations.iter().take(SHOWN) {
            let _ = writeln!(text, "  at {} ms in {}: {}", violation.at_ms, violation.room, violation.detail);
        }
        if self.violation_count > SHOWN as u64 {
            text.push_str("  … (--json FILE lists up to 1,000)\n");
        }
        text
    }
}

impl Outcome {
    fn came_to_the_same(&self, other: &Outcome) -> bool {
        (self.total, self.exposure, &self.rotations) == (other.total, other.exposure, &other.rotations)
    }

    fn row(&self, messages: String, period: String) -> [String; 9] {
        let spread = |of: fn(&Spread) -> [f64; 2], written: fn(f64) -> String| {
            let [least, greatest] = self.spread.as_ref().map(of)?.map(written);
            Some(if least == greatest { format!("\n{least}") } else { format!("\n{least}–{greatest}") })
        };
        let with = |figure: String, spread: Option<String>| figure + &spread.unwrap_or_default();
        [
            messages,
            period,
            with(figure(self.a_day.key_shares), spread(|spread| spread.key_shares_a_day, figure)),
            figure(self.a_day.to_device_messages),
            figure(self.a_day.records_stored),
            with(figure(self.exposure.mean_messages), spread(|spread| spread.mean_messages, figure)),
            grouped(self.exposure.most_messages),
            with(
                time(self.exposure.longest_ms as f64),
                spread(|spread| spread.longest_ms.map(|ms| ms as f64), time),
            ),
            self.beaten_on().to_owned(),
        ]
    }

    fn beaten_on(&self) -> &'static str {
        match (self.beaten.on_messages, self.beaten.on_time) {
            (false, false) => "–",
            (true, false) => "m",
            (false, true) => "t",
            (true, true) => "m t",
        }
    }

    /// How many of a hundred sessions were made for that reason.
    fn share_of(&self, reason: &str) -> String {
        let count = self.rotations.get(reason).copied().unwrap_or_default();
        format!("{} %", (count * 100 + self.sessions / 2) / self.sessions.max(1))
    }
}

/// Where values lie between the least and the greatest, by their logarithms.
struct Scale {
    least: f64,
    greatest: f64,
}

impl Scale {
    fn of(values: &[f64]) -> Self {
        let positive = || values.iter().copied().filter(|value| *value > 0.0);
        Scale {
            least: positive().fold(f64::INFINITY, f64::min).ln(),
            greatest: positive().fold(f64::NEG_INFINITY, f64::max).ln(),
        }
    }

    /// 0 to 7.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 7")]
    fn level(&self, value: f64) -> usize {
        let width = self.greatest - self.least;
        if value <= 0.0 || width <= 0.0 {
            return 0;
        }
        ((value.ln() - self.least) / width * 7.0).round().clamp(0.0, 7.0) as usize
    }
}

fn starred(text: String, star: bool) -> String {
    if star { text + "*" } else { text }
}

/// A number in three digits or more: `0.25`, `3.14`, `27.2`, `1,234`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts")]
pub(super) fn figure(value: f64) -> String {
    match value {
        100.0.. => grouped(value.round() as u64),
        10.0.. => format!("{value:.1}"),
        _ if value == 0.0 => "0".to_owned(),
        _ => format!("{value:.2}"),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts")]
fn count(value: f64) -> String {
    grouped(value as u64)
}

/// A length of time in three digits or more: `24.0 h`, `6.63 d`.
pub(super) fn time(ms: f64) -> String {
    const UNITS: [(f64, &str); 4] =
        [(86_400_000.0, "d"), (3_600_000.0, "h"), (60_000.0, "min"), (1_000.0, "s")];
    match UNITS.into_iter().find(|(unit_ms, _)| ms >= *unit_ms) {
        Some((unit_ms, unit)) => format!("{} {unit}", figure(ms / unit_ms)),
        None => format!("{ms:.0} ms"),
    }
}

/// Two grids beside each other if they fit into so many columns, else one below the other.
fn side_by_side(left: &[String], right: &[String], columns: usize) -> String {
    const BETWEEN: usize = 3;
    let width = |line: &String| anstream::adapter::strip_str(line).to_string().width();
    let widest = |lines: &[String]| lines.iter().map(width).max().unwrap_or_default();
    let mut text = String::from("\n");
    if widest(left) + BETWEEN + widest(right) > columns {
        for grid in [left, right] {
            grid.iter().for_each(|line| text.push_str(&format!("{}\n", line.trim_end())));
            text.push('\n');
        }
        text.pop();
        return text;
    }
    for (one, other) in left.iter().zip(right) {
        let space = " ".repeat(widest(left) - width(one) + BETWEEN);
        text.push_str(&format!("{one}{space}{}\n", other.trim_end()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Scale, figure, side_by_side, time};

    #[test]
    fn a_figure_has_three_digits_or_more() {
        assert_eq!(
            [0.0, 0.25, 3.456, 27.18, 99.96, 1_234.5].map(figure),
            ["0", "0.25", "3.46", "27.2", "100.0", "1,235"]
        );
    }

    #[test]
    fn a_time_is_in_the_unit_that_it_is_at_least_one_of() {
        assert_eq!(
            [0.0, 59_999.0, 86_399_000.0, 604_800_000.0].map(time),
            ["0 ms", "60.0 s", "24.0 h", "7.00 d"]
        );
    }

    #[test]
    fn heat_goes_by_logarithms_from_the_least_to_the_greatest() {
        let scale = Scale::of(&[1.0, 10.0, 10_000_000.0, 0.0]);
        assert_eq!([1.0, 10.0, 100.0, 10_000_000.0, 0.0].map(|value| scale.level(value)), [0, 1, 2, 7, 0]);
        assert_eq!(Scale::of(&[5.0, 5.0]).level(5.0), 0);
    }

    #[test]
    fn grids_that_do_not_fit_beside_each_other_stand_below_each_other() {
        let grid = |line: &str| vec!["title".to_owned(), line.to_owned()];
        assert_eq!(side_by_side(&grid("1 2"), &grid("3"), 20), "\ntitle   title\n1 2     3\n");
        assert_eq!(side_by_side(&grid("1 2"), &grid("3"), 10), "\ntitle\n1 2\n\ntitle\n3\n");
    }
}
