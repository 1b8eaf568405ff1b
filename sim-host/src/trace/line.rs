//! The lines of a trace: JSON objects with an `op`, a time `at`, and the fields of that operation. Other fields are
//! ignored.

use std::num::NonZeroU32;

use pawl_core::clock::{CounterWidth, TickRate};
use pawl_core::settings::{ChangePolicy, Limits};
use pawl_core::{Config as CoreConfig, DEFAULT_RESERVATION, RoomId};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The most rooms that a trace can ask for.
const MAX_ROOMS: usize = 4_096;

/// What the first line sets up.
pub(super) struct Config {
    pub(super) core: CoreConfig,
    pub(super) max_rooms: usize,
    pub(super) complete: bool,
    pub(super) rtc: bool,
    pub(super) reserve: NonZeroU32,
    pub(super) width: CounterWidth,
    pub(super) hz: u32,
    /// What the clock shows when the device boots, in ticks.
    pub(super) at_boot: u64,
    pub(super) rate: TickRate,
}

impl Config {
    /// The configuration that a first line is, or the usual one if it is another operation.
    pub(super) fn of_first_line(line: &str) -> Result<Option<Self>, String> {
        match parse::<Head>(line)?.op.as_str() {
            "config" => parse::<ConfigLine>(line)?.into_config().map(Some),
            _ => Ok(None),
        }
    }

    /// The configuration of a trace that has none.
    pub(super) fn usual() -> Result<Self, String> {
        ConfigLine::default().into_config()
    }
}

/// A line other than the configuration.
pub(super) struct Line {
    /// True time, in milliseconds.
    pub(super) at: u64,
    pub(super) operation: Operation,
}

/// What happens.
pub(super) enum Operation {
    Encryption(Encryption),
    Send(Send),
    Member(Member),
    Visibility(Visibility),
    DeviceRemoved(InRoom),
    RequestRotation(InRoom),
    ResetSettings(InRoom),
    Forget(InRoom),
    ResyncBegin,
    ResyncEnd,
    Tick,
    ClockBack(ClockBack),
    Sleep(Sleep),
    Restart(Restart),
}

impl Line {
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let Head { op, at } = parse(line)?;
        let operation = match op.as_str() {
            "encryption" => Operation::Encryption(parse::<Encryption>(line)?.checked()?),
            "send" => Operation::Send(parse(line)?),
            "member" => Operation::Member(parse(line)?),
            "visibility" => Operation::Visibility(parse(line)?),
            "device_removed" => Operation::DeviceRemoved(parse(line)?),
            "request_rotation" => Operation::RequestRotation(parse(line)?),
            "reset_settings" => Operation::ResetSettings(parse(line)?),
            "forget" => Operation::Forget(parse(line)?),
            "resync_begin" => Operation::ResyncBegin,
            "resync_end" => Operation::ResyncEnd,
            "tick" => Operation::Tick,
            "clock_back" => Operation::ClockBack(parse(line)?),
            "sleep" => Operation::Sleep(parse(line)?),
            "restart" => Operation::Restart(parse(line)?),
            "config" => return Err("`config` can only be the first line".to_owned()),
            other => return Err(format!("unknown op `{other}`")),
        };
        let at = at.ok_or("missing field `at`")?;
        Ok(Line { at, operation })
    }
}

/// Reads a line's JSON, with an error that does not speak of a line of its own.
fn parse<T: DeserializeOwned>(line: &str) -> Result<T, String> {
    // Else an array of the fields' values would do as well.
    if !line.trim_start().starts_with('{') {
        return Err("not a JSON object".to_owned());
    }
    serde_json::from_str(line).map_err(|error| {
        let text = error.to_string();
        match text.rsplit_once(" at line ") {
            Some((message, _)) => format!("{message} (column {})", error.column()),
            None => text,
        }
    })
}

#[derive(Deserialize)]
struct Head {
    op: String,
    at: Option<u64>,
}

/// A room's ID, short enough to be one.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Room(String);

impl TryFrom<String> for Room {
    type Error = String;

    fn try_from(id: String) -> Result<Self, String> {
        RoomId::new(&id).map_err(|error| error.to_string())?;
        Ok(Room(id))
    }
}

impl Room {
    pub(super) fn id(&self) -> Result<RoomId<'_>, String> {
        RoomId::new(&self.0).map_err(|error| error.to_string())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Deserialize)]
pub(super) struct Encryption {
    pub(super) room: Room,
    #[serde(default, deserialize_with = "present")]
    content: Option<Box<RawValue>>,
    raw: Option<String>,
}

/// A field that is there, be its value `null`.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(value).map(Some)
}

