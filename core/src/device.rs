//! The device: the rooms it knows, whether it knows them all, and its time.
//!
//! A [`Device`] is told of events and asked, for each message, what it needs. Knowledge that is not complete blocks
//! every room that is not in the table (K1), so nothing that is lost turns into plaintext.
//!
//! A change is stored before the call that made it returns success (B1). Where storing fails, the call fails, what is in
//! memory is the safer of the two states, and the next call that concerns it tries again. How a device comes back after
//! a restart is in `restart`.

use embedded_time::Clock;
use zeroize::Zeroize;

use crate::clock::{Sleep, TickRate, TimeError, Timeline};
use crate::event::{self, WriteError};
use crate::membership::{Membership, PreviousMembership, is_departure, shares_history};
use crate::persistence::{NothingStored, Persistence};
use crate::record::{DeviceRecord, RoomRecord};
use crate::room::{BlockReason, DecideError, Decision, Effect, PlaintextPermit, Room, ShareRequest};
use crate::rooms::{RoomId, RoomPlace, Rooms};
use crate::rotation::RotationReason;
use crate::session::OutboundSession;
use crate::settings::{self, ChangePolicy, Limits, Reading, Settings};
use crate::store::{Item, StoreError};

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

/// Why an `m.room.encryption` event was not taken. Deliver it again (K5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum EncryptionEventError {
    /// The room found no place in the table (K2). Every room that is not in the table is now blocked. Give the
    /// device more storage, or forget a room it has left; then resync.
    TableFull,
    /// What the event changed could not be stored.
    Store(StoreError),
}

impl From<StoreError> for EncryptionEventError {
    fn from(error: StoreError) -> Self {
        EncryptionEventError::Store(error)
    }
}

impl core::fmt::Display for EncryptionEventError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            EncryptionEventError::TableFull => f.write_str("the table of encrypted rooms is full"),
            EncryptionEventError::Store(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for EncryptionEventError {}

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

/// Why a session does not count as shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SharedError {
    /// It is no longer the room's: it was replaced, or the room was forgotten.
    SessionReplaced,
    /// It could not be stored. The next decision asks for it to be shared again (T8).
    Store(StoreError),
}

impl From<StoreError> for SharedError {
    fn from(error: StoreError) -> Self {
        SharedError::Store(error)
    }
}

impl core::fmt::Display for SharedError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            SharedError::SessionReplaced => f.write_str("the session was replaced in the meantime"),
            SharedError::Store(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for SharedError {}

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
            RoomKeyError::SessionReplaced => SharedError::SessionReplaced.fmt(f),
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
    /// That knowledge is complete could not be stored. The resync goes on: end it again.
    Store(StoreError),
}

impl From<StoreError> for ResyncError {
    fn from(error: StoreError) -> Self {
        ResyncError::Store(error)
    }
}

impl core::fmt::Display for ResyncError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            ResyncError::NotBegun => f.write_str("no resync was begun"),
            ResyncError::EventRefused => {
                f.write_str("an encrypted room found no place in the table during the resync")
            }
            ResyncError::Store(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ResyncError {}

/// Where a resync stands (K4).
#[derive(Clone, Copy)]
pub(crate) enum Resync {
    NotBegun,
    Begun { refused: bool },
}

/// The encrypting part of a Matrix device: its encrypted rooms with their outbound sessions of type `S`, in storage of
/// the caller. What of it outlives a restart is up to `P`: [`NothingStored`], [`RoomsStored`](crate::RoomsStored) or
/// [`SessionsStored`](crate::SessionsStored).
///
/// It does no I/O but by its store and never waits. The events of one sync may be delivered again: each call is idempotent, and a repeated
/// departure, removal or request after a message at worst replaces a session once more (K5). Store
/// the sync token only after every call for that sync has succeeded.
///
/// What a call may write is said with it; [`manual::storage`](crate::manual::storage) has it in one table.
pub struct Device<'a, S, P = NothingStored> {
    pub(crate) config: Config,
    pub(crate) timeline: Timeline,
    /// Why the device does not know every encrypted room it is in; `None` when it does (K1).
    pub(crate) incomplete: Option<BlockReason>,
    pub(crate) resync: Resync,
    /// Sessions that were stored in an earlier one are void (B5).
    pub(crate) generation: u32,
    /// The device's record as it was last stored; `None` when that is not known.
    pub(crate) stored: Option<DeviceRecord>,
    pub(crate) rooms: Rooms<'a, S>,
    pub(crate) persistence: P,
}

