//! A session without cryptography: a number and a ratchet index.
//!
//! What a session of this kind was used for is told by itself, not by the core: [`last_use`] says which session was last
//! asked to encrypt on this thread, and with which index.

use std::cell::Cell;
use std::fmt::{self, Display};

use pawl_core::session::{OutboundSession, SESSION_ID_LENGTH, SESSION_KEY_LENGTH, StorableSession};

/// The ratchet index that the next message of a session will have.
pub struct RatchetIndex {
    session: u32,
    index: u32,
}

impl RatchetIndex {
    /// A new session of this number.
    #[must_use]
    pub fn numbered(session: u32) -> Self {
        RatchetIndex { session, index: 0 }
    }

    /// Its ID.
    #[must_use]
    pub fn session_id(&self) -> String {
        let mut id = [0; SESSION_ID_LENGTH];
        self.write_session_id(&mut id);
        String::from_utf8_lossy(&id).into_owned()
    }
}

/// An index of a session that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// The session's ID.
    pub session_id: [u8; SESSION_ID_LENGTH],
    /// The index.
    pub message_index: u32,
}

thread_local! {
    static LAST_USE: Cell<Option<Use>> = const { Cell::new(None) };
}

/// The last use of any session on this thread; nothing if that was asked for before.
#[must_use]
pub fn last_use() -> Option<Use> {
    LAST_USE.take()
}

/// The ratchet is at its end.
#[derive(Debug)]
pub struct EndOfRatchet;

impl Display for EndOfRatchet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the ratchet is at its end")
    }
}

impl std::error::Error for EndOfRatchet {}

/// Eight digits of base 16.
fn digits(number: u32) -> [u8; 8] {
    let mut digits = number.to_be_bytes().map(|byte| [byte >> 4, byte & 15]);
    for digit in digits.as_flattened_mut() {
        *digit = b"0123456789abcdef"[usize::from(*digit)];
    }
    let mut out = [0; 8];
    out.copy_from_slice(digits.as_flattened());
    out
}

impl OutboundSession for RatchetIndex {
    type Error = EndOfRatchet;

    fn write_session_id(&self, out: &mut [u8; SESSION_ID_LENGTH]) {
        out.fill(b'A');
        out[..8].copy_from_slice(&digits(self.session));
    }

    fn write_session_key(&self, out: &mut [u8; SESSION_KEY_LENGTH]) {
        out.fill(b'A');
        out[..8].copy_from_slice(&digits(self.session));
    }

    fn message_index(&self) -> u32 {
        self.index
    }

    fn encrypt<'o>(&mut self, _plaintext: &[u8], _out: &'o mut [u8]) -> Result<&'o str, EndOfRatchet> {
        let next = self.index.checked_add(1).ok_or(EndOfRatchet)?;
        let mut session_id = [0; SESSION_ID_LENGTH];
        self.write_session_id(&mut session_id);
        LAST_USE.set(Some(Use { session_id, message_index: self.index }));
        self.index = next;
        Ok("")
    }
}

impl StorableSession for RatchetIndex {
    const MAX_SECRET_LENGTH: usize = 8;

    /// A ratchet goes forward only (B2).
    fn write_secret(&self, message_index: u32, _key: &[u8; 32], out: &mut [u8]) -> Option<usize> {
        if message_index < self.index {
            return None;
        }
        let (session, rest) = out.split_first_chunk_mut()?;
        *session = self.session.to_le_bytes();
        *rest.first_chunk_mut()? = message_index.to_le_bytes();
        Some(Self::MAX_SECRET_LENGTH)
    }

    fn read_secret(secret: &[u8], _key: &[u8; 32]) -> Option<Self> {
        let (session, index) = secret.split_first_chunk()?;
        let index = u32::from_le_bytes(index.try_into().ok()?);
        Some(RatchetIndex { session: u32::from_le_bytes(*session), index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_index_is_used_once_and_the_session_says_so() {
        let mut session = RatchetIndex { session: 0x12_ab, index: 0xfe };
        session.encrypt(b"", &mut []).unwrap();
        let used = last_use().unwrap();
        assert!(used.session_id.starts_with(b"000012abA"));
        assert_eq!((used.message_index, session.message_index()), (0xfe, 0xff));
        assert_eq!(last_use(), None);
        session.index = u32::MAX;
        assert!(session.encrypt(b"", &mut []).is_err());
        assert_eq!(last_use(), None);
    }

    #[test]
    fn it_is_stored_ahead_and_never_behind() {
        let session = RatchetIndex { session: 7, index: 5 };
        let mut out = [0; RatchetIndex::MAX_SECRET_LENGTH];
        assert_eq!(session.write_secret(4, &[0; 32], &mut out), None);
        assert_eq!(session.write_secret(9, &[0; 32], &mut out), Some(8));
        let ahead = RatchetIndex::read_secret(&out, &[0; 32]).unwrap();
        assert_eq!((ahead.session, ahead.index), (7, 9));
    }
}
