//! Writes the contents of the events that a sender makes, into buffers of the caller.
//!
//! serde-json-core does the writing. It leaves panic code in an image, so nothing here belongs to what decides.

use serde::Serialize;

use crate::json::{self, JsonError};
use crate::rooms::RoomId;
use crate::session::{OutboundSession, SESSION_ID_LENGTH, SESSION_KEY_LENGTH};
use crate::settings::MEGOLM;
use zeroize::Zeroizing;

/// An event to be sent, before encryption.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// The event's type, such as `m.room.message`.
    pub event_type: &'a str,
    /// The event's content: one JSON object, which is put into the payload as it is.
    pub content: &'a [u8],
}

/// Who sends: what `m.room.encrypted` says of the sending device beside the ciphertext. The specification still says
/// that it SHOULD.
#[derive(Clone, Copy, Debug)]
pub struct SendingDevice<'a> {
    /// The device's Curve25519 key, in unpadded base64.
    pub sender_key: &'a str,
    /// The device's ID.
    pub device_id: &'a str,
}

/// Why a content could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum WriteError {
    /// The buffer is too small.
    BufferTooSmall,
    /// The event's content is not a JSON object within the reader's bounds.
    Content(JsonError),
}

impl core::fmt::Display for WriteError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            WriteError::BufferTooSmall => f.write_str("the buffer is too small"),
            WriteError::Content(error) => write!(f, "the event's content is {error}"),
        }
    }
}

impl core::error::Error for WriteError {}

#[derive(Serialize)]
struct Encrypted<'a> {
    algorithm: &'a str,
    ciphertext: &'a str,
    device_id: &'a str,
    sender_key: &'a str,
    session_id: &'a str,
}

#[derive(Serialize)]
struct RoomKey<'a> {
    algorithm: &'a str,
    room_id: &'a str,
    session_id: &'a str,
    session_key: &'a str,
    shared_history: bool,
}

/// Writes the payload that is encrypted: `{"type": …, "content": …, "room_id": …}`. Returns its length in bytes.
///
/// # Errors
/// A content that is not a JSON object, and a buffer that is too small.
pub fn write_payload(event: &Event<'_>, room_id: RoomId<'_>, out: &mut [u8]) -> Result<usize, WriteError> {
    json::check_object(event.content).map_err(WriteError::Content)?;
    let mut payload = Payload { out, length: 0 };
    payload.append(b"{\"type\":")?;
    payload.append_string(event.event_type)?;
    payload.append(b",\"content\":")?;
    payload.append(event.content)?;
    payload.append(b",\"room_id\":")?;
    payload.append_string(room_id.as_str())?;
    payload.append(b"}")?;
    Ok(payload.length)
}

struct Payload<'a> {
    out: &'a mut [u8],
    length: usize,
}

impl Payload<'_> {
    fn append(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let space = self.out.get_mut(self.length..).unwrap_or_default();
        let (place, _) = space.split_at_mut_checked(bytes.len()).ok_or(WriteError::BufferTooSmall)?;
        place.copy_from_slice(bytes);
        self.length += bytes.len();
        Ok(())
    }

    fn append_string(&mut self, string: &str) -> Result<(), WriteError> {
        let space = self.out.get_mut(self.length..).unwrap_or_default();
        self.length += to_slice(string, space)?;
        Ok(())
    }
}

/// Writes the content of an `m.room.encrypted` event. Returns its length in bytes.
///
/// # Errors
/// A buffer that is too small.
pub fn write_encrypted<S: OutboundSession>(
    session: &S,
    ciphertext: &str,
    device: &SendingDevice<'_>,
    out: &mut [u8],
) -> Result<usize, WriteError> {
    let mut session_id = [0; SESSION_ID_LENGTH];
    session.write_session_id(&mut session_id);
    let encrypted = Encrypted {
        algorithm: MEGOLM,
        ciphertext,
        device_id: device.device_id,
        sender_key: device.sender_key,
        session_id: base64(&session_id),
    };
    to_slice(&encrypted, out)
}

/// Writes the content of the `m.room_key` event that gives a device the session from its current index on. Returns
/// its length in bytes. What was written is a secret; the caller wipes it.
///
/// # Errors
/// A buffer that is too small.
pub fn write_room_key<S: OutboundSession>(
    session: &S,
    room_id: RoomId<'_>,
    shared_history: bool,
    out: &mut [u8],
) -> Result<usize, WriteError> {
    let mut session_id = [0; SESSION_ID_LENGTH];
    session.write_session_id(&mut session_id);
    let mut session_key = Zeroizing::new([0; SESSION_KEY_LENGTH]);
    session.write_session_key(&mut session_key);
    let room_key = RoomKey {
        algorithm: MEGOLM,
        room_id: room_id.as_str(),
        session_id: base64(&session_id),
        session_key: base64(&*session_key),
        shared_history,
    };
    to_slice(&room_key, out)
}

fn to_slice<T: Serialize + ?Sized>(value: &T, out: &mut [u8]) -> Result<usize, WriteError> {
    serde_json_core::to_slice(value, out).map_err(|_| WriteError::BufferTooSmall)
}

/// What a session wrote as base64. A session that writes anything else produces an empty string, which nobody can
/// decrypt with.
fn base64(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).unwrap_or_default()
}
