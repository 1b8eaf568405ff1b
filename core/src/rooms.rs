//! The table of encrypted rooms, in storage that the caller gives (K).
//!
//! Rows hold secrets and never move; what moves is an index of them, sorted by room ID. A room is looked up by binary
//! search, so a server that chooses room IDs cannot make it slow. The code works on slices and serves every capacity
//! with one copy. It decides nothing: what a missing room means is for [`Device`](crate::Device).

use crate::room::{Room, SessionNumbers};

/// The longest room ID, in bytes (Matrix specification, appendix on identifiers).
pub const MAX_ROOM_ID_LENGTH: usize = 255;

/// A room ID of at most [`MAX_ROOM_ID_LENGTH`] bytes. It is compared byte by byte; its inner form is not looked at,
/// since that differs between room versions.
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

/// A row of the table: used when its slot is among the used ones of the index.
struct Row<S> {
    id: heapless::String<MAX_ROOM_ID_LENGTH, u8>,
    room: Room<S>,
}

impl<S> Row<S> {
    const EMPTY: Row<S> = Row { id: heapless::String::new(), room: Room::new() };
}

/// Room for `N` encrypted rooms (1 to 65,535), for a `static` or wherever the caller has it. It can be made in a
/// constant, and holds secrets once it is used: sessions of type `S`.
pub struct RoomStorage<S, const N: usize> {
    rows: [Row<S>; N],
    index: [u16; N],
    /// Here and not in the device, so that no later device in the same storage gives a number again.
    numbers: SessionNumbers,
}

impl<S, const N: usize> RoomStorage<S, N> {
    /// Empty storage.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(1 <= N && N <= u16::MAX as usize, "a table has 1 to 65,535 rooms") };
        RoomStorage { rows: [const { Row::EMPTY }; N], index: [0; N], numbers: SessionNumbers::new() }
    }
}

impl<S, const N: usize> Default for RoomStorage<S, N> {
    fn default() -> Self {
        Self::new()
    }
}

/// A view of the storage, of whatever capacity.
pub(crate) struct Rooms<'a, S> {
    rows: &'a mut [Row<S>],
    /// All slots that may be used: first the used ones, sorted by the IDs of their rows, then the free ones.
    index: &'a mut [u16],
    used: usize,
    numbers: &'a mut SessionNumbers,
}

impl<'a, S> Rooms<'a, S> {
    /// An empty table of at most `capacity` rooms, whatever the storage held.
    pub(crate) fn new<const N: usize>(storage: &'a mut RoomStorage<S, N>, capacity: usize) -> Self {
        for row in &mut storage.rows {
            *row = Row::EMPTY;
        }
        for (entry, slot) in storage.index.iter_mut().zip(0..) {
            *entry = slot;
        }
        let index = match storage.index.get_mut(..capacity) {
            Some(index) => index,
            None => &mut [],
        };
        Rooms { rows: &mut storage.rows, index, used: 0, numbers: &mut storage.numbers }
    }

    /// The same table, for a shorter time.
    pub(crate) fn reborrow(&mut self) -> Rooms<'_, S> {
        Rooms { rows: self.rows, index: self.index, used: self.used, numbers: self.numbers }
    }

    /// The slot of a room. About log₂ of the rooms there are comparisons of IDs.
    pub(crate) fn find(&self, id: RoomId<'_>) -> Option<u16> {
        let position = self.search(id).ok()?;
        self.index.get(position).copied()
    }

    pub(crate) fn get(&self, slot: u16) -> Option<&Room<S>> {
        Some(&self.rows.get(usize::from(slot))?.room)
    }

    pub(crate) fn get_mut(&mut self, slot: u16) -> Option<&mut Room<S>> {
        Some(&mut self.rows.get_mut(usize::from(slot))?.room)
    }

    /// The ID and the room at a slot and the numbers of sessions, for as long as the table itself is borrowed.
    pub(crate) fn into_row(self, slot: u16) -> Option<(RoomId<'a>, &'a mut Room<S>, &'a mut SessionNumbers)> {
        let row = self.rows.get_mut(usize::from(slot))?;
        Some((RoomId(row.id.as_str()), &mut row.room, self.numbers))
    }

    pub(crate) fn room_id(&self, slot: u16) -> Option<RoomId<'_>> {
        Some(RoomId(self.rows.get(usize::from(slot))?.id.as_str()))
    }

    /// The slot of a room, which takes a free one if it has none; `None` when none is free (K2).
    pub(crate) fn find_or_insert(&mut self, id: RoomId<'_>) -> Option<u16> {
        let position = match self.search(id) {
            Ok(position) => return self.index.get(position).copied(),
            Err(position) => position,
        };
        let slot = self.index.get(self.used).copied()?;
        let row = self.rows.get_mut(usize::from(slot))?;
        row.id = heapless::String::try_from(id.0).ok()?;
        row.room = Room::new();
        // The free slot behind the used ones goes to its sorted place; those behind it move up by one.
        let mut moving = slot;
        for entry in self.index.get_mut(position..=self.used)? {
            core::mem::swap(entry, &mut moving);
        }
        self.used += 1;
        Some(slot)
    }

    /// Frees a room's slot and drops what it held (K3). Returns whether there was such a room.
    pub(crate) fn remove(&mut self, id: RoomId<'_>) -> bool {
        let Ok(position) = self.search(id) else {
            return false;
        };
        let Some(places) = self.index.get_mut(position..self.used) else {
            return false;
        };
        // The slot goes behind the used ones; those behind it move down by one.
        let mut moving = places.first().copied().unwrap_or_default();
        if let Some(row) = self.rows.get_mut(usize::from(moving)) {
            *row = Row::EMPTY;
        }
        for entry in places.iter_mut().rev() {
            core::mem::swap(entry, &mut moving);
        }
        self.used -= 1;
        true
    }

    /// The position of a room in the index, or the one it would have.
    fn search(&self, id: RoomId<'_>) -> Result<usize, usize> {
        let used = self.index.get(..self.used).unwrap_or_default();
        used.binary_search_by(|slot| match self.rows.get(usize::from(*slot)) {
            Some(row) => row.id.as_bytes().cmp(id.0.as_bytes()),
            None => core::cmp::Ordering::Greater, // no such slot is in the index
        })
    }
}
