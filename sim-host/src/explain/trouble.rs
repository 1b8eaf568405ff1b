//! Where a malformed content goes wrong.
//!
//! The core's reader says about where it stopped. The exact byte, and what could have stood there, are found by asking
//! the same reader: a prefix is good as long as there is something that it reads on after it.

use std::ops::Range;

use pawl_core::json::{JsonError, MAX_DEPTH, MAX_LENGTH, ObjectReader, Value};
use pawl_core::settings::Malformed;

use super::Place;
use super::members::{Key, Members};
use super::printable;

/// The places that make `content` malformed, the deciding one first.
pub(super) fn places(content: &[u8], members: &Members<'_>, why: Malformed) -> Vec<Place> {
    match why {
        Malformed::Json(error) => vec![of_json(content, error)],
        Malformed::DuplicateKey => members.duplicate().map_or_else(Vec::new, |(first, second)| {
            let name = second.key.name();
            vec![
                place(second.key_range.clone(), format!("here {name} stands for the second time")),
                place(first.key_range.clone(), format!("here {name} stands for the first time")),
            ]
        }),
        Malformed::AlgorithmMissing => algorithm(members, "null counts as missing"),
        Malformed::AlgorithmNotAString => algorithm(members, "this is not a string"),
        _ => Vec::new(),
    }
}

/// `saying` about the value of `algorithm`, if it has one.
fn algorithm(members: &Members<'_>, saying: &str) -> Vec<Place> {
    let value = members.get(Key::Algorithm).map(|member| member.value_range.clone());
    value.into_iter().map(|value| place(value, saying.to_owned())).collect()
}

fn place(bytes: Range<usize>, saying: String) -> Place {
    Place { bytes, saying }
}

fn of_json(content: &[u8], error: JsonError) -> Place {
    match error {
        JsonError::TooLong => {
            place(MAX_LENGTH..content.len(), "no more than 65,536 bytes are read".to_owned())
        }
        JsonError::NotUtf8 => not_utf8(content),
        JsonError::NotAnObject => {
            let begin = beginning(content);
            let what = match content.get(begin) {
                Some(b'[') => "an array begins here",
                Some(b'"') => "a string begins here",
                Some(b'-' | b'0'..=b'9') => "a number begins here",
                _ => "true, false or null begins here",
            };
            place(character(content, begin), format!("{what}, but a content is an object"))
        }
        JsonError::TooDeep => {
            let bracket = stop(content).saturating_sub(1);
            place(character(content, bracket), format!("this opens level {}", MAX_DEPTH + 1))
        }
        _ => syntax(content),
    }
}

fn not_utf8(content: &[u8]) -> Place {
    let Err(error) = str::from_utf8(content) else {
        return place(0..0, "not UTF-8".to_owned());
    };
    let begin = error.valid_up_to();
    match error.error_len() {
        Some(length) => place(begin..begin + length, "this is no character in UTF-8".to_owned()),
        None => place(begin..content.len(), "the content ends within a character".to_owned()),
    }
}

/// The grammar is broken: by which character, and what could stand in its place.
fn syntax(content: &[u8]) -> Place {
    let begin = beginning(content);
    if content.get(begin) != Some(&b'{') {
        return wrong(content, begin, "an object begins with `{`");
    }
    let stop = stop(content);
    // The byte that was wrong may have been taken or not; in a literal or an escape it is a few bytes on.
    let first = stop.saturating_sub(1);
    let prefixes = (first..content.len()).map(|at| content.get(..=at).unwrap_or(content));
    for (at, prefix) in (first..).zip(prefixes) {
        match can_go_on(prefix) {
            Some(true) => {}
            Some(false) => return wrong(content, at, expected(content, at)),
            // So long that nothing can be asked.
            None => return place(character(content, first), "from about here it is not JSON".to_owned()),
        }
    }
    wrong(content, content.len(), expected(content, content.len()))
}

/// What stands at `at` is wrong.
fn wrong(content: &[u8], at: usize, expected: &str) -> Place {
    let bytes = character(content, at);
    let found = match content.get(bytes.clone()) {
        None | Some([]) => "the content ends here".to_owned(),
        Some([byte @ ..0x20]) => format!("the control character U+{byte:04X} cannot stand here"),
        Some(found) => format!("`{}` cannot stand here", printable::shown(found, 16)),
    };
    place(bytes, format!("{found}: {expected}"))
}

/// What could have stood at `at`, where all before it is good.
fn expected(content: &[u8], at: usize) -> &'static str {
    let prefix = content.get(..at).unwrap_or(content);
    let [string, letter, colon, comma, square, curly, number] =
        ["\"", "b", ":", ",", "]", "}", "0"].map(|next| reads_on(prefix, next) == Some(true));
    match () {
        () if string && colon && at == content.len() => "a string needs its closing quote",
        () if string && colon => "in a string, control characters are escaped",
        () if string && letter => "after a backslash comes one of \"\\/bfnrtu",
        () if string && number && square => "a value or `]` is expected",
        () if string && number => "a value is expected",
        () if string && curly => "a key in double quotes or `}` is expected",
        () if string => "a key in double quotes is expected",
        () if colon => "`:` is expected after a key",
        () if comma && square => "`,` or `]` is expected",
        () if comma => "`,` or `}` is expected",
        () if HEXADECIMAL.iter().any(|rest| reads_on(prefix, rest) == Some(true)) => {
            "four hexadecimal digits come after \\u"
        }
        () if number => "a digit is expected",
        () if reads_on(prefix, "") == Some(true) => "nothing but white space follows the object",
        () => "without quotes stand only numbers, true, false and null",
    }
}

/// The rest of a `\u` escape.
const HEXADECIMAL: [&str; 4] = ["aaaa", "aaa", "aa", "a"];

/// Whether there is anything that the reader reads on after this prefix; `None` if that cannot be asked.
fn can_go_on(prefix: &[u8]) -> Option<bool> {
    const STRUCTURE: [&str; 7] = ["\"", ":", ",", "]", "}", "0", ""];
    const LITERALS: [&str; 9] = ["rue", "ue", "e", "alse", "lse", "se", "ull", "ll", "l"];
    for next in STRUCTURE.into_iter().chain(HEXADECIMAL).chain(LITERALS) {
        if reads_on(prefix, next)? {
            return Some(true);
        }
    }
    Some(false)
}

/// Whether the reader takes `next` after `prefix`. A space at the end tells what is taken from what is only looked at:
/// wherever a token has ended, and within a string, a space is taken too.
fn reads_on(prefix: &[u8], next: &str) -> Option<bool> {
    let probe = [prefix, next.as_bytes(), b" "].concat();
    (probe.len() <= MAX_LENGTH).then(|| stop(&probe) == probe.len())
}

/// How far the reader comes.
fn stop(content: &[u8]) -> usize {
    let mut reader = ObjectReader::new(content);
    let mut value = Value::Null;
    while let Ok(Some(_)) = reader.next_key()
        && reader.read_value(&mut value).is_ok()
    {}
    reader.offset()
}

/// The first byte that is not white space, or the end.
fn beginning(content: &[u8]) -> usize {
    content.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).unwrap_or(content.len())
}

/// The whole character that begins at `at`; at the end of the content, nothing.
fn character(content: &[u8], at: usize) -> Range<usize> {
    let rest = content.get(at..).unwrap_or_default();
    let length = rest
        .utf8_chunks()
        .next()
        .map_or(0, |chunk| chunk.valid().chars().next().map_or(chunk.invalid().len(), char::len_utf8));
    at..at + length
}
