//! Time of the [model](super): what truly ran, and what the clock hid of it.

/// A device's clock, as far as the rules depend on it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// 32 or 64.
    pub bits: u32,
    /// Ticks a second.
    pub hz: u64,
}

/// A moment as the device knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Ticks that were seen.
    ticks: i128,
    /// Milliseconds that the device slept and was told of (C5).
    slept_ms: u128,
}

/// An age, in parts of a millisecond of which there are as many as the clock has ticks a second: all is whole then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Age(u128);

impl Age {
    /// T6.
    #[must_use]
    pub fn reaches(self, period_ms: u64, clock: Clock) -> bool {
        self.0 >= u128::from(period_ms) * u128::from(clock.hz)
    }

    /// No time at all.
    pub(super) const ZERO: Age = Age(0);

    /// So many milliseconds.
    pub(super) fn of_ms(ms: u128, clock: Clock) -> Self {
        Age(ms * u128::from(clock.hz))
    }

    /// The lesser of it and `ms`.
    #[must_use]
    pub fn min(self, ms: u128, clock: Clock) -> Self {
        Ord::min(self, Age(ms * u128::from(clock.hz)))
    }
}

/// A reading of the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reading {
    /// What truly ran until then, in ticks.
    ran: i128,
    /// How far the clock had been set back until then, in ticks.
    set_back: i128,
}

/// Time that truly passed, and what is known of it.
#[derive(Clone, Debug)]
pub struct Time {
    clock: Clock,
    /// What would be shown now, were the clock read.
    unread: Reading,
    /// The first and the last reading.
    read: Option<(Reading, Reading)>,
    /// What ran and was not seen, in ticks. It is negative where a clock of 32 bits was set back so far that it looked
    /// like a step forward.
    hidden: Vec<i128>,
    slept_ms: Vec<u64>,
}

/// A reading showed that the clock had gone back (C3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WentBack;

impl Time {
    /// The beginning.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Time { clock, unread: Reading::default(), read: None, hidden: Vec::new(), slept_ms: Vec::new() }
    }

    /// The device's clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// So many ticks pass.
    pub fn pass(&mut self, ticks: u64) {
        self.unread.ran += i128::from(ticks);
    }

    /// The clock is set back by so many ticks.
    pub fn set_back(&mut self, ticks: u64) {
        self.unread.set_back += i128::from(ticks);
    }

    /// The device slept, and knows how long (C5).
    pub fn slept(&mut self, ms: u64) {
        self.slept_ms.push(ms);
    }

    /// How far the clock moved since it was last read; `None` before the first reading.
    pub(super) fn unread_ticks(&self) -> Option<i128> {
        let (_, last) = self.read?;
        Some((self.unread.ran - last.ran) - (self.unread.set_back - last.set_back))
    }

    /// Reads the clock.
    ///
    /// # Errors
    /// It went back (C3).
    pub fn read(&mut self) -> Result<(), WentBack> {
        let now = self.unread;
        let (Some((first, last)), Some(moved)) = (self.read, self.unread_ticks()) else {
            self.read = Some((now, now));
            return Ok(());
        };
        self.read = Some((first, now));
        let ran = now.ran - last.ran;
        let seen = match self.clock.bits {
            // C2: what the face of such a clock shows is a difference on a circle.
            32 => Some(moved.rem_euclid(1 << 32)).filter(|seen| *seen < 1 << 31),
            _ => Some(moved).filter(|seen| *seen >= 0),
        };
        // The timeline never goes back: of what ran before a step back, nothing is seen.
        let hidden = ran - seen.unwrap_or(0);
        if hidden != 0 {
            self.hidden.push(hidden);
        }
        if seen.is_some() { Ok(()) } else { Err(WentBack) }
    }

    /// The moment of the last reading, with the sleeps since.
    pub(super) fn now(&self) -> Moment {
        let ran = self.read.map_or(0, |(first, last)| last.ran - first.ran);
        Moment {
            ticks: ran - self.hidden.iter().sum::<i128>(),
            slept_ms: self.slept_ms.iter().copied().map(u128::from).sum(),
        }
    }

    /// C1, C2: a tick longer than a millisecond counts to its end, but in the tick of its creation a session's age is 0
    /// (T10). It had that `age` at that moment.
    pub(super) fn age(&self, (age, since): (Age, Moment)) -> Age {
        let mut older = self.age_in_whole_ticks((age, since));
        if (self.now() != since || age != Age::ZERO) && self.clock.hz < 1_000 {
            older.0 += 1_000;
        }
        older
    }

    /// The same, to the beginning of the current tick: all there is to be said when the clock is not read.
    pub(super) fn age_in_whole_ticks(&self, (age, since): (Age, Moment)) -> Age {
        let now = self.now();
        let ticks = (now.ticks - since.ticks).unsigned_abs();
        Age(age.0 + ticks * 1_000 + (now.slept_ms - since.slept_ms) * u128::from(self.clock.hz))
    }

    /// After how many more ticks, seen from the last reading, a session that had that age then reaches another.
    pub(super) fn ticks_until(&self, made: (Age, Moment), age_ms: u64) -> Option<u128> {
        let missing = (u128::from(age_ms) * u128::from(self.clock.hz)).checked_sub(self.age(made).0)?;
        let ticks = missing.div_ceil(1_000);
        let first_tick = self.now() == made.1 && made.0 == Age::ZERO && self.clock.hz < 1_000;
        Some(if first_tick { 1.max(ticks.saturating_sub(1)) } else { ticks })
    }
}

/// A clock that goes on while the device is off, and what it shows (B3).
#[derive(Clone, Debug)]
pub struct Calendar {
    clock: Clock,
    /// What ran while the device was on, in its own clock's ticks.
    ran: u128,
    /// All else, in milliseconds: what ran while it slept or was off, and by how much this clock was moved.
    other_ms: i128,
    settings: u64,
    readable: bool,
}

/// What a calendar shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    ms: i128,
    setting: u64,
}

impl Stamp {
    /// How long ago another was, in milliseconds; `None` when the clock was set anew since.
    #[must_use]
    pub fn since(self, other: Stamp) -> Option<i128> {
        (self.setting == other.setting).then_some(self.ms - other.ms)
    }
}

impl Calendar {
    /// One that can be read.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Calendar { clock, ran: 0, other_ms: 0, settings: 0, readable: true }
    }

    /// So many ticks of the device's clock pass.
    pub fn pass(&mut self, ticks: u64) {
        self.ran += u128::from(ticks);
    }

    /// It goes on for so many milliseconds, or back.
    pub fn go(&mut self, ms: i128) {
        self.other_ms += ms;
    }

    /// It is set anew.
    pub fn set(&mut self) {
        self.settings += 1;
    }

    /// From now on it can be read no more, or again.
    pub fn switch(&mut self) {
        self.readable = !self.readable;
    }

    /// Whether it can be read.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.readable
    }

    /// What it shows, readable or not.
    #[must_use]
    pub fn face(&self) -> Stamp {
        let ran_ms = i128::try_from(self.ran * 1_000 / u128::from(self.clock.hz)).unwrap_or(i128::MAX);
        Stamp { ms: ran_ms + self.other_ms, setting: self.settings }
    }

    /// Reads it.
    #[must_use]
    pub fn read(&self) -> Option<Stamp> {
        self.readable.then(|| self.face())
    }
}
