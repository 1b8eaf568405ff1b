//! A device's and a room's state as bytes and back (B1, B5).
//!
//! Every record begins with its format's version and its kind, says which place it is for, has a fixed length, and ends
//! with a checksum over all before it. Reading checks the version, checksum, length, kind, place, and the range of every
//! field, in this order; what does not check out is an error, and no part of it is used. A newer version is an error too,
//! never a guess. Numbers are little-endian. The checksum is CRC-32 (ISO-HDLC); it finds damage, not forgery: what has to be
//! authentic is sealed.
//!
//! # The device's record, 24 bytes
//!
//! | bytes | what |
//! |---|---|
//! | 0 | version: 1 |
//! | 1 | kind: `D` |
//! | 2 | knowledge (K1): 0 complete; not complete for 1 `state_unknown`, 2 `capacity`, 3 `store_damaged` |
//! | 3 | 1 where sessions are stored too, else 0 (B3) |
//! | 4–7 | places of the table |
//! | 8–11 | generation of sessions: those sealed in an earlier one are void (B5) |
//! | 12–15 | epoch: sessions made in an earlier one are of unknown age (C3) |
//! | 16–19 | rooms there are at least, where knowledge is complete; else 0 |
//! | 20–23 | checksum |
//!
//! # A room's record, 284 bytes
//!
//! | bytes | what |
//! |---|---|
//! | 0 | version: 1 |
//! | 1 | kind: `R` |
//! | 2–3 | place |
//! | 4 | flags: 1 a room is here; 2 it has settings in force; 4 `encrypt_state_events`; 8 reset (S5); 16 `shared_history` |
//! | 5 | why it is blocked, without settings: 1 unsupported algorithm, 2 malformed settings; else 0 |
//! | 6 | why its stored session must be replaced: 1 `requested`, 2 `departure`, 4 `device_removed`, 8 `history_visibility`, 16 `age_unknown` |
//! | 7 | length of the room ID |
//! | 8–11 | `rotation_period_msgs` in force; else 0 |
//! | 12–19 | `rotation_period_ms` in force; else 0 |
//! | 20–23 | number of the room's session: how many this place ever made |
//! | 24–278 | room ID in UTF-8, then zeros |
//! | 279 | 0 |
//! | 280–283 | checksum |
//!
//! A place that is free has the same record, with nothing but its place and number in it.
//!
//! # A sealed session
//!
//! The cipher is XChaCha20-Poly1305 ([`StoreKey`](crate::StoreKey)). Bytes 0 to 11 and the room ID are its associated data, in
//! this order. Where no session is stored the number is 0, and the checksum follows byte 11.
//!
//! | bytes | what |
//! |---|---|
//! | 0 | version: 1 |
//! | 1 | kind: `S` |
//! | 2–3 | place |
//! | 4–7 | number of the session, as in the room's record; 0: none is stored |
//! | 8–11 | generation, as in the device's record |
//! | 12–35 | nonce |
//! | 36–39 | *sealed from here:* count; the ratchet index is the same, or lower where it was stored at a shutdown |
//! | 40–43 | epoch of the timeline in which it was made; `0xFFFFFFFF` where its age is unknown since a restart |
//! | 44–51 | age in milliseconds when it was stored; 0 where it was unknown |
//! | 52–59 | creation stamp, milliseconds |
//! | 60–63 | creation stamp, setting number |
//! | 64 | flags: 1 `shared_history`, as its room key says |
//! | 65– | the session's secret, in its own format, of at most [`MAX_SECRET_LENGTH`](crate::session::StorableSession::MAX_SECRET_LENGTH) bytes |
//! | then 16 | Poly1305 tag |
//! | last 4 | checksum, as of a record |

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};

use crate::clock::NO_EPOCH;
use crate::room::BlockReason;
use crate::rooms::{MAX_ROOM_ID_LENGTH, RoomId};
use crate::rotation::PendingReasons;
use crate::settings::Settings;

/// The length of the device's record in bytes.
pub const DEVICE_RECORD_LENGTH: usize = 24;

/// The length of a room's record in bytes.
pub const ROOM_RECORD_LENGTH: usize = 284;

/// The format's version: the first byte of everything that is stored.
pub(crate) const VERSION: u8 = 1;

