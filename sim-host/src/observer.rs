//! An independent judge of what a sending device does.
//!
//! It sees what the device was given (contents of `m.room.encryption` events, and that something happened after
//! which an older session is no longer good enough), true time, and the bytes the device emits; from these alone
//! it tells whether the device kept to its rules. It shares no code with the device: it reads state events with
//! `serde_json` (rules P1–P6), keeps its own account of settings (S1–S4, policy `Ratchet`), and takes the message
//! index out of each ciphertext with vodozemac. It decides nothing for the device, and does not decrypt: whether
//! the receiving devices could is reported to it.
//!
//! What it knows of a session is its own, so it goes on over a restart of the device. Of restarts it knows what
//! everybody can see: that there was one, and whether the device's clock lost the time meanwhile (B3).
//!
//! Its memory grows with rooms and sessions, not with messages.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Display};
use std::ops::RangeInclusive;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use vodozemac::megolm::MegolmMessage;

/// The one algorithm that rooms are encrypted with.
const MEGOLM_ALGORITHM: &str = "m.megolm.v1.aes-sha2";

/// How many violations are kept in full. All are counted.
pub(crate) const VIOLATIONS_KEPT: usize = 1_000;

/// Watches one sending device. Calls come in the order in which things happen, with true time in milliseconds
/// since any fixed moment.
pub struct Observer {
    limits: Limits,
    rooms: Vec<Room>,
    room_numbers: HashMap<Box<str>, usize>,
    sessions: Vec<Session>,
    /// By session ID, in all rooms.
    session_numbers: HashMap<Box<str>, usize>,
    restarts: u64,
    sessions_resumed: u64,
    indices_skipped: u64,
    violations: Vec<Violation>,
    counts: BTreeMap<ViolationKind, u64>,
}

