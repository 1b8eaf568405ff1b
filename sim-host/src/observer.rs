//! An independent judge of what a sending device does.
//!
//! It sees what the device was given (contents of `m.room.encryption` events, and that something happened after
//! which an older session is no longer good enough), true time, what the device's counter showed when it was read, and
//! the bytes the device emits; from these alone it tells whether the device kept to its rules. It shares no code with
//! the device: it reads state events with `serde_json` (rules P1–P6), keeps its own account of settings (S1–S4, policy
//! `Ratchet`) and places (K2), and takes the message index out of each ciphertext with vodozemac. It decides nothing for
//! the device, and does not decrypt: whether the receiving devices could is reported to it. Where nothing is encrypted
//! ([`message_without_cryptography`](Observer::message_without_cryptography)), the session itself says which index it was
//! used with, and the observer sees to it that no session is used whose key was not shared.
//!
//! What it knows of a session is its own, so it goes on over a restart of the device. Of restarts it knows what
//! everybody can see: that there was one, and whether the device's clock lost the time meanwhile (B3). Ages are judged by
//! true time; what the counter hid of it without a trace is counted ([`unseen_ms`](Observer::unseen_ms)), and allowed for.
//!
//! Its memory grows with rooms, not with messages, sessions or time: of each room it keeps the last few sessions.

mod checks;
mod clock;
mod exposure;
mod limit_use;
mod message;
mod room;
mod settings;
mod summary;
#[cfg(test)]
mod tests;
mod violation;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;

pub use self::exposure::Exposure;
pub use self::limit_use::{LimitUse, Used};
pub use self::message::PlainEvent;
pub use self::settings::{Limits, Settings};
pub use self::summary::{RoomSummary, SessionSummary};
pub use self::violation::{Violation, ViolationKind};

use self::clock::{CounterWatch, Reading};
use self::limit_use::LimitUseSoFar;
use self::message::MegolmContent;
use self::room::{Room, Session, SessionId};

/// The one algorithm that rooms are encrypted with.
const MEGOLM_ALGORITHM: &str = "m.megolm.v1.aes-sha2";

/// How many violations are kept in full. All are counted.
pub(crate) const VIOLATIONS_KEPT: usize = 1_000;

/// Watches one sending device. Calls come in the order in which things happen, with true time in milliseconds
/// since any fixed moment.
pub struct Observer {
    limits: Limits,
    /// How many encrypted rooms the device has places for, and how many have one.
    places: usize,
    placed: usize,
    /// Whether a room has had no place, after which every room without one may be blocked (K2).
    refused: bool,
    counter: CounterWatch,
    /// Whether the last reading told that the counter has gone back.
    went_back: bool,
    rooms: Vec<Room>,
    room_numbers: HashMap<Box<str>, RoomNumber>,
    /// The rooms of the sessions that are kept.
    session_rooms: HashMap<SessionId, RoomNumber>,
    restarts: u32,
    sessions_resumed: u64,
    indices_skipped: u64,
    limit_use: LimitUseSoFar,
    violations: Vec<Violation>,
    counts: BTreeMap<ViolationKind, u64>,
}

/// A room, for calls that are made too often to look it up by its ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomNumber(u32);

impl RoomNumber {
    fn place(self) -> usize {
        self.0 as usize
    }
}

