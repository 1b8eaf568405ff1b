//! An independent judge of what a sending device does.
//!
//! It sees what the device was given (contents of `m.room.encryption` events, and that something happened after
//! which an older session is no longer good enough), true time, what the device's counter showed when it was read, and
//! the bytes the device emits; from these alone it tells whether the device kept to its rules. It shares no code with
//! the device: it reads state events with `serde_json` (rules P1–P6), keeps its own account of settings (S1–S5), of
//! places and of what the device can know (K), and of what ends sessions (E), and takes the message index out of each ciphertext with vodozemac. It decides nothing for
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
mod given;
mod knowledge;
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
pub use self::settings::{ChangePolicy, Limits, Settings};
pub use self::summary::{RoomSummary, SessionSummary};
pub use self::violation::{Violation, ViolationKind};

use self::clock::CounterWatch;
use self::knowledge::Knowledge;
use self::limit_use::LimitUseSoFar;
use self::message::MegolmContent;
use self::room::{InForce, Room, Session, SessionId};

/// The one algorithm that rooms are encrypted with.
const MEGOLM_ALGORITHM: &str = "m.megolm.v1.aes-sha2";

/// How many violations are kept in full. All are counted.
pub(crate) const VIOLATIONS_KEPT: usize = 1_000;

/// Watches one sending device. Calls come in the order in which things happen, with true time in milliseconds
/// since any fixed moment.
pub struct Observer {
    limits: Limits,
    policy: ChangePolicy,
    /// Whether the device may ever send plaintext (K6).
    plaintext: bool,
    knowledge: Knowledge,
    /// How many messages ahead it stores sessions (B2).
    reserve: u32,
    /// What may have been in force, before what it was told last, in the room that this was about.
    before_call: Option<(RoomNumber, Vec<InForce>)>,
    /// How many causes there were for new sessions in all rooms.
    causes: u64,
    /// The number of what happens now, among all that happens.
    step: u64,
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
    /// An observer that has seen nothing yet, for a device with these limits on rotation settings, the policy `Ratchet`, and
    /// places for as many rooms as there are, which knows that it is in no encrypted room, and may send plaintext. It
    /// stores sessions 16 messages ahead, if it stores them. Its counter, if its readings are reported, has 32 bits and counts
    /// milliseconds.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            policy: ChangePolicy::Ratchet,
            plaintext: true,
            knowledge: Knowledge::complete(),
            reserve: 16,
            before_call: None,
            causes: 0,
            step: 0,
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
        Observer { knowledge: self.knowledge.with_places(places), ..self }
    }

    /// For a device that stores sessions so many messages ahead (B2).
    #[must_use]
    pub fn with_reserve(self, reserve: u32) -> Self {
        Observer { reserve, ..self }
    }

    /// For a device that does not know which of its rooms are encrypted, until a resync has ended (K1).
    #[must_use]
    pub fn on_a_first_start(self) -> Self {
        Observer { knowledge: self.knowledge.incomplete(), ..self }
    }

    /// For a device that takes changes of a room's settings so (S3).
    #[must_use]
    pub fn with_policy(self, policy: ChangePolicy) -> Self {
        Observer { policy, ..self }
    }

    /// For a device that is set never to send plaintext (K6).
    #[must_use]
    pub fn without_plaintext(self) -> Self {
        Observer { plaintext: false, ..self }
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
    /// with no usable settings in force; where it does not know all its rooms, in one that it does not know; and, if it may
    /// never send plaintext, in one that is not encrypted.
    pub fn not_sent(&mut self, at_ms: u64, room: &str) {
        let number = self.number_of(room);
        let room = &self.rooms[number.place()];
        let has_reason = if room.placed {
            room.may_be_in_force().any(|in_force| in_force.settings.is_none())
        } else {
            !self.knowledge.is_complete() || !self.plaintext
        };
        if !has_reason {
            self.report(ViolationKind::BlockedWithoutCause, at_ms, number, || {
                "a message was not sent, and nothing stood in its way".to_owned()
            });
        }
    }

    /// The device asks for the key of its newest session in a room to be shared, before it sends a message. Returns whether
    /// it has a reason to: a share that has succeeded is enough (T8).
    pub fn asked_to_share(&mut self, at_ms: u64, room: RoomNumber) -> bool {
        let shared = self.rooms[room.place()].latest.is_some_and(|session| session.share_succeeded);
        if shared {
            self.report(ViolationKind::WaitsWithoutCause, at_ms, room, || {
                "a message waits for a room key to be shared that was shared".to_owned()
            });
        }
        !shared
    }

    /// Nothing more comes. The device has so many messages for a room that did not go out, and shares no key there.
    pub fn run_ends(&mut self, at_ms: u64, room: RoomNumber, unsent: usize) {
        if unsent > 0 {
            self.report(ViolationKind::WaitsWithoutCause, at_ms, room, || {
                format!("at the end {unsent} messages wait, and no room key is being shared")
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

    /// The one before that.
    pub fn session_before_latest(&self, room: &str) -> Option<SessionSummary> {
        let number = self.room_numbers.get(room)?;
        self.rooms[number.place()].earlier.back().map(Session::summary)
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
            share_succeeded: false,
            shares_history: None,
            causes: here.causes + self.causes,
            ahead_at_birth_ms: self.counter.ahead_ms(),
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
        let (before_ms, now_ms) = if session.restarts_at_birth < self.restarts {
            (self.counter.hidden_at_restart_ms(), self.counter.hidden_ms())
        } else {
            (session.hidden_at_birth_ms, self.counter.hidden_to_tick_end_ms())
        };
        let hidden_ms = u64::try_from(now_ms.saturating_sub(before_ms)).unwrap_or(0);
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
            self.violations.push(Violation { kind, step: self.step, at_ms, room, detail: detail() });
        }
    }
}