impl<'a, S> Device<'a, S> {
    /// A device on its first start, of which nothing is stored. It knows of no room, and knows that it does not: until a
    /// resync has ended, every room that is not in the table is blocked (K1). Whatever `places` held is dropped; the
    /// device keeps as many rooms as there are places, at most 65,536.
    pub fn new(places: &'a mut [RoomPlace<S>], config: Config) -> Self {
        Device {
            config,
            timeline: Timeline::new(),
            incomplete: Some(BlockReason::StateUnknown),
            resync: Resync::NotBegun,
            generation: 0,
            stored: None,
            rooms: Rooms::new(places),
            persistence: NothingStored,
        }
    }
}

impl<'b, S, P: Persistence<S>> Device<'b, S, P> {
    /// Takes an `m.room.encryption` state event with an empty state key. Whatever its content, the room is encrypted
    /// from now on, for ever (S1). Reading costs time linear in the content, at most 65,536 bytes of it.
    ///
    /// Stores the room's record if the event changed anything, and the device's if the room is new and knowledge is
    /// complete, or if there was no place.
    ///
    /// # Errors
    /// [`TableFull`](EncryptionEventError::TableFull), whatever the content: the room is not known, and so no unknown
    /// room may be sent to (K2). When the store fails, the room is encrypted nonetheless, and no looser than it was.
    pub fn encryption_event(
        &mut self,
        room_id: RoomId<'_>,
        content: &[u8],
    ) -> Result<Applied, EncryptionEventError> {
        let reading = settings::read(content, &self.config.limits);
        let known = self.rooms.find(room_id).is_some();
        let slot = self.rooms.find_or_insert(room_id);
        let Some(mut place) = slot.and_then(|slot| self.rooms.place(slot)) else {
            self.incomplete = Some(BlockReason::Capacity);
            if let Resync::Begun { refused } = &mut self.resync {
                *refused = true; // K4
            }
            self.save()?;
            return Err(EncryptionEventError::TableFull);
        };
        let before = place.row.room.policy();
        let effect = place.row.room.apply(&reading, self.config.policy);
        if !known {
            place.row.room.set_unsaved(true); // S1: that there is a room
        }
        if let Err(error) = place.save(&mut self.persistence) {
            if known {
                place.row.room.keep_the_safer(before); // B1
            }
            return Err(error.into());
        }
        let in_force = place.row.room.settings();
        self.save()?; // that there is one room more, where knowledge is complete
        Ok(Applied { reading, effect, in_force })
    }

    /// Takes an `m.room.member` event (E1), of whichever user, this device's own included. `limited` says that the
    /// sync which brought it left out events before it.
    ///
    /// A departure stores the room's record, if the room has a session that is stored and it is the first.
    ///
    /// # Errors
    /// The store failed; the session is replaced nonetheless.
    pub fn member_event(
        &mut self,
        room_id: RoomId<'_>,
        previous: PreviousMembership,
        new: Membership,
        limited: bool,
    ) -> Result<Noted, StoreError> {
        let departure = is_departure(previous, new, limited);
        self.note(room_id, |room| departure && room.end_session(RotationReason::Departure))
    }

    /// Takes an `m.room.history_visibility` event by the value of its `history_visibility` (E3). A room is tracked from
    /// its first encryption event on; what is reported before has no effect and is to be reported again.
    ///
    /// Stores the room's record when the visibility crosses.
    ///
    /// # Errors
    /// The store failed; the session is replaced nonetheless.
    pub fn history_visibility_event(
        &mut self,
        room_id: RoomId<'_>,
        history_visibility: &str,
    ) -> Result<Noted, StoreError> {
        let shared_history = shares_history(history_visibility);
        self.note(room_id, |room| room.set_shared_history(shared_history))
    }

    /// A device that may hold the room's key was deleted, blocked, or is no longer to be trusted with keys (E2). Stores
    /// what [`member_event`](Device::member_event) does.
    ///
    /// # Errors
    /// The store failed; the session is replaced nonetheless.
    pub fn device_removed(&mut self, room_id: RoomId<'_>) -> Result<Noted, StoreError> {
        self.note(room_id, |room| room.end_session(RotationReason::DeviceRemoved))
    }

    /// The application wants a new session before the next message (E4). Stores what
    /// [`member_event`](Device::member_event) does.
    ///
    /// # Errors
    /// The store failed; the session is replaced nonetheless.
    pub fn request_rotation(&mut self, room_id: RoomId<'_>) -> Result<Noted, StoreError> {
        self.note(room_id, |room| room.end_session(RotationReason::Requested))
    }