impl Observer {
    /// An observer that has seen nothing yet, for a device with these limits on rotation settings, and places for as
    /// many rooms as there are. Its counter, if its readings are reported, has 32 bits and counts milliseconds.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            places: usize::MAX,
            placed: 0,
            refused: false,
            counter: CounterWatch::new(true, 1_000),
            went_back: false,
            rooms: Vec::new(),
            room_numbers: HashMap::new(),
            session_rooms: HashMap::new(),
            restarts: 0,
            sessions_resumed: 0,
            indices_skipped: 0,
            limit_use: LimitUseSoFar::default(),
            violations: Vec::new(),
            counts: BTreeMap::new(),
        }
    }

    /// For a device with places for so many encrypted rooms.
    #[must_use]
    pub fn with_places(self, places: usize) -> Self {
        Observer { places, ..self }
    }

    /// For a device with such a counter: whether it has 32 bits and so wraps, or 64; and its ticks a second.
    #[must_use]
    pub fn with_counter(self, wraps: bool, hz: u32) -> Self {
        Observer { counter: CounterWatch::new(wraps, hz), ..self }
    }

    /// The number of a room, by which some calls name it.
    pub fn number_of(&mut self, room: &str) -> RoomNumber {
        if let Some(&number) = self.room_numbers.get(room) {
            return number;
        }
        let number = RoomNumber(u32::try_from(self.rooms.len()).expect("there are fewer than 2³² rooms"));
        self.rooms.push(Room::new(room));
        self.room_numbers.insert(room.into(), number);
        number
    }

    // ---- what the device is given ----

    /// The device was given an `m.room.encryption` event with an empty state key and this `content`.
    pub fn encryption_event(&mut self, room: &str, content: &[u8]) {
        let usable = Settings::read(content, &self.limits);
        let number = self.number_of(room);
        self.give_place(number);
        let room = &mut self.rooms[number.place()];
        room.encrypted = true; // S1
        if let Some(new) = usable {
            // S2, S3; without usable content S4 leaves everything as it is. An event that is given again changes nothing.
            let before = room.settings;
            room.settings = Some(before.map_or(new, |current| current.tightened(new)));
            if let Some(before) = before.filter(|_| before != room.settings) {
                room.sessions_kept().for_each(|session| self.limit_use.limits_change(session, before));
            }
        }
    }

    fn give_place(&mut self, number: RoomNumber) {
        let room = &mut self.rooms[number.place()];
        if self.placed < self.places && !room.placed {
            room.placed = true;
            self.placed += 1;
        }
        self.refused |= !room.placed;
    }

    /// The device was told of something after which no session that the room has had may be used: a departure,
    /// a device removed, the application's request. `why` is named in the violations that follow from it.
    pub fn must_rotate(&mut self, at_ms: u64, room: &str, why: &'static str) {
        self.went_back = false; // something else has happened since the reading
        let number = self.number_of(room);
        self.rooms[number.place()].ends_sessions(at_ms, why);
    }

    /// The device was told the room's history visibility. Where that crosses between what newcomers may read and what they
    /// may not, no session that the room has had may be used (E3); a value that is not known is taken as `joined`.
    pub fn history_visibility(&mut self, at_ms: u64, room: &str, value: &str) {
        self.went_back = false;
        let number = self.number_of(room);
        let room = &mut self.rooms[number.place()];
        let shared = matches!(value, "shared" | "world_readable");
        if std::mem::replace(&mut room.shares_history, shared) != shared && room.encrypted {
            room.ends_sessions(at_ms, "the history visibility crossed");
        }
    }

    /// The device was off, and is on again.
    pub fn restarted(&mut self) {
        self.restarts += 1;
        self.counter.restarted();
    }

    /// The device was off, and is on again with nothing of what it knew: settings that it is not given again it cannot keep
    /// to. What was encrypted stays so.
    pub fn restarted_knowing_nothing(&mut self) {
        self.restarted();
        for room in &mut self.rooms {
            (room.placed, room.settings) = (false, None);
        }
        (self.placed, self.refused) = (0, false);
    }

    /// The device does not know how much time has passed: it was off, or it slept. It cannot know how old the sessions
    /// are that it had, so none of them may be used again (B3, C5). `why` is named in the violations that follow from it.
    pub fn time_lost(&mut self, at_ms: u64, why: &'static str) {
        for room in &mut self.rooms {
            room.ends_sessions(at_ms, why);
        }
    }

    /// The device reads its counter. One that has gone back, as far as the readings tell, ends all sessions (C3).
    pub fn counter_read(&mut self, at_ms: u64, ticks: u64) {
        self.went_back = self.counter.read(at_ms, ticks) == Reading::WentBack;
        if self.went_back {
            self.time_lost(at_ms, "the counter went back");
        }
    }

    /// The power failed in the call for which the counter was last read, before anything was stored. What that reading told
    /// is lost with the device's memory (B1), and after the restart it has another clock or no session.
    pub fn reading_lost(&mut self) {
        if std::mem::take(&mut self.went_back) {
            self.rooms.iter_mut().for_each(Room::takes_back_last_event);
        }
    }

    /// The device slept for that long, while its counter stood still, and knows it.
    pub fn slept(&mut self, ms: u64) {
        self.counter.told_of(ms);
    }

    /// The device slept for that long, while its counter stood still, and knows that it does not know for how long (C5).
    pub fn slept_unknown(&mut self, at_ms: u64, ms: u64) {
        self.counter.told_of(ms);
        self.time_lost(at_ms, "the device slept for nobody knows how long");
    }

    /// A receiving device decrypted the room key of this session, or would have. A session is taken to be born at the
    /// earlier of this and its first message; its real birth can only be earlier still.
    pub fn room_key_received(&mut self, at_ms: u64, room: &str, session_id: &str) {
        let number = self.number_of(room);
        let Some(id) = SessionId::new(session_id.as_bytes()) else {
            return self.session_id_too_long(at_ms, number);
        };
        let home = self.find_session(at_ms, number, id);
        self.check_session_room(at_ms, number, home);
        if let Some(session) = &mut self.rooms[home.place()].latest {
            session.shared = true;
        }
    }

    // ---- what it does ----

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
                let number = self.number_of(room);
                self.not_megolm(at_ms, number, why);
            }
        }
    }

    /// As [`message`](Self::message), for an `m.room.encrypted` event of a device that is simulated without cryptography:
    /// the session was used with this index, and nobody receives.
    #[inline]
    pub fn message_without_cryptography(
        &mut self,
        at_ms: u64,
        room: RoomNumber,
        session_id: &[u8],
        message_index: u32,
    ) {
        if let Some(home) = self.encrypted_message(at_ms, room, session_id, message_index) {
            self.check_shared(at_ms, room, home);
        }
    }

    /// As [`message`](Self::message), for an event whose session and message index are known without reading
    /// them out of its content.
    pub fn megolm_message(&mut self, at_ms: u64, room: &str, session_id: &str, message_index: u32) {
        let number = self.number_of(room);
        self.encrypted_message(at_ms, number, session_id.as_bytes(), message_index);
    }

    #[inline]
    fn encrypted_message(
        &mut self,
        at_ms: u64,
        room: RoomNumber,
        session_id: &[u8],
        message_index: u32,
    ) -> Option<RoomNumber> {
        self.rooms[room.place()].messages += 1;
        self.check_not_blocked(at_ms, room, "an encrypted message");
        let Some(id) = SessionId::new(session_id) else {
            self.session_id_too_long(at_ms, room);
            return None;
        };
        let home = self.find_session(at_ms, room, id);
        self.check_session_room(at_ms, room, home);
        if let Some(session) = self.rooms[home.place()].latest {
            self.check_index(at_ms, room, &session, message_index);
            self.check_rotation_events(at_ms, room, home, &session);
            self.check_limits(at_ms, room, &session);
        }
        self.count_message(at_ms, room, home, message_index);
        Some(home)
    }

    /// The device did not send a message that it was asked to send. It has a reason only in a room that is encrypted
    /// with no usable settings in force, and in one for which there is no place.
    pub fn not_sent(&mut self, at_ms: u64, room: &str) {
        let number = self.number_of(room);
        let room = &self.rooms[number.place()];
        let no_place = self.refused && !room.placed;
        if !no_place && (!room.encrypted || room.settings.is_some()) {
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
        let number = self.number_of(room);
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

    // ---- what was seen ----

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

    /// How much of true time the counter hid, in milliseconds, so that no reading told of it.
    pub fn unseen_ms(&self) -> u64 {
        self.counter.unseen_ms()
    }

    /// What whoever has one session's key can read.
    pub fn exposure(&self) -> Exposure {
        self.rooms.iter().map(|room| room.exposure).sum()
    }

    /// How much of their limits all sessions used that carried a message.
    pub fn limit_use(&self) -> LimitUse {
        let kept = self.rooms.iter().flat_map(|room| {
            let settings = room.settings;
            room.sessions_kept().map(move |session| (session, settings))
        });
        self.limit_use.with_kept(kept)
    }

    /// The session that was last heard of in a room.
    pub fn latest_session(&self, room: &str) -> Option<SessionSummary> {
        let number = self.room_numbers.get(room)?;
        self.rooms[number.place()].latest.as_ref().map(Session::summary)
    }

    /// Each room that anything was reported of, in the order they came up.
    pub fn rooms(&self) -> impl Iterator<Item = RoomSummary<'_>> {
        self.rooms.iter().map(Room::summary)
    }

    /// One room, if anything was reported of it.
    pub fn room(&self, room: &str) -> Option<RoomSummary<'_>> {
        self.room_numbers.get(room).map(|number| self.rooms[number.place()].summary())
    }

    // ---- sessions ----

    /// The room of the session with this ID, which is the latest one there from now on; if it is new, it is born now in
    /// this room.
    #[inline]
    fn find_session(&mut self, at_ms: u64, room: RoomNumber, id: SessionId) -> RoomNumber {
        // Nearly every message is on the session of the one before it.
        match &self.rooms[room.place()].latest {
            Some(latest) if latest.id == id => room,
            _ => self.find_other_session(at_ms, room, id),
        }
    }

    #[cold]
    fn find_other_session(&mut self, at_ms: u64, room: RoomNumber, id: SessionId) -> RoomNumber {
        if let Some(&home) = self.session_rooms.get(&id) {
            self.rooms[home.place()].recall(&id);
            return home;
        }
        let here = &mut self.rooms[room.place()];
        let session = Session {
            id,
            born_ms: at_ms,
            hidden_at_birth_ms: self.counter.hidden_ms(),
            restarts_at_birth: self.restarts,
            rotation_events: here.rotation_events,
            messages: 0,
            first_message_ms: at_ms,
            last_ms: at_ms,
            last_index: None,
            restarts: self.restarts,
            shared: false,
        };
        let forgotten = here.add(session);
        self.session_rooms.insert(id, room);
        if let Some(forgotten) = forgotten {
            self.session_rooms.remove(&forgotten.id);
            self.limit_use.ended(&forgotten, self.rooms[room.place()].settings);
        }
        room
    }

    /// How old the device could know the session to be: what its counter has hidden since, it could not. A restart
    /// mends that, for a session that outlives one does so by another clock (B3).
    fn knowable_age_ms(&self, at_ms: u64, session: &Session) -> u64 {
        let before_ms = if session.restarts_at_birth < self.restarts {
            self.counter.hidden_at_restart_ms()
        } else {
            session.hidden_at_birth_ms
        };
        let hidden_ms = u64::try_from(self.counter.hidden_ms() - before_ms).unwrap_or(0);
        session.age_ms(at_ms).saturating_sub(hidden_ms)
    }

    fn count_message(&mut self, at_ms: u64, room: RoomNumber, home: RoomNumber, index: u32) {
        let Some(session) = &mut self.rooms[home.place()].latest else {
            return;
        };
        if session.messages > 0 && session.restarts < self.restarts {
            self.sessions_resumed += 1;
        }
        session.restarts = self.restarts;
        if let Some(between) = session.last_index.and_then(|last| index.checked_sub(last)?.checked_sub(1)) {
            self.indices_skipped += u64::from(between);
        }
        session.messages += 1;
        if session.messages == 1 {
            session.first_message_ms = at_ms;
        }
        session.last_ms = at_ms;
        session.last_index = session.last_index.max(Some(index));
        let (messages, age_ms) = (session.messages, session.age_ms(at_ms));
        let covered_ms = at_ms.saturating_sub(session.first_message_ms);

        let room = &mut self.rooms[room.place()];
        room.sessions += u64::from(messages == 1);
        room.most_messages_in_a_session = room.most_messages_in_a_session.max(messages);
        room.greatest_session_age_ms = room.greatest_session_age_ms.max(age_ms);
        room.exposure.one_more(messages, covered_ms);
    }

    #[cold]
    fn report(&mut self, kind: ViolationKind, at_ms: u64, room: RoomNumber, detail: impl FnOnce() -> String) {
        *self.counts.entry(kind).or_default() += 1;
        if self.violations.len() < VIOLATIONS_KEPT {
            let room = self.rooms[room.place()].id.to_string();
            self.violations.push(Violation { kind, at_ms, room, detail: detail() });
        }
    }
}