impl Observer {
    /// An observer that has seen nothing yet, for a device with these limits on rotation settings.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            rooms: Vec::new(),
            room_numbers: HashMap::new(),
            sessions: Vec::new(),
            session_numbers: HashMap::new(),
            restarts: 0,
            sessions_resumed: 0,
            indices_skipped: 0,
            violations: Vec::new(),
            counts: BTreeMap::new(),
        }
    }

    /// The device was given an `m.room.encryption` event with an empty state key and this `content`.
    pub fn encryption_event(&mut self, room: &str, content: &[u8]) {
        let usable = Settings::read(content, &self.limits);
        let number = self.room_number(room);
        let room = &mut self.rooms[number];
        room.encrypted = true; // S1
        if let Some(new) = usable {
            // S2, S3; without usable content S4 leaves everything as it is.
            room.settings = Some(room.settings.map_or(new, |current| current.tightened(new)));
        }
    }

    /// The device was told of something after which no session that the room has had may be used: a departure,
    /// a device removed, the application's request. `why` is named in the violations that follow from it.
    pub fn must_rotate(&mut self, at_ms: u64, room: &str, why: &'static str) {
        let number = self.room_number(room);
        self.rooms[number].rotation_events += 1;
        self.rooms[number].last_rotation_event = Some((at_ms, why));
    }

    /// The device was off, and is on again.
    pub fn restarted(&mut self) {
        self.restarts += 1;
    }

    /// The device came back without knowing for how long it was off. It cannot know how old the sessions are that it had,
    /// so none of them may be used again (B3). `why` is named in the violations that follow from it.
    pub fn time_lost(&mut self, at_ms: u64, why: &'static str) {
        for room in &mut self.rooms {
            room.rotation_events += 1;
            room.last_rotation_event = Some((at_ms, why));
        }
    }

    /// A receiving device decrypted the room key of this session. A session is taken to be born at the earlier
    /// of this and its first message; its real birth can only be earlier still.
    pub fn room_key_received(&mut self, at_ms: u64, room: &str, session_id: &str) {
        let room_number = self.room_number(room);
        let number = self.session_number(at_ms, room_number, session_id);
        self.check_session_room(at_ms, room_number, number);
    }

    /// The device emitted an event into the room: `m.room.encrypted`, or any other type in plaintext. State
    /// events are not messages and are not reported.
    pub fn message(&mut self, at_ms: u64, room: &str, event_type: &str, content: &[u8]) {
        if event_type != "m.room.encrypted" {
            self.plaintext_message(at_ms, room, event_type);
            return;
        }
        match MegolmContent::read(content) {
            Ok(read) => self.megolm_message(at_ms, room, &read.session_id, read.message_index),
            Err(why) => {
                let number = self.room_number(room);
                self.rooms[number].messages += 1;
                self.check_not_blocked(at_ms, number, "an encrypted message");
                self.report(ViolationKind::NotMegolm, at_ms, number, || why);
            }
        }
    }

    /// As [`message`](Self::message), for an event whose session and message index are known without reading
    /// them out of its content: what a device that is simulated without cryptography emits.
    pub fn megolm_message(&mut self, at_ms: u64, room: &str, session_id: &str, message_index: u32) {
        let room_number = self.room_number(room);
        self.rooms[room_number].messages += 1;
        self.check_not_blocked(at_ms, room_number, "an encrypted message");

        let number = self.session_number(at_ms, room_number, session_id);
        self.check_session_room(at_ms, room_number, number);
        self.check_index(at_ms, room_number, number, message_index);
        self.check_rotation_events(at_ms, room_number, number);
        self.check_limits(at_ms, room_number, number);
        self.count_message(at_ms, room_number, number, message_index);
    }

    /// The device did not send a message that it was asked to send. It has a reason only in a room that is encrypted
    /// with no usable settings in force.
    pub fn not_sent(&mut self, at_ms: u64, room: &str) {
        let number = self.room_number(room);
        let room = &self.rooms[number];
        if !room.encrypted || room.settings.is_some() {
            self.report(ViolationKind::BlockedWithoutCause, at_ms, number, || {
                "a message was not sent, and nothing stood in its way".to_owned()
            });
        }
    }

    /// What a receiving device made of a message: `sent` is what went in at the sender, `got` what came out or
    /// why nothing did.
    pub fn received(
        &mut self,
        at_ms: u64,
        room: &str,
        receiver: &str,
        sent: PlainEvent<'_>,
        got: Result<PlainEvent<'_>, &dyn Display>,
    ) {
        let number = self.room_number(room);
        match got {
            Err(reason) => self.report(ViolationKind::Undecryptable, at_ms, number, || {
                format!("{receiver} could not decrypt a message: {reason}")
            }),
            Ok(got) if got.same_as(&sent) => {}
            Ok(got) => self.report(ViolationKind::WrongPlaintext, at_ms, number, || {
                format!("{receiver} decrypted {got} where {sent} was sent")
            }),
        }
    }

    /// The first 1,000 violations, in the order they were seen.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// How many violations of each kind there were, those past the first 1,000 included. Kinds that did not
    /// occur are left out.
    pub fn violation_counts(&self) -> &BTreeMap<ViolationKind, u64> {
        &self.counts
    }

    /// How many violations there were in all.
    pub fn violation_count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// How often a session that had carried messages before a restart carried one after it.
    pub fn sessions_resumed(&self) -> u64 {
        self.sessions_resumed
    }

    /// How many ratchet indices no message had, between two messages of one session.
    pub fn indices_skipped(&self) -> u64 {
        self.indices_skipped
    }

    /// Each room that anything was reported of, in the order they came up.
    pub fn rooms(&self) -> impl Iterator<Item = RoomSummary<'_>> {
        self.rooms.iter().map(Room::summary)
    }

    /// One room, if anything was reported of it.
    pub fn room(&self, room: &str) -> Option<RoomSummary<'_>> {
        self.room_numbers.get(room).map(|&number| self.rooms[number].summary())
    }

    fn room_number(&mut self, room: &str) -> usize {
        if let Some(&number) = self.room_numbers.get(room) {
            return number;
        }
        let number = self.rooms.len();
        self.rooms.push(Room::new(room));
        self.room_numbers.insert(room.into(), number);
        number
    }

    /// The session with this ID; if it is new, it is born now in this room.
    fn session_number(&mut self, at_ms: u64, room: usize, session_id: &str) -> usize {
        // Nearly every message is on the session of the one before it.
        if let Some((latest_id, number)) = &self.rooms[room].latest_session
            && **latest_id == *session_id
        {
            return *number;
        }
        let number = match self.session_numbers.get(session_id) {
            Some(&number) => number,
            None => self.add_session(at_ms, room, session_id),
        };
        self.rooms[room].latest_session = Some((session_id.into(), number));
        number
    }

    fn add_session(&mut self, at_ms: u64, room: usize, session_id: &str) -> usize {
        let number = self.sessions.len();
        self.sessions.push(Session {
            room,
            born_ms: at_ms,
            messages: 0,
            last_index: None,
            restarts: self.restarts,
            rotation_events: self.rooms[room].rotation_events,
        });
        self.session_numbers.insert(session_id.into(), number);
        number
    }

    fn plaintext_message(&mut self, at_ms: u64, room: &str, event_type: &str) {
        let number = self.room_number(room);
        if !self.rooms[number].encrypted {
            self.rooms[number].plaintext_messages += 1;
            return;
        }
        self.report(ViolationKind::PlaintextAfterEncryption, at_ms, number, || {
            format!("{event_type:?} was sent in plaintext")
        });
        self.check_not_blocked(at_ms, number, "a plaintext message");
    }

    /// In a room that never was encrypted there are no settings to encrypt by either.
    fn check_not_blocked(&mut self, at_ms: u64, room: usize, what: &str) {
        if self.rooms[room].settings.is_none() {
            self.report(ViolationKind::SentWhileBlocked, at_ms, room, || {
                format!("{what} was sent with no usable settings in force")
            });
        }
    }

    fn check_session_room(&mut self, at_ms: u64, room: usize, session: usize) {
        let first_room = self.sessions[session].room;
        if first_room != room {
            let first_room = self.rooms[first_room].id.clone();
            self.report(ViolationKind::RatchetIndexReused, at_ms, room, || {
                format!("the session is that of room {first_room}")
            });
        }
    }

    fn check_index(&mut self, at_ms: u64, room: usize, session: usize, index: u32) {
        if let Some(last) = self.sessions[session].last_index.filter(|&last| index <= last) {
            self.report(ViolationKind::RatchetIndexReused, at_ms, room, || {
                format!("index {index} was sent after index {last} of the same session")
            });
        }
    }

    fn check_rotation_events(&mut self, at_ms: u64, room: usize, session: usize) {
        let Session { room: home, rotation_events, .. } = self.sessions[session];
        let Room { rotation_events: now, last_rotation_event, .. } = self.rooms[home];
        if let Some((since_ms, why)) = last_rotation_event.filter(|_| rotation_events < now) {
            self.report(ViolationKind::SessionSurvivedRotationEvent, at_ms, room, || {
                format!("the session is older than the last reason to replace it: {why} at {since_ms} ms")
            });
        }
    }

    /// By the limits in force now, whatever they were when the session was made.
    fn check_limits(&mut self, at_ms: u64, room: usize, session: usize) {
        let Some(settings) = self.rooms[room].settings else {
            return;
        };
        let Session { messages, .. } = self.sessions[session];
        if messages >= settings.messages {
            self.report(ViolationKind::SessionOverMessageLimit, at_ms, room, || {
                format!("the session already carried {messages} of {} messages", settings.messages)
            });
        }
        let age_ms = self.sessions[session].age_ms(at_ms);
        if age_ms >= settings.period_ms {
            self.report(ViolationKind::SessionOverAgeLimit, at_ms, room, || {
                format!("the session is {age_ms} ms old, of {} ms", settings.period_ms)
            });
        }
    }

    fn count_message(&mut self, at_ms: u64, room: usize, session: usize, index: u32) {
        let session = &mut self.sessions[session];
        if session.messages > 0 && session.restarts < self.restarts {
            self.sessions_resumed += 1;
        }
        session.restarts = self.restarts;
        if let Some(between) = session.last_index.and_then(|last| index.checked_sub(last)?.checked_sub(1)) {
            self.indices_skipped += u64::from(between);
        }
        session.messages += 1;
        session.last_index = session.last_index.max(Some(index));

        let room = &mut self.rooms[room];
        room.sessions += u64::from(session.messages == 1);
        room.most_messages_in_a_session = room.most_messages_in_a_session.max(session.messages);
        room.greatest_session_age_ms = room.greatest_session_age_ms.max(session.age_ms(at_ms));
    }

    fn report(&mut self, kind: ViolationKind, at_ms: u64, room: usize, detail: impl FnOnce() -> String) {
        *self.counts.entry(kind).or_default() += 1;
        if self.violations.len() < VIOLATIONS_KEPT {
            let room = self.rooms[room].id.to_string();
            self.violations.push(Violation { kind, at_ms, room, detail: detail() });
        }
    }
}

