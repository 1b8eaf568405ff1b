//! What the benchmarks share.
//!
//! They run with the release profile (whole-program optimisation, one codegen unit), all of them in one, and compare within one
//! run: a figure by itself says more about the machine than about the code. What is measured stands in functions of these modules,
//! so that times (criterion) and instructions (callgrind) are of the same work.

pub mod contents;
pub mod decisions;
pub mod devices;
pub mod hostile;
#[cfg(feature = "peers")]
pub mod peers;
#[cfg(feature = "sending")]
pub mod sending;
pub mod storing;

use std::hint::black_box;
use std::time::{SystemTime, UNIX_EPOCH};

use embedded_time::clock::Error;
use embedded_time::fraction::Fraction;

/// Has the reader of JSON called in two places, as in a program that sends, which checks what it is to send too. Of a reader that is
/// called in one place the compiler may make something else.
pub fn as_in_a_device_that_sends() {
    black_box(pawl_core::json::check_object as fn(&[u8]) -> _);
}

/// The clock of std that matrix-sdk-crypto reads, in milliseconds since 1970: the specification's unit, and pawl's.
#[derive(Clone, Copy, Debug)]
pub struct StdClock;

impl embedded_time::Clock for StdClock {
    type T = u64;
    const SCALING_FACTOR: Fraction = Fraction::new(1, 1_000);

    #[inline]
    fn try_now(&self) -> Result<embedded_time::Instant<Self>, Error> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| Error::Unspecified)?;
        let ticks = u64::try_from(since.as_millis()).map_err(|_| Error::Unspecified)?; // it fits for 584 million years
        Ok(embedded_time::Instant::new(ticks))
    }
}
