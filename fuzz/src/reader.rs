//! Any bytes as a content, for the reader alone: through [`pawl_core::json`], compared with serde_json.
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

use pawl_core::json::{self, JsonError, ObjectReader, Value};
use pawl_core::settings::Malformed;

use crate::settings::may_be_called;
use crate::settings::reference::{self, Fault, Member};
use crate::vector_content;

/// Checks all that is said of an input: a content, or a test vector, which stands for its content.
///
/// # Panics
/// If anything of it does not hold.
pub fn check(input: &[u8]) {
    let content = vector_content(input);
    check_json(content, &reference::members(content));
    check_against_value(content);
}

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
    let mut reader = ObjectReader::new(content);
    let mut value = Value::Null;
    for expected in members {
        let key = reader.next_key().expect("no error").expect("a member");
        assert_eq!([b"\"", key.raw(), b"\""].concat(), expected.key.as_bytes());
        if let Some(name) = expected.name().filter(|name| name.is_ascii()) {
            assert!(key.is(&name), "a key equals itself, decoded");
            assert!(!key.is(&format!("{name}x")));
        }
        let range = reader.read_value(&mut value).expect("no error");
        assert_eq!(&content[range], expected.value.as_bytes());
        check_value(value, expected.value);
    }
    assert!(reader.next_key().expect("no error").is_none());
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
