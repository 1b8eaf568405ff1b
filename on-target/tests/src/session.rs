//! The outbound session of the tests, and what reads its messages, in the place of `core/tests/support/session.rs`: vodozemac
//! needs std. There is no cryptography in it; what it writes is as long as vodozemac's.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use pawl_core::session::{OutboundSession, SESSION_ID_LENGTH, SESSION_KEY_LENGTH, StorableSession};
use serde_json::Value;

/// A session: its number, by which it is told from others, and the index of its next message.
pub(crate) struct Session {
    number: u32,
    index: u32,
}

impl Session {
    pub(crate) fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        Session { number: MADE.fetch_add(1, Ordering::Relaxed), index: 0 }
    }

    fn id(&self) -> String {
        id(self.number)
    }
}

fn id(number: u32) -> String {
    format!("{number:0SESSION_ID_LENGTH$}")
}

/// The buffer for the ciphertext is too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CiphertextTooLong;

impl fmt::Display for CiphertextTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the buffer for the ciphertext is too small")
    }
}

impl core::error::Error for CiphertextTooLong {}

impl OutboundSession for Session {
    type Error = CiphertextTooLong;

    fn write_session_id(&self, out: &mut [u8; SESSION_ID_LENGTH]) {
        out.copy_from_slice(self.id().as_bytes());
    }

    fn write_session_key(&self, out: &mut [u8; SESSION_KEY_LENGTH]) {
        let (index, id) = (self.index, self.id());
        const LENGTH: usize = SESSION_KEY_LENGTH - SESSION_ID_LENGTH;
        out.copy_from_slice(format!("{id}{index:0LENGTH$}").as_bytes());
    }

    fn message_index(&self) -> u32 {
        self.index
    }

    fn encrypt<'o>(&mut self, plaintext: &[u8], out: &'o mut [u8]) -> Result<&'o str, CiphertextTooLong> {
        let mut message = Vec::new();
        message.extend_from_slice(&self.index.to_le_bytes());
        message.extend_from_slice(&self.number.to_le_bytes());
        message.extend_from_slice(&u32::try_from(plaintext.len()).expect("32 bits").to_le_bytes());
        message.extend_from_slice(plaintext);
        message.resize(message_length(self.index, plaintext.len()), 0);
        self.index += 1;
        let length = STANDARD_NO_PAD.encode_slice(message, out).map_err(|_| CiphertextTooLong)?;
        Ok(str::from_utf8(&out[..length]).expect("base64"))
    }
}

/// The length of a message of Megolm version 1: the version, the index and the ciphertext behind a tag each, the latter behind
/// its length too and in whole blocks, an authentication code and a signature.
fn message_length(index: u32, plaintext: usize) -> usize {
    let varint = |number: usize| number.checked_ilog2().unwrap_or(0) as usize / 7 + 1;
    let ciphertext = (plaintext / 16 + 1) * 16;
    1 + (1 + varint(index as usize)) + (1 + varint(ciphertext) + ciphertext) + 8 + 64
}

impl StorableSession for Session {
    const MAX_SECRET_LENGTH: usize = 1_024;

    fn write_secret(&self, message_index: u32, _: &[u8; 32], out: &mut [u8]) -> Option<usize> {
        if message_index < self.index {
            return None;
        }
        let out = out.get_mut(..Self::MAX_SECRET_LENGTH)?;
        out.fill(b' ');
        out[..4].copy_from_slice(&self.number.to_le_bytes());
        out[4..8].copy_from_slice(&message_index.to_le_bytes());
        Some(Self::MAX_SECRET_LENGTH)
    }

    fn read_secret(secret: &[u8], _: &[u8; 32]) -> Option<Self> {
        (secret.len() == Self::MAX_SECRET_LENGTH)
            .then(|| Session { number: u32_at(secret, 0), index: u32_at(secret, 4) })
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// A session as another device has it.
pub(crate) struct Inbound {
    id: String,
    first_known_index: u32,
}

impl Inbound {
    pub(crate) fn session_id(&self) -> String {
        self.id.clone()
    }

    pub(crate) fn first_known_index(&self) -> u32 {
        self.first_known_index
    }
}

/// The session that another device makes from an `m.room_key`.
pub(crate) fn inbound(room_key: &Value) -> Inbound {
    let key = room_key["session_key"].as_str().unwrap();
    assert_eq!(key.len(), SESSION_KEY_LENGTH);
    let (id, index) = key.split_at(SESSION_ID_LENGTH);
    Inbound { id: id.into(), first_known_index: index.parse().unwrap() }
}

/// The payload of an `m.room.encrypted`, and its index.
pub(crate) fn decrypt(inbound: &mut Inbound, encrypted: &Value) -> (Vec<u8>, u32) {
    let message = message(encrypted);
    let (index, number, length) = (u32_at(&message, 0), u32_at(&message, 4), u32_at(&message, 8));
    assert_eq!(id(number), inbound.id);
    assert!(index >= inbound.first_known_index, "the message is older than the key");
    (message[12..12 + length as usize].to_vec(), index)
}

/// The index that an `m.room.encrypted` itself says it has.
pub(crate) fn message_index(encrypted: &Value) -> u32 {
    u32_at(&message(encrypted), 0)
}

fn message(encrypted: &Value) -> Vec<u8> {
    STANDARD_NO_PAD.decode(encrypted["ciphertext"].as_str().unwrap()).unwrap()
}
