//! What the core asks of the place where state outlives a restart (B1).
//!
//! A [`Store`] keeps a small number of *items* of bytes under fixed keys: one for the device, and for each place in the
//! table one for the room's state and one for its sealed session. It knows nothing of what is in them. What is asked of it
//! is little enough for a microcontroller's flash (`FlashStore`, feature `flash`), a file, or a table of a
//! database: replace an item as a whole, and read it back as a whole.

/// What an item is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Item {
    /// What is kept once for the device.
    Device,
    /// The state of the room at this place of the table.
    Room(u16),
    /// The sealed outbound session of the room at this place of the table.
    Session(u16),
}

impl Item {
    /// A number for each item, from 0 to 131,072, that never changes: the key of stores whose keys are numbers.
    #[must_use]
    pub const fn key(self) -> u32 {
        match self {
            Item::Device => 0,
            Item::Room(place) => 1 + 2 * place as u32,
            Item::Session(place) => 2 + 2 * place as u32,
        }
    }
}

/// Why a store did not do what it was asked to. An item that was to be stored is then the old one or the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum StoreError {
    /// There is no room left for the item.
    Full,
    /// It takes longer than the caller can be kept waiting; ask again later.
    Slow,
    /// What is stored does not check out, so that not even its parts can be told from each other.
    Damaged,
    /// The medium failed, or could not be reached.
    Failed,
    /// A session could not be sealed, so nothing was stored: there was no randomness, or the buffer is too short.
    Sealing,
}

impl core::fmt::Display for StoreError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            StoreError::Full => "the store is full",
            StoreError::Slow => "the store is not ready; try again",
            StoreError::Damaged => "the store is damaged",
            StoreError::Failed => "the store failed",
            StoreError::Sealing => "a session could not be sealed to be stored",
        })
    }
}

impl core::error::Error for StoreError {}

/// A place where items outlive restarts and power cuts.
///
/// # What it has to hold to
///
/// - When [`store`](Store::store) returns `Ok`, the item is durable: whatever happens to the power from then on, it is read
///   back as it was given, until it is stored anew.
/// - When the power fails in the midst of it, or it returns an error, the item is afterwards the old one or the new one,
///   as a whole. No other item is touched.
/// - Items are stored in the order in which they are handed in: when one is durable, so are all before it.
///
/// A store that cannot do better than detect a torn item reports it as [`StoreError::Damaged`], or hands out the bytes as
/// they are: the core checks all of them.
pub trait Store {
    /// Reads an item to the start of `buffer`. Returns its length in bytes; `None` when it was never stored.
    ///
    /// # Errors
    /// The store's own; [`StoreError::Damaged`] too when the item is longer than `buffer`.
    fn load(&mut self, item: Item, buffer: &mut [u8]) -> Result<Option<usize>, StoreError>;

    /// Puts `bytes` in the place of what was stored under `item`. They are never empty.
    ///
    /// # Errors
    /// The store's own. The item is then the old one or the new one.
    fn store(&mut self, item: Item, bytes: &[u8]) -> Result<(), StoreError>;
}

impl<T: Store + ?Sized> Store for &mut T {
    fn load(&mut self, item: Item, buffer: &mut [u8]) -> Result<Option<usize>, StoreError> {
        (**self).load(item, buffer)
    }

    fn store(&mut self, item: Item, bytes: &[u8]) -> Result<(), StoreError> {
        (**self).store(item, bytes)
    }
}
