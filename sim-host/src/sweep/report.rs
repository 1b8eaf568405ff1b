//! What a sweep came to, or a part of one.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

use super::{Plan, SeedRange, Seeds, Tally};

/// What the runs of a set of seeds came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepReport {
    /// What was run with each seed.
    pub plan: Plan,
    /// The seeds of the whole sweep, of which a shard runs some: the first and the last.
    pub asked: SeedRange,
    /// The seeds that were run: of each range the first and the last.
    pub seeds: Seeds,
    /// What came of each scenario.
    pub scenarios: BTreeMap<String, Tally>,
    /// How long the runs took, one after the other, in milliseconds.
    pub wall_ms: u64,
}

/// Why two reports do not add up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CannotAdd {
    /// They are not of one plan; in what they differ.
    AnotherPlan(String),
    /// Both have these seeds, and perhaps more.
    Overlap(SeedRange),
}

impl Display for CannotAdd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CannotAdd::AnotherPlan(difference) => write!(f, "they are not of the same sweep: {difference}"),
            CannotAdd::Overlap(seeds) => write!(f, "both have run the same seeds: {seeds}"),
        }
    }
}

impl std::error::Error for CannotAdd {}

impl SweepReport {
    /// That of no seed yet, of a sweep of these.
    #[must_use]
    pub fn new(plan: Plan, asked: SeedRange) -> Self {
        let scenarios = plan.scenarios.keys().map(|name| (name.clone(), Tally::default())).collect();
        SweepReport { plan, asked, seeds: Seeds::default(), scenarios, wall_ms: 0 }
    }

    /// Takes in a report of other seeds. In whatever order reports are added, the same comes of it.
    ///
    /// # Errors
    /// They do not add up, and nothing was taken in.
    pub fn add(&mut self, other: Self) -> Result<(), CannotAdd> {
        if let Some(difference) = self.plan.difference(&other.plan) {
            return Err(CannotAdd::AnotherPlan(difference));
        }
        if let Some(common) = self.seeds.in_common(&other.seeds) {
            return Err(CannotAdd::Overlap(common));
        }
        self.asked = self.asked.hull(other.asked);
        self.seeds.add(&other.seeds);
        for (name, tally) in other.scenarios {
            self.scenarios.entry(name).or_default().add(tally);
        }
        self.wall_ms = self.wall_ms.saturating_add(other.wall_ms);
        Ok(())
    }

    /// The seeds of the sweep that are still to be run.
    #[must_use]
    pub fn missing(&self) -> Seeds {
        self.seeds.missing_of(self.asked)
    }

