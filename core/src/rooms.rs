//! The table of encrypted rooms, in storage that the caller gives (K).
//!
//! Rooms hold secrets and never move; what moves is an index of them, sorted by room ID. A room is looked up by binary
//! search, so a server that chooses room IDs cannot make it slow. The code works on a slice and serves every capacity
//! with one copy. It decides nothing: what a missing room means is for [`Device`](crate::Device).

use core::cmp::Ordering;
use core::ops::{Deref, DerefMut};

use crate::bytes::compare;
use crate::place::{CreationStamp, Place};
use crate::room::Room;

/// The longest room ID, in bytes (Matrix specification, appendix on identifiers).
pub const MAX_ROOM_ID_LENGTH: usize = 255;

/// A room ID of at most [`MAX_ROOM_ID_LENGTH`] bytes. It is compared byte by byte, and nothing else about its form is
/// checked: hand in the ID, never an alias of the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId<'a>(&'a str);

impl<'a> RoomId<'a> {
    /// Takes a room ID.
    ///
    /// # Errors
    /// More than 255 bytes.
    pub const fn new(id: &'a str) -> Result<Self, RoomIdTooLong> {
        if id.len() > MAX_ROOM_ID_LENGTH { Err(RoomIdTooLong) } else { Ok(RoomId(id)) }
    }

    /// The ID as it was given.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

/// A room ID has more than 255 bytes. No such room exists in Matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RoomIdTooLong;

impl core::fmt::Display for RoomIdTooLong {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a room ID has at most 255 bytes")
    }
}

impl core::error::Error for RoomIdTooLong {}

/// A place for one encrypted room. A table is a slice of them; it holds secrets once it is used, sessions of type `S`.
pub struct RoomPlace<S> {
    id: heapless::String<MAX_ROOM_ID_LENGTH, u8>,
    pub(crate) room: Room<S>,
    /// When its session was made, for a restart alone.
    pub(crate) created: CreationStamp,
    /// Not of this place: the table's index has one entry in each place.
    entry: u16,
}

impl<S> RoomPlace<S> {
    /// A free place.
    #[must_use]
    pub const fn new() -> Self {
        RoomPlace { id: heapless::String::new(), room: Room::new(), created: CreationStamp::NONE, entry: 0 }
    }

    pub(crate) fn id_and_room(&mut self) -> (RoomId<'_>, &mut Room<S>) {
        (RoomId(self.id.as_str()), &mut self.room)
    }

    pub(crate) fn id(&self) -> RoomId<'_> {
        RoomId(self.id.as_str())
    }
}

impl<S> Default for RoomPlace<S> {
    fn default() -> Self {
        Self::new()
    }
}

/// Places for `N` encrypted rooms, which can be made in a constant: for a `static` or wherever the caller has it. A
/// device that knows only when it runs how many it wants takes a slice of any other origin.
///
/// Its bytes are not all zeros, so as the initial value of a `static` it takes as much flash as RAM. Made when the device starts, as
/// by `StaticCell::init_with(RoomStorage::new)` of the crate static_cell, it takes next to none.
pub struct RoomStorage<S, const N: usize>([RoomPlace<S>; N]);

impl<S, const N: usize> RoomStorage<S, N> {
    /// Free places.
    #[must_use]
    pub const fn new() -> Self {
        RoomStorage([const { RoomPlace::new() }; N])
    }
}

impl<S, const N: usize> Default for RoomStorage<S, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, const N: usize> Deref for RoomStorage<S, N> {
    type Target = [RoomPlace<S>];

    fn deref(&self) -> &[RoomPlace<S>] {
        &self.0
    }
}

impl<S, const N: usize> DerefMut for RoomStorage<S, N> {
    fn deref_mut(&mut self) -> &mut [RoomPlace<S>] {
        &mut self.0
    }
}

/// The table: places and how many of them are used. The index, an entry a place, lists all slots: first the used ones,
/// sorted by the IDs of their rooms, then the free ones.
pub(crate) struct Rooms<'a, S> {
    places: &'a mut [RoomPlace<S>],
    used: usize,
}

impl<'a, S> Rooms<'a, S> {
    /// An empty table, whatever the places held. Slots have 16 bits; places beyond the first 65,536 are left alone.
    pub(crate) fn new(places: &'a mut [RoomPlace<S>]) -> Self {
        let capacity = places.len().min(1 << 16);
        let places = places.get_mut(..capacity).unwrap_or_default();
        for (place, slot) in places.iter_mut().zip(first_slots(capacity)) {
            place.room.clear();
            place.entry = slot;
        }
        Rooms { places, used: 0 }
    }

