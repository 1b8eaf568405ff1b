//! How a device comes back after a restart (B2–B6).
//!
//! What is stored is read in the order in which one thing is worth something without the next: the device's record, the
//! rooms' records, the sessions. One that does not check out makes all sessions void and knowledge incomplete (B5). Only then
//! is what was damaged written over, so that power may fail at any of these writes too (B6).
//!
//! A device whose table has become smaller keeps what finds a place; if a room does not, it is refused as its encryption
//! event would be (K2).

use embedded_time::Clock;

use crate::clock::{ClockError, Now, RESTART_MS, TickRate, Timeline};
use crate::device::{Config, Device, Resync};
use crate::persistence::{LoadError, Persistence};
use crate::record::{DEVICE_RECORD_LENGTH, DeviceRecord, ROOM_RECORD_LENGTH, RecordError, RoomRecord};
use crate::room::BlockReason;
use crate::rooms::{RoomPlace, Rooms, first_slots};
use crate::sealed::{Binding, SealedUsage, Stamp, nothing_sealed};
use crate::store::{Item, StoreError};

/// Why a device could not come back. What is stored is as good as it was; try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum OpenError {
    /// There is no time to be had.
    Clock(ClockError),
    /// The store could not be read or written. That its items are damaged is no such error.
    Store(StoreError),
    /// The buffer for sealed sessions is shorter than [`sealed_length`](crate::sealed_length).
    BufferTooShort,
}

impl From<ClockError> for OpenError {
    fn from(error: ClockError) -> Self {
        OpenError::Clock(error)
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        OpenError::Store(error)
    }
}

impl core::fmt::Display for OpenError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            OpenError::Clock(error) => error.fmt(f),
            OpenError::Store(error) => error.fmt(f),
            OpenError::BufferTooShort => f.write_str("the buffer for sealed sessions is too short"),
        }
    }
}

impl core::error::Error for OpenError {}

impl<'a, S, P: Persistence<S>> Device<'a, S, P> {
    /// The device as it was stored; on its first start, one that knows of no room (K1). Whatever `places` held is
    /// dropped; the device keeps as many rooms as there are places, at most 65,536.
    ///
    /// What was damaged is told by [`incomplete`](Device::incomplete): it is then
    /// [`StoreDamaged`](BlockReason::StoreDamaged), every session is gone, and a resync is due (B5).
    ///
    /// Time goes from the clock's reading here on; the clock that outlives restarts is read right after. It takes at most
    /// four loads a place, and six where the store is damaged. It stores the device's record where that is new, the record of a room whose session's age
    /// has turned out to be unknown, two records for each room beyond the end of a table that has become smaller, and
    /// writes over what was damaged.
    ///
    /// # Errors
    /// The clock could not be read, the store not be read or written, or the buffer for sealed sessions is too short.
    pub fn open<C>(
        places: &'a mut [RoomPlace<S>],
        config: Config,
        persistence: P,
        clock: &C,
    ) -> Result<Self, OpenError>
    where
        C: Clock,
        u64: From<C::T>,
    {
        Self::restart(places, config, persistence, |timeline| timeline.read(clock))
    }

    /// As [`open`](Device::open), with a reading as [`at_ticks`](Device::at_ticks) takes it.
    ///
    /// # Errors
    /// As [`open`](Device::open).
    pub fn open_at_ticks(
        places: &'a mut [RoomPlace<S>],
        config: Config,
        persistence: P,
        ticks: u64,
        rate: TickRate,
    ) -> Result<Self, OpenError> {
        Self::restart(places, config, persistence, |timeline| timeline.carry_on(ticks, rate))
    }

