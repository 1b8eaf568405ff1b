//! Runs the seeds, on as many threads as are wanted.

use std::any::Any;
use std::num::NonZeroUsize;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::{SeedRange, Seeds, Subject, SweepReport, Tally};
use crate::parts::SoundParts;
use crate::report::Report;
use crate::scenario::{Crypto, Source};
use crate::simulation::{self, Plan as RunPlan};

/// Seeds that are being run. When it is dropped no further one is begun.
pub struct Work {
    reports: Receiver<SweepReport>,
    stop: Arc<AtomicBool>,
}

impl Work {
    /// Begins to run these seeds, in their order.
    #[must_use]
    pub fn begin(subject: &Subject, seeds: &Seeds, threads: NonZeroUsize) -> Self {
        // Seeds that are run are taken in at once; a few may wait.
        let (sender, reports) = mpsc::sync_channel(2 * threads.get());
        let stop = Arc::new(AtomicBool::new(false));
        let rest = seeds.ranges().collect::<Vec<_>>().into_iter().flat_map(SeedRange::each);
        let rest = Arc::new(Mutex::new(rest));
        let subject = Arc::new(subject.clone());
        for _ in 0..threads.get() {
            let (sender, stop, rest, subject) = (sender.clone(), stop.clone(), rest.clone(), subject.clone());
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let next = rest.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(seed) = next else {
                        break;
                    };
                    if sender.send(run_seed(&subject, seed)).is_err() {
                        break; // nobody waits for it
                    }
                }
            });
        }
        Work { reports, stop }
    }

    /// The report of a seed that has been run, if there is one within that time.
    ///
    /// # Errors
    /// All seeds have been run.
    pub fn next_within(&self, time: Duration) -> Result<Option<SweepReport>, AllRun> {
        match self.reports.recv_timeout(time) {
            Ok(report) => Ok(Some(report)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(AllRun),
        }
    }
}

/// All seeds have been run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllRun;

impl Drop for Work {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Runs all scenarios with a seed, or with each of a few.
#[must_use]
pub fn run_seeds(subject: &Subject, seeds: SeedRange) -> SweepReport {
    let plan = subject.plan();
    let mut all = SweepReport::new(plan.clone(), seeds);
    for seed in seeds.each() {
        let added = all.add(run_seed(subject, seed));
        debug_assert_eq!(added, Ok(()), "each seed is run once");
    }
    all
}

fn run_seed(subject: &Subject, seeds: SeedRange) -> SweepReport {
    let seed = seeds.first();
    let mut all = SweepReport::new(subject.plan().clone(), seeds);
    all.seeds = Seeds::from(seeds);
    for source in subject.sources() {
        let tally = match panic::catch_unwind(AssertUnwindSafe(|| run(subject, source, seed))) {
            Ok(report) => {
                all.wall_ms = all.wall_ms.saturating_add(report.wall_ms);
                Tally::of(&report)
            }
            Err(panic) => Tally::of_panic(seed, message(&*panic)),
        };
        all.scenarios.insert(source.name().to_owned(), tally);
    }
    all
}

fn run(subject: &Subject, source: &Source, seed: u64) -> Report {
    let scenario = source.scenario(seed);
    let reserve = subject.plan().reserve.unwrap_or(scenario.device.reserve);
    let plan = RunPlan { reserve, ..RunPlan::new(&scenario, seed) };
    match subject.plan().crypto {
        Crypto::Vodozemac => simulation::run(&plan, SoundParts, |_| {}),
        Crypto::None => simulation::run_without_cryptography(&plan, |_| {}),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message").to_owned()
}
