//! What a room remembers (S1–S5) and rooms that the device does not know (K1–K6).

mod support;

use std::sync::Mutex;

use pawl_core::membership::{Membership, PreviousMembership};
use pawl_core::rotation::RotationReason;
use pawl_core::settings::{ChangePolicy, Malformed, Reading};
use pawl_core::{
    BlockReason, Config, Device, Effect, EncryptionEventError, MAX_ROOM_ID_LENGTH, Noted, ResyncError,
    RoomId, RoomIdTooLong, RoomStorage,
};
use support::{
    HOUR_MS, MEGOLM, Millis, OTHER_ROOM, REDACTED, ROOM, Sent, Session, Storage, UNSUPPORTED, WEEK_MS,
    content, device, device_in_room, device_with, encrypt_room, goes_on, new_device, resync, room, rotates,
    send, start_session,
};

// S1: the latch

#[test]
fn a_room_without_an_encryption_event_is_plaintext() {
    // T1
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device(&mut storage);
    assert_eq!(send(&mut device, &clock, ROOM), Sent::Plaintext);
    assert!(!device.is_known_encrypted(ROOM));
}

#[test]
fn any_encryption_event_makes_the_room_encrypted_whatever_its_content() {
    // S1
    for content in [MEGOLM, UNSUPPORTED, REDACTED, b"", b"null", b"not JSON", b"\xff", &[b' '; 70_000]] {
        let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
        let mut device = device(&mut storage);
        let _ = device.encryption_event(ROOM, content).unwrap();
        assert!(device.is_known_encrypted(ROOM));
        assert_ne!(send(&mut device, &clock, ROOM), Sent::Plaintext);
    }
}

#[test]
fn no_later_event_makes_an_encrypted_room_plaintext() {
    // S1, S4
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    for content in [REDACTED, UNSUPPORTED, b"", b"null", br#"{"algorithm":null}"#, br#"{"algorithm":"none"}"#]
    {
        let _ = device.encryption_event(ROOM, content).unwrap();
        assert!(device.is_known_encrypted(ROOM));
        assert!(matches!(send(&mut device, &clock, ROOM), Sent::Encrypted { .. }));
    }
}

#[test]
fn a_redacted_first_event_blocks_the_room() {
    // S1, S4
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device(&mut storage);
    let applied = device.encryption_event(ROOM, REDACTED).unwrap();
    assert_eq!(applied.reading, Reading::Malformed(Malformed::AlgorithmMissing));
    assert_eq!((applied.effect, applied.in_force), (Effect::Blocked, None));
    assert_eq!(send(&mut device, &clock, ROOM), Sent::Blocked(BlockReason::MalformedSettings));
}

#[test]
fn a_resync_that_does_not_mention_an_encrypted_room_leaves_it_encrypted() {
    // S1, K4: a server that hides the event gains nothing
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    resync(&mut device);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::NoSession));
}

// S2: first settings

#[test]
fn the_first_usable_content_becomes_the_rooms_settings() {
    // S2
    let mut storage = Storage::<1>::new();
    let mut device = device(&mut storage);
    let applied = encrypt_room(&mut device, ROOM, 7, HOUR_MS);
    assert_eq!(applied.effect, Effect::Enabled);
    let settings = device.settings(ROOM).unwrap();
    assert_eq!((settings.rotation_period_msgs, settings.rotation_period_ms), (7, HOUR_MS));
    assert_eq!(applied.in_force, Some(settings));
}

#[test]
fn the_first_usable_content_is_the_first_whatever_came_before_it() {
    // S2: under Freeze, bad contents do not use up the one chance
    let mut storage = Storage::<1>::new();
    let config = Config { policy: ChangePolicy::Freeze, ..Config::default() };
    let mut device = device_with(&mut storage, config);
    let _ = device.encryption_event(ROOM, REDACTED).unwrap();
    let _ = device.encryption_event(ROOM, UNSUPPORTED).unwrap();
    assert_eq!(encrypt_room(&mut device, ROOM, 7, HOUR_MS).effect, Effect::Enabled);
    assert_eq!(device.settings(ROOM).unwrap().rotation_period_msgs, 7);
}

// S4: later bad content

