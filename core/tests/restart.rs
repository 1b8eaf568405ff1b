//! Restarts and stored state (B1–B6), and what the device knows across them (K1, K4).

mod support;

use pawl_core::clock::Sleep;
use pawl_core::membership::{Membership, PreviousMembership};
use pawl_core::rotation::RotationReason;
use pawl_core::settings::{ChangePolicy, Limits};
use pawl_core::store::{Item, StoreError};
use pawl_core::{
    BlockReason, Config, DecideError, Decision, Device, Effect, EncryptionEventError, Noted, OpenError,
    Persistence, ResyncError, SharedError,
};
use support::stored::{Failure, World};
use support::{
    HOUR_MS, MEGOLM, OTHER_ROOM, REDACTED, ROOM, Sent, Session, UNSUPPORTED, WEEK_MS, content, encrypt_room,
    goes_on, resync, room, rotates, send, send_many, send_unshared, share_request, start_session,
};

const JOINED: PreviousMembership = PreviousMembership::Known(Membership::Join);

/// A world with a device in [`ROOM`], that many messages a session, and nothing sent yet.
fn in_room(messages: u32) -> World<4> {
    let mut world = World::new();
    let (mut device, _) = world.boot();
    resync(&mut device);
    encrypt_room(&mut device, ROOM, messages, WEEK_MS);
    world
}

/// The same, with a session that has carried so many messages.
fn after(sent: u32, messages: u32) -> World<4> {
    let mut world = in_room(messages);
    let (mut device, outside) = world.boot();
    start_session(&mut device, &outside.clock, ROOM);
    send_many(&mut device, &outside.clock, ROOM, sent);
    world
}

// B1: what is durable

#[test]
fn a_first_start_knows_nothing() {
    // K1, B1
    let mut world = World::<4>::new();
    let (mut device, outside) = world.boot();
    assert_eq!(device.incomplete(), Some(BlockReason::StateUnknown));
    assert_eq!(send(&mut device, &outside.clock, ROOM), Sent::Blocked(BlockReason::StateUnknown));
    assert_eq!(outside.memory.written(), [Item::Device]);
}

#[test]
fn a_room_is_encrypted_after_a_restart_whatever_its_content_was() {
    // S1, B1
    for (content, sent) in [
        (MEGOLM, rotates(RotationReason::NoSession)),
        (UNSUPPORTED, Sent::Blocked(BlockReason::UnsupportedAlgorithm)),
        (REDACTED, Sent::Blocked(BlockReason::MalformedSettings)),
    ] {
        let mut world = World::<4>::new();
        let (mut device, _) = world.boot();
        resync(&mut device);
        let _ = device.encryption_event(ROOM, content).unwrap();
        let (mut device, outside) = world.boot();
        assert_eq!(send(&mut device, &outside.clock, ROOM), sent);
        assert_eq!(send(&mut device, &outside.clock, OTHER_ROOM), Sent::Plaintext);
    }
}

#[test]
fn settings_come_back_as_they_were() {
    // B1
    let mut world = World::<4>::new();
    let (mut device, _) = world.boot();
    let with_state_events = br#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":7,
        "rotation_period_ms":7200000,"encrypt_state_events":true}"#;
    let before = device.encryption_event(ROOM, with_state_events).unwrap().in_force;
    let (mut device, _) = world.boot();
    assert_eq!(device.settings(ROOM), before);
    // The policy goes on from them.
    assert_eq!(device.encryption_event(ROOM, &content(8, 2 * HOUR_MS)).unwrap().effect, Effect::Unchanged);
}

#[test]
fn stored_settings_obey_the_limits_of_this_start() {
    // P6: "effective" is after the limits, also those of a newer firmware
    let mut world = World::<4>::new();
    let (mut device, _) = world.boot();
    encrypt_room(&mut device, ROOM, 500, WEEK_MS);
    encrypt_room(&mut device, OTHER_ROOM, 2, HOUR_MS);
    world.config.limits = Limits::new(10..=100, 2 * HOUR_MS..=24 * HOUR_MS).unwrap();
    let (device, _) = world.boot();
    let of = |room| device.settings(room).map(|it| (it.rotation_period_msgs, it.rotation_period_ms)).unwrap();
    assert_eq!(of(ROOM), (100, 24 * HOUR_MS));
    assert_eq!(of(OTHER_ROOM), (10, 2 * HOUR_MS));
}

#[test]
fn a_reset_outlives_a_restart() {
    // S5, B1
    let mut world = in_room(10);
    let (mut device, _) = world.boot();
    assert!(device.reset_settings(ROOM).unwrap());
    let (mut device, _) = world.boot();
    assert_eq!(device.encryption_event(ROOM, &content(90, WEEK_MS)).unwrap().effect, Effect::Enabled);
    let (mut device, _) = world.boot();
    assert_eq!(device.encryption_event(ROOM, &content(95, WEEK_MS)).unwrap().effect, Effect::Unchanged);
}

#[test]
fn shared_history_outlives_a_restart() {
    // E3, B1
    let mut world = in_room(10);
    let (mut device, _) = world.boot();
    assert_eq!(device.history_visibility_event(ROOM, "shared").unwrap(), Noted::NoEffect);
    let (mut device, outside) = world.boot();
    let request = share_request(&mut device, &outside.clock, ROOM);
    assert_eq!(support::room_key(&device, &request)["shared_history"], true);
}

#[test]
fn knowledge_and_its_cause_outlive_a_restart() {
    // K1–K3, B1
    let mut world = World::<1>::new();
    let (mut device, _) = world.boot();
    resync(&mut device);
    let (mut device, _) = world.boot();
    assert_eq!(device.incomplete(), None);
    encrypt_room(&mut device, ROOM, 10, WEEK_MS);
    assert_eq!(device.encryption_event(OTHER_ROOM, MEGOLM), Err(EncryptionEventError::TableFull));
    let (mut device, outside) = world.boot();
    assert_eq!(send(&mut device, &outside.clock, OTHER_ROOM), Sent::Blocked(BlockReason::Capacity));
    assert!(device.forget(ROOM).unwrap());
    let (mut device, outside) = world.boot();
    assert_eq!(send(&mut device, &outside.clock, ROOM), Sent::Blocked(BlockReason::StateUnknown));
    assert!(!device.is_known_encrypted(ROOM));
}

