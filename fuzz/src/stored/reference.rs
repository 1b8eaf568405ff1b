//! What a device makes of what it finds stored, by the formats' tables and rules B3 to B5 alone. It shares no code with the
//! core.

use std::collections::{BTreeMap, BTreeSet};

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Key, Tag, XChaCha20Poly1305, XNonce};
use pawl_core::Stamp;
use pawl_core::record::{DEVICE_RECORD_LENGTH, ROOM_RECORD_LENGTH};
use pawl_core::store::Item;

use crate::counting::SECRET_LENGTH;
use crate::surroundings::{Items, KEY};

/// The device's choices that matter here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choices {
    pub(super) places: u16,
    pub(super) keeps_sessions: bool,
    pub(super) messages: (u32, u32),
    pub(super) period_ms: (u64, u64),
}

/// Why knowledge is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    StateUnknown,
    Capacity,
    StoreDamaged,
}

/// What a room has in force: messages, milliseconds, state events.
pub(super) type InForce = Option<(u32, u64, bool)>;

/// A device that has just come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) incomplete: Option<Cause>,
    pub(super) rooms: BTreeMap<String, InForce>,
    /// Of each room that has one, its session's number and index.
    pub(super) sessions: BTreeMap<String, (u64, u64)>,
    /// Whether something did not check out.
    pub(super) damaged: bool,
}

/// The checksum as the formats have it: CRC-32 (ISO-HDLC).
pub(super) fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// Puts the checksum where it belongs.
pub(super) fn fix_checksum(bytes: &mut [u8]) {
    if let Some((body, checksum)) = bytes.split_last_chunk_mut::<4>() {
        *checksum = crc(body).to_le_bytes();
    }
}

