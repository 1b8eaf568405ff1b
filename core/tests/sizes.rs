//! What a room costs in memory.

use pawl_core::{Device, Permit, RoomStorage, ShareRequest};

/// What a room adds to the storage, with sessions of type `S`.
const fn bytes_a_room<S>() -> usize {
    size_of::<RoomStorage<S, 2>>() - size_of::<RoomStorage<S, 1>>()
}

#[test]
fn a_room_without_its_session_takes_no_more_than_320_bytes() {
    assert!(bytes_a_room::<()>() <= 320, "{}", bytes_a_room::<()>());
}

#[test]
fn a_session_adds_no_more_than_itself() {
    let session = bytes_a_room::<[u64; 20]>() - bytes_a_room::<()>();
    assert!(session <= size_of::<[u64; 20]>(), "{session}");
}

#[test]
fn what_is_passed_by_value_is_small() {
    assert!(size_of::<ShareRequest>() <= 12);
    assert!(size_of::<Permit<'_, ()>>() <= 3 * size_of::<usize>());
    assert!(size_of::<Device<'_, ()>>() <= 160);
}