#[test]
fn a_restart_ends_a_resync_without_success() {
    // K4
    let mut world = World::<4>::new();
    let (mut device, _) = world.boot();
    device.begin_resync();
    let (mut device, _) = world.boot();
    assert_eq!(device.end_resync(), Err(ResyncError::NotBegun));
    assert_eq!(device.incomplete(), Some(BlockReason::StateUnknown));
}

#[test]
fn only_a_change_is_stored() {
    // B1, K5
    let mut world = in_room(100);
    let (mut device, outside) = world.boot();
    outside.memory.written();
    encrypt_room(&mut device, ROOM, 100, WEEK_MS);
    resync(&mut device);
    device.history_visibility_event(ROOM, "joined").unwrap();
    device.member_event(ROOM, JOINED, Membership::Leave, false).unwrap(); // no session
    device.forget(OTHER_ROOM).unwrap();
    assert_eq!(outside.memory.written(), []);
    encrypt_room(&mut device, ROOM, 90, WEEK_MS);
    assert_eq!(outside.memory.written(), [Item::Room(0)]);
    device.history_visibility_event(ROOM, "shared").unwrap();
    assert_eq!(outside.memory.written(), [Item::Room(0)]);
    device.history_visibility_event(ROOM, "world_readable").unwrap();
    assert_eq!(outside.memory.written(), []);
}

#[test]
fn what_an_event_or_a_message_writes_is_bounded() {
    // B1: the manual's table
    let mut world = in_room(100);
    let (mut device, outside) = world.boot();
    outside.memory.written();
    let clock = &outside.clock;
    let request = share_request(&mut device, clock, ROOM);
    assert_eq!(outside.memory.written(), [Item::Room(0)]); // a new session
    device.shared(&request).unwrap();
    assert_eq!(outside.memory.written(), [Item::Session(0)]); // its first share
    send_many(&mut device, clock, ROOM, 16);
    assert_eq!(outside.memory.written(), []);
    send_many(&mut device, clock, ROOM, 1);
    assert_eq!(outside.memory.written(), [Item::Session(0)]); // a mark
    device.member_event(ROOM, JOINED, Membership::Ban, false).unwrap();
    assert_eq!(outside.memory.written(), [Item::Room(0)]);
    device.member_event(ROOM, JOINED, Membership::Leave, false).unwrap(); // already pending
    assert_eq!(outside.memory.written(), []);
    let request = share_request(&mut device, clock, ROOM);
    outside.memory.written();
    device.device_removed(ROOM).unwrap(); // nothing of it is stored before the session is
    assert_eq!(outside.memory.written(), []);
    device.shared(&request).unwrap();
    assert_eq!(outside.memory.written(), [Item::Room(0), Item::Session(0)]);
    device.forget(ROOM).unwrap();
    assert_eq!(outside.memory.written(), [Item::Device, Item::Room(0)]);
    device.begin_resync();
    device.end_resync().unwrap();
    assert_eq!(outside.memory.written(), [Item::Device]);
    device.slept(Sleep::Unknown).unwrap();
    assert_eq!(outside.memory.written(), [Item::Device]);
}

// B2: reservation

#[test]
fn after_a_power_cut_count_and_index_are_the_mark() {
    // B2
    for (sent, mark) in [(0, 16), (1, 16), (16, 16), (17, 32), (96, 96), (97, 100)] {
        let mut world = after(sent, 100);
        let (mut device, outside) = world.boot();
        let expected = if mark < 100 { goes_on(mark) } else { rotates(RotationReason::Messages) };
        assert_eq!(send(&mut device, &outside.clock, ROOM), expected, "after {sent}");
    }
}

#[test]
fn the_count_is_the_mark_too() {
    // B2, T5: 16 + 84 messages
    let mut world = after(1, 100);
    let (mut device, outside) = world.boot();
    send_many(&mut device, &outside.clock, ROOM, 84);
    assert_eq!(send(&mut device, &outside.clock, ROOM), rotates(RotationReason::Messages));
}

#[test]
fn a_clean_shutdown_keeps_count_and_index() {
    // B2
    for sent in [0, 1, 15, 16, 17, 99] {
        let mut world = after(0, 100);
        let (mut device, outside) = world.boot(); // unclean: at 16
        assert_eq!(send(&mut device, &outside.clock, ROOM), goes_on(16));
        let mut world = in_room(100);
        let (mut device, outside) = world.boot();
        start_session(&mut device, &outside.clock, ROOM);
        send_many(&mut device, &outside.clock, ROOM, sent);
        device.shut_down(&outside.clock).unwrap();
        let (mut device, outside) = world.boot();
        assert_eq!(send(&mut device, &outside.clock, ROOM), goes_on(sent));
    }
}

#[test]
fn a_message_that_failed_is_counted_over_a_shutdown_and_has_no_index() {
    // B2, T9
    let mut world = in_room(3);
    let (mut device, outside) = world.boot();
    start_session(&mut device, &outside.clock, ROOM);
    let failed = support::permit(&mut device, &outside.clock, ROOM).encrypt(
        &support::EVENT,
        &support::SENDER,
        &mut [0; 8],
        &mut [0; 8],
    );
    assert!(failed.is_err());
    device.shut_down(&outside.clock).unwrap();
    let (mut device, outside) = world.boot();
    assert_eq!(send(&mut device, &outside.clock, ROOM), goes_on(0));
    assert_eq!(send(&mut device, &outside.clock, ROOM), goes_on(1));
    assert_eq!(send(&mut device, &outside.clock, ROOM), rotates(RotationReason::Messages));
}

