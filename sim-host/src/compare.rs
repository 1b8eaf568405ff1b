//! What a choice of limits costs, and what it buys.
//!
//! The device of a scenario is run once for each choice of a [`Grid`], with its limits pinned to that choice: whatever a
//! room asks for becomes so many messages and that period. That is what an integrator can set. With one seed the same messages
//! are made at the same times, and the same people come and go, whatever the choice. Where there are several, each choice is run
//! with each of them, its figures are those of all its runs together, and a [`Spread`] says how far these lie apart.
//!
//! The cost is key shares and what they entail: to-device messages, records stored, flash worn. What it buys is that less
//! can be read with one leaked session; [`Exposure`] says how that is counted.
//!
//! A choice is *beaten* on messages by another one of the grid that shares no more keys and lets no more messages be read in
//! the mean over messages, and is better in one of the two by at least a hundredth: less than that is chance. On time it is
//! beaten likewise, by one under which no session can be read over a longer time. Which of the two matters, nobody but the
//! integrator can say.

pub mod command;
mod parts;
mod picture;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use serde::Serialize;

use self::parts::WithoutCryptographyAsLarge;
use crate::observer::{Exposure, VIOLATIONS_KEPT, Violation};
use crate::parts::SoundParts;
use crate::scenario::{Crypto, DAY_MS, DevicePlan, Ms, Range, Scenario, WEEK_MS};
use crate::simulation::{Plan, Weighed, run_and_weigh};
use crate::units::{messages, rough_duration};

/// How many messages a session may carry, and for how long it may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// The most messages.
    pub messages: NonZeroU32,
    /// The period, in milliseconds.
    pub period_ms: u64,
}

impl Choice {
    /// What a room gets by Matrix's defaults.
    pub const MATRIX_DEFAULT: Choice = Choice { messages: NonZeroU32::new(100).unwrap(), period_ms: WEEK_MS };

    /// A scenario whose device has these limits.
    fn pinned(self, scenario: &Scenario) -> Scenario {
        let Choice { messages, period_ms } = self;
        let mut pinned = scenario.clone();
        pinned.device = DevicePlan {
            limit_messages: Range(messages.get(), messages.get()),
            limit_period: Range(Ms(period_ms), Ms(period_ms)),
            ..pinned.device
        };
        pinned
    }
}

/// Every one of these numbers of messages with every one of these periods.
#[derive(Clone, Debug)]
pub struct Grid {
    /// The most messages a session.
    pub messages: BTreeSet<NonZeroU32>,
    /// The periods, in milliseconds.
    pub periods_ms: BTreeSet<u64>,
}

impl Grid {
    /// The choices, fewest messages first.
    fn choices(&self) -> Vec<Choice> {
        let of = |&messages| self.periods_ms.iter().map(move |&period_ms| Choice { messages, period_ms });
        self.messages.iter().flat_map(of).collect()
    }
}

/// How the choices are run.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// The first seed.
    pub seed: u64,
    /// With how many seeds each choice is run.
    pub seeds: NonZeroU32,
    /// How deep they go.
    pub crypto: Crypto,
    /// How many messages ahead sessions are stored; unless it is said, as the scenario says.
    pub reserve: Option<NonZeroU32>,
    /// How many run at the same time.
    pub threads: NonZeroUsize,
}

/// What came of all choices.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The scenario's name.
    pub scenario: String,
    /// How deep the runs went: `vodozemac` or `none`.
    pub crypto: &'static str,
    /// Their first seed.
    pub seed: u64,
    /// With how many seeds each choice was run.
    pub seeds: u32,
    /// How many messages ahead sessions were stored.
    pub reserve: u32,
    /// The virtual time of each run, in milliseconds.
    pub simulated_ms: u64,
    /// Fewest messages first, then the shortest period.
    pub choices: Vec<Outcome>,
    /// How many violations there were in all runs.
    pub violation_count: u64,
    /// The first 1,000 of them.
    pub violations: Vec<Violation>,
    /// How long it took on this machine, in milliseconds.
    pub wall_ms: u64,
}

/// What came of one choice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The choice.
    pub limits: Choice,
    /// Whether it is what a room gets by Matrix's defaults.
    pub matrix_default: bool,
    /// Whether another choice of the grid beats it.
    pub beaten: Beaten,
    /// What it costs a day.
    pub a_day: Cost<f64>,
    /// What it cost in all.
    pub total: Cost<u64>,
    /// What can be read with one leaked session.
    pub exposure: Exposed,
    /// How far apart its runs lie; nothing where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread: Option<Spread>,
    /// Messages that went out encrypted.
    pub messages: u64,
    /// Sessions that were made.
    pub sessions: u64,
    /// Why they were made: each reason and how often.
    pub rotations: BTreeMap<&'static str, u64>,
    /// How many violations there were.
    pub violation_count: u64,
}

