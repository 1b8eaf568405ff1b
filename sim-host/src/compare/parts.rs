//! Sessions without cryptography that are stored as large as vodozemac's, so that they wear the flash as much.

use pawl_core::session::{OutboundSession, SESSION_ID_LENGTH, SESSION_KEY_LENGTH, StorableSession};
use pawl_core::{Device, Persistence, VodozemacSession};
use rand_chacha::ChaCha20Rng;

use crate::parts::{Parts, SessionNotMade, sound_but_for_sessions};
use crate::power::{Flash, Rtc};
use crate::ratchet_index::{EndOfRatchet, RatchetIndex};
use crate::scenario::Crypto;

/// Parts that work, as [`WithoutCryptography`](crate::parts::WithoutCryptography), but for the size of what is stored.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WithoutCryptographyAsLarge {
    sessions_made: u32,
}

impl Parts for WithoutCryptographyAsLarge {
    type Session = LargeRatchetIndex;

    const CRYPTO: Crypto = Crypto::None;

    fn make_session(
        &mut self,
        _room: usize,
        _random: &mut ChaCha20Rng,
    ) -> Result<LargeRatchetIndex, SessionNotMade> {
        self.sessions_made = self.sessions_made.checked_add(1).ok_or(SessionNotMade)?;
        Ok(LargeRatchetIndex(RatchetIndex::numbered(self.sessions_made)))
    }

    sound_but_for_sessions!();
}

/// A ratchet index, with spaces behind it where it is stored.
pub(super) struct LargeRatchetIndex(RatchetIndex);

impl OutboundSession for LargeRatchetIndex {
    type Error = EndOfRatchet;

    fn write_session_id(&self, out: &mut [u8; SESSION_ID_LENGTH]) {
        self.0.write_session_id(out);
    }

    fn write_session_key(&self, out: &mut [u8; SESSION_KEY_LENGTH]) {
        self.0.write_session_key(out);
    }

    fn message_index(&self) -> u32 {
        self.0.message_index()
    }

    fn encrypt<'o>(&mut self, plaintext: &[u8], out: &'o mut [u8]) -> Result<&'o str, EndOfRatchet> {
        self.0.encrypt(plaintext, out)
    }
}

impl StorableSession for LargeRatchetIndex {
    const MAX_SECRET_LENGTH: usize = VodozemacSession::MAX_SECRET_LENGTH;

    fn write_secret(&self, message_index: u32, key: &[u8; 32], out: &mut [u8]) -> Option<usize> {
        let place = out.get_mut(..Self::MAX_SECRET_LENGTH)?;
        let length = self.0.write_secret(message_index, key, place)?;
        place[length..].fill(b' ');
        Some(Self::MAX_SECRET_LENGTH)
    }

    fn read_secret(secret: &[u8], key: &[u8; 32]) -> Option<Self> {
        let index = secret.get(..RatchetIndex::MAX_SECRET_LENGTH)?;
        RatchetIndex::read_secret(index, key).map(LargeRatchetIndex)
    }
}
