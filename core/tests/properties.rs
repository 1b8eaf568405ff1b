//! What holds whatever comes: the reader against serde_json, settings within their limits, the table against a map,
//! and a device against a model of the rules.

mod support;

use core::convert::Infallible;
use core::ops::RangeInclusive;
use std::collections::{BTreeMap, BTreeSet};

use pawl_core::clock::{Sleep, Timeline};
use pawl_core::json::{JsonError, ObjectReader, Text, Value as Read, check_object};
use pawl_core::membership::{Membership, PreviousMembership, shares_history};
use pawl_core::settings::{Cause, ChangePolicy, Field, Limits, Reading, Settings, read};
use pawl_core::{Config, Decision, Device, RoomStorage};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use support::{Clock64, EVENT, HOUR_MS, Millis, SENDER, Session, Storage, TestClock, content, room};

/// So many cases, or where machines are slow the share of them that `PAWL_ONE_CASE_IN` says: one in so many.
fn cases(cases: u32) -> ProptestConfig {
    let one_in = std::env::var("PAWL_ONE_CASE_IN")
        .map_or(1, |n| n.parse::<u32>().expect("PAWL_ONE_CASE_IN is a number"));
    ProptestConfig { cases: cases.div_ceil(one_in), failure_persistence: None, ..ProptestConfig::default() }
}

// The reader against serde_json

/// Any text of moderate length.
fn text() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..32).prop_map(String::from_iter)
}

/// Any JSON value of moderate depth.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, |inner| {
        prop_oneof![vec(inner.clone(), 0..6).prop_map(Value::from), object_of(inner).prop_map(Value::Object),]
    })
}

fn object_of(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    let key = prop_oneof![
        text(),
        select(vec!["algorithm", "rotation_period_ms", "rotation_period_msgs", "encrypt_state_events", "",])
            .prop_map(String::from),
    ];
    vec((key, value), 0..6).prop_map(|members| members.into_iter().collect())
}

/// Writes JSON with some white space wherever it is allowed, and some characters of strings as escapes.
fn write_loosely(value: &Value, noise: &mut impl Iterator<Item = u8>, out: &mut String) {
    write_space(noise, out);
    match value {
        Value::Array(elements) => {
            out.push('[');
            for (n, element) in elements.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write_loosely(element, noise, out);
            }
            write_space(noise, out);
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (n, (key, value)) in members.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write_space(noise, out);
                write_string(key, noise, out);
                write_space(noise, out);
                out.push(':');
                write_loosely(value, noise, out);
            }
            write_space(noise, out);
            out.push('}');
        }
        Value::String(string) => write_string(string, noise, out),
        scalar => out.push_str(&scalar.to_string()),
    }
    write_space(noise, out);
}

fn write_space(noise: &mut impl Iterator<Item = u8>, out: &mut String) {
    out.push_str(match noise.next().unwrap() % 8 {
        0 => " ",
        1 => "\t",
        2 => "\r\n",
        _ => "",
    });
}

fn write_string(string: &str, noise: &mut impl Iterator<Item = u8>, out: &mut String) {
    out.push('"');
    for character in string.chars() {
        let must = character < ' ' || character == '"' || character == '\\';
        if must || noise.next().unwrap().is_multiple_of(4) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.push_str(&match noise.next().unwrap() % 2 {
                    0 => format!("\\u{unit:04x}"),
                    _ => format!("\\u{unit:04X}"),
                });
            }
        } else {
            out.push(character);
        }
    }
    out.push('"');
}

/// An object, and a way of writing it.
fn written_object() -> impl Strategy<Value = (Map<String, Value>, String)> {
    (object_of(json_value()), vec(any::<u8>(), 1..64)).prop_map(|(object, noise)| {
        let mut out = String::new();
        write_loosely(&Value::Object(object.clone()), &mut noise.iter().copied().cycle(), &mut out);
        (object, out)
    })
}