/// The range that an integrator lets rotation settings have. Neither range may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Messages a session may carry.
    pub messages: RangeInclusive<u64>,
    /// How long a session may be used, in milliseconds.
    pub period_ms: RangeInclusive<u64>,
}

impl Default for Limits {
    /// 1 to 10,000 messages, 1 hour to 28 days.
    fn default() -> Self {
        Self { messages: 1..=10_000, period_ms: 3_600_000..=2_419_200_000 }
    }
}

/// The rotation settings of a room, after limits and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// How many messages a session may carry.
    pub messages: u64,
    /// The age, in milliseconds, at which a session may no longer be used.
    pub period_ms: u64,
}

impl Settings {
    /// What the content of an `m.room.encryption` event sets, if it is usable.
    fn read(content: &[u8], limits: &Limits) -> Option<Self> {
        const BYTES: usize = 65_536;
        const DEPTH: usize = 64;
        const DEFAULT: Settings = Settings { messages: 100, period_ms: 604_800_000 };

        // P1, P2. serde_json reads no deeper than the object itself: a `RawValue` is only checked, not built.
        let text = std::str::from_utf8(content).ok().filter(|text| text.len() <= BYTES)?;
        let members: Members<'_> = serde_json::from_str(text).ok()?;
        if nesting_depth(text) > DEPTH {
            return None;
        }
        let known = KnownMembers::find(&members)?;
        if known.algorithm.and_then(as_string)? != MEGOLM_ALGORITHM {
            return None; // P5
        }
        Some(Self {
            messages: rotation_value(known.rotation_period_msgs, DEFAULT.messages, &limits.messages),
            period_ms: rotation_value(known.rotation_period_ms, DEFAULT.period_ms, &limits.period_ms),
        })
    }

