//! NOR flash in memory, so small that its log comes round soon.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use pawl_core::flash::FlashStore;
use pawl_core::record::ROOM_RECORD_LENGTH;
use pawl_core::store::{Item, Store, StoreError};

const PAGE: usize = 1_024;
pub(super) const LENGTH: usize = 4 * PAGE;
const WORD: usize = 4;

/// Pages of 1 KiB, words of 4 bytes. Writing clears bits and checks nothing.
struct Flash(Vec<u8>);

impl ErrorType for Flash {
    type Error = Infallible;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Infallible> {
        let begin = offset as usize;
        bytes.copy_from_slice(&self.0[begin..begin + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Infallible> {
        self.0[from as usize..to as usize].fill(0xFF);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Infallible> {
        self.0[offset as usize..].iter_mut().zip(bytes).for_each(|(byte, new)| *byte &= new);
        Ok(())
    }
}

/// A store on such flash. A clone is the same store.
#[derive(Clone)]
pub(super) struct OnFlash(Rc<RefCell<Flash>>);

impl OnFlash {
    /// On blank flash.
    pub(super) fn new() -> Self {
        Self::of(vec![0xFF; LENGTH])
    }

    /// On flash with that many bytes on it.
    pub(super) fn of(image: Vec<u8>) -> Self {
        OnFlash(Rc::new(RefCell::new(Flash(image))))
    }

    /// Another store, with a copy of what is on this one's flash.
    pub(super) fn copy(&self) -> Self {
        Self::of(self.0.borrow().0.clone())
    }

    /// Changes the byte at an address behind the store's back, modulo the length of the flash.
    pub(super) fn change(&self, address: usize, change: impl FnOnce(u8) -> u8) {
        let byte = &mut self.0.borrow_mut().0[address % LENGTH];
        *byte = change(*byte);
    }

    fn with<T>(&self, act: impl FnOnce(&mut FlashStore<'_, &mut Flash>) -> T) -> T {
        let mut flash = self.0.borrow_mut();
        let mut buffer = [0; FlashStore::<&mut Flash>::buffer_length(ROOM_RECORD_LENGTH)];
        let end = u32::try_from(LENGTH).expect("it is short");
        act(&mut FlashStore::new(&mut *flash, 0..end, ROOM_RECORD_LENGTH, &mut buffer).expect("it fits"))
    }
}

impl Store for OnFlash {
    fn load(&mut self, item: Item, buffer: &mut [u8]) -> Result<Option<usize>, StoreError> {
        self.with(|store| store.load(item, buffer))
    }

    fn store(&mut self, item: Item, bytes: &[u8]) -> Result<(), StoreError> {
        self.with(|store| store.store(item, bytes))
    }
}
