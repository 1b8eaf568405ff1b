//! What happens when a message is to be sent (T1–T11), and what is then written.

mod support;

use core::cell::Cell;
use core::convert::Infallible;

use pawl_core::clock::Sleep;
use pawl_core::event::{Event, SendingDevice, WriteError};
use pawl_core::json::JsonError;
use pawl_core::membership::{Membership, PreviousMembership};
use pawl_core::rotation::RotationReason;
use pawl_core::session::{OutboundSession, SESSION_ID_LENGTH, SESSION_KEY_LENGTH};
use pawl_core::settings::{ChangePolicy, Limits};
use pawl_core::{
    BlockReason, Config, DecideError, Decision, Device, EncryptError, Encrypted, Permit, RoomKeyError,
    RoomStorage, SharedError,
};
use serde_json::{Value, json};
use support::{
    CiphertextTooLong, EVENT, HOUR_MS, MEGOLM, Millis, OTHER_ROOM, ROOM, SENDER, Sent, Session, Storage,
    UNSUPPORTED, WEEK_MS, content, decide, decrypt, device, device_in_room, device_with, encrypt,
    encrypt_event, encrypt_room, goes_on, inbound, message_index, new_device, permit, room, room_key,
    rotates, send, send_many, send_unshared, share_request, start_session,
};

fn depart(device: &mut Device<'_, Session>) {
    let _ = device
        .member_event(ROOM, PreviousMembership::Known(Membership::Join), Membership::Leave, false)
        .unwrap();
}

fn follow() -> Config {
    Config { policy: ChangePolicy::Follow, ..Config::default() }
}

// T1, T2

#[test]
fn a_plaintext_decision_makes_no_session() {
    // T1
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device(&mut storage);
    let decision = device
        .at(&clock)
        .unwrap()
        .decide(ROOM, || -> Result<Session, ()> { panic!("plaintext needs no session") });
    assert!(matches!(decision, Ok(Decision::Plaintext(_))));
}

#[test]
fn a_room_that_becomes_encrypted_is_never_plaintext_again() {
    // T1, S1
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device(&mut storage);
    assert_eq!(send(&mut device, &clock, ROOM), Sent::Plaintext);
    let _ = device.encryption_event(ROOM, MEGOLM).unwrap();
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::NoSession));
}

#[test]
fn an_unknown_room_is_blocked_before_anything_else_is_looked_at() {
    // T2
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = new_device(&mut storage);
    let decision = device
        .at(&clock)
        .unwrap()
        .decide(ROOM, || -> Result<Session, ()> { panic!("an unknown room needs no session") });
    assert!(matches!(decision, Ok(Decision::Blocked(BlockReason::StateUnknown))));
}

#[test]
fn a_room_with_no_usable_settings_is_blocked_though_knowledge_is_complete() {
    // T2
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device(&mut storage);
    let _ = device.encryption_event(ROOM, UNSUPPORTED).unwrap();
    assert_eq!(send(&mut device, &clock, ROOM), Sent::Blocked(BlockReason::UnsupportedAlgorithm));
}

// T3

#[test]
fn the_first_message_starts_a_session() {
    // T3
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::NoSession));
}