#[test]
fn a_later_bad_content_is_rejected_and_the_settings_in_force_stay() {
    // S4
    let mut storage = Storage::<1>::new();
    let mut device = device_in_room(&mut storage, 7, HOUR_MS);
    let before = device.settings(ROOM);
    for content in [UNSUPPORTED, REDACTED, b"{"] {
        let applied = device.encryption_event(ROOM, content).unwrap();
        assert_eq!((applied.effect, applied.in_force), (Effect::Rejected, before));
        assert_eq!(device.settings(ROOM), before);
    }
}

#[test]
fn a_later_bad_content_leaves_the_session_alone() {
    // S4, T7
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 7, HOUR_MS);
    send(&mut device, &clock, ROOM);
    let _ = device.encryption_event(ROOM, UNSUPPORTED).unwrap();
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
}

#[test]
fn a_room_with_no_settings_is_blocked_for_the_latest_events_cause() {
    // S4, T2
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device(&mut storage);
    for (content, reason) in [
        (UNSUPPORTED, BlockReason::UnsupportedAlgorithm),
        (REDACTED, BlockReason::MalformedSettings),
        (UNSUPPORTED, BlockReason::UnsupportedAlgorithm),
    ] {
        let applied = device.encryption_event(ROOM, content).unwrap();
        assert_eq!((applied.effect, applied.in_force), (Effect::Blocked, None));
        assert_eq!(send(&mut device, &clock, ROOM), Sent::Blocked(reason));
        assert_eq!(device.settings(ROOM), None);
    }
}

#[test]
fn a_blocked_room_is_enabled_by_the_first_usable_content() {
    // S2, S4
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device(&mut storage);
    let _ = device.encryption_event(ROOM, UNSUPPORTED).unwrap();
    let _ = device.encryption_event(ROOM, MEGOLM).unwrap();
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::NoSession));
}

#[test]
fn a_blocked_room_makes_no_session() {
    // T2
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device(&mut storage);
    let _ = device.encryption_event(ROOM, UNSUPPORTED).unwrap();
    let decision = device
        .at(&clock)
        .unwrap()
        .decide(ROOM, || -> Result<Session, ()> { panic!("a blocked room needs no session") });
    assert!(decision.is_ok());
}

// S5: reset

#[test]
fn after_a_reset_the_next_usable_content_counts_as_the_first() {
    // S5
    for policy in [ChangePolicy::Ratchet, ChangePolicy::Follow, ChangePolicy::Freeze] {
        let mut storage = Storage::<1>::new();
        let config = Config { policy, ..Config::default() };
        let mut device = device_with(&mut storage, config);
        encrypt_room(&mut device, ROOM, 7, HOUR_MS);
        assert!(device.reset_settings(ROOM).unwrap());
        let applied = encrypt_room(&mut device, ROOM, 100, WEEK_MS);
        assert_eq!(applied.effect, Effect::Enabled, "{policy:?}");
        assert_eq!(applied.in_force.unwrap().rotation_period_msgs, 100);
        assert_eq!(device.settings(ROOM), applied.in_force);
    }
}

#[test]
fn after_a_reset_even_state_events_can_be_off_again() {
    // S5: as the first one did
    let mut storage = Storage::<1>::new();
    let mut device = device(&mut storage);
    let _ = device
        .encryption_event(ROOM, br#"{"algorithm":"m.megolm.v1.aes-sha2","encrypt_state_events":true}"#)
        .unwrap();
    assert!(device.reset_settings(ROOM).unwrap());
    let applied = device.encryption_event(ROOM, MEGOLM).unwrap();
    assert!(!applied.in_force.unwrap().encrypt_state_events);
}

#[test]
fn until_the_next_usable_content_the_settings_in_force_stay() {
    // S5
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 2, HOUR_MS);
    assert!(device.reset_settings(ROOM).unwrap());
    assert_eq!(device.settings(ROOM).unwrap().rotation_period_msgs, 2);
    send(&mut device, &clock, ROOM);
    send(&mut device, &clock, ROOM);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Messages));
}

#[test]
fn a_bad_content_does_not_use_up_a_reset() {
    // S5
    let mut storage = Storage::<1>::new();
    let mut device = device_in_room(&mut storage, 7, HOUR_MS);
    assert!(device.reset_settings(ROOM).unwrap());
    let applied = device.encryption_event(ROOM, REDACTED).unwrap();
    assert_eq!(applied.effect, Effect::Rejected);
    assert_eq!(encrypt_room(&mut device, ROOM, 100, WEEK_MS).effect, Effect::Enabled);
}

