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
    fails: Option<Failure>,
}

/// How a store fails once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// After so many more writes that succeed.
    pub(crate) after: u8,
    /// Whether the item is the new one all the same.
    pub(crate) is_stored: bool,
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

    /// From now on it fails so, once; `None`: it does not.
    pub(crate) fn fail(&self, failure: Option<Failure>) {
        self.0.borrow_mut().fails = failure;
    }

    /// Whether it is still to fail.
    pub(crate) fn is_to_fail(&self) -> bool {
        self.0.borrow().fails.is_some()
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
        let kept = &mut *self.0.borrow_mut();
        kept.writes += 1;
        match &mut kept.fails {
            Some(Failure { after: 0, is_stored }) => {
                if *is_stored {
                    kept.items.insert(item, bytes.to_vec());
                }
                kept.fails = None;
                return Err(StoreError::Failed);
            }
            Some(failure) => failure.after -= 1,
            None => {}
        }
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
