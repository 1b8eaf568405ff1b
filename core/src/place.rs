//! One room and what is stored of it: what is written, and in which order (B1, B2, B4).
//!
//! Power may fail at every write, so each order is chosen such that what is there before and after it is a state that the
//! rules allow:
//!
//! - A new session takes the next number, and the room's record with that number is stored before the session is there. From
//!   then on what is stored of the session before it is void (B4, T11).
//! - The session itself is stored when its key was shared, before it counts as shared. No earlier: without its key
//!   having been shared it would not outlive a restart (B4). What has happened to it until then is stored before.
//! - The mark is stored before a message is given an index at or above the one before (B2).

use crate::clock::Now;
use crate::persistence::Persistence;
use crate::room::{DecideError, Decision};
use crate::rooms::RoomPlace;
use crate::rotation::PendingReasons;
use crate::sealed::{Binding, SealedUsage, Stamp};
use crate::store::{Item, StoreError};

/// When a session was made, by the clock that outlives restarts. Three words, so that it fits where eight bytes in a row
/// would not.
#[derive(Clone, Copy)]
pub(crate) struct CreationStamp {
    ms_high: u32,
    ms_low: u32,
    setting: u32,
}

impl CreationStamp {
    /// That of a session which is not kept.
    pub(crate) const NONE: CreationStamp = CreationStamp { ms_high: 0, ms_low: 0, setting: 0 };

    fn get(self) -> Stamp {
        Stamp { ms: u64::from(self.ms_high) << 32 | u64::from(self.ms_low), setting: self.setting }
    }
}

impl From<Stamp> for CreationStamp {
    #[expect(clippy::cast_possible_truncation, reason = "split in two")]
    fn from(Stamp { ms, setting }: Stamp) -> Self {
        CreationStamp { ms_high: (ms >> 32) as u32, ms_low: ms as u32, setting }
    }
}

/// A room in the table, with what is stored of it.
pub(crate) struct Place<'a, S> {
    pub(crate) slot: u16,
    /// What is at that slot.
    pub(crate) row: &'a mut RoomPlace<S>,
}

impl<'a, S> Place<'a, S> {
    /// Stores the room's record if what is stored is older than the room (B1).
    pub(crate) fn save<P: Persistence<S>>(&mut self, persistence: &mut P) -> Result<(), StoreError> {
        if P::STORES && self.row.room.is_unsaved() {
            let record = self.row.room.record(self.row.id()).to_bytes(self.slot);
            persistence.store(Item::Room(self.slot), &record)?;
        }
        self.row.room.set_unsaved(false);
        Ok(())
    }

    /// What the next message needs (T2–T4), with everything stored first that has to be.
    #[inline]
    pub(crate) fn decide<P: Persistence<S>, E>(
        mut self,
        now: Now,
        generation: u32,
        persistence: &mut P,
        create: impl FnOnce() -> Result<S, E>,
    ) -> Result<Decision<'a, S>, DecideError<E>> {
        let started = match self.row.room.reason_to_rotate(now) {
            Ok(started) => started,
            Err(reason) => return Ok(Decision::Blocked(reason)), // T2
        };
        if P::STORES {
            self.save(persistence)?; // after a failure: nothing is sent that a restart would know less of
        }
        if started.is_some() {
            self.start_session(now, persistence, create)?;
        } else if P::SESSIONS && self.row.room.is_at_mark() {
            self.reserve(now, generation, persistence)?;
        }
        let (id, room) = self.row.id_and_room();
        Ok(room.decision(id, self.slot, started))
    }

    /// T3, T4, T10, T11: until it has succeeded the old session stays, and stays due.
    fn start_session<P: Persistence<S>, E>(
        &mut self,
        now: Now,
        persistence: &mut P,
        create: impl FnOnce() -> Result<S, E>,
    ) -> Result<(), DecideError<E>> {
        let number = self.row.room.next_session_number().ok_or(DecideError::Exhausted)?;
        let stamp = persistence.stamp(); // B3: before it is made, so that it is not taken for younger than it is
        let session = create().map_err(DecideError::Session)?;
        if P::SESSIONS {
            let mut record = self.row.room.record(self.row.id());
            record.sessions_made = number;
            if let Some(room) = &mut record.room {
                room.pending = PendingReasons::NONE;
                room.age_unknown = false;
            }
            let record = record.to_bytes(self.slot);
            self.row.room.set_unsaved(true); // whatever came of it, should it fail
            persistence.store(Item::Room(self.slot), &record)?;
            self.row.room.set_unsaved(false);
        }
        self.row.created = stamp.map_or(CreationStamp::NONE, CreationStamp::from);
        self.row.room.begin_session(session, number, now, stamp.is_some());
        Ok(())
    }

    /// The session's key was first shared (T8): it is stored, then it counts as shared.
    pub(crate) fn first_shared<P: Persistence<S>>(
        &mut self,
        now: Now,
        generation: u32,
        persistence: &mut P,
    ) -> Result<(), StoreError> {
        if P::SESSIONS && self.row.room.must_be_stored_to_be_shared() {
            self.save(persistence)?;
            self.reserve(now, generation, persistence)?;
        }
        self.row.room.set_shared();
        Ok(())
    }

    /// B2: stores the session further ahead.
    fn reserve<P: Persistence<S>>(
        &mut self,
        now: Now,
        generation: u32,
        persistence: &mut P,
    ) -> Result<(), StoreError> {
        let Some(settings) = self.row.room.settings() else {
            return Ok(()); // without any no session goes on
        };
        let limit = settings.rotation_period_msgs;
        let ahead = persistence.reservation().min((limit / 4).max(1));
        self.store_session(now, generation, persistence, |messages| {
            let mark = messages.saturating_add(ahead).min(limit).max(messages);
            (mark, Some(mark))
        })
    }

    /// Stores the session as it stands, for a restart that is announced (B2).
    pub(crate) fn store_exactly<P: Persistence<S>>(
        &mut self,
        now: Now,
        generation: u32,
        persistence: &mut P,
    ) -> Result<(), StoreError> {
        self.save(persistence)?;
        if P::SESSIONS && self.row.room.has_stored_session() {
            self.store_session(now, generation, persistence, |messages| (messages, None))?;
        }
        Ok(())
    }

    /// Stores the session with the mark for the messages that it has carried, and advanced to the index; then that is the
    /// mark.
    fn store_session<P: Persistence<S>>(
        &mut self,
        now: Now,
        generation: u32,
        persistence: &mut P,
        mark: impl FnOnce(u32) -> (u32, Option<u32>),
    ) -> Result<(), StoreError> {
        let number = self.row.room.sessions_made();
        let Some((_, usage, shared_history)) = self.row.room.any_session() else {
            return Ok(());
        };
        let (mark, index) = mark(usage.messages);
        self.row.room.store_begins(mark);
        let sealed = SealedUsage {
            mark,
            epoch: usage.epoch,
            age_ms: usage.age_ms(now).unwrap_or_default(), // where it is unknown, the epoch says so
            created: self.row.created.get(),
            shared_history,
        };
        let binding = Binding { place: self.slot, number, generation, room_id: self.row.id() };
        if let Some((session, ..)) = self.row.room.any_session() {
            persistence.store_session(session, index, &sealed, &binding)?;
        }
        self.row.room.set_mark(mark);
        Ok(())
    }
}
