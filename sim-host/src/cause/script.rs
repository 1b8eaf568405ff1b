//! A trace before it is written: what `pawl-sim trace` reads, as values that can be made smaller.

use std::fmt::{self, Display, Write as _};
use std::ops::RangeInclusive;

use serde_json::value::RawValue;

use crate::scenario::{Bits, Policy, Scenario, Stores};

/// A trace of one room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) config: Config,
    /// The room's ID.
    pub(crate) room: String,
    pub(crate) lines: Vec<Line>,
}

/// The first line. What is not there is as usual.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) messages: Option<RangeInclusive<u32>>,
    pub(crate) period_ms: Option<RangeInclusive<u64>>,
    pub(crate) policy: Policy,
    pub(crate) no_plaintext: bool,
    pub(crate) first_start: bool,
    pub(crate) rtc: bool,
    pub(crate) reserve: Option<u32>,
    pub(crate) clock: Option<Clock>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    pub(crate) wraps: bool,
    pub(crate) hz: u32,
    pub(crate) at_boot: u64,
}

/// An operation at a true time, in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) at: u64,
    pub(crate) op: Op,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// With this content, whatever it is.
    Encryption(String),
    Send {
        count: u64,
        shared: bool,
    },
    Member(Member),
    Visibility(String),
    DeviceRemoved,
    RequestRotation,
    ResetSettings,
    Forget,
    ResyncBegin,
    ResyncEnd,
    Tick,
    ClockBack(u64),
    Sleep {
        ms: u64,
        known: bool,
    },
    Restart {
        clean: bool,
    },
}

/// A membership event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) membership: String,
    /// A membership, or `none`; not known where it is nothing.
    pub(crate) previous: Option<String>,
    pub(crate) limited: bool,
}

impl Config {
    /// That of a scenario's device, on its first start.
    pub(crate) fn of(scenario: &Scenario, reserve: u32) -> Self {
        let (device, clock) = (&scenario.device, &scenario.clock);
        Config {
            messages: Some(device.limit_messages.0..=device.limit_messages.1),
            period_ms: Some(device.limit_period.0.0..=device.limit_period.1.0),
            policy: device.policy,
            no_plaintext: !device.plaintext,
            first_start: true,
            rtc: device.stores == Stores::Sessions,
            reserve: Some(reserve),
            clock: Some(Clock {
                wraps: clock.bits == Bits::ThirtyTwo,
                hz: clock.hz.get(),
                at_boot: clock.at_boot,
            }),
        }
    }

    /// The line; nothing if everything is as usual.
    fn line(&self) -> Option<String> {
        let mut limits = Vec::new();
        if let Some(messages) = &self.messages {
            limits.push(format!("\"messages\":[{},{}]", messages.start(), messages.end()));
        }
        if let Some(period_ms) = &self.period_ms {
            limits.push(format!("\"period_ms\":[{},{}]", period_ms.start(), period_ms.end()));
        }
        let mut fields = Vec::new();
        if !limits.is_empty() {
            fields.push(format!("\"limits\":{{{}}}", limits.join(",")));
        }
        match self.policy {
            Policy::Ratchet => {}
            Policy::Follow => fields.push("\"policy\":\"follow\"".to_owned()),
            Policy::Freeze => fields.push("\"policy\":\"freeze\"".to_owned()),
        }
        if self.no_plaintext {
            fields.push("\"plaintext\":false".to_owned());
        }
        if self.first_start {
            fields.push("\"complete\":false".to_owned());
        }
        if self.rtc {
            fields.push("\"rtc\":true".to_owned());
        }
        if let Some(reserve) = self.reserve {
            fields.push(format!("\"reserve\":{reserve}"));
        }
        if let Some(clock) = &self.clock {
            let bits = if clock.wraps { 32 } else { 64 };
            let mut text = format!("\"clock\":{{\"bits\":{bits},\"hz\":{}", clock.hz);
            if clock.at_boot > 0 {
                let _ = write!(text, ",\"at_boot\":{}", clock.at_boot);
            }
            fields.push(text + "}");
        }
        (!fields.is_empty()).then(|| format!("{{\"op\":\"config\",{}}}", fields.join(",")))
    }
}

