//! Records, byte by byte (B1, B5).

use pawl_core::record::{
    DEVICE_RECORD_LENGTH, DeviceRecord, ROOM_RECORD_LENGTH, RecordError, RoomRecord, StoredRoom,
};
use pawl_core::rotation::{PendingReasons, RotationReason};
use pawl_core::settings::Settings;
use pawl_core::{BlockReason, RoomId};
use proptest::prelude::*;

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & 0u32.wrapping_sub(crc & 1)))
    })
}

/// The record with the checksum that its bytes have.
fn with_checksum<const N: usize>(mut bytes: [u8; N]) -> [u8; N] {
    let checksum = crc32(&bytes[..N - 4]);
    bytes[N - 4..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn device() -> DeviceRecord {
    DeviceRecord {
        incomplete: Some(BlockReason::Capacity),
        sessions_stored: true,
        places: 64,
        generation: 0x0102_0304,
        epoch: 7,
        rooms: 0,
    }
}

fn room() -> RoomRecord<'static> {
    let settings =
        Settings { rotation_period_msgs: 100, rotation_period_ms: 604_800_000, encrypt_state_events: true };
    let stored = StoredRoom {
        id: RoomId::new("!a:x").unwrap(),
        in_force: Ok(settings),
        reset: true,
        shared_history: false,
        pending: PendingReasons::NONE.with(RotationReason::Departure).with(RotationReason::HistoryVisibility),
        age_unknown: true,
    };
    RoomRecord { room: Some(stored), sessions_made: 9 }
}

#[test]
fn a_device_record_is_these_bytes() {
    // B1
    let bytes = [
        1, b'D', 2, 1, // version, kind, knowledge, sessions are stored
        64, 0, 0, 0, // places
        4, 3, 2, 1, // generation
        7, 0, 0, 0, // epoch
        0, 0, 0, 0, 0, 0, 0, 0,
    ];
    assert_eq!(device().to_bytes(), with_checksum(bytes));
    assert_eq!(DeviceRecord::from_bytes(&with_checksum(bytes)), Ok(device()));
    let complete = DeviceRecord { incomplete: None, rooms: 5, ..device() };
    assert_eq!((complete.to_bytes()[2], complete.to_bytes()[16]), (0, 5));
    assert_eq!(DeviceRecord::from_bytes(&complete.to_bytes()), Ok(complete));
    // No table has more rooms than places.
    let too_many = DeviceRecord { rooms: 65, ..complete };
    assert_eq!(DeviceRecord::from_bytes(&too_many.to_bytes()), Err(RecordError::Range));
}

#[test]
fn a_room_record_is_these_bytes() {
    // B1
    let mut bytes = [0; ROOM_RECORD_LENGTH];
    bytes[..28].copy_from_slice(&[
        1, b'R', 3, 2, // version, kind, place 0x0203
        0b1111, 0, 0b11010, 4, // flags, not blocked, reasons, length of the ID
        100, 0, 0, 0, // messages
        0, 0x84, 0x0c, 0x24, 0, 0, 0, 0, // 604,800,000 ms
        9, 0, 0, 0, // the session's number
        b'!', b'a', b':', b'x',
    ]);
    assert_eq!(room().to_bytes(0x0203), with_checksum(bytes));
    assert_eq!(RoomRecord::from_bytes(&with_checksum(bytes), 0x0203), Ok(room()));
}

#[test]
fn a_blocked_room_and_a_free_place_have_records_too() {
    // B1, S4
    for in_force in [Err(BlockReason::UnsupportedAlgorithm), Err(BlockReason::MalformedSettings)] {
        let stored = room().room.map(|room| StoredRoom { in_force, ..room });
        let record = RoomRecord { room: stored, sessions_made: 0 };
        assert_eq!(RoomRecord::from_bytes(&record.to_bytes(1), 1), Ok(record));
    }
    let free = RoomRecord { room: None, sessions_made: u32::MAX };
    assert_eq!(RoomRecord::from_bytes(&free.to_bytes(u16::MAX), u16::MAX), Ok(free));
}

#[test]
fn a_record_for_another_place_or_of_another_kind_is_misplaced() {
    // B5
    let bytes = room().to_bytes(5);
    assert_eq!(RoomRecord::from_bytes(&bytes, 4), Err(RecordError::Misplaced));
    let mut other = bytes;
    other[1] = b'S';
    assert_eq!(RoomRecord::from_bytes(&with_checksum(other), 5), Err(RecordError::Misplaced));
}

#[test]
fn a_newer_version_is_an_error_and_not_a_guess() {
    // B5: whatever else is in it
    for version in [0, 2, 255] {
        let mut bytes = room().to_bytes(5);
        bytes[0] = version;
        assert_eq!(RoomRecord::from_bytes(&bytes, 5), Err(RecordError::Version));
        assert_eq!(RoomRecord::from_bytes(&with_checksum(bytes), 5), Err(RecordError::Version));
        let mut bytes = device().to_bytes();
        bytes[0] = version;
        assert_eq!(DeviceRecord::from_bytes(&with_checksum(bytes)), Err(RecordError::Version));
    }
}

#[test]
fn a_field_with_a_value_that_is_never_written_is_out_of_range() {
    // B5
    let room_with = |at: usize, value: u8| {
        let mut bytes = room().to_bytes(5);
        bytes[at] = value;
        RoomRecord::from_bytes(&with_checksum(bytes), 5).map(|_| ())
    };
    for (at, value) in [
        (4, 0b10_1111), // an unknown flag
        (4, 0b0000),    // no room, and yet fields
        (4, 0b1101),    // no settings, and yet numbers
        (5, 1),         // settings and a reason why there are none
        (6, 0b10_0000), // an unknown reason
        (7, 3),         // an ID that goes on behind its end
        (7, 255),       // an ID with zeros, which is allowed in no room
        (8, 0),         // no messages at all
        (24, 0xff),     // not UTF-8
        (279, 1),
    ] {
        let expected = if (at, value) == (7, 255) { Ok(()) } else { Err(RecordError::Range) };
        assert_eq!(room_with(at, value), expected, "{at} {value}");
    }
    let device_with = |at: usize, bytes: &[u8]| {
        let mut record = device().to_bytes();
        record[at..at + bytes.len()].copy_from_slice(bytes);
        DeviceRecord::from_bytes(&with_checksum(record))
    };
    for (at, bytes) in [
        (2, &[4][..]),
        (3, &[2]),
        (4, &[1, 0, 1, 0]), // 65,537 places
        (12, &[0xff; 4]),   // the epoch that none is
        (16, &[1]),         // rooms, where knowledge is not complete
    ] {
        assert_eq!(device_with(at, bytes), Err(RecordError::Range), "{at}");
    }
}

proptest! {
    /// B5: what reads back is what would be written; nothing else does.
    #[test]
    fn only_what_is_written_is_read(mut bytes in proptest::array::uniform32(any::<u8>()), fix in any::<bool>()) {
        bytes[0] = 1;
        bytes[1] = b'D';
        let mut record: [u8; DEVICE_RECORD_LENGTH] = bytes[..24].try_into().unwrap();
        if fix {
            record[2] %= 5;
            record[3] %= 3;
            record[6..8].fill(0);
            record[16..20].fill(0);
            record = with_checksum(record);
        }
        if let Ok(read) = DeviceRecord::from_bytes(&record) {
            prop_assert_eq!(read.to_bytes(), record);
        }
    }
}
