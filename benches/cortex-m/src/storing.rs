//! What it costs to write and read what outlives a restart, the store itself apart.

use core::hint::black_box;

use pawl_core::record::{RoomRecord, StoredRoom};
use pawl_core::rotation::PendingReasons;
use pawl_core::settings::Settings;

use crate::devices::ROOM;
use crate::measure::again;

/// All of them.
pub(crate) fn measure() {
    room_record();
}

#[inline(never)]
fn room_record() {
    let record = RoomRecord {
        room: Some(StoredRoom {
            id: ROOM,
            in_force: Ok(Settings {
                rotation_period_msgs: 100,
                rotation_period_ms: 604_800_000,
                encrypt_state_events: false,
            }),
            reset: false,
            shared_history: false,
            pending: PendingReasons::NONE,
            age_unknown: false,
        }),
        sessions_made: 7,
    };
    again("record/write", &mut [record], |record| record.to_bytes(black_box(3)));
    let bytes = record.to_bytes(3);
    assert_eq!(RoomRecord::from_bytes(&bytes, 3), Ok(record));
    again("record/read", &mut [bytes], |bytes| RoomRecord::from_bytes(bytes, black_box(3)).is_ok());
}
