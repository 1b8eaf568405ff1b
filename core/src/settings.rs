//! What the `content` of an `m.room.encryption` state event says, and how it changes what is in force.
//!
//! [`read`] turns bytes from a server that is not trusted into effective settings (P3–P8): known keys only, each
//! once, values brought within the integrator's [`Limits`]. A bad rotation value never costs the algorithm, and
//! nothing that a server writes makes a value leave the limits. [`ChangePolicy`] says what a later event may change
//! (S3). All of it is a pure function of its arguments; what a room remembers is kept by
//! [`Device`](crate::Device).

use core::ops::RangeInclusive;

use crate::json::{JsonError, ObjectReader, Value};

/// The one algorithm that is supported.
pub const MEGOLM: &str = "m.megolm.v1.aes-sha2";

/// The default of `rotation_period_msgs`, in messages (Matrix client-server API, `m.room.encryption`).
pub const DEFAULT_ROTATION_PERIOD_MSGS: u32 = 100;

/// The default of `rotation_period_ms`: a week, in milliseconds (as above).
pub const DEFAULT_ROTATION_PERIOD_MS: u64 = 604_800_000;

/// The range into which the integrator of a device wants every rotation value brought (P6).
///
/// As a constant, the limits are checked when the program is compiled:
///
/// ```
/// use pawl_core::settings::Limits;
///
/// const LIMITS: Limits = match Limits::new(1..=1_000, 3_600_000..=604_800_000) {
///     Ok(limits) => limits,
///     Err(_) => panic!("limits are empty or begin at 0"),
/// };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Limits {
    messages_lower: u32,
    messages_upper: u32,
    period_ms_lower: u64,
    period_ms_upper: u64,
}

impl Limits {
    /// Limits for the messages of a session and for its age in milliseconds.
    ///
    /// # Errors
    /// A range that is empty or begins at 0.
    pub const fn new(
        messages: RangeInclusive<u32>,
        period_ms: RangeInclusive<u64>,
    ) -> Result<Self, InvalidLimits> {
        let limits = Limits {
            messages_lower: *messages.start(),
            messages_upper: *messages.end(),
            period_ms_lower: *period_ms.start(),
            period_ms_upper: *period_ms.end(),
        };
        if limits.messages_lower == 0
            || limits.messages_lower > limits.messages_upper
            || limits.period_ms_lower == 0
            || limits.period_ms_lower > limits.period_ms_upper
        {
            return Err(InvalidLimits);
        }
        Ok(limits)
    }

    /// The fewest and the most messages that a session may carry.
    #[must_use]
    pub const fn messages(&self) -> RangeInclusive<u32> {
        self.messages_lower..=self.messages_upper
    }

    /// The shortest and the longest rotation period, in milliseconds.
    #[must_use]
    pub const fn period_ms(&self) -> RangeInclusive<u64> {
        self.period_ms_lower..=self.period_ms_upper
    }
}

impl Default for Limits {
    /// 1 to 10,000 messages, 1 hour to 28 days.
    fn default() -> Self {
        Limits {
            messages_lower: 1,
            messages_upper: 10_000,
            period_ms_lower: 3_600_000,
            period_ms_upper: 2_419_200_000,
        }
    }
}

/// A range of [`Limits`] is empty or begins at 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct InvalidLimits;

impl core::fmt::Display for InvalidLimits {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("limits must satisfy 1 <= lower <= upper")
    }
}

impl core::error::Error for InvalidLimits {}

/// A room's effective settings: within the limits, defaults filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Settings {
    /// After how many messages a session is replaced.
    pub rotation_period_msgs: u32,
    /// At which age a session is replaced, in milliseconds.
    pub rotation_period_ms: u64,
    /// Whether state events are encrypted too (MSC4362).
    pub encrypt_state_events: bool,
}

impl Settings {
    /// The settings under limits that may not be those they were read under: another firmware may have stored them.
    pub(crate) fn within(self, limits: &Limits) -> Self {
        Settings {
            rotation_period_msgs: self
                .rotation_period_msgs
                .max(limits.messages_lower)
                .min(limits.messages_upper),
            rotation_period_ms: self
                .rotation_period_ms
                .max(limits.period_ms_lower)
                .min(limits.period_ms_upper),
            ..self
        }
    }
}

/// A key whose value can be taken otherwise than written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Field {
    /// `rotation_period_ms`
    RotationPeriodMs,
    /// `rotation_period_msgs`
    RotationPeriodMsgs,
    /// `encrypt_state_events`
    EncryptStateEvents,
    /// `io.element.msc4362.encrypt_state_events`, its unstable name.
    EncryptStateEventsUnstable,
}

impl Field {
    const ALL: [Field; 4] = [
        Field::RotationPeriodMs,
        Field::RotationPeriodMsgs,
        Field::EncryptStateEvents,
        Field::EncryptStateEventsUnstable,
    ];