/// On what a choice is beaten by another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Beaten {
    /// By one that shares no more keys and lets no more messages be read in the mean, and is better in one of the two.
    pub on_messages: bool,
    /// By one that shares no more keys and lets none be read over a longer time, and is better in one of the two.
    pub on_time: bool,
}

impl Beaten {
    /// Whether it is on both, so that it is the choice for nobody who minds only one of them.
    #[must_use]
    pub fn on_both(self) -> bool {
        self.on_messages && self.on_time
    }
}

/// What a choice costs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cost<T> {
    /// How often a session's key was shared, with everybody in a room or with somebody who came later.
    pub key_shares: T,
    /// Room keys that went out, one a receiving device.
    pub to_device_messages: T,
    /// Records that were stored, sealed sessions included.
    pub records_stored: T,
    /// Words of flash that were written.
    pub words_written: T,
    /// Words of flash that were erased, a page at a time.
    pub words_erased: T,
}

/// The least and the greatest among the runs of a choice, one for each seed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Key shares a day.
    pub key_shares_a_day: [f64; 2],
    /// Messages readable with one leaked session, in the mean over messages.
    pub mean_messages: [f64; 2],
    /// The longest time readable with one leaked session, in milliseconds.
    pub longest_ms: [u64; 2],
}

impl Spread {
    fn of(runs: &[Weighed]) -> Option<Self> {
        if runs.len() < 2 {
            return None;
        }
        let ends = |of: fn(&Weighed) -> f64| {
            let values = || runs.iter().map(of);
            [values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max)]
        };
        let longest_ms = || runs.iter().map(|run| run.exposure.longest_ms);
        Some(Spread {
            key_shares_a_day: ends(|run| a_day(run.report.key_shares, run.report.simulated_ms)),
            mean_messages: ends(|run| run.exposure.mean_over_messages()),
            longest_ms: [longest_ms().min()?, longest_ms().max()?],
        })
    }
}

fn a_day(count: u64, simulated_ms: u64) -> f64 {
    count as f64 / (simulated_ms as f64 / DAY_MS as f64)
}

impl Cost<u64> {
    fn of(runs: &[Weighed]) -> Self {
        let sum = |of: fn(&Weighed) -> u64| runs.iter().map(of).sum();
        Cost {
            key_shares: sum(|run| run.report.key_shares),
            to_device_messages: sum(|run| run.report.to_device_messages),
            records_stored: sum(|run| run.report.records_stored),
            words_written: sum(|run| run.words_written),
            words_erased: sum(|run| run.words_erased),
        }
    }

    fn a_day(&self, simulated_ms: u64) -> Cost<f64> {
        let a_day = |count| a_day(count, simulated_ms);
        Cost {
            key_shares: a_day(self.key_shares),
            to_device_messages: a_day(self.to_device_messages),
            records_stored: a_day(self.records_stored),
            words_written: a_day(self.words_written),
            words_erased: a_day(self.words_erased),
        }
    }
}

/// What whoever has the key of one session from its first index on can read.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Exposed {
    /// Messages, in the mean over messages: with the session of a message that is picked at random.
    pub mean_messages: f64,
    /// Messages, in the mean over sessions.
    pub mean_messages_a_session: f64,
    /// Messages, at most.
    pub most_messages: u64,
    /// The longest time from the first message to the last one, in milliseconds of true time.
    pub longest_ms: u64,
}

impl From<Exposure> for Exposed {
    fn from(exposure: Exposure) -> Self {
        Exposed {
            mean_messages: exposure.mean_over_messages(),
            mean_messages_a_session: exposure.mean_over_sessions(),
            most_messages: exposure.most_messages,
            longest_ms: exposure.longest_ms,
        }
    }
}

impl Outcome {
    /// What came of all runs of a choice.
    fn new(limits: Choice, runs: &[Weighed]) -> Self {
        let total = Cost::of(runs);
        let exposure: Exposure = runs.iter().map(|run| run.exposure).sum();
        let mut rotations = BTreeMap::new();
        for (reason, count) in runs.iter().flat_map(|run| &run.report.rotations) {
            *rotations.entry(*reason).or_default() += count;
        }
        let sum = |of: fn(&Weighed) -> u64| runs.iter().map(of).sum();
        Outcome {
            limits,
            matrix_default: limits == Choice::MATRIX_DEFAULT,
            beaten: Beaten::default(),
            a_day: total.a_day(sum(|run| run.report.simulated_ms)),
            total,
            exposure: exposure.into(),
            spread: Spread::of(runs),
            messages: exposure.messages,
            sessions: sum(|run| run.report.sessions),
            rotations,
            violation_count: sum(|run| run.report.violation_count),
        }
    }

