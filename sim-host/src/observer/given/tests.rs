//! What an observer makes of what the device was given: policies, resets, forgotten rooms, resyncs, memberships.

use crate::observer::{ChangePolicy, Limits, Observer, ViolationKind};

const ROOM: &str = "!lobby:example.org";
const OTHER_ROOM: &str = "!hall:example.org";

fn observer() -> Observer {
    Observer::new(Limits::default())
}

fn content(messages: u32) -> Vec<u8> {
    format!(r#"{{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":{messages}}}"#).into_bytes()
}

impl Observer {
    fn found(&self) -> Vec<ViolationKind> {
        self.violations().iter().map(|violation| violation.kind).collect()
    }

    fn most_messages(&self) -> u64 {
        self.room(ROOM).unwrap().settings.unwrap().messages
    }

    fn plaintext(&mut self) {
        self.message(9, ROOM, "m.room.message", b"{}");
    }
}

#[test]
fn later_settings_are_taken_by_the_policy() {
    // S3
    for (policy, in_force) in [
        (ChangePolicy::Ratchet, [5, 3, 3]),
        (ChangePolicy::Follow, [5, 3, 8]),
        (ChangePolicy::Freeze, [5; 3]),
    ] {
        let mut observer = observer().with_policy(policy);
        let seen = [5, 3, 8].map(|messages| {
            observer.encryption_event(ROOM, &content(messages));
            observer.most_messages()
        });
        assert_eq!(seen, in_force, "{policy:?}");
    }
}

#[test]
fn after_a_reset_the_next_usable_settings_are_the_first() {
    // S5
    for policy in [ChangePolicy::Ratchet, ChangePolicy::Follow, ChangePolicy::Freeze] {
        let mut observer = observer().with_policy(policy);
        observer.settings_reset(ROOM); // of a room that is not encrypted
        observer.encryption_event(ROOM, &content(5));
        observer.settings_reset(ROOM);
        observer.encryption_event(ROOM, b"{}");
        assert_eq!(observer.most_messages(), 5);
        observer.encryption_event(ROOM, &content(8));
        assert_eq!(observer.most_messages(), 8);
    }
}

#[test]
fn on_a_first_start_plaintext_waits_for_the_end_of_a_resync() {
    // K1, K4
    let mut observer = observer().on_a_first_start();
    observer.not_sent(1, ROOM);
    assert_eq!(observer.found(), []);
    observer.plaintext();
    assert_eq!(observer.found(), [ViolationKind::SentWhileBlocked]);
    observer.resync_begun();
    observer.restarted();
    observer.resync_ended();
    observer.plaintext();
    assert_eq!(observer.found().len(), 2);
    observer.resync_begun();
    observer.resync_ended();
    observer.plaintext();
    assert_eq!(observer.found().len(), 2);
    observer.not_sent(2, ROOM);
    assert_eq!(observer.found()[2..], [ViolationKind::BlockedWithoutCause]);
}

#[test]
fn a_resync_that_brings_a_room_without_a_place_makes_nothing_known() {
    // K2, K4
    let mut observer = observer().with_places(1);
    observer.resync_begun();
    observer.encryption_event(OTHER_ROOM, b"{}");
    observer.encryption_event(ROOM, &content(5));
    observer.resync_ended();
    observer.not_sent(1, ROOM);
    observer.not_sent(1, "!plain:example.org");
    assert_eq!(observer.found(), []);
    observer.plaintext();
    assert_eq!(observer.found()[0], ViolationKind::PlaintextAfterEncryption);
}

#[test]
fn a_forgotten_room_gives_its_place_away_and_its_sessions_are_gone() {
    // K3
    let mut observer = observer().with_places(1);
    observer.encryption_event(ROOM, &content(5));
    observer.room_key_received(1, ROOM, "one", false);
    observer.megolm_message(1, ROOM, "one", 0);
    observer.forgotten(2, ROOM);
    observer.forgotten(2, ROOM);
    observer.forgotten(2, OTHER_ROOM);
    observer.not_sent(3, ROOM);
    observer.encryption_event(ROOM, &content(8));
    assert_eq!(observer.most_messages(), 8);
    assert_eq!(observer.found(), []);
    observer.megolm_message(4, ROOM, "one", 1);
    assert_eq!(observer.found(), [ViolationKind::SessionSurvivedRotationEvent]);
}

#[test]
fn a_room_that_was_forgotten_is_plaintext_only_after_a_resync_that_does_not_name_it() {
    // K4: what the server then hides nobody can tell.
    let mut observer = observer();
    observer.encryption_event(ROOM, &content(5));
    observer.forgotten(1, ROOM);
    observer.plaintext();
    assert_eq!(observer.found()[0], ViolationKind::PlaintextAfterEncryption);
    let before = observer.found().len();
    observer.resync_begun();
    observer.resync_ended();
    observer.plaintext();
    assert_eq!(observer.found().len(), before);
}

#[test]
fn a_device_that_is_never_to_send_plaintext_may_block_and_may_not_send_it() {
    // K6
    let mut observer = observer().without_plaintext();
    observer.not_sent(1, ROOM);
    assert_eq!(observer.found(), []);
    observer.plaintext();
    assert_eq!(observer.found(), [ViolationKind::SentWhileBlocked]);
}

#[test]
fn a_departure_ends_sessions_and_other_changes_of_membership_do_not() {
    // E1
    let departs = |previous, new, limited| {
        let mut observer = observer();
        observer.encryption_event(ROOM, &content(5));
        observer.session_made(1, ROOM, "one");
        observer.membership(2, ROOM, previous, new, limited);
        observer.megolm_message(3, ROOM, "one", 0);
        !observer.found().is_empty()
    };
    for new in ["leave", "ban", "no such membership"] {
        for previous in [None, Some("join"), Some("invite")] {
            assert!(departs(previous, new, false), "{previous:?} {new}");
        }
        for previous in ["leave", "ban", "knock", "none", "no such membership"] {
            assert!(!departs(Some(previous), new, false), "{previous} {new}");
            assert!(departs(Some(previous), new, true), "{previous} {new}, limited");
        }
    }
    for new in ["join", "invite", "knock"] {
        assert!(!departs(None, new, false), "{new}");
        assert_eq!(departs(Some("none"), new, true), new != "join", "{new}, limited");
    }
}

#[test]
fn a_session_counts_from_when_it_was_made_and_is_not_used_before_it_is_shared() {
    // T8, T10
    let mut observer = observer();
    observer.encryption_event(ROOM, &content(5));
    let room = observer.number_of(ROOM);
    observer.session_made(1, ROOM, "one");
    observer.message_without_cryptography(2, room, b"one", 0);
    assert_eq!(observer.found(), [ViolationKind::Undecryptable]);
    observer.must_rotate(3, ROOM, "departure");
    observer.room_key_received(4, ROOM, "one", false);
    observer.message_without_cryptography(5, room, b"one", 1);
    assert_eq!(observer.found()[1..], [ViolationKind::SessionSurvivedRotationEvent]);
}

#[test]
fn a_visibility_told_before_the_encryption_has_no_effect() {
    // E3
    let mut observer = observer();
    observer.history_visibility(0, ROOM, "shared");
    observer.encryption_event(ROOM, &content(5));
    observer.session_made(1, ROOM, "one");
    observer.history_visibility(2, ROOM, "joined");
    observer.megolm_message(3, ROOM, "one", 0);
    assert_eq!(observer.found(), []);
    observer.history_visibility(4, ROOM, "shared");
    observer.megolm_message(5, ROOM, "one", 1);
    assert_eq!(observer.found(), [ViolationKind::SessionSurvivedRotationEvent]);
}

#[test]
fn a_violation_says_at_which_step_it_was_seen() {
    let mut observer = observer().without_plaintext();
    observer.step(7);
    observer.plaintext();
    assert_eq!(observer.violations()[0].step, 7);
}

/// An observer of a room with this limit, whose first session carried so many messages.
fn observer_of_session(limit: u32, messages: u32) -> Observer {
    let mut observer = observer();
    observer.encryption_event(ROOM, &content(limit));
    observer.session_made(1, ROOM, "one");
    observer.share_succeeded(1, ROOM, "one");
    for index in 0..messages {
        observer.megolm_message(2, ROOM, "one", index);
    }
    observer
}

#[test]
fn a_session_is_not_replaced_before_something_calls_for_it() {
    // T4, T5, T6
    let mut early = observer_of_session(100, 50);
    early.session_made(3, ROOM, "two");
    assert_eq!(early.found(), [ViolationKind::ReplacedWithoutCause]);
    assert!(early.violations()[0].detail.contains("50 of 100 messages"), "{:?}", early.violations());

    let mut at_limit = observer_of_session(50, 50);
    at_limit.session_made(3, ROOM, "two");
    assert_eq!(at_limit.found(), []);

    let week_ms = 604_800_000;
    for (born_ms, found) in [(week_ms - 1_000, 1), (week_ms + 1, 0)] {
        let mut aged = observer_of_session(100, 50);
        aged.session_made(born_ms, ROOM, "two");
        assert_eq!(aged.found().len(), found, "{born_ms}");
    }
}

#[test]
fn what_may_have_called_for_a_new_session_is_no_violation() {
    let causes: [fn(&mut Observer); 8] = [
        |observer| observer.must_rotate(3, ROOM, "departure"),
        |observer| observer.membership(3, ROOM, None, "ban", false),
        |observer| observer.history_visibility(3, ROOM, "shared"),
        |observer| observer.time_lost(3, "a restart"),
        |observer| observer.slept_unknown(3, 1),
        // K5
        |observer| observer.may_rotate(ROOM),
        |observer| observer.power_failed_in_call(),
        |observer| {
            // What a reading told was lost with the memory (B1), or was not.
            observer.counter_read(2, 1_000);
            observer.counter_read(3, 10);
            observer.reading_lost();
        },
    ];
    for (number, cause) in causes.into_iter().enumerate() {
        let mut observer = observer_of_session(100, 50);
        cause(&mut observer);
        observer.session_made(4, ROOM, "two");
        assert_eq!(observer.found(), [], "{number}");
    }
    // Each only for the session that was there.
    let mut observer = observer_of_session(100, 50);
    observer.must_rotate(3, ROOM, "departure");
    observer.session_made(4, ROOM, "two");
    observer.session_made(5, ROOM, "three");
    assert_eq!(observer.found(), [ViolationKind::ReplacedWithoutCause]);
}

#[test]
fn after_a_restart_a_session_may_count_as_many_messages_more_as_are_stored_ahead() {
    // B2
    for (messages, found) in [(84, 0), (83, 1)] {
        let mut observer = observer_of_session(100, messages);
        observer.restarted();
        observer.session_made(3, ROOM, "two");
        assert_eq!(observer.found().len(), found, "{messages}");
    }
    // B4
    let mut observer = observer();
    observer.encryption_event(ROOM, &content(100));
    observer.session_made(1, ROOM, "one");
    observer.restarted();
    observer.session_made(3, ROOM, "two");
    assert_eq!(observer.found(), []);
}

#[test]
fn a_counter_that_jumps_ahead_makes_sessions_old() {
    let mut observer = observer().with_counter(false, 1_000);
    observer.encryption_event(ROOM, br#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_ms":3600000}"#);
    observer.counter_read(0, 0);
    observer.session_made(0, ROOM, "one");
    observer.share_succeeded(0, ROOM, "one");
    observer.counter_read(10, 3_600_000);
    observer.session_made(10, ROOM, "two");
    assert_eq!(observer.found(), []);
    observer.share_succeeded(10, ROOM, "two");
    observer.counter_read(20, 3_600_010);
    observer.session_made(20, ROOM, "three");
    assert_eq!(observer.found(), [ViolationKind::ReplacedWithoutCause]);
}

#[test]
fn a_room_key_says_what_the_visibility_was_when_its_session_was_made() {
    // T10, E3
    for (visibility, shares) in [("shared", true), ("world_readable", true), ("joined", false), ("", false)] {
        let mut observer = observer();
        observer.encryption_event(ROOM, &content(5));
        observer.history_visibility(0, ROOM, visibility);
        observer.session_made(1, ROOM, "one");
        observer.history_visibility(2, ROOM, if shares { "joined" } else { "shared" });
        observer.room_key_received(3, ROOM, "one", shares);
        assert_eq!(observer.found(), [], "{visibility}");
        observer.room_key_received(4, ROOM, "one", !shares);
        assert_eq!(observer.found(), [ViolationKind::WrongSharedHistory], "{visibility}");
    }
}

#[test]
fn a_message_does_not_wait_for_a_share_that_has_succeeded() {
    // T8
    let mut observer = observer();
    observer.encryption_event(ROOM, &content(5));
    let room = observer.number_of(ROOM);
    observer.session_made(1, ROOM, "one");
    assert!(observer.asked_to_share(1, room));
    assert!(observer.asked_to_share(2, room), "the first share may have failed");
    observer.share_succeeded(3, ROOM, "one");
    observer.run_ends(4, room, 0);
    assert_eq!(observer.found(), []);
    assert!(!observer.asked_to_share(5, room));
    observer.run_ends(6, room, 2);
    assert_eq!(observer.found(), [ViolationKind::WaitsWithoutCause; 2]);
}

#[test]
fn where_the_power_failed_while_the_device_was_told_either_settings_may_be_in_force() {
    // B1, S5
    let mut observer = observer().with_policy(ChangePolicy::Freeze);
    observer.encryption_event(ROOM, &content(8));
    observer.call_succeeded();
    observer.settings_reset(ROOM);
    observer.power_failed_in_call();
    observer.restarted();
    observer.encryption_event(ROOM, &content(3)); // the first since the reset, if there was one
    observer.call_succeeded();
    observer.session_made(1, ROOM, "one");
    for index in 0..8 {
        observer.megolm_message(2, ROOM, "one", index);
    }
    assert_eq!(observer.found(), []);
    observer.megolm_message(2, ROOM, "one", 8);
    assert_eq!(observer.found(), [ViolationKind::SessionOverMessageLimit]);
    // Told again, it is certain again.
    observer.settings_reset(ROOM);
    observer.encryption_event(ROOM, &content(3));
    observer.megolm_message(3, ROOM, "one", 9);
    observer.call_succeeded();
    observer.session_made(4, ROOM, "two");
    for index in 0..4 {
        observer.megolm_message(5, ROOM, "two", index);
    }
    assert_eq!(observer.found().len(), 3);
}
