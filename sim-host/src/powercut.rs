//! A device whose power is cut at every step of its flash: every word that is written, every page that is erased.
//!
//! A [life] is a list of acts, cut into segments by restarts. At a restart nothing is in memory, so what is on the
//! flash and [outside of the device](world) is the whole of the state, and can be copied. For each segment the sweep runs
//! once from that state with the power cut at the first step, once at the second, and so on, until a run comes to its end
//! uncut. After each cut the device restarts; the application delivers again what it had not finished and goes on. A
//! *second cut* does the same to what follows the first: to the restart and the act that is done again.
//!
//! Flash is [emulated](crate::nor_flash), with all that real flash refuses to do; sessions are vodozemac's, every message
//! is decrypted, and what is judged is what came out of the device, by what the world outside knows.

pub mod command;
pub mod life;
pub mod world;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use serde::Serialize;

use self::life::Life;
use self::world::{End, World};

/// How much a sweep does.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// One step in so many is cut; 1 for all of them. Which ones differs from segment to segment.
    pub cuts_every: u64,
    /// After every so many first cuts, second cuts at every step of what follows; 0 for none.
    pub second_cuts_every: u64,
    /// Threads to work with.
    pub threads: usize,
}

/// What came of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The seed of the life and of what interrupted steps leave behind.
    pub seed: u64,
    /// Acts in the life.
    pub acts: usize,
    /// Segments between restarts.
    pub segments: usize,
    /// Words written and pages erased in the life without a cut.
    pub steps: u64,
    /// How many of them erase a page.
    pub erases: u64,
    /// First cuts.
    pub cuts: u64,
    /// Second cuts, in what followed a first.
    pub second_cuts: u64,
    /// Messages that went out, all of them decrypted.
    pub messages: u64,
    /// How many violations there were.
    pub violation_count: u64,
    /// How often each kind occurred.
    pub violations_by_kind: BTreeMap<&'static str, u64>,
    /// The first of them.
    pub violations: Vec<String>,
}

/// How many violations a summary spells out. A sweep that has found so many comes to its end.
const VIOLATIONS_KEPT: usize = 20;

/// Cuts the power everywhere in a life. `progress` is told how many of how many steps have been done.
pub fn sweep(life: &Life, effort: Effort, progress: impl Fn(u64, u64) + Sync) -> Summary {
    let sweep = Sweep { life, effort, done: AtomicU64::new(0), summary: Mutex::default() };
    let starts = sweep.live_through();
    let steps: u64 = starts.iter().map(|start| start.steps).sum();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..effort.threads.max(1) {
            scope.spawn(|| {
                while let Some(start) = starts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    sweep.cut_segment(start, &|done| progress(done.min(steps), steps));
                }
            });
        }
    });
    let mut summary = sweep.summary.into_inner().expect("no thread has panicked");
    summary.seed = life.seed;
    summary.acts = life.segments.iter().map(Vec::len).sum();
    summary.segments = life.segments.len();
    summary.steps = steps;
    summary
}

/// The beginning of a segment.
struct Start {
    segment: usize,
    world: World,
    /// How many steps the segment takes without a cut.
    steps: u64,
}

struct Sweep<'l> {
    life: &'l Life,
    effort: Effort,
    /// First cuts so far.
    done: AtomicU64,
    summary: Mutex<Summary>,
}

impl Sweep<'_> {
    /// The life without a cut.
    fn live_through(&self) -> Vec<Start> {
        let mut world = World::new(self.life.seed);
        let mut starts = Vec::new();
        for (segment, acts) in self.life.segments.iter().enumerate() {
            let start = world.clone();
            let before = world.flash.steps();
            let end = world.run(acts, None);
            assert!(matches!(end, End::Done), "nothing has cut the power");
            starts.push(Start { segment, world: start, steps: world.flash.steps() - before });
        }
        self.count(|summary| summary.erases = world.flash.wear().pages_erased());
        self.judge(&mut world, "without a cut");
        starts
    }

    fn cut_segment(&self, start: &Start, progress: &impl Fn(u64)) {
        let acts = &self.life.segments[start.segment];
        let every = self.effort.cuts_every.max(1);
        let first = u64::try_from(start.segment).unwrap_or_default() % every;
        for number in 0.. {
            if self.has_seen_enough() {
                return;
            }
            let step = first + number * every;
            let mut world = start.world.clone();
            world.flash = world.flash.with_seed(self.life.seed ^ (step << 20));
            let End::Cut { act } = world.run(acts, Some(step)) else {
                return;
            };
            self.count(|summary| summary.cuts += 1);
            progress((self.done.fetch_add(1, Ordering::Relaxed) + 1) * every);
            let rest = &acts[act..];
            if self.effort.second_cuts_every > 0 && number % self.effort.second_cuts_every == 0 {
                self.cut_again(&world, rest, start.segment, step);
            }
            self.go_on(world, rest, &|| format!("segment {}, cut at step {step}", start.segment));
        }
    }

    /// Cuts the power at every step of the restart after a cut, and of the act that is done again.
    fn cut_again(&self, world: &World, rest: &[life::Act], segment: usize, first: u64) {
        for step in 0.. {
            if self.has_seen_enough() {
                return;
            }
            let mut world = world.clone();
            world.flash = world.flash.with_seed(self.life.seed ^ (step << 40) ^ first);
            let again = &rest[..rest.len().min(1)];
            let End::Cut { act } = world.run(again, Some(step)) else {
                return;
            };
            self.count(|summary| summary.second_cuts += 1);
            let what =
                || format!("segment {segment}, cut at step {first}, then at step {step} of what follows");
            self.go_on(world, &rest[act..], &what);
        }
    }

    /// The rest of the segment, without another cut, and then a message to every room.
    fn go_on(&self, mut world: World, rest: &[life::Act], what: &dyn Fn() -> String) {
        world.run(rest, None);
        world.run(&life::epilogue(), None);
        self.judge(&mut world, &what());
    }

    fn judge(&self, world: &mut World, what: &str) {
        let (messages, violations) = world.take_outcome();
        self.count(|summary| {
            summary.messages += messages;
            for (kind, detail) in violations {
                summary.violation_count += 1;
                *summary.violations_by_kind.entry(kind).or_default() += 1;
                if summary.violations.len() < VIOLATIONS_KEPT {
                    summary.violations.push(format!("{what}: {kind}: {detail}"));
                }
            }
        });
    }

    fn has_seen_enough(&self) -> bool {
        self.count(|summary| summary.violations.len()) >= VIOLATIONS_KEPT
    }

    fn count<T>(&self, change: impl FnOnce(&mut Summary) -> T) -> T {
        change(&mut self.summary.lock().expect("no thread has panicked"))
    }
}