/// The length of the checksum at the end of everything that is stored.
pub(crate) const CHECKSUM_LENGTH: usize = 4;

/// What of a record is around its fields: version, kind and checksum.
const FRAME_LENGTH: usize = 2 + CHECKSUM_LENGTH;

const DEVICE: u8 = b'D';
const ROOM: u8 = b'R';

/// Why what was stored is not used (B5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RecordError {
    /// It does not have the length that it must have.
    Length,
    /// It is of another version of the format, which may mean anything.
    Version,
    /// The checksum is wrong.
    Checksum,
    /// It is a record of another kind, or for another place.
    Misplaced,
    /// A field has a value that is never written.
    Range,
}

impl core::fmt::Display for RecordError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            RecordError::Length => "the record has a wrong length",
            RecordError::Version => "the record is of another version of the format",
            RecordError::Checksum => "the record's checksum is wrong",
            RecordError::Misplaced => "the record is of another kind or for another place",
            RecordError::Range => "the record holds a value that is never written",
        })
    }
}

impl core::error::Error for RecordError {}

/// What is stored once for the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceRecord {
    /// Why knowledge is not complete; `None` when it is (K1).
    pub incomplete: Option<BlockReason>,
    /// Whether the device that wrote it stores sessions too (B3).
    pub sessions_stored: bool,
    /// How many places the table has.
    pub places: u32,
    /// Sessions that were sealed in an earlier generation are void (B5).
    pub generation: u32,
    /// Sessions that were made in an earlier epoch are of unknown age (C3).
    pub epoch: u32,
    /// How many rooms there are at least where knowledge is complete, so that none can be lost unnoticed; else 0.
    pub rooms: u32,
}

impl DeviceRecord {
    /// The record as bytes. Causes that are not of knowledge are written as `state_unknown`.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; DEVICE_RECORD_LENGTH] {
        let mut bytes = [0; DEVICE_RECORD_LENGTH];
        let mut writer = Writer::new(&mut bytes);
        let knowledge = match self.incomplete {
            None => 0,
            Some(BlockReason::Capacity) => 2,
            Some(BlockReason::StoreDamaged) => 3,
            Some(_) => 1,
        };
        writer.put([VERSION, DEVICE, knowledge, u8::from(self.sessions_stored)]);
        writer.put(self.places.to_le_bytes());
        writer.put(self.generation.to_le_bytes());
        writer.put(self.epoch.to_le_bytes());
        writer.put(self.rooms.to_le_bytes());
        put_checksum(&mut bytes);
        bytes
    }

    /// The record that was written as these bytes.
    ///
    /// # Errors
    /// They are no such record (B5).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = checked::<DEVICE_RECORD_LENGTH>(bytes, DEVICE)?;
        let [knowledge, sessions_stored] = reader.take();
        let incomplete = match knowledge {
            0 => None,
            1 => Some(BlockReason::StateUnknown),
            2 => Some(BlockReason::Capacity),
            3 => Some(BlockReason::StoreDamaged),
            _ => return Err(RecordError::Range),
        };
        let places = u32::from_le_bytes(reader.take());
        let generation = u32::from_le_bytes(reader.take());
        let epoch = u32::from_le_bytes(reader.take());
        let rooms = u32::from_le_bytes(reader.take());
        let vouches_in_vain = incomplete.is_some() && rooms > 0;
        if sessions_stored > 1 || places > 1 << 16 || rooms > places || vouches_in_vain || epoch == NO_EPOCH {
            return Err(RecordError::Range);
        }
        let sessions_stored = sessions_stored == 1;
        Ok(DeviceRecord { incomplete, sessions_stored, places, generation, epoch, rooms })
    }
}

/// What is stored of a place of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomRecord<'a> {
    /// The room that is at this place; `None` when it is free.
    pub room: Option<StoredRoom<'a>>,
    /// How many sessions this place ever made: the number of its session, if that is stored.
    pub sessions_made: u32,
}

/// What is stored of a room: the latch is that it is stored at all (S1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredRoom<'a> {
    /// The room's ID.
    pub id: RoomId<'a>,
    /// The settings in force, or why there are none: [`BlockReason::UnsupportedAlgorithm`] or
    /// [`BlockReason::MalformedSettings`].
    pub in_force: Result<Settings, BlockReason>,
    /// Whether the next usable content becomes the room's settings (S5).
    pub reset: bool,
    /// Whether newcomers may have keys (E3).
    pub shared_history: bool,
    /// The events since the stored session was made that end it.
    pub pending: PendingReasons,
    /// Whether the stored session's age is unknown, whatever its stamp says (B3).
    pub age_unknown: bool,
}

