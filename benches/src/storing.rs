//! A room's record, as it is stored.

use pawl_core::record::{RoomRecord, StoredRoom};
use pawl_core::rotation::PendingReasons;

use crate::decisions::SETTINGS;
use crate::devices::room;

/// A room with settings in force.
#[must_use]
pub fn record() -> RoomRecord<'static> {
    RoomRecord {
        room: Some(StoredRoom {
            id: room("!OGEhHVWSdvArJzumhm:matrix.org"),
            in_force: Ok(SETTINGS),
            reset: false,
            shared_history: false,
            pending: PendingReasons::NONE,
            age_unknown: false,
        }),
        sessions_made: 7,
    }
}

#[cfg(test)]
mod tests {
    use pawl_core::record::RoomRecord;

    use super::record;

    #[test]
    fn the_record_is_read_as_it_was_written() {
        assert_eq!(RoomRecord::from_bytes(&record().to_bytes(3), 3), Ok(record()));
    }
}
