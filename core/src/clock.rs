//! A 64-bit timeline in milliseconds over the injected clock (C1–C5).
//!
//! The clock is an [`embedded_time::Clock`] of 32 or 64 bits at any constant rate. Its instants are never compared
//! with each other: at a distance of half the range their order is not an order. [`Timeline`] takes the ticks since
//! the last reading instead and adds them up, so a 32-bit clock may wrap as often as it likes, if it is read often
//! enough ([`TickRate::longest_read_interval_ms`]). The timeline never goes back; when the clock did, what is known about ages
//! is void, and an epoch that sessions remember says so (C3).

use embedded_time::Clock;

use crate::store::StoreError;

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
    /// The clock has gone back 2³² − 2 times. Only a store that is made anew mends that.
    Exhausted,
}

impl core::fmt::Display for ClockError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            ClockError::Unreadable => "the clock could not be read",
            ClockError::Exhausted => "the clock has gone back too many times",
        })
    }
}

impl core::error::Error for ClockError {}

/// Why a device has no time to go by. Nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum TimeError {
    /// There is no time to be had; nothing has changed (C4).
    Clock(ClockError),
    /// What is to be known of the device after a restart, such as that all ages have become unknown, could not be
    /// stored; it holds nonetheless (B1).
    Store(StoreError),
}

impl From<ClockError> for TimeError {
    fn from(error: ClockError) -> Self {
        TimeError::Clock(error)
    }
}

impl From<StoreError> for TimeError {
    fn from(error: StoreError) -> Self {
        TimeError::Store(error)
    }
}

impl core::fmt::Display for TimeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            TimeError::Clock(error) => error.fmt(f),
            TimeError::Store(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for TimeError {}

/// How long the device slept while its clock stood still (C5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Sleep {
    /// This many milliseconds, rounded up.
    KnownMs(u64),
    /// Nobody knows: the ages of all live sessions are unknown from now on.
    Unknown,
}

/// A step forward of this many milliseconds, 146 million years, or more is a fault of the clock.
const LONGEST_STEP_MS: u64 = 1 << 62;

/// Where the timeline begins after a restart: sessions that are older than the device's present life were made before that.
/// No age that is longer is believed.
pub(crate) const RESTART_MS: u64 = LONGEST_STEP_MS;

/// The epoch of sessions whose age is unknown for a reason of their own. The timeline never reaches it.
pub(crate) const NO_EPOCH: u32 = u32::MAX;

/// How a counter counts: what one of its ticks is in milliseconds, and whether it wraps.
///
/// For an [`embedded_time::Clock`] it is worked out when the program is compiled; [`new`](TickRate::new) is for a
/// counter whose rate is known only when the device runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TickRate {
    /// A tick is `numerator / denominator` milliseconds, in lowest terms.
    numerator: u64,
    denominator: u64,
    /// Whether the counter has 32 bits, and so wraps in a device's life.
    wraps: bool,
}

/// On a counter of 32 bits, a difference of this many ticks or more is a step back (C3).
const HALF_RANGE: u64 = 1 << 31;

impl TickRate {
    /// A counter of 32 or 64 bits with so many ticks a second; `None` when that is 0.
    #[must_use]
    pub const fn new(ticks_per_second: u32, width: CounterWidth) -> Option<Self> {
        Self::in_lowest_terms(1_000, ticks_per_second as u64, matches!(width, CounterWidth::Bits32))
    }

    /// The rate of a clock.
    const fn of<C: Clock>() -> Self {
        let numerator = *C::SCALING_FACTOR.numerator() as u64 * 1_000;
        let denominator = *C::SCALING_FACTOR.denominator() as u64;
        match Self::in_lowest_terms(numerator, denominator, size_of::<C::T>() < size_of::<u64>()) {
            Some(rate) => rate,
            None => panic!("a clock's SCALING_FACTOR is 0 or too odd a fraction"), // when it is compiled
        }
    }

    const fn in_lowest_terms(numerator: u64, denominator: u64, wraps: bool) -> Option<Self> {
        if numerator == 0 || denominator == 0 {
            return None;
        }
        let divisor = greatest_common_divisor(numerator, denominator);
        let (numerator, denominator) = (numerator / divisor, denominator / divisor);
        // So that what is left over after whole milliseconds fits 64 bits when it is added up.
        match (numerator + 1).checked_mul(denominator) {
            Some(_) => Some(TickRate { numerator, denominator, wraps }),
            None => None,
        }
    }

    /// The longest time between two readings with which the counter is carried on correctly, in milliseconds of true
    /// time: less than half its range (C2). `None`: read it as seldom as you like.
    #[must_use]
    pub const fn longest_read_interval_ms(&self) -> Option<u64> {
        if self.wraps {
            // An interval of `n` ticks can be seen as `n + 1`, and half the range is already a step back.
            (HALF_RANGE - 2).saturating_mul(self.numerator).checked_div(self.denominator) // which is never 0
        } else {
            None
        }
    }