    /// Whether it costs no more than the other one and exposes no more of something, and is better in one of the two.
    fn beats(&self, other: &Outcome, exposed: fn(&Outcome) -> f64) -> bool {
        const BETTER: f64 = 0.99;
        let pairs = [(self.cost(), other.cost()), (exposed(self), exposed(other))];
        pairs.iter().all(|(mine, other)| mine <= other)
            && pairs.iter().any(|(mine, other)| *mine < other * BETTER)
    }

    /// Key shares a day.
    fn cost(&self) -> f64 {
        self.a_day.key_shares
    }

    /// Messages, in the mean over messages.
    fn messages_exposed(&self) -> f64 {
        self.exposure.mean_messages
    }

    /// The longest time, in milliseconds.
    fn time_exposed(&self) -> f64 {
        self.exposure.longest_ms as f64
    }
}

impl Comparison {
    /// Whether the device kept to the rules, whatever its limits.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violation_count == 0
    }

    fn mark_the_beaten(&mut self) {
        let is_beaten = |one: &Outcome, exposed| self.choices.iter().any(|other| other.beats(one, exposed));
        let beaten = self.choices.iter().map(|one| Beaten {
            on_messages: is_beaten(one, Outcome::messages_exposed),
            on_time: is_beaten(one, Outcome::time_exposed),
        });
        let beaten: Vec<Beaten> = beaten.collect();
        for (choice, beaten) in self.choices.iter_mut().zip(beaten) {
            choice.beaten = beaten;
        }
    }
}

/// Runs the scenario with each choice. `progress` is told how much virtual time has passed since it was last told, in any
/// of the runs.
#[must_use]
pub fn compare(
    scenario: &Scenario,
    grid: &Grid,
    effort: &Effort,
    progress: &(dyn Fn(u64) + Sync),
) -> Comparison {
    let started = Instant::now();
    let mut comparison = Comparison {
        scenario: scenario.name.clone(),
        crypto: effort.crypto.name(),
        seed: effort.seed,
        seeds: effort.seeds.get(),
        reserve: effort.reserve.unwrap_or(scenario.device.reserve).get(),
        simulated_ms: scenario.duration_ms,
        choices: Vec::new(),
        violation_count: 0,
        violations: Vec::new(),
        wall_ms: 0,
    };
    let choices = grid.choices();
    let runs = run_all(scenario, &choices, effort, progress);
    for (limits, runs) in choices.into_iter().zip(runs.chunks(effort.seeds.get() as usize)) {
        let outcome = Outcome::new(limits, runs);
        comparison.violation_count += outcome.violation_count;
        let room_left = VIOLATIONS_KEPT.saturating_sub(comparison.violations.len());
        let violations =
            runs.iter().flat_map(|run| run.report.violations.iter().map(|one| (run.report.seed, one)));
        comparison.violations.extend(violations.take(room_left).map(|(seed, violation)| {
            let (messages, period) =
                (messages(limits.messages.get().into()), rough_duration(limits.period_ms));
            Violation {
                detail: format!("{} (limits: {messages}, {period}; seed {seed})", violation.detail),
                ..violation.clone()
            }
        }));
        comparison.choices.push(outcome);
    }
    comparison.mark_the_beaten();
    comparison.wall_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    comparison
}

/// In the order of the choices, and for each in that of the seeds.
fn run_all(
    scenario: &Scenario,
    choices: &[Choice],
    effort: &Effort,
    progress: &(dyn Fn(u64) + Sync),
) -> Vec<Weighed> {
    let seeds = || (0..effort.seeds.get()).map(|number| effort.seed.wrapping_add(number.into()));
    let runs: Vec<(Choice, u64)> =
        choices.iter().flat_map(|choice| seeds().map(|seed| (*choice, seed))).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(&(choice, seed)) = runs.get(number) else {
                return done;
            };
            done.push((number, run_one(&choice.pinned(scenario), seed, effort, progress)));
        }
    };
    let mut done: Vec<_> = thread::scope(|scope| {
        let threads = effort.threads.get().min(runs.len());
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a run does not panic")).collect()
    });
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, weighed)| weighed).collect()
}

fn run_one(scenario: &Scenario, seed: u64, effort: &Effort, progress: &(dyn Fn(u64) + Sync)) -> Weighed {
    let plan =
        Plan { reserve: effort.reserve.unwrap_or(scenario.device.reserve), ..Plan::new(scenario, seed) };
    let mut told_ms = 0;
    let progress = |at_ms: u64| {
        progress(at_ms - told_ms);
        told_ms = at_ms;
    };
    match effort.crypto {
        Crypto::Vodozemac => run_and_weigh(&plan, SoundParts, progress),
        Crypto::None => run_and_weigh(&plan, WithoutCryptographyAsLarge::default(), progress),
    }
}
