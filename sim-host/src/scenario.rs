//! What happens to a kiosk: its rooms, their settings, its traffic, the people who come and go, its clock and its power.
//!
//! A [`Scenario`] is read from a TOML [file](mod@file); `docs/scenarios.md` describes every field. Those that come with the
//! program are in the [`library`]. Whatever repeats is written as a rule ([`When`]) and worked out while the scenario
//! runs, so a scenario of a year takes no more memory than one of a day.

pub mod command;
pub mod drawn;
pub mod file;
pub mod library;
mod source;
mod when;

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

pub use self::source::Source;
pub(crate) use self::when::parse_ms;
pub use self::when::{Ms, OneOrMore, Range, Repeated, When};

/// A second of virtual time, in milliseconds.
pub const SECOND_MS: u64 = 1_000;
/// A minute.
pub const MINUTE_MS: u64 = 60 * SECOND_MS;
/// An hour.
pub const HOUR_MS: u64 = 60 * MINUTE_MS;
/// A day. Every scenario begins at midnight.
pub const DAY_MS: u64 = 24 * HOUR_MS;
/// A week.
pub const WEEK_MS: u64 = 7 * DAY_MS;

/// A kiosk's life for a while.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The name by which it is called: a built-in one's own, or the file's.
    #[serde(skip)]
    pub name: String,
    /// What it shows, in a sentence.
    pub about: String,
    /// How long it goes on, in milliseconds of virtual time.
    #[serde(rename = "duration", deserialize_with = "when::duration_ms")]
    pub duration_ms: u64,
    /// How deep the simulation goes unless the command line says otherwise.
    #[serde(default)]
    pub crypto: Crypto,
    /// The device that the kiosk is.
    #[serde(default)]
    pub device: DevicePlan,
    /// Its counter.
    #[serde(default)]
    pub clock: ClockPlan,
    /// The way to the homeserver.
    #[serde(default)]
    pub network: NetworkPlan,
    /// The rooms that the kiosk sends to.
    #[serde(default, rename = "room")]
    pub rooms: Vec<RoomPlan>,
    /// When the kiosk restarts. One that falls into another does not happen.
    #[serde(default, rename = "restart")]
    pub restarts: Vec<RestartPlan>,
    /// When it sleeps.
    #[serde(default, rename = "sleep")]
    pub sleeps: Vec<SleepPlan>,
}

/// How deep a simulation goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Crypto {
    /// Every message is really encrypted, and decrypted by every receiving device.
    #[default]
    Vodozemac,
    /// Decisions only: a session is a ratchet index, and nobody receives.
    None,
}

impl Crypto {
    /// The name that it has in scenarios and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Crypto::Vodozemac => "vodozemac",
            Crypto::None => "none",
        }
    }
}

/// The device, and what of it outlives a restart.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DevicePlan {
    /// How many encrypted rooms it has a place for.
    pub places: usize,
    /// What it stores.
    pub stores: Stores,
    /// How many messages ahead it stores sessions: R of B2.
    pub reserve: NonZeroU32,
    /// Further kiosks with the same traffic and restarts, to compare the wear of their flash: how far these store ahead.
    pub compare_reserves: Vec<NonZeroU32>,
    /// The range of the number of messages a session.
    pub limit_messages: Range<u32>,
    /// The range of a session's period.
    pub limit_period: Range<Ms>,
    /// What it does with a room's later settings (S3).
    pub policy: Policy,
    /// Whether it may send plaintext to rooms that are not encrypted (K6).
    pub plaintext: bool,
}

impl Default for DevicePlan {
    fn default() -> Self {
        DevicePlan {
            places: crate::power::CAPACITY,
            stores: Stores::Sessions,
            reserve: pawl_core::DEFAULT_RESERVATION,
            compare_reserves: Vec::new(),
            limit_messages: Range(1, 10_000),
            limit_period: Range(Ms(HOUR_MS), Ms(28 * DAY_MS)),
            policy: Policy::default(),
            plaintext: true,
        }
    }
}

/// What a device does with a room's later settings (S3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Each value becomes the smaller of the two.
    #[default]
    Ratchet,
    /// The new values replace the old.
    Follow,
    /// Nothing.
    Freeze,
}

/// What outlives a restart (B1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stores {
    /// Rooms and sessions: the kiosk has a real-time clock.
    Sessions,
    /// Rooms.
    Rooms,
    /// Nothing.
    Nothing,
}