    /// S3, policy `Ratchet`.
    fn tightened(self, new: Self) -> Self {
        Self { messages: self.messages.min(new.messages), period_ms: self.period_ms.min(new.period_ms) }
    }
}

/// An event as it is before encryption and after decryption.
#[derive(Debug, Clone, Copy)]
pub struct PlainEvent<'a> {
    /// The event's type, as `m.room.message`.
    pub event_type: &'a str,
    /// Its content, JSON.
    pub content: &'a [u8],
}

impl PlainEvent<'_> {
    /// Whether type and content are the same, however the content's JSON is spelt.
    fn same_as(&self, other: &PlainEvent<'_>) -> bool {
        let parse = |content| serde_json::from_slice::<Value>(content).ok();
        self.event_type == other.event_type
            && (self.content == other.content
                || parse(self.content).is_some_and(|content| Some(content) == parse(other.content)))
    }
}

impl Display for PlainEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.event_type, String::from_utf8_lossy(self.content))
    }
}

/// Something that the device should not have done, or that should not have come of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which rule was broken.
    pub kind: ViolationKind,
    /// When, in milliseconds of true time.
    pub at_ms: u64,
    /// The room's ID.
    pub room: String,
    /// What was seen, in a sentence.
    pub detail: String,
}

/// The ways to go wrong. The names in reports are these in `snake_case`, and stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ViolationKind {
    /// A plaintext message in a room that has had an encryption event.
    PlaintextAfterEncryption,
    /// A message in an encrypted room, or an encrypted one in any room, with no usable settings in force.
    SentWhileBlocked,
    /// A message on a session that already carried as many as the limit in force allows.
    SessionOverMessageLimit,
    /// A message on a session that is as old as the period in force, or older.
    SessionOverAgeLimit,
    /// An index that is not greater than the last one of its session, or a session used in two rooms.
    RatchetIndexReused,
    /// A message on a session that is older than an event that ends sessions.
    SessionSurvivedRotationEvent,
    /// A message was not sent that could have been.
    BlockedWithoutCause,
    /// A receiving device could not decrypt a message.
    Undecryptable,
    /// A receiving device decrypted something else than what was sent.
    WrongPlaintext,
    /// The content of an `m.room.encrypted` event that is not well-formed Megolm.
    NotMegolm,
}

