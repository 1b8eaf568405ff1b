//! A 64-bit timeline in milliseconds over the injected clock (C1–C5).
//!
//! The clock is an [`embedded_time::Clock`] of 32 or 64 bits at any constant rate. Its instants are never compared
//! with each other: at a distance of half the range their order is not an order. [`Timeline`] takes the ticks since
//! the last reading instead and adds them up, so a 32-bit clock may wrap as often as it likes, if it is read often
//! enough ([`longest_read_interval_ms`]). The timeline never goes back; when the clock did, what is known about ages
//! is void, and an epoch that sessions remember says so (C3).

use embedded_time::Clock;

/// A moment on the timeline, as rotation needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Now {
    /// The beginning of the clock's current tick, in milliseconds of the timeline.
    pub tick_begin_ms: u64,
    /// Its end, which is the same unless a tick is longer than a millisecond (C2).
    pub tick_end_ms: u64,
    /// Changes whenever the ages of all live sessions have become unknown (C3, C5).
    pub epoch: u32,
}

/// Why there is no time to be had; nothing has changed (C4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ClockError {
    /// The clock could not be read.
    Unreadable,
    /// The clock has gone back 2³² − 1 times since the device started. Only a restart mends that.
    Exhausted,
}

impl core::fmt::Display for ClockError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            ClockError::Unreadable => "the clock could not be read",
            ClockError::Exhausted => "the clock has gone back too many times; restart the device",
        })
    }
}

impl core::error::Error for ClockError {}

/// How long the device slept while its clock stood still (C5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Sleep {
    /// This many milliseconds, rounded up.
    KnownMs(u64),
    /// Nobody knows: the ages of all live sessions are unknown from now on.
    Unknown,
}

/// Ticks of a clock as milliseconds, worked out when the program is compiled.
struct Rate<C>(core::marker::PhantomData<C>);

impl<C: Clock> Rate<C> {
    /// A tick is `NUMERATOR / DENOMINATOR` milliseconds, in lowest terms.
    const NUMERATOR: u64 = Self::MS_PER_TICK.0;
    const DENOMINATOR: u64 = Self::MS_PER_TICK.1;

    const MS_PER_TICK: (u64, u64) = {
        let numerator = *C::SCALING_FACTOR.numerator() as u64 * 1_000;
        let denominator = *C::SCALING_FACTOR.denominator() as u64;
        assert!(numerator > 0 && denominator > 0, "a clock's SCALING_FACTOR must be above 0");
        let divisor = greatest_common_divisor(numerator, denominator);
        let (numerator, denominator) = (numerator / divisor, denominator / divisor);
        // So that what is left over after whole milliseconds fits 64 bits when it is added up.
        let greatest = (numerator + 1).checked_mul(denominator);
        assert!(greatest.is_some(), "a clock's SCALING_FACTOR is too odd a fraction");
        (numerator, denominator)
    };

    /// Whether the clock's counter has 32 bits and so wraps in a device's life.
    const WRAPS: bool = size_of::<C::T>() < size_of::<u64>();

    /// A difference of this many ticks or more is a step back (C3).
    const HALF_RANGE: u64 = 1 << 31;
}

const fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The longest time between two readings with which a clock of type `C` is carried on correctly, in milliseconds of
/// true time: less than half its range (C2). `None`: read it as seldom as you like.
#[must_use]
pub const fn longest_read_interval_ms<C: Clock>() -> Option<u64> {
    if Rate::<C>::WRAPS {
        // An interval of `n` ticks can be seen as `n + 1`, and half the range is already a step back.
        Some((Rate::<C>::HALF_RANGE - 2).saturating_mul(Rate::<C>::NUMERATOR) / Rate::<C>::DENOMINATOR)
    } else {
        None
    }
}

/// Milliseconds since the first reading, carried on from one reading of the clock to the next.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// The clock's last reading, in ticks.
    last_ticks: Option<u64>,
    /// The beginning of the last reading's tick.
    ms: u64,
    /// What the ticks so far amount to beyond `ms`, in 1/`DENOMINATOR` of a millisecond: no fraction is lost (C2).
    fraction: u64,
    epoch: u32,
}

impl Timeline {
    /// A timeline that begins with the first reading.
    #[must_use]
    pub const fn new() -> Self {
        Timeline { last_ticks: None, ms: 0, fraction: 0, epoch: 0 }
    }

    /// Reads the clock and carries the timeline on to it.
    ///
    /// # Errors
    /// Any error of the clock, and [`ClockError::Exhausted`]; nothing changes then (C4).
    pub fn read<C>(&mut self, clock: &C) -> Result<Now, ClockError>
    where
        C: Clock,
        u64: From<C::T>,
    {
        let instant = clock.try_now().map_err(|_| ClockError::Unreadable)?;
        let ticks = u64::from(instant.duration_since_epoch().integer());
        match self.last_ticks.map_or(Some(0), |last| ticks_since::<C>(last, ticks)) {
            Some(elapsed) => self.advance::<C>(elapsed),
            None => self.forget_ages()?,
        }
        self.last_ticks = Some(ticks);
        Ok(Now { tick_begin_ms: self.ms, tick_end_ms: self.tick_end_ms::<C>(), epoch: self.epoch })
    }

    /// Takes account of time that the clock did not show (C5).
    ///
    /// # Errors
    /// [`ClockError::Exhausted`].
    pub fn slept(&mut self, sleep: Sleep) -> Result<(), ClockError> {
        match sleep {
            Sleep::KnownMs(ms) => {
                self.ms = self.ms.saturating_add(ms);
                Ok(())
            }
            Sleep::Unknown => self.forget_ages(),
        }
    }

    /// One write makes the age of every live session unknown, for good (C3).
    fn forget_ages(&mut self) -> Result<(), ClockError> {
        self.epoch = self.epoch.checked_add(1).ok_or(ClockError::Exhausted)?;
        Ok(())
    }

    fn advance<C: Clock>(&mut self, ticks: u64) {
        let (numerator, denominator) = (Rate::<C>::NUMERATOR, Rate::<C>::DENOMINATOR);
        // This does not overflow, by the check in `Rate`; `whole` does when time itself leaves 64 bits.
        let part = (ticks % denominator).saturating_mul(numerator).saturating_add(self.fraction);
        let whole = (ticks / denominator).saturating_mul(numerator).saturating_add(part / denominator);
        self.ms = self.ms.saturating_add(whole);
        self.fraction = part % denominator;
    }

    fn tick_end_ms<C: Clock>(&self) -> u64 {
        let (numerator, denominator) = (Rate::<C>::NUMERATOR, Rate::<C>::DENOMINATOR);
        if numerator <= denominator {
            return self.ms; // C2: only a tick longer than a millisecond runs to its end
        }
        self.ms.saturating_add(numerator.saturating_add(self.fraction).div_ceil(denominator))
    }
}

/// The ticks from one reading to the next; `None` when the clock went back (C3).
fn ticks_since<C: Clock>(last: u64, ticks: u64) -> Option<u64> {
    if Rate::<C>::WRAPS {
        // Both are 32 bits wide, so their difference is right modulo 2³².
        let elapsed = ticks.wrapping_sub(last) & u64::from(u32::MAX);
        (elapsed < Rate::<C>::HALF_RANGE).then_some(elapsed)
    } else {
        ticks.checked_sub(last)
    }
}