#[test]
fn each_room_has_its_own_session() {
    // T3
    let (clock, mut storage) = (Millis::showing(0), Storage::<2>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    encrypt_room(&mut device, OTHER_ROOM, 100, WEEK_MS);
    for room_id in [ROOM, OTHER_ROOM] {
        assert_eq!(send(&mut device, &clock, room_id), rotates(RotationReason::NoSession));
    }
    let (_, first) = encrypt(permit(&mut device, &clock, ROOM));
    let (_, second) = encrypt(permit(&mut device, &clock, OTHER_ROOM));
    assert_ne!(first["session_id"], second["session_id"]);
}

// T4: the order of reasons

/// Makes one reason of T4 hold in a room with a week, whose session has sent one message.
fn make_hold(device: &mut Device<'_, Session>, reason: RotationReason) {
    let _ = match reason {
        RotationReason::Requested => device.request_rotation(ROOM).unwrap(),
        RotationReason::Departure => {
            depart(device);
            return;
        }
        RotationReason::DeviceRemoved => device.device_removed(ROOM).unwrap(),
        RotationReason::HistoryVisibility => device.history_visibility_event(ROOM, "shared").unwrap(),
        RotationReason::AgeUnknown => return device.slept(Sleep::Unknown).unwrap(),
        RotationReason::Messages => {
            encrypt_room(device, ROOM, 1, WEEK_MS);
            return;
        }
        RotationReason::Age => return device.slept(Sleep::KnownMs(WEEK_MS)).unwrap(),
        RotationReason::NoSession => unreachable!(),
    };
}

const T4_ORDER: [RotationReason; 7] = [
    RotationReason::Requested,
    RotationReason::Departure,
    RotationReason::DeviceRemoved,
    RotationReason::HistoryVisibility,
    RotationReason::AgeUnknown,
    RotationReason::Messages,
    RotationReason::Age,
];

#[test]
fn each_reason_alone_starts_a_new_session() {
    // T4
    for reason in T4_ORDER {
        let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
        let mut device = device_in_room(&mut storage, 100, WEEK_MS);
        send(&mut device, &clock, ROOM);
        make_hold(&mut device, reason);
        assert_eq!(send(&mut device, &clock, ROOM), rotates(reason));
    }
}

#[test]
fn the_first_reason_that_holds_is_given_whatever_the_order_of_events() {
    // T4
    for (first, reason) in T4_ORDER.into_iter().enumerate() {
        for backwards in [false, true] {
            let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
            let mut device = device_in_room(&mut storage, 100, WEEK_MS);
            send(&mut device, &clock, ROOM);
            let mut holding = T4_ORDER[first..].to_vec();
            if backwards {
                holding.reverse();
            }
            for reason in holding {
                make_hold(&mut device, reason);
            }
            assert_eq!(send(&mut device, &clock, ROOM), rotates(reason));
        }
    }
}

#[test]
fn a_new_session_answers_all_reasons_at_once() {
    // T4, T10
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    for reason in T4_ORDER.into_iter().filter(|reason| *reason != RotationReason::Messages) {
        make_hold(&mut device, reason);
    }
    send(&mut device, &clock, ROOM);
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
}

#[test]
fn every_reason_has_its_stable_name() {
    // T3, T4
    let names: Vec<_> = RotationReason::ALL.iter().map(|reason| reason.name()).collect();
    assert_eq!(
        names,
        [
            "no_session",
            "requested",
            "departure",
            "device_removed",
            "history_visibility",
            "age_unknown",
            "messages",
            "age"
        ]
    );
}

// T5: messages

#[test]
fn message_100_uses_the_same_session() {
    // T5
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    send_many(&mut device, &clock, ROOM, 98);
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(99));
}

#[test]
fn message_101_uses_a_new_session() {
    // T5
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    send_many(&mut device, &clock, ROOM, 99);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Messages));
}

#[test]
fn a_limit_of_1_gives_each_message_its_own_session() {
    // T5
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 1, WEEK_MS);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::NoSession));
    for _ in 0..3 {
        assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Messages));
    }
}

#[test]
fn a_limit_that_was_lowered_below_the_count_rotates_at_the_next_message() {
    // T5: at or above
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    send_many(&mut device, &clock, ROOM, 49);
    encrypt_room(&mut device, ROOM, 10, WEEK_MS);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Messages));
}

#[test]
fn a_limit_that_was_lowered_to_the_count_rotates_at_the_next_message() {
    // T5: at or above
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    send(&mut device, &clock, ROOM);
    encrypt_room(&mut device, ROOM, 2, WEEK_MS);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Messages));
}

// T6: age

/// What the second message comes to, so many ms after the first, in a room whose period is an hour.
fn second_message_after(ms: u64) -> Sent {
    let (clock, mut storage) = (Millis::showing(5), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, HOUR_MS);
    send(&mut device, &clock, ROOM);
    clock.show(5 + ms);
    send(&mut device, &clock, ROOM)
}

#[test]
fn a_session_one_ms_younger_than_the_period_goes_on() {
    // T6
    assert_eq!(second_message_after(HOUR_MS - 1), goes_on(1));
}

#[test]
fn a_session_as_old_as_the_period_is_replaced() {
    // T6
    assert_eq!(second_message_after(HOUR_MS), rotates(RotationReason::Age));
}

#[test]
fn a_session_one_ms_older_than_the_period_is_replaced() {
    // T6
    assert_eq!(second_message_after(HOUR_MS + 1), rotates(RotationReason::Age));
}

#[test]
fn age_counts_from_when_the_session_was_made_and_not_from_when_it_was_shared() {
    // T6, T8
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, HOUR_MS);
    let request = share_request(&mut device, &clock, ROOM);
    clock.show(HOUR_MS - 1);
    device.shared(&request).unwrap();
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(0));
    clock.show(HOUR_MS);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Age));
}

#[test]
fn a_session_that_grew_old_before_it_was_shared_is_never_used() {
    // T6, T8
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, HOUR_MS);
    start_session(&mut device, &clock, ROOM);
    clock.show(HOUR_MS);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Age));
}

#[test]
fn a_period_that_was_shortened_below_the_age_rotates_at_the_next_message() {
    // T6: the period in force now
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    clock.show(2 * HOUR_MS);
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
    encrypt_room(&mut device, ROOM, 100, HOUR_MS);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Age));
}

// T7: a changed setting does not by itself rotate

