//! What a run cost and what it exposed, beside its report.

use std::time::Instant;

use super::{Plan, World};
use crate::observer::Exposure;
use crate::parts::Parts;
use crate::power::Flash;
use crate::report::Report;
use crate::scenario::Crypto;

/// A run's report, with what is not in it.
pub struct Weighed {
    /// The report.
    pub report: Report,
    /// What leaks with a session.
    pub exposure: Exposure,
    /// Words of flash that were written.
    pub words_written: u64,
    /// Words of flash that were erased, a page at a time.
    pub words_erased: u64,
}

/// Runs a plan with a kiosk built of `parts`, as [`run`](super::run) does.
pub fn run_and_weigh<P: Parts>(plan: &Plan<'_>, parts: P, mut progress: impl FnMut(u64)) -> Weighed {
    let started = Instant::now();
    let ids: Vec<String> = plan.scenario.room_ids().collect();
    let mut world = World::new(plan, &ids, parts, P::CRYPTO == Crypto::Vodozemac, &mut progress);
    world.run();
    let (words_written, words_erased) = world.words_worn();
    Weighed {
        report: world.report(started),
        exposure: world.observer.exposure(),
        words_written,
        words_erased,
    }
}

impl<P: Parts> World<'_, P> {
    /// How many words of flash were written and erased.
    pub(super) fn words_worn(&self) -> (u64, u64) {
        use embedded_storage::nor_flash::NorFlash;
        let words_a_page = (Flash::ERASE_SIZE / Flash::WRITE_SIZE) as u64;
        self.kiosk.chip().with(|flash| {
            let worn = flash.wear();
            (worn.words_written, worn.pages_erased() * words_a_page)
        })
    }
}
