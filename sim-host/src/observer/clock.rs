//! How much of true time the device's counter has hidden from it, so that it cannot have known.

/// A counter as the observer sees it: what it shows at each reading, and true time.
pub(super) struct CounterWatch {
    /// Whether it has 32 bits.
    wraps: bool,
    hz: u64,
    /// What it showed at the last reading since the device was switched on.
    last_ticks: Option<u64>,
    /// True time of the first reading since then, and the ticks that it has shown to pass since.
    first_ms: u64,
    shown_ticks: u64,
    /// What was hidden until the first reading, less what the device was told of sleeps.
    before_ms: i64,
    /// What is hidden of all of true time so far; less than nothing where the counter is ahead of it.
    hidden_ms: i64,
    /// That at the last restart.
    at_restart_ms: i64,
    /// All that was ever hidden without a trace.
    unseen_ms: u64,
    /// All that it has ever jumped ahead of true time.
    ahead_ms: u64,
}

/// What a reading tells whoever has read the counter before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Time has passed, as far as can be seen.
    WentOn,
    /// The counter went back (C3).
    WentBack,
}

impl CounterWatch {
    pub(super) fn new(wraps: bool, hz: u32) -> Self {
        CounterWatch {
            wraps,
            hz: hz.into(),
            last_ticks: None,
            first_ms: 0,
            shown_ticks: 0,
            before_ms: 0,
            hidden_ms: 0,
            at_restart_ms: 0,
            unseen_ms: 0,
            ahead_ms: 0,
        }
    }

    pub(super) fn hidden_ms(&self) -> i64 {
        self.hidden_ms
    }

    /// The same at the end of the current tick, to which an age runs where a tick is longer than a millisecond (C2): what is to
    /// come of it is not hidden.
    pub(super) fn hidden_to_tick_end_ms(&self) -> i64 {
        if self.hz >= 1_000 {
            return self.hidden_ms;
        }
        let end = u128::from(self.shown_ticks) + 1;
        let end_ms = u64::try_from((end * 1_000).div_ceil(u128::from(self.hz))).unwrap_or(u64::MAX);
        self.hidden_ms.saturating_sub(signed(end_ms.saturating_sub(self.shown_ms())))
    }

    pub(super) fn hidden_at_restart_ms(&self) -> i64 {
        self.at_restart_ms
    }

    /// By how much more than true time a device may take to have passed, for its counter jumped ahead.
    pub(super) fn ahead_ms(&self) -> u64 {
        self.ahead_ms
    }

    /// By how much an age may be off with a counter that is sound: it runs from the beginning of a tick to the end of one (C2).
    pub(super) fn precision_ms(&self) -> u64 {
        2 * 1_000_u64.div_ceil(self.hz)
    }

    pub(super) fn unseen_ms(&self) -> u64 {
        self.unseen_ms
    }

    /// The counter begins anew. What was hidden before is hidden no longer from a device that has another clock.
    pub(super) fn restarted(&mut self) {
        (self.last_ticks, self.shown_ticks) = (None, 0);
        (self.before_ms, self.at_restart_ms) = (self.hidden_ms, self.hidden_ms);
    }

    /// The device was told of so many milliseconds that the counter did not show (C5).
    pub(super) fn told_of(&mut self, ms: u64) {
        self.before_ms = self.before_ms.saturating_sub(signed(ms));
    }

    /// The device reads the counter.
    pub(super) fn read(&mut self, true_ms: u64, ticks: u64) -> Reading {
        let Some(last) = self.last_ticks.replace(ticks) else {
            self.first_ms = true_ms;
            return Reading::WentOn;
        };
        let passed = if self.wraps {
            ticks.wrapping_sub(last) & u64::from(u32::MAX)
        } else {
            ticks.wrapping_sub(last)
        };
        let half = if self.wraps { 1 << 31 } else { 1 << 63 };
        let went = if passed < half { Reading::WentOn } else { Reading::WentBack };
        if went == Reading::WentOn {
            self.shown_ticks = self.shown_ticks.saturating_add(passed);
        }
        let before_ms = self.hidden_ms;
        let passed_ms = signed(true_ms - self.first_ms);
        self.hidden_ms = self.before_ms.saturating_add(passed_ms).saturating_sub(signed(self.shown_ms()));
        let more_ms = self.hidden_ms.saturating_sub(before_ms);
        if went == Reading::WentOn && more_ms > self.tick_ms() {
            self.unseen_ms = self.unseen_ms.saturating_add(more_ms.unsigned_abs());
        }
        if more_ms < -self.tick_ms() {
            self.ahead_ms = self.ahead_ms.saturating_add(more_ms.unsigned_abs());
        }
        went
    }

    fn shown_ms(&self) -> u64 {
        if self.hz == 1_000 {
            return self.shown_ticks;
        }
        let shown_ms = u128::from(self.shown_ticks) * 1_000 / u128::from(self.hz);
        u64::try_from(shown_ms).unwrap_or(u64::MAX)
    }

    /// What a counter that is no millisecond counter always hides and shows again.
    fn tick_ms(&self) -> i64 {
        if self.hz == 1_000 { 0 } else { signed(1_000_u64.div_ceil(self.hz)) }
    }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_counter_shows_is_not_hidden_even_when_it_wraps() {
        let mut counter = CounterWatch::new(true, 1_000);
        let at_boot = u64::from(u32::MAX) - 5;
        for ms in [0, 5, 10, 2_000_000_000] {
            assert_eq!(counter.read(ms, (at_boot + ms) & u64::from(u32::MAX)), Reading::WentOn);
        }
        assert_eq!((counter.hidden_ms(), counter.unseen_ms()), (0, 0));
    }

    #[test]
    fn a_whole_range_that_passes_between_two_readings_is_hidden() {
        let mut counter = CounterWatch::new(true, 1_000_000);
        counter.read(0, 0);
        // 2³² microseconds are 4,294.967296 s.
        assert_eq!(counter.read(4_294_968, 704), Reading::WentOn);
        assert_eq!(counter.unseen_ms(), 4_294_968);
        // Half of it looks like a step back.
        assert_eq!(counter.read(4_294_968 + 2_147_484, 704 + 2_147_484_000), Reading::WentBack);
        assert_eq!(counter.unseen_ms(), 4_294_968);
    }

    #[test]
    fn a_stall_is_hidden_and_a_known_sleep_is_not() {
        let mut counter = CounterWatch::new(false, 1_000);
        counter.read(0, 0);
        counter.read(100, 40);
        assert_eq!((counter.hidden_ms(), counter.unseen_ms()), (60, 60));
        counter.told_of(500);
        counter.read(700, 140);
        assert_eq!((counter.hidden_ms(), counter.unseen_ms()), (60, 60));
    }

    #[test]
    fn a_step_back_that_was_made_up_for_is_hidden_and_one_that_is_seen_is_not() {
        let mut counter = CounterWatch::new(false, 1_000);
        counter.read(0, 1_000);
        assert_eq!(counter.read(100, 1_010), Reading::WentOn);
        assert_eq!(counter.unseen_ms(), 90);
        assert_eq!(counter.read(110, 1_000), Reading::WentBack);
        assert_eq!(counter.unseen_ms(), 90);
    }

    #[test]
    fn a_restart_begins_anew() {
        let mut counter = CounterWatch::new(false, 1_000);
        counter.read(0, 0);
        counter.read(100, 0);
        counter.restarted();
        counter.read(1_000, 0);
        counter.read(1_010, 10);
        assert_eq!(
            (counter.hidden_ms(), counter.hidden_at_restart_ms(), counter.unseen_ms()),
            (100, 100, 100)
        );
    }
}
