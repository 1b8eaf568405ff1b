//! How often sessions were replaced, and why, over time.

use std::collections::BTreeMap;

use pawl_core::rotation::RotationReason;
use serde::Serialize;

use crate::scenario::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

/// How many intervals there are at most.
const MOST_INTERVALS: u64 = 60;

/// Lengths of an interval that people count in. Longer ones are so many times the last one, doubled as often as need be.
const LENGTHS_MS: [u64; 23] = [
    1,
    10,
    100,
    SECOND_MS,
    2 * SECOND_MS,
    5 * SECOND_MS,
    10 * SECOND_MS,
    30 * SECOND_MS,
    MINUTE_MS,
    2 * MINUTE_MS,
    5 * MINUTE_MS,
    10 * MINUTE_MS,
    15 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    2 * HOUR_MS,
    3 * HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    2 * DAY_MS,
    7 * DAY_MS,
    28 * DAY_MS,
];

/// Sessions that were made, by reason and interval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RotationsOverTime {
    /// The length of an interval. The first begins with the run; the last may be cut short by its end.
    pub interval_ms: u64,
    /// Each reason that occurred, with a count for each interval.
    pub counts: BTreeMap<&'static str, Vec<u64>>,
    #[serde(skip)]
    intervals: usize,
}

impl RotationsOverTime {
    /// Of a run that goes on for so long.
    pub(crate) fn new(duration_ms: u64) -> Self {
        let fits = |interval_ms: &u64| duration_ms.div_ceil(*interval_ms) <= MOST_INTERVALS;
        let doubled = || {
            let longest = LENGTHS_MS[LENGTHS_MS.len() - 1];
            (1..).map_while(|times| longest.checked_shl(times)).find(fits).unwrap_or(u64::MAX)
        };
        let interval_ms = LENGTHS_MS.into_iter().find(fits).unwrap_or_else(doubled);
        let intervals = usize::try_from(duration_ms.div_ceil(interval_ms)).unwrap_or(usize::MAX).max(1);
        RotationsOverTime { interval_ms, counts: BTreeMap::new(), intervals }
    }

    pub(crate) fn add(&mut self, at_ms: u64, reason: RotationReason) {
        let place = usize::try_from(at_ms / self.interval_ms).unwrap_or(usize::MAX).min(self.intervals - 1);
        self.counts.entry(reason.name()).or_insert_with(|| vec![0; self.intervals])[place] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_run_has_more_intervals_than_a_page_can_show() {
        let interval_ms = |duration_ms| {
            let series = RotationsOverTime::new(duration_ms);
            assert!((1..=60).contains(&series.intervals), "{duration_ms}: {} intervals", series.intervals);
            series.interval_ms
        };
        assert_eq!(interval_ms(1), 1);
        assert_eq!(interval_ms(HOUR_MS), MINUTE_MS);
        assert_eq!(interval_ms(28 * DAY_MS), 12 * HOUR_MS);
        assert_eq!(interval_ms(365 * DAY_MS), 7 * DAY_MS);
        assert_eq!(interval_ms(365_250 * DAY_MS), 28 * 256 * DAY_MS);
        assert_eq!(interval_ms(60 * 28 * DAY_MS + 1), 56 * DAY_MS);
    }

    #[test]
    fn a_rotation_counts_in_its_interval_and_one_at_the_end_in_the_last() {
        let mut series = RotationsOverTime::new(HOUR_MS);
        for at_ms in [0, MINUTE_MS - 1, MINUTE_MS, HOUR_MS] {
            series.add(at_ms, RotationReason::Age);
        }
        let counts = &series.counts["age"];
        assert_eq!((counts.len(), counts[0], counts[1], counts[59]), (60, 2, 1, 1));
    }
}
