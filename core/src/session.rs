//! What the core asks of an outbound Megolm session.

/// The length of a session ID: an Ed25519 public key in unpadded base64.
pub const SESSION_ID_LENGTH: usize = 43;

/// The length of a session key in the session-sharing format: 229 bytes in unpadded base64.
pub const SESSION_KEY_LENGTH: usize = 306;

/// An outbound Megolm session.
///
/// It belongs to one room and is used by nobody else: an index that was used outside the core would not be counted.
/// Dropping it must wipe its secrets.
pub trait OutboundSession {
    /// Why a message could not be encrypted.
    type Error: core::error::Error;

    /// Writes the session's ID.
    fn write_session_id(&self, out: &mut [u8; SESSION_ID_LENGTH]);

    /// Writes the session key from which a device can read the messages from the current index on: what
    /// `m.room_key` carries. It is a secret; the caller wipes it.
    fn write_session_key(&self, out: &mut [u8; SESSION_KEY_LENGTH]);

    /// The ratchet index that the next message will have.
    fn message_index(&self) -> u32;

    /// Encrypts `plaintext` with the current index and moves on to the next one. Returns the ciphertext in unpadded
    /// base64, which it wrote to `out`.
    ///
    /// # Errors
    /// The session's own. Whether or not the index moved on, the core has counted the message.
    fn encrypt<'o>(&mut self, plaintext: &[u8], out: &'o mut [u8]) -> Result<&'o str, Self::Error>;
}

/// An outbound session that outlives a restart (B2).
pub trait StorableSession: OutboundSession + Sized {
    /// The greatest length of what [`write_secret`](StorableSession::write_secret) writes, in bytes.
    const MAX_SECRET_LENGTH: usize;

    /// Writes all that the session is, as it will be when its index is `message_index`: with nothing in it from which an
    /// earlier message could be encrypted or read. Returns the length; `None` when the index is past that already, or
    /// `out` is too short.
    ///
    /// The result is sealed before it is stored. `key` is for a session whose format is encrypted in itself.
    fn write_secret(&self, message_index: u32, key: &[u8; 32], out: &mut [u8]) -> Option<usize>;

    /// The session of which this was written; `None` when it is none. The caller wipes `secret`.
    fn read_secret(secret: &[u8], key: &[u8; 32]) -> Option<Self>;
}