#[test]
fn a_changed_setting_does_not_by_itself_rotate() {
    // T7
    for policy in [ChangePolicy::Ratchet, ChangePolicy::Follow, ChangePolicy::Freeze] {
        let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
        let config = Config { policy, ..Config::default() };
        let mut device = device_with(&mut storage, config);
        encrypt_room(&mut device, ROOM, 100, WEEK_MS);
        send(&mut device, &clock, ROOM);
        encrypt_room(&mut device, ROOM, 50, HOUR_MS);
        assert_eq!(send(&mut device, &clock, ROOM), goes_on(1), "{policy:?}");
    }
}

#[test]
fn a_lowered_limit_holds_from_the_next_message_on() {
    // T7
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    encrypt_room(&mut device, ROOM, 3, WEEK_MS);
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(2));
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Messages));
}

#[test]
fn a_limit_that_was_raised_before_the_next_message_lets_the_session_go_on() {
    // T7, T5: the limit in force now
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_with(&mut storage, follow());
    encrypt_room(&mut device, ROOM, 1, WEEK_MS);
    send(&mut device, &clock, ROOM);
    encrypt_room(&mut device, ROOM, 2, WEEK_MS);
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Messages));
}

// T8: shared first

#[test]
fn nothing_is_encrypted_before_the_room_key_was_shared() {
    // T8
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    let first = share_request(&mut device, &clock, ROOM);
    assert_eq!(first.started, Some(RotationReason::NoSession));
    for _ in 0..3 {
        assert_eq!(send_unshared(&mut device, &clock, ROOM), Sent::WaitingForShare(None));
    }
}

#[test]
fn after_a_share_that_failed_the_next_send_shares_the_same_session_again() {
    // T8
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    let first = share_request(&mut device, &clock, ROOM);
    let key = room_key(&device, &first);
    let second = share_request(&mut device, &clock, ROOM);
    assert_eq!(second.started, None);
    assert_eq!(room_key(&device, &second), key);
    device.shared(&second).unwrap();
    let (index, encrypted) = encrypt(permit(&mut device, &clock, ROOM));
    assert_eq!(index, 0);
    assert_eq!(encrypted["session_id"], key["session_id"]);
}

#[test]
fn a_session_still_to_be_shared_is_replaced_when_t4_says_so() {
    // T8
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    let first = share_request(&mut device, &clock, ROOM);
    let key = room_key(&device, &first);
    depart(&mut device);
    let second = share_request(&mut device, &clock, ROOM);
    assert_eq!(second.started, Some(RotationReason::Departure));
    assert_ne!(room_key(&device, &second)["session_id"], key["session_id"]);
}

#[test]
fn a_departure_between_making_and_sharing_counts_against_the_session() {
    // T8, T10: whoever left may have been sent the key
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    let request = share_request(&mut device, &clock, ROOM);
    depart(&mut device);
    device.shared(&request).unwrap();
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Departure));
}

#[test]
fn a_share_request_for_a_session_that_was_replaced_is_refused() {
    // T8
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    let stale = share_request(&mut device, &clock, ROOM);
    let _ = device.request_rotation(ROOM).unwrap();
    let _ = share_request(&mut device, &clock, ROOM);
    assert_eq!(device.shared(&stale), Err(SharedError::SessionReplaced));
    assert_eq!(device.room_key(&stale, &mut [0; 1_000]), Err(RoomKeyError::SessionReplaced));
    assert_eq!(send_unshared(&mut device, &clock, ROOM), Sent::WaitingForShare(None));
}

#[test]
fn a_share_request_is_refused_once_its_room_was_forgotten() {
    // T8, K3
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    let stale = share_request(&mut device, &clock, ROOM);
    assert!(device.forget(ROOM).unwrap());
    assert_eq!(device.shared(&stale), Err(SharedError::SessionReplaced));
    assert_eq!(device.room_key(&stale, &mut [0; 1_000]), Err(RoomKeyError::SessionReplaced));
}

#[test]
fn a_share_request_is_refused_after_its_room_was_forgotten_and_came_back() {
    // T8, K3: the same room, place and order of sessions
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    let stale = share_request(&mut device, &clock, ROOM);
    assert!(device.forget(ROOM).unwrap());
    encrypt_room(&mut device, ROOM, 100, WEEK_MS);
    let _ = share_request(&mut device, &clock, ROOM);
    assert_eq!(device.shared(&stale), Err(SharedError::SessionReplaced));
    assert_eq!(send_unshared(&mut device, &clock, ROOM), Sent::WaitingForShare(None));
}

