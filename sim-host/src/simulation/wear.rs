//! What storing costs the flash, by how far ahead sessions are stored (B2).

use std::collections::BTreeSet;
use std::thread;
use std::time::Instant;

use super::{Plan, World, run, run_with};
use crate::parts::{Parts, SoundParts};
use crate::report::{Report, Wear};

/// Runs a plan with sound parts. Beside it the same traffic and the same restarts go through kiosks that store
/// their sessions less and further ahead, each with flash of its own, if the scenario wants them compared; nobody receives
/// what these send, but the observer sees it. The report is that of the plan, with the wear of all of them and whatever
/// the others did wrong.
pub fn run_and_measure_wear(plan: &Plan<'_>, progress: impl FnMut(u64)) -> Report {
    let started = Instant::now();
    let compared = &plan.scenario.device.compare_reserves;
    let reserves: BTreeSet<_> = compared.iter().copied().filter(|reserve| *reserve != plan.reserve).collect();
    let mut report = thread::scope(|scope| {
        let others: Vec<_> = reserves
            .into_iter()
            .map(|reserve| {
                scope.spawn(move || {
                    run_with(&Plan { reserve, life_of: None, ..*plan }, SoundParts, false, |_| {})
                })
            })
            .collect();
        let mut report = run(plan, SoundParts, progress);
        for other in others {
            report.add(other.join().expect("a run does not panic"));
        }
        report
    });
    report.wear.sort_by_key(|wear| wear.reserve);
    report.wall_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    report
}

impl<P: Parts> World<'_, P> {
    /// What was done with the flash for so many encrypted messages.
    pub(super) fn wear(&self, messages: u64) -> Wear {
        let per_1000 = |count: u64| (count * 1_000 + messages / 2) / messages.max(1);
        let (words_written, words_erased) = self.words_worn();
        Wear {
            reserve: self.reserve.get(),
            records_per_1000_messages: per_1000(self.kiosk.chip().records_stored()),
            words_written_per_1000_messages: per_1000(words_written),
            words_erased_per_1000_messages: per_1000(words_erased),
        }
    }
}