/// What was seen of one room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoomSummary<'a> {
    /// The room's ID.
    pub room: &'a str,
    /// Whether it has had an encryption event.
    pub encrypted: bool,
    /// The settings in force; none if the room is not encrypted, or blocked.
    pub settings: Option<Settings>,
    /// Messages of type `m.room.encrypted`.
    pub messages: u64,
    /// Plaintext messages from before the room was encrypted.
    pub plaintext_messages: u64,
    /// Sessions that carried a message.
    pub sessions: u64,
    /// The most messages that one session carried.
    pub most_messages_in_a_session: u64,
    /// The greatest age of a session at a message on it, in milliseconds.
    pub greatest_session_age_ms: u64,
}

struct Room {
    id: Box<str>,
    /// ID and number of the session that was last heard of here.
    latest_session: Option<(Box<str>, usize)>,
    encrypted: bool,
    settings: Option<Settings>,
    /// How many events there were that end sessions.
    rotation_events: u64,
    /// When the last of them was, in ms, and what it was.
    last_rotation_event: Option<(u64, &'static str)>,
    messages: u64,
    plaintext_messages: u64,
    sessions: u64,
    most_messages_in_a_session: u64,
    greatest_session_age_ms: u64,
}

impl Room {
    fn new(id: &str) -> Self {
        Self {
            id: id.into(),
            latest_session: None,
            encrypted: false,
            settings: None,
            rotation_events: 0,
            last_rotation_event: None,
            messages: 0,
            plaintext_messages: 0,
            sessions: 0,
            most_messages_in_a_session: 0,
            greatest_session_age_ms: 0,
        }
    }

    fn summary(&self) -> RoomSummary<'_> {
        RoomSummary {
            room: &self.id,
            encrypted: self.encrypted,
            settings: self.settings,
            messages: self.messages,
            plaintext_messages: self.plaintext_messages,
            sessions: self.sessions,
            most_messages_in_a_session: self.most_messages_in_a_session,
            greatest_session_age_ms: self.greatest_session_age_ms,
        }
    }
}

/// A Megolm session, kept for the whole run so that its return is noticed.
struct Session {
    /// The number of the room it was first seen in.
    room: usize,
    born_ms: u64,
    messages: u64,
    /// Indices only ever rise, so the greatest one tells of a reuse.
    last_index: Option<u32>,
    /// How many restarts there had been at its last message.
    restarts: u64,
    /// How many events that end sessions its room had had when it was born.
    rotation_events: u64,
}

impl Session {
    fn age_ms(&self, at_ms: u64) -> u64 {
        at_ms.saturating_sub(self.born_ms)
    }
}

/// What counts of a room's `m.room.encrypted` content.
struct MegolmContent<'a> {
    session_id: Cow<'a, str>,
    message_index: u32,
}