#[test]
fn a_shutdown_that_failed_uses_no_index_twice() {
    // B1, B2: the lower mark may be the stored one
    for failure in [Failure::Before(StoreError::Slow), Failure::After(StoreError::Slow)] {
        let mut world = in_room(100);
        let (mut device, outside) = world.boot();
        start_session(&mut device, &outside.clock, ROOM);
        send_many(&mut device, &outside.clock, ROOM, 3);
        outside.memory.fail_after(0, failure);
        device.shut_down(&outside.clock).unwrap_err();
        outside.memory.work_again();
        assert_eq!(send(&mut device, &outside.clock, ROOM), goes_on(3));
        let (mut device, outside) = world.boot();
        assert_eq!(send(&mut device, &outside.clock, ROOM), goes_on(19));
    }
}

#[test]
fn a_departure_counts_against_a_session_whose_storing_failed() {
    // B1, E1: it may be in the store, and come back
    let mut world = in_room(100);
    let (mut device, outside) = world.boot();
    let request = share_request(&mut device, &outside.clock, ROOM);
    outside.memory.fail_after(0, Failure::After(StoreError::Slow));
    device.shared(&request).unwrap_err();
    outside.memory.work_again();
    device.member_event(ROOM, JOINED, Membership::Leave, false).unwrap();
    let (mut device, outside) = world.boot();
    assert_eq!(send(&mut device, &outside.clock, ROOM), rotates(RotationReason::Departure));
}

#[test]
fn a_reset_whose_settings_could_not_be_stored_leaves_the_tighter_ones() {
    // B1, S5
    let mut world = in_room(90);
    let (mut device, outside) = world.boot();
    device.reset_settings(ROOM).unwrap();
    for (asked, holds) in [(95, 90), (10, 10)] {
        outside.memory.fail_after(0, Failure::Before(StoreError::Full));
        device.encryption_event(ROOM, &content(asked, WEEK_MS)).unwrap_err();
        assert_eq!(limit(&device), holds);
    }
    // The reset itself still stands.
    outside.memory.work_again();
    assert_eq!(device.encryption_event(ROOM, &content(95, WEEK_MS)).unwrap().effect, Effect::Enabled);
}

#[test]
fn a_device_may_go_on_after_a_shutdown() {
    // B2: no index is used twice
    let mut world = in_room(100);
    let (mut device, outside) = world.boot();
    start_session(&mut device, &outside.clock, ROOM);
    send_many(&mut device, &outside.clock, ROOM, 3);
    device.shut_down(&outside.clock).unwrap();
    send_many(&mut device, &outside.clock, ROOM, 2); // 3, 4
    let (mut device, outside) = world.boot();
    assert_eq!(send(&mut device, &outside.clock, ROOM), goes_on(19));
}

#[test]
fn the_mark_is_a_quarter_of_the_limit_ahead_at_most_and_never_above_it() {
    // B2: min(R, max(1, limit ÷ 4))
    for (limit, reservation, marks) in [
        (100, 16, [16, 32, 48]),
        (100, 64, [25, 50, 75]),
        (10, 16, [2, 4, 6]),
        (3, 16, [1, 2, 3]),
        (7, 2, [1, 2, 3]),
        (100, 1, [1, 2, 3]),
    ] {
        let mut world = World::<4> { reservation, ..in_room(limit) };
        let (mut device, outside) = world.boot();
        start_session(&mut device, &outside.clock, ROOM);
        for mark in marks {
            let (mut device, outside) = world.boot();
            let sent = send(&mut device, &outside.clock, ROOM); // the message at the mark stores the next one
            let expected = if mark < limit { goes_on(mark) } else { rotates(RotationReason::Messages) };
            assert_eq!(sent, expected, "{limit} {reservation}");
        }
    }
}

#[test]
fn the_last_mark_is_the_limit_that_was_in_force() {
    // B2: had it been beyond the limit, a looser one would show it
    let mut world = after(97, 100);
    world.config.policy = ChangePolicy::Follow;
    let (mut device, outside) = world.boot();
    encrypt_room(&mut device, ROOM, 200, WEEK_MS);
    assert_eq!(send(&mut device, &outside.clock, ROOM), goes_on(100));
}

#[test]
fn a_tightened_limit_below_the_mark_replaces_the_session() {
    // B2, T5, T7
    let mut world = after(1, 100);
    let (mut device, outside) = world.boot();
    encrypt_room(&mut device, ROOM, 10, WEEK_MS);
    assert_eq!(send(&mut device, &outside.clock, ROOM), rotates(RotationReason::Messages));
}

#[test]
fn no_message_goes_out_at_the_mark_before_a_new_one_is_stored() {
    // B1, B2
    let mut world = after(16, 100);
    let (mut device, outside) = world.boot(); // count 16 = mark
    outside.memory.fail_after(0, Failure::Before(StoreError::Full));
    let create = || Ok::<_, core::convert::Infallible>(Session::new());
    let decided = device.at(&outside.clock).unwrap().decide(ROOM, create);
    assert!(matches!(decided, Err(DecideError::Store(StoreError::Full))));
    outside.memory.work_again();
    assert_eq!(send(&mut device, &outside.clock, ROOM), goes_on(16));
}

#[test]
fn messages_after_a_restart_decrypt_with_the_room_key_of_before() {
    // B2: the session is the same, advanced
    let mut world = in_room(100);
    let (mut device, outside) = world.boot();
    let request = share_request(&mut device, &outside.clock, ROOM);
    let mut inbound = support::inbound(&support::room_key(&device, &request));
    device.shared(&request).unwrap();
    send_many(&mut device, &outside.clock, ROOM, 3);
    let (mut device, outside) = world.boot();
    let (index, encrypted) = support::encrypt(support::permit(&mut device, &outside.clock, ROOM));
    assert_eq!((index, support::decrypt(&mut inbound, &encrypted).1), (16, 16));
}

