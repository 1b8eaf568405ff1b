//! An outbound session as it is stored: sealed, so that flash gives away neither its secret nor any change to it (B2, B5).
//! Its bytes are documented with those of the [records](crate::record).
//!
//! The cipher is XChaCha20-Poly1305, under a key that the integrator hands in. Its nonce has 24 bytes and is random each
//! time: a counter would repeat when an older copy of the store comes back. Version, kind, place, number, generation and
//! room ID are authenticated with it, so that a sealed session is good for one session of one room alone.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Key, Tag, XChaCha20Poly1305, XNonce};
use rand_core::TryCryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::record::{self, CHECKSUM_LENGTH, Reader, RecordError, VERSION, Writer};
use crate::rooms::{MAX_ROOM_ID_LENGTH, RoomId};
use crate::session::StorableSession;
use crate::store::StoreError;

const KIND: u8 = b'S';
const HEADER_LENGTH: usize = 12;
const NONCE_LENGTH: usize = 24;
const USAGE_LENGTH: usize = 29;
const TAG_LENGTH: usize = 16;

/// How much longer a sealed session is than its secret, in bytes.
pub const SEALED_OVERHEAD: usize = HEADER_LENGTH + NONCE_LENGTH + USAGE_LENGTH + TAG_LENGTH + CHECKSUM_LENGTH;

/// The key under which sessions are sealed. It is the integrator's: from a secure element, fused at manufacture, or
/// derived from what the user types in. It is wiped when it is dropped.
///
/// It serves two constructions. The cipher takes it as it is; a session that seals its own secret, as vodozemac's pickle
/// does, is handed it too. The pickle derives its own keys from it, by HKDF-SHA-256 with the info `Pickle`, so no key is
/// used in both. Another [`StorableSession`](crate::session::StorableSession) has to derive its own likewise, or not use it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct StoreKey([u8; 32]);

impl StoreKey {
    /// Takes 32 bytes that nobody can guess, and that are used for nothing else. The caller wipes its own copy.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        StoreKey(key)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(<&Key>::from(&self.0))
    }
}

/// A moment by a clock that outlives restarts (B3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Stamp {
    /// Milliseconds, since any moment that stays the same while the setting number does.
    pub ms: u64,
    /// A number that changes whenever the clock is set anew.
    pub setting: u32,
}

/// Which session of which room a sealed session is.
#[derive(Clone, Copy)]
pub(crate) struct Binding<'a> {
    pub(crate) place: u16,
    pub(crate) number: u32,
    pub(crate) generation: u32,
    pub(crate) room_id: RoomId<'a>,
}

impl Binding<'_> {
    fn header(&self) -> [u8; HEADER_LENGTH] {
        let mut header = [0; HEADER_LENGTH];
        let mut writer = Writer::new(&mut header);
        writer.put([VERSION, KIND]);
        writer.put(self.place.to_le_bytes());
        writer.put(self.number.to_le_bytes());
        writer.put(self.generation.to_le_bytes());
        header
    }

    /// Everything that is authenticated beside the ciphertext. The header has a fixed length, so nothing is ambiguous.
    fn associated_data<'b>(&self, buffer: &'b mut [u8; HEADER_LENGTH + MAX_ROOM_ID_LENGTH]) -> &'b [u8] {
        let id = self.room_id.as_str().as_bytes();
        let mut writer = Writer::new(buffer);
        writer.put(self.header());
        writer.begin(id);
        buffer.get(..HEADER_LENGTH.saturating_add(id.len())).unwrap_or_default()
    }
}

/// What is stored of a session beside its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SealedUsage {
    /// The count that the session comes back with, and its ratchet index, unless it was stored as it stood (B2).
    pub(crate) mark: u32,
    pub(crate) epoch: u32,
    pub(crate) age_ms: u64,
    pub(crate) created: Stamp,
    pub(crate) shared_history: bool,
}

/// Seals a session into `buffer`, advanced to `message_index` (B2). Returns how many bytes that are.
pub(crate) fn seal<S: StorableSession, G: TryCryptoRng>(
    session: &S,
    message_index: u32,
    usage: &SealedUsage,
    binding: &Binding<'_>,
    key: &StoreKey,
    random: &mut G,
    buffer: &mut [u8],
) -> Result<usize, StoreError> {
    let sealed = seal_parts(session, message_index, usage, binding, key, random, buffer);
    if sealed.is_none() {
        buffer.zeroize(); // the secret may stand in it
    }
    sealed.ok_or(StoreError::Sealing)
}

