//! The outbound session by vodozemac (feature `vodozemac`, needs std).

use vodozemac::megolm::{GroupSession, GroupSessionPickle, SessionConfig};
use zeroize::Zeroize;

use crate::session::{OutboundSession, SESSION_ID_LENGTH, SESSION_KEY_LENGTH, StorableSession};

/// A vodozemac [`GroupSession`] of Megolm version 1, whose secrets vodozemac wipes when it is dropped.
pub struct VodozemacSession(GroupSession);

impl VodozemacSession {
    /// A new session, from the thread's random number generator: vodozemac takes no other.
    #[must_use]
    pub fn new() -> Self {
        VodozemacSession(GroupSession::new(SessionConfig::version_1()))
    }
}

/// A session that was made or kept by other means, at the index where it stands.
impl From<GroupSession> for VodozemacSession {
    fn from(session: GroupSession) -> Self {
        VodozemacSession(session)
    }
}

impl Default for VodozemacSession {
    fn default() -> Self {
        Self::new()
    }
}

/// The buffer for the ciphertext is too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CiphertextTooLong;

impl core::fmt::Display for CiphertextTooLong {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the buffer for the ciphertext is too small")
    }
}

impl core::error::Error for CiphertextTooLong {}

impl OutboundSession for VodozemacSession {
    type Error = CiphertextTooLong;

    fn write_session_id(&self, out: &mut [u8; SESSION_ID_LENGTH]) {
        copy_base64(&self.0.session_id(), out);
    }

    fn write_session_key(&self, out: &mut [u8; SESSION_KEY_LENGTH]) {
        let mut key = self.0.session_key().to_base64();
        copy_base64(&key, out);
        key.zeroize();
    }

    fn message_index(&self) -> u32 {
        self.0.message_index()
    }

    fn encrypt<'o>(&mut self, plaintext: &[u8], out: &'o mut [u8]) -> Result<&'o str, CiphertextTooLong> {
        let ciphertext = self.0.encrypt(plaintext).to_base64();
        let (place, _) = out.split_at_mut_checked(ciphertext.len()).ok_or(CiphertextTooLong)?;
        place.copy_from_slice(ciphertext.as_bytes());
        core::str::from_utf8(place).map_err(|_| CiphertextTooLong)
    }
}

/// In vodozemac's own encrypted pickle, with spaces behind it up to the longest one: a pickle's numbers are written in
/// decimal, so its length depends on the secret.
impl StorableSession for VodozemacSession {
    // 128 + 32 numbers of three digits and an index of ten make 736 bytes of JSON and 1,014 of pickle.
    const MAX_SECRET_LENGTH: usize = 1_024;

    /// vodozemac moves a session on by encrypting, so this encrypts nothing as often as there are indices to go.
    fn write_secret(&self, message_index: u32, key: &[u8; 32], out: &mut [u8]) -> Option<usize> {
        let to_go = message_index.checked_sub(self.0.message_index())?;
        let mut ahead = GroupSession::from_pickle(self.0.pickle());
        for _ in 0..to_go {
            ahead.encrypt([]);
        }
        let mut pickle = ahead.pickle().encrypt(key);
        let place = out.get_mut(..Self::MAX_SECRET_LENGTH);
        let parts = place.and_then(|place| place.split_at_mut_checked(pickle.len()));
        let length = parts.map(|(place, behind)| {
            place.copy_from_slice(pickle.as_bytes());
            behind.fill(b' ');
            Self::MAX_SECRET_LENGTH
        });
        pickle.zeroize();
        length
    }

    fn read_secret(secret: &[u8], key: &[u8; 32]) -> Option<Self> {
        let pickle = core::str::from_utf8(secret).ok()?.trim_end_matches(' ');
        let pickle = GroupSessionPickle::from_encrypted(pickle, key).ok()?;
        Some(VodozemacSession(GroupSession::from_pickle(pickle)))
    }
}

/// The lengths are those of Megolm version 1, which is all that [`VodozemacSession`] makes.
fn copy_base64(text: &str, out: &mut [u8]) {
    for (place, byte) in out.iter_mut().zip(text.bytes()) {
        *place = byte;
    }
}
