//! The device: the rooms it knows, whether it knows them all, and its time.
//!
//! A [`Device`] is told of events and asked, for each message, what it needs. Knowledge that is not complete blocks
//! every room that is not in the table (K1), so nothing that is lost turns into plaintext.

use embedded_time::Clock;
use zeroize::Zeroize;

use crate::clock::{ClockError, Now, Sleep, TickRate, Timeline};
use crate::event::{self, WriteError};
use crate::membership::{Membership, PreviousMembership, is_departure, shares_history};
use crate::room::{BlockReason, DecideError, Decision, Effect, PlaintextPermit, Room, ShareRequest};
use crate::rooms::{RoomId, RoomPlace, Rooms};
use crate::rotation::RotationReason;
use crate::session::OutboundSession;
use crate::settings::{self, ChangePolicy, Limits, Reading, Settings};

/// What the integrator of a device chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Config {
    /// The limits of rotation values.
    pub limits: Limits,
    /// What later settings may change.
    pub policy: ChangePolicy,
    /// Whether plaintext may be sent to rooms that are not encrypted (K6).
    pub plaintext: bool,
}

impl Default for Config {
    /// The default limits, [`ChangePolicy::Ratchet`], and plaintext to rooms that are not encrypted.
    fn default() -> Self {
        Config { limits: Limits::default(), policy: ChangePolicy::default(), plaintext: true }
    }
}

/// What became of an `m.room.encryption` event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Applied {
    /// What the event says.
    pub reading: Reading,
    /// What it changed.
    pub effect: Effect,
    /// The settings in force after it; `None` while the room is blocked.
    pub in_force: Option<Settings>,
}

/// An encrypted room found no place in the table (K2). Every room that is not in the table is now blocked. Give the
/// device more storage, or forget a room it has left; then resync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TableFull;

impl core::fmt::Display for TableFull {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the table of encrypted rooms is full")
    }
}

impl core::error::Error for TableFull {}

/// What an event that can end a session came to (E1–E4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Noted {
    /// The room is not in the table, so the event has no effect, now or later. What a room is before its first
    /// encryption event is not kept; report it again after that event.
    NotTracked,
    /// The event by itself ends no session: it is none that does, or there is no session. One that has to be replaced
    /// for an earlier event still has to be.
    NoEffect,
    /// The room's session is replaced before the next message.
    EndsSession,
}

/// The session that was shared is no longer the room's: it was replaced, or the room was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SessionReplaced;

impl core::fmt::Display for SessionReplaced {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the session was replaced in the meantime")
    }
}

impl core::error::Error for SessionReplaced {}

/// Why a room key could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RoomKeyError {
    /// The session is no longer the room's.
    SessionReplaced,
    /// The content could not be written.
    Write(WriteError),
}

impl core::fmt::Display for RoomKeyError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            RoomKeyError::SessionReplaced => SessionReplaced.fmt(f),
            RoomKeyError::Write(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for RoomKeyError {}

/// Why a resync did not make knowledge complete (K4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ResyncError {
    /// None was begun since the device started.
    NotBegun,
    /// An encrypted room found no place in the table since it was begun.
    EventRefused,
}

impl core::fmt::Display for ResyncError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            ResyncError::NotBegun => "no resync was begun",
            ResyncError::EventRefused => "an encrypted room found no place in the table during the resync",
        })
    }
}

impl core::error::Error for ResyncError {}

/// Whether the device knows every encrypted room it is in (K1).
#[derive(Clone, Copy)]
enum Knowledge {
    Complete,
    /// It does not, and this is the latest cause.
    Incomplete(BlockReason),
}

/// Where a resync stands (K4).
#[derive(Clone, Copy)]
enum Resync {
    NotBegun,
    Begun { refused: bool },
}

/// The encrypting part of a Matrix device: its encrypted rooms with their outbound sessions of type `S`, in storage of
/// the caller.
///
/// It does no I/O and never waits. The events of one sync may be delivered again: each call is idempotent, and a repeated
/// departure, removal or request after a message at worst replaces a session once more (K5). Store
/// the sync token only after every call for that sync has succeeded.
pub struct Device<'a, S> {
    config: Config,
    timeline: Timeline,
    knowledge: Knowledge,
    resync: Resync,
    rooms: Rooms<'a, S>,
}