fn seal_parts<S: StorableSession, G: TryCryptoRng>(
    session: &S,
    message_index: u32,
    usage: &SealedUsage,
    binding: &Binding<'_>,
    key: &StoreKey,
    random: &mut G,
    buffer: &mut [u8],
) -> Option<usize> {
    let mut nonce = [0; NONCE_LENGTH];
    random.try_fill_bytes(&mut nonce).ok()?;
    let (open, rest) = buffer.split_at_mut_checked(HEADER_LENGTH + NONCE_LENGTH)?;
    let mut writer = Writer::new(open);
    writer.put(binding.header());
    writer.put(nonce);

    let (head, secret) = rest.split_at_mut_checked(USAGE_LENGTH)?;
    let mut writer = Writer::new(head);
    writer.put(usage.mark.to_le_bytes());
    writer.put(usage.epoch.to_le_bytes());
    writer.put(usage.age_ms.to_le_bytes());
    writer.put(usage.created.ms.to_le_bytes());
    writer.put(usage.created.setting.to_le_bytes());
    writer.put([u8::from(usage.shared_history)]);
    let room_for_secret = secret.len().checked_sub(TAG_LENGTH + CHECKSUM_LENGTH)?;
    let secret_length =
        session.write_secret(message_index, key.as_bytes(), secret.get_mut(..room_for_secret)?)?;

    let (plain, rest) = rest.split_at_mut_checked(USAGE_LENGTH.checked_add(secret_length)?)?;
    let mut associated = [0; HEADER_LENGTH + MAX_ROOM_ID_LENGTH];
    let associated = binding.associated_data(&mut associated);
    let tag = key.cipher().encrypt_inout_detached(&XNonce::from(nonce), associated, plain.into()).ok()?;
    rest.get_mut(..TAG_LENGTH)?.copy_from_slice(&tag);

    let length = SEALED_OVERHEAD.checked_add(secret_length)?;
    record::put_checksum(buffer.get_mut(..length)?);
    Some(length)
}

/// What a store holds of a session, as far as one can tell without the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SealedHeader {
    /// The session's number; 0 when none is stored.
    pub(crate) number: u32,
    pub(crate) generation: u32,
}

impl SealedHeader {
    /// That of the session at a place.
    pub(crate) fn read(bytes: &[u8], place: u16) -> Result<Self, RecordError> {
        let mut reader = Reader { rest: record::check(bytes)? };
        if reader.rest.len() < HEADER_LENGTH {
            return Err(RecordError::Length);
        }
        let [_version, kind] = reader.take();
        if kind != KIND || u16::from_le_bytes(reader.take()) != place {
            return Err(RecordError::Misplaced);
        }
        let header = SealedHeader {
            number: u32::from_le_bytes(reader.take()),
            generation: u32::from_le_bytes(reader.take()),
        };
        match (header.number, reader.rest.is_empty()) {
            (0, true) => Ok(header),
            (0, false) => Err(RecordError::Range),
            (_, true) => Err(RecordError::Length),
            (_, false) => Ok(header),
        }
    }
}

/// What is stored at a place that has no session, where one was that does not check out.
pub(crate) fn nothing_sealed(place: u16) -> [u8; HEADER_LENGTH + CHECKSUM_LENGTH] {
    let mut bytes = [0; HEADER_LENGTH + CHECKSUM_LENGTH];
    let mut writer = Writer::new(&mut bytes);
    writer.put([VERSION, KIND]);
    writer.put(place.to_le_bytes());
    record::put_checksum(&mut bytes);
    bytes
}

/// Opens what [`seal`] made; `None` when it is not authentic, not for this binding, or its secret is not one. The
/// buffer is wiped either way.
pub(crate) fn unseal<S: StorableSession>(
    sealed: &mut [u8],
    binding: &Binding<'_>,
    key: &StoreKey,
) -> Option<(SealedUsage, S)> {
    let opened = unseal_parts(sealed, binding, key);
    sealed.zeroize();
    opened
}

fn unseal_parts<S: StorableSession>(
    sealed: &mut [u8],
    binding: &Binding<'_>,
    key: &StoreKey,
) -> Option<(SealedUsage, S)> {
    let body_length = record::check(sealed).ok()?.len();
    let (header, rest) = sealed.get_mut(..body_length)?.split_first_chunk_mut::<HEADER_LENGTH>()?;
    if *header != binding.header() {
        return None;
    }
    let (nonce, rest) = rest.split_first_chunk_mut::<NONCE_LENGTH>()?;
    let (plain, tag) = rest.split_last_chunk_mut::<TAG_LENGTH>()?;
    let mut associated = [0; HEADER_LENGTH + MAX_ROOM_ID_LENGTH];
    let associated = binding.associated_data(&mut associated);
    key.cipher()
        .decrypt_inout_detached(&XNonce::from(*nonce), associated, (&mut *plain).into(), &Tag::from(*tag))
        .ok()?;

    let (usage, secret) = plain.split_first_chunk_mut::<USAGE_LENGTH>()?;
    let mut reader = Reader { rest: usage };
    let usage = SealedUsage {
        mark: u32::from_le_bytes(reader.take()),
        epoch: u32::from_le_bytes(reader.take()),
        age_ms: u64::from_le_bytes(reader.take()),
        created: Stamp { ms: u64::from_le_bytes(reader.take()), setting: u32::from_le_bytes(reader.take()) },
        shared_history: match reader.take() {
            [0] => false,
            [1] => true,
            [_] => return None,
        },
    };
    let session = S::read_secret(secret, key.as_bytes())?;
    // A message that failed was counted without an index (T9), so the index can be behind; never ahead.
    (session.message_index() <= usage.mark).then_some((usage, session))
}
