//! How others read the same content, called as their users call them.

use ruma_common::serde::Raw;
use ruma_events::room::encryption::RoomEncryptionEventContent;
use serde::Deserialize;

/// The content as a plain struct, for serde_json and serde-json-core. It borrows from the input, and leaves to whoever has it
/// whether the algorithm is known and which numbers are within limits.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Plain<'a> {
    /// `algorithm`
    pub algorithm: &'a str,
    /// `rotation_period_ms`
    pub rotation_period_ms: Option<u64>,
    /// `rotation_period_msgs`
    pub rotation_period_msgs: Option<u64>,
}

/// By serde_json.
#[must_use]
pub fn plain_serde_json(content: &[u8]) -> Option<Plain<'_>> {
    serde_json::from_slice(content).ok()
}

/// By serde-json-core, with a buffer for strings that have escapes: the call that understands every spelling.
#[must_use]
pub fn plain_serde_json_core<'a>(content: &'a [u8], unescaped: &mut [u8]) -> Option<Plain<'a>> {
    serde_json_core::from_slice_escaped(content, unescaped).ok().map(|(plain, _length)| plain)
}

/// By serde-json-core without that buffer. It is the faster call, and leaves every escape as it stands: an escaped key is one that
/// nobody knows.
#[must_use]
pub fn plain_serde_json_core_as_it_stands(content: &[u8]) -> Option<Plain<'_>> {
    serde_json_core::from_slice(content).ok().map(|(plain, _length)| plain)
}

/// A content as it lies in an event of ruma's.
///
/// # Panics
/// On a content that is not JSON.
#[must_use]
pub fn raw(content: &[u8]) -> Raw<RoomEncryptionEventContent> {
    serde_json::from_slice(content).expect("JSON")
}

/// By ruma-events: what its users call.
#[must_use]
pub fn ruma(raw: &Raw<RoomEncryptionEventContent>) -> Option<RoomEncryptionEventContent> {
    raw.deserialize().ok()
}