#[test]
fn what_is_stored_holds_no_key_of_a_message_that_was_sent() {
    // B2: a session key of the stored session begins at the mark
    let mut world = after(5, 100);
    let (device, _) = world.boot();
    let request = device.share_current(ROOM).unwrap();
    let inbound = support::inbound(&support::room_key(&device, &request));
    assert_eq!(inbound.first_known_index(), 16);
}

// B3: stamps

#[test]
fn age_goes_on_over_a_restart_to_the_millisecond() {
    // B3, T6
    let mut world = after(1, 100);
    world.stay_off(WEEK_MS - 10);
    let (mut device, outside) = world.boot();
    outside.pass(9);
    assert_eq!(send(&mut device, &outside.clock, ROOM), goes_on(16));
    outside.pass(1);
    assert_eq!(send(&mut device, &outside.clock, ROOM), rotates(RotationReason::Age));
}

#[test]
fn the_larger_of_two_ages_counts() {
    // B3: the device's own clock saw more time than the other
    let mut world = in_room(100);
    let (mut device, outside) = world.boot();
    start_session(&mut device, &outside.clock, ROOM);
    let rtc = outside.rtc.ms();
    outside.pass(WEEK_MS - 5);
    outside.rtc.show(rtc + 1_000, 1);
    device.shut_down(&outside.clock).unwrap();
    let (mut device, outside) = world.boot();
    outside.pass(4);
    assert_eq!(send(&mut device, &outside.clock, ROOM), goes_on(0));
    outside.pass(1);
    assert_eq!(send(&mut device, &outside.clock, ROOM), rotates(RotationReason::Age));
}

#[test]
fn a_stamp_clock_that_was_set_anew_makes_the_age_unknown() {
    // B3
    let mut world = after(1, 100);
    let ms = world.outside.rtc.ms();
    world.outside.rtc.show(ms + 1_000, 2);
    let (mut device, outside) = world.boot();
    assert_eq!(send(&mut device, &outside.clock, ROOM), rotates(RotationReason::AgeUnknown));
}

#[test]
fn a_stamp_clock_that_went_back_makes_the_age_unknown_and_it_stays_unknown() {
    // B3
    let mut world = after(1, 100);
    let ms = world.outside.rtc.ms();
    world.outside.rtc.show(ms - 1, 1);
    let _ = world.boot();
    world.outside.rtc.show(ms + 1_000, 1);
    let (mut device, outside) = world.boot();
    assert_eq!(send(&mut device, &outside.clock, ROOM), rotates(RotationReason::AgeUnknown));
}

#[test]
fn an_age_that_was_unknown_stays_unknown_over_a_restart() {
    // B3, C3, C5
    for made_unknown in [false, true] {
        let mut world = after(1, 100);
        let (mut device, outside) = world.boot();
        if made_unknown {
            device.slept(Sleep::Unknown).unwrap();
        } else {
            outside.clock.show(1_000);
            device.read_clock(&outside.clock).unwrap();
            outside.clock.show(500);
            device.read_clock(&outside.clock).unwrap();
        }
        for _ in 0..2 {
            let _ = world.boot();
        }
        let (mut device, outside) = world.boot();
        assert_eq!(send(&mut device, &outside.clock, ROOM), rotates(RotationReason::AgeUnknown));
        // One that is made afterwards has an age.
        let (mut device, outside) = world.boot();
        assert!(matches!(send(&mut device, &outside.clock, ROOM), Sent::Encrypted { rotation: None, .. }));
    }
}

#[test]
fn without_a_stamp_clock_a_restart_starts_without_sessions() {
    // B3
    let mut world = World::<4>::new();
    let (mut device, outside) = world.boot_without_sessions();
    resync(&mut device);
    encrypt_room(&mut device, ROOM, 100, WEEK_MS);
    assert_eq!(send(&mut device, &outside.clock, ROOM), rotates(RotationReason::NoSession));
    device.shut_down(&outside.clock).unwrap();
    assert!(!outside.memory.written().contains(&Item::Session(0)));
    let (mut device, outside) = world.boot_without_sessions();
    assert_eq!(send(&mut device, &outside.clock, ROOM), rotates(RotationReason::NoSession));
    assert_eq!(send(&mut device, &outside.clock, OTHER_ROOM), Sent::Plaintext);
}

#[test]
fn a_session_that_began_without_a_stamp_is_not_stored() {
    // B3
    let mut world = in_room(100);
    let (mut device, outside) = world.boot();
    let ms = outside.rtc.ms();
    outside.rtc.fail();
    start_session(&mut device, &outside.clock, ROOM);
    send_many(&mut device, &outside.clock, ROOM, 40);
    outside.rtc.show(ms, 1);
    device.shut_down(&outside.clock).unwrap();
    let (mut device, outside) = world.boot();
    assert_eq!(send(&mut device, &outside.clock, ROOM), rotates(RotationReason::NoSession));
}

#[test]
fn sessions_that_a_start_discarded_do_not_come_back() {
    // B3: once by a stamp clock that cannot be read, once by a firmware that stores none
    for by_firmware in [false, true] {
        let mut world = after(1, 100);
        let ms = world.outside.rtc.ms();
        if by_firmware {
            let _ = world.boot_without_sessions();
        } else {
            world.outside.rtc.fail();
            let _ = world.boot();
            world.outside.rtc.show(ms, 1);
        }
        let (mut device, outside) = world.boot();
        assert_eq!(send(&mut device, &outside.clock, ROOM), rotates(RotationReason::NoSession));
        assert_eq!(device.incomplete(), None);
    }
}

#[test]
fn what_was_pending_is_pending_after_a_restart() {
    // B1, E1–E4, T4
    let mut world = after(1, 100);
    let (mut device, _) = world.boot();
    device.history_visibility_event(ROOM, "shared").unwrap();
    device.history_visibility_event(ROOM, "joined").unwrap();
    let (mut device, _) = world.boot();
    device.member_event(ROOM, JOINED, Membership::Leave, false).unwrap();
    let (mut device, outside) = world.boot();
    assert_eq!(send(&mut device, &outside.clock, ROOM), rotates(RotationReason::Departure));
    let (mut device, outside) = world.boot();
    assert_eq!(send(&mut device, &outside.clock, ROOM), goes_on(16));
}