    /// The key as it stands in the event.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Field::RotationPeriodMs => "rotation_period_ms",
            Field::RotationPeriodMsgs => "rotation_period_msgs",
            Field::EncryptStateEvents => "encrypt_state_events",
            Field::EncryptStateEventsUnstable => "io.element.msc4362.encrypt_state_events",
        }
    }
}

impl core::fmt::Display for Field {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.key())
    }
}

/// Why a value was not taken as written (P8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Cause {
    /// Below the lower limit, which is taken instead.
    BelowLimit,
    /// Above the upper limit, which is taken instead.
    AboveLimit,
    /// Of another type, or a number with a fraction or an exponent: the default is taken.
    WrongType,
}

impl Cause {
    /// A stable name: `below_limit`, `above_limit`, `wrong_type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Cause::BelowLimit => "below_limit",
            Cause::AboveLimit => "above_limit",
            Cause::WrongType => "wrong_type",
        }
    }
}

impl core::fmt::Display for Cause {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Cause::BelowLimit => "below the lower limit, which is taken instead",
            Cause::AboveLimit => "above the upper limit, which is taken instead",
            Cause::WrongType => "of the wrong type, so the default is taken",
        })
    }
}

/// The values that were not taken as written, at most one a field (P8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Diagnostics {
    rotation_period_ms: Option<Cause>,
    rotation_period_msgs: Option<Cause>,
    encrypt_state_events: Option<Cause>,
    encrypt_state_events_unstable: Option<Cause>,
}

impl Diagnostics {
    /// Why the value of `field` was not taken as written; `None` if it was.
    #[must_use]
    pub const fn cause(&self, field: Field) -> Option<Cause> {
        match field {
            Field::RotationPeriodMs => self.rotation_period_ms,
            Field::RotationPeriodMsgs => self.rotation_period_msgs,
            Field::EncryptStateEvents => self.encrypt_state_events,
            Field::EncryptStateEventsUnstable => self.encrypt_state_events_unstable,
        }
    }

    /// Each field whose value was not taken as written, and why, in the order of [`Field`].
    pub fn iter(&self) -> impl Iterator<Item = (Field, Cause)> + use<'_> {
        Field::ALL.into_iter().filter_map(|field| Some((field, self.cause(field)?)))
    }
}

/// Why a content is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Malformed {
    /// It is not a JSON object within the bounds (P1, P2).
    Json(JsonError),
    /// A known key stands in it twice (P4).
    DuplicateKey,
    /// `algorithm` is missing or `null` (P5).
    AlgorithmMissing,
    /// `algorithm` is not a string (P5).
    AlgorithmNotAString,
}

impl Malformed {
    /// A stable name: `too_long`, `too_deep`, `not_json`, `not_an_object`, `duplicate_key`, `algorithm_missing`,
    /// `algorithm_not_a_string`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Malformed::Json(JsonError::TooLong) => "too_long",
            Malformed::Json(JsonError::TooDeep) => "too_deep",
            Malformed::Json(JsonError::NotUtf8 | JsonError::Syntax) => "not_json",
            Malformed::Json(JsonError::NotAnObject) => "not_an_object",
            Malformed::DuplicateKey => "duplicate_key",
            Malformed::AlgorithmMissing => "algorithm_missing",
            Malformed::AlgorithmNotAString => "algorithm_not_a_string",
        }
    }
}

impl From<JsonError> for Malformed {
    fn from(error: JsonError) -> Self {
        Malformed::Json(error)
    }
}

impl core::fmt::Display for Malformed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Malformed::Json(error) => error.fmt(f),
            Malformed::DuplicateKey => f.write_str("the same known key stands in it twice"),
            Malformed::AlgorithmMissing => f.write_str("algorithm is missing or null"),
            Malformed::AlgorithmNotAString => f.write_str("algorithm is not a string"),
        }
    }
}

impl core::error::Error for Malformed {}

/// What a content says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
pub enum Reading {
    /// Megolm, with these effective settings.
    Usable(Settings, Diagnostics),
    /// Well formed, but of an algorithm other than [`MEGOLM`] (P5).
    Unsupported,
    /// Not to be understood.
    Malformed(Malformed),
}

/// Reads the `content` of an `m.room.encryption` state event (P1–P8).
///
/// Costs time linear in the length of `content`, at most [`MAX_LENGTH`](crate::json::MAX_LENGTH) bytes, and a
/// constant amount of stack.
pub fn read(content: &[u8], limits: &Limits) -> Reading {
    let mut known = KnownMembers::default();
    match known.read(content) {
        Ok(()) => known.reading(limits),
        Err(malformed) => Reading::Malformed(malformed),
    }
}

/// The known keys (P3).
const KNOWN_KEYS: [&str; 5] = [
    "algorithm",
    Field::RotationPeriodMs.key(),
    Field::RotationPeriodMsgs.key(),
    Field::EncryptStateEvents.key(),
    Field::EncryptStateEventsUnstable.key(),
];

