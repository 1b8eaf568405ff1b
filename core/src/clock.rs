//! A 64-bit timeline in milliseconds over the injected clock (C1–C5).
//!
//! The clock is an [`embedded_time::Clock`] of 32 or 64 bits at any constant rate. Its instants are never compared
//! with each other: at a distance of half the range their order is not an order. [`Timeline`] takes the ticks since
//! the last reading instead and adds them up, so a 32-bit clock may wrap as often as it likes, if it is read often
//! enough ([`TickRate::longest_read_interval_ms`]). The timeline never goes back; when the clock did, what is known about ages
//! is void, and an epoch that sessions remember says so (C3).

use core::num::{NonZeroU32, NonZeroU64};

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
    numerator: u32,
    denominator: NonZeroU32,
    /// Whether the counter has 32 bits, and so wraps in a device's life.
    wraps: bool,
}

/// On a counter of 32 bits, a difference of this many ticks or more is a step back (C3).
const HALF_RANGE: u64 = 1 << 31;

impl TickRate {
    /// A counter of 32 or 64 bits with so many ticks a second; `None` when that is 0.
    #[must_use]
    pub const fn new(ticks_per_second: u32, width: CounterWidth) -> Option<Self> {
        Self::in_lowest_terms(1_000, ticks_per_second, matches!(width, CounterWidth::Bits32))
    }

    /// The rate of a clock.
    const fn of<C: Clock>() -> Self {
        let numerator = *C::SCALING_FACTOR.numerator() as u64 * 1_000;
        let denominator = *C::SCALING_FACTOR.denominator();
        match Self::in_lowest_terms(numerator, denominator, size_of::<C::T>() < size_of::<u64>()) {
            Some(rate) => rate,
            None => panic!("a clock's SCALING_FACTOR is 0, or its tick longer than 49 days"), // when it is compiled
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "divisors of what fits, or seen to fit")]
    const fn in_lowest_terms(numerator: u64, denominator: u32, wraps: bool) -> Option<Self> {
        if numerator == 0 || denominator == 0 {
            return None;
        }
        let divisor = greatest_common_divisor(numerator, denominator as u64);
        let numerator = numerator / divisor;
        match NonZeroU32::new((denominator as u64 / divisor) as u32) {
            Some(denominator) if numerator <= u32::MAX as u64 => {
                Some(TickRate { numerator: numerator as u32, denominator, wraps })
            }
            _ => None,
        }
    }

