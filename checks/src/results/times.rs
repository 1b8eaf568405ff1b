//! What criterion measured.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::workspace;

/// A time in nanoseconds: the median, and the interval in which it lies with 95 % confidence.
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
#[derive(Serialize, Deserialize)]
pub(super) struct Times(BTreeMap<String, Time>);

impl Times {
    /// Reads criterion's folder.
    pub(super) fn read(home: &Path) -> Result<Self, String> {
        let mut times = BTreeMap::new();
        collect(home, &mut times)?;
        if times.is_empty() { Err("criterion measured nothing".to_owned()) } else { Ok(Times(times)) }
    }

    pub(super) fn get(&self, name: &str) -> Result<Time, String> {
        self.0.get(name).copied().ok_or_else(|| format!("there is no time of {name}"))
    }

    /// All of a group, in the order of their names.
    pub(super) fn group(&self, group: &str) -> impl Iterator<Item = (&str, Time)> {
        self.0.iter().filter_map(move |(name, time)| {
            let rest = name.strip_prefix(group)?.strip_prefix('/')?;
            Some((rest, *time))
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
        let mut spreads: Vec<_> = self.0.values().map(|time| time.spread()).collect();
        spreads.sort_by(f64::total_cmp);
        (spreads[spreads.len() / 2], spreads[spreads.len() * 9 / 10])
    }
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
    use super::Time;

    #[test]
    fn a_ratio_is_as_uncertain_as_both_its_times() {
        let (one, other) =
            (Time { median: 2.0, low: 1.0, high: 3.0 }, Time { median: 8.0, low: 6.0, high: 10.0 });
        assert_eq!(one.over(other), Time { median: 0.25, low: 0.1, high: 0.5 });
        assert_eq!(other.beyond(one), Time { median: 6.0, low: 3.0, high: 9.0 });
    }
}