    fn note(
        &mut self,
        room_id: RoomId<'_>,
        ends_session: impl FnOnce(&mut Room<S>) -> bool,
    ) -> Result<Noted, StoreError> {
        let Some(mut place) = self.rooms.find(room_id).and_then(|slot| self.rooms.place(slot)) else {
            return Ok(Noted::NotTracked);
        };
        let ends_session = ends_session(&mut place.row.room);
        place.save(&mut self.persistence)?;
        Ok(if ends_session { Noted::EndsSession } else { Noted::NoEffect })
    }

    /// The device's owner, never an event, resets a room's settings: the next usable content becomes its settings as
    /// the first one did; until it comes, those in force stay, and the room stays encrypted (S5). Returns whether
    /// there is such a room. Stores the room's record.
    ///
    /// # Errors
    /// The store failed; the settings are not reset.
    pub fn reset_settings(&mut self, room_id: RoomId<'_>) -> Result<bool, StoreError> {
        let Some(mut place) = self.rooms.find(room_id).and_then(|slot| self.rooms.place(slot)) else {
            return Ok(false);
        };
        let before = place.row.room.policy();
        place.row.room.reset_settings();
        if let Err(error) = place.save(&mut self.persistence) {
            place.row.room.keep_the_safer(before); // B1
            return Err(error);
        }
        Ok(true)
    }

    /// Forgets a room that the application has left. Its place is free, and knowledge is no longer complete: until
    /// the next resync has ended, every room that is not in the table is blocked (K3). Returns whether there was such
    /// a room; if not, nothing changes. Stores the device's record, then the place's.
    ///
    /// Do this outside of a resync: the end of one makes knowledge complete (K4), and a room that was delivered and then
    /// forgotten in the course of it is not known to be encrypted any more.
    ///
    /// # Errors
    /// The store failed: the room is not forgotten, but knowledge may no longer be complete.
    pub fn forget(&mut self, room_id: RoomId<'_>) -> Result<bool, StoreError> {
        let Some(slot) = self.rooms.find(room_id) else {
            return Ok(false);
        };
        // First of all: a room that is gone while knowledge is complete would be plaintext.
        self.incomplete = Some(BlockReason::StateUnknown);
        self.save()?;
        if let Some(room) = self.rooms.get_mut(slot) {
            room.set_unsaved(true); // whatever comes of it, should it fail
        }
        // What is stored of its session is for nobody.
        let sessions_made = self.rooms.get(slot).map_or(0, Room::sessions_made).saturating_add(1);
        self.store_free_place(slot, sessions_made)?;
        self.rooms.remove(room_id);
        if let Some(room) = self.rooms.get_mut(slot) {
            room.set_sessions_made(sessions_made);
        }
        Ok(true)
    }

    /// Begins a resync: from now on the application delivers the current state of every room it is in (K4).
    pub fn begin_resync(&mut self) {
        self.resync = Resync::Begun { refused: false };
    }

    /// Ends a resync: knowledge is complete, and a room that is not in the table is not encrypted (K4). Stores the device's
    /// record, if knowledge was not complete before.
    ///
    /// # Errors
    /// No resync was begun, or an event was refused since, or the store failed. Knowledge is then what it was.
    pub fn end_resync(&mut self) -> Result<(), ResyncError> {
        match self.resync {
            Resync::NotBegun => return Err(ResyncError::NotBegun),
            Resync::Begun { refused: true } => {
                self.resync = Resync::NotBegun;
                return Err(ResyncError::EventRefused);
            }
            Resync::Begun { refused: false } => {}
        }
        // First of all: what an earlier call could not store. No room may be missing where knowledge is complete.
        self.save_rooms()?;
        let before = self.incomplete.take();
        if let Err(error) = self.save() {
            self.incomplete = before; // B1: the safer of the two
            return Err(error.into());
        }
        self.resync = Resync::NotBegun;
        Ok(())
    }

    /// Takes account of a sleep during which the clock stood still (C5). An unknown one stores the device's record, if
    /// sessions are stored.
    ///
    /// # Errors
    /// [`ClockError::Exhausted`](crate::clock::ClockError::Exhausted), or the store failed.
    pub fn slept(&mut self, sleep: Sleep) -> Result<(), TimeError> {
        self.timeline.slept(sleep)?;
        Ok(self.save_epoch()?)
    }