impl<'a> MegolmContent<'a> {
    /// Reads it, or says what is wrong with it.
    fn read(content: &'a [u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Content<'a> {
            #[serde(borrow)]
            algorithm: Cow<'a, str>,
            #[serde(borrow)]
            ciphertext: Cow<'a, str>,
            #[serde(borrow)]
            session_id: Cow<'a, str>,
        }

        let content: Content<'a> =
            serde_json::from_slice(content).map_err(|error| format!("the content is malformed: {error}"))?;
        if content.algorithm != MEGOLM_ALGORITHM {
            return Err(format!("the algorithm is {:?}", content.algorithm));
        }
        let message = MegolmMessage::from_base64(&content.ciphertext)
            .map_err(|error| format!("the ciphertext is malformed: {error}"))?;
        // The next version of Megolm messages has a MAC of 32 bytes.
        if message.mac().len() != 8 {
            return Err("the ciphertext is of another version of Megolm".to_owned());
        }
        Ok(Self { session_id: content.session_id, message_index: message.message_index() })
    }
}

/// The members of a JSON object in the order they stand, duplicates and all, each key and value as it is
/// written.
struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

/// The members that mean something, each as it is written.
#[derive(Default)]
struct KnownMembers<'a> {
    algorithm: Option<&'a str>,
    rotation_period_ms: Option<&'a str>,
    rotation_period_msgs: Option<&'a str>,
    encrypt_state_events: Option<&'a str>,
    unstable_encrypt_state_events: Option<&'a str>,
}

impl<'a> KnownMembers<'a> {
    /// P3; nothing if one of them is there twice (P4).
    fn find(members: &Members<'a>) -> Option<Self> {
        let mut known = Self::default();
        for (key, value) in &members.0 {
            let place = match as_string(key.get()).as_deref() {
                Some("algorithm") => &mut known.algorithm,
                Some("rotation_period_ms") => &mut known.rotation_period_ms,
                Some("rotation_period_msgs") => &mut known.rotation_period_msgs,
                Some("encrypt_state_events") => &mut known.encrypt_state_events,
                Some("io.element.msc4362.encrypt_state_events") => &mut known.unstable_encrypt_state_events,
                _ => continue,
            };
            if place.replace(value.get()).is_some() {
                return None;
            }
        }
        Some(known)
    }
}

/// What a JSON string stands for. Nothing if it is no string, or one with a lone surrogate, which is equal to
/// nothing that is looked for here.
fn as_string(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}

/// P6. `json` is a valid JSON value, so digits after an optional sign are all that there is to an integer.
fn rotation_value(json: Option<&str>, default: u64, limits: &RangeInclusive<u64>) -> u64 {
    let value = match json {
        Some(digits) if is_digits(digits) => digits.parse().unwrap_or(u64::MAX),
        Some(json) if json.strip_prefix('-').is_some_and(is_digits) => 0,
        _ => default,
    };
    value.max(*limits.start()).min(*limits.end())
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// How deep objects and arrays are nested in valid JSON.
fn nesting_depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = json.bytes();
    let mut in_string = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => _ = bytes.next(),
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth -= 1,
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vodozemac::megolm::{GroupSession, SessionConfig};

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
            observer.room_key_received(at_ms, ROOM, &session.session_id());
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
        assert_eq!(
            observer.kinds(),
            [ViolationKind::PlaintextAfterEncryption, ViolationKind::SentWhileBlocked]
        );
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
        observer.room_key_received(0, ROOM, &session.session_id());
        observer.send(WEEK_MS, ROOM, &content(&mut session));
        assert_eq!(observer.kinds(), [ViolationKind::SessionOverAgeLimit]);
    }

    #[test]
    fn a_room_key_that_comes_after_the_first_message_makes_no_session_younger() {
        let mut observer = observer_of_encrypted_room();
        let mut session = session();
        observer.send(0, ROOM, &content(&mut session));
        observer.room_key_received(5, ROOM, &session.session_id());
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
        observer.room_key_received(1, ROOM, "session");
        observer.room_key_received(2, OTHER_ROOM, "session");
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
        observer.room_key_received(1, ROOM, &session.session_id());
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
        observer.message(7, ROOM, "m.room.message", b"{}");
        assert_eq!(
            serde_json::to_value(&observer.violations()[0]).unwrap(),
            json!({
                "kind": "plaintext_after_encryption",
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
            let field =
                |name: &str| header.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
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
}
