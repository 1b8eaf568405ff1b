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
    observer.room_key_received(1, ROOM, "one");
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
    observer.room_key_received(4, ROOM, "one");
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