impl<'a, S> Device<'a, S> {
    /// A device on its first start. It knows of no room, and knows that it does not: until a resync has ended, every
    /// room that is not in the table is blocked (K1). Whatever `places` held is dropped; the device keeps as many rooms
    /// as there are places, at most 65,536.
    pub fn new(places: &'a mut [RoomPlace<S>], config: Config) -> Self {
        Device {
            config,
            timeline: Timeline::new(),
            knowledge: Knowledge::Incomplete(BlockReason::StateUnknown),
            resync: Resync::NotBegun,
            rooms: Rooms::new(places),
        }
    }

    /// Takes an `m.room.encryption` state event with an empty state key. Whatever its content, the room is encrypted
    /// from now on, for ever (S1). Reading costs time linear in the content, at most 65,536 bytes of it.
    ///
    /// # Errors
    /// [`TableFull`], whatever the content: the room is not known, and so no unknown room may be sent to (K2).
    pub fn encryption_event(&mut self, room_id: RoomId<'_>, content: &[u8]) -> Result<Applied, TableFull> {
        let reading = settings::read(content, &self.config.limits);
        let slot = self.rooms.find_or_insert(room_id);
        let Some(room) = slot.and_then(|slot| self.rooms.get_mut(slot)) else {
            self.knowledge = Knowledge::Incomplete(BlockReason::Capacity);
            if let Resync::Begun { refused } = &mut self.resync {
                *refused = true; // K4
            }
            return Err(TableFull);
        };
        let effect = room.apply(&reading, self.config.policy);
        Ok(Applied { reading, effect, in_force: room.settings() })
    }

    /// Takes an `m.room.member` event (E1), of whichever user, this device's own included. `limited` says that the
    /// sync which brought it left out events before it.
    pub fn member_event(
        &mut self,
        room_id: RoomId<'_>,
        previous: PreviousMembership,
        new: Membership,
        limited: bool,
    ) -> Noted {
        let departure = is_departure(previous, new, limited);
        self.note(room_id, |room| departure && room.end_session(RotationReason::Departure))
    }

    /// Takes an `m.room.history_visibility` event by the value of its `history_visibility` (E3). A room is tracked from
    /// its first encryption event on; what is reported before has no effect and is to be reported again.
    #[must_use = "a visibility that is not tracked has to be reported again"]
    pub fn history_visibility_event(&mut self, room_id: RoomId<'_>, history_visibility: &str) -> Noted {
        let shared_history = shares_history(history_visibility);
        self.note(room_id, |room| room.set_shared_history(shared_history))
    }

    /// A device that may hold the room's key was deleted, blocked, or is no longer to be trusted with keys (E2).
    pub fn device_removed(&mut self, room_id: RoomId<'_>) -> Noted {
        self.note(room_id, |room| room.end_session(RotationReason::DeviceRemoved))
    }

    /// The application wants a new session before the next message (E4).
    pub fn request_rotation(&mut self, room_id: RoomId<'_>) -> Noted {
        self.note(room_id, |room| room.end_session(RotationReason::Requested))
    }

    fn note(&mut self, room_id: RoomId<'_>, ends_session: impl FnOnce(&mut Room<S>) -> bool) -> Noted {
        match self.rooms.find(room_id).and_then(|slot| self.rooms.get_mut(slot)) {
            None => Noted::NotTracked,
            Some(room) => {
                if ends_session(room) {
                    Noted::EndsSession
                } else {
                    Noted::NoEffect
                }
            }
        }
    }

    /// The device's owner, never an event, resets a room's settings: the next usable content becomes its settings as
    /// the first one did; until it comes, those in force stay, and the room stays encrypted (S5). Returns whether
    /// there is such a room.
    pub fn reset_settings(&mut self, room_id: RoomId<'_>) -> bool {
        match self.rooms.find(room_id).and_then(|slot| self.rooms.get_mut(slot)) {
            Some(room) => {
                room.reset_settings();
                true
            }
            None => false,
        }
    }

