//! What other clients are known to do with a content that has something peculiar.
//!
//! Each entry was observed with the inputs that it names, each on its own, and at the versions of [`Client::version`]:
//! by running the parsers of matrix-rust-sdk, of matrix-js-sdk with its wasm, of matrix-nio, and of mautrix-go on a copy
//! of its type; what mautrix-go then stores by reading the source; the older matrix-js-sdk by reading it and emulating
//! its test. Limits of a client that hold for more values than were tried are those of its source. Nothing is said
//! about a client where nothing was observed.

use pawl_core::json::{Integer, JsonError, Value};
use pawl_core::settings::{Field, Malformed};

use super::Outcome;
use super::members::{Key, Member, Members};

/// A client whose behaviour was observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// matrix-rust-sdk with ruma.
    RustSdk,
    /// matrix-js-sdk with the Rust crypto.
    JsSdk,
    /// matrix-js-sdk with the crypto of its own that it once had.
    OlderJsSdk,
    /// mautrix-go
    MautrixGo,
    /// matrix-nio
    Nio,
}

impl Client {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Client::RustSdk => "matrix-rust-sdk",
            Client::JsSdk => "matrix-js-sdk",
            Client::OlderJsSdk => "matrix-js-sdk, older",
            Client::MautrixGo => "mautrix-go",
            Client::Nio => "matrix-nio",
        }
    }

    /// The version at which it was observed.
    #[must_use]
    pub fn version(self) -> &'static str {
        match self {
            Client::RustSdk => "matrix-sdk-crypto 0.18.0, ruma-events 0.35.2",
            Client::JsSdk => "42.4.0, crypto-wasm 18.9.0",
            Client::OlderJsSdk => "36.2.0, own crypto",
            Client::MautrixGo => "after 0.30.0, at bdb58f2",
            Client::Nio => "0.26.0",
        }
    }
}

/// Something in a content that other clients are known to take otherwise than this device, or each in its own way.
#[derive(Debug)]
pub struct Peculiarity {
    /// What it is, and with which inputs it was observed.
    pub input: &'static str,
    /// What each client does.
    pub clients: &'static [(Client, &'static str)],
    applies: fn(&Input<'_>) -> bool,
}