    /// The ticks from one reading to the next; `None` when the counter went back (C3).
    const fn ticks_between(&self, last: u64, ticks: u64) -> Option<u64> {
        if self.wraps {
            // Both are 32 bits wide, so their difference is right modulo 2³².
            let elapsed = ticks.wrapping_sub(last) & u32::MAX as u64;
            if elapsed < HALF_RANGE { Some(elapsed) } else { None }
        } else {
            ticks.checked_sub(last)
        }
    }
}

/// The width of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum CounterWidth {
    /// 32 bits: it wraps.
    Bits32,
    /// 64 bits: it does not.
    Bits64,
}

const fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The longest time between two readings of a clock of type `C`, as [`TickRate::longest_read_interval_ms`].
#[must_use]
pub const fn longest_read_interval_ms<C: Clock>() -> Option<u64> {
    const { TickRate::of::<C>() }.longest_read_interval_ms()
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

    /// A timeline after a restart, in the epoch in which it was before.
    pub(crate) const fn after_restart(epoch: u32) -> Self {
        Timeline { last_ticks: None, ms: RESTART_MS, fraction: 0, epoch }
    }

    /// The moment of the last reading, as far as it is known without one: that of the beginning of its tick.
    pub(crate) const fn last_read(&self) -> Now {
        Now { tick_begin_ms: self.ms, tick_end_ms: self.ms, epoch: self.epoch }
    }

    /// Reads the clock and carries the timeline on to it: the one way by which time comes in (C1), [`slept`](Self::slept) apart.
    ///
    /// # Errors
    /// Any error of the clock, and [`ClockError::Exhausted`]; nothing changes then (C4).
    #[inline]
    pub fn read<C>(&mut self, clock: &C) -> Result<Now, ClockError>
    where
        C: Clock,
        u64: From<C::T>,
    {
        let instant = clock.try_now().map_err(|_| ClockError::Unreadable)?;
        let ticks = u64::from(instant.duration_since_epoch().integer());
        self.carry_on(ticks, const { TickRate::of::<C>() })
    }

    /// Carries the timeline on to a reading of a counter that is not an [`embedded_time::Clock`]. All readings are of
    /// one counter, and those of a 32-bit counter are below 2³².
    ///
    /// # Errors
    /// [`ClockError::Exhausted`]; nothing changes then.
    #[inline]
    pub fn carry_on(&mut self, ticks: u64, rate: TickRate) -> Result<Now, ClockError> {
        match self.last_ticks.map_or(Some(0), |last| rate.ticks_between(last, ticks)) {
            Some(elapsed) => self.advance(elapsed, rate)?,
            None => self.forget_ages()?,
        }
        self.last_ticks = Some(ticks);
        Ok(Now { tick_begin_ms: self.ms, tick_end_ms: self.tick_end_ms(rate), epoch: self.epoch })
    }

    /// Takes account of time that the clock did not show (C5).
    ///
    /// # Errors
    /// [`ClockError::Exhausted`].
    pub fn slept(&mut self, sleep: Sleep) -> Result<(), ClockError> {
        match sleep {
            Sleep::KnownMs(ms) => self.add_ms(ms),
            Sleep::Unknown => self.forget_ages(),
        }
    }

    /// One write makes the age of every live session unknown, for good (C3).
    fn forget_ages(&mut self) -> Result<(), ClockError> {
        let next = self.epoch.saturating_add(1);
        if next == NO_EPOCH {
            return Err(ClockError::Exhausted);
        }
        self.epoch = next;
        Ok(())
    }

    #[inline]
    fn advance(&mut self, ticks: u64, rate: TickRate) -> Result<(), ClockError> {
        let TickRate { numerator, denominator, .. } = rate;
        // No denominator is 0, and the remainder does not overflow, by the check in `TickRate`; `whole` does only
        // where the timeline itself does.
        let remainder = ticks.checked_rem(denominator).unwrap_or_default();
        let part = remainder.saturating_mul(numerator).saturating_add(self.fraction);
        let whole = ticks.checked_div(denominator).unwrap_or_default().saturating_mul(numerator);
        self.add_ms(whole.saturating_add(part.checked_div(denominator).unwrap_or_default()))?;
        self.fraction = part.checked_rem(denominator).unwrap_or_default();
        Ok(())
    }

    /// A step that nobody can have lived through, or that 64 bits cannot hold, is a fault of the clock: it makes ages
    /// unknown and adds nothing. At its end the timeline would stand still, and no session would grow old any more.
    #[inline]
    fn add_ms(&mut self, ms: u64) -> Result<(), ClockError> {
        match self.ms.checked_add(ms) {
            Some(sum) if ms < LONGEST_STEP_MS => self.ms = sum,
            _ => self.forget_ages()?,
        }
        Ok(())
    }

    #[inline]
    fn tick_end_ms(&self, TickRate { numerator, denominator, .. }: TickRate) -> u64 {
        if numerator <= denominator {
            return self.ms; // C2: only a tick longer than a millisecond runs to its end
        }
        let to_end = numerator.saturating_add(self.fraction).saturating_add(denominator.saturating_sub(1));
        self.ms.saturating_add(to_end.checked_div(denominator).unwrap_or_default())
    }
}
