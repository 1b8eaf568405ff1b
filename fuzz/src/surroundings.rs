//! What outlives a restart beside the device: a store in memory, a clock that goes on, and randomness that is none.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::rc::Rc;

use pawl_core::store::{Item, Store, StoreError};
use pawl_core::{Stamp, StampClock};
use rand_core::{TryCryptoRng, TryRng};

/// The key under which sessions are sealed.
pub(crate) const KEY: [u8; 32] = *b"a key that everybody may know...";

/// What is stored, by item.
pub(crate) type Items = BTreeMap<Item, Vec<u8>>;

/// A store in memory. A clone is the same store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(Rc<RefCell<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    items: Items,
    writes: u64,
}

impl Memory {
    /// What is stored.
    pub(crate) fn items(&self) -> Items {
        self.0.borrow().items.clone()
    }

    /// Changes what is stored behind the device's back.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Items) -> T) -> T {
        change(&mut self.0.borrow_mut().items)
    }

    /// How often an item was stored, or was to be.
    pub(crate) fn writes(&self) -> u64 {
        self.0.borrow().writes
    }
}

impl Store for Memory {
    fn load(&mut self, item: Item, buffer: &mut [u8]) -> Result<Option<usize>, StoreError> {
        match self.0.borrow().items.get(&item) {
            None => Ok(None),
            Some(bytes) => {
                buffer.get_mut(..bytes.len()).ok_or(StoreError::Damaged)?.copy_from_slice(bytes);
                Ok(Some(bytes.len()))
            }
        }
    }

    fn store(&mut self, item: Item, bytes: &[u8]) -> Result<(), StoreError> {
        let mut kept = self.0.borrow_mut();
        kept.writes += 1;
        kept.items.insert(item, bytes.to_vec());
        Ok(())
    }
}

/// A clock that outlives restarts. A clone is the same clock.
#[derive(Clone, Debug)]
pub(crate) struct Calendar(Rc<Cell<Face>>);

/// What it shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Face {
    pub(crate) stamp: Stamp,
    pub(crate) readable: bool,
}

impl Calendar {
    /// One that goes, and begins long ago.
    pub(crate) fn new() -> Self {
        Calendar(Rc::new(Cell::new(Face { stamp: Stamp { ms: 1 << 62, setting: 1 }, readable: true })))
    }

    /// Changes what it shows.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Face)) {
        let mut face = self.0.get();
        change(&mut face);
        self.0.set(face);
    }

    /// It goes on.
    pub(crate) fn go(&self, ms: u64) {
        self.change(|face| face.stamp.ms += ms);
    }

    /// What it shows.
    pub(crate) fn read(&self) -> Option<Stamp> {
        let face = self.0.get();
        face.readable.then_some(face.stamp)
    }
}

impl StampClock for Calendar {
    fn stamp(&mut self) -> Option<Stamp> {
        self.read()
    }
}

/// Counts up where there should be randomness: no nonce comes twice. A clone goes on where the other is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nonces(Rc<Cell<u64>>);

impl TryRng for Nonces {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.0.set(self.0.get() + 1);
        out.fill(0);
        let number = self.0.get().to_le_bytes();
        out.iter_mut().zip(number).for_each(|(byte, of_number)| *byte = of_number);
        Ok(())
    }
}

impl TryCryptoRng for Nonces {}
