//! What the observer finds, and what it lets pass.

use serde_json::json;
use vodozemac::megolm::{GroupSession, SessionConfig};

use serde_json::Value;
use vodozemac::megolm::MegolmMessage;

use super::*;

const ROOM: &str = "!lobby:example.org";
const OTHER_ROOM: &str = "!hall:example.org";
const USABLE: &[u8] = br#"{"algorithm":"m.megolm.v1.aes-sha2"}"#;
const WEEK_MS: u64 = 604_800_000;
const HELLO: PlainEvent<'_> =
    PlainEvent { event_type: "m.room.message", content: br#"{"body":"hello","n":1}"# };

fn observer() -> Observer {
    Observer::new(Limits::default())
}

/// An observer of a room with the default settings.
fn observer_of_encrypted_room() -> Observer {
    let mut observer = observer();
    observer.encryption_event(ROOM, USABLE);
    observer
}

fn session() -> GroupSession {
    GroupSession::new(SessionConfig::version_1())
}

fn content(session: &mut GroupSession) -> Value {
    let session_id = session.session_id();
    json!({
        "algorithm": "m.megolm.v1.aes-sha2",
        "ciphertext": session.encrypt("{}").to_base64(),
        "session_id": session_id,
    })
}

impl Observer {
    fn send(&mut self, at_ms: u64, room: &str, content: &Value) {
        self.message(at_ms, room, "m.room.encrypted", content.to_string().as_bytes());
    }

    fn kinds(&self) -> Vec<ViolationKind> {
        self.violations().iter().map(|violation| violation.kind).collect()
    }

    fn settings(&self) -> Option<(u64, u64)> {
        self.room(ROOM).unwrap().settings.map(|settings| (settings.messages, settings.period_ms))
    }
}

/// What one event's content sets, by the default limits.
fn read(content: impl AsRef<[u8]>) -> Option<(u64, u64)> {
    Settings::read(content.as_ref(), &Limits::default())
        .map(|settings| (settings.messages, settings.period_ms))
}

#[test]
fn a_good_history_raises_nothing_and_is_summed_up() {
    let mut observer = observer();
    observer.message(5, ROOM, "m.room.message", b"{}");
    observer.encryption_event(ROOM, br#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":3}"#);
    let mut at_ms = 10;
    for _ in 0..4 {
        let mut session = session();
        observer.room_key_received(at_ms, ROOM, &session.session_id(), false);
        for _ in 0..3 {
            at_ms += 7;
            observer.send(at_ms, ROOM, &content(&mut session));
            observer.received(at_ms, ROOM, "phone", HELLO, Ok(HELLO));
        }
    }
    observer.must_rotate(at_ms, ROOM, "departure");
    observer.send(at_ms, ROOM, &content(&mut session()));
    observer.message(at_ms, OTHER_ROOM, "m.room.message", b"{}");

    assert_eq!(observer.violations(), []);
    assert_eq!(observer.violation_count(), 0);
    assert_eq!(
        observer.rooms().next().unwrap(),
        RoomSummary {
            room: ROOM,
            encrypted: true,
            settings: Some(Settings { messages: 3, period_ms: WEEK_MS }),
            messages: 13,
            plaintext_messages: 1,
            sessions: 5,
            most_messages_in_a_session: 3,
            greatest_session_age_ms: 21,
        }
    );
    assert_eq!(observer.room(OTHER_ROOM).unwrap().settings, None);
    assert_eq!(observer.rooms().count(), 2);
}

#[test]
fn plaintext_after_any_encryption_event_is_a_violation() {
    let mut observer = observer_of_encrypted_room();
    observer.message(1, ROOM, "m.room.message", b"{}");
    assert_eq!(observer.kinds(), [ViolationKind::PlaintextAfterEncryption]);
    assert_eq!(observer.room(ROOM).unwrap().plaintext_messages, 0);
}

#[test]
fn an_encrypted_message_in_a_blocked_room_is_a_violation() {
    let mut observer = observer();
    observer.encryption_event(ROOM, b"{}");
    observer.send(1, ROOM, &content(&mut session()));
    assert_eq!(observer.kinds(), [ViolationKind::SentWhileBlocked]);
}

#[test]
fn plaintext_in_a_blocked_room_is_two_violations() {
    let mut observer = observer();
    observer.encryption_event(ROOM, b"not JSON");
    observer.message(1, ROOM, "m.room.message", b"{}");
    assert_eq!(observer.kinds(), [ViolationKind::PlaintextAfterEncryption, ViolationKind::SentWhileBlocked]);
}

#[test]
fn an_encrypted_message_in_a_room_without_encryption_is_a_violation() {
    let mut observer = observer();
    observer.send(1, ROOM, &content(&mut session()));
    assert_eq!(observer.kinds(), [ViolationKind::SentWhileBlocked]);
}

#[test]
fn message_100_is_fine_and_message_101_a_violation() {
    let mut observer = observer_of_encrypted_room();
    let mut session = session();
    for _ in 0..100 {
        observer.send(0, ROOM, &content(&mut session));
    }
    assert_eq!(observer.violations(), []);
    observer.send(0, ROOM, &content(&mut session));
    assert_eq!(observer.kinds(), [ViolationKind::SessionOverMessageLimit]);
    assert_eq!(observer.room(ROOM).unwrap().most_messages_in_a_session, 101);
}

#[test]
fn a_lowered_message_limit_holds_for_the_session_in_use() {
    let mut observer = observer_of_encrypted_room();
    let mut session = session();
    for _ in 0..2 {
        observer.send(0, ROOM, &content(&mut session));
    }
    observer.encryption_event(ROOM, br#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":2}"#);
    observer.send(0, ROOM, &content(&mut session));
    assert_eq!(observer.kinds(), [ViolationKind::SessionOverMessageLimit]);
}

#[test]
fn the_age_period_minus_1_is_fine_and_the_period_a_violation() {
    let mut observer = observer_of_encrypted_room();
    let mut session = session();
    observer.send(1_000, ROOM, &content(&mut session));
    observer.send(1_000 + WEEK_MS - 1, ROOM, &content(&mut session));
    assert_eq!(observer.violations(), []);
    observer.send(1_000 + WEEK_MS, ROOM, &content(&mut session));
    assert_eq!(observer.kinds(), [ViolationKind::SessionOverAgeLimit]);
    assert_eq!(observer.room(ROOM).unwrap().greatest_session_age_ms, WEEK_MS);
}

#[test]
fn age_counts_from_the_room_key_if_that_came_first() {
    let mut observer = observer_of_encrypted_room();
    let mut session = session();
    observer.room_key_received(0, ROOM, &session.session_id(), false);
    observer.send(WEEK_MS, ROOM, &content(&mut session));
    assert_eq!(observer.kinds(), [ViolationKind::SessionOverAgeLimit]);
}

#[test]
fn a_room_key_that_comes_after_the_first_message_makes_no_session_younger() {
    let mut observer = observer_of_encrypted_room();
    let mut session = session();
    observer.send(0, ROOM, &content(&mut session));
    observer.room_key_received(5, ROOM, &session.session_id(), false);
    observer.send(WEEK_MS, ROOM, &content(&mut session));
    assert_eq!(observer.kinds(), [ViolationKind::SessionOverAgeLimit]);
}

#[test]
fn the_same_index_twice_is_a_violation() {
    let mut observer = observer_of_encrypted_room();
    let event = content(&mut session());
    observer.send(1, ROOM, &event);
    observer.send(2, ROOM, &event);
    assert_eq!(observer.kinds(), [ViolationKind::RatchetIndexReused]);
}

#[test]
fn an_old_session_that_comes_back_with_an_old_index_is_a_violation() {
    let mut observer = observer_of_encrypted_room();
    let mut old = session();
    let (first, second) = (content(&mut old), content(&mut old));
    observer.send(1, ROOM, &first);
    observer.send(2, ROOM, &second);
    observer.send(3, ROOM, &content(&mut session()));
    observer.send(4, ROOM, &first);
    observer.send(5, ROOM, &second);
    assert_eq!(observer.kinds(), [ViolationKind::RatchetIndexReused; 2]);
}

#[test]
fn skipped_indices_are_fine() {
    let mut observer = observer_of_encrypted_room();
    for index in [3, 16, u32::MAX] {
        observer.megolm_message(1, ROOM, "session", index);
    }
    assert_eq!(observer.violations(), []);
}

#[test]
fn over_a_restart_a_session_goes_on_with_what_it_has_carried() {
    let mut observer = observer_of_encrypted_room();
    observer.megolm_message(1, ROOM, "session", 0);
    observer.megolm_message(2, ROOM, "session", 1);
    observer.restarted();
    observer.megolm_message(3, ROOM, "session", 16);
    observer.megolm_message(4, ROOM, "session", 17);
    observer.megolm_message(5, ROOM, "other session", 0);
    assert_eq!(observer.violations(), []);
    assert_eq!((observer.sessions_resumed(), observer.indices_skipped()), (1, 14));
    observer.restarted();
    observer.megolm_message(6, ROOM, "session", 16);
    assert_eq!(observer.kinds(), [ViolationKind::RatchetIndexReused]);
    assert_eq!(observer.room(ROOM).unwrap().most_messages_in_a_session, 5);
}

#[test]
fn a_session_from_before_the_time_was_lost_is_a_violation() {
    let mut observer = observer_of_encrypted_room();
    observer.encryption_event(OTHER_ROOM, USABLE);
    observer.megolm_message(1, ROOM, "session", 0);
    observer.restarted();
    observer.time_lost(2, "the clock was set");
    observer.megolm_message(3, OTHER_ROOM, "new session", 0);
    observer.megolm_message(3, ROOM, "newer session", 0);
    assert_eq!(observer.violations(), []);
    observer.megolm_message(4, ROOM, "session", 1);
    assert_eq!(observer.kinds(), [ViolationKind::SessionSurvivedRotationEvent]);
}

#[test]
fn a_session_in_two_rooms_is_a_violation() {
    let mut observer = observer_of_encrypted_room();
    observer.encryption_event(OTHER_ROOM, USABLE);
    let mut session = session();
    observer.send(1, ROOM, &content(&mut session));
    observer.send(2, OTHER_ROOM, &content(&mut session));
    assert_eq!(observer.kinds(), [ViolationKind::RatchetIndexReused]);
    assert_eq!(observer.violations()[0].room, OTHER_ROOM);
}

#[test]
fn a_room_key_for_a_second_room_is_a_violation() {
    let mut observer = observer_of_encrypted_room();
    observer.room_key_received(1, ROOM, "session", false);
    observer.room_key_received(2, OTHER_ROOM, "session", false);
    assert_eq!(observer.kinds(), [ViolationKind::RatchetIndexReused]);
}

#[test]
fn a_session_from_before_a_departure_is_a_violation() {
    let mut observer = observer_of_encrypted_room();
    let mut session = session();
    observer.send(1, ROOM, &content(&mut session));
    observer.must_rotate(2, OTHER_ROOM, "departure");
    observer.send(3, ROOM, &content(&mut session));
    assert_eq!(observer.violations(), []);
    observer.must_rotate(4, ROOM, "departure");
    observer.send(5, ROOM, &content(&mut session));
    assert_eq!(observer.kinds(), [ViolationKind::SessionSurvivedRotationEvent]);
}

#[test]
fn a_session_shared_before_a_departure_is_a_violation_though_not_yet_used() {
    let mut observer = observer_of_encrypted_room();
    let mut session = session();
    observer.room_key_received(1, ROOM, &session.session_id(), false);
    observer.must_rotate(2, ROOM, "departure");
    observer.send(3, ROOM, &content(&mut session));
    assert_eq!(observer.kinds(), [ViolationKind::SessionSurvivedRotationEvent]);
}

#[test]
fn what_cannot_be_decrypted_is_a_violation() {
    let mut observer = observer_of_encrypted_room();
    observer.received(1, ROOM, "phone", HELLO, Err(&"no room key"));
    assert_eq!(observer.kinds(), [ViolationKind::Undecryptable]);
    assert_eq!(observer.violations()[0].detail, "phone could not decrypt a message: no room key");
}

#[test]
fn another_plaintext_is_a_violation() {
    let mut observer = observer_of_encrypted_room();
    let content = PlainEvent { content: br#"{"body":"hullo","n":1}"#, ..HELLO };
    let event_type = PlainEvent { event_type: "m.x", ..HELLO };
    let not_json = PlainEvent { content: b"", ..HELLO };
    for got in [content, event_type, not_json] {
        observer.received(1, ROOM, "phone", HELLO, Ok(got));
    }
    assert_eq!(observer.kinds(), [ViolationKind::WrongPlaintext; 3]);
}

#[test]
fn the_same_plaintext_spelt_otherwise_is_fine() {
    let mut observer = observer_of_encrypted_room();
    let got = PlainEvent { content: br#" { "n" : 1, "body" : "h\u0065llo" }"#, ..HELLO };
    observer.received(1, ROOM, "phone", HELLO, Ok(got));
    assert_eq!(observer.violations(), []);
}

#[test]
fn what_is_not_megolm_is_a_violation() {
    let mut session = session();
    let mut tampered = |field: &str, value: Value| {
        let mut event = content(&mut session);
        event[field] = value;
        event
    };
    for event in [
        json!([]),
        tampered("algorithm", json!("m.olm.v1.curve25519-aes-sha2")),
        tampered("session_id", Value::Null),
        tampered("ciphertext", json!("AwgA")),
        tampered("ciphertext", json!("*")),
        tampered("ciphertext", json!(next_version_message())),
    ] {
        let mut observer = observer_of_encrypted_room();
        observer.send(1, ROOM, &event);
        assert_eq!(observer.kinds(), [ViolationKind::NotMegolm], "{event}");
        assert_eq!(observer.room(ROOM).unwrap().messages, 1);
    }
}

/// A message in the format that has version 4 and the MAC in full, well-formed as that.
fn next_version_message() -> String {
    let mut bytes = session().encrypt("{}").to_bytes();
    bytes[0] = 4;
    let mac = bytes.len() - 64 - 8;
    bytes.splice(mac..mac, [0; 32 - 8]);
    let message = vodozemac::base64_encode(bytes);
    assert!(MegolmMessage::from_base64(&message).is_ok());
    message
}

#[test]
fn violations_past_the_first_thousand_are_counted() {
    let mut observer = observer_of_encrypted_room();
    for at_ms in 0..1_500 {
        observer.message(at_ms, ROOM, "m.room.message", b"{}");
    }
    assert_eq!(observer.violations().len(), VIOLATIONS_KEPT);
    assert_eq!(observer.violation_count(), 1_500);
    assert_eq!(observer.violation_counts()[&ViolationKind::PlaintextAfterEncryption], 1_500);
}

#[test]
fn a_violation_is_written_as_the_report_has_it() {
    let mut observer = observer_of_encrypted_room();
    observer.step(3);
    observer.message(7, ROOM, "m.room.message", b"{}");
    assert_eq!(
        serde_json::to_value(&observer.violations()[0]).unwrap(),
        json!({
            "kind": "plaintext_after_encryption",
            "step": 3,
            "at_ms": 7,
            "room": ROOM,
            "detail": "\"m.room.message\" was sent in plaintext",
        })
    );
}

#[test]
fn the_names_of_violations_are_stable() {
    use ViolationKind::*;
    let names = [
        (PlaintextAfterEncryption, "plaintext_after_encryption"),
        (SentWhileBlocked, "sent_while_blocked"),
        (SessionOverMessageLimit, "session_over_message_limit"),
        (SessionOverAgeLimit, "session_over_age_limit"),
        (RatchetIndexReused, "ratchet_index_reused"),
        (SessionSurvivedRotationEvent, "session_survived_rotation_event"),
        (BlockedWithoutCause, "blocked_without_cause"),
        (ReplacedWithoutCause, "replaced_without_cause"),
        (WaitsWithoutCause, "waits_without_cause"),
        (WrongSharedHistory, "wrong_shared_history"),
        (Undecryptable, "undecryptable"),
        (WrongPlaintext, "wrong_plaintext"),
        (NotMegolm, "not_megolm"),
    ];
    for (kind, name) in names {
        assert_eq!(serde_json::to_value(kind).unwrap(), name);
    }
}

#[test]
fn settings_may_only_tighten() {
    let mut observer = observer();
    observer.encryption_event(ROOM, &encryption("50", "7200000"));
    assert_eq!(observer.settings(), Some((50, 7_200_000)));
    observer.encryption_event(ROOM, &encryption("40", "9000000"));
    assert_eq!(observer.settings(), Some((40, 7_200_000)));
    observer.encryption_event(ROOM, USABLE);
    assert_eq!(observer.settings(), Some((40, 7_200_000)));
}

#[test]
fn later_bad_content_leaves_the_settings_in_force() {
    let mut observer = observer();
    observer.encryption_event(ROOM, &encryption("50", "7200000"));
    for content in [&b"{}"[..], b"", br#"{"algorithm":"m.other"}"#] {
        observer.encryption_event(ROOM, content);
    }
    assert_eq!(observer.settings(), Some((50, 7_200_000)));
}

#[test]
fn the_first_usable_content_ends_a_block() {
    let mut observer = observer();
    observer.encryption_event(ROOM, b"{}");
    assert_eq!(observer.settings(), None);
    assert!(observer.room(ROOM).unwrap().encrypted);
    observer.encryption_event(ROOM, &encryption("200", "7200000"));
    assert_eq!(observer.settings(), Some((200, 7_200_000)));
}

/// A content with these rotation values, as they are written.
fn encryption(messages: &str, period_ms: &str) -> Vec<u8> {
    format!(
        r#"{{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":{messages},"rotation_period_ms":{period_ms}}}"#
    )
    .into_bytes()
}

#[test]
fn rotation_values_are_integers_of_any_length_within_the_limits() {
    let huge = "9".repeat(400);
    for (written, messages) in [
        ("1", 1),
        ("10000", 10_000),
        ("10001", 10_000),
        (huge.as_str(), 10_000),
        ("18446744073709551616", 10_000),
        ("0", 1),
        ("-0", 1),
        ("-7", 1),
        ("null", 100),
        ("2.0", 100),
        ("2e1", 100),
        ("-2.5", 100),
        ("1e999", 100),
        ("\"5\"", 100),
        ("true", 100),
        ("[5]", 100),
        ("{}", 100),
    ] {
        assert_eq!(read(encryption(written, "null")), Some((messages, WEEK_MS)), "{written}");
    }
    assert_eq!(read(encryption("1", "3599999")), Some((1, 3_600_000)));
    assert_eq!(read(encryption("1", "2419200001")), Some((1, 2_419_200_000)));
}

#[test]
fn the_defaults_obey_the_limits_too() {
    let limits = Limits { messages: 1..=20, period_ms: WEEK_MS * 2..=WEEK_MS * 3 };
    let settings = Settings::read(USABLE, &limits).unwrap();
    assert_eq!(settings, Settings { messages: 20, period_ms: WEEK_MS * 2 });
}

#[test]
fn content_that_is_not_strict_json_is_not_usable() {
    let good = r#"{"algorithm":"m.megolm.v1.aes-sha2","x":"","y":0}"#;
    assert!(read(good).is_some());
    for (from, to) in [
        ("{", "\u{feff}{"),
        ("}", "}x"),
        ("}", ",}"),
        (r#""""#, "\"\u{1}\""),
        (r#""""#, r#""\x""#),
        (r#""x":"#, "\"\u{1}\":"),
        (":0", ":00"),
        (":0", ":1."),
        (":0", ":+1"),
        (":0", ":NaN"),
    ] {
        let bad = good.replace(from, to);
        assert_ne!(bad, good);
        assert_eq!(read(&bad), None, "{bad}");
    }
    assert_eq!(read(format!("[{good}]")), None);
    assert_eq!(read(good.replace("\"\"", "\"?\"").replace('?', "\\uD800")), read(good));
    let mut bytes = good.as_bytes().to_vec();
    let end = bytes.len() - 2;
    bytes.splice(end..end, *b"1,\"z\":\"\xff\"");
    assert_eq!(read(bytes), None);
}

#[test]
fn white_space_and_lone_surrogates_are_fine() {
    let spaced = " \r\n\t{ \"algorithm\" : \"m.megolm.v1.aes-sha2\" , \"\\uDC00\" : \"\\uD800\" } \n";
    assert_eq!(read(spaced), Some((100, WEEK_MS)));
}

#[test]
fn a_known_key_twice_is_not_usable() {
    for (key, usable) in [
        ("algorithm", false),
        ("rotation_period_ms", false),
        ("rotation_period_msgs", false),
        ("encrypt_state_events", false),
        ("io.element.msc4362.encrypt_state_events", false),
        ("unknown", true),
    ] {
        let value = r#""m.megolm.v1.aes-sha2""#;
        let once = if key == "algorithm" { "" } else { r#""algorithm":"m.megolm.v1.aes-sha2","# };
        let twice = format!(r#"{{{once}"{key}":{value},"{key}":{value}}}"#);
        assert_eq!(read(&twice).is_some(), usable, "{twice}");
    }
}

#[test]
fn keys_are_compared_after_their_escapes_are_decoded() {
    let escaped = r#"{"\u0061lgorithm":"m.megolm.v1.aes-sha2","rotation_period_msg\u0073":7}"#;
    assert_eq!(read(escaped), Some((7, WEEK_MS)));
    let twice = r#"{"algorithm":"m.megolm.v1.aes-sha2","\u0061lgorithm":"m.megolm.v1.aes-sha2"}"#;
    assert_eq!(read(twice), None);
    assert_eq!(read(r#"{"Algorithm":"m.megolm.v1.aes-sha2"}"#), None);
}

#[test]
fn both_names_of_encrypt_state_events_may_stand_together() {
    let both = r#"{"algorithm":"m.megolm.v1.aes-sha2","encrypt_state_events":true,
        "io.element.msc4362.encrypt_state_events":true}"#;
    assert_eq!(read(both), Some((100, WEEK_MS)));
}

#[test]
fn only_one_algorithm_is_usable() {
    for algorithm in
        ["null", "1", "[]", "\"\"", "\"m.megolm.v1-aes-sha2\"", "\"\\uD800\"", "\"M.MEGOLM.V1.AES-SHA2\""]
    {
        assert_eq!(read(format!(r#"{{"algorithm":{algorithm}}}"#)), None, "{algorithm}");
    }
}

#[test]
fn depth_64_is_fine_and_65_is_not() {
    let nested = |depth: usize| {
        format!(
            r#"{{"algorithm":"m.megolm.v1.aes-sha2","s":"[[[\"[[","x":{}{}}}"#,
            "[".repeat(depth - 1),
            "]".repeat(depth - 1)
        )
    };
    assert!(read(nested(64)).is_some());
    assert!(read(nested(65)).is_none());
    assert!(read(nested(30_000)).is_none());
}

/// The files of `vectors/settings`; `vectors/README.md` has their format.
#[test]
fn the_test_vectors_are_read_as_they_say() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors/settings");
    let mut files = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap();
        let (header, body) = (std::str::from_utf8(&bytes[..end]).unwrap(), &bytes[end + 2..]);
        let field = |name: &str| header.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let number = |name| field(name).unwrap().parse::<u64>().unwrap();
        let range = |name| {
            let (lower, upper) = field(name)?.split_once(' ').unwrap();
            Some(lower.parse().unwrap()..=upper.parse().unwrap())
        };
        let Limits { messages, period_ms } = Limits::default();
        let limits = Limits {
            messages: range("limits-messages").unwrap_or(messages),
            period_ms: range("limits-period-ms").unwrap_or(period_ms),
        };
        let expected = (field("outcome") == Some("usable"))
            .then(|| Settings { messages: number("messages"), period_ms: number("period_ms") });
        assert_eq!(Settings::read(body, &limits), expected, "{}", path.display());
        files += 1;
    }
    assert!(files > 0);
}

#[test]
fn content_of_65536_bytes_is_fine_and_one_more_is_not() {
    let padded = |bytes: usize| [USABLE, " ".repeat(bytes - USABLE.len()).as_bytes()].concat();
    assert!(read(padded(65_536)).is_some());
    assert!(read(padded(65_537)).is_none());
}

// ---- bounded memory, and what a device cannot know ----

#[test]
fn sessions_that_are_long_over_are_not_kept() {
    let mut observer = observer_of_encrypted_room();
    for session in 0..1_000 {
        observer.megolm_message(session, ROOM, &session.to_string(), 0);
    }
    assert_eq!(observer.violations(), []);
    assert_eq!(observer.session_rooms.len(), 1 + room::EARLIER_KEPT);
    observer.megolm_message(1_000, ROOM, "995", 0);
    observer.megolm_message(1_000, ROOM, "999", 0);
    assert_eq!(observer.kinds(), [ViolationKind::RatchetIndexReused; 2]);
}

#[test]
fn a_session_whose_key_was_not_shared_is_a_violation_where_nobody_receives() {
    let mut observer = observer_of_encrypted_room();
    let room = observer.number_of(ROOM);
    observer.room_key_received(1, ROOM, "shared", false);
    observer.message_without_cryptography(2, room, b"shared", 0);
    assert_eq!(observer.violations(), []);
    observer.message_without_cryptography(3, room, b"not shared", 0);
    assert_eq!(observer.kinds(), [ViolationKind::Undecryptable]);
}

#[test]
fn an_age_that_the_counter_hid_is_allowed_and_one_that_it_showed_is_not() {
    // C3: 2 hours pass, of which the counter shows one.
    let mut observer = observer_of_encrypted_room();
    observer.counter_read(0, 0);
    observer.megolm_message(0, ROOM, "session", 0);
    let shown = WEEK_MS - 3_600_000;
    observer.counter_read(WEEK_MS, shown & u64::from(u32::MAX));
    observer.megolm_message(WEEK_MS, ROOM, "session", 1);
    assert_eq!((observer.unseen_ms(), observer.violations()), (3_600_000, &[][..]));
    observer.counter_read(WEEK_MS + 3_600_000, (shown + 3_600_000) & u64::from(u32::MAX));
    observer.megolm_message(WEEK_MS + 3_600_000, ROOM, "session", 2);
    assert_eq!(observer.kinds(), [ViolationKind::SessionOverAgeLimit]);
}

#[test]
fn a_restart_ends_what_is_allowed_to_a_session_that_outlives_it() {
    // B3: its age comes from a clock that goes on.
    let mut observer = observer_of_encrypted_room();
    observer.counter_read(0, 0);
    observer.megolm_message(0, ROOM, "session", 0);
    observer.counter_read(WEEK_MS, 0);
    observer.restarted();
    observer.counter_read(WEEK_MS, 0);
    observer.megolm_message(WEEK_MS, ROOM, "session", 1);
    assert_eq!(observer.kinds(), [ViolationKind::SessionOverAgeLimit]);
}

#[test]
fn a_session_from_before_the_counter_went_back_is_a_violation() {
    // C3
    let mut observer = observer_of_encrypted_room();
    observer.counter_read(0, 1_000);
    observer.megolm_message(0, ROOM, "session", 0);
    observer.counter_read(10, 999);
    observer.megolm_message(10, ROOM, "session", 1);
    assert_eq!(observer.kinds(), [ViolationKind::SessionSurvivedRotationEvent]);
}

#[test]
fn a_session_from_before_a_sleep_of_unknown_length_is_a_violation() {
    // C5
    let mut observer = observer_of_encrypted_room();
    observer.megolm_message(0, ROOM, "session", 0);
    observer.slept(5);
    observer.megolm_message(5, ROOM, "session", 1);
    assert_eq!(observer.violations(), []);
    observer.slept_unknown(10, 5);
    observer.megolm_message(10, ROOM, "session", 2);
    assert_eq!(observer.kinds(), [ViolationKind::SessionSurvivedRotationEvent]);
}

#[test]
fn a_history_visibility_ends_sessions_where_it_crosses() {
    // E3
    for (from, to, crosses) in [
        ("joined", "shared", true),
        ("shared", "invited", true),
        ("world_readable", "no such visibility", true),
        ("joined", "invited", false),
        ("joined", "no such visibility", false),
        ("shared", "world_readable", false),
    ] {
        let mut observer = observer_of_encrypted_room();
        observer.history_visibility(0, ROOM, from);
        observer.megolm_message(1, ROOM, "session", 0);
        observer.history_visibility(2, ROOM, to);
        observer.megolm_message(3, ROOM, "session", 1);
        assert_eq!(observer.violation_count() == 1, crosses, "{from} to {to}");
    }
}

#[test]
fn a_room_without_a_place_may_be_blocked_and_no_other() {
    // K2
    let mut observer = observer().with_places(1);
    observer.encryption_event(ROOM, USABLE);
    observer.not_sent(1, "!plain:example.org");
    assert_eq!(observer.kinds(), [ViolationKind::BlockedWithoutCause]);
    observer.encryption_event(OTHER_ROOM, USABLE);
    observer.not_sent(2, OTHER_ROOM);
    observer.not_sent(2, "!plain:example.org");
    assert_eq!(observer.violation_count(), 1);
    observer.not_sent(3, ROOM);
    assert_eq!(observer.violation_count(), 2);
}

#[test]
fn a_session_is_measured_by_the_limits_at_its_last_message() {
    let mut observer = observer_of_encrypted_room(); // 100 messages, a week
    let (mut before, mut across) = (session(), session());
    for at_ms in 0..80 {
        observer.send(at_ms, ROOM, &content(&mut before));
    }
    observer.send(100, ROOM, &content(&mut across));
    observer.encryption_event(ROOM, br#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":20}"#);
    for at_ms in 101..105 {
        observer.send(at_ms, ROOM, &content(&mut across));
    }
    let used = observer.limit_use().messages;
    // 80 of 100, and 5 of 20; not 80 of 20, nor 5 of 100.
    assert_eq!((used.twentieths[15], used.twentieths[4], used.over), (1, 1, 0));
    assert_eq!(used.twentieths.iter().sum::<u64>(), 2);
}

#[test]
fn all_of_a_messages_limit_is_within_it_and_all_of_a_period_is_beyond_it() {
    let mut observer = observer();
    observer.encryption_event(ROOM, br#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":2}"#);
    let (mut young, mut old) = (session(), session());
    observer.send(0, ROOM, &content(&mut young));
    observer.send(WEEK_MS - 1, ROOM, &content(&mut young));
    observer.send(WEEK_MS, ROOM, &content(&mut old));
    observer.send(2 * WEEK_MS, ROOM, &content(&mut old));
    let LimitUse { messages, age } = observer.limit_use();
    assert_eq!((messages.twentieths[19], messages.over), (2, 0));
    assert_eq!((age.twentieths[19], age.over), (1, 1));
}

#[test]
fn sessions_that_are_not_kept_any_more_are_still_counted() {
    let mut observer = observer_of_encrypted_room();
    for at_ms in 0..30 {
        observer.send(at_ms, ROOM, &content(&mut session()));
    }
    observer.room_key_received(30, ROOM, &session().session_id(), false); // carries nothing
    let LimitUse { messages, age } = observer.limit_use();
    assert_eq!((messages.twentieths[0], age.twentieths[0]), (30, 30));
}