// B4

#[test]
fn a_session_whose_key_was_not_shared_is_discarded() {
    // B4
    for clean in [false, true] {
        let mut world = in_room(100);
        let (mut device, outside) = world.boot();
        send_unshared(&mut device, &outside.clock, ROOM);
        if clean {
            device.shut_down(&outside.clock).unwrap();
        }
        let (mut device, outside) = world.boot();
        assert_eq!(send(&mut device, &outside.clock, ROOM), rotates(RotationReason::NoSession));
    }
}

#[test]
fn the_session_before_one_that_was_not_shared_does_not_come_back() {
    // B4
    let mut world = after(3, 100);
    let (mut device, outside) = world.boot();
    device.request_rotation(ROOM).unwrap();
    send_unshared(&mut device, &outside.clock, ROOM);
    let (mut device, outside) = world.boot();
    assert_eq!(send(&mut device, &outside.clock, ROOM), rotates(RotationReason::NoSession));
}

#[test]
fn a_share_that_could_not_be_stored_does_not_count() {
    // B1, T8
    let mut world = in_room(100);
    let (mut device, outside) = world.boot();
    let request = share_request(&mut device, &outside.clock, ROOM);
    outside.memory.fail_after(0, Failure::After(StoreError::Failed));
    assert_eq!(device.shared(&request), Err(SharedError::Store(StoreError::Failed)));
    outside.memory.work_again();
    let again = share_request(&mut device, &outside.clock, ROOM);
    assert_eq!(again.started, None);
    device.shared(&again).unwrap();
    assert_eq!(send(&mut device, &outside.clock, ROOM), goes_on(0));
}

// B5: what does not check out

/// What becomes of a device in two rooms, with sessions, when its store is changed while it is off.
fn damaged_by(damage: impl Fn(&support::stored::Memory)) -> (Option<BlockReason>, [Sent; 2], Sent) {
    let mut world = after(3, 100);
    let (mut device, outside) = world.boot();
    encrypt_room(&mut device, OTHER_ROOM, 50, WEEK_MS);
    start_session(&mut device, &outside.clock, OTHER_ROOM);
    damage(&world.outside.memory);
    let (mut device, outside) = world.boot();
    let incomplete = device.incomplete();
    let sent = [send(&mut device, &outside.clock, ROOM), send(&mut device, &outside.clock, OTHER_ROOM)];
    let unknown = send(&mut device, &outside.clock, room("!unknown:example.org"));
    // Whatever was damaged is mended by a resync, and stays so.
    resync(&mut device);
    let (device, _) = world.boot();
    assert_eq!(device.incomplete(), None);
    (incomplete, sent, unknown)
}

const NEW: Sent = rotates(RotationReason::NoSession);
const DAMAGED: Sent = Sent::Blocked(BlockReason::StoreDamaged);

#[test]
fn a_flipped_bit_anywhere_discards_every_session_and_completes_nothing() {
    // B5: every byte of every item
    let mut world = after(3, 100);
    let (mut device, outside) = world.boot();
    encrypt_room(&mut device, OTHER_ROOM, 50, WEEK_MS);
    start_session(&mut device, &outside.clock, OTHER_ROOM);
    let stored = world.outside.memory.copy();
    for (item, bytes) in &stored {
        for at in 0..bytes.len() {
            *world.outside.memory.items.borrow_mut() = stored.clone();
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            world.outside.memory.set(*item, &damaged);
            let (device, _) = world.boot();
            assert_eq!(device.incomplete(), Some(BlockReason::StoreDamaged), "{item:?} {at}");
            for room in [ROOM, OTHER_ROOM] {
                assert_eq!(device.share_current(room), None, "{item:?} {at}");
            }
            // Once is enough: it is written over.
            let (device, outside) = world.boot();
            assert_eq!(device.incomplete(), Some(BlockReason::StoreDamaged));
            let _ = device;
            let _ = outside.memory.written();
            let (_, outside) = world.boot();
            assert_eq!(outside.memory.written(), [], "{item:?} {at}");
        }
    }
}

#[test]
fn an_item_that_is_cut_short_or_too_long_is_damage() {
    // B5
    for item in [Item::Device, Item::Room(0), Item::Session(0), Item::Room(1), Item::Session(1)] {
        for change in [-1, 1] {
            let (incomplete, sent, unknown) = damaged_by(|memory| {
                let mut bytes = memory.get(item);
                bytes.resize(bytes.len().checked_add_signed(change).unwrap(), 0);
                memory.set(item, &bytes);
            });
            let blocked_or_new = |sent| sent == NEW || sent == DAMAGED;
            assert_eq!((incomplete, unknown), (Some(BlockReason::StoreDamaged), DAMAGED));
            assert!(sent.into_iter().all(blocked_or_new), "{item:?} {sent:?}");
        }
    }
}

#[test]
fn a_room_whose_record_is_damaged_is_blocked() {
    // B5, K1
    let damage = |memory: &support::stored::Memory| memory.set(Item::Room(0), &[0; 284]);
    assert_eq!(damaged_by(damage), (Some(BlockReason::StoreDamaged), [DAMAGED, NEW], DAMAGED));
}

#[test]
fn a_missing_device_record_is_damage_where_there_are_rooms() {
    // B5
    let damage = |memory: &support::stored::Memory| {
        memory.items.borrow_mut().remove(&Item::Device);
    };
    assert_eq!(damaged_by(damage), (Some(BlockReason::StoreDamaged), [NEW, NEW], DAMAGED));
}

#[test]
fn records_that_were_swapped_between_rooms_are_damage() {
    // B5
    for (one, other) in [(Item::Room(0), Item::Room(1)), (Item::Session(0), Item::Session(1))] {
        let (incomplete, ..) = damaged_by(|memory| {
            let (first, second) = (memory.get(one), memory.get(other));
            memory.set(one, &second);
            memory.set(other, &first);
        });
        assert_eq!(incomplete, Some(BlockReason::StoreDamaged));
    }
}

