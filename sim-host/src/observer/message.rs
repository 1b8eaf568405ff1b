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

/// What counts of a room's `m.room.encrypted` content.
pub(super) struct MegolmContent<'a> {
    pub(super) session_id: Cow<'a, str>,
    pub(super) message_index: u32,
}

impl<'a> MegolmContent<'a> {
    /// Reads it, or says what is wrong with it.
    pub(super) fn read(content: &'a [u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Content<'a> {
            #[serde(borrow)]
            algorithm: Cow<'a, str>,
            #[serde(borrow)]
            ciphertext: Cow<'a, str>,
            #[serde(borrow)]
            session_id: Cow<'a, str>,
        }

        let content: Content<'a> =
            serde_json::from_slice(content).map_err(|error| format!("the content is malformed: {error}"))?;
        if content.algorithm != MEGOLM_ALGORITHM {
            return Err(format!("the algorithm is {:?}", content.algorithm));
        }
        let message = MegolmMessage::from_base64(&content.ciphertext)
            .map_err(|error| format!("the ciphertext is malformed: {error}"))?;
        // The next version of Megolm messages has a MAC of 32 bytes.
        if message.mac().len() != 8 {
            return Err("the ciphertext is of another version of Megolm".to_owned());
        }
        Ok(Self { session_id: content.session_id, message_index: message.message_index() })
    }
}