/// The counter that the kiosk takes its time from, with its faults.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClockPlan {
    /// How wide it is.
    pub bits: Bits,
    /// How many ticks it counts a second.
    pub hz: NonZeroU32,
    /// What it shows when the kiosk is switched on, in ticks.
    pub at_boot: u64,
    /// The longest time between two readings, where there is nothing to send. Unless it is said: a quarter of a 32-bit
    /// counter's range, as the manual asks for; a 64-bit counter is then read for messages alone.
    #[serde(deserialize_with = "when::some_duration_ms")]
    pub read_every: Option<u64>,
    /// What goes wrong with it.
    pub fault: Vec<ClockFaultPlan>,
}

impl ClockPlan {
    /// What the counter shows at the start unless the scenario says otherwise: a day before one of 32 bits wraps, so that
    /// it does not take seven weeks of milliseconds to see it wrap.
    pub const AT_BOOT: u64 = u32::MAX as u64 - DAY_MS;
}

impl Default for ClockPlan {
    fn default() -> Self {
        ClockPlan {
            bits: Bits::ThirtyTwo,
            hz: NonZeroU32::MIN.saturating_add(999),
            at_boot: Self::AT_BOOT,
            read_every: None,
            fault: Vec::new(),
        }
    }
}

/// The width of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u8")]
pub enum Bits {
    /// It wraps.
    ThirtyTwo,
    /// It does not live long enough to wrap.
    SixtyFour,
}

impl TryFrom<u8> for Bits {
    type Error = &'static str;

    fn try_from(bits: u8) -> Result<Self, Self::Error> {
        match bits {
            32 => Ok(Bits::ThirtyTwo),
            64 => Ok(Bits::SixtyFour),
            _ => Err("a counter has 32 or 64 bits"),
        }
    }
}

/// Something that goes wrong with the counter.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockFaultPlan {
    /// When.
    pub at: When,
    /// What.
    pub kind: ClockFault,
    /// By how much, in milliseconds, at least and at most.
    pub by: Range<Ms>,
}

/// What can go wrong with a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockFault {
    /// From now on it shows that much less.
    StepBack,
    /// From now on it shows that much more.
    StepForward,
    /// It stands still for so long, and goes on from where it stood.
    Stall,
}

/// How room keys reach the receiving devices.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkPlan {
    /// How long sharing a room key takes, at least and at most: requests to a homeserver.
    pub share_takes: Range<Ms>,
    /// One share in so many fails; 0: none does.
    pub share_fails_one_in: u32,
    /// After how long a share that failed is given up, in milliseconds.
    #[serde(deserialize_with = "when::duration_ms")]
    pub share_timeout: u64,
}

impl Default for NetworkPlan {
    fn default() -> Self {
        NetworkPlan {
            share_takes: Range(Ms(200), Ms(2 * SECOND_MS)),
            share_fails_one_in: 40,
            share_timeout: 10 * SECOND_MS,
        }
    }
}

/// A room, or many alike, and what happens in it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomPlan {
    /// The room's ID; for many rooms, `{n}` in it is the number of each, from 1, with leading zeros.
    pub id: String,
    /// How many rooms there are of this kind.
    #[serde(default = "one")]
    pub count: u32,
    /// What the room shows, in a few words.
    #[serde(default)]
    pub about: String,
    /// How many receiving devices are in it at the start.
    #[serde(default)]
    pub devices: usize,
    /// Messages at regular times.
    pub steady: Option<Steady>,
    /// Messages at random times.
    pub poisson: Option<Poisson>,
    /// Messages at random times, most close together and some far apart.
    pub heavy_tailed: Option<HeavyTailed>,
    /// Many messages at once.
    pub bursts: Option<Bursts>,
    /// The people who come and go.
    pub churn: Option<Churn>,
    /// What else happens.
    #[serde(default, rename = "event")]
    pub events: Vec<EventPlan>,
}

fn one() -> u32 {
    1
}

/// A message every so often.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steady {
    /// The mean time between two messages, in milliseconds.
    #[serde(deserialize_with = "when::duration_ms")]
    pub every: u64,
    /// By how many percent of that each interval may be shorter or longer.
    #[serde(default)]
    pub jitter_percent: u32,
    /// By night, from 22:00 to 06:00, intervals are so many times longer, until the day begins.
    #[serde(default = "one")]
    pub night: u32,
    /// Whether rooms of one kind begin one after the other, evenly over the first interval.
    #[serde(default)]
    pub spread: bool,
}

/// Messages that know nothing of each other.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poisson {
    /// The mean time between two messages, in milliseconds.
    #[serde(deserialize_with = "when::duration_ms")]
    pub every: u64,
    /// As [`Steady::night`].
    #[serde(default = "one")]
    pub night: u32,
}

/// Intervals of a Pareto distribution.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeavyTailed {
    /// The shortest time between two messages, in milliseconds.
    #[serde(deserialize_with = "when::duration_ms")]
    pub least: u64,
    /// The longest.
    #[serde(deserialize_with = "when::duration_ms")]
    pub most: u64,
    /// How quickly longer intervals get rarer; the smaller, the heavier the tail.
    pub exponent: f64,
}

