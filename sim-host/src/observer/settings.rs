//! What an `m.room.encryption` event sets, read with `serde_json` (P1–P6, S3).

use std::fmt;
use std::ops::RangeInclusive;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::MEGOLM_ALGORITHM;

/// The range that an integrator lets rotation settings have. Neither range may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Messages a session may carry.
    pub messages: RangeInclusive<u64>,
    /// How long a session may be used, in milliseconds.
    pub period_ms: RangeInclusive<u64>,
}

impl Default for Limits {
    /// 1 to 10,000 messages, 1 hour to 28 days.
    fn default() -> Self {
        Self { messages: 1..=10_000, period_ms: 3_600_000..=2_419_200_000 }
    }
}

/// What a device does with a later usable content (S3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangePolicy {
    /// Each value becomes the smaller of the two.
    Ratchet,
    /// The new values replace the old.
    Follow,
    /// It is ignored.
    Freeze,
}

/// The rotation settings of a room, after limits and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// How many messages a session may carry.
    pub messages: u64,
    /// The age, in milliseconds, at which a session may no longer be used.
    pub period_ms: u64,
}

impl Settings {
    /// What the content of an `m.room.encryption` event sets, if it is usable.
    pub(crate) fn read(content: &[u8], limits: &Limits) -> Option<Self> {
        const BYTES: usize = 65_536;
        const DEPTH: usize = 64;
        const DEFAULT: Settings = Settings { messages: 100, period_ms: 604_800_000 };

        // P1, P2. serde_json reads no deeper than the object itself: a `RawValue` is only checked, not built.
        let text = std::str::from_utf8(content).ok().filter(|text| text.len() <= BYTES)?;
        let members: Members<'_> = serde_json::from_str(text).ok()?;
        if nesting_depth(text) > DEPTH {
            return None;
        }
        let known = KnownMembers::find(&members)?;
        if known.algorithm.and_then(as_string)? != MEGOLM_ALGORITHM {
            return None; // P5
        }
        Some(Self {
            messages: rotation_value(known.rotation_period_msgs, DEFAULT.messages, &limits.messages),
            period_ms: rotation_value(known.rotation_period_ms, DEFAULT.period_ms, &limits.period_ms),
        })
    }

    /// What is in force after a later usable content (S3).
    pub(super) fn changed_to(self, new: Self, policy: ChangePolicy) -> Self {
        match policy {
            ChangePolicy::Ratchet => Self {
                messages: self.messages.min(new.messages),
                period_ms: self.period_ms.min(new.period_ms),
            },
            ChangePolicy::Follow => new,
            ChangePolicy::Freeze => self,
        }
    }
}

/// The members of a JSON object in the order they stand, duplicates and all, each key and value as it is
/// written.
struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

/// The members that mean something, each as it is written.
#[derive(Default)]
struct KnownMembers<'a> {
    algorithm: Option<&'a str>,
    rotation_period_ms: Option<&'a str>,
    rotation_period_msgs: Option<&'a str>,
    encrypt_state_events: Option<&'a str>,
    unstable_encrypt_state_events: Option<&'a str>,
}

impl<'a> KnownMembers<'a> {
    /// P3; nothing if one of them is there twice (P4).
    fn find(members: &Members<'a>) -> Option<Self> {
        let mut known = Self::default();
        for (key, value) in &members.0 {
            let place = match as_string(key.get()).as_deref() {
                Some("algorithm") => &mut known.algorithm,
                Some("rotation_period_ms") => &mut known.rotation_period_ms,
                Some("rotation_period_msgs") => &mut known.rotation_period_msgs,
                Some("encrypt_state_events") => &mut known.encrypt_state_events,
                Some("io.element.msc4362.encrypt_state_events") => &mut known.unstable_encrypt_state_events,
                _ => continue,
            };
            if place.replace(value.get()).is_some() {
                return None;
            }
        }
        Some(known)
    }
}

/// What a JSON string stands for. Nothing if it is no string, or one with a lone surrogate, which is equal to
/// nothing that is looked for here.
fn as_string(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}

/// P6. `json` is a valid JSON value, so digits after an optional sign are all that there is to an integer.
fn rotation_value(json: Option<&str>, default: u64, limits: &RangeInclusive<u64>) -> u64 {
    let value = match json {
        Some(digits) if is_digits(digits) => digits.parse().unwrap_or(u64::MAX),
        Some(json) if json.strip_prefix('-').is_some_and(is_digits) => 0,
        _ => default,
    };
    value.max(*limits.start()).min(*limits.end())
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// How deep objects and arrays are nested in valid JSON.
fn nesting_depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = json.bytes();
    let mut in_string = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => _ = bytes.next(),
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth -= 1,
            _ => {}
        }
    }
    deepest
}
