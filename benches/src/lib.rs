//! What the benchmarks share.
//!
//! They run with the release profile (whole-program optimisation, one codegen unit) and compare within one run: a
//! figure by itself says more about the machine than about the code.

pub mod contents;

use std::time::Instant;

use embedded_time::clock::Error;
use embedded_time::fraction::Fraction;

/// The host's monotonic clock, in nanoseconds since it was made.
#[derive(Debug)]
pub struct StdClock {
    begin: Instant,
}

impl StdClock {
    /// A clock that begins at 0.
    #[must_use]
    pub fn start() -> Self {
        StdClock { begin: Instant::now() }
    }
}

impl embedded_time::Clock for StdClock {
    type T = u64;
    const SCALING_FACTOR: Fraction = Fraction::new(1, 1_000_000_000);

    fn try_now(&self) -> Result<embedded_time::Instant<Self>, Error> {
        let elapsed = self.begin.elapsed().as_nanos();
        let ticks = u64::try_from(elapsed).map_err(|_| Error::Unspecified)?; // in 584 years
        Ok(embedded_time::Instant::new(ticks))
    }
}