#[test]
fn a_share_request_does_not_hold_for_another_room_in_the_same_place() {
    // T8, K3: else one room's members would be sent another room's key
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    let stale = share_request(&mut device, &clock, ROOM);
    assert!(device.forget(ROOM).unwrap());
    encrypt_room(&mut device, OTHER_ROOM, 100, WEEK_MS);
    let _ = share_request(&mut device, &clock, OTHER_ROOM);
    assert_eq!(device.shared(&stale), Err(SharedError::SessionReplaced));
    assert_eq!(device.room_key(&stale, &mut [0; 1_000]), Err(RoomKeyError::SessionReplaced));
}

#[test]
fn a_share_request_is_refused_by_a_later_device_in_the_same_storage() {
    // T8: where a device starts again without the program doing so, what waited to be shared may still come
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut earlier = device_in_room(&mut storage, 100, WEEK_MS);
    let stale = share_request(&mut earlier, &clock, ROOM);
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    let _ = share_request(&mut device, &clock, ROOM);
    assert_eq!(device.shared(&stale), Err(SharedError::SessionReplaced));
}

#[test]
fn a_share_request_outlives_changes_in_other_rooms() {
    // T8: rooms that come and go move nothing that a request names
    let (clock, mut storage) = (Millis::showing(0), Storage::<4>::new());
    let mut device = device(&mut storage);
    encrypt_room(&mut device, room("!b"), 100, WEEK_MS);
    encrypt_room(&mut device, room("!c"), 100, WEEK_MS);
    let request = share_request(&mut device, &clock, room("!c"));
    encrypt_room(&mut device, room("!a"), 100, WEEK_MS);
    assert!(device.forget(room("!b")).unwrap());
    encrypt_room(&mut device, room("!d"), 100, WEEK_MS);
    assert_eq!(room_key(&device, &request)["room_id"], "!c");
    assert_eq!(device.shared(&request), Ok(()));
    assert_eq!(send(&mut device, &clock, room("!c")), goes_on(0));
}

#[test]
fn sharing_again_is_harmless() {
    // T8
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    let request = share_request(&mut device, &clock, ROOM);
    device.shared(&request).unwrap();
    send(&mut device, &clock, ROOM);
    assert_eq!(device.shared(&request), Ok(()));
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
}

#[test]
fn sharing_does_not_clear_a_pending_reason() {
    // T8, T4
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    depart(&mut device);
    let request = device.share_current(ROOM).unwrap();
    device.shared(&request).unwrap();
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Departure));
}

// T9: counting

#[test]
fn a_permit_that_is_dropped_is_not_counted() {
    // T9
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 1, WEEK_MS);
    start_session(&mut device, &clock, ROOM);
    for _ in 0..10 {
        drop(permit(&mut device, &clock, ROOM));
    }
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(0));
}

/// Sends to a room with a limit of two messages: first one that fails in the given way, then `after` more.
fn failed_then(
    fail: impl FnOnce(Permit<'_, Session>) -> EncryptError<CiphertextTooLong>,
    error: EncryptError<CiphertextTooLong>,
) -> [Sent; 2] {
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 2, WEEK_MS);
    start_session(&mut device, &clock, ROOM);
    assert_eq!(fail(permit(&mut device, &clock, ROOM)), error);
    [send(&mut device, &clock, ROOM), send(&mut device, &clock, ROOM)]
}

#[test]
fn a_message_whose_ciphertext_had_no_room_stays_counted() {
    // T9: the session moved on to the next index
    let sent = failed_then(
        |permit| permit.encrypt(&EVENT, &SENDER, &mut [0; 200], &mut [0; 1_500]).unwrap_err(),
        EncryptError::Session(CiphertextTooLong),
    );
    assert_eq!(sent, [goes_on(1), rotates(RotationReason::Messages)]);
}

#[test]
fn a_message_whose_event_had_no_room_stays_counted() {
    // T9
    let sent = failed_then(
        |permit| permit.encrypt(&EVENT, &SENDER, &mut [0; 1_500], &mut [0; 100]).unwrap_err(),
        EncryptError::Write(WriteError::BufferTooSmall),
    );
    assert_eq!(sent, [goes_on(1), rotates(RotationReason::Messages)]);
}

#[test]
fn a_message_whose_payload_had_no_room_stays_counted() {
    // T9: the session never saw it, so its index did not move
    let sent = failed_then(
        |permit| permit.encrypt(&EVENT, &SENDER, &mut [0; 10], &mut [0; 1_500]).unwrap_err(),
        EncryptError::Write(WriteError::BufferTooSmall),
    );
    assert_eq!(sent, [goes_on(0), rotates(RotationReason::Messages)]);
}

#[test]
fn a_message_whose_content_is_not_an_object_stays_counted() {
    // T9
    let sent = failed_then(
        |permit| {
            let event = Event { event_type: "m.room.message", content: b"[]" };
            permit.encrypt(&event, &SENDER, &mut [0; 1_500], &mut [0; 1_500]).unwrap_err()
        },
        EncryptError::Write(WriteError::Content(JsonError::NotAnObject)),
    );
    assert_eq!(sent, [goes_on(0), rotates(RotationReason::Messages)]);
}