/// Many messages at once, a few times a day.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bursts {
    /// How many bursts there are a day, between 06:00 and 22:00.
    pub a_day: u32,
    /// How many messages a burst has, at least and at most.
    pub messages: Range<u32>,
    /// The time between two messages of a burst, at least and at most.
    #[serde(default = "burst_interval")]
    pub between: Range<Ms>,
}

fn burst_interval() -> Range<Ms> {
    Range(Ms(20), Ms(400))
}

/// People who come and go.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Churn {
    /// When somebody leaves, with their device.
    pub at: When,
    /// How long after that somebody else joins, in milliseconds; unless it is said, nobody does.
    #[serde(default, deserialize_with = "when::some_duration_ms")]
    pub back_after: Option<u64>,
    /// Every so many times nobody leaves, but a device is removed; 0: never.
    #[serde(default)]
    pub device_removed_each: u32,
}

/// Something that happens in a room at certain times: one of the four.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventPlan {
    /// When.
    pub at: When,
    /// An `m.room.encryption` state event with this content, or one after the other where it repeats.
    pub encryption: Option<OneOrMore>,
    /// An `m.room.history_visibility` state event with this value, or one after the other.
    pub history_visibility: Option<OneOrMore>,
    /// An `m.room.member` event of somebody without a receiving device: their new membership, or one after the other.
    pub membership: Option<OneOrMore>,
    /// What they were before, or `none`; unless it is said, the kiosk does not know.
    pub previous: Option<OneOrMore>,
    /// Whether the sync that brings it left out events before it (E1).
    #[serde(default)]
    pub limited: bool,
    /// Something else.
    pub happens: Option<Incident>,
}

/// What else can happen in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Incident {
    /// The member who has been there longest leaves, with their device.
    Leave,
    /// Somebody joins with a new device, and gets the room key from its current index on.
    Join,
    /// The device that has been there longest is deleted; its user stays.
    DeviceRemoved,
    /// The kiosk's owner asks for a new session.
    RequestRotation,
    /// The kiosk's owner resets the room's settings (S5).
    ResetSettings,
    /// The kiosk leaves the room and forgets it (K3); a minute later it is back, and resyncs (K4).
    Forget,
}

/// Restarts of the kiosk.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestartPlan {
    /// When they are due.
    pub at: When,
    /// How they come about.
    pub kind: OutageKind,
    /// For how long the kiosk is off, in milliseconds.
    #[serde(rename = "off", deserialize_with = "when::duration_ms")]
    pub off_ms: u64,
}

/// A sleep of the kiosk, in which its counter stands still.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SleepPlan {
    /// When it goes to sleep.
    pub at: When,
    /// For how long it sleeps, in milliseconds, at least and at most.
    #[serde(rename = "for")]
    pub lasts: Range<Ms>,
    /// Whether it knows afterwards for how long it slept (C5).
    pub known: bool,
}

/// How a restart comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutageKind {
    /// It is announced, and the kiosk stores what it knows.
    Clean,
    /// The power is cut while the kiosk does nothing.
    PowerCut,
    /// The power is cut in the midst of the next write to flash.
    PowerCutInWrite,
    /// The power is cut while the next room key is being shared.
    PowerCutInShare,
    /// As a power cut, for long enough that sessions grow too old.
    PowerOff,
    /// As a power cut, and meanwhile the real-time clock is set to another time. Then the power is cut once more, in the
    /// midst of what the kiosk stores for that reason when it starts.
    ClockSet,
    /// That second cut. It is not planned by itself.
    #[serde(skip)]
    PowerCutInStart,
    /// As a power cut, and meanwhile the real-time clock's battery fails; it is set an hour after the start.
    ClockDead,
}

impl OutageKind {
    /// All of them.
    pub const ALL: [OutageKind; 8] = [
        OutageKind::Clean,
        OutageKind::PowerCut,
        OutageKind::PowerCutInWrite,
        OutageKind::PowerCutInShare,
        OutageKind::PowerOff,
        OutageKind::ClockSet,
        OutageKind::PowerCutInStart,
        OutageKind::ClockDead,
    ];

    /// The name that it has in a report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            OutageKind::Clean => "clean",
            OutageKind::PowerCut => "power_cut",
            OutageKind::PowerCutInWrite => "power_cut_in_write",
            OutageKind::PowerCutInShare => "power_cut_in_share",
            OutageKind::PowerOff => "power_off",
            OutageKind::ClockSet => "clock_set",
            OutageKind::PowerCutInStart => "power_cut_in_start",
            OutageKind::ClockDead => "clock_dead",
        }
    }
}
