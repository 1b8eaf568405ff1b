//! A second opinion on the content of an `m.room.encryption` event, written from the rules P1–P8 alone.
//!
//! It is meant to be read against the rules, not to be fast or small: serde_json checks the grammar and hands out
//! the members of the outermost object in their order, duplicates too, as text ([`RawValue`]); integers are compared
//! as text, so that none is too long.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// P2: the longest content, in bytes.
pub const MAX_LENGTH: usize = 65_536;

/// P2: the deepest nesting; the object itself is depth 1.
pub const MAX_DEPTH: usize = 64;

/// A lower and an upper limit (P6).
pub type Range = (u64, u64);

/// What a content says.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// These are the effective settings.
    Usable(Usable),
    /// The algorithm is another one than Megolm.
    Unsupported,
    /// For each of these reasons by itself; of an input that is not JSON, no other is looked for.
    Malformed(Vec<Fault>),
}

/// Effective settings, with what was not taken as written.
#[derive(Debug, PartialEq, Eq)]
pub struct Usable {
    /// In messages.
    pub rotation_period_msgs: u64,
    /// In milliseconds.
    pub rotation_period_ms: u64,
    /// Under either name.
    pub encrypt_state_events: bool,
    /// Field and cause (P8), in the order: period, messages, state events, state events by the unstable name.
    pub diagnostics: Vec<(&'static str, &'static str)>,
}

/// Why a content is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// P2
    TooLong,
    /// P1
    NotUtf8,
    /// P1
    NotJson,
    /// P1
    NotAnObject,
    /// P2
    TooDeep,
    /// P4
    DuplicateKey,
    /// P5
    AlgorithmMissing,
    /// P5
    AlgorithmNotAString,
}

/// A member of the outermost object, as it is written.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// With its quotes.
    pub key: &'a str,
    /// From its first to its last byte.
    pub value: &'a str,
}

impl Member<'_> {
    /// The key, decoded; `None` if it has a lone surrogate and so is no text (P1).
    #[must_use]
    pub fn name(&self) -> Option<String> {
        decoded(self.key)
    }
}

/// What `content` says under these limits (P1–P8).
#[must_use]
pub fn read(content: &[u8], messages: Range, period_ms: Range) -> Verdict {
    let members = match members(content) {
        Ok(members) => members,
        Err(faults) => {
            // A known key twice is a fault of an object, even if it nests too deep.
            let objects = whole_members(content).unwrap_or_default();
            let duplicate = has_duplicate(&objects).then_some(Fault::DuplicateKey);
            return Verdict::Malformed(faults.into_iter().chain(duplicate).collect());
        }
    };
    if has_duplicate(&members) {
        return Verdict::Malformed(vec![Fault::DuplicateKey]);
    }
    let algorithm = match value_of(&members, "algorithm") {
        None | Some("null") => return Verdict::Malformed(vec![Fault::AlgorithmMissing]),
        Some(text) if !text.starts_with('"') => {
            return Verdict::Malformed(vec![Fault::AlgorithmNotAString]);
        }
        Some(text) => decoded(text),
    };
    if algorithm.as_deref() != Some("m.megolm.v1.aes-sha2") {
        return Verdict::Unsupported;
    }

    let rotation = |field, default, limits| {
        let value = value_of(&members, field);
        rotation_value(value, default, limits)
    };
    let switch = |field| switch_value(value_of(&members, field));
    let (rotation_period_ms, ms_cause) = rotation("rotation_period_ms", 604_800_000, period_ms);
    let (rotation_period_msgs, msgs_cause) = rotation("rotation_period_msgs", 100, messages);
    let (stable, stable_cause) = switch("encrypt_state_events");
    let (unstable, unstable_cause) = switch("io.element.msc4362.encrypt_state_events");
    let diagnostics = [
        ("rotation_period_ms", ms_cause),
        ("rotation_period_msgs", msgs_cause),
        ("encrypt_state_events", stable_cause),
        ("io.element.msc4362.encrypt_state_events", unstable_cause),
    ];
    Verdict::Usable(Usable {
        rotation_period_msgs,
        rotation_period_ms,
        encrypt_state_events: stable || unstable,
        diagnostics: diagnostics.into_iter().filter_map(|(field, cause)| Some((field, cause?))).collect(),
    })
}