    /// Reads the clock. What depends on the time is asked of the [`Moment`], which borrows the device, so there is never
    /// more than one reading to go by; ask it at once. A device is given one clock for all its life.
    ///
    /// When the clock has gone back, this stores the device's record, if sessions are stored.
    ///
    /// # Errors
    /// The clock could not be read, or [`ClockError::Exhausted`](crate::clock::ClockError::Exhausted): nothing is sent,
    /// nothing has changed (C4). Or the store failed.
    #[inline(always)] // a reading of the clock and a borrow: returned, it would take longer than it does
    pub fn at<C>(&mut self, clock: &C) -> Result<Moment<'_, 'b, S, P>, TimeError>
    where
        C: Clock,
        u64: From<C::T>,
    {
        self.timeline.follow(clock)?;
        self.moment()
    }

    /// Reads the clock and does nothing else. A 32-bit clock has to be read at intervals shorter than
    /// [`longest_read_interval_ms`](crate::clock::longest_read_interval_ms), messages or none (C2).
    ///
    /// # Errors
    /// As [`at`](Device::at).
    pub fn read_clock<C>(&mut self, clock: &C) -> Result<(), TimeError>
    where
        C: Clock,
        u64: From<C::T>,
    {
        self.timeline.read(clock)?;
        Ok(self.save_epoch()?)
    }

    /// As [`at`](Device::at), with a reading of a counter that is not an [`embedded_time::Clock`], as
    /// [`Timeline::carry_on`](crate::clock::Timeline::carry_on). A device uses one counter for all its life.
    ///
    /// # Errors
    /// [`ClockError::Exhausted`](crate::clock::ClockError::Exhausted), or the store failed.
    pub fn at_ticks(&mut self, ticks: u64, rate: TickRate) -> Result<Moment<'_, 'b, S, P>, TimeError> {
        self.timeline.carry_on(ticks, rate)?;
        self.moment()
    }

    #[inline(always)] // as `at`
    fn moment(&mut self) -> Result<Moment<'_, 'b, S, P>, TimeError> {
        self.save_epoch()?;
        Ok(Moment(self))
    }

    /// What a message needs whose room is not in the table.
    fn absent(&self) -> Decision<'_, S> {
        match self.incomplete {
            Some(cause) => Decision::Blocked(cause), // T2
            None if !self.config.plaintext => Decision::Blocked(BlockReason::PlaintextForbidden), // K6
            None => Decision::Plaintext(PlaintextPermit::new()), // T1
        }
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

    /// Why rooms that are not in the table are blocked; `None` when knowledge is complete (K1).
    #[must_use]
    pub fn incomplete(&self) -> Option<BlockReason> {
        self.incomplete
    }

    /// A request to share the room's session, if it has one, with somebody who came later: a new member or a new
    /// device gets the key from the current index on, and nothing waits for that (E5).
    #[must_use]
    pub fn share_current(&self, room_id: RoomId<'_>) -> Option<ShareRequest> {
        let slot = self.rooms.find(room_id)?;
        self.rooms.get(slot)?.share_request(slot)
    }

    /// The room key of a request was shared. If it was what a decision asked for, the session may be used from now on
    /// (T8); what has happened since still counts. Then the session is stored (B2), and before it the room's record, if
    /// something has happened since the decision.
    ///
    /// # Errors
    /// The session was replaced in the meantime, or the store failed: the session does not count as shared.
    pub fn shared(&mut self, request: &ShareRequest) -> Result<(), SharedError> {
        self.save_epoch()?; // should an earlier call not have succeeded in it
        let now = self.timeline.last_read();
        let place = self.rooms.place(request.slot).filter(|place| place.row.room.has_session(request));
        let mut place = place.ok_or(SharedError::SessionReplaced)?;
        if request.first {
            place.first_shared(now, self.generation, &mut self.persistence)?;
        }
        Ok(()) // E5: sharing with one who came later is no first share
    }

    /// Reads the clock and stores every session as it stands, for a restart that is announced: count and index then go on
    /// where they were (B2). The device may go on too; the next message in each room then stores its session anew.
    ///
    /// Stores a session for each room that has one, and every record that an earlier call could not store.
    ///
    /// # Errors
    /// As [`at`](Device::at). What was not stored comes back as it does when the power fails.
    pub fn shut_down<C>(&mut self, clock: &C) -> Result<(), TimeError>
    where
        C: Clock,
        u64: From<C::T>,
    {
        self.timeline.read(clock)?;
        self.shut_down_now()
    }

    /// As [`shut_down`](Device::shut_down), with a reading as [`at_ticks`](Device::at_ticks) takes it.
    ///
    /// # Errors
    /// As [`shut_down`](Device::shut_down).
    pub fn shut_down_at_ticks(&mut self, ticks: u64, rate: TickRate) -> Result<(), TimeError> {
        self.timeline.carry_on(ticks, rate)?;
        self.shut_down_now()
    }