/// A session whose encryption fails or panics, which no real one does.
struct Faulty {
    panics: bool,
}

impl OutboundSession for Faulty {
    type Error = CiphertextTooLong;

    fn write_session_id(&self, out: &mut [u8; SESSION_ID_LENGTH]) {
        out.fill(b'i');
    }

    fn write_session_key(&self, out: &mut [u8; SESSION_KEY_LENGTH]) {
        out.fill(b'k');
    }

    fn message_index(&self) -> u32 {
        0
    }

    fn encrypt<'o>(&mut self, _: &[u8], _: &'o mut [u8]) -> Result<&'o str, CiphertextTooLong> {
        assert!(!self.panics, "the session panics");
        Err(CiphertextTooLong)
    }
}

/// Encrypts a room's first message in a faulty session with a limit of one message. Returns why the next message starts a
/// new one.
fn after_a_fault(panics: bool, encrypt: impl FnOnce(Permit<'_, Faulty>)) -> Option<RotationReason> {
    let (clock, mut storage) = (Millis::showing(0), RoomStorage::<Faulty, 1>::new());
    let mut device = Device::new(&mut storage, Config::default());
    encrypt_room(&mut device, ROOM, 1, WEEK_MS);
    let decide = |device: &mut Device<'_, Faulty>| match device
        .at(&clock)
        .unwrap()
        .decide(ROOM, || Ok::<_, ()>(Faulty { panics }))
    {
        Ok(Decision::Share(request)) => request,
        _ => panic!("the session is not new"),
    };
    let request = decide(&mut device);
    device.shared(&request).unwrap();
    match device.at(&clock).unwrap().decide(ROOM, || Err::<Faulty, ()>(())) {
        Ok(Decision::Encrypt(permit)) => encrypt(permit),
        _ => panic!("there is a session"),
    }
    decide(&mut device).started
}

fn encrypt_with_a_fault(permit: Permit<'_, Faulty>) -> Result<Encrypted, EncryptError<CiphertextTooLong>> {
    permit.encrypt(&EVENT, &SENDER, &mut [0; 1_500], &mut [0; 1_500])
}

#[test]
fn a_message_that_the_session_refused_stays_counted() {
    // T9
    let encrypt = |permit: Permit<'_, Faulty>| {
        assert_eq!(encrypt_with_a_fault(permit), Err(EncryptError::Session(CiphertextTooLong)));
    };
    assert_eq!(after_a_fault(false, encrypt), Some(RotationReason::Messages));
}

#[test]
fn a_message_in_whose_encryption_the_session_panics_stays_counted() {
    // T9: counted before the ciphertext exists
    let encrypt = |permit: Permit<'_, Faulty>| {
        let encrypt = core::panic::AssertUnwindSafe(|| encrypt_with_a_fault(permit));
        assert!(std::panic::catch_unwind(encrypt).is_err());
    };
    assert_eq!(after_a_fault(true, encrypt), Some(RotationReason::Messages));
}

#[test]
fn no_index_is_used_twice_whatever_fails() {
    // T9
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    start_session(&mut device, &clock, ROOM);
    let mut indices = Vec::new();
    for length in (0..1_000).step_by(25) {
        let mut out = [0; 1_500];
        let permit = permit(&mut device, &clock, ROOM);
        if let Ok(encrypted) = permit.encrypt(&EVENT, &SENDER, &mut vec![0; length], &mut out) {
            let content: Value = serde_json::from_slice(&out[..encrypted.length]).unwrap();
            assert_eq!(message_index(&content), encrypted.message_index);
            indices.push(encrypted.message_index);
        }
    }
    assert!(indices.len() > 10);
    assert!(indices.is_sorted_by(|a, b| a < b));
}

// T10: a new session

#[test]
fn a_new_session_begins_at_count_0() {
    // T10
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 3, WEEK_MS);
    send(&mut device, &clock, ROOM);
    send(&mut device, &clock, ROOM);
    let _ = device.request_rotation(ROOM).unwrap();
    send(&mut device, &clock, ROOM);
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(2));
}

#[test]
fn a_new_session_begins_at_age_0() {
    // T10
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, HOUR_MS);
    send(&mut device, &clock, ROOM);
    clock.show(HOUR_MS + 7);
    send(&mut device, &clock, ROOM);
    clock.show(2 * HOUR_MS + 6);
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
    clock.show(2 * HOUR_MS + 7);
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::Age));
}

#[test]
fn a_new_session_has_no_pending_reason() {
    // T10
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    let _ = device.request_rotation(ROOM).unwrap();
    depart(&mut device);
    let _ = device.device_removed(ROOM).unwrap();
    send(&mut device, &clock, ROOM);
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
}