/// Those of a content, of which the core said `outcome`.
pub(super) fn peculiarities(outcome: &Outcome, members: &Members<'_>) -> Vec<&'static Peculiarity> {
    let input = Input { outcome, members };
    PECULIARITIES.iter().filter(|peculiarity| (peculiarity.applies)(&input)).collect()
}

const REJECTED: &str = "rejects the event: a new room counts as not encrypted, a room known to be encrypted keeps \
                        its settings";
const CLOSED: &str = "ignores the event, and sending fails";
const STORED: &str = "stores it before refusing it, and takes no other settings afterwards";
const PARSE_ERROR: &str = "cannot parse the event and drops it, so that a new room stays unencrypted; as an \
                           application service it keeps the rest, and the default in place of the value";
const IGNORED: &str = "ignores it: always 100 messages or 7 days";
const ALWAYS_THE_SAME: &str = "takes the room as encrypted, after 100 messages or 7 days a new session";
const EVERY_MESSAGE: &str = "a new session for every message";
const LAST_COUNTS: &str = "the last one counts";
const HONOURED: &str = "takes it for the plain key, as this device does";
const UNKNOWN_KEY: &str = "an unknown key, ignored";

static PECULIARITIES: &[Peculiarity] = &[
    // The algorithm.
    Peculiarity {
        input: "algorithm is missing or null",
        applies: |input| {
            input.is_malformed(Malformed::AlgorithmMissing) && !input.in_another_case(Key::Algorithm)
        },
        clients: &[
            (Client::RustSdk, REJECTED),
            (Client::JsSdk, CLOSED),
            (Client::OlderJsSdk, CLOSED),
            (Client::MautrixGo, "accepts the event, and sends plaintext, even in a room that was encrypted"),
            (Client::Nio, ALWAYS_THE_SAME),
        ],
    },
    Peculiarity {
        input: "algorithm is not known, or in another case",
        applies: |input| {
            matches!(input.outcome, Outcome::Unsupported { .. }) && !input.in_another_case(Key::Algorithm)
        },
        clients: &[
            (Client::RustSdk, "accepts the event, and sending fails"),
            (Client::JsSdk, CLOSED),
            (Client::OlderJsSdk, STORED),
            (Client::MautrixGo, "accepts the event, and sends plaintext, even in a room that was encrypted"),
            (Client::Nio, "sends with Megolm all the same"),
        ],
    },
    Peculiarity {
        input: "algorithm is not a string (seen with 5 and [])",
        applies: |input| {
            input.is_malformed(Malformed::AlgorithmNotAString) && !input.in_another_case(Key::Algorithm)
        },
        clients: &[
            (Client::RustSdk, REJECTED),
            (Client::JsSdk, CLOSED),
            (
                Client::OlderJsSdk,
                "stores it before refusing it, unless it counts as false in JavaScript (0, false)",
            ),
            (
                Client::MautrixGo,
                "cannot parse the event and drops it, so that a new room stays unencrypted; as an application \
                 service it sends plaintext",
            ),
            (Client::Nio, ALWAYS_THE_SAME),
        ],
    },
    Peculiarity {
        input: "algorithm stands only in another case (seen with \"Algorithm\")",
        applies: |input| {
            input.is_malformed(Malformed::AlgorithmMissing) && input.in_another_case(Key::Algorithm)
        },
        clients: &[
            (Client::RustSdk, REJECTED),
            (Client::JsSdk, CLOSED),
            (Client::MautrixGo, "takes it for algorithm"),
            (Client::Nio, ALWAYS_THE_SAME),
        ],
    },
    Peculiarity {
        input: "algorithm stands in another case too (seen with \"ALGORITHM\":\"m.foo\" added)",
        applies: |input| {
            input.member(Key::Algorithm).is_some()
                && !input.is_malformed(Malformed::AlgorithmMissing)
                && !input.is_malformed(Malformed::DuplicateKey)
                && input.in_another_case(Key::Algorithm)
        },
        clients: &[
            (Client::RustSdk, UNKNOWN_KEY),
            (Client::JsSdk, UNKNOWN_KEY),
            (Client::MautrixGo, "the last one counts: with \"ALGORITHM\":\"m.foo\" it sent plaintext"),
            (Client::Nio, UNKNOWN_KEY),
        ],
    },
    // Keys.
    Peculiarity {
        input: "a rotation period stands in another case",
        applies: |input| {
            input.is_usable()
                && (input.in_another_case(Key::Field(Field::RotationPeriodMsgs))
                    || input.in_another_case(Key::Field(Field::RotationPeriodMs)))
        },
        clients: &[
            (Client::RustSdk, UNKNOWN_KEY),
            (Client::JsSdk, UNKNOWN_KEY),
            (Client::MautrixGo, "takes it for the plain key; the last one counts"),
            (Client::Nio, UNKNOWN_KEY),
        ],
    },
    Peculiarity {
        input: "the same known key twice, written alike or with escapes",
        applies: |input| input.is_malformed(Malformed::DuplicateKey),
        clients: &[
            (Client::RustSdk, REJECTED),
            (Client::JsSdk, LAST_COUNTS),
            (Client::OlderJsSdk, LAST_COUNTS),
            (Client::MautrixGo, LAST_COUNTS),
            (Client::Nio, ALWAYS_THE_SAME),
        ],
    },
    Peculiarity {
        input: "algorithm is written with escapes (seen with \"\\u0061lgorithm\")",
        applies: |input| {
            !input.is_malformed(Malformed::DuplicateKey)
                && input.member(Key::Algorithm).is_some_and(|member| member.key_is_escaped)
        },
        clients: &[
            (Client::RustSdk, HONOURED),
            (Client::JsSdk, HONOURED),
            (Client::MautrixGo, HONOURED),
            (Client::Nio, "does not look at algorithm at all"),
        ],
    },
    // The form of the content.
    Peculiarity {
        input: "deep nesting, under an unknown key",
        applies: |input| input.is_malformed(Malformed::Json(JsonError::TooDeep)),
        clients: &[
            (Client::RustSdk, "reads 20,000 levels"),
            (Client::JsSdk, "reads 20,000 levels"),
            (Client::MautrixGo, "reads 5,000 levels; 20,000 exceed what it reads"),
            (Client::Nio, "reads 200 levels; at 1,000 it fails with RecursionError (Python 3.11)"),
        ],
    },
    Peculiarity {
        input: "the content is not an object (seen with [], \"x\" and 5)",
        applies: |input| input.is_malformed(Malformed::Json(JsonError::NotAnObject)),
        clients: &[
            (
                Client::RustSdk,
                "rejects the event, so that a new room counts as not encrypted; but it accepts \
                 [\"m.megolm.v1.aes-sha2\",null,null]",
            ),
            (Client::JsSdk, CLOSED),
            (Client::MautrixGo, "cannot parse the content"),
            (Client::Nio, "a bad event: the room is not encrypted"),
        ],
    },
    // rotation_period_msgs
    Peculiarity {
        input: "rotation_period_msgs is 0",
        applies: |input| input.messages().is_some_and(is_zero),
        clients: &[
            (Client::RustSdk, "takes 1"),
            (Client::JsSdk, "takes 1"),
            (Client::OlderJsSdk, EVERY_MESSAGE),
            (Client::MautrixGo, "takes the default, 100"),
            (Client::Nio, IGNORED),
        ],
    },
    Peculiarity {
        input: "rotation_period_msgs is negative (seen with -1)",
        applies: |input| input.messages().is_some_and(is_negative),
        clients: &[
            (Client::RustSdk, REJECTED),
            (Client::JsSdk, "wraps around to 2^64 - 1, which becomes 10,000"),
            (Client::OlderJsSdk, EVERY_MESSAGE),
            (Client::MautrixGo, "takes 1"),
            (Client::Nio, IGNORED),
        ],
    },
    Peculiarity {
        input: "rotation_period_msgs is above 10,000 (seen with 2^31)",
        applies: |input| input.messages().is_some_and(|value| is_between(value, 10_001, TWO_TO_53 - 1)),
        clients: &[
            (Client::RustSdk, "takes 10,000"),
            (Client::JsSdk, "takes 10,000"),
            (Client::OlderJsSdk, "takes it as written"),
            (Client::MautrixGo, "takes 10,000"),
            (Client::Nio, IGNORED),
        ],
    },
    Peculiarity {
        input: "rotation_period_msgs is 2^53 or more (seen with 2^53 and 2^64)",
        applies: |input| input.messages().is_some_and(is_at_least_two_to_53),
        clients: &[
            (Client::RustSdk, REJECTED),
            (Client::JsSdk, "takes 10,000 for 2^53; 2^64 wraps around to 0, which becomes 1"),
            (Client::OlderJsSdk, "takes it as written"),
            (Client::MautrixGo, "takes 10,000 for 2^53; 2^64 cannot be parsed, and the event is dropped"),
            (Client::Nio, IGNORED),
        ],
    },
    Peculiarity {
        input: "rotation_period_msgs has a fraction (seen with 1.5)",
        applies: |input| input.messages().is_some_and(has_fraction),
        clients: &[
            (Client::RustSdk, REJECTED),
            (
                Client::JsSdk,
                "every send fails with RangeError; an event that corrected it to 100 was then rejected",
            ),
            (Client::OlderJsSdk, "after 2 messages a new session"),
            (Client::MautrixGo, PARSE_ERROR),
            (Client::Nio, IGNORED),
        ],
    },
    Peculiarity {
        input: "rotation_period_msgs has an exponent (seen with 1e3)",
        applies: |input| input.messages().is_some_and(has_exponent),
        clients: &[
            (Client::RustSdk, REJECTED),
            (Client::JsSdk, "takes 1,000"),
            (Client::OlderJsSdk, "takes 1,000"),
            (Client::MautrixGo, PARSE_ERROR),
            (Client::Nio, IGNORED),
        ],
    },
    Peculiarity {
        input: "rotation_period_msgs is a string (seen with \"100\")",
        applies: |input| input.messages().is_some_and(is_string),
        clients: &[
            (Client::RustSdk, REJECTED),
            (Client::JsSdk, "takes the default, 100, though it stores the number in the string"),
            (Client::OlderJsSdk, "takes the number in the string"),
            (Client::MautrixGo, PARSE_ERROR),
            (Client::Nio, IGNORED),
        ],
    },
    Peculiarity {
        input: "rotation_period_msgs is true",
        applies: |input| input.messages().is_some_and(is_true),
        clients: &[
            (Client::RustSdk, REJECTED),
            (Client::JsSdk, "takes the default, 100"),
            (Client::OlderJsSdk, EVERY_MESSAGE),
            (Client::MautrixGo, PARSE_ERROR),
            (Client::Nio, IGNORED),
        ],
    },
    // rotation_period_ms
    Peculiarity {
        input: "rotation_period_ms is 0",
        applies: |input| input.period_ms().is_some_and(is_zero),
        clients: &[
            (Client::RustSdk, "takes 1 hour"),
            (Client::JsSdk, "takes 1 hour"),
            (Client::OlderJsSdk, EVERY_MESSAGE),
            (Client::MautrixGo, "takes the default, 7 days"),
            (Client::Nio, IGNORED),
        ],
    },
    Peculiarity {
        input: "rotation_period_ms is negative (seen with -1)",
        applies: |input| input.period_ms().is_some_and(is_negative),
        clients: &[
            (Client::RustSdk, REJECTED),
            (Client::JsSdk, "wraps around to some 585,000 years"),
            (Client::OlderJsSdk, EVERY_MESSAGE),
            (Client::MautrixGo, "takes 1 hour"),
            (Client::Nio, IGNORED),
        ],
    },
    Peculiarity {
        input: "rotation_period_ms is below 1 hour",
        applies: |input| input.period_ms().is_some_and(|value| is_between(value, 1, 3_599_999)),
        clients: &[
            (Client::RustSdk, "takes 1 hour"),
            (Client::JsSdk, "takes 1 hour"),
            (Client::OlderJsSdk, "takes it as written"),
            (Client::MautrixGo, "takes 1 hour"),
            (Client::Nio, IGNORED),
        ],
    },
    Peculiarity {
        input: "rotation_period_ms is above 28 days",
        applies: |input| {
            input.period_ms().is_some_and(|value| is_between(value, 2_419_200_001, TWO_TO_53 - 1))
        },
        clients: &[
            (Client::RustSdk, "takes it as written, without an upper limit"),
            (Client::JsSdk, "takes it as written, without an upper limit"),
            (Client::OlderJsSdk, "takes it as written, without an upper limit"),
            (Client::MautrixGo, "takes 365 days at most; but 9,223,372,036,855 overflows and becomes 1 hour"),
            (Client::Nio, IGNORED),
        ],
    },
    Peculiarity {
        input: "rotation_period_ms is 2^53 or more (seen with 2^53 and 2^64)",
        applies: |input| input.period_ms().is_some_and(is_at_least_two_to_53),
        clients: &[
            (Client::RustSdk, REJECTED),
            (
                Client::JsSdk,
                "takes some 285,000 years for 2^53; 2^64 wraps around to 0, which becomes 1 hour",
            ),
            (Client::OlderJsSdk, "a new session after some 285,000 years for 2^53, never for 2^64"),
            (Client::MautrixGo, "takes 365 days for 2^53; 2^64 cannot be parsed, and the event is dropped"),
            (Client::Nio, IGNORED),
        ],
    },
    Peculiarity {
        input: "rotation_period_ms has a fraction or an exponent (seen with 1.5 and 1e3)",
        applies: |input| input.period_ms().is_some_and(|value| has_fraction(value) || has_exponent(value)),
        clients: &[
            (Client::RustSdk, REJECTED),
            (Client::JsSdk, "takes the number; 1.5 and 1e3 become 1 hour"),
            (Client::OlderJsSdk, "takes it as written"),
            (Client::MautrixGo, PARSE_ERROR),
            (Client::Nio, IGNORED),
        ],
    },
    Peculiarity {
        input: "rotation_period_ms is a string or true (seen with \"604800000\")",
        applies: |input| input.period_ms().is_some_and(|value| is_string(value) || is_true(value)),
        clients: &[
            (Client::RustSdk, REJECTED),
            (Client::JsSdk, "takes the default, 7 days"),
            (Client::OlderJsSdk, "takes the number in the string; true is 1 ms"),
            (Client::MautrixGo, PARSE_ERROR),
            (Client::Nio, IGNORED),
        ],
    },
    // encrypt_state_events
    Peculiarity {
        input: "encrypt_state_events is a string (seen with \"true\")",
        applies: |input| {
            let is_string = |field| input.usable_value(field).is_some_and(is_string);
            is_string(Field::EncryptStateEvents) || is_string(Field::EncryptStateEventsUnstable)
        },
        clients: &[
            (Client::RustSdk, "with its feature for encrypted state events, rejects the event"),
            (Client::JsSdk, "takes whatever counts as true in JavaScript for true"),
        ],
    },
];

/// What an entry is asked about.
struct Input<'a> {
    outcome: &'a Outcome,
    members: &'a Members<'a>,
}