#[test]
fn a_reset_is_used_up_by_one_content() {
    // S5
    let mut storage = Storage::<1>::new();
    let mut device = device_in_room(&mut storage, 7, HOUR_MS);
    assert!(device.reset_settings(ROOM).unwrap());
    encrypt_room(&mut device, ROOM, 50, HOUR_MS);
    let applied = encrypt_room(&mut device, ROOM, 100, WEEK_MS);
    assert_eq!(applied.effect, Effect::Unchanged);
    assert_eq!(applied.in_force.unwrap().rotation_period_msgs, 50);
}

#[test]
fn the_latch_stays_at_a_reset() {
    // S5
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 7, HOUR_MS);
    assert!(device.reset_settings(ROOM).unwrap());
    assert!(device.is_known_encrypted(ROOM));
    assert_ne!(send(&mut device, &clock, ROOM), Sent::Plaintext);
}

#[test]
fn a_reset_does_not_by_itself_rotate() {
    // S5, T7
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 7, HOUR_MS);
    send(&mut device, &clock, ROOM);
    assert!(device.reset_settings(ROOM).unwrap());
    encrypt_room(&mut device, ROOM, 100, WEEK_MS);
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
}

#[test]
fn a_reset_of_a_blocked_room_leaves_it_blocked() {
    // S5, S4
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device(&mut storage);
    let _ = device.encryption_event(ROOM, UNSUPPORTED).unwrap();
    assert!(device.reset_settings(ROOM).unwrap());
    assert_eq!(send(&mut device, &clock, ROOM), Sent::Blocked(BlockReason::UnsupportedAlgorithm));
}

#[test]
fn a_reset_of_an_unknown_room_does_nothing() {
    // S5
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device(&mut storage);
    assert!(!device.reset_settings(ROOM).unwrap());
    assert_eq!(send(&mut device, &clock, ROOM), Sent::Plaintext);
}

// K1: rooms the device does not know

#[test]
fn on_a_first_start_every_room_is_blocked() {
    // K1
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = new_device(&mut storage);
    assert_eq!(send(&mut device, &clock, ROOM), Sent::Blocked(BlockReason::StateUnknown));
}

#[test]
fn while_knowledge_is_not_complete_a_room_in_the_table_works() {
    // K1
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = new_device(&mut storage);
    encrypt_room(&mut device, ROOM, 100, WEEK_MS);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::NoSession));
}

#[test]
fn rooms_not_in_the_table_are_blocked_for_the_latest_cause() {
    // K1
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    let unknown = room("!unknown:example.org");
    assert!(device.encryption_event(OTHER_ROOM, MEGOLM).is_err());
    assert_eq!(send(&mut device, &clock, unknown), Sent::Blocked(BlockReason::Capacity));
    assert!(device.forget(ROOM).unwrap());
    assert_eq!(send(&mut device, &clock, unknown), Sent::Blocked(BlockReason::StateUnknown));
    encrypt_room(&mut device, ROOM, 100, WEEK_MS);
    assert!(device.encryption_event(OTHER_ROOM, MEGOLM).is_err());
    assert_eq!(send(&mut device, &clock, unknown), Sent::Blocked(BlockReason::Capacity));
}

#[test]
fn a_new_device_over_used_storage_knows_nothing_of_what_it_held() {
    // K1
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut first = device_in_room(&mut storage, 100, WEEK_MS);
    start_session(&mut first, &clock, ROOM);
    let mut second = new_device(&mut storage);
    assert!(!second.is_known_encrypted(ROOM));
    assert_eq!(second.share_current(ROOM), None);
    assert_eq!(send(&mut second, &clock, ROOM), Sent::Blocked(BlockReason::StateUnknown));
}

// K2: capacity

#[test]
fn an_encryption_event_without_a_place_is_an_error_whatever_its_content() {
    // K2
    for content in [MEGOLM, UNSUPPORTED, REDACTED, b"not JSON"] {
        let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
        let mut device = device_in_room(&mut storage, 100, WEEK_MS);
        assert_eq!(device.encryption_event(OTHER_ROOM, content), Err(EncryptionEventError::TableFull));
        assert_eq!(send(&mut device, &clock, OTHER_ROOM), Sent::Blocked(BlockReason::Capacity));
    }
}