#[test]
fn a_room_key_says_the_rooms_shared_history_when_its_session_was_made() {
    // T10
    for (visibility, flag) in [
        ("shared", true),
        ("world_readable", true),
        ("joined", false),
        ("invited", false),
        ("org.example.everybody", false),
    ] {
        let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
        let mut device = device_in_room(&mut storage, 100, WEEK_MS);
        let _ = device.history_visibility_event(ROOM, visibility).unwrap();
        let request = share_request(&mut device, &clock, ROOM);
        assert_eq!(room_key(&device, &request)["shared_history"], flag);
    }
}

#[test]
fn a_room_key_does_not_say_shared_history_unless_the_visibility_is_known() {
    // T10, E3
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    let request = share_request(&mut device, &clock, ROOM);
    assert_eq!(room_key(&device, &request)["shared_history"], false);
}

#[test]
fn a_sessions_shared_history_stays_when_the_rooms_changes() {
    // T10: the messages before the change were sent under the old one
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    let request = share_request(&mut device, &clock, ROOM);
    let _ = device.history_visibility_event(ROOM, "shared").unwrap();
    assert_eq!(room_key(&device, &request)["shared_history"], false);
    let request = share_request(&mut device, &clock, ROOM);
    assert_eq!(request.started, Some(RotationReason::HistoryVisibility));
    assert_eq!(room_key(&device, &request)["shared_history"], true);
}

// T11: no new session

fn decide_without_sessions<'d>(
    device: &'d mut Device<'_, Session>,
    clock: &Millis,
) -> Result<Decision<'d, Session>, DecideError<&'static str>> {
    device.at(clock).unwrap().decide(ROOM, || Err("no randomness"))
}

#[test]
fn if_the_first_session_cannot_be_made_nothing_is_sent() {
    // T11
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    for _ in 0..3 {
        assert!(matches!(
            decide_without_sessions(&mut device, &clock),
            Err(DecideError::Session("no randomness"))
        ));
    }
    assert_eq!(send(&mut device, &clock, ROOM), rotates(RotationReason::NoSession));
}

#[test]
fn if_a_new_session_cannot_be_made_the_old_one_is_not_used() {
    // T11
    for reason in T4_ORDER {
        let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
        let mut device = device_in_room(&mut storage, 100, WEEK_MS);
        send(&mut device, &clock, ROOM);
        make_hold(&mut device, reason);
        for _ in 0..3 {
            assert!(matches!(
                decide_without_sessions(&mut device, &clock),
                Err(DecideError::Session("no randomness"))
            ));
        }
        assert_eq!(send(&mut device, &clock, ROOM), rotates(reason));
    }
}

#[test]
fn if_a_new_session_cannot_be_made_the_old_one_stays_where_it_is() {
    // T11: devices that lack its key for the messages before can still be given it
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    let before = device.share_current(ROOM);
    let _ = device.request_rotation(ROOM).unwrap();
    assert!(decide_without_sessions(&mut device, &clock).is_err());
    assert_eq!(device.share_current(ROOM), before);
}

#[test]
fn while_the_session_can_go_on_none_is_made() {
    // T11, T4
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    send(&mut device, &clock, ROOM);
    assert!(matches!(decide_without_sessions(&mut device, &clock), Ok(Decision::Encrypt(_))));
}

/// A session that counts how many of its kind were dropped.
struct Counted<'a>(&'a Cell<u32>);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

fn start_counted<'c>(device: &mut Device<'_, Counted<'c>>, dropped: &'c Cell<u32>) {
    let decision =
        device.at(&Millis::showing(0)).unwrap().decide(ROOM, || Ok::<_, Infallible>(Counted(dropped)));
    assert!(matches!(decision, Ok(Decision::Share(_))));
}

#[test]
fn a_session_is_dropped_when_it_is_replaced_and_when_its_room_is_forgotten() {
    // T4, K3: dropping is what wipes its secrets
    let dropped = Cell::new(0);
    let mut storage = RoomStorage::<Counted<'_>, 1>::new();
    let mut device = Device::new(&mut storage, Config::default());
    encrypt_room(&mut device, ROOM, 100, WEEK_MS);
    start_counted(&mut device, &dropped);
    assert_eq!(dropped.get(), 0);
    let _ = device.request_rotation(ROOM).unwrap();
    assert_eq!(dropped.get(), 0);
    start_counted(&mut device, &dropped);
    assert_eq!(dropped.get(), 1);
    assert!(device.forget(ROOM).unwrap());
    assert_eq!(dropped.get(), 2);
}

#[test]
fn a_new_device_drops_the_sessions_that_its_storage_held() {
    // K1
    let dropped = Cell::new(0);
    let mut storage = RoomStorage::<Counted<'_>, 1>::new();
    let mut device = Device::new(&mut storage, Config::default());
    encrypt_room(&mut device, ROOM, 100, WEEK_MS);
    start_counted(&mut device, &dropped);
    let _ = Device::new(&mut storage, Config::default());
    assert_eq!(dropped.get(), 1);
}