    /// The same table, for a shorter time.
    pub(crate) fn reborrow(&mut self) -> Rooms<'_, S> {
        Rooms { places: self.places, used: self.used }
    }

    /// The slot of a room. About log₂ of the rooms there are comparisons of IDs.
    pub(crate) fn find(&self, id: RoomId<'_>) -> Option<u16> {
        Some(self.search(id).ok()?.slot)
    }

    pub(crate) fn get(&self, slot: u16) -> Option<&Room<S>> {
        Some(&self.at(slot)?.room)
    }

    pub(crate) fn get_mut(&mut self, slot: u16) -> Option<&mut Room<S>> {
        Some(&mut self.places.get_mut(usize::from(slot))?.room)
    }

    /// The room at a slot with what is stored of it, for as long as the table itself is borrowed.
    pub(crate) fn into_place(self, slot: u16) -> Option<Place<'a, S>> {
        Some(Place { slot, row: self.places.get_mut(usize::from(slot))? })
    }

    /// The same, for a shorter time.
    #[inline(never)] // as `search`
    pub(crate) fn place(&mut self, slot: u16) -> Option<Place<'_, S>> {
        self.reborrow().into_place(slot)
    }

    /// How many rooms there are.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// How many places there are.
    pub(crate) fn capacity(&self) -> usize {
        self.places.len()
    }

    /// All slots there are, used or not.
    pub(crate) fn slots(&self) -> impl Iterator<Item = u16> + use<S> {
        first_slots(self.places.len())
    }

    /// Whether a room is at a slot. A free one may still have the ID of a room that was there.
    pub(crate) fn is_used(&self, slot: u16) -> bool {
        self.room_id(slot).and_then(|id| self.find(id)) == Some(slot)
    }

    pub(crate) fn room_id(&self, slot: u16) -> Option<RoomId<'_>> {
        Some(self.at(slot)?.id())
    }

    /// The slot of a room, which takes a free one if it has none; `None` when none is free (K2).
    pub(crate) fn find_or_insert(&mut self, id: RoomId<'_>) -> Option<u16> {
        let position = match self.search(id) {
            Ok(found) => return Some(found.slot),
            Err(position) => position,
        };
        let slot = self.entry(self.used)?;
        self.take(slot, position, id)?;
        Some(slot)
    }

    /// Puts a room at a free slot, as it was before a restart. `None` when the slot is not free, or the room is in the
    /// table already.
    pub(crate) fn insert_at(&mut self, slot: u16, id: RoomId<'_>) -> Option<()> {
        let position = self.search(id).err()?;
        // The free slots are in no order: the first of them goes where that one was.
        let first = self.entry(self.used)?;
        self.places.get_mut(self.used..)?.iter_mut().find(|place| place.entry == slot)?.entry = first;
        self.take(slot, position, id)
    }

    /// Gives the first free slot to a room, whose position in the index is known.
    fn take(&mut self, slot: u16, position: usize, id: RoomId<'_>) -> Option<()> {
        let place = self.places.get_mut(usize::from(slot))?;
        place.id.clear();
        place.id.push_str(id.0).ok()?;
        // The free slot behind the used ones goes to its sorted place; those behind that move up by one.
        let mut moving = slot;
        for place in self.places.get_mut(position..=self.used)? {
            core::mem::swap(&mut place.entry, &mut moving);
        }
        self.used += 1;
        Some(())
    }

    /// Frees a room's slot and drops what it held (K3). Returns whether there was such a room.
    pub(crate) fn remove(&mut self, id: RoomId<'_>) -> bool {
        let Ok(Found { position, slot }) = self.search(id) else {
            return false;
        };
        // The slot goes behind the used ones; those behind it move down by one.
        let mut moving = slot;
        if let Some(room) = self.get_mut(moving) {
            room.clear();
        }
        for place in self.places.get_mut(position..self.used).unwrap_or_default().iter_mut().rev() {
            core::mem::swap(&mut place.entry, &mut moving);
        }
        self.used -= 1;
        true
    }

    fn entry(&self, position: usize) -> Option<u16> {
        Some(self.places.get(position)?.entry)
    }

    /// Where a room stands in the index, or the position that it would have. The standard library's binary search goes on
    /// to the end when it has found what it looks for, and does not say what that was.
    #[inline(never)] // it is asked for by every call: once is enough
    fn search(&self, id: RoomId<'_>) -> Result<Found, usize> {
        let (mut from, mut to) = (0, self.used);
        while from < to {
            let position = usize::midpoint(from, to);
            let Some((slot, place)) = self.entry(position).and_then(|slot| Some((slot, self.at(slot)?)))
            else {
                break; // each position has an entry, and each entry is a slot
            };
            match compare(place.id.as_bytes(), id.0.as_bytes()) {
                Ordering::Less => from = position + 1,
                Ordering::Equal => return Ok(Found { position, slot }),
                Ordering::Greater => to = position,
            }
        }
        Err(from)
    }

    fn at(&self, slot: u16) -> Option<&RoomPlace<S>> {
        self.places.get(usize::from(slot))
    }
}

/// A room in the index.
struct Found {
    position: usize,
    slot: u16,
}

/// So many slots, from the first one on: all there can be at most.
#[expect(clippy::cast_possible_truncation, reason = "there are 65,536 of them")]
pub(crate) fn first_slots(number: usize) -> impl Iterator<Item = u16> {
    (0..number.min(1 << 16) as u32).map(|slot| slot as u16)
}
