//! The session: **a placeholder that encrypts nothing.** What it calls a ciphertext is the plaintext in hexadecimal digits, and
//! its session key opens nothing.
//!
//! It stands where a Megolm session without std belongs, and has a session's other properties: an ID, an index that
//! goes up with each message, a secret that can be stored ahead of itself. Put your implementation in its place.

use core::str;

use chacha20::rand_core::Rng;
use pawl_core::session::{OutboundSession, SESSION_ID_LENGTH, SESSION_KEY_LENGTH, StorableSession};

/// An outbound session that encrypts nothing. It has no secrets; yours wipes them when it is dropped.
pub(crate) struct NoEncryption {
    id: u64,
    index: u32,
}

impl NoEncryption {
    pub(crate) fn new(random: &mut impl Rng) -> Self {
        NoEncryption { id: random.next_u64(), index: 0 }
    }
}

/// The buffer for the ciphertext is too small.
#[derive(Clone, Copy, Debug, defmt::Format)]
pub(crate) struct TooLong;

impl core::fmt::Display for TooLong {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the buffer for the ciphertext is too small")
    }
}

impl core::error::Error for TooLong {}

/// Everything is in hexadecimal digits, which pass for the base64 that Matrix wants.
impl OutboundSession for NoEncryption {
    type Error = TooLong;

    fn write_session_id(&self, out: &mut [u8; SESSION_ID_LENGTH]) {
        out.fill(b'0');
        write_hex(&self.id.to_be_bytes(), out);
    }

    fn write_session_key(&self, out: &mut [u8; SESSION_KEY_LENGTH]) {
        out.fill(b'0');
        write_hex(&self.index.to_be_bytes(), out);
    }

    fn message_index(&self) -> u32 {
        self.index
    }

    /// The index, then the plaintext.
    fn encrypt<'o>(&mut self, plaintext: &[u8], out: &'o mut [u8]) -> Result<&'o str, TooLong> {
        let length = 2 * (size_of::<u32>() + plaintext.len());
        let (out, _) = out.split_at_mut_checked(length).ok_or(TooLong)?;
        let rest = write_hex(&self.index.to_be_bytes(), out);
        write_hex(plaintext, rest);
        self.index += 1;
        str::from_utf8(out).map_err(|_| TooLong)
    }
}

impl StorableSession for NoEncryption {
    const MAX_SECRET_LENGTH: usize = size_of::<u64>() + size_of::<u32>();

    /// A Megolm session moves its ratchet on to `message_index` here; there is none to move.
    fn write_secret(&self, message_index: u32, _: &[u8; 32], out: &mut [u8]) -> Option<usize> {
        if message_index < self.index {
            return None;
        }
        let (id, rest) = out.split_first_chunk_mut()?;
        let (index, _) = rest.split_first_chunk_mut()?;
        *id = self.id.to_le_bytes();
        *index = message_index.to_le_bytes();
        Some(Self::MAX_SECRET_LENGTH)
    }

    fn read_secret(secret: &[u8], _: &[u8; 32]) -> Option<Self> {
        let (id, rest) = secret.split_first_chunk()?;
        let index = rest.try_into().ok()?;
        Some(NoEncryption { id: u64::from_le_bytes(*id), index: u32::from_le_bytes(index) })
    }
}

/// Writes two digits a byte and returns what is behind them.
fn write_hex<'o>(bytes: &[u8], out: &'o mut [u8]) -> &'o mut [u8] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let (place, rest) = out.split_at_mut(2 * bytes.len());
    for (byte, place) in bytes.iter().zip(place.chunks_exact_mut(2)) {
        place[0] = DIGITS[usize::from(byte >> 4)];
        place[1] = DIGITS[usize::from(byte & 15)];
    }
    rest
}