// What is written

#[test]
fn an_encrypted_event_decrypts_to_its_type_content_and_room_with_the_room_key_that_was_shared() {
    // T8
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    let request = share_request(&mut device, &clock, ROOM);
    let mut inbound = inbound(&room_key(&device, &request));
    device.shared(&request).unwrap();
    for index in 0..3 {
        let (written_index, encrypted) = encrypt(permit(&mut device, &clock, ROOM));
        let (payload, message_index) = decrypt(&mut inbound, &encrypted);
        assert_eq!((written_index, message_index), (index, index));
        assert_eq!(
            String::from_utf8(payload).unwrap(),
            r#"{"type":"m.room.message","content":{"msgtype":"m.text","body":"hello"},"room_id":"!room:example.org"}"#
        );
    }
}

#[test]
fn a_payload_is_its_three_fields_whatever_characters_they_hold() {
    // T9: neither a type nor a room ID can break out of its string
    let id = "!\"\\\u{0}\u{1f}\u{7f}\n/é😀\",\"type\":\"x";
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device(&mut storage);
    encrypt_room(&mut device, room(id), 100, WEEK_MS);
    let request = share_request(&mut device, &clock, room(id));
    let key = room_key(&device, &request);
    assert_eq!(key["room_id"], id);
    device.shared(&request).unwrap();
    let event = Event {
        event_type: "a\"},\"content\":{\\\u{8}\u{b}",
        content: b" {\"\\u0000\":[\"\\\"\",1.0e5,{}],\"a\":1,\"a\":2}\n",
    };
    let (_, encrypted) = encrypt_event(permit(&mut device, &clock, room(id)), &event);
    let (payload, _) = decrypt(&mut inbound(&key), &encrypted);
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(
        payload,
        json!({
            "type": event.event_type,
            "content": serde_json::from_slice::<Value>(event.content).unwrap(),
            "room_id": id,
        })
    );
}

#[test]
fn a_content_that_is_not_one_object_is_never_encrypted() {
    // T9: it would make the payload something else than it says
    for content in
        [&b""[..], b"null", b"[]", b"{}{}", b"{},\"room_id\":\"!x\"", b"{}}", b"{", b"{\"a\":\"\xff\"}"]
    {
        let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
        let mut device = device_in_room(&mut storage, 100, WEEK_MS);
        start_session(&mut device, &clock, ROOM);
        let event = Event { event_type: "m.room.message", content };
        let mut out = [0; 1_500];
        let result = permit(&mut device, &clock, ROOM).encrypt(&event, &SENDER, &mut [0; 1_500], &mut out);
        assert!(matches!(result, Err(EncryptError::Write(WriteError::Content(_)))));
        assert_eq!(out, [0; 1_500]);
    }
}

#[test]
fn an_encrypted_event_has_its_five_fields() {
    // T9
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    let request = share_request(&mut device, &clock, ROOM);
    let key = room_key(&device, &request);
    device.shared(&request).unwrap();
    let (_, encrypted) = encrypt(permit(&mut device, &clock, ROOM));
    assert_eq!(
        encrypted,
        json!({
            "algorithm": "m.megolm.v1.aes-sha2",
            "ciphertext": encrypted["ciphertext"],
            "device_id": "KITCHENLGT",
            "sender_key": "WCyqV4SpdPN5ib6QRlbSBPSLlTDZMYWQJLHFfTiQYSk",
            "session_id": key["session_id"],
        })
    );
    assert!(encrypted["ciphertext"].is_string());
}

#[test]
fn a_room_key_has_its_five_fields() {
    // T8
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    let request = share_request(&mut device, &clock, ROOM);
    let key = room_key(&device, &request);
    assert_eq!(
        key,
        json!({
            "algorithm": "m.megolm.v1.aes-sha2",
            "room_id": "!room:example.org",
            "session_id": inbound(&key).session_id(),
            "session_key": key["session_key"],
            "shared_history": false,
        })
    );
}

#[test]
fn scratch_is_wiped_after_a_message_was_encrypted() {
    // T9
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    start_session(&mut device, &clock, ROOM);
    let mut scratch = [0xaa; 1_500];
    permit(&mut device, &clock, ROOM).encrypt(&EVENT, &SENDER, &mut scratch, &mut [0; 1_500]).unwrap();
    assert_eq!(scratch, [0; 1_500]);
}

