//! What criterion measured.

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

    /// This one as a multiple of another.
    pub(super) fn over(self, other: Time) -> Time {
        Time { median: self.median / other.median, low: self.low / other.high, high: self.high / other.low }
    }

    /// How much longer this one is than another.
    pub(super) fn beyond(self, other: Time) -> Time {
        Time { median: self.median - other.median, low: self.low - other.high, high: self.high - other.low }
    }
}

/// Times by name, such as `parse_settings/pawl`.
pub(super) type Round = BTreeMap<String, Time>;

/// The same in several rounds.
#[derive(Serialize, Deserialize)]
pub(super) struct Times {
    rounds: Vec<Round>,
}

/// Reads criterion's folder.
pub(super) fn round(home: &Path) -> Result<Round, String> {
    let mut times = BTreeMap::new();
    collect(home, &mut times)?;
    if times.is_empty() { Err("criterion measured nothing".to_owned()) } else { Ok(times) }
}

impl Times {
    pub(super) fn new(rounds: Vec<Round>) -> Self {
        Times { rounds }
    }

    pub(super) fn rounds(&self) -> usize {
        self.rounds.len()
    }

    /// The median of the rounds' medians, and an interval that spans those of all rounds.
    pub(super) fn get(&self, name: &str) -> Result<Time, String> {
        let mut times: Vec<_> = self.rounds.iter().filter_map(|round| round.get(name).copied()).collect();
        times.sort_by(|a, b| a.median.total_cmp(&b.median));
        let Some(median) = times.get(times.len() / 2).map(|time| time.median) else {
            return Err(format!("there is no time of {name}"));
        };
        let low = times.iter().map(|time| time.low).fold(f64::INFINITY, f64::min);
        let high = times.iter().map(|time| time.high).fold(0.0, f64::max);
        Ok(Time { median, low, high })
    }

    /// All names, in their order.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.rounds.first().into_iter().flat_map(|round| round.keys().map(String::as_str))
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

    /// Half of all intervals reach no further than this part of their medians, and a tenth reach further than the second.
    pub(super) fn spreads(&self) -> (f64, f64) {
        let mut spreads: Vec<_> =
            self.names().filter_map(|name| self.get(name).ok()).map(Time::spread).collect();
        half_and_tenth(&mut spreads)
    }

    /// In half of all benchmarks the rounds' medians lie no further apart than this part of the least, and in a tenth further than the
    /// second.
    pub(super) fn drifts(&self) -> (f64, f64) {
        let mut drifts: Vec<_> = self.names().map(|name| self.drift(name)).collect();
        half_and_tenth(&mut drifts)
    }

    fn drift(&self, name: &str) -> f64 {
        let medians = || self.rounds.iter().filter_map(|round| Some(round.get(name)?.median));
        medians().fold(0.0, f64::max) / medians().fold(f64::INFINITY, f64::min) - 1.0
    }
}

/// The middle of some numbers, and the one that a tenth of them exceed.
fn half_and_tenth(numbers: &mut [f64]) -> (f64, f64) {
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
    use super::{Time, Times};

    #[test]
    fn of_three_rounds_the_median_counts_and_the_interval_spans_all() {
        let round = |median: f64| {
            [("a/b".to_owned(), Time { median, low: median - 1.0, high: median + 1.0 })].into_iter().collect()
        };
        let times = Times::new([12.0, 10.0, 11.0].map(round).into());
        assert_eq!(times.get("a/b"), Ok(Time { median: 11.0, low: 9.0, high: 13.0 }));
        let (usual, seldom) = times.drifts();
        assert!((usual - 0.2).abs() < 1e-9 && (seldom - 0.2).abs() < 1e-9);
        assert!(times.get("a/c").is_err());
    }

    #[test]
    fn a_ratio_is_as_uncertain_as_both_its_times() {
        let (one, other) =
            (Time { median: 2.0, low: 1.0, high: 3.0 }, Time { median: 8.0, low: 6.0, high: 10.0 });
        assert_eq!(one.over(other), Time { median: 0.25, low: 0.1, high: 0.5 });
        assert_eq!(other.beyond(one), Time { median: 6.0, low: 3.0, high: 9.0 });
    }
}
