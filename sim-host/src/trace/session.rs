//! A session without cryptography: a ratchet index.

use std::fmt::{self, Display};

use pawl_core::session::{OutboundSession, SESSION_ID_LENGTH, SESSION_KEY_LENGTH, StorableSession};

/// The ratchet index that the next message will have.
pub(super) struct RatchetIndex(u32);

impl RatchetIndex {
    pub(super) fn new() -> Self {
        RatchetIndex(0)
    }
}

/// The ratchet is at its end.
#[derive(Debug)]
pub(super) struct EndOfRatchet;

impl Display for EndOfRatchet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the ratchet is at its end")
    }
}

impl std::error::Error for EndOfRatchet {}

impl OutboundSession for RatchetIndex {
    type Error = EndOfRatchet;

    fn write_session_id(&self, out: &mut [u8; SESSION_ID_LENGTH]) {
        out.fill(b'A');
    }

    fn write_session_key(&self, out: &mut [u8; SESSION_KEY_LENGTH]) {
        out.fill(b'A');
    }

    fn message_index(&self) -> u32 {
        self.0
    }

    fn encrypt<'o>(&mut self, _plaintext: &[u8], _out: &'o mut [u8]) -> Result<&'o str, EndOfRatchet> {
        self.0 = self.0.checked_add(1).ok_or(EndOfRatchet)?;
        Ok("")
    }
}

impl StorableSession for RatchetIndex {
    const MAX_SECRET_LENGTH: usize = 4;

    /// A ratchet goes forward only (B2).
    fn write_secret(&self, message_index: u32, _key: &[u8; 32], out: &mut [u8]) -> Option<usize> {
        if message_index < self.0 {
            return None;
        }
        let index = message_index.to_le_bytes();
        out.get_mut(..index.len())?.copy_from_slice(&index);
        Some(index.len())
    }

    fn read_secret(secret: &[u8], _key: &[u8; 32]) -> Option<Self> {
        secret.try_into().ok().map(|index| RatchetIndex(u32::from_le_bytes(index)))
    }
}
