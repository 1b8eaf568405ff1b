//! What many runs of one scenario came to.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::cause::ShrunkTrace;
use crate::observer::ViolationKind;
use crate::report::Report;

/// What the runs of one scenario came to, a run a seed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How many runs there were, those that panicked included.
    pub runs: u64,
    /// Their figures, by the names that they have in a run's report.
    pub figures: BTreeMap<String, Figure>,
    /// Why sessions were made: each reason and how often.
    pub rotations: BTreeMap<String, u64>,
    /// How often the kiosk restarted, by how that came about.
    pub restarts: BTreeMap<String, u64>,
    /// Of each kind of violation that there was what is known of it.
    pub violations: BTreeMap<ViolationKind, Finding>,
    /// Runs that did not come to their end.
    pub panics: Option<Panics>,
}

/// A figure of many runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// All of them together.
    pub sum: u64,
    /// The least, and the lowest seed with it.
    pub least: Extreme,
    /// The greatest, likewise.
    pub greatest: Extreme,
    /// How many runs had such a figure: 0, 1, 2 to 3, 4 to 7, and so on, each under the least of its numbers.
    pub histogram: BTreeMap<u64, u64>,
}

/// A figure that no other is beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extreme {
    /// The figure.
    pub value: u64,
    /// The lowest seed that has it.
    pub seed: u64,
}

/// What is known of a kind of violation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How often it was seen.
    pub count: u64,
    /// With how many seeds.
    pub seeds: u64,
    /// The lowest of those seeds, with which it can be seen again.
    pub lowest_seed: u64,
    /// The first of the violations that this seed shows, unless too many of other kinds came before it.
    pub first: Option<Example>,
}

/// A violation that is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// At which step of the run.
    pub step: u64,
    /// When, in milliseconds of true time.
    pub at_ms: u64,
    /// The room's ID.
    pub room: String,
    /// What was seen, in a sentence.
    pub detail: String,
    /// The shortest trace found that shows one of its kind, once it was looked for.
    pub trace: Option<ShrunkTrace>,
}

/// Runs that panicked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panics {
    /// How many.
    pub runs: u64,
    /// The lowest seed of them.
    pub lowest_seed: u64,
    /// What that one said.
    pub message: String,
}

impl Tally {
    /// That of one run.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let named = |counts: &BTreeMap<&str, u64>| {
            counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
        };
        let figures = figures(report).map(|(name, value)| (name.to_owned(), Figure::of(value, report.seed)));
        let findings = report.violation_counts.iter();
        Tally {
            runs: 1,
            figures: figures.into(),
            rotations: named(&report.rotations),
            restarts: named(&report.restarts),
            violations: findings.map(|(kind, count)| (*kind, Finding::of(report, *kind, *count))).collect(),
            panics: None,
        }
    }

    /// That of a run that panicked.
    #[must_use]
    pub fn of_panic(seed: u64, message: String) -> Self {
        Tally { runs: 1, panics: Some(Panics { runs: 1, lowest_seed: seed, message }), ..Tally::default() }
    }

    /// Takes in what runs with other seeds came to.
    pub fn add(&mut self, other: Self) {
        self.runs = self.runs.saturating_add(other.runs);
        add_each(&mut self.figures, other.figures, Figure::add);
        add_each(&mut self.rotations, other.rotations, add_count);
        add_each(&mut self.restarts, other.restarts, add_count);
        add_each(&mut self.violations, other.violations, Finding::add);
        self.panics = match (self.panics.take(), other.panics) {
            (Some(these), Some(those)) => Some(these.and(those)),
            (these, those) => these.or(those),
        };
    }

    /// How many violations there were.
    #[must_use]
    pub fn violation_count(&self) -> u64 {
        self.violations.values().fold(0, |sum, finding| sum.saturating_add(finding.count))
    }

    /// Whether nothing went wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty() && self.panics.is_none()
    }

    /// Whether its figures are those of so many runs. Runs that panicked have none.
    pub(super) fn check(&self) -> Result<(), String> {
        let panicked = self.panics.as_ref().map_or(0, |panics| panics.runs);
        let Some(runs) = self.runs.checked_sub(panicked) else {
            return Err(format!("{panicked} of {} runs panicked", self.runs));
        };
        let known = if runs == 0 { BTreeSet::new() } else { BTreeSet::from(FIGURES) };
        let names: BTreeSet<&str> = self.figures.keys().map(String::as_str).collect();
        if let Some(name) = known.symmetric_difference(&names).next() {
            let what = if names.contains(name) { "there is no such figure as" } else { "there is no figure" };
            return Err(format!("{what} {name}"));
        }
        self.figures
            .iter()
            .try_for_each(|(name, figure)| figure.check(runs).map_err(|error| format!("{name}: {error}")))
    }

    /// The sum of a figure.
    #[must_use]
    pub fn sum(&self, name: &str) -> u64 {
        self.figures.get(name).map_or(0, |figure| figure.sum)
    }
}