/// What comes before the checksum of something of this kind and place that is intact.
fn intact(bytes: &[u8], kind: u8, place: Option<u16>) -> Option<&[u8]> {
    let (body, checksum) = bytes.split_last_chunk::<4>()?;
    let right_place = match place {
        Some(place) => body.get(2..4)? == place.to_le_bytes(),
        None => true,
    };
    let is_intact = body.first()? == &1 && body.get(1)? == &kind && right_place;
    (is_intact && crc(body).to_le_bytes() == *checksum).then_some(body)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

pub(super) struct DeviceRecord {
    pub(super) incomplete: Option<Cause>,
    sessions_stored: bool,
    places: u32,
    pub(super) generation: u32,
    epoch: u32,
    rooms: u32,
}

/// The device's record, if that is one.
pub(super) fn device_record(bytes: &[u8]) -> Option<DeviceRecord> {
    let body = intact(bytes, b'D', None).filter(|_| bytes.len() == DEVICE_RECORD_LENGTH)?;
    let incomplete = match body[2] {
        0 => None,
        1 => Some(Cause::StateUnknown),
        2 => Some(Cause::Capacity),
        3 => Some(Cause::StoreDamaged),
        _ => return None,
    };
    let record = DeviceRecord {
        incomplete,
        sessions_stored: body[3] == 1,
        places: u32_at(body, 4),
        generation: u32_at(body, 8),
        epoch: u32_at(body, 12),
        rooms: u32_at(body, 16),
    };
    let vouches_in_vain = incomplete.is_some() && record.rooms > 0;
    let in_range = body[3] <= 1 && record.places <= 65_536 && record.epoch != u32::MAX;
    (in_range && record.rooms <= record.places && !vouches_in_vain).then_some(record)
}

pub(super) struct RoomRecord {
    /// The room that is there, and what it has in force.
    pub(super) room: Option<(String, InForce)>,
    made: u32,
}

/// The record of a place, if that is one.
pub(super) fn room_record(bytes: &[u8], place: u16) -> Option<RoomRecord> {
    let body = intact(bytes, b'R', Some(place)).filter(|_| bytes.len() == ROOM_RECORD_LENGTH)?;
    let [flags, blocked, reasons, id_length] = body[4..8].try_into().expect("4 bytes");
    let (messages, period_ms) = (u32_at(body, 8), u64_at(body, 12));
    let (id, zeros) = body[24..].split_at(usize::from(id_length));
    if zeros.iter().any(|zero| *zero != 0) {
        return None;
    }
    let made = u32_at(body, 20);
    if flags & 1 == 0 {
        return body[4..20]
            .iter()
            .chain(id)
            .all(|zero| *zero == 0)
            .then_some(RoomRecord { room: None, made });
    }
    if flags > 31 || reasons > 31 {
        return None;
    }
    let in_force = match (flags & 2, blocked) {
        (2, 0) if messages != 0 && period_ms != 0 => Some((messages, period_ms, flags & 4 != 0)),
        (0, 1 | 2) if flags & 4 == 0 && messages == 0 && period_ms == 0 => None,
        _ => return None,
    };
    Some(RoomRecord { room: Some((String::from_utf8(id.to_vec()).ok()?, in_force)), made })
}

/// Number and generation of the session that is stored at a place, if that is intact as far as one can see.
fn session_header(bytes: &[u8], place: u16) -> Option<(u32, u32)> {
    let body = intact(bytes, b'S', Some(place)).filter(|body| body.len() >= 12)?;
    let number = u32_at(body, 4);
    ((number == 0) == (body.len() == 12) && bytes.len() <= LONGEST_SEALED).then(|| (number, u32_at(body, 8)))
}

const USAGE: usize = 29;
const LONGEST_SEALED: usize = 36 + USAGE + SECRET_LENGTH + 16 + 4;

fn parts(sealed: &[u8]) -> Option<(&[u8], XNonce, &[u8], Tag)> {
    let (header, rest) = sealed.get(..sealed.len().checked_sub(4)?)?.split_at_checked(12)?;
    let (nonce, rest) = rest.split_first_chunk::<24>()?;
    let (sealed, tag) = rest.split_last_chunk::<16>()?;
    Some((header, XNonce::from(*nonce), sealed, Tag::from(*tag)))
}

/// What is sealed in it for a room.
pub(super) fn unseal(sealed: &[u8], room: &str) -> Option<Vec<u8>> {
    let (header, nonce, sealed, tag) = parts(sealed)?;
    let mut plain = sealed.to_vec();
    let cipher = XChaCha20Poly1305::new(&Key::from(KEY));
    let associated = [header, room.as_bytes()].concat();
    cipher.decrypt_inout_detached(&nonce, &associated, plain.as_mut_slice().into(), &tag).ok()?;
    Some(plain)
}

/// Seals `plain` for a room under the header and the nonce of `sealed`, in its place.
pub(super) fn reseal(sealed: &mut Vec<u8>, room: &str, plain: &[u8]) {
    let Some((header, nonce, _, _)) = parts(sealed) else {
        return;
    };
    let cipher = XChaCha20Poly1305::new(&Key::from(KEY));
    let associated = [header, room.as_bytes()].concat();
    let mut plain = plain.to_vec();
    let Ok(tag) = cipher.encrypt_inout_detached(&nonce, &associated, plain.as_mut_slice().into()) else {
        return;
    };
    let mut anew = [header, &nonce[..], &plain, &tag[..], &[0; 4]].concat();
    fix_checksum(&mut anew);
    *sealed = anew;
}

/// What a session that comes back looks like.
enum Session {
    None,
    /// Not to come back, for want of a stamp.
    Void,
    Damaged,
    Back(u64, u64),
}

fn session(
    bytes: &[u8],
    place: u16,
    room: &str,
    made: u32,
    device: &DeviceRecord,
    stamp: Option<Stamp>,
) -> Session {
    let Some((number, generation)) = session_header(bytes, place) else {
        return Session::Damaged;
    };
    if number == 0 || generation < device.generation {
        return Session::None;
    }
    if generation > device.generation || number > made {
        return Session::Damaged;
    }
    if number < made {
        return Session::None; // B4, T11
    }
    if stamp.is_none() {
        return Session::Void; // B3
    }
    let Some(plain) = unseal(bytes, room).filter(|plain| plain.len() == USAGE + SECRET_LENGTH) else {
        return Session::Damaged;
    };
    let (mark, epoch) = (u32_at(&plain, 0), u32_at(&plain, 4));
    let (number, index) = (u64_at(&plain, USAGE), u32_at(&plain, USAGE + 8));
    if index > mark || plain[28] > 1 || (epoch > device.epoch && epoch != u32::MAX) {
        return Session::Damaged;
    }
    Session::Back(number, index.into())
}

/// The device that comes back from these items (B3 to B5).
pub(super) fn open(items: &Items, choices: Choices, stamp: Option<Stamp>) -> Opened {
    let device = items.get(&Item::Device).map(|bytes| device_record(bytes));
    let mut damaged = matches!(device, Some(None));
    let device = device.flatten();
    let places = device.as_ref().map_or(0, |device| device.places).max(choices.places.into());

    let mut here: BTreeMap<String, (u16, InForce, u32)> = BTreeMap::new();
    let mut repeated = BTreeSet::new();
    let mut beyond = Vec::new();
    let mut anything = false;
    let mut found = 0;
    for (item, bytes) in items {
        let Item::Room(place) = *item else { continue };
        if u32::from(place) >= places {
            continue;
        }
        let Some(record) = room_record(bytes, place) else {
            damaged = true;
            continue;
        };
        anything = true;
        found += u32::from(record.room.is_some());
        match record.room {
            Some(_) if device.as_ref().is_some_and(|device| u32::from(place) >= device.places) => {
                damaged = true;
            }
            Some((id, in_force)) if place >= choices.places => beyond.push((id, in_force)),
            Some((id, in_force)) => {
                let again = here.insert(id.clone(), (place, in_force, record.made)).is_some();
                repeated.extend(again.then_some(id));
            }
            None => {}
        }
    }
    // One room at several places: none is to be believed.
    damaged |= !repeated.is_empty();
    here.retain(|id, _| !repeated.contains(id));
    if choices.keeps_sessions {
        anything |= items.keys().any(|item| matches!(item, Item::Session(place) if *place < choices.places));
    }
    damaged |= device.is_none() && anything;
    // Those that only rooms were stored after do not come back.
    let may_come_back =
        device.as_ref().is_some_and(|device| device.sessions_stored) && choices.keeps_sessions;
    let device = device.unwrap_or(DeviceRecord {
        incomplete: Some(Cause::StateUnknown),
        sessions_stored: false,
        places: 0,
        generation: 0,
        epoch: 0,
        rooms: 0,
    });
    damaged |= found < device.rooms;

    let mut sessions = BTreeMap::new();
    let mut void = false;
    for (id, (place, _, made)) in here.iter().filter(|_| choices.keeps_sessions) {
        let Some(bytes) = items.get(&Item::Session(*place)) else { continue };
        if !may_come_back {
            damaged |= session_header(bytes, *place).is_none();
            continue;
        }
        match session(bytes, *place, id, *made, &device, stamp) {
            Session::None => {}
            Session::Void => void = true,
            Session::Damaged => damaged = true,
            Session::Back(number, index) => drop(sessions.insert(id.clone(), (number, index))),
        }
    }
    if void || damaged {
        sessions.clear();
    }
    let within = |(messages, period_ms, state_events): (u32, u64, bool)| {
        let messages = messages.clamp(choices.messages.0, choices.messages.1);
        (messages, period_ms.clamp(choices.period_ms.0, choices.period_ms.1), state_events)
    };
    let mut rooms: BTreeMap<String, InForce> =
        here.into_iter().map(|(id, (_, in_force, _))| (id, in_force.map(within))).collect();
    let mut incomplete = device.incomplete;
    if damaged {
        incomplete = Some(Cause::StoreDamaged);
    } else {
        for (id, in_force) in beyond {
            if rooms.contains_key(&id) {
                continue;
            }
            if rooms.len() < usize::from(choices.places) {
                rooms.insert(id, in_force.map(within));
            } else {
                incomplete = Some(Cause::Capacity); // K2
            }
        }
    }
    Opened { incomplete, rooms, sessions, damaged }
}

#[cfg(test)]
mod tests {
    use super::crc;

    #[test]
    fn the_checksum_is_the_one_that_it_says() {
        assert_eq!(crc(b"123456789"), 0xCBF4_3926);
    }
}
