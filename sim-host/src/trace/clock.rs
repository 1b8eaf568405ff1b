//! The clock of a traced device, which can step back and stand still.

use pawl_core::clock::{CounterWidth, TickRate};

use super::line::Config;

/// A counter that shows the same whenever the device boots: 0, unless the trace says otherwise.
pub(super) struct DeviceClock {
    width: CounterWidth,
    hz: u32,
    rate: TickRate,
    at_boot: u64,
    /// True time of the boot.
    booted_at: u64,
    /// How many milliseconds less it shows than have passed since the boot.
    behind_ms: u64,
}

impl DeviceClock {
    pub(super) fn new(config: &Config, booted_at: u64) -> Self {
        let &Config { width, hz, rate, at_boot, .. } = config;
        DeviceClock { width, hz, rate, at_boot, booted_at, behind_ms: 0 }
    }

    pub(super) fn rate(&self) -> TickRate {
        self.rate
    }

    /// What the counter shows at a true time, in ticks.
    pub(super) fn ticks_at(&self, at: u64) -> u64 {
        let shown_ms = self.since_boot(at).saturating_sub(self.behind_ms);
        let ticks = u128::from(self.at_boot) + u128::from(shown_ms) * u128::from(self.hz) / 1_000;
        let mask = match self.width {
            CounterWidth::Bits32 => u128::from(u32::MAX),
            CounterWidth::Bits64 => u128::from(u64::MAX),
        };
        // Masked to 64 bits or fewer, it always fits.
        u64::try_from(ticks & mask).unwrap_or_default()
    }

    /// How often a counter that wraps is read between operations, in milliseconds: every quarter of its range.
    pub(super) fn read_interval_ms(&self) -> Option<u64> {
        match self.width {
            CounterWidth::Bits32 => Some(((1 << 30) * 1_000 / u64::from(self.hz)).max(1)),
            CounterWidth::Bits64 => None,
        }
    }

    /// From now on the counter shows that much less, but now not less than 0.
    pub(super) fn step_back(&mut self, at: u64, ms: u64) {
        self.behind_ms = self.behind_ms.saturating_add(ms).min(self.since_boot(at));
    }

    pub(super) fn stood_still(&mut self, ms: u64) {
        self.behind_ms = self.behind_ms.saturating_add(ms);
    }

    fn since_boot(&self, at: u64) -> u64 {
        at.saturating_sub(self.booted_at)
    }
}