/// What is read of the members with a known key.
#[derive(Default)]
struct KnownMembers<'a> {
    /// The values as they are written, in the order of [`KNOWN_KEYS`], and `null` where nothing is: both mean the same (P5, P6, P7).
    values: [Value<'a>; KNOWN_KEYS.len()],
    /// Which of them were read, a bit each.
    seen: u8,
}

impl<'a> KnownMembers<'a> {
    /// Reads all members. Keys are compared after decoding, case and all (P3). What is wrong with a value comes before what is
    /// wrong with its key.
    fn read(&mut self, content: &'a [u8]) -> Result<(), Malformed> {
        let mut reader = ObjectReader::new(content);
        while let Some(place) = reader.next_key_among(&KNOWN_KEYS)? {
            let mut unknown = Value::Null; // is checked as JSON and matters no more (P3)
            reader.read_value(self.values.get_mut(place).unwrap_or(&mut unknown))?;
            // P4: the same known key twice is malformed, since clients disagree on which one counts.
            // An unknown one has no bit and may be repeated.
            let bit = u8::from(place < KNOWN_KEYS.len()) << place;
            if self.seen & bit != 0 {
                return Err(Malformed::DuplicateKey);
            }
            self.seen |= bit;
        }
        Ok(())
    }

    fn reading(&self, limits: &Limits) -> Reading {
        let [algorithm, ..] = &self.values;
        match algorithm {
            Value::Null => Reading::Malformed(Malformed::AlgorithmMissing), // P5
            Value::String(name) if name.is(MEGOLM) => self.usable(limits),
            Value::String(_) => Reading::Unsupported,
            _ => Reading::Malformed(Malformed::AlgorithmNotAString),
        }
    }

    fn usable(&self, limits: &Limits) -> Reading {
        let [_, period_ms, messages, stable, unstable] = &self.values;
        let period_ms =
            within(period_ms, DEFAULT_ROTATION_PERIOD_MS, limits.period_ms_lower, limits.period_ms_upper);
        let messages = within(
            messages,
            u64::from(DEFAULT_ROTATION_PERIOD_MSGS),
            u64::from(limits.messages_lower),
            u64::from(limits.messages_upper),
        );
        let stable = switch(stable);
        let unstable = switch(unstable);
        let settings = Settings {
            // The value lies within limits that are 32 bits wide.
            rotation_period_msgs: u32::try_from(messages.value).unwrap_or(limits.messages_upper),
            rotation_period_ms: period_ms.value,
            encrypt_state_events: stable.value || unstable.value, // P7
        };
        let diagnostics = Diagnostics {
            rotation_period_ms: period_ms.cause,
            rotation_period_msgs: messages.cause,
            encrypt_state_events: stable.cause,
            encrypt_state_events_unstable: unstable.cause,
        };
        Reading::Usable(settings, diagnostics)
    }
}

/// The value that is taken, and why, if it is not the one that was written (P8).
struct Taken<T> {
    value: T,
    cause: Option<Cause>,
}

/// P6: within the limits, the defaults too.
fn within(value: &Value<'_>, default: u64, lower: u64, upper: u64) -> Taken<u64> {
    let default = default.max(lower).min(upper);
    let (value, cause) = match *value {
        Value::Null => (default, None),
        Value::Integer(integer) => match integer.magnitude {
            _ if integer.negative => (lower, Some(Cause::BelowLimit)),
            Some(value) if value < lower => (lower, Some(Cause::BelowLimit)),
            Some(value) if value <= upper => (value, None),
            _ => (upper, Some(Cause::AboveLimit)),
        },
        _ => (default, Some(Cause::WrongType)),
    };
    Taken { value, cause }
}

/// The value of a key that is on or off (P7).
fn switch(value: &Value<'_>) -> Taken<bool> {
    match *value {
        Value::Null => Taken { value: false, cause: None },
        Value::Bool(on) => Taken { value: on, cause: None },
        _ => Taken { value: false, cause: Some(Cause::WrongType) },
    }
}

/// What a later usable content may change (S3). The integrator chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ChangePolicy {
    /// Each value becomes the smaller of the current and the new one (MSC4131).
    #[default]
    Ratchet,
    /// The new values replace the current ones.
    Follow,
    /// The first settings stay.
    Freeze,
}

impl ChangePolicy {
    /// The settings in force once a usable content with `new` has come to a room with `current` (S3).
    #[must_use]
    pub fn change(self, current: Settings, new: Settings) -> Settings {
        // Once on, it stays on; a later event can turn it on.
        let encrypt_state_events = current.encrypt_state_events || new.encrypt_state_events;
        match self {
            ChangePolicy::Ratchet => Settings {
                rotation_period_msgs: current.rotation_period_msgs.min(new.rotation_period_msgs),
                rotation_period_ms: current.rotation_period_ms.min(new.rotation_period_ms),
                encrypt_state_events,
            },
            ChangePolicy::Follow => Settings { encrypt_state_events, ..new },
            ChangePolicy::Freeze => current,
        }
    }
}
