//! A device as the rules describe it, written from them alone: what the core is compared with.
//!
//! It keeps records instead of state. A [`Session`] is the list of what happened to it, a [`Room`] the list of what it
//! was told, knowledge the list of what was learned and lost, [`Time`] what ran and what the clock hid of it; whatever a
//! rule asks for is worked out from those lists when it is asked. So there is nothing here to be cleared, carried over
//! or kept up to date, which is where a device goes wrong. It is not meant to be fast, and shares no code with the core.
//!
//! Content is handed to it as [`Content`], already read: for reading there is
//! [another reference](crate::settings::reference).

pub mod room;
pub mod time;

use std::collections::{BTreeMap, BTreeSet};

use self::room::{Room, Session};
use self::time::{Calendar, Clock, Time};

/// What an integrator chooses.
#[derive(Clone, Copy, Debug)]
pub struct Choices {
    /// S3.
    pub policy: Policy,
    /// K6.
    pub plaintext: bool,
    /// How many rooms the table holds (K2).
    pub places: usize,
    /// The device's clock.
    pub clock: Clock,
    /// What outlives a restart.
    pub stored: Stored,
}

/// What outlives a restart (B1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stored {
    /// Nothing: a restart is a first start.
    Nothing,
    /// Rooms and knowledge.
    Rooms,
    /// Sessions as well, stored ahead by so many messages (B2).
    Sessions(u64),
}

/// S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Each value only falls.
    Ratchet,
    /// The latest values count.
    Follow,
    /// The first values count.
    Freeze,
}

/// Effective settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// `rotation_period_msgs`
    pub messages: u64,
    /// `rotation_period_ms`
    pub period_ms: u64,
    /// `encrypt_state_events`
    pub state_events: bool,
}

/// The content of an `m.room.encryption` event, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// Megolm with these effective settings.
    Usable(Settings),
    /// P5.
    Unsupported,
    /// P1, P2, P4, P5.
    Malformed,
}

/// What an `m.room.encryption` event changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// S2, S5.
    Enabled,
    /// S4: none in force.
    Blocked,
    /// S4, and S3 under `Freeze`.
    Rejected,
    /// A number fell and none rose.
    Tightened,
    /// A number rose and none fell.
    Loosened,
    /// One number fell and one rose.
    Changed,
    /// The numbers are what they were.
    Unchanged,
}

/// T2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Block {
    /// K1: first start, or a room was forgotten.
    StateUnknown,
    /// K2.
    Capacity,
    /// S4.
    UnsupportedAlgorithm,
    /// S4.
    MalformedSettings,
    /// K6.
    PlaintextForbidden,
}

/// Why a session is started (T3, T4), in the order in which the rules name the reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// T3.
    NoSession,
    /// E4.
    Requested,
    /// E1.
    Departure,
    /// E2.
    DeviceRemoved,
    /// E3.
    HistoryVisibility,
    /// C3, C5.
    AgeUnknown,
    /// T5.
    Messages,
    /// T6.
    Age,
}

/// What is answered to an event that may end a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Noted {
    /// The room is not in the table.
    NotTracked,
    /// The event ends nothing.
    NoEffect,
    /// The event ends the session there is.
    EndsSession,
}

/// What a user's membership was before an event (E1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Before {
    /// Not known.
    NotKnown,
    /// Known: none at all.
    NoMembership,
    /// Known: this one.
    Was(&'static str),
}

/// What a message needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// T1.
    Plaintext,
    /// T2.
    Blocked(Block),
    /// T11.
    NoNewSession,
    /// T8: this session is to be shared first; with the reason if it was made just now.
    Share(u64, Option<Reason>),
    /// This session may be used.
    Permit(u64),
}

/// With whom a session is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum With {
    /// Everybody who is to read the message that waits for it (T8).
    Everybody,
    /// Somebody who came later (E5).
    Newcomer,
}

/// Why a resync did not end well (K4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResyncFault {
    /// None was begun.
    NotBegun,
    /// An event was refused since it was begun.
    Refused,
}