#[test]
fn a_sealed_session_that_is_ahead_of_its_room_is_damage() {
    // B5: an older copy of the room's record
    let mut world = after(3, 100);
    let old = world.outside.memory.get(Item::Room(0));
    let (mut device, outside) = world.boot();
    device.request_rotation(ROOM).unwrap();
    start_session(&mut device, &outside.clock, ROOM);
    outside.memory.set(Item::Room(0), &old);
    let (mut device, outside) = world.boot();
    assert_eq!(device.incomplete(), Some(BlockReason::StoreDamaged));
    assert_eq!(send(&mut device, &outside.clock, ROOM), NEW);
}

#[test]
fn an_older_sealed_session_than_the_room_says_is_not_used() {
    // B2, B4
    let mut world = after(3, 100);
    let old = world.outside.memory.get(Item::Session(0));
    let (mut device, outside) = world.boot();
    device.request_rotation(ROOM).unwrap();
    start_session(&mut device, &outside.clock, ROOM);
    outside.memory.set(Item::Session(0), &old);
    let (mut device, outside) = world.boot();
    assert_eq!(send(&mut device, &outside.clock, ROOM), NEW);
}

#[test]
fn another_key_opens_nothing() {
    // B5
    let mut world = World { key: [8; 32], ..after(3, 100) };
    let (mut device, outside) = world.boot();
    assert_eq!(device.incomplete(), Some(BlockReason::StoreDamaged));
    assert_eq!(send(&mut device, &outside.clock, ROOM), NEW);
}

#[test]
fn a_room_at_several_places_in_the_store_is_damage_and_none_is_used() {
    // B5: sequence
    for places in [&[3][..], &[1, 3], &[1, 2, 3]] {
        let mut world = in_room(100);
        for &place in places {
            let mut bytes = world.outside.memory.get(Item::Room(0));
            bytes[2] = place;
            let checksum = crc32(&bytes[..280]);
            bytes[280..].copy_from_slice(&checksum.to_le_bytes());
            world.outside.memory.set(Item::Room(place.into()), &bytes);
        }
        let (mut device, outside) = world.boot();
        assert_eq!(send(&mut device, &outside.clock, ROOM), DAMAGED, "{places:?}");
        let (device, outside) = world.boot();
        assert!(!device.is_known_encrypted(ROOM), "{places:?}");
        outside.memory.written();
    }
}

/// As the records' documentation says, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & 0u32.wrapping_sub(crc & 1)))
    })
}

#[test]
fn a_store_that_cannot_be_read_or_written_is_an_error_and_nothing_else() {
    // B1
    let mut world = World::<4>::new();
    world.outside.memory.fail_after(0, Failure::Before(StoreError::Slow));
    let (device, outside) = world.try_boot();
    assert_eq!(device.err(), Some(OpenError::Store(StoreError::Slow)));
    outside.memory.work_again();
    let (device, _) = world.boot();
    assert_eq!(device.incomplete(), Some(BlockReason::StateUnknown));
}

#[test]
fn a_room_whose_record_is_gone_is_damage_where_knowledge_was_complete() {
    // B5, S1: it would be plaintext
    let mut world = in_room(10);
    world.outside.memory.items.borrow_mut().remove(&Item::Room(0));
    let (mut device, outside) = world.boot();
    assert_eq!(send(&mut device, &outside.clock, ROOM), DAMAGED);
    // A room that came when knowledge was complete counts, and one that was forgotten does not.
    resync(&mut device);
    encrypt_room(&mut device, ROOM, 10, WEEK_MS);
    encrypt_room(&mut device, OTHER_ROOM, 10, WEEK_MS);
    device.forget(ROOM).unwrap();
    resync(&mut device);
    let (device, _) = world.boot();
    assert_eq!(device.incomplete(), None);
    world.outside.memory.items.borrow_mut().remove(&Item::Room(1));
    let (device, _) = world.boot();
    assert_eq!(device.incomplete(), Some(BlockReason::StoreDamaged));
}

#[test]
fn sessions_without_any_record_are_damage() {
    // B5
    let mut world = after(3, 100);
    for item in [Item::Device, Item::Room(0)] {
        world.outside.memory.items.borrow_mut().remove(&item);
    }
    let (device, _) = world.boot();
    assert_eq!(device.incomplete(), Some(BlockReason::StoreDamaged));
}

#[test]
fn damage_in_a_room_and_its_session_is_found_once() {
    // B5
    let mut world = after(3, 100);
    for item in [Item::Room(0), Item::Session(0)] {
        world.outside.memory.set(item, &[1; 30]);
    }
    let (mut device, outside) = world.boot();
    assert_eq!(device.incomplete(), Some(BlockReason::StoreDamaged));
    resync(&mut device);
    encrypt_room(&mut device, OTHER_ROOM, 100, WEEK_MS);
    start_session(&mut device, &outside.clock, OTHER_ROOM);
    let (mut device, outside) = world.boot();
    assert_eq!(device.incomplete(), None);
    assert_eq!(send(&mut device, &outside.clock, OTHER_ROOM), goes_on(16));
}

#[test]
fn damage_while_only_rooms_are_stored_brings_no_session_back() {
    // B3, B5
    let mut world = after(3, 100);
    let _ = world.boot_without_sessions();
    world.outside.memory.set(Item::Device, &[0; 24]);
    let (mut device, _) = world.boot_without_sessions();
    assert_eq!(device.incomplete(), Some(BlockReason::StoreDamaged));
    device.member_event(ROOM, JOINED, Membership::Leave, false).unwrap();
    resync(&mut device);
    for _ in 0..2 {
        let (device, _) = world.boot();
        assert_eq!((device.incomplete(), device.share_current(ROOM)), (None, None));
    }
}

