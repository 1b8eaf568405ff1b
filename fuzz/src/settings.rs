//! Any bytes as the content of an `m.room.encryption` event: through [`pawl_core::json`] and
//! [`pawl_core::settings::read`], compared with a [reference](mod@reference).
//!
//! # Where serde_json takes other bytes than pawl
//! The grammar of the reference is serde_json's, by way of [`RawValue`](serde_json::value::RawValue), which checks
//! a text without taking its values out. What serde_json does beyond or short of that grammar is kept out of the
//! comparison, each for a reason:
//!
//! | | serde_json | pawl | the reference |
//! |---|---|---|---|
//! | lone surrogate escapes | `String` and `Value` refuse them: they are no Unicode text | takes them: they are grammatical (P1) | does not decode, except to compare with a known name, which they then equal none of |
//! | numbers beyond a double, `1e999` | `Value` refuses them: it has no place for the number | takes them: a number may be of any length (P6), and one with an exponent is of the wrong type | compares integers as text |
//! | nesting | `Value` refuses depth 128; `RawValue` takes any | refuses depth 65 (P2) | counts brackets |
//! | length | takes any | refuses more than 65,536 bytes (P2) | counts bytes |
//! | bytes that are not UTF-8 | a skipped string may hold them | refuses them anywhere (P1) | begins with [`std::str::from_utf8`] |
//! | the same key twice | `Value` keeps the last | malformed if it is a known key (P4) | keeps both |
//!
//! On everything else the two must agree, and `Value`, which is other code than `RawValue`, must take whatever pawl
//! takes but for the first two rows.

pub mod reference;

use pawl_core::json::{self, JsonError, ObjectReader, Value};
use pawl_core::settings::{self, Limits, Malformed, Reading};

use self::reference::{Fault, Member, Range, Verdict};

/// Checks all that is said of `content`.
///
/// # Panics
/// If anything of it does not hold.
pub fn check(content: &[u8]) {
    let members = reference::members(content);
    check_json(content, &members);
    check_against_value(content);
    for limits in LIMITS {
        check_reading(content, limits);
    }
}

/// The usual limits, the widest, and two that the defaults lie outside of.
const LIMITS: [(Range, Range); 4] = [
    ((1, 10_000), (3_600_000, 2_419_200_000)),
    ((1, u32::MAX as u64), (1, u64::MAX)),
    ((1, 50), (1, 604_799_999)),
    ((200, 300), (604_800_001, 604_800_001)),
];

/// P1, P2: pawl's reader takes what the reference takes, and sees the same members in it.
fn check_json(content: &[u8], members: &Result<Vec<Member<'_>>, Vec<Fault>>) {
    let checked = json::check_object(content);
    match members {
        Err(faults) => {
            let error = checked.expect_err("no JSON object within the bounds");
            assert!(may_be_called(Malformed::Json(error), faults), "{error:?}, but {faults:?}");
        }
        Ok(members) => {
            assert_eq!(checked, Ok(()));
            check_members(content, members);
        }
    }
}

