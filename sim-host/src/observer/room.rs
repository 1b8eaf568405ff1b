//! What an observer keeps of a room: a few sessions, however many there were.

use std::collections::VecDeque;

use super::exposure::Exposure;
use super::settings::{ChangePolicy, Settings};
use super::summary::{RoomSummary, SessionSummary};

/// How many sessions of a room are kept besides the last one that was used. A session that comes back later is not known
/// any more; what receives it has no key of it either.
pub(super) const EARLIER_KEPT: usize = 8;

/// A session ID. Those of Megolm have 43 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SessionId {
    length: u8,
    bytes: [u8; Self::LONGEST],
}

impl SessionId {
    const LONGEST: usize = 47;

    /// `None` when it is too long.
    pub(super) fn new(id: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::LONGEST];
        bytes.get_mut(..id.len())?.copy_from_slice(id);
        Some(SessionId { length: u8::try_from(id.len()).ok()?, bytes })
    }
}

/// A Megolm session.
#[derive(Clone, Copy)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) born_ms: u64,
    /// What the device's counter had hidden by then.
    pub(super) hidden_at_birth_ms: i64,
    /// How many restarts there had been by then.
    pub(super) restarts_at_birth: u32,
    /// How many events that end sessions its room had had by then.
    pub(super) rotation_events: u64,
    pub(super) messages: u64,
    /// When it carried the first of them, in ms.
    pub(super) first_message_ms: u64,
    /// When it carried the last of them.
    pub(super) last_ms: u64,
    /// Indices only ever rise, so the greatest one tells of a reuse.
    pub(super) last_index: Option<u32>,
    /// How many restarts there had been at its last message.
    pub(super) restarts: u32,
    /// Whether anybody was given its key.
    pub(super) shared: bool,
    /// Whether a share of its key has succeeded (T8).
    pub(super) share_succeeded: bool,
    /// What its room key is to say of it (T10), if it was seen to be made.
    pub(super) shares_history: Option<bool>,
    /// How many causes for a new session there had been by its birth.
    pub(super) causes: u64,
    /// By how much the device's counter had run ahead by then.
    pub(super) ahead_at_birth_ms: u64,
}

impl Session {
    pub(super) fn age_ms(&self, at_ms: u64) -> u64 {
        at_ms.saturating_sub(self.born_ms)
    }

    pub(super) fn summary(&self) -> SessionSummary {
        SessionSummary { born_ms: self.born_ms, messages: self.messages, age_ms: self.age_ms(self.last_ms) }
    }
}

/// What may be in force in a room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct InForce {
    pub(super) settings: Option<Settings>,
    pub(super) reset: bool,
}

impl InForce {
    /// S2, S3, S5.
    pub(super) fn after(self, new: Settings, policy: ChangePolicy) -> Self {
        let settings = match self.settings {
            Some(current) if !self.reset => current.changed_to(new, policy),
            _ => new,
        };
        InForce { settings: Some(settings), reset: false }
    }
}

/// A room.
pub(super) struct Room {
    pub(super) id: Box<str>,
    /// The session that was last heard of here.
    pub(super) latest: Option<Session>,
    pub(super) encrypted: bool,
    /// Whether the device had a place for it.
    pub(super) placed: bool,
    pub(super) settings: Option<Settings>,
    /// Whether the next usable content is taken as the first one was (S5).
    pub(super) reset: bool,
    /// What else may be so, for the power failed while the device was told (B1).
    pub(super) otherwise: Vec<InForce>,
    /// Whether those who come later may read what was before.
    pub(super) shares_history: bool,
    /// How many events there were that end sessions.
    pub(super) rotation_events: u64,
    /// How many causes there were to make a new one, with those that do not demand it. None is ever taken back.
    pub(super) causes: u64,
    pub(super) messages: u64,
    pub(super) plaintext_messages: u64,
    pub(super) sessions: u64,
    pub(super) most_messages_in_a_session: u64,
    pub(super) greatest_session_age_ms: u64,
    pub(super) exposure: Exposure,
    /// When the last event that ends sessions was, in ms, and what it was.
    pub(super) last_rotation_event: Option<(u64, &'static str)>,
    /// The one before that.
    rotation_event_before: Option<(u64, &'static str)>,
    /// Those before the latest, the newest last.
    pub(super) earlier: VecDeque<Session>,
}

impl Room {
    pub(super) fn new(id: &str) -> Self {
        Self {
            id: id.into(),
            latest: None,
            encrypted: false,
            placed: false,
            settings: None,
            reset: false,
            otherwise: Vec::new(),
            shares_history: false,
            rotation_events: 0,
            causes: 0,
            messages: 0,
            plaintext_messages: 0,
            sessions: 0,
            most_messages_in_a_session: 0,
            greatest_session_age_ms: 0,
            exposure: Exposure::default(),
            last_rotation_event: None,
            rotation_event_before: None,
            earlier: VecDeque::new(),
        }
    }

    /// The device knows nothing of it any more.
    pub(super) fn loses_place(&mut self) {
        (self.placed, self.reset, self.shares_history, self.settings) = (false, false, false, None);
        self.otherwise.clear();
    }

    /// All that may be in force, what most likely is first.
    pub(super) fn may_be_in_force(&self) -> impl Iterator<Item = InForce> {
        std::iter::once(InForce { settings: self.settings, reset: self.reset })
            .chain(self.otherwise.iter().copied())
    }

    /// The room's settings change so, whatever they may have been.
    pub(super) fn change(&mut self, how: impl Fn(InForce) -> InForce) {
        let now = how(InForce { settings: self.settings, reset: self.reset });
        (self.settings, self.reset) = (now.settings, now.reset);
        for other in std::mem::take(&mut self.otherwise) {
            let other = how(other);
            if other != now && !self.otherwise.contains(&other) {
                self.otherwise.push(other);
            }
        }
    }

    pub(super) fn ends_sessions(&mut self, at_ms: u64, why: &'static str) {
        self.rotation_events += 1;
        self.causes += 1;
        self.rotation_event_before = self.last_rotation_event.replace((at_ms, why));
    }

    /// The last event that ended sessions did not, for nobody can know of it.
    pub(super) fn takes_back_last_event(&mut self) {
        self.rotation_events = self.rotation_events.saturating_sub(1);
        self.last_rotation_event = self.rotation_event_before;
    }

    /// Makes a session that is kept the latest one.
    pub(super) fn recall(&mut self, id: &SessionId) {
        if let Some(place) = self.earlier.iter().position(|session| session.id == *id)
            && let Some(session) = self.earlier.remove(place)
        {
            self.earlier.extend(self.latest.replace(session));
        }
    }

    /// A new session is the latest one. Returns the one that is no longer kept for that.
    pub(super) fn add(&mut self, session: Session) -> Option<Session> {
        self.earlier.extend(self.latest.replace(session));
        if self.earlier.len() > EARLIER_KEPT { self.earlier.pop_front() } else { None }
    }

    /// The sessions that are kept.
    pub(super) fn sessions_kept(&self) -> impl Iterator<Item = &Session> {
        self.earlier.iter().chain(&self.latest)
    }

    pub(super) fn summary(&self) -> RoomSummary<'_> {
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