const FLAG_USED: u8 = 1;
const FLAG_SETTINGS: u8 = 2;
const FLAG_STATE_EVENTS: u8 = 4;
const FLAG_RESET: u8 = 8;
const FLAG_SHARED_HISTORY: u8 = 16;
const REASON_AGE_UNKNOWN: u8 = 16;

impl<'a> RoomRecord<'a> {
    /// The record of the place as bytes.
    #[must_use]
    pub fn to_bytes(&self, place: u16) -> [u8; ROOM_RECORD_LENGTH] {
        let mut bytes = [0; ROOM_RECORD_LENGTH];
        let mut writer = Writer::new(&mut bytes);
        writer.put([VERSION, ROOM]);
        writer.put(place.to_le_bytes());
        match &self.room {
            None => writer.put([0; 16]),
            Some(room) => {
                writer.put(room.head());
                let (messages, period_ms) = match room.in_force {
                    Ok(settings) => (settings.rotation_period_msgs, settings.rotation_period_ms),
                    Err(_) => (0, 0),
                };
                writer.put(messages.to_le_bytes());
                writer.put(period_ms.to_le_bytes());
            }
        }
        writer.put(self.sessions_made.to_le_bytes());
        if let Some(room) = &self.room {
            writer.begin(room.id.as_str().as_bytes());
        }
        put_checksum(&mut bytes);
        bytes
    }

    /// The record that was written for this place as these bytes.
    ///
    /// # Errors
    /// They are no such record (B5).
    pub fn from_bytes(bytes: &'a [u8], place: u16) -> Result<Self, RecordError> {
        let mut reader = checked::<ROOM_RECORD_LENGTH>(bytes, ROOM)?;
        if u16::from_le_bytes(reader.take()) != place {
            return Err(RecordError::Misplaced);
        }
        let head: [u8; 4] = reader.take();
        let messages = u32::from_le_bytes(reader.take());
        let period_ms = u64::from_le_bytes(reader.take());
        let sessions_made = u32::from_le_bytes(reader.take());
        let room = StoredRoom::from_parts(head, messages, period_ms, reader.rest)?;
        Ok(RoomRecord { room, sessions_made })
    }
}

impl<'a> StoredRoom<'a> {
    /// Bytes 4 to 7.
    fn head(&self) -> [u8; 4] {
        let mut flags = FLAG_USED;
        let mut blocked = 0;
        match self.in_force {
            Ok(settings) => {
                flags |= FLAG_SETTINGS;
                if settings.encrypt_state_events {
                    flags |= FLAG_STATE_EVENTS;
                }
            }
            Err(BlockReason::UnsupportedAlgorithm) => blocked = 1,
            Err(_) => blocked = 2,
        }
        if self.reset {
            flags |= FLAG_RESET;
        }
        if self.shared_history {
            flags |= FLAG_SHARED_HISTORY;
        }
        let age_unknown = if self.age_unknown { REASON_AGE_UNKNOWN } else { 0 };
        let id_length = u8::try_from(self.id.as_str().len()).unwrap_or(u8::MAX); // a room ID is no longer than that
        [flags, blocked, self.pending.to_bits() | age_unknown, id_length]
    }