    fn restart(
        places: &'a mut [RoomPlace<S>],
        config: Config,
        mut persistence: P,
        read: impl Fn(&mut Timeline) -> Result<Now, ClockError>,
    ) -> Result<Self, OpenError> {
        if !persistence.has_room_for_sessions() {
            return Err(OpenError::BufferTooShort); // every session would look damaged
        }
        let mut bytes = [0; DEVICE_RECORD_LENGTH];
        let (known, damaged) =
            match load(&mut persistence, Item::Device, &mut bytes, DeviceRecord::from_bytes)? {
                Loaded::Sound(record) => (Some(record), false),
                Loaded::Damaged => (None, true),
                Loaded::Nothing => (None, false),
            };
        let mut timeline = Timeline::after_restart(known.map_or(0, |record| record.epoch));
        let now = read(&mut timeline)?;
        let stamp = persistence.stamp(); // after the clock, so that no time is missing between the two (B3)
        let mut device = Device {
            config,
            timeline,
            incomplete: known.map_or(Some(BlockReason::StateUnknown), |record| record.incomplete),
            resync: Resync::NotBegun, // K4
            generation: known.map_or(0, |record| record.generation),
            stored: known,
            rooms: Rooms::new(places),
            persistence,
        };
        device.come_back(damaged, now, stamp)?;
        Ok(device)
    }

    fn come_back(&mut self, damaged: bool, now: Now, stamp: Option<Stamp>) -> Result<(), OpenError> {
        let mut findings = Findings { damaged, ..Findings::default() };
        self.load_rooms(&mut findings)?;
        match self.stored {
            // The device's record is stored before any other.
            None => findings.damaged |= findings.anything || self.latest_generation()?.is_some(),
            // It says that there are so many rooms when they are all stored.
            Some(stored) => findings.damaged |= findings.rooms < stored.rooms,
        }
        // B3: none comes back from before a time in which none was stored.
        findings.void = self.stored.is_some_and(|stored| stored.sessions_stored != P::SESSIONS);
        if !findings.damaged {
            self.load_sessions(now, stamp, &mut findings)?;
        }
        if findings.damaged {
            return self.start_over();
        }
        if findings.void {
            self.discard_sessions()?;
        }
        if findings.surplus {
            self.take_in_surplus()?;
        }
        self.save()?;
        Ok(self.save_rooms()?) // an age that is unknown stays unknown
    }

    fn load_rooms(&mut self, findings: &mut Findings) -> Result<(), OpenError> {
        for slot in first_slots(self.rooms.capacity().max(self.stored_places())) {
            if let Some(room) = self.rooms.get_mut(slot) {
                room.set_sessions_made(0);
            }
            let mut bytes = [0; ROOM_RECORD_LENGTH];
            let record = match load_room(&mut self.persistence, slot, &mut bytes)? {
                Loaded::Nothing => continue,
                Loaded::Sound(record) => record,
                Loaded::Damaged => {
                    findings.damaged = true;
                    continue;
                }
            };
            findings.anything = true;
            if let Some(room) = self.rooms.get_mut(slot) {
                room.set_sessions_made(record.sessions_made);
            }
            let Some(stored) = &record.room else { continue };
            findings.rooms = findings.rooms.saturating_add(1);
            if self.stored.is_some() && usize::from(slot) >= self.stored_places() {
                findings.damaged = true; // B5: the table had no such place
            } else if usize::from(slot) >= self.rooms.capacity() {
                findings.surplus = true;
            } else if self.rooms.insert_at(slot, stored.id).is_none() {
                (findings.damaged, findings.repeated) = (true, true);
            } else if let Some(room) = self.rooms.get_mut(slot) {
                room.restore(stored, &self.config.limits);
            }
        }
        if findings.repeated { self.remove_repeated() } else { Ok(()) }
    }

    /// One room at several places, the first of which is in the table: none is to be believed (B5).
    fn remove_repeated(&mut self) -> Result<(), OpenError> {
        let places = if self.stored.is_some() { self.stored_places() } else { self.rooms.capacity() };
        for slot in self.rooms.slots().take(places) {
            let mut bytes = [0; ROOM_RECORD_LENGTH];
            if let Loaded::Sound(RoomRecord { room: Some(stored), .. }) =
                load_room(&mut self.persistence, slot, &mut bytes)?
                && self.rooms.find(stored.id).is_some_and(|first| first != slot)
            {
                self.rooms.remove(stored.id);
            }
        }
        Ok(())
    }

    fn stored_places(&self) -> usize {
        self.stored.map_or(0, |stored| usize::try_from(stored.places).unwrap_or(usize::MAX))
    }

