//! The kiosk's clock, which shows virtual time.

use embedded_time::clock::Error;
use embedded_time::fraction::Fraction;
use embedded_time::{Clock, Instant};

/// A millisecond counter of 32 bits, such as a microcontroller has: it wraps every 49.7 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MillisecondCounter(u32);

impl MillisecondCounter {
    /// The counter that shows `ticks` now.
    #[must_use]
    pub fn showing(ticks: u32) -> Self {
        MillisecondCounter(ticks)
    }
}

impl Clock for MillisecondCounter {
    type T = u32;

    const SCALING_FACTOR: Fraction = Fraction::new(1, 1_000);

    fn try_now(&self) -> Result<Instant<Self>, Error> {
        Ok(Instant::new(self.0))
    }
}