impl<'a> Input<'a> {
    fn is_usable(&self) -> bool {
        matches!(self.outcome, Outcome::Usable { .. })
    }

    fn is_malformed(&self, wanted: Malformed) -> bool {
        matches!(self.outcome, Outcome::Malformed { why, .. } if *why == wanted)
    }

    fn in_another_case(&self, wanted: Key) -> bool {
        self.members.in_another_case.iter().any(|(key, _)| *key == wanted)
    }

    fn member(&self, key: Key) -> Option<&'a Member<'a>> {
        self.members.get(key)
    }

    /// The member of this field; only in a usable content does its value matter.
    fn usable_value(&self, field: Field) -> Option<&'a Member<'a>> {
        self.member(Key::Field(field)).filter(|_| self.is_usable())
    }

    fn messages(&self) -> Option<&'a Member<'a>> {
        self.usable_value(Field::RotationPeriodMsgs)
    }

    fn period_ms(&self) -> Option<&'a Member<'a>> {
        self.usable_value(Field::RotationPeriodMs)
    }
}

const TWO_TO_53: i128 = 1 << 53;

/// The integer that stands there, one of very many digits as the greatest or least of its type.
fn integer(member: &Member<'_>) -> Option<i128> {
    let Value::Integer(Integer { negative, .. }) = member.value else {
        return None;
    };
    let beyond = if negative { i128::MIN } else { i128::MAX };
    Some(member.written.parse().unwrap_or(beyond))
}