#[test]
fn a_record_beyond_the_table_is_not_believed_when_the_table_grows() {
    // B5
    let mut world = in_room(100);
    let (mut device, _) = world.boot();
    encrypt_room(&mut device, OTHER_ROOM, 100, WEEK_MS);
    let memory = core::mem::take(&mut world.outside.memory);
    let mut smaller = World::<1>::new();
    smaller.outside.memory = memory;
    smaller.outside.memory.set(Item::Device, &[0; 24]);
    let (mut device, _) = smaller.boot();
    resync(&mut device);
    world.outside.memory = smaller.outside.memory;
    let (device, _) = world.boot();
    assert_eq!(device.incomplete(), Some(BlockReason::StoreDamaged));
    assert!(!device.is_known_encrypted(OTHER_ROOM));
}

#[test]
fn a_buffer_too_short_for_sealed_sessions_is_an_error_and_no_damage() {
    // B5: nothing is written over
    let mut world = after(3, 100);
    world.buffer.pop();
    let before = world.outside.memory.copy();
    assert_eq!(world.try_boot().0.err(), Some(OpenError::BufferTooShort));
    assert_eq!(world.outside.memory.copy(), before);
    world.buffer.push(0);
    let (mut device, outside) = world.boot();
    assert_eq!(send(&mut device, &outside.clock, ROOM), goes_on(16));
}

// B1: a store that fails

#[test]
fn an_encryption_event_that_cannot_be_stored_encrypts_the_room_nonetheless() {
    // S1, B1
    for failure in [Failure::Before(StoreError::Full), Failure::After(StoreError::Failed)] {
        let mut world = World::<4>::new();
        let (mut device, outside) = world.boot();
        resync(&mut device);
        outside.memory.fail_after(0, failure);
        assert!(matches!(device.encryption_event(ROOM, MEGOLM), Err(EncryptionEventError::Store(_))));
        assert!(device.is_known_encrypted(ROOM));
        let create = || Ok::<_, core::convert::Infallible>(Session::new());
        let decided = device.at(&outside.clock).unwrap().decide(ROOM, create);
        assert!(matches!(decided, Err(DecideError::Store(_))));
        // Delivered again, it is stored.
        outside.memory.work_again();
        assert_eq!(device.encryption_event(ROOM, MEGOLM).unwrap().effect, Effect::Unchanged);
        let (mut device, outside) = world.boot();
        assert_eq!(send(&mut device, &outside.clock, ROOM), NEW);
    }
}

fn limit<P: Persistence<Session>>(device: &Device<'_, Session, P>) -> u32 {
    device.settings(ROOM).unwrap().rotation_period_msgs
}

#[test]
fn of_two_settings_of_which_one_is_stored_the_tighter_holds() {
    // B1
    let mut world = in_room(50);
    world.config = Config { policy: ChangePolicy::Follow, ..Config::default() };
    let (mut device, outside) = world.boot();
    outside.memory.fail_after(0, Failure::Before(StoreError::Full));
    device.encryption_event(ROOM, &content(60, WEEK_MS)).unwrap_err();
    assert_eq!(limit(&device), 50);
    device.encryption_event(ROOM, &content(40, WEEK_MS)).unwrap_err();
    assert_eq!(limit(&device), 40);
    // Once the store works, redelivery stores what holds.
    outside.memory.work_again();
    device.encryption_event(ROOM, &content(40, WEEK_MS)).unwrap();
    let (device, _) = world.boot();
    assert_eq!(limit(&device), 40);
}

#[test]
fn a_departure_that_cannot_be_stored_ends_the_session_nonetheless() {
    // B1, E1
    let mut world = after(1, 100);
    let (mut device, outside) = world.boot();
    outside.memory.fail_after(0, Failure::Before(StoreError::Full));
    assert_eq!(device.member_event(ROOM, JOINED, Membership::Leave, false), Err(StoreError::Full));
    outside.memory.work_again();
    // Redelivered, it is stored although it is pending already.
    device.member_event(ROOM, JOINED, Membership::Leave, false).unwrap();
    let (mut device, outside) = world.boot();
    assert_eq!(send(&mut device, &outside.clock, ROOM), rotates(RotationReason::Departure));
}

#[test]
fn a_reset_that_cannot_be_stored_is_none() {
    // B1, S5
    let mut world = in_room(10);
    let (mut device, outside) = world.boot();
    outside.memory.fail_after(0, Failure::Before(StoreError::Full));
    assert_eq!(device.reset_settings(ROOM), Err(StoreError::Full));
    outside.memory.work_again();
    assert_eq!(device.encryption_event(ROOM, &content(90, WEEK_MS)).unwrap().effect, Effect::Unchanged);
}

#[test]
fn a_room_is_forgotten_only_once_it_is_stored_that_knowledge_is_not_complete() {
    // K3, B1
    for successes in [0, 1] {
        let mut world = after(1, 100);
        let (mut device, outside) = world.boot();
        outside.memory.fail_after(successes, Failure::Before(StoreError::Failed));
        assert_eq!(device.forget(ROOM), Err(StoreError::Failed));
        assert!(device.is_known_encrypted(ROOM));
        assert!(!something_is_sent(&mut device, outside));
        outside.memory.work_again();
        let (mut device, outside) = world.boot();
        assert!(device.is_known_encrypted(ROOM));
        assert_eq!(send(&mut device, &outside.clock, ROOM), goes_on(16));
    }
}

/// Whether a message to [`OTHER_ROOM`] would go out.
fn something_is_sent(
    device: &mut Device<'_, Session, support::stored::WithSessions<'_>>,
    outside: &support::stored::Outside,
) -> bool {
    let create = || Ok::<_, core::convert::Infallible>(Session::new());
    match device.at(&outside.clock) {
        Ok(moment) => !matches!(moment.decide(OTHER_ROOM, create), Ok(Decision::Blocked(_)) | Err(_)),
        Err(_) => false,
    }
}

