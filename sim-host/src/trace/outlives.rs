//! What outlives a restart of a traced device: what it has stored, and the clock of `rtc: true`.

use std::cell::Cell;
use std::collections::BTreeMap;

use pawl_core::store::{Item, Store, StoreError};
use pawl_core::{Stamp, StampClock};

/// A store that never fails.
#[derive(Default)]
pub(super) struct Memory(BTreeMap<Item, Vec<u8>>);

impl Store for Memory {
    fn load(&mut self, item: Item, buffer: &mut [u8]) -> Result<Option<usize>, StoreError> {
        let Some(bytes) = self.0.get(&item) else {
            return Ok(None);
        };
        buffer.get_mut(..bytes.len()).ok_or(StoreError::Damaged)?.copy_from_slice(bytes);
        Ok(Some(bytes.len()))
    }

    fn store(&mut self, item: Item, bytes: &[u8]) -> Result<(), StoreError> {
        self.0.insert(item, bytes.to_vec());
        Ok(())
    }
}

/// A clock that shows true time, and is never set anew.
pub(super) struct Rtc<'a>(pub(super) &'a Cell<u64>);

impl StampClock for Rtc<'_> {
    fn stamp(&mut self) -> Option<Stamp> {
        Some(Stamp { ms: self.0.get(), setting: 0 })
    }
}
