//! Lengths of time, ranges, and rules of when something happens, as a scenario writes them.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A length of time in milliseconds, written as `"3d 10h 17m"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ms(pub u64);

impl<'de> Deserialize<'de> for Ms {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MsVisitor;

        impl Visitor<'_> for MsVisitor {
            type Value = Ms;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length of time such as \"1d 9h 30m\" or \"200ms\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Ms, E> {
                parse_ms(text).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(MsVisitor)
    }
}

/// The longest time that a scenario may name: a thousand years, so that no sum of a few overflows.
const LONGEST_MS: u64 = 365_250 * super::DAY_MS;

/// A length of time, as it is written.
pub(crate) fn parse_ms(text: &str) -> Result<Ms, String> {
    let like = "write it such as \"1d 9h 30m\", \"90s\" or \"200ms\"";
    let duration = humantime::parse_duration(text)
        .map_err(|error| format!("`{text}` is no length of time ({error}); {like}"))?;
    if duration.subsec_nanos() % 1_000_000 != 0 {
        return Err(format!("`{text}` is no whole number of milliseconds; {like}"));
    }
    match u64::try_from(duration.as_millis()) {
        Ok(ms) if ms <= LONGEST_MS => Ok(Ms(ms)),
        _ => Err(format!("`{text}` is longer than a thousand years")),
    }
}

pub(super) fn duration_ms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Ms::deserialize(deserializer).map(|Ms(ms)| ms)
}

pub(super) fn some_duration_ms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    duration_ms(deserializer).map(Some)
}

/// From the one to the other, both included; written as `[1, 5]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range<T>(pub T, pub T);

impl<'de, T: Deserialize<'de> + PartialOrd> Deserialize<'de> for Range<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RangeVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de> + PartialOrd> Visitor<'de> for RangeVisitor<T> {
            type Value = Range<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("two values, the least and the greatest, such as [1, 5]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Range<T>, A::Error> {
                let count = |found| A::Error::invalid_length(found, &self);
                let least = values.next_element()?.ok_or_else(|| count(0))?;
                let greatest = values.next_element()?.ok_or_else(|| count(1))?;
                if values.next_element::<serde::de::IgnoredAny>()?.is_some() {
                    return Err(count(3));
                }
                if greatest < least {
                    return Err(A::Error::custom("the first value is greater than the second; swap them"));
                }
                Ok(Range(least, greatest))
            }
        }

        deserializer.deserialize_seq(RangeVisitor(PhantomData))
    }
}

/// When something happens: at one time, at several, or again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// At these times, in milliseconds.
    At(Vec<u64>),
    /// Again and again.
    Repeated(Repeated),
}

impl When {
    /// Once.
    #[must_use]
    pub fn once(at_ms: u64) -> Self {
        When::At(vec![at_ms])
    }
}

/// Something that happens again and again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeated {
    /// The time from one to the next, in milliseconds.
    #[serde(deserialize_with = "duration_ms")]
    pub every: u64,
    /// When it happens first; unless it is said, after the first interval.
    #[serde(default, deserialize_with = "some_duration_ms")]
    pub first: Option<u64>,
    /// From when on it does not happen any more; unless it is said, it goes on.
    #[serde(default, deserialize_with = "some_duration_ms")]
    pub until: Option<u64>,
    /// Whether the intervals are random, exponentially distributed, and `every` is their mean.
    #[serde(default)]
    pub random: bool,
}

impl Repeated {
    /// When it happens first, in milliseconds, unless that is left to chance.
    pub(super) fn first_ms(&self) -> Option<u64> {
        self.first.or((!self.random).then_some(self.every))
    }

    /// Whether it is over before it happens first, whatever chance may bring.
    pub(super) fn never_happens(&self) -> bool {
        self.until.is_some_and(|until_ms| until_ms <= self.first_ms().unwrap_or(0))
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WhenVisitor;

        impl<'de> Visitor<'de> for WhenVisitor {
            type Value = When;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a time such as \"1d 9h\", a list of times, or a table such as { every = \"2h\" }",
                )
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<When, E> {
                let Ms(at_ms) = parse_ms(text).map_err(E::custom)?;
                Ok(When::once(at_ms))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut times: A) -> Result<When, A::Error> {
                let mut at_ms = Vec::new();
                while let Some(Ms(ms)) = times.next_element()? {
                    at_ms.push(ms);
                }
                Ok(When::At(at_ms))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<When, A::Error> {
                Repeated::deserialize(MapAccessDeserializer::new(map)).map(When::Repeated)
            }
        }

        deserializer.deserialize_any(WhenVisitor)
    }
}

/// A string, or several that are taken in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneOrMore(pub Vec<String>);

impl OneOrMore {
    /// The one whose turn it is.
    #[must_use]
    pub fn nth(&self, number: usize) -> &str {
        self.0.get(number % self.0.len().max(1)).map_or("", String::as_str)
    }
}

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMoreVisitor;

        impl<'de> Visitor<'de> for OneOrMoreVisitor {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or a list of strings")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<OneOrMore, E> {
                Ok(OneOrMore(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut strings: A) -> Result<OneOrMore, A::Error> {
                let mut all = Vec::new();
                while let Some(string) = strings.next_element()? {
                    all.push(string);
                }
                if all.is_empty() { Err(A::Error::invalid_length(0, &self)) } else { Ok(OneOrMore(all)) }
            }
        }

        deserializer.deserialize_any(OneOrMoreVisitor)
    }
}