/// Whether serde_json takes these bytes as one object. It checks what it ignores like the reader does: lone
/// surrogates and numbers of any size are fine. Both differ in the bounds, which nothing here comes near.
fn serde_json_takes(bytes: &[u8]) -> bool {
    let is_object = bytes.iter().find(|byte| !b" \t\r\n".contains(byte)).is_some_and(|byte| *byte == b'{');
    is_object
        && core::str::from_utf8(bytes).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// A change of one byte, with bytes that mean something in JSON preferred.
fn edit() -> impl Strategy<Value = (prop::sample::Index, u8, u8)> {
    let byte = prop_oneof![
        4 => select(&b"{}[]:,\"\\ \t\n/bfnrtu0123456789+-.eEaAdDlsx\0\x7f"[..]),
        1 => any::<u8>(),
    ];
    (any::<prop::sample::Index>(), 0..3_u8, byte)
}

fn apply(bytes: &mut Vec<u8>, (place, kind, byte): (prop::sample::Index, u8, u8)) {
    let place = place.index(bytes.len() + 1);
    match kind {
        0 => bytes.insert(place, byte),
        1 if place < bytes.len() => bytes[place] = byte,
        _ if place < bytes.len() => drop(bytes.remove(place)),
        _ => {}
    }
}

/// Whether a value that was read is this one, as far as the reader tells.
fn agrees(read: Read<'_>, value: &Value) -> bool {
    match (read, value) {
        (Read::Null, Value::Null)
        | (Read::Array, Value::Array(_))
        | (Read::Object, Value::Object(_))
        | (Read::String(_), Value::String(_)) => true,
        (Read::Bool(read), Value::Bool(value)) => read == *value,
        (Read::Integer(read), Value::Number(value)) => match value.as_u64() {
            Some(value) => !read.negative && read.magnitude == Some(value),
            None => read.negative && value.as_i64().map(i64::unsigned_abs) == read.magnitude,
        },
        (Read::Fractional, Value::Number(value)) => value.is_f64(),
        _ => false,
    }
}

fn decoded(text: Text<'_>) -> String {
    let quoted = [b"\"", text.raw(), b"\""].concat();
    serde_json::from_slice(&quoted).unwrap()
}

proptest! {
    #![proptest_config(cases(2_000))]

    // P1
    #[test]
    fn every_object_is_taken((_, written) in written_object()) {
        prop_assert_eq!(check_object(written.as_bytes()), Ok(()));
    }

    // P1
    #[test]
    fn what_serde_json_takes_is_taken_and_nothing_else(
        (_, written) in written_object(),
        edits in vec(edit(), 1..4),
    ) {
        let mut bytes = written.into_bytes();
        for edit in edits {
            apply(&mut bytes, edit);
        }
        prop_assert_eq!(check_object(&bytes).is_ok(), serde_json_takes(&bytes));
    }

    // P1, P2
    #[test]
    fn any_bytes_are_taken_or_refused(bytes in vec(any::<u8>(), 0..64)) {
        prop_assert_eq!(check_object(&bytes).is_ok(), serde_json_takes(&bytes));
    }

    // P1
    #[test]
    fn any_sequence_of_tokens_is_taken_or_refused(
        tokens in vec(
            select(vec![
                "{", "}", "[", "]", ":", ",", "\"a\"", "\"\"", "0", "-1", "1.5", "1e9", "true", "null", " ",
            ]),
            0..14,
        ),
    ) {
        let written = format!("{{{}", tokens.concat());
        prop_assert_eq!(check_object(written.as_bytes()).is_ok(), serde_json_takes(written.as_bytes()));
    }

    // P2: the one difference that is meant
    #[test]
    fn nesting_is_refused_beyond_64_and_only_there(brackets in vec(any::<bool>(), 0..100)) {
        let (mut written, mut closing) = (String::from("{\"a\":"), String::from("}"));
        for curly in &brackets {
            let (open, close) = if *curly { ("{\"a\":", "}") } else { ("[", "]") };
            written.push_str(open);
            closing.insert_str(0, close);
        }
        written.push('0');
        written.push_str(&closing);
        let expected = if brackets.len() < 64 { Ok(()) } else { Err(JsonError::TooDeep) };
        prop_assert_eq!(check_object(written.as_bytes()), expected);
    }

    // P3
    #[test]
    fn members_are_handed_out_as_they_stand((object, written) in written_object()) {
        let mut reader = ObjectReader::new(written.as_bytes());
        let mut read = Read::Null;
        let mut seen = 0;
        while let Some(key) = reader.next_key().unwrap() {
            let range = reader.read_value(&mut read).unwrap();
            let name = decoded(key);
            let value = &object[&name];
            prop_assert!(agrees(read, value));
            prop_assert_eq!(written[range.clone()].trim(), &written[range]);
            if let Read::String(text) = read {
                prop_assert_eq!(&Value::String(decoded(text)), value);
            }
            for other in ["algorithm", "rotation_period_ms", "rotation_period_msgs", "encrypt_state_events", ""] {
                prop_assert_eq!(key.is(other), name == other);
            }
            seen += 1;
        }
        prop_assert_eq!(seen, object.len());
        prop_assert_eq!(reader.offset(), written.len());
    }
}

// Settings

fn digits(count: RangeInclusive<usize>) -> impl Strategy<Value = String> {
    vec(prop::char::range('0', '9'), count).prop_map(String::from_iter)
}

/// An integer of so many digits at most, without leading zeros.
fn whole(digits_at_most: usize) -> impl Strategy<Value = String> {
    prop_oneof![
        Just("0".to_owned()),
        (prop::char::range('1', '9'), digits(0..=digits_at_most - 1))
            .prop_map(|(first, rest)| format!("{first}{rest}")),
    ]
}

/// How a rotation value may be written.
fn rotation_value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|value| value.to_string()),
        any::<u32>().prop_map(|value| value.to_string()),
        (0..20_000_u32).prop_map(|value| value.to_string()),
        any::<u128>().prop_map(|value| value.to_string()),
        (select(vec!["", "-"]), whole(41)).prop_map(|(sign, whole)| format!("{sign}{whole}")),
        (select(vec!["", "-"]), whole(6), digits(1..=5))
            .prop_map(|(sign, whole, fraction)| format!("{sign}{whole}.{fraction}")),
        (whole(6), select(vec!["e", "E"]), select(vec!["", "+", "-"]), digits(1..=3))
            .prop_map(|(whole, e, sign, exponent)| format!("{whole}{e}{sign}{exponent}")),
        json_value().prop_map(|value| value.to_string()),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    let messages = (1..=u32::MAX, 1..=u32::MAX);
    let period_ms = (1..=u64::MAX, 1..=u64::MAX);
    prop_oneof![
        Just(Limits::default()),
        (messages, period_ms)
            .prop_map(|((a, b), (c, d))| { Limits::new(a.min(b)..=a.max(b), c.min(d)..=c.max(d)).unwrap() }),
    ]
}