    /// Whether nothing went wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.scenarios.values().all(Tally::is_clean)
    }

    /// How many violations there were.
    #[must_use]
    pub fn violation_count(&self) -> u64 {
        self.scenarios.values().fold(0, |sum, tally| sum.saturating_add(tally.violation_count()))
    }

    /// How many runs panicked.
    #[must_use]
    pub fn panic_count(&self) -> u64 {
        let panics = self.scenarios.values().filter_map(|tally| tally.panics.as_ref());
        panics.fold(0, |sum, panics| sum.saturating_add(panics.runs))
    }

    /// Whether it says what a report of these seeds must.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn check(&self) -> Result<(), String> {
        if !self.plan.scenarios.keys().eq(self.scenarios.keys()) {
            return Err("its scenarios are not those of its plan".to_owned());
        }
        let outside = self.seeds.ranges().any(|range| range.hull(self.asked) != self.asked);
        if outside {
            return Err("it has seeds that were not asked for".to_owned());
        }
        let runs = self.seeds.count();
        if let Some((name, tally)) = self.scenarios.iter().find(|(_, tally)| tally.runs != runs) {
            return Err(format!("it has {runs} seeds, and {} runs of {name}", tally.runs));
        }
        let mut tallies = self.scenarios.iter();
        tallies.try_for_each(|(name, tally)| tally.check().map_err(|error| format!("of {name}: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::observer::{Violation, ViolationKind};
    use crate::scenario::{Crypto, Scenario, Source};
    use crate::simulation;
    use crate::sweep::Subject;

    const SCENARIOS: [&str; 2] = ["drawn", "small-table"];

    fn plan() -> Plan {
        let sources = SCENARIOS.map(|name| Source::find(name).unwrap());
        Subject::new(sources.into(), Crypto::None, None).unwrap().plan().clone()
    }

    /// What a run may come to, as far as a sweep looks at it.
    #[derive(Clone, Debug)]
    struct Came {
        messages: u64,
        oldest_ms: u64,
        violations: Vec<(ViolationKind, u64)>,
        panicked: bool,
        wall_ms: u64,
    }

    fn came() -> impl Strategy<Value = Came> {
        let kind = prop_oneof![
            Just(ViolationKind::Undecryptable),
            Just(ViolationKind::NotMegolm),
            Just(ViolationKind::RatchetIndexReused)
        ];
        let figure = prop_oneof![0..5_u64, any::<u64>()];
        let violations = prop::collection::vec((kind, 1..3_000_u64), 0..3);
        (figure.clone(), figure, violations, prop::bool::weighted(0.1), 0..100_u64).prop_map(
            |(messages, oldest_ms, violations, panicked, wall_ms)| Came {
                messages,
                oldest_ms,
                violations,
                panicked,
                wall_ms,
            },
        )
    }

    /// A report of one seed, in which a run of nothing comes to that.
    fn of_seed(seed: u64, came: &Came) -> SweepReport {
        let nothing = Scenario { duration_ms: 1, ..Scenario::named("small-table").unwrap() };
        let mut run = simulation::run_without_cryptography(&simulation::Plan::new(&nothing, seed), |_| {});
        run.messages = came.messages;
        run.max_session_age_ms = came.oldest_ms;
        run.violation_counts = came.violations.iter().copied().collect();
        run.violations = came.violations.iter().map(|(kind, count)| violation(*kind, *count)).collect();
        let tally = if came.panicked { Tally::of_panic(seed, format!("{seed}")) } else { Tally::of(&run) };
        let mut report = SweepReport::new(plan(), SeedRange::new(seed, seed).unwrap());
        report.seeds = Seeds::from(report.asked);
        report.scenarios = SCENARIOS.map(|name| (name.to_owned(), tally.clone())).into();
        report.wall_ms = came.wall_ms;
        report
    }

    fn violation(kind: ViolationKind, at_ms: u64) -> Violation {
        Violation { kind, step: 1, at_ms, room: "!a:b".to_owned(), detail: format!("at {at_ms}") }
    }

    fn sum(reports: impl IntoIterator<Item = SweepReport>) -> SweepReport {
        reports
            .into_iter()
            .reduce(|mut sum, report| {
                sum.add(report).unwrap();
                sum
            })
            .unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn reports_add_up_to_the_same_in_whatever_order_and_grouping(
            (came, order) in prop::collection::vec(came(), 1..12).prop_flat_map(|came| {
                let order: Vec<usize> = (0..came.len()).collect();
                (Just(came), Just(order).prop_shuffle())
            }),
            cuts in prop::collection::vec(0..4_usize, 12),
        ) {
            let of = |place: &usize| of_seed(7 + *place as u64, &came[*place]);
            let one_by_one = sum((0..came.len()).map(|place| of(&place)));
            // Some of them first, in another order, and the sums of those then.
            let mut groups: Vec<Vec<SweepReport>> = vec![Vec::new(); 4];
            for (place, group) in order.iter().zip(&cuts) {
                groups[*group].push(of(place));
            }
            let grouped = sum(groups.into_iter().filter(|group| !group.is_empty()).map(sum));
            prop_assert_eq!(&grouped, &one_by_one);
            let text = serde_json::to_string(&grouped).unwrap();
            prop_assert_eq!(serde_json::from_str::<SweepReport>(&text).unwrap(), grouped);
            prop_assert_eq!(one_by_one.check(), Ok(()));
            prop_assert_eq!(one_by_one.missing(), Seeds::default());
        }
    }

    fn clean() -> Came {
        Came { messages: 1, oldest_ms: 1, violations: Vec::new(), panicked: false, wall_ms: 1 }
    }

    #[test]
    fn the_lowest_seed_that_shows_a_violation_is_kept_with_what_it_shows_first() {
        let bad = |count| Came { violations: vec![(ViolationKind::NotMegolm, count)], ..clean() };
        let report =
            sum([of_seed(9, &bad(5)), of_seed(4, &bad(7)), of_seed(2, &clean()), of_seed(5, &bad(1))]);
        let finding = &report.scenarios["drawn"].violations[&ViolationKind::NotMegolm];
        assert_eq!((finding.count, finding.seeds, finding.lowest_seed), (13, 3, 4));
        assert_eq!(finding.first.as_ref().unwrap().detail, "at 7");
        assert_eq!((report.violation_count(), report.is_clean()), (26, false));
        let said = report.to_string();
        assert!(said.contains("not_megolm: 13 with 3 of the seeds of drawn"), "{said}");
        assert!(said.contains("pawl-sim run drawn --seed 4 --crypto none"), "{said}");
        assert!(said.contains("Of 8 seeds 4 are still to be run: 3, 6 to 8."), "{said}");
    }

    #[test]
    fn a_run_that_panics_is_counted_and_no_report_with_one_is_clean() {
        let panicked = Came { panicked: true, ..clean() };
        let report = sum([of_seed(3, &panicked), of_seed(1, &clean()), of_seed(2, &panicked)]);
        let panics = report.scenarios["small-table"].panics.as_ref().unwrap();
        assert_eq!((panics.runs, panics.lowest_seed, panics.message.as_str()), (2, 2, "2"));
        assert_eq!((report.panic_count(), report.is_clean()), (4, false));
        assert_eq!(report.scenarios["small-table"].runs, 3);
    }

    #[test]
    fn seeds_in_common_and_other_plans_do_not_add_up_and_nothing_is_taken_in() {
        let mut report = of_seed(1, &clean());
        let before = report.clone();
        assert_eq!(report.add(before.clone()), Err(CannotAdd::Overlap(before.asked)));
        let mut other = of_seed(2, &clean());
        other.plan.crypto = Crypto::Vodozemac;
        assert!(matches!(report.add(other), Err(CannotAdd::AnotherPlan(_))));
        assert_eq!(report, before);
    }

    #[test]
    fn a_report_takes_no_more_room_for_more_seeds() {
        let came = |seed: u64| Came { messages: seed * seed, oldest_ms: seed << (seed % 30), ..clean() };
        let length = |seeds| {
            let report = sum((1..=seeds).map(|seed| of_seed(seed, &came(seed))));
            serde_json::to_string(&report).unwrap().len()
        };
        let (of_100, of_1000) = (length(100), length(1_000));
        assert!(of_1000 < of_100 * 3 / 2, "{of_100} and {of_1000} bytes");
    }
}