#[test]
fn a_room_that_was_plaintext_is_blocked_once_its_encryption_event_found_no_place() {
    // K2: an attacker who fills the table gets no plaintext
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    assert_eq!(send(&mut device, &clock, OTHER_ROOM), Sent::Plaintext);
    assert!(device.encryption_event(OTHER_ROOM, MEGOLM).is_err());
    assert_eq!(send(&mut device, &clock, OTHER_ROOM), Sent::Blocked(BlockReason::Capacity));
}

#[test]
fn an_existing_room_still_works_when_the_table_is_full() {
    // K2
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    assert!(device.encryption_event(OTHER_ROOM, MEGOLM).is_err());
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
    assert_eq!(encrypt_room(&mut device, ROOM, 7, WEEK_MS).effect, Effect::Tightened);
}

#[test]
fn no_room_is_evicted_however_many_events_are_refused() {
    // K2
    let mut storage = Storage::<3>::new();
    let mut device = device(&mut storage);
    for (messages, id) in (1..).zip(["!b", "!d", "!f"]) {
        encrypt_room(&mut device, room(id), messages, HOUR_MS);
    }
    for n in 0..100 {
        let id = format!("!{}{n}", ["a", "c", "e", "g"][n % 4]);
        assert!(device.encryption_event(room(&id), MEGOLM).is_err());
        assert!(!device.is_known_encrypted(room(&id)));
    }
    for (messages, id) in (1..).zip(["!b", "!d", "!f"]) {
        assert_eq!(device.settings(room(id)).unwrap().rotation_period_msgs, messages);
    }
}

#[test]
fn a_table_of_4_096_rooms_holds_4_096_rooms() {
    // K2
    static STORAGE: Mutex<Storage<4_096>> = Mutex::new(Storage::new());
    let clock = Millis::showing(0);
    let mut storage = STORAGE.lock().unwrap();
    let mut device = device(&mut storage);
    // In an order and with prefixes that make a naive table slow or wrong.
    let id = |n: u32| format!("!{}{:05}", "x".repeat(249), n * 2_531 % 4_096);
    for n in 0..4_096 {
        encrypt_room(&mut device, room(&id(n)), n + 1, HOUR_MS);
    }
    assert!(device.encryption_event(room(&id(0)[..254]), MEGOLM).is_err());
    for n in 0..4_096 {
        let settings = device.settings(room(&id(n))).unwrap();
        assert_eq!(settings.rotation_period_msgs, n + 1);
    }
    for n in (0..4_096).step_by(2) {
        assert!(device.forget(room(&id(n))).unwrap());
    }
    for n in 0..4_096 {
        assert_eq!(device.is_known_encrypted(room(&id(n))), n % 2 == 1);
    }
    assert_eq!(send(&mut device, &clock, room(&id(1))), rotates(RotationReason::NoSession));
}

#[test]
fn a_table_of_65_535_rooms_can_be_used() {
    // K2: the documented greatest capacity
    let run = || {
        let mut storage = RoomStorage::<(), 65_535>::new();
        let mut device = Device::new(&mut storage, Config::default());
        encrypt_room(&mut device, ROOM, 7, HOUR_MS);
        assert!(device.is_known_encrypted(ROOM));
    };
    std::thread::Builder::new().stack_size(256 << 20).spawn(run).unwrap().join().unwrap();
}

// Room IDs

#[test]
fn a_room_id_of_255_bytes_is_taken_and_one_of_256_is_not() {
    // K2: refused before it can be cut short and taken for another
    assert_eq!(MAX_ROOM_ID_LENGTH, 255);
    let id = "é".repeat(128);
    assert_eq!(RoomId::new(&id), Err(RoomIdTooLong));
    let id = "!".repeat(255);
    assert_eq!(RoomId::new(&id).unwrap().as_str(), id);
}

