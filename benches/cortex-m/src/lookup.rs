//! Looking a room up among others.

use core::array;
use core::fmt::Write;

use heapless::String;
use pawl_core::{Device, MAX_ROOM_ID_LENGTH, RoomId, RoomPlace, RoomStorage};

use crate::devices::{NoEncryption, ROOM, known};
use crate::measure::again;

type Id = String<MAX_ROOM_ID_LENGTH>;

/// All of them. The mean is over the rooms of a table: each is looked up as often as any other. Where the room is unknown, the mean
/// is over as many that are not in the table.
pub fn measure() {
    among::<1>("lookup/1", usual_id);
    among::<8>("lookup/8", usual_id);
    among::<64>("lookup/64", usual_id);
    unknown_among::<64>("lookup/64_unknown", usual_id);
    among::<1_024>("lookup/1024", usual_id);
    among::<1_024>("lookup/1024_alike", id_like_the_others);
}

#[inline(never)]
fn among<const ROOMS: usize>(name: &str, id: impl Fn(u32) -> Id) {
    let ids: [Id; ROOMS] = array::from_fn(|number| id(number as u32));
    let mut storage = RoomStorage::<NoEncryption, ROOMS>::new();
    let device = in_rooms(&mut storage, &ids);
    let mut ids = ids.each_ref().map(|id| RoomId::new(id).unwrap_or(ROOM));
    assert!(ids.iter().all(|&id| device.is_known_encrypted(id)));
    again(name, &mut ids, |&mut id| device.is_known_encrypted(id));
}

#[inline(never)]
fn unknown_among<const ROOMS: usize>(name: &str, id: impl Fn(u32) -> Id) {
    let ids: [Id; ROOMS] = array::from_fn(|number| id(number as u32));
    let others: [Id; ROOMS] = array::from_fn(|number| id((ROOMS + number) as u32));
    let mut storage = RoomStorage::<NoEncryption, ROOMS>::new();
    let device = in_rooms(&mut storage, &ids);
    let mut others = others.each_ref().map(|id| RoomId::new(id).unwrap_or(ROOM));
    assert!(!others.iter().any(|&id| device.is_known_encrypted(id)));
    again(name, &mut others, |&mut id| device.is_known_encrypted(id));
}

fn in_rooms<'s>(storage: &'s mut [RoomPlace<NoEncryption>], ids: &[Id]) -> Device<'s, NoEncryption> {
    let mut device = known(storage);
    for id in ids {
        let applied = RoomId::new(id).map(|id| device.encryption_event(id, b"{}"));
        assert!(matches!(applied, Ok(Ok(_))));
    }
    device
}

/// A room ID as homeservers make them, and as long as [`ROOM`]: they differ from their beginning on.
fn usual_id(number: u32) -> Id {
    let mut id = Id::new();
    let mut bits = number;
    let _ = id.push('!');
    for _ in 0..18 {
        bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let _ = id.push(char::from(b'A' + (bits >> 27) as u8));
    }
    let _ = id.push_str(":matrix.org");
    id
}

/// The dearest room ID that a server can make: the longest, and like all others up to its end.
fn id_like_the_others(number: u32) -> Id {
    let mut id = Id::new();
    let _ = id.push('!');
    while id.len() < MAX_ROOM_ID_LENGTH - 4 {
        let _ = id.push('a');
    }
    let _ = write!(id, "{number:04}");
    id
}
