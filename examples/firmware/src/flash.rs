//! NOR flash. QEMU's board has none, so some of its RAM behaves like it: pages are erased to ones as a whole, words are
//! written once after that, and what was written is still there after a reset, half a word too.
//!
//! For a board this file goes; the HAL's driver takes its place.

use core::sync::atomic::{AtomicBool, Ordering};

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};

use crate::power::{self, Work};

/// The beginning of the PSRAM, of which nothing else uses the first 16 KiB.
const BASE: *mut u32 = 0x2100_0000 as *mut u32;

/// Four pages of 4 KiB: enough for the rooms here, and so few that the log comes round to each of them.
pub(crate) const CAPACITY: u32 = 4 * PAGE;

const PAGE: u32 = 4_096;
const WORD: u32 = 4;
const ERASED: u32 = u32::MAX;

/// The flash.
pub(crate) struct Flash(());

impl Flash {
    /// The flash, for the first who asks.
    pub(crate) fn take() -> Option<Self> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        (!TAKEN.swap(true, Ordering::Relaxed)).then_some(Flash(()))
    }

    fn word(&self, address: u32) -> u32 {
        // SAFETY: the pointer is aligned and within RAM that nothing but this flash uses, and there is but one of it.
        unsafe { Self::pointer(address).read_volatile() }
    }

    fn set_word(&mut self, address: u32, word: u32) {
        // SAFETY: as above.
        unsafe { Self::pointer(address).write_volatile(word) }
    }

    fn pointer(address: u32) -> *mut u32 {
        assert!(address < CAPACITY);
        BASE.wrapping_add((address / WORD) as usize)
    }

    /// Programming clears bits and sets none. Where the power fails, it clears some of them.
    fn program(&mut self, address: u32, word: u32) {
        let old = self.word(address);
        if power::fails(Work::Writing) {
            self.set_word(address, old & (word | 0x5555_5555));
            power::off();
        }
        self.set_word(address, old & word);
    }
}

/// Why the flash did not do what it was asked to.
#[derive(Clone, Copy, Debug, defmt::Format)]
pub(crate) enum FlashError {
    /// An address is out of bounds or not a word's or a page's.
    Address,
    /// A word is not blank and can only be written after its page was erased.
    NotErased,
}

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            FlashError::Address => NorFlashErrorKind::OutOfBounds,
            FlashError::NotErased => NorFlashErrorKind::Other,
        }
    }
}

impl ErrorType for Flash {
    type Error = FlashError;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = WORD as usize;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        check_read(self, offset, bytes.len()).map_err(|_| FlashError::Address)?;
        for (address, bytes) in
            (offset..).step_by(Self::READ_SIZE).zip(bytes.chunks_exact_mut(Self::READ_SIZE))
        {
            bytes.copy_from_slice(&self.word(address).to_le_bytes());
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        CAPACITY as usize
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD as usize;
    const ERASE_SIZE: usize = PAGE as usize;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        check_erase(self, from, to).map_err(|_| FlashError::Address)?;
        for address in (from..to).step_by(WORD as usize) {
            if power::fails(Work::Erasing) {
                power::off();
            }
            self.set_word(address, ERASED);
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        check_write(self, offset, bytes.len()).map_err(|_| FlashError::Address)?;
        let words = bytes.as_chunks().0.iter().map(|&bytes| u32::from_le_bytes(bytes));
        for (address, word) in (offset..).step_by(Self::WRITE_SIZE).zip(words) {
            if self.word(address) != ERASED {
                return Err(FlashError::NotErased);
            }
            self.program(address, word);
        }
        Ok(())
    }
}