    fn load_sessions(
        &mut self,
        now: Now,
        stamp: Option<Stamp>,
        findings: &mut Findings,
    ) -> Result<(), OpenError> {
        if !P::SESSIONS {
            return Ok(());
        }
        let all_void = findings.void;
        for slot in self.rooms.slots() {
            if !self.rooms.is_used(slot) {
                continue;
            }
            let found = if all_void {
                self.persistence.session_header(slot).map(|_void| Found::Nothing)
            } else {
                self.load_session(slot, now, stamp)
            };
            match found {
                Ok(Found::Nothing) => {}
                Ok(Found::Void) => findings.void = true,
                Err(LoadError::Damaged) => findings.damaged = true,
                Err(LoadError::Store(error)) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn load_session(&mut self, slot: u16, now: Now, stamp: Option<Stamp>) -> Result<Found, LoadError> {
        let Some(header) = self.persistence.session_header(slot)? else {
            return Ok(Found::Nothing);
        };
        let mut bytes = [0; ROOM_RECORD_LENGTH];
        let record = load_room(&mut self.persistence, slot, &mut bytes).map_err(LoadError::Store)?;
        let Loaded::Sound(RoomRecord { room: Some(stored), sessions_made }) = record else {
            return Err(LoadError::Damaged); // it was read a moment ago
        };
        if header.number == 0 || header.generation < self.generation {
            return Ok(Found::Nothing);
        }
        if header.generation > self.generation || header.number > sessions_made {
            return Err(LoadError::Damaged); // B5: out of sequence
        }
        if header.number < sessions_made {
            return Ok(Found::Nothing); // B4: it was replaced, by one whose key was not shared
        }
        let Some(stamp) = stamp else {
            return Ok(Found::Void); // B3
        };
        let binding =
            Binding { place: slot, number: header.number, generation: header.generation, room_id: stored.id };
        let (usage, session) = self.persistence.load_session(&binding)?;
        if usage.epoch > now.epoch && usage.epoch != crate::clock::NO_EPOCH {
            return Err(LoadError::Damaged); // B5: out of sequence
        }
        let known = !stored.age_unknown && usage.epoch == now.epoch;
        let age_ms = if known { age_after_restart(&usage, stamp) } else { None };
        if let Some(room) = self.rooms.get_mut(slot) {
            room.restore_session(session, &usage, stored.pending, age_ms, now);
            room.set_unsaved(known && age_ms.is_none()); // B3: it stays unknown
        }
        if let Some(place) = self.rooms.place(slot) {
            place.row.created = usage.created.into();
        }
        Ok(Found::Nothing)
    }

    /// B3: all sessions are void, by one write.
    fn discard_sessions(&mut self) -> Result<(), OpenError> {
        for slot in self.rooms.slots() {
            if let Some(room) = self.rooms.get_mut(slot) {
                room.discard_session();
                room.set_unsaved(false);
            }
        }
        let latest = self.latest_generation()?.unwrap_or_default().max(self.generation);
        self.generation = latest.saturating_add(1);
        Ok(self.save_with_all_places()?)
    }

    /// B5, B6: what is damaged is written over only when it is stored that it was.
    fn start_over(&mut self) -> Result<(), OpenError> {
        self.incomplete = Some(BlockReason::StoreDamaged);
        self.discard_sessions()?;
        for slot in first_slots(self.stored_places()) {
            if let Err(LoadError::Damaged) = self.persistence.session_header(slot) {
                self.persistence.store(Item::Session(slot), &nothing_sealed(slot))?;
            }
            if self.rooms.is_used(slot) {
                continue;
            }
            let mut bytes = [0; ROOM_RECORD_LENGTH];
            match load_room(&mut self.persistence, slot, &mut bytes)? {
                Loaded::Nothing | Loaded::Sound(RoomRecord { room: None, .. }) => {}
                Loaded::Sound(_) | Loaded::Damaged => self.store_free_place(slot, 0)?,
            }
        }
        Ok(self.save()?)
    }

    /// The latest generation of any session that is stored; `None` when none is, not even a damaged one.
    fn latest_generation(&mut self) -> Result<Option<u32>, OpenError> {
        if !P::SESSIONS {
            return Ok(None);
        }
        let mut latest = None;
        for slot in self.rooms.slots() {
            match self.persistence.session_header(slot) {
                Ok(None) => {}
                Ok(Some(header)) => latest = latest.max(Some(header.generation)),
                Err(LoadError::Damaged) => latest = latest.max(Some(0)),
                Err(LoadError::Store(error)) => return Err(error.into()),
            }
        }
        Ok(latest)
    }

    /// The table was larger: rooms beyond its end take free places, without their sessions. What is stored of them there is
    /// written over before the device's record forgets that there were places.
    fn take_in_surplus(&mut self) -> Result<(), OpenError> {
        let capacity = self.rooms.capacity();
        for slot in first_slots(self.stored_places()).skip(capacity) {
            let mut bytes = [0; ROOM_RECORD_LENGTH];
            let Loaded::Sound(RoomRecord { room: Some(stored), sessions_made }) =
                load_room(&mut self.persistence, slot, &mut bytes)?
            else {
                continue;
            };
            // It is in the table already if there was a cut right here, the last time.
            if self.rooms.find(stored.id).is_none() {
                match self.rooms.find_or_insert(stored.id).and_then(|slot| self.rooms.place(slot)) {
                    Some(mut place) => {
                        place.row.room.restore(&stored, &self.config.limits);
                        place.row.room.set_unsaved(true);
                        place.save(&mut self.persistence)?;
                    }
                    None => {
                        self.incomplete = Some(BlockReason::Capacity); // K2
                        self.save_with_all_places()?;
                    }
                }
            }
            self.store_free_place(slot, sessions_made.saturating_add(1))?;
        }
        Ok(())
    }

    /// Stores the device's record while there may be more places in the store than in the table.
    fn save_with_all_places(&mut self) -> Result<(), StoreError> {
        let record = self.record();
        let places = record.places.max(self.stored.map_or(0, |stored| stored.places));
        self.save_record(DeviceRecord { places, ..record })
    }
}

/// What was found in the store.
#[derive(Default)]
struct Findings {
    /// Something did not check out (B5).
    damaged: bool,
    /// There is a record of a place.
    anything: bool,
    /// How many rooms there are, those beyond the end of the table included.
    rooms: u32,
    /// Sessions that are stored are not to come back.
    void: bool,
    /// There are rooms beyond the end of the table.
    surplus: bool,
    /// A room is at more than one place of the table.
    repeated: bool,
}

enum Found {
    /// No session that would have to come back, or it has.
    Nothing,
    /// A session that is not to come back.
    Void,
}

/// B3: the larger of the two; `None` when it is unknown.
fn age_after_restart(usage: &SealedUsage, now: Stamp) -> Option<u64> {
    if now.setting != usage.created.setting {
        return None;
    }
    let age_ms = now.ms.checked_sub(usage.created.ms)?.max(usage.age_ms);
    (age_ms <= RESTART_MS).then_some(age_ms)
}

/// What there is of an item in the store.
enum Loaded<R> {
    Nothing,
    /// It does not check out (B5).
    Damaged,
    Sound(R),
}

/// Loads an item; that it is damaged is not an error of the store.
fn load<'b, S, P: Persistence<S>, R>(
    persistence: &mut P,
    item: Item,
    buffer: &'b mut [u8],
    read: impl FnOnce(&'b [u8]) -> Result<R, RecordError>,
) -> Result<Loaded<R>, StoreError> {
    match persistence.load(item, buffer) {
        Ok(None) => Ok(Loaded::Nothing),
        Ok(Some(length)) => match buffer.get(..length).map(read) {
            Some(Ok(record)) => Ok(Loaded::Sound(record)),
            Some(Err(_)) | None => Ok(Loaded::Damaged),
        },
        Err(StoreError::Damaged) => Ok(Loaded::Damaged),
        Err(error) => Err(error),
    }
}

/// Loads the record of a place.
fn load_room<'b, S, P: Persistence<S>>(
    persistence: &mut P,
    slot: u16,
    buffer: &'b mut [u8; ROOM_RECORD_LENGTH],
) -> Result<Loaded<RoomRecord<'b>>, StoreError> {
    load(persistence, Item::Room(slot), buffer, |bytes| RoomRecord::from_bytes(bytes, slot))
}
