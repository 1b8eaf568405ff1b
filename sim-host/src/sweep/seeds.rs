//! Seeds, by ranges.

use std::fmt::{self, Display};
use std::ops::RangeInclusive;
use std::str::FromStr;

use rangemap::RangeInclusiveSet;
use serde::{Deserialize, Serialize};

use crate::units::grouped;

/// Seeds that follow one another, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "(u64, u64)", into = "(u64, u64)")]
pub struct SeedRange {
    first: u64,
    last: u64,
}

/// Why these are no seeds.
const NO_SEEDS: &str = "the first seed is above the last";

/// One less than the greatest number, so that what comes after the last one is a number too.
const LAST_SEED: u64 = u64::MAX - 1;

impl SeedRange {
    /// The seeds from the first to the last, both included.
    ///
    /// # Errors
    /// There are none.
    pub fn new(first: u64, last: u64) -> Result<Self, String> {
        if first > last {
            return Err(NO_SEEDS.to_owned());
        }
        if last > LAST_SEED {
            return Err(format!("the last seed is above {LAST_SEED}"));
        }
        Ok(SeedRange { first, last })
    }

    /// Each of them by itself, in their order.
    pub fn each(self) -> impl Iterator<Item = Self> {
        (self.first..=self.last).map(|seed| SeedRange { first: seed, last: seed })
    }

    /// The first of them.
    #[must_use]
    pub fn first(self) -> u64 {
        self.first
    }

    /// The last of them.
    #[must_use]
    pub fn last(self) -> u64 {
        self.last
    }

    /// How many there are.
    #[must_use]
    pub fn count(self) -> u64 {
        self.last - self.first + 1
    }

    /// The seeds from the least of both ranges to the greatest.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        SeedRange { first: self.first.min(other.first), last: self.last.max(other.last) }
    }

    fn bounds(self) -> RangeInclusive<u64> {
        self.first..=self.last
    }
}

impl TryFrom<(u64, u64)> for SeedRange {
    type Error = String;

    fn try_from((first, last): (u64, u64)) -> Result<Self, String> {
        SeedRange::new(first, last)
    }
}

impl From<SeedRange> for (u64, u64) {
    fn from(range: SeedRange) -> Self {
        (range.first, range.last)
    }
}

/// `1000`: so many, from 1 on. `5..1005`: from 5 to 1,004, as in Rust; `5..=1004`: the same.
impl FromStr for SeedRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |digits: &str| {
            let like = "write 1000 for the seeds 1 to 1000, or 5..1005 for 5 to 1004";
            digits.parse::<u64>().map_err(|error| format!("`{digits}`: {error}; {like}"))
        };
        if let Some((first, last)) = text.split_once("..=") {
            return SeedRange::new(number(first)?, number(last)?);
        }
        if let Some((first, end)) = text.split_once("..") {
            let (first, end) = (number(first)?, number(end)?);
            return SeedRange::new(first, end.checked_sub(1).ok_or(NO_SEEDS)?);
        }
        SeedRange::new(1, number(text)?).map_err(|_| "there is at least 1 seed".to_owned())
    }
}

impl Display for SeedRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{} to {}", self.first, self.last)
        }
    }
}

/// A set of seeds. One set is written in one way: ranges in their order, none that touches the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<SeedRange>", into = "Vec<SeedRange>")]
pub struct Seeds(RangeInclusiveSet<u64>);

impl Seeds {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.ranges().map(SeedRange::count).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ranges, in their order.
    pub fn ranges(&self) -> impl Iterator<Item = SeedRange> {
        self.0.iter().map(|range| SeedRange { first: *range.start(), last: *range.end() })
    }

    /// Those of a range that are not in this set.
    #[must_use]
    pub fn missing_of(&self, range: SeedRange) -> Self {
        Seeds(self.0.gaps(&range.bounds()).collect())
    }

    /// The first range that this set has in common with another.
    #[must_use]
    pub fn in_common(&self, other: &Self) -> Option<SeedRange> {
        let common = self.0.intersection(&other.0).next()?;
        Some(SeedRange { first: *common.start(), last: *common.end() })
    }

    /// Takes in the seeds of another set.
    pub fn add(&mut self, other: &Self) {
        self.0.extend(other.0.iter().cloned());
    }
}

impl From<SeedRange> for Seeds {
    fn from(range: SeedRange) -> Self {
        Seeds([range.bounds()].into_iter().collect())
    }
}

impl TryFrom<Vec<SeedRange>> for Seeds {
    type Error = String;

    fn try_from(ranges: Vec<SeedRange>) -> Result<Self, String> {
        let mut seeds = Seeds::default();
        for range in ranges {
            let more = Seeds::from(range);
            if let Some(common) = seeds.in_common(&more) {
                return Err(format!("the seeds {common} stand there twice"));
            }
            seeds.add(&more);
        }
        Ok(seeds)
    }
}

impl From<Seeds> for Vec<SeedRange> {
    fn from(seeds: Seeds) -> Self {
        seeds.ranges().collect()
    }
}

/// For people: the first ranges, and how many seeds there are in all.
impl Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        for (number, range) in self.ranges().take(SHOWN).enumerate() {
            write!(f, "{}{range}", if number == 0 { "" } else { ", " })?;
        }
        if self.0.len() > SHOWN {
            write!(f, ", … ({} in all)", grouped(self.count()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> SeedRange {
        text.parse().unwrap()
    }

    #[test]
    fn a_number_is_so_many_seeds_from_1_and_a_range_is_without_its_end() {
        assert_eq!(range("1000"), SeedRange { first: 1, last: 1_000 });
        assert_eq!(range("5..1005"), SeedRange { first: 5, last: 1_004 });
        assert_eq!(range("5..=1004"), range("5..1005"));
        assert_eq!(range("0..1").count(), 1);
        for wrong in [
            "",
            "0",
            "-1",
            "5..5",
            "5..4",
            "0..0",
            "5..",
            "1,000",
            "18446744073709551616",
            "0..=18446744073709551615",
        ] {
            assert!(wrong.parse::<SeedRange>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn ranges_that_touch_are_one() {
        let mut seeds = Seeds::from(range("5..8"));
        seeds.add(&Seeds::from(range("1..4")));
        assert_eq!(serde_json::to_string(&seeds).unwrap(), "[[1,3],[5,7]]");
        seeds.add(&Seeds::from(range("4..5")));
        assert_eq!(serde_json::to_string(&seeds).unwrap(), "[[1,7]]");
        assert_eq!(serde_json::to_string(&seeds.missing_of(range("0..=9"))).unwrap(), "[[0,0],[8,9]]");
        assert_eq!(seeds.in_common(&Seeds::from(range("7..9"))), Some(range("7..8")));
        assert_eq!(seeds.in_common(&Seeds::from(range("8..9"))), None);
    }

    #[test]
    fn a_range_that_is_none_is_refused_where_it_is_read() {
        for wrong in ["[[2,1]]", "[[1,18446744073709551615]]", "[[1]]", "[[1,5],[5,9]]", "[[1,9],[2,3]]"] {
            assert!(serde_json::from_str::<Seeds>(wrong).is_err(), "{wrong}");
        }
        assert_eq!(serde_json::from_str::<Seeds>("[[4,9],[1,3]]").unwrap(), Seeds::from(range("1..10")));
    }
}