#[test]
fn room_ids_that_differ_in_the_last_of_255_bytes_are_two_rooms() {
    // K1
    let mut storage = Storage::<2>::new();
    let mut device = device(&mut storage);
    let (first, second) = (format!("{}a", "!".repeat(254)), format!("{}b", "!".repeat(254)));
    encrypt_room(&mut device, room(&first), 7, HOUR_MS);
    assert!(!device.is_known_encrypted(room(&second)));
    assert!(!device.is_known_encrypted(room(&first[..254])));
}

#[test]
fn every_id_is_a_room_of_its_own_however_much_of_it_is_alike() {
    // K1: all IDs of up to eight letters of two
    let ids: Vec<String> = (0..9_u32)
        .flat_map(|length| (0..1_u32 << length).map(move |bits| (length, bits)))
        .map(|(length, bits)| {
            (0..length).map(|place| if bits >> place & 1 == 0 { 'a' } else { 'b' }).collect()
        })
        .collect();
    let mut storage = Storage::<511>::new();
    let mut device = device(&mut storage);
    for (known, id) in ids.iter().enumerate() {
        assert!(ids[known..].iter().all(|other| !device.is_known_encrypted(room(other))), "before {id:?}");
        encrypt_room(&mut device, room(id), 7, HOUR_MS);
        assert!(ids[..=known].iter().all(|other| device.is_known_encrypted(room(other))), "after {id:?}");
    }
}

#[test]
fn an_empty_room_id_is_not_taken_for_a_free_place() {
    // T1, S1
    let (clock, mut storage) = (Millis::showing(0), Storage::<2>::new());
    let mut device = device(&mut storage);
    let empty = room("");
    assert!(!device.is_known_encrypted(empty));
    assert_eq!(send(&mut device, &clock, empty), Sent::Plaintext);
    encrypt_room(&mut device, empty, 7, HOUR_MS);
    assert!(device.is_known_encrypted(empty));
    assert!(device.forget(empty).unwrap());
    assert!(!device.is_known_encrypted(empty));
}

#[test]
fn room_ids_are_compared_byte_by_byte() {
    // K1: no case folding, no normalisation, no end at a NUL
    let mut storage = Storage::<1>::new();
    let mut device = device(&mut storage);
    encrypt_room(&mut device, room("!é:a"), 7, HOUR_MS);
    for id in ["!e\u{301}:a", "!É:a", "!é:A", "!é:a\0", "!é:a ", "!é:", "é:a"] {
        assert!(!device.is_known_encrypted(room(id)), "{id}");
    }
}

// K3: forgetting

#[test]
fn forgetting_a_room_frees_its_place() {
    // K3
    let mut storage = Storage::<1>::new();
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    assert!(device.forget(ROOM).unwrap());
    assert!(device.encryption_event(OTHER_ROOM, MEGOLM).is_ok());
}

#[test]
fn a_forgotten_room_is_blocked_and_not_plaintext() {
    // K3, K1
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    assert!(device.forget(ROOM).unwrap());
    assert_eq!(send(&mut device, &clock, ROOM), Sent::Blocked(BlockReason::StateUnknown));
}

#[test]
fn after_forgetting_every_unknown_room_is_blocked() {
    // K3
    let (clock, mut storage) = (Millis::showing(0), Storage::<2>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    assert_eq!(send(&mut device, &clock, OTHER_ROOM), Sent::Plaintext);
    assert!(device.forget(ROOM).unwrap());
    assert_eq!(send(&mut device, &clock, OTHER_ROOM), Sent::Blocked(BlockReason::StateUnknown));
}

#[test]
fn forgetting_a_room_that_is_not_in_the_table_does_nothing() {
    // K3
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device(&mut storage);
    assert!(!device.forget(ROOM).unwrap());
    assert_eq!(send(&mut device, &clock, ROOM), Sent::Plaintext);
}

#[test]
fn forgetting_a_room_that_is_not_in_the_table_leaves_the_block_cause() {
    // K3, K1
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    assert!(device.encryption_event(OTHER_ROOM, MEGOLM).is_err());
    assert!(!device.forget(OTHER_ROOM).unwrap());
    assert_eq!(send(&mut device, &clock, OTHER_ROOM), Sent::Blocked(BlockReason::Capacity));
}

#[test]
fn a_room_that_was_forgotten_and_comes_back_starts_afresh() {
    // K3, S2
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 7, HOUR_MS);
    let _ = device.history_visibility_event(ROOM, "shared").unwrap();
    send(&mut device, &clock, ROOM);
    assert!(device.forget(ROOM).unwrap());
    assert_eq!(encrypt_room(&mut device, ROOM, 100, WEEK_MS).effect, Effect::Enabled);
    assert_eq!(device.settings(ROOM).unwrap().rotation_period_msgs, 100);
    let request = support::share_request(&mut device, &clock, ROOM);
    assert_eq!(request.started, Some(RotationReason::NoSession));
    assert_eq!(support::room_key(&device, &request)["shared_history"], false);
}

