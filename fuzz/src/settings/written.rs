//! Contents to be written: an outline that libFuzzer fills in.

use std::fmt::{self, Display, Write as _};

use arbitrary::Arbitrary;

/// A content: at most a handful of members, and what may go wrong around them.
#[derive(Arbitrary, Debug)]
pub(super) struct Content {
    members: Vec<Member>,
    white_space: bool,
    /// Now and then, something that is no object.
    behind: Option<Behind>,
}

#[derive(Arbitrary, Debug)]
struct Member {
    key: Key,
    spelling: Spelling,
    value: Value,
}

#[derive(Arbitrary, Debug)]
enum Key {
    Algorithm,
    RotationPeriodMs,
    RotationPeriodMsgs,
    EncryptStateEvents,
    EncryptStateEventsUnstable,
    /// A known key but for its last letter.
    NearlyAlgorithm,
    Other(String),
}

/// How a key or a string is written.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Spelling {
    Plain,
    /// One character, by its position, as an escape.
    OneEscaped(u8),
    AllEscaped,
    UpperCase,
}

#[derive(Arbitrary, Debug)]
enum Value {
    Megolm(Spelling),
    Misprint,
    Null,
    Bool(bool),
    Integer {
        negative: bool,
        digits: Digits,
    },
    Fraction(i16, u8),
    Exponent(i16, i8),
    String(String),
    LoneSurrogate,
    Array(Vec<u8>),
    /// A known key inside, where it does not count.
    Object(Box<Key>),
}

/// The digits of an integer, most of them around a bound.
#[derive(Arbitrary, Debug)]
enum Digits {
    Any(u64),
    Near(Bound, i8),
    /// So many nines.
    Nines(u8),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Bound {
    Zero,
    Messages,
    ShortestPeriod,
    LongestPeriod,
    Default,
    Bits32,
    Bits53,
    Bits64,
}

#[derive(Arbitrary, Debug)]
enum Behind {
    Comma,
    Brace,
    Letter,
}

impl Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let space = if self.white_space { "\n\t " } else { "" };
        write!(f, "{space}{{{space}")?;
        for (number, member) in self.members.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(
                f,
                "{comma}{space}{}{space}:{space}{}{space}",
                quoted(member.key.name(), member.spelling),
                member.value
            )?;
        }
        write!(f, "}}{space}")?;
        match self.behind {
            Some(Behind::Comma) => f.write_char(','),
            Some(Behind::Brace) => f.write_char('}'),
            Some(Behind::Letter) => f.write_char('x'),
            None => Ok(()),
        }
    }
}

impl Key {
    fn name(&self) -> &str {
        match self {
            Key::Algorithm => "algorithm",
            Key::RotationPeriodMs => "rotation_period_ms",
            Key::RotationPeriodMsgs => "rotation_period_msgs",
            Key::EncryptStateEvents => "encrypt_state_events",
            Key::EncryptStateEventsUnstable => "io.element.msc4362.encrypt_state_events",
            Key::NearlyAlgorithm => "algorithn",
            Key::Other(name) => name,
        }
    }
}

/// A string in quotes, spelt as told.
fn quoted(text: &str, spelling: Spelling) -> String {
    let mut quoted = String::from("\"");
    for (position, character) in text.chars().enumerate() {
        let escaped = match spelling {
            Spelling::Plain | Spelling::UpperCase => {
                u32::from(character) < 0x20 || matches!(character, '"' | '\\')
            }
            Spelling::OneEscaped(at) => {
                position == usize::from(at) || u32::from(character) < 0x20 || matches!(character, '"' | '\\')
            }
            Spelling::AllEscaped => true,
        };
        if escaped {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(quoted, "\\u{unit:04x}");
            }
        } else if matches!(spelling, Spelling::UpperCase) {
            quoted.push(character.to_ascii_uppercase());
        } else {
            quoted.push(character);
        }
    }
    quoted.push('"');
    quoted
}

impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Megolm(spelling) => f.write_str(&quoted("m.megolm.v1.aes-sha2", *spelling)),
            Value::Misprint => f.write_str(r#""m.megolm.v1-aes-sha2""#),
            Value::Null => f.write_str("null"),
            Value::Bool(on) => write!(f, "{on}"),
            Value::Integer { negative, digits } => write!(f, "{}{digits}", if *negative { "-" } else { "" }),
            Value::Fraction(whole, part) => write!(f, "{whole}.{part}"),
            Value::Exponent(whole, exponent) => write!(f, "{whole}e{exponent}"),
            Value::String(text) => f.write_str(&quoted(text, Spelling::Plain)),
            Value::LoneSurrogate => f.write_str(r#""m.megolm.v1.aes-sha2\ud800""#),
            Value::Array(elements) => write!(f, "{elements:?}"),
            Value::Object(key) => write!(f, "{{{}:1}}", quoted(key.name(), Spelling::Plain)),
        }
    }
}

impl Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Digits::Any(number) => write!(f, "{number}"),
            Digits::Near(bound, distance) => {
                let number = u128::from(bound.value()).checked_add_signed(i128::from(*distance));
                write!(f, "{}", number.unwrap_or_default())
            }
            Digits::Nines(count) => f.write_str(&"9".repeat(usize::from(*count).max(1))),
        }
    }
}

impl Bound {
    fn value(self) -> u64 {
        match self {
            Bound::Zero => 0,
            Bound::Messages => 10_000,
            Bound::ShortestPeriod => 3_600_000,
            Bound::LongestPeriod => 2_419_200_000,
            Bound::Default => 604_800_000,
            Bound::Bits32 => 1 << 32,
            Bound::Bits53 => 1 << 53,
            Bound::Bits64 => u64::MAX,
        }
    }
}