fn is_between(member: &Member<'_>, lower: i128, upper: i128) -> bool {
    integer(member).is_some_and(|value| (lower..=upper).contains(&value))
}

/// Without a sign: nothing is known about `-0`.
fn is_zero(member: &Member<'_>) -> bool {
    member.written == "0"
}

/// Beyond 2^53 JavaScript has other integers than the one written, and nothing is known about those.
fn is_negative(member: &Member<'_>) -> bool {
    is_between(member, -TWO_TO_53, -1)
}

fn is_at_least_two_to_53(member: &Member<'_>) -> bool {
    is_between(member, TWO_TO_53, i128::MAX)
}

/// A fraction that makes it no whole number; nothing is known about `1.0`, nor about an exponent too.
fn has_fraction(member: &Member<'_>) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit();
    matches!(member.value, Value::Fractional)
        && member.written.split_once('.').is_some_and(|(whole, fraction)| {
            whole.bytes().chain(fraction.bytes()).all(is_digit) && fraction.bytes().any(|digit| digit != b'0')
        })
}

/// An exponent, neither negative nor with a fraction or a minus sign before it.
fn has_exponent(member: &Member<'_>) -> bool {
    matches!(member.value, Value::Fractional) && !member.written.contains(['.', '-'])
}

fn is_string(member: &Member<'_>) -> bool {
    matches!(member.value, Value::String(_))
}

fn is_true(member: &Member<'_>) -> bool {
    matches!(member.value, Value::Bool(true))
}