// K4: resync

#[test]
fn the_end_of_a_resync_makes_knowledge_complete() {
    // K4
    let (clock, mut storage) = (Millis::showing(0), Storage::<2>::new());
    let mut device = new_device(&mut storage);
    device.begin_resync();
    encrypt_room(&mut device, ROOM, 100, WEEK_MS);
    assert_eq!(send(&mut device, &clock, OTHER_ROOM), Sent::Blocked(BlockReason::StateUnknown));
    assert_eq!(device.end_resync(), Ok(()));
    assert_eq!(send(&mut device, &clock, OTHER_ROOM), Sent::Plaintext);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::NoSession));
}

#[test]
fn a_resync_with_a_refused_event_does_not_make_knowledge_complete() {
    // K4
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = new_device(&mut storage);
    device.begin_resync();
    encrypt_room(&mut device, ROOM, 100, WEEK_MS);
    assert!(device.encryption_event(OTHER_ROOM, MEGOLM).is_err());
    assert_eq!(device.end_resync(), Err(ResyncError::EventRefused));
    assert_eq!(send(&mut device, &clock, OTHER_ROOM), Sent::Blocked(BlockReason::Capacity));
}

#[test]
fn a_refusal_counts_even_if_the_event_then_finds_a_place() {
    // K4: "unless an event was refused since the beginning"
    let mut storage = Storage::<1>::new();
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    device.begin_resync();
    assert!(device.encryption_event(OTHER_ROOM, MEGOLM).is_err());
    assert!(device.forget(ROOM).unwrap());
    assert!(device.encryption_event(OTHER_ROOM, MEGOLM).is_ok());
    assert_eq!(device.end_resync(), Err(ResyncError::EventRefused));
}

#[test]
fn a_refusal_before_the_resync_does_not_count_against_it() {
    // K4
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    assert!(device.encryption_event(OTHER_ROOM, MEGOLM).is_err());
    assert!(device.forget(ROOM).unwrap());
    device.begin_resync();
    assert!(device.encryption_event(OTHER_ROOM, MEGOLM).is_ok());
    assert_eq!(device.end_resync(), Ok(()));
    assert_eq!(send(&mut device, &clock, room("!third")), Sent::Plaintext);
}

#[test]
fn a_resync_begun_again_counts_from_its_new_beginning() {
    // K4
    let mut storage = Storage::<1>::new();
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    device.begin_resync();
    assert!(device.encryption_event(OTHER_ROOM, MEGOLM).is_err());
    device.begin_resync();
    assert_eq!(device.end_resync(), Ok(()));
}

#[test]
fn an_end_without_a_beginning_changes_nothing() {
    // K4
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = new_device(&mut storage);
    assert_eq!(device.end_resync(), Err(ResyncError::NotBegun));
    assert_eq!(send(&mut device, &clock, ROOM), Sent::Blocked(BlockReason::StateUnknown));
}

#[test]
fn a_resync_that_failed_must_be_begun_again() {
    // K4
    let mut storage = Storage::<1>::new();
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    device.begin_resync();
    assert!(device.encryption_event(OTHER_ROOM, MEGOLM).is_err());
    assert_eq!(device.end_resync(), Err(ResyncError::EventRefused));
    assert_eq!(device.end_resync(), Err(ResyncError::NotBegun));
}

#[test]
fn a_resync_ends_once() {
    // K4
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    assert_eq!(device.end_resync(), Err(ResyncError::NotBegun));
    assert_eq!(send(&mut device, &clock, OTHER_ROOM), Sent::Plaintext);
}

#[test]
fn a_resync_leaves_settings_and_sessions_alone() {
    // K4
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 7, HOUR_MS);
    send(&mut device, &clock, ROOM);
    device.begin_resync();
    encrypt_room(&mut device, ROOM, 100, WEEK_MS);
    device.end_resync().unwrap();
    assert_eq!(device.settings(ROOM).unwrap().rotation_period_msgs, 7);
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
}