    fn from_parts(
        [flags, blocked, reasons, id_length]: [u8; 4],
        messages: u32,
        period_ms: u64,
        id: &'a [u8],
    ) -> Result<Option<Self>, RecordError> {
        let (id, padding) = id.split_at_checked(usize::from(id_length)).ok_or(RecordError::Range)?;
        if padding.iter().any(|&byte| byte != 0) || id.len() > MAX_ROOM_ID_LENGTH {
            return Err(RecordError::Range);
        }
        if flags & FLAG_USED == 0 {
            let nothing = flags == 0 && blocked == 0 && reasons == 0 && messages == 0 && period_ms == 0;
            return if nothing && id.is_empty() { Ok(None) } else { Err(RecordError::Range) };
        }
        let known = FLAG_USED | FLAG_SETTINGS | FLAG_STATE_EVENTS | FLAG_RESET | FLAG_SHARED_HISTORY;
        let encrypt_state_events = flags & FLAG_STATE_EVENTS != 0;
        let in_force = match (flags & FLAG_SETTINGS != 0, blocked) {
            (true, 0) if messages > 0 && period_ms > 0 => Ok(Settings {
                rotation_period_msgs: messages,
                rotation_period_ms: period_ms,
                encrypt_state_events,
            }),
            (false, 1) => Err(BlockReason::UnsupportedAlgorithm),
            (false, 2) => Err(BlockReason::MalformedSettings),
            _ => return Err(RecordError::Range),
        };
        let no_settings = in_force.is_err();
        if flags & !known != 0 || no_settings && (encrypt_state_events || messages > 0 || period_ms > 0) {
            return Err(RecordError::Range);
        }
        let id = core::str::from_utf8(id).map_err(|_| RecordError::Range)?;
        let id = RoomId::new(id).map_err(|_| RecordError::Range)?;
        let pending = PendingReasons::from_bits(reasons & !REASON_AGE_UNKNOWN).ok_or(RecordError::Range)?;
        Ok(Some(StoredRoom {
            id,
            in_force,
            reset: flags & FLAG_RESET != 0,
            shared_history: flags & FLAG_SHARED_HISTORY != 0,
            pending,
            age_unknown: reasons & REASON_AGE_UNKNOWN != 0,
        }))
    }
}

/// The fields of a record that checks out so far: what is between kind and checksum. Since the compiler knows how long they are, no
/// length is looked at where they are read.
fn checked<const LENGTH: usize>(bytes: &[u8], kind: u8) -> Result<Reader<'_>, RecordError> {
    let [_version, found, fields @ ..] = check(bytes)? else { return Err(RecordError::Length) };
    if fields.len() != LENGTH - FRAME_LENGTH {
        return Err(RecordError::Length);
    }
    if *found != kind {
        return Err(RecordError::Misplaced);
    }
    Ok(Reader { rest: fields })
}

/// Checks version and checksum of anything that is stored; returns it without the checksum.
pub(crate) fn check(bytes: &[u8]) -> Result<&[u8], RecordError> {
    let (body, checksum) = bytes.split_last_chunk::<CHECKSUM_LENGTH>().ok_or(RecordError::Length)?;
    match body.first() {
        None => Err(RecordError::Length),
        Some(&version) if version != VERSION => Err(RecordError::Version),
        Some(_) if u32::from_le_bytes(*checksum) != crc32(body) => Err(RecordError::Checksum),
        Some(_) => Ok(body),
    }
}

/// Writes the checksum over what comes before it to the last bytes.
pub(crate) fn put_checksum(bytes: &mut [u8]) {
    if let Some((body, checksum)) = bytes.split_last_chunk_mut::<CHECKSUM_LENGTH>() {
        *checksum = crc32(body).to_le_bytes();
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);
    CRC.checksum(bytes)
}

/// Writes fields one after another. What finds no place is left out, which the fixed lengths rule out.
pub(crate) struct Writer<'a> {
    rest: &'a mut [u8],
}

impl<'a> Writer<'a> {
    pub(crate) fn new(out: &'a mut [u8]) -> Self {
        Writer { rest: out }
    }

    pub(crate) fn put<const N: usize>(&mut self, field: [u8; N]) {
        if let Some((place, rest)) = core::mem::take(&mut self.rest).split_first_chunk_mut() {
            *place = field;
            self.rest = rest;
        }
    }

    /// A field of which only some bytes are given. The others stay as they are.
    pub(crate) fn begin(self, field: &[u8]) {
        // `copy_from_slice` has panic code that stays in an image which is built for size.
        self.rest.iter_mut().zip(field).for_each(|(place, byte)| *place = *byte);
    }
}

/// Reads fields one after another. What is missing reads as zeros, which the checked lengths rule out.
pub(crate) struct Reader<'a> {
    pub(crate) rest: &'a [u8],
}

impl Reader<'_> {
    pub(crate) fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.rest.split_first_chunk() {
            Some((field, rest)) => {
                self.rest = rest;
                *field
            }
            None => [0; N],
        }
    }
}