    /// The longest time between two readings with which the counter is carried on correctly, in milliseconds of true
    /// time: less than half its range (C2). `None`: read it as seldom as you like.
    #[must_use]
    pub const fn longest_read_interval_ms(&self) -> Option<u64> {
        if self.wraps {
            // An interval of `n` ticks can be seen as `n + 1`, and half the range is already a step back.
            Some((HALF_RANGE - 2) * self.numerator as u64 / self.denominator.get() as u64)
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
#[derive(Clone, Debug)]
pub struct Timeline {
    /// The clock's last reading, in ticks.
    last_ticks: Option<u64>,
    /// The last reading.
    now: Now,
    /// What the ticks so far amount to beyond `ms`, in parts of a millisecond by the rate's denominator: no fraction is lost (C2).
    fraction: u32,
}

impl Default for Timeline {
    fn default() -> Self {
        Self::new()
    }
}

impl Timeline {
    /// A timeline that begins with the first reading.
    #[must_use]
    pub const fn new() -> Self {
        Self::beginning_at(0, 0)
    }

    /// A timeline after a restart, in the epoch in which it was before.
    pub(crate) const fn after_restart(epoch: u32) -> Self {
        Self::beginning_at(RESTART_MS, epoch)
    }

    const fn beginning_at(ms: u64, epoch: u32) -> Self {
        Timeline { last_ticks: None, now: Now { tick_begin_ms: ms, tick_end_ms: ms, epoch }, fraction: 0 }
    }

    /// The moment of the last reading.
    pub(crate) const fn now(&self) -> Now {
        self.now
    }

    /// The moment of the last reading, as far as it is known without one: that of the beginning of its tick.
    pub(crate) const fn last_read(&self) -> Now {
        Now { tick_end_ms: self.now.tick_begin_ms, ..self.now }
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
        self.follow(clock)?;
        Ok(self.now)
    }

    /// As [`read`](Self::read); the moment is then [`now`](Self::now).
    #[inline(always)] // for a decision, which is made for each message
    pub(crate) fn follow<C>(&mut self, clock: &C) -> Result<(), ClockError>
    where
        C: Clock,
        u64: From<C::T>,
    {
        let instant = clock.try_now().map_err(|_| ClockError::Unreadable)?;
        let ticks = u64::from(instant.duration_since_epoch().integer());
        self.carry_on_to(ticks, const { TickRate::of::<C>() })
    }

    /// Carries the timeline on to a reading of a counter that is not an [`embedded_time::Clock`]. All readings are of
    /// one counter, and those of a 32-bit counter are below 2³².
    ///
    /// # Errors
    /// [`ClockError::Exhausted`]; nothing changes then.
    pub fn carry_on(&mut self, ticks: u64, rate: TickRate) -> Result<Now, ClockError> {
        self.carry_on_to(ticks, rate)?;
        Ok(self.now)
    }

    #[inline(always)] // where the rate is known when the program is compiled, little is left of this
    fn carry_on_to(&mut self, ticks: u64, rate: TickRate) -> Result<(), ClockError> {
        match self.last_ticks.map_or(Some(0), |last| rate.ticks_between(last, ticks)) {
            Some(elapsed) => self.advance(elapsed, rate)?,
            None => self.forget_ages()?,
        }
        self.last_ticks = Some(ticks);
        self.now.tick_end_ms = self.tick_end_ms(rate);
        Ok(())
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
    #[cold]
    #[inline(never)] // which `cold` alone does not mean where code is to be small
    fn forget_ages(&mut self) -> Result<(), ClockError> {
        let next = self.now.epoch.saturating_add(1);
        if next == NO_EPOCH {
            return Err(ClockError::Exhausted);
        }
        self.now.epoch = next;
        Ok(())
    }

    #[inline(always)] // as `carry_on_to`
    fn advance(&mut self, ticks: u64, rate: TickRate) -> Result<(), ClockError> {
        let TickRate { numerator, denominator, .. } = rate;
        if denominator == NonZeroU32::MIN {
            return self.add_ms(ticks.saturating_mul(u64::from(numerator))); // whole milliseconds leave no fraction
        }
        let (whole, rest) = divide(ticks, denominator);
        let part = u64::from(rest) * u64::from(numerator) + u64::from(self.fraction); // below numerator × denominator
        let (more, fraction) = divide(part, denominator);
        self.add_ms(whole.saturating_mul(u64::from(numerator)).saturating_add(more))?;
        self.fraction = fraction;
        Ok(())
    }

    /// A step that nobody can have lived through, or that 64 bits cannot hold, is a fault of the clock: it makes ages
    /// unknown and adds nothing. At its end the timeline would stand still, and no session would grow old any more.
    #[inline(always)] // as `carry_on_to`
    fn add_ms(&mut self, ms: u64) -> Result<(), ClockError> {
        match self.now.tick_begin_ms.checked_add(ms) {
            Some(sum) if ms < LONGEST_STEP_MS => self.now.tick_begin_ms = sum,
            _ => self.forget_ages()?,
        }
        Ok(())
    }

    #[inline(always)] // as `carry_on_to`
    fn tick_end_ms(&self, TickRate { numerator, denominator, .. }: TickRate) -> u64 {
        if numerator <= denominator.get() {
            return self.now.tick_begin_ms; // C2: only a tick longer than a millisecond runs to its end
        }
        let to_end = u64::from(numerator) + u64::from(self.fraction) + u64::from(denominator.get() - 1);
        self.now.tick_begin_ms.saturating_add(divide(to_end, denominator).0)
    }
}

/// Quotient and remainder. Between two readings there is seldom more than 32 bits can hold, and those a Cortex-M4 divides in
/// one instruction, 64 bits in some two hundred.
#[inline(always)] // as `Timeline::carry_on_to`
#[expect(clippy::cast_possible_truncation, reason = "a remainder is below its divisor")]
fn divide(dividend: u64, divisor: NonZeroU32) -> (u64, u32) {
    match u32::try_from(dividend) {
        Ok(short) => (u64::from(short / divisor), short % divisor),
        Err(_) => {
            let divisor = NonZeroU64::from(divisor);
            (dividend / divisor, (dividend % divisor) as u32)
        }
    }
}