    /// Forgets a room that the application has left. Its place is free, and knowledge is no longer complete: until
    /// the next resync has ended, every room that is not in the table is blocked (K3). Returns whether there was such
    /// a room; if not, nothing changes.
    ///
    /// Do this outside of a resync: the end of one makes knowledge complete (K4), and a room that was delivered and then
    /// forgotten in the course of it is not known to be encrypted any more.
    pub fn forget(&mut self, room_id: RoomId<'_>) -> bool {
        let known = self.rooms.remove(room_id);
        if known {
            self.knowledge = Knowledge::Incomplete(BlockReason::StateUnknown);
        }
        known
    }

    /// Begins a resync: from now on the application delivers the current state of every room it is in (K4).
    pub fn begin_resync(&mut self) {
        self.resync = Resync::Begun { refused: false };
    }

    /// Ends a resync: knowledge is complete, and a room that is not in the table is not encrypted (K4).
    ///
    /// # Errors
    /// No resync was begun, or an event was refused since. Knowledge is then what it was.
    pub fn end_resync(&mut self) -> Result<(), ResyncError> {
        match core::mem::replace(&mut self.resync, Resync::NotBegun) {
            Resync::NotBegun => Err(ResyncError::NotBegun),
            Resync::Begun { refused: true } => Err(ResyncError::EventRefused),
            Resync::Begun { refused: false } => {
                self.knowledge = Knowledge::Complete;
                Ok(())
            }
        }
    }

    /// Takes account of a sleep during which the clock stood still (C5).
    ///
    /// # Errors
    /// [`ClockError::Exhausted`].
    pub fn slept(&mut self, sleep: Sleep) -> Result<(), ClockError> {
        self.timeline.slept(sleep)
    }

    /// Reads the clock. What depends on the time is asked of the [`Moment`], which borrows the device, so there is never
    /// more than one reading to go by; ask it at once. A device is given one clock for all its life.
    ///
    /// # Errors
    /// The clock could not be read, or [`ClockError::Exhausted`]: nothing is sent, nothing has changed (C4).
    pub fn at<C>(&mut self, clock: &C) -> Result<Moment<'_, S>, ClockError>
    where
        C: Clock,
        u64: From<C::T>,
    {
        let now = self.timeline.read(clock)?;
        Ok(self.moment(now))
    }

    /// Reads the clock and does nothing else. A 32-bit clock has to be read at intervals shorter than
    /// [`longest_read_interval_ms`](crate::clock::longest_read_interval_ms), messages or none (C2).
    ///
    /// # Errors
    /// As [`at`](Device::at).
    pub fn read_clock<C>(&mut self, clock: &C) -> Result<(), ClockError>
    where
        C: Clock,
        u64: From<C::T>,
    {
        self.timeline.read(clock).map(|_now| ())
    }

    /// As [`at`](Device::at), with a reading of a counter that is not an [`embedded_time::Clock`], as
    /// [`Timeline::carry_on`](crate::clock::Timeline::carry_on). A device uses one counter for all its life.
    ///
    /// # Errors
    /// [`ClockError::Exhausted`].
    pub fn at_ticks(&mut self, ticks: u64, rate: TickRate) -> Result<Moment<'_, S>, ClockError> {
        let now = self.timeline.carry_on(ticks, rate)?;
        Ok(self.moment(now))
    }

    fn moment(&mut self, now: Now) -> Moment<'_, S> {
        let absent = match self.knowledge {
            Knowledge::Incomplete(cause) => Some(cause), // T2
            Knowledge::Complete if !self.config.plaintext => Some(BlockReason::PlaintextForbidden), // K6
            Knowledge::Complete => None,
        };
        Moment { now, absent, rooms: self.rooms.reborrow() }
    }

    /// The settings in force in a room; `None` if it has none.
    #[must_use]
    pub fn settings(&self, room_id: RoomId<'_>) -> Option<Settings> {
        self.rooms.get(self.rooms.find(room_id)?)?.settings()
    }

    /// Whether an `m.room.encryption` event for the room has been seen and not forgotten.
    #[must_use]
    pub fn is_known_encrypted(&self, room_id: RoomId<'_>) -> bool {
        self.rooms.find(room_id).is_some()
    }

    /// A request to share the room's session, if it has one, with somebody who came later: a new member or a new
    /// device gets the key from the current index on, and nothing waits for that (E5).
    #[must_use]
    pub fn share_current(&self, room_id: RoomId<'_>) -> Option<ShareRequest> {
        let slot = self.rooms.find(room_id)?;
        self.rooms.get(slot)?.share_request(slot)
    }

    /// The room key of a request was shared. If it was what a decision asked for, the session may be used from now on
    /// (T8); what has happened since still counts.
    ///
    /// # Errors
    /// The session was replaced in the meantime.
    pub fn shared(&mut self, request: &ShareRequest) -> Result<(), SessionReplaced> {
        let room = self.rooms.get_mut(request.slot).ok_or(SessionReplaced)?;
        if room.shared(request) { Ok(()) } else { Err(SessionReplaced) }
    }
}

