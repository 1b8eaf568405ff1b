//! What storing costs the flash, by how far ahead sessions are stored (B2).

use std::num::NonZeroU32;
use std::thread;
use std::time::Instant;

use super::{Plan, World, run};
use crate::parts::{Parts, SoundParts};
use crate::power::Flash;
use crate::report::{Report, Wear};

/// The reservations whose wear is measured.
const RESERVATIONS: [u32; 3] = [1, 16, 64];

/// Runs a plan with sound parts. Beside it the same traffic and the same restarts go through kiosks that store
/// their sessions less and further ahead, each with flash of its own; nobody receives what these send, but the observer
/// sees it. The report is that of the plan, with the wear of all of them and whatever the others did wrong.
pub fn run_and_measure_wear(plan: &Plan<'_>, progress: impl FnMut(u64)) -> Report {
    let started = Instant::now();
    let others =
        RESERVATIONS.into_iter().filter_map(NonZeroU32::new).filter(|reserve| *reserve != plan.reserve);
    let mut report = thread::scope(|scope| {
        let others: Vec<_> =
            others.map(|reserve| scope.spawn(move || run_unreceived(&Plan { reserve, ..*plan }))).collect();
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

fn run_unreceived(plan: &Plan<'_>) -> Report {
    let mut progress = |_| {};
    let mut world = World::new(plan, SoundParts, false, &mut progress);
    world.run();
    world.report(Instant::now())
}

impl<P: Parts> World<'_, P> {
    /// What was done with the flash for so many encrypted messages.
    pub(super) fn wear(&self, messages: u64) -> Wear {
        use embedded_storage::nor_flash::NorFlash;
        let per_1000 = |count: u64| (count * 1_000 + messages / 2) / messages.max(1);
        let worn = self.kiosk.chip().with(|flash| flash.wear().clone());
        let words_a_page = (Flash::ERASE_SIZE / Flash::WRITE_SIZE) as u64;
        Wear {
            reserve: self.reserve.get(),
            records_per_1000_messages: per_1000(self.kiosk.chip().records_stored()),
            words_written_per_1000_messages: per_1000(worn.words_written),
            words_erased_per_1000_messages: per_1000(worn.pages_erased() * words_a_page),
        }
    }
}