/// What is counted of each run.
fn figures(report: &Report) -> [(&'static str, u64); FIGURES.len()] {
    let values = [
        report.simulated_ms,
        report.rooms as u64,
        report.messages,
        report.plaintext_messages,
        report.blocked_messages,
        report.unsent_messages as u64,
        report.sessions,
        report.key_shares,
        report.failed_key_shares,
        report.to_device_messages,
        report.max_messages_per_session,
        report.max_session_age_ms,
        report.decrypted,
        report.undecryptable,
        report.index_reuses,
        report.rotation_checks,
        report.unseen_ms,
        report.sessions_resumed,
        report.indices_skipped,
        report.records_stored,
    ];
    std::array::from_fn(|place| (FIGURES[place], values[place]))
}

/// The names of that, in the same order.
const FIGURES: [&str; 20] = [
    "simulated_ms",
    "rooms",
    "messages",
    "plaintext_messages",
    "blocked_messages",
    "unsent_messages",
    "sessions",
    "key_shares",
    "failed_key_shares",
    "to_device_messages",
    "max_messages_per_session",
    "max_session_age_ms",
    "decrypted",
    "undecryptable",
    "index_reuses",
    "rotation_checks",
    "unseen_ms",
    "sessions_resumed",
    "indices_skipped",
    "records_stored",
];

impl Figure {
    /// Whether it is that of so many runs.
    fn check(&self, runs: u64) -> Result<(), String> {
        if let Some(bucket) = self.histogram.keys().find(|bucket| **bucket != 0 && !bucket.is_power_of_two())
        {
            return Err(format!("{bucket} is not the least number of any range of its histogram"));
        }
        let counted = self.histogram.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
        if counted != runs {
            return Err(format!("its histogram has {counted} runs, of {runs}"));
        }
        if self.least.value > self.greatest.value {
            return Err("the least is above the greatest".to_owned());
        }
        Ok(())
    }

    fn of(value: u64, seed: u64) -> Self {
        let extreme = Extreme { value, seed };
        let bucket = value.checked_ilog2().map_or(0, |bit| 1 << bit);
        Figure { sum: value, least: extreme, greatest: extreme, histogram: [(bucket, 1)].into() }
    }

    fn add(&mut self, other: Self) {
        // A sum that is too great stays the greatest number, in whatever order it is added up.
        self.sum = self.sum.saturating_add(other.sum);
        self.least = self.least.min_by(other.least, |extreme| (extreme.value, extreme.seed));
        self.greatest =
            self.greatest.min_by(other.greatest, |extreme| (u64::MAX - extreme.value, extreme.seed));
        add_each(&mut self.histogram, other.histogram, add_count);
    }
}

impl Extreme {
    fn min_by(self, other: Self, key: impl Fn(Self) -> (u64, u64)) -> Self {
        if key(other) < key(self) { other } else { self }
    }
}

impl Finding {
    fn of(report: &Report, kind: ViolationKind, count: u64) -> Self {
        let first = report.violations.iter().find(|violation| violation.kind == kind);
        let first = first.map(|violation| Example {
            step: violation.step,
            at_ms: violation.at_ms,
            room: violation.room.clone(),
            detail: violation.detail.clone(),
            trace: None,
        });
        Finding { count, seeds: 1, lowest_seed: report.seed, first }
    }

    fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.seeds = self.seeds.saturating_add(other.seeds);
        if other.lowest_seed < self.lowest_seed {
            (self.lowest_seed, self.first) = (other.lowest_seed, other.first);
        }
    }
}

impl Panics {
    fn and(self, other: Self) -> Self {
        let runs = self.runs.saturating_add(other.runs);
        let lowest = if other.lowest_seed < self.lowest_seed { other } else { self };
        Panics { runs, ..lowest }
    }
}

fn add_count(count: &mut u64, other: u64) {
    *count = count.saturating_add(other);
}

fn add_each<K: Ord, V>(all: &mut BTreeMap<K, V>, others: BTreeMap<K, V>, add: impl Fn(&mut V, V)) {
    for (key, other) in others {
        match all.entry(key) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(other);
            }
            std::collections::btree_map::Entry::Occupied(mut value) => add(value.get_mut(), other),
        }
    }
}
