//! What a session is sealed with, and what is left of it in memory afterwards (B2).

mod support;

use core::convert::Infallible;

use pawl_core::session::{OutboundSession, SESSION_ID_LENGTH, SESSION_KEY_LENGTH, StorableSession};
use pawl_core::store::{Item, StoreError};
use pawl_core::{
    Config, Decision, Device, RoomStorage, SessionsStored, SharedError, StoreKey, sealed_length,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use support::stored::{Outside, World};
use support::{ROOM, WEEK_MS, encrypt_room, resync, send_many, start_session};

/// A world with a device in [`ROOM`] that has started a session.
fn with_session() -> World<1> {
    let mut world = World::new();
    let (mut device, outside) = world.boot();
    resync(&mut device);
    encrypt_room(&mut device, ROOM, 100, WEEK_MS);
    start_session(&mut device, &outside.clock, ROOM);
    world
}

#[test]
fn each_nonce_is_new_and_all_of_it_is_random() {
    // B2: the same key, room and session, sealed three times
    let mut world = with_session();
    let (mut device, outside) = world.boot();
    let mut random = StdRng::seed_from_u64(1); // as the device's own
    let mut sealed_with_the_next_nonce = |outside: &Outside| {
        let mut nonce = [0; 24];
        random.fill_bytes(&mut nonce);
        outside.memory.get(Item::Session(0))[12..36] == nonce
    };
    send_many(&mut device, &outside.clock, ROOM, 1); // a mark
    assert!(sealed_with_the_next_nonce(outside));
    send_many(&mut device, &outside.clock, ROOM, 16); // another
    assert!(sealed_with_the_next_nonce(outside));
    device.shut_down(&outside.clock).unwrap();
    assert!(sealed_with_the_next_nonce(outside));
}

#[test]
fn nothing_of_a_session_is_left_in_the_buffer() {
    // B2: after it was sealed, and after it was opened
    let mut world = with_session();
    assert!(world.buffer.iter().all(|byte| *byte == 0), "after it was stored");
    world.buffer.fill(0xAA);
    let _ = world.boot();
    let sealed = world.outside.memory.get(Item::Session(0)).len();
    assert!(world.buffer[..sealed].iter().all(|byte| *byte == 0), "after it was loaded");
}

/// Its secret is written, and then it turns out that it cannot be.
struct CannotBeStored;

impl OutboundSession for CannotBeStored {
    type Error = Infallible;

    fn write_session_id(&self, out: &mut [u8; SESSION_ID_LENGTH]) {
        out.fill(b'a');
    }

    fn write_session_key(&self, out: &mut [u8; SESSION_KEY_LENGTH]) {
        out.fill(b'a');
    }

    fn message_index(&self) -> u32 {
        0
    }

    fn encrypt<'o>(&mut self, _plaintext: &[u8], _out: &'o mut [u8]) -> Result<&'o str, Infallible> {
        Ok("")
    }
}

impl StorableSession for CannotBeStored {
    const MAX_SECRET_LENGTH: usize = 64;

    fn write_secret(&self, _message_index: u32, _key: &[u8; 32], out: &mut [u8]) -> Option<usize> {
        out.fill(b'!');
        None
    }

    fn read_secret(_secret: &[u8], _key: &[u8; 32]) -> Option<Self> {
        None
    }
}

#[test]
fn nothing_of_a_session_that_could_not_be_sealed_is_left_in_the_buffer() {
    // B1, B2
    let World { outside, .. } = World::<1>::new();
    let mut storage = RoomStorage::<CannotBeStored, 1>::new();
    let mut buffer = [0; sealed_length::<CannotBeStored>()];
    let random = StdRng::seed_from_u64(1);
    let stored =
        SessionsStored::new(&outside.memory, StoreKey::new([7; 32]), &outside.rtc, random, &mut buffer);
    let mut device = Device::open(&mut storage, Config::default(), stored, &outside.clock).unwrap();
    encrypt_room(&mut device, ROOM, 100, WEEK_MS);
    let moment = device.at(&outside.clock).unwrap();
    let Ok(Decision::Share(request)) = moment.decide(ROOM, || Ok::<_, Infallible>(CannotBeStored)) else {
        panic!("a session starts");
    };
    assert_eq!(device.shared(&request), Err(SharedError::Store(StoreError::Sealing)));
    drop(device);
    assert_eq!(buffer, [0; sealed_length::<CannotBeStored>()]);
}