impl Encryption {
    fn checked(self) -> Result<Self, String> {
        match (&self.content, &self.raw) {
            (None, None) => Err("missing field `content` or `raw`".to_owned()),
            (Some(_), Some(_)) => Err("both `content` and `raw`".to_owned()),
            _ => Ok(self),
        }
    }

    /// The content's bytes, as written.
    pub(super) fn content(&self) -> &[u8] {
        match (&self.content, &self.raw) {
            (Some(content), _) => content.get().as_bytes(),
            (None, Some(raw)) => raw.as_bytes(),
            (None, None) => b"",
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Send {
    pub(super) room: Room,
    #[serde(default = "once")]
    pub(super) count: u64,
    #[serde(default)]
    pub(super) share: Share,
}

fn once() -> u64 {
    1
}

/// How sharing a room key ends.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Share {
    #[default]
    Ok,
    Fail,
}

#[derive(Deserialize)]
pub(super) struct Member {
    pub(super) room: Room,
    pub(super) membership: String,
    pub(super) previous: Option<String>,
    #[serde(default)]
    pub(super) limited: bool,
}

#[derive(Deserialize)]
pub(super) struct Visibility {
    pub(super) room: Room,
    pub(super) value: String,
}

#[derive(Deserialize)]
pub(super) struct InRoom {
    pub(super) room: Room,
}

#[derive(Deserialize)]
pub(super) struct ClockBack {
    pub(super) ms: u64,
}

#[derive(Deserialize)]
pub(super) struct Sleep {
    pub(super) ms: u64,
    pub(super) known: bool,
}

#[derive(Deserialize)]
pub(super) struct Restart {
    pub(super) clean: bool,
}

#[derive(Deserialize)]
#[serde(default)]
struct ConfigLine {
    limits: LimitsField,
    policy: Policy,
    max_rooms: usize,
    complete: bool,
    plaintext: bool,
    clock: ClockField,
    reserve: u32,
    rtc: bool,
}

impl Default for ConfigLine {
    fn default() -> Self {
        ConfigLine {
            limits: LimitsField::default(),
            policy: Policy::default(),
            max_rooms: 64,
            complete: true,
            plaintext: true,
            clock: ClockField::default(),
            reserve: DEFAULT_RESERVATION.get(),
            rtc: false,
        }
    }
}

impl ConfigLine {
    fn into_config(self) -> Result<Config, String> {
        let usual = Limits::default();
        let messages = self.limits.messages.map_or(usual.messages(), |[lower, upper]| lower..=upper);
        let period_ms = self.limits.period_ms.map_or(usual.period_ms(), |[lower, upper]| lower..=upper);
        let limits = Limits::new(messages, period_ms).map_err(|error| error.to_string())?;
        if !(1..=MAX_ROOMS).contains(&self.max_rooms) {
            return Err(format!("`max_rooms` is {}, not 1 to {MAX_ROOMS}", self.max_rooms));
        }
        let policy = match self.policy {
            Policy::Ratchet => ChangePolicy::Ratchet,
            Policy::Follow => ChangePolicy::Follow,
            Policy::Freeze => ChangePolicy::Freeze,
        };
        let rate = TickRate::new(self.clock.hz, self.clock.bits).ok_or("`hz` is 0")?;
        let reserve = NonZeroU32::new(self.reserve).ok_or("`reserve` is 0")?;
        Ok(Config {
            core: CoreConfig { limits, policy, plaintext: self.plaintext },
            max_rooms: self.max_rooms,
            complete: self.complete,
            rtc: self.rtc,
            reserve,
            width: self.clock.bits,
            hz: self.clock.hz,
            at_boot: self.clock.at_boot,
            rate,
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LimitsField {
    messages: Option<[u32; 2]>,
    period_ms: Option<[u64; 2]>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Policy {
    #[default]
    Ratchet,
    Follow,
    Freeze,
}

#[derive(Deserialize)]
#[serde(default)]
struct ClockField {
    #[serde(deserialize_with = "width")]
    bits: CounterWidth,
    hz: u32,
    at_boot: u64,
}

impl Default for ClockField {
    fn default() -> Self {
        ClockField { bits: CounterWidth::Bits64, hz: 1_000, at_boot: 0 }
    }
}

fn width<'de, D: Deserializer<'de>>(bits: D) -> Result<CounterWidth, D::Error> {
    match u64::deserialize(bits)? {
        32 => Ok(CounterWidth::Bits32),
        64 => Ok(CounterWidth::Bits64),
        other => Err(D::Error::custom(format!("`bits` is {other}, not 32 or 64"))),
    }
}