impl<S: OutboundSession> Device<'_, S> {
    /// Writes the content of the `m.room_key` event for a request: the key of its session from the current index on.
    /// Returns its length in bytes, at most 720 where JSON escapes nothing in the room ID. The content is a secret: it
    /// goes to devices by Olm, and the caller wipes it. After an error `out` is wiped.
    ///
    /// # Errors
    /// The session was replaced in the meantime, or the buffer is too small.
    pub fn room_key(&self, request: &ShareRequest, out: &mut [u8]) -> Result<usize, RoomKeyError> {
        let room = self.rooms.get(request.slot).ok_or(RoomKeyError::SessionReplaced)?;
        let (session, shared_history) =
            room.session(request.session_number).ok_or(RoomKeyError::SessionReplaced)?;
        let room_id = self.rooms.room_id(request.slot).ok_or(RoomKeyError::SessionReplaced)?;
        event::write_room_key(session, room_id, shared_history, out).map_err(|error| {
            out.zeroize(); // part of the key may stand in it
            RoomKeyError::Write(error)
        })
    }
}

/// A reading of the clock, and the device at that moment.
#[must_use]
pub struct Moment<'a, S> {
    now: Now,
    /// What stands for a room that is not in the table: a reason why it is blocked, or plaintext.
    absent: Option<BlockReason>,
    rooms: Rooms<'a, S>,
}

impl<'a, S> Moment<'a, S> {
    /// In how many milliseconds the room's session is due to be replaced for its age alone, as
    /// [`rotation::expires_in_ms`](crate::rotation::expires_in_ms); `None` if it has no session, or no settings in force.
    #[must_use]
    pub fn expires_in_ms(&self, room_id: RoomId<'_>) -> Option<u64> {
        self.rooms.get(self.rooms.find(room_id)?)?.expires_in_ms(self.now)
    }

    /// What the next message to a room needs (T1–T4). When that is a new session, `create` makes it; the old one is
    /// dropped then, and never otherwise.
    ///
    /// Looking the room up takes about log₂ of the rooms there are comparisons; the decision itself costs the same
    /// however many there are.
    ///
    /// # Errors
    /// `create` failed: nothing is sent, and the old session is not used (T11).
    pub fn decide<E>(
        self,
        room_id: RoomId<'_>,
        create: impl FnOnce() -> Result<S, E>,
    ) -> Result<Decision<'a, S>, DecideError<E>> {
        let Some(slot) = self.rooms.find(room_id) else {
            return Ok(match self.absent {
                Some(reason) => Decision::Blocked(reason),           // T2
                None => Decision::Plaintext(PlaintextPermit::new()), // T1
            });
        };
        match self.rooms.into_room(slot) {
            Some((room_id, room)) => room.decide(room_id, slot, self.now, create),
            None => Ok(Decision::Blocked(BlockReason::StateUnknown)), // every slot that is found has a place
        }
    }
}

impl<S> core::fmt::Debug for Moment<'_, S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Moment").field("now", &self.now).finish_non_exhaustive()
    }
}