    fn shut_down_now(&mut self) -> Result<(), TimeError> {
        let now = self.timeline.now();
        if P::STORES {
            self.save()?;
        }
        for slot in self.rooms.slots() {
            if let Some(mut place) = self.rooms.place(slot) {
                place.store_exactly(now, self.generation, &mut self.persistence)?;
            }
        }
        Ok(())
    }

    /// What of the device outlives a restart: the way to the store's own errors and figures. What the device has stored
    /// is not to be changed there.
    pub fn persistence(&mut self) -> &mut P {
        &mut self.persistence
    }

    // ---- what is stored of the device ----

    pub(crate) fn record(&self) -> DeviceRecord {
        DeviceRecord {
            incomplete: self.incomplete,
            sessions_stored: P::SESSIONS,
            places: u32::try_from(self.rooms.capacity()).unwrap_or(u32::MAX), // at most 65,536
            generation: self.generation,
            epoch: self.timeline.now().epoch,
            rooms: match self.incomplete {
                None => u32::try_from(self.rooms.used()).unwrap_or(u32::MAX), // at most 65,536
                Some(_) => 0,
            },
        }
    }

    /// Stores the device's record if it is not what is stored (B1).
    pub(crate) fn save(&mut self) -> Result<(), StoreError> {
        self.save_record(self.record())
    }

    pub(crate) fn save_record(&mut self, record: DeviceRecord) -> Result<(), StoreError> {
        if P::STORES && self.stored != Some(record) {
            self.stored = None; // whatever came of it, should it fail
            self.persistence.store(Item::Device, &record.to_bytes())?;
            self.stored = Some(record);
        }
        Ok(())
    }

    /// Stores the record of every room whose record is older than it.
    pub(crate) fn save_rooms(&mut self) -> Result<(), StoreError> {
        for slot in self.rooms.slots() {
            if let Some(mut place) = self.rooms.place(slot) {
                place.save(&mut self.persistence)?;
            }
        }
        Ok(())
    }

    /// That all ages have become unknown outlives a restart, as sessions do (B3).
    #[inline]
    fn save_epoch(&mut self) -> Result<(), StoreError> {
        let epoch = self.timeline.now().epoch;
        if P::SESSIONS && self.stored.is_none_or(|stored| stored.epoch != epoch) {
            self.save()?;
        }
        Ok(())
    }

    /// Stores that a place is free.
    pub(crate) fn store_free_place(&mut self, slot: u16, sessions_made: u32) -> Result<(), StoreError> {
        if P::STORES {
            let record = RoomRecord { room: None, sessions_made };
            self.persistence.store(Item::Room(slot), &record.to_bytes(slot))?;
        }
        Ok(())
    }
}

impl<S: OutboundSession, P> Device<'_, S, P> {
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
pub struct Moment<'a, 'b, S, P = NothingStored>(&'a mut Device<'b, S, P>);

impl<'a, S, P: Persistence<S>> Moment<'a, '_, S, P> {
    /// In how many milliseconds the room's session is due to be replaced for its age alone, as
    /// [`rotation::expires_in_ms`](crate::rotation::expires_in_ms); `None` if it has no session, or no settings in force.
    #[must_use]
    pub fn expires_in_ms(&self, room_id: RoomId<'_>) -> Option<u64> {
        let Device { rooms, timeline, .. } = &*self.0;
        rooms.get(rooms.find(room_id)?)?.expires_in_ms(timeline.now())
    }

    /// What the next message to a room needs (T1–T4). When that is a new session, `create` makes it; the old one is
    /// dropped then, and never otherwise.
    ///
    /// Looking the room up takes about log₂ of the rooms there are comparisons; the decision itself costs the same
    /// however many there are. A new session stores the room's record; a message at the mark stores the session.
    ///
    /// # Errors
    /// `create` or the store failed: nothing is sent, and a session that had to be replaced is not used (T11).
    #[inline]
    pub fn decide<E>(
        self,
        room_id: RoomId<'_>,
        create: impl FnOnce() -> Result<S, E>,
    ) -> Result<Decision<'a, S>, DecideError<E>> {
        let Some(slot) = self.0.rooms.find(room_id) else {
            return Ok(self.0.absent());
        };
        let Device { rooms, timeline, generation, persistence, .. } = self.0;
        match rooms.reborrow().into_place(slot) {
            Some(place) => place.decide(timeline.now(), *generation, persistence, create),
            None => Ok(Decision::Blocked(BlockReason::StateUnknown)), // every slot that is found has a place
        }
    }
}

impl<S, P> core::fmt::Debug for Moment<'_, '_, S, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Moment").field("now", &self.0.timeline.now()).finish_non_exhaustive()
    }
}