fn check_members(content: &[u8], members: &[Member<'_>]) {
    let mut reader = ObjectReader::new(content).expect("an object");
    for expected in members {
        let member = reader.next_member().expect("no error").expect("a member");
        let key = [b"\"", member.key.raw(), b"\""].concat();
        assert_eq!(key, expected.key.as_bytes());
        if let Some(name) = expected.name().filter(|name| name.is_ascii()) {
            assert!(member.key.is(&name), "a key equals itself, decoded");
            assert!(!member.key.is(&format!("{name}x")));
        }
        let value = &content[member.value_start..member.value_end];
        assert_eq!(value, expected.value.as_bytes());
        check_value(member.value, expected.value);
    }
    assert!(reader.next_member().expect("no error").is_none());
    assert_eq!(reader.offset(), content.len());
}

/// The value that pawl's reader hands out is the one that stands there.
fn check_value(value: Value<'_>, text: &str) {
    let agrees = match value {
        Value::Null => text == "null",
        Value::Bool(on) => text == if on { "true" } else { "false" },
        Value::String(string) => text.as_bytes() == [b"\"", string.raw(), b"\""].concat(),
        Value::Array => text.starts_with('['),
        Value::Object => text.starts_with('{'),
        Value::Fractional => {
            text.starts_with(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
                && text.contains(['.', 'e', 'E'])
        }
        Value::Integer(integer) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            digits.bytes().all(|digit| digit.is_ascii_digit())
                && integer.negative == text.starts_with('-')
                && integer.magnitude == digits.parse().ok()
        }
    };
    assert!(agrees, "{value:?} is not {text}");
}

/// `serde_json::Value` takes the same objects, except as the table above says.
fn check_against_value(content: &[u8]) {
    let taken = json::check_object(content);
    match serde_json::from_slice::<serde_json::Value>(content) {
        Ok(value) => match taken {
            Ok(()) => assert!(value.is_object()),
            Err(JsonError::NotAnObject) => assert!(!value.is_object()),
            Err(JsonError::TooDeep) => assert!(reference::depth(content) > reference::MAX_DEPTH),
            Err(JsonError::TooLong) => assert!(content.len() > reference::MAX_LENGTH),
            Err(error) => panic!("{error:?}, but serde_json takes it"),
        },
        Err(error) => {
            let explained = taken.is_err() || may_hold_what_no_value_can(content);
            assert!(explained, "serde_json refuses it: {error}");
        }
    }
}

/// Whether there may be a surrogate escape in it, or a number beyond a double: without exponent that has at least
/// 309 digits.
fn may_hold_what_no_value_can(content: &[u8]) -> bool {
    let surrogate = content.windows(3).any(|bytes| bytes.eq_ignore_ascii_case(br"\ud"));
    let exponent =
        content.windows(2).any(|bytes| bytes[0].is_ascii_digit() && bytes[1].eq_ignore_ascii_case(&b'e'));
    let long = content.split(|byte| !byte.is_ascii_digit()).any(|digits| digits.len() >= 309);
    surrogate || exponent || long
}

/// P3–P8: the reading is the reference's, and within the limits whenever it is usable.
fn check_reading(content: &[u8], (messages, period_ms): (Range, Range)) {
    let (lower, upper) = messages;
    let lower = u32::try_from(lower).expect("32 bits");
    let upper = u32::try_from(upper).expect("32 bits");
    let limits = Limits::new(lower..=upper, period_ms.0..=period_ms.1).expect("limits");

    let reading = settings::read(content, &limits);
    match (reading, reference::read(content, messages, period_ms)) {
        (Reading::Usable(settings, diagnostics), Verdict::Usable(expected)) => {
            assert!(
                limits.messages().contains(&settings.rotation_period_msgs)
                    && limits.period_ms().contains(&settings.rotation_period_ms),
                "{settings:?} is outside of {limits:?}"
            );
            assert_eq!(u64::from(settings.rotation_period_msgs), expected.rotation_period_msgs);
            assert_eq!(settings.rotation_period_ms, expected.rotation_period_ms);
            assert_eq!(settings.encrypt_state_events, expected.encrypt_state_events);
            let diagnostics: Vec<_> =
                diagnostics.iter().map(|(field, cause)| (field.key(), cause.name())).collect();
            assert_eq!(diagnostics, expected.diagnostics);
        }
        (Reading::Unsupported, Verdict::Unsupported) => {}
        (Reading::Malformed(why), Verdict::Malformed(faults)) => {
            assert!(may_be_called(why, &faults), "{why:?}, but {faults:?}");
        }
        (reading, verdict) => panic!("{reading:?}, but {verdict:?}"),
    }
}

/// Whether pawl may give `why` as the reason for a content with these faults. It may name any of them, and of a text
/// that is not JSON what it saw before it came to that.
fn may_be_called(why: Malformed, faults: &[Fault]) -> bool {
    let fault = match why {
        Malformed::Json(JsonError::TooLong) => Fault::TooLong,
        Malformed::Json(JsonError::NotUtf8) => Fault::NotUtf8,
        Malformed::Json(JsonError::Syntax) => Fault::NotJson,
        Malformed::Json(JsonError::NotAnObject) => Fault::NotAnObject,
        Malformed::Json(JsonError::TooDeep) => Fault::TooDeep,
        Malformed::DuplicateKey => Fault::DuplicateKey,
        Malformed::AlgorithmMissing => Fault::AlgorithmMissing,
        Malformed::AlgorithmNotAString => Fault::AlgorithmNotAString,
        _ => return false,
    };
    let seen_first = [Fault::NotAnObject, Fault::TooDeep, Fault::DuplicateKey];
    faults.contains(&fault) || (faults == [Fault::NotJson] && seen_first.contains(&fault))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::check;

    /// The names and bytes of all files in a folder of this package.
    fn files(folder: &str) -> impl Iterator<Item = (String, Vec<u8>)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        fs::read_dir(folder).expect("a folder").map(|entry| {
            let entry = entry.expect("a file");
            let bytes = fs::read(entry.path()).expect("its bytes");
            (entry.file_name().to_string_lossy().into_owned(), bytes)
        })
    }

    /// Runs the body and says over which file, should it panic.
    fn check_file(name: &str, content: &[u8]) {
        println!("{name}");
        check(content);
    }

    #[test]
    fn the_body_holds_over_the_corpus() {
        let mut count = 0;
        for (name, content) in files("corpus/settings") {
            check_file(&name, &content);
            count += 1;
        }
        assert!(count >= 40, "only {count} seeds");
    }

    /// The core and the reference agree on every test vector, too. What the vectors expect is for the core's tests.
    #[test]
    fn the_body_holds_over_the_test_vectors() {
        let mut count = 0;
        for (name, vector) in files("../vectors/settings") {
            let header_end =
                vector.windows(2).position(|bytes| bytes == b"\n\n").expect("an empty line after the header");
            check_file(&name, &vector[header_end + 2..]);
            count += 1;
        }
        assert!(count >= 100, "only {count} vectors");
    }

    #[test]
    fn the_body_holds_around_the_bounds_of_length_and_depth() {
        for length in 65_534..=65_538 {
            let before = r#"{"algorithm":"m.megolm.v1.aes-sha2","#;
            let white_space = " ".repeat(length - before.len() - r#""x":1}"#.len());
            check(format!(r#"{before}{white_space}"x":1}}"#).as_bytes());
        }
        for depth in [63, 64, 65, 127, 128, 10_000] {
            let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
            check(format!(r#"{{"x":{open}{close}}}"#).as_bytes());
            check(format!("{open}[{close}]").as_bytes());
        }
    }
}