#[test]
fn knowledge_that_cannot_be_stored_is_not_complete_and_the_resync_goes_on() {
    // K4, B1
    let mut world = World::<4>::new();
    let (mut device, outside) = world.boot();
    device.begin_resync();
    outside.memory.fail_after(0, Failure::After(StoreError::Failed));
    assert_eq!(device.end_resync(), Err(ResyncError::Store(StoreError::Failed)));
    assert_eq!(device.incomplete(), Some(BlockReason::StateUnknown));
    outside.memory.work_again();
    device.end_resync().unwrap();
    let (device, _) = world.boot();
    assert_eq!(device.incomplete(), None);
}

#[test]
fn a_room_that_could_not_be_stored_is_stored_before_knowledge_is_complete() {
    // K4, S1: the application ignored the error
    let mut world = World::<4>::new();
    let (mut device, outside) = world.boot();
    device.begin_resync();
    outside.memory.fail_after(0, Failure::Before(StoreError::Failed));
    device.encryption_event(ROOM, MEGOLM).unwrap_err();
    assert_eq!(device.end_resync(), Err(ResyncError::Store(StoreError::Failed)));
    outside.memory.work_again();
    device.end_resync().unwrap();
    let (mut device, outside) = world.boot();
    assert_eq!(send(&mut device, &outside.clock, ROOM), NEW);
}

#[test]
fn a_new_session_whose_number_cannot_be_stored_is_not_used_nor_is_the_old_one() {
    // T11, B1
    for failure in [Failure::Before(StoreError::Full), Failure::After(StoreError::Failed)] {
        let mut world = after(1, 100);
        let (mut device, outside) = world.boot();
        device.request_rotation(ROOM).unwrap();
        outside.memory.fail_after(0, failure);
        let create = || Ok::<_, core::convert::Infallible>(Session::new());
        let decided = device.at(&outside.clock).unwrap().decide(ROOM, create);
        assert!(matches!(decided, Err(DecideError::Store(_))));
        outside.memory.work_again();
        assert_eq!(send(&mut device, &outside.clock, ROOM), rotates(RotationReason::Requested));
        let (mut device, outside) = world.boot();
        assert_eq!(send(&mut device, &outside.clock, ROOM), goes_on(16));
    }
}

#[test]
fn ages_that_become_unknown_and_cannot_be_stored_are_unknown_and_nothing_is_sent() {
    // B1, C3
    let mut world = after(1, 100);
    let (mut device, outside) = world.boot();
    outside.memory.fail_after(0, Failure::Before(StoreError::Failed));
    assert!(device.slept(Sleep::Unknown).is_err());
    assert!(device.at(&outside.clock).is_err());
    outside.memory.work_again();
    assert_eq!(send(&mut device, &outside.clock, ROOM), rotates(RotationReason::AgeUnknown));
}

// A table that is not what it was

#[test]
fn a_place_that_was_free_is_used_again() {
    // K3, B2: what was stored of its session is for nobody
    let mut world = after(1, 100);
    let (mut device, _) = world.boot();
    device.forget(ROOM).unwrap();
    encrypt_room(&mut device, OTHER_ROOM, 100, WEEK_MS);
    let (mut device, outside) = world.boot();
    assert_eq!(device.incomplete(), Some(BlockReason::StateUnknown));
    assert_eq!(send(&mut device, &outside.clock, OTHER_ROOM), NEW);
}

#[test]
fn rooms_find_a_place_in_a_smaller_table_or_are_refused() {
    // K2, B1
    let mut world = World::<4>::new();
    let (mut device, _) = world.boot();
    resync(&mut device);
    for id in ["!a:x", "!b:x", "!c:x", "!d:x"] {
        encrypt_room(&mut device, room(id), 10, WEEK_MS);
    }
    device.forget(room("!a:x")).unwrap();
    resync(&mut device);
    for (places_are_enough, incomplete) in [(true, None), (false, Some(BlockReason::Capacity))] {
        let memory = core::mem::take(&mut world.outside.memory);
        let mut smaller = World::<3>::new();
        let mut smallest = World::<2>::new();
        if places_are_enough {
            smaller.outside.memory = memory;
            for _ in 0..2 {
                let (device, _) = smaller.boot();
                assert_eq!(device.incomplete(), incomplete);
                for id in ["!b:x", "!c:x", "!d:x"] {
                    assert!(device.is_known_encrypted(room(id)), "{id}");
                }
            }
            world.outside.memory = smaller.outside.memory;
        } else {
            smallest.outside.memory = memory;
            for _ in 0..2 {
                let (device, _) = smallest.boot();
                assert_eq!(device.incomplete(), incomplete);
            }
            // A larger table does not bring back what was refused.
            world.outside.memory = smallest.outside.memory;
            let (device, _) = world.boot();
            assert_eq!(device.incomplete(), incomplete);
        }
    }
}

#[test]
fn a_session_does_not_come_back_with_a_table_that_shrinks_and_grows() {
    // B4, K3
    let mut large = World::<3>::new();
    let (mut device, outside) = large.boot();
    resync(&mut device);
    for id in [room("!a:x"), room("!b:x"), ROOM] {
        encrypt_room(&mut device, id, 100, WEEK_MS);
    }
    start_session(&mut device, &outside.clock, ROOM);
    send_many(&mut device, &outside.clock, ROOM, 3);
    device.forget(room("!a:x")).unwrap();
    resync(&mut device);
    let mut small = World::<2>::new();
    small.outside.memory = core::mem::take(&mut large.outside.memory);
    let _ = small.boot(); // the room moves to the place that is free
    large.outside.memory = small.outside.memory;
    let (mut device, outside) = large.boot();
    device.forget(ROOM).unwrap();
    for id in [OTHER_ROOM, ROOM] {
        encrypt_room(&mut device, id, 100, WEEK_MS); // back to the last place, where its session was
    }
    resync(&mut device);
    let unshared = send_unshared(&mut device, &outside.clock, ROOM);
    assert_eq!(unshared, Sent::WaitingForShare(Some(RotationReason::NoSession)));
    let (mut device, outside) = large.boot();
    assert_eq!(device.incomplete(), None);
    assert_eq!(send(&mut device, &outside.clock, ROOM), NEW);
}
