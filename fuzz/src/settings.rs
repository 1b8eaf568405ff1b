//! What a content means: well-formed contents of known keys with odd values, in odd spellings, through
//! [`pawl_core::settings::read`], compared with a [reference](mod@reference). The input says which members a content has
//! and how they are written, so that nearly every one gets past the reader.

pub mod reference;
mod written;

use arbitrary::{Arbitrary, Unstructured};
use pawl_core::json::JsonError;
use pawl_core::settings::{self, Limits, Malformed, Reading};

use self::reference::{Fault, Range, Verdict};
use self::written::Content;

/// Checks the content that an input says how to write.
///
/// # Panics
/// If the core's reading is not the reference's.
pub fn check(input: &[u8]) {
    // An input that is too short for a content is none.
    if let Ok(content) = Content::arbitrary(&mut Unstructured::new(input)) {
        check_content(content.to_string().as_bytes());
    }
}

/// Checks any content under several limits.
///
/// # Panics
/// If the core's reading is not the reference's.
pub fn check_content(content: &[u8]) {
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

/// Whether pawl may give `why` as the reason for a content with these faults. It may name any of them, and of bytes that are not
/// JSON what it saw before it came to that. Bytes that are not UTF-8 break the grammar too, wherever they are not in a string.
pub(crate) fn may_be_called(why: Malformed, faults: &[Fault]) -> bool {
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
    match faults {
        [Fault::NotJson] => fault == Fault::NotJson || seen_first.contains(&fault),
        [Fault::NotUtf8] => [Fault::NotUtf8, Fault::NotJson].contains(&fault) || seen_first.contains(&fault),
        _ => faults.contains(&fault),
    }
}