/// What bears on whether the device knows every encrypted room (K1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Learned {
    /// An encryption event was refused (K2).
    Refused,
    /// A room was forgotten (K3).
    Forgot,
    /// A resync was begun (K4).
    ResyncBegun,
    /// A resync was ended, well or not.
    ResyncEnded,
    /// The device started again, which ends a resync (K4).
    Restarted,
}

/// A device since its first start.
#[derive(Clone, Debug)]
pub struct Device {
    choices: Choices,
    /// The encrypted rooms it knows, by ID: the table.
    rooms: BTreeMap<String, Room>,
    learned: Vec<Learned>,
    time: Time,
    calendar: Calendar,
    sessions_made: u64,
}

impl Device {
    /// A first start.
    #[must_use]
    pub fn new(choices: Choices) -> Self {
        let mut device = Device {
            choices,
            rooms: BTreeMap::new(),
            learned: Vec::new(),
            time: Time::new(choices.clock),
            calendar: Calendar::new(choices.clock),
            sessions_made: 0,
        };
        device.start_clock();
        device
    }

    /// A device whose state is stored reads the clock when it starts.
    fn start_clock(&mut self) {
        self.time = Time::new(self.choices.clock);
        if self.choices.stored != Stored::Nothing {
            self.read_clock();
        }
    }

    /// The device goes off, announced to it or not, and comes back (B2, B3, B4, K4).
    pub fn restart(&mut self, announced: bool) {
        if announced {
            self.read_clock();
        }
        for session in self.rooms.values_mut().filter_map(|room| room.session.as_mut()) {
            if announced && session.stored.is_some() {
                session.store_exactly(self.time.age(session.made));
            }
        }
        if self.choices.stored == Stored::Nothing {
            let (calendar, sessions_made) = (self.calendar.clone(), self.sessions_made);
            *self = Device { calendar, sessions_made, ..Device::new(self.choices) };
            return;
        }
        self.learned.push(Learned::Restarted);
        self.start_clock();
        let stamp = self.calendar.read();
        for room in self.rooms.values_mut() {
            room.session = room.session.take().and_then(|session| session.after_restart(stamp, &self.time));
        }
    }

    /// The clock that goes on while the device is off.
    pub fn calendar(&mut self) -> &mut Calendar {
        &mut self.calendar
    }

    /// An `m.room.encryption` event; `None` when it is refused (K2).
    pub fn encryption_event(
        &mut self,
        room_id: &str,
        content: Content,
    ) -> Option<(Effect, Option<Settings>)> {
        if !self.rooms.contains_key(room_id) && self.rooms.len() == self.choices.places {
            self.learned.push(Learned::Refused);
            return None;
        }
        let policy = self.choices.policy;
        let room = self.rooms.entry(room_id.to_owned()).or_default(); // S1
        let effect = room.tell(content, policy);
        Some((effect, room.in_force(policy).ok()))
    }

    /// E1.
    pub fn member_event(&mut self, room_id: &str, before: Before, new: &str, limited: bool) -> Noted {
        let left = !["join", "invite", "knock"].contains(&new); // ban, leave, and what is not in the specification
        let departure = if limited {
            new != "join"
        } else {
            left && matches!(before, Before::NotKnown | Before::Was("join" | "invite"))
        };
        self.note(room_id, |room| departure && room.happened(Reason::Departure))
    }

    /// E3.
    pub fn history_visibility_event(&mut self, room_id: &str, value: &str) -> Noted {
        self.note(room_id, |room| room.visibility(value))
    }

    /// E2.
    pub fn device_removed(&mut self, room_id: &str) -> Noted {
        self.note(room_id, |room| room.happened(Reason::DeviceRemoved))
    }

    /// E4.
    pub fn request_rotation(&mut self, room_id: &str) -> Noted {
        self.note(room_id, |room| room.happened(Reason::Requested))
    }

    fn note(&mut self, room_id: &str, ends: impl FnOnce(&mut Room) -> bool) -> Noted {
        match self.rooms.get_mut(room_id).map(ends) {
            None => Noted::NotTracked,
            Some(false) => Noted::NoEffect,
            Some(true) => Noted::EndsSession,
        }
    }

    /// S5. Whether there is such a room.
    pub fn reset_settings(&mut self, room_id: &str) -> bool {
        self.rooms.get_mut(room_id).map(Room::reset).is_some()
    }

