//! What criterion measured, in several layouts of the programs, a round each.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::workspace;

/// A time in nanoseconds: the median, and the interval in which it lies with 95 % confidence, in whichever round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Time {
    pub(super) median: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Time {
    /// How far the interval reaches, as a part of the median.
    pub(super) fn spread(self) -> f64 {
        (self.high - self.median).max(self.median - self.low) / self.median
    }

    /// This one as a multiple of another. The interval goes from the least to the most that the two together can make: where a layout puts
    /// the one says nothing about where it puts the other.
    fn over(self, other: Time) -> Time {
        Time { median: self.median / other.median, low: self.low / other.high, high: self.high / other.low }
    }

    /// How much longer this one is than another.
    fn beyond(self, other: Time) -> Time {
        Time { median: self.median - other.median, low: self.low - other.high, high: self.high - other.low }
    }
}

/// Two times compared.
#[derive(Debug, PartialEq)]
pub(super) struct Compared {
    /// By their medians over all layouts.
    pub(super) all: Time,
    /// By their medians in each layout.
    each: Vec<f64>,
}

impl Compared {
    /// In how many layouts it is at most so much, and of how many.
    pub(super) fn at_most(&self, at_most: f64) -> (usize, usize) {
        (self.each.iter().filter(|median| **median <= at_most).count(), self.each.len())
    }
}

/// Times by name, such as `parse_settings/pawl`.
pub(super) type Round = BTreeMap<String, Time>;

/// The same in several rounds.
#[derive(Serialize, Deserialize)]
pub(super) struct Times {
    /// Each of another layout.
    layouts: Vec<Round>,
    /// The first layout once more, after all others: it differs by what the machine has drifted, and by no layout.
    again: Round,
}

/// Reads criterion's folder.
pub(super) fn round(home: &Path) -> Result<Round, String> {
    let mut times = BTreeMap::new();
    collect(home, &mut times)?;
    if times.is_empty() { Err("criterion measured nothing".to_owned()) } else { Ok(times) }
}

impl Times {
    pub(super) fn new(layouts: Vec<Round>, again: Round) -> Self {
        Times { layouts, again }
    }

    pub(super) fn layouts(&self) -> usize {
        self.layouts.len()
    }

    /// The median of the rounds' medians, and an interval that spans those of all rounds.
    pub(super) fn get(&self, name: &str) -> Result<Time, String> {
        let mut times: Vec<_> = self.rounds(name).collect();
        times.sort_by(|a, b| a.median.total_cmp(&b.median));
        let Some(median) = times.get(times.len() / 2).map(|time| time.median) else {
            return Err(format!("there is no time of {name}"));
        };
        let low = times.iter().map(|time| time.low).fold(f64::INFINITY, f64::min);
        let high = times.iter().map(|time| time.high).fold(0.0, f64::max);
        Ok(Time { median, low, high })
    }

    /// One as a multiple of another. Over all layouts it is the ratio of the two medians, and not the median of ratios: each function is
    /// lucky or unlucky for itself.
    pub(super) fn over(&self, one: &str, other: &str) -> Result<Compared, String> {
        self.compared(one, other, Time::over)
    }

    /// How much longer one is than another.
    pub(super) fn beyond(&self, one: &str, other: &str) -> Result<Compared, String> {
        self.compared(one, other, Time::beyond)
    }

    fn compared(&self, one: &str, other: &str, with: fn(Time, Time) -> Time) -> Result<Compared, String> {
        let rounds = self.rounds(one).zip(self.rounds(other));
        Ok(Compared {
            all: with(self.get(one)?, self.get(other)?),
            each: rounds.map(|(one, other)| with(one, other).median).collect(),
        })
    }

    /// A benchmark's times, a round each.
    fn rounds(&self, name: &str) -> impl Iterator<Item = Time> {
        self.layouts.iter().filter_map(move |round| round.get(name).copied())
    }

    /// All names, in their order.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.layouts.first().into_iter().flat_map(|round| round.keys().map(String::as_str))
    }

    /// All of a group, in the order of their names.
    pub(super) fn group(&self, group: &str) -> impl Iterator<Item = (&str, Time)> {
        self.names().filter_map(move |name| {
            let rest = name.strip_prefix(group)?.strip_prefix('/')?;
            Some((rest, self.get(name).ok()?))
        })
    }

    /// Times by the number that is the last part of their names, in its order.
    pub(super) fn by_number(&self, group: &str) -> Vec<(u32, Time)> {
        let mut times: Vec<_> =
            self.group(group).filter_map(|(number, time)| Some((number.parse().ok()?, time))).collect();
        times.sort_by_key(|(number, _)| *number);
        times
    }

    /// Half of all intervals, each within a round, reach no further than this part of their medians, and a tenth reach further than the
    /// second.
    pub(super) fn noise(&self) -> (f64, f64) {
        let times = self.layouts.iter().flat_map(Round::values).copied();
        half_and_tenth(times.map(Time::spread).collect())
    }

    /// For half of all benchmarks the first layout's two medians lie no further apart than this part of the first, and for a tenth further
    /// than the second.
    pub(super) fn drift(&self) -> (f64, f64) {
        let drift =
            |name: &str| Some((self.again.get(name)?.median / self.rounds(name).next()?.median - 1.0).abs());
        half_and_tenth(self.names().filter_map(drift).collect())
    }

    /// For half of all benchmarks the slowest round took longer than the fastest by no more than this part of it, and for a tenth by more
    /// than the second.
    pub(super) fn between_layouts(&self) -> (f64, f64) {
        half_and_tenth(self.names().map(|name| self.apart(name)).collect())
    }

    fn apart(&self, name: &str) -> f64 {
        let medians = || self.rounds(name).map(|time| time.median);
        medians().fold(0.0, f64::max) / medians().fold(f64::INFINITY, f64::min) - 1.0
    }
}

