//! The clock that goes on while the device is off: a battery-backed RTC on a board. QEMU's board has none; here it is
//! the time at which the power came back, from outside, and SysTick since then.

use pawl_core::{Stamp, StampClock};

use crate::clock;

/// The calendar.
#[derive(Clone, Copy)]
pub(crate) struct Rtc {
    at_start_ms: u64,
}

impl Rtc {
    /// With the time at which SysTick was started.
    pub(crate) fn new(at_start_ms: u64) -> Self {
        Rtc { at_start_ms }
    }

    /// Milliseconds since the calendar was set.
    pub(crate) fn now_ms(self) -> u64 {
        self.at_start_ms + clock::now_ms()
    }
}

impl StampClock for Rtc {
    /// Nobody sets this calendar anew. A board counts up `setting`, in a backup register, when it does.
    fn stamp(&mut self) -> Option<Stamp> {
        Some(Stamp { ms: self.now_ms(), setting: 1 })
    }
}