    /// K3. Whether there was such a room.
    pub fn forget(&mut self, room_id: &str) -> bool {
        let known = self.rooms.remove(room_id).is_some();
        if known {
            self.learned.push(Learned::Forgot);
        }
        known
    }

    /// K4.
    pub fn begin_resync(&mut self) {
        self.learned.push(Learned::ResyncBegun);
    }

    /// K4.
    ///
    /// # Errors
    /// Knowledge is then what it was.
    pub fn end_resync(&mut self) -> Result<(), ResyncFault> {
        let result = Self::resync(&self.learned);
        self.learned.push(Learned::ResyncEnded);
        result
    }

    /// How a resync would end after this.
    fn resync(learned: &[Learned]) -> Result<(), ResyncFault> {
        let bounds = [Learned::ResyncBegun, Learned::ResyncEnded, Learned::Restarted];
        let begun = learned.iter().rposition(|event| bounds.contains(event));
        match begun {
            Some(at) if learned[at] == Learned::ResyncBegun => {
                if learned[at..].contains(&Learned::Refused) {
                    Err(ResyncFault::Refused)
                } else {
                    Ok(())
                }
            }
            _ => Err(ResyncFault::NotBegun),
        }
    }

    /// Why knowledge is not complete, for the latest cause; `None` if it is (K1).
    fn ignorance(&self) -> Option<Block> {
        for (at, event) in self.learned.iter().enumerate().rev() {
            match event {
                Learned::Refused => return Some(Block::Capacity),
                Learned::Forgot => return Some(Block::StateUnknown),
                Learned::ResyncEnded if Self::resync(&self.learned[..at]).is_ok() => return None,
                Learned::ResyncEnded | Learned::ResyncBegun | Learned::Restarted => {}
            }
        }
        Some(Block::StateUnknown) // first start
    }

    /// The device's time, for what happens to it while nobody reads the clock.
    pub fn time(&mut self) -> &mut Time {
        &mut self.time
    }

    /// Reads the clock.
    pub fn read_clock(&mut self) {
        if self.time.read().is_err() {
            self.lose_ages(); // C3
        }
    }

    /// C5: a sleep that nobody measured.
    pub fn slept_unknown(&mut self) {
        self.lose_ages();
    }

    fn lose_ages(&mut self) {
        for room in self.rooms.values_mut() {
            room.happened(Reason::AgeUnknown);
        }
    }

    /// T1–T4, T8, T10, T11. `creation` says whether a session can be made.
    pub fn decide(&mut self, room_id: &str, creation: bool) -> Decision {
        self.read_clock();
        let ignorance = self.ignorance();
        let Some(room) = self.rooms.get_mut(room_id) else {
            return match ignorance {
                Some(cause) => Decision::Blocked(cause),
                None if self.choices.plaintext => Decision::Plaintext,
                None => Decision::Blocked(Block::PlaintextForbidden),
            };
        };
        let settings = match room.in_force(self.choices.policy) {
            Ok(settings) => settings,
            Err(cause) => return Decision::Blocked(cause),
        };
        let reason = room.reasons(settings, &self.time).first().copied();
        if reason.is_some() {
            if !creation {
                return Decision::NoNewSession;
            }
            self.sessions_made += 1;
            let stamp = match self.choices.stored {
                Stored::Sessions(_) => self.calendar.read(),
                Stored::Nothing | Stored::Rooms => None,
            };
            room.begin_session(self.sessions_made, &self.time, stamp);
        }
        match &mut room.session {
            Some(session) if session.is_shared() => {
                if let Stored::Sessions(ahead) = self.choices.stored
                    && session.is_at_mark()
                {
                    session.store_ahead(ahead, settings.messages, self.time.age(session.made));
                }
                Decision::Permit(session.id)
            }
            Some(session) => Decision::Share(session.id, reason),
            None => unreachable!("T3"),
        }
    }

    /// T9: the permit of the room's session is used. `moved` says whether the session's index moved on. Returns the
    /// index that the message had.
    pub fn use_permit(&mut self, room_id: &str, moved: bool) -> Option<u64> {
        Some(self.rooms.get_mut(room_id)?.session.as_mut()?.used(moved))
    }