fn switch() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec!["true", "false", "null", "1", "\"true\""]).prop_map(String::from),
        json_value().prop_map(|value| value.to_string()),
    ]
}

/// A content with an algorithm and any of the other members.
fn usable_content() -> impl Strategy<Value = String> {
    let option = prop::option::of::<proptest::strategy::BoxedStrategy<String>>;
    (
        option(rotation_value().boxed()),
        option(rotation_value().boxed()),
        option(switch().boxed()),
        option(switch().boxed()),
    )
        .prop_map(|(period_ms, messages, stable, unstable)| {
            let mut content = String::from(r#"{"algorithm":"m.megolm.v1.aes-sha2""#);
            for (field, value) in [
                (Field::RotationPeriodMs, period_ms),
                (Field::RotationPeriodMsgs, messages),
                (Field::EncryptStateEvents, stable),
                (Field::EncryptStateEventsUnstable, unstable),
            ] {
                if let Some(value) = value {
                    content.push_str(&format!(",\"{}\":{value}", field.key()));
                }
            }
            content + "}"
        })
}

fn settings() -> impl Strategy<Value = Settings> {
    (1..=u32::MAX, 1..=u64::MAX, any::<bool>()).prop_map(|(messages, period_ms, on)| Settings {
        rotation_period_msgs: messages,
        rotation_period_ms: period_ms,
        encrypt_state_events: on,
    })
}

proptest! {
    #![proptest_config(cases(2_000))]

    // P6
    #[test]
    fn a_bad_value_never_costs_the_algorithm_and_never_leaves_the_limits(
        content in usable_content(),
        limits in limits(),
    ) {
        let Reading::Usable(settings, _) = read(content.as_bytes(), &limits) else {
            panic!("{content} is usable");
        };
        prop_assert!(limits.messages().contains(&settings.rotation_period_msgs));
        prop_assert!(limits.period_ms().contains(&settings.rotation_period_ms));
    }

    // P6, P8
    #[test]
    fn an_integer_is_brought_within_the_limits_and_that_is_reported(
        value in any::<i128>(),
        shift in 0..128_u32,
        limits in limits(),
    ) {
        let value = value >> shift;
        let (lower, upper) = (*limits.period_ms().start(), *limits.period_ms().end());
        let content = format!(r#"{{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_ms":{value}}}"#);
        let Reading::Usable(settings, diagnostics) = read(content.as_bytes(), &limits) else {
            panic!("{content} is usable");
        };
        let expected = value.clamp(lower.into(), upper.into());
        prop_assert_eq!(i128::from(settings.rotation_period_ms), expected);
        let cause = match value {
            _ if value < expected => Some(Cause::BelowLimit),
            _ if value > expected => Some(Cause::AboveLimit),
            _ => None,
        };
        prop_assert_eq!(diagnostics.cause(Field::RotationPeriodMs), cause);
    }

    // S1, S4
    #[test]
    fn whatever_bytes_come_an_encrypted_room_is_within_the_limits_or_blocked(
        contents in vec(
            prop_oneof![
                vec(any::<u8>(), 0..100),
                usable_content().prop_map(String::into_bytes),
                written_object().prop_map(|(_, written)| written.into_bytes()),
            ],
            1..8,
        ),
        policy in select(vec![ChangePolicy::Ratchet, ChangePolicy::Follow, ChangePolicy::Freeze]),
    ) {
        let mut storage = RoomStorage::<(), 1>::new();
        let config = Config { policy, ..Config::default() };
        let mut device = Device::new(&mut storage, config);
        support::resync(&mut device);
        let clock = Millis::showing(0);
        for content in contents {
            let applied = device.encryption_event(support::ROOM, &content).unwrap();
            prop_assert_eq!(device.settings(support::ROOM), applied.in_force);
            if let Some(settings) = applied.in_force {
                prop_assert!(config.limits.messages().contains(&settings.rotation_period_msgs));
                prop_assert!(config.limits.period_ms().contains(&settings.rotation_period_ms));
            }
            let decision = device.at(&clock).unwrap().decide(support::ROOM, || Ok::<_, ()>(()));
            match decision {
                Ok(Decision::Blocked(_)) => prop_assert_eq!(applied.in_force, None),
                Ok(Decision::Share(_)) => prop_assert!(applied.in_force.is_some()),
                _ => panic!("neither plaintext nor an error"),
            }
        }
    }

    // S3
    #[test]
    fn ratchet_never_raises_a_value(current in settings(), new in settings()) {
        let next = ChangePolicy::Ratchet.change(current, new);
        prop_assert!(next.rotation_period_msgs <= current.rotation_period_msgs);
        prop_assert!(next.rotation_period_ms <= current.rotation_period_ms);
        prop_assert!(next.encrypt_state_events >= current.encrypt_state_events);
        prop_assert!([current.rotation_period_msgs, new.rotation_period_msgs].contains(&next.rotation_period_msgs));
        prop_assert!([current.rotation_period_ms, new.rotation_period_ms].contains(&next.rotation_period_ms));
    }

    // S3, K5
    #[test]
    fn a_change_made_twice_is_made_once(
        current in settings(),
        new in settings(),
        policy in select(vec![ChangePolicy::Ratchet, ChangePolicy::Follow, ChangePolicy::Freeze]),
    ) {
        let once = policy.change(current, new);
        prop_assert_eq!(policy.change(once, new), once);
    }

    // S3: the order in which a server sends its contents gains it nothing
    #[test]
    fn under_ratchet_the_order_of_contents_does_not_matter(a in settings(), b in settings(), c in settings()) {
        let ratchet = |first, second| ChangePolicy::Ratchet.change(first, second);
        prop_assert_eq!(ratchet(ratchet(a, b), c), ratchet(ratchet(a, c), b));
    }
}

// Time

proptest! {
    #![proptest_config(cases(500))]

    // C1, C2: within 64 bits of milliseconds
    #[test]
    fn a_timeline_is_the_sum_of_its_steps(
        start in any::<u32>(),
        steps in vec(any::<u32>(), 1..50),
    ) {
        let clock = TestClock::<u64, 1_001, 30_000>::showing(start.into());
        let mut timeline = Timeline::new();
        timeline.read(&clock).unwrap();
        let (mut shown, mut ticks) = (u64::from(start), 0_u128);
        for step in steps {
            shown += u64::from(step);
            ticks += u128::from(step);
            clock.show(shown);
            let now = timeline.read(&clock).unwrap();
            prop_assert_eq!(u128::from(now.tick_begin_ms), ticks * 1_001_000 / 30_000);
            prop_assert_eq!(u128::from(now.tick_end_ms), ((ticks + 1) * 1_001_000).div_ceil(30_000));
            prop_assert_eq!(now.epoch, 0);
        }
    }

    // C3
    #[test]
    fn every_step_back_of_a_64_bit_clock_and_nothing_else_makes_ages_unknown(
        readings in vec(any::<u64>(), 2..50),
    ) {
        let clock = Clock64::<1_000_000>::showing(readings[0]);
        let mut timeline = Timeline::new();
        let mut before = timeline.read(&clock).unwrap();
        for pair in readings.windows(2) {
            clock.show(pair[1]);
            let now = timeline.read(&clock).unwrap();
            prop_assert_eq!(now.epoch != before.epoch, pair[1] < pair[0]);
            prop_assert!(now.tick_begin_ms >= before.tick_begin_ms);
            before = now;
        }
    }
}

// The table against a map

/// IDs that are easily confused: prefixes of each other, alike but for the last byte, empty, of greatest length.
fn hostile_ids() -> Vec<String> {
    let mut ids: Vec<String> =
        ["", "\0", "\0\0", "a", "A", "aa", "a\0", "é", "e\u{301}", "\u{ffff}", "\u{10ffff}"]
            .map(String::from)
            .into();
    for last in ["", "a", "b", "\0", "\u{7f}"] {
        ids.push("x".repeat(254) + last);
    }
    ids.push("x".repeat(255));
    ids.push("\0".repeat(255));
    ids.push("é".repeat(127));
    ids
}

#[derive(Clone, Debug)]
enum TableOperation {
    Insert(String, u32),
    Remove(String),
    LookUp(String),
}

fn table_operation() -> impl Strategy<Value = TableOperation> {
    let id = || select(hostile_ids());
    prop_oneof![
        3 => (id(), 1..10_000_u32).prop_map(|(id, messages)| TableOperation::Insert(id, messages)),
        2 => id().prop_map(TableOperation::Remove),
        1 => id().prop_map(TableOperation::LookUp),
    ]
}

fn assert_table_is_a_map<const N: usize>(operations: Vec<TableOperation>) -> Result<(), TestCaseError> {
    let mut storage = RoomStorage::<(), N>::new();
    let config = Config { policy: ChangePolicy::Follow, ..Config::default() };
    let mut device = Device::new(&mut storage, config);
    let mut map = BTreeMap::new();
    for operation in operations {
        match operation {
            TableOperation::Insert(id, messages) => {
                let has_place = map.len() < N || map.contains_key(&id);
                let applied = device.encryption_event(room(&id), &content(messages, HOUR_MS));
                prop_assert_eq!(applied.is_ok(), has_place);
                if has_place {
                    map.insert(id, messages);
                }
            }
            TableOperation::Remove(id) => {
                prop_assert_eq!(device.forget(room(&id)).unwrap(), map.remove(&id).is_some());
            }
            TableOperation::LookUp(id) => {
                prop_assert_eq!(device.is_known_encrypted(room(&id)), map.contains_key(&id));
            }
        }
        for id in hostile_ids() {
            let messages = device.settings(room(&id)).map(|settings| settings.rotation_period_msgs);
            prop_assert_eq!(messages.as_ref(), map.get(&id));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(200))]

    // K1, K2, K3
    #[test]
    fn a_table_of_1_is_a_map(operations in vec(table_operation(), 0..100)) {
        assert_table_is_a_map::<1>(operations)?;
    }

    // K1, K2, K3
    #[test]
    fn a_table_of_7_is_a_map(operations in vec(table_operation(), 0..100)) {
        assert_table_is_a_map::<7>(operations)?;
    }

    // K1, K2, K3
    #[test]
    fn a_table_with_a_place_for_every_room_is_a_map(operations in vec(table_operation(), 0..100)) {
        assert_table_is_a_map::<19>(operations)?;
    }
}

// A device against a model of the rules

const ROOMS: [&str; 3] = ["!a", "!b", "!c"];
const VISIBILITIES: [&str; 4] = ["joined", "invited", "shared", "world_readable"];

#[derive(Clone, Debug)]
enum Operation {
    Send { room: usize, fails: bool, share_fails: bool },
    DropPermit { room: usize },
    NoNewSession { room: usize },
    Encryption { room: usize, messages: u32, hours: u64 },
    BadEncryption { room: usize },
    Departure { room: usize },
    DeviceRemoved { room: usize },
    Request { room: usize },
    Visibility { room: usize, visibility: &'static str },
    Reset { room: usize },
    Forget { room: usize },
    Resync,
    Pass { ms: u64 },
    ClockBack { ms: u64 },
    SleepKnown { ms: u64 },
    SleepUnknown,
}

fn operation() -> impl Strategy<Value = Operation> {
    let room = || 0..ROOMS.len();
    let ms = || prop_oneof![1..=3 * HOUR_MS, Just(HOUR_MS), Just(HOUR_MS - 1), Just(1)];
    prop_oneof![
        20 => (room(), prop::bool::weighted(0.2), prop::bool::weighted(0.2))
            .prop_map(|(room, fails, share_fails)| Operation::Send { room, fails, share_fails }),
        1 => room().prop_map(|room| Operation::DropPermit { room }),
        1 => room().prop_map(|room| Operation::NoNewSession { room }),
        4 => (room(), 1..5_u32, 1..4_u64)
            .prop_map(|(room, messages, hours)| Operation::Encryption { room, messages, hours }),
        1 => room().prop_map(|room| Operation::BadEncryption { room }),
        1 => room().prop_map(|room| Operation::Departure { room }),
        1 => room().prop_map(|room| Operation::DeviceRemoved { room }),
        1 => room().prop_map(|room| Operation::Request { room }),
        1 => (room(), select(&VISIBILITIES[..]))
            .prop_map(|(room, visibility)| Operation::Visibility { room, visibility }),
        1 => room().prop_map(|room| Operation::Reset { room }),
        1 => room().prop_map(|room| Operation::Forget { room }),
        1 => Just(Operation::Resync),
        5 => ms().prop_map(|ms| Operation::Pass { ms }),
        1 => ms().prop_map(|ms| Operation::ClockBack { ms }),
        1 => ms().prop_map(|ms| Operation::SleepKnown { ms }),
        1 => Just(Operation::SleepUnknown),
    ]
}

/// What the rules say of a session, in true time.
#[derive(Clone, Debug)]
struct ModelSession {
    made_ms: u64,
    uses: u32,
    shared: bool,
    /// Something has happened that ends it.
    ended: bool,
}

#[derive(Clone, Debug, Default)]
struct ModelRoom {
    /// An encryption event was sent to the device at some time, accepted or not.
    ever_encrypted: bool,
    shared_history: bool,
    session: Option<ModelSession>,
}

struct Model<'a> {
    device: Device<'a, Session>,
    clock: Millis,
    shown_ms: u64,
    true_ms: u64,
    rooms: [ModelRoom; ROOMS.len()],
    indices: BTreeSet<(String, u32)>,
}

impl Model<'_> {
    fn run(&mut self, operation: &Operation) {
        match *operation {
            Operation::Send { room, fails, share_fails } => self.send(room, fails, share_fails),
            Operation::DropPermit { room } => {
                if self.sends_with_its_session(room) {
                    drop(support::permit(&mut self.device, &self.clock, id(room)));
                }
            }
            Operation::NoNewSession { room } => {
                let goes_on = self.goes_on(room);
                let decision = self.device.at(&self.clock).unwrap().decide(id(room), || Err(()));
                // T11
                assert!(goes_on || !matches!(decision, Ok(Decision::Encrypt(_))));
            }
            Operation::Encryption { room, messages, hours } => {
                self.encryption(room, &content(messages, hours * HOUR_MS));
            }
            Operation::BadEncryption { room } => self.encryption(room, b"{}"),
            Operation::Departure { room } => {
                let _ = self
                    .device
                    .member_event(id(room), PreviousMembership::Unknown, Membership::Leave, false)
                    .unwrap();
                self.end_session(room);
            }
            Operation::DeviceRemoved { room } => {
                let _ = self.device.device_removed(id(room)).unwrap();
                self.end_session(room);
            }
            Operation::Request { room } => {
                let _ = self.device.request_rotation(id(room)).unwrap();
                self.end_session(room);
            }
            Operation::Visibility { room, visibility } => {
                let _ = self.device.history_visibility_event(id(room), visibility).unwrap();
                let shared_history = shares_history(visibility);
                if self.device.is_known_encrypted(id(room))
                    && self.rooms[room].shared_history != shared_history
                {
                    self.rooms[room].shared_history = shared_history;
                    self.end_session(room); // E3
                }
            }
            Operation::Reset { room } => {
                let _ = self.device.reset_settings(id(room)).unwrap();
            }
            Operation::Forget { room } => {
                if self.device.forget(id(room)).unwrap() {
                    self.rooms[room].session = None;
                    self.rooms[room].shared_history = false;
                }
            }
            Operation::Resync => {
                // A server that hides nothing.
                self.device.begin_resync();
                for room in 0..ROOMS.len() {
                    if self.rooms[room].ever_encrypted {
                        self.encryption(room, support::MEGOLM);
                    }
                }
                let _ = self.device.end_resync();
            }
            Operation::Pass { ms } => {
                self.true_ms += ms;
                self.show(self.shown_ms + ms);
            }
            Operation::ClockBack { ms } => {
                let _ = self.device.at(&self.clock).unwrap();
                self.show(self.shown_ms - ms);
                let _ = self.device.at(&self.clock).unwrap();
                self.end_every_session(); // C3
            }
            Operation::SleepKnown { ms } => {
                self.true_ms += ms;
                self.device.slept(Sleep::KnownMs(ms)).unwrap();
            }
            Operation::SleepUnknown => {
                self.device.slept(Sleep::Unknown).unwrap();
                self.end_every_session(); // C5
            }
        }
    }

    fn show(&mut self, ms: u64) {
        self.shown_ms = ms;
        self.clock.show(ms);
    }

    fn end_session(&mut self, room: usize) {
        if let Some(session) = &mut self.rooms[room].session {
            session.ended = true;
        }
    }

    fn end_every_session(&mut self) {
        for room in 0..ROOMS.len() {
            self.end_session(room);
        }
    }

    fn encryption(&mut self, room: usize, content: &[u8]) {
        self.rooms[room].ever_encrypted = true; // S1
        let _ = self.device.encryption_event(id(room), content);
    }

    /// Whether the rules let the room's session carry the next message (T4–T6).
    fn goes_on(&self, room: usize) -> bool {
        let (Some(session), Some(settings)) = (&self.rooms[room].session, self.device.settings(id(room)))
        else {
            return false;
        };
        !session.ended
            && session.uses < settings.rotation_period_msgs
            && self.true_ms - session.made_ms < settings.rotation_period_ms
    }

    fn sends_with_its_session(&self, room: usize) -> bool {
        self.goes_on(room) && self.rooms[room].session.as_ref().is_some_and(|session| session.shared)
    }

    fn send(&mut self, room: usize, fails: bool, share_fails: bool) {
        let goes_on = self.goes_on(room);
        let in_force = self.device.settings(id(room));
        let made = match self
            .device
            .at(&self.clock)
            .unwrap()
            .decide(id(room), || Ok::<_, Infallible>(Session::new()))
            .unwrap_or_else(|_| unreachable!())
        {
            Decision::Plaintext(_) => {
                assert!(!self.rooms[room].ever_encrypted, "plaintext to {room}"); // T1, S1
                return;
            }
            Decision::Blocked(_) => {
                assert_eq!(in_force, None); // T2
                return;
            }
            Decision::Encrypt(_) => {
                assert!(self.sends_with_its_session(room), "a session that must end"); // T4, T8
                false
            }
            Decision::Share(request) => {
                assert_eq!(request.started.is_none(), goes_on); // T4: neither too late nor too early
                if !goes_on {
                    self.rooms[room].session =
                        Some(ModelSession { made_ms: self.true_ms, uses: 0, shared: false, ended: false });
                }
                let key = support::room_key(&self.device, &request);
                assert_eq!(key["room_id"], ROOMS[room]);
                assert_eq!(key["shared_history"], self.rooms[room].shared_history); // T10
                if share_fails {
                    return;
                }
                self.device.shared(&request).unwrap();
                true
            }
        };
        let session = self.rooms[room].session.as_mut().unwrap();
        session.shared = true;
        session.uses += 1; // T9
        let uses = session.uses;
        let (mut scratch, mut out) = ([0; 1_500], [0; 1_500]);
        let scratch = &mut scratch[..if fails { 150 } else { 1_500 }];
        let encrypted = support::permit(&mut self.device, &self.clock, id(room))
            .encrypt(&EVENT, &SENDER, scratch, &mut out);
        assert_eq!(encrypted.is_err(), fails);
        if let Ok(encrypted) = encrypted {
            let content: Value = serde_json::from_slice(&out[..encrypted.length]).unwrap();
            let session_id = content["session_id"].as_str().unwrap().to_owned();
            assert!(self.indices.insert((session_id, encrypted.message_index)), "an index was used twice");
            assert!(encrypted.message_index < uses);
            assert!(!made || encrypted.message_index == 0);
        }
    }
}

fn id(room: usize) -> pawl_core::RoomId<'static> {
    support::room(ROOMS[room])
}

proptest! {
    #![proptest_config(cases(400))]

    // S1, K1–K4, T1–T11, C3, C5, E1–E4: fail closed, and do not rotate without a reason
    #[test]
    fn a_device_does_what_the_rules_say(
        operations in vec(operation(), 0..120),
        policy in select(vec![ChangePolicy::Ratchet, ChangePolicy::Follow, ChangePolicy::Freeze]),
    ) {
        let mut storage = Storage::<2>::new();
        let config = Config { policy, ..Config::default() };
        let start_ms = 1 << 40;
        let mut model = Model {
            device: Device::new(&mut storage, config),
            clock: Millis::showing(start_ms),
            shown_ms: start_ms,
            true_ms: 0,
            rooms: Default::default(),
            indices: BTreeSet::new(),
        };
        for operation in &operations {
            model.run(operation);
        }
    }
}