#[test]
fn scratch_is_wiped_after_a_message_was_not_encrypted() {
    // T9: for want of room for the payload, the ciphertext, the event
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    start_session(&mut device, &clock, ROOM);
    for (scratch_length, out_length) in [(60, 1_500), (200, 1_500), (1_500, 60)] {
        let mut scratch = vec![0xaa; scratch_length];
        let result = permit(&mut device, &clock, ROOM).encrypt(
            &EVENT,
            &SENDER,
            &mut scratch,
            &mut vec![0; out_length],
        );
        assert!(result.is_err());
        assert!(scratch.iter().all(|byte| *byte == 0));
    }
}

/// Encrypts a content of `n` bytes in buffers of the documented sizes, with strings of these lengths.
fn encrypt_in_documented_sizes(
    n: usize,
    type_length: usize,
    room_id_length: usize,
    device_id_length: usize,
) -> Result<Encrypted, EncryptError<CiphertextTooLong>> {
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let id = "r".repeat(room_id_length);
    let mut device = device(&mut storage);
    encrypt_room(&mut device, room(&id), 10_000, WEEK_MS);
    start_session(&mut device, &clock, room(&id));
    let content = format!(r#"{{"a":"{}"}}"#, "x".repeat(n.saturating_sub(8)));
    let content = if n == 2 { "{}" } else { &content };
    assert_eq!(content.len(), n);
    let event = Event { event_type: &"t".repeat(type_length), content: content.as_bytes() };
    let sender = SendingDevice { device_id: &"D".repeat(device_id_length), ..SENDER };
    permit(&mut device, &clock, room(&id)).encrypt(
        &event,
        &sender,
        &mut vec![0; 3 * n + 1_500],
        &mut vec![0; 2 * n + 1_300],
    )
}

#[test]
fn the_documented_buffers_are_enough_for_usual_ids() {
    // The sizes that `Permit::encrypt` gives.
    for n in [2, 8, 9, 100, 1_000, 10_000, 65_536] {
        assert!(encrypt_in_documented_sizes(n, 255, 255, 10).is_ok(), "{n}");
    }
}

#[test]
fn the_documented_buffers_are_enough_for_a_device_id_of_255_bytes() {
    // The sizes that `Permit::encrypt` gives.
    for n in [2, 8, 9, 100, 1_000, 10_000, 65_536] {
        assert_eq!(encrypt_in_documented_sizes(n, 255, 255, 255).err(), None, "{n}");
    }
}

#[test]
fn the_documented_buffer_is_enough_for_the_key_of_a_room_with_the_longest_id() {
    // The size that `Device::room_key` gives.
    let id = "r".repeat(255);
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device(&mut storage);
    encrypt_room(&mut device, room(&id), 100, WEEK_MS);
    let request = share_request(&mut device, &clock, room(&id));
    assert_eq!(device.room_key(&request, &mut [0; 720]).err(), None);
}

#[test]
fn a_room_key_needs_exactly_the_bytes_it_says() {
    // E5: one byte less is an error and no short key
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    let request = share_request(&mut device, &clock, ROOM);
    let length = device.room_key(&request, &mut [0; 1_000]).unwrap();
    assert_eq!(device.room_key(&request, &mut vec![0; length]), Ok(length));
    assert_eq!(
        device.room_key(&request, &mut vec![0; length - 1]),
        Err(RoomKeyError::Write(WriteError::BufferTooSmall))
    );
}

#[test]
fn a_room_key_that_had_no_room_leaves_nothing_of_the_key_behind() {
    // E5: who gets an error has nothing to wipe
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 100, WEEK_MS);
    let request = share_request(&mut device, &clock, ROOM);
    let key = room_key(&device, &request);
    let key = key["session_key"].as_str().unwrap();
    let mut out = [0; 450];
    assert!(device.room_key(&request, &mut out).is_err());
    let left = String::from_utf8_lossy(&out);
    assert!(!left.contains(&key[key.len() / 2 - 50..key.len() / 2]));
}

#[test]
fn limits_of_one_message_and_one_ms_still_let_a_message_out() {
    // T5, T6
    let config = Config { limits: Limits::new(1..=1, 1..=1).unwrap(), ..Config::default() };
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_with(&mut storage, config);
    let _ = device.encryption_event(ROOM, &content(1, 1)).unwrap();
    for ms in 1..5 {
        clock.show(ms);
        assert!(matches!(send(&mut device, &clock, ROOM), Sent::Encrypted { index: 0, .. }));
    }
}

#[test]
fn deciding_without_sending_changes_nothing() {
    // T4: a decision is not a use
    let (clock, mut storage) = (Millis::showing(0), Storage::<1>::new());
    let mut device = device_in_room(&mut storage, 2, WEEK_MS);
    send(&mut device, &clock, ROOM);
    for _ in 0..5 {
        assert!(matches!(decide(&mut device, &clock, ROOM), Decision::Encrypt(_)));
        let _ = device.at(&clock).unwrap();
    }
    assert_eq!(send(&mut device, &clock, ROOM), goes_on(1));
}
