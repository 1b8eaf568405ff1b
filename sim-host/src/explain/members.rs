//! The members of a content that matter, and where they stand.
//!
//! The reader is the core's; this only writes down what it hands out, up to where the core stops too: an error, or a
//! known key that stands there again.

use std::ops::Range;

use pawl_core::json::{ObjectReader, Text, Value};
use pawl_core::settings::Field;

/// A known key (P3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Algorithm,
    Field(Field),
}

impl Key {
    const ALL: [Key; 5] = [
        Key::Algorithm,
        Key::Field(Field::RotationPeriodMs),
        Key::Field(Field::RotationPeriodMsgs),
        Key::Field(Field::EncryptStateEvents),
        Key::Field(Field::EncryptStateEventsUnstable),
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Key::Algorithm => "algorithm",
            Key::Field(field) => field.key(),
        }
    }

    fn of(text: &Text<'_>) -> Option<Self> {
        Self::ALL.into_iter().find(|key| text.is(key.name()))
    }

    fn of_another_case(text: &Text<'_>) -> Option<Self> {
        Self::ALL.into_iter().find(|key| text.raw().eq_ignore_ascii_case(key.name().as_bytes()))
    }
}

/// A member with a known key.
#[derive(Debug)]
pub(super) struct Member<'a> {
    pub(super) key: Key,
    /// Where the key stands, with its quotes.
    pub(super) key_range: Range<usize>,
    /// Whether the key is written with escapes.
    pub(super) key_is_escaped: bool,
    pub(super) value: Value<'a>,
    pub(super) value_range: Range<usize>,
    /// The value, byte for byte.
    pub(super) written: &'a str,
}

/// The members that matter, in the order of the content.
#[derive(Debug, Default)]
pub(super) struct Members<'a> {
    /// Those with a known key. Only the last may have the key of another.
    pub(super) known: Vec<Member<'a>>,
    /// Keys that would be known if case did not count, and where they stand.
    pub(super) in_another_case: Vec<(Key, Range<usize>)>,
    /// The value of `content`, an object: a whole event was given.
    pub(super) inner_content: Option<Range<usize>>,
}

impl<'a> Members<'a> {
    pub(super) fn read(content: &'a [u8]) -> Self {
        let mut members = Members::default();
        let mut reader = ObjectReader::new(content);
        let mut value = Value::Null;
        while let Ok(Some(text)) = reader.next_key()
            && let Ok(value_range) = reader.read_value(&mut value)
        {
            let key_range = with_quotes(text.raw(), content);
            if let Some(key) = Key::of(&text) {
                let again = members.get(key).is_some();
                let key_is_escaped = text.raw() != key.name().as_bytes();
                // The reader has checked that what it has read is UTF-8, and values end at quotes and the like.
                let written = content
                    .get(value_range.clone())
                    .and_then(|value| str::from_utf8(value).ok())
                    .unwrap_or_default();
                members.known.push(Member { key, key_range, key_is_escaped, value, value_range, written });
                if again {
                    break; // P4: the core reads no further.
                }
            } else if let Some(key) = Key::of_another_case(&text) {
                members.in_another_case.push((key, key_range));
            } else if text.is("content") && matches!(value, Value::Object) {
                members.inner_content = Some(value_range);
            }
        }
        members
    }

    /// The first member with this key.
    pub(super) fn get(&self, key: Key) -> Option<&Member<'a>> {
        self.known.iter().find(|member| member.key == key)
    }

    /// Where the value of this key stands; an empty range if it does not.
    pub(super) fn value_of(&self, key: Key) -> Range<usize> {
        self.get(key).map_or(0..0, |member| member.value_range.clone())
    }

    /// Whether there is a value for this field; `null` counts as missing (P8).
    pub(super) fn says(&self, field: Field) -> bool {
        self.get(Key::Field(field)).is_some_and(|member| !matches!(member.value, Value::Null))
    }

    /// The key that stands there twice: both members, in the order of the content.
    pub(super) fn duplicate(&self) -> Option<(&Member<'a>, &Member<'a>)> {
        let last = self.known.last()?;
        let first = self.get(last.key)?;
        (first.key_range != last.key_range).then_some((first, last))
    }
}

/// Where the string of which this is the inside stands in `content`, quotes and all.
fn with_quotes(inside: &[u8], content: &[u8]) -> Range<usize> {
    let quote = inside.as_ptr().addr() - content.as_ptr().addr() - 1;
    quote..quote + inside.len() + 2
}