    /// That session was shared: as a decision asked for (T8), or with somebody who came later (E5). Whether it still is
    /// the room's.
    pub fn shared(&mut self, room_id: &str, session: u64, with: With) -> bool {
        let limit = self.settings(room_id).map(|settings| settings.messages);
        let Some(current) = self.rooms.get_mut(room_id).and_then(|room| room.session.as_mut()) else {
            return false;
        };
        if current.id != session {
            return false;
        }
        let is_first = !current.is_shared();
        current.shared(with);
        // B1, B3: that it was shared is stored, and all else of it. The clock is not read for that.
        if let (Stored::Sessions(ahead), Some(limit)) = (self.choices.stored, limit)
            && is_first
            && current.is_shared()
            && current.stamp.is_some()
        {
            current.store_ahead(ahead, limit, self.time.age_in_whole_ticks(current.made));
        }
        true
    }

    /// The settings in force in a room.
    #[must_use]
    pub fn settings(&self, room_id: &str) -> Option<Settings> {
        self.rooms.get(room_id)?.in_force(self.choices.policy).ok()
    }

    /// Whether the room is in the table.
    #[must_use]
    pub fn is_known_encrypted(&self, room_id: &str) -> bool {
        self.rooms.contains_key(room_id)
    }

    /// A room's session.
    #[must_use]
    pub fn session(&self, room_id: &str) -> Option<&Session> {
        self.rooms.get(room_id)?.session.as_ref()
    }

    /// How many sessions there are.
    #[must_use]
    pub fn live_sessions(&self) -> usize {
        self.rooms.values().filter(|room| room.session.is_some()).count()
    }

    /// After how many more ticks the room's session is too old; `None` when it has none, or its age does not matter.
    #[must_use]
    pub fn ticks_until_too_old(&self, room_id: &str) -> Option<u128> {
        let room = self.rooms.get(room_id)?;
        let settings = room.in_force(self.choices.policy).ok()?;
        self.time.ticks_until(room.session.as_ref()?.made, settings.period_ms)
    }

    /// All that what happens from now on can depend on, and nothing else: moments as distances from now, sessions
    /// without their numbers. What is beyond `most` (the greatest settings there can be) is all the same.
    #[must_use]
    pub fn gist(&self, most: Settings) -> Gist {
        Gist {
            rooms: self.rooms.iter().map(|(id, room)| (id.clone(), self.room_gist(room, most))).collect(),
            ignorance: self.ignorance(),
            resync: Self::resync(&self.learned),
            unread_ticks: self.time.unread_ticks(),
            calendar: self.calendar.is_readable(),
        }
    }

    fn room_gist(&self, room: &Room, most: Settings) -> RoomGist {
        RoomGist {
            in_force: room.in_force(self.choices.policy),
            reset: room.is_reset(),
            shares_history: room.shares_history(),
            session: room.session.as_ref().map(|session| SessionGist {
                shared: session.is_shared(),
                shares_history: session.shares_history,
                happened: session.happened.iter().copied().collect(),
                uses: session.uses().min(most.messages),
                index: session.index(),
                age: self.time.age(session.made).min(most.period_ms.into(), self.choices.clock),
                stored: session.stored.map(|stored| {
                    let age = stored.age.min(most.period_ms.into(), self.choices.clock);
                    room::Stored { age, ..stored }
                }),
                by_calendar: session.stamp.map(|stamp| self.calendar.face().since(stamp)),
            }),
        }
    }
}

/// What a device's future depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gist {
    rooms: Vec<(String, RoomGist)>,
    ignorance: Option<Block>,
    resync: Result<(), ResyncFault>,
    unread_ticks: Option<i128>,
    calendar: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct RoomGist {
    in_force: Result<Settings, Block>,
    reset: bool,
    shares_history: bool,
    session: Option<SessionGist>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct SessionGist {
    shared: bool,
    shares_history: bool,
    happened: BTreeSet<Reason>,
    uses: u64,
    index: u64,
    age: time::Age,
    stored: Option<room::Stored>,
    /// Its age by the calendar, if that was readable, and while it was not set anew.
    by_calendar: Option<Option<i128>>,
}
