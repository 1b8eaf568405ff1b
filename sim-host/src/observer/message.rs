//! What counts of the events that a device emits.

use std::borrow::Cow;
use std::fmt::{self, Display};

use serde::Deserialize;
use serde_json::Value;
use vodozemac::megolm::MegolmMessage;

use super::MEGOLM_ALGORITHM;

/// An event as it is before encryption and after decryption.
#[derive(Debug, Clone, Copy)]
pub struct PlainEvent<'a> {
    /// The event's type, as `m.room.message`.
    pub event_type: &'a str,
    /// Its content, JSON.
    pub content: &'a [u8],
}

impl PlainEvent<'_> {
    /// Whether type and content are the same, however the content's JSON is spelt.
    pub(super) fn same_as(&self, other: &PlainEvent<'_>) -> bool {
        let parse = |content| serde_json::from_slice::<Value>(content).ok();
        self.event_type == other.event_type
            && (self.content == other.content
                || parse(self.content).is_some_and(|content| Some(content) == parse(other.content)))
    }
}

impl Display for PlainEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.event_type, String::from_utf8_lossy(self.content))
    }
}

/// The fields that are looked at.
#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    algorithm: Cow<'a, str>,
    #[serde(borrow)]
    ciphertext: Cow<'a, str>,
    #[serde(borrow)]
    session_id: Cow<'a, str>,
}

impl<'a> Content<'a> {
    fn read(content: &'a [u8]) -> Result<Self, String> {
        let content: Content<'a> =
            serde_json::from_slice(content).map_err(|error| format!("the content is malformed: {error}"))?;
        if content.algorithm != MEGOLM_ALGORITHM {
            return Err(format!("the algorithm is {:?}", content.algorithm));
        }
        Ok(content)
    }
}

/// What counts of a room's `m.room.encrypted` content.
pub(super) struct MegolmContent<'a> {
    pub(super) session_id: Cow<'a, str>,
    pub(super) message_index: u32,
}

impl<'a> MegolmContent<'a> {
    /// Reads it, or says what is wrong with it.
    pub(super) fn read(content: &'a [u8]) -> Result<Self, String> {
        let content = Content::read(content)?;
        let message = MegolmMessage::from_base64(&content.ciphertext)
            .map_err(|error| format!("the ciphertext is malformed: {error}"))?;
        // The next version of Megolm messages has a MAC of 32 bytes.
        if message.mac().len() != 8 {
            return Err("the ciphertext is of another version of Megolm".to_owned());
        }
        Ok(Self { session_id: content.session_id, message_index: message.message_index() })
    }
}


/// The same of a content in which nothing is encrypted: eight digits of base 16 stand for the ciphertext.
pub(super) struct OpenContent<'a> {
    pub(super) session_id: Cow<'a, str>,
    pub(super) message_index: u32,
}

impl<'a> OpenContent<'a> {
    /// Reads it, or says what is wrong with it.
    #[inline]
    pub(super) fn read(content: &'a [u8]) -> Result<Self, String> {
        Self::read_usual(content).map_or_else(|| Self::read_any(content), Ok)
    }

    /// As a device writes it that puts the ciphertext first and the session ID last; that spares reading JSON. `None` when
    /// it is anything else.
    fn read_usual(content: &'a [u8]) -> Option<Self> {
        const BEGIN: &[u8] = br#"{"algorithm":"m.megolm.v1.aes-sha2","ciphertext":""#;
        const SESSION_ID: &[u8] = br#"","session_id":""#;
        const ID: usize = 43;
        let (digits, rest) = content.strip_prefix(BEGIN)?.split_first_chunk::<8>()?;
        let rest = rest.strip_suffix(br#""}"#)?;
        let (rest, session_id) = rest.split_at_checked(rest.len().checked_sub(ID)?)?;
        if !rest.starts_with(br#"",""#) || !rest.ends_with(SESSION_ID) {
            return None;
        }
        let session_id = Cow::Borrowed(str::from_utf8(session_id).ok()?);
        Some(OpenContent { session_id, message_index: base_16(digits)? })
    }

    fn read_any(content: &'a [u8]) -> Result<Self, String> {
        let content = Content::read(content)?;
        let digits = content.ciphertext.as_bytes().try_into().ok();
        let message_index = digits.and_then(base_16).ok_or("what stands for the ciphertext is no index")?;
        Ok(OpenContent { session_id: content.session_id, message_index })
    }
}

fn base_16(digits: &[u8; 8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
}
