//! The kiosk's counter: what it shows of true time, with the faults that a scenario gives it.

use std::num::NonZeroU32;

use pawl_core::clock::{CounterWidth, TickRate};

use crate::scenario::{Bits, ClockFault, ClockPlan};

/// A counter, which begins anew whenever the kiosk is switched on.
#[derive(Clone, Debug)]
pub struct Counter {
    bits: Bits,
    hz: NonZeroU32,
    at_boot: u64,
    /// How many milliseconds more it shows than have passed.
    ahead_ms: i64,
    /// From when to when it stands still, in milliseconds since the boot.
    stall: Option<(u64, u64)>,
}

impl Counter {
    /// The counter of a kiosk that is not yet switched on.
    #[must_use]
    pub fn new(plan: &ClockPlan) -> Self {
        Counter { bits: plan.bits, hz: plan.hz, at_boot: plan.at_boot, ahead_ms: 0, stall: None }
    }

    /// How it counts, for the core.
    #[must_use]
    pub fn rate(&self) -> TickRate {
        let width = match self.bits {
            Bits::ThirtyTwo => CounterWidth::Bits32,
            Bits::SixtyFour => CounterWidth::Bits64,
        };
        TickRate::new(self.hz.get(), width).expect("it counts at least one tick a second")
    }

    /// The kiosk is switched on: the counter shows what it does at a boot, and its faults are over.
    pub fn boot(&mut self) {
        (self.ahead_ms, self.stall) = (0, None);
    }

    /// What it shows so many milliseconds after the boot.
    #[must_use]
    #[inline]
    pub fn ticks_at(&self, since_boot_ms: u64) -> u64 {
        if self.hz.get() == 1_000 && self.ahead_ms == 0 && self.stall.is_none() {
            // Nearly always. Numbers of 128 bits take their time.
            let ticks = self.at_boot.wrapping_add(since_boot_ms);
            return if self.bits == Bits::ThirtyTwo { ticks & u64::from(u32::MAX) } else { ticks };
        }
        self.ticks_with_faults(since_boot_ms)
    }

    fn ticks_with_faults(&self, since_boot_ms: u64) -> u64 {
        let shown_ms = i128::from(since_boot_ms) + i128::from(self.ahead_ms)
            - i128::from(self.stood_still(since_boot_ms));
        let ticks = (shown_ms * i128::from(self.hz.get())).div_euclid(1_000);
        let ticks = i128::from(self.at_boot) + ticks;
        match self.bits {
            Bits::ThirtyTwo => u64::try_from(ticks & i128::from(u32::MAX)).unwrap_or_default(),
            Bits::SixtyFour => u64::try_from(ticks.max(0)).unwrap_or(u64::MAX),
        }
    }

    /// Something goes wrong with it.
    pub fn fails(&mut self, since_boot_ms: u64, fault: ClockFault, by_ms: u64) {
        let by = i64::try_from(by_ms).unwrap_or(i64::MAX);
        match fault {
            ClockFault::StepBack => self.ahead_ms = self.ahead_ms.saturating_sub(by),
            ClockFault::StepForward => self.ahead_ms = self.ahead_ms.saturating_add(by),
            ClockFault::Stall => self.stands_still(since_boot_ms, by_ms),
        }
    }

    /// It shows the same for that long; one stall within another makes it longer.
    pub fn stands_still(&mut self, since_boot_ms: u64, for_ms: u64) {
        let begin_ms = match self.stall {
            Some((begin_ms, end_ms)) if since_boot_ms < end_ms => begin_ms,
            _ => {
                let stood_ms = i64::try_from(self.stood_still(since_boot_ms)).unwrap_or(i64::MAX);
                self.ahead_ms = self.ahead_ms.saturating_sub(stood_ms);
                since_boot_ms
            }
        };
        let end_ms = self.stall.map_or(0, |(_, end_ms)| end_ms).max(since_boot_ms + for_ms);
        self.stall = Some((begin_ms, end_ms));
    }

    /// For how much of the time since its stall began it has stood still.
    fn stood_still(&self, since_boot_ms: u64) -> u64 {
        self.stall.map_or(0, |(begin_ms, end_ms)| since_boot_ms.min(end_ms).saturating_sub(begin_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(bits: Bits, at_boot: u64) -> Counter {
        Counter::new(&ClockPlan { bits, at_boot, ..ClockPlan::default() })
    }

    #[test]
    fn it_shows_the_ticks_since_the_boot_and_wraps() {
        let counter = milliseconds(Bits::ThirtyTwo, u64::from(u32::MAX));
        assert_eq!([0, 1, 2].map(|ms| counter.ticks_at(ms)), [u64::from(u32::MAX), 0, 1]);
        let hz = NonZeroU32::new(32_768).unwrap();
        let counter = Counter::new(&ClockPlan { hz, at_boot: 0, ..ClockPlan::default() });
        assert_eq!([0, 1, 1_000].map(|ms| counter.ticks_at(ms)), [0, 32, 32_768]);
    }

    #[test]
    fn a_stall_takes_its_time_away_and_a_step_what_it_steps_by() {
        let mut counter = milliseconds(Bits::SixtyFour, 1_000);
        counter.fails(10, ClockFault::Stall, 5);
        assert_eq!([9, 10, 12, 15, 16].map(|ms| counter.ticks_at(ms)), [1_009, 1_010, 1_010, 1_010, 1_011]);
        counter.fails(12, ClockFault::Stall, 10);
        assert_eq!([21, 22, 23].map(|ms| counter.ticks_at(ms)), [1_010, 1_010, 1_011]);
        counter.fails(30, ClockFault::Stall, 1);
        counter.fails(40, ClockFault::StepBack, 7);
        assert_eq!(counter.ticks_at(40), 1_040 - 12 - 1 - 7);
        counter.fails(40, ClockFault::StepForward, 9);
        counter.fails(40, ClockFault::StepBack, 9_999);
        assert_eq!(counter.ticks_at(40), 0);
        counter.boot();
        assert_eq!(counter.ticks_at(40), 1_040);
    }
}