/// The members of the object that `content` is, in their order.
///
/// # Errors
/// Why it is no JSON object within the bounds (P1, P2).
pub fn members(content: &[u8]) -> Result<Vec<Member<'_>>, Vec<Fault>> {
    if content.len() > MAX_LENGTH {
        return Err(vec![Fault::TooLong]);
    }
    let Ok(text) = std::str::from_utf8(content) else {
        return Err(vec![Fault::NotUtf8]);
    };
    let Ok(value) = serde_json::from_str::<&RawValue>(text) else {
        return Err(vec![Fault::NotJson]);
    };
    let mut faults = Vec::new();
    if !value.get().starts_with('{') {
        faults.push(Fault::NotAnObject);
    }
    if depth(content) > MAX_DEPTH {
        faults.push(Fault::TooDeep);
    }
    match whole_members(content) {
        Some(members) if faults.is_empty() => Ok(members),
        _ => Err(faults),
    }
}

/// How deep the brackets of a JSON text nest.
#[must_use]
pub fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = json.iter();
    let mut in_string = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' => {
                bytes.next(); // only strings have backslashes
            }
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// The members of a JSON object, however deep it nests; `None` if it is none.
fn whole_members(content: &[u8]) -> Option<Vec<Member<'_>>> {
    let text = std::str::from_utf8(content).ok()?;
    serde_json::from_str::<Members>(text).ok().map(|Members(members)| members)
}

/// Members in their order, the same key as often as it stands there.
struct Members<'a>(Vec<Member<'a>>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            members.push(Member { key: key.get(), value: value.get() });
        }
        Ok(Members(members))
    }
}

/// A JSON string, decoded; `None` if it has a lone surrogate.
fn decoded(string: &str) -> Option<String> {
    serde_json::from_str(string).ok()
}

/// The value of the first member of that name (P3).
fn value_of<'a>(members: &[Member<'a>], name: &str) -> Option<&'a str> {
    members.iter().find(|member| member.name().as_deref() == Some(name)).map(|member| member.value)
}

/// P3, P4
fn has_duplicate(members: &[Member<'_>]) -> bool {
    const KNOWN: [&str; 5] = [
        "algorithm",
        "rotation_period_ms",
        "rotation_period_msgs",
        "encrypt_state_events",
        "io.element.msc4362.encrypt_state_events",
    ];
    let mut names: Vec<String> = members.iter().filter_map(Member::name).collect();
    names.retain(|name| KNOWN.contains(&name.as_str()));
    let all = names.len();
    names.sort();
    names.dedup();
    names.len() < all
}

/// P6: the effective value and, if it is not the one written, the cause (P8).
fn rotation_value(value: Option<&str>, default: u64, (lower, upper): Range) -> (u64, Option<&'static str>) {
    let default = default.clamp(lower, upper);
    match value {
        None | Some("null") => (default, None),
        Some(text) if is_integer(text) => {
            if text.starts_with('-') || is_below(text, &lower.to_string()) {
                (lower, Some("below_limit"))
            } else if is_below(&upper.to_string(), text) {
                (upper, Some("above_limit"))
            } else {
                (text.parse().expect("no longer than its limit"), None)
            }
        }
        Some(_) => (default, Some("wrong_type")),
    }
}

/// Whether a JSON value is a number with no fraction and no exponent.
fn is_integer(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit())
}

/// Whether one run of digits is a smaller number than another; neither begins with a zero, unless it is one.
fn is_below(digits: &str, others: &str) -> bool {
    (digits.len(), digits) < (others.len(), others)
}

/// P7: whether it is on and, if the value is not taken as written, the cause (P8).
fn switch_value(value: Option<&str>) -> (bool, Option<&'static str>) {
    match value {
        Some("true") => (true, None),
        None | Some("false" | "null") => (false, None),
        Some(_) => (false, Some("wrong_type")),
    }
}
