//! The store on flash, over memory that takes anything. How it stands power cuts is tested with the emulator in `sim-host`.

use core::convert::Infallible;
use std::collections::BTreeMap;

use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use pawl_core::flash::{FlashStore, FlashStoreError};
use pawl_core::store::{Item, Store, StoreError};

/// Memory with pages of 512 bytes and words of 8.
struct Memory(Vec<u8>);

impl Memory {
    fn blank() -> Self {
        Memory(vec![0xFF; 8 * 512])
    }
}

impl ErrorType for Memory {
    type Error = Infallible;
}

impl ReadNorFlash for Memory {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.copy_from_slice(&self.0[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }
}

impl NorFlash for Memory {
    const WRITE_SIZE: usize = 8;
    const ERASE_SIZE: usize = 512;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Infallible> {
        self.0[from as usize..to as usize].fill(0xFF);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Infallible> {
        self.0[offset as usize..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}

/// The longest item that fits on a page: without two markers, a mark and a header of a word each, the key and the version.
const LONGEST: usize = 512 - 4 * 8 - 8;

#[test]
fn items_are_read_back_and_outlive_the_store() {
    // B1
    let mut buffer = [0; FlashStore::<Memory>::buffer_length(100)];
    let mut store = FlashStore::new(Memory::blank(), 512..2_048, 100, &mut buffer).unwrap();
    let mut loaded = [0; 100];
    assert_eq!(store.load(Item::Device, &mut loaded), Ok(None));

    let mut expected = BTreeMap::new();
    for round in 0..200_u8 {
        let item =
            [Item::Device, Item::Room(3), Item::Session(3), Item::Session(u16::MAX)][usize::from(round % 4)];
        let bytes = vec![round; usize::from(round % 100) + 1];
        store.store(item, &bytes).unwrap();
        expected.insert(item, bytes);
    }
    let flash = store.release();
    assert!(
        flash.0[..512].iter().chain(&flash.0[2_048..]).all(|byte| *byte == 0xFF),
        "other pages are not touched"
    );

    let mut store = FlashStore::new(flash, 512..2_048, 100, &mut buffer).unwrap();
    for (item, bytes) in expected {
        assert_eq!(store.load(item, &mut loaded), Ok(Some(bytes.len())));
        assert_eq!(loaded[..bytes.len()], bytes);
    }
    assert_eq!(store.load(Item::Room(4), &mut loaded), Ok(None));
}

#[test]
fn what_is_full_keeps_what_it_has() {
    // B1
    let mut buffer = [0; FlashStore::<Memory>::buffer_length(LONGEST)];
    let mut store = FlashStore::new(Memory::blank(), 0..2_048, LONGEST, &mut buffer).unwrap();
    store.store(Item::Device, &[1; LONGEST]).unwrap();
    store.store(Item::Room(0), &[2; LONGEST]).unwrap();
    assert_eq!(store.store(Item::Room(1), &[3; LONGEST]), Err(StoreError::Full));
    assert_eq!(store.store(Item::Room(1), &[3; LONGEST + 1]), Err(StoreError::Full));

    let mut loaded = [0; LONGEST];
    assert_eq!(store.load(Item::Device, &mut loaded), Ok(Some(LONGEST)));
    assert_eq!(loaded, [1; LONGEST]);
    assert_eq!(store.load(Item::Room(0), &mut loaded), Ok(Some(LONGEST)));
    assert_eq!(loaded, [2; LONGEST]);
    assert_eq!(store.load(Item::Room(1), &mut loaded), Ok(None));
}

#[test]
fn an_item_longer_than_the_place_for_it_is_damaged() {
    // B1
    let mut buffer = [0; FlashStore::<Memory>::buffer_length(100)];
    let mut store = FlashStore::new(Memory::blank(), 0..1_024, 100, &mut buffer).unwrap();
    store.store(Item::Device, &[1; 21]).unwrap();
    assert_eq!(store.load(Item::Device, &mut [0; 20]), Err(StoreError::Damaged));
    assert_eq!(store.load(Item::Device, &mut [0; 21]), Ok(Some(21)));

    // The firmware after an update, which thinks that items are shorter.
    let flash = store.release();
    let mut short = [0; FlashStore::<Memory>::buffer_length(12)];
    let mut store = FlashStore::new(flash, 0..1_024, 12, &mut short).unwrap();
    assert_eq!(store.load(Item::Device, &mut [0; 100]), Err(StoreError::Damaged));
}

#[test]
fn what_will_not_do_is_refused() {
    let refused = |addresses, longest, length| {
        let mut buffer = vec![0; length];
        FlashStore::new(Memory::blank(), addresses, longest, &mut buffer).err()
    };
    assert_eq!(refused(0..1_024, LONGEST, LONGEST + 8), None);
    assert_eq!(refused(3_072..4_096, 100, 112), None);
    assert_eq!(refused(256..1_024, 100, 112), Some(FlashStoreError::NotWholePages));
    assert_eq!(refused(0..1_000, 100, 112), Some(FlashStoreError::NotWholePages));
    assert_eq!(refused(0..512, 100, 112), Some(FlashStoreError::TooFewPages));
    assert_eq!(refused(0..0, 100, 112), Some(FlashStoreError::TooFewPages));
    assert_eq!(
        refused(core::ops::Range { start: 1_024, end: 0 }, 100, 112),
        Some(FlashStoreError::TooFewPages)
    );
    assert_eq!(refused(0..4_608, 100, 112), Some(FlashStoreError::OutOfBounds));
    assert_eq!(refused(0..1_024, LONGEST + 1, 1_000), Some(FlashStoreError::Unsuitable));
    assert_eq!(refused(0..1_024, usize::MAX, 1_000), Some(FlashStoreError::Unsuitable));
    assert_eq!(refused(0..1_024, 101, 111), Some(FlashStoreError::BufferTooShort(112)));
}