// K5: the same again

#[test]
fn an_encryption_event_delivered_again_changes_nothing() {
    // K5
    for policy in [ChangePolicy::Ratchet, ChangePolicy::Follow, ChangePolicy::Freeze] {
        let mut storage = Storage::<1>::new();
        let config = Config { policy, ..Config::default() };
        let mut device = device_with(&mut storage, config);
        let first = encrypt_room(&mut device, ROOM, 7, HOUR_MS);
        let again = encrypt_room(&mut device, ROOM, 7, HOUR_MS);
        assert_eq!(again.effect, Effect::Unchanged, "{policy:?}");
        assert_eq!(again.in_force, first.in_force);
    }
}

#[test]
fn a_sync_delivered_again_ends_in_the_same_state() {
    // K5
    let (clock, mut storage) = (Millis::showing(0), Storage::<2>::new());
    let mut device = device(&mut storage);
    for _ in 0..2 {
        let _ = device.encryption_event(ROOM, &content(9, WEEK_MS)).unwrap();
        let _ = device.history_visibility_event(ROOM, "shared").unwrap();
        let _ = device.history_visibility_event(ROOM, "invited").unwrap();
        let _ = device
            .member_event(ROOM, PreviousMembership::Known(Membership::Join), Membership::Leave, false)
            .unwrap();
        let _ = device.encryption_event(ROOM, &content(8, WEEK_MS)).unwrap();
    }
    assert_eq!(device.settings(ROOM).unwrap().rotation_period_msgs, 8);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::NoSession));
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
}

#[test]
fn events_delivered_again_before_the_next_message_end_one_session() {
    // K5
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    for _ in 0..3 {
        let noted = device
            .member_event(ROOM, PreviousMembership::Known(Membership::Join), Membership::Leave, false)
            .unwrap();
        assert_eq!(noted, Noted::EndsSession);
    }
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Departure));
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
}

// K6: never plaintext

fn never_plaintext() -> Config {
    Config { plaintext: false, ..Config::default() }
}

#[test]
fn a_device_that_never_sends_plaintext_blocks_a_room_that_is_not_encrypted() {
    // K6
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_with(&mut storage, never_plaintext());
    assert_eq!(send(&mut device, &clock, ROOM), Sent::Blocked(BlockReason::PlaintextForbidden));
}

#[test]
fn a_device_that_never_sends_plaintext_sends_to_encrypted_rooms() {
    // K6
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_with(&mut storage, never_plaintext());
    encrypt_room(&mut device, ROOM, 100, WEEK_MS);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::NoSession));
}

#[test]
fn incomplete_knowledge_goes_before_forbidden_plaintext() {
    // K6, K1: what is not known to be T1 is not K6
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = Device::new(&mut storage, never_plaintext());
    assert_eq!(send(&mut device, &clock, ROOM), Sent::Blocked(BlockReason::StateUnknown));
}

#[test]
fn every_block_reason_has_its_stable_name() {
    // T2
    let names = [
        (BlockReason::StateUnknown, "state_unknown"),
        (BlockReason::Capacity, "capacity"),
        (BlockReason::StoreDamaged, "store_damaged"),
        (BlockReason::UnsupportedAlgorithm, "unsupported_algorithm"),
        (BlockReason::MalformedSettings, "malformed_settings"),
        (BlockReason::PlaintextForbidden, "plaintext_forbidden"),
    ];
    for (reason, name) in names {
        assert_eq!(reason.name(), name);
    }
}

#[test]
fn a_resync_ends_complete_although_a_room_was_forgotten_in_its_course() {
    // K4: only an event that was refused stands in its way
    let (clock, mut storage) = (Millis::showing(0), Storage::<2>::new());
    let mut device = device(&mut storage);
    device.begin_resync();
    let _ = device.encryption_event(ROOM, MEGOLM).unwrap();
    let _ = device.forget(ROOM).unwrap();
    assert_eq!(device.end_resync(), Ok(()));
    assert!(matches!(support::decide(&mut device, &clock, ROOM), pawl_core::Decision::Plaintext(_)));
}