impl Script {
    /// How many lines stand before those of the operations.
    pub(crate) fn lines_before(&self) -> usize {
        usize::from(self.config.line().is_some())
    }

    /// The lines as they are written.
    pub(crate) fn written(&self) -> Vec<String> {
        let lines = self.lines.iter().map(|line| line.written(&self.room));
        self.config.line().into_iter().chain(lines).collect()
    }

    /// About how much work a replay is.
    pub(crate) fn work(&self) -> u64 {
        let of_a_line = |line: &Line| match line.op {
            Op::Send { count, .. } => count,
            _ => 1,
        };
        self.lines.iter().map(of_a_line).fold(0, u64::saturating_add)
    }
}

impl Line {
    fn written(&self, room: &str) -> String {
        let Line { at, op } = self;
        let name = op.name();
        if op.is_of_a_room() {
            let room = Json(room);
            format!("{{\"at\":{at},\"op\":\"{name}\",\"room\":{room}{}}}", op.fields())
        } else {
            format!("{{\"at\":{at},\"op\":\"{name}\"{}}}", op.fields())
        }
    }
}

impl Op {
    fn name(&self) -> &'static str {
        match self {
            Op::Encryption(_) => "encryption",
            Op::Send { .. } => "send",
            Op::Member(_) => "member",
            Op::Visibility(_) => "visibility",
            Op::DeviceRemoved => "device_removed",
            Op::RequestRotation => "request_rotation",
            Op::ResetSettings => "reset_settings",
            Op::Forget => "forget",
            Op::ResyncBegin => "resync_begin",
            Op::ResyncEnd => "resync_end",
            Op::Tick => "tick",
            Op::ClockBack(_) => "clock_back",
            Op::Sleep { .. } => "sleep",
            Op::Restart { .. } => "restart",
        }
    }

    /// Whether a room's state comes of it.
    pub(crate) fn lasts(&self) -> bool {
        matches!(self, Op::Encryption(_) | Op::Visibility(_) | Op::ResetSettings | Op::Forget)
    }

    fn is_of_a_room(&self) -> bool {
        matches!(
            self,
            Op::Encryption(_)
                | Op::Send { .. }
                | Op::Member(_)
                | Op::Visibility(_)
                | Op::DeviceRemoved
                | Op::RequestRotation
                | Op::ResetSettings
                | Op::Forget
        )
    }

    fn fields(&self) -> String {
        match self {
            Op::Encryption(content) if is_json_of_one_line(content) => format!(",\"content\":{content}"),
            Op::Encryption(content) => format!(",\"raw\":{}", Json(content)),
            Op::Send { count, shared } => {
                let count = if *count == 1 { String::new() } else { format!(",\"count\":{count}") };
                count + if *shared { "" } else { ",\"share\":\"fail\"" }
            }
            Op::Member(Member { membership, previous, limited }) => {
                let mut text = format!(",\"membership\":{}", Json(membership));
                if let Some(previous) = previous {
                    let _ = write!(text, ",\"previous\":{}", Json(previous));
                }
                text + if *limited { ",\"limited\":true" } else { "" }
            }
            Op::Visibility(value) => format!(",\"value\":{}", Json(value)),
            Op::ClockBack(ms) => format!(",\"ms\":{ms}"),
            Op::Sleep { ms, known } => format!(",\"ms\":{ms},\"known\":{known}"),
            Op::Restart { clean } => format!(",\"clean\":{clean}"),
            Op::DeviceRemoved
            | Op::RequestRotation
            | Op::ResetSettings
            | Op::Forget
            | Op::ResyncBegin
            | Op::ResyncEnd
            | Op::Tick => String::new(),
        }
    }
}

impl Member {
    /// Somebody of whom it is known what they were.
    pub(crate) fn known(membership: &str, previous: &str) -> Self {
        Member { membership: membership.to_owned(), previous: Some(previous.to_owned()), limited: false }
    }
}

fn is_json_of_one_line(text: &str) -> bool {
    !text.contains(['\n', '\r']) && serde_json::from_str::<&RawValue>(text).is_ok()
}

/// A string as JSON has it.
struct Json<'s>(&'s str);

impl Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self.0).map_err(|_| fmt::Error)?)
    }
}