/// The middle of some numbers, and the one that a tenth of them exceed.
fn half_and_tenth(mut numbers: Vec<f64>) -> (f64, f64) {
    numbers.sort_by(f64::total_cmp);
    (numbers[numbers.len() / 2], numbers[numbers.len() * 9 / 10])
}

#[derive(Deserialize)]
struct Benchmark {
    full_id: String,
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
    confidence_interval: ConfidenceInterval,
}

#[derive(Deserialize)]
struct ConfidenceInterval {
    lower_bound: f64,
    upper_bound: f64,
}

/// Each benchmark has a folder `new` somewhere below.
fn collect(folder: &Path, times: &mut BTreeMap<String, Time>) -> Result<(), String> {
    let entries =
        fs::read_dir(folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.is_dir()) {
        if path.ends_with("new") {
            let benchmark: Benchmark = json(&path.join("benchmark.json"))?;
            let Estimates { median } = json(&path.join("estimates.json"))?;
            let ConfidenceInterval { lower_bound: low, upper_bound: high } = median.confidence_interval;
            times.insert(benchmark.full_id, Time { median: median.point_estimate, low, high });
        } else {
            collect(&path, times)?;
        }
    }
    Ok(())
}

fn json<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T, String> {
    serde_json::from_str(&workspace::read(path)?)
        .map_err(|error| format!("{} is not understood: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{Compared, Round, Time, Times};

    fn times(layouts: [f64; 3], again: f64) -> Times {
        let round = |median| [("a/b".to_owned(), time(median))].into();
        Times::new(layouts.map(round).into(), round(again))
    }

    fn time(median: f64) -> Time {
        Time { median, low: median - 1.0, high: median + 1.0 }
    }

    #[test]
    fn of_three_rounds_the_median_counts_and_the_interval_spans_all() {
        let times = times([12.0, 10.0, 11.0], 12.6);
        assert_eq!(times.get("a/b"), Ok(Time { median: 11.0, low: 9.0, high: 13.0 }));
        assert!(times.get("a/c").is_err());
    }

    #[test]
    fn what_differs_within_a_round_is_told_from_what_differs_between_them() {
        let times = times([12.0, 10.0, 11.0], 12.6);
        let is = |(usual, seldom): (f64, f64), expected: (f64, f64)| {
            (usual - expected.0).abs() < 1e-9 && (seldom - expected.1).abs() < 1e-9
        };
        assert!(is(times.noise(), (1.0 / 11.0, 1.0 / 10.0)));
        assert!(is(times.between_layouts(), (0.2, 0.2)));
        assert!(is(times.drift(), (0.05, 0.05)));
    }

    #[test]
    fn a_ratio_is_as_uncertain_as_both_its_times() {
        let (one, other) =
            (Time { median: 2.0, low: 1.0, high: 3.0 }, Time { median: 8.0, low: 6.0, high: 10.0 });
        assert_eq!(one.over(other), Time { median: 0.25, low: 0.1, high: 0.5 });
        assert_eq!(other.beyond(one), Time { median: 6.0, low: 3.0, high: 9.0 });
    }

    #[test]
    fn a_ratio_is_that_of_the_medians_and_is_counted_in_each_layout() {
        let round = |(one, other): (f64, f64)| -> Round {
            [("one".to_owned(), time(one)), ("other".to_owned(), time(other))].into()
        };
        // The ratios are 0.5, 0.25 and 1.
        let times = Times::new([(4.0, 8.0), (3.0, 12.0), (10.0, 10.0)].map(round).into(), round((4.0, 8.0)));
        let ratio = times.over("one", "other").unwrap();
        assert_eq!(
            ratio,
            Compared {
                all: Time { median: 0.4, low: 2.0 / 13.0, high: 11.0 / 7.0 },
                each: vec![0.5, 0.25, 1.0]
            }
        );
        assert_eq!(ratio.at_most(0.5), (2, 3));
        assert_eq!(times.beyond("other", "one").unwrap().each, [4.0, 9.0, 0.0]);
        assert!(times.over("one", "third").is_err());
    }
}
